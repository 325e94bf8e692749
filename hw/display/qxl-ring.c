/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings that a QXL card shares with its guest, and what the library asks for on its own thread.
 *
 * A command's memory is given back as soon as it is copied; but for that which destroys a surface:
 * then the guest has the surface's memory back as well, and the library must be through with it.
 */
#include <string.h>

#include "hw/display/qxl.h"
#include "util/log.h"

#define GIVEN_MAX ((size_t)256 << 20) /* bytes of copies, and pixels that are still to be drawn */

enum { DROPPED_MAX = QXL_COMMAND_RING_SIZE }; /* commands in a row that are nothing */

/* ---- the main thread is told ---- */

static gboolean ring_bell(gpointer opaque)
{
    Qxl *s = opaque;
    bool oom, goes_on, cursor;

    g_mutex_lock(&s->lock);
    s->bell = 0;
    oom = s->wants_oom && s->instance;
    goes_on = s->goes_on && s->instance;
    s->wants_oom = s->goes_on = s->rests = false;
    cursor = s->cursor_moved;
    g_mutex_unlock(&s->lock);
    if (oom) {
        spice_qxl_oom(s->instance);
    }
    if (goes_on) {
        spice_qxl_wakeup(s->instance);
    }
    if (cursor) {
        qxl_show_cursor(s);
    }
    qxl_update_irq(s);
    return G_SOURCE_REMOVE;
}

static void want_bell(Qxl *s)
{
    if (!s->bell) {
        s->bell = g_idle_add_full(G_PRIORITY_DEFAULT, ring_bell, s, NULL);
    }
}

void qxl_cancel_bell(Qxl *s)
{
    if (s->bell) {
        g_source_remove(s->bell);
        s->bell = 0;
    }
}

void qxl_tell(Qxl *s, uint32_t events)
{
    __atomic_fetch_or(&s->header->int_pending, events, __ATOMIC_SEQ_CST);
    want_bell(s);
}

void qxl_update_irq(Qxl *s)
{
    uint32_t pending;

    if (!s->header) {
        return;
    }
    pending = __atomic_load_n(&s->header->int_pending, __ATOMIC_SEQ_CST);
    pci_set_irq(&s->parent,
                (pending & __atomic_load_n(&s->header->int_mask, __ATOMIC_SEQ_CST)) != 0);
}

void qxl_guest_fault(Qxl *s, const char *why)
{
    if (!s->broken) {
        s->broken = true;
        if (log_enabled(LOG_GUEST_ERROR)) {
            log_printf("qxl: %s\n", why);
        }
        qxl_tell(s, QXL_INTERRUPT_ERROR);
    }
}

/* ---- what is given back ---- */

static QXLReleaseInfo *chain_end(const Qxl *s)
{
    return s->chained ? (QXLReleaseInfo *)(qxl_memory(s, s->chain_memory)->host + s->chain_offset)
                      : NULL;
}

static void set_free_place(Qxl *s, uint64_t id)
{
    QXLReleaseRing *ring = &s->header->release_ring;

    ring->items[ring->prod % QXL_RELEASE_RING_SIZE].el = id;
}

void qxl_push_released(Qxl *s)
{
    QXLReleaseRing *ring = &s->header->release_ring;
    uint32_t prod;

    /* The place behind what the guest has is the one of the next chain: one always stays free. */
    if (!s->chained || ring->prod - ring->cons >= QXL_RELEASE_RING_SIZE - 1) {
        return;
    }
    s->chained = false;
    prod = ring->prod + 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    ring->prod = prod;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    set_free_place(s, 0);
    if (prod == ring->notify_on_prod) {
        qxl_tell(s, QXL_INTERRUPT_DISPLAY);
    }
}

/* What is given back is a list, from the ring's place on through the guest's memory. */
static void give_back(Qxl *s, uint8_t memory, uint64_t offset, uint64_t id)
{
    QXLReleaseInfo *info = (QXLReleaseInfo *)(qxl_memory(s, memory)->host + offset);
    QXLReleaseInfo *last = chain_end(s);

    info->next = 0;
    if (last) {
        last->next = id;
    } else {
        set_free_place(s, id);
    }
    s->chained = true;
    s->chain_memory = memory;
    s->chain_offset = offset;
    qxl_push_released(s);
}

