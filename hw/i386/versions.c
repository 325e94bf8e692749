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

static const MachineDefault until_2_10[] = {
    { "pci-host", "x-pci-hole64-fix", "off" },
    { 0 },
};

/* ---- the versions ---- */

#define SINCE_6_2(number_, ...)          \
    {                                    \
        .number = (number_), __VA_ARGS__ \
    }
#define SINCE_5_1(number_, ...) SINCE_6_2(number_, .smp_prefers_sockets = true, __VA_ARGS__)
#define SINCE_2_8(number_, ...) SINCE_5_1(number_, .numa_mem = true, __VA_ARGS__)

static const MachineVersion versions[] = {
    SINCE_6_2("7.2"),
    SINCE_6_2("7.1", .defaults = until_7_1),
    SINCE_6_2("7.0", .defaults = until_7_0),
    SINCE_6_2("6.2"),
    SINCE_5_1("6.1"),
    SINCE_5_1("6.0", .defaults = until_6_0),
    SINCE_5_1("5.2", .defaults = until_5_2),
    SINCE_5_1("5.1", .defaults = until_5_1),
    SINCE_2_8("5.0"),
    SINCE_2_8("4.2", .defaults = until_4_2),
    SINCE_2_8("4.1"),
    SINCE_2_8("4.0.1", .only = "pc-q35"),
    SINCE_2_8("4.0"),
    SINCE_2_8("3.1", .defaults = until_3_1),
    SINCE_2_8("3.0"),
    SINCE_2_8("2.12"),
    SINCE_2_8("2.11"),
    SINCE_2_8("2.10", .defaults = until_2_10),
    SINCE_2_8("2.9"),
    SINCE_2_8("2.8"),
};

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
