/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a saved machine says of USB ports is compared with what is there: at a usb-redir's port is
 * nobody as long as its program has no device. And what a usb-uas says of its commands.
 */
#include "chardev/chardev.h"
#include "hw/usb/ccid.h"
#include "hw/usb/ehci.h"
#include "hw/usb/ohci.h"
#include "migration/reader.h"
#include "tests/unit/saved-machine.h"
#include "util/keyval.h"

static Device *add_device(const char *text)
{
    GError *err = NULL;
    struct json_object *props = keyval_parse(text, "driver", NULL);
    Device *dev = device_add(props, &err);

    g_assert_no_error(err);
    json_object_put(props);
    return dev;
}

/* Does @dev take the state that it has? */
static bool loads(Device *dev, GError **errp)
{
    const DeviceClass *class = object_ops(&dev->parent);

    return class->state->post_load(dev, errp);
}

static void add_chardev(const char *text)
{
    GError *err = NULL;

    chardev_new_from_opts(text, &err);
    g_assert_no_error(err);
}

enum {
    SET_FEATURE = 3,
    CLEAR_FEATURE = 1,
    FEATURE_SUSPEND = 2,
    FEATURE_RESET = 4,
    FEATURE_POWER = 8
};

/* A request for the first port of @hub. */
static void ask_hub(Device *hub, uint8_t request, uint8_t feature)
{
    uint8_t setup[USB_SETUP_BYTES] = { 0x23, request, feature, 0, 1, 0, 0, 0 };
    unsigned size = sizeof(setup);

    g_assert_cmpint(usb_device_packet(USB_DEVICE(hub), USB_SETUP, 0, setup, &size), ==, USB_OK);
    size = 0;
    g_assert_cmpint(usb_device_packet(USB_DEVICE(hub), USB_IN, 0, setup, &size), ==, USB_OK);
}

static void check_absent(Device *owner, const char *redir)
{
    UsbDevice *dev = USB_DEVICE(add_device(redir));
    g_autoptr(GError) err = NULL;

    g_assert_true(dev->absent);
    if (object_is_a(&owner->parent, TYPE_EHCI)) {
        ehci_configure(EHCI(owner), true);
    }
    g_assert_true(loads(owner, NULL));
    dev->absent = false;
    dev->port->ops->attached(dev->port);
    g_assert_true(loads(owner, NULL));
    dev->absent = true; /* and its port is not told */
    g_assert_false(loads(owner, &err));
    g_assert_nonnull(strstr(err->message, "there is none"));
}

static void test_absent(void)
{
    static const char *const types[] = { "ich9-usb-ehci1", "pci-ohci", "piix4-usb-uhci",
                                         "qemu-xhci" };

    make_machine("pc");
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *card = g_strdup_printf("%s,id=c%u", types[i], i);
        g_autofree char *chr = g_strdup_printf("null,id=r%u", i);
        g_autofree char *redir = g_strdup_printf("usb-redir,chardev=r%u,bus=c%u.0", i, i);

        add_chardev(chr);
        check_absent(add_device(card), redir);
    }
    Device *hub = add_device("usb-hub,bus=c2.0,port=2");
    ask_hub(hub, SET_FEATURE, FEATURE_POWER);
    add_chardev("null,id=behind");
    check_absent(hub, "usb-redir,chardev=behind,bus=c2.0,port=2.1");
}

/* A device that the companion has no speed for is not the companion's to wake. */
static void test_wake_of_nobody(void)
{
    Device *companion;
    UsbDevice *dev;

    make_machine("pc");
    add_device("ich9-usb-ehci1,id=e");
    companion = add_device("pci-ohci,masterbus=e.0");
    add_chardev("null,id=r");
    dev = USB_DEVICE(add_device("usb-redir,chardev=r,bus=e.0"));
    OHCI(companion)->ports[0] |= 1 << 2; /* it sleeps, says a saved machine */
    g_assert_true(loads(companion, NULL));
    dev->suspended = dev->wake_enabled = true;
    usb_device_ready(dev, 0);
    g_assert_true(dev->suspended);
}

