/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Telnet and WebSocket, as bytes in and bytes out: cut at every place, and broken in every way. */
#include <string.h>

#include "chardev/telnet.h"
#include "chardev/websocket.h"

#define BYTES(text) (const uint8_t *)(text), sizeof(text) - 1

static void expect_bytes(const GByteArray *got, const uint8_t *bytes, size_t len)
{
    g_assert_cmpmem(got->data, got->len, bytes, len);
}

/* ---- telnet ---- */

typedef struct TelnetCase {
    const char *in;
    size_t in_len;
    const char *data;
    size_t data_len;
    const char *answer;
    size_t answer_len;
    unsigned breaks;
    bool tn3270;
} TelnetCase;

#define T(in, data, answer, ...)                                                              \
    {                                                                                         \
        in, sizeof(in) - 1, data, sizeof(data) - 1, answer, sizeof(answer) - 1, ##__VA_ARGS__ \
    }

static const TelnetCase telnet_cases[] = {
    T("plain", "plain", ""),
    T("a\xff\xff"
      "b",
      "a\xff"
      "b",
      ""),
    T("x\xff\xf3y\xff\xf3", "xy", "", 2),
    T("\xff\xf1\xff\xf6\xff\xf9z", "z", ""), /* no operation, are you there, go ahead */
    /* Asked for by us: nothing to say. */
    T("\xff\xfd\x01\xff\xfd\x03\xff\xfb\x03", "", "\xff\xfd\x03"),
    T("\xff\xfe\x01", "", ""),
    /* Unknown to us. */
    T("\xff\xfb\x22"
      "a\xff\xfd\x22"
      "b",
      "ab", "\xff\xfe\x22\xff\xfc\x22"),
    T("\xff\xfc\x22\xff\xfe\x22", "", ""),
    /* A client does not echo. */
    T("\xff\xfb\x01", "", "\xff\xfe\x01"),
    /* On, and off again; nothing is answered twice. */
    T("\xff\xfb\x03\xff\xfb\x03\xff\xfc\x03\xff\xfc\x03", "", "\xff\xfd\x03\xff\xfe\x03"),
    T("a\xff\xfa\x18\x00 any\xff\xff\xf0thing\xff\xf0"
      "b",
      "ab", ""),
    T("a\r\0b\r\nc\0", "a\rb\r\nc\0", ""),
    /* In binary, a NUL is one. */
    T("\xff\xfb\x00"
      "a\r\0",
      "a\r\0", ""),
    T("\xff\xfb\x18\xff\xfd\x19"
      "rec\xff\xef"
      "rec",
      "recrec", "", 0, true),
};

static void test_telnet_decode(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(telnet_cases); i++) {
        const TelnetCase *c = &telnet_cases[i];

        for (size_t cut = 0; cut <= c->in_len; cut++) {
            g_autoptr(GByteArray) answer = g_byte_array_new();
            g_autofree uint8_t *buf = g_memdup2(c->in, c->in_len);
            Telnet telnet;
            unsigned breaks = 0;
            size_t first, second;

            telnet_start(&telnet, true, c->tn3270, answer);
            g_byte_array_set_size(answer, 0);
            first = telnet_decode(&telnet, buf, cut, answer, &breaks);
            second = telnet_decode(&telnet, buf + cut, c->in_len - cut, answer, &breaks);
            memmove(buf + first, buf + cut, second);
            g_assert_cmpmem(buf, first + second, c->data, c->data_len);
            g_assert_cmpmem(answer->data, answer->len, c->answer, c->answer_len);
            g_assert_cmpuint(breaks, ==, c->breaks);
        }
    }
}

static void test_telnet_start(void)
{
    static const struct {
        bool server, tn3270;
        const char *text;
        size_t len;
    } cases[] = {
        { true, false, "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00\xff\xfd\x00", 12 },
        { true, true,
          "\xff\xfd\x19\xff\xfb\x19\xff\xfd\x00\xff\xfb\x00\xff\xfd\x18\xff\xfa\x18\x01\xff\xf0",
          21 },
        { false, false, "", 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) out = g_byte_array_new();
        Telnet telnet;

        telnet_start(&telnet, cases[i].server, cases[i].tn3270, out);
        expect_bytes(out, (const uint8_t *)cases[i].text, cases[i].len);
    }
}

/* A client and a server of ours agree, and then are silent. */
static void test_telnet_both(void)
{
    g_autoptr(GByteArray) to_client = g_byte_array_new(), to_server = g_byte_array_new();
    Telnet server, client;
    unsigned breaks = 0;

    telnet_start(&server, true, false, to_client);
    telnet_start(&client, false, false, to_server);
    for (int i = 0; i < 3; i++) {
        g_assert_cmpuint(
            telnet_decode(&client, to_client->data, to_client->len, to_server, &breaks), ==, 0);
        g_byte_array_set_size(to_client, 0);
        g_assert_cmpuint(
            telnet_decode(&server, to_server->data, to_server->len, to_client, &breaks), ==, 0);
        g_byte_array_set_size(to_server, 0);
    }
    g_assert_cmpuint(to_client->len, ==, 0);
    g_assert_cmpmem(server.us, sizeof(server.us), client.him, sizeof(client.him));
    g_assert_cmpmem(server.him, sizeof(server.him), client.us, sizeof(client.us));
}

