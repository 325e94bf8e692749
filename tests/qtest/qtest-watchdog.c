/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watchdogs: i6300esb by the driver's steps, ib700 by its ports. */
#include <string.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"

#define SECOND 1000000000LL

#define ESB      (5 << 3)
#define ESB_BAR  0xe8000000u
#define CONFIG   0x60
#define LOCK     0x68
#define STATUS   (ESB_BAR + 8)
#define RELOAD   (ESB_BAR + 0xc)
#define NOW      0x100
#define FIRED    0x200
#define LOCKED   1
#define ENABLED  2
#define FREE_RUN 4

#define PCIHP_EJECT 0xae08

#define IB700_STOP  0x441
#define IB700_START 0x443

static void assert_fired(QTest *qt, const char *action)
{
    g_autoptr(json_object) event = qtest_event(qt, "WATCHDOG");

    qtest_assert_json(qtest_get(event, "data"), "{'action': %s}", action);
}

/* None has come; QMP answers after events that came before. */
static void assert_quiet(QTest *qt)
{
    json_object_put(qtest_qmp(qt, "query-status", NULL));
    g_assert_cmpuint(qtest_event_count(qt, "WATCHDOG"), ==, 0);
}

static void assert_status(QTest *qt, const char *status)
{
    g_autoptr(json_object) now = qtest_qmp(qt, "query-status", NULL);

    g_assert_cmpstr(qtest_get_str(now, "status"), ==, status);
}

/* ---- i6300esb ---- */

static void esb_place(QTest *qt)
{
    qpci_write(qt, ESB, 0x10, 4, ESB_BAR);
    qpci_write(qt, ESB, 4, 2, 2);
}

static QTest *esb_start(const char *options)
{
    QTest *qt = qtest_start("-m 16 -device i6300esb,id=w,addr=5 %s", options);

    g_assert_cmphex(qpci_read(qt, ESB, 0, 4), ==, 0x25ab8086);
    esb_place(qt);
    return qt;
}

static void esb_unlock(QTest *qt)
{
    qtest_writew(qt, RELOAD, 0x80);
    qtest_writew(qt, RELOAD, 0x86);
}

static void esb_ping(QTest *qt)
{
    esb_unlock(qt);
    qtest_writew(qt, RELOAD, NOW);
}

/* Both stages last @ms each, within a hundredth; it runs from now on. */
static void esb_arm(QTest *qt, unsigned ms, uint8_t lock)
{
    for (unsigned stage = 0; stage < 2; stage++) {
        esb_unlock(qt);
        qtest_writel(qt, ESB_BAR + 4 * stage, ms);
    }
    qpci_write(qt, ESB, LOCK, 1, lock);
    esb_ping(qt);
}

static void test_esb_fires(void)
{
    QTest *qt = esb_start("-action watchdog=pause");

    esb_arm(qt, 10000, ENABLED);
    qtest_clock_step(qt, 9 * SECOND);
    g_assert_cmphex(qtest_readl(qt, STATUS), ==, 0);
    qtest_clock_step(qt, 2 * SECOND);
    g_assert_cmphex(qtest_readl(qt, STATUS), ==, 1);
    qtest_writel(qt, STATUS, 1);
    g_assert_cmphex(qtest_readl(qt, STATUS), ==, 0);
    esb_ping(qt); /* in the second stage: from the beginning */
    qtest_clock_step(qt, 19 * SECOND);
    assert_quiet(qt);
    g_assert_cmphex(qtest_readw(qt, RELOAD), ==, 0);
    qtest_clock_step(qt, 1 * SECOND);
    assert_fired(qt, "pause");
    json_object_put(qtest_event(qt, "STOP"));
    assert_status(qt, "watchdog");
    g_assert_cmphex(qtest_readw(qt, RELOAD), ==, FIRED);
    qtest_qmp_ok(qt, "cont", NULL);
    esb_unlock(qt);
    qtest_writew(qt, RELOAD, FIRED);
    g_assert_cmphex(qtest_readw(qt, RELOAD), ==, 0);
    qtest_clock_step(qt, 100 * SECOND); /* once */
    assert_quiet(qt);
    qtest_quit(qt);
}

