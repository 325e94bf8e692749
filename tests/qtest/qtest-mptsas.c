/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mptsas1068 by a driver of our own, one message at a time. */
#include <string.h>
#include <unistd.h>

#include "hw/hba/mptsas-regs.h"
#include "hw/scsi/scsi-defs.h"
#include "tests/qtest/disk.h"

#define BAR    0xe0000000u
#define FRAME  0x200000u
#define OTHER  0x200400u /* a second one */
#define REPLY  0x210000u /* frames of 128 bytes */
#define SENSE  0x220000u
#define PAGE   0x230000u
#define CHAIN  0x240000u
#define DATA   0x300000u
#define FRAMES 8u
#define EMPTY  0xffffffffu

typedef struct Host {
    QTest *qt;
    char *path;
    uint32_t context;
    uint8_t reply[128]; /* the last one that was no context */
} Host;

static uint32_t get(const Host *h, unsigned at)
{
    return qtest_readl(h->qt, BAR + at);
}

static void set(const Host *h, unsigned at, uint32_t value)
{
    qtest_writel(h->qt, BAR + at, value);
}

static uint16_t half(const Host *h, unsigned at)
{
    return (uint16_t)(h->reply[at] | h->reply[at + 1] << 8);
}

static uint32_t whole(const Host *h, unsigned at)
{
    return half(h, at) | (uint32_t)half(h, at + 2) << 16;
}

static unsigned state(const Host *h)
{
    return get(h, MPT_DOORBELL) >> MPT_DOORBELL_STATE_SHIFT;
}

static void expect_ring(const Host *h)
{
    g_assert_cmphex(get(h, MPT_INTERRUPT_STATUS) & MPT_INTERRUPT_DOORBELL, ==, 1);
}

/* @message by the doorbell; the reply has @size bytes. */
static void shake(Host *h, const void *message, unsigned bytes, unsigned size)
{
    const uint32_t *words = message;

    set(h, MPT_DOORBELL, (uint32_t)MPT_HANDSHAKE << 24 | bytes / 4 << 16);
    expect_ring(h);
    g_assert_true(get(h, MPT_DOORBELL) & MPT_DOORBELL_ACTIVE);
    set(h, MPT_INTERRUPT_STATUS, 0);
    for (unsigned i = 0; i < bytes / 4; i++) {
        set(h, MPT_DOORBELL, words[i]);
    }
    for (unsigned i = 0; i < size; i += 2) {
        uint32_t value = get(h, MPT_DOORBELL);

        expect_ring(h);
        g_assert_true(value & MPT_DOORBELL_ACTIVE);
        h->reply[i] = (uint8_t)value;
        h->reply[i + 1] = (uint8_t)(value >> 8);
        set(h, MPT_INTERRUPT_STATUS, 0);
    }
    g_assert_cmpuint(h->reply[2], ==, size / 4);
    expect_ring(h);
    g_assert_false(get(h, MPT_DOORBELL) & MPT_DOORBELL_ACTIVE);
    set(h, MPT_INTERRUPT_STATUS, 0);
    g_assert_cmphex(get(h, MPT_INTERRUPT_STATUS) & MPT_INTERRUPT_DOORBELL, ==, 0);
}

static void drive(Host *h)
{
    MptMessage facts = { .function = MPT_IOC_FACTS, .context = 0x1234 };
    MptInit init = { .who = 4, .function = MPT_IOC_INIT, .reply_size = 128 };

    g_assert_cmpuint(state(h), ==, MPT_STATE_READY);
    shake(h, &facts, sizeof(facts), sizeof(MptFacts));
    g_assert_cmphex(half(h, 0), ==, 0x0105);
    g_assert_cmphex(whole(h, 8), ==, 0x1234);
    shake(h, &init, sizeof(init), sizeof(MptReply));
    g_assert_cmphex(half(h, 14), ==, MPT_SUCCESS);
    g_assert_cmpuint(state(h), ==, MPT_STATE_OPERATIONAL);
    for (unsigned i = 0; i < FRAMES; i++) {
        set(h, MPT_REPLY_FIFO, REPLY + 128 * i);
    }
    set(h, MPT_INTERRUPT_MASK, MPT_INTERRUPT_DOORBELL);
}

