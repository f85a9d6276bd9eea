#!/usr/bin/env python3
"""Each check of tools/ accepts a clean tree and names what is wrong in a broken one. TAP output."""
import os
import subprocess
import sys
import tempfile

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools")
HEAD = "/* SPDX-License-Identifier: Apache-2.0 */\n/* A file. Any thread. */\n"
LONG = HEAD + "int\nlong_one(void)\n{\n" + "    ;\n" * 130 + "}\n"

# check, path, content, what it must say (None: accepted)
CASES = [
    ("check-layers", "src/engine/a.c", '#include "core/scope-log.h"\n', None),
    ("check-layers", "src/engine/a.c", '#include "core/scope-frame.h"\n', "must not know core"),
    ("check-layers", "src/core/a.c", '#include "server/x.h"\n', "must not know server"),
    ("check-layers", "src/models/a.c", "#include <gst/gst.h>\n", "must not use gst"),
    ("check-layers", "src/server/a.c", '#include "engine/x.h"\n', "must not know engine"),
    ("check-layers", "plugins/p/a.c", '#include "core/x.h"\n', "<scope/...> only"),
    ("check-layers", "plugins/p/a.c", "#include <scope/scope.h>\n", None),
    ("check-headers", "src/core/a.h", "/**\n * scope_a_b:\n * Thread: any.\n */\nint scope_a_b(void);\n",
     None),
    ("check-headers", "src/core/a.h", "int scope_a_b(void);\n", "no documentation"),
    ("check-headers", "src/core/a.h", "/** scope_a_b: text. */\nint scope_a_b(void);\n",
     "no `Thread`"),
    ("check-headers", "src/core/a.h",
     "/** scope_a_b: Thread: any. */\nint scope_a_b(GError **error);\n", "no `Error`"),
    ("check-size", "src/core/a.c", HEAD, None),
    ("check-size", "src/core/a.c", "int x;\n", "names no licence"),
    ("check-size", "src/core/a.c", HEAD + "\n" * 1300, "lines, at most 1200"),
    ("check-size", "src/core/a.c", LONG, "long_one has"),
    ("check-words", "src/core/a.c", HEAD + "/* never call atoi() */\n", None),
    ("check-words", "src/core/a.c", HEAD + "int x = atoi(s);\n", "unsafe call"),
    ("check-words", "src/core/a.c", HEAD + "void f(void) { exit(1); }\n", "only src/cli"),
    ("check-words", "src/cli/a.c", HEAD + "void f(void) { exit(1); }\n", None),
    ("check-words", "src/core/a.c", HEAD + "static GMutex lock;\n", "ThreadSanitizer"),
    ("check-words", "src/core/a.c", HEAD + "/* TODO later */\n", "file an issue"),
    ("check-words", "src/core/a.c", HEAD + 'char *s = g_getenv("SCOPE_X");\n', "SCOPE_X is not in"),
    ("check-words", "README.md", "see /" + "work/main\n", "particular machine"),
]


def run_case(check, path, content):
    with tempfile.TemporaryDirectory(prefix="scope-checks-") as top:
        subprocess.run(["git", "init", "-q", top], check=True)
        full = os.path.join(top, path)
        os.makedirs(os.path.dirname(full) or top, exist_ok=True)
        with open(full, "w", encoding="utf-8") as out:
            out.write(content)
        subprocess.run(["git", "-C", top, "add", "-A"], check=True)
        return subprocess.run([os.path.join(TOOLS, check)], cwd=top, capture_output=True,
                              text=True, check=False)


def main():
    failed = 0
    print(f"TAP version 13\n1..{len(CASES)}")
    for number, (check, path, content, wanted) in enumerate(CASES, 1):
        result = run_case(check, path, content)
        good = result.returncode == 0 if wanted is None else (
            result.returncode == 1 and wanted in result.stderr)
        failed += not good
        print(f"{'ok' if good else 'not ok'} {number} - {check}: {wanted or 'accepts'}")
        if not good:
            print("# " + (result.stderr.strip() or "said nothing").replace("\n", "\n# "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
