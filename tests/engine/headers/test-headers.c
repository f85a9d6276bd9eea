/* SPDX-License-Identifier: Apache-2.0 */
/* Published checkpoints at full size without their data: every container and wrapping maps name by
 * name, parameter counts are the published ones, the models accept the files, and nothing of the
 * data is read. Main thread. */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>

#include "engine/checkpoint/scope-lora-file.h"
#include "engine/scope-backend.h"
#include "engine/scope-context.h"
#include "headers/scope-model-layouts.h"
#include "models/scope-contour.h"
#include "models/scope-raft.h"
#include "models/scope-rife.h"
#include "models/scope-taehv.h"
#include "models/scope-umt5.h"
#include "models/scope-vda.h"
#include "models/scope-wan-config.h"
#include "models/scope-wan-model.h"
#include "models/scope-wan-vae.h"

#define F32  SCOPE_STORED_F32
#define BF16 SCOPE_STORED_BF16
#define FP8  SCOPE_STORED_F8_E4M3

static const ScopeWanLayout wan_1b = {1536, 8960, 30, BF16, BF16};
static const ScopeWanLayout wan_1b_f32 = {1536, 8960, 30, F32, F32};
static const ScopeWanLayout wan_1b_fp8 = {1536, 8960, 30, FP8, F32};
static const ScopeWanLayout wan_14b = {5120, 13824, 40, BF16, BF16};

typedef struct {
    char *folder;
    ScopeHeaderFile file;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp("scope-headers-XXXXXX", NULL);
    g_assert_nonnull(fixture->folder);
    scope_header_file_init(&fixture->file);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GDir) folder = g_dir_open(fixture->folder, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
        g_remove(path);
    }
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
    scope_header_file_clear(&fixture->file);
}

/* Opens what @written says was written; NULL (and the test is skipped) where the file system takes
 * no sparse file of that size. */
static ScopeCheckpoint *
open_written(const char *path, gboolean written)
{
    g_autoptr(GError) error = NULL;
    ScopeCheckpoint *checkpoint;

    if (!written) {
        g_test_skip("the temporary folder takes no sparse file of this size");
        return NULL;
    }
    checkpoint = scope_checkpoint_open(path, &error);
    g_assert_no_error(error);
    return checkpoint;
}

static ScopeCheckpoint *
write_safetensors(Fixture *fixture, guint n_shards)
{
    g_autofree char *path = g_build_filename(
        fixture->folder, n_shards > 1 ? "m.safetensors.index.json" : "m.safetensors", NULL);

    return open_written(path, scope_header_file_write_safetensors(&fixture->file, path, n_shards));
}

static ScopeCheckpoint *
write_torch(Fixture *fixture, const char *wrapper, const char *decoy, const char *prefix)
{
    g_autofree char *path = g_build_filename(fixture->folder, "m.pt", NULL);
    const ScopeHeaderWrapping wrapping = {wrapper, decoy, prefix};

    return open_written(path, scope_header_file_write_torch(&fixture->file, path, &wrapping));
}

/* Loads a transformer as a pipeline does; its matrices stay mapped, so that only vectors are read.
 */
static gboolean
load_wan(const char *path, const char *vace_path, const char *const *wrappers, GError **error)
{
    const ScopeWanLoadOptions options = {
        .weights_path = path, .vace_path = vace_path, .wrappers = wrappers};
    ScopePool *pool = scope_pool_create(1, error);
    ScopeContext *ctx =
        pool != NULL ? scope_context_create(scope_backend_cpu(), pool, error) : NULL;
    ScopeWanModel *model = ctx != NULL ? scope_wan_model_load(ctx, &options, error) : NULL;
    gboolean loaded = model != NULL;

    scope_wan_model_destroy(model);
    scope_context_destroy(ctx);
    scope_pool_destroy(pool);
    return loaded;
}

static void
check_loads(const ScopeCheckpoint *checkpoint, const ScopeCheckpoint *vace,
            const char *const *wrappers)
{
    g_autoptr(GError) error = NULL;
    gboolean loaded =
        load_wan(scope_checkpoint_get_path(checkpoint),
                 vace != NULL ? scope_checkpoint_get_path(vace) : NULL, wrappers, &error);

    g_assert_no_error(error);
    g_assert_true(loaded);
}

