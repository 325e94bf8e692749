/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What other commands ask about dumps. Main thread. */
#ifndef MONITOR_COMMANDS_DUMP_H
#define MONITOR_COMMANDS_DUMP_H

#include <stdbool.h>

/* A dump is being written: the machine must not run before it is through. */
bool dump_active(void);

#endif
