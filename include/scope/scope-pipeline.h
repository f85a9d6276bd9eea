/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pipeline is: a description, a parameter table and a handful of callbacks. Built-in
 * pipelines and plugins register the same structure through the same call.
 *
 * Two kinds of state: an *instance* is what `load` makes (weights, tables; shared by every session
 * that uses it, read-only while streaming), a *stream* is what one session owns (caches, generators
 * of random numbers, the world of a simulation).
 */
#ifndef SCOPE_PIPELINE_H
#define SCOPE_PIPELINE_H

#include <scope/scope-frame.h>
#include <scope/scope-param.h>

G_BEGIN_DECLS

/**
 * ScopePipelineUsage: where in a chain a pipeline stands.
 * @SCOPE_PIPELINE_MAIN: on its own or in the middle; no `usage` on the wire
 * @SCOPE_PIPELINE_PREPROCESSOR: before a main pipeline
 * @SCOPE_PIPELINE_POSTPROCESSOR: after a main pipeline
 */
typedef enum {
    SCOPE_PIPELINE_MAIN = 0,
    SCOPE_PIPELINE_PREPROCESSOR = 1 << 0,
    SCOPE_PIPELINE_POSTPROCESSOR = 1 << 1,
} ScopePipelineUsage;

/** ScopePipelineFeatures: what clients may offer; the names are those of the wire contract. */
typedef enum {
    SCOPE_PIPELINE_SUPPORTS_PROMPTS = 1 << 0,
    SCOPE_PIPELINE_SUPPORTS_LORA = 1 << 1,
    SCOPE_PIPELINE_SUPPORTS_VACE = 1 << 2,
    SCOPE_PIPELINE_SUPPORTS_CACHE_MANAGEMENT = 1 << 3,
    SCOPE_PIPELINE_SUPPORTS_KV_CACHE_BIAS = 1 << 4,
    SCOPE_PIPELINE_SUPPORTS_QUANTIZATION = 1 << 5,
    SCOPE_PIPELINE_MODIFIED = 1 << 6,
} ScopePipelineFeatures;

/** ScopeLogLevel: see docs/logging.md for what each is for. */
typedef enum {
    SCOPE_LOG_ERROR = 0,
    SCOPE_LOG_WARNING,
    SCOPE_LOG_INFO,
    SCOPE_LOG_DEBUG,
    SCOPE_LOG_TRACE,
} ScopeLogLevel;

/**
 * ScopePipelineErrorCode: codes of the domain scope_pipeline_error_quark().
 * @SCOPE_PIPELINE_ERROR_FAILED: this chunk or load failed; the next may work
 * @SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY: fatal for the stream
 * @SCOPE_PIPELINE_ERROR_DEVICE_LOST: fatal for the stream; unload and load again
 * @SCOPE_PIPELINE_ERROR_CANCELLED: asked for by the host
 * @SCOPE_PIPELINE_ERROR_MISSING_FILE: a model file is not there; the message says how to get it
 * @SCOPE_PIPELINE_ERROR_INVALID: parameters that cannot be loaded together
 */
typedef enum {
    SCOPE_PIPELINE_ERROR_FAILED = 0,
    SCOPE_PIPELINE_ERROR_OUT_OF_MEMORY,
    SCOPE_PIPELINE_ERROR_DEVICE_LOST,
    SCOPE_PIPELINE_ERROR_CANCELLED,
    SCOPE_PIPELINE_ERROR_MISSING_FILE,
    SCOPE_PIPELINE_ERROR_INVALID,
} ScopePipelineErrorCode;

/** SCOPE_PIPELINE_ERROR: the domain; the same quark in the program and in plugins. */
#define SCOPE_PIPELINE_ERROR (g_quark_from_static_string("scope-pipeline-error"))

/**
 * ScopePort:
 * @name: `video`, `vace_input_frames`, `vace_input_masks`, or a port that the pipeline declared
 * @frames: (array length=n_frames): borrowed for the call; ref what is kept
 * @n_frames: as many as prepare() asked for
 */
typedef struct {
    const char *name;
    ScopeFrame *const *frames;
    guint32 n_frames;
} ScopePort;

