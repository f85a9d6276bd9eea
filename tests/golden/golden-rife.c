/* SPDX-License-Identifier: Apache-2.0 */
/* The "rife" family: a frame between two with the results of each block, doubling of a clip, and
 * the warp. Main thread. */
#include "golden-families.h"

#include <stdio.h>
#include <string.h>

#include "engine/scope-ops.h"
#include "golden-models.h"
#include "models/scope-rife.h"

static const char *const known_top[] = {"config",  "tolerances", "meaning", "model", "case",
                                        "weights", "frames",     "height",  "width", NULL};
static const char *const known_config[] = {
    "block_widths",     "blocks",       "scale_list", "head_channels",
    "feature_channels", "pad_multiple", NULL};

typedef struct {
    GoldenCase *c;
    GoldenEngine *engine;
    ScopeRife *rife;
} Rife;

static void
rife_close(Rife *r)
{
    scope_rife_unload(r->rife);
    golden_engine_close(r->engine);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rife, rife_close)

static gboolean
check_config(Rife *r, GError **error)
{
    int n_widths, n_scales, n = scope_rife_get_n_blocks(r->rife);
    const gint64 *widths = golden_ints(r->c, "config.block_widths", &n_widths);
    const gint64 *scales = golden_ints(r->c, "config.scale_list", &n_scales);
    ScopeCheckpoint *weights = golden_weights(r->c, NULL);
    const ScopeCheckpointTensor *head = scope_checkpoint_find(weights, "encode.cnn0.weight");
    const ScopeCheckpointTensor *feature = scope_checkpoint_find(weights, "encode.cnn3.weight");

    golden_check_member(r->c, "config.blocks", n);
    if ((n_widths != n && n_widths > 0) || (n_scales != n && n_scales > 0)) {
        return golden_not_understood(error, "%d blocks", n);
    }
    for (int i = 0; i < n; i++) {
        golden_check(r->c, n_widths == 0 || scope_rife_get_block_width(r->rife, i) == widths[i],
                     "width of block %d", i);
        if (n_scales > 0 && scales[i] != 1 << (n - 1 - i)) {
            return golden_not_understood(error, "scale_list");
        }
    }
    if (head != NULL && feature != NULL) {
        golden_check_member(r->c, "config.head_channels", head->shape[0]);
        golden_check_member(r->c, "config.feature_channels", feature->shape[1]);
    }
    golden_check_member(r->c, "config.pad_multiple", scope_rife_get_pad_multiple(r->rife));
    return TRUE;
}

