# SPDX-License-Identifier: Apache-2.0
"""Reading and writing of safetensors files: a JSON header and the raw tensors behind it."""
import json
import os
import struct

import numpy
import torch

TYPES = {"F16": torch.float16, "F32": torch.float32}
NAMES = {value: key for key, value in TYPES.items()}


def save(path, tensors, dtype=torch.float16, metadata=None):
    """Writes @tensors (name to tensor) as @dtype; the file appears whole or not at all."""
    header, offset, parts = {}, 0, []
    if metadata:
        header["__metadata__"] = {key: str(value) for key, value in metadata.items()}
    for name in sorted(tensors):
        data = tensors[name].detach().to(dtype).contiguous().numpy().tobytes()
        header[name] = {"dtype": NAMES[dtype], "shape": list(tensors[name].shape),
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        parts.append(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 64 + 56)   # tensors start on a multiple of 64 bytes
    with open(f"{path}.part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    os.replace(f"{path}.part", path)


def load(path):
    """Name to float32 tensor."""
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind = numpy.float16 if entry["dtype"] == "F16" else numpy.float32
            array = numpy.frombuffer(data[begin:end], dtype=kind).reshape(entry["shape"])
            tensors[name] = torch.from_numpy(array.astype(numpy.float32))
    return tensors
