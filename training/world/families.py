# SPDX-License-Identifier: Apache-2.0
"""The subjects of the world: each a function from a Place to a brightness field [T, H, W] in 0..1.

A Place holds coordinates that already move (x, y), the screen's own (sx, sy), time t in seconds, how far a
subject has gone by itself (flow: little where the caption tells a motion) and flown into the depth (dive),
and the constants of one clip: seed, density, and a row of uniform random numbers.
"""
import math
from dataclasses import dataclass, replace

import torch

from .noise import cells, dots, fbm, gradient, lattice_random, ridged

TAU = 2.0 * math.pi


@dataclass
class Place:
    x: torch.Tensor
    y: torch.Tensor
    sx: torch.Tensor
    sy: torch.Tensor
    t: torch.Tensor
    flow: torch.Tensor
    dive: torch.Tensor
    seed: int
    density: float
    random: list

    def radius(self):
        return torch.sqrt(self.x ** 2 + self.y ** 2 + 1e-6)

    def angle(self):
        return torch.atan2(self.y, self.x)


def smoothstep(low, high, value):
    f = ((value - low) / (high - low)).clamp(0.0, 1.0)
    return f * f * (3.0 - 2.0 * f)


def unit(value):
    """From about -1..1 to 0..1."""
    return (value * 0.5 + 0.5).clamp(0.0, 1.0)


def sprites(p, n, size, drift=(0.0, 0.0), twinkle=0.0):
    """Soft dots, one per lattice cell of @n cells a unit; drift moves them in units per second."""
    return dots((p.x - drift[0] * p.flow) * n, (p.y - drift[1] * p.flow) * n, p.t, p.seed, size, twinkle)


def fire(p):
    rise = p.flow * 0.8
    warp = fbm(p.x * 2.0, p.y * 1.6 + rise, p.t * 0.6, p.seed, 3) * 0.5
    flame = unit(fbm((p.x + warp) * 2.4 * p.density, p.y * 1.5 + rise * 1.4, p.t, p.seed + 9, 4) * 1.5)
    return (flame * (0.35 + 0.75 * unit(p.sy * 1.2 + 0.25)) * 1.35).clamp(0, 1)


def ocean(p):
    depth = 1.0 / (0.35 + unit(p.sy * 0.9 + 0.2))
    x, y = p.x * depth * 1.4, p.y * depth * 3.0
    swell = ridged(x * p.density, y + 0.5 * torch.sin(x + p.t), p.t * 0.5, p.seed, 4)
    return (0.15 + 0.9 * swell ** 2).clamp(0, 1)


def clouds(p):
    base = fbm(p.x * 1.3 * p.density, p.y * 1.7, p.t * 0.12, p.seed, 5)
    return smoothstep(-0.25, 0.75, base + 0.15 * p.sy)


def aurora(p):
    light = torch.zeros_like(p.x)
    for k in range(3):
        wave = fbm(p.x * 0.9 + k * 7.3, p.t * 0.25, p.t * 0.1 + k, p.seed + k, 3) * 0.45
        d = torch.remainder(p.y - wave - (k - 1) * 0.3 + 1.6, 2.6) - 1.6   # curtains above curtains
        rays = 0.55 + 0.45 * unit(gradient(p.x * 9.0 * p.density, p.t * 0.9, p.t * 0.2, p.seed + 31 + k))
        light = light + rays * torch.where(d < 0, torch.exp(d * 2.6), torch.exp(-d * 14.0))
    return (light * 0.75).clamp(0, 1)


def nebula(p):
    warp = fbm(p.x * 1.1, p.y * 1.1, p.t * 0.08, p.seed, 3)
    gas = unit(fbm(p.x * 1.2 * p.density + warp, p.y * 1.2 - warp, p.t * 0.1, p.seed + 3, 5) * 1.3)
    return (gas ** 1.7 + 0.8 * sprites(p, 7.0, 0.07, twinkle=0.5)).clamp(0, 1)


def starfield(p):
    far = replace(p, seed=p.seed + 50)
    return (1.1 * sprites(p, 3.2 * p.density, 0.055, twinkle=0.3)
            + 0.8 * sprites(far, 8.0 * p.density, 0.075, twinkle=0.7)).clamp(0, 1)


