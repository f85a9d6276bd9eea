# SPDX-License-Identifier: Apache-2.0
"""The second critic of the diffusion model's last phase: a network on pictures that names subject and motion, as seen
through the decoder. What a critic on latents takes for sand may not be seen as sand; what this one names has to show.

It learns from the renders that judge.py gathered, less the held-out combinations. It is built otherwise than the
judges, begins from other weights, and is not used to judge.
"""
import argparse
import random
import time

from torch import nn
from torch.nn import functional as F

from mini.common import Log, held_out, load_checkpoint, pathlib, save_checkpoint, torch
from mini.judge import FAMILY, FRAMES, LAGS, MOTION, PALETTE, REACH, joined, light, shifts, varied

HAZE = 0.3     # noise that it looks through


class Block(nn.Module):
    """A residual block that halves the picture."""

    def __init__(self, n_in, n_out):
        super().__init__()
        self.body = nn.Sequential(nn.GroupNorm(8, n_in), nn.SiLU(), nn.Conv2d(n_in, n_out, 3, padding=1),
                                  nn.GroupNorm(8, n_out), nn.SiLU(), nn.Conv2d(n_out, n_out, 3, padding=1))
        self.skip = nn.Conv2d(n_in, n_out, 1, bias=False)
        nn.init.zeros_(self.body[5].weight)

    def forward(self, x):
        return F.avg_pool2d(self.skip(x) + self.body(x), 2)


class Sight(nn.Module):
    """An eye for shapes in three frames, with a sense of place, and one for how all of them shift."""

    def __init__(self):
        super().__init__()
        self.eye = nn.Sequential(nn.Conv2d(3, 32, 5, 2, 2), Block(32, 48), Block(48, 80), Block(80, 128),
                                 nn.GroupNorm(8, 128), nn.SiLU())
        self.sense = nn.Sequential(nn.Conv2d(len(LAGS) * (2 * REACH + 1) ** 2, 64, 1), nn.SiLU(),
                                   nn.Conv2d(64, 32, 3, padding=1), nn.SiLU(), nn.Flatten())
        self.family = nn.Sequential(nn.Dropout(0.3), nn.Linear(128 * 16 + 128, len(FAMILY)))
        self.motion = nn.Sequential(nn.Linear(32 * 64, 64), nn.SiLU(), nn.Dropout(0.3), nn.Linear(64, len(MOTION)))

    def forward(self, light_seen, shifts_seen):
        """Logits of families and motions from what the judges see."""
        eye = self.eye(light_seen)
        return {"family": self.family(torch.cat([eye.flatten(1), eye.mean((2, 3))], 1)),
                "motion": self.motion(self.sense(shifts_seen))}

    def look(self, frames):
        """The same from clips [B, T, 3, H, W], of which it sees the last FRAMES."""
        frames = frames[:, -FRAMES:]
        return self(shaken(light(frames)), shifts(frames))


def shaken(x):
    """Brightness [B, 3, H, W] a few pixels aside and through noise of random strength."""
    x = F.pad(x, (4,) * 4, mode="replicate")
    dy, dx = random.randrange(9), random.randrange(9)
    x = x[:, :, dy:x.shape[2] - 8 + dy, dx:x.shape[3] - 8 + dx]
    return x + HAZE * torch.rand(x.shape[0], 1, 1, 1) * torch.randn_like(x)


def learnt(folder):
    """What judge.py gathered, less what is held out."""
    seen, labels = joined([load_checkpoint(path) for kind in ("renders", "encoded")
                           for path in sorted(folder.glob(f"{kind}-*.pt"))])
    names = zip(labels["family"].tolist(), labels["palette"][:, 0].tolist(), labels["motion"].tolist())
    keep = torch.tensor([i for i, (family, palette, motion) in enumerate(names)
                         if not held_out(FAMILY[family], PALETTE[palette], MOTION[motion])])
    return {key: seen[key][keep] for key in ("light", "shifts")}, {key: labels[key][keep] for key in ("family", "motion")}


def fit(seed, data, minutes, log):
    """A new Sight, trained until the time is over."""
    torch.manual_seed(seed)
    random.seed(seed)
    sight, (seen, labels) = Sight(), data
    optimiser = torch.optim.AdamW(sight.parameters(), lr=2e-3, weight_decay=0.05)
    begin, step, progress = time.time(), 0, 0.0
    while progress < 1.0:
        progress = min(1.0, (time.time() - begin) / (minutes * 60))
        for group in optimiser.param_groups:
            group["lr"] = 2e-3 * min(1.0, (step + 1) / 50) * max(0.02, 1.0 - progress)
        part = torch.randint(len(labels["family"]), (64,))
        batch, motion = varied({key: value[part].float() for key, value in seen.items()}, labels["motion"][part])
        answers = sight(shaken(batch["light"]), batch["shifts"])
        truth = {"family": labels["family"][part], "motion": motion}
        loss = sum(F.cross_entropy(answers[key], truth[key], label_smoothing=0.05) for key in truth)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        log.add(loss=loss, **{key: (answers[key].argmax(1) == truth[key]).float().mean() for key in truth})
        if step % 50 == 0:
            log.write(step)
    return sight.eval().requires_grad_(False)


def load_sights(path):
    """What main() has saved, for use without training."""
    sights = []
    for values in torch.load(path)["sights"]:
        sights.append(Sight().eval().requires_grad_(False))
        sights[-1].load_state_dict(values)
    return sights


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--judge", type=pathlib.Path, required=True, help="the folder of what the judges learnt from")
    parser.add_argument("--minutes", type=float, default=12, help="for each of two, which answer together")
    parser.add_argument("--seed", type=int, default=6)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    data, log = learnt(args.judge), Log(args.out / "sight.csv")
    sights = [fit(args.seed + k, data, args.minutes, log) for k in range(2)]
    save_checkpoint(args.out / "sight.pt", sights=[sight.state_dict() for sight in sights])


if __name__ == "__main__":
    main()
