/* SPDX-License-Identifier: Apache-2.0 */
/* Autoencoders as codecs: which frames go into which call. Worker thread but for loading. */
#include "pipelines/wan/scope-wan-codec.h"

#include "engine/scope-ops.h"

#define STEP SCOPE_WAN_FRAMES_PER_LATENT

struct _ScopeWanAutoencoder {
    ScopeWanVae *vae;  /* this */
    ScopeTaehv *taehv; /* or that */
};

/* One memory: of a decoder or of one of the encoders. */
typedef struct {
    ScopeWanVaeState *vae;
    ScopeTaehvState *taehv;
    gboolean fresh; /* has seen nothing */
} Memory;

struct _ScopeWanCodecState {
    ScopeContext *ctx;
    const ScopeWanAutoencoder *autoencoder;
    int height, width;
    Memory decoder;
    Memory encoders[SCOPE_WAN_N_ENCODINGS];
};

/* -- the network ------------------------------------------------------------------------------ */

ScopeWanAutoencoder *
scope_wan_autoencoder_load(ScopeContext *ctx, ScopeWanVaeType type, const char *path,
                           ScopeWeightStore store, GError **error)
{
    g_autoptr(ScopeWanAutoencoder) self = g_new0(ScopeWanAutoencoder, 1);
    g_autoptr(ScopeCheckpoint) file = scope_checkpoint_open(path, error);

    if (file == NULL) {
        return NULL;
    }
    if (type == SCOPE_WAN_VAE_TAE || type == SCOPE_WAN_VAE_LIGHT_TAE) {
        ScopeTaehvOptions options = {.store = store,
                                     .latents = type == SCOPE_WAN_VAE_TAE
                                                    ? SCOPE_TAEHV_LATENTS_NORMALISED
                                                    : SCOPE_TAEHV_LATENTS_RAW};
        self->taehv = scope_taehv_load(ctx, file, &options, error);
    } else {
        ScopeWanVaeOptions options = {.store = store};
        self->vae = scope_wan_vae_load(ctx, file, &options, error);
    }
    return self->vae != NULL || self->taehv != NULL ? g_steal_pointer(&self) : NULL;
}

void
scope_wan_autoencoder_unload(ScopeWanAutoencoder *self)
{
    if (self == NULL) {
        return;
    }
    g_clear_pointer(&self->vae, scope_wan_vae_unload);
    g_clear_pointer(&self->taehv, scope_taehv_unload);
    g_free(self);
}

int
scope_wan_autoencoder_get_spatial_factor(const ScopeWanAutoencoder *self)
{
    return (int)(self->vae != NULL ? scope_wan_vae_get_spatial_factor(self->vae)
                                   : scope_taehv_get_spatial_factor(self->taehv));
}

int
scope_wan_autoencoder_get_z_channels(const ScopeWanAutoencoder *self)
{
    return (int)(self->vae != NULL ? scope_wan_vae_get_z_channels(self->vae)
                                   : scope_taehv_get_z_channels(self->taehv));
}

/* -- memories --------------------------------------------------------------------------------- */

static gboolean
memory_open(ScopeWanCodecState *s, Memory *memory, gboolean decodes, GError **error)
{
    const ScopeWanAutoencoder *a = s->autoencoder;

    memory->fresh = TRUE;
    if (a->vae != NULL) {
        memory->vae = scope_wan_vae_state_create(
            s->ctx, a->vae, decodes ? SCOPE_WAN_VAE_DECODE : SCOPE_WAN_VAE_ENCODE, s->height,
            s->width, 1, error);
        return memory->vae != NULL;
    }
    memory->taehv = scope_taehv_state_create(s->ctx, a->taehv,
                                             decodes ? SCOPE_TAEHV_DECODE : SCOPE_TAEHV_ENCODE,
                                             s->height, s->width, 1, error);
    return memory->taehv != NULL;
}

static void
memory_reset(Memory *memory)
{
    if (memory->vae != NULL) {
        scope_wan_vae_state_reset(memory->vae);
    }
    if (memory->taehv != NULL) {
        scope_taehv_state_reset(memory->taehv);
    }
    memory->fresh = TRUE;
}

static void
memory_close(Memory *memory)
{
    g_clear_pointer(&memory->vae, scope_wan_vae_state_destroy);
    g_clear_pointer(&memory->taehv, scope_taehv_state_destroy);
}

/* -- encoding --------------------------------------------------------------------------------- */

/* Latents of @n frames. A fresh memory takes one frame for its first latent. */
static int64_t
count_latents(const Memory *memory, int64_t n)
{
    return memory->fresh ? 1 + (n - 1) / STEP : n / STEP;
}

/* [F, C, h, w] as the networks want it, [F, h, w, C]. */
static ScopeTensor
channels_last(ScopeTensor latents)
{
    return scope_tensor_permute(latents, (const int[]){0, 2, 3, 1});
}