def lava(p):
    first, second, _ = cells(p.x * 2.2 * p.density + 0.2 * fbm(p.x * 3, p.y * 3, p.t * 0.3, p.seed, 2),
                             p.y * 2.2 * p.density, p.t * 0.7, p.seed)
    crack = 1.0 - smoothstep(0.0, 0.34, second - first)
    glow = unit(fbm(p.x * 2.0, p.y * 2.0, p.t * 0.5, p.seed + 8, 3))
    return (crack * (0.55 + 0.6 * glow) + 0.16 * glow).clamp(0, 1)


def ink(p):
    x, y = p.x * 1.2, p.y * 1.2
    for k in range(3):
        x, y = (x + 0.45 * fbm(x * 1.3, y * 1.3, p.t * 0.22 + k * 3, p.seed + k, 3),
                y + 0.45 * fbm(x * 1.3 + 9, y * 1.3, p.t * 0.22 + k * 5, p.seed + 7 + k, 3))
    plume = smoothstep(-0.3, 0.35, fbm(x * p.density, y * p.density, p.t * 0.15, p.seed + 20, 3))
    return 0.88 - 0.85 * plume   # dark in bright water


def smoke(p):
    rise = p.flow * 0.5
    warp = fbm(p.x * 1.4, p.y * 1.2 + rise, p.t * 0.3, p.seed, 4)
    body = unit(fbm(p.x * 1.5 * p.density + warp * 0.9, p.y * 1.1 + rise + warp * 0.5, p.t * 0.3,
                    p.seed + 4, 5) * 1.4)
    return body ** 1.4 * (0.45 + 0.55 * unit(p.sy * 1.3 + 0.3))


def rain(p):
    x, y = p.x * 6.0 * p.density, p.y * 2.2 - p.flow * 3.4
    column = torch.floor(x)
    zero = torch.zeros_like(column).long()
    shift = lattice_random(column.long(), zero, zero, p.seed)
    fall = y * (0.7 + shift) + shift * 37.0
    row = torch.floor(fall)
    f = fall - row
    here = lattice_random(column.long(), row.long(), zero, p.seed + 1)
    line = torch.exp(-((x - column - 0.5) / 0.13) ** 2) * smoothstep(0.0, 0.85, f) * (f < 0.92)
    haze = 0.22 * unit(fbm(p.sx * 1.4, p.sy * 1.4, p.t * 0.1, p.seed + 2, 3))
    return (haze + line * (here > 0.45) * 0.95).clamp(0, 1)


def plasma(p):
    k = 2.6 * p.density
    v = (torch.sin(p.x * k + p.t) + torch.sin(p.y * k * 1.2 - p.t * 1.3)
         + torch.sin((p.x + p.y) * k * 0.8 + p.t * 0.7) + torch.sin(p.radius() * k * 2.0 - p.flow * 1.7))
    return unit(torch.sin(v * 1.6))


def tunnel(p):
    depth = 0.7 / p.radius() + p.flow * 0.9 + p.dive * 2.2
    twist = p.angle() / TAU * 8.0 * round(1 + p.density)
    rings = unit(torch.sin(depth * 5.0) * 1.6)
    panels = unit(torch.sin(twist * TAU / 2 + torch.floor(depth * 0.8) * 1.7) * 2.0)
    return (rings * panels * 1.1 * smoothstep(0.03, 0.5, p.radius())).clamp(0, 1)


def kaleidoscope(p):
    n = 4 + 2 * int(p.random[0] * 3)
    a = (torch.remainder(p.angle() + p.flow * 0.15, TAU / n) - TAU / n / 2).abs()
    r = p.radius()
    x, y = r * torch.cos(a), r * torch.sin(a)
    v = fbm(x * 2.2 * p.density + p.t * 0.25, y * 2.6, p.t * 0.3, p.seed, 4)
    return unit(torch.sin(v * 7.0))


