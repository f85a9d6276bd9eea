/* SPDX-License-Identifier: Apache-2.0 */
/* Prompts to rows: tokens, then the text encoder. Loader thread, then any worker. */
#include "pipelines/wan/scope-wan-prompter.h"

#include "engine/scope-ops.h"
#include "engine/tokenizer/scope-tokenizer.h"
#include "models/scope-umt5.h"

struct _ScopeWanPrompter {
    ScopeUmt5 *umt5;
    ScopeTokenizer *tokenizer;
    int64_t n_rows;
};

static gboolean
check_fit(const ScopeWanPrompter *self, const char *weights_path, const char *tokenizer_path,
          const ScopeWanConfig *config, GError **error)
{
    int64_t width = scope_umt5_get_width(self->umt5);
    int64_t n_ids = scope_umt5_get_vocabulary_size(self->umt5);

    if (width != config->text_dim) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: the text encoder makes rows of %d numbers, the diffusion model expects %d",
                    weights_path, (int)width, config->text_dim);
        return FALSE;
    }
    if (scope_tokenizer_get_n_ids(self->tokenizer) > n_ids) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: the tokenizer has %u ids, the text encoder knows %d", tokenizer_path,
                    scope_tokenizer_get_n_ids(self->tokenizer), (int)n_ids);
        return FALSE;
    }
    return TRUE;
}

ScopeWanPrompter *
scope_wan_prompter_load(ScopeContext *ctx, const char *weights_path, const char *tokenizer_path,
                        const ScopeWanConfig *config, GError **error)
{
    g_autoptr(ScopeWanPrompter) self = g_new0(ScopeWanPrompter, 1);
    g_autoptr(ScopeCheckpoint) file = scope_checkpoint_open(weights_path, error);
    ScopeUmt5Options options = SCOPE_UMT5_OPTIONS_INIT;

    if (file == NULL) {
        return NULL;
    }
    self->n_rows = options.max_tokens = config->text_len;
    self->umt5 = scope_umt5_load(ctx, file, &options, error);
    if (self->umt5 == NULL) {
        return NULL;
    }
    self->tokenizer = scope_tokenizer_open(tokenizer_path, error);
    if (self->tokenizer == NULL || !check_fit(self, weights_path, tokenizer_path, config, error)) {
        return NULL;
    }
    return g_steal_pointer(&self);
}

void
scope_wan_prompter_unload(ScopeWanPrompter *self)
{
    if (self == NULL) {
        return;
    }
    g_clear_pointer(&self->umt5, scope_umt5_unload);
    g_clear_pointer(&self->tokenizer, scope_tokenizer_unref);
    g_free(self);
}

gboolean
scope_wan_prompter_encode(gpointer user_data, const char *text, float *ret_rows, GError **error)
{
    const ScopeWanPrompterCall *call = user_data;
    const ScopeWanPrompter *self = call->prompter;
    ScopeContext *ctx = call->ctx;
    g_autofree gint32 *ids = g_new(gint32, self->n_rows);
    guint n = 0;

    if (!scope_tokenizer_encode_prompt(self->tokenizer, text, ids, NULL, (guint)self->n_rows, &n,
                                       error)) {
        return FALSE;
    }
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t width = scope_umt5_get_width(self->umt5);
    ScopeTensor rows =
        scope_context_scratch(ctx, scope_context_work_dtype(ctx), SCOPE_SHAPE(self->n_rows, width));
    ScopeTensor wide =
        scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(self->n_rows, width));
    /* a tokenizer without EOS makes nothing of an empty prompt: one padding row stands for it */
    scope_umt5_encode(ctx, self->umt5, rows, ids, MAX(n, 1));
    scope_op_copy(ctx, wide, rows);
    scope_context_download(ctx, ret_rows, wide);
    scope_arena_release(ctx->scratch, mark);
    return TRUE;
}
