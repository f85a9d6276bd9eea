/* SPDX-License-Identifier: Apache-2.0 */
/* Small random Wan transformers as safetensors. One thread. */
#include "support/scope-tiny-wan.h"

#include <math.h>
#include <string.h>

#include "engine/scope-dtype.h"

typedef struct {
    const ScopeTinyWan *tiny;
    GString *header;
    GByteArray *data;
    guint64 state;
} Writer;

/* Roughly normal numbers: the sum of four uniform ones. */
static float
random_number(Writer *w)
{
    double sum = -2;

    for (int i = 0; i < 4; i++) {
        w->state = w->state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(w->state >> 11) / 9007199254740992.0;
    }
    return (float)(sum * 1.7);
}

static void
add_entry(Writer *w, const char *name, const char *dtype, int rank, const gint64 *shape, gsize n)
{
    gsize begin = w->data->len - n;

    g_string_append_printf(w->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[",
                           w->header->len > 1 ? "," : "", name, dtype);
    for (int i = 0; i < rank; i++) {
        g_string_append_printf(w->header, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "", shape[i]);
    }
    g_string_append_printf(w->header,
                           "],\"data_offsets\":[%" G_GSIZE_FORMAT ",%" G_GSIZE_FORMAT "]}", begin,
                           begin + n);
}

static void
add_fp8(Writer *w, const char *name, int rank, const gint64 *shape, const float *values, gsize n)
{
    g_autofree guint8 *codes = g_new(guint8, n);
    g_autofree float *scaled = g_new(float, n);
    g_autofree char *scale_name =
        g_strdup_printf("%.*s.scale_weight", (int)(strlen(name) - strlen(".weight")), name);
    const float scale = 0.01f;

    for (gsize i = 0; i < n; i++) {
        scaled[i] = values[i] / scale;
    }
    scope_dtype_from_f32(SCOPE_DTYPE_F8_E4M3, scaled, codes, (int64_t)n);
    g_byte_array_append(w->data, codes, (guint)n);
    add_entry(w, name, "F8_E4M3", rank, shape, n);
    g_byte_array_append(w->data, (const guint8 *)&scale, sizeof(scale));
    add_entry(w, scale_name, "F32", 0, NULL, sizeof(scale));
}

/* Adds a tensor of random numbers around @mean. */
static void
add(Writer *w, const char *published, float mean, float spread, int rank, const gint64 *sizes)
{
    const ScopeTinyWan *t = w->tiny;
    g_autofree char *name =
        t->diffusers ? scope_wan_name_to_diffusers(published) : g_strdup(published);
    gint64 shape[5];
    gsize n = 1;

    if (t->leave_out != NULL && g_str_equal(t->leave_out, published)) {
        return;
    }
    for (int i = 0; i < rank; i++) {
        shape[i] = sizes[i];
        if (i == 0 && t->reshape != NULL && g_str_equal(t->reshape, published)) {
            shape[i]++;
        }
        n *= (gsize)shape[i];
    }
    g_autofree float *values = g_new(float, n);
    for (gsize i = 0; i < n; i++) {
        values[i] = mean + spread * random_number(w);
        if (t->fill_nan != NULL && g_str_equal(t->fill_nan, published)) {
            values[i] = NAN;
        }
    }
    if (t->fp8 && g_str_has_prefix(published, "blocks.") && rank == 2) {
        add_fp8(w, name, rank, shape, values, n);
        return;
    }
    gboolean integer = t->as_integer != NULL && g_str_equal(t->as_integer, published);
    g_byte_array_append(w->data, (const guint8 *)values, (guint)(n * sizeof(float)));
    add_entry(w, name, integer ? "I32" : "F32", rank, shape, n * sizeof(float));
}

static void
add_linear(Writer *w, const char *prefix, const char *name, int n_out, int n_in)
{
    g_autofree char *weight = g_strdup_printf("%s%s.weight", prefix, name);
    g_autofree char *bias = g_strdup_printf("%s%s.bias", prefix, name);

    add(w, weight, 0, 1.0f / sqrtf((float)n_in), 2, (const gint64[]){n_out, n_in});
    add(w, bias, 0, 0.05f, 1, (const gint64[]){n_out});
}

static void
add_vector(Writer *w, const char *prefix, const char *name, float mean, int n)
{
    g_autofree char *full = g_strdup_printf("%s%s", prefix, name);

    add(w, full, mean, 0.1f, 1, (const gint64[]){n});
}

static void
add_block(Writer *w, const char *prefix)
{
    static const char *const linears[] = {"q", "k", "v", "o"};
    const ScopeWanConfig *c = &w->tiny->config;
    g_autofree char *modulation = g_strdup_printf("%smodulation", prefix);

    for (int i = 0; i < 2; i++) {
        g_autofree char *attn =
            g_strdup_printf("%s%s.", prefix, i == 0 ? "self_attn" : "cross_attn");
        for (int j = 0; j < 4; j++) {
            add_linear(w, attn, linears[j], c->dim, c->dim);
        }
        add_vector(w, attn, "norm_q.weight", 1, c->dim);
        add_vector(w, attn, "norm_k.weight", 1, c->dim);
    }
    add(w, modulation, 0, 0.3f, 3, (const gint64[]){1, 6, c->dim});
    add_vector(w, prefix, "norm3.weight", 1, c->dim);
    add_vector(w, prefix, "norm3.bias", 0, c->dim);
    add_linear(w, prefix, "ffn.0", c->ffn_dim, c->dim);
    add_linear(w, prefix, "ffn.2", c->dim, c->ffn_dim);
}

static void
add_model(Writer *w)
{
    const ScopeWanConfig *c = &w->tiny->config;

    add(w, "patch_embedding.weight", 0, 0.2f, 5, (const gint64[]){c->dim, c->in_dim, 1, 2, 2});
    add(w, "patch_embedding.bias", 0, 0.1f, 1, (const gint64[]){c->dim});
    add_linear(w, "", "text_embedding.0", c->dim, c->text_dim);
    add_linear(w, "", "text_embedding.2", c->dim, c->dim);
    add_linear(w, "", "time_embedding.0", c->dim, c->freq_dim);
    add_linear(w, "", "time_embedding.2", c->dim, c->dim);
    add_linear(w, "", "time_projection.1", 6 * c->dim, c->dim);
    add(w, "head.modulation", 0, 0.3f, 3, (const gint64[]){1, 2, c->dim});
    add_linear(w, "", "head.head", 4 * c->out_dim, c->dim);
    for (int i = 0; i < c->n_layers; i++) {
        g_autofree char *prefix = g_strdup_printf("blocks.%d.", i);
        add_block(w, prefix);
    }
    if (c->n_vace_layers > 0) {
        add(w, "vace_patch_embedding.weight", 0, 0.1f, 5,
            (const gint64[]){c->dim, c->vace_in_dim, 1, 2, 2});
        add(w, "vace_patch_embedding.bias", 0, 0.1f, 1, (const gint64[]){c->dim});
    }
    for (int i = 0; i < c->n_vace_layers; i++) {
        g_autofree char *prefix = g_strdup_printf("vace_blocks.%d.", i);
        add_block(w, prefix);
        if (i == 0) {
            add_linear(w, prefix, "before_proj", c->dim, c->dim);
        }
        add_linear(w, prefix, "after_proj", c->dim, c->dim);
    }
    if (w->tiny->n_places > 0) {
        add(w, "position_embedding", 0, 1, 3, (const gint64[]){1, w->tiny->n_places, c->dim});
    }
    if (w->tiny->pooled) {
        add(w, "pooled_embedding.weight", 0, 0.5f, 2, (const gint64[]){c->dim, c->text_dim});
    }
    if (w->tiny->also != NULL) {
        add(w, w->tiny->also, 0, 1, 1, (const gint64[]){4});
    }
}

static void
finish(Writer *w, const char *path)
{
    g_autoptr(GByteArray) file = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    g_string_append_c(w->header, '}');
    while (w->header->len % 8 != 0) {
        g_string_append_c(w->header, ' ');
    }
    guint64 length = GUINT64_TO_LE((guint64)w->header->len);
    g_byte_array_append(file, (const guint8 *)&length, sizeof(length));
    g_byte_array_append(file, (const guint8 *)w->header->str, (guint)w->header->len);
    g_byte_array_append(file, w->data->data, w->data->len);
    g_file_set_contents(path, (const char *)file->data, (gssize)(file->len - w->tiny->cut_bytes),
                        &error);
    g_assert_no_error(error);
    g_string_free(w->header, TRUE);
    g_byte_array_unref(w->data);
}

void
scope_tiny_wan_write(const ScopeTinyWan *tiny, const char *path)
{
    Writer w = {
        .tiny = tiny, .header = g_string_new("{"), .data = g_byte_array_new(), .state = tiny->seed};

    add_model(&w);
    finish(&w, path);
}

void
scope_tiny_wan_write_lora(const ScopeTinyWan *tiny, const char *path, int rank, int n_in)
{
    Writer w = {.tiny = tiny,
                .header = g_string_new("{"),
                .data = g_byte_array_new(),
                .state = tiny->seed + 77};

    for (int i = 0; i < tiny->config.n_layers; i++) {
        g_autofree char *down =
            g_strdup_printf("base_model.model.blocks.%d.self_attn.q.lora_A.weight", i);
        g_autofree char *up =
            g_strdup_printf("base_model.model.blocks.%d.self_attn.q.lora_B.weight", i);
        add(&w, down, 0, 0.3f, 2, (const gint64[]){rank, n_in});
        add(&w, up, 0, 0.3f, 2, (const gint64[]){tiny->config.dim, rank});
    }
    add(&w, "base_model.model.time_embedding.0.lora_A.weight", 0, 0.3f, 2,
        (const gint64[]){rank, tiny->config.freq_dim});
    add(&w, "base_model.model.time_embedding.0.lora_B.weight", 0, 0.3f, 2,
        (const gint64[]){tiny->config.dim, rank});
    finish(&w, path);
}
