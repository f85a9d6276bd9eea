# SPDX-License-Identifier: Apache-2.0
"""The video autoencoder: a TAEHV graph with 16x16x4 pixels a latent and 16 channels.

The modules are listed in the order and with the indices of the tensor names, so that a state
dictionary is a checkpoint. Frames [B, T, 3, H, W] in 0..1; latents [B, T/4, 16, H/16, W/16].
"""
import torch
from torch import nn
from torch.nn import functional as F

Z = 16
FACTOR, STEP = 16, 4


class Clamp(nn.Module):
    def forward(self, x, _):
        return torch.tanh(x / 3.0) * 3.0


class Relu(nn.Module):
    def forward(self, x, _):
        return F.relu(x)


class Conv(nn.Conv2d):
    """3x3; without bias it halves the picture in an encoder."""

    def __init__(self, n_in, n_out, stride=1, bias=True):
        super().__init__(n_in, n_out, 3, stride, 1, bias=bias)

    def forward(self, x, _):
        return super().forward(x)


class Memory(nn.Module):
    """A residual block that sees its own input of the frame before."""

    def __init__(self, n):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(2 * n, n, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(n, n, 3, padding=1), nn.ReLU(),
                                  nn.Conv2d(n, n, 3, padding=1))

    def forward(self, x, n_clips):
        clips = x.view(n_clips, -1, *x.shape[1:])
        past = torch.cat([torch.zeros_like(clips[:, :1]), clips[:, :-1]], 1).view_as(x)
        return F.relu(self.conv(torch.cat([x, past], 1)) + x)


class Pool(nn.Module):
    """@steps frames become one."""

    def __init__(self, n_in, n_out, steps):
        super().__init__()
        self.steps = steps
        self.conv = nn.Conv2d(n_in * steps, n_out, 1, bias=False)

    def forward(self, x, _):
        return self.conv(x.reshape(x.shape[0] // self.steps, -1, *x.shape[2:]))


class Enlarge(nn.Module):
    """Stands before a Grow and has no weights. Repeating pixels and a 1x1 convolution can change
    places, so the Grow works on the small picture and this one does nothing."""

    def forward(self, x, _):
        return x


class Grow(nn.Module):
    """One frame becomes @steps frames, each twice as large."""

    def __init__(self, n, steps):
        super().__init__()
        self.steps = steps
        self.conv = nn.Conv2d(n, n * steps, 1, bias=False)

    def forward(self, x, _):
        y = self.conv(x)
        y = y.reshape(x.shape[0] * self.steps, x.shape[1], *x.shape[2:])
        return F.interpolate(y.contiguous(memory_format=torch.channels_last), scale_factor=2)


def encoder():
    return nn.Sequential(
        Pool(3, 16, STEP), Conv(16, 32, 2, False), Relu(),
        Conv(32, 48, 2, False), Relu(),
        Conv(48, 64, 2, False), Memory(64), Memory(64),
        Conv(64, 96, 2, False), Memory(96), Conv(96, Z))


def decoder():
    return nn.Sequential(
        Clamp(), Conv(Z, 96), Relu(), Memory(96), Memory(96),
        Enlarge(), Grow(96, 1), Conv(96, 64, 1, False), Memory(64),
        Enlarge(), Grow(64, 1), Conv(64, 32, 1, False), Memory(32),
        Enlarge(), Grow(32, 2), Conv(32, 24, 1, False), Relu(), Conv(24, 24), Relu(),
        Enlarge(), Grow(24, 2), Conv(24, 3))


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = encoder(), decoder()
        self.pass_through()
        self.to(memory_format=torch.channels_last)

    @torch.no_grad()
    def pass_through(self):
        """Starts with kernels that hand the mean colours from end to end, and noise around them: from
        plain noise the first thousand steps find nothing but the mean picture."""
        for name, p in self.named_parameters():
            if p.dim() < 4:
                nn.init.zeros_(p)
                continue
            nn.init.kaiming_normal_(p)
            p.mul_(0.2 if name.endswith("conv.4.weight") else 0.3)   # the last of a residual block
            if ".conv.4." in name or ".conv.2." in name or ".conv.0." in name:
                continue
            n_out, n_in, rows, columns = p.shape
            for i in range(n_out):
                if i < n_in or name.endswith("conv.weight"):   # a Grow repeats the channels
                    p[i, i % n_in, rows // 2, columns // 2] += 1.0
        first, last = self.decoder[1], self.encoder[-1]
        last.weight.mul_(3.0)
        nn.init.constant_(last.bias, -1.2)
        first.weight.div_(3.0)
        nn.init.constant_(first.bias, 0.4)

    @staticmethod
    def run(half, x):
        n = x.shape[0]
        x = x.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for entry in half:
            x = entry(x, n)
        return x.reshape(n, -1, *x.shape[1:])

    def encode(self, frames):
        return self.run(self.encoder, frames)

    def decode(self, latents):
        """All 4 frames of every latent; the streaming decoder drops the first 3 of a stream."""
        return self.run(self.decoder, latents)

    def decode_half(self, latents):
        """decode() averaged over squares of two by two pixels, at half the cost: what the last two entries do to
        such a mean is one convolution with the taps that fall on the same pixel of the small picture added up."""
        *entries, _, grow, last = self.decoder
        taps = torch.tensor([[0.5, 0.0, 0.0], [0.5, 1.0, 0.5], [0.0, 0.0, 0.5]])
        n = latents.shape[0]
        x = grow.conv(self.run(entries, latents).flatten(0, 1)).unflatten(1, (grow.steps, -1)).flatten(0, 1)
        x = F.conv2d(x, taps @ last.weight @ taps.t(), last.bias, padding=1)
        return x.reshape(n, -1, *x.shape[1:])
