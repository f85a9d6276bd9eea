# SPDX-License-Identifier: Apache-2.0
"""Clips of the world: what a clip shows (Spec) and its pixels.

A Spec is drawn from a random generator; the same Spec renders the same pixels on any device, up to
rounding. Motion moves the picture's coordinates: the content goes where the caption says.
"""
import math
import random
from dataclasses import dataclass, field

import torch

from . import palettes
from .families import FAMILIES, Place, unit
from .noise import fbm

FPS = 16.0

# name: (words, how content moves: right, down, zoom in, turn clockwise; units or radians a second)
MOTIONS = {
    "still": (["still", "motionless", "hovering in place"], (0.0, 0.0, 0.0, 0.0)),
    "left": (["drifting left", "moving to the left", "flowing leftwards"], (-0.45, 0.0, 0.0, 0.0)),
    "right": (["drifting right", "moving to the right", "flowing rightwards"], (0.45, 0.0, 0.0, 0.0)),
    "up": (["rising", "moving upwards", "floating up"], (0.0, -0.45, 0.0, 0.0)),
    "down": (["sinking", "moving downwards", "falling down"], (0.0, 0.45, 0.0, 0.0)),
    "zoom-in": (["zooming in", "flying forward", "coming closer"], (0.0, 0.0, 0.35, 0.0)),
    "zoom-out": (["zooming out", "pulling back", "receding"], (0.0, 0.0, -0.35, 0.0)),
    "clockwise": (["rotating clockwise", "turning clockwise"], (0.0, 0.0, 0.0, 0.5)),
    "counterclockwise": (["rotating counterclockwise", "turning anticlockwise"], (0.0, 0.0, 0.0, -0.5)),
}
SPEEDS = {"slow": (["slowly", "slow", "calmly"], 0.5), "medium": ([""], 1.0),
          "fast": (["fast", "quickly", "rapidly"], 1.9)}
DENSITIES = {"sparse": (["sparse", "large scale", "minimal"], 0.65), "normal": ([""], 1.0),
             "dense": (["dense", "intricate", "finely detailed"], 1.55)}
MOODS = {"plain": ([""], (1.0, 0.0)), "dark": (["dark", "moody", "at night"], (0.75, -0.12)),
         "bright": (["bright", "luminous", "glowing"], (1.05, 0.14)),
         "dreamy": (["dreamy", "soft", "hazy"], (0.7, 0.12))}
RHYTHMS = {"steady": ([""], 0.0), "pulsing": (["pulsing", "throbbing", "beating"], 1.0)}

# Subjects that stand in the middle: they cross it slowly, the middle of a clip being MIDDLE seconds after its start.
CENTRED = {"tunnel", "kaleidoscope", "mandala", "galaxy", "fractal", "grid", "lightning", "moire"}
DEEP = {"tunnel", "grid"}      # a zoom flies into them
MIDDLE = 1.1


@dataclass
class Spec:
    family: str
    palette: str
    motion: str = "still"
    speed: str = "medium"
    density: str = "normal"
    mood: str = "plain"
    rhythm: str = "steady"
    second: str = ""          # a second family that shows through
    seed: int = 0
    random: list = field(default_factory=list)
    start: float = 0.0        # seconds


def draw(rng):
    """A random Spec."""
    second = rng.choice(list(FAMILIES)) if rng.random() < 0.12 else ""
    family = rng.choice(list(FAMILIES))
    return Spec(
        family=family,
        palette=rng.choice(list(palettes.PALETTES)),
        motion=rng.choice(list(MOTIONS)),
        speed=rng.choices(list(SPEEDS), (1, 2, 1))[0],
        density=rng.choices(list(DENSITIES), (1, 3, 1))[0],
        mood=rng.choices(list(MOODS), (4, 1, 1, 1))[0],
        rhythm=rng.choices(list(RHYTHMS), (6, 1))[0],
        second=second if second != family else "",
        seed=rng.randrange(1 << 30),
        random=[rng.random() for _ in range(8)])


MIRRORED = {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}


def mirrored(spec, value):
    """The clip seen in a mirror: its Spec, which says no more how to render it, and its field [T, H, W]."""
    return Spec(**{**vars(spec), "motion": MIRRORED.get(spec.motion, spec.motion)}), value.flip(2)


