/* SPDX-License-Identifier: Apache-2.0 */
/* The UMT5 encoder: names, position tables and the forward pass. The model owns its arena, copies
 * of tensors that could not stay mapped, and a reference on the checkpoint. Loader thread for load,
 * worker thread for encode. */
#include "models/scope-umt5.h"

#include <math.h>

#include "engine/scope-assert.h"
#include "engine/scope-backend.h"
#include "engine/scope-ops.h"
#include "models/scope-layer-loader.h"

typedef struct {
    ScopeTensor norm1, norm2; /* [d] */
    ScopeWeight q, k, v, o;
    ScopeWeight gate, fc1, fc2;
    ScopeTensor
        positions; /* [heads, 2 * max_tokens - 1] f32: bias of key - query + max_tokens - 1 */
} Block;

struct _ScopeUmt5 {
    ScopeCheckpoint *checkpoint;
    ScopeArena *arena;
    ScopeArena *host; /* copies of what cannot stay mapped */
    ScopeUmt5Options options;
    int64_t vocabulary_size, width, attention_width, ffn_width;
    int n_heads, n_buckets, n_layers;
    ScopeTensor embedding; /* [vocabulary, d] as stored */
    ScopeTensor norm;      /* [d] */
    Block *blocks;
};

/* -- Names ------------------------------------------------------------------------------------ */

typedef enum {
    NAME_EMBEDDING = 0,
    NAME_NORM,
    NAME_NORM1,
    NAME_NORM2,
    NAME_POSITIONS,
    NAME_Q,
    NAME_K,
    NAME_V,
    NAME_O,
    NAME_GATE,
    NAME_FC1,
    NAME_FC2,
    N_NAMES
} NameId;

/* Published by Wan, and by Hugging Face; a '#' stands for the number of the block. */
static const char *const names[N_NAMES][2] = {
    [NAME_EMBEDDING] = {"token_embedding.weight", "shared.weight"},
    [NAME_NORM] = {"norm.weight", "encoder.final_layer_norm.weight"},
    [NAME_NORM1] = {"blocks.#.norm1.weight", "encoder.block.#.layer.0.layer_norm.weight"},
    [NAME_NORM2] = {"blocks.#.norm2.weight", "encoder.block.#.layer.1.layer_norm.weight"},
    [NAME_POSITIONS] = {"blocks.#.pos_embedding.embedding.weight",
                        "encoder.block.#.layer.0.SelfAttention.relative_attention_bias.weight"},
    [NAME_Q] = {"blocks.#.attn.q", "encoder.block.#.layer.0.SelfAttention.q"},
    [NAME_K] = {"blocks.#.attn.k", "encoder.block.#.layer.0.SelfAttention.k"},
    [NAME_V] = {"blocks.#.attn.v", "encoder.block.#.layer.0.SelfAttention.v"},
    [NAME_O] = {"blocks.#.attn.o", "encoder.block.#.layer.0.SelfAttention.o"},
    [NAME_GATE] = {"blocks.#.ffn.gate.0", "encoder.block.#.layer.1.DenseReluDense.wi_0"},
    [NAME_FC1] = {"blocks.#.ffn.fc1", "encoder.block.#.layer.1.DenseReluDense.wi_1"},
    [NAME_FC2] = {"blocks.#.ffn.fc2", "encoder.block.#.layer.1.DenseReluDense.wo"},
};

static char *
dup_name(int scheme, NameId id, int block)
{
    g_auto(GStrv) parts = g_strsplit(names[id][scheme], "#", 2);
    g_autofree char *number = g_strdup_printf("%d", block);

    return g_strjoinv(number, parts);
}

/* -- Position buckets ------------------------------------------------------------------------- */

