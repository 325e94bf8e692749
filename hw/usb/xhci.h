/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB host controller with the interface of Intel's xHCI 1.1, whose ports are empty: there are no
 * USB devices. Sections are of that specification. Its one interrupter tells of commands, which is
 * all that happens. Machine lock for everything.
 */
#ifndef HW_USB_XHCI_H
#define HW_USB_XHCI_H

#include "hw/pci/pci.h"

#define TYPE_QEMU_XHCI "qemu-xhci"

#define XHCI_BAR_SIZE      0x4000u
#define XHCI_PORTS_MAX     15u /* of each speed */
#define XHCI_ALL_PORTS_MAX (2 * XHCI_PORTS_MAX)

/* Bits of USBCMD, USBSTS, IMAN, ERDP. */
enum {
    XHCI_CMD_RUN = 1 << 0,
    XHCI_CMD_RESET = 1 << 1,
    XHCI_CMD_INTE = 1 << 2,
    XHCI_CMD_HSEE = 1 << 3,
    XHCI_CMD_SAVE = 1 << 8,
    XHCI_CMD_RESTORE = 1 << 9,
    XHCI_STS_HALTED = 1 << 0,
    XHCI_STS_HSE = 1 << 2,
    XHCI_STS_EINT = 1 << 3,
    XHCI_STS_SRE = 1 << 10,
    XHCI_IMAN_IP = 1 << 0,
    XHCI_IMAN_IE = 1 << 1,
    XHCI_ERDP_BUSY = 1 << 3,
};

typedef struct Xhci {
    PciDevice parent;
    uint32_t usbcmd, usbsts, dnctrl, config;
    uint64_t dcbaap;
    uint64_t command; /* the next command's place */
    bool command_cycle, command_runs;
    uint32_t iman, imod, erstsz;
    uint64_t erstba, erdp;
    uint32_t event_next; /* the next event's number in its segment */
    bool event_cycle;
    bool saved; /* what is not in registers is kept from CSS on, until a reset */
    uint32_t ports[XHCI_ALL_PORTS_MAX]; /* bits of PORTSC that are kept */
    /* configuration */
    uint32_t p2, p3;
    /* wiring */
    MemoryRegion registers;
} Xhci;
OBJECT_CAST_DEFINE(Xhci, XHCI, TYPE_QEMU_XHCI)

/* ---- xhci-registers.c ---- */

extern const MemoryRegionOps xhci_register_ops;

/* All is as after power-on; for HCRST, too. */
void xhci_reset_controller(Xhci *s);
/* The interrupt, by what the registers and the function's configuration say now. */
void xhci_update_interrupt(Xhci *s);

/* ---- xhci-ring.c ---- */

/* Carry out what commands there are room for the events of; nothing if the ring does not run. */
void xhci_run_commands(Xhci *s);
/* End the command ring, and tell so by an event. */
void xhci_stop_commands(Xhci *s);
/* Interrupt if there are events, and the guest does not look at them. */
void xhci_tell_events(Xhci *s);

#endif
