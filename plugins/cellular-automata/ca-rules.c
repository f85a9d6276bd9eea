/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One generation of each rule. Discrete rules work on rows of bytes with compares instead of
 * branches, so that compilers vectorise them.
 */
#include <string.h>

#include "ca-world-private.h"

#define CYCLIC_STATES    14
#define BZ_GAIN          1.15f /* above 1 the waves turn into spirals */
#define GRAY_SCOTT_STEPS 10
#define GRAY_SCOTT_FEED  0.026f /* waves and cells that never come to rest */
#define GRAY_SCOTT_KILL  0.051f

const char *const ca_rule_names[] = {"life",         "highlife",   "day-and-night",
                                     "brians-brain", "star-wars",  "cyclic",
                                     "bz",           "gray-scott", NULL};

/* Sets of neighbour counts as bits, and the number of states (2 = no fading states). */
static const struct {
    guint16 birth;
    guint16 survive;
    guint8 n_states;
} rules[] = {
    [CA_RULE_LIFE] = {1 << 3, 1 << 2 | 1 << 3, 2},
    [CA_RULE_HIGHLIFE] = {1 << 3 | 1 << 6, 1 << 2 | 1 << 3, 2},
    [CA_RULE_DAY_AND_NIGHT] = {1 << 3 | 1 << 6 | 1 << 7 | 1 << 8,
                               1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 8, 2},
    [CA_RULE_BRIANS_BRAIN] = {1 << 2, 0, 3},
    [CA_RULE_STAR_WARS] = {1 << 2, 1 << 3 | 1 << 4 | 1 << 5, 4},
    [CA_RULE_CYCLIC] = {0, 0, CYCLIC_STATES},
    [CA_RULE_BZ] = {0, 0, 2},
    [CA_RULE_GRAY_SCOTT] = {0, 0, 2},
};

guint
ca_rule_states(CaRule rule)
{
    return rules[rule].n_states;
}

void
ca_rules_wrap(const CaWorld *world, guint8 *plane)
{
    gsize stride = world->stride;

    for (guint y = 1; y <= world->height; y++) {
        guint8 *row = plane + y * stride;

        row[0] = row[world->width];
        row[world->width + 1] = row[1];
    }
    memcpy(plane, plane + world->height * stride, stride);
    memcpy(plane + (world->height + 1) * stride, plane + stride, stride);
}

void
ca_rules_wrap_float(const CaWorld *world, gfloat *plane)
{
    gsize stride = world->stride;

    for (guint y = 1; y <= world->height; y++) {
        gfloat *row = plane + y * stride;

        row[0] = row[world->width];
        row[world->width + 1] = row[1];
    }
    memcpy(plane, plane + world->height * stride, stride * sizeof *plane);
    memcpy(plane + (world->height + 1) * stride, plane + stride, stride * sizeof *plane);
}

/* Which of the counts in @n are in @set: 1 or 0 per cell. */
static void
match_counts(const guint8 *restrict n, guint8 *restrict out, guint width, guint16 set)
{
    memset(out, 0, width);
    for (guint count = 0; count <= 8; count++) {
        if (!(set & (1u << count)))
            continue;
        for (guint x = 0; x < width; x++)
            out[x] = (guint8)(out[x] | (n[x] == count));
    }
}

/* Live neighbours of each cell of row @y; @sums has width + 2 entries. */
static void
count_row(const CaWorld *world, guint y, guint8 *restrict sums, guint8 *restrict n)
{
    const guint8 *up = world->alive + (gsize)y * world->stride;
    const guint8 *mid = up + world->stride;
    const guint8 *down = mid + world->stride;

    for (guint x = 0; x < world->width + 2; x++)
        sums[x] = (guint8)(up[x] + mid[x] + down[x]);
    for (guint x = 0; x < world->width; x++)
        n[x] = (guint8)(sums[x] + sums[x + 1] + sums[x + 2] - mid[x + 1]);
}

/* Next state: 0 -> birth, 1 -> survives or fades, fading states go on to 0. */
static void
next_row(const guint8 *restrict state, const guint8 *restrict born, const guint8 *restrict stays,
         guint8 *restrict out, guint width, guint8 n_states)
{
    guint8 faded = n_states > 2 ? 2 : 0;

    for (guint x = 0; x < width; x++) {
        guint8 s = state[x];
        guint8 next = (guint8)(s + 1);

        next = next >= n_states ? 0 : next;
        next = s == 0 ? born[x] : next;
        next = s == 1 ? (stays[x] ? 1 : faded) : next;
        out[x] = next;
    }
}

