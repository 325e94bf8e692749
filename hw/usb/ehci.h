/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB 2.0 host controller with the interface of Intel's EHCI (Enhanced Host Controller Interface
 * 1.0): six ports for devices of high speed. Devices of other speeds are its companions' (UHCI),
 * which serve ports of its bus: what is at a port is routed to the one or the other as the guest
 * says. Machine lock for everything.
 *
 * The guest changes its lists in memory and tells nobody: while a schedule is on, they are looked
 * at each millisecond, and each QUIET_FRAMES of them as long as nothing comes of it.
 */
#ifndef HW_USB_EHCI_H
#define HW_USB_EHCI_H

#include "hw/pci/pci.h"
#include "hw/usb/usb-bus.h"
#include "util/clock.h"
#include "util/timer.h"

#define TYPE_EHCI       "pci-ehci"
#define EHCI_PORTS      6u
#define EHCI_BAR_SIZE   0x1000u
#define EHCI_FRAME_NS   (NS_PER_SEC / 1000)
#define EHCI_FRINDEX    0x3fffu /* bits */
#define EHCI_MICROFRAME 8u      /* of a frame */

/* USBCMD, USBSTS (2.3.1, 2.3.2). */
enum {
    EHCI_CMD_RUN = 1 << 0,
    EHCI_CMD_RESET = 1 << 1,
    EHCI_CMD_LIST_SIZE = 3 << 2,
    EHCI_CMD_PERIODIC = 1 << 4,
    EHCI_CMD_ASYNC = 1 << 5,
    EHCI_CMD_DOORBELL = 1 << 6,
    EHCI_STS_INTERRUPT = 1 << 0,
    EHCI_STS_ERROR = 1 << 1,
    EHCI_STS_PORT_CHANGE = 1 << 2,
    EHCI_STS_ROLLOVER = 1 << 3,
    EHCI_STS_HOST_ERROR = 1 << 4,
    EHCI_STS_ADVANCE = 1 << 5,
    EHCI_STS_HALTED = 1 << 12,
    EHCI_STS_PERIODIC = 1 << 14,
    EHCI_STS_ASYNC = 1 << 15,
};
/* PORTSC (2.3.9). */
enum {
    EHCI_PORT_CONNECTED = 1 << 0,
    EHCI_PORT_CONNECT_CHANGE = 1 << 1,
    EHCI_PORT_ENABLED = 1 << 2,
    EHCI_PORT_ENABLE_CHANGE = 1 << 3,
    EHCI_PORT_RESUME = 1 << 6,
    EHCI_PORT_SUSPENDED = 1 << 7,
    EHCI_PORT_RESET = 1 << 8,
    EHCI_PORT_K_STATE = 1 << 10,
    EHCI_PORT_J_STATE = 1 << 11,
    EHCI_PORT_POWER = 1 << 12,
    EHCI_PORT_OWNER = 1 << 13,
};

typedef struct Ehci {
    PciDevice parent;
    uint32_t command, status, interrupts;
    uint32_t frindex; /* of the frame that is done next; while it is halted: the register */
    int64_t since;    /* when that frame begins */
    uint32_t periodic_list, async_list;
    bool configured; /* CONFIGFLAG */
    uint32_t ports[EHCI_PORTS];
    Timer *timer; /* of the next look at the lists */
    /* derived */
    unsigned quiet; /* frames in which nothing came of it */
    bool busy;      /* a list is being done */
    bool again;     /* and then once more */
    /* wiring */
    MemoryRegion registers;
    UsbBus *bus;
    UsbPort usb_ports[EHCI_PORTS];
} Ehci;
OBJECT_CAST_DEFINE(Ehci, EHCI, TYPE_EHCI)

/* ---- ehci.c ---- */

/* The interrupt line, by what the registers say now. */
void ehci_update_interrupt(Ehci *s);
/* It runs, and so does the machine. */
bool ehci_runs(const Ehci *s);
/* Do what is due, and see to it that the rest is done when it is. */
void ehci_go_on(Ehci *s);
/* An access to memory has failed: it stops. */
void ehci_host_error(Ehci *s);

/* The board's own set of the ICH9, one EHCI and three UHCI with one bus, on @bus. */
void ehci_create_ich9(PciBus *bus);

/* ---- ehci-ports.c ---- */

bool ehci_add_ports(Ehci *s, GError **errp);
void ehci_remove_ports(Ehci *s);
/* As after a reset of the controller: all are the companions'. */
void ehci_reset_ports(Ehci *s);
/* PORTSC, as the guest sees it. */
uint32_t ehci_port_value(const Ehci *s, unsigned i);
void ehci_port_written(Ehci *s, unsigned i, uint32_t value);
/* The guest wrote CONFIGFLAG. */
void ehci_configure(Ehci *s, bool configured);
/* HCSPARAMS: how many ports and companions there are. */
uint32_t ehci_structure(const Ehci *s);
/* What a saved machine says of them is true; and what follows from that. */
bool ehci_check_ports(void *opaque, GError **errp);

/* ---- ehci-schedule.c ---- */

/* Do one frame of the periodic list, the one of s->frindex. True: something came of it. */
bool ehci_run_frame(Ehci *s);
/* Go around the asynchronous list as long as something comes of it. True: something did. */
bool ehci_run_async(Ehci *s);

/* ---- ehci-queue.c ---- */

/* What is done within a frame. */
typedef struct EhciBudget {
    unsigned steps, bytes; /* that are left */
} EhciBudget;

/* Read or write @count words; an error stops the controller. */
bool ehci_read_words(Ehci *s, uint32_t at, uint32_t *words, unsigned count);
bool ehci_write_words(Ehci *s, uint32_t at, const uint32_t *words, unsigned count);
/* The device with @address at a port that is this controller's; NULL: nobody answers. */
UsbDevice *ehci_find_device(Ehci *s, uint8_t address);
/* Do what the queue head at @at, whose words are @queue, wants; of the periodic list one @once.
 * True: something came of it. */
bool ehci_run_queue(Ehci *s, EhciBudget *left, uint32_t at, uint32_t *queue, bool once);

#endif
