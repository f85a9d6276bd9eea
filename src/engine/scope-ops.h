/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the engine: one entry point each, which checks shapes and types and calls the
 * backend of the context.
 *
 * Rules for all of them, unless an op says otherwise:
 * - Thread: one thread per context at a time (the worker that owns it). Errors: none; a wrong shape
 *   or type asserts. Returns: nothing. On a device ops run in order and return before they are
 * done.
 * - "float" tensors have the work type of the backend (scope_context_work_dtype(); f32 on the CPU).
 *   Parameters (norm weights, tables) are f32. Nothing is allocated but scratch of the context.
 * - Images are channels-last: [T, H, W, C]; T counts frames (or is a batch). Tokens are rows [N,
 * D].
 * - Outputs are allocated by the caller. An output may be the same tensor as an input only where
 *   the op says "in place"; other overlaps are not allowed.
 * - Tensors are read and written through their strides; the last dimension must have stride 1 where
 *   it says "rows".
 * - Results do not depend on the number of threads: each output element is computed by one thread
 *   in one fixed order.
 */
#pragma once

#include "engine/scope-context.h"
#include "engine/scope-weight.h"

G_BEGIN_DECLS

/** ScopeActivation: elementwise functions that other ops can apply to their results. */
typedef enum {
    SCOPE_ACTIVATION_NONE = 0,
    SCOPE_ACTIVATION_RELU,
    SCOPE_ACTIVATION_LEAKY_RELU, /**< slope = param */
    SCOPE_ACTIVATION_SILU,
    SCOPE_ACTIVATION_GELU_TANH,
    SCOPE_ACTIVATION_GELU_ERF,
    SCOPE_ACTIVATION_SIGMOID,
    SCOPE_ACTIVATION_TANH,
    SCOPE_N_ACTIVATIONS
} ScopeActivation;

/**
 * ScopeEpilogue: what happens to each result v = sum * weight scale + bias of a linear or
 * convolution, in this order; zero-initialised does nothing:
 *   v = activation(v);  v *= gate;  v += residual;  v = final_activation(v)
 */
typedef struct {
    ScopeActivation activation;
    float activation_param; /**< slope of a leaky relu */
    ScopeTensor gate;       /**< none, or f32 rows [G, O]: row r of the output uses gate row
                                 r / gate_rows */
    int64_t gate_rows;      /**< output rows per gate row, >= 1 with a gate */
    ScopeTensor residual;   /**< none, or float, shape of the output; may be the output */
    ScopeActivation final_activation;
    float final_param;
} ScopeEpilogue;

/* ---- products ------------------------------------------------------------------------------ */

/**
 * scope_op_linear:
 * @y: [..., O] float, rows, all leading dimensions merge into N rows
 * @x: [..., K] float, rows, the same leading sizes
 * @weight: linear, [O, K], with bias and scale
 * @epilogue: (nullable)
 *
 * y = epilogue(x W^T * scale + bias).
 */
void scope_op_linear(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                     const ScopeEpilogue *epilogue);

/**
 * scope_op_matmul:
 * @y: [M, N] or [B, M, N] float, rows
 * @a: [M, K] or [B, M, K] float, any strides (batch stride 0 shares it)
 * @b: [K, N] or [B, K, N] float, any strides (a transposed view for a b^T)
 * @alpha: factor
 *
 * y = alpha * a b for every batch index. All three have the work type, or all are f32.
 */
void scope_op_matmul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, float alpha);

/** ScopeConvOptions: zero-initialised means no context and no epilogue. */
typedef struct {
    ScopeTensor context; /**< none, or float [P, H, W, I]: frames before the first input frame */
    ScopeEpilogue epilogue;
} ScopeConvOptions;

