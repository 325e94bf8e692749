/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -preconfig: the program waits, with /machine made but not initialised, for a QMP client that
 * configures it further and then leaves this state (x-exit-preconfig). Meanwhile only commands that
 * the schema allows work. Main thread, machine lock.
 */
#ifndef HW_CORE_PRECONFIG_H
#define HW_CORE_PRECONFIG_H

#include <glib.h>
#include <stdbool.h>

/* Enter the state; @finish(@opaque) makes the rest of the machine and starts it. */
void preconfig_enter(bool (*finish)(void *opaque, GError **errp), void *opaque);
bool preconfig_active(void);
/* Leave it. After a failure the machine cannot be made any more: the program ends, with status 1
 * and the message on stderr. */
bool preconfig_exit(GError **errp);

#endif