/* The dimensions that follow from the weights are those of the layout. */
static void
check_wan(const ScopeCheckpoint *weights, const ScopeCheckpoint *vace, const ScopeWanLayout *wan,
          int n_vace)
{
    g_autoptr(GError) error = NULL;
    ScopeWanConfig config = {0};

    scope_wan_config_resolve(&config, NULL, weights, vace, &error);
    g_assert_no_error(error);
    g_assert_cmpint(config.dim, ==, wan->dim);
    g_assert_cmpint(config.ffn_dim, ==, wan->ffn_dim);
    g_assert_cmpint(config.n_layers, ==, wan->n_layers);
    g_assert_cmpint(config.n_heads, ==, wan->dim / 128);
    g_assert_cmpint(config.freq_dim, ==, 256);
    g_assert_cmpint(config.text_dim, ==, 4096);
    g_assert_cmpint(config.n_vace_layers, ==, n_vace);
    if (n_vace > 0) {
        int step = (int)wan->n_layers / n_vace;
        g_assert_cmpint(config.vace_layers[n_vace - 1], ==, step * (n_vace - 1));
    }
}

/* -- Wan -------------------------------------------------------------------------------------- */

static void
test_wan_1b(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_wan(&fixture->file, &wan_1b_f32);
    g_assert_cmpint(fixture->file.n_parameters, ==, 1418996800);
    g_assert_cmpuint(fixture->file.tensors->len, ==, 825);
    c = write_safetensors(fixture, 1);
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_wan(c, NULL, &wan_1b_f32, 0);
    }
}

static void
test_wan_14b_sharded(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_wan(&fixture->file, &wan_14b);
    g_assert_cmpint(fixture->file.n_parameters, ==, 14288491584);
    g_assert_cmpuint(fixture->file.tensors->len, ==, 1095);
    c = write_safetensors(fixture, 6);
    if (c != NULL) {
        g_autoptr(ScopeCheckpoint) folder = scope_checkpoint_open(fixture->folder, NULL);
        g_assert_nonnull(folder);
        scope_header_file_check(&fixture->file, c, "");
        scope_header_file_check(&fixture->file, folder, "");
        check_wan(c, NULL, &wan_14b, 0);
    }
}

static void
test_wan_fp8(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_wan(&fixture->file, &wan_1b_fp8);
    c = write_safetensors(fixture, 1);
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_wan(c, NULL, &wan_1b_fp8, 0);
        check_loads(c, NULL, NULL);
    }
}

/* One line of the table of files in the wild. */
typedef struct {
    const char *wrapper, *decoy, *prefix;
    const char *hints[4]; /* what a pipeline passes; empty: nothing */
    gboolean safetensors;
    gboolean large;
} Wild;

static const Wild self_forcing = {"generator_ema", "generator", "model.", {NULL}, FALSE, FALSE};
static const Wild longlive = {"generator", NULL, "model.", {"generator"}, FALSE, FALSE};
static const Wild memflow = {"generator", "critic", "model.", {"generator"}, FALSE, FALSE};
static const Wild stream_diffusion = {
    "generator", NULL, "", {"generator", "generator_ema", "state_dict"}, FALSE, FALSE};
static const Wild stream_diffusion_fsdp = {
    "state_dict", NULL, "model._fsdp_wrapped_module.", {"generator", "generator_ema", "state_dict"},
    FALSE,        FALSE};
static const Wild reward_forcing = {NULL, NULL, "model.", {NULL}, FALSE, FALSE};
static const Wild krea = {NULL, NULL, "model.", {NULL}, TRUE, TRUE};

static void
test_wild(Fixture *fixture, gconstpointer data)
{
    const Wild *wild = data;
    const ScopeWanLayout *wan = wild->large ? &wan_14b : &wan_1b;
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(ScopeCheckpoint) state = NULL;
    g_autoptr(GError) error = NULL;

    scope_layout_wan(&fixture->file, wan);
    if (wild->safetensors) {
        for (guint i = 0; i < fixture->file.tensors->len; i++) {
            char **name = &g_array_index(fixture->file.tensors, ScopeHeaderTensor, i).name;
            char *prefixed = g_strconcat(wild->prefix, *name, NULL);
            g_free(*name);
            *name = prefixed;
        }
        c = write_safetensors(fixture, 1);
        if (c != NULL) {
            scope_header_file_check(&fixture->file, c, "");
        }
        scope_header_file_clear(&fixture->file);
        scope_header_file_init(&fixture->file);
        scope_layout_wan(&fixture->file, wan);
    } else {
        c = write_torch(fixture, wild->wrapper, wild->decoy, wild->prefix);
    }
    if (c == NULL) {
        return;
    }
    state = scope_checkpoint_select(c, wild->hints[0] != NULL ? wild->hints : NULL, NULL, &error);
    g_assert_no_error(error);
    scope_header_file_check(&fixture->file, state, "");
    check_wan(state, NULL, wan, 0);
    check_loads(c, NULL, wild->hints[0] != NULL ? wild->hints : NULL);
}

