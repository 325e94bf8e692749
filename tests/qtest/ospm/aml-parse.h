/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading AML byte code: bytes, package lengths and names (ACPI 6.4, 20.2.2 and 20.2.4). Reading
 * never goes beyond the end of the innermost block.
 */
#ifndef TESTS_QTEST_OSPM_AML_PARSE_H
#define TESTS_QTEST_OSPM_AML_PARSE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct AmlCursor {
    const uint8_t *code;
    uint32_t pos, end; /* offsets; end is that of the innermost block */
} AmlCursor;

#define AML_MAX_SEGMENTS 32

/* A name as it stands in the code: prefixes, then segments of 4 characters. */
typedef struct AmlName {
    bool absolute;     /* \ */
    unsigned parents;  /* number of ^ */
    unsigned segments; /* 0: a null name, or only prefixes */
    char seg[AML_MAX_SEGMENTS][5];
} AmlName;

bool aml_at_end(const AmlCursor *cursor);
/* The next byte, which stays; -1 at the end of the block. */
int aml_peek(const AmlCursor *cursor);

/* A little-endian number of @size bytes (1, 2, 4 or 8). */
bool aml_read_number(AmlCursor *cursor, unsigned size, uint64_t *value, GError **errp);

/* The number that a package length is. In a field list it counts bits; elsewhere aml_block_enter()
 * is what is meant. */
bool aml_read_length(AmlCursor *cursor, uint32_t *length, GError **errp);

/* Read a package length and make its block the innermost one; *@outer keeps the end of the one
 * around it, for aml_block_leave(). */
bool aml_block_enter(AmlCursor *cursor, uint32_t *outer, GError **errp);
/* Go to the end of the innermost block, and on in the one around it. */
void aml_block_leave(AmlCursor *cursor, uint32_t outer);

/* Can a name start with this byte? */
bool aml_is_name_start(int byte);
bool aml_read_name(AmlCursor *cursor, AmlName *name, GError **errp);
/* Parse a name that is text, as in "\\_SB.MHPC" or "_STA": segments are padded with '_'. */
bool aml_parse_name(const char *text, AmlName *name);
/* The name as text. g_free(). */
char *aml_name_text(const AmlName *name);

#endif
