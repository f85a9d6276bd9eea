/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler of scope-goldens sees of one case: its configuration, its tensors, its weights,
 * and the functions that compare. A case owns everything it hands out (copies, checkpoints,
 * strings); all of it lives until the case ends. One thread a case.
 *
 * A handler is a function GoldenRun for one family (folder kind) and a pattern of kinds, entered in
 * golden-families.c. It reads inputs with golden_in_*(), computes, and hands every result to
 * golden_check_*(). A check never ends the handler: it records the worst error and the verdict.
 * What the handler cannot do (a configuration it does not know, a model that does not load) it
 * returns as FALSE with an error. After the handler, a tensor of io.safetensors that was neither
 * read nor checked nor excused with golden_excuse() fails the case, so nothing is skipped by
 * accident.
 *
 * Two formats (see the READMEs beside the goldens):
 *                  "kinds"  (wan-dit)                     "models" (the others)
 *   recognised by  "kind" in case.json                    "model" in case.json
 *   family, kind   "wan-dit", case.json's "kind"          "model", "case"
 *   configuration  "model", "run"                         "config" and facts at the top level
 *   tensors        "in.NAME", "out.NAME"                  "NAME"
 *   weights        weights.safetensors or storage.file    "weights", relative; null = none
 *   tolerance      absolute, by first name component      atol + rtol * |want|, one for the case
 * Names given to the functions below are without "in." and "out.", so that handlers need not care.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "engine/checkpoint/scope-checkpoint.h"

G_BEGIN_DECLS

#define GOLDEN_ERROR (golden_error_quark())

typedef enum {
    GOLDEN_ERROR_CASE,           /* case.json or its files are broken or contradict themselves */
    GOLDEN_ERROR_NOT_UNDERSTOOD, /* the handler or the table does not know this case */
} GoldenError;

GQuark golden_error_quark(void);

typedef struct _GoldenCase GoldenCase;

/**
 * GoldenRun:
 * @c: the case
 * @error: set on failure
 *
 * Runs one case. Thread: main. Errors: anything that keeps it from comparing.
 * Returns: TRUE when everything was computed and handed to checks (whatever their verdict).
 */
typedef gboolean (*GoldenRun)(GoldenCase *c, GError **error);

/**
 * GoldenHandler: one line of the table
 * @family: "wan-dit" or the value of "model"
 * @kind: glob pattern ('*', '?') for the kind; the first line that matches wins
 * @run: the handler
 */
typedef struct {
    const char *family;
    const char *kind;
    GoldenRun run;
} GoldenHandler;

/** golden_handlers: all handlers; ends with a line of NULLs (golden-families.c). */
extern const GoldenHandler golden_handlers[];

/* -- What the case is ------------------------------------------------------------------------- */

/**
 * golden_get_name: (also golden_get_family, golden_get_kind, golden_get_folder)
 * @c: a case
 *
 * The name is "family/folder" for messages; the folder is a path.
 * Thread: main. Errors: none. Returns: (transfer none): the text.
 */
const char *golden_get_name(const GoldenCase *c);
const char *golden_get_family(const GoldenCase *c);
const char *golden_get_kind(const GoldenCase *c);
const char *golden_get_folder(const GoldenCase *c);

/** golden_get_n_threads: the cores that the engine may use (--threads). Thread: main. */
int golden_get_n_threads(const GoldenCase *c);

/**
 * golden_wants_int8:
 * @c: a case
 *
 * Asked by a handler whose model can be loaded with 8-bit weights. With --int8 the differences of
 * this case are then measured and shown, and no tolerance is applied.
 * Thread: main. Errors: none. Returns: TRUE when the model is to be loaded that way.
 */
gboolean golden_wants_int8(GoldenCase *c);

/**
 * golden_get_path:
 * @c: a case
 * @name: file name relative to the case folder
 *
 * Thread: main. Errors: none. Returns: (transfer none): the path, owned by the case.
 */
const char *golden_get_path(GoldenCase *c, const char *name);

/* -- Configuration: @path names a member, "run.calls" or "config.dim" ------------------------- */

/**
 * golden_node:
 * @c: a case
 * @path: member names joined by '.', from the top of case.json
 *
 * Thread: main. Errors: none.
 * Returns: (transfer none) (nullable): the JSON node; NULL when it is absent or null.
 */
JsonNode *golden_node(const GoldenCase *c, const char *path);

