/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeArena: memory that is taken once and handed out by advancing a pointer. One arena each for
 * weights, for the state of a session and for scratch. Grows until it is sealed; from then on an
 * allocation that does not fit is a bug and asserts. Not locked: one owner thread at a time.
 */
#pragma once

#include "engine/scope-tensor.h"

G_BEGIN_DECLS

typedef struct _ScopeArena ScopeArena;
typedef struct _ScopeBackend ScopeBackend;

/** ScopeArenaMark: a position to release to. Opaque; copied by value. */
typedef struct {
    int block;
    size_t offset;
} ScopeArenaMark;

/**
 * scope_arena_create:
 * @backend: whose memory; borrowed, outlives the arena
 * @name: for messages ("weights", "session", "scratch")
 *
 * Creates an empty arena; memory comes with the first reserve or allocation.
 * Thread: any. Errors: none.
 * Returns: (transfer full): the arena.
 */
ScopeArena *scope_arena_create(const ScopeBackend *backend, const char *name);

/**
 * scope_arena_destroy:
 * @arena: (nullable)
 *
 * Returns all memory; tensors of the arena dangle. Thread: the owner. Errors: none.
 * Returns: nothing.
 */
void scope_arena_destroy(ScopeArena *arena);

/**
 * scope_arena_reserve:
 * @n_bytes: free bytes wanted in one piece
 * @error: (nullable) set on failure
 *
 * Makes sure that the next allocations of together @n_bytes (each rounded up to 64) succeed. Use it
 * at load, where failing is an answer.
 * Thread: the owner. Errors: G_IO_ERROR_NO_SPACE (bytes wanted and held), also when sealed.
 * Returns: TRUE, or FALSE with @error set and the arena unchanged.
 */
gboolean scope_arena_reserve(ScopeArena *arena, size_t n_bytes, GError **error);

/**
 * scope_arena_alloc:
 * @dtype: element type
 * @ndim: number of dimensions
 * @shape: sizes (use SCOPE_SHAPE(...) for the last two arguments)
 *
 * Memory is not cleared (scope_op_fill does that) and aligned to 64 bytes.
 * Thread: the owner. Errors: none (asserts when sealed and full; where memory ran out it gives a
 * tensor without data, and the thread's ops do nothing until scope_context_synchronize() reports
 * the error). Reserve first where code other than ops reads the tensor.
 * Returns: a contiguous tensor, valid until released or destroyed.
 */
ScopeTensor scope_arena_alloc(ScopeArena *arena, ScopeDType dtype, int ndim, const int64_t *shape);

/**
 * scope_arena_mark:
 *
 * Thread: the owner. Errors: none.
 * Returns: the current position.
 */
ScopeArenaMark scope_arena_mark(const ScopeArena *arena);

/**
 * scope_arena_release:
 * @mark: from scope_arena_mark() of this arena, not yet released past
 *
 * Frees everything allocated since @mark. Keeps the memory for later allocations. On a device the
 * memory may be reused at once by later ops, because ops of one context run in order.
 * Thread: the owner. Errors: none.
 * Returns: nothing.
 */
void scope_arena_release(ScopeArena *arena, ScopeArenaMark mark);

/**
 * scope_arena_seal:
 *
 * Forbids growth. Called after the sizing pass (run the forward once at its largest shape).
 * Thread: the owner. Errors: none.
 * Returns: nothing.
 */
void scope_arena_seal(ScopeArena *arena);

/** scope_arena_get_used_bytes: bytes handed out and not released. Thread: the owner. */
size_t scope_arena_get_used_bytes(const ScopeArena *arena);

/** scope_arena_get_peak_bytes: highest value of used bytes so far. Thread: the owner. */
size_t scope_arena_get_peak_bytes(const ScopeArena *arena);

/** scope_arena_get_capacity_bytes: bytes held from the backend. Thread: the owner. */
size_t scope_arena_get_capacity_bytes(const ScopeArena *arena);

/** scope_arena_get_backend: (transfer none): whose memory it is. Thread: any. */
const ScopeBackend *scope_arena_get_backend(const ScopeArena *arena);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeArena, scope_arena_destroy)

G_END_DECLS
