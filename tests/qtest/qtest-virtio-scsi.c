/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-scsi with disks by a driver of our own: requests, what makes no sense, task management,
 * events, errors of the host; all of it with the queues in the main loop, and on an iothread. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/scsi.h"

static bool on_iothread; /* in this test */

static const char *machine_options(void)
{
    return on_iothread ? " -object iothread,id=io0" : "";
}

static const char *host_options(void)
{
    return on_iothread ? ",iothread=io0" : "";
}

/* A machine with a controller "scsi0", and what @options say. */
static void start(Host *h, const char *machine, bool modern, const char *options, ...)
    G_GNUC_PRINTF(4, 5);
static void start(Host *h, const char *machine, bool modern, const char *options, ...)
{
    g_autofree char *rest = NULL;
    va_list args;

    va_start(args, options);
    rest = g_strdup_vprintf(options, args);
    va_end(args);
    *h = (Host){ .v.modern = modern };
    h->qt = qtest_start("-M %s -m 64%s -device virtio-scsi-pci%s,id=scsi0,addr=4%s %s", machine,
                        machine_options(), modern ? "" : "-transitional", host_options(), rest);
    scsi_drive(h, FEATURES);
}

#define DISK "-drive if=none,id=d0,format=raw,file=%s -device scsi-hd,drive=d0,id=hd0"

/* Each sector of the image at @path is full of its number + 1. */
static void start_disk(Host *h, char **path, const char *name)
{
    *path = disk_make_image(name);
    start(h, "pc", true, DISK, *path);
}

static void quit(Host *h, char *path)
{
    qtest_quit(h->qt);
    unlink(path);
    g_free(path);
}

/* ---- requests ---- */

static uint8_t read_sector(Host *h, unsigned sector)
{
    g_assert_cmpuint(COMMAND(h, 0, SECTOR, READ_10, 0, 0, 0, 0, (uint8_t)sector, 0, 0, 1), ==,
                     SECTOR);
    scsi_assert_good(h);
    return qtest_readb(h->qt, h->in + ANSWER);
}

static void test_requests(gconstpointer data)
{
    const QVirtioWay *way = data;
    char *path = disk_make_image(way->name);
    Host h;

    start(&h, way->machine, way->modern, DISK, path);
    g_assert_cmpuint(qvirtio_config(&h.v, 0, 4), ==, 1);
    g_assert_cmpuint(qvirtio_config(&h.v, 4, 4), ==, 254);
    g_assert_cmpuint(qvirtio_config(&h.v, 20, 4), ==, SENSE);
    g_assert_cmpuint(qvirtio_config(&h.v, 24, 4), ==, CDB);
    g_assert_cmpuint(qvirtio_config(&h.v, 30, 2), ==, 255);
    g_assert_cmpuint(qvirtio_config(&h.v, 32, 4), ==, 16383);
    scsi_take_attention(&h);
    g_assert_cmpuint(COMMAND(&h, 0, 96, INQUIRY, 0, 0, 0, 96), ==, 36);
    scsi_assert_good(&h);
    g_assert_cmpuint(h.residual, ==, 60);
    g_assert_cmpuint(COMMAND(&h, 0, 8, READ_CAPACITY), ==, 8);
    g_assert_cmphex(qtest_readl(h.qt, h.in + ANSWER), ==, (SECTORS - 1) << 24);
    g_assert_cmpuint(COMMAND(&h, 0, 3 * SECTOR, READ_10, 0, 0, 0, 0, 5, 0, 0, 3), ==, 3 * SECTOR);
    scsi_assert_good(&h);
    g_assert_cmpuint(qtest_readb(h.qt, h.in + ANSWER), ==, 6);
    g_assert_cmpuint(qtest_readb(h.qt, h.in + ANSWER + 3 * SECTOR - 1), ==, 8);
    qtest_memset(h.qt, h.out + REQUEST, 0xab, 2 * SECTOR);
    COMMAND(&h, 2 * SECTOR, 0, WRITE_10, 8, 0, 0, 0, 9, 0, 0, 2);
    scsi_assert_good(&h);
    disk_assert_image(path, 9, 0xab);
    disk_assert_image(path, 10, 0xab);
    disk_assert_image(path, 11, 12);
    quit(&h, path);
}

