/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers (section 5): capabilities, operation, ports, runtime, doorbells. */
#include <string.h>

#include "hw/core/dword-registers.h"
#include "hw/pci/pci-msix.h"
#include "hw/usb/xhci.h"
#include "util/clock.h"

#define VERSION  0x0100u
#define FRAME_NS 125000

/* Offsets in the BAR. */
enum {
    CAPLENGTH = 0x00,
    HCSPARAMS1 = 0x04,
    HCCPARAMS1 = 0x10,
    DBOFF = 0x14,
    RTSOFF = 0x18,
    PROTOCOLS = 0x20, /* extended capabilities: one for each speed, of four registers */
    OPERATION = 0x40,
    USBCMD = OPERATION,
    USBSTS = OPERATION + 0x04,
    PAGESIZE = OPERATION + 0x08,
    DNCTRL = OPERATION + 0x14,
    CRCR = OPERATION + 0x18,
    DCBAAP = OPERATION + 0x30,
    CONFIG = OPERATION + 0x38,
    PORTS = OPERATION + 0x400,
    RUNTIME = 0x1000,
    MFINDEX = RUNTIME,
    IMAN = RUNTIME + 0x20,
    IMOD = RUNTIME + 0x24,
    ERSTSZ = RUNTIME + 0x28,
    ERSTBA = RUNTIME + 0x30,
    ERDP = RUNTIME + 0x38,
    DOORBELLS = 0x2000,
};

enum { CRCR_CYCLE = 1 << 0, CRCR_STOP = 1 << 1, CRCR_ABORT = 1 << 2, CRCR_RUNS = 1 << 3 };

/* ---- beginning, interrupts ---- */

void xhci_reset_controller(Xhci *s)
{
    s->usbcmd = s->usbsts = s->dnctrl = s->config = 0;
    s->dcbaap = s->command = 0;
    s->command_cycle = s->command_runs = false;
    s->iman = s->erstsz = 0;
    s->imod = 4000; /* its default: 1 ms */
    s->erstba = s->erdp = 0;
    s->event_next = 0;
    s->event_cycle = true;
    s->saved = false;
    s->slots = 0;
    memset(s->contexts, 0, sizeof(s->contexts));
    memset(s->active, 0, sizeof(s->active));
    timer_del(s->later);
    xhci_reset_ports(s);
    xhci_update_interrupt(s);
}

void xhci_update_interrupt(Xhci *s)
{
    bool level = s->iman & XHCI_IMAN_IP && s->iman & XHCI_IMAN_IE && s->usbcmd & XHCI_CMD_INTE;
    bool messages = pci_msix_enabled(&s->parent);

    if (level && messages) {
        s->iman &= ~(uint32_t)XHCI_IMAN_IP;
        pci_msix_notify(&s->parent, 0);
    }
    pci_set_irq(&s->parent, level && !messages);
}

void xhci_go_on(Xhci *s)
{
    xhci_tell_ports(s);
    xhci_run_commands(s);
    xhci_run_endpoints(s);
    xhci_update_interrupt(s);
}

/* ---- reads ---- */

static uint32_t upper(uint64_t value)
{
    return (uint32_t)(value >> 32);
}

/* USB 2's, then USB 3's ports. */
static uint32_t read_protocol(const Xhci *s, unsigned word)
{
    bool usb3 = word >= 4;
    const uint32_t words[] = {
        2 | (usb3 ? 0x03000000u : 0x02000000u | 4 << 8),
        0x20425355, /* "USB " */
        usb3 ? s->p3 << 8 | (s->p2 + 1) : s->p2 << 8 | 1,
        0,
    };

    return words[word % 4];
}

static uint32_t read_register(void *opaque, unsigned offset)
{
    const Xhci *s = opaque;
    bool runs = s->usbcmd & XHCI_CMD_RUN;
    const struct {
        unsigned offset;
        uint32_t value;
    } registers[] = {
        { CAPLENGTH, VERSION << 16 | OPERATION },
        { HCSPARAMS1, (s->p2 + s->p3) << 24 | 1 << 8 | XHCI_SLOTS },
        { HCCPARAMS1, PROTOCOLS / 4 << 16 | 1 }, /* 64 bits of addresses */
        { DBOFF, DOORBELLS },
        { RTSOFF, RUNTIME },
        { USBCMD, s->usbcmd },
        { USBSTS, s->usbsts | (runs ? 0 : XHCI_STS_HALTED) },
        { PAGESIZE, 1 },
        { DNCTRL, s->dnctrl },
        { CRCR, s->command_runs ? CRCR_RUNS : 0 },
        { DCBAAP, (uint32_t)s->dcbaap },
        { DCBAAP + 4, upper(s->dcbaap) },
        { CONFIG, s->config },
        { MFINDEX, runs ? (uint32_t)(clock_ns() / FRAME_NS) & 0x3fff : 0 },
        { IMAN, s->iman },
        { IMOD, s->imod },
        { ERSTSZ, s->erstsz },
        { ERSTBA, (uint32_t)s->erstba },
        { ERSTBA + 4, upper(s->erstba) },
        { ERDP, (uint32_t)s->erdp },
        { ERDP + 4, upper(s->erdp) },
    };

    if (offset >= PROTOCOLS && offset < OPERATION) {
        return read_protocol(s, (offset - PROTOCOLS) / 4);
    }
    if (offset >= PORTS && offset < RUNTIME) {
        return xhci_read_port(s, offset - PORTS);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        if (registers[i].offset == offset) {
            return registers[i].value;
        }
    }
    return 0;
}

