/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, commands and status codes of NVM Express 1.4. */
#ifndef HW_NVME_NVME_REGS_H
#define HW_NVME_NVME_REGS_H

#include <stdint.h>

/* Section 3.1: registers. */
enum {
    NVME_CAP = 0x00, /* 8 bytes */
    NVME_VS = 0x08,
    NVME_INTMS = 0x0c,
    NVME_INTMC = 0x10,
    NVME_CC = 0x14,
    NVME_CSTS = 0x1c,
    NVME_AQA = 0x24,
    NVME_ASQ = 0x28, /* 8 bytes */
    NVME_ACQ = 0x30, /* 8 bytes */
    NVME_CMBLOC = 0x38,
    NVME_CMBSZ = 0x3c,
    NVME_CMBMSC = 0x50, /* 8 bytes */
    NVME_DOORBELLS = 0x1000,
};

#define NVME_VERSION       0x00010400u
#define NVME_CAP_MQES      2047u /* entries of a queue, less 1 */
#define NVME_CAP_CQR       (UINT64_C(1) << 16)
#define NVME_CAP_TO_SHIFT  24 /* units of 500 ms */
#define NVME_CAP_CSS_NVM   (UINT64_C(1) << 37)
#define NVME_CAP_CSS_SETS  (UINT64_C(1) << 43) /* several command sets */
#define NVME_CAP_MPSMAX    4u                  /* 64 KiB */
#define NVME_CAP_MPS_SHIFT 52
#define NVME_CAP_CMBS      (UINT64_C(1) << 57)

enum {
    NVME_CC_EN = 1 << 0,
    NVME_CC_CSS = 7 << 4,
    NVME_CC_CSS_SETS = 6 << 4,
    NVME_CC_MPS_SHIFT = 7,
    NVME_CC_MPS = 15 << 7,
    NVME_CC_AMS = 7 << 11,
    NVME_CC_SHN = 3 << 14,
    NVME_CSTS_RDY = 1 << 0,
    NVME_CSTS_CFS = 1 << 1,
    NVME_CSTS_SHST = 3 << 2,
    NVME_CSTS_SHST_BUSY = 1 << 2,
    NVME_CSTS_SHST_DONE = 2 << 2,
    NVME_CMBMSC_CRE = 1 << 0,
};

/* Section 5: admin commands. */
enum {
    NVME_DELETE_SQ = 0x00,
    NVME_CREATE_SQ = 0x01,
    NVME_GET_LOG_PAGE = 0x02,
    NVME_DELETE_CQ = 0x04,
    NVME_CREATE_CQ = 0x05,
    NVME_IDENTIFY = 0x06,
    NVME_ABORT = 0x08,
    NVME_SET_FEATURES = 0x09,
    NVME_GET_FEATURES = 0x0a,
    NVME_ASYNC_EVENT = 0x0c,
    NVME_ATTACHMENT = 0x15,
};

/* Section 6: commands of the NVM command set. */
enum {
    NVME_FLUSH = 0x00,
    NVME_WRITE = 0x01,
    NVME_READ = 0x02,
    NVME_WRITE_ZEROES = 0x08,
    NVME_DATASET = 0x09,
    NVME_RW_FUA = 1 << 30,            /* cdw12 */
    NVME_ZEROES_DEALLOCATE = 1 << 25, /* cdw12 */
    NVME_DATASET_DEALLOCATE = 1 << 2, /* cdw11 */
};

/* The command sets (CSI), and commands of the zoned one. */
enum {
    NVME_CSI_NVM = 0,
    NVME_CSI_ZONED = 2,
    NVME_ZONE_SEND = 0x79,
    NVME_ZONE_RECEIVE = 0x7a,
    NVME_ZONE_APPEND = 0x7d,
    NVME_ZONE_SELECT_ALL = 1 << 8, /* cdw13 */
    NVME_ZONE_PARTIAL = 1 << 16,   /* cdw13 */
};

