/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPUs come and go, with the OSPM as the guest, on each machine. */
#include <string.h>

#include "tests/qtest/ospm/ospm.h"
#include "util/units.h"

#define NS       INT64_C(1000000000)
#define OPTIONS  "-m 256M,slots=2,maxmem=2G -smp 2,maxcpus=6,sockets=3 "
#define CPU_TYPE "qemu64-x86_64-cpu"

typedef struct Fixture {
    QTest *qt;
    Ospm *ospm;
} Fixture;

typedef struct Case {
    const char *machine;
    void (*run)(Fixture *f);
} Case;

/* ---- helpers ---- */

/* CPU @n of OPTIONS, with the id c@n. */
static void plug(Fixture *f, unsigned n)
{
    g_autofree char *id = g_strdup_printf("c%u", n);

    qtest_qmp_ok(f->qt, "device_add",
                 "{'driver': '" CPU_TYPE "', 'id': %s, 'socket-id': %u, 'core-id': %u, "
                 "'thread-id': 0}",
                 id, n / 2, n % 2);
}

static void request_unplug(Fixture *f, unsigned n)
{
    g_autofree char *id = g_strdup_printf("c%u", n);

    qtest_qmp_ok(f->qt, "device_del", "{'id': %s}", id);
}

/* How many CPUs there are for management. */
static unsigned cpu_count(Fixture *f)
{
    g_autoptr(json_object) list = qtest_qmp(f->qt, "query-cpus-fast", NULL);

    return (unsigned)json_object_array_length(list);
}

/* The next ACPI_DEVICE_OST is "SLOT SOURCE:STATUS DEVICE". */
static void assert_ost(Fixture *f, const char *wanted)
{
    g_autoptr(json_object) event = qtest_event(f->qt, "ACPI_DEVICE_OST");
    json_object *id = qtest_get(event, "data.info.device");
    g_autofree char *seen = g_strdup_printf("%s %u:0x%x %s", qtest_get_str(event, "data.info.slot"),
                                            (unsigned)qtest_get_int(event, "data.info.source"),
                                            (unsigned)qtest_get_int(event, "data.info.status"),
                                            id ? json_object_get_string(id) : "-");

    g_assert_cmpstr(qtest_get_str(event, "data.info.slot-type"), ==, "CPU");
    g_assert_cmpstr(seen, ==, wanted);
}

static void assert_event(Fixture *f, const char *name, const char *id)
{
    g_autoptr(json_object) event = qtest_event(f->qt, name);

    g_assert_cmpstr(qtest_get_str(event, "data.device"), ==, id);
}

/* What the machine knows of place @n: its state and how far the last request came. */
static void assert_place(Fixture *f, unsigned n, const char *state, const char *unplug)
{
    g_autoptr(json_object) list = qtest_qmp(f->qt, "qom-list", "{'path': '/machine/unattached'}");
    unsigned found = 0;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *child = json_object_array_get_idx(list, i);
        g_autofree char *path = NULL;

        if (strcmp(qtest_get_str(child, "type"), "child<acpi-cpu-hotplug>") != 0) {
            continue;
        }
        path = g_strconcat("/machine/unattached/", qtest_get_str(child, "name"), NULL);
        g_autoptr(json_object) slots =
            qtest_qmp(f->qt, "qom-get", "{'path': %s, 'property': 'slots'}", path);
        json_object *slot = json_object_array_get_idx(slots, n);
        json_object *now = qtest_get(slot, "state");

        g_assert_cmpstr(now ? json_object_get_string(now) : "empty", ==, state);
        g_assert_cmpstr(qtest_get_str(slot, "unplug"), ==, unplug);
        found++;
    }
    g_assert_cmpuint(found, ==, 1);
}

/* A CPU that came, and that the guest uses. */
static void plugged(Fixture *f, unsigned n)
{
    g_autofree char *ost = g_strdup_printf("%u 1:0x0 c%u", n, n);

    plug(f, n);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_ost(f, ost);
    g_assert_true(ospm_cpu_used(f->ospm, n));
}

