/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -tpmdev. */
#include "backends/tpm.h"
#include "system/options-more.h"

bool option_apply_tpmdev(Startup *startup, const void *parsed, GError **errp)
{
    return tpm_backend_add(parsed, errp) != NULL;
}
