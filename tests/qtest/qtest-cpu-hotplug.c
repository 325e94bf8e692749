/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places for CPUs, who gets which, and the CPU hot-plug registers (docs/cpu-hotplug.md). */
#include <string.h>

#include "tests/qtest/libqtest.h"

#define CPU     "qemu64-x86_64-cpu"
#define SMP     "-smp 2,maxcpus=8,sockets=2,cores=2,threads=2 "
#define DIES    "-smp 1,maxcpus=8,dies=2,cores=2,threads=2 "
#define NODES   "-numa node,nodeid=0,cpus=0-3 -numa node,nodeid=1,cpus=4-7 -m 128 "
#define REFUSED "-smp 2,maxcpus=3 -device " CPU

/* Registers: offsets. */
enum { SELECT = 0, DATA2 = 0, FLAGS = 4, COMMAND = 5, DATA = 8 };
enum { ENABLED = 1, INSERT = 2, REMOVE = 4, EJECT = 8, FIRMWARE = 16 };
enum { NEXT_EVENT, OST_EVENT, OST_STATUS, ARCH_ID };

static const struct Board {
    const char *machine;
    uint16_t port;
} boards[] = { { "pc", 0xaf00 }, { "q35", 0xcd8 } };

static uint16_t port;

static uint8_t flags(QTest *qt, uint32_t cpu)
{
    qtest_outl(qt, port + SELECT, cpu);
    return qtest_inb(qt, port + FLAGS);
}

static uint32_t data(QTest *qt, uint8_t command)
{
    qtest_outb(qt, port + COMMAND, command);
    return qtest_inl(qt, port + DATA);
}

static void add(QTest *qt, const char *id, int socket, int core, int thread)
{
    qtest_qmp_ok(qt, "device_add",
                 "{'driver': '" CPU "', 'id': %s, 'socket-id': %d, 'core-id': %d, 'thread-id': %d}",
                 id, socket, core, thread);
}

static unsigned cpu_count(QTest *qt)
{
    g_autoptr(json_object) list = qtest_qmp(qt, "query-cpus-fast", NULL);

    return (unsigned)json_object_array_length(list);
}

/* ---- which place ---- */

static void test_places(void)
{
    QTest *qt = qtest_start(SMP NODES);
    g_autoptr(json_object) before = qtest_qmp(qt, "query-hotpluggable-cpus", NULL);

    g_assert_cmpuint(json_object_array_length(before), ==, 8);
    qtest_assert_json(qtest_get(before, "0"),
                      "{'type': '" CPU "', 'vcpus-count': 1, 'props': {'node-id': 1, 'socket-id': "
                      "1, 'core-id': 1, 'thread-id': 1}}");
    qtest_assert_json(qtest_get(before, "7"),
                      "{'type': '" CPU "', 'vcpus-count': 1, 'props': {'node-id': 0, 'socket-id': "
                      "0, 'core-id': 0, 'thread-id': 0}, 'qom-path': "
                      "'/machine/unattached/device[0]'}");
    add(qt, "c7", 1, 1, 1);
    qtest_qmp_ok(qt, "device_add", "{'driver': '" CPU "', 'id': 'c4', 'apic-id': 4}");
    qtest_qmp_ok(qt, "device_add", "{'driver': '" CPU "', 'apic-id': 5, 'core-id': 0}");
    g_autoptr(json_object) places = qtest_qmp(qt, "query-hotpluggable-cpus", NULL);
    g_assert_cmpstr(qtest_get_str(places, "0.qom-path"), ==, "/machine/peripheral/c7");
    g_assert_cmpstr(qtest_get_str(places, "3.qom-path"), ==, "/machine/peripheral/c4");
    g_assert_cmpstr(qtest_get_str(places, "2.qom-path"), ==, "/machine/peripheral-anon/device[0]");
    g_autoptr(json_object) cpus = qtest_qmp(qt, "query-cpus-fast", NULL);
    g_assert_cmpuint(json_object_array_length(cpus), ==, 5);
    for (unsigned i = 0; i < 5; i++) {
        const int index[] = { 0, 1, 4, 5, 7 };
        g_autofree char *path = g_strdup_printf("%u.cpu-index", i);

        g_assert_cmpint(qtest_get_int(cpus, path), ==, index[i]);
    }
    g_autofree char *info = qtest_hmp(qt, "info numa");
    g_assert_nonnull(strstr(info, "node 0 cpus: 0 1"));
    g_assert_nonnull(strstr(info, "node 1 cpus: 4 5 7"));
    qtest_quit(qt);
}

