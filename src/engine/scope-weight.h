/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScopeWeight: a matrix or convolution kernel made ready for a backend. Made once at load from a
 * tensor in the published layout and any stored dtype; the backend may keep the mapped data and
 * widen it tile by tile, or pack it into the weights arena.
 */
#pragma once

#include "engine/scope-arena.h"

G_BEGIN_DECLS

typedef struct _ScopeContext ScopeContext;

/** ScopeWeightKind: what the weight is for. */
typedef enum {
    SCOPE_WEIGHT_KIND_INVALID = 0,
    SCOPE_WEIGHT_KIND_LINEAR,         /**< published as [O, K] */
    SCOPE_WEIGHT_KIND_CONV,           /**< published as [O, I/groups, (kt,) kh, kw] */
    SCOPE_WEIGHT_KIND_CONV_TRANSPOSE, /**< published as [I, O/groups, kh, kw] */
} ScopeWeightKind;

/** ScopeWeightStore: how the values are kept. */
typedef enum {
    /** Linear: the stored tensor itself is used (it must stay mapped); widened tile by tile.
        Convolution: packed as f32, these weights are small. */
    SCOPE_WEIGHT_STORE_KEEP = 0,
    /** Packed in the backend's work type (f32 on the CPU); a little faster, needs the memory. */
    SCOPE_WEIGHT_STORE_PACK,
    /** 8-bit integers, one scale per output channel; activations are quantised per row at run
        time. Where a backend or shape has no such path it falls back to PACK. */
    SCOPE_WEIGHT_STORE_INT8,
} ScopeWeightStore;

/** ScopePadMode: what a convolution, padding or sampling op reads outside the image. */
typedef enum {
    SCOPE_PAD_ZEROS = 0,
    SCOPE_PAD_REFLECT, /**< mirror without repeating the edge; pad < size */
    SCOPE_PAD_BORDER,  /**< repeat the edge */
} ScopePadMode;

/**
 * ScopeConvGeometry: everything about a convolution but its weights. Start from
 * SCOPE_CONV_GEOMETRY_INIT or scope_conv_geometry_same(). Time is never padded: frames before the
 * input come as a context tensor.
 */
typedef struct {
    int stride_t, stride_h, stride_w;             /**< >= 1 */
    int pad_top, pad_bottom, pad_left, pad_right; /**< pixels, >= 0 (after upsampling) */
    int dilation_h, dilation_w;                   /**< >= 1 */
    int groups;                     /**< >= 1, divides I and O; I = O = groups: depthwise */
    int upsample;                   /**< 1, or 2: input is first enlarged 2x2 by nearest */
    int output_pad_h, output_pad_w; /**< transposed only: extra rows, columns at the end */
    ScopePadMode pad_mode;          /**< transposed: SCOPE_PAD_ZEROS */
} ScopeConvGeometry;

#define SCOPE_CONV_GEOMETRY_INIT                                                                   \
    {                                                                                              \
        .stride_t = 1, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1,             \
        .groups = 1, .upsample = 1                                                                 \
    }

/** scope_conv_geometry_same: stride 1 and @pad pixels of zeros on all four sides. Thread: any. */
static inline ScopeConvGeometry
scope_conv_geometry_same(int pad)
{
    ScopeConvGeometry g = SCOPE_CONV_GEOMETRY_INIT;
    g.pad_top = g.pad_bottom = g.pad_left = g.pad_right = pad;
    return g;
}

/** scope_conv_geometry_strided: stride @stride, @pad pixels of zeros on all sides. Thread: any. */
static inline ScopeConvGeometry
scope_conv_geometry_strided(int stride, int pad)
{
    ScopeConvGeometry g = scope_conv_geometry_same(pad);
    g.stride_h = g.stride_w = stride;
    return g;
}

/**
 * ScopeWeight: filled by a prepare function, read-only afterwards, shared by sessions. Copied by
 * value freely; memory belongs to the arena (and the mapping with STORE_KEEP). Models read only
 * the sizes.
 */
