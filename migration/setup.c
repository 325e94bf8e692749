/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/setup.h"

#include "hw/core/save-check.h"
#include "hw/memtarget/memory-target.h"
#include "migration/channel.h"
#include "migration/devices.h"
#include "migration/migration.h"
#include "util/error.h"

MigrationParams migration_params = {
    .max_bandwidth = 128 << 20,
    .downtime_limit_ms = 300,
    .cpu_throttle_initial = 20,
    .cpu_throttle_increment = 10,
    .max_cpu_throttle = 99,
    .throttle_threshold = 50,
    .dirty_limit = 1,
    .dirty_limit_period_ms = 1000,
    .xbzrle_cache_size = 64 << 20,
    .announce_initial = 50,
    .announce_max = 550,
    .announce_rounds = 5,
    .announce_step = 100,
    .multifd_channels = 2,
    .multifd_zlib_level = 1,
    .multifd_zstd_level = 1,
};
bool migration_events, migration_auto_converge, migration_late_block_activate;
bool migration_return_path, migration_dirty_bitmaps, migration_postcopy_ram, migration_multifd;
bool migration_pause_before_switchover, migration_dirty_limit, migration_xbzrle;
bool migration_ignore_shared, migration_validate_uuid, migration_background, migration_release;

AnnounceParameters migration_announce_parameters(void)
{
    const MigrationParams *p = &migration_params;

    return (AnnounceParameters){ .initial = (int64_t)p->announce_initial,
                                 .max = (int64_t)p->announce_max,
                                 .rounds = (int64_t)p->announce_rounds,
                                 .step = (int64_t)p->announce_step };
}

TlsSetup *migration_set_up_tls(const char *uri, GError **errp)
{
    g_autofree char *host = channel_hostname(uri);
    const MigrationParams *p = &migration_params;
    TlsSetupOptions options = { .creds = p->tls_creds,
                                .hostname = p->tls_hostname ? p->tls_hostname : host };
    TlsSetup *setup;

    if (!p->tls_creds) {
        return NULL;
    }
    if (!channel_is_socket(uri) && !g_str_has_prefix(uri, "fd:")) {
        error_set(errp,
                  "tls-creds=%s: there is no TLS over '%s': use tcp:, unix: or a socket as fd:",
                  p->tls_creds, uri);
        return NULL;
    }
    setup = tls_setup_new(&options, errp);
    if (setup && !options.hostname && tls_setup_wants_name(setup)) {
        error_set(errp,
                  "tls-hostname is missing: '%s' has no host that could be in the other end's "
                  "certificate",
                  uri);
        g_clear_pointer(&setup, tls_setup_unref);
    }
    return setup;
}

bool migration_set_up_multifd(MultifdConfig *config, TlsSetup *tls, const char *uri, GError **errp)
{
    const MigrationParams *p = &migration_params;
    const int levels[MULTI_FD_COMPRESSION__MAX] = {
        [MULTI_FD_COMPRESSION_ZLIB] = p->multifd_zlib_level,
        [MULTI_FD_COMPRESSION_ZSTD] = p->multifd_zstd_level,
    };

    *config = (MultifdConfig){ 0 };
    if (migration_multifd) {
        *config = (MultifdConfig){ uri, tls, p->multifd_channels, p->multifd_compression,
                                   levels[p->multifd_compression] };
    }
    return channel_check_multifd(uri, errp);
}

GPtrArray *migration_blocked_reasons(void)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) err = NULL;

    if (!memory_target_check_idle(&err)) {
        g_ptr_array_add(reasons, g_strdup(err->message));
    }
    saved_states_check_list(reasons);
    save_check_list(reasons);
    return reasons->len ? g_steal_pointer(&reasons) : NULL;
}
