/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme: the PCI function of an NVM Express controller: registers in memory (BAR 0), a buffer of its
 * own for the guest's use (BAR 2, if `cmb_size_mb` asks for it), and the table of MSI-X (BAR 4).
 */
#include "hw/nvme/nvme.h"

#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-msix.h"
#include "util/error.h"
#include "util/units.h"

enum { REGISTERS_BAR = 0, MSIX_BAR = 4 };
enum { MDTS_MAX = 10, CMB_MAX_MIB = 1024 };

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x0010 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 2 },
    { PCI_CLASS_PROG, 1, 2 },        /* NVM Express */
    { PCI_CLASS_DEVICE, 2, 0x0108 }, /* non-volatile memory */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void nvme_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

/* ---- life ---- */

static void machine_starts(void *opaque)
{
    Nvme *n = opaque;

    nvme_io_again(n);
    nvme_tell_events(n);
    nvme_run(n);
}

static bool check(const Nvme *n, GError **errp)
{
    if (!n->conf.serial) {
        error_set(errp, "serial= is missing: at most %u characters", NVME_SERIAL_MAX);
    } else if (strlen(n->conf.serial) > NVME_SERIAL_MAX) {
        error_set(errp, "serial=%s is longer than %u characters", n->conf.serial, NVME_SERIAL_MAX);
    } else if (n->subsys && n->conf.drive) {
        error_set(errp,
                  "drive= makes a namespace of one controller: in a subsystem (subsys=) there "
                  "are those of -device nvme-ns");
    } else if (n->queues == 1 || n->queues > NVME_IO_QUEUES + 1) {
        error_set(errp, "num_queues=%u: 2 to %u; that is one more than max_ioqpairs=", n->queues,
                  NVME_IO_QUEUES + 1);
    } else if (n->max_pairs < 1 || n->max_pairs > NVME_IO_QUEUES) {
        error_set(errp, "max_ioqpairs=%u: a controller has 1 to %u pairs of queues", n->max_pairs,
                  NVME_IO_QUEUES);
    } else if (n->vectors < 1 || n->vectors > PCI_MSIX_MAX_VECTORS) {
        error_set(errp, "msix_qsize=%u: MSI-X has 1 to %u vectors", n->vectors,
                  PCI_MSIX_MAX_VECTORS);
    } else if (n->mdts > MDTS_MAX) {
        error_set(
            errp,
            "mdts=%u: a command has at most 4 KiB times 2 to the power of this, 1 to %u; 0: no "
            "limit",
            n->mdts, MDTS_MAX);
    } else if (n->zasl > MDTS_MAX || (n->mdts && n->zasl > n->mdts)) {
        error_set(
            errp,
            "zoned.zasl=%u: a zone append has at most 4 KiB times 2 to the power of this, and "
            "no more than other commands, for which mdts=%u; at most %u",
            n->zasl, n->mdts, MDTS_MAX);
    } else if (n->cmb_mib > CMB_MAX_MIB || n->cmb_mib & (n->cmb_mib - 1)) {
        error_set(errp, "cmb_size_mb=%u: it is 0, or a power of two up to %u", n->cmb_mib,
                  CMB_MAX_MIB);
    } else {
        return true;
    }
    return false;
}

/* Which one it is among all, in a machine that is saved, its bus and place say. */
static bool add_cmb(Nvme *n, GError **errp)
{
    PciDevice *dev = &n->parent;
    g_autofree char *name = g_strdup_printf("%s/%02x.%x/cmb", pci_bus_of(dev)->parent.parent.name,
                                            PCI_SLOT(dev->devfn), PCI_FUNC(dev->devfn));

    if (!n->cmb_mib) {
        return true;
    }
    n->cmb = ram_block_new(name, n->cmb_mib * MIB, -1, false, true, 0, errp);
    if (!n->cmb) {
        return false;
    }
    memory_region_init_ram(&n->cmb_region, "nvme-cmb", n->cmb);
    pci_add_bar(dev, NVME_CMB_BAR, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &n->cmb_region);
    return true;
}

/* What `drive` names is the controller's first namespace. */
static bool add_own(Nvme *n, GError **errp)
{
    Device *dev = &n->parent.parent;

    if (!n->conf.drive) {
        return true;
    }
    n->own = (NvmeNs){ .conf = &n->conf };
    if (!nvme_ns_add(&n->own, n, dev, 1, NULL, errp)) {
        return false;
    }
    if (!boot_order_add(dev, n->conf.boot_index, dev, NVME_FIRMWARE_KIND, "/namespace@1,0", errp)) {
        nvme_ns_remove(&n->own);
        return false;
    }
    return true;
}

