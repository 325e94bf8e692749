/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtqueues of all kinds, against a driver that does it right, and against all that do not. */
#include <stdatomic.h>
#include <string.h>

#include "hw/virtio/virtqueue.h"
#include "memory/dirty.h"
#include "tests/unit/virtq-driver.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/units.h"

#define RAM     (512 * KIB) /* in two ranges, which follow each other */
#define RING_AT (64 * KIB)
#define BUFFERS (256 * KIB) /* the second range begins there */
#define TABLE   (192 * KIB)
#define ROM_AT  (1024 * KIB)
#define SIZE    16

typedef struct Kind {
    const char *name;
    bool packed, event;
} Kind;

static const Kind kinds[] = {
    { "split", false, false },
    { "split-event", false, true },
    { "packed", true, false },
    { "packed-event", true, true },
};

static MemoryRegion root, low, twin, high, rom;
static RamBlock *whole;
static uint8_t *ram;
static AddressSpace as;
static DmaSpace space = { &as };
static VirtQueue vq;
static VirtqDriver driver;
static unsigned told;

static void count_written(MemoryListener *listener, hwaddr addr, uint64_t len)
{
    told++;
}

static MemoryListener listener = { .written = count_written };

/* Guest addresses are offsets in `ram`, and the map shows the RAM in two ranges. */
static void setup(const Kind *kind)
{
    whole = ram_block_new("whole", RAM, -1, false, true, 0, NULL);
    ram = whole->host;
    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_ram(&low, "low", whole);
    memory_region_init_ram(&twin, "twin", whole);
    memory_region_init_alias(&high, "high", &twin, BUFFERS, RAM - BUFFERS);
    memory_region_init_alias(&rom, "rom", &low, 0, RAM);
    rom.readonly = true;
    memory_region_add(&root, 0, &low);
    memory_region_add_overlap(&root, BUFFERS, &high, 1);
    memory_region_add(&root, ROM_AT, &rom);
    address_space_init(&as, &root, "test");
    address_space_add_listener(&as, &listener);
    virtq_driver_init(&driver, ram, RING_AT, SIZE, kind->packed, kind->event);
    virtq_init(&vq, 4 * SIZE, &space, "test");
    vq.size = SIZE;
    vq.desc = driver.desc;
    vq.driver = driver.driver;
    vq.device = driver.device;
    virtq_enable(&vq, 1ull << VIRTIO_RING_F_INDIRECT_DESC |
                          (uint64_t)kind->event << VIRTIO_RING_F_EVENT_IDX |
                          (uint64_t)kind->packed << VIRTIO_F_RING_PACKED);
    g_assert_cmpstr(virtq_error(&vq), ==, NULL);
    told = 0;
}

static void teardown(void)
{
    g_assert_null(ram_block_holder(whole, false)); /* nothing stays mapped */
    address_space_remove_listener(&as, &listener);
    address_space_destroy(&as);
    memory_region_destroy(&root);
    memory_region_destroy(&high);
    memory_region_destroy(&rom);
    memory_region_destroy(&twin);
    memory_region_destroy(&low);
    ram_block_unref(whole);
}

/* One piece to read and one to write to, at places of their own for each @n below SIZE. */
static void add_pair(unsigned n, uint16_t head)
{
    const VirtqBuffer pair[] = { { BUFFERS + n * KIB, 8, 0 },
                                 { BUFFERS + n * KIB + 512, 64, DRIVER_WRITE } };

    memcpy(ram + pair[0].addr, &n, sizeof(n));
    virtq_driver_add(&driver, head, pair, 2);
}

static void assert_taken(uint16_t head, uint32_t len)
{
    uint16_t got_head;
    uint32_t got_len;

    g_assert_true(virtq_driver_take(&driver, &got_head, &got_len));
    g_assert_cmpuint(got_head, ==, head);
    g_assert_cmpuint(got_len, ==, len);
}

