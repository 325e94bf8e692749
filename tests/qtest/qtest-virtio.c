/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio over PCI and virtio-rng, by a driver of our own. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN 0x20u /* slot 4 */

/* ---- what the function is ---- */

typedef struct Identity {
    const char *args;
    uint16_t id, subsystem;
    uint8_t revision;
    bool io, memory, msix;
} Identity;

static const Identity identities[] = {
    { "virtio-rng-pci", 0x1005, 4, 0, true, true, true },
    { "virtio-rng-pci-transitional", 0x1005, 4, 0, true, true, true },
    { "virtio-rng-pci-non-transitional", 0x1044, 0x1100, 1, false, true, true },
    { "virtio-rng-pci,disable-legacy=on", 0x1044, 0x1100, 1, false, true, true },
    { "virtio-rng-pci,disable-legacy=off", 0x1005, 4, 0, true, true, true },
    { "virtio-rng-pci,disable-modern=on", 0x1005, 4, 0, true, false, true },
    { "virtio-rng-pci,vectors=0", 0x1005, 4, 0, true, true, false },
};

static void test_identity(gconstpointer data)
{
    const Identity *id = data;
    QTest *qt = qtest_start("-M pc -m 64 -device %s,addr=4", id->args);

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, (uint32_t)id->id << 16 | 0x1af4);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x2c, 4), ==, (uint32_t)id->subsystem << 16 | 0x1af4);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x00ff0000u | id->revision);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x3d, 1), ==, 1);
    for (unsigned bar = 0; bar < 6; bar++) {
        qpci_write(qt, DEVFN, 0x10 + 4 * bar, 4, 0xffffffff);
    }
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x10, 4), ==, id->io ? 0xffffffe1 : 0);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x14, 4), ==, id->msix ? 0xfffff000 : 0);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x20, 4), ==, id->memory ? 0xffffc00c : 0);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x24, 4), ==, id->memory ? 0xffffffff : 0);
    qtest_quit(qt);
}

/* Behind a root port it is a PCI Express endpoint, without ports; the first extended capability is
 * ATS, if that is asked for. */
static void test_behind_port(void)
{
    QTest *qt = qtest_start("-M q35 -m 64 -device pcie-root-port,id=rp,addr=3"
                            " -device virtio-rng-pci,bus=rp,ats=on,iommu_platform=on");
    uint64_t ecam = 0xb0100000u;
    unsigned cap;

    qpci_write(qt, 0x18, 0x18, 4, 0x010100);
    g_assert_cmphex(qtest_readl(qt, ecam), ==, 0x10441af4);
    g_assert_cmphex(qtest_readl(qt, ecam + 0x10), ==, 0);
    for (cap = qtest_readb(qt, ecam + 0x34); cap && qtest_readb(qt, ecam + cap) != 0x10;) {
        cap = qtest_readb(qt, ecam + cap + 1);
    }
    g_assert_cmpuint(cap, !=, 0);
    g_assert_cmphex(qtest_readw(qt, ecam + cap + 2), ==, 2);
    g_assert_cmphex(qtest_readl(qt, ecam + 0x100), ==, 0x0001000f);
    g_assert_cmphex(qtest_readl(qt, ecam + 0x104), ==, 0x20);
    qtest_writew(qt, ecam + 0x106, 0xffff);
    g_assert_cmphex(qtest_readw(qt, ecam + 0x106), ==, 0x801f);
    qtest_quit(qt);
}

