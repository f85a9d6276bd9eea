/* SPDX-License-Identifier: Apache-2.0 */
/* The "processors" family: frame conversions, gray, contours, optical flow and its colours. Main
 * thread. */
#include "golden-families.h"

#include <stdio.h>
#include <string.h>

#include "engine/scope-ops.h"
#include "golden-models.h"
#include "models/scope-contour.h"
#include "models/scope-flow-image.h"
#include "models/scope-raft.h"
#include "models/scope-video-convert.h"
#include "pipelines/controller-viz/scope-controller-drawing.h"

static const char *const known_top[] = {"config", "tolerances", "meaning", "model",
                                        "case",   "weights",    NULL};

/* An integer input as a HOST u8 tensor; no tensor with @error set when it is something else. */
static ScopeTensor
u8_in(GoldenCase *c, const char *name, int rank, GError **error)
{
    const GoldenTensor *tensor = golden_in(c, name, error);
    int64_t shape[SCOPE_TENSOR_MAX_DIMS];

    if (tensor == NULL) {
        return SCOPE_TENSOR_NONE;
    }
    if (tensor->stored->type != SCOPE_STORED_U8 || tensor->rank != rank) {
        golden_not_understood(error, "'%s' is not u8 with %d dimensions", name, rank);
        return SCOPE_TENSOR_NONE;
    }
    for (int i = 0; i < rank; i++) {
        shape[i] = tensor->shape[i];
    }
    return scope_tensor_wrap(SCOPE_DTYPE_U8, tensor->stored->data, rank, shape);
}

static void
check_u8_exact(GoldenEngine *engine, GoldenCase *c, const char *name, ScopeTensor value)
{
    g_autofree guint8 *bytes = g_malloc((gsize)scope_tensor_n_elements(value));

    scope_context_download(engine->ctx, bytes, value);
    golden_check_u8(c, name, scope_tensor_n_elements(value), bytes, 0, 0);
}

/* Truncated bytes against the recorded ones. Truncation is a step: where the float lies within its
 * tolerance of a whole number, either neighbour is a truncation of a value within the tolerance,
 * and both are accepted; everywhere else the bytes must be equal. */
static void
check_u8_truncated(GoldenEngine *engine, GoldenCase *c, const char *name, ScopeTensor bytes,
                   ScopeTensor floats)
{
    const GoldenTensor *want = golden_out(c, name);
    int64_t n = scope_tensor_n_elements(bytes);
    g_autofree guint8 *got = g_malloc((gsize)n);
    const float *values = golden_engine_download(engine, c, floats);
    double atol = golden_double(c, "tolerances.atol", 0);
    double rtol = golden_double(c, "tolerances.rtol", 0);

    scope_context_download(engine->ctx, got, bytes);
    for (int64_t i = 0; i < n && want != NULL && want->i64 != NULL && want->n == n; i++) {
        double value = (double)values[i], within = atol + rtol * value;
        golden_check(c, got[i] == (guint8)values[i], "%s: byte %d is no truncation", name, (int)i);
        if (got[i] != want->i64[i] && (want->i64[i] == (gint64)(value - within) ||
                                       want->i64[i] == (gint64)(value + within))) {
            got[i] = (guint8)want->i64[i];
        }
    }
    golden_check_u8(c, name, n, got, 0, 0);
}

/* -- Gray and conversions --------------------------------------------------------------------- */

gboolean
golden_run_gray(GoldenCase *c, GError **error)
{
    g_autoptr(GoldenEngine) engine = golden_engine_open(c, error);
    ScopeTensor frames, gray;

    if (engine == NULL || !golden_only_members(c, NULL, known_top, error)) {
        return FALSE;
    }
    frames = u8_in(c, "frames_u8", 4, error);
    if (scope_tensor_is_none(frames)) {
        return FALSE;
    }
    gray = golden_engine_alloc(engine, frames.ndim, frames.shape);
    scope_video_to_gray(engine->ctx, gray, frames);
    golden_engine_check(engine, c, "out", gray);
    return TRUE;
}

