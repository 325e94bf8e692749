/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of xHCI for tests of USB devices on libqtest: the controller is function 4.0 of bus 0.
 * Each transfer has a ring of its own, of one TD; the newest event of an endpoint is kept.
 */
#ifndef TESTS_QTEST_USB_H
#define TESTS_QTEST_USB_H

#include "tests/qtest/virtio.h"

enum {
    QUSB_SUCCESS = 1,
    QUSB_TRANSACTION_ERROR = 4,
    QUSB_TRB_ERROR = 5,
    QUSB_STALL = 6,
    QUSB_SHORT = 13,
    QUSB_PARAMETER = 17,
    QUSB_CONTEXT_STATE = 19,
};
/* Kinds of endpoints, as contexts have them. */
enum {
    QUSB_ISOCHRONOUS_OUT = 1,
    QUSB_ISOCHRONOUS_IN = 5,
    QUSB_BULK_OUT = 2,
    QUSB_INTERRUPT_OUT = 3,
    QUSB_BULK_IN = 6,
    QUSB_INTERRUPT_IN = 7
};
#define QUSB_BAR    0xe0000000u
#define QUSB_PORTSC 0x440u
#define QUSB_DATA   0x300000u /* memory for what tests move */

typedef struct QUsb {
    QTest *qt;
    unsigned command, event;
    bool command_cycle, event_cycle;
    bool waits[65];      /* for tests: a transfer of the slot was begun */
    unsigned ports_told; /* bits of ports with an event, from bit 1 on */
    struct {
        unsigned code, left;
        uint64_t trb;
    } last[65][32]; /* events of endpoints; code 0: none */
} QUsb;

/* Start a machine with "-device qemu-xhci,id=x,addr=4" and @options, and run the controller. */
void qusb_start(QUsb *u, const char *options);
void qusb_begin(QUsb *u); /* the latter, anew: after a reset, too */
uint32_t qusb_get(QUsb *u, unsigned offset);
void qusb_set(QUsb *u, unsigned offset, uint32_t value);
/* Carry out a command: its code. @slot: in and out. */
unsigned qusb_command(QUsb *u, unsigned type, uint64_t parameter, uint32_t flags, unsigned *slot);
/* Reset port @port, and give what is there, or behind a hub at @route, an address: its slot. */
unsigned qusb_connect(QUsb *u, unsigned port, uint32_t route);
/* A control transfer with data at QUSB_DATA: the code; *@length: bytes that came. */
unsigned qusb_control(QUsb *u, unsigned slot, uint8_t type, uint8_t request, uint16_t value,
                      uint16_t index, unsigned *length);
/* The device is configured. Endpoint @dci is there from now on: the command's code. */
unsigned qusb_endpoint(QUsb *u, unsigned slot, unsigned dci, unsigned kind, unsigned packet);
/* Give the endpoint a ring with one TD of @length bytes at @data. */
void qusb_submit(QUsb *u, unsigned slot, unsigned dci, uint64_t data, unsigned length);
/* The same with @count isochronous TDs, 1 to 3, one behind the other. */
void qusb_submit_isochronous(QUsb *u, unsigned slot, unsigned dci, uint64_t data, unsigned length,
                             unsigned count);
/* Write to its context that @bytes of what it has begun were moved. */
void qusb_set_moved(QUsb *u, unsigned slot, unsigned dci, uint32_t bytes);
/* The code that it ended with, and then 0; 0: it has not. @left: bytes that were not moved. */
unsigned qusb_ended(QUsb *u, unsigned slot, unsigned dci, unsigned *left);
/* After a STALL: the endpoint goes on, at both sides. */
void qusb_unstall(QUsb *u, unsigned slot, unsigned dci);

#endif