static void test_telnet_encode(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    Telnet telnet = { .server = true };

    telnet_encode(&telnet,
                  BYTES("\xff"
                        "ab\xff\xff"
                        "c"),
                  out);
    expect_bytes(out, BYTES("\xff\xff"
                            "ab\xff\xff\xff\xff"
                            "c"));
    g_byte_array_set_size(out, 0);
    telnet.tn3270 = true;
    telnet_encode(&telnet, BYTES("rec\xff\xef"), out);
    expect_bytes(out, BYTES("rec\xff\xef"));
}

/* ---- WebSocket requests ---- */

#define REQUEST                                                                                    \
    "GET /any HTTP/1.1\r\nHost: here\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n" \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"

/* The example of RFC 6455, 1.3. */
static void test_websocket_answer(void)
{
    static const struct {
        const char *more;
        bool binary;
    } cases[] = { { "", false },
                  { "Sec-WebSocket-Protocol: chat, binary\r\n", true },
                  { "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: binary\r\n", true } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat(REQUEST, cases[i].more, "\r\n", NULL), *answer = NULL;
        g_autoptr(GByteArray) out = g_byte_array_new();

        g_assert_true(websocket_answer(text, strlen(text), out));
        answer = g_strndup((char *)out->data, out->len);
        g_assert_true(g_str_has_prefix(answer, "HTTP/1.1 101 "));
        g_assert_nonnull(strstr(answer, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        g_assert_true(!!strstr(answer, "Protocol: binary\r\n") == cases[i].binary);
        g_assert_true(g_str_has_suffix(answer, "\r\n\r\n"));
    }
}

/* The request with @old replaced by @new gets @status. */
static void expect_refusal(const char *old, const char *new, const char *status)
{
    g_auto(GStrv) parts = g_strsplit(REQUEST "\r\n", old, 2);
    g_autofree char *text = g_strjoinv(new, parts);
    g_autoptr(GByteArray) out = g_byte_array_new();

    g_assert_false(websocket_answer(text, strlen(text), out));
    g_assert_cmpuint(out->len, >, 12);
    g_assert_cmpmem(out->data + 9, 3, status, 3);
    g_assert_cmpmem(out->data + out->len - 4, 4, "\r\n\r\n", 4);
}

static void test_websocket_refusals(void)
{
    static const char nul[] = "GET /\0 HTTP/1.1\r\n\r\n";
    g_autoptr(GByteArray) out = g_byte_array_new();

    expect_refusal("GET", "POST", "405");
    expect_refusal("/any", "/any thing", "400");
    expect_refusal("HTTP/1.1", "HTTP/1.0", "400");
    expect_refusal("Host: here", "Host here", "400");
    expect_refusal("Host: here", ": here", "400");
    expect_refusal("Host", "Hast", "400");
    expect_refusal("WebSocket", "HTTP/2.0", "426");
    expect_refusal(", Upgrade", "", "426");
    expect_refusal("13", "8", "426");
    expect_refusal("dGhl", "", "400");
    expect_refusal("dGhl", "d$hl", "400");
    expect_refusal("Sec-WebSocket-Key", "Key", "400");
    expect_refusal("\r\n\r\n", "\r\nSec-WebSocket-Protocol: base64\r\n\r\n", "400");
    g_assert_false(websocket_answer(nul, sizeof(nul) - 1, out));
    g_assert_false(websocket_answer("\r\n\r\n", 4, out));
    g_assert_false(websocket_answer("", 0, out));
}

/* ---- WebSocket frames ---- */

#define MASK "\x01\x80\xff\x20"

/* Append a frame: its first byte, how long it says it is, and its payload, which gets masked. */
static void frame(GByteArray *out, uint8_t first, const char *length, size_t length_len,
                  const char *payload, size_t len)
{
    g_byte_array_append(out, &first, 1);
    g_byte_array_append(out, (const guint8 *)length, length_len);
    g_byte_array_append(out, (const guint8 *)MASK, 4);
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)payload[i] ^ (uint8_t)MASK[i % 4];

        g_byte_array_append(out, &byte, 1);
    }
}

#define FRAME(out, first, length, payload) \
    frame(out, first, length, sizeof(length) - 1, payload, sizeof(payload) - 1)

/* All of @in, cut at @cut, gives @data and @answer. */
static void expect_decoded(const GByteArray *in, size_t cut, const uint8_t *data, size_t len,
                           const uint8_t *answer, size_t answer_len, bool closed)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autofree uint8_t *buf = g_memdup2(in->data, in->len);
    WebSocket ws;
    size_t first, second;

    websocket_start(&ws);
    first = websocket_decode(&ws, buf, cut, out);
    second = websocket_decode(&ws, buf + cut, in->len - cut, out);
    memmove(buf + first, buf + cut, second);
    g_assert_cmpmem(buf, first + second, data, len);
    expect_bytes(out, answer, answer_len);
    g_assert_true(ws.closed == closed);
}