/* Places without a unit, buffers that do not fit, commands that there are not. */
static void test_senseless(void)
{
    char *path;
    Host h;

    start_disk(&h, &path, "scsi-senseless");
    scsi_take_attention(&h);
    scsi_set_lun(&h, 1, 0);
    COMMAND(&h, 0, 36, INQUIRY, 0, 0, 0, 36);
    g_assert_cmpuint(h.response, ==, S_BAD_TARGET);
    h.lun[0] = 2;
    COMMAND(&h, 0, 36, INQUIRY, 0, 0, 0, 36);
    g_assert_cmpuint(h.response, ==, S_BAD_TARGET);
    scsi_set_lun(&h, 0, 3); /* the target is there, the LUN is not */
    COMMAND(&h, 0, 36, INQUIRY, 0, 0, 0, 36);
    scsi_assert_good(&h);
    g_assert_cmphex(qtest_readb(h.qt, h.in + ANSWER), ==, 0x7f);
    COMMAND(&h, 0, 0, 0);
    scsi_assert_sense(&h, 5, 0x25);
    g_assert_cmpuint(COMMAND(&h, 0, 16, REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 16), ==, 16);
    g_assert_cmphex(qtest_readl(h.qt, h.in + ANSWER), ==, 8u << 24);

    scsi_set_lun(&h, 0, 0);
    COMMAND(&h, 0, SECTOR - 1, READ_10, 0, 0, 0, 0, 5, 0, 0, 1);
    g_assert_cmpuint(h.response, ==, S_OVERRUN);
    COMMAND(&h, 0, SECTOR, WRITE_10, 0, 0, 0, 0, 5, 0, 0, 1);
    g_assert_cmpuint(h.response, ==, S_OVERRUN);
    COMMAND(&h, SECTOR, SECTOR, READ_10, 0, 0, 0, 0, 5, 0, 0, 1);
    g_assert_cmpuint(h.response, ==, S_FAILURE);
    COMMAND(&h, 0, SECTOR, READ_10, 0, 0, 0, 0, SECTORS, 0, 0, 1);
    scsi_assert_sense(&h, 5, 0x21);
    COMMAND(&h, 0, 0, 0xff);
    scsi_assert_sense(&h, 5, 0x20);
    g_assert_cmpuint(read_sector(&h, 4), ==, 5);

    qvirtq_add_pair(&h.requests, h.out, REQUEST - 1, h.in, ANSWER); /* no CDB */
    qvirtq_kick(&h.requests);
    while (!(qvirtio_status(&h.v) & QVIRTIO_NEEDS_RESET)) {
    }
    scsi_drive(&h, FEATURES);
    scsi_take_attention(&h);
    qvirtq_add_pair(&h.control, h.out, 3, h.in, 1);
    qvirtq_kick(&h.control);
    while (!(qvirtio_status(&h.v) & QVIRTIO_NEEDS_RESET)) {
    }
    scsi_drive(&h, FEATURES);
    scsi_take_attention(&h);
    quit(&h, path);
}

/* Sizes of CDB and sense data that the driver chooses. */
static void test_sizes(void)
{
    char *path;
    Host h;

    start_disk(&h, &path, "scsi-sizes");
    qvirtio_start(&h.v, QVIRTIO_VERSION_1);
    qvirtio_set_config(&h.v, 20, 4, 0);
    qvirtio_set_config(&h.v, 24, 4, 16);
    qvirtio_set_config(&h.v, 20, 4, 65536); /* more than there can be: as before */
    qvirtio_set_config(&h.v, 24, 4, 256);
    g_assert_cmpuint(qvirtio_config(&h.v, 20, 4), ==, 0);
    g_assert_cmpuint(qvirtio_config(&h.v, 24, 4), ==, 16);
    qvirtio_queue(&h.v, &h.requests, REQUESTS);
    qvirtio_driver_ok(&h.v);
    qtest_memset(h.qt, h.out, 0, 35);
    qtest_memwrite(h.qt, h.out, h.lun, 8);
    qvirtq_ask(&h.requests, h.out, 19 + 16, h.in, 12);
    g_assert_cmpuint(qtest_readl(h.qt, h.in), ==, 0); /* there is no room for its sense data */
    g_assert_cmpuint(qtest_readb(h.qt, h.in + 10), ==, CHECK);
    qvirtq_ask(&h.requests, h.out, 19 + 16, h.in, 12);
    g_assert_cmpuint(qtest_readb(h.qt, h.in + 10), ==, GOOD);
    scsi_drive(&h, FEATURES);
    g_assert_cmpuint(qvirtio_config(&h.v, 24, 4), ==, CDB);
    quit(&h, path);
}

