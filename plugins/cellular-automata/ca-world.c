/* SPDX-License-Identifier: Apache-2.0 */
/* The world: memory, seeding, painting, waking of quiet regions, and what is shown of it. */
#include "ca-world.h"

#include <math.h>
#include <string.h>

#include "ca-world-private.h"

#define QUIET_CHANGES    14  /* changes a generation in a tile that still count as quiet */
#define QUIET_LIMIT      140 /* generations after which a quiet tile may be woken */
#define REST_AFTER_CLEAR 240
#define WARM_UP          60 /* generations in which noise becomes waves */

CaWorld *
ca_world_new(guint width, guint height)
{
    CaWorld *self = g_new0(CaWorld, 1);

    g_return_val_if_fail(width >= 8 && height >= 8, NULL);

    self->width = width;
    self->height = height;
    self->stride = width + 2;
    self->n_plane = (gsize)self->stride * (height + 2);
    for (guint i = 0; i < 2; i++) {
        self->cells[i] = g_malloc0(self->n_plane);
        self->u[i] = g_new0(gfloat, self->n_plane);
        self->v[i] = g_new0(gfloat, self->n_plane);
        self->w[i] = g_new0(gfloat, self->n_plane);
    }
    self->alive = g_malloc0(self->n_plane);
    self->age = g_malloc0(self->n_plane);
    self->row_sums = g_malloc0(self->stride);
    self->row_next = g_malloc0(3 * (gsize)self->stride);
    self->row_float = g_new0(gfloat, 3 * (gsize)self->stride);
    self->tiles_x = (width + CA_TILE - 1) / CA_TILE;
    self->tiles_y = (height + CA_TILE - 1) / CA_TILE;
    self->tile_changes = g_new0(guint16, (gsize)self->tiles_x * self->tiles_y);
    self->tile_quiet = g_new0(guint16, (gsize)self->tiles_x * self->tiles_y);
    return self;
}

void
ca_world_free(CaWorld *self)
{
    if (self == NULL)
        return;
    for (guint i = 0; i < 2; i++) {
        g_free(self->cells[i]);
        g_free(self->u[i]);
        g_free(self->v[i]);
        g_free(self->w[i]);
    }
    g_free(self->alive);
    g_free(self->age);
    g_free(self->row_sums);
    g_free(self->row_next);
    g_free(self->row_float);
    g_free(self->tile_changes);
    g_free(self->tile_quiet);
    g_free(self);
}

guint
ca_world_get_width(const CaWorld *self)
{
    return self->width;
}

guint
ca_world_get_height(const CaWorld *self)
{
    return self->height;
}

void
ca_world_set_seed(CaWorld *self, guint64 seed)
{
    self->rng = seed * 0x2545f4914f6cdd1du + 0x632be59bd9b4e019u;
}

static gsize
cell_at(const CaWorld *self, guint x, guint y)
{
    return (gsize)(y + 1) * self->stride + x + 1;
}

/* A live cell at random, or one at rest. */
static void
seed_cell(CaWorld *self, gsize at, gboolean live)
{
    guint n_states = ca_rule_states(self->rule);

    self->age[at] = 0;
    switch (self->rule) {
    case CA_RULE_CYCLIC:
        self->cells[0][at] = (guint8)ca_random_below(self, n_states);
        break;
    case CA_RULE_BZ:
        self->u[0][at] = (gfloat)ca_random_below(self, 1024) / 1024.0f;
        self->v[0][at] = (gfloat)ca_random_below(self, 1024) / 1024.0f;
        self->w[0][at] = (gfloat)ca_random_below(self, 1024) / 1024.0f;
        self->cells[0][at] = self->u[0][at] > 0.5f;
        break;
    case CA_RULE_GRAY_SCOTT:
        self->u[0][at] = live ? 0.35f : 1.0f;
        self->v[0][at] = live ? 0.5f : 0.0f;
        self->cells[0][at] = live ? 1 : 0;
        break;
    case CA_RULE_LIFE:
    case CA_RULE_HIGHLIFE:
    case CA_RULE_DAY_AND_NIGHT:
    case CA_RULE_BRIANS_BRAIN:
    case CA_RULE_STAR_WARS:
    default:
        self->cells[0][at] = live ? 1 : 0;
        break;
    }
}

static void
wrap_all(CaWorld *self)
{
    ca_rules_wrap(self, self->cells[0]);
    ca_rules_wrap_float(self, self->u[0]);
    ca_rules_wrap_float(self, self->v[0]);
    ca_rules_wrap_float(self, self->w[0]);
}

