/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers: a hostile guest reads and writes ports and memory while DIMMs come and go. Steps on
 * the hot-plug, PM and GPE registers are more likely than others.
 */
#include "hw/acpi/cpu-hotplug.h"
#include "hw/acpi/memory-hotplug.h"
#include "hw/acpi/pm.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "tests/fuzz/guest.h"
#include "util/keyval.h"

#define APIC   0xfee00000u
#define IOAPIC 0xfec00000u

/* ---- accesses ---- */

/* One byte: how many bytes (bits 0 and 1), and whether to write; a write takes that many more. */
static void touch(FuzzInput *in, AddressSpace *as, hwaddr addr, unsigned max_size)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);

    size = MIN(size, max_size);
    if (how & 4) {
        address_space_store(as, addr, fuzz_take(in, size), size);
    } else {
        address_space_load(as, addr, size);
    }
}

static void step_memhp(FuzzInput *in)
{
    touch(in, &address_space_io, MEMHP_IO_BASE + fuzz_take(in, 1) % MEMHP_IO_SIZE, 4);
}

/* A CPU's coming, its going, or registers; whose CPU makes the access varies. */
static void step_cphp(FuzzInput *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);
    g_autoptr(GError) err = NULL;

    if (what % 8 == 0) {
        struct json_object *props =
            keyval_parse("qemu64-x86_64-cpu,id=cpu1,apic-id=1", "driver", NULL);

        device_add(props, &err);
        json_object_put(props);
        return;
    }
    if (what % 8 == 1) {
        fuzz_unplug("cpu", 2, in);
        return;
    }
    fuzz_as_cpu(what >> 6);
    if (what % 8 == 2) {
        address_space_store(&address_space_io, CPUHP_PORT_PC, what >> 3 & 3, 4);
    }
    touch(in, &address_space_io, CPUHP_PORT_PC + fuzz_take(in, 1) % CPUHP_SIZE, 4);
    fuzz_as_cpu(0);
}

static void step_pm(FuzzInput *in)
{
    touch(in, &address_space_io, ACPI_PM_BASE + fuzz_take(in, 1) % ACPI_PM_SIZE, 4);
}

static void step_gpe(FuzzInput *in)
{
    touch(in, &address_space_io, ACPI_GPE0_PORT_PC + fuzz_take(in, 1) % ACPI_GPE0_LEN_PC, 4);
}

static void step_low_port(FuzzInput *in)
{
    touch(in, &address_space_io, fuzz_take(in, 1), 4);
}

static void step_port(FuzzInput *in)
{
    touch(in, &address_space_io, fuzz_take(in, 2), 4);
}

static void step_apic(FuzzInput *in)
{
    unsigned where = (unsigned)fuzz_take(in, 2);

    fuzz_as_cpu(where >> 12);
    touch(in, &address_space_memory, APIC + where % 0x1000, 8);
    fuzz_as_cpu(0);
}

static void step_ioapic(FuzzInput *in)
{
    touch(in, &address_space_memory, IOAPIC + fuzz_take(in, 1) % 0x20, 8);
}

static void step_memory(FuzzInput *in)
{
    touch(in, &address_space_memory, fuzz_take(in, 5), 8);
}

static FuzzClient *serial;

static void step_serial_input(FuzzInput *in)
{
    uint8_t byte = (uint8_t)fuzz_take(in, 1);

    fuzz_client_send(serial, &byte, 1);
}

/* Some are here more than once, to be chosen more often. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    step_memhp,
    step_memhp,
    step_memhp,
    fuzz_step_slot,
    fuzz_step_slot,
    fuzz_step_slot,
    step_pm,
    step_gpe,
    fuzz_step_plug,
    fuzz_step_plug,
    fuzz_step_unplug,
    fuzz_step_unplug,
    step_low_port,
    step_port,
    step_apic,
    step_ioapic,
    step_memory,
    fuzz_step_time,
    fuzz_step_next_timer,
    fuzz_step_settle,
    fuzz_step_reset,
    fuzz_step_run,
    fuzz_step_powerdown,
    fuzz_step_unplug_now,
    step_serial_input,
    fuzz_step_cpu,
    step_cphp,
    step_cphp,
    step_cphp,
    step_cphp,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Machine *machine = fuzz_machine();

    serial = (FuzzClient *)machine->serial[0];
    fuzz_input_begin();
    fuzz_run_steps(steps, data, size);
    fuzz_settle();
    fuzz_check_dimms(machine);
    fuzz_input_end();
    return 0;
}
