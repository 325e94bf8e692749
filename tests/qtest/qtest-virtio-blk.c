/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk by a driver of our own: every request, what makes no sense, errors of the host; all of
 * it with the queue in the main loop, and on an iothread. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

enum {
    F_SEG_MAX = 2,
    F_RO = 5,
    F_BLK_SIZE = 6,
    F_FLUSH = 9,
    F_TOPOLOGY = 10,
    F_WCE = 11,
    F_MQ = 12,
    F_DISCARD = 13,
    F_ZEROES = 14
};
#define BIT(n) (UINT64_C(1) << (n))

typedef struct Way {
    const char *name, *machine, *device;
    bool modern;
} Way;

static const Way ways[] = {
    { "pc-modern", "pc", "virtio-blk-pci", true },
    { "pc-legacy", "pc", "virtio-blk-pci-transitional", false },
    { "q35-modern", "q35", "virtio-blk-pci-non-transitional", true },
};

static bool on_iothread; /* in this test */

static const char *machine_options(void)
{
    return on_iothread ? " -object iothread,id=io0" : "";
}

static const char *disk_options(void)
{
    return on_iothread ? ",iothread=io0" : "";
}

/* @path is of the image, taken. @drive_options begins with a comma, or is empty; so is the other.
 */
static void start(Disk *d, const Way *way, char *path, const char *drive_options,
                  const char *device_options)
{
    d->path = path;
    d->qt = qtest_start("-M %s -m 64 -drive if=none,id=d0,file=%s%s"
                        "%s -device %s,drive=d0,addr=4,id=disk%s%s",
                        way->machine, path, drive_options, machine_options(), way->device,
                        disk_options(), device_options);
    d->v.modern = way->modern;
    disk_drive(d, QVIRTIO_VERSION_1 | BIT(F_FLUSH) | BIT(F_DISCARD) | BIT(F_ZEROES));
}

static void quit(Disk *d)
{
    qtest_quit(d->qt);
    unlink(d->path);
    g_free(d->path);
}

static uint8_t byte_of_image(const Disk *d, size_t at)
{
    g_autofree char *data = NULL;
    size_t size;

    g_assert_true(g_file_get_contents(d->path, &data, &size, NULL));
    g_assert_cmpuint(at, <, size);
    return (uint8_t)data[at];
}