static void assert_none_taken(void)
{
    uint16_t head;
    uint32_t len;

    g_assert_false(virtq_driver_take(&driver, &head, &len));
}

/* Many times around. */
static void test_round(gconstpointer kind)
{
    setup(kind);
    for (unsigned n = 0; n < 10 * SIZE; n++) {
        unsigned seen = 0, fill = n * 3;

        g_assert_true(virtq_is_empty(&vq));
        g_assert_null(virtq_pop(&vq));
        add_pair(n % SIZE, 2 * (n % 8));
        g_assert_false(virtq_is_empty(&vq));
        VirtqElement *element = virtq_pop(&vq);
        g_assert_nonnull(element);
        g_assert_cmpuint(element->out_num, ==, 1);
        g_assert_cmpuint(element->in_num, ==, 1);
        g_assert_cmpuint(element->out_size, ==, 8);
        g_assert_cmpuint(element->in_size, ==, 64);
        g_assert_cmpuint(virtq_read(element, 0, &seen, 4), ==, 4);
        g_assert_cmpuint(seen, ==, n % SIZE);
        g_assert_cmpuint(virtq_write(element, 60, &fill, 8), ==, 4); /* no more fits */
        g_assert_cmpuint(virtq_write(element, 64, &fill, 4), ==, 0);
        assert_none_taken();
        virtq_push(&vq, element, 60 + n % 5);
        assert_taken(2 * (n % 8), 60 + n % 5);
        assert_none_taken();
        g_assert_cmpint(memcmp(ram + BUFFERS + n % SIZE * KIB + 512 + 60, &fill, 4), ==, 0);
    }
    teardown();
}

/* All in flight, given back in another order; then one too many. */
static void test_order(gconstpointer kind)
{
    VirtqElement *elements[SIZE / 2];

    setup(kind);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < SIZE / 2; i++) {
            add_pair(i, 2 * i);
        }
        for (unsigned i = 0; i < SIZE / 2; i++) {
            elements[i] = virtq_pop(&vq);
            g_assert_nonnull(elements[i]);
        }
        for (unsigned i = SIZE / 2; i-- > 0;) {
            virtq_push(&vq, elements[i], i);
        }
        for (unsigned i = SIZE / 2; i-- > 0;) {
            assert_taken(2 * i, i);
        }
    }
    teardown();
}

static void test_batch(gconstpointer kind)
{
    setup(kind);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 5; i++) {
            add_pair(i, 2 * i);
        }
        for (unsigned i = 0; i < 5; i++) {
            virtq_fill(&vq, virtq_pop(&vq), i);
            assert_none_taken();
        }
        virtq_flush(&vq);
        for (unsigned i = 0; i < 5; i++) {
            assert_taken(2 * i, i);
        }
        virtq_flush(&vq);
        assert_none_taken();
    }
    teardown();
}

static void test_unpop(gconstpointer kind)
{
    setup(kind);
    for (unsigned n = 0; n < 3 * SIZE; n++) {
        add_pair(n % SIZE, 2);
        for (unsigned i = 0; i < 3; i++) {
            VirtqElement *element = virtq_pop(&vq);
            unsigned seen = 99;

            virtq_read(element, 0, &seen, 4);
            g_assert_cmpuint(seen, ==, n % SIZE);
            virtq_unpop(&vq, element);
        }
        virtq_push(&vq, virtq_pop(&vq), 1);
        assert_taken(2, 1);
    }
    teardown();
}

