/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison of results with expected tensors, and the bookkeeping of the worst error of a case.
 * Owns nothing of its own. Main thread. */
#include "golden-case-private.h"

#include <math.h>
#include <string.h>

/* How much wider the tolerances of f32 are on a device, whose sums have another order. */
#define DEVICE_FACTOR 10

void
golden_fail(GoldenCase *c, const char *format, ...)
{
    va_list arguments;

    c->n_failures++;
    if (c->n_failures > 12) {
        return;
    }
    g_string_append(c->report, "    ");
    va_start(arguments, format);
    g_string_append_vprintf(c->report, format, arguments);
    va_end(arguments);
    g_string_append_c(c->report, '\n');
}

gboolean
golden_check(GoldenCase *c, gboolean ok, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    c->n_checks++;
    if (!ok) {
        va_start(arguments, format);
        what = g_strdup_vprintf(format, arguments);
        va_end(arguments);
        golden_fail(c, "%s", what);
    }
    return ok;
}

/* The tolerance of case.json for @name. FALSE when it states none. Exact means 0 and 0. */
static gboolean
get_tolerance(const GoldenCase *c, const char *name, double *ret_atol, double *ret_rtol)
{
    JsonNode *node = golden_node(c, c->prefixed ? "tolerance.atol" : "tolerances");
    JsonObject *object =
        node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    const char *key = "atol";
    g_autofree char *group = g_strndup(name, strcspn(name, "."));

    *ret_atol = *ret_rtol = 0;
    if (object == NULL) {
        return FALSE;
    }
    if (c->prefixed) {
        key = json_object_has_member(object, name) ? name : group;
        *ret_rtol = golden_double(c, "tolerance.rtol", 0);
    } else {
        const char *note = golden_string(c, "tolerances.note", "");
        *ret_rtol = golden_double(c, "tolerances.rtol", 0);
        if (!json_object_has_member(object, key)) {
            return g_str_has_prefix(note, "exact");
        }
    }
    if (!json_object_has_member(object, key)) {
        return FALSE;
    }
    node = json_object_get_member(object, key);
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING) {
        return strcmp(json_node_get_string(node), "exact") == 0;
    }
    *ret_atol = json_node_get_double(node);
    return TRUE;
}

/* TRUE when the shapes are equal but for dimensions of size 1. */
static gboolean
same_shape(int rank_a, const gint64 *a, int rank_b, const gint64 *b)
{
    int i = 0, j = 0;

    for (;;) {
        while (i < rank_a && a[i] == 1) {
            i++;
        }
        while (j < rank_b && b[j] == 1) {
            j++;
        }
        if (i == rank_a || j == rank_b) {
            return i == rank_a && j == rank_b;
        }
        if (a[i++] != b[j++]) {
            return FALSE;
        }
    }
}

