/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of sessions and timelines: whatever the text is, a result that can be asked, or a reason. */
#include <stddef.h>
#include <stdint.h>

#include "core/scope-assert.h"
#include "core/scope-replay-log.h"
#include "core/scope-timeline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) reason = NULL;
    g_autoptr(ScopeReplay) replay = scope_replay_parse((const char *)data, size, "log", &error);
    g_autoptr(ScopeTimeline) timeline =
        scope_timeline_parse((const char *)data, size, "timeline", &reason);

    SCOPE_ASSERT((replay == NULL) == (error != NULL));
    SCOPE_ASSERT((timeline == NULL) == (reason != NULL));
    if (replay != NULL) {
        const ScopeReplayNode *node = replay->nodes->pdata[0];
        JsonObject *params = scope_replay_build_params(replay, node->node_id, 0);

        g_clear_pointer(&params, json_object_unref);
    }
    if (timeline != NULL) {
        const ScopeTimelineBlock *block = scope_timeline_find(timeline, 1.0);
        g_autoptr(JsonObject) message =
            block != NULL ? scope_timeline_block_build_message(block, FALSE, 4) : NULL;
        g_autoptr(JsonObject) all = scope_timeline_add_changes(timeline, -1.0, 1e9, NULL);
        SCOPE_ASSERT((message == NULL) == (block == NULL));
        SCOPE_ASSERT(all == NULL || timeline->changes->len > 0);
    }
    return 0;
}
