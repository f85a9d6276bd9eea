/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arena: a list of blocks from the backend and a position in it. Owns the blocks. One owner
 * thread at a time.
 */
#include "engine/scope-arena.h"

#include <gio/gio.h>

#include "engine/scope-assert.h"
#include "engine/scope-backend.h"

#define ALIGNMENT  ((size_t)64)
#define MIN_BLOCK  ((size_t)1 << 20)
#define MAX_BLOCKS 256

typedef struct {
    char *data;
    size_t size;
} Block;

struct _ScopeArena {
    const ScopeBackend *backend;
    char *name;
    Block blocks[MAX_BLOCKS];
    int n_blocks;
    ScopeArenaMark pos;
    size_t peak;
    gboolean sealed;
};

ScopeArena *
scope_arena_create(const ScopeBackend *backend, const char *name)
{
    ScopeArena *arena = g_new0(ScopeArena, 1);
    arena->backend = backend;
    arena->name = g_strdup(name);
    return arena;
}

void
scope_arena_destroy(ScopeArena *arena)
{
    if (!arena) {
        return;
    }
    for (int i = 0; i < arena->n_blocks; i++) {
        arena->backend->memory_free(arena->backend, arena->blocks[i].data, arena->blocks[i].size);
    }
    g_free(arena->name);
    g_free(arena);
}

/* TRUE when the current block or a later one has @n_bytes left in one piece. */
static gboolean
find_room(const ScopeArena *arena, size_t n_bytes, ScopeArenaMark *pos)
{
    *pos = arena->pos;
    while (pos->block < arena->n_blocks) {
        if (arena->blocks[pos->block].size - pos->offset >= n_bytes) {
            return TRUE;
        }
        pos->block++;
        pos->offset = 0;
    }
    return FALSE;
}

gboolean
scope_arena_reserve(ScopeArena *arena, size_t n_bytes, GError **error)
{
    ScopeArenaMark pos;
    n_bytes = (n_bytes + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (find_room(arena, n_bytes, &pos)) {
        return TRUE;
    }
    size_t capacity = scope_arena_get_capacity_bytes(arena);
    if (arena->sealed || arena->n_blocks == MAX_BLOCKS) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
                    "arena %s is sealed at %zu bytes, %zu more wanted", arena->name, capacity,
                    n_bytes);
        return FALSE;
    }
    /* blocks grow with the arena so that their number stays small */
    size_t size = MAX(n_bytes, MAX(MIN_BLOCK, MIN(capacity / 2, (size_t)64 << 20)));
    char *data = arena->backend->memory_alloc(arena->backend, size, error);
    if (!data) {
        g_prefix_error(error, "arena %s holds %zu bytes, wants %zu more: ", arena->name, capacity,
                       size);
        return FALSE;
    }
    arena->blocks[arena->n_blocks++] = (Block){data, size};
    return TRUE;
}

ScopeTensor
scope_arena_alloc(ScopeArena *arena, ScopeDType dtype, int ndim, const int64_t *shape)
{
    ScopeTensor t = scope_tensor_wrap(dtype, NULL, ndim, shape);
    size_t n_bytes = (scope_tensor_n_bytes(t) + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    ScopeArenaMark pos;
    if (!find_room(arena, n_bytes, &pos)) {
        SCOPE_ASSERT(!arena->sealed);
        g_autoptr(GError) error = NULL;
        if (!scope_arena_reserve(arena, n_bytes, &error)) {
            arena->backend->memory_exhausted(arena->backend, error);
            t.memory = arena->backend->memory;
            return t;
        }
        gboolean found = find_room(arena, n_bytes, &pos);
        SCOPE_ASSERT(found);
    }
    t.data = arena->blocks[pos.block].data + pos.offset;
    t.memory = arena->backend->memory;
    arena->pos = (ScopeArenaMark){pos.block, pos.offset + n_bytes};
    size_t used = scope_arena_get_used_bytes(arena);
    arena->peak = MAX(arena->peak, used);
    return t;
}

ScopeArenaMark
scope_arena_mark(const ScopeArena *arena)
{
    return arena->pos;
}

void
scope_arena_release(ScopeArena *arena, ScopeArenaMark mark)
{
    SCOPE_ASSERT(mark.block < arena->pos.block ||
                 (mark.block == arena->pos.block && mark.offset <= arena->pos.offset));
    arena->pos = mark;
}

void
scope_arena_seal(ScopeArena *arena)
{
    arena->sealed = TRUE;
}

size_t
scope_arena_get_used_bytes(const ScopeArena *arena)
{
    size_t used = arena->pos.offset;
    for (int i = 0; i < arena->pos.block; i++) {
        used += arena->blocks[i].size;
    }
    return used;
}

size_t
scope_arena_get_peak_bytes(const ScopeArena *arena)
{
    return arena->peak;
}

size_t
scope_arena_get_capacity_bytes(const ScopeArena *arena)
{
    size_t total = 0;
    for (int i = 0; i < arena->n_blocks; i++) {
        total += arena->blocks[i].size;
    }
    return total;
}

const ScopeBackend *
scope_arena_get_backend(const ScopeArena *arena)
{
    return arena->backend;
}
