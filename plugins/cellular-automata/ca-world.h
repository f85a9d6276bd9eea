/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world of cells on a torus and the rules that drive it. Owned by one stream, one thread. The
 * same seed and the same calls give the same cells on every machine.
 */
#ifndef CA_WORLD_H
#define CA_WORLD_H

#include <glib.h>

/** CaRule: what drives the world; the order is that of ca_rule_names. */
typedef enum {
    CA_RULE_LIFE = 0,
    CA_RULE_HIGHLIFE,
    CA_RULE_DAY_AND_NIGHT,
    CA_RULE_BRIANS_BRAIN,
    CA_RULE_STAR_WARS,
    CA_RULE_CYCLIC,
    CA_RULE_BZ,
    CA_RULE_GRAY_SCOTT,
} CaRule;

/** ca_rule_names: names of the rules, %NULL-terminated. */
extern const char *const ca_rule_names[];

/** CaWorld: opaque. */
typedef struct _CaWorld CaWorld;

/**
 * ca_world_new:
 * @width: cells, >= 8
 * @height: cells, >= 8
 *
 * Returns: (transfer full): an empty world of CA_RULE_LIFE.
 */
CaWorld *ca_world_new(guint width, guint height);

/** ca_world_free: (nullable). */
void ca_world_free(CaWorld *world);

/** ca_world_get_width: cells. */
guint ca_world_get_width(const CaWorld *world);

/** ca_world_get_height: cells. */
guint ca_world_get_height(const CaWorld *world);

/** ca_world_set_seed: restarts the random numbers. */
void ca_world_set_seed(CaWorld *world, guint64 seed);

/** ca_world_randomize: fills the world by @rule with about @density (0..1) of live cells. */
void ca_world_randomize(CaWorld *world, CaRule rule, gdouble density);

/** ca_world_clear: empties the world and lets it stay empty for a while. */
void ca_world_clear(CaWorld *world);

/** ca_world_step: one generation; wakes regions that have been quiet for long. */
void ca_world_step(CaWorld *world);

/**
 * ca_world_paint:
 * @x: centre in cells, may lie outside: the world is a torus
 * @y: the same
 * @radius: in cells
 * @erase: whether cells are removed instead of made
 */
void ca_world_paint(CaWorld *world, gint x, gint y, gint radius, gboolean erase);

/**
 * ca_world_shade:
 * @values: (array length=width*height): what is shown, 0..1, updated in place
 * @trail: 0..1, how long what was there fades
 */
void ca_world_shade(const CaWorld *world, gfloat *values, gfloat trail);

/** ca_world_count: cells that are not at rest, for tests. */
guint ca_world_count(const CaWorld *world);

#endif
