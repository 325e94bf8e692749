/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-input-host: an input device of the host (evdev) as it is: the guest's driver is shown what
 * it has, and gets its events; nobody else at the host does. What the guest does not read waits in
 * the host's kernel, which says so when it has lost some.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/core/save-check.h"
#include "hw/input/evdev.h"
#include "hw/virtio/virtio-input.h"
#include "util/error.h"

#define TYPE_VIRTIO_INPUT_HOST "virtio-input-host-device"

enum { ROOM = VIRTIO_INPUT_BUFFER / 2 }; /* of events, before one is read */

typedef struct Described {
    uint8_t size;
    uint8_t data[VIRTIO_INPUT_DATA];
} Described;

typedef struct VirtioInputHost {
    VirtioInput parent;
    /* configuration */
    char *evdev;
    /* wiring: what is here is the host's, and a machine with it is not saved */
    Evdev file;
    Described name, serial, ids, properties;
    Described codes[EV_CNT], axes[ABS_CNT];
    uint8_t down[EVDEV_KEY_BYTES]; /* what the guest knows of keys */
} VirtioInputHost;
OBJECT_CAST_DEFINE(VirtioInputHost, VIRTIO_INPUT_HOST, TYPE_VIRTIO_INPUT_HOST)

/* ---- what it is ---- */

/* Ask the kernel; of bits and texts only what is there counts. */
static void ask(VirtioInputHost *s, unsigned long request, Described *d, bool whole)
{
    int size = ioctl(s->file.fd, request, d->data);

    d->size = (uint8_t)CLAMP(size, 0, (int)VIRTIO_INPUT_DATA);
    while (!whole && d->size && !d->data[d->size - 1]) {
        d->size--;
    }
}

static void ask_axis(VirtioInputHost *s, unsigned axis)
{
    struct input_absinfo info;

    if (ioctl(s->file.fd, EVIOCGABS(axis), &info) >= 0) {
        const VirtioInputAxis told = { (uint32_t)info.minimum, (uint32_t)info.maximum,
                                       (uint32_t)info.fuzz, (uint32_t)info.flat,
                                       (uint32_t)info.resolution };

        memcpy(s->axes[axis].data, &told, sizeof(told));
        s->axes[axis].size = sizeof(told);
    }
}

static bool has_bit(const Described *d, unsigned bit)
{
    return bit / 8 < d->size && d->data[bit / 8] & 1 << bit % 8;
}

/* Effects of force feedback it would have to be told by other ways. */
static void look(VirtioInputHost *s)
{
    Described types = { 0 };
    struct input_id id = { 0 };

    memset(&s->name, 0, offsetof(VirtioInputHost, down) - offsetof(VirtioInputHost, name));
    ask(s, EVIOCGNAME(VIRTIO_INPUT_DATA), &s->name, false);
    ask(s, EVIOCGUNIQ(VIRTIO_INPUT_DATA), &s->serial, false);
    ask(s, EVIOCGPROP(VIRTIO_INPUT_DATA), &s->properties, false);
    ask(s, EVIOCGBIT(0, VIRTIO_INPUT_DATA), &types, false);
    if (ioctl(s->file.fd, EVIOCGID, &id) >= 0) {
        const VirtioInputIds told = { id.bustype, id.vendor, id.product, id.version };

        memcpy(s->ids.data, &told, sizeof(told));
        s->ids.size = sizeof(told);
    }
    for (unsigned type = EV_SYN + 1; type < EV_CNT; type++) {
        if (has_bit(&types, type) && type != EV_FF && type != EV_FF_STATUS) {
            ask(s, EVIOCGBIT(type, VIRTIO_INPUT_DATA), &s->codes[type], false);
            s->codes[type].size = MAX(s->codes[type].size, 1); /* it is there, also without codes */
        }
    }
    for (unsigned axis = 0; axis < ABS_CNT; axis++) {
        if (has_bit(&s->codes[EV_ABS], axis)) {
            ask_axis(s, axis);
        }
    }
}

static unsigned tell(const Described *d, uint8_t *data)
{
    memcpy(data, d->data, d->size);
    return d->size;
}

static unsigned selected(const VirtioInput *input, uint8_t select, uint8_t subsel, uint8_t *data)
{
    const VirtioInputHost *s = VIRTIO_INPUT_HOST(input);
    const Described *d = NULL;

    if (select == VIRTIO_INPUT_SERIAL && !subsel && input->serial) {
        unsigned size = (unsigned)MIN(strlen(input->serial), VIRTIO_INPUT_DATA);

        memcpy(data, input->serial, size);
        return size;
    }
    if (select == VIRTIO_INPUT_CODES) {
        d = subsel < EV_CNT ? &s->codes[subsel] : NULL;
    } else if (select == VIRTIO_INPUT_AXIS) {
        d = subsel < ABS_CNT ? &s->axes[subsel] : NULL;
    } else if (!subsel) {
        d = select == VIRTIO_INPUT_NAME         ? &s->name
            : select == VIRTIO_INPUT_SERIAL     ? &s->serial
            : select == VIRTIO_INPUT_IDS        ? &s->ids
            : select == VIRTIO_INPUT_PROPERTIES ? &s->properties
                                                : NULL;
    }
    return d ? tell(d, data) : 0;
}

/* ---- what happens ---- */

