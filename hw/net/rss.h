/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cards that receive look at in a packet beside its addresses: where its headers are, whether
 * its sums are right, and the hash by which connections are spread over several queues (RSS, as
 * Microsoft specified it). Nothing that stands in a packet is trusted.
 */
#ifndef HW_NET_RSS_H
#define HW_NET_RSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSS_KEY_SIZE  40
#define RSS_INPUT_MAX 36 /* two addresses of IPv6 and two ports */

enum { RSS_TCP = 6, RSS_UDP = 17 };

/* Places in a packet; 0: there is no such thing. */
typedef struct RssPacket {
    unsigned version; /* of IP: 4, 6; 0: it is no IP */
    size_t ip, transport;
    size_t end;       /* of IP's payload; behind it is what fills a short frame */
    uint8_t protocol; /* behind the headers of IP */
    bool fragment;    /* what IP transports is not all there, or not for its address */
    /* IPv6: addresses that stand for those of its header: in the option Home Address, and in a
     * routing header of type 2 that is on its way. */
    size_t home, final;
} RssPacket;

/* Look at an Ethernet frame, with or without tags. */
void rss_look(RssPacket *p, const uint8_t *packet, size_t size);

/* Is it TCP or UDP, all of it? */
bool rss_has_transport(const RssPacket *p);

/* Which of the sums that are @wanted it has, and which are wrong. */
enum { RSS_IP = 1, RSS_TRANSPORT = 2 };
unsigned rss_sums(const RssPacket *p, const uint8_t *packet, unsigned wanted, unsigned *wrong);

/* What is hashed of it: addresses, those of mobile hosts if @mobile, and ports if @ports; how many
 * bytes. */
size_t rss_input(const RssPacket *p, const uint8_t *packet, bool ports, bool mobile,
                 uint8_t input[RSS_INPUT_MAX]);
/* The hash of Toeplitz of @size bytes, which are no more than RSS_INPUT_MAX. */
uint32_t rss_hash(const uint8_t key[RSS_KEY_SIZE], const uint8_t *input, size_t size);

#endif
