/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ivshmem-plain: memory that the guest shares with other programs of the host, as a PCI function.
 * BAR 2 is the memory of a backend, BAR 0 has the registers. This variant has no peers that could
 * be called: no doorbell, no interrupt.
 */
#include "backends/host-memory-backend.h"
#include "hw/core/save-check.h"
#include "hw/mem/memory-device.h"
#include "hw/pci/pci.h"
#include "util/error.h"

#define TYPE_IVSHMEM_PLAIN "ivshmem-plain"

enum { REGISTERS_SIZE = 256, REGISTERS_BAR = 0, MEMORY_BAR = 2 };
enum { MASK = 0, STATUS = 4 }; /* the others are those of interrupts, and read as 0 */

enum { MASTER_AUTO, MASTER_ON, MASTER_OFF };
static const char *const master_values[] = { "auto", "on", "off", NULL };

typedef struct IvshmemPlain {
    PciDevice parent;
    /* configuration */
    Object *memdev; /* link<memory-backend> */
    int master;     /* MASTER_*: this machine takes the contents with it when it moves */
    /* wiring */
    MemoryRegion registers;
    /* state */
    uint32_t mask, status; /* of interrupts, of which there are none */
} IvshmemPlain;
OBJECT_CAST_DEFINE(IvshmemPlain, IVSHMEM_PLAIN, TYPE_IVSHMEM_PLAIN)

static HostMemoryBackend *backend_of(const IvshmemPlain *s)
{
    return MEMORY_BACKEND(s->memdev);
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    IvshmemPlain *s = opaque;
    uint32_t value = 0;

    if (addr == MASK) {
        value = s->mask;
    } else if (addr == STATUS) {
        value = s->status;
        s->status = 0;
    }
    return value;
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    IvshmemPlain *s = opaque;

    if (addr == MASK) {
        s->mask = (uint32_t)value;
    } else if (addr == STATUS) {
        s->status = (uint32_t)value;
    }
}

static const MemoryRegionOps registers_ops = { registers_read, registers_write, 4, 4 };

/* The others' memory cannot be taken along. */
static bool check_save(void *opaque, GError **errp)
{
    const IvshmemPlain *s = opaque;
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

static bool check_backend(const IvshmemPlain *s, GError **errp)
{
    uint64_t size;

    if (!memory_device_check_memdev(s->memdev, errp)) {
        return false;
    }
    size = backend_of(s)->size;
    if (size & (size - 1)) {
        error_set(errp,
                  "memory backend '%s' has %" PRIu64 " bytes; a PCI function needs a power of 2",
                  host_memory_backend_name(backend_of(s)), size);
        return false;
    }
    return true;
}

static bool ivshmem_realize(PciDevice *dev, GError **errp)
{
    IvshmemPlain *s = IVSHMEM_PLAIN(dev);

    if (!check_backend(s, errp)) {
        return false;
    }
    memory_region_init_io(&s->registers, &registers_ops, s, "ivshmem-registers", REGISTERS_SIZE);
    pci_add_bar(dev, REGISTERS_BAR, 0, &s->registers);
    pci_add_bar(dev, MEMORY_BAR, PCI_BAR_MEM64 | PCI_BAR_PREFETCH,
                host_memory_backend_region(backend_of(s)));
    host_memory_backend_set_mapped(backend_of(s), OBJECT(dev));
    save_check_add(check_save, s);
    return true;
}

static void ivshmem_unrealize(PciDevice *dev)
{
    IvshmemPlain *s = IVSHMEM_PLAIN(dev);

    save_check_remove(check_save, s);
    host_memory_backend_set_mapped(backend_of(s), NULL);
    memory_region_destroy(&s->registers);
}

static void ivshmem_reset(PciDevice *dev)
{
    IvshmemPlain *s = IVSHMEM_PLAIN(dev);

    s->mask = s->status = 0;
}

/* There is nothing to be derived. */
static void ivshmem_loaded(PciDevice *dev)
{
}

static const StateField ivshmem_fields[] = {
    STATE_STRUCT(IvshmemPlain, parent, &pci_device_state),
    STATE_UINT(IvshmemPlain, mask),
    STATE_UINT(IvshmemPlain, status),
    {},
};

static const StateTable ivshmem_state = { .name = TYPE_IVSHMEM_PLAIN,
                                          .version = 1,
                                          .fields = ivshmem_fields };

static const PciFunctionClass ivshmem_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "misc",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &ivshmem_state },
    .realize = ivshmem_realize,
    .unrealize = ivshmem_unrealize,
    .reset = ivshmem_reset,
    .loaded = ivshmem_loaded,
};

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
    { .name = "memdev",
      .kind = PROP_LINK,
      .offset = offsetof(IvshmemPlain, memdev),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend that is shared, with share=on" },
    { .name = "master",
      .kind = PROP_ENUM,
      .offset = offsetof(IvshmemPlain, master),
      .has_default = true,
      .default_int = MASTER_OFF,
      .enum_names = master_values,
      .custom_type = "OnOffAuto",
      .description = "the contents go with the machine when it is saved or moved; else it cannot "
                     "be; auto is on" },
    { 0 },
};

static const ObjectType ivshmem_type = {
    .name = TYPE_IVSHMEM_PLAIN,
    .parent = TYPE_PCI_DEVICE,
    .description = "Memory that is shared with programs of the host",
    .instance_size = sizeof(IvshmemPlain),
    .properties = ivshmem_properties,
    .ops = &ivshmem_ops,
    .init = ivshmem_init,
};
OBJECT_TYPE_REGISTER(ivshmem_type)