/** ScopeOutput: collects the frames of one process() call. Opaque; valid during the call. */
typedef struct _ScopeOutput ScopeOutput;

/** ScopeLoadProgress: reports the progress of a load. Opaque; valid during load(). */
typedef struct _ScopeLoadProgress ScopeLoadProgress;

/** ScopeHost: the services that the program offers to a pipeline; see struct _ScopeHost. */
typedef struct _ScopeHost ScopeHost;

/**
 * struct _ScopeHost: grows at its end; @size tells what is there.
 * @abi_version: SCOPE_ABI_VERSION of the program
 * @size: bytes of this structure in the program
 * @n_cpus: cores that the pipeline may use, >= 1
 * @models_dir: where model files lie
 * @log: writes one line under the pipeline's own topic. Thread: any
 * @frame_new: a frame with undefined pixels and rows padded for vector code, pts and birth unset;
 *   %NULL only when a dimension is out of range. Owned by the caller. Thread: any
 * @frame_ref: another owner. Thread: any
 * @frame_unref: one owner less. Thread: any
 * @output_push: (transfer full): appends @frame to port @port. Thread: the worker, inside process()
 * @progress: tells @stage (user-visible text) and @ratio 0..1, or < 0 when unknown; returns %FALSE
 *   when the load was cancelled and should return. Thread: the loader, inside load()
 * @share_dir: (nullable): where files that came with the program lie, such as the weights of `mini`
 * @lora_path: (transfer full): the adapter file that a client calls @name, or %NULL with @error
 *   set; it lies in one of the folders for adapters. Thread: any but main, may block
 * @image_load: (transfer full): the picture that a client calls @name as RGB24 in its own size, or
 *   %NULL with @error set. Thread: any but main, blocks while it is decoded
 * @output_timing: adds to the statistics that part @name (a literal) of this chunk took @us
 *   microseconds; calls with the same name add up. Thread: the worker, inside process()
 */
struct _ScopeHost {
    guint32 abi_version;
    guint32 size;
    guint32 n_cpus;
    const char *models_dir;
    void (*log)(const char *pipeline_id, ScopeLogLevel level, const char *message);
    ScopeFrame *(*frame_new)(ScopeFrameFormat format, guint32 width, guint32 height);
    ScopeFrame *(*frame_ref)(ScopeFrame *frame);
    void (*frame_unref)(ScopeFrame *frame);
    void (*output_push)(ScopeOutput *output, const char *port, ScopeFrame *frame);
    gboolean (*progress)(ScopeLoadProgress *progress, const char *stage, gdouble ratio);
    const char *share_dir;
    char *(*lora_path)(const ScopeHost *host, const char *name, GError **error);
    ScopeFrame *(*image_load)(const ScopeHost *host, const char *name, GError **error);
    void (*output_timing)(ScopeOutput *output, const char *name, gint64 us);
};

/**
 * ScopeCall: the input of one process() call.
 * @size: bytes of this structure in the program
 * @mode: whether the session feeds frames
 * @params: the pipeline's own struct: an immutable snapshot, borrowed for the call
 * @reset: the client asked for a cache reset, or this is the first chunk of the stream
 * @chunk_index: chunks of this stream before this one
 * @ports: (array length=n_ports): the inputs; empty when prepare() returned 0
 * @output: where results go
 */
typedef struct {
    guint32 size;
    ScopeMode mode;
    const void *params;
    gboolean reset;
    guint64 chunk_index;
    const ScopePort *ports;
    guint32 n_ports;
    ScopeOutput *output;
} ScopeCall;

/**
 * ScopeArtifact: model files that a pipeline needs.
 * @repo_id: Hugging Face repository, or %NULL with @drive_file_id set
 * @drive_file_id: (nullable): Google Drive file
 * @name: (nullable): folder below the models directory; %NULL = last part of @repo_id
 * @files: (array zero-terminated=1): paths inside the folder; a directory means all below it
 * @url: (nullable): address that @files are fetched from when neither of the first two is set; the
 *   start of a sha256 at the end of a name, as in `net-01064c6d.pth`, is verified
 */
typedef struct {
    const char *repo_id;
    const char *drive_file_id;
    const char *name;
    const char *const *files;
    const char *url;
} ScopeArtifact;

