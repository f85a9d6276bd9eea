# SPDX-License-Identifier: Apache-2.0
"""Trains the diffusion transformer on encoded clips, in four phases that continue one checkpoint.

pictures  single latent frames: what things look like and what they are called
clips     three chunks side by side with their clean past, each at its own noise level
steps     few steps: the model learns to go in one step where itself, as the clips left it and guided away from
          the empty prompt, goes in two. What is to be learnt is a function, not a distribution, so the
          squared error has no mean to fall to.
critic    streams of its own under the eyes of a critic that learns beside it (critic.py): what is asked for must be
          seen in what all the steps together make
"""
import argparse
import math
import random
import time

from mini.common import (Average, Log, Muon, load_checkpoint, pathlib, save_checkpoint, save_sheet, torch)
from mini.critic import Critic, Game
from mini.data import Clips, Reader
from mini.dit import CHUNK, WINDOW, Transformer, chunk_table
from mini.export import STREAM, autoencoder
from mini.sight import load_sights
from mini.stream import Cache, Stream, remember

PROMPTS = ["red fire rising", "blue ocean waves drifting left", "green aurora", "purple plasma",
           "golden tunnel, flying forward", "teal kaleidoscope rotating clockwise", "pink silk", "neon grid",
           "orange lava flowing down", "white galaxy turning clockwise"]


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


def clips_loss(model, clips, reader, rng, n, sees):
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
    out = model(x, t, [0, 3, 0, 3, 6], text, sees)[:, 2 * CHUNK:]
    return (out - flow).pow(2).mean()


class Teacher:
    """The model as the clips left it, guided away from the empty prompt."""

    def __init__(self, values, reader, guidance):
        self.model, self.reader, self.guidance = Transformer(), reader, guidance
        self.model.load_state_dict(values)
        for p in self.model.parameters():
            p.requires_grad_(False)

    def begin(self, rows, past):
        """What it needs to go on from the chunks @past under the prompts @rows."""
        empty = self.reader.rows([""] * rows.shape[0])
        return [(text, remember(self.model, past, text)) for text in (self.model.read(rows), self.model.read(empty))]

    def flow(self, x, t, start, begun):
        told, free = (self.model(x, t, [start], text, cache=cache) for text, cache in begun)
        return free + self.guidance * (told - free)

    def walk(self, x, t, end, start, begun, steps):
        """Takes x from timesteps @t [B] to @end [B] along its flow, in @steps equal steps."""
        size = (t - end) / steps
        for i in range(steps):
            now = (t - i * size)[:, None].expand(-1, CHUNK)
            x = x - (size / 1000.0)[:, None, None, None, None] * self.flow(x, now, start, begun)
        return x


