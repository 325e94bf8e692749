/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Identify (section 5.15). */
#include <stdio.h>
#include <string.h>

#include "hw/nvme/nvme.h"

enum {
    CNS_NAMESPACE,
    CNS_CONTROLLER,
    CNS_ACTIVE,
    CNS_DESCRIPTORS,
    CNS_ALLOCATED = 0x10,
    CNS_ALLOCATED_NAMESPACE,
    CNS_CONTROLLERS_OF,
    CNS_CONTROLLERS
};
enum { DESCRIPTOR_EUI64 = 1, DESCRIPTOR_UUID = 3 };

#define MODEL "QEMU NVMe Ctrl"

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    memcpy(to, &value, bytes);
}

/* ASCII fields are padded with blanks. */
static void put_text(uint8_t *to, const char *text, size_t size)
{
    size_t length = MIN(strlen(text), size);

    memset(to, ' ', size);
    memcpy(to, text, length);
}

static uint8_t log2_of(uint64_t value)
{
    return (uint8_t)(63 - __builtin_clzll(value));
}

/* ---- the controller ---- */

static void put_name(const Nvme *n, char name[256])
{
    const NvmeSubsys *subsys = nvme_subsys(n);
    const char *end = !subsys ? n->conf.serial : subsys->nqn ? subsys->nqn : subsys->parent.id;

    snprintf(name, 256, "nqn.2019-08.org.qemu:%s", end ? end : "");
}

static NvmeStatus controller(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    put(id + 0, pci_get_word(&n->parent, PCI_VENDOR_ID), 2);
    put(id + 2, pci_get_word(&n->parent, PCI_SUBSYSTEM_VENDOR_ID), 2);
    put_text(id + 4, n->conf.serial, NVME_SERIAL_MAX);
    put_text(id + 24, MODEL, 40);
    put_text(id + 64, NVME_FIRMWARE, 8);
    id[72] = 6;                      /* RAB: commands in a burst, as a power of 2 */
    put(id + 73, 0x005452, 3);       /* IEEE: 52:54:00 */
    id[76] = n->subsys ? 1 << 1 : 0; /* CMIC: there may be several controllers */
    id[77] = n->mdts;
    put(id + 78, n->number, 2);
    put(id + 80, NVME_VERSION, 4);
    put(id + 92, 1 << 8, 4);                    /* OAES: namespaces that change are told of */
    put(id + 256, n->subsys ? 1 << 3 : 0, 2);   /* OACS: namespaces are attached */
    id[258] = 3;                                /* ACL: four aborts */
    id[259] = NVME_EVENTS_MAX - 1;              /* AERL */
    id[260] = 1 << 1 | 1;                       /* FRMW: one slot, which is only read */
    id[261] = 1 << 1 | 1 << 2;                  /* LPA: effects, and long pages */
    put(id + 266, 343, 2);                      /* WCTEMP: 70 degrees Celsius */
    put(id + 268, 373, 2);                      /* CCTEMP */
    id[512] = 0x66;                             /* SQES: 64 bytes */
    id[513] = 0x44;                             /* CQES: 16 bytes */
    put(id + 516, NVME_NAMESPACES, 4);          /* NN */
    put(id + 520, 1 << 2 | 1 << 3 | 1 << 6, 2); /* ONCS: dataset, zeros, timestamp */
    id[525] = 1 | 3 << 1; /* VWC: there is one, and all can be flushed at once */
    put_name(n, (char *)id + 768);
    put(id + 2048, 2500, 2); /* one power state of 25 W */
    return NVME_OK;
}

/* ---- namespaces ---- */

/* All that there are, whoever has them; NULL: none of that number. */
static const NvmeNs *allocated(const Nvme *n, uint32_t nsid)
{
    return !n->subsys                             ? nvme_ns(n, nsid)
           : nsid >= 1 && nsid <= NVME_NAMESPACES ? nvme_subsys(n)->ns[nsid - 1]
                                                  : NULL;
}