def fractal(p):
    cx = -0.76 + 0.09 * math.cos(p.random[0] * TAU) + 0.05 * torch.sin(p.t * 0.5)
    cy = 0.14 + 0.05 * torch.cos(p.t * 0.4)
    x, y = p.x * 1.25, p.y * 1.25
    trap, count = torch.full_like(x, 4.0), torch.zeros_like(x)
    for _ in range(22):
        x, y = (x * x - y * y + cx).clamp(-8, 8), (2 * x * y + cy).clamp(-8, 8)
        m = x * x + y * y
        count = count + (m < 8.0).float()
        trap = torch.minimum(trap, (x * 0.6 + y * 0.3).abs() + 0.06 * m)
    return (0.75 * (1.0 - trap.sqrt()).clamp(0, 1) + 0.35 * (count / 22.0) ** 2).clamp(0, 1)


def reaction(p):
    w = 0.5 * fbm(p.x * 1.2, p.y * 1.2, p.t * 0.12, p.seed, 3)
    k = 5.5 * p.density
    v = gradient((p.x + w) * k, (p.y - w) * k, p.t * 0.4, p.seed + 1)
    v = v + 0.6 * gradient((p.x - w) * k * 1.5, (p.y + w) * k * 1.5, p.t * 0.4, p.seed + 2)
    return smoothstep(-0.2, 0.35, v)


def growth(p):
    first, second, label = cells(p.x * 3.2 * p.density, p.y * 3.2 * p.density, p.t * 0.8, p.seed)
    wall = smoothstep(0.02, 0.16, second - first)
    core = torch.exp(-(first / 0.22) ** 2)
    return (wall * (0.28 + 0.4 * label) + 0.55 * core).clamp(0, 1)


def grid(p):
    depth = 0.55 / (p.y - 0.02).clamp(min=0.015)
    u, v = p.x * depth * 1.6 * p.density, depth * 1.6 + p.flow * 1.6 + p.dive * 4.0
    lines = torch.exp(-((u - torch.round(u)) / (0.03 + 0.012 * depth)) ** 2) \
        + torch.exp(-((v - torch.round(v)) / (0.03 + 0.012 * depth)) ** 2)
    ground = lines.clamp(0, 1) * torch.exp(-depth * 0.09) * (p.y > 0.03)
    sun = smoothstep(0.47, 0.45, torch.sqrt(p.x ** 2 + (p.y + 0.36) ** 2)) * (p.y < 0.0)
    bars = (torch.remainder(p.y * 16.0 + p.flow * 0.6, 1.0) > 0.32).float()
    return (ground + 0.8 * sun * torch.where(p.y > -0.42, bars, torch.ones_like(bars))).clamp(0, 1)


def city(p):
    light = torch.zeros_like(p.x)
    for k, (n, size) in enumerate(((2.2, 0.24), (4.0, 0.2), (7.0, 0.13))):
        q = replace(p, seed=p.seed + 13 * k)
        light = light + sprites(q, n * p.density, size, drift=(0.12 * (k + 1), 0.0), twinkle=0.35)
    return (0.05 + light * 0.62).clamp(0, 1)


def sand(p):
    w = 0.35 * fbm(p.x * 1.1, p.y * 1.1, p.t * 0.07, p.seed, 3)
    ripple = torch.sin((p.y * 9.0 + p.x * 1.5) * p.density + w * 12.0 + p.t * 0.5)
    dune = unit(fbm(p.x * 0.7, p.y * 0.7, p.t * 0.05, p.seed + 4, 2))
    return (0.2 + 0.5 * unit(ripple) * (0.5 + dune) + 0.2 * dune).clamp(0, 1)


def lightning(p):
    light = 0.16 * unit(fbm(p.x * 1.4, p.y * 1.4, p.t * 0.3, p.seed, 4))
    for k in range(3):
        beat = torch.floor(p.t * 1.3 + k * 0.37)
        strike = lattice_random(beat.long(), torch.zeros_like(beat).long() + k,
                                torch.zeros_like(beat).long(), p.seed)
        path = 0.8 * (strike - 0.5) + 0.42 * fbm(p.y * 2.2 + strike * 40, beat, p.t * 0.0 + k, p.seed + k, 5)
        fading = 1.0 - 0.75 * torch.remainder(p.t * 1.3 + k * 0.37, 1.0)
        d = (p.x - path).abs()
        light = light + (strike > 0.3).float() * fading * (torch.exp(-d * 48.0) + 0.32 * torch.exp(-d * 6.0))
    return light.clamp(0, 1)


