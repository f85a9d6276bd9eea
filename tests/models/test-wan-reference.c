/* SPDX-License-Identifier: Apache-2.0 */
/* A pass of a transformer with Mini's own tensors (places, pooled prompt) against what
 * training/mini/reference.py computed with PyTorch on the same random weights. Main thread. */
#include <gio/gio.h>
#include <math.h>

#include "engine/checkpoint/scope-checkpoint.h"
#include "engine/scope-backend.h"
#include "models/scope-wan-model.h"
#include "support/scope-alloc-counter.h"

#define N_VALUES (2 * 4 * 6 * 8)

typedef struct {
    char *path;
    ScopePool *pool;
    ScopeContext *ctx;
    ScopeArena *arena;
    ScopeCheckpoint *file;
    ScopeWanText text;
} Fixture;

static void
set_up(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->path = g_test_build_filename(G_TEST_DIST, "data", "pass.safetensors", NULL);
    f->pool = scope_pool_create(1, NULL);
    f->ctx = scope_context_create(scope_backend_cpu(), f->pool, NULL);
    f->arena = scope_arena_create(scope_backend_cpu(), "test");
    f->file = scope_checkpoint_open(f->path, &error);
    g_assert_no_error(error);
}

static void
tear_down(Fixture *f, gconstpointer data)
{
    scope_checkpoint_unref(f->file);
    scope_arena_destroy(f->arena);
    scope_context_destroy(f->ctx);
    scope_pool_destroy(f->pool);
    g_free(f->path);
}

/* A tensor of the file; its name gets the number of the prompt. */
static ScopeTensor
read_tensor(Fixture *f, const char *base, int number)
{
    g_autofree char *name = number < 0 ? g_strdup(base) : g_strdup_printf("%s.%d", base, number);
    g_autoptr(GError) error = NULL;
    const ScopeCheckpointTensor *stored = scope_checkpoint_require(f->file, name, -1, NULL, &error);

    g_assert_no_error(error);
    ScopeTensor tensor =
        scope_arena_alloc(f->arena, SCOPE_DTYPE_F32, stored->rank, (const int64_t *)stored->shape);
    scope_checkpoint_tensor_copy_f32(stored, tensor.data);
    return tensor;
}

static ScopeWanModel *
load(Fixture *f, ScopeWanQuantization quantization)
{
    g_autoptr(GError) error = NULL;
    ScopeWanLoadOptions options = {.weights_path = f->path,
                                   .known = &(ScopeWanConfig){.n_heads = 2, .text_len = 64},
                                   .quantization = quantization};
    ScopeWanModel *model = scope_wan_model_load(f->ctx, &options, &error);

    g_assert_no_error(error);
    scope_wan_text_init(&f->text, f->ctx, scope_wan_model_get_config(model), f->arena);
    return model;
}

/* Largest difference between the flow for @prompt and @wanted. */
static double
run(Fixture *f, const ScopeWanModel *model, ScopeTensor prompt, ScopeTensor wanted)
{
    float flow[N_VALUES];
    double worst = 0;
    const float *expected = wanted.data;
    ScopeWanPass pass = {
        .latents = read_tensor(f, "test.latents", -1),
        .flow = scope_tensor_wrap(SCOPE_DTYPE_F32, flow, SCOPE_SHAPE(2, 4, 6, 8)),
        .timesteps = read_tensor(f, "test.timesteps", -1).data,
        .text = &f->text,
    };

    scope_wan_text_reset_cross(&f->text, f->ctx);
    scope_wan_text_set_prompt(&f->text, f->ctx, prompt);
    for (int again = 0; again < 2; again++) {
        int64_t before = scope_alloc_counter_read();
        scope_wan_model_run(f->ctx, model, &pass);
        g_assert_true(again == 0 || scope_alloc_counter_read() == before);
    }
    for (int i = 0; i < N_VALUES; i++) {
        worst = MAX(worst, fabs((double)flow[i] - expected[i]));
    }
    return worst;
}

/* The pooled prompt follows every change, there and back. */
static void
test_prompts(Fixture *f, gconstpointer data)
{
    static const int order[] = {0, 1, 0};
    g_autoptr(ScopeWanModel) model = load(f, SCOPE_WAN_QUANTIZATION_NONE);

    for (guint i = 0; i < G_N_ELEMENTS(order); i++) {
        double worst = run(f, model, read_tensor(f, "test.prompt", order[i]),
                           read_tensor(f, "test.flow", order[i]));
        g_test_message("prompt %d differs by %g", order[i], worst);
        g_assert_cmpfloat(worst, <, 2e-5);
    }
    g_assert_cmpfloat(
        run(f, model, read_tensor(f, "test.prompt", 1), read_tensor(f, "test.flow", 0)), >, 0.05);
}

static void
test_int8(Fixture *f, gconstpointer data)
{
    g_autoptr(ScopeWanModel) model = load(f, SCOPE_WAN_QUANTIZATION_INT8);
    double worst = run(f, model, read_tensor(f, "test.prompt", 0), read_tensor(f, "test.flow", 0));

    g_test_message("int8 differs by %g", worst);
    g_assert_cmpfloat(worst, >, 0);
    g_assert_cmpfloat(worst, <, 0.05);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/wan-reference/prompts", Fixture, NULL, set_up, test_prompts, tear_down);
    g_test_add("/wan-reference/int8", Fixture, NULL, set_up, test_int8, tear_down);
    return g_test_run();
}
