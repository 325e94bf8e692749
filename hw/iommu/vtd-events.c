/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults that are noted, and the messages that tell of them (VT-d chapters 7 and 6.5.2.11). */
#include "hw/iommu/vtd.h"

#include <inttypes.h>

#include "hw/intc/apic.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/machine-lock.h"

/* Bits of `events`: by the first of the four registers of each. */
enum { EVENT_FAULT = 1 << 0, EVENT_COMPLETION = 1 << 1 };

static const struct {
    unsigned bit, control;
} kinds[] = { { EVENT_FAULT, VTD_FECTL }, { EVENT_COMPLETION, VTD_IECTL } };

void vtd_lock(Vtd *s)
{
    g_mutex_lock(&s->lock);
}

/* Control, data, address, upper address follow each other. */
static void send(Vtd *s, unsigned control)
{
    uint64_t addr = vtd_reg64(s, control + 8);
    uint32_t data = *vtd_reg(s, control + 4);

    if (s->remap_table & VTD_IRTA_EIM) {
        addr |= APIC_MSI_X2APIC;
    }
    apic_deliver_msi(addr, data);
}

static void send_all(Vtd *s, unsigned events)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (events & kinds[i].bit) {
            send(s, kinds[i].control);
        }
    }
}

static unsigned take_events(Vtd *s)
{
    unsigned events = s->events;

    s->events = 0;
    return events;
}

static void drop_sender(Vtd *s)
{
    if (s->sender) {
        g_source_destroy(s->sender);
        g_clear_pointer(&s->sender, g_source_unref);
    }
}

static gboolean send_later(gpointer opaque)
{
    Vtd *s = opaque;
    unsigned events;

    g_mutex_lock(&s->lock);
    drop_sender(s);
    events = take_events(s);
    g_mutex_unlock(&s->lock);
    send_all(s, events);
    return G_SOURCE_REMOVE;
}

void vtd_unlock(Vtd *s)
{
    bool now = s->events && machine_lock_held();
    unsigned events = now ? take_events(s) : 0;

    if (s->events && !s->sender) {
        s->sender = g_idle_source_new();
        g_source_set_priority(s->sender, G_PRIORITY_DEFAULT);
        g_source_set_callback(s->sender, send_later, s, NULL);
        loop_attach(loop_main(), s->sender);
    }
    g_mutex_unlock(&s->lock);
    send_all(s, events);
}

void vtd_drop_events(Vtd *s)
{
    g_mutex_lock(&s->lock);
    drop_sender(s);
    s->events = 0;
    g_mutex_unlock(&s->lock);
}

/* ---- what makes them ---- */

static void raise_event(Vtd *s, unsigned kind)
{
    uint32_t *control = vtd_reg(s, kinds[kind].control);

    if (*control & VTD_EVENT_MASKED) {
        *control |= VTD_EVENT_PENDING;
    } else {
        s->events |= kinds[kind].bit;
    }
}

void vtd_note_error(Vtd *s, uint32_t bits)
{
    uint32_t *status = vtd_reg(s, VTD_FSTS);
    bool first = !(*status & (VTD_FSTS_CLEARED | VTD_FSTS_PENDING));

    *status |= bits;
    if (first) {
        raise_event(s, 0);
    }
}

void vtd_note_fault(Vtd *s, uint16_t source, uint64_t addr, VtdFault why, bool write)
{
    uint32_t *record = vtd_reg(s, VTD_FRCD);

    if (log_enabled(LOG_GUEST_ERROR)) {
        log_printf(TYPE_INTEL_IOMMU ": %02x:%02x.%x was refused at 0x%" PRIx64 ": fault 0x%x\n",
                   source >> 8, PCI_SLOT(source & 0xff), PCI_FUNC(source & 0xff), addr, why);
    }
    if (*vtd_reg(s, VTD_FSTS) & VTD_FSTS_OVERFLOW) {
        return;
    }
    if (record[3] & VTD_FRCD_FAULT) {
        vtd_note_error(s, VTD_FSTS_OVERFLOW);
        return;
    }
    record[0] = (uint32_t)addr;
    record[1] = (uint32_t)(addr >> 32);
    record[2] = source;
    record[3] = VTD_FRCD_FAULT | (write ? 0 : VTD_FRCD_READ) | why;
    vtd_note_error(s, VTD_FSTS_PENDING);
}

void vtd_note_completion(Vtd *s)
{
    uint32_t *status = vtd_reg(s, VTD_ICS);

    if (!(*status & VTD_ICS_COMPLETE)) {
        *status |= VTD_ICS_COMPLETE;
        raise_event(s, 1);
    }
}

void vtd_events_written(Vtd *s)
{
    uint32_t *status = vtd_reg(s, VTD_FSTS);
    const bool due[] = { false, *vtd_reg(s, VTD_ICS) & VTD_ICS_COMPLETE };

    *status &= ~(uint32_t)VTD_FSTS_PENDING;
    *status |= *vtd_reg(s, VTD_FRCD + 12) & VTD_FRCD_FAULT ? VTD_FSTS_PENDING : 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        uint32_t *control = vtd_reg(s, kinds[i].control);
        bool still = i == 0 ? *status & (VTD_FSTS_CLEARED | VTD_FSTS_PENDING) : due[i];

        if (!still) {
            *control &= ~VTD_EVENT_PENDING;
        } else if (*control & VTD_EVENT_PENDING && !(*control & VTD_EVENT_MASKED)) {
            *control &= ~VTD_EVENT_PENDING;
            s->events |= kinds[i].bit;
        }
    }
}