/* Rules without a state of rest: a seed replaces every cell. */
static gboolean
takes_all(const CaWorld *self)
{
    return self->rule == CA_RULE_CYCLIC || self->rule == CA_RULE_BZ;
}

/* A disc in which each cell lives with the given chance of 65536. */
static void
splash(CaWorld *self, gint center_x, gint center_y, gint radius, guint32 chance)
{
    gint w = (gint)self->width;
    gint h = (gint)self->height;

    for (gint dy = -radius; dy <= radius; dy++) {
        for (gint dx = -radius; dx <= radius; dx++) {
            guint x = (guint)(((center_x + dx) % w + w) % w);
            guint y = (guint)(((center_y + dy) % h + h) % h);
            gboolean live = ca_random_below(self, 65536) < chance;

            if (dx * dx + dy * dy <= radius * radius && (live || takes_all(self)))
                seed_cell(self, cell_at(self, x, y), live);
        }
    }
}

static void
seed_noise(CaWorld *self, gdouble density)
{
    guint32 chance = (guint32)(CLAMP(density, 0.0, 1.0) * 65536.0);

    /* Day and night mirror each other; only near one half neither wins at once. */
    if (self->rule == CA_RULE_DAY_AND_NIGHT)
        chance = 32768 - 1229 + chance / 16;

    for (guint y = 0; y < self->height; y++) {
        for (guint x = 0; x < self->width; x++)
            seed_cell(self, cell_at(self, x, y), ca_random_below(self, 65536) < chance);
    }
}

/* Chemicals and waves need seeds with an extent, not single cells. */
static void
seed_blots(CaWorld *self, gdouble density)
{
    guint n = 3 + (guint)(density * (gdouble)self->width * self->height / 900.0);

    for (gsize i = 0; i < self->n_plane; i++) {
        self->cells[0][i] = 0;
        self->u[0][i] = 1.0f;
        self->v[0][i] = 0.0f;
    }
    for (guint i = 0; i < n; i++)
        splash(self, (gint)ca_random_below(self, self->width),
               (gint)ca_random_below(self, self->height), 2 + (gint)ca_random_below(self, 4),
               60000);
}

void
ca_world_randomize(CaWorld *self, CaRule rule, gdouble density)
{
    self->rule = rule;
    self->rest_generations = 0;
    memset(self->age, 0, self->n_plane);
    memset(self->tile_quiet, 0, (gsize)self->tiles_x * self->tiles_y * sizeof *self->tile_quiet);
    if (rule == CA_RULE_GRAY_SCOTT)
        seed_blots(self, density);
    else
        seed_noise(self, density);
    wrap_all(self);
    /* Noise becomes waves first. */
    for (guint i = 0; takes_all(self) && i < WARM_UP; i++)
        ca_rules_step(self);
}

void
ca_world_clear(CaWorld *self)
{
    memset(self->cells[0], 0, self->n_plane);
    memset(self->age, 255, self->n_plane);
    for (gsize i = 0; i < self->n_plane; i++) {
        self->u[0][i] = self->rule == CA_RULE_BZ ? 0.0f : 1.0f;
        self->v[0][i] = 0.0f;
        self->w[0][i] = 0.0f;
    }
    self->rest_generations = REST_AFTER_CLEAR;
}

/* A little life where hardly anything has moved for long; one place in a generation at most. */
static void
wake_quiet(CaWorld *self)
{
    guint n_tiles = self->tiles_x * self->tiles_y;
    guint n_quiet = 0;
    guint chosen = 0;

    for (guint i = 0; i < n_tiles; i++) {
        if (self->tile_changes[i] > QUIET_CHANGES)
            self->tile_quiet[i] = 0;
        else if (self->tile_quiet[i] < G_MAXUINT16)
            self->tile_quiet[i]++;
        n_quiet += self->tile_quiet[i] > QUIET_LIMIT;
    }
    if (self->rest_generations > 0) {
        self->rest_generations--;
        return;
    }
    /* The more is quiet, the more often. */
    if (n_quiet == 0 || ca_random_below(self, n_tiles) >= n_quiet || ca_random_below(self, 6) != 0)
        return;
    chosen = ca_random_below(self, n_quiet);
    for (guint i = 0; i < n_tiles; i++) {
        if (self->tile_quiet[i] <= QUIET_LIMIT || chosen-- > 0)
            continue;
        self->tile_quiet[i] = 0;
        splash(self, (gint)(i % self->tiles_x * CA_TILE + ca_random_below(self, CA_TILE)),
               (gint)(i / self->tiles_x * CA_TILE + ca_random_below(self, CA_TILE)),
               3 + (gint)ca_random_below(self, 5), 24000);
        wrap_all(self);
        return;
    }
}

