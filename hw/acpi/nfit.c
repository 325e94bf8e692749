/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/nfit.h"

#include <string.h>

#include "hw/mem/nvdimm.h"

/* All numbers are little endian, as is the host. */
typedef struct NfitHead {
    uint16_t type, length;
} NfitHead;

/* 5.2.25.2 */
typedef struct __attribute__((packed)) NfitRange {
    NfitHead head;
    uint16_t index, flags;
    uint32_t reserved, node;
    uint8_t kind[16];
    uint64_t base, size, attributes;
} NfitRange;
G_STATIC_ASSERT(sizeof(NfitRange) == 56);

/* 5.2.25.3 */
typedef struct __attribute__((packed)) NfitMapping {
    NfitHead head;
    uint32_t handle;
    uint16_t physical_id, region_id, range, control;
    uint64_t size, offset, address;
    uint16_t interleave, ways, flags, reserved;
} NfitMapping;
G_STATIC_ASSERT(sizeof(NfitMapping) == 48);

/* 5.2.25.6 */
typedef struct __attribute__((packed)) NfitControl {
    NfitHead head;
    uint16_t index, vendor, device, revision, sub_vendor, sub_device, sub_revision;
    uint8_t valid_fields, location;
    uint16_t date, reserved;
    uint32_t serial;
    uint16_t interface, windows;
    uint64_t window_size, command, command_size, status, status_size;
    uint16_t flags;
    uint8_t reserved_end[6];
} NfitControl;
G_STATIC_ASSERT(sizeof(NfitControl) == 80);

/* 5.2.25.9 */
typedef struct __attribute__((packed)) NfitCapabilities {
    NfitHead head;
    uint8_t highest;
    uint8_t reserved[3];
    uint32_t capabilities, reserved_end;
} NfitCapabilities;
G_STATIC_ASSERT(sizeof(NfitCapabilities) == 16);

enum { NFIT_RANGE = 0, NFIT_MAPPING = 1, NFIT_CONTROL = 4, NFIT_CAPABILITIES = 7 };
enum { RANGE_ADDED_ONLINE = 1 << 0, RANGE_NODE_VALID = 1 << 1 };
enum { MAPPING_NOT_ARMED = 1 << 3 };
#define MEMORY_WB_NV       0x8008 /* UEFI: EFI_MEMORY_WB, EFI_MEMORY_NV */
#define INTERFACE_BYTES    0x0301 /* byte addressable, no energy backed */
#define VENDOR             0x8086 /* its interface for labels is the one that is used */
#define SERIAL_FIRST       0x123456
#define HIGHEST_CAPABILITY 2

/* Byte addressable persistent memory: 66f0d379-b4f3-4074-ac43-0d3318b78cdb. */
static const uint8_t persistent_memory[16] = { 0x79, 0xd3, 0xf0, 0x66, 0xf3, 0xb4, 0x74, 0x40,
                                               0xac, 0x43, 0x0d, 0x33, 0x18, 0xb7, 0x8c, 0xdb };

static void append_nvdimm(GByteArray *out, const Nvdimm *nv)
{
    const PcDimm *dimm = &nv->parent;
    uint16_t range = (uint16_t)(2 * (dimm->slot + 1)), control = range + 1;
    NfitRange spa = { .head = { NFIT_RANGE, sizeof(spa) },
                      .index = range,
                      .flags = RANGE_ADDED_ONLINE | RANGE_NODE_VALID,
                      .node = dimm->node,
                      .base = dimm->addr,
                      .size = pc_dimm_size(dimm),
                      .attributes = MEMORY_WB_NV };
    NfitMapping mapping = { .head = { NFIT_MAPPING, sizeof(mapping) },
                            .handle = nfit_handle((uint32_t)dimm->slot),
                            .range = range,
                            .control = control,
                            .size = pc_dimm_size(dimm),
                            .ways = 1,
                            .flags = nv->unarmed ? MAPPING_NOT_ARMED : 0 };
    NfitControl region = { .head = { NFIT_CONTROL, sizeof(region) },
                           .index = control,
                           .vendor = VENDOR,
                           .device = 1,
                           .revision = 1,
                           .serial = SERIAL_FIRST + (uint32_t)dimm->slot,
                           .interface = INTERFACE_BYTES };

    memcpy(spa.kind, persistent_memory, sizeof(persistent_memory));
    g_byte_array_append(out, (void *)&spa, sizeof(spa));
    g_byte_array_append(out, (void *)&mapping, sizeof(mapping));
    g_byte_array_append(out, (void *)&region, sizeof(region));
}

GByteArray *nfit_structures(const Machine *machine, uint32_t capabilities)
{
    const GArray *devices = memory_devices(machine);
    GByteArray *out = g_byte_array_new();
    NfitCapabilities platform = { .head = { NFIT_CAPABILITIES, sizeof(platform) },
                                  .highest = HIGHEST_CAPABILITY,
                                  .capabilities = capabilities };

    for (unsigned i = 0; i < devices->len; i++) {
        Device *dev = memory_device_at(devices, i)->dev;

        if (object_is_a(OBJECT(dev), TYPE_NVDIMM)) {
            append_nvdimm(out, NVDIMM(dev));
        }
    }
    if (out->len && capabilities) {
        g_byte_array_append(out, (void *)&platform, sizeof(platform));
    }
    return out;
}
