# SPDX-License-Identifier: Apache-2.0
"""Trains the diffusion transformer on encoded clips, in three phases that continue one checkpoint.

pictures  single latent frames: what things look like and what they are called
clips     three chunks side by side with their clean past, each at its own noise level
rollout   few steps: the model denoises from its own earlier predictions, as the program runs it, and
          two samples of one prompt are judged by the energy score against what the world shows. The
          score is least for the right distribution, where a squared error is least for its mean.
"""
import argparse
import math
import random
import time

from mini.common import (Average, Log, Muon, load_checkpoint, pathlib, save_checkpoint, save_sheet, torch)
from mini.dit import CHUNK, WINDOW, Transformer, chunk_mask
from mini.export import STREAM, autoencoder, text_encoder
from mini.stream import Cache, Stream
from world import captions

PROMPTS = ["red fire rising", "blue ocean waves drifting left", "green aurora", "purple plasma",
           "golden tunnel, flying forward", "teal kaleidoscope rotating clockwise", "pink silk", "neon grid",
           "orange lava flowing down", "white galaxy turning clockwise"]


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
                          for spec in specs], True)


def noise_levels(rng, shape):
    """Half of them are those that the program uses."""
    flat = [rng.choice(STREAM["steps"]) if rng.random() < 0.5 else rng.uniform(20.0, 1000.0)
            for _ in range(math.prod(shape))]
    return torch.tensor(flat).view(shape)


def add_noise(x, t):
    noise = torch.randn_like(x)
    s = (t / 1000.0)[..., None, None, None]
    return (1.0 - s) * x + s * noise, noise - x


def pictures_loss(model, clips, reader, rng, n):
    latents, specs = clips.draw(rng, n)
    x = torch.stack([row[rng.randrange(row.shape[0])] for row in latents]).unsqueeze(1)
    t = noise_levels(rng, (n, 1))
    noisy, flow = add_noise(x, t)
    text = model.read(reader.captions(specs, rng, 0.1))
    return (model(noisy, t, [0], text) - flow).pow(2).mean()


def clips_loss(model, clips, reader, rng, n, mask):
    """Every other time the first chunk of more clips, alone, else three chunks with their past."""
    alone = rng.random() < 0.5
    n = 4 * n if alone else n
    latents, specs = clips.draw(rng, n)
    text = model.read(reader.captions(specs, rng, 0.1))
    t = noise_levels(rng, (n, 1 if alone else 3)).repeat_interleave(CHUNK, 1)
    noisy, flow = add_noise(latents[:, :t.shape[1]], t)
    if alone:
        return (model(noisy, t, [0], text) - flow).pow(2).mean()
    past = latents[:, :2 * CHUNK]
    past = past + torch.randn_like(past) * 0.15 * torch.rand(n, 1, 1, 1, 1)   # as if we had made it
    x, t = torch.cat([past, noisy], 1), torch.cat([torch.zeros(n, 2 * CHUNK), t], 1)
    out = model(x, t, [0, 3, 0, 3, 6], text, mask)[:, 2 * CHUNK:]
    return (out - flow).pow(2).mean()


def distance(a, b):
    """Mean norm of the difference of chunks [B, F, C, h, w], over parts of three sizes: all, quarters of the
    picture, 4x4 latents."""
    d = (a - b).pow(2).mean((1, 2))
    total = 0.0
    for k in (16, 8, 4):
        parts = d.unflatten(2, (-1, k)).unflatten(1, (-1, k)).mean((2, 4))
        total = total + (parts + 1e-6).sqrt().mean((1, 2))
    return total / 3.0


