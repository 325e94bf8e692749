/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/aml-object.h"

#include <inttypes.h>
#include <string.h>

AmlObject *aml_object_new(AmlType type)
{
    AmlObject *object = g_new0(AmlObject, 1);

    object->refs = 1;
    object->type = type;
    return object;
}

AmlObject *aml_object_ref(AmlObject *object)
{
    if (object) {
        object->refs++;
    }
    return object;
}

static void reference_clear(AmlReference *ref)
{
    if (ref->cell) {
        aml_cell_unref(ref->cell);
    }
    aml_object_unref(ref->object);
    g_free(ref->path);
}

static void object_clear(AmlObject *object)
{
    switch (object->type) {
    case AML_STRING:
    case AML_BUFFER:
        g_free(object->bytes.data);
        break;
    case AML_PACKAGE:
        for (unsigned i = 0; i < object->package.count; i++) {
            aml_object_unref(object->package.elements[i]);
        }
        g_free(object->package.elements);
        break;
    case AML_REFERENCE:
        reference_clear(&object->ref);
        break;
    case AML_FIELD_UNIT:
        aml_object_unref(object->field.region);
        aml_object_unref(object->field.index);
        aml_object_unref(object->field.data);
        aml_object_unref(object->field.bank);
        break;
    case AML_BUFFER_FIELD:
        aml_object_unref(object->buffer_field.buffer);
        break;
    case AML_DEVICE:
    case AML_PROCESSOR:
    case AML_POWER_RESOURCE:
    case AML_THERMAL_ZONE:
        g_free(object->path);
        break;
    default:
        break;
    }
}

void aml_object_unref(AmlObject *object)
{
    if (object && --object->refs == 0) {
        object_clear(object);
        g_free(object);
    }
}

AmlObject *aml_integer(uint64_t value)
{
    AmlObject *object = aml_object_new(AML_INTEGER);

    object->integer = value;
    return object;
}

static AmlObject *bytes_new(AmlType type, const void *data, size_t len)
{
    AmlObject *object = aml_object_new(type);

    object->bytes.data = g_malloc0(len + 1);
    object->bytes.len = len;
    if (data && len) {
        memcpy(object->bytes.data, data, len);
    }
    return object;
}

AmlObject *aml_string_new(const char *text, size_t len)
{
    return bytes_new(AML_STRING, text, len);
}

AmlObject *aml_buffer_new(const void *data, size_t len)
{
    return bytes_new(AML_BUFFER, data, len);
}

AmlObject *aml_package_new(unsigned count)
{
    AmlObject *object = aml_object_new(AML_PACKAGE);

    object->package.elements = g_new0(AmlObject *, count);
    object->package.count = count;
    return object;
}

AmlObject *aml_path_object(AmlType type, const char *path)
{
    AmlObject *object = aml_object_new(type);

    object->path = g_strdup(path);
    return object;
}

AmlObject *aml_ref_new(AmlRefKind kind)
{
    AmlObject *object = aml_object_new(AML_REFERENCE);

    object->ref.kind = kind;
    return object;
}

AmlObject *aml_ref_cell(AmlCell *cell, AmlVariable var)
{
    AmlObject *object = aml_ref_new(AML_REF_CELL);

    object->ref.cell = aml_cell_ref(cell);
    object->ref.var = var;
    return object;
}

AmlObject *aml_ref_index(AmlRefKind kind, AmlObject *of, uint64_t index)
{
    AmlObject *object = aml_ref_new(kind);

    object->ref.object = aml_object_ref(of);
    object->ref.index = index;
    return object;
}

AmlCell *aml_cell_new(AmlObject *value)
{
    AmlCell *cell = g_new0(AmlCell, 1);

    cell->refs = 1;
    cell->value = value;
    return cell;
}

AmlCell *aml_cell_ref(AmlCell *cell)
{
    cell->refs++;
    return cell;
}

void aml_cell_unref(AmlCell *cell)
{
    if (--cell->refs == 0) {
        aml_object_unref(cell->value);
        g_free(cell);
    }
}

void aml_cell_set(AmlCell *cell, AmlObject *value)
{
    AmlObject *old = cell->value;

    cell->value = value;
    aml_object_unref(old);
}

const char *aml_type_name(AmlType type)
{
    static const char *const names[] = {
        [AML_UNINITIALIZED] = "Uninitialized",
        [AML_INTEGER] = "Integer",
        [AML_STRING] = "String",
        [AML_BUFFER] = "Buffer",
        [AML_PACKAGE] = "Package",
        [AML_FIELD_UNIT] = "FieldUnit",
        [AML_DEVICE] = "Device",
        [AML_EVENT] = "Event",
        [AML_METHOD] = "Method",
        [AML_MUTEX] = "Mutex",
        [AML_REGION] = "OperationRegion",
        [AML_POWER_RESOURCE] = "PowerResource",
        [AML_PROCESSOR] = "Processor",
        [AML_THERMAL_ZONE] = "ThermalZone",
        [AML_BUFFER_FIELD] = "BufferField",
        [AML_DEBUG] = "Debug",
        [AML_REFERENCE] = "Reference",
    };

    return names[type];
}

const char *aml_object_type_name(const AmlObject *object)
{
    return aml_type_name(object ? object->type : AML_UNINITIALIZED);
}

