/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Consoles as displays of SPICE. Each is an interface like a graphics card's, with one surface: the
 * library's thread fetches commands, which draw the pixels that changed, and gives back what it
 * does not need any more.
 *
 * While it does not fetch, as its clients are slow, what changes becomes one rectangle around all
 * of it, and no more memory is used than for a few commands. The same is so while it has a few
 * pictures' worth of what it has fetched: it keeps each command of which something is still seen,
 * and is asked to draw them itself then.
 *
 * Commands wait in lists below a lock of the display, which is taken last.
 */
#include <string.h>

#include "ui/console.h"
#include "ui/spice-card.h"
#include "ui/spice-internal.h"

enum {
    COMMANDS_MAX = 4, /* that wait */
    RETRY_MS = 20,
    SPARE = 0x10000, /* bytes behind a surface */
    GIVEN_MIN = 32 << 20,
    GIVEN_PICTURES = 4,
    GROUPS = 2, /* of addresses: the display's own commands, and a card's (SPICE_CARD_GROUP) */
};

typedef struct Display {
    SpiceServer *server;
    Console *console;
    ConsoleListener listener;
    QXLInstance qxl;
    bool watched;
    bool created;            /* the surface */
    unsigned width, height;  /* of it */
    uint8_t *surface;        /* owned */
    pixman_region32_t dirty; /* not drawn yet */
    guint retry;             /* draws it; 0: not asked for */
    uint32_t unique;         /* counts pictures */
    GMutex lock;
    GQueue draws, cursors;  /* of Command; below the lock, as is the next one */
    size_t given;           /* bytes of pixels that are there and with the library */
    bool taken;             /* by the card: its commands, not those of the lists */
    struct SpiceCard *card; /* NULL: the console's device is none */
} Display;

/* What the library is given, freed when it is through with it. */
typedef struct Command {
    QXLReleaseInfo *info;
    QXLCommandExt ext;
    union {
        struct {
            QXLDrawable drawable;
            QXLImage image;
        };
        QXLCursorCmd cursor;
    };
    void *data;  /* pixels, or a QXLCursor; owned */
    size_t size; /* of pixels */
} Command;

static GPtrArray *displays;
static SpiceServer *the_server;
static bool watched_now;
static bool cards_only; /* nobody can look at the others */

static Display *display_of(QXLInstance *qxl)
{
    return (Display *)((char *)qxl - offsetof(Display, qxl));
}

/* With the lock. */
static void free_command(Display *d, Command *command)
{
    d->given -= command->size;
    g_free(command->data);
    g_free(command);
}

static void push(Display *d, GQueue *queue, Command *command, uint32_t type, void *what,
                 QXLReleaseInfo *info)
{
    info->id = (uintptr_t)command;
    command->ext.cmd.type = type;
    command->ext.cmd.data = (uintptr_t)what;
    g_mutex_lock(&d->lock);
    g_queue_push_tail(queue, command);
    d->given += command->size;
    g_mutex_unlock(&d->lock);
    spice_qxl_wakeup(&d->qxl);
}

/* ---- pictures ---- */

