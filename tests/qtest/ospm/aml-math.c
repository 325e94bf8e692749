/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integers and logic (ACPI 6.4, 20.2.5.4):
 *     Add Subtract Multiply Divide Mod ShiftLeft ShiftRight And Nand Or Nor Xor Not FindSetLeftBit
 *     FindSetRightBit FromBCD ToBCD LAnd LOr LNot LEqual LGreater LLess Match
 */
#include "tests/qtest/ospm/aml-internal.h"

#include <inttypes.h>
#include <string.h>

#define A (args[0]->integer)
#define B (args[1]->integer)

static AmlObject *op_add(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, A + B);
}

static AmlObject *op_subtract(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, A - B);
}

static AmlObject *op_multiply(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, A * B);
}

static AmlObject *op_shift_left(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, B < 64 ? A << B : 0);
}

static AmlObject *op_shift_right(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, B < 64 ? A >> B : 0);
}

static AmlObject *op_and(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, A & B);
}

static AmlObject *op_nand(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, ~(A & B));
}

static AmlObject *op_or(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, A | B);
}

static AmlObject *op_nor(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, ~(A | B));
}

static AmlObject *op_xor(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, A ^ B);
}

static AmlObject *op_not(AmlEval *ev, AmlObject **args)
{
    return aml_number(ev, ~A);
}

static AmlObject *op_divide(AmlEval *ev, AmlObject **args)
{
    g_autoptr(AmlObject) remainder = NULL;
    g_autoptr(AmlObject) quotient = NULL;

    if (B == 0) {
        return aml_fail(ev, "a division by 0");
    }
    remainder = aml_integer(A % B);
    quotient = aml_integer(A / B);
    if (!aml_store(ev, remainder, args[2]) || !aml_store(ev, quotient, args[3])) {
        return NULL;
    }
    return g_steal_pointer(&quotient);
}

static AmlObject *op_mod(AmlEval *ev, AmlObject **args)
{
    return B ? aml_integer(A % B) : aml_fail(ev, "a division by 0");
}

static AmlObject *op_find_set_left_bit(AmlEval *ev, AmlObject **args)
{
    return aml_integer(A ? 64 - (unsigned)__builtin_clzll(A) : 0);
}

static AmlObject *op_find_set_right_bit(AmlEval *ev, AmlObject **args)
{
    return aml_integer(A ? 1 + (unsigned)__builtin_ctzll(A) : 0);
}

static AmlObject *op_from_bcd(AmlEval *ev, AmlObject **args)
{
    uint64_t value = 0;

    for (int shift = 60; shift >= 0; shift -= 4) {
        unsigned digit = A >> shift & 0xf;

        if (digit > 9) {
            return aml_fail(ev, "0x%" G_GINT64_MODIFIER "x is not BCD", A);
        }
        value = value * 10 + digit;
    }
    return aml_number(ev, value);
}

static AmlObject *op_to_bcd(AmlEval *ev, AmlObject **args)
{
    uint64_t rest = A, value = 0;
    unsigned shift = 0;

    for (; rest && shift < ev->width * 8; shift += 4, rest /= 10) {
        value |= rest % 10 << shift;
    }
    return rest ? aml_fail(ev, "%" PRIu64 " has too many digits for BCD", A) : aml_integer(value);
}

/* ---- logic ---- */

static AmlObject *op_land(AmlEval *ev, AmlObject **args)
{
    return aml_truth(ev, A && B);
}

static AmlObject *op_lor(AmlEval *ev, AmlObject **args)
{
    return aml_truth(ev, A || B);
}

static AmlObject *op_lnot(AmlEval *ev, AmlObject **args)
{
    return aml_truth(ev, !A);
}

/* Less than, equal to or greater than 0, as @a is to @b, which becomes the type of @a first. */
static bool compare(AmlEval *ev, AmlObject *a, AmlObject *b, int *order)
{
    g_autoptr(AmlObject) other = aml_convert_like(b, a->type, ev->width);
    size_t len;

    if (!other) {
        aml_fail(ev, "%s and %s cannot be compared", aml_object_type_name(a),
                 aml_object_type_name(b));
        return false;
    }
    if (a->type == AML_INTEGER) {
        *order = a->integer < other->integer ? -1 : a->integer > other->integer;
        return true;
    }
    len = MIN(a->bytes.len, other->bytes.len);
    *order = memcmp(a->bytes.data, other->bytes.data, len);
    if (*order == 0) {
        *order = a->bytes.len < other->bytes.len ? -1 : a->bytes.len > other->bytes.len;
    }
    return true;
}