static bool nvme_realize(PciDevice *dev, GError **errp)
{
    Nvme *n = NVME(dev);
    const PciBus *bus = pci_bus_of(dev);

    if (!check(n, errp)) {
        return false;
    }
    n->max_pairs = n->queues ? n->queues - 1 : n->max_pairs;
    if (!(n->bus = nvme_bus_new(&dev->parent, errp))) {
        return false;
    }
    if (!add_own(n, errp)) {
        nvme_bus_free(g_steal_pointer(&n->bus));
        return false;
    }
    if (!nvme_subsys_add(n, errp) || !add_cmb(n, errp)) {
        nvme_subsys_remove(n);
        boot_order_remove(&dev->parent);
        nvme_ns_remove(&n->own);
        nvme_bus_free(g_steal_pointer(&n->bus));
        return false;
    }
    g_queue_init(&n->running);
    memory_region_init_io(&n->registers, &nvme_register_ops, n, "nvme", nvme_registers_size(n));
    pci_add_bar(dev, REGISTERS_BAR, PCI_BAR_MEM64, &n->registers);
    pci_add_msix(dev, n->vectors, MSIX_BAR);
    if (pci_bus_is_express(bus)) {
        pci_add_express(dev, bus->bridge ? PCIE_ENDPOINT : PCIE_INTEGRATED_ENDPOINT, 0);
    }
    runstate_add_start(machine_starts, n);
    return true;
}

static void nvme_unrealize(PciDevice *dev)
{
    Nvme *n = NVME(dev);

    runstate_remove_start(machine_starts, n);
    nvme_io_cancel(n);
    if (n->again) {
        g_source_destroy(n->again);
        g_clear_pointer(&n->again, g_source_unref);
    }
    boot_order_remove(&dev->parent);
    nvme_subsys_remove(n);
    nvme_ns_remove(&n->own);
    nvme_bus_free(g_steal_pointer(&n->bus));
    memory_region_destroy(&n->registers);
    g_clear_pointer(&n->kept_state, g_bytes_unref);
    if (n->cmb) {
        memory_region_destroy(&n->cmb_region);
        g_clear_pointer(&n->cmb, ram_block_unref);
    }
}

static void nvme_reset(PciDevice *dev)
{
    nvme_reset_controller(NVME(dev), true);
}

/* It may be a bus master now. */
static void nvme_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    Nvme *n = NVME(dev);

    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        nvme_run(n);
    }
    nvme_update_interrupt(n);
}

/* Nothing follows from the registers: the level of the interrupt line is the function's state. */
static void nvme_loaded(PciDevice *dev)
{
}

/* ---- state ---- */

static void nvme_pre_save(void *obj)
{
    Nvme *n = obj;

    g_clear_pointer(&n->kept_state, g_bytes_unref);
    if (n->kept_count) {
        n->kept_state = g_bytes_new(n->kept, n->kept_count * sizeof(n->kept[0]));
    }
}

static bool load_kept(Nvme *n, GError **errp)
{
    size_t size = 0;
    const NvmeKept *kept = n->kept_state ? g_bytes_get_data(n->kept_state, &size) : NULL;

    if (size % sizeof(*kept) || size > sizeof(n->kept)) {
        error_set(errp, "%zu bytes are no commands that were kept", size);
        return false;
    }
    n->kept_count = (uint32_t)(size / sizeof(*kept));
    for (uint32_t i = 0; i < n->kept_count; i++) {
        uint64_t sqid = kept[i].sqid & ~NVME_KEPT_PLACED;

        if (!sqid || sqid >= NVME_QUEUES || !n->sqs[sqid].size) {
            error_set(errp, "a command was kept of a queue that is not there");
            n->kept_count = 0;
            return false;
        }
        n->kept[i] = kept[i];
    }
    g_clear_pointer(&n->kept_state, g_bytes_unref);
    return true;
}

static bool nvme_post_load(void *obj, GError **errp)
{
    Nvme *n = obj;

    for (unsigned i = 0; i < NVME_QUEUES; i++) {
        const NvmeSq *sq = &n->sqs[i];
        const NvmeCq *cq = &n->cqs[i];

        if ((sq->size && (sq->head >= sq->size || sq->tail >= sq->size || sq->size < 2 ||
                          sq->cqid >= NVME_QUEUES || !n->cqs[sq->cqid].size)) ||
            (cq->size && (cq->head >= cq->size || cq->tail >= cq->size || cq->size < 2)) ||
            cq->vector >= n->vectors) {
            error_set(errp, "queue %u is not what a queue can be", i);
            return false;
        }
    }
    return load_kept(n, errp);
}

static const StateField sq_fields[] = {
    STATE_UINT(NvmeSq, base), STATE_UINT(NvmeSq, size), STATE_UINT(NvmeSq, head),
    STATE_UINT(NvmeSq, tail), STATE_UINT(NvmeSq, cqid), {},
};
static const StateTable sq_state = { .name = "nvme-sq", .version = 1, .fields = sq_fields };

