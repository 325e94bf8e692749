/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two kinds of monitors, for the files of monitor/ only.
 */
#ifndef MONITOR_MONITOR_INTERNAL_H
#define MONITOR_MONITOR_INTERNAL_H

#include <json-c/json.h>

#include "chardev/char.h"

typedef struct QmpMonitor QmpMonitor;
typedef struct HmpMonitor HmpMonitor;

QmpMonitor *qmp_monitor_new(Chardev *chr, bool pretty, GError **errp);
void qmp_monitor_free(QmpMonitor *mon);
void qmp_monitor_resume(QmpMonitor *mon); /* monitors_held() was true and is not any more */
const CharFrontend *qmp_monitor_frontend(const QmpMonitor *mon);
HmpMonitor *hmp_monitor_new(Chardev *chr, GError **errp);
void hmp_monitor_free(HmpMonitor *mon);
void hmp_monitor_resume(HmpMonitor *mon);
const CharFrontend *hmp_monitor_frontend(const HmpMonitor *mon);
/* Has a client of one of these sent `quit`, and nobody has read it? A thread other than the main
 * one, which stands. */
bool monitors_sent_quit(const GPtrArray *qmp, const GPtrArray *hmp);

/* A command in band waits for something (util/task.h): others in band, of all monitors, are held
 * back until it has ended. */
void monitors_hold(void);
void monitors_release(void);
bool monitors_held(void);

/* An error while the machine is being migrated: what is there is part of what both ends agree on.
 */
bool monitor_check_settled(GError **errp);

/* device_add of all monitors. Also while a machine waits with -incoming defer: what is plugged then
 * is there for the one that comes. @props is borrowed. */
bool monitor_device_add(struct json_object *props, GError **errp);

/* @command without what is secret, for the log; g_free. */
char *qmp_trace_text(struct json_object *command);

/* ---- the QMP session whose command runs now; outside of one, errors ---- */

/* Its qmp_capabilities; @oob: the client wants out-of-band execution. */
bool qmp_session_negotiated(bool oob, GError **errp);
/* The descriptor that came with the command; the caller's from now on. -1: none came. */
int qmp_session_take_fd(GError **errp);
/* getfd: give @fd, the session's from now on, a name, which replaces an older one. */
bool qmp_session_name_fd(const char *name, int fd, GError **errp);
/* The descriptor of that name, whose name is gone and which is the caller's from now on; -1. */
int qmp_session_take_named_fd(const char *name, GError **errp);

#endif
