/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core: terms, names, methods. A term's opcode is looked up in the families' tables.
 */
#include "tests/qtest/ospm/aml-internal.h"

#include <string.h>

#include "util/error.h"

enum { EXT_PREFIX = 0x5b, LOCAL0 = 0x60, ARG0 = 0x68, ARG6 = 0x6e };
enum { HEADER_SIZE = 36, HEADER_LENGTH = 4, HEADER_REVISION = 8 };

void *aml_fail(AmlEval *ev, const char *fmt, ...)
{
    g_autofree char *path = aml_node_path(ev->scope);
    g_autofree char *text = NULL;
    va_list ap;

    if (ev->err) {
        return NULL;
    }
    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    error_set(&ev->err, "%s+0x%x: %s", path, ev->op_pos, text);
    return NULL;
}

/* Say where an error of the parser was. */
static bool parsed(AmlEval *ev, bool ok, GError *err)
{
    if (!ok) {
        aml_fail(ev, "%s", err->message);
        g_error_free(err);
    }
    return ok;
}

bool aml_enter(AmlEval *ev, uint32_t *outer)
{
    GError *err = NULL;
    bool ok = aml_block_enter(&ev->cursor, outer, &err);

    return parsed(ev, ok, err);
}

bool aml_number_at(AmlEval *ev, unsigned size, uint64_t *value)
{
    GError *err = NULL;
    bool ok = aml_read_number(&ev->cursor, size, value, &err);

    return parsed(ev, ok, err);
}

bool aml_name_at(AmlEval *ev, AmlName *name)
{
    GError *err = NULL;
    bool ok = aml_read_name(&ev->cursor, name, &err);

    return parsed(ev, ok, err);
}

AmlObject *aml_nothing(void)
{
    return aml_object_new(AML_UNINITIALIZED);
}

AmlObject *aml_number(AmlEval *ev, uint64_t value)
{
    return aml_integer(ev->width == 4 ? (uint32_t)value : value);
}

AmlObject *aml_truth(AmlEval *ev, bool value)
{
    return aml_number(ev, value ? UINT64_MAX : 0);
}

AmlNode *aml_declare(AmlEval *ev, const AmlName *name, AmlObject *value)
{
    g_autoptr(GError) err = NULL;
    AmlNode *node = aml_node_add(ev->scope, name, value, &err);

    if (!node) {
        return aml_fail(ev, "%s", err->message);
    }
    if (ev->frame) {
        g_ptr_array_add(ev->frame->created, node);
    }
    return node;
}

AmlNode *aml_find(AmlEval *ev, const AmlName *name)
{
    g_autofree char *text = aml_name_text(name);
    AmlNode *node =
        name->segments || name->absolute || name->parents ? aml_node_find(ev->scope, name) : NULL;

    return node ? node : aml_fail(ev, "there is no '%s'", text);
}

/* ---- methods ---- */

static void frame_init(AmlFrame *frame, AmlObject **args, unsigned count)
{
    *frame = (AmlFrame){ .created = g_ptr_array_new() };
    for (unsigned i = 0; i < AML_MAX_LOCALS; i++) {
        frame->locals[i] = aml_cell_new(NULL);
    }
    for (unsigned i = 0; i < AML_MAX_ARGS; i++) {
        frame->args[i] = aml_cell_new(i < count ? aml_object_ref(args[i]) : NULL);
    }
}

/* Cells are emptied too: a reference to a local must not keep a circle alive. */
static void frame_clear(AmlEval *ev, AmlFrame *frame)
{
    for (unsigned i = frame->created->len; i > 0; i--) {
        AmlNode *node = frame->created->pdata[i - 1];

        aml_node_remove(node);
        g_ptr_array_add(ev->removed, node);
    }
    g_ptr_array_unref(frame->created);
    for (unsigned i = 0; i < AML_MAX_LOCALS; i++) {
        aml_cell_set(frame->locals[i], NULL);
        aml_cell_unref(frame->locals[i]);
    }
    for (unsigned i = 0; i < AML_MAX_ARGS; i++) {
        aml_cell_set(frame->args[i], NULL);
        aml_cell_unref(frame->args[i]);
    }
}

