/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-pmem by a driver of our own: flushes, right and wrong; what it shows; a saved machine. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "util/units.h"

#define DEVFN  0x20u     /* slot 4 */
#define REGION (4 * GIB) /* where the window begins */
#define SIZE   (16 * MIB)

#define MACHINE "-m 64M,maxmem=8G"
#define DEVICE  " -device virtio-pmem-pci,id=p0,memdev=m0,addr=4"

enum { FLUSH };
enum { OK, EIO_ = 1 };

typedef struct Pmem {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    uint64_t request, response;
} Pmem;

static void drive(Pmem *p)
{
    qvirtio_open_one(&p->v, &p->q, p->qt, DEVFN, 0);
    p->request = qvirtio_alloc(&p->v, 4);
    p->response = qvirtio_alloc(&p->v, 4);
}

static uint16_t offer(Pmem *p, uint32_t type)
{
    qtest_writel(p->qt, p->request, type);
    qtest_writel(p->qt, p->response, 0xeeeeeeee);
    uint16_t head = qvirtq_add_pair(&p->q, p->request, 4, p->response, 4);
    qvirtq_kick(&p->q);
    return head;
}

static uint32_t ask(Pmem *p, uint32_t type)
{
    uint16_t head = offer(p, type);

    g_assert_cmpuint(qvirtq_wait(&p->q, head), ==, 4);
    return qtest_readl(p->qt, p->response);
}

/* A file of SIZE bytes that begins with "before". g_free. */
static char *make_file(void)
{
    g_autoptr(GError) err = NULL;
    char *path;
    int fd = g_file_open_tmp(NULL, &path, &err);

    g_assert_no_error(err);
    g_assert_cmpint(pwrite(fd, "before", 6, 0), ==, 6);
    g_assert_cmpint(ftruncate(fd, (off_t)SIZE), ==, 0);
    close(fd);
    return path;
}

#define FILE_BACKEND " -object memory-backend-file,id=m0,size=16M,share=on,mem-path=%s"

static void start(Pmem *p, const char *machine, const char *path)
{
    *p = (Pmem){ .qt = qtest_start("%s " MACHINE FILE_BACKEND DEVICE, machine, path) };
    drive(p);
}

/* What is in the file is what the guest finds, and the other way round. */
static void test_flush(gconstpointer machine)
{
    g_autofree char *path = make_file(), *after = NULL;
    char found[7] = "";
    gsize length;
    Pmem p;

    start(&p, machine, path);
    g_assert_cmphex(qpci_read(p.qt, DEVFN, 0, 4), ==, 0x105b1af4);
    g_assert_cmphex(qvirtio_config(&p.v, 0, 4), ==, 0);
    g_assert_cmphex(qvirtio_config(&p.v, 4, 4), ==, REGION >> 32);
    g_assert_cmphex(qvirtio_config(&p.v, 8, 4), ==, SIZE);
    qtest_memread(p.qt, REGION, found, 6);
    g_assert_cmpstr(found, ==, "before");
    qtest_memwrite(p.qt, REGION, "behind", 6);
    g_assert_cmpuint(ask(&p, FLUSH), ==, OK);
    g_assert_true(g_file_get_contents(path, &after, &length, NULL));
    g_assert_cmpuint(length, ==, SIZE);
    g_assert_true(g_str_has_prefix(after, "behind"));
    g_assert_cmpuint(ask(&p, 1), ==, EIO_);
    g_assert_cmpuint(ask(&p, FLUSH), ==, OK);
    qtest_quit(p.qt);
    unlink(path);
}

/* Several in the ring at once are answered one after the other. */
static void test_many(void)
{
    g_autofree char *path = make_file();
    Pmem p;

    start(&p, "-M pc", path);
    for (unsigned i = 0; i < 20; i++) {
        offer(&p, FLUSH);
    }
    for (unsigned i = 0; i < 20; i++) {
        g_assert_cmpuint(qvirtq_wait_any(&p.q), ==, 4);
    }
    g_assert_cmpuint(qtest_readl(p.qt, p.response), ==, OK);
    offer(&p, FLUSH); /* the driver gives up */
    qvirtio_set_status(&p.v, 0);
    drive(&p);
    g_assert_cmpuint(ask(&p, FLUSH), ==, OK);
    offer(&p, FLUSH); /* and so does the program */
    qtest_quit(p.qt);
    unlink(path);
}

