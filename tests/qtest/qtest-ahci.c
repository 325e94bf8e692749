/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The AHCI controller of q35, with disks: registers, commands, queues, errors, what makes no sense.
 */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/ahci.h"

enum { ABRT = 0x04, IDNF = 0x10, UNC = 0x40 };

enum {
    TRIM = 0x06,
    READ = 0x20,
    READ_EXT = 0x24,
    READ_DMA_EXT = 0x25,
    READ_LOG = 0x2f,
    WRITE_SECTORS = 0x30,
    WRITE_DMA_EXT = 0x35,
    READ_QUEUED = 0x60,
    WRITE_QUEUED = 0x61,
    READ_MULTIPLE = 0xc4,
    WRITE_MULTIPLE = 0xc5,
    READ_DMA = 0xc8,
    WRITE_DMA = 0xca,
    FLUSH_CACHE = 0xe7,
    FLUSH_EXT = 0xea,
    IDENTIFY = 0xec,
    SET_FEATURES = 0xef,
};

static void start(AhciHost *h, const char *options)
{
    *h = (AhciHost){ .path = disk_make_image("ahci") };
    h->qt = qtest_start("-M q35 -m 64 -drive if=none,id=d0,format=raw,file=%s "
                        "-device ide-hd,drive=d0 %s",
                        h->path, options);
    ahci_enable(h);
}

static void quit(AhciHost *h)
{
    qtest_quit(h->qt);
    unlink(h->path);
    g_free(h->path);
}

static uint8_t byte(AhciHost *h, uint32_t at)
{
    return qtest_readb(h->qt, AHCI_BUFFER + at);
}

static uint8_t error(AhciHost *h)
{
    uint32_t tfd = ahci_port_read(h, P_TFD);

    g_assert_cmphex(tfd & 0xff, ==, 0x51);
    return (uint8_t)(tfd >> 8);
}

static void flush(AhciHost *h)
{
    g_assert_cmphex(ahci_run(h, &(AhciCommand){ FLUSH_CACHE }), ==, IS_D2H);
}

/* ---- registers ---- */

static void test_function(void)
{
    AhciHost h;
    QTest *qt;

    start(&h, "");
    qt = h.qt;
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0x00, 4), ==, 0x29228086);
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0x08, 4), ==, 0x01060102);
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0x06, 2), ==, 0x0010); /* a list of capabilities */
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0x0e, 1), ==, 0x80);
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0x34, 1), ==, 0x80);
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0x80, 4), ==, 0x0080a805);
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0xa8, 4), ==, 0x00100012);
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0xac, 4), ==, 0x48);
    qpci_write(qt, AHCI_FUNCTION, 0x20, 4, UINT32_MAX);
    g_assert_cmphex(qpci_read(qt, AHCI_FUNCTION, 0x20, 4), ==, 0xffffffe1);

    g_assert_cmphex(ahci_read(&h, A_CAP), ==, 0xc0141f05);
    g_assert_cmphex(ahci_read(&h, A_GHC), ==, 0x80000002);
    g_assert_cmphex(ahci_read(&h, A_PI), ==, 0x3f);
    g_assert_cmphex(ahci_read(&h, A_VS), ==, 0x10000);
    g_assert_cmphex(ahci_read(&h, 0xffc), ==, 0);
    g_assert_cmphex(qtest_readw(qt, AHCI + 2), ==, 0xc014); /* a part of one */
    g_assert_cmphex(qtest_readq(qt, AHCI + A_PI), ==, 0x100000000003f);

    g_assert_cmphex(ahci_port_read(&h, P_SSTS), ==, 0x113);
    g_assert_cmphex(ahci_port_read(&h, P_SIG), ==, 0x101);
    g_assert_cmphex(ahci_port_read(&h, P_TFD) & 0xff, ==, 0x50);
    g_assert_cmphex(ahci_port_read(&h, P_CMD), ==, 0xc017);
    g_assert_cmphex(ahci_port_read(&h, P_IE), ==, 0xfdc000ff);
    qtest_writeb(qt, AHCI + 0x100 + P_IE + 3, 0x40); /* a part of one */
    g_assert_cmphex(ahci_port_read(&h, P_IE), ==, 0x40c000ff);

    h.port = 1; /* nothing is there */
    g_assert_cmphex(ahci_port_read(&h, P_SSTS), ==, 0);
    g_assert_cmphex(ahci_port_read(&h, P_SIG), ==, UINT32_MAX);
    g_assert_cmphex(ahci_port_read(&h, P_TFD), ==, 0x7f);
    g_assert_cmphex(ahci_port_read(&h, P_CMD), ==, 6);
    ahci_start_port(&h);
    ahci_prepare(&h, 0, &(AhciCommand){ IDENTIFY, .bytes = SECTOR });
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_CI), ==, 1);
    g_assert_cmphex(ahci_port_read(&h, P_TFD), ==, 0x7f);
    quit(&h);
}

