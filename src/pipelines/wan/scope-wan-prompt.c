/* SPDX-License-Identifier: Apache-2.0 */
/* Text conditioning and embedding blending: the first block of a chunk. Worker thread. */
#include <string.h>

#include "pipelines/wan/scope-wan-stream-private.h"

void
scope_wan_conditioning_init(ScopeWanConditioning *c, int64_t n_rows, int64_t width)
{
    gsize n = (gsize)(n_rows * width);

    *c = (ScopeWanConditioning){.n_rows = n_rows, .width = width};
    c->current = g_new0(float, n);
    c->from = g_new0(float, n);
    c->target = g_new0(float, n);
}

void
scope_wan_conditioning_clear(ScopeWanConditioning *c)
{
    g_clear_pointer(&c->current, g_free);
    g_clear_pointer(&c->from, g_free);
    g_clear_pointer(&c->target, g_free);
    g_clear_pointer(&c->encoded_key, g_free);
    g_clear_pointer(&c->received_key, g_free);
    for (int i = 0; i < SCOPE_WAN_N_CACHED_TEXTS; i++) {
        g_clear_pointer(&c->texts[i], g_free);
        g_clear_pointer(&c->rows[i], g_free);
    }
}

void
scope_wan_conditioning_settle(ScopeWanConditioning *c)
{
    if (c->n_steps > 0) {
        memcpy(c->current, c->target, (gsize)(c->n_rows * c->width) * sizeof(float));
        c->n_steps = 0;
    }
}

/* Whether @key describes the list, without building a string in the steady state. */
static gboolean
key_matches(const char *key, const ScopeWanPrompt *prompts, int n)
{
    const char *at = key;

    if (key == NULL) {
        return FALSE;
    }
    for (int i = 0; i < n; i++) {
        char weight[G_ASCII_DTOSTR_BUF_SIZE];
        g_ascii_dtostr(weight, sizeof(weight), prompts[i].weight);
        size_t n_weight = strlen(weight), n_text = strlen(prompts[i].text);
        if (strncmp(at, weight, n_weight) != 0 || at[n_weight] != '\x1f' ||
            strncmp(at + n_weight + 1, prompts[i].text, n_text) != 0 ||
            at[n_weight + 1 + n_text] != '\x1e') {
            return FALSE;
        }
        at += n_weight + n_text + 2;
    }
    return *at == '\0';
}

static char *
make_key(const ScopeWanPrompt *prompts, int n)
{
    GString *key = g_string_new(NULL);

    for (int i = 0; i < n; i++) {
        char weight[G_ASCII_DTOSTR_BUF_SIZE];
        g_ascii_dtostr(weight, sizeof(weight), prompts[i].weight);
        g_string_append_printf(key, "%s\x1f%s\x1e", weight, prompts[i].text);
    }
    return g_string_free(key, FALSE);
}

/* A place for a new text: the oldest that the list does not need. */
static int
free_slot(const ScopeWanConditioning *c, const ScopeWanPrompt *prompts, int n)
{
    for (int i = 0; i < SCOPE_WAN_N_CACHED_TEXTS; i++) {
        int slot = (c->next_text + i) % SCOPE_WAN_N_CACHED_TEXTS;
        gboolean needed = FALSE;
        for (int j = 0; j < n && c->texts[slot] != NULL; j++) {
            needed = needed || g_str_equal(c->texts[slot], prompts[j].text);
        }
        if (!needed) {
            return slot;
        }
    }
    return c->next_text;
}

/* The embedding of a text of the list, encoded once while it is in use. */
static const float *
encode(ScopeWanStream *s, const ScopeWanPrompt *prompts, int n, int index, GError **error)
{
    ScopeWanConditioning *c = &s->conditioning;
    const char *text = prompts[index].text;

    for (int i = 0; i < SCOPE_WAN_N_CACHED_TEXTS; i++) {
        if (c->texts[i] != NULL && g_str_equal(c->texts[i], text)) {
            return c->rows[i];
        }
    }
    int slot = free_slot(c, prompts, n);
    if (c->rows[slot] == NULL) {
        c->rows[slot] = g_new0(float, (gsize)(c->n_rows * c->width));
    }
    g_clear_pointer(&c->texts[slot], g_free);
    if (!s->options.encode_text(s->options.encode_text_data, text, c->rows[slot], error)) {
        return NULL;
    }
    c->texts[slot] = g_strdup(text);
    c->next_text = (slot + 1) % SCOPE_WAN_N_CACHED_TEXTS;
    return c->rows[slot];
}

