# SPDX-License-Identifier: Apache-2.0
"""The text encoder: a small UMT5 encoder in the names of the published one, and its vocabulary."""
import io
import math

import sentencepiece
import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HIDDEN, HEADS, LAYERS = 192, 384, 3, 3
BUCKETS, DISTANCE = 32, 128
LENGTH = 64        # prompt rows of the diffusion model
EOS = 1


def gelu(x):
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))


class Norm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def buckets(n):
    """Relative position buckets [query, key]."""
    r = torch.arange(n)[None, :] - torch.arange(n)[:, None]
    half = BUCKETS // 2
    exact = half // 2
    a = r.abs()
    far = exact + (torch.log(a.clamp(min=1).float() / exact) / math.log(DISTANCE / exact)
                   * (half - exact)).long()
    return (r > 0).long() * half + torch.where(a < exact, a, far.clamp(max=half - 1))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))

    def forward(self, x, bias):
        b, n, _ = x.shape
        q, k, v = (m(x).view(b, n, HEADS, -1).transpose(1, 2) for m in (self.q, self.k, self.v))
        weights = torch.softmax(q @ k.transpose(2, 3) + bias, -1)
        return self.o((weights @ v).transpose(1, 2).reshape(b, n, -1))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(WIDTH, HIDDEN, bias=False))
        self.fc1 = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.fc2 = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x):
        return self.fc2(self.fc1(x) * gelu(self.gate(x)))


class Positions(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(BUCKETS, HEADS)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = Norm(WIDTH), Norm(WIDTH)
        self.attn, self.ffn, self.pos_embedding = Attention(), FeedForward(), Positions()

    def forward(self, x, mask):
        bias = self.pos_embedding.embedding(buckets(x.shape[1])).permute(2, 0, 1) + mask
        x = x + self.attn(self.norm1(x), bias)
        return x + self.ffn(self.norm2(x))


class TextEncoder(nn.Module):
    """ids [B, N], 0 after the end, to rows [B, N, WIDTH], zero after the end."""

    def __init__(self, n_pieces):
        super().__init__()
        self.token_embedding = nn.Embedding(n_pieces, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = Norm(WIDTH)
        for block in self.blocks:   # scores are not divided by the root of the head's width
            nn.init.normal_(block.attn.q.weight, std=(WIDTH * WIDTH // HEADS) ** -0.5)
            nn.init.normal_(block.attn.k.weight, std=WIDTH ** -0.5)
            nn.init.zeros_(block.pos_embedding.embedding.weight)

    def forward(self, ids):
        real = (ids != 0).float()
        mask = ((1.0 - real) * -1e9)[:, None, None, :]
        x = self.token_embedding(ids)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x) * real[..., None]


class Vocabulary:
    def __init__(self, path):
        self.model = sentencepiece.SentencePieceProcessor(model_file=str(path))

    def __len__(self):
        return self.model.get_piece_size()

    def ids(self, texts, sampled=False):
        """Rows of ids with the end mark, padded with 0 to the longest."""
        rows = [self.model.encode(text, enable_sampling=True, alpha=0.2, nbest_size=-1)
                if sampled else self.model.encode(text) for text in texts]
        rows = [row[:LENGTH - 1] + [EOS] for row in rows]
        n = max(len(row) for row in rows)
        return torch.tensor([row + [0] * (n - len(row)) for row in rows])


def train_vocabulary(texts, folder, size):
    """Writes spiece.model into @folder: case folded, unknown characters as bytes."""
    made = io.BytesIO()      # with files the model would hold their paths
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=made, vocab_size=size, model_type="unigram",
        byte_fallback=True, hard_vocab_limit=False, character_coverage=1.0,
        normalization_rule_name="nmt_nfkc_cf", pad_id=0, eos_id=1, bos_id=2, unk_id=3, num_threads=1,
        minloglevel=2)
    (folder / "spiece.model").write_bytes(made.getvalue())
