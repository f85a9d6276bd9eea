/* SPDX-License-Identifier: Apache-2.0 */
/* Dimensions of a Wan transformer from config.json and tensor shapes. Any thread. */
#include "models/scope-wan-config.h"

#include <string.h>

#include "engine/checkpoint/scope-json-reader.h"

G_DEFINE_QUARK(scope - wan - error - quark, scope_wan_error)

/* -- config.json ------------------------------------------------------------------------------ */

static const struct {
    const char *key;
    size_t offset;
} int_members[] = {
    {"dim", G_STRUCT_OFFSET(ScopeWanConfig, dim)},
    {"ffn_dim", G_STRUCT_OFFSET(ScopeWanConfig, ffn_dim)},
    {"freq_dim", G_STRUCT_OFFSET(ScopeWanConfig, freq_dim)},
    {"text_dim", G_STRUCT_OFFSET(ScopeWanConfig, text_dim)},
    {"text_len", G_STRUCT_OFFSET(ScopeWanConfig, text_len)},
    {"in_dim", G_STRUCT_OFFSET(ScopeWanConfig, in_dim)},
    {"out_dim", G_STRUCT_OFFSET(ScopeWanConfig, out_dim)},
    {"num_heads", G_STRUCT_OFFSET(ScopeWanConfig, n_heads)},
    {"num_layers", G_STRUCT_OFFSET(ScopeWanConfig, n_layers)},
    {"vace_in_dim", G_STRUCT_OFFSET(ScopeWanConfig, vace_in_dim)},
};

static gboolean
read_int(ScopeJsonReader *reader, const char *path, const char *key, int *ret_value, GError **error)
{
    ScopeJsonToken token = scope_json_reader_next(reader);

    if (token != SCOPE_JSON_INTEGER || reader->integer < 1 || reader->integer > G_MAXINT / 2) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: \"%s\" has to be a positive integer", path, key);
        return FALSE;
    }
    *ret_value = (int)reader->integer;
    return TRUE;
}

static gboolean
read_layers(ScopeJsonReader *reader, const char *path, ScopeWanConfig *config, GError **error)
{
    ScopeJsonToken token = scope_json_reader_next(reader);
    int n = 0;

    if (token == SCOPE_JSON_NULL) {
        return TRUE;
    }
    while (token == SCOPE_JSON_ARRAY_BEGIN || token == SCOPE_JSON_INTEGER) {
        token = scope_json_reader_next(reader);
        if (token == SCOPE_JSON_ARRAY_END) {
            config->n_vace_layers = n;
            return TRUE;
        }
        if (token != SCOPE_JSON_INTEGER || n == SCOPE_WAN_MAX_LAYERS || reader->integer < 0 ||
            reader->integer >= SCOPE_WAN_MAX_LAYERS ||
            (n > 0 && reader->integer <= config->vace_layers[n - 1])) {
            break;
        }
        config->vace_layers[n++] = (int)reader->integer;
    }
    g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                "%s: \"vace_layers\" has to be an ascending list of layer indices", path);
    return FALSE;
}

static gboolean
read_model_type(ScopeJsonReader *reader, const char *path, GError **error)
{
    ScopeJsonToken token = scope_json_reader_next(reader);

    if (token == SCOPE_JSON_STRING &&
        (g_str_equal(reader->text->str, "t2v") || g_str_equal(reader->text->str, "vace"))) {
        return TRUE;
    }
    g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_UNSUPPORTED,
                "%s: model_type is \"%s\", expected \"t2v\" or \"vace\"", path,
                token == SCOPE_JSON_STRING ? reader->text->str : "(no text)");
    return FALSE;
}

static gboolean
read_eps(ScopeJsonReader *reader, const char *path, ScopeWanConfig *config, GError **error)
{
    ScopeJsonToken token = scope_json_reader_next(reader);

    if ((token != SCOPE_JSON_REAL && token != SCOPE_JSON_INTEGER) || !(reader->real > 0)) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: \"eps\" has to be a positive number", path);
        return FALSE;
    }
    config->eps = reader->real;
    return TRUE;
}

static gboolean
read_member(ScopeJsonReader *reader, const char *path, const char *key, ScopeWanConfig *config,
            GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(int_members); i++) {
        if (g_str_equal(key, int_members[i].key)) {
            int *field = (int *)G_STRUCT_MEMBER_P(config, int_members[i].offset);
            return read_int(reader, path, key, field, error);
        }
    }
    if (g_str_equal(key, "vace_layers")) {
        return read_layers(reader, path, config, error);
    }
    if (g_str_equal(key, "model_type")) {
        return read_model_type(reader, path, error);
    }
    if (g_str_equal(key, "eps")) {
        return read_eps(reader, path, config, error);
    }
    if (!scope_json_reader_skip(reader)) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG, "%s: %s", path,
                    scope_json_reader_get_problem(reader));
        return FALSE;
    }
    return TRUE;
}