static void key_is(VirtioInputHost *s, unsigned key, bool down)
{
    if (((s->down[key / 8] & 1 << key % 8) != 0) != down) {
        s->down[key / 8] ^= (uint8_t)(1 << key % 8);
        virtio_input_event(&s->parent, EV_KEY, (uint16_t)key, down);
    }
}

/* Some events were lost: what is held the kernel knows. Without one, nothing is. */
static void look_at_keys(VirtioInputHost *s, bool gone)
{
    uint8_t now[EVDEV_KEY_BYTES] = { 0 };

    if (gone || evdev_keys(&s->file, now)) {
        for (unsigned key = 0; key < KEY_CNT; key++) {
            key_is(s, key, now[key / 8] & 1 << key % 8);
        }
        virtio_input_sync(&s->parent);
    }
}

static void take(void *opaque, const struct input_event *event)
{
    enum { REPEATED = 2 };
    VirtioInputHost *s = opaque;

    if (event->type == EV_SYN && event->code == SYN_DROPPED) {
        look_at_keys(s, false);
    } else if (event->type == EV_SYN && event->code == SYN_REPORT) {
        virtio_input_sync(&s->parent);
    } else if (event->type == EV_KEY && event->value != REPEATED) {
        if (event->code < KEY_CNT) {
            key_is(s, event->code, event->value);
        }
    } else if (event->type < EV_CNT) {
        virtio_input_event(&s->parent, event->type, event->code, event->value);
    }
    if (!virtio_input_has_room(&s->parent, ROOM)) {
        virtio_input_flush(&s->parent); /* a guest that has buffers says nothing */
    }
    if (!virtio_input_has_room(&s->parent, ROOM)) {
        evdev_read(&s->file, false);
    }
}

static void taken(VirtioInput *input)
{
    VirtioInputHost *s = VIRTIO_INPUT_HOST(input);

    if (evdev_is_open(&s->file) && virtio_input_has_room(input, ROOM)) {
        evdev_read(&s->file, true);
    }
}

static void gone(void *opaque)
{
    look_at_keys(opaque, true);
}

/* The guest may switch what the device has for that: it is no way to press keys at the host. */
static void status(VirtioInput *input, uint16_t type, uint16_t code, int32_t value)
{
    VirtioInputHost *s = VIRTIO_INPUT_HOST(input);
    const struct input_event event = { .type = type, .code = code, .value = value };

    if (evdev_is_open(&s->file) && (type == EV_LED || type == EV_SND) &&
        has_bit(&s->codes[type], code) &&
        write(s->file.fd, &event, sizeof(event)) != sizeof(event)) {
        /* The guest has no way to hear of it. */
        return;
    }
}

/* ---- life ---- */

static void used(VirtioInput *input, bool on)
{
    VirtioInputHost *s = VIRTIO_INPUT_HOST(input);

    memset(s->down, 0, sizeof(s->down));
    taken(input);
}

static bool check_save(void *opaque, GError **errp)
{
    const VirtioInputHost *s = opaque;

    error_set(errp, "virtio-input-host has '%s', an input device of the host, which stays there",
              s->evdev);
    return false;
}

static bool host_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioInputHost *s = VIRTIO_INPUT_HOST(vdev);

    if (!s->evdev) {
        error_set(errp, "evdev= is missing: the device, /dev/input/eventN");
        return false;
    }
    s->file.event = take;
    s->file.gone = gone;
    s->file.opaque = s;
    if (!evdev_open(&s->file, s->evdev, errp)) {
        return false;
    }
    if (!evdev_grab(&s->file, true, errp)) {
        evdev_close(&s->file);
        return false;
    }
    look(s);
    virtio_input_realize(&s->parent);
    save_check_add(check_save, s);
    evdev_read(&s->file, true);
    return true;
}

static void host_unrealize(VirtioDevice *vdev)
{
    VirtioInputHost *s = VIRTIO_INPUT_HOST(vdev);

    save_check_remove(check_save, s);
    evdev_close(&s->file);
}

static const StateField host_fields[] = {
    STATE_STRUCT(VirtioInputHost, parent, &virtio_input_state),
    {},
};
static const StateTable host_state = { .name = "virtio-input-host",
                                       .version = 1,
                                       .fields = host_fields };

static const VirtioInputClass host_ops = {
    .virtio = { VIRTIO_INPUT_CLASS_BASE(&host_state), .realize = host_realize,
                .unrealize = host_unrealize },
    .used = used,
    .selected = selected,
    .taken = taken,
    .status = status,
};

static const Property host_properties[] = {
    { .name = "evdev",
      .kind = PROP_STRING,
      .offset = offsetof(VirtioInputHost, evdev),
      .description = "the device: /dev/input/eventN" },
    { 0 },
};

static const ObjectType host_type = {
    .name = TYPE_VIRTIO_INPUT_HOST,
    .parent = TYPE_VIRTIO_INPUT,
    .description = "an input device of the host",
    .instance_size = sizeof(VirtioInputHost),
    .properties = host_properties,
    .ops = &host_ops,
};
OBJECT_TYPE_REGISTER(host_type)

static const VirtioPciClass host_pci = VIRTIO_PCI_CLASS("input", 0x0980, 2);
VIRTIO_PCI_TYPE(host, "virtio-input-host", "", TYPE_VIRTIO_INPUT_HOST, &host_pci,
                "an input device of the host", NULL, virtio_pci_mode_properties)
