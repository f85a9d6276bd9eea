/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed of the CUDA backend: ops at the shapes of the Wan models next to the ceilings of the same
 * run (an 8192 cubed bf16 product, a large copy), then whole passes of the 1.3B transformer and the
 * chunk that they make. Random weights, warm, medians; a sample is a run of work between two
 * synchronizations. Main thread.
 */
#include <cuda_runtime_api.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/scope-devices.h"
#include "models/scope-wan-model.h"
#include "support/scope-full-wan.h"

#define N_SAMPLES    21
#define SAMPLE_US    4000
#define COPY_BYTES   ((size_t)1 << 30)
#define TEXT_ROWS    512
#define CHUNK_FRAMES 3
#define CHUNK_PASSES 5 /* four denoise passes and one for the cache */
#define WINDOW       12
#define SINK         3

typedef struct {
    const ScopeBackend *backend;
    ScopePool *pool;
    ScopeContext *ctx;
    ScopeArena *arena;
    ScopeDType work;
    GString *json;
    double tflops, tbps; /* ceilings */
} Bench;

typedef void (*Work)(Bench *b, void *data);

static void
synchronize(Bench *b)
{
    g_autoptr(GError) error = NULL;
    if (!scope_context_synchronize(b->ctx, &error)) {
        fprintf(stderr, "bench-cuda: %s\n", error->message);
        exit(1);
    }
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median seconds of one run. */
static double
measure(Bench *b, Work work, void *data)
{
    double samples[N_SAMPLES];
    work(b, data);
    synchronize(b);
    gint64 start = g_get_monotonic_time();
    work(b, data);
    synchronize(b);
    gint64 once = MAX(1, g_get_monotonic_time() - start);
    int repeats = (int)CLAMP(SAMPLE_US / once, 1, 1000);
    for (int i = 0; i < N_SAMPLES; i++) {
        start = g_get_monotonic_time();
        for (int j = 0; j < repeats; j++) {
            work(b, data);
        }
        synchronize(b);
        samples[i] = (double)(g_get_monotonic_time() - start) * 1e-6 / repeats;
    }
    qsort(samples, N_SAMPLES, sizeof *samples, compare);
    return samples[N_SAMPLES / 2];
}

/* One row; @tera: 1e12 operations or bytes of a run, 0 = time only. */
static double
report(Bench *b, const char *name, Work work, void *data, double tera, gboolean is_bytes)
{
    double seconds = measure(b, work, data), rate = tera / seconds;
    double ceiling = is_bytes ? b->tbps : b->tflops;
    printf("%-44s %9.3f ms", name, seconds * 1e3);
    if (tera > 0) {
        printf(" %8.1f %s", rate, is_bytes ? "TB/s" : "TFLOP/s");
    }
    if (tera > 0 && ceiling > 0) {
        printf("  %5.2f of the ceiling", rate / ceiling);
    }
    printf("\n");
    fflush(stdout);
    g_string_append_printf(b->json,
                           "%s{\"name\":\"%s\",\"ms\":%.6f,\"rate\":%.4f,\"unit\":\"%s\","
                           "\"of_ceiling\":%.4f}",
                           b->json->len > 0 && b->json->str[b->json->len - 1] == '}' ? "," : "",
                           name, seconds * 1e3, rate, is_bytes ? "TB/s" : "TFLOP/s",
                           ceiling > 0 ? rate / ceiling : 0.0);
    return seconds;
}

static ScopeTensor
random_tensor(Bench *b, ScopeDType dtype, int ndim, const int64_t *shape)
{
    ScopeTensor t = scope_arena_alloc(b->arena, dtype, ndim, shape);
    scope_op_random_normal(b->ctx, t, 1, 0);
    return t;
}

/* ---- ceilings ------------------------------------------------------------------------------ */

typedef struct {
    ScopeTensor y, a, b;
} Product;

static void
run_product(Bench *b, void *data)
{
    Product *p = data;
    scope_op_matmul(b->ctx, p->y, p->a, scope_tensor_transpose(p->b, 0, 1), 1.0F);
}

static void
run_copy(Bench *b, void *data)
{
    (void)b;
    char *memory = data;
    if (cudaMemcpyAsync(memory + COPY_BYTES, memory, COPY_BYTES, cudaMemcpyDeviceToDevice, NULL) !=
            cudaSuccess ||
        cudaStreamSynchronize(NULL) != cudaSuccess) {
        fprintf(stderr, "bench-cuda: the copy failed\n");
        exit(1);
    }
}

static void
bench_ceilings(Bench *b)
{
    ScopeArenaMark mark = scope_arena_mark(b->arena);
    const int64_t n = 8192, bytes = 2 * (int64_t)COPY_BYTES;
    Product p = {.y = random_tensor(b, b->work, SCOPE_SHAPE(n, n)),
                 .a = random_tensor(b, b->work, SCOPE_SHAPE(n, n)),
                 .b = random_tensor(b, b->work, SCOPE_SHAPE(n, n))};
    double tera = 2.0 * (double)n * (double)n * (double)n * 1e-12;
    b->tflops = tera / report(b, "ceiling: product 8192 cubed", run_product, &p, tera, FALSE);
    ScopeTensor memory = scope_arena_alloc(b->arena, SCOPE_DTYPE_U8, SCOPE_SHAPE(bytes));
    double moved = (double)bytes * 1e-12;
    b->tbps = moved / report(b, "ceiling: copy of 1 GiB", run_copy, memory.data, moved, TRUE);
    scope_arena_release(b->arena, mark);
}

/* ---- ops ----------------------------------------------------------------------------------- */

typedef struct {
    ScopeTensor y, x, k, v;
    ScopeWeight weight;
    ScopeEpilogue epilogue;
    ScopeNormOptions norm;
    ScopeTensor table;
} Op;

static void
run_linear(Bench *b, void *data)
{
    Op *o = data;
    scope_op_linear(b->ctx, o->y, o->x, &o->weight, &o->epilogue);
}

static void
run_conv(Bench *b, void *data)
{
    Op *o = data;
    scope_op_conv(b->ctx, o->y, o->x, &o->weight, NULL);
}

static void
run_attention(Bench *b, void *data)
{
    Op *o = data;
    ScopeAttentionSegment segment = {.k = o->k, .v = o->v};
    ScopeAttentionOptions options = {
        .scale = 1.0F / sqrtf((float)o->x.shape[2]), .segments = &segment, .n_segments = 1};
    scope_op_attention(b->ctx, o->y, o->x, &options);
}

static void
run_norm(Bench *b, void *data)
{
    Op *o = data;
    scope_op_norm(b->ctx, o->y, o->x, &o->norm);
}

static void
run_rope(Bench *b, void *data)
{
    Op *o = data;
    scope_op_rope(b->ctx, o->y, o->x, o->table);
}

static void
prepared(gboolean done, const GError *error)
{
    if (!done) {
        fprintf(stderr, "bench-cuda: %s\n", error->message);
        exit(1);
    }
}

static void
bench_linear(Bench *b, int64_t n, int64_t o, int64_t k, gboolean gelu, gboolean residual)
{
    ScopeArenaMark mark = scope_arena_mark(b->arena);
    g_autofree char *name = g_strdup_printf("linear %dx%dx%d%s%s", (int)n, (int)o, (int)k,
                                            gelu ? " GELU" : "", residual ? " residual" : "");
    g_autofree guint16 *stored = g_new0(guint16, o * k);
    g_autofree float *bias = g_new0(float, o);
    g_autoptr(GError) error = NULL;
    Op op = {.x = random_tensor(b, b->work, SCOPE_SHAPE(n, k)),
             .y = random_tensor(b, b->work, SCOPE_SHAPE(n, o))};
    ScopeWeightOptions options = {.bias = scope_tensor_wrap(SCOPE_DTYPE_F32, bias, SCOPE_SHAPE(o))};
    for (int64_t i = 0; i < o * k; i++) {
        stored[i] = (guint16)(0x3c00 + i % 128); /* small numbers in bf16 */
    }
    prepared(scope_weight_prepare_linear(
                 b->ctx, b->arena, scope_tensor_wrap(SCOPE_DTYPE_BF16, stored, SCOPE_SHAPE(o, k)),
                 &options, &op.weight, &error),
             error);
    op.epilogue.activation = gelu ? SCOPE_ACTIVATION_GELU_TANH : SCOPE_ACTIVATION_NONE;
    op.epilogue.residual = residual ? op.y : SCOPE_TENSOR_NONE;
    report(b, name, run_linear, &op, 2.0 * (double)n * (double)o * (double)k * 1e-12, FALSE);
    scope_arena_release(b->arena, mark);
}

static void
bench_attention(Bench *b, int64_t n, int64_t keys, int64_t heads)
{
    ScopeArenaMark mark = scope_arena_mark(b->arena);
    g_autofree char *name =
        g_strdup_printf("attention %d queries %d keys %d heads", (int)n, (int)keys, (int)heads);
    Op op = {.x = random_tensor(b, b->work, SCOPE_SHAPE(n, heads, 128)),
             .y = random_tensor(b, b->work, SCOPE_SHAPE(n, heads, 128)),
             .k = random_tensor(b, b->work, SCOPE_SHAPE(keys, heads, 128)),
             .v = random_tensor(b, b->work, SCOPE_SHAPE(keys, heads, 128))};
    double tera = 4.0 * (double)n * (double)keys * (double)heads * 128.0 * 1e-12;
    report(b, name, run_attention, &op, tera, FALSE);
    scope_arena_release(b->arena, mark);
}

static void
bench_conv(Bench *b, int64_t t, int64_t h, int64_t w, int64_t c, int64_t kt)
{
    ScopeArenaMark mark = scope_arena_mark(b->arena);
    g_autofree char *name = g_strdup_printf("convolution %dx3x3 %d channels %dx%dx%d", (int)kt,
                                            (int)c, (int)t, (int)h, (int)w);
    const ScopeConvGeometry g = scope_conv_geometry_same(1);
    g_autofree float *stored = g_new0(float, c *c *kt * 9);
    g_autoptr(GError) error = NULL;
    Op op = {.x = random_tensor(b, b->work, SCOPE_SHAPE(t + kt - 1, h, w, c)),
             .y = random_tensor(b, b->work, SCOPE_SHAPE(t, h, w, c))};
    prepared(scope_weight_prepare_conv(
                 b->ctx, b->arena,
                 scope_tensor_wrap(SCOPE_DTYPE_F32, stored, SCOPE_SHAPE(c, c, kt, 3, 3)), &g, NULL,
                 &op.weight, &error),
             error);
    double pixels = (double)(t * h * w), each = 2.0 * (double)(c * c * kt * 9);
    report(b, name, run_conv, &op, pixels * each * 1e-12, FALSE);
    scope_arena_release(b->arena, mark);
}

static void
bench_rows(Bench *b, int64_t n, int64_t d)
{
    ScopeArenaMark mark = scope_arena_mark(b->arena);
    double moved = 2.0 * (double)(n * d) * (double)scope_dtype_size(b->work) * 1e-12;
    Op op = {.x = random_tensor(b, b->work, SCOPE_SHAPE(n, d)),
             .y = random_tensor(b, b->work, SCOPE_SHAPE(n, d)),
             .norm = {.eps = 1e-6F, .modulation_rows = (n + CHUNK_FRAMES - 1) / CHUNK_FRAMES}};
    op.norm.scale = random_tensor(b, SCOPE_DTYPE_F32, SCOPE_SHAPE(CHUNK_FRAMES, d));
    op.norm.shift = random_tensor(b, SCOPE_DTYPE_F32, SCOPE_SHAPE(CHUNK_FRAMES, d));
    report(b, "norm and modulation", run_norm, &op, moved, TRUE);
    op.table = random_tensor(b, SCOPE_DTYPE_F32, SCOPE_SHAPE(n, 64, 2));
    op.x = scope_tensor_reshape(op.x, SCOPE_SHAPE(n, d / 128, 128));
    op.y = scope_tensor_reshape(op.y, SCOPE_SHAPE(n, d / 128, 128));
    report(b, "rotary embedding", run_rope, &op, moved, TRUE);
    scope_arena_release(b->arena, mark);
}

static void
bench_ops(Bench *b)
{
    const int64_t n = (int64_t)CHUNK_FRAMES * 30 * 52, keys = (int64_t)WINDOW * 30 * 52;
    bench_linear(b, n, 1536, 1536, FALSE, FALSE);
    bench_linear(b, n, 8960, 1536, TRUE, FALSE);
    bench_linear(b, n, 1536, 8960, FALSE, TRUE);
    bench_linear(b, n, 5120, 5120, FALSE, FALSE);
    bench_linear(b, n, 13824, 5120, TRUE, FALSE);
    bench_attention(b, n, keys, 12);
    bench_attention(b, n, TEXT_ROWS, 12);
    bench_attention(b, n, keys / 2, 40);
    bench_conv(b, 1, 60, 104, 384, 3);
    bench_conv(b, 4, 240, 416, 192, 3);
    bench_conv(b, 4, 480, 832, 96, 3);
    bench_conv(b, 12, 480, 832, 64, 1);
    bench_rows(b, n, 1536);
}

/* ---- passes of the transformer ------------------------------------------------------------- */

typedef struct {
    const ScopeWanModel *model;
    ScopeWanPass pass;
    ScopeWanCache cache;
    ScopeWanText text;
} Pass;

static void
run_pass(Bench *b, void *data)
{
    Pass *p = data;
    scope_wan_model_run(b->ctx, p->model, &p->pass);
}

static void
bench_pass(Bench *b, const ScopeWanModel *model, int64_t height, int64_t width)
{
    const ScopeWanConfig *c = scope_wan_model_get_config(model);
    ScopeArenaMark mark = scope_arena_mark(b->arena);
    g_autofree char *name =
        g_strdup_printf("pass 1.3B %dx%d window %d", (int)height * 8, (int)width * 8, WINDOW);
    g_autofree float *prompt = g_new0(float, TEXT_ROWS *(gsize)c->text_dim);
    const float timesteps[CHUNK_FRAMES] = {750, 750, 750};
    int64_t fs = height / SCOPE_WAN_PATCH * width / SCOPE_WAN_PATCH, n = CHUNK_FRAMES * fs;
    Pass p = {.model = model};
    for (gsize i = 0; i < TEXT_ROWS * (gsize)c->text_dim; i++) {
        prompt[i] = sinf((float)i);
    }
    ScopeWanCacheOptions options = {.kind = SCOPE_WAN_CACHE_LONGLIVE,
                                    .n_layers = c->n_layers,
                                    .n_heads = c->n_heads,
                                    .head_dim = c->dim / c->n_heads,
                                    .frame_tokens = fs,
                                    .slot_frames = WINDOW,
                                    .window_frames = WINDOW,
                                    .budget_frames = WINDOW,
                                    .sink_frames = SINK,
                                    .chunk_frames = CHUNK_FRAMES,
                                    .dtype = b->work};
    scope_wan_cache_init(&p.cache, b->ctx, &options, b->arena);
    scope_wan_cache_set_filled(&p.cache, WINDOW * fs);
    scope_wan_text_init(&p.text, b->ctx, c, b->arena);
    scope_wan_text_set_prompt(
        &p.text, b->ctx,
        scope_tensor_wrap(SCOPE_DTYPE_F32, prompt, SCOPE_SHAPE(TEXT_ROWS, c->text_dim)));
    p.pass = (ScopeWanPass){
        .latents = random_tensor(b, b->work, SCOPE_SHAPE(CHUNK_FRAMES, c->in_dim, height, width)),
        .flow = random_tensor(b, b->work, SCOPE_SHAPE(CHUNK_FRAMES, c->out_dim, height, width)),
        .timesteps = timesteps,
        .text = &p.text,
        .cache = &p.cache,
        .start_frame = WINDOW - CHUNK_FRAMES};
    double d = c->dim, tokens = (double)n;
    double linear = 12 * tokens * d * d + 4 * tokens * d * c->ffn_dim;
    double attention = 4 * tokens * d * (double)(WINDOW * fs + TEXT_ROWS);
    double seconds =
        report(b, name, run_pass, &p, c->n_layers * (linear + attention) * 1e-12, FALSE);
    printf("%-44s %9.3f ms, %.1f fps without decode\n", "  a chunk: 4 denoise passes, 1 cache pass",
           seconds * CHUNK_PASSES * 1e3, 4.0 * CHUNK_FRAMES / (seconds * CHUNK_PASSES));
    scope_arena_release(b->arena, mark);
}

static void
bench_transformer(Bench *b)
{
    const ScopeWanLayout wan = {.dim = 1536, .ffn_dim = 8960, .n_layers = 30};
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("scope-bench-XXXXXX", &error);
    g_autofree char *path = folder ? g_build_filename(folder, "model.pt", NULL) : NULL;
    if (!path || !scope_full_wan_write(&wan, TRUE, path, &error)) {
        fprintf(stderr, "bench-cuda: %s\n", error->message);
        return;
    }
    gint64 start = g_get_monotonic_time();
    ScopeWanLoadOptions options = {.weights_path = path};
    g_autoptr(ScopeWanModel) model = scope_wan_model_load(b->ctx, &options, &error);
    g_remove(path);
    g_rmdir(folder);
    if (!model) {
        fprintf(stderr, "bench-cuda: %s\n", error->message);
        return;
    }
    printf("%-44s %9.3f ms\n", "load 1.3B, bf16, one storage in page cache",
           (double)(g_get_monotonic_time() - start) * 1e-3);
    bench_pass(b, model, 40, 72);
    bench_pass(b, model, 60, 104);
}

int
main(int argc, char **argv)
{
    static const char *const names[SCOPE_N_PRECISIONS] = {"bf16", "f32", "fp8"};
    g_autofree char *device = NULL, *dtype = NULL, *json = NULL;
    g_autoptr(GError) error = NULL;
    const GOptionEntry entries[] = {
        {"device", 0, 0, G_OPTION_ARG_STRING, &device, "cuda or cuda:N", "DEVICE"},
        {"dtype", 0, 0, G_OPTION_ARG_STRING, &dtype, "bf16 (default), f32 or fp8", "TYPE"},
        {"json", 'j', 0, G_OPTION_ARG_FILENAME, &json, "write the rows to FILE", "FILE"},
        {NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new("- speed of the CUDA backend");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "bench-cuda: %s\n", error->message);
        return 2;
    }
    int precision = 0;
    while (precision < SCOPE_N_PRECISIONS && dtype && strcmp(names[precision], dtype) != 0) {
        precision++;
    }
    if (precision == SCOPE_N_PRECISIONS) {
        fprintf(stderr, "bench-cuda: --dtype %s: expected bf16, f32 or fp8\n", dtype);
        return 2;
    }
    Bench b = {.json = g_string_new("[")};
    b.backend = scope_devices_open(device ? device : "cuda", (ScopePrecision)precision, &error);
    if (!b.backend) {
        printf("skipped, no CUDA device: %s\n", error->message);
        return 77;
    }
    b.pool = scope_pool_create(1, &error);
    b.ctx = scope_context_create(b.backend, b.pool, &error);
    prepared(b.ctx != NULL, error);
    b.arena = scope_arena_create(b.backend, "bench");
    b.work = b.backend->work_dtype;
    bench_ceilings(&b);
    bench_ops(&b);
    bench_transformer(&b);
    g_string_append_c(b.json, ']');
    if (json && !g_file_set_contents(json, b.json->str, -1, &error)) {
        fprintf(stderr, "bench-cuda: %s\n", error->message);
    }
    scope_arena_destroy(b.arena);
    scope_context_destroy(b.ctx);
    scope_pool_destroy(b.pool);
    g_string_free(b.json, TRUE);
    return 0;
}