/* Nothing is left of a CPU that is refused. */
static void test_refused_hot(void)
{
    static const struct {
        const char *props, *message;
    } cases[] = {
        { "'socket-id': 2, 'core-id': 0, 'thread-id': 0", "socket-id=2 is not there" },
        { "'socket-id': 1, 'core-id': 9, 'thread-id': 0", "from 0 to 1" },
        { "'socket-id': 1, 'core-id': 0, 'thread-id': 2", "thread-id=2" },
        { "'socket-id': 1, 'core-id': 0, 'thread-id': 0, 'die-id': 1", "die-id=1" },
        { "'socket-id': -5, 'core-id': 0, 'thread-id': 0", "below 0" },
        { "'core-id': 0, 'thread-id': 0", "socket-id is missing" },
        { "'socket-id': 1, 'thread-id': 0", "core-id is missing" },
        { "'socket-id': 1, 'core-id': 0", "thread-id is missing" },
        { "'socket-id': 0, 'core-id': 0, 'thread-id': 1", "already" },
        { "'apic-id': 8", "apic-id=8" },
        { "'apic-id': 0", "2 of 8 places" },
        { "'apic-id': 6, 'core-id': 0", "has core-id=1" },
        { "'apic-id': 6, 'node-id': 0", "node-id=0" },
    };
    QTest *qt = qtest_start(SMP NODES);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *arguments =
            g_strdup_printf("{'driver': '" CPU "', 'id': 'c', %s}", cases[i].props);
        g_autoptr(json_object) err = qtest_qmp_error(qt, "device_add", arguments);

        g_test_message("%s", qtest_get_str(err, "desc"));
        g_assert_nonnull(strstr(qtest_get_str(err, "desc"), cases[i].message));
    }
    g_autoptr(json_object) model =
        qtest_qmp_error(qt, "device_add", "{'driver': 'max-x86_64-cpu', 'id': 'c', 'apic-id': 6}");
    g_assert_nonnull(strstr(qtest_get_str(model, "desc"), CPU));
    g_autoptr(json_object) first =
        qtest_qmp_error(qt, "device_del", "{'id': '/machine/unattached/device[0]'}");
    g_assert_nonnull(strstr(qtest_get_str(first, "desc"), "CPU 0"));
    g_assert_cmpuint(cpu_count(qt), ==, 2);
    add(qt, "c", 1, 1, 0);
    g_assert_cmpuint(cpu_count(qt), ==, 3);
    qtest_quit(qt);
}

static void test_dies(void)
{
    QTest *qt = qtest_start(DIES);
    g_autoptr(json_object) err = qtest_qmp_error(
        qt, "device_add", "{'driver': '" CPU "', 'socket-id': 0, 'core-id': 1, 'thread-id': 1}");

    g_assert_nonnull(strstr(qtest_get_str(err, "desc"), "die-id is missing"));
    qtest_qmp_ok(qt, "device_add",
                 "{'driver': '" CPU "', 'id': 'c', 'socket-id': 0, 'die-id': 1, 'core-id': 1, "
                 "'thread-id': 1}");
    g_autoptr(json_object) cpus = qtest_qmp(qt, "query-cpus-fast", NULL);
    g_assert_cmpint(qtest_get_int(cpus, "1.cpu-index"), ==, 7);
    qtest_quit(qt);
}