/* The same registers by ports. */
static void test_pair(void)
{
    AhciHost h;

    start(&h, "");
    qpci_write(h.qt, AHCI_FUNCTION, 0x20, 4, 0xc000);
    qtest_outl(h.qt, 0xc010, A_CAP);
    g_assert_cmphex(qtest_inl(h.qt, 0xc014), ==, 0xc0141f05);
    qtest_outl(h.qt, 0xc010, 0x100 + P_CLB);
    qtest_outl(h.qt, 0xc014, UINT32_MAX);
    g_assert_cmphex(qtest_inl(h.qt, 0xc014), ==, 0xfffffc00);
    g_assert_cmphex(ahci_port_read(&h, P_CLB), ==, 0xfffffc00);
    qtest_outl(h.qt, 0xc010, UINT32_MAX);
    g_assert_cmphex(qtest_inl(h.qt, 0xc010), ==, 0xffc);
    qtest_outl(h.qt, 0xc000, 5);
    g_assert_cmphex(qtest_inl(h.qt, 0xc000), ==, 0);
    quit(&h);
}

static void test_resets(void)
{
    AhciHost h;

    start(&h, "");
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ IDENTIFY, .bytes = SECTOR }), ==, IS_D2H | IS_PIO);
    ahci_write(&h, A_GHC, 3); /* of all */
    g_assert_cmphex(ahci_read(&h, A_GHC), ==, 0x80000000);
    g_assert_cmphex(ahci_port_read(&h, P_CMD), ==, 6);
    g_assert_cmphex(ahci_port_read(&h, P_SIG), ==, UINT32_MAX);
    g_assert_cmphex(ahci_port_read(&h, P_CLB), ==, AHCI_LIST(0)); /* section 10.4.3: it stays */
    ahci_write(&h, A_GHC, 2);
    ahci_start_port(&h);
    g_assert_cmphex(ahci_port_read(&h, P_SIG), ==, 0x101);

    ahci_port_write(&h, P_CMD, CMD_FIS); /* of the link */
    ahci_port_write(&h, P_SCTL, 1);
    g_assert_cmphex(ahci_port_read(&h, P_SSTS), ==, 0);
    g_assert_cmphex(ahci_port_read(&h, P_TFD), ==, 0x7f);
    ahci_port_write(&h, P_SCTL, 0);
    g_assert_cmphex(ahci_port_read(&h, P_SSTS), ==, 0x113);
    g_assert_cmphex(ahci_port_read(&h, P_SIG), ==, 0x101);
    g_assert_cmphex(ahci_port_read(&h, P_SERR), ==, 1 << 26);
    g_assert_cmphex(ahci_port_read(&h, P_IS), ==, IS_CONNECT);
    ahci_port_write(&h, P_SERR, UINT32_MAX);
    g_assert_cmphex(ahci_port_read(&h, P_IS), ==, 0);
    ahci_port_write(&h, P_SCTL, 4);
    g_assert_cmphex(ahci_port_read(&h, P_SSTS), ==, 4);
    ahci_port_write(&h, P_SCTL, 0);
    ahci_recover(&h);

    ahci_prepare(&h, 0, &(AhciCommand){ 0 }); /* of the device, by two frames */
    qtest_writel(h.qt, AHCI_TABLE(0, 0), 0x27);
    qtest_writel(h.qt, AHCI_TABLE(0, 0) + 12, 4u << 24);
    ahci_prepare(&h, 1, &(AhciCommand){ 0 });
    qtest_writel(h.qt, AHCI_TABLE(0, 1), 0x27);
    qtest_memset(h.qt, AHCI_FRAMES(0) + 0x40, 0, 20);
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_CI), ==, 0);
    g_assert_cmphex(qtest_readb(h.qt, AHCI_FRAMES(0) + 0x40), ==, 0);
    ahci_issue(&h, 2);
    g_assert_cmphex(ahci_wait(&h), ==, 0);
    g_assert_cmphex(qtest_readl(h.qt, AHCI_FRAMES(0) + 0x40), ==, 0x01500034);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ IDENTIFY, .bytes = SECTOR }), ==, IS_D2H | IS_PIO);

    qtest_qmp_ok(h.qt, "system_reset", "{}");
    json_object_put(qtest_event(h.qt, "RESET"));
    ahci_enable(&h);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ IDENTIFY, .bytes = SECTOR }), ==, IS_D2H | IS_PIO);
    quit(&h);
}

