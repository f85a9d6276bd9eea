# SPDX-License-Identifier: Apache-2.0
"""The critic of the diffusion model's last phase: a network on latents that names subject, palette and motion of a
chunk and tells encoded clips from generated ones. The stage of this file teaches it to name; in the phase `critic`
of train_diffusion.py it and the model are trained against each other, on chunks that the model makes in streams of
its own, with all their steps (DRaFT: Clark and others, 2023; relativistic pairs: Huang and others, 2024).

It has nothing to do with the judges of judge.py, which look at pixels and never see a generated one in training.
"""
import argparse
import math
import random
import time

from torch import nn
from torch.nn import functional as F

from mini.common import Log, held_out, load_checkpoint, pathlib, save_checkpoint, torch
from mini.data import Clips, blended
from mini.dit import CHUNK
from mini.export import STREAM
from mini.stream import remember
from world import captions, clips, palettes
from world.families import FAMILIES

LABELS = {"family": list(FAMILIES), "palette": list(palettes.PALETTES), "motion": list(clips.MOTIONS)}
WEIGHTS = {"family": 2.5, "palette": 0.75, "motion": 0.75}
WIDTH = 256
REACH = 2         # of shifts(), in latents
SEEN = 5          # streams of a step that are looked at through the decoder
HAZE = 0.3        # the strongest noise that it looks through: what it wants must be seen, not just be there


class Block(nn.Module):
    """A residual block that halves the picture, or not."""

    def __init__(self, n_in, n_out, halve):
        super().__init__()
        self.halve = halve
        self.body = nn.Sequential(nn.GroupNorm(8, n_in), nn.LeakyReLU(0.2), nn.Conv2d(n_in, n_out, 3, padding=1),
                                  nn.GroupNorm(8, n_out), nn.LeakyReLU(0.2), nn.Conv2d(n_out, n_out, 3, padding=1))
        self.skip = nn.Conv2d(n_in, n_out, 1, bias=False)
        nn.init.zeros_(self.body[5].weight)

    def forward(self, x):
        x = self.skip(x) + self.body(x)
        return F.avg_pool2d(x, 2) if self.halve else x


def shifts(latents):
    """How well each place matches those at small distances one and two latent frames later, which tells motion:
    [B, 2 * (2 * REACH + 1)^2, h, w]."""
    b, n_frames, _, h, w = latents.shape
    flat = latents.flatten(0, 1)
    z = (flat - F.avg_pool2d(flat, 5, 1, 2, count_include_pad=False)).view(latents.shape)
    z = z * torch.rsqrt(z.pow(2).mean(2, keepdim=True) + 0.02)
    wide = F.pad(z, (REACH,) * 4)
    planes = [(z[:, :-lag] * wide[:, lag:, :, dy:dy + h, dx:dx + w]).mean((1, 2))
              for lag in (1, 2) for dy in range(2 * REACH + 1) for dx in range(2 * REACH + 1)]
    return torch.stack(planes, 1)


class Critic(nn.Module):
    """@latents [B, 2 * CHUNK, 16, 16, 16]: a chunk after the one before it, or after zeros."""

    def __init__(self):
        super().__init__()
        n_in = 16 * 2 * CHUNK + 2 * (2 * REACH + 1) ** 2
        self.eye = nn.Sequential(nn.Conv2d(n_in, 96, 3, padding=1), Block(96, 128, True), Block(128, 192, True),
                                 Block(192, 256, False), nn.GroupNorm(8, 256), nn.LeakyReLU(0.2), nn.Flatten(),
                                 nn.Linear(256 * 16, WIDTH), nn.GELU())
        self.names = nn.ModuleDict({key: nn.Linear(WIDTH, len(names)) for key, names in LABELS.items()})
        self.wanted = nn.ModuleDict({key: nn.Linear(len(names), WIDTH, bias=False) for key, names in LABELS.items()})
        self.real = nn.Linear(WIDTH, 1)
        for part in self.wanted.values():
            nn.init.zeros_(part.weight)

    def forward(self, latents, targets):
        """Logits of names, and how real it looks as what @targets tell: [B]."""
        seen = self.eye(torch.cat([latents.flatten(1, 2), shifts(latents)], 1))
        wanted = sum(part(targets[key]) for key, part in self.wanted.items())
        return {key: part(seen) for key, part in self.names.items()}, \
            self.real(seen)[:, 0] + (seen * wanted).sum(1) / WIDTH ** 0.5


