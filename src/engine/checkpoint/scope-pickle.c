/* SPDX-License-Identifier: Apache-2.0 */
/* The opcodes of the restricted pickle machine. One small function an opcode group, found through a
 * table; an opcode without entry is refused. Owns values until the pickle is freed. Any thread. */
#include "engine/checkpoint/scope-pickle-machine-private.h"

#include <string.h>

#define FAILED G_MAXUINT32

typedef gboolean (*Opcode)(ScopePickleMachine *m, guint8 code);

gboolean
scope_pickle_fail_private(ScopePickleMachine *m, ScopeCheckpointError code, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list arguments;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(&m->error, SCOPE_CHECKPOINT_ERROR, code, "%s, byte %zu: %s", m->label,
                (size_t)(m->at - m->begin), what);
    return FALSE;
}

#define malformed(m, ...) scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_FORMAT, __VA_ARGS__)

const char *
scope_pickle_describe_private(const ScopePickleValue *value)
{
    static const char *const names[] = {
        "None",     "a bool", "an integer", "an integer outside 64 bit",
        "a float",  "a text", "bytes",      "a list",
        "a tuple",  "a dict", "a name",     "a storage",
        "a tensor",
    };

    return names[value->type];
}

/* -- Stack and values ------------------------------------------------------------------------- */

static ScopePickleValue *
value_at(ScopePickleMachine *m, guint32 reference)
{
    return &g_array_index(m->pickle->values, ScopePickleValue, reference);
}

guint32
scope_pickle_add_private(ScopePickleMachine *m, const ScopePickleValue *value)
{
    if (m->pickle->values->len >= SCOPE_PICKLE_MAX_VALUES) {
        scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_LIMIT, "more than %u objects",
                                  SCOPE_PICKLE_MAX_VALUES);
        return FAILED;
    }
    g_array_append_val(m->pickle->values, *value);
    return m->pickle->values->len - 1;
}

static gboolean
push(ScopePickleMachine *m, guint32 reference)
{
    g_array_append_val(m->stack, reference);
    return TRUE;
}

static gboolean
push_value(ScopePickleMachine *m, const ScopePickleValue *value)
{
    guint32 reference = scope_pickle_add_private(m, value);

    return reference != FAILED && push(m, reference);
}

/* The height below which nothing may be taken: the last mark. */
static guint
floor_of(const ScopePickleMachine *m)
{
    return m->marks->len > 0 ? g_array_index(m->marks, guint, m->marks->len - 1) : 0;
}

static gboolean
peek(ScopePickleMachine *m, guint32 *ret_reference)
{
    if (m->stack->len <= floor_of(m)) {
        return malformed(m, "the stack is empty");
    }
    *ret_reference = g_array_index(m->stack, guint32, m->stack->len - 1);
    return TRUE;
}

static gboolean
pop(ScopePickleMachine *m, guint32 *ret_reference)
{
    if (!peek(m, ret_reference)) {
        return FALSE;
    }
    g_array_set_size(m->stack, m->stack->len - 1);
    return TRUE;
}

/* Takes the mark away and tells where its items begin on the stack. */
static gboolean
pop_mark(ScopePickleMachine *m, guint *ret_first)
{
    if (m->marks->len == 0) {
        return malformed(m, "there is no mark");
    }
    *ret_first = floor_of(m);
    g_array_set_size(m->marks, m->marks->len - 1);
    return TRUE;
}

/* Makes a container of the items from @first to the top of the stack. */
static gboolean
collect(ScopePickleMachine *m, ScopePickleType type, guint first)
{
    ScopePickleValue value = {.type = type};
    guint n = m->stack->len - first;

    if (type == SCOPE_PICKLE_DICT && n % 2 != 0) {
        return malformed(m, "a dict of an odd number of items");
    }
    if (n > 0) {
        value.items = g_array_sized_new(FALSE, FALSE, sizeof(guint32), n);
        g_array_append_vals(value.items, &g_array_index(m->stack, guint32, first), n);
    }
    g_array_set_size(m->stack, first);
    if (!push_value(m, &value)) {
        g_clear_pointer(&value.items, g_array_unref);
        return FALSE;
    }
    return TRUE;
}

