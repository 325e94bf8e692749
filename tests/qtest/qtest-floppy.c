/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floppy drives (isa-fdc, floppy) and ISA DMA (i8257). */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"

#define FDC     0x3f0
#define FDC_IRQ 6
#define MEMORY  0x10000
#define SECTOR  512u
enum { STATUS_B = FDC + 1, DOR, TDR, STATUS, FIFO, RATE = FDC + 7 };
enum { READY = 0x80, TO_HOST = 0x40, NO_DMA = 0x20, BUSY = 0x10 };
enum { ON = 0x1c }; /* motor A, DMA, no reset */
enum { READ = 0xe6, READ_ONE_SIDE = 0x66, WRITE = 0xc5, FORMAT = 0x4d };
enum { TO_MEMORY = 0x44, FROM_MEMORY = 0x48 };
enum { DMA_ADDRESS = 4, DMA_COUNT = 5, DMA_STATUS = 8, DMA_MASK = 10, DMA_MODE, DMA_CLEAR };

/* ---- the controllers ---- */

static void set16(QTest *qt, uint16_t port, uint16_t value)
{
    qtest_outb(qt, port, (uint8_t)value);
    qtest_outb(qt, port, (uint8_t)(value >> 8));
}

static uint16_t get16(QTest *qt, uint16_t port)
{
    uint16_t low = qtest_inb(qt, port);

    return (uint16_t)(low | qtest_inb(qt, port) << 8);
}

/* Channel 2 moves @bytes. */
static void set_dma(QTest *qt, uint8_t mode, uint32_t addr, uint32_t bytes)
{
    qtest_outb(qt, DMA_MASK, 4 | 2);
    qtest_outb(qt, DMA_CLEAR, 0);
    qtest_outb(qt, DMA_MODE, mode | 2);
    set16(qt, DMA_ADDRESS, (uint16_t)addr);
    qtest_outb(qt, 0x81, (uint8_t)(addr >> 16));
    set16(qt, DMA_COUNT, (uint16_t)(bytes - 1));
    qtest_outb(qt, DMA_MASK, 2);
}

static void send(QTest *qt, const char *hex)
{
    for (const char *p = hex; *p; p += 2 + (p[2] == ' ')) {
        g_assert_cmphex(qtest_inb(qt, STATUS) & (READY | TO_HOST), ==, READY);
        qtest_outb(qt, FIFO, (uint8_t)strtoul((char[]){ p[0], p[1], 0 }, NULL, 16));
    }
}

/* The bytes of the result, when it is there. */
static char *result(QTest *qt)
{
    GString *text = g_string_new(NULL);

    while ((qtest_inb(qt, STATUS) & (READY | TO_HOST | BUSY)) == BUSY) { /* the disk is at work */
    }
    while ((qtest_inb(qt, STATUS) & (READY | TO_HOST)) == (READY | TO_HOST)) {
        g_string_append_printf(text, "%s%02x", text->len ? " " : "", qtest_inb(qt, FIFO));
    }
    return g_string_free(text, FALSE);
}

static void assert_command(QTest *qt, const char *command, const char *expected)
{
    send(qt, command);
    g_autofree char *got = result(qt);

    if (strcmp(got, expected) != 0) {
        g_error("command %s: %s, not %s", command, got, expected);
    }
}

/* A data command of sector @command's, with DMA. */
static void assert_moves(QTest *qt, const char *command, uint8_t mode, uint32_t bytes,
                         const char *expected)
{
    set_dma(qt, mode, MEMORY, bytes);
    assert_command(qt, command, expected);
}

static GPtrArray *images; /* paths of those that were made */

static void remove_image(void *path)
{
    unlink(path);
    g_free(path);
}

