/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty pages: who is told of which write, when. */
#include <inttypes.h>

#include <string.h>

#include "memory/address-space.h"
#include "memory/dirty.h"
#include "memory/memory.h"
#include "memory/reader.h"
#include "util/main-loop.h"

#define PAGES 200u /* more than three words, and not whole ones */

static RamBlock *block_new(const char *name, uint64_t pages)
{
    return ram_block_new(name, pages * DIRTY_PAGE, -1, false, false, 0, NULL);
}

static DirtyTracker *track(RamBlock *block)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();

    g_ptr_array_add(blocks, block);
    return dirty_tracker_new(blocks);
}

/* What dirty_tracker_next() gives, all of it: "first+count ...". */
static char *take(DirtyTracker *tracker, unsigned n, uint64_t max)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint64_t count;

    for (uint64_t page = 0; dirty_tracker_next(tracker, n, &page, max, &count); page += count) {
        g_string_append_printf(text, "%s%" PRIu64 "+%" PRIu64, text->len ? " " : "", page, count);
    }
    return g_strdup(text->str);
}

static void assert_taken(DirtyTracker *tracker, unsigned n, const char *expected)
{
    g_autofree char *text = take(tracker, n, UINT64_MAX);

    g_assert_cmpstr(text, ==, expected);
}

static void test_marks(void)
{
    RamBlock *block = block_new("ram", PAGES);

    dirty_mark(block, 0, block->size); /* nobody wants to know */
    g_assert_false(dirty_wanted(block, 0));
    DirtyTracker *tracker = track(block);
    g_assert_cmpuint(dirty_tracker_left(tracker), ==, PAGES);
    g_autofree char *all = take(tracker, 0, 90);
    g_assert_cmpstr(all, ==, "0+90 90+90 180+20");
    g_assert_cmpuint(dirty_tracker_left(tracker), ==, 0);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 0);
    assert_taken(tracker, 0, "");

    g_assert_true(dirty_wanted(block, 5 * DIRTY_PAGE));
    dirty_mark(block, 5 * DIRTY_PAGE + 4095, 2); /* two pages */
    g_assert_false(dirty_wanted(block, 5 * DIRTY_PAGE));
    g_assert_false(dirty_wanted(block, 6 * DIRTY_PAGE + 17));
    g_assert_true(dirty_wanted(block, 7 * DIRTY_PAGE));
    dirty_mark(block, 63 * DIRTY_PAGE, 2 * DIRTY_PAGE); /* in two words */
    dirty_mark(block, 100 * DIRTY_PAGE, 100 * DIRTY_PAGE);
    assert_taken(tracker, 0, ""); /* not before it is synchronised */
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 104);
    g_assert_true(dirty_wanted(block, 5 * DIRTY_PAGE));
    dirty_mark(block, 5 * DIRTY_PAGE, 1);
    g_assert_cmpuint(dirty_tracker_left(tracker), ==, 104);
    assert_taken(tracker, 0, "5+2 63+2 100+100");

    /* What was not given yet stays, and is not counted twice. */
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 1);
    dirty_mark(block, 5 * DIRTY_PAGE, 2 * DIRTY_PAGE);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 2);
    g_assert_cmpuint(dirty_tracker_left(tracker), ==, 2);
    assert_taken(tracker, 0, "5+2");
    dirty_tracker_free(tracker);
    g_assert_false(dirty_wanted(block, 0));
    ram_block_unref(block);
}

/* Trackers do not know of each other, and end in any order. */
static void test_two_trackers(void)
{
    RamBlock *block = block_new("ram", 64);
    DirtyTracker *a = track(block), *b = track(block);

    assert_taken(a, 0, "0+64");
    assert_taken(b, 0, "0+64");
    dirty_mark(block, 0, 1);
    g_assert_cmpuint(dirty_tracker_sync(a), ==, 1);
    g_assert_true(dirty_wanted(block, 0)); /* a does, b does not */
    dirty_mark(block, DIRTY_PAGE, 1);
    assert_taken(a, 0, "0+1");
    g_assert_cmpuint(dirty_tracker_sync(b), ==, 2);
    dirty_tracker_free(a);
    assert_taken(b, 0, "0+2");
    dirty_mark(block, 63 * DIRTY_PAGE, 1);
    g_assert_cmpuint(dirty_tracker_sync(b), ==, 1);
    assert_taken(b, 0, "63+1");
    dirty_tracker_free(b);
    ram_block_unref(block);
}

/* ---- writes through an address space ---- */

