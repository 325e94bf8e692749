/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of virtio-scsi for tests on libqtest: the function in slot 4 of bus 0, one request at a
 * time.
 */
#ifndef TESTS_QTEST_SCSI_H
#define TESTS_QTEST_SCSI_H

#include "tests/qtest/disk.h"

#define BIT(n)        (UINT64_C(1) << (n))
#define CDB           32u
#define REQUEST       (19u + CDB) /* bytes before the data */
#define SENSE         96u
#define ANSWER        (12u + SENSE)
#define EVENT         16u
#define EVENT_BUFFERS 4u
#define FEATURES      (QVIRTIO_VERSION_1 | BIT(1) | BIT(2)) /* hot-plug, other parameters */

enum { CONTROL, EVENTS, REQUESTS };
enum {
    S_OK,
    S_OVERRUN,
    S_ABORTED,
    S_BAD_TARGET,
    S_RESET,
    S_FAILURE = 9,
    S_SUCCEEDED,
    S_REJECTED,
    S_INCORRECT_LUN
};
enum { GOOD = 0, CHECK = 2 };
enum { READ_10 = 0x28, WRITE_10 = 0x2a, INQUIRY = 0x12, REPORT_LUNS = 0xa0, READ_CAPACITY = 0x25 };

typedef struct Host {
    QTest *qt;
    QVirtio v;
    QVirtQueue control, events, requests;
    uint64_t out, in, event; /* guest addresses; of events EVENT_BUFFERS */
    uint8_t lun[8];          /* of the next request */
    uint64_t id;
    /* what the last one answered */
    uint8_t response, status, key, asc;
    uint32_t residual;
} Host;

/* The next requests are for this unit. */
void scsi_set_lun(Host *h, unsigned target, unsigned lun);
/* Reset the device of h->qt, by its modern interface or not as h->v.modern says, and drive it. */
void scsi_drive(Host *h, uint64_t features);
/* A request whose data are at h->out + REQUEST, or come to h->in + ANSWER. The head of its chain:
 * it is not kicked yet. */
uint16_t scsi_add(Host *h, const uint8_t *cdb, size_t size, uint32_t out, uint32_t in);
/* What one that has ended answered. */
void scsi_read_answer(Host *h);
/* The whole way of one: how many bytes of data came. */
uint32_t scsi_command(Host *h, const uint8_t *cdb, size_t size, uint32_t out, uint32_t in);
#define COMMAND(h, out, in, ...)                                                                \
    scsi_command(h, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), \
                 out, in)

/* How the last one went. */
void scsi_assert_good(Host *h);
void scsi_assert_sense(Host *h, uint8_t key, uint8_t asc);
/* The unit has been reset, which the first command is told. */
void scsi_take_attention(Host *h);

#endif
