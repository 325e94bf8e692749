/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about what the guest finds: -boot, -fw_cfg, -smbios, -rtc, -audiodev, and what PCs once
 * had. */
#include <string.h>

#include "hw/i386/fw-cfg.h"
#include "hw/i386/smbios.h"
#include "hw/i386/x86.h"
#include "hw/rtc/mc146818.h"
#include "qapi/qapi-types.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/file-read.h"

/* ---- -boot ---- */

bool option_do_boot(Startup *startup, const char *arg, GError **errp)
{
    return machine_parse_boot(startup->machine, arg, errp);
}

/* ---- -fw_cfg ---- */

bool option_apply_fw_cfg(Startup *startup, const void *parsed, GError **errp)
{
    const FwCfgOptions *given = parsed;
    FwCfg *fw = fw_cfg_get();
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) err = NULL;
    char *contents;
    size_t size;

    if (!fw) {
        error_set(errp, "machine '%s' has no firmware configuration: use another, such as pc",
                  machine_ops(startup->machine)->name);
        return false;
    }
    if (!*given->name || !given->file == !given->string) {
        error_set(errp, "expects name=NAME, and file=FILE or string=TEXT, as in "
                        "name=opt/org.example/greeting,string=hello");
        return false;
    }
    if (given->string) {
        bytes = g_bytes_new(given->string, strlen(given->string));
    } else if (file_read(given->file, FILE_READ_MOST, &contents, &size, &err)) {
        bytes = g_bytes_new_take(contents, size);
    } else {
        error_set(errp, "cannot read '%s': %s", given->file, err->message);
        return false;
    }
    if (!fw_cfg_add_file(fw, given->name, bytes, errp)) {
        return false;
    }
    if (!g_str_has_prefix(given->name, "opt/")) {
        error_warn("-fw_cfg: '%s' is a name that firmware or this program may use for something "
                   "else: names of your own begin with \"opt/\"",
                   given->name);
    }
    return true;
}

/* ---- -smbios ---- */

bool option_do_smbios(Startup *startup, const char *arg, GError **errp)
{
    if (!object_is_a(OBJECT(startup->machine), TYPE_X86_MACHINE)) {
        error_set(errp, "machine '%s' has no SMBIOS tables: use another, such as pc",
                  machine_ops(startup->machine)->name);
        return false;
    }
    return smbios_config_parse(X86_MACHINE(startup->machine)->smbios, arg, errp);
}

/* ---- -rtc ---- */

/* "2026-03-01T12:00:00" or "2026-03-01", in UTC. */
static bool parse_date(const char *text, int64_t *seconds)
{
    g_autofree char *full =
        strchr(text, 'T') ? g_strdup(text) : g_strconcat(text, "T00:00:00", NULL);
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    /* The form is checked here: GLib takes others too, week numbers and time zones among them. */
    bool ok = strlen(full) == strlen("YYYY-MM-DDTHH:MM:SS") && full[4] == '-' && full[7] == '-' &&
              full[13] == ':' && full[16] == ':' && g_ascii_isdigit(full[18]);
    g_autoptr(GDateTime) date = ok ? g_date_time_new_from_iso8601(full, utc) : NULL;

    if (date) {
        *seconds = g_date_time_to_unix(date);
    }
    return date;
}

static bool rtc_base(RtcOption *rtc, const char *base, GError **errp)
{
    if (strcmp(base, "utc") == 0) {
        rtc->base = RTC_BASE_UTC;
    } else if (strcmp(base, "localtime") == 0) {
        rtc->base = RTC_BASE_LOCALTIME;
    } else if (parse_date(base, &rtc->seconds)) {
        rtc->base = RTC_BASE_DATE;
    } else {
        error_set(errp,
                  "base=%s is not right: use utc, localtime, or a date as in "
                  "2026-03-01T12:00:00 or 2026-03-01",
                  base);
        return false;
    }
    return true;
}

bool option_apply_rtc(Startup *startup, const void *parsed, GError **errp)
{
    const RtcOptions *rtc = parsed;

    if (rtc->base && !rtc_base(&startup->rtc, rtc->base, errp)) {
        return false;
    }
    if (rtc->has_clock &&
        !object_global_add(TYPE_MC146818, MC146818_CLOCK, RtcClock_str(rtc->clock), errp)) {
        return false;
    }
    return !rtc->has_driftfix ||
           object_global_add(TYPE_MC146818, MC146818_LOST_TICK_POLICY,
                             rtc->driftfix == RTC_DRIFTFIX_SLEW ? "slew" : "discard", errp);
}

/* The host's local time, as if it were UTC. */
static int64_t local_seconds(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();

    return g_date_time_to_unix(now) + g_date_time_get_utc_offset(now) / G_TIME_SPAN_SECOND;
}

bool option_set_clock(const RtcOption *rtc, GError **errp)
{
    if (rtc->base == RTC_BASE_UTC) {
        return true; /* as it is made */
    }
    Mc146818 *clock = mc146818_find();
    if (!clock) {
        error_set(errp, "-rtc: this machine has no clock; only base=utc is possible");
        return false;
    }
    mc146818_set_time(clock, rtc->base == RTC_BASE_DATE ? rtc->seconds : local_seconds());
    return true;
}
