/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The utility pipelines on networks, through their descriptions: small random weights in the
 * published names, recorded references where they are at hand, files that are missing, every size
 * of frame, times, and chains before and after a main pipeline. Main thread.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "core/scope-chain.h"
#include "core/scope-frame.h"
#include "core/scope-host.h"
#include "engine/scope-backend.h"
#include "headers/scope-header-fill.h"
#include "headers/scope-model-layouts.h"
#include "models/scope-vda.h"
#include "pipelines/scope-builtin.h"
#include "support/scope-memory-fault.h"

#define RIFE_FILE     "RIFE/flownet.pkl"
#define SCRIBBLE_FILE "VACE-Annotators/scribble/anime_style/netG_A_latest.pth"
#define DEPTH_FILE    "Video-Depth-Anything-Small/video_depth_anything_vits.pth"
#define FLOW_FILE     "RAFT/raft_small_C_T_V2-01064c6d.pth"

static const ScopeDepthLayout tiny_depth = {64, 32, {8, 16, 32, 64}};

typedef struct {
    char *models_dir;
    ScopeHost host;
    ScopeRegistry *registry;
    ScopeInstance *instance;
    gpointer stream;
    GPtrArray *out; /* of ScopeFrame: what process() pushed */
    guint64 n_chunks;
} Fixture;

static void
collect(ScopeOutput *output, const char *port, ScopeFrame *frame)
{
    g_assert_cmpstr(port, ==, "video");
    g_ptr_array_add((GPtrArray *)(gpointer)output, frame);
}

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->models_dir = g_dir_make_tmp("scope-utilities-XXXXXX", &error);
    g_assert_no_error(error);
    scope_host_init(&f->host, f->models_dir);
    f->host.n_cpus = 1; /* threads of busy machines wait for each other */
    f->registry = scope_registry_new();
    g_assert_true(scope_builtin_register_all(f->registry, NULL));
    f->out = g_ptr_array_new_with_free_func((GDestroyNotify)scope_frame_unref);
}

static void
remove_tree(const char *path)
{
    GDir *folder = g_dir_open(path, 0, NULL);
    const char *name;

    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        remove_tree(child);
    }
    g_clear_pointer(&folder, g_dir_close);
    g_remove(path);
}

static void
close_stream(Fixture *f)
{
    if (f->stream != NULL)
        scope_instance_get_info(f->instance)->desc->stream_free(f->stream);
    f->stream = NULL;
    f->n_chunks = 0;
    g_clear_pointer(&f->instance, scope_instance_unref);
    g_ptr_array_set_size(f->out, 0);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    close_stream(f);
    g_ptr_array_unref(f->out);
    scope_registry_free(f->registry);
    remove_tree(f->models_dir);
    g_free(f->models_dir);
}

/* -- model files ------------------------------------------------------------------------------ */

static char *
make_place(Fixture *f, const char *file)
{
    char *path = g_build_filename(f->models_dir, file, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0755), ==, 0);
    return path;
}

static void
write_random(Fixture *f, const char *file, ScopeHeaderFile *layout)
{
    g_autofree char *path = make_place(f, file);

    g_assert_true(scope_header_file_write_safetensors(layout, path, 1));
    g_assert_true(scope_header_file_fill(layout, path, 7));
    scope_header_file_clear(layout);
}

static void
write_rife(Fixture *f)
{
    static const gint64 widths[] = {16, 12, 8, 8};
    ScopeHeaderFile layout;

    scope_header_file_init(&layout);
    scope_layout_rife(&layout, 4, widths);
    write_random(f, RIFE_FILE, &layout);
}

static void
write_scribble(Fixture *f)
{
    ScopeHeaderFile layout;

    scope_header_file_init(&layout);
    scope_layout_contour(&layout);
    write_random(f, SCRIBBLE_FILE, &layout);
}