static const QTestRefused refused[] = {
    { "-device virtio-rng-pci,iommu_platform=on", "is for devices with disable-legacy=on" },
    { "-device virtio-serial-pci-transitional,iommu_platform=on", "of the kind -non-transitional" },
    { "-device virtio-rng-pci,disable-modern=on,disable-legacy=on", "no interface left" },
    { "-device virtio-rng-pci,vectors=2049", "at most 2048" },
    { "-device virtio-rng-pci,max-bytes=0", "both must be 1 or more" },
    { "-device virtio-rng-pci,period=0", "both must be 1 or more" },
    { "-device virtio-rng-pci,rng=r9", "there is no object 'r9'" },
    { "-object iothread,id=t -device virtio-rng-pci,rng=t", "expects the id or path of a rng" },
    { "-object rng-random,id=r,filename=/nonexistent/x", "could not open /nonexistent/x" },
    { "-object rng-random,id=r,filename=", "'filename' is empty" },
    { "-object rng-egd,id=r", "'chardev' is missing" },
    { "-object rng-egd,id=r,chardev=c9", "chardev 'c9' not found" },
    { "-chardev null,id=c -object rng-egd,id=r,chardev=c -object rng-egd,id=s,chardev=c", "'c'" },
    { "-device virtio-rng-device", "only the machine itself has" },
};

/* ---- random bytes ---- */

static QTest *start(const QVirtioWay *way, const char *more)
{
    return qtest_start("-M %s -m 64 -device virtio-rng-pci,addr=4%s", way->machine, more);
}

static void assert_random(QTest *qt, uint64_t addr)
{
    uint8_t bytes[64], zeros[64] = { 0 };

    qtest_memread(qt, addr, bytes, sizeof(bytes));
    g_assert_cmpint(memcmp(bytes, zeros, sizeof(bytes)), !=, 0);
}

static bool intx_raised(QVirtio *v)
{
    return qpci_read(v->qt, v->devfn, 6, 2) & 8;
}

static void test_rng(gconstpointer data)
{
    const QVirtioWay *way = data;
    QTest *qt = start(way, "");
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, way->modern);
    qvirtio_start(&v, qvirtio_offered(&v) & QVIRTIO_INDIRECT);
    qvirtio_queue(&v, &q, 0);
    uint64_t buffer = qvirtio_alloc(&v, 64);
    uint16_t head = qvirtq_add(&q, buffer, 64, true);
    qvirtq_kick(&q); /* too early: it is looked for when the driver is ready */
    qvirtio_driver_ok(&v);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 64);
    assert_random(qt, buffer);
    g_assert_true(intx_raised(&v));
    g_assert_cmphex(qvirtio_isr(&v), ==, 1);
    g_assert_false(intx_raised(&v));
    g_assert_cmphex(qvirtio_isr(&v), ==, 0);
    for (unsigned i = 0; i < 20; i++) { /* more than the ring has entries */
        head = qvirtq_add(&q, buffer, 1 + i, true);
        qvirtq_kick(&q);
        g_assert_cmpuint(qvirtq_wait(&q, head), ==, 1 + i);
    }
    qtest_quit(qt);
}

static void test_msix(gconstpointer data)
{
    const QVirtioWay *way = data;
    QTest *qt = start(way, "");
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, way->modern);
    qvirtio_use_msix(&v);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    qvirtio_mask(&v, 1, true);
    uint64_t buffer = qvirtio_alloc(&v, 64);
    uint16_t head = qvirtq_add(&q, buffer, 64, true);
    qvirtq_kick(&q);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 64);
    g_assert_true(qvirtio_is_pending(&v, 1));
    g_assert_false(intx_raised(&v));
    qvirtio_mask(&v, 1, false);
    g_assert_false(qvirtio_is_pending(&v, 1));
    qtest_quit(qt);
}

