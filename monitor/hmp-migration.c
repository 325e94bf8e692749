/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP commands about migration. */
#include <inttypes.h>

#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/parse.h"

void hmp_migrate(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate(argv[2], false, false, false, false, true, argv[0] != NULL, true, argv[1] != NULL,
                &err);
    hmp_error(hmp, err);
}

void hmp_migrate_cancel(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate_cancel(&err);
    hmp_error(hmp, err);
}

void hmp_migrate_start_postcopy(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate_start_postcopy(&err);
    hmp_error(hmp, err);
}

void hmp_migrate_pause(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate_pause(&err);
    hmp_error(hmp, err);
}

void hmp_migrate_recover(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate_recover(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_migrate_continue(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    int state;

    if (qapi_enum_parse_full(MigrationStatus_lookup, argv[0], "state", &state, &err)) {
        qmp_migrate_continue((MigrationStatus)state, &err);
    }
    hmp_error(hmp, err);
}

void hmp_migrate_incoming(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate_incoming(argv[0], &err);
    hmp_error(hmp, err);
}

/* ---- capabilities and parameters ---- */

void hmp_migrate_set_capability(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = MigrationCapabilityStatus_list_new();
    MigrationCapabilityStatus *item = g_new0(MigrationCapabilityStatus, 1);
    GError *err = NULL;
    int which;

    g_ptr_array_add(list, item);
    if (strcmp(argv[1], "on") != 0 && strcmp(argv[1], "off") != 0) {
        error_set(&err, "'%s' must be on or off", argv[1]);
    } else if (qapi_enum_parse_full(MigrationCapability_lookup, argv[0], "capability", &which,
                                    &err)) {
        item->capability = (MigrationCapability)which;
        item->state = strcmp(argv[1], "on") == 0;
        qmp_migrate_set_capabilities(list, &err);
    }
    hmp_error(hmp, err);
}

void hmp_info_migrate_capabilities(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_migrate_capabilities(NULL);

    for (unsigned i = 0; i < list->len; i++) {
        const MigrationCapabilityStatus *item = list->pdata[i];

        hmp_printf(hmp, "%s: %s\n", MigrationCapability_str(item->capability),
                   item->state ? "on" : "off");
    }
}

/* A size is in MiB where it has no suffix. */
static struct json_object *parse_value(const char *name, const char *text, GError **errp)
{
    uint64_t bytes;

    if (strcmp(name, "max-bandwidth") != 0 && strcmp(name, "max-postcopy-bandwidth") != 0 &&
        strcmp(name, "xbzrle-cache-size") != 0) {
        return keyval_text_new(text);
    }
    return parse_size(text, 1 << 20, &bytes, errp) ? json_object_new_uint64(bytes) : NULL;
}

void hmp_migrate_set_parameter(Hmp *hmp, char **argv)
{
    g_autoptr(MigrateSetParameters) set = NULL;
    struct json_object *given = json_object_new_object(), *value;
    GError *err = NULL;

    value = parse_value(argv[0], argv[1], &err);
    if (value) {
        json_object_object_add(given, argv[0], value);
        set = MigrateSetParameters_from_json(given, NULL, &err);
    }
    if (set) {
        qmp_migrate_set_parameters(set, &err);
    }
    json_object_put(given);
    hmp_error(hmp, err);
}

void hmp_info_migrate_parameters(Hmp *hmp, char **argv)
{
    g_autoptr(MigrationParameters) p = qmp_query_migrate_parameters(NULL);

    hmp_printf(hmp, "max-bandwidth: %" PRIu64 " bytes/second\n", p->max_bandwidth);
    hmp_printf(hmp, "max-postcopy-bandwidth: %" PRIu64 " bytes/second\n",
               p->max_postcopy_bandwidth);
    hmp_printf(hmp, "downtime-limit: %" PRIu64 " ms\n", p->downtime_limit);
    hmp_printf(hmp, "cpu-throttle-initial: %u\n", p->cpu_throttle_initial);
    hmp_printf(hmp, "cpu-throttle-increment: %u\n", p->cpu_throttle_increment);
    hmp_printf(hmp, "cpu-throttle-tailslow: %s\n", p->cpu_throttle_tailslow ? "on" : "off");
    hmp_printf(hmp, "max-cpu-throttle: %u\n", p->max_cpu_throttle);
    hmp_printf(hmp, "throttle-trigger-threshold: %u\n", p->throttle_trigger_threshold);
    hmp_printf(hmp, "xbzrle-cache-size: %" PRIu64 " bytes\n", p->xbzrle_cache_size);
    hmp_printf(hmp, "x-vcpu-dirty-limit-period: %" PRIu64 " ms\n", p->x_vcpu_dirty_limit_period);
    hmp_printf(hmp, "vcpu-dirty-limit: %" PRIu64 " MB/s\n", p->vcpu_dirty_limit);
    hmp_printf(hmp, "announce-initial: %" PRIu64 " ms\nannounce-max: %" PRIu64 " ms\n",
               p->announce_initial, p->announce_max);
    hmp_printf(hmp, "announce-rounds: %" PRIu64 "\nannounce-step: %" PRIu64 " ms\n",
               p->announce_rounds, p->announce_step);
    hmp_printf(hmp, "tls-creds: '%s'\ntls-hostname: '%s'\ntls-authz: '%s'\n", p->tls_creds,
               p->tls_hostname, p->tls_authz);
    hmp_printf(hmp, "multifd-channels: %u\n", p->multifd_channels);
    hmp_printf(hmp, "multifd-compression: %s\n", MultiFDCompression_str(p->multifd_compression));
    hmp_printf(hmp, "multifd-zlib-level: %u\nmultifd-zstd-level: %u\n", p->multifd_zlib_level,
               p->multifd_zstd_level);
}

/* ---- how it goes ---- */

static void print_ms(Hmp *hmp, const char *what, bool there, int64_t ms)
{
    if (there) {
        hmp_printf(hmp, "%s: %" PRId64 " ms\n", what, ms);
    }
}

static void print_ram(Hmp *hmp, const MigrationStats *ram)
{
    hmp_printf(hmp,
               "transferred: %" PRId64 " bytes\nmemory: %" PRId64 " bytes, %" PRId64
               " of them left\npages: %" PRId64 " written, %" PRId64 " zero\n",
               ram->transferred, ram->total, ram->remaining, ram->normal, ram->duplicate);
    hmp_printf(hmp,
               "throughput: %.2f mbps, %" PRIu64 " pages/second\n"
               "dirty sync count: %" PRId64 "\ndirty pages rate: %" PRId64 " pages/second\n",
               ram->mbps, ram->pages_per_second, ram->dirty_sync_count, ram->dirty_pages_rate);
    if (ram->postcopy_bytes) {
        hmp_printf(hmp, "postcopy: %" PRIu64 " bytes, %" PRId64 " requests\n", ram->postcopy_bytes,
                   ram->postcopy_requests);
    }
}

static void print_xbzrle(Hmp *hmp, const XBZRLECacheStats *x)
{
    hmp_printf(hmp,
               "xbzrle: cache of %" PRIu64 " bytes, %" PRId64 " pages in %" PRId64
               " bytes, %" PRId64 " not in it, %" PRId64 " too different\n",
               x->cache_size, x->pages, x->bytes, x->cache_miss, x->overflow);
}

void hmp_info_migrate(Hmp *hmp, char **argv)
{
    g_autoptr(MigrationInfo) info = qmp_query_migrate(NULL);

    for (unsigned i = 0; info->blocked_reasons && i < info->blocked_reasons->len; i++) {
        hmp_printf(hmp, "blocked: %s\n", (const char *)info->blocked_reasons->pdata[i]);
    }
    if (!info->has_status) {
        hmp_printf(hmp, "no migration was started\n");
        return;
    }
    hmp_printf(hmp, "Migration status: %s%s%s\n", MigrationStatus_str(info->status),
               info->error_desc ? ": " : "", info->error_desc ? info->error_desc : "");
    print_ms(hmp, "total time", info->has_total_time, info->total_time);
    print_ms(hmp, "expected downtime", info->has_expected_downtime, info->expected_downtime);
    print_ms(hmp, "downtime", info->has_downtime, info->downtime);
    print_ms(hmp, "setup", info->has_setup_time, info->setup_time);
    if (info->ram) {
        print_ram(hmp, info->ram);
    }
    if (info->has_postcopy_blocktime) {
        hmp_printf(hmp, "postcopy blocktime: %u ms\n", info->postcopy_blocktime);
    }
    if (info->xbzrle_cache) {
        print_xbzrle(hmp, info->xbzrle_cache);
    }
    if (info->has_dirty_limit_throttle_time_per_round) {
        hmp_printf(hmp, "dirty-limit throttle time: %" PRIu64 " us\n",
                   info->dirty_limit_throttle_time_per_round);
    }
    if (info->has_cpu_throttle_percentage) {
        hmp_printf(hmp, "cpu throttle percentage: %" PRId64 "\n", info->cpu_throttle_percentage);
    }
}

/* ---- how fast the guest writes ---- */

/* argv: -r, -b, seconds, pages */
void hmp_calc_dirty_rate(Hmp *hmp, char **argv)
{
    const DirtyRateMeasureMode mode = argv[0]   ? DIRTY_RATE_MEASURE_MODE_DIRTY_RING
                                      : argv[1] ? DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP
                                                : DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING;
    uint64_t seconds, samples = 0;
    GError *err = NULL;

    if (argv[0] && argv[1]) {
        error_set(&err, "-r and -b are two ways to measure: one of them can be used");
    } else if (!parse_uint(argv[2], G_MAXINT64, &seconds)) {
        error_set(&err, "'%s' must be a number of seconds", argv[2]);
    } else if (argv[3] && !parse_uint(argv[3], G_MAXINT64, &samples)) {
        error_set(&err, "'%s' must be a number of pages", argv[3]);
    } else {
        qmp_calc_dirty_rate((int64_t)seconds, argv[3] != NULL, (int64_t)samples, true, mode, &err);
    }
    hmp_error(hmp, err);
}

void hmp_info_dirty_rate(Hmp *hmp, char **argv)
{
    g_autoptr(DirtyRateInfo) info = qmp_query_dirty_rate(NULL);

    hmp_printf(hmp, "Status: %s\n", DirtyRateStatus_str(info->status));
    if (info->status != DIRTY_RATE_STATUS_UNSTARTED) {
        hmp_printf(hmp,
                   "Start Time: %" PRId64 " s\nPeriod: %" PRId64 " s\nSample Pages: %" PRIu64
                   " per GiB\nMode: %s\n",
                   info->start_time, info->calc_time, info->sample_pages,
                   DirtyRateMeasureMode_str(info->mode));
    }
    if (info->has_dirty_rate) {
        hmp_printf(hmp, "Dirty rate: %" PRId64 " MiB/s\n", info->dirty_rate);
    }
    for (guint i = 0; info->vcpu_dirty_rate && i < info->vcpu_dirty_rate->len; i++) {
        const DirtyRateVcpu *vcpu = info->vcpu_dirty_rate->pdata[i];

        hmp_printf(hmp, "vcpu[%" PRId64 "], Dirty rate: %" PRId64 " MiB/s\n", vcpu->id,
                   vcpu->dirty_rate);
    }
}

/* ---- limits to it ---- */

static bool parse_cpu(const char *text, int64_t *cpu, GError **errp)
{
    uint64_t number = 0;

    if (text && !parse_uint(text, G_MAXINT64, &number)) {
        error_set(errp, "'%s' must be the number of a CPU", text);
        return false;
    }
    *cpu = (int64_t)number;
    return true;
}

void hmp_set_vcpu_dirty_limit(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    uint64_t rate;
    int64_t cpu;

    if (!parse_uint(argv[0], G_MAXINT64, &rate)) {
        error_set(&err, "'%s' must be a number of MiB a second", argv[0]);
    } else if (parse_cpu(argv[1], &cpu, &err)) {
        qmp_set_vcpu_dirty_limit(argv[1] != NULL, cpu, rate, &err);
    }
    hmp_error(hmp, err);
}

void hmp_cancel_vcpu_dirty_limit(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    int64_t cpu;

    if (parse_cpu(argv[0], &cpu, &err)) {
        qmp_cancel_vcpu_dirty_limit(argv[0] != NULL, cpu, &err);
    }
    hmp_error(hmp, err);
}

void hmp_info_vcpu_dirty_limit(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_vcpu_dirty_limit(NULL);

    if (!list->len) {
        hmp_printf(hmp, "no CPU has a limit (set_vcpu_dirty_limit)\n");
    }
    for (guint i = 0; i < list->len; i++) {
        const DirtyLimitInfo *info = list->pdata[i];

        hmp_printf(hmp,
                   "vcpu[%" PRId64 "], limit rate %" PRIu64 " (MB/s), current rate %" PRIu64
                   " (MB/s)\n",
                   info->cpu_index, info->limit_rate, info->current_rate);
    }
}
