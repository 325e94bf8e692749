/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-host.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "hw/intc/apic.h"

#define CONFIG_ENABLE  0x80000000u
#define CONFIG_PORT    0xcf8
#define ECAM_BUS_SHIFT 20 /* 1 MiB of addresses a bus, 4 KiB a function */

/* Offsets in the port region. */
enum {
    CONFIG_ADDRESS = 0,
    RESET_CONTROL = 1,
    CONFIG_DATA = 4,
    CONFIG_PORTS = 8,
};

enum {
    RESET_HARD = 1 << 1, /* a hard reset rather than a soft one: the same here */
    RESET_CPU = 1 << 2,  /* 0 to 1: reset */
};

/* ---- configuration mechanism #1 ---- */

static uint32_t all_ones(unsigned size)
{
    return UINT32_MAX >> (32 - 8 * size);
}

/* All bits of CONFIG_ADDRESS are kept. PCI says nothing of the lowest two, nor of reads of less
 * than the whole: here, as on QEMU's machines, whose guests rely on it, the former are part of the
 * register number, and the latter give the lowest bits. */
static unsigned config_register(const PciHost *host, hwaddr addr)
{
    return (host->config_address & 0xff) | (addr & 3);
}

static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    PciHost *host = opaque;
    uint32_t at = host->config_address;

    if (addr >= CONFIG_DATA) {
        return at & CONFIG_ENABLE ? pci_config_read(host->bus, at >> 16, at >> 8,
                                                    config_register(host, addr), size)
                                  : all_ones(size);
    }
    return addr == RESET_CONTROL && size == 1 ? host->reset_control : at & all_ones(size);
}

static void ports_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    PciHost *host = opaque;
    uint32_t at = host->config_address;

    if (addr >= CONFIG_DATA) {
        if (at & CONFIG_ENABLE) {
            pci_config_write(host->bus, at >> 16, at >> 8, config_register(host, addr), value,
                             size);
        }
    } else if (addr == CONFIG_ADDRESS && size == 4) {
        host->config_address = value;
    } else if (addr == RESET_CONTROL && size == 1) {
        bool reset = value & RESET_CPU && !(host->reset_control & RESET_CPU);

        host->reset_control = value & (RESET_HARD | RESET_CPU);
        if (reset) {
            runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
        }
    }
}

static const MemoryRegionOps ports_ops = { ports_read, ports_write, 1, 4 };

/* ---- ECAM ---- */

static uint64_t ecam_read(void *opaque, hwaddr addr, unsigned size)
{
    PciHost *host = opaque;

    return pci_config_read(host->bus, addr >> ECAM_BUS_SHIFT, addr >> 12,
                           addr & (PCIE_CONFIG_SIZE - 1), size);
}

static void ecam_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    PciHost *host = opaque;

    pci_config_write(host->bus, addr >> ECAM_BUS_SHIFT, addr >> 12, addr & (PCIE_CONFIG_SIZE - 1),
                     value, size);
}

static const MemoryRegionOps ecam_ops = { ecam_read, ecam_write, 1, 4 };

void pci_host_set_ecam(PciHost *host, bool enabled, hwaddr base, unsigned buses)
{
    memory_transaction_begin();
    memory_region_remove(&host->ecam);
    host->ecam.size = (uint64_t)buses << ECAM_BUS_SHIFT;
    host->ecam.enabled = enabled;
    memory_region_add_overlap(&host->bus->memory, base, &host->ecam, 1);
    memory_transaction_commit();
}

/* ---- PAM ---- */

PciHost *pci_host_of(const PciBus *root)
{
    return PCI_HOST(root->parent.parent.parent);
}

void pci_host_init_pam(PciHost *host, uint8_t *registers, MemoryRegion *memory, MemoryRegion *ram)
{
    host->pam_registers = registers;
    pam_init(&host->pam, ram, &host->bus->memory);
    device_map(&host->parent, memory, PAM_BASE, &host->pam.area, 1);
}

void pci_host_update_pam(PciHost *host)
{
    pam_update(&host->pam, host->pam_registers);
}

