/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What root buses get of the address space, and the devices of those that expanders give.
 *
 * Firmware shares addresses out: an extra root has what its functions decode. Where no firmware has
 * been, nothing decodes anything yet, and each extra root gets a fixed part of the machine's
 * windows. The machine's own root bus has the rest.
 */
#include "hw/i386/acpi-pci.h"
#include "hw/i386/cpu.h"
#include "hw/i386/e820.h"
#include "hw/pci/pci-ranges.h"
#include "hw/pci/pxb.h"
#include "util/units.h"

/* An extra root's part: from the ends of the windows, one below the other. */
#define PART_IO     0x2000u
#define PART_MEMORY (64 * MIB)
#define PART_HIGH   (2 * GIB)

/* ---- ranges ---- */

static void append(GArray *ranges, uint64_t first, uint64_t last)
{
    if (first <= last) {
        g_array_append_val(ranges, ((PciRange){ first, last }));
    }
}

/* Leave of @ranges, which are in order, what is outside of @hole. */
static GArray *without(GArray *ranges, const PciRange *hole)
{
    GArray *left = g_array_new(false, false, sizeof(PciRange));

    for (guint i = 0; i < ranges->len; i++) {
        const PciRange *range = &g_array_index(ranges, PciRange, i);

        if (hole->last < range->first || hole->first > range->last) {
            g_array_append_val(left, *range);
            continue;
        }
        if (hole->first > range->first) {
            append(left, range->first, hole->first - 1);
        }
        if (hole->last < range->last) {
            append(left, hole->last + 1, range->last);
        }
    }
    g_array_unref(ranges);
    return left;
}

/* ---- windows of the machine ---- */

/* What RAM leaves below 4 GiB, but for memory-mapped configuration space. */
static void low_windows(GArray *memory, const X86Machine *x86)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    uint64_t first = x86->below_4g, last = PCI_HOLE_LAST;
    unsigned buses;
    hwaddr ecam;

    if (ops->ecam && ops->ecam(x86, &ecam, &buses)) {
        if (ecam > first) {
            append(memory, first, MIN(ecam - 1, last));
        }
        first = MAX(first, ecam + ((uint64_t)buses << 20));
    }
    append(memory, first, last);
}

/* Make @used reach over what @bus decodes from @first on, below @limit. */
static void add_high_in_use(PciRange *used, const PciBus *bus, uint64_t first, uint64_t limit)
{
    g_autoptr(GArray) ranges = pci_bus_ranges(bus, false);

    for (guint i = 0; i < ranges->len; i++) {
        const PciRange *range = &g_array_index(ranges, PciRange, i);

        if (range->first >= first && range->first < limit) {
            used->first = used->last ? MIN(used->first, range->first) : range->first;
            used->last = MAX(used->last, MIN(range->last, limit - 1));
        }
    }
}

/* From the lowest to the highest address, from @first on, that anything on the root buses decodes;
 * 0 to 0: nothing does. */
static PciRange high_in_use(const PciBus *root, uint64_t first, uint64_t limit)
{
    PciRange used = { 0, 0 };

    add_high_in_use(&used, root, first, limit);
    for (guint i = 0; i < root->extra_roots->len; i++) {
        add_high_in_use(&used, root->extra_roots->pdata[i], first, limit);
    }
    return used;
}

/* Where RAM, the window for memory devices and CXL have ended, in whole GiB. */
static uint64_t high_start(const X86Machine *x86)
{
    return (x86_memory_end(x86) + GIB - 1) & ~(GIB - 1);
}

/* Above RAM and the window for memory devices, as far as the CPU's addresses reach: of the size
 * that the host bridge has for it, from there, and from where a firmware has begun its own. */
static void high_window(GArray *memory, const X86Machine *x86, const PciBus *root)
{
    const Machine *machine = &x86->parent;
    uint64_t hole = x86->host && x86->host->hole64_fix ? x86->pci_hole64 : 0;
    uint64_t size = (hole + GIB - 1) & ~(GIB - 1);
    uint64_t limit = UINT64_C(1) << x86_cpu_model_phys_bits(&x86_cpu_at(machine, 0)->model);
    uint64_t first = high_start(x86);
    PciRange used = { 0, 0 };
    uint64_t end;

    if (first >= limit) {
        return;
    }
    used = root ? high_in_use(root, first, limit) : used;
    end = MAX(first, used.first) + MIN(size, limit);
    end = MIN(MAX(end, (used.last | (GIB - 1)) + 1), limit);
    if (first < end) {
        append(memory, first, end - 1);
    }
}

