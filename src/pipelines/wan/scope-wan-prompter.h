/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanPrompter: tokenizer and UMT5 encoder of a pipeline, loaded once and shared; read-only.
 * ScopeWanPrompterCall binds it to the context of one worker.
 */
#pragma once

#include "engine/scope-context.h"
#include "pipelines/wan/scope-wan-stream.h"

G_BEGIN_DECLS

typedef struct _ScopeWanPrompter ScopeWanPrompter;

/** ScopeWanPrompterCall: user_data of scope_wan_prompter_encode(); all borrowed. */
typedef struct {
    const ScopeWanPrompter *prompter;
    ScopeContext *ctx; /**< of the worker */
} ScopeWanPrompterCall;

/**
 * scope_wan_prompter_load:
 * @ctx: borrowed during the call; its backend holds the norms
 * @weights_path: the encoder; its matrices stay mapped
 * @tokenizer_path: tokenizer.json, spiece.model, or a folder with one of them
 * @config: of the transformer that reads the rows
 * @error: (nullable) set on failure
 *
 * Thread: loader. Blocks: disk. Errors: those of scope_checkpoint_open(), scope_umt5_load() and
 * scope_tokenizer_open(); SCOPE_WAN_ERROR_CONFIG when encoder, tokenizer and @config do not fit.
 * Returns: (transfer full): the prompter, or NULL with @error set.
 */
ScopeWanPrompter *scope_wan_prompter_load(ScopeContext *ctx, const char *weights_path,
                                          const char *tokenizer_path, const ScopeWanConfig *config,
                                          GError **error);

/**
 * scope_wan_prompter_unload:
 * @prompter: (nullable): nobody may be encoding
 *
 * Thread: loader. Errors: none. Returns: nothing.
 */
void scope_wan_prompter_unload(ScopeWanPrompter *prompter);

/** scope_wan_prompter_encode: a ScopeWanEncodeText; @user_data is a ScopeWanPrompterCall. Thread:
 * worker. Blocks: about 9 GFLOP a token with UMT5-XXL. Errors: SCOPE_TOKENIZER_ERROR_ENCODE. */
gboolean scope_wan_prompter_encode(gpointer user_data, const char *text, float *ret_rows,
                                   GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanPrompter, scope_wan_prompter_unload)

G_END_DECLS