static void
write_flow(Fixture *f)
{
    ScopeHeaderFile layout;

    scope_header_file_init(&layout);
    scope_layout_raft_small(&layout);
    write_random(f, FLOW_FILE, &layout);
}

static void
write_depth(Fixture *f)
{
    ScopeHeaderFile layout;

    scope_header_file_init(&layout);
    scope_layout_depth(&layout, &tiny_depth);
    write_random(f, DEPTH_FILE, &layout);
}

static ScopeInstance *
load(Fixture *f, const char *id, const char *key, const char *value, GError **error)
{
    g_autoptr(JsonObject) params = json_object_new();

    if (key != NULL)
        json_object_set_string_member(params, key, value);
    return scope_instance_load(scope_registry_lookup(f->registry, id), &f->host, NULL, params, NULL,
                               error);
}

static void
open_stream(Fixture *f, const char *id)
{
    g_autoptr(GError) error = NULL;

    f->host.output_push = collect;
    f->instance = load(f, id, NULL, NULL, &error);
    g_assert_no_error(error);
    f->stream = scope_instance_get_info(f->instance)
                    ->desc->stream_new(scope_instance_get_handle(f->instance), NULL, &error);
    g_assert_no_error(error);
}

/* -- frames ----------------------------------------------------------------------------------- */

/* A gradient that moves with @index, with times. */
static ScopeFrame *
make_frame(guint32 width, guint32 height, guint32 index)
{
    ScopeFrame *frame = scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, width, height);

    for (guint32 y = 0; y < height; y++) {
        for (guint32 x = 0; x < 3 * width; x++)
            frame->data[0][(gsize)y * frame->stride[0] + x] =
                (guint8)(x * 5 + y * 9 + index * 40 + (x * y) % 31);
    }
    frame->pts_us = 1000 + (gint64)index * 40000;
    frame->born_us = 500 + (gint64)index;
    return frame;
}

/* Runs a chunk and frees @frames; what comes out is appended to f->out. */
static void
run(Fixture *f, ScopeFrame *const *frames, guint n, gboolean reset)
{
    const ScopePort port = {"video", frames, n};
    const ScopeCall call = {
        .size = sizeof call,
        .mode = SCOPE_MODE_VIDEO,
        .reset = reset,
        .chunk_index = f->n_chunks++,
        .ports = &port,
        .n_ports = 1,
        .output = (ScopeOutput *)(gpointer)f->out,
    };
    g_autoptr(GError) error = NULL;

    g_assert_true(scope_instance_get_info(f->instance)->desc->process(f->stream, &call, &error));
    g_assert_no_error(error);
    for (guint i = 0; i < n; i++)
        scope_frame_unref(frames[i]);
}

static void
run_made(Fixture *f, guint32 width, guint32 height, guint first, guint n)
{
    ScopeFrame *frames[16];

    for (guint i = 0; i < n; i++)
        frames[i] = make_frame(width, height, first + i);
    run(f, frames, n, f->n_chunks == 0);
}

static const ScopeFrame *
out(Fixture *f, guint index)
{
    g_assert_cmpuint(index, <, f->out->len);
    return f->out->pdata[index];
}

static void
assert_same_pixels(const ScopeFrame *a, const ScopeFrame *b)
{
    g_assert_cmpuint(a->width, ==, b->width);
    g_assert_cmpuint(a->height, ==, b->height);
    for (guint32 y = 0; y < a->height; y++)
        g_assert_cmpmem(a->data[0] + (gsize)y * a->stride[0], 3 * a->width,
                        b->data[0] + (gsize)y * b->stride[0], 3 * b->width);
}

/* -- recorded references ---------------------------------------------------------------------- */