static char *make_image(const char *name, unsigned kib)
{
    g_autofree char *path = g_strdup_printf("%s/%s-%d.img", g_get_tmp_dir(), name, getpid());
    g_autofree char *data = g_malloc(kib * 1024);

    for (unsigned i = 0; i < kib * 1024; i++) {
        data[i] = (char)(i / SECTOR + (i % SECTOR ? 0 : 1));
    }
    g_file_set_contents(path, data, kib * 1024, NULL);
    g_ptr_array_add(images, g_strdup(path));
    return g_steal_pointer(&path);
}

static QTest *start(const char *path, const char *more)
{
    QTest *qt = qtest_start("-m 16 -nodefaults -drive if=floppy,format=raw,file=%s%s", path, more);

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_outb(qt, DOR, ON);
    return qt;
}

static void assert_byte(const char *path, unsigned sector, uint8_t byte)
{
    g_autofree char *data = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    g_assert_cmphex((uint8_t)data[sector * SECTOR + 100], ==, byte);
}

/* ---- tests ---- */

static void test_dma(void)
{
    QTest *qt = qtest_start("-m 16 -nodefaults");

    qtest_outb(qt, DMA_CLEAR, 0);
    set16(qt, DMA_ADDRESS, 0x1234);
    set16(qt, DMA_COUNT, 0x5678);
    g_assert_cmphex(get16(qt, DMA_ADDRESS), ==, 0x1234);
    g_assert_cmphex(get16(qt, DMA_COUNT), ==, 0x5678);
    qtest_inb(qt, DMA_ADDRESS); /* the upper byte is next */
    qtest_outb(qt, DMA_CLEAR, 0);
    g_assert_cmphex(get16(qt, DMA_ADDRESS), ==, 0x1234);
    g_assert_cmphex(qtest_inb(qt, 15), ==, 0xf);
    qtest_outb(qt, DMA_MASK, 1);
    g_assert_cmphex(qtest_inb(qt, 15), ==, 0xd);
    qtest_outb(qt, 14, 0);
    g_assert_cmphex(qtest_inb(qt, 15), ==, 0);
    qtest_outb(qt, 15, 5);
    g_assert_cmphex(qtest_inb(qt, 15), ==, 5);
    qtest_outb(qt, 9, 4 | 3); /* asked by software */
    g_assert_cmphex(qtest_inb(qt, DMA_STATUS), ==, 0x80);
    qtest_outb(qt, 13, 0); /* everything is as after a reset */
    g_assert_cmphex(qtest_inb(qt, DMA_STATUS), ==, 0);
    g_assert_cmphex(qtest_inb(qt, 15), ==, 0xf);
    for (unsigned i = 0; i < 16; i++) {
        static const uint16_t there = 0x8e8e; /* bits: 1, 2, 3, 7, 9, 10, 11, 15 */

        qtest_outb(qt, (uint16_t)(0x80 + i), (uint8_t)(0x50 + i));
        g_assert_cmphex(qtest_inb(qt, (uint16_t)(0x80 + i)), ==, there >> i & 1 ? 0x50 + i : 0xff);
    }
    set16(qt, 0xc4, 0x4321); /* channel 5 */
    g_assert_cmphex(get16(qt, 0xc4), ==, 0x4321);
    g_assert_cmphex(qtest_inb(qt, 0xde), ==, 0xf);
    qtest_quit(qt);
}

