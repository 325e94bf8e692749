/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data (ACPI 6.4, 20.2.3 and 20.2.5.4):
 *     Zero One Ones, numbers, strings, Buffer Package VarPackage, Revision Timer Debug
 */
#include <inttypes.h>

#include "tests/qtest/ospm/aml-internal.h"

enum { AML_REVISION = 1 }; /* of this interpreter */

static AmlObject *op_zero(AmlEval *ev, AmlObject **args)
{
    return aml_integer(0);
}

static AmlObject *op_one(AmlEval *ev, AmlObject **args)
{
    return aml_integer(1);
}

static AmlObject *op_ones(AmlEval *ev, AmlObject **args)
{
    return aml_truth(ev, true);
}

static AmlObject *number_op(AmlEval *ev, unsigned size)
{
    uint64_t value;

    return aml_number_at(ev, size, &value) ? aml_number(ev, value) : NULL;
}

static AmlObject *op_byte(AmlEval *ev, AmlObject **args)
{
    return number_op(ev, 1);
}

static AmlObject *op_word(AmlEval *ev, AmlObject **args)
{
    return number_op(ev, 2);
}

static AmlObject *op_dword(AmlEval *ev, AmlObject **args)
{
    return number_op(ev, 4);
}

static AmlObject *op_qword(AmlEval *ev, AmlObject **args)
{
    return number_op(ev, 8);
}

static AmlObject *op_string(AmlEval *ev, AmlObject **args)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t c;

    for (;;) {
        if (!aml_number_at(ev, 1, &c)) {
            return NULL;
        }
        if (c == 0) {
            return aml_string_new(text->str, text->len);
        }
        if (c > 0x7f) {
            return aml_fail(ev, "byte 0x%02x in a String: only ASCII can be", (unsigned)c);
        }
        g_string_append_c(text, (char)c);
    }
}

static AmlObject *op_buffer(AmlEval *ev, AmlObject **args)
{
    uint32_t outer;
    g_autoptr(AmlObject) size = NULL;
    AmlObject *buffer = NULL;
    uint32_t given;

    if (!aml_enter(ev, &outer) || !(size = aml_integer_term(ev))) {
        return NULL;
    }
    given = ev->cursor.end - ev->cursor.pos;
    if (size->integer > AML_MAX_BYTES || given > AML_MAX_BYTES) {
        return aml_fail(ev, "a Buffer of %" PRIu64 " bytes: at most %u are possible", size->integer,
                        AML_MAX_BYTES);
    }
    /* A list that is longer than the size makes the buffer longer (19.6.10). */
    buffer = aml_buffer_new(NULL, MAX(size->integer, given));
    for (uint32_t i = 0; i < given; i++) {
        buffer->bytes.data[i] = ev->cursor.code[ev->cursor.pos + i];
    }
    aml_block_leave(&ev->cursor, outer);
    return buffer;
}

static AmlObject *package_element(AmlEval *ev)
{
    AmlName name;
    AmlObject *element;

    if (aml_is_name_start(aml_peek(&ev->cursor))) {
        if (!aml_name_at(ev, &name)) {
            return NULL;
        }
        element = aml_ref_new(AML_REF_NAME);
        element->ref.path = aml_name_text(&name);
        element->ref.scope = ev->scope;
        return element;
    }
    element = aml_term(ev);
    if (element && (element->type < AML_INTEGER || element->type > AML_PACKAGE)) {
        aml_fail(ev, "%s cannot be in a Package", aml_object_type_name(element));
        g_clear_pointer(&element, aml_object_unref);
    }
    return element;
}

/* The elements up to the end of the block, in a package of @count. */
static AmlObject *package_body(AmlEval *ev, uint64_t count, uint32_t outer)
{
    g_autoptr(AmlObject) package = NULL;

    if (count > AML_MAX_PACKAGE) {
        return aml_fail(ev, "a Package of %" PRIu64 " elements: at most %u are possible", count,
                        AML_MAX_PACKAGE);
    }
    package = aml_package_new((unsigned)count);
    for (unsigned i = 0; !aml_at_end(&ev->cursor); i++) {
        if (i == count) {
            return aml_fail(ev, "a Package of %u elements is given more", i);
        }
        package->package.elements[i] = package_element(ev);
        if (!package->package.elements[i]) {
            return NULL;
        }
    }
    aml_block_leave(&ev->cursor, outer);
    return g_steal_pointer(&package);
}

static AmlObject *op_package(AmlEval *ev, AmlObject **args)
{
    uint32_t outer;
    uint64_t count;

    return aml_enter(ev, &outer) && aml_number_at(ev, 1, &count) ? package_body(ev, count, outer)
                                                                 : NULL;
}

static AmlObject *op_var_package(AmlEval *ev, AmlObject **args)
{
    uint32_t outer;
    g_autoptr(AmlObject) count = NULL;

    if (!aml_enter(ev, &outer) || !(count = aml_integer_term(ev))) {
        return NULL;
    }
    return package_body(ev, count->integer, outer);
}

static AmlObject *op_revision(AmlEval *ev, AmlObject **args)
{
    return aml_integer(AML_REVISION);
}

/* In units of 100 ns; time passes in Stall() and Sleep() only. */
static AmlObject *op_timer(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, ev->time_us * 10);
}

static const struct {
    unsigned opcode;
    AmlOp op;
} ops[] = {
    { 0x00, { "Zero", "", op_zero } },
    { 0x01, { "One", "", op_one } },
    { 0xff, { "Ones", "", op_ones } },
    { 0x0a, { "BytePrefix", NULL, op_byte } },
    { 0x0b, { "WordPrefix", NULL, op_word } },
    { 0x0c, { "DWordPrefix", NULL, op_dword } },
    { 0x0e, { "QWordPrefix", NULL, op_qword } },
    { 0x0d, { "String", NULL, op_string } },
    { 0x11, { "Buffer", NULL, op_buffer } },
    { 0x12, { "Package", NULL, op_package } },
    { 0x13, { "VarPackage", NULL, op_var_package } },
    { AML_EXT(0x30), { "Revision", "", op_revision } },
    { AML_EXT(0x33), { "Timer", "", op_timer } },
};

const AmlOp *aml_data_op(unsigned opcode)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].opcode == opcode) {
            return &ops[i].op;
        }
    }
    return NULL;
}
