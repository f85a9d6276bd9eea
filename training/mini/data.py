# SPDX-License-Identifier: Apache-2.0
"""What the transformer is trained on: encoded clips, and captions as rows of the text encoder."""
from mini.common import torch
from mini.export import text_encoder
from world import captions


class Clips:
    """Encoded clips in memory; looks for new shards now and then."""

    def __init__(self, folder):
        self.folder, self.seen, self.latents, self.specs = folder, set(), [], []
        self.look()

    def look(self):
        for path in sorted(self.folder.glob("latents-*.pt")):
            if path not in self.seen:
                self.seen.add(path)
                shard = torch.load(path)
                self.latents.extend(shard["latents"].unbind(0))
                self.specs.extend(shard["specs"])

    def draw(self, rng, n):
        chosen = [rng.randrange(len(self.specs)) for _ in range(n)]
        return torch.stack([self.latents[i] for i in chosen]).float(), [self.specs[i] for i in chosen]


class Reader:
    """Prompts to rows; the encoder is not trained here."""

    def __init__(self, folder):
        self.encoder, self.vocabulary = text_encoder(folder)

    @torch.no_grad()
    def rows(self, texts, sampled=False):
        return self.encoder(self.vocabulary.ids(texts, sampled))

    def captions(self, specs, rng, drop):
        return self.rows(["" if rng.random() < drop else captions.caption(spec, rng, 0.08)
                          for spec in specs], rng.random() < 0.25)


def blended(a, b):
    """The program's mean of two batches of rows, at the mean of their norms."""
    mean = (a + b) / 2
    norm = (a.flatten(1).norm(dim=1) + b.flatten(1).norm(dim=1)) / 2
    return mean * (norm / mean.flatten(1).norm(dim=1)).view(-1, 1, 1)
