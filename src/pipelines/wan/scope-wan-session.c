/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of the streaming pipelines; see the header. Worker thread. */
#include "pipelines/wan/scope-wan-session.h"

#include <string.h>

#include "models/scope-video-convert.h"

#define MAX_FRAMES  64 /* of a port that are looked at */
#define MAX_PROMPTS 8
#define MAX_IMAGES  8

const char *const scope_wan_session_ports[] = {"video", "vace_input_frames", "vace_input_masks",
                                               NULL};

typedef struct {
    const ScopeWanInstance *instance;
    ScopeContext *ctx;
    ScopeWanCodecState *codec;
    ScopeWanPrompterCall prompter;
    ScopeWanStream *stream;
    float *lora_scales; /* [run-time adapters] */
    gboolean has_begun; /* a chunk was made: reference pictures of the load are used up */
} Session;

/* What a chunk borrows while it runs. */
typedef struct {
    ScopeWanPrompt prompts[MAX_PROMPTS];
    ScopeWanPrompt targets[MAX_PROMPTS];
    ScopeWanTransition transition;
    int steps[SCOPE_WAN_MAX_STEPS];
    ScopeTensor video[MAX_FRAMES];
    ScopeTensor guides[MAX_FRAMES];
    ScopeTensor masks[MAX_FRAMES];
    ScopeWanVaceInput vace;
    ScopeTensor references[MAX_IMAGES];
    ScopeFrame *images[MAX_IMAGES + 2];
    guint n_images;
    ScopeWanChunk chunk;
} Input;

/* -- life ------------------------------------------------------------------------------------- */

void
scope_wan_session_unload(gpointer instance)
{
    scope_wan_instance_unload(instance);
}

static gboolean
session_open(Session *s, const ScopeWanParams *params, GError **error)
{
    const ScopeWanInstance *i = s->instance;

    s->ctx = scope_pipeline_engine_new_context(&i->engine, error);
    if (s->ctx == NULL) {
        return FALSE;
    }
    s->codec = scope_wan_codec_state_create(s->ctx, i->autoencoder, i->height, i->width, error);
    if (s->codec == NULL) {
        return FALSE;
    }
    s->prompter = (ScopeWanPrompterCall){.prompter = i->prompter, .ctx = s->ctx};
    ScopeWanStreamOptions options = {
        .variant = i->variant,
        .height = i->height,
        .width = i->width,
        .context_noise = i->context_noise,
        .codec = scope_wan_codec_state_get_codec(s->codec),
        .encode_text = scope_wan_prompter_encode,
        .encode_text_data = &s->prompter,
        .seed = (uint64_t)params->base_seed,
    };
    s->stream = scope_wan_stream_create(s->ctx, i->model, &options, error);
    s->lora_scales = g_memdup2(i->lora_scales->data, i->lora_scales->len * sizeof(float));
    return s->stream != NULL;
}

gpointer
scope_wan_session_new(gpointer instance, const void *params, GError **error)
{
    Session *s = g_new0(Session, 1);
    GError *local = NULL;

    s->instance = instance;
    if (session_open(s, params, &local)) {
        return s;
    }
    scope_wan_take_error(local, error);
    scope_wan_session_free(s);
    return NULL;
}

void
scope_wan_session_free(gpointer session)
{
    Session *s = session;

    g_clear_pointer(&s->stream, scope_wan_stream_destroy);
    g_clear_pointer(&s->codec, scope_wan_codec_state_destroy);
    g_clear_pointer(&s->ctx, scope_context_destroy);
    g_clear_pointer(&s->lora_scales, g_free);
    g_free(s);
}

guint32
scope_wan_session_prepare(gpointer session, const ScopeCall *call)
{
    const Session *s = session;

    return call->mode == SCOPE_MODE_VIDEO
               ? (guint32)s->instance->variant.chunk_frames * SCOPE_WAN_FRAMES_PER_LATENT
               : 0;
}

/* -- parameters to a chunk -------------------------------------------------------------------- */

static gboolean
read_prompts(const ScopePromptList *list, ScopeWanPrompt *ret_prompts, int *ret_n, GError **error)
{
    if (list->n_items > MAX_PROMPTS) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "%u prompts were given, expected 1 to %d", list->n_items, MAX_PROMPTS);
        return FALSE;
    }
    for (guint i = 0; i < list->n_items; i++) {
        ret_prompts[i] =
            (ScopeWanPrompt){.text = list->items[i].text, .weight = list->items[i].weight};
    }
    *ret_n = (int)list->n_items;
    return TRUE;
}