static void
encode_taehv(ScopeContext *ctx, Memory *memory, ScopeTensor latents, ScopeTensor frames)
{
    int64_t first = 0, n = frames.shape[0];

    if (memory->fresh) {
        ScopeTensor start = scope_tensor_slice(frames, 0, 0, 1);
        int64_t shape[4] = {STEP, frames.shape[1], frames.shape[2], frames.shape[3]};
        scope_taehv_encode(ctx, memory->taehv, scope_tensor_slice(latents, 0, 0, 1),
                           scope_tensor_broadcast(start, 4, shape), NULL);
        first = 1;
    }
    if (first < n) {
        scope_taehv_encode(ctx, memory->taehv,
                           scope_tensor_slice(latents, 0, first, latents.shape[0]),
                           scope_tensor_slice(frames, 0, first, n), NULL);
    }
}

static gboolean
codec_encode(gpointer user_data, ScopeWanEncoding encoding, ScopeTensor latents, ScopeTensor frames,
             int64_t *ret_n, GError **error)
{
    ScopeWanCodecState *s = user_data;
    Memory *memory = &s->encoders[encoding];

    if (memory->vae == NULL && memory->taehv == NULL && !memory_open(s, memory, FALSE, error)) {
        return FALSE;
    }
    if (encoding == SCOPE_WAN_ENCODING_STILL) {
        memory_reset(memory);
    }
    int64_t n = count_latents(memory, frames.shape[0]);
    if (n < 1 || n > latents.shape[0]) {
        g_set_error(error, SCOPE_WAN_ERROR, SCOPE_WAN_ERROR_INPUT,
                    "%d frames were given to the encoder, which makes %d latents of them; expected "
                    "1 to %d",
                    (int)frames.shape[0], (int)n, (int)latents.shape[0]);
        return FALSE;
    }
    ScopeTensor used =
        scope_tensor_slice(frames, 0, 0, memory->fresh ? 1 + STEP * (n - 1) : STEP * n);
    ScopeTensor out = channels_last(scope_tensor_slice(latents, 0, 0, n));
    if (memory->vae != NULL) {
        scope_wan_vae_encode(s->ctx, memory->vae, out, used, NULL);
    } else {
        encode_taehv(s->ctx, memory, out, used);
    }
    memory->fresh = FALSE;
    *ret_n = n;
    return TRUE;
}

/* -- decoding --------------------------------------------------------------------------------- */

static gboolean
codec_decode(gpointer user_data, ScopeTensor frames, ScopeTensor latents, int64_t *ret_n,
             GError **error)
{
    ScopeWanCodecState *s = user_data;
    Memory *memory = &s->decoder;
    int64_t n_latents = latents.shape[0];

    if (memory->vae != NULL) {
        *ret_n = scope_wan_vae_state_count_frames(memory->vae, n_latents);
        scope_wan_vae_decode(s->ctx, memory->vae, scope_tensor_slice(frames, 0, 0, *ret_n),
                             channels_last(latents), NULL);
    } else {
        *ret_n = scope_taehv_state_count_frames(memory->taehv, n_latents);
        scope_taehv_decode(s->ctx, memory->taehv, scope_tensor_slice(frames, 0, 0, *ret_n),
                           channels_last(latents), NULL);
    }
    memory->fresh = FALSE;
    return TRUE;
}

static void
codec_reset(gpointer user_data)
{
    ScopeWanCodecState *s = user_data;

    memory_reset(&s->decoder);
    for (int i = 0; i < SCOPE_WAN_N_ENCODINGS; i++) {
        memory_reset(&s->encoders[i]);
    }
}

/* -- the state -------------------------------------------------------------------------------- */

ScopeWanCodecState *
scope_wan_codec_state_create(ScopeContext *ctx, const ScopeWanAutoencoder *autoencoder, int height,
                             int width, GError **error)
{
    g_autoptr(ScopeWanCodecState) s = g_new0(ScopeWanCodecState, 1);

    s->ctx = ctx;
    s->autoencoder = autoencoder;
    s->height = height;
    s->width = width;
    return memory_open(s, &s->decoder, TRUE, error) ? g_steal_pointer(&s) : NULL;
}

void
scope_wan_codec_state_destroy(ScopeWanCodecState *s)
{
    if (s == NULL) {
        return;
    }
    memory_close(&s->decoder);
    for (int i = 0; i < SCOPE_WAN_N_ENCODINGS; i++) {
        memory_close(&s->encoders[i]);
    }
    g_free(s);
}

ScopeWanCodec
scope_wan_codec_state_get_codec(ScopeWanCodecState *s)
{
    return (ScopeWanCodec){
        .user_data = s,
        .spatial_factor = scope_wan_autoencoder_get_spatial_factor(s->autoencoder),
        .reset = codec_reset,
        .encode = codec_encode,
        .decode = codec_decode,
    };
}