/**
 * scope_op_conv:
 * @y: [To, Ho, Wo, O] float, contiguous; sizes from scope_weight_conv_output_size()
 * @x: [T, H, W, I] float; channels contiguous, other strides free
 * @weight: convolution with its geometry; kernel_t = 1 is a 2D convolution of T images
 * @options: (nullable)
 *
 * Causal 3D or plain 2D convolution. Output frame i covers the frames i*stride_t ..
 * i*stride_t + kernel_t - 1 of [context, x]; To = (P + T - kernel_t) / stride_t + 1. With
 * P = kernel_t - 1 and stride 1, To = T. The state that a stream carries to its next call is
 * updated by scope_op_push_frames(), after this call.
 */
void scope_op_conv(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWeight *weight,
                   const ScopeConvOptions *options);

/**
 * scope_op_conv_transpose:
 * @y: [T, Ho, Wo, O] float, contiguous; Ho = (H-1)*stride - pads + kernel + output_pad
 * @x: [T, H, W, I] float; channels contiguous
 * @weight: transposed convolution with its geometry
 * @epilogue: (nullable)
 *
 * Transposed 2D convolution of T images.
 */
void scope_op_conv_transpose(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                             const ScopeWeight *weight, const ScopeEpilogue *epilogue);

/**
 * scope_op_push_frames:
 * @state: [P, ...] float, contiguous
 * @x: [T, ...] float; same trailing sizes, any strides
 *
 * state = the last P frames of [state, x]: what a causal convolution needs as context of its next
 * call. A stream starts with zeros.
 */
void scope_op_push_frames(ScopeContext *ctx, ScopeTensor state, ScopeTensor x);

/* ---- attention ----------------------------------------------------------------------------- */

/** ScopeAttentionSegment: a range of keys and values; several form one key sequence. */
typedef struct {
    ScopeTensor k;  /**< [n, H, d] or [B, n, H, d]; f32, bf16, f16 or f8; last stride 1 */
    ScopeTensor v;  /**< as k */
    float log_bias; /**< added to every score of this segment (ln of a weight); 0 for none */
} ScopeAttentionSegment;

#define SCOPE_ATTENTION_MAX_SEGMENTS 64

/** ScopeAttentionOptions: @scale, @segments and @n_segments are required. */
typedef struct {
    float scale;                           /**< factor of q.k, usually 1/sqrt(d) */
    const ScopeAttentionSegment *segments; /**< key sequence = concatenation, Nk keys in all */
    int n_segments;   /**< 1..SCOPE_ATTENTION_MAX_SEGMENTS; empty segments (n = 0) are allowed */
    ScopeTensor bias; /**< none, or f32 [H or 1, Nq, Nk], any strides, zero and negative too;
                           added to the scores; -INFINITY masks */
    ScopeTensor
        key_range; /**< none, or i32 [Nq, 2]: query i sees keys [begin, end) of the sequence */
    int64_t n_zero_keys; /**< extra keys with score 0 and value 0: each adds exp(0 - max) to the
                              denominator and 0 enters the maximum */
} ScopeAttentionOptions;

/**
 * scope_op_attention:
 * @out: [Nq, H, d] or [B, Nq, H, d] float, last stride 1
 * @q: as @out
 * @options: see there
 *
 * out = softmax(scale * q k^T + biases) v per head, in f32. A query that sees no key gives zeros.
 * The batch B repeats the op with separate q, k, v (the segments then have four dimensions).
 */
void scope_op_attention(ScopeContext *ctx, ScopeTensor out, ScopeTensor q,
                        const ScopeAttentionOptions *options);

/** ScopeRopeGrid: token positions of a chunk; frame slowest, then row, then column. */
typedef struct {
    int64_t start_frame;             /**< frame position of the first token */
    int64_t n_frames, height, width; /**< token grid */
    int head_dim;                    /**< d, even */
    double theta;                    /**< base, 10000 for the models here */
} ScopeRopeGrid;

