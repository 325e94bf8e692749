/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvscsi by a driver of our own, one request at a time; and what is in its rings and is none. */
#include <string.h>
#include <unistd.h>

#include "hw/hba/pvscsi-regs.h"
#include "hw/scsi/scsi-defs.h"
#include "tests/qtest/disk.h"

#define BAR         0xe0000000u
#define STATE       0x200000u
#define REQUESTS    0x201000u /* one page: 32 */
#define COMPLETIONS 0x202000u
#define MESSAGES    0x203000u
#define LIST        0x204000u
#define SENSE       0x205000u
#define DATA        0x300000u

typedef struct Host {
    QTest *qt;
    char *path;
    uint32_t produced, consumed;
    uint64_t context;
    PvscsiCompletion last;
} Host;

static uint32_t get(const Host *h, unsigned offset)
{
    return qtest_readl(h->qt, BAR + offset);
}

static void set(const Host *h, unsigned offset, uint32_t value)
{
    qtest_writel(h->qt, BAR + offset, value);
}

static bool interrupted(const Host *h)
{
    return qpci_read(h->qt, DEVFN, 6, 2) & 8;
}

static uint32_t command(const Host *h, uint32_t code, const void *data, size_t size)
{
    const uint32_t *words = data;

    set(h, PVSCSI_COMMAND, code);
    for (size_t i = 0; i < size / 4; i++) {
        g_assert_cmphex(get(h, PVSCSI_COMMAND_STATUS), ==, PVSCSI_MORE_DATA);
        set(h, PVSCSI_COMMAND_DATA, words[i]);
    }
    return get(h, PVSCSI_COMMAND_STATUS);
}

static uint32_t setup(Host *h, uint32_t request_pages, uint32_t completion_pages)
{
    PvscsiSetupRings rings = { .request_pages = request_pages,
                               .completion_pages = completion_pages,
                               .state = STATE / PVSCSI_PAGE };

    for (unsigned i = 0; i < PVSCSI_RING_PAGES; i++) {
        rings.requests[i] = REQUESTS / PVSCSI_PAGE;
        rings.completions[i] = COMPLETIONS / PVSCSI_PAGE;
    }
    h->produced = h->consumed = 0;
    return command(h, PVSCSI_SETUP_RINGS, &rings, sizeof(rings));
}

static uint32_t setup_messages(Host *h, uint32_t pages)
{
    PvscsiSetupMessages ring = { .pages = pages };

    ring.messages[0] = MESSAGES / PVSCSI_PAGE;
    return command(h, PVSCSI_SETUP_MESSAGES, &ring, sizeof(ring));
}

static void enable_function(Host *h)
{
    qpci_write(h->qt, DEVFN, 0x10, 4, BAR);
    qpci_write(h->qt, DEVFN, 4, 2, 6);
}

static void drive(Host *h)
{
    enable_function(h);
    g_assert_cmphex(setup(h, 1, 1), ==, PVSCSI_SUCCEEDED);
    set(h, PVSCSI_INTERRUPT_MASK, PVSCSI_INTERRUPTS);
}

static void start_with(Host *h, const char *drive_options, const char *file, const char *options)
{
    *h = (Host){ .path = disk_make_image("pvscsi") };
    h->qt = qtest_start("-m 64 -device pvscsi,id=s0,addr=4%s -drive "
                        "if=none,id=d0,format=raw%s,file=%s%s -device "
                        "scsi-hd,drive=d0,id=hd0,scsi-id=1 -device scsi-cd,scsi-id=2",
                        options, drive_options, file, h->path);
    drive(h);
}

/* ---- requests ---- */

static void submit(Host *h, PvscsiRequest request)
{
    request.context = ++h->context;
    request.cdb_size = 16;
    qtest_memwrite(h->qt, REQUESTS + h->produced % 32 * 128, &request, sizeof(request));
    qtest_writel(h->qt, STATE, ++h->produced);
    set(h, h->produced & 1 ? PVSCSI_KICK_RW : PVSCSI_KICK_OTHER, 0);
}