/* 16 bytes a second, and what is left of a second is kept by a reset of the device. */
static void test_rate(gconstpointer data)
{
    const QVirtioWay *way = data;
    QTest *qt = start(way, ",max-bytes=16,period=1000");
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, way->modern);
    for (unsigned round = 0; round < 2; round++) {
        qvirtio_start(&v, 0);
        qvirtio_queue(&v, &q, 0);
        qvirtio_driver_ok(&v);
        uint64_t buffer = qvirtio_alloc(&v, 64);
        uint16_t first = qvirtq_add(&q, buffer, 64, true);
        uint16_t second = qvirtq_add(&q, buffer, 4, true);
        qvirtq_kick(&q);
        if (round) {
            qtest_clock_step(qt, 1000000000);
        }
        g_assert_cmpuint(qvirtq_wait(&q, first), ==, 16);
        qtest_clock_step(qt, 999000000);
        g_assert_false(qvirtq_has_used(&q));
        qtest_clock_step(qt, 1000000);
        g_assert_cmpuint(qvirtq_wait(&q, second), ==, 4);
        first = qvirtq_add(&q, buffer, 64, true);
        qvirtq_kick(&q);
        g_assert_cmpuint(qvirtq_wait(&q, first), ==, 12);
    }
    qtest_quit(qt);
}

/* A backend that others may not take away; a file with an end. */
static void test_backends(void)
{
    QTest *qt = qtest_start("-m 64 -object rng-random,id=r0,filename=/dev/zero"
                            " -object rng-builtin,id=r1"
                            " -device virtio-rng-pci,addr=4,rng=r0");
    g_autoptr(json_object) error = NULL;
    QVirtQueue q;
    QVirtio v;

    error = qtest_qmp_error(qt, "object-del", "{'id': 'r0'}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "r0"));
    qtest_qmp_ok(qt, "object-del", "{'id': 'r1'}");
    qvirtio_open(&v, qt, DEVFN, true);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    uint64_t buffer = qvirtio_alloc(&v, 64);
    qtest_memset(qt, buffer, 0xff, 64);
    uint16_t head = qvirtq_add(&q, buffer, 32, true);
    qvirtq_kick(&q);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 32);
    g_assert_cmphex(qtest_readq(qt, buffer + 24), ==, 0);
    g_assert_cmphex(qtest_readq(qt, buffer + 32), ==, UINT64_MAX);
    qtest_quit(qt);
}

static int egd_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (const struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void egd_asked(int fd, unsigned len)
{
    uint8_t command[2];

    for (unsigned i = 0; i < sizeof(command); i++) {
        g_assert_cmpint(read(fd, command + i, 1), ==, 1);
    }
    g_assert_cmpuint(command[0], ==, 2);
    g_assert_cmpuint(command[1], ==, len);
}

/* A daemon of EGD's is asked for @len bytes, and has as many of @byte. */
static void egd_answer(int fd, unsigned len, uint8_t byte)
{
    g_autofree uint8_t *answer = g_malloc(len);

    egd_asked(fd, len);
    memset(answer, byte, len);
    g_assert_cmpint(write(fd, answer, 1), ==, 1);
    g_assert_cmpint(write(fd, answer + 1, len - 1), ==, len - 1);
}

/* A daemon has at most 255 bytes at a time; one that goes is asked again when it is back. An
 * answer that the guest does not wait for any more is for the next request. */
static void test_egd(void)
{
    g_autofree char *path = wire_path();
    QTest *qt = qtest_start("-m 64 -chardev socket,id=c,path=%s,server=on,wait=off"
                            " -object rng-egd,id=r,chardev=c -device virtio-rng-pci,addr=4,rng=r",
                            path);
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, true);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    uint64_t buffer = qvirtio_alloc(&v, 1024);
    uint16_t head = qvirtq_add(&q, buffer, 1024, true);
    qvirtq_kick(&q);
    int fd = egd_connect(path);
    egd_asked(fd, 255);
    close(fd);
    fd = egd_connect(path);
    egd_answer(fd, 255, 0x11);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 255);
    g_assert_cmphex(qtest_readl(qt, buffer + 251), ==, 0x11111111);
    head = qvirtq_add(&q, buffer, 16, true);
    qvirtq_kick(&q);
    egd_answer(fd, 16, 0x22);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 16);
    g_assert_cmphex(qtest_readl(qt, buffer + 12), ==, 0x22222222);

    head = qvirtq_add(&q, buffer, 32, true);
    qvirtq_kick(&q);
    qvirtio_start(&v, 0); /* resets it: that is forgotten here, but not there */
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    head = qvirtq_add(&q, buffer, 8, true);
    qvirtq_kick(&q);
    egd_answer(fd, 32, 0x33);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 8);
    g_assert_cmphex(qtest_readl(qt, buffer + 4), ==, 0x33333333);
    close(fd);
    qtest_quit(qt);
}

