/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about migration (qapi/migration.json). */
#include <inttypes.h>

#include "accel/vcpu.h"
#include "hw/core/runstate.h"
#include "migration/dirty-limit.h"
#include "migration/dirty-rate.h"
#include "migration/incoming.h"
#include "migration/migration.h"
#include "migration/postcopy-blocktime.h"
#include "migration/postcopy-dest.h"
#include "migration/ram.h"
#include "migration/userfault.h"
#include "monitor/commands-dump.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

static bool *const capabilities[MIGRATION_CAPABILITY__MAX] = {
    [MIGRATION_CAPABILITY_EVENTS] = &migration_events,
    [MIGRATION_CAPABILITY_AUTO_CONVERGE] = &migration_auto_converge,
    [MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE] = &migration_late_block_activate,
    [MIGRATION_CAPABILITY_RETURN_PATH] = &migration_return_path,
    [MIGRATION_CAPABILITY_DIRTY_BITMAPS] = &migration_dirty_bitmaps,
    [MIGRATION_CAPABILITY_POSTCOPY_RAM] = &migration_postcopy_ram,
    [MIGRATION_CAPABILITY_POSTCOPY_BLOCKTIME] = &postcopy_blocktime,
    [MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER] = &migration_pause_before_switchover,
    [MIGRATION_CAPABILITY_MULTIFD] = &migration_multifd,
    [MIGRATION_CAPABILITY_XBZRLE] = &migration_xbzrle,
    [MIGRATION_CAPABILITY_X_IGNORE_SHARED] = &migration_ignore_shared,
    [MIGRATION_CAPABILITY_VALIDATE_UUID] = &migration_validate_uuid,
    [MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT] = &migration_background,
    [MIGRATION_CAPABILITY_DIRTY_LIMIT] = &migration_dirty_limit,
    [MIGRATION_CAPABILITY_RELEASE_RAM] = &migration_release,
};

GPtrArray *qmp_query_migrate_capabilities(GError **errp)
{
    GPtrArray *list = MigrationCapabilityStatus_list_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        MigrationCapabilityStatus *status = g_new0(MigrationCapabilityStatus, 1);

        status->capability = i;
        status->state = *capabilities[i];
        g_ptr_array_add(list, status);
    }
    return list;
}

/* Those that can be switched while a migration is under way. */
static const bool live[MIGRATION_CAPABILITY__MAX] = {
    [MIGRATION_CAPABILITY_EVENTS] = true,
    [MIGRATION_CAPABILITY_AUTO_CONVERGE] = true,
    [MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE] = true,
    [MIGRATION_CAPABILITY_RETURN_PATH] = true,
    [MIGRATION_CAPABILITY_DIRTY_BITMAPS] = true,
    [MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER] = true,
    [MIGRATION_CAPABILITY_MULTIFD] = true,
};

/* What does not change while a migration is under way, or cannot be here. */
static bool check_capability(const MigrationCapabilityStatus *status, GError **errp)
{
    if (!live[status->capability] && status->state != *capabilities[status->capability] &&
        migration_active()) {
        error_set(errp, "capability %s stays what it is while a migration is under way",
                  MigrationCapability_str(status->capability));
        return false;
    }
    if (!status->state) {
        return true;
    }
    switch (status->capability) {
    case MIGRATION_CAPABILITY_POSTCOPY_RAM:
        return runstate_get() != RUN_STATE_INMIGRATE || userfault_supported(errp);
    case MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT:
        return userfault_protect_supported(errp);
    case MIGRATION_CAPABILITY_DIRTY_LIMIT:
        return dirty_limit_supported(errp);
    default:
        return true;
    }
}

/* Those that exclude each other, and why. */
static const struct {
    MigrationCapability one, other;
    const char *why;
} exclusive[] = {
    { MIGRATION_CAPABILITY_AUTO_CONVERGE, MIGRATION_CAPABILITY_DIRTY_LIMIT,
      "one of them holds a guest back" },
    { MIGRATION_CAPABILITY_XBZRLE, MIGRATION_CAPABILITY_MULTIFD,
      "what differs goes over the one connection that everything goes over" },
    { MIGRATION_CAPABILITY_POSTCOPY_RAM, MIGRATION_CAPABILITY_X_IGNORE_SHARED,
      "memory that others use does not come late" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_POSTCOPY_RAM,
      "the machine goes nowhere" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_RELEASE_RAM,
      "the machine needs its memory" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_MULTIFD,
      "it is written over one connection" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_XBZRLE,
      "each page goes once" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_AUTO_CONVERGE,
      "each page goes once, however fast they change" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_DIRTY_LIMIT,
      "each page goes once, however fast they change" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_RETURN_PATH,
      "the machine goes nowhere" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER,
      "the machine goes nowhere" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_X_IGNORE_SHARED,
      "memory that is not written goes on changing" },
    { MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT, MIGRATION_CAPABILITY_DIRTY_BITMAPS,
      "the machine's disks go on, and its bitmaps stay with them" },
};

