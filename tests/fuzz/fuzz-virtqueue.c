/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One virtqueue, whose driver writes anything anywhere in its memory, while a device pops, keeps
 * and gives back. The first byte says what kind of ring it is, then follow steps.
 */
#include <string.h>

#include "hw/virtio/virtqueue.h"
#include "tests/fuzz/guest.h"
#include "util/main-loop.h"

#define RAM       0x10000u /* in two ranges; from there on a hole */
#define HALF      0x8000u
#define ROM_AT    0x20000u
#define DRIVER_AT 0x1000u /* the parts of the ring; the descriptors are at 0 */
#define DEVICE_AT 0x2000u
#define MAX_SIZE  64

static MemoryRegion root, low, high, rom;
static RamBlock *blocks[2];
static AddressSpace as;
static DmaSpace space = { &as };
static VirtQueue vq;
static GPtrArray *flying; /* of VirtqElement * */

static void start(void)
{
    main_loop_init();
    flying = g_ptr_array_new();
    for (unsigned i = 0; i < 2; i++) {
        blocks[i] = ram_block_new(i ? "high" : "low", HALF, -1, false, true, 0, NULL);
    }
    memory_region_init_container(&root, "root", UINT64_MAX);
    memory_region_init_ram(&low, "low", blocks[0]);
    memory_region_init_ram(&high, "high", blocks[1]);
    memory_region_init_ram(&rom, "rom", blocks[1]);
    rom.readonly = true;
    memory_region_add(&root, 0, &low);
    memory_region_add(&root, HALF, &high);
    memory_region_add(&root, ROM_AT, &rom);
    address_space_init(&as, &root, "fuzz");
}

/* ---- what must hold ---- */

static void check_element(const VirtqElement *element)
{
    uint64_t sizes[2] = { 0 };
    unsigned pieces = element->out_num + element->in_num;

    g_assert_true(pieces <= VIRTQ_MAX_PIECES);
    for (unsigned i = 0; i < pieces; i++) {
        const DmaHold *hold = &element->pieces[i];
        const RamBlock *block = hold->block;

        g_assert_true(hold->host >= block->host && hold->size && hold->size <= HALF &&
                      hold->host + hold->size <= block->host + HALF);
        g_assert_true(hold->write == (i >= element->out_num));
        g_assert_false(hold->write && hold->addr >= ROM_AT);
        sizes[hold->write] += hold->size;
    }
    g_assert_cmpuint(sizes[0], ==, element->out_size);
    g_assert_cmpuint(sizes[1], ==, element->in_size);
}

static void check_queue(void)
{
    g_assert_cmpuint(vq.in_flight, ==, flying->len);
    g_assert_cmpuint(flying->len, <=, MAX_SIZE);
    g_assert_true(vq.broken == (virtq_error(&vq) != NULL));
}

/* ---- steps ---- */

static void drop_all(void)
{
    for (unsigned i = 0; i < flying->len; i++) {
        virtq_drop(&vq, flying->pdata[i]);
    }
    g_ptr_array_set_size(flying, 0);
}

static void restart(FuzzInput *in)
{
    unsigned kind = (unsigned)fuzz_take(in, 1);

    drop_all();
    virtq_reset(&vq);
    vq.size = kind & 8 ? (uint16_t)fuzz_take(in, 1) % (MAX_SIZE + 1) : 1u << (kind >> 4) % 7;
    vq.desc = kind & 8 ? fuzz_take(in, 3) : 0;
    vq.driver = DRIVER_AT;
    vq.device = DEVICE_AT;
    virtq_enable(&vq, (uint64_t)(kind & 1) << VIRTIO_F_RING_PACKED |
                          (uint64_t)(kind >> 1 & 1) << VIRTIO_RING_F_EVENT_IDX |
                          (uint64_t)(kind >> 2 & 1) << VIRTIO_RING_F_INDIRECT_DESC);
}

static void poke(FuzzInput *in)
{
    unsigned at = (unsigned)fuzz_take(in, 2), len = 1 + fuzz_take(in, 1) % 32;

    for (unsigned i = 0; i < len; i++) {
        blocks[at / HALF % 2]->host[(at + i) % HALF] = (uint8_t)fuzz_take(in, 1);
    }
}

static void pop(FuzzInput *in)
{
    VirtqElement *element = virtq_pop(&vq);

    if (element) {
        check_element(element);
        g_ptr_array_add(flying, element);
    }
}

static void unpop(FuzzInput *in)
{
    VirtqElement *element = virtq_pop(&vq);

    if (element) {
        check_element(element);
        virtq_unpop(&vq, element);
    }
}

static void give_back(FuzzInput *in)
{
    uint8_t bytes[64] = { 0 };
    VirtqElement *element;

    if (flying->len) {
        element = g_ptr_array_remove_index(flying, (guint)fuzz_take(in, 1) % flying->len);
        g_assert_true(virtq_read(element, fuzz_take(in, 1), bytes, sizeof(bytes)) <= 64);
        g_assert_true(virtq_write(element, fuzz_take(in, 1), bytes, sizeof(bytes)) <= 64);
        (fuzz_take(in, 1) & 1 ? virtq_fill : virtq_push)(&vq, element, (uint32_t)fuzz_take(in, 2));
    }
}

static void flush(FuzzInput *in)
{
    virtq_flush(&vq);
    virtq_should_notify(&vq);
}

static void notification(FuzzInput *in)
{
    virtq_set_notification(&vq, fuzz_take(in, 1) & 1);
}

/* Save and load, with what is in flight. */
static void reload(FuzzInput *in)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree VirtqPlace *places = g_new0(VirtqPlace, MAX_SIZE);
    unsigned count = flying->len;

    virtq_flush(&vq);
    for (unsigned i = 0; i < count; i++) {
        places[i] = ((VirtqElement *)flying->pdata[i])->place;
    }
    state_save(&virtqueue_state, &vq, bytes);
    drop_all();
    virtq_reset(&vq);
    g_assert_true(state_load(&virtqueue_state, &vq, bytes->data, bytes->len, NULL));
    for (unsigned i = 0; i < count; i++) {
        VirtqElement *element = virtq_pop_again(&vq, &places[i]);

        if (element) {
            check_element(element);
            g_ptr_array_add(flying, element);
        }
    }
}

static void (*const steps[])(FuzzInput *in) = {
    poke, pop, give_back, flush, unpop, notification, reload, restart,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = { data, size };

    if (!flying) {
        start();
    }
    for (unsigned i = 0; i < 2; i++) {
        memset(blocks[i]->host, 0, HALF);
    }
    virtq_init(&vq, MAX_SIZE, &space, "fuzz");
    restart(&in);
    while (in.left) {
        steps[fuzz_take(&in, 1) % G_N_ELEMENTS(steps)](&in);
        check_queue();
    }
    drop_all();
    g_assert_null(ram_block_holder(blocks[0], false));
    g_assert_null(ram_block_holder(blocks[1], false));
    return 0;
}
