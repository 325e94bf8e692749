/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -sandbox: a seccomp filter that keeps a guest that broke out of its devices from system calls
 * that no emulator needs. What is forbidden is a list (sandbox.c); all else is allowed.
 */
#ifndef SYSTEM_SANDBOX_H
#define SYSTEM_SANDBOX_H

#include <glib.h>
#include <stdbool.h>

#include "qapi/qapi-types.h"

typedef struct Sandbox {
    bool enable;
    bool deny_obsolete, deny_spawn, deny_resource_control;
    SandboxPrivileges privileges;
} Sandbox;

/* "on|off[,obsolete=allow|deny][,elevateprivileges=allow|deny|children][,spawn=allow|deny]
 * [,resourcecontrol=allow|deny]"; obsolete=deny is the default, else allow. */
bool sandbox_parse(Sandbox *sandbox, const char *text, GError **errp);

/* Install the filter, for all threads there are and will be; it cannot be taken off. Last thing
 * before the machine runs. Nothing if it is not enabled. */
bool sandbox_install(const Sandbox *sandbox, GError **errp);

#endif
