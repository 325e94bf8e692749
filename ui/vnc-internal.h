/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files of the VNC servers among themselves.
 *
 * A client may stop reading, or say half of something: LibVNCServer waits for it then. So each has
 * a thread of its own, with a LibVNCServer screen of its own, which never takes the machine lock:
 * the main thread copies what a console shows into the server's picture, under the server's lock,
 * and a client's thread copies from there what it has to send. What a client does comes to the main
 * thread by main_loop_schedule(); a client that does too much of it at once waits.
 */
#ifndef UI_VNC_INTERNAL_H
#define UI_VNC_INTERNAL_H

#include <pixman.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>

#include "ui/clipboard.h"
#include "ui/console.h"
#include "crypto/tls-relay.h"
#include "ui/vnc.h"

#define VNC_EVENTS_MAX 256 /* of a client, that the main thread has not seen yet */

typedef struct VncClient VncClient;

/* Where a server listens; main thread. */
typedef struct VncSocket {
    VncServer *server;
    int fd;
    guint watch;
    bool websocket;
    char *path; /* to unlink; NULL: TCP, or an abstract name */
    bool cannot_accept;
} VncSocket;

/* What the pointer looks like; server's lock. */
typedef struct VncCursor {
    unsigned width, height, hot_x, hot_y; /* no width: there is none */
    uint32_t *argb;
    unsigned serial; /* another one: it changed */
} VncCursor;

/* To say who it is, a client has so long; for half of a message, it is waited for as long. */
#define VNC_WAIT_MS 20000

struct VncServer {
    /* never changed */
    char *id;
    bool asks;     /* for a password */
    TlsSetup *tls; /* clients have to use TLS; NULL: none does */
    bool power_control, lossy;
    VncShare share;
    unsigned connections;
    char *display;
    unsigned head;

    /* main thread */
    GPtrArray *sockets; /* of VncSocket */
    GPtrArray *clients; /* of VncClient * */
    Console *console;   /* NULL: none yet */
    ConsoleListener listener;
    bool listens;
    ClipboardPeer peer;
    unsigned cut_of; /* the serial of what `cut` was */

    GMutex lock; /* for what follows, and where it says so */
    char *password;
    int64_t expires;
    unsigned width, height;
    uint32_t *pixels; /* without gaps between lines */
    unsigned serial;  /* of the size: another one, another picture */
    VncCursor cursor;
    bool takes_size; /* the device takes wishes for a size */
    GBytes *cut;     /* what others have copied, in Latin-1; NULL: nothing yet */
    unsigned cut_serial;
};

struct VncClient {
    VncServer *server;
    int control; /* the same socket, for shutdown(): LibVNCServer closes its own when it likes */
    int wake;    /* eventfd: something changed */
    GThread *thread;
    VncServerInfo *server_info; /* never changed */
    VncClientInfo *info;
    bool skip_auth;

    /* main thread */
    bool initialized;
    uint8_t held[256 / 8]; /* keys */
    unsigned buttons;
    int x, y;    /* of the pointer; -1: not known */
    bool orphan; /* its server has gone, and events of it have not come yet */

    /* server's lock */
    pixman_region32_t changed; /* of the picture, that it has not */
    bool absolute;             /* what its pointer means */
    bool closing;
    GBytes *copied; /* by it, in Latin-1; the main thread takes it. NULL: nothing */
    GCond room;     /* for events */
    unsigned events;

    /* its thread */
    int sock;      /* what LibVNCServer reads */
    TlsRelay *tls; /* NULL: none, or not yet */
    rfbScreenInfoPtr screen;
    rfbClientPtr cl;
    unsigned serial, cursor_serial, cut_serial;
    bool extended_keys, pointer_kinds; /* it knows them */
    bool told_keys;
    bool told, told_absolute; /* the kind of pointer */
};

typedef enum VncEventKind {
    VNC_EVENT_KEYSYM,
    VNC_EVENT_KEY,
    VNC_EVENT_POINTER, /* at x, y */
    VNC_EVENT_MOVE,    /* by x, y */
    VNC_EVENT_SIZE,    /* x times y */
    VNC_EVENT_CUT,     /* its `copied` is there */
    VNC_EVENT_POWER,
    VNC_EVENT_INITIALIZED,
    VNC_EVENT_ALONE, /* it wants to be */
    VNC_EVENT_GONE,  /* the last one */
} VncEventKind;

typedef struct VncEvent {
    VncClient *client;
    VncEventKind kind;
    bool down;
    unsigned code, buttons; /* keysym, number of a key, VncPower */
    int x, y;
} VncEvent;

/* vnc.c: @client has gone; frees it. */
void vnc_client_gone(VncClient *client);
/* The others go. */
void vnc_server_leave_alone(VncServer *server, VncClient *client);
/* A client begins to listen to the console, or the last one has gone. Main thread. */
void vnc_server_watch(VncServer *server);

/* vnc-picture.c */
void vnc_picture_init(VncServer *server);
void vnc_picture_clear(VncServer *server);

/* vnc-client.c: LibVNCServer is made ready; a client of it begins, or NULL with an error and @fd is
 * closed; its thread ends soon; is waited for, and it is freed, by its last event if there are. */
void vnc_client_init(const char *name);
VncClient *vnc_client_new(VncServer *server, int fd, bool websocket, bool skip_auth, GError **errp);
void vnc_client_close(VncClient *client);
void vnc_client_free(VncClient *client);
/* There is something for its thread. Any thread. */
void vnc_client_wake(VncClient *client);

/* vnc-auth.c, on a client's thread: until the client may say what it wants. False: it has to go. */
bool vnc_client_authenticate(VncClient *client);
/* Before anything is said, if that is over TLS. False: it has to go. */
bool vnc_client_begin(VncClient *client);
/* How clients of @server say who they are; VNC_VENCRYPT_SUB_AUTH__MAX: not by VeNCrypt. */
VncPrimaryAuth vnc_server_auth(const VncServer *server, bool websocket);
VncVencryptSubAuth vnc_server_sub_auth(const VncServer *server, bool websocket);
/* In words: "vencrypt+x509+vnc"; borrowed. */
const char *vnc_server_auth_text(const VncServer *server, bool websocket);

/* vnc-extension.c: what of the protocol LibVNCServer has not: keys by number, moves of pointers. */
void vnc_extension_register(void);
/* Tell the client that keys by number are known, and what its pointer means, if it changed. On its
 * thread. */
void vnc_extension_tell(VncClient *client);
/* Before the client goes. */
void vnc_extension_free(VncClient *client);

/* vnc-clipboard.c: of a server; what a client has copied, on the main thread; and what others have,
 * to a client, on its thread. */
void vnc_clipboard_init(VncServer *server);
void vnc_clipboard_clear(VncServer *server);
void vnc_clipboard_take(VncClient *client);
void vnc_clipboard_tell(VncClient *client);

/* vnc-event.c: to the main thread; waits for room. */
void vnc_event_send(const VncEvent *event);
/* What it holds is released. Main thread. */
void vnc_event_release_all(VncClient *client);
void vnc_event_init(const VncHost *host);
/* Whether a pointer's places are taken now, for all clients. */
bool vnc_event_absolute(void);

/* vnc-listen.c: both ends of @fd. */
VncServerInfo *vnc_server_info(const VncServer *server, int fd, bool websocket);
VncClientInfo *vnc_client_info(int fd, bool websocket);

#endif
