/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes names (ACPI 6.4, 20.2.5.1 and 20.2.5.2):
 *     Alias Name Scope External Method Device Processor PowerResource ThermalZone Mutex Event
 *     OperationRegion Field IndexField BankField CreateField and its kin
 */
#include <inttypes.h>

#include "tests/qtest/ospm/aml-internal.h"

#include "util/error.h"

static AmlObject *done_if(bool ok)
{
    return ok ? aml_nothing() : NULL;
}

static AmlObject *op_alias(AmlEval *ev, AmlObject **args)
{
    AmlName of, name;
    AmlNode *source, *node;

    if (!aml_name_at(ev, &of) || !aml_name_at(ev, &name) || !(source = aml_find(ev, &of)) ||
        !(node = aml_declare(ev, &name, NULL))) {
        return NULL;
    }
    aml_cell_unref(node->cell);
    node->cell = aml_cell_ref(source->cell);
    return aml_nothing();
}

static AmlObject *op_name(AmlEval *ev, AmlObject **args)
{
    AmlName name;
    g_autoptr(AmlObject) value = NULL;

    if (!aml_name_at(ev, &name) || !(value = aml_term(ev))) {
        return NULL;
    }
    if (value->type == AML_UNINITIALIZED) {
        return aml_fail(ev, "a Name without a value");
    }
    return done_if(aml_declare(ev, &name, aml_object_copy(value)));
}

/* Run the rest of the block with the names in @scope. */
static AmlObject *scope_body(AmlEval *ev, AmlNode *scope, uint32_t outer)
{
    AmlNode *before = ev->scope;
    bool ok;

    ev->scope = scope;
    ok = aml_term_list(ev);
    if (ok) {
        ev->scope = before;
        aml_block_leave(&ev->cursor, outer);
    }
    return done_if(ok);
}

static bool can_be_scope(const AmlObject *object)
{
    AmlType type = object ? object->type : AML_UNINITIALIZED;

    return type == AML_UNINITIALIZED || type == AML_DEVICE || type == AML_PROCESSOR ||
           type == AML_THERMAL_ZONE || type == AML_POWER_RESOURCE;
}

static AmlObject *op_scope(AmlEval *ev, AmlObject **args)
{
    uint32_t outer;
    AmlName name;
    AmlNode *node;

    if (!aml_enter(ev, &outer) || !aml_name_at(ev, &name)) {
        return NULL;
    }
    node = aml_find(ev, &name);
    if (!node) {
        return NULL;
    }
    if (!can_be_scope(node->cell->value)) {
        return aml_fail(ev, "%s cannot be a Scope", aml_object_type_name(node->cell->value));
    }
    return scope_body(ev, node, outer);
}

/* Says what another table has: nothing to us. */
static AmlObject *op_external(AmlEval *ev, AmlObject **args)
{
    AmlName name;
    uint64_t type_and_args;

    return done_if(aml_name_at(ev, &name) && aml_number_at(ev, 2, &type_and_args));
}

static AmlObject *op_method(AmlEval *ev, AmlObject **args)
{
    uint32_t outer;
    AmlName name;
    uint64_t flags;
    AmlObject *object;
    AmlNode *node;

    if (!aml_enter(ev, &outer) || !aml_name_at(ev, &name) || !aml_number_at(ev, 1, &flags)) {
        return NULL;
    }
    object = aml_object_new(AML_METHOD);
    object->method = (AmlMethod){
        .start = ev->cursor.pos,
        .end = ev->cursor.end,
        .args = flags & 7,
        .serialized = flags & 8,
        .sync_level = (uint8_t)(flags >> 4),
    };
    node = aml_declare(ev, &name, object);
    if (!node) {
        return NULL;
    }
    object->method.scope = node;
    aml_block_leave(&ev->cursor, outer);
    return aml_nothing();
}

