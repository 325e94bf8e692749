/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory hot-plug register block (docs/memory-hotplug-registers.md), with the guest's half
 * played by the test, on machines with 1, 8 and 256 slots. */
#include <inttypes.h>

#include "tests/qtest/libqtest.h"
#include "util/units.h"

enum {
    ADDR_LOW = 0xa00,
    ADDR_HIGH = 0xa04,
    SIZE_LOW = 0xa08,
    SIZE_HIGH = 0xa0c,
    NODE = 0xa10,
    FLAGS = 0xa14,
    NEXT = 0xa18,
    IDENT = 0xa1c,
    BLOCK_END = 0xa20,
    SELECT = 0xa00,
    OST_EVENT = 0xa04,
    OST_STATUS = 0xa08,
};
enum { ENABLED = 1, INSERT = 2, REMOVE = 4, EJECT = 8 };
enum { GPE_STS = 0xafe0, GPE_EN = 0xafe2, GPE_MEMORY = 1 << 3, SCI = 9 };

#define NONE 0xffffffffu

static unsigned slots; /* of the machine under test */

static QTest *start(void)
{
    return qtest_start("-m 128M,slots=%u,maxmem=8G", slots);
}

static void plug_at(QTest *qt, const char *id, uint64_t size, int slot)
{
    g_autofree char *memdev = g_strdup_printf("m-%s", id);

    qtest_qmp_ok(qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': %s, 'size': %" PRIu64 "}", memdev, size);
    qtest_qmp_ok(qt, "device_add", "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s, 'slot': %d}", id,
                 memdev, slot);
}

static uint8_t flags(QTest *qt, uint32_t slot)
{
    qtest_outl(qt, SELECT, slot);
    return qtest_inb(qt, FLAGS);
}

static void write_flags(QTest *qt, uint32_t slot, uint8_t value)
{
    qtest_outl(qt, SELECT, slot);
    qtest_outb(qt, FLAGS, value);
}

static void ost(QTest *qt, uint32_t slot, uint32_t event, uint32_t status)
{
    qtest_outl(qt, SELECT, slot);
    qtest_outl(qt, OST_EVENT, event);
    qtest_outl(qt, OST_STATUS, status);
}

static void assert_dimms(QTest *qt, unsigned count)
{
    g_autoptr(json_object) list = qtest_qmp(qt, "query-memory-devices", NULL);

    g_assert_cmpuint(json_object_array_length(list), ==, count);
}

static void request_unplug(QTest *qt, const char *id)
{
    qtest_qmp_ok(qt, "device_del", "{'id': %s}", id);
}

static void test_empty(void)
{
    QTest *qt = start();

    g_assert_cmphex(qtest_inl(qt, NEXT), ==, NONE);
    g_assert_cmphex(qtest_inl(qt, IDENT), ==, 1u << 16 | slots);
    for (unsigned slot = 0; slot < slots; slot++) {
        g_assert_cmphex(flags(qt, slot), ==, 0);
        g_assert_cmphex(qtest_inl(qt, ADDR_LOW), ==, 0);
        g_assert_cmphex(qtest_inl(qt, SIZE_LOW), ==, 0);
        qtest_outb(qt, FLAGS, EJECT | INSERT | REMOVE); /* nothing */
    }
    g_assert_cmphex(flags(qt, slots), ==, 0xff);
    g_assert_cmpuint(qtest_event_count(qt, "DEVICE_DELETED"), ==, 0);
    qtest_quit(qt);
}

static void test_insertion(void)
{
    QTest *qt = start();
    const uint32_t last = slots - 1;

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_outb(qt, GPE_EN, GPE_MEMORY);
    g_assert_false(qtest_get_irq(qt, SCI));
    plug_at(qt, "d0", 256 * MIB, last);
    g_assert_true(qtest_get_irq(qt, SCI));
    g_assert_cmphex(qtest_inb(qt, GPE_STS), ==, GPE_MEMORY);
    qtest_outb(qt, GPE_STS, GPE_MEMORY); /* as long as there is an event, this does nothing */
    g_assert_true(qtest_get_irq(qt, SCI));
    g_assert_cmphex(qtest_inb(qt, GPE_STS), ==, GPE_MEMORY);

    g_assert_cmphex(qtest_inl(qt, NEXT), ==, last);
    g_assert_cmphex(flags(qt, last), ==, ENABLED | INSERT);
    qtest_outb(qt, FLAGS, INSERT);
    g_assert_cmphex(qtest_inb(qt, FLAGS), ==, ENABLED);
    g_assert_cmphex(qtest_inl(qt, NEXT), ==, NONE);
    g_assert_cmphex(qtest_inb(qt, GPE_STS), ==, 0);
    g_assert_false(qtest_get_irq(qt, SCI));
    g_assert_cmphex(qtest_inl(qt, ADDR_LOW), ==, 0);
    g_assert_cmphex(qtest_inl(qt, ADDR_HIGH), ==, 1);
    g_assert_cmphex(qtest_inl(qt, SIZE_LOW), ==, 256 * MIB);
    g_assert_cmphex(qtest_inl(qt, SIZE_HIGH), ==, 0);
    g_assert_cmphex(qtest_inl(qt, NODE), ==, 0);
    g_assert_cmphex(qtest_inw(qt, SIZE_LOW + 2), ==, 0x1000); /* a part of a register */
    ost(qt, last, 1, 0);
    g_autoptr(json_object) event = qtest_event(qt, "ACPI_DEVICE_OST");
    g_autofree char *slot = g_strdup_printf("%u", last);
    qtest_assert_json(qtest_get(event, "data.info"),
                      "{'device': 'd0', 'slot': %s, 'slot-type': 'DIMM', 'source': 1, 'status': 0}",
                      slot);
    qtest_writel(qt, 4 * GIB, 0x04030201);
    g_assert_cmphex(qtest_readl(qt, 4 * GIB), ==, 0x04030201);
    qtest_quit(qt);
}

static void test_removal(void)
{
    QTest *qt = start();
    const uint32_t last = slots - 1;

    plug_at(qt, "d0", 128 * MIB, last);
    write_flags(qt, last, INSERT);
    qtest_outb(qt, GPE_STS, GPE_MEMORY);
    request_unplug(qt, "d0");
    g_assert_cmphex(qtest_inb(qt, GPE_STS), ==, GPE_MEMORY);
    g_assert_cmphex(flags(qt, last), ==, ENABLED | REMOVE);
    g_assert_cmphex(qtest_inl(qt, NEXT), ==, last);
    write_flags(qt, last, REMOVE);
    g_assert_cmphex(flags(qt, last), ==, ENABLED);
    ost(qt, last, 3, 0x84); /* in progress */
    g_autoptr(json_object) progress = qtest_event(qt, "ACPI_DEVICE_OST");
    g_assert_cmphex(qtest_get_int(progress, "data.info.status"), ==, 0x84);
    assert_dimms(qt, 1); /* nothing leaves before _EJ0 */
    g_assert_cmpuint(qtest_event_count(qt, "MEM_UNPLUG_ERROR"), ==, 0);
    g_assert_cmpuint(qtest_event_count(qt, "DEVICE_DELETED"), ==, 0);

    write_flags(qt, last, EJECT);
    g_autoptr(json_object) deleted = qtest_event(qt, "DEVICE_DELETED");
    qtest_assert_json(qtest_get(deleted, "data"),
                      "{'device': 'd0', 'path': '/machine/peripheral/d0'}");
    assert_dimms(qt, 0);
    g_assert_cmphex(flags(qt, last), ==, 0);
    g_assert_cmphex(qtest_readl(qt, 4 * GIB), ==, NONE);
    ost(qt, last, 3, 0);
    g_autoptr(json_object) done = qtest_event(qt, "ACPI_DEVICE_OST");
    g_assert_null(qtest_get(done, "data.info.device"));
    qtest_qmp_ok(qt, "object-del", "{'id': 'm-d0'}");
    qtest_quit(qt);
}

static void test_refusal(gconstpointer data)
{
    uint32_t status = GPOINTER_TO_UINT(data);
    QTest *qt = qtest_start("-m 128M,slots=8,maxmem=8G");

    plug_at(qt, "d0", 128 * MIB, 0);
    write_flags(qt, 0, INSERT);
    request_unplug(qt, "d0");
    write_flags(qt, 0, REMOVE);
    ost(qt, 0, 3, status);
    json_object_put(qtest_event_with(qt, "MEM_UNPLUG_ERROR", "device", "d0"));
    g_autoptr(json_object) error = qtest_event(qt, "DEVICE_UNPLUG_GUEST_ERROR");
    qtest_assert_json(qtest_get(error, "data"),
                      "{'device': 'd0', 'path': '/machine/peripheral/d0'}");
    assert_dimms(qt, 1);
    qtest_writeb(qt, 4 * GIB, 0x55);
    g_assert_cmphex(qtest_readb(qt, 4 * GIB), ==, 0x55); /* it goes on working */
    request_unplug(qt, "d0");                            /* and can be asked again */
    g_assert_cmphex(flags(qt, 0), ==, ENABLED | REMOVE);
    qtest_quit(qt);
}

static void test_unasked_ejection(void)
{
    QTest *qt = start();

    plug_at(qt, "d0", 128 * MIB, 0);
    write_flags(qt, 0, INSERT);
    write_flags(qt, 0, EJECT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "d0"));
    write_flags(qt, 0, EJECT); /* an empty slot */
    assert_dimms(qt, 0);
    g_assert_cmpuint(qtest_event_count(qt, "DEVICE_DELETED"), ==, 0);
    qtest_quit(qt);
}

