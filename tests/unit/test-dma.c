/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DMA with a hold: what can be mapped, who is told of writes, and blocks that are closed. */
#include <string.h>

#include "memory/address-space.h"
#include "memory/dirty.h"
#include "memory/dma.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/units.h"

#define HIGH_AT (128 * KIB)
#define MMIO_AT (256 * KIB)
#define ROM_AT  (512 * KIB)

static MemoryRegion root, low, high, mmio, rom;
static RamBlock *low_ram, *high_ram;
static AddressSpace as;
static DmaSpace space = { &as };
static GString *told; /* "ADDR+LEN", one a line */

static const MemoryRegionOps mmio_ops = { 0 };

static void record_written(MemoryListener *listener, hwaddr addr, uint64_t len)
{
    g_string_append_printf(told, "0x%" G_GINT64_MODIFIER "x+0x%" G_GINT64_MODIFIER "x\n", addr,
                           len);
}

static MemoryListener listener = { .written = record_written };

static void assert_told(const char *expected)
{
    g_assert_cmpstr(told->str, ==, expected);
    g_string_truncate(told, 0);
}

static void setup(void)
{
    told = g_string_new(NULL);
    low_ram = ram_block_new("low", 64 * KIB, -1, false, true, 0, NULL);
    high_ram = ram_block_new("high", 64 * KIB, -1, false, true, 0, NULL);
    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_ram(&low, "low", low_ram);
    memory_region_init_ram(&high, "high", high_ram);
    memory_region_init_io(&mmio, &mmio_ops, NULL, "mmio", 4 * KIB);
    memory_region_init_ram(&rom, "rom", low_ram);
    rom.readonly = true;
    memory_region_add(&root, 0, &low);
    memory_region_add(&root, HIGH_AT, &high);
    memory_region_add(&root, MMIO_AT, &mmio);
    memory_region_add(&root, ROM_AT, &rom);
    address_space_init(&as, &root, "test");
    address_space_add_listener(&as, &listener);
}

static void teardown(void)
{
    address_space_remove_listener(&as, &listener);
    address_space_destroy(&as);
    memory_region_destroy(&root);
    memory_region_destroy(&low);
    memory_region_destroy(&high);
    memory_region_destroy(&mmio);
    memory_region_destroy(&rom);
    ram_block_unref(low_ram);
    ram_block_unref(high_ram);
    g_string_free(told, TRUE);
}

static void assert_no_map(hwaddr addr, uint64_t len, bool write)
{
    DmaHold hold;

    g_assert_false(dma_map(&space, addr, len, write, "test", &hold));
}

static void test_map(void)
{
    DmaHold hold, rest;

    setup();
    assert_no_map(0, 0, false);
    assert_no_map(64 * KIB, 1, false); /* a hole */
    assert_no_map(MMIO_AT, 1, false);
    assert_no_map(ROM_AT, 1, true);
    assert_no_map(UINT64_MAX, 1, false);
    g_assert_true(dma_map(&space, 0x100, 0x200, false, "test", &hold));
    g_assert_true(hold.host == low_ram->host + 0x100);
    g_assert_cmpuint(hold.size, ==, 0x200);
    dma_unmap(&hold, 0);
    g_assert_true(dma_map(&space, ROM_AT, 16, false, "test", &hold));
    dma_unmap(&hold, 0);
    /* As much as there is in one piece, and the next piece. */
    memory_region_set_address(&high, 64 * KIB);
    g_assert_true(dma_map(&space, 64 * KIB - 16, UINT64_MAX, true, "test", &hold));
    g_assert_cmpuint(hold.size, ==, 16);
    g_assert_true(dma_map(&space, 64 * KIB, 64, true, "test", &rest));
    g_assert_true(rest.host == high_ram->host);
    assert_told("");
    dma_unmap(&hold, 16);
    dma_unmap(&rest, 3);
    assert_told("0xfff0+0x10\n0x10000+0x3\n");
    teardown();
}

static void test_whole_range(void)
{
    uint32_t word = 0;

    setup();
    g_assert_true(dma_is_ram(&space, 0, 64 * KIB));
    g_assert_true(dma_is_ram(&space, ROM_AT, 64 * KIB));
    g_assert_true(dma_is_ram(&space, MMIO_AT, 0));
    g_assert_false(dma_is_ram(&space, 0, 64 * KIB + 1));
    g_assert_false(dma_is_ram(&space, MMIO_AT, 1));
    g_assert_false(dma_is_ram(&space, UINT64_MAX, 2));
    g_assert_false(dma_read_ram(&space, MMIO_AT, &word, 4));
    g_assert_false(dma_write_ram(&space, 64 * KIB - 2, &word, 4));
    g_assert_true(dma_read_ram(&space, 0, &word, 4));
    memory_region_set_address(&high, 64 * KIB);
    g_assert_true(dma_is_ram(&space, 0, 128 * KIB));
    teardown();
}

