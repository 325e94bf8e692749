/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginning of a connection (RFC 6143, 7.1): versions, and a password perhaps. LibVNCServer
 * could do it, but has one list of ways in for all servers of a program: with one server that asks
 * for a password and one that does not, clients could enter the first without.
 */
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "ui/vnc-internal.h"

#define VERSION_LENGTH 12 /* "RFB 003.008\n" */
#define SECURITY_NONE  1
#define SECURITY_VNC   2

static bool read_all(VncClient *c, void *buf, int len)
{
    return rfbReadExact(c->cl, buf, len) == 1;
}

static bool write_all(VncClient *c, const void *buf, int len)
{
    return rfbWriteExact(c->cl, buf, len) == 1;
}

static bool write_number(VncClient *c, uint32_t number)
{
    uint32_t big = GUINT32_TO_BE(number);

    return write_all(c, &big, sizeof(big));
}

/* What it was refused for, for those who can read that. Always false. */
static bool refuse(VncClient *c, const char *why)
{
    if (c->cl->protocolMinorVersion >= 8) {
        (void)(write_number(c, (uint32_t)strlen(why)) && write_all(c, why, (int)strlen(why)));
    }
    return false;
}

/* 3.3, 3.7 or 3.8; what says anything else is taken for the nearest of them below. */
static bool read_version(VncClient *c)
{
    char text[VERSION_LENGTH + 1] = "";
    unsigned major, minor;

    if (!read_all(c, text, VERSION_LENGTH) || sscanf(text, "RFB %3u.%3u\n", &major, &minor) != 2 ||
        major < 3) {
        return false;
    }
    c->cl->protocolMajorVersion = 3;
    c->cl->protocolMinorVersion = major > 3 || minor >= 8 ? 8 : minor == 7 ? 7 : 3;
    return true;
}

/* In 3.3 the server says what it is; later it offers, and the client says what it takes. */
static bool agree(VncClient *c, uint8_t type)
{
    const uint8_t offer[] = { 1, type };
    uint8_t chosen;

    if (c->cl->protocolMinorVersion < 7) {
        return write_number(c, type);
    }
    return write_all(c, offer, sizeof(offer)) && read_all(c, &chosen, 1) && chosen == type;
}

/* The password as it holds now, g_free; NULL: none, and nobody may enter. */
static char *current_password(VncServer *server)
{
    char *password = NULL;

    g_mutex_lock(&server->lock);
    if (server->password && time(NULL) < server->expires) {
        password = g_strdup(server->password);
    }
    g_mutex_unlock(&server->lock);
    return password;
}

static bool check_password(VncClient *c)
{
    uint8_t challenge[CHALLENGESIZE], answer[CHALLENGESIZE];
    g_autofree char *password = current_password(c->server);
    unsigned differ = !password;

    if (getrandom(challenge, sizeof(challenge), 0) != sizeof(challenge) ||
        !write_all(c, challenge, sizeof(challenge)) || !read_all(c, answer, sizeof(answer))) {
        return false;
    }
    if (password) {
        rfbEncryptBytes(challenge, password);
    }
    for (unsigned i = 0; i < CHALLENGESIZE; i++) {
        differ |= challenge[i] ^ answer[i];
    }
    if (differ) {
        return write_number(c, rfbVncAuthFailed) && refuse(c, "Authentication failed");
    }
    return write_number(c, rfbVncAuthOK);
}

bool vnc_client_authenticate(VncClient *c)
{
    bool asks = c->server->asks && !c->skip_auth;

    if (!read_version(c) || !agree(c, asks ? SECURITY_VNC : SECURITY_NONE)) {
        return false;
    }
    if (asks ? !check_password(c)
             : c->cl->protocolMinorVersion >= 8 && !write_number(c, rfbVncAuthOK)) {
        return false;
    }
    c->cl->state = RFB_INITIALISATION;
    return true;
}
