/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of disks, by the virtual clock: how many requests are let through in a time; groups,
 * nodes, what drains; and thresholds of writes. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

#define MS 1000000ll

static char *image;

#define MACHINE "-M pc -m 64 "
#define DEVICE  " -device virtio-blk-pci,drive=d0,addr=4"

static void drive(Disk *d, QTest *qt)
{
    *d = (Disk){ .qt = qt, .v.modern = true };
    disk_drive(d, QVIRTIO_VERSION_1);
}

/* @count reads (or writes) of sector 0 at once, of @sectors. */
static void flood(Disk *d, uint32_t type, unsigned count, unsigned sectors)
{
    for (unsigned i = 0; i < count; i++) {
        disk_add(d, type, 0, type == OUT ? sectors * SECTOR : 0, type == IN ? sectors * SECTOR : 0);
    }
    qvirtq_kick(&d->q);
}

/* That many are done, and no more. Those that may go are with the threads: they end. */
static void assert_done(Disk *d, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        qvirtq_wait_any(&d->q);
    }
    qtest_qmp_ok(d->qt, "query-status", "{}");
    g_assert_false(qvirtq_has_used(&d->q));
}

static void test_drive(void)
{
    Disk d;

    drive(&d, qtest_start(MACHINE
                          "-drive if=none,id=d0,format=raw,file=%s,throttling.iops-total=10" DEVICE,
                          image));
    flood(&d, IN, 20, 1);
    assert_done(&d, 2); /* the second makes it too full */
    qtest_clock_step(d.qt, 99 * MS);
    assert_done(&d, 0);
    qtest_clock_step(d.qt, 2 * MS);
    assert_done(&d, 1);
    qtest_clock_step(d.qt, 1001 * MS);
    assert_done(&d, 10);
    qtest_clock_step(d.qt, 1001 * MS);
    assert_done(&d, 7); /* all of them */
    qtest_quit(d.qt);
}

static void test_bytes(void)
{
    Disk d;

    drive(&d, qtest_start(MACHINE "-drive if=none,id=d0,format=raw,file=%s,bps_wr=10240" DEVICE,
                          image));
    flood(&d, IN, 20, 64); /* reads have no limit */
    assert_done(&d, 20);
    flood(&d, OUT, 10, 20); /* each takes a second */
    assert_done(&d, 1);
    qtest_clock_step(d.qt, 3001 * MS);
    assert_done(&d, 3);
    qtest_clock_step(d.qt, 10000 * MS);
    assert_done(&d, 6);
    qtest_quit(d.qt);
}