static char *arguments(const char *blkdebug, const char *path, const char *more)
{
    return g_strdup_printf("-m 64 -device mptsas1068,id=s0,addr=4,sas_address=0x5000000000001000 "
                           "-drive if=none,id=d0,format=raw,rerror=stop,werror=stop,file=%s%s "
                           "-device scsi-hd,drive=d0,id=hd0,scsi-id=1 -device scsi-cd,scsi-id=2%s",
                           blkdebug, path, more);
}

static void start_with(Host *h, const char *blkdebug)
{
    g_autofree char *args = NULL;

    *h = (Host){ .path = disk_make_image("mptsas") };
    args = arguments(blkdebug, h->path, "");
    h->qt = qtest_start("%s", args);
    qpci_write(h->qt, DEVFN, 0x14, 4, BAR);
    qpci_write(h->qt, DEVFN, 4, 2, 6);
    drive(h);
}

static void quit(Host *h)
{
    qtest_quit(h->qt);
    unlink(h->path);
    g_free(h->path);
}

/* The next reply: a context, or the address of a frame, which is read and given back. */
static uint32_t next(Host *h)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;
    uint32_t word;

    while (!(get(h, MPT_INTERRUPT_STATUS) & MPT_INTERRUPT_REPLY)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_true(qpci_read(h->qt, DEVFN, 6, 2) & 8);
    word = get(h, MPT_REPLY_FIFO);
    if (word & MPT_REPLY_ADDRESS) {
        qtest_memread(h->qt, word << 1, h->reply, sizeof(h->reply));
        set(h, MPT_REPLY_FIFO, word << 1);
        return whole(h, 8);
    }
    memset(h->reply, 0, sizeof(h->reply));
    return word;
}

static void expect_none(Host *h)
{
    g_assert_cmphex(get(h, MPT_REPLY_FIFO), ==, EMPTY);
    g_assert_false(qpci_read(h->qt, DEVFN, 6, 2) & 8);
}

/* A message by the FIFO, and its reply. */
static uint16_t ask(Host *h, void *message, unsigned bytes)
{
    MptMessage *head = message;

    head->context = ++h->context;
    qtest_memwrite(h->qt, FRAME, message, bytes);
    set(h, MPT_REQUEST_FIFO, FRAME | 3);
    g_assert_cmphex(next(h), ==, h->context);
    return half(h, 14);
}

static void make(Host *h, uint32_t at, uint8_t target, const uint8_t *cdb, uint32_t size)
{
    MptScsiIo io = { .target = target, .function = MPT_SCSI_IO, .cdb_size = 10, .sense_size = 18 };
    const uint32_t piece[] = { 0xd1000000 | size, DATA };

    io.context = ++h->context;
    io.size = size;
    io.sense_low = SENSE;
    memcpy(io.cdb, cdb, 10);
    qtest_memset(h->qt, at, 0, 128);
    qtest_memwrite(h->qt, at, &io, sizeof(io));
    qtest_memwrite(h->qt, at + sizeof(io), piece, sizeof(piece));
}

static uint16_t run(Host *h)
{
    set(h, MPT_REQUEST_FIFO, FRAME);
    g_assert_cmphex(next(h), ==, h->context);
    return half(h, 14);
}

static uint16_t scsi(Host *h, uint8_t target, const uint8_t *cdb, uint32_t size)
{
    make(h, FRAME, target, cdb, size);
    return run(h);
}

static uint16_t block(Host *h, uint8_t code, uint8_t sector, uint8_t count)
{
    const uint8_t cdb[10] = { code, [5] = sector, [8] = count };

    return scsi(h, 1, cdb, count * SECTOR);
}

