/* SPDX-License-Identifier: Apache-2.0 */
/* Between the tensors of a case and those of the engine. Main thread. */
#include "golden-models.h"

#include "golden-case-private.h"

#include <string.h>

#include "engine/scope-backend.h"
#include "engine/scope-ops.h"

GoldenEngine *
golden_engine_open(const GoldenCase *c, GError **error)
{
    g_autoptr(GoldenEngine) engine = g_new0(GoldenEngine, 1);
    const ScopeBackend *backend = c->setup->backend;

    engine->pool = scope_pool_create(golden_get_n_threads(c), error);
    if (engine->pool == NULL) {
        return NULL;
    }
    engine->ctx = scope_context_create(backend, engine->pool, error);
    if (engine->ctx == NULL) {
        return NULL;
    }
    engine->arena = scope_arena_create(backend, "case");
    return g_steal_pointer(&engine);
}

void
golden_engine_close(GoldenEngine *engine)
{
    if (engine == NULL) {
        return;
    }
    scope_arena_destroy(engine->arena);
    scope_context_destroy(engine->ctx);
    scope_pool_destroy(engine->pool);
    g_free(engine);
}

static ScopeTensor
upload(GoldenEngine *engine, const char *name, const GoldenTensor *tensor, int rank, GError **error)
{
    ScopeTensor result;
    int64_t shape[SCOPE_TENSOR_MAX_DIMS];

    if ((rank >= 0 && tensor->rank != rank) || tensor->rank > SCOPE_TENSOR_MAX_DIMS) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "'%s' has %d dimensions, expected %d",
                    name, tensor->rank, rank);
        return SCOPE_TENSOR_NONE;
    }
    for (int i = 0; i < tensor->rank; i++) {
        shape[i] = tensor->shape[i];
    }
    result = golden_engine_alloc(engine, tensor->rank, shape);
    scope_op_copy(engine->ctx, result,
                  scope_tensor_wrap(SCOPE_DTYPE_F32, tensor->f32, tensor->rank, shape));
    return result;
}

ScopeTensor
golden_engine_in(GoldenEngine *engine, GoldenCase *c, const char *name, int rank, GError **error)
{
    const GoldenTensor *tensor = golden_in(c, name, error);

    return tensor != NULL ? upload(engine, name, tensor, rank, error) : SCOPE_TENSOR_NONE;
}

ScopeTensor
golden_engine_out(GoldenEngine *engine, GoldenCase *c, const char *name, int rank, GError **error)
{
    const GoldenTensor *tensor = golden_out(c, name);

    if (tensor == NULL) {
        g_set_error(error, GOLDEN_ERROR, GOLDEN_ERROR_CASE, "io.safetensors has no '%s'", name);
        return SCOPE_TENSOR_NONE;
    }
    return upload(engine, name, tensor, rank, error);
}

ScopeTensor
golden_engine_alloc(GoldenEngine *engine, int ndim, const int64_t *shape)
{
    return scope_arena_alloc(engine->arena, scope_context_work_dtype(engine->ctx), ndim, shape);
}

float *
golden_engine_download(GoldenEngine *engine, GoldenCase *c, ScopeTensor value)
{
    float *host = golden_alloc(c, (gsize)scope_tensor_n_elements(value));
    ScopeArenaMark mark = scope_arena_mark(engine->ctx->scratch);
    ScopeTensor packed =
        scope_context_scratch(engine->ctx, SCOPE_DTYPE_F32, value.ndim, value.shape);

    scope_op_copy(engine->ctx, packed, value);
    scope_context_download(engine->ctx, host, packed);
    scope_arena_release(engine->ctx->scratch, mark);
    return host;
}

gboolean
golden_engine_check(GoldenEngine *engine, GoldenCase *c, const char *name, ScopeTensor value)
{
    gint64 shape[SCOPE_TENSOR_MAX_DIMS];

    for (int i = 0; i < value.ndim; i++) {
        shape[i] = value.shape[i];
    }
    return golden_check_f32(c, name, value.ndim, shape, golden_engine_download(engine, c, value));
}

static void
watch(const char *name, ScopeTensor value, void *user_data)
{
    GoldenTap *tap = user_data;
    g_autofree char *full = g_strconcat(tap->prefix, name, NULL);

    if (golden_has_out(tap->c, full)) {
        golden_engine_check(tap->engine, tap->c, full,
                            value.ndim == 4 ? scope_tensor_permute(value, tap->order) : value);
    }
}

ScopeModelTap
golden_tap(GoldenTap *tap)
{
    return (ScopeModelTap){.fn = watch, .user_data = tap};
}

void
golden_check_member(GoldenCase *c, const char *path, gint64 value)
{
    gint64 said = golden_int(c, path, value);

    golden_check(c, said == value, "%s is %d, the weights say %d", path, (int)said, (int)value);
}

static gboolean
is_remark(const char *member)
{
    static const char *const remarks[] = {"seed",    "note",        "notes",         "source",
                                          "comment", "description", "computed_with", NULL};

    return g_strv_contains(remarks, member) || g_str_has_prefix(member, "max_abs_diff");
}

gboolean
golden_only_members(const GoldenCase *c, const char *path, const char *const *known, GError **error)
{
    JsonNode *node = path != NULL ? golden_node(c, path) : NULL;
    JsonObject *object = c->root;
    g_autoptr(GList) members = NULL;

    if (path != NULL && node == NULL) {
        return TRUE;
    }
    if (path != NULL && !JSON_NODE_HOLDS_OBJECT(node)) {
        return golden_not_understood(error, "%s is no object", path);
    }
    if (path != NULL) {
        object = json_node_get_object(node);
    }
    members = json_object_get_members(object);
    for (GList *member = members; member != NULL; member = member->next) {
        if (!g_strv_contains(known, member->data) && (path != NULL || !is_remark(member->data))) {
            return golden_not_understood(error, "member '%s' of %s", (const char *)member->data,
                                         path != NULL ? path : "case.json");
        }
    }
    return TRUE;
}
