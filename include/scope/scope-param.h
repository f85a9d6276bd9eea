/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters are data: a pipeline describes each of its parameters once, in a constant table.
 * From that table come the JSON Schema for clients, the validation of everything that clients send,
 * the typed snapshot that the pipeline reads, the settings panel and the reference page.
 *
 * A pipeline declares a plain struct for its values and a table of ScopeParamDesc that points into
 * it. The core fills one struct per chunk; the pipeline gets it read-only.
 */
#ifndef SCOPE_PARAM_H
#define SCOPE_PARAM_H

#include <stddef.h>

#include <scope/scope-api.h>

G_BEGIN_DECLS

/**
 * ScopeIntList:
 * @items: (array length=n_items): the values; %NULL when empty
 * @n_items: how many
 *
 * A list of integers. Memory belongs to the snapshot that holds it.
 */
typedef struct {
    const gint64 *items;
    guint32 n_items;
} ScopeIntList;

/** ScopeStringList: a list of UTF-8 strings; memory belongs to the snapshot that holds it. */
typedef struct {
    const char *const *items;
    guint32 n_items;
} ScopeStringList;

/**
 * ScopePrompt:
 * @text: UTF-8, may be empty
 * @weight: finite, >= 0; relative to the other prompts of the list
 */
typedef struct {
    const char *text;
    gdouble weight;
} ScopePrompt;

/** ScopePromptList: prompts that are blended; memory belongs to the snapshot that holds it. */
typedef struct {
    const ScopePrompt *items;
    guint32 n_items;
} ScopePromptList;

/**
 * ScopeTransition:
 * @target_prompts: what to arrive at
 * @num_steps: chunks that the transition takes, >= 0
 * @slerp: whether embeddings are interpolated spherically instead of linearly
 */
typedef struct {
    ScopePromptList target_prompts;
    guint32 num_steps;
    gboolean slerp;
} ScopeTransition;

/**
 * ScopeLora:
 * @path: file as the client named it
 * @scale: -10..10
 * @merge_mode: (nullable): `permanent_merge` or `runtime_peft`; %NULL = the pipeline's default
 */
typedef struct {
    const char *path;
    gdouble scale;
    const char *merge_mode;
} ScopeLora;

/** ScopeLoraList: adapters in order of application; memory belongs to the snapshot. */
typedef struct {
    const ScopeLora *items;
    guint32 n_items;
} ScopeLoraList;

/**
 * ScopeCtrlInput:
 * @buttons: codes now held: W3C KeyboardEvent.code values and `MouseLeft`, `MouseMiddle`,
 *   `MouseRight`, `MouseBack`, `MouseForward`
 * @mouse_dx: pointer motion to the right since the previous chunk, in CSS pixels
 * @mouse_dy: the same downwards
 */
typedef struct {
    ScopeStringList buttons;
    gdouble mouse_dx;
    gdouble mouse_dy;
} ScopeCtrlInput;

/**
 * ScopeParamType: the type of a parameter, in JSON and in the pipeline's struct.
 *
 * | type | JSON | C field |
 * | --- | --- | --- |
 * | BOOL | boolean | gboolean |
 * | INT | integer | gint64 |
 * | FLOAT | number, finite | gdouble |
 * | STRING | string | const char * |
 * | ENUM | one of @choices | gint32, index into @choices |
 * | INT_LIST | array of integer | ScopeIntList |
 * | STRING_LIST | array of string | ScopeStringList |
 * | PROMPTS | array of {text, weight} or of string | ScopePromptList |
 * | TRANSITION | {target_prompts, num_steps, temporal_interpolation_method} | ScopeTransition |
 * | LORAS | array of {path, scale, merge_mode?} | ScopeLoraList |
 * | CTRL_INPUT | {button: [string], mouse: [dx, dy]} | ScopeCtrlInput |
 */
