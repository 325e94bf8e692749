/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IDE disks of pc by their ports: PIO, the bus master, errors, what makes no sense. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

#define IDE     PCI_DEVFN_OF(1, 1)
#define BM      0xc000u /* where the bus master is put */
#define BUFFER  0x300000u
#define TABLE   0x200000u
#define RAM_END (32u << 20)

#define PCI_DEVFN_OF(slot, function) ((slot) << 3 | (function))

enum { BSY = 0x80, DRDY = 0x40, DRQ = 0x08, ERR = 0x01 };
enum { ABRT = 0x04, IDNF = 0x10, UNC = 0x40 };
enum { BM_START = 1, BM_TO_MEMORY = 8, BM_ACTIVE = 1, BM_ERROR = 2, BM_INTERRUPT = 4 };

enum {
    READ = 0x20,
    READ_EXT = 0x24,
    READ_DMA_EXT = 0x25,
    READ_MULTIPLE = 0xc4,
    READ_DMA = 0xc8,
    WRITE_SECTORS = 0x30,
    WRITE_MULTIPLE = 0xc5,
    WRITE_DMA = 0xca,
    WRITE_DMA_EXT = 0x35,
    TRIM = 0x06,
    FLUSH_CACHE = 0xe7,
    IDENTIFY = 0xec,
    SET_FEATURES = 0xef,
    SET_MULTIPLE = 0xc6,
    CHECK_POWER = 0xe5,
    DIAGNOSTIC = 0x90,
};

typedef struct Ide {
    QTest *qt;
    uint16_t base, control; /* ports of the channel */
    uint16_t bm;
    char *path;
} Ide;

static void drive(Ide *d, unsigned channel)
{
    d->base = channel ? 0x170 : 0x1f0;
    d->control = channel ? 0x376 : 0x3f6;
    d->bm = (uint16_t)(BM + 8 * channel);
    qpci_write(d->qt, IDE, 0x20, 4, BM);
    qpci_write(d->qt, IDE, 4, 2, 5);
}

static void start(Ide *d, const char *options)
{
    d->path = disk_make_image("ide");
    d->qt = qtest_start("-M pc -m 32 -drive if=none,id=d0,format=raw,file=%s "
                        "-device ide-hd,drive=d0 %s",
                        d->path, options);
    drive(d, 0);
}

static void quit(Ide *d)
{
    qtest_quit(d->qt);
    unlink(d->path);
    g_free(d->path);
}

/* The status, once the device is not busy. */
static uint8_t wait_idle(Ide *d)
{
    gint64 end = g_get_monotonic_time() + (gint64)QTEST_TIMEOUT_MS * 1000;
    uint8_t status;

    while ((status = qtest_inb(d->qt, d->control)) & BSY) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    return qtest_inb(d->qt, d->base + 7);
}

static void set_registers(Ide *d, uint64_t lba, unsigned count, bool ext)
{
    qtest_outb(d->qt, d->base + 6, 0xe0 | (ext ? 0 : lba >> 24 & 0xf));
    for (int high = ext ? 1 : 0; high >= 0; high--) {
        qtest_outb(d->qt, d->base + 2, (uint8_t)(count >> 8 * high));
        for (unsigned i = 0; i < 3; i++) {
            qtest_outb(d->qt, (uint16_t)(d->base + 3 + i), (uint8_t)(lba >> (8 * i + 24 * high)));
        }
    }
}

static uint8_t command(Ide *d, uint8_t code, uint64_t lba, unsigned count, bool ext)
{
    set_registers(d, lba, count, ext);
    qtest_outb(d->qt, d->base + 7, code);
    return wait_idle(d);
}

static void read_block(Ide *d, void *data, size_t size)
{
    for (size_t i = 0; i < size; i += 4) {
        uint32_t value = qtest_inl(d->qt, d->base);

        memcpy((char *)data + i, &value, 4);
    }
}

static void write_block(Ide *d, uint8_t byte, size_t size)
{
    for (size_t i = 0; i < size; i += 2) {
        qtest_outw(d->qt, d->base, byte * 0x101);
    }
}

/* ---- PIO ---- */

