/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-mem: requests of a driver, right or wrong, while management asks for more and less, memory
 * is held by a device, the driver and the machine are reset, and the device is saved and loaded.
 * Each answer, and what is in each block, is held against a model.
 */
#include "hw/core/runstate.h"
#include "hw/virtio/virtio-mem.h"
#include "hw/virtio/virtio-pci-regs.h"
#include "hw/mem/memory-device.h"
#include "memory/dma.h"
#include "qom/user-object.h"
#include "tests/fuzz/guest.h"
#include "tests/fuzz/driver.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

#define BLOCKS    320u /* of 1 MiB */
#define REGION    (4 * GIB)
#define PIECE     128u /* blocks: it can write to those of which it has something */
#define EXTENT    256u /* blocks that are usable beyond what is asked for */
#define RING_SIZE 8
#define REQUEST   0x60000u /* in RAM */
#define RESPONSE  0x60100u

enum { PLUG, UNPLUG, UNPLUG_ALL, STATE };
enum { ACK, NACK, BUSY, WRONG };
enum { ALL_PLUGGED, ALL_UNPLUGGED, MIXED };

static struct {
    bool plugged[BLOCKS];
    unsigned wanted, usable, count;
    bool started;          /* the driver is ready */
    int held;              /* block of which a device holds something; -1: none */
    uint8_t marks[BLOCKS]; /* what the guest has written to each; 0: nothing */
} model;
static DmaHold hold;
static VirtioMem *device;

static void populate(Machine *machine)
{
    struct json_object *props = keyval_parse("size=320M", NULL, NULL);
    g_autoptr(GError) err = NULL;

    if (!user_object_add("memory-backend-ram", "m0", props, &err)) {
        g_error("%s", err->message);
    }
    json_object_put(props);
    driver_add("virtio-mem-pci,id=v0,memdev=m0,addr=10,block-size=1M");
    device = VIRTIO_MEM(object_find_type(TYPE_VIRTIO_MEM));
}

/* ---- the model ---- */

static void grow(void)
{
    unsigned usable = model.wanted ? MIN(model.wanted + EXTENT, BLOCKS) : 0;

    model.usable = MAX(model.usable, usable);
}

static void set(unsigned first, unsigned count, bool plugged)
{
    for (unsigned i = first; i < first + count; i++) {
        model.count += plugged - model.plugged[i];
        model.plugged[i] = plugged;
        model.marks[i] = 0;
    }
}

static void all_gone(void)
{
    set(0, BLOCKS, false);
    model.usable = 0;
    grow();
}

static unsigned plugged_of(unsigned first, unsigned count)
{
    unsigned found = 0;

    for (unsigned i = first; i < first + count; i++) {
        found += model.plugged[i];
    }
    return found;
}

/* What is answered, and *@state; the model is then what it is afterwards. */
static uint16_t expect(uint16_t type, uint64_t addr, uint16_t count, uint16_t *state)
{
    const bool whole = addr >= REGION && addr % MIB == 0;
    const uint64_t first = (addr - REGION) / MIB;
    const bool fits = whole && count && first < model.usable && count <= model.usable - first;
    const unsigned there = fits ? plugged_of((unsigned)first, count) : 0;

    if (type == UNPLUG_ALL) {
        if (model.held >= 0) {
            return BUSY;
        }
        all_gone();
        return ACK;
    }
    if (type > STATE || !fits) {
        return WRONG;
    }
    if (type == STATE) {
        *state = there == count ? ALL_PLUGGED : there ? MIXED : ALL_UNPLUGGED;
        return ACK;
    }
    if (there != (type == UNPLUG ? count : 0)) {
        return WRONG;
    }
    if (type == PLUG && model.count + count > model.wanted) {
        return NACK;
    }
    if (type == UNPLUG && model.held >= (int)first && model.held < (int)(first + count)) {
        return BUSY;
    }
    if (type == PLUG) { /* what was written before it had them stays */
        for (unsigned i = (unsigned)first; i < first + count; i++) {
            model.plugged[i] = true;
        }
        model.count += count;
    } else {
        set((unsigned)first, count, false);
    }
    return ACK;
}

static void check(void)
{
    g_assert_cmpuint(device->size, ==, model.count * MIB);
    g_assert_cmpuint(device->requested_size, ==, model.wanted * MIB);
    g_assert_cmpuint(device->usable_size, ==, model.usable * MIB);
    g_assert_cmpuint(memory_device_plugged_size(machine_current()), ==, model.count * MIB);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (model.marks[i]) {
            g_assert_cmphex(address_space_load(&address_space_memory, REGION + i * MIB, 1), ==,
                            model.marks[i]);
        }
    }
}

/* ---- steps ---- */

