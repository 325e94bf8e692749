/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the interpreter. Functions that evaluate return NULL resp. false after they set
 * ev->err (aml_fail()); whatever sees that gives up.
 */
#ifndef TESTS_QTEST_OSPM_AML_INTERNAL_H
#define TESTS_QTEST_OSPM_AML_INTERNAL_H

#include "tests/qtest/ospm/aml-eval.h"

#define AML_MAX_STEPS   2000000 /* terms in one evaluation */
#define AML_MAX_DEPTH   400     /* terms within terms, methods within methods */
#define AML_MAX_BYTES   0x100000
#define AML_MAX_PACKAGE 0x1000
#define AML_MAX_ARGS    7
#define AML_MAX_LOCALS  8

typedef enum AmlFlow { AML_FLOW_ON, AML_FLOW_BREAK, AML_FLOW_CONTINUE, AML_FLOW_RETURN } AmlFlow;

/* A method that runs. */
typedef struct AmlFrame {
    AmlCell *locals[AML_MAX_LOCALS], *args[AML_MAX_ARGS];
    GPtrArray *created; /* AmlNode *: names that go when it ends */
    AmlObject *result;
    unsigned loops; /* While around the current term */
} AmlFrame;

struct AmlEval {
    AmlHost host;
    AmlNode *root;
    GPtrArray *removed; /* AmlNode *: out of the tree; something may still point at them */
    uint8_t *code;
    unsigned width; /* bytes of an integer */
    AmlCursor cursor;
    AmlNode *scope;
    AmlFrame *frame; /* NULL while the table is loaded */
    AmlFlow flow;
    uint32_t op_pos; /* of the term that is evaluated */
    uint8_t sync_level;
    GPtrArray *held; /* AmlObject *: mutexes */
    unsigned depth;
    uint64_t steps;
    uint64_t time_us; /* of Stall() and Sleep() */
    GError *err;
};

/* An opcode. The letters of `operands` say what follows it in the code and comes as args[]:
 *   i  a term converted to an integer        d  a term: integer, string, buffer, package, reference
 *   s  a super name: a reference             n  the same, or AML_REF_NONE if the name is not there
 *   T  a target: a reference                 t  the same, to which the result is stored
 *   b  a raw byte
 * NULL: `run` reads what follows itself. */
typedef struct AmlOp {
    const char *name;
    const char *operands;
    AmlObject *(*run)(AmlEval *ev, AmlObject **args);
} AmlOp;

#define AML_EXT(byte) (0x100 | (byte)) /* opcodes that begin with 0x5b */

/* One family of opcodes a file; NULL: none of the family. */
const AmlOp *aml_data_op(unsigned opcode);      /* aml-data.c: constants and constructors */
const AmlOp *aml_declare_op(unsigned opcode);   /* aml-declare.c: what makes names */
const AmlOp *aml_flow_op(unsigned opcode);      /* aml-flow.c: statements */
const AmlOp *aml_math_op(unsigned opcode);      /* aml-math.c: integers and logic */
const AmlOp *aml_convert_op(unsigned opcode);   /* aml-convert.c: strings, buffers */
const AmlOp *aml_reference_op(unsigned opcode); /* aml-reference.c: references, stores */

/* ---- aml-eval.c ---- */

void *aml_fail(AmlEval *ev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
AmlObject *aml_nothing(void);
AmlObject *aml_number(AmlEval *ev, uint64_t value); /* cut to the width of integers */
AmlObject *aml_truth(AmlEval *ev, bool value);
AmlObject *aml_term(AmlEval *ev); /* the next term's value */
AmlObject *aml_integer_term(AmlEval *ev);
bool aml_term_list(AmlEval *ev); /* to the end of the innermost block, or what ends it early */
bool aml_enter(AmlEval *ev, uint32_t *outer);
bool aml_number_at(AmlEval *ev, unsigned size, uint64_t *value); /* raw, from the code */
bool aml_name_at(AmlEval *ev, AmlName *name);
/* Declare a name at the current scope; it goes when the running method ends. */
AmlNode *aml_declare(AmlEval *ev, const AmlName *name, AmlObject *value);
AmlNode *aml_find(AmlEval *ev, const AmlName *name); /* fails if it is not there */

/* ---- aml-reference.c ---- */

AmlObject *aml_super_name(AmlEval *ev, bool may_be_missing);
AmlObject *aml_target(AmlEval *ev);
/* What @ref stands for, through references in locals and arguments; a field is read. */
AmlObject *aml_dereference(AmlEval *ev, AmlObject *ref);
bool aml_store(AmlEval *ev, AmlObject *value, AmlObject *target);
/* @object's value: fields are read. */
AmlObject *aml_value(AmlEval *ev, AmlObject *object);

/* ---- aml-field.c ---- */

AmlObject *aml_field_read(AmlEval *ev, const AmlObject *field); /* of a region, or of a buffer */
bool aml_field_write(AmlEval *ev, const AmlObject *field, AmlObject *value);

#endif
