/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ide-cd on both controllers: packets, their data by PIO and by DMA, errors, media that change. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/ahci.h"

#define CD_BLOCK 2048u
#define IDE      (1u << 3 | 1) /* the function of pc */
#define BASE     0x1f0u
#define CONTROL  0x3f6u
#define BM       0xc000u
#define TABLE    0x200000u

enum { BSY = 0x80, DRQ = 0x08 };
enum { PACKET = 0xa0, IDENTIFY_PACKET = 0xa1, IDENTIFY = 0xec, DEVICE_RESET = 0x08 };
enum { REQUEST_SENSE = 0x03, INQUIRY = 0x12, READ_CD_10 = 0x28, START_STOP = 0x1b, PREVENT = 0x1e };
enum { EVENT_STATUS = 0x4a };
enum { NOT_READY = 2, ILLEGAL = 5, ATTENTION = 6 };

/* A drive, by ports (pc) or by AHCI (q35). */
typedef struct Cd {
    AhciHost ahci;
    QTest *qt;
    bool sata;
    char *path;
    uint8_t error;  /* of the last packet; 0: it went well */
    uint32_t bytes; /* that came, at AHCI_BUFFER */
    unsigned blocks;
} Cd;

static void enable(Cd *d)
{
    d->ahci.qt = d->qt;
    if (d->sata) {
        ahci_enable(&d->ahci);
    } else {
        qpci_write(d->qt, IDE, 0x20, 4, BM);
        qpci_write(d->qt, IDE, 4, 2, 5);
        qtest_outb(d->qt, BASE + 6, 0);
    }
}

static void start_with(Cd *d, bool sata, const char *drive)
{
    *d = (Cd){ .sata = sata, .path = disk_make_image("ide-cd") };
    d->qt = qtest_start("-M %s -m 64 -drive if=none,id=cd0,media=cdrom%s%s -device "
                        "ide-cd,drive=cd0,id=cd",
                        sata ? "q35" : "pc", drive, *drive ? d->path : "");
    enable(d);
}

static void start(Cd *d, bool sata)
{
    start_with(d, sata, ",format=raw,file=");
}

static void quit(Cd *d)
{
    qtest_quit(d->qt);
    unlink(d->path);
    g_free(d->path);
}

static uint8_t wait_idle(Cd *d)
{
    gint64 end = g_get_monotonic_time() + (gint64)QTEST_TIMEOUT_MS * 1000;

    while (qtest_inb(d->qt, CONTROL) & BSY) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    return qtest_inb(d->qt, BASE + 7);
}

static void send_packet(Cd *d, const uint8_t *packet, unsigned limit, bool dma)
{
    qtest_outb(d->qt, BASE + 1, dma);
    qtest_outb(d->qt, BASE + 4, (uint8_t)limit);
    qtest_outb(d->qt, BASE + 5, (uint8_t)(limit >> 8));
    qtest_outb(d->qt, BASE + 7, PACKET);
    g_assert_cmphex(wait_idle(d), ==, 0x58);
    g_assert_cmphex(qtest_inb(d->qt, BASE + 2), ==, 1); /* it wants a command */
    for (unsigned i = 0; i < 12; i += 2) {
        qtest_outw(d->qt, BASE, packet[i] | packet[i + 1] << 8);
    }
}

/* Blocks as they come, to AHCI_BUFFER. */
static void take_blocks(Cd *d, unsigned limit)
{
    while (wait_idle(d) & DRQ) {
        unsigned size = qtest_inb(d->qt, BASE + 4) | qtest_inb(d->qt, BASE + 5) << 8;
        g_autofree uint16_t *data = g_malloc(size + 1);

        g_assert_cmphex(qtest_inb(d->qt, BASE + 2), ==, 2);
        g_assert_cmpuint(size, <=, limit);
        for (unsigned i = 0; i < (size + 1) / 2; i++) {
            data[i] = qtest_inw(d->qt, BASE);
        }
        qtest_memwrite(d->qt, AHCI_BUFFER + d->bytes, data, size);
        d->bytes += size;
        d->blocks++;
    }
}