/* Nothing is written while the machine stands, and nothing is lost by it. */
static void test_stopped(void)
{
    QTest *qt = start(&qvirtio_ways[0], "");
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, true);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    qtest_qmp_ok(qt, "stop", NULL);
    uint16_t head = qvirtq_add(&q, qvirtio_alloc(&v, 64), 64, true);
    qvirtq_kick(&q);
    for (unsigned i = 0; i < 10; i++) { /* the loop has turned as often */
        g_assert_false(qvirtq_has_used(&q));
    }
    qtest_qmp_ok(qt, "cont", NULL);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 64);
    /* Nor while it may not reach memory. */
    qpci_write(qt, DEVFN, 4, 2, 3);
    head = qvirtq_add(&q, qvirtio_alloc(&v, 64), 64, true);
    qvirtq_kick(&q);
    for (unsigned i = 0; i < 10; i++) {
        g_assert_false(qvirtq_has_used(&q));
    }
    qpci_write(qt, DEVFN, 4, 2, 7);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 64);
    qtest_quit(qt);
}

/* Without MSI-X its interrupt comes to the I/O APIC, where the board has the pin of slot 4. */
static void test_pin(gconstpointer data)
{
    const QVirtioWay *way = data;
    unsigned line = g_str_equal(way->machine, "pc") ? 11 : 20; /* PIRQD#, routed; PIRQE# */
    QTest *qt = start(way, ",vectors=0");
    QVirtQueue q;
    QVirtio v;

    qtest_irq_intercept_in(qt, "ioapic");
    qvirtio_open(&v, qt, DEVFN, way->modern);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    g_assert_false(qtest_get_irq(qt, line));
    uint16_t head = qvirtq_add(&q, qvirtio_alloc(&v, 64), 64, true);
    qvirtq_kick(&q);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 64);
    g_assert_true(qtest_get_irq(qt, line));
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 8);
    g_assert_cmphex(qvirtio_isr(&v), ==, 1);
    g_assert_false(qtest_get_irq(qt, line));
    qtest_quit(qt);
}

/* ---- the transport ---- */

static void agree(QVirtio *v, unsigned half, uint32_t features)
{
    qvirtio_set_common(v, QVIRTIO_DRIVER_FEATURE_SELECT, 4, half);
    qvirtio_set_common(v, QVIRTIO_DRIVER_FEATURE, 4, features);
}

static void test_features(void)
{
    QTest *qt = start(&qvirtio_ways[0], ",event_idx=off");
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, true);
    g_assert_cmphex(qvirtio_offered(&v), ==,
                    QVIRTIO_VERSION_1 | QVIRTIO_RING_RESET | QVIRTIO_INDIRECT);
    qvirtio_set_common(&v, 0, 4, 2);
    g_assert_cmphex(qvirtio_common(&v, 4, 4), ==, 0);
    qvirtio_set_common(&v, 0, 4, 1);
    g_assert_cmphex(qvirtio_common(&v, 4, 2), ==, 0x0101); /* the beginning, as iPXE reads it */
    g_assert_cmphex(qvirtio_common(&v, 4, 1), ==, 0x01);
    g_assert_cmphex(qvirtio_common(&v, 6, 2), ==, 0);
    qvirtio_set_status(&v, 3);
    agree(&v, 0, 1 << 29); /* not offered */
    agree(&v, 1, 1);
    qvirtio_set_status(&v, 11);
    g_assert_cmphex(qvirtio_status(&v), ==, 3);
    agree(&v, 0, 0);
    agree(&v, 1, 0); /* without VERSION_1 */
    qvirtio_set_status(&v, 11);
    g_assert_cmphex(qvirtio_status(&v), ==, 3);
    agree(&v, 1, 1);
    qvirtio_set_status(&v, 11);
    g_assert_cmphex(qvirtio_status(&v), ==, 11);
    agree(&v, 1, 0x101); /* too late */
    g_assert_cmphex(qvirtio_common(&v, QVIRTIO_DRIVER_FEATURE, 4), ==, 1);
    qtest_quit(qt);
}

