/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a card leaves to its other end: the checksum of a packet, and its cutting into segments, as
 * Virtio 1.2, section 5.1.6, says it. Nothing that stands in a packet or here is trusted.
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order and form of a virtio header. */
typedef struct NetOffload {
    uint8_t flags;        /* NET_OFFLOAD_CSUM, or _VALID */
    uint8_t type;         /* NET_OFFLOAD_TCP4 or _TCP6, with or without _ECN; _UDP; 0: one packet */
    uint16_t header_len;  /* a hint */
    uint16_t segment_len; /* bytes of TCP's payload in a segment, of IP's in a fragment */
    uint16_t csum_start;  /* what is summed begins here */
    uint16_t csum_offset; /* where the sum goes, from there */
} NetOffload;

/* The sum is to be computed; it was looked at, and is right. */
enum { NET_OFFLOAD_CSUM = 1, NET_OFFLOAD_VALID = 2 };
enum { NET_OFFLOAD_TCP4 = 1, NET_OFFLOAD_UDP = 3, NET_OFFLOAD_TCP6 = 4, NET_OFFLOAD_ECN = 0x80 };

/* Whoever takes packets of which that is left: a mask of what. */
enum {
    NET_TAKES_CSUM = 1 << 0,
    NET_TAKES_TCP4 = 1 << 1,
    NET_TAKES_TCP6 = 1 << 2,
    NET_TAKES_ECN = 1 << 3,
    NET_TAKES_UDP = 1 << 4,
};
/* Who gets a packet with @o must take these; UINT_MAX: nobody knows its type. */
unsigned net_offload_needs(const NetOffload *o);

/* Less is no segment that a guest would ask for, but one that keeps us busy. */
#define NET_SEGMENT_MIN 64
/* Bytes of the headers of all segments, at most. */
#define NET_SEGMENT_HEADER_MAX 256

/* Put the sum (RFC 1071) where @o says; the field has that of the pseudo header. False: it would
 * be outside of the packet. */
bool net_offload_complete(const NetOffload *o, uint8_t *packet, size_t size);

/* Such a sum by hand: add what has an even number of bytes, but for the last piece, and take what
 * stands in a packet then. That is 0 if the sum was among what was added, and is right. */
uint64_t net_sum_add(uint64_t sum, const uint8_t *data, size_t size);
uint16_t net_sum_fold(uint64_t sum);

/* Does a packet of @size bytes have the field for the sum? */
bool net_offload_has_field(const NetOffload *o, size_t size);

typedef void NetSegmentFn(void *opaque, const uint8_t *segment, size_t size);
/* Cut @packet, of at most NET_PACKET_MAX bytes, and call @fn with each segment, or fragment of IP,
 * complete with its sums. False, and nothing is called: it is no packet of TCP or UDP that could be
 * cut. */
bool net_offload_cut(const NetOffload *o, const uint8_t *packet, size_t size, NetSegmentFn *fn,
                     void *opaque);

#endif