static void test_notify_driver(gconstpointer data)
{
    const Kind *kind = data;

    setup(kind);
    g_assert_false(virtq_should_notify(&vq)); /* nothing was shown */
    for (unsigned n = 0; n < 3 * SIZE; n++) {
        bool want = n % 3 != 0;

        virtq_driver_want(&driver, want);
        add_pair(0, 0);
        virtq_push(&vq, virtq_pop(&vq), 0);
        g_assert_cmpint(virtq_should_notify(&vq), ==, want);
        g_assert_false(virtq_should_notify(&vq));
        assert_taken(0, 0);
    }
    /* Event index: of the third of five only. */
    virtq_driver_want(&driver, true);
    for (unsigned i = 0; i < 5; i++) {
        add_pair(i, 2 * i);
    }
    if (kind->event && !kind->packed) {
        uint16_t third = driver.used + 2;

        memcpy(ram + driver.driver + 4 + 2 * SIZE, &third, 2);
    }
    for (unsigned i = 0; i < 5; i++) {
        bool expected = !kind->event || (kind->packed ? i == 0 : i == 2);

        virtq_push(&vq, virtq_pop(&vq), 0);
        g_assert_cmpint(virtq_should_notify(&vq), ==, expected);
    }
    teardown();
}

static void test_notify_device(gconstpointer kind)
{
    setup(kind);
    for (unsigned n = 0; n < 3 * SIZE; n++) {
        add_pair(n % SIZE, 0);
        g_assert_true(virtq_driver_should_kick(&driver, driver.packed ? 2 : 1));
        virtq_push(&vq, virtq_pop(&vq), 0);
        assert_taken(0, 0);
        if (n % 5 == 4) { /* quiet for a while */
            virtq_set_notification(&vq, false);
            add_pair(0, 0);
            if (!driver.event || driver.packed) {
                g_assert_false(virtq_driver_should_kick(&driver, driver.packed ? 2 : 1));
            }
            virtq_push(&vq, virtq_pop(&vq), 0);
            assert_taken(0, 0);
            add_pair(0, 0);
            g_assert_false(virtq_driver_should_kick(&driver, driver.packed ? 2 : 1));
            g_assert_true(virtq_set_notification(&vq, true)); /* it has to look */
            virtq_push(&vq, virtq_pop(&vq), 0);
            assert_taken(0, 0);
            g_assert_false(virtq_set_notification(&vq, true));
        }
    }
    teardown();
}

/* Tables; and RAM in two ranges: a piece that lies in both is two. */
static void test_indirect(gconstpointer kind)
{
    const VirtqBuffer table[] = { { BUFFERS - 16, 32, 0 },
                                  { BUFFERS + 4 * KIB, 0, 0 },
                                  { BUFFERS + 8 * KIB, 16, DRIVER_WRITE },
                                  { BUFFERS + 9 * KIB, 16, DRIVER_WRITE } };
    const VirtqBuffer indirect = { TABLE, 16 * G_N_ELEMENTS(table), DRIVER_INDIRECT };
    uint8_t text[32], back[32];

    setup(kind);
    for (unsigned n = 0; n < 2 * SIZE + 1; n++) {
        memset(ram + BUFFERS - 16, n + 1, 32);
        virtq_driver_table(&driver, TABLE, table, G_N_ELEMENTS(table));
        virtq_driver_add(&driver, n % SIZE, &indirect, 1);
        VirtqElement *element = virtq_pop(&vq);
        g_assert_nonnull(element);
        g_assert_cmpuint(element->out_num, ==, 2);
        g_assert_cmpuint(element->in_num, ==, 2);
        g_assert_cmpuint(virtq_read(element, 0, text, 32), ==, 32);
        memset(back, n + 1, 32);
        g_assert_cmpmem(text, 32, back, 32);
        g_assert_cmpuint(virtq_write(element, 8, text, 32), ==, 24);
        virtq_push(&vq, element, 32);
        assert_taken(n % SIZE, 32);
        g_assert_cmpuint(ram[BUFFERS + 9 * KIB + 15], ==, n + 1);
    }
    teardown();
}

