/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * References, and stores through them:
 *     Store CopyObject RefOf CondRefOf DerefOf Index SizeOf ObjectType Increment Decrement
 */
#include "tests/qtest/ospm/aml-internal.h"

#include <inttypes.h>
#include <string.h>

enum { LOCAL0 = 0x60, ARG0 = 0x68, ARG6 = 0x6e, EXT_PREFIX = 0x5b, DEBUG_OP = 0x31 };
enum { MAX_HOPS = 8 }; /* references to references */

AmlObject *aml_value(AmlEval *ev, AmlObject *object)
{
    if (object->type == AML_FIELD_UNIT || object->type == AML_BUFFER_FIELD) {
        return aml_field_read(ev, object);
    }
    return aml_object_ref(object);
}

/* ---- where things are ---- */

static AmlObject *variable_ref(AmlEval *ev, int opcode)
{
    bool local = opcode < ARG0;

    if (!ev->frame) {
        return aml_fail(ev, "a local or argument outside a method");
    }
    return local ? aml_ref_cell(ev->frame->locals[opcode - LOCAL0], AML_VAR_LOCAL)
                 : aml_ref_cell(ev->frame->args[opcode - ARG0], AML_VAR_ARG);
}

static AmlObject *name_ref(AmlEval *ev, bool may_be_missing)
{
    AmlName name;
    AmlNode *node;

    if (!aml_name_at(ev, &name)) {
        return NULL;
    }
    if (may_be_missing && !aml_node_find(ev->scope, &name)) {
        return aml_ref_new(AML_REF_NONE);
    }
    node = aml_find(ev, &name);
    return node ? aml_ref_cell(node->cell, AML_VAR_NAMED) : NULL;
}

AmlObject *aml_super_name(AmlEval *ev, bool may_be_missing)
{
    int byte = aml_peek(&ev->cursor);
    AmlObject *object;

    if (byte >= LOCAL0 && byte <= ARG6) {
        ev->cursor.pos++;
        return variable_ref(ev, byte);
    }
    if (aml_is_name_start(byte)) {
        return name_ref(ev, may_be_missing);
    }
    if (byte == EXT_PREFIX && ev->cursor.end - ev->cursor.pos >= 2 &&
        ev->cursor.code[ev->cursor.pos + 1] == DEBUG_OP) {
        ev->cursor.pos += 2;
        return aml_ref_new(AML_REF_DEBUG);
    }
    object = aml_term(ev);
    if (object && object->type != AML_REFERENCE) {
        aml_fail(ev, "a reference is needed, not %s", aml_object_type_name(object));
        g_clear_pointer(&object, aml_object_unref);
    }
    return object;
}

AmlObject *aml_target(AmlEval *ev)
{
    if (aml_peek(&ev->cursor) == 0) { /* a null name */
        ev->cursor.pos++;
        return aml_ref_new(AML_REF_NONE);
    }
    return aml_super_name(ev, false);
}

/* What a reference stands for itself; borrowed; NULL: uninitialized, or no value can be there. */
static AmlObject *referred(AmlEval *ev, const AmlReference *ref)
{
    AmlNode *node;

    switch (ref->kind) {
    case AML_REF_CELL:
        return ref->cell->value;
    case AML_REF_ELEMENT:
        return ref->object->package.elements[ref->index];
    case AML_REF_NAME:
        node = aml_node_find_text(ref->scope, ref->path);
        if (!node) {
            return aml_fail(ev, "there is no '%s', which a package refers to", ref->path);
        }
        return node->cell->value;
    default:
        return NULL;
    }
}

/* Does a value take the place of the reference wherever this one is used? What locals, arguments
 * and elements of packages hold does. */
static bool is_transparent(const AmlReference *ref)
{
    return ref->kind == AML_REF_ELEMENT || (ref->kind == AML_REF_CELL && ref->var != AML_VAR_NAMED);
}

/* The object at the end of a chain of references; borrowed, NULL if uninitialized. */
static AmlObject *follow(AmlEval *ev, AmlObject *object)
{
    for (unsigned i = 0; object && object->type == AML_REFERENCE; i++) {
        if (i == MAX_HOPS) {
            return aml_fail(ev, "more than %u references to references", MAX_HOPS);
        }
        if (object->ref.kind == AML_REF_BYTE || object->ref.kind == AML_REF_DEBUG) {
            return object;
        }
        object = referred(ev, &object->ref);
    }
    return object;
}

AmlObject *aml_dereference(AmlEval *ev, AmlObject *object)
{
    const AmlReference *ref = &object->ref;
    AmlObject *value;

    if (ref->kind == AML_REF_BYTE) {
        return aml_integer(ref->object->bytes.data[ref->index]);
    }
    value = referred(ev, ref);
    if (!value) {
        return aml_fail(ev, "a reference to something that has no value");
    }
    /* A name in a package is as good as what it names. */
    if (value->type == AML_REFERENCE && value->ref.kind == AML_REF_NAME && is_transparent(ref)) {
        return aml_dereference(ev, value);
    }
    return aml_value(ev, value);
}

