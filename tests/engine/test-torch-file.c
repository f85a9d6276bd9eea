/* SPDX-License-Identifier: Apache-2.0 */
/* PyTorch files: zip, ZIP64 and legacy; views and strides; that the pickle machine builds passive
 * values only and refuses everything else by name. Main thread. */
#include <glib/gstdio.h>
#include <string.h>

#include "engine/checkpoint/scope-checkpoint.h"
#include "support/scope-checkpoint-builder.h"

static const gint32 shape_2x3[] = {2, 3}, stride_2x3[] = {3, 1}, transposed[] = {1, 3};

static ScopeCheckpoint *
open_bytes(const GByteArray *bytes, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("scope-torch-XXXXXX", NULL);
    g_autofree char *path = scope_build_file(folder, "x.pth", bytes);
    ScopeCheckpoint *checkpoint = scope_checkpoint_open(path, error);

    g_remove(path);
    g_rmdir(folder);
    return checkpoint;
}

/* A pickle {name: tensor 2x3 on storage "0" of six floats}. */
static GByteArray *
one_tensor(const char *name, const gint32 *shape, const gint32 *stride)
{
    GByteArray *pickle = g_byte_array_new();

    scope_pickle_begin(pickle);
    scope_pickle_text(pickle, name);
    scope_pickle_tensor(pickle, "0", 6, 0, 2, shape, stride);
    scope_pickle_end(pickle);
    return pickle;
}

static void
check_six(const ScopeCheckpoint *c, const char *name)
{
    const ScopeCheckpointTensor *tensor = scope_checkpoint_find(c, name);
    float values[6];

    g_assert_nonnull(tensor);
    scope_checkpoint_tensor_copy_f32(tensor, values);
    for (int i = 0; i < 6; i++) {
        g_assert_cmpfloat(values[i], ==, (float)i);
    }
}

static void
test_zip(void)
{
    g_autoptr(GByteArray) pickle = one_tensor("w", shape_2x3, stride_2x3);
    const ScopeZipFault faults[] = {SCOPE_ZIP_SOUND, SCOPE_ZIP_ZIP64};

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autoptr(GByteArray) bytes = scope_build_torch(pickle, 6, faults[i]);
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeCheckpoint) c = open_bytes(bytes, &error);
        g_assert_no_error(error);
        g_assert_true(scope_checkpoint_find(c, "w")->contiguous);
        check_six(c, "w");
    }
}

static void
test_legacy(void)
{
    g_autoptr(GByteArray) pickle = one_tensor("w", shape_2x3, stride_2x3);
    g_autoptr(GByteArray) bytes = scope_build_torch_legacy(pickle, 6);
    g_autoptr(GByteArray) wrong = scope_build_torch_legacy(pickle, 5);
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) c = open_bytes(bytes, &error);

    g_assert_no_error(error);
    check_six(c, "w");
    g_byte_array_set_size(bytes, bytes->len - 1);
    g_assert_null(open_bytes(bytes, &error));
    g_assert_nonnull(strstr(error->message, "truncated"));
    g_clear_error(&error);
    g_assert_null(open_bytes(wrong, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_FORMAT);
}

static void
test_strides(void)
{
    static const gint32 shape[] = {3, 2}, zero[] = {0, 0};
    g_autoptr(GByteArray) pickle = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(GError) error = NULL;
    float values[6];

    scope_pickle_begin(pickle);
    scope_pickle_text(pickle, "t");
    scope_pickle_tensor(pickle, "0", 6, 0, 2, shape, transposed);
    scope_pickle_text(pickle, "e");
    scope_pickle_tensor(pickle, "0", 6, 5, 2, shape, zero);
    scope_pickle_end(pickle);
    bytes = scope_build_torch(pickle, 6, SCOPE_ZIP_SOUND);
    c = open_bytes(bytes, &error);
    g_assert_no_error(error);
    g_assert_false(scope_checkpoint_find(c, "t")->contiguous);
    scope_checkpoint_tensor_copy_f32(scope_checkpoint_find(c, "t"), values);
    g_assert_cmpfloat(values[1], ==, 3);
    g_assert_cmpfloat(values[2], ==, 1);
    g_assert_cmpfloat(values[5], ==, 5);
    scope_checkpoint_tensor_copy_f32(scope_checkpoint_find(c, "e"), values);
    g_assert_cmpfloat(values[0] + values[5], ==, 10);
    g_assert_cmpuint(scope_checkpoint_find(c, "e")->n_bytes, ==, 4);
}