static void send(uint16_t type, uint64_t addr, uint16_t count)
{
    const uint32_t ring = driver_ring(0, 0), avail = ring + DRIVER_PAGE;
    const uint16_t flags[2][2] = { { 1, 1 }, { 2, 0 } };
    AddressSpace *as = &address_space_memory;
    uint16_t index, state = 0;

    if (!model.started) {
        return;
    }
    address_space_store(as, REQUEST, type, 8);
    address_space_store(as, REQUEST + 8, addr, 8);
    address_space_store(as, REQUEST + 16, count, 8);
    address_space_store(as, ring, REQUEST, 8);
    address_space_store(as, ring + 8, 24, 4);
    address_space_write(as, ring + 12, flags[0], 4);
    address_space_store(as, ring + 16, RESPONSE, 8);
    address_space_store(as, ring + 24, 10, 4);
    address_space_write(as, ring + 28, flags[1], 4);
    index = (uint16_t)address_space_load(as, avail + 2, 2);
    address_space_store(as, avail + 4 + 2 * (index % RING_SIZE), 0, 2);
    address_space_store(as, avail + 2, (uint16_t)(index + 1), 2);
    const uint16_t answer = expect(type, addr, count, &state);
    driver_notify(0, 0);
    g_assert_cmpuint(address_space_load(as, ring + 2 * DRIVER_PAGE + 2, 2), ==,
                     (uint16_t)(index + 1));
    g_assert_cmpuint(address_space_load(as, RESPONSE, 2), ==, answer);
    g_assert_cmpuint(address_space_load(as, RESPONSE + 8, 2), ==, state);
}

static void step_start(FuzzInput *in)
{
    driver_map(0);
    driver_store(0, VIRTIO_COMMON_STATUS, 0, 1);
    address_space_set(&address_space_memory, driver_ring(0, 0), 0, DRIVER_QUEUE_GAP);
    driver_start(0, UINT64_C(1) << 32 | 3, RING_SIZE);
    model.started = true;
}

static void step_request(FuzzInput *in)
{
    const uint16_t type = fuzz_take(in, 1) & 3;
    const uint64_t first = fuzz_take(in, 2) % (BLOCKS + 8);

    send(type, REGION + first * MIB, (uint16_t)(fuzz_take(in, 1) % 64));
}

static void step_anything(FuzzInput *in)
{
    const uint16_t type = (uint16_t)fuzz_take(in, 1);
    const uint64_t addr = fuzz_take(in, 8);

    send(type, addr, (uint16_t)fuzz_take(in, 2));
}

static void step_want(FuzzInput *in)
{
    const uint64_t size = fuzz_take(in, 2) * (MIB / 2);
    struct json_object *value = json_object_new_uint64(size);
    const bool fits = size % MIB == 0 && size <= BLOCKS * MIB;

    g_assert_true(object_property_set(OBJECT(device), "requested-size", value, NULL) == fits);
    json_object_put(value);
    if (fits) {
        model.wanted = (unsigned)(size / MIB);
        grow();
    }
}

/* The guest writes to a block that it has, or has not. */
static void step_write(FuzzInput *in)
{
    const unsigned block = (unsigned)fuzz_take(in, 2) % BLOCKS, piece = block / PIECE * PIECE;
    const uint8_t mark = (uint8_t)fuzz_take(in, 1);

    if (plugged_of(piece, MIN(PIECE, BLOCKS - piece))) {
        model.marks[block] = mark;
    }
    address_space_store(&address_space_memory, REGION + block * MIB, mark, 1);
}

static void let_go(void)
{
    if (model.held >= 0) {
        dma_unmap(&hold, 0);
        model.held = -1;
    }
}

static void step_hold(FuzzInput *in)
{
    const DmaSpace space = { &address_space_memory };
    const unsigned block = (unsigned)fuzz_take(in, 2) % (2 * BLOCKS);

    let_go();
    if (block < BLOCKS) {
        g_assert_true(dma_map(&space, REGION + block * MIB + 4096, 4096, false, "disk0", &hold));
        model.held = (int)block;
    }
}

static void step_reset(FuzzInput *in)
{
    fuzz_step_reset(in);
    fuzz_settle();
    runstate_start();
    all_gone();
    model.started = false;
}

/* Saved, all lost, and loaded: what the guest has written is memory, and not the device's. */
static void step_load(FuzzInput *in)
{
    const StateTable *table = device_class(&device->parent.parent)->state;
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GError) err = NULL;

    state_save(table, device, saved);
    if (fuzz_take(in, 1) & 1) { /* damaged: it may be loaded, or not, and then the right one is */
        const unsigned at = (unsigned)fuzz_take(in, 2) % saved->len;
        g_autofree uint8_t *damaged = g_memdup2(saved->data, saved->len);

        damaged[at] ^= (uint8_t)fuzz_take(in, 1);
        (void)state_load(table, device, damaged, saved->len, NULL);
        for (unsigned i = 0; i < BLOCKS; i++) {
            model.marks[i] = 0; /* nobody knows what was kept */
        }
    }
    g_assert_true(state_load(table, device, saved->data, saved->len, &err));
    for (unsigned i = 0; i < BLOCKS; i++) {
        model.marks[i] = model.plugged[i] ? model.marks[i] : 0;
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,   step_request,     step_request, step_request, step_anything,
    step_want,    step_want,        step_write,   step_write,   step_hold,
    step_reset,   step_load,        step_start,   step_request, step_request,
    step_request, fuzz_step_settle, step_want,    step_write,   step_request,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { .type = "pc", .cpu_count = "1", .populate = populate };
    static const uint8_t none[2];

    fuzz_board(&board);
    fuzz_input_begin();
    runstate_start();
    model.held = -1;
    model.started = false;
    all_gone();
    fuzz_run_steps(steps, data, size);
    check();
    let_go();
    step_want(&(FuzzInput){ none, sizeof(none) });
    fuzz_input_end();
    all_gone();
    check();
    return 0;
}
