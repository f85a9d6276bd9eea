# SPDX-License-Identifier: Apache-2.0
"""Trains a small adapter for the transformer: a look, told as an effect on finished pictures.

The model generates; each chunk z is decoded, changed by the effect and encoded again, which gives how the latents
should move, d. The adapter learns to walk from the same noise along the model's own way to z + d: at timestep t
that way passes x + (1 - t) d, where the model's flow has to become v - d. So the few steps stay as good as they
were trained, and what is not the look stays as it was."""
import argparse
import random
import time

from torch import nn
from torch.nn import functional as F

from mini.common import Log, pathlib, torch
from mini.data import Reader
from mini.dit import CHUNK
from mini.export import autoencoder, diffusion
from mini.safetensors import save
from mini.stream import Cache, Stream
from mini.train_diffusion import sheet
from world import clips, palettes

TARGETS = ("q", "k", "v", "o", "ffn.0", "ffn.2")
CHUNKS = 2          # of a stream that is learnt from
VERDIGRIS = palettes.gradient("07090c 0e3338 1a7d7a cf7440 f4b478 fff4e3")


def brightness(frames):
    return 0.5 * frames.amax(2) + 0.5 * frames.mean(2)


def verdigris(frames):
    """Everything in teal shadows and copper lights."""
    return palettes.through(VERDIGRIS, brightness(frames).flatten(0, 1)).view(frames.shape)


def pastel(frames):
    """Chalk on warm paper: soft, light, low in contrast."""
    soft = F.avg_pool2d(frames.flatten(0, 1), 5, 1, 2, count_include_pad=False).view(frames.shape)
    return 0.45 * torch.tensor([0.95, 0.91, 0.82]).view(3, 1, 1) + 0.55 * soft


EFFECTS = {"pastel": pastel, "verdigris": verdigris}


class Adapter(nn.Module):
    """A linear with a pair of low rank beside it."""

    def __init__(self, base, rank):
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features ** 0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        self.strength = 1.0

    def forward(self, x):
        return self.base(x) + F.linear(F.linear(x, self.down), self.up) * self.strength


def adapted(model, rank):
    """Puts adapters on the targets of all blocks: name to Adapter."""
    adapters = {}
    for p in model.parameters():
        p.requires_grad_(False)
    for name, module in list(model.named_modules()):
        if name.startswith("blocks.") and name.endswith(TARGETS) and isinstance(module, nn.Linear):
            parent, _, leaf = name.rpartition(".")
            adapters[name] = Adapter(module, rank)
            setattr(model.get_submodule(parent), leaf, adapters[name])
    return adapters


class Walk(Stream):
    """A stream that notes the points of its way and the flow at each."""

    def flow(self, x, t):
        flow = super().flow(x, t)
        if t:
            self.points.append((t, x, flow))
        return flow

    def walked(self):
        self.points = []
        return self.chunk(), self.points


@torch.no_grad()
def gather(model, reader, coder, effect, rng, n):
    """@n streams: prompt rows, and per chunk the latents, their move by the effect, and the way there."""
    rows = reader.captions([clips.draw(rng) for _ in range(n)], rng, 0.0)
    stream = Walk(model, model.read(rows), rng.randrange(1 << 30))
    walks = [stream.walked() for _ in range(CHUNKS)]
    latents = torch.cat([z for z, _ in walks], 1)
    moves = []
    for z in latents.split(1):
        frames = coder.decode(z).clamp(0, 1)
        moves.append(coder.encode(effect(frames)) - coder.encode(frames))
    moves = torch.cat(moves)
    return rows, latents, moves, [points for _, points in walks]


def loss_of(model, gathered, rng):
    rows, latents, moves, walks = gathered
    number = rng.randrange(CHUNKS)
    text = model.read(rows)
    cache = Cache(len(model.blocks))
    for i, past in enumerate((latents + moves).split(CHUNK, 1)[:number]):
        with torch.no_grad():
            model(past, torch.zeros(past.shape[:2]), [i * CHUNK], text, cache=cache)
        cache.keep((CHUNKS - 1) * CHUNK * past.shape[-1] * past.shape[-2] // 4)
    t, x, flow = rng.choice(walks[number])
    move = moves[:, number * CHUNK:(number + 1) * CHUNK]
    times = torch.full(x.shape[:2], float(t))
    out = model(x + (1.0 - t / 1000.0) * move, times, [number * CHUNK], text, cache=cache)
    return (out - flow + move).pow(2).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--effect", choices=EFFECTS, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="a folder; the file is EFFECT.safetensors")
    parser.add_argument("--diffusion", type=pathlib.Path, required=True, help="a checkpoint")
    parser.add_argument("--autoencoder", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--rank", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    rng, begin = random.Random(f"{args.effect} {args.seed}"), time.time()
    reader, coder, model = Reader(args.text), autoencoder(args.autoencoder).eval(), diffusion(args.diffusion)
    adapters = adapted(model, args.rank)
    seen, log, step = [], Log(args.out / f"{args.effect}.csv"), 0
    parameters = [p for adapter in adapters.values() for p in (adapter.down, adapter.up)]
    optimiser = torch.optim.AdamW(parameters, lr=args.rate, weight_decay=0.0)
    progress = 0.0
    while progress < 1.0 or step == 0:
        progress = min(1.0, (time.time() - begin) / (args.minutes * 60))
        if not seen or progress < 0.4:
            for adapter in adapters.values():
                adapter.strength = 0.0
            seen.append(gather(model, reader, coder, EFFECTS[args.effect], rng, args.batch))
            for adapter in adapters.values():
                adapter.strength = 1.0
            continue
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 10) * max(0.03, 1.0 - ((progress - 0.4) / 0.6) ** 2)
        loss = loss_of(model, rng.choice(seen), rng)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        log.add(loss=loss)
        if step % 16 == 0:
            log.write(step)
    tensors = {}
    for name, adapter in adapters.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = adapter.down
        tensors[f"base_model.model.{name}.lora_B.weight"] = adapter.up
    save(args.out / f"{args.effect}.safetensors", tensors, metadata={"model": "mini", "license": "Apache-2.0"})
    sheet(model, coder, reader, args.out / f"{args.effect}.png", 2)
    print(f"{step} steps over {len(seen) * args.batch} streams", flush=True)


if __name__ == "__main__":
    main()
