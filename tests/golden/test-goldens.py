#!/usr/bin/env python3
"""scope-goldens fails, and says why, on every way in which a result can be wrong. TAP output.

usage: test-goldens.py SCOPE_GOLDENS GOLDENS_FOLDER
Copies a few cases, spoils one thing in each copy and looks at exit status and message.
"""
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

PROGRAM, GOLDENS = sys.argv[1], pathlib.Path(sys.argv[2])


def read_tensors(path):
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    body = data[8 + size:]
    return {name: [entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])]]
            for name, entry in header.items()}


def write_tensors(path, tensors):
    header, body = {}, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape,
                        "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def change_tensors(change):
    def spoil(case):
        tensors = read_tensors(case / "io.safetensors")
        change(tensors)
        write_tensors(case / "io.safetensors", tensors)
    return spoil


def change_json(change):
    def spoil(case):
        content = json.loads((case / "case.json").read_text())
        change(content)
        (case / "case.json").write_text(json.dumps(content))
    return spoil


def set_value(name, code, value):
    def change(tensors):
        data = tensors[name][2]
        tensors[name][2] = struct.pack(code, value) + data[struct.calcsize(code):]
    return change_tensors(change)


def rename(old, new):
    return change_tensors(lambda tensors: tensors.update({new: tensors.pop(old)}))


def reshape(name):
    def change(tensors):
        shape = tensors[name][1]
        tensors[name][1] = [shape[0] * shape[1]] + shape[2:]
    return change_tensors(change)


def swap_sizes(name):
    def change(tensors):
        tensors[name][1][2:] = tensors[name][1][:1:-1]
    return change_tensors(change)


def truncate(case):
    path = case / "io.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def change_ids(case):
    samples = json.loads((case / "ids.json").read_text())
    samples[3]["hf_ids_form_a"][0] += 1
    (case / "ids.json").write_text(json.dumps(samples))


def accept_good_file(case):
    (case / "os_system.pth").write_bytes(
        (GOLDENS / "checkpoints/torch-good/module_fp32.pth").read_bytes())


def nothing(_case):
    pass


# case, what is spoilt, exit status, what the output must say
CASES = [
    ("processors/gray", nothing, 0, "1 passed, 0 failed, 0 skipped"),
    ("processors/gray", set_value("out", "<f", 7.0), 1, "out: error"),
    ("processors/gray", set_value("out", "<f", float("nan")), 1, "out: error inf"),
    ("processors/gray", rename("out", "result"), 1, "no such output"),
    ("processors/gray", rename("frames_u8", "frames"), 1, "no input 'frames_u8'"),
    ("processors/gray", change_tensors(lambda t: t.update(more=["U8", [1], b"\0"])), 1,
     "more: neither read nor compared"),
    ("processors/gray", change_json(lambda c: c.update(seed=7)), 0, "1 passed"),
    ("processors/gray", change_json(lambda c: c.update(sepia=1)), 1, "member 'sepia'"),
    ("processors/gray", reshape("out"), 1, "out: shape"),
    ("processors/gray", truncate, 1, "io.safetensors"),
    ("processors/gray", change_json(lambda c: c.pop("tolerances")), 1, "states no tolerance"),
    ("processors/gray", change_json(lambda c: c.update(model="engraving")), 1,
     "no handler for kind 'gray' of family 'engraving'"),
    ("processors/gray", change_json(lambda c: c.update(case="sepia")), 1,
     "no handler for kind 'sepia'"),
    ("processors/gray", change_json(lambda c: c.pop("model")), 1, "not understood"),
    ("processors/gray", lambda case: (case / "case.json").write_text("{"), 1, "FAIL"),
    ("processors/gray", swap_sizes("frames_u8"), 1, "ended early (status"),
    ("processors/contour", lambda case: (case / "weights.safetensors").unlink(), 1,
     "the case has no weights"),
    ("umt5/relative-buckets", nothing, 0, "1 passed"),
    ("umt5/relative-buckets", set_value("bucket_32_128", "<i", 31), 1, "bucket_32_128: "),
    ("tokenizer/unigram-plain", change_ids, 1, "hf_ids_form_a of"),
    ("checkpoints/torch-bad", accept_good_file, 1, "os_system.pth was accepted"),
    ("wan-dit/scheduler", nothing, 0, "1 passed"),
    ("wan-dit/scheduler", set_value("out.sigmas.shift5.0", "<f", 0.5), 1, "sigmas.shift5.0: error"),
    ("wan-dit/scheduler", rename("in.noise", "in.rumble"), 1, "no input 'noise'"),
    ("wan-dit/scheduler", change_json(lambda c: c.update(kind="timetable")), 1,
     "no handler for kind 'timetable'"),
    ("wan-dit/scheduler", change_json(lambda c: c["tolerance"]["atol"].pop("sigmas")), 1,
     "states no tolerance"),
]


def run(*arguments):
    result = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120)
    return result.returncode, result.stdout + result.stderr


def check_case(folder, name, spoil):
    copy = folder / name
    shutil.copytree(GOLDENS / name, copy)
    for path in [copy, *copy.iterdir()]:
        os.chmod(path, 0o700)
    spoil(copy)
    return run(str(folder))


def report(number, ok, what, output):
    print(f"{'ok' if ok else 'not ok'} {number} {what}")
    if not ok:
        print("\n".join("# " + line for line in output.splitlines()))
    return ok


def main():
    if not GOLDENS.is_dir():
        print(f"1..0 # SKIP {GOLDENS} is not there")
        return 0
    options = [
        (["--optional", "/nonexistent"], 77, "is not there"),
        (["/nonexistent"], 2, "/nonexistent"),
        ([], 2, "PATH..."),
        (["--help"], 0, "--filter"),
        (["--threads", "0", str(GOLDENS)], 2, "PATH..."),
        (["--list", str(GOLDENS / "tokenizer")], 0, "tokenizer/unigram-plain"),
        (["--filter", "plain", str(GOLDENS / "tokenizer")], 0, "1 passed, 0 failed, 2 skipped"),
        (["--filter", "nothing-like-it", str(GOLDENS / "tokenizer")], 1, "no case was run"),
    ]
    print(f"1..{len(CASES) + len(options)}")
    failed = 0
    for number, (name, spoil, status, message) in enumerate(CASES, 1):
        with tempfile.TemporaryDirectory() as folder:
            code, output = check_case(pathlib.Path(folder), name, spoil)
        failed += not report(number, code == status and message in output,
                             f"{name}: {message}", output)
    for number, (arguments, status, message) in enumerate(options, len(CASES) + 1):
        code, output = run(*arguments)
        failed += not report(number, code == status and message in output,
                             f"{arguments[:1]}: {message}", output)
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