static void take_attention(Host *h, uint8_t target)
{
    const uint8_t ready[10] = { SCSI_TEST_UNIT_READY };

    g_assert_cmphex(scsi(h, target, ready, 0), ==, MPT_SUCCESS);
    g_assert_cmphex(h->reply[12], ==, SCSI_CHECK_CONDITION);
    g_assert_cmphex(h->reply[13], ==, MPT_STATE_SENSE);
    g_assert_cmpuint(whole(h, 0x18), ==, 18);
    g_assert_cmphex(qtest_readb(h->qt, SENSE + 2), ==, SCSI_KEY_UNIT_ATTENTION);
}

static uint16_t config(Host *h, uint8_t action, uint8_t type, uint8_t number, uint32_t address)
{
    MptConfig c = { .action = action,
                    .function = MPT_CONFIG,
                    .page_number = number,
                    .page_type = type > 0xf ? MPT_PAGE_EXTENDED : type,
                    .extended_type = type > 0xf ? type : 0,
                    .page_address = address,
                    .piece_flags = 0xd1000000 | 256,
                    .piece_low = PAGE };

    return ask(h, &c, sizeof(c));
}

/* ---- tests ---- */

static void test_data(void)
{
    const uint8_t inquiry[10] = { SCSI_INQUIRY, [4] = 200 };
    Host h;

    start_with(&h, "");
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 0, 4), ==, 0x00541000);
    take_attention(&h, 1);
    g_assert_cmphex(block(&h, SCSI_READ_10, 9, 2), ==, MPT_SUCCESS);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 512), ==, 11);
    qtest_memset(h.qt, DATA, 0xd7, 2 * SECTOR);
    g_assert_cmphex(block(&h, SCSI_WRITE_10, 20, 2), ==, MPT_SUCCESS);
    disk_assert_image(h.path, 21, 0xd7);
    disk_assert_image(h.path, 22, 23);
    /* It has less to say than there is room. */
    g_assert_cmphex(scsi(&h, 1, inquiry, 200), ==, MPT_SCSI_DATA_UNDERRUN);
    g_assert_cmpuint(whole(&h, 0x14), <, 200);
    g_assert_cmpuint(whole(&h, 0x14), >=, 36);
    expect_none(&h);
    quit(&h);
}

/* As SeaBIOS has it: frames at any word, and replies cut off. */
static void test_firmware(void)
{
    const uint8_t read[10] = { SCSI_READ_10, [5] = 9, [8] = 1 };
    MptInit init = { .who = 2, .function = MPT_IOC_INIT, .reply_size = 4 };
    Host h;

    start_with(&h, "");
    take_attention(&h, 1);
    make(&h, FRAME + 4, 1, read, SECTOR);
    set(&h, MPT_REQUEST_FIFO, FRAME + 4);
    g_assert_cmphex(next(&h), ==, h.context);
    g_assert_cmpuint(qtest_readb(h.qt, DATA), ==, 10);
    set(&h, MPT_DOORBELL, (uint32_t)MPT_UNIT_RESET << 24);
    shake(&h, &init, sizeof(init), sizeof(MptReply));
    qtest_memset(h.qt, REPLY, 0x55, 16);
    set(&h, MPT_REPLY_FIFO, REPLY);
    make(&h, FRAME, 3, read, SECTOR);
    set(&h, MPT_REQUEST_FIFO, FRAME);
    g_assert_cmphex(next(&h), ==, 0x55555555); /* no context came */
    g_assert_cmphex(h.reply[0], ==, 3);
    quit(&h);
}

