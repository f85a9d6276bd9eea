/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Elementwise kernels, data movement, reductions and random numbers. One thread computes one
 * element (reductions: one block).
 */
#include "engine/cuda/scope-cuda-launch.cuh"

namespace
{

struct Unary {
    ScopeTensor y, x;
    ScopeUnary op;

    SCOPE_FN float value(float v) const
    {
        switch (op.kind) {
        case SCOPE_UNARY_AFFINE:
            return v * op.a + op.b;
        case SCOPE_UNARY_CLAMP:
            return v < op.a ? op.a : v > op.b ? op.b : v;
        case SCOPE_UNARY_ACTIVATION:
            return activate(op.activation, op.a, v);
        case SCOPE_UNARY_EXP:
            return expf(v);
        case SCOPE_UNARY_LOG:
            return logf(v);
        case SCOPE_UNARY_SQRT:
            return sqrtf(v);
        case SCOPE_UNARY_ABS:
            return fabsf(v);
        case SCOPE_UNARY_SQUARE:
            return v * v;
        case SCOPE_UNARY_RECIPROCAL:
            return 1.0F / v;
        case SCOPE_UNARY_SIN:
            return sinf(v);
        case SCOPE_UNARY_COS:
            return cosf(v);
        case SCOPE_UNARY_ROUND:
            return rintf(v);
        case SCOPE_UNARY_FLOOR:
            return floorf(v);
        case SCOPE_UNARY_STEP:
            return v > op.a ? 1.0F : 0.0F;
        default:
            return v;
        }
    }

    SCOPE_FN void operator()(int64_t i) const
    {
        store(y.data, y.dtype, offset_of(y, i), value(load(x.data, x.dtype, offset_of(x, i))));
    }
};

struct Binary {
    ScopeTensor y, a, b;
    ScopeBinaryKind kind;

    SCOPE_FN float value(float u, float v) const
    {
        switch (kind) {
        case SCOPE_BINARY_SUB:
            return u - v;
        case SCOPE_BINARY_MUL:
            return u * v;
        case SCOPE_BINARY_DIV:
            return u / v;
        case SCOPE_BINARY_MIN:
            return u < v ? u : v;
        case SCOPE_BINARY_MAX:
            return u > v ? u : v;
        default:
            return u + v;
        }
    }

    SCOPE_FN void operator()(int64_t i) const
    {
        float u = load(a.data, a.dtype, offset_of(a, i));
        float v = load(b.data, b.dtype, offset_of(b, i));
        store(y.data, y.dtype, offset_of(y, i), value(u, v));
    }
};

struct ScaleAdd {
    ScopeTensor y, a, b;
    float alpha, beta;

    SCOPE_FN void operator()(int64_t i) const
    {
        float u = load(a.data, a.dtype, offset_of(a, i));
        float v = load(b.data, b.dtype, offset_of(b, i));
        store(y.data, y.dtype, offset_of(y, i), alpha * u + beta * v);
    }
};

struct Lerp {
    ScopeTensor y, a, b, t;

    SCOPE_FN void operator()(int64_t i) const
    {
        float u = load(a.data, a.dtype, offset_of(a, i));
        float v = load(b.data, b.dtype, offset_of(b, i));
        float w = load(t.data, t.dtype, offset_of(t, i));
        store(y.data, y.dtype, offset_of(y, i), u + w * (v - u));
    }
};

struct Glu {
    ScopeTensor y, a, gate;
    ScopeActivation activation;

    SCOPE_FN void operator()(int64_t i) const
    {
        float u = load(a.data, a.dtype, offset_of(a, i));
        float g = load(gate.data, gate.dtype, offset_of(gate, i));
        store(y.data, y.dtype, offset_of(y, i), u * activate(activation, 0.0F, g));
    }
};

/* Equal types move as integers of their size; others through float. */
struct Copy {
    ScopeTensor y, x;
    int size; /* of an element when the types are equal, else 0 */

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t to = offset_of(y, i), from = offset_of(x, i);
        switch (size) {
        case 1:
            ((uint8_t *)y.data)[to] = ((const uint8_t *)x.data)[from];
            break;
        case 2:
            ((uint16_t *)y.data)[to] = ((const uint16_t *)x.data)[from];
            break;
        case 4:
            ((uint32_t *)y.data)[to] = ((const uint32_t *)x.data)[from];
            break;
        case 8:
            ((uint64_t *)y.data)[to] = ((const uint64_t *)x.data)[from];
            break;
        default:
            store(y.data, y.dtype, to, load(x.data, x.dtype, from));
        }
    }
};

