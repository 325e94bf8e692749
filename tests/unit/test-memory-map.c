/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regions, flat views, listeners and accesses. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "memory/address-space.h"
#include "memory/internal.h"
#include "tests/unit/count-accesses.h"
#include "util/main-loop.h"
#include "util/units.h"

/* A device that records the last access and reads as a pattern made of address and size. */
typedef struct Probe {
    hwaddr addr;
    uint64_t value;
    unsigned size, reads, writes;
    void (*on_write)(struct Probe *probe);
    MemoryRegion *victim;
} Probe;

static uint64_t probe_read(void *opaque, hwaddr addr, unsigned size)
{
    Probe *probe = opaque;
    uint64_t value = 0;

    probe->addr = addr;
    probe->size = size;
    probe->reads++;
    for (unsigned i = 0; i < size; i++) {
        value |= ((addr + i) & 0xff) << (i * 8);
    }
    return value;
}

static void probe_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Probe *probe = opaque;

    probe->addr = addr;
    probe->value = value;
    probe->size = size;
    probe->writes++;
    if (probe->on_write) {
        probe->on_write(probe);
    }
}

static const MemoryRegionOps probe_ops = { probe_read, probe_write, 0, 0 };
static const MemoryRegionOps probe_ops_2 = { probe_read, probe_write, 2, 2 };
static const MemoryRegionOps probe_ops_4 = { probe_read, probe_write, 4, 4 };

/* ---- flat views of hand-made trees ---- */