static bool completed(const Host *h)
{
    return qtest_readl(h->qt, STATE + 12) != h->consumed;
}

/* The next one that has ended: its status of the host and of the unit. */
static unsigned next(Host *h)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!completed(h)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    qtest_memread(h->qt, COMPLETIONS + h->consumed % 128 * 32, &h->last, sizeof(h->last));
    qtest_writel(h->qt, STATE + 16, ++h->consumed);
    g_assert_true(interrupted(h));
    set(h, PVSCSI_INTERRUPT_STATUS, PVSCSI_INTERRUPT_COMPLETION);
    g_assert_false(interrupted(h));
    return (unsigned)h->last.host_status << 8 | h->last.status;
}

static unsigned ask(Host *h, PvscsiRequest request)
{
    submit(h, request);
    unsigned result = next(h);
    g_assert_cmpuint(h->last.context, ==, h->context);
    return result;
}

static PvscsiRequest rw(uint8_t code, uint8_t sector, uint8_t count, uint64_t data)
{
    return (PvscsiRequest){ .cdb = { code, 0, 0, 0, 0, sector, 0, 0, count },
                            .target = 1,
                            .data = data,
                            .data_size = count * SECTOR,
                            .sense = SENSE,
                            .sense_size = 18 };
}

static void take_attention(Host *h, uint8_t target)
{
    PvscsiRequest request = { .target = target, .sense = SENSE, .sense_size = 18 };

    g_assert_cmphex(ask(h, request), ==, SCSI_CHECK_CONDITION);
    g_assert_cmpuint(h->last.sense_size, ==, 18);
    g_assert_cmphex(qtest_readb(h->qt, SENSE + 2), ==, SCSI_KEY_UNIT_ATTENTION);
    g_assert_cmphex(qtest_readb(h->qt, SENSE + 12), ==, 0x29);
}

static void start(Host *h)
{
    start_with(h, "", "", "");
    take_attention(h, 1);
}

static void quit(Host *h)
{
    qtest_quit(h->qt);
    unlink(h->path);
    g_free(h->path);
}

static void put_piece(Host *h, unsigned n, uint64_t address, uint32_t size, uint32_t flags)
{
    PvscsiPiece piece = { address, size, flags };

    qtest_memwrite(h->qt, LIST + 16 * n, &piece, sizeof(piece));
}

/* ---- tests ---- */

static void test_registers(void)
{
    Host h;

    start_with(&h, "", "", "");
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 0, 4), ==, 0x07c015ad);
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 8, 4), ==, 0x01000002);
    g_assert_cmphex(qpci_read(h.qt, DEVFN, 0x2c, 4), ==, 0x07c015ad);
    g_assert_cmpuint(qtest_readl(h.qt, STATE + 8), ==, 5);
    g_assert_cmpuint(qtest_readl(h.qt, STATE + 20), ==, 7);
    for (uint32_t code = 0; code < 14; code++) {
        set(&h, PVSCSI_COMMAND, code);
        g_assert_cmphex(get(&h, PVSCSI_COMMAND_STATUS), ==,
                        code == PVSCSI_ADAPTER_RESET || code == PVSCSI_RESET_BUS ? PVSCSI_SUCCEEDED
                        : code == PVSCSI_SETUP_RINGS ||
                                (code >= PVSCSI_RESET_DEVICE && code < PVSCSI_COMMANDS)
                            ? PVSCSI_MORE_DATA
                            : PVSCSI_FAILED);
    }
    g_assert_cmphex(setup_messages(&h, 1), ==, PVSCSI_FAILED); /* there are no rings */
    g_assert_cmphex(setup(&h, 0, 1), ==, PVSCSI_FAILED);
    g_assert_cmphex(setup(&h, 1, 0), ==, PVSCSI_FAILED);
    g_assert_cmphex(setup(&h, 33, 1), ==, PVSCSI_FAILED);
    g_assert_cmphex(setup(&h, 3, 5), ==, PVSCSI_SUCCEEDED);
    g_assert_cmpuint(qtest_readl(h.qt, STATE + 8), ==, 7);
    g_assert_cmpuint(qtest_readl(h.qt, STATE + 20), ==, 10);
    g_assert_cmphex(setup_messages(&h, 17), ==, PVSCSI_FAILED);
    g_assert_cmphex(setup_messages(&h, 1), ==, PVSCSI_SUCCEEDED);
    set(&h, PVSCSI_COMMAND_DATA, 5); /* of no command */
    quit(&h);
    start_with(&h, "", "", ",use_msg=off");
    set(&h, PVSCSI_COMMAND, PVSCSI_SETUP_MESSAGES);
    g_assert_cmphex(get(&h, PVSCSI_COMMAND_STATUS), ==, PVSCSI_FAILED);
    quit(&h);
}