static void release(void *opaque, uint64_t id)
{
    Qxl *s = opaque;
    QxlCommand *command = (QxlCommand *)(uintptr_t)id;

    g_mutex_lock(&s->lock);
    if (command->memory && command->epoch == s->epoch) {
        give_back(s, command->memory, command->offset, command->guest_id);
    }
    qxl_free_command(s, command);
    if (s->oom_asked) { /* it gives back some at a time: perhaps it has to be asked again */
        s->oom_asked = s->wants_oom = s->given > GIVEN_MAX;
        s->goes_on |= !s->oom_asked;
        want_bell(s);
    }
    g_mutex_unlock(&s->lock);
}

/* ---- what is fetched ---- */

typedef struct Ring {
    uint32_t *prod, *cons, *notify_prod, *notify_cons;
    const uint8_t *items;
    uint32_t event;
} Ring;

/* Both are of the same shape. */
static Ring ring_at(Qxl *s, size_t offset, uint32_t event)
{
    uint8_t *at = (uint8_t *)s->header + offset;

    return (Ring){
        (uint32_t *)(at + offsetof(QXLCommandRing, prod)),
        (uint32_t *)(at + offsetof(QXLCommandRing, cons)),
        (uint32_t *)(at + offsetof(QXLCommandRing, notify_on_prod)),
        (uint32_t *)(at + offsetof(QXLCommandRing, notify_on_cons)),
        at + offsetof(QXLCommandRing, items),
        event,
    };
}

static Ring command_ring(Qxl *s)
{
    return ring_at(s, offsetof(QXLRam, cmd_ring), QXL_INTERRUPT_DISPLAY);
}

static Ring cursor_ring(Qxl *s)
{
    return ring_at(s, offsetof(QXLRam, cursor_ring), QXL_INTERRUPT_CURSOR);
}

