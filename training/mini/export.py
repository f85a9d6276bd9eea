# SPDX-License-Identifier: Apache-2.0
"""Writes the files that the program loads, from whatever checkpoints there are."""
import argparse
import json
import os
import shutil

from mini.autoencoder import Autoencoder
from mini.common import load_checkpoint, pathlib, torch
from mini.dit import CHUNK, CONFIG, WINDOW, Transformer
from mini.safetensors import save
from mini.text import TextEncoder, Vocabulary

STREAM = {"window_frames": WINDOW, "chunk_frames": CHUNK, "sink_frames": 0, "shift": 5.0,
          "steps": [1000, 750, 500, 250], "context_noise": 0, "fps": 16}


def text_encoder(folder):
    vocabulary = Vocabulary(folder / "spiece.model")
    model = TextEncoder(len(vocabulary))
    state = load_checkpoint(folder / "text.pt")
    if state:
        model.load_state_dict({key[8:]: value for key, value in state["model"].items()
                               if key.startswith("encoder.")})
    return model, vocabulary


def autoencoder(folder):
    model = Autoencoder()
    state = load_checkpoint(folder / "autoencoder.pt")
    if state:
        model.load_state_dict(state["average"])
    return model


def diffusion(path):
    model = Transformer()
    state = load_checkpoint(path)
    if state:
        model.load_state_dict(state["average"])
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--autoencoder", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--diffusion", type=pathlib.Path, required=True, help="a checkpoint")
    parser.add_argument("--only", nargs="*", default=["autoencoder", "text", "diffusion"])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    if "autoencoder" in args.only:
        save(args.out / "autoencoder.safetensors", autoencoder(args.autoencoder).state_dict())
    if "text" in args.only:
        save(args.out / "text_encoder.safetensors", text_encoder(args.text)[0].state_dict())
        shutil.copy(args.text / "spiece.model", args.out / "spiece.model.part")
        os.replace(args.out / "spiece.model.part", args.out / "spiece.model")
    if "diffusion" in args.only:
        save(args.out / "diffusion.safetensors", diffusion(args.diffusion).state_dict())
        part = args.out / "config.json.part"
        part.write_text(json.dumps({**CONFIG, "scope": STREAM}, indent=2) + "\n")
        os.replace(part, args.out / "config.json")


if __name__ == "__main__":
    main()
