/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/boot.h"

#include <string.h>

#include "hw/core/machine.h"
#include "hw/core/opts.h"
#include "util/error.h"
#include "util/keyval.h"

#define WAIT_MAX 65535

void boot_config_init(BootConfig *config)
{
    *config = (BootConfig){ .splash_time = -1, .reboot_timeout = -1 };
}

void boot_config_clear(BootConfig *config)
{
    g_clear_pointer(&config->order, g_free);
    g_clear_pointer(&config->once, g_free);
    g_clear_pointer(&config->splash, g_free);
}

/* ---- one key each ---- */

static bool parse_order(void *field, const char *key, const char *value, GError **errp)
{
    char **order = field;

    for (const char *p = value; *p; p++) {
        if (*p < 'a' || *p > 'p') {
            error_set(errp,
                      "%s=%s: '%c' is no drive: use letters from a to p (a floppy disk, c hard "
                      "disk, d CD-ROM, n network)",
                      key, value, *p);
            return false;
        }
        if (strchr(p + 1, *p)) {
            error_set(errp, "%s=%s: '%c' is given twice, but once is enough", key, value, *p);
            return false;
        }
    }
    g_free(*order);
    *order = g_strdup(value);
    return true;
}

bool boot_config_set_order(BootConfig *config, const char *order, GError **errp)
{
    if (!parse_order(&config->order, "order", order, errp)) {
        return false;
    }
    g_clear_pointer(&config->once, g_free);
    return true;
}

static bool parse_flag(void *field, const char *key, const char *value, GError **errp)
{
    if (!bool_parse(value, field)) {
        error_set(errp, "%s=%s is not right: use on or off", key, value);
        return false;
    }
    return true;
}

static bool parse_file(void *field, const char *key, const char *value, GError **errp)
{
    char **path = field;

    g_free(*path);
    *path = g_strdup(value);
    return true;
}

static bool parse_wait(void *field, const char *key, const char *value, GError **errp)
{
    uint64_t wait;

    if (!uint_parse(value, WAIT_MAX, &wait)) {
        error_set(errp, "%s=%s is not right: give milliseconds from 0 to %d", key, value, WAIT_MAX);
        return false;
    }
    *(int32_t *)field = wait;
    return true;
}

static bool parse_wait_or_never(void *field, const char *key, const char *value, GError **errp)
{
    if (strcmp(value, "-1") == 0) {
        *(int32_t *)field = -1;
        return true;
    }
    if (!parse_wait(field, key, value, NULL)) {
        error_set(errp, "%s=%s is not right: give milliseconds from 0 to %d, or -1 for never", key,
                  value, WAIT_MAX);
        return false;
    }
    return true;
}

static const struct BootKey {
    const char *name;
    size_t offset;
    bool (*parse)(void *field, const char *key, const char *value, GError **errp);
} boot_keys[] = {
    { "order", offsetof(BootConfig, order), parse_order },
    { "once", offsetof(BootConfig, once), parse_order },
    { "menu", offsetof(BootConfig, menu), parse_flag },
    { "strict", offsetof(BootConfig, strict), parse_flag },
    { "splash", offsetof(BootConfig, splash), parse_file },
    { "splash-time", offsetof(BootConfig, splash_time), parse_wait },
    { "reboot-timeout", offsetof(BootConfig, reboot_timeout), parse_wait_or_never },
};

static BootConfig boot_config_copy(const BootConfig *config)
{
    BootConfig copy = *config;

    copy.order = g_strdup(config->order);
    copy.once = g_strdup(config->once);
    copy.splash = g_strdup(config->splash);
    return copy;
}

/* All of it or nothing. */
static bool boot_from_opts(BootConfig *config, struct json_object *opts, GError **errp)
{
    const char *known[G_N_ELEMENTS(boot_keys) + 1] = { NULL };
    BootConfig result = boot_config_copy(config);
    bool ok;

    for (size_t i = 0; i < G_N_ELEMENTS(boot_keys); i++) {
        known[i] = boot_keys[i].name;
    }
    ok = opts_check_keys(opts, known, errp);
    for (size_t i = 0; ok && i < G_N_ELEMENTS(boot_keys); i++) {
        const char *value = opts_get(opts, boot_keys[i].name);
        if (value) {
            ok = boot_keys[i].parse((char *)&result + boot_keys[i].offset, boot_keys[i].name, value,
                                    errp);
        }
    }
    if (!ok) {
        boot_config_clear(&result);
        return false;
    }
    boot_config_clear(config);
    *config = result;
    return true;
}

/* "[order=]LETTERS,once=LETTERS,menu=on|off,strict=on|off,splash=FILE,splash-time=MS,
 * reboot-timeout=MS": change what is given. The splash file is not looked at here. */
static bool boot_config_parse(BootConfig *config, const char *text, GError **errp)
{
    struct json_object *opts = keyval_parse(text, "order", errp);
    bool ok = opts && boot_from_opts(config, opts, errp);

    json_object_put(opts);
    return ok;
}

/* ---- the property ---- */

static void add_text(struct json_object *out, const char *key, const char *text)
{
    if (text) {
        json_object_object_add(out, key, json_object_new_string(text));
    }
}

struct json_object *machine_get_boot(Object *obj, const Property *prop, GError **errp)
{
    const BootConfig *config = &MACHINE(obj)->boot;
    struct json_object *out = json_object_new_object();

    add_text(out, "order", config->order);
    add_text(out, "once", config->once);
    json_object_object_add(out, "menu", json_object_new_boolean(config->menu));
    add_text(out, "splash", config->splash);
    if (config->splash_time >= 0) {
        json_object_object_add(out, "splash-time", json_object_new_int(config->splash_time));
    }
    json_object_object_add(out, "reboot-timeout", json_object_new_int(config->reboot_timeout));
    json_object_object_add(out, "strict", json_object_new_boolean(config->strict));
    return out;
}

bool machine_set_boot(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    BootConfig *config = &MACHINE(obj)->boot;

    if (json_object_is_type(value, json_type_string)) {
        return boot_config_parse(config, json_object_get_string(value), errp);
    }
    if (!json_object_is_type(value, json_type_object)) {
        error_set(errp, "'%s' takes an object or a string, as in \"order=cd,menu=on\"", prop->name);
        return false;
    }
    return boot_from_opts(config, value, errp);
}
