/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elementwise loop: drops and merges dimensions, cuts the walk into tiles, and calls a row
 * function with addresses and inner strides. Owns nothing. Pool threads.
 */
#include "engine/cpu/scope-cpu.h"

static void
drop_dim(ScopeTensor *t, int d)
{
    for (int i = d; i + 1 < t->ndim; i++) {
        t->shape[i] = t->shape[i + 1];
        t->stride[i] = t->stride[i + 1];
    }
    t->ndim--;
}

/* TRUE when dimensions d and d+1 of every operand can be walked as one. */
static gboolean
can_merge(const ScopeCpuLoop *loop, int d)
{
    for (int i = 0; i < loop->n_operands; i++) {
        const ScopeTensor *t = &loop->operand[i];
        if (t->stride[d] != t->stride[d + 1] * t->shape[d + 1]) {
            return FALSE;
        }
    }
    return TRUE;
}

static void
collapse(ScopeCpuLoop *loop)
{
    for (int d = loop->operand[0].ndim - 1; d >= 0; d--) {
        if (loop->operand[0].shape[d] == 1 && loop->operand[0].ndim > 1) {
            for (int i = 0; i < loop->n_operands; i++) {
                drop_dim(&loop->operand[i], d);
            }
        }
    }
    for (int d = loop->operand[0].ndim - 2; d >= 0; d--) {
        if (can_merge(loop, d)) {
            for (int i = 0; i < loop->n_operands; i++) {
                ScopeTensor *t = &loop->operand[i];
                t->shape[d + 1] *= t->shape[d];
                drop_dim(t, d);
            }
        }
    }
}

static void
run_row(const ScopeCpuLoop *loop, int64_t row, int64_t begin, int64_t end)
{
    const ScopeTensor *out = &loop->operand[0];
    int inner = out->ndim - 1;
    char *data[SCOPE_CPU_MAX_OPERANDS];
    int64_t stride[SCOPE_CPU_MAX_OPERANDS];
    for (int i = 0; i < loop->n_operands; i++) {
        const ScopeTensor *t = &loop->operand[i];
        int64_t offset = begin * t->stride[inner], rest = row;
        for (int d = inner - 1; d >= 0; d--) {
            offset += rest % t->shape[d] * t->stride[d];
            rest /= t->shape[d];
        }
        data[i] = (char *)t->data + offset * (int64_t)scope_dtype_size(t->dtype);
        stride[i] = t->stride[inner];
    }
    loop->row(loop, data, stride, end - begin);
}

static void
run_tile(int64_t tile, int thread_index, void *user_data)
{
    const ScopeCpuLoop *loop = user_data;
    (void)thread_index;
    int64_t n = loop->operand[0].shape[loop->operand[0].ndim - 1];
    int64_t chunk = tile % loop->n_chunks, group = tile / loop->n_chunks;
    int64_t begin = chunk * loop->inner_chunk, end = MIN(n, begin + loop->inner_chunk);
    int64_t last = MIN(loop->n_rows, (group + 1) * loop->rows_per_tile);
    for (int64_t row = group * loop->rows_per_tile; row < last; row++) {
        run_row(loop, row, begin, end);
    }
}

void
scope_cpu_loop_run(ScopeContext *ctx, ScopeCpuLoop *loop)
{
    int64_t total = scope_tensor_n_elements(loop->operand[0]);
    if (total == 0) {
        return;
    }
    for (int i = 0; i < loop->n_operands; i++) {
        if (loop->operand[i].ndim == 0) {
            loop->operand[i].ndim = 1;
            loop->operand[i].shape[0] = 1;
            loop->operand[i].stride[0] = 1;
        }
    }
    collapse(loop);
    int64_t n = loop->operand[0].shape[loop->operand[0].ndim - 1];
    loop->n_rows = total / n;
    loop->inner_chunk = MIN(n, SCOPE_CPU_TILE_ELEMENTS);
    loop->n_chunks = (n + loop->inner_chunk - 1) / loop->inner_chunk;
    loop->rows_per_tile = MAX(1, SCOPE_CPU_TILE_ELEMENTS / loop->inner_chunk);
    int64_t n_groups = (loop->n_rows + loop->rows_per_tile - 1) / loop->rows_per_tile;
    scope_cpu_run(ctx, n_groups * loop->n_chunks, run_tile, loop);
}
