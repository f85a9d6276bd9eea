# SPDX-License-Identifier: Apache-2.0
"""Colour palettes: the words people use for them, the dominant colour, and a gradient from shadow to
light that a scalar field is mapped through."""
import torch

# name: (dominant colour, other names, stops from 0 to 1 as hexadecimal sRGB)
PALETTES = {
    "red": ("red", ["crimson", "scarlet", "ruby", "blood red"],
            "080102 3a0508 8e0f14 d92a22 ff7a5a ffd9c8"),
    "orange": ("orange", ["amber", "tangerine", "ember", "burnt orange"],
               "0a0401 3d1402 9a3a04 f07a10 ffb455 fff0d0"),
    "gold": ("yellow", ["golden", "yellow", "honey", "saffron"],
             "0b0702 3b2804 8c6508 dcae1e ffdf6e fffbe0"),
    "green": ("green", ["emerald", "jade", "forest green", "moss"],
              "010803 05301a 0c6b35 22b457 7be89a e6ffe9"),
    "teal": ("cyan", ["turquoise", "cyan", "aqua", "seafoam"],
             "01090b 04303a 08707a 18b8bc 7cebe4 e6fffb"),
    "blue": ("blue", ["azure", "cobalt", "sapphire", "deep blue"],
             "01030c 061546 0d3a9c 2473ea 77b4ff e6f2ff"),
    "violet": ("purple", ["purple", "amethyst", "indigo", "lavender"],
               "06020d 22094a 5519a0 8f43e8 c596ff f3e8ff"),
    "pink": ("pink", ["magenta", "rose", "fuchsia", "hot pink"],
             "0d0209 4a0836 a3126f f03aa4 ff8fce ffe6f5"),
    "white": ("white", ["silver", "pale", "pearl", "snow white"],
              "15171b 4a4f57 8a919b c2c9d1 e6ebf0 ffffff"),
    "monochrome": ("grey", ["black and white", "grey", "charcoal", "noir"],
                   "020202 202020 555555 939393 cfcfcf ffffff"),
    "fire": ("orange", ["fiery", "flame coloured", "red and orange"],
             "050101 4a0703 b8280a f7781a ffc94a fff6d6"),
    "ocean": ("blue", ["sea coloured", "blue and teal", "marine"],
              "01060f 05294d 0a5f8e 1ea3b9 7fdcd8 f0fffb"),
    "sunset": ("pink", ["dusk coloured", "orange and purple", "pink and orange"],
               "0c0518 401a55 97356f e6655c ffae63 fff1c4"),
    "neon": ("purple", ["cyberpunk", "neon pink and blue", "synthwave"],
             "03020f 240b5c 7a12b8 ff2fae 35d8ff f2fbff"),
    "aurora": ("green", ["green and violet", "northern", "polar"],
               "02060f 0a2a3c 0f7a5c 35d68a a98bff f4ecff"),
    "earth": ("brown", ["brown", "earthy", "terracotta", "copper"],
              "0a0503 341b0e 74421f b87742 e2b483 fbeedd"),
}


def gradient(codes):
    """[n, 3] in 0..1 of hexadecimal colours."""
    rows = [[int(code[i:i + 2], 16) / 255.0 for i in (0, 2, 4)] for code in codes.split()]
    return torch.tensor(rows, dtype=torch.float32)


def through(table, value):
    """Maps a field [T, H, W] in 0..1 through a gradient: [T, 3, H, W] in 0..1."""
    table = table.to(value.device)
    position = value.clamp(0.0, 1.0) * (table.shape[0] - 1)
    low = position.floor().clamp(max=table.shape[0] - 2)
    mix = (position - low).unsqueeze(-1)
    low = low.long()
    rgb = table[low] * (1.0 - mix) + table[low + 1] * mix
    return rgb.permute(0, 3, 1, 2)


def apply(name, value):
    """A field through the gradient of a palette."""
    return through(gradient(PALETTES[name][2]), value)
