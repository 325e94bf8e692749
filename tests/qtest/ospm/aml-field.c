/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing of fields: of regions (plain, index and bank fields, ACPI 6.4, 19.6.46 to
 * 19.6.48), and of buffers.
 */
#include "tests/qtest/ospm/aml-internal.h"

#include <string.h>

static unsigned access_bytes(const AmlFieldUnit *field)
{
    return field->access <= AML_ACCESS_BYTE ? 1 : 1u << (field->access - 1);
}

/* ---- one access ---- */

static bool write_integer(AmlEval *ev, const AmlObject *field, uint64_t value)
{
    g_autoptr(AmlObject) object = aml_integer(value);

    return aml_field_write(ev, field, object);
}

static bool check_region(AmlEval *ev, const AmlRegion *region, uint64_t offset, unsigned size)
{
    if (offset > region->length || size > region->length - offset) {
        aml_fail(ev,
                 "an access of %u bytes at 0x%" G_GINT64_MODIFIER
                 "x of a region of 0x%" G_GINT64_MODIFIER "x bytes",
                 size, offset, region->length);
        return false;
    }
    if (region->space != AML_SPACE_MEMORY && region->space != AML_SPACE_IO) {
        aml_fail(ev, "an access to address space %u: only memory and I/O are there", region->space);
        return false;
    }
    return true;
}

/* Choose the bank, or the register, that the access at @offset is for. */
static bool select_unit(AmlEval *ev, const AmlFieldUnit *field, uint64_t offset)
{
    if (field->bank && !write_integer(ev, field->bank, field->bank_value)) {
        return false;
    }
    return !field->index || write_integer(ev, field->index, offset);
}

static bool unit_read(AmlEval *ev, const AmlFieldUnit *field, uint64_t offset, unsigned size,
                      uint64_t *value)
{
    const AmlRegion *region;

    if (!select_unit(ev, field, offset)) {
        return false;
    }
    if (field->index) {
        g_autoptr(AmlObject) data = aml_field_read(ev, field->data);
        g_autoptr(AmlObject) number = data ? aml_to_integer(data, ev->width) : NULL;

        *value = number ? number->integer : 0;
        return number != NULL;
    }
    region = &field->region->region;
    if (!check_region(ev, region, offset, size)) {
        return false;
    }
    *value = ev->host.read(ev->host.opaque, region->space, region->base + offset, size);
    return true;
}

static bool unit_write(AmlEval *ev, const AmlFieldUnit *field, uint64_t offset, unsigned size,
                       uint64_t value)
{
    const AmlRegion *region;

    if (!select_unit(ev, field, offset)) {
        return false;
    }
    if (field->index) {
        return write_integer(ev, field->data, value);
    }
    region = &field->region->region;
    if (!check_region(ev, region, offset, size)) {
        return false;
    }
    ev->host.write(ev->host.opaque, region->space, region->base + offset, size, value);
    return true;
}

/* ---- fields as bit strings ---- */

static void put_number(uint8_t *to, uint64_t value, unsigned size)
{
    value = GUINT64_TO_LE(value);
    memcpy(to, &value, size);
}

static bool bits_read(AmlEval *ev, const AmlFieldUnit *field, uint8_t *out)
{
    unsigned size = access_bytes(field);
    uint64_t first = field->bit / 8 / size * size;
    uint64_t last = (field->bit + field->bits - 1) / 8 / size * size;
    g_autofree uint8_t *units = g_malloc0(last - first + size);
    uint64_t value;

    for (uint64_t offset = first; offset <= last; offset += size) {
        if (!unit_read(ev, field, offset, size, &value)) {
            return false;
        }
        put_number(units + (offset - first), value, size);
    }
    aml_bits_copy(out, 0, units, field->bit - first * 8, field->bits);
    return true;
}

/* What an access that the field fills only in part writes to the rest. */
static bool unit_rest(AmlEval *ev, const AmlFieldUnit *field, uint64_t offset, unsigned size,
                      uint64_t *value)
{
    *value = field->update == AML_UPDATE_ONES ? UINT64_MAX : 0;
    return field->update != AML_UPDATE_PRESERVE || unit_read(ev, field, offset, size, value);
}

static bool bits_write(AmlEval *ev, const AmlFieldUnit *field, const uint8_t *in)
{
    unsigned size = access_bytes(field);
    uint64_t end = field->bit + field->bits;

    for (uint64_t offset = field->bit / 8 / size * size; offset * 8 < end; offset += size) {
        uint64_t from = MAX(field->bit, offset * 8), to = MIN(end, (offset + size) * 8);
        uint8_t unit[8] = { 0 };
        uint64_t value = 0;

        if (to - from < size * 8 && !unit_rest(ev, field, offset, size, &value)) {
            return false;
        }
        put_number(unit, value, size);
        aml_bits_copy(unit, from - offset * 8, in, from - field->bit, to - from);
        memcpy(&value, unit, sizeof(value));
        if (!unit_write(ev, field, offset, size, GUINT64_FROM_LE(value))) {
            return false;
        }
    }
    return true;
}

/* ---- as objects ---- */

static AmlObject *bits_object(AmlEval *ev, const uint8_t *bytes, uint64_t bits, bool buffer)
{
    uint64_t value = 0;

    if (buffer || bits > ev->width * 8) {
        return aml_buffer_new(bytes, (bits + 7) / 8);
    }
    memcpy(&value, bytes, (bits + 7) / 8);
    return aml_integer(GUINT64_FROM_LE(value));
}

AmlObject *aml_field_read(AmlEval *ev, const AmlObject *object)
{
    bool of_buffer = object->type == AML_BUFFER_FIELD;
    uint64_t bits = of_buffer ? object->buffer_field.bits : object->field.bits;
    g_autofree uint8_t *bytes = g_malloc0((bits + 7) / 8);

    if (of_buffer) {
        aml_bits_copy(bytes, 0, object->buffer_field.buffer->bytes.data, object->buffer_field.bit,
                      bits);
    } else if (!bits_read(ev, &object->field, bytes)) {
        return NULL;
    }
    return bits_object(ev, bytes, bits, of_buffer && object->buffer_field.always_buffer);
}

/* Zeros follow what is too short; what is too long is cut. */
bool aml_field_write(AmlEval *ev, const AmlObject *object, AmlObject *value)
{
    bool of_buffer = object->type == AML_BUFFER_FIELD;
    uint64_t bits = of_buffer ? object->buffer_field.bits : object->field.bits;
    g_autofree uint8_t *bytes = g_malloc0((bits + 7) / 8);
    g_autoptr(AmlObject) source = aml_to_buffer(value, sizeof(uint64_t));

    if (!source) {
        aml_fail(ev, "%s cannot be stored to a field", aml_object_type_name(value));
        return false;
    }
    memcpy(bytes, source->bytes.data, MIN(source->bytes.len, (bits + 7) / 8));
    if (of_buffer) {
        aml_bits_copy(object->buffer_field.buffer->bytes.data, object->buffer_field.bit, bytes, 0,
                      bits);
        return true;
    }
    return bits_write(ev, &object->field, bytes);
}
