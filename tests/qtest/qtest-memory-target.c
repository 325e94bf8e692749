/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory targets of machines without DIMMs: virtio-mem and the balloon, by drivers of our own that
 * do what they are asked, a part of it, or nothing. */
#include <inttypes.h>
#include <string.h>

#include "tests/qtest/vmem.h"

#define CHANGE "MEMORY_TARGET_CHANGE"
#define NS     INT64_C(1000000000)
#define ANSWER 60 /* seconds that a guest has, if nothing else is said */
#define DEVFN  0x20u
#define PAGE   4096u

/* The balloon: its configuration, and statistics. */
enum { PAGES_WANTED = 0, PAGES_IN = 4 };
enum { STATS_VQ = 1u << 1, STAT_FREE = 4, STAT_AVAILABLE = 6 };

static void set_target(QTest *qt, uint64_t mib)
{
    qtest_qmp_ok(qt, "set-memory-target", "{'size': %" PRIu64 ", 'policy': {'balloon': true}}",
                 mib * MIB);
}

/* A step begins. */
static void assert_step(QTest *qt, const char *action)
{
    g_autoptr(json_object) event = qtest_event(qt, CHANGE);

    if (!qtest_get(event, "data.action")) { /* the target was set */
        json_object_put(event);
        event = qtest_event(qt, CHANGE);
    }
    g_assert_cmpstr(qtest_get_str(event, "data.status"), ==, "running");
    g_assert_cmpstr(qtest_get_str(event, "data.action"), ==, action);
}

/* The run ends, which may have gone on for a while. */
static void assert_end(QTest *qt, const char *status, int64_t mib)
{
    g_autoptr(json_object) event = qtest_event(qt, CHANGE);

    while (!strcmp(qtest_get_str(event, "data.status"), "running")) {
        json_object_put(event);
        event = qtest_event(qt, CHANGE);
    }
    g_assert_cmpstr(qtest_get_str(event, "data.status"), ==, status);
    g_assert_cmpint(qtest_get_int(event, "data.actual"), ==, mib * (int64_t)MIB);
}

static void assert_reason(QTest *qt, const char *words)
{
    g_autoptr(json_object) info = qtest_qmp(qt, "query-memory-target", NULL);

    g_assert_nonnull(strstr(qtest_get_str(info, "reason"), words));
}

/* ---- virtio-mem ---- */

static void mem_start(QVmem *m)
{
    qvmem_open(m,
               qtest_start("-m 256M,maxmem=8G -object memory-backend-ram,id=m0,size=1G "
                           "-device virtio-mem-pci,id=v0,memdev=m0,addr=4"),
               DEVFN, UINT64_MAX);
}

static void mem_ask(QVmem *m, uint16_t type, uint64_t from_mib, uint64_t mib)
{
    g_assert_cmpuint(
        qvmem_ask(m, type, QVMEM_WINDOW + from_mib * MIB, (uint16_t)(mib * MIB / QVMEM_BLOCK)), ==,
        QVMEM_ACK);
}

static uint64_t mem_wanted(QVmem *m)
{
    return qvmem_config(m, QVMEM_WANTED) / MIB;
}

static void test_follows(void)
{
    QVmem m;

    mem_start(&m);
    set_target(m.qt, 512);
    assert_step(m.qt, "resize");
    g_assert_cmpuint(mem_wanted(&m), ==, 256);
    mem_ask(&m, QVMEM_PLUG, 0, 100);
    mem_ask(&m, QVMEM_PLUG, 100, 156);
    assert_end(m.qt, "reached", 512);
    set_target(m.qt, 300);
    assert_step(m.qt, "resize");
    g_assert_cmpuint(mem_wanted(&m), ==, 44);
    mem_ask(&m, QVMEM_UNPLUG, 44, 212);
    assert_end(m.qt, "reached", 300);
    qtest_quit(m.qt);
}

/* A part of it, and no further: it is not asked for more than it has. */
static void test_stops(void)
{
    QVmem m;

    mem_start(&m);
    set_target(m.qt, 512);
    assert_step(m.qt, "resize");
    qtest_clock_step(m.qt, ANSWER * NS - 1);
    mem_ask(&m, QVMEM_PLUG, 0, 128); /* the last moment */
    assert_step(m.qt, "resize");     /* half of the way: its time begins anew */
    qtest_clock_step(m.qt, ANSWER * NS - 1);
    g_assert_cmpuint(qtest_event_count(m.qt, CHANGE), ==, 0);
    qtest_clock_step(m.qt, 1);
    assert_end(m.qt, "unreached", 384);
    assert_reason(m.qt, "'v0' came to 128 MiB, and no further to 256 MiB in 60 s");
    g_assert_cmpuint(mem_wanted(&m), ==, 128);
    qtest_quit(m.qt);
}

