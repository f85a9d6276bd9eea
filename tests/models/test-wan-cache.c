/* SPDX-License-Identifier: Apache-2.0 */
/* The key sequences of a cache, worked out by hand for one token a frame, one head and a head of
 * two numbers, so that a rotation is an angle. Main thread. */
#include <math.h>

#include "engine/scope-backend.h"
#include "models/scope-wan-cache.h"

/* Runs one frame with query and key (1, 0) and value (@value, 1) at the end of the stream. */
static void
run_frame(ScopeWanCache *cache, ScopeContext *ctx, float value, float out[2])
{
    const ScopeWanCacheCall call = {0};
    float q[2] = {1, 0}, k[2] = {1, 0}, v[2] = {value, 1};
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);

    scope_wan_cache_begin(cache, ctx, &call, cache->total_tokens, 1, 1, 1, SCOPE_TENSOR_NONE);
    scope_wan_cache_attend(cache, ctx, 0,
                           scope_tensor_wrap(SCOPE_DTYPE_F32, out, SCOPE_SHAPE(1, 1, 2)),
                           scope_tensor_wrap(SCOPE_DTYPE_F32, q, SCOPE_SHAPE(1, 1, 2)),
                           scope_tensor_wrap(SCOPE_DTYPE_F32, k, SCOPE_SHAPE(1, 1, 2)),
                           scope_tensor_wrap(SCOPE_DTYPE_F32, v, SCOPE_SHAPE(1, 1, 2)));
    scope_wan_cache_end(cache);
    scope_arena_release(ctx->scratch, mark);
}

/* Reward-Forcing while the stream is shorter than its sink of three frames: the empty slots are
 * seen as zero keys, and the query stands at its place in the stream. */
static void
test_short_stream(void)
{
    g_autoptr(ScopeArena) arena = scope_arena_create(scope_backend_cpu(), "test");
    ScopePool *pool = scope_pool_create(1, NULL);
    ScopeContext *ctx = scope_context_create(scope_backend_cpu(), pool, NULL);
    const ScopeWanCacheOptions options = {
        .kind = SCOPE_WAN_CACHE_REWARD_FORCING,
        .n_layers = 1,
        .n_heads = 1,
        .head_dim = 2,
        .frame_tokens = 1,
        .slot_frames = 5,
        .window_frames = 5,
        .budget_frames = 5,
        .sink_frames = 3,
        .chunk_frames = 1,
        .sink_decay = 0.5f,
        .dtype = SCOPE_DTYPE_F32,
    };
    ScopeWanCache cache;
    float out[2];

    scope_wan_cache_init(&cache, ctx, &options, arena);
    for (int frame = 0; frame < 5; frame++) {
        double sum = 0, values = 0, ones = 0;
        for (int key = 0; key <= frame; key++) {
            double weight = exp(cos(frame - key) / sqrt(2));
            sum += weight;
            values += weight * (10 + key);
            ones += weight;
        }
        sum += MAX(2 - frame, 0);
        run_frame(&cache, ctx, 10.0f + (float)frame, out);
        g_assert_cmpfloat_with_epsilon((double)out[0], values / sum, 1e-4);
        g_assert_cmpfloat_with_epsilon((double)out[1], ones / sum, 1e-5);
    }
    scope_context_destroy(ctx);
    scope_pool_destroy(pool);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wan-cache/short-stream", test_short_stream);
    return g_test_run();
}