static void test_identify(void)
{
    uint16_t words[256];
    uint8_t sum = 0;
    Ide d;

    start(&d, "-global ide-hd.wwn=0x5000c50012345678");
    g_assert_cmphex(qpci_read(d.qt, IDE, 0, 4), ==, 0x70108086);
    g_assert_cmphex(command(&d, IDENTIFY, 0, 0, false), ==, 0x58);
    read_block(&d, words, sizeof(words));
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x50);
    g_assert_cmpint(memcmp(words + 27, "EQUMH RADDSI K", 14), ==, 0);
    g_assert_cmpint(memcmp(words + 10, "MQ0000 1", 7), ==, 0);
    g_assert_cmpuint(words[60], ==, SECTORS);
    g_assert_cmpuint(words[100], ==, SECTORS);
    g_assert_cmphex(words[108], ==, 0x5000);
    g_assert_cmphex(words[63], ==, 0x0407); /* multiword DMA 2 is set */
    for (unsigned i = 0; i < sizeof(words); i++) {
        sum += ((uint8_t *)words)[i];
    }
    g_assert_cmpuint(sum, ==, 0);
    quit(&d);
}

static void test_pio(void)
{
    uint8_t data[4 * SECTOR];
    Ide d;

    start(&d, "");
    for (unsigned ext = 0; ext < 2; ext++) {
        g_assert_cmphex(command(&d, ext ? READ_EXT : READ, 5, 2, ext), ==, 0x58);
        read_block(&d, data, SECTOR);
        g_assert_cmphex(wait_idle(&d), ==, 0x58);
        read_block(&d, data + SECTOR, SECTOR);
        g_assert_cmphex(wait_idle(&d), ==, 0x50);
        g_assert_cmpuint(data[0], ==, 6);
        g_assert_cmpuint(data[2 * SECTOR - 1], ==, 7);
    }
    g_assert_cmphex(qtest_inl(d.qt, d.base), ==, UINT32_MAX); /* nothing is left */

    g_assert_cmphex(command(&d, WRITE_SECTORS, 8, 2, false), ==, 0x58);
    write_block(&d, 0xa1, SECTOR);
    g_assert_cmphex(wait_idle(&d), ==, 0x58);
    write_block(&d, 0xa2, SECTOR);
    g_assert_cmphex(wait_idle(&d), ==, 0x50);
    g_assert_cmphex(command(&d, FLUSH_CACHE, 0, 0, false), ==, 0x50);
    disk_assert_image(d.path, 8, 0xa1);
    disk_assert_image(d.path, 9, 0xa2);
    disk_assert_image(d.path, 10, 11);

    g_assert_cmphex(command(&d, SET_MULTIPLE, 0, 3, false), ==, 0x51);
    g_assert_cmphex(command(&d, SET_MULTIPLE, 0, 4, false), ==, 0x50);
    g_assert_cmphex(command(&d, READ_MULTIPLE, 20, 6, false), ==, 0x58);
    read_block(&d, data, 4 * SECTOR);
    g_assert_cmpuint(data[3 * SECTOR], ==, 24);
    g_assert_cmphex(wait_idle(&d), ==, 0x58);
    read_block(&d, data, 2 * SECTOR);
    g_assert_cmpuint(data[SECTOR], ==, 26);
    g_assert_cmphex(wait_idle(&d), ==, 0x50);
    g_assert_cmphex(command(&d, WRITE_MULTIPLE, 30, 2, false), ==, 0x58);
    write_block(&d, 0xb1, 2 * SECTOR);
    g_assert_cmphex(wait_idle(&d), ==, 0x50);
    g_assert_cmphex(command(&d, FLUSH_CACHE, 0, 0, false), ==, 0x50);
    disk_assert_image(d.path, 31, 0xb1);
    quit(&d);
}

/* What goes wrong, and what is not there. */
static void test_errors(void)
{
    Ide d;

    start(&d, "");
    g_assert_cmphex(command(&d, READ, SECTORS - 1, 2, false), ==, 0x51);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 1), ==, IDNF | ABRT);
    g_assert_cmphex(command(&d, READ_DMA_EXT, UINT64_C(0xffffffffffff), 0, true), ==, 0x51);
    g_assert_cmphex(command(&d, 0xfe, 0, 0, false), ==, 0x51);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 1), ==, ABRT);
    g_assert_cmphex(command(&d, TRIM, 0, 1, true), ==, 0x51); /* without the feature */
    g_assert_cmphex(command(&d, CHECK_POWER, 0, 0, false), ==, 0x50);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 2), ==, 0xff);

    qtest_outb(d.qt, d.base + 6, 0xf0); /* there is no second one */
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0);
    qtest_outb(d.qt, d.base + 7, IDENTIFY);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0);
    g_assert_cmphex(qtest_inb(d.qt, 0x177), ==, 0); /* and nothing on the other channel */
    qtest_outb(d.qt, d.base + 6, 0xe0);

    g_assert_cmphex(command(&d, READ, 0, 1, false), ==, 0x58);
    qtest_outb(d.qt, d.control, 4); /* a software reset in the middle */
    g_assert_cmphex(qtest_inb(d.qt, d.control), ==, BSY);
    qtest_outb(d.qt, d.control, 0);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x50);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 1), ==, 1);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 3), ==, 1);
    g_assert_cmphex(qtest_inl(d.qt, d.base), ==, UINT32_MAX);
    g_assert_cmphex(command(&d, DIAGNOSTIC, 0, 0, false), ==, 0x50);
    quit(&d);
}

