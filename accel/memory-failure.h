/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory that the host loses while it is in use: a file behind it became shorter, or the
 * hardware failed. Whoever touches it, vCPU or device, finds zeros there instead, the machine stops
 * with the status internal-error, and MEMORY_FAILURE is sent.
 */
#ifndef ACCEL_MEMORY_FAILURE_H
#define ACCEL_MEMORY_FAILURE_H

#include <glib.h>
#include <stdbool.h>

/* Catch SIGBUS from now on; main thread, machine lock, once. */
bool memory_failure_init(GError **errp);
/* Send the event: an engine has found memory lost, and stops the machine. Machine lock. */
void memory_failure_send(void);

#endif