/* What is in flight when the machine is saved. */
static void test_saved(gconstpointer kind)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new(), place = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    VirtqPlace where = { 0 };
    unsigned seen = 0;

    setup(kind);
    for (unsigned n = 0; n < SIZE + 3; n++) { /* the second time around */
        add_pair(n % SIZE, 2);
        virtq_push(&vq, virtq_pop(&vq), 0);
        assert_taken(2, 0);
    }
    add_pair(5, 4);
    add_pair(6, 6);
    VirtqElement *element = virtq_pop(&vq);
    state_save(&virtqueue_state, &vq, bytes);
    state_save(&virtq_place_state, &element->place, place);
    virtq_drop(&vq, element);
    virtq_init(&vq, 4 * SIZE, &space, "again");
    g_assert_true(state_load(&virtqueue_state, &vq, bytes->data, bytes->len, &err));
    g_assert_true(state_load(&virtq_place_state, &where, place->data, place->len, &err));
    element = virtq_pop_again(&vq, &where);
    g_assert_nonnull(element);
    virtq_read(element, 0, &seen, 4);
    g_assert_cmpuint(seen, ==, 5);
    virtq_push(&vq, element, 7);
    virtq_push(&vq, virtq_pop(&vq), 8);
    g_assert_true(virtq_should_notify(&vq));
    assert_taken(4, 7);
    assert_taken(6, 8);
    teardown();
}

static void test_saved_nonsense(gconstpointer kind)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    const VirtqPlace places[] = { { SIZE, 0, 1 }, { 0, 0, 0 }, { 0, 0, SIZE + 1 } };

    setup(kind);
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        g_assert_null(virtq_pop_again(&vq, &places[i]));
        g_assert_nonnull(virtq_error(&vq));
        vq.broken = false;
        vq.error = NULL;
    }
    vq.size = 8 * SIZE;
    state_save(&virtqueue_state, &vq, bytes);
    g_assert_false(state_load(&virtqueue_state, &vq, bytes->data, bytes->len, &err));
    g_assert_nonnull(strstr(err->message, "at most 64"));
    vq.size = SIZE;
    teardown();
}

/* Pages of the ring and of buffers count as written, and engines hear of it. */
static void test_dirty(gconstpointer kind)
{
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    uint64_t page = 0, count;

    setup(kind);
    g_ptr_array_add(blocks, whole);
    g_autoptr(DirtyTracker) tracker = dirty_tracker_new(blocks);
    while (dirty_tracker_next(tracker, 0, &page, UINT64_MAX, &count)) {
    }
    add_pair(8, 0);
    virtq_push(&vq, virtq_pop(&vq), 1);
    g_assert_cmpuint(told, >=, 3);
    dirty_tracker_sync(tracker);
    page = BUFFERS / 4096;
    g_assert_true(dirty_tracker_next(tracker, 0, &page, 1, &count));
    g_assert_cmpuint(page, ==, (BUFFERS + 8 * KIB) / 4096);
    page = 0;
    g_assert_true(dirty_tracker_next(tracker, 0, &page, 1, &count));
    g_assert_cmpuint(page, ==, (driver.packed ? driver.desc : driver.device) / 4096);
    g_clear_pointer(&tracker, dirty_tracker_free);
    teardown();
}

/* ---- what breaks ---- */

static void put16(uint64_t at, uint16_t value)
{
    memcpy(ram + at, &value, sizeof(value));
}

static void assert_broken(const char *why)
{
    g_assert_null(virtq_pop(&vq));
    g_assert_cmpstr(virtq_error(&vq), !=, NULL);
    if (!strstr(virtq_error(&vq), why)) {
        g_error("'%s' is not '%s'", virtq_error(&vq), why);
    }
    /* From now on nothing happens. */
    g_assert_true(virtq_is_empty(&vq));
    g_assert_false(virtq_set_notification(&vq, true));
    g_assert_false(virtq_should_notify(&vq));
    virtq_reset(&vq);
    g_assert_null(virtq_error(&vq));
    teardown();
}

