/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fusion-MPT's message passing interface (MPI 1.5), as far as a SAS adapter has it: registers, and
 * messages of a driver and of the adapter. All is little-endian.
 */
#ifndef HW_HBA_MPTSAS_REGS_H
#define HW_HBA_MPTSAS_REGS_H

#include <stdint.h>

enum {
    MPT_DOORBELL = 0x00,
    MPT_WRITE_SEQUENCE = 0x04,
    MPT_DIAGNOSTIC = 0x08,
    MPT_INTERRUPT_STATUS = 0x30,
    MPT_INTERRUPT_MASK = 0x34,
    MPT_REQUEST_FIFO = 0x40,
    MPT_REPLY_FIFO = 0x44,
    MPT_HIGH_PRIORITY_FIFO = 0x48,

    MPT_DOORBELL_ACTIVE = 0x08000000,
    MPT_DOORBELL_WHO_SHIFT = 24,
    MPT_DOORBELL_STATE_SHIFT = 28,
    MPT_DOORBELL_FUNCTION_SHIFT = 24,
    MPT_DOORBELL_DWORDS_SHIFT = 16,
    MPT_UNIT_RESET = 0x40, /* functions of the doorbell: of the message unit */
    MPT_IO_UNIT_RESET = 0x41,
    MPT_HANDSHAKE = 0x42,

    MPT_STATE_READY = 1,
    MPT_STATE_OPERATIONAL = 2,
    MPT_STATE_FAULT = 4,

    MPT_INTERRUPT_DOORBELL = 0x01,
    MPT_INTERRUPT_REPLY = 0x08,
    MPT_INTERRUPTS = 0x09,

    MPT_DIAG_RESET_HISTORY = 0x20,
    MPT_DIAG_RESET = 0x04,
    MPT_DIAG_WRITE_ENABLE = 0x80,

    MPT_REPLY_NONE = -1,
    MPT_CONTEXT_MAX = 0x1fffffff, /* of a reply that is a context only */
};
#define MPT_REPLY_ADDRESS UINT32_C(0x80000000)

/* Functions. */
enum {
    MPT_SCSI_IO = 0x00,
    MPT_TASK_MANAGEMENT = 0x01,
    MPT_IOC_INIT = 0x02,
    MPT_IOC_FACTS = 0x03,
    MPT_CONFIG = 0x04,
    MPT_PORT_FACTS = 0x05,
    MPT_PORT_ENABLE = 0x06,
    MPT_EVENT_NOTIFICATION = 0x07,
    MPT_EVENT_ACK = 0x08,
    MPT_SAS_IO_UNIT_CONTROL = 0x1b,
};

/* How a message went. */
enum {
    MPT_SUCCESS = 0x00,
    MPT_INVALID_FUNCTION = 0x01,
    MPT_INVALID_SGL = 0x03,
    MPT_INSUFFICIENT_RESOURCES = 0x06,
    MPT_INVALID_FIELD = 0x07,
    MPT_INVALID_STATE = 0x08,
    MPT_CONFIG_INVALID_ACTION = 0x20,
    MPT_CONFIG_INVALID_PAGE = 0x22,
    MPT_CONFIG_CANNOT_COMMIT = 0x25,
    MPT_SCSI_INVALID_BUS = 0x41,
    MPT_SCSI_INVALID_TARGET = 0x42,
    MPT_SCSI_NOT_THERE = 0x43,
    MPT_SCSI_DATA_OVERRUN = 0x44,
    MPT_SCSI_DATA_UNDERRUN = 0x45,
    MPT_SCSI_TASK_TERMINATED = 0x48,
};

/* What all messages of the driver begin with; `own` is each function's. */
typedef struct MptMessage {
    uint8_t own[2];
    uint8_t chain; /* where in the frame the first chain element is, in words of 32 bits; or 0 */
    uint8_t function;
    uint8_t more[3];
    uint8_t flags;
    uint32_t context;
} MptMessage;

/* And what all replies begin with, which are no longer, often. */
typedef struct MptReply {
    uint8_t own[2];
    uint8_t length; /* in words of 32 bits */
    uint8_t function;
    uint8_t more[3];
    uint8_t flags;
    uint32_t context;
    uint8_t status_own[2];
    uint16_t status;
    uint32_t log;
} MptReply;

typedef struct MptInit {
    uint8_t who, reserved, chain, function;
    uint8_t init_flags, max_devices, max_buses, flags;
    uint32_t context;
    uint16_t reply_size, reserved2;
    uint32_t frames_high, sense_high; /* upper halves of addresses */
} MptInit;