static void test_data(void)
{
    PvscsiRequest request;
    Host h;

    start(&h);
    g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 9, 2, DATA)), ==, 0);
    g_assert_cmpuint(h.last.moved, ==, 2 * SECTOR);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 511), ==, 10);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 512), ==, 11);
    qtest_memset(h.qt, DATA, 0xd7, 2 * SECTOR);
    g_assert_cmphex(ask(&h, rw(SCSI_WRITE_10, 20, 2, DATA)), ==, 0);
    disk_assert_image(h.path, 20, 0xd7);
    disk_assert_image(h.path, 21, 0xd7);
    disk_assert_image(h.path, 22, 23);
    /* By a list, which goes on elsewhere. */
    put_piece(&h, 0, DATA + 1, 511, 0);
    put_piece(&h, 1, 0x1234, 0, 0);
    put_piece(&h, 2, LIST + 16 * 8, 0, PVSCSI_PIECE_CHAIN);
    put_piece(&h, 8, DATA + 0x1000, 1025, 0);
    request = rw(SCSI_READ_10, 40, 3, LIST);
    request.flags = PVSCSI_REQUEST_LIST;
    g_assert_cmphex(ask(&h, request), ==, 0);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 1), ==, 41);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 0x1000), ==, 41);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 0x1001), ==, 42);
    g_assert_cmpuint(qtest_readb(h.qt, DATA + 0x1400), ==, 43);
    /* Less than there is room for. */
    g_assert_cmphex(ask(&h, (PvscsiRequest){ .cdb = { SCSI_INQUIRY, 0, 0, 0, 96 },
                                             .target = 2,
                                             .data = DATA,
                                             .data_size = 96 }),
                    ==, 0);
    g_assert_cmpuint(h.last.moved, ==, 36);
    g_assert_cmphex(qtest_readb(h.qt, DATA), ==, 5);
    quit(&h);
}

static void test_senseless(void)
{
    PvscsiRequest request;
    Host h;

    start(&h);
    request = rw(SCSI_READ_10, 1, 1, DATA);
    request.target = 3;
    g_assert_cmphex(ask(&h, request), ==, PVSCSI_HOST_NO_TARGET << 8);
    request.bus = 255;
    g_assert_cmphex(ask(&h, request), ==, PVSCSI_HOST_NO_TARGET << 8);
    request = rw(SCSI_READ_10, 1, 1, DATA);
    request.lun[1] = 1;
    g_assert_cmphex(ask(&h, request), ==, SCSI_CHECK_CONDITION);
    g_assert_cmphex(qtest_readb(h.qt, SENSE + 12), ==, 0x25);
    request.sense = BAR; /* no memory: no sense data */
    g_assert_cmphex(ask(&h, request), ==, SCSI_CHECK_CONDITION);
    g_assert_cmpuint(h.last.sense_size, ==, 0);
    g_assert_cmphex(ask(&h, rw(0xff, 1, 1, DATA)), ==, SCSI_CHECK_CONDITION);
    request = rw(SCSI_READ_10, 1, 2, DATA);
    request.data_size = SECTOR;
    g_assert_cmphex(ask(&h, request), ==, PVSCSI_HOST_OVERRUN << 8);
    request.data_size = UINT64_MAX;
    g_assert_cmphex(ask(&h, request), ==, 0);
    g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 1, 1, BAR)), ==, PVSCSI_HOST_BAD_REQUEST << 8);
    g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 1, 1, UINT64_MAX - 5)), ==,
                    PVSCSI_HOST_BAD_REQUEST << 8);
    request = rw(SCSI_READ_10, 1, 1, DATA);
    request.flags = PVSCSI_REQUEST_OTHER_CDB;
    g_assert_cmphex(ask(&h, request), ==, PVSCSI_HOST_BAD_REQUEST << 8);
    /* Lists that lead to themselves, have nothing, are no memory. */
    request = rw(SCSI_READ_10, 1, 1, LIST);
    request.flags = PVSCSI_REQUEST_LIST;
    put_piece(&h, 0, LIST, 0, PVSCSI_PIECE_CHAIN);
    g_assert_cmphex(ask(&h, request), ==, PVSCSI_HOST_BAD_REQUEST << 8);
    put_piece(&h, 0, DATA, 0, 0);
    put_piece(&h, 1, LIST, 0, PVSCSI_PIECE_CHAIN);
    g_assert_cmphex(ask(&h, request), ==, PVSCSI_HOST_BAD_REQUEST << 8);
    request.data = BAR;
    g_assert_cmphex(ask(&h, request), ==, PVSCSI_HOST_BAD_REQUEST << 8);
    g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 7, 1, DATA)), ==, 0);
    quit(&h);
}

