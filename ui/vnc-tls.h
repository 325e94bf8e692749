/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS of a VNC client. LibVNCServer has none but for what it listens to itself: it gets a socket
 * of its own, without encryption, and a thread carries between that and the client's. Functions
 * are for the client's thread.
 */
#ifndef UI_VNC_TLS_H
#define UI_VNC_TLS_H

#include "block/tls-creds.h"

typedef struct VncTls VncTls;

/* Shake hands with the client at @fd, which is this object's from now on, for up to @wait_ms
 * milliseconds. In @plain, which is the caller's, comes what the client says. NULL: the client did
 * not agree, or there is no descriptor or thread; @fd is closed. @creds stays as long. */
VncTls *vnc_tls_new(const TlsCreds *creds, int fd, int wait_ms, int *plain);
/* After @plain was closed: what was written to it goes to the client, if it takes it. NULL is fine.
 */
void vnc_tls_free(VncTls *tls);

#endif
