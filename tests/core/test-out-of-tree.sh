#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds both example plugins outside the tree, with a compiler alone and with their own Meson
# project, against the public headers only, and runs what came out.
# usage: test-out-of-tree.sh SOURCE_ROOT TEST_PLUGINS_EXECUTABLE
set -eu

source=$1 runner=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/include" "$work/pc" "$work/plain" "$work/meson" "$work/installed"
cp -r "$source/include/scope" "$work/include/scope"
cat > "$work/pc/scope.pc" <<PC
plugindir=$work/installed
Name: scope
Description: Headers for plugins of Scope
Version: 0.1.0
Requires: glib-2.0
Cflags: -I$work/include
PC
export PKG_CONFIG_PATH="$work/pc"

echo 1..3
for name in color-effect cellular-automata; do
    mkdir "$work/plain/$name"
    cp "$source/plugins/$name/plugin.json" "$work/plain/$name"
    # shellcheck disable=SC2046 # flags are words
    cc -O2 -std=gnu17 -Wall -Werror -fPIC -shared $(pkg-config --cflags scope) \
        "$source/plugins/$name"/*.c -lm -o "$work/plain/$name/$name.so"
done
echo "ok 1 - compiler alone"

for name in color-effect cellular-automata; do
    cp -r "$source/plugins/$name" "$work/meson/$name"
    meson setup "$work/meson/$name/build" "$work/meson/$name" > "$work/log" 2>&1 &&
        meson install -C "$work/meson/$name/build" >> "$work/log" 2>&1 ||
        { sed 's/^/# /' "$work/log"; echo "not ok 2 - meson"; exit 1; }
done
[ -f "$work/installed/color-effect/plugin.json" ]
echo "ok 2 - meson"

for dir in "$work/plain" "$work/installed"; do
    SCOPE_TEST_PLUGINS="$dir" "$runner" -p /plugins/color-effect -p /plugins/automata-controls \
        > "$work/log" 2>&1 || { sed 's/^/# /' "$work/log"; echo "not ok 3 - run"; exit 1; }
done
echo "ok 3 - run"
