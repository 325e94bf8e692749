/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of character devices: a front end that keeps what happens to it. */
#ifndef TESTS_UNIT_FRONT_H
#define TESTS_UNIT_FRONT_H

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "util/main-loop.h"

typedef struct Front {
    CharFrontend fe;
    GString *input;
    GString *events; /* one letter an event: O C B I(n) U(out) */
    int room;
} Front;

static inline int front_can_receive(void *opaque)
{
    return ((Front *)opaque)->room;
}

static inline void front_receive(void *opaque, const uint8_t *buf, int len)
{
    Front *front = opaque;

    g_assert_cmpint(len, <=, front->room);
    front->room -= len;
    g_string_append_len(front->input, (const char *)buf, len);
}

static inline void front_event(void *opaque, CharEvent event)
{
    g_string_append_c(((Front *)opaque)->events, "OCBIU"[event]);
}

static inline Front *front_new(const char *id)
{
    Front *front = g_new0(Front, 1);
    GError *err = NULL;

    front->input = g_string_new(NULL);
    front->events = g_string_new(NULL);
    front->room = 1 << 20;
    front->fe = (CharFrontend){ .can_receive = front_can_receive,
                                .receive = front_receive,
                                .event = front_event,
                                .opaque = front };
    char_attach(chardev_find(id), &front->fe, &err);
    g_assert_no_error(err);
    return front;
}

static inline void front_free(Front *front)
{
    char_detach(&front->fe);
    g_string_free(front->input, TRUE);
    g_string_free(front->events, TRUE);
    g_free(front);
}

static inline void expect_text(GString *got, const char *text)
{
    g_assert_cmpstr(got->str, ==, text);
    g_string_set_size(got, 0);
}

static inline gboolean front_waited(gpointer opaque)
{
    g_error("what the test waits for did not come in a minute");
    return G_SOURCE_REMOVE;
}

/* Let the main loop run until @done(@opaque), which is asked again after each turn. */
static inline void front_wait(bool (*done)(void *opaque), void *opaque)
{
    guint watchdog = g_timeout_add_seconds(60, front_waited, NULL);

    while (!done(opaque)) {
        main_loop_iterate(true);
    }
    g_source_remove(watchdog);
}

static inline bool front_has_input(void *opaque)
{
    return ((Front *)opaque)->input->len;
}

static inline bool front_has_events(void *opaque)
{
    return ((Front *)opaque)->events->len;
}

#endif
