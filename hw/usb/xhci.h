/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A USB host controller with the interface of Intel's xHCI 1.2, of which it has one interrupter and
 * no streams. Sections are of that specification. What the guest gives it
 * to keep, such as the contexts of devices and endpoints, is kept in the guest's memory, and looked
 * at anew each time. Machine lock for everything.
 */
#ifndef HW_USB_XHCI_H
#define HW_USB_XHCI_H

#include "hw/pci/pci.h"
#include "hw/usb/usb-bus.h"
#include "memory/dma.h"
#include "util/timer.h"

#define TYPE_XHCI      "pci-xhci"
#define TYPE_QEMU_XHCI "qemu-xhci"
#define TYPE_NEC_XHCI  "nec-usb-xhci"

#define XHCI_BAR_SIZE      0x4000u
#define XHCI_PORTS_MAX     15u /* of each speed */
#define XHCI_ALL_PORTS_MAX (2 * XHCI_PORTS_MAX)
#define XHCI_SLOTS         64u
#define XHCI_ENDPOINTS     32u /* of a slot: numbers in doorbells and contexts; 0 is none */

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
    XHCI_STS_PCD = 1 << 4,
    XHCI_STS_SRE = 1 << 10,
    XHCI_IMAN_IP = 1 << 0,
    XHCI_IMAN_IE = 1 << 1,
    XHCI_ERDP_BUSY = 1 << 3,
};

/* Transfer request blocks (6.4), of the host's endianness. */
typedef struct XhciTrb {
    uint64_t parameter;
    uint32_t status, control;
} XhciTrb;
enum {
    XHCI_TRB_CYCLE = 1 << 0,
    XHCI_TRB_TOGGLE = 1 << 1,     /* of a link */
    XHCI_TRB_EVENT_DATA = 1 << 2, /* of an event: its parameter is that of an Event Data TRB */
    XHCI_TRB_SHORT = 1 << 2,      /* of a transfer: an event if it is short */
    XHCI_TRB_CHAIN = 1 << 4,
    XHCI_TRB_INTERRUPT = 1 << 5,
    XHCI_TRB_IMMEDIATE = 1 << 6,
    XHCI_TRB_FLAG9 = 1 << 9, /* of commands: what it means depends on the command */
    XHCI_TRB_IN = 1 << 16,   /* of stages of control transfers */
    XHCI_TRB_TYPE_SHIFT = 10,
    XHCI_TRB_TYPE_MASK = 0x3f,
};
enum {
    XHCI_NORMAL = 1,
    XHCI_SETUP_STAGE = 2,
    XHCI_DATA_STAGE = 3,
    XHCI_STATUS_STAGE = 4,
    XHCI_ISOCHRONOUS = 5,
    XHCI_LINK = 6,
    XHCI_EVENT_DATA = 7,
    XHCI_NO_OP = 8,
    XHCI_ENABLE_SLOT = 9,
    XHCI_DISABLE_SLOT = 10,
    XHCI_ADDRESS_DEVICE = 11,
    XHCI_CONFIGURE_ENDPOINT = 12,
    XHCI_EVALUATE_CONTEXT = 13,
    XHCI_RESET_ENDPOINT = 14,
    XHCI_STOP_ENDPOINT = 15,
    XHCI_SET_DEQUEUE = 16,
    XHCI_RESET_DEVICE = 17,
    XHCI_NO_OP_COMMAND = 23,
    XHCI_TRANSFER_EVENT = 32,
    XHCI_COMMAND_COMPLETION = 33,
    XHCI_PORT_CHANGE = 34,
};

typedef enum XhciCode {
    XHCI_SUCCESS = 1,
    XHCI_TRANSACTION_ERROR = 4,
    XHCI_TRB_ERROR = 5,
    XHCI_STALL_ERROR = 6,
    XHCI_NO_SLOTS = 9,
    XHCI_SLOT_NOT_ENABLED = 11,
    XHCI_SHORT_PACKET = 13,
    XHCI_PARAMETER_ERROR = 17,
    XHCI_CONTEXT_STATE_ERROR = 19,
    XHCI_RING_STOPPED = 24,
    XHCI_STOPPED = 26,
} XhciCode;

