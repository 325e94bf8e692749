/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-mem by a driver of our own: every request and what refuses it, requested-size, resets,
 * unplugging, a saved machine. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/qtest/vmem.h"

#define DEVFN  0x20u /* slot 4 */
#define SIZE   (512 * MIB)
#define REGION QVMEM_WINDOW
#define BLOCK  QVMEM_BLOCK

static void drive(QVmem *m)
{
    qvmem_open(m, m->qt, DEVFN, QVMEM_INACCESSIBLE);
}

#define MACHINE "-m 64M,maxmem=8G"
#define BACKEND " -object memory-backend-ram,id=m0,size=512M"
#define DEVICE  " -device virtio-mem-pci,id=v0,memdev=m0,addr=4"

static void start(QVmem *m, const char *machine, const char *more)
{
    *m = (QVmem){ .qt = qtest_start("%s " MACHINE BACKEND DEVICE "%s", machine, more) };
    drive(m);
}

/* Of blocks, by their number. */
static uint16_t ask(QVmem *m, uint16_t type, uint64_t first, uint16_t blocks)
{
    return qvmem_ask(m, type, REGION + first * BLOCK, blocks);
}

static uint16_t state(QVmem *m, uint64_t first, uint16_t blocks)
{
    g_assert_cmpuint(ask(m, QVMEM_STATE, first, blocks), ==, QVMEM_ACK);
    return qvmem_state(m);
}

static void want(QVmem *m, uint64_t size)
{
    qtest_qmp_ok(
        m->qt, "qom-set",
        "{'path': '/machine/peripheral/v0', 'property': 'requested-size', 'value': %" PRIu64 "}",
        size);
}

static void assert_refused(QVmem *m, uint64_t size, const char *why)
{
    g_autoptr(json_object) error = qtest_qmp_error(
        m->qt, "qom-set",
        "{'path': '/machine/peripheral/v0', 'property': 'requested-size', 'value': %" PRIu64 "}",
        size);

    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), why));
}

/* What everybody says of its size. */
static void assert_size(QVmem *m, int64_t size)
{
    g_autoptr(json_object) list = qtest_qmp(m->qt, "query-memory-devices", NULL);
    g_autoptr(json_object) sum = qtest_qmp(m->qt, "query-memory-size-summary", NULL);
    g_autoptr(json_object) property =
        qtest_qmp(m->qt, "qom-get", "{'path': '/machine/peripheral/v0', 'property': 'size'}");

    g_assert_cmpuint(qvmem_config(m, QVMEM_SIZE_NOW), ==, (uint64_t)size);
    g_assert_cmpint(qtest_get_int(list, "0.data.size"), ==, size);
    g_assert_cmpint(qtest_get_int(sum, "plugged-memory"), ==, size);
    g_assert_cmpint(json_object_get_int64(property), ==, size);
}

static bool has_size(json_object *event, void *size)
{
    return qtest_get_int(event, "data.size") == *(int64_t *)size;
}

/* Of those that come too fast only the last is sent. */
static void assert_told(QVmem *m, int64_t size)
{
    g_autoptr(json_object) event =
        qtest_event_match(m->qt, "MEMORY_DEVICE_SIZE_CHANGE", has_size, &size, QTEST_TIMEOUT_MS);

    g_assert_nonnull(event);
    g_assert_cmpstr(qtest_get_str(event, "data.id"), ==, "v0");
    g_assert_cmpstr(qtest_get_str(event, "data.qom-path"), ==, "/machine/peripheral/v0");
}

/* ---- what it is ---- */

static void test_shown(gconstpointer machine)
{
    QVmem m;

    start(&m, machine, ",requested-size=64M");
    g_assert_cmphex(qpci_read(m.qt, DEVFN, 0, 4), ==, 0x10581af4);
    g_assert_cmphex(qvirtio_offered(&m.v) & (QVMEM_ACPI_PXM | QVMEM_INACCESSIBLE), ==,
                    QVMEM_ACPI_PXM);
    g_assert_cmphex(qvmem_config(&m, QVMEM_BLOCK_SIZE), ==, BLOCK);
    g_assert_cmpuint(qvirtio_config(&m.v, QVMEM_NODE, 2), ==, 0);
    g_assert_cmphex(qvmem_config(&m, QVMEM_ADDR), ==, REGION);
    g_assert_cmphex(qvmem_config(&m, QVMEM_ALL), ==, SIZE);
    g_assert_cmphex(qvmem_config(&m, QVMEM_USABLE), ==, 64 * MIB + 256 * MIB);
    g_assert_cmphex(qvmem_config(&m, QVMEM_WANTED), ==, 64 * MIB);
    assert_size(&m, 0);
    {
        g_autoptr(json_object) list = qtest_qmp(m.qt, "query-memory-devices", NULL);

        qtest_assert_json(list, "[{'type': 'virtio-mem', 'data': {'id': 'v0',"
                                " 'memaddr': 4294967296, 'requested-size': 67108864, 'size': 0,"
                                " 'max-size': 536870912, 'block-size': 2097152, 'node': 0,"
                                " 'resident': 0, 'memdev': '/objects/m0'}}]");
    }
    g_autofree char *text = qtest_hmp(m.qt, "info memory-devices");
    g_assert_cmpstr(text, ==,
                    "Memory device [virtio-mem]: \"v0\"\n  memaddr: 0x100000000\n  node: 0\n"
                    "  requested-size: 67108864\n  size: 0\n  max-size: 536870912\n"
                    "  block-size: 2097152\n  resident: 0\n  memdev: /objects/m0\n");
    qtest_quit(m.qt);
}

