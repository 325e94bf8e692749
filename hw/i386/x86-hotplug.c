/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens with a DIMM or a CPU on its way into the machine and out of it. */
#include "hw/i386/x86.h"

#include "hw/acpi/memory-hotplug.h"
#include "hw/i386/cpu-plug.h"
#include "hw/i386/cpu.h"
#include "hw/mem/nvdimm.h"
#include "util/error.h"

static bool check_acpi(const Machine *machine, GError **errp)
{
    if (X86_MACHINE(machine)->acpi == X86_ACPI_OFF) {
        error_set(errp, "the machine has no ACPI (acpi=off, -no-acpi), by which a guest learns of "
                        "DIMMs: start it with acpi=on");
        return false;
    }
    return true;
}

static bool x86_dimm_pre_plug(Machine *machine, Device *dev, GError **errp)
{
    return check_acpi(machine, errp) &&
           pc_dimm_pre_plug(machine, dev, errp); /* refuses every DIMM where there are no slots */
}

static void x86_dimm_plugged(Machine *machine, Device *dev)
{
    pc_dimm_plug(machine, dev);
    memory_unplug_plugged(&memory_hotplug_of(machine)->slots, dev);
}

static bool x86_dimm_unplug_requested(Machine *machine, Device *dev, GError **errp)
{
    return memory_unplug_request(&memory_hotplug_of(machine)->slots, dev, errp);
}

static void x86_dimm_unplugged(Machine *machine, Device *dev)
{
    memory_unplug_unplugged(&memory_hotplug_of(machine)->slots, dev);
    pc_dimm_unplug(machine, dev);
}

/* ---- NVDIMMs ---- */

static bool x86_nvdimm_pre_plug(Machine *machine, Device *dev, GError **errp)
{
    if (!check_acpi(machine, errp)) {
        return false;
    }
    if (!X86_MACHINE(machine)->nvdimms) {
        error_set(errp, "nvdimm is not enabled: add 'nvdimm=on' to '-M'");
        return false;
    }
    return nvdimm_pre_plug(machine, dev, errp);
}

static void x86_nvdimm_plugged(Machine *machine, Device *dev)
{
    nvdimm_plug(machine, dev);
    nvdimm_mailbox_plugged(X86_MACHINE(machine)->nvdimms, dev);
}

static bool x86_nvdimm_unplug_requested(Machine *machine, Device *dev, GError **errp)
{
    g_autofree char *what = device_describe(dev);

    error_set(errp, "%s: ACPI has no way to ask a guest to give an NVDIMM back; it stays", what);
    return false;
}

const HotplugHandler x86_hotplug[] = {
    { .device_type = TYPE_X86_CPU,
      .pre_plug = x86_cpu_pre_plug,
      .plug = x86_cpu_plugged,
      .unplug_request = x86_cpu_unplug_requested,
      .unplug = x86_cpu_unplugged },
    { .device_type = TYPE_NVDIMM, /* before its parent */
      .pre_plug = x86_nvdimm_pre_plug,
      .plug = x86_nvdimm_plugged,
      .unplug_request = x86_nvdimm_unplug_requested,
      .unplug = pc_dimm_unplug },
    { .device_type = TYPE_PC_DIMM,
      .pre_plug = x86_dimm_pre_plug,
      .plug = x86_dimm_plugged,
      .unplug_request = x86_dimm_unplug_requested,
      .unplug = x86_dimm_unplugged },
    {},
};