static AmlObject *run_body(AmlEval *ev, const AmlMethod *method, AmlFrame *frame)
{
    AmlCursor cursor = ev->cursor;
    AmlNode *scope = ev->scope;
    AmlFrame *outer = ev->frame;
    bool ok;

    ev->cursor.pos = method->start;
    ev->cursor.end = method->end;
    ev->scope = method->scope;
    ev->frame = frame;
    ok = aml_term_list(ev);
    ev->flow = AML_FLOW_ON;
    ev->cursor = cursor;
    ev->scope = scope;
    ev->frame = outer;
    if (!ok) {
        aml_object_unref(frame->result);
        return NULL;
    }
    return frame->result ? frame->result : aml_nothing();
}

static AmlObject *aml_invoke(AmlEval *ev, const AmlObject *object, AmlObject **args)
{
    const AmlMethod *method = &object->method;
    uint8_t level = ev->sync_level;
    AmlFrame frame;
    AmlObject *result;

    if (method->native) {
        return method->native(ev, args);
    }
    if (method->serialized) {
        if (method->sync_level < level) {
            return aml_fail(ev, "a method of SyncLevel %u is called at level %u",
                            method->sync_level, level);
        }
        ev->sync_level = method->sync_level;
    }
    frame_init(&frame, args, method->args);
    result = run_body(ev, method, &frame);
    frame_clear(ev, &frame);
    if (method->serialized) {
        ev->sync_level = level;
    }
    return result;
}

static void unref_all(AmlObject **objects, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        aml_object_unref(objects[i]);
    }
}

static AmlObject *call_term(AmlEval *ev, const AmlObject *method)
{
    AmlObject *args[AML_MAX_ARGS] = { NULL };
    AmlObject *result = NULL;
    uint32_t pos = ev->op_pos;
    unsigned n = 0;

    for (; n < method->method.args; n++) {
        args[n] = aml_term(ev);
        if (args[n] && args[n]->type == AML_UNINITIALIZED) {
            aml_fail(ev, "argument %u of a method call has no value", n);
        }
        if (ev->err) {
            unref_all(args, n + 1);
            return NULL;
        }
    }
    ev->op_pos = pos;
    result = aml_invoke(ev, method, args);
    unref_all(args, n);
    return result;
}

static AmlObject *name_term(AmlEval *ev)
{
    AmlName name;
    AmlNode *node;
    AmlObject *object;

    if (!aml_name_at(ev, &name) || !(node = aml_find(ev, &name))) {
        return NULL;
    }
    object = node->cell->value;
    if (object && object->type == AML_METHOD) {
        return call_term(ev, object);
    }
    return object ? aml_value(ev, object) : aml_nothing();
}

/* ---- opcodes ---- */

static const AmlOp *find_op(unsigned opcode)
{
    static const AmlOp *(*const families[])(unsigned) = { aml_data_op,    aml_declare_op,
                                                          aml_flow_op,    aml_math_op,
                                                          aml_convert_op, aml_reference_op };
    const AmlOp *op = NULL;

    for (unsigned i = 0; !op && i < G_N_ELEMENTS(families); i++) {
        op = families[i](opcode);
    }
    return op;
}

AmlObject *aml_integer_term(AmlEval *ev)
{
    uint32_t pos = ev->op_pos;
    g_autoptr(AmlObject) object = aml_term(ev);
    AmlObject *value;

    if (!object) {
        return NULL;
    }
    ev->op_pos = pos;
    value = aml_to_integer(object, ev->width);
    return value ? value
                 : aml_fail(ev, "an Integer is needed, not %s", aml_object_type_name(object));
}

static AmlObject *operand(AmlEval *ev, char kind)
{
    AmlObject *object;
    uint64_t byte;

    switch (kind) {
    case 'i':
        return aml_integer_term(ev);
    case 's':
    case 'n':
        return aml_super_name(ev, kind == 'n');
    case 't':
    case 'T':
        return aml_target(ev);
    case 'b':
        return aml_number_at(ev, 1, &byte) ? aml_integer(byte) : NULL;
    default:
        object = aml_term(ev);
        if (object && object->type == AML_UNINITIALIZED) {
            aml_object_unref(object);
            return aml_fail(ev, "an operand has no value");
        }
        return object;
    }
}