/* ---- bus master ---- */

static void set_table(Ide *d, unsigned n, uint32_t addr, uint32_t bytes, bool last)
{
    qtest_writel(d->qt, TABLE + 8 * n, addr);
    qtest_writel(d->qt, TABLE + 8 * n + 4, bytes | (last ? 1u << 31 : 0));
}

/* A command by DMA with the table: the bus master's status at the end. */
static uint8_t dma(Ide *d, uint8_t code, uint64_t lba, unsigned count, bool ext, bool to_memory)
{
    uint8_t status;

    qtest_outl(d->qt, d->bm + 4, TABLE);
    qtest_outb(d->qt, d->bm + 2, BM_ERROR | BM_INTERRUPT);
    qtest_outb(d->qt, d->bm, to_memory ? BM_TO_MEMORY : 0);
    set_registers(d, lba, count, ext);
    qtest_outb(d->qt, d->base + 7, code);
    g_assert_cmphex(qtest_inb(d->qt, d->control), ==, 0x58);
    qtest_outb(d->qt, d->bm, BM_START | (to_memory ? BM_TO_MEMORY : 0));
    wait_idle(d);
    status = qtest_inb(d->qt, d->bm + 2);
    qtest_outb(d->qt, d->bm, 0);
    g_assert_cmphex(qtest_inb(d->qt, d->bm + 2) & BM_ACTIVE, ==, 0);
    return status;
}

static void test_dma(void)
{
    Ide d;

    start(&d, "");
    qtest_irq_intercept_in(d.qt, "ioapic");
    set_table(&d, 0, BUFFER, 100, false); /* not at the ends of sectors */
    set_table(&d, 1, BUFFER + 0x10000, 3 * SECTOR - 100, true);
    g_assert_cmphex(dma(&d, READ_DMA, 40, 3, false, true), ==, BM_INTERRUPT);
    g_assert_cmpuint(qtest_irq_raised(d.qt, 14), ==, 1);
    g_assert_cmpuint(qtest_readb(d.qt, BUFFER + 99), ==, 41);
    g_assert_cmpuint(qtest_readb(d.qt, BUFFER + 0x10000), ==, 41);
    g_assert_cmpuint(qtest_readb(d.qt, BUFFER + 0x10000 + 3 * SECTOR - 101), ==, 43);

    qtest_memset(d.qt, BUFFER, 0xc3, 2 * SECTOR);
    set_table(&d, 0, BUFFER, 2 * SECTOR, true);
    g_assert_cmphex(dma(&d, WRITE_DMA_EXT, 50, 2, true, false), ==, BM_INTERRUPT);
    g_assert_cmphex(command(&d, FLUSH_CACHE, 0, 0, false), ==, 0x50);
    disk_assert_image(d.path, 51, 0xc3);
    disk_assert_image(d.path, 52, 53);

    set_table(&d, 0, BUFFER, 16, true); /* too short: it stops, and tells nothing */
    g_assert_cmphex(dma(&d, READ_DMA, 0, 1, false, true), ==, 0);
    set_table(&d, 0, BUFFER, SECTOR + 16, true);
    g_assert_cmphex(dma(&d, READ_DMA, 0, 2, false, true), ==, 0);
    set_table(&d, 0, BUFFER, 0x1000, true); /* longer */
    g_assert_cmphex(dma(&d, READ_DMA, 0, 1, false, true), ==, BM_INTERRUPT | BM_ACTIVE);
    set_table(&d, 0, 0xe0000000, SECTOR, true); /* no memory */
    g_assert_cmphex(dma(&d, READ_DMA, 0, 1, false, true), ==, BM_INTERRUPT | BM_ERROR);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x51);
    set_table(&d, 0, BUFFER, SECTOR, true); /* no bus master */
    qtest_memset(d.qt, BUFFER, 0xee, SECTOR);
    qpci_write(d.qt, IDE, 4, 2, 1);
    g_assert_cmphex(dma(&d, READ_DMA, 0, 1, false, true), ==, BM_INTERRUPT | BM_ACTIVE);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x50);
    g_assert_cmphex(qtest_readb(d.qt, BUFFER), ==, 0xee);
    g_assert_cmphex(dma(&d, WRITE_DMA, 60, 1, false, false), ==, BM_INTERRUPT | BM_ACTIVE);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x51);
    disk_assert_image(d.path, 60, 61);
    quit(&d);
}

