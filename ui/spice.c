/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <netdb.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "qapi/qapi-events.h"
#include "ui/spice-internal.h"
#include "util/error.h"

static SpiceServer *server; /* NULL: there is none */
static SpiceServer *local;  /* listens nowhere: draws what cards show; NULL: there is none */
static struct {
    char *addr;              /* owned; or NULL */
    unsigned port, tls_port; /* 0: none */
    bool without_password;
} options;
static GPtrArray *channels; /* of SpiceChannelEventInfo: those that work */
static char *password;
static int64_t expiry = INT64_MAX;

/* ---- addresses ---- */

typedef struct Place {
    char host[NI_MAXHOST], port[NI_MAXSERV];
    NetworkAddressFamily family;
} Place;

static Place place_of(const struct sockaddr_storage *addr, socklen_t len)
{
    Place place = { .family = NETWORK_ADDRESS_FAMILY_UNKNOWN };

    if (addr->ss_family == AF_UNIX) {
        place.family = NETWORK_ADDRESS_FAMILY_UNIX;
        if (len > offsetof(struct sockaddr_un, sun_path)) {
            g_strlcpy(place.host, ((const struct sockaddr_un *)addr)->sun_path,
                      sizeof(((struct sockaddr_un *)0)->sun_path));
        }
    } else if (!getnameinfo((const struct sockaddr *)addr, len, place.host, sizeof(place.host),
                            place.port, sizeof(place.port), NI_NUMERICHOST | NI_NUMERICSERV)) {
        place.family =
            addr->ss_family == AF_INET ? NETWORK_ADDRESS_FAMILY_IPV4 : NETWORK_ADDRESS_FAMILY_IPV6;
    }
    return place;
}

static const char *auth_name(void)
{
    return options.without_password ? "none" : "spice";
}

static SpiceChannel *describe(const SpiceChannelEventInfo *info)
{
    SpiceChannel *channel = g_new0(SpiceChannel, 1);
    const Place peer = place_of(&info->paddr_ext, info->plen_ext);

    channel->host = g_strdup(peer.host);
    channel->port = g_strdup(peer.port);
    channel->family = peer.family;
    channel->connection_id = info->connection_id;
    channel->channel_type = info->type;
    channel->channel_id = info->id;
    channel->tls = info->flags & SPICE_CHANNEL_EVENT_FLAG_TLS;
    return channel;
}

/* ---- channels ---- */

static bool is_same(const SpiceChannelEventInfo *a, const SpiceChannelEventInfo *b)
{
    return a->connection_id == b->connection_id && a->type == b->type && a->id == b->id;
}

static void forget(const SpiceChannelEventInfo *info)
{
    for (unsigned i = 0; i < channels->len; i++) {
        if (is_same(channels->pdata[i], info)) {
            g_ptr_array_remove_index(channels, i);
            return;
        }
    }
}

static void check_watched(void)
{
    bool watched = false;

    for (unsigned i = 0; i < channels->len; i++) {
        watched |= ((SpiceChannelEventInfo *)channels->pdata[i])->type == SPICE_CHANNEL_MAIN;
    }
    spice_display_watch(watched);
}

static void tell_event(int event, const SpiceChannelEventInfo *info)
{
    Place here = place_of(&info->laddr_ext, info->llen_ext);
    Place there = place_of(&info->paddr_ext, info->plen_ext);
    SpiceBasicInfo to = { here.host, here.port, here.family };
    SpiceBasicInfo from = { there.host, there.port, there.family };

    if (event == SPICE_CHANNEL_EVENT_CONNECTED) {
        qapi_event_send_spice_connected(&to, &from);
    } else if (event == SPICE_CHANNEL_EVENT_DISCONNECTED) {
        qapi_event_send_spice_disconnected(&to, &from);
    } else {
        g_autoptr(SpiceChannel) channel = describe(info);
        SpiceServerInfo whole = { here.host, here.port, here.family, (char *)auth_name() };

        qapi_event_send_spice_initialized(&whole, channel);
    }
}

