# SPDX-License-Identifier: Apache-2.0
"""Generation the way the program does it: chunks of three latent frames, a KV cache over the window,
a few steps along the flow, a pass with the clean latents at the end of each chunk."""
import torch

from mini.dit import CHUNK, WINDOW


class Cache:
    """Rotated keys and values of the frames before, per layer."""

    def __init__(self, n_layers):
        self.past = [None] * n_layers
        self.fresh = [None] * n_layers

    def extend(self, layer, k, v):
        self.fresh[layer] = (k, v)
        if self.past[layer] is None:
            return k, v
        return tuple(torch.cat(pair, 1) for pair in zip(self.past[layer], (k, v)))

    def keep(self, n_tokens):
        """Takes the last pass in and forgets all but @n_tokens."""
        for layer, (k, v) in enumerate(self.fresh):
            if self.past[layer] is not None:
                k, v = (torch.cat(pair, 1) for pair in zip(self.past[layer], (k, v)))
            self.past[layer] = k[:, -n_tokens:], v[:, -n_tokens:]


@torch.no_grad()
def remember(model, past, text, start=0):
    """A cache that holds the chunks @past, the first of which began at latent frame @start."""
    cache = Cache(len(model.blocks))
    for i, chunk in enumerate(past):
        model(chunk, torch.zeros(chunk.shape[:2]), [start + i * CHUNK], text, cache=cache)
        cache.keep(chunk.shape[-1] * chunk.shape[-2] // 4 * (WINDOW - CHUNK))
    return cache


class Stream:
    """A batch of streams. @text: of Transformer.read(); may be replaced between chunks. With
    @guidance other than 1, @empty is the same of empty prompts."""

    def __init__(self, model, text, seed, size=(16, 16), steps=(1000, 750, 500, 250), guidance=1.0,
                 empty=None):
        self.model, self.text, self.size, self.steps = model, text, size, steps
        self.guidance, self.empty = guidance, empty
        self.n = text[0].shape[0]
        self.start = 0
        self.noise = torch.Generator().manual_seed(seed)
        self.cache, self.other = (Cache(len(model.blocks)) for _ in range(2))

    def draw_noise(self):
        return torch.randn(self.n, CHUNK, 16, *self.size, generator=self.noise)

    def flow(self, x, t):
        times = torch.full((self.n, CHUNK), float(t))
        flow = self.model(x, times, [self.start], self.text, cache=self.cache)
        if self.guidance != 1.0:
            free = self.model(x, times, [self.start], self.empty, cache=self.other)
            flow = free + self.guidance * (flow - free)
        return flow

    def change(self, text):
        """A new prompt, which begins a new scene."""
        self.text, self.cache, self.start = text, Cache(len(self.model.blocks)), 0

    @torch.no_grad()
    def chunk(self, video=None, noise_scale=0.6):
        """Clean latents; over @video, latents of input, only as much as @noise_scale hides of it."""
        x, steps = self.draw_noise(), list(self.steps)
        if video is not None:
            x = noise_scale * x + (1.0 - noise_scale) * video
            steps = [1000.0 * noise_scale] + [t for t in steps if t < 1000.0 * noise_scale]
        for i, t in enumerate(steps):
            end = steps[i + 1] if i + 1 < len(steps) else 0
            x = x - (t - end) / 1000.0 * self.flow(x, t)
        self.flow(x, 0)
        tokens = self.size[0] * self.size[1] // 4 * (WINDOW - CHUNK)
        self.cache.keep(tokens)
        if self.guidance != 1.0:
            self.other.keep(tokens)
        self.start += CHUNK
        return x

    def run(self, n_chunks):
        """Latents [B, F, 16, h, w]."""
        return torch.cat([self.chunk() for _ in range(n_chunks)], 1)