static void run_ports(Cd *d, const uint8_t *packet, uint32_t in, unsigned limit, bool dma)
{
    uint8_t status;

    if (dma) {
        qtest_writel(d->qt, TABLE, AHCI_BUFFER);
        qtest_writel(d->qt, TABLE + 4, in | 1u << 31);
        qtest_outl(d->qt, BM + 4, TABLE);
    }
    send_packet(d, packet, limit, dma);
    if (dma && in) {
        qtest_outb(d->qt, BM, 9);
    }
    d->bytes = d->blocks = 0;
    take_blocks(d, limit);
    status = qtest_inb(d->qt, BASE + 7);
    g_assert_cmphex(qtest_inb(d->qt, BASE + 2), ==, 3);
    d->error = status & 1 ? qtest_inb(d->qt, BASE + 1) : 0;
    qtest_outb(d->qt, BM, 0);
    d->bytes = dma ? in : d->bytes;
}

static void run_ahci(Cd *d, const uint8_t *packet, uint32_t in, unsigned limit, bool dma)
{
    AhciCommand c = { PACKET,           .lba = limit << 8, .feature = dma, .flags = F_ATAPI,
                      .packet = packet, .bytes = in,       .piece = 1022 };
    uint32_t is = ahci_run(&d->ahci, &c), tfd = ahci_port_read(&d->ahci, P_TFD);

    d->bytes = ahci_moved(&d->ahci, 0);
    d->error = (uint8_t)(tfd & 1 ? tfd >> 8 : 0);
    if (d->error) {
        g_assert_cmphex(is, ==, IS_D2H | IS_TASK_FILE);
        ahci_recover(&d->ahci);
    } else {
        g_assert_cmphex(is, ==, dma || !in ? IS_D2H : IS_D2H | IS_PIO);
    }
}

/* A packet that has at most @in bytes for us. */
static void run(Cd *d, const uint8_t *bytes, size_t size, uint32_t in, unsigned limit, bool dma)
{
    uint8_t packet[12] = { 0 };

    memcpy(packet, bytes, size);
    (d->sata ? run_ahci : run_ports)(d, packet, in, limit, dma);
}
#define RUN(d, in, limit, dma, ...)                                                               \
    run(d, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }), in, limit, \
        dma)

static uint8_t byte(Cd *d, uint32_t at)
{
    return qtest_readb(d->qt, AHCI_BUFFER + at);
}

static bool is_sata(gconstpointer data)
{
    return data != NULL;
}

/* The last packet failed with @key; why, the drive says itself. */
static void assert_sense(Cd *d, uint8_t key, uint8_t asc)
{
    g_assert_cmphex(d->error, ==, key << 4);
    RUN(d, 18, 0xfffe, false, REQUEST_SENSE, 0, 0, 0, 18);
    g_assert_cmphex(d->error, ==, 0);
    g_assert_cmphex(byte(d, 2), ==, key);
    g_assert_cmphex(byte(d, 12), ==, asc);
}

/* ---- what it is ---- */

static void test_identify(gconstpointer data)
{
    uint16_t words[256];
    Cd d;

    start(&d, is_sata(data));
    if (d.sata) {
        g_assert_cmphex(ahci_port_read(&d.ahci, P_SIG), ==, 0xeb140101);
        g_assert_cmphex(ahci_run(&d.ahci, &(AhciCommand){ IDENTIFY, .bytes = SECTOR }), ==,
                        IS_D2H | IS_TASK_FILE);
        ahci_recover(&d.ahci);
        g_assert_cmphex(ahci_run(&d.ahci, &(AhciCommand){ IDENTIFY_PACKET, .bytes = SECTOR }), ==,
                        IS_D2H | IS_PIO);
        qtest_memread(d.qt, AHCI_BUFFER, words, SECTOR);
        g_assert_cmphex(ahci_run(&d.ahci, &(AhciCommand){ DEVICE_RESET }), ==, IS_D2H);
    } else {
        g_assert_cmphex(qtest_inb(d.qt, BASE + 4), ==, 0x14);
        g_assert_cmphex(qtest_inb(d.qt, BASE + 5), ==, 0xeb);
        g_assert_cmphex(qtest_inb(d.qt, BASE + 7), ==, 0);
        qtest_outb(d.qt, BASE + 4, 0);
        qtest_outb(d.qt, BASE + 7, IDENTIFY);
        g_assert_cmphex(wait_idle(&d), ==, 0x51);
        g_assert_cmphex(qtest_inb(d.qt, BASE + 4), ==, 0x14);
        qtest_outb(d.qt, BASE + 7, IDENTIFY_PACKET);
        g_assert_cmphex(wait_idle(&d), ==, 0x58);
        for (unsigned i = 0; i < 256; i++) {
            words[i] = qtest_inw(d.qt, BASE);
        }
        qtest_outb(d.qt, BASE + 7, DEVICE_RESET);
        g_assert_cmphex(wait_idle(&d), ==, 0);
    }
    g_assert_cmphex(words[0], ==, 0x85c0);
    g_assert_cmpint(memcmp(words + 27, "EQUMD DVR-MO", 12), ==, 0);
    RUN(&d, 36, 0xfffe, false, INQUIRY, 0, 0, 0, 36);
    g_assert_cmpuint(d.bytes, ==, 36);
    g_assert_cmphex(byte(&d, 0), ==, 5);
    g_assert_cmphex(byte(&d, 1), ==, 0x80);
    quit(&d);
}

