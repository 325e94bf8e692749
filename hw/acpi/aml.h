/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Building AML byte code (ACPI 6.4 chapter 20).
 *
 * A term is made by a function named after it in ASL, out of the terms inside it, so that code
 * reads like ASL:
 *
 *     aml_method("_STA", 0, AML_NOT_SERIALIZED, aml_return(aml_int(0xf)))
 *
 * A term that is passed to another belongs to that one from then on; what is added later goes in by
 * aml_add(). Package lengths, buffer sizes and element counts are worked out when a term is
 * complete, that is when it is passed on: nobody counts.
 *
 * Paths are as in ASL: "\\_SB.PCI0", "^FOO", "FOO". Segments shorter than four characters are
 * padded with '_'.
 */
#ifndef HW_ACPI_AML_H
#define HW_ACPI_AML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Aml Aml;

/* Add @child as the next term inside @parent, which is a list, block, package or resource template.
 */
void aml_add(Aml *parent, Aml *child);
/* The byte code of a top-level list; frees @aml. g_byte_array_unref(). */
GByteArray *aml_finish(Aml *aml);

/* A term list of no own encoding: the whole of a table, or an empty body to add to. */
Aml *aml_list(void);

/* ---- data ---- */
Aml *aml_int(uint64_t value); /* in the shortest encoding */
Aml *aml_string(const char *text);
Aml *aml_eisaid(const char *id); /* "PNP0A03": an integer */
Aml *aml_buffer(const void *data, size_t len);
Aml *aml_uuid(const char *uuid); /* "33db4d5b-1ff7-401c-9657-7441c03dd766": a buffer */
Aml *aml_name_ref(const char *path);
Aml *aml_arg(unsigned n);   /* Arg0 ... Arg6 */
Aml *aml_local(unsigned n); /* Local0 ... Local7 */

/* The blocks below take terms as further arguments (none is fine). */
#define AML_TERMS(...) ((Aml *[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#define aml_package(...) aml_package_terms(AML_TERMS(__VA_ARGS__))
Aml *aml_package_terms(Aml **terms);

/* ---- names and scopes ---- */
#define aml_scope(path, ...)  aml_scope_terms(path, AML_TERMS(__VA_ARGS__))
#define aml_device(name, ...) aml_device_terms(name, AML_TERMS(__VA_ARGS__))
/* As the macros, with a list that NULL ends. */
Aml *aml_scope_terms(const char *path, Aml **terms);
Aml *aml_device_terms(const char *name, Aml **terms);

enum { AML_NOT_SERIALIZED = 0, AML_SERIALIZED = 1 };
#define aml_method(name, args, serialized, ...) \
    aml_method_terms(name, args, serialized, AML_TERMS(__VA_ARGS__))
Aml *aml_method_terms(const char *name, unsigned args, bool serialized, Aml **terms);

/* Name (name, value); Mutex (name, 0). */
Aml *aml_name(const char *name, Aml *value);
Aml *aml_mutex(const char *name);

/* Regions and fields. A field list's entries are added with AML_FIELD tables: see AmlField. */
enum { AML_REGION_MEMORY = 0, AML_REGION_IO = 1, AML_REGION_PCI_CONFIG = 2 };
Aml *aml_operation_region(const char *name, uint8_t space, uint64_t base, uint64_t length);

typedef enum AmlAccess { AML_ANY_ACC = 0, AML_BYTE_ACC, AML_WORD_ACC, AML_DWORD_ACC } AmlAccess;
typedef enum AmlUpdate { AML_PRESERVE = 0, AML_WRITE_AS_ONES, AML_WRITE_AS_ZEROS } AmlUpdate;

typedef struct AmlField {
    const char *name; /* NULL ends the table */
    unsigned offset;  /* of its first bit, in bits from the start of the region; ascending */
    unsigned bits;
} AmlField;
Aml *aml_field(const char *region, AmlAccess access, AmlUpdate update, const AmlField *fields);
/* Name 4 or 8 bytes of a buffer from the byte at @offset. */
Aml *aml_create_dword_field(Aml *buffer, unsigned offset, const char *name);
Aml *aml_create_qword_field(Aml *buffer, unsigned offset, const char *name);

