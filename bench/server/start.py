#!/usr/bin/env python3
"""Start of the server: time from process start to the first 200 of /health, and memory at rest.

usage: start.py SCOPE [RUNS]

Prints one JSON object: median, best and worst over the runs, and the machine. A run counts from
fork to the answer, so it contains dynamic linking, GStreamer's registry and plugin loading.
"""
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request


def read_status(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


def run_once(scope, folder):
    start = time.monotonic()
    server = subprocess.Popen(
        [scope, "serve", "--port", "0", "--no-browser", "--ice-address", "127.0.0.1",
         "--data-dir", folder, "--log-level", "error"], stdout=subprocess.PIPE, text=True)
    try:
        base = server.stdout.readline().split()[-1]
        with urllib.request.urlopen(base + "health", timeout=10) as answer:
            assert answer.status == 200
        seconds = time.monotonic() - start
        time.sleep(1.0)
        rss_kib, threads = read_status(server.pid, "VmRSS"), read_status(server.pid, "Threads")
        stop = time.monotonic()
    finally:
        server.terminate()
        server.wait(timeout=10)
    return {"start_ms": seconds * 1000, "rss_mib": rss_kib / 1024, "threads": threads,
            "stop_ms": (time.monotonic() - stop) * 1000}


def main():
    scope, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory(prefix="scope-bench-") as folder:
        run_once(scope, folder)  # fills GStreamer's cache
        results = [run_once(scope, folder) for _ in range(runs)]
    report = {"runs": runs, "machine": {"cpus": os.cpu_count(), "arch": platform.machine(),
                                        "kernel": platform.release()}}
    for key in results[0]:
        values = [result[key] for result in results]
        report[key] = {"median": round(statistics.median(values), 1),
                       "best": round(min(values), 1), "worst": round(max(values), 1)}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