/* A table that never ends has 8192 entries. */
static void test_dma_loop(void)
{
    Ide d;

    start(&d, "");
    for (unsigned i = 0; i < 8192; i += 1024) {
        g_autofree uint32_t *entries = g_new(uint32_t, 2048);

        for (unsigned n = 0; n < 1024; n++) {
            entries[2 * n] = BUFFER;
            entries[2 * n + 1] = 2;
        }
        qtest_memwrite(d.qt, TABLE + 8 * i, entries, 8192);
    }
    g_assert_cmphex(dma(&d, READ_DMA, 0, 32, false, true), ==, BM_INTERRUPT);
    g_assert_cmphex(dma(&d, READ_DMA, 0, 33, false, true), ==, 0);
    g_assert_cmpuint(qtest_readb(d.qt, BUFFER), ==, 32);
    quit(&d);
}

static void test_trim(void)
{
    Ide d;

    d.path = disk_make_image("ide");
    d.qt = qtest_start("-M pc -m 32 -drive if=none,id=d0,format=raw,discard=unmap,file=%s "
                       "-device ide-hd,drive=d0",
                       d.path);
    drive(&d, 0);
    qtest_memset(d.qt, BUFFER, 0, SECTOR);
    qtest_writeq(d.qt, BUFFER, 8 | UINT64_C(8) << 48);
    qtest_writeq(d.qt, BUFFER + 24, 64 | UINT64_C(8) << 48);
    set_table(&d, 0, BUFFER, SECTOR, true);
    qtest_outb(d.qt, d.base + 1, 1);
    g_assert_cmphex(dma(&d, TRIM, 0, 1, true, false), ==, BM_INTERRUPT);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x50);
    disk_assert_image(d.path, 7, 8);
    disk_assert_image(d.path, 8, 0);
    disk_assert_image(d.path, 71, 0);
    disk_assert_image(d.path, 72, 73);
    qtest_writeq(d.qt, BUFFER, SECTORS | UINT64_C(1) << 48);
    g_assert_cmphex(dma(&d, TRIM, 0, 1, true, false), ==, BM_INTERRUPT);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x51);
    quit(&d);
}

/* ---- places ---- */

static void test_two(void)
{
    uint8_t data[SECTOR];
    g_autofree char *list = NULL;
    Ide d;

    start(&d, "-blockdev null-co,node-name=m,size=1M,read-zeroes=on -device ide-hd,drive=m "
              "-blockdev null-co,node-name=n,size=2M,read-zeroes=on "
              "-device ide-hd,drive=n,serial=ABC,id=third");
    qtest_outb(d.qt, d.base + 6, 0xf0);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 7), ==, 0x50);
    qtest_outb(d.qt, d.base + 7, IDENTIFY);
    g_assert_cmphex(wait_idle(&d), ==, 0x58);
    read_block(&d, data, SECTOR);
    g_assert_cmpuint(data[121], ==, 2048 >> 8);
    qtest_outb(d.qt, d.base + 6, 0xe0);
    drive(&d, 1);
    g_assert_cmphex(command(&d, IDENTIFY, 0, 0, false), ==, 0x58);
    read_block(&d, data, SECTOR);
    g_assert_cmpuint(data[121], ==, 4096 >> 8);
    g_assert_cmpint(memcmp(data + 20, "BA C", 4), ==, 0);
    list = qtest_hmp(d.qt, "info qtree");
    g_assert_nonnull(strstr(list, "ide.1"));
    quit(&d);
}

#define DISK "-M pc -blockdev null-co,node-name=n -device ide-hd,drive=n"