static void channel_event(int event, const SpiceChannelEventInfo *info)
{
    if (!server || !(info->flags & SPICE_CHANNEL_EVENT_FLAG_ADDR_EXT)) {
        return;
    }
    if (event == SPICE_CHANNEL_EVENT_INITIALIZED) {
        g_ptr_array_add(channels, g_memdup2(info, sizeof(*info)));
    } else if (event == SPICE_CHANNEL_EVENT_DISCONNECTED) {
        forget(info);
    }
    tell_event(event, info);
    if (event != SPICE_CHANNEL_EVENT_CONNECTED) {
        spice_input_check();
        spice_audio_check();
        check_watched();
    }
}

SpiceInfo *spice_info(void)
{
    SpiceInfo *info = g_new0(SpiceInfo, 1);

    info->mouse_mode = SPICE_QUERY_MOUSE_MODE_UNKNOWN;
    if (!server) {
        return info;
    }
    info->enabled = true;
    info->migrated = spice_migrate_is_done();
    info->host = g_strdup(options.addr ? options.addr : "*");
    info->has_port = options.port;
    info->port = options.port;
    info->has_tls_port = options.tls_port;
    info->tls_port = options.tls_port;
    info->auth = g_strdup(auth_name());
    info->compiled_version =
        g_strdup_printf("%u.%u.%u", SPICE_SERVER_VERSION >> 16, SPICE_SERVER_VERSION >> 8 & 0xff,
                        SPICE_SERVER_VERSION & 0xff);
    info->mouse_mode = spice_server_is_server_mouse(server) ? SPICE_QUERY_MOUSE_MODE_SERVER
                                                            : SPICE_QUERY_MOUSE_MODE_CLIENT;
    info->channels = g_ptr_array_new_with_free_func((GDestroyNotify)SpiceChannel_free);
    for (unsigned i = 0; i < channels->len; i++) {
        g_ptr_array_add(info->channels, describe(channels->pdata[i]));
    }
    return info;
}

/* ---- passwords ---- */

enum { LIFETIME_MAX = INT32_MAX, SPICE_PASSWORD_MAX = 60 };

/* The library counts seconds from now on; 0 would be for ever. */
static int lifetime(void)
{
    if (expiry == INT64_MAX) {
        return 0;
    }
    return (int)CLAMP(expiry - (int64_t)time(NULL), 0, LIFETIME_MAX);
}

static bool set_ticket(bool fail, bool disconnect)
{
    const int seconds = lifetime();
    const bool over = expiry != INT64_MAX && !seconds;

    return spice_server_set_ticket(server, over ? NULL : password, over ? 1 : seconds, fail,
                                   disconnect) == 0;
}

bool spice_set_password(const char *text, bool fail, bool disconnect, GError **errp)
{
    g_autofree char *before = g_steal_pointer(&password);

    password = g_strdup(text);
    if (set_ticket(fail, disconnect)) {
        return true;
    }
    g_free(password);
    password = g_steal_pointer(&before);
    error_set(errp,
              "the password stays as it was: there are clients, or it is longer than %d "
              "bytes",
              SPICE_PASSWORD_MAX);
    return false;
}

void spice_set_expiry(int64_t seconds)
{
    expiry = seconds;
    if (password) {
        set_ticket(false, false);
    }
}

/* ---- clients that others connect ---- */

bool spice_add_client(int fd, bool skip_auth, bool tls, GError **errp)
{
    const int failed = tls ? spice_server_add_ssl_client(server, fd, skip_auth)
                           : spice_server_add_client(server, fd, skip_auth);

    if (failed) {
        close(fd);
        error_set(errp, "this is no connection that a client of SPICE could have");
    }
    return !failed;
}

/* ---- options ---- */