/* ---- registers ---- */

/* The bitmap, and the way from it. */
static void test_bitmap(gconstpointer opaque)
{
    const struct Board *board = opaque;
    QTest *qt = qtest_start(
        "-M %s " SMP "-device " CPU ",socket-id=1,core-id=1,thread-id=0,id=cold", board->machine);

    port = board->port;
    g_assert_cmphex(qtest_inl(qt, port), ==, 0x43);
    g_assert_cmphex(qtest_inb(qt, port + 31), ==, 0);
    add(qt, "hot", 1, 0, 0);
    g_assert_cmphex(qtest_inb(qt, port), ==, 0x53);
    qtest_outb(qt, port, 1);
    qtest_outl(qt, port + 4, 0);
    g_assert_cmphex(qtest_inb(qt, port), ==, 0x53);
    qtest_outl(qt, port, 0);
    g_assert_cmphex(qtest_inl(qt, port + DATA2), ==, 0);
    g_assert_cmphex(flags(qt, 0), ==, ENABLED);
    g_assert_cmphex(flags(qt, 6), ==, ENABLED); /* no event: it was there from the start */
    g_assert_cmphex(flags(qt, 4), ==, ENABLED | INSERT);
    qtest_qmp_ok(qt, "system_reset", NULL);
    json_object_put(qtest_event(qt, "RESET"));
    g_assert_cmphex(flags(qt, 4), ==, ENABLED);
    qtest_quit(qt);
}

static void test_registers(gconstpointer opaque)
{
    const struct Board *board = opaque;
    QTest *qt = qtest_start("-M %s " DIES, board->machine);

    port = board->port;
    qtest_outl(qt, port, 0);
    for (uint32_t n = 0; n < 8; n++) {
        g_assert_cmphex(flags(qt, n), ==, n ? 0 : ENABLED);
        g_assert_cmphex(data(qt, ARCH_ID), ==, n);
        g_assert_cmphex(qtest_inl(qt, port + DATA2), ==, 0);
        g_assert_cmphex(data(qt, 0xff), ==, 0);
        g_assert_cmphex(data(qt, NEXT_EVENT), ==, n); /* none has one: it stays */
    }
    g_assert_cmphex(flags(qt, 8), ==, 0);
    g_assert_cmphex(qtest_inl(qt, port + DATA), ==, 0);
    qtest_outb(qt, port + FLAGS, 0xff);
    qtest_outl(qt, port + DATA, 1);
    qtest_outl(qt, port + SELECT, UINT32_MAX);
    qtest_outb(qt, port + FLAGS, 0xff);
    qtest_outb(qt, port + COMMAND, NEXT_EVENT);
    g_assert_cmphex(qtest_inl(qt, port + FLAGS), ==, 0);
    for (uint32_t n = 0; n < 8; n++) { /* who is not there takes everything */
        flags(qt, n);
        qtest_outb(qt, port + FLAGS, 0xff);
        data(qt, OST_EVENT);
        qtest_outl(qt, port + DATA, 3);
        data(qt, OST_STATUS);
        qtest_outl(qt, port + DATA, 1);
        json_object_put(qtest_event(qt, "ACPI_DEVICE_OST"));
    }
    g_assert_cmpuint(cpu_count(qt), ==, 1);
    qtest_quit(qt);
}

