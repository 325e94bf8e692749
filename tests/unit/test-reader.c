/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lock-free readers: no reader uses a view that is gone, and writers do not wait for ever. */
#include "memory/address-space.h"
#include "memory/memory.h"
#include "memory/reader.h"
#include "util/main-loop.h"

/* The payload of a view of our own: a writer poisons it when memory_synchronize() returned. */
typedef struct Payload {
    _Atomic uint64_t value;
} Payload;

#define ALIVE 0x600d600d600d600dull
#define DEAD  0xdeaddeaddeaddeadull

static _Atomic(Payload *) current;
static _Atomic bool stop;
static _Atomic uint64_t sections;

typedef struct ReaderThread {
    MemoryReader reader;
    _Atomic bool kicked;
    _Atomic bool inside;
    bool slow; /* stays inside until it is kicked */
    _Atomic unsigned kicks;
    bool bad;
} ReaderThread;

static void kick(void *opaque)
{
    ReaderThread *rt = opaque;

    atomic_fetch_add(&rt->kicks, 1);
    atomic_store(&rt->kicked, true);
}

static void *reader_main(void *opaque)
{
    ReaderThread *rt = opaque;

    rt->reader.kick = kick;
    rt->reader.opaque = rt;
    memory_reader_register(&rt->reader);
    while (!atomic_load(&stop)) {
        memory_read_enter(&rt->reader);
        Payload *payload = atomic_load_explicit(&current, memory_order_acquire);

        atomic_store(&rt->inside, true);
        do {
            if (atomic_load(&payload->value) != ALIVE) {
                rt->bad = true;
            }
            g_thread_yield();
        } while (rt->slow && !atomic_load(&rt->kicked) && !atomic_load(&stop));
        atomic_store(&rt->kicked, false);
        atomic_store(&rt->inside, false);
        memory_read_leave(&rt->reader);
        atomic_fetch_add(&sections, 1);
    }
    memory_reader_unregister(&rt->reader);
    return NULL;
}

static Payload *payload_new(void)
{
    Payload *payload = g_new0(Payload, 1);

    atomic_store(&payload->value, ALIVE);
    return payload;
}

static void replace_payload(void)
{
    Payload *old = atomic_exchange(&current, payload_new());

    memory_synchronize();
    atomic_store(&old->value, DEAD);
    g_free(old);
}

static void run(bool slow)
{
    ReaderThread readers[3] = { 0 };
    GThread *threads[3];

    atomic_store(&stop, false);
    atomic_store(&current, payload_new());
    for (unsigned i = 0; i < G_N_ELEMENTS(readers); i++) {
        readers[i].slow = slow;
        threads[i] = g_thread_new("reader", reader_main, &readers[i]);
    }
    if (slow) {
        while (!atomic_load(&readers[0].inside)) {
            g_thread_yield();
        }
    }
    for (unsigned i = 0; i < 80; i++) {
        replace_payload();
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(readers); i++) {
        g_thread_join(threads[i]);
        g_assert_false(readers[i].bad);
    }
    if (slow) {
        g_assert_cmpuint(atomic_load(&readers[0].kicks), >, 0);
    }
    g_free(atomic_exchange(&current, NULL));
}

static void test_fast(void)
{
    run(false);
}

static void test_slow_are_kicked(void)
{
    run(true);
}

/* The caller may be a reader itself (a vCPU thread), with its own section closed. */
static void test_from_reader(void)
{
    MemoryReader self = { 0 };

    memory_reader_register(&self);
    memory_read_enter(&self);
    g_assert_true(memory_read_active(&self));
    memory_read_leave(&self);
    g_assert_false(memory_read_active(&self));
    memory_synchronize();
    memory_read_enter(&self);
    memory_read_leave(&self);
    memory_reader_unregister(&self);
    memory_reader_unregister(&self); /* harmless */
    memory_synchronize();
}

/* ---- with the real map: RAM comes and goes below readers ---- */

static AddressSpace as;

static void *ram_reader_main(void *opaque)
{
    ReaderThread *rt = opaque;

    memory_reader_register(&rt->reader);
    while (!atomic_load(&stop)) {
        memory_read_enter(&rt->reader);
        const FlatRange *range = flat_view_find(address_space_view(&as), 0x5000);

        if (range && range->host[0x5000 - range->addr] != 0x42) {
            rt->bad = true;
        }
        memory_read_leave(&rt->reader);
    }
    memory_reader_unregister(&rt->reader);
    return NULL;
}

static void test_ram_comes_and_goes(void)
{
    ReaderThread readers[2] = { 0 };
    GThread *threads[2];
    MemoryRegion root;

    memory_region_init_container(&root, "root", UINT64_MAX);
    address_space_init(&as, &root, "test");
    atomic_store(&stop, false);
    for (unsigned i = 0; i < G_N_ELEMENTS(readers); i++) {
        threads[i] = g_thread_new("reader", ram_reader_main, &readers[i]);
    }
    for (unsigned i = 0; i < 300; i++) {
        RamBlock *block = ram_block_new("dimm", 0x10000, -1, false, true, 0, NULL);
        MemoryRegion mr;

        block->host[0x4000] = 0x42;
        memory_region_init_ram(&mr, "dimm", block);
        ram_block_unref(block);
        memory_region_add(&root, 0x1000, &mr);
        g_thread_yield();
        memory_region_remove(&mr);
        memory_region_destroy(&mr); /* unmaps: a late reader would die */
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < G_N_ELEMENTS(readers); i++) {
        g_thread_join(threads[i]);
        g_assert_false(readers[i].bad);
    }
    address_space_destroy(&as);
    memory_region_destroy(&root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/reader/fast", test_fast);
    g_test_add_func("/reader/slow-are-kicked", test_slow_are_kicked);
    g_test_add_func("/reader/from-reader", test_from_reader);
    g_test_add_func("/reader/ram-comes-and-goes", test_ram_comes_and_goes);
    return g_test_run();
}
