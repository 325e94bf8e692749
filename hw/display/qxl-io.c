/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ports of a QXL card: slots, surfaces, and what the library is to do at once. */
#include <string.h>

#include "hw/display/qxl.h"
#include "util/error.h"
#include "util/log.h"

enum {
    SYNC_BUDGET = 2 * QXL_COMMAND_RING_SIZE, /* commands that are fetched while one waits */
    SURFACE_SIDE_MAX = CONSOLE_SIZE_MAX,
};

/* ---- the library is waited for ---- */

/* It would fetch as long as there are commands, and a guest could go on for ever. */
void qxl_begin_sync(Qxl *s)
{
    g_mutex_lock(&s->lock);
    s->syncs++;
    s->budget = SYNC_BUDGET;
    g_mutex_unlock(&s->lock);
}

void qxl_end_sync(Qxl *s)
{
    g_mutex_lock(&s->lock);
    s->syncs--;
    g_mutex_unlock(&s->lock);
    if (s->instance) {
        spice_qxl_wakeup(s->instance);
    }
}

/* What waits, and what the guest has put into the ring before, is fetched, as far as it is good,
 * before something of it is asked for or destroyed. */
static void settle(Qxl *s)
{
    QXLRect pixel = { .right = 1, .bottom = 1 };

    if (s->instance && s->places[0].memory) {
        qxl_begin_sync(s);
        spice_qxl_update_area(s->instance, 0, &pixel, NULL, 0, 0);
        qxl_end_sync(s);
    }
}

static void fault(Qxl *s, const char *why)
{
    g_mutex_lock(&s->lock);
    qxl_guest_fault(s, why);
    g_mutex_unlock(&s->lock);
}

/* ---- surfaces ---- */

/* One of 5, 6 and 5 bits the library cannot send to clients: it ends the program. */
unsigned qxl_format_bytes(uint32_t format)
{
    switch (format) {
    case SPICE_SURFACE_FMT_8_A:
        return 1;
    case SPICE_SURFACE_FMT_16_555:
        return 2;
    case SPICE_SURFACE_FMT_32_xRGB:
    case SPICE_SURFACE_FMT_32_ARGB:
        return 4;
    default:
        return 0;
    }
}

bool qxl_place_is_good(const Qxl *s, const QxlSurfacePlace *p)
{
    const RamBlock *block = qxl_memory(s, p->memory);
    const unsigned bytes = qxl_format_bytes(p->format);
    const uint64_t stride = (uint64_t)ABS((int64_t)p->stride), size = qxl_place_size(p);

    return block && bytes && p->width && p->height && p->width <= SURFACE_SIDE_MAX &&
           p->height <= SURFACE_SIDE_MAX && stride >= (uint64_t)p->width * bytes &&
           stride % 4 == 0 && stride <= INT32_MAX / 2 && p->offset % 4 == 0 && size <= INT32_MAX &&
           p->offset <= block->size && size <= block->size - p->offset;
}

uint8_t *qxl_place_data(const Qxl *s, const QxlSurfacePlace *p)
{
    return qxl_memory(s, p->memory)->host + p->offset;
}

static bool is_primary_format(const QxlSurfacePlace *p)
{
    return qxl_format_bytes(p->format) >= 2;
}

static void create_primary(Qxl *s, bool async, bool keep)
{
    const QxlSurfacePlace *p = &s->places[0];
    QXLDevSurfaceCreate create = {
        .width = p->width,
        .height = p->height,
        .stride = p->stride,
        .format = p->format,
        .position = s->position,
        .mouse_mode = s->mouse_mode,
        .flags = keep ? QXL_SURF_FLAG_KEEP_DATA : 0,
        .type = QXL_SURF_TYPE_PRIMARY,
        .mem = (uintptr_t)qxl_place_data(s, p),
        .group_id = SPICE_CARD_GROUP,
    };

    s->redraw = true;
    if (async) {
        spice_qxl_create_primary_surface_async(s->instance, 0, &create, s->epoch);
    } else {
        qxl_begin_sync(s);
        spice_qxl_create_primary_surface(s->instance, 0, &create);
        qxl_end_sync(s);
    }
}

