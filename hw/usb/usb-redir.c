/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-redir.h"

#include <string.h>

#include "chardev/chardev.h"
#include "hw/core/runstate.h"
#include "hw/core/save-check.h"
#include "hw/usb/usb-bus.h"
#include "util/error.h"

enum { INPUT_MAX = 4096, NO_ENDPOINT = 255 };

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &USB_REDIR(dev)->description;
}

/* ---- a device comes and goes ---- */

static void disconnect(UsbRedir *s)
{
    UsbDevice *dev = &s->parent;

    if (!s->connected) {
        return;
    }
    s->connected = false;
    usb_redir_forget(s);
    if (!dev->absent) {
        dev->port->ops->detached(dev->port);
    }
    dev->absent = true;
    dev->address = 0;
}

/* May it be here, and is its speed one of the port's? */
static bool check(UsbRedir *s, const struct usb_redir_device_connect_header *header)
{
    static const uint8_t speeds[] = { [usb_redir_speed_low] = USB_SPEED_LOW,
                                      [usb_redir_speed_full] = USB_SPEED_FULL,
                                      [usb_redir_speed_high] = USB_SPEED_HIGH };
    struct usb_redir_interface_info_header *i = &s->interfaces;
    UsbSpeed speed;

    if (header->speed >= G_N_ELEMENTS(speeds)) {
        g_warning("usb-redir: device %04x:%04x has a speed that no port has", header->vendor_id,
                  header->product_id);
        return false;
    }
    if (s->rules &&
        usbredirfilter_check(s->rules, s->rule_count, header->device_class, header->device_subclass,
                             header->device_protocol, i->interface_class, i->interface_subclass,
                             i->interface_protocol, (int)MIN(i->interface_count, 32),
                             header->vendor_id, header->product_id, header->device_version_bcd,
                             usbredirfilter_fl_default_allow) != 0) {
        g_warning("usb-redir: the filter refuses device %04x:%04x", header->vendor_id,
                  header->product_id);
        return false;
    }
    memset(s->description.speeds, 0, sizeof(s->description.speeds));
    s->description.speeds[speeds[header->speed]] = &s->configuration;
    speed = usb_port_speed(&s->parent, s->parent.port->speeds);
    if (speed == USB_SPEEDS) {
        g_warning("usb-redir: device %04x:%04x has another speed than port %s", header->vendor_id,
                  header->product_id, s->parent.port->path);
        return false;
    }
    s->parent.speed = speed;
    return true;
}

static void device_connect(void *priv, struct usb_redir_device_connect_header *header)
{
    UsbRedir *s = priv;

    disconnect(s);
    if (!check(s, header)) {
        usbredirparser_send_filter_reject(s->parser);
        return;
    }
    s->description.vendor = header->vendor_id;
    s->description.product = header->product_id;
    s->connected = true;
    usb_redir_forget(s);
    s->parent.absent = false;
    s->parent.port->ops->attached(s->parent.port);
}

/* The parser says to the other side that it has seen it. */
static void device_disconnect(void *priv)
{
    disconnect(USB_REDIR(priv));
}

static void interface_info(void *priv, struct usb_redir_interface_info_header *header)
{
    USB_REDIR(priv)->interfaces = *header;
}

static void ep_info(void *priv, struct usb_redir_ep_info_header *header)
{
    UsbRedir *s = priv;

    for (unsigned i = 0; i < USB_REDIR_ENDPOINTS; i++) {
        s->endpoints[i].kind = header->type[i] <= USB_INTERRUPT ? header->type[i] : NO_ENDPOINT;
        s->endpoints[i].packet = header->max_packet_size[i];
    }
}

/* It need not ask for what is refused. */
static void hello(void *priv, struct usb_redir_hello_header *header)
{
    UsbRedir *s = priv;

    if (s->rules && usbredirparser_peer_has_cap(s->parser, usb_redir_cap_filter)) {
        usbredirparser_send_filter_filter(s->parser, s->rules, s->rule_count);
    }
}

/* What the other side would have or not is its own affair; but the parser calls these unasked. */
static void filter_reject(void *priv)
{
}

static void filter_filter(void *priv, struct usbredirfilter_rule *rules, int count)
{
    usbredirfilter_free(rules);
}