static void
test_zip_refused(void)
{
    static const struct {
        ScopeZipFault fault;
        const char *message;
    } faults[] = {
        {SCOPE_ZIP_COMPRESSED, "compressed"},     {SCOPE_ZIP_ENCRYPTED, "encrypted"},
        {SCOPE_ZIP_BAD_CRC, "checksum"},          {SCOPE_ZIP_TOO_LONG, "are left in the file"},
        {SCOPE_ZIP_FAR_LOCAL, "no local header"}, {SCOPE_ZIP_OTHER_NAME, "another name"},
        {SCOPE_ZIP_NO_END, "truncated"},          {SCOPE_ZIP_MANY, "60000 entries"},
        {SCOPE_ZIP_DUPLICATE, "twice"},
    };
    g_autoptr(GByteArray) pickle = one_tensor("w", shape_2x3, stride_2x3);

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autoptr(GByteArray) bytes = scope_build_torch(pickle, 6, faults[i].fault);
        g_autoptr(GError) error = NULL;
        g_assert_null(open_bytes(bytes, &error));
        g_assert_nonnull(error);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, faults[i].message));
    }
}

/* Every archive cut short at any byte is refused, never read past its end. */
static void
test_truncated(void)
{
    g_autoptr(GByteArray) pickle = one_tensor("w", shape_2x3, stride_2x3);
    g_autoptr(GByteArray) bytes = scope_build_torch(pickle, 6, SCOPE_ZIP_SOUND);

    while (bytes->len > 0) {
        g_byte_array_set_size(bytes, bytes->len - 1);
        g_assert_null(open_bytes(bytes, NULL));
    }
}

/* -- The pickle machine ------------------------------------------------------------------------ */

/* Opens an archive whose pickle has @n bytes @code between the begin of a dict and its end. */
static void
check_refused(const char *code, gsize n, ScopeCheckpointError wanted, const char *message)
{
    g_autoptr(GByteArray) pickle = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(GError) error = NULL;

    scope_pickle_begin(pickle);
    g_byte_array_append(pickle, (const guint8 *)code, (guint)n);
    scope_pickle_end(pickle);
    bytes = scope_build_torch(pickle, 6, SCOPE_ZIP_SOUND);
    g_assert_null(open_bytes(bytes, &error));
    g_assert_nonnull(error);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, message));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, (int)wanted);
}

#define UNSAFE(code, message)                                                                      \
    check_refused(code, sizeof(code) - 1, SCOPE_CHECKPOINT_ERROR_UNSAFE, message)
#define BROKEN(code, message)                                                                      \
    check_refused(code, sizeof(code) - 1, SCOPE_CHECKPOINT_ERROR_FORMAT, message)

static void
test_unsafe(void)
{
    UNSAFE("X\1\0\0\0acos\nsystem\n", "'os.system'");
    UNSAFE("X\1\0\0\0ac__builtin__\neval\n", "'__builtin__.eval'");
    UNSAFE("\214\2os\214\6system\223", "'os.system'");
    UNSAFE("ctorch\nload\n", "'torch.load'");
    UNSAFE("ctorch\nFloatStorage\n)R", "used as a function");
    UNSAFE("ctorch\nfloat32\n)\201", "used as a function");
    UNSAFE("J\1\0\0\0)R", "an integer is applied to a tuple");
    UNSAFE("ccollections\nOrderedDict\n]R", "a name is applied to a list");
    UNSAFE("J\1\0\0\0}b", "BUILD on an integer");
    UNSAFE("(ios\nsystem\n", "0x69");
    UNSAFE("(ccollections\nOrderedDict\no", "0x6f");
    UNSAFE("\202\1", "0x82");
    UNSAFE("Px\n", "0x50");
    UNSAFE("I1\n", "0x49");
    UNSAFE("\226\1\0\0\0\0\0\0\0x", "0x96");
    UNSAFE("\377", "0xff");
}

static void
test_malformed(void)
{
    BROKEN("h\5", "nothing was remembered");
    BROKEN("X\377\377\377\177a", "bytes are wanted");
    BROKEN("\215\0\0\0\0\0\0\0@a", "bytes are wanted");
    BROKEN("\213\377\377\377\377", "negative length");
    BROKEN("X\1\0\0\0\377", "not UTF-8");
    BROKEN("\205", "stack is empty");
    BROKEN("R", "stack is empty");
    BROKEN("a", "stack is empty");
    BROKEN("uu", "there is no mark");
    BROKEN("N", "a key without value");
    BROKEN("NNuu", "no mark");
    BROKEN("\200\6", "protocol 6");
    BROKEN("]NNs", "items are put into a list");
    BROKEN("}Na", "items are put into a dict");
    BROKEN("NQ", "persistent id");
    BROKEN("(X\1\0\0\0xNNNNtQ", "persistent id");
    BROKEN("ccollections\nOrderedDict\n(]N]tR", "list of pairs");
    check_refused("Nr\377\377\377\177", 6, SCOPE_CHECKPOINT_ERROR_LIMIT, "memo index");
}

