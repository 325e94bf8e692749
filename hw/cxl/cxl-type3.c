/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-type3.h"

#include <inttypes.h>
#include <string.h>

#include "hw/cxl/cxl-cdat.h"
#include "hw/cxl/cxl-dvsec.h"
#include "hw/cxl/cxl-host.h"
#include "hw/cxl/cxl-mailbox.h"
#include "hw/cxl/cxl-port.h"
#include "hw/mem/memory-device.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-msix.h"
#include "hw/pci/pcie-regs.h"
#include "memory/dirty.h"
#include "util/clock.h"
#include "util/error.h"

enum { BAR_COMPONENT = 0, BAR_DEVICE = 2, BAR_MSIX = 4 };

/* ---- memory ---- */

/* What lasts, by whichever name. */
static HostMemoryBackend *persistent_of(const CxlType3 *s)
{
    return MEMORY_BACKEND(s->persistent ? s->persistent : s->memdev);
}

static HostMemoryBackend *volatile_of(const CxlType3 *s)
{
    return MEMORY_BACKEND(s->volatile_memory);
}

HostMemoryBackend *cxl_type3_labels(const CxlType3 *s)
{
    return MEMORY_BACKEND(s->labels);
}

uint64_t cxl_type3_volatile_size(const CxlType3 *s)
{
    return volatile_of(s) ? volatile_of(s)->size : 0;
}

uint64_t cxl_type3_persistent_size(const CxlType3 *s)
{
    return persistent_of(s) ? persistent_of(s)->size : 0;
}

/* The backend that has all of [@dpa, @dpa + @size), and where in it; NULL: none has. */
static RamBlock *find_ram(const CxlType3 *s, uint64_t dpa, uint64_t size, uint64_t *offset)
{
    HostMemoryBackend *backend = volatile_of(s);

    *offset = dpa;
    if (dpa >= cxl_type3_volatile_size(s)) {
        *offset -= cxl_type3_volatile_size(s);
        backend = persistent_of(s);
    }
    return backend && *offset < backend->size && size <= backend->size - *offset ? backend->ram
                                                                                 : NULL;
}

void cxl_type3_read(CxlType3 *s, uint64_t dpa, void *buf, unsigned size)
{
    uint64_t offset;
    const RamBlock *ram = find_ram(s, dpa, size, &offset);

    if (ram) {
        memcpy(buf, ram->host + offset, size);
    } else {
        memset(buf, 0xff, size);
    }
}

void cxl_type3_write(CxlType3 *s, uint64_t dpa, const void *buf, unsigned size)
{
    uint64_t offset;
    RamBlock *ram = find_ram(s, dpa, size, &offset);

    if (ram) {
        memcpy(ram->host + offset, buf, size);
        dirty_mark(ram, offset, size);
    }
}

bool cxl_type3_decode(const CxlType3 *s, hwaddr addr, uint64_t *dpa, uint64_t *run,
                      bool *interleaved)
{
    uint16_t control = pci_get_word(&s->parent, s->dvsec + DVSEC_DEVICE_CONTROL);
    uint64_t size = cxl_type3_size(s), offset;
    CxlDecoder d;

    if (!(control & DEVICE_CONTROL_MEM) || !cxl_component_is_enabled(&s->component) ||
        !cxl_component_decoder_at(&s->component, addr, &d)) {
        return false;
    }
    offset = addr - d.base;
    *interleaved |= d.ways > 1;
    *run = MIN(*run, d.size - offset);
    offset = offset / (d.granularity * d.ways) * d.granularity + offset % d.granularity;
    if (d.dpa >= size || offset >= size - d.dpa) {
        return false;
    }
    *dpa = d.dpa + offset;
    *run = MIN(*run, size - *dpa);
    return true;
}

/* ---- what happens to it ---- */

uint64_t cxl_type3_timestamp(const CxlType3 *s)
{
    return s->timestamp_set ? s->timestamp + (uint64_t)(clock_ns() - s->timestamp_at) : 0;
}

void cxl_type3_event(CxlType3 *s, CxlEventLog log, const uint8_t record[CXL_EVENT_BYTES])
{
    cxl_log_add(&s->logs[log], record, cxl_type3_timestamp(s));
    cxl_mailbox_update_status(s);
    if (s->logs[log].policy && pci_msix_enabled(&s->parent)) {
        pci_msix_notify(&s->parent, CXL_VECTOR_EVENTS + log);
    }
}

/* ---- checks ---- */