static void test_reset(void)
{
    g_autofree char *path = make_image("floppy-reset", 1440);
    QTest *qt = start(path, "");

    g_assert_cmphex(qtest_inb(qt, STATUS_B), ==, 0xc1);
    assert_command(qt, "08", "80"); /* nothing to tell */
    qtest_outb(qt, DOR, 0);
    g_assert_cmphex(qtest_inb(qt, STATUS), ==, 0);
    g_assert_false(qtest_get_irq(qt, FDC_IRQ));
    qtest_outb(qt, DOR, ON);
    g_assert_true(qtest_get_irq(qt, FDC_IRQ));
    assert_command(qt, "08", "c0 00");
    g_assert_false(qtest_get_irq(qt, FDC_IRQ));
    assert_command(qt, "08", "c1 00");
    assert_command(qt, "08", "c2 00");
    assert_command(qt, "08", "c3 00");
    assert_command(qt, "08", "80");
    assert_command(qt, "13 00 37 11", ""); /* no polling, DMA, thresholds */
    assert_command(qt, "03 af 02", "");
    assert_command(qt, "12 86", "");
    assert_command(qt, "94", "10");
    assert_command(qt, "0e", "00 00 00 00 af 02 00 86 37 11");
    qtest_outb(qt, STATUS, 0x80); /* a reset by the other register; locked */
    g_assert_false(qtest_get_irq(qt, FDC_IRQ));
    assert_command(qt, "0e", "00 00 00 00 af 02 00 84 37 11");
    assert_command(qt, "14", "00");
    qtest_outb(qt, STATUS, 0x80);
    assert_command(qt, "0e", "00 00 00 00 af 02 00 04 60 00");
    assert_command(qt, "10", "90");
    assert_command(qt, "18", "41");
    assert_command(qt, "17 00", "00");
    assert_command(qt, "1f", "80");
    qtest_quit(qt);
}

static void test_seek(void)
{
    g_autofree char *path = make_image("floppy-seek", 1440);
    QTest *qt = start(path, "");

    g_assert_cmphex(qtest_inb(qt, RATE), ==, 0x80); /* the disk has changed */
    assert_command(qt, "04 00", "38");
    assert_command(qt, "0f 00 0a", "");
    g_assert_true(qtest_get_irq(qt, FDC_IRQ));
    g_assert_cmphex(qtest_inb(qt, RATE), ==, 0);
    assert_command(qt, "08", "20 0a");
    g_assert_false(qtest_get_irq(qt, FDC_IRQ));
    assert_command(qt, "04 04", "2c");
    assert_command(qt, "4a 00", "00 00 00 0a 00 01 02");
    g_assert_true(qtest_clock_step(qt, 100 * 1000 * 1000) > 0);
    assert_command(qt, "4a 04", "04 00 00 0a 01 0a 02");
    assert_command(qt, "cf 00 05", "");
    assert_command(qt, "08", "20 0f");
    assert_command(qt, "8f 00 ff", "");
    assert_command(qt, "08", "20 00");
    assert_command(qt, "0f 00 64", ""); /* further than it goes */
    assert_command(qt, "08", "20 64");
    assert_command(qt, "4a 00", "40 01 00 00 00 00 00");
    assert_command(qt, "07 00", "");
    assert_command(qt, "08", "20 00");
    assert_command(qt, "07 01", ""); /* no drive says that it is at track 0 */
    assert_command(qt, "08", "71 00");
    assert_command(qt, "04 01", "69");
    qtest_quit(qt);
}

static void test_read(void)
{
    g_autofree char *path = make_image("floppy-read", 1440);
    QTest *qt = start(path, "");

    assert_moves(qt, "e6 00 00 00 01 02 12 1b ff", TO_MEMORY, SECTOR, "00 00 00 00 00 02 02");
    g_assert_cmphex(qtest_inb(qt, DMA_STATUS), ==, 4);
    g_assert_cmphex(qtest_readb(qt, MEMORY), ==, 1);
    /* From one side to the other. */
    assert_moves(qt, "e6 00 03 00 11 02 12 1b ff", TO_MEMORY, 4 * SECTOR, "04 00 00 03 01 03 02");
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(qtest_readb(qt, MEMORY + i * SECTOR + 1), ==, 3 * 36 + 16 + i);
    }
    /* And not: its end comes before that of DMA. */
    assert_moves(qt, "66 00 03 00 11 02 12 1b ff", TO_MEMORY, 4 * SECTOR, "40 80 00 04 00 01 02");
    g_assert_cmphex(get16(qt, DMA_COUNT), ==, 2 * SECTOR - 1);
    /* DMA ends in the sector. */
    assert_moves(qt, "66 00 00 00 02 02 12 1b ff", TO_MEMORY, 100, "00 00 00 00 00 03 02");
    /* Downwards, again and again, for nothing, the other way. */
    assert_moves(qt, "66 00 00 00 06 02 12 1b ff", 0x64, SECTOR, "00 00 00 00 00 07 02");
    g_assert_cmphex(qtest_readb(qt, MEMORY), ==, 6);
    g_assert_cmphex(qtest_readb(qt, MEMORY), ==, 6);
    assert_moves(qt, "66 00 00 00 07 02 12 1b ff", 0x54, SECTOR, "00 00 00 00 00 08 02");
    g_assert_cmphex(get16(qt, DMA_COUNT), ==, SECTOR - 1);
    assert_moves(qt, "66 00 00 00 08 02 12 1b ff", 0x40, SECTOR, "00 00 00 00 00 09 02");
    g_assert_cmphex(qtest_readb(qt, MEMORY), ==, 7);
    qtest_quit(qt);
}