def coordinates(times, size, device, window=None):
    """Of the screen, sx, sy, and time t in seconds; each [T, H, W]; the shorter side spans -1..1. @window (top,
    left, height, width) asks for a part of the picture."""
    height, width = size
    short = min(height, width)
    top, left, rows, columns = window or (0, 0, height, width)
    ys = (torch.arange(rows, device=device, dtype=torch.float32) + top + 0.5 - height / 2) * 2 / short
    xs = (torch.arange(columns, device=device, dtype=torch.float32) + left + 0.5 - width / 2) * 2 / short
    t = torch.tensor(times, device=device, dtype=torch.float32).view(-1, 1, 1)
    shape = (t.shape[0], rows, columns)
    return xs.view(1, 1, -1).expand(shape), ys.view(1, -1, 1).expand(shape), t.expand(shape)


def layers(spec, dive):
    """A zoom without end: two pictures, half a way apart, that grow from half to twice their size, fade in
    before and out after: (scale, how many times it began anew, weight) of each, from the way @dive in nats."""
    way = dive / math.log(4.0) + spec.random[4]
    for half in (0.0, 0.5):
        begun = torch.floor(way + half)
        part = way + half - begun
        yield 4.0 ** (0.5 - part), begun, torch.sin(part * math.pi) ** 2


def draw_field(spec, n_frames, size, device="cpu", start=0.0, window=None):
    """The brightness of a clip before mood and palette: [T, H, W] in 0..1."""
    times = [start + i / FPS for i in range(n_frames)]
    sx, sy, t = coordinates(times, size, device, window)
    speed = SPEEDS[spec.speed][1]
    dx, dy, zoom, turn = (value * speed for value in MOTIONS[spec.motion][1])
    clock = t * 0.8 * speed + spec.random[5] * 40.0
    flow = clock if spec.motion == "still" else clock * 0.2     # what is told goes before a subject's own way
    c, s = torch.cos(-turn * t), torch.sin(-turn * t)

    def drawn(family, scale=1.0, begun=0.0):
        if family in CENTRED:
            ox, oy, gone = 0.0, 0.0, (t - spec.start - MIDDLE) * 0.5
        else:
            ox, oy, gone = (spec.random[6] - 0.5) * 6.0 + begun * 7.3, (spec.random[7] - 0.5) * 6.0, t
        x, y = (sx * c - sy * s) * scale - dx * gone + ox, (sx * s + sy * c) * scale - dy * gone + oy
        place = Place(x, y, sx, sy, clock, flow, zoom * t, spec.seed & 0xFFFFF, DENSITIES[spec.density][1], spec.random)
        return FAMILIES[family][0](place)

    def zoomed(family):
        if zoom == 0.0 or family in DEEP:
            return drawn(family)
        return sum(weight * drawn(family, scale, begun) for scale, begun, weight in layers(spec, zoom * t))

    value = zoomed(spec.family)
    if spec.second:
        mask = unit(fbm(sx * 0.8, sy * 0.8, clock * 0.05, spec.seed + 77, 2) * 2.0)
        value = torch.lerp(value, torch.maximum(value, zoomed(spec.second)), mask)
    return value


def colour_table(spec, times):
    """Mood, rhythm and palette of @spec for brightness 0..255: [T, 256, 3] in 0..1."""
    contrast, lift = MOODS[spec.mood][1]
    value = torch.linspace(0.0, 1.0, 256).expand(len(times), -1)
    value = ((value - 0.5) * contrast + 0.5 + lift).clamp(0.0, 1.0)
    if RHYTHMS[spec.rhythm][1]:
        beat = torch.tensor(times).view(-1, 1) * 2.0 * SPEEDS[spec.speed][1]
        value = value * (0.55 + 0.45 * (0.5 + 0.5 * torch.cos(beat * 2.0 * math.pi)))
    return palettes.apply(spec.palette, value.unsqueeze(0))[0].permute(1, 2, 0)


def colour(spec, value, start=0.0):
    """Colours for a uint8 field [T, H, W]: [T, 3, H, W] in 0..1."""
    table = colour_table(spec, [start + i / FPS for i in range(value.shape[0])])
    pictures = [torch.index_select(table[i], 0, value[i].flatten().long()) for i in range(value.shape[0])]
    return torch.stack(pictures).view(*value.shape, 3).permute(0, 3, 1, 2)


def render(spec, n_frames, size, device="cpu", start=0.0):
    """The pixels of a clip: [T, 3, H, W] in 0..1, @n_frames at FPS from @start seconds on."""
    value = draw_field(spec, n_frames, size, device, start)
    return colour(spec, (value * 255.0 + 0.5).to(torch.uint8), start)


def sample(seed, n_frames, size, device="cpu"):
    """One clip of the endless data set: (pixels, caption, Spec); the same for the same seed."""
    from . import captions   # which reads the tables of this file

    rng = random.Random(seed)
    spec = draw(rng)
    text = captions.caption(spec, rng)
    spec.start = rng.random() * 4.0
    return render(spec, n_frames, size, device, start=spec.start), text, spec