static void
check_vace(Fixture *fixture, const ScopeWanLayout *wan, int n_blocks, gint64 n_parameters,
           guint n_tensors)
{
    ScopeHeaderFile base;
    g_autofree char *path = g_build_filename(fixture->folder, "base.safetensors", NULL);
    g_autoptr(ScopeCheckpoint) weights = NULL;
    g_autoptr(ScopeCheckpoint) vace = NULL;

    scope_header_file_init(&base);
    scope_layout_wan(&base, wan);
    scope_layout_vace(&fixture->file, wan, n_blocks);
    g_assert_cmpint(fixture->file.n_parameters, ==, n_parameters);
    g_assert_cmpuint(fixture->file.tensors->len, ==, n_tensors);
    weights = open_written(path, scope_header_file_write_safetensors(&base, path, 1));
    vace = weights != NULL ? write_safetensors(fixture, 1) : NULL;
    if (vace != NULL) {
        scope_header_file_check(&fixture->file, vace, "");
        check_wan(weights, vace, wan, n_blocks);
        if (n_blocks == 15) {
            check_loads(weights, vace, NULL);
        }
    }
    scope_header_file_clear(&base);
}

static void
test_vace_1b(Fixture *fixture, gconstpointer data)
{
    check_vace(fixture, &wan_1b, 15, 734975232, 439);
}

static void
test_vace_14b(Fixture *fixture, gconstpointer data)
{
    check_vace(fixture, &wan_14b, 8, 3049101312, 236);
}

/* Base and context blocks in one file. */
static void
test_vace_full(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_wan(&fixture->file, &wan_1b);
    scope_layout_vace(&fixture->file, &wan_1b, 15);
    c = write_safetensors(fixture, 1);
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_wan(c, c, &wan_1b, 15);
    }
}

/* -- LoRA ------------------------------------------------------------------------------------- */

/* Every linear inside the blocks finds its adapter, and no adapter is left over. */
static void
check_lora(ScopeCheckpoint *checkpoint, gint64 rank, gboolean has_alpha)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeLoraFile) lora = scope_lora_file_new(checkpoint, &error);
    ScopeHeaderFile model;
    guint n_linear = 0;

    g_assert_no_error(error);
    g_assert_cmpuint(scope_lora_file_get_n_entries(lora), ==, 300);
    g_assert_null(scope_lora_file_get_unknown(lora)[0]);
    scope_header_file_init(&model);
    scope_layout_wan(&model, &wan_1b);
    for (guint i = 0; i < model.tensors->len; i++) {
        const ScopeHeaderTensor *tensor = &g_array_index(model.tensors, ScopeHeaderTensor, i);
        if (tensor->rank == 2 && g_str_has_prefix(tensor->name, "blocks.")) {
            g_autofree char *module =
                g_strndup(tensor->name, strlen(tensor->name) - strlen(".weight"));
            const ScopeLoraEntry *entry = scope_lora_file_find(lora, module);
            g_assert_nonnull(entry);
            g_assert_cmpint(entry->rank, ==, rank);
            g_assert_cmpint(entry->has_alpha, ==, has_alpha);
            g_assert_true(
                scope_lora_entry_check(entry, tensor->shape[0], tensor->shape[1], &error));
            n_linear++;
        }
    }
    g_assert_cmpuint(n_linear, ==, 300);
    scope_header_file_clear(&model);
}

static void
test_lora_longlive(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_wan_lora(&fixture->file, &wan_1b, 256, "base_model.model.");
    c = write_torch(fixture, "generator_lora", NULL, "");
    if (c != NULL) {
        check_lora(c, 256, FALSE);
    }
}

static void
test_lora_comfy(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_wan_lora(&fixture->file, &wan_1b, 32, "diffusion_model.");
    c = write_safetensors(fixture, 1);
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_lora(c, 32, FALSE);
    }
}

