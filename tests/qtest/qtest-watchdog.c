/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watchdogs: i6300esb by the driver's steps, ib700 by its ports, that of the ICH9 as its data sheet
 * says (section 13.9). */
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

#define TCO           0x660
#define TCO_DAT_IN    (TCO + 2)
#define TCO_STS1      (TCO + 4)
#define TCO_STS2      (TCO + 6)
#define TCO_CNT1      (TCO + 8)
#define TCO_TMR       (TCO + 0x12)
#define TCO_HALT      0x800
#define TCO_NMI_NOW   0x100
#define TCO_LOCK      0x1000
#define TCO_TIMEOUT   8
#define TCO_SECOND_TO 2
#define SMI_EN        0x630
#define SMI_STS       0x634
#define SMI_GBL_EN    1
#define SMI_TCO       (1 << 13) /* TCO_EN, TCO_STS */
#define TCO_TICK      (SECOND * 6 / 10)
#define GCS           0xfed1f410u
#define GCS_NR        0x20

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

/* ---- ICH9 ---- */

static QTest *tco_start(const char *options)
{
    return qtest_start("-M q35 -m 16 %s", options);
}

/* It is loaded, and counts @ticks. */
static void tco_arm(QTest *qt, uint16_t ticks)
{
    qtest_outw(qt, TCO_CNT1, TCO_HALT);
    qtest_outw(qt, TCO_STS1, TCO_TIMEOUT);
    qtest_outw(qt, TCO_STS2, TCO_SECOND_TO);
    qtest_outw(qt, TCO_TMR, ticks);
    qtest_outw(qt, TCO, 1);
    qtest_outw(qt, TCO_CNT1, 0);
}

static void test_tco_registers(void)
{
    static const struct {
        uint16_t port, reset, after;
    } words[] = {
        { TCO, 0, 0 },           { TCO_DAT_IN, 0, 0xffff }, { TCO_STS2, 0, 0 },
        { TCO_CNT1, 0, 0x1a00 }, { TCO + 0xa, 8, 0x3e },    { TCO + 0xc, 0, 0xffff },
        { TCO + 0xe, 0, 0xff },  { TCO + 0x10, 3, 3 },      { TCO_TMR, 4, 0x3ff },
        { TCO + 0x14, 0, 0 },    { TCO + 0x1e, 0, 0 },
    };
    QTest *qt = tco_start("");

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        g_assert_cmphex(qtest_inw(qt, words[i].port), ==, words[i].reset);
    }
    for (unsigned i = 1; i < G_N_ELEMENTS(words); i++) {
        qtest_outw(qt, words[i].port, words[i].port == TCO_CNT1 ? 0xfeff : 0xffff);
        g_assert_cmphex(qtest_inw(qt, words[i].port), ==, words[i].after);
    }
    /* Each half of the data word says so, and 1 clears it. */
    g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, 6);
    qtest_outw(qt, TCO_STS1, 0xffff);
    g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, 0);
    qtest_outb(qt, TCO_DAT_IN, 8);
    g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, 2);
    qtest_outb(qt, TCO_DAT_IN + 1, 8);
    g_assert_cmphex(qtest_inl(qt, TCO_STS1), ==, 6);
    qtest_outl(qt, TCO_DAT_IN, 0x00061234);
    g_assert_cmphex(qtest_inl(qt, TCO_DAT_IN), ==, 0x1234);
    /* Too few ticks are none; a lock holds until a reset. */
    qtest_outw(qt, TCO_TMR, 5);
    qtest_outw(qt, TCO_TMR, 1);
    g_assert_cmphex(qtest_inw(qt, TCO_TMR), ==, 5);
    qtest_outw(qt, TCO_CNT1, 0);
    g_assert_cmphex(qtest_inw(qt, TCO_CNT1), ==, 0x1000);
    json_object_put(qtest_qmp(qt, "system_reset", NULL));
    json_object_put(qtest_event(qt, "RESET"));
    g_assert_cmphex(qtest_inw(qt, TCO_CNT1), ==, 0);
    qtest_quit(qt);
}