/* ---- tests ---- */

static void test_boot(Fixture *f)
{
    g_assert_cmpuint(ospm_cpus(f->ospm), ==, 6);
    for (unsigned n = 0; n < 6; n++) {
        g_assert_true(ospm_cpu_used(f->ospm, n) == (n < 2));
        g_assert_cmpuint(ospm_cpu_apic_id(f->ospm, n), ==, n);
        g_assert_cmpuint(ospm_cpu_pxm(f->ospm, n), ==, 0);
        g_assert_cmphex(ospm_cpu_sta(f->ospm, n), ==, n < 2 ? 0xf : 0);
    }
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0);
}

static void test_come_and_go(Fixture *f)
{
    for (unsigned round = 0; round < 3; round++) {
        plug(f, 4);
        assert_place(f, 4, "inserted", "none");
        g_assert_true(ospm_sci(f->ospm));
        g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
        assert_ost(f, "4 1:0x0 c4");
        g_assert_true(ospm_cpu_used(f->ospm, 4));
        assert_place(f, 4, "online", "none");
        g_assert_cmpuint(cpu_count(f), ==, 3);

        request_unplug(f, 4);
        assert_place(f, 4, "unplug-requested", "requested");
        g_assert_cmpuint(cpu_count(f), ==, 3);
        g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
        assert_ost(f, "4 3:0x84 c4");
        assert_event(f, "DEVICE_DELETED", "c4");
        assert_ost(f, "4 3:0x0 -");
        assert_place(f, 4, "empty", "ejected");
        g_assert_cmphex(ospm_cpu_sta(f->ospm, 4), ==, 0);
        g_assert_cmpuint(cpu_count(f), ==, 2);
        g_assert_false(ospm_sci(f->ospm));
    }
}

/* All places, and those that were there from the start. */
static void test_all(Fixture *f)
{
    g_autoptr(json_object) cpus = NULL;

    for (unsigned n = 2; n < 6; n++) {
        plug(f, n);
    }
    g_assert_cmpuint(ospm_run(f->ospm), ==, 4);
    g_assert_cmpuint(cpu_count(f), ==, 6);
    for (unsigned n = 2; n < 6; n++) {
        g_assert_true(ospm_cpu_used(f->ospm, n));
        request_unplug(f, n);
    }
    g_assert_cmpuint(ospm_run(f->ospm), ==, 4);
    g_assert_cmpuint(cpu_count(f), ==, 2);
    cpus = qtest_qmp(f->qt, "query-cpus-fast", NULL);
    qtest_qmp_ok(f->qt, "device_del", "{'id': %s}", qtest_get_str(cpus, "1.qom-path"));
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    g_assert_cmpuint(cpu_count(f), ==, 1);
}

static void test_refused(Fixture *f)
{
    plugged(f, 2);
    f->ospm->manners.eject_status = OSPM_BUSY;
    request_unplug(f, 2);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_ost(f, "2 3:0x82 c2");
    assert_event(f, "DEVICE_UNPLUG_GUEST_ERROR", "c2");
    assert_place(f, 2, "unplug-refused", "refused");
    g_assert_cmpuint(cpu_count(f), ==, 3);
    f->ospm->manners.eject_status = OSPM_SUCCESS;
    request_unplug(f, 2);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_event(f, "DEVICE_DELETED", "c2");
}

static void test_rejected(Fixture *f)
{
    f->ospm->manners.insert_status = OSPM_LOAD_FAILED;
    plug(f, 3);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_ost(f, "3 1:0x81 c3");
    assert_place(f, 3, "rejected", "none");
}

