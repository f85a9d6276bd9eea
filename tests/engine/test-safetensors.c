/* SPDX-License-Identifier: Apache-2.0 */
/* safetensors: what is read, and that every rule of the format refuses the file that breaks it with
 * a message that says which rule. Main thread. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/checkpoint/scope-checkpoint.h"
#include "support/scope-checkpoint-builder.h"

typedef struct {
    char *folder;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->folder = g_dir_make_tmp("scope-safetensors-XXXXXX", &error);
    g_assert_no_error(error);
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
}

static ScopeCheckpoint *
open_built(const Fixture *fixture, const char *header, gsize n_data, GError **error)
{
    g_autoptr(GByteArray) bytes = scope_build_safetensors(header, n_data);
    g_autofree char *path = scope_build_file(fixture->folder, "x.safetensors", bytes);

    return scope_checkpoint_open(path, error);
}

/* -- Good ------------------------------------------------------------------------------------- */

static void
test_read(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) c = open_built(
        fixture,
        "{\"__metadata__\":{\"a\":\"b\"},\"second\":{\"dtype\":\"U8\",\"shape\":[2],"
        "\"data_offsets\":[8,10]},\"f\\u0069rst\":{\"data_offsets\":[0,8],\"shape\":[2,2],"
        "\"dtype\":\"F16\"},\"none\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[8,8]}}  "
        " ",
        10, &error);
    const ScopeCheckpointTensor *tensor;
    guint8 bytes[8];

    g_assert_no_error(error);
    g_assert_cmpuint(scope_checkpoint_get_n_tensors(c), ==, 3);
    tensor = scope_checkpoint_find(c, "first");
    g_assert_nonnull(tensor);
    g_assert_cmpint(tensor->type, ==, SCOPE_STORED_F16);
    g_assert_cmpint(tensor->rank, ==, 2);
    g_assert_true(tensor->contiguous);
    g_assert_cmpuint(tensor->n_bytes, ==, 8);
    scope_checkpoint_tensor_copy(tensor, bytes);
    g_assert_cmpint(bytes[7], ==, 8);
    tensor = scope_checkpoint_find(c, "second");
    g_assert_cmpint(tensor->data[1], ==, 10);
    g_assert_cmpint(scope_checkpoint_find(c, "none")->n_elements, ==, 0);
    g_assert_null(scope_checkpoint_find(c, "__metadata__"));
}

static void
test_unaligned(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) c =
        open_built(fixture,
                   "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                   "\"b\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[1,9]}}",
                   9, &error);
    const ScopeCheckpointTensor *tensor;
    float values[2];

    g_assert_no_error(error);
    tensor = scope_checkpoint_find(c, "b");
    g_assert_cmpint(scope_checkpoint_tensor_is_aligned(tensor), ==,
                    (gsize)tensor->data % sizeof(gint32) == 0);
    scope_checkpoint_tensor_copy_f32(tensor, values);
    g_assert_cmpfloat(values[0], ==, (float)0x05040302);
}

