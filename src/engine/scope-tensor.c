/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensor views: arithmetic on shapes and strides. Owns nothing, allocates nothing (but the text of
 * scope_tensor_describe). Any thread.
 */
#include "engine/scope-tensor.h"

#include "engine/scope-assert.h"

static int
wrap_dim(ScopeTensor t, int dim)
{
    int d = dim < 0 ? dim + t.ndim : dim;
    SCOPE_ASSERT(d >= 0 && d < t.ndim);
    return d;
}

static void
set_contiguous_strides(ScopeTensor *t)
{
    int64_t step = 1;
    for (int d = t->ndim - 1; d >= 0; d--) {
        t->stride[d] = step;
        step *= t->shape[d];
    }
}

static void *
offset_address(ScopeTensor t, int64_t elements)
{
    return !t.data ? NULL : (char *)t.data + elements * (int64_t)scope_dtype_size(t.dtype);
}

ScopeTensor
scope_tensor_wrap(ScopeDType dtype, const void *data, int ndim, const int64_t *shape)
{
    SCOPE_ASSERT(ndim >= 0 && ndim <= SCOPE_TENSOR_MAX_DIMS);
    SCOPE_ASSERT(dtype > SCOPE_DTYPE_INVALID && dtype < SCOPE_N_DTYPES);
    ScopeTensor t = {.data = (void *)data, .dtype = dtype, .ndim = ndim};
    for (int d = 0; d < ndim; d++) {
        SCOPE_ASSERT(shape[d] >= 0);
        t.shape[d] = shape[d];
    }
    set_contiguous_strides(&t);
    return t;
}

int64_t
scope_tensor_n_elements(ScopeTensor t)
{
    int64_t n = 1;
    for (int d = 0; d < t.ndim; d++) {
        n *= t.shape[d];
    }
    return n;
}

size_t
scope_tensor_n_bytes(ScopeTensor t)
{
    return (size_t)scope_tensor_n_elements(t) * scope_dtype_size(t.dtype);
}

int64_t
scope_tensor_dim(ScopeTensor t, int dim)
{
    return t.shape[wrap_dim(t, dim)];
}

gboolean
scope_tensor_is_contiguous(ScopeTensor t)
{
    int64_t step = 1;
    for (int d = t.ndim - 1; d >= 0; d--) {
        if (t.shape[d] != 1 && t.stride[d] != step) {
            return FALSE;
        }
        step *= t.shape[d];
    }
    return TRUE;
}

gboolean
scope_tensor_same_shape(ScopeTensor a, ScopeTensor b)
{
    if (a.ndim != b.ndim) {
        return FALSE;
    }
    for (int d = 0; d < a.ndim; d++) {
        if (a.shape[d] != b.shape[d]) {
            return FALSE;
        }
    }
    return TRUE;
}

ScopeTensor
scope_tensor_slice(ScopeTensor t, int dim, int64_t begin, int64_t end)
{
    int d = wrap_dim(t, dim);
    SCOPE_ASSERT(begin >= 0 && begin <= end && end <= t.shape[d]);
    if (begin > 0) {
        t.data = offset_address(t, begin * t.stride[d]);
    }
    t.shape[d] = end - begin;
    return t;
}

ScopeTensor
scope_tensor_select(ScopeTensor t, int dim, int64_t index)
{
    int d = wrap_dim(t, dim);
    t = scope_tensor_slice(t, d, index, index + 1);
    for (int i = d; i + 1 < t.ndim; i++) {
        t.shape[i] = t.shape[i + 1];
        t.stride[i] = t.stride[i + 1];
    }
    t.ndim--;
    return t;
}

/* Finds strides for the new shape over the old memory; FALSE where that needs a copy. */
static gboolean
regroup_strides(ScopeTensor t, ScopeTensor *r)
{
    int64_t old_shape[SCOPE_TENSOR_MAX_DIMS], old_stride[SCOPE_TENSOR_MAX_DIMS];
    int n_old = 0;
    for (int d = 0; d < t.ndim; d++) {
        if (t.shape[d] != 1) {
            old_shape[n_old] = t.shape[d];
            old_stride[n_old++] = t.stride[d];
        }
    }
    int oi = 0, oj = 1, ni = 0, nj = 1;
    while (ni < r->ndim && oi < n_old) {
        int64_t np = r->shape[ni], op = old_shape[oi];
        while (np != op) {
            if (np < op) {
                np *= r->shape[nj++];
            } else {
                op *= old_shape[oj++];
            }
        }
        for (int k = oi; k + 1 < oj; k++) {
            if (old_stride[k] != old_shape[k + 1] * old_stride[k + 1]) {
                return FALSE;
            }
        }
        r->stride[nj - 1] = old_stride[oj - 1];
        for (int k = nj - 1; k > ni; k--) {
            r->stride[k - 1] = r->stride[k] * r->shape[k];
        }
        ni = nj++;
        oi = oj++;
    }
    int64_t last = ni > 0 ? r->stride[ni - 1] : 1;
    for (int k = ni; k < r->ndim; k++) {
        r->stride[k] = last;
    }
    return TRUE;
}

