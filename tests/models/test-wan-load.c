/* SPDX-License-Identifier: Apache-2.0 */
/* Loading of Wan transformers: every layout that is read, and what is said about files that are
 * wrong. Main thread. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "engine/scope-backend.h"
#include "models/scope-wan-model.h"
#include "support/scope-tiny-wan.h"

typedef struct {
    char *folder, *path, *other;
    ScopePool *pool;
    ScopeContext *ctx;
    ScopeTinyWan tiny;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    const ScopeTinyWan tiny = SCOPE_TINY_WAN;

    f->folder = g_dir_make_tmp("scope-wan-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, "model.safetensors", NULL);
    f->other = g_build_filename(f->folder, "other.safetensors", NULL);
    f->pool = scope_pool_create(1, NULL);
    f->ctx = scope_context_create(scope_backend_cpu(), f->pool, NULL);
    f->tiny = tiny;
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    g_remove(f->path);
    g_remove(f->other);
    g_rmdir(f->folder);
    g_free(f->folder);
    g_free(f->path);
    g_free(f->other);
    scope_context_destroy(f->ctx);
    scope_pool_destroy(f->pool);
}

static void
fill(float *values, size_t n, guint64 state)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)((double)(state >> 11) / 9007199254740992.0 - 0.5);
    }
}

#define N_VALUES (2 * 16 * 4 * 6)

/* One uncached pass over two frames; the result is in @out. */
static void
run_pass(Fixture *f, const ScopeWanModel *model, const float *lora_scales, float out[N_VALUES])
{
    g_autoptr(ScopeArena) arena = scope_arena_create(scope_backend_cpu(), "test");
    float x[N_VALUES], rows[5 * 24];
    const float timesteps[2] = {500, 250};
    ScopeWanText text;

    fill(x, N_VALUES, 3);
    fill(rows, G_N_ELEMENTS(rows), 4);
    scope_wan_text_init(&text, f->ctx, scope_wan_model_get_config(model), arena);
    scope_wan_text_set_prompt(&text, f->ctx,
                              scope_tensor_wrap(SCOPE_DTYPE_F32, rows, SCOPE_SHAPE(5, 24)));
    ScopeWanPass pass = {
        .latents = scope_tensor_wrap(SCOPE_DTYPE_F32, x, SCOPE_SHAPE(2, 16, 4, 6)),
        .flow = scope_tensor_wrap(SCOPE_DTYPE_F32, out, SCOPE_SHAPE(2, 16, 4, 6)),
        .timesteps = timesteps,
        .text = &text,
        .lora_scales = lora_scales,
    };
    scope_wan_model_run(f->ctx, model, &pass);
}

static ScopeWanModel *
load(Fixture *f, GError **error)
{
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16}};

    return scope_wan_model_load(f->ctx, &options, error);
}

static double
distance(const float *a, const float *b)
{
    double sum = 0, norm = 0;

    for (int i = 0; i < N_VALUES; i++) {
        sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        norm += (double)a[i] * a[i];
    }
    return sqrt(sum / norm);
}

static void
test_layouts_agree(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanModel) published = NULL, diffusers = NULL;
    g_autoptr(GError) error = NULL;
    float a[N_VALUES], b[N_VALUES];

    scope_tiny_wan_write(&f->tiny, f->path);
    published = load(f, &error);
    g_assert_no_error(error);
    run_pass(f, published, NULL, a);
    f->tiny.diffusers = TRUE;
    scope_tiny_wan_write(&f->tiny, f->other);
    ScopeWanLoadOptions options = {.weights_path = f->other,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16}};
    diffusers = scope_wan_model_load(f->ctx, &options, &error);
    g_assert_no_error(error);
    run_pass(f, diffusers, NULL, b);
    g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
}

/* A table of places moves the result, and more where it is not resampled to the same values. */
static void
test_places(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    float out[3][N_VALUES];
    const gint64 n_places[3] = {0, 1, 4};

    for (int i = 0; i < 3; i++) {
        g_autoptr(ScopeWanModel) model = NULL;
        f->tiny.n_places = n_places[i];
        scope_tiny_wan_write(&f->tiny, f->path);
        model = load(f, &error);
        g_assert_no_error(error);
        run_pass(f, model, NULL, out[i]);
    }
    g_assert_cmpfloat(distance(out[0], out[1]), >, 1e-4);
    g_assert_cmpfloat(distance(out[1], out[2]), >, 1e-4);
}