/* Device and its kin: a name, @extra bytes, and a body of names. */
static AmlObject *declare_device(AmlEval *ev, AmlType type, unsigned extra)
{
    uint32_t outer;
    AmlName name;
    uint64_t byte;
    AmlNode *node;

    if (!aml_enter(ev, &outer) || !aml_name_at(ev, &name)) {
        return NULL;
    }
    for (unsigned i = 0; i < extra; i++) {
        if (!aml_number_at(ev, 1, &byte)) {
            return NULL;
        }
    }
    node = aml_declare(ev, &name, aml_object_new(type));
    if (!node) {
        return NULL;
    }
    node->cell->value->path = aml_node_path(node);
    return scope_body(ev, node, outer);
}

static AmlObject *op_device(AmlEval *ev, AmlObject **args)
{
    return declare_device(ev, AML_DEVICE, 0);
}

static AmlObject *op_processor(AmlEval *ev, AmlObject **args)
{
    return declare_device(ev, AML_PROCESSOR, 1 + 4 + 1); /* ID, P_BLK and its length */
}

static AmlObject *op_power_resource(AmlEval *ev, AmlObject **args)
{
    return declare_device(ev, AML_POWER_RESOURCE, 1 + 2); /* system level, order */
}

static AmlObject *op_thermal_zone(AmlEval *ev, AmlObject **args)
{
    return declare_device(ev, AML_THERMAL_ZONE, 0);
}

static AmlObject *op_mutex(AmlEval *ev, AmlObject **args)
{
    AmlName name;
    uint64_t flags;
    AmlObject *object;

    if (!aml_name_at(ev, &name) || !aml_number_at(ev, 1, &flags)) {
        return NULL;
    }
    object = aml_object_new(AML_MUTEX);
    object->mutex.sync_level = flags & 0xf;
    return done_if(aml_declare(ev, &name, object));
}

static AmlObject *op_event(AmlEval *ev, AmlObject **args)
{
    AmlName name;

    return done_if(aml_name_at(ev, &name) && aml_declare(ev, &name, aml_object_new(AML_EVENT)));
}

/* ---- regions and their fields ---- */

static AmlObject *op_region(AmlEval *ev, AmlObject **args)
{
    AmlName name;
    uint64_t space;
    g_autoptr(AmlObject) base = NULL;
    g_autoptr(AmlObject) length = NULL;
    AmlObject *object;

    if (!aml_name_at(ev, &name) || !aml_number_at(ev, 1, &space) ||
        !(base = aml_integer_term(ev)) || !(length = aml_integer_term(ev))) {
        return NULL;
    }
    object = aml_object_new(AML_REGION);
    object->region = (AmlRegion){ (uint8_t)space, base->integer, length->integer };
    return done_if(aml_declare(ev, &name, object));
}

/* The next name must be of @type; borrowed. */
static AmlObject *named_object(AmlEval *ev, AmlType type)
{
    AmlName name;
    AmlNode *node;

    if (!aml_name_at(ev, &name) || !(node = aml_find(ev, &name))) {
        return NULL;
    }
    if (!node->cell->value || node->cell->value->type != type) {
        return aml_fail(ev, "'%s' is %s where %s is needed", node->name,
                        aml_object_type_name(node->cell->value), aml_type_name(type));
    }
    return node->cell->value;
}

/* What all fields of one list share; @bit goes on. */
typedef struct FieldList {
    AmlObject *region, *index, *data, *bank; /* borrowed */
    uint64_t bank_value, bit;
    uint8_t access, update;
} FieldList;

static bool field_length(AmlEval *ev, uint32_t *bits)
{
    g_autoptr(GError) err = NULL;

    if (!aml_read_length(&ev->cursor, bits, &err)) {
        aml_fail(ev, "%s", err->message);
        return false;
    }
    return true;
}