static void
test_lora_kohya(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_kohya_lora(&fixture->file, &wan_1b, 16);
    c = write_safetensors(fixture, 1);
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_lora(c, 16, TRUE);
    }
}

/* -- The other models ------------------------------------------------------------------------- */

static void
check_umt5(ScopeCheckpoint *c)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(scope_umt5_check(c, &error));
    g_assert_no_error(error);
}

static void
test_umt5_fp8(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_umt5(&fixture->file, FP8);
    g_assert_cmpuint(fixture->file.tensors->len, ==, 242);
    g_assert_cmpint(fixture->file.n_parameters / 10000000, ==, 568);
    c = write_safetensors(fixture, 1);
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_umt5(c);
    }
}

static void
test_umt5_bf16(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_umt5(&fixture->file, BF16);
    c = write_torch(fixture, NULL, NULL, "");
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_umt5(c);
    }
}

static void
test_umt5_scaled(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;

    scope_layout_umt5_scaled(&fixture->file);
    c = write_safetensors(fixture, 1);
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        check_umt5(c);
    }
}

static void
check_vae(Fixture *fixture, const gint64 widths[4], gint64 n_parameters)
{
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(GError) error = NULL;

    scope_layout_wan_vae(&fixture->file, widths);
    g_assert_cmpint(fixture->file.n_parameters, ==, n_parameters);
    g_assert_cmpuint(fixture->file.tensors->len, ==, 194);
    c = write_torch(fixture, NULL, NULL, "");
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        g_assert_true(scope_wan_vae_check(c, &error));
        g_assert_no_error(error);
    }
}

static void
test_vae(Fixture *fixture, gconstpointer data)
{
    static const gint64 widths[4] = {96, 192, 384, 384};

    check_vae(fixture, widths, 126892531);
}

static void
test_light_vae(Fixture *fixture, gconstpointer data)
{
    static const gint64 widths[4] = {24, 48, 96, 96};

    check_vae(fixture, widths, 8035003);
}

static void
test_taehv(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(GError) error = NULL;
    gint64 n_encoder = 0;

    scope_layout_taehv(&fixture->file);
    for (guint i = 0; i < fixture->file.tensors->len; i++) {
        const ScopeHeaderTensor *tensor =
            &g_array_index(fixture->file.tensors, ScopeHeaderTensor, i);
        gint64 n = 1;
        for (int d = 0; d < tensor->rank; d++) {
            n *= tensor->shape[d];
        }
        n_encoder += g_str_has_prefix(tensor->name, "encoder.") ? n : 0;
    }
    g_assert_cmpint((n_encoder + 5000) / 10000, ==, 147);
    g_assert_cmpint((fixture->file.n_parameters - n_encoder + 5000) / 10000, ==, 984);
    c = write_torch(fixture, NULL, NULL, "");
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        g_assert_true(scope_taehv_check(c, &error));
        g_assert_no_error(error);
    }
}

static void
test_depth(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(GError) error = NULL;

    scope_layout_depth(&fixture->file, &(ScopeDepthLayout)SCOPE_DEPTH_SMALL);
    g_assert_cmpuint(fixture->file.tensors->len, ==, 351);
    g_assert_cmpint(fixture->file.n_parameters / 100000, ==, 290);
    c = write_torch(fixture, NULL, NULL, "");
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        g_assert_true(scope_vda_check(c, &error));
        g_assert_no_error(error);
    }
}

static void
test_raft(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(GError) error = NULL;

    scope_layout_raft_small(&fixture->file);
    g_assert_cmpuint(fixture->file.tensors->len, ==, 106);
    g_assert_cmpint((fixture->file.n_parameters + 5000) / 10000, ==, 99);
    c = write_torch(fixture, NULL, NULL, "");
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        g_assert_true(scope_raft_check(c, &error));
        g_assert_no_error(error);
    }
}

static void
test_rife(Fixture *fixture, gconstpointer data)
{
    static const gint64 four[] = {192, 128, 64, 32}, five[] = {192, 128, 96, 64, 32};
    ScopeHeaderFile second;
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(GError) error = NULL;

    scope_layout_rife(&fixture->file, 4, four);
    g_assert_cmpint((fixture->file.n_parameters + 5000) / 10000, ==, 487);
    scope_header_file_init(&second);
    scope_layout_rife(&second, 5, five);
    g_assert_cmpint((second.n_parameters + 5000) / 10000, ==, 566);
    scope_header_file_clear(&second);
    c = write_torch(fixture, NULL, NULL, "module.");
    if (c != NULL) {
        g_autoptr(ScopeCheckpoint) state = scope_checkpoint_select(c, NULL, NULL, NULL);
        scope_header_file_check(&fixture->file, c, "module.");
        scope_header_file_check(&fixture->file, state, "");
        g_assert_true(scope_rife_check(c, &error));
        g_assert_no_error(error);
    }
}

