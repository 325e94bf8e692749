/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-input.h"

#include <string.h>

enum { EVENTS, STATUS }; /* queues */
enum { QUEUE_SIZE = 64, DATA = 8, VIRTUAL_BUS = 6 };

typedef struct Event {
    uint16_t type, code;
    uint32_t value;
} Event;

static const VirtioInputClass *class_of(const VirtioInput *s)
{
    return (const VirtioInputClass *)virtio_device_class(&s->parent);
}

/* ---- the configuration space: bytes, and how many they are ---- */

static uint8_t put(uint8_t *data, const void *bytes, size_t size)
{
    memcpy(data, bytes, MIN(size, VIRTIO_INPUT_DATA));
    return (uint8_t)MIN(size, VIRTIO_INPUT_DATA);
}

static uint8_t put_ids(const VirtioInput *s, uint8_t *data)
{
    const VirtioInputIds ids = { VIRTUAL_BUS, 0x0627, class_of(s)->product, 1 };

    return put(data, &ids, sizeof(ids));
}

static const VirtioInputCodes *codes_of(const VirtioInput *s, unsigned type)
{
    for (const VirtioInputCodes *at = class_of(s)->codes; at->type; at++) {
        if (at->type == type) {
            return at;
        }
    }
    return NULL;
}

/* A type without codes is there all the same. */
static uint8_t put_codes(const VirtioInput *s, uint8_t *data)
{
    const VirtioInputCodes *codes = codes_of(s, s->subsel);
    unsigned size = codes ? 1 : 0;

    for (unsigned i = 0; codes && i < codes->count; i++) {
        data[codes->codes[i] / 8] |= (uint8_t)(1 << codes->codes[i] % 8);
        size = MAX(size, codes->codes[i] / 8 + 1u);
    }
    return (uint8_t)size;
}

static uint8_t put_axis(const VirtioInput *s, uint8_t *data)
{
    const VirtioInputCodes *codes = codes_of(s, EV_ABS);
    const VirtioInputAxis axis = { .max = (uint32_t)class_of(s)->axis_max };

    for (unsigned i = 0; codes && i < codes->count; i++) {
        if (codes->codes[i] == s->subsel) {
            return put(data, &axis, sizeof(axis));
        }
    }
    return 0;
}

static uint8_t put_selected(const VirtioInput *s, uint8_t *data)
{
    if (class_of(s)->selected) {
        return (uint8_t)class_of(s)->selected(s, s->select, s->subsel, data);
    }
    switch (s->select) {
    case VIRTIO_INPUT_NAME:
        return s->subsel ? 0 : put(data, class_of(s)->name, strlen(class_of(s)->name));
    case VIRTIO_INPUT_SERIAL:
        return s->subsel || !s->serial ? 0 : put(data, s->serial, strlen(s->serial));
    case VIRTIO_INPUT_IDS:
        return s->subsel ? 0 : put_ids(s, data);
    case VIRTIO_INPUT_CODES:
        return put_codes(s, data);
    case VIRTIO_INPUT_AXIS:
        return put_axis(s, data);
    default: /* VIRTIO_INPUT_PROPERTIES: it has none */
        return 0;
    }
}

void virtio_input_config_read(VirtioDevice *vdev, uint8_t *config)
{
    const VirtioInput *s = VIRTIO_INPUT(vdev);

    config[0] = s->select;
    config[1] = s->subsel;
    config[2] = put_selected(s, config + DATA);
}

void virtio_input_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                                 unsigned size)
{
    VirtioInput *s = VIRTIO_INPUT(vdev);

    s->select = config[0];
    s->subsel = config[1];
}

/* ---- events ---- */

bool virtio_input_has_room(const VirtioInput *s, unsigned count)
{
    return s->count + count <= VIRTIO_INPUT_BUFFER;
}

void virtio_input_event(VirtioInput *s, uint16_t type, uint16_t code, int32_t value)
{
    if (s->parent.status & VIRTIO_STATUS_DRIVER_OK && virtio_input_has_room(s, 1)) {
        s->events[(s->head + s->count++) % VIRTIO_INPUT_BUFFER] =
            type | (uint64_t)code << 16 | (uint64_t)(uint32_t)value << 32;
    }
}

