# SPDX-License-Identifier: Apache-2.0
"""What a prompt must do beyond the captions that were trained on: words with slips, two prompts at once, a change
of prompt in a stream, input video. Each function generates, shows the judges what came out, and returns
figures from 0 to 1."""
import random

from torch.nn import functional as F

from mini.common import torch
from mini.data import blended
from mini.dit import CHUNK
from mini.judge import FAMILY, FRAMES, PALETTE, look
from world import captions, clips, palettes

# Phrases that no caption can hold, their family and dominant colour. First typing errors, then words.
SLIPS = [("red fiyre", "fire", "red"), ("blue ocaen wvaes", "ocean", "blue"), ("wihte clowds", "clouds", "white"),
         ("green auorra", "aurora", "green"), ("purpel nebulla", "nebula", "purple"),
         ("oragne lavva", "lava", "orange"), ("grey smokke", "smoke", "grey"), ("yelow tunnell", "tunnel", "yellow"),
         ("pink kaleidescope", "kaleidoscope", "pink"), ("blu fractel", "fractal", "blue"),
         ("geen reacton difusion", "reaction", "green"), ("cyan lightening", "lightning", "cyan"),
         ("pnik silck", "silk", "pink"), ("goldn mandalla", "mandala", "yellow"), ("white galaxie", "galaxy", "white"),
         ("blue cristals", "crystal", "blue")]
UNSEEN = [("red firestorm", "fire", "red"), ("white cloudbank", "clouds", "white"),
          ("blue rainstorm", "rain", "blue"), ("orange lavaflow", "lava", "orange"),
          ("teal crystalline forms", "crystal", "cyan"), ("grey smoky haze", "smoke", "grey"),
          ("golden sandy waste", "sand", "yellow"), ("purple plasmatic glow", "plasma", "purple"),
          ("blue oceanic expanse", "ocean", "blue"), ("pink bubbly drink", "bubbles", "pink")]
PAIRS = [(("red fire", "fire", "red"), ("blue ocean waves", "ocean", "blue")),
         (("green aurora", "aurora", "green"), ("pink silk", "silk", "pink")),
         (("golden tunnel", "tunnel", "yellow"), ("purple plasma", "plasma", "purple")),
         (("white galaxy", "galaxy", "white"), ("orange lava", "lava", "orange")),
         (("teal kaleidoscope", "kaleidoscope", "cyan"), ("red lightning", "lightning", "red")),
         (("blue crystals", "crystal", "blue"), ("golden sand dunes", "sand", "yellow")),
         (("pink bubbles", "bubbles", "pink"), ("green reaction diffusion", "reaction", "green")),
         (("purple nebula", "nebula", "purple"), ("white waterfall", "waterfall", "white"))]


@torch.no_grad()
def judged(judge, frames):
    """Log probabilities of families and of dominant colours for the last frames of clips."""
    answers = judge(look(frames[:, -FRAMES:]))
    palette, names = torch.softmax(answers["palette"], 1), sorted({value[0] for value in palettes.PALETTES.values()})
    colour = torch.stack([palette[:, [palettes.PALETTES[p][0] == name for p in PALETTE]].sum(1) for name in names], 1)
    return torch.log_softmax(answers["family"], 1), (colour + 1e-9).log(), names


def share(values):
    return sum(map(float, values)) / len(values)


def phrases(model, judge, cases):
    """Shares of @cases whose family is the judge's first, among its first three, and whose colour is."""
    first, three, right = [], [], []
    for i in range(0, len(cases), 8):
        part = cases[i:i + 8]
        family, colour, names = judged(judge, model.generate([case[0] for case in part], 300 + i, 2))
        for k, (_, wanted, tint) in enumerate(part):
            top = family[k].topk(3).indices.tolist()
            first.append(top[0] == FAMILY.index(wanted))
            three.append(FAMILY.index(wanted) in top)
            right.append(names[colour[k].argmax()] == tint)
    return {"family": share(first), "family in the first three": share(three), "colour": share(right)}


def rows_of(model, texts, length):
    rows = model.rows(texts)
    return F.pad(rows, (0, 0, 0, length - rows.shape[1]))


def blends(model, judge, pairs):
    """Two prompts at even weights: mean colour between those of the two alone; whether one subject is recognised,
    and whether both can be made out."""
    texts = [[pair[side][0] for pair in pairs] for side in (0, 1)]
    length = max(model.rows(side).shape[1] for side in texts)
    rows = [rows_of(model, side, length) for side in texts]
    frames = [model.decode(model.stream_of(part, 21).run(2))[:, -FRAMES:] for part in (*rows, blended(*rows))]
    a, b, both = (clip.mean((1, 3, 4)) for clip in frames)
    place = ((both - a) * (b - a)).sum(1) / (b - a).pow(2).sum(1)
    names = [tuple(one[1] for one in pair) for pair in pairs]
    family = [judged(judge, clip)[0] for clip in frames]
    found = [any(FAMILY.index(name) in row.topk(3).indices for name in pair) for pair, row in zip(names, family[2])]
    return {"colour lies between": share((place > 0.1) & (place < 0.9)), "one family in the first three": share(found),
            "both families": share(made_out(*family, names))}