static void test_short(gconstpointer data)
{
    const bool request = data;
    Pmem p = { .qt = qtest_start(MACHINE " -object memory-backend-ram,id=m0,size=16M" DEVICE) };

    drive(&p);
    g_assert_cmpuint(ask(&p, FLUSH), ==, OK);
    qvirtq_add_pair(&p.q, p.request, request ? 3 : 4, p.response, request ? 4 : 3);
    qvirtq_kick(&p.q);
    g_assert_cmphex(qvirtio_status(&p.v) & QVIRTIO_NEEDS_RESET, !=, 0);
    drive(&p);
    g_assert_cmpuint(ask(&p, FLUSH), ==, OK);
    qtest_quit(p.qt);
}

static void test_shown(void)
{
    Pmem p = { .qt = qtest_start(MACHINE " -object memory-backend-ram,id=m0,size=16M" DEVICE) };
    g_autoptr(json_object) list = qtest_qmp(p.qt, "query-memory-devices", NULL);
    g_autofree char *text = qtest_hmp(p.qt, "info memory-devices");

    qtest_assert_json(list, "[{'type': 'virtio-pmem', 'data': {'id': 'p0', 'memaddr': 4294967296,"
                            " 'size': 16777216, 'resident': 0, 'memdev': '/objects/m0'}}]");
    g_assert_cmpstr(text, ==,
                    "Memory device [virtio-pmem]: \"p0\"\n  memaddr: 0x100000000\n"
                    "  size: 16777216\n  resident: 0\n  memdev: /objects/m0\n");
    qtest_quit(p.qt);
}

/* Saved with a flush that perhaps nobody has answered yet: it is answered at the other end then. */
static void test_saved(void)
{
    g_autofree char *path = make_file(), *file = NULL;
    Pmem p;

    start(&p, "-M pc", path);
    qtest_memwrite(p.qt, REGION, "behind", 6);
    uint16_t head = offer(&p, FLUSH);
    file = qtest_temp_path(p.qt, "state");
    qtest_save(p.qt, file);
    QTest *from = p.qt;
    p.qt = p.v.qt = qtest_start(MACHINE FILE_BACKEND DEVICE " -incoming file:%s", path, file);
    qtest_wait_running(p.qt);
    g_assert_cmpuint(qvirtq_wait(&p.q, head), ==, 4);
    g_assert_cmpuint(ask(&p, FLUSH), ==, OK);
    qtest_quit(p.qt);
    qtest_quit(from);
    unlink(path);
}

static void test_hotplug(void)
{
    Pmem p = { .qt = qtest_start("-M pc " MACHINE " -object memory-backend-ram,id=m0,size=16M") };

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(p.qt, "device_add",
                     "{'driver': 'virtio-pmem-pci', 'id': 'p0', 'memdev': 'm0', 'addr': '4'}");
        drive(&p);
        g_assert_cmpuint(ask(&p, FLUSH), ==, OK);
        json_object_put(qtest_qmp_error(p.qt, "object-del", "{'id': 'm0'}"));
        qtest_qmp_ok(p.qt, "device_del", "{'id': 'p0'}");
        qtest_outl(p.qt, 0xae08, 1u << 4); /* ACPI: ejects slot 4 */
        json_object_put(qtest_event(p.qt, "DEVICE_DELETED"));
    }
    qtest_qmp_ok(p.qt, "object-del", "{'id': 'm0'}");
    qtest_quit(p.qt);
}

static const QTestRefused refused[] = {
    { MACHINE " -device virtio-pmem-pci", "'memdev' is missing" },
    { MACHINE " -object memory-backend-ram,id=m0,size=3M" DEVICE, "memory size must be" },
    { MACHINE " -object memory-backend-ram,id=m0,size=16M" DEVICE ",memaddr=0x1000000",
      "can't add memory" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio-pmem/flush/pc", "-M pc", test_flush);
    g_test_add_data_func("/virtio-pmem/flush/q35", "-M q35", test_flush);
    g_test_add_func("/virtio-pmem/many", test_many);
    g_test_add_data_func("/virtio-pmem/short-request", "request", test_short);
    g_test_add_data_func("/virtio-pmem/short-response", NULL, test_short);
    g_test_add_func("/virtio-pmem/shown", test_shown);
    g_test_add_func("/virtio-pmem/saved", test_saved);
    g_test_add_func("/virtio-pmem/hotplug", test_hotplug);
    qtest_add_refused("/virtio-pmem/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
