/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions: their place on a bus, their configuration space and base address registers. */
#include "hw/pci/pci.h"

#include <string.h>

#include "hw/core/failover.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/pci-iommu.h"
#include "hw/pci/pci-msix.h"
#include "hw/pci/pci-rom.h"
#include "util/error.h"

/* ---- for a type's init ---- */

void pci_set_registers(PciDevice *dev, const PciRegister *regs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        for (unsigned byte = 0; byte < regs[i].size; byte++) {
            unsigned at = (regs[i].offset + byte) % PCIE_CONFIG_SIZE;

            dev->config[at] = regs[i].value >> (8 * byte);
            dev->wmask[at] = regs[i].wmask >> (8 * byte);
            dev->w1cmask[at] = regs[i].w1cmask >> (8 * byte);
        }
    }
}

void pci_add_bar(PciDevice *dev, unsigned n, uint8_t flags, MemoryRegion *region)
{
    bool io = flags & PCI_BAR_IO, wide = flags & PCI_BAR_MEM64;
    uint64_t mask = ~(region->size - 1);
    unsigned at = PCI_BASE_ADDRESS_0 + 4 * n;

    g_assert(n + wide < PCI_BARS && !(region->size & (region->size - 1)));
    g_assert(region->size >= (io ? 4 : 16) && (wide || region->size <= 1u << 31));
    dev->bars[n] = (PciBar){ region, flags };
    pci_set_registers(dev, &(PciRegister){ at, 4, flags, (uint32_t)mask }, 1);
    if (wide) {
        pci_set_registers(dev, &(PciRegister){ at + 4, 4, 0, (uint32_t)(mask >> 32) }, 1);
    }
}

/* Of the address of region @n. */
static unsigned register_of(const PciDevice *dev, unsigned n)
{
    bool bridge = (dev->config[PCI_HEADER_TYPE] & PCI_HEADER_LAYOUT) == PCI_HEADER_BRIDGE;
    unsigned rom = bridge ? PCI_ROM_ADDRESS_BRIDGE : PCI_ROM_ADDRESS;

    return n == PCI_ROM ? rom : PCI_BASE_ADDRESS_0 + 4 * n;
}

void pci_add_rom_bar(PciDevice *dev, MemoryRegion *region)
{
    uint32_t mask = ~(uint32_t)(region->size - 1) | PCI_ROM_ADDRESS_ENABLE;

    g_assert(!(region->size & (region->size - 1)) && region->size >= 1u << 11);
    dev->bars[PCI_ROM].region = region;
    pci_set_registers(dev, &(PciRegister){ register_of(dev, PCI_ROM), 4, 0, mask }, 1);
}

uint16_t pci_get_word(const PciDevice *dev, unsigned offset)
{
    return dev->config[offset] | dev->config[offset + 1] << 8;
}

uint32_t pci_get_long(const PciDevice *dev, unsigned offset)
{
    return pci_get_word(dev, offset) | (uint32_t)pci_get_word(dev, offset + 2) << 16;
}

void pci_set_word(PciDevice *dev, unsigned offset, uint16_t value)
{
    dev->config[offset] = value;
    dev->config[offset + 1] = value >> 8;
}

void pci_set_long(PciDevice *dev, unsigned offset, uint32_t value)
{
    pci_set_word(dev, offset, value);
    pci_set_word(dev, offset + 2, value >> 16);
}

/* ---- base address registers ---- */

bool pci_bar_address(const PciDevice *dev, unsigned n, uint64_t *addr)
{
    const PciBar *bar = &dev->bars[n];
    unsigned at = register_of(dev, n);
    bool io = bar->flags & PCI_BAR_IO;
    uint64_t base = pci_get_long(dev, at);
    bool on = n != PCI_ROM || base & PCI_ROM_ADDRESS_ENABLE;

    if (bar->flags & PCI_BAR_MEM64) {
        base |= (uint64_t)pci_get_long(dev, at + 4) << 32;
    }
    *addr = base & ~(uint64_t)(io ? 3 : 15);
    return on && pci_get_word(dev, PCI_COMMAND) & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY);
}

/* Make the bus's regions show what the registers say. */
static void update_bars(PciDevice *dev)
{
    memory_transaction_begin();
    for (unsigned n = 0; n < PCI_REGIONS; n++) {
        PciBar *bar = &dev->bars[n];

        if (bar->region) {
            uint64_t addr;
            bool on = pci_bar_address(dev, n, &addr);

            memory_region_set_address(bar->region, addr);
            memory_region_set_enabled(bar->region, on);
        }
    }
    memory_transaction_commit();
}

