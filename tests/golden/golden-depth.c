/* SPDX-License-Identifier: Apache-2.0 */
/* The "video-depth-anything" family: a whole window with module outputs, both streams, a clip in
 * windows, and the helpers. Main thread. */
#include "golden-families.h"

#include <stdio.h>
#include <string.h>

#include "engine/scope-ops.h"
#include "golden-models.h"
#include "models/scope-vda.h"

static const char *const known_top[] = {"config", "tolerances", "meaning", "model",
                                        "case",   "weights",    "frames",  "height",
                                        "width",  "input_size", "chunk",   NULL};
static const char *const known_config[] = {"embed_dim",    "vit_heads",
                                           "vit_depth",    "taps",
                                           "patch",        "pos_grid",
                                           "features",     "out_channels",
                                           "motion_heads", "groupnorm_groups",
                                           "num_frames",   "image_mean",
                                           "image_std",    NULL};

typedef struct {
    GoldenCase *c;
    GoldenEngine *engine;
    ScopeVda *vda;
    GHashTable *parts; /* watched name -> Part */
} Depth;

/* A watched result whose frames come in several calls. */
typedef struct {
    ScopeTensor all; /* [T, h, w, C] */
    int64_t n;       /* frames so far */
} Part;

static void
depth_close(Depth *d)
{
    g_clear_pointer(&d->parts, g_hash_table_unref);
    scope_vda_unload(d->vda);
    golden_engine_close(d->engine);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Depth, depth_close)

/* What the configuration says beside the options of the loader. */
static gboolean
check_config(Depth *d, GError **error)
{
    static const double mean[3] = {0.485, 0.456, 0.406}, std[3] = {0.229, 0.224, 0.225};
    ScopeCheckpoint *weights = golden_weights(d->c, NULL);
    const ScopeCheckpointTensor *patch =
        scope_checkpoint_find(weights, "pretrained.patch_embed.proj.weight");
    const ScopeCheckpointTensor *layer =
        scope_checkpoint_find(weights, "head.scratch.layer1_rn.weight");
    int n_mean, n_std, n_out;
    const double *case_mean = golden_doubles(d->c, "config.image_mean", &n_mean);
    const double *case_std = golden_doubles(d->c, "config.image_std", &n_std);
    const gint64 *out = golden_ints(d->c, "config.out_channels", &n_out);

    if ((case_mean != NULL && (n_mean != 3 || memcmp(mean, case_mean, sizeof mean) != 0)) ||
        (case_std != NULL && (n_std != 3 || memcmp(std, case_std, sizeof std) != 0))) {
        return golden_not_understood(error, "image_mean and image_std");
    }
    if (golden_int(d->c, "config.num_frames", SCOPE_VDA_WINDOW) != SCOPE_VDA_WINDOW) {
        return golden_not_understood(error, "num_frames");
    }
    golden_check_member(d->c, "config.embed_dim", patch->shape[0]);
    golden_check_member(d->c, "config.patch", patch->shape[2]);
    golden_check_member(d->c, "config.features", layer->shape[0]);
    for (int i = 0; i < n_out; i++) {
        g_autofree char *name = g_strdup_printf("head.projects.%d.weight", i);
        const ScopeCheckpointTensor *project = scope_checkpoint_find(weights, name);
        golden_check(d->c, project != NULL && project->shape[0] == out[i], "out_channels %d", i);
    }
    return TRUE;
}

