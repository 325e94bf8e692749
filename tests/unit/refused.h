/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_REFUSED_H
#define TESTS_UNIT_REFUSED_H

#include <string.h>

#include "util/error.h"

/* @what, which sets `errp` and is then false or NULL, fails with a message that has @part in it. */
#define assert_refused(what, part)                       \
    do {                                                 \
        GError *err_ = NULL;                             \
        GError **errp = &err_;                           \
        g_assert_false(!!(what));                        \
        g_assert_nonnull(err_);                          \
        if (!strstr(err_->message, part)) {              \
            g_error("'%s' in: %s", part, err_->message); \
        }                                                \
        g_error_free(err_);                              \
    } while (0)

#endif
