/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of CXL components and devices (Compute Express Link 3.0, chapter 8): their places and
 * bits.
 */
#ifndef HW_CXL_CXL_REGS_H
#define HW_CXL_CXL_REGS_H

#define CXL_VENDOR_ID 0x1e98 /* of the consortium: in DVSECs and DOE protocols */

/* ---- designated vendor-specific extended capabilities (section 8.1) ---- */

enum {
    PCIE_EXT_CAP_SERIAL = 0x03,
    PCIE_EXT_CAP_DVSEC = 0x23,
    PCIE_EXT_CAP_DOE = 0x2e,
};

/* Offsets in every DVSEC, and its IDs. */
enum {
    DVSEC_HEADER_1 = 4, /* vendor, revision, length */
    DVSEC_HEADER_2 = 8, /* ID */
    DVSEC_REVISION_SHIFT = 16,
    DVSEC_LENGTH_SHIFT = 20,

    DVSEC_DEVICE = 0,
    DVSEC_PORT = 3,
    DVSEC_GPF_PORT = 4,
    DVSEC_GPF_DEVICE = 5,
    DVSEC_FLEX_BUS = 7,
    DVSEC_REGISTERS = 8,
};

/* Of a device (section 8.1.3). */
enum {
    DVSEC_DEVICE_CAP = 0x0a,
    DVSEC_DEVICE_CONTROL = 0x0c,
    DVSEC_DEVICE_RANGE_1 = 0x18, /* size, base: upper and lower halves; another range follows */
    DVSEC_DEVICE_RANGE_BYTES = 0x10,
    DVSEC_DEVICE_SIZE = 0x38,

    DEVICE_CAP_IO = 1 << 1,
    DEVICE_CAP_MEM = 1 << 2,
    DEVICE_CAP_HW_INIT = 1 << 3, /* media are ready without software's doing */
    DEVICE_CAP_RANGES_SHIFT = 4,
    DEVICE_CONTROL_IO = 1 << 1,
    DEVICE_CONTROL_MEM = 1 << 2,
    /* lower half of a size: valid, active, media type and class as CDAT says */
    DEVICE_RANGE_FLAGS = 1 << 0 | 1 << 1 | 2 << 2 | 2 << 5,
};

/* Kinds of register blocks in the register locator (section 8.1.9). */
enum {
    REGISTERS_COMPONENT = 1,
    REGISTERS_DEVICE = 3,
};

/* ---- component registers (section 8.2.4) ---- */

#define CXL_COMPONENT_SIZE 0x10000u
#define CXL_CACHE_MEM      0x1000u /* in that: registers of CXL.cache and CXL.mem, 4 KiB */
#define CXL_CACHE_MEM_SIZE 0x1000u

enum {
    COMPONENT_RAS = 2,
    COMPONENT_LINK = 4,
    COMPONENT_DECODERS = 5,
    COMPONENT_SECURITY = 6,
    COMPONENT_SNOOP_FILTER = 8,
};

/* Where they are in CXL_CACHE_MEM. */
enum {
    AT_RAS = 0x080,
    AT_LINK = 0x0d8,
    AT_DECODERS = 0x110,
    AT_SECURITY = 0x260,
    AT_SNOOP_FILTER = 0x268,
};

/* HDM decoders (section 8.2.4.19). */
enum {
    DECODER_CAP = 0x00,
    DECODER_GLOBAL = 0x04,
    DECODER_FIRST = 0x10, /* each DECODER_BYTES */
    DECODER_BYTES = 0x20,
    DECODER_BASE = 0x00, /* 8 bytes */
    DECODER_SIZE = 0x08, /* 8 bytes */
    DECODER_CONTROL = 0x10,
    DECODER_TARGETS = 0x14, /* 8 bytes: the targets; of a device: what of it is skipped */

    DECODER_CAP_TARGETS_SHIFT = 4,
    DECODER_CAP_INTERLEAVE_11_8 = 1 << 8,
    DECODER_CAP_INTERLEAVE_14_12 = 1 << 9,
    DECODER_CAP_3_6_12_WAYS = 1 << 11,
    DECODER_CAP_16_WAYS = 1 << 12,
    DECODER_GLOBAL_POISON = 1 << 0,
    DECODER_GLOBAL_ENABLE = 1 << 1,
    DECODER_GRANULARITY = 0xf, /* 256 bytes, and so many times twice that */
    DECODER_WAYS_SHIFT = 4,
    DECODER_WAYS = 0xf,
    DECODER_LOCK = 1 << 8, /* when committed, until the next reset */
    DECODER_COMMIT = 1 << 9,
    DECODER_COMMITTED = 1 << 10,
    DECODER_ERROR = 1 << 11,
    DECODER_TYPE_3 = 1 << 12,
};
#define CXL_DECODERS          4
#define CXL_DECODER_TARGETS   8
#define CXL_DECODER_UNIT      (256u << 20)
#define CXL_GRANULARITY_LEAST 256u
#define CXL_GRANULARITY_CODES 7 /* up to 16 KiB */

/* ---- device registers (section 8.2.8) ---- */

#define CXL_DEVICE_SIZE 0x1000u

enum {
    AT_DEVICE_STATUS = 0x80,
    AT_MAILBOX = 0x88,
    AT_MEMORY_STATUS = 0x8a8,

    DEVICE_CAP_STATUS = 1,
    DEVICE_CAP_MAILBOX = 2,
    DEVICE_CAP_MEMORY_STATUS = 0x4000,
    /* of memory device status */
    MEMORY_STATUS_READY = 1 << 2,
    MEMORY_STATUS_MAILBOX_READY = 1 << 4,
};

/* The primary mailbox (section 8.2.8.4). */
enum {
    MAILBOX_CAP = 0x00,
    MAILBOX_CONTROL = 0x04,
    MAILBOX_COMMAND = 0x08, /* 8 bytes */
    MAILBOX_STATUS = 0x10,  /* 8 bytes */
    MAILBOX_BACKGROUND = 0x18,
    MAILBOX_PAYLOAD = 0x20,
    MAILBOX_PAYLOAD_LOG2 = 11,
    MAILBOX_PAYLOAD_SIZE = 1 << MAILBOX_PAYLOAD_LOG2,
    MAILBOX_BYTES = MAILBOX_PAYLOAD + MAILBOX_PAYLOAD_SIZE,

    MAILBOX_DOORBELL = 1 << 0,
    MAILBOX_LENGTH_SHIFT = 16,
    MAILBOX_LENGTH_BITS = 21,
    MAILBOX_RETURN_SHIFT = 32,
};

#endif