/* Pages are dirty when the device is through, and only those that it wrote to. */
static void test_dirty(void)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    g_autoptr(DirtyTracker) tracker = NULL;
    uint64_t page = 0, count;
    DmaHold hold;

    setup();
    g_ptr_array_add(blocks, low_ram);
    g_ptr_array_add(blocks, high_ram);
    tracker = dirty_tracker_new(blocks);
    for (unsigned n = 0; n < 2; n++) {
        while (dirty_tracker_next(tracker, n, &page, UINT64_MAX, &count)) {
        }
        page = 0;
    }
    g_assert_true(dma_map(&space, HIGH_AT + 4 * KIB, 16 * KIB, true, "test", &hold));
    memset(hold.host, 1, 16 * KIB);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 0);
    memory_region_remove(&high); /* seen or not */
    dma_unmap(&hold, 8 * KIB + 1);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 3);
    g_assert_false(dirty_tracker_next(tracker, 0, &page, UINT64_MAX, &count));
    page = 0;
    g_assert_true(dirty_tracker_next(tracker, 1, &page, UINT64_MAX, &count));
    g_assert_cmpuint(page, ==, 1);
    g_assert_cmpuint(count, ==, 3);
    g_clear_pointer(&tracker, dirty_tracker_free);
    teardown();
}

/* The guest's view changes while a device writes. */
static void test_view_changes(void)
{
    MemoryRegion twin;
    DmaHold hold;

    setup();
    g_assert_true(dma_map(&space, HIGH_AT + 0x100, 0x100, true, "test", &hold));
    memory_region_set_address(&high, MMIO_AT + 64 * KIB);
    memset(hold.host, 0x5a, hold.size);
    dma_unmap(&hold, hold.size);
    assert_told("0x50100+0x100\n"); /* where it is now */

    /* In two halves, one of them cut off. */
    g_assert_true(dma_map(&space, MMIO_AT + 64 * KIB, 8 * KIB, true, "test", &hold));
    memory_region_remove(&high);
    memory_region_init_alias(&twin, "twin", &high, 4 * KIB, 60 * KIB);
    memory_region_add(&root, HIGH_AT, &twin);
    dma_unmap(&hold, 8 * KIB);
    assert_told("0x20000+0x1000\n");
    memory_region_remove(&twin);
    memory_region_destroy(&twin);

    /* Nowhere any more. */
    memory_region_add(&root, HIGH_AT, &high);
    g_assert_true(dma_map(&space, HIGH_AT, 16, true, "test", &hold));
    memory_region_remove(&high);
    memset(hold.host, 1, 16);
    dma_unmap(&hold, 16);
    assert_told("");
    teardown();
}

/* The last reference to the block is the hold's. */
static void test_block_stays(void)
{
    DmaHold hold;

    setup();
    g_assert_true(dma_map(&space, HIGH_AT, 64 * KIB, true, "test", &hold));
    memory_region_remove(&high);
    memory_region_destroy(&high);
    g_clear_pointer(&high_ram, ram_block_unref);
    memset(hold.host, 0x77, hold.size);
    g_assert_cmphex(hold.host[hold.size - 1], ==, 0x77);
    dma_unmap(&hold, hold.size);
    memory_region_init_container(&high, "high", 1); /* for teardown() */
    teardown();
}

/* ---- closing ---- */

static unsigned closed;

static void count_closed(void *opaque)
{
    g_assert_true(machine_lock_held());
    g_assert_true(opaque == &closed);
    closed++;
}

static RamClose close_block(RamBlock *block, const char *expected_holder)
{
    g_autofree char *holder = NULL;
    RamClose result = ram_block_close(block, count_closed, &closed, &holder);

    g_assert_cmpstr(holder, ==, expected_holder);
    return result;
}

static void run_loop(void)
{
    while (main_loop_iterate(false)) {
    }
}

static gpointer release(gpointer hold)
{
    ram_hold_release(hold);
    return NULL;
}

static void test_close(void)
{
    RamHold *first, *second, *third;
    g_autofree char *name = NULL;
    DmaHold hold;

    setup();
    closed = 0;
    g_assert_cmpint(close_block(low_ram, NULL), ==, RAM_CLOSED);
    g_assert_null(ram_hold_new(low_ram, "late", false));
    assert_no_map(0, 1, false);
    ram_block_open(low_ram);
    g_assert_true(dma_map(&space, 0, 1, false, "disk0", &hold));
    first = ram_hold_new(low_ram, "net0", false);
    second = ram_hold_new(low_ram, "net1", false);
    third = ram_hold_new(low_ram, "net2", false);
    name = ram_block_holder(low_ram, false);
    g_assert_cmpstr(name, ==, "net2");
    g_assert_null(ram_block_holder(low_ram, true));
    g_assert_cmpint(close_block(low_ram, NULL), ==, RAM_CLOSE_WAITS);
    g_assert_null(ram_hold_new(low_ram, "late", false));
    ram_hold_release(second);
    ram_hold_release(third);
    dma_unmap(&hold, 0);
    run_loop();
    g_assert_cmpuint(closed, ==, 0);
    g_thread_join(g_thread_new("device", release, first));
    g_assert_cmpuint(closed, ==, 0); /* from the main loop */
    run_loop();
    g_assert_cmpuint(closed, ==, 1);
    g_assert_true(ram_block_is_closed(low_ram));
    ram_block_open(low_ram);
    teardown();
}

