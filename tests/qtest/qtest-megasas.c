/* SPDX-License-Identifier: GPL-2.0-or-later */
/* megasas and megasas-gen2 by a driver of our own, one frame at a time. */
#include <string.h>
#include <unistd.h>

#include "hw/scsi/scsi-defs.h"
#include "tests/qtest/disk.h"

#define BAR      0xe0000000u
#define FRAME    0x200000u
#define EVENT    0x201000u
#define QUEUE    0x202000u /* what says where the rings are */
#define REPLIES  0x203000u
#define PRODUCER 0x204000u
#define SENSE    0x205000u
#define DATA     0x300000u
#define ENTRIES  8u

enum { DOORBELL = 0x20, STATUS = 0x30, MASK = 0x34, PORT = 0x40, CLEAR = 0xa0, SCRATCH = 0xb0 };
enum { INIT, LD_READ, LD_WRITE, LD_SCSI, PD_SCSI, DIRECT, ABORT };
enum {
    GOOD_FRAME = 0,
    INVALID = 1,
    INVALID_DIRECT = 2,
    WRONG = 3,
    NOBODY = 12,
    SCSI_FAILED = 0x2d
};
enum { FAILED = 0x2e, NOT_YET = 0xff };

typedef struct Host {
    QTest *qt;
    char *path;
    uint32_t consumed, context, bit;
} Host;

static uint32_t get(const Host *h, unsigned at)
{
    return qtest_readl(h->qt, BAR + at);
}

static void set(const Host *h, unsigned at, uint32_t value)
{
    qtest_writel(h->qt, BAR + at, value);
}

static bool interrupted(const Host *h)
{
    return qpci_read(h->qt, DEVFN, 6, 2) & 8;
}

/* A frame at @at with one piece of data; it is not sent yet. */
static void make(Host *h, uint32_t at, uint8_t command, uint8_t target, uint32_t list,
                 uint32_t size)
{
    qtest_memset(h->qt, at, 0, 128);
    qtest_writeb(h->qt, at, command);
    qtest_writeb(h->qt, at + 1, 18);
    qtest_writeb(h->qt, at + 2, NOT_YET);
    qtest_writeb(h->qt, at + 4, target);
    qtest_writeb(h->qt, at + 7, size ? 1 : 0);
    qtest_writel(h->qt, at + 8, ++h->context);
    qtest_writel(h->qt, at + 0x14, size);
    qtest_writel(h->qt, at + 0x18, SENSE);
    qtest_writel(h->qt, at + list, DATA);
    qtest_writel(h->qt, at + list + 4, size);
}

static void fire(Host *h, uint32_t at)
{
    set(h, PORT, at | 1);
}

/* The context of the next reply. */
static uint32_t next(Host *h)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (qtest_readl(h->qt, PRODUCER) == h->consumed) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    uint32_t context = qtest_readl(h->qt, REPLIES + 4 * h->consumed);
    h->consumed = (h->consumed + 1) % ENTRIES;
    g_assert_true(interrupted(h));
    g_assert_cmphex(get(h, STATUS), ==, h->bit);
    set(h, CLEAR, h->bit);
    g_assert_false(interrupted(h));
    return context;
}

static uint8_t run(Host *h)
{
    fire(h, FRAME);
    g_assert_cmpuint(next(h), ==, qtest_readl(h->qt, FRAME + 8));
    return qtest_readb(h->qt, FRAME + 2);
}

static void enable_function(Host *h, bool gen2)
{
    qpci_write(h->qt, DEVFN, gen2 ? 0x14 : 0x10, 4, BAR);
    qpci_write(h->qt, DEVFN, gen2 ? 0x18 : 0x14, 4, 0);
    qpci_write(h->qt, DEVFN, 4, 2, 6);
    h->bit = gen2 ? 1 : 0x80000000;
}

