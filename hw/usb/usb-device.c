/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-device.h"

#include <string.h>

#include "hw/usb/usb-bus.h"
#include "hw/usb/usb-desc.h"
#include "util/error.h"

/* Of the control transfer (8.5.3): what the host does next. */
enum {
    STAGE_NONE,
    STAGE_ANSWER,  /* it takes what there is, and then says that it has it */
    STAGE_DATA,    /* it gives what belongs to the request, and then asks how that went */
    STAGE_STALLED, /* the request cannot be done */
    STAGES,
};

enum {
    GET_STATUS = 0,
    CLEAR_FEATURE = 1,
    SET_FEATURE = 3,
    SET_ADDRESS = 5,
    GET_DESCRIPTOR = 6,
    GET_CONFIGURATION = 8,
    SET_CONFIGURATION = 9,
    GET_INTERFACE = 10,
    SET_INTERFACE = 11
};
enum { FEATURE_HALT = 0, FEATURE_WAKE = 1 };
enum { STATUS_SELF_POWERED = 1, STATUS_WAKES = 2 };

const char *usb_speed_name(UsbSpeed speed)
{
    static const char *const names[] = { "1.5", "12", "480" };

    return names[speed];
}

/* ---- what there is ---- */

static const UsbInterface *interface_of(const UsbDevice *dev, unsigned number, unsigned alternate)
{
    const UsbConfiguration *c = usb_device_configuration(dev);

    for (unsigned i = 0; c && i < c->interface_count; i++) {
        if (c->interfaces[i].number == number && c->interfaces[i].alternate == alternate) {
            return &c->interfaces[i];
        }
    }
    return NULL;
}

const UsbEndpoint *usb_device_endpoint(const UsbDevice *dev, uint8_t address)
{
    for (unsigned number = 0; dev->configuration && number < USB_INTERFACES; number++) {
        const UsbInterface *interface = interface_of(dev, number, dev->alternates[number]);

        for (unsigned i = 0; interface && i < interface->endpoint_count; i++) {
            if (interface->endpoints[i].address == address) {
                return &interface->endpoints[i];
            }
        }
    }
    return NULL;
}

static void configured(UsbDevice *dev)
{
    const UsbDeviceClass *class = usb_device_class(dev);

    if (class->configured) {
        class->configured(dev);
    }
}

/* ---- requests of chapter 9 ---- */

static int get_status(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    const UsbConfiguration *c = usb_device_configuration(dev);

    data[0] = (c->attributes & USB_SELF_POWERED ? STATUS_SELF_POWERED : 0) |
              (dev->wake_enabled ? STATUS_WAKES : 0);
    data[1] = 0;
    return 2;
}

static int get_interface_status(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    data[0] = data[1] = 0;
    return 2;
}

static bool has_endpoint(const UsbDevice *dev, uint16_t index)
{
    return !(index & 0xff70) && (!(index & 0xf) || usb_device_endpoint(dev, (uint8_t)index));
}

static int get_endpoint_status(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    data[0] = (dev->halted & USB_HALTED(setup->index)) != 0;
    data[1] = 0;
    return has_endpoint(dev, setup->index) ? 2 : -1;
}

static int change_wake(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    if (setup->value != FEATURE_WAKE || !(usb_device_configuration(dev)->attributes & USB_WAKES)) {
        return -1;
    }
    dev->wake_enabled = setup->request == USB_REQUEST(0, SET_FEATURE);
    return 0;
}

static int change_halt(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    const UsbDeviceClass *class = usb_device_class(dev);
    uint32_t bit = USB_HALTED(setup->index);

    if (setup->value != FEATURE_HALT || !has_endpoint(dev, setup->index)) {
        return -1;
    }
    if (!(setup->index & 0xf)) {
        return 0; /* the next SETUP ends a halt of it */
    }
    if (setup->request == USB_REQUEST(USB_ENDPOINT, SET_FEATURE)) {
        dev->halted |= bit;
        return 0;
    }
    dev->halted &= ~bit;
    if (class->unhalted) {
        class->unhalted(dev, (uint8_t)setup->index);
    }
    return 0;
}