/* Not while commands are fetched: the table is changed with the lock. */
static void set_primary(Qxl *s, const QxlSurfacePlace *p, QxlMode mode)
{
    g_mutex_lock(&s->lock);
    s->places[0] = *p;
    s->mode = mode;
    g_mutex_unlock(&s->lock);
}

static bool take_display(Qxl *s)
{
    if (!s->instance) {
        s->instance = spice_card_take(&s->card);
    }
    return s->instance;
}

static bool begin_primary(Qxl *s, bool async)
{
    const QXLSurfaceCreate from = s->header->create_surface;
    QxlSurfacePlace p = {
        .format = from.format, .width = from.width, .height = from.height, .stride = from.stride
    };
    bool good;

    g_mutex_lock(&s->lock);
    good = from.type == QXL_SURF_TYPE_PRIMARY && !s->places[0].memory &&
           qxl_guest(s, from.mem, qxl_place_size(&p), &p.memory, &p.offset) &&
           qxl_place_is_good(s, &p) && is_primary_format(&p);
    g_mutex_unlock(&s->lock);
    if (!good) {
        fault(s, "there can be no such primary surface");
        return false;
    }
    if (!take_display(s)) {
        return false;
    }
    s->mouse_mode = from.mouse_mode != 0;
    s->position = from.position;
    set_primary(s, &p, QXL_MODE_NATIVE);
    create_primary(s, async, from.flags & QXL_SURF_FLAG_KEEP_DATA);
    return async;
}

static bool destroy_primary(Qxl *s, bool async)
{
    static const QxlSurfacePlace none = { 0 };

    if (!s->places[0].memory || !s->instance) {
        return false;
    }
    qxl_draw(s); /* the last picture stays */
    set_primary(s, &none, QXL_MODE_UNDEFINED);
    if (async) {
        spice_qxl_destroy_primary_surface_async(s->instance, 0, s->epoch);
        return true;
    }
    spice_qxl_destroy_primary_surface(s->instance, 0);
    return false;
}

static bool do_create_primary(Qxl *s, uint32_t value, bool async)
{
    return begin_primary(s, async);
}

static bool do_destroy_primary(Qxl *s, uint32_t value, bool async)
{
    return destroy_primary(s, async);
}

static bool do_destroy_surface(Qxl *s, uint32_t id, bool async)
{
    bool there;

    if (!id) {
        return destroy_primary(s, async);
    }
    settle(s);
    g_mutex_lock(&s->lock);
    there = id < s->surfaces && s->places[id].memory && s->instance;
    if (there) { /* the library's own function knows the primary surface alone */
        s->places[id] = (QxlSurfacePlace){ 0 };
        g_queue_push_head(&s->waiting, qxl_make_surface(s, id));
    }
    g_mutex_unlock(&s->lock);
    if (there) {
        spice_qxl_wakeup(s->instance);
        settle(s);
    }
    return false;
}

static bool do_destroy_all(Qxl *s, uint32_t value, bool async)
{
    if (!s->instance) {
        return false;
    }
    if (s->places[0].memory) {
        qxl_draw(s);
    }
    g_mutex_lock(&s->lock);
    memset(s->places, 0, sizeof(s->places));
    s->mode = QXL_MODE_UNDEFINED;
    g_mutex_unlock(&s->lock);
    if (async) {
        spice_qxl_destroy_surfaces_async(s->instance, s->epoch);
        return true;
    }
    spice_qxl_destroy_surfaces(s->instance);
    return false;
}

static bool do_flush_surfaces(Qxl *s, uint32_t value, bool async)
{
    if (!s->instance) {
        return false;
    }
    spice_qxl_flush_surfaces_async(s->instance, s->epoch);
    return true;
}