static bool field_named(AmlEval *ev, FieldList *list)
{
    AmlName name;
    uint32_t bits;
    AmlObject *object;

    if (!aml_name_at(ev, &name) || !field_length(ev, &bits)) {
        return false;
    }
    if (bits == 0 || bits > AML_MAX_BYTES * 8 ||
        (list->region && list->bit + bits > list->region->region.length * 8)) {
        aml_fail(ev, "field '%s' of %u bits at bit %" PRIu64 " does not lie in its region",
                 name.seg[0], bits, list->bit);
        return false;
    }
    object = aml_object_new(AML_FIELD_UNIT);
    object->field = (AmlFieldUnit){
        .region = aml_object_ref(list->region),
        .index = aml_object_ref(list->index),
        .data = aml_object_ref(list->data),
        .bank = aml_object_ref(list->bank),
        .bank_value = list->bank_value,
        .bit = list->bit,
        .bits = bits,
        .access = list->access,
        .update = list->update,
    };
    list->bit += bits;
    return aml_declare(ev, &name, object) != NULL;
}

static bool set_access(AmlEval *ev, FieldList *list, uint8_t access)
{
    if (access > AML_ACCESS_QWORD) {
        aml_fail(ev, "access type %u: only Any, Byte, Word, DWord and QWord are there", access);
        return false;
    }
    list->access = access;
    return true;
}

static bool field_element(AmlEval *ev, FieldList *list)
{
    enum { RESERVED = 0, ACCESS = 1 };
    int byte = aml_peek(&ev->cursor);
    uint32_t bits;
    uint64_t access;

    if (byte == RESERVED) {
        ev->cursor.pos++;
        if (!field_length(ev, &bits)) {
            return false;
        }
        list->bit += bits;
        return true;
    }
    if (byte == ACCESS) {
        ev->cursor.pos++;
        return aml_number_at(ev, 2, &access) && set_access(ev, list, access & 0xf);
    }
    if (!aml_is_name_start(byte)) {
        aml_fail(ev, "field element 0x%02x: only names, gaps and access types are known",
                 (unsigned)byte);
        return false;
    }
    return field_named(ev, list);
}

/* The flags, and the fields up to the end of the block. */
static AmlObject *field_list(AmlEval *ev, FieldList *list, uint32_t outer)
{
    uint64_t flags;

    if (!aml_number_at(ev, 1, &flags) || !set_access(ev, list, flags & 0xf)) {
        return NULL;
    }
    list->update = flags >> 5 & 3;
    if (list->update > AML_UPDATE_ZEROS) {
        return aml_fail(ev, "update rule 3 of a field does not exist");
    }
    while (!aml_at_end(&ev->cursor)) {
        if (!field_element(ev, list)) {
            return NULL;
        }
    }
    aml_block_leave(&ev->cursor, outer);
    return aml_nothing();
}

static AmlObject *op_field(AmlEval *ev, AmlObject **args)
{
    FieldList list = { 0 };
    uint32_t outer;

    if (!aml_enter(ev, &outer) || !(list.region = named_object(ev, AML_REGION))) {
        return NULL;
    }
    return field_list(ev, &list, outer);
}

static AmlObject *op_index_field(AmlEval *ev, AmlObject **args)
{
    FieldList list = { 0 };
    uint32_t outer;

    if (!aml_enter(ev, &outer) || !(list.index = named_object(ev, AML_FIELD_UNIT)) ||
        !(list.data = named_object(ev, AML_FIELD_UNIT))) {
        return NULL;
    }
    return field_list(ev, &list, outer);
}

static AmlObject *op_bank_field(AmlEval *ev, AmlObject **args)
{
    FieldList list = { 0 };
    uint32_t outer;
    g_autoptr(AmlObject) value = NULL;

    if (!aml_enter(ev, &outer) || !(list.region = named_object(ev, AML_REGION)) ||
        !(list.bank = named_object(ev, AML_FIELD_UNIT)) || !(value = aml_integer_term(ev))) {
        return NULL;
    }
    list.bank_value = value->integer;
    return field_list(ev, &list, outer);
}

/* ---- fields of buffers ---- */