static void draw(Display *d, const pixman_box32_t *box)
{
    Command *c = g_new0(Command, 1);
    const unsigned width = (unsigned)(box->x2 - box->x1), height = (unsigned)(box->y2 - box->y1);
    pixman_image_t *from = console_surface(d->console);
    const uint8_t *pixels = (const uint8_t *)pixman_image_get_data(from);
    const size_t stride = (size_t)pixman_image_get_stride(from);
    QXLDrawable *drawable = &c->drawable;
    const QXLRect rect = { .left = box->x1, .top = box->y1, .right = box->x2, .bottom = box->y2 };

    c->size = 4 * (size_t)width * height;
    c->data = g_malloc(c->size);
    for (unsigned y = 0; y < height; y++) {
        memcpy((uint8_t *)c->data + 4 * (size_t)width * y,
               pixels + stride * ((unsigned)box->y1 + y) + 4 * (size_t)box->x1, 4 * (size_t)width);
    }
    QXL_SET_IMAGE_ID(&c->image, QXL_IMAGE_GROUP_DEVICE, d->unique++);
    c->image.descriptor.type = SPICE_IMAGE_TYPE_BITMAP;
    c->image.descriptor.width = width;
    c->image.descriptor.height = height;
    c->image.bitmap.format = SPICE_BITMAP_FMT_32BIT;
    c->image.bitmap.flags = QXL_BITMAP_DIRECT | QXL_BITMAP_TOP_DOWN;
    c->image.bitmap.x = width;
    c->image.bitmap.y = height;
    c->image.bitmap.stride = 4 * width;
    c->image.bitmap.data = (uintptr_t)c->data;
    drawable->bbox = rect;
    drawable->clip.type = SPICE_CLIP_TYPE_NONE;
    drawable->effect = QXL_EFFECT_OPAQUE;
    drawable->type = QXL_DRAW_COPY;
    for (unsigned i = 0; i < G_N_ELEMENTS(drawable->surfaces_dest); i++) {
        drawable->surfaces_dest[i] = -1;
    }
    drawable->u.copy.rop_descriptor = SPICE_ROPD_OP_PUT;
    drawable->u.copy.src_bitmap = (uintptr_t)&c->image;
    drawable->u.copy.src_area.right = (int)width;
    drawable->u.copy.src_area.bottom = (int)height;
    push(d, &d->draws, c, QXL_CMD_DRAW, drawable, &drawable->release_info);
}

/* Has the library enough, or as much as waits for it? */
static bool is_full(Display *d)
{
    const size_t most = MAX(GIVEN_MIN, GIVEN_PICTURES * 4 * (size_t)d->width * d->height);

    g_mutex_lock(&d->lock);
    const bool waits = d->draws.length >= COMMANDS_MAX, keeps = d->given >= most;
    g_mutex_unlock(&d->lock);
    if (keeps) {
        spice_qxl_oom(&d->qxl);
    }
    return waits || keeps;
}

static void draw_dirty(Display *d);

static gboolean retry(gpointer opaque)
{
    Display *d = opaque;

    d->retry = 0;
    draw_dirty(d);
    return G_SOURCE_REMOVE;
}

static void draw_dirty(Display *d)
{
    if (!d->created || !pixman_region32_not_empty(&d->dirty)) {
        return;
    }
    if (is_full(d)) {
        if (!d->retry) {
            d->retry = g_timeout_add(RETRY_MS, retry, d);
        }
        return;
    }
    draw(d, pixman_region32_extents(&d->dirty));
    pixman_region32_clear(&d->dirty);
}

static void update(void *opaque, Console *console, unsigned x, unsigned y, unsigned width,
                   unsigned height)
{
    Display *d = opaque;

    pixman_region32_union_rect(&d->dirty, &d->dirty, (int)x, (int)y, width, height);
    draw_dirty(d);
}

static void drop(Display *d, GQueue *queue)
{
    Command *command;

    g_mutex_lock(&d->lock);
    while ((command = g_queue_pop_head(queue))) {
        free_command(d, command);
    }
    g_mutex_unlock(&d->lock);
}

static void destroy_surface(Display *d)
{
    if (d->created) {
        drop(d, &d->draws);
        spice_qxl_destroy_primary_surface(&d->qxl, 0);
        d->created = false;
        g_clear_pointer(&d->surface, g_free);
    }
}

static void create_surface(Display *d)
{
    const size_t size = 4 * (size_t)d->width * d->height + SPARE;
    QXLDevSurfaceCreate create = {
        .width = d->width,
        .height = d->height,
        .stride = -(int32_t)(4 * d->width), /* the first row is at the top */
        .format = SPICE_SURFACE_FMT_32_xRGB,
        .mouse_mode = TRUE,
        .type = QXL_SURF_TYPE_PRIMARY,
    };

    d->surface = g_malloc0(size);
    create.mem = (uintptr_t)d->surface;
    spice_qxl_create_primary_surface(&d->qxl, 0, &create);
    d->created = true;
}

static void surface(void *opaque, Console *console, pixman_image_t *image)
{
    Display *d = opaque;
    const unsigned width = (unsigned)pixman_image_get_width(image);
    const unsigned height = (unsigned)pixman_image_get_height(image);

    if (width != d->width || height != d->height) {
        destroy_surface(d);
        pixman_region32_clear(&d->dirty); /* of the one before, which may have been larger */
        d->width = width;
        d->height = height;
        create_surface(d);
    }
    update(d, console, 0, 0, width, height);
}