static void drive(Host *h)
{
    g_assert_cmphex(get(h, SCRATCH) >> 28, ==, 0xb);
    h->consumed = 0;
    qtest_writel(h->qt, PRODUCER, 0);
    qtest_memset(h->qt, QUEUE, 0, 32);
    qtest_writel(h->qt, QUEUE + 4, ENTRIES);
    qtest_writel(h->qt, QUEUE + 8, REPLIES);
    qtest_writel(h->qt, QUEUE + 16, PRODUCER);
    make(h, FRAME, INIT, 0, 0x28, 0);
    qtest_writew(h->qt, FRAME + 0x10, 1); /* no reply */
    qtest_writel(h->qt, FRAME + 0x18, QUEUE);
    fire(h, FRAME);
    g_assert_cmphex(qtest_readb(h->qt, FRAME + 2), ==, GOOD_FRAME);
    g_assert_cmphex(get(h, SCRATCH) >> 28, ==, 0xc);
    set(h, MASK, ~h->bit);
}

static void start_with(Host *h, const char *type, const char *options, const char *file)
{
    *h = (Host){ .path = disk_make_image("megasas") };
    h->qt = qtest_start("-m 64 -device %s,id=s0,addr=4 -drive if=none,id=d0,format=raw%s,file=%s%s "
                        "-device scsi-hd,drive=d0,id=hd0,scsi-id=1 -device scsi-cd,scsi-id=2",
                        type, options, file, h->path);
    enable_function(h, strstr(type, "gen2"));
    drive(h);
}

static void quit(Host *h)
{
    qtest_quit(h->qt);
    unlink(h->path);
    g_free(h->path);
}

static void make_scsi(Host *h, uint8_t command, uint8_t target, const uint8_t *cdb, uint32_t size)
{
    make(h, FRAME, command, target, 0x30, size);
    qtest_writeb(h->qt, FRAME + 6, 10);
    qtest_memwrite(h->qt, FRAME + 0x20, cdb, 10);
}

static uint8_t scsi(Host *h, uint8_t target, const uint8_t *cdb, uint32_t size)
{
    make_scsi(h, PD_SCSI, target, cdb, size);
    return run(h);
}

static void make_block(Host *h, uint8_t command, uint32_t sector, uint32_t count)
{
    make(h, FRAME, command, 1, 0x28, count * SECTOR);
    qtest_writel(h->qt, FRAME + 0x14, count);
    qtest_writel(h->qt, FRAME + 0x20, sector);
}

static uint8_t block(Host *h, uint8_t command, uint32_t sector, uint32_t count)
{
    make_block(h, command, sector, count);
    return run(h);
}

static uint8_t direct(Host *h, uint32_t opcode, uint32_t size)
{
    make(h, FRAME, DIRECT, 0, 0x28, size);
    qtest_writel(h->qt, FRAME + 0x18, opcode);
    return run(h);
}

static void take_attention(Host *h)
{
    const uint8_t ready[10] = { SCSI_TEST_UNIT_READY };

    g_assert_cmphex(scsi(h, 1, ready, 0), ==, SCSI_FAILED);
    g_assert_cmphex(qtest_readb(h->qt, FRAME + 3), ==, SCSI_CHECK_CONDITION);
    g_assert_cmphex(qtest_readb(h->qt, SENSE + 2), ==, SCSI_KEY_UNIT_ATTENTION);
}

/* ---- tests ---- */

static void test_data(gconstpointer type)
{
    const uint8_t read[10] = { SCSI_READ_10, [5] = 40, [8] = 2 };
    Host h;

    start_with(&h, type, "", "");
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 0, 4), ==,
                    strstr(type, "gen2") ? 0x00791000 : 0x00601000);
    g_assert_cmphex(get(&h, SCRATCH) & 0xffffff, ==,
                    80 << 16 | (strstr(type, "gen2") ? 1008 : 1000));
    take_attention(&h);
    g_assert_cmphex(block(&h, LD_READ, 9, 2), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 511), ==, 10);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 512), ==, 11);
    qtest_memset(h.qt, DATA, 0xd7, 2 * SECTOR);
    g_assert_cmphex(block(&h, LD_WRITE, 20, 2), ==, GOOD_FRAME);
    disk_assert_image(h.path, 20, 0xd7);
    disk_assert_image(h.path, 21, 0xd7);
    disk_assert_image(h.path, 22, 23);
    g_assert_cmphex(scsi(&h, 1, read, 2 * SECTOR), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 512), ==, 42);
    /* Lists of other kinds. */
    make_block(&h, LD_READ, 50, 1);
    qtest_writew(h.qt, FRAME + 0x10, 2);
    qtest_writeq(h.qt, FRAME + 0x28, DATA + 0x1000);
    qtest_writel(h.qt, FRAME + 0x30, SECTOR);
    g_assert_cmphex(run(&h), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 0x1000), ==, 51);
    make_block(&h, LD_READ, 60, 2);
    qtest_writeb(h.qt, FRAME + 7, 2);
    qtest_writew(h.qt, FRAME + 0x10, 0x22);
    for (unsigned i = 0; i < 2; i++) {
        qtest_writeq(h.qt, FRAME + 0x28 + 16 * i, DATA + 0x1000 * i);
        qtest_writel(h.qt, FRAME + 0x30 + 16 * i, SECTOR);
    }
    g_assert_cmphex(run(&h), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readb(h.qt, DATA), ==, 61);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 0x1000), ==, 62);
    quit(&h);
}

