/* SPDX-License-Identifier: Apache-2.0 */
/* Goldens of the checkpoint readers: good files are read exactly, every bad file is refused with a
 * message that names it. Main thread. */
#include "golden-families.h"

#include <math.h>
#include <string.h>

#include "engine/checkpoint/scope-stored-type.h"

/* Opens @name; records a failure when it does not open. */
static ScopeCheckpoint *
open_good(GoldenCase *c, const char *name)
{
    g_autoptr(GError) error = NULL;
    ScopeCheckpoint *checkpoint = golden_open(c, name, &error);

    golden_check(c, checkpoint != NULL, "%s: %s", name, error != NULL ? error->message : "");
    return checkpoint;
}

/* -- safetensors-good ------------------------------------------------------------------------- */

static void
check_f32_codes(GoldenCase *c, const ScopeCheckpoint *tables, ScopeStoredType type,
                const char *codes, const char *values)
{
    const ScopeCheckpointTensor *want = scope_checkpoint_find(tables, values);
    const ScopeCheckpointTensor *bits = codes != NULL ? scope_checkpoint_find(tables, codes) : NULL;
    guint n_wrong = 0;

    if (!golden_check(c, want != NULL && (codes == NULL || bits != NULL), "no table %s", values)) {
        return;
    }
    for (gint64 i = 0; i < want->n_elements; i++) {
        guint16 code = (guint16)i;
        float decoded, expected;
        if (bits != NULL) {
            gint32 wide;
            memcpy(&wide, bits->data + 4 * i, 4);
            code = (guint16)wide;
        }
        memcpy(&expected, want->data + 4 * i, 4);
        scope_stored_type_to_f32(type, &code, &decoded, 1);
        n_wrong += isnan(expected) ? !isnan(decoded) : memcmp(&expected, &decoded, 4) != 0;
    }
    golden_check(c, n_wrong == 0, "%s: %u codes decode to another value", values, n_wrong);
}

static void
check_rounding(GoldenCase *c, const ScopeCheckpoint *rounding, ScopeDType type, const char *name)
{
    const ScopeCheckpointTensor *from = scope_checkpoint_find(rounding, "f32");
    const ScopeCheckpointTensor *want = scope_checkpoint_find(rounding, name);
    guint n_wrong = 0;

    if (!golden_check(c, from != NULL && want != NULL, "no table %s", name)) {
        return;
    }
    for (gint64 i = 0; i < from->n_elements; i++) {
        guint16 code, expected;
        float value;
        memcpy(&value, from->data + 4 * i, 4);
        memcpy(&expected, want->data + 2 * i, 2);
        scope_dtype_from_f32(type, &value, &code, 1);
        n_wrong += isnan(value) ? 0 : code != expected;
    }
    golden_check(c, n_wrong == 0, "%s: %u values are rounded otherwise", name, n_wrong);
}

static void
check_values(GoldenCase *c, const ScopeCheckpoint *checkpoint, const char *name, float first,
             float second)
{
    const ScopeCheckpointTensor *tensor = scope_checkpoint_find(checkpoint, name);
    float values[2] = {NAN, NAN};

    if (tensor != NULL && tensor->n_elements == 2) {
        scope_checkpoint_tensor_copy_f32(tensor, values);
    }
    golden_check(c, values[0] == first && values[1] == second, "%s is [%g, %g], want [%g, %g]",
                 name, (double)values[0], (double)values[1], (double)first, (double)second);
}