/* ---- the pointer ---- */

static void push_cursor(Display *d, Command *c)
{
    push(d, &d->cursors, c, QXL_CMD_CURSOR, &c->cursor, &c->cursor.release_info);
}

static void cursor(void *opaque, Console *console, const ConsoleCursor *shape)
{
    Display *d = opaque;
    Command *c = g_new0(Command, 1);

    if (shape) {
        const size_t size = 4 * (size_t)shape->width * shape->height;
        QXLCursor *q = g_malloc0(sizeof(*q) + size);

        q->header.unique = d->unique++;
        q->header.type = SPICE_CURSOR_TYPE_ALPHA;
        q->header.width = (uint16_t)shape->width;
        q->header.height = (uint16_t)shape->height;
        q->header.hot_spot_x = (uint16_t)MIN(shape->hot_x, shape->width);
        q->header.hot_spot_y = (uint16_t)MIN(shape->hot_y, shape->height);
        q->data_size = q->chunk.data_size = (uint32_t)size;
        memcpy(q->chunk.data, shape->argb, size);
        c->data = q;
        c->cursor.type = QXL_CURSOR_SET;
        c->cursor.u.set.visible = true;
        c->cursor.u.set.shape = (uintptr_t)q;
    } else {
        c->cursor.type = QXL_CURSOR_HIDE;
    }
    drop(d, &d->cursors);
    push_cursor(d, c);
}

static void cursor_move(void *opaque, Console *console, int x, int y, bool visible)
{
    Display *d = opaque;
    Command *c, *last;

    g_mutex_lock(&d->lock);
    last = g_queue_peek_tail(&d->cursors);
    if (last && last->cursor.type != QXL_CURSOR_SET) { /* this one takes its place */
        free_command(d, g_queue_pop_tail(&d->cursors));
    }
    g_mutex_unlock(&d->lock);
    c = g_new0(Command, 1);
    c->cursor.type = visible ? QXL_CURSOR_MOVE : QXL_CURSOR_HIDE;
    c->cursor.u.position.x = (int16_t)CLAMP(x, INT16_MIN, INT16_MAX);
    c->cursor.u.position.y = (int16_t)CLAMP(y, INT16_MIN, INT16_MAX);
    push_cursor(d, c);
}

/* ---- what the library asks for, on its thread ---- */

/* The card whose commands are to be fetched; NULL: none. */
static SpiceCard *taker(Display *d)
{
    g_mutex_lock(&d->lock);
    SpiceCard *card = d->taken ? d->card : NULL;
    g_mutex_unlock(&d->lock);
    return card;
}

static void attached_worker(QXLInstance *qxl)
{
}

static void set_compression_level(QXLInstance *qxl, int level)
{
}

static void get_init_info(QXLInstance *qxl, QXLDevInitInfo *info)
{
    const Display *d = display_of(qxl);

    *info = (QXLDevInitInfo){
        .num_memslots_groups = GROUPS,
        .num_memslots = 1,
        .memslot_gen_bits = 8,
        .memslot_id_bits = 8,
        .qxl_ram_size = 16 << 20,
        .n_surfaces = d->card ? d->card->surfaces : 1,
    };
}

static int take(Display *d, GQueue *queue, QXLCommandExt *ext)
{
    Command *command;

    g_mutex_lock(&d->lock);
    command = g_queue_pop_head(queue);
    g_mutex_unlock(&d->lock);
    if (command) {
        *ext = command->ext;
    }
    return command != NULL;
}

static int is_empty(Display *d, GQueue *queue)
{
    g_mutex_lock(&d->lock);
    const bool empty = !queue->length;
    g_mutex_unlock(&d->lock);
    return empty;
}

static int get_command(QXLInstance *qxl, QXLCommandExt *ext)
{
    SpiceCard *card = taker(display_of(qxl));

    if (card) {
        return card->ops->get_command(card->opaque, ext);
    }
    return take(display_of(qxl), &display_of(qxl)->draws, ext);
}