typedef struct MptFacts {
    uint16_t version;
    uint8_t length, function;
    uint16_t header_version;
    uint8_t ioc, flags;
    uint32_t context;
    uint16_t exceptions, status;
    uint32_t log;
    uint8_t chain_depth, who, block_size, facts_flags;
    uint16_t reply_depth, request_size, reserved, product;
    uint32_t frames_high;
    uint16_t credits;
    uint8_t ports, event_state;
    uint32_t sense_high;
    uint16_t reply_size;
    uint8_t max_devices, max_buses;
    uint32_t image_size, capabilities, firmware_version;
    uint16_t high_priority_depth, reserved2;
    uint32_t host_page[3], signal_address;
} MptFacts;

typedef struct MptPortFacts {
    MptReply reply; /* more[2] is the port */
    uint8_t reserved, type;
    uint16_t max_devices, id, protocols, max_buffers, max_persistent, max_lan;
    uint8_t max_initiators, reserved2[5];
} MptPortFacts;
enum { MPT_PORT_SAS = 0x30, MPT_PORT_INITIATOR = 0x08 };

typedef struct MptConfig {
    uint8_t action, reserved, chain, function;
    uint16_t extended_length;
    uint8_t extended_type, flags;
    uint32_t context;
    uint8_t reserved2[8];
    uint8_t page_version, page_length, page_number, page_type;
    uint32_t page_address;
    uint32_t piece_flags, piece_low, piece_high;
} MptConfig;

typedef struct MptConfigReply {
    MptReply reply; /* own[0] is the action; more: length and type of an extended page */
    uint8_t page_version, page_length, page_number, page_type;
} MptConfigReply;
enum {
    MPT_CONFIG_HEADER = 0,
    MPT_CONFIG_READ = 1,
    MPT_CONFIG_WRITE = 2,
    MPT_CONFIG_DEFAULT = 3,
    MPT_CONFIG_WRITE_NVRAM = 4,
    MPT_CONFIG_READ_DEFAULT = 5,
    MPT_CONFIG_READ_NVRAM = 6,
    MPT_PAGE_EXTENDED = 0x0f,
};

typedef struct MptScsiIo {
    uint8_t target, bus, chain, function;
    uint8_t cdb_size, sense_size, reserved, flags;
    uint32_t context;
    uint8_t lun[8];
    uint32_t control;
    uint8_t cdb[16];
    uint32_t size, sense_low;
} MptScsiIo; /* then pieces of the data */

typedef struct MptScsiReply {
    uint8_t target, bus, length, function;
    uint8_t cdb_size, sense_size, reserved, flags;
    uint32_t context;
    uint8_t scsi_status, state;
    uint16_t status;
    uint32_t log;
    uint32_t moved, sense_count, response;
    uint16_t tag, reserved2;
} MptScsiReply;
enum { MPT_STATE_SENSE = 0x01, MPT_STATE_NO_STATUS = 0x04, MPT_STATE_TERMINATED = 0x08 };

typedef struct MptTask {
    uint8_t target, bus, chain, function;
    uint8_t reserved, type, reserved2, flags;
    uint32_t context;
    uint8_t lun[8];
    uint32_t reserved3[7];
    uint32_t task; /* the context of the one that is meant */
} MptTask;

typedef struct MptTaskReply {
    MptReply reply; /* more[0]: the target's response; more[1]: type */
    uint32_t terminated;
} MptTaskReply;
enum {
    MPT_ABORT_TASK = 1,
    MPT_ABORT_TASK_SET = 2,
    MPT_TARGET_RESET = 3,
    MPT_RESET_BUS = 4,
    MPT_UNIT_RESET_TASK = 5,
    MPT_CLEAR_TASK_SET = 6,
    MPT_QUERY_TASK = 7,
};

typedef struct MptEvent {
    MptReply reply; /* own: words of data */
    uint32_t event, event_context;
    uint32_t data[9];
} MptEvent;
enum {
    MPT_EVENT_SWITCHED = 0x0a,
    MPT_EVENT_SAS_DEVICE = 0x0f,
    MPT_EVENT_SAS_LINK = 0x12,
    MPT_EVENT_SAS_DISCOVERY = 0x16,
    MPT_DEVICE_ADDED = 3,
    MPT_DEVICE_GONE = 4,
    MPT_LINK_NONE = 2,
    MPT_LINK_3_0 = 9,
};

/* The bits of a piece of data that are looked at. */
enum {
    MPT_SGE_CHAIN = 0x3,
    MPT_SGE_SIMPLE = 0x1,
    MPT_SGE_END_OF_LIST = 0x01,
    MPT_SGE_64 = 0x02,
    MPT_SGE_LAST = 0x80,
};

/* What a SAS device is. */
enum {
    MPT_SAS_END_DEVICE = 0x001,
    MPT_SAS_INITIATORS = 0x070, /* SMP, STP, SSP */
    MPT_SAS_SSP_TARGET = 0x400,
    MPT_SAS_DIRECT = 0x800,
    MPT_SAS_PRESENT = 0x0003, /* and it has a target's number */
};

#endif
