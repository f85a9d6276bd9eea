/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks for what comes in as pictures: input video and its noise, VACE guidance. Worker thread. */
#include "models/scope-wan-vace.h"
#include "pipelines/wan/scope-wan-stream-private.h"

#define MAX_VIDEO_FRAMES 512

int
scope_wan_stream_count_input(const ScopeWanStream *s, int n_frames)
{
    int n = n_frames > 0 ? n_frames : s->options.variant.chunk_frames;

    return n * SCOPE_WAN_FRAMES_PER_LATENT + (s->start_frame == 0 ? 1 : 0);
}

/* -- input video ------------------------------------------------------------------------------ */

gboolean
scope_wan_block_video(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error)
{
    int n = scope_wan_stream_count_input(s, 0);
    int indices[MAX_VIDEO_FRAMES];

    if (!s->video_mode) {
        return TRUE;
    }
    if (chunk->n_video < 1 || n > s->max_pixels) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "%d input frames were given, expected %d", chunk->n_video, n);
        return FALSE;
    }
    scope_wan_video_indices(chunk->n_video, n, indices);
    for (int i = 0; i < n; i++) {
        scope_wan_video_frame(s->ctx, scope_tensor_select(s->video, 0, i),
                              chunk->video[indices[i]]);
    }
    s->noise_scale = chunk->noise_scale;
    if (chunk->noise_controller) {
        s->noise_scale =
            scope_wan_noise_controller_update(&s->controller, s->ctx, &scope_wan_noise_rule_product,
                                              scope_tensor_slice(s->video, 0, 0, n),
                                              s->options.variant.chunk_frames, chunk->noise_scale);
    }
    return TRUE;
}

/* -- VACE ------------------------------------------------------------------------------------- */

/* Pixels and mask of a chunk before they are encoded: [n, H, W, 3] in vace_a, mask in vace_mask. */
static void
take_frames(ScopeWanStream *s, const ScopeWanVaceInput *in, int n)
{
    int indices[MAX_VIDEO_FRAMES];

    scope_wan_video_indices(in->n_frames, n, indices);
    for (int i = 0; i < n; i++) {
        scope_wan_video_frame(s->ctx, scope_tensor_select(s->vace_a, 0, i), in->frames[indices[i]]);
    }
    if (in->n_masks == 0) {
        scope_op_fill(s->ctx, scope_tensor_slice(s->vace_mask, 0, 0, n), 1.0f);
        return;
    }
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    ScopeTensor picture = scope_context_scratch(
        s->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(s->options.height, s->options.width, 3));
    scope_wan_video_indices(in->n_masks, n, indices);
    for (int i = 0; i < n; i++) {
        scope_wan_video_frame(s->ctx, picture, in->masks[indices[i]]);
        scope_op_affine(s->ctx, scope_tensor_select(s->vace_mask, 0, i),
                        scope_tensor_slice(picture, 2, 0, 1), 0.5f, 0.5f);
    }
    scope_arena_release(s->ctx->scratch, mark);
}

/* An image over one temporal group at frame @at: shown where the mask asked for something new (or
 * everywhere without a mask), and kept from there on. */
static void
paste_image(ScopeWanStream *s, const ScopeWanVaceInput *in, ScopeTensor image, int at, int n_group)
{
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    ScopeTensor picture = scope_context_scratch(
        s->ctx, SCOPE_DTYPE_F32, SCOPE_SHAPE(s->options.height, s->options.width, 3));
    ScopeTensor binary = scope_context_scratch(s->ctx, SCOPE_DTYPE_F32,
                                               SCOPE_SHAPE(s->options.height, s->options.width, 1));

    scope_wan_vace_reference(s->ctx, picture, image);
    for (int i = at; i < at + n_group; i++) {
        ScopeTensor frame = scope_tensor_select(s->vace_a, 0, i);
        ScopeTensor mask = scope_tensor_select(s->vace_mask, 0, i);
        if (in->n_masks == 0) {
            scope_op_copy(s->ctx, frame, picture);
        } else {
            scope_op_unary(s->ctx, binary, mask, (ScopeUnary){.kind = SCOPE_UNARY_STEP, .a = 0.5f});
            scope_op_lerp(s->ctx, frame, frame, picture, binary);
        }
        scope_op_fill(s->ctx, mask, 0.0f);
    }
    scope_arena_release(s->ctx->scratch, mark);
}

static gboolean
encode_references(ScopeWanStream *s, const ScopeWanVaceInput *in, ScopeTensor latents,
                  GError **error)
{
    for (int i = 0; i < in->n_references; i++) {
        int64_t n = 0;
        scope_wan_vace_reference(s->ctx, scope_tensor_select(s->vace_b, 0, 0), in->references[i]);
        if (!s->options.codec.encode(s->options.codec.user_data, SCOPE_WAN_ENCODING_STILL,
                                     scope_tensor_slice(latents, 0, i, i + 1),
                                     scope_tensor_slice(s->vace_b, 0, 0, 1), &n, error)) {
            return FALSE;
        }
    }
    return TRUE;
}