/* ---- stores ---- */

static bool store_byte(AmlEval *ev, AmlObject *value, const AmlReference *to)
{
    g_autoptr(AmlObject) number = aml_to_integer(value, ev->width);

    if (!number) {
        aml_fail(ev, "%s cannot be stored to a byte", aml_object_type_name(value));
        return false;
    }
    to->object->bytes.data[to->index] = (uint8_t)number->integer;
    return true;
}

/* A buffer keeps its size: what is too long is cut, what is missing is zero (19.3.5.8). */
static void overwrite_buffer(AmlObject *to, const AmlObject *from)
{
    memset(to->bytes.data, 0, to->bytes.len);
    memcpy(to->bytes.data, from->bytes.data, MIN(to->bytes.len, from->bytes.len));
}

/* A name keeps its type. */
static bool store_named(AmlEval *ev, AmlObject *value, AmlCell *cell)
{
    AmlObject *old = cell->value;
    AmlType type = old ? old->type : AML_UNINITIALIZED;
    g_autoptr(AmlObject) converted = NULL;

    if (type == AML_FIELD_UNIT || type == AML_BUFFER_FIELD) {
        return aml_field_write(ev, old, value);
    }
    if (type == AML_UNINITIALIZED || type == AML_REFERENCE) {
        aml_cell_set(cell, aml_object_copy(value));
        return true;
    }
    converted =
        type == value->type ? aml_object_copy(value) : aml_convert_like(value, type, ev->width);
    if (!converted || type > AML_PACKAGE) {
        aml_fail(ev, "%s cannot be stored to a name that is %s", aml_object_type_name(value),
                 aml_type_name(type));
        return false;
    }
    if (type == AML_BUFFER && old->bytes.len > 0) {
        overwrite_buffer(old, converted);
    } else {
        aml_cell_set(cell, g_steal_pointer(&converted));
    }
    return true;
}

static void store_debug(AmlEval *ev, AmlObject *value)
{
    g_autoptr(AmlObject) text = aml_to_string(value, ev->width);

    g_test_message("Debug: %s",
                   text ? (const char *)text->bytes.data : aml_object_type_name(value));
}

static bool store_cell(AmlEval *ev, AmlObject *value, const AmlReference *to, unsigned hops);

static bool store_ref(AmlEval *ev, AmlObject *value, const AmlReference *to, unsigned hops)
{
    AmlObject **element;

    switch (to->kind) {
    case AML_REF_CELL:
        return store_cell(ev, value, to, hops);
    case AML_REF_ELEMENT:
        element = &to->object->package.elements[to->index];
        aml_object_unref(*element);
        *element = aml_object_copy(value);
        return true;
    case AML_REF_BYTE:
        return store_byte(ev, value, to);
    case AML_REF_DEBUG:
        store_debug(ev, value);
        return true;
    case AML_REF_NONE:
        return true;
    default:
        aml_fail(ev, "a store to a name that is an element of a package");
        return false;
    }
}

static bool store_cell(AmlEval *ev, AmlObject *value, const AmlReference *to, unsigned hops)
{
    AmlObject *old = to->cell->value;

    if (to->var == AML_VAR_NAMED) {
        return store_named(ev, value, to->cell);
    }
    if (to->var == AML_VAR_ARG && old && old->type == AML_REFERENCE) {
        if (hops == MAX_HOPS) {
            aml_fail(ev, "more than %u references to references", MAX_HOPS);
            return false;
        }
        return store_ref(ev, value, &old->ref, hops + 1);
    }
    aml_cell_set(to->cell, aml_object_copy(value));
    return true;
}

bool aml_store(AmlEval *ev, AmlObject *value, AmlObject *target)
{
    if (value->type == AML_UNINITIALIZED) {
        aml_fail(ev, "a store of something that has no value");
        return false;
    }
    return store_ref(ev, value, &target->ref, 0);
}

/* ---- opcodes ---- */

static AmlObject *op_store(AmlEval *ev, AmlObject **args)
{
    return aml_store(ev, args[0], args[1]) ? aml_object_ref(args[0]) : NULL;
}

/* As Store(), but a name takes the type of the source. */
static AmlObject *op_copy_object(AmlEval *ev, AmlObject **args)
{
    const AmlReference *to = &args[1]->ref;
    AmlType type =
        to->kind == AML_REF_CELL && to->cell->value ? to->cell->value->type : AML_UNINITIALIZED;

    if (to->kind != AML_REF_CELL || type == AML_FIELD_UNIT || type == AML_BUFFER_FIELD) {
        return op_store(ev, args);
    }
    aml_cell_set(to->cell, aml_object_copy(args[0]));
    return aml_object_ref(args[0]);
}

