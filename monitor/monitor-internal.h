/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two kinds of monitors, for the files of monitor/ only.
 */
#ifndef MONITOR_MONITOR_INTERNAL_H
#define MONITOR_MONITOR_INTERNAL_H

#include "chardev/char.h"

typedef struct QmpMonitor QmpMonitor;
typedef struct HmpMonitor HmpMonitor;

QmpMonitor *qmp_monitor_new(Chardev *chr, bool pretty, GError **errp);
void qmp_monitor_free(QmpMonitor *mon);
HmpMonitor *hmp_monitor_new(Chardev *chr, GError **errp);
void hmp_monitor_free(HmpMonitor *mon);

/* qmp_capabilities for the session whose command runs now. */
bool qmp_monitor_negotiated(GError **errp);

#endif
