/* SPDX-License-Identifier: Apache-2.0 */
/* What the handlers of the Wan transformer share: a loaded model with a prompt, configuration that
 * is read strictly, inputs and checks. Main thread; everything lives as long as the case. */
#pragma once

#include "golden-models.h"

#include "models/scope-wan-model.h"

G_BEGIN_DECLS

#define GOLDEN_DIT_MAX_FRAMES 256 /* latent frames of one tensor */

typedef struct {
    GoldenCase *c;
    GoldenEngine *engine;
    ScopeContext *ctx; /* of @engine */
    ScopeWanModel *model;
    ScopeArena *session; /* caches and prompts */
    ScopeWanText text;
} GoldenDit;

/* Opens an engine and loads the weights of the case with the adapters given. NULL with @error set
 * on failure. Free with golden_dit_close(). */
GoldenDit *golden_dit_open(GoldenCase *c, ScopeWanAdapter *merged, guint n_merged,
                           ScopeWanAdapter *runtime, guint n_runtime, GError **error);
void golden_dit_close(GoldenDit *dit);

/* Fails when case.json holds members at its top or under "run" that the handler does not know;
 * @run_members ends with NULL. */
gboolean golden_dit_check_members(GoldenCase *c, const char *const *run_members, GError **error);

/* Sets the prompt to the input @name; FALSE with @error set when it does not fit. */
gboolean golden_dit_set_prompt(GoldenDit *dit, const char *name, GError **error);

/* Input of four dimensions whose second is @channels and whose last two are even. */
ScopeTensor golden_dit_latents(GoldenDit *dit, const char *name, int channels, GError **error);

/* A VACE context [vace_in_dim, F, h, w]. */
ScopeTensor golden_dit_context(GoldenDit *dit, const char *name, GError **error);

/* A flow for @latents: same frames and size, out_dim channels. */
ScopeTensor golden_dit_flow(GoldenDit *dit, ScopeTensor latents);

/* Compares the counters and, where they are expected, keys and values of the last layer that the
 * case names, under PREFIX.l<layer>.k and .v. */
void golden_dit_check_cache(GoldenDit *dit, const ScopeWanCache *cache, const char *prefix);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GoldenDit, golden_dit_close)

G_END_DECLS