static void test_events(gconstpointer opaque)
{
    const struct Board *board = opaque;
    QTest *qt = qtest_start("-M %s " SMP, board->machine);

    port = board->port;
    qtest_outl(qt, port, 0);
    add(qt, "c3", 0, 1, 1);
    add(qt, "c5", 1, 0, 1);
    flags(qt, 4);
    g_assert_cmphex(data(qt, NEXT_EVENT), ==, 5); /* from the selected one on, and around */
    flags(qt, 6);
    g_assert_cmphex(data(qt, NEXT_EVENT), ==, 3);
    qtest_outb(qt, port + FLAGS, INSERT);
    g_assert_cmphex(qtest_inb(qt, port + FLAGS), ==, ENABLED);
    g_assert_cmphex(data(qt, NEXT_EVENT), ==, 5);
    qtest_outl(qt, port + FLAGS, INSERT | NEXT_EVENT << 8); /* both, by one access */
    g_assert_cmphex(qtest_inb(qt, port + FLAGS), ==, ENABLED);
    qtest_qmp_ok(qt, "device_del", "{'id': 'c5'}");
    g_assert_cmphex(flags(qt, 5), ==, ENABLED | REMOVE);
    qtest_outb(qt, port + FLAGS, FIRMWARE);
    qtest_outb(qt, port + FLAGS, REMOVE);
    g_assert_cmphex(qtest_inb(qt, port + FLAGS), ==, ENABLED | FIRMWARE);
    flags(qt, 0);
    g_assert_cmphex(data(qt, NEXT_EVENT), ==, 0); /* no firmware has said that it removes any */
    flags(qt, 5);
    qtest_outb(qt, port + FLAGS, EJECT);
    json_object_put(qtest_event(qt, "DEVICE_DELETED"));
    g_assert_cmphex(qtest_inb(qt, port + FLAGS), ==, 0);
    flags(qt, 0);
    qtest_outb(qt, port + FLAGS, EJECT); /* the one that boots stays */
    g_assert_cmphex(qtest_inb(qt, port + FLAGS), ==, ENABLED);
    g_assert_cmpuint(cpu_count(qt), ==, 3);
    qtest_quit(qt);
}

/* Before the guest has switched to the registers it reports nothing; then for each place. */
static void test_ospm_status(void)
{
    QTest *qt = qtest_start(SMP);
    g_autoptr(json_object) none = qtest_qmp(qt, "query-acpi-ospm-status", NULL), all = NULL;

    port = 0xaf00;
    g_assert_cmpuint(json_object_array_length(none), ==, 0);
    qtest_outl(qt, port, 0);
    add(qt, "c5", 1, 0, 1);
    flags(qt, 5);
    data(qt, OST_EVENT);
    qtest_outl(qt, port + DATA, 1);
    data(qt, OST_STATUS);
    qtest_outl(qt, port + DATA, 0x81);
    all = qtest_qmp(qt, "query-acpi-ospm-status", NULL);
    g_assert_cmpuint(json_object_array_length(all), ==, 8);
    qtest_assert_json(
        qtest_get(all, "5"),
        "{'device': 'c5', 'slot': '5', 'slot-type': 'CPU', 'source': 1, 'status': 129}");
    qtest_assert_json(qtest_get(all, "6"),
                      "{'slot': '6', 'slot-type': 'CPU', 'source': 0, 'status': 0}");
    qtest_quit(qt);
}

/* ---- firmware ---- */

static uint16_t fw_cfg_u16(QTest *qt, uint16_t key)
{
    uint16_t value;

    qtest_outw(qt, 0x510, key);
    value = qtest_inb(qt, 0x511);
    return (uint16_t)(value | qtest_inb(qt, 0x511) << 8);
}

static uint8_t cmos(QTest *qt, uint8_t index)
{
    qtest_outb(qt, 0x70, index);
    return qtest_inb(qt, 0x71);
}

static void assert_counts(QTest *qt, unsigned present)
{
    g_assert_cmpuint(fw_cfg_u16(qt, 0x05), ==, present);
    g_assert_cmpuint(cmos(qt, 0x5f), ==, present - 1);
    g_assert_cmpuint(fw_cfg_u16(qt, 0x0f), ==, 8); /* the highest APIC ID that may come, and 1 */
}