static AmlObject *run_op(AmlEval *ev, const AmlOp *op)
{
    AmlObject *args[8] = { NULL };
    AmlObject *result = NULL;
    uint32_t pos = ev->op_pos;
    unsigned n = 0;

    if (!op->operands) {
        return op->run(ev, NULL);
    }
    for (; op->operands[n]; n++) {
        args[n] = operand(ev, op->operands[n]);
        if (!args[n]) {
            unref_all(args, n);
            return NULL;
        }
    }
    ev->op_pos = pos;
    result = op->run(ev, args);
    for (unsigned i = 0; result && i < n; i++) {
        if (op->operands[i] == 't' && !aml_store(ev, result, args[i])) {
            g_clear_pointer(&result, aml_object_unref);
        }
    }
    unref_all(args, n);
    return result;
}

/* Local0 ... Arg6: their value. */
static AmlObject *variable_term(AmlEval *ev, unsigned opcode)
{
    bool local = opcode < ARG0;
    unsigned n = local ? opcode - LOCAL0 : opcode - ARG0;
    AmlObject *value;

    if (!ev->frame) {
        return aml_fail(ev, "a local or argument outside a method");
    }
    value = (local ? ev->frame->locals : ev->frame->args)[n]->value;
    if (!value) {
        return aml_fail(ev, "%s%u is read, but has no value", local ? "Local" : "Arg", n);
    }
    return aml_value(ev, value);
}

static AmlObject *opcode_term(AmlEval *ev)
{
    uint64_t byte;
    unsigned opcode;
    const AmlOp *op;

    if (!aml_number_at(ev, 1, &byte)) {
        return NULL;
    }
    opcode = (unsigned)byte;
    if (opcode >= LOCAL0 && opcode <= ARG6) {
        return variable_term(ev, opcode);
    }
    if (opcode == EXT_PREFIX) {
        if (!aml_number_at(ev, 1, &byte)) {
            return NULL;
        }
        opcode = AML_EXT((unsigned)byte);
    }
    op = find_op(opcode);
    if (!op) {
        return aml_fail(ev, "unknown opcode 0x%s%02x", opcode >= 0x100 ? "5b " : "", opcode & 0xff);
    }
    return run_op(ev, op);
}

AmlObject *aml_term(AmlEval *ev)
{
    AmlObject *object;
    int byte = aml_peek(&ev->cursor);

    if (byte < 0) {
        return aml_fail(ev, "the block ends at 0x%x where a term is needed", ev->cursor.end);
    }
    ev->op_pos = ev->cursor.pos;
    if (++ev->steps > AML_MAX_STEPS) {
        return aml_fail(ev, "no end after %u terms", AML_MAX_STEPS);
    }
    if (++ev->depth > AML_MAX_DEPTH) {
        object = aml_fail(ev, "more than %u terms within terms", AML_MAX_DEPTH);
    } else {
        object = aml_is_name_start(byte) ? name_term(ev) : opcode_term(ev);
    }
    ev->depth--;
    return object;
}

bool aml_term_list(AmlEval *ev)
{
    while (!aml_at_end(&ev->cursor) && ev->flow == AML_FLOW_ON) {
        g_autoptr(AmlObject) object = aml_term(ev);

        if (!object) {
            return false;
        }
    }
    return true;
}

/* ---- from outside ---- */

/* \_OSI: "which systems do you know": one that is called Windows, as every table expects. */
static AmlObject *native_osi(AmlEval *ev, AmlObject **args)
{
    return aml_truth(ev, args[0]->type == AML_STRING &&
                             g_str_has_prefix((const char *)args[0]->bytes.data, "Windows"));
}

static bool check_header(const uint8_t *table, size_t len, GError **errp)
{
    uint32_t length;
    uint8_t sum = 0;

    if (len < HEADER_SIZE) {
        error_set(errp, "a table of %zu bytes: its header alone has %u", len, HEADER_SIZE);
        return false;
    }
    memcpy(&length, table + HEADER_LENGTH, sizeof(length));
    if (GUINT32_FROM_LE(length) != len) {
        error_set(errp, "table '%.4s' says that it has %u bytes, but it has %zu",
                  (const char *)table, GUINT32_FROM_LE(length), len);
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        sum += table[i];
    }
    if (sum != 0) {
        error_set(errp, "the bytes of table '%.4s' sum to 0x%02x instead of 0", (const char *)table,
                  sum);
        return false;
    }
    return true;
}