static bool check_together(const GPtrArray *list, GError **errp)
{
    bool on[MIGRATION_CAPABILITY__MAX];

    for (unsigned i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        on[i] = *capabilities[i];
    }
    for (unsigned i = 0; i < list->len; i++) {
        const MigrationCapabilityStatus *status = list->pdata[i];

        on[status->capability] = status->state;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(exclusive); i++) {
        if (on[exclusive[i].one] && on[exclusive[i].other]) {
            error_set(errp, "%s and %s cannot be had together, as %s: switch one of them off",
                      MigrationCapability_str(exclusive[i].one),
                      MigrationCapability_str(exclusive[i].other), exclusive[i].why);
            return false;
        }
    }
    return true;
}

bool qmp_migrate_set_capabilities(GPtrArray *list, GError **errp)
{
    for (unsigned i = 0; i < list->len; i++) {
        if (!check_capability(list->pdata[i], errp)) {
            return false;
        }
    }
    if (!check_together(list, errp)) {
        return false;
    }
    for (unsigned i = 0; i < list->len; i++) {
        const MigrationCapabilityStatus *status = list->pdata[i];

        *capabilities[status->capability] = status->state;
    }
    return true;
}

#define MAX_DOWNTIME_MS (2000u * 1000)
#define MAX_PERIOD_MS   1000u
#define MAX_CACHE       (1ull << 40)
#define MAX_WAIT_MS     100000u
#define MAX_STEP_MS     10000u
#define MAX_ROUNDS      1000u
#define MAX_ZLIB_LEVEL  9u
#define MAX_ZSTD_LEVEL  20u

static bool check_percent(const char *name, unsigned value, GError **errp)
{
    if (value < 1 || value > VCPU_MAX_THROTTLE) {
        error_set(errp, "'%s' must be 1 to %u percent, not %u", name, VCPU_MAX_THROTTLE, value);
        return false;
    }
    return true;
}

static bool check_params(const MigrationParams *p, GError **errp)
{
    if (p->downtime_limit_ms > MAX_DOWNTIME_MS) {
        error_set(errp, "'downtime-limit' must be at most %u milliseconds", MAX_DOWNTIME_MS);
        return false;
    }
    if (!check_percent("cpu-throttle-initial", p->cpu_throttle_initial, errp) ||
        !check_percent("cpu-throttle-increment", p->cpu_throttle_increment, errp) ||
        !check_percent("max-cpu-throttle", p->max_cpu_throttle, errp)) {
        return false;
    }
    if (p->multifd_channels < 1) {
        error_set(errp, "'multifd-channels' must be 1 to 255");
        return false;
    }
    if (p->multifd_zlib_level > MAX_ZLIB_LEVEL || p->multifd_zstd_level > MAX_ZSTD_LEVEL) {
        error_set(errp, "'multifd-zlib-level' must be 0 to %u, 'multifd-zstd-level' 0 to %u",
                  MAX_ZLIB_LEVEL, MAX_ZSTD_LEVEL);
        return false;
    }
    if (p->throttle_threshold < 1 || p->throttle_threshold > 100) {
        error_set(errp, "'throttle-trigger-threshold' must be 1 to 100 percent, not %u",
                  p->throttle_threshold);
        return false;
    }
    if (p->dirty_limit_period_ms < 1 || p->dirty_limit_period_ms > MAX_PERIOD_MS) {
        error_set(errp, "'x-vcpu-dirty-limit-period' must be 1 to %u milliseconds", MAX_PERIOD_MS);
        return false;
    }
    if (p->dirty_limit < 1 || p->dirty_limit > UINT64_MAX >> 20) {
        error_set(errp, "'vcpu-dirty-limit' must be at least 1 MiB a second");
        return false;
    }
    if (p->xbzrle_cache_size < RAM_PAGE || p->xbzrle_cache_size > MAX_CACHE ||
        (p->xbzrle_cache_size & (p->xbzrle_cache_size - 1))) {
        error_set(errp,
                  "'xbzrle-cache-size' must be a power of two from %u to %" PRIu64
                  " bytes, not %" PRIu64,
                  RAM_PAGE, (uint64_t)MAX_CACHE, p->xbzrle_cache_size);
        return false;
    }
    if (p->announce_initial > MAX_WAIT_MS || p->announce_max > MAX_WAIT_MS) {
        error_set(errp, "'announce-initial' and 'announce-max' must be at most %u milliseconds",
                  MAX_WAIT_MS);
        return false;
    }
    if (p->announce_rounds > MAX_ROUNDS) {
        error_set(errp, "'announce-rounds' must be at most %u, not %" PRIu64, MAX_ROUNDS,
                  p->announce_rounds);
        return false;
    }
    if (p->announce_step < 1 || p->announce_step > MAX_STEP_MS) {
        error_set(errp, "'announce-step' must be 1 to %u milliseconds, not %" PRIu64, MAX_STEP_MS,
                  p->announce_step);
        return false;
    }
    if (p->max_cpu_throttle < p->cpu_throttle_initial) {
        error_set(errp, "'max-cpu-throttle' (%u) must not be less than 'cpu-throttle-initial' (%u)",
                  p->max_cpu_throttle, p->cpu_throttle_initial);
        return false;
    }
    return true;
}