static void test_address_space(void)
{
    RamBlock *block = block_new("ram", 64);
    MemoryRegion root, ram, alias, rom;
    AddressSpace as;
    uint8_t bytes[2 * DIRTY_PAGE] = { 0 };

    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_ram(&ram, "ram", block);
    memory_region_init_alias(&alias, "alias", &ram, 16 * DIRTY_PAGE, DIRTY_PAGE);
    memory_region_init_alias(&rom, "rom", &ram, 0, DIRTY_PAGE);
    rom.readonly = true;
    address_space_init(&as, &root, "test");
    memory_region_add(&root, 0x100000, &ram);
    memory_region_add(&root, 0x800000, &alias);
    memory_region_add(&root, 0x900000, &rom);
    DirtyTracker *tracker = track(block);
    assert_taken(tracker, 0, "0+64");

    address_space_write(&as, 0x100000 + 3 * DIRTY_PAGE - 1, bytes, 1 + DIRTY_PAGE + 1);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 3);
    assert_taken(tracker, 0, "2+3");
    address_space_store(&as, 0x100000 + 8 * DIRTY_PAGE + 8, 1, 8);
    address_space_store(&as, 0x800000 + 8, 1, 4);                          /* through the alias */
    address_space_store(&as, 0x900000 + 8, 1, 4);                          /* dropped */
    address_space_set(&as, 0x100000 + 62 * DIRTY_PAGE, 7, 4 * DIRTY_PAGE); /* and beyond its end */
    address_space_read(&as, 0x100000 + 40 * DIRTY_PAGE, bytes, sizeof(bytes));
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 4);
    assert_taken(tracker, 0, "8+1 16+1 62+2");

    dirty_tracker_free(tracker);
    memory_region_remove(&rom);
    memory_region_remove(&alias);
    memory_region_remove(&ram);
    address_space_destroy(&as);
    memory_region_destroy(&rom);
    memory_region_destroy(&alias);
    memory_region_destroy(&ram);
    memory_region_destroy(&root);
    ram_block_unref(block);
}

/* ---- what engines are asked for ---- */

static GString *asked;
static RamBlock *engine_block;

static void on_start(MemoryListener *listener)
{
    g_string_append(asked, "start ");
}
static void on_stop(MemoryListener *listener)
{
    g_string_append(asked, "stop ");
}
static void on_collect(MemoryListener *listener)
{
    g_string_append(asked, "collect ");
    dirty_mark(engine_block, 9 * DIRTY_PAGE, 1);
}
static void on_protect(MemoryListener *listener)
{
    g_string_append(asked, "protect ");
    g_assert_true(dirty_wanted(engine_block, 9 * DIRTY_PAGE)); /* taken already */
}

static void on_watch(MemoryListener *listener)
{
    g_string_append(asked, dirty_is_watched(engine_block) ? "watch " : "unwatch ");
}

/* Who watches one block has nobody take note of others, nor look again where nothing was taken. */
static void test_watch(void)
{
    MemoryListener listener = { .dirty_start = on_start,
                                .dirty_stop = on_stop,
                                .dirty_watch = on_watch,
                                .dirty_protect = on_protect };

    asked = g_string_new(NULL);
    engine_block = block_new("ram", 64);
    address_space_add_listener(&address_space_memory, &listener);
    DirtyTracker *a = dirty_tracker_new_watch(engine_block);
    assert_taken(a, 0, "0+64");
    g_assert_cmpuint(dirty_tracker_sync(a), ==, 0);
    DirtyTracker *b = track(engine_block);
    dirty_mark(engine_block, 3 * DIRTY_PAGE, 1);
    g_assert_cmpuint(dirty_tracker_sync(a), ==, 1);
    assert_taken(a, 0, "3+1");
    dirty_tracker_free(b);
    dirty_tracker_free(a);
    g_assert_cmpstr(asked->str, ==, "watch protect start protect protect stop unwatch ");
    address_space_remove_listener(&address_space_memory, &listener);
    ram_block_unref(engine_block);
    g_string_free(asked, TRUE);
}

static void test_listener(void)
{
    MemoryListener listener = { .dirty_start = on_start,
                                .dirty_stop = on_stop,
                                .dirty_collect = on_collect,
                                .dirty_protect = on_protect },
                   none = { .dirty_start = NULL };

    asked = g_string_new(NULL);
    engine_block = block_new("ram", 64);
    address_space_add_listener(&address_space_memory, &none);
    address_space_add_listener(&address_space_memory, &listener);
    DirtyTracker *a = track(engine_block);
    DirtyTracker *b = track(engine_block);
    assert_taken(b, 0, "0+64");
    g_assert_cmpuint(dirty_tracker_sync(b), ==, 1);
    assert_taken(b, 0, "9+1");
    dirty_tracker_free(b);
    dirty_tracker_free(a);
    g_assert_cmpstr(asked->str, ==, "start protect protect collect protect stop ");
    address_space_remove_listener(&address_space_memory, &listener);
    address_space_remove_listener(&address_space_memory, &none);
    ram_block_unref(engine_block);
    g_string_free(asked, TRUE);
}

/* ---- with a thread that writes ---- */