static void test_errors(void)
{
    static const struct {
        const char *command, *result;
    } cases[] = {
        { "66 00 00 00 00 02 12 1b ff", "40 04 00 00 00 00 02" }, /* sectors begin at 1 */
        { "66 00 00 00 13 02 13 1b ff", "40 04 00 00 00 13 02" }, /* and there are 18 */
        { "66 00 00 01 01 02 12 1b ff", "40 04 00 00 01 01 02" }, /* of the other head */
        { "66 00 00 00 01 03 12 1b ff", "40 04 00 00 00 01 03" }, /* of 1024 bytes */
        { "66 00 50 00 01 02 12 1b ff", "40 01 00 50 00 01 02" }, /* cylinder 80 */
        { "26 00 00 00 01 02 12 1b ff", "40 01 00 00 00 01 02" }, /* FM */
        { "66 01 00 00 01 02 12 1b ff", "41 01 00 00 00 01 02" }, /* no drive */
        { "66 03 00 00 01 02 12 1b ff", "43 01 00 00 00 01 02" },
    };
    g_autofree char *path = make_image("floppy-errors", 1440);
    QTest *qt = start(path, "");

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        assert_moves(qt, cases[i].command, TO_MEMORY, SECTOR, cases[i].result);
    }
    assert_command(qt, "13 00 20 00", ""); /* no implied seek */
    assert_command(qt, "07 00", "");
    assert_moves(qt, "66 00 05 00 01 02 12 1b ff", TO_MEMORY, SECTOR, "40 04 10 05 00 01 02");
    qtest_outb(qt, RATE, 2);
    assert_moves(qt, "66 00 00 00 01 02 12 1b ff", TO_MEMORY, SECTOR, "40 01 00 00 00 01 02");
    qtest_quit(qt);
}

static void test_write(void)
{
    g_autofree char *path = make_image("floppy-write", 1440);
    QTest *qt = start(path, "");

    qtest_memset(qt, MEMORY, 0x5a, 3 * SECTOR);
    assert_moves(qt, "c5 04 02 01 12 02 12 1b ff", FROM_MEMORY, SECTOR, "00 00 00 03 00 01 02");
    assert_byte(path, 2 * 36 + 35, 0x5a);
    assert_moves(qt, "45 00 00 00 03 02 12 1b ff", FROM_MEMORY, SECTOR + 50,
                 "00 00 00 00 00 05 02");
    assert_byte(path, 2, 0x5a);
    assert_byte(path, 3, 0); /* the rest of what ended within the sector */
    assert_byte(path, 4, 4);
    assert_moves(qt, "49 00 00 00 05 02 12 1b ff", FROM_MEMORY, SECTOR, "00 00 00 00 00 06 02");
    assert_byte(path, 4, 0x5a);
    /* FORMAT: two sectors, in an order of their own. */
    qtest_memwrite(qt, MEMORY, (uint8_t[]){ 1, 0, 2, 2, 1, 0, 9, 2 }, 8);
    assert_command(qt, "0f 00 01", "");
    assert_moves(qt, "4d 00 02 02 54 f6", FROM_MEMORY, 8, "00 00 00 01 00 09 02");
    assert_byte(path, 36 + 1, 0xf6);
    assert_byte(path, 36 + 8, 0xf6);
    assert_byte(path, 36 + 2, 36 + 2);
    qtest_memwrite(qt, MEMORY, (uint8_t[]){ 1, 0, 19, 2 }, 4); /* an image has no such one */
    assert_moves(qt, "4d 00 02 01 54 f6", FROM_MEMORY, 4, "40 04 00 01 00 13 02");
    qtest_quit(qt);
}

