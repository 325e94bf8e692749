/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where VNC servers listen. */
#ifndef UI_VNC_LISTEN_H
#define UI_VNC_LISTEN_H

#include "qapi/qapi-types.h"

typedef struct VncListen {
    int fd;
    bool websocket;
    char *path; /* of a socket file; or NULL */
} VncListen;

/* What listens as @options say: of VncListen; free with vnc_listen_free(), which closes all of it,
 * or take over what is in it. NULL with an error. */
GArray *vnc_listen(const VncOptions *options, GError **errp);
/* The same for a list of SocketAddress *. */
GArray *vnc_listen_at(const GPtrArray *addresses, GError **errp);
void vnc_listen_free(GArray *fds);
/* reverse=on: a connection to a viewer that listens. -1 with an error. */
int vnc_connect(const VncOptions *options, GError **errp);

#endif