static bool check(const SpiceOptions *o, GError **errp)
{
    const bool is_unix = o->has_q_unix && o->q_unix;

    if (is_unix && !o->addr) {
        error_set(errp, "unix=on wants the path of the socket; add addr=PATH");
        return false;
    }
    if (!is_unix && !(o->has_port && o->port) && !(o->has_tls_port && o->tls_port)) {
        error_set(errp, "nobody could connect; add port=, tls-port=, or unix=on with addr=PATH");
        return false;
    }
    if (o->has_tls_port && o->tls_port && !o->x509_dir &&
        !(o->x509_key_file && o->x509_cert_file && o->x509_cacert_file)) {
        error_set(errp,
                  "tls-port=%u wants certificates; add x509-dir=, or x509-key-file=, "
                  "x509-cert-file= and x509-cacert-file=",
                  o->tls_port);
        return false;
    }
    return true;
}

static void set_tls(const SpiceOptions *o)
{
    const char *folder = o->x509_dir ? o->x509_dir : ".";
    g_autofree char *ca = o->x509_cacert_file ? g_strdup(o->x509_cacert_file)
                                              : g_build_filename(folder, "ca-cert.pem", NULL);
    g_autofree char *cert = o->x509_cert_file ? g_strdup(o->x509_cert_file)
                                              : g_build_filename(folder, "server-cert.pem", NULL);
    g_autofree char *key = o->x509_key_file ? g_strdup(o->x509_key_file)
                                            : g_build_filename(folder, "server-key.pem", NULL);

    spice_server_set_tls(server, o->tls_port, ca, cert, key, o->x509_key_password,
                         o->x509_dh_key_file, o->tls_ciphers);
}

static void set_addresses(const SpiceOptions *o)
{
    int flags = 0;

    flags |= o->has_ipv4 && o->ipv4 ? SPICE_ADDR_FLAG_IPV4_ONLY : 0;
    flags |= o->has_ipv6 && o->ipv6 ? SPICE_ADDR_FLAG_IPV6_ONLY : 0;
    flags |= o->has_q_unix && o->q_unix ? SPICE_ADDR_FLAG_UNIX_ONLY : 0;
    spice_server_set_addr(server, o->addr ? o->addr : "", flags);
    if (o->has_port && o->port) {
        spice_server_set_port(server, o->port);
    }
    if (o->has_tls_port && o->tls_port) {
        set_tls(o);
    }
}

/* "default" is every channel that is not named. */
static bool set_security(const char *channel, int security, GError **errp)
{
    if (channel && spice_server_set_channel_security(
                       server, strcmp(channel, "default") == 0 ? NULL : channel, security) != 0) {
        error_set(errp,
                  "there is no channel '%s'; there are main, display, inputs, cursor, default",
                  channel);
        return false;
    }
    return true;
}

static bool set_channels(const SpiceOptions *o, GError **errp)
{
    static const SpiceImageCompression pictures[] = {
        [SPICE_PICTURE_COMPRESSION_OFF] = SPICE_IMAGE_COMPRESSION_OFF,
        [SPICE_PICTURE_COMPRESSION_AUTO_GLZ] = SPICE_IMAGE_COMPRESSION_AUTO_GLZ,
        [SPICE_PICTURE_COMPRESSION_AUTO_LZ] = SPICE_IMAGE_COMPRESSION_AUTO_LZ,
        [SPICE_PICTURE_COMPRESSION_QUIC] = SPICE_IMAGE_COMPRESSION_QUIC,
        [SPICE_PICTURE_COMPRESSION_GLZ] = SPICE_IMAGE_COMPRESSION_GLZ,
        [SPICE_PICTURE_COMPRESSION_LZ] = SPICE_IMAGE_COMPRESSION_LZ,
    };
    static const spice_wan_compression_t slow[] = {
        [SPICE_SLOW_COMPRESSION_AUTO] = SPICE_WAN_COMPRESSION_AUTO,
        [SPICE_SLOW_COMPRESSION_NEVER] = SPICE_WAN_COMPRESSION_NEVER,
        [SPICE_SLOW_COMPRESSION_ALWAYS] = SPICE_WAN_COMPRESSION_ALWAYS,
    };
    static const int videos[] = {
        [SPICE_VIDEO_OFF] = SPICE_STREAM_VIDEO_OFF,
        [SPICE_VIDEO_ALL] = SPICE_STREAM_VIDEO_ALL,
        [SPICE_VIDEO_FILTER] = SPICE_STREAM_VIDEO_FILTER,
    };

    spice_server_set_image_compression(
        server, pictures[o->has_image_compression ? o->image_compression
                                                  : SPICE_PICTURE_COMPRESSION_AUTO_GLZ]);
    spice_server_set_jpeg_compression(
        server,
        slow[o->has_jpeg_wan_compression ? o->jpeg_wan_compression : SPICE_SLOW_COMPRESSION_AUTO]);
    spice_server_set_zlib_glz_compression(
        server, slow[o->has_zlib_glz_wan_compression ? o->zlib_glz_wan_compression
                                                     : SPICE_SLOW_COMPRESSION_AUTO]);
    spice_server_set_streaming_video(
        server, videos[o->has_streaming_video ? o->streaming_video : SPICE_VIDEO_OFF]);
    spice_server_set_playback_compression(server,
                                          !o->has_playback_compression || o->playback_compression);
    spice_server_set_agent_mouse(server, !o->has_agent_mouse || o->agent_mouse);
    spice_server_set_agent_copypaste(server, !(o->has_disable_copy_paste && o->disable_copy_paste));
    spice_server_set_agent_file_xfer(
        server, !(o->has_disable_agent_file_xfer && o->disable_agent_file_xfer));
    return set_security(o->tls_channel, SPICE_CHANNEL_SECURITY_SSL, errp) &&
           set_security(o->plaintext_channel, SPICE_CHANNEL_SECURITY_NONE, errp);
}

