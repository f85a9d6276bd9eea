/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanModel: the weights of one Wan transformer (with or without VACE context blocks) and its
 * forward pass. Owns weights arenas and references to the checkpoints; read-only after loading, so
 * sessions on several threads share it. What a stream carries lives in ScopeWanText (prompt) and
 * ScopeWanCache (keys and values).
 */
#pragma once

#include "models/scope-model-tap.h"
#include "models/scope-wan-lora.h"
#include "models/scope-wan-cache.h"
#include "models/scope-wan-config.h"
#include "models/scope-wan-text.h"

G_BEGIN_DECLS

/** ScopeWanQuantization: how the linears of the blocks are kept. */
typedef enum {
    SCOPE_WAN_QUANTIZATION_NONE = 0, /**< as stored */
    SCOPE_WAN_QUANTIZATION_INT8,     /**< the engine's 8-bit integers */
    SCOPE_WAN_QUANTIZATION_FP8,      /**< E4M3, one scale a tensor, inputs rounded at each call */
} ScopeWanQuantization;

/**
 * ScopeWanProgress:
 * @ratio: 0..1
 * @user_data: as in the options
 *
 * Thread: loader. Errors: none.
 * Returns: FALSE to cancel the load.
 */
typedef gboolean (*ScopeWanProgress)(double ratio, gpointer user_data);

/** ScopeWanLoadOptions: everything is borrowed; zero-initialised but for @weights_path. */
typedef struct {
    const char *weights_path;    /**< file, sharded index or folder */
    const char *const *wrappers; /**< (nullable): see scope_checkpoint_select() */
    const char *config_path;     /**< (nullable): config.json of the model */
    const ScopeWanConfig *known; /**< (nullable): dimensions told by the caller instead */
    const char *vace_path;       /**< (nullable): file with the vace_ tensors */
    gboolean vace_in_weights;    /**< take the vace_ tensors of @weights_path */
    ScopeWanQuantization quantization;
    gboolean pack;           /**< pack linears in the work type: faster, needs memory */
    ScopeWanAdapter *merged; /**< (inout) [n_merged]: folded into the weights */
    guint n_merged;
    gboolean merge_narrow;    /**< round merged weights to the stored type: half the memory */
    ScopeWanAdapter *runtime; /**< (inout) [n_runtime]: kept apart, see lora_scales */
    guint n_runtime;
    ScopeWanProgress progress; /**< (nullable) */
    gpointer progress_data;
} ScopeWanLoadOptions;

typedef struct _ScopeWanModel ScopeWanModel;

/**
 * scope_wan_model_load:
 * @ctx: backend and threads for the load; not kept
 * @options: see there
 * @error: (nullable) set on failure
 *
 * Maps the files, checks every tensor, folds adapters in and prepares the weights.
 * Thread: loader. Blocks: disk, arithmetic of merges. Errors: those of scope_checkpoint_open(),
 * scope_wan_config_resolve(), scope_lora_merge_apply(); G_IO_ERROR_CANCELLED, G_IO_ERROR_NO_SPACE.
 * Returns: (transfer full): the model, or NULL with @error set and nothing left behind.
 */
ScopeWanModel *scope_wan_model_load(ScopeContext *ctx, const ScopeWanLoadOptions *options,
                                    GError **error);

/**
 * scope_wan_model_destroy:
 * @model: (nullable): no pass may be running
 *
 * Thread: any. Errors: none. Returns: nothing.
 */
void scope_wan_model_destroy(ScopeWanModel *model);

/** scope_wan_model_get_config: (transfer none): the resolved dimensions. Thread: any. */
const ScopeWanConfig *scope_wan_model_get_config(const ScopeWanModel *model);

/** scope_wan_model_get_n_adapters: run-time adapters: length of lora_scales. Thread: any. */
guint scope_wan_model_get_n_adapters(const ScopeWanModel *model);

/** scope_wan_model_get_weights_bytes: bytes held beside the mapped files. Thread: any. */
size_t scope_wan_model_get_weights_bytes(const ScopeWanModel *model);

/**
 * ScopeWanPass: one forward pass over F latent frames of 2h x 2w; fs = h*w tokens a frame. All
 * borrowed. Without @cache every token sees what @block_frames and @window_frames say; with it,
 * what the cache says.
 */
typedef struct {
    ScopeTensor latents;      /**< [F, in_dim, 2h, 2w] f32, any strides */
    ScopeTensor flow;         /**< [F, out_dim, 2h, 2w] f32, any strides; none: output not wanted */
    const float *timesteps;   /**< [F], 0..1000 */
    ScopeWanText *text;       /**< prompt of the session */
    ScopeWanCache *cache;     /**< (nullable) */
    ScopeWanCacheCall call;   /**< with @cache: what this pass does to it */
    int64_t start_frame;      /**< with @cache: position of the first frame in the stream */
    int block_frames;         /**< uncached: frames of a causal block; 0: all see all */
    int window_frames;        /**< uncached with blocks: frames seen back from a block's end;
                                   SCOPE_WAN_WINDOW_ALL: all */
    gboolean fill_cache;      /**< uncached with @cache: store keys and values of the pass in it */
    ScopeTensor vace_context; /**< none, or [vace_in_dim, Fc, 2h, 2w] f32, any strides */
    float vace_scale;         /**< factor of the hints */
    gboolean pad_keys;        /**< VACE: zero keys up to a multiple of 128 take part, as in the
                                   reference's masked kernel */
    const float *lora_scales; /**< (nullable): [run-time adapters of the model] */
    const ScopeModelTap *tap; /**< (nullable): sees intermediate results as [rows, columns] */
} ScopeWanPass;

/**
 * scope_wan_model_run:
 * @ctx: a context of the backend that the model was loaded with
 * @model: borrowed
 * @pass: see there
 *
 * Runs the transformer. The result does not depend on the number of threads.
 * Thread: worker. Blocks: one pass. Allocates: nothing but scratch. Errors: none (asserts on wrong
 * shapes; device errors wait in the context).
 * Returns: nothing.
 */
void scope_wan_model_run(ScopeContext *ctx, const ScopeWanModel *model, const ScopeWanPass *pass);

/**
 * scope_wan_model_scratch_bytes:
 * @model: borrowed
 * @n_tokens: tokens of the largest pass
 * @n_keys: keys that it attends at most
 *
 * Thread: any. Errors: none.
 * Returns: bytes of scratch that a pass takes at most, but for what single ops take.
 */
size_t scope_wan_model_scratch_bytes(const ScopeWanModel *model, int64_t n_tokens, int64_t n_keys);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeWanModel, scope_wan_model_destroy)

G_END_DECLS
