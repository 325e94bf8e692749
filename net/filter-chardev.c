/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object filter-mirror, filter-redirector: packets to another program, and from one, by character
 * devices: each with its length before it (4 bytes, the high one first), and, with
 * vnet_hdr_support=on, the length of the header of virtio (the same) that the packet begins with.
 * Machine lock.
 */
#include <string.h>

#include "chardev/chardev.h"
#include "net/filter.h"
#include "util/bytes.h"
#include "util/error.h"

enum {
    LENGTH = 4,
    HEADER = 12, /* of virtio: a NetOffload, and a number of buffers, which is 0 */
    HEADER_MAX = 64,
    UNSENT_MAX = 512 * 1024, /* bytes; what comes then is lost, as a whole */
};

typedef struct FilterChardev {
    Filter parent;
    /* properties */
    char *outdev, *indev;
    bool vnet_hdr_support;
    /* wiring */
    CharFrontend out, in;
    GByteArray *frame; /* what has come of the next packet; owned */
    bool is_lost;      /* what came made no sense: nothing is read until there is another */
} FilterChardev;
#define TYPE_FILTER_CHARDEV "filter-chardev" /* what both have */
OBJECT_CAST_DEFINE(FilterChardev, FILTER_CHARDEV, TYPE_FILTER_CHARDEV)

/* ---- to the other program ---- */

static void put(FilterChardev *s, const NetOffload *o, const uint8_t *packet, size_t size)
{
    size_t header = s->vnet_hdr_support ? HEADER : 0;
    g_autoptr(GByteArray) frame = g_byte_array_new();
    uint8_t length[LENGTH], virtio[HEADER] = { 0 };

    if (char_unsent(&s->out) > UNSENT_MAX) {
        return;
    }
    bytes_put_be(length, header + size, sizeof(length));
    g_byte_array_append(frame, length, sizeof(length));
    if (header) {
        bytes_put_be(length, header, sizeof(length));
        memcpy(virtio, o, sizeof(*o));
        g_byte_array_append(frame, length, sizeof(length));
        g_byte_array_append(frame, virtio, sizeof(virtio));
    }
    g_byte_array_append(frame, packet, (guint)size);
    char_write(&s->out, frame->data, frame->len);
}

static void put_segment(void *opaque, const uint8_t *segment, size_t size)
{
    put(opaque, &(NetOffload){ 0 }, segment, size);
}

/* Without headers packets go as they are on a wire. */
static void write_packet(FilterChardev *s, const NetOffload *o, const uint8_t *packet, size_t size)
{
    if (s->vnet_hdr_support || (!o->type && !(o->flags & NET_OFFLOAD_CSUM))) {
        put(s, o, packet, size);
    } else if (o->type) {
        net_offload_cut(o, packet, size, put_segment, s);
    } else {
        g_autofree uint8_t *copy = g_memdup2(packet, size);

        if (net_offload_complete(o, copy, size)) {
            put(s, &(NetOffload){ 0 }, copy, size);
        }
    }
}

static bool mirror_packet(Filter *filter, unsigned queue, bool sent, const NetOffload *o,
                          const uint8_t *packet, size_t size)
{
    write_packet(FILTER_CHARDEV(filter), o, packet, size);
    return false;
}

static bool redirector_packet(Filter *filter, unsigned queue, bool sent, const NetOffload *o,
                              const uint8_t *packet, size_t size)
{
    FilterChardev *s = FILTER_CHARDEV(filter);

    if (s->outdev) {
        write_packet(s, o, packet, size);
    }
    return s->outdev;
}

/* ---- from the other program ---- */

/* It goes on behind this filter, in each direction that is the filter's. */
static void pass(FilterChardev *s, const NetOffload *o, const uint8_t *packet, size_t size)
{
    for (unsigned sent = 0; sent < 2; sent++) {
        if (filter_has_direction(&s->parent, sent)) {
            g_autofree uint8_t *copy = g_memdup2(packet, size);

            net_filter_pass(&s->parent.net, 0, sent, o, copy, size);
        }
    }
}

/* Take a packet from the beginning of what has come; false: it is not all there, or makes no sense.
 */
static bool take_frame(FilterChardev *s)
{
    unsigned head = s->vnet_hdr_support ? 2 * LENGTH : LENGTH;
    const uint8_t *data = s->frame->data;
    NetOffload o = { 0 };
    size_t size, header = 0;

    if (s->frame->len < head) {
        return false;
    }
    size = bytes_get_be32(data);
    header = s->vnet_hdr_support ? bytes_get_be32(data + LENGTH) : 0;
    if (size <= header || header > HEADER_MAX || size - header > NET_PACKET_MAX ||
        (header && header < sizeof(o))) {
        s->is_lost = true;
        error_report("%s '%s': a packet of %zu bytes, with %zu of a header, cannot be: nothing "
                     "more is read of this connection",
                     object_typename(&s->parent.parent), s->parent.parent.name, size, header);
        g_byte_array_set_size(s->frame, 0);
        return false;
    }
    if (s->frame->len < head + size) {
        return false;
    }
    if (header) {
        memcpy(&o, data + head, sizeof(o));
        o.flags &= NET_OFFLOAD_CSUM | NET_OFFLOAD_VALID;
    }
    pass(s, &o, data + head + header, size - header);
    g_byte_array_remove_range(s->frame, 0, (guint)(head + size));
    return true;
}