static void test_tco_counts(void)
{
    QTest *qt = tco_start("");

    tco_arm(qt, 8);
    for (unsigned left = 8; left > 0; left--) {
        g_assert_cmpuint(qtest_inw(qt, TCO), ==, left);
        g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, 0);
        qtest_clock_step(qt, TCO_TICK);
    }
    g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, TCO_TIMEOUT);
    /* Halted it keeps what is left; a reload begins from the first time on. */
    qtest_clock_step(qt, 3 * TCO_TICK);
    qtest_outw(qt, TCO_CNT1, TCO_HALT);
    qtest_clock_step(qt, 100 * TCO_TICK);
    g_assert_cmpuint(qtest_inw(qt, TCO), ==, 5);
    qtest_outw(qt, TCO_CNT1, 0);
    qtest_outw(qt, TCO, 1);
    qtest_clock_step(qt, 8 * TCO_TICK);
    g_assert_cmphex(qtest_inw(qt, TCO_STS2), ==, 0);
    qtest_clock_step(qt, 8 * TCO_TICK);
    g_assert_cmphex(qtest_inw(qt, TCO_STS2), ==, TCO_SECOND_TO);
    /* The strap forbids that it fires, and software cannot lift it. */
    g_assert_cmphex(qtest_readl(qt, GCS), ==, GCS_NR);
    qtest_writel(qt, GCS, 0);
    g_assert_cmphex(qtest_readl(qt, GCS), ==, GCS_NR);
    qtest_clock_step(qt, 100 * TCO_TICK);
    assert_quiet(qt);
    /* The longest countdown. */
    tco_arm(qt, 0x3ff);
    qtest_clock_step(qt, 0x3fe * TCO_TICK);
    g_assert_cmpuint(qtest_inw(qt, TCO), ==, 1);
    g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, 0);
    qtest_clock_step(qt, TCO_TICK);
    g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, TCO_TIMEOUT);
    qtest_quit(qt);
}

/* The first time, and a write to DAT_IN's low half, are an SMI's causes where TCO_EN says so; a
 * lock keeps that bit. */
static void test_tco_smi(void)
{
    QTest *qt = tco_start("");

    g_assert_cmphex(qtest_inl(qt, SMI_EN), ==, 0);
    qtest_outw(qt, TCO_DAT_IN, 0);
    tco_arm(qt, 2);
    qtest_clock_step(qt, 2 * TCO_TICK);
    g_assert_cmphex(qtest_inl(qt, SMI_STS), ==, 0);
    qtest_outl(qt, SMI_EN, SMI_GBL_EN | SMI_TCO);
    g_assert_cmphex(qtest_inl(qt, SMI_EN), ==, SMI_GBL_EN | SMI_TCO);
    qtest_outb(qt, TCO_DAT_IN + 1, 0);
    tco_arm(qt, 2);
    qtest_clock_step(qt, TCO_TICK);
    g_assert_cmphex(qtest_inl(qt, SMI_STS), ==, 0);
    qtest_clock_step(qt, TCO_TICK);
    g_assert_cmphex(qtest_inl(qt, SMI_STS), ==, SMI_TCO);
    qtest_outl(qt, SMI_STS, SMI_TCO);
    g_assert_cmphex(qtest_inl(qt, SMI_STS), ==, 0);
    qtest_clock_step(qt, 2 * TCO_TICK); /* the second time is none */
    g_assert_cmphex(qtest_inw(qt, TCO_STS2), ==, TCO_SECOND_TO);
    g_assert_cmphex(qtest_inl(qt, SMI_STS), ==, 0);
    qtest_outb(qt, TCO_DAT_IN, 0);
    g_assert_cmphex(qtest_inl(qt, SMI_STS), ==, SMI_TCO);
    qtest_outw(qt, TCO_CNT1, TCO_LOCK);
    qtest_outl(qt, SMI_EN, 0);
    g_assert_cmphex(qtest_inl(qt, SMI_EN), ==, SMI_TCO);
    json_object_put(qtest_qmp(qt, "system_reset", NULL));
    json_object_put(qtest_event(qt, "RESET"));
    g_assert_cmphex(qtest_inl(qt, SMI_EN) | qtest_inl(qt, SMI_STS), ==, 0);
    qtest_quit(qt);
}

