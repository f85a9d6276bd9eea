/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the seed corpora of the checkpoint harnesses: one small file a form, sound and faulty, so
 * that no binary has to be kept in the repository. Main thread. */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/scope-checkpoint-builder.h"

static void
save(const char *folder, const char *name, GByteArray *bytes)
{
    g_free(scope_build_file(folder, name, bytes));
    g_byte_array_unref(bytes);
}

static GByteArray *
build_pickle(void)
{
    static const gint32 shape[] = {2, 3}, stride[] = {1, 2}, zero[] = {0, 0};
    GByteArray *pickle = g_byte_array_new();

    scope_pickle_begin(pickle);
    scope_pickle_text(pickle, "generator");
    scope_pickle_op(pickle, '}');
    scope_pickle_op(pickle, '(');
    scope_pickle_text(pickle, "model.a");
    scope_pickle_tensor(pickle, "0", 6, 0, 2, shape, stride);
    scope_pickle_text(pickle, "model.b");
    scope_pickle_tensor(pickle, "0", 6, 5, 2, shape, zero);
    scope_pickle_op(pickle, 'u');
    scope_pickle_end(pickle);
    return pickle;
}

static void
make_torch(const char *folder)
{
    g_autoptr(GByteArray) pickle = build_pickle();

    for (int fault = SCOPE_ZIP_SOUND; fault <= SCOPE_ZIP_ZIP64; fault++) {
        g_autofree char *name = g_strdup_printf("zip-%d", fault);
        save(folder, name, scope_build_torch(pickle, 6, (ScopeZipFault)fault));
    }
    save(folder, "legacy", scope_build_torch_legacy(pickle, 6));
}

static void
make_safetensors(const char *folder)
{
    static const struct {
        const char *header;
        gsize n;
    } files[] = {
        {"{}", 0},
        {"{\"__metadata__\":{\"format\":\"pt\"},\"a.weight\":{\"dtype\":\"F8_E4M3\",\"shape\":[2,2]"
         ","
         "\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[4,6]}} "
         " ",
         6},
        {"{\"a\":{\"dtype\":\"I64\",\"shape\":[0,3],\"data_offsets\":[0,0]}}", 0},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1.5e1],\"data_offsets\":[-1,15]}}", 15},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *name = g_strdup_printf("file-%zu", i);
        save(folder, name, scope_build_safetensors(files[i].header, files[i].n));
    }
}

static void
make_lora(const char *folder)
{
    static const char *const names[][2] = {
        {"diffusion_model.m.lora_A.weight", "diffusion_model.m.lora_B.weight"},
        {"lora_unet_m_0.lora_down.weight", "lora_unet_m_0.lora_up.weight"},
        {"base_model.model.m.lora_A.default.weight", "base_model.model.m.lora_B.default.weight"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = g_strdup_printf("lora-%zu", i);
        g_autofree char *header =
            g_strdup_printf("{\"%s\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
                            "\"%s\":{\"dtype\":\"BF16\",\"shape\":[4,2],\"data_offsets\":[12,28]}}",
                            names[i][0], names[i][1]);
        save(folder, name, scope_build_safetensors(header, 28));
    }
}

static void
make_tokenizer(const char *folder)
{
    static const char *const texts[] = {
        "{\"added_tokens\":[{\"id\":1,\"content\":\"</s>\"}],\"normalizer\":{\"type\":\"Sequence\","
        "\"normalizers\":[{\"type\":\"Strip\",\"strip_left\":false,\"strip_right\":true},"
        "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\" \"}]},"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\","
        "\"prepend_scheme\":\"always\"},\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":"
        "[[\"<unk>\",0],[\"</s>\",0],[\"\xe2\x96\x81\",-1],[\"a\",-2.5]]}}",
        "Sch\xc3\x83\xc2\xb6n &amp;amp; \xe2\x80\x9cq\xe2\x80\x9d\r\n\xef\xbc\x8c &#x4e00; \x1b[0m",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *name = g_strdup_printf("text-%zu", i);
        GByteArray *bytes = g_byte_array_new();
        g_byte_array_append(bytes, (const guint8 *)texts[i], (guint)strlen(texts[i]));
        save(folder, name, bytes);
    }
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*make)(const char *folder);
    } corpora[] = {
        {"torch", make_torch},
        {"safetensors", make_safetensors},
        {"lora", make_lora},
        {"tokenizer", make_tokenizer},
    };

    if (argc != 3) {
        g_printerr("usage: make-seeds CORPUS FOLDER\n");
        return EXIT_FAILURE;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(corpora); i++) {
        if (strcmp(argv[1], corpora[i].name) == 0) {
            if (g_mkdir_with_parents(argv[2], 0755) != 0) {
                return EXIT_FAILURE;
            }
            corpora[i].make(argv[2]);
            return EXIT_SUCCESS;
        }
    }
    return EXIT_FAILURE;
}
