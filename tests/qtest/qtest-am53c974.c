/* SPDX-License-Identifier: GPL-2.0-or-later */
/* am53c974 and dc390 by a driver of our own: commands of the chip, one at a time. */
#include <string.h>
#include <unistd.h>

#include "hw/scsi/scsi-defs.h"
#include "tests/qtest/disk.h"

#define IO   0xc000u
#define DATA 0x300000u

enum { COUNT = 0, BYTES = 8, COMMAND = 12, STATE = 16, CAUSE = 20, STEP = 24, CONFIG2 = 0x2c };
enum { DMA_COMMAND = 0x40, DMA_COUNT = 0x44, DMA_ADDRESS = 0x48, DMA_STATUS = 0x54 };
enum { EMPTY = 1, RESET = 2, RESET_BUS = 3, TRANSFER = 0x10, COMPLETE = 0x11, ACCEPTED = 0x12 };
enum { PAD = 0x18, SET_ATN = 0x1a, SELECT = 0x42, SELECT_STOP = 0x43, WITH_DMA = 0x80 };
enum { DONE = 8, SERVICE = 0x10, DISCONNECTED = 0x20, ILLEGAL = 0x40, WAS_RESET = 0x80 };

typedef struct Host {
    QTest *qt;
    char *path;
    uint8_t state; /* when it interrupted last */
} Host;

static uint8_t get(const Host *h, unsigned at)
{
    return qtest_inb(h->qt, (uint16_t)(IO + at));
}

static void set(const Host *h, unsigned at, uint8_t value)
{
    qtest_outb(h->qt, (uint16_t)(IO + at), value);
}

static void drive(Host *h)
{
    qpci_write(h->qt, DEVFN, 0x10, 4, IO);
    qpci_write(h->qt, DEVFN, 4, 2, 5);
    set(h, CONFIG2, 0x40);
}

static void start_with(Host *h, const char *type, const char *options, const char *file)
{
    *h = (Host){ .path = disk_make_image("am53c974") };
    h->qt = qtest_start("-m 64 -device %s,id=s0,addr=4 -drive if=none,id=d0,format=raw%s,file=%s%s "
                        "-device scsi-hd,drive=d0,id=hd0,scsi-id=1",
                        type, options, file, h->path);
    drive(h);
}

static void quit(Host *h)
{
    qtest_quit(h->qt);
    unlink(h->path);
    g_free(h->path);
}

/* What it interrupts with. */
static uint8_t wait_for(Host *h)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!((h->state = get(h, STATE)) & 0x80)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_true(qpci_read(h->qt, DEVFN, 6, 2) & 8);
    uint8_t cause = get(h, CAUSE);
    g_assert_false(qpci_read(h->qt, DEVFN, 6, 2) & 8);
    return cause;
}

static void select_target(Host *h, unsigned target, const uint8_t *cdb, size_t size)
{
    set(h, COMMAND, EMPTY);
    set(h, STATE, (uint8_t)target);
    set(h, BYTES, 0x80); /* IDENTIFY */
    for (size_t i = 0; i < size; i++) {
        set(h, BYTES, cdb[i]);
    }
    set(h, COMMAND, SELECT);
}

static void start_dma(Host *h, uint8_t command, uint32_t size, bool in)
{
    set(h, DMA_COMMAND, in ? 0x80 : 0);
    set(h, COUNT, (uint8_t)size);
    set(h, COUNT + 4, (uint8_t)(size >> 8));
    set(h, 0x38, (uint8_t)(size >> 16));
    qtest_outl(h->qt, IO + DMA_COUNT, size);
    qtest_outl(h->qt, IO + DMA_ADDRESS, DATA);
    set(h, COMMAND, command | WITH_DMA);
    set(h, DMA_COMMAND, in ? 0x83 : 3);
}

static uint8_t take_status(Host *h)
{
    set(h, COMMAND, COMPLETE);
    g_assert_cmphex(wait_for(h), ==, DONE);
    uint8_t status = get(h, BYTES);
    g_assert_cmphex(get(h, BYTES), ==, 0);
    set(h, COMMAND, ACCEPTED);
    g_assert_cmphex(wait_for(h), ==, DISCONNECTED);
    return status;
}

