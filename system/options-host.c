/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about this process and its messages: -msg, -sandbox, -overcommit, -add-fd, -global. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel/accel.h"
#include "hw/core/device.h"
#include "hw/i386/cpu.h"
#include "qapi/qapi-types.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/fdset.h"

/* ---- -msg ---- */

bool option_apply_msg(Startup *startup, const void *parsed, GError **errp)
{
    const MsgOptions *msg = parsed;

    startup->msg_timestamp = msg->has_timestamp ? msg->timestamp : startup->msg_timestamp;
    startup->msg_guest_name = msg->has_guest_name ? msg->guest_name : startup->msg_guest_name;
    return true;
}

/* ---- -sandbox ---- */

bool option_do_sandbox(Startup *startup, const char *arg, GError **errp)
{
    return sandbox_parse(&startup->sandbox, arg, errp);
}

/* ---- -overcommit ---- */

bool option_apply_overcommit(Startup *startup, const void *parsed, GError **errp)
{
    const OvercommitOptions *overcommit = parsed;

    accel_options.cpu_pm = overcommit->has_cpu_pm ? overcommit->cpu_pm : accel_options.cpu_pm;
    startup->mem_lock = overcommit->has_mem_lock ? overcommit->mem_lock : startup->mem_lock;
    return true;
}

bool option_lock_memory(GError **errp)
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

bool option_apply_add_fd(Startup *startup, const void *parsed, GError **errp)
{
    const AddFdOptions *given = parsed;

    if (given->fd > INT_MAX || given->set > INT64_MAX) {
        error_set(errp, "fd=%u,set=%" PRIu64 ": numbers are at most %d and %" PRId64, given->fd,
                  given->set, INT_MAX, INT64_MAX);
        return false;
    }
    if (given->fd <= STDERR_FILENO) {
        error_set(errp, "fd=%u is standard input, output or error; give another descriptor",
                  given->fd);
        return false;
    }
    /* Descriptors of our own have this flag; those that were handed to us have not. */
    int flags = fcntl((int)given->fd, F_GETFD);
    if (flags < 0 || flags & FD_CLOEXEC) {
        error_set(errp, "fd=%u was not handed to this program when it was started", given->fd);
        return false;
    }
    int fd = fcntl((int)given->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (fd < 0) {
        error_set_errno(errp, errno, "fd=%u", given->fd);
        return false;
    }
    fdset_add((int64_t)given->set, fd, given->opaque, false);
    return true;
}

/* ---- -global ---- */

/* The dot between type and property. Both may have dots in their names: the first one behind a type
 * that there is, or else the last one. NULL: there is none. */
static char *find_type_end(char *path)
{
    for (char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        g_autofree char *type = g_strndup(path, (size_t)(dot - path));

        if (object_type_find(type)) {
            return dot;
        }
    }
    return strrchr(path, '.');
}

/* "TYPE.PROPERTY=VALUE". */
static bool global_from_short(const char *arg, GError **errp)
{
    const char *equals = strchr(arg, '=');
    g_autofree char *type = g_strndup(arg, equals ? (size_t)(equals - arg) : 0);
    char *dot = find_type_end(type);

    if (!dot || dot == type || !dot[1]) {
        error_set(errp, "expects TYPE.PROPERTY=VALUE, as in pc-dimm.node=1, or "
                        "driver=TYPE,property=PROPERTY,value=VALUE");
        return false;
    }
    *dot = '\0';
    return object_global_add(type, dot + 1, equals + 1, errp);
}

bool option_do_global(Startup *startup, const char *arg, GError **errp)
{
    const char *equals = strchr(arg, '=');

    if (equals && memchr(arg, '.', (size_t)(equals - arg))) {
        return global_from_short(arg, errp);
    }
    if (*arg != '{' && !strstr(arg, "driver=")) {
        return global_from_short(arg, errp); /* for its error */
    }
    g_autoptr(GlobalOptions) given = qapi_from_option(&GlobalOptions_type, arg, NULL, errp);
    return given && object_global_add(given->driver, given->property, given->value, errp);
}

/* May users still make objects of @name or a subtype? */
static bool can_be_made_later(const char *name)
{
    g_autoptr(GPtrArray) types = object_types();

    for (unsigned i = 0; i < types->len; i++) {
        const ObjectType *type = types->pdata[i];

        /* Those CPUs that may come are as the others are, of which -global has been asked. */
        if (type->abstract || !object_type_is_a(type, name) ||
            object_type_is_a(type, TYPE_X86_CPU)) {
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
        error_warn("-global %s.%s=%s has no effect: this machine has no '%s'", type, prop, text,
                   type);
    }
}

void option_warn_unused_globals(void)
{
    object_globals_foreach_unused(warn_unused);
}