/* When the host knows that it went well. */
static int set_address(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    if (setup->value > 127) {
        return -1;
    }
    dev->new_address = (uint8_t)setup->value;
    return 0;
}

static int get_descriptor(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    return usb_desc_get(dev, (uint8_t)(setup->value >> 8), (uint8_t)setup->value, data);
}

static int get_configuration(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    data[0] = dev->configuration;
    return 1;
}

static int set_configuration(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    if (setup->value > 1) {
        return -1;
    }
    dev->configuration = (uint8_t)setup->value;
    memset(dev->alternates, 0, sizeof(dev->alternates));
    dev->halted = 0;
    configured(dev);
    return 0;
}

static int get_interface(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    if (!dev->configuration || setup->index >= USB_INTERFACES ||
        !interface_of(dev, setup->index, dev->alternates[setup->index])) {
        return -1;
    }
    data[0] = dev->alternates[setup->index];
    return 1;
}

static int set_interface(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    if (!dev->configuration || setup->index >= USB_INTERFACES || setup->value > 0xff ||
        !interface_of(dev, setup->index, setup->value)) {
        return -1;
    }
    dev->alternates[setup->index] = (uint8_t)setup->value;
    dev->halted = 0;
    configured(dev);
    return 0;
}

static const struct {
    uint16_t request;
    int (*fn)(UsbDevice *dev, const UsbSetup *setup, uint8_t *data);
} requests[] = {
    { USB_REQUEST(USB_TO_HOST, GET_STATUS), get_status },
    { USB_REQUEST(USB_TO_HOST | USB_INTERFACE, GET_STATUS), get_interface_status },
    { USB_REQUEST(USB_TO_HOST | USB_ENDPOINT, GET_STATUS), get_endpoint_status },
    { USB_REQUEST(0, CLEAR_FEATURE), change_wake },
    { USB_REQUEST(0, SET_FEATURE), change_wake },
    { USB_REQUEST(USB_ENDPOINT, CLEAR_FEATURE), change_halt },
    { USB_REQUEST(USB_ENDPOINT, SET_FEATURE), change_halt },
    { USB_REQUEST(0, SET_ADDRESS), set_address },
    { USB_REQUEST(USB_TO_HOST, GET_DESCRIPTOR), get_descriptor },
    { USB_REQUEST(USB_TO_HOST, GET_CONFIGURATION), get_configuration },
    { USB_REQUEST(0, SET_CONFIGURATION), set_configuration },
    { USB_REQUEST(USB_TO_HOST | USB_INTERFACE, GET_INTERFACE), get_interface },
    { USB_REQUEST(USB_INTERFACE, SET_INTERFACE), set_interface },
};

/* ---- control transfers ---- */

static UsbSetup parse_setup(const uint8_t *p)
{
    return (UsbSetup){ .request = (uint16_t)USB_REQUEST(p[0], p[1]),
                       .value = (uint16_t)(p[2] | p[3] << 8),
                       .index = (uint16_t)(p[4] | p[5] << 8),
                       .length = (uint16_t)(p[6] | p[7] << 8) };
}

static int carry_out(UsbDevice *dev, const UsbSetup *setup)
{
    const UsbDeviceClass *class = usb_device_class(dev);

    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        if (requests[i].request == setup->request) {
            int size = requests[i].fn(dev, setup, dev->control);

            if (size >= 0 || setup->request != USB_REQUEST(USB_TO_HOST, GET_DESCRIPTOR)) {
                return size;
            }
        }
    }
    return class->control ? class->control(dev, setup, dev->control) : -1;
}

static UsbStatus stall(UsbDevice *dev)
{
    dev->stage = STAGE_STALLED;
    return USB_STALL;
}

