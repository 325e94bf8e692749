/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers: a hostile guest reads and writes ports and memory while DIMMs come and go.
 *
 * The input is a list of steps: a byte that selects the step, then the bytes that it takes. Steps
 * on the hot-plug, PM and GPE registers are more likely than others.
 */
#include <string.h>

#include "hw/acpi/memory-hotplug.h"
#include "hw/acpi/pm.h"
#include "hw/core/runstate.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/pc-dimm.h"
#include "memory/memory.h"
#include "tests/fuzz/fuzz.h"
#include "util/clock.h"
#include "util/keyval.h"

#define SLOTS    4
#define MIB      (UINT64_C(1) << 20)
#define APIC     0xfee00000u
#define IOAPIC   0xfec00000u
#define ONE_STEP (20 * NS_PER_MS)

/* ---- the input ---- */

typedef struct Input {
    const uint8_t *data;
    size_t left;
} Input;

/* The next @n bytes, least significant first; zeros past the end. */
static uint64_t take(Input *in, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n && in->left; i++, in->left--) {
        value |= (uint64_t)*in->data++ << (8 * i);
    }
    return value;
}

/* ---- accesses ---- */

/* One byte: how many bytes (bits 0 and 1), and whether to write; a write takes that many more. */
static void touch(Input *in, AddressSpace *as, hwaddr addr, unsigned max_size)
{
    unsigned how = (unsigned)take(in, 1), size = 1u << (how & 3);

    size = MIN(size, max_size);
    if (how & 4) {
        address_space_store(as, addr, take(in, size), size);
    } else {
        address_space_load(as, addr, size);
    }
}

static void step_memhp(Input *in)
{
    touch(in, &address_space_io, MEMHP_IO_BASE + take(in, 1) % MEMHP_IO_SIZE, 4);
}

static void step_pm(Input *in)
{
    touch(in, &address_space_io, ACPI_PM_BASE + take(in, 1) % ACPI_PM_SIZE, 4);
}

static void step_gpe(Input *in)
{
    touch(in, &address_space_io, ACPI_GPE0_PORT_PC + take(in, 1) % ACPI_GPE0_LEN_PC, 4);
}

static void step_low_port(Input *in)
{
    touch(in, &address_space_io, take(in, 1), 4);
}

static void step_port(Input *in)
{
    touch(in, &address_space_io, take(in, 2), 4);
}

static void step_apic(Input *in)
{
    touch(in, &address_space_memory, APIC + take(in, 2) % 0x1000, 8);
}

static void step_ioapic(Input *in)
{
    touch(in, &address_space_memory, IOAPIC + take(in, 1) % 0x20, 8);
}

static void step_memory(Input *in)
{
    touch(in, &address_space_memory, take(in, 5), 8);
}

/* What the guest's AML does, right or wrong: select a slot, write flags or an _OST pair. */
static void step_slot(Input *in)
{
    AddressSpace *io = &address_space_io;
    uint8_t what = (uint8_t)take(in, 1);

    address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_SELECT, what % (SLOTS + 1), 4);
    if (what & 0x80) {
        address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_OST_EVENT, take(in, 2), 4);
        address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_OST_STATUS, take(in, 1), 4);
    } else {
        address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_FLAGS, take(in, 1), 1);
    }
}

/* ---- management ---- */

/* Sizes right and wrong; the backends stay until the input ends. */
static void step_plug(Input *in)
{
    static const unsigned sizes[] = { 128, 256, 1024, 1 };
    unsigned what = (unsigned)take(in, 1), n = what % (SLOTS + 1);
    g_autofree char *id = g_strdup_printf("m%u", n), *dev = NULL, *size = NULL;
    struct json_object *props;

    size = g_strdup_printf("size=%uM", sizes[what >> 6]);
    props = keyval_parse(size, NULL, NULL);
    user_object_add("memory-backend-ram", id, props, true, NULL);
    json_object_put(props);
    dev = what & 0x20 ? g_strdup_printf("pc-dimm,id=d%u,memdev=m%u,slot=%u", n, n, what & 7)
                      : g_strdup_printf("pc-dimm,id=d%u,memdev=m%u", n, n);
    props = keyval_parse(dev, "driver", NULL);
    device_add(props, true, NULL);
    json_object_put(props);
}

