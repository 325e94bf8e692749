/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a tap comes to be on the host, and the programs that are called for it. Waits for them;
 * in a task (util/task.h) the machine goes on meanwhile. */
#ifndef NET_TAP_HOST_H
#define NET_TAP_HOST_H

#include <glib.h>
#include <stdbool.h>

/* What is called if a user names nothing else, and only if it is there. */
#define TAP_UP_SCRIPT   "/etc/qemu-ifup"
#define TAP_DOWN_SCRIPT "/etc/qemu-ifdown"
#define TAP_HELPER      "/usr/lib/qemu/qemu-bridge-helper"
#define TAP_BRIDGE      "br0"

/* A tap called @ifname, or by the next free name of the kernel's if that is NULL; with headers
 * before packets if @vnet_hdr; one of several queues, each by a call, if @several. A descriptor,
 * the caller's; -1 with an error. */
int tap_host_make(const char *ifname, bool vnet_hdr, bool several, GError **errp);
/* From @helper (NULL: TAP_HELPER), called with --fd=N --br=@bridge (NULL: TAP_BRIDGE), which sends
 * the tap over socket N. A descriptor; -1 with an error. */
int tap_host_from_helper(const char *helper, const char *bridge, GError **errp);
/* Call @script with @ifname; NULL, and @usual itself: @usual, if it is there; "no": nothing. False
 * with an error if it fails. */
bool tap_host_run(const char *script, const char *usual, const char *ifname, GError **errp);

#endif
