/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtio driver for tests on libqtest (Virtio 1.2, section 4.1): finds the function on bus 0,
 * gives its BARs addresses, and drives split rings by either interface.
 */
#ifndef TESTS_QTEST_VIRTIO_H
#define TESTS_QTEST_VIRTIO_H

#include "tests/qtest/libqtest.h"

#define QVIRTIO_RAM 0x200000u /* from there on rings and buffers are laid out */

/* A machine, and by which interface its function is driven. */
typedef struct QVirtioWay {
    const char *name, *machine;
    bool modern;
} QVirtioWay;
extern const QVirtioWay qvirtio_ways[4];

enum {
    QVIRTIO_DRIVER_OK = 4,
    QVIRTIO_FEATURES_OK = 8,
    QVIRTIO_NEEDS_RESET = 64,
};

#define QVIRTIO_VERSION_1       (UINT64_C(1) << 32)
#define QVIRTIO_ACCESS_PLATFORM (1ull << 33)
#define QVIRTIO_RING_RESET      (UINT64_C(1) << 40)
#define QVIRTIO_EVENT_IDX       (UINT64_C(1) << 29)
#define QVIRTIO_INDIRECT        (UINT64_C(1) << 28)

/* Offsets in the common configuration (section 4.1.4.3). */
enum {
    QVIRTIO_DRIVER_FEATURE_SELECT = 0x08,
    QVIRTIO_DRIVER_FEATURE = 0x0c,
    QVIRTIO_NUM_QUEUES = 0x12,
    QVIRTIO_STATUS = 0x14,
    QVIRTIO_GENERATION = 0x15,
    QVIRTIO_QUEUE_SELECT = 0x16,
    QVIRTIO_QUEUE_SIZE = 0x18,
    QVIRTIO_QUEUE_ENABLE = 0x1c,
    QVIRTIO_QUEUE_RESET = 0x3a,
};

typedef struct QVirtio {
    QTest *qt;
    unsigned devfn;
    bool modern;
    uint8_t kinds[6];       /* offset of the capability of each kind; 0: none */
    uint64_t structures[6]; /* guest address of each kind of structure */
    uint32_t notify_multiplier;
    uint16_t io;   /* the legacy interface's first port */
    uint64_t msix; /* guest address of the MSI-X table; 0: not in use */
    uint64_t next; /* free RAM */
} QVirtio;

typedef struct QVirtQueue {
    QVirtio *v;
    unsigned number, size;
    uint64_t desc, driver, device, notify;
    uint16_t next_desc, avail, used;
} QVirtQueue;

/* ---- configuration space of @devfn on bus 0 ---- */

uint32_t qpci_read(QTest *qt, unsigned devfn, unsigned offset, unsigned size);
void qpci_write(QTest *qt, unsigned devfn, unsigned offset, unsigned size, uint32_t value);

/* ---- the device ---- */

/* Make the virtio function @devfn usable, by its modern or legacy interface. */
void qvirtio_open(QVirtio *v, QTest *qt, unsigned devfn, bool modern);
/* Use MSI-X: every vector is not masked, and carries no message of note. Before queues are set up.
 */
void qvirtio_use_msix(QVirtio *v);
/* Is @vector pending, as its mask keeps it? */
bool qvirtio_is_pending(QVirtio *v, unsigned vector);
void qvirtio_mask(QVirtio *v, unsigned vector, bool masked);

uint8_t qvirtio_status(QVirtio *v);
void qvirtio_set_status(QVirtio *v, uint8_t status);
/* Read and so clear the ISR status. */
uint8_t qvirtio_isr(QVirtio *v);
uint64_t qvirtio_offered(QVirtio *v);
/* Reset, acknowledge, and accept @features (of VERSION_1 only what there is): up to FEATURES_OK. */
void qvirtio_start(QVirtio *v, uint64_t features);
void qvirtio_driver_ok(QVirtio *v);
/* The device's configuration. */
uint32_t qvirtio_config(QVirtio *v, unsigned offset, unsigned size);
void qvirtio_set_config(QVirtio *v, unsigned offset, unsigned size, uint32_t value);
/* The modern interface's registers. */
uint32_t qvirtio_common(QVirtio *v, unsigned offset, unsigned size);
void qvirtio_set_common(QVirtio *v, unsigned offset, unsigned size, uint32_t value);

/* All of that, by the modern interface, for a device of one queue: it is ready, with VERSION_1 and
 * those of @features that there are. */
void qvirtio_open_one(QVirtio *v, QVirtQueue *q, QTest *qt, unsigned devfn, uint64_t features);

/* ---- queues ---- */

/* @size bytes of guest RAM, cleared. */
uint64_t qvirtio_alloc(QVirtio *v, unsigned size);
/* Set up queue @number as the device offers it, with MSI-X vector @number + 1 if that is used. */
void qvirtio_queue(QVirtio *v, QVirtQueue *q, unsigned number);
/* Make [@addr, @addr + @len) available as a buffer; its head. */
uint16_t qvirtq_add(QVirtQueue *q, uint64_t addr, uint32_t len, bool write);
/* The same of a chain: what the device reads, then what it writes to. */
uint16_t qvirtq_add_pair(QVirtQueue *q, uint64_t out, uint32_t out_len, uint64_t in,
                         uint32_t in_len);
void qvirtq_kick(QVirtQueue *q);
/* The same, and wait for it: how much was written. */
uint32_t qvirtq_ask(QVirtQueue *q, uint64_t out, uint32_t out_len, uint64_t in, uint32_t in_len);
/* Has the device given back more than was taken? */
bool qvirtq_has_used(QVirtQueue *q);
/* Wait for the next one that it gives back; its length. Its head is @head. */
uint32_t qvirtq_wait(QVirtQueue *q, uint16_t head);
/* The same, whichever it is. */
uint32_t qvirtq_wait_any(QVirtQueue *q);

#endif