/* A driver that does not know that it must not touch what it does not have is not taken. */
static void test_inaccessible(void)
{
    QVmem m = { .qt = qtest_start(MACHINE " -object memory-backend-memfd,id=m0,size=512M" DEVICE) };

    drive(&m);
    g_assert_cmphex(qvirtio_status(&m.v), ==, 1 | 2 | QVIRTIO_DRIVER_OK | QVIRTIO_FEATURES_OK);
    qvirtio_set_status(&m.v, 0);
    qvirtio_set_status(&m.v, 1);
    qvirtio_set_status(&m.v, 3);
    qvirtio_set_common(&m.v, QVIRTIO_DRIVER_FEATURE_SELECT, 4, 0);
    qvirtio_set_common(&m.v, QVIRTIO_DRIVER_FEATURE, 4, 0);
    qvirtio_set_common(&m.v, QVIRTIO_DRIVER_FEATURE_SELECT, 4, 1);
    qvirtio_set_common(&m.v, QVIRTIO_DRIVER_FEATURE, 4, 1);
    qvirtio_set_status(&m.v, 3 | QVIRTIO_FEATURES_OK);
    g_assert_cmphex(qvirtio_status(&m.v) & QVIRTIO_FEATURES_OK, ==, 0);
    qtest_quit(m.qt);
}

/* ---- requests ---- */

static void test_plug(void)
{
    QVmem m;

    start(&m, "-M pc", ",requested-size=64M");
    g_assert_cmpuint(state(&m, 0, 160), ==, QVMEM_UNPLUGGED);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 3, 1), ==, QVMEM_ACK);
    assert_size(&m, BLOCK);
    assert_told(&m, BLOCK);
    g_assert_cmpuint(state(&m, 3, 1), ==, QVMEM_PLUGGED);
    g_assert_cmpuint(state(&m, 3, 2), ==, QVMEM_MIXED);
    g_assert_cmpuint(state(&m, 2, 2), ==, QVMEM_MIXED);
    g_assert_cmpuint(state(&m, 0, 3), ==, QVMEM_UNPLUGGED);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 2, 2), ==, QVMEM_ERROR); /* one of them is plugged */
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 100, 31), ==, QVMEM_ACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 1), ==, QVMEM_NACK); /* more than was asked for */
    assert_size(&m, 64 * MIB);
    want(&m, 128 * MIB);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 33), ==, QVMEM_ERROR);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 4, 33), ==, QVMEM_NACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 4, 32), ==, QVMEM_ACK);
    assert_told(&m, 128 * MIB);
    qtest_quit(m.qt);
}

static void test_unplug(void)
{
    QVmem m;

    start(&m, "-M q35", ",requested-size=64M");
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 32), ==, QVMEM_ACK);
    qtest_memset(m.qt, REGION, 0x55, 3 * BLOCK);
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 31, 2), ==,
                     QVMEM_ERROR); /* one of them is not plugged */
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 1, 1), ==, QVMEM_ACK);
    assert_size(&m, 62 * MIB);
    g_assert_cmphex(qtest_readl(m.qt, REGION + BLOCK - 4), ==, 0x55555555);
    g_assert_cmphex(qtest_readl(m.qt, REGION + BLOCK), ==, 0);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 2 * BLOCK - 4), ==, 0);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 2 * BLOCK), ==, 0x55555555);
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 1, 1), ==, QVMEM_ERROR);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 1, 1), ==, QVMEM_ACK);
    want(&m, 0);
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 5, 1), ==, QVMEM_ACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 5, 1), ==, QVMEM_NACK);
    g_assert_cmphex(qvmem_config(&m, QVMEM_USABLE), ==,
                    320 * MIB); /* it does not shrink before all is gone */
    g_assert_cmpuint(qvmem_ask(&m, QVMEM_UNPLUG_ALL, 0, 0), ==, QVMEM_ACK);
    assert_size(&m, 0);
    assert_told(&m, 0);
    g_assert_cmphex(qvmem_config(&m, QVMEM_USABLE), ==, 0);
    g_assert_cmphex(qtest_readl(m.qt, REGION), ==, 0);
    g_assert_cmpuint(qvmem_ask(&m, QVMEM_UNPLUG_ALL, 0, 0), ==, QVMEM_ACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 1), ==, QVMEM_ERROR); /* nothing is usable */
    qtest_quit(m.qt);
}

