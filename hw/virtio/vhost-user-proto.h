/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is on the wire between a front-end, which we are, and a back-end (the vhost-user
 * specification). Little-endian, as we are. */
#ifndef HW_VIRTIO_VHOST_USER_PROTO_H
#define HW_VIRTIO_VHOST_USER_PROTO_H

#include "hw/virtio/vhost-backend.h"

/* Requests of the front-end. */
enum {
    VHOST_USER_GET_FEATURES = 1,
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_SET_OWNER = 3,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_LOG_BASE = 6,
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_VRING_BASE = 11,
    VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13,
    VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SET_VRING_ENABLE = 18,
    VHOST_USER_SEND_RARP = 19,
    VHOST_USER_NET_SET_MTU = 20,
    VHOST_USER_SET_BACKEND_REQ_FD = 21,
    VHOST_USER_GET_CONFIG = 24,
    VHOST_USER_SET_CONFIG = 25,
    VHOST_USER_GET_INFLIGHT_FD = 31,
    VHOST_USER_SET_INFLIGHT_FD = 32,
    VHOST_USER_GPU_SET_SOCKET = 33,
    VHOST_USER_GET_MAX_MEM_SLOTS = 36,
    VHOST_USER_ADD_MEM_REG = 37,
    VHOST_USER_REM_MEM_REG = 38,
};

/* Of the back-end, on a socket of their own. */
enum { VHOST_USER_BACKEND_CONFIG_CHANGE_MSG = 2 };

/* Of features, beside those of virtio. */
enum { VHOST_USER_F_PROTOCOL_FEATURES = 30 };

/* Protocol features. */
enum {
    VHOST_USER_PROTOCOL_F_MQ = 0,
    VHOST_USER_PROTOCOL_F_LOG_SHMFD = 1,
    VHOST_USER_PROTOCOL_F_RARP = 2,
    VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
    VHOST_USER_PROTOCOL_F_NET_MTU = 4,
    VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
    VHOST_USER_PROTOCOL_F_CONFIG = 9,
    VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
    VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
};

/* Flags of a header. */
enum {
    VHOST_USER_VERSION = 1,
    VHOST_USER_VERSION_MASK = 3,
    VHOST_USER_REPLY = 4,
    VHOST_USER_NEED_REPLY = 8,
};

typedef struct VhostUserHeader {
    uint32_t request, flags, size; /* bytes behind it */
} VhostUserHeader;

typedef struct VhostUserRing {
    uint32_t index, num;
} VhostUserRing;

/* Of SET_VRING_KICK and SET_VRING_CALL, beside the ring's number: no descriptor comes with it. */
#define VHOST_USER_NO_FD 0x100u

/* A back-end that says nothing for so long does not live. */
#define VHOST_USER_REPLY_MS 10000

#define VHOST_USER_TABLE_MAX 8 /* regions of one SET_MEM_TABLE */
typedef struct VhostUserTable {
    uint32_t count, unused;
    VhostRegion regions[VHOST_USER_TABLE_MAX];
} VhostUserTable;

typedef struct VhostUserOneRegion {
    uint64_t unused;
    VhostRegion region;
} VhostUserOneRegion;

#define VHOST_USER_CONFIG_MAX 256
typedef struct VhostUserConfig {
    uint32_t offset, size, flags;
    uint8_t bytes[VHOST_USER_CONFIG_MAX];
} VhostUserConfig;

typedef struct VhostUserLog {
    uint64_t size, offset;
} VhostUserLog;

typedef struct __attribute__((packed)) VhostUserInflight {
    uint64_t size, offset;
    uint16_t rings, entries;
} VhostUserInflight;

#endif