int
scope_umt5_bucket(int relative, int n_buckets, int max_distance)
{
    int half = n_buckets / 2, exact = half / 2;
    int base = relative > 0 ? half : 0, distance = ABS(relative);
    float ratio;

    if (distance < exact) {
        return base + distance;
    }
    ratio = logf((float)distance / (float)exact) / logf((float)max_distance / (float)exact);
    return base + MIN(half - 1, exact + (int)(ratio * (float)(half - exact)));
}

/* Spreads the table [buckets, heads] of a block over all distances. */
static void
load_positions(ScopeLayerLoader *loader, ScopeUmt5 *umt5, Block *block, const char *name)
{
    const ScopeCheckpointTensor *stored = scope_checkpoint_find(umt5->checkpoint, name);
    int n = umt5->options.max_tokens, n_distances = 2 * n - 1, n_heads = umt5->n_heads;
    g_autofree float *table = NULL;
    g_autofree float *spread = NULL;

    scope_layer_loader_mapped(loader, NULL, name, SCOPE_SHAPE(umt5->n_buckets, n_heads));
    if (loader->error != NULL || loader->ctx == NULL ||
        !scope_arena_reserve(loader->arena, (size_t)n_heads * (size_t)n_distances * sizeof(float),
                             &loader->error)) {
        return;
    }
    table = g_new(float, (gsize)stored->n_elements);
    spread = g_new(float, (gsize)n_heads *(gsize)n_distances);
    scope_checkpoint_tensor_copy_f32(stored, table);
    for (int i = 0; i < n_distances; i++) {
        int bucket = scope_umt5_bucket(i - (n - 1), umt5->n_buckets, umt5->options.max_distance);
        for (int head = 0; head < n_heads; head++) {
            spread[head * n_distances + i] = table[bucket * n_heads + head];
        }
    }
    block->positions =
        scope_arena_alloc(loader->arena, SCOPE_DTYPE_F32, SCOPE_SHAPE(n_heads, n_distances));
    scope_context_upload(loader->ctx, block->positions, spread);
}

/* -- Loading ---------------------------------------------------------------------------------- */

static void
load_block(ScopeLayerLoader *loader, ScopeUmt5 *umt5, int scheme, int index)
{
    Block *block = &umt5->blocks[index];
    int64_t d = umt5->width, a = umt5->attention_width, f = umt5->ffn_width;
    struct {
        NameId id;
        ScopeWeight *weight;
        int64_t n_out, n_in;
    } linears[] = {
        {NAME_Q, &block->q, a, d},       {NAME_K, &block->k, a, d},
        {NAME_V, &block->v, a, d},       {NAME_O, &block->o, d, a},
        {NAME_GATE, &block->gate, f, d}, {NAME_FC1, &block->fc1, f, d},
        {NAME_FC2, &block->fc2, d, f},
    };
    g_autofree char *norm1 = dup_name(scheme, NAME_NORM1, index);
    g_autofree char *norm2 = dup_name(scheme, NAME_NORM2, index);
    g_autofree char *positions = dup_name(scheme, NAME_POSITIONS, index);

    block->norm1 = scope_layer_loader_vector(loader, NULL, norm1, d);
    block->norm2 = scope_layer_loader_vector(loader, NULL, norm2, d);
    load_positions(loader, umt5, block, positions);
    for (gsize i = 0; i < G_N_ELEMENTS(linears); i++) {
        g_autofree char *name = dup_name(scheme, linears[i].id, index);
        scope_layer_loader_linear(loader, linears[i].weight, name, linears[i].n_out,
                                  linears[i].n_in, SCOPE_LAYER_NO_BIAS);
    }
}

