/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What driver and device of a virtio SCSI host say to each other (Virtio 1.2, section 5.6). */
#ifndef HW_VIRTIO_VIRTIO_SCSI_REGS_H
#define HW_VIRTIO_VIRTIO_SCSI_REGS_H

#include <stdint.h>

/* Features. */
enum { VIRTIO_SCSI_F_HOTPLUG = 1, VIRTIO_SCSI_F_CHANGE = 2, VIRTIO_SCSI_F_T10_PI = 3 };

/* Queues; from the last on those of requests. */
enum { VIRTIO_SCSI_CONTROL, VIRTIO_SCSI_EVENTS, VIRTIO_SCSI_REQUESTS };

/* Responses. */
enum {
    VIRTIO_SCSI_S_OK = 0,
    VIRTIO_SCSI_S_OVERRUN = 1,
    VIRTIO_SCSI_S_ABORTED = 2,
    VIRTIO_SCSI_S_BAD_TARGET = 3,
    VIRTIO_SCSI_S_RESET = 4,
    VIRTIO_SCSI_S_FAILURE = 9,
    VIRTIO_SCSI_S_SUCCEEDED = 10,
    VIRTIO_SCSI_S_REJECTED = 11,
    VIRTIO_SCSI_S_INCORRECT_LUN = 12,
};

/* A request (section 5.6.6.1): this, cdb_size bytes of CDB, data; and the answer: that, sense_size
 * bytes of sense data, data. */
typedef struct __attribute__((packed)) VirtioScsiRequestHead {
    uint8_t lun[8];
    uint64_t id;
    uint8_t task_attribute, priority, reference;
} VirtioScsiRequestHead;

typedef struct __attribute__((packed)) VirtioScsiAnswer {
    uint32_t sense_len, residual;
    uint16_t status_qualifier;
    uint8_t status, response;
} VirtioScsiAnswer;

/* On the control queue (section 5.6.6.2): types, and functions of the first. */
enum { VIRTIO_SCSI_T_TMF = 0, VIRTIO_SCSI_T_AN_QUERY = 1, VIRTIO_SCSI_T_AN_SUBSCRIBE = 2 };
enum {
    VIRTIO_SCSI_TMF_ABORT_TASK = 0,
    VIRTIO_SCSI_TMF_ABORT_TASK_SET = 1,
    VIRTIO_SCSI_TMF_CLEAR_TASK_SET = 3,
    VIRTIO_SCSI_TMF_NEXUS_RESET = 4,
    VIRTIO_SCSI_TMF_LUN_RESET = 5,
    VIRTIO_SCSI_TMF_QUERY_TASK = 6,
    VIRTIO_SCSI_TMF_QUERY_TASK_SET = 7,
};

typedef struct __attribute__((packed)) VirtioScsiTmf {
    uint32_t type, function;
    uint8_t lun[8];
    uint64_t id;
} VirtioScsiTmf;

typedef struct __attribute__((packed)) VirtioScsiNotify {
    uint32_t type;
    uint8_t lun[8];
    uint32_t events;
} VirtioScsiNotify;

/* Events (section 5.6.6.3). */
enum {
    VIRTIO_SCSI_E_NONE = 0,
    VIRTIO_SCSI_E_TRANSPORT_RESET = 1,
    VIRTIO_SCSI_E_PARAMETER_CHANGE = 3,
};
#define VIRTIO_SCSI_E_MISSED 0x80000000u /* some could not be told */
/* Reasons of a transport reset. */
enum { VIRTIO_SCSI_RESET_RESCAN = 1, VIRTIO_SCSI_RESET_REMOVED = 2 };

typedef struct __attribute__((packed)) VirtioScsiEvent {
    uint32_t event;
    uint8_t lun[8];
    uint32_t reason;
} VirtioScsiEvent;

/* The configuration space (section 5.6.4). */
typedef struct __attribute__((packed)) VirtioScsiConfig {
    uint32_t num_queues, seg_max, max_sectors, cmd_per_lun, event_info_size, sense_size, cdb_size;
    uint16_t max_channel, max_target;
    uint32_t max_lun;
} VirtioScsiConfig;

#define VIRTIO_SCSI_SENSE_SIZE 96 /* bytes, after a reset */
#define VIRTIO_SCSI_CDB_SIZE   32

#endif
