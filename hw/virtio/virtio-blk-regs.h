/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What driver and device of a virtio disk say to each other (Virtio 1.2, section 5.2). */
#ifndef HW_VIRTIO_VIRTIO_BLK_REGS_H
#define HW_VIRTIO_VIRTIO_BLK_REGS_H

#include <stdint.h>

/* Features. */
enum {
    VIRTIO_BLK_F_SIZE_MAX = 1,
    VIRTIO_BLK_F_SEG_MAX = 2,
    VIRTIO_BLK_F_GEOMETRY = 4,
    VIRTIO_BLK_F_RO = 5,
    VIRTIO_BLK_F_BLK_SIZE = 6,
    VIRTIO_BLK_F_FLUSH = 9,
    VIRTIO_BLK_F_TOPOLOGY = 10,
    VIRTIO_BLK_F_CONFIG_WCE = 11,
    VIRTIO_BLK_F_MQ = 12,
    VIRTIO_BLK_F_DISCARD = 13,
    VIRTIO_BLK_F_WRITE_ZEROES = 14,
};

/* Types of requests, and their status. */
enum {
    VIRTIO_BLK_T_IN = 0,
    VIRTIO_BLK_T_OUT = 1,
    VIRTIO_BLK_T_FLUSH = 4,
    VIRTIO_BLK_T_GET_ID = 8,
    VIRTIO_BLK_T_DISCARD = 11,
    VIRTIO_BLK_T_WRITE_ZEROES = 13,
};
enum { VIRTIO_BLK_S_OK, VIRTIO_BLK_S_IOERR, VIRTIO_BLK_S_UNSUPP };

#define VIRTIO_BLK_HEADER    16u /* bytes before the data */
#define VIRTIO_BLK_ID_BYTES  20
#define VIRTIO_BLK_MAX_RANGE 0x3fffffu /* sectors of a discard: almost 2 GiB */

typedef struct VirtioBlkHeader {
    uint32_t type, reserved;
    uint64_t sector;
} VirtioBlkHeader;

#define VIRTIO_BLK_RANGE_UNMAP 1u
typedef struct VirtioBlkRange {
    uint64_t sector;
    uint32_t sectors, flags;
} VirtioBlkRange;

/* The configuration space (section 5.2.4). */
typedef struct __attribute__((packed)) VirtioBlkConfig {
    uint64_t capacity;
    uint32_t size_max, seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp, alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback, unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
} VirtioBlkConfig;

#endif
