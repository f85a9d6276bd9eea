/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the state dictionary of a model inside a training checkpoint: wrapping keys and prefixes.
 * The result shares all data with its source and keeps it alive. Any thread. */
#include "engine/checkpoint/scope-checkpoint-private.h"

#include <string.h>

#define FSDP "_fsdp_wrapped_module."

/* TRUE when @name lies directly or deeper below dictionary @wrapper. */
static gboolean
is_below(const char *name, const char *wrapper)
{
    gsize length = strlen(wrapper);

    return strncmp(name, wrapper, length) == 0 && name[length] == '/';
}

static gboolean
has_wrapper(const ScopeCheckpoint *checkpoint, const char *wrapper)
{
    for (guint i = 0; i < checkpoint->tensors->len; i++) {
        if (is_below(scope_checkpoint_get_tensor(checkpoint, i)->name, wrapper)) {
            return TRUE;
        }
    }
    return FALSE;
}

/* The wrapping dictionary to take, or NULL for the top level. */
static char *
choose_wrapper(const ScopeCheckpoint *checkpoint, const char *const *wrappers)
{
    static const char *const usual[] = {"generator_ema", "generator",  "model",
                                        "module",        "state_dict", NULL};
    const char *const *candidates = wrappers != NULL ? wrappers : usual;
    g_autofree char *only = NULL;

    for (gsize i = 0; candidates[i] != NULL; i++) {
        if (has_wrapper(checkpoint, candidates[i])) {
            return g_strdup(candidates[i]);
        }
    }
    if (wrappers == NULL && checkpoint->tensors->len > 0) {
        const char *first = scope_checkpoint_get_tensor(checkpoint, 0)->name;
        only = g_strndup(first, strcspn(first, "/"));
        for (guint i = 0; i < checkpoint->tensors->len; i++) {
            if (!is_below(scope_checkpoint_get_tensor(checkpoint, i)->name, only)) {
                return NULL;
            }
        }
        return g_steal_pointer(&only);
    }
    return NULL;
}

static void
remove_all(char *name, const char *part)
{
    gsize length = strlen(part);
    char *at = name;

    while ((at = strstr(at, part)) != NULL) {
        memmove(at, at + length, strlen(at + length) + 1);
    }
}

/* Cuts @prefix where every name has it. */
static void
cut_common(GPtrArray *names, const char *prefix)
{
    gsize length = strlen(prefix);

    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (strncmp(name, prefix, length) != 0 || name[length] == '\0') {
            return;
        }
    }
    for (guint i = 0; i < names->len; i++) {
        char *name = g_ptr_array_index(names, i);
        memmove(name, name + length, strlen(name + length) + 1);
    }
}

ScopeCheckpoint *
scope_checkpoint_select(ScopeCheckpoint *checkpoint, const char *const *wrappers,
                        const char *const *prefixes, GError **error)
{
    g_autoptr(ScopeCheckpoint) result = scope_checkpoint_new_private(checkpoint->path);
    g_autofree char *wrapper = choose_wrapper(checkpoint, wrappers);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) taken = g_array_new(FALSE, FALSE, sizeof(guint));

    result->base = scope_checkpoint_ref(checkpoint);
    for (guint i = 0; i < checkpoint->tensors->len; i++) {
        const char *name = scope_checkpoint_get_tensor(checkpoint, i)->name;
        char *copy;
        if (wrapper != NULL ? !is_below(name, wrapper) : strchr(name, '/') != NULL) {
            continue;
        }
        copy = g_strdup(wrapper != NULL ? name + strlen(wrapper) + 1 : name);
        remove_all(copy, FSDP);
        g_ptr_array_add(names, copy);
        g_array_append_val(taken, i);
    }
    if (names->len == 0) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING,
                    "%s: no state dictionary found among %u tensors", checkpoint->path,
                    checkpoint->tensors->len);
        return NULL;
    }
    for (gsize i = 0; prefixes != NULL && prefixes[i] != NULL; i++) {
        cut_common(names, prefixes[i]);
    }
    cut_common(names, "module.");
    cut_common(names, "model.");
    for (guint i = 0; i < names->len; i++) {
        ScopeCheckpointTensor tensor =
            *scope_checkpoint_get_tensor(checkpoint, g_array_index(taken, guint, i));
        tensor.name = g_ptr_array_index(names, i);
        if (!scope_checkpoint_add_private(result, &tensor, error)) {
            return NULL;
        }
    }
    return g_steal_pointer(&result);
}