struct Fill {
    ScopeTensor y;
    float value;

    SCOPE_FN void operator()(int64_t i) const
    {
        store(y.data, y.dtype, offset_of(y, i), value);
    }
};

struct Reduce {
    ScopeReduceKind kind;
    ScopeTensor y, x;    /* every output element, and the first input element of each */
    ScopeTensor reduced; /* the reduced dimensions of x only */
    int64_t n_reduced;

    SCOPE_FN void operator()(int64_t i, ScopeTeam team) const
    {
        int64_t base = offset_of(x, i);
        bool is_extreme = kind == SCOPE_REDUCE_MIN || kind == SCOPE_REDUCE_MAX;
        double acc = is_extreme ? -(double)INFINITY : 0.0;
        for (int64_t j = team.rank; j < n_reduced; j += team.size) {
            double v = (double)load(x.data, x.dtype, base + offset_of(reduced, j));
            switch (kind) {
            case SCOPE_REDUCE_SUM_SQUARES:
                acc += v * v;
                break;
            case SCOPE_REDUCE_MIN:
                acc = -v > acc ? -v : acc;
                break;
            case SCOPE_REDUCE_MAX:
                acc = v > acc ? v : acc;
                break;
            case SCOPE_REDUCE_ABS_MAX:
                acc = fabs(v) > acc ? fabs(v) : acc;
                break;
            default:
                acc += v;
            }
        }
        if (is_extreme || kind == SCOPE_REDUCE_ABS_MAX) {
            acc = team_max(team, acc);
        } else {
            acc = team_sum(team, acc);
        }
        acc = kind == SCOPE_REDUCE_MIN ? -acc : acc;
        acc = kind == SCOPE_REDUCE_MEAN ? acc / (double)n_reduced : acc;
        if (team.rank == 0) {
            ((float *)y.data)[offset_of(y, i)] = (float)acc;
        }
    }
};

struct Gather {
    ScopeTensor y, table, ids;

    SCOPE_FN void operator()(int64_t i) const
    {
        int64_t d = y.shape[1], row = i / d, column = i - row * d;
        int64_t id = ids.dtype == SCOPE_DTYPE_I32 ? ((const int32_t *)ids.data)[row]
                                                  : ((const int64_t *)ids.data)[row];
        store(y.data, y.dtype, row * y.stride[0] + column,
              load(table.data, table.dtype, id * table.stride[0] + column));
    }
};

/* Philox 4x32-10 and Box-Muller: four values a block of the counter. */
struct Normal {
    ScopeTensor y;
    uint64_t seed, first, last; /* indexes [first, last) of the sequence */

    SCOPE_FN void philox(uint64_t block, uint32_t out[4]) const
    {
        uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = 0, c3 = 0;
        uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
        for (int round = 0; round < 10; round++) {
            uint64_t p0 = (uint64_t)0xD2511F53U * c0, p1 = (uint64_t)0xCD9E8D57U * c2;
            uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
            c1 = (uint32_t)p1;
            c3 = (uint32_t)p0;
            c0 = n0;
            c2 = n2;
            k0 += 0x9E3779B9U;
            k1 += 0xBB67AE85U;
        }
        out[0] = c0;
        out[1] = c1;
        out[2] = c2;
        out[3] = c3;
    }

    SCOPE_FN void operator()(int64_t i) const
    {
        uint64_t block = first / 4 + (uint64_t)i;
        uint32_t w[4];
        philox(block, w);
        for (int pair = 0; pair < 2; pair++) {
            double u1 = ((double)w[2 * pair] + 1.0) * 0x1p-32, u2 = w[2 * pair + 1] * 0x1p-32;
            double radius = sqrt(-2.0 * log(u1)), angle = 6.283185307179586 * u2;
            double value[2] = {radius * cos(angle), radius * sin(angle)};
            for (int j = 0; j < 2; j++) {
                uint64_t index = block * 4 + (uint64_t)(2 * pair + j);
                if (index >= first && index < last) {
                    store(y.data, y.dtype, (int64_t)(index - first), (float)value[j]);
                }
            }
        }
    }
};

int64_t
n_elements(const ScopeTensor &t)
{
    int64_t n = 1;
    for (int d = 0; d < t.ndim; d++) {
        n *= t.shape[d];
    }
    return n;
}

/* Drops dimensions of size 1 and merges neighbours that are regular in all @n tensors of the same
 * shape: index arithmetic is what these kernels would spend their time on. */