gboolean
scope_wan_config_load(const char *path, ScopeWanConfig *ret_config, GError **error)
{
    g_autofree char *text = NULL;
    gsize size = 0;
    ScopeWanConfig config = {0};

    if (!g_file_get_contents(path, &text, &size, error)) {
        return FALSE;
    }
    g_auto(ScopeJsonReader) reader;
    scope_json_reader_init(&reader, text, size);
    ScopeJsonToken token = scope_json_reader_next(&reader);
    gboolean is_object = token == SCOPE_JSON_OBJECT_BEGIN;
    while (is_object && (token = scope_json_reader_next(&reader)) == SCOPE_JSON_KEY) {
        g_autofree char *key = g_strdup(reader.text->str);
        if (!read_member(&reader, path, key, &config, error)) {
            return FALSE;
        }
    }
    if (!is_object || token != SCOPE_JSON_OBJECT_END ||
        scope_json_reader_next(&reader) != SCOPE_JSON_END) {
        const char *problem = scope_json_reader_get_problem(&reader);
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG, "%s: %s", path,
                    problem[0] != '\0' ? problem : "expected one JSON object");
        return FALSE;
    }
    *ret_config = config;
    return TRUE;
}

/* -- names of the diffusers layout ------------------------------------------------------------ */

static const struct {
    const char *published, *diffusers;
} parts[] = {
    /* the order matters: a part that contains another comes first */
    {"text_embedding.0", "condition_embedder.text_embedder.linear_1"},
    {"text_embedding.2", "condition_embedder.text_embedder.linear_2"},
    {"time_embedding.0", "condition_embedder.time_embedder.linear_1"},
    {"time_embedding.2", "condition_embedder.time_embedder.linear_2"},
    {"time_projection.1", "condition_embedder.time_proj"},
    {"self_attn.q", "attn1.to_q"},
    {"self_attn.k", "attn1.to_k"},
    {"self_attn.v", "attn1.to_v"},
    {"self_attn.o", "attn1.to_out.0"},
    {"self_attn.norm_q", "attn1.norm_q"},
    {"self_attn.norm_k", "attn1.norm_k"},
    {"cross_attn.q", "attn2.to_q"},
    {"cross_attn.k", "attn2.to_k"},
    {"cross_attn.v", "attn2.to_v"},
    {"cross_attn.o", "attn2.to_out.0"},
    {"cross_attn.norm_q", "attn2.norm_q"},
    {"cross_attn.norm_k", "attn2.norm_k"},
    {"ffn.0", "ffn.net.0.proj"},
    {"ffn.2", "ffn.net.2"},
    {"norm3", "norm2"},
    {"head.modulation", "scale_shift_table"},
    {"modulation", "scale_shift_table"},
    {"head.head", "proj_out"},
};

/* Finds @part in @name as a whole run of components and returns its place, or NULL. */
static const char *
find_part(const char *name, const char *part)
{
    size_t length = strlen(part);

    for (const char *at = strstr(name, part); at != NULL; at = strstr(at + 1, part)) {
        if ((at == name || at[-1] == '.') && (at[length] == '\0' || at[length] == '.')) {
            return at;
        }
    }
    return NULL;
}

static char *
replace_part(const char *name, const char *at, const char *from, const char *to)
{
    return g_strdup_printf("%.*s%s%s", (int)(at - name), name, to, at + strlen(from));
}

char *
scope_wan_name_to_diffusers(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        const char *at = find_part(name, parts[i].published);
        if (at != NULL) {
            return replace_part(name, at, parts[i].published, parts[i].diffusers);
        }
    }
    return g_strdup(name);
}

char *
scope_wan_name_from_diffusers(const char *name)
{
    gboolean in_block = g_str_has_prefix(name, "blocks.");

    for (guint i = 0; i < G_N_ELEMENTS(parts); i++) {
        const char *at = find_part(name, parts[i].diffusers);
        if (at != NULL && !(in_block && g_str_has_prefix(parts[i].published, "head."))) {
            return replace_part(name, at, parts[i].diffusers, parts[i].published);
        }
    }
    return g_strdup(name);
}

