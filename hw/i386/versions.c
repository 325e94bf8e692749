/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/versions.h"

#include <string.h>

/* ---- what each did otherwise than the next newer ---- */

#define EACH_PCI_TYPE(name, prop, text)                                    \
    { name "-pci", prop, text }, { name "-pci-transitional", prop, text }, \
    {                                                                      \
        name "-pci-non-transitional", prop, text                           \
    }

static const MachineDefault until_7_1[] = {
    { "virtio-device", "queue_reset", "off" },
    EACH_PCI_TYPE("virtio-rng", "vectors", "0"),
    { 0 },
};
static const MachineDefault until_7_0[] = {
    { "x86-machine", "x-amd-hole", "off" },
    { 0 },
};
static const MachineDefault until_6_0[] = {
    { "ICH9-LPC", "acpi-pci-hotplug-with-bridge-support", "off" },
    { "qemu64-x86_64-cpu", "family", "6" },
    { "qemu64-x86_64-cpu", "model", "6" },
    { "qemu64-x86_64-cpu", "stepping", "3" },
    { 0 },
};
static const MachineDefault until_5_2[] = {
    EACH_PCI_TYPE("virtio-net", "vectors", "3"),
    { 0 },
};
static const MachineDefault until_5_1[] = {
    { "pvpanic", "events", "1" },
    { "virtio-blk-device", "num-queues", "1" },
    { "virtio-scsi-device", "num_queues", "1" },
    { 0 },
};
static const MachineDefault until_5_0[] = {
    { "vmport", "x-read-set-eax", "off" },
    { "vmport", "x-signal-unsupported-cmd", "off" },
    { "vmport", "x-report-vmx-type", "off" },
    { "vmport", "x-cmds-v2", "off" },
    { 0 },
};
static const MachineDefault until_4_2[] = {
    { "virtio-blk-device", "queue-size", "128" },
    { "virtio-scsi-device", "virtqueue_size", "128" },
    { 0 },
};
static const MachineDefault until_3_1[] = {
    { "virtio-blk-device", "discard", "off" },
    { "virtio-blk-device", "write-zeroes", "off" },
    { 0 },
};
static const MachineDefault until_2_12[] = {
    { "EPYC-x86_64-cpu", "xlevel", "0x8000000a" },
    { "EPYC-IBPB-x86_64-cpu", "xlevel", "0x8000000a" },
    { 0 },
};

static const MachineDefault until_2_10[] = {
    { "pci-host", "x-pci-hole64-fix", "off" },
    { 0 },
};

static const MachineDefault until_2_7[] = {
    { "x86_64-cpu", "l3-cache", "off" },
    { "x86_64-cpu", "full-cpuid-auto-level", "off" },
    { "virtio-pci", "page-per-vq", "on" },
    { 0 },
};
/* Those of both interfaces had the legacy one alone. */
#define LEGACY_ALONE(name)            \
    { name, "disable-modern", "on" }, \
    {                                 \
        name, "disable-legacy", "off" \
    }
static const MachineDefault until_2_6[] = {
    LEGACY_ALONE("vhost-scsi-pci"),
    LEGACY_ALONE("vhost-user-blk-pci"),
    LEGACY_ALONE("virtio-9p-pci"),
    LEGACY_ALONE("virtio-balloon-pci"),
    LEGACY_ALONE("virtio-blk-pci"),
    LEGACY_ALONE("virtio-net-pci"),
    LEGACY_ALONE("virtio-rng-pci"),
    LEGACY_ALONE("virtio-scsi-pci"),
    LEGACY_ALONE("virtio-serial-pci"),
    { "virtio-blk-device", "any_layout", "off" },
    { 0 },
};
/* What guests read as the version of the hardware; a SCSI disk's has four characters. */
#define HARDWARE(version, four)                                                               \
    { "qemu64-x86_64-cpu", "model-id", "QEMU Virtual CPU version " version },                 \
        { "qemu32-x86_64-cpu", "model-id", "QEMU Virtual CPU version " version },             \
        { "athlon-x86_64-cpu", "model-id", "QEMU Virtual CPU version " version },             \
        { "scsi-hd", "ver", four }, { "scsi-cd", "ver", four }, { "ide-hd", "ver", version }, \
    {                                                                                         \
        "ide-cd", "ver", version                                                              \
    }