static void handle_events(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioInput *s = VIRTIO_INPUT(vdev);
    VirtqElement *element;
    bool looked = false;

    while (s->count && virtio_device_runs(vdev) && (element = virtq_pop(vq))) {
        uint64_t packed = s->events[s->head];
        const Event event = { (uint16_t)packed, (uint16_t)(packed >> 16),
                              (uint32_t)(packed >> 32) };

        if (element->in_size < sizeof(event)) {
            virtq_drop(vq, element);
            virtq_break(vq, "a buffer is too small for an event");
            looked = true;
            break;
        }
        virtq_push(vq, element, (uint32_t)virtq_write(element, 0, &event, sizeof(event)));
        s->head = (s->head + 1) % VIRTIO_INPUT_BUFFER;
        s->count--;
        looked = true;
    }
    if (looked) {
        virtio_notify(vdev, vq); /* also if a buffer makes no sense */
        if (class_of(s)->taken) {
            class_of(s)->taken(s);
        }
    }
}

void virtio_input_flush(VirtioInput *s)
{
    handle_events(&s->parent, virtio_queue(&s->parent, EVENTS));
}

void virtio_input_sync(VirtioInput *s)
{
    virtio_input_event(s, EV_SYN, SYN_REPORT, 0);
    virtio_input_flush(s);
}

/* The guest's: LEDs. */
static void handle_status(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioInput *s = VIRTIO_INPUT(vdev);
    VirtqElement *element;

    while ((element = virtq_pop(vq))) {
        Event event;

        if (class_of(s)->status && virtq_read(element, 0, &event, sizeof(event)) == sizeof(event)) {
            class_of(s)->status(s, event.type, event.code, (int32_t)event.value);
        }
        virtq_push(vq, element, 0);
        virtio_notify(vdev, vq);
    }
}

/* ---- life ---- */

void virtio_input_realize(VirtioInput *s)
{
    virtio_add_queue(&s->parent, QUEUE_SIZE, handle_events);
    virtio_add_queue(&s->parent, QUEUE_SIZE, handle_status);
}

void virtio_input_reset(VirtioDevice *vdev)
{
    VirtioInput *s = VIRTIO_INPUT(vdev);

    s->select = s->subsel = 0;
    s->head = s->count = 0;
    memset(s->events, 0, sizeof(s->events));
    class_of(s)->used(s, false);
}

void virtio_input_status(VirtioDevice *vdev, uint8_t before)
{
    if (vdev->status & ~before & VIRTIO_STATUS_DRIVER_OK) {
        class_of(VIRTIO_INPUT(vdev))->used(VIRTIO_INPUT(vdev), true);
    }
}

/* Who used it where the machine was uses it here. */
static bool input_loaded(void *obj, GError **errp)
{
    virtio_input_status(obj, 0);
    return true;
}

static const StateField input_fields[] = {
    STATE_STRUCT(VirtioInput, parent, &virtio_device_state),
    STATE_UINT(VirtioInput, select),
    STATE_UINT(VirtioInput, subsel),
    STATE_UINTS(VirtioInput, events),
    STATE_UINT_MAX(VirtioInput, head, VIRTIO_INPUT_BUFFER - 1),
    STATE_UINT_MAX(VirtioInput, count, VIRTIO_INPUT_BUFFER),
    {},
};
const StateTable virtio_input_state = {
    .name = TYPE_VIRTIO_INPUT, .version = 1, .fields = input_fields, .post_load = input_loaded
};

static const Property input_properties[] = {
    { .name = "serial",
      .kind = PROP_STRING,
      .offset = offsetof(VirtioInput, serial),
      .description = "serial number, by which the guest tells it from others" },
    { 0 },
};

static const ObjectType input_type = {
    .name = TYPE_VIRTIO_INPUT,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "what a user does",
    .instance_size = sizeof(VirtioInput),
    .abstract = true,
    .properties = input_properties,
};
OBJECT_TYPE_REGISTER(input_type)