static bool do_update_area(Qxl *s, uint32_t value, bool async)
{
    const uint32_t id = s->header->update_surface;
    QXLRect area = s->header->update_area;
    bool good;

    settle(s);
    g_mutex_lock(&s->lock);
    good = s->instance && id < s->surfaces && s->places[id].memory && area.left >= 0 &&
           area.top >= 0 && area.left < area.right && area.top < area.bottom &&
           (uint32_t)area.right <= s->places[id].width &&
           (uint32_t)area.bottom <= s->places[id].height;
    g_mutex_unlock(&s->lock);
    if (!good) {
        fault(s, "there is no such area");
        return false;
    }
    if (async) {
        spice_qxl_update_area_async(s->instance, id, &area, 0, s->epoch);
        return true;
    }
    qxl_begin_sync(s);
    spice_qxl_update_area(s->instance, id, &area, NULL, 0, 0);
    qxl_end_sync(s);
    return false;
}

/* ---- heads ---- */

static bool do_monitors(Qxl *s, uint32_t value, bool async)
{
    const uint64_t head = sizeof(QXLMonitorsConfig);
    uint64_t offset, most;
    uint8_t memory;
    const QXLMonitorsConfig *from;
    unsigned count = 0;

    if (!s->places[0].memory) {
        return false;
    }
    g_mutex_lock(&s->lock);
    from = qxl_guest(s, s->header->monitors_config, head, &memory, &offset);
    if (from) {
        most = (qxl_memory(s, memory)->size - offset - head) / sizeof(QXLHead);
        count = from->count;
        count = MIN(count, s->max_outputs ? s->max_outputs : QXL_HEADS_MAX);
        count = (unsigned)MIN(count, MIN(most, QXL_HEADS_MAX));
        *s->monitors =
            (QXLMonitorsConfig){ .count = (uint16_t)count, .max_allowed = from->max_allowed };
        memcpy(s->monitors->heads, from->heads, count * sizeof(QXLHead));
    }
    for (unsigned i = 0; i < count; i++) {
        QXLHead *h = &s->monitors->heads[i];

        h->surface_id = 0;
        h->x = MIN(h->x, s->places[0].width);
        h->y = MIN(h->y, s->places[0].height);
        h->width = MIN(h->width, s->places[0].width - h->x);
        h->height = MIN(h->height, s->places[0].height - h->y);
    }
    g_mutex_unlock(&s->lock);
    if (!from) {
        fault(s, "there are no such heads");
    }
    if (!count) { /* none of them is on yet */
        return false;
    }
    spice_qxl_monitors_config_async(s->instance, (uintptr_t)s->monitors, SPICE_CARD_GROUP,
                                    s->epoch);
    return true;
}

/* ---- slots ---- */

