/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/error.h"

#include <stdio.h>

GQuark error_quark(void)
{
    return g_quark_from_static_string("dimmable-error");
}

static const char *const class_names[] = {
    [ERROR_CLASS_GENERIC] = "GenericError",
    [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
    [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
    [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
};

void error_set(GError **errp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_propagate_error(errp, g_error_new_valist(DIMMABLE_ERROR, ERROR_CLASS_GENERIC, fmt, ap));
    va_end(ap);
}

void error_set_class(GError **errp, ErrorClass cls, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_propagate_error(errp, g_error_new_valist(DIMMABLE_ERROR, (int)cls, fmt, ap));
    va_end(ap);
}

void error_set_errno(GError **errp, int err, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_set_error(errp, DIMMABLE_ERROR, ERROR_CLASS_GENERIC, "%s: %s", text, g_strerror(err));
}

const char *error_class_name(const GError *err)
{
    if (err->domain == DIMMABLE_ERROR && err->code >= 0 &&
        (size_t)err->code < G_N_ELEMENTS(class_names)) {
        return class_names[err->code];
    }
    return class_names[ERROR_CLASS_GENERIC];
}

static bool with_time;
static char *with_name;

void error_set_message_format(bool timestamp, const char *guest_name)
{
    with_time = timestamp;
    g_free(with_name);
    with_name = g_strdup(guest_name);
}

static char *message_head(void)
{
    g_autoptr(GString) head = g_string_new(NULL);

    if (with_time) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        g_autofree char *text = g_date_time_format(now, "%FT%T");

        g_string_append_printf(head, "%s.%06dZ ", text, g_date_time_get_microsecond(now));
    }
    if (with_name) {
        g_string_append_printf(head, "%s ", with_name);
    }
    return g_strdup(head->str);
}

static __thread void (*redirect)(void *opaque, const char *text);
static __thread void *redirect_opaque;

void error_redirect(void (*fn)(void *opaque, const char *text), void *opaque)
{
    redirect = fn;
    redirect_opaque = opaque;
}

/* One fprintf a message, so that threads do not mix their lines. */
static void G_GNUC_PRINTF(2, 0) report(const char *prefix, const char *fmt, va_list ap)
{
    g_autofree char *text = g_strdup_vprintf(fmt, ap), *head = NULL;

    if (redirect) {
        g_autofree char *whole = g_strconcat(prefix, text, NULL);

        redirect(redirect_opaque, whole);
        return;
    }
    head = message_head();
    fprintf(stderr, "%sdimmable: %s%s\n", head, prefix, text);
}

void error_report(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("", fmt, ap);
    va_end(ap);
}

void error_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    report("warning: ", fmt, ap);
    va_end(ap);
}