static uint64_t offered_with(const QVirtioWay *way, const char *options)
{
    QTest *qt = start(way, options);
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, way->modern);
    uint64_t offered = qvirtio_offered(&v);
    qtest_quit(qt);
    return offered;
}

/* A property that is off takes its own feature away, and no other. */
static void test_feature_properties(void)
{
    static const struct {
        const char *option;
        uint64_t modern, legacy; /* the bit, where the interface has it */
    } cases[] = {
        { ",event_idx=off", QVIRTIO_EVENT_IDX, QVIRTIO_EVENT_IDX },
        { ",indirect_desc=off", QVIRTIO_INDIRECT, QVIRTIO_INDIRECT },
        { ",queue_reset=off", QVIRTIO_RING_RESET, 0 },
        { ",any_layout=off", 0, UINT64_C(1) << 27 },
    };

    for (unsigned w = 0; w < 2; w++) {
        const QVirtioWay *way = &qvirtio_ways[w];
        uint64_t all = offered_with(way, "");

        for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
            uint64_t bit = way->modern ? cases[i].modern : cases[i].legacy;

            g_assert_cmphex(all & bit, ==, bit);
            g_assert_cmphex(offered_with(way, cases[i].option), ==, all & ~bit);
        }
    }
}

static void test_registers(void)
{
    QTest *qt = start(&qvirtio_ways[0], "");
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, true);
    g_assert_cmpuint(qvirtio_common(&v, QVIRTIO_NUM_QUEUES, 2), ==, 1);
    qvirtio_set_common(&v, QVIRTIO_QUEUE_SELECT, 2, 1); /* there is none */
    g_assert_cmpuint(qvirtio_common(&v, QVIRTIO_QUEUE_SIZE, 2), ==, 0);
    qvirtio_set_common(&v, QVIRTIO_QUEUE_ENABLE, 2, 1);
    g_assert_cmpuint(qvirtio_common(&v, QVIRTIO_QUEUE_ENABLE, 2), ==, 0);
    qvirtio_set_common(&v, QVIRTIO_QUEUE_SELECT, 2, 0);
    g_assert_cmpuint(qvirtio_common(&v, QVIRTIO_QUEUE_SIZE, 2), ==, 8);
    qvirtio_set_common(&v, 0x1a, 2, 1);
    g_assert_cmphex(qvirtio_common(&v, 0x1a, 2), ==, 1);
    qvirtio_set_common(&v, 0x1a, 2, 2); /* no such vector */
    g_assert_cmphex(qvirtio_common(&v, 0x1a, 2), ==, 0xffff);
    qvirtio_set_common(&v, 0x20, 4, 0x12345000); /* half of an address */
    qvirtio_set_common(&v, 0x24, 4, 0x9);
    g_assert_cmphex(qtest_readq(qt, v.structures[1] + 0x20), ==, 0x912345000);
    qvirtio_set_common(&v, 0x14, 4, 0xffffffff); /* no register */
    g_assert_cmphex(qvirtio_status(&v), ==, 0);
    g_assert_cmphex(qtest_readl(qt, v.structures[4]), ==, 0xffffffff); /* no configuration */
    qtest_writew(qt, v.structures[2] + 0xffc, 0xffff);
    qtest_quit(qt);
}

