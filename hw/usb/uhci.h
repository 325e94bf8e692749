/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB 1.1 host controller with the interface of Intel's UHCI (Universal Host Controller Interface
 * Design Guide 1.1): two ports for devices of low and full speed, and a list of what is to be done
 * in each frame of a millisecond. It looks at that only while it runs and a port is enabled; and
 * each QUIET_FRAMES, for all the frames in between, as long as nothing comes of it.
 * Machine lock for everything.
 */
#ifndef HW_USB_UHCI_H
#define HW_USB_UHCI_H

#include "hw/pci/pci.h"
#include "hw/usb/usb-bus.h"
#include "util/timer.h"

#define TYPE_UHCI        "pci-uhci"
#define TYPE_PIIX3_UHCI  "piix3-usb-uhci"
#define PIIX3_UHCI_DEVFN PCI_DEVFN(1, 2)
#define UHCI_PORTS       2u
#define UHCI_IO_BYTES    32u

/* Bits of USBCMD and USBSTS. */
enum {
    UHCI_CMD_RUN = 1 << 0,
    UHCI_CMD_RESET = 1 << 1,
    UHCI_CMD_GLOBAL_RESET = 1 << 2,
    UHCI_CMD_SUSPEND = 1 << 3,
    UHCI_STS_INTERRUPT = 1 << 0,
    UHCI_STS_ERROR = 1 << 1,
    UHCI_STS_RESUME = 1 << 2,
    UHCI_STS_HOST_ERROR = 1 << 3,
    UHCI_STS_PROCESS_ERROR = 1 << 4,
    UHCI_STS_HALTED = 1 << 5,
};
/* What USBINT stands for: bits of `causes`, as they are in USBINTR. */
enum { UHCI_CAUSE_COMPLETE = 1 << 2, UHCI_CAUSE_SHORT = 1 << 3 };

typedef struct Uhci {
    PciDevice parent;
    uint16_t command, status, interrupts;
    uint8_t causes;
    uint8_t sof;
    uint16_t frame; /* the number of the next one that is done */
    uint32_t list;  /* of frames: its address */
    uint16_t ports[UHCI_PORTS];
    Timer *timer; /* of the next look at the list */
    int64_t due;  /* when that ends */
    /* derived */
    unsigned quiet; /* frames in which nothing came of the list */
    /* configuration */
    char *master;        /* property "masterbus": whose companion it is; NULL: nobody's */
    uint32_t first_port; /* property "firstport": of that one's */
    /* wiring */
    MemoryRegion registers;
    UsbBus *bus; /* NULL: it is a companion */
    UsbPort usb_ports[UHCI_PORTS];
} Uhci;
OBJECT_CAST_DEFINE(Uhci, UHCI, TYPE_UHCI)

/* ---- uhci.c ---- */

/* The interrupt line, by what the registers say now. */
void uhci_update_interrupt(Uhci *s);

/* ---- uhci-frames.c ---- */

/* Do what frame s->frame asks for. True: something came of it. */
bool uhci_run_frame(Uhci *s);

#endif
