/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many pages each vCPU changes, counted (accel/dirty-pace.h) as long as somebody wants to know:
 * a page counts once a period. Machine lock.
 */
#ifndef MIGRATION_DIRTY_COUNT_H
#define MIGRATION_DIRTY_COUNT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpu.h"

#define DIRTY_COUNT_PERIOD_MS 1000u /* if nobody has said another one */

/* Begin, or go on; an error if the engine cannot tell who changes what. */
bool dirty_count_use(GError **errp);
/* As often as it began. */
void dirty_count_unuse(void);
/* How long a period is, from the next one on. */
void dirty_count_set_period(unsigned ms);
/* MiB a second that @cpu has changed in the last period; 0: none is over. */
uint64_t dirty_count_rate(const X86Cpu *cpu);

#endif
