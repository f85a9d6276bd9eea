# SPDX-License-Identifier: Apache-2.0
"""Measures a model folder the way it is used and writes every figure of its card: metrics.json, a table
of confusions, sample sheets, and the part of the card between its two marks."""
import argparse
import concurrent.futures
import json
import multiprocessing
import random
import time

from torch.nn import functional as F

from mini.autoencoder import Autoencoder
from mini.behaviour import behaviour
from mini.common import held_out, pathlib, save_sheet, torch
from mini.dit import CHUNK, Transformer
from mini.judge import FAMILY, FRAMES, MOTION, PALETTE, Judge, answer, look, score
from mini.safetensors import load
from mini.stream import Stream
from mini.text import TextEncoder, Vocabulary
from world import captions, clips

BEGIN, END = "<!-- figures: written by training/run evaluate -->", "<!-- end of figures -->"
SHOWN = ["red fire rising", "blue ocean waves drifting left", "green aurora at night", "purple plasma",
         "golden tunnel, flying forward", "teal kaleidoscope rotating clockwise", "pink silk, slow",
         "neon grid", "orange lava flowing down", "white galaxy turning clockwise"]


WORKER = {}      # the model of a worker process


def start_worker(folder):
    WORKER["model"] = Model(folder)


class Model:
    """The files of a folder, run in PyTorch."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        self.steps, self.scope = config["scope"]["steps"], config["scope"]
        self.transformer = Transformer({key: value for key, value in config.items() if key != "scope"})
        weights = load(folder / "diffusion.safetensors")
        self.transformer.load_state_dict(weights)
        self.vocabulary = Vocabulary(folder / "spiece.model")
        self.encoder = TextEncoder(len(self.vocabulary))
        self.encoder.load_state_dict(load(folder / "text_encoder.safetensors"))
        self.autoencoder = Autoencoder()
        self.autoencoder.load_state_dict(load(folder / "autoencoder.safetensors"))
        self.n_parameters = sum(value.numel() for value in weights.values())

    @torch.no_grad()
    def rows(self, texts):
        return self.encoder(self.vocabulary.ids(texts))

    @torch.no_grad()
    def read(self, rows):
        return self.transformer.read(rows)

    def stream_of(self, rows, seed, steps=None):
        return Stream(self.transformer, self.read(rows), seed, steps=steps or self.steps)

    def stream(self, texts, seed, steps=None):
        return self.stream_of(self.rows(texts), seed, steps)

    @torch.no_grad()
    def decode(self, latents):
        return self.autoencoder.decode(latents).clamp(0, 1)

    def generate(self, texts, seed, n_chunks, steps=None):
        """Frames [B, T, 3, 256, 256] in 0..1."""
        return self.decode(self.stream(texts, seed, steps).run(n_chunks))


def held_out_prompts(n):
    rng = random.Random(2024)
    specs = []
    while len(specs) < n:
        spec = clips.draw(rng)
        spec.second, spec.mood, spec.rhythm = "", "plain", "steady"
        if held_out(spec.family, spec.palette, spec.motion):
            specs.append(spec)
    return specs, [captions.caption(spec, rng) for spec in specs]


def generate_for_judge(texts, seed, steps):
    """What the judges look at of the second chunk of generated clips. Runs in a worker."""
    latents = WORKER["model"].stream(texts, seed, steps).run(2)
    return look(WORKER["model"].decode(latents[:, 2:])[:, -FRAMES:])


def behave(judge, n):
    """Runs in a worker."""
    return behaviour(WORKER["model"], judge, n)


def obedience(pool, judge, n, steps):
    """Judged shares over @n held-out prompts, and the confusions of families."""
    specs, texts = held_out_prompts(n)
    parts = [pool.submit(generate_for_judge, texts[i:i + 8], 100 + i, steps) for i in range(0, n, 8)]
    seen = [part.result() for part in parts]
    answers = answer(judge, {key: torch.cat([part[key] for part in seen]) for key in seen[0]})
    labels = {key: torch.tensor([names.index(getattr(spec, key)) for spec in specs])
              for key, names in (("family", FAMILY), ("motion", MOTION), ("palette", PALETTE))}
    result = score(answers, labels)
    top = answers["family"].topk(3).indices
    result["family in the first three"] = (top == labels["family"][:, None]).any(1).float().mean().item()
    table = torch.zeros(len(FAMILY), len(FAMILY), dtype=torch.long)
    for truth, said in zip(labels["family"].tolist(), answers["family"].argmax(1).tolist()):
        table[truth, said] += 1
    return result, table


def band(n):
    """5th and 95th percentile over rendered clips: change between frames, spread and mean of pixels."""
    rng, rows = random.Random(31), []
    for _ in range(n):
        spec = clips.draw(rng)
        spec.start = rng.random() * 4.0
        frames = clips.render(spec, 6, (128, 128), start=spec.start + rng.random() * 1.5)
        rows.append(statistics(F.avg_pool2d(frames, 2).unsqueeze(0))[0])
    rows = torch.stack(rows).sort(0).values
    return rows[int(0.05 * n)].tolist(), rows[int(0.95 * n) - 1].tolist()


def statistics(frames):
    """[B, 3] for clips: mean absolute change a frame, standard deviation, mean."""
    return torch.stack([(frames[:, 1:] - frames[:, :-1]).abs().mean((1, 2, 3, 4)),
                        frames.flatten(1).std(1), frames.flatten(1).mean(1)], 1)


def drift(minutes):
    """Statistics along a long stream of four prompts, measured ten times. Runs in a worker."""
    model = WORKER["model"]
    texts = [SHOWN[0], SHOWN[1], SHOWN[3], SHOWN[6]]
    n_chunks = int(minutes * 60 * model.scope["fps"] / (4 * CHUNK))
    stream, rows, recent, pictures = model.stream(texts, 9), [], [], []
    marks = {round(i * (n_chunks - 1) / 9) for i in range(10)}
    for i in range(n_chunks):
        recent = recent[-1:] + [stream.chunk()]
        if i in marks:
            frames = model.decode(torch.cat(recent, 1))[:, -4 * CHUNK + 4:]
            small = F.avg_pool2d(frames.flatten(0, 1), 4).view(len(texts), -1, 3, 64, 64)
            rows.append(statistics(small))
            pictures.append(frames[:, -1])
    return torch.stack(rows), torch.stack(pictures, 1)


def diversity(model, n_seeds):
    """Mean difference of pixels between seeds of one prompt, and the same between renders."""
    texts = SHOWN[:6]
    made = torch.stack([model.generate(texts, 500 + s, 1)[:, -1] for s in range(n_seeds)])
    rng, shown = random.Random(8), []
    for _ in texts:
        spec, row = clips.draw(rng), []
        for s in range(n_seeds):
            spec.seed, spec.random = s + 1, [rng.random() for _ in range(8)]
            row.append(clips.render(spec, 1, (256, 256))[0])
        shown.append(torch.stack(row))

    def spread(x):
        pairs = [(x[i] - x[j]).abs().mean().item() for i in range(n_seeds) for j in range(i)]
        return sum(pairs) / len(pairs)
    return spread(made), spread(torch.stack(shown, 1))


def sample_sheet(model, path, n_chunks):
    """Two rows of generated pictures a second apart, and renders of the same subjects."""
    frames = model.generate(SHOWN, 4, n_chunks)
    rng, renders = random.Random(6), []
    wanted = [("fire", "red"), ("ocean", "blue"), ("aurora", "green"), ("plasma", "violet"), ("tunnel", "gold"),
              ("kaleidoscope", "teal"), ("silk", "pink"), ("grid", "neon"), ("lava", "orange"),
              ("galaxy", "white")]
    for family, palette in wanted:
        spec = clips.draw(rng)
        spec.family, spec.palette, spec.second, spec.mood = family, palette, "", "plain"
        renders.append(clips.render(spec, 1, (256, 256), start=clips.MIDDLE)[0])
    rows = [[frames[i, -20] for i in range(10)], [frames[i, -2] for i in range(10)], renders]
    save_sheet(path, [[F.avg_pool2d(cell, 2) for cell in row] for row in rows])


def percent(value):
    return f"{100 * value:.0f} %"


def behaviour_lines(b):
    def told(values):
        return ", ".join(f"{name} {percent(value)}" for name, value in values.items())
    lines = ["Typing errors in family and colour (16 phrases): " + told(b["slips"]) + ".", "",
             "Words that no caption has (10 phrases): " + told(b["unseen words"]) + ".", "",
             "Two prompts at even weights (8 pairs): " + told(b["blends"]) + " (each likelier to the judge than in a "
             f"stream of the other alone; in renders of two subjects {percent(b['mixed renders'])}).", "",
             "A new prompt in a running stream, the new one is likelier to the judge than the old one (8 changes, the "
             "longest wait for the next chunk included): " + told(b["change"]) + ".", ""]
    for scale, value in b["video"].items():
        lines.append(f"Input video at noise scale {scale} (8 clips): coarse shapes correlate with the input's by "
                     f"{value['structure']:.2f} (with another input's {value['unrelated']:.2f}), of the prompt: "
                     + told({key: value[key] for key in ("family", "colour")}) + ".")
        lines.append("")
    return lines[:-1]


def figures(m):
    """The part of the card that this script writes."""
    rows = [("family", "80 %", "family"), ("dominant colour", "85 %", "colour"),
            ("direction of motion", "75 %", "direction")]
    lines = [BEGIN, "", f"Judged over {m['prompts']} prompts of held-out combinations (the columns of fewer steps over a quarter "
             "of them):", "",
             "| | aim | " + " | ".join(f"{k} step{'s' * (k != '1')}" for k in m["obedience"]) + " | judge on fresh renders | on the same through the autoencoder |",
             "|---|---|" + "---|" * (len(m["obedience"]) + 2)]
    for name, aim, key in rows:
        judged = [m["judge"][kind][key] for kind in ("renders", "through the autoencoder")]
        cells = [percent(value[key]) for value in m["obedience"].values()]
        lines.append(f"| {name} | {aim} | " + " | ".join(cells + [percent(value) for value in judged]) + " |")
    cells = [percent(value["family in the first three"]) for value in m["obedience"].values()]
    lines.append("| family among the judge's first three | | " + " | ".join(cells) + " | | |")
    low, high = m["band"]
    lines += ["", "Most frequent confusions of families (asked, seen, times): "
              + (", ".join(f"{a} as {b} {n}" for a, b, n in m["confusions"]) or "none") + ".", "",
              f"A stream of {m['drift minutes']:g} minutes without a change of prompt, four prompts, at ten "
              "points in time (mean of the four; band: 5th to 95th percentile of renders):", "",
              "| | " + " | ".join(str(i) for i in range(1, 11)) + " | band |", "|---|" + "---|" * 11]
    for k, name in enumerate(("change a frame", "spread of pixels", "mean of pixels")):
        lines.append(f"| {name} | " + " | ".join(f"{row[k]:.3f}" for row in m["drift"])
                     + f" | {low[k]:.3f} to {high[k]:.3f} |")
    lines += ["", f"Mean difference between pictures of one prompt with different seeds: "
              f"{m['diversity'][0]:.3f}; between renders of one subject: {m['diversity'][1]:.3f}.", "",
              *behaviour_lines(m["behaviour"]), "",
              f"Reconstruction by the autoencoder, mean absolute error on fresh renders: "
              f"{m['reconstruction']:.3f} of full scale.", "", END]
    return "\n".join(lines)


def reconstruction(model, n):
    rng, errors = random.Random(12), []
    for _ in range(n):
        frames = clips.render(clips.draw(rng), 8, (256, 256)).unsqueeze(0)
        with torch.no_grad():
            errors.append((model.decode(model.autoencoder.encode(frames)) - frames).abs().mean().item())
    return sum(errors) / n


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--prompts", type=int, default=208)
    parser.add_argument("--judge", type=pathlib.Path, required=True, help="what mini.judge has trained")
    parser.add_argument("--minutes", type=float, default=5, help="of the stream that is watched for drift")
    parser.add_argument("--rough", action="store_true", help="fewer samples for the smaller figures")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    begin, model = time.time(), Model(args.model)
    sample_sheet(model, args.out / "samples.png", 2 if args.rough else 3)
    state, judge = torch.load(args.judge), Judge()
    judge.load_state_dict(state["judge"])
    judge.eval()
    few = {}
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), start_worker,
                                                (args.model,)) as pool:
        long = pool.submit(drift, args.minutes)
        behaved = pool.submit(behave, judge, 2 if args.rough else 99)
        for steps in (model.steps[:1], model.steps[::2], model.steps):
            n = args.prompts if len(steps) == len(model.steps) else max(1, args.prompts // 4)
            few[str(len(steps))], table = obedience(pool, judge, n, steps)
            print(len(steps), few[str(len(steps))], round(time.time() - begin), flush=True)
        rows, pictures = long.result()
        behaved = behaved.result()
        print(behaved, flush=True)
    wrong = [(FAMILY[a], FAMILY[b], int(table[a, b])) for a in range(len(FAMILY))
             for b in range(len(FAMILY)) if a != b and table[a, b]]
    lines = [" ".join([""] + FAMILY)] + [" ".join([FAMILY[i]] + [str(v) for v in row])
                                         for i, row in enumerate(table.tolist())]
    (args.out / "confusion.txt").write_text("\n".join(lines) + "\n")
    save_sheet(args.out / "drift.png", [[F.avg_pool2d(p, 2) for p in row] for row in pictures])
    metrics = {"prompts": args.prompts, "judge": state["result"], "obedience": few, "behaviour": behaved,
               "confusions": sorted(wrong, key=lambda row: -row[2])[:10], "band": band(20 if args.rough else 300),
               "drift": rows.mean(1).tolist(), "drift minutes": args.minutes, "diversity": diversity(model, 2 if args.rough else 4),
               "reconstruction": reconstruction(model, 2 if args.rough else 29), "parameters": model.n_parameters}
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    (args.out / "figures.md").write_text(figures(metrics) + "\n")
    card = args.model / "README.md"
    if card.exists():
        text = card.read_text()
        if BEGIN in text and END in text:
            text = text[:text.index(BEGIN)] + figures(metrics) + text[text.index(END) + len(END):]
            card.write_text(text)
    print("done", round(time.time() - begin), flush=True)


if __name__ == "__main__":
    main()
