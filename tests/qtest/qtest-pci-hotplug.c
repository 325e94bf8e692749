/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI devices come and go while the machine runs: by ACPI's registers, and by root ports. */
#include <string.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"

/* The registers (docs/pci-hotplug.md), and the event that says to look at them. */
#define PORT 0xae00
#define GPE  0xafe0
enum {
    INSERTED = 0x00,
    ASKED = 0x04,
    EJECT = 0x08,
    REMOVABLE = 0x0c,
    SELECT = 0x10,
    OST_SLOTS = 0x18,
    OST_EVENT = 0x1c,
    OST_STATUS = 0x20,
};

#define BUS     "/machine/i440fx/pci.0"
#define SLOT    4u
#define BIT     (1u << SLOT)
#define NO_ID   0xffffffffu
#define RNG_IDS 0x10051af4u

static uint32_t in(QTest *qt, unsigned reg)
{
    return qtest_inl(qt, PORT + reg);
}

static void out(QTest *qt, unsigned reg, uint32_t value)
{
    qtest_outl(qt, PORT + reg, value);
}

static bool event_pending(QTest *qt)
{
    return qtest_inb(qt, GPE) >> 1 & 1;
}

static void clear_event(QTest *qt)
{
    qtest_outb(qt, GPE, 2);
}

static uint32_t ids(QTest *qt, unsigned slot)
{
    return qpci_read(qt, slot << 3, 0, 4);
}

static void plug(QTest *qt)
{
    qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r0', 'addr': '4'}");
}

/* Plugged, and the guest knows. */
static QTest *start_plugged(void)
{
    QTest *qt = qtest_start("-M pc -m 64");

    plug(qt);
    g_assert_cmphex(in(qt, INSERTED), ==, BIT);
    clear_event(qt);
    return qt;
}

/* The member @key of what the bus says about the slot, which is the only one; borrowed. */
static const char *slot_says(QTest *qt, const char *bus, const char *key, json_object **slots)
{
    g_autofree char *path = g_strdup_printf("0.%s", key);

    *slots = qtest_qmp(qt, "qom-get", "{'path': %s, 'property': 'slots'}", bus);
    g_assert_cmpuint(json_object_array_length(*slots), ==, 1);
    return qtest_get_str(*slots, path);
}

static void assert_state(QTest *qt, const char *state)
{
    g_autoptr(json_object) slots = NULL;

    g_assert_cmpstr(slot_says(qt, BUS, "unplug", &slots), ==, state);
}

static void assert_guest_error(QTest *qt)
{
    g_autoptr(json_object) event = qtest_event(qt, "DEVICE_UNPLUG_GUEST_ERROR");

    g_assert_cmpstr(qtest_get_str(event, "data.device"), ==, "r0");
    g_assert_cmpstr(qtest_get_str(event, "data.path"), ==, "/machine/peripheral/r0");
}

/* ---- the whole way ---- */

static void test_way(void)
{
    QTest *qt = qtest_start("-M pc -m 64");

    g_assert_false(event_pending(qt));
    g_assert_cmphex(in(qt, REMOVABLE), ==, 0xfffffffc);
    for (unsigned round = 0; round < 3; round++) {
        g_assert_cmphex(ids(qt, SLOT), ==, NO_ID);
        plug(qt);
        g_assert_cmphex(ids(qt, SLOT), ==, RNG_IDS);
        clear_event(qt);
        g_assert_true(event_pending(qt)); /* until it is taken */
        g_assert_cmphex(in(qt, ASKED), ==, 0);
        g_assert_cmphex(in(qt, INSERTED), ==, BIT);
        clear_event(qt);
        g_assert_false(event_pending(qt));
        g_assert_cmphex(in(qt, INSERTED), ==, 0);
        assert_state(qt, "none");

        qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
        assert_state(qt, "requested");
        g_assert_true(event_pending(qt));
        g_assert_cmphex(in(qt, ASKED), ==, BIT);
        assert_state(qt, "seen");
        clear_event(qt);
        g_assert_false(event_pending(qt));
        g_assert_cmphex(ids(qt, SLOT), ==, RNG_IDS);
        g_assert_cmpuint(qtest_event_count(qt, "DEVICE_DELETED"), ==, 0);
        out(qt, EJECT, BIT);
        json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
        assert_state(qt, "ejected");
    }
    qtest_quit(qt);
}