static void attach_bars(PciDevice *dev)
{
    PciBus *bus = pci_bus_of(dev);

    memory_transaction_begin();
    for (unsigned n = 0; n < PCI_REGIONS; n++) {
        PciBar *bar = &dev->bars[n];

        if (bar->region) {
            memory_region_set_enabled(bar->region, false);
            memory_region_add(bar->flags & PCI_BAR_IO ? &bus->io : &bus->memory, 0, bar->region);
        }
    }
    memory_transaction_commit();
}

static uint8_t present_bars(const PciDevice *dev)
{
    uint8_t present = 0;

    for (unsigned n = 0; n < PCI_REGIONS; n++) {
        present |= (dev->bars[n].region != NULL) << n;
    }
    return present;
}

/* Those that realize added. */
static void drop_bars(PciDevice *dev)
{
    for (unsigned n = 0; n < PCI_REGIONS; n++) {
        PciBar *bar = &dev->bars[n];

        if (bar->region && !(dev->own_bars & 1 << n)) {
            unsigned size = bar->flags & PCI_BAR_MEM64 ? 8 : 4;

            memset(dev->config + register_of(dev, n), 0, size);
            memset(dev->wmask + register_of(dev, n), 0, size);
            *bar = (PciBar){ 0 };
        }
    }
}

static void detach_bars(PciDevice *dev)
{
    memory_transaction_begin();
    for (unsigned n = 0; n < PCI_REGIONS; n++) {
        if (dev->bars[n].region) {
            memory_region_remove(dev->bars[n].region);
        }
    }
    memory_transaction_commit();
}

/* ---- configuration accesses ---- */

static unsigned config_size(const PciDevice *dev)
{
    return dev->express_cap ? PCIE_CONFIG_SIZE : PCI_CONFIG_SIZE;
}

uint32_t pci_device_read(PciDevice *dev, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    if (dev && pci_function_class(dev)->config_reading) {
        pci_function_class(dev)->config_reading(dev, offset, size);
    }
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        uint8_t byte = dev && at < config_size(dev) ? dev->config[at] : 0xff;

        value |= (uint32_t)byte << (8 * i);
    }
    return value;
}

void pci_device_write(PciDevice *dev, unsigned offset, uint32_t value, unsigned size)
{
    if (!dev || offset + size > config_size(dev)) {
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        unsigned at = offset + i;
        uint8_t byte = value >> (8 * i), mask = dev->wmask[at];

        dev->config[at] = (dev->config[at] & ~mask) | (byte & mask);
        dev->config[at] &= ~(byte & dev->w1cmask[at]);
    }
    if (pci_express_asks_reset(dev, offset, size)) {
        pci_device_reset(&dev->parent);
        return;
    }
    if (pci_touches(offset, size, PCI_COMMAND, 2) ||
        pci_touches(offset, size, PCI_BASE_ADDRESS_0, 4 * PCI_BARS) ||
        pci_touches(offset, size, register_of(dev, PCI_ROM), 4)) {
        update_bars(dev);
        pci_update_irq(dev);
    }
    pci_msi_written(dev, offset, size);
    pci_msix_written(dev, offset, size);
    if (pci_function_class(dev)->config_written) {
        pci_function_class(dev)->config_written(dev, offset, size);
    }
}

/* ---- devices ---- */

/* What realize added, but for its own parts. */
static void drop_added(PciDevice *dev)
{
    drop_bars(dev);
    pci_drop_capabilities(dev, dev->own_caps);
    pci_rom_drop(dev);
}

/* The other one that @dev has its acpi-index from is the result. */
static bool has_other_index(Device *device, void *opaque)
{
    const PciDevice *dev = opaque;

    return !object_is_a(OBJECT(device), TYPE_PCI_DEVICE) || PCI_DEVICE(device) == dev ||
           PCI_DEVICE(device)->acpi_index != dev->acpi_index;
}

/* Numbers of devices are each of one device. Linux takes larger ones for those of chance. */
static bool check_acpi_index(PciDevice *dev, GError **errp)
{
    if (dev->acpi_index > PCI_ACPI_INDEX_MAX) {
        error_set(errp, "acpi-index=%u is not right: it must be a number from 1 to %u, or 0: none",
                  dev->acpi_index, PCI_ACPI_INDEX_MAX);
        return false;
    }
    if (dev->acpi_index && !devices_foreach(has_other_index, dev)) {
        error_set(errp, "acpi-index=%u is another PCI device's already: choose another number",
                  dev->acpi_index);
        return false;
    }
    return true;
}

