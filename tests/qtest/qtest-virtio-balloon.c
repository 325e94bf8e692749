/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-balloon by a driver of our own. */
#include <string.h>

#include "tests/qtest/virtio.h"
#include "util/units.h"

#define DEVFN 0x20u /* slot 4 */
#define PAGE  0x1000u

enum { STATS_VQ = 1u << 1, DEFLATE_ON_OOM = 1u << 2, REPORTING = 1u << 5 };

typedef struct Balloon {
    QTest *qt;
    QVirtio v;
    QVirtQueue inflate, deflate, stats, reporting;
    uint64_t pages; /* 8 pages */
    uint64_t buffer;
} Balloon;

static void start(Balloon *b, bool modern, const char *more)
{
    *b = (Balloon){ .qt = qtest_start("-M pc -m 64 -device virtio-balloon-pci,id=b0,addr=4%s",
                                      more) };
    qvirtio_open(&b->v, b->qt, DEVFN, modern);
    qvirtio_start(&b->v, STATS_VQ | (*more ? REPORTING : 0));
    qvirtio_queue(&b->v, &b->inflate, 0);
    qvirtio_queue(&b->v, &b->deflate, 1);
    qvirtio_queue(&b->v, &b->stats, 2);
    if (*more) {
        qvirtio_queue(&b->v, &b->reporting, 3);
    }
    qvirtio_driver_ok(&b->v);
    b->pages = qvirtio_alloc(&b->v, 8 * PAGE);
    b->buffer = qvirtio_alloc(&b->v, PAGE);
    qtest_memset(b->qt, b->pages, 0x55, 8 * PAGE);
}

static int64_t actual(Balloon *b)
{
    g_autoptr(json_object) info = qtest_qmp(b->qt, "query-balloon", NULL);

    return qtest_get_int(info, "actual");
}

/* Name page @pfn and @more after it in a buffer of @queue, and wait for it. */
static void name_pages(Balloon *b, QVirtQueue *queue, const uint32_t *pfns, unsigned count)
{
    qtest_memwrite(b->qt, b->buffer, pfns, 4 * count);
    uint16_t head = qvirtq_add(queue, b->buffer, 4 * count, false);
    qvirtq_kick(queue);
    g_assert_cmpuint(qvirtq_wait(queue, head), ==, 0);
}

static void test_size(gconstpointer data)
{
    Balloon b;

    start(&b, data != NULL, "");
    g_assert_cmpint(actual(&b), ==, 64 * MIB);
    g_assert_cmpuint(qvirtio_config(&b.v, 0, 4), ==, 0);
    qvirtio_isr(&b.v);
    qtest_qmp_ok(b.qt, "balloon", "{'value': %u}", (unsigned)(48 * MIB));
    g_assert_cmpuint(qvirtio_config(&b.v, 0, 4), ==, 16 * MIB / PAGE);
    g_assert_cmpuint(qvirtio_isr(&b.v), ==, 2);
    g_assert_cmpint(actual(&b), ==, 64 * MIB);

    const uint32_t first = (uint32_t)(b.pages / PAGE), pfns[3] = { first, first + 2, first + 3 };
    name_pages(&b, &b.inflate, pfns, 3);
    for (unsigned i = 0; i < 8; i++) {
        bool gone = i == 0 || i == 2 || i == 3;

        g_assert_cmphex(qtest_readl(b.qt, b.pages + i * PAGE), ==, gone ? 0 : 0x55555555);
        g_assert_cmphex(qtest_readl(b.qt, b.pages + i * PAGE + PAGE - 4), ==,
                        gone ? 0 : 0x55555555);
    }
    qvirtio_set_config(&b.v, 4, 4, 3);
    {
        g_autoptr(json_object) event = qtest_event(b.qt, "BALLOON_CHANGE");

        g_assert_cmpint(qtest_get_int(event, "data.actual"), ==, 64 * MIB - 3 * PAGE);
    }
    g_assert_cmpint(actual(&b), ==, 64 * MIB - 3 * PAGE);
    name_pages(&b, &b.deflate, pfns, 3);
    qtest_writel(b.qt, b.pages, 0x12345678);
    g_assert_cmphex(qtest_readl(b.qt, b.pages), ==, 0x12345678);
    qtest_qmp_ok(b.qt, "balloon", "{'value': %u}",
                 (unsigned)(80 * MIB)); /* more than there is: all of it */
    g_assert_cmpuint(qvirtio_config(&b.v, 0, 4), ==, 0);
    qvirtio_set_status(&b.v, 0);
    g_assert_cmpint(actual(&b), ==, 64 * MIB);
    qtest_quit(b.qt);
}

