/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VNC servers. Each shows one console to its clients, and takes keys and pointers from them. The
 * protocol is LibVNCServer's (ui/vnc-client.c). Main thread, machine lock.
 */
#ifndef UI_VNC_H
#define UI_VNC_H

#include "qapi/qapi-types.h"

typedef struct VncServer VncServer;

/* What a client may ask of the machine with power-control=on. */
typedef enum VncPower { VNC_POWER_SHUTDOWN, VNC_POWER_REBOOT, VNC_POWER_RESET } VncPower;

/* What users do goes to folders above, by these. Keys are numbers: scan codes of set 1, and 0x80
 * more where the prefix 0xe0 goes before them; 0: none. */
typedef struct VncHost {
    uint8_t (*key_number)(QKeyCode code);
    void (*key)(uint8_t number, bool down);
    bool (*absolute)(void); /* the pointer takes places, 0 to VNC_AXIS_MAX, rather than moves */
    void (*move)(InputAxis axis, int value, bool absolute);
    void (*button)(InputButton button, bool down);
    void (*sync)(void); /* that was all of it */
    void (*power)(VncPower what);
} VncHost;

#define VNC_AXIS_MAX 32767

/* Before the first server; @host is borrowed for ever. @name: of the machine, for titles of
 * windows; copied. */
void vnc_init(const VncHost *host, const char *name);
/* Every client goes, every server ends. */
void vnc_cleanup(void);

/* A server as @options say, which asks for @password (copied) or, with options->password, for one
 * that is set later; NULL: for none. */
VncServer *vnc_server_new(const VncOptions *options, const char *password, GError **errp);
/* By its id; NULL: the first one. NULL if there is none. */
VncServer *vnc_server_find(const char *id);
/* False: it does not ask for one. */
bool vnc_server_set_password(VncServer *server, const char *password);
/* @seconds since 1970; INT64_MAX: never. */
void vnc_server_set_expiry(VncServer *server, int64_t seconds);
/* @fd, a connection that is the server's from now on, is a client of it. */
bool vnc_server_add_client(VncServer *server, int fd, bool skip_auth, GError **errp);
/* Listen at these places instead (of SocketAddress *). If that fails, where it did before. */
bool vnc_server_listen(VncServer *server, const GPtrArray *addresses, GError **errp);

/* For query-vnc and query-vnc-servers. */
VncInfo *vnc_info(void);
GPtrArray *vnc_info_all(void);

#endif
