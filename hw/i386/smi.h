/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware and the ICH9 agree on about SMIs (hw/core/smi.h) through three files of fw_cfg (the
 * interface is QEMU's): etc/smi/supported-features  u64, what the machine can do
 *   etc/smi/requested-features  u64, what firmware wants; it writes that
 *   etc/smi/features-ok         u8; when firmware selects it the request is looked at: 1, and from
 *                               then on until a reset it holds, or 0
 * Machine lock.
 */
#ifndef HW_I386_SMI_H
#define HW_I386_SMI_H

#include "hw/i386/fw-cfg.h"

#define TYPE_SMI_FEATURES "smi-features"

/* Features. */
#define SMI_BROADCAST     (UINT64_C(1) << 0) /* the command port's SMI goes to all processors */
#define SMI_CPU_HOTPLUG   (UINT64_C(1) << 1) /* a new one is told of by an SMI; needs broadcast */
#define SMI_CPU_HOTUNPLUG (UINT64_C(1) << 2) /* and one that goes; needs SMI_CPU_HOTPLUG */

/* What the DSDT then writes to the command port. */
#define SMI_COMMAND_CPUS 4

typedef struct SmiFeatures {
    Device parent;
    /* wiring */
    FwCfg *fw;
    /* configuration */
    uint64_t offered;
    /* state */
    uint64_t requested;
    uint64_t agreed; /* 0 while not ok */
    bool ok;
} SmiFeatures;
OBJECT_CAST_DEFINE(SmiFeatures, SMI_FEATURES, TYPE_SMI_FEATURES)

/* Make and realize it, with its files in @fw, for what is @offered. Belongs to the device tree. */
SmiFeatures *smi_features_create(FwCfg *fw, uint64_t offered);

#endif
