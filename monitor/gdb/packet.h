/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets of the remote protocol: "$data#checksum" both ways, "+" and "-", and Ctrl-C. */
#ifndef MONITOR_GDB_PACKET_H
#define MONITOR_GDB_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define GDB_PACKET_SIZE 16384u /* bytes of data, either way */

typedef enum GdbInput {
    GDB_INPUT_NONE,   /* go on */
    GDB_INPUT_PACKET, /* reader->data has it */
    GDB_INPUT_BAD,    /* too long, or the checksum is wrong */
    GDB_INPUT_ACK,
    GDB_INPUT_NAK,
    GDB_INPUT_BREAK, /* Ctrl-C */
} GdbInput;

typedef struct GdbReader {
    enum { GDB_READ_IDLE, GDB_READ_DATA, GDB_READ_ESCAPED, GDB_READ_SUM1, GDB_READ_SUM2 } state;
    GString *data; /* what was escaped is plain */
    uint8_t sum, wanted;
    bool bad;
} GdbReader;

/* One byte from the client. */
GdbInput gdb_reader_take(GdbReader *reader, uint8_t byte);

/* Append the packet with the bytes of @data, escaped where they must be, to @out. */
void gdb_packet_append(GString *out, const GString *data);

/* ---- what is in packets; all false (or -1) leave *@p where something was wrong ---- */

/* A hexadecimal number of at most 64 bits. */
bool gdb_parse_hex(const char **p, uint64_t *value);
/* This character. */
bool gdb_parse_char(const char **p, char c);
/* "1f2e..." to the end of @text into bytes; NULL if it is none. g_byte_array_unref. */
GByteArray *gdb_parse_bytes(const char *text);
void gdb_append_hex(GString *out, const void *data, size_t len);

#endif