def bubbles(p):
    x, y = p.x * 1.7 * p.density, p.y * 1.7 * p.density + p.flow * 0.6
    first, _, label = cells(x, y, p.t * 0.5, p.seed)
    radius = 0.22 + 0.2 * label
    rim = torch.exp(-((first - radius) / 0.045) ** 2)
    body = smoothstep(radius.max().item(), 0.0, first) * 0.22
    return (0.08 + rim * 0.85 + body).clamp(0, 1)


def silk(p):
    v = torch.zeros_like(p.x)
    for k in range(4):
        fold = fbm(p.x * 0.8 + k * 3.1, p.y * 0.8, p.t * 0.16 + k, p.seed + k, 2)
        v = v + torch.sin((p.x * 0.6 + p.y) * (3.0 + 2.0 * k) * p.density + fold * 7.0 + p.t * 0.6)
    return unit(v * 0.5) ** 1.3


def mandala(p):
    n = 6 + 2 * int(p.random[1] * 4)
    r, a = p.radius(), p.angle() + p.flow * 0.2
    petals = torch.cos(a * n)
    v = torch.sin(r * 11.0 * p.density - p.flow * 1.2 + petals * (1.6 + 0.4 * torch.sin(p.t))) * torch.cos(a * n / 2 + r * 5.0)
    return (unit(v * 1.5) * smoothstep(1.5, 0.3, r) + 0.3 * torch.exp(-r * 5.0)).clamp(0, 1)


def particles(p):
    w = 0.35 * fbm(p.x * 0.9, p.y * 0.9, p.t * 0.3, p.seed, 2)
    swarm = ridged(p.x * 0.8 + w, p.y * 0.8 - w, p.t * 0.2, p.seed + 40, 2) ** 3   # bands that they gather in
    q = replace(p, x=p.x + w, y=p.y - w)
    light = sprites(q, 5.0 * p.density, 0.2) + 0.8 * sprites(q, 8.0 * p.density, 0.2, (0.1, 0.06))
    return (light * smoothstep(0.1, 0.55, swarm) * 1.5 + 0.22 * swarm).clamp(0, 1)


def galaxy(p):
    r, a = p.radius(), p.angle()
    arms = unit(torch.sin(2.0 * a - 4.5 * torch.log(r + 0.08) + p.flow * 0.7) * 1.3)
    dust = unit(fbm(p.x * 2.6, p.y * 2.6, p.t * 0.1, p.seed, 4) * 1.2)
    core = torch.exp(-(r / 0.2) ** 2)
    return (arms * dust * torch.exp(-r * 0.9) * 1.3 + core + 0.45 * sprites(p, 9.0, 0.07, twinkle=0.4)
            ).clamp(0, 1)


def crystal(p):
    first, second, label = cells(p.x * 2.3 * p.density, p.y * 2.3 * p.density, p.t * 0.35, p.seed)
    slope = unit(torch.sin(label * 40.0 + p.x * 3.0 + p.y * 2.0 + p.t * 0.5))
    edge = torch.exp(-((second - first) / 0.045) ** 2)
    return (0.15 + 0.6 * slope * (1.0 - first * 0.5) + 0.5 * edge).clamp(0, 1)


def moire(p):
    d1 = torch.sqrt((p.x - 0.35 * torch.sin(p.t * 0.6)) ** 2 + (p.y - 0.3 * torch.cos(p.t * 0.5)) ** 2)
    d2 = torch.sqrt((p.x + 0.35 * torch.cos(p.t * 0.45)) ** 2 + (p.y + 0.3 * torch.sin(p.t * 0.7)) ** 2)
    k = 17.0 * p.density
    return unit((torch.sin(d1 * k) + torch.sin(d2 * k)) * 0.85)


