/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of virtio-mem (Virtio 1.2, section 5.15): it asks what a test tells it to, and gives the
 * answer.
 */
#ifndef TESTS_QTEST_VMEM_H
#define TESTS_QTEST_VMEM_H

#include "tests/qtest/virtio.h"
#include "util/units.h"

/* Of a device whose block-size= is not given; and where the window for memory devices begins in a
 * machine without memory above 4 GiB. */
#define QVMEM_BLOCK  (2 * MIB)
#define QVMEM_WINDOW (4 * GIB)

enum { QVMEM_ACPI_PXM = 1u << 0, QVMEM_INACCESSIBLE = 1u << 1 }; /* features */
enum { QVMEM_PLUG, QVMEM_UNPLUG, QVMEM_UNPLUG_ALL, QVMEM_STATE };
enum { QVMEM_ACK, QVMEM_NACK, QVMEM_BUSY, QVMEM_ERROR };
enum { QVMEM_PLUGGED, QVMEM_UNPLUGGED, QVMEM_MIXED };

/* The configuration. */
enum {
    QVMEM_BLOCK_SIZE = 0,
    QVMEM_NODE = 8,
    QVMEM_ADDR = 16,
    QVMEM_ALL = 24,
    QVMEM_USABLE = 32,
    QVMEM_SIZE_NOW = 40,
    QVMEM_WANTED = 48,
};

typedef struct QVmem {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    uint64_t request, response;
} QVmem;

/* Get the device at @devfn of @qt ready, with those of @features that there are. */
void qvmem_open(QVmem *m, QTest *qt, unsigned devfn, uint64_t features);
/* The driver and its queue have gone to another program with the machine. */
void qvmem_moved(QVmem *m, QTest *qt);
/* Make a request; the answer. */
uint16_t qvmem_ask(QVmem *m, uint16_t type, uint64_t addr, uint16_t blocks);
/* What the last answer said of the state, if that was asked for. */
uint16_t qvmem_state(QVmem *m);
/* 8 bytes of the configuration. */
uint64_t qvmem_config(QVmem *m, unsigned offset);

#endif