static void
check_all_dtypes(GoldenCase *c, const ScopeCheckpoint *checkpoint)
{
    static const struct {
        const char *name;
        const char *description;
    } wanted[] = {
        {"f32", "F32 [3, 5]"},
        {"f16", "F16 [7]"},
        {"bf16", "BF16 [4, 3]"},
        {"f64", "F64 [2, 2]"},
        {"i64", "I64 [5]"},
        {"i32", "I32 [4]"},
        {"u8", "U8 [9]"},
        {"bool", "BOOL [2]"},
        {"scalar", "F32 []"},
        {"empty", "F32 [0, 3]"},
        {"e4m3", "F8_E4M3 [16, 16]"},
        {"e5m2", "F8_E5M2 [256]"},
        {"name with \"quote\" and \xc3\xa9", "F32 [2]"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const ScopeCheckpointTensor *tensor = scope_checkpoint_find(checkpoint, wanted[i].name);
        g_autofree char *found =
            tensor != NULL ? scope_checkpoint_tensor_dup_shape(tensor) : g_strdup("missing");
        golden_check(c, strcmp(found, wanted[i].description) == 0, "%s is %s, want %s",
                     wanted[i].name, found, wanted[i].description);
    }
}

gboolean
golden_run_safetensors_good(GoldenCase *c, GError **error)
{
    ScopeCheckpoint *all = open_good(c, "all_dtypes.safetensors");
    ScopeCheckpoint *tables = open_good(c, "float_tables.safetensors");
    ScopeCheckpoint *rounding = open_good(c, "rounding.safetensors");
    ScopeCheckpoint *unordered = open_good(c, "unordered_padded.safetensors");
    ScopeCheckpoint *empty = open_good(c, "metadata_only.safetensors");
    ScopeCheckpoint *sharded = open_good(c, "model.safetensors.index.json");

    if (all != NULL) {
        check_all_dtypes(c, all);
    }
    if (tables != NULL) {
        check_f32_codes(c, tables, SCOPE_STORED_F8_E4M3, NULL, "e4m3fn_to_f32");
        check_f32_codes(c, tables, SCOPE_STORED_F8_E5M2, NULL, "e5m2_to_f32");
        check_f32_codes(c, tables, SCOPE_STORED_F16, "f16_bits", "f16_to_f32");
    }
    if (rounding != NULL) {
        check_rounding(c, rounding, SCOPE_DTYPE_BF16, "to_bf16");
        check_rounding(c, rounding, SCOPE_DTYPE_F16, "to_f16");
    }
    if (unordered != NULL) {
        check_values(c, unordered, "a", 1, 2);
        check_values(c, unordered, "b", 3, 4);
    }
    if (empty != NULL) {
        golden_check(c, scope_checkpoint_get_n_tensors(empty) == 0, "metadata_only has %u tensors",
                     scope_checkpoint_get_n_tensors(empty));
    }
    if (sharded != NULL) {
        golden_check(c,
                     scope_checkpoint_get_n_tensors(sharded) == 3 &&
                         scope_checkpoint_find(sharded, "blocks.1.w") != NULL &&
                         scope_checkpoint_find(sharded, "head.w") != NULL,
                     "the sharded set does not give its three tensors");
    }
    return TRUE;
}

/* -- Bad files -------------------------------------------------------------------------------- */

static void
check_refused(GoldenCase *c, const char *name, const char *why)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ScopeCheckpoint) checkpoint = scope_checkpoint_open(golden_get_path(c, name), &error);

    if (checkpoint != NULL) {
        golden_check(c, FALSE, "%s was accepted although: %s", name, why);
        return;
    }
    golden_check(c, error != NULL && strstr(error->message, name) != NULL,
                 "%s was refused without naming it: %s", name,
                 error != NULL ? error->message : "no error set");
    g_debug("%s: %s", why, error != NULL ? error->message : "");
}

static void
check_all_refused(GoldenCase *c)
{
    JsonNode *files = golden_node(c, "files");
    JsonObjectIter iter;
    const char *name;
    JsonNode *why;

    if (!golden_check(c, files != NULL && JSON_NODE_HOLDS_OBJECT(files), "no list of files")) {
        return;
    }
    json_object_iter_init(&iter, json_node_get_object(files));
    while (json_object_iter_next(&iter, &name, &why)) {
        check_refused(c, name, json_node_get_string(why));
    }
}

gboolean
golden_run_safetensors_bad(GoldenCase *c, GError **error)
{
    check_all_refused(c);
    if (g_file_test(golden_get_path(c, "bad_paths.index.json"), G_FILE_TEST_EXISTS)) {
        check_refused(c, "bad_paths.index.json", "shard names that leave the folder");
    }
    return TRUE;
}

/* -- PyTorch files ---------------------------------------------------------------------------- */