static void assert_view(const MemoryRegion *root, const char *expected)
{
    g_autofree FlatView *view = flat_view_new(root, NULL);
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *r = &view->ranges[i];

        g_string_append_printf(
            text, "%s%" G_GINT64_MODIFIER "x+%" G_GINT64_MODIFIER "x=%s@%" G_GINT64_MODIFIER "x",
            i ? " " : "", r->addr, r->size, r->mr->name, r->offset);
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_view_priorities(void)
{
    MemoryRegion root, low, high, same;
    Probe probe = { 0 };

    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_io(&low, &probe_ops, &probe, "low", 0x1000);
    memory_region_init_io(&high, &probe_ops, &probe, "high", 0x100);
    memory_region_init_io(&same, &probe_ops, &probe, "same", 0x10);
    assert_view(&root, "");
    memory_region_add(&root, 0x1000, &low);
    assert_view(&root, "1000+1000=low@0");
    memory_region_add_overlap(&root, 0x1800, &high, 1);
    assert_view(&root, "1000+800=low@0 1800+100=high@0 1900+700=low@900");
    memory_region_add_overlap(&root, 0x18f8, &same, 1); /* the newest of equals wins */
    assert_view(&root, "1000+800=low@0 1800+f8=high@0 18f8+10=same@0 1908+6f8=low@908");
    memory_region_set_enabled(&high, false);
    assert_view(&root, "1000+8f8=low@0 18f8+10=same@0 1908+6f8=low@908");
    memory_region_set_address(&same, 0);
    assert_view(&root, "0+10=same@0 1000+1000=low@0");
    memory_region_remove(&same);
    memory_region_remove(&high);
    memory_region_set_address(&low, UINT64_MAX - 0x7ff); /* cut at 2^64 */
    assert_view(&root, "fffffffffffff800+800=low@0");
    memory_region_remove(&low);
    memory_region_destroy(&root);
    memory_region_destroy(&low);
    memory_region_destroy(&high);
    memory_region_destroy(&same);
}

static void test_view_aliases(void)
{
    MemoryRegion root, ram, below, above, nested, hole;
    Probe probe = { 0 };

    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_io(&ram, &probe_ops, &probe, "ram", 0x10000);
    memory_region_init_alias(&below, "below", &ram, 0, 0x4000);
    memory_region_init_alias(&above, "above", &ram, 0x4000, 0xc000);
    memory_region_init_container(&nested, "nested", 0x3000);
    memory_region_init_io(&hole, &probe_ops, &probe, "hole", 0x4000);
    memory_region_add(&root, 0, &below);
    memory_region_add(&root, 0x100000, &above);
    assert_view(&root, "0+4000=ram@0 100000+c000=ram@4000");
    /* Adjacent pieces of one region become one range. */
    memory_region_set_address(&above, 0x4000);
    assert_view(&root, "0+10000=ram@0");
    /* A container cuts what is in it. */
    memory_region_add_overlap(&root, 0x2000, &nested, 1);
    memory_region_add(&nested, 0x1000, &hole);
    assert_view(&root, "0+3000=ram@0 3000+2000=hole@0 5000+b000=ram@5000");
    memory_region_destroy(&root); /* takes its children out */
    g_assert_null(below.container);
    memory_region_destroy(&below);
    memory_region_destroy(&above);
    memory_region_destroy(&nested);
    memory_region_destroy(&hole);
    memory_region_destroy(&ram);
}

static void test_view_whole_space(void)
{
    MemoryRegion root, all;
    Probe probe = { 0 };

    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_io(&all, &probe_ops, &probe, "all", UINT64_MAX);
    memory_region_add(&root, 0, &all);
    g_autofree FlatView *view = flat_view_new(&root, NULL);
    g_assert_nonnull(flat_view_find(view, 0));
    g_assert_nonnull(flat_view_find(view, 1ull << 63));
    g_assert_nonnull(flat_view_find(view, UINT64_MAX));
    memory_region_destroy(&root);
    memory_region_destroy(&all);
}

/* ---- random trees against brute force ---- */

#define SPACE   256
#define REGIONS 14

/* Who answers at @addr of @mr, and at which offset: the definition, byte by byte. */
static const MemoryRegion *resolve(const MemoryRegion *mr, int64_t addr, int64_t *offset)
{
    if (!mr->enabled || addr < 0 || addr >= (int64_t)mr->size) {
        return NULL;
    }
    for (unsigned i = 0; mr->subregions && i < mr->subregions->len; i++) {
        const MemoryRegion *sub = g_ptr_array_index(mr->subregions, i);
        const MemoryRegion *found = resolve(sub, addr - (int64_t)sub->addr, offset);

        if (found) {
            return found;
        }
    }
    if (mr->kind == REGION_ALIAS) {
        return resolve(mr->alias, addr + (int64_t)mr->alias_offset, offset);
    }
    *offset = addr;
    return mr->kind == REGION_CONTAINER ? NULL : mr;
}

static void random_region(MemoryRegion *all, unsigned n, Probe *probe)
{
    MemoryRegion *mr = &all[n];
    uint64_t size = (uint64_t)g_test_rand_int_range(1, SPACE);
    g_autofree char *name = g_strdup_printf("r%u", n);
    int kind = g_test_rand_int_range(0, 4);

    /* Aliases point to earlier regions only: no loops. */
    if (kind == 0 || n == 0) {
        memory_region_init_container(mr, name, n == 0 ? SPACE : size);
    } else if (kind == 1) {
        MemoryRegion *target = &all[g_test_rand_int_range(0, (int)n)];

        /* Not the root: the alias will be below it. */
        if (target == all || target->kind == REGION_CONTAINER) {
            memory_region_init_io(mr, &probe_ops, probe, name, size);
        } else {
            memory_region_init_alias(mr, name, target, (uint64_t)g_test_rand_int_range(0, SPACE),
                                     size);
        }
    } else {
        memory_region_init_io(mr, &probe_ops, probe, name, size);
    }
}

static void check_against_brute_force(const MemoryRegion *root)
{
    g_autofree FlatView *view = flat_view_new(root, NULL);

    for (unsigned i = 0; i < view->count; i++) {
        g_assert_cmpuint(view->ranges[i].size, >, 0);
        if (i) {
            const FlatRange *before = &view->ranges[i - 1];

            g_assert_cmpuint(before->addr + before->size, <=, view->ranges[i].addr);
            g_assert_false(before->mr == view->ranges[i].mr &&
                           before->addr + before->size == view->ranges[i].addr &&
                           before->offset + before->size == view->ranges[i].offset);
        }
    }
    for (int64_t addr = 0; addr < SPACE + 8; addr++) {
        int64_t offset = 0;
        const MemoryRegion *expected = resolve(root, addr, &offset);
        const FlatRange *range = flat_view_find(view, (hwaddr)addr);

        g_assert_true((expected != NULL) == (range != NULL));
        if (range) {
            g_assert_true(range->mr == expected);
            g_assert_cmpuint(range->offset + ((hwaddr)addr - range->addr), ==, (uint64_t)offset);
        }
    }
}

static void test_view_random(void)
{
    for (unsigned round = 0; round < 2000; round++) {
        MemoryRegion all[REGIONS];
        Probe probe = { 0 };

        for (unsigned n = 0; n < REGIONS; n++) {
            random_region(all, n, &probe);
            if (n) {
                MemoryRegion *parent = &all[g_test_rand_int_range(0, (int)n)];

                while (parent->kind != REGION_CONTAINER) {
                    parent--;
                }
                memory_region_add_overlap(parent, (hwaddr)g_test_rand_int_range(0, SPACE), &all[n],
                                          g_test_rand_int_range(-2, 3));
            }
        }
        for (unsigned change = 0; change < 8; change++) {
            MemoryRegion *mr = &all[g_test_rand_int_range(1, REGIONS)];

            check_against_brute_force(&all[0]);
            if (g_test_rand_bit()) {
                memory_region_set_enabled(mr, !mr->enabled);
            } else {
                memory_region_set_address(mr, (hwaddr)g_test_rand_int_range(0, SPACE));
            }
        }
        for (unsigned n = REGIONS; n-- > 0;) {
            if (all[n].container) {
                memory_region_remove(&all[n]);
            }
        }
        for (unsigned n = 0; n < REGIONS; n++) {
            memory_region_destroy(&all[n]);
        }
    }
}

/* ---- listeners and transactions ---- */

typedef struct Recorder {
    MemoryListener listener;
    GString *text;
} Recorder;

static void record(MemoryListener *listener, char op, const FlatRange *range)
{
    g_string_append_printf(((Recorder *)listener)->text,
                           "%c%" G_GINT64_MODIFIER "x+%" G_GINT64_MODIFIER "x ", op, range->addr,
                           range->size);
}

static void record_del(MemoryListener *listener, const FlatRange *range)
{
    record(listener, '-', range);
}

static void record_add(MemoryListener *listener, const FlatRange *range)
{
    record(listener, '+', range);
}

static void record_commit(MemoryListener *listener)
{
    g_string_append_c(((Recorder *)listener)->text, '.');
}

static void assert_recorded(Recorder *recorder, const char *expected)
{
    g_assert_cmpstr(recorder->text->str, ==, expected);
    g_string_truncate(recorder->text, 0);
}

static void test_listeners(void)
{
    Recorder recorder = { .listener = { record_del, record_add, record_commit },
                          .text = g_string_new(NULL) };
    MemoryRegion root, a, b, empty;
    AddressSpace as;
    Probe probe = { 0 };

    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_io(&a, &probe_ops, &probe, "a", 0x1000);
    memory_region_init_io(&b, &probe_ops, &probe, "b", 0x100);
    memory_region_add(&root, 0x2000, &a);
    address_space_init(&as, &root, "test");
    address_space_add_listener(&as, &recorder.listener);
    assert_recorded(&recorder, "+2000+1000 ");
    memory_region_add_overlap(&root, 0x2000, &b, 1);
    assert_recorded(&recorder, "-2000+1000 +2000+100 +2100+f00 .");
    memory_region_init_container(&empty, "empty", 0);
    memory_region_add(&root, 0x9000, &empty);
    assert_recorded(&recorder, ""); /* an empty region changes nothing */
    memory_transaction_begin();
    memory_transaction_begin();
    memory_region_set_address(&b, 0);
    memory_region_set_address(&a, 0x3000);
    memory_transaction_commit();
    assert_recorded(&recorder, "");
    memory_transaction_commit();
    assert_recorded(&recorder, "-2000+100 -2100+f00 +0+100 +3000+1000 .");
    memory_transaction_begin();
    memory_region_set_enabled(&a, false);
    memory_region_set_enabled(&a, true);
    memory_transaction_commit();
    assert_recorded(&recorder, ""); /* there and back: no new view */
    address_space_remove_listener(&as, &recorder.listener);
    memory_region_set_enabled(&a, false);
    assert_recorded(&recorder, "");
    address_space_destroy(&as);
    memory_region_destroy(&root);
    memory_region_destroy(&a);
    memory_region_destroy(&b);
    memory_region_destroy(&empty);
    g_string_free(recorder.text, TRUE);
}

/* How many views of @as were made since the last call. */
static unsigned builds_of(AddressSpace *as)
{
    static GHashTable *before;
    unsigned last;

    if (!before) {
        before = g_hash_table_new(NULL, NULL);
    }
    last = GPOINTER_TO_UINT(g_hash_table_lookup(before, as));
    g_hash_table_insert(before, as, GUINT_TO_POINTER(as->builds));
    return as->builds - last;
}

/* A change makes the views anew that it may show in, once, and no others. */
static void test_rebuilds(void)
{
    MemoryRegion roots[3], window, ram, alias, device, detached;
    RamBlock *block = ram_block_new("ram", 64 * KIB, -1, false, true, 0, NULL);
    AddressSpace as[3];
    Probe probe = { 0 };

    memory_region_init_container(&window, "window", 64 * KIB);
    memory_region_init_container(&detached, "detached", 64 * KIB);
    memory_region_init_ram(&ram, "ram", block);
    memory_region_init_io(&device, &probe_ops, &probe, "device", 4 * KIB);
    for (unsigned i = 0; i < 3; i++) {
        memory_region_init_container(&roots[i], "root", UINT64_MAX);
        address_space_init(&as[i], &roots[i], "test");
        builds_of(&as[i]);
    }
    memory_region_add(&detached, 0, &device);
    g_assert_cmpuint(builds_of(&as[0]) + builds_of(&as[1]) + builds_of(&as[2]), ==, 0);

    memory_transaction_begin();
    memory_region_add(&roots[0], 0, &window);
    memory_region_set_address(&window, 64 * KIB);
    memory_transaction_begin();
    memory_region_add(&roots[0], 256 * KIB, &detached);
    memory_transaction_commit();
    g_assert_cmpuint(builds_of(&as[0]), ==, 0);
    memory_transaction_commit();
    g_assert_cmpuint(builds_of(&as[0]), ==, 1);
    g_assert_cmpuint(builds_of(&as[1]) + builds_of(&as[2]), ==, 0);

    /* Another root sees it by an alias of an alias. */
    memory_region_init_alias(&alias, "alias", &window, 0, 64 * KIB);
    memory_region_add(&roots[1], 0, &alias);
    g_assert_cmpuint(builds_of(&as[1]), ==, 1);
    memory_region_add(&window, 0, &ram);
    g_assert_cmpuint(builds_of(&as[0]), ==, 1);
    g_assert_cmpuint(builds_of(&as[1]), ==, 1);
    g_assert_nonnull(address_space_host(&as[1], 0, 1));
    memory_region_set_enabled(&ram, true);
    memory_region_set_address(&window, 64 * KIB);
    g_assert_cmpuint(builds_of(&as[0]) + builds_of(&as[1]) + builds_of(&as[2]), ==, 0);

    /* What the alias leads to moves to another tree, and changes there. */
    memory_region_remove(&window);
    builds_of(&as[0]);
    builds_of(&as[1]);
    memory_region_set_enabled(&ram, false); /* a tree of its own */
    g_assert_cmpuint(builds_of(&as[0]), ==, 0);
    g_assert_cmpuint(builds_of(&as[1]), ==, 1);
    memory_region_add(&roots[2], 0, &window);
    g_assert_cmpuint(builds_of(&as[2]), ==, 1);
    builds_of(&as[1]);
    memory_region_set_enabled(&ram, true);
    g_assert_cmpuint(builds_of(&as[0]), ==, 0);
    g_assert_cmpuint(builds_of(&as[1]), ==, 1);
    g_assert_cmpuint(builds_of(&as[2]), ==, 1);
    g_assert_nonnull(address_space_host(&as[1], 0, 1));
    for (unsigned i = 0; i < 3; i++) {
        address_space_destroy(&as[i]);
        memory_region_destroy(&roots[i]);
    }
    memory_region_destroy(&alias);
    memory_region_destroy(&window);
    memory_region_destroy(&detached);
    memory_region_destroy(&device);
    memory_region_destroy(&ram);
    ram_block_unref(block);
}

/* ---- accesses ---- */

typedef struct Space {
    AddressSpace as;
    MemoryRegion root, ram, rom, wide, narrow, dword;
    RamBlock *block;
    Probe probe;
} Space;

/* RAM 0-64K, a hole, ROM (the same block) at 128K, devices at 256K, right behind each other. */
static void space_init(Space *s)
{
    *s = (Space){ 0 };
    s->block = ram_block_new("ram", 64 * KIB, -1, false, true, 0, NULL);
    memory_region_init_container(&s->root, "root", UINT64_MAX);
    memory_region_init_ram(&s->ram, "ram", s->block);
    memory_region_init_ram(&s->rom, "rom", s->block);
    s->rom.readonly = true;
    memory_region_init_io(&s->wide, &probe_ops, &s->probe, "wide", 0x1001);
    memory_region_init_io(&s->narrow, &probe_ops_2, &s->probe, "narrow", 0xfff);
    memory_region_init_io(&s->dword, &probe_ops_4, &s->probe, "dword", 0x1000);
    memory_region_add(&s->root, 0, &s->ram);
    memory_region_add(&s->root, 128 * KIB, &s->rom);
    memory_region_add(&s->root, 256 * KIB, &s->wide);
    memory_region_add(&s->root, 256 * KIB + 0x1001, &s->narrow);
    memory_region_add(&s->root, 256 * KIB + 0x2000, &s->dword);
    address_space_init(&s->as, &s->root, "test");
}

static void space_destroy(Space *s)
{
    address_space_destroy(&s->as);
    memory_region_destroy(&s->root);
    memory_region_destroy(&s->ram);
    memory_region_destroy(&s->rom);
    memory_region_destroy(&s->wide);
    memory_region_destroy(&s->narrow);
    memory_region_destroy(&s->dword);
    g_assert_cmpint(s->block->refs, ==, 1);
    ram_block_unref(s->block);
}

static void test_access_ram(void)
{
    Space s;
    uint8_t buf[32];

    space_init(&s);
    address_space_store(&s.as, 0x100, 0x1122334455667788, 8);
    g_assert_cmphex(address_space_load(&s.as, 0x100, 8), ==, 0x1122334455667788);
    g_assert_cmphex(address_space_load(&s.as, 0x101, 2), ==, 0x6677);
    g_assert_cmphex(address_space_load(&s.as, 0x107, 1), ==, 0x11);
    g_assert_cmphex(address_space_load(&s.as, 128 * KIB + 0x100, 4), ==, 0x55667788);
    /* ROM drops writes, silently. */
    address_space_store(&s.as, 128 * KIB + 0x100, 0, 4);
    g_assert_cmphex(address_space_load(&s.as, 0x100, 4), ==, 0x55667788);
    g_assert_cmpint(address_space_set(&s.as, 128 * KIB, 1, 64), ==, MEMTX_OK);
    g_assert_cmphex(s.block->host[0], ==, 0);
    /* The end of RAM, and the hole after it. */
    g_assert_cmpint(address_space_set(&s.as, 64 * KIB - 8, 0x5a, 16), ==, MEMTX_DECODE_ERROR);
    g_assert_cmphex(address_space_load(&s.as, 64 * KIB - 4, 8), ==, 0xffffffff5a5a5a5a);
    g_assert_cmpint(address_space_read(&s.as, 64 * KIB - 16, buf, 32), ==, MEMTX_DECODE_ERROR);
    g_assert_cmphex(buf[7], ==, 0);
    g_assert_cmphex(buf[8], ==, 0x5a);
    g_assert_cmphex(buf[16], ==, 0xff);
    g_assert_cmphex(buf[31], ==, 0xff);
    g_assert_cmpint(address_space_write(&s.as, 0x3ff0, buf, 32), ==, MEMTX_OK);
    g_assert_cmpint(address_space_read(&s.as, 0x10, buf, 0), ==, MEMTX_OK);
    g_assert_true(address_space_host(&s.as, 0x10, 16) == s.block->host + 16);
    g_assert_nonnull(address_space_host(&s.as, 0, 64 * KIB));
    g_assert_null(address_space_host(&s.as, 0, 64 * KIB + 1));
    g_assert_null(address_space_host(&s.as, 16, UINT64_MAX));
    g_assert_null(address_space_host(&s.as, 256 * KIB, 1));
    space_destroy(&s);
}

static void access_each_size(void *opaque)
{
    Space *s = opaque;

    for (unsigned size = 1; size <= 8; size *= 2) {
        address_space_store(&s->as, 0x103, 1, size);
        address_space_load(&s->as, 0x103, size);
    }
}

/* Others see one store of each, and one load. */
static void test_access_single(void)
{
    Space s;

    space_init(&s);
    g_assert_cmpuint(count_writes(s.block->host, access_each_size, &s), ==, 4);
    g_assert_cmpuint(count_accesses(s.block->host, access_each_size, &s), ==, 8);
    space_destroy(&s);
}

static void record_event(MemoryListener *listener, const FlatRange *range, const MemoryEvent *event,
                         bool on)
{
    Recorder *recorder = (Recorder *)listener;

    g_string_append_printf(recorder->text, "%s 0x%" G_GINT64_MODIFIER "x ", on ? "on" : "off",
                           range->addr - range->offset + event->offset);
}

/* Writes that signal an eventfd do not reach the device; others do. */
static void test_events(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), other = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    MemoryEvent any = { .offset = 0x10, .fd = fd };
    MemoryEvent five = { .offset = 0x20, .size = 2, .match = true, .value = 5, .fd = other };
    const hwaddr at = 256 * KIB;
    Recorder recorder = { .listener = { .event = record_event }, .text = g_string_new(NULL) };
    uint64_t count;
    Space s;

    space_init(&s);
    address_space_add_listener(&s.as, &recorder.listener);
    memory_region_add_event(&s.wide, &any);
    memory_region_add_event(&s.wide, &five);
    assert_recorded(&recorder, "on 0x40010 on 0x40020 ");
    address_space_store(&s.as, at + 0x10, 1, 4);
    address_space_store(&s.as, at + 0x10, 1, 1);
    g_assert_cmpuint(s.probe.writes, ==, 0);
    g_assert_cmpint(read(fd, &count, sizeof(count)), ==, sizeof(count));
    g_assert_cmpuint(count, ==, 2);
    address_space_store(&s.as, at + 0x20, 6, 2); /* another value */
    address_space_store(&s.as, at + 0x20, 5, 4); /* another size */
    address_space_store(&s.as, at + 0x22, 5, 2); /* another place */
    g_assert_cmpuint(s.probe.writes, ==, 3);
    g_assert_cmpint(read(other, &count, sizeof(count)), ==, -1);
    address_space_store(&s.as, at + 0x20, 0x10005, 2);
    g_assert_cmpuint(s.probe.writes, ==, 3);
    g_assert_cmpint(read(other, &count, sizeof(count)), ==, sizeof(count));
    /* A counter that is full stays so. */
    count = UINT64_MAX - 1;
    g_assert_cmpint(write(fd, &count, sizeof(count)), ==, sizeof(count));
    address_space_store(&s.as, at + 0x10, 1, 4);
    g_assert_cmpint(read(fd, &count, sizeof(count)), ==, sizeof(count));
    g_assert_cmpuint(count, ==, UINT64_MAX - 1);
    memory_region_del_event(&s.wide, &any);
    assert_recorded(&recorder, "off 0x40010 ");
    address_space_store(&s.as, at + 0x10, 1, 4);
    g_assert_cmpuint(s.probe.writes, ==, 4);
    memory_region_remove(&s.wide); /* in no view: nobody is told */
    memory_region_del_event(&s.wide, &five);
    assert_recorded(&recorder, "");
    address_space_remove_listener(&s.as, &recorder.listener);
    g_string_free(recorder.text, TRUE);
    space_destroy(&s);
    close(fd);
    close(other);
}