static void test_read_only(void)
{
    g_autofree char *path = make_image("floppy-ro", 1440);
    QTest *qt =
        qtest_start("-m 16 -nodefaults -drive if=floppy,format=raw,readonly=on,file=%s", path);

    qtest_outb(qt, DOR, ON);
    assert_command(qt, "04 00", "78");
    assert_moves(qt, "c5 00 00 00 01 02 12 1b ff", FROM_MEMORY, SECTOR, "40 02 00 00 00 01 02");
    assert_moves(qt, "66 00 00 00 01 02 12 1b ff", TO_MEMORY, SECTOR, "00 00 00 00 00 02 02");
    qtest_quit(qt);
}

static void test_scan(void)
{
    g_autofree char *path = make_image("floppy-scan", 1440);
    QTest *qt = start(path, "");

    qtest_memset(qt, MEMORY, 5, 4 * SECTOR);
    qtest_writeb(qt, MEMORY, 0xff);
    qtest_writeb(qt, MEMORY + SECTOR, 0xff);
    qtest_writeb(qt, MEMORY + 2 * SECTOR, 0xff);
    assert_moves(qt, "51 00 00 00 04 02 12 1b 01", FROM_MEMORY, 4 * SECTOR, "00 00 08 00 00 06 02");
    assert_moves(qt, "51 00 00 00 07 02 08 1b 01", FROM_MEMORY, 4 * SECTOR, "00 00 04 01 00 01 02");
    assert_moves(qt, "59 00 00 00 08 02 08 1b 01", FROM_MEMORY, 4 * SECTOR, "00 00 04 01 00 01 02");
    assert_moves(qt, "5d 00 00 00 08 02 08 1b 01", FROM_MEMORY, 4 * SECTOR, "00 00 00 00 00 08 02");
    assert_moves(qt, "59 00 00 00 02 02 08 1b 01", FROM_MEMORY, 4 * SECTOR, "00 00 00 00 00 02 02");
    assert_command(qt, "56 00 00 00 01 02 12 1b ff", "00 00 00 01 00 01 02"); /* VERIFY */
    assert_command(qt, "56 80 00 00 01 02 12 1b 03", "00 00 00 00 00 04 02");
    assert_command(qt, "56 80 00 00 01 02 12 1b 30", "40 80 00 01 00 01 02");
    assert_moves(qt, "42 00 00 00 05 02 12 1b ff", TO_MEMORY, 2 * SECTOR, "00 04 00 00 00 03 02");
    g_assert_cmphex(qtest_readb(qt, MEMORY), ==, 1);
    assert_moves(qt, "4c 00 00 00 05 02 12 1b ff", TO_MEMORY, 2 * SECTOR, "00 00 40 00 00 05 02");
    assert_moves(qt, "6c 00 00 00 05 02 12 1b ff", TO_MEMORY, 2 * SECTOR, "40 80 40 01 00 01 02");
    qtest_quit(qt);
}

/* What the disk is slower than: the guest waits. */
static void wait_data(QTest *qt)
{
    while (!(qtest_inb(qt, STATUS) & READY)) {
    }
}

