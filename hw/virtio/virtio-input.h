/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-input (Virtio 1.2, section 5.8): what a user does, as Linux's evdev has it. The devices
 * are virtio-keyboard.c and virtio-pointer.c. Machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_INPUT_H
#define HW_VIRTIO_VIRTIO_INPUT_H

#include <linux/input-event-codes.h>

#include "hw/virtio/virtio-pci.h"

#define TYPE_VIRTIO_INPUT   "virtio-input-device"
#define VIRTIO_INPUT_BUFFER 256 /* events that the guest has not read */

/* What `select` says. */
enum {
    VIRTIO_INPUT_NAME = 0x01,
    VIRTIO_INPUT_SERIAL = 0x02,
    VIRTIO_INPUT_IDS = 0x03,
    VIRTIO_INPUT_PROPERTIES = 0x10,
    VIRTIO_INPUT_CODES = 0x11,
    VIRTIO_INPUT_AXIS = 0x12,
};
#define VIRTIO_INPUT_DATA 128u /* bytes that it gets */

/* Section 5.8.2. */
typedef struct VirtioInputIds {
    uint16_t bus, vendor, product, version;
} VirtioInputIds;

typedef struct VirtioInputAxis {
    uint32_t min, max, fuzz, flat, resolution;
} VirtioInputAxis;

/* Codes of one type (EV_*) that a device has. */
typedef struct VirtioInputCodes {
    uint16_t type;
    const uint16_t *codes;
    unsigned count; /* 0: the type has no codes */
} VirtioInputCodes;

typedef struct VirtioInput {
    VirtioDevice parent;
    uint8_t select, subsel;               /* what the driver looks at */
    uint64_t events[VIRTIO_INPUT_BUFFER]; /* type, code << 16, value << 32 */
    unsigned head, count;
    /* configuration */
    char *serial;
} VirtioInput;
OBJECT_CAST_DEFINE(VirtioInput, VIRTIO_INPUT, TYPE_VIRTIO_INPUT)

/* The `ops` of a kind. */
typedef struct VirtioInputClass {
    VirtioDeviceClass virtio;
    const char *name;
    uint16_t product;
    const VirtioInputCodes *codes; /* ends with type 0 */
    int32_t axis_max;              /* of each EV_ABS code, from 0 on */
    /* The guest begins to use it, or (after a reset) does not any more. */
    void (*used)(VirtioInput *s, bool used);
    /* Instead of name, product, codes and axis_max: what the driver has selected, 128 bytes at most
     * (VIRTIO_INPUT_DATA), into @data; how many. NULL: these. */
    unsigned (*selected)(const VirtioInput *s, uint8_t select, uint8_t subsel, uint8_t *data);
    /* The guest has taken events, and there is room for others. NULL: nobody waits. */
    void (*taken)(VirtioInput *s);
    /* The guest's: a LED and so on. NULL: nobody sees it. */
    void (*status)(VirtioInput *s, uint16_t type, uint16_t code, int32_t value);
} VirtioInputClass;

#define VIRTIO_INPUT_CLASS_BASE(STATE)                                                      \
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = (STATE) }, .id = VIRTIO_ID_INPUT,        \
    .config_size = 136, .reset = virtio_input_reset, .status_written = virtio_input_status, \
    .config_read = virtio_input_config_read, .config_written = virtio_input_config_written
void virtio_input_reset(VirtioDevice *vdev);
void virtio_input_status(VirtioDevice *vdev, uint8_t before);
void virtio_input_config_read(VirtioDevice *vdev, uint8_t *config);
void virtio_input_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                                 unsigned size);
extern const StateTable virtio_input_state;

/* For realize: the queues. */
void virtio_input_realize(VirtioInput *s);
/* Is there room for @count events more? */
bool virtio_input_has_room(const VirtioInput *s, unsigned count);
/* An event that the guest gets when it has a buffer. Lost if the guest does not use the device, or
 * there is no room. */
void virtio_input_event(VirtioInput *s, uint16_t type, uint16_t code, int32_t value);
/* The guest gets those that it has buffers for. */
void virtio_input_flush(VirtioInput *s);
/* The end of those that belong together: the guest gets them. */
void virtio_input_sync(VirtioInput *s);

#endif