static void check_chain(const Kind *kind, const VirtqBuffer *buffers, unsigned count,
                        const char *why)
{
    setup(kind);
    virtq_driver_add(&driver, 0, buffers, count);
    assert_broken(why);
}

static void check_table(const Kind *kind, const VirtqBuffer *buffers, unsigned count, uint64_t at,
                        uint32_t len, const char *why)
{
    setup(kind);
    virtq_driver_table(&driver, TABLE, buffers, count);
    virtq_driver_add(&driver, 0, &(VirtqBuffer){ at, len, DRIVER_INDIRECT }, 1);
    assert_broken(why);
}

static void test_bad_buffers(gconstpointer kind)
{
    const VirtqBuffer order[] = { { BUFFERS, 8, DRIVER_WRITE }, { BUFFERS, 8, 0 } };
    const VirtqBuffer hole = { RAM - 8, 16, 0 }, end = { UINT64_MAX - 7, 16, 0 };
    const VirtqBuffer to_rom = { ROM_AT, 1, DRIVER_WRITE };
    const VirtqBuffer huge[] = { { 0, UINT32_MAX, 0 }, { 0, 1, 0 } };

    check_chain(kind, order, 2, "to read after those to write");
    check_chain(kind, &hole, 1, "not in RAM");
    check_chain(kind, &end, 1, "not in RAM");
    check_chain(kind, &to_rom, 1, "not in RAM");
    check_chain(kind, huge, 1, "not in RAM"); /* as this one alone may be so long */
    check_table(kind, order, 2, TABLE, 32, "to read after those to write");
    setup(kind);
    virtq_driver_add(&driver, 0, &(VirtqBuffer){ 0, RAM, 0 }, 1);
    VirtqElement *element = virtq_pop(&vq);
    g_assert_cmpuint(element->out_num, ==, 2);
    virtq_drop(&vq, element);
    teardown();
}

static void test_bad_tables(gconstpointer data)
{
    const Kind *kind = data;
    const VirtqBuffer one = { BUFFERS, 8, 0 }, nested = { TABLE, 16, DRIVER_INDIRECT };
    const VirtqBuffer chained = { TABLE, 16, DRIVER_INDIRECT | DRIVER_NEXT };
    g_autofree VirtqBuffer *many = g_new(VirtqBuffer, 1025);

    for (unsigned i = 0; i < 1025; i++) {
        many[i] = (VirtqBuffer){ BUFFERS - 8, 16, 0 }; /* two pieces each */
    }
    check_table(kind, &one, 1, TABLE, 0, "wrong length");
    check_table(kind, &one, 1, TABLE, 17, "wrong length");
    check_table(kind, &one, 1, TABLE + 8, 16, "wrong length or place");
    check_table(kind, &one, 1, RAM, 16, "not in RAM");
    check_table(kind, many, 1025, TABLE, 1025 * 16, "wrong length");
    check_table(kind, many, 513, TABLE, 513 * 16, "more than 1024 pieces");
    check_table(kind, &nested, 1, TABLE, 16, "leads to another one");
    check_chain(kind, &chained, 1, "where none can be");
    setup(kind);
    vq.features &= ~(1ull << VIRTIO_RING_F_INDIRECT_DESC);
    virtq_driver_add(&driver, 0, &nested, 1);
    assert_broken("where none can be");
    if (!kind->packed) { /* next: itself, and out of the table */
        const VirtqBuffer loop = { BUFFERS, 8, DRIVER_NEXT };

        for (unsigned next = 0; next < 3; next += 2) {
            setup(kind);
            virtq_driver_desc(&driver, TABLE, &loop, DRIVER_NEXT, next);
            virtq_driver_desc(&driver, TABLE + 16, &loop, DRIVER_NEXT, 0);
            virtq_driver_add(&driver, 0, &(VirtqBuffer){ TABLE, 32, DRIVER_INDIRECT }, 1);
            assert_broken("leads out of its table, or in a circle");
        }
    }
}