/* The tensors of a case, whose weights become @file; NULL with the test skipped without goldens. */
static ScopeCheckpoint *
open_case(Fixture *f, const char *name, const char *weights, const char *file)
{
    g_autofree char *io = g_build_filename(g_getenv("SCOPE_GOLDENS"), name, "io.safetensors", NULL);
    g_autofree char *from = g_build_filename(g_getenv("SCOPE_GOLDENS"), weights, NULL);
    g_autofree char *to = make_place(f, file);
    g_autofree char *bytes = NULL;
    g_autoptr(GError) error = NULL;
    ScopeCheckpoint *tensors;
    gsize n_bytes;

    if (!g_file_test(io, G_FILE_TEST_EXISTS)) {
        g_test_skip("no recorded references");
        return NULL;
    }
    g_assert_true(g_file_get_contents(from, &bytes, &n_bytes, &error));
    g_assert_true(g_file_set_contents(to, bytes, (gssize)n_bytes, &error));
    tensors = scope_checkpoint_open(io, &error);
    g_assert_no_error(error);
    return tensors;
}

/* Frame @index of `frames_u8` [T, H, W, 3]. */
static ScopeFrame *
frame_of(ScopeCheckpoint *tensors, gint64 index)
{
    const ScopeCheckpointTensor *all = scope_checkpoint_find(tensors, "frames_u8");
    gsize row = (gsize)all->shape[2] * 3;
    ScopeFrame *frame =
        scope_frame_new(SCOPE_FRAME_FORMAT_RGB24, (guint32)all->shape[2], (guint32)all->shape[1]);

    for (gint64 y = 0; y < all->shape[1]; y++)
        memcpy(frame->data[0] + y * frame->stride[0], all->data + (index * all->shape[1] + y) * row,
               row);
    return frame;
}

static void
check_rife_case(Fixture *f, const char *name, const char *weights)
{
    g_autoptr(ScopeCheckpoint) tensors = open_case(f, name, weights, RIFE_FILE);
    const ScopeCheckpointTensor *want;
    ScopeFrame *frames[3];

    if (tensors == NULL)
        return;
    want = scope_checkpoint_find(tensors, "out_u8");
    g_assert_cmpint(want->shape[0], ==, 5);
    for (guint i = 0; i < 3; i++)
        frames[i] = frame_of(tensors, i);
    open_stream(f, "rife");
    run(f, frames, 3, TRUE);
    g_assert_cmpuint(f->out->len, ==, 5);
    for (guint i = 0; i < 5; i++) {
        const ScopeFrame *frame = out(f, i);
        const guint8 *rows = want->data + i * want->n_elements / 5;

        for (gint64 k = 0; k < want->n_elements / 5; k++) {
            gint64 row = 3 * want->shape[2];
            gint got = frame->data[0][k / row * frame->stride[0] + k % row];

            g_assert_cmpint(ABS(got - rows[k]), <=, 1);
        }
    }
    close_stream(f);
}

/* Both layouts of the file: a pickle and a plain one, four blocks and five. */
static void
test_rife_reference(Fixture *f, gconstpointer data)
{
    check_rife_case(f, "rife/4block-clip-doubling", "rife/4block-pair/flownet.pkl");
    check_rife_case(f, "rife/5block-clip-doubling", "rife/5block-pair/weights.safetensors");
}

static void
check_scribble_case(Fixture *f, const char *name)
{
    g_autoptr(ScopeCheckpoint) tensors =
        open_case(f, name, "processors/contour/weights.safetensors", SCRIBBLE_FILE);
    g_autofree float *want = NULL;
    const ScopeCheckpointTensor *lines;
    ScopeFrame *input;

    if (tensors == NULL)
        return;
    lines = scope_checkpoint_find(tensors, "out");
    want = g_new(float, lines->n_elements);
    scope_checkpoint_tensor_copy_f32(lines, want);
    input = frame_of(tensors, 0);
    open_stream(f, "scribble");
    run(f, &input, 1, TRUE);
    g_assert_cmpuint(f->out->len, ==, 1);
    for (guint32 y = 0; y < out(f, 0)->height; y++) {
        for (guint32 x = 0; x < out(f, 0)->width; x++) {
            const guint8 *got = out(f, 0)->data[0] + (gsize)y * out(f, 0)->stride[0] + 3 * x;

            g_assert_cmpfloat_with_epsilon(got[0] + 0.5, 255 * want[y * lines->shape[2] + x], 0.53);
            g_assert_true(got[0] == got[1] && got[1] == got[2]);
        }
    }
    close_stream(f);
}