/* By message (MSI): one that is masked is pending. */
static void test_message(void)
{
    const uint8_t read[10] = { SCSI_READ_10, [5] = 9, [8] = 1 };
    unsigned cap, mask;
    Host h;

    start_with(&h, "");
    take_attention(&h, 1);
    cap = qpci_read(h.qt, DEVFN, 0x34, 1);
    g_assert_cmphex(qpci_read(h.qt, DEVFN, cap, 1), ==, 5);
    mask = cap + (qpci_read(h.qt, DEVFN, cap + 2, 2) & 0x80 ? 0x10 : 0x0c);
    qpci_write(h.qt, DEVFN, mask, 4, 1);
    qpci_write(h.qt, DEVFN, cap + 2, 2, 1);
    g_assert_cmphex(qpci_read(h.qt, DEVFN, mask + 4, 4), ==, 0);
    make(&h, FRAME, 1, read, SECTOR);
    set(&h, MPT_REQUEST_FIFO, FRAME);
    while (!(get(&h, MPT_INTERRUPT_STATUS) & MPT_INTERRUPT_REPLY)) {
    }
    g_assert_cmphex(qpci_read(h.qt, DEVFN, mask + 4, 4), ==, 1);
    g_assert_false(qpci_read(h.qt, DEVFN, 6, 2) & 8); /* no pin */
    g_assert_cmphex(get(&h, MPT_REPLY_FIFO), ==, h.context);
    quit(&h);
}

/* Pieces of 64 bits; and a chain: two pieces, then a list elsewhere, which leads on once more. */
static void test_pieces(void)
{
    const uint8_t read[10] = { SCSI_READ_10, [5] = 30, [8] = 4 };
    const uint32_t first[] = { 0x12000000 | SECTOR, DATA + 0x1000, 0,    0x90000000 | SECTOR,
                               DATA + 0x2000,       0x30000010,    CHAIN },
                   second[] = { 0x90000000 | SECTOR, DATA + 0x3000, 0x30000010, CHAIN + 64 },
                   third[] = { 0xd1000000 | SECTOR, DATA + 0x4000 };
    Host h;

    start_with(&h, "");
    take_attention(&h, 1);
    make(&h, FRAME, 1, read, 4 * SECTOR);
    qtest_writeb(h.qt, FRAME + 2, (sizeof(MptScsiIo) + 20) / 4);
    qtest_memwrite(h.qt, FRAME + sizeof(MptScsiIo), first, sizeof(first));
    qtest_writeb(h.qt, FRAME + sizeof(MptScsiIo) + 22, 2); /* the list's chain, in words */
    qtest_memwrite(h.qt, CHAIN, second, sizeof(second));
    qtest_memwrite(h.qt, CHAIN + 64, third, sizeof(third));
    g_assert_cmphex(run(&h), ==, MPT_SUCCESS);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmpuint(qtest_readb(h.qt, DATA + 0x1000 * (i + 1)), ==, 31 + i);
    }
    /* A chain that leads to itself, and has nothing. */
    qtest_writel(h.qt, CHAIN, 0x90000000);
    qtest_writel(h.qt, CHAIN + 8, 0x30020010);
    qtest_writel(h.qt, CHAIN + 12, CHAIN);
    g_assert_cmphex(run(&h), ==, MPT_INVALID_SGL);
    /* No element that there is; no memory. */
    qtest_writel(h.qt, CHAIN, 0);
    g_assert_cmphex(run(&h), ==, MPT_INVALID_SGL);
    make(&h, FRAME, 1, read, 4 * SECTOR);
    qtest_writel(h.qt, FRAME + sizeof(MptScsiIo) + 4, BAR);
    g_assert_cmphex(run(&h), ==, MPT_INVALID_SGL);
    quit(&h);
}