/* Indices that the driver could not have got to by itself, and rings that are no memory. */
static void test_rings(void)
{
    PvscsiSetupRings rings = { 1, 1, BAR / PVSCSI_PAGE, { 0 }, { 0 } };
    Host h;

    start(&h);
    qtest_writel(h.qt, STATE, h.produced + 33);
    set(&h, PVSCSI_KICK_RW, 0);
    g_assert_false(completed(&h));
    qtest_writel(h.qt, STATE, h.produced - 1);
    set(&h, PVSCSI_KICK_RW, 0);
    g_assert_false(completed(&h));
    /* No room for completions: the request waits until there is. */
    qtest_writel(h.qt, STATE + 16, h.consumed - 128);
    submit(&h, rw(SCSI_READ_10, 9, 1, DATA));
    g_assert_false(completed(&h));
    qtest_writel(h.qt, STATE + 16, h.consumed);
    set(&h, PVSCSI_KICK_RW, 0);
    g_assert_cmphex(next(&h), ==, 0);
    /* More than a ring has, one after the other. */
    for (unsigned i = 0; i < 200; i++) {
        g_assert_cmphex(ask(&h, rw(SCSI_READ_10, (uint8_t)(i % 100), 1, DATA)), ==, 0);
    }
    g_assert_cmphex(command(&h, PVSCSI_SETUP_RINGS, &rings, sizeof(rings)), ==, PVSCSI_SUCCEEDED);
    set(&h, PVSCSI_KICK_RW, 0);
    drive(&h);
    g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 7, 1, DATA)), ==, 0);
    quit(&h);
}

static void test_resets(void)
{
    const PvscsiResetDevice device = { .target = 1 }, nobody = { .target = 40 },
                            far = { .target = 64 };
    const PvscsiAbort abort = { .context = 77, .target = 1 };
    Host h;

    start(&h);
    g_assert_cmphex(command(&h, PVSCSI_ABORT, &abort, sizeof(abort)), ==, PVSCSI_SUCCEEDED);
    g_assert_cmphex(command(&h, PVSCSI_RESET_DEVICE, &device, sizeof(device)), ==,
                    PVSCSI_SUCCEEDED);
    take_attention(&h, 1);
    take_attention(&h, 2);
    g_assert_cmphex(command(&h, PVSCSI_RESET_DEVICE, &nobody, sizeof(nobody)), ==, PVSCSI_FAILED);
    g_assert_cmphex(command(&h, PVSCSI_RESET_DEVICE, &far, sizeof(far)), ==, PVSCSI_FAILED);
    g_assert_cmphex(command(&h, PVSCSI_RESET_BUS, NULL, 0), ==, PVSCSI_SUCCEEDED);
    take_attention(&h, 1);
    g_assert_cmphex(command(&h, PVSCSI_ADAPTER_RESET, NULL, 0), ==, PVSCSI_SUCCEEDED);
    submit(&h, rw(SCSI_READ_10, 1, 1, DATA)); /* there are no rings */
    g_assert_false(completed(&h));
    drive(&h);
    take_attention(&h, 1);
    qtest_qmp_ok(h.qt, "system_reset", "{}");
    json_object_put(qtest_event(h.qt, "RESET"));
    drive(&h);
    take_attention(&h, 1);
    quit(&h);
}