ScopeTensor
scope_tensor_reshape(ScopeTensor t, int ndim, const int64_t *shape)
{
    SCOPE_ASSERT(ndim >= 0 && ndim <= SCOPE_TENSOR_MAX_DIMS);
    ScopeTensor r = t;
    int64_t known = 1, total = scope_tensor_n_elements(t);
    int derived = -1;
    r.ndim = ndim;
    for (int d = 0; d < ndim; d++) {
        r.shape[d] = shape[d];
        if (shape[d] == -1) {
            SCOPE_ASSERT(derived < 0);
            derived = d;
        } else {
            known *= shape[d];
        }
    }
    if (derived >= 0) {
        SCOPE_ASSERT(known > 0 && total % known == 0);
        r.shape[derived] = total / known;
        known *= r.shape[derived];
    }
    SCOPE_ASSERT(known == total);
    if (total == 0 || scope_tensor_is_contiguous(t)) {
        set_contiguous_strides(&r);
    } else {
        gboolean regular = regroup_strides(t, &r);
        SCOPE_ASSERT(regular);
    }
    return r;
}

ScopeTensor
scope_tensor_permute(ScopeTensor t, const int *order)
{
    ScopeTensor r = t;
    unsigned seen = 0;
    for (int d = 0; d < t.ndim; d++) {
        SCOPE_ASSERT(order[d] >= 0 && order[d] < t.ndim && !(seen & (1U << order[d])));
        seen |= 1U << order[d];
        r.shape[d] = t.shape[order[d]];
        r.stride[d] = t.stride[order[d]];
    }
    return r;
}

ScopeTensor
scope_tensor_transpose(ScopeTensor t, int a, int b)
{
    int order[SCOPE_TENSOR_MAX_DIMS];
    a = wrap_dim(t, a);
    b = wrap_dim(t, b);
    for (int d = 0; d < t.ndim; d++) {
        order[d] = d == a ? b : d == b ? a : d;
    }
    return scope_tensor_permute(t, order);
}

ScopeTensor
scope_tensor_as_strided(ScopeTensor t, int64_t offset, int ndim, const int64_t *shape,
                        const int64_t *stride)
{
    SCOPE_ASSERT(ndim >= 0 && ndim <= SCOPE_TENSOR_MAX_DIMS);
    ScopeTensor r = t;
    r.data = offset_address(t, offset);
    r.ndim = ndim;
    for (int d = 0; d < ndim; d++) {
        r.shape[d] = shape[d];
        r.stride[d] = stride[d];
    }
    return r;
}

ScopeTensor
scope_tensor_broadcast(ScopeTensor t, int ndim, const int64_t *shape)
{
    SCOPE_ASSERT(ndim >= t.ndim && ndim <= SCOPE_TENSOR_MAX_DIMS);
    ScopeTensor r = t;
    r.ndim = ndim;
    for (int d = ndim - 1; d >= 0; d--) {
        int s = d - (ndim - t.ndim);
        int64_t size = s >= 0 ? t.shape[s] : 1;
        SCOPE_ASSERT(size == shape[d] || size == 1);
        r.shape[d] = shape[d];
        r.stride[d] = size == 1 && shape[d] != 1 ? 0 : s >= 0 ? t.stride[s] : 0;
    }
    return r;
}

void *
scope_tensor_at(ScopeTensor t, const int64_t *index)
{
    int64_t offset = 0;
    SCOPE_ASSERT(t.memory == SCOPE_MEMORY_HOST);
    for (int d = 0; d < t.ndim; d++) {
        SCOPE_ASSERT(index[d] >= 0 && index[d] < t.shape[d]);
        offset += index[d] * t.stride[d];
    }
    return offset_address(t, offset);
}

char *
scope_tensor_describe(ScopeTensor t)
{
    GString *s = g_string_new(scope_dtype_name(t.dtype));
    g_string_append_c(s, '[');
    for (int d = 0; d < t.ndim; d++) {
        g_string_append_printf(s, "%s%" G_GINT64_FORMAT, d ? "," : "", t.shape[d]);
    }
    g_string_append_c(s, ']');
    return g_string_free(s, FALSE);
}