/* A 64-bit bar shows all of the video memory, BAR 1 what is below 4 GiB. */
static bool find_memory(const Qxl *s, uint64_t start, uint64_t end, QxlSlot *slot)
{
    static const struct {
        unsigned bar;
        uint8_t memory;
    } bars[] = { { 0, 1 }, { 1, 2 }, { 4, 2 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(bars); i++) {
        const MemoryRegion *region = s->parent.bars[bars[i].bar].region;
        uint64_t at;

        if (region && pci_bar_address(&s->parent, bars[i].bar, &at) && start >= at &&
            end - at <= region->size) {
            *slot =
                (QxlSlot){ .memory = bars[i].memory, .offset = start - at, .size = end - start };
            return true;
        }
    }
    return false;
}

static bool do_add_slot(Qxl *s, uint32_t n, bool async)
{
    const QXLMemSlot from = s->header->mem_slot;
    QxlSlot slot = { 0 };

    if (n < QXL_SLOTS_FIRST || n >= QXL_SLOTS || from.mem_start >= from.mem_end ||
        !find_memory(s, from.mem_start, from.mem_end, &slot)) {
        fault(s, "there can be no such slot");
        return false;
    }
    g_mutex_lock(&s->lock);
    s->slots[n] = slot;
    g_mutex_unlock(&s->lock);
    return false;
}

static bool do_del_slot(Qxl *s, uint32_t n, bool async)
{
    if (n < QXL_SLOTS) {
        g_mutex_lock(&s->lock);
        s->slots[n] = (QxlSlot){ 0 };
        g_mutex_unlock(&s->lock);
    }
    return false;
}

/* ---- the first revision's modes ---- */

static bool do_set_mode(Qxl *s, uint32_t id, bool async)
{
    QxlSurfacePlace p = { .memory = 1 };
    QXLMode mode;
    uint64_t at;

    if (!qxl_mode(s, id, &mode) || !pci_bar_address(&s->parent, 0, &at)) {
        fault(s, "there is no such mode");
        return false;
    }
    p.format = mode.bits == 16 ? SPICE_SURFACE_FMT_16_555 : SPICE_SURFACE_FMT_32_xRGB;
    p.width = mode.x_res;
    p.height = mode.y_res;
    p.stride = -(int32_t)mode.stride;
    qxl_reset_card(s);
    if (!qxl_place_is_good(s, &p) || !take_display(s)) {
        return false;
    }
    g_mutex_lock(&s->lock);
    s->slots[0] = (QxlSlot){ .memory = 1, .size = s->ram->size, .base = at };
    g_mutex_unlock(&s->lock);
    s->mouse_mode = 1;
    s->position = 0;
    set_primary(s, &p, QXL_MODE_COMPAT);
    s->rom->mode = id;
    create_primary(s, false, false);
    return false;
}

/* ---- the rest ---- */

static bool do_notify(Qxl *s, uint32_t value, bool async)
{
    g_mutex_lock(&s->lock);
    qxl_push_released(s);
    g_mutex_unlock(&s->lock);
    if (s->instance) {
        spice_qxl_wakeup(s->instance);
    }
    return false;
}

static bool do_oom(Qxl *s, uint32_t value, bool async)
{
    do_notify(s, value, async);
    if (s->instance) {
        spice_qxl_oom(s->instance);
    }
    return false;
}

static bool do_update_irq(Qxl *s, uint32_t value, bool async)
{
    qxl_update_irq(s);
    return false;
}

static bool do_flush_release(Qxl *s, uint32_t value, bool async)
{
    g_mutex_lock(&s->lock);
    qxl_push_released(s);
    g_mutex_unlock(&s->lock);
    return false;
}

static bool do_reset(Qxl *s, uint32_t value, bool async)
{
    qxl_reset_card(s);
    return false;
}

static bool do_log(Qxl *s, uint32_t value, bool async)
{
    if (log_enabled(LOG_GUEST_ERROR)) {
        char text[QXL_LOG_BUF_SIZE + 1] = { 0 };

        memcpy(text, s->header->log_buf, QXL_LOG_BUF_SIZE);
        log_printf("qxl: the guest says: %s\n", g_strchomp(text));
    }
    return false;
}

enum {
    ALWAYS = 1 << 0, /* also while the card is no more than a VGA */
    ASYNC = 1 << 1,  /* its end is told by QXL_INTERRUPT_IO_CMD */
    BROKEN = 1 << 2, /* also when the guest has done what makes no sense */
};

/* True: it is under way, and the library says when it is through. */
static const struct {
    bool (*run)(Qxl *s, uint32_t value, bool async);
    unsigned flags;
} commands[QXL_IO_RANGE_SIZE] = {
    [QXL_IO_NOTIFY_CMD] = { do_notify, 0 },
    [QXL_IO_NOTIFY_CURSOR] = { do_notify, 0 },
    [QXL_IO_UPDATE_AREA] = { do_update_area, 0 },
    [QXL_IO_UPDATE_IRQ] = { do_update_irq, ALWAYS | BROKEN },
    [QXL_IO_NOTIFY_OOM] = { do_oom, 0 },
    [QXL_IO_RESET] = { do_reset, ALWAYS | BROKEN },
    [QXL_IO_SET_MODE] = { do_set_mode, ALWAYS },
    [QXL_IO_LOG] = { do_log, ALWAYS | BROKEN },
    [QXL_IO_MEMSLOT_ADD] = { do_add_slot, ALWAYS },
    [QXL_IO_MEMSLOT_DEL] = { do_del_slot, ALWAYS },
    [QXL_IO_CREATE_PRIMARY] = { do_create_primary, ALWAYS },
    [QXL_IO_DESTROY_PRIMARY] = { do_destroy_primary, 0 },
    [QXL_IO_DESTROY_SURFACE_WAIT] = { do_destroy_surface, 0 },
    [QXL_IO_DESTROY_ALL_SURFACES] = { do_destroy_all, 0 },
    [QXL_IO_UPDATE_AREA_ASYNC] = { do_update_area, ASYNC },
    [QXL_IO_MEMSLOT_ADD_ASYNC] = { do_add_slot, ASYNC | ALWAYS },
    [QXL_IO_CREATE_PRIMARY_ASYNC] = { do_create_primary, ASYNC | ALWAYS },
    [QXL_IO_DESTROY_PRIMARY_ASYNC] = { do_destroy_primary, ASYNC },
    [QXL_IO_DESTROY_SURFACE_ASYNC] = { do_destroy_surface, ASYNC },
    [QXL_IO_DESTROY_ALL_SURFACES_ASYNC] = { do_destroy_all, ASYNC },
    [QXL_IO_FLUSH_SURFACES_ASYNC] = { do_flush_surfaces, ASYNC },
    [QXL_IO_FLUSH_RELEASE] = { do_flush_release, 0 },
    [QXL_IO_MONITORS_CONFIG_ASYNC] = { do_monitors, ASYNC },
};

/* One at a time: what ends is not told apart. */
static bool begin_async(Qxl *s)
{
    bool free;

    g_mutex_lock(&s->lock);
    free = !s->async;
    s->async = true;
    if (!free) {
        qxl_guest_fault(s, "a command is under way");
    }
    g_mutex_unlock(&s->lock);
    return free;
}

static void end_async(Qxl *s)
{
    g_mutex_lock(&s->lock);
    s->async = false;
    qxl_tell(s, QXL_INTERRUPT_IO_CMD);
    g_mutex_unlock(&s->lock);
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Qxl *s = opaque;
    unsigned flags;
    bool runs, broken;

    if (addr >= QXL_IO_RANGE_SIZE || !commands[addr].run) {
        return;
    }
    g_mutex_lock(&s->lock);
    broken = s->broken;
    g_mutex_unlock(&s->lock);
    flags = commands[addr].flags;
    runs = (flags & ALWAYS || s->mode != QXL_MODE_VGA) && (flags & BROKEN || !broken);
    if (!(flags & ASYNC)) {
        if (runs) {
            commands[addr].run(s, (uint32_t)value, false);
        }
    } else if (begin_async(s) && !(runs && commands[addr].run(s, (uint32_t)value, true))) {
        end_async(s);
    }
}

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0xff;
}