static const guint8 *
take(ScopePickleMachine *m, guint64 n)
{
    const guint8 *bytes = m->at;

    if (n > (guint64)(m->end - m->at)) {
        malformed(m, "%" G_GUINT64_FORMAT " bytes are wanted, %zu are left", n,
                  (size_t)(m->end - m->at));
        return NULL;
    }
    m->at += n;
    return bytes;
}

/* Reads @n (1 to 8) bytes as an unsigned little-endian number. */
static gboolean
take_number(ScopePickleMachine *m, guint n, guint64 *ret_number)
{
    const guint8 *bytes = take(m, n);

    if (bytes == NULL) {
        return FALSE;
    }
    *ret_number = 0;
    for (guint i = 0; i < n; i++) {
        *ret_number |= (guint64)bytes[i] << (8 * i);
    }
    return TRUE;
}

/* -- Opcodes: frame, stack, constants --------------------------------------------------------- */

static gboolean
op_proto(ScopePickleMachine *m, guint8 code)
{
    guint64 version = 0;

    if (!take_number(m, 1, &version)) {
        return FALSE;
    }
    return version <= 5 || malformed(m, "pickle protocol %u is not known", (guint)version);
}

static gboolean
op_frame(ScopePickleMachine *m, guint8 code)
{
    guint64 length = 0;

    if (!take_number(m, 8, &length)) {
        return FALSE;
    }
    return length <= (guint64)(m->end - m->at) || malformed(m, "a frame leaves the pickle");
}

static gboolean
op_stop(ScopePickleMachine *m, guint8 code)
{
    m->stopped = TRUE;
    return pop(m, &m->pickle->root);
}

static gboolean
op_mark(ScopePickleMachine *m, guint8 code)
{
    g_array_append_val(m->marks, m->stack->len);
    return TRUE;
}

static gboolean
op_pop(ScopePickleMachine *m, guint8 code)
{
    guint32 dropped = 0;
    guint first = 0;

    if (m->stack->len == floor_of(m) && m->marks->len > 0) {
        return pop_mark(m, &first);
    }
    return pop(m, &dropped);
}

static gboolean
op_dup(ScopePickleMachine *m, guint8 code)
{
    guint32 top = 0;

    return peek(m, &top) && push(m, top);
}

static gboolean
op_none(ScopePickleMachine *m, guint8 code)
{
    return push(m, 0);
}

static gboolean
op_bool(ScopePickleMachine *m, guint8 code)
{
    return push_value(m, &(ScopePickleValue){.type = SCOPE_PICKLE_BOOL, .integer = code == 0x88});
}

static gboolean
op_int(ScopePickleMachine *m, guint8 code)
{
    ScopePickleValue value = {.type = SCOPE_PICKLE_INT};
    guint64 number = 0;

    if (!take_number(m, code == 0x4B ? 1 : code == 0x4D ? 2 : 4, &number)) {
        return FALSE;
    }
    value.integer = code == 0x4A ? (gint32)(guint32)number : (gint64)number;
    return push_value(m, &value);
}

static gboolean
op_long(ScopePickleMachine *m, guint8 code)
{
    ScopePickleValue value = {.type = SCOPE_PICKLE_INT};
    guint64 length = 0;
    const guint8 *bytes;
    guint8 filler;

    if (!take_number(m, code == 0x8A ? 1 : 4, &length)) {
        return FALSE;
    }
    if (length > G_MAXINT32) {
        return malformed(m, "an integer of negative length");
    }
    bytes = take(m, length);
    if (bytes == NULL) {
        return FALSE;
    }
    filler = length > 0 && (bytes[length - 1] & 0x80) != 0 ? 0xFF : 0;
    while (length > 8 && bytes[length - 1] == filler &&
           (bytes[length - 2] & 0x80) == (filler & 0x80)) {
        length--;
    }
    if (length > 8) {
        value.type = SCOPE_PICKLE_BIG_INT;
        return push_value(m, &value);
    }
    for (guint i = 0; i < 8; i++) {
        guint8 byte = i < length ? bytes[i] : filler;
        value.integer |= (gint64)((guint64)byte << (8 * i));
    }
    return push_value(m, &value);
}