static void test_places(void)
{
    g_autoptr(json_object) taken = NULL, far = NULL;
    g_autofree char *tree = NULL;
    Host h;

    start(&h, "pc", true,
          "-blockdev null-co,node-name=n0 -blockdev null-co,node-name=n1 -blockdev "
          "null-co,node-name=n2 -blockdev null-co,node-name=n3 -device scsi-hd,drive=n0,id=a "
          "-device scsi-hd,drive=n1,id=b,bus=scsi0.0 -device scsi-hd,drive=n2,id=c,scsi-id=1 "
          "-device scsi-hd,drive=n3,id=d,scsi-id=1,lun=300");
    taken = qtest_qmp_error(h.qt, "device_add",
                            "{'driver': 'scsi-hd', 'drive': 'n0', 'scsi-id': 1, 'lun': 1}");
    g_assert_cmpstr(qtest_get_str(taken, "desc"), ==,
                    "bus 'scsi0.0' has scsi-hd 'c' at channel 0, scsi-id 1, lun 1: choose another");
    far =
        qtest_qmp_error(h.qt, "device_add", "{'driver': 'scsi-hd', 'drive': 'n0', 'scsi-id': 256}");
    g_assert_cmpstr(qtest_get_str(far, "desc"), ==,
                    "scsi-id=256: bus 'scsi0.0' has targets up to 255");
    tree = qtest_hmp(h.qt, "info qtree");
    g_assert_nonnull(strstr(tree, "channel 0, scsi-id 1, lun 300"));
    scsi_set_lun(&h, 1, 300);
    scsi_take_attention(&h);
    g_assert_cmpuint(COMMAND(&h, 0, 64, REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 64), ==, 8 + 3 * 8);
    g_assert_cmphex(qtest_readl(h.qt, h.in + ANSWER + 8), ==, 0);
    g_assert_cmphex(qtest_readl(h.qt, h.in + ANSWER + 16), ==, 0x100);
    g_assert_cmphex(qtest_readl(h.qt, h.in + ANSWER + 24), ==, 0x2c41);
    qtest_quit(h.qt);
}

/* ---- task management ---- */

static uint8_t manage(Host *h, uint32_t function, uint64_t id)
{
    uint64_t at = h->event;

    qtest_writel(h->qt, at, 0);
    qtest_writel(h->qt, at + 4, function);
    qtest_memwrite(h->qt, at + 8, h->lun, 8);
    qtest_writeq(h->qt, at + 16, id);
    qtest_writeb(h->qt, at + 24, 0xee);
    qvirtq_ask(&h->control, at, 24, at + 24, 1);
    return qtest_readb(h->qt, at + 24);
}

enum { QUERY_TASK = 6 };

/* A request that takes a while, and that the device has seen, and was not yet done with. */
static uint16_t add_under_way(Host *h)
{
    static const uint8_t read[] = { READ_10, 0, 0, 0, 0, 0, 0, 0, 1 };

    for (;;) {
        uint16_t head = scsi_add(h, read, sizeof(read), 0, SECTOR);

        qvirtq_kick(&h->requests);
        while (!qvirtq_has_used(&h->requests)) {
            if (manage(h, QUERY_TASK, h->id) == S_SUCCEEDED) {
                return head;
            }
        }
        qvirtq_wait(&h->requests, head);
    }
}