/* The capability by which firmware without BARs reaches the registers. */
static void test_access(void)
{
    QTest *qt = start(&qvirtio_ways[0], "");
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, true);
    unsigned cap = v.kinds[5];
    g_assert_cmpuint(cap, !=, 0);
    qpci_write(qt, DEVFN, cap + 4, 1, 4);
    qpci_write(qt, DEVFN, cap + 8, 4, QVIRTIO_STATUS);
    qpci_write(qt, DEVFN, cap + 12, 4, 1);
    qpci_write(qt, DEVFN, cap + 16, 1, 1);
    g_assert_cmphex(qvirtio_status(&v), ==, 1);
    g_assert_cmphex(qpci_read(qt, DEVFN, cap + 16, 1), ==, 1);
    qpci_write(qt, DEVFN, cap + 8, 4, QVIRTIO_NUM_QUEUES);
    qpci_write(qt, DEVFN, cap + 12, 4, 2);
    g_assert_cmphex(qpci_read(qt, DEVFN, cap + 16, 2), ==, 1);
    /* What cannot be. */
    static const uint32_t bad[][3] = { { 4, 0x4000, 4 },     { 4, 0xffffffff, 1 }, { 4, 1, 4 },
                                       { 4, 0, 0x80000000 }, { 1, 0, 4 },          { 255, 0, 4 } };
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        qpci_write(qt, DEVFN, cap + 4, 1, bad[i][0]);
        qpci_write(qt, DEVFN, cap + 8, 4, bad[i][1]);
        qpci_write(qt, DEVFN, cap + 12, 4, bad[i][2]);
        qpci_write(qt, DEVFN, cap + 16, 4, 0x55aa55aa);
        g_assert_cmphex(qpci_read(qt, DEVFN, cap + 16, 4), ==, 0x55aa55aa);
    }
    g_assert_cmphex(qvirtio_status(&v), ==, 1);
    qtest_quit(qt);
}

/* A driver that breaks the ring is told so, and can begin again. */
static void test_needs_reset(gconstpointer data)
{
    const QVirtioWay *way = data;
    QTest *qt = start(way, "");
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, way->modern);
    for (unsigned round = 0; round < 2; round++) {
        qvirtio_start(&v, 0);
        qvirtio_queue(&v, &q, 0);
        qvirtio_driver_ok(&v);
        qvirtq_add(&q, round ? UINT64_MAX - 63 : q.desc, round ? 64 : 0, true);
        qvirtq_kick(&q);
        g_assert_cmphex(qvirtio_status(&v) & QVIRTIO_NEEDS_RESET, ==, QVIRTIO_NEEDS_RESET);
        g_assert_cmphex(qvirtio_isr(&v), ==, 2);
        g_assert_false(qvirtq_has_used(&q));
        qvirtq_kick(&q);
        qvirtio_set_status(&v, 7); /* it cannot be talked away */
        g_assert_cmphex(qvirtio_status(&v) & QVIRTIO_NEEDS_RESET, ==, QVIRTIO_NEEDS_RESET);
    }
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    uint16_t head = qvirtq_add(&q, qvirtio_alloc(&v, 64), 64, true);
    qvirtq_kick(&q);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 64);
    qtest_quit(qt);
}

static void test_queue_reset(void)
{
    QTest *qt = start(&qvirtio_ways[2], ",max-bytes=8,period=1000");
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, qt, DEVFN, true);
    qvirtio_start(&v, QVIRTIO_RING_RESET);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    uint64_t buffer = qvirtio_alloc(&v, 64);
    uint16_t head = qvirtq_add(&q, buffer, 8, true);
    qvirtq_add(&q, buffer, 8, true); /* waits, and is forgotten */
    qvirtq_kick(&q);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 8);
    qvirtio_set_common(&v, QVIRTIO_QUEUE_RESET, 2, 1);
    g_assert_cmpuint(qvirtio_common(&v, QVIRTIO_QUEUE_RESET, 2), ==, 0);
    g_assert_cmpuint(qvirtio_common(&v, QVIRTIO_QUEUE_ENABLE, 2), ==, 0);
    qtest_clock_step(qt, 1000000000);
    g_assert_false(qvirtq_has_used(&q));
    qvirtio_queue(&v, &q, 0);
    head = qvirtq_add(&q, buffer, 8, true);
    qvirtq_kick(&q);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 8);
    qtest_quit(qt);
}