static void test_pages(void)
{
    Host h;

    start_with(&h, "");
    /* A phy for each target; the disk is at one, and the CD drive. */
    g_assert_cmphex(config(&h, MPT_CONFIG_HEADER, 0x10, 0, 0), ==, MPT_SUCCESS);
    g_assert_cmpuint(half(&h, 4), ==, (0x10 + 16 * 8) / 4);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x10, 0, 0), ==, MPT_SUCCESS);
    g_assert_cmpuint(qtest_readb(h.qt, PAGE + 0x0c), ==, 8);
    g_assert_cmpuint(qtest_readw(h.qt, PAGE + 0x10 + 8), ==, 0);
    g_assert_cmpuint(qtest_readw(h.qt, PAGE + 0x10 + 16 + 8), ==, 3);
    /* By handles: the adapter, the disk, the CD drive, nothing. */
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x12, 0, 0xffff), ==, MPT_SUCCESS);
    g_assert_cmphex(qtest_readq(h.qt, PAGE + 0x0c), ==, 0x5000000000001000);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x12, 0, 1), ==, MPT_SUCCESS);
    g_assert_cmpuint(qtest_readw(h.qt, PAGE + 0x18), ==, 3);
    g_assert_cmphex(qtest_readq(h.qt, PAGE + 0x0c), ==, 0x5000000000001002);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x12, 0, 4), ==, MPT_CONFIG_INVALID_PAGE);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x12, 0, 0x10000002), ==, MPT_SUCCESS);
    g_assert_cmpuint(qtest_readb(h.qt, PAGE + 0x1a), ==, 2);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x12, 0, 0x10000103), ==, MPT_CONFIG_INVALID_PAGE);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x12, 0, 0x20000004), ==, MPT_SUCCESS);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x12, 0, 0x2000ffff), ==, MPT_CONFIG_INVALID_PAGE);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x13, 0, 1), ==, MPT_SUCCESS);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x13, 0, 8), ==, MPT_CONFIG_INVALID_PAGE);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x09, 0, 0), ==, MPT_SUCCESS);
    g_assert_cmphex(qtest_readb(h.qt, PAGE + 4), ==, 'L');
    /* None can be written, others there are not. */
    g_assert_cmphex(config(&h, MPT_CONFIG_WRITE, 0x10, 1, 0), ==, MPT_CONFIG_CANNOT_COMMIT);
    g_assert_cmphex(config(&h, 77, 0x10, 1, 0), ==, MPT_CONFIG_INVALID_ACTION);
    g_assert_cmphex(config(&h, MPT_CONFIG_READ, 0x08, 0, 0), ==, MPT_CONFIG_INVALID_PAGE);
    quit(&h);
}

/* Events of the target @target: its link, itself, and, if it came, that all was looked at. */
static void expect_events(Host *h, uint8_t target, uint8_t reason)
{
    next(h);
    g_assert_cmphex(whole(h, 0x14), ==, MPT_EVENT_SAS_LINK);
    g_assert_cmpuint(h->reply[0x1c], ==, target);
    next(h);
    g_assert_cmphex(whole(h, 0x14), ==, MPT_EVENT_SAS_DEVICE);
    g_assert_cmpuint(h->reply[0x1c], ==, target);
    g_assert_cmpuint(h->reply[0x1e], ==, reason);
    if (reason == MPT_DEVICE_ADDED) {
        next(h);
        g_assert_cmphex(whole(h, 0x14), ==, MPT_EVENT_SAS_DISCOVERY);
    }
    expect_none(h);
}

static void plug(Host *h)
{
    qtest_qmp_ok(h->qt, "device_add",
                 "{'driver': 'scsi-cd', 'id': 'cd9', 'bus': 's0.0', 'scsi-id': 5}");
}

static void test_events(void)
{
    MptMessage on = { .own = { 1 }, .function = MPT_EVENT_NOTIFICATION };
    const uint8_t ready[10] = { SCSI_TEST_UNIT_READY };
    Host h;

    start_with(&h, "");
    plug(&h); /* nobody wants to hear of it */
    expect_none(&h);
    qtest_qmp_ok(h.qt, "device_del", "{'id': 'cd9'}");
    g_assert_cmphex(scsi(&h, 5, ready, 0), ==, MPT_SCSI_NOT_THERE);
    g_assert_cmphex(ask(&h, &on, sizeof(on)), ==, MPT_SUCCESS);
    plug(&h);
    expect_events(&h, 5, MPT_DEVICE_ADDED);
    take_attention(&h, 5);
    qtest_qmp_ok(h.qt, "device_del", "{'id': 'cd9'}");
    expect_events(&h, 5, MPT_DEVICE_GONE);
    g_assert_cmphex(scsi(&h, 5, ready, 0), ==, MPT_SCSI_NOT_THERE);
    quit(&h);
}

