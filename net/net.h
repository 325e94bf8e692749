/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Networks: two clients, a guest's card and a netdev of the host, joined by a cable. A packet that
 * one sends is an Ethernet frame, without its checksum, in one piece: what the other takes is never
 * the guest's memory, which could change under it.
 *
 * A packet that the other cannot take now waits for it, in order. What comes beyond the limit is
 * lost, as on a network; who can wait (a stream that need not be read) asks net_can_send() first.
 * Machine lock for everything; nothing here waits.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/offload.h"

#define NET_MAC_SIZE 6
/* Bytes of the largest packet: 64 KiB of IP, its Ethernet header, and some more. */
#define NET_PACKET_MAX 69632
/* Of what waits for one client. */
#define NET_WAITING_MAX_BYTES (1u << 20)

typedef struct NetClient NetClient;

typedef struct NetClientOps {
    /* Take a packet from the peer, of 1 to NET_PACKET_MAX bytes, borrowed; @o, what of it is left
     * to do, is no more than it takes. False: there is no room, it is to be kept until
     * net_client_ready(). */
    bool (*receive)(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size);
    /* The peer takes packets again after net_can_send() was false. May be NULL. */
    void (*can_send_again)(NetClient *nc);
    /* net_link_is_up() has changed. May be NULL. */
    void (*link_changed)(NetClient *nc);
    /* There is another peer, or it takes other packets, or uses this pair of queues now, or not any
     * more. May be NULL. */
    void (*peer_changed)(NetClient *nc);
    unsigned
        takes; /* what it takes from the start; NET_TAKES_*. Segments without CSUM: with sums */
    /* One line for people; g_free. */
    char *(*describe)(NetClient *nc);
} NetClientOps;

/* Sees what goes through a client, before it does. */
typedef struct NetWatcher {
    /* @sent: @client has sent it, else it is sent to it. */
    void (*packet)(void *opaque, bool sent, const uint8_t *packet, size_t size);
    void *opaque;
    NetClient *client; /* borrowed; NULL: none, or it has gone */
} NetWatcher;

/* Decides what goes through a client, in either direction, after those who watch. */
typedef struct NetFilter {
    /* @sent, @queue: as the packet goes through that queue of the client. True: it does not go on,
     * unless the filter passes it later. */
    bool (*packet)(void *opaque, unsigned queue, bool sent, const NetOffload *o,
                   const uint8_t *packet, size_t size);
    void *opaque;
    NetClient *client; /* borrowed; NULL: none, or it has gone */
} NetFilter;

/* One end of a cable, which is a part of whatever `opaque` is. What has several pairs of queues has
 * a client for each, of one name: the first one stands for all, the others are joined and parted
 * with it. */
struct NetClient {
    const NetClientOps *ops;
    void *opaque;
    char *name;      /* by which users know it; owned */
    NetClient *peer; /* borrowed; NULL: none */
    bool link_down;  /* a user has pulled the cable out at this end */
    NetClient *next; /* of the next pair of queues; borrowed; NULL: there is none */
    unsigned queue;  /* number of its pair */
    unsigned takes;  /* NET_TAKES_*. By net_client_set() */
    bool unused;     /* its owner does not use this pair now. By net_client_set() */
    /* private */
    GQueue waiting; /* of Waiting *: what it could not take yet */
    size_t waiting_bytes;
    bool receiving;   /* `receive` runs: what comes meanwhile waits */
    bool was_up;      /* as it was told last */
    GSList *watchers; /* of NetWatcher *, borrowed, in the order in which they came */
    GSList *filters;  /* of NetFilter *, borrowed; what is sent goes through them in this order */
};

/* Fill in @nc, which is zeros, with a copy of @name, and list it. */
void net_client_init(NetClient *nc, const char *name, const NetClientOps *ops, void *opaque);
/* Fill in @nc, which is zeros, as the next pair of queues of @first, which is on no cable. */
void net_client_add_queue(NetClient *first, NetClient *nc);
/* What this one takes, and whether it is in use. */
void net_client_set(NetClient *nc, unsigned takes, bool unused);
/* Take it, and its other queues, off the cable and off the list. Nothing happens if it was not
 * filled in. */
void net_client_cleanup(NetClient *nc);
/* All there are, the first of each, in the order in which they were made: NetClient *, borrowed. */
const GPtrArray *net_clients(void);
/* By name; NULL: none. */
NetClient *net_client_find(const char *name);

/* Join two that have no peer, queue by queue; and undo that: both lose what waits for them. */
void net_join(NetClient *a, NetClient *b);
void net_part(NetClient *nc);

/* @watcher, whose client is NULL, sees what goes through all queues of @nc from now on, until one
 * of them goes.
 */
void net_watch(NetClient *nc, NetWatcher *watcher);
void net_unwatch(NetWatcher *watcher); /* if it watches */

/* @filter, whose client is NULL, is between others of @nc, at @place of them (-1: the last), from
 * now on, until one of the two goes. What is sent to @nc goes through them the other way round. */
void net_filter_add(NetClient *nc, NetFilter *filter, int place);
void net_filter_remove(NetFilter *filter); /* if it is there */
/* A packet goes on behind @filter, be it one that was held or another; @o and @packet as for
 * net_send_offloaded(). Lost, if there is no such queue any more. */
void net_filter_pass(const NetFilter *filter, unsigned queue, bool sent, const NetOffload *o,
                     uint8_t *packet, size_t size);

/* To the peer of @from. Lost, if the link is down or too much waits. */
void net_send(NetClient *from, const uint8_t *packet, size_t size);
/* The same for a packet of which @o is left to do, by the peer if it takes that, else by us; it may
 * be changed. Lost, if that cannot be done. */
void net_send_offloaded(NetClient *from, const NetOffload *o, uint8_t *packet, size_t size);
/* Would the peer take a packet, or would it be lost anyhow? False: can_send_again() is called. */
bool net_can_send(const NetClient *from);
/* @nc takes packets again: those that wait come first. */
void net_client_ready(NetClient *nc);
/* Drop what waits for @nc. */
void net_client_purge(NetClient *nc);

/* Is there a peer, and the cable in at both ends? */
bool net_link_is_up(const NetClient *nc);
/* Put the cable in or pull it out, at this end, for all queues. */
void net_set_link(NetClient *nc, bool up);

/* "52:54:00:12:34:56" and back; g_free. False: @text is none. */
char *net_mac_text(const uint8_t mac[NET_MAC_SIZE]);
bool net_mac_parse(const char *text, uint8_t mac[NET_MAC_SIZE]);

#endif
