# SPDX-License-Identifier: Apache-2.0
"""The transformer's operations for training on a CPU: fused.c where it can be built, else plain PyTorch, which is
also what says here what each of them computes. A pass with its gradient takes two thirds of the time with it."""
import ctypes
import pathlib

import torch
from torch.nn import functional as F

from world.native import Library

LIBRARY = Library(pathlib.Path(__file__).with_name("fused.c"), ["-l:libdnnl.so.2"])


def usable(*tensors):
    return all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors) and LIBRARY.load()


def call(name, *arguments):
    """Calls fused_@name: tensors by their address, numbers as 64-bit integers."""
    getattr(LIBRARY.load(), "fused_" + name)(*(
        ctypes.c_void_p(x.data_ptr()) if isinstance(x, torch.Tensor) else
        ctypes.c_void_p(None) if x is None else ctypes.c_int64(x) for x in arguments))


def product(a, b, turn_a=False, turn_b=False, onto=None):
    """a @ b of matrices, either of them transposed first; added to @onto, and stored there, if it is given."""
    if not usable(a, b):
        out = (a.t() if turn_a else a) @ (b.t() if turn_b else b)
        return out if onto is None else onto.add_(out)
    a, b = a.contiguous(), b.contiguous()
    m, k = (a.shape[1], a.shape[0]) if turn_a else a.shape
    n = b.shape[0] if turn_b else b.shape[1]
    out = torch.empty(m, n) if onto is None else onto
    size, real = ctypes.c_int64, ctypes.c_float
    status = LIBRARY.load().dnnl_sgemm(
        ctypes.c_char(b"T" if turn_a else b"N"), ctypes.c_char(b"T" if turn_b else b"N"), size(m), size(n), size(k),
        real(1.0), ctypes.c_void_p(a.data_ptr()), size(a.shape[1]), ctypes.c_void_p(b.data_ptr()), size(b.shape[1]),
        real(0.0 if onto is None else 1.0), ctypes.c_void_p(out.data_ptr()), size(n))
    if status:
        raise RuntimeError(f"dnnl_sgemm: {status}")
    return out


class Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias):
        ctx.save_for_backward(x, weight)
        ctx.biased = bias is not None
        return product(x, weight, turn_b=True, onto=bias.repeat(x.shape[0], 1) if ctx.biased else None)

    @staticmethod
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        g, sums = g.contiguous(), None
        if ctx.biased:
            sums = torch.empty(g.shape[1])
            call("column_sums", g, sums, *g.shape)
        return (product(g, weight) if ctx.needs_input_grad[0] else None,
                product(g, x, turn_a=True) if ctx.needs_input_grad[1] else None, sums)


def linear(x, weight, bias=None):
    if not usable(x, weight):
        return F.linear(x, weight, bias)
    return Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias).view(*x.shape[:-1], weight.shape[0])


class Modulate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, scale, shift, group):
        x, scale, shift = x.contiguous(), scale.contiguous(), shift.contiguous()
        y, stats = torch.empty_like(x), torch.empty(x.shape[0], 2)
        call("modulate", x, scale, shift, y, stats, x.shape[0], group, x.shape[1], x.shape[1])
        ctx.save_for_backward(x, scale, stats)
        ctx.group = group
        return y

    @staticmethod
    def backward(ctx, g):
        x, scale, stats = ctx.saved_tensors
        dx, dscale, dshift = torch.empty_like(x), torch.zeros_like(scale), torch.zeros_like(scale)
        call("modulate_back", g.contiguous(), x, scale, stats, dx, dscale, dshift, x.shape[0], ctx.group, x.shape[1],
             x.shape[1])
        return dx, dscale, dshift, None