def waterfall(p):
    fall = p.y * 0.55 - p.flow * 1.2
    streak = unit(fbm(p.x * 6.0 * p.density, fall, p.t * 0.2, p.seed, 4) * 1.4)
    foam = unit(fbm(p.sx * 3.0, p.sy * 3.0 - p.flow * 0.6, p.t * 0.9, p.seed + 6, 4))
    return (0.12 + 0.75 * streak ** 1.5 + smoothstep(0.45, 1.1, p.sy) * foam * 0.8).clamp(0, 1)


def paint(p):
    x, y = p.x, p.y
    for k in range(2):
        x, y = (x + 0.55 * gradient(x * 0.9, y * 0.9, p.t * 0.14 + k, p.seed + k),
                y + 0.55 * gradient(x * 0.9 + 5, y * 0.9, p.t * 0.14 + k, p.seed + 3 + k))
    strokes = torch.sin((x * 5.0 + y * 2.0) * p.density + 3.0 * gradient(x, y, p.t * 0.1, p.seed + 9))
    bristle = 0.18 * gradient(x * 3.0, y * 26.0, p.t * 0.02, p.seed + 12)
    return unit(strokes * 0.9 + bristle)


# name: (function, nouns in the order of how common they are)
FAMILIES = {
    "fire": (fire, ["fire", "flames", "a blaze", "burning flames", "a bonfire"]),
    "ocean": (ocean, ["ocean waves", "the sea", "rolling waves", "sea swell", "water waves"]),
    "clouds": (clouds, ["clouds", "drifting clouds", "a cloudy sky", "cumulus clouds"]),
    "aurora": (aurora, ["an aurora", "northern lights", "aurora borealis", "polar lights"]),
    "nebula": (nebula, ["a nebula", "cosmic gas", "an interstellar cloud", "deep space gas"]),
    "starfield": (starfield, ["a starfield", "stars", "a starry sky", "distant stars"]),
    "lava": (lava, ["lava", "magma", "molten rock", "cracked lava"]),
    "ink": (ink, ["ink in water", "dissolving ink", "swirling ink", "ink clouds"]),
    "smoke": (smoke, ["smoke", "rising smoke", "fog and smoke", "vapour"]),
    "rain": (rain, ["rain on glass", "falling rain", "raindrops", "rain streaks"]),
    "plasma": (plasma, ["plasma", "an electric plasma", "liquid waves of light", "demo scene plasma"]),
    "tunnel": (tunnel, ["a tunnel", "a vortex tunnel", "a corridor of light", "a wormhole"]),
    "kaleidoscope": (kaleidoscope, ["a kaleidoscope", "kaleidoscopic patterns", "mirrored shapes"]),
    "fractal": (fractal, ["a fractal", "fractal flow", "a julia set", "fractal shapes"]),
    "reaction": (reaction, ["reaction diffusion", "turing patterns", "coral patterns", "labyrinth spots"]),
    "growth": (growth, ["cellular growth", "living cells", "microscopic cells", "dividing cells"]),
    "grid": (grid, ["a neon grid", "a retro grid horizon", "an eighties grid landscape", "a wireframe floor"]),
    "city": (city, ["city lights", "bokeh lights", "blurred street lights", "a city at night"]),
    "sand": (sand, ["sand ripples", "desert dunes", "wind on sand", "dune patterns"]),
    "lightning": (lightning, ["lightning", "electric bolts", "a thunderstorm", "sparks of electricity"]),
    "bubbles": (bubbles, ["bubbles", "soap bubbles", "rising bubbles", "foam bubbles"]),
    "silk": (silk, ["silk", "flowing fabric", "satin folds", "waving cloth"]),
    "mandala": (mandala, ["a mandala", "a rosette", "a sacred geometry flower", "a spinning ornament"]),
    "particles": (particles, ["a particle swarm", "fireflies", "floating dust", "swarming particles"]),
    "galaxy": (galaxy, ["a spiral galaxy", "a galaxy", "the milky way", "a whirling galaxy"]),
    "crystal": (crystal, ["crystals", "ice crystals", "facets of glass", "gem facets"]),
    "moire": (moire, ["moire rings", "interference rings", "ripples of light", "op art circles"]),
    "waterfall": (waterfall, ["a waterfall", "cascading water", "a cascade", "falling water"]),
    "paint": (paint, ["flowing paint", "marbled paint", "acrylic swirls", "brush strokes"]),
}