/* ---- data ---- */

/* 17 blocks from block 3 on, in blocks of PIO of many sizes, and by DMA. */
static void test_read(gconstpointer data)
{
    static const unsigned limits[] = { 0, 0xffff, 0xfffe, CD_BLOCK, 5120, 511, 64 };
    enum { BLOCKS = 17, SIZE = BLOCKS * CD_BLOCK };
    Cd d;

    start(&d, is_sata(data));
    for (unsigned i = 0; i < G_N_ELEMENTS(limits); i++) {
        qtest_memset(d.qt, AHCI_BUFFER, 0xee, SIZE);
        RUN(&d, SIZE, limits[i], i == 0, READ_CD_10, 0, 0, 0, 0, 3, 0, 0, BLOCKS);
        g_assert_cmphex(d.error, ==, 0);
        g_assert_cmpuint(d.bytes, ==, SIZE);
        for (unsigned n = 0; n < SIZE / SECTOR; n++) {
            g_assert_cmpuint(byte(&d, n * SECTOR), ==, 4 * 3 + n + 1);
            g_assert_cmpuint(byte(&d, n * SECTOR + SECTOR - 1), ==, 4 * 3 + n + 1);
        }
        if (limits[i] == 5120 && !d.sata) {
            g_assert_cmpuint(d.blocks, ==, 7);
        }
        if (limits[i] == CD_BLOCK && d.sata) {
            g_assert_cmpuint(qtest_readw(d.qt, AHCI_FRAMES(0) + 0x30), ==, CD_BLOCK);
        }
    }
    RUN(&d, CD_BLOCK, 0, false, READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 1); /* no bytes at once */
    g_assert_cmphex(d.error, ==, 0x04);
    RUN(&d, 0, 0, false, READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 0);
    g_assert_cmphex(d.error, ==, 0);
    RUN(&d, 36, 0, true, INQUIRY, 0, 0, 0, 36);
    g_assert_cmphex(d.error, ==, 0);
    g_assert_cmphex(byte(&d, 0), ==, 5);
    RUN(&d, 0, 0xfffe, false, READ_CD_10, 0, 0, 1, 0, 0, 0, 0, 1); /* beyond the end */
    assert_sense(&d, ILLEGAL, 0x21);
    RUN(&d, 0, 0xfffe, false, 0xff);
    assert_sense(&d, ILLEGAL, 0x20);
    quit(&d);
}

/* Parameters that the host sends. */
static void test_mode_select(void)
{
    const uint8_t packet[12] = { 0x55, 0x10, 0, 0, 0, 0, 0, 0, 8 };
    Cd d;

    start(&d, false);
    send_packet(&d, packet, 0xfffe, false);
    g_assert_cmphex(wait_idle(&d), ==, 0x58);
    g_assert_cmphex(qtest_inb(d.qt, BASE + 2), ==, 0);
    g_assert_cmpuint(qtest_inb(d.qt, BASE + 4), ==, 8);
    for (unsigned i = 0; i < 4; i++) {
        qtest_outw(d.qt, BASE, 0);
    }
    g_assert_cmphex(wait_idle(&d), ==, 0x50);
    send_packet(&d, packet, 4, false); /* in pieces that are none */
    g_assert_cmphex(wait_idle(&d), ==, 0x51);
    quit(&d);
}

