/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of the binary interface between the program and its pipelines, and the small
 * vocabulary that every public header shares. Public headers need GLib and nothing else.
 */
#ifndef SCOPE_API_H
#define SCOPE_API_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * SCOPE_ABI_VERSION:
 *
 * Grows by one with every incompatible change of a public structure. A plugin that was built for
 * another value is listed as failed, with both numbers, and never called.
 */
#define SCOPE_ABI_VERSION 2u

/** SCOPE_EXPORT: marks the one symbol that a plugin exports. */
#define SCOPE_EXPORT __attribute__((visibility("default")))

/**
 * ScopeMode:
 * @SCOPE_MODE_TEXT: the pipeline generates without input frames
 * @SCOPE_MODE_VIDEO: the pipeline transforms input frames
 *
 * The two modes of the wire contract. Also used as bit numbers: see SCOPE_MODE_BIT().
 */
typedef enum {
    SCOPE_MODE_TEXT = 0,
    SCOPE_MODE_VIDEO = 1,
} ScopeMode;

#define SCOPE_MODE_BIT(mode) (1u << (mode))
#define SCOPE_MODES_BOTH     (SCOPE_MODE_BIT(SCOPE_MODE_TEXT) | SCOPE_MODE_BIT(SCOPE_MODE_VIDEO))

/** SCOPE_TIME_NONE: a time in microseconds that is not known. */
#define SCOPE_TIME_NONE G_MININT64

G_END_DECLS

#endif
