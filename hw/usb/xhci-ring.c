/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings: commands come by one (section 4.6), events go by another, of one segment (4.9.4).
 *
 * A command is begun when there is room for its event, so that the guest's rings bound what is done
 * at once.
 */
#include "hw/core/runstate.h"
#include "hw/usb/xhci.h"
#include "memory/dma.h"

#define SEGMENT_MIN 16u
#define SEGMENT_MAX 4096u
#define LINKS_MAX   16u /* without a command between them: the ring leads nowhere */

typedef struct Trb {
    uint64_t parameter;
    uint32_t status, control;
} Trb;

/* Of Trb.control. */
enum { TRB_CYCLE = 1 << 0, TRB_TOGGLE = 1 << 1 };
enum { TRB_TYPE_SHIFT = 10, TRB_TYPE_MASK = 0x3f };
enum TrbType {
    TRB_LINK = 6,
    TRB_ENABLE_SLOT = 9,
    TRB_DISABLE_SLOT = 10,
    TRB_RESET_DEVICE = 17,
    TRB_NO_OP = 23,
    TRB_COMMAND_COMPLETION = 33,
};

enum CompletionCode {
    CODE_SUCCESS = 1,
    CODE_TRB_ERROR = 5,
    CODE_NO_SLOTS = 9,
    CODE_SLOT_NOT_ENABLED = 11,
    CODE_RING_STOPPED = 24,
};
#define CODE_SHIFT 24

static const DmaSpace space = { .as = &address_space_memory };

static void trb_from_guest(Trb *trb)
{
    trb->parameter = GUINT64_FROM_LE(trb->parameter);
    trb->status = GUINT32_FROM_LE(trb->status);
    trb->control = GUINT32_FROM_LE(trb->control);
}

/* The guest's memory is not where it says: section 4.10.2.6. */
static void host_error(Xhci *s)
{
    s->usbsts |= XHCI_STS_HSE;
    s->usbcmd &= ~(uint32_t)XHCI_CMD_RUN;
    s->command_runs = false;
}

/* ---- events ---- */

/* Where events go: base and entries. False: the guest has not said so, or not well. */
static bool event_segment(Xhci *s, uint64_t *base, uint32_t *entries)
{
    uint64_t entry[2];

    if (!s->erstsz) {
        return false;
    }
    if (!dma_read_ram(&space, s->erstba, entry, sizeof(entry))) {
        host_error(s);
        return false;
    }
    *base = GUINT64_FROM_LE(entry[0]) & ~(uint64_t)0x3f;
    *entries = GUINT64_FROM_LE(entry[1]) & 0xffff;
    return *entries >= SEGMENT_MIN && *entries <= SEGMENT_MAX && s->event_next < *entries;
}

static bool event_room(Xhci *s)
{
    uint64_t base;
    uint32_t entries;

    return event_segment(s, &base, &entries) &&
           (s->event_next + 1) % entries != ((s->erdp & ~(uint64_t)0xf) - base) / sizeof(Trb);
}

void xhci_tell_events(Xhci *s)
{
    uint64_t base;
    uint32_t entries;

    if (s->usbcmd & XHCI_CMD_RUN && !(s->erdp & XHCI_ERDP_BUSY) &&
        event_segment(s, &base, &entries) &&
        base + s->event_next * sizeof(Trb) != (s->erdp & ~(uint64_t)0xf)) {
        s->erdp |= XHCI_ERDP_BUSY;
        s->usbsts |= XHCI_STS_EINT;
        s->iman |= XHCI_IMAN_IP;
    }
    xhci_update_interrupt(s);
}

/* There is room for it. */
static void tell_completion(Xhci *s, uint64_t command, enum CompletionCode code, uint32_t slot)
{
    Trb event = { .parameter = command,
                  .status = (uint32_t)code << CODE_SHIFT,
                  .control = slot << 24 | TRB_COMMAND_COMPLETION << TRB_TYPE_SHIFT |
                             (s->event_cycle ? TRB_CYCLE : 0) };
    uint64_t base;
    uint32_t entries;

    trb_from_guest(&event);
    if (!event_segment(s, &base, &entries)) {
        return;
    }
    if (!dma_write_ram(&space, base + s->event_next * sizeof(Trb), &event, sizeof(event))) {
        host_error(s);
        return;
    }
    s->event_next = (s->event_next + 1) % entries;
    s->event_cycle ^= !s->event_next;
    xhci_tell_events(s);
}

/* ---- commands ---- */

/* Without a device no command has something to do. */
static enum CompletionCode carry_out(unsigned type)
{
    if (type == TRB_NO_OP) {
        return CODE_SUCCESS;
    }
    if (type == TRB_ENABLE_SLOT) {
        return CODE_NO_SLOTS;
    }
    return type >= TRB_DISABLE_SLOT && type <= TRB_RESET_DEVICE ? CODE_SLOT_NOT_ENABLED
                                                                : CODE_TRB_ERROR;
}

static bool can_run(const Xhci *s)
{
    return s->command_runs && s->usbcmd & XHCI_CMD_RUN && runstate_is_running() &&
           pci_can_dma(&s->parent);
}

void xhci_run_commands(Xhci *s)
{
    Trb trb;

    for (unsigned links = 0; links < LINKS_MAX && can_run(s) && event_room(s);) {
        uint64_t at = s->command;

        if (!dma_read_ram(&space, at, &trb, sizeof(trb))) {
            host_error(s);
            break;
        }
        trb_from_guest(&trb);
        if (!(trb.control & TRB_CYCLE) == s->command_cycle) {
            break;
        }
        unsigned type = trb.control >> TRB_TYPE_SHIFT & TRB_TYPE_MASK;
        if (type == TRB_LINK) {
            s->command = trb.parameter & ~(uint64_t)0xf;
            s->command_cycle ^= !!(trb.control & TRB_TOGGLE);
            links++;
            continue;
        }
        links = 0;
        s->command += sizeof(trb);
        tell_completion(s, at, carry_out(type), trb.control >> 24);
    }
}

void xhci_stop_commands(Xhci *s)
{
    if (s->command_runs) {
        s->command_runs = false;
        if (event_room(s)) {
            tell_completion(s, s->command, CODE_RING_STOPPED, 0);
        }
    }
}