/* Messages of one and of several frames, with a Ping and a Pong between, and the Close. */
static void test_websocket_frames(void)
{
    g_autoptr(GByteArray) in = g_byte_array_new();

    FRAME(in, 0x82, "\x85", "hello");
    FRAME(in, 0x81, "\x80", "");
    FRAME(in, 0x01, "\x82", ", ");
    FRAME(in, 0x89, "\x84", "ping");
    FRAME(in, 0x00, "\x83", "wor");
    FRAME(in, 0x8a, "\x84", "pong");
    FRAME(in, 0x80, "\x82", "ld");
    FRAME(in, 0x88, "\x85",
          "\x03\xe8"
          "bye");
    FRAME(in, 0x82, "\x84", "late");
    for (size_t cut = 0; cut <= in->len; cut++) {
        expect_decoded(in, cut, BYTES("hello, world"), BYTES("\x8a\x04ping\x88\x02\x03\xe8"), true);
    }
}

/* Lengths of 16 and 64 bits, both ways. */
static void test_websocket_lengths(void)
{
    static const struct {
        size_t len;
        const char *length;
        size_t length_len;
    } cases[] = { { 125, "\x7d", 1 },
                  { 126, "\x7e\x00\x7e", 3 },
                  { 65535, "\x7e\xff\xff", 3 },
                  { 65536, "\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 9 } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *payload = g_strnfill(cases[i].len, 'x');
        g_autoptr(GByteArray) in = g_byte_array_new(), out = g_byte_array_new();

        frame(in, 0x82, cases[i].length, cases[i].length_len, payload, cases[i].len);
        in->data[1] |= 0x80;
        for (size_t cut = 0; cut <= 16; cut++) {
            expect_decoded(in, cut, (uint8_t *)payload, cases[i].len, NULL, 0, false);
        }
        websocket_encode((uint8_t *)payload, cases[i].len, out);
        g_assert_cmpuint(out->len, ==, 1 + cases[i].length_len + cases[i].len);
        g_assert_cmpint(out->data[0], ==, 0x82);
        g_assert_cmpmem(out->data + 1, cases[i].length_len, cases[i].length, cases[i].length_len);
    }
}

/* Each ends the connection with status 1002; what came before still counts. */
static void test_websocket_violations(void)
{
    static const struct {
        uint8_t first;
        const char *length;
        size_t length_len;
    } cases[] = {
        { 0x82, "\x01", 1 },                                 /* no mask */
        { 0xc2, "\x81", 1 },                                 /* a reserved bit */
        { 0x83, "\x81", 1 },                                 /* unknown kinds */
        { 0x8b, "\x81", 1 },                                 /* of control, too */
        { 0x80, "\x81", 1 },                                 /* goes on with nothing */
        { 0x09, "\x81", 1 },                                 /* control in pieces */
        { 0x89, "\xfe\x00\x80", 3 },                         /* long control */
        { 0x82, "\xfe\x00\x7d", 3 },                         /* lengths not in the shortest way */
        { 0x82, "\xff\x00\x00\x00\x00\x00\x00\xff\xff", 9 }, /* ... */
        { 0x82, "\xff\x80\x00\x00\x00\x00\x00\x00\x00", 9 }, /* negative length */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) in = g_byte_array_new();

        FRAME(in, 0x82, "\x81", "a");
        frame(in, cases[i].first, cases[i].length, cases[i].length_len, "b", 1);
        for (size_t cut = 0; cut <= in->len; cut++) {
            expect_decoded(in, cut, BYTES("a"), BYTES("\x88\x02\x03\xea"), true);
        }
    }
}

/* A new message while another has not ended. */
static void test_websocket_nested(void)
{
    g_autoptr(GByteArray) in = g_byte_array_new();

    FRAME(in, 0x02, "\x81", "a");
    FRAME(in, 0x82, "\x81", "b");
    expect_decoded(in, in->len, BYTES("a"), BYTES("\x88\x02\x03\xea"), true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/char/telnet/decode", test_telnet_decode);
    g_test_add_func("/char/telnet/start", test_telnet_start);
    g_test_add_func("/char/telnet/both", test_telnet_both);
    g_test_add_func("/char/telnet/encode", test_telnet_encode);
    g_test_add_func("/char/websocket/answer", test_websocket_answer);
    g_test_add_func("/char/websocket/refusals", test_websocket_refusals);
    g_test_add_func("/char/websocket/frames", test_websocket_frames);
    g_test_add_func("/char/websocket/lengths", test_websocket_lengths);
    g_test_add_func("/char/websocket/violations", test_websocket_violations);
    g_test_add_func("/char/websocket/nested", test_websocket_nested);
    return g_test_run();
}