/* What is read through the alias stays: RAM, a device, ROM; its writes go to another. */
static void test_access_writer(void)
{
    const hwaddr at = 1024 * KIB;
    MemoryRegion view, io, device, whole;
    Probe writer = { 0 };
    const FlatRange *range;
    Space s;

    space_init(&s);
    memory_region_init_container(&whole, "whole", 8 * KIB);
    memory_region_init_alias(&view, "view", &s.ram, 0x1000, 4 * KIB);
    memory_region_init_io(&device, &probe_ops_4, &s.probe, "device", 2 * KIB);
    memory_region_init_io(&io, &probe_ops, &writer, "writer", 8 * KIB);
    memory_region_set_writer(&whole, &io);
    memory_region_add(&whole, 0, &view);
    memory_region_add(&whole, 4 * KIB, &device);
    memory_region_add(&s.root, at, &whole);
    s.block->host[0x1010] = 0x77;
    g_assert_cmphex(address_space_load(&s.as, at + 0x10, 1), ==, 0x77);
    address_space_store(&s.as, at + 0x10, 0x1234, 2);
    g_assert_cmphex(s.block->host[0x1010], ==, 0x77);
    g_assert_cmphex(writer.addr, ==, 0x10);
    g_assert_cmphex(writer.value, ==, 0x1234);
    g_assert_cmphex(address_space_load(&s.as, at + 4 * KIB + 4, 4), ==, 0x07060504);
    address_space_store(&s.as, at + 4 * KIB + 4, 5, 4);
    g_assert_cmpuint(s.probe.writes, ==, 0);
    g_assert_cmphex(writer.addr, ==, 4 * KIB + 4);
    address_space_set(&s.as, at + 4 * KIB - 4, 9, 8); /* from one to the other */
    g_assert_cmphex(writer.addr, ==, 4 * KIB);
    writer.writes = 0;
    address_space_store(&s.as, at + 6 * KIB, 1, 4); /* nothing is seen there */
    address_space_store(&s.as, 0x1010, 0x66, 1);    /* RAM itself, elsewhere */
    g_assert_cmpuint(writer.writes, ==, 0);
    g_assert_cmphex(s.block->host[0x1010], ==, 0x66);
    range = flat_view_find(address_space_view(&s.as), at);
    g_assert_true(range->readonly && range->writer == &io && range->host);
    memory_region_remove(&whole);
    memory_region_destroy(&whole);
    memory_region_destroy(&view);
    memory_region_destroy(&device);
    memory_region_destroy(&io);
    space_destroy(&s);
}

