/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB 1.1 host controller with the interface of OpenHCI (Open Host Controller Interface 1.0a):
 * ports for devices of low and full speed, a list of endpoints for each of 32 frames, and two for
 * control and bulk transfers. With `masterbus` it is an EHCI's companion. Machine lock for
 * everything.
 *
 * Lists are looked at each millisecond, while one of them is on; and each QUIET_FRAMES, for all the
 * frames in between, as long as nothing comes of it and the guest does not ask for each frame.
 */
#ifndef HW_USB_OHCI_H
#define HW_USB_OHCI_H

#include "hw/pci/pci.h"
#include "hw/usb/usb-bus.h"
#include "util/clock.h"
#include "util/timer.h"

#define TYPE_OHCI      "pci-ohci"
#define OHCI_PORTS_MAX 15u
#define OHCI_BAR_SIZE  0x1000u
#define OHCI_FRAME_NS  (NS_PER_SEC / 1000)
#define OHCI_NO_DELAY  7u /* DelayInterrupt: none asks for an interrupt */

/* HcControl. */
enum {
    OHCI_CTL_PERIODIC = 1 << 2,
    OHCI_CTL_ISOCHRONOUS = 1 << 3,
    OHCI_CTL_CONTROL = 1 << 4,
    OHCI_CTL_BULK = 1 << 5,
    OHCI_CTL_LISTS = OHCI_CTL_PERIODIC | OHCI_CTL_CONTROL | OHCI_CTL_BULK,
    OHCI_CTL_STATE = 3 << 6,
    OHCI_STATE_RESET = 0 << 6,
    OHCI_STATE_OPERATIONAL = 2 << 6,
    OHCI_STATE_SUSPENDED = 3 << 6,
};
/* HcCommandStatus. */
enum { OHCI_CMD_RESET = 1 << 0, OHCI_CMD_CONTROL = 1 << 1, OHCI_CMD_BULK = 1 << 2 };
/* HcInterruptStatus and its like. */
enum {
    OHCI_INT_DONE = 1 << 1,
    OHCI_INT_FRAME = 1 << 2,
    OHCI_INT_RESUME = 1 << 3,
    OHCI_INT_ERROR = 1 << 4,
    OHCI_INT_OVERFLOW = 1 << 5,
    OHCI_INT_HUB = 1 << 6,
    OHCI_INT_ALL = 0x4000007f,
};
#define OHCI_INT_MASTER 0x80000000u

typedef struct Ohci {
    PciDevice parent;
    uint32_t control, command, status, interrupts;
    uint32_t hcca, control_head, control_current, bulk_head, bulk_current, done_head;
    uint32_t interval, periodic_start, threshold;
    uint32_t number; /* of the frame that is done next, 16 bits */
    int64_t since;   /* when that begins */
    uint32_t delay;  /* frames until the guest is told what was done */
    uint32_t hub_b;
    uint32_t ports[OHCI_PORTS_MAX];
    Timer *timer; /* of the next look at the lists */
    /* derived */
    unsigned quiet; /* frames in which nothing came of it */
    bool busy;
    /* configuration */
    uint32_t count;
    char *master;        /* property "masterbus": whose companion it is; NULL: nobody's */
    uint32_t first_port; /* property "firstport": of that one's */
    /* wiring */
    MemoryRegion registers;
    UsbBus *bus; /* NULL: it is a companion */
    UsbPort usb_ports[OHCI_PORTS_MAX];
} Ohci;
OBJECT_CAST_DEFINE(Ohci, OHCI, TYPE_OHCI)

/* ---- ohci.c ---- */

void ohci_update_interrupt(Ohci *s);
/* It is operational, and the machine runs. */
bool ohci_runs(const Ohci *s);
/* Do what is due, and see to it that the rest is done when it is. */
void ohci_go_on(Ohci *s);
/* An access to memory has failed: it stops. */
void ohci_error(Ohci *s);

/* ---- ohci-ports.c ---- */

bool ohci_add_ports(Ohci *s, GError **errp);
void ohci_remove_ports(Ohci *s);
/* As after a reset of the hub: what is there has come just now. */
void ohci_reset_ports(Ohci *s);
void ohci_port_written(Ohci *s, unsigned i, uint32_t value);
bool ohci_check_ports(Ohci *s, GError **errp);

/* ---- ohci-lists.c ---- */

/* Do frame s->number. True: something came of it. */
bool ohci_run_frame(Ohci *s);

#endif