/* A reset stops it; that it had fired is what the next boot asks for. */
static void test_esb_resets(void)
{
    QTest *qt = esb_start("");

    esb_arm(qt, 1000, ENABLED | LOCKED);
    qpci_write(qt, ESB, LOCK, 1, 0);
    g_assert_cmphex(qpci_read(qt, ESB, LOCK, 1), ==, ENABLED | LOCKED);
    qtest_clock_step(qt, 3 * SECOND);
    assert_fired(qt, "reset");
    json_object_put(qtest_event(qt, "RESET"));
    esb_place(qt);
    g_assert_cmphex(qtest_readw(qt, RELOAD), ==, FIRED);
    g_assert_cmphex(qpci_read(qt, ESB, LOCK, 1), ==, 0);
    qtest_clock_step(qt, 3 * SECOND);
    assert_quiet(qt);
    esb_arm(qt, 1000, ENABLED); /* and is not locked any more */
    qpci_write(qt, ESB, LOCK, 1, 0);
    qtest_clock_step(qt, 3 * SECOND);
    assert_quiet(qt);
    qtest_quit(qt);
}

/* What is written without the two words before it, or with anything between, is not heard. */
static void test_esb_locked(void)
{
    QTest *qt = esb_start("-action watchdog=none");

    qtest_writel(qt, ESB_BAR, 77);
    qtest_writew(qt, RELOAD, 0x86);
    qtest_writel(qt, ESB_BAR, 77);
    qtest_writew(qt, RELOAD, 0x80);
    qtest_writel(qt, ESB_BAR, 77);
    qtest_writew(qt, RELOAD, 0x86);
    qtest_writel(qt, ESB_BAR, 77);
    g_assert_cmphex(qtest_readl(qt, ESB_BAR), ==, 0xfffff);
    esb_unlock(qt);
    qtest_writel(qt, ESB_BAR, 0xfff00077);
    g_assert_cmphex(qtest_readl(qt, ESB_BAR), ==, 0x77);
    g_assert_cmphex(qtest_readb(qt, ESB_BAR + 1), ==, 0);
    qtest_writel(qt, ESB_BAR, 0x88); /* each time anew */
    g_assert_cmphex(qtest_readl(qt, ESB_BAR), ==, 0x77);
    esb_arm(qt, 1000, ENABLED);
    qtest_clock_step(qt, SECOND * 3 / 2);
    qtest_writew(qt, RELOAD, NOW);
    qtest_clock_step(qt, SECOND);
    assert_fired(qt, "none");
    qtest_quit(qt);
}

/* The fast clock, an output that is off, and one that runs free. */
static void test_esb_kinds(void)
{
    QTest *qt = esb_start("-action watchdog=none");

    qpci_write(qt, ESB, CONFIG, 2, 0xffff);
    g_assert_cmphex(qpci_read(qt, ESB, CONFIG, 2), ==, 0x27);
    qpci_write(qt, ESB, CONFIG, 2, 0x24);
    esb_arm(qt, 500000, ENABLED);
    qtest_clock_step(qt, 2 * SECOND);
    assert_quiet(qt);
    g_assert_cmphex(qtest_readw(qt, RELOAD), ==, 0);
    qpci_write(qt, ESB, LOCK, 1, 0);
    qpci_write(qt, ESB, CONFIG, 2, 4);
    esb_arm(qt, 500000, ENABLED | FREE_RUN);
    qtest_clock_step(qt, SECOND / 2);
    esb_ping(qt); /* is not heard */
    qtest_clock_step(qt, SECOND / 2);
    assert_fired(qt, "none");
    esb_unlock(qt);
    qtest_writew(qt, RELOAD, FIRED);
    qtest_clock_step(qt, SECOND);
    g_assert_cmphex(qtest_readw(qt, RELOAD), ==, FIRED);
    /* The shortest stages keep nobody busy. */
    qpci_write(qt, ESB, LOCK, 1, 0);
    esb_arm(qt, 0, ENABLED | FREE_RUN);
    qtest_clock_step(qt, SECOND);
    json_object_put(qtest_qmp(qt, "query-status", NULL));
    qtest_quit(qt);
}

