/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMIs of the chipset, and what firmware and the ICH9 agree on about them through three files of
 * fw_cfg (the interface is QEMU's):
 *   etc/smi/supported-features  u64, what the machine can do
 *   etc/smi/requested-features  u64, what firmware wants; it writes that
 *   etc/smi/features-ok         u8; when firmware selects it the request is looked at: 1, and from
 *                               then on until a reset it holds, or 0
 * Machine lock.
 */
#ifndef HW_I386_SMI_H
#define HW_I386_SMI_H

#include "hw/i386/fw-cfg.h"
#include "util/state.h"

/* Features. */
#define SMI_BROADCAST     (UINT64_C(1) << 0) /* the command port's SMI goes to all processors */
#define SMI_CPU_HOTPLUG   (UINT64_C(1) << 1) /* a new one is told of by an SMI; needs broadcast */
#define SMI_CPU_HOTUNPLUG (UINT64_C(1) << 2) /* and one that goes; needs SMI_CPU_HOTPLUG */

/* What the DSDT then writes to the command port. */
#define SMI_COMMAND_CPUS 4

typedef struct SmiFeatures {
    FwCfg *fw;        /* wiring; NULL: there is nothing to agree on */
    uint64_t offered; /* configuration */
    /* state */
    uint64_t requested;
    uint64_t agreed; /* 0 while not ok */
    bool ok;
} SmiFeatures;

extern const StateTable smi_features_state;

/* Make the files; @f, with what it offers set, lives as long as @fw. */
void smi_features_init(SmiFeatures *f, FwCfg *fw);
/* A reset, or the end of S3: nothing is agreed on. */
void smi_features_reset(SmiFeatures *f);

/* An SMI for every processor. */
void smi_raise_all(void);
/* For the one whose thread this is, which is accessing the chipset; in another thread for the
 * first. */
void smi_raise_current(void);
/* For the first. */
void smi_raise_first(void);

#endif