gboolean
scope_wan_name_is_diffusers(const ScopeCheckpoint *weights)
{
    return scope_checkpoint_find(weights, "condition_embedder.time_proj.weight") != NULL;
}

/* -- dimensions from tensors ------------------------------------------------------------------ */

/* What resolving needs at hand. */
typedef struct {
    const ScopeCheckpoint *weights;
    const char *config_name;
    gboolean diffusers;
    ScopeWanConfig config;
} Resolver;

static const ScopeCheckpointTensor *
require(Resolver *r, const char *name, int rank, const gint64 *shape, GError **error)
{
    g_autofree char *stored = r->diffusers ? scope_wan_name_to_diffusers(name) : g_strdup(name);

    return scope_checkpoint_require(r->weights, stored, rank, shape, error);
}

/* Sets @field to what the tensor says, or compares. */
static gboolean
agree(Resolver *r, const char *what, int *field, gint64 found, const ScopeCheckpointTensor *tensor,
      GError **error)
{
    if (*field != 0 && *field != found) {
        g_autofree char *shape = scope_checkpoint_tensor_dup_shape(tensor);
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: tensor %s is %s, so %s is %" G_GINT64_FORMAT ", but %s says %d",
                    tensor->file, tensor->name, shape, what, found,
                    r->config_name != NULL ? r->config_name : "the configuration", *field);
        return FALSE;
    }
    *field = (int)found;
    return TRUE;
}

static gboolean
resolve_widths(Resolver *r, GError **error)
{
    ScopeWanConfig *c = &r->config;
    const gint64 patch[5] = {-1, -1, 1, SCOPE_WAN_PATCH, SCOPE_WAN_PATCH};
    const gint64 any[2] = {-1, -1};
    const ScopeCheckpointTensor *t;

    t = require(r, "patch_embedding.weight", 5, patch, error);
    if (t == NULL || !agree(r, "dim", &c->dim, t->shape[0], t, error) ||
        !agree(r, "in_dim", &c->in_dim, t->shape[1], t, error)) {
        return FALSE;
    }
    t = require(r, "text_embedding.0.weight", 2, any, error);
    if (t == NULL || !agree(r, "text_dim", &c->text_dim, t->shape[1], t, error)) {
        return FALSE;
    }
    t = require(r, "time_embedding.0.weight", 2, any, error);
    if (t == NULL || !agree(r, "freq_dim", &c->freq_dim, t->shape[1], t, error)) {
        return FALSE;
    }
    t = require(r, "blocks.0.ffn.0.weight", 2, any, error);
    if (t == NULL || !agree(r, "ffn_dim", &c->ffn_dim, t->shape[0], t, error)) {
        return FALSE;
    }
    t = require(r, "head.head.weight", 2, any, error);
    if (t == NULL) {
        return FALSE;
    }
    gint64 area = SCOPE_WAN_PATCH * SCOPE_WAN_PATCH;
    if (t->shape[0] % area != 0) {
        g_autofree char *shape = scope_checkpoint_tensor_dup_shape(t);
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: tensor %s is %s, expected rows in multiples of %" G_GINT64_FORMAT, t->file,
                    t->name, shape, area);
        return FALSE;
    }
    return agree(r, "out_dim", &c->out_dim, t->shape[0] / area, t, error);
}

/* Blocks PREFIX.0, PREFIX.1, ... that the state dictionary names anywhere. */
static int
count_blocks(const ScopeCheckpoint *weights, const char *prefix, const char **ret_last)
{
    int n = 0;

    for (guint i = 0; i < scope_checkpoint_get_n_tensors(weights); i++) {
        const char *name = scope_checkpoint_get_tensor(weights, i)->name;
        char *end = NULL;
        if (!g_str_has_prefix(name, prefix)) {
            continue;
        }
        guint64 index = g_ascii_strtoull(name + strlen(prefix), &end, 10);
        if (end != name + strlen(prefix) && *end == '.' && index < G_MAXINT / 2 &&
            (int)index + 1 > n) {
            n = (int)index + 1;
            *ret_last = name;
        }
    }
    return n;
}

static gboolean
resolve_depth(Resolver *r, GError **error)
{
    const char *last = "(none)";
    int n = count_blocks(r->weights, "blocks.", &last);

    if (n < 1 || n > SCOPE_WAN_MAX_LAYERS || (r->config.n_layers != 0 && r->config.n_layers != n)) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: found %d blocks (last tensor %s), expected %d",
                    scope_checkpoint_get_path(r->weights), n, last,
                    r->config.n_layers != 0 ? r->config.n_layers : 1);
        return FALSE;
    }
    r->config.n_layers = n;
    return TRUE;
}

