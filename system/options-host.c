/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about this process and its messages: -msg, -sandbox, -overcommit, -add-fd, -global. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/core/device.h"
#include "hw/core/opts.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/keyval.h"

/* An on/off key; *@out keeps its value if the key is not there. */
static bool get_flag(struct json_object *opts, const char *key, bool *out, GError **errp)
{
    const char *value = opts_get(opts, key);

    if (value && !bool_parse(value, out)) {
        error_set(errp, "%s=%s is not right: use on or off", key, value);
        return false;
    }
    return true;
}

/* ---- -msg ---- */

static bool msg_from_opts(Startup *startup, struct json_object *opts, GError **errp)
{
    static const char *const keys[] = { "timestamp", "guest-name", NULL };

    return opts_check_keys(opts, keys, errp) &&
           get_flag(opts, "timestamp", &startup->msg_timestamp, errp) &&
           get_flag(opts, "guest-name", &startup->msg_guest_name, errp);
}

bool do_msg(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *opts = keyval_parse(arg, NULL, errp);
    bool ok = opts && msg_from_opts(startup, opts, errp);

    json_object_put(opts);
    return ok;
}

/* ---- -sandbox ---- */

bool do_sandbox(Startup *startup, const char *arg, GError **errp)
{
    return sandbox_parse(&startup->sandbox, arg, errp);
}

/* ---- -overcommit ---- */

static bool overcommit_from_opts(Startup *startup, struct json_object *opts, GError **errp)
{
    static const char *const keys[] = { "mem-lock", "cpu-pm", NULL };
    bool cpu_pm = false;

    if (!opts_check_keys(opts, keys, errp) ||
        !get_flag(opts, "mem-lock", &startup->mem_lock, errp) ||
        !get_flag(opts, "cpu-pm", &cpu_pm, errp)) {
        return false;
    }
    if (cpu_pm) {
        error_set(errp, "cpu-pm=on is not there: it gives a guest the idle states of host CPUs, "
                        "which only hardware virtualisation can do; use cpu-pm=off");
        return false;
    }
    return true;
}

bool do_overcommit(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *opts = keyval_parse(arg, NULL, errp);
    bool ok = opts && overcommit_from_opts(startup, opts, errp);

    json_object_put(opts);
    return ok;
}

bool lock_memory(GError **errp)
{
    if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        error_set_errno(errp, errno,
                        "-overcommit mem-lock=on: cannot lock memory; it needs CAP_IPC_LOCK, or a "
                        "limit of locked memory (ulimit -l) above what guest and program need");
        return false;
    }
    return true;
}

/* ---- -add-fd ---- */

/* A number that must be there. */
static bool get_number(struct json_object *opts, const char *key, uint64_t max, uint64_t *out,
                       GError **errp)
{
    const char *value = opts_get(opts, key);

    if (!value) {
        error_set(errp, "%s= is missing; it must be a number, as in fd=3,set=1", key);
        return false;
    }
    if (!uint_parse(value, max, out)) {
        error_set(errp, "%s=%s is not right: it must be a number", key, value);
        return false;
    }
    return true;
}

static bool add_fd_from_opts(struct json_object *opts, GError **errp)
{
    static const char *const keys[] = { "fd", "set", "opaque", NULL };
    uint64_t number, set;

    if (!opts_check_keys(opts, keys, errp) || !get_number(opts, "fd", INT_MAX, &number, errp) ||
        !get_number(opts, "set", INT64_MAX, &set, errp)) {
        return false;
    }
    if (number <= STDERR_FILENO) {
        error_set(errp, "fd=%d is standard input, output or error; give another descriptor",
                  (int)number);
        return false;
    }
    /* Descriptors of our own have this flag; those that were handed to us have not. */
    int flags = fcntl((int)number, F_GETFD);
    if (flags < 0 || flags & FD_CLOEXEC) {
        error_set(errp, "fd=%d was not handed to this program when it was started", (int)number);
        return false;
    }
    int fd = fcntl((int)number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) {
        error_set_errno(errp, errno, "fd=%d", (int)number);
        return false;
    }
    fdset_add((int64_t)set, fd, opts_get(opts, "opaque"), false);
    return true;
}

bool do_add_fd(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *opts = keyval_parse(arg, NULL, errp);
    bool ok = opts && add_fd_from_opts(opts, errp);

    json_object_put(opts);
    return ok;
}

/* ---- -global ---- */

static bool global_from_opts(struct json_object *opts, GError **errp)
{
    static const char *const keys[] = { "driver", "property", "value", NULL };
    const char *driver = opts_get(opts, "driver"), *property = opts_get(opts, "property");
    const char *value = opts_get(opts, "value");

    if (!opts_check_keys(opts, keys, errp)) {
        return false;
    }
    if (!driver || !property || !value) {
        error_set(errp, "%s= is missing; all of driver=, property= and value= are needed",
                  !driver     ? "driver"
                  : !property ? "property"
                              : "value");
        return false;
    }
    return object_global_add(driver, property, value, errp);
}

/* "TYPE.PROPERTY=VALUE"; types may have dots in their names. */
static bool global_from_short(const char *arg, GError **errp)
{
    const char *equals = strchr(arg, '=');
    g_autofree char *type = g_strndup(arg, equals ? (size_t)(equals - arg) : 0);
    char *dot = strrchr(type, '.');

    if (!dot || dot == type || !dot[1]) {
        error_set(errp, "expects TYPE.PROPERTY=VALUE, as in pc-dimm.node=1, or "
                        "driver=TYPE,property=PROPERTY,value=VALUE");
        return false;
    }
    *dot = '\0';
    return object_global_add(type, dot + 1, equals + 1, errp);
}

bool do_global(Startup *startup, const char *arg, GError **errp)
{
    const char *equals = strchr(arg, '=');

    if (equals && memchr(arg, '.', (size_t)(equals - arg))) {
        return global_from_short(arg, errp);
    }
    if (!strstr(arg, "driver=")) {
        return global_from_short(arg, errp); /* for its error */
    }
    struct json_object *opts = keyval_parse(arg, NULL, errp);
    bool ok = opts && global_from_opts(opts, errp);
    json_object_put(opts);
    return ok;
}

/* May users still make objects of @name or a subtype? */
static bool can_be_made_later(const char *name)
{
    g_autoptr(GPtrArray) types = object_types();

    for (unsigned i = 0; i < types->len; i++) {
        const ObjectType *type = types->pdata[i];

        if (type->abstract || !object_type_is_a(type, name)) {
            continue;
        }
        if (type->user_creatable) {
            return true;
        }
        if (object_type_is_a(type, TYPE_DEVICE)) {
            const DeviceClass *class = object_type_ops(type);
            if (class->flags & DEVICE_USER_CREATABLE && class->flags & DEVICE_PLUG) {
                return true;
            }
        }
    }
    return false;
}

static void warn_unused(const char *type, const char *prop, const char *text)
{
    if (!can_be_made_later(type)) {
        warn_report("-global %s.%s=%s has no effect: this machine has no '%s'", type, prop, text,
                    type);
    }
}

void warn_unused_globals(void)
{
    object_globals_foreach_unused(warn_unused);
}
