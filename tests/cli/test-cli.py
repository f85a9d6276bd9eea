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
    return subprocess.run([SCOPE, *arguments], capture_output=True, text=True, timeout=30,
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
    for command in ("serve", "pipelines", "models", "version"):
        assert scope(command, "--help").returncode == 0, command
    for wrong in (["nonsense"], ["serve", "--nonsense"], ["serve", "--port", "99999"],
                  ["serve", "--log-level", "loud"], ["serve", "--ice-address", "here"],
                  ["version", "extra"], ["models", "nonsense"], ["models", "download"],
                  ["models", "download", "nobody"]):
        result = scope(*wrong)
        assert result.returncode == 2, (wrong, result.returncode)
        assert result.stderr.startswith("scope: "), result.stderr
    assert scope("serve", SCOPE_PORT="abc").returncode == 2


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
    cases = [usage, version, pipelines, ends_on_signals, ends_while_it_starts, busy_port,
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