/* On an iothread the driver hears of it a little later. */
static void wait_needs_reset(Disk *d)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000ll;

    while (!(qvirtio_status(&d->v) & QVIRTIO_NEEDS_RESET)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/* ---- tests ---- */

static void test_requests(gconstpointer data)
{
    const Way *way = data;
    g_autoptr(json_object) stats = NULL;
    char id[20];
    Disk d;

    start(&d, way, disk_make_image(way->name), ",format=raw,discard=unmap", ",serial=s-1");
    g_assert_cmpuint(qvirtio_config(&d.v, 0, 4), ==, SECTORS);
    g_assert_cmpuint(qvirtio_config(&d.v, 12, 4), ==, 254); /* seg_max */
    g_assert_cmpuint(qvirtio_config(&d.v, 20, 4), ==, SECTOR);
    g_assert_cmpuint(disk_request(&d, IN, 5, 0, 3 * SECTOR), ==, OK);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 6);
    g_assert_cmpuint(qtest_readb(d.qt, d.in + 3 * SECTOR - 1), ==, 8);
    qtest_memset(d.qt, d.out + 16, 0xab, 2 * SECTOR);
    g_assert_cmpuint(disk_request(&d, OUT, SECTORS - 2, 2 * SECTOR, 0), ==, OK);
    g_assert_cmpuint(disk_request(&d, FLUSH, 0, 0, 0), ==, OK);
    g_assert_cmpuint(byte_of_image(&d, (SECTORS - 2) * SECTOR), ==, 0xab);
    g_assert_cmpuint(byte_of_image(&d, SECTORS * SECTOR - 1), ==, 0xab);
    g_assert_cmpuint(byte_of_image(&d, (SECTORS - 2) * SECTOR - 1), ==, SECTORS - 2);
    g_assert_cmpuint(disk_request(&d, GET_ID, 0, 0, 20), ==, OK);
    qtest_memread(d.qt, d.in, id, sizeof(id));
    g_assert_cmpmem(id, 20, "s-1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    g_assert_cmpuint(disk_range(&d, DISCARD, 16, 16, 0), ==, OK);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 48, 3, 0), ==, OK);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 64, 16, 1), ==, OK);
    for (unsigned i = 0; i < SECTORS - 2; i++) {
        bool zero = (i >= 16 && i < 32) || (i >= 48 && i < 51) || (i >= 64 && i < 80);

        g_assert_cmpuint(byte_of_image(&d, i * SECTOR), ==, zero ? 0 : i + 1);
    }
    stats = qtest_qmp(d.qt, "query-blockstats", "{}");
    for (unsigned i = 0; i < json_object_array_length(stats); i++) {
        json_object *one = json_object_array_get_idx(stats, i);

        g_assert_cmpstr(qtest_get_str(one, "device"), ==, "d0");
        g_assert_cmpint(qtest_get_int(one, "stats.rd_bytes"), ==, 3 * SECTOR);
        g_assert_cmpint(qtest_get_int(one, "stats.wr_operations"), ==, 3);
        g_assert_cmpint(qtest_get_int(one, "stats.unmap_bytes"), ==, 16 * SECTOR);
        g_assert_cmpint(qtest_get_int(one, "stats.flush_operations"), ==, 1);
    }
    quit(&d);
}

/* What makes no sense is refused, and changes nothing. */
static void test_senseless(void)
{
    Disk d;

    start(&d, &ways[0], disk_make_image("senseless"), ",format=raw", ",discard=off");
    g_assert_false(qvirtio_offered(&d.v) & BIT(F_DISCARD));
    g_assert_cmpuint(disk_request(&d, IN, SECTORS, 0, SECTOR), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, IN, SECTORS - 1, 0, 2 * SECTOR), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, IN, UINT64_MAX, 0, SECTOR), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, IN, 0, 0, SECTOR + 1), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, OUT, SECTORS, SECTOR, 0), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, OUT, UINT64_MAX / SECTOR, SECTOR, 0), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, OUT, 0, SECTOR - 1, 0), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, 99, 0, 0, 0), ==, UNSUPP);
    g_assert_cmpuint(disk_request(&d, 2, 0, 0, 0), ==, UNSUPP); /* SCSI */
    g_assert_cmpuint(disk_range(&d, DISCARD, 0, 1, 0), ==, UNSUPP);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 0, SECTORS + 1, 0), ==, IOERR);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, UINT64_MAX, 1, 0), ==, IOERR);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 0, UINT32_MAX, 0), ==, IOERR);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 0, 1, 2), ==, UNSUPP);
    g_assert_cmpuint(disk_request(&d, WRITE_ZEROES, 0, 15, 0), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, WRITE_ZEROES, 0, 32, 0), ==, IOERR);
    for (unsigned i = 0; i < SECTORS; i++) {
        g_assert_cmpuint(byte_of_image(&d, i * SECTOR), ==, i + 1);
    }
    /* No room for the status: nobody can be told, and the device stops. */
    qvirtq_add(&d.q, d.out, 16, false);
    qvirtq_kick(&d.q);
    wait_needs_reset(&d);
    disk_drive(&d, QVIRTIO_VERSION_1);
    g_assert_cmpuint(disk_request(&d, IN, 0, 0, SECTOR), ==, OK);
    /* No header. */
    qvirtq_add_pair(&d.q, d.out, 15, d.in, 1);
    qvirtq_kick(&d.q);
    wait_needs_reset(&d);
    quit(&d);
}