static void
test_contour(Fixture *fixture, gconstpointer data)
{
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(GError) error = NULL;

    scope_layout_contour(&fixture->file);
    g_assert_cmpint((fixture->file.n_parameters + 5000) / 10000, ==, 429);
    c = write_torch(fixture, NULL, NULL, "");
    if (c != NULL) {
        scope_header_file_check(&fixture->file, c, "");
        g_assert_true(scope_contour_check(c, &error));
        g_assert_no_error(error);
    }
}

/* -- Files that do not fit -------------------------------------------------------------------- */

typedef gboolean (*CheckModel)(ScopeCheckpoint *checkpoint, GError **error);

static gboolean
check_wan_model(ScopeCheckpoint *checkpoint, GError **error)
{
    return load_wan(scope_checkpoint_get_path(checkpoint), NULL, NULL, error);
}

/* Writes the list as it is now and expects that the model refuses it with a message that names
 * @wanted. */
static void
check_refused(Fixture *fixture, CheckModel check, const char *wanted)
{
    g_autoptr(ScopeCheckpoint) c = write_safetensors(fixture, 1);
    g_autoptr(GError) error = NULL;

    if (c == NULL) {
        return;
    }
    g_assert_false(check(c, &error));
    g_assert_nonnull(error);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, wanted));
    g_assert_nonnull(strstr(error->message, "m.safetensors"));
}

/* Spoils some tensors of @file in turn: taken away, another shape, a type that is not read. */
static void
check_spoilt(Fixture *fixture, CheckModel check, const char *const *names)
{
    GArray *tensors = fixture->file.tensors;

    for (; *names != NULL; names++) {
        ScopeHeaderTensor *tensor = NULL, kept;
        guint index = 0;
        while (tensor == NULL && index < tensors->len) {
            ScopeHeaderTensor *at = &g_array_index(tensors, ScopeHeaderTensor, index++);
            tensor = strcmp(at->name, *names) == 0 ? at : NULL;
        }
        g_assert_nonnull(tensor);
        kept = *tensor;
        tensor->name = g_strdup("elsewhere");
        check_refused(fixture, check, kept.name);
        g_free(tensor->name);
        *tensor = kept;
        /* where widths follow from this tensor, the message names one that contradicts it */
        tensor->shape[0] += 1;
        check_refused(fixture, check, "expected");
        *tensor = kept;
        tensor->type = SCOPE_STORED_I64;
        check_refused(fixture, check, kept.name);
        *tensor = kept;
    }
}

static void
test_spoilt_taehv(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"encoder.0.weight", "encoder.4.conv.2.bias",
                                        "decoder.9.conv.4.weight", "decoder.15.conv.0.bias", NULL};

    scope_layout_taehv(&fixture->file);
    check_spoilt(fixture, scope_taehv_check, names);
}

static void
test_spoilt_vae(Fixture *fixture, gconstpointer data)
{
    static const gint64 widths[4] = {24, 48, 96, 96};
    static const char *const names[] = {"encoder.downsamples.5.time_conv.bias",
                                        "decoder.middle.1.norm.gamma",
                                        "decoder.upsamples.4.shortcut.bias", "conv2.weight", NULL};

    scope_layout_wan_vae(&fixture->file, widths);
    check_spoilt(fixture, scope_wan_vae_check, names);
}

static void
test_spoilt_umt5(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"blocks.3.attn.k.weight", "blocks.23.norm2.weight",
                                        "blocks.7.pos_embedding.embedding.weight", "norm.weight",
                                        NULL};

    scope_layout_umt5(&fixture->file, FP8);
    check_spoilt(fixture, scope_umt5_check, names);
}

static void
test_spoilt_contour(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"model1.3.bias", "model2.1.conv_block.5.weight",
                                        "model3.3.weight", NULL};

    scope_layout_contour(&fixture->file);
    check_spoilt(fixture, scope_contour_check, names);
}