bool pci_device_realize(Device *device, GError **errp)
{
    PciDevice *dev = PCI_DEVICE(device);
    const PciFunctionClass *ops = pci_function_class(dev);

    if (dev->multifunction) {
        dev->config[PCI_HEADER_TYPE] |= PCI_HEADER_MULTIFUNCTION;
    }
    dev->multifunction = dev->config[PCI_HEADER_TYPE] & PCI_HEADER_MULTIFUNCTION;
    dev->own_caps = dev->cap_end;
    dev->own_bars = present_bars(dev);
    pci_iommu_attach(dev);
    if (!check_acpi_index(dev, errp) || !pci_rom_add(dev, errp) ||
        (ops->realize && !ops->realize(dev, errp))) {
        drop_added(dev);
        return false;
    }
    pci_rom_set_id(dev);
    attach_bars(dev);
    memcpy(dev->initial, dev->config, sizeof(dev->initial));
    return true;
}

void pci_device_unrealize(Device *device)
{
    PciDevice *dev = PCI_DEVICE(device);

    pci_set_irq(dev, 0);
    detach_bars(dev);
    if (pci_function_class(dev)->unrealize) {
        pci_function_class(dev)->unrealize(dev);
    }
    memcpy(dev->config, dev->initial, sizeof(dev->config));
    drop_added(dev);
}

/* Its registers, and then @own of what they do not hold. */
static void reset_function(PciDevice *dev, void (*own)(PciDevice *dev))
{
    pci_set_irq(dev, 0);
    memcpy(dev->config, dev->initial, sizeof(dev->config));
    update_bars(dev);
    pci_msix_reset(dev);
    if (own) {
        own(dev);
    }
}

void pci_device_reset(Device *device)
{
    PciDevice *dev = PCI_DEVICE(device);

    reset_function(dev, pci_function_class(dev)->reset);
}

void pci_device_wake(Device *device)
{
    PciDevice *dev = PCI_DEVICE(device);

    reset_function(dev, pci_function_class(dev)->wake);
}

PciDevice *pci_create(PciBus *bus, uint8_t devfn, const char *type)
{
    PciDevice *dev = PCI_DEVICE(device_new_onboard(type));
    g_autoptr(GError) err = NULL;

    dev->parent.bus = &bus->parent;
    dev->addr = devfn;
    if (!device_realize(&dev->parent, &err)) {
        g_error("on-board device: %s", err->message);
    }
    return dev;
}

/* ---- properties ---- */

/* "SLOT[.FUNCTION]" in hexadecimal digits, each part perhaps with 0x before it; -1 if it is not. */
static int parse_addr(const char *text)
{
    char *end;
    guint64 slot, func = 0;

    if (!g_ascii_isxdigit(text[0])) {
        return -1;
    }
    slot = g_ascii_strtoull(text, &end, 16);
    if (end[0] == '.' && g_ascii_isxdigit(end[1])) {
        func = g_ascii_strtoull(end + 1, &end, 16);
    }
    return *end || slot > 31 || func > 7 ? -1 : (int)PCI_DEVFN(slot, func);
}

static bool set_addr(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    PciDevice *dev = PCI_DEVICE(obj);
    bool text = json_object_is_type(value, json_type_string);
    int64_t addr = text ? parse_addr(json_object_get_string(value)) : json_object_get_int64(value);

    if ((!text && !json_object_is_type(value, json_type_int)) || addr < (text ? 0 : -1) ||
        addr >= PCI_DEVFN_MAX) {
        error_set(errp,
                  "'addr' is %s: it must be a slot from 0 to 1f, perhaps with a function from 0 to "
                  "7 behind it, in hexadecimal, such as \"03\" or \"1f.2\"",
                  json_object_to_json_string(value));
        return false;
    }
    dev->addr = (int32_t)addr;
    return true;
}

static struct json_object *get_addr(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_int(PCI_DEVICE(obj)->addr);
}

static struct json_object *get_legacy_addr(Object *obj, const Property *prop, GError **errp)
{
    const PciDevice *dev = PCI_DEVICE(obj);
    g_autofree char *text = g_strdup_printf("%02x.%x", PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));

    return json_object_new_string(text);
}

/* hw/core/failover.c has it, from before the device is made. */
static struct json_object *get_pair(Object *obj, const Property *prop, GError **errp)
{
    const char *pair = failover_pair_of(DEVICE(obj));

    return json_object_new_string(pair ? pair : "");
}

static bool set_pair(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    if (!json_object_is_type(value, json_type_string)) {
        error_set(errp, "'failover_pair_id' must be the id of a virtio-net with failover=on");
        return false;
    }
    return true;
}

static struct json_object *get_parent_bus(Object *obj, const Property *prop, GError **errp)
{
    const PciDevice *dev = PCI_DEVICE(obj);
    g_autofree char *path = dev->parent.bus ? object_path(&dev->parent.bus->parent) : NULL;

    return json_object_new_string(path ? path : "");
}

