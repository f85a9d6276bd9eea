/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image kernels: resizing, sampling, pooling, padding. One thread computes one channel of one
 * output pixel.
 */
#include "engine/cuda/scope-cuda-launch.cuh"

namespace
{

/* The source pixels that one output coordinate reads: @first .. @first + @n - 1, clamped. */
struct Taps {
    int64_t first, n;
    double position, support, sum; /* centre of the filter; width and sum of the triangle */
};

SCOPE_FN int64_t
clamp_index(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

SCOPE_FN double
cubic_weight(double t)
{
    const double a = -0.75;
    t = fabs(t);
    return t <= 1.0  ? ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0
           : t < 2.0 ? ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a
                     : 0.0;
}

SCOPE_FN double
triangle(const Taps &t, int64_t k)
{
    double w = 1.0 - fabs(((double)(t.first + k) + 0.5 - t.position) / t.support);
    return w > 0.0 ? w : 0.0;
}

SCOPE_FN Taps
span(double position, int64_t before, int64_t n)
{
    return Taps{(int64_t)floor(position) - before, n, position, 0.0, 0.0};
}

SCOPE_FN Taps
find_taps(ScopeResizeMode mode, int64_t i, int64_t n_in, int64_t n_out, double given)
{
    double sizes = (double)n_in / (double)n_out, ratio = given > 0.0 ? given : sizes;
    double centre = ((double)i + 0.5) * ratio - 0.5;
    switch (mode) {
    case SCOPE_RESIZE_BILINEAR:
        return span(centre > 0.0 ? centre : 0.0, 0, 2);
    case SCOPE_RESIZE_BILINEAR_CORNERS:
        return span(n_out > 1 ? (double)i * (double)(n_in - 1) / (double)(n_out - 1) : 0.0, 0, 2);
    case SCOPE_RESIZE_BICUBIC:
        return span(centre, 1, 4);
    case SCOPE_RESIZE_BILINEAR_ANTIALIAS: {
        Taps t = {0, 0, ((double)i + 0.5) * sizes, sizes > 1.0 ? sizes : 1.0, 0.0};
        int64_t last = (int64_t)(t.position + t.support + 0.5);
        t.first = (int64_t)(t.position - t.support + 0.5);
        t.first = t.first < 0 ? 0 : t.first;
        t.n = (last > n_in ? n_in : last) - t.first;
        for (int64_t k = 0; k < t.n; k++) {
            t.sum += triangle(t, k);
        }
        return t;
    }
    case SCOPE_RESIZE_AREA: {
        int64_t first = i * n_in / n_out;
        return Taps{first, ((i + 1) * n_in + n_out - 1) / n_out - first, 0.0, 0.0, 0.0};
    }
    case SCOPE_RESIZE_NEAREST_EXACT:
        return Taps{(2 * i + 1) * n_in / (2 * n_out), 1, 0.0, 0.0, 0.0};
    default:
        return Taps{i * n_in / n_out, 1, 0.0, 0.0, 0.0};
    }
}

SCOPE_FN float
tap_weight(ScopeResizeMode mode, const Taps &t, int64_t k)
{
    switch (mode) {
    case SCOPE_RESIZE_BILINEAR:
    case SCOPE_RESIZE_BILINEAR_CORNERS: {
        float f = (float)(t.position - floor(t.position));
        return k == 0 ? 1.0F - f : f;
    }
    case SCOPE_RESIZE_BICUBIC:
        return (float)cubic_weight(t.position - (double)(t.first + k));
    case SCOPE_RESIZE_BILINEAR_ANTIALIAS:
        return (float)((double)(float)triangle(t, k) / t.sum);
    case SCOPE_RESIZE_AREA:
        return 1.0F / (float)t.n;
    default:
        return 1.0F;
    }
}

/* Frame, row, column and channel of a flat index. */
struct At {
    int64_t t, y, x, c;
};

SCOPE_FN At
locate(const ScopeTensor &t, int64_t i)
{
    At at;
    at.c = i % t.shape[3];
    i /= t.shape[3];
    at.x = i % t.shape[2];
    i /= t.shape[2];
    at.y = i % t.shape[1];
    at.t = i / t.shape[1];
    return at;
}

SCOPE_FN float
pixel(const ScopeTensor &t, int64_t frame, int64_t y, int64_t x, int64_t c)
{
    return load(t.data, t.dtype,
                frame * t.stride[0] + y * t.stride[1] + x * t.stride[2] + c * t.stride[3]);
}

SCOPE_FN void
set_pixel(const ScopeTensor &t, const At &at, float v)
{
    store(t.data, t.dtype,
          at.t * t.stride[0] + at.y * t.stride[1] + at.x * t.stride[2] + at.c * t.stride[3], v);
}

struct Resize {
    ScopeImageArgs a;

    SCOPE_FN void operator()(int64_t i) const
    {
        ScopeResizeMode mode = a.resize.mode;
        At at = locate(a.y, i);
        int64_t h = a.x.shape[1], w = a.x.shape[2];
        Taps ty = find_taps(mode, at.y, h, a.y.shape[1], a.resize.ratio_h);
        Taps tx = find_taps(mode, at.x, w, a.y.shape[2], a.resize.ratio_w);
        float sum = 0.0F;
        for (int64_t j = 0; j < ty.n; j++) {
            float wy = tap_weight(mode, ty, j);
            for (int64_t k = 0; k < tx.n; k++) {
                sum += wy * tap_weight(mode, tx, k) *
                       pixel(a.x, at.t, clamp_index(ty.first + j, h), clamp_index(tx.first + k, w),
                             at.c);
            }
        }
        set_pixel(a.y, at, sum);
    }
};

struct GridSample {
    ScopeImageArgs a;

    SCOPE_FN void operator()(int64_t i) const
    {
        At at = locate(a.y, i);
        int64_t h = a.x.shape[1], w = a.x.shape[2];
        bool flow = a.sample == SCOPE_SAMPLE_FLOW;
        float px = pixel(a.coords, at.t, at.y, at.x, 0) + (flow ? (float)at.x : 0.0F);
        float py = pixel(a.coords, at.t, at.y, at.x, 1) + (flow ? (float)at.y : 0.0F);
        if (a.pad == SCOPE_PAD_BORDER) {
            px = px > (float)(w - 1) ? (float)(w - 1) : px > 0.0F ? px : 0.0F;
            py = py > (float)(h - 1) ? (float)(h - 1) : py > 0.0F ? py : 0.0F;
        } else {
            /* far outside and not a number: everything is zero, and the casts stay defined */
            px = px > -2.0F && px < (float)w + 1.0F ? px : -2.0F;
            py = py > -2.0F && py < (float)h + 1.0F ? py : -2.0F;
        }
        float bx = floorf(px), by = floorf(py), fx = px - bx, fy = py - by, sum = 0.0F;
        for (int k = 0; k < 4; k++) {
            int64_t ix = (int64_t)bx + (k & 1), iy = (int64_t)by + (k >> 1);
            float weight = (k & 1 ? fx : 1.0F - fx) * (k >> 1 ? fy : 1.0F - fy);
            if (ix >= 0 && iy >= 0 && ix < w && iy < h && weight != 0.0F) {
                sum += weight * pixel(a.x, at.t, iy, ix, at.c);
            }
        }
        set_pixel(a.y, at, sum);
    }
};

struct Pool {
    ScopeImageArgs a;

    SCOPE_FN void operator()(int64_t i) const
    {
        At at = locate(a.y, i);
        bool is_max = a.pool == SCOPE_POOL_MAX;
        float acc = is_max ? -INFINITY : 0.0F;
        for (int k = 0; k < a.size * a.size; k++) {
            float v =
                pixel(a.x, at.t, at.y * a.size + k / a.size, at.x * a.size + k % a.size, at.c);
            acc = !is_max ? acc + v : v > acc ? v : acc;
        }
        set_pixel(a.y, at, is_max ? acc : acc * (1.0F / (float)(a.size * a.size)));
    }
};

struct Pad {
    ScopeImageArgs a;

    SCOPE_FN void operator()(int64_t i) const
    {
        At at = locate(a.y, i);
        int64_t iy = scope_cuda_pad_index(at.y - a.top, a.x.shape[1], a.pad);
        int64_t ix = scope_cuda_pad_index(at.x - a.left, a.x.shape[2], a.pad);
        set_pixel(a.y, at, ix < 0 || iy < 0 ? 0.0F : pixel(a.x, at.t, iy, ix, at.c));
    }
};

int64_t
n_pixels(const ScopeTensor &t)
{
    return t.shape[0] * t.shape[1] * t.shape[2] * t.shape[3];
}

} // namespace

int
scope_cuda_k_resize(void *stream, ScopeImageArgs args)
{
    return launch_flat(stream, n_pixels(args.y), Resize{args});
}

int
scope_cuda_k_grid_sample(void *stream, ScopeImageArgs args)
{
    return launch_flat(stream, n_pixels(args.y), GridSample{args});
}

int
scope_cuda_k_pool2d(void *stream, ScopeImageArgs args)
{
    return launch_flat(stream, n_pixels(args.y), Pool{args});
}

int
scope_cuda_k_pad(void *stream, ScopeImageArgs args)
{
    return launch_flat(stream, n_pixels(args.y), Pad{args});
}
