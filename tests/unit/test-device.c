/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The life of a device: the order of its steps, what a failure leaves behind, unplug. */
#include <glib.h>
#include <string.h>

#include "hw/core/bus.h"
#include "hw/core/help.h"
#include "hw/core/machine.h"
#include "hw/core/unplug.h"
#include "qapi/event.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/timer.h"

typedef struct Gadget {
    Device parent;
    uint32_t level;
    char *fail; /* the step that fails */
} Gadget;

static GString *steps; /* what happened, a word each */

static void step(const char *what)
{
    g_string_append_printf(steps, "%s%s", steps->len ? " " : "", what);
}

static bool try_step(Device *dev, const char *what, GError **errp)
{
    step(what);
    if (g_strcmp0(((Gadget *)dev)->fail, what) == 0) {
        error_set(errp, "%s failed", what);
        return false;
    }
    return true;
}

static void assert_steps(const char *expected)
{
    g_assert_cmpstr(steps->str, ==, expected);
    g_string_truncate(steps, 0);
}

static bool gadget_realize(Device *dev, GError **errp)
{
    return try_step(dev, "realize", errp);
}

static void gadget_unrealize(Device *dev)
{
    step("unrealize");
}

static void gadget_reset(Device *dev)
{
    step(dev->id ? dev->id : "reset");
}

static const Property gadget_properties[] = {
    { .name = "level",
      .kind = PROP_UINT32,
      .offset = offsetof(Gadget, level),
      .description = "how much",
      .has_default = true,
      .default_int = 7 },
    { .name = "fail",
      .kind = PROP_STRING,
      .offset = offsetof(Gadget, fail),
      .description = "step to fail at" },
    { 0 },
};

static const DeviceClass gadget_ops = {
    .category = "test",
    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
    .realize = gadget_realize,
    .unrealize = gadget_unrealize,
    .reset = gadget_reset,
};

static const ObjectType gadget = {
    .name = "gadget",
    .parent = TYPE_DEVICE,
    .description = "a thing",
    .instance_size = sizeof(Gadget),
    .properties = gadget_properties,
    .ops = &gadget_ops,
};
OBJECT_TYPE_REGISTER(gadget)

static const ObjectType plain_gadget = { .name = "plain-gadget",
                                         .parent = "gadget",
                                         .description = "with its parent's ways" };
OBJECT_TYPE_REGISTER(plain_gadget)

static const DeviceClass fixed_ops = { .flags = DEVICE_USER_CREATABLE };
static const ObjectType fixed_gadget = { .name = "fixed-gadget",
                                         .parent = TYPE_DEVICE,
                                         .ops = &fixed_ops };
OBJECT_TYPE_REGISTER(fixed_gadget)

static const DeviceClass needy_ops = { .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG |
                                                DEVICE_NEEDS_SLOT };
static const ObjectType needy_gadget = { .name = "needy-gadget",
                                         .parent = TYPE_DEVICE,
                                         .ops = &needy_ops };
OBJECT_TYPE_REGISTER(needy_gadget)

static const DeviceClass board_ops = { .reset = gadget_reset };
static const ObjectType board_gadget = { .name = "board-gadget",
                                         .parent = TYPE_DEVICE,
                                         .ops = &board_ops };
OBJECT_TYPE_REGISTER(board_gadget)

/* ---- a bus with two places ---- */

typedef struct Rack {
    Bus parent;
    Device *places[2];
} Rack;

typedef struct Blade {
    Gadget parent;
    uint32_t place;
} Blade;

static bool rack_attach(Bus *bus, Device *dev, GError **errp)
{
    Rack *rack = (Rack *)bus;
    uint32_t place = ((Blade *)dev)->place;

    if (place >= G_N_ELEMENTS(rack->places) || rack->places[place]) {
        error_set(errp, "no such place: %u", place);
        return false;
    }
    rack->places[place] = dev;
    return true;
}

static void rack_detach(Bus *bus, Device *dev)
{
    ((Rack *)bus)->places[((Blade *)dev)->place] = NULL;
}

static int rack_compare(const Device *a, const Device *b)
{
    return (int)((const Blade *)a)->place - (int)((const Blade *)b)->place;
}

static const BusClass rack_class = { .attach = rack_attach,
                                     .detach = rack_detach,
                                     .compare = rack_compare };