static void test_tables(gconstpointer data)
{
    Cd d;

    start(&d, is_sata(data));
    if (d.sata) {
        const uint8_t packet[12] = { READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 2 };
        AhciCommand c = { PACKET, .feature = 1, .flags = F_ATAPI, .packet = packet,
                          .bytes = CD_BLOCK };

        g_assert_cmphex(ahci_run(&d.ahci, &c), ==, IS_D2H | IS_OVERFLOW);
        ahci_set_piece(&d.ahci, 0, 0, AHCI, CD_BLOCK);
        ahci_issue(&d.ahci, 1);
        g_assert_cmphex(ahci_wait(&d.ahci), ==, IS_D2H | IS_BUS | IS_TASK_FILE);
        ahci_recover(&d.ahci);
    } else {
        const uint8_t packet[12] = { READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 2 };

        qtest_writel(d.qt, TABLE, AHCI_BUFFER);
        qtest_writel(d.qt, TABLE + 4, CD_BLOCK | 1u << 31);
        qtest_outl(d.qt, BM + 4, TABLE);
        qtest_outb(d.qt, BM + 2, 6);
        send_packet(&d, packet, 0, true);
        qtest_outb(d.qt, BM, 9);
        wait_idle(&d);
        g_assert_cmphex(qtest_inb(d.qt, BM + 2), ==, 0); /* it stops, and tells nothing */
        qtest_outb(d.qt, BM, 0);
        qtest_writel(d.qt, TABLE, 0xe0000000);
        send_packet(&d, packet, 0, true);
        qtest_outb(d.qt, BM, 9);
        g_assert_cmphex(wait_idle(&d), ==, 0x51);
        g_assert_cmphex(qtest_inb(d.qt, BM + 2) & 3, ==, 2);
        qtest_outb(d.qt, BM, 0);
    }
    RUN(&d, 2 * CD_BLOCK, 0, true, READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 2);
    g_assert_cmphex(d.error, ==, 0);
    quit(&d);
}

/* ---- media ---- */

static void assert_moved(Cd *d, bool open)
{
    g_autoptr(json_object) event = qtest_event(d->qt, "DEVICE_TRAY_MOVED");

    g_assert_cmpstr(qtest_get_str(event, "data.device"), ==, "cd0");
    g_assert_cmpstr(qtest_get_str(event, "data.id"), ==, "cd");
    g_assert_cmpint(qtest_get_bool(event, "data.tray-open"), ==, open);
}

static void test_tray(gconstpointer data)
{
    Cd d;

    start(&d, is_sata(data));
    RUN(&d, 0, 0, false, START_STOP, 0, 0, 0, 2); /* the guest, out and in */
    g_assert_cmphex(d.error, ==, 0);
    assert_moved(&d, true);
    RUN(&d, 0, 0, false, 0);
    assert_sense(&d, NOT_READY, 0x3a);
    RUN(&d, 0, 0, false, START_STOP, 0, 0, 0, 3);
    g_assert_cmphex(d.error, ==, 0);
    assert_moved(&d, false);

    qtest_qmp_ok(d.qt, "blockdev-open-tray", "{'id': 'cd'}");
    assert_moved(&d, true);
    qtest_qmp_ok(d.qt, "blockdev-remove-medium", "{'id': 'cd'}");
    RUN(&d, 0, 0, false, START_STOP, 0, 0, 0, 3);
    g_assert_cmphex(d.error, ==, 0);
    assert_moved(&d, false);
    RUN(&d, 0, 0, false, 0);
    assert_sense(&d, NOT_READY, 0x3a);
    RUN(&d, 0, 0, false, START_STOP, 0, 0, 0, 2);
    assert_moved(&d, true);
    qtest_qmp_ok(d.qt, "blockdev-add",
                 "{'driver': 'raw', 'node-name': 'n', 'read-only': true, 'file': {'driver': "
                 "'file', 'filename': %s}}",
                 d.path);
    qtest_qmp_ok(d.qt, "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n'}");
    qtest_qmp_ok(d.qt, "blockdev-close-tray", "{'id': 'cd'}");
    assert_moved(&d, false);
    RUN(&d, 0, 0, false, 0); /* there was none, there is another one, and that is all */
    assert_sense(&d, NOT_READY, 0x3a);
    RUN(&d, 0, 0, false, 0);
    assert_sense(&d, ATTENTION, 0x28);
    RUN(&d, 0, 0, false, 0);
    g_assert_cmphex(d.error, ==, 0);
    RUN(&d, CD_BLOCK, 0, true, READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 1);
    g_assert_cmpuint(byte(&d, 0), ==, 13);

    RUN(&d, 0, 0, false, PREVENT, 0, 0, 0, 1); /* locked */
    RUN(&d, 0, 0, false, START_STOP, 0, 0, 0, 2);
    assert_sense(&d, ILLEGAL, 0x53);
    json_object_put(qtest_qmp_error(d.qt, "eject", "{'id': 'cd'}"));
    RUN(&d, 8, 0xfffe, false, EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8);
    g_assert_cmphex(byte(&d, 4), ==, 1); /* somebody wants it */
    qtest_qmp_ok(d.qt, "blockdev-change-medium",
                 "{'id': 'cd', 'filename': %s, 'format': 'raw', 'force': true}", d.path);
    assert_moved(&d, true);
    assert_moved(&d, false);
    quit(&d);
}

