/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small devices by which a guest and its host tell each other something. */
#include <string.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"

#define PVPANIC_PORT 0x505
#define PANICKED     1
#define CRASHLOADED  2
#define PCI_BAR_FREE 0xe8000000u
#define PCI_DEVFN    (5 << 3)
#define PCIHP_EJECT  0xae08

static void assert_event(QTest *qt, const char *name, const char *action)
{
    g_autoptr(json_object) event = qtest_event(qt, name);

    qtest_assert_json(qtest_get(event, "data"), "{'action': %s}", action);
}

static void assert_status(QTest *qt, const char *status)
{
    g_autoptr(json_object) now = qtest_qmp(qt, "query-status", NULL);

    g_assert_cmpstr(qtest_get_str(now, "status"), ==, status);
}

static void resumes(QTest *qt)
{
    qtest_qmp_ok(qt, "cont", NULL);
    json_object_put(qtest_event(qt, "RESUME"));
    assert_status(qt, "running");
}

static void test_pvpanic_pause(void)
{
    QTest *qt = qtest_start("-m 16 -device pvpanic -action panic=pause");

    g_assert_cmphex(qtest_inb(qt, PVPANIC_PORT), ==, PANICKED | CRASHLOADED);
    qtest_outb(qt, PVPANIC_PORT, ~(PANICKED | CRASHLOADED) & 0xff);
    qtest_outb(qt, PVPANIC_PORT, CRASHLOADED);
    assert_event(qt, "GUEST_CRASHLOADED", "run");
    assert_status(qt, "running");
    g_assert_cmpuint(qtest_event_count(qt, "GUEST_PANICKED"), ==, 0);
    qtest_outb(qt, PVPANIC_PORT, PANICKED);
    assert_event(qt, "GUEST_PANICKED", "pause");
    json_object_put(qtest_event(qt, "STOP"));
    assert_status(qt, "guest-panicked");
    resumes(qt); /* what a panicked guest does further is its own affair */
    qtest_outb(qt, PVPANIC_PORT, PANICKED); /* and again */
    assert_event(qt, "GUEST_PANICKED", "pause");
    json_object_put(qtest_event(qt, "STOP"));
    assert_status(qt, "guest-panicked");
    qtest_qmp_ok(qt, "system_reset", NULL);
    resumes(qt);
    qtest_quit(qt);
}

static void test_pvpanic_actions(void)
{
    static const struct {
        const char *action, *done;
        int status; /* of the program; -1: it goes on */
    } cases[] = {
        { "panic=shutdown", "poweroff", 0 },
        { "panic=exit-failure", "poweroff", 1 },
        { "panic=none", "run", -1 },
        { "panic=shutdown,shutdown=pause", "pause", -1 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        QTest *qt = qtest_start("-m 16 -device pvpanic,ioport=0x510c -action %s", cases[i].action);

        qtest_outb(qt, 0x510c, PANICKED);
        assert_event(qt, "GUEST_PANICKED", cases[i].done);
        if (strcmp(cases[i].done, "pause") == 0) {
            json_object_put(qtest_event(qt, "STOP"));
            assert_status(qt, "guest-panicked");
            resumes(qt);
        }
        if (cases[i].status >= 0) {
            g_autoptr(json_object) end = qtest_event(qt, "SHUTDOWN");

            qtest_assert_json(qtest_get(end, "data"), "{'guest': true, 'reason': 'guest-panic'}");
            g_assert_cmpint(qtest_wait_exit(qt), ==, cases[i].status);
        }
        qtest_quit(qt);
    }
}

/* One that takes panics only does not hear of anything else. */
static void test_pvpanic_events(void)
{
    QTest *qt = qtest_start("-m 16 -device pvpanic,events=1 -action panic=none");

    g_assert_cmphex(qtest_inb(qt, PVPANIC_PORT), ==, PANICKED);
    qtest_outb(qt, PVPANIC_PORT, CRASHLOADED);
    qtest_outb(qt, PVPANIC_PORT, PANICKED);
    assert_event(qt, "GUEST_PANICKED", "run");
    g_assert_cmpuint(qtest_event_count(qt, "GUEST_CRASHLOADED"), ==, 0);
    qtest_quit(qt);
}

static void test_pvpanic_refused(void)
{
    g_autofree char *twice = NULL, *taken = NULL, *wrong = NULL;

    g_assert_cmpint(qtest_run_program(&twice, "-device pvpanic -device pvpanic,ioport=0x700"), ==,
                    1);
    g_assert_nonnull(strstr(twice, "there is a pvpanic device already, at port 0x505"));
    g_assert_cmpint(qtest_run_program(&taken, "-device pvpanic,ioport=0x70"), ==, 1);
    g_assert_nonnull(strstr(taken, "belongs to 'rtc' already; set another 'ioport'"));
    g_assert_cmpint(qtest_run_program(&wrong, "-device pvpanic,events=7"), ==, 1);
    g_assert_nonnull(strstr(wrong, "'events' 7"));
}

static void test_pvpanic_pci(void)
{
    QTest *qt = qtest_start("-m 16 -device pvpanic-pci,addr=5 -action panic=none");

    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 0, 4), ==, 0x00111b36);
    qpci_write(qt, PCI_DEVFN, 0x10, 4, PCI_BAR_FREE);
    qpci_write(qt, PCI_DEVFN, 4, 2, 2);
    g_assert_cmphex(qtest_readb(qt, PCI_BAR_FREE), ==, PANICKED | CRASHLOADED);
    qtest_writeb(qt, PCI_BAR_FREE, CRASHLOADED);
    assert_event(qt, "GUEST_CRASHLOADED", "run");
    qtest_writeb(qt, PCI_BAR_FREE, PANICKED | CRASHLOADED);
    assert_event(qt, "GUEST_PANICKED", "run");
    g_assert_cmpuint(qtest_event_count(qt, "GUEST_CRASHLOADED"), ==, 0);
    qtest_quit(qt);
}

