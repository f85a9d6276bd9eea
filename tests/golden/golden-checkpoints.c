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

/* -- The header as another parser reads it ----------------------------------------------------- */

static gboolean
same_shape(const ScopeCheckpointTensor *tensor, JsonArray *shape)
{
    gboolean same = tensor->rank == (int)json_array_get_length(shape);

    for (int i = 0; same && i < tensor->rank; i++) {
        same = tensor->shape[i] == json_array_get_int_element(shape, (guint)i);
    }
    return same;
}

/* Compares type, shape and bytes of every tensor with what json-glib and the offsets say. */
static void
check_against_header(GoldenCase *c, const char *name, const ScopeCheckpoint *checkpoint)
{
    g_autofree char *bytes = NULL;
    gsize size = 0;
    guint64 n_header = 0;
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObjectIter iter;
    const char *tensor_name;
    JsonNode *node;
    guint n_tensors = 0;

    if (!golden_check(
            c, g_file_get_contents(golden_get_path(c, name), &bytes, &size, NULL) && size >= 8,
            "%s cannot be read", name)) {
        return;
    }
    memcpy(&n_header, bytes, 8);
    if (!golden_check(c,
                      n_header <= size - 8 &&
                          json_parser_load_from_data(parser, bytes + 8, (gssize)n_header, NULL),
                      "%s: json-glib does not read the header", name)) {
        return;
    }
    json_object_iter_init(&iter, json_node_get_object(json_parser_get_root(parser)));
    while (json_object_iter_next(&iter, &tensor_name, &node)) {
        const ScopeCheckpointTensor *tensor = scope_checkpoint_find(checkpoint, tensor_name);
        JsonObject *entry = json_node_get_object(node);
        JsonArray *offsets;
        gsize begin, end;
        if (strcmp(tensor_name, "__metadata__") == 0) {
            continue;
        }
        n_tensors++;
        offsets = json_object_get_array_member(entry, "data_offsets");
        begin = (gsize)json_array_get_int_element(offsets, 0);
        end = (gsize)json_array_get_int_element(offsets, 1);
        golden_check(c,
                     tensor != NULL &&
                         strcmp(scope_stored_type_get_name(tensor->type),
                                json_object_get_string_member(entry, "dtype")) == 0 &&
                         same_shape(tensor, json_object_get_array_member(entry, "shape")) &&
                         tensor->n_bytes == end - begin && 8 + n_header + end <= size &&
                         memcmp(tensor->data, bytes + 8 + n_header + begin, end - begin) == 0,
                     "%s: tensor '%s' is not what the header says", name, tensor_name);
    }
    golden_check(c, scope_checkpoint_get_n_tensors(checkpoint) == n_tensors,
                 "%s: %u tensors, the header names %u", name,
                 scope_checkpoint_get_n_tensors(checkpoint), n_tensors);
}

static void
check_index(GoldenCase *c, const char *name, const ScopeCheckpoint *checkpoint)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *map;
    JsonObjectIter iter;
    const char *tensor_name;
    JsonNode *file;

    if (!golden_check(c, json_parser_load_from_file(parser, golden_get_path(c, name), NULL),
                      "%s: json-glib does not read the index", name)) {
        return;
    }
    map = json_object_get_object_member(json_node_get_object(json_parser_get_root(parser)),
                                        "weight_map");
    golden_check(c, scope_checkpoint_get_n_tensors(checkpoint) == json_object_get_size(map),
                 "%s: %u tensors, the index names %u", name,
                 scope_checkpoint_get_n_tensors(checkpoint), json_object_get_size(map));
    json_object_iter_init(&iter, map);
    while (json_object_iter_next(&iter, &tensor_name, &file)) {
        const ScopeCheckpointTensor *tensor = scope_checkpoint_find(checkpoint, tensor_name);
        golden_check(c,
                     tensor != NULL && g_str_has_suffix(tensor->file, json_node_get_string(file)),
                     "%s: tensor '%s' does not come from '%s'", name, tensor_name,
                     json_node_get_string(file));
    }
}

/* Checks one file of the folder by what it holds. */
static void
check_good_file(GoldenCase *c, const char *name)
{
    ScopeCheckpoint *checkpoint = open_good(c, name);

    if (checkpoint == NULL) {
        return;
    }
    if (g_str_has_suffix(name, ".index.json")) {
        check_index(c, name, checkpoint);
        return;
    }
    check_against_header(c, name, checkpoint);
    if (scope_checkpoint_find(checkpoint, "e4m3fn_to_f32") != NULL) {
        check_f32_codes(c, checkpoint, SCOPE_STORED_F8_E4M3, NULL, "e4m3fn_to_f32");
        check_f32_codes(c, checkpoint, SCOPE_STORED_F8_E5M2, NULL, "e5m2_to_f32");
        check_f32_codes(c, checkpoint, SCOPE_STORED_F16, "f16_bits", "f16_to_f32");
    }
    if (scope_checkpoint_find(checkpoint, "to_bf16") != NULL) {
        check_rounding(c, checkpoint, SCOPE_DTYPE_BF16, "to_bf16");
        check_rounding(c, checkpoint, SCOPE_DTYPE_F16, "to_f16");
    }
}

gboolean
golden_run_safetensors_good(GoldenCase *c, GError **error)
{
    g_autoptr(GDir) folder = g_dir_open(golden_get_folder(c), 0, error);
    const char *name;

    if (folder == NULL) {
        return FALSE;
    }
    while ((name = g_dir_read_name(folder)) != NULL) {
        if (strcmp(name, "case.json") != 0) {
            check_good_file(c, name);
        }
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
