# SPDX-License-Identifier: Apache-2.0
"""The judges of evaluate.py: networks that tell family, motion and palette from pixels. They are trained on
renders, some of which went through the autoencoder, for that is how sharp a generated picture can be. They
never see a generated one before they judge it."""
import argparse
import random
import time

import torch
from torch import nn
from torch.nn import functional as F

from mini.common import load_checkpoint, pathlib, save_checkpoint
from mini.export import autoencoder
from world import clips, palettes
from world.families import FAMILIES

FAMILY, MOTION, PALETTE = list(FAMILIES), list(clips.MOTIONS), list(palettes.PALETTES)
LABELS = {"family": FAMILY, "motion": MOTION, "palette": PALETTE}
FRAMES = 9               # of a clip
SIDE = 64                # of the pictures that families are told from
REACH = 4                # how far shifts() looks, in 32nds of the picture
LAGS = (2, 4, 8)         # frames that lie between the pictures it compares
RENDERED = (128, 128)    # size of the renders
PART = 250               # clips of a file


def small(frames, side):
    """[B, T, 3, H, W] to [B, T, 3, side, side]."""
    return F.interpolate(frames.flatten(0, 1), (side, side), mode="area").unflatten(0, frames.shape[:2])


def light(frames):
    """Brightness of three frames of a clip at even contrast: [B, 3, SIDE, SIDE]."""
    grey = small(frames[:, ::4], SIDE).mean(2)
    mean, std = grey.mean((1, 2, 3), keepdim=True), grey.std((1, 2, 3), keepdim=True)
    return (grey - mean) / (std + 0.02)


def shifts(frames):
    """How well the surroundings of each place match those at small distances a few frames later:
    [B, lags * (2 * REACH + 1)^2, 8, 8], from -1 to 1."""
    grey = small(frames, 32).mean(2)
    around = F.avg_pool2d(grey, 5, 1, 2, count_include_pad=False)
    grey = grey - around
    grey = grey / (F.avg_pool2d(grey * grey, 5, 1, 2, count_include_pad=False) + 1e-4).sqrt()
    wide = F.pad(grey, (REACH,) * 4)
    planes = []
    for lag in LAGS:
        for dy in range(2 * REACH + 1):
            for dx in range(2 * REACH + 1):
                later = wide[:, lag:, dy:dy + 32, dx:dx + 32]
                planes.append((grey[:, :-lag] * later)[:, ::2].mean(1))
    return F.avg_pool2d(torch.stack(planes, 1), 4)


CURVES = torch.stack([palettes.apply(name, torch.linspace(0, 1, 32).view(1, 1, -1))[0, :, 0].t()
                      for name in PALETTE]).flatten(0, 1)


def colours(frames):
    """Of the pixels of frames [B, 3, 3, H, W] in quarters by brightness: the palettes whose gradients they lie next
    to, the distances to all, and mean colours of their quarters: [B, 4 * (16 + 16 + 12)]."""
    pixels = small(frames, 24).permute(0, 1, 3, 4, 2).flatten(1, 3)
    order = pixels.sum(2).argsort(1)
    pixels = torch.gather(pixels, 1, order[..., None].expand(-1, -1, 3))
    distance = torch.cdist(pixels, CURVES).unflatten(2, (len(PALETTE), -1)).amin(3)
    nearest = torch.softmax(-distance / 0.02, 2).unflatten(1, (4, -1)).mean(2)
    far = distance.unflatten(1, (4, -1)).mean(2) * 5.0
    return torch.cat([nearest.flatten(1), far.flatten(1), pixels.unflatten(1, (16, -1)).mean(2).flatten(1)], 1)


