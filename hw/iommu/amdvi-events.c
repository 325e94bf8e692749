/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The log of events, and the messages that tell of it (section 2.5). */
#include "hw/iommu/amdvi.h"

#include <inttypes.h>
#include <string.h>

#include "hw/pci/pci-cap.h"
#include "memory/dma.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/machine-lock.h"

static const DmaSpace memory = { .as = &address_space_memory };

void amdvi_lock(Amdvi *s)
{
    g_mutex_lock(&s->lock);
}

/* ---- by the machine lock ---- */

/* Is there room for one more? Its place. Locked. */
static bool has_room(Amdvi *s, uint64_t *place)
{
    uint64_t base = *amdvi_reg(s, AMDVI_EVENT_BASE), tail = *amdvi_reg(s, AMDVI_EVENT_TAIL);
    uint32_t size = amdvi_ring_size(base);

    *place = (base & AMDVI_ADDRESS) + tail;
    return tail < size && (tail + AMDVI_RING_ENTRY) % size != *amdvi_reg(s, AMDVI_EVENT_HEAD);
}

/* Locked, but while it writes. Is it told? */
static bool write_event(Amdvi *s, const AmdviEvent *event)
{
    uint64_t *status = amdvi_reg(s, AMDVI_STATUS), *tail = amdvi_reg(s, AMDVI_EVENT_TAIL), place;
    uint64_t words[2] = { GUINT64_TO_LE(event->words[0]), GUINT64_TO_LE(event->words[1]) };
    bool told = *status & AMDVI_EVENT_HAPPENED;

    if (!(*status & AMDVI_EVENTS_RUN)) {
        return false;
    }
    if (!has_room(s, &place)) {
        *status |= AMDVI_EVENT_OVERFLOW;
        *status &= ~(uint64_t)AMDVI_EVENTS_RUN;
    } else {
        g_mutex_unlock(&s->lock);
        dma_write_ram(&memory, place, words, sizeof(words));
        g_mutex_lock(&s->lock);
        *tail = (*tail + AMDVI_RING_ENTRY) % amdvi_ring_size(*amdvi_reg(s, AMDVI_EVENT_BASE));
    }
    *status |= AMDVI_EVENT_HAPPENED;
    return !told && *amdvi_reg(s, AMDVI_CONTROL) & AMDVI_EVENT_INTERRUPT;
}

/* Locked at first, and not at the end. Machine lock. */
static void send_all(Amdvi *s)
{
    bool tells = false;

    while (s->event_count) {
        AmdviEvent event = s->events[0];

        s->event_count--;
        memmove(s->events, s->events + 1, s->event_count * sizeof(event));
        tells |= write_event(s, &event);
    }
    if (s->lost && *amdvi_reg(s, AMDVI_STATUS) & AMDVI_EVENTS_RUN) {
        *amdvi_reg(s, AMDVI_STATUS) |= AMDVI_EVENT_OVERFLOW;
    }
    s->lost = false;
    tells |= s->tells_wait;
    s->tells_wait = false;
    g_mutex_unlock(&s->lock);
    if (tells && s->function) {
        pci_msi_notify(s->function, 0);
    }
}

static void drop_sender(Amdvi *s)
{
    if (s->sender) {
        g_source_destroy(s->sender);
        g_clear_pointer(&s->sender, g_source_unref);
    }
}

static gboolean send_later(gpointer opaque)
{
    Amdvi *s = opaque;

    g_mutex_lock(&s->lock);
    drop_sender(s);
    send_all(s);
    return G_SOURCE_REMOVE;
}

void amdvi_unlock(Amdvi *s)
{
    if (!s->event_count && !s->lost && !s->tells_wait) {
        g_mutex_unlock(&s->lock);
        return;
    }
    if (machine_lock_held()) {
        send_all(s);
        return;
    }
    if (!s->sender) {
        s->sender = g_idle_source_new();
        g_source_set_priority(s->sender, G_PRIORITY_DEFAULT);
        g_source_set_callback(s->sender, send_later, s, NULL);
        loop_attach(loop_main(), s->sender);
    }
    g_mutex_unlock(&s->lock);
}

void amdvi_drop_events(Amdvi *s)
{
    g_mutex_lock(&s->lock);
    drop_sender(s);
    s->event_count = 0;
    s->lost = s->tells_wait = false;
    g_mutex_unlock(&s->lock);
}

/* ---- what makes them ---- */

void amdvi_note(Amdvi *s, AmdviFault why, uint64_t more, uint64_t addr)
{
    if (log_enabled(LOG_GUEST_ERROR)) {
        unsigned source = (uint16_t)more;

        log_printf(TYPE_AMD_IOMMU ": event %u of %02x:%02x.%x at 0x%" PRIx64 "\n", why, source >> 8,
                   PCI_SLOT(source & 0xff), PCI_FUNC(source & 0xff), addr);
    }
    if (s->event_count == AMDVI_EVENTS) {
        s->lost = true;
        return;
    }
    s->events[s->event_count++] =
        (AmdviEvent){ { more | (uint64_t)why << AMDVI_CODE_SHIFT, addr } };
}

void amdvi_note_wait(Amdvi *s)
{
    uint64_t *status = amdvi_reg(s, AMDVI_STATUS);
    bool told = *status & AMDVI_WAIT_HAPPENED;

    *status |= AMDVI_WAIT_HAPPENED;
    s->tells_wait |= !told && *amdvi_reg(s, AMDVI_CONTROL) & AMDVI_WAIT_INTERRUPT;
}