static void test_reset(void)
{
    QTest *qt = start();

    plug_at(qt, "d0", 128 * MIB, 0);
    request_unplug(qt, "d0");
    g_assert_cmphex(flags(qt, 0), ==, ENABLED | INSERT | REMOVE);
    qtest_qmp_ok(qt, "system_reset", NULL);
    json_object_put(qtest_event(qt, "RESET"));
    g_assert_cmphex(flags(qt, 0), ==, ENABLED);
    g_assert_cmphex(qtest_inl(qt, NEXT), ==, NONE);
    assert_dimms(qt, 1);
    qtest_quit(qt);
}

static void test_selector(void)
{
    QTest *qt = start();
    const uint32_t wrong[] = { slots, slots + 1, 0x1000, 0x7fffffff, 0x80000000, NONE };

    plug_at(qt, "d0", 128 * MIB, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_cmphex(flags(qt, wrong[i]), ==, 0xff);
        for (uint16_t port = ADDR_LOW; port <= NODE; port += 4) {
            g_assert_cmphex(qtest_inl(qt, port), ==, NONE);
        }
        g_assert_cmphex(qtest_inl(qt, NEXT), ==, 0); /* does not depend on it */
        qtest_outb(qt, FLAGS, EJECT | INSERT | REMOVE);
        qtest_outl(qt, OST_EVENT, 3);
        qtest_outl(qt, OST_STATUS, 1);
    }
    g_assert_cmpuint(qtest_event_count(qt, "ACPI_DEVICE_OST"), ==, 0);
    assert_dimms(qt, 1);
    g_assert_cmphex(flags(qt, 0), ==, ENABLED | INSERT);
    qtest_quit(qt);
}