/* ---- commands ---- */

static void test_identify(void)
{
    uint16_t words[256];
    uint8_t fis[20];
    AhciHost h;

    start(&h, "-global ide-hd.serial=XYZ");
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ IDENTIFY, .bytes = SECTOR }), ==, IS_D2H | IS_PIO);
    g_assert_cmpuint(ahci_moved(&h, 0), ==, SECTOR);
    qtest_memread(h.qt, AHCI_BUFFER, words, SECTOR);
    g_assert_cmpint(memcmp(words + 10, "YX Z", 4), ==, 0);
    g_assert_cmpuint(words[60], ==, SECTORS);
    g_assert_cmphex(words[75], ==, 31);
    g_assert_cmphex(words[76] & 0x100, ==, 0x100);
    qtest_memread(h.qt, AHCI_FRAMES(0) + 0x20, fis, sizeof(fis));
    g_assert_cmphex(fis[0], ==, 0x5f);
    g_assert_cmphex(fis[1], ==, 0x60);
    g_assert_cmphex(fis[2], ==, 0x58);
    g_assert_cmphex(fis[15], ==, 0x50);
    g_assert_cmpuint(fis[16] | fis[17] << 8, ==, SECTOR);
    qtest_memread(h.qt, AHCI_FRAMES(0) + 0x40, fis, sizeof(fis));
    g_assert_cmphex(fis[0], ==, 0x34);
    g_assert_cmphex(fis[2], ==, 0x50);
    quit(&h);
}

typedef struct Way {
    const char *name;
    uint8_t read, write;
    uint32_t is; /* at the end */
} Way;

static const Way ways[] = {
    { "pio", READ, WRITE_SECTORS, IS_D2H | IS_PIO },
    { "multiple", READ_MULTIPLE, WRITE_MULTIPLE, IS_D2H | IS_PIO },
    { "dma", READ_DMA, WRITE_DMA, IS_D2H },
    { "dma-ext", READ_DMA_EXT, WRITE_DMA_EXT, IS_D2H },
    { "queued", READ_QUEUED, WRITE_QUEUED, IS_SDB },
};

static AhciCommand sectors(uint8_t code, uint64_t lba, unsigned count)
{
    bool queued = code == READ_QUEUED || code == WRITE_QUEUED;

    return (AhciCommand){ code, lba, .count = (uint16_t)(queued ? 0 : count),
                          .feature = (uint16_t)(queued ? count : 0), .bytes = count * SECTOR };
}

static uint32_t run(AhciHost *h, const AhciCommand *c)
{
    if (c->code == READ_QUEUED || c->code == WRITE_QUEUED) {
        ahci_port_write(h, P_SACT, 1);
    }
    return ahci_run(h, c);
}

/* Of a write of so many sectors: the first block comes without an interrupt of its own. */
static uint32_t is_written(const Way *way, unsigned count)
{
    return way->write == WRITE_MULTIPLE || count == 1 ? way->is & ~(uint32_t)IS_PIO : way->is;
}