/* Conditioning, inpainting and first/last frame: kept and generated pixels are encoded apart. */
static gboolean
encode_frames(ScopeWanStream *s, const ScopeWanVaceInput *in, int n, ScopeWanVaceParts *parts,
              GError **error)
{
    const ScopeWanCodec *codec = &s->options.codec;
    int group = MIN(SCOPE_WAN_FRAMES_PER_LATENT, n);
    int64_t n_inactive = 0, n_reactive = 0;
    ScopeTensor frames = scope_tensor_slice(s->vace_a, 0, 0, n);
    ScopeTensor mask = scope_tensor_slice(s->vace_mask, 0, 0, n);

    if (in->n_frames == 0) {
        scope_op_fill(s->ctx, frames, 0.0f);
        scope_op_fill(s->ctx, mask, 1.0f);
    } else {
        take_frames(s, in, n);
    }
    if (!scope_tensor_is_none(in->first_frame)) {
        paste_image(s, in, in->first_frame, 0, group);
    }
    if (!scope_tensor_is_none(in->last_frame)) {
        paste_image(s, in, in->last_frame, n - group, group);
    }
    ScopeTensor reactive = scope_tensor_slice(s->vace_b, 0, 0, n);
    gboolean whole = scope_wan_vace_split(s->ctx, frames, reactive, frames, mask);
    if (!codec->encode(codec->user_data, SCOPE_WAN_ENCODING_INACTIVE, s->vace_latents[0], frames,
                       &n_inactive, error) ||
        !codec->encode(codec->user_data,
                       whole ? SCOPE_WAN_ENCODING_REACTIVE : SCOPE_WAN_ENCODING_STILL,
                       s->vace_latents[1], reactive, &n_reactive, error)) {
        return FALSE;
    }
    int64_t n_latents = MIN(n_inactive, n_reactive);
    parts->inactive = scope_tensor_slice(s->vace_latents[0], 0, 0, n_latents);
    parts->reactive = scope_tensor_slice(s->vace_latents[1], 0, 0, n_latents);
    parts->mask = scope_context_scratch(
        s->ctx, SCOPE_DTYPE_F32,
        SCOPE_SHAPE(SCOPE_WAN_VACE_MASK_CHANNELS, n_latents, s->x.shape[2], s->x.shape[3]));
    scope_wan_vace_mask(s->ctx, parts->mask, mask);
    return TRUE;
}

static gboolean
assemble(ScopeWanStream *s, const ScopeWanVaceInput *in, GError **error)
{
    ScopeWanVaceParts parts = {.references = SCOPE_TENSOR_NONE};
    gboolean pictures = in->n_frames > 0 || !scope_tensor_is_none(in->first_frame) ||
                        !scope_tensor_is_none(in->last_frame);
    int n = scope_wan_stream_count_input(s, 0);
    int64_t n_latents = 0;

    if (in->n_references > 0) {
        ScopeTensor latents = scope_context_scratch(
            s->ctx, SCOPE_DTYPE_F32,
            SCOPE_SHAPE(in->n_references, s->x.shape[1], s->x.shape[2], s->x.shape[3]));
        if (!encode_references(s, in, latents, error)) {
            return FALSE;
        }
        parts.references = latents;
    }
    if (pictures) {
        if (!encode_frames(s, in, n, &parts, error)) {
            return FALSE;
        }
        n_latents = parts.inactive.shape[0];
    }
    ScopeTensor context = scope_tensor_slice(
        s->vace_context, 1, 0, MIN(in->n_references + n_latents, s->vace_context.shape[1]));
    scope_wan_vace_assemble(s->ctx, context, &parts);
    s->chunk_vace = context;
    return TRUE;
}

gboolean
scope_wan_block_vace(ScopeWanStream *s, const ScopeWanChunk *chunk, GError **error)
{
    const ScopeWanVaceInput *in = chunk->vace;
    const ScopeWanConfig *config = scope_wan_model_get_config(s->model);
    ScopeArenaMark mark = scope_arena_mark(s->ctx->scratch);
    gboolean ok = TRUE;

    s->chunk_vace = SCOPE_TENSOR_NONE;
    if (in == NULL || config->n_vace_layers == 0) {
        return TRUE;
    }
    s->vace_scale = in->scale;
    if (!scope_tensor_is_none(in->context)) {
        ScopeTensor c = in->context;
        if (c.ndim != 4 || c.shape[0] != config->vace_in_dim || c.shape[1] < 1 ||
            c.shape[2] != s->x.shape[2] || c.shape[3] != s->x.shape[3]) {
            g_autofree char *found = scope_tensor_describe(c);
            g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                        "the VACE context is %s, expected [%d, frames, %d, %d]", found,
                        config->vace_in_dim, (int)s->x.shape[2], (int)s->x.shape[3]);
            return FALSE;
        }
        s->chunk_vace = c;
        return TRUE;
    }
    if (in->n_references > s->vace_context.shape[1] - s->max_frames) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "%d reference images were given, expected at most %d", in->n_references,
                    (int)(s->vace_context.shape[1] - s->max_frames));
        return FALSE;
    }
    if (in->n_references > 0 || in->n_frames > 0 || !scope_tensor_is_none(in->first_frame) ||
        !scope_tensor_is_none(in->last_frame)) {
        ok = assemble(s, in, error);
    }
    scope_arena_release(s->ctx->scratch, mark);
    return ok;
}
