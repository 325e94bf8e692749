/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers and rings of VMware's paravirtual SCSI adapter, as Linux' driver for it knows them.
 * Numbers are little endian. */
#ifndef HW_HBA_PVSCSI_REGS_H
#define HW_HBA_PVSCSI_REGS_H

#include <stdint.h>

enum {
    PVSCSI_COMMAND = 0x0,
    PVSCSI_COMMAND_DATA = 0x4,
    PVSCSI_COMMAND_STATUS = 0x8,
    PVSCSI_INTERRUPT_STATUS = 0x100c, /* written as 1: cleared */
    PVSCSI_INTERRUPT_MASK = 0x2010,   /* 1: it interrupts */
    PVSCSI_KICK_OTHER = 0x3014,
    PVSCSI_KICK_RW = 0x4018,
    PVSCSI_REGISTERS = 0x8000,
};

/* Commands, whose data are written after them a word at a time. */
enum {
    PVSCSI_ADAPTER_RESET = 1,
    PVSCSI_SETUP_RINGS = 3,
    PVSCSI_RESET_BUS = 4,
    PVSCSI_RESET_DEVICE = 5,
    PVSCSI_ABORT = 6,
    PVSCSI_CONFIG = 7,
    PVSCSI_SETUP_MESSAGES = 8,
    PVSCSI_COMMANDS,
};
#define PVSCSI_SUCCEEDED 0u
#define PVSCSI_FAILED    0xffffffffu
#define PVSCSI_MORE_DATA 0xfffffffeu

enum {
    PVSCSI_INTERRUPT_COMPLETION = 1 << 0,
    PVSCSI_INTERRUPT_MESSAGE = 1 << 2,
    PVSCSI_INTERRUPTS = 0xf,
};

#define PVSCSI_PAGE          4096u
#define PVSCSI_RING_PAGES    32u /* at most, of requests and of completions */
#define PVSCSI_MESSAGE_PAGES 16u

typedef struct PvscsiSetupRings {
    uint32_t request_pages, completion_pages;
    uint64_t state;
    uint64_t requests[PVSCSI_RING_PAGES], completions[PVSCSI_RING_PAGES];
} PvscsiSetupRings;

typedef struct PvscsiSetupMessages {
    uint32_t pages, unused;
    uint64_t messages[PVSCSI_MESSAGE_PAGES];
} PvscsiSetupMessages;

typedef struct PvscsiResetDevice {
    uint32_t target;
    uint8_t lun[8];
} PvscsiResetDevice;

typedef struct PvscsiAbort {
    uint64_t context;
    uint32_t target, unused;
} PvscsiAbort;

typedef struct PvscsiConfig {
    uint64_t completion, address;
    uint32_t page, unused;
} PvscsiConfig;

#define PVSCSI_DATA_WORDS (sizeof(PvscsiSetupRings) / 4)

/* What both sides have in the page of ring states. */
typedef struct PvscsiRingsState {
    uint32_t request_producer, request_consumer, request_entries; /* of these the logarithm */
    uint32_t completion_producer, completion_consumer, completion_entries;
    uint8_t unused[104];
    uint32_t message_producer, message_consumer, message_entries;
} PvscsiRingsState;

enum {
    PVSCSI_REQUEST_LIST = 1 << 0,
    PVSCSI_REQUEST_OTHER_CDB = 1 << 1, /* it is elsewhere */
};

typedef struct PvscsiRequest {
    uint64_t context, data, data_size, sense;
    uint32_t sense_size, flags;
    uint8_t cdb[16];
    uint8_t cdb_size;
    uint8_t lun[8];
    uint8_t tag, bus, target;
    uint8_t vcpu[2], unused[58];
} PvscsiRequest;

typedef struct PvscsiPiece {
    uint64_t address;
    uint32_t size, flags;
} PvscsiPiece;
#define PVSCSI_PIECE_CHAIN 1u /* the list goes on at the address */

typedef struct PvscsiCompletion {
    uint64_t context, moved;
    uint32_t sense_size;
    uint16_t host_status, status;
    uint32_t unused[2];
} PvscsiCompletion;

enum {
    PVSCSI_HOST_OK = 0x00,
    PVSCSI_HOST_NO_TARGET = 0x11,
    PVSCSI_HOST_OVERRUN = 0x12,
    PVSCSI_HOST_BAD_REQUEST = 0x1a,
    PVSCSI_HOST_ABORTED = 0x26,
};

enum { PVSCSI_MESSAGE_ADDED = 0, PVSCSI_MESSAGE_REMOVED = 1 };

typedef struct PvscsiMessage {
    uint32_t type, bus, target;
    uint8_t lun[8];
    uint32_t unused[27];
} PvscsiMessage;

_Static_assert(sizeof(PvscsiRequest) == 128 && sizeof(PvscsiMessage) == 128 &&
                   sizeof(PvscsiCompletion) == 32 && sizeof(PvscsiPiece) == 16,
               "entries of rings");

#endif