const MemoryRegionOps qxl_io_ops = { io_read, io_write, 1, 4 };

/* ---- all of it ---- */

static void drop_waiting(Qxl *s)
{
    QxlCommand *command;

    while ((command = g_queue_pop_head(&s->waiting))) {
        qxl_free_command(s, command);
    }
}

void qxl_reset_card(Qxl *s)
{
    g_mutex_lock(&s->lock);
    s->epoch++;
    s->mode = QXL_MODE_VGA;
    s->broken = s->async = s->chained = false;
    memset(s->places, 0, sizeof(s->places));
    memset(s->slots, 0, sizeof(s->slots));
    g_clear_pointer(&s->cursor, g_bytes_unref);
    s->cursor_set = false;
    s->cursor_x = s->cursor_y = 0;
    drop_waiting(s);
    g_mutex_unlock(&s->lock);
    if (s->instance) {
        spice_card_give_back(&s->card);
        s->instance = NULL;
        if (s->vga.screen.surface) {
            screen_off(&s->vga.screen);
        }
        console_define_cursor(s->vga.screen.console, NULL);
    }
    s->vga.redraw = true;
    g_mutex_lock(&s->lock);
    qxl_init_rom(s);
    qxl_init_header(s);
    g_mutex_unlock(&s->lock);
    qxl_update_irq(s);
}