def targets_of(specs):
    """Shares of each label: [B, labels]; two subjects have half each."""
    made = {key: torch.zeros(len(specs), len(names)) for key, names in LABELS.items()}
    for i, spec in enumerate(specs):
        for family in (spec.family, spec.second or spec.family):
            made["family"][i, LABELS["family"].index(family)] += 0.5
        for key in ("palette", "motion"):
            made[key][i, LABELS[key].index(getattr(spec, key))] = 1.0
    return made


def misnamed(names, targets):
    """The weighted cross-entropy."""
    return sum(-WEIGHTS[key] * (torch.log_softmax(names[key], 1) * targets[key]).sum(1).mean() for key in LABELS)


def named(names, targets):
    """The share of right names of each kind."""
    return {key: (value.argmax(1) == targets[key].argmax(1)).float().mean().item() for key, value in names.items()}


def hazy(latents):
    """The same through noise of random strength; zeros stay, for they stand for nothing."""
    strength = HAZE * torch.rand(latents.shape[0], 1, 1, 1, 1)
    return latents + strength * torch.randn_like(latents) * (latents != 0)


def pairs(clip_set, rng, n, first):
    """Encoded chunks after the ones before them, or where @first after zeros, and their specs."""
    latents, specs = clip_set.draw(rng, n)
    if first:
        return torch.cat([torch.zeros_like(latents[:, :CHUNK]), latents[:, :CHUNK]], 1), specs
    starts = [rng.randrange(latents.shape[1] - 2 * CHUNK + 1) for _ in range(n)]
    return torch.stack([row[k:k + 2 * CHUNK] for row, k in zip(latents, starts)]), specs


def drawn(rng, shares):
    """A random Spec of which nothing is held out; one of a family is taken as often as @shares say, from 1 on always."""
    while True:
        spec = clips.draw(rng)
        if rng.random() < shares[spec.family] and not any(
                held_out(name, spec.palette, spec.motion) for name in (spec.family, spec.second) if name):
            return spec


