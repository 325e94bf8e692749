/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/aml.h"

#include <string.h>

/* Encodings (ACPI 6.4 table 20.1). */
enum {
    OP_ZERO = 0x00,
    OP_ONE = 0x01,
    OP_NAME = 0x08,
    OP_BYTE = 0x0a,
    OP_WORD = 0x0b,
    OP_DWORD = 0x0c,
    OP_STRING = 0x0d,
    OP_QWORD = 0x0e,
    OP_SCOPE = 0x10,
    OP_BUFFER = 0x11,
    OP_PACKAGE = 0x12,
    OP_METHOD = 0x14,
    OP_DUAL_NAME = 0x2e,
    OP_MULTI_NAME = 0x2f,
    OP_EXT = 0x5b,
    OP_LOCAL0 = 0x60,
    OP_ARG0 = 0x68,
    OP_STORE = 0x70,
    OP_ADD = 0x72,
    OP_CONCATENATE = 0x73,
    OP_SUBTRACT = 0x74,
    OP_SHIFT_LEFT = 0x79,
    OP_AND = 0x7b,
    OP_OR = 0x7d,
    OP_DEREF_OF = 0x83,
    OP_NOTIFY = 0x86,
    OP_INDEX = 0x88,
    OP_CREATE_DWORD_FIELD = 0x8a,
    OP_CREATE_QWORD_FIELD = 0x8f,
    OP_NOT = 0x92,
    OP_EQUAL = 0x93,
    OP_LESS = 0x95,
    OP_TO_BUFFER = 0x96,
    OP_MID = 0x9e,
    OP_IF = 0xa0,
    OP_ELSE = 0xa1,
    OP_WHILE = 0xa2,
    OP_RETURN = 0xa4,
    OP_BREAK = 0xa5,
    /* after OP_EXT */
    EXT_MUTEX = 0x01,
    EXT_ACQUIRE = 0x23,
    EXT_RELEASE = 0x27,
    EXT_REGION = 0x80,
    EXT_FIELD = 0x81,
    EXT_DEVICE = 0x82,
};

/* How a complete term is encoded around what was appended to it. */
typedef enum AmlKind {
    AML_PLAIN,     /* just the body */
    AML_BLOCK,     /* opcode, PkgLength, body */
    AML_PACKAGE,   /* opcode, PkgLength, element count, body */
    AML_RESOURCES, /* opcode, PkgLength, buffer size, body, end tag */
} AmlKind;

struct Aml {
    AmlKind kind;
    uint8_t op[2];
    unsigned op_len;
    unsigned count; /* of terms added */
    GByteArray *body;
};

static Aml *aml_new(AmlKind kind)
{
    Aml *aml = g_new0(Aml, 1);

    aml->kind = kind;
    aml->body = g_byte_array_new();
    return aml;
}

/* A term that starts with @op; values above 0xff are an OP_EXT pair. */
static Aml *aml_new_op(AmlKind kind, unsigned op)
{
    Aml *aml = aml_new(kind);

    if (op > 0xff) {
        aml->op[aml->op_len++] = op >> 8;
    }
    aml->op[aml->op_len++] = op;
    return aml;
}

#define EXT(op) (OP_EXT << 8 | (op))

static void put_u8(GByteArray *out, uint8_t value)
{
    g_byte_array_append(out, &value, 1);
}

static void put_int(GByteArray *out, uint64_t value, unsigned size)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(out, (const uint8_t *)&value, size);
}

/* An integer as data: the shortest of constant, byte, word, dword and qword (section 20.2.3). */
static void put_data_int(GByteArray *out, uint64_t value)
{
    static const struct {
        uint64_t max;
        uint8_t op;
        unsigned size;
    } forms[] = {
        { UINT8_MAX, OP_BYTE, 1 },
        { UINT16_MAX, OP_WORD, 2 },
        { UINT32_MAX, OP_DWORD, 4 },
        { UINT64_MAX, OP_QWORD, 8 },
    };

    if (value <= 1) {
        put_u8(out, value ? OP_ONE : OP_ZERO);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        if (value <= forms[i].max) {
            put_u8(out, forms[i].op);
            put_int(out, value, forms[i].size);
            return;
        }
    }
}