static bool check_backend(const CxlType3 *s, const char *property, const Object *memdev,
                          bool memory, GError **errp)
{
    const HostMemoryBackend *backend = MEMORY_BACKEND(memdev);

    if (!memdev) {
        return true;
    }
    if (!memory_device_check_memdev(memdev, errp)) {
        g_prefix_error(errp, "%s: ", property);
        return false;
    }
    if (memory && backend->size % CXL_DECODER_UNIT) {
        error_set(errp,
                  "%s: memory backend '%s' has %" PRIu64 " bytes: it must be a multiple of 256 MiB",
                  property, host_memory_backend_name(backend), backend->size);
        return false;
    }
    return true;
}

static bool check_distinct(const CxlType3 *s, GError **errp)
{
    const Object *all[] = { s->persistent ? s->persistent : s->memdev, s->volatile_memory,
                            s->labels };

    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        for (unsigned n = 0; n < i; n++) {
            if (all[i] && all[i] == all[n]) {
                error_set(errp,
                          "memory backend '%s' is given twice: persistent-memdev, volatile-memdev "
                          "and lsa each need their own",
                          host_memory_backend_name(MEMORY_BACKEND(all[i])));
                return false;
            }
        }
    }
    return true;
}

static bool check(const CxlType3 *s, GError **errp)
{
    if (s->persistent && s->memdev) {
        error_set(errp, "'memdev' is the old name of 'persistent-memdev': give one of them");
        return false;
    }
    if (!s->persistent && !s->memdev && !s->volatile_memory) {
        error_set(errp, "it has no memory: give it persistent-memdev=, volatile-memdev=, or both, "
                        "each the id of a memory backend (-object memory-backend-ram,id=ID,size=)");
        return false;
    }
    if (!s->volatile_memory && !s->labels) {
        error_set(errp, "'lsa' is missing: memory that lasts needs a label storage area, the id of "
                        "another memory backend");
        return false;
    }
    return check_distinct(s, errp) && check_backend(s, "memdev", s->memdev, true, errp) &&
           check_backend(s, "persistent-memdev", s->persistent, true, errp) &&
           check_backend(s, "volatile-memdev", s->volatile_memory, true, errp) &&
           check_backend(s, "lsa", s->labels, false, errp);
}

/* ---- registers ---- */

static void add_device_dvsec(CxlType3 *s)
{
    PciDevice *dev = &s->parent;
    const uint64_t sizes[] = { cxl_type3_volatile_size(s), cxl_type3_persistent_size(s) };
    unsigned at = cxl_dvsec_add(dev, DVSEC_DEVICE, 1, DVSEC_DEVICE_SIZE), ranges = 0;

    s->dvsec = at;
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        unsigned range = at + DVSEC_DEVICE_RANGE_1 + ranges * DVSEC_DEVICE_RANGE_BYTES;
        const PciRegister regs[] = {
            { range, 4, sizes[i] >> 32 },
            { range + 4, 4, (uint32_t)sizes[i] | DEVICE_RANGE_FLAGS },
            { range + 8, 4, 0, 0xffffffff },
            { range + 12, 4, 0, 0xf0000000 },
        };

        if (sizes[i]) {
            pci_set_registers(dev, regs, G_N_ELEMENTS(regs));
            ranges++;
        }
    }
    pci_set_word(dev, at + DVSEC_DEVICE_CAP,
                 (uint16_t)(DEVICE_CAP_IO | DEVICE_CAP_MEM | DEVICE_CAP_HW_INIT |
                            ranges << DEVICE_CAP_RANGES_SHIFT));
    pci_set_registers(
        dev, &(PciRegister){ at + DVSEC_DEVICE_CONTROL, 2, DEVICE_CONTROL_IO, DEVICE_CONTROL_MEM },
        1);
}

/* Durations and power of a global persistent flush (section 8.1.7). */
static void add_gpf_dvsec(PciDevice *dev)
{
    enum { SIZE = 0x10, DURATION = 0x0a, POWER = 0x0c, SECONDS_3 = 0x0603, MILLIWATTS_51 = 0x33 };
    unsigned at = cxl_dvsec_add(dev, DVSEC_GPF_DEVICE, 0, SIZE);

    pci_set_word(dev, at + DURATION, SECONDS_3);
    pci_set_long(dev, at + POWER, MILLIWATTS_51);
}

static GPtrArray *table_of(void *opaque)
{
    const CxlType3 *s = opaque;

    return s->entries
               ? g_ptr_array_ref(s->entries)
               : cxl_cdat_of_memory(cxl_type3_volatile_size(s), cxl_type3_persistent_size(s));
}

/* It would have to leave decoders and memory as they are (section 9.5): a function need not have
 * it.
 */