static void test_cancelled(void)
{
    QVmem m;

    mem_start(&m);
    set_target(m.qt, 512);
    assert_step(m.qt, "resize");
    qtest_qmp_ok(m.qt, "cancel-memory-target", NULL);
    assert_end(m.qt, "cancelled", 256);
    g_assert_cmpuint(mem_wanted(&m), ==, 0);
    set_target(m.qt, 512);
    assert_step(m.qt, "resize");
    set_target(m.qt, 768); /* changed on the way */
    assert_step(m.qt, "resize");
    g_assert_cmpuint(mem_wanted(&m), ==, 512);
    mem_ask(&m, QVMEM_PLUG, 0, 512);
    assert_end(m.qt, "reached", 768);
    qtest_quit(m.qt);
}

/* Somebody else wants another size: he gets it. */
static void test_overruled(void)
{
    QVmem m;

    mem_start(&m);
    set_target(m.qt, 512);
    assert_step(m.qt, "resize");
    qtest_qmp_ok(
        m.qt, "qom-set",
        "{'path': '/machine/peripheral/v0', 'property': 'requested-size', 'value': %" PRIu64 "}",
        64 * MIB);
    mem_ask(&m, QVMEM_PLUG, 0, 64);
    assert_end(m.qt, "unreached", 320);
    assert_reason(m.qt, "somebody else has set requested-size of 'v0'");
    g_assert_cmpuint(mem_wanted(&m), ==, 64);
    qtest_quit(m.qt);
}

/* ---- the balloon ---- */

typedef struct Balloon {
    QTest *qt;
    QVirtio v;
    QVirtQueue inflate, deflate, stats;
    uint64_t buffer;
} Balloon;

static void balloon_start(Balloon *b)
{
    *b = (Balloon){ .qt = qtest_start("-m 256M -device virtio-balloon-pci,id=b0,addr=4") };
    qvirtio_open(&b->v, b->qt, DEVFN, true);
    qvirtio_start(&b->v, STATS_VQ);
    qvirtio_queue(&b->v, &b->inflate, 0);
    qvirtio_queue(&b->v, &b->deflate, 1);
    qvirtio_queue(&b->v, &b->stats, 2);
    qvirtio_driver_ok(&b->v);
    b->buffer = qvirtio_alloc(&b->v, PAGE);
}

static void balloon_has(Balloon *b, uint64_t mib)
{
    qvirtio_set_config(&b->v, PAGES_IN, 4, (uint32_t)(mib * MIB / PAGE));
}

static uint64_t balloon_wanted(Balloon *b)
{
    return (uint64_t)qvirtio_config(&b->v, PAGES_WANTED, 4) * PAGE / MIB;
}

static void test_balloon(void)
{
    Balloon b;

    balloon_start(&b);
    set_target(b.qt, 100);
    assert_step(b.qt, "balloon");
    g_assert_cmpuint(balloon_wanted(&b), ==, 156);
    balloon_has(&b, 156);
    assert_end(b.qt, "reached", 100);
    set_target(b.qt, 256);
    assert_step(b.qt, "balloon");
    g_assert_cmpuint(balloon_wanted(&b), ==, 0);
    balloon_has(&b, 6); /* it keeps these */
    assert_step(b.qt, "balloon");
    qtest_clock_step(b.qt, ANSWER * NS);
    assert_end(b.qt, "reached", 250); /* less than a block is missing */
    g_assert_cmpuint(balloon_wanted(&b), ==, 6);
    qtest_qmp_ok(b.qt, "set-memory-target", "{'size': %" PRIu64 "}", 100 * MIB);
    assert_end(b.qt, "unreached", 256); /* not without leave */
    qtest_quit(b.qt);
}

static void put_stat(Balloon *b, unsigned n, uint16_t tag, uint64_t value)
{
    qtest_writew(b->qt, b->buffer + n * 10, tag);
    qtest_writeq(b->qt, b->buffer + n * 10 + 2, value);
}

/* It says what it uses: it is left with that. */
static void test_uses(void)
{
    Balloon b;

    balloon_start(&b);
    qtest_qmp_ok(b.qt, "qom-set",
                 "{'path': '/machine/peripheral/b0', 'property': 'guest-stats-polling-interval', "
                 "'value': 1}");
    put_stat(&b, 0, STAT_FREE, 50 * MIB);
    put_stat(&b, 1, STAT_AVAILABLE, 96 * MIB);
    qvirtq_add(&b.stats, b.buffer, 20, false);
    qvirtq_kick(&b.stats);
    set_target(b.qt, 64);
    assert_step(b.qt, "balloon");
    g_assert_cmpuint(balloon_wanted(&b), ==, 96);
    balloon_has(&b, 96);
    assert_end(b.qt, "unreached", 160);
    assert_reason(b.qt, "the guest uses what it has");
    qtest_quit(b.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory-target/follows", test_follows);
    g_test_add_func("/memory-target/stops", test_stops);
    g_test_add_func("/memory-target/cancelled", test_cancelled);
    g_test_add_func("/memory-target/overruled", test_overruled);
    g_test_add_func("/memory-target/balloon", test_balloon);
    g_test_add_func("/memory-target/uses", test_uses);
    return g_test_run();
}