static uint16_t task(Host *h, uint8_t type, uint8_t target, uint32_t which)
{
    MptTask t = { .target = target, .function = MPT_TASK_MANAGEMENT, .type = type, .task = which };

    return ask(h, &t, sizeof(t));
}

static void test_senseless(void)
{
    const uint8_t read[10] = { SCSI_READ_10, [8] = 2 };
    MptMessage what = { .function = 0x77 };
    MptInit init = { .function = MPT_IOC_INIT, .reply_size = 128 };
    Host h;

    start_with(&h, "");
    take_attention(&h, 1);
    g_assert_cmphex(scsi(&h, 3, read, 2 * SECTOR), ==, MPT_SCSI_NOT_THERE);
    g_assert_cmphex(scsi(&h, 255, read, 2 * SECTOR), ==, MPT_SCSI_INVALID_TARGET);
    g_assert_cmphex(scsi(&h, 1, read, SECTOR), ==, MPT_SCSI_DATA_OVERRUN);
    make(&h, FRAME, 1, read, SECTOR);
    qtest_writeb(h.qt, FRAME + 4, 17); /* bytes of its CDB */
    g_assert_cmphex(run(&h), ==, MPT_INVALID_FIELD);
    make(&h, FRAME, 1, read, SECTOR);
    qtest_writeb(h.qt, FRAME + 1, 1); /* its bus */
    g_assert_cmphex(run(&h), ==, MPT_SCSI_INVALID_BUS);
    g_assert_cmphex(ask(&h, &what, sizeof(what)), ==, MPT_INVALID_FUNCTION);
    g_assert_cmphex(ask(&h, &init, sizeof(init)), ==, MPT_INVALID_STATE);
    g_assert_cmphex(task(&h, MPT_TARGET_RESET, 1, 0), ==, MPT_SUCCESS);
    take_attention(&h, 1);
    g_assert_cmphex(task(&h, MPT_RESET_BUS, 0, 0), ==, MPT_SUCCESS);
    take_attention(&h, 1);
    g_assert_cmphex(task(&h, MPT_TARGET_RESET, 3, 0), ==, MPT_SCSI_NOT_THERE);
    g_assert_cmphex(task(&h, MPT_TARGET_RESET, 200, 0), ==, MPT_SCSI_INVALID_TARGET);
    g_assert_cmphex(task(&h, 99, 1, 0), ==, MPT_INVALID_FIELD);
    g_assert_cmphex(task(&h, MPT_ABORT_TASK, 1, 4711), ==, MPT_SUCCESS);
    shake(&h, &what, sizeof(what), sizeof(MptReply));
    g_assert_cmphex(half(&h, 14), ==, MPT_INVALID_FUNCTION);
    /* A frame that is no memory is a fault, until the adapter is reset. */
    set(&h, MPT_REQUEST_FIFO, BAR);
    g_assert_cmpuint(state(&h), ==, MPT_STATE_FAULT);
    make(&h, FRAME, 1, read, 2 * SECTOR);
    set(&h, MPT_REQUEST_FIFO, FRAME);
    expect_none(&h);
    set(&h, MPT_DOORBELL, (uint32_t)MPT_UNIT_RESET << 24);
    drive(&h);
    g_assert_cmphex(block(&h, SCSI_READ_10, 9, 1), ==, MPT_SUCCESS);
    /* So is a reply for which there is no frame. */
    for (unsigned i = 0; i < FRAMES; i++) {
        g_assert_cmpuint(state(&h), ==, MPT_STATE_OPERATIONAL);
        make(&h, FRAME, 3, read, 2 * SECTOR);
        set(&h, MPT_REQUEST_FIFO, FRAME);
    }
    set(&h, MPT_REQUEST_FIFO, FRAME);
    g_assert_cmpuint(state(&h), ==, MPT_STATE_FAULT);
    g_assert_cmphex(get(&h, MPT_DOORBELL) & 0xffff, ==, MPT_INSUFFICIENT_RESOURCES);
    /* The diagnostic register is locked without its keys. */
    set(&h, MPT_DIAGNOSTIC, MPT_DIAG_RESET);
    g_assert_cmpuint(state(&h), ==, MPT_STATE_FAULT);
    for (unsigned i = 0; i < 6; i++) {
        set(&h, MPT_WRITE_SEQUENCE, (const uint8_t[]){ 0xff, 4, 0xb, 2, 7, 0xd }[i]);
    }
    g_assert_cmphex(get(&h, MPT_DIAGNOSTIC), ==, MPT_DIAG_WRITE_ENABLE);
    set(&h, MPT_DIAGNOSTIC, MPT_DIAG_RESET);
    g_assert_cmphex(get(&h, MPT_DIAGNOSTIC), ==, MPT_DIAG_RESET_HISTORY);
    drive(&h);
    take_attention(&h, 1);
    quit(&h);
}

