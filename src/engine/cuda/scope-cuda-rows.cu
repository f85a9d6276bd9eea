/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels that work row by row: norms, softmax, rotary embedding, rows to 8 bits. A block shares a
 * row; each thread writes the elements that it has read, so all of them work in place.
 */
#include "engine/cuda/scope-cuda-launch.cuh"

namespace
{

struct Norm {
    ScopeTensor y, x;
    ScopeNormOptions o;

    SCOPE_FN float modulated(int64_t row, int64_t i, float v) const
    {
        int64_t group = o.modulation_rows > 0 ? row / o.modulation_rows : 0;
        if (!is_none(o.weight)) {
            v *= ((const float *)o.weight.data)[i];
        }
        if (!is_none(o.bias)) {
            v += ((const float *)o.bias.data)[i];
        }
        if (!is_none(o.scale)) {
            v *= 1.0F + ((const float *)o.scale.data)[group * o.scale.stride[0] + i];
        }
        if (!is_none(o.shift)) {
            v += ((const float *)o.shift.data)[group * o.shift.stride[0] + i];
        }
        return activate(o.activation, o.activation_param, v);
    }

    SCOPE_FN void operator()(int64_t row, ScopeTeam team) const
    {
        int64_t d = x.shape[1], from = row * x.stride[0], to = row * y.stride[0];
        double mean = 0.0, squares = 0.0;
        if (o.kind == SCOPE_NORM_LAYER) {
            for (int64_t i = team.rank; i < d; i += team.size) {
                mean += (double)load(x.data, x.dtype, from + i);
            }
            mean = team_sum(team, mean) / (double)d;
        }
        for (int64_t i = team.rank; i < d; i += team.size) {
            double v = (double)load(x.data, x.dtype, from + i) - mean;
            squares += v * v;
        }
        squares = team_sum(team, squares);
        double length = sqrt(squares), eps = (double)o.eps;
        double factor = o.kind == SCOPE_NORM_L2 ? sqrt((double)d) / (length > eps ? length : eps)
                                                : 1.0 / sqrt(squares / (double)d + eps);
        for (int64_t i = team.rank; i < d; i += team.size) {
            float v = (float)(((double)load(x.data, x.dtype, from + i) - mean) * factor);
            store(y.data, y.dtype, to + i, modulated(row, i, v));
        }
    }
};

/* An item is a frame and a group of channels. */
struct GroupNorm {
    ScopeTensor y, x;
    ScopeGroupNormOptions o;

    SCOPE_FN void operator()(int64_t item, ScopeTeam team) const
    {
        int64_t channels = x.shape[3], width = channels / o.n_groups;
        int64_t n = x.shape[1] * x.shape[2] * width;
        int64_t first = item % o.n_groups * width;
        int64_t base = item / o.n_groups * x.shape[1] * x.shape[2] * channels + first;
        double mean = 0.0, squares = 0.0;
        for (int64_t i = team.rank; i < n; i += team.size) {
            mean += (double)load(x.data, x.dtype, base + i / width * channels + i % width);
        }
        mean = team_sum(team, mean) / (double)n;
        for (int64_t i = team.rank; i < n; i += team.size) {
            double v =
                (double)load(x.data, x.dtype, base + i / width * channels + i % width) - mean;
            squares += v * v;
        }
        double factor = 1.0 / sqrt(team_sum(team, squares) / (double)n + (double)o.eps);
        for (int64_t i = team.rank; i < n; i += team.size) {
            int64_t at = base + i / width * channels + i % width, c = first + i % width;
            double v = ((double)load(x.data, x.dtype, at) - mean) * factor;
            v *= is_none(o.weight) ? 1.0 : (double)((const float *)o.weight.data)[c];
            v += is_none(o.bias) ? 0.0 : (double)((const float *)o.bias.data)[c];
            store(y.data, y.dtype, at, activate(o.activation, o.activation_param, (float)v));
        }
    }
};

/* @n_zeros further elements of value 0 count in the denominator; a row of -infinity becomes 0. */
struct Softmax {
    ScopeTensor y, x;
    int64_t n_zeros;

