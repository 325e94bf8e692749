/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -object filter-buffer: packets go on together, each so many microseconds. Machine lock. */
#include <string.h>

#include "net/filter.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define TYPE_BUFFER "filter-buffer"

enum { HELD_MAX = 4 * 1024 * 1024 }; /* bytes; what comes then is lost */

typedef struct Held {
    NetOffload offload;
    unsigned queue;
    bool sent;
    size_t size;
    uint8_t data[];
} Held;

typedef struct FilterBuffer {
    Filter parent;
    uint32_t interval; /* property: microseconds */
    Timer *timer;
    GQueue held; /* of Held * */
    size_t bytes;
} FilterBuffer;
OBJECT_CAST_DEFINE(FilterBuffer, FILTER_BUFFER, TYPE_BUFFER)

/* What comes back from them meanwhile is for the next time. */
static void release(FilterBuffer *s)
{
    GQueue held = s->held;
    Held *packet;

    g_queue_init(&s->held);
    s->bytes = 0;
    while ((packet = g_queue_pop_head(&held))) {
        net_filter_pass(&s->parent.net, packet->queue, packet->sent, &packet->offload, packet->data,
                        packet->size);
        g_free(packet);
    }
}

static void set_timer(FilterBuffer *s)
{
    timer_mod(s->timer, clock_ns() + (int64_t)s->interval * 1000);
}

static void expired(void *opaque)
{
    FilterBuffer *s = opaque;

    release(s);
    set_timer(s);
}

static bool buffer_packet(Filter *filter, unsigned queue, bool sent, const NetOffload *o,
                          const uint8_t *packet, size_t size)
{
    FilterBuffer *s = FILTER_BUFFER(filter);

    if (s->bytes + size <= HELD_MAX) {
        Held *held = g_malloc(sizeof(*held) + size);

        held->offload = *o;
        held->queue = queue;
        held->sent = sent;
        held->size = size;
        memcpy(held->data, packet, size);
        g_queue_push_tail(&s->held, held);
        s->bytes += size;
    }
    return true;
}

static bool buffer_open(Filter *filter, GError **errp)
{
    FilterBuffer *s = FILTER_BUFFER(filter);

    if (!s->interval) {
        error_set(errp, "interval=0 would hold nothing; it must be 1 microsecond or more");
        return false;
    }
    s->timer = timer_new(expired, s);
    set_timer(s);
    return true;
}

static void buffer_init(Object *obj)
{
    g_queue_init(&FILTER_BUFFER(obj)->held);
}

static void buffer_finalize(Object *obj)
{
    FilterBuffer *s = FILTER_BUFFER(obj);

    release(s);
    net_filter_remove(&s->parent.net);
    timer_free(s->timer);
    g_queue_clear_full(&s->held, g_free); /* what came back */
}

static const Property buffer_properties[] = {
    { .name = "interval",
      .kind = PROP_UINT32,
      .offset = offsetof(FilterBuffer, interval),
      .description = "microseconds after which packets go on" },
    { 0 },
};

static const FilterClass buffer_class = { .open = buffer_open, .packet = buffer_packet };

static const ObjectType buffer_type = {
    .name = TYPE_BUFFER,
    .parent = TYPE_FILTER,
    .description = "a netdev's packets go on together, after some time",
    .instance_size = sizeof(FilterBuffer),
    .user_creatable = true,
    .properties = buffer_properties,
    .ops = &buffer_class,
    .init = buffer_init,
    .finalize = buffer_finalize,
    .complete = filter_complete,
};
OBJECT_TYPE_REGISTER(buffer_type)