static gboolean
rife_open(Rife *r, GoldenCase *c, GError **error)
{
    ScopeCheckpoint *weights;

    *r = (Rife){.c = c};
    if (!golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    weights = golden_weights(c, error);
    r->engine = weights != NULL ? golden_engine_open(c, error) : NULL;
    r->rife = r->engine != NULL ? scope_rife_load(r->engine->ctx, weights, error) : NULL;
    return r->rife != NULL && check_config(r, error);
}

gboolean
golden_run_rife_pair(GoldenCase *c, GError **error)
{
    static const int order[4] = {0, 3, 1, 2};
    g_auto(Rife) r = {0};
    GoldenTap watched;
    ScopeModelTap tap;
    ScopeTensor images[2], mid;

    if (!rife_open(&r, c, error)) {
        return FALSE;
    }
    for (int i = 0; i < 2; i++) {
        images[i] = golden_engine_in(r.engine, c, i == 0 ? "img0" : "img1", 3, error);
        if (scope_tensor_is_none(images[i])) {
            return FALSE;
        }
        images[i] = scope_tensor_permute(images[i], SCOPE_ORDER(1, 2, 0));
    }
    if (!scope_tensor_same_shape(images[0], images[1]) || images[0].shape[2] != 3 ||
        images[0].shape[0] % scope_rife_get_pad_multiple(r.rife) != 0 ||
        images[0].shape[1] % scope_rife_get_pad_multiple(r.rife) != 0) {
        return golden_not_understood(error, "images that are not padded");
    }
    watched = (GoldenTap){.engine = r.engine, .c = c, .prefix = "", .order = order};
    tap = golden_tap(&watched);
    mid = golden_engine_alloc(r.engine, images[0].ndim, images[0].shape);
    for (const char *const *name = golden_list(c, "mid_t*"); *name != NULL; name++) {
        char *end;
        double time = g_ascii_strtod(*name + strlen("mid_t"), &end);
        if (*end != '\0' || !(time > 0 && time < 1)) {
            return golden_not_understood(error, "%s", *name);
        }
        /* the block results are recorded at 0.5 */
        scope_rife_interpolate(r.engine->ctx, r.rife, mid, images[0], images[1], (float)time,
                               time == 0.5 ? &tap : NULL);
        golden_engine_check(r.engine, c, *name, scope_tensor_permute(mid, SCOPE_ORDER(2, 0, 1)));
    }
    return TRUE;
}

gboolean
golden_run_rife_doubling(GoldenCase *c, GError **error)
{
    g_auto(Rife) r = {0};
    const GoldenTensor *frames = golden_in(c, "frames_u8", error);
    ScopeTensor input, floats, doubled, bytes, between;
    g_autofree guint8 *host = NULL;
    int64_t n;

    if (frames == NULL || !rife_open(&r, c, error)) {
        return FALSE;
    }
    if (frames->stored->type != SCOPE_STORED_U8 || frames->rank != 4 || frames->shape[3] != 3) {
        return golden_not_understood(error, "frames_u8 is not u8 [T, H, W, 3]");
    }
    n = frames->shape[0];
    input = scope_tensor_wrap(SCOPE_DTYPE_U8, frames->stored->data,
                              SCOPE_SHAPE(n, frames->shape[1], frames->shape[2], 3));
    floats = golden_engine_alloc(r.engine, input.ndim, input.shape);
    scope_op_copy(r.engine->ctx, floats, input);
    scope_op_affine(r.engine->ctx, floats, floats, 1.0f / 255, 0);
    doubled = golden_engine_alloc(r.engine,
                                  SCOPE_SHAPE(2 * n - 1, frames->shape[1], frames->shape[2], 3));
    scope_rife_double(r.engine->ctx, r.rife, doubled, floats);
    between = scope_tensor_as_strided(
        doubled, doubled.stride[0], SCOPE_SHAPE(n - 1, 3, doubled.shape[1], doubled.shape[2]),
        (const int64_t[]){2 * doubled.stride[0], 1, doubled.stride[1], doubled.stride[2]});
    golden_engine_check(r.engine, c, "mid_float", between);
    bytes = scope_arena_alloc(r.engine->arena, SCOPE_DTYPE_U8, doubled.ndim, doubled.shape);
    scope_rife_double_u8(r.engine->ctx, r.rife, bytes, input);
    host = g_malloc((gsize)scope_tensor_n_elements(bytes));
    scope_context_download(r.engine->ctx, host, bytes);
    /* the case allows a difference of 1; values at a step of the truncation are rare */
    golden_check_u8(c, "out_u8", scope_tensor_n_elements(bytes), host, 1, 0.05);
    return TRUE;
}

gboolean
golden_run_rife_warp(GoldenCase *c, GError **error)
{
    g_autoptr(GoldenEngine) engine = golden_engine_open(c, error);
    ScopeTensor image, flow, packed, moved, warped;
    int64_t h, w;

    if (engine == NULL || !golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    image = golden_engine_in(engine, c, "image", 3, error);
    flow = scope_tensor_is_none(image) ? image : golden_engine_in(engine, c, "flow", 3, error);
    if (scope_tensor_is_none(flow)) {
        return FALSE;
    }
    h = image.shape[1];
    w = image.shape[2];
    packed = golden_engine_alloc(engine, SCOPE_SHAPE(1, h, w, image.shape[0]));
    moved = golden_engine_alloc(engine, SCOPE_SHAPE(1, h, w, 2));
    warped = golden_engine_alloc(engine, packed.ndim, packed.shape);
    scope_op_copy(engine->ctx, scope_tensor_select(packed, 0, 0),
                  scope_tensor_permute(image, SCOPE_ORDER(1, 2, 0)));
    scope_op_copy(engine->ctx, scope_tensor_select(moved, 0, 0),
                  scope_tensor_permute(flow, SCOPE_ORDER(1, 2, 0)));
    scope_op_grid_sample(engine->ctx, warped, packed, moved, SCOPE_SAMPLE_FLOW, SCOPE_PAD_BORDER);
    golden_engine_check(
        engine, c, "warped",
        scope_tensor_permute(scope_tensor_select(warped, 0, 0), SCOPE_ORDER(2, 0, 1)));
    return TRUE;
}