/**
 * ScopePipelineDesc: a pipeline. Immutable while registered.
 * @abi_version: SCOPE_ABI_VERSION of the headers it was built with
 * @size: sizeof(ScopePipelineDesc) there
 * @id: [a-z0-9-]+, unique
 * @name: for people
 * @description: one or two sentences for people
 * @version: of the pipeline
 * @schema_title: title of its JSON Schema, for example `LongLiveConfig`
 * @docs_url: (nullable): where to read more
 * @usage: set of ScopePipelineUsage
 * @features: set of ScopePipelineFeatures
 * @modes: set of SCOPE_MODE_BIT()
 * @default_mode: one of @modes
 * @estimated_vram_gb: 0 = runs without a GPU
 * @min_dimension: width and height are multiples of it, >= 1
 * @frame_rate: frames per second that it is made for; 0 = as fast as it can
 * @input_formats: set of SCOPE_FRAME_FORMAT_BIT(): frames arrive in one of these, converted by the
 *   program where needed
 * @default_transition_steps: default number of steps of a prompt transition
 * @default_transition_linear: whether transitions default to `linear` instead of `slerp`
 * @quantization_vram_gb: `recommended_quantization_vram_threshold`; 0 = none
 * @inputs: (nullable) (array zero-terminated=1): ports; %NULL = `video`
 * @outputs: (nullable) (array zero-terminated=1): ports; %NULL = `video`
 * @artifacts: (nullable) (array length=n_artifacts): model files
 * @n_artifacts: how many
 * @params: (array length=n_params): the table; fields of the base configuration that it lacks are
 *   added to the schema by the program
 * @n_params: how many
 * @params_size: sizeof of the struct that @params points into
 * @load: makes an instance from load-time values in @params, which are valid during the call only.
 *   Thread: a loader thread, may block. On failure sets @error and leaves nothing behind
 * @unload: frees an instance that no stream uses any more. Thread: a loader thread
 * @stream_new: the state of one session. Thread: the session's worker. %NULL with @error on failure
 * @stream_free: Thread: the session's worker
 * @prepare: frames that the next call wants on each wired port; 0 = none, generate. Only
 *   call->mode, params, reset and chunk_index are valid. Thread: worker
 * @process: makes one chunk. %FALSE with @error: the chunk is skipped; OUT_OF_MEMORY and
 *   DEVICE_LOST end the stream. Pushing nothing is allowed: it is called again. Thread: worker
 *
 * Streams of one instance run on different workers at the same time: @stream_new, @prepare and
 * @process may be called concurrently for different streams of an instance, never for the same
 * stream. An instance whose device allows one call at a time takes its own lock around that part.
 *
 * Every callback but @unload and @stream_free is required to tell its failure; the optional ones
 * are @stream_new and @stream_free (then the instance itself is passed as the stream).
 */
typedef struct {
    guint32 abi_version;
    guint32 size;
    const char *id;
    const char *name;
    const char *description;
    const char *version;
    const char *schema_title;
    const char *docs_url;
    guint32 usage;
    guint32 features;
    guint32 modes;
    ScopeMode default_mode;
    gdouble estimated_vram_gb;
    guint32 min_dimension;
    gdouble frame_rate;
    guint32 input_formats;
    guint32 default_transition_steps;
    gboolean default_transition_linear;
    gdouble quantization_vram_gb;
    const char *const *inputs;
    const char *const *outputs;
    const ScopeArtifact *artifacts;
    guint32 n_artifacts;
    const ScopeParamDesc *params;
    guint32 n_params;
    guint32 params_size;
    gboolean (*load)(const ScopeHost *host, const void *params, ScopeLoadProgress *progress,
                     gpointer *ret_instance, GError **error);
    void (*unload)(gpointer instance);
    gpointer (*stream_new)(gpointer instance, const void *params, GError **error);
    void (*stream_free)(gpointer stream);
    guint32 (*prepare)(gpointer stream, const ScopeCall *call);
    gboolean (*process)(gpointer stream, const ScopeCall *call, GError **error);
} ScopePipelineDesc;

G_END_DECLS

#endif
