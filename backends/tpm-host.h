/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TPM of the host, a file of its kernel's. While the TPM works, nothing can be asked of that file
 * without a wait, not even poll(): threads do so, which take no lock. Commands go to them by a
 * channel, and come back as answers.
 */
#ifndef BACKENDS_TPM_HOST_H
#define BACKENDS_TPM_HOST_H

#include <glib.h>

typedef struct TpmHost TpmHost;

/* Open the TPM @path, and @cancel_path, by which commands are cancelled, unless it is NULL.
 * *@channel is ours, does not block, and takes a whole command or gives a whole answer at a time;
 * when the TPM has gone, or says what nobody asked, it ends. */
TpmHost *tpm_host_open(const char *path, const char *cancel_path, int *channel, GError **errp);
/* Ask the TPM to end what it works on soon. */
void tpm_host_cancel(TpmHost *host);
/* The channel is closed already. What the TPM works on goes on, and nobody hears of it. */
void tpm_host_close(TpmHost *host);

#endif
