/* SPDX-License-Identifier: Apache-2.0 */
/* Fills sparse checkpoints. Owns nothing. One thread. */
#include "headers/scope-header-fill.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "engine/scope-dtype.h"

#define N_REPEATED 65536 /* numbers that repeat */

void
scope_header_file_keep(ScopeHeaderFile *file, gboolean (*wanted)(const char *name))
{
    for (guint i = file->tensors->len; i > 0; i--) {
        ScopeHeaderTensor *tensor = &g_array_index(file->tensors, ScopeHeaderTensor, i - 1);
        gint64 n = 1;

        if (wanted(tensor->name)) {
            continue;
        }
        for (int k = 0; k < tensor->rank; k++) {
            n *= tensor->shape[k];
        }
        file->n_parameters -= n;
        g_array_remove_index(file->tensors, i - 1);
    }
}

static gint64
count(const ScopeHeaderTensor *tensor)
{
    gint64 n = 1;

    for (int i = 0; i < tensor->rank; i++) {
        n *= tensor->shape[i];
    }
    return n;
}

/* One value for vectors; for kernels the bound of a uniform distribution of variance 1 / fan in. */
static float
amplitude(const ScopeHeaderTensor *tensor, gboolean *ret_random)
{
    gint64 rows = tensor->rank > 0 ? tensor->shape[0] : 1;
    gboolean gamma =
        g_str_has_suffix(tensor->name, "gamma") || strstr(tensor->name, "norm") != NULL;

    *ret_random = tensor->rank > 1 && !gamma;
    if (*ret_random) {
        return sqrtf(3.0f * (float)rows / (float)count(tensor));
    }
    return g_str_has_suffix(tensor->name, "bias") ? 0.0f : 1.0f;
}

static gboolean
write_all(int fd, const guint8 *bytes, gsize n)
{
    while (n > 0) {
        gssize written = write(fd, bytes, n);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return FALSE;
        }
        bytes += written;
        n -= (gsize)written;
    }
    return TRUE;
}

/* Narrows a block of numbers; FALSE for a type that no checkpoint here uses. */
static gboolean
from_floats(ScopeStoredType type, const float *values, guint8 *bytes)
{
    ScopeDType dtype = type == SCOPE_STORED_F32       ? SCOPE_DTYPE_F32
                       : type == SCOPE_STORED_F16     ? SCOPE_DTYPE_F16
                       : type == SCOPE_STORED_BF16    ? SCOPE_DTYPE_BF16
                       : type == SCOPE_STORED_F8_E4M3 ? SCOPE_DTYPE_F8_E4M3
                                                      : SCOPE_DTYPE_INVALID;

    if (dtype != SCOPE_DTYPE_INVALID) {
        scope_dtype_from_f32(dtype, values, bytes, N_REPEATED);
    }
    return dtype != SCOPE_DTYPE_INVALID;
}

static gboolean
write_tensor(int fd, const ScopeHeaderTensor *tensor, const float *unit, guint8 *bytes)
{
    g_autofree float *values = g_new(float, N_REPEATED);
    gsize size = scope_stored_type_get_size(tensor->type);
    gboolean random;
    float factor = amplitude(tensor, &random);

    for (int i = 0; i < N_REPEATED; i++) {
        values[i] = random ? unit[i] * factor : factor;
    }
    if (!from_floats(tensor->type, values, bytes)) {
        return FALSE;
    }
    for (gint64 left = count(tensor); left > 0; left -= N_REPEATED) {
        if (!write_all(fd, bytes, (gsize)MIN(left, N_REPEATED) * size)) {
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
scope_header_file_fill(const ScopeHeaderFile *file, const char *path, guint32 seed)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);
    g_autofree float *unit = g_new(float, N_REPEATED);
    g_autofree guint8 *bytes = g_malloc(N_REPEATED * sizeof(float));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    guint64 header = 0;
    gboolean ok;

    if (fd < 0) {
        return FALSE;
    }
    for (int i = 0; i < N_REPEATED; i++) {
        unit[i] = (float)g_rand_double_range(rand, -1, 1);
    }
    ok = read(fd, &header, sizeof header) == sizeof header &&
         lseek(fd, (off_t)(sizeof header + GUINT64_FROM_LE(header)), SEEK_SET) >= 0;
    for (guint i = 0; i < file->tensors->len && ok; i++) {
        ok = write_tensor(fd, &g_array_index(file->tensors, ScopeHeaderTensor, i), unit, bytes);
    }
    return close(fd) == 0 && ok;
}