/* ---- the other side ---- */

static int parser_read(void *priv, uint8_t *data, int count)
{
    UsbRedir *s = priv;
    int bytes = MIN(count, s->input_size);

    memcpy(data, s->input, (size_t)bytes);
    s->input += bytes;
    s->input_size -= bytes;
    return bytes;
}

static int parser_write(void *priv, uint8_t *data, int count)
{
    char_write(&USB_REDIR(priv)->fe, data, (size_t)count);
    return count;
}

static void parser_log(void *priv, int level, const char *message)
{
    if (level <= usbredirparser_warning) {
        g_warning("usb-redir: %s", message);
    }
}

static void open_parser(UsbRedir *s)
{
    static const int caps[] = { usb_redir_cap_connect_device_version, usb_redir_cap_filter,
                                usb_redir_cap_device_disconnect_ack,
                                usb_redir_cap_ep_info_max_packet_size, usb_redir_cap_64bits_ids };
    uint32_t bits[USB_REDIR_CAPS_SIZE] = { 0 };

    s->parser = usbredirparser_create();
    s->parser->priv = s;
    s->parser->log_func = parser_log;
    s->parser->read_func = parser_read;
    s->parser->write_func = parser_write;
    s->parser->hello_func = hello;
    s->parser->device_connect_func = device_connect;
    s->parser->device_disconnect_func = device_disconnect;
    s->parser->interface_info_func = interface_info;
    s->parser->ep_info_func = ep_info;
    s->parser->filter_reject_func = filter_reject;
    s->parser->filter_filter_func = filter_filter;
    usb_redir_set_callbacks(s->parser);
    for (unsigned i = 0; i < G_N_ELEMENTS(caps); i++) {
        usbredirparser_caps_set_cap(bits, caps[i]);
    }
    usbredirparser_init(s->parser, "dimmable", bits, USB_REDIR_CAPS_SIZE, 0);
    usb_redir_flush(s);
}

static void close_parser(UsbRedir *s)
{
    disconnect(s);
    s->put_off = false;
    g_clear_pointer(&s->parser, usbredirparser_destroy);
    for (unsigned i = 0; i < USB_REDIR_ENDPOINTS; i++) {
        s->endpoints[i].kind = NO_ENDPOINT;
    }
    memset(&s->interfaces, 0, sizeof(s->interfaces));
}

/* Who does not take what is answered asks no more. It is how one learns that all was taken, too. */
static int can_receive(void *opaque)
{
    UsbRedir *s = opaque;

    if (!s->parser || char_unsent(&s->fe) > USB_REDIR_UNSENT_MAX) {
        return 0;
    }
    if (s->put_off) {
        s->put_off = false;
        usb_device_ready(&s->parent, 0);
    }
    return INPUT_MAX;
}

static void receive(void *opaque, const uint8_t *bytes, int size)
{
    UsbRedir *s = opaque;

    s->input = bytes;
    s->input_size = size;
    while (s->input_size > 0) {
        int left = s->input_size;

        if (usbredirparser_do_read(s->parser) == usbredirparser_read_parse_error ||
            s->input_size == left) {
            break; /* what is no message of the protocol is left out */
        }
    }
    s->input_size = 0;
    usb_redir_flush(s);
}

static void event(void *opaque, CharEvent event)
{
    UsbRedir *s = opaque;

    if (event == CHAR_EVENT_OPENED && !s->parser) {
        open_parser(s);
        char_accept_input(&s->fe);
    } else if (event == CHAR_EVENT_CLOSED && s->parser) {
        close_parser(s);
    }
}

/* ---- life ---- */

static void redir_reset(UsbDevice *dev)
{
    UsbRedir *s = USB_REDIR(dev);

    if (s->connected && char_unsent(&s->fe) <= USB_REDIR_UNSENT_MAX) {
        usb_redir_forget(s);
        usbredirparser_send_reset(s->parser);
        usb_redir_flush(s);
    }
}

/* No saved machine has a device: one that came before that was loaded comes now. */
static void machine_starts(void *opaque)
{
    UsbRedir *s = opaque;

    if (s->unseen && s->connected) {
        s->parent.port->ops->attached(s->parent.port);
    }
    s->unseen = false;
}