/* Contexts of slots and endpoints (6.2), of the host's endianness. */
#define XHCI_CONTEXT_WORDS 8u
#define XHCI_CONTEXT_BYTES 32u
enum { XHCI_EP_DISABLED, XHCI_EP_RUNNING, XHCI_EP_HALTED, XHCI_EP_STOPPED, XHCI_EP_ERROR };
enum { XHCI_ISOCHRONOUS_OUT = 1, XHCI_CONTROL_ENDPOINT = 4, XHCI_ISOCHRONOUS_IN = 5 };
enum { XHCI_EP_KIND_SHIFT = 3, XHCI_EP_INTERVAL_SHIFT = 16 };
enum { XHCI_INTERVAL_MAX = 15 }; /* 2 to the power of this, in microframes */
enum { XHCI_SLOT_ENABLED, XHCI_SLOT_DEFAULT, XHCI_SLOT_ADDRESSED, XHCI_SLOT_CONFIGURED };

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
    uint32_t port_news; /* ports of which the guest is to be told when there is room */
    uint64_t slots;     /* a bit for each that is enabled, from 1 on */
    uint64_t contexts[XHCI_SLOTS + 1]; /* of slots: where the guest has them; 0: nowhere yet */
    uint32_t active[XHCI_SLOTS + 1];   /* endpoints whose doorbell was rung: bits by number */
    Timer *later;                      /* to go on with them */
    /* configuration */
    uint32_t p2, p3;
    uint32_t interrupters, slot_count; /* accepted */
    /* wiring */
    MemoryRegion registers;
    UsbBus *bus;
    UsbPort usb_ports[XHCI_PORTS_MAX];
    bool busy, again; /* endpoints are being run; and there is more to do */
    int64_t wake;     /* clock_ns() when an isochronous transfer is due; INT64_MAX: none waits */
} Xhci;
OBJECT_CAST_DEFINE(Xhci, XHCI, TYPE_XHCI)

/* ---- xhci-registers.c ---- */

extern const MemoryRegionOps xhci_register_ops;

/* All is as after power-on; for HCRST, too. */
void xhci_reset_controller(Xhci *s);
/* The interrupt, by what the registers and the function's configuration say now. */
void xhci_update_interrupt(Xhci *s);
/* Do what there is to do: there is room for events, or it runs again. */
void xhci_go_on(Xhci *s);

/* ---- xhci-ports.c ---- */

bool xhci_add_ports(Xhci *s, GError **errp);
void xhci_remove_ports(Xhci *s);
void xhci_reset_ports(Xhci *s);
/* StateTable.post_load, of an Xhci: devices are where its ports say. */
bool xhci_check_ports(void *opaque, GError **errp);
uint32_t xhci_read_port(const Xhci *s, unsigned offset);
void xhci_port_written(Xhci *s, unsigned offset, uint32_t value);
/* Tell the guest of ports, as far as there is room. */
void xhci_tell_ports(Xhci *s);
/* The device at root port @port (from 1 on), or behind hubs there by @route; NULL: none that
 * answers. */
UsbDevice *xhci_device_at(const Xhci *s, unsigned port, uint32_t route);

/* ---- xhci-ring.c ---- */

/* The guest's memory is not where it says: section 4.10.2.6. */
void xhci_host_error(Xhci *s);
/* Does it run, and so the machine? */
bool xhci_runs(const Xhci *s);
/* Read the TRB at *@at, behind links, into @trb, and set *@at and *@cycle to what follows; @place:
 * where it was. False: there is none (yet), or it is nowhere. */
bool xhci_next_trb(Xhci *s, uint64_t *at, bool *cycle, XhciTrb *trb, uint64_t *place);
static inline unsigned xhci_trb_type(const XhciTrb *trb)
{
    return trb->control >> XHCI_TRB_TYPE_SHIFT & XHCI_TRB_TYPE_MASK;
}
/* How many events there is room for, and how many there could ever be. */
unsigned xhci_event_room(Xhci *s, unsigned *most);
/* There is room for it. @event has all but the cycle. */
void xhci_post_event(Xhci *s, XhciTrb event);
/* Interrupt if there are events, and the guest does not look at them. */
void xhci_tell_events(Xhci *s);
/* Carry out what commands there are room for the events of; nothing if the ring does not run. */
void xhci_run_commands(Xhci *s);
/* End the command ring, and tell so by an event. */
void xhci_stop_commands(Xhci *s);

/* ---- xhci-commands.c ---- */

/* Carry out @command. *@slot: the one that it is about. */
XhciCode xhci_carry_out(Xhci *s, const XhciTrb *command, unsigned *slot);
/* Read or write the context with number @n (0: the slot's) of @slot. False: it has none, or it is
 * nowhere. */
bool xhci_read_context(Xhci *s, unsigned slot, unsigned n, uint32_t words[XHCI_CONTEXT_WORDS]);
bool xhci_write_context(Xhci *s, unsigned slot, unsigned n,
                        const uint32_t words[XHCI_CONTEXT_WORDS]);
/* The device of @slot; NULL: none that answers. */
UsbDevice *xhci_slot_device(Xhci *s, unsigned slot);

/* ---- xhci-transfers.c ---- */

void xhci_doorbell(Xhci *s, unsigned slot, unsigned endpoint);
/* Do what there is to do at each endpoint whose doorbell was rung. */
void xhci_run_endpoints(Xhci *s);
/* UsbBusOps.ready, of an Xhci. */
void xhci_ready(void *opaque, UsbDevice *dev, uint8_t address);
/* Tell of the transfer of the endpoint with context @words that was begun, if there is room for
 * that and one more. */
void xhci_tell_stopped(Xhci *s, unsigned slot, unsigned endpoint,
                       const uint32_t words[XHCI_CONTEXT_WORDS]);

#endif