/* Places and numbers that cannot be, for each request that has some. */
static void test_wrong(void)
{
    static const struct {
        uint64_t addr;
        uint16_t blocks;
    } wrong[] = {
        { REGION, 0 },
        { REGION + 1, 1 },
        { REGION + MIB, 1 },
        { REGION - BLOCK, 1 },
        { REGION - BLOCK, 2 },
        { REGION + 320 * MIB, 1 }, /* beyond what is usable */
        { REGION + 318 * MIB, 2 },
        { REGION + SIZE, 1 },
        { REGION, UINT16_MAX },
        { 0, 1 },
        { UINT64_MAX, 1 },
        { UINT64_MAX - BLOCK + 1, 2 },
    };
    QVmem m;

    start(&m, "-M pc", ",requested-size=64M");
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        for (uint16_t type = QVMEM_PLUG; type <= QVMEM_STATE; type++) {
            g_assert_cmpuint(qvmem_ask(&m, type, wrong[i].addr, wrong[i].blocks), ==,
                             type == QVMEM_UNPLUG_ALL ? QVMEM_ACK : QVMEM_ERROR);
        }
    }
    g_assert_cmpuint(qvmem_ask(&m, QVMEM_STATE + 1, REGION, 1), ==, QVMEM_ERROR);
    g_assert_cmpuint(qvmem_ask(&m, UINT16_MAX, REGION, 1), ==, QVMEM_ERROR);
    assert_size(&m, 0);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 159, 1), ==, QVMEM_ACK); /* the last one */
    qtest_quit(m.qt);
}

/* A buffer that has no room for the request, or for the response. */
static void test_short(gconstpointer data)
{
    const bool request = data;
    QVmem m;

    start(&m, "-M pc", "");
    qvirtq_add_pair(&m.q, m.request, request ? 23 : 24, m.response, request ? 10 : 9);
    qvirtq_kick(&m.q);
    g_assert_cmphex(qvirtio_status(&m.v) & QVIRTIO_NEEDS_RESET, !=, 0);
    drive(&m);
    g_assert_cmpuint(qvmem_ask(&m, QVMEM_UNPLUG_ALL, 0, 0), ==, QVMEM_ACK);
    qtest_quit(m.qt);
}

/* ---- what management does ---- */

static void test_requested(void)
{
    QVmem m;

    start(&m, "-M pc", "");
    g_assert_cmphex(qvmem_config(&m, QVMEM_USABLE), ==, 0);
    qvirtio_isr(&m.v);
    want(&m, 2 * MIB);
    g_assert_cmpuint(qvirtio_isr(&m.v), ==, 2);
    g_assert_cmphex(qvmem_config(&m, QVMEM_WANTED), ==, 2 * MIB);
    g_assert_cmphex(qvmem_config(&m, QVMEM_USABLE), ==, 258 * MIB);
    want(&m, 2 * MIB);
    g_assert_cmpuint(qvirtio_isr(&m.v), ==, 0); /* nothing has changed */
    assert_refused(&m, 3 * MIB, "whole blocks of 0x200000 bytes");
    assert_refused(&m, SIZE + BLOCK, "'requested-size' cannot exceed the memory backend size");
    g_assert_cmphex(qvmem_config(&m, QVMEM_WANTED), ==, 2 * MIB);
    g_autofree char *said = qtest_hmp(m.qt, "qom-set v0 requested-size 512M");
    g_assert_cmpstr(said, ==, "");
    g_assert_cmphex(qvmem_config(&m, QVMEM_USABLE), ==, SIZE);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 256), ==, QVMEM_ACK);
    assert_size(&m, SIZE);
    qtest_quit(m.qt);
}

/* The driver's reset leaves the blocks, and so does the end of S3; the machine's does not. */
static void test_reset(void)
{
    QVmem m;

    start(&m, "-M pc", ",requested-size=64M");
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 32), ==, QVMEM_ACK);
    qtest_memset(m.qt, REGION, 0x55, 4096);
    qvirtio_set_status(&m.v, 0);
    drive(&m);
    assert_size(&m, 64 * MIB);
    g_assert_cmphex(qtest_readl(m.qt, REGION), ==, 0x55555555);
    qtest_outw(m.qt, 0x604, 1u << 13 | 1u << 10);
    json_object_put(qtest_event(m.qt, "SUSPEND"));
    qtest_qmp_ok(m.qt, "system_wakeup", NULL);
    json_object_put(qtest_event(m.qt, "WAKEUP"));
    drive(&m);
    assert_size(&m, 64 * MIB);
    g_assert_cmphex(qtest_readl(m.qt, REGION), ==, 0x55555555);
    qtest_qmp_ok(m.qt, "system_reset", NULL);
    json_object_put(qtest_event(m.qt, "RESET"));
    drive(&m);
    assert_size(&m, 0);
    assert_told(&m, 0);
    g_assert_cmphex(qvmem_config(&m, QVMEM_WANTED), ==, 64 * MIB);
    g_assert_cmphex(qtest_readl(m.qt, REGION), ==, 0);
    qtest_quit(m.qt);
}