static void test_command(void)
{
    g_autoptr(json_object) list = NULL, error = NULL, none = NULL;
    g_autofree char *said = NULL;
    Disk d;

    drive(&d,
          qtest_start(MACHINE "-drive if=none,id=d0,format=raw,file=%s" DEVICE ",id=disk", image));
    qtest_qmp_ok(d.qt, "block_set_io_throttle",
                 "{'id': 'disk', 'bps': 0, 'bps_rd': 0, 'bps_wr': 0, 'iops': 0, 'iops_rd': 5, "
                 "'iops_wr': 7, 'iops_rd_max': 50, 'iops_rd_max_length': 3, 'iops_size': 4096, "
                 "'group': 'g'}");
    list = qtest_qmp(d.qt, "query-block", "{}");
    g_assert_cmpint(qtest_get_int(list, "0.inserted.iops_rd"), ==, 5);
    g_assert_cmpint(qtest_get_int(list, "0.inserted.iops_wr"), ==, 7);
    g_assert_cmpint(qtest_get_int(list, "0.inserted.iops_rd_max"), ==, 50);
    g_assert_cmpint(qtest_get_int(list, "0.inserted.iops_rd_max_length"), ==, 3);
    g_assert_cmpint(qtest_get_int(list, "0.inserted.iops_size"), ==, 4096);
    g_assert_cmpstr(qtest_get_str(list, "0.inserted.group"), ==, "g");
    g_assert_null(qtest_get(list, "0.inserted.iops_wr_max"));
    error = qtest_qmp_error(d.qt, "block_set_io_throttle",
                            "{'device': 'd0', 'bps': 1, 'bps_rd': 1, 'bps_wr': 0, 'iops': 0, "
                            "'iops_rd': 0, 'iops_wr': 0}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "do not go together"));
    said = qtest_hmp(d.qt, "block_set_io_throttle d0 0 0 0 10 0 0");
    g_assert_cmpstr(said, ==, "");
    flood(&d, IN, 30, 1);
    assert_done(&d, 2);
    qtest_clock_step(d.qt, 1001 * MS);
    assert_done(&d, 10);
    qtest_qmp_ok(d.qt, "block_set_io_throttle",
                 "{'device': 'd0', 'bps': 0, 'bps_rd': 0, 'bps_wr': 0, 'iops': 0, 'iops_rd': 0, "
                 "'iops_wr': 0}");
    assert_done(&d, 18);
    none = qtest_qmp(d.qt, "query-block", "{}");
    g_assert_cmpint(qtest_get_int(none, "0.inserted.iops"), ==, 0);
    g_assert_null(qtest_get(none, "0.inserted.group"));
    qtest_quit(d.qt);
}

/* How many requests are in the first and in the last bin. */
static void assert_bins(Disk *d, const char *kind, int64_t first, int64_t last)
{
    g_autoptr(json_object) stats = qtest_qmp(d->qt, "query-blockstats", "{}");
    g_autofree char *path = g_strdup_printf("0.stats.%s_latency_histogram", kind);
    json_object *found = qtest_get(stats, path), *bins;

    if (first < 0) {
        g_assert_null(found);
        return;
    }
    bins = json_object_object_get(found, "bins");
    g_assert_cmpint(json_object_get_int64(json_object_array_get_idx(bins, 0)), ==, first);
    g_assert_cmpint(
        json_object_get_int64(json_object_array_get_idx(bins, json_object_array_length(bins) - 1)),
        ==, last);
    g_assert_cmpint(json_object_array_length(bins), ==,
                    json_object_array_length(json_object_object_get(found, "boundaries")) + 1);
}

/* No request takes less than a nanosecond, and none as long as an hour. */
static void test_latency(void)
{
    static const char *const bad[] = {
        "{'id': 'd0', 'boundaries': [7], 'boundaries-flush': [10, 10]}",
        "{'id': 'd0', 'boundaries': [7], 'boundaries-flush': [20, 10]}",
        "{'id': 'd0', 'boundaries': [7], 'boundaries-flush': [0, 10]}",
    };
    g_autoptr(json_object) missing = NULL;
    Disk d;

    drive(&d,
          qtest_start(MACHINE "-drive if=none,id=d0,format=raw,file=%s" DEVICE ",id=disk", image));
    assert_bins(&d, "rd", -1, 0);
    qtest_qmp_ok(d.qt, "block-latency-histogram-set",
                 "{'id': 'disk', 'boundaries': [1, 3600000000000], "
                 "'boundaries-write': [3600000000000]}");
    flood(&d, IN, 3, 1);
    assert_done(&d, 3);
    flood(&d, OUT, 5, 1);
    assert_done(&d, 5);
    assert_bins(&d, "rd", 0, 0);
    assert_bins(&d, "wr", 5, 0);
    assert_bins(&d, "flush", 0, 0);
    qtest_qmp_ok(d.qt, "block-latency-histogram-set", "{'id': 'd0', 'boundaries-read': [1]}");
    flood(&d, IN, 2, 1);
    assert_done(&d, 2);
    assert_bins(&d, "rd", 0, 2);
    assert_bins(&d, "wr", 5, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(json_object) error = qtest_qmp_error(d.qt, "block-latency-histogram-set", bad[i]);

        g_assert_cmpstr(qtest_get_str(error, "desc"), ==,
                        "the boundaries of flush do not rise: each is larger than the one before "
                        "it, and the first than 0");
    }
    assert_bins(&d, "rd", 0, 2);
    qtest_qmp_ok(d.qt, "block-latency-histogram-set", "{'id': 'd0', 'boundaries-read': []}");
    flood(&d, IN, 4, 1);
    assert_done(&d, 4);
    assert_bins(&d, "rd", 4, 4);
    qtest_qmp_ok(d.qt, "block-latency-histogram-set", "{'id': 'd0'}");
    assert_bins(&d, "rd", -1, 0);
    assert_bins(&d, "wr", -1, 0);
    missing = qtest_qmp_error(d.qt, "block-latency-histogram-set", "{'id': 'none'}");
    g_assert_cmpstr(qtest_get_str(missing, "class"), ==, "DeviceNotFound");
    qtest_quit(d.qt);
}

static void test_node(void)
{
    g_autoptr(json_object) limits = NULL, busy = NULL, bad = NULL, missing = NULL;
    Disk d;

    drive(&d, qtest_start(MACHINE "-object throttle-group,id=g,x-iops-total=10"
                                  " -blockdev file,node-name=f,filename=%s"
                                  " -blockdev throttle,node-name=t,throttle-group=g,file=f"
                                  " -device virtio-blk-pci,drive=t,addr=4",
                          image));
    flood(&d, OUT, 10, 1);
    assert_done(&d, 2);
    qtest_clock_step(d.qt, 501 * MS);
    assert_done(&d, 5);
    qtest_qmp_ok(d.qt, "qom-set",
                 "{'path': '/objects/g', 'property': 'limits', 'value': {'iops-total': 0}}");
    assert_done(&d, 3);
    qtest_qmp_ok(d.qt, "qom-set",
                 "{'path': '/objects/g', 'property': 'limits', 'value': {'bps-read': 512}}");
    limits = qtest_qmp(d.qt, "qom-get", "{'path': '/objects/g', 'property': 'limits'}");
    g_assert_cmpint(qtest_get_int(limits, "bps-read"), ==, 512);
    g_assert_cmpint(qtest_get_int(limits, "bps-read-max-length"), ==, 1);
    bad = qtest_qmp_error(
        d.qt, "qom-set",
        "{'path': '/objects/g', 'property': 'limits', 'value': {'bps-total': 512}}");
    g_assert_nonnull(strstr(qtest_get_str(bad, "desc"), "do not go together"));
    flood(&d, IN, 5, 1);
    assert_done(&d, 1);
    qtest_clock_step(d.qt, 2001 * MS);
    assert_done(&d, 2);
    busy = qtest_qmp_error(d.qt, "object-del", "{'id': 'g'}");
    g_assert_nonnull(strstr(qtest_get_str(busy, "desc"), "in use"));
    missing = qtest_qmp_error(d.qt, "blockdev-add",
                              "{'driver': 'throttle', 'node-name': 'u', 'throttle-group': 'x', "
                              "'file': {'driver': 'null-co'}}");
    g_assert_nonnull(strstr(qtest_get_str(missing, "desc"), "no throttle group 'x'"));
    qtest_quit(d.qt); /* with two that wait */
}

/* Below a format threads wait. */
static void test_below(void)
{
    Disk d;

    drive(&d,
          qtest_start(MACHINE "-object '{\"qom-type\":\"throttle-group\",\"id\":\"g\",\"limits\":"
                              "{\"iops-read\":10}}'"
                              " -blockdev file,node-name=f,filename=%s"
                              " -blockdev throttle,node-name=t,throttle-group=g,file=f"
                              " -blockdev raw,node-name=r,file=t"
                              " -device virtio-blk-pci,drive=r,addr=4",
                      image));
    flood(&d, IN, 5, 1);
    for (unsigned i = 0; i < 2; i++) {
        qvirtq_wait_any(&d.q);
    }
    qtest_qmp_ok(d.qt, "stop", "{}"); /* nothing waits while it is drained */
    for (unsigned i = 0; i < 3; i++) {
        qvirtq_wait_any(&d.q);
    }
    qtest_quit(d.qt);
}

/* Two drives of a group take turns. */
static void test_group(void)
{
    QTest *qt = qtest_start(MACHINE "-drive if=none,id=d0,format=raw,file=%s,iops=10,group=g,"
                                    "readonly=on"
                                    " -drive if=none,id=d1,format=raw,file=%s,iops=10,"
                                    "throttling.group=g,readonly=on" DEVICE
                                    " -device virtio-blk-pci,drive=d1,addr=5",
                            image, image);
    g_autoptr(json_object) list = qtest_qmp(qt, "query-block", "{}");
    Disk d;

    g_assert_cmpstr(qtest_get_str(list, "0.inserted.group"), ==, "g");
    g_assert_cmpstr(qtest_get_str(list, "1.inserted.group"), ==, "g");
    drive(&d, qt);
    flood(&d, IN, 4, 1);
    assert_done(&d, 2);
    qtest_clock_step(qt, 201 * MS);
    assert_done(&d, 2);
    qtest_quit(qt);
}

static void test_threshold(void)
{
    g_autoptr(json_object) event = NULL, nodes = NULL, after = NULL;
    Disk d;

    drive(&d, qtest_start(MACHINE "-blockdev file,node-name=f,filename=%s"
                                  " -device virtio-blk-pci,drive=f,addr=4",
                          image));
    qtest_qmp_ok(d.qt, "block-set-write-threshold", "{'node-name': 'f', 'write-threshold': 5120}");
    nodes = qtest_qmp(d.qt, "query-named-block-nodes", "{}");
    g_assert_cmpint(qtest_get_int(nodes, "0.write_threshold"), ==, 5120);
    disk_write(&d, 9, 0x11);
    g_assert_cmpuint(qtest_event_count(d.qt, "BLOCK_WRITE_THRESHOLD"), ==, 0);
    disk_write(&d, 11, 0x22);
    event = qtest_event(d.qt, "BLOCK_WRITE_THRESHOLD");
    g_assert_cmpstr(qtest_get_str(event, "data.node-name"), ==, "f");
    g_assert_cmpint(qtest_get_int(event, "data.amount-exceeded"), ==, 1024);
    g_assert_cmpint(qtest_get_int(event, "data.write-threshold"), ==, 5120);
    disk_write(&d, 12, 0x33);
    after = qtest_qmp(d.qt, "query-named-block-nodes", "{}");
    g_assert_cmpint(qtest_get_int(after, "0.write_threshold"), ==, 0);
    g_assert_cmpuint(qtest_event_count(d.qt, "BLOCK_WRITE_THRESHOLD"), ==, 0);
    qtest_quit(d.qt);
}

static const QTestRefused refused[] = {
    { "-drive if=none,driver=null-co,bps=1,bps_rd=1", "do not go together" },
    { "-drive if=none,driver=null-co,throttling.iops-total-max=1", "is of no use" },
    { "-drive if=none,driver=null-co,throttling.nothing=1", "nothing" },
    { "-blockdev '{\"driver\":\"throttle\",\"node-name\":\"t\",\"throttle-group\":\"x\","
      "\"file\":{\"driver\":\"null-co\"}}'",
      "no throttle group 'x'" },
    { "-object throttle-group,id=g,x-bps-total=10,x-bps-total-max=5", "is lower than" },
};

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    image = disk_make_image("throttle");
    qtest_add_refused("/throttle", refused, G_N_ELEMENTS(refused));
    g_test_add_func("/throttle/drive", test_drive);
    g_test_add_func("/throttle/bytes", test_bytes);
    g_test_add_func("/throttle/command", test_command);
    g_test_add_func("/throttle/latency", test_latency);
    g_test_add_func("/throttle/node", test_node);
    g_test_add_func("/throttle/below", test_below);
    g_test_add_func("/throttle/group", test_group);
    g_test_add_func("/throttle/threshold", test_threshold);
    status = g_test_run();
    unlink(image);
    g_free(image);
    return status;
}