static gboolean
op_float(ScopePickleMachine *m, guint8 code)
{
    return take(m, 8) != NULL && push_value(m, &(ScopePickleValue){.type = SCOPE_PICKLE_FLOAT});
}

/* Texts and bytes: the code says type and width of the length. */
static gboolean
op_text(ScopePickleMachine *m, guint8 code)
{
    gboolean is_text = code == 0x58 || code == 0x8C || code == 0x8D;
    guint width = code == 0x8C || code == 0x55 || code == 0x43 ? 1
                  : code == 0x8D || code == 0x8E               ? 8
                                                               : 4;
    ScopePickleValue value = {.type = is_text ? SCOPE_PICKLE_TEXT : SCOPE_PICKLE_BYTES};
    guint64 length = 0;

    if (!take_number(m, width, &length)) {
        return FALSE;
    }
    value.text = (const char *)take(m, length);
    if (value.text == NULL) {
        return FALSE;
    }
    value.length = (guint32)length;
    if (is_text && !g_utf8_validate_len(value.text, (gsize)length, NULL)) {
        return malformed(m, "a text that is not UTF-8");
    }
    return push_value(m, &value);
}

/* -- Opcodes: containers ---------------------------------------------------------------------- */

static gboolean
op_empty(ScopePickleMachine *m, guint8 code)
{
    return collect(m,
                   code == 0x7D   ? SCOPE_PICKLE_DICT
                   : code == 0x5D ? SCOPE_PICKLE_LIST
                                  : SCOPE_PICKLE_TUPLE,
                   m->stack->len);
}

static gboolean
op_from_mark(ScopePickleMachine *m, guint8 code)
{
    guint first = 0;

    return pop_mark(m, &first) && collect(m,
                                          code == 0x74   ? SCOPE_PICKLE_TUPLE
                                          : code == 0x6C ? SCOPE_PICKLE_LIST
                                                         : SCOPE_PICKLE_DICT,
                                          first);
}

static gboolean
op_small_tuple(ScopePickleMachine *m, guint8 code)
{
    guint n = code - 0x85u + 1;

    if (m->stack->len - floor_of(m) < n) {
        return malformed(m, "the stack is empty");
    }
    return collect(m, SCOPE_PICKLE_TUPLE, m->stack->len - n);
}

/* Moves the items from @first to the top into the list or dict below them. */
static gboolean
extend(ScopePickleMachine *m, ScopePickleType type, guint first)
{
    guint n = m->stack->len - first;
    ScopePickleValue *target;

    if (first <= floor_of(m)) {
        return malformed(m, "the stack is empty");
    }
    target = value_at(m, g_array_index(m->stack, guint32, first - 1));
    if (target->type != type) {
        return malformed(m, "items are put into %s", scope_pickle_describe_private(target));
    }
    if (type == SCOPE_PICKLE_DICT && n % 2 != 0) {
        return malformed(m, "a key without value");
    }
    if (n > 0) {
        if (target->items == NULL) {
            target->items = g_array_new(FALSE, FALSE, sizeof(guint32));
        }
        g_array_append_vals(target->items, &g_array_index(m->stack, guint32, first), n);
    }
    g_array_set_size(m->stack, first);
    return TRUE;
}

static gboolean
op_extend(ScopePickleMachine *m, guint8 code)
{
    gboolean list = code == 0x61 || code == 0x65;
    guint n = list ? 1 : 2;
    guint first = 0;

    if (code == 0x61 || code == 0x73) {
        if (m->stack->len - floor_of(m) < n) {
            return malformed(m, "the stack is empty");
        }
        first = m->stack->len - n;
    } else if (!pop_mark(m, &first)) {
        return FALSE;
    }
    return extend(m, list ? SCOPE_PICKLE_LIST : SCOPE_PICKLE_DICT, first);
}

/* -- Opcodes: memo ---------------------------------------------------------------------------- */

