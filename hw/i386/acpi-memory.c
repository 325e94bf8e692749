/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory hot-plug in the DSDT: the guest's side of docs/memory-hotplug-registers.md.
 *
 * The registers show one slot at a time, so whatever selects a slot holds the mutex MLCK until it
 * is done. An event costs the guest two register reads and log2(slots) comparisons, however many
 * slots there are: the block says which slot has an event, and a tree of comparisons finds its
 * device.
 */
#include "hw/i386/acpi-build.h"

#include "hw/acpi/memory-hotplug.h"
#include "hw/acpi/pm.h"

#define NOTIFY_DEVICE_CHECK  1
#define NOTIFY_EJECT_REQUEST 3
#define STA_ALL              0xf /* present, enabled, shown, working */

/* Registers as seen by reading, by writing, and the flags byte, of which a write must clear nothing
 * but what it names. */
static const AmlField read_fields[] = {
    { "ADRL", MEMHP_REG_ADDR_LO * 8, 32 },
    { "ADRH", MEMHP_REG_ADDR_HI * 8, 32 },
    { "SIZL", MEMHP_REG_SIZE_LO * 8, 32 },
    { "SIZH", MEMHP_REG_SIZE_HI * 8, 32 },
    { "NODE", MEMHP_REG_PXM * 8, 32 },
    { "NEXT", MEMHP_REG_NEXT * 8, 32 },
    {},
};
static const AmlField write_fields[] = {
    { "SLOT", MEMHP_REG_SELECT * 8, 32 },
    { "OEVT", MEMHP_REG_OST_EVENT * 8, 32 },
    { "OSTS", MEMHP_REG_OST_STATUS * 8, 32 },
    {},
};
static const AmlField flag_fields[] = {
    { "ENAB", MEMHP_REG_FLAGS * 8 + 0, 1 },
    { "INSR", MEMHP_REG_FLAGS * 8 + 1, 1 },
    { "REMV", MEMHP_REG_FLAGS * 8 + 2, 1 },
    { "EJCT", MEMHP_REG_FLAGS * 8 + 3, 1 },
    {},
};

#define SELECT(slot) aml_acquire("MLCK"), aml_store(slot, aml_name_ref("SLOT"))

static Aml *wide(const char *low, const char *high)
{
    return aml_or(aml_name_ref(low), aml_shift_left(aml_name_ref(high), aml_int(32)));
}

/* MSTA(slot), MPXM(slot), MOST(slot, event, status), MEJC(slot). */
static void memory_simple_methods(Aml *mhpc)
{
    aml_add(mhpc, aml_method("MSTA", 1, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                             aml_store(aml_int(0), aml_local(0)),
                             aml_if(aml_equal(aml_name_ref("ENAB"), aml_int(1)),
                                    aml_store(aml_int(STA_ALL), aml_local(0))),
                             aml_release("MLCK"), aml_return(aml_local(0))));
    aml_add(mhpc, aml_method("MPXM", 1, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                             aml_store(aml_name_ref("NODE"), aml_local(0)), aml_release("MLCK"),
                             aml_return(aml_local(0))));
    aml_add(mhpc, aml_method("MOST", 3, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                             aml_store(aml_arg(1), aml_name_ref("OEVT")),
                             aml_store(aml_arg(2), aml_name_ref("OSTS")), aml_release("MLCK")));
    aml_add(mhpc, aml_method("MEJC", 1, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                             aml_store(aml_int(1), aml_name_ref("EJCT")), aml_release("MLCK")));
}

/* MCRS(slot): a template whose addresses are filled in, under the mutex, and copied. */
static void memory_crs_method(Aml *mhpc)
{
    aml_add(mhpc, aml_name("MR64", aml_resources(aml_qword_memory(true, 0, 0))));
    aml_add(mhpc, aml_create_qword_field(aml_name_ref("MR64"), AML_QWORD_MIN, "MINA"));
    aml_add(mhpc, aml_create_qword_field(aml_name_ref("MR64"), AML_QWORD_MAX, "MAXA"));
    aml_add(mhpc, aml_create_qword_field(aml_name_ref("MR64"), AML_QWORD_LENGTH, "LENA"));
    aml_add(mhpc,
            aml_method("MCRS", 1, AML_NOT_SERIALIZED, SELECT(aml_arg(0)),
                       aml_store(wide("ADRL", "ADRH"), aml_name_ref("MINA")),
                       aml_store(wide("SIZL", "SIZH"), aml_name_ref("LENA")),
                       aml_store(aml_minus(aml_plus(aml_name_ref("MINA"), aml_name_ref("LENA")),
                                           aml_int(1)),
                                 aml_name_ref("MAXA")),
                       aml_store(aml_name_ref("MR64"), aml_local(0)), aml_release("MLCK"),
                       aml_return(aml_local(0))));
}

void acpi_slot_name(char name[5], char kind, unsigned slot)
{
    g_snprintf(name, 5, "%c%03X", kind, slot & 0xfff);
}