static void test_read_only(void)
{
    Disk d;

    start(&d, &ways[0], disk_make_image("read-only"), ",format=raw,readonly=on", "");
    g_assert_true(qvirtio_offered(&d.v) & BIT(F_RO));
    g_assert_cmpuint(disk_request(&d, IN, 0, 0, SECTOR), ==, OK);
    g_assert_cmpuint(disk_request(&d, OUT, 0, SECTOR, 0), ==, IOERR);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 0, 1, 0), ==, IOERR);
    g_assert_cmpuint(disk_range(&d, DISCARD, 0, 1, 0), ==, IOERR);
    g_assert_cmpuint(byte_of_image(&d, 0), ==, 1);
    quit(&d);
}

/* As many queues as CPUs, and a vector for each, if nobody says how many. */
static void test_queues(void)
{
    g_autofree char *path = disk_make_image("queues");
    static const struct {
        const char *machine;
        unsigned queues;
    } cases[] = { { "pc -smp 3,maxcpus=4", 3 }, { "pc", 1 }, { "pc-i440fx-5.1 -smp 3", 1 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        Disk d = { .v.modern = true };

        d.qt = qtest_start("-M %s -m 32 -drive if=none,id=d0,file=%s,format=raw "
                           "-device virtio-blk-pci,drive=d0,addr=4,id=b0",
                           cases[i].machine, path);
        disk_drive(&d, QVIRTIO_VERSION_1);
        g_assert_cmpuint(qvirtio_common(&d.v, QVIRTIO_NUM_QUEUES, 2), ==, cases[i].queues);
        g_assert_cmpint(!!(qvirtio_offered(&d.v) & BIT(F_MQ)), ==, cases[i].queues > 1);
        qtest_quit(d.qt);
    }
    unlink(path);
}

static void test_properties(void)
{
    Disk d;

    start(&d, &ways[0], disk_make_image("properties"), ",format=raw",
          ",num-queues=3,queue-size=64,logical_block_size=4k,physical_block_size=16384,"
          "min_io_size=8192,opt_io_size=65536,write-cache=off,discard_granularity=65536,"
          "max-discard-sectors=64,max-write-zeroes-sectors=32,page-per-vq=on,"
          "disable-legacy=on,iommu_platform=on,ioeventfd=off");
    g_assert_true(qvirtio_offered(&d.v) & QVIRTIO_ACCESS_PLATFORM);
    g_assert_true(qvirtio_offered(&d.v) & BIT(F_MQ));
    g_assert_cmpuint(qvirtio_common(&d.v, QVIRTIO_NUM_QUEUES, 2), ==, 3);
    g_assert_cmpuint(qvirtio_config(&d.v, 34, 2), ==, 3);
    g_assert_cmpuint(qvirtio_config(&d.v, 12, 4), ==, 62);
    g_assert_cmpuint(qvirtio_config(&d.v, 20, 4), ==, 4096);
    g_assert_cmpuint(qvirtio_config(&d.v, 24, 1), ==, 2);
    g_assert_cmpuint(qvirtio_config(&d.v, 26, 2), ==, 2);
    g_assert_cmpuint(qvirtio_config(&d.v, 28, 4), ==, 16);
    g_assert_cmpuint(qvirtio_config(&d.v, 32, 1), ==, 0); /* write cache */
    qvirtio_set_config(&d.v, 32, 1, 1);
    g_assert_cmpuint(qvirtio_config(&d.v, 32, 1), ==, 1);
    g_assert_cmpuint(qvirtio_config(&d.v, 36, 4), ==, 64);
    g_assert_cmpuint(qvirtio_config(&d.v, 44, 4), ==, 128);
    g_assert_cmpuint(qvirtio_config(&d.v, 48, 4), ==, 32);
    g_assert_cmpuint(disk_range(&d, DISCARD, 0, 64, 0), ==, OK);
    g_assert_cmpuint(disk_range(&d, DISCARD, 0, 72, 0), ==, IOERR);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 96, 32, 0), ==, OK);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 0, 40, 0), ==, IOERR);
    g_assert_cmpuint(d.v.notify_multiplier, ==, 4096);
    disk_drive_queue(&d, QVIRTIO_VERSION_1, 2);
    g_assert_cmpuint(disk_request(&d, IN, 1, 0, 4096), ==, IOERR); /* not at a whole block */
    g_assert_cmpuint(disk_request(&d, IN, 8, 0, SECTOR), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, IN, 8, 0, 4096), ==, OK);
    quit(&d);
}