/* A usb-redir whose program has offered what its port has no speed for has no configuration. */
static void test_no_speed(void)
{
    static const UsbDescription none;
    g_autoptr(GError) err = NULL;
    UsbDevice *dev;

    make_machine("pc");
    add_device("ich9-usb-ehci1,id=e");
    add_chardev("null,id=r");
    dev = USB_DEVICE(add_device("usb-redir,chardev=r,bus=e.0"));
    dev->description = &none;
    g_assert_true(usb_device_state.post_load(dev, NULL));
    dev->alternates[0] = 1;
    g_assert_false(usb_device_state.post_load(dev, &err));
    g_assert_nonnull(strstr(err->message, "has no 1"));
}

/* A card that was there before the machine was loaded is told of. */
static void test_card(void)
{
    enum { NOTIFY = 1 };
    static const uint8_t atr[] = { 0x3b, 0x00 };
    uint8_t data[64];
    unsigned size = sizeof(data);
    UsbDevice *reader;

    make_machine("pc");
    machine_current()->ready = false; /* cards are not plugged while it runs */
    add_device("qemu-xhci,id=x");
    reader = USB_DEVICE(add_device("usb-ccid,id=r,bus=x.0"));
    reader->configuration = 1;
    add_chardev("null,id=c");
    ccid_card_present(CCID_CARD(add_device("ccid-card-passthru,chardev=c,bus=r.0")), atr, 2);
    g_assert_cmpint(usb_device_packet(reader, USB_IN, NOTIFY, data, &size), ==, USB_OK);
    size = sizeof(data);
    g_assert_cmpint(usb_device_packet(reader, USB_IN, NOTIFY, data, &size), ==, USB_NAK);
    g_assert_true(loads(&reader->parent, NULL)); /* of one without it */
    size = sizeof(data);
    g_assert_cmpint(usb_device_packet(reader, USB_IN, NOTIFY, data, &size), ==, USB_OK);
    g_assert_cmpmem(data, size, "\x50\x03", 2);
}

/* An empty port of a hub sleeps, says a saved machine. */
static void test_sleep_of_nobody(void)
{
    const uint8_t awake = 1, asleep = 7; /* of a port with a device */
    g_autoptr(GByteArray) before = g_byte_array_new(), state = g_byte_array_new();
    Device *hub, *dev;

    make_machine("pc");
    add_device("piix4-usb-uhci,id=u");
    hub = add_device("usb-hub,bus=u.0,port=1");
    ask_hub(hub, SET_FEATURE, FEATURE_POWER);
    dev = add_device("usb-tablet,usb_version=1,bus=u.0,port=1.1");
    const StateTable *table = ((const DeviceClass *)object_ops(&hub->parent))->state;
    state_save(table, hub, before);
    ask_hub(hub, SET_FEATURE, FEATURE_RESET);
    ask_hub(hub, SET_FEATURE, FEATURE_SUSPEND);
    state_save(table, hub, state);
    g_assert_cmpuint(state->len, ==, before->len);
    for (guint i = 0; i < state->len; i++) {
        bool here = before->data[i] == awake && state->data[i] == asleep;

        state->data[i] = here ? asleep & 4 : state->data[i];
    }
    device_unplug(dev);
    if (state_load(table, hub, state->data, state->len, NULL)) {
        ask_hub(hub, CLEAR_FEATURE, FEATURE_SUSPEND);
    }
}

static const StateTable *table_of(Device *dev)
{
    return device_class(dev)->state;
}

static void attach(Device *dev, bool attached)
{
    struct json_object *value = json_object_new_boolean(attached);

    g_assert_true(object_property_set(&dev->parent, "attached", value, NULL));
    json_object_put(value);
}

/* A saved machine says that a bus of disks is not seen, and that its port is not empty: when it is
 * taken out, the port is empty for all that. */
static void test_hidden(void)
{
    static const char *const types[] = { "ich9-usb-ehci1", "pci-ohci", "piix4-usb-uhci",
                                         "qemu-xhci" };

    make_machine("pc");
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *card = g_strdup_printf("%s,id=c%u", types[i], i);
        g_autofree char *bot = g_strdup_printf("usb-bot,id=b%u,bus=c%u.0", i, i);
        g_autoptr(GByteArray) hidden = g_byte_array_new(), seen = g_byte_array_new();
        Device *owner = add_device(card), *dev = add_device(bot);

        if (object_is_a(&owner->parent, TYPE_EHCI)) {
            ehci_configure(EHCI(owner), true);
        }
        state_save(table_of(dev), dev, hidden);
        attach(dev, true);
        state_save(table_of(dev), dev, seen);
        g_assert_true(state_load(table_of(dev), dev, seen->data, seen->len, NULL));
        g_assert_true(loads(owner, NULL));
        g_assert_true(state_load(table_of(dev), dev, hidden->data, hidden->len, NULL));
        g_assert_true(USB_DEVICE(dev)->absent);
        device_unplug(dev);
        g_assert_true(loads(owner, NULL));
    }
}

