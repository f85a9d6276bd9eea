# SPDX-License-Identifier: Apache-2.0
"""Checks that hold for any weights: the compiled noise is the written one, the compiled
operations are the plain ones, a stream with a KV cache is the pass the model is trained with, files come back as written, text comes back whole."""
import pathlib
import random
import sys
import tempfile

import torch

from mini import behaviour, fused
from mini.autoencoder import Autoencoder
from mini.common import held_out
from mini.dit import CHUNK, Transformer, chunk_table
from mini.encode_latents import encode_field
from mini.safetensors import load, save
from mini.stream import Stream
from world import captions, clips, native
from world.families import FAMILIES


def near(a, b, limit, what):
    error = (a - b).abs().max().item()
    if not error <= limit:
        sys.exit(f"{what}: differs by {error:g}, expected at most {limit:g}")


def check_noise():
    """A pixel on an edge may fall on its other side; the mean may not move."""
    rng, usable = random.Random(1), native.usable
    for family in FAMILIES:
        spec = clips.draw(rng)
        spec.family = family
        fast = clips.draw_field(spec, 2, (24, 24))
        native.usable = lambda tensor: False
        slow = clips.draw_field(spec, 2, (24, 24))
        native.usable = usable
        near(fast.mean(), slow.mean(), 2e-3, f"the compiled noise of {family}")


def check_fused():
    """Values and gradients of the compiled operations against plain PyTorch."""
    def both(work, *shapes):
        torch.manual_seed(5)
        inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
        out = work(*inputs)
        (out * torch.linspace(-1, 1, out.numel()).view(out.shape)).sum().backward()
        return [out, *(x.grad for x in inputs)]
    turns = torch.polar(torch.ones(6, 2), torch.linspace(-3, 3, 12).view(6, 2))
    sees, bias = torch.tensor([[1, 0], [1, 1], [0, 1]], dtype=torch.uint8), torch.randn(2, 4)
    works = {
        "linear": (fused.linear, (2, 3, 8), (5, 8), (5,)),
        "modulate": (fused.modulate, (2, 3, 4, 8), (2, 3, 8), (2, 3, 8)),
        "gated": (fused.gated, (2, 3, 4, 8), (2, 3, 4, 8), (2, 3, 8)),
        "gelu": (lambda x: fused.gelu(x * 3.0), (3, 100)),
        "norm_rope": (lambda x, w: fused.norm_rope(x, w, turns, 2), (2, 6, 8), (8,)),
        "norm": (lambda x, w: fused.norm_rope(x, w, None, 2), (2, 6, 8), (8,)),
        "attention": (lambda q, k, v: fused.attention(q, k, v, bias, sees), (2, 6, 2, 4), (2, 4, 2, 4), (2, 4, 2, 4)),
    }
    usable = fused.usable
    for name, (work, *shapes) in works.items():
        compiled = both(work, *shapes)
        fused.usable = lambda *tensors: False
        plain = both(work, *shapes)
        fused.usable = usable
        for a, b in zip(compiled, plain):
            near(a, b, 1e-4, name)


def check_encoding():
    """The short way from a field to latents is the way through pixels."""
    torch.manual_seed(3)
    model, spec = Autoencoder(), clips.draw(random.Random(4))
    value = torch.randint(0, 256, (8, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        plain = model.encode(clips.colour(spec, value, spec.start).unsqueeze(0))[0]
    near(encode_field(model, spec, value), plain, 1e-4, "a field's latents")


def check_zoom():
    """The pictures of an endless zoom make up one, neither far larger nor far smaller than without."""
    spec = clips.draw(random.Random(4))
    for sign in (-1.0, 1.0):
        for way in range(200):
            pair = list(clips.layers(spec, torch.tensor(sign * way * 0.05)))
            near(sum(weight for _, _, weight in pair), torch.tensor(1.0), 1e-5, "the weights of a zoom")
            near(torch.stack([scale for scale, _, _ in pair]).log2(), torch.zeros(2), 1.001, "the sizes of a zoom")


def check_stream():
    torch.manual_seed(2)
    model = Transformer()
    for p in model.parameters():
        p.data.add_(torch.randn_like(p) * 0.02)
    text = model.read(torch.randn(2, 5, model.config["text_dim"]))
    stream = Stream(model, text, 3, size=(4, 4), steps=(1000, 500))
    past = stream.run(2)
    x, t = torch.randn(2, CHUNK, 16, 4, 4), torch.full((2, CHUNK), 750.0)
    with torch.no_grad():
        streamed = stream.flow(x, 750.0)
        times = torch.cat([torch.zeros(2, 2 * CHUNK), t], 1)
        whole = model(torch.cat([past, x], 1), times, [0, 3, 6], text, chunk_table(2, [2]))
        late = model(torch.cat([past, x], 1), times, [600, 603, 606], text, chunk_table(2, [2]))
    near(streamed, whole[:, -CHUNK:], 1e-4, "a stream with a cache")
    near(late, whole, 1e-2, "a stream that starts late")


def check_autoencoder():
    model = Autoencoder()
    x = torch.rand(1, 8, 3, 32, 48)
    with torch.no_grad():
        z = model.encode(x)
        both, first, half = model.decode(z), model.decode(z[:, :1]), model.decode_half(z)
    if tuple(z.shape) != (1, 2, 16, 2, 3) or both.shape != x.shape:
        sys.exit(f"autoencoder: latents {tuple(z.shape)}, frames {tuple(both.shape)}")
    near(both[:, :4], first, 1e-5, "the first frames of a longer clip")
    near(half.flatten(0, 1), torch.nn.functional.avg_pool2d(both.flatten(0, 1), 2), 1e-5, "a clip of half the size")


def check_files():
    tensors = {"a.weight": torch.randn(3, 5).half().float(), "b": torch.randn(7).half().float()}
    with tempfile.TemporaryDirectory() as folder:
        save(pathlib.Path(folder) / "x.safetensors", tensors)
        found = load(pathlib.Path(folder) / "x.safetensors")
    for name, value in tensors.items():
        near(found[name], value, 0.0, name)


def check_phrases():
    for phrase, family, _ in behaviour.SLIPS + behaviour.UNSEEN:
        if not behaviour.unseen(phrase, family):
            sys.exit(f"captions may hold '{phrase}'")


def check_captions():
    rng = random.Random(5)
    for _ in range(500):
        spec = clips.draw(rng)
        text = captions.caption(spec, rng, 0.0)
        words = [word.lower() for word in captions.TABLES["family"][spec.family]]
        if not any(captions.bare(word) in text.lower() for word in words):
            sys.exit(f"the caption '{text}' does not name {spec.family}")
    share = sum(held_out(f, p, m) for f in FAMILIES for p in captions.TABLES["palette"]
                for m in clips.MOTIONS) / (len(FAMILIES) * 16 * 9)
    if not 0.08 < share < 0.12:
        sys.exit(f"{share:.3f} of the combinations are held out, expected a tenth")


if __name__ == "__main__":
    check_noise()
    check_fused()
    check_encoding()
    check_zoom()
    check_stream()
    check_autoencoder()
    check_files()
    check_captions()
    check_phrases()