static uint8_t ask(Host *h, const uint8_t *cdb, size_t cdb_size, uint32_t size, bool in)
{
    select_target(h, 1, cdb, cdb_size);
    g_assert_cmphex(wait_for(h), ==, DONE | SERVICE);
    if (size && (h->state & 7) != 3) {
        g_assert_cmphex(h->state & 7, ==, in);
        start_dma(h, TRANSFER, size, in);
        g_assert_cmphex(wait_for(h), ==, SERVICE);
    }
    g_assert_cmphex(h->state & 7, ==, 3);
    return take_status(h);
}

static uint8_t rw(Host *h, uint8_t code, uint8_t sector, uint8_t count)
{
    const uint8_t cdb[10] = { code, 0, 0, 0, 0, sector, 0, 0, count };

    return ask(h, cdb, sizeof(cdb), count * SECTOR, code == SCSI_READ_10);
}

static void take_attention(Host *h)
{
    static const uint8_t ready[6] = { SCSI_TEST_UNIT_READY };
    static const uint8_t sense[6] = { SCSI_REQUEST_SENSE, 0, 0, 0, 18 };

    g_assert_cmphex(ask(h, ready, 6, 0, false), ==, SCSI_CHECK_CONDITION);
    g_assert_cmphex(ask(h, sense, 6, 18, true), ==, SCSI_GOOD);
    g_assert_cmphex(qtest_readb(h->qt, DATA + 2), ==, SCSI_KEY_UNIT_ATTENTION);
}

/* ---- tests ---- */

static void test_data(gconstpointer type)
{
    Host h;

    start_with(&h, type, "", "");
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 0, 4), ==, 0x20201022);
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 8, 4), ==, 0x01000010);
    set(&h, COMMAND, RESET);
    set(&h, CONFIG2, 0x40);
    set(&h, COMMAND, WITH_DMA);               /* does nothing */
    g_assert_cmphex(get(&h, 0x38), ==, 0x12); /* its ID, until the count is written */
    set(&h, 0x38, 3);
    set(&h, COMMAND, WITH_DMA);
    g_assert_cmphex(get(&h, 0x38), ==, 3);
    take_attention(&h);
    g_assert_cmphex(rw(&h, SCSI_READ_10, 9, 2), ==, SCSI_GOOD);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 511), ==, 10);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 512), ==, 11);
    g_assert_cmphex(get(&h, DMA_STATUS) & 8, ==, 8);
    qtest_memset(h.qt, DATA, 0xd7, 2 * SECTOR);
    g_assert_cmphex(rw(&h, SCSI_WRITE_10, 20, 2), ==, SCSI_GOOD);
    disk_assert_image(h.path, 20, 0xd7);
    disk_assert_image(h.path, 21, 0xd7);
    disk_assert_image(h.path, 22, 23);
    g_assert_cmphex(rw(&h, SCSI_READ_10, 0, SECTORS - 1), ==, SCSI_GOOD);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 126 * SECTOR), ==, 127);
    quit(&h);
}

/* Less than was asked for, more than there is room for, byte by byte. */
static void test_sizes(void)
{
    static const uint8_t inquiry[6] = { SCSI_INQUIRY, 0, 0, 0, 96 };
    const uint8_t read[10] = { SCSI_READ_10, [8] = 2 };
    Host h;

    start_with(&h, "am53c974", "", "");
    g_assert_cmphex(ask(&h, inquiry, 6, 96, true), ==, SCSI_GOOD);
    g_assert_cmphex(get(&h, COUNT), ==, 96 - 36);
    take_attention(&h);
    select_target(&h, 1, read, sizeof(read));
    g_assert_cmphex(wait_for(&h), ==, DONE | SERVICE);
    start_dma(&h, TRANSFER, SECTOR, true);
    g_assert_cmphex(wait_for(&h), ==, SERVICE);
    g_assert_cmphex(h.state & 0x17, ==, 0x11); /* counted, and data still */
    set(&h, COMMAND, TRANSFER);
    g_assert_cmphex(wait_for(&h), ==, SERVICE);
    g_assert_cmphex(get(&h, BYTES), ==, 2);
    set(&h, COUNT, 0);
    set(&h, COUNT + 4, 0);
    set(&h, 0x38, 0);
    set(&h, COMMAND, PAD | WITH_DMA); /* the rest goes nowhere */
    g_assert_cmphex(wait_for(&h), ==, SERVICE);
    g_assert_cmphex(h.state & 7, ==, 3);
    g_assert_cmphex(take_status(&h), ==, SCSI_GOOD);
    quit(&h);
}