static gboolean
depth_open(Depth *d, GoldenCase *c, GError **error)
{
    ScopeVdaOptions options = {
        .n_heads = (int)golden_int(c, "config.vit_heads", 0),
        .n_motion_heads = (int)golden_int(c, "config.motion_heads", 0),
        .n_groups = (int)golden_int(c, "config.groupnorm_groups", 0),
    };
    ScopeCheckpoint *weights;
    int n_taps;
    const gint64 *taps = golden_ints(c, "config.taps", &n_taps);

    *d = (Depth){.c = c, .parts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
    if (!golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    if (n_taps != SCOPE_VDA_N_TAPS) {
        return golden_not_understood(error, "taps");
    }
    for (int i = 0; i < n_taps; i++) {
        options.taps[i] = (int)taps[i];
    }
    weights = golden_weights(c, error);
    d->engine = weights != NULL ? golden_engine_open(c, error) : NULL;
    d->vda = d->engine != NULL ? scope_vda_load(d->engine->ctx, weights, &options, error) : NULL;
    return d->vda != NULL && check_config(d, error);
}

/* -- Whole window ----------------------------------------------------------------------------- */

/* Frames of a watched result are collected until there are as many as recorded; a reference that
 * ran in micro batches has recorded the first batch only. */
static void
watch(const char *name, ScopeTensor value, void *user_data)
{
    Depth *d = user_data;
    const GoldenTensor *want = golden_out(d->c, name);
    gboolean motion = g_str_has_prefix(name, "head.motion_modules");
    Part *part;
    int64_t n_want, n;

    if (want == NULL) {
        return;
    }
    if (value.ndim == 3) {
        golden_engine_check(d->engine, d->c, name, value);
        return;
    }
    n_want = motion ? want->shape[2] : want->shape[0];
    part = g_hash_table_lookup(d->parts, name);
    if (part == NULL) {
        part = g_new0(Part, 1);
        part->all = golden_engine_alloc(
            d->engine, SCOPE_SHAPE(n_want, value.shape[1], value.shape[2], value.shape[3]));
        g_hash_table_insert(d->parts, g_strdup(name), part);
    }
    n = MIN(value.shape[0], n_want - part->n);
    if (n == 0) {
        return;
    }
    scope_op_copy(d->engine->ctx, scope_tensor_slice(part->all, 0, part->n, part->n + n),
                  scope_tensor_slice(value, 0, 0, n));
    part->n += n;
    if (part->n == n_want) {
        golden_engine_check(d->engine, d->c, name,
                            scope_tensor_permute(part->all, motion ? SCOPE_ORDER(3, 0, 1, 2)
                                                                   : SCOPE_ORDER(0, 3, 1, 2)));
    }
}

gboolean
golden_run_depth_forward(GoldenCase *c, GError **error)
{
    g_auto(Depth) d = {0};
    ScopeModelTap tap = {.fn = watch, .user_data = &d};
    ScopeTensor frames, depth, packed;

    if (!depth_open(&d, c, error)) {
        return FALSE;
    }
    frames = golden_engine_in(d.engine, c, "frames_normalised", 4, error);
    if (scope_tensor_is_none(frames)) {
        return FALSE;
    }
    frames = scope_tensor_permute(frames, SCOPE_ORDER(0, 2, 3, 1));
    if (frames.shape[0] < 1 || frames.shape[0] > SCOPE_VDA_WINDOW || frames.shape[3] != 3 ||
        frames.shape[1] % scope_vda_get_patch(d.vda) != 0 ||
        frames.shape[2] % scope_vda_get_patch(d.vda) != 0) {
        return golden_not_understood(error, "%d frames of %dx%d", (int)frames.shape[0],
                                     (int)frames.shape[2], (int)frames.shape[1]);
    }
    packed = golden_engine_alloc(d.engine, frames.ndim, frames.shape);
    scope_op_copy(d.engine->ctx, packed, frames);
    depth = golden_engine_alloc(d.engine,
                                SCOPE_SHAPE(frames.shape[0], frames.shape[1], frames.shape[2]));
    scope_vda_run_window(d.engine->ctx, d.vda, depth, packed, &tap);
    golden_engine_check(d.engine, c, "depth", depth);
    return TRUE;
}

/* -- Streams and clips ------------------------------------------------------------------------ */

/* "frames_u8" as it lies in the file. */
static ScopeTensor
frames_of(Depth *d, GError **error)
{
    const GoldenTensor *frames = golden_in(d->c, "frames_u8", error);

    if (frames == NULL) {
        return SCOPE_TENSOR_NONE;
    }
    if (frames->stored->type != SCOPE_STORED_U8 || frames->rank != 4) {
        golden_not_understood(error, "frames_u8 is not u8 with 4 dimensions");
        return SCOPE_TENSOR_NONE;
    }
    return scope_tensor_wrap(
        SCOPE_DTYPE_U8, frames->stored->data,
        SCOPE_SHAPE(frames->shape[0], frames->shape[1], frames->shape[2], frames->shape[3]));
}

static void
run_frames(Depth *d, ScopeVdaStream *stream, ScopeTensor depth, ScopeTensor frames, int64_t begin,
           int64_t end)
{
    for (int64_t i = begin; i < end; i++) {
        scope_vda_stream_run(d->engine->ctx, stream, scope_tensor_select(depth, 0, i),
                             scope_tensor_select(frames, 0, i));
    }
}

static void
check_network_input(Depth *d, ScopeTensor frames, int64_t input_size)
{
    int64_t h, w;
    ScopeTensor input;

    if (!golden_has_out(d->c, "net_input_frame0")) {
        return;
    }
    scope_vda_get_network_size(d->vda, frames.shape[1], frames.shape[2], input_size, &h, &w);
    input = golden_engine_alloc(d->engine, SCOPE_SHAPE(1, h, w, 3));
    scope_vda_prepare_frames(d->engine->ctx, input, scope_tensor_slice(frames, 0, 0, 1));
    golden_engine_check(
        d->engine, d->c, "net_input_frame0",
        scope_tensor_permute(scope_tensor_select(input, 0, 0), SCOPE_ORDER(2, 0, 1)));
}

gboolean
golden_run_depth_stream(GoldenCase *c, GError **error)
{
    gboolean previous = strstr(golden_get_kind(c), "prev-frame") != NULL;
    g_auto(Depth) d = {0};
    g_autoptr(ScopeVdaStream) stream = NULL;
    ScopeTensor frames, depth, normalised;
    int64_t n, chunk, input_size;

    if (!depth_open(&d, c, error) || !golden_require_int(c, "input_size", &input_size, error)) {
        return FALSE;
    }
    frames = frames_of(&d, error);
    if (scope_tensor_is_none(frames)) {
        return FALSE;
    }
    n = frames.shape[0];
    stream = scope_vda_stream_create(d.engine->ctx, d.vda,
                                     previous ? SCOPE_VDA_MEMORY_PREVIOUS : SCOPE_VDA_MEMORY_WINDOW,
                                     frames.shape[1], frames.shape[2], input_size, error);
    if (stream == NULL) {
        return FALSE;
    }
    depth = golden_engine_alloc(d.engine, SCOPE_SHAPE(n, frames.shape[1], frames.shape[2]));
    normalised = golden_engine_alloc(d.engine, depth.ndim, depth.shape);
    chunk = previous ? golden_int(c, "chunk", 0) : n;
    if (chunk < 1) {
        return golden_not_understood(error, "chunk");
    }
    for (int64_t i = 0; i < n; i += chunk) {
        int64_t end = MIN(i + chunk, n);
        scope_vda_stream_reset(stream);
        run_frames(&d, stream, depth, frames, i, end);
        scope_vda_normalise(d.engine->ctx, scope_tensor_slice(normalised, 0, i, end),
                            scope_tensor_slice(depth, 0, i, end));
    }
    check_network_input(&d, frames, input_size);
    golden_engine_check(d.engine, c, "depth", depth);
    if (golden_has_out(c, "depth_normalised_per_chunk")) {
        golden_engine_check(d.engine, c, "depth_normalised_per_chunk", normalised);
    }
    return TRUE;
}

gboolean
golden_run_depth_clip(GoldenCase *c, GError **error)
{
    g_auto(Depth) d = {0};
    ScopeTensor frames, depth;
    int64_t input_size;

    if (!depth_open(&d, c, error) || !golden_require_int(c, "input_size", &input_size, error)) {
        return FALSE;
    }
    frames = frames_of(&d, error);
    if (scope_tensor_is_none(frames)) {
        return FALSE;
    }
    depth = golden_engine_alloc(d.engine,
                                SCOPE_SHAPE(frames.shape[0], frames.shape[1], frames.shape[2]));
    scope_vda_run_clip(d.engine->ctx, d.vda, depth, frames, input_size);
    golden_engine_check(d.engine, c, "depth", depth);
    return TRUE;
}

/* -- Helpers ---------------------------------------------------------------------------------- */

/* "cubic_HxW" and "torch_bicubic_HxW": the image resized. */
static gboolean
check_resizes(GoldenEngine *engine, GoldenCase *c, const char *prefix, GError **error)
{
    const ScopeResizeOptions cubic = {.mode = SCOPE_RESIZE_BICUBIC};
    g_autofree char *pattern = g_strconcat(prefix, "*", NULL);
    ScopeTensor image = golden_engine_in(engine, c, "image", 3, error);

    if (scope_tensor_is_none(image)) {
        return FALSE;
    }
    image =
        scope_tensor_reshape(image, SCOPE_SHAPE(1, image.shape[0], image.shape[1], image.shape[2]));
    for (const char *const *name = golden_list(c, pattern); *name != NULL; name++) {
        int h = 0, w = 0, n_read = -1;
        ScopeTensor resized;
        if (sscanf(*name + strlen(prefix), "%dx%d%n", &h, &w, &n_read) != 2 || h < 1 || w < 1 ||
            strlen(*name) != strlen(prefix) + (gsize)n_read) {
            return golden_not_understood(error, "%s", *name);
        }
        resized = golden_engine_alloc(engine, SCOPE_SHAPE(1, h, w, image.shape[3]));
        scope_op_resize(engine->ctx, resized, image, &cubic);
        golden_engine_check(engine, c, *name, resized);
    }
    return TRUE;
}

gboolean
golden_run_depth_helpers(GoldenCase *c, GError **error)
{
    const gint64 shape[1] = {2};
    g_autoptr(GoldenEngine) engine = golden_engine_open(c, error);
    ScopeTensor prediction, target;
    double scale, shift;
    float pair[2];

    if (engine == NULL || !golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    prediction = golden_engine_in(engine, c, "prediction", 3, error);
    target = scope_tensor_is_none(prediction) ? prediction
                                              : golden_engine_in(engine, c, "target", 3, error);
    if (scope_tensor_is_none(target)) {
        return FALSE;
    }
    scope_vda_fit(engine->ctx, prediction, target, &scale, &shift);
    pair[0] = (float)scale;
    pair[1] = (float)shift;
    golden_check_f32(c, "scale_shift", 1, shape, pair);
    return check_resizes(engine, c, "cubic_", error) &&
           check_resizes(engine, c, "torch_bicubic_", error);
}