static void
test_tensor_bounds(void)
{
    static const struct {
        gint32 offset, shape[2], stride[2];
        const char *message;
    } cases[] = {
        {1, {2, 3}, {3, 1}, "reaches element 6 of a storage of 6"},
        {0, {2, 3}, {4, 1}, "reaches element 6"},
        {-1, {2, 3}, {3, 1}, "expected 0 or more"},
        {0, {-2, 3}, {3, 1}, "expected 0 or more"},
        {0, {2, 3}, {-3, 1}, "expected 0 or more"},
        {0, {G_MAXINT32, G_MAXINT32}, {0, 0}, "63 bits"},
        {0, {G_MAXINT32, 2}, {0, 0}, "the tensors would take"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) pickle = g_byte_array_new();
        g_autoptr(GByteArray) bytes = NULL;
        g_autoptr(GError) error = NULL;
        scope_pickle_begin(pickle);
        scope_pickle_text(pickle, "w");
        scope_pickle_tensor(pickle, "0", 6, cases[i].offset, 2, cases[i].shape, cases[i].stride);
        scope_pickle_end(pickle);
        bytes = scope_build_torch(pickle, 6, SCOPE_ZIP_SOUND);
        g_assert_null(open_bytes(bytes, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, cases[i].message));
    }
}