/* Requests that take a while are cancelled, and the function is done when they are gone. */
static void test_abort(void)
{
    static const struct {
        uint32_t function;
        uint8_t response;
    } cases[] = { { 0, S_ABORTED }, { 1, S_ABORTED }, { 4, S_RESET }, { 5, S_RESET } };
    Host h;

    start(&h, "pc", true,
          "-blockdev null-co,node-name=n0,latency-ns=200000000 -device scsi-hd,drive=n0");
    scsi_take_attention(&h);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint16_t head = add_under_way(&h);

        g_assert_cmpuint(manage(&h, QUERY_TASK, h.id + 1), ==, S_OK);
        g_assert_cmpuint(manage(&h, cases[i].function, h.id), ==, S_OK);
        g_assert_true(qvirtq_has_used(&h.requests));
        qvirtq_wait(&h.requests, head);
        scsi_read_answer(&h);
        g_assert_true(h.response == cases[i].response || h.response == S_OK); /* it was done */
        if (cases[i].response == S_RESET) {
            scsi_take_attention(&h);
        }
    }
    g_assert_cmpuint(manage(&h, 0, 12345), ==, S_OK);
    g_assert_cmpuint(manage(&h, 7, 0), ==, S_OK);
    g_assert_cmpuint(manage(&h, 2, 0), ==, S_REJECTED);
    g_assert_cmpuint(manage(&h, 99, 0), ==, S_REJECTED);
    scsi_set_lun(&h, 0, 7);
    g_assert_cmpuint(manage(&h, 5, 0), ==, S_INCORRECT_LUN);
    scsi_set_lun(&h, 9, 0);
    g_assert_cmpuint(manage(&h, 5, 0), ==, S_BAD_TARGET);
    qtest_quit(h.qt);
}

/* ---- events ---- */

static void add_event(Host *h, unsigned n)
{
    qvirtq_add(&h->events, h->event + n * EVENT, EVENT, true);
    qvirtq_kick(&h->events);
}

static void assert_event(Host *h, unsigned n, uint32_t event, unsigned target, uint32_t reason)
{
    g_assert_cmpuint(qvirtq_wait_any(&h->events), ==, EVENT);
    g_assert_cmphex(qtest_readl(h->qt, h->event + n * EVENT), ==, event);
    g_assert_cmphex(qtest_readl(h->qt, h->event + n * EVENT + 4), ==, 1 | target << 8);
    g_assert_cmphex(qtest_readl(h->qt, h->event + n * EVENT + 12), ==, reason);
}

static void test_hotplug(void)
{
    char *path;
    Host h;

    start_disk(&h, &path, "scsi-hotplug");
    scsi_take_attention(&h);
    add_event(&h, 0);
    add_event(&h, 1);
    qtest_qmp_ok(h.qt, "blockdev-add",
                 "{'driver': 'null-co', 'node-name': 'n1', 'read-zeroes': true}");
    qtest_qmp_ok(h.qt, "device_add",
                 "{'driver': 'scsi-hd', 'drive': 'n1', 'id': 'two', 'scsi-id': 3}");
    assert_event(&h, 0, 1, 3, 1);
    scsi_set_lun(&h, 3, 0);
    scsi_take_attention(&h);
    g_assert_cmpuint(read_sector(&h, 1), ==, 0);
    qtest_qmp_ok(h.qt, "device_del", "{'id': 'two'}");
    json_object_put(qtest_event(h.qt, "DEVICE_DELETED"));
    assert_event(&h, 1, 1, 3, 2);
    COMMAND(&h, 0, 0, 0);
    g_assert_cmpuint(h.response, ==, S_BAD_TARGET);
    qtest_qmp_ok(h.qt, "blockdev-del", "{'node-name': 'n1'}");

    /* No buffer is there: the next one says that something was missed. */
    scsi_set_lun(&h, 0, 0);
    qtest_qmp_ok(h.qt, "block_resize", "{'device': 'd0', 'size': 131072}");
    COMMAND(&h, 0, 0, 0);
    scsi_assert_sense(&h, 6, 0x2a);
    add_event(&h, 2);
    g_assert_cmpuint(qvirtq_wait_any(&h.events), ==, EVENT);
    g_assert_cmphex(qtest_readl(h.qt, h.event + 2 * EVENT), ==, 0x80000000);
    add_event(&h, 3);
    qtest_qmp_ok(h.qt, "block_resize", "{'device': 'd0', 'size': 262144}");
    assert_event(&h, 3, 3, 0, 0x092a);
    quit(&h, path);
}