static void test_tco_fires(void)
{
    QTest *qt = tco_start("-global ICH9-LPC.noreboot=off -watchdog-action pause");

    g_assert_cmphex(qtest_readl(qt, GCS), ==, 0);
    qtest_writel(qt, GCS, GCS_NR);
    g_assert_cmphex(qtest_readl(qt, GCS), ==, GCS_NR);
    tco_arm(qt, 4);
    qtest_clock_step(qt, 8 * TCO_TICK);
    assert_quiet(qt);
    qtest_writel(qt, GCS, 0);
    tco_arm(qt, 4);
    qtest_clock_step(qt, 7 * TCO_TICK);
    assert_quiet(qt);
    qtest_clock_step(qt, TCO_TICK);
    assert_fired(qt, "pause");
    assert_status(qt, "watchdog");
    qtest_qmp_ok(qt, "cont", NULL);
    /* It is reset with the machine, but remembers. */
    qtest_qmp_ok(qt, "watchdog-set-action", "{'action': 'reset'}");
    tco_arm(qt, 2);
    qtest_clock_step(qt, 4 * TCO_TICK);
    assert_fired(qt, "reset");
    json_object_put(qtest_event(qt, "RESET"));
    g_assert_cmphex(qtest_inw(qt, TCO_STS2), ==, TCO_SECOND_TO | 4);
    g_assert_cmphex(qtest_inw(qt, TCO_TMR), ==, 4);
    qtest_clock_step(qt, 100 * TCO_TICK);
    assert_quiet(qt);
    qtest_quit(qt);
}

/* While the guest sleeps nothing fires; when it is awake again, all of the time is left. */
static void test_tco_sleeps(void)
{
    QTest *qt = tco_start("-global ICH9-LPC.noreboot=off -watchdog-action pause");

    tco_arm(qt, 4);
    qtest_outw(qt, 0x604, 1 << 13 | 1 << 10);
    json_object_put(qtest_event(qt, "SUSPEND"));
    qtest_clock_step(qt, 100 * TCO_TICK);
    assert_quiet(qt);
    qtest_qmp_ok(qt, "system_wakeup", NULL);
    json_object_put(qtest_event(qt, "WAKEUP"));
    g_assert_cmphex(qtest_inw(qt, TCO_STS1), ==, 0);
    qtest_clock_step(qt, 7 * TCO_TICK);
    assert_quiet(qt);
    qtest_clock_step(qt, TCO_TICK);
    assert_fired(qt, "pause");
    qtest_quit(qt);
}

/* NMI_NOW is set by 1, and cleared by another; writes to the other half leave it. */
static void test_tco_nmi(void)
{
    QTest *qt = tco_start("");

    qtest_outw(qt, TCO_CNT1, TCO_NMI_NOW);
    g_assert_cmphex(qtest_inw(qt, TCO_CNT1), ==, TCO_NMI_NOW);
    qtest_outb(qt, TCO_CNT1, 0xff);
    g_assert_cmphex(qtest_inw(qt, TCO_CNT1), ==, TCO_NMI_NOW);
    qtest_outw(qt, TCO_CNT1, TCO_HALT);
    g_assert_cmphex(qtest_inw(qt, TCO_CNT1), ==, TCO_NMI_NOW | TCO_HALT);
    qtest_outw(qt, TCO_CNT1, TCO_NMI_NOW);
    g_assert_cmphex(qtest_inw(qt, TCO_CNT1), ==, 0);
    qtest_outw(qt, TCO_CNT1, TCO_NMI_NOW);
    g_assert_cmphex(qtest_inw(qt, TCO_CNT1), ==, TCO_NMI_NOW);
    qtest_quit(qt);
}

static void test_tco_off(void)
{
    QTest *qt = tco_start("-global ICH9-LPC.enable_tco=off");

    g_assert_cmphex(qtest_inw(qt, TCO_TMR), !=, 4);
    qtest_quit(qt);
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
    g_test_add_func("/watchdog/tco/registers", test_tco_registers);
    g_test_add_func("/watchdog/tco/counts", test_tco_counts);
    g_test_add_func("/watchdog/tco/smi", test_tco_smi);
    g_test_add_func("/watchdog/tco/fires", test_tco_fires);
    g_test_add_func("/watchdog/tco/sleeps", test_tco_sleeps);
    g_test_add_func("/watchdog/tco/nmi", test_tco_nmi);
    g_test_add_func("/watchdog/tco/off", test_tco_off);
    g_test_add_func("/watchdog/actions", test_actions);
    g_test_add_func("/watchdog/refused", test_refused);
    return g_test_run();
}