/* What a read or write that fails stops is done again when the machine goes on, here or elsewhere.
 */
static void test_stop(void)
{
    for (unsigned i = 0; i < 4; i++) {
        bool write = i & 1, move = i & 2;
        g_autofree char *rules = disk_make_rules("mptsas", write, true);
        g_autofree char *blkdebug = g_strdup_printf("blkdebug:%s:", rules);
        const uint8_t cdb[10] = { write ? SCSI_WRITE_10 : SCSI_READ_10, [5] = 6, [8] = 1 };
        uint32_t context;
        Host h;

        start_with(&h, blkdebug);
        unlink(rules);
        take_attention(&h, 1);
        qtest_memset(h.qt, DATA, 0xd7, SECTOR);
        make(&h, OTHER, 1, cdb, SECTOR);
        context = h.context;
        set(&h, MPT_REQUEST_FIFO, OTHER);
        json_object_put(qtest_event(h.qt, "STOP"));
        qtest_assert_state(h.qt, "io-error");
        expect_none(&h);
        if (move) {
            g_autofree char *file = g_strdup_printf("%s.state", h.path);
            g_autofree char *incoming = g_strdup_printf(" -incoming file:%s", file);
            g_autofree char *args = arguments("", h.path, incoming);

            qtest_save(h.qt, file);
            qtest_quit(h.qt);
            h.qt = qtest_start("%s", args);
            qtest_wait_loaded(h.qt);
            unlink(file);
        }
        qtest_qmp_ok(h.qt, "cont", "{}");
        g_assert_cmphex(next(&h), ==, context);
        g_assert_cmphex(half(&h, 14), ==, MPT_SUCCESS);
        g_assert_cmphex(qtest_readb(h.qt, DATA), ==, write ? 0xd7 : 7);
        disk_assert_image(h.path, 6, write ? 0xd7 : 7);
        quit(&h);
    }
}

static const QTestRefused refused[] = {
    { "-device mptsas1068 -device scsi-cd,scsi-id=8", "8" },
    { "-device mptsas1068 -device scsi-cd,scsi-id=1,channel=1", "channel" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mptsas/data", test_data);
    g_test_add_func("/mptsas/firmware", test_firmware);
    g_test_add_func("/mptsas/message", test_message);
    g_test_add_func("/mptsas/pieces", test_pieces);
    g_test_add_func("/mptsas/pages", test_pages);
    g_test_add_func("/mptsas/events", test_events);
    g_test_add_func("/mptsas/senseless", test_senseless);
    g_test_add_func("/mptsas/stop", test_stop);
    qtest_add_refused("/mptsas/command-line", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
