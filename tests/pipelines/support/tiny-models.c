/* SPDX-License-Identifier: Apache-2.0 */
/* Tiny models as files; see the header. One thread. */
#include "pipelines/support/tiny-models.h"

#include <glib/gstdio.h>

#include "headers/scope-header-fill.h"
#include "headers/scope-model-layouts.h"
#include "support/scope-tiny-wan.h"

#define F32       SCOPE_STORED_F32
#define TEXT_DIM  32
#define WIDTH     16 /* channels of the tiny autoencoder */
#define N_LETTERS 26

/* -- files ------------------------------------------------------------------------------------ */

static char *
path_in(const char *root, const char *name)
{
    char *path = g_build_filename(root, name, NULL);
    g_autofree char *folder = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    return path;
}

static void
write_text(const char *root, const char *name, const char *text)
{
    g_autofree char *path = path_in(root, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
write_file(const ScopeHeaderFile *file, const char *root, const char *name)
{
    g_autofree char *path = path_in(root, name);

    g_assert_true(scope_header_file_write_safetensors(file, path, 1));
    g_assert_true(scope_header_file_fill(file, path, 5));
}

void
tiny_models_remove(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
            tiny_models_remove(path);
        } else {
            g_unlink(path);
        }
    }
    g_rmdir(folder);
}

/* -- networks --------------------------------------------------------------------------------- */

static void
conv(ScopeHeaderFile *file, gint64 n_out, gint64 n_in, gint64 side, gboolean bias, const char *half,
     int index, const char *layer)
{
    scope_header_file_add(file, F32, SCOPE_DIMS(n_out, n_in, side, side), "%s.%d%s.weight", half,
                          index, layer);
    if (bias) {
        scope_header_file_add(file, F32, SCOPE_DIMS(n_out), "%s.%d%s.bias", half, index, layer);
    }
}

static void
memory_block(ScopeHeaderFile *file, const char *half, int index)
{
    conv(file, WIDTH, 2 * WIDTH, 3, TRUE, half, index, ".conv.0");
    conv(file, WIDTH, WIDTH, 3, TRUE, half, index, ".conv.2");
    conv(file, WIDTH, WIDTH, 3, TRUE, half, index, ".conv.4");
}

/* The sequence of a TAEHV with @n_stages halvings of the picture and two of the rate. */
static void
layout_tae(ScopeHeaderFile *file, int n_stages)
{
    conv(file, WIDTH, 3, 3, TRUE, "encoder", 0, "");
    for (int i = 0; i < n_stages; i++) {
        conv(file, WIDTH, i < 2 ? 2 * WIDTH : WIDTH, 1, FALSE, "encoder", 2 + 3 * i, ".conv");
        conv(file, WIDTH, WIDTH, 3, FALSE, "encoder", 3 + 3 * i, "");
        memory_block(file, "encoder", 4 + 3 * i);
    }
    conv(file, 16, WIDTH, 3, TRUE, "encoder", 2 + 3 * n_stages, "");
    conv(file, WIDTH, 16, 3, TRUE, "decoder", 1, "");
    for (int i = 0; i < n_stages; i++) {
        memory_block(file, "decoder", 3 + 4 * i);
        conv(file, i < 2 ? 2 * WIDTH : WIDTH, WIDTH, 1, FALSE, "decoder", 5 + 4 * i, ".conv");
        conv(file, WIDTH, WIDTH, 3, FALSE, "decoder", 6 + 4 * i, "");
    }
    conv(file, 3, WIDTH, 3, TRUE, "decoder", 4 + 4 * n_stages, "");
}

static void
layout_umt5(ScopeHeaderFile *file, gint64 n_ids)
{
    scope_header_file_add(file, F32, SCOPE_DIMS(n_ids, TEXT_DIM), "token_embedding.weight");
    for (int i = 0; i < 2; i++) {
        scope_header_file_add(file, F32, SCOPE_DIMS(TEXT_DIM), "blocks.%d.norm1.weight", i);
        for (const char *m = "qkvo"; *m != '\0'; m++) {
            scope_header_file_add(file, F32, SCOPE_DIMS(TEXT_DIM, TEXT_DIM),
                                  "blocks.%d.attn.%c.weight", i, *m);
        }
        scope_header_file_add(file, F32, SCOPE_DIMS(TEXT_DIM), "blocks.%d.norm2.weight", i);
        scope_header_file_add(file, F32, SCOPE_DIMS(64, TEXT_DIM), "blocks.%d.ffn.gate.0.weight",
                              i);
        scope_header_file_add(file, F32, SCOPE_DIMS(64, TEXT_DIM), "blocks.%d.ffn.fc1.weight", i);
        scope_header_file_add(file, F32, SCOPE_DIMS(TEXT_DIM, 64), "blocks.%d.ffn.fc2.weight", i);
        scope_header_file_add(file, F32, SCOPE_DIMS(32, 2),
                              "blocks.%d.pos_embedding.embedding.weight", i);
    }
    scope_header_file_add(file, F32, SCOPE_DIMS(TEXT_DIM), "norm.weight");
}

/* A tokenizer.json whose pieces are the letters, so that different texts have different ids. */
static void
write_tokenizer(const char *root, const char *name)
{
    g_autoptr(GString) json = g_string_new(
        "{\"added_tokens\":[{\"id\":0,\"content\":\"<pad>\"},{\"id\":1,\"content\":\"</s>\"}],"
        "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
        "\"\xe2\x96\x81\",\"add_prefix_space\":true},\"post_processor\":{\"type\":"
        "\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
        "{\"SpecialToken\":{\"id\":\"</s>\",\"type_id\":0}}]},\"model\":{\"type\":\"Unigram\","
        "\"unk_id\":2,\"vocab\":[[\"<pad>\",0],[\"</s>\",0],[\"<unk>\",0],"
        "[\"\xe2\x96\x81\",-3]");

    for (char c = 'a'; c <= 'z'; c++) {
        g_string_append_printf(json, ",[\"%c\",-2]", c);
    }
    g_string_append(json, "]}}");
    write_text(root, name, json->str);
}

