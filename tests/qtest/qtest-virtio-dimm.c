/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest ejects a DIMM while a disk reads into it: it goes when that has ended, not before. */

#include "tests/qtest/virtio.h"
#include "util/units.h"

#define DEVFN  0x20u     /* slot 4 */
#define DIMM   (4 * GIB) /* its address: there is no boot memory above 4 GiB */
#define SECTOR 512u

enum { IN, FLUSH = 4, GET_ID = 8 };
enum { DIMM_SELECT = 0xa00, DIMM_FLAGS = 0xa14, DIMM_ENABLED = 1, DIMM_EJECT = 8 };

typedef struct Guest {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    uint64_t header;
} Guest;

static void drive(Guest *g)
{
    qvirtio_open(&g->v, g->qt, DEVFN, true);
    qvirtio_start(&g->v, QVIRTIO_VERSION_1);
    qvirtio_queue(&g->v, &g->q, 0);
    qvirtio_driver_ok(&g->v);
    g->header = qvirtio_alloc(&g->v, 16);
}

/* @node: the options of -blockdev, without its name. */
static void start(Guest *g, const char *node, const char *device)
{
    g->qt = qtest_start("-m 64M,slots=2,maxmem=8G -blockdev %s,node-name=n0"
                        " -device virtio-blk-pci,drive=n0,addr=4,id=disk%s"
                        " -object iothread,id=io0 -object memory-backend-ram,id=m0,size=128M "
                        "-device pc-dimm,id=d0,memdev=m0",
                        node, device);
    drive(g);
}

/* Read a sector into the DIMM at @offset; the status follows it. */
static uint16_t read_into_dimm(Guest *g, uint64_t sector, uint64_t offset)
{
    uint16_t head;

    qtest_writel(g->qt, g->header, IN);
    qtest_writeq(g->qt, g->header + 8, sector);
    head = qvirtq_add_pair(&g->q, g->header, 16, DIMM + offset, SECTOR + 1);
    qvirtq_kick(&g->q);
    return head;
}

static unsigned dimms(Guest *g)
{
    g_autoptr(json_object) list = qtest_qmp(g->qt, "query-memory-devices", NULL);

    return (unsigned)json_object_array_length(list);
}

static void eject(Guest *g)
{
    qtest_outl(g->qt, DIMM_SELECT, 0);
    qtest_outb(g->qt, DIMM_FLAGS, DIMM_EJECT);
    /* The guest's view of the slot changes at once. */
    g_assert_cmphex(qtest_inb(g->qt, DIMM_FLAGS) & DIMM_ENABLED, ==, 0);
}

static void request_and_eject(Guest *g)
{
    qtest_qmp_ok(g->qt, "device_del", "{'id': 'd0'}");
    eject(g);
}

/* It goes, and so can its backend. */
static void assert_gone(Guest *g)
{
    json_object_put(qtest_event(g->qt, "DEVICE_DELETED"));
    g_assert_cmpuint(dimms(g), ==, 0);
    qtest_qmp_ok(g->qt, "object-del", "{'id': 'm0'}");
}

static void assert_broken(Guest *g)
{
    while (!(qvirtio_status(&g->v) & QVIRTIO_NEEDS_RESET)) {
        g_usleep(1000);
    }
    g_assert_false(qvirtq_has_used(&g->q));
}

static void assert_works(Guest *g)
{
    uint64_t status = qvirtio_alloc(&g->v, 1);
    uint16_t head;

    qtest_writel(g->qt, g->header, FLUSH);
    head = qvirtq_add_pair(&g->q, g->header, 16, status, 1);
    qtest_writeb(g->qt, status, 0xee);
    qvirtq_kick(&g->q);
    qvirtq_wait(&g->q, head);
    g_assert_cmpuint(qtest_readb(g->qt, status), ==, 0);
}

/* A read that has failed, and stopped the machine, is kept by its place in the ring: it does not
 * keep the DIMM. When it is tried again its buffer is no RAM. */