static void test_pio(void)
{
    g_autofree char *path = make_image("floppy-pio", 1440);
    QTest *qt = start(path, "");

    assert_command(qt, "03 af 03", "");
    send(qt, "66 00 00 00 11 02 12 1b ff");
    for (unsigned i = 0; i < 2 * SECTOR; i++) {
        wait_data(qt);
        g_assert_cmphex(qtest_inb(qt, STATUS), ==, READY | TO_HOST | NO_DMA | BUSY);
        g_assert_true(qtest_get_irq(qt, FDC_IRQ));
        g_assert_cmphex(qtest_inb(qt, FIFO), ==, 16 + i / SECTOR + !(i % SECTOR));
    }
    assert_command(qt, "", "40 80 00 01 00 01 02"); /* nobody says that it is the end */
    send(qt, "45 00 00 00 01 02 01 1b ff");
    for (unsigned i = 0; i < SECTOR; i++) {
        wait_data(qt);
        g_assert_cmphex(qtest_inb(qt, STATUS), ==, READY | NO_DMA | BUSY);
        qtest_outb(qt, FIFO, 0x77);
    }
    assert_command(qt, "", "40 80 00 01 00 01 02");
    assert_byte(path, 0, 0x77);
    qtest_quit(qt);
}

/* A command waits for DMA until the guest has set it up; or a reset ends it. */
static void test_waits(void)
{
    g_autofree char *path = make_image("floppy-waits", 1440);
    QTest *qt = start(path, "");

    set_dma(qt, TO_MEMORY, MEMORY, SECTOR);
    qtest_outb(qt, DMA_MASK, 4 | 2);
    send(qt, "66 00 00 00 01 02 12 1b ff");
    while (!(qtest_inb(qt, DMA_STATUS) & 0x40)) { /* it asks */
    }
    g_assert_cmphex(qtest_inb(qt, STATUS), ==, BUSY);
    qtest_outb(qt, DMA_MASK, 2);
    assert_command(qt, "", "00 00 00 00 00 02 02");
    qtest_outb(qt, DMA_MASK, 4 | 2);
    send(qt, "66 00 00 00 01 02 12 1b ff");
    qtest_outb(qt, DOR, 0);
    qtest_outb(qt, DOR, ON);
    g_assert_cmphex(qtest_inb(qt, DMA_STATUS) & 0xf0, ==, 0);
    g_assert_cmphex(qtest_inb(qt, STATUS), ==, READY);
    qtest_quit(qt);
}

static void test_change(void)
{
    g_autofree char *path = make_image("floppy-change", 1440),
                    *second = make_image("floppy-2", 720);
    QTest *qt = start(path, "");

    assert_command(qt, "0f 00 01", "");
    g_assert_cmphex(qtest_inb(qt, RATE), ==, 0);
    qtest_qmp_ok(qt, "eject", "{'device': 'floppy0'}");
    assert_command(qt, "0f 00 02", "");
    g_assert_cmphex(qtest_inb(qt, RATE), ==, 0x80);
    assert_command(qt, "04 00", "68");
    assert_moves(qt, "66 00 00 00 01 02 09 1b ff", TO_MEMORY, SECTOR, "40 01 00 00 00 01 02");
    qtest_qmp_ok(qt, "blockdev-change-medium",
                 "{'device': 'floppy0', 'filename': %s, 'format': 'raw'}", second);
    g_assert_cmphex(qtest_inb(qt, RATE), ==, 0x80);
    assert_command(qt, "0f 00 03", "");
    g_assert_cmphex(qtest_inb(qt, RATE), ==, 0);
    qtest_outb(qt, RATE, 2);
    assert_moves(qt, "66 00 01 00 09 02 09 1b ff", TO_MEMORY, SECTOR, "00 00 00 02 00 01 02");
    g_assert_cmphex(qtest_readb(qt, MEMORY), ==, 18 + 8 + 1);
    qtest_memset(qt, MEMORY, 0x33, SECTOR);
    assert_moves(qt, "45 00 00 00 01 02 09 1b ff", FROM_MEMORY, SECTOR, "00 00 00 00 00 02 02");
    assert_byte(second, 0, 0x33);
    qtest_qmp_ok(qt, "blockdev-change-medium",
                 "{'device': 'floppy0', 'filename': %s, 'format': 'raw', "
                 "'read-only-mode': 'read-only'}",
                 path);
    assert_command(qt, "04 00", "78");
    json_object_put(qtest_qmp_error(qt, "blockdev-insert-medium",
                                    "{'id': '/machine/unattached/device[0]', 'node-name': 'x'}"));
    qtest_quit(qt);
}