static void drop_function_reset(PciDevice *dev)
{
    const unsigned at = dev->express_cap;
    const PciRegister regs[] = {
        { at + EXP_DEVICE_CAP, 4, EXP_DEVICE_CAP_ROLE_BASED },
        { at + EXP_DEVICE_CONTROL, 2, pci_get_word(dev, at + EXP_DEVICE_CONTROL),
          (uint16_t)(dev->wmask[at + EXP_DEVICE_CONTROL] | dev->wmask[at + EXP_DEVICE_CONTROL + 1]
                                                               << 8) &
              ~EXP_DEVICE_CONTROL_RESET },
    };

    pci_set_registers(dev, regs, G_N_ELEMENTS(regs));
}

static void add_registers(CxlType3 *s)
{
    static const uint8_t kinds[] = { REGISTERS_COMPONENT, REGISTERS_DEVICE };
    static const uint8_t bars[] = { BAR_COMPONENT, BAR_DEVICE };
    PciDevice *dev = &s->parent;

    cxl_component_init(&s->component, CXL_DEVICE, "cxl-type3-component");
    s->component.capacity = cxl_type3_size(s);
    pci_add_bar(dev, BAR_COMPONENT, PCI_BAR_MEM64, &s->component.region);
    memory_region_init_io(&s->device, &cxl_mailbox_ops, s, "cxl-type3-device", CXL_DEVICE_SIZE);
    pci_add_bar(dev, BAR_DEVICE, PCI_BAR_MEM64, &s->device);
    pci_add_msix(dev, CXL_VECTORS, BAR_MSIX);
    pci_add_express(dev, PCIE_ENDPOINT, 0);
    drop_function_reset(dev);
    if (s->serial != UINT64_MAX) {
        cxl_dvsec_add_serial(dev, s->serial);
    }
    add_device_dvsec(s);
    cxl_dvsec_add_registers(dev, kinds, bars, G_N_ELEMENTS(kinds));
    add_gpf_dvsec(dev);
    cxl_dvsec_add_flex_bus(dev);
    cxl_doe_add(&s->doe, dev, table_of, s);
}

static void set_mapped(CxlType3 *s, Object *user)
{
    HostMemoryBackend *all[] = { persistent_of(s), volatile_of(s), cxl_type3_labels(s) };

    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        if (all[i]) {
            host_memory_backend_set_mapped(all[i], user);
        }
    }
}

static void show_memory(CxlType3 *s)
{
    memory_region_init_container(&s->memory, "cxl-type3-memory", cxl_type3_size(s));
    if (volatile_of(s)) {
        memory_region_add(&s->memory, 0, host_memory_backend_region(volatile_of(s)));
    }
    if (persistent_of(s)) {
        memory_region_add(&s->memory, cxl_type3_volatile_size(s),
                          host_memory_backend_region(persistent_of(s)));
    }
}

static void hide_memory(CxlType3 *s)
{
    if (volatile_of(s)) {
        memory_region_remove(host_memory_backend_region(volatile_of(s)));
    }
    if (persistent_of(s)) {
        memory_region_remove(host_memory_backend_region(persistent_of(s)));
    }
    memory_region_destroy(&s->memory);
}

static bool type3_realize(PciDevice *dev, GError **errp)
{
    CxlType3 *s = CXL_TYPE3(dev);

    if (!cxl_check_bus(dev, errp) || !check(s, errp) ||
        !cxl_cdat_load(s->cdat, &s->entries, errp)) {
        return false;
    }
    if (PCI_FUNC(dev->devfn)) {
        error_set(errp, "'addr' is function %u: a '%s' must be function 0", PCI_FUNC(dev->devfn),
                  TYPE_CXL_TYPE3);
        g_clear_pointer(&s->entries, g_ptr_array_unref);
        return false;
    }
    add_registers(s);
    set_mapped(s, OBJECT(s));
    show_memory(s);
    return true;
}

static void type3_unrealize(PciDevice *dev)
{
    CxlType3 *s = CXL_TYPE3(dev);

    cxl_component_reset(&s->component); /* nobody sees the memory any more */
    hide_memory(s);
    set_mapped(s, NULL);
    cxl_doe_remove(&s->doe);
    g_clear_pointer(&s->entries, g_ptr_array_unref);
    cxl_component_destroy(&s->component);
    memory_region_destroy(&s->device);
}

static void type3_reset(PciDevice *dev)
{
    CxlType3 *s = CXL_TYPE3(dev);

    cxl_component_reset(&s->component);
    cxl_doe_reset(&s->doe);
    for (unsigned i = 0; i < CXL_EVENT_LOGS; i++) {
        s->logs[i].policy = 0; /* what is in the logs stays */
    }
    s->timestamp_set = false;
    cxl_mailbox_reset(s);
}

static void type3_reading(PciDevice *dev, unsigned offset, unsigned size)
{
    cxl_doe_reading(&CXL_TYPE3(dev)->doe, offset, size);
}