void qxl_flush(Qxl *s)
{
    if (!s->instance) {
        return;
    }
    qxl_begin_sync(s);
    for (uint32_t id = 0; id < s->surfaces; id++) {
        const QxlSurfacePlace *p = &s->places[id];
        QXLRect all = { .right = (int32_t)p->width, .bottom = (int32_t)p->height };

        if (p->memory) {
            spice_qxl_update_area(s->instance, id, &all, NULL, 0, 0);
        }
    }
    qxl_end_sync(s);
}

static bool slots_are_good(const Qxl *s)
{
    for (unsigned i = 0; i < QXL_SLOTS; i++) {
        const QxlSlot *slot = &s->slots[i];
        const RamBlock *block = qxl_memory(s, slot->memory);

        if (slot->memory &&
            (!block || slot->offset > block->size || slot->size > block->size - slot->offset)) {
            return false;
        }
    }
    return true;
}

static bool chain_is_good(const Qxl *s)
{
    const RamBlock *block = qxl_memory(s, s->chain_memory);

    return !s->chained || (block && s->chain_offset <= block->size &&
                           sizeof(QXLReleaseInfo) <= block->size - s->chain_offset);
}

static bool places_are_good(const Qxl *s)
{
    const bool draws = s->mode == QXL_MODE_NATIVE || s->mode == QXL_MODE_COMPAT;

    if (draws != (s->places[0].memory != 0) || (draws && !is_primary_format(&s->places[0]))) {
        return false;
    }
    for (unsigned i = 0; i < QXL_SURFACES_MAX; i++) {
        if (s->places[i].memory &&
            (i >= s->surfaces || s->mode == QXL_MODE_VGA || !qxl_place_is_good(s, &s->places[i]))) {
            return false;
        }
    }
    return true;
}

/* Another display was taken, or given back, before. */
static void leave(Qxl *s)
{
    if (s->instance) {
        spice_card_give_back(&s->card);
        s->instance = NULL;
    }
    drop_waiting(s);
}

bool qxl_restore(Qxl *s, GError **errp)
{
    QxlCommand *cursor;

    leave(s);
    s->epoch++;
    s->vga.redraw = s->redraw = true;
    if (!slots_are_good(s) || !chain_is_good(s) || !places_are_good(s)) {
        memset(s->places, 0, sizeof(s->places));
        memset(s->slots, 0, sizeof(s->slots));
        s->mode = QXL_MODE_VGA;
        s->chained = false;
        g_clear_pointer(&s->cursor, g_bytes_unref);
        error_set(errp, "a slot or a surface of a QXL card is not in its memory");
        return false;
    }
    if (s->mode == QXL_MODE_VGA) { /* which has no pointer, whatever the stream says */
        g_clear_pointer(&s->cursor, g_bytes_unref);
        return true;
    }
    if (!take_display(s)) {
        g_clear_pointer(&s->cursor, g_bytes_unref);
        error_set(errp, "a QXL card has no SPICE server that draws");
        return false;
    }
    g_mutex_lock(&s->lock);
    for (uint32_t id = 1; id < s->surfaces; id++) {
        if (s->places[id].memory) {
            g_queue_push_tail(&s->waiting, qxl_make_surface(s, id));
        }
    }
    cursor = qxl_make_cursor(s);
    if (cursor) {
        g_queue_push_tail(&s->waiting, cursor);
    } else {
        g_clear_pointer(&s->cursor, g_bytes_unref);
    }
    s->cursor_new = s->cursor_moved = true;
    g_mutex_unlock(&s->lock);
    if (s->places[0].memory) {
        create_primary(s, false, true);
    }
    spice_qxl_wakeup(s->instance);
    qxl_show_cursor(s);
    return true;
}
