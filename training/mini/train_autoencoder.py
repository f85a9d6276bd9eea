# SPDX-License-Identifier: Apache-2.0
"""Trains the autoencoder on windows of the world (render_fields) and on pans over free pictures."""
import argparse
import math
import random
import time

import numpy
from PIL import Image
from torch.nn import functional as F

from mini.autoencoder import FACTOR, Autoencoder
from mini.common import (Average, Log, Muon, load_checkpoint, pathlib, save_checkpoint, save_sheet, torch)
from world import clips, palettes


class Crops:
    """Windows of the world under random palettes and moods; looks for new shards now and then."""

    def __init__(self, folder):
        self.folder, self.shards, self.seen = pathlib.Path(folder), [], set()
        self.look()

    def look(self):
        for path in sorted(self.folder.glob("fields-*.pt")):
            if path not in self.seen:
                self.seen.add(path)
                self.shards.append(torch.load(path)["fields"])

    def draw(self, rng, n_frames, size):
        shard = rng.choice(self.shards)
        value = shard[rng.randrange(shard.shape[0])]
        t = rng.randrange(value.shape[0] - n_frames + 1)
        y, x = rng.randrange(value.shape[1] - size + 1), rng.randrange(value.shape[2] - size + 1)
        value = value[t:t + n_frames, y:y + size, x:x + size].float() / 255.0
        contrast, lift = clips.MOODS[rng.choice(list(clips.MOODS))][1]
        value = (value - 0.5) * contrast + 0.5 + lift
        return palettes.apply(rng.choice(list(palettes.PALETTES)), value)


class Pictures:
    """Pans, zooms and turns over pictures; @folders are searched for files that Pillow reads."""

    def __init__(self, folders):
        self.images = []
        for folder in folders:
            for path in sorted(pathlib.Path(folder).rglob("*")):
                if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
                    try:
                        image = Image.open(path)
                        image.draft("RGB", (900, 900))
                        image = image.convert("RGB")
                    except OSError:
                        continue
                    if min(image.size) >= 400:
                        image.thumbnail((900, 900))
                        array = numpy.asarray(image).transpose(2, 0, 1).copy()
                        self.images.append(torch.from_numpy(array))

    def draw(self, rng, n_frames, size):
        image = rng.choice(self.images)
        height, width = image.shape[1:]
        zoom = rng.uniform(1.0, 2.2) * size / 2
        scale = [zoom * math.exp(rng.uniform(-0.01, 0.01) * i) for i in range(n_frames)]
        turn, spin = rng.uniform(-0.3, 0.3), rng.uniform(-0.012, 0.012)
        vx, vy = rng.uniform(-4, 4), rng.uniform(-4, 4)
        cx, cy = rng.uniform(zoom, width - zoom), rng.uniform(zoom, height - zoom)
        rows = []
        for i in range(n_frames):
            c, s = math.cos(turn + spin * i), math.sin(turn + spin * i)
            rows.append([[scale[i] * c / (width / 2), -scale[i] * s / (width / 2),
                          (cx + vx * i) / (width / 2) - 1],
                         [scale[i] * s / (height / 2), scale[i] * c / (height / 2),
                          (cy + vy * i) / (height / 2) - 1]])
        grid = F.affine_grid(torch.tensor(rows), (n_frames, 3, size, size), align_corners=False)
        source = (image.float() / 255.0).expand(n_frames, -1, -1, -1)
        return F.grid_sample(source, grid, padding_mode="reflection", align_corners=False)


def reconstruction_loss(y, x):
    """Differences of pixels, of edges at three scales, and of change over time."""
    pixels = (y - x).abs().mean()
    motion = ((y[:, 1:] - y[:, :-1]) - (x[:, 1:] - x[:, :-1])).abs().mean()
    a, b, edges = y.flatten(0, 1), x.flatten(0, 1), 0.0
    for _ in range(3):
        d = a - b
        edges = edges + (d[..., 1:] - d[..., :-1]).abs().mean() \
            + (d[..., 1:, :] - d[..., :-1, :]).abs().mean()
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return pixels + 0.5 * motion + 0.5 * edges, pixels


def sheet(model, crops, pictures, path):
    rng = random.Random(5)
    sources = [crops] * 6 + ([pictures] * 2 if pictures.images else [])
    x = torch.stack([source.draw(rng, 8, 128) for source in sources])
    with torch.no_grad():
        y = model.decode(model.encode(x))
    save_sheet(path, [[x[i, 6] for i in range(len(x))], [y[i, 6] for i in range(len(x))]])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--crops", required=True)
    parser.add_argument("--pictures", nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--share", type=float, default=0.15, help="of pictures")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    model = Autoencoder()
    matrices = [p for p in model.parameters() if p.dim() == 4]
    optimiser = Muon([{"params": matrices, "matrices": True},
                      {"params": [p for p in model.parameters() if p.dim() < 4]}])
    average = Average(model, 0.998)
    state, step = load_checkpoint(out / "autoencoder.pt"), 0
    if state:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        average.values, step = state["average"], state["step"]
    crops, pictures = Crops(args.crops), Pictures(args.pictures)
    print(len(crops.shards), "shards", len(pictures.images), "pictures", flush=True)
    log, begin, first = Log(out / "autoencoder.csv"), time.time(), step
    shown = Autoencoder()
    while True:
        progress = (time.time() - begin) / (args.minutes * 60)
        warm = min(1.0, (step - first + 1) / 100)
        for group in optimiser.param_groups:
            group["lr"] = args.rate * warm * max(0.02, 0.5 + 0.5 * math.cos(math.pi * min(1, progress)))
        clips_ = [(pictures if pictures.images and rng.random() < args.share else crops)
                  .draw(rng, args.frames, args.size) for _ in range(args.batch)]
        x = torch.stack(clips_)
        z = model.encode(x)
        mean, std = z.mean((0, 1, 3, 4)), z.std((0, 1, 3, 4))
        unit = (mean ** 2 + (std - 1.0) ** 2).mean()
        y = model.decode(z + torch.randn_like(z) * args.noise * rng.random() * 2)
        loss, pixels = reconstruction_loss(y, x)
        optimiser.zero_grad(set_to_none=True)
        (loss + 0.02 * unit).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        average.update(model, step)
        step += 1
        log.add(loss=loss, pixels=pixels, unit=unit)
        done = progress >= 1.0
        if step % 50 == 0:
            log.write(step)
            crops.look()
        if step % 500 == 0 or done:
            save_checkpoint(out / "autoencoder.pt", model=model.state_dict(), step=step,
                            optimiser=optimiser.state_dict(), average=average.values)
            shown.load_state_dict(average.values)
            sheet(shown, crops, pictures, out / "autoencoder.png")
        if done:
            return


if __name__ == "__main__":
    main()
