/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The telnet protocol (RFC 854, 855) between a stream of bytes and what is on the wire: escapes and
 * the negotiation of options. Options: BINARY (RFC 856), ECHO (857), SUPPRESS-GO-AHEAD (858); with
 * tn3270 (RFC 1576) also END-OF-RECORD (885) and TERMINAL-TYPE (1091). It does no input or output.
 */
#ifndef CHARDEV_TELNET_H
#define CHARDEV_TELNET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Telnet {
    bool server, tn3270;
    int state; /* what the next byte is; see telnet.c */
    uint8_t verb;
    bool after_cr;
    uint8_t us[256], him[256]; /* an option of ours, of the other side; see telnet.c */
} Telnet;

/* A new connection: what we ask for first is added to @out. */
void telnet_start(Telnet *telnet, bool server, bool tn3270, GByteArray *out);
/* Take the protocol out of the @len bytes in @buf, in place; returns how many bytes remain. Answers
 * are added to @out; *@breaks grows by the breaks there were. A tn3270 end of record leaves nothing
 * behind. */
size_t telnet_decode(Telnet *telnet, uint8_t *buf, size_t len, GByteArray *out, unsigned *breaks);
/* Add @buf to @out, escaped. With tn3270 the writer makes records, and escapes, himself. */
void telnet_encode(const Telnet *telnet, const uint8_t *buf, size_t len, GByteArray *out);

#endif