/* Resizing to the model's size, and of a frame to the size of the first. */
static gboolean
check_to_model(GoldenEngine *engine, GoldenCase *c, GError **error)
{
    ScopeTensor frames = u8_in(c, "frames_u8", 4, error), second, model, resized, resized_u8;
    int n_target;
    const gint64 *target = golden_ints(c, "config.target", &n_target);

    if (scope_tensor_is_none(frames)) {
        return FALSE;
    }
    second = u8_in(c, "mixed_second_u8", 4, error);
    if (scope_tensor_is_none(second)) {
        return FALSE;
    }
    if (n_target != 2) {
        return golden_not_understood(error, "target");
    }
    model = golden_engine_alloc(engine, SCOPE_SHAPE(frames.shape[0], target[0], target[1], 3));
    scope_video_to_model(engine->ctx, model, frames);
    golden_engine_check(engine, c, "preprocessed_bcthw",
                        scope_tensor_permute(model, SCOPE_ORDER(3, 0, 1, 2)));
    resized = golden_engine_alloc(
        engine, SCOPE_SHAPE(second.shape[0], frames.shape[1], frames.shape[2], 3));
    scope_video_resize(engine->ctx, resized, second);
    golden_engine_check(engine, c, "mixed_second_resized_f32", resized);
    resized_u8 = scope_arena_alloc(engine->arena, SCOPE_DTYPE_U8, resized.ndim, resized.shape);
    scope_video_resize(engine->ctx, resized_u8, second);
    check_u8_truncated(engine, c, "mixed_second_resized_u8", resized_u8, resized);
    return TRUE;
}

gboolean
golden_run_conversions(GoldenCase *c, GError **error)
{
    static const char *const known_config[] = {"target", NULL};
    g_autoptr(GoldenEngine) engine = golden_engine_open(c, error);
    ScopeTensor decoded, frames, bytes;

    if (engine == NULL || !golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error) ||
        !check_to_model(engine, c, error)) {
        return FALSE;
    }
    decoded = golden_engine_in(engine, c, "decoded_btchw", 5, error);
    if (scope_tensor_is_none(decoded)) {
        return FALSE;
    }
    if (decoded.shape[0] != 1) {
        return golden_not_understood(error, "a batch of %d", (int)decoded.shape[0]);
    }
    decoded = scope_tensor_permute(scope_tensor_select(decoded, 0, 0), SCOPE_ORDER(0, 2, 3, 1));
    frames = golden_engine_alloc(engine, decoded.ndim, decoded.shape);
    scope_video_from_model(engine->ctx, frames, decoded);
    golden_engine_check(engine, c, "postprocessed_thwc", frames);
    bytes = scope_arena_alloc(engine->arena, SCOPE_DTYPE_U8, frames.ndim, frames.shape);
    scope_video_to_u8(engine->ctx, bytes, frames, SCOPE_VIDEO_TRUNCATE);
    check_u8_exact(engine, c, "postprocessed_u8_truncated", bytes);
    scope_video_to_u8(engine->ctx, bytes, frames, SCOPE_VIDEO_ROUND);
    check_u8_exact(engine, c, "postprocessed_u8_rounded", bytes);
    return TRUE;
}

/* -- Contours --------------------------------------------------------------------------------- */