/* ---- errors of the host ---- */

#define BLKDEBUG                                                                       \
    "-M pc -m 64 -blockdev blkdebug,node-name=n0,image.driver=file,image.filename=%s," \
    "inject-error.0.event=write_aio,inject-error.0.errno=28,inject-error.0.once=on,"   \
    "inject-error.1.event=read_aio,inject-error.1.sector=7%s"                          \
    " -device virtio-blk-pci,drive=n0,addr=4,id=disk%s%s"

static void start_failing(Disk *d, char *path, const char *options)
{
    d->path = path;
    d->qt = qtest_start(BLKDEBUG, path, machine_options(), disk_options(), options);
    d->v.modern = true;
    disk_drive(d, QVIRTIO_VERSION_1 | BIT(F_FLUSH));
}

static void assert_event(Disk *d, const char *operation, const char *action, bool no_space)
{
    g_autoptr(json_object) event = qtest_event(d->qt, "BLOCK_IO_ERROR");

    g_assert_cmpstr(qtest_get_str(event, "data.device"), ==, "");
    g_assert_cmpstr(qtest_get_str(event, "data.node-name"), ==, "n0");
    g_assert_cmpstr(qtest_get_str(event, "data.operation"), ==, operation);
    g_assert_cmpstr(qtest_get_str(event, "data.action"), ==, action);
    g_assert_cmpint(qtest_get_bool(event, "data.nospace"), ==, no_space);
}

static void assert_state(Disk *d, const char *state)
{
    g_autoptr(json_object) status = qtest_qmp(d->qt, "query-status", "{}");

    g_assert_cmpstr(qtest_get_str(status, "status"), ==, state);
}

static bool has_state(Disk *d, const char *state)
{
    g_autoptr(json_object) status = qtest_qmp(d->qt, "query-status", "{}");

    return strcmp(qtest_get_str(status, "status"), state) == 0;
}

static void test_report(void)
{
    Disk d;

    start_failing(&d, disk_make_image("report"), ",werror=report");
    g_assert_cmpuint(disk_request(&d, OUT, 0, SECTOR, 0), ==, IOERR);
    assert_event(&d, "write", "report", true);
    g_assert_cmpuint(disk_request(&d, OUT, 0, SECTOR, 0), ==, OK);
    g_assert_cmpuint(disk_request(&d, IN, 7, 0, SECTOR), ==, IOERR);
    assert_event(&d, "read", "report", false);
    g_assert_cmpuint(disk_request(&d, IN, 8, 0, SECTOR), ==, OK);
    assert_state(&d, "running");
    quit(&d);
}

static void test_ignore(void)
{
    Disk d;

    start_failing(&d, disk_make_image("ignore"), ",rerror=ignore");
    g_assert_cmpuint(disk_request(&d, IN, 7, 0, SECTOR), ==, OK);
    assert_event(&d, "read", "ignore", false);
    quit(&d);
}

/* No space is left: the machine stops, and goes on where it was. */
static void test_stop(void)
{
    uint16_t head;
    Disk d;

    start_failing(&d, disk_make_image("stop"), "");
    qtest_memset(d.qt, d.out + 16, 0xcd, SECTOR);
    head = disk_add(&d, OUT, 3, SECTOR, 0);
    qvirtq_kick(&d.q);
    assert_event(&d, "write", "stop", true);
    json_object_put(qtest_event(d.qt, "STOP"));
    assert_state(&d, "io-error");
    g_assert_false(qvirtq_has_used(&d.q));
    g_assert_cmpuint(byte_of_image(&d, 3 * SECTOR), ==, 4);
    qtest_qmp_ok(d.qt, "cont", "{}");
    qvirtq_wait(&d.q, head);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, OK);
    g_assert_cmpuint(byte_of_image(&d, 3 * SECTOR), ==, 0xcd);
    quit(&d);
}

