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
    CNS_SET_NAMESPACE = 0x05,
    CNS_SET_CONTROLLER = 0x06,
    CNS_SET_ACTIVE = 0x07,
    CNS_ALLOCATED = 0x10,
    CNS_ALLOCATED_NAMESPACE,
    CNS_CONTROLLERS_OF,
    CNS_CONTROLLERS,
    CNS_SETS = 0x1c,
};
enum { DESCRIPTOR_EUI64 = 1, DESCRIPTOR_UUID = 3, DESCRIPTOR_CSI = 4 };

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
    uint64_t blocks, capacity, unit;

    if (cmd->nsid == NVME_ALL_NAMESPACES) { /* what all have in common */
        id[128 + 2] = log2_of(BLOCK_SECTOR);
        return NVME_OK;
    }
    if (!ns) {
        return cmd->nsid >= 1 && cmd->nsid <= NVME_NAMESPACES ? NVME_OK : NVME_BAD_NAMESPACE;
    }
    blocks = nvme_ns_blocks(ns);
    capacity = ns->zones ? blocks / ns->zones->size * ns->zones->capacity : blocks;
    unit = MIN(block_conf_granularity(ns->conf) / ns->conf->logical - 1, UINT16_MAX);
    put(id + 0, blocks, 8); /* NSZE, NCAP, NUSE */
    put(id + 8, capacity, 8);
    put(id + 16, capacity, 8);
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
    return tell(nvme_active_ns(n, cmd->nsid), cmd, id);
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

static int csi_of(const NvmeNs *ns)
{
    return ns->zones ? NVME_CSI_ZONED : NVME_CSI_NVM;
}

/* Numbers above that of the command; @csi: of the namespaces of that command set, -1: of any. */
static NvmeStatus list(const Nvme *n, const NvmeCommand *cmd, bool all, int csi, uint8_t *id)
{
    unsigned count = 0;

    if (cmd->nsid >= NVME_ALL_NAMESPACES - 1) {
        return NVME_BAD_NAMESPACE;
    }
    for (uint32_t i = cmd->nsid + 1; i <= NVME_NAMESPACES; i++) {
        const NvmeNs *ns = all ? allocated(n, i) : nvme_active_ns(n, i);

        if (ns && (csi < 0 || csi_of(ns) == csi)) {
            put(id + 4 * count++, i, 4);
        }
    }
    return NVME_OK;
}

static NvmeStatus active(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return list(n, cmd, false, -1, id);
}

static NvmeStatus all_allocated(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return list(n, cmd, true, -1, id);
}

static NvmeStatus descriptors(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    static const uint8_t none[16];
    const NvmeNs *ns = nvme_active_ns(n, cmd->nsid);

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
        id += 4 + sizeof(ns->uuid);
    }
    id[0] = DESCRIPTOR_CSI;
    id[1] = 1;
    id[4] = (uint8_t)csi_of(ns);
    return NVME_OK;
}

/* ---- what is of one command set ---- */

static uint8_t csi_named(const NvmeCommand *cmd)
{
    return (uint8_t)(cmd->cdw11 >> 24);
}

static bool is_known(uint8_t csi)
{
    return csi == NVME_CSI_NVM || csi == NVME_CSI_ZONED;
}

static NvmeStatus set_namespace(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    const NvmeNs *ns = nvme_active_ns(n, cmd->nsid);

    if (!ns) {
        return cmd->nsid >= 1 && cmd->nsid <= NVME_NAMESPACES ? NVME_OK : NVME_BAD_NAMESPACE;
    }
    if (csi_named(cmd) != csi_of(ns)) {
        return NVME_BAD_FIELD;
    }
    if (ns->zones) { /* Zoned Namespace Command Set 1.1, section 4.1.5.1 */
        put(id + 2, ns->zones->cross_read, 2);               /* OZCS */
        put(id + 4, (uint64_t)ns->zones->max_active - 1, 4); /* MAR, MOR: all ones for no limit */
        put(id + 8, (uint64_t)ns->zones->max_open - 1, 4);
        put(id + 2816, ns->zones->size, 8); /* LBAFE 0: ZSZE, ZDES */
        id[2816 + 8] = (uint8_t)(ns->zones->extension / 64);
    }
    return NVME_OK;
}

static NvmeStatus set_controller(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    if (csi_named(cmd) == NVME_CSI_ZONED) {
        id[0] = n->zasl;
    }
    return is_known(csi_named(cmd)) ? NVME_OK : NVME_BAD_FIELD;
}

static NvmeStatus set_active(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    return is_known(csi_named(cmd)) ? list(n, cmd, false, csi_named(cmd), id) : NVME_BAD_FIELD;
}

/* Those that can be there together: one combination. */
static NvmeStatus sets(const Nvme *n, const NvmeCommand *cmd, uint8_t *id)
{
    put(id, 1 << NVME_CSI_NVM | 1 << NVME_CSI_ZONED, 8);
    return NVME_OK;
}

static NvmeStatus (*const structures[])(const Nvme *n, const NvmeCommand *cmd, uint8_t *id) = {
    [CNS_NAMESPACE] = namespace,
    [CNS_CONTROLLER] = controller,
    [CNS_ACTIVE] = active,
    [CNS_DESCRIPTORS] = descriptors,
    [CNS_SET_NAMESPACE] = set_namespace,
    [CNS_SET_CONTROLLER] = set_controller,
    [CNS_SET_ACTIVE] = set_active,
    [CNS_SETS] = sets,
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