static const Property pci_device_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(PciDevice, parent.bus_name),
      .description = "name of the bus to plug it into" },
    { .name = "addr",
      .kind = PROP_CUSTOM,
      .custom_type = "int32",
      .text_only = true, /* "10" is slot 0x10, while the number 10 is slot 1, function 2 */
      .description = "Slot and optional function number, example: 06.0 or 06",
      .has_default = true,
      .default_int = -1,
      .get = get_addr,
      .set = set_addr },
    { .name = "multifunction",
      .kind = PROP_BOOL,
      .offset = offsetof(PciDevice, multifunction),
      .description = "more functions of the slot may follow function 0",
      .has_default = true },
    { .name = "romfile",
      .kind = PROP_STRING,
      .offset = offsetof(PciDevice, rom_file),
      .description = "file with its expansion ROM: code for firmware, such as to boot by it" },
    { .name = "rombar",
      .kind = PROP_UINT32,
      .offset = offsetof(PciDevice, rom_bar),
      .description = "0: it has no expansion ROM, whatever romfile is",
      .has_default = true,
      .default_int = 1 },
    { .name = "romsize",
      .kind = PROP_UINT32,
      .offset = offsetof(PciDevice, rom_size),
      .description = "bytes of that ROM; 4294967295: as many as the file needs",
      .has_default = true,
      .default_int = PROP_UNSET },
    { .name = "failover_pair_id",
      .kind = PROP_CUSTOM,
      .custom_type = "str",
      .description = "id of a virtio-net with failover=on, which is used where this card is not",
      .get = get_pair,
      .set = set_pair },
    { .name = "acpi-index",
      .kind = PROP_UINT32,
      .offset = offsetof(PciDevice, acpi_index),
      .description = "number by which ACPI names it: Linux calls network card 5 eno5; 0: none",
      .has_default = true },
    { .name = "legacy-addr",
      .kind = PROP_CUSTOM,
      .custom_type = "str",
      .description = "slot and function, as \"01.3\"",
      .read_only = true,
      .get = get_legacy_addr },
    { .name = "parent_bus",
      .kind = PROP_CUSTOM,
      .custom_type = "link<bus>",
      .description = "path of the bus it is on",
      .read_only = true,
      .get = get_parent_bus },
    { 0 },
};

static void pci_device_init(Object *obj)
{
    PciDevice *dev = PCI_DEVICE(obj);

    dev->addr = -1;
    dev->cap_end = PCI_FIRST_CAPABILITY;
    dev->dma = (DmaSpace){ .as = &address_space_memory, .iommu = &dev->iommu };
}

static void pci_device_finalize(Object *obj)
{
    PciDevice *dev = PCI_DEVICE(obj);

    if (dev->msix_cap) { /* which init added */
        pci_drop_msix(dev);
    }
}

/* ---- state ---- */

/* The bytes that no one ever changes must be the same. */
static bool pci_device_loaded(void *obj, GError **errp)
{
    static const uint8_t fixed[] = { PCI_VENDOR_ID, PCI_DEVICE_ID, PCI_REVISION_ID,
                                     PCI_CLASS_DEVICE, PCI_HEADER_TYPE };
    PciDevice *dev = obj;

    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        if (pci_get_word(dev, fixed[i]) !=
            (dev->initial[fixed[i]] | dev->initial[fixed[i] + 1] << 8)) {
            error_set(errp, "the function at %02x.%x is another one here (register 0x%02x)",
                      PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn), fixed[i]);
            return false;
        }
    }
    update_bars(dev);
    pci_msix_update(dev);
    if (pci_function_class(dev)->loaded) {
        pci_function_class(dev)->loaded(dev);
    } else if (pci_function_class(dev)->reset) {
        pci_function_class(dev)->reset(dev); /* what the registers lead to */
    }
    return true;
}

static void save_signals(void *obj)
{
    pci_msix_save(obj);
}

static const StateField pci_device_fields[] = {
    STATE_UINTS(PciDevice, config),
    STATE_BOOL(PciDevice, irq_raised),
    STATE_BOOL(PciDevice, irq_sent),
    STATE_ARRAY_SINCE(PciDevice, msix, msix_vectors, &pci_msix_vector_state, 2),
    {},
};
const StateTable pci_device_state = { .name = "pci-device",
                                      .version = 2,
                                      .oldest = 1,
                                      .fields = pci_device_fields,
                                      .pre_save = save_signals,
                                      .post_load = pci_device_loaded };

static const PciFunctionClass pci_device_base_ops = {
    .device = { PCI_DEVICE_CLASS_BASE, .category = "bridge" },
};

static const ObjectType pci_device_type = {
    .name = TYPE_PCI_DEVICE,
    .parent = TYPE_DEVICE,
    .description = "A function on the PCI bus",
    .instance_size = sizeof(PciDevice),
    .abstract = true,
    .properties = pci_device_properties,
    .ops = &pci_device_base_ops,
    .init = pci_device_init,
    .finalize = pci_device_finalize,
};
OBJECT_TYPE_REGISTER(pci_device_type)