typedef enum {
    SCOPE_PARAM_TYPE_INVALID = 0,
    SCOPE_PARAM_TYPE_BOOL,
    SCOPE_PARAM_TYPE_INT,
    SCOPE_PARAM_TYPE_FLOAT,
    SCOPE_PARAM_TYPE_STRING,
    SCOPE_PARAM_TYPE_ENUM,
    SCOPE_PARAM_TYPE_INT_LIST,
    SCOPE_PARAM_TYPE_STRING_LIST,
    SCOPE_PARAM_TYPE_PROMPTS,
    SCOPE_PARAM_TYPE_TRANSITION,
    SCOPE_PARAM_TYPE_LORAS,
    SCOPE_PARAM_TYPE_CTRL_INPUT,
} ScopeParamType;

/**
 * ScopeParamApply: when a new value may take effect.
 * @SCOPE_PARAM_APPLY_LOAD: with the next load (`ui.is_load_param` true)
 * @SCOPE_PARAM_APPLY_CHUNK: with the next chunk
 */
typedef enum {
    SCOPE_PARAM_APPLY_LOAD = 0,
    SCOPE_PARAM_APPLY_CHUNK = 1,
} ScopeParamApply;

/**
 * ScopeParamFlags:
 * @SCOPE_PARAM_HAS_MIN: @min holds
 * @SCOPE_PARAM_HAS_MAX: @max holds
 * @SCOPE_PARAM_NULLABLE: JSON null is allowed; the gboolean at @offset_set tells
 * @SCOPE_PARAM_ONE_SHOT: acts on the chunk that takes it, then returns to its default
 * @SCOPE_PARAM_HIDDEN: accepted, but not part of the JSON Schema
 * @SCOPE_PARAM_NO_UI: in the schema without `ui`, so that clients render no control
 * @SCOPE_PARAM_MODULATABLE: `ui.modulatable`, between @min or @modulatable_min and @max
 * @SCOPE_PARAM_DESCENDING: INT_LIST: strictly descending
 * @SCOPE_PARAM_INPUT: `ui.category` is `input` instead of `configuration`
 * @SCOPE_PARAM_LIVE: APPLY_LOAD only: clients show it as load-time, but a message of a running
 *   stream changes it too (`manage_cache`, `vace_context_scale`, `base_seed`)
 */
typedef enum {
    SCOPE_PARAM_HAS_MIN = 1 << 0,
    SCOPE_PARAM_HAS_MAX = 1 << 1,
    SCOPE_PARAM_NULLABLE = 1 << 2,
    SCOPE_PARAM_ONE_SHOT = 1 << 3,
    SCOPE_PARAM_HIDDEN = 1 << 4,
    SCOPE_PARAM_NO_UI = 1 << 5,
    SCOPE_PARAM_MODULATABLE = 1 << 6,
    SCOPE_PARAM_DESCENDING = 1 << 7,
    SCOPE_PARAM_INPUT = 1 << 8,
    SCOPE_PARAM_LIVE = 1 << 9,
} ScopeParamFlags;

/**
 * ScopeParamDesc:
 * @key: JSON key, snake_case, also the name of the C field
 * @type: see ScopeParamType
 * @apply: see ScopeParamApply
 * @flags: set of ScopeParamFlags
 * @offset: of the field in the pipeline's struct
 * @offset_set: NULLABLE only: of the gboolean that tells whether the value is not null
 * @default_json: the default as JSON text, for example `0.7` or `[1000, 750]`
 * @default_text_json: (nullable): what clients should use in text mode instead (`mode_defaults`)
 * @default_video_json: (nullable): the same for video mode
 * @min: HAS_MIN: smallest value, of each item for lists
 * @max: HAS_MAX: largest value, of each item for lists
 * @step: granularity that controls should offer; 0 = chosen by the client
 * @modulatable_min: MODULATABLE: smallest value of a modulation where that is above @min; 0 = @min
 * @choices: ENUM: (array zero-terminated=1): the allowed strings; STRING: (nullable): the same
 * @enum_name: (nullable): ENUM: name under `$defs`; %NULL = inline `enum`
 * @modes: bits of the modes in which a control makes sense; 0 = both
 * @order: ascending order of controls; 0 = last
 * @label: (nullable): short caption; @help becomes the tooltip
 * @help: one sentence, ends with a full stop
 * @group: (nullable): `ui.component`, for controls that belong together
 * @unit: (nullable): for example `px`
 *
 * One parameter. Immutable, lives as long as the pipeline is registered.
 */