static void assert_stays(QVmem *m, const char *why)
{
    g_autoptr(json_object) error = qtest_qmp_error(m->qt, "device_del", "{'id': 'v0'}");

    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), why));
}

/* It comes and goes while the machine runs. */
static void test_hotplug(void)
{
    QVmem m = { .qt = qtest_start("-M pc " MACHINE BACKEND) };

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(m.qt, "device_add",
                     "{'driver': 'virtio-mem-pci', 'id': 'v0', 'memdev': 'm0', 'addr': '4',"
                     " 'requested-size': 4194304}");
        drive(&m);
        g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 1), ==, QVMEM_ACK);
        assert_stays(&m, "virtio-mem device cannot get unplugged while some of its memory is still "
                         "plugged");
        g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 0, 1), ==, QVMEM_ACK);
        assert_stays(&m, "virtio-mem device cannot get unplugged while 'requested-size' != '0'");
        json_object_put(qtest_qmp_error(m.qt, "object-del", "{'id': 'm0'}"));
        want(&m, 0);
        qtest_qmp_ok(m.qt, "device_del", "{'id': 'v0'}");
        qtest_outl(m.qt, 0xae08, 1u << 4);                    /* ACPI: ejects slot 4 */
        json_object_put(qtest_event(m.qt, "DEVICE_DELETED")); /* of the device */
        g_autoptr(json_object) list = qtest_qmp(m.qt, "query-memory-devices", NULL);
        g_assert_cmpuint(json_object_array_length(list), ==, 0);
    }
    qtest_qmp_ok(m.qt, "object-del", "{'id': 'm0'}");
    qtest_quit(m.qt);
}

/* A guest that throws it out while it has some of it: it is gone, all of it, and the program lives.
 */
static void test_thrown_out(void)
{
    QVmem m;

    start(&m, "-M pc", ",requested-size=64M");
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 32), ==, QVMEM_ACK);
    qtest_writel(m.qt, REGION, 0x12345678);
    qtest_outl(m.qt, 0xae08, 1u << 4);
    json_object_put(qtest_event(m.qt, "DEVICE_DELETED"));
    g_assert_cmphex(qtest_readl(m.qt, REGION), !=, 0x12345678);
    qtest_qmp_ok(m.qt, "object-del", "{'id': 'm0'}");
    qtest_quit(m.qt);
}

/* ---- a saved machine ---- */

/* Which blocks are plugged, what is in them, and what is asked for goes with the machine; what is
 * not plugged does not, whatever was written there. */
static void test_saved(gconstpointer data)
{
    const char *const *ways = data; /* the backend, more of the device, */
    const bool dynamic = ways[2];   /* and whether pieces without blocks are not there */
    g_autofree char *file = NULL;
    QTest *from;
    QVmem m = { .qt = qtest_start(MACHINE "%s,id=m0,size=512M" DEVICE "%s", ways[0], ways[1]) };

    drive(&m);
    want(&m, 256 * MIB);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 1, 1), ==, QVMEM_ACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 8, 9), ==, QVMEM_ACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 200, 1), ==, QVMEM_ACK);
    for (unsigned i = 0; i < 256; i++) {
        qtest_writel(m.qt, REGION + i * BLOCK + 4096, 0x1000 + i);
    }
    file = qtest_temp_path(m.qt, "state");
    qtest_save(m.qt, file);
    from = m.qt;
    /* The other end is started as this one was: with nothing asked for. */
    m.qt = qtest_start(MACHINE "%s,id=m0,size=512M" DEVICE "%s -incoming file:%s", ways[0], ways[1],
                       file);
    qtest_wait_running(m.qt);
    qvmem_moved(&m, m.qt);
    assert_size(&m, 11 * BLOCK);
    g_assert_cmphex(qvmem_config(&m, QVMEM_WANTED), ==, 256 * MIB);
    g_assert_cmphex(qvmem_config(&m, QVMEM_USABLE), ==, SIZE);
    for (unsigned i = 0; i < 256; i++) {
        const bool plugged = i == 1 || (i >= 8 && i < 17) || i == 200;

        g_assert_cmpuint(state(&m, i, 1), ==, plugged ? QVMEM_PLUGGED : QVMEM_UNPLUGGED);
        g_assert_cmphex(qtest_readl(m.qt, REGION + i * BLOCK + 4096), ==,
                        plugged                           ? 0x1000 + i
                        : dynamic && (i >= 64 && i < 192) ? 0xffffffff
                                                          : 0);
    }
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 1), ==, QVMEM_ACK);
    qtest_quit(m.qt);
    qtest_quit(from);
}

static int64_t transferred(QTest *qt)
{
    g_autoptr(json_object) info = qtest_qmp(qt, "query-migrate", NULL);

    g_assert_cmpstr(qtest_get_str(info, "status"), !=, "completed");
    return qtest_get(info, "ram") ? qtest_get_int(info, "ram.transferred") : 0;
}