/* The same values under the same name; a 16-bit integer may be expected as a 32-bit one. */
static void
check_same(GoldenCase *c, const char *file, const ScopeCheckpointTensor *want,
           const ScopeCheckpoint *got_in)
{
    const ScopeCheckpointTensor *got = scope_checkpoint_find(got_in, want->name);
    g_autofree char *wanted = scope_checkpoint_tensor_dup_shape(want);
    g_autofree char *found = got != NULL ? scope_checkpoint_tensor_dup_shape(got) : NULL;
    g_autofree gint64 *a = NULL, *b = NULL;
    g_autofree guint8 *x = NULL, *y = NULL;
    gsize n = (gsize)want->n_elements;

    if (!golden_check(c, got != NULL && got->n_elements == want->n_elements,
                      "%s: %s is %s, want %s", file, want->name, found != NULL ? found : "missing",
                      wanted)) {
        return;
    }
    if (got->type == SCOPE_STORED_I16 && want->type == SCOPE_STORED_I32) {
        a = g_new(gint64, n);
        b = g_new(gint64, n);
        golden_check(c,
                     scope_checkpoint_tensor_copy_i64(got, a) &&
                         scope_checkpoint_tensor_copy_i64(want, b) && memcmp(a, b, n * 8) == 0,
                     "%s: %s has other values", file, want->name);
        return;
    }
    if (!golden_check(c, strcmp(found, wanted) == 0, "%s: %s is %s, want %s", file, want->name,
                      found, wanted)) {
        return;
    }
    n *= scope_stored_type_get_size(want->type);
    x = g_malloc(n + 1);
    y = g_malloc(n + 1);
    scope_checkpoint_tensor_copy(got, x);
    scope_checkpoint_tensor_copy(want, y);
    golden_check(c, memcmp(x, y, n) == 0, "%s: %s has other values", file, want->name);
}

static void
check_torch_file(GoldenCase *c, const char *file, const char *expected)
{
    ScopeCheckpoint *got = open_good(c, file);
    ScopeCheckpoint *want = open_good(c, expected);

    if (got == NULL || want == NULL) {
        return;
    }
    golden_check(c, scope_checkpoint_get_n_tensors(got) == scope_checkpoint_get_n_tensors(want),
                 "%s: %u tensors, want %u", file, scope_checkpoint_get_n_tensors(got),
                 scope_checkpoint_get_n_tensors(want));
    for (guint i = 0; i < scope_checkpoint_get_n_tensors(want); i++) {
        check_same(c, file, scope_checkpoint_get_tensor(want, i), got);
    }
}

/* The rule of the case text: sub-dict generator_ema with the prefix cut gives blocks.N... */
static void
check_selection(GoldenCase *c, const char *file)
{
    const char *const wrappers[] = {"generator_ema", NULL};
    ScopeCheckpoint *all = open_good(c, file);
    g_autoptr(ScopeCheckpoint) state =
        all != NULL ? scope_checkpoint_select(all, wrappers, NULL, NULL) : NULL;
    gboolean ok = state != NULL && scope_checkpoint_get_n_tensors(state) > 0;

    for (guint i = 0; ok && i < scope_checkpoint_get_n_tensors(state); i++) {
        ok = g_str_has_prefix(scope_checkpoint_get_tensor(state, i)->name, "blocks.");
    }
    golden_check(c, ok, "%s: generator_ema without 'model.' does not give blocks.N", file);
}

gboolean
golden_run_torch_good(GoldenCase *c, GError **error)
{
    JsonNode *files = golden_node(c, "files");
    JsonObjectIter iter;
    const char *name;
    JsonNode *entry;

    if (files == NULL || !JSON_NODE_HOLDS_OBJECT(files)) {
        return golden_not_understood(error, "case.json has no list of files");
    }
    json_object_iter_init(&iter, json_node_get_object(files));
    while (json_object_iter_next(&iter, &name, &entry)) {
        JsonObject *object = json_node_get_object(entry);
        const char *file = json_object_get_string_member_with_default(object, "file", "");
        check_torch_file(c, file,
                         json_object_get_string_member_with_default(object, "expected", ""));
        if (strcmp(name, "nested_prefix") == 0) {
            check_selection(c, file);
        }
    }
    return TRUE;
}

gboolean
golden_run_torch_bad(GoldenCase *c, GError **error)
{
    check_all_refused(c);
    return TRUE;
}