typedef struct {
    const char *key;
    ScopeParamType type;
    ScopeParamApply apply;
    guint32 flags;
    guint32 offset;
    guint32 offset_set;
    const char *default_json;
    const char *default_text_json;
    const char *default_video_json;
    gdouble min;
    gdouble max;
    gdouble step;
    gdouble modulatable_min;
    const char *const *choices;
    const char *enum_name;
    guint32 modes;
    gint32 order;
    const char *label;
    const char *help;
    const char *group;
    const char *unit;
} ScopeParamDesc;

/* clang-format off */
/* The offset of a field, and a compile error when its C type is not the one the table says. */
#define SCOPE_PARAM_OFFSET(T, field, ctype)                                                        \
    ((guint32)(offsetof(T, field) * (gsize)_Generic(((T *)0)->field, ctype: 1)))

/* Both bounds; SCOPE_PARAM_HAS_MIN and SCOPE_PARAM_HAS_MAX belong into @flags. */
#define SCOPE_PARAM_RANGE(lo, hi) .min = (lo), .max = (hi)

#define SCOPE_PARAM_BOOL(T, field, def, ...)                                                       \
    {.key = #field, .type = SCOPE_PARAM_TYPE_BOOL,                                                 \
     .offset = SCOPE_PARAM_OFFSET(T, field, gboolean), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_INT(T, field, def, ...)                                                        \
    {.key = #field, .type = SCOPE_PARAM_TYPE_INT,                                                  \
     .offset = SCOPE_PARAM_OFFSET(T, field, gint64), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_FLOAT(T, field, def, ...)                                                      \
    {.key = #field, .type = SCOPE_PARAM_TYPE_FLOAT,                                                \
     .offset = SCOPE_PARAM_OFFSET(T, field, gdouble), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_STRING(T, field, def, ...)                                                     \
    {.key = #field, .type = SCOPE_PARAM_TYPE_STRING,                                               \
     .offset = SCOPE_PARAM_OFFSET(T, field, const char *), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_ENUM(T, field, def, ...)                                                       \
    {.key = #field, .type = SCOPE_PARAM_TYPE_ENUM,                                                 \
     .offset = SCOPE_PARAM_OFFSET(T, field, gint32), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_INT_LIST(T, field, def, ...)                                                   \
    {.key = #field, .type = SCOPE_PARAM_TYPE_INT_LIST,                                             \
     .offset = SCOPE_PARAM_OFFSET(T, field, ScopeIntList), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_STRING_LIST(T, field, def, ...)                                                \
    {.key = #field, .type = SCOPE_PARAM_TYPE_STRING_LIST,                                          \
     .offset = SCOPE_PARAM_OFFSET(T, field, ScopeStringList), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_PROMPTS(T, field, def, ...)                                                    \
    {.key = #field, .type = SCOPE_PARAM_TYPE_PROMPTS,                                              \
     .offset = SCOPE_PARAM_OFFSET(T, field, ScopePromptList), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_TRANSITION(T, field, def, ...)                                                 \
    {.key = #field, .type = SCOPE_PARAM_TYPE_TRANSITION,                                           \
     .offset = SCOPE_PARAM_OFFSET(T, field, ScopeTransition), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_LORAS(T, field, def, ...)                                                      \
    {.key = #field, .type = SCOPE_PARAM_TYPE_LORAS,                                                \
     .offset = SCOPE_PARAM_OFFSET(T, field, ScopeLoraList), .default_json = def, __VA_ARGS__}
#define SCOPE_PARAM_CTRL_INPUT(T, field, def, ...)                                                 \
    {.key = #field, .type = SCOPE_PARAM_TYPE_CTRL_INPUT,                                           \
     .offset = SCOPE_PARAM_OFFSET(T, field, ScopeCtrlInput), .default_json = def, __VA_ARGS__}
/* clang-format on */

/* A nullable parameter: the struct holds `gboolean has_<field>` beside the field. */
#define SCOPE_PARAM_NULL_IF_UNSET(T, field)                                                        \
    .offset_set = SCOPE_PARAM_OFFSET(T, has_##field, gboolean)

G_END_DECLS

#endif