/* Reads and writes, in pieces of many sizes. */
static void test_way(gconstpointer data)
{
    static const uint32_t pieces[] = { 0, 2, 100, 510, 514, 4096, 5000 };
    const Way *way = data;
    AhciHost h;

    start(&h, "");
    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        unsigned count = pieces[i] == 2 ? 0 : i % 2 ? 3 : 19, at = 10 + i;
        AhciCommand c = sectors(way->read, at, count ? count : 1);

        c.piece = pieces[i] == 2 ? 6 : pieces[i];
        c.bytes = pieces[i] == 100 ? 7 * SECTOR : c.bytes;
        c.count = pieces[i] == 100 && c.count ? 7 : c.count;
        c.feature = pieces[i] == 100 && c.feature ? 7 : c.feature;
        qtest_memset(h.qt, AHCI_BUFFER, 0xee, c.bytes + 1);
        g_assert_cmphex(run(&h, &c), ==, way->is);
        g_assert_cmpuint(byte(&h, 0), ==, at + 1);
        g_assert_cmpuint(byte(&h, c.bytes - 1), ==, at + c.bytes / SECTOR);
        g_assert_cmphex(byte(&h, c.bytes), ==, 0xee);
        if (way->is & IS_D2H) {
            g_assert_cmpuint(ahci_moved(&h, 0), ==, c.bytes);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        AhciCommand c = sectors(way->write, 40 + 4 * i, 2);

        c.piece = pieces[i] == 2 ? 10 : pieces[i];
        c.flags = F_WRITE;
        qtest_memset(h.qt, AHCI_BUFFER, (uint8_t)(0xa0 + i), c.bytes);
        g_assert_cmphex(run(&h, &c), ==, is_written(way, 2));
    }
    flush(&h);
    for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
        disk_assert_image(h.path, 40 + 4 * i, (uint8_t)(0xa0 + i));
        disk_assert_image(h.path, 41 + 4 * i, (uint8_t)(0xa0 + i));
        disk_assert_image(h.path, 42 + 4 * i, (uint8_t)(43 + 4 * i));
    }
    if (way->is & IS_PIO) {
        g_assert_cmpuint(qtest_readw(h.qt, AHCI_FRAMES(0) + 0x30), ==,
                         way->read == READ ? SECTOR : 2 * SECTOR);
    }
    quit(&h);
}

static void test_simple(void)
{
    AhciHost h = { 0 };

    h.path = disk_make_image("ahci");
    h.qt = qtest_start("-M q35 -m 64 -drive if=none,id=d0,format=raw,discard=unmap,file=%s "
                       "-device ide-hd,drive=d0",
                       h.path);
    ahci_enable(&h);
    flush(&h);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ FLUSH_EXT }), ==, IS_D2H);
    qtest_memset(h.qt, AHCI_BUFFER, 0, SECTOR);
    qtest_writeq(h.qt, AHCI_BUFFER, 8 | UINT64_C(8) << 48);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ TRIM, .count = 1, .feature = 1, .bytes = SECTOR,
                                                 .flags = F_WRITE }),
                    ==, IS_D2H);
    disk_assert_image(h.path, 7, 8);
    disk_assert_image(h.path, 8, 0);
    disk_assert_image(h.path, 16, 17);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ 0xfe }), ==, IS_D2H | IS_TASK_FILE);
    g_assert_cmphex(error(&h), ==, ABRT);
    g_assert_cmphex(ahci_port_read(&h, P_CI), ==, 1); /* section 6.2.2: it stops */
    ahci_issue(&h, 2);
    g_assert_cmphex(ahci_port_read(&h, P_CI), ==, 3);
    ahci_recover(&h);
    g_assert_cmphex(ahci_port_read(&h, P_CI), ==, 0);
    flush(&h);
    quit(&h);
}

/* The most that one command moves. */
static void test_most(void)
{
    AhciCommand c = { READ_DMA_EXT, 0, .count = 0, .bytes = 32 << 20, .piece = 4 << 20 };
    AhciHost h = { 0 };

    h.qt = qtest_start("-M q35 -m 64 -blockdev null-co,node-name=n,size=64M,read-zeroes=on "
                       "-device ide-hd,drive=n");
    ahci_enable(&h);
    qtest_memset(h.qt, AHCI_BUFFER, 0xee, 4096);
    g_assert_cmphex(ahci_run(&h, &c), ==, IS_D2H);
    g_assert_cmpuint(ahci_moved(&h, 0), ==, 32 << 20);
    g_assert_cmphex(byte(&h, 0), ==, 0);
    qtest_quit(h.qt);
}