static const QTestRefused refused[] = {
    { "-M pc -device ide-hd", "drive= is missing" },
    { "-M pc -drive if=none,id=d,driver=null-co,read-only=on -device ide-hd,drive=d",
      "can only be read" },
    { DISK ",unit=2", "units 0 and 1" },
    { DISK " -blockdev null-co,node-name=m -device ide-hd,drive=m,unit=0", "is that of ide-hd" },
    { DISK ",bus=ide.2", "'ide.0', 'ide.1'" },
    { DISK ",logical_block_size=4k,physical_block_size=4k", "have 512" },
    { DISK ",cyls=5", "none is given, or all" },
    { DISK ",serial=123456789012345678901", "longer than 20" },
    { DISK ",model=12345678901234567890123456789012345678901", "longer than 40" },
    { DISK ",ver=123456789", "longer than 8" },
};

/* ---- errors of the host, and saved machines ---- */

/* Each way that reads and writes go: the machine stops, and what failed is done again. */
static void test_stop(gconstpointer opaque)
{
    bool by_dma = strstr(opaque, "dma") != NULL, write = strstr(opaque, "write") != NULL;
    g_autofree char *path = disk_make_image("ide");
    uint8_t data[SECTOR];
    Ide d = { .path = g_strdup(path) };

    d.qt = qtest_start("-M pc -m 32 -drive if=none,id=d0,driver=blkdebug,image.driver=file,"
                       "image.filename=%s,inject-error.0.event=%s,inject-error.0.once=on,"
                       "rerror=stop,werror=stop -device ide-hd,drive=d0",
                       path, write ? "write_aio" : "read_aio");
    drive(&d, 0);
    qtest_memset(d.qt, BUFFER, 0xd7, SECTOR);
    set_table(&d, 0, BUFFER, SECTOR, true);
    qtest_outl(d.qt, d.bm + 4, TABLE);
    set_registers(&d, 3, 1, false);
    qtest_outb(d.qt, d.base + 7,
               by_dma ? (write ? WRITE_DMA : READ_DMA) : (write ? WRITE_SECTORS : READ));
    if (by_dma) {
        qtest_outb(d.qt, d.bm, BM_START | (write ? 0 : BM_TO_MEMORY));
    } else if (write) {
        write_block(&d, 0xd7, SECTOR);
    }
    json_object_put(qtest_event(d.qt, "STOP"));
    qtest_assert_state(d.qt, "io-error");
    g_assert_cmphex(qtest_inb(d.qt, d.control) & BSY, ==, BSY);
    qtest_qmp_ok(d.qt, "cont", "{}");
    g_assert_cmphex(wait_idle(&d), ==, by_dma || write ? 0x50 : 0x58);
    if (!by_dma && !write) {
        read_block(&d, data, SECTOR);
        g_assert_cmpuint(data[SECTOR - 1], ==, 4);
    } else if (!write) {
        g_assert_cmpuint(qtest_readb(d.qt, BUFFER + SECTOR - 1), ==, 4);
    } else {
        g_assert_cmphex(command(&d, FLUSH_CACHE, 0, 0, false), ==, 0x50);
        disk_assert_image(path, 3, 0xd7);
    }
    quit(&d);
}

static void test_report(void)
{
    g_autofree char *path = disk_make_image("ide");
    Ide d = { .path = g_strdup(path) };

    d.qt = qtest_start("-M pc -m 32 -drive if=none,id=d0,driver=blkdebug,image.driver=file,"
                       "image.filename=%s,inject-error.0.event=read_aio,inject-error.0.sector=6 "
                       "-device ide-hd,drive=d0",
                       path);
    drive(&d, 0);
    g_assert_cmphex(command(&d, READ, 5, 3, false), ==, 0x58);
    for (unsigned i = 0; i < SECTOR; i += 4) {
        qtest_inl(d.qt, d.base);
    }
    g_assert_cmphex(wait_idle(&d), ==, 0x51);
    g_assert_cmphex(qtest_inb(d.qt, d.base + 1), ==, UNC);
    g_assert_cmpuint(qtest_inb(d.qt, d.base + 3), ==, 6);
    quit(&d);
}

static void assert_hmp(QTest *qt, const char *line, const char *word)
{
    g_autofree char *text = qtest_hmp(qt, "%s", line);

    if (*word ? !strstr(text, word) : *text) {
        g_error("`%s` says: %s", line, text);
    }
}