/* A number in @bytes bytes of the PkgLength encoding (section 20.2.4): the lead byte has the count
 * of the others in bits 7:6, and six bits of the number if it is alone, else four. */
static void put_pkg_number(GByteArray *out, uint32_t value, unsigned bytes)
{
    if (bytes == 1) {
        put_u8(out, value);
        return;
    }
    put_u8(out, (bytes - 1) << 6 | (value & 0xf));
    put_int(out, value >> 4, bytes - 1);
}

static unsigned pkg_number_bytes(uint32_t value)
{
    return value < 1u << 6 ? 1 : value < 1u << 12 ? 2 : value < 1u << 20 ? 3 : 4;
}

/* The length counts its own bytes. */
static void put_pkg_length(GByteArray *out, uint32_t body)
{
    unsigned bytes = 1;

    while (pkg_number_bytes(body + bytes) > bytes) {
        bytes++;
    }
    put_pkg_number(out, body + bytes, bytes);
}

static void put_path(GByteArray *out, const char *path)
{
    while (*path == '\\' || *path == '^') {
        put_u8(out, *path++);
    }

    g_auto(GStrv) segs = g_strsplit(path, ".", -1);
    unsigned count = g_strv_length(segs);

    if (count == 0) {
        put_u8(out, OP_ZERO); /* NullName: the root itself */
    } else if (count == 2) {
        put_u8(out, OP_DUAL_NAME);
    } else if (count > 2) {
        put_u8(out, OP_MULTI_NAME);
        put_u8(out, count);
    }
    for (unsigned i = 0; i < count; i++) {
        char seg[4] = { '_', '_', '_', '_' };
        memcpy(seg, segs[i], MIN(strlen(segs[i]), sizeof(seg)));
        g_byte_array_append(out, (const uint8_t *)seg, sizeof(seg));
    }
}

/* Append the complete encoding of @aml to @out and free it. */
static void aml_encode(Aml *aml, GByteArray *out)
{
    g_autoptr(GByteArray) head = g_byte_array_new();

    if (aml->kind == AML_PACKAGE) {
        put_u8(head, aml->count);
    } else if (aml->kind == AML_RESOURCES) {
        put_u8(aml->body, 0x79); /* end tag; checksum 0: not used (section 6.4.2.9) */
        put_u8(aml->body, 0);
        put_data_int(head, aml->body->len);
    }
    g_byte_array_append(out, aml->op, aml->op_len);
    if (aml->kind != AML_PLAIN) {
        put_pkg_length(out, head->len + aml->body->len);
    }
    g_byte_array_append(out, head->data, head->len);
    g_byte_array_append(out, aml->body->data, aml->body->len);
    g_byte_array_unref(aml->body);
    g_free(aml);
}

void aml_add(Aml *parent, Aml *child)
{
    aml_encode(child, parent->body);
    parent->count++;
}

GByteArray *aml_finish(Aml *aml)
{
    GByteArray *out = g_byte_array_new();

    aml_encode(aml, out);
    return out;
}

static Aml *aml_add_all(Aml *parent, Aml **terms)
{
    for (; *terms; terms++) {
        aml_add(parent, *terms);
    }
    return parent;
}

Aml *aml_list(void)
{
    return aml_new(AML_PLAIN);
}

/* ---- data ---- */

Aml *aml_int(uint64_t value)
{
    Aml *aml = aml_new(AML_PLAIN);

    put_data_int(aml->body, value);
    return aml;
}

Aml *aml_string(const char *text)
{
    Aml *aml = aml_new_op(AML_PLAIN, OP_STRING);

    g_byte_array_append(aml->body, (const uint8_t *)text, strlen(text) + 1);
    return aml;
}

/* Three letters of five bits and four hexadecimal digits, most significant byte first. */
Aml *aml_eisaid(const char *id)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 3; i++) {
        value = value << 5 | (id[i] - '@');
    }
    value = value << 16 | g_ascii_strtoull(id + 3, NULL, 16);
    return aml_int(GUINT32_SWAP_LE_BE(value));
}

/* The first three groups of digits are little endian. */
Aml *aml_buffer(const void *data, size_t len)
{
    Aml *aml = aml_new_op(AML_BLOCK, OP_BUFFER);

    put_data_int(aml->body, len);
    g_byte_array_append(aml->body, data, (guint)len);
    return aml;
}