static gboolean
op_put(ScopePickleMachine *m, guint8 code)
{
    guint64 index = m->n_memo;
    guint32 top = 0;

    if (code != 0x94 && !take_number(m, code == 0x71 ? 1 : 4, &index)) {
        return FALSE;
    }
    if (index > (guint64)(m->end - m->begin)) {
        return scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_LIMIT,
                                         "memo index %" G_GUINT64_FORMAT, index);
    }
    if (!peek(m, &top)) {
        return FALSE;
    }
    if (index >= m->memo->len) {
        g_array_set_size(m->memo, (guint)index + 1);
    }
    m->n_memo += g_array_index(m->memo, guint32, index) == 0;
    g_array_index(m->memo, guint32, index) = top + 1;
    return TRUE;
}

static gboolean
op_get(ScopePickleMachine *m, guint8 code)
{
    guint64 index = 0;

    if (!take_number(m, code == 0x68 ? 1 : 4, &index)) {
        return FALSE;
    }
    if (index >= m->memo->len || g_array_index(m->memo, guint32, index) == 0) {
        return malformed(m, "nothing was remembered as %" G_GUINT64_FORMAT, index);
    }
    return push(m, g_array_index(m->memo, guint32, index) - 1);
}

/* -- Opcodes: names and what is done with them ------------------------------------------------ */

static gboolean
push_global(ScopePickleMachine *m, const char *module, gsize n_module, const char *name,
            gsize n_name)
{
    int index = scope_pickle_find_global_private(m, module, n_module, name, n_name);

    return index >= 0 &&
           push_value(m, &(ScopePickleValue){.type = SCOPE_PICKLE_GLOBAL, .index = (guint32)index});
}

static gboolean
op_global(ScopePickleMachine *m, guint8 code)
{
    const char *lines[2];
    gsize lengths[2];

    for (int i = 0; i < 2; i++) {
        const guint8 *end = memchr(m->at, '\n', (size_t)(m->end - m->at));
        if (end == NULL) {
            return malformed(m, "a name without end");
        }
        lines[i] = (const char *)m->at;
        lengths[i] = (gsize)(end - m->at);
        m->at = end + 1;
    }
    return push_global(m, lines[0], lengths[0], lines[1], lengths[1]);
}

static gboolean
op_stack_global(ScopePickleMachine *m, guint8 code)
{
    guint32 name = 0, module = 0;
    const ScopePickleValue *n, *o;

    if (!pop(m, &name) || !pop(m, &module)) {
        return FALSE;
    }
    n = value_at(m, name);
    o = value_at(m, module);
    if (n->type != SCOPE_PICKLE_TEXT || o->type != SCOPE_PICKLE_TEXT) {
        return malformed(m, "a name that is not a text");
    }
    return push_global(m, o->text, o->length, n->text, n->length);
}

static gboolean
op_reduce(ScopePickleMachine *m, guint8 code)
{
    guint32 arguments = 0, callable = 0, value = 0;

    return pop(m, &arguments) && pop(m, &callable) &&
           scope_pickle_reduce_private(m, callable, arguments, &value) && push(m, value);
}

static gboolean
op_build(ScopePickleMachine *m, guint8 code)
{
    guint32 state = 0, target = 0;

    if (!pop(m, &state) || !peek(m, &target)) {
        return FALSE;
    }
    if (value_at(m, target)->type != SCOPE_PICKLE_DICT) {
        return scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_UNSAFE, "BUILD on %s",
                                         scope_pickle_describe_private(value_at(m, target)));
    }
    return TRUE;
}

static gboolean
op_persist(ScopePickleMachine *m, guint8 code)
{
    guint32 id = 0, value = 0;

    return pop(m, &id) && scope_pickle_persist_private(m, id, &value) && push(m, value);
}

