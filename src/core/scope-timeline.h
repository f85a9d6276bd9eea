/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A timeline: which prompts to show when, and which parameters change when. Read from the timeline
 * files of the web page (versions 1.x, 2.0 and 2.1), from workflow files, and from JSON Lines of
 * prompts. Immutable once read, any thread.
 */
#ifndef SCOPE_TIMELINE_H
#define SCOPE_TIMELINE_H

#include <json-glib/json-glib.h>
#include <scope/scope-param.h>

G_BEGIN_DECLS

/**
 * ScopeTimelineBlock:
 * @start_s: seconds from the beginning
 * @end_s: seconds from the beginning, > @start_s
 * @prompts: (array length=n_prompts): texts and weights, at least one
 * @n_prompts: how many
 * @transition_steps: chunks of the change into this block, or -1 = the pipeline's default
 * @transition_method: (nullable): `linear` or `slerp`
 */
typedef struct {
    gdouble start_s;
    gdouble end_s;
    ScopePrompt *prompts;
    guint n_prompts;
    gint transition_steps;
    const char *transition_method;
} ScopeTimelineBlock;

/**
 * ScopeTimelineChange:
 * @time_s: seconds from the beginning
 * @values: parameters by the names of the data channel
 */
typedef struct {
    gdouble time_s;
    JsonObject *values;
} ScopeTimelineChange;

/**
 * ScopeTimeline:
 * @blocks: (element-type ScopeTimelineBlock): in ascending order, without overlap
 * @changes: (element-type ScopeTimelineChange): in ascending order
 * @pipeline_id: (nullable): the pipeline that the file was made with
 * @parameters: settings of the file as the server's parameters (`base_seed`, `noise_scale` ...)
 */
typedef struct {
    GPtrArray *blocks;
    GPtrArray *changes;
    char *pipeline_id;
    JsonObject *parameters;
} ScopeTimeline;

/**
 * scope_timeline_parse:
 * @text: UTF-8, at most 16 MiB
 * @n_bytes: length of @text
 * @name: what messages call the file
 * @error: (nullable): set on failure
 *
 * Reads a timeline. Entries of no length are dropped; overlapping ones are cut where the next
 * begins. Each line of a JSON Lines file lasts five seconds. Changes of `paused` and `input_mode`,
 * which are no settings of a picture, are left out.
 *
 * Thread: any.
 * Errors: SCOPE_CORE_ERROR_INVALID, with the entry and what is wrong with it.
 * Returns: (transfer full): the timeline, or %NULL with @error set.
 */
ScopeTimeline *scope_timeline_parse(const char *text, gsize n_bytes, const char *name,
                                    GError **error);

/** scope_timeline_free: (nullable). Thread: any. */
void scope_timeline_free(ScopeTimeline *timeline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ScopeTimeline, scope_timeline_free)

/**
 * scope_timeline_find:
 * @timeline: borrowed
 * @time_s: seconds from the beginning
 *
 * Thread: any.
 * Returns: (transfer none) (nullable): the block at @time_s; the last one after its end, the first
 *   one before its start, %NULL only for an empty timeline.
 */
const ScopeTimelineBlock *scope_timeline_find(const ScopeTimeline *timeline, gdouble time_s);

/**
 * scope_timeline_block_build_message:
 * @block: borrowed
 * @is_first: the block begins the video: its prompts apply at once
 * @default_steps: transition of blocks that name none
 *
 * Thread: any.
 * Returns: (transfer full): what a client would send when the block begins: `prompts` or
 *   `transition`.
 */
JsonObject *scope_timeline_block_build_message(const ScopeTimelineBlock *block, gboolean is_first,
                                               guint default_steps);

/**
 * scope_timeline_add_changes:
 * @timeline: borrowed
 * @after_s: seconds from the beginning, or less than 0 for all until @until_s
 * @until_s: seconds from the beginning
 * @message: (nullable) (transfer full): gets the members, later ones over earlier ones
 *
 * What changes after @after_s, up to and with @until_s.
 *
 * Thread: any.
 * Returns: (transfer full) (nullable): @message, or a new object where there is something to tell.
 */
JsonObject *scope_timeline_add_changes(const ScopeTimeline *timeline, gdouble after_s,
                                       gdouble until_s, JsonObject *message);

G_END_DECLS

#endif