static int in_can_receive(void *opaque)
{
    return 65536;
}

static void in_receive(void *opaque, const uint8_t *buf, int len)
{
    FilterChardev *s = opaque;

    if (!s->is_lost) {
        g_byte_array_append(s->frame, buf, (guint)len);
        while (take_frame(s)) {
        }
    }
}

static void in_event(void *opaque, CharEvent event)
{
    FilterChardev *s = opaque;

    if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        g_byte_array_set_size(s->frame, 0);
        s->is_lost = false;
    }
}

/* ---- life ---- */

static bool attach(const char *id, const char *property, CharFrontend *fe, GError **errp)
{
    Chardev *chr = chardev_find(id);

    if (!chr) {
        error_set(errp, "%s=%s: there is no such chardev; make it with -chardev KIND,id=%s",
                  property, id, id);
        return false;
    }
    return char_attach(chr, fe, errp);
}

static bool open_out(FilterChardev *s, GError **errp)
{
    s->out = (CharFrontend){ .opaque = s };
    return attach(s->outdev, "outdev", &s->out, errp);
}

static bool mirror_open(Filter *filter, GError **errp)
{
    FilterChardev *s = FILTER_CHARDEV(filter);

    if (!s->outdev) {
        error_set(errp, "outdev=CHARDEV is missing: where the packets go");
        return false;
    }
    return open_out(s, errp);
}

static bool redirector_open(Filter *filter, GError **errp)
{
    FilterChardev *s = FILTER_CHARDEV(filter);

    if (!s->outdev && !s->indev) {
        error_set(errp, "indev= and outdev= are missing: a chardev that packets come from, one "
                        "that they go to, or both");
        return false;
    }
    if (g_strcmp0(s->outdev, s->indev) == 0) {
        error_set(errp, "indev= and outdev= are both '%s'; they must be two chardevs", s->indev);
        return false;
    }
    s->in = (CharFrontend){
        .can_receive = in_can_receive, .receive = in_receive, .event = in_event, .opaque = s
    };
    return (!s->outdev || open_out(s, errp)) &&
           (!s->indev || attach(s->indev, "indev", &s->in, errp));
}

static void chardev_init(Object *obj)
{
    FILTER_CHARDEV(obj)->frame = g_byte_array_new();
}

static void chardev_finalize(Object *obj)
{
    FilterChardev *s = FILTER_CHARDEV(obj);

    net_filter_remove(&s->parent.net);
    char_detach(&s->out);
    char_detach(&s->in);
    g_byte_array_unref(s->frame);
}

static const Property chardev_properties[] = {
    { .name = "outdev",
      .kind = PROP_STRING,
      .offset = offsetof(FilterChardev, outdev),
      .description = "the chardev that the packets go to" },
    { .name = "vnet_hdr_support",
      .kind = PROP_BOOL,
      .offset = offsetof(FilterChardev, vnet_hdr_support),
      .description = "packets have headers that say what is left to do of them" },
    { 0 },
};

static const ObjectType chardev_type = {
    .name = TYPE_FILTER_CHARDEV,
    .parent = TYPE_FILTER,
    .description = "packets on chardevs",
    .instance_size = sizeof(FilterChardev),
    .abstract = true,
    .properties = chardev_properties,
    .init = chardev_init,
    .finalize = chardev_finalize,
};
OBJECT_TYPE_REGISTER(chardev_type)

static const Property redirector_properties[] = {
    { .name = "indev",
      .kind = PROP_STRING,
      .offset = offsetof(FilterChardev, indev),
      .description = "the chardev that packets come from" },
    { 0 },
};

static const FilterClass mirror_class = { .open = mirror_open, .packet = mirror_packet };
static const FilterClass redirector_class = { .open = redirector_open,
                                              .packet = redirector_packet };

static const ObjectType mirror_type = {
    .name = "filter-mirror",
    .parent = TYPE_FILTER_CHARDEV,
    .description = "a copy of a netdev's packets to a chardev",
    .instance_size = sizeof(FilterChardev),
    .user_creatable = true,
    .ops = &mirror_class,
    .complete = filter_complete,
};
OBJECT_TYPE_REGISTER(mirror_type)

static const ObjectType redirector_type = {
    .name = "filter-redirector",
    .parent = TYPE_FILTER_CHARDEV,
    .description = "a netdev's packets to a chardev, and others from one in their place",
    .instance_size = sizeof(FilterChardev),
    .user_creatable = true,
    .properties = redirector_properties,
    .ops = &redirector_class,
    .complete = filter_complete,
};
OBJECT_TYPE_REGISTER(redirector_type)