static char *
dup_shape(int rank, const gint64 *shape)
{
    GString *text = g_string_new("[");

    for (int i = 0; i < rank; i++) {
        g_string_append_printf(text, i > 0 ? ", %" G_GINT64_FORMAT : "%" G_GINT64_FORMAT, shape[i]);
    }
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

static void
record(GoldenCase *c, const char *name, double ratio, double error, double tolerance)
{
    if (c->worst_name != NULL && !(ratio > c->worst_ratio)) {
        return;
    }
    g_free(c->worst_name);
    c->worst_name = g_strdup(name);
    c->worst_ratio = ratio;
    c->worst_error = error;
    c->worst_tolerance = tolerance;
}

/* With 8-bit weights: the relative L2 error and the largest difference, without a verdict. */
static gboolean
measure(GoldenCase *c, const char *name, gint64 n, const float *want, const float *got)
{
    double error = 0, norm = 0, largest = 0;

    for (gint64 i = 0; i < n; i++) {
        double difference = (double)got[i] - (double)want[i];
        error += difference * difference;
        norm += (double)want[i] * (double)want[i];
        largest = MAX(largest, fabs(difference));
    }
    record(c, name, error > 0 ? sqrt(error / norm) : 0, largest, 0);
    return TRUE;
}

/* Three times the relative L2 error that the reference itself had in bf16; negative = not
 * recorded. */
static double
bf16_bound(const GoldenCase *c, const char *name)
{
    g_autofree char *group = g_strndup(name, strcspn(name, "."));
    g_autofree char *path = g_strdup_printf("bf16_reference.rel_l2.%s", group);

    return 3 * golden_double(c, path, -1);
}

/* On a device below f32: one figure for the whole tensor. */
static gboolean
compare_whole(GoldenCase *c, const char *name, gint64 n, const float *want, const float *got)
{
    double bound = c->setup->precision == SCOPE_PRECISION_BF16 ? bf16_bound(c, name) : -1;
    double difference = 0, size = 0, error;

    for (gint64 i = 0; i < n; i++) {
        difference += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        size += (double)want[i] * (double)want[i];
    }
    error = difference == 0 ? 0 : sqrt(difference / size);
    if (isnan(error)) {
        golden_fail(c, "%s: not a number", name);
        return FALSE;
    }
    if (bound < 0) {
        c->n_unjudged++;
        record(c, name, error, error, INFINITY);
        return TRUE;
    }
    record(c, name, error == 0 ? 0 : error / bound, error, bound);
    if (error > bound) {
        golden_fail(c, "%s: relative L2 error %.3g, three times that of the reference is %.3g",
                    name, error, bound);
        return FALSE;
    }
    return TRUE;
}

/* Compares all elements; fills the worst one by its part of the tolerance. */
static gboolean
compare(GoldenCase *c, const char *name, gint64 n, const float *want, const float *got, double atol,
        double rtol)
{
    double worst = -1, worst_error = 0, worst_tolerance = atol;
    gint64 worst_at = 0;

    if (c->setup->int8) {
        return measure(c, name, n, want, got);
    }
    if (c->setup->is_device) {
        if (c->setup->precision != SCOPE_PRECISION_F32) {
            return compare_whole(c, name, n, want, got);
        }
        atol *= DEVICE_FACTOR;
        rtol *= DEVICE_FACTOR;
    }

    for (gint64 i = 0; i < n; i++) {
        double w = (double)want[i], g = (double)got[i];
        double tolerance = atol + rtol * fabs(w);
        double error = w == g || (isnan(w) && isnan(g)) ? 0 : fabs(w - g);
        double ratio = error == 0       ? 0
                       : isnan(error)   ? INFINITY
                       : tolerance == 0 ? INFINITY
                                        : error / tolerance;
        if (ratio > worst) {
            worst = ratio;
            worst_error = isnan(error) ? INFINITY : error;
            worst_tolerance = tolerance;
            worst_at = i;
        }
    }
    record(c, name, worst, worst_error, worst_tolerance);
    if (worst > 1) {
        golden_fail(c,
                    "%s: error %.3g at element %" G_GINT64_FORMAT
                    " (got %.9g, want %.9g), tolerance %.3g",
                    name, worst_error, worst_at, (double)got[worst_at], (double)want[worst_at],
                    worst_tolerance);
        return FALSE;
    }
    return TRUE;
}

gboolean
golden_check_f32_within(GoldenCase *c, const char *name, int rank, const gint64 *shape,
                        const float *got, double atol, double rtol)
{
    const GoldenTensor *want = golden_take_out(c, name);

    if (want == NULL) {
        return FALSE;
    }
    if (!same_shape(rank, shape, want->rank, want->shape)) {
        g_autofree char *is = dup_shape(rank, shape);
        g_autofree char *should = dup_shape(want->rank, want->shape);
        golden_fail(c, "%s: shape %s, want %s", name, is, should);
        return FALSE;
    }
    if (want->i64 != NULL) {
        atol = rtol = 0;
    }
    return compare(c, name, want->n, want->f32, got, atol, rtol);
}

gboolean
golden_compare_f32(GoldenCase *c, const char *name, const ScopeCheckpointTensor *want,
                   const float *got, double atol, double rtol)
{
    float *wanted = golden_alloc(c, (gsize)want->n_elements);

    c->n_checks++;
    scope_checkpoint_tensor_copy_f32(want, wanted);
    return compare(c, name, want->n_elements, wanted, got, atol, rtol);
}

gboolean
golden_check_f32(GoldenCase *c, const char *name, int rank, const gint64 *shape, const float *got)
{
    double atol, rtol;

    if (!get_tolerance(c, name, &atol, &rtol)) {
        golden_take_out(c, name);
        golden_fail(c, "%s: case.json states no tolerance", name);
        return FALSE;
    }
    return golden_check_f32_within(c, name, rank, shape, got, atol, rtol);
}

gboolean
golden_check_i64(GoldenCase *c, const char *name, gint64 n, const gint64 *got)
{
    const GoldenTensor *want = golden_take_out(c, name);

    if (want == NULL) {
        return FALSE;
    }
    if (want->i64 == NULL || want->n != n) {
        golden_fail(c, "%s: %" G_GINT64_FORMAT " integers, want %" G_GINT64_FORMAT " %s", name, n,
                    want->n, want->i64 != NULL ? "integers" : "floats");
        return FALSE;
    }
    for (gint64 i = 0; i < n; i++) {
        if (got[i] != want->i64[i]) {
            record(c, name, INFINITY, fabs((double)got[i] - (double)want->i64[i]), 0);
            golden_fail(c,
                        "%s: element %" G_GINT64_FORMAT " is %" G_GINT64_FORMAT
                        ", want %" G_GINT64_FORMAT,
                        name, i, got[i], want->i64[i]);
            return FALSE;
        }
    }
    record(c, name, 0, 0, 0);
    return TRUE;
}

gboolean
golden_check_u8(GoldenCase *c, const char *name, gint64 n, const guint8 *got, int max_difference,
                double max_fraction)
{
    const GoldenTensor *want = golden_take_out(c, name);
    gint64 n_different = 0, worst = 0;
    double fraction;

    if (want == NULL) {
        return FALSE;
    }
    if (want->i64 == NULL || want->n != n) {
        golden_fail(c, "%s: %" G_GINT64_FORMAT " bytes, want %" G_GINT64_FORMAT " %s", name, n,
                    want->n, want->i64 != NULL ? "integers" : "floats");
        return FALSE;
    }
    for (gint64 i = 0; i < n; i++) {
        gint64 difference = ABS((gint64)got[i] - want->i64[i]);
        worst = MAX(worst, difference);
        n_different += difference > 0;
    }
    fraction = n > 0 ? (double)n_different / (double)n : 0;
    record(c, name,
           worst == 0           ? 0
           : max_difference > 0 ? (double)worst / max_difference
                                : INFINITY,
           (double)worst, max_difference);
    if (c->setup->is_device && c->setup->precision != SCOPE_PRECISION_F32) {
        c->n_unjudged++;
        return TRUE;
    }
    if (!c->setup->int8 && (worst > max_difference || fraction > max_fraction)) {
        golden_fail(c,
                    "%s: worst difference %" G_GINT64_FORMAT " of %d, %.3g of the bytes differ, "
                    "%.3g may",
                    name, worst, max_difference, fraction, max_fraction);
        return FALSE;
    }
    return TRUE;
}