/* The same, and the driver resets the device meanwhile, or the machine is reset. */
static void test_stop_and_reset(void)
{
    Disk d;

    start_failing(&d, disk_make_image("stop-reset"), "");
    disk_add(&d, OUT, 3, SECTOR, 0);
    qvirtq_kick(&d.q);
    json_object_put(qtest_event(d.qt, "STOP"));
    qvirtio_set_status(&d.v, 0);
    qtest_qmp_ok(d.qt, "cont", "{}");
    disk_drive(&d, QVIRTIO_VERSION_1);
    g_assert_cmpuint(disk_request(&d, IN, 3, 0, SECTOR), ==, OK);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 4); /* it was not tried again */
    quit(&d);
}

/* The machine that stopped is saved, and the request is tried again where it is loaded. */
static void test_saved(void)
{
    g_autofree char *file = NULL, *uri = NULL;
    uint16_t head;
    Disk d;

    start_failing(&d, disk_make_image("saved"), "");
    file = g_strdup_printf("%s-machine", d.path);
    uri = g_strdup_printf("file:%s", file);
    qtest_memset(d.qt, d.out + 16, 0xcd, SECTOR);
    head = disk_add(&d, OUT, 3, SECTOR, 0);
    qvirtq_kick(&d.q);
    json_object_put(qtest_event(d.qt, "STOP"));
    qtest_save(d.qt, file);
    qtest_quit(d.qt); /* it lets go of the image */
    d.qt = d.v.qt = qtest_start("-M pc -m 64 -blockdev file,node-name=n0,filename=%s%s"
                                " -device virtio-blk-pci,drive=n0,addr=4,id=disk%s -incoming %s",
                                d.path, machine_options(), disk_options(), uri);
    while (has_state(&d, "inmigrate")) {
        g_usleep(1000);
    }
    assert_state(&d, "paused");
    qtest_qmp_ok(d.qt, "cont", "{}");
    qvirtq_wait(&d.q, head);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, OK);
    g_assert_cmpuint(byte_of_image(&d, 3 * SECTOR), ==, 0xcd);
    g_assert_cmpuint(disk_request(&d, IN, 9, 0, SECTOR), ==, OK);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 10);
    quit(&d);
    unlink(file);
}

/* ---- nodes under a device ---- */

static void test_resize(void)
{
    g_autoptr(json_object) error = NULL, in_use = NULL;
    uint32_t generation;
    Disk d;

    start(&d, &ways[0], disk_make_image("resize"), ",format=raw", "");
    generation = qvirtio_common(&d.v, QVIRTIO_GENERATION, 1);
    qtest_qmp_ok(d.qt, "block_resize", "{'device': 'd0', 'size': 131072}");
    g_assert_cmpuint(qvirtio_config(&d.v, 0, 4), ==, 256);
    g_assert_cmpuint(qvirtio_common(&d.v, QVIRTIO_GENERATION, 1), !=, generation);
    g_assert_cmpuint(disk_request(&d, IN, 255, 0, SECTOR), ==, OK);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 0);
    error = qtest_qmp_error(d.qt, "block_resize", "{'device': 'nobody', 'size': 1}");
    g_assert_cmpstr(qtest_get_str(error, "class"), ==, "DeviceNotFound");
    in_use = qtest_qmp_error(d.qt, "device_add",
                             "{'driver': 'virtio-blk-pci', 'drive': 'd0', 'id': 'two'}");
    quit(&d);
}