/* All sizes follow from the embedding and the first block. */
static void
read_sizes(ScopeLayerLoader *loader, ScopeUmt5 *umt5, int scheme)
{
    g_autofree char *q = dup_name(scheme, NAME_Q, 0);
    g_autofree char *fc1 = dup_name(scheme, NAME_FC1, 0);
    g_autofree char *positions = dup_name(scheme, NAME_POSITIONS, 0);

    umt5->vocabulary_size = scope_layer_loader_dim(loader, NULL, names[NAME_EMBEDDING][scheme], 0);
    umt5->width = scope_layer_loader_dim(loader, NULL, names[NAME_EMBEDDING][scheme], 1);
    umt5->attention_width = scope_layer_loader_dim(loader, q, "weight", 0);
    umt5->ffn_width = scope_layer_loader_dim(loader, fc1, "weight", 0);
    umt5->n_buckets = (int)scope_layer_loader_dim(loader, NULL, positions, 0);
    umt5->n_heads = (int)scope_layer_loader_dim(loader, NULL, positions, 1);
    for (;; umt5->n_layers++) {
        g_autofree char *name = dup_name(scheme, NAME_Q, umt5->n_layers);
        if (!scope_layer_loader_has(loader, name, "weight")) {
            break;
        }
    }
    if (umt5->attention_width % umt5->n_heads != 0) {
        scope_layer_loader_fail(loader,
                                "%" G_GINT64_FORMAT " attention channels, expected a "
                                "multiple of the %d heads of the position table",
                                umt5->attention_width, umt5->n_heads);
    }
    if (umt5->n_buckets % 4 != 0 || umt5->options.max_distance <= umt5->n_buckets / 4) {
        scope_layer_loader_fail(loader,
                                "%d position buckets for a distance of %d, expected a "
                                "multiple of 4 below four times the distance",
                                umt5->n_buckets, umt5->options.max_distance);
    }
}

/* Loads with a context, only compares without. */
static ScopeUmt5 *
load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, const ScopeUmt5Options *options,
     GError **error)
{
    g_autoptr(ScopeUmt5) umt5 = g_new0(ScopeUmt5, 1);
    ScopeLayerLoader loader;
    int scheme;

    g_return_val_if_fail(options->max_tokens >= 1, NULL);
    umt5->options = *options;
    umt5->checkpoint = scope_checkpoint_select(checkpoint, NULL, NULL, error);
    if (umt5->checkpoint == NULL) {
        return NULL;
    }
    umt5->arena = ctx != NULL ? scope_arena_create(ctx->backend, "weights") : NULL;
    umt5->host = scope_arena_create(scope_backend_cpu(), "text encoder copies");
    scope_layer_loader_init(&loader, umt5->checkpoint, ctx, umt5->arena);
    loader.host = umt5->host;
    loader.store = options->store;
    scheme = scope_checkpoint_find(umt5->checkpoint, names[NAME_EMBEDDING][1]) != NULL;
    read_sizes(&loader, umt5, scheme);
    umt5->embedding = scope_layer_loader_mapped(&loader, NULL, names[NAME_EMBEDDING][scheme],
                                                SCOPE_SHAPE(umt5->vocabulary_size, umt5->width));
    umt5->norm = scope_layer_loader_vector(&loader, NULL, names[NAME_NORM][scheme], umt5->width);
    umt5->blocks = g_new0(Block, (gsize)umt5->n_layers + 1);
    for (int i = 0; i < umt5->n_layers && loader.error == NULL; i++) {
        load_block(&loader, umt5, scheme, i);
    }
    return scope_layer_loader_finish(&loader, error) ? g_steal_pointer(&umt5) : NULL;
}

ScopeUmt5 *
scope_umt5_load(ScopeContext *ctx, ScopeCheckpoint *checkpoint, const ScopeUmt5Options *options,
                GError **error)
{
    const ScopeUmt5Options defaults = SCOPE_UMT5_OPTIONS_INIT;

    return load(ctx, checkpoint, options != NULL ? options : &defaults, error);
}

gboolean
scope_umt5_check(ScopeCheckpoint *checkpoint, GError **error)
{
    const ScopeUmt5Options defaults = SCOPE_UMT5_OPTIONS_INIT;
    g_autoptr(ScopeUmt5) umt5 = load(NULL, checkpoint, &defaults, error);

    return umt5 != NULL;
}

