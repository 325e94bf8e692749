/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engines that there are, and the choice of one of them: what the command line needs. Engines
 * and those who use the one that was chosen need accel.h alone.
 */
#ifndef ACCEL_CHOOSE_H
#define ACCEL_CHOOSE_H

#include "accel/accel.h"
#include "qapi/qapi-types.h"

/* Before accel_choose(): options of one engine, whichever is chosen then. */
bool accel_set_options(const EngineOptions *given, GError **errp);
/* The same as kernel-irqchip= of KVM. */
void accel_set_kernel_irqchip(OnOffSplit where);

/* "soft", "tcg", "kvm", "qtest"; unknown names give an error that lists those there are. */
const AccelOps *accel_find(const char *name, GError **errp);
/* Choose and initialise: the first of @names ("a:b:c" as in accel=) that works; NULL: DESIGN
 * decision 6. A name that no engine ever had is an error, wherever it stands. */
bool accel_choose(const char *names, GError **errp);
/* Text for `-accel help`; g_free. */
char *accel_help(void);
/* Text for `-accel NAME,help`; g_free. NULL: there is no such engine. */
char *accel_help_options(const char *engine, GError **errp);

#endif