class Game:
    """The model's streams of one worker, and the critics that watch them: one learns beside it, @sights look through
    the @decoder at some and do not change."""

    def __init__(self, critic, sights, decoder, clip_set, reader, rng, n, rate):
        self.critic, self.clips, self.reader, self.rng, self.n = critic, clip_set, reader, rng, n
        self.sights, self.decoder = sights, decoder
        self.shares = dict.fromkeys(LABELS["family"], 1.0)
        self.optimiser = torch.optim.Adam(critic.parameters(), lr=rate, betas=(0.5, 0.95))
        self.rate, self.left = rate, 0

    def begin(self):
        """New prompts, and for how many chunks. Where two subjects meet, every other prompt is a blend of two."""
        self.specs = [drawn(self.rng, self.shares) for _ in range(self.n)]
        texts = [captions.caption(spec, self.rng, 0.08) for spec in self.specs]
        others = list(texts)
        for i, spec in enumerate(self.specs):
            if spec.second and self.rng.random() < 0.5:
                texts[i], others[i] = (captions.caption(clips.Spec(**{**vars(spec), "family": name, "second": ""}),
                                                        self.rng) for name in (spec.family, spec.second))
        rows = self.reader.rows(texts + others)
        self.rows = blended(rows[:self.n], rows[self.n:])
        self.targets = targets_of(self.specs)
        self.left, self.start, self.past = self.rng.choice((1, 2, 3, 5)), 0, []

    def make(self, model):
        """The next chunk of the streams, with the gradient of all its steps."""
        if self.left == 0:
            self.begin()
        text = model.read(self.rows)
        cache = remember(model, self.past, text, self.start - len(self.past) * CHUNK)
        all_steps = STREAM["steps"]
        steps = self.rng.choices((all_steps, all_steps[::2], all_steps[:1]), (6, 3, 1))[0]
        x = torch.randn(self.n, CHUNK, 16, 16, 16)
        for t, end in zip(steps, (*steps[1:], 0)):
            x = x - (t - end) / 1000.0 * model(x, torch.full((self.n, CHUNK), float(t)), [self.start], text, cache=cache)
        before = self.past[-1] if self.past else torch.zeros_like(x)
        self.past = [*self.past, x.detach()][-2:]
        self.left, self.start = self.left - 1, self.start + CHUNK
        return torch.cat([before, x], 1)

    def learn(self, made):
        """A step of the critic: to name encoded clips, and to tell a third of them from what was made. It must not
        change its mind for a little noise, which keeps it smooth."""
        n = self.n
        real, specs = pairs(self.clips, self.rng, 3 * n, (made[:, :CHUNK] == 0).all().item())
        both = hazy(torch.cat([real, made]))
        shaken = both[2 * n:] + 0.05 * torch.randn_like(both[2 * n:]) * (both[2 * n:] != 0)
        aims = targets_of(specs)
        names, scores = self.critic(torch.cat([both, shaken]), {
            key: torch.cat([aim, self.targets[key], aim[2 * n:], self.targets[key]]) for key, aim in aims.items()})
        score, moved = scores[2 * n:4 * n], scores[4 * n:]
        loss = F.softplus(score[n:] - score[:n]).mean() + 100.0 * (score - moved).pow(2).mean() \
            + misnamed({key: value[:3 * n] for key, value in names.items()}, aims)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return score[:n].mean().item()

    def loss(self, model, part):
        """What the model is to be blamed for; @part in 0..1 of the rate for the critic's own step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * part
        made = self.make(model)
        real = self.learn(made.detach())
        names, scores = self.critic(hazy(made), self.targets)
        self.told = {**named(names, self.targets), "less real": real - scores.mean().item()}
        return F.softplus(real - scores).mean() + 0.25 * misnamed(names, self.targets) + self.unseen(made)

    def unseen(self, made):
        """What is not seen as what it should be in some of the chunks @made. Subjects that are not are asked for
        more often."""
        part = self.rng.sample(range(self.n), min(SEEN, self.n))
        frames = self.decoder.decode_half(made[part, CHUNK:]).clamp(0, 1)
        targets = {key: self.targets[key][part] for key in ("family", "motion")}
        answers = [sight.look(frames) for sight in self.sights]
        logs = {key: sum(torch.log_softmax(answer[key], 1) for answer in answers) / len(answers) for key in targets}
        alone = [not self.specs[i].second for i in part]     # they know one subject a clip
        losses = {key: -(value * targets[key]).sum(1) * torch.tensor(alone).float() for key, value in logs.items()}
        for i, single, loss in zip(part, alone, losses["family"].tolist()):
            name = self.specs[i].family
            if single:
                self.shares[name] += 0.1 * (1.25 - math.exp(-loss) - self.shares[name])
        self.told.update({f"seen {key}": (value.argmax(1) == targets[key].argmax(1)).float().mean().item()
                          for key, value in logs.items()})
        return losses["family"].mean() + 0.5 * losses["motion"].mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--latents", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    rng, clip_set, critic = random.Random(args.seed), Clips(args.latents), Critic()
    optimiser = torch.optim.AdamW(critic.parameters(), lr=1e-3, weight_decay=0.05)
    state = load_checkpoint(args.out / "critic.pt")
    if state:
        critic.load_state_dict(state["critic"])
    log, begin, step, progress = Log(args.out / "critic.csv"), time.time(), 0, 0.0
    while progress < 1.0:
        progress = min(1.0, (time.time() - begin) / (args.minutes * 60))
        for group in optimiser.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 50) * max(0.05, 1.0 - progress)
        latents, specs = pairs(clip_set, rng, args.batch, rng.random() < 0.35)
        targets = targets_of(specs)
        names, _ = critic(hazy(latents), targets)
        loss = misnamed(names, targets)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        log.add(loss=loss, **named(names, targets))
        if step % 40 == 0:
            log.write(step)
            clip_set.look()
    save_checkpoint(args.out / "critic.pt", critic=critic.state_dict())


if __name__ == "__main__":
    main()