static bool note_loaded(void *opaque, GError **errp)
{
    UsbRedir *s = opaque;

    s->unseen = s->connected;
    return true;
}

static bool check_save(void *opaque, GError **errp)
{
    const UsbRedir *s = opaque;

    if (s->connected) {
        error_set(errp,
                  "usb-redir '%s' has a device of another program; device_del it, or close "
                  "its chardev '%s', first",
                  s->parent.parent.id ? s->parent.parent.id : "", s->chardev);
        return false;
    }
    return true;
}

static bool parse_filter(UsbRedir *s, GError **errp)
{
    if (s->filter &&
        usbredirfilter_string_to_rules(s->filter, ":", "|", &s->rules, &s->rule_count) != 0) {
        error_set(errp,
                  "filter=%s: it has rules CLASS:VENDOR:PRODUCT:VERSION:ALLOW, with '|' "
                  "between them; -1 stands for any, and ALLOW is 0 or 1",
                  s->filter);
        return false;
    }
    return true;
}

static bool redir_realize(UsbDevice *dev, GError **errp)
{
    UsbRedir *s = USB_REDIR(dev);
    Chardev *chr = s->chardev ? chardev_find(s->chardev) : NULL;

    if (!chr) {
        error_set(errp, "chardev '%s' not found; a usb-redir needs one: -chardev ...,id=ID",
                  s->chardev ? s->chardev : "");
        return false;
    }
    if (!parse_filter(s, errp)) {
        return false;
    }
    close_parser(s);
    s->fe = (CharFrontend){ .can_receive = can_receive,
                            .receive = receive,
                            .event = event,
                            .opaque = s,
                            .keep_output = true };
    if (!char_attach(chr, &s->fe, errp)) {
        g_clear_pointer(&s->rules, usbredirfilter_free);
        return false;
    }
    save_check_add(check_save, s);
    runstate_add_start(machine_starts, s);
    return true;
}

static void redir_unrealize(UsbDevice *dev)
{
    UsbRedir *s = USB_REDIR(dev);

    runstate_remove_start(machine_starts, s);
    save_check_remove(check_save, s);
    close_parser(s);
    char_detach(&s->fe);
    g_clear_pointer(&s->rules, usbredirfilter_free);
}

static void redir_init(Object *obj)
{
    UsbRedir *s = USB_REDIR(obj);

    s->configuration = (UsbConfiguration){ .max_packet = 64 };
    s->description = (UsbDescription){ .maker = "", .name = "USB Redirection Device" };
    for (unsigned i = 0; i < USB_SPEEDS; i++) {
        s->description.speeds[i] = &s->configuration;
    }
    for (unsigned i = 0; i < USB_REDIR_ENDPOINTS; i++) {
        g_queue_init(&s->endpoints[i].queue);
        s->endpoints[i].kind = NO_ENDPOINT;
    }
    s->parent.absent = true;
}

static const StateField redir_fields[] = {
    STATE_STRUCT(UsbRedir, parent, &usb_device_state),
    {},
};
static const StateTable redir_state = {
    .name = TYPE_USB_REDIR, .version = 1, .fields = redir_fields, .post_load = note_loaded
};

static const UsbDeviceClass redir_ops = {
    .device = USB_DEVICE_CLASS("usb", &redir_state),
    .describe = describe,
    .realize = redir_realize,
    .unrealize = redir_unrealize,
    .reset = redir_reset,
    .packet = usb_redir_packet,
};

static const Property redir_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(UsbRedir, chardev),
      .description = "id of the character device to the program that has the device" },
    { .name = "filter",
      .kind = PROP_STRING,
      .offset = offsetof(UsbRedir, filter),
      .description = "which devices may come: CLASS:VENDOR:PRODUCT:VERSION:ALLOW|..." },
    { 0 },
};

static const ObjectType redir_type = {
    .name = TYPE_USB_REDIR,
    .parent = TYPE_USB_DEVICE,
    .description = "a USB device of another program (usbredir)",
    .instance_size = sizeof(UsbRedir),
    .properties = redir_properties,
    .init = redir_init,
    .ops = &redir_ops,
};
OBJECT_TYPE_REGISTER(redir_type)