/* The place of the value of the field @name, which occurs once, in a saved state. */
static uint8_t *value_of(const GByteArray *saved, const char *name)
{
    size_t size = strlen(name);
    uint8_t *at = memmem(saved->data, saved->len, name, size);

    while (at && at[-1] != size) {
        at = memmem(at + 1, saved->len - (size_t)(at + 1 - saved->data), name, size);
    }
    g_assert_nonnull(at);
    return at + size + 1 + 1 + 4; /* kind, bytes of an element, number of elements */
}

/* A command's state that a usb-uas cannot be in. */
static void test_uas(void)
{
    static const struct {
        struct {
            const char *name;
            uint8_t value;
        } fields[4];
        bool well;
    } cases[] = {
        { { { "active", 0 } }, true },
        { { { "status_count", 63 } }, true },
        { { { "active", 1 } }, false },
        { { { "active", 1 }, { "task_count", 1 } }, true },
        { { { "active", 1 }, { "task_count", 1 }, { "open", 1 }, { "moving", 1 } }, true },
        { { { "open", 1 } }, false },
        { { { "moving", 1 } }, false },
        { { { "ended", 1 } }, false },
        { { { "active", 1 }, { "task_count", 1 }, { "ended", 1 }, { "open", 1 } }, false },
        { { { "active", 1 }, { "task_count", 1 }, { "ended", 1 }, { "moving", 1 } }, false },
        { { { "active", 1 }, { "task_count", 1 }, { "status_count", 62 } }, true },
        { { { "active", 1 }, { "task_count", 1 }, { "status_count", 63 } }, false },
        { { { "active", 1 }, { "task_count", 1 }, { "status_count", 63 }, { "told", 1 } }, true },
        { { { "status_count", 64 } }, false },
    };
    g_autoptr(GByteArray) saved = g_byte_array_new();
    Device *dev;

    make_machine("pc");
    add_device("qemu-xhci,id=x");
    dev = add_device("usb-uas,id=u,bus=x.0");
    state_save(table_of(dev), dev, saved);
    for (uint8_t *size = value_of(saved, "statuses"), i = 0; i < 64; i++) {
        uint8_t *entry = memmem(size, saved->len - (size_t)(size - saved->data), "\4size", 5);

        entry[5 + 1 + 1 + 4] = 16;
        size = entry + 5;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) lie = g_byte_array_new();

        g_byte_array_append(lie, saved->data, saved->len);
        for (unsigned j = 0; j < G_N_ELEMENTS(cases[i].fields) && cases[i].fields[j].name; j++) {
            *value_of(lie, cases[i].fields[j].name) = cases[i].fields[j].value;
        }
        g_test_message("case %u", i);
        g_assert_cmpint(state_load(table_of(dev), dev, lie->data, lie->len, NULL), ==,
                        cases[i].well);
        device_class(dev)->reset(dev);
    }
}

static void in_subprocess(gconstpointer fn)
{
    if (g_test_subprocess()) {
        ((void (*)(void))fn)();
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/usb-load/absent", test_absent, in_subprocess);
    g_test_add_data_func("/usb-load/wake-of-nobody", test_wake_of_nobody, in_subprocess);
    g_test_add_data_func("/usb-load/no-speed", test_no_speed, in_subprocess);
    g_test_add_data_func("/usb-load/sleep-of-nobody", test_sleep_of_nobody, in_subprocess);
    g_test_add_data_func("/usb-load/card", test_card, in_subprocess);
    g_test_add_data_func("/usb-load/hidden", test_hidden, in_subprocess);
    g_test_add_data_func("/usb-load/uas", test_uas, in_subprocess);
    return g_test_run();
}