def modulate(x, scale, shift):
    """Layer norm of x [..., S, D], then * (1 + scale) + shift, both [..., D], or [D] for all rows."""
    if not usable(x, scale):
        y = F.layer_norm(x, x.shape[-1:], eps=1e-6)
        return y * (1 + scale.unsqueeze(-2)) + shift.unsqueeze(-2)
    d = x.shape[-1]
    rows, scale, shift = x.reshape(-1, d), scale.reshape(-1, d), shift.reshape(-1, d)
    return Modulate.apply(rows, scale, shift, rows.shape[0] // scale.shape[0]).view(x.shape)


class Rope(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, turns, n, head):
        x = x.contiguous()
        y, inverses = torch.empty_like(x), torch.empty(x.shape[0])
        call("rope", x, weight, turns, y, inverses, x.shape[0], n, x.shape[1], head)
        ctx.save_for_backward(x, weight, turns, inverses)
        ctx.sizes = x.shape[0], n, x.shape[1], head
        return y

    @staticmethod
    def backward(ctx, g):
        x, weight, turns, inverses = ctx.saved_tensors
        dx, dweight = torch.empty_like(x), torch.zeros_like(weight)
        call("rope_back", g.contiguous(), x, weight, turns, inverses, dx, dweight, *ctx.sizes)
        return dx, dweight, None, None, None


def norm_rope(x, weight, turns, heads):
    """Root mean square norm of x [B, N, D] * weight, split into heads [B, N, H, d], whose pairs are then turned by
    the unit complex numbers @turns [N, d / 2], or not at all."""
    b, n, d = x.shape
    if usable(x, weight):
        real = None if turns is None else torch.view_as_real(turns).contiguous()
        return Rope.apply(x.reshape(-1, d), weight, real, n, d // heads).view(b, n, heads, -1)
    y = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight).unflatten(-1, (heads, -1))
    if turns is None:
        return y
    pairs = torch.view_as_complex(y.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns[:, None]).flatten(-2)


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, o, gate, group):
        x, o, gate = x.contiguous(), o.contiguous(), gate.contiguous()
        y = torch.empty_like(x)
        call("gate", x, o, gate, y, x.shape[0], group, x.shape[1], x.shape[1])
        ctx.save_for_backward(o, gate)
        ctx.group = group
        return y

    @staticmethod
    def backward(ctx, g):
        o, gate = ctx.saved_tensors
        g, dout, dgate = g.contiguous(), torch.empty_like(o), torch.zeros_like(gate)
        call("gate_back", g, o, gate, dout, dgate, o.shape[0], ctx.group, o.shape[1], o.shape[1])
        return g, dout, dgate, None


def gated(x, o, gate):
    """x + o * gate for x, o [..., S, D] and gate [..., D]."""
    if not usable(x, gate):
        return x + o.view(x.shape) * gate.unsqueeze(-2)
    d = x.shape[-1]
    rows, gate = x.reshape(-1, d), gate.reshape(-1, d)
    return Gate.apply(rows, o.reshape(-1, d), gate, rows.shape[0] // gate.shape[0]).view(x.shape)


class Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        y = torch.empty_like(x)
        call("gelu", x, y, x.numel())
        ctx.save_for_backward(x)
        return y

    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        dx = torch.empty_like(x)
        call("gelu_back", g.contiguous(), x, dx, x.numel())
        return dx


def gelu(x):
    """The tanh form."""
    if usable(x):
        return Gelu.apply(x)
    return F.gelu(x, approximate="tanh")


class Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx, q, k, v, bias, sees):
        q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
        b, n, heads, head = q.shape
        ctx.sizes = b, n, k.shape[1], heads, head, n // sees.shape[0], k.shape[1] // sees.shape[1]
        out = torch.empty_like(q)
        call("attention", q, k, v, bias, sees, out, *ctx.sizes)
        ctx.save_for_backward(q, k, v, bias, sees)
        return out

    @staticmethod
    def backward(ctx, g):
        q, k, v, bias, sees = ctx.saved_tensors
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        call("attention_back", g.contiguous(), q, k, v, bias, sees, dq, dk, dv, *ctx.sizes)
        return dq, dk, dv, None, None


def attention(q, k, v, bias=None, sees=None):
    """Softmax attention of q [B, N, H, d] over k, v [B, M, H, d]. @bias [B, M] is added to the scores. @sees
    [blocks of N, blocks of M], bytes: whether a block of queries sees a block of keys; None: all."""
    if usable(q, k, v):
        sees = torch.ones(1, 1, dtype=torch.uint8) if sees is None else sees
        return Attention.apply(q, k, v, bias, sees)
    scores = torch.einsum("bnhd,bmhd->bhnm", q * q.shape[-1] ** -0.5, k)
    if bias is not None:
        scores = scores + bias[:, None, None]
    if sees is not None:
        seen = sees.repeat_interleave(q.shape[1] // sees.shape[0], 0).repeat_interleave(k.shape[1] // sees.shape[1], 1)
        scores = scores.masked_fill(seen == 0, -1e9)
    return torch.einsum("bhnm,bmhd->bnhd", torch.softmax(scores, -1), v)