static const ObjectType rack_type = {
    .name = "rack", .parent = TYPE_BUS, .instance_size = sizeof(Rack), .ops = &rack_class
};
OBJECT_TYPE_REGISTER(rack_type)

static const Property blade_properties[] = {
    { .name = "bus", .kind = PROP_STRING, .offset = offsetof(Device, bus_name) },
    { .name = "place", .kind = PROP_UINT32, .offset = offsetof(Blade, place) },
    { 0 },
};

static const DeviceClass blade_class = {
    .bus = "rack",
    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
    .realize = gadget_realize,
    .unrealize = gadget_unrealize,
};
static const ObjectType blade = { .name = "blade",
                                  .parent = "gadget",
                                  .instance_size = sizeof(Blade),
                                  .properties = blade_properties,
                                  .ops = &blade_class };
OBJECT_TYPE_REGISTER(blade)

static bool pre_plug(Machine *machine, Device *dev, GError **errp)
{
    return try_step(dev, "pre-plug", errp);
}

static UnplugRecord record; /* of the one slot */

static void withdraw(void *opaque, const char *why)
{
    step(why);
    unplug_end(&record, UNPLUG_WITHDRAWN);
}

static bool check_withdraw(void *opaque, GError **errp)
{
    if (!unplug_pending(&record)) {
        error_set(errp, "no request is pending");
        return false;
    }
    return true;
}

static void plug(Machine *machine, Device *dev)
{
    static const UnplugOps ops = { withdraw, check_withdraw };

    step("plug");
    unplug_record_init(&record, &ops, NULL);
    dev->unplug = &record;
}

static bool unplug_request(Machine *machine, Device *dev, GError **errp)
{
    bool ok = try_step(dev, "unplug-request", errp);

    if (ok) {
        unplug_begin(&record);
    }
    return ok;
}

static void unplug(Machine *machine, Device *dev)
{
    step("unplug");
    unplug_end(&record, UNPLUG_EJECTED);
    dev->unplug = NULL;
}

static const HotplugHandler handlers[] = {
    { "gadget", pre_plug, plug, unplug_request, unplug },
    { 0 },
};

static bool test_init(Machine *machine, GError **errp)
{
    return true;
}

static const MachineOps test_machine_ops = {
    .name = "test", .description = "for this test", .init = test_init, .hotplug = handlers
};
static const ObjectType test_machine = { .name = "test-machine",
                                         .parent = TYPE_MACHINE,
                                         .ops = &test_machine_ops };
OBJECT_TYPE_REGISTER(test_machine)

static void on_event(const char *name, struct json_object *event)
{
    struct json_object *data;

    json_object_object_get_ex(event, "data", &data);
    g_autofree char *text =
        g_strdup_printf("%s%s", name,
                        json_object_to_json_string_ext(data, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    step(text);
}

static Device *add(const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, "driver", NULL);
    Device *dev = device_add(props, errp);

    json_object_put(props);
    return dev;
}

static void assert_refused(const char *text, const char *message)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(add(text, &err));
    g_assert_nonnull(err);
    if (!strstr(err->message, message)) {
        g_test_message("%s: '%s' does not contain '%s'", text, err->message, message);
        g_test_fail();
    }
}

static unsigned peripherals(void)
{
    Object *a = object_container("/machine/peripheral");
    Object *b = object_container("/machine/peripheral-anon");

    return (a->children ? a->children->len : 0) + (b->children ? b->children->len : 0);
}

static void test_plug_unplug(void)
{
    g_autoptr(GError) err = NULL;
    Device *dev = add("gadget,id=g0,level=3", &err);

    g_assert_no_error(err);
    assert_steps("pre-plug realize g0 plug");
    g_assert_true(dev->realized && dev->hotplugged);
    g_assert_cmpuint(((Gadget *)dev)->level, ==, 3);
    g_autofree char *path = object_path(OBJECT(dev));
    g_assert_cmpstr(path, ==, "/machine/peripheral/g0");
    g_assert_false(object_property_parse(OBJECT(dev), "level", "4", NULL));
    assert_refused("gadget,id=g0", "g0");

    /* Asked twice: harmless. */
    g_assert_true(device_del("g0", &err));
    g_assert_true(device_del("/machine/peripheral/g0", &err));
    assert_steps("unplug-request unplug-request");
    g_assert_true(unplug_pending(&record));
    device_unplug(dev);
    assert_steps(
        "unplug unrealize DEVICE_DELETED{\"device\":\"g0\",\"path\":\"/machine/peripheral/g0"
        "\"}");
    g_assert_cmpuint(peripherals(), ==, 0);
    g_assert_false(device_del("g0", &err));
    g_assert_cmpstr(error_class_name(err), ==, "DeviceNotFound");

    /* The id is free; and the guest may give it back unasked. */
    dev = add("plain-gadget,id=g0", NULL);
    g_string_truncate(steps, 0);
    device_unplug(dev);
    g_assert_nonnull(strstr(steps->str, "DEVICE_DELETED"));
    g_string_truncate(steps, 0);
}

