/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/telnet.h"

#include <string.h>

enum { BRK = 243, SE = 240, SB = 250, WILL = 251, WONT = 252, DO = 253, DONT = 254, IAC = 255 };
enum { BINARY = 0, ECHO = 1, SGA = 3, TTYPE = 24, EOR = 25 };
enum { DATA, COMMAND, OPTION, SUBNEGOTIATION, SUBNEGOTIATION_COMMAND };
/* How an option is: off, asked for by us and not yet answered, on. */
enum { NO, WANTED, YES };

/* Who may do an option. */
enum { SERVER = 1, CLIENT = 2, BOTH = SERVER | CLIENT };

static const struct {
    uint8_t option, who;
    bool tn3270_only;
} options[] = {
    { BINARY, BOTH }, { ECHO, SERVER }, { SGA, BOTH }, { TTYPE, CLIENT, true }, { EOR, BOTH, true },
};

/* What a server begins with. */
static const uint8_t greeting[][2] = {
    { WILL, ECHO }, { WILL, SGA }, { WILL, BINARY }, { DO, BINARY }
};
static const uint8_t greeting_3270[][2] = {
    { DO, EOR }, { WILL, EOR }, { DO, BINARY }, { WILL, BINARY }, { DO, TTYPE }
};
static const uint8_t send_terminal_type[] = { IAC, SB, TTYPE, 1, IAC, SE };

static void say(uint8_t verb, uint8_t option, GByteArray *out)
{
    const uint8_t text[] = { IAC, verb, option };

    g_byte_array_append(out, text, sizeof(text));
}

static void ask(Telnet *telnet, const uint8_t (*what)[2], size_t count, GByteArray *out)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t verb = what[i][0], option = what[i][1];

        (verb == WILL ? telnet->us : telnet->him)[option] = WANTED;
        say(verb, option, out);
    }
}

void telnet_start(Telnet *telnet, bool server, bool tn3270, GByteArray *out)
{
    *telnet = (Telnet){ .server = server, .tn3270 = tn3270 };
    if (!server) {
        return;
    }
    if (tn3270) {
        ask(telnet, greeting_3270, G_N_ELEMENTS(greeting_3270), out);
        g_byte_array_append(out, send_terminal_type, sizeof(send_terminal_type));
    } else {
        ask(telnet, greeting, G_N_ELEMENTS(greeting), out);
    }
}

static bool may_do(const Telnet *telnet, bool server, uint8_t option)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (options[i].option == option) {
            return (options[i].who & (server ? SERVER : CLIENT)) &&
                   (telnet->tn3270 || !options[i].tn3270_only);
        }
    }
    return false;
}

/* Answered is only what changes something, or there would be no end of it (RFC 854). */
static void negotiate(Telnet *telnet, uint8_t verb, uint8_t option, GByteArray *out)
{
    bool about_us = verb == DO || verb == DONT, on = verb == DO || verb == WILL;
    uint8_t *state = about_us ? &telnet->us[option] : &telnet->him[option];
    uint8_t yes = about_us ? WILL : DO, no = about_us ? WONT : DONT;

    if (on && *state == NO) {
        bool agreed = may_do(telnet, about_us == telnet->server, option);

        say(agreed ? yes : no, option, out);
        *state = agreed ? YES : NO;
    } else if (on) {
        *state = YES;
    } else {
        if (*state == YES) {
            say(no, option, out);
        }
        *state = NO;
    }
}

/* A byte that is neither escaped nor part of the protocol; true if it is data. */
static bool is_data(Telnet *telnet, uint8_t byte)
{
    bool filler = telnet->after_cr && byte == 0 && telnet->him[BINARY] != YES;

    telnet->after_cr = byte == '\r';
    return !filler; /* unless binary, a carriage return alone is sent with a NUL after it */
}

/* True if @byte is data. */
static bool take(Telnet *telnet, uint8_t byte, GByteArray *out, unsigned *breaks)
{
    switch (telnet->state) {
    case DATA:
        if (byte == IAC) {
            telnet->state = COMMAND;
            return false;
        }
        return is_data(telnet, byte);
    case COMMAND:
        telnet->state = byte == SB ? SUBNEGOTIATION : byte >= WILL && byte <= DONT ? OPTION : DATA;
        telnet->verb = byte;
        *breaks += byte == BRK;
        return byte == IAC;
    case OPTION:
        negotiate(telnet, telnet->verb, byte, out);
        telnet->state = DATA;
        return false;
    case SUBNEGOTIATION:
        if (byte == IAC) {
            telnet->state = SUBNEGOTIATION_COMMAND;
        }
        return false;
    default:
        telnet->state = byte == SE ? DATA : SUBNEGOTIATION;
        return false;
    }
}

size_t telnet_decode(Telnet *telnet, uint8_t *buf, size_t len, GByteArray *out, unsigned *breaks)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        uint8_t byte = buf[i];

        if (take(telnet, byte, out, breaks)) {
            buf[kept++] = byte;
        }
    }
    return kept;
}

void telnet_encode(const Telnet *telnet, const uint8_t *buf, size_t len, GByteArray *out)
{
    static const uint8_t escape = IAC;

    while (len) {
        const uint8_t *iac = telnet->tn3270 ? NULL : memchr(buf, IAC, len);
        size_t run = iac ? (size_t)(iac - buf) + 1 : len;

        g_byte_array_append(out, buf, run);
        if (iac) {
            g_byte_array_append(out, &escape, 1);
        }
        buf += run;
        len -= run;
    }
}