/* ---- errors of the host, and saved machines ---- */

static void test_stop(gconstpointer data)
{
    g_autofree char *path = disk_make_image("ide-cd");

    for (unsigned dma = 0; dma < 2; dma++) {
        const uint8_t packet[12] = { READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 2 };
        Cd d = { .sata = is_sata(data), .path = g_strdup(path) };

        d.qt = qtest_start("-M %s -m 64 -drive if=none,id=cd0,media=cdrom,driver=blkdebug,"
                           "image.driver=file,image.filename=%s,inject-error.0.event=read_aio,"
                           "inject-error.0.once=on,inject-error.0.sector=16,rerror=stop "
                           "-device ide-cd,drive=cd0,id=cd",
                           d.sata ? "q35" : "pc", path);
        enable(&d);
        if (d.sata) {
            AhciCommand c = { PACKET,           .lba = CD_BLOCK << 8, .feature = (uint16_t)dma,
                              .flags = F_ATAPI, .packet = packet,     .bytes = 2 * CD_BLOCK };

            ahci_prepare(&d.ahci, 0, &c);
            ahci_issue(&d.ahci, 1);
        } else {
            qtest_writel(d.qt, TABLE, AHCI_BUFFER);
            qtest_writel(d.qt, TABLE + 4, 2 * CD_BLOCK | 1u << 31);
            qtest_outl(d.qt, BM + 4, TABLE);
            send_packet(&d, packet, CD_BLOCK, dma);
            qtest_outb(d.qt, BM, dma ? 9 : 0);
            while (!dma && !d.bytes) {
                wait_idle(&d);
                for (unsigned n = 0; n < CD_BLOCK / 2; n++) {
                    uint16_t word = qtest_inw(d.qt, BASE);

                    qtest_memwrite(d.qt, AHCI_BUFFER + 2 * n, &word, 2);
                }
                d.bytes = CD_BLOCK;
            }
        }
        json_object_put(qtest_event(d.qt, "STOP"));
        qtest_assert_state(d.qt, "io-error");
        qtest_qmp_ok(d.qt, "cont", "{}");
        if (d.sata) {
            g_assert_cmphex(ahci_wait(&d.ahci), ==, dma ? IS_D2H : IS_D2H | IS_PIO);
        } else {
            take_blocks(&d, CD_BLOCK);
            g_assert_cmphex(wait_idle(&d), ==, 0x50);
        }
        g_assert_cmpuint(byte(&d, 0), ==, 13);
        g_assert_cmpuint(byte(&d, 2 * CD_BLOCK - 1), ==, 20);
        qtest_quit(d.qt);
        g_free(d.path);
    }
    unlink(path);
}