@torch.no_grad()
def spoil(model, past, text, rng):
    """Chunks @past [B, F, ...] the way a stream spoils its own past: a little noise, or one step of the model over
    more of it."""
    cache, chunks, level = Cache(len(model.blocks)), [], rng.choice((0.0, 0.1, 0.25, 0.5))
    for i, chunk in enumerate(past.split(CHUNK, 1)):
        times = torch.ones(chunk.shape[:2])
        noisy = (1.0 - level) * chunk + level * torch.randn_like(chunk)
        if level >= 0.25:
            noisy = noisy - level * model(noisy, times * level * 1000.0, [i * CHUNK], text, cache=cache)
            model(noisy, times * 0.0, [i * CHUNK], text, cache=cache)
            cache.keep(past.shape[-1] * past.shape[-2] // 4 * (WINDOW - CHUNK))
        chunks.append(noisy)
    return chunks


def steps_loss(model, teacher, clips, reader, rng, n):
    """The flow that brings a picture from one of the program's timesteps to the next in one step where the guided
    teacher takes two; for a random chunk of a clip with its past, from its noised picture or from where the
    model's own steps have come. One in four starts between two timesteps, as an input picture does."""
    latents, specs = clips.draw(rng, n)
    number = rng.choice((0, 0, 1, 2))
    start, clean = number * CHUNK, latents[:, number * CHUNK:(number + 1) * CHUNK]
    rows, grid = reader.captions(specs, rng, 0.0), [*STREAM["steps"], 0]
    text = model.read(rows)
    with torch.no_grad():
        past = spoil(model, latents[:, :start], text, rng) if number else []
        cache = remember(model, past, text)
        begun = teacher.begin(rows, past)
        x, i = torch.randn_like(clean), rng.randrange(len(grid) - 1)
        if rng.random() < 0.5:
            for j in range(i):
                t = torch.full((n, CHUNK), float(grid[j]))
                x = x - (grid[j] - grid[j + 1]) / 1000.0 * model(x, t, [start], text, cache=cache)
            t = torch.full((n,), float(grid[i]))
        else:
            t = torch.tensor([grid[i] - (grid[i] - grid[i + 1]) * (rng.random() * 0.9 if rng.random() < 0.25 else 0.0)
                              for _ in range(n)])
            s = (t / 1000.0)[:, None, None, None, None]
            x = (1.0 - s) * clean + s * x
        end = torch.full((n,), float(grid[i + 1]))
        there = teacher.walk(x, t, end, start, begun, 2)
        flow = (x - there) / ((t - end) / 1000.0)[:, None, None, None, None]
    return (model(x, t[:, None].expand(-1, CHUNK), [start], text, cache=cache) - flow).pow(2).mean()


def late_loss(model, clips, reader, rng, n):
    """The flow of encoded clips at the later timesteps, where what is left to be seen is nearly certain: under the
    critic alone the model forgets there what clips look like."""
    latents, specs = clips.draw(rng, n)
    number = rng.randrange(3)
    start, clean = number * CHUNK, latents[:, number * CHUNK:(number + 1) * CHUNK]
    text = model.read(reader.captions(specs, rng, 0.0))
    cache = remember(model, latents[:, :start].split(CHUNK, 1) if number else [], text)
    t = torch.tensor([float(rng.choice(STREAM["steps"][2:])) for _ in range(n)])[:, None].expand(-1, CHUNK)
    noisy, flow = add_noise(clean, t)
    return (model(noisy, t, [start], text, cache=cache) - flow).pow(2).mean()


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

    def agree(self, rank, parameters, over):
        """Takes the mean; returns whether the first worker says that time is over."""
        if self.n == 1:
            return over
        self.values[rank] = torch.nn.utils.parameters_to_vector(parameters).detach()
        if rank == 0:
            self.over.fill_(float(over))
        self.barrier.wait()
        mean, over = self.values.mean(0), bool(self.over.item())
        self.barrier.wait()
        torch.nn.utils.vector_to_parameters(mean, parameters)
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
    teacher = Teacher(torch.load(args.teacher)["average"], reader, args.guidance) if args.phase == "steps" else None
    shared, sees = list(model.parameters()), chunk_table(2, [0, 1, 2])
    if args.phase == "critic":
        critic = Critic()
        critic.load_state_dict((state if "critic" in state else torch.load(args.critic))["critic"])
        game = Game(critic, load_sights(args.sight), decoder.requires_grad_(False), clips, reader, rng, args.batch, 3e-4)
        shared += critic.parameters()
    log, begin, first, shown = Log(args.out / f"{args.phase}.csv"), time.time(), step, time.time()
    smooth = Transformer()
    done = False
    while not done:
        progress = min(1.0, (time.time() - begin) / (args.minutes * 60))
        falling = 1.0 if args.decay == 0 else min(1.0, (1.0 - progress) / args.decay)
        for group in optimiser.param_groups:
            group["lr"] = args.rate * min(1.0, (step - first + 1) / 12) * max(0.02, falling)
        if args.phase == "pictures":
            loss = pictures_loss(model, clips, reader, rng, args.batch)
        elif args.phase == "clips":
            loss = clips_loss(model, clips, reader, rng, args.batch, sees)
        elif args.phase == "critic":
            loss = game.loss(model, max(0.1, falling)) + 3.0 * late_loss(model, clips, reader, rng, (args.batch + 1) // 2)
        else:
            loss = steps_loss(model, teacher, clips, reader, rng, args.batch)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        if step % team.every == 0:
            done = team.agree(rank, shared, progress >= 1.0)
            clips.look()
        if rank > 0:
            continue
        average.update(model, step)
        log.add(loss=loss, **(game.told if args.phase == "critic" else {}))
        if step % 24 == 0:
            log.write(step)
        if time.time() - shown > 240 or done:
            shown = time.time()
            for name in ("diffusion", args.phase):
                save_checkpoint(args.out / f"{name}.pt", model=model.state_dict(), step=step,
                                optimiser=optimiser.state_dict(), average=average.values,
                                **({"critic": critic.state_dict()} if args.phase == "critic" else {}))
            smooth.load_state_dict(average.values)
            if args.shown > 0:
                sheet(smooth, decoder, reader, args.out / f"{args.phase}.png", args.shown)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--phase", choices=("pictures", "clips", "steps", "critic"), required=True)
    parser.add_argument("--latents", type=pathlib.Path, required=True)
    parser.add_argument("--autoencoder", type=pathlib.Path, required=True)
    parser.add_argument("--text", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.3, help="share of the time with a falling rate")
    parser.add_argument("--shown", type=int, default=4, help="chunks of the sample sheet; 0: no sheet")
    parser.add_argument("--teacher", type=pathlib.Path, help="the checkpoint whose steps are joined")
    parser.add_argument("--guidance", type=float, default=3.0, help="of the teacher")
    parser.add_argument("--critic", type=pathlib.Path, help="what the phase critic begins with")
    parser.add_argument("--sight", type=pathlib.Path, help="what looks at its pictures in the phase critic")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    args.batch = args.batch or {"pictures": 48, "clips": 4, "steps": 12, "critic": 10}[args.phase]
    context = torch.multiprocessing.get_context("spawn")
    parts = [Transformer()] + ([Critic()] if args.phase == "critic" else [])
    team = Team(args.workers, sum(p.numel() for part in parts for p in part.parameters()), context)
    others = [context.Process(target=work, args=(rank, args, team), daemon=True)
              for rank in range(1, args.workers)]
    for process in others:
        process.start()
    work(0, args, team)
    for process in others:
        process.join()


if __name__ == "__main__":
    main()
