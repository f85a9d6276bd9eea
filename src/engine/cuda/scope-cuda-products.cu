/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Products as plain loops: one thread sums one output element in f32. They are the reference in
 * f32, and what runs where cuBLASLt or cuDNN has no plan. Also the pass that finishes sums of the
 * libraries.
 */
#include "engine/cuda/scope-cuda-launch.cuh"

namespace
{

struct Finish {
    ScopeTensor y, sums;
    ScopeFinishArgs f;

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t n_out = y.shape[1], row = i / n_out, o = i - row * n_out;
        float v = load(sums.data, sums.dtype, row * sums.stride[0] + o);
        store(y.data, y.dtype, row * y.stride[0] + o, finish_value(f, row, o, v));
    }
};

struct Linear {
    ScopeTensor y, x, row_scale, w;
    ScopeFinishArgs f;

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t n_out = y.shape[1], row = i / n_out, o = i - row * n_out, n = x.shape[1];
        const char *values = (const char *)x.data, *weights = (const char *)w.data;
        float v = dot_rows(values + row * x.stride[0] * bytes(x.dtype), x.dtype, 1,
                           weights + o * w.stride[0] * bytes(w.dtype), w.dtype, 1, n);
        v *= is_none(row_scale) ? 1.0F : ((const float *)row_scale.data)[row];
        store(y.data, y.dtype, row * y.stride[0] + o, finish_value(f, row, o, v));
    }

    static SCOPE_FN int64_t bytes(ScopeDType dtype)
    {
        return dtype == SCOPE_DTYPE_F32                                ? 4
               : dtype == SCOPE_DTYPE_BF16 || dtype == SCOPE_DTYPE_F16 ? 2
                                                                       : 1;
    }
};

struct Matmul {
    ScopeTensor y, a, b;
    float alpha;

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t n = y.shape[2], column = i % n, row = i / n % y.shape[1],
                batch = i / n / y.shape[1];
        int64_t at_a = batch * a.stride[0] + row * a.stride[1];
        int64_t at_b = batch * b.stride[0] + column * b.stride[2];
        float sum = 0.0F;
        for (int64_t k = 0; k < a.shape[2]; k++) {
            sum += load(a.data, a.dtype, at_a + k * a.stride[2]) *
                   load(b.data, b.dtype, at_b + k * b.stride[1]);
        }
        store(y.data, y.dtype, batch * y.stride[0] + row * y.stride[1] + column, alpha * sum);
    }
};

/* Frame, row, column and channel of an output element of a convolution. */
struct Spot {
    int64_t row, t, y, x, o;
};

SCOPE_FN Spot
spot_of(const ScopeTensor &y, int64_t i)
{
    Spot s;
    s.o = i % y.shape[3];
    s.row = i / y.shape[3];
    s.x = s.row % y.shape[2];
    s.y = s.row / y.shape[2] % y.shape[1];
    s.t = s.row / y.shape[2] / y.shape[1];
    return s;
}

/* Sum over the channels of one tap. */
SCOPE_FN float
tap_sum(const ScopeTensor &image, int64_t at, const ScopeTensor &packed, int64_t weight, int64_t n)
{
    if (image.dtype == SCOPE_DTYPE_F32 && packed.dtype == SCOPE_DTYPE_F32) {
        return dot_rows((const float *)image.data + at, SCOPE_DTYPE_F32, 1,
                        (const float *)packed.data + weight, SCOPE_DTYPE_F32, 1, n);
    }
    float sum = 0.0F;
    for (int64_t i = 0; i < n; i++) {
        sum += load(image.data, image.dtype, at + i) * load(packed.data, packed.dtype, weight + i);
    }
    return sum;
}

struct Conv {
    ScopeConvArgs c;

    SCOPE_FN void operator()(int64_t i) const
    {
        const ScopeConvGeometry &g = c.geometry;
        Spot s = spot_of(c.y, i);
        int64_t n = c.n_in / g.groups, group = s.o / (c.n_out / g.groups);
        int64_t n_context = is_none(c.context) ? 0 : c.context.shape[0];
        int64_t n_taps = (int64_t)c.kernel_t * c.kernel_h * c.kernel_w;
        float sum = 0.0F;
        for (int64_t tap = 0; tap < n_taps; tap++) {
            int64_t kx = tap % c.kernel_w, ky = tap / c.kernel_w % c.kernel_h;
            int64_t t = s.t * g.stride_t + tap / c.kernel_w / c.kernel_h;
            const ScopeTensor &image = t < n_context ? c.context : c.x;
            int64_t iy = scope_cuda_pad_index(s.y * g.stride_h + ky * g.dilation_h - g.pad_top,
                                              c.x.shape[1] * g.upsample, g.pad_mode);
            int64_t ix = scope_cuda_pad_index(s.x * g.stride_w + kx * g.dilation_w - g.pad_left,
                                              c.x.shape[2] * g.upsample, g.pad_mode);
            if (iy >= 0 && ix >= 0) {
                int64_t at = (t < n_context ? t : t - n_context) * image.stride[0] +
                             iy / g.upsample * image.stride[1] + ix / g.upsample * image.stride[2] +
                             group * n;
                sum += tap_sum(image, at, c.packed, (s.o * n_taps + tap) * n, n);
            }
        }
        store(c.y.data, c.y.dtype, i, finish_value(c.finish, s.row, s.o, sum));
    }
};

struct ConvTranspose {
    ScopeConvArgs c;