void pci_host_show_ram(PciHost *host)
{
    pam_show_ram(&host->pam, host->pam_registers);
}

/* ---- the device ---- */

static void host_reset(Device *dev)
{
    PciHost *host = PCI_HOST(dev);

    host->config_address = 0;
    host->reset_control = 0;
    memory_region_set_enabled(&host->ecam, false);
}

static const StateField host_fields[] = {
    STATE_UINT(PciHost, config_address),
    STATE_UINT(PciHost, reset_control),
    STATE_POINTER(PciHost, bus, &pci_bus_state),
    {},
};

static const StateTable host_state = { .name = "pci-host", .version = 1, .fields = host_fields };

static const DeviceClass host_device_ops = {
    .category = "bridge",
    .reset = host_reset,
    .state = &host_state,
};

/* What the machine says of the number that @prop is. */
static struct json_object *get_hole(Object *obj, const Property *prop, GError **errp)
{
    const PciHost *host = PCI_HOST(obj);
    PciHoles holes = { 0 };
    uint64_t value;

    if (host->holes) {
        host->holes(&holes);
    }
    memcpy(&value, (const char *)&holes + prop->default_int, sizeof(value));
    return json_object_new_uint64(value);
}

#define HOLE_PROPERTY(text, as, field, what)                                                      \
    {                                                                                             \
        .name = text, .kind = PROP_CUSTOM, .custom_type = as, .get = get_hole, .read_only = true, \
        .default_int = offsetof(PciHoles, field), .description = what                             \
    }

static const Property host_properties[] = {
    HOLE_PROPERTY("pci-hole-start", "uint32", start, "PCI memory below 4 GiB: its first byte"),
    HOLE_PROPERTY("pci-hole-end", "uint32", end, "and what is behind it"),
    HOLE_PROPERTY("pci-hole64-start", "uint64", start64, "PCI memory above all else"),
    HOLE_PROPERTY("pci-hole64-end", "uint64", end64, "and what is behind it"),
    { .name = "x-pci-hole64-fix",
      .kind = PROP_BOOL,
      .offset = offsetof(PciHost, hole64_fix),
      .has_default = true,
      .default_int = true,
      .description = "ACPI offers pci-hole64-size also if firmware uses nothing of it" },
    { 0 },
};

static const ObjectType host_type = {
    .name = TYPE_PCI_HOST,
    .parent = TYPE_DEVICE,
    .description = "PCI host: configuration accesses and the root bus",
    .instance_size = sizeof(PciHost),
    .abstract = true,
    .properties = host_properties,
    .ops = &host_device_ops,
};
OBJECT_TYPE_REGISTER(host_type)

bool pci_host_hole64(const char *type, uint64_t *size, GError **errp)
{
    g_autoptr(Object) model = object_new(type, errp);

    if (model) {
        *size = PCI_HOST(model)->hole64_size;
    }
    return model != NULL;
}

PciHost *pci_host_create(const char *type, const char *name, const char *bus_type,
                         const char *bus_name, MemoryRegion *memory, MemoryRegion *io)
{
    PciHost *host = PCI_HOST(device_new_onboard_named(type, name));
    g_autoptr(GError) err = NULL;

    host->bus = pci_bus_create(bus_type, bus_name, &host->parent.parent, NULL, &err);
    if (!host->bus) {
        g_error("PCI host: %s", err->message);
    }
    host->bus->deliver_msi = apic_deliver_msi;
    device_map(&host->parent, memory, 0, &host->bus->memory, PCI_HOST_PRIORITY);
    device_map(&host->parent, io, 0, &host->bus->io, PCI_HOST_PRIORITY);
    memory_region_init_io(&host->ports, &ports_ops, host, "pci-conf", CONFIG_PORTS);
    device_map(&host->parent, io, CONFIG_PORT, &host->ports, 0);
    memory_region_init_io(&host->ecam, &ecam_ops, host, "pcie-mmcfg", 1 << ECAM_BUS_SHIFT);
    memory_region_set_enabled(&host->ecam, false);
    device_map(&host->parent, &host->bus->memory, 0, &host->ecam, 1);
    device_realize(&host->parent, NULL);
    return host;
}