static void wait_completed(QTest *qt)
{
    for (;;) {
        g_autoptr(json_object) info = qtest_qmp(qt, "query-migrate", NULL);
        const char *status = qtest_get_str(info, "status");

        if (!strcmp(status, "completed")) {
            return;
        }
        g_assert_cmpstr(status, ==, "active");
    }
}

static void assert_not_now(QTest *qt, const char *command, const char *arguments)
{
    g_autoptr(json_object) error = qtest_qmp_error(qt, command, arguments);

    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "the machine is being migrated"));
}

/* What the guest takes, gives back, and takes again, and what it is asked for, while the machine
 * goes, goes with it. Devices neither come nor are they asked for, and no target is set. */
static void test_moved_live(void)
{
    QVmem m;
    g_autofree char *socket = NULL, *uri = NULL;
    QTest *to;

    start(&m, "-M pc", ",requested-size=300M");
    socket = qtest_temp_path(m.qt, "socket");
    uri = g_strdup_printf("unix:%s", socket);
    to = qtest_start("-M pc " MACHINE BACKEND DEVICE " -incoming %s", uri);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 100), ==, QVMEM_ACK);
    qtest_memset(m.qt, REGION, 0x5a, 100 * BLOCK);
    qtest_qmp_ok(m.qt, "migrate-set-parameters", "{'max-bandwidth': 10000000}");
    qtest_qmp_ok(m.qt, "migrate", "{'uri': %s}", uri);
    while (transferred(m.qt) < 16 * (int64_t)MIB) { /* the first blocks are there */
    }
    qtest_qmp_ok(m.qt, "migrate-set-parameters", "{'max-bandwidth': 10000}");
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 1, 2), ==, QVMEM_ACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 2, 1), ==, QVMEM_ACK);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 2 * BLOCK + 4096), ==, 0);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 120, 1), ==, QVMEM_ACK);
    qtest_writel(m.qt, REGION + 120 * BLOCK, 0x12345678);
    want(&m, 400 * MIB);
    assert_not_now(m.qt, "device_add", "{'driver': 'virtio-rng-pci'}");
    assert_not_now(m.qt, "device_del", "{'id': 'v0'}");
    assert_not_now(m.qt, "set-memory-target", "{'size': 134217728}");
    qtest_qmp_ok(m.qt, "migrate-set-parameters", "{'max-bandwidth': 0}");
    wait_completed(m.qt);
    qtest_wait_running(to);
    qtest_quit(m.qt);
    qvmem_moved(&m, to);
    assert_size(&m, 100 * BLOCK);
    g_assert_cmphex(qvmem_config(&m, QVMEM_WANTED), ==, 400 * MIB);
    g_assert_cmphex(qtest_readl(to, REGION), ==, 0x5a5a5a5a);
    g_assert_cmpuint(state(&m, 1, 1), ==, QVMEM_UNPLUGGED);
    g_assert_cmphex(qtest_readl(to, REGION + BLOCK + 4096), ==, 0);
    g_assert_cmpuint(state(&m, 2, 1), ==, QVMEM_PLUGGED);
    g_assert_cmphex(qtest_readl(to, REGION + 2 * BLOCK + 4096), ==, 0);
    g_assert_cmpuint(state(&m, 120, 1), ==, QVMEM_PLUGGED);
    g_assert_cmphex(qtest_readl(to, REGION + 120 * BLOCK), ==, 0x12345678);
    qtest_quit(to);
}

/* What is not plugged is neither counted nor written, nor made to exist by being read. */
static void test_not_migrated(void)
{
    QVmem m = { .qt = qtest_start(MACHINE " -object memory-backend-memfd,id=m0,size=4G" DEVICE
                                          ",requested-size=16M") };
    g_autofree char *file = qtest_temp_path(m.qt, "state");

    drive(&m);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 8), ==, QVMEM_ACK);
    qtest_save(m.qt, file);
    g_autoptr(json_object) info = qtest_qmp(m.qt, "query-migrate", NULL);
    g_assert_cmpint(qtest_get_int(info, "ram.total"), <, 128 * MIB);
    qtest_quit(m.qt);
}

/* ---- a dump ---- */

/* The dump of all memory has what is plugged, and no more. */
static void test_dump(void)
{
    g_autofree char *contents = NULL, *file = NULL, *protocol = NULL;
    gsize length;
    QVmem m;

    start(&m, "-M pc", ",requested-size=64M");
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 4, 2), ==, QVMEM_ACK);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 100, 1), ==, QVMEM_ACK);
    qtest_writel(m.qt, REGION + 5 * BLOCK, 0x600dd00d);
    qtest_writel(m.qt, REGION + 100 * BLOCK + 4, 0xfee1600d);
    file = qtest_temp_path(m.qt, "dump");
    protocol = g_strdup_printf("file:%s", file);
    qtest_qmp_ok(m.qt, "dump-guest-memory",
                 "{'paging': false, 'protocol': %s, 'begin': 4294967296, 'length': 536870912}",
                 protocol);
    g_assert_true(g_file_get_contents(file, &contents, &length, NULL));
    g_assert_cmpuint(length, >, 3 * BLOCK);
    g_assert_cmpuint(length, <, 3 * BLOCK + 64 * KIB);
    const char *memory = contents + length - 3 * BLOCK;
    const uint32_t first = 0x600dd00d, second = 0xfee1600d;
    g_assert_cmpint(memcmp(memory + BLOCK, &first, 4), ==, 0);
    g_assert_cmpint(memcmp(memory + 2 * BLOCK + 4, &second, 4), ==, 0);
    qtest_quit(m.qt);
}

