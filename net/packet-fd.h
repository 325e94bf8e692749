/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A descriptor that gives and takes whole packets: a socket of datagrams, a tap. It is read while
 * the peer of its client takes packets, and what cannot be written now waits for it. Machine lock.
 */
#ifndef NET_PACKET_FD_H
#define NET_PACKET_FD_H

#include <glib-unix.h>

#include "net/net.h"

/* Call @fn from the main loop when @fd is in @condition; *@source is NULL, or that already. */
void packet_watch(GSource **source, int fd, GIOCondition condition, GUnixFDSourceFunc fn,
                  void *opaque);
/* Call @fn once, after a while in which what passes (no memory) may have passed. */
void packet_watch_later(GSource **source, GSourceFunc fn, void *opaque);
/* Not any more; *@source may be NULL, and is afterwards. */
void packet_unwatch(GSource **source);

typedef struct PacketFd PacketFd;

typedef struct PacketFdOps {
    /* Read a packet, at most @size bytes; @o, which is zeros, may get what is left to do of it. Its
     * length; 0: one that is to be passed over; -1 with errno, EAGAIN: none is there. After others
     * but EBADFD it is asked again later. */
    ssize_t (*get)(PacketFd *pfd, NetOffload *o, uint8_t *buf, size_t size);
    /* Write one. -1 with errno, EAGAIN: not now. After another error it is lost. */
    ssize_t (*put)(PacketFd *pfd, const NetOffload *o, const uint8_t *packet, size_t size);
} PacketFdOps;

struct PacketFd {
    const PacketFdOps *ops;
    NetClient *client; /* whose peer gets what is read; borrowed */
    int in, out;       /* read from, written to; may be the same; not owned */
    /* private */
    GSource *read_source, *write_source;
    bool paused;
    bool said; /* that packets are lost, or do not come, in a way that a user can mend */
    bool gone; /* a tap whose card was removed (EBADFD) can always be read, and never is */
    uint8_t *buf;
};

/* Begin to read. The members above "private" are set, the others are zeros. */
void packet_fd_start(PacketFd *pfd);
/* Nothing is called any more. Nothing happens if it was not started. */
void packet_fd_stop(PacketFd *pfd);
/* Read nothing for now, or again. */
void packet_fd_pause(PacketFd *pfd, bool paused);
/* For NetClientOps. */
bool packet_fd_receive(PacketFd *pfd, const NetOffload *o, const uint8_t *packet, size_t size);
void packet_fd_can_send_again(PacketFd *pfd);

#endif
