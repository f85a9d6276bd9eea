/* SPDX-License-Identifier: Apache-2.0 */
/* The state of a running pickle machine, shared by its two halves: opcodes (scope-pickle.c) and
 * the meaning of allowed names (scope-pickle-torch.c). One thread. */
#pragma once

#include "engine/checkpoint/scope-pickle-private.h"

/* Objects that one pickle may create, and storages or tensors among them. */
#define SCOPE_PICKLE_MAX_VALUES (1u << 20)

typedef struct {
    const char *label;
    const guint8 *begin, *at, *end;
    ScopePickle *pickle;
    GArray *stack; /* of guint32 */
    GArray *marks; /* of guint: heights of the stack */
    GArray *memo;  /* of guint32: reference + 1, 0 = empty */
    guint n_memo;
    gboolean stopped;
    GError *error;
} ScopePickleMachine;

/** Sets the machine's error; FALSE. */
gboolean scope_pickle_fail_private(ScopePickleMachine *m, ScopeCheckpointError code,
                                   const char *format, ...) G_GNUC_PRINTF(3, 4);

/** Adds a value; its reference, or G_MAXUINT32 with the error set when the limit is reached. */
guint32 scope_pickle_add_private(ScopePickleMachine *m, const ScopePickleValue *value);

/** The index of an allowed name, or -1 with the error set. */
int scope_pickle_find_global_private(ScopePickleMachine *m, const char *module, gsize n_module,
                                     const char *name, gsize n_name);

/** Applies an allowed name to a tuple of arguments, without calling anything. */
gboolean scope_pickle_reduce_private(ScopePickleMachine *m, guint32 callable, guint32 arguments,
                                     guint32 *ret_value);

/** Turns a persistent id into a storage reference. */
gboolean scope_pickle_persist_private(ScopePickleMachine *m, guint32 id, guint32 *ret_value);
