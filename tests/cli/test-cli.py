#!/usr/bin/env python3
"""The program from the command line: usage, lists, start and end. TAP output.

usage: test-cli.py PATH/TO/scope
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

SCOPE = sys.argv[1]


def scope(*arguments, **variables):
    return subprocess.run([SCOPE, *arguments], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **variables}, check=False)


class Server:
    """`scope serve` in a folder of its own."""

    def __init__(self, *arguments, **variables):
        self.folder = tempfile.TemporaryDirectory(prefix="scope-cli-")
        self.process = subprocess.Popen(
            [SCOPE, "serve", "--port", "0", "--no-browser", "--ice-address", "127.0.0.1",
             "--data-dir", self.folder.name, *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **variables})
        self.url = re.search(r"http://\S+", self.process.stdout.readline()).group()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.folder.cleanup()

    def end(self, number):
        start = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(timeout=10)
        return status, time.monotonic() - start


def usage():
    assert scope("--help").returncode == 0
    for command in ("serve", "generate", "replay", "pipelines", "models", "doctor", "version"):
        assert scope(command, "--help").returncode == 0, command
    for wrong in (["nonsense"], ["serve", "--nonsense"], ["serve", "--port", "99999"],
                  ["serve", "--log-level", "loud"], ["serve", "--device", "gpu"], ["serve", "--ice-address", "here"],
                  ["version", "extra"], ["models", "nonsense"], ["models", "download"],
                  ["models", "download", "nobody"], ["generate"], ["replay"],
                  ["generate", "-p", "nobody", "-o", "x.mp4"],
                  ["generate", "-p", "gray", "-o", "x.mp4"],
                  ["generate", "-p", "controller-viz", "--size", "big", "-o", "x.mp4"],
                  ["generate", "-p", "controller-viz", "--seed", "-1", "-o", "x.mp4"],
                  ["generate", "-p", "controller-viz", "--param", "no=1", "-o", "x.mp4"],
                  ["generate", "-p", "cellular-automata", "--param", "rule=no", "-o", "x.mp4"],
                  ["generate", "-p", "controller-viz", "-i", "x.mp4", "-o", "y.mp4"],
                  ["generate", "-p", "gray", "-p", "gray", "-i", "x.mp4", "-o", "y.mp4"]):
        result = scope(*wrong)
        assert result.returncode == 2, (wrong, result.returncode)
        assert result.stderr.startswith("scope: "), result.stderr
    assert scope("serve", SCOPE_PORT="abc").returncode == 2


def doctor():
    with tempfile.TemporaryDirectory(prefix="scope-cli-") as folder, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        models = os.path.join(folder, "deep", "models")
        result = scope("doctor", "--data-dir", folder, "--models-dir", models, "--port", port,
                       SCOPE_DEVICE="auto")
        lines = result.stdout.splitlines()
        assert result.returncode == 0, result
        assert lines[-1].startswith("0 wrong, "), lines
        assert any("kernels for" in line for line in lines), lines
        assert any(models in line and "is made when needed" in line for line in lines), lines
        busy = [i for i, line in enumerate(lines) if line.startswith("warning  port")]
        assert busy and "-> " in lines[busy[0] + 1], lines
        assert not os.path.exists(models)
        with open(models := os.path.join(folder, "file"), "w", encoding="utf-8"):
            pass
        result = scope("doctor", "--data-dir", folder, "--models-dir", models, "--port", "0")
        assert result.returncode == 1 and "wrong    models-dir" in result.stdout, result
    result = scope("doctor", SCOPE_DEVICE="gpu7")
    assert result.returncode == 1 and "expected auto, cpu, cuda" in result.stdout, result


def version():
    lines = scope("--version").stdout.splitlines()
    assert len(lines) == 2 and lines[0].startswith("scope: "), lines
    assert lines[1].startswith("git commit: "), lines


def pipelines():
    table = scope("pipelines").stdout
    assert "passthrough" in table and "cellular-automata" in table, table
    schemas = json.loads(scope("pipelines", "--json").stdout)
    assert schemas["gray"]["config_schema"]["type"] == "object"
    assert scope("pipelines", "--ids").stdout.split() == list(schemas)


def generate(folder, name, *arguments):
    path = os.path.join(folder, name)
    result = scope("generate", "-o", path, *arguments)
    assert result.returncode == 0, result
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def generates():
    with tempfile.TemporaryDirectory(prefix="scope-cli-") as folder:
        world = ["-p", "cellular-automata", "--size", "96x64", "--seconds", "0.5"]
        first = read(generate(folder, "a.y4m", *world))
        assert first.startswith(b"YUV4MPEG2 W96 H64 F30:1 "), first[:40]
        assert first.count(b"FRAME\n") == 15
        assert first == read(generate(folder, "b.y4m", *world))
        assert first != read(generate(folder, "b.y4m", *world, "--seed", "7"))
        assert first != read(generate(folder, "b.y4m", *world, "--param", "palette=ice"))
        video = generate(folder, "a.mp4", *world)
        assert b"ftyp" in read(video)[:16]
        # a chain over a video, as a folder of pictures, and with figures
        result = scope("generate", "-p", "gray", "-p", "passthrough", "-i", video, "--profile",
                       "-o", os.path.join(folder, "frames/"))
        assert result.returncode == 0 and "passthrough" in result.stdout, result
        assert len(os.listdir(os.path.join(folder, "frames"))) == 15
        left = set(os.listdir(folder))
        assert left == {"a.y4m", "b.y4m", "a.mp4", "frames"}, left


def generates_nothing_half():
    with tempfile.TemporaryDirectory(prefix="scope-cli-") as folder:
        process = subprocess.Popen(
            [SCOPE, "generate", "-p", "cellular-automata", "--seconds", "100000", "-o",
             os.path.join(folder, "a.y4m")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while not os.listdir(folder) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert os.listdir(folder) == ["a.y4m.incomplete"]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 130 and b"nothing was written" in errors, errors
        assert not os.listdir(folder)
        for wrong in (["-o", os.path.join(folder, "a.gif")], ["-o", "/nonexistent/a.mp4"],
                      ["-i", "/nonexistent.mp4", "-o", os.path.join(folder, "a.mp4")]):
            pipeline = "gray" if "-i" in wrong else "cellular-automata"
            result = scope("generate", "-p", pipeline, *wrong)
            assert result.returncode == 1 and "scope: " in result.stderr, result
        assert not os.listdir(folder)


def timeline():
    """A timeline changes what is sent; pipelines without prompts run all the same."""
    with tempfile.TemporaryDirectory(prefix="scope-cli-") as folder:
        path = os.path.join(folder, "timeline.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"version": "2.1", "settings": {"pipelineId": "cellular-automata",
                                                      "resolution": {"width": 80, "height": 64}},
                       "prompts": [{"startTime": 0, "endTime": 0.2, "prompts": [{"text": "a"}]},
                                   {"startTime": 0.2, "endTime": 0.4, "text": "b"}]}, file)
        video = read(generate(folder, "a.y4m", "--prompt-file", path))
        assert video.startswith(b"YUV4MPEG2 W80 H64 "), video[:40]
        assert video.count(b"FRAME\n") == 12, video.count(b"FRAME\n")
        with open(path, encoding="utf-8") as file:
            changing = json.load(file)
        changing["parameterChanges"] = [{"time": 0.2, "values": {"palette": "ice", "speed": "x"}}]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(changing, file)
        frames = read(generate(folder, "c.y4m", "--prompt-file", path)).split(b"FRAME\n")[1:]
        same = [a == b for a, b in zip(frames, video.split(b"FRAME\n")[1:])]
        assert same == 6 * [True] + 6 * [False], same
        with open(path, "w", encoding="utf-8") as file:
            file.write("{}")
        result = scope("generate", "--prompt-file", path, "-o", os.path.join(folder, "b.y4m"))
        assert result.returncode == 2 and "timeline.json" in result.stderr, result


def replays():
    head = {"format": "scope-replay", "format_version": 1, "nodes": [
        {"node": "world", "pipeline": "cellular-automata",
         "load_params": {"width": 96, "height": 64}}]}
    lines = [head, {"node": "world", "chunk": 0, "params": {"input_mode": "text", "seed": 3}},
             {"node": "world", "chunk": 5, "params": {"palette": "ice"}},
             {"node": "world", "chunk": 9, "params": {"ctrl_input": {
                 "button": ["MouseLeft"], "mouse": [9, -4]}, "reset_cache": True}}]
    with tempfile.TemporaryDirectory(prefix="scope-cli-") as folder:
        log = os.path.join(folder, "session.jsonl")
        with open(log, "w", encoding="utf-8") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines))
        result = scope("replay", log, "-o", os.path.join(folder, "a.y4m"))
        assert result.returncode == 2 and "--seconds" in result.stderr, result
        with open(log, "a", encoding="utf-8") as file:
            file.write('{"frames": 20}\n')
        videos = []
        for name in ("a.y4m", "b.y4m"):
            result = scope("replay", log, "-o", os.path.join(folder, name))
            assert result.returncode == 0, result
            videos.append(read(os.path.join(folder, name)))
        assert videos[0] == videos[1] and videos[0].count(b"FRAME\n") == 20
        with open(log, "w", encoding="utf-8") as file:
            file.write("nonsense\n")
        result = scope("replay", log, "-o", os.path.join(folder, "c.y4m"))
        assert result.returncode == 1 and "line 1" in result.stderr, result


def ends_on_signals():
    for number in (signal.SIGINT, signal.SIGTERM):
        with Server() as server:
            with urllib.request.urlopen(server.url + "health", timeout=5) as reply:
                assert reply.status == 200
            status, seconds = server.end(number)
            assert status == 0 and seconds < 3, (status, seconds)
            logs = os.listdir(os.path.join(server.folder.name, "logs"))
            assert len(logs) == 1 and re.match(r"scope-logs-[\d-]+\.log$", logs[0]), logs


def busy_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for _ in range(10):
            with tempfile.TemporaryDirectory(prefix="scope-cli-") as folder:
                result = scope("serve", "--port", port, "-N", "--data-dir", folder)
            assert result.returncode == 1 and port in result.stderr, result


def ends_while_it_starts():
    for delay in (0.005, 0.02, 0.03, 0.05, 0.1):
        with tempfile.TemporaryDirectory(prefix="scope-cli-") as folder:
            process = subprocess.Popen(
                [SCOPE, "serve", "--port", "0", "-N", "--data-dir", folder],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=10)
            # Before main() runs, a signal ends the process as any other.
            assert status in (0, -signal.SIGTERM), (delay, status)


def loads_at_start():
    with Server(PIPELINE="gray") as server:
        deadline = time.monotonic() + 10
        status = None
        while status != "loaded" and time.monotonic() < deadline:
            with urllib.request.urlopen(server.url + "api/v1/pipeline/status", timeout=5) as reply:
                status = json.load(reply)["status"]
            time.sleep(0.05)
        assert status == "loaded", status


def managed_restart():
    with Server(DAYDREAM_SCOPE_MANAGED="1") as server:
        request = urllib.request.Request(server.url + "api/v1/restart", method="POST")
        with urllib.request.urlopen(request, timeout=5) as reply:
            assert reply.status == 200
        assert server.process.wait(timeout=10) == 42


def main():
    cases = [usage, version, doctor, pipelines, generates, generates_nothing_half, timeline, replays,
             ends_on_signals, ends_while_it_starts, busy_port,
             loads_at_start, managed_restart]
    failed = 0
    print(f"TAP version 13\n1..{len(cases)}")
    for number, case in enumerate(cases, 1):
        try:
            case()
            print(f"ok {number} - {case.__name__}")
        except Exception as error:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {case.__name__}\n# {error!r}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