    SCOPE_FN void operator()(int64_t row, ScopeTeam team) const
    {
        int64_t d = x.shape[1], from = row * x.stride[0], to = row * y.stride[0];
        float top = n_zeros > 0 ? 0.0F : -INFINITY, sum = 0.0F;
        for (int64_t i = team.rank; i < d; i += team.size) {
            float v = load(x.data, x.dtype, from + i);
            top = v > top ? v : top;
        }
        top = team_max(team, top);
        float base = top == -INFINITY ? 0.0F : top;
        for (int64_t i = team.rank; i < d; i += team.size) {
            sum += expf(load(x.data, x.dtype, from + i) - base);
        }
        sum = team_sum(team, sum) + (n_zeros > 0 ? (float)n_zeros * expf(-base) : 0.0F);
        float share = sum > 0.0F ? 1.0F / sum : 0.0F;
        for (int64_t i = team.rank; i < d; i += team.size) {
            store(y.data, y.dtype, to + i, expf(load(x.data, x.dtype, from + i) - base) * share);
        }
    }
};

/* An item is one pair of one head of one token. */
struct Rope {
    ScopeTensor y, x, table;

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t n_pairs = table.shape[1], n_heads = x.shape[1];
        int64_t pair = i % n_pairs, head = i / n_pairs % n_heads, token = i / n_pairs / n_heads;
        const float *turn = (const float *)table.data + (token * n_pairs + pair) * 2;
        int64_t from = token * x.stride[0] + head * x.stride[1] + 2 * pair;
        int64_t to = token * y.stride[0] + head * y.stride[1] + 2 * pair;
        float a = load(x.data, x.dtype, from), b = load(x.data, x.dtype, from + 1);
        store(y.data, y.dtype, to, a * turn[0] - b * turn[1]);
        store(y.data, y.dtype, to + 1, a * turn[1] + b * turn[0]);
    }
};

struct QuantiseRows {
    ScopeTensor y, scale, x;

    SCOPE_FN void operator()(int64_t row, ScopeTeam team) const
    {
        int64_t d = x.shape[1], from = row * x.stride[0];
        float top = 0.0F;
        for (int64_t i = team.rank; i < d; i += team.size) {
            float v = fabsf(load(x.data, x.dtype, from + i));
            top = v > top ? v : top;
        }
        top = team_max(team, top);
        float factor = top > 0.0F ? 448.0F / top : 0.0F;
        for (int64_t i = team.rank; i < d; i += team.size) {
            store(y.data, SCOPE_DTYPE_F8_E4M3, row * y.stride[0] + i,
                  load(x.data, x.dtype, from + i) * factor);
        }
        if (team.rank == 0) {
            ((float *)scale.data)[row] = top / 448.0F;
        }
    }
};

} // namespace

int
scope_cuda_k_norm(void *stream, ScopeTensor y, ScopeTensor x, ScopeNormOptions options)
{
    return launch_teams(stream, x.shape[0], Norm{y, x, options});
}

int
scope_cuda_k_group_norm(void *stream, ScopeTensor y, ScopeTensor x, ScopeGroupNormOptions options)
{
    return launch_teams(stream, x.shape[0] * options.n_groups, GroupNorm{y, x, options});
}

int
scope_cuda_k_softmax(void *stream, ScopeTensor y, ScopeTensor x, int64_t n_zeros)
{
    return launch_teams(stream, x.shape[0], Softmax{y, x, n_zeros});
}

int
scope_cuda_k_rope(void *stream, ScopeTensor y, ScopeTensor x, ScopeTensor table)
{
    return launch_flat(stream, x.shape[0] * x.shape[1] * table.shape[1], Rope{y, x, table});
}

int
scope_cuda_k_quantise_rows(void *stream, ScopeTensor y, ScopeTensor scale, ScopeTensor x)
{
    return launch_teams(stream, x.shape[0], QuantiseRows{y, scale, x});
}