/* An empty text is none. */
static void set_text(char **member, const char *text)
{
    if (text) {
        g_free(*member);
        *member = *text ? g_strdup(text) : NULL;
    }
}

bool qmp_migrate_set_parameters(const MigrateSetParameters *set, GError **errp)
{
    MigrationParams p = migration_params;

    if (set->block_bitmap_mapping && set->block_bitmap_mapping->len) {
        error_set(errp, "block-bitmap-mapping is not there: with the capability dirty-bitmaps they "
                        "go to nodes of the same names");
        return false;
    }
#define SET(member, from) (p.member = set->has_##from ? set->from : p.member)
    SET(max_bandwidth, max_bandwidth);
    SET(max_postcopy_bandwidth, max_postcopy_bandwidth);
    SET(downtime_limit_ms, downtime_limit);
    SET(cpu_throttle_initial, cpu_throttle_initial);
    SET(cpu_throttle_increment, cpu_throttle_increment);
    SET(cpu_throttle_tailslow, cpu_throttle_tailslow);
    SET(max_cpu_throttle, max_cpu_throttle);
    SET(throttle_threshold, throttle_trigger_threshold);
    SET(dirty_limit, vcpu_dirty_limit);
    SET(dirty_limit_period_ms, x_vcpu_dirty_limit_period);
    SET(xbzrle_cache_size, xbzrle_cache_size);
    SET(announce_initial, announce_initial);
    SET(announce_max, announce_max);
    SET(announce_rounds, announce_rounds);
    SET(announce_step, announce_step);
    SET(multifd_channels, multifd_channels);
    SET(multifd_compression, multifd_compression);
    SET(multifd_zlib_level, multifd_zlib_level);
    SET(multifd_zstd_level, multifd_zstd_level);
#undef SET
    if (!check_params(&p, errp)) {
        return false;
    }
    set_text(&p.tls_creds, set->tls_creds);
    set_text(&p.tls_hostname, set->tls_hostname);
    set_text(&p.tls_authz, set->tls_authz);
    migration_params = p;
    migration_params_changed();
    return true;
}

static char *text_of(const char *text)
{
    return g_strdup(text ? text : "");
}

MigrationParameters *qmp_query_migrate_parameters(GError **errp)
{
    const MigrationParams *p = &migration_params;
    MigrationParameters *params = g_new0(MigrationParameters, 1);

    *params = (MigrationParameters){
        .has_max_bandwidth = true,
        .max_bandwidth = p->max_bandwidth,
        .has_max_postcopy_bandwidth = true,
        .max_postcopy_bandwidth = p->max_postcopy_bandwidth,
        .has_downtime_limit = true,
        .downtime_limit = p->downtime_limit_ms,
        .has_cpu_throttle_initial = true,
        .cpu_throttle_initial = p->cpu_throttle_initial,
        .has_cpu_throttle_increment = true,
        .cpu_throttle_increment = p->cpu_throttle_increment,
        .has_cpu_throttle_tailslow = true,
        .cpu_throttle_tailslow = p->cpu_throttle_tailslow,
        .has_max_cpu_throttle = true,
        .max_cpu_throttle = p->max_cpu_throttle,
        .tls_creds = text_of(p->tls_creds),
        .tls_hostname = text_of(p->tls_hostname),
        .tls_authz = text_of(p->tls_authz),
        .has_throttle_trigger_threshold = true,
        .throttle_trigger_threshold = p->throttle_threshold,
        .has_vcpu_dirty_limit = true,
        .vcpu_dirty_limit = p->dirty_limit,
        .has_x_vcpu_dirty_limit_period = true,
        .x_vcpu_dirty_limit_period = p->dirty_limit_period_ms,
        .has_xbzrle_cache_size = true,
        .xbzrle_cache_size = p->xbzrle_cache_size,
        .has_announce_initial = true,
        .announce_initial = p->announce_initial,
        .has_announce_max = true,
        .announce_max = p->announce_max,
        .has_announce_rounds = true,
        .announce_rounds = p->announce_rounds,
        .has_announce_step = true,
        .announce_step = p->announce_step,
        .has_multifd_channels = true,
        .multifd_channels = p->multifd_channels,
        .has_multifd_compression = true,
        .multifd_compression = p->multifd_compression,
        .has_multifd_zlib_level = true,
        .multifd_zlib_level = p->multifd_zlib_level,
        .has_multifd_zstd_level = true,
        .multifd_zstd_level = p->multifd_zstd_level,
    };
    return params;
}