static void test_interrupts(void)
{
    AhciHost h;

    start(&h, "");
    qtest_irq_intercept_in(h.qt, "ioapic");
    g_assert_cmphex(ahci_read(&h, A_IS), ==, 0);
    ahci_prepare(&h, 0, &(AhciCommand){ FLUSH_CACHE });
    ahci_issue(&h, 1);
    while (ahci_port_read(&h, P_CI)) {
    }
    g_assert_cmphex(ahci_read(&h, A_IS), ==, 1);
    g_assert_true(qtest_get_irq(h.qt, 16));
    ahci_write(&h, A_IS, 1); /* its cause is there still */
    g_assert_cmphex(ahci_read(&h, A_IS), ==, 1);
    ahci_port_write(&h, P_IS, UINT32_MAX);
    g_assert_true(qtest_get_irq(h.qt, 16));
    ahci_write(&h, A_IS, 1);
    g_assert_false(qtest_get_irq(h.qt, 16));
    ahci_write(&h, A_GHC, 0);
    flush(&h);
    g_assert_cmpuint(qtest_irq_raised(h.qt, 16), ==, 1);
    quit(&h);
}

/* ---- queued commands ---- */

static void test_queue(void)
{
    AhciHost h;

    start(&h, "");
    for (unsigned i = 0; i < 32; i++) {
        AhciCommand c = sectors(READ_QUEUED, 3 * i, 1);

        c.count = (uint16_t)(i << 3);
        ahci_set_piece(&h, i, 0, AHCI_BUFFER + SECTOR * i, SECTOR);
        ahci_set_command(&h, i, &c, 1);
    }
    ahci_port_write(&h, P_SACT, UINT32_MAX);
    ahci_issue(&h, UINT32_MAX);
    g_assert_cmphex(ahci_wait(&h), ==, IS_SDB);
    for (unsigned i = 0; i < 32; i++) {
        g_assert_cmpuint(byte(&h, SECTOR * i), ==, 3 * i + 1);
        g_assert_cmpuint(byte(&h, SECTOR * i + SECTOR - 1), ==, 3 * i + 1);
    }
    g_assert_cmphex(qtest_readb(h.qt, AHCI_FRAMES(0) + 0x58), ==, 0xa1);
    g_assert_cmphex(qtest_readb(h.qt, AHCI_FRAMES(0)), ==, 0x41);

    /* a flush among them waits */
    ahci_prepare(&h, 31, &(AhciCommand){ FLUSH_CACHE });
    ahci_port_write(&h, P_SACT, 0x7fffffff);
    ahci_issue(&h, UINT32_MAX);
    g_assert_cmphex(ahci_wait(&h), ==, IS_SDB | IS_D2H);
    quit(&h);
}

static void assert_log(AhciHost *h, uint8_t tag, uint8_t error, uint8_t sector)
{
    AhciCommand log = { READ_LOG, 0x10, .count = 1, .bytes = SECTOR };

    g_assert_cmphex(ahci_port_read(h, P_SACT) >> tag & 1, ==, 1);
    ahci_recover(h);
    g_assert_cmphex(ahci_port_read(h, P_SACT), ==, 0);
    g_assert_cmphex(ahci_run(h, &log), ==, IS_D2H | IS_PIO);
    g_assert_cmphex(byte(h, 0), ==, tag);
    g_assert_cmphex(byte(h, 3), ==, error);
    g_assert_cmphex(byte(h, 4), ==, sector);
}