/* Reads are memory's, writes the device's; in command mode both are the device's. */
static void test_access_rom_device(void)
{
    const hwaddr flash = 1024 * KIB;
    MemoryRegion romd, low;
    Space s;
    uint8_t buf[8];

    space_init(&s);
    memory_region_init_rom_device(&romd, &probe_ops_4, &s.probe, "romd", s.block);
    memory_region_init_alias(&low, "low", &romd, 0x1000, 0x1000);
    memory_region_add(&s.root, flash, &romd);
    memory_region_add(&s.root, 2 * flash, &low);
    memset(s.block->host, 0x3c, 64 * KIB);
    g_assert_cmphex(address_space_load(&s.as, flash + 1, 2), ==, 0x3c3c);
    g_assert_true(address_space_host(&s.as, flash, 64 * KIB) == s.block->host);
    g_assert_cmpint(s.probe.reads, ==, 0);
    address_space_store(&s.as, flash + 8, 0x11223344, 4);
    g_assert_cmpint(s.probe.writes, ==, 1);
    g_assert_cmphex(s.probe.addr, ==, 8);
    g_assert_cmphex(s.probe.value, ==, 0x11223344);
    address_space_store(&s.as, 2 * flash, 1, 4);
    g_assert_cmphex(s.probe.addr, ==, 0x1000);
    memset(buf, 0, sizeof(buf));
    address_space_write(&s.as, flash + 16, buf, 8);
    g_assert_cmpint(s.probe.writes, ==, 4); /* in pieces that the device takes */
    address_space_set(&s.as, flash, 9, 4);
    g_assert_cmpint(s.probe.writes, ==, 5);
    g_assert_cmphex(s.block->host[8], ==, 0x3c);
    g_assert_cmphex(s.block->host[0], ==, 0x3c);

    memory_region_rom_device_set_commands(&romd, true);
    g_assert_null(address_space_host(&s.as, flash, 1));
    g_assert_cmphex(address_space_load(&s.as, flash + 4, 4), ==, 0x07060504);
    g_assert_cmphex(address_space_load(&s.as, 2 * flash + 4, 4), ==, 0x07060504);
    g_assert_cmpint(s.probe.reads, ==, 2);
    memory_region_rom_device_set_commands(&romd, false);
    g_assert_cmphex(address_space_load(&s.as, flash + 4, 4), ==, 0x3c3c3c3c);
    memory_region_remove(&low);
    memory_region_remove(&romd);
    memory_region_destroy(&low);
    memory_region_destroy(&romd);
    space_destroy(&s);
}