/* A flush waits as long as a user of blkdebug likes. */
static void test_breakpoint(void)
{
    g_autofree char *path = disk_make_image("ide");
    Ide d = { .path = g_strdup(path) };

    d.qt = qtest_start("-M pc -m 32 -drive if=none,id=d0,format=raw,file=blkdebug::%s "
                       "-device ide-hd,drive=d0,id=disk",
                       path);
    drive(&d, 0);
    assert_hmp(d.qt, "qemu-io d0 \"break flush_to_os A\"", "");
    for (unsigned round = 0; round < 2; round++) {
        set_registers(&d, 0, 0, false);
        qtest_outb(d.qt, d.base + 7, FLUSH_CACHE);
        if (round == 0) { /* the next one meets no breakpoint */
            g_usleep(20000);
            g_assert_cmphex(qtest_inb(d.qt, d.control) & (BSY | 0x40), ==, BSY | 0x40);
            assert_hmp(d.qt, "qemu-io -d disk \"resume A\"", "");
        }
        g_assert_cmphex(wait_idle(&d), ==, 0x50);
    }
    assert_hmp(d.qt, "qemu-io d0 \"resume A\"", "no request waits as 'A'");
    assert_hmp(d.qt, "qemu-io d0 \"break flood A\"", "flush_to_disk");
    assert_hmp(d.qt, "qemu-io d0 \"break read_aio\"", "EVENT TAG");
    /* One that is never met, and one that goes on when it is taken away. */
    assert_hmp(d.qt, "qemu-io d0 \"break write_aio B\"", "");
    assert_hmp(d.qt, "qemu-io d0 \"remove_break B\"", "");
    assert_hmp(d.qt, "qemu-io d0 \"break flush_to_disk C\"", "");
    qtest_outb(d.qt, d.base + 7, FLUSH_CACHE);
    assert_hmp(d.qt, "qemu-io d0 \"remove_break C\"", "");
    g_assert_cmphex(wait_idle(&d), ==, 0x50);
    /* Who has to wait for all requests, as a machine that stops has, waits for no user. */
    assert_hmp(d.qt, "qemu-io d0 \"break flush_to_disk D\"", "");
    qtest_outb(d.qt, d.base + 7, FLUSH_CACHE);
    qtest_qmp_ok(d.qt, "stop", "{}");
    qtest_qmp_ok(d.qt, "cont", "{}");
    g_assert_cmphex(wait_idle(&d), ==, 0x50);
    assert_hmp(d.qt, "qemu-io d0 \"break flush_to_disk E\"", "");
    qtest_outb(d.qt, d.base + 7, FLUSH_CACHE);
    quit(&d);
}

/* In the middle of a block, the machine moves. */
static void test_saved(void)
{
    uint8_t data[2 * SECTOR];
    g_autofree char *file = NULL;
    Ide d, other;

    start(&d, "");
    file = g_strdup_printf("%s.state", d.path);
    g_assert_cmphex(command(&d, READ, 5, 2, false), ==, 0x58);
    read_block(&d, data, 100);
    qtest_save(d.qt, file);
    other = d;
    other.qt = qtest_start("-M pc -m 32 -drive if=none,id=d0,format=raw,file=%s "
                           "-device ide-hd,drive=d0 -incoming file:%s",
                           d.path, file);
    qtest_wait_running(other.qt);
    read_block(&other, data + 100, SECTOR - 100);
    g_assert_cmphex(wait_idle(&other), ==, 0x58);
    read_block(&other, data + SECTOR, SECTOR);
    g_assert_cmphex(wait_idle(&other), ==, 0x50);
    g_assert_cmpuint(data[SECTOR - 1], ==, 6);
    g_assert_cmpuint(data[SECTOR], ==, 7);
    qtest_quit(other.qt);
    unlink(file);
    quit(&d);
}

int main(int argc, char **argv)
{
    static const char *const stops[] = { "pio-read", "pio-write", "dma-read", "dma-write" };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ide/identify", test_identify);
    g_test_add_func("/ide/pio", test_pio);
    g_test_add_func("/ide/errors", test_errors);
    g_test_add_func("/ide/dma", test_dma);
    g_test_add_func("/ide/dma-loop", test_dma_loop);
    g_test_add_func("/ide/trim", test_trim);
    g_test_add_func("/ide/two", test_two);
    g_test_add_func("/ide/report", test_report);
    g_test_add_func("/ide/breakpoint", test_breakpoint);
    g_test_add_func("/ide/saved", test_saved);
    for (unsigned i = 0; i < G_N_ELEMENTS(stops); i++) {
        g_autofree char *name = g_strconcat("/ide/stop/", stops[i], NULL);

        g_test_add_data_func(name, stops[i], test_stop);
    }
    qtest_add_refused("/ide/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