/* The guest's scan: as many steps as there are events, lowest slot first, then the end. */
static void test_scan(void)
{
    QTest *qt = start();
    const unsigned count = MIN(slots, 20);

    for (unsigned i = 0; i < count; i++) {
        g_autofree char *id = g_strdup_printf("d%u", i);
        plug_at(qt, id, 128 * MIB, (i * 7 + 3) % slots); /* 7 divides none of the counts */
    }
    uint32_t last = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t slot = qtest_inl(qt, NEXT);
        g_assert_cmpuint(slot, <, slots);
        g_assert_true(i == 0 || slot > last);
        g_assert_cmphex(flags(qt, slot), ==, ENABLED | INSERT);
        qtest_outb(qt, FLAGS, INSERT);
        last = slot;
    }
    g_assert_cmphex(qtest_inl(qt, NEXT), ==, NONE);
    qtest_quit(qt);
}

/* A writer of single bytes: the selector and _OST in pieces. */
static void test_single_bytes(void)
{
    QTest *qt = start();
    const uint32_t last = slots - 1;

    plug_at(qt, "d0", 128 * MIB, last);
    qtest_outl(qt, SELECT, NONE);
    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(qt, SELECT + i, (uint8_t)(last >> 8 * i));
    }
    g_assert_cmphex(qtest_inb(qt, FLAGS), ==, ENABLED | INSERT);
    for (unsigned i = 0; i < 4; i++) {
        qtest_outb(qt, OST_EVENT + i, (uint8_t)(0x103u >> 8 * i));
    }
    for (int i = 3; i >= 0; i--) { /* the lowest byte reports */
        g_assert_cmpuint(qtest_event_count(qt, "ACPI_DEVICE_OST"), ==, 0);
        qtest_outb(qt, OST_STATUS + i, (uint8_t)(0x80u >> 8 * i));
    }
    g_autoptr(json_object) event = qtest_event(qt, "ACPI_DEVICE_OST");
    g_assert_cmphex(qtest_get_int(event, "data.info.source"), ==, 0x103);
    g_assert_cmphex(qtest_get_int(event, "data.info.status"), ==, 0x80);
    qtest_quit(qt);
}

