/* SPDX-License-Identifier: Apache-2.0 */
/* Data for the checkpoints of scope-header-file.h: weights of a plausible size, so that a forward
 * pass meets neither infinities nor denormals. One thread. */
#pragma once

#include "headers/scope-header-file.h"

G_BEGIN_DECLS

/** scope_header_file_keep: drops every tensor for whose name @wanted returns FALSE. */
void scope_header_file_keep(ScopeHeaderFile *file, gboolean (*wanted)(const char *name));

/**
 * scope_header_file_fill: writes weights into the unsharded safetensors file at @path, which
 * scope_header_file_write_safetensors() made from @file: kernels are random with a variance that
 * keeps the scale of activations, biases 0, norms 1. A block of numbers repeats; which one follows
 * from @seed. FALSE when the file cannot be written.
 */
gboolean scope_header_file_fill(const ScopeHeaderFile *file, const char *path, guint32 seed);

G_END_DECLS