/* It is always taken (8.4.6.4): what cannot be done is told in the next stage. */
static UsbStatus begin(UsbDevice *dev, const uint8_t *data, unsigned size)
{
    if (size != USB_SETUP_BYTES) {
        return stall(dev);
    }
    memcpy(dev->setup, data, USB_SETUP_BYTES);
    UsbSetup setup = parse_setup(dev->setup);
    dev->control_size = dev->control_next = 0;
    dev->stage = STAGE_DATA;
    if (dev->setup[0] & USB_TO_HOST && setup.length) {
        int bytes = carry_out(dev, &setup);

        dev->stage = bytes < 0 ? STAGE_STALLED : STAGE_ANSWER;
        dev->control_size = (uint16_t)CLAMP(bytes, 0, setup.length);
    } else if (setup.length > USB_CONTROL_MAX) {
        dev->stage = STAGE_STALLED;
    } else {
        dev->control_size = setup.length;
    }
    return USB_OK;
}

static UsbStatus control_in(UsbDevice *dev, uint8_t *data, unsigned *size)
{
    UsbSetup setup = parse_setup(dev->setup);

    if (dev->stage == STAGE_ANSWER) {
        *size = MIN(*size, (unsigned)(dev->control_size - dev->control_next));
        memcpy(data, dev->control + dev->control_next, *size);
        dev->control_next += (uint16_t)*size;
        return USB_OK;
    }
    *size = 0;
    if (dev->stage != STAGE_DATA || dev->control_next != dev->control_size ||
        carry_out(dev, &setup) < 0) {
        return stall(dev);
    }
    dev->stage = STAGE_NONE;
    if (setup.request == USB_REQUEST(0, SET_ADDRESS)) {
        dev->address = dev->new_address;
    }
    return USB_OK;
}

static UsbStatus control_out(UsbDevice *dev, const uint8_t *data, unsigned *size)
{
    if (dev->stage == STAGE_ANSWER) {
        dev->stage = STAGE_NONE;
        *size = 0;
        return USB_OK;
    }
    if (dev->stage != STAGE_DATA || *size > (unsigned)(dev->control_size - dev->control_next)) {
        *size = 0;
        return stall(dev);
    }
    memcpy(dev->control + dev->control_next, data, *size);
    dev->control_next += (uint16_t)*size;
    return USB_OK;
}

/* ---- packets ---- */

UsbStatus usb_device_packet(UsbDevice *dev, UsbToken token, uint8_t number, uint8_t *data,
                            unsigned *size)
{
    uint8_t address = number | (token == USB_IN ? USB_ENDPOINT_IN : 0);
    const UsbEndpoint *endpoint;
    UsbStatus status = USB_STALL;

    if (usb_device_class(dev)->packet) {
        return usb_device_class(dev)->packet(dev, token, number, data, size);
    }
    if (!number) {
        return token == USB_SETUP ? begin(dev, data, *size)
               : token == USB_IN  ? control_in(dev, data, size)
                                  : control_out(dev, data, size);
    }
    endpoint = usb_device_endpoint(dev, address);
    if (token != USB_SETUP && endpoint && !(dev->halted & USB_HALTED(address))) {
        status = usb_device_class(dev)->data(dev, endpoint, data, size);
        dev->halted |= status == USB_STALL ? USB_HALTED(address) : 0;
    }
    *size = status == USB_OK ? *size : 0;
    return status;
}

void usb_device_ready(UsbDevice *dev, uint8_t address)
{
    const UsbBus *bus = dev->parent.bus ? USB_BUS(dev->parent.bus) : NULL;

    if (!bus) {
        return;
    }
    if (dev->suspended && dev->wake_enabled) {
        dev->port->ops->wakeup(dev->port);
    }
    bus->ops->ready(bus->opaque, dev, address);
}

void usb_device_halt(UsbDevice *dev, uint8_t address)
{
    dev->halted |= USB_HALTED(address);
}

