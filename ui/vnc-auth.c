/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The beginning of a connection (RFC 6143, 7.1): versions, and a password perhaps. LibVNCServer
 * could do it, but has one list of ways in for all servers of a program: with one server that asks
 * for a password and one that does not, clients could enter the first without.
 */
#include <string.h>
#include <sys/random.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "ui/vnc-internal.h"
#include "util/error.h"

#define VERSION_LENGTH 12 /* "RFB 003.008\n" */
#define SECURITY_NONE  1
#define SECURITY_VNC   2
#define SECURITY_TLS   19  /* VeNCrypt (the community's rfbproto) */
#define SUBTYPE_BASE   256 /* of VncVencryptSubAuth on the wire */

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

static bool check(VncClient *c, bool asks)
{
    if (asks) {
        return check_password(c);
    }
    return c->cl->protocolMinorVersion < 8 || write_number(c, rfbVncAuthOK);
}

/* ---- TLS ---- */

/* From now on LibVNCServer reads what has been decrypted. */
static bool start_tls(VncClient *c)
{
    g_autoptr(GError) err = NULL;

    c->tls = tls_relay_new(c->server->tls, c->sock, VNC_WAIT_MS, NULL, NULL, &err);
    c->sock = c->tls ? tls_relay_wait(c->tls, &err) : -1;
    if (c->sock >= FD_SETSIZE) { /* LibVNCServer waits by select() */
        close(c->sock);
        c->sock = -1;
    } else if (err) {
        error_warn("VNC server '%s': %s", c->server->id, err->message);
    }
    return c->sock >= 0;
}

/* VeNCrypt 0.2: versions, and one kind of TLS that is offered. */
static bool agree_tls(VncClient *c)
{
    static const uint8_t version[] = { 0, 2 }, yes[] = { 0, 1 }, go[] = { 1 };
    uint32_t offered = SUBTYPE_BASE + vnc_server_sub_auth(c->server, false), chosen;
    uint8_t wanted[2];

    if (!write_all(c, version, sizeof(version)) || !read_all(c, wanted, sizeof(wanted)) ||
        memcmp(wanted, version, sizeof(version)) != 0) {
        return false;
    }
    return write_all(c, yes, sizeof(yes)) && write_number(c, offered) &&
           read_all(c, &chosen, sizeof(chosen)) && GUINT32_FROM_BE(chosen) == offered &&
           write_all(c, go, sizeof(go));
}

static bool authenticate_by_tls(VncClient *c)
{
    if (!agree(c, SECURITY_TLS) || c->cl->protocolMinorVersion < 7 || !agree_tls(c)) {
        return false;
    }
    bool done = start_tls(c);
    c->cl->sock = c->sock;
    return done && check(c, c->server->asks);
}

/* ---- for others ---- */

bool vnc_client_begin(VncClient *c)
{
    return !c->server->tls || !c->info->websocket || start_tls(c);
}

bool vnc_client_authenticate(VncClient *c)
{
    bool asks = c->server->asks && !c->skip_auth, tls = c->server->tls && !c->skip_auth && !c->tls;

    if (!read_version(c) ||
        !(tls ? authenticate_by_tls(c)
              : agree(c, asks ? SECURITY_VNC : SECURITY_NONE) && check(c, asks))) {
        return false;
    }
    c->cl->state = RFB_INITIALISATION;
    return true;
}

VncVencryptSubAuth vnc_server_sub_auth(const VncServer *server, bool websocket)
{
    if (!server->tls || websocket) { /* that has its own TLS */
        return VNC_VENCRYPT_SUB_AUTH__MAX;
    }
    if (tls_creds_has_certificates(tls_setup_creds(server->tls))) {
        return server->asks ? VNC_VENCRYPT_SUB_AUTH_X509_VNC : VNC_VENCRYPT_SUB_AUTH_X509_NONE;
    }
    return server->asks ? VNC_VENCRYPT_SUB_AUTH_TLS_VNC : VNC_VENCRYPT_SUB_AUTH_TLS_NONE;
}

VncPrimaryAuth vnc_server_auth(const VncServer *server, bool websocket)
{
    if (vnc_server_sub_auth(server, websocket) != VNC_VENCRYPT_SUB_AUTH__MAX) {
        return VNC_PRIMARY_AUTH_VENCRYPT;
    }
    return server->asks ? VNC_PRIMARY_AUTH_VNC : VNC_PRIMARY_AUTH_NONE;
}

const char *vnc_server_auth_text(const VncServer *server, bool websocket)
{
    static const char *const texts[VNC_VENCRYPT_SUB_AUTH__MAX] = {
        [VNC_VENCRYPT_SUB_AUTH_TLS_NONE] = "vencrypt+tls+none",
        [VNC_VENCRYPT_SUB_AUTH_TLS_VNC] = "vencrypt+tls+vnc",
        [VNC_VENCRYPT_SUB_AUTH_X509_NONE] = "vencrypt+x509+none",
        [VNC_VENCRYPT_SUB_AUTH_X509_VNC] = "vencrypt+x509+vnc",
    };
    VncVencryptSubAuth sub = vnc_server_sub_auth(server, websocket);

    return sub != VNC_VENCRYPT_SUB_AUTH__MAX ? texts[sub] : server->asks ? "vnc" : "none";
}