/* ---- saved and loaded ---- */

/* With a buffer that waits for the next period, in a ring that has been around. */
static void test_saved(gconstpointer data)
{
    const QVirtioWay *way = data;
    QTest *from = start(way, ",max-bytes=16,period=1000"), *to;
    g_autofree char *path = qtest_temp_path(from, "machine");
    uint16_t head = 0;
    QVirtQueue q;
    QVirtio v;

    qvirtio_open(&v, from, DEVFN, way->modern);
    qvirtio_use_msix(&v);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &q, 0);
    qvirtio_driver_ok(&v);
    uint64_t buffer = qvirtio_alloc(&v, 64);
    for (unsigned i = 0; i < 16; i++) {
        head = qvirtq_add(&q, buffer, 1, true);
        qvirtq_kick(&q);
        g_assert_cmpuint(qvirtq_wait(&q, head), ==, 1);
    }
    head = qvirtq_add(&q, buffer, 64, true);
    qvirtq_kick(&q);
    qvirtio_mask(&v, 1, true);
    qtest_save(from, path);
    to = qtest_start("-M %s -m 64 -device virtio-rng-pci,addr=4,max-bytes=16,period=1000"
                     " -incoming file:%s",
                     way->machine, path);
    qtest_wait_running(to);
    v.qt = to;
    g_assert_cmphex(qvirtio_status(&v) & QVIRTIO_DRIVER_OK, ==, QVIRTIO_DRIVER_OK);
    g_assert_false(qvirtq_has_used(&q));
    qtest_clock_step(to, 1000000000);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 16);
    g_assert_true(qvirtio_is_pending(&v, 1));
    head = qvirtq_add(&q, buffer, 64, true);
    qvirtq_kick(&q);
    qtest_clock_step(to, 1000000000);
    g_assert_cmpuint(qvirtq_wait(&q, head), ==, 16);
    qtest_quit(from);
    qtest_quit(to);
}

static void add_ways(const char *name, void (*fn)(gconstpointer way))
{
    for (unsigned i = 0; i < G_N_ELEMENTS(qvirtio_ways); i++) {
        g_autofree char *path = g_strdup_printf("/virtio/%s/%s", name, qvirtio_ways[i].name);

        g_test_add_data_func(path, &qvirtio_ways[i], fn);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(identities); i++) {
        g_autofree char *path = g_strdup_printf("/virtio/identity/%u", i);
        g_test_add_data_func(path, &identities[i], test_identity);
    }
    g_test_add_func("/virtio/behind-port", test_behind_port);
    qtest_add_refused("/virtio/refused", refused, G_N_ELEMENTS(refused));
    add_ways("rng", test_rng);
    add_ways("msix", test_msix);
    add_ways("pin", test_pin);
    add_ways("rate", test_rate);
    g_test_add_func("/virtio/backends", test_backends);
    g_test_add_func("/virtio/egd", test_egd);
    g_test_add_func("/virtio/stopped", test_stopped);
    g_test_add_func("/virtio/features", test_features);
    g_test_add_func("/virtio/feature-properties", test_feature_properties);
    g_test_add_func("/virtio/registers", test_registers);
    g_test_add_func("/virtio/access", test_access);
    add_ways("needs-reset", test_needs_reset);
    g_test_add_func("/virtio/queue-reset", test_queue_reset);
    add_ways("saved", test_saved);
    return g_test_run();
}
