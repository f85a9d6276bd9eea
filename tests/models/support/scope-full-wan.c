/* SPDX-License-Identifier: Apache-2.0 */
/* A transformer of published size over one shared storage. One thread. */
#include "support/scope-full-wan.h"

#include <string.h>

#include "engine/scope-dtype.h"
#include "support/scope-checkpoint-builder.h"

#define DATA_NAME    "archive/data/0"
#define LOCAL_HEADER 30 /* bytes of a zip entry before its name */
#define ALIGNMENT    64

/* The reader refuses archives whose tensors take this many times the size of the file. */
#define MAX_EXPANSION 15

/* Elements of the shared storage: the largest tensor, and enough for the reader's limit. */
static gint64
storage_elements(const ScopeHeaderFile *file)
{
    gint64 largest = file->n_parameters / MAX_EXPANSION;

    for (guint i = 0; i < file->tensors->len; i++) {
        const ScopeHeaderTensor *t = &g_array_index(file->tensors, ScopeHeaderTensor, i);
        gint64 n = 1;
        for (int d = 0; d < t->rank; d++) {
            n *= t->shape[d];
        }
        largest = MAX(largest, n);
    }
    return largest;
}

/* The rebuild call of a contiguous tensor at the start of storage "0". */
static void
add_tensor(GByteArray *pickle, const ScopeHeaderTensor *t, const char *storage, gint64 n_storage)
{
    gint32 shape[SCOPE_CHECKPOINT_MAX_RANK], stride[SCOPE_CHECKPOINT_MAX_RANK];
    gint32 step = 1;

    for (int d = t->rank - 1; d >= 0; d--) {
        shape[d] = (gint32)t->shape[d];
        stride[d] = step;
        step *= shape[d];
    }
    scope_pickle_text(pickle, t->name);
    scope_pickle_global(pickle, "torch._utils", "_rebuild_tensor_v2");
    scope_pickle_op(pickle, '(');
    scope_pickle_op(pickle, '(');
    scope_pickle_text(pickle, "storage");
    scope_pickle_global(pickle, "torch", storage);
    scope_pickle_text(pickle, "0");
    scope_pickle_text(pickle, "cpu");
    scope_pickle_int(pickle, (gint32)n_storage);
    scope_pickle_op(pickle, 't');
    scope_pickle_op(pickle, 'Q');
    scope_pickle_int(pickle, 0);
    scope_pickle_tuple(pickle, (guint)t->rank, shape);
    scope_pickle_tuple(pickle, (guint)t->rank, stride);
    scope_pickle_op(pickle, 0x89);
    scope_pickle_global(pickle, "collections", "OrderedDict");
    scope_pickle_op(pickle, ')');
    scope_pickle_op(pickle, 'R');
    scope_pickle_op(pickle, 't');
    scope_pickle_op(pickle, 'R');
}

#define N_RANDOM (1 << 20)

/* Even numbers around 0 with a deviation of 0.02, repeated after a million. */
static void
fill(guint8 *data, gint64 n, gboolean bf16)
{
    gsize size = bf16 ? sizeof(guint16) : sizeof(float);
    g_autofree float *values = g_new(float, N_RANDOM);
    guint64 state = 11;

    for (gint64 i = 0; i < N_RANDOM; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        values[i] = (float)(((double)(state >> 11) / 9007199254740992.0 - 0.5) * 0.07);
    }
    scope_dtype_from_f32(bf16 ? SCOPE_DTYPE_BF16 : SCOPE_DTYPE_F32, values, data, MIN(N_RANDOM, n));
    for (gint64 i = N_RANDOM; i < n; i += N_RANDOM) {
        memcpy(data + (gsize)i * size, data, (gsize)MIN(N_RANDOM, n - i) * size);
    }
}

gboolean
scope_full_wan_write(const ScopeWanLayout *wan, gboolean bf16, const char *path, GError **error)
{
    g_auto(ScopeHeaderFile) file;
    g_autoptr(GByteArray) pickle = g_byte_array_new();
    g_autoptr(GByteArray) bytes = NULL;
    gsize size = bf16 ? sizeof(guint16) : sizeof(float);
    ScopeZipBuilder zip;

    scope_header_file_init(&file);
    scope_layout_wan(&file, wan);
    gint64 n = storage_elements(&file);
    scope_pickle_begin(pickle);
    for (guint i = 0; i < file.tensors->len; i++) {
        add_tensor(pickle, &g_array_index(file.tensors, ScopeHeaderTensor, i),
                   bf16 ? "BFloat16Storage" : "FloatStorage", n);
    }
    scope_pickle_end(pickle);

    g_autofree guint8 *data = g_malloc((gsize)n * size);
    fill(data, n, bf16);
    scope_zip_builder_init(&zip, SCOPE_ZIP_SOUND);
    scope_zip_builder_add(&zip, "archive/data.pkl", pickle->data, pickle->len);
    scope_zip_builder_add(&zip, "archive/version", "3\n", 2);
    /* a filler brings the storage to an aligned place, as torch does with padding */
    static const char filler_name[] = "archive/.data/filler";
    const guint8 zeros[ALIGNMENT] = {0};
    gsize next =
        zip.bytes->len + LOCAL_HEADER + strlen(filler_name) + LOCAL_HEADER + strlen(DATA_NAME);
    scope_zip_builder_add(&zip, filler_name, zeros, (ALIGNMENT - next % ALIGNMENT) % ALIGNMENT);
    scope_zip_builder_add(&zip, DATA_NAME, data, (gsize)n * size);
    bytes = scope_zip_builder_finish(&zip);
    return g_file_set_contents(path, (const char *)bytes->data, (gssize)bytes->len, error);
}