static const StateField cq_fields[] = {
    STATE_UINT(NvmeCq, base),  STATE_UINT(NvmeCq, size),     STATE_UINT(NvmeCq, head),
    STATE_UINT(NvmeCq, tail),  STATE_UINT(NvmeCq, vector),   STATE_BOOL(NvmeCq, interrupts),
    STATE_BOOL(NvmeCq, phase), STATE_UINT(NvmeCq, promised), {},
};
static const StateTable cq_state = { .name = "nvme-cq", .version = 1, .fields = cq_fields };

static const StateField nvme_fields[] = {
    STATE_STRUCT(Nvme, parent, &pci_device_state),
    STATE_UINT(Nvme, cc),
    STATE_UINT(Nvme, csts),
    STATE_UINT(Nvme, intm),
    STATE_UINT(Nvme, aqa),
    STATE_UINT(Nvme, asq),
    STATE_UINT(Nvme, acq),
    STATE_UINT(Nvme, cmbmsc),
    STATE_STRUCTS(Nvme, sqs, &sq_state),
    STATE_STRUCTS(Nvme, cqs, &cq_state),
    STATE_UINT_MAX(Nvme, next_sq, NVME_QUEUES - 1),
    STATE_UINTS(Nvme, features),
    STATE_UINT(Nvme, timestamp),
    STATE_INT(Nvme, timestamp_ns),
    STATE_BOOL(Nvme, timestamp_set),
    STATE_UINTS(Nvme, asked),
    STATE_UINT_MAX(Nvme, asked_count, NVME_EVENTS_MAX),
    STATE_UINT(Nvme, events),
    STATE_UINT(Nvme, told),
    STATE_UINTS(Nvme, changed),
    STATE_BLOB(Nvme, kept_state),
    STATE_UINT(Nvme, reads),
    STATE_UINT(Nvme, writes),
    STATE_UINT(Nvme, read_units),
    STATE_UINT(Nvme, write_units),
    {},
};
static const StateTable nvme_state = { .name = TYPE_NVME,
                                       .version = 1,
                                       .fields = nvme_fields,
                                       .pre_save = nvme_pre_save,
                                       .post_load = nvme_post_load };

/* ---- the type ---- */

static const PciFunctionClass nvme_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &nvme_state },
    .realize = nvme_realize,
    .unrealize = nvme_unrealize,
    .reset = nvme_reset,
    .loaded = nvme_loaded,
    .config_written = nvme_config_written,
};

#define NVME_PROPERTY(NAME, KIND, member, initial, text)                                       \
    {                                                                                          \
        .name = (NAME), .kind = (KIND), .offset = offsetof(Nvme, member), .has_default = true, \
        .default_int = (initial), .description = (text)                                        \
    }

static const Property nvme_properties[] = {
    BLOCK_CONF_PROPERTIES(offsetof(Nvme, conf)),
    NVME_PROPERTY("max_ioqpairs", PROP_UINT32, max_pairs, NVME_IO_QUEUES,
                  "pairs of queues that the guest can make"),
    NVME_PROPERTY("num_queues", PROP_UINT32, queues, 0,
                  "the same and one more, as it was said once; 0: max_ioqpairs says it"),
    NVME_PROPERTY("msix_qsize", PROP_UINT32, vectors, NVME_QUEUES, "vectors of MSI-X"),
    NVME_PROPERTY("mdts", PROP_UINT8, mdts, 7,
                  "a command has at most 4 KiB << mdts of data; 0: no limit"),
    NVME_PROPERTY("zoned.zasl", PROP_UINT8, zasl, 0,
                  "a zone append has at most 4 KiB << zasl of data; 0: as mdts says"),
    NVME_PROPERTY("zoned.auto_transition", PROP_BOOL, auto_transition, true,
                  "a zone that is implicitly open is closed when another one is to be opened"),
    { .name = "subsys",
      .kind = PROP_LINK,
      .offset = offsetof(Nvme, subsys),
      .link_type = TYPE_NVME_SUBSYS,
      .description = "the nvme-subsys that it is a controller of" },
    NVME_PROPERTY("cmb_size_mb", PROP_UINT32, cmb_mib, 0,
                  "MiB of the controller's own memory buffer; 0: it has none"),
    { 0 },
};

static const ObjectType nvme_type = {
    .name = TYPE_NVME,
    .parent = TYPE_PCI_DEVICE,
    .description = "NVM Express controller",
    .instance_size = sizeof(Nvme),
    .properties = nvme_properties,
    .ops = &nvme_ops,
    .init = nvme_init,
};
OBJECT_TYPE_REGISTER(nvme_type)