static void test_bad_ring(gconstpointer data)
{
    const Kind *kind = data;
    const VirtqBuffer loop = { BUFFERS, 8, DRIVER_NEXT };

    if (!kind->packed) {
        setup(kind);
        put16(driver.driver + 2, SIZE + 1);
        assert_broken("more buffers are available");
        setup(kind);
        put16(driver.driver + 4, SIZE);
        put16(driver.driver + 2, 1);
        assert_broken("out of the ring");
        setup(kind);
        virtq_driver_desc(&driver, driver.desc, &loop, DRIVER_NEXT, SIZE);
        put16(driver.driver + 2, 1);
        assert_broken("out of the ring");
    }
    setup(kind);
    for (unsigned i = 0; i < SIZE; i++) {
        virtq_driver_desc(&driver, driver.desc + 16 * i, &loop, DRIVER_NEXT | 1 << 7, i + 1);
    }
    virtq_driver_desc(&driver, driver.desc + 16 * (SIZE - 1), &loop, DRIVER_NEXT | 1 << 7, 0);
    put16(driver.driver + 2, 1);
    assert_broken("in a circle");
}

/* As many in flight as there are entries, and one more that a wrong driver adds. */
static void test_too_many(gconstpointer data)
{
    const Kind *kind = data;
    const VirtqBuffer one = { BUFFERS, 8, 0 };
    VirtqElement *elements[SIZE];

    setup(kind);
    for (unsigned i = 0; i < SIZE; i++) {
        virtq_driver_add(&driver, i, &one, 1);
        elements[i] = virtq_pop(&vq);
        g_assert_nonnull(elements[i]);
    }
    virtq_driver_add(&driver, 0, &one, 1);
    g_assert_null(virtq_pop(&vq));
    g_assert_nonnull(strstr(virtq_error(&vq), "more buffers are in use"));
    for (unsigned i = 0; i < SIZE; i++) {
        virtq_drop(&vq, elements[i]);
    }
    assert_broken("more buffers are in use");
}

typedef struct BadSetUp {
    unsigned size;
    int64_t desc, driver, device; /* added to where they are right */
    const char *why;
    bool packed_too;
} BadSetUp;

static const BadSetUp bad_set_ups[] = {
    { 0, 0, 0, 0, "its size", true },
    { 3, 0, 0, 0, "its size", false },
    { 128, 0, 0, 0, "its size", true },
    { SIZE, 8, 0, 0, "aligned", true },
    { SIZE, 0, 1, 0, "aligned", true },
    { SIZE, 0, 0, 2, "aligned", true },
    { SIZE, RAM, 0, 0, "in RAM", true },
    { SIZE, 0, RAM, 0, "in RAM", true },
    { SIZE, 0, 0, RAM, "in RAM", true },
    { SIZE, -RING_AT - 16, 0, 0, "in RAM", true },
    { SIZE, 0, -RING_AT - 0x4004, 0, "in RAM", true },
};

static void test_bad_set_up(gconstpointer data)
{
    const Kind *kind = data;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad_set_ups); i++) {
        const BadSetUp *bad = &bad_set_ups[i];
        uint64_t features;

        if (kind->packed && !bad->packed_too) {
            continue;
        }
        setup(kind);
        features = vq.features;
        virtq_reset(&vq);
        g_assert_false(virtq_works(&vq));
        vq.size = bad->size;
        vq.desc = driver.desc + bad->desc;
        vq.driver = driver.driver + bad->driver;
        vq.device = driver.device + bad->device;
        virtq_enable(&vq, features);
        assert_broken(bad->why);
    }
}

/* The ring's memory goes while it is used. */
static void test_ring_goes(gconstpointer data)
{
    setup(data);
    add_pair(0, 0);
    VirtqElement *element = virtq_pop(&vq);
    memory_region_set_enabled(&low, false);
    virtq_push(&vq, element, 1);
    g_assert_nonnull(strstr(virtq_error(&vq), "not in RAM"));
    assert_broken("not in RAM");
}

