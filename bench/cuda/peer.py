#!/usr/bin/env python3
"""PyTorch at the shapes of bench-cuda, eager and compiled, as the peer of the same machine.

usage: peer.py [--json FILE]. Needs PyTorch with CUDA; exits with 77 without it.
"""
import json
import statistics
import sys

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)

N, KEYS, SAMPLES = 3 * 30 * 52, 12 * 30 * 52, 21


def measure(work):
    """Median milliseconds, by events."""
    for _ in range(3):
        work()
    times = []
    for _ in range(SAMPLES):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(10):
            work()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 10)
    return statistics.median(times)


def cases():
    def rand(*shape):
        return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)

    a, b = rand(8192, 8192), rand(8192, 8192)
    yield "ceiling: product 8192 cubed", lambda: a @ b, 2 * 8192 ** 3
    for n_out, n_in, gelu in ((1536, 1536, False), (8960, 1536, True), (1536, 8960, False),
                              (5120, 5120, False), (13824, 5120, True)):
        x, w, bias = rand(N, n_in), rand(n_out, n_in), rand(n_out)

        def linear(x=x, w=w, bias=bias, gelu=gelu):
            y = F.linear(x, w, bias)
            return F.gelu(y, approximate="tanh") if gelu else y
        yield f"linear {N}x{n_out}x{n_in}{' GELU' if gelu else ''}", linear, 2 * N * n_out * n_in
    for keys, heads in ((KEYS, 12), (512, 12), (KEYS // 2, 40)):
        q, k, v = rand(1, heads, N, 128), rand(1, heads, keys, 128), rand(1, heads, keys, 128)
        yield (f"attention {N} queries {keys} keys {heads} heads",
               lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v),
               4 * N * keys * heads * 128)
    for t, h, w, c in ((1, 60, 104, 384), (4, 240, 416, 192), (4, 480, 832, 96)):
        x = rand(1, c, t + 2, h, w).to(memory_format=torch.channels_last_3d)
        kernel = rand(c, c, 3, 3, 3).to(memory_format=torch.channels_last_3d)
        yield (f"convolution 3x3x3 {c} channels {t}x{h}x{w}",
               lambda x=x, kernel=kernel: F.conv3d(x, kernel, padding=(0, 1, 1)),
               2 * t * h * w * c * c * 27)
    x, scale, shift = rand(N, 1536), rand(1, 1536), rand(1, 1536)
    yield ("norm and modulation",
           lambda: F.layer_norm(x, (1536,)) * (1 + scale) + shift, 0)


def main():
    if not torch.cuda.is_available():
        print("skipped: PyTorch sees no CUDA device")
        return 77
    rows = []
    for name, work, operations in cases():
        row = {"name": name}
        for mode in ("eager", "compiled"):
            run = work if mode == "eager" else torch.compile(work)
            row[mode + "_ms"] = measure(run)
            row[mode + "_tflops"] = operations / row[mode + "_ms"] * 1e-9
        rows.append(row)
        print(f"{name:44} eager {row['eager_ms']:8.3f} ms, compiled {row['compiled_ms']:8.3f} ms, "
              f"{row['compiled_tflops']:7.1f} TFLOP/s", flush=True)
    if len(sys.argv) == 3 and sys.argv[1] == "--json":
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