/* It comes and goes, and leaves nothing behind, as the check for leaks sees. */
static void test_pvpanic_plug(void)
{
    QTest *qt = qtest_start("-m 16 -action panic=none");

    for (unsigned round = 0; round < 2; round++) {
        qtest_qmp_ok(qt, "device_add", "{'driver': 'pvpanic-pci', 'id': 'p', 'addr': '5'}");
        qtest_qmp_ok(qt, "device_del", "{'id': 'p'}");
        qtest_outl(qt, PCIHP_EJECT, 1u << (PCI_DEVFN >> 3));
        json_object_put(qtest_event(qt, "DEVICE_DELETED"));
    }
    qtest_quit(qt);
}

/* ---- pci-serial ---- */

#define SERIAL_PORT 0xc100
#define THR         SERIAL_PORT
#define IER         (SERIAL_PORT + 1)
#define IIR         (SERIAL_PORT + 2)
#define IER_THRE    2
#define IIR_THRE    2
#define IIR_NONE    1
#define STATUS_INTX 8

static void serial_place(QTest *qt)
{
    qpci_write(qt, PCI_DEVFN, 0x10, 4, SERIAL_PORT);
    qpci_write(qt, PCI_DEVFN, 4, 2, 1);
}

static void assert_pin(QTest *qt, bool raised)
{
    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 6, 2) & STATUS_INTX, ==, raised ? STATUS_INTX : 0);
}

/* What was written, and its interrupt; both go with it to another program. */
static void test_pci_serial(void)
{
    const char *args = "-m 16 -chardev ringbuf,id=c0 -device pci-serial,id=s0,addr=5,chardev=c0";
    QTest *qt = qtest_start("%s", args);

    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 0, 4), ==, 0x00021b36);
    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 8, 4), ==, 0x07000201);
    serial_place(qt);
    qtest_outb(qt, THR, 'h');
    qtest_outb(qt, THR, 'i');
    g_autoptr(json_object) text = qtest_qmp(qt, "ringbuf-read", "{'device': 'c0', 'size': 10}");
    g_assert_cmpstr(json_object_get_string(text), ==, "hi");
    assert_pin(qt, false);
    qtest_outb(qt, IER, IER_THRE);
    assert_pin(qt, true);
    g_autofree char *file = qtest_temp_path(qt, "state");
    qtest_save(qt, file);
    QTest *to = qtest_start("%s -incoming file:%s", args, file);
    qtest_wait_running(to);
    qtest_quit(qt);
    assert_pin(to, true);
    g_assert_cmphex(qtest_inb(to, IIR), ==, IIR_THRE);
    assert_pin(to, false);
    g_assert_cmphex(qtest_inb(to, IIR), ==, IIR_NONE);
    qtest_quit(to);
}

/* The character device is free again when the guest has let the port go. */
static void test_pci_serial_plug(void)
{
    QTest *qt = qtest_start("-m 16 -chardev ringbuf,id=c0");

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(qt, "device_add",
                     "{'driver': 'pci-serial', 'id': 's0', 'chardev': 'c0', 'addr': '5'}");
        json_object_put(qtest_qmp_error(qt, "device_add",
                                        "{'driver': 'pci-serial', 'id': 's1', 'chardev': 'c0'}"));
        serial_place(qt);
        qtest_outb(qt, IER, IER_THRE);
        qtest_qmp_ok(qt, "device_del", "{'id': 's0'}");
        qtest_outl(qt, PCIHP_EJECT, 1u << (PCI_DEVFN >> 3));
        json_object_put(qtest_event(qt, "DEVICE_DELETED"));
    }
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pvpanic/pause", test_pvpanic_pause);
    g_test_add_func("/pvpanic/actions", test_pvpanic_actions);
    g_test_add_func("/pvpanic/events", test_pvpanic_events);
    g_test_add_func("/pvpanic/refused", test_pvpanic_refused);
    g_test_add_func("/pvpanic/pci", test_pvpanic_pci);
    g_test_add_func("/pvpanic/plug", test_pvpanic_plug);
    g_test_add_func("/pci-serial/state", test_pci_serial);
    g_test_add_func("/pci-serial/plug", test_pci_serial_plug);
    return g_test_run();
}
