# SPDX-License-Identifier: Apache-2.0
"""Renders brightness fields: shards of clips as uint8, without colours, which are laid over them later.
The autoencoder learns from short clips of a window, the diffusion model from whole pictures."""
import argparse
import random

from mini.common import pathlib, save_checkpoint, torch
from world import clips


def render(seed, frames, window):
    rng = random.Random(seed)
    spec = clips.draw(rng)
    place = None
    if window < 256:
        place = (rng.randrange(257 - window), rng.randrange(257 - window), window, window)
    spec.start = rng.random() * 4.0
    value = clips.draw_field(spec, frames, (256, 256), start=spec.start, window=place)
    return (value * 255 + 0.5).to(torch.uint8), spec


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--shards", type=int, default=80)
    parser.add_argument("--clips", type=int, default=32, help="of a shard")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--window", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1000000)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for shard in range(args.shards):
        path = args.out / f"fields-{args.seed}-{shard:04d}.pt"
        if not path.exists():
            made = [render(args.seed + shard * args.clips + i, args.frames, args.window)
                    for i in range(args.clips)]
            save_checkpoint(path, fields=torch.stack([m[0] for m in made]), specs=[m[1] for m in made])


if __name__ == "__main__":
    main()
