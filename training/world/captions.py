# SPDX-License-Identifier: Apache-2.0
"""Captions: what people would type for a Spec. Many words for one thing, many sentence forms, and,
on request, the slips of people who type in the dark next to a stage."""
from . import clips, palettes
from .families import FAMILIES

# More nouns than families.py tells, in no order.
NOUNS = {
    "fire": "burning fire, a wall of flames, inferno, a campfire, blazing fire, flame, fireplace, hellfire, torch flames, burning",
    "ocean": "the ocean, an ocean, sea waves, water, a stormy sea, tides, surf, open water, swell, waves, seascape, rippling water",
    "clouds": "cloud, cloudscape, the sky, sky, fluffy clouds, storm clouds, mist in the sky, heavens, overcast sky",
    "aurora": "aurora, the northern lights, the aurora borealis, southern lights, curtains of light, an arctic night sky",
    "nebula": "nebula, nebulae, space gas, stellar clouds, cosmic dust, deep space, cosmos, outer space",
    "starfield": "star field, the stars, night sky, constellations, a sky full of stars, starlight, hyperspace stars",
    "lava": "flowing lava, a lava field, volcanic rock, a volcano, glowing cracks, molten lava, volcanic lava, embers in rock",
    "ink": "ink, ink drops in water, ink swirls, dye in water, ink plumes, diffusing ink, liquid ink",
    "smoke": "wisps of smoke, incense smoke, plumes of smoke, steam, fog, mist, smoke trails, a smoke cloud",
    "rain": "rain, a rainy window, rainfall, drizzle, water drops running down, a downpour, a rain shower, matrix rain",
    "plasma": "an energy field, a plasma ball, retro plasma, liquid light, blobs of light, energy, lava lamp, plasma energy",
    "tunnel": "tunnel, an endless tunnel, a hyperspace tunnel, a vortex, a portal, time tunnel, a warp tunnel, tube, corridor",
    "kaleidoscope": "kaleidoscope, a kaleidoscopic pattern, mirror patterns, symmetric mirrored patterns, a crystal kaleidoscope",
    "fractal": "fractals, a mandelbrot set, julia fractal, fractal spirals, fractal art, infinite fractal, self similar shapes",
    "reaction": "reaction-diffusion, a turing pattern, brain coral, organic labyrinth, zebra stripes, leopard spots, organic maze patterns",
    "growth": "cells, biological cells, cell division, bacteria, a cell culture, organic cells, microbes, tissue under a microscope",
    "grid": "neon grid, a synthwave horizon, an outrun grid, retro grid, vaporwave landscape, a sunset over a grid, tron grid, grid lines",
    "city": "bokeh, night lights, street lights, blurry lights, traffic lights out of focus, bokeh circles, downtown lights, glowing bokeh",
    "sand": "sand, dunes, desert sand, a desert, sand dunes, ripples in the sand, zen garden lines, sahara",
    "lightning": "lightning bolts, a lightning storm, thunder and lightning, electric arcs, electricity, tesla coil sparks, thunderbolts",
    "bubbles": "bubble, floating bubbles, champagne bubbles, foam, water bubbles, air bubbles, fizzy bubbles, froth",
    "silk": "silk fabric, silk cloth, folds of silk, satin, velvet drapes, flowing silk, a curtain, draped fabric, ribbons",
    "mandala": "mandala, sacred geometry, an ornamental flower, a radial ornament, a lotus mandala, rosette, geometric flower, yantra",
    "particles": "particles, a swarm, glowing particles, dust particles, a particle cloud, sparkles, glitter, fire flies, swarm of dots",
    "galaxy": "galaxy, spiral arms, milky way, spiral galaxy, a swirling galaxy, whirlpool galaxy, andromeda, star spiral",
    "crystal": "crystal, a crystal cave, gems, gemstones, diamond facets, shards of glass, ice shards, low poly facets, quartz",
    "moire": "moire, moire patterns, interference patterns, concentric rings, concentric circles, op art, wave interference, hypnotic rings",
    "waterfall": "waterfall, waterfalls, streaming water, a curtain of water, rushing water, niagara, water pouring",
    "paint": "paint, liquid paint, acrylic paint, oil paint, marbling, fluid art, swirling paint, marble swirls, a painting that flows",
}
COLOURS = {
    "red": "deep red, dark red, cherry, bright red, vermilion, carmine, wine red",
    "orange": "bright orange, pumpkin, apricot, rust orange, coral orange",
    "gold": "shiny gold, mustard, amber gold, lemon, sunflower, bright yellow",
    "green": "lime, bright green, leaf green, dark green, mint, jungle green, grass green",
    "teal": "bright cyan, aquamarine, blue green, turquoise blue, tropical water",
    "blue": "navy, royal blue, bright blue, dark blue, sky blue, electric blue, ultramarine",
    "violet": "bright purple, dark purple, lilac, plum, deep violet, mauve",
    "pink": "bright pink, bubblegum, raspberry, cerise, candy pink, salmon pink",
    "white": "bright white, ivory, ice white, pale white, milk white, silvery",
    "monochrome": "gray, grayscale, greyscale, monochromatic, dark grey, black & white, colourless",
    "fire": "fire coloured, hot red and yellow, red yellow and orange, glowing ember, flame colored",
    "ocean": "ocean coloured, blue and turquoise, deep sea, sea colored, navy and teal",
    "sunset": "sunset coloured, purple pink and orange, evening sky, dusk, warm sunset, pink and gold",
    "neon": "neon coloured, neon, pink and cyan, vaporwave, magenta and cyan, purple and pink neon, blacklight",
    "aurora": "green and purple, aurora coloured, green violet, emerald and violet, arctic",
    "earth": "earth coloured, earth toned, rusty brown, bronze, chocolate, sepia, clay, brown and beige",
}
MOTIONS = {
    "still": "static, calm, floating in place, not moving, standing still, resting",
    "left": "moving left, to the left, panning left, leftward, scrolling left, going left, sliding left, from right to left",
    "right": "moving right, to the right, panning right, rightward, scrolling right, going right, sliding right, from left to right",
    "up": "moving up, upwards, ascending, going up, lifting, climbing, scrolling up, rising up, soaring",
    "down": "moving down, downwards, descending, going down, falling, dropping, scrolling down, pouring down",
    "zoom-in": "zoom in, moving forward, forward flight, diving in, pushing in, flying into it, approaching, growing closer",
    "zoom-out": "zoom out, moving backward, flying backwards, pulling out, shrinking away, moving away, retreating",
    "clockwise": "spinning clockwise, clockwise rotation, rotating right, turning right, swirling clockwise",
    "counterclockwise": "spinning counterclockwise, counter-clockwise rotation, anticlockwise, rotating left, "
                        "turning left, swirling anticlockwise, counter clockwise",
}
SPEEDS = {"slow": "very slow, gently, in slow motion, lazily, peacefully",
          "medium": "", "fast": "very fast, high speed, wild, hectic, racing, at high speed, energetic"}