/* Opened before it is told, and closed again. */
static void test_open(void)
{
    RamHold *hold;

    setup();
    closed = 0;
    hold = ram_hold_new(low_ram, "disk0", false);
    g_assert_cmpint(close_block(low_ram, NULL), ==, RAM_CLOSE_WAITS);
    ram_hold_release(hold);
    ram_block_open(low_ram);
    run_loop();
    g_assert_cmpuint(closed, ==, 0);
    hold = ram_hold_new(low_ram, "disk0", false);
    g_assert_cmpint(close_block(low_ram, NULL), ==, RAM_CLOSE_WAITS);
    ram_hold_release(hold);
    ram_block_open(low_ram);
    hold = ram_hold_new(low_ram, "disk0", false);
    g_assert_cmpint(close_block(low_ram, NULL), ==, RAM_CLOSE_WAITS);
    run_loop();
    g_assert_cmpuint(closed, ==, 0);
    ram_hold_release(hold);
    run_loop();
    g_assert_cmpuint(closed, ==, 1);
    teardown();
}

static void test_lasting(void)
{
    RamHold *passing, *lasting;
    g_autofree char *name = NULL;

    setup();
    lasting = ram_hold_new(low_ram, "vhost0", true);
    passing = ram_hold_new(low_ram, "disk0", false);
    g_assert_cmpint(close_block(low_ram, "vhost0"), ==, RAM_CLOSE_IN_USE);
    g_assert_false(ram_block_is_closed(low_ram));
    name = ram_block_holder(low_ram, true);
    g_assert_cmpstr(name, ==, "vhost0");
    ram_hold_release(lasting);
    ram_hold_release(passing);
    ram_hold_release(NULL);
    g_assert_cmpint(close_block(low_ram, NULL), ==, RAM_CLOSED);
    ram_block_open(low_ram);
    teardown();
}

/* Who holds something is found by its place. */
static void test_parts(void)
{
    DmaHold hold;

    setup();
    g_assert_false(ram_block_part_is_held(low_ram, 0, low_ram->size));
    RamHold *part = ram_hold_part(low_ram, 0x2000, 0x1000, "disk0");
    g_assert_false(ram_block_part_is_held(low_ram, 0, 0x2000));
    g_assert_true(ram_block_part_is_held(low_ram, 0x1fff, 2));
    g_assert_true(ram_block_part_is_held(low_ram, 0x2fff, 1));
    g_assert_false(ram_block_part_is_held(low_ram, 0x3000, 0x1000));
    ram_hold_release(part);
    g_assert_true(dma_map(&space, 0x1010, 0x20, true, "disk0", &hold));
    g_assert_true(ram_block_part_is_held(low_ram, 0x1000, 0x11));
    g_assert_false(ram_block_part_is_held(low_ram, 0x1000, 0x10));
    g_assert_false(ram_block_part_is_held(low_ram, 0x1030, 0x1000));
    dma_unmap(&hold, 0);
    RamHold *whole = ram_hold_new(low_ram, "dump", false);
    g_assert_true(ram_block_part_is_held(low_ram, low_ram->size - 1, 1));
    ram_hold_release(whole);
    teardown();
}

/* What is given back is zeros, whoever holds it, and was written to as far as others know. */
static void test_discard_ram(void)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    uint64_t page = 0, count;

    setup();
    memset(low_ram->host, 0x55, 0x4000);
    g_ptr_array_add(blocks, low_ram);
    g_autoptr(DirtyTracker) tracker = dirty_tracker_new(blocks);
    dirty_tracker_drop(tracker, 0, 0, low_ram->size / DIRTY_PAGE);
    g_assert_cmpuint(dirty_tracker_left(tracker), ==, 0);
    g_assert_true(dma_discard_ram(space.as, 0x1000, low_ram, 0x1000, 0x2000));
    g_assert_cmphex(low_ram->host[0xfff], ==, 0x55);
    g_assert_cmphex(low_ram->host[0x1000], ==, 0);
    g_assert_cmphex(low_ram->host[0x2fff], ==, 0);
    g_assert_cmphex(low_ram->host[0x3000], ==, 0x55);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 2);
    dirty_tracker_drop(tracker, 0, 0, 1); /* what was not taken stays as it is */
    g_assert_true(dirty_tracker_next(tracker, 0, &page, 100, &count));
    g_assert_cmpuint(page, ==, 1);
    g_assert_cmpuint(count, ==, 2);
    g_clear_pointer(&tracker, dirty_tracker_free);
    teardown();
}

