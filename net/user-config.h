/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of -netdev user, as libslirp wants them. Nothing here keeps anything. */
#ifndef NET_USER_CONFIG_H
#define NET_USER_CONFIG_H

#include <libslirp.h>

#include "qapi/qapi-types.h"

/* Fill *@config, whose strings are those of @options; *@domains, the caller's, is dnssearch. */
bool user_config(const NetdevUserOptions *options, SlirpConfig *config, GPtrArray **domains,
                 GError **errp);

/* A port of the host that leads to the guest; from "[tcp|udp]:[ADDR]:PORT-[ADDR]:PORT", or, without
 * @guest, from what is before the dash. */
typedef struct HostForward {
    bool udp;
    struct in_addr host_addr, guest_addr; /* 0: all of ours; the first that DHCP gives */
    int host_port, guest_port;
} HostForward;
bool user_config_host_forward(const char *text, bool guest, HostForward *forward, GError **errp);

/* An address of the guest's network and what its connections lead to; from
 * "[tcp]:ADDR:PORT-TARGET". */
typedef struct GuestForward {
    struct in_addr addr;
    int port;
    const char *target; /* in @text */
} GuestForward;
bool user_config_guest_forward(const char *text, GuestForward *forward, GError **errp);

#endif