Aml *aml_uuid(const char *uuid)
{
    static const uint8_t digits[16] = { 6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34 };
    Aml *aml = aml_new_op(AML_BLOCK, OP_BUFFER);

    put_data_int(aml->body, sizeof(digits));
    for (unsigned i = 0; i < sizeof(digits); i++) {
        put_u8(aml->body, g_ascii_xdigit_value(uuid[digits[i]]) << 4 |
                              g_ascii_xdigit_value(uuid[digits[i] + 1]));
    }
    return aml;
}

Aml *aml_name_ref(const char *path)
{
    Aml *aml = aml_new(AML_PLAIN);

    put_path(aml->body, path);
    return aml;
}

Aml *aml_arg(unsigned n)
{
    return aml_new_op(AML_PLAIN, OP_ARG0 + n);
}

Aml *aml_local(unsigned n)
{
    return aml_new_op(AML_PLAIN, OP_LOCAL0 + n);
}

Aml *aml_package_terms(Aml **terms)
{
    return aml_add_all(aml_new_op(AML_PACKAGE, OP_PACKAGE), terms);
}

/* ---- names and scopes ---- */

static Aml *aml_named(AmlKind kind, unsigned op, const char *path)
{
    Aml *aml = aml_new_op(kind, op);

    put_path(aml->body, path);
    return aml;
}

Aml *aml_scope_terms(const char *path, Aml **terms)
{
    return aml_add_all(aml_named(AML_BLOCK, OP_SCOPE, path), terms);
}

Aml *aml_device_terms(const char *name, Aml **terms)
{
    return aml_add_all(aml_named(AML_BLOCK, EXT(EXT_DEVICE), name), terms);
}

Aml *aml_method_terms(const char *name, unsigned args, bool serialized, Aml **terms)
{
    Aml *aml = aml_named(AML_BLOCK, OP_METHOD, name);

    put_u8(aml->body, args | serialized << 3);
    return aml_add_all(aml, terms);
}

Aml *aml_name(const char *name, Aml *value)
{
    Aml *aml = aml_named(AML_PLAIN, OP_NAME, name);

    aml_add(aml, value);
    return aml;
}

Aml *aml_mutex(const char *name)
{
    Aml *aml = aml_named(AML_PLAIN, EXT(EXT_MUTEX), name);

    put_u8(aml->body, 0); /* sync level */
    return aml;
}

Aml *aml_operation_region(const char *name, uint8_t space, uint64_t base, uint64_t length)
{
    Aml *aml = aml_named(AML_PLAIN, EXT(EXT_REGION), name);

    put_u8(aml->body, space);
    put_data_int(aml->body, base);
    put_data_int(aml->body, length);
    return aml;
}

Aml *aml_field(const char *region, AmlAccess access, AmlUpdate update, const AmlField *fields)
{
    Aml *aml = aml_named(AML_BLOCK, EXT(EXT_FIELD), region);
    unsigned at = 0;

    put_u8(aml->body, access | update << 5); /* bit 4: no global lock */
    for (; fields->name; fields++) {
        if (fields->offset > at) { /* a reserved field fills the gap */
            unsigned gap = fields->offset - at;
            put_u8(aml->body, 0);
            put_pkg_number(aml->body, gap, pkg_number_bytes(gap));
        }
        put_path(aml->body, fields->name);
        put_pkg_number(aml->body, fields->bits, pkg_number_bytes(fields->bits));
        at = fields->offset + fields->bits;
    }
    return aml;
}

static Aml *aml_create_field(unsigned op, Aml *buffer, unsigned offset, const char *name)
{
    Aml *aml = aml_new_op(AML_PLAIN, op);

    aml_add(aml, buffer);
    put_data_int(aml->body, offset);
    put_path(aml->body, name);
    return aml;
}

Aml *aml_create_dword_field(Aml *buffer, unsigned offset, const char *name)
{
    return aml_create_field(OP_CREATE_DWORD_FIELD, buffer, offset, name);
}

Aml *aml_create_qword_field(Aml *buffer, unsigned offset, const char *name)
{
    return aml_create_field(OP_CREATE_QWORD_FIELD, buffer, offset, name);
}

/* ---- statements ---- */

static Aml *aml_unary(unsigned op, Aml *a)
{
    Aml *aml = aml_new_op(AML_PLAIN, op);

    aml_add(aml, a);
    return aml;
}