/**
 * golden_int: (also golden_double, golden_bool, golden_string)
 * @c: a case
 * @path: as for golden_node()
 * @fallback: the value when the member is absent
 *
 * A member of another JSON type counts as absent, except that an integer is a double too.
 * Thread: main. Errors: none. Returns: the value; strings are owned by the case.
 */
gint64 golden_int(const GoldenCase *c, const char *path, gint64 fallback);
double golden_double(const GoldenCase *c, const char *path, double fallback);
gboolean golden_bool(const GoldenCase *c, const char *path, gboolean fallback);
const char *golden_string(const GoldenCase *c, const char *path, const char *fallback);

/**
 * golden_require_int:
 * @c: a case
 * @path: as for golden_node()
 * @ret_value: the value
 * @error: set when the member is absent
 *
 * Thread: main. Errors: GOLDEN_ERROR_CASE. Returns: TRUE on success.
 */
gboolean golden_require_int(const GoldenCase *c, const char *path, gint64 *ret_value,
                            GError **error);

/**
 * golden_doubles: (also golden_ints)
 * @c: a case
 * @path: names an array of numbers
 * @ret_n: its length; 0 when absent
 *
 * Thread: main. Errors: none.
 * Returns: (transfer none) (nullable): the values, owned by the case; NULL when absent.
 */
const double *golden_doubles(GoldenCase *c, const char *path, int *ret_n);
const gint64 *golden_ints(GoldenCase *c, const char *path, int *ret_n);

/**
 * golden_not_understood:
 * @error: set
 * @format: what the handler does not know
 *
 * Thread: main. Errors: always. Returns: FALSE, to be returned by the handler.
 */