MigrationInfo *qmp_query_migrate(GError **errp)
{
    return migration_info();
}

bool qmp_migrate(const char *uri, bool has_blk, bool blk, bool has_inc, bool inc, bool has_detach,
                 bool detach, bool has_resume, bool resume, GError **errp)
{
    if (blk || inc) {
        error_set(errp, "'%s' must be false: there are no disks to move", blk ? "blk" : "inc");
        return false;
    }
    if (resume) {
        return migration_resume(uri, qmp_session_take_named_fd, errp);
    }
    if (dump_active()) {
        error_set(errp, "a dump of the guest's memory is being written; wait for DUMP_COMPLETED");
        return false;
    }
    return migration_start(uri, qmp_session_take_named_fd, errp);
}

bool qmp_migrate_cancel(GError **errp)
{
    return migration_cancel(errp);
}

bool qmp_migrate_start_postcopy(GError **errp)
{
    return migration_start_postcopy(errp);
}

bool qmp_migrate_pause(GError **errp)
{
    return migration_pause(errp);
}

bool qmp_migrate_recover(const char *uri, GError **errp)
{
    return postcopy_dest_recover(uri, qmp_session_take_named_fd, errp);
}

bool qmp_migrate_continue(MigrationStatus state, GError **errp)
{
    return migration_continue(state, errp);
}

bool qmp_migrate_incoming(const char *uri, GError **errp)
{
    return incoming_start(uri, qmp_session_take_named_fd, errp);
}

bool qmp_calc_dirty_rate(int64_t calc_time, bool has_sample_pages, int64_t sample_pages,
                         bool has_mode, DirtyRateMeasureMode mode, GError **errp)
{
    if (has_sample_pages && mode != DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING) {
        error_set(errp, "'sample-pages' is for the mode page-sampling: with %s nothing is sampled",
                  DirtyRateMeasureMode_str(mode));
        return false;
    }
    return dirty_rate_start(calc_time, has_sample_pages ? sample_pages : DIRTY_RATE_SAMPLES,
                            has_mode ? mode : DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING, errp);
}

DirtyRateInfo *qmp_query_dirty_rate(GError **errp)
{
    DirtyRate now = dirty_rate_get();
    DirtyRateInfo *info = g_new0(DirtyRateInfo, 1);

    info->status = now.measuring  ? DIRTY_RATE_STATUS_MEASURING
                   : now.measured ? DIRTY_RATE_STATUS_MEASURED
                                  : DIRTY_RATE_STATUS_UNSTARTED;
    info->start_time = now.start;
    info->calc_time = now.seconds;
    info->sample_pages = now.samples;
    info->mode = now.mode;
    info->has_dirty_rate = now.measured;
    info->dirty_rate = now.rate;
    info->vcpu_dirty_rate = now.measured ? dirty_rate_get_vcpus() : NULL;
    return info;
}

/* Those of a migration are its own. */
static bool check_limits_free(GError **errp)
{
    if (migration_active() && migration_dirty_limit) {
        error_set(errp, "the machine is being migrated with the capability dirty-limit, which sets "
                        "the limits: change the parameter vcpu-dirty-limit, or migrate_cancel");
        return false;
    }
    return true;
}

bool qmp_set_vcpu_dirty_limit(bool has_cpu_index, int64_t cpu_index, uint64_t dirty_rate,
                              GError **errp)
{
    if (has_cpu_index && cpu_index < 0) {
        error_set(errp, "'cpu-index' must be the number of a CPU, not %" PRId64, cpu_index);
        return false;
    }
    return check_limits_free(errp) &&
           dirty_limit_set(has_cpu_index ? cpu_index : DIRTY_LIMIT_ALL, dirty_rate, errp);
}

bool qmp_cancel_vcpu_dirty_limit(bool has_cpu_index, int64_t cpu_index, GError **errp)
{
    if (has_cpu_index && cpu_index < 0) {
        error_set(errp, "'cpu-index' must be the number of a CPU, not %" PRId64, cpu_index);
        return false;
    }
    return check_limits_free(errp) && dirty_limit_supported(errp) &&
           dirty_limit_cancel(has_cpu_index ? cpu_index : DIRTY_LIMIT_ALL, errp);
}

GPtrArray *qmp_query_vcpu_dirty_limit(GError **errp)
{
    return dirty_limit_list();
}