void
collapse(ScopeTensor *const *t, int n)
{
    int kept = 0;
    for (int d = 0; d < t[0]->ndim; d++) {
        int64_t size = t[0]->shape[d];
        if (size == 1) {
            continue;
        }
        bool merges = kept > 0;
        for (int i = 0; i < n && merges; i++) {
            merges = t[i]->stride[kept - 1] == t[i]->stride[d] * size;
        }
        for (int i = 0; i < n; i++) {
            int at = merges ? kept - 1 : kept;
            t[i]->shape[at] = merges ? t[i]->shape[at] * size : size;
            t[i]->stride[at] = t[i]->stride[d];
        }
        kept += merges ? 0 : 1;
    }
    for (int i = 0; i < n; i++) {
        t[i]->ndim = kept;
    }
}

int
size_of(ScopeDType dtype)
{
    switch (dtype) {
    case SCOPE_DTYPE_F32:
    case SCOPE_DTYPE_I32:
        return 4;
    case SCOPE_DTYPE_F16:
    case SCOPE_DTYPE_BF16:
        return 2;
    case SCOPE_DTYPE_I64:
    case SCOPE_DTYPE_F64:
        return 8;
    default:
        return 1;
    }
}

} // namespace

int
scope_cuda_k_unary(void *stream, ScopeTensor y, ScopeTensor x, ScopeUnary op)
{
    ScopeTensor *const all[] = {&y, &x};
    collapse(all, 2);
    return launch_flat(stream, n_elements(y), Unary{y, x, op});
}

int
scope_cuda_k_binary(void *stream, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a, ScopeTensor b)
{
    ScopeTensor *const all[] = {&y, &a, &b};
    collapse(all, 3);
    return launch_flat(stream, n_elements(y), Binary{y, a, b, kind});
}

int
scope_cuda_k_scale_add(void *stream, ScopeTensor y, ScopeTensor a, float alpha, ScopeTensor b,
                       float beta)
{
    ScopeTensor *const all[] = {&y, &a, &b};
    collapse(all, 3);
    return launch_flat(stream, n_elements(y), ScaleAdd{y, a, b, alpha, beta});
}

int
scope_cuda_k_lerp(void *stream, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t)
{
    ScopeTensor *const all[] = {&y, &a, &b, &t};
    collapse(all, 4);
    return launch_flat(stream, n_elements(y), Lerp{y, a, b, t});
}

int
scope_cuda_k_glu(void *stream, ScopeTensor y, ScopeTensor a, ScopeTensor gate,
                 ScopeActivation activation)
{
    ScopeTensor *const all[] = {&y, &a, &gate};
    collapse(all, 3);
    return launch_flat(stream, n_elements(y), Glu{y, a, gate, activation});
}

int
scope_cuda_k_copy(void *stream, ScopeTensor y, ScopeTensor x)
{
    ScopeTensor *const all[] = {&y, &x};
    collapse(all, 2);
    return launch_flat(stream, n_elements(y),
                       Copy{y, x, y.dtype == x.dtype ? size_of(y.dtype) : 0});
}

int
scope_cuda_k_fill(void *stream, ScopeTensor y, float value)
{
    ScopeTensor *const all[] = {&y};
    collapse(all, 1);
    return launch_flat(stream, n_elements(y), Fill{y, value});
}

int
scope_cuda_k_reduce(void *stream, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x)
{
    Reduce r = {kind, y, x, x, 1};
    for (int d = 0; d < x.ndim; d++) {
        bool is_reduced = y.shape[d] != x.shape[d];
        r.n_reduced *= is_reduced ? x.shape[d] : 1;
        r.x.shape[d] = y.shape[d];
        r.reduced.shape[d] = is_reduced ? x.shape[d] : 1;
    }
    ScopeTensor *const outer[] = {&r.y, &r.x}, *const inner[] = {&r.reduced};
    collapse(outer, 2);
    collapse(inner, 1);
    return launch_teams(stream, n_elements(r.y), r);
}

int
scope_cuda_k_gather_rows(void *stream, ScopeTensor y, ScopeTensor table, ScopeTensor ids)
{
    return launch_flat(stream, n_elements(y), Gather{y, table, ids});
}

int
scope_cuda_k_random_normal(void *stream, ScopeTensor y, uint64_t seed, uint64_t offset)
{
    uint64_t last = offset + (uint64_t)n_elements(y);
    int64_t n_blocks = last > offset ? (int64_t)((last + 3) / 4 - offset / 4) : 0;
    return launch_flat(stream, n_blocks, Normal{y, seed, offset, last});
}