/* The time is the machine's. */
static void test_time_out(Fixture *f)
{
    plugged(f, 2);
    f->ospm->manners.silent = true;
    qtest_qmp_ok(f->qt, "device_del", "{'id': 'c2', 'timeout': 5}");
    ospm_run(f->ospm);
    assert_place(f, 2, "unplug-noticed", "seen");
    qtest_clock_step(f->qt, 5 * NS - 1);
    g_assert_cmpuint(qtest_event_count(f->qt, "DEVICE_UNPLUG_GUEST_ERROR"), ==, 0);
    qtest_clock_step(f->qt, 1);
    assert_event(f, "DEVICE_UNPLUG_GUEST_ERROR", "c2");
    assert_place(f, 2, "online", "withdrawn");
}

static void test_cancel(Fixture *f)
{
    plugged(f, 2);
    g_autoptr(json_object) early =
        qtest_qmp_error(f->qt, "device_del", "{'id': 'c2', 'cancel': true}");

    g_assert_nonnull(strstr(qtest_get_str(early, "desc"), "no request"));
    f->ospm->manners.deaf = true;
    request_unplug(f, 2);
    qtest_qmp_ok(f->qt, "device_del", "{'id': 'c2', 'cancel': true}");
    assert_event(f, "DEVICE_UNPLUG_GUEST_ERROR", "c2");
    f->ospm->manners.deaf = false;
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0); /* the event is gone */
    assert_place(f, 2, "online", "withdrawn");
}

/* Nobody asked; too late; twice; what is not there; the one that boots. */
static void test_own_will(Fixture *f)
{
    plugged(f, 2);
    ospm_cpu_eject(f->ospm, 2);
    assert_event(f, "DEVICE_DELETED", "c2");
    ospm_cpu_eject(f->ospm, 2);
    ospm_cpu_eject(f->ospm, 5);
    f->ospm->manners.eject_twice = true;
    plugged(f, 3);
    request_unplug(f, 3);
    ospm_run(f->ospm);
    assert_event(f, "DEVICE_DELETED", "c3");
    ospm_cpu_ost(f->ospm, 0, 3, 1); /* no crash; it stays */
    g_assert_cmpuint(cpu_count(f), ==, 2);
    f->ospm->manners.eject_on_insertion = true;
    plug(f, 4);
    ospm_run(f->ospm);
    assert_event(f, "DEVICE_DELETED", "c4");
}

/* A reset withdraws a request; the CPU is in the tables of the next boot, without an event. */
static void test_reboot(Fixture *f)
{
    plugged(f, 2);
    plug(f, 3);
    f->ospm->manners.deaf = true;
    request_unplug(f, 2);
    qtest_qmp_ok(f->qt, "system_reset", NULL);
    json_object_put(qtest_event(f->qt, "RESET"));
    assert_event(f, "DEVICE_UNPLUG_GUEST_ERROR", "c2");
    f->ospm->manners.deaf = false;
    ospm_reboot(f->ospm);
    for (unsigned n = 0; n < 6; n++) {
        g_assert_true(ospm_cpu_used(f->ospm, n) == (n < 4));
    }
    g_assert_cmpuint(ospm_run(f->ospm), ==, 0);
    request_unplug(f, 3);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_event(f, "DEVICE_DELETED", "c3");
}

/* By bytes the registers are the same. */
static void test_bytes(Fixture *f)
{
    f->ospm->manners.bytes = true;
    plugged(f, 5);
    request_unplug(f, 5);
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_ost(f, "5 3:0x84 c5");
    assert_event(f, "DEVICE_DELETED", "c5");
}

/* What came before the guest has looked is not lost. */
static void test_early(Fixture *f)
{
    f->ospm->manners.deaf = true;
    plug(f, 2);
    f->ospm->manners.deaf = false;
    ospm_reboot(f->ospm); /* without a reset: as one that enables ACPI late */
    g_assert_true(ospm_cpu_used(f->ospm, 2));
    g_assert_cmpuint(ospm_run(f->ospm), ==, 1);
    assert_ost(f, "2 1:0x0 c2");
}

