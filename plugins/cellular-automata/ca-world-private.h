/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the world share. */
#ifndef CA_WORLD_PRIVATE_H
#define CA_WORLD_PRIVATE_H

#include "ca-world.h"

/** CA_TILE: edge of the regions whose activity is watched, in cells. */
#define CA_TILE 16

/*
 * Planes have one row and one column more on each side, kept equal to the opposite edge, so that
 * the inner loops see a flat array. Cell (x, y) lies at (y + 1) * stride + x + 1.
 */
struct _CaWorld {
    guint width;
    guint height;
    guint stride;
    gsize n_plane;
    CaRule rule;
    guint64 rng;
    guint64 generation;
    guint rest_generations; /* no waking before these have passed */

    guint8 *cells[2]; /* states; [0] is current */
    guint8 *alive;    /* 0 or 1, for rules that count one state */
    guint8 *age;      /* generations that a cell has its state, saturating */
    gfloat *u[2];     /* chemicals of CA_RULE_GRAY_SCOTT (two) and CA_RULE_BZ (three) */
    gfloat *v[2];
    gfloat *w[2];

    guint8 *row_sums; /* scratch, one row */
    guint8 *row_next;
    gfloat *row_float;

    guint tiles_x;
    guint tiles_y;
    guint16 *tile_changes; /* in this generation */
    guint16 *tile_quiet;   /* generations with hardly a change */
};

/** ca_random: the next 32 random bits (splitmix64). */
static inline guint32
ca_random(CaWorld *world)
{
    guint64 z = world->rng += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (guint32)((z ^ (z >> 31)) >> 32);
}

/** ca_random_below: 0..n-1. */
static inline guint32
ca_random_below(CaWorld *world, guint32 n)
{
    return (guint32)(((guint64)ca_random(world) * n) >> 32);
}

/** ca_rule_states: states of a discrete rule. */
guint ca_rule_states(CaRule rule);

/** ca_rules_step: one generation of the current rule, without waking. */
void ca_rules_step(CaWorld *world);

/** ca_rules_wrap: copies the edges of a byte plane to its border. */
void ca_rules_wrap(const CaWorld *world, guint8 *plane);

/** ca_rules_wrap_float: the same for a float plane. */
void ca_rules_wrap_float(const CaWorld *world, gfloat *plane);

#endif
