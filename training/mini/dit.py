# SPDX-License-Identifier: Apache-2.0
"""The diffusion transformer in Wan's names: latents, a timestep per frame and prompt rows to flow.

Beyond Wan it adds a learned vector per place of the picture to the tokens (a rotary embedding alone tells a
small model too late where the middle and the horizon are), and the sum of the prompt's rows, made even in
size, to the time embedding: modulation teaches a small model a subject sooner than cross-attention does.

A clip is a row of parts (start frame, latents, timestep, which parts it sees); parts that are run
together share one pass and one table of who sees whom, which is how clean context and noisy chunks are trained
side by side the way they meet in a stream.
"""
import functools
import math

import torch
from torch import nn
from torch.nn import functional as F

from mini import fused
from mini.text import LENGTH, WIDTH, Norm

CONFIG = {"model_type": "t2v", "dim": 192, "ffn_dim": 576, "freq_dim": 256, "text_dim": WIDTH,
          "text_len": LENGTH, "in_dim": 16, "out_dim": 16, "num_heads": 3, "num_layers": 8, "eps": 1e-6}
CHUNK, WINDOW = 3, 9      # latent frames
GRID = 8                  # tokens along a side of the native picture


def rope(starts, n_frames, rows, columns, head):
    """Unit complex numbers [len(starts) * n_frames * rows * columns, head / 2] for parts that start there."""
    spatial = head // 2 // 3
    temporal = head // 2 - 2 * spatial
    f = torch.cat([torch.arange(s, s + n_frames) for s in starts])
    grid = torch.meshgrid(f, torch.arange(rows), torch.arange(columns), indexing="ij")
    angles = []
    for position, pairs in zip(grid, (temporal, spatial, spatial)):
        frequency = 10000.0 ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
        angles.append(position.reshape(-1, 1).double() * frequency)
    angle = torch.cat(angles, 1).float()
    return torch.polar(torch.ones_like(angle), angle)


class Linear(nn.Linear):
    def forward(self, x):
        return fused.linear(x, self.weight, self.bias)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.o = (Linear(dim, dim) for _ in range(4))
        self.norm_q, self.norm_k = Norm(dim), Norm(dim)

    def forward(self, x, context, turns=None, extend=None, bias=None, sees=None):
        """x [B, N, D] sees @context [B, M, D]; @extend adds the keys and values of a cache."""
        q = fused.norm_rope(self.q(x), self.norm_q.weight, turns, self.heads)
        k = fused.norm_rope(self.k(context), self.norm_k.weight, turns, self.heads)
        v = self.v(context).unflatten(-1, (self.heads, -1))
        k, v = extend(k, v) if extend else (k, v)
        return self.o(fused.attention(q, k, v, bias, sees).flatten(2))


class Gelu(nn.Module):
    def forward(self, x):
        return fused.gelu(x)


class Block(nn.Module):
    def __init__(self, dim, hidden, heads):
        super().__init__()
        self.self_attn, self.cross_attn = Attention(dim, heads), Attention(dim, heads)
        self.norm3 = nn.LayerNorm(dim, eps=1e-6)
        self.ffn = nn.Sequential(Linear(dim, hidden), Gelu(), Linear(hidden, dim))
        self.modulation = nn.Parameter(torch.zeros(1, 6, dim))

    def forward(self, x, e, turns, sees, extend, context, text_bias):
        """x [B, F, S, D]; e [B, F, 6, D]."""
        m = (e + self.modulation).unbind(2)
        a = fused.modulate(x, m[1], m[0]).flatten(1, 2)
        x = fused.gated(x, self.self_attn(a, a, turns, extend, sees=sees), m[2])
        a = fused.modulate(x, self.norm3.weight - 1.0, self.norm3.bias).flatten(1, 2)
        x = x + self.cross_attn(a, context, bias=text_bias).view(x.shape)
        a = fused.modulate(x, m[4], m[3])
        return fused.gated(x, self.ffn(a), m[5])


class Head(nn.Module):
    def __init__(self, dim, out):
        super().__init__()
        self.head = Linear(dim, out)
        self.modulation = nn.Parameter(torch.zeros(1, 2, dim))

    def forward(self, x, e):
        m = (e.unsqueeze(2) + self.modulation).unbind(2)
        return self.head(fused.modulate(x, m[1], m[0]))


