/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of WebSocket (RFC 6455) between a stream of bytes and what is on the wire. A
 * client's messages, binary or text, are nothing but bytes: neither their limits nor their encoding
 * mean anything. It does no input or output.
 */
#ifndef CHARDEV_WEBSOCKET_H
#define CHARDEV_WEBSOCKET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The most that a client's request (RFC 6455, 4.1) may have. */
#define WEBSOCKET_REQUEST_MAX 8192

typedef struct WebSocket {
    uint8_t header[14]; /* of the frame that is being read */
    unsigned have;      /* bytes of it that are there */
    uint64_t left;      /* bytes of its payload that are not */
    uint64_t pos;       /* within its payload, for the mask */
    bool in_payload;
    bool in_message; /* more frames of the message follow (FIN was 0) */
    bool closed;     /* Close was received, or the client broke the rules: nothing more counts */
    uint8_t control[125]; /* payload of a control frame */
} WebSocket;

/* The answer to the request @text, with its blank line, is added to @out; false if it refuses. */
bool websocket_answer(const char *text, size_t len, GByteArray *out);
/* A connection whose request was answered. */
void websocket_start(WebSocket *ws);
/* Take frames off the @len bytes in @buf, in place; returns how many bytes of payload remain.
 * Answers to Ping, Close and to violations (status 1002) are added to @out; ws->closed says that
 * the connection is to end when they have gone. */
size_t websocket_decode(WebSocket *ws, uint8_t *buf, size_t len, GByteArray *out);
/* Add @buf to @out, as one binary message. */
void websocket_encode(const uint8_t *buf, size_t len, GByteArray *out);

#endif
