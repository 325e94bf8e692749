/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/gdb/packet.h"

#include <string.h>

#define ESCAPE     0x7d
#define ESCAPE_XOR 0x20

static void begin(GdbReader *r)
{
    g_string_truncate(r->data, 0);
    r->sum = 0;
    r->bad = false;
    r->state = GDB_READ_DATA;
}

static void add(GdbReader *r, uint8_t byte)
{
    if (r->data->len >= GDB_PACKET_SIZE) {
        r->bad = true;
    } else {
        g_string_append_c(r->data, (char)byte);
    }
    r->state = GDB_READ_DATA;
}

static GdbInput idle(GdbReader *r, uint8_t byte)
{
    switch (byte) {
    case '$':
        begin(r);
        return GDB_INPUT_NONE;
    case '+':
        return GDB_INPUT_ACK;
    case '-':
        return GDB_INPUT_NAK;
    case 3:
        return GDB_INPUT_BREAK;
    default:
        return GDB_INPUT_NONE;
    }
}

static void data(GdbReader *r, uint8_t byte)
{
    if (byte == '$') { /* the rest of the last one got lost */
        begin(r);
    } else if (byte == '#') {
        r->state = GDB_READ_SUM1;
    } else {
        r->sum += byte;
        if (byte == ESCAPE) {
            r->state = GDB_READ_ESCAPED;
        } else {
            add(r, byte);
        }
    }
}

/* -1: no digit. */
static int digit(uint8_t byte)
{
    return g_ascii_xdigit_value((char)byte);
}

GdbInput gdb_reader_take(GdbReader *r, uint8_t byte)
{
    switch (r->state) {
    case GDB_READ_IDLE:
        return idle(r, byte);
    case GDB_READ_DATA:
        data(r, byte);
        return GDB_INPUT_NONE;
    case GDB_READ_ESCAPED:
        r->sum += byte;
        add(r, byte ^ ESCAPE_XOR);
        return GDB_INPUT_NONE;
    case GDB_READ_SUM1:
        r->bad = r->bad || digit(byte) < 0;
        r->wanted = (uint8_t)((unsigned)digit(byte) << 4);
        r->state = GDB_READ_SUM2;
        return GDB_INPUT_NONE;
    case GDB_READ_SUM2:
        break;
    }
    r->state = GDB_READ_IDLE;
    r->bad = r->bad || digit(byte) < 0 || (r->wanted | digit(byte)) != r->sum;
    return r->bad ? GDB_INPUT_BAD : GDB_INPUT_PACKET;
}

void gdb_packet_append(GString *out, const GString *data)
{
    uint8_t sum = 0;

    g_string_append_c(out, '$');
    for (gsize i = 0; i < data->len; i++) {
        char c = data->str[i];

        if (c == ESCAPE || strchr("#$*", c)) { /* and 0, which strchr() finds, too */
            sum += ESCAPE;
            g_string_append_c(out, ESCAPE);
            c ^= ESCAPE_XOR;
        }
        sum += (uint8_t)c;
        g_string_append_c(out, c);
    }
    g_string_append_printf(out, "#%02x", sum);
}

bool gdb_parse_hex(const char **p, uint64_t *value)
{
    unsigned digits = 0;

    for (*value = 0; g_ascii_isxdigit(**p) && digits < 16; digits++, (*p)++) {
        *value = *value << 4 | (unsigned)g_ascii_xdigit_value(**p);
    }
    return digits && !g_ascii_isxdigit(**p);
}

bool gdb_parse_char(const char **p, char c)
{
    bool ok = **p == c;

    *p += ok;
    return ok;
}

GByteArray *gdb_parse_bytes(const char *text)
{
    size_t len = strlen(text);
    GByteArray *bytes = g_byte_array_new();

    for (size_t i = 0; i + 1 < len; i += 2) {
        int high = g_ascii_xdigit_value(text[i]), low = g_ascii_xdigit_value(text[i + 1]);

        if (high < 0 || low < 0) {
            break;
        }
        uint8_t byte = (uint8_t)(high << 4 | low);
        g_byte_array_append(bytes, &byte, 1);
    }
    if (bytes->len * 2 != len) {
        g_byte_array_unref(bytes);
        return NULL;
    }
    return bytes;
}

void gdb_append_hex(GString *out, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_string_append_printf(out, "%02x", ((const uint8_t *)data)[i]);
    }
}