static bool set_auth(const SpiceOptions *o, const char *text, GError **errp)
{
    if (options.without_password) {
        spice_server_set_noauth(server);
        return true;
    }
    return !text || spice_set_password(text, false, false, errp);
}

/* ---- life ---- */

static void forget_all(void)
{
    g_clear_pointer(&options.addr, g_free);
    g_clear_pointer(&channels, g_ptr_array_unref);
    g_clear_pointer(&password, g_free);
}

bool spice_start(const SpiceOptions *o, const char *text, const char *name, const SpiceHost *host,
                 GError **errp)
{
    bool ok;

    if (server) {
        error_set(errp, "there is a SPICE server already; give -spice once");
        return false;
    }
    if (!check(o, errp)) {
        return false;
    }
    options.addr = g_strdup(o->addr);
    options.port = o->has_port ? o->port : 0;
    options.tls_port = o->has_tls_port ? o->tls_port : 0;
    options.without_password = o->has_disable_ticketing && o->disable_ticketing;
    server = spice_server_new();
    channels = g_ptr_array_new_with_free_func(g_free);
    set_addresses(o);
    ok = set_channels(o, errp) && set_auth(o, text, errp);
    if (ok) {
        spice_server_set_name(server, name ? name : "Dimmable");
        ok = spice_server_init(server, spice_core(channel_event)) == 0;
        if (!ok) {
            error_set(errp, "the SPICE server cannot listen there, or has no good certificates; "
                            "what it printed says why");
        }
    }
    if (!ok) {
        g_clear_pointer(&server, spice_server_destroy);
        forget_all();
        return false;
    }
    spice_input_start(server, host);
    spice_migrate_start(server);
    spice_audio_start(server);
    spice_display_start(server, false);
    spice_char_start(server);
    spice_server_vm_start(server);
    return true;
}

bool spice_start_local(void)
{
    local = spice_server_new();
    spice_server_set_noauth(local);
    if (spice_server_init(local, spice_core(channel_event)) != 0) {
        g_clear_pointer(&local, spice_server_destroy);
        return false;
    }
    spice_display_start(local, true);
    spice_server_vm_start(local);
    return true;
}

void spice_stop(void)
{
    SpiceServer *last = server;

    if (local) {
        spice_display_stop();
        g_clear_pointer(&local, spice_server_destroy);
    }
    if (!last) {
        return;
    }
    spice_char_start(NULL);
    spice_display_stop();
    spice_audio_stop();
    spice_migrate_stop();
    spice_input_stop();
    server = NULL;
    spice_server_destroy(last);
    forget_all();
}

bool spice_is_active(void)
{
    return server != NULL;
}
