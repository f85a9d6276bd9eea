/* SPDX-License-Identifier: Apache-2.0 */
/* LoRA files: naming forms, matching, what is refused and what is reported. Main thread. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/checkpoint/scope-lora-file.h"
#include "support/scope-checkpoint-builder.h"

/* Builds a file of f32 tensors from "name [a,b]" lines; every value is 0.5. */
static ScopeLoraFile *
open_lora(const char *const *lines, GError **error)
{
    g_autoptr(GString) header = g_string_new("{");
    g_autoptr(GByteArray) bytes = NULL;
    g_autofree char *folder = g_dir_make_tmp("scope-lora-XXXXXX", NULL);
    g_autofree char *path = NULL;
    gsize at = 0;
    ScopeLoraFile *file;

    for (; *lines != NULL; lines++) {
        const char *bracket = strchr(*lines, '[');
        g_autofree char *name = g_strndup(*lines, (gsize)(bracket - *lines) - 1);
        gint64 n = 1;
        for (const char *c = bracket + 1; *c != '\0' && *c != ']';) {
            n *= g_ascii_strtoll(c, (char **)&c, 10);
            c += *c == ',';
        }
        g_string_append_printf(
            header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}",
            header->len > 1 ? "," : "", name, bracket, at, at + 4 * (gsize)n);
        at += 4 * (gsize)n;
    }
    g_string_append_c(header, '}');
    bytes = scope_build_safetensors(header->str, 0);
    for (gsize i = 0; i < at / 4; i++) {
        float value = 0.5f;
        g_byte_array_append(bytes, (const guint8 *)&value, sizeof value);
    }
    path = scope_build_file(folder, "l.safetensors", bytes);
    file = scope_lora_file_open(path, error);
    g_remove(path);
    g_rmdir(folder);
    return file;
}

static void
test_names(void)
{
    static const struct {
        const char *down, *up;
    } forms[] = {
        {"blocks.0.self_attn.q.lora_A.weight [2,4]", "blocks.0.self_attn.q.lora_B.weight [3,2]"},
        {"base_model.model.blocks.0.self_attn.q.lora_A.default.weight [2,4]",
         "base_model.model.blocks.0.self_attn.q.lora_B.default.weight [3,2]"},
        {"diffusion_model.blocks.0.self_attn.q.lora_down.weight [2,4]",
         "diffusion_model.blocks.0.self_attn.q.lora_up.weight [3,2]"},
        {"transformer.blocks.0.self_attn.q.lora_A [2,4]",
         "transformer.blocks.0.self_attn.q.lora_B [3,2]"},
        {"lora_unet_blocks_0_self_attn_q.lora_down.weight [2,4]",
         "lora_unet_blocks_0_self_attn_q.lora_up.weight [3,2]"},
        {"blocks.0.self_attn.q.lora_down.weight [2,4,1,1]",
         "blocks.0.self_attn.q.lora_up.weight [3,2,1,1]"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        const char *const lines[] = {forms[i].down, forms[i].up, NULL};
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeLoraFile) file = open_lora(lines, &error);
        const ScopeLoraEntry *entry;
        g_assert_no_error(error);
        entry = scope_lora_file_find(file, "blocks.0.self_attn.q");
        g_assert_nonnull(entry);
        g_assert_cmpint(entry->rank, ==, 2);
        g_assert_cmpint(entry->n_in, ==, 4);
        g_assert_cmpint(entry->n_out, ==, 3);
        g_assert_cmpfloat(entry->factor, ==, 1);
        g_assert_false(entry->has_alpha);
        g_assert_null(scope_lora_file_get_unknown(file)[0]);
    }
}