/* A disk that goes while it is read: what waits does not go on with the next one. */
static void test_leaves(void)
{
    g_autofree char *path = make_image("floppy-leaves", 1440);
    QTest *qt = start(path, ",throttling.iops-total=1");

    for (unsigned i = 0; i < 3; i++) {
        set_dma(qt, TO_MEMORY, MEMORY, SECTOR);
        send(qt, "66 00 00 00 01 02 12 1b ff");
        if (i == 0) {
            assert_command(qt, "", "00 00 00 00 00 02 02");
        } else if (i == 1) { /* it has to wait */
            g_assert_cmphex(qtest_inb(qt, STATUS), ==, BUSY);
            qtest_qmp_ok(qt, "eject", "{'device': 'floppy0'}");
            assert_command(qt, "", "40 01 00 00 00 01 02");
        } else {
            assert_command(qt, "", "40 01 00 00 00 01 02");
        }
    }
    qtest_quit(qt);
}

/* Anything, anywhere. */
static void test_anything(void)
{
    g_autofree char *path = make_image("floppy-any", 1440);
    QTest *qt = start(path, "");
    GRand *rand = g_rand_new_with_seed(1);

    for (unsigned i = 0; i < 4000; i++) {
        uint16_t port = (uint16_t)g_rand_int_range(rand, FDC + 1, FDC + 8);
        uint16_t dma = (uint16_t)g_rand_int_range(rand, 0, 16);

        switch (g_rand_int_range(rand, 0, 8)) {
        case 0:
            qtest_outb(qt, port, (uint8_t)g_rand_int(rand));
            break;
        case 1:
            qtest_inb(qt, port);
            break;
        case 2:
            qtest_outb(qt, dma, (uint8_t)g_rand_int(rand));
            break;
        case 3:
            qtest_outb(qt, DOR, ON);
            break;
        default:
            qtest_outb(qt, FIFO, (uint8_t)g_rand_int_range(rand, 0, 0x80));
        }
    }
    g_rand_free(rand);
    qtest_outb(qt, DOR, 0);
    qtest_outb(qt, DOR, ON);
    assert_command(qt, "10", "90");
    qtest_quit(qt);
}

/* A command that waits goes on in another process. */
static void test_state(void)
{
    g_autofree char *path = make_image("floppy-state", 1440),
                    *saved = make_image("floppy-saved", 1);
    QTest *qt = start(path, "");

    set_dma(qt, TO_MEMORY, MEMORY, SECTOR);
    qtest_outb(qt, DMA_MASK, 4 | 2);
    send(qt, "66 00 07 00 01 02 12 1b ff");
    while (!(qtest_inb(qt, DMA_STATUS) & 0x40)) {
    }
    qtest_save(qt, saved);
    qtest_quit(qt);
    qt = qtest_start("-m 16 -nodefaults -drive if=floppy,format=raw,file=%s -incoming file:%s",
                     path, saved);
    qtest_wait_loaded(qt);
    qtest_qmp_ok(qt, "cont", NULL);
    g_assert_cmphex(qtest_inb(qt, STATUS), ==, BUSY);
    g_assert_cmphex(qtest_inb(qt, RATE), ==, 0);
    qtest_outb(qt, DMA_MASK, 2);
    assert_command(qt, "", "00 00 00 07 00 02 02");
    g_assert_cmphex(qtest_readb(qt, MEMORY + 1), ==, (7 * 36) & 0xff);
    qtest_quit(qt);
}

