/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random bytes of a daemon that speaks the protocol of EGD, at the other end of a character device.
 * One command of it is used: 2, and how many bytes; the answer is these, when it has them.
 */
#include <string.h>

#include "backends/rng-internal.h"
#include "chardev/chardev.h"
#include "util/error.h"

#define EGD_READ_BLOCKING 2
#define EGD_MAX_BYTES     255

typedef struct RngEgd {
    RngBackend parent;
    char *chardev; /* property: its id */
    CharFrontend fe;
    bool attached, open;         /* open: somebody is at the other end */
    unsigned expected, received; /* bytes of the answer that is on its way; 0: there is none */
    uint8_t answer[EGD_MAX_BYTES];
} RngEgd;
OBJECT_CAST_DEFINE(RngEgd, RNG_EGD, TYPE_RNG_EGD)

static void ask(RngEgd *egd)
{
    unsigned wanted = (unsigned)MIN(rng_wanted(&egd->parent), EGD_MAX_BYTES);

    if (!egd->open || egd->expected || !wanted) {
        return;
    }
    const uint8_t command[] = { EGD_READ_BLOCKING, (uint8_t)wanted };

    egd->expected = wanted;
    egd->received = 0;
    char_write(&egd->fe, command, sizeof(command));
    char_accept_input(&egd->fe);
}

static int can_receive(void *opaque)
{
    const RngEgd *egd = opaque;

    return (int)(egd->expected - egd->received);
}

static void receive(void *opaque, const uint8_t *buf, int len)
{
    RngEgd *egd = opaque;

    size_t length = egd->expected;

    memcpy(egd->answer + egd->received, buf, (size_t)len);
    egd->received += (unsigned)len;
    if (egd->received < egd->expected) {
        return;
    }
    egd->expected = egd->received = 0;
    g_autofree uint8_t *answer = g_memdup2(egd->answer, length); /* the next may be asked for */
    explicit_bzero(egd->answer, length);
    rng_give(&egd->parent, answer, length);
    ask(egd);
}

/* What a daemon that has gone was asked for, the next one is asked for. */
static void event(void *opaque, CharEvent event)
{
    RngEgd *egd = opaque;

    if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        egd->open = event == CHAR_EVENT_OPENED;
        egd->expected = egd->received = 0;
        ask(egd);
    }
}

static void wanted(RngBackend *rng)
{
    ask(RNG_EGD(rng));
}

static bool egd_complete(Object *obj, GError **errp)
{
    RngEgd *egd = RNG_EGD(obj);
    Chardev *chr = egd->chardev ? chardev_find(egd->chardev) : NULL;

    if (!chr) {
        error_set(errp,
                  egd->chardev
                      ? "chardev '%s' not found; make it with -chardev socket,id=%s,..."
                      : "'chardev' is missing: the id of the socket at which a daemon of EGD's is",
                  egd->chardev, egd->chardev);
        return false;
    }
    egd->fe = (CharFrontend){ .can_receive = can_receive,
                              .receive = receive,
                              .event = event,
                              .opaque = egd,
                              .can_change = true };
    egd->attached = char_attach(chr, &egd->fe, errp);
    return egd->attached;
}

static void egd_finalize(Object *obj)
{
    RngEgd *egd = RNG_EGD(obj);

    if (egd->attached) {
        char_detach(&egd->fe);
    }
}

static const RngClass egd_ops = { .wanted = wanted };

static const Property egd_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(RngEgd, chardev),
      .description = "the daemon is at the other end of it" },
    { 0 },
};

static const ObjectType egd_type = {
    .name = TYPE_RNG_EGD,
    .parent = TYPE_RNG_BACKEND,
    .description = "random bytes of a daemon (EGD)",
    .instance_size = sizeof(RngEgd),
    .user_creatable = true,
    .properties = egd_properties,
    .ops = &egd_ops,
    .complete = egd_complete,
    .finalize = egd_finalize,
};
OBJECT_TYPE_REGISTER(egd_type)