def look(frames):
    """What the judges are shown of clips [B, FRAMES, 3, H, W] in 0..1."""
    return {"light": light(frames), "shifts": shifts(frames), "colours": colours(frames[:, ::4])}


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        layers = [nn.Conv2d(3, 24, 5, 2, 2, bias=False), nn.BatchNorm2d(24), nn.ReLU()]
        for a, b in ((24, 40), (40, 72), (72, 128)):
            layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
        self.eye = nn.Sequential(*layers, nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU())
        n_planes = len(LAGS) * (2 * REACH + 1) ** 2
        self.sense = nn.Sequential(nn.Conv2d(n_planes, 64, 1), nn.BatchNorm2d(64), nn.ReLU(),
                                   nn.Conv2d(64, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU())
        self.family = nn.Sequential(nn.Dropout(0.3), nn.Linear(128 * (4 + 1) + 48 * 2, len(FAMILY)))
        self.motion = nn.Sequential(nn.Dropout(0.4), nn.Linear(48 * 64 + len(FAMILY), 64), nn.ReLU(),
                                    nn.Linear(64, len(MOTION)))
        self.palette = nn.Sequential(nn.BatchNorm1d(176), nn.Linear(176, 128), nn.ReLU(), nn.Dropout(0.2),
                                     nn.Linear(128, len(PALETTE)))

    def forward(self, seen):
        """Logits from what look() gives. A subject's own motion is known by its family."""
        eye, moves = self.eye(seen["light"]), self.sense(seen["shifts"])
        # what is seen in each quarter of the height and anywhere, and how it moves on the whole
        family = self.family(torch.cat([eye.mean(3).flatten(1), eye.amax((2, 3)), moves.mean((2, 3)),
                                        moves.amax((2, 3))], 1))
        known = torch.softmax(family.detach(), 1)
        return {"family": family, "motion": self.motion(torch.cat([moves.flatten(1), known], 1)),
                "palette": self.palette(seen["colours"])}


def tinted(frames, rng):
    """A judge of palettes must not mind slight errors of colour."""
    gain = torch.tensor([1.0 + rng.gauss(0.0, 0.03) for _ in range(3)])
    return (frames * gain.view(3, 1, 1)).clamp(0, 1)


def recoloured(spec, rng):
    mood = rng.choices(list(clips.MOODS), (4, 1, 1, 1))[0]
    return clips.Spec(**{**vars(spec), "palette": rng.choice(PALETTE), "mood": mood})


class Shown:
    """Collects what the judges are shown, in half precision."""

    def __init__(self):
        self.seen, self.labels = {"light": [], "shifts": [], "colours": []}, {key: [] for key in LABELS}

    def add(self, clip, colourings, specs):
        """@clip [T, ...] of specs[0]; @colourings: three of its frames in the colours of each of @specs."""
        self.seen["light"].append(light(clip.unsqueeze(0)).half())
        self.seen["shifts"].append(shifts(clip.unsqueeze(0)).half())
        self.seen["colours"].append(colours(torch.stack(colourings)).half().unsqueeze(0))
        for key in ("family", "motion"):
            self.labels[key].append(LABELS[key].index(getattr(specs[0], key)))
        self.labels["palette"].append([PALETTE.index(spec.palette) for spec in specs])

    def all(self):
        return {key: torch.cat(rows) for key, rows in self.seen.items()}, \
            {key: torch.tensor(rows) for key, rows in self.labels.items()}


def renders(shown, rng, n, n_colours):
    """Adds @n fresh renders under @n_colours palettes each."""
    for _ in range(n):
        spec = clips.draw(rng)
        spec.second, spec.start = "", rng.random() * 4.0
        start = spec.start + rng.random() * 1.5
        value = (clips.draw_field(spec, FRAMES, RENDERED, start=start) * 255 + 0.5).to(torch.uint8)
        specs = [spec] + [recoloured(spec, rng) for _ in range(n_colours - 1)]
        colourings = [tinted(clips.colour(one, value[::4], start), rng) for one in specs]
        shown.add(clips.colour(spec, value, start), colourings, specs)


@torch.no_grad()
def encoded(shown, rng, n, n_colours, folder, decoder):
    """Adds @n clips of the diffusion model's training data, as the autoencoder shows them."""
    paths = sorted(folder.glob("latents-*.pt"))
    for i in range(n):
        if i % 16 == 0:
            shard = torch.load(rng.choice(paths))
        k = rng.choice([k for k, spec in enumerate(shard["specs"]) if not spec.second])
        first = rng.randrange(shard["latents"].shape[1] - 2)
        frames = decoder.decode(shard["latents"][k:k + 1, first:first + 3].float())[:, -FRAMES:].clamp(0, 1)
        shown.add(frames[0], [tinted(frames[0, ::4], rng) for _ in range(n_colours)],
                  [shard["specs"][k]] * n_colours)


@torch.no_grad()
def reconstructed(n, seed, model):
    """@n fresh renders of native size, and the same encoded and decoded."""
    rng, plain, through = random.Random(seed), Shown(), Shown()
    for _ in range(n):
        spec = clips.draw(rng)
        spec.second, spec.start = "", rng.random() * 4.0
        frames = clips.render(spec, 12, (256, 256), start=spec.start + rng.random()).unsqueeze(0)
        for shown, clip in ((plain, frames), (through, model.decode(model.encode(frames)).clamp(0, 1))):
            clip = clip[0, -FRAMES:]
            shown.add(clip, [clip[::4]], [spec])
    return plain.all(), through.all()


MIRRORED = torch.tensor([MOTION.index(clips.MIRRORED.get(name, name)) for name in MOTION])


def varied(batch, labels):
    """The same through other gradients and softer lenses, every other time in a mirror."""
    x, n = batch["light"], len(labels)
    low, high = (edge.view(n, 1, 1, 1) for edge in (x.flatten(1).amin(1), x.flatten(1).amax(1)))
    x = ((x - low) / (high - low + 1e-3)) ** torch.exp(0.3 * torch.randn(n, 1, 1, 1))
    x = (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 1e-2)
    x = x + 0.8 * torch.rand(n, 1, 1, 1) * (F.avg_pool2d(x, 3, 1, 1, count_include_pad=False) - x)
    moves = batch["shifts"]
    if random.random() < 0.5:
        side = 2 * REACH + 1
        x, moves = x.flip(3), moves.unflatten(1, (-1, side, side)).flip(3, 5).flatten(1, 3)
        labels = MIRRORED[labels]
    return {**batch, "light": x, "shifts": moves}, labels


def fit(judge, data, epochs, rate=2e-3):
    seen, labels = data
    n = len(labels["family"])
    optimiser = torch.optim.AdamW(judge.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * ((n + 63) // 64))
    judge.train()
    for epoch in range(epochs):
        begin, total = time.time(), 0.0
        for part in torch.randperm(n).split(64):
            colouring = torch.randint(labels["palette"].shape[1], part.shape)
            batch, motion = varied({"light": seen["light"][part].float(), "shifts": seen["shifts"][part].float(),
                                    "colours": seen["colours"][part, colouring].float()}, labels["motion"][part])
            answers = judge(batch)
            truth = {"family": labels["family"][part], "motion": motion, "palette": labels["palette"][part, colouring]}
            loss = sum(F.cross_entropy(answers[key], truth[key], label_smoothing=0.05) for key in truth)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(part) / n
        print(f"epoch {epoch} loss {total:.4f} seconds {time.time() - begin:.0f}", flush=True)
    judge.eval()


@torch.no_grad()
def answer(judge, seen):
    parts = [judge({key: value[i:i + 64].float() for key, value in seen.items()})
             for i in range(0, len(seen["light"]), 64)]
    return {key: torch.cat([part[key] for part in parts]) for key in LABELS}


def examine(judge, data):
    seen, labels = data
    seen = {**seen, "colours": seen["colours"][:, 0]}
    answers = answer(judge, seen)
    return answers, {**labels, "palette": labels["palette"][:, 0]}


def dominant(palette_index):
    return palettes.PALETTES[PALETTE[palette_index]][0]


def score(answers, labels):
    """Shares of right answers; direction: the motion of what moves."""
    right = {key: (answers[key].argmax(1) == labels[key]).float().mean().item() for key in labels}
    right["colour"] = sum(dominant(a) == dominant(b) for a, b in
                          zip(answers["palette"].argmax(1).tolist(), labels["palette"].tolist())) \
        / len(labels["palette"])
    moving = labels["motion"] != MOTION.index("still")
    right["direction"] = (answers["motion"].argmax(1) == labels["motion"])[moving].float().mean().item()
    return right


def gathered(folder, kind, n, seed, gather):
    """@n clips that @gather(shown, rng, n) adds to a Shown, in parts that are kept in files."""
    parts = []
    for part in range((n + PART - 1) // PART):
        path = folder / f"{kind}-{part:03d}.pt"
        data = load_checkpoint(path)
        if data is None:
            shown = Shown()
            gather(shown, random.Random(f"{kind} {seed} {part}"), min(PART, n - part * PART))
            seen, labels = shown.all()
            data = {"seen": seen, "labels": labels}
            save_checkpoint(path, **data)
        parts.append(data)
    return joined(parts)


def joined(parts):
    return tuple({key: torch.cat([part[half][key] for part in parts]) for key in parts[0][half]}
                 for half in ("seen", "labels"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--latents", type=pathlib.Path, required=True)
    parser.add_argument("--autoencoder", type=pathlib.Path, required=True)
    parser.add_argument("--clips", type=int, default=8000, help="renders to learn from")
    parser.add_argument("--encoded", type=int, default=400, help="clips through the autoencoder to learn from")
    parser.add_argument("--tests", type=int, default=128, help="clips of each kind to be examined with")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=77)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    model = autoencoder(args.autoencoder).eval()
    data = [gathered(args.out, "renders", args.clips, args.seed, lambda *a: renders(*a, 3))]
    data.append(gathered(args.out, "encoded", args.encoded, args.seed,
                         lambda *a: encoded(*a, 3, args.latents, model)))
    judge = Judge()
    fit(judge, joined([{"seen": seen, "labels": labels} for seen, labels in data]), args.epochs)
    tests = load_checkpoint(args.out / "tests.pt")
    if tests is None:
        tests = dict(zip(("renders", "through the autoencoder"), reconstructed(args.tests, args.seed + 1, model)))
        save_checkpoint(args.out / "tests.pt", **tests)
    result = {name: score(*examine(judge, test)) for name, test in tests.items()}
    print(result, flush=True)
    save_checkpoint(args.out / "judge.pt", judge=judge.state_dict(), result=result)


if __name__ == "__main__":
    main()