gboolean
golden_run_contour(GoldenCase *c, GError **error)
{
    static const char *const known_config[] = {"width", "residual_blocks", "in_hw", "out_hw", NULL};
    static const int order[4] = {0, 3, 1, 2};
    g_autoptr(GoldenEngine) engine = golden_engine_open(c, error);
    g_autoptr(ScopeContour) contour = NULL;
    ScopeCheckpoint *weights = golden_weights(c, error);
    GoldenTap watched = {.engine = engine, .c = c, .prefix = "", .order = order};
    ScopeModelTap tap = golden_tap(&watched);
    ScopeTensor bytes, frames, lines;
    const ScopeCheckpointTensor *first;

    if (engine == NULL || weights == NULL || !golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    contour = scope_contour_load(engine->ctx, weights, error);
    bytes = contour != NULL ? u8_in(c, "frames_u8", 4, error) : SCOPE_TENSOR_NONE;
    if (scope_tensor_is_none(bytes)) {
        return FALSE;
    }
    if (bytes.shape[1] < SCOPE_CONTOUR_MIN_SIZE || bytes.shape[2] < SCOPE_CONTOUR_MIN_SIZE) {
        return golden_not_understood(error, "frames below %d pixels", SCOPE_CONTOUR_MIN_SIZE);
    }
    first = scope_checkpoint_find(weights, "model0.1.weight");
    golden_check_member(c, "config.width", first->shape[0]);
    frames = golden_engine_alloc(engine, bytes.ndim, bytes.shape);
    scope_op_copy(engine->ctx, frames, bytes);
    scope_op_affine(engine->ctx, frames, frames, 1.0f / 255, 0);
    lines = golden_engine_alloc(
        engine, SCOPE_SHAPE(bytes.shape[0], scope_contour_get_output_size(bytes.shape[1]),
                            scope_contour_get_output_size(bytes.shape[2]), 1));
    scope_contour_run(engine->ctx, contour, lines, frames, &tap);
    golden_engine_check(engine, c, "out", lines);
    return TRUE;
}

/* -- Optical flow ----------------------------------------------------------------------------- */

typedef struct {
    GoldenEngine *engine;
    GoldenCase *c;
    gboolean lookup; /* compare the first correlation window and nothing else */
} RaftTap;

static void
watch_raft(const char *name, ScopeTensor value, void *user_data)
{
    RaftTap *tap = user_data;
    ScopeTensor planes = scope_tensor_permute(value, SCOPE_ORDER(0, 3, 1, 2));

    if (strcmp(name, "corr_lookup") != 0) {
        if (!tap->lookup) {
            golden_engine_check(tap->engine, tap->c, name, planes);
        }
    } else if (tap->lookup) {
        golden_engine_check(tap->engine, tap->c, "corr_lookup_at_grid_plus_0.37", planes);
        tap->lookup = FALSE;
    }
}

/* Flow of @frames after @n_updates against @name. */
static void
check_flow(GoldenEngine *engine, GoldenCase *c, const ScopeRaft *raft, const char *name,
           ScopeTensor frames, int n_updates, RaftTap *tap)
{
    ScopeRaftOptions options = {.n_updates = n_updates};
    ScopeTensor flow =
        golden_engine_alloc(engine, SCOPE_SHAPE(frames.shape[1], frames.shape[2], 2));

    if (tap != NULL) {
        options.tap = (ScopeModelTap){.fn = watch_raft, .user_data = tap};
    }
    scope_raft_run(engine->ctx, raft, flow, frames, &options);
    golden_engine_check(engine, c, name, scope_tensor_permute(flow, SCOPE_ORDER(2, 0, 1)));
}

/* One update from a flow of 0.37 in both directions: its first correlation window is recorded. */
static void
check_lookup(GoldenEngine *engine, GoldenCase *c, const ScopeRaft *raft, ScopeTensor frames)
{
    RaftTap tap = {.engine = engine, .c = c, .lookup = TRUE};
    ScopeTensor flow =
        golden_engine_alloc(engine, SCOPE_SHAPE(frames.shape[1], frames.shape[2], 2));
    ScopeRaftOptions options = {
        .n_updates = 1,
        .tap = {.fn = watch_raft, .user_data = &tap},
        .initial_flow = golden_engine_alloc(
            engine, SCOPE_SHAPE(frames.shape[1] / SCOPE_RAFT_SIZE_MULTIPLE,
                                frames.shape[2] / SCOPE_RAFT_SIZE_MULTIPLE, 2))};

    scope_op_fill(engine->ctx, options.initial_flow, 0.37f);
    scope_raft_run(engine->ctx, raft, flow, frames, &options);
}

gboolean
golden_run_raft(GoldenCase *c, GError **error)
{
    static const char *const known_config[] = {"variant", "levels", "radius", NULL};
    g_autoptr(GoldenEngine) engine = golden_engine_open(c, error);
    g_autoptr(ScopeRaft) raft = NULL;
    ScopeCheckpoint *weights = golden_weights(c, error);
    RaftTap tap = {.engine = engine, .c = c};
    const char *variant = golden_string(c, "config.variant", NULL);
    ScopeTensor frames;

    if (engine == NULL || weights == NULL || !golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    raft = scope_raft_load(engine->ctx, weights, error);
    frames = raft != NULL ? golden_engine_in(engine, c, "image_pm1", 4, error) : SCOPE_TENSOR_NONE;
    if (scope_tensor_is_none(frames)) {
        return FALSE;
    }
    if (golden_int(c, "config.levels", 4) != 4 || frames.shape[0] != 2 || frames.shape[1] != 3 ||
        frames.shape[2] < SCOPE_RAFT_MIN_SIZE || frames.shape[3] < SCOPE_RAFT_MIN_SIZE ||
        frames.shape[2] % SCOPE_RAFT_SIZE_MULTIPLE != 0 ||
        frames.shape[3] % SCOPE_RAFT_SIZE_MULTIPLE != 0) {
        return golden_not_understood(error, "levels, number or size of the images");
    }
    golden_check(
        c, variant == NULL || strcmp(variant, scope_raft_is_large(raft) ? "large" : "small") == 0,
        "variant %s", variant);
    golden_check_member(c, "config.radius", scope_raft_get_radius(raft));
    frames = scope_tensor_permute(frames, SCOPE_ORDER(0, 2, 3, 1));
    check_lookup(engine, c, raft, frames);
    for (const char *const *name = golden_list(c, "flow_after_*"); *name != NULL; name++) {
        int n = 0, n_read = -1;
        sscanf(*name, "flow_after_%d_update%n", &n, &n_read);
        if (n < 1 || n_read < 0 ||
            (strcmp(*name + n_read, "") != 0 && strcmp(*name + n_read, "s") != 0)) {
            return golden_not_understood(error, "%s", *name);
        }
        check_flow(engine, c, raft, *name, frames, n, &tap);
    }
    scope_op_affine(engine->ctx, frames, frames, 127.5f, 127.5f);
    check_flow(engine, c, raft, "flow_12_updates_from_0_255_input", frames, 12, NULL);
    return TRUE;
}

/* -- Colours of flow -------------------------------------------------------------------------- */

gboolean
golden_run_flow_image(GoldenCase *c, GError **error)
{
    static const char *const tolerances[] = {"u8_off_by_one_fraction", NULL};
    const gint64 wheel_shape[2] = {SCOPE_FLOW_IMAGE_N_COLOURS, 3};
    const GoldenTensor *flow = golden_in(c, "flow", error);
    const GoldenTensor *zero = golden_out(c, "zero_flow_image_u8");
    double fraction = golden_double(c, "tolerances.u8_off_by_one_fraction", 0);
    float wheel[SCOPE_FLOW_IMAGE_N_COLOURS][3];

    if (flow == NULL || !golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "tolerances", tolerances, error)) {
        return FALSE;
    }
    if (flow->rank != 3 || flow->shape[0] != 2 || (zero != NULL && zero->rank != 3)) {
        return golden_not_understood(error, "shape of flow");
    }
    scope_flow_image_get_wheel(wheel);
    golden_check_f32_within(c, "colorwheel", 2, wheel_shape, &wheel[0][0], 0, 0);
    for (int is_zero = 0; is_zero < (zero != NULL ? 2 : 1); is_zero++) {
        const gint64 *shape = is_zero ? zero->shape : flow->shape;
        int64_t n = shape[1] * shape[2];
        float *pairs = golden_alloc(c, (gsize)n * 2);
        g_autofree guint8 *rgb = g_malloc((gsize)n * 3);
        g_autofree guint8 *planes = g_malloc((gsize)n * 3);

        for (int64_t i = 0; i < n * 2 && !is_zero; i++) {
            pairs[i] = flow->f32[(i % 2) * n + i / 2];
        }
        scope_flow_image_draw(rgb, pairs, shape[1], shape[2]);
        for (int64_t i = 0; i < n * 3; i++) {
            planes[(i % 3) * n + i / 3] = rgb[i];
        }
        golden_check_u8(c, is_zero ? "zero_flow_image_u8" : "image_u8", n * 3, planes, 1, fraction);
    }
    return TRUE;
}

/* -- Controller view -------------------------------------------------------------------------- */

typedef struct {
    float *pixels; /* [height, width, 3] */
    gint width;
} Canvas;

static void
fill_canvas(gint left, gint top, gint width, gint height, const gdouble rgb[3], gpointer user_data)
{
    const Canvas *canvas = user_data;

    for (gint y = top; y < top + height; y++) {
        for (gint x = left; x < left + width; x++) {
            for (int i = 0; i < 3; i++) {
                canvas->pixels[(y * canvas->width + x) * 3 + i] = (float)rgb[i];
            }
        }
    }
}

/* One entry of "inputs": moves the cursor and tells what is held. */
static gboolean
apply_input(ScopeController *view, JsonObject *input, GPtrArray *held, GError **error)
{
    JsonArray *buttons = json_object_get_array_member(input, "buttons");
    JsonArray *delta = json_object_get_array_member(input, "mouse_delta");

    if (buttons == NULL || delta == NULL || json_array_get_length(delta) != 2 ||
        json_object_get_size(input) != 2) {
        return golden_not_understood(error, "an input");
    }
    g_ptr_array_set_size(held, 0);
    for (guint i = 0; i < json_array_get_length(buttons); i++) {
        g_ptr_array_add(held, (gpointer)json_array_get_string_element(buttons, i));
    }
    view->held = (const char *const *)held->pdata;
    view->n_held = held->len;
    scope_controller_move(view, json_array_get_double_element(delta, 0),
                          json_array_get_double_element(delta, 1));
    return TRUE;
}

gboolean
golden_run_controller(GoldenCase *c, GError **error)
{
    static const char *const known_config[] = {"height", "width", "inputs", NULL};
    g_autoptr(GPtrArray) held = g_ptr_array_new();
    JsonNode *node = golden_node(c, "config.inputs");
    JsonArray *inputs =
        node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    gint64 shape[4] = {0, golden_int(c, "config.height", 0), golden_int(c, "config.width", 0), 3};
    ScopeController view;
    float *frames;

    if (!golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    if (inputs == NULL || shape[1] < 1 || shape[2] < 1) {
        return golden_not_understood(error, "inputs or size");
    }
    shape[0] = json_array_get_length(inputs);
    frames = golden_alloc(c, (gsize)(shape[0] * shape[1] * shape[2] * 3));
    scope_controller_init(&view, (gint)shape[2], (gint)shape[1]);
    for (guint i = 0; i < json_array_get_length(inputs); i++) {
        Canvas canvas = {frames + (gint64)i * shape[1] * shape[2] * 3, (gint)shape[2]};
        if (!apply_input(&view, json_array_get_object_element(inputs, i), held, error)) {
            return FALSE;
        }
        scope_controller_draw(&view, fill_canvas, &canvas);
    }
    golden_check_f32(c, "frames", 4, shape, frames);
    return TRUE;
}
