/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory: what the guest reads and writes is what backends and their files have. */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"
#include "util/units.h"

#define ROOM "-m 64M,slots=4,maxmem=4G "

static void add_backend(QTest *qt, const char *type, const char *id, uint64_t size)
{
    qtest_qmp_ok(qt, "object-add", "{'qom-type': %s, 'id': %s, 'size': %" PRIu64 "}", type, id,
                 size);
}

static uint64_t add_dimm(QTest *qt, const char *id, const char *memdev)
{
    qtest_qmp_ok(qt, "device_add", "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s}", id, memdev);
    g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);
    g_autoptr(json_object) addr =
        qtest_qmp(qt, "qom-get", "{'path': %s, 'property': 'addr'}", path);
    return json_object_get_int64(addr);
}

/* The guest's own way to let a DIMM go: eject through the register block. */
static void eject(QTest *qt, unsigned slot)
{
    qtest_outl(qt, 0xa00, slot);
    qtest_outb(qt, 0xa14, 8);
    json_object_put(qtest_event(qt, "DEVICE_DELETED"));
}

static void test_boot_ram(void)
{
    QTest *qt = qtest_start("-m 4G");

    /* 3 GiB below, the rest from 4 GiB, and nothing between. */
    qtest_writeq(qt, 3 * GIB - 8, 0x1111);
    qtest_writeq(qt, 4 * GIB, 0x2222);
    qtest_writeq(qt, 5 * GIB - 8, 0x3333);
    g_assert_cmphex(qtest_readq(qt, 3 * GIB - 8), ==, 0x1111);
    g_assert_cmphex(qtest_readq(qt, 4 * GIB), ==, 0x2222);
    g_assert_cmphex(qtest_readq(qt, 5 * GIB - 8), ==, 0x3333);
    qtest_writeq(qt, 3 * GIB, 0x4444);
    g_assert_cmphex(qtest_readq(qt, 3 * GIB), ==, UINT64_MAX);
    qtest_writeq(qt, 5 * GIB, 0x4444);
    g_assert_cmphex(qtest_readq(qt, 5 * GIB), ==, UINT64_MAX);
    /* An access over the end of RAM: the part that is there. */
    qtest_writel(qt, 5 * GIB - 2, 0xaabbccdd);
    g_assert_cmphex(qtest_readl(qt, 5 * GIB - 2), ==, 0xffffccdd);
    /* The reset vector's ROM does not change. */
    uint32_t rom = qtest_readl(qt, 0xfffffff0);
    qtest_writel(qt, 0xfffffff0, ~rom);
    g_assert_cmphex(qtest_readl(qt, 0xfffffff0), ==, rom);
    qtest_quit(qt);
}

static void test_types(gconstpointer data)
{
    const char *type = data;
    QTest *qt = qtest_start(ROOM);
    const uint64_t size = 128 * MIB;
    g_autofree uint8_t *buf = g_malloc(64 * 1024);

    add_backend(qt, type, "m0", size);
    uint64_t addr = add_dimm(qt, "d0", "m0");
    g_assert_cmphex(addr, ==, 4 * GIB);
    g_assert_cmphex(qtest_readq(qt, addr), ==, 0);
    qtest_memset(qt, addr, 0xa5, size);
    g_assert_cmphex(qtest_readq(qt, addr + size - 8), ==, UINT64_C(0xa5a5a5a5a5a5a5a5));
    qtest_memread(qt, addr + size / 2, buf, 64 * 1024);
    for (size_t i = 0; i < 64 * 1024; i++) {
        g_assert_cmphex(buf[i], ==, 0xa5);
    }
    g_assert_cmphex(qtest_readb(qt, addr + size), ==, 0xff);

    eject(qt, 0);
    g_assert_cmphex(qtest_readq(qt, addr), ==, UINT64_MAX);
    qtest_writeq(qt, addr, 1);
    /* The backend is not the DIMM: it keeps what it has, at whatever address it comes next. */
    add_dimm(qt, "d1", "m0");
    g_assert_cmphex(qtest_readq(qt, addr), ==, UINT64_C(0xa5a5a5a5a5a5a5a5));
    eject(qt, 0);
    qtest_qmp_ok(qt, "object-del", "{'id': 'm0'}");
    add_backend(qt, type, "m0", size);
    add_dimm(qt, "d2", "m0");
    g_assert_cmphex(qtest_readq(qt, addr), ==, 0); /* a new one is empty */
    qtest_quit(qt);
}