/* Commands that come later wake it in any case. */
static int req_cmd_notification(QXLInstance *qxl)
{
    SpiceCard *card = taker(display_of(qxl));

    if (card) {
        return card->ops->wait_command(card->opaque);
    }
    return is_empty(display_of(qxl), &display_of(qxl)->draws);
}

static int get_cursor_command(QXLInstance *qxl, QXLCommandExt *ext)
{
    SpiceCard *card = taker(display_of(qxl));

    if (card) {
        return card->ops->get_cursor(card->opaque, ext);
    }
    return take(display_of(qxl), &display_of(qxl)->cursors, ext);
}

static int req_cursor_notification(QXLInstance *qxl)
{
    SpiceCard *card = taker(display_of(qxl));

    if (card) {
        return card->ops->wait_cursor(card->opaque);
    }
    return is_empty(display_of(qxl), &display_of(qxl)->cursors);
}

static void release_resource(QXLInstance *qxl, QXLReleaseInfoExt release)
{
    Display *d = display_of(qxl);

    if (release.group_id == SPICE_CARD_GROUP) {
        d->card->ops->release(d->card->opaque, release.info->id);
        return;
    }
    g_mutex_lock(&d->lock);
    free_command(d, (void *)(uintptr_t)release.info->id);
    g_mutex_unlock(&d->lock);
}

static void notify_update(QXLInstance *qxl, uint32_t id)
{
    SpiceCard *card = taker(display_of(qxl));

    if (card) {
        card->ops->notify_update(card->opaque, id);
    }
}

static int flush_resources(QXLInstance *qxl)
{
    return 0;
}

static void async_complete(QXLInstance *qxl, uint64_t cookie)
{
    const Display *d = display_of(qxl);

    if (d->card) {
        d->card->ops->async_complete(d->card->opaque, cookie);
    }
}

static void update_area_complete(QXLInstance *qxl, uint32_t surface_id, QXLRect *rects,
                                 uint32_t count)
{
}

static void set_client_capabilities(QXLInstance *qxl, uint8_t present,
                                    uint8_t caps[SPICE_CAPABILITIES_SIZE])
{
    const Display *d = display_of(qxl);

    if (d->card) {
        d->card->ops->client(d->card->opaque, present, caps);
    }
}

/* A client would like other sizes. On the main thread. */
static int client_monitors_config(QXLInstance *qxl, VDAgentMonitorsConfig *config)
{
    Display *d = display_of(qxl);
    const unsigned head = console_head(d->console);

    if (d->card) {
        return d->card->ops->monitors(d->card->opaque, config);
    }
    if (!console_has_ui_info(d->console)) {
        return 0;
    }
    if (config && head < config->num_of_monitors) {
        console_ui_info(d->console, config->monitors[head].width, config->monitors[head].height);
    }
    return 1;
}

static const QXLInterface qxl_ops = {
    .base = { .type = SPICE_INTERFACE_QXL,
              .description = "display",
              .major_version = SPICE_INTERFACE_QXL_MAJOR,
              .minor_version = SPICE_INTERFACE_QXL_MINOR },
    .attached_worker = attached_worker,
    .set_compression_level = set_compression_level,
    .get_init_info = get_init_info,
    .get_command = get_command,
    .req_cmd_notification = req_cmd_notification,
    .release_resource = release_resource,
    .get_cursor_command = get_cursor_command,
    .req_cursor_notification = req_cursor_notification,
    .notify_update = notify_update,
    .flush_resources = flush_resources,
    .async_complete = async_complete,
    .update_area_complete = update_area_complete,
    .set_client_capabilities = set_client_capabilities,
    .client_monitors_config = client_monitors_config,
};

/* ---- life ---- */

static void watch(Display *d, bool watched)
{
    watched &= !d->taken;
    if (d->watched == watched) {
        return;
    }
    d->watched = watched;
    if (watched) {
        console_add_listener(d->console, &d->listener);
    } else {
        console_remove_listener(d->console, &d->listener);
        pixman_region32_clear(&d->dirty); /* all is new for the next one */
        if (d->retry) {
            g_source_remove(d->retry);
            d->retry = 0;
        }
    }
}