/* Notify the device of slot Arg0, which is in [first, last], with the value Arg1. */
static void notify_tree(Aml *parent, char kind, unsigned first, unsigned last)
{
    unsigned middle = first + (last - first + 1) / 2;
    Aml *below, *above;

    if (first == last) {
        char name[5];
        acpi_slot_name(name, kind, first);
        aml_add(parent, aml_notify(name, aml_arg(1)));
        return;
    }
    below = aml_if(aml_less(aml_arg(0), aml_int(middle)));
    notify_tree(below, kind, first, middle - 1);
    above = aml_else();
    notify_tree(above, kind, middle, last);
    aml_add(parent, below);
    aml_add(parent, above);
}

Aml *acpi_build_notify_method(const char *name, char kind, unsigned slots)
{
    Aml *notify = aml_method(name, 2, AML_NOT_SERIALIZED);

    if (slots == 1) { /* which the tree would not look at */
        Aml *only = aml_if(aml_equal(aml_arg(0), aml_int(0)));

        notify_tree(only, kind, 0, 0);
        aml_add(notify, only);
    } else {
        notify_tree(notify, kind, 0, slots - 1);
    }
    return notify;
}

/* MSCN(): pass on each pending event. An event is cleared before its notification, so that one that
 * comes meanwhile is not lost; a slot that claims to have one but has none ends the scan. */
static Aml *memory_scan_method(void)
{
    return aml_method(
        "MSCN", 0, AML_NOT_SERIALIZED, aml_acquire("MLCK"),
        aml_while(aml_int(1), aml_store(aml_name_ref("NEXT"), aml_local(0)),
                  aml_if(aml_equal(aml_local(0), aml_int(MEMHP_NO_SLOT)), aml_break()),
                  aml_store(aml_local(0), aml_name_ref("SLOT")),
                  aml_if(aml_equal(aml_name_ref("INSR"), aml_int(1)),
                         aml_store(aml_int(1), aml_name_ref("INSR")),
                         aml_call("MNTF", aml_local(0), aml_int(NOTIFY_DEVICE_CHECK))),
                  aml_else(aml_if(aml_equal(aml_name_ref("REMV"), aml_int(1)),
                                  aml_store(aml_int(1), aml_name_ref("REMV")),
                                  aml_call("MNTF", aml_local(0), aml_int(NOTIFY_EJECT_REQUEST))),
                           aml_else(aml_break()))),
        aml_release("MLCK"));
}

static Aml *memory_slot(unsigned n)
{
    char name[5];

    acpi_slot_name(name, 'M', n);
    return aml_device(
        name, aml_name("_HID", aml_eisaid("PNP0C80")), aml_name("_UID", aml_int(n)),
        aml_method("_STA", 0, AML_NOT_SERIALIZED, aml_return(aml_call("MSTA", aml_int(n)))),
        aml_method("_CRS", 0, AML_NOT_SERIALIZED, aml_return(aml_call("MCRS", aml_int(n)))),
        aml_method("_PXM", 0, AML_NOT_SERIALIZED, aml_return(aml_call("MPXM", aml_int(n)))),
        aml_method("_OST", 3, AML_NOT_SERIALIZED,
                   aml_call("MOST", aml_int(n), aml_arg(0), aml_arg(1))),
        aml_method("_EJ0", 1, AML_NOT_SERIALIZED, aml_call("MEJC", aml_int(n))));
}

void acpi_build_memory_hotplug(Aml *dsdt, unsigned slots)
{
    Aml *mhpc = aml_device(
        "MHPC", aml_name("_HID", aml_eisaid("PNP0A06")),
        aml_name("_UID", aml_string("Memory slots")),
        aml_name("_CRS", aml_resources(aml_io(MEMHP_IO_BASE, MEMHP_IO_SIZE))),
        aml_operation_region("REGS", AML_REGION_IO, MEMHP_IO_BASE, MEMHP_IO_SIZE),
        aml_field("REGS", AML_DWORD_ACC, AML_PRESERVE, read_fields),
        aml_field("REGS", AML_DWORD_ACC, AML_PRESERVE, write_fields),
        aml_field("REGS", AML_BYTE_ACC, AML_WRITE_AS_ZEROS, flag_fields), aml_mutex("MLCK"));
    g_autofree char *event = g_strdup_printf("_E%02X", ACPI_GPE_MEMORY_HOTPLUG);

    memory_simple_methods(mhpc);
    memory_crs_method(mhpc);
    aml_add(mhpc, acpi_build_notify_method("MNTF", 'M', slots));
    aml_add(mhpc, memory_scan_method());
    for (unsigned i = 0; i < slots; i++) {
        aml_add(mhpc, memory_slot(i));
    }
    aml_add(dsdt, aml_scope("\\_SB", mhpc));
    aml_add(dsdt, aml_scope("\\_GPE",
                            aml_method(event, 0, AML_NOT_SERIALIZED, aml_call("\\_SB.MHPC.MSCN"))));
}
