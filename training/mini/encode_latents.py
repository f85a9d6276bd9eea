# SPDX-License-Identifier: Apache-2.0
"""Colours the rendered fields and encodes them: the latents that the diffusion model is trained on.

Every field is used under several palettes, every other time in a mirror. No combination that is held out is ever
encoded."""
import argparse
import random
import time

from torch.nn import functional as F

from mini.common import held_out, pathlib, save_checkpoint, torch
from mini.export import autoencoder
from world import clips, palettes


def coloured_spec(spec, rng):
    """A copy of @spec in other colours and mood."""
    name = rng.choice([name for name in palettes.PALETTES if not held_out(spec.family, name, spec.motion)])
    return clips.Spec(**{**vars(spec), "palette": name, "mood": rng.choices(list(clips.MOODS), (4, 1, 1, 1))[0]})


@torch.no_grad()
def encode_field(model, spec, value):
    """Latents of the field @value [T, H, W] in the colours of @spec: what Autoencoder.encode() gives, but its first
    layer, which is linear in the colours of four frames, is looked up in tables of theirs."""
    n_frames, height, width = value.shape
    first = model.encoder[0]
    colours = clips.colour_table(spec, [spec.start + i / clips.FPS for i in range(n_frames)])
    tables = torch.einsum("nkvc,okc->nkvo", colours.unflatten(0, (-1, first.steps)),
                          first.conv.weight.flatten(1).unflatten(1, (first.steps, 3)))
    places = (value.long() + 256 * (torch.arange(n_frames) % first.steps).view(-1, 1, 1)).unflatten(0, (-1, first.steps))
    x = torch.stack([F.embedding_bag(place.flatten(1).t(), table.flatten(0, 1), mode="sum")
                     for place, table in zip(places, tables)])
    x = x.view(-1, height, width, x.shape[-1]).permute(0, 3, 1, 2)
    for layer in model.encoder[1:]:
        x = layer(x, 1)
    return x


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fields", type=pathlib.Path, required=True)
    parser.add_argument("--autoencoder", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--colours", type=int, default=2, help="per field")
    parser.add_argument("--wait", type=float, default=0, help="minutes to wait for more fields")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model, begin = autoencoder(args.autoencoder), time.time()
    while True:
        todo = [path for path in sorted(args.fields.glob("fields-*.pt"))
                if not (args.out / path.name.replace("fields", "latents")).exists()]
        if not todo and time.time() - begin > args.wait * 60:
            return
        if not todo:
            time.sleep(2)
            continue
        shard, latents, specs = torch.load(todo[0]), [], []
        rng = random.Random(todo[0].name)
        for plain in zip(shard["specs"], shard["fields"]):
            for k in range(args.colours):
                spec, value = clips.mirrored(*plain) if k % 2 else plain
                specs.append(coloured_spec(spec, rng))
                latents.append(encode_field(model, specs[-1], value).half())
        save_checkpoint(args.out / todo[0].name.replace("fields", "latents"),
                        latents=torch.stack(latents), specs=specs)


if __name__ == "__main__":
    main()