DENSITIES = {"sparse": "simple, big shapes, few, minimalist, wide, zoomed", "normal": "",
             "dense": "fine, detailed, complex, many, crowded, tiny details"}
MOODS = {"plain": "", "dark": "gloomy, shadowy, low key, dim, mysterious, night",
         "bright": "light, brilliant, radiant, shining, vivid, high key",
         "dreamy": "pastel, misty, ethereal, soft focus, gentle, blurry, faded"}
RHYTHMS = {"steady": "", "pulsing": "pulsating, to the beat, flashing, strobing, rhythmic, heartbeat"}
OPENINGS = ["a video of", "video of", "abstract", "an animation of", "visuals of", "a loop of", "footage of",
            "beautiful", "cinematic", "psychedelic", "vj loop of", "stage visuals of", "a scene with",
            "show me", "i want", "make", "close-up of", "a vision of"]
CLOSINGS = ["4k", "high quality", "cinematic", "abstract", "stage visuals", "vj loop", "hd", "masterpiece",
            "smooth", "beautiful", "atmospheric", "seamless", "background", "for a concert"]
STYLES = ["coloured", "colored", "tones", "colours", "colors", "light", "hues", "shades", "palette"]


def split(text):
    return [part.strip() for part in text.split(",") if part.strip()]


def merge(words, more):
    return {key: list(words[key]) + split(more[key]) for key in words}


