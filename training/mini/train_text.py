# SPDX-License-Identifier: Apache-2.0
"""Makes the vocabulary and trains the text encoder to tell from a caption what a clip shows."""
import argparse
import math
import random
import time

from torch import nn
from torch.nn import functional as F

from mini.common import Log, Muon, held_out, load_checkpoint, pathlib, save_checkpoint, torch
from mini.text import WIDTH, TextEncoder, Vocabulary, train_vocabulary
from world import captions, clips, palettes
from world.families import FAMILIES

LABELS = {
    "family": list(FAMILIES), "palette": list(palettes.PALETTES), "motion": list(clips.MOTIONS),
    "speed": list(clips.SPEEDS), "density": list(clips.DENSITIES), "mood": list(clips.MOODS),
    "rhythm": list(clips.RHYTHMS), "second": [""] + list(FAMILIES),
}
WEIGHTS = {"family": 1.0, "palette": 1.0, "motion": 1.0, "second": 0.5}
SLIPS = 0.12


class Reader(nn.Module):
    """The encoder with one linear judge per attribute over the mean of the rows."""

    def __init__(self, n_pieces):
        super().__init__()
        self.encoder = TextEncoder(n_pieces)
        self.heads = nn.ModuleDict({key: nn.Linear(WIDTH, len(value)) for key, value in LABELS.items()})

    def forward(self, ids):
        rows = self.encoder(ids)
        mean = rows.sum(1) / (ids != 0).sum(1, keepdim=True)
        return {key: head(mean) for key, head in self.heads.items()}


def draw(rng, held=False):
    while True:
        spec = clips.draw(rng)
        if held_out(spec.family, spec.palette, spec.motion) == held:
            return spec


def batch(rng, n, held=False, slips=SLIPS):
    specs = [draw(rng, held) for _ in range(n)]
    texts = [captions.caption(spec, rng, slips) for spec in specs]
    labels = {key: torch.tensor([value.index(getattr(spec, key)) for spec in specs])
              for key, value in LABELS.items()}
    return texts, labels


def accuracy(model, vocabulary, slips, n):
    """Share of right answers on captions of held-out combinations."""
    texts, labels = batch(random.Random(99), n, True, slips)
    with torch.no_grad():
        answers = model(vocabulary.ids(texts))
    return {key: (answers[key].argmax(1) == labels[key]).float().mean().item()
            for key in ("family", "palette", "motion")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--pieces", type=int, default=2048)
    parser.add_argument("--captions", type=int, default=60000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    if not (out / "spiece.model").exists():
        made = random.Random(7)
        texts = [captions.caption(clips.draw(made), made, 0.05) for _ in range(args.captions)]
        train_vocabulary(texts, out, args.pieces)
    vocabulary = Vocabulary(out / "spiece.model")
    model = Reader(len(vocabulary))
    matrices = [p for p in model.encoder.blocks.parameters() if p.dim() == 2 and min(p.shape) > 32]
    ids = {id(p) for p in matrices}
    optimiser = Muon([{"params": matrices, "matrices": True, "scale": 1.0},
                      {"params": [p for p in model.parameters() if id(p) not in ids], "scale": 1.0}])
    state, step = load_checkpoint(out / "text.pt"), 0
    if state:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    log, begin = Log(out / "text.csv"), time.time()
    while True:
        progress = (time.time() - begin) / (args.minutes * 60)
        rate = args.rate * min(1.0, (step + 1) / 50) * max(0.02, 0.5 + 0.5 * math.cos(math.pi * min(1, progress)))
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        texts, labels = batch(rng, args.batch)
        answers = model(vocabulary.ids(texts, sampled=True))
        losses = {key: F.cross_entropy(answers[key], labels[key]) for key in labels}
        loss = sum(value * WEIGHTS.get(key, 0.25) for key, value in losses.items())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        log.add(loss=loss, **{key: losses[key] for key in ("family", "palette", "motion", "second")})
        done = progress >= 1.0
        if step % 50 == 0 or done:
            log.write(step)
        if step % 250 == 0 or done:
            save_checkpoint(out / "text.pt", model=model.state_dict(), optimiser=optimiser.state_dict(),
                            step=step)
            n = min(1000, args.captions // 50)
            print("held-out", accuracy(model, vocabulary, 0.0, n), "with slips",
                  accuracy(model, vocabulary, 0.5, n), flush=True)
        if done:
            return


if __name__ == "__main__":
    main()
