/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings: commands come by one (section 4.6), events go by another, of one segment (4.9.4).
 *
 * A command is begun when there is room for its event, so that the guest's rings bound what is done
 * at once.
 */
#include "hw/core/runstate.h"
#include "hw/usb/xhci.h"

#define SEGMENT_MIN 16u
#define SEGMENT_MAX 4096u
#define LINKS_MAX   16u /* without a command between them: the ring leads nowhere */
#define CODE_SHIFT  24

static void trb_from_guest(XhciTrb *trb)
{
    trb->parameter = GUINT64_FROM_LE(trb->parameter);
    trb->status = GUINT32_FROM_LE(trb->status);
    trb->control = GUINT32_FROM_LE(trb->control);
}

void xhci_host_error(Xhci *s)
{
    s->usbsts |= XHCI_STS_HSE;
    s->usbcmd &= ~(uint32_t)XHCI_CMD_RUN;
    s->command_runs = false;
}

bool xhci_runs(const Xhci *s)
{
    return s->usbcmd & XHCI_CMD_RUN && runstate_is_running() && pci_can_dma(&s->parent);
}

/* ---- events ---- */

/* Where events go: base and entries. False: the guest has not said so, or not well. */
static bool event_segment(Xhci *s, uint64_t *base, uint32_t *entries)
{
    uint64_t entry[2];

    if (!s->erstsz) {
        return false;
    }
    if (!dma_read_ram(&s->parent.dma, s->erstba, entry, sizeof(entry))) {
        xhci_host_error(s);
        return false;
    }
    *base = GUINT64_FROM_LE(entry[0]) & ~(uint64_t)0x3f;
    *entries = GUINT64_FROM_LE(entry[1]) & 0xffff;
    return *entries >= SEGMENT_MIN && *entries <= SEGMENT_MAX && s->event_next < *entries;
}

/* A guest that reads beside its segment gets no more. */
unsigned xhci_event_room(Xhci *s, unsigned *most)
{
    uint64_t base, dequeue;
    uint32_t entries;

    if (!event_segment(s, &base, &entries)) {
        return 0;
    }
    if (most) {
        *most = entries - 1;
    }
    dequeue = ((s->erdp & ~(uint64_t)0xf) - base) / sizeof(XhciTrb);
    return dequeue < entries ? (unsigned)((dequeue + entries - s->event_next - 1) % entries) : 0;
}

void xhci_tell_events(Xhci *s)
{
    uint64_t base;
    uint32_t entries;

    if (s->usbcmd & XHCI_CMD_RUN && !(s->erdp & XHCI_ERDP_BUSY) &&
        event_segment(s, &base, &entries) &&
        base + s->event_next * sizeof(XhciTrb) != (s->erdp & ~(uint64_t)0xf)) {
        s->erdp |= XHCI_ERDP_BUSY;
        s->usbsts |= XHCI_STS_EINT;
        s->iman |= XHCI_IMAN_IP;
    }
    xhci_update_interrupt(s);
}

void xhci_post_event(Xhci *s, XhciTrb event)
{
    uint64_t base;
    uint32_t entries;

    event.control |= s->event_cycle ? XHCI_TRB_CYCLE : 0;
    trb_from_guest(&event);
    if (!event_segment(s, &base, &entries)) {
        return;
    }
    if (!dma_write_ram(&s->parent.dma, base + s->event_next * sizeof(XhciTrb), &event,
                       sizeof(event))) {
        xhci_host_error(s);
        return;
    }
    s->event_next = (s->event_next + 1) % entries;
    s->event_cycle ^= !s->event_next;
    xhci_tell_events(s);
}

/* ---- what the guest gives ---- */

bool xhci_next_trb(Xhci *s, uint64_t *at, bool *cycle, XhciTrb *trb, uint64_t *place)
{
    for (unsigned links = 0; links < LINKS_MAX; links++) {
        *place = *at;
        if (!dma_read_ram(&s->parent.dma, *at, trb, sizeof(*trb))) {
            xhci_host_error(s);
            return false;
        }
        trb_from_guest(trb);
        if (!(trb->control & XHCI_TRB_CYCLE) == *cycle) {
            return false;
        }
        if (xhci_trb_type(trb) != XHCI_LINK) {
            *at += sizeof(*trb);
            return true;
        }
        *at = trb->parameter & ~(uint64_t)0xf;
        *cycle ^= !!(trb->control & XHCI_TRB_TOGGLE);
    }
    return false;
}

/* ---- commands ---- */

static void tell_completion(Xhci *s, uint64_t command, XhciCode code, unsigned slot)
{
    xhci_post_event(s, (XhciTrb){ command, (uint32_t)code << CODE_SHIFT,
                                  slot << 24 | XHCI_COMMAND_COMPLETION << XHCI_TRB_TYPE_SHIFT });
}

void xhci_run_commands(Xhci *s)
{
    XhciTrb trb;
    uint64_t place;

    while (s->command_runs && xhci_runs(s) && xhci_event_room(s, NULL)) {
        if (!xhci_next_trb(s, &s->command, &s->command_cycle, &trb, &place)) {
            break;
        }
        unsigned slot = trb.control >> 24;
        XhciCode code = xhci_carry_out(s, &trb, &slot);

        if (s->usbcmd & XHCI_CMD_RUN) {
            tell_completion(s, place, code, slot);
        }
    }
}

void xhci_stop_commands(Xhci *s)
{
    if (s->command_runs) {
        s->command_runs = false;
        if (xhci_event_room(s, NULL)) {
            tell_completion(s, s->command, XHCI_RING_STOPPED, 0);
        }
    }
}
