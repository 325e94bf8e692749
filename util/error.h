/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: GLib's GError with one domain, whose codes are the QMP error classes.
 *
 * A function that can fail takes `GError **errp` last and returns bool or a pointer (false/NULL
 * on failure). A message says what is wrong and what would be right; it has no trailing period or
 * newline, and names the option, property or id that it is about.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <glib.h>
#include <stdbool.h>

typedef enum ErrorClass {
    ERROR_CLASS_GENERIC,           /* "GenericError" */
    ERROR_CLASS_COMMAND_NOT_FOUND, /* "CommandNotFound" */
    ERROR_CLASS_DEVICE_NOT_ACTIVE, /* "DeviceNotActive" */
    ERROR_CLASS_DEVICE_NOT_FOUND,  /* "DeviceNotFound" */
} ErrorClass;

#define DIMMABLE_ERROR (error_quark())
GQuark error_quark(void);

/* Set @errp (which may be NULL) to a generic error. */
void error_set(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* The same with a QMP error class. */
void error_set_class(GError **errp, ErrorClass cls, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* A generic error that ends in ": <strerror(@err)>"; @err is a positive errno value. */
void error_set_errno(GError **errp, int err, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* The QMP name of an error's class; errors of other domains are "GenericError". */
const char *error_class_name(const GError *err);

/* Print "dimmable: <message>" resp. "dimmable: warning: <message>" on stderr. Any thread. */
void error_report(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
void error_warn(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* From now on messages of this thread go, as "warning: <message>" or plain, to @fn and not to
 * stderr; NULL: to stderr again. */
void error_redirect(void (*fn)(void *opaque, const char *text), void *opaque);

/* What these messages begin with from now on: the time in UTC (ISO 8601) if @timestamp, and
 * @guest_name if that is not NULL. At start-up, before there are threads. */
void error_set_message_format(bool timestamp, const char *guest_name);

#endif