static uint8_t cmos(QTest *qt, uint8_t index)
{
    qtest_outb(qt, 0x70, index);
    return qtest_inb(qt, 0x71);
}

static void assert_drives(const char *options, uint8_t types, uint8_t equipment)
{
    QTest *qt = qtest_start("-m 16 %s", options);

    g_assert_cmphex(cmos(qt, 0x10), ==, types);
    g_assert_cmphex(cmos(qt, 0x14), ==, equipment);
    qtest_quit(qt);
}

static void test_drives(void)
{
    static const struct {
        unsigned kib;
        uint8_t type;
    } sizes[] = { { 160, 2 },  { 180, 2 },  { 320, 2 },  { 360, 2 },  { 720, 4 },
                  { 1200, 2 }, { 1440, 4 }, { 1680, 4 }, { 2880, 5 }, { 1000, 5 } };

    assert_drives("-machine pc -nodefaults", 0, 6);
    assert_drives("-machine q35", 0, 6);
    assert_drives("-nodefaults -device floppy,drive-type=120 -device floppy,drive-type=144", 0x24,
                  0x47);
    assert_drives("-nodefaults -device floppy,unit=1,drive-type=144", 0x04, 7);
    assert_drives("-device floppy,drive-type=none", 0, 6);
    assert_drives("-machine q35 -drive if=floppy,index=1", 0x05, 7);
    assert_drives("-machine q35 -device isa-fdc,id=f -device floppy,bus=f.0,drive-type=288", 0x50,
                  7);
    assert_drives("-machine q35 -drive if=floppy -drive if=floppy -global isa-fdc.fdtypeB=120",
                  0x52, 0x47);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *path = make_image("floppy-size", sizes[i].kib);
        g_autofree char *raw = g_strdup_printf("-drive if=floppy,index=1,format=raw,file=%s", path);

        assert_drives(raw, sizes[i].type, 7);
    }
}

int main(int argc, char *argv[])
{
    static const QTestRefused refused[] = {
        { "-device floppy,unit=2", "two drives" },
        { "-machine q35 -device floppy", "floppy-bus" },
        { "-machine none -drive if=floppy", "no floppy drives" },
        { "-drive if=floppy,index=2", "two floppy drives" },
        { "-drive if=floppy,index=0 -drive if=floppy,index=0", "is there" },
        { "-drive if=floppy,file.driver=null-co,format=raw,werror=stop", "reported to the guest" },
        { "-device floppy,logical_block_size=1024", "512" },
        { "-machine q35 -device isa-fdc,dma=5", "channel" },
        { "-machine pc -device isa-fdc", "fdc" },
        { "-machine q35 -device isa-fdc,fallback=auto", "auto" },
    };

    g_test_init(&argc, &argv, NULL);
    images = g_ptr_array_new_with_free_func(remove_image);
    g_test_add_func("/floppy/dma", test_dma);
    g_test_add_func("/floppy/reset", test_reset);
    g_test_add_func("/floppy/seek", test_seek);
    g_test_add_func("/floppy/read", test_read);
    g_test_add_func("/floppy/errors", test_errors);
    g_test_add_func("/floppy/write", test_write);
    g_test_add_func("/floppy/read-only", test_read_only);
    g_test_add_func("/floppy/scan", test_scan);
    g_test_add_func("/floppy/pio", test_pio);
    g_test_add_func("/floppy/waits", test_waits);
    g_test_add_func("/floppy/change", test_change);
    g_test_add_func("/floppy/leaves", test_leaves);
    g_test_add_func("/floppy/anything", test_anything);
    g_test_add_func("/floppy/state", test_state);
    g_test_add_func("/floppy/drives", test_drives);
    qtest_add_refused("/floppy/refused", refused, G_N_ELEMENTS(refused));
    int status = g_test_run();
    g_ptr_array_unref(images);
    return status;
}