TABLES = {
    "family": merge({key: value[1] for key, value in FAMILIES.items()}, NOUNS),
    "palette": merge({key: [key] + value[1] for key, value in palettes.PALETTES.items()}, COLOURS),
    "motion": merge({key: value[0] for key, value in clips.MOTIONS.items()}, MOTIONS),
    "speed": merge({key: [w for w in value[0] if w] for key, value in clips.SPEEDS.items()}, SPEEDS),
    "density": merge({key: [w for w in value[0] if w] for key, value in clips.DENSITIES.items()}, DENSITIES),
    "mood": merge({key: [w for w in value[0] if w] for key, value in clips.MOODS.items()}, MOODS),
    "rhythm": merge({key: [w for w in value[0] if w] for key, value in clips.RHYTHMS.items()}, RHYTHMS),
}


def word(rng, kind, name):
    """One of the words for @name; the first ones are the most common. Empty where none is needed."""
    choices = TABLES[kind][name]
    if not choices:
        return ""
    if rng.random() < 0.5:
        return choices[min(int(rng.expovariate(0.8)), len(choices) - 1)]
    return rng.choice(choices)


def bare(noun):
    return noun.split(" ", 1)[1] if noun.startswith(("a ", "an ", "the ")) else noun


def slip(rng, text):
    """A letter lost, doubled, swapped or wrong in one of the longer words."""
    places = [i for i, c in enumerate(text) if c.isalpha() and i > 0 and text[i - 1].isalpha()]
    if len(places) < 4:
        return text
    i = rng.choice(places)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:i] + text[i + 1:]
    if kind == 1:
        return text[:i] + text[i] + text[i:]
    if kind == 2:
        return text[:i - 1] + text[i] + text[i - 1] + text[i + 1:]
    return text[:i] + rng.choice("abcdefghijklmnopqrstuvwxyz") + text[i + 1:]


def caption(spec, rng, slips=0.0):
    """What a person would type for @spec; unimportant attributes are often left out."""
    colour = word(rng, "palette", spec.palette)
    noun = word(rng, "family", spec.family)
    motion, speed = word(rng, "motion", spec.motion), word(rng, "speed", spec.speed)
    extras = [word(rng, kind, getattr(spec, kind)) for kind in ("density", "mood", "rhythm")]
    extras = [text for text in extras if text and rng.random() < 0.9]
    rng.shuffle(extras)
    moving = f"{speed} {motion}" if rng.random() < 0.5 else f"{motion} {speed}"
    told = spec.motion != "still" or rng.random() < 0.4
    moving = moving.strip() if told else (speed if rng.random() < 0.5 else "")
    second = ""
    if spec.second:
        join = rng.choice(["with", "and", "mixed with", "blended with", "over", "made of", "+", "through"])
        second = f" {join} {word(rng, 'family', spec.second)}"
    style = f"{colour} {rng.choice(STYLES)}" if rng.random() < 0.25 else colour
    tail = "".join(f", {text}" for text in extras)
    move = f", {moving}" if moving else ""
    forms = [
        lambda: f"{' '.join([colour] + extras)} {bare(noun)}{second}{move}",
        lambda: f"{noun}{second} in {style}{move}{tail}",
        lambda: f"{' '.join(extras)} {noun}{second}, {style}{move}",
        lambda: f"{moving} {colour} {bare(noun)}{second}{tail}",
        lambda: f"{colour} {bare(noun)}{second} {moving}{tail}",
        lambda: f"{bare(noun)}{second}, {style}{tail}{move}",
        lambda: f"{bare(noun)} {colour} {moving} {' '.join(extras)}{second}",
        lambda: f"{style}{move}, {noun}{second}{tail}",
        lambda: f"{noun}{second} {moving}, {style}{tail}",
    ]
    text = rng.choice(forms)()
    if rng.random() < 0.15:
        text = f"{rng.choice(OPENINGS)} {text.lstrip(' ,')}"
    if rng.random() < 0.12:
        text = f"{text}, {rng.choice(CLOSINGS)}"
    text = " ".join(text.replace(" ,", ",").split()).strip(", ")
    while rng.random() < slips:
        text = slip(rng, text)
    return text if rng.random() < 0.8 else text[0].upper() + text[1:] + "."
