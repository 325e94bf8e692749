/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Monitors: QMP (JSON, for programs) and HMP (lines of text, for people) on character devices.
 *
 * A monitor lives as long as the program; each client that connects to its chardev begins a fresh
 * session. Machine lock for everything; commands run in the main loop.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "chardev/char.h"

/* A monitor on @chr: QMP if @qmp (indented if @pretty), else HMP. Errors: @chr is in use. */
bool monitor_new(Chardev *chr, bool qmp, bool pretty, GError **errp);

/* Does the `quit` of a client wait to be read? For a thread that finds that the main thread, which
 * would read it, waits for something itself. No lock. */
bool monitor_quit_waits(void);

/* End every session and free the monitors; at exit, before chardev_cleanup(), or after a test. */
void monitor_cleanup(void);

#endif
