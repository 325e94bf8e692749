/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/fuzz/guest.h"

#include "hw/acpi/memory-hotplug.h"
#include "hw/core/runstate.h"
#include "hw/i386/cpu.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/pc-dimm.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "qom/user-object.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/timer.h"

#define SLOTS            4
#define X2APIC_MSRS      0x800
#define TSC_DEADLINE_MSR 0x6e0
#define ONE_STEP         (20 * NS_PER_MS)

uint64_t fuzz_take(FuzzInput *in, unsigned n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < n && in->left; i++, in->left--) {
        value |= (uint64_t)*in->data++ << (8 * i);
    }
    return value;
}

void fuzz_run_steps(FuzzStep *const steps[FUZZ_STEPS], const uint8_t *data, size_t size)
{
    FuzzInput in = { data, size };

    while (in.left) {
        FuzzStep *step = steps[fuzz_take(&in, 1) % FUZZ_STEPS];

        if (step) {
            step(&in);
        }
    }
}

/* ---- management ---- */

/* Sizes right and wrong; the backends stay until the input ends. */
void fuzz_step_plug(FuzzInput *in)
{
    static const unsigned sizes[] = { 128, 256, 1024, 1 };
    unsigned what = (unsigned)fuzz_take(in, 1), n = what % (SLOTS + 1);
    g_autofree char *id = g_strdup_printf("m%u", n), *dev = NULL, *size = NULL;
    struct json_object *props;

    size = g_strdup_printf("size=%uM", sizes[what >> 6]);
    props = keyval_parse(size, NULL, NULL);
    user_object_add("memory-backend-ram", id, props, NULL);
    json_object_put(props);
    dev = what & 0x20 ? g_strdup_printf("pc-dimm,id=d%u,memdev=m%u,slot=%u", n, n, what & 7)
                      : g_strdup_printf("pc-dimm,id=d%u,memdev=m%u", n, n);
    props = keyval_parse(dev, "driver", NULL);
    device_add(props, NULL);
    json_object_put(props);
}

void fuzz_unplug(const char *kind, unsigned count, FuzzInput *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);
    g_autofree char *id = g_strdup_printf("%s%u", kind, what % count);

    switch (what >> 6) {
    case 0:
    case 1:
        device_del(id, NULL);
        break;
    case 2:
        device_del_within(id, (1 + what % 16) * 0.001, NULL);
        break;
    default:
        device_del_cancel(id, NULL);
    }
}

void fuzz_step_unplug(FuzzInput *in)
{
    fuzz_unplug("d", SLOTS + 1, in);
}

void fuzz_step_unplug_now(FuzzInput *in)
{
    g_autofree char *id = g_strdup_printf("d%u", (unsigned)fuzz_take(in, 1) % (SLOTS + 1));
    Object *dev = object_child(object_container("/machine/peripheral"), id);

    if (dev) {
        device_unplug(DEVICE(dev));
    }
}

void fuzz_step_time(FuzzInput *in)
{
    timers_step_to(clock_ns() + (int64_t)fuzz_take(in, 4) % ONE_STEP);
}

void fuzz_step_next_timer(FuzzInput *in)
{
    timers_step_to(MAX(timers_next_expiry(), clock_ns()));
}

void fuzz_step_settle(FuzzInput *in)
{
    fuzz_settle();
}

void fuzz_step_reset(FuzzInput *in)
{
    runstate_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
}

void fuzz_step_powerdown(FuzzInput *in)
{
    runstate_request_powerdown();
}

void fuzz_step_run(FuzzInput *in)
{
    if (fuzz_take(in, 1) & 1) {
        runstate_start();
    } else {
        runstate_stop(RUN_STATE_PAUSED);
    }
}

/* ---- AML ---- */

void fuzz_step_slot(FuzzInput *in)
{
    AddressSpace *io = &address_space_io;
    uint8_t what = (uint8_t)fuzz_take(in, 1);

    address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_SELECT, what % (SLOTS + 1), 4);
    if (what & 0x80) {
        address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_OST_EVENT, fuzz_take(in, 2), 4);
        address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_OST_STATUS, fuzz_take(in, 1), 4);
    } else {
        address_space_store(io, MEMHP_IO_BASE + MEMHP_REG_FLAGS, fuzz_take(in, 1), 1);
    }
}

