/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP commands about migration. */
#include <inttypes.h>

#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
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

enum {
    PARAM_BANDWIDTH,
    PARAM_POSTCOPY_BANDWIDTH,
    PARAM_DOWNTIME,
    PARAM_INITIAL,
    PARAM_INCREMENT,
    PARAM_MAX
};

static const char *const param_names[] = {
    [PARAM_BANDWIDTH] = "max-bandwidth",
    [PARAM_POSTCOPY_BANDWIDTH] = "max-postcopy-bandwidth",
    [PARAM_DOWNTIME] = "downtime-limit",
    [PARAM_INITIAL] = "cpu-throttle-initial",
    [PARAM_INCREMENT] = "cpu-throttle-increment",
    [PARAM_MAX] = "max-cpu-throttle",
    NULL,
};

/* A size, in MiB where it has no suffix; or a number, of percent at most 255: what is more is
 * refused with the rest. */
static bool parse_value(int which, const char *text, uint64_t *value, GError **errp)
{
    if (which == PARAM_BANDWIDTH || which == PARAM_POSTCOPY_BANDWIDTH) {
        return parse_size(text, 1 << 20, value, errp);
    }
    if (!parse_uint(text, which == PARAM_DOWNTIME ? UINT32_MAX : UINT8_MAX, value)) {
        error_set(errp, "'%s' must be a number of %s", text,
                  which == PARAM_DOWNTIME ? "milliseconds" : "percent");
        return false;
    }
    return true;
}

void hmp_migrate_set_parameter(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    uint64_t value;
    int which;

    if (qapi_enum_parse_full(param_names, argv[0], "parameter", &which, &err) &&
        parse_value(which, argv[1], &value, &err)) {
        uint8_t percent = (uint8_t)value;

        qmp_migrate_set_parameters(
            which == PARAM_BANDWIDTH, value, which == PARAM_POSTCOPY_BANDWIDTH, value,
            which == PARAM_DOWNTIME, value, which == PARAM_INITIAL, percent,
            which == PARAM_INCREMENT, percent, which == PARAM_MAX, percent, NULL, &err);
    }
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
    hmp_printf(hmp, "max-cpu-throttle: %u\n", p->max_cpu_throttle);
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
    if (info->has_cpu_throttle_percentage) {
        hmp_printf(hmp, "cpu throttle percentage: %" PRId64 "\n", info->cpu_throttle_percentage);
    }
}
