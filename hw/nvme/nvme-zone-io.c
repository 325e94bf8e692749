/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands for zones that ask the backends for nothing (section 3.4 of the Zoned Namespace Command
 * Set 1.1). */
#include "hw/nvme/nvme.h"

#define REPORT_MAX (64u << 20) /* bytes of a report that are put together */
#define REPORT_MIN 64u

/* Of all zones only what comes first is told if it is said that there may be less than all. */
NvmeStatus nvme_zone_receive(Nvme *n, const NvmeCommand *cmd, NvmeNs *ns)
{
    uint64_t lba = (uint64_t)cmd->cdw11 << 32 | cmd->cdw10, size = 4 * ((uint64_t)cmd->cdw12 + 1);
    unsigned report = cmd->cdw13 & 0xff, filter = cmd->cdw13 >> 8 & 0xff;
    g_autofree uint8_t *buf = NULL;
    NvmeStatus status;

    if (report > NVME_ZONE_REPORT_EXTENDED || size < REPORT_MIN || size > nvme_data_max(n) ||
        (report == NVME_ZONE_REPORT_EXTENDED && !ns->zones->extension)) {
        return NVME_BAD_FIELD;
    }
    if (lba >= nvme_ns_blocks(ns)) {
        return NVME_BAD_LBA;
    }
    size = MIN(size, nvme_zones_report_size(ns->zones, report, lba));
    if (size > REPORT_MAX) {
        return NVME_BAD_FIELD;
    }
    buf = g_malloc0(size);
    status = nvme_zones_report(ns->zones, report, lba, filter, cmd->cdw13 & NVME_ZONE_PARTIAL, buf,
                               size);
    return status == NVME_OK ? nvme_copy(n, cmd, buf, size, true) : status;
}

static NvmeStatus extend(Nvme *n, const NvmeCommand *cmd, NvmeNs *ns, NvmeZone *zone)
{
    g_autofree uint8_t *data = g_malloc0(MAX(ns->zones->extension, 1));
    NvmeStatus status;

    if (!zone || !ns->zones->extension) {
        return NVME_BAD_FIELD;
    }
    status = nvme_copy(n, cmd, data, ns->zones->extension, false);
    return status == NVME_OK ? nvme_zones_extend(ns->zones, zone, data) : status;
}

NvmeStatus nvme_zone_named(NvmeNs *ns, const NvmeCommand *cmd, NvmeZone **zone)
{
    uint64_t lba = (uint64_t)cmd->cdw11 << 32 | cmd->cdw10;

    *zone = NULL;
    if (cmd->cdw13 & NVME_ZONE_SELECT_ALL) {
        return NVME_OK;
    }
    if (lba >= nvme_ns_blocks(ns)) {
        return NVME_BAD_LBA;
    }
    *zone = nvme_zones_at(ns->zones, lba);
    return *zone ? NVME_OK : NVME_BAD_FIELD;
}

NvmeStatus nvme_zone_send(Nvme *n, const NvmeCommand *cmd, NvmeNs *ns)
{
    unsigned action = cmd->cdw13 & 0xff;
    NvmeZone *zone;
    NvmeStatus status = nvme_zone_named(ns, cmd, &zone);

    if (status != NVME_OK) {
        return status;
    }
    return action == NVME_ZONE_SET_EXTENSION
               ? extend(n, cmd, ns, zone)
               : nvme_zones_send(ns->zones, action, zone, n->auto_transition);
}
