# SPDX-License-Identifier: Apache-2.0
"""The judges of evaluate.py: small networks trained on fresh renders that tell family, motion and palette
from pixels. They never see a generated picture before they judge one."""
import random

import torch
from torch import nn
from torch.nn import functional as F

from world import clips, palettes
from world.families import FAMILIES

FAMILY, MOTION, PALETTE = list(FAMILIES), list(clips.MOTIONS), list(palettes.PALETTES)
FRAMES = 9          # of a clip; every fourth is looked at by the eye for families
SIDE = 32


def brightness(frames):
    """[B, T, 3, H, W] in 0..1 to small pictures of even contrast [B, T, SIDE, SIDE]."""
    grey = frames.mean(2)
    grey = F.interpolate(grey, (SIDE, SIDE), mode="area")
    mean, std = grey.mean((1, 2, 3), keepdim=True), grey.std((1, 2, 3), keepdim=True)
    return (grey - mean) / (std + 0.02)


def colours(frames):
    """Mean colours of the sixteenths of a clip, by brightness: [B, 48]."""
    small = F.interpolate(frames.flatten(0, 1), (16, 16), mode="area")
    pixels = small.view(frames.shape[0], -1, 3, 256).permute(0, 1, 3, 2).flatten(1, 2)
    order = pixels.sum(2).argsort(1)
    ordered = torch.gather(pixels, 1, order[..., None].expand(-1, -1, 3))
    n = ordered.shape[1] // 16 * 16
    return ordered[:, :n].unflatten(1, (16, -1)).mean(2).flatten(1)


class Eye(nn.Module):
    def __init__(self, n_frames, n_classes):
        super().__init__()
        widths = (n_frames, 32, 48, 64, 96)
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 4, n_classes))

    def forward(self, x):
        return self.layers(x)


class Judge(nn.Module):
    def __init__(self):
        super().__init__()
        self.family, self.motion = Eye(3, len(FAMILY)), Eye(FRAMES, len(MOTION))
        self.palette = nn.Sequential(nn.Linear(48, 128), nn.ReLU(), nn.Linear(128, len(PALETTE)))

    def forward(self, light, seen):
        """Logits, from what brightness() and colours() make of clips."""
        return {"family": self.family(light[:, ::4]), "motion": self.motion(light),
                "palette": self.palette(seen)}

    def look(self, frames):
        """Logits for clips [B, FRAMES, 3, H, W]."""
        return self(brightness(frames), colours(frames))


def blurred(frames, rng):
    """Renders are sharper than what the decoder makes; a judge of families must not mind."""
    k = rng.choice((1, 3, 5))
    return frames if k == 1 else F.avg_pool2d(frames.flatten(0, 1), k, 1, k // 2).view_as(frames)


def fresh(rng, n):
    """What is looked at of rendered clips, and their labels."""
    lights, seen, labels = [], [], {"family": [], "motion": [], "palette": []}
    for _ in range(n):
        spec = clips.draw(rng)
        spec.second = ""
        clip = clips.render(spec, FRAMES, (96, 96), start=rng.random() * 4.0)
        clip = blurred(clip.unsqueeze(0), rng)
        lights.append(brightness(clip))
        seen.append(colours(clip))
        for key, names in (("family", FAMILY), ("motion", MOTION), ("palette", PALETTE)):
            labels[key].append(names.index(getattr(spec, key)))
    return torch.cat(lights), torch.cat(seen), {key: torch.tensor(value) for key, value in labels.items()}


def train(n_clips, epochs, seed=77):
    """A judge, and its accuracy on fresh renders it has not seen."""
    torch.manual_seed(seed)
    rng = random.Random(seed)
    judge = Judge()
    light, seen, labels = fresh(rng, n_clips)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, epochs * (n_clips // 64 + 1))
    for _ in range(epochs):
        order = torch.randperm(n_clips)
        for part in order.split(64):
            answers = judge(light[part], seen[part])
            loss = sum(F.cross_entropy(answers[key], labels[key][part]) for key in answers)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
    judge.eval()
    light, seen, labels = fresh(random.Random(seed + 1), max(64, n_clips // 10))
    with torch.no_grad():
        answers = judge(light, seen)
    return judge, score(answers, labels)


def dominant(palette_index):
    return palettes.PALETTES[PALETTE[palette_index]][0]


def score(answers, labels):
    """Shares of right answers."""
    right = {key: (answers[key].argmax(1) == labels[key]).float().mean().item() for key in labels}
    right["colour"] = sum(dominant(a) == dominant(b) for a, b in
                          zip(answers["palette"].argmax(1).tolist(), labels["palette"].tolist())) \
        / len(labels["palette"])
    return right
