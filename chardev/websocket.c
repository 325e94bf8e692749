/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/websocket.h"

#include <string.h>

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { FIN = 0x80, RESERVED = 0x70, OPCODE = 0x0f, CONTROL = 0x08, MASKED = 0x80, LENGTH = 0x7f };
enum { CONTROL_MAX = 125, LENGTH_16 = 126, LENGTH_64 = 127, MASK_SIZE = 4, KEY_SIZE = 16 };
enum { PROTOCOL_ERROR = 1002 };

/* ---- the request ---- */

/* Whether @word is among the words of @list, which commas separate. */
static bool has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit(list ? list : "", ",", -1);

    for (char **w = words; *w; w++) {
        if (!g_ascii_strcasecmp(g_strstrip(*w), word)) {
            return true;
        }
    }
    return false;
}

/* Header lines, by name in lower case; those of one name are joined as RFC 9110, 5.3 has it. NULL
 * if one is malformed. */
static GHashTable *parse_headers(char **lines)
{
    g_autoptr(GHashTable) headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (; *lines && **lines; lines++) {
        char *colon = strchr(*lines, ':');
        g_autofree char *name = NULL;
        const char *before;

        if (!colon || colon == *lines) {
            return NULL;
        }
        name = g_ascii_strdown(*lines, colon - *lines);
        before = g_hash_table_lookup(headers, name);
        g_hash_table_replace(headers, g_strdup(name),
                             before ? g_strconcat(before, ",", colon + 1, NULL)
                                    : g_strdup(g_strstrip(colon + 1)));
    }
    return g_steal_pointer(&headers);
}

/* RFC 6455, 4.2.2, 5.4: SHA-1 of the key and a constant, in base64. */
static char *accept_value(const char *key)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    uint8_t digest[20];
    gsize len = sizeof(digest);

    g_checksum_update(sum, (const guchar *)key, -1);
    g_checksum_update(sum, (const guchar *)"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", -1);
    g_checksum_get_digest(sum, digest, &len);
    return g_base64_encode(digest, len);
}

static bool is_key(const char *text)
{
    g_autofree guchar *bytes = NULL;
    g_autofree char *again = NULL;
    gsize len;

    if (!text || !*text) {
        return false;
    }
    bytes = g_base64_decode(text, &len);
    again = g_base64_encode(bytes, len);
    return len == KEY_SIZE && !strcmp(text, again);
}

/* What is wrong with the request, as the first line of an answer; or NULL. */
static const char *check_request(const char *line, GHashTable *headers)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    const char *protocols;

    if (!headers || g_strv_length(words) != 3 || strcmp(words[2], "HTTP/1.1") != 0) {
        return "400 Bad Request";
    }
    if (strcmp(words[0], "GET") != 0) {
        return "405 Method Not Allowed";
    }
    if (!has_word(g_hash_table_lookup(headers, "upgrade"), "websocket") ||
        !has_word(g_hash_table_lookup(headers, "connection"), "upgrade") ||
        g_strcmp0(g_hash_table_lookup(headers, "sec-websocket-version"), "13") != 0) {
        return "426 Upgrade Required";
    }
    protocols = g_hash_table_lookup(headers, "sec-websocket-protocol");
    if (!g_hash_table_contains(headers, "host") ||
        !is_key(g_hash_table_lookup(headers, "sec-websocket-key")) ||
        (protocols && !has_word(protocols, "binary"))) {
        return "400 Bad Request";
    }
    return NULL;
}

static void append_text(GByteArray *out, const char *text)
{
    g_byte_array_append(out, (const guint8 *)text, strlen(text));
}

bool websocket_answer(const char *text, size_t len, GByteArray *out)
{
    g_autofree char *copy = g_strndup(text, len), *value = NULL, *answer = NULL;
    g_auto(GStrv) lines = g_strsplit(copy, "\r\n", -1);
    bool whole = !memchr(text, '\0', len) && lines[0];
    g_autoptr(GHashTable) headers = whole ? parse_headers(lines + 1) : NULL;
    const char *wrong = check_request(whole ? lines[0] : "", headers);

    if (wrong) {
        answer = g_strdup_printf("HTTP/1.1 %s\r\nConnection: close\r\nUpgrade: websocket\r\n"
                                 "Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",
                                 wrong);
        append_text(out, answer);
        return false;
    }
    value = accept_value(g_hash_table_lookup(headers, "sec-websocket-key"));
    answer = g_strdup_printf(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n%s\r\n",
        value,
        g_hash_table_contains(headers, "sec-websocket-protocol")
            ? "Sec-WebSocket-Protocol: binary\r\n"
            : "");
    append_text(out, answer);
    return true;
}

/* ---- frames ---- */

