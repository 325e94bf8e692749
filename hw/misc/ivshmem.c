/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/misc/ivshmem.h"

#include <inttypes.h>

#include "hw/core/save-check.h"
#include "util/error.h"

enum { REGISTERS_SIZE = 256 };
enum { MASK = 0, STATUS = 4, POSITION = 8 };

enum { MASTER_AUTO, MASTER_ON, MASTER_OFF };
static const char *const master_values[] = { "auto", "on", "off", NULL };

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    Ivshmem *s = opaque;
    uint32_t value = 0;

    if (addr == MASK) {
        value = s->mask;
    } else if (addr == STATUS) {
        value = s->status;
        s->status = 0;
    } else if (addr == POSITION) {
        value = s->position;
    }
    return value;
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ivshmem *s = opaque;

    if (addr == MASK) {
        s->mask = (uint32_t)value;
    } else if (addr == STATUS) {
        s->status = (uint32_t)value;
    } else if (addr == IVSHMEM_RING && s->ring) {
        s->ring(s, (unsigned)value >> 16, value & 0xffff);
    }
}

static const MemoryRegionOps registers_ops = { registers_read, registers_write, 4, 4 };

/* The others' memory cannot be taken along. */
static bool check_save(void *opaque, GError **errp)
{
    const Ivshmem *s = opaque;
    g_autofree char *name = NULL;

    if (s->master != MASTER_OFF) {
        return true;
    }
    name = device_describe(&s->parent.parent);
    error_set(errp,
              "%s shares memory that is not this machine's to save; unplug it before, or give it "
              "master=on, if nobody else brings the contents to where the machine is loaded",
              name);
    return false;
}

bool ivshmem_check_size(const char *what, uint64_t size, GError **errp)
{
    if (!size || size & (size - 1)) {
        error_set(errp, "%s has %" PRIu64 " bytes; a PCI function needs a power of 2", what, size);
        return false;
    }
    return true;
}

void ivshmem_add(Ivshmem *s, MemoryRegion *memory)
{
    memory_region_init_io(&s->registers, &registers_ops, s, "ivshmem-registers", REGISTERS_SIZE);
    pci_add_bar(&s->parent, IVSHMEM_REGISTERS_BAR, 0, &s->registers);
    pci_add_bar(&s->parent, IVSHMEM_MEMORY_BAR, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, memory);
    save_check_add(check_save, s);
}

void ivshmem_remove(Ivshmem *s)
{
    save_check_remove(check_save, s);
    memory_region_destroy(&s->registers);
}

void ivshmem_reset(PciDevice *dev)
{
    Ivshmem *s = IVSHMEM(dev);

    s->mask = s->status = 0;
}

/* There is nothing to be derived. */
void ivshmem_loaded(PciDevice *dev)
{
}

static const StateField ivshmem_fields[] = {
    STATE_STRUCT(Ivshmem, parent, &pci_device_state),
    STATE_UINT(Ivshmem, mask),
    STATE_UINT(Ivshmem, status),
    {},
};

const StateTable ivshmem_state = { .name = "ivshmem-plain",
                                   .version = 1,
                                   .fields = ivshmem_fields };

static const PciRegister ivshmem_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1af4 },
    { PCI_DEVICE_ID, 2, 0x1110 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY },
    { PCI_REVISION_ID, 1, 1 },
    { PCI_CLASS_DEVICE, 2, 0x0500 }, /* RAM controller */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
};

static void ivshmem_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), ivshmem_registers, G_N_ELEMENTS(ivshmem_registers));
}

static const Property ivshmem_properties[] = {
    { .name = "master",
      .kind = PROP_ENUM,
      .offset = offsetof(Ivshmem, master),
      .has_default = true,
      .default_int = MASTER_OFF,
      .enum_names = master_values,
      .custom_type = "OnOffAuto",
      .description = "the contents go with the machine when it is saved or moved; else it cannot "
                     "be; auto is on" },
    { 0 },
};

static const ObjectType ivshmem_type = {
    .name = TYPE_IVSHMEM,
    .parent = TYPE_PCI_DEVICE,
    .description = "Memory that is shared with others",
    .instance_size = sizeof(Ivshmem),
    .abstract = true,
    .properties = ivshmem_properties,
    .init = ivshmem_init,
};
OBJECT_TYPE_REGISTER(ivshmem_type)
