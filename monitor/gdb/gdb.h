/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server for GDB's remote protocol ("Debugging with GDB", appendix "GDB Remote Serial Protocol"):
 * the guest's CPUs are the threads of one process. All of them stop together. Main thread, machine
 * lock.
 */
#ifndef MONITOR_GDB_GDB_H
#define MONITOR_GDB_GDB_H

#include <glib.h>
#include <stdbool.h>

#define GDB_DEFAULT_DEVICE "tcp::1234"

/* Wait for a client on @device: as in -serial, where "tcp:" and "unix:" listen and do not hold the
 * start up unless they say otherwise. It takes the place of the server that there was, which on an
 * error goes on, unless it had the same address. "none": only that one's end. */
bool gdb_server_start(const char *device, GError **errp);
/* At exit: a client is told, and the server ends. */
void gdb_server_cleanup(void);

#endif