void
scope_umt5_unload(ScopeUmt5 *umt5)
{
    if (umt5 == NULL) {
        return;
    }
    g_free(umt5->blocks);
    g_clear_pointer(&umt5->host, scope_arena_destroy);
    scope_arena_destroy(umt5->arena);
    scope_checkpoint_unref(umt5->checkpoint);
    g_free(umt5);
}

int64_t
scope_umt5_get_width(const ScopeUmt5 *umt5)
{
    return umt5->width;
}

int64_t
scope_umt5_get_vocabulary_size(const ScopeUmt5 *umt5)
{
    return umt5->vocabulary_size;
}

int
scope_umt5_get_n_layers(const ScopeUmt5 *umt5)
{
    return umt5->n_layers;
}

int
scope_umt5_get_max_tokens(const ScopeUmt5 *umt5)
{
    return umt5->options.max_tokens;
}

/* -- Forward ---------------------------------------------------------------------------------- */

typedef struct {
    ScopeContext *ctx;
    const ScopeUmt5 *umt5;
    const ScopeModelTap *tap;
    int64_t n_rows, n_keys;
    ScopeTensor x; /* [n_rows, d] */
} Pass;

static ScopeTensor
rows(Pass *pass, int64_t width)
{
    return scope_context_scratch(pass->ctx, scope_context_work_dtype(pass->ctx),
                                 SCOPE_SHAPE(pass->n_rows, width));
}

static void
norm(Pass *pass, ScopeTensor y, ScopeTensor x, ScopeTensor weight)
{
    const ScopeNormOptions options = {
        .kind = SCOPE_NORM_RMS, .eps = pass->umt5->options.eps, .weight = weight};

    scope_op_norm(pass->ctx, y, x, &options);
}

/* x += weight a; a watched pass shows the product before it is added. */
static void
add_linear(Pass *pass, ScopeTensor a, const ScopeWeight *weight, int block, const char *name)
{
    const ScopeEpilogue residual = {.residual = pass->x};
    ScopeTensor y;

    if (pass->tap == NULL || pass->tap->fn == NULL) {
        scope_op_linear(pass->ctx, pass->x, a, weight, &residual);
        return;
    }
    y = rows(pass, pass->umt5->width);
    scope_op_linear(pass->ctx, y, a, weight, NULL);
    scope_model_tap(pass->tap, y, "blocks.%d.%s", block, name);
    scope_op_add(pass->ctx, pass->x, pass->x, y);
}

/* The bias of query i and key j depends on j - i only: a view with stride -1 along the queries. */
static ScopeTensor
position_view(const Pass *pass, const Block *block, int64_t n_keys)
{
    int64_t n = pass->umt5->options.max_tokens, heads = pass->umt5->n_heads;

    return scope_tensor_as_strided(block->positions, n - 1,
                                   SCOPE_SHAPE(heads, pass->n_rows, n_keys),
                                   (const int64_t[]){2 * n - 1, -1, 1});
}