AmlObject *aml_object_copy(AmlObject *object)
{
    AmlObject *copy;

    if (!object) {
        return NULL;
    }
    if (object->type == AML_STRING || object->type == AML_BUFFER) {
        return bytes_new(object->type, object->bytes.data, object->bytes.len);
    }
    if (object->type != AML_PACKAGE) {
        return aml_object_ref(object);
    }
    copy = aml_package_new(object->package.count);
    for (unsigned i = 0; i < object->package.count; i++) {
        copy->package.elements[i] = aml_object_copy(object->package.elements[i]);
    }
    return copy;
}

/* ---- conversions ---- */

static uint64_t width_mask(unsigned width)
{
    return width == 4 ? UINT32_MAX : UINT64_MAX;
}

/* @digits digits of @base at most, up to the first character that is none. */
static uint64_t digits_value(const char *text, unsigned base, unsigned digits)
{
    uint64_t value = 0;

    for (; digits > 0; digits--, text++) {
        int digit = g_ascii_xdigit_value(*text);

        if (digit < 0 || (unsigned)digit >= base) {
            break;
        }
        value = value * base + (unsigned)digit;
    }
    return value;
}

static AmlObject *buffer_to_integer(const AmlObject *buffer, unsigned width)
{
    uint64_t value = 0;

    if (buffer->bytes.len == 0) {
        return NULL;
    }
    for (size_t i = 0; i < MIN(buffer->bytes.len, width); i++) {
        value |= (uint64_t)buffer->bytes.data[i] << (i * 8);
    }
    return aml_integer(value);
}

AmlObject *aml_to_integer(AmlObject *object, unsigned width)
{
    if (!object) {
        return NULL;
    }
    switch (object->type) {
    case AML_INTEGER:
        return aml_object_ref(object);
    case AML_STRING:
        return aml_integer(digits_value((const char *)object->bytes.data, 16, width * 2));
    case AML_BUFFER:
        return buffer_to_integer(object, width);
    default:
        return NULL;
    }
}

AmlObject *aml_to_integer_explicit(AmlObject *object, unsigned width)
{
    const char *text;

    if (!object || object->type != AML_STRING) {
        return aml_to_integer(object, width);
    }
    text = (const char *)object->bytes.data;
    if (g_ascii_strncasecmp(text, "0x", 2) == 0) {
        return aml_integer(digits_value(text + 2, 16, width * 2));
    }
    return aml_integer(digits_value(text, 10, 20) & width_mask(width));
}

/* Each byte by @format, with @separator between. */
static AmlObject *buffer_to_text(const AmlObject *buffer, const char *separator, bool hex,
                                 const char *prefix)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (size_t i = 0; i < buffer->bytes.len; i++) {
        g_string_append(text, i ? separator : "");
        g_string_append(text, prefix);
        g_string_append_printf(text, hex ? "%02X" : "%u", buffer->bytes.data[i]);
    }
    return aml_string_new(text->str, text->len);
}

static AmlObject *text_object(char *text) G_GNUC_WARN_UNUSED_RESULT;
static AmlObject *text_object(char *text)
{
    AmlObject *object = aml_string_new(text, strlen(text));

    g_free(text);
    return object;
}

AmlObject *aml_to_string(AmlObject *object, unsigned width)
{
    if (!object) {
        return NULL;
    }
    switch (object->type) {
    case AML_INTEGER:
        return text_object(
            g_strdup_printf("%0*" G_GINT64_MODIFIER "X", (int)width * 2, object->integer));
    case AML_STRING:
        return aml_object_ref(object);
    case AML_BUFFER:
        return buffer_to_text(object, " ", true, "0x");
    default:
        return NULL;
    }
}

AmlObject *aml_to_buffer(AmlObject *object, unsigned width)
{
    uint64_t value;

    if (!object) {
        return NULL;
    }
    switch (object->type) {
    case AML_INTEGER:
        value = GUINT64_TO_LE(object->integer);
        return aml_buffer_new(&value, width);
    case AML_STRING:
        return aml_buffer_new(object->bytes.data, object->bytes.len + 1);
    case AML_BUFFER:
        return aml_object_ref(object);
    default:
        return NULL;
    }
}

AmlObject *aml_to_hex_string(AmlObject *object, unsigned width)
{
    if (object && object->type == AML_BUFFER) {
        return buffer_to_text(object, ",", true, "0x");
    }
    return aml_to_string(object, width);
}

AmlObject *aml_to_decimal_string(AmlObject *object)
{
    if (object && object->type == AML_BUFFER) {
        return buffer_to_text(object, ",", false, "");
    }
    if (object && object->type == AML_INTEGER) {
        return text_object(g_strdup_printf("%" PRIu64, object->integer));
    }
    return aml_to_string(object, 8);
}

AmlObject *aml_convert_like(AmlObject *object, AmlType like, unsigned width)
{
    switch (like) {
    case AML_INTEGER:
        return aml_to_integer(object, width);
    case AML_STRING:
        return aml_to_string(object, width);
    case AML_BUFFER:
        return aml_to_buffer(object, width);
    default:
        return NULL;
    }
}

void aml_bits_copy(uint8_t *to, uint64_t to_bit, const uint8_t *from, uint64_t from_bit,
                   uint64_t bits)
{
    for (uint64_t i = 0; i < bits; i++, to_bit++, from_bit++) {
        uint8_t mask = (uint8_t)(1u << (to_bit % 8));
        bool bit = from[from_bit / 8] >> (from_bit % 8) & 1;

        to[to_bit / 8] = (uint8_t)(bit ? to[to_bit / 8] | mask : to[to_bit / 8] & ~mask);
    }
}
