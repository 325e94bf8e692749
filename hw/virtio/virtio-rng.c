/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-rng: random bytes for the guest (Virtio 1.2, section 5.4), from an object of the host
 * (backends/rng.h). One queue, whose buffers are filled.
 *
 * Bytes are asked for while there is a buffer, one request at a time, and no buffer is taken out of
 * the ring before they come.
 */
#include <inttypes.h>

#include "backends/rng.h"
#include "hw/virtio/virtio-pci.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define TYPE_VIRTIO_RNG "virtio-rng-device"
#define QUEUE_SIZE      8

typedef struct VirtioRng {
    VirtioDevice parent;
    uint64_t left; /* bytes that may still be given in this period */
    Timer *period_end;
    /* configuration */
    RngBackend *rng; /* property: a reference */
    uint64_t max_bytes;
    uint32_t period_ms;
    /* wiring */
    RngBackend *used; /* that, or one of its own */
    bool asked;       /* for bytes that have not come yet */
} VirtioRng;
OBJECT_CAST_DEFINE(VirtioRng, VIRTIO_RNG, TYPE_VIRTIO_RNG)

/* ---- the queue ---- */

static void ask(VirtioRng *s);

static void received(void *opaque, const uint8_t *data, size_t len)
{
    VirtioRng *s = opaque;
    VirtQueue *vq = virtio_queue(&s->parent, 0);
    VirtqElement *element;
    size_t done;

    s->asked = false;
    if (!virtio_device_runs(&s->parent)) {
        return; /* asked for again when it does */
    }
    element = virtq_pop(vq);
    if (element) {
        done = virtq_write(element, 0, data, len);
        virtq_push(vq, element, (uint32_t)done);
        s->left -= MIN(s->left, done);
    }
    ask(s);
    virtio_notify(&s->parent, vq); /* also if the next buffer makes no sense */
}

/* Ask for what goes into the next buffer. */
static void ask(VirtioRng *s)
{
    VirtQueue *vq = virtio_queue(&s->parent, 0);
    VirtqElement *element = s->asked ? NULL : virtq_pop(vq);
    uint64_t size;

    if (!element) {
        return;
    }
    size = element->in_size;
    virtq_unpop(vq, element);
    if (!size) {
        virtq_break(vq, "a buffer for random bytes has no room");
    } else if (s->left) {
        if (!timer_pending(s->period_end)) {
            timer_mod(s->period_end, clock_ns() + s->period_ms * NS_PER_MS);
        }
        s->asked = true;
        rng_request(s->used, MIN(size, s->left), received, s);
    }
}

static void handle_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    ask(VIRTIO_RNG(vdev));
}

static void end_period(void *opaque)
{
    VirtioRng *s = opaque;

    s->left = s->max_bytes;
    virtio_run_queues(&s->parent);
}

/* ---- life ---- */

static void forget_request(VirtioRng *s)
{
    if (s->asked) {
        rng_cancel(s->used, s);
        s->asked = false;
    }
}

/* A driver that resets the device gets no more bytes by it. */
static void rng_reset(VirtioDevice *vdev)
{
    forget_request(VIRTIO_RNG(vdev));
}

static void rng_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    forget_request(VIRTIO_RNG(vdev));
}

static bool rng_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioRng *s = VIRTIO_RNG(vdev);

    if (!s->period_ms || !s->max_bytes) {
        error_set(errp,
                  "max-bytes=%" PRIu64 " in period=%u ms: both must be 1 or more, or the guest "
                  "would never get a byte",
                  s->max_bytes, s->period_ms);
        return false;
    }
    s->used = s->rng ? RNG_BACKEND(object_ref(OBJECT(s->rng)))
                     : RNG_BACKEND(object_new(TYPE_RNG_BUILTIN, errp));
    s->left = s->max_bytes;
    s->period_end = timer_new(end_period, s);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_queue);
    return true;
}

static void rng_unrealize(VirtioDevice *vdev)
{
    VirtioRng *s = VIRTIO_RNG(vdev);

    g_clear_pointer(&s->period_end, timer_free);
    object_unref(OBJECT(g_steal_pointer(&s->used)));
}

static const StateField rng_fields[] = {
    STATE_STRUCT(VirtioRng, parent, &virtio_device_state),
    STATE_UINT(VirtioRng, left),
    STATE_TIMER(VirtioRng, period_end),
    {},
};
static const StateTable rng_state = { .name = "virtio-rng", .version = 1, .fields = rng_fields };

static const Property rng_properties[] = {
    { .name = "rng",
      .kind = PROP_LINK,
      .link_type = TYPE_RNG_BACKEND,
      .offset = offsetof(VirtioRng, rng),
      .description = "where the bytes come from; without it, the host's kernel" },
    { .name = "max-bytes",
      .kind = PROP_UINT64,
      .offset = offsetof(VirtioRng, max_bytes),
      .description = "bytes that the guest gets in a period",
      .has_default = true,
      .default_int = INT64_MAX },
    { .name = "period",
      .kind = PROP_UINT32,
      .offset = offsetof(VirtioRng, period_ms),
      .description = "milliseconds of a period",
      .has_default = true,
      .default_int = 1 << 16 },
    { 0 },
};

static const VirtioDeviceClass rng_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &rng_state },
    .id = VIRTIO_ID_RNG,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
    .queue_reset = rng_queue_reset,
    .reset = rng_reset,
};

static const ObjectType rng_type = {
    .name = TYPE_VIRTIO_RNG,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "random bytes for the guest",
    .instance_size = sizeof(VirtioRng),
    .properties = rng_properties,
    .ops = &rng_ops,
};
OBJECT_TYPE_REGISTER(rng_type)

static const VirtioPciClass rng_pci = VIRTIO_PCI_CLASS("misc", 0x00ff, 0);
VIRTIO_PCI_TYPES(rng, "virtio-rng", TYPE_VIRTIO_RNG, &rng_pci, "random bytes for the guest")