/* Several prompts into @out. */
static gboolean
blend(ScopeWanStream *s, const ScopeWanPrompt *prompts, int n, ScopeEmbeddingMethod method,
      float *out, GError **error)
{
    ScopeWanConditioning *c = &s->conditioning;
    const float *rows[SCOPE_WAN_N_CACHED_TEXTS];
    double weights[SCOPE_WAN_N_CACHED_TEXTS];

    if (n < 1 || n > SCOPE_WAN_N_CACHED_TEXTS) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "%d prompts were given, expected 1 to %d", n, SCOPE_WAN_N_CACHED_TEXTS);
        return FALSE;
    }
    for (int i = 0; i < n; i++) {
        rows[i] = encode(s, prompts, n, i, error);
        weights[i] = prompts[i].weight;
        if (rows[i] == NULL) {
            return FALSE;
        }
    }
    scope_embedding_blend(out, rows, weights, n, c->n_rows, c->width, method);
    return TRUE;
}

/* Whether a text of the list is not in the list that @key was made of. */
static gboolean
has_new_text(const char *key, const ScopeWanPrompt *prompts, int n)
{
    gboolean found = key != NULL;

    for (int i = 0; i < n && found; i++) {
        g_autofree char *part = g_strdup_printf("\x1f%s\x1e", prompts[i].text);
        found = strstr(key, part) != NULL;
    }
    return !found;
}

/* A new list of prompts: at once, or as the end of a transition. */
static gboolean
change_prompts(ScopeWanStream *s, const ScopeWanChunk *chunk, const ScopeWanPrompt *prompts, int n,
               GError **error)
{
    ScopeWanConditioning *c = &s->conditioning;
    gsize n_values = (gsize)(c->n_rows * c->width);
    int n_steps = chunk->transition != NULL ? chunk->transition->n_steps : 0;

    if (!blend(s, prompts, n, chunk->method, c->target, error)) {
        return FALSE;
    }
    c->new_scene = c->new_scene || has_new_text(c->encoded_key, prompts, n);
    g_free(c->encoded_key);
    c->encoded_key = make_key(prompts, n);
    c->n_steps = 0;
    /* one step would stay at the start of the ramp: taken as at once, which is what is meant */
    if (n_steps > 1 && c->has_current && !chunk->reset) {
        c->n_steps =
            scope_embedding_transition_steps(c->current, c->target, (int64_t)n_values, n_steps);
        c->step = 0;
        c->method = chunk->transition->method;
        memcpy(c->from, c->current, n_values * sizeof(float));
        return TRUE;
    }
    memcpy(c->current, c->target, n_values * sizeof(float));
    c->has_current = c->changed = TRUE;
    return TRUE;
}

static void
advance_transition(ScopeWanConditioning *c)
{
    if (c->n_steps == 0) {
        return;
    }
    /* the first step is the embedding that is already there */
    c->by_transition = TRUE;
    if (c->step > 0) {
        scope_embedding_mix(c->current, c->from, c->target,
                            scope_embedding_transition_position(c->step, c->n_steps), c->n_rows,
                            c->width, c->method);
        c->changed = TRUE;
    }
    if (++c->step == c->n_steps) {
        c->n_steps = 0;
    }
}

gboolean
scope_wan_block_text(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error)
{
    ScopeWanConditioning *c = &s->conditioning;
    const ScopeWanPrompt *wanted = chunk->prompts;
    int n = chunk->n_prompts;
    gboolean received = !key_matches(c->received_key, chunk->prompts, chunk->n_prompts);

    c->changed = c->by_transition = FALSE;
    if (chunk->reset && c->n_steps > 0) {
        scope_wan_conditioning_settle(c);
        c->changed = TRUE;
    }
    if (received) {
        g_free(c->received_key);
        c->received_key = make_key(chunk->prompts, chunk->n_prompts);
    }
    if (chunk->transition != NULL && chunk->transition->n_targets > 0) {
        wanted = chunk->transition->targets;
        n = chunk->transition->n_targets;
    } else if (!received && c->has_current) {
        /* prompts that a transition has replaced do not come back by themselves */
        advance_transition(c);
        return TRUE;
    }
    if ((!c->has_current || !key_matches(c->encoded_key, wanted, n)) &&
        !change_prompts(s, chunk, wanted, n, error)) {
        return FALSE;
    }
    advance_transition(c);
    return TRUE;
}