static void test_lists(void)
{
    Host h;

    start_with(&h, "megasas", "", "");
    g_assert_cmphex(direct(&h, 0x01010000, 2048), ==, GOOD_FRAME);
    g_assert_cmphex(direct(&h, 0x02010100, 8 + 24 * 8), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readl(h.qt, DATA + 4), ==, 1); /* the CD drive */
    g_assert_cmpuint(qtest_readw(h.qt, DATA + 8), ==, 2);
    g_assert_cmphex(qtest_readb(h.qt, DATA + 8 + 5), ==, 5);
    g_assert_cmphex(direct(&h, 0x03010000, 8 + 16 * 64), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readl(h.qt, DATA), ==, 1);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 8), ==, 1);
    g_assert_cmpuint(qtest_readq(h.qt, DATA + 16), ==, SECTORS);
    g_assert_cmphex(direct(&h, 0x03010100, 128), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readl(h.qt, DATA + 4), ==, 1);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 11), ==, 1);
    g_assert_cmphex(direct(&h, 0x01040100, 20), ==, GOOD_FRAME);
    g_assert_cmphex(direct(&h, 0x01101000, 0), ==, GOOD_FRAME);
    g_assert_cmphex(direct(&h, 0x77777777, 0), ==, INVALID_DIRECT);
    /* An event is waited for, until that is aborted. */
    make(&h, EVENT, DIRECT, 0, 0x28, 256);
    qtest_writel(h.qt, EVENT + 0x18, 0x01040500);
    fire(&h, EVENT);
    g_assert_cmphex(qtest_readb(h.qt, EVENT + 2), ==, NOT_YET);
    make(&h, FRAME, ABORT, 0, 0x28, 0);
    qtest_writel(h.qt, FRAME + 0x20, EVENT);
    fire(&h, FRAME);
    while (qtest_readl(h.qt, PRODUCER) != (h.consumed + 2) % ENTRIES) {
    }
    g_assert_cmphex(qtest_readb(h.qt, EVENT + 2), ==, GOOD_FRAME);
    g_assert_cmphex(qtest_readb(h.qt, FRAME + 2), ==, GOOD_FRAME);
    quit(&h);
    start_with(&h, "megasas,use_jbod=on", "", "");
    g_assert_cmphex(direct(&h, 0x02010100, 8 + 24 * 8), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readl(h.qt, DATA + 4), ==, 2);
    g_assert_cmphex(direct(&h, 0x03010000, 8 + 16 * 64), ==, GOOD_FRAME);
    g_assert_cmpuint(qtest_readl(h.qt, DATA), ==, 0);
    quit(&h);
}