static void
test_require(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) c = open_built(
        fixture, "{\"net.weight\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[0,12]}}",
        12, &error);
    const gint64 good[] = {2, -1}, bad[] = {2, 4};

    g_assert_no_error(error);
    g_assert_nonnull(scope_checkpoint_require(c, "net.weight", 2, good, &error));
    g_assert_no_error(error);
    g_assert_null(scope_checkpoint_require(c, "net.weight", 2, bad, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISMATCH);
    g_assert_nonnull(strstr(error->message, "x.safetensors: tensor 'net.weight' is BF16 [2, 3], "
                                            "expected [2, 4]"));
    g_clear_error(&error);
    g_assert_null(scope_checkpoint_require(c, "old.weight", -1, NULL, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING);
    g_assert_nonnull(strstr(error->message, "'old.weight' is missing"));
}

/* -- Bad -------------------------------------------------------------------------------------- */

#define TENSOR(dtype, shape, offsets)                                                              \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static const struct {
    const char *name;
    const char *header;
    gsize n_data;
    ScopeCheckpointError code;
    const char *message;
} refused[] = {
    {"array", "[1,2]", 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "does not begin with '{'"},
    {"cut", "{\"a\":", 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "the text ends too early"},
    {"after", "{} x", 0, SCOPE_CHECKPOINT_ERROR_FORMAT, "text after the value"},
    {"nul", "{\"a\\u0000\":1}", 0, SCOPE_CHECKPOINT_ERROR_FORMAT, "NUL"},
    {"surrogate", "{\"a\\ud800\":1}", 0, SCOPE_CHECKPOINT_ERROR_FORMAT, "\\u escape"},
    {"utf-8", "{\"\xff\":1}", 0, SCOPE_CHECKPOINT_ERROR_FORMAT, "not UTF-8"},
    {"entry", "{\"a\":[]}", 0, SCOPE_CHECKPOINT_ERROR_FORMAT, "not an object"},
    {"metadata", "{\"__metadata__\":{\"a\":1}}", 0, SCOPE_CHECKPOINT_ERROR_FORMAT, "__metadata__"},
    {"dtype", TENSOR("F4", "[4]", "[0,4]"), 4, SCOPE_CHECKPOINT_ERROR_UNSUPPORTED, "dtype 'F4'"},
    {"negative", TENSOR("U8", "[-4]", "[0,4]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "shape holds -4"},
    {"fraction", TENSOR("U8", "[4.0]", "[0,4]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "'4.0'"},
    {"exponent", TENSOR("U8", "[4]", "[0,4e0]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "'4e0'"},
    {"huge", TENSOR("U8", "[4]", "[0,18446744073709551620]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT,
     "18446744073709551620"},
    {"zero", TENSOR("U8", "[04]", "[0,4]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "not valid JSON"},
    {"rank", TENSOR("U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "[0,1]"), 1,
     SCOPE_CHECKPOINT_ERROR_LIMIT, "more than 16"},
    {"overflow", TENSOR("U8", "[4294967296,4294967296]", "[0,4]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT,
     "63 bits"},
    {"bytes-overflow", TENSOR("F64", "[4611686018427387904]", "[0,4]"), 4,
     SCOPE_CHECKPOINT_ERROR_FORMAT, "63 bits"},
    {"size", TENSOR("F32", "[2]", "[0,4]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "needs 8 bytes"},
    {"end", TENSOR("U8", "[5]", "[0,5]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "do not lie in"},
    {"reversed", TENSOR("U8", "[4]", "[4,0]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "do not lie in"},
    {"three", TENSOR("U8", "[4]", "[0,4,4]"), 4, SCOPE_CHECKPOINT_ERROR_LIMIT, "more than 2"},
    {"one", TENSOR("U8", "[4]", "[0]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "fewer than 2"},
    {"trailing", TENSOR("U8", "[4]", "[0,4]"), 5, SCOPE_CHECKPOINT_ERROR_FORMAT, "has 5 bytes"},
    {"hole", TENSOR("U8", "[3]", "[1,4]"), 4, SCOPE_CHECKPOINT_ERROR_FORMAT, "hole"},
    {"overlap",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
     4, SCOPE_CHECKPOINT_ERROR_FORMAT, "overlap"},
    {"twice",
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
     4, SCOPE_CHECKPOINT_ERROR_FORMAT, "'a' is there twice"},
    {"key-twice",
     "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     SCOPE_CHECKPOINT_ERROR_FORMAT, "repeated key 'dtype'"},
    {"key-unknown", "{\"a\":{\"x\":1,\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4,
     SCOPE_CHECKPOINT_ERROR_FORMAT, "key 'x'"},
    {"missing", "{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4,
     SCOPE_CHECKPOINT_ERROR_FORMAT, "shape is missing"},
};

static void
test_refused(Fixture *fixture, gconstpointer data)
{
    for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeCheckpoint) c =
            open_built(fixture, refused[i].header, refused[i].n_data, &error);
        g_test_message("%s: %s", refused[i].name, error != NULL ? error->message : "accepted");
        g_assert_null(c);
        g_assert_error(error, SCOPE_CHECKPOINT_ERROR, (int)refused[i].code);
        g_assert_nonnull(strstr(error->message, refused[i].message));
        g_assert_nonnull(strstr(error->message, "x.safetensors"));
    }
}

/* The length in front of the header, and files that are something else. */
static void
test_foreign(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *bytes;
        gsize n;
        const char *message;
    } files[] = {
        {"", 0, "empty"},
        {"\2\0\0", 3, "does not fit"},
        {"\377\377\377\377\377\377\377\377{}", 10, "does not fit"},
        {"\3\0\0\0\0\0\0\0{}", 10, "does not fit"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "Git LFS"},
        {"<!DOCTYPE html><html></html>", 28, "HTML"},
        {"GGUF\3\0\0\0\0\0\0\0", 12, "GGUF"},
        {"\200\2}q\0.", 6, "magic number"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        g_autofree char *path = NULL;
        g_autoptr(GError) error = NULL;
        g_byte_array_append(bytes, (const guint8 *)files[i].bytes, (guint)files[i].n);
        path = scope_build_file(fixture->folder, "foreign.bin", bytes);
        g_assert_null(scope_checkpoint_open(path, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, files[i].message));
    }
}

/* -- Sharded sets and folders ------------------------------------------------------------------ */

static void
write_text(const Fixture *fixture, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(fixture->folder, name, NULL);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void
write_shards(const Fixture *fixture)
{
    g_autoptr(GByteArray) one = scope_build_safetensors(TENSOR("U8", "[4]", "[0,4]"), 4);
    g_autoptr(GByteArray) two = scope_build_safetensors(
        "{\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
        "\"extra\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
        3);

    g_free(scope_build_file(fixture->folder, "one.safetensors", one));
    g_free(scope_build_file(fixture->folder, "two.safetensors", two));
}

static void
test_sharded(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) c = NULL;

    write_shards(fixture);
    write_text(fixture, "m.safetensors.index.json",
               "{\"metadata\":{\"total_size\":6},\"weight_map\":{\"a\":\"one.safetensors\","
               "\"b\":\"two.safetensors\"}}");
    c = scope_checkpoint_open(fixture->folder, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(scope_checkpoint_get_n_tensors(c), ==, 2);
    g_assert_true(g_str_has_suffix(scope_checkpoint_find(c, "b")->file, "two.safetensors"));
    g_assert_cmpint(scope_checkpoint_find(c, "b")->data[0], ==, 1);
}

static void
test_sharded_refused(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *index;
        const char *message;
    } files[] = {
        {"{\"weight_map\":{\"a\":\"../one.safetensors\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "plain file name"},
        {"{\"weight_map\":{\"a\":\"none.safetensors\"}}", "none.safetensors"},
        {"{\"weight_map\":{\"z\":\"one.safetensors\"}}", "tensor 'z' is not in its file"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"one.safetensors\"}}", "twice"},
        {"{\"weight_map\":[]}", "not an object"},
        {"{\"metadata\":{}}", "no JSON object with a weight_map"},
    };

    write_shards(fixture);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GError) error = NULL;
        write_text(fixture, "m.safetensors.index.json", files[i].index);
        g_assert_null(scope_checkpoint_open(fixture->folder, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, files[i].message));
    }
}

static void
test_folder(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(scope_checkpoint_open(fixture->folder, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING);
    g_clear_error(&error);
    write_shards(fixture);
    g_assert_null(scope_checkpoint_open(fixture->folder, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING);
    g_assert_nonnull(strstr(error->message, "several"));
    g_clear_error(&error);
    g_assert_null(scope_checkpoint_open("/nonexistent/x.safetensors", &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_IO);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*test)(Fixture *, gconstpointer);
    } tests[] = {
        {"/safetensors/read", test_read},
        {"/safetensors/unaligned", test_unaligned},
        {"/safetensors/require", test_require},
        {"/safetensors/refused", test_refused},
        {"/safetensors/foreign", test_foreign},
        {"/safetensors/sharded", test_sharded},
        {"/safetensors/sharded-refused", test_sharded_refused},
        {"/safetensors/folder", test_folder},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_test_add(tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
    }
    return g_test_run();
}