static Aml *aml_binary(unsigned op, Aml *a, Aml *b)
{
    Aml *aml = aml_unary(op, a);

    aml_add(aml, b);
    return aml;
}

/* A binary operation with a third operand, its target; here none, the value is used where it is. */
static Aml *aml_binary_value(unsigned op, Aml *a, Aml *b)
{
    Aml *aml = aml_binary(op, a, b);

    put_u8(aml->body, OP_ZERO);
    return aml;
}

Aml *aml_store(Aml *value, Aml *target)
{
    return aml_binary(OP_STORE, value, target);
}

Aml *aml_return(Aml *value)
{
    return aml_unary(OP_RETURN, value);
}

Aml *aml_notify(const char *object, Aml *value)
{
    return aml_binary(OP_NOTIFY, aml_name_ref(object), value);
}

Aml *aml_acquire(const char *mutex)
{
    Aml *aml = aml_named(AML_PLAIN, EXT(EXT_ACQUIRE), mutex);

    put_int(aml->body, 0xffff, 2); /* no timeout */
    return aml;
}

Aml *aml_release(const char *mutex)
{
    return aml_named(AML_PLAIN, EXT(EXT_RELEASE), mutex);
}

Aml *aml_break(void)
{
    return aml_new_op(AML_PLAIN, OP_BREAK);
}

static Aml *aml_conditional(unsigned op, Aml *condition, Aml **terms)
{
    Aml *aml = aml_new_op(AML_BLOCK, op);

    aml_add(aml, condition);
    return aml_add_all(aml, terms);
}

Aml *aml_if_terms(Aml *condition, Aml **terms)
{
    return aml_conditional(OP_IF, condition, terms);
}

Aml *aml_else_terms(Aml **terms)
{
    return aml_add_all(aml_new_op(AML_BLOCK, OP_ELSE), terms);
}

Aml *aml_while_terms(Aml *condition, Aml **terms)
{
    return aml_conditional(OP_WHILE, condition, terms);
}

/* ---- expressions ---- */

Aml *aml_call_terms(const char *method, Aml **args)
{
    return aml_add_all(aml_name_ref(method), args);
}

Aml *aml_equal(Aml *a, Aml *b)
{
    return aml_binary(OP_EQUAL, a, b);
}

Aml *aml_less(Aml *a, Aml *b)
{
    return aml_binary(OP_LESS, a, b);
}

Aml *aml_not(Aml *a)
{
    return aml_unary(OP_NOT, a);
}

Aml *aml_plus(Aml *a, Aml *b)
{
    return aml_binary_value(OP_ADD, a, b);
}

Aml *aml_minus(Aml *a, Aml *b)
{
    return aml_binary_value(OP_SUBTRACT, a, b);
}

Aml *aml_or(Aml *a, Aml *b)
{
    return aml_binary_value(OP_OR, a, b);
}

Aml *aml_and(Aml *a, Aml *b)
{
    return aml_binary_value(OP_AND, a, b);
}

Aml *aml_shift_left(Aml *a, Aml *bits)
{
    return aml_binary_value(OP_SHIFT_LEFT, a, bits);
}

Aml *aml_to_buffer(Aml *value)
{
    Aml *aml = aml_unary(OP_TO_BUFFER, value);

    put_u8(aml->body, OP_ZERO); /* no target */
    return aml;
}

Aml *aml_concatenate(Aml *a, Aml *b)
{
    return aml_binary_value(OP_CONCATENATE, a, b);
}

Aml *aml_mid(Aml *buffer, Aml *first, Aml *length)
{
    Aml *aml = aml_binary(OP_MID, buffer, first);

    aml_add(aml, length);
    put_u8(aml->body, OP_ZERO); /* no target */
    return aml;
}

Aml *aml_index(Aml *package, Aml *n)
{
    return aml_binary_value(OP_INDEX, package, n);
}

Aml *aml_deref_of(Aml *reference)
{
    return aml_unary(OP_DEREF_OF, reference);
}

/* ---- resources ---- */

Aml *aml_resources_terms(Aml **descriptors)
{
    return aml_add_all(aml_new_op(AML_RESOURCES, OP_BUFFER), descriptors);
}