/* Nothing is where these are, or ROM is, or far too many of them are there. */
static void test_wrong_pages(void)
{
    const uint32_t pfns[] = { 0xffffffff, 64 * MIB / PAGE, 0xfee00, 0xf0, 0xa0 };
    Balloon b;

    start(&b, true, "");
    name_pages(&b, &b.inflate, pfns, G_N_ELEMENTS(pfns));
    name_pages(&b, &b.inflate, pfns, 0);
    g_assert_cmphex(qvirtio_status(&b.v) & QVIRTIO_NEEDS_RESET, ==, 0);
    qvirtq_add(&b.inflate, b.pages, 4 * 16384 + 4, false);
    qvirtq_kick(&b.inflate);
    g_assert_cmphex(qvirtio_status(&b.v) & QVIRTIO_NEEDS_RESET, !=, 0);
    {
        g_autoptr(json_object) error = qtest_qmp_error(b.qt, "balloon", "{'value': 0}");

        g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "above 0"));
    }
    qtest_quit(b.qt);
}

static void test_reporting(void)
{
    Balloon b;

    start(&b, true, ",free-page-reporting=on,deflate-on-oom=on");
    g_assert_cmphex(qvirtio_offered(&b.v) & (REPORTING | DEFLATE_ON_OOM), ==,
                    REPORTING | DEFLATE_ON_OOM);
    /* Only whole pages go. */
    uint16_t head = qvirtq_add(&b.reporting, b.pages + PAGE - 4, 2 * PAGE + 8, true);
    qvirtq_kick(&b.reporting);
    qvirtq_wait(&b.reporting, head);
    g_assert_cmphex(qtest_readl(b.qt, b.pages + PAGE - 4), ==, 0x55555555);
    g_assert_cmphex(qtest_readl(b.qt, b.pages + PAGE), ==, 0);
    g_assert_cmphex(qtest_readl(b.qt, b.pages + 3 * PAGE - 4), ==, 0);
    g_assert_cmphex(qtest_readl(b.qt, b.pages + 3 * PAGE), ==, 0x55555555);
    qtest_quit(b.qt);
}

static uint64_t stat(Balloon *b, const char *name)
{
    g_autoptr(json_object) stats = qtest_qmp(
        b->qt, "qom-get", "{'path': '/machine/peripheral/b0', 'property': 'guest-stats'}");

    return json_object_get_uint64(qtest_get(stats, name));
}

static void put_stat(Balloon *b, unsigned at, uint16_t tag, uint64_t value)
{
    qtest_writew(b->qt, b->buffer + 10 * at, tag);
    qtest_writeq(b->qt, b->buffer + 10 * at + 2, value);
}

static void test_stats(void)
{
    uint16_t head;
    Balloon b;

    start(&b, true, "");
    g_assert_cmpuint(stat(&b, "last-update"), ==, 0);
    g_assert_cmphex(stat(&b, "stats.stat-free-memory"), ==, UINT64_MAX);
    put_stat(&b, 0, 4, 1234567);
    put_stat(&b, 1, 99, 1);
    put_stat(&b, 2, 5, 7654321);
    head = qvirtq_add(&b.stats, b.buffer, 30, false);
    qvirtq_kick(&b.stats);
    g_assert_cmpuint(stat(&b, "stats.stat-free-memory"), ==, 1234567);
    g_assert_cmpuint(stat(&b, "stats.stat-total-memory"), ==, 7654321);
    g_assert_cmphex(stat(&b, "stats.stat-swap-in"), ==, UINT64_MAX);
    g_assert_cmpuint(stat(&b, "last-update"), !=, 0);
    g_assert_false(qvirtq_has_used(&b.stats)); /* it is kept until it is asked again */
    qtest_qmp_ok(b.qt, "qom-set",
                 "{'path': '/machine/peripheral/b0', 'property': 'guest-stats-polling-interval',"
                 " 'value': 2}");
    qtest_clock_step(b.qt, 1999999999);
    g_assert_false(qvirtq_has_used(&b.stats));
    qtest_clock_step(b.qt, 1);
    qvirtq_wait(&b.stats, head);
    put_stat(&b, 0, 4, 99);
    head = qvirtq_add(&b.stats, b.buffer, 10, false);
    qvirtq_kick(&b.stats);
    g_assert_cmpuint(stat(&b, "stats.stat-free-memory"), ==, 99);
    g_assert_cmphex(stat(&b, "stats.stat-total-memory"), ==, UINT64_MAX);
    qtest_clock_step(b.qt, 2000000000);
    qvirtq_wait(&b.stats, head);
    /* Two buffers at once: only one is kept. */
    head = qvirtq_add(&b.stats, b.buffer, 10, false);
    qvirtq_kick(&b.stats);
    qvirtq_add(&b.stats, b.buffer, 10, false);
    qvirtq_kick(&b.stats);
    qvirtq_wait(&b.stats, head);
    qtest_quit(b.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio-balloon/size/modern", "modern", test_size);
    g_test_add_data_func("/virtio-balloon/size/legacy", NULL, test_size);
    g_test_add_func("/virtio-balloon/wrong-pages", test_wrong_pages);
    g_test_add_func("/virtio-balloon/reporting", test_reporting);
    g_test_add_func("/virtio-balloon/stats", test_stats);
    return g_test_run();
}