static void test_blockdev(void)
{
    g_autofree char *path = disk_make_image("blockdev");
    QTest *qt = qtest_start("-M none");
    g_autoptr(json_object) nodes = NULL, error = NULL;

    qtest_qmp_ok(qt, "blockdev-add", "{'driver': 'file', 'node-name': 'f', 'filename': %s}", path);
    qtest_qmp_ok(qt, "blockdev-add", "{'driver': 'raw', 'node-name': 'r', 'file': 'f'}");
    error = qtest_qmp_error(qt, "blockdev-del", "{'node-name': 'f'}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "in use by block node 'r'"));
    nodes = qtest_qmp(qt, "query-named-block-nodes", "{}");
    g_assert_cmpuint(json_object_array_length(nodes), ==, 2);
    g_assert_cmpint(qtest_get_int(json_object_array_get_idx(nodes, 1), "image.virtual-size"), ==,
                    SECTORS * SECTOR);
    qtest_qmp_ok(qt, "blockdev-del", "{'node-name': 'r'}");
    qtest_qmp_ok(qt, "blockdev-del", "{'node-name': 'f'}");
    qtest_quit(qt);
    unlink(path);
}

/* ---- interrupts, and machines that stand ---- */

static void wait_pending(Disk *d, unsigned vector)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000ll;

    while (!qvirtio_is_pending(&d->v, vector)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/* By the ISR status without MSI-X; with it by vectors, of which a masked one waits. */
static void test_interrupts(void)
{
    Disk d;

    start(&d, &ways[0], disk_make_image("interrupts"), ",format=raw", ",num-queues=2");
    qvirtio_isr(&d.v);
    g_assert_cmpuint(disk_request(&d, IN, 5, 0, SECTOR), ==, OK);
    while (!(qvirtio_isr(&d.v) & 1)) { /* it may come after the buffer */
    }
    qvirtio_use_msix(&d.v);
    qvirtio_start(&d.v, QVIRTIO_VERSION_1);
    qvirtio_queue(&d.v, &d.q, 1);
    qvirtio_driver_ok(&d.v);
    g_assert_cmpuint(disk_request(&d, IN, 6, 0, SECTOR), ==, OK);
    qvirtio_mask(&d.v, 2, true);
    g_assert_cmpuint(disk_request(&d, IN, 7, 0, SECTOR), ==, OK);
    wait_pending(&d, 2);
    g_assert_false(qvirtio_is_pending(&d.v, 1));
    qvirtio_mask(&d.v, 2, false);
    g_assert_false(qvirtio_is_pending(&d.v, 2));
    quit(&d);
}

/* What comes while the machine stands is done when it goes on; the bus master is another gate. */
static void test_stands(void)
{
    uint16_t head;
    Disk d;

    start(&d, &ways[0], disk_make_image("stands"), ",format=raw", "");
    qtest_qmp_ok(d.qt, "stop", "{}");
    head = disk_add(&d, IN, 5, 0, SECTOR);
    qvirtq_kick(&d.q);
    assert_state(&d, "paused");
    g_assert_false(qvirtq_has_used(&d.q));
    qtest_qmp_ok(d.qt, "cont", "{}");
    qvirtq_wait(&d.q, head);
    qpci_write(d.qt, DEVFN, 4, 2, 3);
    head = disk_add(&d, IN, 6, 0, SECTOR);
    qvirtq_kick(&d.q);
    assert_state(&d, "running");
    g_assert_false(qvirtq_has_used(&d.q));
    qpci_write(d.qt, DEVFN, 4, 2, 7);
    qvirtq_wait(&d.q, head);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 7);
    quit(&d);
}

/* Requests under way when their queue, the device or the machine is reset go nowhere, and what
 * comes after works. */
static void test_reset_under_way(void)
{
    Disk d;

    start(&d, &ways[0], disk_make_image("reset"), ",format=raw", "");
    for (unsigned round = 0; round < 24; round++) {
        for (unsigned i = 0; i < 20; i++) {
            disk_add(&d, IN, i, 0, SECTOR);
        }
        qvirtq_kick(&d.q);
        if (round % 3 == 0) {
            qvirtio_set_common(&d.v, QVIRTIO_QUEUE_SELECT, 2, 0);
            qvirtio_set_common(&d.v, QVIRTIO_QUEUE_RESET, 2, 1);
        } else if (round % 3 == 1) {
            qvirtio_set_status(&d.v, 0);
        } else {
            qtest_qmp_ok(d.qt, "system_reset", "{}");
            json_object_put(qtest_event(d.qt, "RESET"));
        }
        disk_drive(&d, QVIRTIO_VERSION_1 | QVIRTIO_RING_RESET);
        g_assert_cmpuint(disk_request(&d, IN, 9, 0, SECTOR), ==, OK);
        g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 10);
    }
    quit(&d);
}

