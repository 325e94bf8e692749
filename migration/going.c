/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a migration goes: query-migrate. */
#include "migration/going.h"

#include "migration/migration.h"
#include "migration/postcopy-blocktime.h"
#include "migration/postcopy-dest.h"
#include "migration/setup.h"
#include "util/clock.h"

static uint64_t per_second(uint64_t count, int64_t ns)
{
    return (uint64_t)((double)count * NS_PER_SEC / (double)MAX(ns, 1));
}

static void fill_ram(MigrationStats *stats, int64_t end)
{
    uint64_t zero = atomic_load(&going.ram.zero), data = atomic_load(&going.ram.data);
    uint64_t bytes =
        going.stream ? going.earlier + stream_bytes(going.stream) : MAX(going.bytes, going.earlier);
    int64_t passed = end - (going.running ? going.running : going.started);

    stats->transferred = (int64_t)bytes;
    stats->total = (int64_t)going.ram.total;
    stats->remaining = (int64_t)ram_source_left(&going.ram);
    stats->duplicate = (int64_t)zero;
    stats->normal = (int64_t)data;
    stats->normal_bytes = (int64_t)(data * RAM_PAGE);
    stats->page_size = RAM_PAGE;
    stats->multifd_bytes = going.multifd ? multifd_send_bytes(going.multifd) : going.multifd_bytes;
    stats->dirty_sync_count = (int64_t)going.precopy.rounds + (going.stopped != 0);
    stats->dirty_pages_rate = (int64_t)going.precopy.dirty_pages_rate;
    stats->mbps = (double)bytes * 8 / ((double)MAX(passed, 1) / 1e9) / 1e6;
    stats->pages_per_second = per_second(zero + data, passed);
    stats->precopy_bytes = going.stopped ? going.precopy_bytes : bytes;
    if (going.postcopy) {
        stats->postcopy_bytes = bytes - stats->precopy_bytes;
    } else {
        stats->downtime_bytes = bytes - stats->precopy_bytes;
    }
    stats->postcopy_requests =
        (int64_t)(going.source ? postcopy_source_requests(going.source) : going.requests);
}

static void fill_times(MigrationInfo *info, int64_t end)
{
    info->has_total_time = true;
    info->total_time = (end - going.started) / NS_PER_MS;
    if (going.running) {
        info->has_setup_time = true;
        info->setup_time = (going.running - going.started) / NS_PER_MS;
    }
    if (going_status == MIGRATION_STATUS_ACTIVE) {
        info->has_expected_downtime = true;
        info->expected_downtime = going.precopy.expected_downtime_ms >= 0
                                      ? going.precopy.expected_downtime_ms
                                      : (int64_t)migration_params.downtime_limit_ms;
    }
    const int64_t runs = going.source ? postcopy_source_runs_since(going.source) : going.runs_since;
    if (going.stopped && (runs || going_status == MIGRATION_STATUS_COMPLETED)) {
        info->has_downtime = true;
        info->downtime = ((runs ? runs : end) - going.stopped) / NS_PER_MS;
    }
}

static void fill_xbzrle(MigrationInfo *info, const XbzrleStats *stats)
{
    info->xbzrle_cache = g_new0(XBZRLECacheStats, 1);
    info->xbzrle_cache->cache_size = stats->size;
    info->xbzrle_cache->bytes = (int64_t)stats->bytes;
    info->xbzrle_cache->pages = (int64_t)stats->pages;
    info->xbzrle_cache->cache_miss = (int64_t)stats->misses;
    info->xbzrle_cache->overflow = (int64_t)stats->overflow;
    info->xbzrle_cache->cache_miss_rate = stats->miss_rate;
    info->xbzrle_cache->encoding_rate = stats->encoding_rate;
}

MigrationInfo *migration_info(void)
{
    MigrationInfo *info = g_new0(MigrationInfo, 1);

    info->blocked_reasons = migration_blocked_reasons();
    info->has_status = going_status != MIGRATION_STATUS_NONE;
    info->status = going_status;
    if (!going.started) {
        info->error_desc = postcopy_dest_error();
        postcopy_blocktime_fill(info);
        return info;
    }
    int64_t end = going.ended ? going.ended : clock_host_ns();
    info->ram = g_new0(MigrationStats, 1);
    fill_ram(info->ram, end);
    fill_times(info, end);
    if (going.ram.xbzrle) {
        going.xbzrle = xbzrle_stats(going.ram.xbzrle);
    }
    if (going.xbzrle.size) {
        fill_xbzrle(info, &going.xbzrle);
    }
    if (going.precopy.limited) {
        info->has_dirty_limit_throttle_time_per_round = true;
        info->dirty_limit_throttle_time_per_round = going.precopy.rested_us;
    }
    if (going.precopy.throttle) {
        info->has_cpu_throttle_percentage = true;
        info->cpu_throttle_percentage = going.precopy.throttle;
    }
    if (going.err && going_status == MIGRATION_STATUS_FAILED) {
        info->error_desc = g_strdup(going.err->message);
    } else if (going_status == MIGRATION_STATUS_POSTCOPY_PAUSED) {
        info->error_desc = g_strdup(going.paused_why);
    }
    return info;
}