static void
test_spoilt_rife(Fixture *fixture, gconstpointer data)
{
    static const gint64 widths[] = {192, 128, 64, 32};
    static const char *const names[] = {"encode.cnn3.bias", "block1.convblock.3.beta",
                                        "block3.lastconv.0.weight", NULL};

    scope_layout_rife(&fixture->file, 4, widths);
    check_spoilt(fixture, scope_rife_check, names);
}

static void
test_spoilt_depth(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {
        "pretrained.blocks.7.ls2.gamma", "head.scratch.layer3_rn.weight",
        "head.motion_modules.2.temporal_transformer.proj_out.bias", NULL};

    scope_layout_depth(&fixture->file, &(ScopeDepthLayout)SCOPE_DEPTH_SMALL);
    check_spoilt(fixture, scope_vda_check, names);
}

static void
test_spoilt_raft(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"context_encoder.layer2.0.downsample.0.bias",
                                        "update_block.recurrent_block.convgru1.convq.weight", NULL};

    scope_layout_raft_small(&fixture->file);
    check_spoilt(fixture, scope_raft_check, names);
}

static void
test_spoilt_wan(Fixture *fixture, gconstpointer data)
{
    static const char *const names[] = {"blocks.0.ffn.0.weight", "time_projection.1.bias", NULL};

    scope_layout_wan(&fixture->file, &wan_1b);
    check_spoilt(fixture, check_wan_model, names);
}

/* -- Memory ----------------------------------------------------------------------------------- */

/* All of the files above together hold over 150 GB; nobody may have read them. */
static void
test_memory(void)
{
    struct rusage usage;

    g_assert_cmpint(getrusage(RUSAGE_SELF, &usage), ==, 0);
    g_test_message("peak memory %ld MB", usage.ru_maxrss / 1024);
    g_assert_cmpint(usage.ru_maxrss / 1024, <, 512);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        gconstpointer data;
        void (*test)(Fixture *, gconstpointer);
    } tests[] = {
        {"/headers/wan-1.3b", NULL, test_wan_1b},
        {"/headers/wan-14b-sharded", NULL, test_wan_14b_sharded},
        {"/headers/wan-fp8", NULL, test_wan_fp8},
        {"/headers/self-forcing", &self_forcing, test_wild},
        {"/headers/longlive", &longlive, test_wild},
        {"/headers/memflow", &memflow, test_wild},
        {"/headers/streamdiffusionv2", &stream_diffusion, test_wild},
        {"/headers/streamdiffusionv2-fsdp", &stream_diffusion_fsdp, test_wild},
        {"/headers/reward-forcing", &reward_forcing, test_wild},
        {"/headers/krea", &krea, test_wild},
        {"/headers/vace-1.3b", NULL, test_vace_1b},
        {"/headers/vace-14b", NULL, test_vace_14b},
        {"/headers/vace-full", NULL, test_vace_full},
        {"/headers/lora-longlive", NULL, test_lora_longlive},
        {"/headers/lora-comfy", NULL, test_lora_comfy},
        {"/headers/lora-kohya", NULL, test_lora_kohya},
        {"/headers/umt5-fp8", NULL, test_umt5_fp8},
        {"/headers/umt5-bf16", NULL, test_umt5_bf16},
        {"/headers/umt5-scaled", NULL, test_umt5_scaled},
        {"/headers/vae", NULL, test_vae},
        {"/headers/light-vae", NULL, test_light_vae},
        {"/headers/taehv", NULL, test_taehv},
        {"/headers/depth", NULL, test_depth},
        {"/headers/rife", NULL, test_rife},
        {"/headers/raft-small", NULL, test_raft},
        {"/headers/contour", NULL, test_contour},
        {"/headers/spoilt-taehv", NULL, test_spoilt_taehv},
        {"/headers/spoilt-vae", NULL, test_spoilt_vae},
        {"/headers/spoilt-umt5", NULL, test_spoilt_umt5},
        {"/headers/spoilt-contour", NULL, test_spoilt_contour},
        {"/headers/spoilt-rife", NULL, test_spoilt_rife},
        {"/headers/spoilt-depth", NULL, test_spoilt_depth},
        {"/headers/spoilt-raft", NULL, test_spoilt_raft},
        {"/headers/spoilt-wan", NULL, test_spoilt_wan},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, tests[i].data, set_up, tests[i].test, tear_down);
    }
    g_test_add_func("/headers/memory", test_memory);
    return g_test_run();
}