static gboolean
resolve_heads(Resolver *r, GError **error)
{
    ScopeWanConfig *c = &r->config;
    gboolean told = c->n_heads != 0;

    if (!told && c->dim % SCOPE_WAN_DEFAULT_HEAD_DIM == 0) {
        c->n_heads = c->dim / SCOPE_WAN_DEFAULT_HEAD_DIM;
    }
    if (c->n_heads < 1 || c->dim % c->n_heads != 0 || (c->dim / c->n_heads) % 2 != 0 ||
        c->freq_dim % 2 != 0) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: width %d with %d heads and sinusoids of %d: expected heads of an even "
                    "size and an even sinusoid%s",
                    scope_checkpoint_get_path(r->weights), c->dim, c->n_heads, c->freq_dim,
                    told ? "" : " (no configuration tells num_heads)");
        return FALSE;
    }
    return TRUE;
}

static gboolean
resolve_vace(Resolver *r, const ScopeCheckpoint *vace, GError **error)
{
    ScopeWanConfig *c = &r->config;
    const gint64 patch[5] = {c->dim, -1, 1, SCOPE_WAN_PATCH, SCOPE_WAN_PATCH};
    const char *last = "(none)";

    if (vace == NULL) {
        c->vace_in_dim = c->n_vace_layers = 0;
        return TRUE;
    }
    int n = count_blocks(vace, "vace_blocks.", &last);
    const ScopeCheckpointTensor *t =
        scope_checkpoint_require(vace, "vace_patch_embedding.weight", 5, patch, error);
    if (t == NULL || !agree(r, "vace_in_dim", &c->vace_in_dim, t->shape[1], t, error)) {
        return FALSE;
    }
    if (n < 1 || n > c->n_layers || (c->n_vace_layers != 0 && c->n_vace_layers != n) ||
        (c->n_vace_layers != 0 && c->vace_layers[n - 1] >= c->n_layers)) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: found %d VACE blocks (last tensor %s) for %d layers, expected %d",
                    scope_checkpoint_get_path(vace), n, last, c->n_layers,
                    c->n_vace_layers != 0 ? c->n_vace_layers : 1);
        return FALSE;
    }
    for (int i = 0; c->n_vace_layers == 0 && i < n; i++) {
        c->vace_layers[i] = i * (c->n_layers / n);
    }
    c->n_vace_layers = n;
    return TRUE;
}

static gboolean
refuse_image_models(const ScopeCheckpoint *weights, GError **error)
{
    static const char *const marks[] = {"img_emb.",     ".k_img.",         ".v_img.",
                                        ".norm_k_img.", "image_embedder.", ".add_k_proj.",
                                        ".add_v_proj.", ".norm_added_k."};

    for (guint i = 0; i < scope_checkpoint_get_n_tensors(weights); i++) {
        const ScopeCheckpointTensor *t = scope_checkpoint_get_tensor(weights, i);
        for (guint m = 0; m < G_N_ELEMENTS(marks); m++) {
            if (strstr(t->name, marks[m]) != NULL) {
                g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_UNSUPPORTED,
                            "%s: tensor %s belongs to an image-to-video model, expected a "
                            "text-to-video model",
                            t->file, t->name);
                return FALSE;
            }
        }
    }
    return TRUE;
}

gboolean
scope_wan_config_resolve(ScopeWanConfig *config, const char *config_name,
                         const ScopeCheckpoint *weights, const ScopeCheckpoint *vace,
                         GError **error)
{
    Resolver r = {
        .weights = weights,
        .config_name = config_name,
        .diffusers = scope_wan_name_is_diffusers(weights),
        .config = *config,
    };

    if (config->text_len < 0 || config->eps < 0) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_CONFIG,
                    "%s: text_len is %d and eps %g, expected positive numbers",
                    config_name != NULL ? config_name : "the configuration", config->text_len,
                    config->eps);
        return FALSE;
    }
    if (!refuse_image_models(weights, error) || !resolve_widths(&r, error) ||
        !resolve_depth(&r, error) || !resolve_heads(&r, error) || !resolve_vace(&r, vace, error)) {
        return FALSE;
    }
    if (r.config.text_len == 0) {
        r.config.text_len = SCOPE_WAN_DEFAULT_TEXT_LEN;
    }
    if (r.config.eps == 0) {
        r.config.eps = 1e-6;
    }
    *config = r.config;
    return TRUE;
}
