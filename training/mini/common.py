# SPDX-License-Identifier: Apache-2.0
"""What the stages share: folders, logs, checkpoints, pictures, the optimiser, the held-out rule."""
import csv
import hashlib
import os
import pathlib
import time

import numpy
import torch
from PIL import Image

from mini.fused import product

torch.set_num_threads(int(os.environ.get("TRAINING_THREADS", "1")))


def held_out(family, palette, motion):
    """True for the tenth of all combinations that no stage trains on."""
    digest = hashlib.sha256(f"{family}/{palette}/{motion}".encode()).digest()
    return digest[0] % 10 == 0


class Log:
    """A CSV file and a line on the terminal; a stage that continues appends."""

    def __init__(self, path):
        self.path, self.start = pathlib.Path(path), time.time()
        self.sums, self.n = {}, 0

    def add(self, **values):
        for key, value in values.items():
            self.sums[key] = self.sums.get(key, 0.0) + float(value)
        self.n += 1

    def write(self, step):
        row = {"step": step, "seconds": round(time.time() - self.start, 1)}
        row.update({key: round(value / max(1, self.n), 5) for key, value in self.sums.items()})
        new = not self.path.exists()
        with open(self.path, "a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(row)
        print(" ".join(f"{key} {value}" for key, value in row.items()), flush=True)
        self.sums, self.n = {}, 0


def save_checkpoint(path, **parts):
    torch.save(parts, f"{path}.part")
    os.replace(f"{path}.part", path)


def load_checkpoint(path):
    return torch.load(path, map_location="cpu") if pathlib.Path(path).exists() else None


def save_sheet(path, rows):
    """@rows: lists of pictures [3, H, W] in 0..1; written as one PNG."""
    lines = [torch.cat([cell.clamp(0, 1) for cell in row], 2) for row in rows]
    width = max(line.shape[2] for line in lines)
    lines = [torch.nn.functional.pad(line, (0, width - line.shape[2])) for line in lines]
    array = (torch.cat(lines, 1).permute(1, 2, 0) * 255 + 0.5).to(torch.uint8).numpy()
    Image.fromarray(numpy.ascontiguousarray(array)).save(path)


class Average:
    """An exponential moving average of a module's parameters."""

    def __init__(self, module, decay):
        self.decay = decay
        self.values = {key: value.detach().clone() for key, value in module.state_dict().items()}

    def update(self, module, step):
        decay = min(self.decay, (step + 1) / (step + 10))
        for key, value in module.state_dict().items():
            self.values[key].lerp_(value.detach(), 1.0 - decay)


def orthogonal(x, steps=4):
    """The nearest orthogonal matrix to @x, about, by a Newton-Schulz iteration."""
    tall = x.shape[0] > x.shape[1]
    x = x.t() if tall else x
    x = (x / (x.norm() + 1e-7)).contiguous()
    for _ in range(steps):
        a = product(x, x, turn_b=True)
        x = 3.4445 * x + product(-4.7750 * a + 2.0315 * product(a, a), x)
    return x.t() if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalised updates for matrices, Adam for everything else. Each group has
    `matrices` true or false. (K. Jordan and others, 2024.)"""

    def __init__(self, groups):
        super().__init__(groups, {"lr": 1e-3, "decay": 0.0, "matrices": False})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                p.mul_(1.0 - group["lr"] * group["decay"])
                if group["matrices"]:
                    momentum = state.setdefault("momentum", torch.zeros_like(p))
                    momentum.lerp_(p.grad, 0.05)
                    update = orthogonal(p.grad.lerp(momentum, 0.95).flatten(1))
                    p.add_(update.view_as(p), alpha=-group["lr"] * 0.2 * max(update.shape) ** 0.5)
                else:
                    n = state["n"] = state.get("n", 0) + 1
                    m = state.setdefault("m", torch.zeros_like(p))
                    v = state.setdefault("v", torch.zeros_like(p))
                    m.lerp_(p.grad, 0.1)
                    v.lerp_(p.grad * p.grad, 0.02)
                    p.addcdiv_(m / (1 - 0.9 ** n), (v / (1 - 0.98 ** n)).sqrt_().add_(1e-8),
                               value=-group["lr"])