/* ---- several, and other memory ---- */

static void test_two(void)
{
    QVmem m = { .qt = qtest_start(
                    "-m 64M,slots=2,maxmem=8G -numa node,mem=32M -numa node,mem=32M" BACKEND DEVICE
                    ",node=1,requested-size=4M"
                    " -object memory-backend-ram,id=m1,size=1G -device "
                    "virtio-mem-pci,id=v1,memdev=m1,block-size=1M,node=0,addr=5"
                    " -object memory-backend-ram,id=d,size=128M"
                    " -device pc-dimm,memdev=d,id=d0 -device virtio-balloon") };
    g_autoptr(json_object) list = qtest_qmp(m.qt, "query-memory-devices", NULL);
    g_autoptr(json_object) sum = NULL, balloon = NULL;

    g_assert_cmpuint(json_object_array_length(list), ==, 3);
    g_assert_cmpint(qtest_get_int(list, "0.data.memaddr"), ==, (int64_t)REGION);
    g_assert_cmpint(qtest_get_int(list, "1.data.memaddr"), ==, (int64_t)(REGION + SIZE));
    g_assert_cmpint(qtest_get_int(list, "1.data.block-size"), ==, MIB);
    g_assert_cmpstr(qtest_get_str(list, "2.type"), ==, "dimm");
    drive(&m);
    g_assert_cmpuint(qvirtio_config(&m.v, QVMEM_NODE, 2), ==, 1);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 0, 2), ==, QVMEM_ACK);
    sum = qtest_qmp(m.qt, "query-memory-size-summary", NULL);
    g_assert_cmpint(qtest_get_int(sum, "plugged-memory"), ==, 132 * MIB);
    balloon = qtest_qmp(m.qt, "query-balloon", NULL);
    g_assert_cmpint(qtest_get_int(balloon, "actual"), ==, (64 + 132) * MIB);
    qtest_quit(m.qt);
}

/* Bytes that there are of the file @path. */
static uint64_t file_bytes(const char *path)
{
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    return (uint64_t)st.st_blocks * 512;
}

/* What the guest does not have takes nothing of the host: not what was in the backend's file
 * before, nor what was written since. With @prealloc what it has is there at once. */
static void test_host_memory(gconstpointer prealloc)
{
    g_autofree char *path = g_strdup_printf("/dev/shm/qtest-virtio-mem-%d", (int)getpid());
    g_autofree char *before = g_strnfill(MIB, 'x');
    QVmem m;

    if (!g_file_set_contents(path, before, MIB, NULL)) {
        g_test_skip("there is no /dev/shm that can be written to");
        return;
    }
    g_assert_cmpint(truncate(path, (off_t)SIZE), ==, 0);
    m = (QVmem){ .qt = qtest_start(
                     MACHINE
                     " -object memory-backend-file,id=m0,size=512M,share=on,mem-path=%s" DEVICE
                     ",requested-size=8M%s",
                     path, prealloc ? ",prealloc=on" : "") };
    g_assert_cmpuint(file_bytes(path), ==, 0);
    drive(&m);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 1, 4), ==, QVMEM_ACK);
    g_assert_cmpuint(file_bytes(path), ==, prealloc ? 8 * MIB : 0);
    qtest_memset(m.qt, REGION + BLOCK, 0x55, 3 * BLOCK);
    g_assert_cmpuint(file_bytes(path), >=, 3 * BLOCK);
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 1, 1), ==, QVMEM_ACK);
    g_assert_cmpuint(file_bytes(path), <, 4 * BLOCK);
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 2, 3), ==, QVMEM_ACK);
    g_assert_cmpuint(file_bytes(path), ==, 0);
    qtest_quit(m.qt);
    g_assert_cmpint(unlink(path), ==, 0);
}

static uint64_t resident(QVmem *m)
{
    g_autoptr(json_object) list = qtest_qmp(m->qt, "query-memory-devices", NULL);
    const uint64_t found = (uint64_t)qtest_get_int(list, "0.data.resident");
    g_autofree char *line = g_strdup_printf("\n  resident: %" PRIu64 "\n", found);
    g_autofree char *text = qtest_hmp(m->qt, "info memory-devices");

    g_assert_nonnull(strstr(text, line));
    return found;
}