static void test_failures(void)
{
    assert_refused("gadget,id=g1,fail=pre-plug", "pre-plug failed");
    assert_steps("pre-plug");
    assert_refused("gadget,id=g1,fail=realize", "realize failed");
    assert_steps("pre-plug realize");
    assert_refused("gadget,id=g1,colour=red", "colour");
    assert_refused("gadget,id=1g", "1g");
    assert_refused("gadget,level=x", "level");
    assert_refused("id=g1", "driver");
    assert_refused("thing", "thing");
    assert_refused("container", "container");
    assert_refused("device", "device");
    assert_refused("board-gadget", "board-gadget");
    assert_refused("fixed-gadget", "fixed-gadget");
    assert_refused("needy-gadget", "needy-gadget");
    g_assert_cmpuint(peripherals(), ==, 0);
    assert_steps("");

    g_autoptr(GError) err = NULL;
    Device *dev = add("gadget,id=g1,fail=unplug-request", NULL);
    g_string_truncate(steps, 0);
    g_assert_false(device_del("g1", &err));
    g_assert_false(unplug_pending(&record));
    g_assert_true(dev->realized);
    device_unplug(dev);
    g_string_truncate(steps, 0);
}

/* A request is told of to the end: cancelled, timed out, or done, and only then is the end of a
 * device without an id news. */
static void test_request(void)
{
    g_autoptr(GError) err = NULL;
    Device *dev = add("gadget", &err);
    g_autofree char *path = object_path(&dev->parent);

    g_string_truncate(steps, 0);
    g_assert_false(device_del_cancel(path, &err));
    g_assert_nonnull(strstr(err->message, "no request"));
    g_clear_error(&err);
    g_assert_false(device_del_within(path, -1, NULL));
    g_assert_cmpint(record.last, ==, UNPLUG_NONE);

    g_assert_true(device_del_within(path, 2, &err));
    g_assert_true(unplug_pending(&record) && unplug_asked(&record));
    timers_step_to(clock_ns() + NS_PER_SEC);
    assert_steps("unplug-request");
    unplug_reach(&record, UNPLUG_IN_PROGRESS);
    g_assert_cmpint(record.at_ns[UNPLUG_SEEN], ==, record.at_ns[UNPLUG_IN_PROGRESS]);
    timers_step_to(clock_ns() + NS_PER_SEC);
    assert_steps("it timed out after 2 s");
    g_assert_false(unplug_pending(&record) || unplug_asked(&record) || record.deadline);

    g_assert_true(device_del_within(path, 2, &err));
    g_assert_cmpint(record.at_ns[UNPLUG_WITHDRAWN], ==, -1);
    g_assert_true(device_del_cancel(path, &err));
    assert_steps("unplug-request it was cancelled");
    timers_step_to(clock_ns() + 3 * NS_PER_SEC);
    assert_steps("");

    device_unplug(dev); /* the guest's own idea */
    assert_steps("unplug unrealize");
    dev = add("gadget", &err);
    g_assert_true(device_del(path, &err));
    g_string_truncate(steps, 0);
    device_unplug(dev);
    g_assert_nonnull(strstr(steps->str, "DEVICE_DELETED"));
    g_assert_true(unplug_asked(&record));
    g_string_truncate(steps, 0);
}

static void rack_plug(Machine *machine, Device *dev)
{
    step("rack-plug");
}

static void rack_unplug(Machine *machine, Device *dev)
{
    step("rack-unplug");
}