static void
test_scribble_reference(Fixture *f, gconstpointer data)
{
    check_scribble_case(f, "processors/contour");
    check_scribble_case(f, "processors/contour-odd-size");
}

/* -- behaviour -------------------------------------------------------------------------------- */

static void
test_missing_files(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *id, *file;
    } cases[] = {{"rife", RIFE_FILE},
                 {"scribble", SCRIBBLE_FILE},
                 {"video-depth-anything", DEPTH_FILE},
                 {"optical-flow", FLOW_FILE}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *remedy = g_strdup_printf("`scope models download %s`", cases[i].id);

        g_assert_null(load(f, cases[i].id, NULL, NULL, &error));
        g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE);
        g_assert_nonnull(strstr(error->message, cases[i].file));
        g_assert_nonnull(strstr(error->message, remedy));
    }
}

static void
test_damaged_file(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make_place(f, RIFE_FILE);
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, "<html>quota exceeded</html>", -1, NULL));
    g_assert_null(load(f, "rife", NULL, NULL, &error));
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, path));
}

static void
test_rife_stream(Fixture *f, gconstpointer data)
{
    g_autoptr(GPtrArray) whole = NULL;

    write_rife(f);
    open_stream(f, "rife");
    run_made(f, 37, 21, 0, 4);
    g_assert_cmpuint(f->out->len, ==, 7);
    for (guint i = 0; i < 7; i++) {
        g_assert_cmpint(out(f, i)->pts_us, ==, 1000 + i * 20000);
        g_assert_cmpint(out(f, i)->born_us, ==, 500 + (i + 1) / 2);
        if (i % 2 == 0) {
            g_autoptr(ScopeFrame) given = make_frame(37, 21, i / 2);
            assert_same_pixels(out(f, i), given);
        }
    }
    whole = g_steal_pointer(&f->out);
    f->out = g_ptr_array_new_with_free_func((GDestroyNotify)scope_frame_unref);
    close_stream(f);

    /* The division into chunks changes nothing. */
    open_stream(f, "rife");
    run_made(f, 37, 21, 0, 1);
    run_made(f, 37, 21, 1, 2);
    run_made(f, 37, 21, 3, 1);
    g_assert_cmpuint(f->out->len, ==, 7);
    for (guint i = 0; i < 7; i++)
        assert_same_pixels(out(f, i), whole->pdata[i]);
}

static void
test_rife_starts_again(Fixture *f, gconstpointer data)
{
    ScopeFrame *untimed = make_frame(40, 16, 2);
    ScopeFrame *reset = make_frame(40, 16, 3);

    write_rife(f);
    open_stream(f, "rife");
    run_made(f, 16, 40, 0, 1);
    run_made(f, 40, 16, 1, 1); /* of another size: nothing in between */
    g_assert_cmpuint(f->out->len, ==, 2);
    untimed->pts_us = SCOPE_TIME_NONE;
    run(f, &untimed, 1, FALSE);
    g_assert_cmpuint(f->out->len, ==, 4);
    g_assert_cmpint(out(f, 2)->pts_us, ==, SCOPE_TIME_NONE);
    run(f, &reset, 1, TRUE);
    g_assert_cmpuint(f->out->len, ==, 5);
}

static void
test_scribble_sizes(Fixture *f, gconstpointer data)
{
    static const guint32 sizes[][2] = {{1, 1}, {7, 30}, {33, 18}};

    write_scribble(f);
    open_stream(f, "scribble");
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        run_made(f, sizes[i][0], sizes[i][1], i, 1);
        g_assert_cmpuint(out(f, i)->width, ==, sizes[i][0]);
        g_assert_cmpuint(out(f, i)->height, ==, sizes[i][1]);
        g_assert_cmpint(out(f, i)->pts_us, ==, 1000 + i * 40000);
    }
}