void usb_device_suspend(UsbDevice *dev, bool suspended)
{
    dev->suspended = suspended;
}

/* ---- life ---- */

void usb_device_port_reset(UsbDevice *dev)
{
    const UsbDeviceClass *class = usb_device_class(dev);

    dev->address = dev->new_address = dev->configuration = 0;
    memset(dev->alternates, 0, sizeof(dev->alternates));
    dev->halted = 0;
    dev->wake_enabled = dev->suspended = false;
    memset(dev->setup, 0, sizeof(dev->setup));
    memset(dev->control, 0, sizeof(dev->control));
    dev->stage = STAGE_NONE;
    dev->control_size = dev->control_next = 0;
    if (class->reset) {
        class->reset(dev);
    }
}

void usb_device_reset(Device *dev)
{
    usb_device_port_reset(USB_DEVICE(dev));
}

/* Its port had power in S3, or the guest finds out what happened to that. */
void usb_device_wake(Device *dev)
{
}

bool usb_device_realize(Device *obj, GError **errp)
{
    UsbDevice *dev = USB_DEVICE(obj);
    const UsbDeviceClass *class = usb_device_class(dev);

    if (dev->serial && g_utf8_strlen(dev->serial, -1) > USB_STRING_UNITS / 2) {
        error_set(errp, "serial= has up to %d characters", USB_STRING_UNITS / 2);
        return false;
    }
    return !class->realize || class->realize(dev, errp);
}

void usb_device_unrealize(Device *obj)
{
    UsbDevice *dev = USB_DEVICE(obj);

    if (usb_device_class(dev)->unrealize) {
        usb_device_class(dev)->unrealize(dev);
    }
}

static bool check_loaded(void *obj, GError **errp)
{
    UsbDevice *dev = obj;

    for (unsigned i = 0; i < USB_INTERFACES; i++) {
        if (dev->alternates[i] && !interface_of(dev, i, dev->alternates[i])) {
            error_set(errp, "alternates: interface %u has no %u", i, dev->alternates[i]);
            return false;
        }
    }
    if (dev->control_next > dev->control_size) {
        error_set(errp, "control_next: %u is behind the end, %u", dev->control_next,
                  dev->control_size);
        return false;
    }
    configured(dev);
    return true;
}

static const StateField device_fields[] = {
    STATE_UINT_MAX(UsbDevice, address, 127),
    STATE_UINT_MAX(UsbDevice, configuration, 1),
    STATE_UINTS(UsbDevice, alternates),
    STATE_UINT(UsbDevice, halted),
    STATE_BOOL(UsbDevice, wake_enabled),
    STATE_BOOL(UsbDevice, suspended),
    STATE_UINTS(UsbDevice, setup),
    STATE_UINT_MAX(UsbDevice, stage, STAGES - 1),
    STATE_UINT_MAX(UsbDevice, new_address, 127),
    STATE_UINT_MAX(UsbDevice, control_size, USB_CONTROL_MAX),
    STATE_UINT_MAX(UsbDevice, control_next, USB_CONTROL_MAX),
    STATE_UINTS(UsbDevice, control),
    {},
};
const StateTable usb_device_state = {
    .name = TYPE_USB_DEVICE, .version = 1, .fields = device_fields, .post_load = check_loaded
};

static const Property device_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(UsbDevice, parent.bus_name),
      .description = "name of the bus: ID.0 of a USB controller" },
    { .name = "port",
      .kind = PROP_STRING,
      .offset = offsetof(UsbDevice, port_path),
      .description = "port of the controller (1), or of a hub (1.2); without it the first that is "
                     "free" },
    { 0 },
};

static const ObjectType device_type = {
    .name = TYPE_USB_DEVICE,
    .parent = TYPE_DEVICE,
    .description = "a USB device",
    .instance_size = sizeof(UsbDevice),
    .abstract = true,
    .properties = device_properties,
};
OBJECT_TYPE_REGISTER(device_type)