static void type3_written(PciDevice *dev, unsigned offset, unsigned size)
{
    CxlType3 *s = CXL_TYPE3(dev);

    cxl_doe_written(&s->doe, offset, size);
    if (pci_touches(offset, size, s->dvsec + DVSEC_DEVICE_CONTROL, 2)) {
        cxl_host_update();
    }
}

/* Memory that the guest uses does not go: it has to take its regions down before. */
static bool type3_check_unplug(Device *dev, GError **errp)
{
    const CxlType3 *s = CXL_TYPE3(dev);
    g_autofree char *what = device_describe(dev);
    CxlDecoder d;

    for (unsigned n = 0; n < CXL_DECODERS; n++) {
        if (cxl_component_decoder(&s->component, n, &d)) {
            error_set(errp,
                      "%s cannot be unplugged: the guest uses its memory, at 0x%" PRIx64
                      " to 0x%" PRIx64 " (HDM decoder %u is committed); let the guest destroy the "
                      "region first, as 'cxl destroy-region' does",
                      what, d.base, d.base + (d.size - 1), n);
            return false;
        }
    }
    return true;
}

/* ---- the type ---- */

static void type3_config_loaded(PciDevice *dev)
{
}

static bool type3_loaded(void *obj, GError **errp)
{
    const CxlType3 *s = obj;

    for (unsigned i = 0; i < s->poison.count; i++) {
        const CxlPoison *p = &s->poison.ranges[i];

        if (p->start + p->size > cxl_type3_size(s)) {
            error_set(errp, "poisoned memory at 0x%" PRIx64 " is beyond the device's memory",
                      p->start);
            return false;
        }
    }
    cxl_host_update();
    return true;
}

static const StateField type3_fields[] = {
    STATE_STRUCT(CxlType3, parent, &pci_device_state),
    STATE_STRUCT(CxlType3, component, &cxl_component_state),
    STATE_STRUCT(CxlType3, doe, &cxl_doe_state),
    STATE_UINTS(CxlType3, registers),
    STATE_STRUCTS(CxlType3, logs, &cxl_log_state),
    STATE_STRUCT(CxlType3, poison, &cxl_poison_list_state),
    STATE_BOOL(CxlType3, timestamp_set),
    STATE_UINT(CxlType3, timestamp),
    STATE_INT(CxlType3, timestamp_at),
    {},
};
static const StateTable type3_state = {
    .name = "cxl-type3", .version = 1, .fields = type3_fields, .post_load = type3_loaded
};

static const PciFunctionClass type3_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "memory",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &type3_state,
                .check_unplug = type3_check_unplug },
    .express = true,
    .realize = type3_realize,
    .unrealize = type3_unrealize,
    .reset = type3_reset,
    .loaded = type3_config_loaded,
    .config_reading = type3_reading,
    .config_written = type3_written,
};

static void type3_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x8086 },
        { PCI_DEVICE_ID, 2, 0x0d93 },
        { PCI_COMMAND, 2, 0,
          PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
              PCI_COMMAND_INTX_DISABLE },
        { PCI_REVISION_ID, 1, 1 },
        { PCI_CLASS_PROG, 1, 0x10 },
        { PCI_CLASS_DEVICE, 2, 0x0502 },
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property type3_properties[] = {
    { .name = "persistent-memdev",
      .kind = PROP_LINK,
      .offset = offsetof(CxlType3, persistent),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend of its memory that lasts" },
    { .name = "memdev",
      .kind = PROP_LINK,
      .offset = offsetof(CxlType3, memdev),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "the same, by its old name" },
    { .name = "volatile-memdev",
      .kind = PROP_LINK,
      .offset = offsetof(CxlType3, volatile_memory),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend of its volatile memory" },
    { .name = "lsa",
      .kind = PROP_LINK,
      .offset = offsetof(CxlType3, labels),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend of its label storage area" },
    { .name = "sn",
      .kind = PROP_UINT64,
      .offset = offsetof(CxlType3, serial),
      .has_default = true,
      .default_int = -1,
      .description = "serial number; 18446744073709551615: none" },
    { .name = "cdat",
      .kind = PROP_STRING,
      .offset = offsetof(CxlType3, cdat),
      .description = "file with the table that software reads by DOE; without it, one is made" },
    { 0 },
};

static const ObjectType type3_type = {
    .name = TYPE_CXL_TYPE3,
    .parent = TYPE_PCI_DEVICE,
    .description = "CXL Memory Device (Type 3)",
    .instance_size = sizeof(CxlType3),
    .properties = type3_properties,
    .ops = &type3_ops,
    .init = type3_init,
};
OBJECT_TYPE_REGISTER(type3_type)
