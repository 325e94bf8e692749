/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib-unix.h>

#include "ui/spice-internal.h"

struct SpiceTimer {
    SpiceTimerFunc func;
    void *opaque;
    guint source; /* 0: it does not run */
};

struct SpiceWatch {
    int fd;
    SpiceWatchFunc func;
    void *opaque;
    guint source; /* 0: of no events */
};

static void (*channel_changed)(int event, const SpiceChannelEventInfo *info);
static GThread *main_thread;

/* ---- timers ---- */

static SpiceTimer *timer_add(SpiceTimerFunc func, void *opaque)
{
    SpiceTimer *timer = g_new0(SpiceTimer, 1);

    timer->func = func;
    timer->opaque = opaque;
    return timer;
}

static gboolean expire(gpointer opaque)
{
    SpiceTimer *timer = opaque;

    timer->source = 0;
    timer->func(timer->opaque);
    return G_SOURCE_REMOVE;
}

static void timer_cancel(SpiceTimer *timer)
{
    if (timer->source) {
        g_source_remove(timer->source);
        timer->source = 0;
    }
}

static void timer_start(SpiceTimer *timer, uint32_t ms)
{
    timer_cancel(timer);
    timer->source = g_timeout_add(ms, expire, timer);
}

static void timer_remove(SpiceTimer *timer)
{
    timer_cancel(timer);
    g_free(timer);
}

/* ---- descriptors ---- */

static gboolean ready(gint fd, GIOCondition condition, gpointer opaque)
{
    const SpiceWatch *watch = opaque;
    int events = 0;

    if (condition & (G_IO_IN | G_IO_HUP | G_IO_ERR)) {
        events |= SPICE_WATCH_EVENT_READ;
    }
    if (condition & (G_IO_OUT | G_IO_ERR)) {
        events |= SPICE_WATCH_EVENT_WRITE;
    }
    watch->func(fd, events, watch->opaque);
    return G_SOURCE_CONTINUE;
}

static void watch_update_mask(SpiceWatch *watch, int mask)
{
    GIOCondition condition = 0;

    if (watch->source) {
        g_source_remove(watch->source);
        watch->source = 0;
    }
    condition |= mask & SPICE_WATCH_EVENT_READ ? G_IO_IN | G_IO_HUP : 0;
    condition |= mask & SPICE_WATCH_EVENT_WRITE ? G_IO_OUT : 0;
    if (condition) {
        watch->source = g_unix_fd_add(watch->fd, condition, ready, watch);
    }
}

static SpiceWatch *watch_add(int fd, int mask, SpiceWatchFunc func, void *opaque)
{
    SpiceWatch *watch = g_new0(SpiceWatch, 1);

    watch->fd = fd;
    watch->func = func;
    watch->opaque = opaque;
    watch_update_mask(watch, mask);
    return watch;
}

static void watch_remove(SpiceWatch *watch)
{
    watch_update_mask(watch, 0);
    g_free(watch);
}

/* ---- channels ---- */

typedef struct Change {
    int event;
    SpiceChannelEventInfo info;
} Change;

static gboolean tell(gpointer opaque)
{
    const Change *change = opaque;

    channel_changed(change->event, &change->info);
    return G_SOURCE_REMOVE;
}

/* Channels of displays tell it on the library's thread. */
static void channel_event(int event, SpiceChannelEventInfo *info)
{
    Change *change;

    if (g_thread_self() == main_thread) {
        channel_changed(event, info);
        return;
    }
    change = g_new(Change, 1);
    *change = (Change){ event, *info };
    g_idle_add_full(G_PRIORITY_DEFAULT, tell, change, g_free);
}

static SpiceCoreInterface core = {
    .base = { .type = SPICE_INTERFACE_CORE,
              .description = "main loop",
              .major_version = SPICE_INTERFACE_CORE_MAJOR,
              .minor_version = SPICE_INTERFACE_CORE_MINOR },
    .timer_add = timer_add,
    .timer_start = timer_start,
    .timer_cancel = timer_cancel,
    .timer_remove = timer_remove,
    .watch_add = watch_add,
    .watch_update_mask = watch_update_mask,
    .watch_remove = watch_remove,
    .channel_event = channel_event,
};

SpiceCoreInterface *spice_core(void (*event)(int event, const SpiceChannelEventInfo *info))
{
    channel_changed = event;
    main_thread = g_thread_self();
    return &core;
}