static void test_senseless(void)
{
    static const uint8_t ready[6] = { SCSI_TEST_UNIT_READY };
    static const uint8_t sdtr[] = { 0x80, 1, 3, 1, 10, 15 };
    Host h;

    start_with(&h, "am53c974", "", "");
    select_target(&h, 3, ready, 6); /* nobody */
    g_assert_cmphex(wait_for(&h), ==, DISCONNECTED);
    set(&h, COMMAND, 0x7f);
    g_assert_cmphex(wait_for(&h), ==, ILLEGAL);
    for (unsigned code = 0x10; code < 0x20; code++) { /* there is no target */
        set(&h, COMMAND, (uint8_t)code);
        get(&h, CAUSE);
        set(&h, COMMAND, (uint8_t)(code | WITH_DMA));
        set(&h, DMA_COMMAND, 3);
        get(&h, CAUSE);
        set(&h, DMA_COMMAND, 0);
    }
    set(&h, COMMAND, RESET_BUS);
    g_assert_cmphex(wait_for(&h), ==, WAS_RESET);
    take_attention(&h);
    /* Extended messages are rejected, and the command comes after. */
    set(&h, COMMAND, EMPTY);
    set(&h, STATE, 1);
    set(&h, BYTES, sdtr[0]);
    set(&h, COMMAND, SELECT_STOP);
    g_assert_cmphex(wait_for(&h), ==, DONE | SERVICE);
    g_assert_cmphex(h.state & 7, ==, 6);
    for (unsigned i = 1; i < sizeof(sdtr); i++) {
        set(&h, BYTES, sdtr[i]);
    }
    set(&h, COMMAND, TRANSFER);
    g_assert_cmphex(wait_for(&h), ==, SERVICE);
    g_assert_cmphex(h.state & 7, ==, 7);
    set(&h, COMMAND, TRANSFER);
    g_assert_cmphex(wait_for(&h), ==, DONE);
    g_assert_cmphex(get(&h, BYTES), ==, 7);
    set(&h, COMMAND, ACCEPTED);
    g_assert_cmphex(wait_for(&h), ==, SERVICE);
    g_assert_cmphex(h.state & 7, ==, 2);
    for (unsigned i = 0; i < 6; i++) {
        set(&h, BYTES, ready[i]);
    }
    set(&h, COMMAND, TRANSFER);
    g_assert_cmphex(wait_for(&h), ==, SERVICE);
    g_assert_cmphex(h.state & 7, ==, 3);
    set(&h, COMMAND, RESET); /* in the middle of it */
    drive(&h);
    g_assert_cmphex(rw(&h, SCSI_READ_10, 9, 1), ==, SCSI_GOOD);
    quit(&h);
}

/* A read and a write that fail stop the machine, and are done again when it goes on, here or
 * elsewhere. */