/**
 * scope_op_rope_table:
 * @table: [n_frames*height*width, d/2, 2] f32, contiguous: cosine and sine of each pair
 * @grid: see there
 *
 * Three-axis table: of the c = d/2 pairs the first c - 2*(c/3) turn with the frame, the next c/3
 * with the row, the last c/3 with the column. Pair j of an axis has frequency theta^(-2j/w) with
 * the axis width w = d - 4*(d/6) for frames and 2*(d/6) for rows and columns. Computed in double.
 */
void scope_op_rope_table(ScopeContext *ctx, ScopeTensor table, const ScopeRopeGrid *grid);

/**
 * scope_op_rope:
 * @y: [N, H, d] float, last stride 1; in place allowed
 * @x: as @y
 * @table: [N, d/2, 2] f32 from scope_op_rope_table() (or a slice of it)
 *
 * Rotates the pairs (x[2j], x[2j+1]) of every head by the token's angles.
 */
void scope_op_rope(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor table);

/* ---- norms --------------------------------------------------------------------------------- */

/** ScopeNormKind: how a row is normalised. */
typedef enum {
    SCOPE_NORM_LAYER = 0, /**< (x - mean) / sqrt(variance + eps), biased variance */
    SCOPE_NORM_RMS,       /**< x / sqrt(mean(x^2) + eps) */
    SCOPE_NORM_L2,        /**< x / max(sqrt(sum(x^2)), eps) * sqrt(D), the norm of the Wan VAE */
} ScopeNormKind;

/**
 * ScopeNormOptions: after normalising, in this order (absent parts are skipped):
 *   v = v * weight + bias;  v = v * (1 + scale) + shift;  v = activation(v)
 */
typedef struct {
    ScopeNormKind kind;
    float eps;
    ScopeTensor weight;       /**< none, or f32 [D], contiguous */
    ScopeTensor bias;         /**< none, or f32 [D], contiguous */
    ScopeTensor scale, shift; /**< none, or f32 rows [G, D]: row r uses row r / modulation_rows */
    int64_t modulation_rows;  /**< rows per modulation row, >= 1 with scale or shift */
    ScopeActivation activation;
    float activation_param;
} ScopeNormOptions;

/**
 * scope_op_norm:
 * @y: [..., D] float, rows; in place allowed
 * @x: as @y
 * @options: see there
 *
 * Normalises each row over its last dimension; statistics in f32.
 */
void scope_op_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                   const ScopeNormOptions *options);

/** ScopeGroupNormOptions: zero weight and bias tensors are skipped. */
typedef struct {
    int n_groups; /**< divides C; C groups are an instance norm */
    float eps;
    ScopeTensor weight; /**< none, or f32 [C] */
    ScopeTensor bias;   /**< none, or f32 [C] */
    ScopeActivation activation;
    float activation_param;
} ScopeGroupNormOptions;

/**
 * scope_op_group_norm:
 * @y: [T, H, W, C] float, contiguous; in place allowed
 * @x: as @y
 * @options: see there
 *
 * Per frame and group of neighbouring channels: mean and biased variance over pixels and channels.
 */
void scope_op_group_norm(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                         const ScopeGroupNormOptions *options);

/**
 * scope_op_softmax:
 * @y: [..., D] float, rows; in place allowed
 * @x: as @y
 *
 * Softmax over the last dimension.
 */
