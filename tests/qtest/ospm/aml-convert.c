/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strings and buffers (ACPI 6.4, 20.2.5.4):
 *     ToInteger ToBuffer ToString ToHexString ToDecimalString Concatenate ConcatenateResTemplate
 * Mid
 */
#include "tests/qtest/ospm/aml-internal.h"

#include <string.h>

enum { END_TAG = 0x79 };

static AmlObject *converted(AmlEval *ev, AmlObject *object, AmlObject *result)
{
    return result ? result
                  : aml_fail(ev, "%s does not convert to that", aml_object_type_name(object));
}

static AmlObject *op_to_integer(AmlEval *ev, AmlObject **args)
{
    return converted(ev, args[0], aml_to_integer_explicit(args[0], ev->width));
}

static AmlObject *op_to_buffer(AmlEval *ev, AmlObject **args)
{
    return converted(ev, args[0], aml_to_buffer(args[0], ev->width));
}

static AmlObject *op_to_hex_string(AmlEval *ev, AmlObject **args)
{
    return converted(ev, args[0], aml_to_hex_string(args[0], ev->width));
}

static AmlObject *op_to_decimal_string(AmlEval *ev, AmlObject **args)
{
    return converted(ev, args[0], aml_to_decimal_string(args[0]));
}

/* The bytes of a buffer up to a NUL, and up to a length. */
static AmlObject *op_to_string(AmlEval *ev, AmlObject **args)
{
    g_autoptr(AmlObject) buffer = aml_to_buffer(args[0], ev->width);

    if (!buffer) {
        return converted(ev, args[0], NULL);
    }
    return aml_string_new(
        (const char *)buffer->bytes.data,
        strnlen((const char *)buffer->bytes.data, MIN(buffer->bytes.len, args[1]->integer)));
}

static AmlObject *concat_integers(AmlEval *ev, uint64_t a, uint64_t b)
{
    AmlObject *buffer = aml_buffer_new(NULL, 2 * ev->width);

    a = GUINT64_TO_LE(a);
    b = GUINT64_TO_LE(b);
    memcpy(buffer->bytes.data, &a, ev->width);
    memcpy(buffer->bytes.data + ev->width, &b, ev->width);
    return buffer;
}

static AmlObject *join(AmlEval *ev, AmlType type, const AmlObject *a, size_t a_len,
                       const AmlObject *b, size_t b_len)
{
    AmlObject *result;

    if (a_len + b_len > AML_MAX_BYTES) {
        return aml_fail(ev, "a result of %zu bytes: at most %u are possible", a_len + b_len,
                        AML_MAX_BYTES);
    }
    result = type == AML_STRING ? aml_string_new(NULL, a_len + b_len)
                                : aml_buffer_new(NULL, a_len + b_len);
    memcpy(result->bytes.data, a->bytes.data, a_len);
    memcpy(result->bytes.data + a_len, b->bytes.data, b_len);
    return result;
}

/* The type of the first operand decides. */
static AmlObject *op_concat(AmlEval *ev, AmlObject **args)
{
    AmlObject *a = args[0];
    g_autoptr(AmlObject) b = aml_convert_like(args[1], a->type, ev->width);

    if (!b) {
        return aml_fail(ev, "%s and %s cannot be concatenated", aml_object_type_name(a),
                        aml_object_type_name(args[1]));
    }
    if (a->type == AML_INTEGER) {
        return concat_integers(ev, a->integer, b->integer);
    }
    return join(ev, a->type, a, a->bytes.len, b, b->bytes.len);
}

/* The length of a resource template without its end tag; -1: it is none. */
static ssize_t template_length(const AmlObject *object)
{
    const uint8_t *p = object->bytes.data;
    size_t pos = 0, len = object->type == AML_BUFFER ? object->bytes.len : 0;

    while (pos < len) {
        bool large = p[pos] & 0x80;

        if ((p[pos] & 0xf8) == (END_TAG & 0xf8)) {
            return (ssize_t)pos;
        }
        if (large && pos + 3 > len) {
            return -1;
        }
        pos += large ? 3u + p[pos + 1] + 256u * p[pos + 2] : 1u + (p[pos] & 7);
    }
    return -1;
}

static AmlObject *op_concat_res(AmlEval *ev, AmlObject **args)
{
    ssize_t a = template_length(args[0]), b = template_length(args[1]);
    g_autoptr(AmlObject) body = NULL;
    g_autoptr(AmlObject) end = NULL;
    const uint8_t tag[2] = { END_TAG, 0 }; /* 0: no checksum is kept */

    if (a < 0 || b < 0) {
        return aml_fail(ev, "ConcatenateResTemplate needs two buffers with end tags");
    }
    body = join(ev, AML_BUFFER, args[0], (size_t)a, args[1], (size_t)b);
    if (!body) {
        return NULL;
    }
    end = aml_buffer_new(tag, sizeof(tag));
    return join(ev, AML_BUFFER, body, body->bytes.len, end, sizeof(tag));
}

static AmlObject *op_mid(AmlEval *ev, AmlObject **args)
{
    const AmlObject *of = args[0];
    uint64_t from, len;
    const char *data;

    if (of->type != AML_STRING && of->type != AML_BUFFER) {
        return aml_fail(ev, "Mid needs a Buffer or String, not %s", aml_object_type_name(of));
    }
    from = MIN(args[1]->integer, of->bytes.len);
    len = MIN(args[2]->integer, of->bytes.len - from);
    data = (const char *)of->bytes.data + from;
    return of->type == AML_STRING ? aml_string_new(data, len) : aml_buffer_new(data, len);
}

static const struct {
    unsigned opcode;
    AmlOp op;
} ops[] = {
    { 0x99, { "ToInteger", "dt", op_to_integer } },
    { 0x96, { "ToBuffer", "dt", op_to_buffer } },
    { 0x98, { "ToHexString", "dt", op_to_hex_string } },
    { 0x97, { "ToDecimalString", "dt", op_to_decimal_string } },
    { 0x9c, { "ToString", "dit", op_to_string } },
    { 0x73, { "Concatenate", "ddt", op_concat } },
    { 0x84, { "ConcatenateResTemplate", "ddt", op_concat_res } },
    { 0x9e, { "Mid", "diit", op_mid } },
};

const AmlOp *aml_convert_op(unsigned opcode)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].opcode == opcode) {
            return &ops[i].op;
        }
    }
    return NULL;
}