#define NVME_ALL_NAMESPACES UINT32_MAX

/* Section 4.6.1: the status field, without the phase bit. */
typedef enum NvmeStatus {
    NVME_OK = 0,
    NVME_DNR = 1 << 14, /* to do it again is of no use */
    NVME_BAD_OPCODE = 0x0001 | NVME_DNR,
    NVME_BAD_FIELD = 0x0002 | NVME_DNR,
    NVME_DATA_ERROR = 0x0004,
    NVME_INTERNAL_ERROR = 0x0006,
    NVME_BAD_NAMESPACE = 0x000b | NVME_DNR,
    NVME_BAD_SEQUENCE = 0x000c | NVME_DNR,
    NVME_BAD_PRP_OFFSET = 0x0013 | NVME_DNR,
    NVME_WRITE_PROTECTED = 0x0020 | NVME_DNR,
    NVME_BAD_LBA = 0x0080 | NVME_DNR,
    NVME_BAD_CQ = 0x0100 | NVME_DNR,
    NVME_BAD_QUEUE = 0x0101 | NVME_DNR,
    NVME_BAD_QUEUE_SIZE = 0x0102 | NVME_DNR,
    NVME_TOO_MANY_EVENTS = 0x0105 | NVME_DNR,
    NVME_BAD_VECTOR = 0x0108 | NVME_DNR,
    NVME_BAD_LOG_PAGE = 0x0109 | NVME_DNR,
    NVME_QUEUE_IN_USE = 0x010c | NVME_DNR,
    NVME_NOT_SAVEABLE = 0x010d | NVME_DNR,
    NVME_NOT_CHANGEABLE = 0x010e | NVME_DNR,
    NVME_ALREADY_ATTACHED = 0x0118 | NVME_DNR,
    NVME_IS_PRIVATE = 0x0119 | NVME_DNR,
    NVME_NOT_ATTACHED = 0x011a | NVME_DNR,
    NVME_BAD_CONTROLLERS = 0x011c | NVME_DNR,
    NVME_NO_COMMAND_SETS = 0x012b | NVME_DNR, /* that there would be together */
    NVME_ZONE_BOUNDARY = 0x01b8 | NVME_DNR,
    NVME_ZONE_IS_FULL = 0x01b9 | NVME_DNR,
    NVME_BAD_WRITE = 0x01bc | NVME_DNR, /* not at the write pointer */
    NVME_TOO_MANY_ACTIVE = 0x01bd | NVME_DNR,
    NVME_TOO_MANY_OPEN = 0x01be | NVME_DNR,
    NVME_BAD_TRANSITION = 0x01bf | NVME_DNR,
    NVME_WRITE_FAULT = 0x0280,
    NVME_READ_ERROR = 0x0281,
    /* Not the guest's: a completion comes later. */
    NVME_LATER = 0xffff,
} NvmeStatus;

typedef struct NvmeCommand {
    uint8_t opcode, flags;
    uint16_t cid;
    uint32_t nsid;
    uint64_t reserved, metadata;
    uint64_t prp[2];
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
} NvmeCommand;

typedef struct NvmeCompletion {
    uint64_t result;
    uint16_t sq_head, sqid;
    uint16_t cid, status; /* with the phase bit, which is bit 0 */
} NvmeCompletion;

#define NVME_FLAGS_FUSED 0x03
#define NVME_FLAGS_SGL   0xc0

/* Section 5.21.1: features that are told or kept. */
enum {
    NVME_FEATURE_TEMPERATURE = 0x04,
    NVME_FEATURE_WRITE_CACHE = 0x06,
    NVME_FEATURE_QUEUES = 0x07,
    NVME_FEATURE_VECTOR = 0x09,
    NVME_FEATURE_EVENTS = 0x0b,
    NVME_FEATURE_TIMESTAMP = 0x0e,
    NVME_FEATURE_COMMAND_SETS = 0x19,
    NVME_FEATURES = 0x0c, /* those whose value is a dword are below it */
};

#endif