static void test_senseless(void)
{
    const uint8_t read[10] = { SCSI_READ_10, [8] = 2 };
    Host h;

    start_with(&h, "megasas", "", "");
    take_attention(&h);
    g_assert_cmphex(scsi(&h, 3, read, 2 * SECTOR), ==, NOBODY);
    g_assert_cmphex(scsi(&h, 255, read, 2 * SECTOR), ==, NOBODY);
    make_scsi(&h, LD_SCSI, 2, read, 2 * SECTOR); /* the CD drive is no logical one */
    g_assert_cmphex(run(&h), ==, NOBODY);
    g_assert_cmphex(scsi(&h, 1, read, SECTOR), ==, FAILED); /* no room */
    make_scsi(&h, PD_SCSI, 1, read, 2 * SECTOR);
    qtest_writel(h.qt, FRAME + 0x30, BAR);
    g_assert_cmphex(run(&h), ==, FAILED);
    make(&h, FRAME, 0x55, 0, 0x28, 0);
    g_assert_cmphex(run(&h), ==, INVALID);
    g_assert_cmphex(block(&h, LD_READ, SECTORS, 1), ==, SCSI_FAILED);
    make(&h, FRAME, INIT, 0, 0x28, 0); /* a second time */
    qtest_writel(h.qt, FRAME + 0x18, QUEUE);
    g_assert_cmphex(run(&h), ==, WRONG);
    make(&h, FRAME, ABORT, 0, 0x28, 0); /* nothing */
    g_assert_cmphex(run(&h), ==, GOOD_FRAME);
    make(&h, FRAME, DIRECT, 0, 0x28, 2048);
    qtest_writel(h.qt, FRAME + 0x18, 0x01010000);
    qtest_writel(h.qt, FRAME + 0x28, BAR);
    g_assert_cmphex(run(&h), ==, WRONG);
    fire(&h, BAR); /* no memory */
    fire(&h, 0xfffffff0);
    set(&h, DOORBELL, 1);
    g_assert_cmphex(get(&h, SCRATCH) >> 28, ==, 0xb);
    make_block(&h, LD_READ, 9, 1); /* without an INIT */
    fire(&h, FRAME);
    g_assert_cmphex(qtest_readb(h.qt, FRAME + 2), ==, FAILED);
    drive(&h);
    g_assert_cmphex(block(&h, LD_READ, 9, 1), ==, GOOD_FRAME);
    quit(&h);
}

/* A read and a write that fail stop the machine, and are done again when it goes on, here or
 * elsewhere. */
static void test_stop(void)
{
    for (unsigned i = 0; i < 4; i++) {
        bool write = i & 1, move = i & 2;
        g_autofree char *rules = disk_make_rules("megasas", write, true);
        g_autofree char *blkdebug = g_strdup_printf("blkdebug:%s:", rules);
        Host h;

        start_with(&h, "megasas", ",rerror=stop,werror=stop", blkdebug);
        unlink(rules);
        take_attention(&h);
        qtest_memset(h.qt, DATA, 0xd7, SECTOR);
        make_block(&h, write ? LD_WRITE : LD_READ, 6, 1);
        fire(&h, FRAME);
        json_object_put(qtest_event(h.qt, "STOP"));
        qtest_assert_state(h.qt, "io-error");
        g_assert_cmphex(qtest_readb(h.qt, FRAME + 2), ==, NOT_YET);
        if (move) {
            g_autofree char *file = g_strdup_printf("%s.state", h.path);

            qtest_save(h.qt, file);
            qtest_quit(h.qt);
            h.qt = qtest_start("-m 64 -device megasas,id=s0,addr=4 -drive "
                               "if=none,id=d0,format=raw,rerror=stop,werror=stop,file=%s -device "
                               "scsi-hd,drive=d0,id=hd0,scsi-id=1 -device scsi-cd,scsi-id=2 "
                               "-incoming file:%s",
                               h.path, file);
            qtest_wait_loaded(h.qt);
            unlink(file);
        }
        qtest_qmp_ok(h.qt, "cont", "{}");
        next(&h);
        g_assert_cmphex(qtest_readb(h.qt, FRAME + 2), ==, GOOD_FRAME);
        g_assert_cmphex(qtest_readb(h.qt, DATA), ==, write ? 0xd7 : 7);
        disk_assert_image(h.path, 6, write ? 0xd7 : 7);
        quit(&h);
    }
}

static const QTestRefused refused[] = {
    { "-device megasas,max_sge=0", "max_sge=0" },
    { "-device megasas,max_cmds=5000", "1 to 4096" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/megasas/data/1078", "megasas", test_data);
    g_test_add_data_func("/megasas/data/gen2", "megasas-gen2", test_data);
    g_test_add_func("/megasas/lists", test_lists);
    g_test_add_func("/megasas/senseless", test_senseless);
    g_test_add_func("/megasas/stop", test_stop);
    qtest_add_refused("/megasas/command-line", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
