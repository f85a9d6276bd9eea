/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a case and what scope-goldens does with it. Main thread only. */
#pragma once

#include "golden-case.h"

struct _GoldenCase {
    char *folder;
    char *name;
    const char *family;
    const char *kind;
    gboolean prefixed; /* "in." and "out." in front of tensor names */
    int n_threads;
    gboolean int8;     /* errors with 8-bit weights are measured, not judged */
    gboolean int8_ran; /* the handler has a model that takes them */
    JsonParser *parser;
    JsonObject *root;
    ScopeCheckpoint *io; /* (nullable) */
    ScopeCheckpoint *weights;
    GPtrArray *opened;  /* checkpoints of golden_open() */
    GPtrArray *memory;  /* g_free: copies and results */
    GHashTable *loaded; /* full name -> GoldenTensor */
    GHashTable *used;   /* full names that were read, checked or excused */

    char *missing; /* (nullable): the last input that was asked for and is not there */

    /* verdict */
    guint n_checks;
    guint n_failures;
    GString *report;    /* a line a failure */
    double worst_ratio; /* error / tolerance of the worst tensor; relative L2 with int8 */
    double worst_error;
    double worst_tolerance;
    char *worst_name;
};

/* Reads case.json of @folder; NULL with @error set when it is in neither format. */
GoldenCase *golden_case_open(const char *folder, int n_threads, gboolean int8, GError **error);
void golden_case_close(GoldenCase *c);

/* Records a failure line. */
void golden_fail(GoldenCase *c, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Fails the case for every tensor that nobody used. */
void golden_check_unused(GoldenCase *c);

/* Finds an expected tensor and marks it used; records a failure when it is absent. */
const GoldenTensor *golden_take_out(GoldenCase *c, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(GoldenCase, golden_case_close)