static void
test_flow(Fixture *f, gconstpointer data)
{
    ScopeFrame *pair[2] = {make_frame(50, 30, 0), make_frame(31, 17, 1)};
    g_autoptr(GError) error = NULL;

    write_flow(f);
    open_stream(f, "optical-flow");
    g_assert_cmpuint(scope_instance_get_info(f->instance)->desc->prepare(f->stream, NULL), ==, 2);
    run(f, pair, 2, TRUE); /* the second is resized to the first */
    g_assert_cmpuint(f->out->len, ==, 2);
    g_assert_cmpuint(out(f, 1)->width, ==, 50);
    assert_same_pixels(out(f, 0), out(f, 1));
    g_assert_cmpint(out(f, 1)->pts_us, ==, 41000);
    run_made(f, 5, 4, 2, 1); /* one frame has no motion */
    for (guint32 x = 0; x < 15; x++)
        g_assert_cmpuint(out(f, 2)->data[0][x], ==, 0);
    close_stream(f);

    g_assert_null(load(f, "optical-flow", "model_size", "large", &error));
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_MISSING_FILE);
    g_assert_nonnull(strstr(error->message, "raft_large_C_T_SKHT_V2-ff5fadd5.pth"));
    g_clear_error(&error);
    g_assert_null(load(f, "optical-flow", "model_size", "huge", &error));
    g_assert_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID);
}

/* What the pipeline should give, by the network itself. */
static void
compute_depth(Fixture *f, ScopeFrame *const *frames, gint64 n, float *ret_depth)
{
    g_autofree char *path = g_build_filename(f->models_dir, DEPTH_FILE, NULL);
    g_autoptr(ScopeCheckpoint) weights = scope_checkpoint_open(path, NULL);
    g_autoptr(ScopePool) pool = scope_pool_create(1, NULL);
    g_autoptr(ScopeContext) ctx = scope_context_create(scope_backend_cpu(), pool, NULL);
    g_autoptr(ScopeVda) vda = scope_vda_load(ctx, weights, NULL, NULL);
    gint64 height = frames[0]->height, width = frames[0]->width;
    g_autoptr(ScopeVdaStream) stream = scope_vda_stream_create(
        ctx, vda, SCOPE_VDA_MEMORY_PREVIOUS, height, width, SCOPE_VDA_DEFAULT_INPUT_SIZE, NULL);
    ScopeTensor depth =
        scope_tensor_wrap(SCOPE_DTYPE_F32, ret_depth, SCOPE_SHAPE(n, height, width));

    for (gint64 i = 0; i < n; i++) {
        ScopeTensor frame =
            scope_tensor_wrap(SCOPE_DTYPE_U8, frames[i]->data[0], SCOPE_SHAPE(height, width, 3));

        frame.stride[0] = frames[i]->stride[0];
        scope_vda_stream_run(ctx, stream, scope_tensor_select(depth, 0, i), frame);
    }
    scope_vda_normalise(ctx, depth, depth);
}