static void
note_changes(CaWorld *world, guint y, const guint8 *before, const guint8 *after)
{
    guint16 *tiles = world->tile_changes + (y / CA_TILE) * world->tiles_x;

    for (guint x = 0; x < world->width; x += CA_TILE) {
        guint end = MIN(x + CA_TILE, world->width);
        guint n = 0;

        for (guint i = x; i < end; i++)
            n += before[i] != after[i];
        tiles[x / CA_TILE] = (guint16)(tiles[x / CA_TILE] + n);
    }
}

static void
age_row(const guint8 *restrict before, const guint8 *restrict after, guint8 *restrict age,
        guint width)
{
    for (guint x = 0; x < width; x++) {
        guint8 older = (guint8)(age[x] < 255 ? age[x] + 1 : 255);

        age[x] = before[x] == after[x] ? older : 0;
    }
}

static void
step_life_like(CaWorld *world)
{
    guint width = world->width;
    guint8 *n = world->row_next;
    guint8 *born = world->row_next + world->stride;
    guint8 *stays = world->row_next + 2 * (gsize)world->stride;

    for (gsize i = 0; i < world->n_plane; i++)
        world->alive[i] = world->cells[0][i] == 1;
    for (guint y = 0; y < world->height; y++) {
        gsize at = (gsize)(y + 1) * world->stride + 1;

        count_row(world, y, world->row_sums, n);
        match_counts(n, born, width, rules[world->rule].birth);
        match_counts(n, stays, width, rules[world->rule].survive);
        next_row(world->cells[0] + at, born, stays, world->cells[1] + at, width,
                 rules[world->rule].n_states);
    }
}

/* A cell takes the next state when a neighbour has it. */
static void
step_cyclic(CaWorld *world)
{
    gsize stride = world->stride;

    for (guint y = 0; y < world->height; y++) {
        const guint8 *restrict mid = world->cells[0] + (gsize)(y + 1) * stride + 1;
        const guint8 *restrict up = mid - stride;
        const guint8 *restrict down = mid + stride;
        guint8 *restrict out = world->cells[1] + (gsize)(y + 1) * stride + 1;

        for (guint x = 0; x < world->width; x++) {
            guint8 next = (guint8)(mid[x] + 1);
            guint8 eaten;

            next = next >= CYCLIC_STATES ? 0 : next;
            eaten = (guint8)((up[x] == next) | (down[x] == next) | (mid[x + 1] == next) |
                             (mid[(gssize)x - 1] == next));
            out[x] = eaten ? next : mid[x];
        }
    }
}

/* Mean of the 3x3 cells around each cell of a row. */
static void
mean_row(const gfloat *restrict plane, gfloat *restrict out, gsize stride, guint width)
{
    for (guint x = 0; x < width; x++) {
        gssize i = (gssize)x;
        gssize s = (gssize)stride;

        out[i] = (plane[i - s - 1] + plane[i - s] + plane[i - s + 1] + plane[i - 1] + plane[i] +
                  plane[i + 1] + plane[i + s - 1] + plane[i + s] + plane[i + s + 1]) *
                 (1.0f / 9.0f);
    }
}

/* Three chemicals of which each feeds on the next: a' = a (1 + b - c), and round the circle. */
static void
bz_row(const gfloat *restrict a, const gfloat *restrict b, const gfloat *restrict c,
       gfloat *restrict a_out, gfloat *restrict b_out, gfloat *restrict c_out, guint width)
{
    for (guint x = 0; x < width; x++) {
        gfloat a_next = a[x] * (1.0f + BZ_GAIN * b[x] - c[x]);
        gfloat b_next = b[x] * (1.0f + c[x] - BZ_GAIN * a[x]);
        gfloat c_next = c[x] * (1.0f + a[x] - b[x]);

        a_out[x] = CLAMP(a_next, 0.0f, 1.0f);
        b_out[x] = CLAMP(b_next, 0.0f, 1.0f);
        c_out[x] = CLAMP(c_next, 0.0f, 1.0f);
    }
}