static void test_stop(void)
{
    for (unsigned i = 0; i < 4; i++) {
        bool write = i & 1, move = i & 2;
        const uint8_t cdb[10] = { write ? SCSI_WRITE_10 : SCSI_READ_10, [5] = 6, [8] = 1 };
        g_autofree char *rules = disk_make_rules("am53c974", write, true);
        g_autofree char *blkdebug = g_strdup_printf("blkdebug:%s:", rules);
        Host h;

        start_with(&h, "am53c974", ",rerror=stop,werror=stop", blkdebug);
        unlink(rules);
        take_attention(&h);
        qtest_memset(h.qt, DATA, 0xd7, SECTOR);
        select_target(&h, 1, cdb, sizeof(cdb));
        if (write) {
            g_assert_cmphex(wait_for(&h), ==, DONE | SERVICE);
            start_dma(&h, TRANSFER, SECTOR, false);
        }
        json_object_put(qtest_event(h.qt, "STOP"));
        qtest_assert_state(h.qt, "io-error");
        if (move) {
            g_autofree char *file = g_strdup_printf("%s.state", h.path);

            qtest_save(h.qt, file);
            qtest_quit(h.qt);
            h.qt = qtest_start("-m 64 -device am53c974,id=s0,addr=4 -drive "
                               "if=none,id=d0,format=raw,rerror=stop,werror=stop,file=%s -device "
                               "scsi-hd,drive=d0,id=hd0,scsi-id=1 -incoming file:%s",
                               h.path, file);
            qtest_wait_loaded(h.qt);
            unlink(file);
        }
        qtest_qmp_ok(h.qt, "cont", "{}");
        if (!write) {
            g_assert_cmphex(wait_for(&h), ==, DONE | SERVICE);
            start_dma(&h, TRANSFER, SECTOR, true);
        }
        g_assert_cmphex(wait_for(&h), ==, SERVICE);
        g_assert_cmphex(take_status(&h), ==, SCSI_GOOD);
        g_assert_cmphex(qtest_readb(h.qt, DATA), ==, write ? 0xd7 : 7);
        disk_assert_image(h.path, 6, write ? 0xd7 : 7);
        quit(&h);
    }
}

static void test_unplug(void)
{
    const uint8_t read[10] = { SCSI_READ_10, [8] = 2 };
    Host h;

    start_with(&h, "am53c974", "", "");
    take_attention(&h);
    select_target(&h, 1, read, sizeof(read));
    g_assert_cmphex(wait_for(&h), ==, DONE | SERVICE);
    qtest_qmp_ok(h.qt, "device_del", "{'id': 'hd0'}");
    json_object_put(qtest_event_with(h.qt, "DEVICE_DELETED", "device", "hd0"));
    g_assert_cmphex(wait_for(&h), ==, DISCONNECTED);
    select_target(&h, 1, read, sizeof(read));
    g_assert_cmphex(wait_for(&h), ==, DISCONNECTED);
    quit(&h);
}

/* A bit on the lines of the card's EEPROM. */
static void clock_eeprom(Host *h, bool bit)
{
    qpci_write(h->qt, DEVFN, 0x80, 1, bit ? 0x40 : 0);
    qpci_write(h->qt, DEVFN, 0x80, 1, bit ? 0xc0 : 0x80);
    qpci_write(h->qt, DEVFN, 0x80, 1, 0);
}

static void test_eeprom(void)
{
    uint16_t sum = 0;
    Host h;

    start_with(&h, "dc390", "", "");
    for (unsigned n = 0; n < 64; n++) {
        uint16_t word = 0;

        for (unsigned i = 9; i-- > 0;) {
            clock_eeprom(&h, (0x180 | n) >> i & 1);
        }
        for (unsigned i = 0; i < 16; i++) {
            clock_eeprom(&h, false);
            word = (uint16_t)(word << 1 | (qpci_read(h.qt, DEVFN, 0, 1) == 0x22));
        }
        qpci_write(h.qt, DEVFN, 0xc0, 1, 0);
        sum = (uint16_t)(sum + word);
        if (n == 32) {
            g_assert_cmphex(word & 0xff, ==, 7); /* the adapter's ID */
        }
    }
    g_assert_cmphex(sum, ==, 0x1234);
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 0, 4), ==, 0x20201022);
    quit(&h);
}

static const QTestRefused refused[] = {
    { "-device am53c974,id=s0 -blockdev null-co,node-name=n -device scsi-hd,drive=n,scsi-id=8",
      "targets up to 7" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/am53c974/data/am53c974", "am53c974", test_data);
    g_test_add_data_func("/am53c974/data/dc390", "dc390", test_data);
    g_test_add_func("/am53c974/sizes", test_sizes);
    g_test_add_func("/am53c974/senseless", test_senseless);
    g_test_add_func("/am53c974/stop", test_stop);
    g_test_add_func("/am53c974/unplug", test_unplug);
    g_test_add_func("/am53c974/eeprom", test_eeprom);
    qtest_add_refused("/am53c974/command-line", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