void acpi_pci_holes(PciHoles *holes)
{
    const X86Machine *x86 = X86_MACHINE(machine_current());
    g_autoptr(GArray) high = g_array_new(false, false, sizeof(PciRange));

    holes->start = x86->below_4g;
    holes->end = (uint64_t)PCI_HOLE_LAST + 1;
    holes->start64 = holes->end64 = high_start(x86);
    high_window(high, x86, x86->host->bus);
    if (high->len) {
        holes->start64 = g_array_index(high, PciRange, 0).first;
        holes->end64 = g_array_index(high, PciRange, 0).last + 1;
    }
}

/* All that PCI has: but for I/O, as there are ports below. */
static GArray *machine_windows(const X86Machine *x86, const PciBus *root, bool io)
{
    GArray *ranges = g_array_new(false, false, sizeof(PciRange));

    if (io) {
        append(ranges, 0, 0xcf7);
        append(ranges, 0xd00, 0xffff);
    } else {
        low_windows(ranges, x86);
        high_window(ranges, x86, root);
    }
    return ranges;
}

/* ---- an extra root's part ---- */

static bool decodes_nothing(const PciBus *bus)
{
    g_autoptr(GArray) io = pci_bus_ranges(bus, true), memory = pci_bus_ranges(bus, false);

    return !io->len && !memory->len;
}

/* Has nobody shared addresses out? What a machine without firmware places by itself does not count.
 */
static bool untouched(const X86Machine *x86, const PciBus *root)
{
    bool nothing = x86->set_up || decodes_nothing(root);

    for (guint i = 0; nothing && i < root->extra_roots->len; i++) {
        nothing = decodes_nothing(root->extra_roots->pdata[i]);
    }
    return nothing;
}

/* The part number @n of those of @size bytes from the end of @window, if there is as much and more.
 */
static void append_part(GArray *ranges, const PciRange *window, uint64_t size, guint n)
{
    uint64_t last = window->last - n * size;

    if ((window->last - window->first) / size > n) {
        append(ranges, last - (size - 1), last);
    }
}

static GArray *extra_windows(const X86Machine *x86, const PciBus *extra, bool io)
{
    const PciBus *root = pci_bus_root(extra);
    GArray *ranges = pci_bus_ranges(extra, io);
    g_autoptr(GArray) all = machine_windows(x86, root, io);
    guint n = 0;

    if (!untouched(x86, root)) {
        return ranges;
    }
    g_ptr_array_find(root->extra_roots, extra, &n);
    for (guint i = 0; i < all->len; i++) {
        const PciRange *window = &g_array_index(all, PciRange, i);
        bool last_low = i + 1 == all->len || window[1].first >= FOUR_GIB;

        if (window->first >= FOUR_GIB) {
            append_part(ranges, window, PART_HIGH, n);
        } else if (last_low) {
            append_part(ranges, window, io ? PART_IO : PART_MEMORY, n);
        }
    }
    return ranges;
}

static GArray *own_windows(const X86Machine *x86, const PciBus *root, bool io)
{
    GArray *ranges = machine_windows(x86, root, io);

    for (guint i = 0; root && i < root->extra_roots->len; i++) {
        g_autoptr(GArray) others = extra_windows(x86, root->extra_roots->pdata[i], io);

        for (guint n = 0; n < others->len; n++) {
            ranges = without(ranges, &g_array_index(others, PciRange, n));
        }
    }
    return ranges;
}

uint64_t acpi_pci_low_end(const X86Machine *x86)
{
    g_autoptr(GArray) ranges = own_windows(x86, x86->host ? x86->host->bus : NULL, false);
    uint64_t end = 0;

    for (guint i = 0; i < ranges->len; i++) {
        const PciRange *range = &g_array_index(ranges, PciRange, i);

        end = range->last < FOUR_GIB ? range->last + 1 : end;
    }
    return end;
}

/* ---- _CRS ---- */