/* A listener hears of what was written to RAM, and of nothing else. */
typedef struct WriteRecorder {
    MemoryListener listener;
    hwaddr addr;
    uint64_t bytes;
} WriteRecorder;

static void record_written(MemoryListener *listener, hwaddr addr, uint64_t len)
{
    WriteRecorder *r = (WriteRecorder *)listener;

    r->addr = addr;
    r->bytes += len;
}

static void test_access_written(void)
{
    WriteRecorder r = { .listener.written = record_written };
    Space s;

    space_init(&s);
    address_space_add_listener(&s.as, &r.listener);
    address_space_store(&s.as, 0x100, 1, 8);
    g_assert_cmphex(r.addr, ==, 0x100);
    g_assert_cmpuint(r.bytes, ==, 8);
    address_space_set(&s.as, 64 * KIB - 8, 1, 16);
    g_assert_cmpuint(r.bytes, ==, 16);
    address_space_load(&s.as, 0x100, 8);
    address_space_store(&s.as, 128 * KIB, 1, 8); /* ROM */
    address_space_store(&s.as, 256 * KIB, 1, 8); /* a device */
    g_assert_cmpuint(r.bytes, ==, 16);
    address_space_remove_listener(&s.as, &r.listener);
    space_destroy(&s);
}

static void test_access_io(void)
{
    const hwaddr wide = 256 * KIB, narrow = wide + 0x1001, dword = wide + 0x2000;
    Space s;
    uint8_t buf[64];

    space_init(&s);
    g_assert_cmphex(address_space_load(&s.as, wide + 0x10, 8), ==, 0x1716151413121110);
    g_assert_cmpuint(s.probe.reads, ==, 1);
    g_assert_cmphex(address_space_load(&s.as, wide + 0x11, 4), ==, 0x14131211);
    g_assert_cmpuint(s.probe.reads, ==, 4); /* 1 + 2 + 1 */
    /* A device that takes 2 bytes: split, and widened and cut. */
    g_assert_cmphex(address_space_load(&s.as, narrow + 4, 4), ==, 0x07060504);
    g_assert_cmpuint(s.probe.reads, ==, 6);
    g_assert_cmphex(address_space_load(&s.as, narrow + 5, 1), ==, 0x05);
    g_assert_cmpuint(s.probe.size, ==, 2);
    address_space_store(&s.as, narrow + 5, 0xab, 1);
    g_assert_cmphex(s.probe.addr, ==, 4);
    g_assert_cmphex(s.probe.value, ==, 0xab00);
    address_space_store(&s.as, dword + 8, 0x123456789abcdef0, 8);
    g_assert_cmphex(s.probe.addr, ==, 12);
    g_assert_cmphex(s.probe.value, ==, 0x12345678);
    /* From one region into the next: each gets its own bytes. */
    s.probe.reads = 0;
    g_assert_cmphex(address_space_load(&s.as, wide + 0xfff, 4), ==, 0x010000ff);
    g_assert_cmphex(address_space_load(&s.as, dword + 0xffe, 4), ==, 0xfffffffe | 0xff00);
    address_space_store(&s.as, wide + 0xffe, 0x11223344, 4);
    /* The widened access would leave the region: nothing is there. */
    g_assert_cmphex(address_space_load(&s.as, narrow + 0xffe, 1), ==, 0xff);
    address_space_store(&s.as, narrow + 0xffe, 1, 1);
    /* 2^64 is not an end but a seam. */
    g_assert_cmphex(address_space_load(&s.as, UINT64_MAX - 1, 4), ==, 0x0000ffff);
    g_assert_cmpint(address_space_read(&s.as, wide + 3, buf, sizeof(buf)), ==, MEMTX_OK);
    for (unsigned i = 0; i < sizeof(buf); i++) {
        g_assert_cmphex(buf[i], ==, i + 3);
    }
    g_assert_cmpint(address_space_set(&s.as, wide + 3, 7, 1000), ==, MEMTX_OK);
    g_assert_cmphex(s.probe.value & 0xff, ==, 7);
    space_destroy(&s);
}

