# SPDX-License-Identifier: Apache-2.0
"""Colours the rendered fields and encodes them: the latents that the diffusion model is trained on.

Every field is used under several palettes. No combination that is held out is ever encoded."""
import argparse
import random
import time

from mini.common import held_out, pathlib, save_checkpoint, torch
from mini.export import autoencoder
from world import clips, palettes


def colourings(spec, rng, n):
    """@n copies of @spec in different colours and moods."""
    names = [name for name in palettes.PALETTES if not held_out(spec.family, name, spec.motion)]
    made = []
    for name in rng.sample(names, n):
        mood = rng.choices(list(clips.MOODS), (4, 1, 1, 1))[0]
        made.append(clips.Spec(**{**vars(spec), "palette": name, "mood": mood}))
    return made


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
        for value, spec in zip(shard["fields"], shard["specs"]):
            for coloured in colourings(spec, rng, args.colours):
                frames = clips.colour(coloured, value, spec.start)
                with torch.no_grad():
                    latents.append(model.encode(frames.unsqueeze(0))[0].half())
                specs.append(coloured)
        save_checkpoint(args.out / todo[0].name.replace("fields", "latents"),
                        latents=torch.stack(latents), specs=specs)


if __name__ == "__main__":
    main()