static void
swap_float(const CaWorld *world, gfloat **planes)
{
    gfloat *swap = planes[0];

    planes[0] = planes[1];
    planes[1] = swap;
    ca_rules_wrap_float(world, planes[0]);
}

static void
step_bz(CaWorld *world)
{
    gfloat *a = world->row_float;
    gfloat *b = a + world->stride;
    gfloat *c = b + world->stride;

    for (guint y = 0; y < world->height; y++) {
        gsize at = (gsize)(y + 1) * world->stride + 1;

        mean_row(world->u[0] + at, a, world->stride, world->width);
        mean_row(world->v[0] + at, b, world->stride, world->width);
        mean_row(world->w[0] + at, c, world->stride, world->width);
        bz_row(a, b, c, world->u[1] + at, world->v[1] + at, world->w[1] + at, world->width);
    }
    swap_float(world, world->u);
    swap_float(world, world->v);
    swap_float(world, world->w);
    for (gsize i = 0; i < world->n_plane; i++)
        world->cells[1][i] = world->u[0][i] > 0.5f;
}

/* One Euler step of u' = D laplace(u) - u v^2 + F (1 - u), v' = ... + u v^2 - (F + k) v. */
static void
gray_scott_row(const gfloat *restrict u, const gfloat *restrict v, gfloat *restrict u_out,
               gfloat *restrict v_out, gsize stride, guint width, gfloat feed, gfloat kill)
{
    for (guint x = 0; x < width; x++) {
        gssize i = (gssize)x;
        gssize s = (gssize)stride;
        gfloat lap_u = 0.2f * (u[i - 1] + u[i + 1] + u[i - s] + u[i + s]) +
                       0.05f * (u[i - s - 1] + u[i - s + 1] + u[i + s - 1] + u[i + s + 1]) - u[i];
        gfloat lap_v = 0.2f * (v[i - 1] + v[i + 1] + v[i - s] + v[i + s]) +
                       0.05f * (v[i - s - 1] + v[i - s + 1] + v[i + s - 1] + v[i + s + 1]) - v[i];
        gfloat reaction = u[i] * v[i] * v[i];

        u_out[i] = u[i] + lap_u - reaction + feed * (1.0f - u[i]);
        v_out[i] = v[i] + 0.5f * lap_v + reaction - (feed + kill) * v[i];
    }
}

static void
step_gray_scott(CaWorld *world)
{
    for (guint step = 0; step < GRAY_SCOTT_STEPS; step++) {
        for (guint y = 0; y < world->height; y++) {
            gsize at = (gsize)(y + 1) * world->stride + 1;
            gray_scott_row(world->u[0] + at, world->v[0] + at, world->u[1] + at, world->v[1] + at,
                           world->stride, world->width, GRAY_SCOTT_FEED, GRAY_SCOTT_KILL);
        }
        swap_float(world, world->u);
        swap_float(world, world->v);
    }
    /* Cells mirror the chemical, so that quiet regions are found as with the other rules. */
    for (gsize i = 0; i < world->n_plane; i++)
        world->cells[1][i] = world->v[0][i] > 0.18f;
}

void
ca_rules_step(CaWorld *world)
{
    guint8 *swap;

    switch (world->rule) {
    case CA_RULE_CYCLIC:
        step_cyclic(world);
        break;
    case CA_RULE_BZ:
        step_bz(world);
        break;
    case CA_RULE_GRAY_SCOTT:
        step_gray_scott(world);
        break;
    case CA_RULE_LIFE:
    case CA_RULE_HIGHLIFE:
    case CA_RULE_DAY_AND_NIGHT:
    case CA_RULE_BRIANS_BRAIN:
    case CA_RULE_STAR_WARS:
    default:
        step_life_like(world);
        break;
    }
    memset(world->tile_changes, 0,
           (gsize)world->tiles_x * world->tiles_y * sizeof *world->tile_changes);
    for (guint y = 0; y < world->height; y++) {
        gsize at = (gsize)(y + 1) * world->stride + 1;

        note_changes(world, y, world->cells[0] + at, world->cells[1] + at);
        age_row(world->cells[0] + at, world->cells[1] + at, world->age + at, world->width);
    }
    swap = world->cells[0];
    world->cells[0] = world->cells[1];
    world->cells[1] = swap;
    ca_rules_wrap(world, world->cells[0]);
    world->generation++;
}