typedef struct {
    ScopeWeightKind kind;
    ScopeWeightStore store;           /**< what was really chosen */
    int64_t n_out;                    /**< O */
    int64_t n_in;                     /**< linear: K; convolution: I (all groups) */
    int kernel_t, kernel_h, kernel_w; /**< convolution; 1 elsewhere */
    ScopeConvGeometry geometry;
    ScopeTensor stored; /**< the published tensor (KEEP), else none */
    ScopeTensor packed; /**< backend's layout, or none */
    ScopeTensor scale;  /**< none, or f32 [1] or [O]: multiplies the stored values */
    ScopeTensor bias;   /**< none, or f32 [O], contiguous */
    ScopeTensor aux;    /**< backend's own */
    int64_t layout;     /**< backend's own */
} ScopeWeight;

/** ScopeWeightOptions: zero-initialised means: keep, no bias, no scale. */
typedef struct {
    ScopeWeightStore store;
    ScopeTensor bias;  /**< none, or [O] of any float type, HOST; copied */
    ScopeTensor scale; /**< none, or [1] / scalar / [O] of any float type, HOST; copied. For fp8
                            files with scale_weight: value = stored * scale */
} ScopeWeightOptions;

/**
 * scope_weight_prepare_linear:
 * @ctx: borrowed
 * @arena: receives what is packed; not sealed
 * @stored: [O, K], float type, HOST, contiguous; with STORE_KEEP it must outlive the weight
 * @options: (nullable): see there
 * @ret_weight: filled on success, untouched on failure
 * @error: (nullable) set on failure
 *
 * Thread: loader or worker. Errors: G_IO_ERROR_NO_SPACE from the arena.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_weight_prepare_linear(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                                     const ScopeWeightOptions *options, ScopeWeight *ret_weight,
                                     GError **error);

/**
 * scope_weight_prepare_conv:
 * @ctx: borrowed
 * @arena: receives the packed kernel; not sealed
 * @stored: [O, I/groups, kh, kw] or [O, I/groups, kt, kh, kw], float type, HOST, any strides
 * @geometry: strides, padding, groups; copied
 * @options: (nullable): see there
 * @ret_weight: filled on success, untouched on failure
 * @error: (nullable) set on failure
 *
 * Thread: loader or worker. Errors: G_IO_ERROR_NO_SPACE from the arena.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_weight_prepare_conv(ScopeContext *ctx, ScopeArena *arena, ScopeTensor stored,
                                   const ScopeConvGeometry *geometry,
                                   const ScopeWeightOptions *options, ScopeWeight *ret_weight,
                                   GError **error);

/**
 * scope_weight_prepare_conv_transpose:
 * @ctx: borrowed
 * @arena: receives the packed kernel; not sealed
 * @stored: [I, O/groups, kh, kw], float type, HOST, any strides; groups must be 1
 * @geometry: stride, pad (cropped from the full output), output_pad; dilation and upsample 1
 * @options: (nullable): see there
 * @ret_weight: filled on success, untouched on failure
 * @error: (nullable) set on failure
 *
 * Thread: loader or worker. Errors: G_IO_ERROR_NO_SPACE from the arena.
 * Returns: TRUE, or FALSE with @error set.
 */
gboolean scope_weight_prepare_conv_transpose(ScopeContext *ctx, ScopeArena *arena,
                                             ScopeTensor stored, const ScopeConvGeometry *geometry,
                                             const ScopeWeightOptions *options,
                                             ScopeWeight *ret_weight, GError **error);

/**
 * scope_weight_conv_output_size:
 * @weight: a convolution or transposed convolution
 * @n_frames: input frames including context frames
 * @height: input rows
 * @width: input columns
 * @ret_size: three numbers: output frames, rows, columns
 *
 * Thread: any. Errors: none (asserts on another kind of weight).
 * Returns: nothing.
 */
void scope_weight_conv_output_size(const ScopeWeight *weight, int64_t n_frames, int64_t height,
                                   int64_t width, int64_t ret_size[3]);

G_END_DECLS