static const Opcode opcodes[256] = {
    [0x80] = op_proto,        [0x95] = op_frame,       [0x2E] = op_stop,
    [0x28] = op_mark,         [0x30] = op_pop,         [0x32] = op_dup,
    [0x4E] = op_none,         [0x88] = op_bool,        [0x89] = op_bool,
    [0x4B] = op_int,          [0x4D] = op_int,         [0x4A] = op_int,
    [0x8A] = op_long,         [0x8B] = op_long,        [0x47] = op_float,
    [0x58] = op_text,         [0x8C] = op_text,        [0x8D] = op_text,
    [0x55] = op_text,         [0x54] = op_text,        [0x43] = op_text,
    [0x42] = op_text,         [0x8E] = op_text,        [0x7D] = op_empty,
    [0x5D] = op_empty,        [0x29] = op_empty,       [0x74] = op_from_mark,
    [0x6C] = op_from_mark,    [0x64] = op_from_mark,   [0x85] = op_small_tuple,
    [0x86] = op_small_tuple,  [0x87] = op_small_tuple, [0x61] = op_extend,
    [0x65] = op_extend,       [0x73] = op_extend,      [0x75] = op_extend,
    [0x71] = op_put,          [0x72] = op_put,         [0x94] = op_put,
    [0x68] = op_get,          [0x6A] = op_get,         [0x63] = op_global,
    [0x93] = op_stack_global, [0x52] = op_reduce,      [0x81] = op_reduce,
    [0x62] = op_build,        [0x51] = op_persist,
};

/* -- Running ---------------------------------------------------------------------------------- */

void
scope_pickle_free_private(ScopePickle *pickle)
{
    if (pickle == NULL) {
        return;
    }
    for (guint i = 0; i < pickle->values->len; i++) {
        ScopePickleValue *value = &g_array_index(pickle->values, ScopePickleValue, i);
        if (value->type == SCOPE_PICKLE_LIST || value->type == SCOPE_PICKLE_TUPLE ||
            value->type == SCOPE_PICKLE_DICT) {
            g_clear_pointer(&value->items, g_array_unref);
        }
    }
    g_array_unref(pickle->values);
    g_array_unref(pickle->storages);
    g_array_unref(pickle->tensors);
    g_string_chunk_free(pickle->strings);
    g_free(pickle);
}

static gboolean
run(ScopePickleMachine *m)
{
    while (!m->stopped) {
        guint8 code;
        if (m->at == m->end) {
            return malformed(m, "the pickle ends without STOP");
        }
        code = *m->at++;
        if (opcodes[code] == NULL) {
            return scope_pickle_fail_private(m, SCOPE_CHECKPOINT_ERROR_UNSAFE,
                                             "opcode 0x%02x is not one that a checkpoint needs",
                                             code);
        }
        if (!opcodes[code](m, code)) {
            return FALSE;
        }
    }
    return TRUE;
}

ScopePickle *
scope_pickle_parse_private(const char *label, const guint8 *bytes, gsize size, gsize *ret_used,
                           GError **error)
{
    g_autoptr(ScopePickle) pickle = g_new0(ScopePickle, 1);
    ScopePickleMachine m = {
        .label = label, .begin = bytes, .at = bytes, .end = bytes + size, .pickle = pickle};
    const ScopePickleValue none = {.type = SCOPE_PICKLE_NONE};
    gboolean done;

    pickle->values = g_array_new(FALSE, FALSE, sizeof(ScopePickleValue));
    pickle->storages = g_array_new(FALSE, FALSE, sizeof(ScopePickleStorage));
    pickle->tensors = g_array_new(FALSE, FALSE, sizeof(ScopePickleTensor));
    pickle->strings = g_string_chunk_new(4096);
    if (size > SCOPE_CHECKPOINT_MAX_PICKLE_BYTES) {
        g_set_error(error, SCOPE_CHECKPOINT_ERROR, SCOPE_CHECKPOINT_ERROR_LIMIT,
                    "%s: %" G_GSIZE_FORMAT " bytes, the limit is %u", label, size,
                    SCOPE_CHECKPOINT_MAX_PICKLE_BYTES);
        return NULL;
    }
    g_array_append_val(pickle->values, none);
    m.stack = g_array_new(FALSE, FALSE, sizeof(guint32));
    m.marks = g_array_new(FALSE, FALSE, sizeof(guint));
    m.memo = g_array_new(FALSE, TRUE, sizeof(guint32));
    done = run(&m);
    g_array_unref(m.stack);
    g_array_unref(m.marks);
    g_array_unref(m.memo);
    if (!done) {
        g_propagate_error(error, m.error);
        return NULL;
    }
    *ret_used = (gsize)(m.at - m.begin);
    return g_steal_pointer(&pickle);
}