static void add(Console *console)
{
    Display *d = g_new0(Display, 1);
    QXLDevMemSlot all = { .virt_end = UINTPTR_MAX }; /* addresses are the program's */

    d->card = spice_card_of(console_device(console));
    if (cards_only && !d->card) {
        g_free(d);
        return;
    }
    d->server = the_server;
    d->console = console;
    d->listener = (ConsoleListener){ surface, update, cursor, cursor_move, d };
    d->qxl.base.sif = &qxl_ops.base;
    d->qxl.id = (int)console_index(console);
    g_mutex_init(&d->lock);
    pixman_region32_init(&d->dirty);
    spice_server_add_interface(the_server, &d->qxl.base);
    for (all.slot_group_id = 0; all.slot_group_id < GROUPS; all.slot_group_id++) {
        spice_qxl_add_memslot(&d->qxl, &all);
    }
    d->width = (unsigned)pixman_image_get_width(console_surface(console));
    d->height = (unsigned)pixman_image_get_height(console_surface(console));
    create_surface(d);
    g_ptr_array_add(displays, d);
    watch(d, watched_now);
}

/* It is not in the list any more: as it goes, the library tells of channels, and by that who looks
 * is asked anew. */
static void free_display(Display *d)
{
    watch(d, false);
    destroy_surface(d);
    spice_server_remove_interface(&d->qxl.base);
    if (d->taken) {
        d->card->ops->lost(d->card->opaque);
    }
    drop(d, &d->draws);
    drop(d, &d->cursors);
    pixman_region32_fini(&d->dirty);
    g_mutex_clear(&d->lock);
    g_free(d);
}

static void changed(void *opaque, Console *console, bool added)
{
    if (added) {
        add(console);
        return;
    }
    for (unsigned i = 0; i < displays->len; i++) {
        if (((Display *)displays->pdata[i])->console == console) {
            free_display(g_ptr_array_steal_index(displays, i));
            return;
        }
    }
}

void spice_display_watch(bool watched)
{
    watched_now = watched;
    for (unsigned i = 0; displays && i < displays->len; i++) {
        watch(displays->pdata[i], watched);
    }
}

/* ---- cards that draw themselves ---- */

static Display *find_card(const SpiceCard *card)
{
    for (unsigned i = 0; displays && i < displays->len; i++) {
        Display *d = displays->pdata[i];

        if (d->card == card) {
            return d;
        }
    }
    return NULL;
}

static void set_taken(Display *d, bool taken)
{
    g_mutex_lock(&d->lock);
    d->taken = taken;
    g_mutex_unlock(&d->lock);
}

QXLInstance *spice_card_take(SpiceCard *card)
{
    Display *d;

    if (!displays && !spice_start_local()) {
        return NULL;
    }
    d = find_card(card);
    if (!d) {
        return NULL;
    }
    if (!d->taken) {
        watch(d, false);
        destroy_surface(d);
        drop(d, &d->cursors);
        spice_qxl_reset_cursor(&d->qxl);
        set_taken(d, true);
    }
    return &d->qxl;
}

void spice_card_give_back(SpiceCard *card)
{
    Display *d = find_card(card);

    if (d && d->taken) {
        set_taken(d, false);
        spice_qxl_destroy_surfaces(&d->qxl);
        spice_qxl_reset_image_cache(&d->qxl);
        spice_qxl_reset_cursor(&d->qxl);
        d->width = (unsigned)pixman_image_get_width(console_surface(d->console));
        d->height = (unsigned)pixman_image_get_height(console_surface(d->console));
        create_surface(d);
        watch(d, watched_now);
    }
}

/* ---- start and end ---- */

void spice_display_start(SpiceServer *server, bool only_cards)
{
    the_server = server;
    cards_only = only_cards;
    displays = g_ptr_array_new();
    for (Console *c = console_first(); c; c = console_next(c)) {
        add(c);
    }
    console_add_change(changed, NULL);
}

void spice_display_stop(void)
{
    console_remove_change(changed, NULL);
    while (displays->len) {
        free_display(g_ptr_array_steal_index(displays, displays->len - 1));
    }
    g_clear_pointer(&displays, g_ptr_array_unref);
}