static void
test_names_round_trip(void)
{
    static const char *const names[] = {
        "blocks.3.self_attn.q.weight",
        "blocks.3.cross_attn.norm_k.weight",
        "blocks.3.norm3.bias",
        "blocks.3.modulation",
        "blocks.3.ffn.0.weight",
        "head.modulation",
        "head.head.bias",
        "time_projection.1.weight",
        "text_embedding.2.bias",
        "patch_embedding.weight",
    };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *there = scope_wan_name_to_diffusers(names[i]);
        g_autofree char *back = scope_wan_name_from_diffusers(there);
        g_assert_cmpstr(back, ==, names[i]);
    }
    g_autofree char *to_out = scope_wan_name_to_diffusers("blocks.0.cross_attn.o.weight");
    g_assert_cmpstr(to_out, ==, "blocks.0.attn2.to_out.0.weight");
}

/* fp8 files, fp8 and int8 quantisation stay near the f32 result. */
static void
test_narrow_weights(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    float exact[N_VALUES], got[N_VALUES];

    scope_tiny_wan_write(&f->tiny, f->path);
    for (int i = 0; i < 4; i++) {
        g_autoptr(ScopeWanModel) model = NULL;
        ScopeWanLoadOptions options = {
            .weights_path = f->path,
            .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16},
            .quantization = i == 1   ? SCOPE_WAN_QUANTIZATION_FP8
                            : i == 2 ? SCOPE_WAN_QUANTIZATION_INT8
                                     : SCOPE_WAN_QUANTIZATION_NONE,
        };
        if (i == 3) {
            f->tiny.fp8 = TRUE;
            scope_tiny_wan_write(&f->tiny, f->path);
        }
        model = scope_wan_model_load(f->ctx, &options, &error);
        g_assert_no_error(error);
        run_pass(f, model, NULL, i == 0 ? exact : got);
        if (i > 0) {
            double error_l2 = distance(exact, got);
            g_test_message("case %d: relative error %g", i, error_l2);
            g_assert_cmpfloat(error_l2, >, 0);
            g_assert_cmpfloat(error_l2, <, i == 2 ? 0.05 : 0.15);
        }
    }
}

static void
test_adapter_merged_and_apart(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeLoraFile) file = NULL;
    g_autoptr(ScopeWanModel) merged = NULL, apart = NULL;
    float a[N_VALUES], b[N_VALUES], plain[N_VALUES];
    const float scales[1] = {-0.7f}, off[1] = {0};

    scope_tiny_wan_write(&f->tiny, f->path);
    scope_tiny_wan_write_lora(&f->tiny, f->other, 4, f->tiny.config.dim);
    file = scope_lora_file_open(f->other, &error);
    g_assert_no_error(error);
    ScopeWanAdapter adapter = {.file = file, .scale = -0.7f}, second = adapter;
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16},
                                   .merged = &adapter,
                                   .n_merged = 1};
    merged = scope_wan_model_load(f->ctx, &options, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(adapter.n_matched, ==, 3);
    options.merged = NULL;
    options.n_merged = 0;
    options.runtime = &second;
    options.n_runtime = 1;
    apart = scope_wan_model_load(f->ctx, &options, &error);
    g_assert_no_error(error);
    run_pass(f, merged, NULL, a);
    run_pass(f, apart, scales, b);
    g_assert_cmpfloat(distance(a, b), <, 1e-5);
    run_pass(f, apart, off, plain);
    g_assert_cmpfloat(distance(a, plain), >, 1e-3);
    /* f32 weights stay f32 when narrow is asked for */
    g_autoptr(ScopeWanModel) narrow = NULL;
    options.runtime = NULL;
    options.n_runtime = 0;
    options.merged = &adapter;
    options.n_merged = 1;
    options.merge_narrow = TRUE;
    narrow = scope_wan_model_load(f->ctx, &options, &error);
    g_assert_no_error(error);
    run_pass(f, narrow, NULL, b);
    g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
}