static void
write_umt5(const char *root, const char *name)
{
    g_auto(ScopeHeaderFile) file;

    scope_header_file_init(&file);
    layout_umt5(&file, 4 + N_LETTERS);
    write_file(&file, root, name);
}

static void
write_tae(const char *root, const char *name, int n_stages)
{
    g_auto(ScopeHeaderFile) file;

    scope_header_file_init(&file);
    layout_tae(&file, n_stages);
    write_file(&file, root, name);
}

static void
write_vae(const char *root, const char *name)
{
    static const gint64 widths[4] = {8, 16, 16, 16};
    g_auto(ScopeHeaderFile) file;

    scope_header_file_init(&file);
    scope_layout_wan_vae(&file, widths);
    write_file(&file, root, name);
}

/* -- folders ---------------------------------------------------------------------------------- */

static ScopeTinyWan
tiny_wan(gboolean vace)
{
    ScopeTinyWan tiny = SCOPE_TINY_WAN;

    tiny.config.text_dim = TEXT_DIM;
    if (vace) {
        tiny.config.vace_in_dim = 96;
        tiny.config.n_vace_layers = 2;
    }
    return tiny;
}

static void
write_wan(const char *root, const char *name, gboolean vace)
{
    ScopeTinyWan tiny = tiny_wan(vace);
    g_autofree char *path = path_in(root, name);

    scope_tiny_wan_write(&tiny, path);
}

static void
write_lora(const char *root, const char *name, guint64 seed)
{
    ScopeTinyWan tiny = tiny_wan(FALSE);
    g_autofree char *path = path_in(root, name);

    tiny.seed = seed;
    scope_tiny_wan_write_lora(&tiny, path, 4, tiny.config.dim);
}

void
tiny_models_write(const char *root)
{
    static const char *const configs[] = {"Wan2.1-T2V-1.3B/config.json",
                                          "Wan2.1-T2V-14B/config.json"};
    static const char *const weights[] = {
        "LongLive-1.3B/models/longlive_base.pt", "StreamDiffusionV2/wan_causal_dmd_v2v/model.pt",
        "Reward-Forcing-T2V-1.3B/rewardforcing.pt", "MemFlow/base.pt",
        "krea-realtime-video/krea-realtime-video-14b.safetensors"};
    static const char *const vaces[] = {"WanVideo_comfy/Wan2_1-VACE_module_1_3B_bf16.safetensors",
                                        "WanVideo_comfy/Wan2_1-VACE_module_14B_bf16.safetensors"};
    static const char *const unread[] = {
        "WanVideo_comfy/config.json",          "Autoencoders/config.json",
        "LongLive-1.3B/config.json",           "StreamDiffusionV2/config.json",
        "Reward-Forcing-T2V-1.3B/config.json", "MemFlow/config.json",
        "krea-realtime-video/config.json"};

    for (guint i = 0; i < G_N_ELEMENTS(configs); i++) {
        write_text(root, configs[i],
                   "{\"model_type\":\"t2v\",\"num_heads\":2,\"text_len\":16,\"freq_dim\":32}");
    }
    for (guint i = 0; i < G_N_ELEMENTS(weights); i++) {
        write_wan(root, weights[i], FALSE);
    }
    for (guint i = 0; i < G_N_ELEMENTS(vaces); i++) {
        write_wan(root, vaces[i], TRUE);
    }
    for (guint i = 0; i < G_N_ELEMENTS(unread); i++) {
        write_text(root, unread[i], "{}");
    }
    write_lora(root, "LongLive-1.3B/models/lora.pt", 2);
    write_lora(root, "MemFlow/lora.pt", 3);
    write_lora(root, "lora/style.safetensors", 4);
    write_lora(root, "lora/other.safetensors", 5);
    write_umt5(root, "WanVideo_comfy/umt5-xxl-enc-fp8_e4m3fn.safetensors");
    write_tokenizer(root, "Wan2.1-T2V-1.3B/google/umt5-xxl/tokenizer.json");
    write_vae(root, "Wan2.1-T2V-1.3B/Wan2.1_VAE.pth");
    write_vae(root, "Autoencoders/lightvaew2_1.pth");
    write_tae(root, "Autoencoders/taew2_1.pth", 3);
    write_tae(root, "Autoencoders/lighttaew2_1.pth", 3);
}

void
tiny_models_write_mini(const char *root)
{
    ScopeTinyWan tiny = tiny_wan(FALSE);
    g_autofree char *path = path_in(root, "mini/diffusion.safetensors");

    write_text(root, "mini/config.json",
               "{\"model_type\":\"t2v\",\"num_heads\":2,\"text_len\":16,\"freq_dim\":32,\"scope\":"
               "{\"chunk_frames\":2,\"first_chunk_frames\":2,\"window_frames\":6,\"sink_frames\":2,"
               "\"shift\":4,\"steps\":[1000,600],\"context_noise\":0}}");
    tiny.pooled = TRUE;
    tiny.n_places = 4;
    scope_tiny_wan_write(&tiny, path);
    write_umt5(root, "mini/text_encoder.safetensors");
    write_tokenizer(root, "mini/tokenizer.json");
    write_tae(root, "mini/autoencoder.safetensors", 4);
}