static void test_file_shared(void)
{
    QTest *qt = qtest_start(ROOM);
    g_autofree char *path = qtest_temp_path(qt, "memory");
    const uint64_t size = 128 * MIB;
    char text[16] = "";
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_assert_cmpint(pwrite(fd, "from the host", 13, 4096), ==, 13);
    qtest_qmp_ok(qt, "object-add",
                 "{'qom-type': 'memory-backend-file', 'id': 'm0', 'size': %" PRIu64
                 ", 'mem-path': %s, 'share': true}",
                 size, path);
    uint64_t addr = add_dimm(qt, "d0", "m0");
    qtest_memread(qt, addr + 4096, text, 13);
    g_assert_cmpstr(text, ==, "from the host");
    qtest_memwrite(qt, addr + size - 16, "from the guest!", 16);
    g_assert_cmpint(pread(fd, text, 16, size - 16), ==, 16);
    g_assert_cmpstr(text, ==, "from the guest!");
    eject(qt, 0);
    qtest_qmp_ok(qt, "object-del", "{'id': 'm0'}");
    memset(text, 0, sizeof(text));
    g_assert_cmpint(pread(fd, text, 16, size - 16), ==, 16); /* the file stays as it is */
    g_assert_cmpstr(text, ==, "from the guest!");
    close(fd);
    qtest_quit(qt);
}

static void test_file_private(void)
{
    QTest *qt = qtest_start(ROOM);
    g_autofree char *path = qtest_temp_path(qt, "memory");
    const uint64_t size = 128 * MIB;
    char byte = 'x';
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_assert_cmpint(pwrite(fd, &byte, 1, 0), ==, 1);
    qtest_qmp_ok(qt, "object-add",
                 "{'qom-type': 'memory-backend-file', 'id': 'm0', 'size': %" PRIu64
                 ", 'mem-path': %s, 'share': false}",
                 size, path);
    uint64_t addr = add_dimm(qt, "d0", "m0");
    g_assert_cmphex(qtest_readb(qt, addr), ==, 'x');
    qtest_writeb(qt, addr, 'y');
    g_assert_cmphex(qtest_readb(qt, addr), ==, 'y');
    g_assert_cmpint(pread(fd, &byte, 1, 0), ==, 1);
    g_assert_cmpint(byte, ==, 'x');
    close(fd);
    qtest_quit(qt);
}

/* The tables of the map, the object tree and the queries agree after any sequence. */
static void test_many(void)
{
    QTest *qt = qtest_start(ROOM);
    static const uint64_t sizes[] = { 128 * MIB, 256 * MIB, 512 * MIB, 128 * MIB };

    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *memdev = g_strdup_printf("m%u", i);
        g_autofree char *id = g_strdup_printf("d%u", i);
        add_backend(qt, "memory-backend-ram", memdev, sizes[i]);
        qtest_writeq(qt, add_dimm(qt, id, memdev), 0x1000 + i);
    }
    eject(qt, 1);
    g_autoptr(json_object) list = qtest_qmp(qt, "query-memory-devices", NULL);
    g_assert_cmpuint(json_object_array_length(list), ==, 3);
    for (unsigned i = 0; i < 3; i++) {
        json_object *dimm = json_object_array_get_idx(list, i);
        unsigned number = i == 0 ? 0 : i + 1;
        g_assert_cmpint(qtest_get_int(dimm, "data.slot"), ==, number);
        g_assert_cmpint(qtest_get_int(dimm, "data.size"), ==, sizes[number]);
        g_assert_cmphex(qtest_readq(qt, qtest_get_int(dimm, "data.addr")), ==, 0x1000 + number);
    }
    g_autoptr(json_object) summary = qtest_qmp(qt, "query-memory-size-summary", NULL);
    qtest_assert_json(summary, "{'base-memory': %" PRIu64 ", 'plugged-memory': %" PRIu64 "}",
                      64 * MIB, 768 * MIB);
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory/boot-ram", test_boot_ram);
    g_test_add_data_func("/memory/ram", "memory-backend-ram", test_types);
    g_test_add_data_func("/memory/memfd", "memory-backend-memfd", test_types);
    g_test_add_func("/memory/file-shared", test_file_shared);
    g_test_add_func("/memory/file-private", test_file_private);
    g_test_add_func("/memory/many", test_many);
    return g_test_run();
}