static AmlObject *op_lequal(AmlEval *ev, AmlObject **args)
{
    int order;

    return compare(ev, args[0], args[1], &order) ? aml_truth(ev, order == 0) : NULL;
}

static AmlObject *op_lgreater(AmlEval *ev, AmlObject **args)
{
    int order;

    return compare(ev, args[0], args[1], &order) ? aml_truth(ev, order > 0) : NULL;
}

static AmlObject *op_lless(AmlEval *ev, AmlObject **args)
{
    int order;

    return compare(ev, args[0], args[1], &order) ? aml_truth(ev, order < 0) : NULL;
}

/* ---- Match ---- */

/* Does the element (an operand of its own type) stand in relation @op to @object? */
static bool match_one(AmlEval *ev, AmlObject *element, uint64_t op, AmlObject *object)
{
    enum { TRUE_, EQUAL, LESS_EQUAL, LESS, GREATER_EQUAL, GREATER };
    g_autoptr(AmlObject) other = NULL;
    int order;

    if (op == TRUE_) {
        return true;
    }
    other = element ? aml_convert_like(element, object->type, ev->width) : NULL;
    if (!other || !compare(ev, other, object, &order)) {
        return false;
    }
    return (op == EQUAL && order == 0) || (op == LESS_EQUAL && order <= 0) ||
           (op == LESS && order < 0) || (op == GREATER_EQUAL && order >= 0) ||
           (op == GREATER && order > 0);
}

static AmlObject *op_match(AmlEval *ev, AmlObject **args)
{
    AmlObject *package = args[0];

    if (package->type != AML_PACKAGE || args[1]->integer > 5 || args[3]->integer > 5) {
        return aml_fail(ev, "Match needs a Package and operators from 0 to 5");
    }
    for (uint64_t i = args[5]->integer; i < package->package.count; i++) {
        AmlObject *element = package->package.elements[i];

        if (match_one(ev, element, args[1]->integer, args[2]) &&
            match_one(ev, element, args[3]->integer, args[4])) {
            return aml_integer(i);
        }
    }
    return aml_truth(ev, true); /* Ones: none */
}

static const struct {
    unsigned opcode;
    AmlOp op;
} ops[] = {
    { 0x72, { "Add", "iit", op_add } },
    { 0x74, { "Subtract", "iit", op_subtract } },
    { 0x77, { "Multiply", "iit", op_multiply } },
    { 0x78, { "Divide", "iiTT", op_divide } },
    { 0x85, { "Mod", "iit", op_mod } },
    { 0x79, { "ShiftLeft", "iit", op_shift_left } },
    { 0x7a, { "ShiftRight", "iit", op_shift_right } },
    { 0x7b, { "And", "iit", op_and } },
    { 0x7c, { "NAnd", "iit", op_nand } },
    { 0x7d, { "Or", "iit", op_or } },
    { 0x7e, { "NOr", "iit", op_nor } },
    { 0x7f, { "XOr", "iit", op_xor } },
    { 0x80, { "Not", "it", op_not } },
    { 0x81, { "FindSetLeftBit", "it", op_find_set_left_bit } },
    { 0x82, { "FindSetRightBit", "it", op_find_set_right_bit } },
    { AML_EXT(0x28), { "FromBCD", "it", op_from_bcd } },
    { AML_EXT(0x29), { "ToBCD", "it", op_to_bcd } },
    { 0x90, { "LAnd", "ii", op_land } },
    { 0x91, { "LOr", "ii", op_lor } },
    { 0x92, { "LNot", "i", op_lnot } },
    { 0x93, { "LEqual", "dd", op_lequal } },
    { 0x94, { "LGreater", "dd", op_lgreater } },
    { 0x95, { "LLess", "dd", op_lless } },
    { 0x89, { "Match", "dbdbdi", op_match } },
};

const AmlOp *aml_math_op(unsigned opcode)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].opcode == opcode) {
            return &ops[i].op;
        }
    }
    return NULL;
}