void scope_op_softmax(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

/* ---- elementwise --------------------------------------------------------------------------- */

/** ScopeUnaryKind: y from x, with two parameters a and b where named. */
typedef enum {
    SCOPE_UNARY_AFFINE = 0, /**< x * a + b */
    SCOPE_UNARY_CLAMP,      /**< min(max(x, a), b) */
    SCOPE_UNARY_ACTIVATION, /**< activation with param a */
    SCOPE_UNARY_EXP,
    SCOPE_UNARY_LOG,
    SCOPE_UNARY_SQRT,
    SCOPE_UNARY_ABS,
    SCOPE_UNARY_SQUARE,
    SCOPE_UNARY_RECIPROCAL,
    SCOPE_UNARY_SIN,
    SCOPE_UNARY_COS,
    SCOPE_UNARY_ROUND, /**< to nearest even */
    SCOPE_UNARY_FLOOR,
    SCOPE_UNARY_STEP, /**< x > a ? 1 : 0 */
    SCOPE_N_UNARY_KINDS
} ScopeUnaryKind;

/** ScopeUnary: the function of scope_op_unary. */
typedef struct {
    ScopeUnaryKind kind;
    ScopeActivation activation; /**< for SCOPE_UNARY_ACTIVATION */
    float a, b;
} ScopeUnary;

/**
 * scope_op_unary:
 * @y: float, any shape and strides; in place allowed
 * @x: float, same shape, any strides
 * @op: the function; passed by value
 *
 * y = op(x), element by element.
 */
void scope_op_unary(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeUnary op);

/** scope_op_activation: y = act(x); shorthand for scope_op_unary, in place allowed. Thread: owner.
 */
void scope_op_activation(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeActivation act);

/** scope_op_affine: y = x * scale + offset; shorthand, in place allowed. Thread: owner. */
void scope_op_affine(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, float scale, float offset);

/** scope_op_clamp: y = min(max(x, lo), hi); shorthand, in place allowed. Thread: owner. */
void scope_op_clamp(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, float lo, float hi);

/** ScopeBinaryKind: y from a and b. */
typedef enum {
    SCOPE_BINARY_ADD = 0,
    SCOPE_BINARY_SUB,
    SCOPE_BINARY_MUL,
    SCOPE_BINARY_DIV,
    SCOPE_BINARY_MIN,
    SCOPE_BINARY_MAX,
    SCOPE_N_BINARY_KINDS
} ScopeBinaryKind;

/**
 * scope_op_binary:
 * @y: float, any shape and strides; in place with @a or @b allowed
 * @a: float (f32 also where the work type is narrower), broadcast to the shape of @y
 * @b: as @a
 *
 * y = a (op) b. Sizes are aligned at the last dimension; a missing or size-1 dimension repeats.
 */
void scope_op_binary(ScopeContext *ctx, ScopeBinaryKind kind, ScopeTensor y, ScopeTensor a,
                     ScopeTensor b);

/** scope_op_add: y = a + b with broadcasting; shorthand. Thread: owner. */
void scope_op_add(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b);

/** scope_op_mul: y = a * b with broadcasting; shorthand. Thread: owner. */
void scope_op_mul(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b);

/**
 * scope_op_scale_add:
 * @y: float; in place with @a or @b allowed
 * @a: float, broadcast to the shape of @y
 * @alpha: factor of @a
 * @b: float, broadcast to the shape of @y
 * @beta: factor of @b
 *
 * y = alpha * a + beta * b: noising, Euler steps, blends, moving averages.
 */
void scope_op_scale_add(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, float alpha, ScopeTensor b,
                        float beta);

/**
 * scope_op_lerp:
 * @y: float; in place with @a or @b allowed
 * @a: float, broadcast
 * @b: float, broadcast
 * @t: float, broadcast
 *
 * y = a + t * (b - a): gated recurrent units, masks.
 */
void scope_op_lerp(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor b, ScopeTensor t);

/**
 * scope_op_glu:
 * @y: float, any shape; in place with @a or @gate allowed
 * @a: float, shape of @y, any strides (a half of a row, for instance)
 * @gate: float, shape of @y
 * @activation: applied to @gate
 *
 * y = a * activation(gate).
 */
void scope_op_glu(ScopeContext *ctx, ScopeTensor y, ScopeTensor a, ScopeTensor gate,
                  ScopeActivation activation);

/** ScopeReduceKind: the sum over reduced elements of a function, or an extreme. */
typedef enum {
    SCOPE_REDUCE_SUM = 0,
    SCOPE_REDUCE_MEAN,
    SCOPE_REDUCE_SUM_SQUARES,
    SCOPE_REDUCE_MIN,
    SCOPE_REDUCE_MAX,
    SCOPE_REDUCE_ABS_MAX,
    SCOPE_N_REDUCE_KINDS
} ScopeReduceKind;

/**
 * scope_op_reduce:
 * @y: f32, shape of @x with size 1 in each reduced dimension, any strides
 * @x: float, any strides; at least one element in each reduced dimension
 *
 * Reduces the dimensions in which @y has size 1 (and @x has not). Accumulates in double.
 */
void scope_op_reduce(ScopeContext *ctx, ScopeReduceKind kind, ScopeTensor y, ScopeTensor x);

/* ---- data movement ------------------------------------------------------------------------- */

/**
 * scope_op_copy:
 * @y: any dtype, any strides
 * @x: any dtype, any strides, same shape; HOST memory is allowed too (on a device this uploads)
 *
 * Copies with conversion (rules of scope_dtype_from_f32; equal types are copied bit by bit).
 * Layout changes, concatenation and splitting are copies between views.
 */
void scope_op_copy(ScopeContext *ctx, ScopeTensor y, ScopeTensor x);

/**
 * scope_op_move_rows:
 * @t: [n, ...] any dtype; each row contiguous
 * @to: first destination row
 * @from: first source row
 * @n_rows: how many
 *
 * Moves rows inside a tensor; the ranges may overlap (rolling a KV cache).
 */
void scope_op_move_rows(ScopeContext *ctx, ScopeTensor t, int64_t to, int64_t from, int64_t n_rows);

/**
 * scope_op_fill:
 * @y: any dtype, any strides
 * @value: converted to the dtype
 *
 * Sets every element.
 */
void scope_op_fill(ScopeContext *ctx, ScopeTensor y, float value);

/**
 * scope_op_gather_rows:
 * @y: [n, D] float, rows
 * @table: [V, D] any float type, rows, HOST allowed (a mapped embedding stays mapped)
 * @ids: [n] i32 or i64, HOST, contiguous, 0 <= id < V
 *
 * y[i] = table[ids[i]], widened.
 */
void scope_op_gather_rows(ScopeContext *ctx, ScopeTensor y, ScopeTensor table, ScopeTensor ids);

/**
 * scope_op_random_normal:
 * @y: float, contiguous
 * @seed: key of the generator
 * @offset: index of the first value in the seed's sequence; disjoint ranges are independent
 *
 * Standard normal numbers. Philox 4x32-10 with key = seed (low word first) and counter =
 * (block low, block high, 0, 0), where block = index / 4; the four words w of a block give two
 * Box-Muller pairs: u1 = (w0 + 1) / 2^32, u2 = w1 / 2^32, r = sqrt(-2 ln u1),
 * (r cos(2 pi u2), r sin(2 pi u2)), then the same of w2, w3. Computed in double and rounded to f32:
 * value i depends on seed and i only, not on threads, tile sizes or backends.
 */
void scope_op_random_normal(ScopeContext *ctx, ScopeTensor y, uint64_t seed, uint64_t offset);

/* ---- images: f32 also where the work type is narrower --------------------------------------- */

/** ScopeResizeMode: how a pixel of the new size is computed. */
typedef enum {
    SCOPE_RESIZE_NEAREST = 0,        /**< source index floor(i * in/out) */
    SCOPE_RESIZE_NEAREST_EXACT,      /**< source index floor((i + 0.5) * in/out) */
    SCOPE_RESIZE_BILINEAR,           /**< half-pixel centres, edge repeated, no antialias */
    SCOPE_RESIZE_BILINEAR_CORNERS,   /**< corner pixels coincide: i * (in-1)/(out-1) */
    SCOPE_RESIZE_BILINEAR_ANTIALIAS, /**< triangle filter that widens when shrinking */
    SCOPE_RESIZE_BICUBIC, /**< a = -0.75, half-pixel centres, edge repeated, no antialias */
    SCOPE_RESIZE_AREA,    /**< mean over the (whole) covered pixels, adaptive average pool */
    SCOPE_N_RESIZE_MODES
} ScopeResizeMode;

#define SCOPE_RESIZE_RATIO_FROM_SIZES 0.0

/** ScopeResizeOptions: zero-initialised is nearest with the ratio of the sizes. */
typedef struct {
    ScopeResizeMode mode;
    double ratio_h, ratio_w; /**< source pixels per new pixel, for BILINEAR and BICUBIC;
                                  SCOPE_RESIZE_RATIO_FROM_SIZES takes in/out */
} ScopeResizeOptions;

/**
 * scope_op_resize:
 * @y: [T, Ho, Wo, C] float, channels contiguous
 * @x: [T, H, W, C] float, channels contiguous
 * @options: see there
 *
 * Resamples every frame to the size of @y.
 */
void scope_op_resize(ScopeContext *ctx, ScopeTensor y, ScopeTensor x,
                     const ScopeResizeOptions *options);

/** ScopeSampleMode: meaning of the coordinates of scope_op_grid_sample. */
typedef enum {
    SCOPE_SAMPLE_ABSOLUTE = 0, /**< (x, y) in pixels, 0 is the centre of the first pixel */
    SCOPE_SAMPLE_FLOW,         /**< relative to the output pixel: a warp by optical flow */
} ScopeSampleMode;

/**
 * scope_op_grid_sample:
 * @y: [T, Ho, Wo, C] float, channels contiguous
 * @x: [T, H, W, C] float, channels contiguous
 * @coords: [T, Ho, Wo, 2] f32 (x first), last stride 1
 * @mode: absolute or relative coordinates
 * @pad: SCOPE_PAD_ZEROS (each outside neighbour counts as 0) or SCOPE_PAD_BORDER (clamped)
 *
 * Bilinear sampling at free positions. Normalised grids become pixels by ((g+1)/2)*(W-1) where the
 * corners are aligned and by ((g+1)*W-1)/2 where they are not.
 */
void scope_op_grid_sample(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopeTensor coords,
                          ScopeSampleMode mode, ScopePadMode pad);

/** ScopePoolKind: what scope_op_pool2d takes of a window. */
typedef enum {
    SCOPE_POOL_AVERAGE = 0,
    SCOPE_POOL_MAX,
} ScopePoolKind;

/**
 * scope_op_pool2d:
 * @y: [T, H/size, W/size, C] float, contiguous (floor: left-over pixels are ignored)
 * @x: [T, H, W, C] float, channels contiguous
 * @kind: mean or maximum
 * @size: window side and stride, >= 1
 *
 * Pools non-overlapping windows.
 */
void scope_op_pool2d(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePoolKind kind, int size);

/**
 * scope_op_pad:
 * @y: [T, Ho, Wo, C] float, contiguous; Ho >= top + H, Wo >= left + W
 * @x: [T, H, W, C] float, channels contiguous
 * @mode: what the border holds
 * @top: rows above
 * @left: columns to the left
 *
 * Pads every frame; what remains below and to the right is padded too.
 */
void scope_op_pad(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, ScopePadMode mode, int top,
                  int left);

/**
 * scope_op_pixel_shuffle:
 * @y: [T, H*r, W*r, C] float, contiguous
 * @x: [T, H, W, C*r*r] float, contiguous; channel c*r*r + dy*r + dx goes to pixel (y*r+dy, x*r+dx)
 * @r: factor
 *
 * Depth to space, by copies.
 */
void scope_op_pixel_shuffle(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, int r);

/**
 * scope_op_pixel_unshuffle:
 * @y: [T, H/r, W/r, C*r*r] float, contiguous
 * @x: [T, H, W, C] float, contiguous
 * @r: factor, divides H and W
 *
 * The inverse of scope_op_pixel_shuffle().
 */
void scope_op_pixel_unshuffle(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, int r);

G_END_DECLS