/* It comes and goes while the machine runs, armed or not. */
static void test_esb_plug(void)
{
    QTest *qt = qtest_start("-m 16");

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(qt, "device_add", "{'driver': 'i6300esb', 'id': 'w', 'addr': '5'}");
        esb_place(qt);
        esb_arm(qt, 1000, ENABLED);
        qtest_qmp_ok(qt, "device_del", "{'id': 'w'}");
        qtest_outl(qt, PCIHP_EJECT, 1u << (ESB >> 3)); /* the guest lets it go */
        json_object_put(qtest_event(qt, "DEVICE_DELETED"));
        qtest_clock_step(qt, 3 * SECOND);
        assert_quiet(qt);
    }
    qtest_quit(qt);
}

/* ---- ib700 ---- */

static void test_ib700(void)
{
    QTest *qt = qtest_start("-m 16 -device ib700 -action watchdog=pause");

    g_assert_cmphex(qtest_inb(qt, IB700_START), ==, 0xff);
    qtest_outb(qt, IB700_START, 0xfa); /* 30 - 2 * 10 */
    qtest_clock_step(qt, 9 * SECOND);
    qtest_outb(qt, IB700_START, 0);
    qtest_clock_step(qt, 29 * SECOND);
    qtest_outb(qt, IB700_STOP, 0);
    qtest_clock_step(qt, 60 * SECOND);
    assert_quiet(qt);
    qtest_outb(qt, IB700_START, 10);
    qtest_clock_step(qt, 10 * SECOND);
    assert_fired(qt, "pause");
    assert_status(qt, "watchdog");
    qtest_qmp_ok(qt, "cont", NULL);
    qtest_outb(qt, IB700_START, 15);
    qtest_clock_step_next(qt);
    assert_fired(qt, "pause");
    qtest_outb(qt, IB700_START, 14);
    qtest_qmp_ok(qt, "system_reset", NULL);
    qtest_qmp_ok(qt, "cont", NULL);
    qtest_clock_step(qt, 60 * SECOND);
    assert_quiet(qt);
    qtest_quit(qt);
}

/* ---- what is done ---- */

static void test_actions(void)
{
    static const struct {
        const char *action, *event;
    } cases[] = { { "reset", "RESET" },  { "shutdown", "POWERDOWN" }, { "poweroff", "SHUTDOWN" },
                  { "pause", "STOP" },   { "debug", NULL },           { "none", NULL },
                  { "inject-nmi", NULL } };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        QTest *qt = qtest_start("-m 16 -watchdog ib700 -no-shutdown");

        qtest_allow_stderr(qt); /* "debug" */
        qtest_qmp_ok(qt, "watchdog-set-action", "{'action': %s}", cases[i].action);
        qtest_outb(qt, IB700_START, 15);
        qtest_clock_step(qt, SECOND);
        assert_fired(qt, cases[i].action);
        if (cases[i].event) {
            json_object_put(qtest_event(qt, cases[i].event));
        } else {
            assert_status(qt, "running");
        }
        qtest_quit(qt);
    }
}

static void test_refused(void)
{
    g_autofree char *twice = NULL, *wrong = NULL, *list = NULL;

    g_assert_cmpint(qtest_run_program(&twice, "-device ib700 -device ib700"), ==, 1);
    g_assert_nonnull(strstr(twice, "port 0x441 belongs to 'ib700' already\n"));
    g_assert_cmpint(qtest_run_program(&wrong, "-watchdog pvpanic"), ==, 1);
    g_assert_nonnull(strstr(wrong, "'pvpanic' is no watchdog; these are: i6300esb ib700"));
    g_assert_cmpint(qtest_run_program(&list, "-watchdog help"), ==, 0);
    g_assert_nonnull(strstr(list, "i6300esb"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watchdog/i6300esb/fires", test_esb_fires);
    g_test_add_func("/watchdog/i6300esb/resets", test_esb_resets);
    g_test_add_func("/watchdog/i6300esb/locked", test_esb_locked);
    g_test_add_func("/watchdog/i6300esb/kinds", test_esb_kinds);
    g_test_add_func("/watchdog/i6300esb/plug", test_esb_plug);
    g_test_add_func("/watchdog/ib700", test_ib700);
    g_test_add_func("/watchdog/actions", test_actions);
    g_test_add_func("/watchdog/refused", test_refused);
    return g_test_run();
}