/* An IOMMU with pages of 4 KiB: 0 and 1 are one after the other at the end of `low`, 2 is the first
 * of `high`, 3 only for reading, 4 a device; there are no others. */
static unsigned refusals;

static bool translate(void *opaque, hwaddr addr, bool write, hwaddr *to, uint64_t *size)
{
    static const hwaddr pages[] = { 0xe000, 0xf000, HIGH_AT, 0x1000, MMIO_AT };
    const hwaddr page = addr / 0x1000;

    if (page >= G_N_ELEMENTS(pages) || (page == 3 && write)) {
        refusals++;
        return false;
    }
    *to = pages[page] + addr % 0x1000;
    *size = 0x1000 - addr % 0x1000;
    return true;
}

static void test_iommu(void)
{
    const DmaIommu iommu = { .translate = translate }, none = { 0 };
    DmaSpace behind = { &as, &iommu };
    uint8_t buf[0x1800];
    DmaHold hold;

    setup();
    memset(buf, 0x5a, sizeof(buf));
    refusals = 0;
    g_assert_true(dma_is_translated(&behind));
    g_assert_true(dma_write_ram(&behind, 0x1800, buf, sizeof(buf)));
    g_assert_cmphex(low_ram->host[0xf7ff], ==, 0);
    g_assert_cmphex(low_ram->host[0xf800], ==, 0x5a);
    g_assert_cmphex(high_ram->host[0xfff], ==, 0x5a);
    memset(buf, 0, sizeof(buf));
    g_assert_true(dma_read_ram(&behind, 0x1800, buf, sizeof(buf)));
    g_assert_cmphex(buf[0x17ff], ==, 0x5a);
    assert_told("0xf800+0x800\n0x20000+0x1000\n");
    /* All or nothing, and never a device. */
    g_assert_cmpuint(refusals, ==, 0);
    g_assert_true(dma_read_ram(&behind, 0x3000, buf, 16));
    g_assert_false(dma_write_ram(&behind, 0x2ff8, buf, 16));
    g_assert_cmpuint(refusals, ==, 1);
    g_assert_false(dma_read_ram(&behind, 0x4000, buf, 16));
    g_assert_false(dma_is_ram(&behind, 0x4ff8, 16));
    g_assert_false(dma_is_ram(&behind, UINT64_MAX - 3, 8));
    g_assert_cmpint(dma_read(&behind, 0x5000, buf, 4), !=, MEMTX_OK);
    g_assert_cmpint(dma_set(&behind, 0x2000, 0, 8), ==, MEMTX_OK);
    g_assert_cmphex(high_ram->host[7], ==, 0);
    g_assert_cmphex(high_ram->host[8], ==, 0x5a);
    assert_told("0x20000+0x8\n");
    /* What lies together is one piece, and its place is told. */
    g_assert_true(dma_map(&behind, 0x800, 0x2000, true, "test", &hold));
    g_assert_cmphex(hold.size, ==, 0x1800);
    g_assert_cmphex(hold.addr, ==, 0xe800);
    g_assert_true(hold.host == low_ram->host + 0xe800);
    dma_unmap(&hold, 1);
    assert_told("0xe800+0x1\n");
    g_assert_false(dma_map(&behind, 0x3000, 1, true, "test", &hold));
    g_assert_true(dma_host(&behind, 0x1ff0, 16, true) == low_ram->host + 0xfff0);
    g_assert_null(dma_host(&behind, 0x1ff0, 17, true));
    dma_written(&behind, 0x1ff0, 16);
    assert_told("0xfff0+0x10\n");
    behind.iommu = &none;
    g_assert_false(dma_is_translated(&behind));
    g_assert_true(dma_read_ram(&behind, 0x8000, buf, 16));
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/dma/map", test_map);
    g_test_add_func("/dma/whole-range", test_whole_range);
    g_test_add_func("/dma/dirty", test_dirty);
    g_test_add_func("/dma/view-changes", test_view_changes);
    g_test_add_func("/dma/block-stays", test_block_stays);
    g_test_add_func("/dma/close", test_close);
    g_test_add_func("/dma/open", test_open);
    g_test_add_func("/dma/lasting", test_lasting);
    g_test_add_func("/dma/parts", test_parts);
    g_test_add_func("/dma/discard-ram", test_discard_ram);
    g_test_add_func("/dma/iommu", test_iommu);
    return g_test_run();
}