void
ca_world_step(CaWorld *self)
{
    ca_rules_step(self);
    wake_quiet(self);
}

void
ca_world_paint(CaWorld *self, gint x, gint y, gint radius, gboolean erase)
{
    gint w = (gint)self->width;
    gint h = (gint)self->height;

    if (!erase) {
        splash(self, x, y, radius, self->rule == CA_RULE_GRAY_SCOTT ? 65536 : 32768);
    } else {
        for (gint dy = -radius; dy <= radius; dy++) {
            for (gint dx = -radius; dx <= radius; dx++) {
                gsize at =
                    cell_at(self, (guint)(((x + dx) % w + w) % w), (guint)(((y + dy) % h + h) % h));

                if (dx * dx + dy * dy > radius * radius)
                    continue;
                self->cells[0][at] = 0;
                self->u[0][at] = self->rule == CA_RULE_BZ ? 0.0f : 1.0f;
                self->v[0][at] = 0.0f;
                self->w[0][at] = 0.0f;
            }
        }
    }
    wrap_all(self);
}

guint
ca_world_count(const CaWorld *self)
{
    guint n = 0;

    for (guint y = 0; y < self->height; y++) {
        const guint8 *row = self->cells[0] + cell_at(self, 0, y);

        for (guint x = 0; x < self->width; x++)
            n += row[x] != 0;
    }
    return n;
}

/* -- What is shown --------------------------------------------------------------------------- */

/* Brightness of each state; for living cells it sinks with age towards a calm level. */
static void
fill_levels(const CaWorld *self, gfloat *by_state, gfloat *by_age)
{
    guint n = ca_rule_states(self->rule);
    gfloat calm = self->rule == CA_RULE_DAY_AND_NIGHT ? 0.3f : 0.45f;

    for (guint i = 0; i < 256; i++) {
        gfloat phase = (gfloat)i / (gfloat)n;

        by_age[i] = calm + (1.0f - calm) * expf(-(gfloat)i / 14.0f);
        if (self->rule == CA_RULE_CYCLIC)
            by_state[i] = 0.5f - 0.5f * cosf(2.0f * (gfloat)G_PI * phase);
        else
            by_state[i] = i == 0   ? 0.0f
                          : i == 1 ? 1.0f
                                   : 0.75f * (1.0f - (gfloat)(i - 1) / (gfloat)n);
    }
}

static void
shade_smooth(const gfloat *restrict target, gfloat *restrict values, guint width, gfloat follow)
{
    for (guint x = 0; x < width; x++)
        values[x] += (target[x] - values[x]) * follow;
}

static void
shade_trail(const gfloat *restrict target, gfloat *restrict values, guint width, gfloat keep)
{
    for (guint x = 0; x < width; x++) {
        gfloat faded = values[x] * keep;

        /* Living cells settle towards their level, dead ones fade from a dimmer trace. */
        values[x] = target[x] > 0.0f ? target[x] : MIN(faded, 0.62f);
    }
}

void
ca_world_shade(const CaWorld *self, gfloat *values, gfloat trail)
{
    gboolean smooth = self->rule >= CA_RULE_CYCLIC;
    gfloat keep = 0.5f + 0.485f * sqrtf(CLAMP(trail, 0.0f, 1.0f));
    gfloat follow = 1.0f - 0.85f * CLAMP(trail, 0.0f, 1.0f);
    g_autofree gfloat *target = g_new(gfloat, self->width);
    gfloat by_state[256];
    gfloat by_age[256];

    fill_levels(self, by_state, by_age);
    for (guint y = 0; y < self->height; y++) {
        gsize at = cell_at(self, 0, y);

        for (guint x = 0; x < self->width; x++) {
            guint8 state = self->cells[0][at + x];

            if (self->rule == CA_RULE_GRAY_SCOTT)
                target[x] = CLAMP((self->v[0][at + x] - 0.06f) * 3.0f, 0.0f, 1.0f);
            else if (self->rule == CA_RULE_BZ)
                target[x] = self->u[0][at + x] * 0.8f + 0.2f * self->w[0][at + x];
            else
                target[x] =
                    by_state[state] * (state == 1 && !smooth ? by_age[self->age[at + x]] : 1.0f);
        }
        /* Ridges stand out from the plain. */
        for (guint x = 0; self->rule == CA_RULE_GRAY_SCOTT && x < self->width; x++)
            target[x] *= target[x];
        if (smooth)
            shade_smooth(target, values + (gsize)y * self->width, self->width, follow);
        else
            shade_trail(target, values + (gsize)y * self->width, self->width, keep);
    }
}