typedef struct Writer {
    MemoryReader reader;
    RamBlock *block;
    _Atomic bool end, leave, flush;
    uint64_t counter; /* its own; what the first word of the page is */
} Writer;

/* Writes as an engine does: a page that was found marked is written without a look until the next
 * request to look again. */
static gpointer write_on(gpointer opaque)
{
    Writer *w = opaque;
    bool fast = false;

    memory_reader_register(&w->reader);
    while (!atomic_load(&w->end)) {
        memory_read_enter(&w->reader);
        if (atomic_exchange(&w->flush, false)) {
            fast = false;
        }
        for (atomic_store(&w->leave, false); !atomic_load(&w->leave) && !atomic_load(&w->end);) {
            if (!fast && dirty_wanted(w->block, 0)) {
                dirty_mark(w->block, 0, 1);
            }
            fast = true;
            atomic_store_explicit((_Atomic uint64_t *)w->block->host, ++w->counter,
                                  memory_order_relaxed);
        }
        memory_read_leave(&w->reader);
    }
    memory_reader_unregister(&w->reader);
    return NULL;
}

static void kick(void *opaque)
{
    atomic_store(&((Writer *)opaque)->leave, true);
}

static Writer *the_writer;

static void protect(MemoryListener *listener)
{
    atomic_store(&the_writer->flush, true);
}

/* Copies of the pages that were told are in the end the same as the memory. */
static void test_writer(void)
{
    Writer w = { .block = block_new("ram", 1), .reader = { .kick = kick } };
    MemoryListener listener = { .dirty_protect = protect };
    uint64_t copy = 0, page = 0, count;

    w.reader.opaque = the_writer = &w;
    address_space_add_listener(&address_space_memory, &listener);
    DirtyTracker *tracker = track(w.block);
    GThread *thread = g_thread_new("writer", write_on, &w);

    for (unsigned round = 0; round < 100; round++) {
        dirty_tracker_sync(tracker);
        if (page = 0, dirty_tracker_next(tracker, 0, &page, 1, &count)) {
            copy = atomic_load_explicit((_Atomic uint64_t *)w.block->host, memory_order_relaxed);
        }
    }
    atomic_store(&w.end, true);
    g_thread_join(thread);
    dirty_tracker_sync(tracker);
    if (page = 0, dirty_tracker_next(tracker, 0, &page, 1, &count)) {
        memcpy(&copy, w.block->host, sizeof(copy));
    }
    g_assert_cmpuint(copy, ==, w.counter);
    address_space_remove_listener(&address_space_memory, &listener);
    dirty_tracker_free(tracker);
    ram_block_unref(w.block);
}

typedef struct Told {
    DirtyCounter counter;
    unsigned pages;
} Told;

static void on_noted(DirtyCounter *counter, unsigned pages)
{
    ((Told *)counter)->pages += pages;
}

/* What this thread marks counts once between two syncs of a tracker that counts. */
static void test_counting(void)
{
    RamBlock *block = block_new("ram", PAGES);
    Told told = { .counter.noted = on_noted };
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();

    dirty_set_counter(&told.counter);
    DirtyTracker *plain = track(block);
    dirty_mark(block, 0, 5 * DIRTY_PAGE);
    g_assert_cmpuint(told.pages, ==, 0); /* nobody counts */
    g_ptr_array_add(blocks, block);
    DirtyTracker *tracker = dirty_tracker_new_counting(blocks);
    dirty_mark(block, 0, 5 * DIRTY_PAGE);
    dirty_mark(block, 3 * DIRTY_PAGE, 3 * DIRTY_PAGE);
    g_assert_cmpuint(told.pages, ==, 6);
    dirty_tracker_sync(plain); /* the other one's */
    dirty_mark(block, 0, 6 * DIRTY_PAGE);
    g_assert_cmpuint(told.pages, ==, 6);
    dirty_tracker_sync(tracker);
    dirty_mark(block, 63 * DIRTY_PAGE, 2 * DIRTY_PAGE);
    dirty_mark(block, 0, 1);
    g_assert_cmpuint(told.pages, ==, 9);
    g_assert_cmpuint(atomic_load(&told.counter.pages), ==, 9);
    dirty_set_counter(NULL);
    dirty_mark(block, 100 * DIRTY_PAGE, DIRTY_PAGE);
    g_assert_cmpuint(told.pages, ==, 9);
    dirty_tracker_free(tracker);
    dirty_tracker_free(plain);
    ram_block_unref(block);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/dirty/marks", test_marks);
    g_test_add_func("/dirty/two-trackers", test_two_trackers);
    g_test_add_func("/dirty/address-space", test_address_space);
    g_test_add_func("/dirty/listener", test_listener);
    g_test_add_func("/dirty/watch", test_watch);
    g_test_add_func("/dirty/writer", test_writer);
    g_test_add_func("/dirty/counting", test_counting);
    return g_test_run();
}