class Transformer(nn.Module):
    def __init__(self, config=None):
        super().__init__()
        c = self.config = dict(config or CONFIG)
        dim, self.heads, self.freq_dim = c["dim"], c["num_heads"], c["freq_dim"]
        self.patch_embedding = nn.Conv3d(c["in_dim"], dim, (1, 2, 2), (1, 2, 2))
        self.text_embedding = nn.Sequential(Linear(c["text_dim"], dim), Gelu(), Linear(dim, dim))
        self.time_embedding = nn.Sequential(Linear(c["freq_dim"], dim), nn.SiLU(), Linear(dim, dim))
        self.time_projection = nn.Sequential(nn.SiLU(), Linear(dim, 6 * dim))
        self.blocks = nn.ModuleList(Block(dim, c["ffn_dim"], self.heads) for _ in range(c["num_layers"]))
        self.head = Head(dim, 4 * c["out_dim"])
        self.pooled_embedding = Linear(c["text_dim"], dim, bias=False)
        self.position_embedding = nn.Parameter(torch.zeros(1, GRID * GRID, dim))
        for name, p in self.named_parameters():
            if name.endswith(".weight") and p.dim() == 2:
                nn.init.xavier_uniform_(p)
            elif name.endswith(".bias"):
                nn.init.zeros_(p)
        for block in self.blocks:
            block.modulation.data[:, (2, 5)] = 0.5
        nn.init.zeros_(self.head.head.weight)
        nn.init.zeros_(self.pooled_embedding.weight)
        nn.init.normal_(self.time_projection[1].weight, std=0.02)

    def read(self, rows):
        """Prompt rows to what the cross-attention sees, its bias, and what the time embedding is told. The
        zero rows up to text_len are one and the same vector, so one of them with the weight of all stands
        for the rest."""
        n = rows.shape[1]
        context = self.text_embedding(torch.cat([rows, torch.zeros_like(rows[:, :1])], 1))
        bias = torch.zeros(rows.shape[0], n + 1)
        bias[:, n] = math.log(LENGTH - n) if n < LENGTH else -1e9
        pooled = rows.sum(1)
        pooled = pooled * torch.rsqrt(pooled.pow(2).mean(-1, keepdim=True) + 1e-6)
        return context, bias, self.pooled_embedding(pooled)[:, None]

    def places(self, rows, columns):
        """The vectors of the places for a grid of any size: [1, 1, rows * columns, D]."""
        table = self.position_embedding
        if (rows, columns) != (GRID, GRID):
            table = table.unflatten(1, (GRID, GRID)).permute(0, 3, 1, 2)
            table = F.interpolate(table, (rows, columns), mode="bilinear", align_corners=False)
            table = table.permute(0, 2, 3, 1).flatten(1, 2)
        return table.unsqueeze(1)

    def forward(self, x, t, starts, text, sees=None, cache=None):
        """Flow for latents @x [B, F, C, h, w] at timesteps @t [B, F] in 0..1000.

        @starts: the start frame of each part; parts have equal lengths. @text: of read().
        @sees: of chunk_table(), or None: all. @cache: of stream.py, extends the keys."""
        b, f, c, h, w = x.shape
        rows, columns = h // 2, w // 2
        patches = x.view(b, f, c, rows, 2, columns, 2).permute(0, 1, 3, 5, 2, 4, 6)
        tokens = fused.linear(patches.reshape(b, f, rows * columns, 4 * c),
                              self.patch_embedding.weight.flatten(1), self.patch_embedding.bias)
        tokens = tokens + self.places(rows, columns)
        half = self.freq_dim // 2
        angle = t.double()[..., None] * 10000.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        e = self.time_embedding(torch.cat([angle.cos(), angle.sin()], -1).float()) + text[2]
        e0 = self.time_projection(e).unflatten(-1, (6, -1))
        turns = rope(starts, f // len(starts), rows, columns, self.config["dim"] // self.heads)
        for i, block in enumerate(self.blocks):
            extend = functools.partial(cache.extend, i) if cache else None
            tokens = block(tokens, e0, turns, sees, extend, *text[:2])
        out = self.head(tokens, e).view(b, f, rows, columns, 2, 2, c)
        return out.permute(0, 1, 6, 2, 4, 3, 5).reshape(b, f, c, h, w)


def chunk_table(clean, noisy):
    """Which chunk sees which in a pass over clean chunks 0..@clean-1 followed by noisy chunks numbered @noisy: a
    chunk sees itself and the clean chunks before it inside the window."""
    numbers = list(range(clean)) + list(noisy)
    past = WINDOW // CHUNK - 1
    sees = torch.eye(len(numbers), dtype=torch.uint8)
    for i, number in enumerate(numbers):
        for j in range(clean):
            if number - past <= j < number:
                sees[i, j] = 1
    return sees