static gboolean
read_texts(const ScopeWanParams *p, Input *in, GError **error)
{
    ScopeWanChunk *chunk = &in->chunk;
    gint32 method = p->has_spatial_interpolation_method ? p->spatial_interpolation_method
                                                        : p->prompt_interpolation_method;

    if (!read_prompts(&p->prompts, in->prompts, &chunk->n_prompts, error)) {
        return FALSE;
    }
    chunk->prompts = in->prompts;
    chunk->method = method == SCOPE_WAN_SLERP ? SCOPE_EMBEDDING_SLERP : SCOPE_EMBEDDING_LINEAR;
    if (!p->has_transition) {
        return TRUE;
    }
    in->transition = (ScopeWanTransition){
        .targets = in->targets,
        .n_steps = (int)MIN(p->transition.num_steps, G_MAXINT),
        .method = p->transition.slerp ? SCOPE_EMBEDDING_SLERP : SCOPE_EMBEDDING_LINEAR,
    };
    chunk->transition = &in->transition;
    return read_prompts(&p->transition.target_prompts, in->targets, &in->transition.n_targets,
                        error);
}

static gboolean
read_steps(const ScopeWanParams *p, Input *in, GError **error)
{
    const ScopeIntList *list =
        p->has_denoising_step_list ? &p->denoising_step_list : &p->denoising_steps;

    if (list->n_items > SCOPE_WAN_MAX_STEPS) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "%u denoising steps were given, expected 1 to %d", list->n_items,
                    SCOPE_WAN_MAX_STEPS);
        return FALSE;
    }
    for (guint i = 0; i < list->n_items; i++) {
        in->steps[i] = (int)list->items[i];
    }
    in->chunk.steps = list->n_items > 0 ? in->steps : NULL;
    in->chunk.n_steps = (int)list->n_items;
    return TRUE;
}

/* Scales that a message changes; adapters that are merged or unknown are named in the log. */
static void
take_lora_scales(Session *s, const ScopeWanParams *p)
{
    const ScopeWanInstance *i = s->instance;

    for (guint n = 0; p->has_lora_scales && n < p->lora_scales.n_items; n++) {
        const ScopeLora *wanted = &p->lora_scales.items[n];
        gboolean found = FALSE;
        for (guint a = 0; a < i->lora_names->len; a++) {
            if (g_str_equal(i->lora_names->pdata[a], wanted->path)) {
                s->lora_scales[a] = (float)wanted->scale;
                found = TRUE;
            }
        }
        if (!found) {
            g_autofree char *message = g_strdup_printf(
                "the adapter \"%s\" has no scale at run time: it is not loaded as runtime_peft",
                wanted->path);
            i->engine.host->log(i->product->id, SCOPE_LOG_WARNING, message);
        }
    }
}

/* -- pictures --------------------------------------------------------------------------------- */

static ScopeTensor
wrap(const ScopeFrame *frame)
{
    return scope_tensor_select(scope_pipeline_view_frame(frame), 0, 0);
}

static int
wrap_port(const ScopeCall *call, const char *name, ScopeTensor *ret_frames)
{
    for (guint i = 0; i < call->n_ports; i++) {
        const ScopePort *port = &call->ports[i];
        if (strcmp(port->name, name) != 0) {
            continue;
        }
        guint n = MIN(port->n_frames, MAX_FRAMES);
        for (guint f = 0; f < n; f++) {
            ret_frames[f] = wrap(port->frames[f]);
        }
        return (int)n;
    }
    return 0;
}

static gboolean
load_image(const Session *s, Input *in, const char *name, ScopeTensor *ret_image, GError **error)
{
    ScopeFrame *frame = s->instance->engine.host->image_load(s->instance->engine.host, name, error);

    if (frame == NULL) {
        return FALSE;
    }
    in->images[in->n_images++] = frame;
    *ret_image = wrap(frame);
    return TRUE;
}

static gboolean
load_references(const Session *s, const ScopeStringList *names, Input *in, GError **error)
{
    if (names->n_items > MAX_IMAGES) {
        g_set_error(error, SCOPE_PIPELINE_ERROR, SCOPE_PIPELINE_ERROR_INVALID,
                    "%u reference pictures were given, expected at most %d", names->n_items,
                    MAX_IMAGES);
        return FALSE;
    }
    for (guint i = 0; i < names->n_items; i++) {
        if (!load_image(s, in, names->items[i], &in->references[i], error)) {
            return FALSE;
        }
    }
    in->vace.references = in->references;
    in->vace.n_references = (int)names->n_items;
    return TRUE;
}