/* A bus gives its devices their places, and its handler wins over the machine's. */
static void test_bus(void)
{
    static const HotplugHandler handler = { .plug = rack_plug, .unplug = rack_unplug };
    g_autoptr(GError) err = NULL;
    Object *home = object_container("/machine/unattached");

    assert_refused("blade,id=b0", "this machine has no rack bus");
    Bus *bus = bus_new("rack", "rack.0", home, &err);
    g_assert_no_error(err);
    g_assert_null(bus_new("rack", "rack.0", object_container("/machine"), NULL));
    bus->hotplug = &handler;
    assert_refused("blade,id=b0,bus=rack.1", "'rack.0'");
    assert_refused("blade,id=b0,place=2", "no such place: 2");
    assert_refused("blade,id=b0,fail=realize", "realize failed");
    g_assert_cmpuint(bus->children->len, ==, 0);
    g_string_truncate(steps, 0);

    Device *b1 = add("blade,id=b1,place=1", &err);
    g_assert_no_error(err);
    assert_steps("realize rack-plug");
    Device *b0 = add("blade,id=b0,bus=rack.0", &err);
    g_assert_no_error(err);
    assert_refused("blade,id=b2,place=1", "no such place: 1");
    g_assert_true(bus->children->len == 2 && bus->children->pdata[0] == b0 &&
                  bus->children->pdata[1] == b1 && b0->bus == bus);
    g_string_truncate(steps, 0);
    g_assert_true(device_del("b1", &err));
    assert_steps("rack-unplug unrealize DEVICE_DELETED{\"device\":\"b1\",\"path\":"
                 "\"/machine/peripheral/b1\"}");
    g_assert_cmpuint(bus->children->len, ==, 1);
    g_assert_null(((Rack *)bus)->places[1]);
    device_unplug(b0);
    object_unparent(&bus->parent);
    g_assert_null(bus_find("rack", NULL, NULL));
    g_string_truncate(steps, 0);
}

static void test_cold_and_reset(void)
{
    Machine *machine = machine_current();
    g_autoptr(GError) err = NULL;

    machine->ready = false;
    Device *first = device_new_onboard("board-gadget");
    g_assert_true(device_realize(first, NULL));
    Device *fixed = add("fixed-gadget,id=f", NULL);
    Device *second = add("gadget,id=second", NULL);
    Device *anonymous = add("gadget", NULL);
    assert_steps("pre-plug realize plug pre-plug realize plug"); /* the reset comes later */
    g_assert_false(second->hotplugged);
    machine->ready = true;
    g_assert_false(device_del("f", &err));
    g_assert_nonnull(strstr(err->message, "fixed-gadget"));

    machine_reset(machine);
    assert_steps("reset second reset");
    device_unplug(anonymous);
    assert_steps("unplug unrealize"); /* no id, nobody asked: no event */
    device_unplug(second);
    device_unplug(fixed);
    device_unplug(first);
    g_string_truncate(steps, 0);
    machine_reset(machine);
    assert_steps("");
}

static void test_help(void)
{
    g_autofree char *devices = help_devices();
    g_autofree char *type = help_device_type("gadget", NULL);
    g_autoptr(GError) err = NULL;

    g_assert_nonnull(strstr(devices, "Test devices:\nname \"gadget\", desc \"a thing\"\n"));
    g_assert_null(strstr(devices, "board-gadget"));
    g_assert_nonnull(strstr(type, "level=<uint32>"));
    g_assert_nonnull(strstr(type, "how much (default: 7)"));
    g_assert_null(strstr(type, "realized"));
    g_assert_null(help_device_type("board-gadget", &err));
    g_assert_nonnull(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    steps = g_string_new(NULL);
    Machine *machine = machine_new(machine_type_find("test", NULL), NULL);
    g_assert_true(machine_init(machine, NULL));
    machine->ready = true;
    qapi_event_set_emitter(on_event);
    g_test_add_func("/device/plug-unplug", test_plug_unplug);
    g_test_add_func("/device/failures", test_failures);
    g_test_add_func("/device/request", test_request);
    g_test_add_func("/device/bus", test_bus);
    g_test_add_func("/device/cold-and-reset", test_cold_and_reset);
    g_test_add_func("/device/help", test_help);
    int status = g_test_run();
    g_string_free(steps, TRUE);
    return status;
}
