/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of eventfds that another program has as well: nobody waits, though it may have made them wait. */
#include <glib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/shared-event.h"

static void test(gconstpointer flags)
{
    int fd = eventfd(0, GPOINTER_TO_INT(flags));
    eventfd_t count;

    g_assert_cmpint(fd, >=, 0);
    g_assert_false(shared_event_take(fd));
    shared_event_signal(fd);
    shared_event_signal(fd);
    g_assert_true(shared_event_take(fd));
    g_assert_false(shared_event_take(fd));
    g_assert_cmpint(eventfd_write(fd, UINT64_MAX - 1), ==, 0);
    shared_event_signal(fd);
    g_assert_cmpint(eventfd_read(fd, &count), ==, 0);
    g_assert_cmpuint(count, ==, UINT64_MAX - 1);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/shared-event/that-waits", GINT_TO_POINTER(0), test);
    g_test_add_data_func("/shared-event/that-does-not", GINT_TO_POINTER(EFD_NONBLOCK), test);
    return g_test_run();
}