static void remove_victim(Probe *probe)
{
    if (probe->victim->container) {
        memory_region_remove(probe->victim);
    }
}

/* A device may take the next region away in the middle of an access. */
static void test_access_map_changes(void)
{
    Space s;

    space_init(&s);
    s.probe.on_write = remove_victim;
    s.probe.victim = &s.narrow;
    address_space_store(&s.as, 256 * KIB + 0x1000, 0x11223344, 4);
    g_assert_cmpuint(s.probe.writes, ==, 1);
    g_assert_cmphex(address_space_load(&s.as, 256 * KIB + 0x1001, 2), ==, 0xffff);
    s.probe.victim = &s.wide; /* itself */
    address_space_store(&s.as, 256 * KIB + 1, 0, 8);
    g_assert_cmpuint(s.probe.writes, ==, 2);
    g_assert_cmphex(address_space_load(&s.as, 256 * KIB, 1), ==, 0xff);
    space_destroy(&s);
}

static void test_pc_spaces(void)
{
    MemoryRegion port;
    Probe probe = { 0 };

    memory_init();
    memory_region_init_io(&port, &probe_ops, &probe, "port", 2);
    memory_region_add(memory_io(), 0xfffe, &port);
    g_assert_cmphex(address_space_load(&address_space_io, 0xfffe, 4), ==, 0xffff0100);
    g_assert_cmphex(address_space_load(&address_space_io, 0x80, 2), ==, 0xffff);
    g_assert_cmphex(address_space_load(&address_space_memory, 0xfffe, 2), ==, 0xffff);
    memory_region_remove(&port);
    memory_region_destroy(&port);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/memory-map/view/priorities", test_view_priorities);
    g_test_add_func("/memory-map/view/aliases", test_view_aliases);
    g_test_add_func("/memory-map/view/whole-space", test_view_whole_space);
    g_test_add_func("/memory-map/view/random", test_view_random);
    g_test_add_func("/memory-map/listeners", test_listeners);
    g_test_add_func("/memory-map/rebuilds", test_rebuilds);
    g_test_add_func("/memory-map/events", test_events);
    g_test_add_func("/memory-map/access/ram", test_access_ram);
    g_test_add_func("/memory-map/access/single", test_access_single);
    g_test_add_func("/memory-map/access/rom-device", test_access_rom_device);
    g_test_add_func("/memory-map/access/writer", test_access_writer);
    g_test_add_func("/memory-map/access/written", test_access_written);
    g_test_add_func("/memory-map/access/io", test_access_io);
    g_test_add_func("/memory-map/access/map-changes", test_access_map_changes);
    g_test_add_func("/memory-map/pc-spaces", test_pc_spaces);
    return g_test_run();
}
