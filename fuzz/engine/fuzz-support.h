/* SPDX-License-Identifier: Apache-2.0 */
/* Gives a fuzz input to a reader that takes a path, through a file in memory. One thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** LLVMFuzzerTestOneInput: called by libFuzzer with one input. Thread: main. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

/**
 * fuzz_with_file:
 * @bytes: [n_bytes] the input
 * @run: called with the path of a file that holds it
 *
 * Thread: main. Errors: none. Returns: nothing.
 */
void fuzz_with_file(const uint8_t *bytes, size_t n_bytes, void (*run)(const char *path));