/* -- what is wrong with a file ---------------------------------------------------------------- */

/* Loads @f->path and expects an error that names the file and holds all of @parts. */
static void
expect_refusal(Fixture *f, const ScopeWanLoadOptions *given, GQuark domain, int code,
               const char *const *parts)
{
    g_autoptr(GError) error = NULL;
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16}};
    ScopeWanModel *model = scope_wan_model_load(f->ctx, given != NULL ? given : &options, &error);

    g_assert_null(model);
    g_assert_error(error, domain, code);
    for (; *parts != NULL; parts++) {
        g_test_message("'%s' has to be in: %s", *parts, error->message);
        g_assert_nonnull(strstr(error->message, *parts));
    }
}

#define PARTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
test_missing_tensor(Fixture *f, gconstpointer data)
{
    f->tiny.leave_out = "blocks.1.cross_attn.norm_k.weight";
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, NULL, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING,
                   PARTS("model.safetensors", "blocks.1.cross_attn.norm_k.weight"));
}

static void
test_places_of_no_square(Fixture *f, gconstpointer data)
{
    f->tiny.n_places = 6;
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, NULL, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                   PARTS("model.safetensors", "position_embedding", "6 places"));
}

static void
test_pooled_of_wrong_shape(Fixture *f, gconstpointer data)
{
    f->tiny.pooled = TRUE;
    f->tiny.reshape = "pooled_embedding.weight";
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, NULL, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                   PARTS("model.safetensors", "pooled_embedding.weight", "65, 24", "64, 24"));
}

static void
test_wrong_shape(Fixture *f, gconstpointer data)
{
    f->tiny.reshape = "blocks.1.ffn.2.weight";
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, NULL, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                   PARTS("model.safetensors", "blocks.1.ffn.2.weight", "65, 96", "64, 96"));
}

static void
test_integers(Fixture *f, gconstpointer data)
{
    f->tiny.as_integer = "blocks.0.self_attn.v.weight";
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, NULL, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                   PARTS("model.safetensors", "blocks.0.self_attn.v.weight", "I32"));
}

static void
test_truncated(Fixture *f, gconstpointer data)
{
    f->tiny.cut_bytes = 100;
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, NULL, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_FORMAT,
                   PARTS("model.safetensors"));
}

static void
test_image_model(Fixture *f, gconstpointer data)
{
    f->tiny.also = "blocks.0.cross_attn.k_img.weight";
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(
        f, NULL, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_UNSUPPORTED,
        PARTS("model.safetensors", "blocks.0.cross_attn.k_img.weight", "image-to-video"));
}

static void
test_missing_context_block(Fixture *f, gconstpointer data)
{
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16},
                                   .vace_in_weights = TRUE};

    f->tiny.config.vace_in_dim = 96;
    f->tiny.config.n_vace_layers = 2;
    f->tiny.leave_out = "vace_blocks.0.before_proj.weight";
    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, &options, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING,
                   PARTS("model.safetensors", "vace_blocks.0.before_proj.weight"));
}

static void
test_contradictions(Fixture *f, gconstpointer data)
{
    const struct {
        ScopeWanConfig known;
        const char *part;
    } cases[] = {
        {{.n_heads = 2, .dim = 128}, "dim"},
        {{.n_heads = 2, .ffn_dim = 100}, "ffn_dim"},
        {{.n_heads = 2, .text_dim = 4096}, "text_dim"},
        {{.n_heads = 2, .freq_dim = 256}, "freq_dim"},
        {{.n_heads = 2, .n_layers = 3}, "2 blocks"},
        {{.n_heads = 3}, "3 heads"},
        {{.n_heads = 0}, "num_heads"},
    };

    scope_tiny_wan_write(&f->tiny, f->path);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        ScopeWanLoadOptions options = {.weights_path = f->path, .known = &cases[i].known};
        expect_refusal(f, &options, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                       PARTS("model.safetensors", cases[i].part));
    }
}