static void test_queue_errors(void)
{
    AhciCommand c = sectors(READ_QUEUED, SECTORS - 1, 2);
    AhciHost h;

    start(&h, "");
    c.count = 5 << 3;
    ahci_prepare(&h, 5, &c);
    ahci_port_write(&h, P_SACT, 1 << 5);
    ahci_issue(&h, 1 << 5);
    g_assert_cmphex(ahci_wait(&h), ==, IS_TASK_FILE);
    g_assert_cmphex(error(&h), ==, IDNF | ABRT);
    ahci_prepare(&h, 0, &(AhciCommand){ FLUSH_CACHE }); /* nothing is done now */
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_CI), ==, 1);
    assert_log(&h, 5, IDNF | ABRT, SECTORS - 1);

    c = sectors(READ_QUEUED, 9, 1);
    c.count = 3 << 3; /* a tag that is not its slot's number */
    ahci_prepare(&h, 4, &c);
    ahci_port_write(&h, P_SACT, 1 << 3);
    ahci_issue(&h, 1 << 4);
    g_assert_cmphex(ahci_wait(&h), ==, IS_TASK_FILE);
    assert_log(&h, 3, ABRT, 9);
    quit(&h);
}

/* ---- what makes no sense ---- */

static void test_tables(void)
{
    AhciCommand c = sectors(READ_DMA, 0, 2);
    AhciHost h;

    start(&h, "");
    c.bytes = SECTOR + 100; /* less than it moves */
    g_assert_cmphex(ahci_run(&h, &c), ==, IS_D2H | IS_OVERFLOW);
    g_assert_cmpuint(ahci_moved(&h, 0), ==, SECTOR);
    c.bytes = 4 * SECTOR; /* more */
    g_assert_cmphex(ahci_run(&h, &c), ==, IS_D2H);
    g_assert_cmpuint(ahci_moved(&h, 0), ==, 2 * SECTOR);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ IDENTIFY, .bytes = 16 }), ==,
                    IS_D2H | IS_PIO | IS_OVERFLOW);

    ahci_set_piece(&h, 0, 0, AHCI, 2 * SECTOR); /* no memory, but the controller */
    ahci_set_command(&h, 0, &c, 1);
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_wait(&h), ==, IS_D2H | IS_BUS | IS_TASK_FILE);
    ahci_recover(&h);
    ahci_set_command(&h, 0, &c, 0xffff); /* the table goes beyond the memory */
    ahci_set_piece(&h, 0, 0, AHCI_BUFFER, 2);
    qtest_writeq(h.qt, AHCI_LIST(0) + 8, (64u << 20) - 0x80);
    qtest_memset(h.qt, (64u << 20) - 0x80, 0, 0x80);
    qtest_writel(h.qt, (64u << 20) - 0x80, 0x258027);
    qtest_writel(h.qt, (64u << 20) - 0x80 + 12, 1);
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_wait(&h) & (IS_BUS | IS_TASK_FILE), ==, IS_BUS | IS_TASK_FILE);
    quit(&h);
}

static void test_lists(void)
{
    AhciHost h;

    start(&h, "");
    ahci_prepare(&h, 0, &(AhciCommand){ IDENTIFY, .bytes = SECTOR });
    qtest_writeb(h.qt, AHCI_TABLE(0, 0), 0x34); /* no command */
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_IS), ==, IS_INTERFACE);
    ahci_recover(&h);
    ahci_prepare(&h, 0, &(AhciCommand){ IDENTIFY, .bytes = SECTOR });
    qtest_writeb(h.qt, AHCI_LIST(0), 1); /* that is too short */
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_IS), ==, IS_INTERFACE);
    ahci_recover(&h);
    qtest_writeq(h.qt, AHCI_LIST(0) + 8, UINT64_C(0xffffffffffffff80));
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_IS), ==, IS_BUS);
    ahci_recover(&h);

    ahci_port_write(&h, P_CMD, 0);
    ahci_issue(&h, 1); /* nothing can be issued */
    ahci_port_write(&h, P_SACT, 1);
    g_assert_cmphex(ahci_port_read(&h, P_CI) | ahci_port_read(&h, P_SACT), ==, 0);
    ahci_port_write(&h, P_CLB, AHCI); /* the list, and frames, are no memory */
    ahci_port_write(&h, P_FB, AHCI);
    ahci_port_write(&h, P_CMD, CMD_FIS | CMD_START);
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_IS) & IS_BUS, ==, IS_BUS);
    ahci_port_write(&h, P_CMD, 0);
    ahci_start_port(&h);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ IDENTIFY, .bytes = SECTOR }), ==, IS_D2H | IS_PIO);

    qpci_write(h.qt, AHCI_FUNCTION, 4, 2, 3); /* no bus master */
    ahci_prepare(&h, 0, &(AhciCommand){ IDENTIFY, .bytes = SECTOR });
    ahci_issue(&h, 1);
    g_assert_cmphex(ahci_port_read(&h, P_CI), ==, 1);
    qpci_write(h.qt, AHCI_FUNCTION, 4, 2, 7);
    g_assert_cmphex(ahci_wait(&h), ==, IS_D2H | IS_PIO);
    quit(&h);
}

