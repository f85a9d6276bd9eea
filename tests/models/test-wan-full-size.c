/* SPDX-License-Identifier: Apache-2.0 */
/* A transformer of the published 1.3B size, filled with random numbers, runs one step: loaded from
 * a file, bfloat16, with the memory that mapped weights allow. Main thread. */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "engine/scope-backend.h"
#include "models/scope-wan-model.h"
#include "support/scope-full-wan.h"

#define N_VALUES (16 * 8 * 8)

static void
run_step(const char *path, int n_threads, float out[N_VALUES])
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopePool) pool = scope_pool_create(n_threads, &error);
    g_autoptr(ScopeContext) ctx = scope_context_create(scope_backend_cpu(), pool, &error);
    g_autoptr(ScopeArena) arena = scope_arena_create(scope_backend_cpu(), "test");
    g_autoptr(ScopeWanModel) model = NULL;
    ScopeWanLoadOptions options = {.weights_path = path};
    float x[N_VALUES];
    g_autofree float *rows = g_new(float, 3 * 4096);
    const float timestep = 750;
    ScopeWanText text;

    model = scope_wan_model_load(ctx, &options, &error);
    g_assert_no_error(error);
    const ScopeWanConfig *config = scope_wan_model_get_config(model);
    g_assert_cmpint(config->dim, ==, 1536);
    g_assert_cmpint(config->n_layers, ==, 30);
    g_assert_cmpint(config->n_heads, ==, 12);
    g_assert_cmpint(config->text_len, ==, 512);
    /* norms, modulations and biases only; the matrices stay in the file */
    g_assert_cmpuint(scope_wan_model_get_weights_bytes(model), <, 64u << 20);
    for (int i = 0; i < N_VALUES; i++) {
        x[i] = sinf((float)i);
    }
    for (int i = 0; i < 3 * 4096; i++) {
        rows[i] = cosf((float)i);
    }
    scope_wan_text_init(&text, ctx, config, arena);
    scope_wan_text_set_prompt(&text, ctx,
                              scope_tensor_wrap(SCOPE_DTYPE_F32, rows, SCOPE_SHAPE(3, 4096)));
    ScopeWanPass pass = {
        .latents = scope_tensor_wrap(SCOPE_DTYPE_F32, x, SCOPE_SHAPE(1, 16, 8, 8)),
        .flow = scope_tensor_wrap(SCOPE_DTYPE_F32, out, SCOPE_SHAPE(1, 16, 8, 8)),
        .timesteps = &timestep,
        .text = &text,
    };
    scope_wan_model_run(ctx, model, &pass);
}

static void
test_step(void)
{
    const ScopeWanLayout wan = {.dim = 1536, .ffn_dim = 8960, .n_layers = 30};
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp("scope-full-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "model.pt", NULL);
    float one[N_VALUES], two[N_VALUES];
    double sum = 0;

    scope_full_wan_write(&wan, TRUE, path, &error);
    g_assert_no_error(error);
    run_step(path, 1, one);
    run_step(path, 2, two);
    g_assert_cmpmem(one, sizeof(one), two, sizeof(two));
    for (int i = 0; i < N_VALUES; i++) {
        g_assert_true(isfinite(one[i]));
        sum += (double)one[i] * one[i];
    }
    g_assert_cmpfloat(sum, >, 0);
    g_remove(path);
    g_rmdir(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wan-full-size/step", test_step);
    return g_test_run();
}