/* ---- processors ---- */

/* The second one may have been unplugged. */
static X86Cpu *cpu_at(unsigned which)
{
    X86Cpu *cpu = x86_cpu_at(machine_current(), which & 1);

    return cpu ? cpu : x86_cpu_at(machine_current(), 0);
}

void fuzz_as_cpu(unsigned which)
{
    current_cpu = which & 1 ? cpu_at(which >> 1) : NULL;
}

static void cpu_acknowledge(FuzzInput *in, X86Cpu *cpu)
{
    g_assert_cmpint(cpu->apic_ops->acknowledge(cpu->apic), <, 256);
}

static void cpu_tpr(FuzzInput *in, X86Cpu *cpu)
{
    cpu->apic_ops->tpr_set(cpu->apic, (uint8_t)fuzz_take(in, 1) & 0xf);
    g_assert_cmpuint(cpu->apic_ops->tpr_get(cpu->apic), <, 16);
}

/* Modes are bits 10 and 11. */
static void cpu_base(FuzzInput *in, X86Cpu *cpu)
{
    uint64_t base = cpu->apic_ops->base_get(cpu->apic);

    cpu->apic_ops->base_set(cpu->apic, base ^ fuzz_take(in, 1) << 8 ^ fuzz_take(in, 1) << 32);
}

static void cpu_msr_read(FuzzInput *in, X86Cpu *cpu)
{
    uint64_t value;

    cpu->apic_ops->msr_read(cpu->apic, X2APIC_MSRS + (uint32_t)fuzz_take(in, 1), &value);
}

static void cpu_msr_write(FuzzInput *in, X86Cpu *cpu)
{
    uint32_t msr = X2APIC_MSRS + (uint32_t)fuzz_take(in, 1);

    cpu->apic_ops->msr_write(cpu->apic, msr, fuzz_take(in, 5));
}

static void cpu_deadline(FuzzInput *in, X86Cpu *cpu)
{
    cpu->apic_ops->msr_write(cpu->apic, TSC_DEADLINE_MSR, fuzz_take(in, 8));
}

static void cpu_init(FuzzInput *in, X86Cpu *cpu)
{
    cpu->apic_ops->init(cpu->apic);
}

void fuzz_step_cpu(FuzzInput *in)
{
    static void (*const deeds[8])(FuzzInput * in, X86Cpu * cpu) = {
        cpu_acknowledge, cpu_acknowledge, cpu_tpr,      cpu_base,
        cpu_msr_read,    cpu_msr_write,   cpu_deadline, cpu_init,
    };
    unsigned what = (unsigned)fuzz_take(in, 1);

    fuzz_as_cpu(1 | (what >> 2 & 2));
    deeds[what % 8](in, cpu_at(what >> 3));
    fuzz_as_cpu(0);
}

/* ---- checks ---- */

void fuzz_check_dimms(Machine *machine)
{
    MemoryHotplug *memhp = memory_hotplug_of(machine);
    g_autoptr(GPtrArray) dimms = pc_dimm_list(machine);
    unsigned found = 0;
    uint64_t total = 0;

    for (unsigned n = 0; n < memhp->slots.count; n++) {
        const Device *dev = memory_hotplug_slot(memhp, n)->dimm;

        if (dev) {
            g_assert_true(g_ptr_array_find(dimms, dev, NULL));
            g_assert_cmpint(PC_DIMM(dev)->slot, ==, n);
            found++;
        }
    }
    g_assert_cmpuint(found, ==, dimms->len);
    for (unsigned i = 0; i < dimms->len; i++) {
        const PcDimm *dimm = dimms->pdata[i];
        uint64_t size = pc_dimm_size(dimm);

        g_assert_true(address_space_host(&address_space_memory, dimm->addr, size) ==
                      MEMORY_BACKEND(dimm->memdev)->ram->host);
        total += size;
    }
    g_assert_cmpuint(memory_device_plugged_size(machine), ==, total);
}
