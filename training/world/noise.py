# SPDX-License-Identifier: Apache-2.0
"""Stateless noise on tensors: a value depends on position and seed only, on any device.

Coordinates are float tensors of one shape; results have that shape. Any PyTorch from 1.13 on.
"""
import math

import torch

from . import native

MASK = 0x7FFFFFFF


def lattice_hash(x, y, z, seed):
    """A 31-bit integer hash of three int64 lattice coordinates and a seed."""
    h = (x * 374761393 + y * 668265263 + z * 1440662683 + seed * 1274126177) & MASK
    h = ((h ^ (h >> 13)) * 1103515245) & MASK
    h = ((h ^ (h >> 16)) * 1597334677) & MASK
    return h ^ (h >> 15)


def lattice_random(x, y, z, seed):
    """Uniform numbers in 0..1 on the lattice."""
    return lattice_hash(x, y, z, seed).to(torch.float32) / float(MASK)


def fade(f):
    return f * f * f * (f * (f * 6.0 - 15.0) + 10.0)


def gradient(x, y, z, seed):
    """Perlin noise in three dimensions, about -1..1."""
    if native.usable(x):
        return native.call("gradient", (x, y, z), 1, seed)[0]
    x0, y0, z0 = torch.floor(x), torch.floor(y), torch.floor(z)
    fx, fy, fz = x - x0, y - y0, z - z0
    xi, yi, zi = x0.long(), y0.long(), z0.long()
    u, v, w = fade(fx), fade(fy), fade(fz)

    def corner(dx, dy, dz):
        h = lattice_hash(xi + dx, yi + dy, zi + dz, seed)
        angle = (h & 0xFFFF).to(torch.float32) * (2.0 * math.pi / 65536.0)
        height = ((h >> 16) & 0x7FF).to(torch.float32) * (2.0 / 2047.0) - 1.0
        flat = torch.sqrt(torch.clamp(1.0 - height * height, min=0.0))
        return (torch.cos(angle) * flat * (fx - dx) + torch.sin(angle) * flat * (fy - dy)
                + height * (fz - dz))

    def edge(dy, dz):
        return torch.lerp(corner(0, dy, dz), corner(1, dy, dz), u)

    near = torch.lerp(edge(0, 0), edge(1, 0), v)
    far = torch.lerp(edge(0, 1), edge(1, 1), v)
    return torch.lerp(near, far, w) * 1.6


def fbm(x, y, z, seed, octaves=4, gain=0.5):
    """Sum of octaves of gradient noise, about -1..1."""
    if native.usable(x):
        return native.call("fbm", (x, y, z), 1, seed, octaves, float(gain))[0]
    total, weight, norm = torch.zeros_like(x), 1.0, 0.0
    for octave in range(octaves):
        total = total + weight * gradient(x, y, z, seed + octave * 101)
        norm += weight
        weight *= gain
        x, y, z = x * 2.03 + 17.1, y * 2.03 - 9.7, z * 1.4 + 3.3
    return total / norm


def ridged(x, y, z, seed, octaves=4):
    """Sharp crests, 0..1."""
    if native.usable(x):
        return native.call("ridged", (x, y, z), 1, seed, octaves)[0]
    total, weight, norm = torch.zeros_like(x), 1.0, 0.0
    for octave in range(octaves):
        total = total + weight * (1.0 - gradient(x, y, z, seed + octave * 57).abs()) ** 2
        norm += weight
        weight *= 0.5
        x, y, z = x * 2.1 + 5.2, y * 2.1 + 1.3, z * 1.3
    return total / norm


def cells(x, y, z, seed):
    """Distances to the nearest and second nearest of points that wander in their lattice cells, and
    a random number of the nearest one."""
    if native.usable(x):
        return native.call("cells", (x, y, z), 3, seed)
    x0, y0 = torch.floor(x), torch.floor(y)
    first = torch.full_like(x, 9.0)
    second = torch.full_like(x, 9.0)
    label = torch.zeros_like(x)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            cx, cy = x0 + dx, y0 + dy
            zero = torch.zeros_like(cx).long()
            a = lattice_random(cx.long(), cy.long(), zero, seed)
            b = lattice_random(cx.long(), cy.long(), zero, seed + 71)
            px = cx + 0.5 + 0.42 * torch.sin(z * (0.6 + a) + a * 6.283)
            py = cy + 0.5 + 0.42 * torch.cos(z * (0.6 + b) + b * 6.283)
            d = torch.sqrt((x - px) ** 2 + (y - py) ** 2)
            closer = d < first
            second = torch.where(closer, first, torch.minimum(second, d))
            label = torch.where(closer, a, label)
            first = torch.minimum(first, d)
    return first, second, label


def dots(x, y, t, seed, size, twinkle):
    """Light of soft dots, one per unit cell at a random place; @twinkle is how far they dim."""
    if native.usable(x):
        return native.call("sprites", (x, y, t), 1, seed, float(size), float(twinkle))[0]
    x0, y0 = torch.floor(x), torch.floor(y)
    light = torch.zeros_like(x)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            cx, cy = (x0 + dx).long(), (y0 + dy).long()
            zero = torch.zeros_like(cx)
            a, b, c = (lattice_random(cx, cy, zero, seed + k) for k in (3, 5, 9))
            d2 = (x - cx - a) ** 2 + (y - cy - b) ** 2
            radius = size * (0.4 + 1.2 * c)
            wave = 0.5 + 0.5 * torch.sin(t * (2.0 + 5.0 * a) + b * 2.0 * math.pi)
            light = light + (1.0 - twinkle * wave) * c * torch.exp(-d2 / (radius * radius))
    return light