/* In the middle of a block, with more to come, the machine moves. */
static void test_saved(void)
{
    const uint8_t packet[12] = { READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 9 };
    g_autofree char *file = NULL;
    Cd d;

    start(&d, false);
    file = g_strdup_printf("%s.state", d.path);
    send_packet(&d, packet, 1000, false);
    wait_idle(&d);
    for (unsigned i = 0; i < 700; i++) { /* the first block, and a part of the second */
        uint16_t word;

        if (i == 500) {
            wait_idle(&d);
        }
        word = qtest_inw(d.qt, BASE);
        g_assert_cmphex(word, ==, (12 + 2 * i / SECTOR + 1) * 0x101);
    }
    qtest_save(d.qt, file);
    qtest_quit(d.qt);
    d.qt = qtest_start("-M pc -m 64 -drive if=none,id=cd0,media=cdrom,format=raw,file=%s -device "
                       "ide-cd,drive=cd0,id=cd -incoming file:%s",
                       d.path, file);
    qtest_wait_running(d.qt);
    for (unsigned i = 700; i < 1000; i++) {
        g_assert_cmphex(qtest_inw(d.qt, BASE), ==, (12 + 2 * i / SECTOR + 1) * 0x101);
    }
    take_blocks(&d, 1000);
    g_assert_cmpuint(d.bytes, ==, 9 * CD_BLOCK - 2000);
    g_assert_cmpuint(byte(&d, d.bytes - 1), ==, 12 + 36);
    g_assert_cmphex(qtest_inb(d.qt, BASE + 7), ==, 0x50);
    unlink(file);
    quit(&d);
}

/* Resets, and other commands, in the middle of one. */
static void test_broken_off(void)
{
    const uint8_t packet[12] = { READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 9 };
    Cd d;

    start(&d, false);
    for (unsigned i = 0; i < 4; i++) {
        send_packet(&d, packet, CD_BLOCK, i & 1);
        if (i < 2) {
            qtest_outb(d.qt, BM, i & 1 ? 9 : 0);
            qtest_outb(d.qt, BM, 0);
            qtest_outb(d.qt, CONTROL, 4);
            qtest_outb(d.qt, CONTROL, 0);
        } else {
            wait_idle(&d);
            qtest_outb(d.qt, BASE + 7, IDENTIFY_PACKET);
            g_assert_cmphex(wait_idle(&d), ==, 0x58);
        }
        RUN(&d, 2 * CD_BLOCK, CD_BLOCK, false, READ_CD_10, 0, 0, 0, 0, 3, 0, 0, 2);
        g_assert_cmphex(d.error, ==, 0);
        g_assert_cmpuint(d.bytes, ==, 2 * CD_BLOCK);
    }
    quit(&d);
}

/* Blocks have 2048 bytes, also where somebody says what disks have. */
static void test_block_size(void)
{
    QTest *qt = qtest_start("-M q35 -device ide-cd,id=cd,logical_block_size=512,"
                            "physical_block_size=512");
    g_autoptr(json_object) size = qtest_qmp(
        qt, "qom-get", "{'path': '/machine/peripheral/cd', 'property': 'logical_block_size'}");

    g_assert_cmpint(json_object_get_int64(size), ==, CD_BLOCK);
    qtest_quit(qt);
}

static const QTestRefused refused[] = {
    { "-M q35 -device ide-cd,logical_block_size=4k", "CDs have 2048" },
    { "-M q35 -device ide-cd,unit=1", "unit 0 only" },
    { "-M pc -device ide-cd,drive=nothing", "nothing" },
};

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(gconstpointer data);
    } both[] = { { "identify", test_identify },
                 { "read", test_read },
                 { "tables", test_tables },
                 { "tray", test_tray },
                 { "stop", test_stop } };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(both); i++) {
        g_autofree char *ide = g_strconcat("/ide-cd/pc/", both[i].name, NULL);
        g_autofree char *sata = g_strconcat("/ide-cd/q35/", both[i].name, NULL);

        g_test_add_data_func(ide, NULL, both[i].test);
        g_test_add_data_func(sata, "", both[i].test);
    }
    g_test_add_func("/ide-cd/mode-select", test_mode_select);
    g_test_add_func("/ide-cd/block-size", test_block_size);
    qtest_add_refused("/ide-cd/refused", refused, G_N_ELEMENTS(refused));
    g_test_add_func("/ide-cd/saved", test_saved);
    g_test_add_func("/ide-cd/broken-off", test_broken_off);
    return g_test_run();
}