static void
attend(Pass *pass, const Block *block, int index)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    const ScopeUmt5 *umt5 = pass->umt5;
    int64_t n = pass->n_rows, heads = umt5->n_heads, d = umt5->attention_width / heads;
    ScopeTensor a = rows(pass, umt5->width);
    ScopeTensor q = rows(pass, umt5->attention_width), k = rows(pass, umt5->attention_width);
    ScopeTensor v = rows(pass, umt5->attention_width), out = rows(pass, umt5->attention_width);
    ScopeAttentionSegment segment = {.log_bias = 0};
    ScopeAttentionOptions options = {.scale = 1,
                                     .segments = &segment,
                                     .n_segments = 1,
                                     .bias = position_view(pass, block, pass->n_keys)};

    scope_model_tap(pass->tap, position_view(pass, block, n), "blocks.%d.pos_bias", index);
    norm(pass, a, pass->x, block->norm1);
    scope_model_tap(pass->tap, a, "blocks.%d.norm1", index);
    scope_op_linear(pass->ctx, q, a, &block->q, NULL);
    scope_op_linear(pass->ctx, k, a, &block->k, NULL);
    scope_op_linear(pass->ctx, v, a, &block->v, NULL);
    k = scope_tensor_slice(k, 0, 0, pass->n_keys);
    v = scope_tensor_slice(v, 0, 0, pass->n_keys);
    segment.k = scope_tensor_reshape(k, SCOPE_SHAPE(pass->n_keys, heads, d));
    segment.v = scope_tensor_reshape(v, SCOPE_SHAPE(pass->n_keys, heads, d));
    scope_op_attention(pass->ctx, scope_tensor_reshape(out, SCOPE_SHAPE(n, heads, d)),
                       scope_tensor_reshape(q, SCOPE_SHAPE(n, heads, d)), &options);
    add_linear(pass, out, &block->o, index, "attn");
    scope_arena_release(pass->ctx->scratch, mark);
}

static void
feed_forward(Pass *pass, const Block *block, int index)
{
    ScopeArenaMark mark = scope_arena_mark(pass->ctx->scratch);
    ScopeTensor a = rows(pass, pass->umt5->width);
    ScopeTensor gate = rows(pass, pass->umt5->ffn_width), up = rows(pass, pass->umt5->ffn_width);

    norm(pass, a, pass->x, block->norm2);
    scope_op_linear(pass->ctx, gate, a, &block->gate, NULL);
    scope_op_linear(pass->ctx, up, a, &block->fc1, NULL);
    scope_op_glu(pass->ctx, up, up, gate, SCOPE_ACTIVATION_GELU_TANH);
    add_linear(pass, up, &block->fc2, index, "ffn");
    scope_arena_release(pass->ctx->scratch, mark);
}

void
scope_umt5_encode_rows(ScopeContext *ctx, const ScopeUmt5 *umt5, ScopeTensor ret_rows,
                       const int32_t *ids, int64_t n_rows, int64_t n_keys, const ScopeModelTap *tap)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    Pass pass = {.ctx = ctx, .umt5 = umt5, .tap = tap, .n_rows = n_rows, .n_keys = n_keys};

    SCOPE_ASSERT(n_rows >= 1 && n_rows <= umt5->options.max_tokens);
    SCOPE_ASSERT(n_keys >= 1 && n_keys <= n_rows);
    SCOPE_ASSERT(ret_rows.ndim == 2 && ret_rows.shape[0] == n_rows &&
                 ret_rows.shape[1] == umt5->width);
    pass.x = rows(&pass, umt5->width);
    scope_op_gather_rows(ctx, pass.x, umt5->embedding,
                         scope_tensor_wrap(SCOPE_DTYPE_I32, ids, SCOPE_SHAPE(n_rows)));
    scope_model_tap(tap, pass.x, "token_embedding");
    for (int i = 0; i < umt5->n_layers; i++) {
        attend(&pass, &umt5->blocks[i], i);
        feed_forward(&pass, &umt5->blocks[i], i);
        scope_model_tap(tap, pass.x, "blocks.%d", i);
    }
    norm(&pass, ret_rows, pass.x, umt5->norm);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_umt5_encode(ScopeContext *ctx, const ScopeUmt5 *umt5, ScopeTensor ret_embeds,
                  const int32_t *ids, int64_t n_ids)
{
    SCOPE_ASSERT(ret_embeds.ndim == 2 && n_ids <= ret_embeds.shape[0]);
    scope_umt5_encode_rows(ctx, umt5, scope_tensor_slice(ret_embeds, 0, 0, n_ids), ids, n_ids,
                           n_ids, NULL);
    if (n_ids < ret_embeds.shape[0]) {
        scope_op_fill(ctx, scope_tensor_slice(ret_embeds, 0, n_ids, ret_embeds.shape[0]), 0);
    }
}