static void test_messages(void)
{
    PvscsiMessage message;
    Host h;

    start(&h);
    g_assert_cmphex(setup_messages(&h, 1), ==, PVSCSI_SUCCEEDED);
    for (unsigned i = 0; i < 40; i++) { /* more than there is room for: the last are not told */
        qtest_qmp_ok(h.qt, "blockdev-add", "{'driver': 'null-co', 'node-name': 'n'}");
        qtest_qmp_ok(h.qt, "device_add",
                     "{'driver': 'scsi-hd', 'id': 'more', 'drive': 'n', 'scsi-id': 9}");
        qtest_qmp_ok(h.qt, "device_del", "{'id': 'more'}");
        json_object_put(qtest_event_with(h.qt, "DEVICE_DELETED", "device", "more"));
        qtest_qmp_ok(h.qt, "blockdev-del", "{'node-name': 'n'}");
        g_assert_cmpuint(qtest_readl(h.qt, STATE + 128), ==, MIN(2 * i + 2, 32));
    }
    g_assert_cmphex(get(&h, PVSCSI_INTERRUPT_STATUS), ==, PVSCSI_INTERRUPT_MESSAGE);
    g_assert_true(interrupted(&h));
    for (unsigned i = 0; i < 2; i++) {
        qtest_memread(h.qt, MESSAGES + i * sizeof(message), &message, sizeof(message));
        g_assert_cmpuint(message.type, ==, i ? PVSCSI_MESSAGE_REMOVED : PVSCSI_MESSAGE_ADDED);
        g_assert_cmpuint(message.bus, ==, 0);
        g_assert_cmpuint(message.target, ==, 9);
    }
    quit(&h);
}

/* A machine whose disk fails at sector 6 once, which stops it; a request for that. */
static void start_failing(Host *h, bool write)
{
    g_autofree char *rules = disk_make_rules("pvscsi", write, true);
    g_autofree char *blkdebug = g_strdup_printf("blkdebug:%s:", rules);

    start_with(h, ",rerror=stop,werror=stop", blkdebug, "");
    unlink(rules);
    take_attention(h, 1);
    qtest_memset(h->qt, DATA, 0xd7, SECTOR);
    submit(h, rw(write ? SCSI_WRITE_10 : SCSI_READ_10, 6, 1, DATA));
    json_object_put(qtest_event(h->qt, "STOP"));
    qtest_assert_state(h->qt, "io-error");
    g_assert_false(completed(h));
}

/* A read and a write that fail stop the machine, and are done again when it goes on, here or
 * elsewhere. */
static void test_stop(void)
{
    for (unsigned i = 0; i < 4; i++) {
        bool write = i & 1, move = i & 2;
        Host h;

        start_failing(&h, write);
        if (move) {
            g_autofree char *file = g_strdup_printf("%s.state", h.path);

            qtest_save(h.qt, file);
            qtest_quit(h.qt);
            h.qt = qtest_start("-m 64 -device pvscsi,id=s0,addr=4 -drive "
                               "if=none,id=d0,format=raw,rerror=stop,werror=stop,file=%s -device "
                               "scsi-hd,drive=d0,id=hd0,scsi-id=1 -device scsi-cd,scsi-id=2 "
                               "-incoming file:%s",
                               h.path, file);
            qtest_wait_loaded(h.qt);
            unlink(file);
        }
        qtest_qmp_ok(h.qt, "cont", "{}");
        g_assert_cmphex(next(&h), ==, 0);
        g_assert_cmphex(qtest_readb(h.qt, DATA), ==, write ? 0xd7 : 7);
        disk_assert_image(h.path, 6, write ? 0xd7 : 7);
        g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 1, 1, DATA)), ==, 0);
        quit(&h);
    }
}