/* The controller goes, with its disks. */
static void test_unplug(void)
{
    enum { EJECT_SLOT = 0xae08, EJECT_BUS = 0xae10 }; /* docs/pci-hotplug.md */
    char *path = disk_make_image("scsi-unplug");
    g_autoptr(json_object) blocks = NULL;
    QTest *qt;

    qt = qtest_start("-M pc -m 64%s -blockdev raw,node-name=d0,file.driver=file,file.filename=%s",
                     machine_options(), path);
    for (unsigned i = 0; i < 5; i++) {
        qtest_qmp_ok(
            qt, "device_add",
            on_iothread ? "{'driver': 'virtio-scsi-pci', 'id': 's', 'addr': '7', 'iothread': 'io0'}"
                        : "{'driver': 'virtio-scsi-pci', 'id': 's', 'addr': '7'}");
        qtest_qmp_ok(qt, "device_add", "{'driver': 'scsi-hd', 'id': 'h', 'drive': 'd0'}");
        qtest_qmp_ok(qt, "device_del", "{'id': 's'}");
        qtest_outl(qt, EJECT_BUS, 0);
        qtest_outl(qt, EJECT_SLOT, BIT(7));
        json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "h"));
        json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "s"));
    }
    blocks = qtest_qmp(qt, "query-block", "{}");
    g_assert_cmpuint(json_object_array_length(blocks), ==, 0);
    qtest_quit(qt);
    unlink(path);
    g_free(path);
}

/* ---- errors of the host ---- */

#define FAILING                                                                      \
    "-blockdev blkdebug,node-name=n0,image.driver=file,image.filename=%s,"           \
    "inject-error.0.event=write_aio,inject-error.0.errno=28,inject-error.0.once=on," \
    "inject-error.1.event=read_aio,inject-error.1.sector=7 -device scsi-hd,drive=n0%s"

static void test_errors(void)
{
    char *path = disk_make_image("scsi-errors");
    Host h;

    start(&h, "pc", true, FAILING, path, ",werror=report");
    scsi_take_attention(&h);
    COMMAND(&h, SECTOR, 0, WRITE_10, 0, 0, 0, 0, 0, 0, 0, 1);
    scsi_assert_sense(&h, 7, 0x27);
    json_object_put(qtest_event(h.qt, "BLOCK_IO_ERROR"));
    COMMAND(&h, 0, SECTOR, READ_10, 0, 0, 0, 0, 7, 0, 0, 1);
    scsi_assert_sense(&h, 3, 0x11);
    g_assert_cmpuint(read_sector(&h, 8), ==, 9);
    quit(&h, path);
}

/* No space is left: the machine stops, and the write is tried again when it goes on. */
static void test_stop(void)
{
    static const uint8_t write[] = { WRITE_10, 0, 0, 0, 0, 3, 0, 0, 1 };
    char *path = disk_make_image("scsi-stop");
    uint16_t head;
    Host h;

    start(&h, "pc", true, FAILING, path, "");
    scsi_take_attention(&h);
    qtest_memset(h.qt, h.out + REQUEST, 0xcd, SECTOR);
    head = scsi_add(&h, write, sizeof(write), SECTOR, 0);
    qvirtq_kick(&h.requests);
    json_object_put(qtest_event(h.qt, "STOP"));
    qtest_assert_state(h.qt, "io-error");
    g_assert_false(qvirtq_has_used(&h.requests));
    disk_assert_image(path, 3, 4);
    qtest_qmp_ok(h.qt, "cont", "{}");
    qvirtq_wait(&h.requests, head);
    scsi_read_answer(&h);
    scsi_assert_good(&h);
    disk_assert_image(path, 3, 0xcd);
    quit(&h, path);
}

static bool has_state(Host *h, const char *state)
{
    g_autoptr(json_object) status = qtest_qmp(h->qt, "query-status", "{}");

    return strcmp(qtest_get_str(status, "status"), state) == 0;
}

static void test_saved(void)
{
    static const uint8_t write[] = { WRITE_10, 0, 0, 0, 0, 3, 0, 0, 1 };
    char *path = disk_make_image("scsi-saved");
    g_autofree char *file = g_strdup_printf("%s-machine", path);
    uint16_t head;
    Host h;

    start(&h, "pc", true, FAILING, path, "");
    scsi_take_attention(&h);
    qtest_memset(h.qt, h.out + REQUEST, 0xcd, SECTOR);
    head = scsi_add(&h, write, sizeof(write), SECTOR, 0);
    qvirtq_kick(&h.requests);
    json_object_put(qtest_event(h.qt, "STOP"));
    qtest_save(h.qt, file);
    qtest_quit(h.qt); /* it lets go of the image */
    h.qt = h.v.qt = qtest_start("-M pc -m 64%s -device virtio-scsi-pci,id=scsi0,addr=4%s -blockdev "
                                "file,node-name=n0,filename=%s -device scsi-hd,drive=n0 -incoming "
                                "file:%s",
                                machine_options(), host_options(), path, file);
    while (has_state(&h, "inmigrate")) {
        g_usleep(1000);
    }
    qtest_qmp_ok(h.qt, "cont", "{}");
    qvirtq_wait(&h.requests, head);
    scsi_read_answer(&h);
    scsi_assert_good(&h);
    disk_assert_image(path, 3, 0xcd);
    g_assert_cmpuint(read_sector(&h, 9), ==, 10);
    unlink(file);
    quit(&h, path);
}