/* ---- errors of the host, and saved machines ---- */

/* Sector 6 fails, for good or @once, as a file says. */
static void start_failing(AhciHost *h, bool write, const char *action, bool once)
{
    g_autofree char *rules = disk_make_rules("ahci", write, once);

    *h = (AhciHost){ .path = disk_make_image("ahci") };
    h->qt =
        qtest_start("-M q35 -m 64 -drive if=none,id=d0,format=raw,file=blkdebug:%s:%s,rerror=%s,"
                    "werror=%s -device ide-hd,drive=d0",
                    rules, h->path, action, action);
    unlink(rules);
    ahci_enable(h);
}

/* The machine stops, and what failed is done again when it goes on; here, or where it was moved. */
static void test_stop(gconstpointer data)
{
    const Way *way = data;
    AhciHost h;

    for (unsigned i = 0; i < 4; i++) {
        bool write = i & 1, move = i & 2;
        AhciCommand c = sectors(write ? way->write : way->read, 6, 1);
        g_autofree char *file = NULL;

        c.flags = write ? F_WRITE : 0;
        start_failing(&h, write, "stop", true);
        qtest_memset(h.qt, AHCI_BUFFER, 0xd7, SECTOR);
        ahci_prepare(&h, 0, &c);
        ahci_port_write(&h, P_SACT, way->is & IS_SDB ? 1 : 0);
        ahci_issue(&h, 1);
        json_object_put(qtest_event(h.qt, "STOP"));
        qtest_assert_state(h.qt, "io-error");
        g_assert_cmphex(ahci_port_read(&h, way->is & IS_SDB ? P_SACT : P_CI), ==, 1);
        if (move) {
            file = g_strdup_printf("%s.state", h.path);
            qtest_save(h.qt, file);
            qtest_quit(h.qt);
            h.qt = qtest_start("-M q35 -m 64 -drive if=none,id=d0,format=raw,file=%s "
                               "-device ide-hd,drive=d0 -incoming file:%s",
                               h.path, file);
            qtest_wait_loaded(h.qt);
        }
        qtest_qmp_ok(h.qt, "cont", "{}");
        g_assert_cmphex(ahci_wait(&h), ==, write ? is_written(way, 1) : way->is);
        g_assert_cmphex(byte(&h, SECTOR - 1), ==, write ? 0xd7 : 7);
        flush(&h);
        disk_assert_image(h.path, 6, write ? 0xd7 : 7);
        if (file) {
            unlink(file);
        }
        quit(&h);
    }
}

static void test_report(void)
{
    AhciCommand c = sectors(READ_DMA_EXT, 5, 3), ncq = sectors(READ_QUEUED, 6, 1);
    AhciHost h;

    start_failing(&h, false, "report", false);
    g_assert_cmphex(ahci_run(&h, &c), ==, IS_D2H | IS_TASK_FILE);
    g_assert_cmphex(error(&h), ==, UNC);
    ahci_recover(&h);
    ncq.count = 7 << 3;
    ahci_prepare(&h, 7, &ncq);
    ahci_port_write(&h, P_SACT, 1 << 7);
    ahci_issue(&h, 1 << 7);
    g_assert_cmphex(ahci_wait(&h), ==, IS_TASK_FILE);
    assert_log(&h, 7, UNC, 6);
    c.lba = 7;
    g_assert_cmphex(ahci_run(&h, &c), ==, IS_D2H);
    quit(&h);
}