/* The driver gives it up while the machine stands; or the disk goes, or the adapter. */
static void test_stop_and_forget(void)
{
    Host h;

    start_failing(&h, false);
    g_assert_cmphex(command(&h, PVSCSI_ABORT, &(PvscsiAbort){ .context = h.context, .target = 1 },
                            sizeof(PvscsiAbort)),
                    ==, PVSCSI_SUCCEEDED);
    g_assert_cmphex(next(&h), ==, PVSCSI_HOST_ABORTED << 8);
    qtest_qmp_ok(h.qt, "cont", "{}");
    g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 1, 1, DATA)), ==, 0);
    quit(&h);
    start_failing(&h, false);
    qtest_qmp_ok(h.qt, "device_del", "{'id': 'hd0'}");
    json_object_put(qtest_event_with(h.qt, "DEVICE_DELETED", "device", "hd0"));
    qtest_qmp_ok(h.qt, "cont", "{}");
    g_assert_cmphex(next(&h), ==, PVSCSI_HOST_NO_TARGET << 8);
    quit(&h);
    start_failing(&h, true);
    g_assert_cmphex(command(&h, PVSCSI_ADAPTER_RESET, NULL, 0), ==, PVSCSI_SUCCEEDED);
    qtest_qmp_ok(h.qt, "cont", "{}");
    g_assert_false(completed(&h));
    drive(&h);
    take_attention(&h, 1);
    quit(&h);
}

/* An adapter with a disk comes and goes, with a request that waits. */
static void test_plug(void)
{
    Host h = { .path = disk_make_image("pvscsi") };

    h.qt = qtest_start("-m 64");
    for (unsigned i = 0; i < 3; i++) {
        qtest_qmp_ok(h.qt, "device_add", "{'driver': 'pvscsi', 'id': 's0', 'addr': '4'}");
        qtest_qmp_ok(h.qt, "blockdev-add", "{'driver': 'file', 'node-name': 'n', 'filename': %s}",
                     h.path);
        qtest_qmp_ok(h.qt, "device_add",
                     "{'driver': 'scsi-hd', 'id': 'hd0', 'drive': 'n', 'scsi-id': 1}");
        drive(&h);
        take_attention(&h, 1);
        g_assert_cmphex(ask(&h, rw(SCSI_READ_10, 6, 1, DATA)), ==, 0);
        submit(&h, rw(SCSI_READ_10, 6, 1, DATA));
        qtest_qmp_ok(h.qt, "device_del", "{'id': 's0'}");
        qtest_outl(h.qt, 0xae08, 1u << (DEVFN >> 3));
        json_object_put(qtest_event_with(h.qt, "DEVICE_DELETED", "device", "s0"));
        qtest_qmp_ok(h.qt, "blockdev-del", "{'node-name': 'n'}");
    }
    quit(&h);
}

static const QTestRefused refused[] = {
    { "-device pvscsi,id=s0 -blockdev null-co,node-name=n -device scsi-hd,drive=n,scsi-id=64",
      "targets up to 63" },
    { "-device pvscsi,id=s0 -blockdev null-co,node-name=n -device scsi-hd,drive=n,lun=1",
      "LUNs up to 0" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pvscsi/registers", test_registers);
    g_test_add_func("/pvscsi/data", test_data);
    g_test_add_func("/pvscsi/senseless", test_senseless);
    g_test_add_func("/pvscsi/rings", test_rings);
    g_test_add_func("/pvscsi/resets", test_resets);
    g_test_add_func("/pvscsi/messages", test_messages);
    g_test_add_func("/pvscsi/stop", test_stop);
    g_test_add_func("/pvscsi/forget", test_stop_and_forget);
    g_test_add_func("/pvscsi/plug", test_plug);
    qtest_add_refused("/pvscsi/command-line", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