@torch.no_grad()
def remember(model, past, text, rng):
    """A cache that holds the chunks @past [B, F, ...], which are spoilt the way that a stream spoils its own
    past: a little noise, or one step of the model over more of it."""
    cache = Cache(len(model.blocks))
    level = rng.choice((0.0, 0.1, 0.25, 0.5))
    for i, chunk in enumerate(past.split(CHUNK, 1)):
        times = torch.ones(chunk.shape[:2])
        noisy = (1.0 - level) * chunk + level * torch.randn_like(chunk)
        if level >= 0.25:
            noisy = noisy - level * model(noisy, times * level * 1000.0, [i * CHUNK], text, cache=cache)
        model(noisy, times * 0.0, [i * CHUNK], text, cache=cache)
        cache.keep(past.shape[-1] * past.shape[-2] // 4 * (WINDOW - CHUNK))
    return cache


def rollout_loss(model, clips, reader, rng, n, repulsion):
    """Energy score of the prediction after a random number of steps from noise, for a random chunk of a
    clip with its past. Two samples a prompt. A @repulsion of 0.5 is the proper score; less keeps samples nearer to
    what they have in common, which a model that has seen little draws better than the rest."""
    latents, specs = clips.draw(rng, n)
    number = rng.choice((0, 1, 2))
    target = latents[:, number * CHUNK:(number + 1) * CHUNK]
    rows = reader.captions(specs, rng, 0.0)
    steps = STREAM["steps"] if rng.random() < 0.7 else STREAM["steps"][::2]
    cache = None
    if number:
        cache = remember(model, latents[:, :number * CHUNK], model.read(rows), rng)
        cache.past = [(k.repeat(2, 1, 1, 1), v.repeat(2, 1, 1, 1)) for k, v in cache.past]
    rows, last = rows.repeat(2, 1, 1), rng.randrange(len(steps))
    x = torch.randn(2 * n, *target.shape[1:])
    for i in range(last + 1):
        with torch.set_grad_enabled(i == last):
            t = torch.full((2 * n, CHUNK), float(steps[i]))
            x0 = x - steps[i] / 1000.0 * model(x, t, [number * CHUNK], model.read(rows), cache=cache)
        if i < last:
            s = steps[i + 1] / 1000.0
            x = (1.0 - s) * x0 + s * torch.randn_like(x0)
    a, b = x0[:n], x0[n:]
    return (0.5 * (distance(a, target) + distance(b, target)) - repulsion * distance(a, b)).mean()


def sheet(model, decoder, reader, path, chunks):
    """The last frame of every chunk."""
    with torch.no_grad():
        latents = Stream(model, model.read(reader.rows(PROMPTS)), 11).run(chunks)
        frames = decoder.decode(latents[:, -2 * CHUNK:])
    save_sheet(path, [[frames[i, 4 * CHUNK * k - 1] for i in range(len(PROMPTS))]
                      for k in range(1, frames.shape[1] // (4 * CHUNK) + 1)])


class Team:
    """Workers that train on their own and agree on the mean of their parameters every @every steps."""

    def __init__(self, n, n_values, context, every=8):
        self.n, self.every = n, every
        self.values = torch.zeros(n, n_values).share_memory_()
        self.over = torch.zeros(1).share_memory_()
        self.barrier = context.Barrier(n)

    def agree(self, rank, model, over):
        """Takes the mean; returns whether the first worker says that time is over."""
        if self.n == 1:
            return over
        self.values[rank] = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
        if rank == 0:
            self.over.fill_(float(over))
        self.barrier.wait()
        mean, over = self.values.mean(0), bool(self.over.item())
        self.barrier.wait()
        torch.nn.utils.vector_to_parameters(mean, model.parameters())
        return over


def work(rank, args, team):
    """Trains until the time is over; the first worker writes the log, the sheets and the checkpoint."""
    torch.manual_seed(args.seed * 1000 + rank)
    model = Transformer()
    matrices = [p for p in model.blocks.parameters() if p.dim() == 2]
    ids = {id(p) for p in matrices}
    optimiser = Muon([{"params": matrices, "matrices": True},
                      {"params": [p for p in model.parameters() if id(p) not in ids]}])
    average, step = Average(model, 0.995), 0
    state = load_checkpoint(args.out / "diffusion.pt")
    if state:
        model.load_state_dict(state["model"], strict=False)
        if len(state["model"]) == len(average.values):
            optimiser.load_state_dict(state["optimiser"])
        average.values.update(state["average"])
        step = state["step"]
    rng = random.Random(f"{args.seed} {rank} {step}")
    clips, reader, decoder = Clips(args.latents), Reader(args.text), autoencoder(args.autoencoder)
    mask = chunk_mask(2, [0, 1, 2], CHUNK * 64)
    log, begin, first, shown = Log(args.out / f"{args.phase}.csv"), time.time(), step, time.time()
    smooth = Transformer()
    done = False
    while not done:
        progress = min(1.0, (time.time() - begin) / (args.minutes * 60))
        falling = 1.0 if args.decay == 0 else min(1.0, (1.0 - progress) / args.decay)
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1.0, (step - first + 1) / 60) * max(0.02, falling)
        if args.phase == "pictures":
            loss = pictures_loss(model, clips, reader, rng, args.batch)
        elif args.phase == "clips":
            loss = clips_loss(model, clips, reader, rng, args.batch, mask)
        else:
            loss = rollout_loss(model, clips, reader, rng, args.batch, args.repulsion)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        if step % team.every == 0:
            done = team.agree(rank, model, progress >= 1.0)
            clips.look()
        if rank > 0:
            continue
        average.update(model, step)
        log.add(loss=loss)
        if step % 24 == 0:
            log.write(step)
        if time.time() - shown > 240 or done:
            shown = time.time()
            for name in ("diffusion", args.phase):
                save_checkpoint(args.out / f"{name}.pt", model=model.state_dict(), step=step,
                                optimiser=optimiser.state_dict(), average=average.values)
            smooth.load_state_dict(average.values)
            if args.shown > 0:
                sheet(smooth, decoder, reader, args.out / f"{args.phase}.png", args.shown)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--phase", choices=("pictures", "clips", "rollout"), required=True)
    parser.add_argument("--latents", type=pathlib.Path, required=True)
    parser.add_argument("--autoencoder", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.3, help="share of the time with a falling rate")
    parser.add_argument("--shown", type=int, default=4, help="chunks of the sample sheet; 0: no sheet")
    parser.add_argument("--repulsion", type=float, default=0.5, help="of two samples of one prompt")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.batch = args.batch or {"pictures": 32, "clips": 4, "rollout": 6}[args.phase]
    context = torch.multiprocessing.get_context("spawn")
    team = Team(args.workers, sum(p.numel() for p in Transformer().parameters()), context)
    others = [context.Process(target=work, args=(rank, args, team), daemon=True)
              for rank in range(1, args.workers)]
    for process in others:
        process.start()
    work(0, args, team)
    for process in others:
        process.join()


if __name__ == "__main__":
    main()