/* What exists on the host: what was written to, until the guest gives it back. */
static void test_resident(void)
{
    QVmem m;

    start(&m, "-M pc", ",requested-size=64M");
    g_assert_cmpuint(resident(&m), ==, 0);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 3, 2), ==, QVMEM_ACK);
    g_assert_cmpuint(resident(&m), ==, 0);
    qtest_writel(m.qt, REGION + 3 * BLOCK, 1);
    g_assert_cmpuint(resident(&m), >=, 4096);
    g_assert_cmpuint(resident(&m), <=, BLOCK); /* a host may always give that much */
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 3, 2), ==, QVMEM_ACK);
    g_assert_cmpuint(resident(&m), ==, 0);
    qtest_quit(m.qt);
}

/* What the guest has nothing of is not there. */
static void test_dynamic(void)
{
    QVmem m;

    start(&m, "-M pc", ",dynamic-memslots=on,requested-size=512M");
    g_assert_cmphex(qvirtio_offered(&m.v) & QVMEM_INACCESSIBLE, ==, QVMEM_INACCESSIBLE);
    qtest_writel(m.qt, REGION, 1);
    g_assert_cmphex(qtest_readl(m.qt, REGION), ==, 0xffffffff);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 70, 1), ==, QVMEM_ACK); /* in the second piece */
    g_assert_cmphex(qtest_readl(m.qt, REGION), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 70 * BLOCK), ==, 0);
    qtest_writel(m.qt, REGION + 70 * BLOCK, 0x12345678);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 191, 2), ==,
                     QVMEM_ACK); /* in the third and the last one */
    g_assert_cmphex(qtest_readl(m.qt, REGION + 255 * BLOCK), ==, 0);
    g_assert_cmpuint(ask(&m, QVMEM_UNPLUG, 192, 1), ==, QVMEM_ACK);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 255 * BLOCK), ==, 0xffffffff);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 70 * BLOCK), ==, 0x12345678);
    g_assert_cmpuint(qvmem_ask(&m, QVMEM_UNPLUG_ALL, 0, 0), ==, QVMEM_ACK);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 70 * BLOCK), ==, 0xffffffff);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 70, 1), ==, QVMEM_ACK);
    g_assert_cmphex(qtest_readl(m.qt, REGION + 70 * BLOCK), ==, 0);
    qtest_qmp_ok(m.qt, "system_reset", NULL);
    json_object_put(qtest_event(m.qt, "RESET"));
    g_assert_cmphex(qtest_readl(m.qt, REGION + 70 * BLOCK), ==, 0xffffffff);
    qtest_quit(m.qt);
}

/* A guest that touches what it does not have gets none of it, whether it was told not to or not. */
static void test_hostile(void)
{
    static const struct {
        const char *options, *resolved;
        uint32_t reads;
    } cases[] = {
        { BACKEND DEVICE ",unplugged-inaccessible=on", "on", UINT32_MAX },
        { " -object memory-backend-memfd,id=m0,size=512M" DEVICE, "on", UINT32_MAX },
        { BACKEND DEVICE ",dynamic-memslots=on", "on", UINT32_MAX },
        { BACKEND DEVICE, "off", 0 },
        { BACKEND DEVICE ",unplugged-inaccessible=off", "off", 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        QVmem m = { .qt = qtest_start(MACHINE "%s", cases[i].options) };
        g_autoptr(json_object) now =
            qtest_qmp(m.qt, "qom-get", "{'path': 'v0', 'property': 'unplugged-inaccessible'}");

        g_assert_cmpstr(json_object_get_string(now), ==, cases[i].resolved);
        for (uint64_t at = 0; at < 512 * MIB; at += MIB) {
            g_assert_cmphex(qtest_readl(m.qt, REGION + at), ==, cases[i].reads);
        }
        g_assert_cmpuint(resident(&m), ==, 0);
        for (uint64_t at = 0; at < 256 * MIB; at += MIB) {
            qtest_writel(m.qt, REGION + at, 1);
        }
        g_assert_cmpuint(resident(&m), ==, 0);
        qtest_quit(m.qt);
    }
}

/* Where it can read what it does not have: it can write only to pieces of which it has something,
 * and to those again when it has it again. */
static void test_readable(void)
{
    QVmem m;
    uint64_t piece = 128 * MIB;

    start(&m, "-M q35", ",requested-size=256M,unplugged-inaccessible=off");
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, 3, 1), ==, QVMEM_ACK);
    for (uint64_t at = 0; at < 512 * MIB; at += MIB) {
        qtest_writel(m.qt, REGION + at, 0x12345678);
    }
    g_assert_cmphex(qtest_readl(m.qt, REGION + 3 * BLOCK), ==, 0x12345678);
    for (uint64_t at = piece; at < 512 * MIB; at += MIB) {
        g_assert_cmphex(qtest_readl(m.qt, REGION + at), ==, 0);
    }
    g_assert_cmpuint(resident(&m), <=, piece);
    g_assert_cmpuint(ask(&m, QVMEM_PLUG, piece / BLOCK, 1), ==, QVMEM_ACK);
    qtest_writel(m.qt, REGION + piece, 0x12345678);
    g_assert_cmphex(qtest_readl(m.qt, REGION + piece), ==, 0x12345678);
    g_assert_cmpuint(qvmem_ask(&m, QVMEM_UNPLUG_ALL, 0, 0), ==, QVMEM_ACK);
    g_assert_cmphex(qtest_readl(m.qt, REGION + piece), ==, 0);
    qtest_writel(m.qt, REGION + piece, 0x12345678);
    g_assert_cmphex(qtest_readl(m.qt, REGION + piece), ==, 0);
    g_assert_cmpuint(resident(&m), ==, 0);
    qtest_quit(m.qt);
}