/* ---- statements ---- */
Aml *aml_store(Aml *value, Aml *target);
Aml *aml_return(Aml *value);
Aml *aml_notify(const char *object, Aml *value);
Aml *aml_acquire(const char *mutex); /* waits for ever */
Aml *aml_release(const char *mutex);
Aml *aml_break(void);
#define aml_if(condition, ...)    aml_if_terms(condition, AML_TERMS(__VA_ARGS__))
#define aml_else(...)             aml_else_terms(AML_TERMS(__VA_ARGS__)) /* right after its If */
#define aml_while(condition, ...) aml_while_terms(condition, AML_TERMS(__VA_ARGS__))
Aml *aml_if_terms(Aml *condition, Aml **terms);
Aml *aml_else_terms(Aml **terms);
Aml *aml_while_terms(Aml *condition, Aml **terms);

/* ---- expressions ---- */
#define aml_call(method, ...) aml_call_terms(method, AML_TERMS(__VA_ARGS__))
Aml *aml_call_terms(const char *method, Aml **args); /* as many as the method has */
Aml *aml_equal(Aml *a, Aml *b);
Aml *aml_less(Aml *a, Aml *b);
Aml *aml_not(Aml *a);           /* logical */
Aml *aml_plus(Aml *a, Aml *b);  /* a + b */
Aml *aml_minus(Aml *a, Aml *b); /* a - b */
Aml *aml_or(Aml *a, Aml *b);    /* bitwise */
Aml *aml_and(Aml *a, Aml *b);   /* bitwise */
Aml *aml_shift_left(Aml *a, Aml *bits);
Aml *aml_to_buffer(Aml *value); /* of an integer: 8 bytes, little endian */
Aml *aml_concatenate(Aml *a, Aml *b);
/* Up to @length bytes of @buffer from @first on, as a buffer. */
Aml *aml_mid(Aml *buffer, Aml *first, Aml *length);
Aml *aml_index(Aml *package, Aml *n); /* a reference to an element: to store to, or for: */
Aml *aml_deref_of(Aml *reference);

/* ---- resources (ACPI 6.4 section 6.4) ---- */
#define aml_resources(...) aml_resources_terms(AML_TERMS(__VA_ARGS__))
Aml *aml_resources_terms(Aml **descriptors); /* a buffer, with the end tag */
Aml *aml_io(uint16_t base, uint8_t length);  /* 16-bit decode, fixed place */
Aml *aml_irq(unsigned irq);                  /* ISA: edge, active high, exclusive */
Aml *aml_dma(unsigned channel);              /* ISA: bytes, at its own speed */
/* PCI: level-triggered, active low, shared; one of @count interrupts. */
Aml *aml_interrupts(const uint32_t *gsis, unsigned count);
enum { AML_INTERRUPT_NUMBER = 5 }; /* byte offset of the first number */
/* Memory that the device itself uses. */
Aml *aml_memory32_fixed(bool writable, uint32_t base, uint32_t length);

/* What an address space descriptor (word, dword, qword) describes. */
typedef enum AmlRange { AML_RANGE_MEMORY = 0, AML_RANGE_IO, AML_RANGE_BUS } AmlRange;
/* [@first, @last] that a bridge passes on ("producer"); both ends fixed. Memory is @cacheable or
 * not, and read-write. */
Aml *aml_word_range(AmlRange kind, uint16_t first, uint16_t last);
Aml *aml_dword_range(AmlRange kind, bool cacheable, uint32_t first, uint32_t last);
Aml *aml_qword_range(AmlRange kind, bool cacheable, uint64_t first, uint64_t last);
/* As above, but consumed by the device itself. */
Aml *aml_qword_memory(bool cacheable, uint64_t first, uint64_t last);
/* Byte offsets of a qword descriptor's fields, for a template that starts with one. */
enum { AML_QWORD_MIN = 14, AML_QWORD_MAX = 22, AML_QWORD_LENGTH = 38 };

#endif