/* The last number of a bus under @root. */
static unsigned last_bus(const X86Machine *x86, const PciBus *root)
{
    unsigned buses = 256, next = 256;
    hwaddr ecam;

    if (x86_machine_ops(&x86->parent)->ecam) {
        x86_machine_ops(&x86->parent)->ecam(x86, &ecam, &buses);
    }
    for (guint i = x86->host ? x86->host->bus->extra_roots->len : 0; i-- > 0;) {
        const PciBus *extra = x86->host->bus->extra_roots->pdata[i];

        next = extra->number > (root ? root->number : 0) ? extra->number : next;
    }
    return MAX(MIN(buses, next), (root ? root->number : 0) + 1u) - 1;
}

static void add_memory(Aml *crs, const GArray *ranges)
{
    for (guint i = 0; i < ranges->len; i++) {
        const PciRange *range = &g_array_index(ranges, PciRange, i);

        aml_add(crs, range->last < FOUR_GIB
                         ? aml_dword_range(AML_RANGE_MEMORY, false, range->first, range->last)
                         : aml_qword_range(AML_RANGE_MEMORY, false, range->first, range->last));
    }
}

static void add_io(Aml *crs, const GArray *ranges)
{
    for (guint i = 0; i < ranges->len; i++) {
        const PciRange *range = &g_array_index(ranges, PciRange, i);

        aml_add(crs, aml_word_range(AML_RANGE_IO, range->first, range->last));
    }
}

Aml *acpi_pci_crs(const X86Machine *x86, const PciBus *root)
{
    bool extra = root && root->expander;
    g_autoptr(GArray) io = extra ? extra_windows(x86, root, true) : own_windows(x86, root, true);
    g_autoptr(GArray) memory =
        extra ? extra_windows(x86, root, false) : own_windows(x86, root, false);
    Aml *crs = aml_list();

    aml_add(crs, aml_word_range(AML_RANGE_BUS, root ? root->number : 0, last_bus(x86, root)));
    if (!extra) {
        aml_add(crs, aml_io(0xcf8, 8));
    }
    add_io(crs, io);
    if (!extra) {
        aml_add(crs, aml_dword_range(AML_RANGE_MEMORY, true, 0xa0000, 0xbffff));
    }
    add_memory(crs, memory);
    return aml_name("_CRS", aml_resources(crs));
}

/* ---- devices ---- */

void acpi_pci_root_name(char name[ACPI_PCI_ROOT_NAME], const PciBus *root)
{
    g_snprintf(name, ACPI_PCI_ROOT_NAME, "PC%02X", root->number);
}

static Aml *extra_root(const X86Machine *x86, const PciBus *root)
{
    char name[ACPI_PCI_ROOT_NAME];
    Aml *pci;

    acpi_pci_root_name(name, root);
    pci = aml_device(
        name, aml_name("_UID", aml_int(root->number)), aml_name("_BBN", aml_int(root->number)),
        acpi_pci_crs(x86, root),
        aml_method("_PRT", 0, AML_NOT_SERIALIZED, aml_return(aml_name_ref("\\_SB.PCI0._PRT"))));
    if (pci_bus_is_below_cxl(root)) {
        aml_add(pci, aml_name("_HID", aml_string("ACPI0016")));
        aml_add(pci, aml_name("_CID", aml_package(aml_eisaid("PNP0A08"), aml_eisaid("PNP0A03"))));
        aml_add(pci, acpi_cxl_osc());
    } else if (pci_bus_is_express(root)) {
        aml_add(pci, aml_name("_HID", aml_eisaid("PNP0A08")));
        aml_add(pci, aml_name("_CID", aml_eisaid("PNP0A03")));
        aml_add(pci, acpi_pci_osc(x86->pci_hotplug));
    } else {
        aml_add(pci, aml_name("_HID", aml_eisaid("PNP0A03")));
    }
    if (pxb_node(root) != PXB_NO_NODE) {
        aml_add(pci, aml_name("_PXM", aml_int(pxb_node(root))));
    }
    return pci;
}

void acpi_build_pci_extra_roots(Aml *sb, const X86Machine *x86)
{
    for (guint i = 0; x86->host && i < x86->host->bus->extra_roots->len; i++) {
        aml_add(sb, extra_root(x86, x86->host->bus->extra_roots->pdata[i]));
    }
}
