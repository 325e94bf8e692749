/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small and strict AML interpreter for tests (ACPI 6.4, chapters 19 and 20). It executes the byte
 * code of one table as it stands, and gives up at the first thing that is not as it must be: an
 * opcode that it does not know, a length that does not fit, a type that does not convert, a name
 * that is not there, a mutex left held, a loop without end. What it does not know: loading tables
 * at run time, data regions, and fields of buses (SMBus, serial).
 */
#ifndef TESTS_QTEST_OSPM_AML_EVAL_H
#define TESTS_QTEST_OSPM_AML_EVAL_H

#include "tests/qtest/ospm/aml-namespace.h"

/* Address spaces of operation regions. */
enum { AML_SPACE_MEMORY = 0, AML_SPACE_IO = 1 };

/* What the interpreter needs of the world. */
typedef struct AmlHost {
    /* An access of 1, 2, 4 or 8 (memory only) bytes. */
    uint64_t (*read)(void *opaque, unsigned space, uint64_t addr, unsigned size);
    void (*write)(void *opaque, unsigned space, uint64_t addr, unsigned size, uint64_t value);
    /* Notify(): the device's path and the value. It may be NULL. Must not evaluate. */
    void (*notify)(void *opaque, const char *path, uint64_t value);
    void *opaque;
} AmlHost;

typedef struct AmlEval AmlEval;

/* Load @table (@len bytes with its header, whose length and checksum are verified; copied). NULL
 * and an error that names the place if it is no good. */
AmlEval *aml_eval_new(const AmlHost *host, const uint8_t *table, size_t len, GError **errp);
void aml_eval_free(AmlEval *ev);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AmlEval, aml_eval_free)

/* The root of the namespace; borrowed. */
AmlNode *aml_eval_root(AmlEval *ev);

/* The value of the object @path, evaluated with @count arguments if it is a method (exactly as
 * many as it has). NULL and an error "<where>+0x<offset in the table>: <what>"; a method that
 * returns nothing gives an object of type AML_UNINITIALIZED. aml_object_unref(). */
AmlObject *aml_eval_call(AmlEval *ev, const char *path, AmlObject *const *args, unsigned count,
                         GError **errp);
/* The same with integers; the value must be one. */
bool aml_eval_integer(AmlEval *ev, const char *path, const uint64_t *args, unsigned count,
                      uint64_t *value, GError **errp);
/* The same where the value is of no interest. */
bool aml_eval_void(AmlEval *ev, const char *path, const uint64_t *args, unsigned count,
                   GError **errp);

#endif