/* Resets while something is under way, or kept. */
static void test_reset_meanwhile(void)
{
    AhciCommand c = sectors(WRITE_QUEUED, 6, 1);
    AhciHost h;

    start(&h, "");
    for (unsigned i = 0; i < 20; i++) {
        c.code = i & 1 ? WRITE_QUEUED : WRITE_DMA_EXT;
        c.flags = F_WRITE;
        ahci_prepare(&h, 0, &c);
        ahci_port_write(&h, P_SACT, i & 1);
        ahci_issue(&h, 1);
        if (i % 3 == 0) {
            ahci_write(&h, A_GHC, 1);
            ahci_enable(&h);
        } else {
            ahci_port_write(&h, P_CMD, CMD_FIS);
            if (i % 3 == 1) {
                ahci_port_write(&h, P_SCTL, 1);
                ahci_port_write(&h, P_SCTL, 0);
            }
            ahci_start_port(&h);
        }
        flush(&h);
    }
    quit(&h);
    start_failing(&h, true, "stop", true);
    c.code = WRITE_QUEUED;
    ahci_prepare(&h, 0, &c);
    ahci_port_write(&h, P_SACT, 1);
    ahci_issue(&h, 1);
    json_object_put(qtest_event(h.qt, "STOP"));
    qtest_qmp_ok(h.qt, "system_reset", "{}");
    qtest_qmp_ok(h.qt, "cont", "{}");
    ahci_enable(&h);
    flush(&h);
    disk_assert_image(h.path, 6, 7);
    quit(&h);
}

/* ---- places ---- */

static void test_places(void)
{
    g_autofree char *list = NULL;
    AhciHost h = { .port = 4 };

    h.qt = qtest_start("-M q35 -m 64 -blockdev null-co,node-name=n,size=1M,read-zeroes=on "
                       "-device ide-hd,drive=n,bus=ide.4 -device ahci,id=more "
                       "-blockdev null-co,node-name=m,size=2M -device ide-hd,drive=m,bus=more.5");
    ahci_enable(&h);
    g_assert_cmphex(ahci_run(&h, &(AhciCommand){ IDENTIFY, .bytes = SECTOR }), ==, IS_D2H | IS_PIO);
    g_assert_cmpuint(qtest_readw(h.qt, AHCI_BUFFER + 120), ==, 2048);
    g_assert_cmpuint(qtest_readb(h.qt, AHCI_BUFFER + 26 + 1), ==, '9'); /* QM00009 */
    list = qtest_hmp(h.qt, "info qtree");
    g_assert_nonnull(strstr(list, "more.5"));
    qtest_quit(h.qt);
}

#define DISK "-M q35 -blockdev null-co,node-name=n -device ide-hd,drive=n"

static const QTestRefused refused[] = {
    { DISK ",unit=1", "unit 0 only" },
    { DISK ",bus=ide.6", "'ide.0', 'ide.1'" },
    { DISK ",bus=ide.0 -blockdev null-co,node-name=m -device ide-hd,drive=m,bus=ide.0",
      "'ide.0' is full" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ahci/function", test_function);
    g_test_add_func("/ahci/pair", test_pair);
    g_test_add_func("/ahci/resets", test_resets);
    g_test_add_func("/ahci/identify", test_identify);
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *name = g_strconcat("/ahci/way/", ways[i].name, NULL);
        g_autofree char *stop = g_strconcat("/ahci/stop/", ways[i].name, NULL);

        g_test_add_data_func(name, &ways[i], test_way);
        g_test_add_data_func(stop, &ways[i], test_stop);
    }
    g_test_add_func("/ahci/simple", test_simple);
    g_test_add_func("/ahci/most", test_most);
    g_test_add_func("/ahci/interrupts", test_interrupts);
    g_test_add_func("/ahci/queue", test_queue);
    g_test_add_func("/ahci/queue-errors", test_queue_errors);
    g_test_add_func("/ahci/tables", test_tables);
    g_test_add_func("/ahci/lists", test_lists);
    g_test_add_func("/ahci/report", test_report);
    g_test_add_func("/ahci/reset-meanwhile", test_reset_meanwhile);
    g_test_add_func("/ahci/places", test_places);
    qtest_add_refused("/ahci/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