static gboolean
read_vace(const Session *s, const ScopeCall *call, Input *in, GError **error)
{
    const ScopeWanParams *p = call->params;
    const ScopeStringList *references = NULL;

    if (!s->instance->has_vace) {
        return TRUE;
    }
    if (p->has_vace_ref_images) {
        references = &p->vace_ref_images;
    } else if (!s->has_begun) {
        references = &p->ref_images;
    }
    if ((references != NULL && !load_references(s, references, in, error)) ||
        (p->has_first_frame_image &&
         !load_image(s, in, p->first_frame_image, &in->vace.first_frame, error)) ||
        (p->has_last_frame_image &&
         !load_image(s, in, p->last_frame_image, &in->vace.last_frame, error))) {
        return FALSE;
    }
    in->vace.frames = in->guides;
    in->vace.n_frames = wrap_port(call, "vace_input_frames", in->guides);
    in->vace.masks = in->masks;
    in->vace.n_masks = wrap_port(call, "vace_input_masks", in->masks);
    in->vace.scale = p->vace_context_scale;
    in->chunk.vace = &in->vace;
    return TRUE;
}

static gboolean
read_input(Session *s, const ScopeCall *call, Input *in, GError **error)
{
    const ScopeWanParams *p = call->params;
    ScopeWanChunk *chunk = &in->chunk;

    if (!read_texts(p, in, error) || !read_steps(p, in, error) || !read_vace(s, call, in, error)) {
        return FALSE;
    }
    take_lora_scales(s, p);
    chunk->n_video = wrap_port(call, "video", in->video);
    chunk->video = chunk->n_video > 0 ? in->video : NULL;
    chunk->manage_cache = p->manage_cache;
    chunk->reset = call->reset;
    chunk->past_weight = p->kv_cache_attention_bias;
    chunk->noise_scale = p->noise_scale;
    chunk->noise_controller = p->noise_controller;
    chunk->lora_scales = s->lora_scales;
    chunk->n_lora_scales = s->instance->lora_scales->len;
    scope_wan_stream_set_seed(s->stream, (uint64_t)p->base_seed);
    return TRUE;
}

static void
input_clear(const Session *s, Input *in)
{
    for (guint i = 0; i < in->n_images; i++) {
        s->instance->engine.host->frame_unref(in->images[i]);
    }
}

/* -- a chunk to frames ------------------------------------------------------------------------ */

/* The decoded pixels as frames of the program. */
static void
push_frames(Session *s, ScopeTensor frames, ScopeOutput *output)
{
    const ScopePipelineEngine *engine = &s->instance->engine;

    scope_video_from_model(s->ctx, frames, frames);
    for (int64_t i = 0; i < frames.shape[0]; i++) {
        engine->host->output_push(
            output, "video",
            scope_pipeline_new_frame(engine, s->ctx, scope_tensor_select(frames, 0, i)));
    }
}

static void
tell_timings(const Session *s, const ScopeWanTimings *t, gint64 colour_us, ScopeOutput *output)
{
    static const char *const steps[] = {"denoise_1", "denoise_2", "denoise_3", "denoise_4",
                                        "denoise_5", "denoise_6", "denoise_7", "denoise_8"};
    const ScopeHost *host = s->instance->engine.host;

    host->output_timing(output, "text", t->text_us);
    host->output_timing(output, "input", t->input_us);
    host->output_timing(output, "recache", t->recache_us);
    for (int i = 0; i < t->n_steps; i++) {
        host->output_timing(output, steps[MIN(i, (int)G_N_ELEMENTS(steps) - 1)], t->step_us[i]);
    }
    host->output_timing(output, "cache", t->clean_us);
    host->output_timing(output, "decode", t->decode_us);
    host->output_timing(output, "colour", colour_us);
}

gboolean
scope_wan_session_process(gpointer session, const ScopeCall *call, GError **error)
{
    Session *s = session;
    const ScopeWanParams *p = call->params;
    GError *local = NULL;
    Input in = {.n_images = 0};
    ScopeWanResult result;
    gboolean ok;

    if (p->prompts.n_items == 0 && !p->has_transition) {
        return TRUE; /* waits for prompts */
    }
    ok = read_input(s, call, &in, &local) &&
         scope_wan_stream_run(s->stream, &in.chunk, &result, &local);
    input_clear(s, &in);
    if (!ok) {
        scope_wan_take_error(local, error);
        return FALSE;
    }
    s->has_begun = TRUE;
    gint64 begin = g_get_monotonic_time();
    push_frames(s, result.frames, call->output);
    tell_timings(s, &result.timings, g_get_monotonic_time() - begin, call->output);
    return TRUE;
}