static const MachineDefault until_2_4[] = {
    { "qemu64-x86_64-cpu", "abm", "on" },
    { "qemu64-x86_64-cpu", "popcnt", "on" },
    { "qemu64-x86_64-cpu", "sse4a", "on" },
    { "x86_64-cpu", "check", "off" },
    HARDWARE("2.4.0", "2.4."),
    { 0 },
};
static const MachineDefault until_2_3[] = {
    { "qemu64-x86_64-cpu", "min-level", "4" },
    { "pentium3-x86_64-cpu", "min-level", "2" },
    { "n270-x86_64-cpu", "min-level", "5" },
    { "kvm64-x86_64-cpu", "min-level", "5" },
    { "Penryn-x86_64-cpu", "min-level", "4" },
    { "Nehalem-x86_64-cpu", "min-level", "4" },
    { "Conroe-x86_64-cpu", "min-level", "4" },
    { "n270-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Westmere-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "SandyBridge-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Penryn-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Nehalem-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "IvyBridge-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Haswell-noTSX-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Haswell-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Conroe-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Broadwell-noTSX-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "Broadwell-x86_64-cpu", "min-xlevel", "0x8000000a" },
    { "virtio-9p-device", "any_layout", "off" },
    { "virtio-balloon-device", "any_layout", "off" },
    { "virtio-rng-device", "any_layout", "off" },
    { "virtio-serial-device", "any_layout", "off" },
    HARDWARE("2.3.0", "2.3."),
    { 0 },
};
static const MachineDefault until_2_2[] = {
    HARDWARE("2.2.0", "2.2."),
    { 0 },
};
static const MachineDefault until_2_1[] = {
    { "VGA", "qemu-extended-regs", "off" },
    { "virtio-scsi-device", "any_layout", "off" },
    HARDWARE("2.1.0", "2.1."),
    { 0 },
};
static const MachineDefault until_2_0[] = {
    { "virtio-net-device", "guest_announce", "off" },
    HARDWARE("2.0.0", "2.0."),
    { 0 },
};
static const MachineDefault until_1_7[] = {
    { "PIIX4_PM", "acpi-pci-hotplug-with-bridge-support", "off" },
    HARDWARE("1.7.0", "1.7."),
    { 0 },
};
static const MachineDefault until_1_6[] = {
    { "e1000", "mitigation", "off" },
    { "qemu64-x86_64-cpu", "model", "2" },
    HARDWARE("1.6.0", "1.6."),
    { 0 },
};
static const MachineDefault until_1_5[] = {
    { "Conroe-x86_64-cpu", "min-level", "2" },
    { "Nehalem-x86_64-cpu", "min-level", "2" },
    { "Penryn-x86_64-cpu", "min-level", "2" },
    { "virtio-net-device", "any_layout", "off" },
    HARDWARE("1.5.0", "1.5."),
    { 0 },
};
static const MachineDefault until_1_4[] = {
    { "virtio-net-device", "ctrl_guest_offloads", "off" },
    { "virtio-serial-pci", "vectors", "32" },
    HARDWARE("1.4.0", "1.4."),
    { 0 },
};

/* ---- the versions ---- */

#define SINCE_6_2(number_, ...)          \
    {                                    \
        .number = (number_), __VA_ARGS__ \
    }
#define SINCE_5_1(number_, ...) SINCE_6_2(number_, .smp_prefers_sockets = true, __VA_ARGS__)
#define SINCE_2_8(number_, ...) SINCE_5_1(number_, .numa_mem = true, __VA_ARGS__)

#define OF_PC(number_, defaults_) SINCE_2_8(number_, .only = "pc-i440fx", .defaults = defaults_)

static const MachineVersion versions[] = {
    SINCE_6_2("7.2"),
    SINCE_6_2("7.1", .defaults = until_7_1),
    SINCE_6_2("7.0", .defaults = until_7_0),
    SINCE_6_2("6.2"),
    SINCE_5_1("6.1"),
    SINCE_5_1("6.0", .defaults = until_6_0),
    SINCE_5_1("5.2", .defaults = until_5_2),
    SINCE_5_1("5.1", .defaults = until_5_1),
    SINCE_2_8("5.0", .defaults = until_5_0),
    SINCE_2_8("4.2", .defaults = until_4_2),
    SINCE_2_8("4.1"),
    SINCE_2_8("4.0.1", .only = "pc-q35"),
    SINCE_2_8("4.0"),
    SINCE_2_8("3.1", .defaults = until_3_1),
    SINCE_2_8("3.0"),
    SINCE_2_8("2.12", .defaults = until_2_12),
    SINCE_2_8("2.11"),
    SINCE_2_8("2.10", .defaults = until_2_10),
    SINCE_2_8("2.9"),
    SINCE_2_8("2.8"),
    SINCE_2_8("2.7", .defaults = until_2_7),
    SINCE_2_8("2.6", .defaults = until_2_6),
    SINCE_2_8("2.5"),
    SINCE_2_8("2.4", .defaults = until_2_4),
    OF_PC("2.3", until_2_3),
    OF_PC("2.2", until_2_2),
    OF_PC("2.1", until_2_1),
    OF_PC("2.0", until_2_0),
    OF_PC("1.7", until_1_7),
    OF_PC("1.6", until_1_6),
    OF_PC("1.5", until_1_5),
    OF_PC("1.4", until_1_4),
};

/* Since which version there may be more CPUs than these. */
#define MANY_CPUS_SINCE "2.8"
#define FEW_CPUS        255

static bool has_few_cpus(const MachineVersion *version)
{
    const MachineVersion *since = versions;

    while (strcmp(since->number, MANY_CPUS_SINCE) != 0) {
        since++;
    }
    return version > since;
}

/* The tables that are made here live as long as the program. */
static void register_version(const ObjectType *board, const MachineVersion *version)
{
    X86MachineOps *ops = g_memdup2(board->ops, sizeof(*ops));
    ObjectType *type = g_memdup2(board, sizeof(*type));
    bool newest = version == versions;

    ops->machine.name = g_strdup_printf("%s-%s", ops->machine.name, version->number);
    ops->machine.alias = newest ? ops->machine.alias : NULL;
    ops->machine.is_default = newest && ops->machine.is_default;
    ops->machine.versions = versions;
    ops->machine.version = version;
    if (has_few_cpus(version)) {
        ops->machine.max_cpus = MIN(ops->machine.max_cpus, FEW_CPUS);
    }

    type->name = g_strconcat(ops->machine.name, "-machine", NULL);
    type->parent = board->name;
    type->abstract = false;
    type->ops = ops;
    object_type_register(type);
}

void x86_versions_register(const ObjectType *board)
{
    const MachineOps *ops = board->ops;

    for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
        if (!versions[i].only || strcmp(versions[i].only, ops->name) == 0) {
            register_version(board, &versions[i]);
        }
    }
}