static void test_firmware(void)
{
    QTest *qt = qtest_start(SMP "-device " CPU ",id=cold,apic-id=7");

    port = 0xaf00;
    assert_counts(qt, 3);
    add(qt, "hot", 1, 0, 0);
    assert_counts(qt, 4);
    qtest_outl(qt, port, 0);
    qtest_qmp_ok(qt, "device_del", "{'id': 'cold'}");
    flags(qt, 7);
    qtest_outb(qt, port + FLAGS, EJECT);
    assert_counts(qt, 3);
    qtest_quit(qt);
}

/* ---- another machine ---- */

static void test_save(gconstpointer opaque)
{
    const struct Board *board = opaque;
    QTest *from = qtest_start("-M %s " SMP, board->machine), *to;
    g_autofree char *path = qtest_temp_path(from, "state"), *printed = NULL;

    port = board->port;
    qtest_outl(from, port, 0);
    add(from, "c4", 1, 0, 0);
    flags(from, 4);
    qtest_outb(from, port + FLAGS, INSERT);
    qtest_qmp_ok(from, "device_del", "{'id': 'c4', 'timeout': 10}");
    qtest_outb(from, port + COMMAND, OST_EVENT);
    qtest_save(from, path);
    g_assert_cmpint(
        qtest_run_program(&printed, "-M %s " SMP "-incoming file:%s", board->machine, path), ==, 1);
    g_test_message("%s", printed);
    g_assert_nonnull(strstr(printed, "/machine/peripheral/c4"));
    to = qtest_start("-M %s " SMP "-device " CPU ",id=c4,apic-id=4 -incoming file:%s",
                     board->machine, path);
    qtest_wait_running(to);
    g_assert_cmphex(qtest_inb(to, port + FLAGS), ==, ENABLED | REMOVE);
    qtest_outl(to, port + DATA, 3); /* which the command before it is for */
    data(to, OST_STATUS);
    qtest_outl(to, port + DATA, 0x84);
    g_autoptr(json_object) event = qtest_event(to, "ACPI_DEVICE_OST");
    g_assert_cmpint(qtest_get_int(event, "data.info.source"), ==, 3);
    qtest_clock_step(to, INT64_C(10000000000));
    json_object_put(qtest_event(to, "DEVICE_UNPLUG_GUEST_ERROR")); /* the time has run out here */
    qtest_quit(to);
    qtest_quit(from);
}

int main(int argc, char **argv)
{
    static const QTestRefused refused[] = {
        { REFUSED ",socket-id=0,core-id=3,thread-id=0", "core-id=3 is not there" },
        { REFUSED, "socket-id is missing" },
        { REFUSED ",apic-id=2 -device " CPU ",apic-id=2", "3 of 3 places" },
        { "-smp 1,maxcpus=2 -cpu max -device " CPU ",apic-id=1", "max-x86_64-cpu" },
        { "-M none -device " CPU ",apic-id=1", "none" },
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-hotplug/places", test_places);
    g_test_add_func("/cpu-hotplug/refused-hot", test_refused_hot);
    g_test_add_func("/cpu-hotplug/dies", test_dies);
    g_test_add_func("/cpu-hotplug/ospm-status", test_ospm_status);
    g_test_add_func("/cpu-hotplug/firmware", test_firmware);
    for (size_t i = 0; i < G_N_ELEMENTS(boards); i++) {
        static const struct {
            const char *name;
            void (*run)(gconstpointer board);
        } tests[] = { { "bitmap", test_bitmap },
                      { "registers", test_registers },
                      { "events", test_events },
                      { "save", test_save } };

        for (size_t t = 0; t < G_N_ELEMENTS(tests); t++) {
            g_autofree char *path =
                g_strdup_printf("/cpu-hotplug/%s/%s", boards[i].machine, tests[t].name);

            g_test_add_data_func(path, &boards[i], tests[t].run);
        }
    }
    qtest_add_refused("/cpu-hotplug/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
