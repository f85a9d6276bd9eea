/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations of the streaming pipelines and the speed of this machine. The measured rate is one
 * atomic number; the thread that measures it is joined at the end of the program.
 */
#include "pipelines/scope-estimate.h"

#include <string.h>

#include "core/scope-log.h"
#include "core/scope-thread.h"
#include "engine/scope-backend.h"
#include "engine/scope-context.h"
#include "pipelines/krea-realtime-video/scope-krea-realtime-video.h"
#include "pipelines/longlive/scope-longlive.h"
#include "pipelines/memflow/scope-memflow.h"
#include "pipelines/reward-forcing/scope-reward-forcing.h"
#include "pipelines/streamdiffusionv2/scope-streamdiffusionv2.h"
#include "pipelines/wan/scope-wan-stream.h"

SCOPE_LOG_TOPIC(pipelines, estimate)

#define TEXT_ROWS       512
#define TOKEN_PIXELS    16
#define VAE_MFLOP_PIXEL 33.85 /* decoding a latent frame with the full VAE, for an output pixel */

/* Sizes of the measured product: those of a feed-forward layer of the 1.3B model. */
#define ROWS    256
#define COLUMNS 1536
#define WIDE    2048
#define ROUNDS  6

/* Sizes of the published transformers. */
typedef struct {
    gdouble dim, ffn_dim, n_layers;
} Dims;

static const Dims dims_1_3b = {1536, 8960, 30}, dims_14b = {5120, 13824, 40};

static const struct {
    const ScopePipelineDesc *desc;
    const ScopeWanVariant *variant;
    const Dims *dims;
} models[] = {
    {&scope_streamdiffusionv2_desc, &scope_wan_variant_streamdiffusionv2, &dims_1_3b},
    {&scope_longlive_desc, &scope_wan_variant_longlive, &dims_1_3b},
    {&scope_krea_realtime_video_desc, &scope_wan_variant_krea, &dims_14b},
    {&scope_reward_forcing_desc, &scope_wan_variant_reward_forcing, &dims_1_3b},
    {&scope_memflow_desc, &scope_wan_variant_memflow, &dims_1_3b},
};

static guint64 flops;       /* measured operations per second; 0 = not yet */
static ScopeThread *thread; /* of the measuring; main thread only */

static gdouble
default_of(const ScopePipelineDesc *desc, const char *key)
{
    for (guint i = 0; i < desc->n_params; i++) {
        if (strcmp(desc->params[i].key, key) == 0)
            return g_ascii_strtod(desc->params[i].default_json, NULL);
    }
    return 0.0;
}

/* One pass over @n tokens that attend @n_keys. */
static gdouble
count_pass(const Dims *m, gdouble n, gdouble n_keys)
{
    gdouble linear = 2 * (6 * m->dim * m->dim + 2 * m->dim * m->ffn_dim);
    gdouble attention = 4 * m->dim * (n_keys + TEXT_ROWS);

    return n * m->n_layers * (linear + attention);
}

gdouble
scope_estimate_gflop(const char *pipeline_id)
{
    for (guint i = 0; i < G_N_ELEMENTS(models); i++) {
        const ScopeWanVariant *v = models[i].variant;
        gdouble pixels, tokens, passes;

        if (strcmp(models[i].desc->id, pipeline_id) != 0)
            continue;
        pixels = default_of(models[i].desc, "height") * default_of(models[i].desc, "width");
        tokens = pixels / (TOKEN_PIXELS * TOKEN_PIXELS);
        /* the last pass writes the cache, or computes it from context frames */
        passes = (v->n_steps + 1) *
                 count_pass(models[i].dims, tokens * v->chunk_frames, tokens * v->slot_frames);
        return (passes + v->chunk_frames * pixels * VAE_MFLOP_PIXEL * 1e6) /
               (v->chunk_frames * SCOPE_WAN_FRAMES_PER_LATENT) / 1e9;
    }
    return 0.0;
}

gdouble
scope_estimate_frame_seconds(const char *pipeline_id)
{
    guint64 rate = __atomic_load_n(&flops, __ATOMIC_RELAXED);

    return rate > 0 ? scope_estimate_gflop(pipeline_id) * 1e9 / (gdouble)rate : 0.0;
}

/* -- Measuring ------------------------------------------------------------------------------- */

/* The best of some rounds: other work on the machine only slows them down. */
static gdouble
measure(ScopeContext *ctx, ScopeArena *arena)
{
    ScopeTensor x = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(ROWS, COLUMNS));
    ScopeTensor w = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(COLUMNS, WIDE));
    ScopeTensor y = scope_arena_alloc(arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(ROWS, WIDE));
    gint64 best = G_MAXINT64;

    scope_op_random_normal(ctx, x, 1, 0);
    scope_op_random_normal(ctx, w, 2, 0);
    for (int i = 0; i < ROUNDS; i++) {
        gint64 begin = g_get_monotonic_time();

        scope_op_matmul(ctx, y, x, w, 1.0f);
        best = MIN(best, g_get_monotonic_time() - begin);
    }
    return 2.0 * ROWS * COLUMNS * WIDE * 1e6 / (gdouble)MAX(best, 1);
}

static void
measure_main(gpointer data)
{
    g_autoptr(ScopePool) pool = scope_pool_create(CLAMP(GPOINTER_TO_INT(data), 1, 64), NULL);
    g_autoptr(ScopeContext) ctx =
        pool != NULL ? scope_context_create(scope_backend_cpu(), pool, NULL) : NULL;
    g_autoptr(ScopeArena) arena = scope_arena_create(scope_backend_cpu(), "estimate");
    gdouble rate;

    if (ctx == NULL)
        return;
    rate = measure(ctx, arena);
    __atomic_store_n(&flops, (guint64)rate, __ATOMIC_RELAXED);
    scope_log_debug("%.0f GFLOP/s in a matrix product", rate / 1e9);
}

void
scope_estimate_start(guint n_cpus)
{
    g_autoptr(GError) error = NULL;

    thread = scope_thread_start("scope-estimate", measure_main, GUINT_TO_POINTER(n_cpus), &error);
    if (thread == NULL)
        scope_log_debug("the speed of the processor is not measured: %s", error->message);
}

void
scope_estimate_finish(void)
{
    scope_thread_join(&thread);
}
