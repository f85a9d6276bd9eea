/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWanConfig: the dimensions of one Wan transformer. Comes from config.json where there is one
 * and from the shapes of the weights; where both tell a number they have to agree. Plain data, any
 * thread.
 */
#pragma once

#include "engine/checkpoint/scope-checkpoint.h"

G_BEGIN_DECLS

#define SCOPE_WAN_MAX_LAYERS   128
#define SCOPE_WAN_MAX_FREQ_DIM 4096

/** What config.json does not say and every published model shares. */
#define SCOPE_WAN_PATCH            2 /* pixels of a latent frame per token and axis */
#define SCOPE_WAN_DEFAULT_HEAD_DIM 128
#define SCOPE_WAN_DEFAULT_TEXT_LEN 512
#define SCOPE_WAN_DEFAULT_MAX_ROPE 1024 /* rows of the table of frame positions */

#define SCOPE_WAN_ERROR (scope_wan_error_quark())

/**
 * ScopeWanError:
 * @SCOPE_WAN_ERROR_CONFIG: config.json is malformed or contradicts the weights
 * @SCOPE_WAN_ERROR_UNSUPPORTED: a model or adapter of a kind that is not run here
 * @SCOPE_WAN_ERROR_INPUT: an input tensor has a wrong shape
 */
typedef enum {
    SCOPE_WAN_ERROR_CONFIG,
    SCOPE_WAN_ERROR_UNSUPPORTED,
    SCOPE_WAN_ERROR_INPUT,
} ScopeWanError;

/** scope_wan_error_quark: the domain of ScopeWanError. Thread: any. Errors: none. Returns: it. */
GQuark scope_wan_error_quark(void);

/** ScopeWanConfig: zero means "not told" until scope_wan_config_resolve() has run. */
typedef struct {
    int dim;                               /**< D, width of a token */
    int ffn_dim;                           /**< Fd, hidden width of the feed-forward part */
    int freq_dim;                          /**< width of the sinusoid of a timestep */
    int text_dim;                          /**< width of a prompt row */
    int text_len;                          /**< T, prompt rows after padding */
    int in_dim;                            /**< latent channels in */
    int out_dim;                           /**< latent channels out */
    int n_heads;                           /**< H; divides dim into an even head size */
    int n_layers;                          /**< L */
    double eps;                            /**< of every norm */
    int vace_in_dim;                       /**< channels of a VACE context; 0 without VACE */
    int n_vace_layers;                     /**< context blocks; 0 without VACE */
    int vace_layers[SCOPE_WAN_MAX_LAYERS]; /**< main layer that each context block belongs to,
                                                ascending */
} ScopeWanConfig;

/**
 * scope_wan_config_load:
 * @path: a config.json
 * @ret_config: what the file tells; the rest is zero
 * @error: (nullable) set on failure
 *
 * Unknown members are ignored. Refuses a model_type other than "t2v" and "vace".
 * Thread: any. Blocks: disk. Errors: GFileError, SCOPE_WAN_ERROR_CONFIG, _UNSUPPORTED.
 * Returns: TRUE, or FALSE with @error set and @ret_config untouched.
 */
gboolean scope_wan_config_load(const char *path, ScopeWanConfig *ret_config, GError **error);

/**
 * scope_wan_config_resolve:
 * @config: (inout): what is known from elsewhere; filled in
 * @config_name: (nullable): where that is from, for messages
 * @weights: state dictionary in the published names
 * @vace: (nullable): state dictionary with the vace_ tensors; may be @weights; NULL: no VACE
 * @error: (nullable) set on failure
 *
 * Derives every dimension from the tensors, compares it with @config, and fills in the defaults of
 * what tensors do not tell: heads of 128, 512 prompt rows, eps 1e-6, VACE layers evenly spread.
 * Thread: any. Errors: SCOPE_WAN_ERROR_CONFIG (a contradiction, naming both sides),
 * _UNSUPPORTED (image-to-video tensors), SCOPE_CHECKPOINT_ERROR_MISSING, _MISMATCH.
 * Returns: TRUE, or FALSE with @error set and @config untouched.
 */
gboolean scope_wan_config_resolve(ScopeWanConfig *config, const char *config_name,
                                  const ScopeCheckpoint *weights, const ScopeCheckpoint *vace,
                                  GError **error);

/**
 * scope_wan_name_is_diffusers:
 * @weights: a state dictionary
 *
 * Thread: any. Errors: none.
 * Returns: TRUE when the tensors carry the names of the diffusers layout.
 */
gboolean scope_wan_name_is_diffusers(const ScopeCheckpoint *weights);

/**
 * scope_wan_name_to_diffusers: (also scope_wan_name_from_diffusers)
 * @name: tensor or module name in the published (diffusers) layout
 *
 * Translates; a name without a counterpart is returned as it is.
 * Thread: any. Errors: none.
 * Returns: (transfer full): the name in the other layout.
 */
char *scope_wan_name_to_diffusers(const char *name);
char *scope_wan_name_from_diffusers(const char *name);

G_END_DECLS