/* ---- all of them ---- */

static void run(gconstpointer opaque)
{
    const Case *c = opaque;
    Fixture f = { .qt = qtest_start("-M %s " OPTIONS, c->machine) };

    f.ospm = ospm_boot(f.qt);
    c->run(&f);
    ospm_free(f.ospm);
    qtest_quit(f.qt);
}

/* A node that has one DIMM and one CPU, of which all comes and all goes. */
static void test_node(gconstpointer machine)
{
    Fixture f = { .qt =
                      qtest_start("-M %s -m 256M,slots=2,maxmem=2G -smp 1,maxcpus=2,sockets=2 "
                                  "-numa node,nodeid=0,mem=256M -numa node,nodeid=1 "
                                  "-numa cpu,node-id=0,socket-id=0 -numa cpu,node-id=1,socket-id=1",
                                  (const char *)machine) };

    f.ospm = ospm_boot(f.qt);
    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(f.qt, "object-add",
                     "{'qom-type': 'memory-backend-ram', 'id': 'm0', 'size': 134217728}");
        qtest_qmp_ok(f.qt, "device_add",
                     "{'driver': 'pc-dimm', 'id': 'd0', 'memdev': 'm0', 'node': 1}");
        qtest_qmp_ok(f.qt, "device_add",
                     "{'driver': '" CPU_TYPE "', 'id': 'c1', 'socket-id': 1, 'core-id': 0, "
                     "'thread-id': 0, 'node-id': 1}");
        g_assert_cmpuint(ospm_run(f.ospm), ==, 2);
        g_assert_true(ospm_cpu_used(f.ospm, 1));
        g_assert_cmpuint(ospm_cpu_pxm(f.ospm, 1), ==, 1);
        g_assert_cmpuint(ospm_dimm(f.ospm, 0)->node, ==, 1);
        g_assert_cmphex(ospm_dimm(f.ospm, 0)->size, ==, 128 * MIB);
        qtest_qmp_ok(f.qt, "device_del", "{'id': 'd0'}");
        qtest_qmp_ok(f.qt, "device_del", "{'id': 'c1'}");
        g_assert_cmpuint(ospm_run(f.ospm), ==, 2);
        g_assert_cmpuint(cpu_count(&f), ==, 1);
        g_assert_null(ospm_dimm(f.ospm, 0));
        qtest_qmp_ok(f.qt, "object-del", "{'id': 'm0'}");
    }
    ospm_free(f.ospm);
    qtest_quit(f.qt);
}

int main(int argc, char **argv)
{
    static const struct Named {
        const char *name;
        void (*run)(Fixture *f);
    } tests[] = {
        { "boot", test_boot },         { "come-and-go", test_come_and_go },
        { "all", test_all },           { "refused", test_refused },
        { "rejected", test_rejected }, { "time-out", test_time_out },
        { "cancel", test_cancel },     { "own-will", test_own_will },
        { "reboot", test_reboot },     { "bytes", test_bytes },
        { "early", test_early },
    };
    static const char *const machines[] = { "pc", "q35" };
    static Case cases[G_N_ELEMENTS(tests) * G_N_ELEMENTS(machines)];
    Case *c = cases;

    g_test_init(&argc, &argv, NULL);
    for (size_t m = 0; m < G_N_ELEMENTS(machines); m++) {
        g_autofree char *node = g_strdup_printf("/ospm-cpu/%s/node", machines[m]);

        for (size_t i = 0; i < G_N_ELEMENTS(tests); i++, c++) {
            g_autofree char *path = g_strdup_printf("/ospm-cpu/%s/%s", machines[m], tests[i].name);

            *c = (Case){ machines[m], tests[i].run };
            g_test_add_data_func(path, c, run);
        }
        g_test_add_data_func(node, machines[m], test_node);
    }
    return g_test_run();
}