static void
test_depth(Fixture *f, gconstpointer data)
{
    ScopeFrame *frames[2] = {make_frame(24, 18, 0), make_frame(24, 18, 3)};
    g_autofree float *want = g_new(float, 2 * 18 * 24);

    write_depth(f);
    compute_depth(f, frames, 2, want);
    open_stream(f, "video-depth-anything");
    g_assert_cmpuint(scope_instance_get_info(f->instance)->desc->prepare(f->stream, NULL), ==, 4);
    run(f, frames, 2, TRUE);
    for (guint i = 0; i < 2 * 18 * 24; i++) {
        const ScopeFrame *frame = out(f, i / (18 * 24));
        const guint8 *got = frame->data[0] + i / 24 % 18 * frame->stride[0] + i % 24 * 3;

        g_assert_cmpuint(got[0], ==, (guint)(want[i] * 255));
        g_assert_true(got[0] == got[1] && got[1] == got[2]);
    }
    g_assert_cmpint(out(f, 1)->pts_us, ==, 121000);
    run_made(f, 13, 40, 0, 1); /* another size */
    run_made(f, 24, 18, 0, 1); /* and without what was before */
    g_assert_cmpuint(out(f, 2)->height, ==, 40);
    g_assert_cmpuint(out(f, 3)->width, ==, 24);
}

/* -- chains ----------------------------------------------------------------------------------- */

static ScopeChain *
start_chain(Fixture *f, const char *const *ids, ScopeInstance **instances)
{
    g_autoptr(GError) error = NULL;
    ScopeChainConfig config = {0};
    ScopeChainNode nodes[2];
    ScopeChain *chain;

    for (guint i = 0; i < 2; i++) {
        instances[i] = load(f, ids[i], NULL, NULL, &error);
        g_assert_no_error(error);
        nodes[i] = (ScopeChainNode){ids[i], instances[i], NULL};
    }
    chain = scope_chain_new(&config, nodes, 2, &error);
    g_assert_no_error(error);
    g_assert_true(scope_chain_start(chain, &error));
    return chain;
}

static ScopeFrame *
pop(ScopeChain *chain)
{
    ScopeFrame *frame = scope_mailbox_pop_until(scope_chain_get_output(chain),
                                                g_get_monotonic_time() + 60 * G_USEC_PER_SEC);

    g_assert_nonnull(frame);
    return frame;
}

/* After a main pipeline, then, while it runs, something else in its place, and back again. */
static void
test_rife_in_chain(Fixture *f, gconstpointer data)
{
    static const char *const ids[2] = {"passthrough", "rife"};
    ScopeInstance *instances[2];
    g_autoptr(ScopeChain) chain = NULL;
    g_autoptr(ScopeInstance) gray = NULL;

    write_rife(f);
    chain = start_chain(f, ids, instances);
    for (guint i = 0; i < 3; i++)
        g_assert_true(scope_chain_push_input(chain, make_frame(48, 32, i)));
    for (guint i = 0; i < 5; i++) {
        g_autoptr(ScopeFrame) frame = pop(chain);
        g_assert_cmpint(frame->pts_us, ==, 1000 + i * 20000);
    }
    gray = load(f, "gray", NULL, NULL, NULL);
    g_assert_true(scope_chain_replace(chain, "passthrough", gray, NULL));
    g_assert_true(scope_chain_replace(chain, "rife", NULL, NULL));
    g_assert_true(scope_chain_replace(chain, "rife", instances[1], NULL));
    for (guint i = 3; i < 5; i++)
        g_assert_true(scope_chain_push_input(chain, make_frame(48, 32, i)));
    for (guint i = 0; i < 3; i++) {
        g_autoptr(ScopeFrame) frame = pop(chain);
        const guint8 *pixel = frame->data[0];

        g_assert_cmpint(frame->pts_us, ==, 121000 + i * 20000);
        g_assert_true(i == 1 || (pixel[0] == pixel[1] && pixel[1] == pixel[2]));
    }
    g_assert_true(scope_chain_stop(chain));
    for (guint i = 0; i < 2; i++)
        scope_instance_unref(instances[i]);
}