static void test_kept(void)
{
    Guest g;

    start(&g,
          "blkdebug,image.driver=null-co,image.size=1M,inject-error.0.event=read_aio,"
          "inject-error.0.sector=7,inject-error.0.once=on",
          ",rerror=stop");
    read_into_dimm(&g, 7, 0);
    json_object_put(qtest_event(g.qt, "STOP"));
    request_and_eject(&g);
    assert_gone(&g);
    qtest_qmp_ok(g.qt, "cont", "{}");
    assert_broken(&g);
    drive(&g);
    read_into_dimm(&g, 7, 0);
    assert_broken(&g);
    drive(&g);
    assert_works(&g);
    qtest_quit(g.qt);
}

enum { READS = 32, STEP = 4096 };

/* Each takes half a second in the host. */
static void start_reading(Guest *g, const char *device)
{
    start(g, "null-co,size=1M,read-zeroes=on,latency-ns=500000000", device);
    for (unsigned i = 0; i < READS; i++) {
        read_into_dimm(g, i, i * STEP);
    }
}

/* The disk takes what is in its ring in order, perhaps on a thread of its own: a request that it
 * answers at once shows that it has taken all before it. */
static void wait_taken(Guest *g)
{
    enum { ID_SIZE = 20 };
    uint64_t header = qvirtio_alloc(&g->v, 16), id = qvirtio_alloc(&g->v, ID_SIZE + 1);

    qtest_writel(g->qt, header, GET_ID);
    qtest_writeb(g->qt, id + ID_SIZE, 0xee);
    qvirtq_add_pair(&g->q, header, 16, id, ID_SIZE + 1);
    qvirtq_kick(&g->q);
    while (qtest_readb(g->qt, id + ID_SIZE) == 0xee) {
        g_usleep(1000);
    }
}

/* How many the host has done, by its count. */
static unsigned reads_ended(Guest *g)
{
    g_autoptr(json_object) stats = qtest_qmp(g->qt, "query-blockstats", NULL);

    return (unsigned)qtest_get_int(json_object_array_get_idx(stats, 0), "stats.rd_operations");
}

/* When the DIMM has gone, all reads into it have ended. */
static void test_in_flight(gconstpointer data)
{
    Guest g;

    start_reading(&g, data);
    wait_taken(&g);
    request_and_eject(&g);
    g_test_message("%u DIMMs after the ejection", dimms(&g));
    while (dimms(&g)) {
        g_usleep(1000);
    }
    /* Looked at after that. */
    g_assert_cmpuint(reads_ended(&g), ==, READS);
    assert_gone(&g);
    qtest_quit(g.qt);
}

/* The driver resets the disk meanwhile: nobody is told of the reads, and the DIMM goes. */
static void test_reset_meanwhile(void)
{
    Guest g;

    start_reading(&g, "");
    request_and_eject(&g);
    qvirtio_set_status(&g.v, 0);
    assert_gone(&g);
    drive(&g);
    assert_works(&g);
    qtest_quit(g.qt);
}

/* Another DIMM at the same address is not written to by what was asked for when the first one was
 * there. */
static void test_successor(void)
{
    Guest g;

    start_reading(&g, "");
    eject(&g);
    assert_gone(&g);
    qtest_qmp_ok(g.qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': 'm0', 'size': 134217728}");
    qtest_qmp_ok(g.qt, "device_add", "{'driver': 'pc-dimm', 'id': 'd0', 'memdev': 'm0'}");
    qtest_memset(g.qt, DIMM, 0xaa, READS * STEP);
    g.q.used += READS;
    qvirtq_wait(&g.q, read_into_dimm(&g, 8, 0));
    g_assert_cmphex(qtest_readb(g.qt, DIMM), ==, 0);
    for (unsigned i = 1; i < READS; i++) {
        g_assert_cmphex(qtest_readb(g.qt, DIMM + i * STEP), ==, 0xaa);
    }
    qtest_quit(g.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-dimm/kept", test_kept);
    g_test_add_data_func("/virtio-dimm/in-flight", "", test_in_flight);
    g_test_add_data_func("/virtio-dimm/in-flight-iothread", ",iothread=io0", test_in_flight);
    g_test_add_func("/virtio-dimm/reset-meanwhile", test_reset_meanwhile);
    g_test_add_func("/virtio-dimm/successor", test_successor);
    return g_test_run();
}