/* One that was there when the machine started goes the same way; so do the ports on it. */
static void test_cold(void)
{
    QTest *qt =
        qtest_start("-M pc -m 64 -chardev ringbuf,id=c0 -device virtio-serial-pci,id=s0,addr=4"
                    " -device virtserialport,bus=s0.0,chardev=c0,id=p0");

    qtest_qmp_ok(qt, "device_del", "{'id': 's0'}");
    g_assert_cmphex(in(qt, ASKED), ==, BIT);
    out(qt, EJECT, BIT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "p0"));
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "s0"));
    g_assert_cmphex(ids(qt, SLOT), ==, NO_ID);
    qtest_qmp_ok(qt, "chardev-remove", "{'id': 'c0'}"); /* nobody has it any more */
    qtest_quit(qt);
}

/* Functions of a slot come to the guest's knowledge with function 0, and go together. */
static void test_functions(void)
{
    QTest *qt = qtest_start("-M pc -m 64");
    g_autoptr(json_object) error = NULL, more = NULL;

    qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r1', 'addr': '4.1'}");
    g_assert_false(event_pending(qt));
    qtest_qmp_ok(qt, "device_del", "{'id': 'r1'}"); /* the guest does not know of it */
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r1"));
    qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r1', 'addr': '4.1'}");
    qtest_qmp_ok(qt, "device_add",
                 "{'driver': 'virtio-rng-pci', 'id': 'r0', 'addr': '4.0', 'multifunction': true}");
    g_assert_cmphex(in(qt, INSERTED), ==, BIT);
    error = qtest_qmp_error(qt, "device_add", "{'driver': 'virtio-rng-pci', 'addr': '4.2'}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "plug function 0 last"));
    qtest_qmp_ok(qt, "device_del", "{'id': 'r1'}");
    more = qtest_qmp_error(qt, "device_add", "{'driver': 'virtio-rng-pci', 'addr': '4.2'}");
    g_assert_nonnull(strstr(qtest_get_str(more, "desc"), "about to be given back"));
    out(qt, EJECT, BIT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r1"));
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    qtest_quit(qt);
}

/* ---- requests that end otherwise ---- */

static void test_refused(void)
{
    QTest *qt = start_plugged();
    g_autoptr(json_object) slots = NULL;

    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    g_assert_cmphex(in(qt, ASKED), ==, BIT);
    out(qt, OST_SLOTS, BIT);
    out(qt, OST_EVENT, 3);
    out(qt, OST_STATUS, 0x84);
    assert_state(qt, "in-progress");
    out(qt, OST_STATUS, 0x82);
    assert_guest_error(qt);
    assert_state(qt, "refused");
    g_assert_nonnull(strstr(slot_says(qt, BUS, "reason", &slots), "busy"));
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}"); /* another try */
    g_assert_cmphex(in(qt, ASKED), ==, BIT);
    out(qt, EJECT, BIT);
    json_object_put(qtest_event(qt, "DEVICE_DELETED"));
    out(qt, OST_STATUS, 0x82); /* late, and about nothing */
    assert_state(qt, "ejected");
    qtest_quit(qt);
}

static void test_withdrawn(void)
{
    QTest *qt = start_plugged();
    g_autoptr(json_object) error = NULL;

    qtest_qmp_ok(qt, "device_del", "{'id': 'r0', 'timeout': 2}");
    qtest_clock_step(qt, 1999999999);
    assert_state(qt, "requested");
    qtest_clock_step(qt, 1);
    assert_guest_error(qt);
    assert_state(qt, "withdrawn");
    g_assert_cmphex(in(qt, ASKED), ==, 0);
    clear_event(qt);
    g_assert_false(event_pending(qt));

    error = qtest_qmp_error(qt, "device_del", "{'id': 'r0', 'cancel': true}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "no request"));
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    g_assert_cmphex(in(qt, ASKED), ==, BIT);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}"); /* again: a guest may have lost the first */
    g_assert_cmphex(in(qt, ASKED), ==, BIT);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0', 'cancel': true}");
    assert_guest_error(qt);

    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    qtest_qmp_ok(qt, "system_reset", NULL);
    assert_guest_error(qt);
    assert_state(qt, "withdrawn");
    g_assert_cmphex(in(qt, ASKED), ==, 0);
    g_assert_cmphex(ids(qt, SLOT), ==, RNG_IDS);
    qtest_quit(qt);
}

/* ---- a guest that sleeps ---- */

static void fall_asleep(QTest *qt)
{
    qtest_outw(qt, 0x604, 1 << 13 | 1 << 10);
    json_object_put(qtest_event(qt, "SUSPEND"));
}

static void wake(QTest *qt)
{
    qtest_qmp_ok(qt, "system_wakeup", NULL);
    json_object_put(qtest_event(qt, "WAKEUP"));
}

/* What came, and what it was asked for, meanwhile, is told when it is awake; so is what it had not
 * looked at before. */
static void test_asleep(void)
{
    QTest *qt = start_plugged();

    qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r5', 'addr': '5'}");
    clear_event(qt);
    fall_asleep(qt);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r6', 'addr': '6'}");
    wake(qt);
    g_assert_true(event_pending(qt));
    g_assert_cmpuint(qtest_event_count(qt, "DEVICE_UNPLUG_GUEST_ERROR"), ==, 0);
    g_assert_cmphex(in(qt, INSERTED), ==, 1u << 5 | 1u << 6);
    g_assert_cmphex(in(qt, ASKED), ==, BIT);
    out(qt, EJECT, BIT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    qtest_quit(qt);
}

/* Of its own accord, or what is not there, or cannot go. */
static void test_guests_own(void)
{
    QTest *qt = start_plugged();
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    out(qt, EJECT, 0xffffffffu & ~BIT);
    g_assert_cmphex(ids(qt, 0), ==, 0x12378086);
    g_assert_cmphex(ids(qt, 1), ==, 0x70008086);
    out(qt, SELECT, 1); /* there is no such bus */
    out(qt, EJECT, BIT);
    g_assert_cmphex(in(qt, REMOVABLE), ==, 0);
    g_assert_cmphex(in(qt, SELECT), ==, 1);
    out(qt, SELECT, 0);
    g_assert_cmphex(ids(qt, SLOT), ==, RNG_IDS);
    out(qt, EJECT, BIT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    for (unsigned i = 0; i < 2000; i++) {
        out(qt, g_rand_int(rand) % 9 * 4, g_rand_int(rand) >> g_rand_int(rand) % 32);
        in(qt, g_rand_int(rand) % 9 * 4);
    }
    out(qt, SELECT, 0);
    plug(qt);
    g_assert_cmphex(in(qt, INSERTED), ==, BIT);
    qtest_quit(qt);
}

/* ---- what cannot be plugged or unplugged ---- */

typedef struct Case {
    const char *machine, *command, *arguments, *message;
} Case;

static const Case cases[] = {
    { "-M q35", "device_add", "{'driver': 'virtio-rng-pci'}",
      "Bus 'pcie.0' does not support hotplugging" },
    { "-M q35 -device virtio-rng-pci,id=r0", "device_del", "{'id': 'r0'}",
      "bus 'pcie.0' does not support hotplugging" },
    { "-M pc,acpi=off", "device_add", "{'driver': 'virtio-rng-pci'}",
      "Bus 'pci.0' does not support hotplugging" },
    { "-M pc -global PIIX4_PM.acpi-root-pci-hotplug=off", "device_add",
      "{'driver': 'virtio-rng-pci'}", "Bus 'pci.0' does not support hotplugging" },
    { "-M pc -global PIIX4_PM.acpi-pci-hotplug-with-bridge-support=off -device pci-bridge,id=b0",
      "device_add", "{'driver': 'virtio-rng-pci', 'bus': 'b0'}",
      "Bus 'b0' does not support hotplugging" },
    { "-M pc -device virtio-rng-pci,addr=5", "device_add",
      "{'driver': 'virtio-rng-pci', 'addr': '5'}", "is taken by" },
    { "-M pc -device virtio-rng-pci,addr=5", "device_add",
      "{'driver': 'virtio-rng-pci', 'addr': '5.1'}", "multifunction=on" },
    { "-M pc", "device_add", "{'driver': 'virtio-rng-pci', 'bus': 'b7'}", "those there are" },
    { "-M pc -device pci-bridge,id=b0", "device_del", "{'id': 'b0'}", "cannot be unplugged" },
    { "-M pc -device pci-bridge,addr=5.1 -device virtio-rng-pci,id=r0,addr=5,multifunction=on",
      "device_del", "{'id': 'r0'}", "slots go as a whole" },
};

static void test_error(gconstpointer data)
{
    const Case *c = data;
    QTest *qt = qtest_start("%s -m 64", c->machine);
    g_autoptr(json_object) error = qtest_qmp_error(qt, c->command, c->arguments);

    g_test_message("%s", qtest_get_str(error, "desc"));
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), c->message));
    qtest_quit(qt);
}