/* How often the iothread has slept, which it does after whatever it did. */
static uint64_t times_slept(Disk *d)
{
    g_autoptr(json_object) threads = qtest_qmp(d->qt, "query-iothreads", "{}");
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/status", qtest_pid(d->qt),
                        (int)qtest_get_int(json_object_array_get_idx(threads, 0), "thread-id"));
    g_autofree char *status = NULL;

    g_assert_true(g_file_get_contents(path, &status, NULL, NULL));
    return g_ascii_strtoull(strstr(status, "voluntary_ctxt_switches:") + 24, NULL, 10);
}

/* It is the iothread that does it, and it stays while a device needs it. */
static void test_iothread(void)
{
    g_autoptr(json_object) error = NULL, none = NULL;
    uint64_t before;
    Disk d;

    start(&d, &ways[0], disk_make_image("iothread"), ",format=raw", "");
    before = times_slept(&d);
    for (unsigned i = 0; i < 20; i++) {
        g_assert_cmpuint(disk_request(&d, IN, i, 0, SECTOR), ==, OK);
    }
    g_assert_cmpuint(times_slept(&d), >, before);
    error = qtest_qmp_error(d.qt, "object-del", "{'id': 'io0'}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "io0"));
    none = qtest_qmp_error(d.qt, "device_add",
                           "{'driver': 'virtio-blk-pci', 'drive': 'd0', 'iothread': 'io1'}");
    g_assert_nonnull(strstr(qtest_get_str(none, "desc"), "io1"));
    quit(&d);
}

typedef struct Test {
    const char *name;
    void (*fn)(void);
    bool iothread_only;
} Test;

static const Test tests[] = {
    { "senseless", test_senseless },
    { "read-only", test_read_only },
    { "properties", test_properties },
    { "report", test_report },
    { "ignore", test_ignore },
    { "stop", test_stop },
    { "stop-and-reset", test_stop_and_reset },
    { "saved", test_saved },
    { "resize", test_resize },
    { "interrupts", test_interrupts },
    { "stands", test_stands },
    { "reset-under-way", test_reset_under_way },
    { "iothread", test_iothread, true },
};

static void in_main_loop(gconstpointer test)
{
    on_iothread = false;
    ((const Test *)test)->fn();
}

static void in_iothread(gconstpointer test)
{
    on_iothread = true;
    ((const Test *)test)->fn();
}

static void requests_in_main_loop(gconstpointer way)
{
    on_iothread = false;
    test_requests(way);
}

static void requests_in_iothread(gconstpointer way)
{
    on_iothread = true;
    test_requests(way);
}

static void add_test(const char *where, const char *name, gconstpointer data, GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("/virtio-blk/%s/%s", where, name);

    g_test_add_data_func(path, data, fn);
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autofree char *name = g_strdup_printf("requests-%s", ways[i].name);

        add_test("main-loop", name, &ways[i], requests_in_main_loop);
        add_test("iothread", name, &ways[i], requests_in_iothread);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
        if (!tests[i].iothread_only) {
            add_test("main-loop", tests[i].name, &tests[i], in_main_loop);
        }
        add_test("iothread", tests[i].name, &tests[i], in_iothread);
    }
    g_test_add_func("/virtio-blk/blockdev", test_blockdev);
    g_test_add_func("/virtio-blk/queues", test_queues);
    return g_test_run();
}
