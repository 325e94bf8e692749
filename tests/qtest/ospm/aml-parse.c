/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/aml-parse.h"

#include <string.h>

#include "util/error.h"

enum {
    PREFIX_ROOT = '\\',
    PREFIX_PARENT = '^',
    PREFIX_DUAL = 0x2e,
    PREFIX_MULTI = 0x2f,
};

bool aml_at_end(const AmlCursor *cursor)
{
    return cursor->pos >= cursor->end;
}

int aml_peek(const AmlCursor *cursor)
{
    return aml_at_end(cursor) ? -1 : cursor->code[cursor->pos];
}

bool aml_read_number(AmlCursor *cursor, unsigned size, uint64_t *value, GError **errp)
{
    if (cursor->end - cursor->pos < size) {
        error_set(errp, "the block ends at 0x%x, in the middle of a term", cursor->end);
        return false;
    }
    *value = 0;
    for (unsigned i = 0; i < size; i++) {
        *value |= (uint64_t)cursor->code[cursor->pos++] << (i * 8);
    }
    return true;
}

bool aml_read_length(AmlCursor *cursor, uint32_t *length, GError **errp)
{
    uint64_t lead, byte;
    unsigned more;

    if (!aml_read_number(cursor, 1, &lead, errp)) {
        return false;
    }
    more = (unsigned)lead >> 6;
    if (more && (lead & 0x30)) {
        error_set(errp, "PkgLength 0x%02x...: bits 4 and 5 must be 0", (unsigned)lead);
        return false;
    }
    *length = (uint32_t)(more ? lead & 0xf : lead & 0x3f);
    for (unsigned i = 0; i < more; i++) {
        if (!aml_read_number(cursor, 1, &byte, errp)) {
            return false;
        }
        *length |= (uint32_t)byte << (4 + 8 * i);
    }
    return true;
}

bool aml_block_enter(AmlCursor *cursor, uint32_t *outer, GError **errp)
{
    uint32_t start = cursor->pos, length, itself;

    if (!aml_read_length(cursor, &length, errp)) {
        return false;
    }
    itself = cursor->pos - start;
    if (length < itself || length > cursor->end - start) {
        error_set(errp, "PkgLength 0x%x at 0x%x: must be from %u (itself) to 0x%x (what is left)",
                  length, start, itself, cursor->end - start);
        return false;
    }
    *outer = cursor->end;
    cursor->end = start + length;
    return true;
}

void aml_block_leave(AmlCursor *cursor, uint32_t outer)
{
    cursor->pos = cursor->end;
    cursor->end = outer;
}

static bool is_lead_char(int c)
{
    return (c >= 'A' && c <= 'Z') || c == '_';
}

bool aml_is_name_start(int byte)
{
    return is_lead_char(byte) || byte == PREFIX_ROOT || byte == PREFIX_PARENT ||
           byte == PREFIX_DUAL || byte == PREFIX_MULTI;
}

static bool read_segment(AmlCursor *cursor, AmlName *name, GError **errp)
{
    char *seg = name->seg[name->segments];
    uint64_t c;

    for (unsigned i = 0; i < 4; i++) {
        if (!aml_read_number(cursor, 1, &c, errp)) {
            return false;
        }
        if (!is_lead_char((int)c) && !(i > 0 && c >= '0' && c <= '9')) {
            error_set(errp, "byte 0x%02x at 0x%x cannot be in a name", (unsigned)c,
                      cursor->pos - 1);
            return false;
        }
        seg[i] = (char)c;
    }
    seg[4] = '\0';
    name->segments++;
    return true;
}

static bool read_segments(AmlCursor *cursor, AmlName *name, unsigned count, GError **errp)
{
    if (count == 0 || count > AML_MAX_SEGMENTS) {
        error_set(errp, "a name of %u segments: 1 to %u are possible", count, AML_MAX_SEGMENTS);
        return false;
    }
    while (name->segments < count) {
        if (!read_segment(cursor, name, errp)) {
            return false;
        }
    }
    return true;
}

bool aml_read_name(AmlCursor *cursor, AmlName *name, GError **errp)
{
    uint64_t count;

    *name = (AmlName){ 0 };
    if (aml_peek(cursor) == PREFIX_ROOT) {
        name->absolute = true;
        cursor->pos++;
    }
    while (!name->absolute && aml_peek(cursor) == PREFIX_PARENT) {
        name->parents++;
        cursor->pos++;
    }
    switch (aml_peek(cursor)) {
    case 0: /* null name */
        cursor->pos++;
        return true;
    case PREFIX_DUAL:
        cursor->pos++;
        return read_segments(cursor, name, 2, errp);
    case PREFIX_MULTI:
        cursor->pos++;
        return aml_read_number(cursor, 1, &count, errp) &&
               read_segments(cursor, name, (unsigned)count, errp);
    default:
        return read_segments(cursor, name, 1, errp);
    }
}

bool aml_parse_name(const char *text, AmlName *name)
{
    *name = (AmlName){ 0 };
    if (*text == '\\') {
        name->absolute = true;
        text++;
    }
    while (!name->absolute && *text == '^') {
        name->parents++;
        text++;
    }
    while (*text) {
        size_t len = strcspn(text, ".");

        if (len == 0 || len > 4 || name->segments == AML_MAX_SEGMENTS || !is_lead_char(*text)) {
            return false;
        }
        memcpy(name->seg[name->segments], "____", 5);
        memcpy(name->seg[name->segments++], text, len);
        text += len;
        if (*text == '.' && !*++text) {
            return false;
        }
    }
    return true;
}

char *aml_name_text(const AmlName *name)
{
    GString *text = g_string_new(name->absolute ? "\\" : NULL);

    for (unsigned i = 0; i < name->parents; i++) {
        g_string_append_c(text, '^');
    }
    for (unsigned i = 0; i < name->segments; i++) {
        g_string_append(text, i ? "." : "");
        g_string_append(text, name->seg[i]);
    }
    return g_string_free(text, FALSE);
}