/* Requests under way when a queue, the device or the machine is reset go nowhere, and what comes
 * after works. */
static void test_reset_under_way(void)
{
    static const uint8_t read[] = { READ_10, 0, 0, 0, 0, 9, 0, 0, 1 };
    char *path;
    Host h;

    start_disk(&h, &path, "scsi-reset");
    for (unsigned round = 0; round < 12; round++) {
        for (unsigned i = 0; i < 20; i++) {
            scsi_add(&h, read, sizeof(read), 0, SECTOR);
        }
        qvirtq_kick(&h.requests);
        if (round % 3 == 0) {
            qvirtio_set_common(&h.v, QVIRTIO_QUEUE_SELECT, 2, REQUESTS);
            qvirtio_set_common(&h.v, QVIRTIO_QUEUE_RESET, 2, 1);
        } else if (round % 3 == 1) {
            qvirtio_set_status(&h.v, 0);
        } else {
            qtest_qmp_ok(h.qt, "system_reset", "{}");
            json_object_put(qtest_event(h.qt, "RESET"));
        }
        scsi_drive(&h, FEATURES | QVIRTIO_RING_RESET);
        scsi_take_attention(&h);
        g_assert_cmpuint(read_sector(&h, 9), ==, 10);
    }
    quit(&h, path);
}

/* ---- options ---- */

static const QTestRefused refused[] = {
    { "-blockdev null-co,node-name=n -device scsi-hd,drive=n", "no SCSI bus" },
    { "-device virtio-scsi-pci -device scsi-hd", "drive= is missing" },
    { "-device virtio-scsi-pci,num_queues=1023", "there are 1 to 1022" },
    { "-device virtio-scsi-pci,virtqueue_size=3", "power of two from 4 to 1024" },
    { "-device virtio-scsi-pci,max_sectors=0", "both are at least 1" },
    { "-blockdev null-co,node-name=n -device virtio-scsi-pci -device scsi-hd,drive=n,channel=1",
      "channels up to 0" },
    { "-blockdev null-co,node-name=n -device virtio-scsi-pci -device scsi-hd,drive=n,lun=16384",
      "LUNs up to 16383" },
    { "-blockdev null-co,node-name=n -device virtio-scsi-pci -device "
      "scsi-hd,drive=n,vendor=NineChars",
      "longer than 8 characters" },
};

static void add_test(const char *name, void (*fn)(gconstpointer), gconstpointer data, bool loop)
{
    g_autofree char *path = g_strdup_printf("/virtio-scsi/%s%s", name, loop ? "/iothread" : "");

    g_test_add_data_func(path, data, fn);
}

typedef struct Case {
    const char *name;
    void (*fn)(void);
} Case;

static const Case cases[] = {
    { "senseless", test_senseless }, { "sizes", test_sizes },
    { "places", test_places },       { "abort", test_abort },
    { "hotplug", test_hotplug },     { "unplug", test_unplug },
    { "errors", test_errors },       { "stop", test_stop },
    { "saved", test_saved },         { "reset-under-way", test_reset_under_way },
};

static void run_main(gconstpointer data)
{
    const Case *c = data;

    on_iothread = false;
    c->fn();
}

static void run_iothread(gconstpointer data)
{
    const Case *c = data;

    on_iothread = true;
    c->fn();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(qvirtio_ways); i++) {
        add_test(qvirtio_ways[i].name, test_requests, &qvirtio_ways[i], false);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        add_test(cases[i].name, run_main, &cases[i], false);
        add_test(cases[i].name, run_iothread, &cases[i], true);
    }
    qtest_add_refused("/virtio-scsi/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
