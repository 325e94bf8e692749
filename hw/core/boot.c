/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/boot.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/machine-config.h"
#include "util/error.h"

#define WAIT_MAX 65535

void boot_config_init(BootConfig *config)
{
    config->given = g_new0(BootConfiguration, 1);
    config->given->has_menu = config->given->has_strict = true;
    config->given->has_reboot_timeout = true;
    config->given->reboot_timeout = -1;
}

void boot_config_clear(BootConfig *config)
{
    g_clear_pointer(&config->given, BootConfiguration_free);
}

/* ---- checks ---- */

static bool check_order(const char *key, const char *order, GError **errp)
{
    for (const char *p = order; p && *p; p++) {
        if (*p < 'a' || *p > 'p') {
            error_set(errp,
                      "%s=%s: '%c' is no drive: use letters from a to p (a floppy disk, c hard "
                      "disk, d CD-ROM, n network)",
                      key, order, *p);
            return false;
        }
        if (strchr(p + 1, *p)) {
            error_set(errp, "%s=%s: '%c' is given twice, but once is enough", key, order, *p);
            return false;
        }
    }
    return true;
}

static bool check_wait(const char *key, int64_t wait, bool or_never, GError **errp)
{
    if (wait >= (or_never ? -1 : 0) && wait <= WAIT_MAX) {
        return true;
    }
    error_set(errp, "%s=%" PRId64 " is not right: give milliseconds from 0 to %d%s", key, wait,
              WAIT_MAX, or_never ? ", or -1 for never" : "");
    return false;
}

bool boot_config_set_order(BootConfig *config, const char *order, GError **errp)
{
    if (!check_order("order", order, errp)) {
        return false;
    }
    g_free(config->given->order);
    config->given->order = g_strdup(order);
    g_clear_pointer(&config->given->once, g_free);
    return true;
}

/* ---- the property ---- */

void *machine_get_boot(Object *obj)
{
    BootConfiguration *value = g_new0(BootConfiguration, 1);

    qapi_update(&BootConfiguration_type, value, MACHINE(obj)->boot.given);
    return value;
}

bool machine_set_boot(Object *obj, const void *value, GError **errp)
{
    const BootConfiguration *given = value;

    if (!check_order("order", given->order, errp) || !check_order("once", given->once, errp) ||
        !check_wait("splash-time", given->splash_time, false, errp) ||
        !check_wait("reboot-timeout", given->reboot_timeout, true, errp)) {
        return false;
    }
    qapi_update(&BootConfiguration_type, MACHINE(obj)->boot.given, given);
    return true;
}

bool machine_parse_boot(Machine *machine, const char *text, GError **errp)
{
    g_autoptr(BootConfiguration) given =
        qapi_from_option(&BootConfiguration_type, text, "order", errp);

    return given && machine_set_boot(OBJECT(machine), given, errp);
}