/* RFC 6455, 5.2; the server's are not masked. */
static void append_frame(GByteArray *out, uint8_t opcode, const uint8_t *payload, size_t len)
{
    uint8_t header[10] = { FIN | opcode };
    unsigned size, extra;

    extra = len <= CONTROL_MAX ? 0 : len <= UINT16_MAX ? 2 : 8;
    header[1] = extra == 0 ? (uint8_t)len : extra == 2 ? LENGTH_16 : LENGTH_64;
    size = 2 + extra;
    for (unsigned i = 0; i < extra; i++) {
        header[size - 1 - i] = (uint8_t)((uint64_t)len >> (8 * i));
    }
    g_byte_array_append(out, header, size);
    g_byte_array_append(out, payload, len);
}

void websocket_encode(const uint8_t *buf, size_t len, GByteArray *out)
{
    append_frame(out, BINARY, buf, len);
}

static void violation(WebSocket *ws, GByteArray *out)
{
    static const uint8_t status[] = { PROTOCOL_ERROR >> 8, PROTOCOL_ERROR & 0xff };

    append_frame(out, CLOSE, status, sizeof(status));
    ws->closed = true;
}

static unsigned length_size(const WebSocket *ws)
{
    uint8_t length = ws->header[1] & LENGTH;

    return length == LENGTH_16 ? 2 : length == LENGTH_64 ? 8 : 0;
}

static uint64_t payload_length(const WebSocket *ws)
{
    unsigned size = length_size(ws);
    uint64_t length = 0;

    if (!size) {
        return ws->header[1] & LENGTH;
    }
    for (unsigned i = 0; i < size; i++) {
        length = length << 8 | ws->header[2 + i];
    }
    return length;
}

/* Whether the first two bytes of a header are allowed now. */
static bool start_is_valid(const WebSocket *ws)
{
    uint8_t opcode = ws->header[0] & OPCODE;
    bool fin = ws->header[0] & FIN;

    if (ws->header[0] & RESERVED || !(ws->header[1] & MASKED)) {
        return false;
    }
    if (opcode & CONTROL) {
        return opcode <= PONG && fin && (ws->header[1] & LENGTH) <= CONTROL_MAX;
    }
    return opcode <= BINARY && (opcode == CONTINUATION) == ws->in_message;
}

/* The length is written in the shortest way, and is no negative number. */
static bool length_is_valid(const WebSocket *ws)
{
    uint64_t length = payload_length(ws);
    unsigned size = length_size(ws);

    return size == 0 || (size == 2 ? length > CONTROL_MAX
                                   : length > UINT16_MAX && length <= (uint64_t)INT64_MAX);
}

static bool is_control(const WebSocket *ws)
{
    return ws->header[0] & CONTROL;
}

static void end_of_frame(WebSocket *ws, GByteArray *out)
{
    uint8_t opcode = ws->header[0] & OPCODE;

    ws->in_payload = false;
    ws->have = 0;
    if (!is_control(ws)) {
        ws->in_message = !(ws->header[0] & FIN);
    } else if (opcode == PING) {
        append_frame(out, PONG, ws->control, ws->pos);
    } else if (opcode == CLOSE) {
        append_frame(out, CLOSE, ws->control, MIN(ws->pos, 2)); /* the status, without the reason */
        ws->closed = true;
    }
}

static void take_header(WebSocket *ws, uint8_t byte, GByteArray *out)
{
    unsigned before_mask;

    ws->header[ws->have++] = byte;
    before_mask = ws->have < 2 ? 2 : 2 + length_size(ws);
    if ((ws->have == 2 && !start_is_valid(ws)) ||
        (ws->have > 2 && ws->have == before_mask && !length_is_valid(ws))) {
        violation(ws, out);
    } else if (ws->have == before_mask + MASK_SIZE) {
        ws->in_payload = true;
        ws->left = payload_length(ws);
        ws->pos = 0;
        if (!ws->left) {
            end_of_frame(ws, out);
        }
    }
}

void websocket_start(WebSocket *ws)
{
    *ws = (WebSocket){ 0 };
}

size_t websocket_decode(WebSocket *ws, uint8_t *buf, size_t len, GByteArray *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < len && !ws->closed; i++) {
        uint8_t byte = buf[i];

        if (!ws->in_payload) {
            take_header(ws, byte, out);
            continue;
        }
        byte ^= ws->header[ws->have - MASK_SIZE + ws->pos % MASK_SIZE];
        if (is_control(ws)) {
            ws->control[ws->pos] = byte;
        } else {
            buf[kept++] = byte;
        }
        ws->pos++;
        if (!--ws->left) {
            end_of_frame(ws, out);
        }
    }
    return kept;
}
