/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the TPMs of the guest have in common: tpm-tis and tpm-crb are ways to get at one that is
 * behind them (backends/tpm.h). There is at most one; it is not plugged while the machine runs.
 * Machine lock.
 */
#ifndef HW_TPM_TPM_H
#define HW_TPM_TPM_H

#include "backends/tpm.h"
#include "hw/core/device.h"

#define TYPE_TPM     "tpm" /* abstract */
#define TYPE_TPM_TIS "tpm-tis"
#define TYPE_TPM_CRB "tpm-crb"

#define TPM_BASE                                                                    \
    0xfed40000u /* where PCs have it (TCG PC Client platform TPM profile 1.05, 6.1) \
                 */
#define TPM_TIS_SIZE 0x5000u
#define TPM_CRB_SIZE 0x1000u

/* The vendor and the device of what guests see. */
enum { TPM_VENDOR = 0x1014, TPM_DEVICE = 1, TPM_REVISION = 1 };

typedef struct Tpm {
    Device parent;
    /* configuration */
    char *tpmdev; /* property */
    /* wiring */
    TpmBackend *backend;
    TpmState saved; /* only while it is saved or loaded: in the table of each of the devices */
} Tpm;
OBJECT_CAST_DEFINE(Tpm, TPM, TYPE_TPM)

/* The machine's; NULL: it has none. Not before it is realized. */
Tpm *tpm_find(void);
static inline bool tpm_is_crb(const Tpm *tpm)
{
    return g_str_equal(object_typename(&tpm->parent.parent), TYPE_TPM_CRB);
}

/* To be called by realize and unrealize of each. */
bool tpm_realize(Tpm *tpm, TpmAnswered *answered, GError **errp);
void tpm_unrealize(Tpm *tpm);

#endif