static uint32_t load(const uint32_t *at)
{
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static bool is_drawing(const Qxl *s)
{
    return (s->mode == QXL_MODE_NATIVE || s->mode == QXL_MODE_COMPAT) && !s->broken && !s->stopped;
}

/* Take the next one off the ring; false: there is none, or not now. */
static bool pop(Qxl *s, const Ring *r, QXLCommand *command)
{
    const uint32_t cons = load(r->cons), count = load(r->prod) - cons;

    if (!count || !is_drawing(s) || s->rests) {
        return false;
    }
    if (count > QXL_COMMAND_RING_SIZE) {
        qxl_guest_fault(s, "a ring has more commands than places");
        return false;
    }
    if (s->given > GIVEN_MAX && !s->oom_asked) {
        s->oom_asked = s->wants_oom = true;
        want_bell(s);
    }
    if (s->given > GIVEN_MAX || (s->syncs && !s->budget)) {
        return false;
    }
    s->budget -= s->syncs != 0;
    memcpy(command, r->items + cons % QXL_COMMAND_RING_SIZE * sizeof(QXLCommandRing_ring_el),
           sizeof(*command));
    __atomic_store_n(r->cons, cons + 1, __ATOMIC_SEQ_CST);
    if (cons + 1 == load(r->notify_cons)) {
        qxl_tell(s, r->event);
    }
    return true;
}

/* Everything but what destroys surfaces goes back at once. */
static void give_back_early(Qxl *s, QxlCommand *command)
{
    const QXLSurfaceCmd *cmd = (const QXLSurfaceCmd *)(uintptr_t)command->ext.cmd.data;

    if (command->ext.cmd.type == QXL_CMD_SURFACE && cmd->type == QXL_SURFACE_CMD_DESTROY) {
        return;
    }
    give_back(s, command->memory, command->offset, command->guest_id);
    command->memory = 0;
}

/* A guest could go on for ever with what is nothing: after some, others have the lock, and the main
 * thread has the library come again. */
static bool get(Qxl *s, const Ring *r, bool cursors, QXLCommandExt *ext)
{
    QXLCommand from;

    for (unsigned dropped = 0; pop(s, r, &from); dropped++) {
        const char *why = NULL;
        QxlCommand *command = NULL;

        if ((from.type == QXL_CMD_CURSOR) == cursors) {
            command = qxl_copy_command(s, &from, s->mode == QXL_MODE_COMPAT, &why);
        } else {
            why = "a command is in the wrong ring";
        }
        if (!command) {
            qxl_guest_fault(s, why);
            return false;
        }
        give_back_early(s, command);
        if (s->cursor_moved) {
            want_bell(s);
        }
        if (command->ext.cmd.type != QXL_CMD_NOP) {
            *ext = command->ext;
            return true;
        }
        qxl_free_command(s, command);
        if (dropped == DROPPED_MAX) {
            s->rests = s->goes_on = true;
            want_bell(s);
            return false;
        }
    }
    return false;
}

static bool get_command(void *opaque, QXLCommandExt *ext)
{
    Qxl *s = opaque;
    const Ring r = command_ring(s);
    const QxlCommand *first;
    bool found;

    g_mutex_lock(&s->lock);
    first = g_queue_peek_head(&s->waiting);
    found = first && first->ext.cmd.type != QXL_CMD_CURSOR;
    if (found) {
        *ext = first->ext;
        g_queue_pop_head(&s->waiting);
    } else {
        found = get(s, &r, false, ext);
    }
    g_mutex_unlock(&s->lock);
    return found;
}

static bool get_cursor(void *opaque, QXLCommandExt *ext)
{
    Qxl *s = opaque;
    const Ring r = cursor_ring(s);
    const QxlCommand *last;
    bool found;

    g_mutex_lock(&s->lock);
    last = g_queue_peek_tail(&s->waiting);
    found = last && last->ext.cmd.type == QXL_CMD_CURSOR;
    if (found) {
        *ext = last->ext;
        g_queue_pop_tail(&s->waiting);
    } else {
        found = get(s, &r, true, ext);
    }
    g_mutex_unlock(&s->lock);
    return found;
}

/* The guest is to say so when there is one; false: there is. */
static bool wait_for(Qxl *s, const Ring *r)
{
    bool none;

    g_mutex_lock(&s->lock);
    none = !is_drawing(s) || s->syncs || s->rests;
    if (!none) {
        __atomic_store_n(r->notify_prod, load(r->cons) + 1, __ATOMIC_SEQ_CST);
        none = load(r->prod) == load(r->cons) || s->given > GIVEN_MAX;
    }
    g_mutex_unlock(&s->lock);
    return none;
}

static bool wait_command(void *opaque)
{
    const Ring r = command_ring(opaque);

    return wait_for(opaque, &r);
}

static bool wait_cursor(void *opaque)
{
    const Ring r = cursor_ring(opaque);

    return wait_for(opaque, &r);
}

/* ---- what the library tells ---- */

static void notify_update(void *opaque, uint32_t id)
{
    Qxl *s = opaque;

    g_mutex_lock(&s->lock);
    s->rom->update_id = id;
    qxl_tell(s, QXL_INTERRUPT_DISPLAY);
    g_mutex_unlock(&s->lock);
}

static void async_complete(void *opaque, uint64_t cookie)
{
    Qxl *s = opaque;

    g_mutex_lock(&s->lock);
    if ((uint32_t)cookie == s->epoch && s->async) {
        s->async = false;
        qxl_tell(s, QXL_INTERRUPT_IO_CMD);
    }
    g_mutex_unlock(&s->lock);
}

static void client(void *opaque, bool present, const uint8_t caps[SPICE_CAPABILITIES_SIZE])
{
    Qxl *s = opaque;

    g_mutex_lock(&s->lock);
    if (s->rom) {
        s->rom->client_present = present;
        memcpy(s->rom->client_capabilities, caps, sizeof(s->rom->client_capabilities));
        if (s->revision >= QXL_REVISION_STABLE_V12) {
            qxl_tell(s, QXL_INTERRUPT_CLIENT);
        }
    }
    g_mutex_unlock(&s->lock);
}

static bool monitors(void *opaque, const VDAgentMonitorsConfig *config)
{
    return qxl_client_monitors(opaque, config);
}

static void lost(void *opaque)
{
    Qxl *s = opaque;

    s->instance = NULL;
    s->mode = QXL_MODE_UNDEFINED;
    memset(s->places, 0, sizeof(s->places));
}

const SpiceCardOps qxl_card_ops = {
    .get_command = get_command,
    .get_cursor = get_cursor,
    .wait_command = wait_command,
    .wait_cursor = wait_cursor,
    .release = release,
    .notify_update = notify_update,
    .async_complete = async_complete,
    .client = client,
    .monitors = monitors,
    .lost = lost,
};