static void test_full(void)
{
    QTest *qt = qtest_start("-M pc -m 64");
    g_autoptr(json_object) error = NULL;

    for (unsigned i = 2; i < 32; i++) {
        qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-rng-pci'}");
    }
    error = qtest_qmp_error(qt, "device_add", "{'driver': 'virtio-rng-pci'}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "no free slot"));
    g_assert_cmphex(in(qt, INSERTED), ==, 0xfffffffc);
    out(qt, EJECT, 0xffffffff);
    g_assert_cmphex(ids(qt, 31), ==, NO_ID);
    json_object_put(qtest_qmp(qt, "query-pci", NULL));
    qtest_quit(qt);
}

/* ---- bridges ---- */

static void test_bridge(void)
{
    QTest *qt = qtest_start("-M pc -m 64 -device pci-bridge,id=b0,addr=3,chassis_nr=7"
                            " -device pci-bridge,id=b1,bus=b0,addr=1"
                            " -device virtio-rng-pci,id=r1,bus=b0,addr=1f");
    g_autoptr(json_object) slots = NULL;
    unsigned cap = qpci_read(qt, 0x18, 0x34, 1);

    g_assert_cmphex(ids(qt, 3), ==, 0x00011b36);
    g_assert_cmphex(qpci_read(qt, 0x18, 0x0e, 1), ==, 1);
    g_assert_cmphex(qpci_read(qt, 0x18, cap, 4), ==, 0x07200004); /* chassis 7 */
    out(qt, SELECT, 1);
    g_assert_cmphex(in(qt, REMOVABLE), ==, 0xfffffffd);
    out(qt, SELECT, 2);
    g_assert_cmphex(in(qt, REMOVABLE), ==, 0xffffffff);
    qtest_qmp_ok(qt, "device_add",
                 "{'driver': 'virtio-rng-pci', 'id': 'r0', 'bus': 'b1', 'addr': '4'}");
    g_assert_true(event_pending(qt));
    g_assert_cmphex(in(qt, INSERTED), ==, BIT);
    clear_event(qt);
    g_assert_false(event_pending(qt));
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    out(qt, SELECT, 0);
    g_assert_cmphex(in(qt, ASKED), ==, 0);
    out(qt, SELECT, 2);
    g_assert_cmphex(in(qt, ASKED), ==, BIT);
    out(qt, EJECT, BIT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    g_assert_cmpstr(slot_says(qt, "/machine/peripheral/b1/b1", "unplug", &slots), ==, "ejected");
    qtest_quit(qt);
}

/* Bridges of PCI Express boards to conventional buses: the registers are at 0xcc0 there. */
static void test_bridge_q35(gconstpointer device)
{
    const uint16_t regs = 0xcc0;
    QTest *qt = qtest_start("-M q35 -m 64 -device %s,id=b0,addr=3", (const char *)device);
    g_autoptr(json_object) slots = NULL;

    qtest_qmp_ok(qt, "device_add",
                 "{'driver': 'virtio-rng-pci', 'id': 'r0', 'bus': 'b0', 'addr': '4'}");
    g_assert_cmphex(qtest_inl(qt, regs + INSERTED), ==, BIT);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    g_assert_cmphex(qtest_inl(qt, regs + ASKED), ==, BIT);
    qtest_outl(qt, regs + EJECT, BIT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    g_assert_cmpstr(slot_says(qt, "/machine/peripheral/b0/b0", "unplug", &slots), ==, "ejected");
    qtest_quit(qt);
}

/* ---- root ports ---- */

#define NATIVE    " -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
#define PORT_ARGS "-M q35 -m 64 -device pcie-root-port,id=rp,addr=3,slot=9,chassis=1"
#define RP        0x18u /* slot 3 */
#define RP_SLOTS  "/machine/peripheral/rp/rp"

/* Of the slot's registers. */
enum {
    CAPS = 0x14,
    CONTROL = 0x18,
    STATUS = 0x1a,
    LINK = 0x12,

    BUTTON = 1 << 0,
    PRESENCE = 1 << 3,
    COMMAND = 1 << 4,
    PRESENT = 1 << 6,
    LINK_EVENT = 1 << 8,

    EVENTS_ON = 0x1039, /* all, and the interrupt */
    LED_ON = 1 << 8,
    LED_BLINK = 2 << 8,
    LED_OFF = 3 << 8,
    POWER_OFF = 1 << 10,
};

static unsigned express(QTest *qt)
{
    unsigned cap = qpci_read(qt, RP, 0x34, 1);

    while (qpci_read(qt, RP, cap, 1) != 0x10) {
        cap = qpci_read(qt, RP, cap + 1, 1);
    }
    return cap;
}

static uint16_t reg(QTest *qt, unsigned offset)
{
    return (uint16_t)qpci_read(qt, RP, express(qt) + offset, 2);
}

static void set_reg(QTest *qt, unsigned offset, uint16_t value)
{
    qpci_write(qt, RP, express(qt) + offset, 2, value);
}

/* Write the control register, and take the event that it was carried out. */
static void command(QTest *qt, uint16_t value)
{
    set_reg(qt, CONTROL, value);
    g_assert_cmphex(reg(qt, STATUS) & COMMAND, ==, COMMAND);
    set_reg(qt, STATUS, COMMAND);
}

static bool link_up(QTest *qt)
{
    return reg(qt, LINK) >> 13 & 1;
}

static void plug_port(QTest *qt)
{
    qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r0', 'bus': 'rp'}");
}

static void assert_port_state(QTest *qt, const char *state)
{
    g_autoptr(json_object) slots = NULL;

    g_assert_cmpstr(slot_says(qt, RP_SLOTS, "unplug", &slots), ==, state);
}

/* Interrupts by the pin, of slot 3: PIRQH#. */
static bool pin(QTest *qt)
{
    return qtest_get_irq(qt, 23);
}

/* Plugged, and the guest has it switched on. */
static QTest *start_port(void)
{
    QTest *qt = qtest_start(PORT_ARGS NATIVE);

    qtest_irq_intercept_in(qt, "ioapic");
    g_assert_cmphex(qpci_read(qt, RP, express(qt) + CAPS, 4), ==, 9u << 19 | 0x5b);
    g_assert_cmphex(reg(qt, STATUS), ==, 0);
    g_assert_cmphex(reg(qt, CONTROL) & 0x700, ==, POWER_OFF | LED_OFF);
    qpci_write(qt, RP, 0x18, 4, 0x010100);
    command(qt, EVENTS_ON | POWER_OFF | LED_OFF);
    g_assert_false(pin(qt));
    plug_port(qt);
    g_assert_true(pin(qt));
    g_assert_cmphex(reg(qt, STATUS), ==, BUTTON | PRESENCE | PRESENT);
    g_assert_false(link_up(qt));
    set_reg(qt, STATUS, BUTTON | PRESENCE);
    g_assert_false(pin(qt));
    command(qt, EVENTS_ON | LED_BLINK);
    g_assert_true(link_up(qt));
    g_assert_cmphex(reg(qt, STATUS), ==, LINK_EVENT | PRESENT);
    set_reg(qt, STATUS, LINK_EVENT);
    g_assert_cmphex(qtest_readl(qt, 0xb0100000u), ==, 0x10441af4);
    return qt;
}

static void test_port(void)
{
    QTest *qt = start_port();
    g_autoptr(json_object) busy = NULL, taken = NULL;

    busy = qtest_qmp_error(qt, "device_del", "{'id': 'r0'}");
    g_assert_nonnull(strstr(qtest_get_str(busy, "desc"), "busy with the slot"));
    command(qt, EVENTS_ON | LED_ON);
    taken = qtest_qmp_error(qt, "device_add", "{'driver': 'virtio-rng-pci', 'bus': 'rp'}");
    g_assert_nonnull(strstr(qtest_get_str(taken, "desc"), "no free slot"));

    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    g_assert_true(pin(qt));
    g_assert_cmphex(reg(qt, STATUS), ==, BUTTON | PRESENT);
    assert_port_state(qt, "requested");
    set_reg(qt, STATUS, BUTTON);
    assert_port_state(qt, "seen");
    g_assert_false(pin(qt));
    command(qt, EVENTS_ON | LED_BLINK);
    assert_port_state(qt, "in-progress");
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}"); /* no second press */
    g_assert_cmphex(reg(qt, STATUS), ==, PRESENT);
    command(qt, EVENTS_ON | LED_BLINK | POWER_OFF);
    g_assert_cmphex(reg(qt, STATUS), ==, LINK_EVENT | PRESENT);
    g_assert_false(link_up(qt));
    g_assert_cmpuint(qtest_event_count(qt, "DEVICE_DELETED"), ==, 0);
    command(qt, EVENTS_ON | LED_OFF | POWER_OFF);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    g_assert_cmphex(reg(qt, STATUS), ==, LINK_EVENT | PRESENCE);
    assert_port_state(qt, "ejected");

    /* A slot that is switched off gives back at once what the guest never took. */
    plug_port(qt);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    plug_port(qt);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0', 'timeout': 1}");
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    qtest_quit(qt);
}

static void test_port_stays(void)
{
    QTest *qt = start_port();
    g_autoptr(json_object) slots = NULL;

    command(qt, EVENTS_ON | LED_ON);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0', 'timeout': 1}"); /* which nobody looks at */
    qtest_clock_step(qt, 1000000000);
    assert_guest_error(qt);
    g_assert_cmphex(reg(qt, STATUS), ==, PRESENT);
    g_assert_false(pin(qt));

    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    set_reg(qt, STATUS, BUTTON);
    command(qt, EVENTS_ON | LED_BLINK);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0', 'cancel': true}");
    assert_guest_error(qt);
    g_assert_cmphex(reg(qt, STATUS), ==, BUTTON | PRESENT); /* pressed again */
    set_reg(qt, STATUS, BUTTON);
    command(qt, EVENTS_ON | LED_ON);
    assert_port_state(qt, "withdrawn");

    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    set_reg(qt, STATUS, BUTTON);
    command(qt, EVENTS_ON | LED_BLINK);
    command(qt, EVENTS_ON | LED_ON); /* it does not want to */
    assert_guest_error(qt);
    g_assert_nonnull(strstr(slot_says(qt, RP_SLOTS, "reason", &slots), "power indicator"));

    for (unsigned blinks = 0; blinks < 2; blinks++) { /* a reset, with what it had seen or not */
        qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
        if (blinks) {
            set_reg(qt, STATUS, BUTTON);
            set_reg(qt, CONTROL, EVENTS_ON | LED_BLINK);
        }
        assert_port_state(qt, blinks ? "in-progress" : "requested");
        qtest_qmp_ok(qt, "system_reset", NULL);
        assert_guest_error(qt);
        assert_port_state(qt, "withdrawn");
        g_assert_cmphex(reg(qt, STATUS), ==, PRESENT);
        g_assert_cmphex(reg(qt, CONTROL) & 0x173f, ==, LED_ON);
    }
    g_assert_true(link_up(qt));
    qtest_quit(qt);
}

static void wake_port(QTest *qt)
{
    wake(qt);
    qpci_write(qt, RP, 0x18, 4, 0x010100); /* the port has lost its numbers */
}

/* What it was asked for meanwhile, and has not seen, is there when it is awake, as one event. */
static void test_port_asleep(void)
{
    QTest *qt = start_port();

    command(qt, EVENTS_ON | LED_ON);
    fall_asleep(qt);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    wake_port(qt);
    assert_port_state(qt, "requested");
    g_assert_cmpuint(qtest_event_count(qt, "DEVICE_UNPLUG_GUEST_ERROR"), ==, 0);
    g_assert_cmphex(reg(qt, STATUS), ==, BUTTON | PRESENT);
    g_assert_cmphex(reg(qt, CONTROL) & 0x173f, ==, LED_ON);
    g_assert_true(link_up(qt));
    g_assert_false(pin(qt));
    command(qt, EVENTS_ON | LED_ON);
    g_assert_true(pin(qt));
    set_reg(qt, STATUS, BUTTON);
    assert_port_state(qt, "seen");
    g_assert_false(pin(qt));

    /* What it has seen it knows, and goes on with. */
    command(qt, EVENTS_ON | LED_BLINK);
    fall_asleep(qt);
    wake_port(qt);
    assert_port_state(qt, "in-progress");
    g_assert_cmphex(reg(qt, STATUS), ==, PRESENT);
    g_assert_cmphex(reg(qt, CONTROL) & 0x173f, ==, LED_BLINK);
    command(qt, EVENTS_ON | LED_OFF | POWER_OFF);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    set_reg(qt, STATUS, PRESENCE | LINK_EVENT);

    /* A slot that it has turned off is off, also with what came meanwhile. */
    fall_asleep(qt);
    plug_port(qt);
    wake_port(qt);
    g_assert_cmphex(reg(qt, STATUS), ==, BUTTON | PRESENCE | PRESENT);
    g_assert_cmphex(reg(qt, CONTROL) & 0x173f, ==, LED_OFF | POWER_OFF);
    command(qt, EVENTS_ON | LED_OFF | POWER_OFF); /* as it was before: that is no ejection */
    g_assert_true(pin(qt));
    g_assert_cmpuint(qtest_event_count(qt, "DEVICE_DELETED"), ==, 0);

    /* The time-out of a request goes on while it sleeps. */
    set_reg(qt, STATUS, BUTTON | PRESENCE);
    command(qt, EVENTS_ON | LED_ON);
    fall_asleep(qt);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0', 'timeout': 1}");
    qtest_clock_step(qt, 1000000000);
    assert_guest_error(qt);
    wake_port(qt);
    assert_port_state(qt, "withdrawn");
    g_assert_cmphex(reg(qt, STATUS) & BUTTON, ==, 0);
    qtest_quit(qt);
}

/* An event that was enabled before messages were has its message when they are. */
static void test_port_message(void)
{
    QTest *qt = start_port();
    unsigned cap = qpci_read(qt, RP, 0x34, 1);

    while (qpci_read(qt, RP, cap, 1) != 5) {
        cap = qpci_read(qt, RP, cap + 1, 1);
    }
    command(qt, EVENTS_ON | LED_ON);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    g_assert_true(pin(qt));
    qpci_write(qt, RP, cap + 0x10, 4, 1); /* masked: what comes is pending */
    g_assert_cmphex(qpci_read(qt, RP, cap + 0x14, 4), ==, 0);
    qpci_write(qt, RP, cap + 2, 2, 1);
    g_assert_false(pin(qt));
    g_assert_cmphex(qpci_read(qt, RP, cap + 0x14, 4), ==, 1);
    set_reg(qt, CONTROL, EVENTS_ON | LED_ON);
    set_reg(qt, STATUS, BUTTON | COMMAND);
    g_assert_false(pin(qt));
    qtest_quit(qt);
}

/* The same slot by ACPI, which is what q35 does unless it is told otherwise; and by neither. */
/* A slot without a power controller is given back by its indicator alone. */
static void test_port_without_power(void)
{
    QTest *qt = qtest_start(PORT_ARGS ",power_controller_present=off" NATIVE);

    g_assert_cmphex(qpci_read(qt, RP, express(qt) + CAPS, 4), ==, 9u << 19 | 0x59);
    g_assert_cmphex(reg(qt, CONTROL) & 0x700, ==, LED_OFF);
    plug_port(qt);
    g_assert_true(link_up(qt));
    set_reg(qt, STATUS, BUTTON | PRESENCE | LINK_EVENT);
    command(qt, EVENTS_ON | LED_ON | POWER_OFF);
    g_assert_cmphex(reg(qt, CONTROL) & 0x700, ==, LED_ON);
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    set_reg(qt, STATUS, BUTTON);
    command(qt, EVENTS_ON | LED_BLINK);
    assert_port_state(qt, "in-progress");
    command(qt, EVENTS_ON | LED_OFF);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    assert_port_state(qt, "ejected");
    qtest_quit(qt);
}

static void test_port_acpi(void)
{
    QTest *qt = qtest_start(PORT_ARGS " -device pcie-root-port,id=fix,hotplug=off,chassis=2");
    g_autoptr(json_object) error = NULL;

    g_assert_cmphex(qpci_read(qt, RP, express(qt) + CAPS, 4), ==, 9u << 19 | 1 << 18 | 1 << 6);
    plug_port(qt);
    g_assert_cmphex(qtest_inl(qt, 0xcc0), ==, 1);
    g_assert_cmphex(reg(qt, STATUS), ==, PRESENT);
    g_assert_true(link_up(qt));
    qtest_qmp_ok(qt, "device_del", "{'id': 'r0'}");
    g_assert_cmphex(qtest_inl(qt, 0xcc4), ==, 1);
    qtest_outl(qt, 0xcc8, 1);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "r0"));
    g_assert_cmphex(reg(qt, STATUS), ==, 0);
    error = qtest_qmp_error(qt, "device_add", "{'driver': 'virtio-rng-pci', 'bus': 'fix'}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "Bus 'fix' does not support"));
    qtest_quit(qt);
}

/* ---- saved and loaded ---- */

/* One that the guest has not heard of, and one that it was asked for, with a deadline. */
static void test_saved(void)
{
    const char *args = "-M pc -m 64 -device pci-bridge,id=b0,addr=3";
    QTest *from = qtest_start("%s -device virtio-rng-pci,id=r0,bus=b0,addr=4", args), *to;
    g_autofree char *path = qtest_temp_path(from, "machine");

    qtest_qmp_ok(from, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r5', 'addr': '5'}");
    qtest_qmp_ok(from, "device_del", "{'id': 'r0', 'timeout': 5}");
    out(from, SELECT, 1);
    g_assert_cmphex(in(from, ASKED), ==, BIT);
    qtest_save(from, path);
    to = qtest_start("%s -device virtio-rng-pci,id=r0,bus=b0,addr=4"
                     " -device virtio-rng-pci,id=r5,addr=5 -incoming file:%s",
                     args, path);
    qtest_wait_running(to);
    g_assert_true(event_pending(to));
    g_assert_cmphex(in(to, SELECT), ==, 1);
    g_assert_cmphex(in(to, ASKED), ==, 0); /* seen */
    out(to, SELECT, 0);
    g_assert_cmphex(in(to, INSERTED), ==, 1u << 5);
    qtest_clock_step(to, 5000000000);
    assert_guest_error(to);
    qtest_quit(from);
    qtest_quit(to);
}

/* A request that the guest works on. */
static void test_port_saved(void)
{
    QTest *from = start_port(), *to;
    g_autofree char *path = qtest_temp_path(from, "machine");

    command(from, EVENTS_ON | LED_ON);
    qtest_qmp_ok(from, "device_del", "{'id': 'r0'}");
    qtest_save(from, path);
    to = qtest_start(PORT_ARGS NATIVE " -device virtio-rng-pci,id=r0,bus=rp -incoming file:%s",
                     path);
    qtest_wait_running(to);
    g_assert_cmphex(reg(to, STATUS), ==, BUTTON | PRESENT);
    set_reg(to, STATUS, BUTTON);
    assert_port_state(to, "seen");
    command(to, EVENTS_ON | LED_OFF | POWER_OFF);
    json_object_put(qtest_event_with(to, "DEVICE_DELETED", "device", "r0"));
    qtest_quit(from);
    qtest_quit(to);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-hotplug/way", test_way);
    g_test_add_func("/pci-hotplug/cold", test_cold);
    g_test_add_func("/pci-hotplug/functions", test_functions);
    g_test_add_func("/pci-hotplug/refused", test_refused);
    g_test_add_func("/pci-hotplug/withdrawn", test_withdrawn);
    g_test_add_func("/pci-hotplug/asleep", test_asleep);
    g_test_add_func("/pci-hotplug/guests-own", test_guests_own);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/pci-hotplug/error/%u", i);
        g_test_add_data_func(path, &cases[i], test_error);
    }
    g_test_add_func("/pci-hotplug/full", test_full);
    g_test_add_func("/pci-hotplug/bridge", test_bridge);
    g_test_add_data_func("/pci-hotplug/bridge/pcie-pci", "pcie-pci-bridge", test_bridge_q35);
    g_test_add_data_func("/pci-hotplug/bridge/i82801b11", "i82801b11-bridge", test_bridge_q35);
    g_test_add_data_func("/pci-hotplug/bridge/pci", "pci-bridge", test_bridge_q35);
    g_test_add_func("/pci-hotplug/saved", test_saved);
    g_test_add_func("/pci-hotplug/port/way", test_port);
    g_test_add_func("/pci-hotplug/port/stays", test_port_stays);
    g_test_add_func("/pci-hotplug/port/without-power", test_port_without_power);
    g_test_add_func("/pci-hotplug/port/asleep", test_port_asleep);
    g_test_add_func("/pci-hotplug/port/message", test_port_message);
    g_test_add_func("/pci-hotplug/port/acpi", test_port_acpi);
    g_test_add_func("/pci-hotplug/port/saved", test_port_saved);
    return g_test_run();
}