gboolean golden_not_understood(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* -- Inputs and weights ----------------------------------------------------------------------- */

/**
 * GoldenTensor: an input or an expected output, contiguous
 * @rank: number of dimensions
 * @shape: [rank]
 * @n: number of elements
 * @f32: [n] the values as f32
 * @i64: (nullable): [n] the values as integers, when the stored type is an integer type
 * @stored: as the file has it
 */
typedef struct {
    int rank;
    gint64 shape[SCOPE_CHECKPOINT_MAX_RANK];
    gint64 n;
    const float *f32;
    const gint64 *i64;
    const ScopeCheckpointTensor *stored;
} GoldenTensor;

/**
 * golden_in:
 * @c: a case
 * @name: tensor name without "in."
 * @error: set when it is absent
 *
 * Reads an input and marks it as used.
 * Thread: main. Errors: GOLDEN_ERROR_CASE.
 * Returns: (transfer none): the tensor, owned by the case, or NULL with @error set.
 */
const GoldenTensor *golden_in(GoldenCase *c, const char *name, GError **error);

/**
 * golden_has_in: (also golden_has_out)
 * @c: a case
 * @name: tensor name without "in." or "out."
 *
 * In the "models" format both look for the bare name.
 * Thread: main. Errors: none. Returns: TRUE when the tensor is there.
 */
gboolean golden_has_in(const GoldenCase *c, const char *name);
gboolean golden_has_out(const GoldenCase *c, const char *name);

/**
 * golden_out:
 * @c: a case
 * @name: tensor name without "out."
 *
 * The expected value itself, for the shape of a result or for feeding one stage with the reference
 * of the stage before. Does not count as a check.
 * Thread: main. Errors: none.
 * Returns: (transfer none) (nullable): the tensor or NULL.
 */
const GoldenTensor *golden_out(GoldenCase *c, const char *name);

/**
 * golden_list:
 * @c: a case
 * @pattern: (nullable): glob over the names in io.safetensors, with "in." and "out."; NULL for all
 *
 * Thread: main. Errors: none.
 * Returns: (transfer none) (array zero-terminated=1): names in file order, owned by the case.
 */
const char *const *golden_list(GoldenCase *c, const char *pattern);

/**
 * golden_io:
 * @c: a case
 *
 * Thread: main. Errors: none.
 * Returns: (transfer none) (nullable): io.safetensors, NULL when the case has none.
 */
ScopeCheckpoint *golden_io(const GoldenCase *c);

/**
 * golden_weights:
 * @c: a case
 * @error: set on failure
 *
 * Opens the weights of the case as a model loader gets them: the whole file, wrapping keys and
 * prefixes not removed (scope_checkpoint_select() does that).
 * Thread: main. Errors: those of scope_checkpoint_open(), GOLDEN_ERROR_CASE when there are none.
 * Returns: (transfer none): the checkpoint, owned by the case, or NULL with @error set.
 */
ScopeCheckpoint *golden_weights(GoldenCase *c, GError **error);

/** golden_weights_path: the path that golden_weights() opens, NULL when the case has none. */
const char *golden_weights_path(GoldenCase *c);

/**
 * golden_open:
 * @c: a case
 * @name: file beside case.json, such as a LoRA
 * @error: set on failure
 *
 * Thread: main. Errors: those of scope_checkpoint_open().
 * Returns: (transfer none): the checkpoint, owned by the case, or NULL with @error set.
 */
ScopeCheckpoint *golden_open(GoldenCase *c, const char *name, GError **error);

/**
 * golden_alloc:
 * @c: a case
 * @n: number of floats
 *
 * Zeroed memory that lives as long as the case, for results.
 * Thread: main. Errors: none. Returns: (transfer none): [n] f32.
 */
float *golden_alloc(GoldenCase *c, gsize n);

/* -- Checks ----------------------------------------------------------------------------------- */

/**
 * golden_check_f32:
 * @c: a case
 * @name: tensor name without "out."
 * @rank: number of dimensions of the result
 * @shape: [rank] its sizes; must equal the expected ones, except that dimensions of size 1 may
 *   come or go
 * @got: [product of @shape] f32, row-major
 *
 * Compares with the tolerance of the case. A NaN on one side only fails, as does an absent tensor,
 * another shape, or a case that states no tolerance for this tensor. Integer tensors and those
 * whose tolerance is "exact" must be equal.
 * Thread: main. Errors: recorded. Returns: TRUE when the tensor is within its tolerance.
 */
gboolean golden_check_f32(GoldenCase *c, const char *name, int rank, const gint64 *shape,
                          const float *got);

/**
 * golden_check_f32_within:
 * @atol: absolute tolerance
 * @rtol: factor on |want|
 *
 * As golden_check_f32() with a tolerance of its own; for rules that case.json only tells in words.
 * Thread: main. Errors: recorded. Returns: TRUE when within.
 */
gboolean golden_check_f32_within(GoldenCase *c, const char *name, int rank, const gint64 *shape,
                                 const float *got, double atol, double rtol);

/**
 * golden_compare_f32:
 * @c: a case
 * @name: for messages
 * @want: the expected tensor, from any file of the case
 * @got: [elements of @want] f32, row-major
 * @atol: absolute tolerance
 * @rtol: factor on |want|
 *
 * Compares with a tensor that does not lie in io.safetensors.
 * Thread: main. Errors: recorded. Returns: TRUE when within.
 */
gboolean golden_compare_f32(GoldenCase *c, const char *name, const ScopeCheckpointTensor *want,
                            const float *got, double atol, double rtol);

/**
 * golden_check_i64:
 * @c: a case
 * @name: tensor name without "out."
 * @n: number of results; must equal the expected element count
 * @got: [n] integers, must be equal
 *
 * Thread: main. Errors: recorded. Returns: TRUE when all are equal.
 */
gboolean golden_check_i64(GoldenCase *c, const char *name, gint64 n, const gint64 *got);

/**
 * golden_check_u8:
 * @c: a case
 * @name: tensor name without "out."
 * @n: number of results; must equal the expected element count
 * @got: [n] bytes
 * @max_difference: largest difference that an element may have
 * @max_fraction: largest part of the elements (0..1) that may differ at all
 *
 * Thread: main. Errors: recorded. Returns: TRUE when within both bounds.
 */
gboolean golden_check_u8(GoldenCase *c, const char *name, gint64 n, const guint8 *got,
                         int max_difference, double max_fraction);

/**
 * golden_check:
 * @c: a case
 * @ok: the verdict
 * @format: what was checked and what was found, shown when @ok is FALSE
 *
 * For what is not a tensor: a refused file, a text, a count.
 * Thread: main. Errors: recorded. Returns: @ok.
 */
gboolean golden_check(GoldenCase *c, gboolean ok, const char *format, ...) G_GNUC_PRINTF(3, 4);

/**
 * golden_excuse:
 * @c: a case
 * @pattern: glob over names in io.safetensors, with "in." and "out."
 * @reason: why they are not compared, such as "fact about the reference, not an output"
 *
 * Thread: main. Errors: none. Returns: nothing.
 */
void golden_excuse(GoldenCase *c, const char *pattern, const char *reason);

G_END_DECLS
