/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/user-config.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>

#include "util/error.h"
#include "util/parse.h"

/* ---- IPv4 ---- */

static bool parse_ipv4(const char *key, const char *text, struct in_addr *addr, GError **errp)
{
    if (inet_pton(AF_INET, text, addr) != 1) {
        error_set(errp, "%s=%s is not right: expects an IPv4 address, as in 10.0.2.2", key, text);
        return false;
    }
    return true;
}

/* ADDRESS/BITS, or /MASK, or ADDRESS with the bits of its class. */
static bool parse_net(const char *text, struct in_addr *net, struct in_addr *mask, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    uint64_t bits;

    if (!parts[0] || !parse_ipv4("net", parts[0], net, errp)) {
        return false;
    }
    uint32_t addr = ntohl(net->s_addr);
    if (parts[1] && strchr(parts[1], '.')) {
        if (!parse_ipv4("net", parts[1], mask, errp)) {
            return false;
        }
    } else {
        bits = !(addr & 1u << 31) ? 8 : (addr >> 28) == 0xa ? 12 : (addr >> 30) == 2 ? 16 : 24;
        if (parts[1] && (!parse_uint(parts[1], 30, &bits) || bits < 8)) {
            error_set(errp, "net=%s is not right: expects ADDRESS/BITS with 8 to 30 bits", text);
            return false;
        }
        mask->s_addr = htonl(UINT32_MAX << (32 - bits));
    }
    net->s_addr &= mask->s_addr;
    return true;
}

/* An address of the network: @text, or number @number of it. */
static bool address_within(const char *key, const char *text, uint32_t number,
                           const SlirpConfig *config, struct in_addr *addr, GError **errp)
{
    addr->s_addr = config->vnetwork.s_addr | (htonl(number) & ~config->vnetmask.s_addr);
    if (!text) {
        return true;
    }
    if (!parse_ipv4(key, text, addr, errp)) {
        return false;
    }
    if ((addr->s_addr & config->vnetmask.s_addr) != config->vnetwork.s_addr) {
        g_autofree char *net = g_strdup(inet_ntoa(config->vnetwork));

        error_set(errp, "%s=%s is not in the guest's network, which begins at %s (net=)", key, text,
                  net);
        return false;
    }
    return true;
}

static bool config_ipv4(const NetdevUserOptions *o, SlirpConfig *config, GError **errp)
{
    if (!parse_net(o->net ? o->net : "10.0.2.0/24", &config->vnetwork, &config->vnetmask, errp) ||
        !address_within("host", o->host, 2, config, &config->vhost, errp) ||
        !address_within("dns", o->dns, 3, config, &config->vnameserver, errp) ||
        !address_within("dhcpstart", o->dhcpstart, 15, config, &config->vdhcp_start, errp)) {
        return false;
    }
    if (config->vhost.s_addr == config->vnameserver.s_addr ||
        config->vhost.s_addr == config->vdhcp_start.s_addr ||
        config->vnameserver.s_addr == config->vdhcp_start.s_addr) {
        error_set(errp, "host=, dns= and dhcpstart= must be different addresses");
        return false;
    }
    return true;
}

/* ---- IPv6 ---- */

static bool parse_ipv6(const char *key, const char *text, struct in6_addr *addr, GError **errp)
{
    if (inet_pton(AF_INET6, text, addr) != 1) {
        error_set(errp, "%s=%s is not right: expects an IPv6 address, as in fec0::2", key, text);
        return false;
    }
    return true;
}

static bool address6_within(const char *key, const char *text, uint8_t number,
                            const SlirpConfig *config, struct in6_addr *addr, GError **errp)
{
    *addr = config->vprefix_addr6;
    addr->s6_addr[15] |= number;
    if (!text) {
        return true;
    }
    if (!parse_ipv6(key, text, addr, errp)) {
        return false;
    }
    for (unsigned bit = 0; bit < config->vprefix_len; bit++) {
        if ((addr->s6_addr[bit / 8] ^ config->vprefix_addr6.s6_addr[bit / 8]) >> (7 - bit % 8) &
            1) {
            error_set(errp, "%s=%s is not in the guest's network (ipv6-prefix=)", key, text);
            return false;
        }
    }
    return true;
}

static bool config_ipv6(const NetdevUserOptions *o, SlirpConfig *config, GError **errp)
{
    int64_t bits = o->has_ipv6_prefixlen ? o->ipv6_prefixlen : 64;

    if (bits < 0 || bits > 126) {
        error_set(errp, "ipv6-prefixlen=%" PRId64 " is not right: expects 0 to 126", bits);
        return false;
    }
    config->vprefix_len = (uint8_t)bits;
    return parse_ipv6("ipv6-prefix",
                      o->ipv6_prefix ? o->ipv6_prefix : "fec0::", &config->vprefix_addr6, errp) &&
           address6_within("ipv6-host", o->ipv6_host, 2, config, &config->vhost6, errp) &&
           address6_within("ipv6-dns", o->ipv6_dns, 3, config, &config->vnameserver6, errp);
}

