/* SPDX-License-Identifier: Apache-2.0 */
/* The "umt5" family: the encoder on given ids, all rows and real rows only, with module outputs,
 * and the table of relative position buckets. Main thread. */
#include "golden-families.h"

#include <stdio.h>
#include <string.h>

#include "golden-models.h"
#include "models/scope-umt5.h"

static const char *const known_top[] = {"config", "tolerances", "meaning", "model",
                                        "case",   "weights",    NULL};
static const char *const known_config[] = {
    "vocab_size",  "dim",          "dim_attn", "dim_ffn", "num_heads", "num_layers",
    "num_buckets", "max_distance", "eps",      "seq_len", "pad_id",    NULL};

gboolean
golden_run_umt5_buckets(GoldenCase *c, GError **error)
{
    const GoldenTensor *positions = golden_in(c, "relative_position", error);
    gint64 *got;

    if (positions == NULL || positions->i64 == NULL ||
        !golden_only_members(c, NULL, known_top, error)) {
        return FALSE;
    }
    got = (gint64 *)golden_alloc(c, (gsize)positions->n * 2);
    for (const char *const *name = golden_list(c, "bucket_*"); *name != NULL; name++) {
        int n_buckets = 0, max_distance = 0, n_read = -1;
        if (sscanf(*name, "bucket_%d_%d%n", &n_buckets, &max_distance, &n_read) != 2 ||
            n_read != (int)strlen(*name)) {
            return golden_not_understood(error, "%s", *name);
        }
        for (gint64 i = 0; i < positions->n; i++) {
            got[i] = scope_umt5_bucket((int)positions->i64[i], n_buckets, max_distance);
        }
        golden_check_i64(c, *name, positions->n, got);
    }
    return TRUE;
}

typedef struct {
    GoldenCase *c;
    GoldenEngine *engine;
    ScopeUmt5 *umt5;
    const GoldenTensor *ids, *mask, *lengths;
    int64_t n_prompts, n_rows;
    GHashTable *watched; /* name -> ScopeTensor [prompts, rows, width], filled prompt by prompt */
    int64_t prompt;
} Umt5;

static void
umt5_close(Umt5 *u)
{
    g_clear_pointer(&u->watched, g_hash_table_unref);
    scope_umt5_unload(u->umt5);
    golden_engine_close(u->engine);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Umt5, umt5_close)

/* Collects the watched rows of all prompts; the position bias is the same for each. */
static void
watch(const char *name, ScopeTensor value, void *user_data)
{
    Umt5 *u = user_data;
    g_autofree char *full = g_strconcat("act.", name, NULL);
    float *all, *part;

    if (!golden_has_out(u->c, full)) {
        return;
    }
    if (g_str_has_suffix(name, "pos_bias")) {
        golden_engine_check(u->engine, u->c, full, value);
        return;
    }
    all = g_hash_table_lookup(u->watched, full);
    if (all == NULL) {
        all = golden_alloc(u->c, (gsize)(u->n_prompts * u->n_rows * value.shape[1]));
        g_hash_table_insert(u->watched, g_strdup(full), all);
    }
    part = golden_engine_download(u->engine, u->c, value);
    memcpy(all + u->prompt * u->n_rows * value.shape[1], part,
           (gsize)(u->n_rows * value.shape[1]) * sizeof(float));
    if (u->prompt == u->n_prompts - 1) {
        const gint64 shape[3] = {u->n_prompts, u->n_rows, value.shape[1]};
        golden_check_f32(u->c, full, 3, shape, all);
    }
}

static void
check_config(Umt5 *u)
{
    const char *const paths[] = {"config.dim_attn", "config.dim_ffn"};
    const char *const tensors[] = {"blocks.0.attn.q.weight", "blocks.0.ffn.fc1.weight"};
    const ScopeCheckpointTensor *positions = scope_checkpoint_find(
        golden_weights(u->c, NULL), "blocks.0.pos_embedding.embedding.weight");

    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        const ScopeCheckpointTensor *tensor =
            scope_checkpoint_find(golden_weights(u->c, NULL), tensors[i]);
        if (tensor != NULL) {
            golden_check_member(u->c, paths[i], tensor->shape[0]);
        }
    }
    if (positions != NULL) {
        golden_check_member(u->c, "config.num_buckets", positions->shape[0]);
        golden_check_member(u->c, "config.num_heads", positions->shape[1]);
    }
    golden_check_member(u->c, "config.dim", scope_umt5_get_width(u->umt5));
    golden_check_member(u->c, "config.vocab_size", scope_umt5_get_vocabulary_size(u->umt5));
    golden_check_member(u->c, "config.num_layers", scope_umt5_get_n_layers(u->umt5));
    golden_check_member(u->c, "config.seq_len", u->n_rows);
}

