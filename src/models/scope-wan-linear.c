/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers with run-time adapters and fp8 inputs. Worker thread. */
#include "models/scope-wan-linear.h"

#define FP8_MAX 448.0f

void
scope_fp8_quantize(ScopeContext *ctx, ScopeTensor q, ScopeTensor scale, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    int64_t n = scope_tensor_n_elements(x);
    ScopeTensor limit = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));
    ScopeTensor scaled = scope_context_scratch(ctx, x.dtype, SCOPE_SHAPE(n));
    ScopeTensor zero = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));

    scope_op_reduce(ctx, SCOPE_REDUCE_ABS_MAX, scale, scope_tensor_reshape(x, SCOPE_SHAPE(n)));
    scope_op_fill(ctx, limit, FP8_MAX);
    scope_op_binary(ctx, SCOPE_BINARY_DIV, scale, scale, limit);
    /* all zeros: scale 0 becomes 1, so that nothing is divided by zero */
    scope_op_unary(ctx, zero, scale, (ScopeUnary){.kind = SCOPE_UNARY_STEP});
    scope_op_affine(ctx, zero, zero, -1.0f, 1.0f);
    scope_op_add(ctx, scale, scale, zero);
    scope_op_binary(ctx, SCOPE_BINARY_DIV, scaled, scope_tensor_reshape(x, SCOPE_SHAPE(n)), scale);
    scope_op_clamp(ctx, scaled, scaled, -FP8_MAX, FP8_MAX);
    scope_op_copy(ctx, scope_tensor_reshape(q, SCOPE_SHAPE(n)), scaled);
    scope_arena_release(ctx->scratch, mark);
}

void
scope_fp8_round(ScopeContext *ctx, ScopeTensor y, ScopeTensor x)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeTensor q = scope_context_scratch(ctx, SCOPE_DTYPE_F8_E4M3, x.ndim, x.shape);
    ScopeTensor scale = scope_context_scratch(ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(1));

    scope_fp8_quantize(ctx, q, scale, x);
    scope_op_copy(ctx, y, q);
    scope_op_mul(ctx, y, y, scale);
    scope_arena_release(ctx->scratch, mark);
}

/* Does anything hang on @linear in this pass? */
static guint
n_active_parts(const ScopeWanLinear *linear, const float *lora_scales)
{
    guint n = 0;

    for (guint i = 0; lora_scales != NULL && i < linear->n_parts; i++) {
        n += lora_scales[linear->parts[i].adapter] != 0.0f;
    }
    return n;
}

/* y = epilogue(what the part adds). */
static void
run_part(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeLoraPart *part, float scale,
         const ScopeEpilogue *epilogue)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    ScopeDType work = scope_context_work_dtype(ctx);
    int64_t n = scope_tensor_dim(x, 0);
    ScopeEpilogue sum = *epilogue;

    if (part->has_dense) {
        ScopeTensor dense =
            scope_context_scratch(ctx, work, SCOPE_SHAPE(n, scope_tensor_dim(y, 1)));
        ScopeEpilogue add = {.residual = SCOPE_TENSOR_NONE, .gate = SCOPE_TENSOR_NONE};
        if (part->has_pair) {
            ScopeTensor low = scope_context_scratch(ctx, work, SCOPE_SHAPE(n, part->down.n_out));
            scope_op_linear(ctx, low, x, &part->down, NULL);
            scope_op_affine(ctx, low, low, part->factor, 0.0f);
            scope_op_linear(ctx, dense, low, &part->up, NULL);
            add.residual = dense;
        }
        scope_op_linear(ctx, dense, x, &part->dense, &add);
        if (!scope_tensor_is_none(sum.gate)) {
            ScopeTensor gates = scope_tensor_reshape(
                dense, SCOPE_SHAPE(scope_tensor_dim(sum.gate, 0), sum.gate_rows, -1));
            ScopeTensor gate =
                scope_tensor_reshape(sum.gate, SCOPE_SHAPE(scope_tensor_dim(sum.gate, 0), 1, -1));
            scope_op_mul(ctx, gates, gates, gate);
        }
        scope_op_scale_add(ctx, y, sum.residual, 1.0f, dense, scale);
        if (sum.final_activation != SCOPE_ACTIVATION_NONE) {
            scope_op_activation(ctx, y, y, sum.final_activation);
        }
    } else {
        ScopeTensor low = scope_context_scratch(ctx, work, SCOPE_SHAPE(n, part->down.n_out));
        scope_op_linear(ctx, low, x, &part->down, NULL);
        scope_op_affine(ctx, low, low, scale * part->factor, 0.0f);
        scope_op_linear(ctx, y, low, &part->up, &sum);
    }
    scope_arena_release(ctx->scratch, mark);
}

void
scope_wan_linear_run(ScopeContext *ctx, ScopeTensor y, ScopeTensor x, const ScopeWanLinear *linear,
                     const ScopeEpilogue *epilogue, const float *lora_scales)
{
    ScopeArenaMark mark = scope_arena_mark(ctx->scratch);
    guint n_left = n_active_parts(linear, lora_scales);
    ScopeEpilogue first = epilogue != NULL ? *epilogue : (ScopeEpilogue){0};
    ScopeActivation last = first.activation;

    if (linear->fp8) {
        ScopeTensor rounded =
            scope_context_scratch(ctx, scope_context_work_dtype(ctx), x.ndim, x.shape);
        scope_fp8_round(ctx, rounded, x);
        x = rounded;
    }
    if (n_left > 0) {
        /* the activation waits for the last adapter; gates distribute over the sum */
        first.activation = SCOPE_ACTIVATION_NONE;
    }
    scope_op_linear(ctx, y, x, &linear->weight, &first);
    for (guint i = 0; n_left > 0; i++) {
        const ScopeLoraPart *part = &linear->parts[i];
        float scale = lora_scales[part->adapter];
        if (scale == 0.0f) {
            continue;
        }
        ScopeEpilogue add = {.gate = first.gate, .gate_rows = first.gate_rows, .residual = y};
        n_left--;
        add.final_activation = n_left == 0 ? last : SCOPE_ACTIVATION_NONE;
        run_part(ctx, y, x, part, scale, &add);
    }
    scope_arena_release(ctx->scratch, mark);
}