/* Names that hold underscores themselves are never guessed: the model's own names decide. */
static void
test_match(void)
{
    static const char *const lines[] = {"lora_unet_time_embedding_0.lora_down.weight [2,4]",
                                        "lora_unet_time_embedding_0.lora_up.weight [3,2]",
                                        "lora_unet_time_embedding_0.alpha [1]",
                                        "lora_unet_nowhere.lora_down.weight [2,4]",
                                        "lora_unet_nowhere.lora_up.weight [3,2]",
                                        "stranger.lokr_w1 [2]",
                                        NULL};
    static const char *const modules[] = {"blocks.0.ffn.0", "time_embedding.0"};
    static const char *const aliases[] = {NULL, NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeLoraFile) file = open_lora(lines, &error);
    const ScopeLoraEntry *entries[2];
    g_autofree const char **unmatched = NULL;

    g_assert_no_error(error);
    unmatched = scope_lora_file_match(file, modules, aliases, 2, entries);
    g_assert_null(entries[0]);
    g_assert_nonnull(entries[1]);
    g_assert_true(entries[1]->has_alpha);
    g_assert_cmpfloat(entries[1]->factor, ==, 0.25);
    g_assert_cmpstr(unmatched[0], ==, "nowhere");
    g_assert_null(unmatched[1]);
    g_assert_cmpstr(scope_lora_file_get_unknown(file)[0], ==, "stranger.lokr_w1");
    g_assert_null(scope_lora_file_get_unknown(file)[1]);
}

static void
test_merge(void)
{
    static const char *const lines[] = {"m.lora_A.weight [2,3]", "m.lora_B.weight [2,2]",
                                        "m.alpha [1]", "m.diff [2,3]", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeLoraFile) file = open_lora(lines, &error);
    const ScopeLoraEntry *entry;
    float weight[6] = {1, 1, 1, 1, 1, 1};

    g_assert_no_error(error);
    entry = scope_lora_file_find(file, "m");
    g_assert_true(scope_lora_entry_check(entry, 2, 3, &error));
    g_assert_false(scope_lora_entry_check(entry, 3, 2, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH);
    scope_lora_entry_merge(entry, -2, 2, 3, weight);
    /* 1 - 2 * (0.5 / 2 * (2 * 0.5 * 0.5) + 0.5) */
    for (int i = 0; i < 6; i++) {
        g_assert_cmpfloat(weight[i], ==, -0.25f);
    }
}

static void
test_refused(void)
{
    static const struct {
        const char *lines[4];
        ScopeCheckpointError code;
        const char *message;
    } cases[] = {
        {{"m.lora_A.weight [2,3]"}, SCOPE_CHECKPOINT_ERROR_MISSING, "without its lora_up"},
        {{"m.lora_up.weight [2,3]"}, SCOPE_CHECKPOINT_ERROR_MISSING, "without its lora_down"},
        {{"m.lora_A.weight [2,3]", "m.lora_B.weight [4,3]"},
         SCOPE_CHECKPOINT_ERROR_MISMATCH,
         "[rank, in] and [out, rank]"},
        {{"m.lora_A.weight [6]", "m.lora_B.weight [4,6]"},
         SCOPE_CHECKPOINT_ERROR_MISMATCH,
         "[rank, in] and [out, rank]"},
        {{"m.lora_A.weight [2,3]", "m.lora_B.weight [4,2]", "m.dora_scale [4]"},
         SCOPE_CHECKPOINT_ERROR_UNSUPPORTED,
         "DoRA"},
        {{"m.lora_mid.weight [2,2]"}, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, "lora_mid"},
        {{"m.lora_A.weight [2,3]", "m.lora_B.weight [4,2]", "m.alpha [2]"},
         SCOPE_CHECKPOINT_ERROR_MISMATCH,
         "one finite number"},
        {{"m.lora_A.weight [2,3]", "m.lora_down.weight [2,3]"},
         SCOPE_CHECKPOINT_ERROR_FORMAT,
         "two such tensors"},
        {{"m.alpha [1]"}, SCOPE_CHECKPOINT_ERROR_MISSING, "alpha without"},
        {{"blocks.0.weight [2,3]"}, SCOPE_CHECKPOINT_ERROR_MISSING, "no LoRA adapter found"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(open_lora(cases[i].lines, &error));
        g_assert_nonnull(error);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].message));
        g_assert_error(error, SCOPE_CHECKPOINT_ERROR, (int)cases[i].code);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lora/names", test_names);
    g_test_add_func("/lora/match", test_match);
    g_test_add_func("/lora/merge", test_merge);
    g_test_add_func("/lora/refused", test_refused);
    return g_test_run();
}