static const QTestRefused refused[] = {
    { MACHINE " -device virtio-mem-pci", "'memdev' is missing" },
    { MACHINE BACKEND DEVICE ",requested-size=513M",
      "'requested-size' cannot exceed the memory backend size (0x20000000)" },
    { MACHINE BACKEND DEVICE ",requested-size=1G",
      "'requested-size' cannot exceed the memory backend size" },
    { MACHINE BACKEND DEVICE ",requested-size=3M",
      "'requested-size' must be whole blocks of 0x200000 bytes" },
    { MACHINE BACKEND DEVICE ",block-size=3M",
      "'block-size' must be a power of 2, and not 0x300000" },
    { MACHINE BACKEND DEVICE ",block-size=512k", "'block-size' must be 0x100000 or more" },
    { MACHINE " -object memory-backend-ram,id=m0,size=3M" DEVICE,
      "'m0' must be whole blocks of 0x200000 bytes" },
    { MACHINE BACKEND DEVICE ",memaddr=0x100100000", "address must be aligned" },
    { MACHINE BACKEND DEVICE ",memaddr=0x1000000", "can't add memory" },
    { MACHINE BACKEND DEVICE ",node=1", "DIMM property node has value 1" },
    { MACHINE BACKEND DEVICE ",dynamic-memslots=on,unplugged-inaccessible=off",
      "unplugged-inaccessible must be on or auto" },
    { MACHINE BACKEND DEVICE ",disable-modern=on", "disable-modern" },
    { MACHINE BACKEND DEVICE " -device virtio-mem-pci,memdev=m0", "'m0' is already used by 'v0'" },
    { "-m 64M" BACKEND DEVICE, "maxmem" },
    { "-m 64M,maxmem=256M" BACKEND DEVICE, "can't add memory" },
    { MACHINE " -object memory-backend-ram,id=m1,size=128M" BACKEND DEVICE
              " -device virtio-mem-pci,memdev=m1,memaddr=0x110000000",
      "overlaps memory device 'v0'" },
};

static const char *const ram[] = { " -object memory-backend-ram", "", NULL };
static const char *const memfd[] = { " -object memory-backend-memfd", "", "on" };
static const char *const dynamic[] = { " -object memory-backend-ram", ",dynamic-memslots=on",
                                       "on" };

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio-mem/shown/pc", "-M pc", test_shown);
    g_test_add_data_func("/virtio-mem/shown/q35", "-M q35", test_shown);
    g_test_add_func("/virtio-mem/inaccessible", test_inaccessible);
    g_test_add_func("/virtio-mem/hostile", test_hostile);
    g_test_add_func("/virtio-mem/readable", test_readable);
    g_test_add_func("/virtio-mem/plug", test_plug);
    g_test_add_func("/virtio-mem/unplug", test_unplug);
    g_test_add_func("/virtio-mem/wrong", test_wrong);
    g_test_add_data_func("/virtio-mem/short-request", "request", test_short);
    g_test_add_data_func("/virtio-mem/short-response", NULL, test_short);
    g_test_add_func("/virtio-mem/requested-size", test_requested);
    g_test_add_func("/virtio-mem/reset", test_reset);
    g_test_add_func("/virtio-mem/hotplug", test_hotplug);
    g_test_add_func("/virtio-mem/thrown-out", test_thrown_out);
    g_test_add_data_func("/virtio-mem/saved/ram", ram, test_saved);
    g_test_add_data_func("/virtio-mem/saved/memfd", memfd, test_saved);
    g_test_add_data_func("/virtio-mem/saved/dynamic", dynamic, test_saved);
    g_test_add_func("/virtio-mem/not-migrated", test_not_migrated);
    g_test_add_func("/virtio-mem/moved-live", test_moved_live);
    g_test_add_func("/virtio-mem/dump", test_dump);
    g_test_add_func("/virtio-mem/two", test_two);
    g_test_add_data_func("/virtio-mem/host-memory", NULL, test_host_memory);
    g_test_add_data_func("/virtio-mem/prealloc", "prealloc", test_host_memory);
    g_test_add_func("/virtio-mem/dynamic", test_dynamic);
    g_test_add_func("/virtio-mem/resident", test_resident);
    qtest_add_refused("/virtio-mem/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