static void
test_scribble_in_chain(Fixture *f, gconstpointer data)
{
    static const char *const ids[2] = {"scribble", "passthrough"};
    ScopeInstance *instances[2];
    g_autoptr(ScopeChain) chain = NULL;
    g_autoptr(ScopeFrame) drawn = NULL;
    g_autoptr(ScopeFrame) yuv = NULL;
    ScopeFrame *rgb = make_frame(32, 24, 0);

    write_scribble(f);
    yuv = scope_frame_convert(rgb, SCOPE_FRAME_FORMAT_I420);
    scope_frame_unref(rgb);
    chain = start_chain(f, ids, instances);
    g_assert_true(scope_chain_push_input(chain, g_steal_pointer(&yuv)));
    drawn = pop(chain);
    g_assert_cmpint(drawn->format, ==, SCOPE_FRAME_FORMAT_RGB24);
    g_assert_cmpuint(drawn->width, ==, 32);
    g_assert_cmpint(drawn->pts_us, ==, 1000);
    g_assert_true(scope_chain_stop(chain));
    for (guint i = 0; i < 2; i++)
        scope_instance_unref(instances[i]);
}

/* Whether memory ran out since it was limited; then @error must tell it. */
static gboolean
has_run_out(GError **error)
{
    gboolean out_of_memory = scope_memory_fault_clear() > 0;

    g_assert_cmpint(out_of_memory, ==, *error != NULL);
    if (out_of_memory)
        g_assert_error(*error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY);
    g_clear_error(error);
    return out_of_memory;
}

/* Memory that runs out at every place where a pipeline asks for it, until there is enough. */
static void
run_short(Fixture *f, const char *id, guint n_frames)
{
    ScopeFrame *frames[4];
    const ScopePort port = {"video", frames, n_frames};
    const ScopeCall call = {.size = sizeof call,
                            .mode = SCOPE_MODE_VIDEO,
                            .ports = &port,
                            .n_ports = 1,
                            .output = (ScopeOutput *)(gpointer)f->out};
    const ScopePipelineDesc *desc;
    g_autoptr(GError) error = NULL;

    f->host.output_push = collect;
    for (gint n = 0; f->instance == NULL; n++) {
        scope_memory_fault_set(n);
        f->instance = load(f, id, NULL, NULL, &error);
        g_assert_cmpint(has_run_out(&error), ==, f->instance == NULL);
    }
    desc = scope_instance_get_info(f->instance)->desc;
    for (gint n = 0; f->stream == NULL; n++) {
        scope_memory_fault_set(n);
        f->stream = desc->stream_new(scope_instance_get_handle(f->instance), NULL, &error);
        g_assert_cmpint(has_run_out(&error), ==, f->stream == NULL);
    }
    for (guint i = 0; i < n_frames; i++)
        frames[i] = make_frame(64, 48, i);
    for (gint n = 0, done = FALSE; !done; n += MAX(n, 1)) {
        g_ptr_array_set_size(f->out, 0);
        scope_memory_fault_set(n);
        done = desc->process(f->stream, &call, &error);
        g_assert_cmpint(has_run_out(&error), ==, !done);
    }
    g_assert_cmpuint(f->out->len, >, 0);
    for (guint i = 0; i < n_frames; i++)
        scope_frame_unref(frames[i]);
    close_stream(f);
}

static void
test_memory(Fixture *f, gconstpointer data)
{
    write_rife(f);
    write_scribble(f);
    write_flow(f);
    write_depth(f);
    run_short(f, "rife", 2);
    run_short(f, "scribble", 1);
    run_short(f, "optical-flow", 2);
    run_short(f, "video-depth-anything", 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/utilities/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("missing-files", test_missing_files);
    ADD("damaged-file", test_damaged_file);
    ADD("rife-reference", test_rife_reference);
    ADD("rife-stream", test_rife_stream);
    ADD("rife-starts-again", test_rife_starts_again);
    ADD("rife-in-chain", test_rife_in_chain);
    ADD("scribble-reference", test_scribble_reference);
    ADD("scribble-sizes", test_scribble_sizes);
    ADD("scribble-in-chain", test_scribble_in_chain);
    ADD("optical-flow", test_flow);
    ADD("video-depth-anything", test_depth);
    ADD("memory", test_memory);
#undef ADD
    return g_test_run();
}