/* ---- two threads ---- */

#define RACES 20000

static atomic_bool signalled[2]; /* the device, the driver */

static void signal_side(unsigned side)
{
    atomic_store(&signalled[side], true);
}

/* Forever, if nobody signals. It does not sleep: then both sides are at the same place at the same
 * time more often. */
static void wait_for_signal(unsigned side)
{
    while (!atomic_exchange(&signalled[side], false)) {
        g_thread_yield();
    }
}

static gpointer device_thread(gpointer opaque)
{
    for (unsigned done = 0; done < RACES;) {
        VirtqElement *element = virtq_pop(&vq);
        unsigned number = 0;

        if (!element) {
            g_assert_null(virtq_error(&vq));
            wait_for_signal(0);
            continue;
        }
        virtq_read(element, 0, &number, 4);
        g_assert_cmpuint(number, ==, done++);
        number = ~number;
        virtq_write(element, 0, &number, 4);
        virtq_push(&vq, element, 4);
        if (virtq_should_notify(&vq)) {
            signal_side(1);
        }
    }
    return NULL;
}

/* Take all that came back; @taken is how many there were before. */
static unsigned take_all(unsigned taken)
{
    uint16_t head;
    uint32_t len;

    while (virtq_driver_take(&driver, &head, &len)) {
        unsigned number;

        memcpy(&number, ram + BUFFERS + taken % 8 * KIB + 512, 4);
        g_assert_cmpuint(number, ==, ~taken);
        taken++;
    }
    return taken;
}

/* Each waits whenever there is nothing to do, and goes on only if the other one thinks that it
 * wants to be notified: a notification that is missing is the end. */
static void test_threads(gconstpointer kind)
{
    unsigned added = 0, taken = 0;
    GThread *device;

    setup(kind);
    device = g_thread_new("device", device_thread, NULL);
    while (taken < RACES) {
        while (added < RACES && added - taken < 1 + taken / 1000 % 8) {
            const VirtqBuffer pair[] = { { BUFFERS + added % 8 * KIB, 4, 0 },
                                         { BUFFERS + added % 8 * KIB + 512, 4, DRIVER_WRITE } };

            memcpy(ram + pair[0].addr, &added, 4);
            virtq_driver_add(&driver, 2 * (added++ % 8), pair, 2);
            if (virtq_driver_should_kick(&driver, driver.packed ? 2 : 1)) {
                signal_side(0);
            }
        }
        unsigned before = taken;
        taken = take_all(taken);
        if (taken == before) {
            virtq_driver_want(&driver, true);
            taken = take_all(taken);
            if (taken == before) {
                wait_for_signal(1);
            }
        }
    }
    g_thread_join(device);
    g_assert_cmpuint(taken, ==, RACES);
    teardown();
}

typedef struct Case {
    const char *name;
    void (*fn)(gconstpointer kind);
} Case;

static const Case cases[] = {
    { "round", test_round },
    { "order", test_order },
    { "batch", test_batch },
    { "unpop", test_unpop },
    { "notify-driver", test_notify_driver },
    { "notify-device", test_notify_device },
    { "indirect", test_indirect },
    { "saved", test_saved },
    { "saved-nonsense", test_saved_nonsense },
    { "dirty", test_dirty },
    { "bad-buffers", test_bad_buffers },
    { "bad-tables", test_bad_tables },
    { "bad-ring", test_bad_ring },
    { "too-many", test_too_many },
    { "bad-set-up", test_bad_set_up },
    { "ring-goes", test_ring_goes },
    { "threads", test_threads },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
            g_autofree char *path =
                g_strdup_printf("/virtqueue/%s/%s", cases[i].name, kinds[k].name);

            g_test_add_data_func(path, &kinds[k], cases[i].fn);
        }
    }
    return g_test_run();
}