/* Check what must hold after an evaluation, and pass on its error. */
static bool eval_done(AmlEval *ev, GError **errp)
{
    if (ev->held->len) {
        aml_fail(ev, "%u mutex(es) are still held at the end", ev->held->len);
    }
    for (unsigned i = 0; i < ev->held->len; i++) {
        ((AmlObject *)ev->held->pdata[i])->mutex.held = 0;
    }
    g_ptr_array_set_size(ev->held, 0);
    ev->sync_level = 0;
    if (ev->err) {
        g_propagate_error(errp, g_steal_pointer(&ev->err));
        return false;
    }
    return true;
}

static void add_osi(AmlEval *ev)
{
    AmlObject *osi = aml_object_new(AML_METHOD);
    AmlName name;

    osi->method.args = 1;
    osi->method.native = native_osi;
    aml_parse_name("\\_OSI", &name);
    aml_node_add(ev->root, &name, osi, NULL);
}

AmlEval *aml_eval_new(const AmlHost *host, const uint8_t *table, size_t len, GError **errp)
{
    g_autoptr(AmlEval) ev = NULL;

    if (!check_header(table, len, errp)) {
        return NULL;
    }
    ev = g_new0(AmlEval, 1);
    ev->host = *host;
    ev->root = aml_namespace_new();
    ev->removed = g_ptr_array_new_with_free_func((GDestroyNotify)aml_namespace_free);
    ev->code = g_memdup2(table, len);
    ev->width = table[HEADER_REVISION] < 2 ? 4 : 8;
    ev->cursor = (AmlCursor){ ev->code, HEADER_SIZE, (uint32_t)len };
    ev->scope = ev->root;
    ev->held = g_ptr_array_new_with_free_func((GDestroyNotify)aml_object_unref);
    add_osi(ev);
    aml_term_list(ev);
    return eval_done(ev, errp) ? g_steal_pointer(&ev) : NULL;
}

void aml_eval_free(AmlEval *ev)
{
    if (ev) {
        aml_namespace_free(ev->root);
        g_ptr_array_unref(ev->removed);
        g_ptr_array_unref(ev->held);
        g_clear_error(&ev->err);
        g_free(ev->code);
        g_free(ev);
    }
}

AmlNode *aml_eval_root(AmlEval *ev)
{
    return ev->root;
}

AmlObject *aml_eval_call(AmlEval *ev, const char *path, AmlObject *const *args, unsigned count,
                         GError **errp)
{
    AmlNode *node = aml_node_find_text(ev->root, path);
    AmlObject *object = node ? node->cell->value : NULL;
    unsigned expected = object && object->type == AML_METHOD ? object->method.args : 0;
    g_autoptr(AmlObject) result = NULL;

    if (!node) {
        error_set(errp, "there is no '%s' in the namespace", path);
        return NULL;
    }
    if (count != expected) {
        error_set(errp, "'%s' takes %u arguments, not %u", path, expected, count);
        return NULL;
    }
    ev->steps = 0;
    ev->op_pos = 0;
    if (object && object->type == AML_METHOD) {
        AmlObject *copy[AML_MAX_ARGS];

        for (unsigned i = 0; i < count; i++) {
            copy[i] = args[i];
        }
        result = aml_invoke(ev, object, copy);
    } else {
        result = object ? aml_value(ev, object) : aml_nothing();
    }
    return eval_done(ev, errp) ? g_steal_pointer(&result) : NULL;
}

static AmlObject *call_integers(AmlEval *ev, const char *path, const uint64_t *args, unsigned count,
                                GError **errp)
{
    AmlObject *objects[AML_MAX_ARGS] = { NULL };
    AmlObject *result;

    g_assert(count <= AML_MAX_ARGS);
    for (unsigned i = 0; i < count; i++) {
        objects[i] = aml_number(ev, args[i]);
    }
    result = aml_eval_call(ev, path, objects, count, errp);
    unref_all(objects, count);
    return result;
}

bool aml_eval_integer(AmlEval *ev, const char *path, const uint64_t *args, unsigned count,
                      uint64_t *value, GError **errp)
{
    g_autoptr(AmlObject) result = call_integers(ev, path, args, count, errp);

    if (!result) {
        return false;
    }
    if (result->type != AML_INTEGER) {
        error_set(errp, "'%s' gave %s instead of an Integer", path, aml_object_type_name(result));
        return false;
    }
    *value = result->integer;
    return true;
}

bool aml_eval_void(AmlEval *ev, const char *path, const uint64_t *args, unsigned count,
                   GError **errp)
{
    g_autoptr(AmlObject) result = call_integers(ev, path, args, count, errp);

    return result != NULL;
}