def made_out(a, b, both, names):
    """For pairs of families, whether each is likelier in clips of both than in those of the other alone. (The judges
    know one subject a clip: of a second one nothing is among their first answers, in renders too.)"""
    return [row[FAMILY.index(one)] > y[FAMILY.index(one)] and row[FAMILY.index(other)] > x[FAMILY.index(other)]
            for x, y, row, (one, other) in zip(a, b, both, names)]


def mixed_renders(judge, n):
    """The share of renders of two subjects in which both can be made out, to compare blends with."""
    rng, rows, names = random.Random(8), [], []
    while len(rows) < n:
        spec = clips.draw(rng)
        if spec.second:
            alone = [clips.Spec(**{**vars(spec), "family": name, "second": ""}) for name in (spec.family, spec.second)]
            shown = torch.stack([clips.render(one, FRAMES, (128, 128), start=1.0) for one in (*alone, spec)])
            rows.append(judged(judge, shown)[0])
            names.append((spec.family, spec.second))
    return share(made_out(*torch.stack(rows, 1), names))


def change(model, judge, pairs):
    """A new prompt in a running stream. At worst it waits for a chunk to be over, 0.75 seconds; what is seen
    until 1.5 and until 2 seconds is judged by which of the two prompts is the likelier."""
    texts = [[pair[side][0] for pair in pairs] for side in (0, 1)]
    stream = model.stream(texts[0], 33)
    latents = [stream.run(3)]
    stream.change(model.read(model.rows(texts[1])))
    latents.append(stream.run(2))
    frames = model.decode(torch.cat(latents, 1))[:, 3 * 4 * CHUNK:]
    result = {}
    for name, end in (("after 1.5 s", 12), ("after 2 s", 20)):
        family, colour, names = judged(judge, frames[:, :end])
        for kind, scores, index, labels in (("family", family, 1, FAMILY), ("colour", colour, 2, names)):
            result[f"{kind} {name}"] = share(
                [scores[k, labels.index(new[index])] > scores[k, labels.index(old[index])]
                 for k, (old, new) in enumerate(pairs)])
    return result


def structure(a, b):
    """Mean correlation of two clips' brightness after all but coarse shapes are gone."""
    a, b = (F.interpolate(x.mean(2), (16, 16), mode="area").flatten(2) for x in (a, b))
    a, b = a - a.mean(2, keepdim=True), b - b.mean(2, keepdim=True)
    return ((a * b).sum(2) / (a.norm(dim=2) * b.norm(dim=2) + 1e-6)).mean().item()


def over_video(model, judge, pairs, scale):
    """Renders of the first prompts as input, repainted as the second ones."""
    rng, shown = random.Random(17), []
    for (_, family, colour), _ in pairs:
        spec = clips.draw(rng)
        spec.family, spec.second, spec.mood, spec.motion = family, "", "plain", "right"
        spec.palette = next(name for name, value in palettes.PALETTES.items() if value[0] == colour)
        shown.append(clips.render(spec, 8 * CHUNK, (256, 256)))
    frames = torch.stack(shown)
    stream = model.stream([pair[1][0] for pair in pairs], 44)
    with torch.no_grad():
        latents = model.autoencoder.encode(frames)
        made = [stream.chunk(part, scale) for part in latents.split(CHUNK, 1)]
    out = model.decode(torch.cat(made, 1))
    family, colour, names = judged(judge, out)
    return {"structure": structure(frames[:, 12:], out[:, 12:]),
            "unrelated": structure(frames[:, 12:], out[:, 12:].roll(1, 0)),
            "family": share([FAMILY[row.argmax()] == new[1] for row, (_, new) in zip(family, pairs)]),
            "colour": share([names[row.argmax()] == new[2] for row, (_, new) in zip(colour, pairs)])}


def behaviour(model, judge, n):
    """All of it, with at most @n cases each, and four times as many renders. Minutes on one core."""
    return {"slips": phrases(model, judge, SLIPS[:n]), "unseen words": phrases(model, judge, UNSEEN[:n]),
            "blends": blends(model, judge, PAIRS[:n]), "mixed renders": mixed_renders(judge, 4 * n),
            "change": change(model, judge, PAIRS[:n]),
            "video": {str(scale): over_video(model, judge, PAIRS[:n], scale) for scale in (0.4, 0.9)}}


def unseen(phrase, family):
    """Whether @phrase has a word that captions never use, and none of their nouns for @family."""
    words = {word for kind in captions.TABLES.values() for names in kind.values() for name in names
             for word in name.lower().replace("-", " ").split()}
    nouns = [captions.bare(noun).lower() for noun in captions.TABLES["family"][family]]
    return any(word not in words for word in phrase.split()) and \
        not any(f" {noun} " in f" {phrase} " for noun in nouns)