/* ---- all of it ---- */

static bool check_length(const char *key, const char *text, size_t most, GError **errp)
{
    if (text && strlen(text) > most) {
        error_set(errp, "%s= is too long: DHCP takes %zu bytes", key, most);
        return false;
    }
    return true;
}

static GPtrArray *domains_of(const NetdevUserOptions *o)
{
    GPtrArray *domains = g_ptr_array_new();

    for (guint i = 0; o->dnssearch && i < o->dnssearch->len; i++) {
        g_ptr_array_add(domains, ((const String *)o->dnssearch->pdata[i])->str);
    }
    g_ptr_array_add(domains, NULL);
    return domains;
}

bool user_config(const NetdevUserOptions *o, SlirpConfig *config, GPtrArray **domains,
                 GError **errp)
{
    bool only4 = o->has_ipv4 && o->ipv4 && !o->has_ipv6;
    bool only6 = o->has_ipv6 && o->ipv6 && !o->has_ipv4;

    *config = (SlirpConfig){ .version = SLIRP_CONFIG_VERSION_MAX,
                             .restricted = o->q_restrict,
                             .in_enabled = o->has_ipv4 ? o->ipv4 : !only6,
                             .in6_enabled = o->has_ipv6 ? o->ipv6 : !only4,
                             .vhostname = o->hostname,
                             .tftp_server_name = o->tftp_server_name,
                             .tftp_path = o->tftp,
                             .bootfile = o->bootfile,
                             .vdomainname = o->domainname };
    if (o->smb || o->smbserver) {
        error_set(
            errp,
            "smb= is not possible: no server of files is started; the guest reaches one of the "
            "host's at the address of host=, and guestfwd= leads to a program");
        return false;
    }
    if (!config->in_enabled && !config->in6_enabled) {
        error_set(errp, "ipv4=off and ipv6=off leave nothing; leave one of them out");
        return false;
    }
    if (!check_length("hostname", o->hostname, 32, errp) ||
        !check_length("domainname", o->domainname, 255, errp) ||
        !check_length("bootfile", o->bootfile, 127, errp) ||
        !check_length("tftp-server-name", o->tftp_server_name, 255, errp) ||
        !config_ipv4(o, config, errp) || !config_ipv6(o, config, errp)) {
        return false;
    }
    *domains = domains_of(o);
    config->vdnssearch = (*domains)->len > 1 ? (const char **)(*domains)->pdata : NULL;
    return true;
}

/* ---- forwards ---- */

static bool parse_place(const char *text, struct in_addr *addr, int *port, unsigned first)
{
    g_auto(GStrv) parts = g_strsplit(text, ":", -1);
    uint64_t value;

    addr->s_addr = 0;
    if (g_strv_length(parts) != 2 || (*parts[0] && inet_pton(AF_INET, parts[0], addr) != 1) ||
        !parse_uint(parts[1], UINT16_MAX, &value) || value < first) {
        return false;
    }
    *port = (int)value;
    return true;
}

bool user_config_host_forward(const char *text, bool guest, HostForward *forward, GError **errp)
{
    g_auto(GStrv) sides = g_strsplit(text, "-", 2);
    const char *host = sides[0] ? strchr(sides[0], ':') : NULL;
    size_t protocol = host ? (size_t)(host - sides[0]) : 0;

    *forward = (HostForward){ .udp = protocol == 3 && strncmp(text, "udp", 3) == 0 };
    if (!host || (protocol && !forward->udp && (protocol != 3 || strncmp(text, "tcp", 3) != 0)) ||
        !parse_place(host + 1, &forward->host_addr, &forward->host_port, guest ? 0 : 1) ||
        (guest ? !sides[1] || !parse_place(sides[1], &forward->guest_addr, &forward->guest_port, 1)
               : sides[1] != NULL)) {
        error_set(errp, "'%s' is not right: expects [tcp|udp]:[HOSTADDR]:HOSTPORT%s", text,
                  guest ? "-[GUESTADDR]:GUESTPORT" : "");
        return false;
    }
    return true;
}

bool user_config_guest_forward(const char *text, GuestForward *forward, GError **errp)
{
    const char *place = g_str_has_prefix(text, "tcp:") ? text + 4 : text[0] == ':' ? text + 1 : "";
    const char *dash = strchr(place, '-');
    g_autofree char *left = g_strndup(place, dash ? (size_t)(dash - place) : 0);

    if (!dash || !dash[1] || !parse_place(left, &forward->addr, &forward->port, 1) ||
        !forward->addr.s_addr) {
        error_set(errp,
                  "guestfwd=%s is not right: expects [tcp]:ADDR:PORT-cmd:COMMAND, or "
                  "[tcp]:ADDR:PORT-CHARDEV with what -serial takes",
                  text);
        return false;
    }
    forward->target = dash + 1;
    return true;
}
