/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data of the AML interpreter for tests: objects, the cells that hold them, and the conversions
 * between their types (ACPI 6.4, 19.3.5).
 *
 * An object is counted. Integers and references never change; strings, buffers and packages are
 * changed in place through Index() and buffer fields, so whoever stores one stores a copy. A cell
 * is a variable: a local, an argument, or what a name stands for.
 */
#ifndef TESTS_QTEST_OSPM_AML_OBJECT_H
#define TESTS_QTEST_OSPM_AML_OBJECT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The values that ObjectType() gives, then our own. */
typedef enum AmlType {
    AML_UNINITIALIZED = 0, /* also a bare scope */
    AML_INTEGER,
    AML_STRING,
    AML_BUFFER,
    AML_PACKAGE,
    AML_FIELD_UNIT,
    AML_DEVICE,
    AML_EVENT,
    AML_METHOD,
    AML_MUTEX,
    AML_REGION,
    AML_POWER_RESOURCE,
    AML_PROCESSOR,
    AML_THERMAL_ZONE,
    AML_BUFFER_FIELD,
    AML_DEBUG = 16,
    AML_REFERENCE = 20,
} AmlType;

typedef struct AmlObject AmlObject;
typedef struct AmlNode AmlNode;
struct AmlEval;

/* A variable. */
typedef struct AmlCell {
    unsigned refs;
    AmlObject *value; /* NULL: uninitialized */
} AmlCell;

typedef enum AmlRefKind {
    AML_REF_CELL,    /* a variable */
    AML_REF_ELEMENT, /* element of a package */
    AML_REF_BYTE,    /* byte of a buffer or string */
    AML_REF_DEBUG,   /* the Debug object */
    AML_REF_NAME,    /* a name in a package, looked up when it is used */
    AML_REF_NONE,    /* a target that was left out */
} AmlRefKind;

/* What a variable is: that decides how it is stored to. */
typedef enum AmlVariable { AML_VAR_LOCAL, AML_VAR_ARG, AML_VAR_NAMED } AmlVariable;

typedef struct AmlReference {
    AmlRefKind kind;
    AmlVariable var;   /* CELL */
    AmlCell *cell;     /* CELL */
    AmlObject *object; /* ELEMENT, BYTE */
    uint64_t index;    /* ELEMENT, BYTE */
    char *path;        /* NAME */
    AmlNode *scope;    /* NAME: where the path starts; borrowed */
} AmlReference;

typedef struct AmlRegion {
    uint8_t space; /* AML_SPACE_MEMORY, AML_SPACE_IO, or another */
    uint64_t base, length;
} AmlRegion;

/* Bits of a region; through an index and a data register if there is an index; after choosing a
 * bank if there is a bank. */
typedef struct AmlFieldUnit {
    AmlObject *region;       /* plain and bank fields */
    AmlObject *index, *data; /* index fields: both field units */
    AmlObject *bank;         /* bank fields: a field unit */
    uint64_t bank_value;
    uint64_t bit, bits;
    uint8_t access, update; /* AML_ACCESS_*, AML_UPDATE_* */
} AmlFieldUnit;

enum { AML_ACCESS_ANY, AML_ACCESS_BYTE, AML_ACCESS_WORD, AML_ACCESS_DWORD, AML_ACCESS_QWORD };
enum { AML_UPDATE_PRESERVE, AML_UPDATE_ONES, AML_UPDATE_ZEROS };

typedef struct AmlMethod {
    uint32_t start, end; /* offsets of the body in the table */
    uint8_t args;
    bool serialized;
    uint8_t sync_level;
    AmlNode *scope; /* its own node: the scope of its names; borrowed */
    /* A method that the interpreter itself provides. */
    AmlObject *(*native)(struct AmlEval *ev, AmlObject **args);
} AmlMethod;

struct AmlObject {
    unsigned refs;
    AmlType type;
    union {
        uint64_t integer;
        struct {
            uint8_t *data; /* a NUL follows, which `len` does not count */
            size_t len;
        } bytes; /* string, buffer */
        struct {
            AmlObject **elements; /* NULL: uninitialized */
            unsigned count;
        } package;
        AmlReference ref;
        AmlRegion region;
        AmlFieldUnit field;
        struct {
            AmlObject *buffer;
            uint64_t bit, bits;
            bool always_buffer; /* made by CreateField */
        } buffer_field;
        AmlMethod method;
        struct {
            uint8_t sync_level;
            unsigned held;
            uint8_t saved_level; /* of the evaluation, to go back to at the last release */
        } mutex;
        uint64_t signals; /* event */
        char *path;       /* device, processor, ...: where it is */
    };
};

AmlObject *aml_object_new(AmlType type);
AmlObject *aml_object_ref(AmlObject *object); /* NULL is fine */
void aml_object_unref(AmlObject *object);     /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AmlObject, aml_object_unref)

AmlObject *aml_integer(uint64_t value);
AmlObject *aml_string_new(const char *text, size_t len);
AmlObject *aml_buffer_new(const void *data, size_t len); /* NULL @data: zeros */
AmlObject *aml_package_new(unsigned count);
AmlObject *aml_path_object(AmlType type, const char *path);
AmlObject *aml_ref_new(AmlRefKind kind);
AmlObject *aml_ref_cell(AmlCell *cell, AmlVariable var);
AmlObject *aml_ref_index(AmlRefKind kind, AmlObject *object, uint64_t index);

AmlCell *aml_cell_new(AmlObject *value); /* takes over @value */
AmlCell *aml_cell_ref(AmlCell *cell);
void aml_cell_unref(AmlCell *cell);
void aml_cell_set(AmlCell *cell, AmlObject *value); /* takes over @value */

/* The type's name, as in ASL. */
const char *aml_type_name(AmlType type);
/* The same for an object, with NULL being uninitialized. */
const char *aml_object_type_name(const AmlObject *object);

/* Strings, buffers and packages: a copy that shares nothing; others: another reference. */
AmlObject *aml_object_copy(AmlObject *object);

/* ---- conversions ----
 * @width: bytes of an integer, 4 or 8 by the revision of the table. NULL: it does not convert. */

/* Implicit: a string is hexadecimal digits up to the first that is none; a buffer is little endian.
 */
AmlObject *aml_to_integer(AmlObject *object, unsigned width);
/* ToInteger(): a string is decimal, or hexadecimal after 0x. */
AmlObject *aml_to_integer_explicit(AmlObject *object, unsigned width);
/* Implicit: an integer is all its hexadecimal digits, a buffer its bytes with blanks between. */
AmlObject *aml_to_string(AmlObject *object, unsigned width);
AmlObject *aml_to_buffer(AmlObject *object, unsigned width);
/* ToHexString() and ToDecimalString(). */
AmlObject *aml_to_hex_string(AmlObject *object, unsigned width);
AmlObject *aml_to_decimal_string(AmlObject *object);

/* Make @object (an integer, string or buffer) the type of @like. */
AmlObject *aml_convert_like(AmlObject *object, AmlType like, unsigned width);

/* Bits of a little-endian bit string: copy @bits bits. Bits of the last byte beyond are kept. */
void aml_bits_copy(uint8_t *to, uint64_t to_bit, const uint8_t *from, uint64_t from_bit,
                   uint64_t bits);

#endif