/* ---- writes ---- */

static void set_half(uint64_t *value, unsigned offset, uint32_t half)
{
    unsigned shift = offset & 4 ? 32 : 0;

    *value = (*value & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)half << shift;
}

/* Saving and restoring are done at once. What is not in registers is lost in a reset, and the guest
 * told. */
static void usbcmd_written(Xhci *s, uint32_t value)
{
    if (value & XHCI_CMD_RESET) {
        xhci_reset_controller(s);
        return;
    }
    s->usbcmd = value & (XHCI_CMD_RUN | XHCI_CMD_INTE | XHCI_CMD_HSEE);
    if (value & XHCI_CMD_RUN) {
        s->usbsts &= ~(uint32_t)XHCI_STS_HSE;
        xhci_go_on(s);
    } else {
        s->command_runs = false;
    }
    if (value & XHCI_CMD_SAVE) {
        s->saved = true;
    }
    if (value & XHCI_CMD_RESTORE && !s->saved) {
        s->usbsts |= XHCI_STS_SRE;
    }
}

/* While the ring runs it can only be told to stop. */
static void crcr_written(Xhci *s, unsigned offset, uint32_t value)
{
    if (s->command_runs) {
        if (offset == CRCR && value & (CRCR_STOP | CRCR_ABORT)) {
            xhci_stop_commands(s);
        }
        return;
    }
    if (offset == CRCR) {
        s->command_cycle = value & CRCR_CYCLE;
        value &= ~0x3fu;
    }
    set_half(&s->command, offset, value);
}

static void erdp_written(Xhci *s, unsigned offset, uint32_t value)
{
    uint64_t busy = s->erdp & XHCI_ERDP_BUSY;

    if (offset == ERDP) {
        busy = value & XHCI_ERDP_BUSY ? 0 : busy;
        value &= ~(uint32_t)XHCI_ERDP_BUSY;
    }
    set_half(&s->erdp, offset, value);
    s->erdp = (s->erdp & ~(uint64_t)XHCI_ERDP_BUSY) | busy;
    xhci_tell_events(s);
    xhci_go_on(s);
}

static void runtime_written(Xhci *s, unsigned offset, uint32_t value)
{
    switch (offset) {
    case IMAN:
        s->iman = (s->iman & XHCI_IMAN_IP & ~value) | (value & XHCI_IMAN_IE);
        break;
    case IMOD:
        s->imod = value;
        break;
    case ERSTSZ:
        s->erstsz = value & 0xffff;
        break;
    case ERSTBA:
    case ERSTBA + 4:
        set_half(&s->erstba, offset, offset == ERSTBA ? value & ~0x3fu : value);
        s->event_next = 0;
        s->event_cycle = true;
        break;
    case ERDP:
    case ERDP + 4:
        erdp_written(s, offset, value);
        break;
    default:
        break;
    }
}

static void operation_written(Xhci *s, unsigned offset, uint32_t value)
{
    switch (offset) {
    case USBCMD:
        usbcmd_written(s, value);
        break;
    case USBSTS:
        s->usbsts &= ~(value & (XHCI_STS_HSE | XHCI_STS_EINT | XHCI_STS_PCD | XHCI_STS_SRE));
        break;
    case DNCTRL:
        s->dnctrl = value & 0xffff;
        break;
    case CRCR:
    case CRCR + 4:
        crcr_written(s, offset, value);
        break;
    case DCBAAP:
    case DCBAAP + 4:
        set_half(&s->dcbaap, offset, offset == DCBAAP ? value & ~0x3fu : value);
        break;
    case CONFIG:
        s->config = value & 0x3ff;
        break;
    default:
        break;
    }
}

static void write_register(void *opaque, unsigned offset, uint32_t value)
{
    Xhci *s = opaque;

    if (offset == DOORBELLS) {
        s->command_runs |= s->usbcmd & XHCI_CMD_RUN && !(value & 0xff);
        xhci_run_commands(s);
    } else if (offset > DOORBELLS) {
        xhci_doorbell(s, (offset - DOORBELLS) / 4, value & 0xff);
    } else if (offset >= RUNTIME) {
        runtime_written(s, offset, value);
    } else if (offset >= PORTS) {
        xhci_port_written(s, offset - PORTS, value);
    } else {
        operation_written(s, offset, value);
    }
    xhci_update_interrupt(s);
}

/* ---- accesses ---- */

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    return dword_registers_read(read_register, opaque, addr, size);
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    dword_registers_write(write_register, opaque, addr, value, size);
}

const MemoryRegionOps xhci_register_ops = { registers_read, registers_write, 1, 8 };