static void
test_adapter_of_another_model(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeLoraFile) file = NULL;

    scope_tiny_wan_write(&f->tiny, f->path);
    scope_tiny_wan_write_lora(&f->tiny, f->other, 4, 80);
    file = scope_lora_file_open(f->other, &error);
    g_assert_no_error(error);
    ScopeWanAdapter adapter = {.file = file, .scale = 1};
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16},
                                   .merged = &adapter,
                                   .n_merged = 1};
    expect_refusal(f, &options, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH,
                   PARTS("other.safetensors", "blocks.0.self_attn.q", "80", "64"));
}

static gboolean
cancel(double ratio, gpointer user_data)
{
    int *n = user_data;

    return ++*n < 2;
}

static void
test_cancelled(Fixture *f, gconstpointer data)
{
    int n = 0;
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 16},
                                   .progress = cancel,
                                   .progress_data = &n};

    scope_tiny_wan_write(&f->tiny, f->path);
    expect_refusal(f, &options, G_IO_ERROR, G_IO_ERROR_CANCELLED, PARTS("model.safetensors"));
    g_assert_cmpint(n, ==, 2);
}

/* -- config.json ------------------------------------------------------------------------------ */

static void
test_config_file(Fixture *f, gconstpointer data)
{
    static const char *const good =
        "{\"_class_name\": \"WanModel\", \"model_type\": \"t2v\", \"text_len\": 512, \"in_dim\": "
        "16,"
        " \"dim\": 1536, \"ffn_dim\": 8960, \"freq_dim\": 256, \"out_dim\": 16, \"num_heads\": 12,"
        " \"num_layers\": 30, \"eps\": 1e-06, \"other\": {\"a\": [1, 2]},"
        " \"vace_layers\": [0, 2, 4]}";
    static const char *const bad[] = {
        "",
        "[]",
        "{\"dim\": 0}",
        "{\"dim\": 1.5}",
        "{\"dim\": \"1536\"}",
        "{\"eps\": -1}",
        "{\"vace_layers\": [2, 1]}",
        "{\"vace_layers\": 3}",
        "{\"dim\": 1536",
        "{\"dim\": 1536} x",
    };
    g_autoptr(GError) error = NULL;
    ScopeWanConfig config = {.dim = 7};

    g_file_set_contents(f->path, good, -1, NULL);
    g_assert_true(scope_wan_config_load(f->path, &config, &error));
    g_assert_no_error(error);
    g_assert_cmpint(config.dim, ==, 1536);
    g_assert_cmpint(config.n_heads, ==, 12);
    g_assert_cmpint(config.n_vace_layers, ==, 3);
    g_assert_cmpfloat(config.eps, ==, 1e-6);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        ScopeWanConfig untouched = {.dim = 7};
        g_file_set_contents(f->path, bad[i], -1, NULL);
        g_assert_false(scope_wan_config_load(f->path, &untouched, &error));
        g_assert_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG);
        g_assert_nonnull(strstr(error->message, "model.safetensors"));
        g_assert_cmpint(untouched.dim, ==, 7);
        g_clear_error(&error);
    }
    g_file_set_contents(f->path, "{\"model_type\": \"i2v\"}", -1, NULL);
    g_assert_false(scope_wan_config_load(f->path, &config, &error));
    g_assert_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_UNSUPPORTED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, fn) g_test_add("/wan-load/" path, Fixture, NULL, set_up, fn, tear_down)
    ADD("layouts-agree", test_layouts_agree);
    ADD("narrow-weights", test_narrow_weights);
    ADD("adapter-merged-and-apart", test_adapter_merged_and_apart);
    ADD("places", test_places);
    ADD("missing-tensor", test_missing_tensor);
    ADD("places-of-no-square", test_places_of_no_square);
    ADD("pooled-of-wrong-shape", test_pooled_of_wrong_shape);
    ADD("wrong-shape", test_wrong_shape);
    ADD("integers", test_integers);
    ADD("truncated", test_truncated);
    ADD("image-model", test_image_model);
    ADD("missing-context-block", test_missing_context_block);
    ADD("contradictions", test_contradictions);
    ADD("adapter-of-another-model", test_adapter_of_another_model);
    ADD("cancelled", test_cancelled);
    ADD("config-file", test_config_file);
    g_test_add_func("/wan-load/names-round-trip", test_names_round_trip);
    return g_test_run();
}
