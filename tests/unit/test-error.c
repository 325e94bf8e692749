/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"

static void test_set(void)
{
    g_autoptr(GError) err = NULL;

    error_set(NULL, "nobody looks");
    error_set(&err, "size %d", 3);
    g_assert_error(err, DIMMABLE_ERROR, ERROR_CLASS_GENERIC);
    g_assert_cmpstr(err->message, ==, "size 3");
    g_assert_cmpstr(error_class_name(err), ==, "GenericError");
}

static void test_classes(void)
{
    static const char *const names[] = { "GenericError", "CommandNotFound", "DeviceNotActive",
                                         "DeviceNotFound" };

    for (int cls = 0; cls < 4; cls++) {
        g_autoptr(GError) err = NULL;

        error_set_class(&err, (ErrorClass)cls, "x");
        g_assert_cmpstr(error_class_name(err), ==, names[cls]);
    }
}

static void test_other_domain(void)
{
    g_autoptr(GError) err = g_error_new(G_IO_ERROR, 3, "x");

    g_assert_cmpstr(error_class_name(err), ==, "GenericError");
}

static void test_errno(void)
{
    g_autoptr(GError) err = NULL;

    error_set_errno(NULL, ENOENT, "x");
    error_set_errno(&err, ENOENT, "Cannot open '%s'", "f%s");
    g_assert_cmpstr(err->message, ==, "Cannot open 'f%s': No such file or directory");
}

static void test_report(void)
{
    if (g_test_subprocess()) {
        error_report("bad %s", "thing");
        error_warn("odd %s", "thing");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("dimmable: bad thing\ndimmable: warning: odd thing\n*");
}

static void test_message_format(void)
{
    if (g_test_subprocess()) {
        error_set_message_format(false, "bob");
        error_report("bad thing");
        error_set_message_format(true, "bob");
        error_warn("odd thing");
        error_set_message_format(false, NULL);
        error_report("end");
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("bob dimmable: bad thing\n"
                              "20*T*Z bob dimmable: warning: odd thing\n"
                              "dimmable: end\n*");
}

static void test_log(void)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;
    int fd = g_file_open_tmp("test-log-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(log_set_items("int,guest_errors", &err));
    g_assert_true(log_enabled(LOG_INT));
    g_assert_true(log_enabled(LOG_GUEST_ERROR));
    g_assert_false(log_enabled(LOG_EXEC));
    g_assert_false(log_set_items("int,nonsense", &err));
    g_assert_nonnull(strstr(err->message, "'nonsense'"));
    g_assert_true(log_enabled(LOG_INT)); /* unchanged */
    g_clear_error(&err);
    g_assert_true(log_set_items("all", &err));
    g_assert_true(log_enabled(LOG_EXEC));
    g_assert_true(log_set_items("none", &err));
    g_assert_cmpuint(log_mask, ==, 0);

    g_assert_true(log_set_file(path, &err));
    log_printf("line %d\n", 1);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "line 1\n");
    g_assert_false(log_set_file("/nonexistent/x", &err));
    g_assert_nonnull(strstr(err->message, "/nonexistent/x"));
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/set", test_set);
    g_test_add_func("/error/classes", test_classes);
    g_test_add_func("/error/other-domain", test_other_domain);
    g_test_add_func("/error/errno", test_errno);
    g_test_add_func("/error/report", test_report);
    g_test_add_func("/error/message-format", test_message_format);
    g_test_add_func("/log/items", test_log);
    return g_test_run();
}