    SCOPE_FN void operator()(int64_t i) const
    {
        const ScopeConvGeometry &g = c.geometry;
        Spot s = spot_of(c.y, i);
        float sum = 0.0F;
        for (int64_t tap = 0; tap < (int64_t)c.kernel_h * c.kernel_w; tap++) {
            int64_t ky = tap / c.kernel_w, kx = tap % c.kernel_w;
            int64_t up_y = s.y + g.pad_top - ky, up_x = s.x + g.pad_left - kx;
            if (up_y < 0 || up_x < 0 || up_y % g.stride_h != 0 || up_x % g.stride_w != 0) {
                continue;
            }
            int64_t iy = up_y / g.stride_h, ix = up_x / g.stride_w;
            if (iy < c.x.shape[1] && ix < c.x.shape[2]) {
                int64_t at = s.t * c.x.stride[0] + iy * c.x.stride[1] + ix * c.x.stride[2];
                int64_t weight = (s.o * c.kernel_h * c.kernel_w + tap) * c.n_in;
                sum += tap_sum(c.x, at, c.packed, weight, c.n_in);
            }
        }
        store(c.y.data, c.y.dtype, i, finish_value(c.finish, s.row, s.o, sum));
    }
};

/* An item is a key of a query of a head of a batch entry. */
struct Scores {
    ScopeAttentionArgs a;
    ScopeTensor k;

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t n_segment = k.shape[1], n_heads = a.q.shape[2], d = a.q.shape[3];
        int64_t j = i % n_segment, query = i / n_segment % a.n;
        int64_t head = i / n_segment / a.n % n_heads, batch = i / n_segment / a.n / n_heads;
        int64_t at = a.first + query, key = a.key + j;
        int64_t from = batch * a.q.stride[0] + at * a.q.stride[1] + head * a.q.stride[2];
        int64_t with = batch * k.stride[0] + j * k.stride[1] + head * k.stride[2];
        float v = 0.0F;
        for (int64_t c = 0; c < d; c++) {
            v += load(a.q.data, a.q.dtype, from + c) * load(k.data, k.dtype, with + c);
        }
        v = v * a.scale + a.log_bias;
        if (!is_none(a.bias)) {
            v += ((const float *)a.bias.data)[head * a.bias.stride[0] + at * a.bias.stride[1] +
                                              key * a.bias.stride[2]];
        }
        if (!is_none(a.key_range)) {
            const int32_t *range = (const int32_t *)a.key_range.data + 2 * at;
            v = key < range[0] || key >= range[1] ? -INFINITY : v;
        }
        int64_t row = (batch * n_heads + head) * a.n + query;
        ((float *)a.scores.data)[row * a.n_keys + key] = v;
    }
};

/* An item is an output element of the queries in work. */
struct Values {
    ScopeAttentionArgs a;
    ScopeTensor v;
    bool is_first;

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t d = a.q.shape[3], n_heads = a.q.shape[2];
        int64_t c = i % d, query = i / d % a.n;
        int64_t head = i / d / a.n % n_heads, batch = i / d / a.n / n_heads;
        int64_t row = (batch * n_heads + head) * a.n + query;
        const float *share = (const float *)a.scores.data + row * a.n_keys + a.key;
        int64_t from = batch * v.stride[0] + head * v.stride[2] + c;
        int64_t to = batch * a.out.stride[0] + (a.first + query) * a.out.stride[1] +
                     head * a.out.stride[2] + c;
        float sum = is_first ? 0.0F : load(a.out.data, a.out.dtype, to);
        for (int64_t j = 0; j < v.shape[1]; j++) {
            sum += share[j] * load(v.data, v.dtype, from + j * v.stride[1]);
        }
        store(a.out.data, a.out.dtype, to, sum);
    }
};

} // namespace

int
scope_cuda_k_finish(void *stream, ScopeTensor y, ScopeTensor sums, ScopeFinishArgs finish)
{
    return launch_flat(stream, y.shape[0] * y.shape[1], Finish{y, sums, finish});
}

int
scope_cuda_k_linear(void *stream, ScopeTensor y, ScopeTensor x, ScopeTensor row_scale,
                    ScopeTensor w, ScopeFinishArgs finish)
{
    return launch_flat(stream, y.shape[0] * y.shape[1], Linear{y, x, row_scale, w, finish});
}

int
scope_cuda_k_matmul(void *stream, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha)
{
    return launch_flat(stream, y.shape[0] * y.shape[1] * y.shape[2], Matmul{y, a, b, alpha});
}

int
scope_cuda_k_conv(void *stream, ScopeConvArgs args)
{
    int64_t n = args.y.shape[0] * args.y.shape[1] * args.y.shape[2] * args.y.shape[3];
    return launch_flat(stream, n, Conv{args});
}

int
scope_cuda_k_conv_transpose(void *stream, ScopeConvArgs args)
{
    int64_t n = args.y.shape[0] * args.y.shape[1] * args.y.shape[2] * args.y.shape[3];
    return launch_flat(stream, n, ConvTranspose{args});
}

int
scope_cuda_k_scores(void *stream, ScopeAttentionArgs args, ScopeTensor k)
{
    int64_t n = args.q.shape[0] * args.q.shape[2] * args.n * k.shape[1];
    return launch_flat(stream, n, Scores{args, k});
}

int
scope_cuda_k_values(void *stream, ScopeAttentionArgs args, ScopeTensor v, gboolean is_first)
{
    int64_t n = args.q.shape[0] * args.q.shape[2] * args.n * args.q.shape[3];
    return launch_flat(stream, n, Values{args, v, is_first != 0});
}