static NvmeStatus tell(const NvmeNs *ns, const NvmeCommand *cmd, uint8_t *id)
{
    uint64_t blocks, unit;

    if (cmd->nsid == NVME_ALL_NAMESPACES) { /* what all have in common */
        id[128 + 2] = log2_of(BLOCK_SECTOR);
        return NVME_OK;
    }
    if (!ns) {
        return cmd->nsid >= 1 && cmd->nsid <= NVME_NAMESPACES ? NVME_OK : NVME_BAD_NAMESPACE;
    }
    blocks = nvme_ns_blocks(ns);
    unit = MIN(block_conf_granularity(ns->conf) / ns->conf->logical - 1, UINT16_MAX);
    put(id + 0, blocks, 8); /* NSZE, NCAP, NUSE */
    put(id + 8, blocks, 8);
    put(id + 16, blocks, 8);
    id[30] = ns->shared;   /* NMIC */
    id[24] = 1 << 4;       /* NSFEAT: granularities follow */
    put(id + 64, unit, 2); /* NPWG, NPWA, NPDG, NPDA */
    put(id + 66, unit, 2);
    put(id + 68, unit, 2);
    put(id + 70, unit, 2);
    id[99] = ns->conf->backend->writable ? 0 : 1; /* NSATTR: write-protected */
    for (unsigned i = 0; i < 8; i++) {            /* EUI64, the high byte first */
        id[120 + i] = (uint8_t)(ns->eui64 >> 8 * (7 - i));
    }
    id[128 + 2] = log2_of(ns->conf->logical);
    return NVME_OK;
}

static NvmeStatus namespace(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return tell(nvme_ns(n, cmd->nsid), cmd, id);
}

static NvmeStatus allocated_namespace(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return cmd->nsid == NVME_ALL_NAMESPACES ? NVME_BAD_NAMESPACE
                                            : tell(allocated(n, cmd->nsid), cmd, id);
}

/* Numbers of controllers from that of the command on; of those that have @nsid, or, 0, of all. */
static NvmeStatus controllers(const Nvme *n, const NvmeCommand *cmd, uint32_t nsid, uint8_t *id)
{
    const NvmeSubsys *subsys = nvme_subsys(n);
    unsigned count = 0;

    if (!subsys) {
        return NVME_BAD_FIELD;
    }
    for (unsigned i = cmd->cdw10 >> 16; i < NVME_CONTROLLERS; i++) {
        if (subsys->controllers[i] && (!nsid || nvme_ns(subsys->controllers[i], nsid))) {
            put(id + 2 + 2 * count++, i, 2);
        }
    }
    put(id, count, 2);
    return NVME_OK;
}

static NvmeStatus controllers_of(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return n->subsys && !allocated(n, cmd->nsid) ? NVME_BAD_FIELD
                                                 : controllers(n, cmd, cmd->nsid, id);
}

static NvmeStatus all_controllers(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return controllers(n, cmd, 0, id);
}

/* Numbers above that of the command. */
static NvmeStatus list(const Nvme *n, const NvmeCommand *cmd, bool all, uint8_t *id)
{
    unsigned count = 0;

    if (cmd->nsid >= NVME_ALL_NAMESPACES - 1) {
        return NVME_BAD_NAMESPACE;
    }
    for (uint32_t i = cmd->nsid + 1; i <= NVME_NAMESPACES; i++) {
        if (all ? allocated(n, i) : nvme_ns(n, i)) {
            put(id + 4 * count++, i, 4);
        }
    }
    return NVME_OK;
}

static NvmeStatus active(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return list(n, cmd, false, id);
}

static NvmeStatus all_allocated(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return list(n, cmd, true, id);
}

static NvmeStatus descriptors(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    static const uint8_t none[16];
    const NvmeNs *ns = nvme_ns(n, cmd->nsid);

    if (!ns) {
        return NVME_BAD_NAMESPACE;
    }
    if (ns->eui64) {
        id[0] = DESCRIPTOR_EUI64;
        id[1] = 8;
        for (unsigned i = 0; i < 8; i++) {
            id[4 + i] = (uint8_t)(ns->eui64 >> 8 * (7 - i));
        }
        id += 4 + 8;
    }
    if (memcmp(ns->uuid, none, sizeof(none))) {
        id[0] = DESCRIPTOR_UUID;
        id[1] = sizeof(ns->uuid);
        memcpy(id + 4, ns->uuid, sizeof(ns->uuid));
    }
    return NVME_OK;
}

static NvmeStatus (*const structures[])(const Nvme *n, const NvmeCommand *cmd, uint8_t *id) = {
    [CNS_NAMESPACE] = namespace,
    [CNS_CONTROLLER] = controller,
    [CNS_ACTIVE] = active,
    [CNS_DESCRIPTORS] = descriptors,
    [CNS_ALLOCATED] = all_allocated,
    [CNS_ALLOCATED_NAMESPACE] = allocated_namespace,
    [CNS_CONTROLLERS_OF] = controllers_of,
    [CNS_CONTROLLERS] = all_controllers,
};

NvmeStatus nvme_identify(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    unsigned cns = cmd->cdw10 & 0xff;
    uint8_t id[NVME_DATA_PAGE] = { 0 };
    NvmeStatus status = cns < G_N_ELEMENTS(structures) && structures[cns]
                            ? structures[cns](n, cmd, id)
                            : NVME_BAD_FIELD;

    return status == NVME_OK ? nvme_copy(n, cmd, id, sizeof(id), true) : status;
}