static AmlObject *op_ref_of(AmlEval *ev, AmlObject **args)
{
    return aml_object_ref(args[0]);
}

static AmlObject *op_cond_ref_of(AmlEval *ev, AmlObject **args)
{
    if (args[0]->ref.kind == AML_REF_NONE) {
        return aml_truth(ev, false);
    }
    return aml_store(ev, args[0], args[1]) ? aml_truth(ev, true) : NULL;
}

static AmlObject *op_deref_of(AmlEval *ev, AmlObject **args)
{
    AmlNode *node;

    if (args[0]->type == AML_REFERENCE) {
        return aml_dereference(ev, args[0]);
    }
    if (args[0]->type != AML_STRING) {
        return aml_fail(ev, "DerefOf needs a Reference or String, not %s",
                        aml_object_type_name(args[0]));
    }
    node = aml_node_find_text(ev->scope, (const char *)args[0]->bytes.data);
    if (!node || !node->cell->value) {
        return aml_fail(ev, "there is no '%s' with a value", (char *)args[0]->bytes.data);
    }
    return aml_value(ev, node->cell->value);
}

static AmlObject *op_index(AmlEval *ev, AmlObject **args)
{
    AmlObject *of = follow(ev, args[0]);
    uint64_t index = args[1]->integer;
    bool package = of && of->type == AML_PACKAGE;
    uint64_t count;

    if (ev->err || !of || (!package && of->type != AML_STRING && of->type != AML_BUFFER)) {
        return aml_fail(ev, "Index needs a Package, Buffer or String, not %s",
                        aml_object_type_name(of));
    }
    count = package ? of->package.count : of->bytes.len;
    if (index >= count) {
        return aml_fail(ev, "Index %" PRIu64 " of %s with %" PRIu64 " elements", index,
                        aml_object_type_name(of), count);
    }
    return aml_ref_index(package ? AML_REF_ELEMENT : AML_REF_BYTE, of, index);
}

static AmlObject *op_size_of(AmlEval *ev, AmlObject **args)
{
    const AmlObject *of = follow(ev, args[0]);

    switch (of ? of->type : AML_UNINITIALIZED) {
    case AML_PACKAGE:
        return aml_integer(of->package.count);
    case AML_STRING:
    case AML_BUFFER:
        return aml_integer(of->bytes.len);
    default:
        return aml_fail(ev, "SizeOf needs a Package, Buffer or String, not %s",
                        aml_object_type_name(of));
    }
}

static AmlObject *op_object_type(AmlEval *ev, AmlObject **args)
{
    const AmlObject *of = follow(ev, args[0]);

    if (ev->err) {
        return NULL;
    }
    if (of && of->type == AML_REFERENCE) {
        return aml_integer(of->ref.kind == AML_REF_DEBUG ? AML_DEBUG : AML_BUFFER_FIELD);
    }
    return aml_integer(of ? of->type : AML_UNINITIALIZED);
}

static AmlObject *add_to(AmlEval *ev, AmlObject *target, uint64_t n)
{
    g_autoptr(AmlObject) old = aml_dereference(ev, target);
    g_autoptr(AmlObject) number = old ? aml_to_integer(old, ev->width) : NULL;
    g_autoptr(AmlObject) sum = NULL;

    if (!number) {
        return aml_fail(ev, "an Integer is needed, not %s", aml_object_type_name(old));
    }
    sum = aml_number(ev, number->integer + n);
    return aml_store(ev, sum, target) ? g_steal_pointer(&sum) : NULL;
}

static AmlObject *op_increment(AmlEval *ev, AmlObject **args)
{
    return add_to(ev, args[0], 1);
}

static AmlObject *op_decrement(AmlEval *ev, AmlObject **args)
{
    return add_to(ev, args[0], UINT64_MAX);
}

static const struct {
    unsigned opcode;
    AmlOp op;
} ops[] = {
    { 0x70, { "Store", "dT", op_store } },
    { 0x9d, { "CopyObject", "dT", op_copy_object } },
    { 0x71, { "RefOf", "s", op_ref_of } },
    { AML_EXT(0x12), { "CondRefOf", "nT", op_cond_ref_of } },
    { 0x83, { "DerefOf", "d", op_deref_of } },
    { 0x88, { "Index", "dit", op_index } },
    { 0x87, { "SizeOf", "s", op_size_of } },
    { 0x8e, { "ObjectType", "s", op_object_type } },
    { 0x75, { "Increment", "s", op_increment } },
    { 0x76, { "Decrement", "s", op_decrement } },
};

const AmlOp *aml_reference_op(unsigned opcode)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].opcode == opcode) {
            return &ops[i].op;
        }
    }
    return NULL;
}
