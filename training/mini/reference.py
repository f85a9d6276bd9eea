# SPDX-License-Identifier: Apache-2.0
"""Writes a very small transformer with random weights, inputs and what they give, for the program's own tests:
PYTHONPATH=training python3 -m mini.reference tests/models/data/pass.safetensors"""
import pathlib
import sys

import torch

from mini.dit import Transformer
from mini.safetensors import save

CONFIG = {"dim": 16, "ffn_dim": 24, "freq_dim": 8, "text_dim": 12, "in_dim": 4, "out_dim": 4, "num_heads": 2,
          "num_layers": 1}


@torch.no_grad()
def made():
    """Tensors of the model, and, named test.*, of two passes that differ in their prompts."""
    torch.manual_seed(4)
    model = Transformer(CONFIG).eval()
    for p in model.parameters():
        p.add_(torch.randn_like(p) * 0.2)
    tensors = {name: p.detach() for name, p in model.named_parameters()}
    latents, timesteps = torch.randn(2, 4, 6, 8), torch.tensor([750.0, 250.0])
    tensors.update({"test.latents": latents, "test.timesteps": timesteps})
    for i, rows in enumerate((2, 3)):
        prompt = torch.randn(rows, CONFIG["text_dim"])
        flow = model(latents[None], timesteps[None], [0], model.read(prompt[None]))[0]
        tensors.update({f"test.prompt.{i}": prompt, f"test.flow.{i}": flow})
    return tensors


if __name__ == "__main__":
    save(pathlib.Path(sys.argv[1]), made(), torch.float32)
