/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of libqtest share.
 */
#ifndef TESTS_QTEST_LIBQTEST_INTERNAL_H
#define TESTS_QTEST_LIBQTEST_INTERNAL_H

#include "tests/qtest/libqtest.h"

typedef struct Stream {
    int fd;
    GString *input;
} Stream;

struct QTest {
    pid_t pid; /* 0: it has ended */
    int status;
    int output; /* a memory file: what the program printed */
    bool allow_output;
    char *folder; /* NULL until a file is wanted */
    Stream qtest, qmp;
    uint32_t irq_levels;
    unsigned irq_raised[QTEST_MAX_IRQ];
    int64_t last_id;
    GQueue events; /* of json_object *, oldest first */
};

/* End the test: what happened, and what the program printed. */
void libqtest_die(QTest *qt, const char *fmt, ...) G_GNUC_PRINTF(2, 3) G_GNUC_NORETURN;

/* g_get_monotonic_time() in @ms milliseconds. */
int64_t libqtest_deadline(int ms);
/* At once: a program that wakes up finds all of it. */
void libqtest_send_line(QTest *qt, Stream *stream, const char *line);
/* The next line, without its end; g_free. NULL: none came by @deadline. */
char *libqtest_line(QTest *qt, Stream *stream, int64_t deadline);

#endif