/* All offsets and widths, with values that mean something in some register. */
static void test_every_access(void)
{
    static const uint32_t values[] = { 0, 1, 7, 0x80, NONE };
    QTest *qt = start();

    plug_at(qt, "d0", 128 * MIB, 0);
    for (uint16_t port = ADDR_LOW - 3; port < BLOCK_END + 4; port++) {
        for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
            qtest_inb(qt, port);
            qtest_outb(qt, port, (uint8_t)values[i]);
            qtest_inw(qt, port);
            qtest_outw(qt, port, (uint16_t)values[i]);
            qtest_inl(qt, port);
            qtest_outl(qt, port, values[i]);
        }
    }
    qtest_qmp_ok(qt, "query-memory-devices", NULL);
    g_assert_cmphex(qtest_inl(qt, IDENT), ==, 1u << 16 | slots);
    qtest_quit(qt);
}

/* ---- for one size of machine ---- */

static void test_placement(void)
{
    QTest *qt = qtest_start("-m 128M,slots=8,maxmem=8G");

    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *id = g_strdup_printf("d%u", i);
        plug_at(qt, id, (i + 1) * 128 * MIB, -1);
    }
    qtest_outl(qt, SELECT, 1);
    g_assert_cmphex(qtest_inl(qt, ADDR_LOW), ==, 128 * MIB);
    qtest_outl(qt, SELECT, 2);
    g_assert_cmphex(qtest_inl(qt, ADDR_LOW), ==, 384 * MIB);
    write_flags(qt, 1, EJECT);
    json_object_put(qtest_event_with(qt, "DEVICE_DELETED", "device", "d1"));
    plug_at(qt, "d3", 256 * MIB, -1); /* into the hole, in slot and address */
    qtest_outl(qt, SELECT, 1);
    g_assert_cmphex(qtest_inl(qt, ADDR_LOW), ==, 128 * MIB);
    g_assert_cmphex(qtest_inl(qt, SIZE_LOW), ==, 256 * MIB);
    qtest_quit(qt);
}