static void step_unplug(Input *in)
{
    g_autofree char *id = g_strdup_printf("d%u", (unsigned)take(in, 1) % (SLOTS + 1));

    device_del(id, NULL);
}

static void step_unplug_now(Input *in)
{
    g_autofree char *id = g_strdup_printf("d%u", (unsigned)take(in, 1) % (SLOTS + 1));
    Object *dev = object_child(object_container("/machine/peripheral"), id);

    if (dev) {
        device_unplug((Device *)dev);
    }
}

static void step_time(Input *in)
{
    clock_step_to(clock_ns() + (int64_t)take(in, 4) % ONE_STEP);
}

static void step_next_timer(Input *in)
{
    clock_step_to(MAX(clock_next_expiry(), clock_ns()));
}

static void step_settle(Input *in)
{
    fuzz_settle();
}

static void step_reset(Input *in)
{
    system_reset_request(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
}

static void step_powerdown(Input *in)
{
    system_powerdown_request();
}

static void step_run(Input *in)
{
    if (take(in, 1) & 1) {
        vm_start();
    } else {
        vm_stop(RUN_STATE_PAUSED);
    }
}

static FuzzClient *serial;

static void step_serial_input(Input *in)
{
    uint8_t byte = (uint8_t)take(in, 1);

    fuzz_client_send(serial, &byte, 1);
}

/* Some are here more than once, to be chosen more often. New ones come at the end, so that the
 * corpus keeps its meaning. */
static void (*const steps[32])(Input *in) = {
    step_memhp,  step_memhp,  step_memhp,     step_slot,       step_slot,
    step_slot,   step_pm,     step_gpe,       step_plug,       step_plug,
    step_unplug, step_unplug, step_low_port,  step_port,       step_apic,
    step_ioapic, step_memory, step_time,      step_next_timer, step_settle,
    step_reset,  step_run,    step_powerdown, step_unplug_now, step_serial_input,
};

/* ---- what holds after each input ---- */

/* Slots, the list of DIMMs and guest memory tell the same. */
static void check(Machine *machine)
{
    MemoryHotplug *memhp = memory_hotplug_of(machine);
    g_autoptr(GPtrArray) dimms = pc_dimm_list(machine);
    unsigned found = 0;
    uint64_t total = 0;

    for (unsigned n = 0; n < memhp->num_slots; n++) {
        const Device *dev = memory_hotplug_slot(memhp, n)->dimm;

        if (dev) {
            g_assert_true(g_ptr_array_find(dimms, dev, NULL));
            g_assert_cmpint(((const PcDimm *)dev)->slot, ==, n);
            found++;
        }
    }
    g_assert_cmpuint(found, ==, dimms->len);
    for (unsigned i = 0; i < dimms->len; i++) {
        const PcDimm *dimm = dimms->pdata[i];

        address_space_store(&address_space_memory, dimm->addr, 0x5a00 | i, 2);
        total += pc_dimm_size(dimm);
    }
    for (unsigned i = 0; i < dimms->len; i++) {
        const PcDimm *dimm = dimms->pdata[i];

        g_assert_cmphex(address_space_load(&address_space_memory, dimm->addr, 2), ==, 0x5a00 | i);
    }
    g_assert_cmpuint(memory_device_plugged_size(machine), ==, total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Machine *machine = fuzz_machine();
    Input in = { data, size };

    serial = (FuzzClient *)machine->serial[0];
    fuzz_input_begin();
    while (in.left) {
        unsigned n = (unsigned)take(&in, 1) % G_N_ELEMENTS(steps);

        if (steps[n]) {
            steps[n](&in);
        }
    }
    fuzz_settle();
    check(machine);
    fuzz_input_end();
    return 0;
}