static gboolean
umt5_open(Umt5 *u, GoldenCase *c, GError **error)
{
    ScopeUmt5Options options = SCOPE_UMT5_OPTIONS_INIT;
    ScopeCheckpoint *weights;

    *u = (Umt5){.c = c, .watched = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL)};
    if (!golden_only_members(c, NULL, known_top, error) ||
        !golden_only_members(c, "config", known_config, error)) {
        return FALSE;
    }
    u->ids = golden_in(c, "ids", error);
    u->mask = u->ids != NULL ? golden_in(c, "mask", error) : NULL;
    u->lengths = u->mask != NULL ? golden_in(c, "seq_lens", error) : NULL;
    if (u->lengths == NULL) {
        return FALSE;
    }
    if (u->ids->rank != 2 || u->ids->i64 == NULL || u->mask->n != u->ids->n ||
        u->mask->i64 == NULL || u->lengths->n != u->ids->shape[0] || u->lengths->i64 == NULL) {
        return golden_not_understood(error, "shapes of ids, mask and seq_lens");
    }
    u->n_prompts = u->ids->shape[0];
    u->n_rows = u->ids->shape[1];
    options.max_tokens = (int)u->n_rows;
    options.max_distance = (int)golden_int(c, "config.max_distance", 128);
    options.eps = (float)golden_double(c, "config.eps", 1e-6);
    weights = golden_weights(c, error);
    u->engine = weights != NULL ? golden_engine_open(c, error) : NULL;
    u->umt5 = u->engine != NULL ? scope_umt5_load(u->engine->ctx, weights, &options, error) : NULL;
    if (u->umt5 != NULL) {
        check_config(u);
    }
    return u->umt5 != NULL;
}

/* Rows behind the real tokens must be exactly zero. */
static void
check_padding(Umt5 *u, ScopeTensor embeds)
{
    const float *values = golden_engine_download(u->engine, u->c, embeds);
    int64_t width = embeds.shape[2];
    gboolean zero = TRUE;

    for (int64_t p = 0; p < u->n_prompts; p++) {
        for (int64_t i = u->lengths->i64[p] * width; i < u->n_rows * width; i++) {
            zero = zero && values[p * u->n_rows * width + i] == 0;
        }
    }
    golden_check(u->c, zero, "padded rows of prompt_embeds are not all 0");
}

/* The mask must be ones, then zeros, and the padding id behind the real tokens. */
static gboolean
check_mask(Umt5 *u, int64_t prompt, int64_t n, GError **error)
{
    int64_t pad = golden_int(u->c, "config.pad_id", 0);

    for (int64_t i = 0; i < u->n_rows; i++) {
        int64_t at = prompt * u->n_rows + i;
        if (u->mask->i64[at] != (i < n) || (i >= n && u->ids->i64[at] != pad)) {
            return golden_not_understood(error, "mask of prompt %d", (int)prompt);
        }
    }
    return TRUE;
}

gboolean
golden_run_umt5_encode(GoldenCase *c, GError **error)
{
    g_auto(Umt5) u = {0};
    ScopeModelTap tap = {.fn = watch, .user_data = &u};
    ScopeTensor all, embeds;
    g_autofree int32_t *ids = NULL;

    if (!umt5_open(&u, c, error)) {
        return FALSE;
    }
    all = golden_engine_alloc(u.engine,
                              SCOPE_SHAPE(u.n_prompts, u.n_rows, scope_umt5_get_width(u.umt5)));
    embeds = golden_engine_alloc(u.engine, all.ndim, all.shape);
    ids = g_new(int32_t, (gsize)u.n_rows);
    for (u.prompt = 0; u.prompt < u.n_prompts; u.prompt++) {
        int64_t n = u.lengths->i64[u.prompt];

        if (n < 1 || n > u.n_rows || !check_mask(&u, u.prompt, n, error)) {
            return n >= 1 && n <= u.n_rows ? FALSE
                                           : golden_not_understood(error, "%d tokens", (int)n);
        }
        for (int64_t i = 0; i < u.n_rows; i++) {
            gint64 id = u.ids->i64[u.prompt * u.n_rows + i];
            if (id < 0 || id >= scope_umt5_get_vocabulary_size(u.umt5)) {
                return golden_not_understood(error, "id %d", (int)id);
            }
            ids[i] = (int32_t)id;
        }
        scope_umt5_encode_rows(u.engine->ctx, u.umt5, scope_tensor_select(all, 0, u.prompt), ids,
                               u.n_rows, n, &tap);
        scope_umt5_encode(u.engine->ctx, u.umt5, scope_tensor_select(embeds, 0, u.prompt), ids, n);
    }
    golden_engine_check(u.engine, c, "encoder_out_all_rows", all);
    golden_engine_check(u.engine, c, "prompt_embeds", embeds);
    check_padding(&u, embeds);
    return TRUE;
}