static AmlObject *create_field(AmlEval *ev, AmlObject *buffer, uint64_t bit, uint64_t bits,
                               bool always_buffer)
{
    AmlName name;
    AmlObject *object;

    if (!aml_name_at(ev, &name)) {
        return NULL;
    }
    if (buffer->type != AML_BUFFER) {
        return aml_fail(ev, "CreateField needs a Buffer, not %s", aml_object_type_name(buffer));
    }
    if (bits == 0 || bits > AML_MAX_BYTES * 8 || bit > AML_MAX_BYTES * 8 ||
        bit + bits > buffer->bytes.len * 8) {
        return aml_fail(ev,
                        "field '%s' of %" PRIu64 " bits at bit %" PRIu64
                        " does not lie in its Buffer of %zu bytes",
                        name.seg[0], bits, bit, buffer->bytes.len);
    }
    object = aml_object_new(AML_BUFFER_FIELD);
    object->buffer_field.buffer = aml_object_ref(buffer);
    object->buffer_field.bit = bit;
    object->buffer_field.bits = bits;
    object->buffer_field.always_buffer = always_buffer;
    return done_if(aml_declare(ev, &name, object));
}

static AmlObject *op_create_bit_field(AmlEval *ev, AmlObject **args)
{
    return create_field(ev, args[0], args[1]->integer, 1, false);
}

static AmlObject *create_bytes(AmlEval *ev, AmlObject **args, unsigned bytes)
{
    uint64_t offset = MIN(args[1]->integer, UINT64_MAX / 8);

    return create_field(ev, args[0], offset * 8, bytes * 8, false);
}

static AmlObject *op_create_byte_field(AmlEval *ev, AmlObject **args)
{
    return create_bytes(ev, args, 1);
}

static AmlObject *op_create_word_field(AmlEval *ev, AmlObject **args)
{
    return create_bytes(ev, args, 2);
}

static AmlObject *op_create_dword_field(AmlEval *ev, AmlObject **args)
{
    return create_bytes(ev, args, 4);
}

static AmlObject *op_create_qword_field(AmlEval *ev, AmlObject **args)
{
    return create_bytes(ev, args, 8);
}

static AmlObject *op_create_field(AmlEval *ev, AmlObject **args)
{
    return create_field(ev, args[0], args[1]->integer, args[2]->integer, true);
}

static const struct {
    unsigned opcode;
    AmlOp op;
} ops[] = {
    { 0x06, { "Alias", NULL, op_alias } },
    { 0x08, { "Name", NULL, op_name } },
    { 0x10, { "Scope", NULL, op_scope } },
    { 0x14, { "Method", NULL, op_method } },
    { 0x15, { "External", NULL, op_external } },
    { AML_EXT(0x01), { "Mutex", NULL, op_mutex } },
    { AML_EXT(0x02), { "Event", NULL, op_event } },
    { AML_EXT(0x80), { "OperationRegion", NULL, op_region } },
    { AML_EXT(0x81), { "Field", NULL, op_field } },
    { AML_EXT(0x82), { "Device", NULL, op_device } },
    { AML_EXT(0x83), { "Processor", NULL, op_processor } },
    { AML_EXT(0x84), { "PowerResource", NULL, op_power_resource } },
    { AML_EXT(0x85), { "ThermalZone", NULL, op_thermal_zone } },
    { AML_EXT(0x86), { "IndexField", NULL, op_index_field } },
    { AML_EXT(0x87), { "BankField", NULL, op_bank_field } },
    { 0x8d, { "CreateBitField", "di", op_create_bit_field } },
    { 0x8c, { "CreateByteField", "di", op_create_byte_field } },
    { 0x8b, { "CreateWordField", "di", op_create_word_field } },
    { 0x8a, { "CreateDWordField", "di", op_create_dword_field } },
    { 0x8f, { "CreateQWordField", "di", op_create_qword_field } },
    { AML_EXT(0x13), { "CreateField", "dii", op_create_field } },
};

const AmlOp *aml_declare_op(unsigned opcode)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].opcode == opcode) {
            return &ops[i].op;
        }
    }
    return NULL;
}