static void test_ospm_status(void)
{
    QTest *qt = qtest_start("-m 128M,slots=8,maxmem=8G");

    plug_at(qt, "d0", 128 * MIB, 2);
    ost(qt, 2, 1, 0);
    g_autoptr(json_object) list = qtest_qmp(qt, "query-acpi-ospm-status", NULL);
    g_assert_cmpuint(json_object_array_length(list), ==, 8);
    qtest_assert_json(
        qtest_get(list, "2"),
        "{'device': 'd0', 'slot': '2', 'slot-type': 'DIMM', 'source': 1, 'status': 0}");
    qtest_assert_json(qtest_get(list, "3"),
                      "{'slot': '3', 'slot-type': 'DIMM', 'source': 0, 'status': 0}");
    qtest_quit(qt);
}

static void test_cold_plug(void)
{
    QTest *qt = qtest_start("-m 128M,slots=8,maxmem=8G -object memory-backend-ram,id=m0,size=512M "
                            "-device pc-dimm,id=d0,memdev=m0,slot=4");
    g_autoptr(json_object) list = qtest_qmp(qt, "query-memory-devices", NULL);

    g_assert_cmpstr(qtest_get_str(list, "0.type"), ==, "dimm");
    g_assert_cmpint(qtest_get_int(list, "0.data.slot"), ==, 4);
    g_assert_cmphex(qtest_get_int(list, "0.data.addr"), ==, 4 * GIB);
    g_assert_cmpint(qtest_get_int(list, "0.data.size"), ==, 512 * MIB);
    g_assert_cmpint(qtest_get_int(list, "0.data.node"), ==, 0);
    g_assert_cmpstr(qtest_get_str(list, "0.data.memdev"), ==, "/objects/m0");
    g_assert_false(qtest_get_bool(list, "0.data.hotplugged"));
    g_assert_true(qtest_get_bool(list, "0.data.hotpluggable"));
    g_assert_cmphex(flags(qt, 4), ==, ENABLED); /* no event: it was there from the start */
    g_assert_cmphex(qtest_inl(qt, NEXT), ==, NONE);
    qtest_quit(qt);
}

static void test_no_slots(void)
{
    QTest *qt = qtest_start("-m 128M");

    for (uint16_t port = ADDR_LOW; port < BLOCK_END; port += 4) {
        g_assert_cmphex(qtest_inl(qt, port), ==, NONE);
        qtest_outl(qt, port, 0);
    }
    qtest_quit(qt);
}

/* ---- */

typedef struct Common {
    const char *name;
    void (*run)(void);
} Common;

static const Common common[] = {
    { "empty", test_empty },
    { "insertion", test_insertion },
    { "removal", test_removal },
    { "unasked-ejection", test_unasked_ejection },
    { "reset", test_reset },
    { "selector", test_selector },
    { "scan", test_scan },
    { "single-bytes", test_single_bytes },
    { "every-access", test_every_access },
};

static const unsigned slot_counts[] = { 1, 8, 256 };

typedef struct CommonCase {
    const Common *common;
    unsigned slots;
} CommonCase;

static void run_common(gconstpointer data)
{
    const CommonCase *c = data;

    slots = c->slots;
    c->common->run();
}

int main(int argc, char **argv)
{
    static CommonCase cases[G_N_ELEMENTS(common) * G_N_ELEMENTS(slot_counts)];
    static const uint32_t refusals[] = { 1, 0x80, 0x82, 0x85, 0xdeadbeef };
    CommonCase *next = cases;

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(slot_counts); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(common); j++) {
            g_autofree char *path =
                g_strdup_printf("/hotplug/%u-slots/%s", slot_counts[i], common[j].name);
            *next = (CommonCase){ &common[j], slot_counts[i] };
            g_test_add_data_func(path, next++, run_common);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/hotplug/refusal-0x%x", refusals[i]);
        g_test_add_data_func(path, GUINT_TO_POINTER(refusals[i]), test_refusal);
    }
    g_test_add_func("/hotplug/placement", test_placement);
    g_test_add_func("/hotplug/ospm-status", test_ospm_status);
    g_test_add_func("/hotplug/cold-plug", test_cold_plug);
    g_test_add_func("/hotplug/no-slots", test_no_slots);
    return g_test_run();
}