Aml *aml_io(uint16_t base, uint8_t length)
{
    Aml *aml = aml_new_op(AML_PLAIN, 0x47); /* small item 8, 7 bytes (section 6.4.2.5) */

    put_u8(aml->body, 1); /* decodes 16 bits */
    put_int(aml->body, base, 2);
    put_int(aml->body, base, 2);
    put_u8(aml->body, 1); /* alignment */
    put_u8(aml->body, length);
    return aml;
}

Aml *aml_irq(unsigned irq)
{
    Aml *aml = aml_new_op(AML_PLAIN, 0x22); /* small item 4, 2 bytes (section 6.4.2.1) */

    put_int(aml->body, 1u << irq, 2);
    return aml;
}

Aml *aml_dma(unsigned channel)
{
    Aml *aml = aml_new_op(AML_PLAIN, 0x2a); /* small item 5, 2 bytes (section 6.4.2.2) */

    put_u8(aml->body, (uint8_t)(1u << channel));
    put_u8(aml->body, 0);
    return aml;
}

Aml *aml_interrupts(const uint32_t *gsis, unsigned count)
{
    enum { CONSUMER = 1 << 0, ACTIVE_LOW = 1 << 2, SHARED = 1 << 3 };
    Aml *aml = aml_new_op(AML_PLAIN, 0x89); /* large item 9 (section 6.4.3.6) */

    put_int(aml->body, 2 + 4 * count, 2); /* length of what follows */
    put_u8(aml->body, CONSUMER | ACTIVE_LOW | SHARED);
    put_u8(aml->body, count);
    for (unsigned i = 0; i < count; i++) {
        put_int(aml->body, gsis[i], 4);
    }
    return aml;
}

Aml *aml_memory32_fixed(bool writable, uint32_t base, uint32_t length)
{
    Aml *aml = aml_new_op(AML_PLAIN, 0x86); /* large item 6 (section 6.4.3.4) */

    put_int(aml->body, 9, 2);
    put_u8(aml->body, writable);
    put_int(aml->body, base, 4);
    put_int(aml->body, length, 4);
    return aml;
}

/* An address space descriptor (section 6.4.3.5) of fields of @size bytes. */
static Aml *aml_range(uint8_t tag, unsigned size, AmlRange kind, bool consumer, uint8_t type_flags,
                      uint64_t first, uint64_t last)
{
    enum { CONSUMER = 1 << 0, MIN_FIXED = 1 << 2, MAX_FIXED = 1 << 3 };
    Aml *aml = aml_new_op(AML_PLAIN, tag);

    put_int(aml->body, 3 + 5 * size, 2); /* length of what follows */
    put_u8(aml->body, kind);
    put_u8(aml->body, MIN_FIXED | MAX_FIXED | (consumer ? CONSUMER : 0));
    put_u8(aml->body, type_flags);
    put_int(aml->body, 0, size); /* granularity */
    put_int(aml->body, first, size);
    put_int(aml->body, last, size);
    put_int(aml->body, 0, size); /* translation */
    put_int(aml->body, last - first + 1, size);
    return aml;
}

/* Type flags: memory is read-write and perhaps cacheable; I/O is the entire range. */
static uint8_t range_flags(AmlRange kind, bool cacheable)
{
    switch (kind) {
    case AML_RANGE_MEMORY:
        return 1 | (cacheable ? 1 << 1 : 0);
    case AML_RANGE_IO:
        return 3;
    default:
        return 0;
    }
}

Aml *aml_word_range(AmlRange kind, uint16_t first, uint16_t last)
{
    return aml_range(0x88, 2, kind, false, range_flags(kind, false), first, last);
}

Aml *aml_dword_range(AmlRange kind, bool cacheable, uint32_t first, uint32_t last)
{
    return aml_range(0x87, 4, kind, false, range_flags(kind, cacheable), first, last);
}

Aml *aml_qword_range(AmlRange kind, bool cacheable, uint64_t first, uint64_t last)
{
    return aml_range(0x8a, 8, kind, false, range_flags(kind, cacheable), first, last);
}

Aml *aml_qword_memory(bool cacheable, uint64_t first, uint64_t last)
{
    return aml_range(0x8a, 8, AML_RANGE_MEMORY, true, range_flags(AML_RANGE_MEMORY, cacheable),
                     first, last);
}