static void
test_storage_refused(void)
{
    static const struct {
        const char *key;
        gint32 n;
        const char *message;
    } cases[] = {
        {"7", 6, "no record 'archive/data/7'"},
        {"../../x", 6, "not a plain name"},
        {"", 6, "not a plain name"},
        {"0", 5, "has 24 bytes"},
        {"0", 600, "has 24 bytes"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        static const gint32 one[] = {1}, step[] = {1};
        g_autoptr(GByteArray) pickle = g_byte_array_new();
        g_autoptr(GByteArray) bytes = NULL;
        g_autoptr(GError) error = NULL;
        scope_pickle_begin(pickle);
        scope_pickle_text(pickle, "w");
        scope_pickle_tensor(pickle, cases[i].key, cases[i].n, 0, 1, one, step);
        scope_pickle_end(pickle);
        bytes = scope_build_torch(pickle, 6, SCOPE_ZIP_SOUND);
        g_assert_null(open_bytes(bytes, &error));
        g_assert_nonnull(error);
        g_assert_nonnull(strstr(error->message, cases[i].message));
    }
}

/* Dicts that contain themselves, nest deeply or are shared exponentially end in an error. */
static void
test_nesting(void)
{
    g_autoptr(GByteArray) self = g_byte_array_new();
    g_autoptr(GByteArray) shared = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(GError) error = NULL;

    scope_pickle_op(self, '}');
    scope_pickle_op(self, 'q');
    scope_pickle_op(self, 0);
    scope_pickle_text(self, "a");
    scope_pickle_op(self, 'h');
    scope_pickle_op(self, 0);
    scope_pickle_op(self, 's');
    scope_pickle_op(self, '.');
    bytes = scope_build_torch(self, 6, SCOPE_ZIP_SOUND);
    g_assert_null(open_bytes(bytes, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_LIMIT);
    g_clear_error(&error);
    g_clear_pointer(&bytes, g_byte_array_unref);

    /* d0 = {}; d(n+1) = {0: dn, 1: dn, ... 15: dn}: 16^14 entries if expanded */
    scope_pickle_op(shared, '}');
    for (int level = 0; level < 14; level++) {
        scope_pickle_op(shared, 'q');
        scope_pickle_op(shared, 0);
        scope_pickle_op(shared, '}');
        scope_pickle_op(shared, '(');
        for (int i = 0; i < 16; i++) {
            scope_pickle_int(shared, i);
            scope_pickle_op(shared, 'h');
            scope_pickle_op(shared, 0);
        }
        scope_pickle_op(shared, 'u');
    }
    scope_pickle_op(shared, '.');
    bytes = scope_build_torch(shared, 6, SCOPE_ZIP_SOUND);
    g_assert_null(open_bytes(bytes, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_LIMIT);
}

/* -- Selecting a state dict -------------------------------------------------------------------- */

static ScopeCheckpoint *
build_wrapped(const char *outer, const char *inner, const char *decoy)
{
    g_autoptr(GByteArray) pickle = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(GError) error = NULL;
    ScopeCheckpoint *c;
    const char *const names[] = {outer, decoy};

    scope_pickle_begin(pickle);
    for (int i = 0; i < 2; i++) {
        if (names[i] != NULL) {
            scope_pickle_text(pickle, names[i]);
            scope_pickle_op(pickle, '}');
            scope_pickle_op(pickle, '(');
            scope_pickle_text(pickle, i == 0 ? inner : "w");
            scope_pickle_tensor(pickle, "0", 6, 0, 2, shape_2x3, stride_2x3);
            scope_pickle_op(pickle, 'u');
        }
    }
    scope_pickle_text(pickle, "step");
    scope_pickle_int(pickle, 7);
    scope_pickle_end(pickle);
    bytes = scope_build_torch(pickle, 6, SCOPE_ZIP_SOUND);
    c = open_bytes(bytes, &error);
    g_assert_no_error(error);
    return c;
}

static void
test_select(void)
{
    static const struct {
        const char *outer, *inner, *decoy;
        const char *hint;
        const char *wanted;
    } cases[] = {
        {"generator_ema", "model.blocks.0.w", "generator", NULL, "blocks.0.w"},
        {"generator", "model._fsdp_wrapped_module.blocks.0.w", NULL, NULL, "blocks.0.w"},
        {"generator", "module.w", "generator_ema", "generator", "w"},
        {"weird", "w", NULL, NULL, "w"},
        {"state_dict", "model.x", NULL, NULL, "x"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(ScopeCheckpoint) c =
            build_wrapped(cases[i].outer, cases[i].inner, cases[i].decoy);
        const char *const hints[] = {cases[i].hint, NULL};
        g_autoptr(GError) error = NULL;
        g_autoptr(ScopeCheckpoint) state =
            scope_checkpoint_select(c, cases[i].hint != NULL ? hints : NULL, NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(scope_checkpoint_get_n_tensors(state), ==, 1);
        g_clear_pointer(&c, scope_checkpoint_unref);
        check_six(state, cases[i].wanted);
    }
}

/* A tensor beside the wrapping dict (an average, a counter) does not hide it. */
static void
test_select_beside(void)
{
    g_autoptr(GByteArray) pickle = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) c = NULL;
    g_autoptr(ScopeCheckpoint) state = NULL;

    scope_pickle_begin(pickle);
    scope_pickle_text(pickle, "counter");
    scope_pickle_tensor(pickle, "0", 6, 0, 2, shape_2x3, stride_2x3);
    scope_pickle_text(pickle, "generator");
    scope_pickle_op(pickle, '}');
    scope_pickle_text(pickle, "model.w");
    scope_pickle_tensor(pickle, "0", 6, 0, 2, shape_2x3, stride_2x3);
    scope_pickle_op(pickle, 's');
    scope_pickle_end(pickle);
    bytes = scope_build_torch(pickle, 6, SCOPE_ZIP_SOUND);
    c = open_bytes(bytes, &error);
    g_assert_no_error(error);
    state = scope_checkpoint_select(c, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(scope_checkpoint_get_n_tensors(state), ==, 1);
    check_six(state, "w");
}

static void
test_select_nothing(void)
{
    static const char *const hints[] = {"other", NULL};
    g_autoptr(ScopeCheckpoint) c = build_wrapped("generator", "w", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_null(scope_checkpoint_select(c, hints, NULL, &error));
    g_assert_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_MISSING);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/torch/zip", test_zip);
    g_test_add_func("/torch/legacy", test_legacy);
    g_test_add_func("/torch/strides", test_strides);
    g_test_add_func("/torch/zip-refused", test_zip_refused);
    g_test_add_func("/torch/truncated", test_truncated);
    g_test_add_func("/torch/unsafe", test_unsafe);
    g_test_add_func("/torch/malformed", test_malformed);
    g_test_add_func("/torch/tensor-bounds", test_tensor_bounds);
    g_test_add_func("/torch/storage-refused", test_storage_refused);
    g_test_add_func("/torch/nesting", test_nesting);
    g_test_add_func("/torch/select", test_select);
    g_test_add_func("/torch/select-beside", test_select_beside);
    g_test_add_func("/torch/select-nothing", test_select_nothing);
    return g_test_run();
}
