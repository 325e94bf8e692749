/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP as test programs and management use it: run state, objects, errors, events. */
#include <inttypes.h>
#include <string.h>

#include "tests/qtest/libqtest.h"

static void test_run_state(void)
{
    QTest *qt = qtest_start("-m 16 -S");
    g_autoptr(json_object) before = qtest_qmp(qt, "query-status", NULL);

    g_assert_false(qtest_get_bool(before, "running"));
    g_assert_cmpstr(qtest_get_str(before, "status"), ==, "prelaunch");
    qtest_qmp_ok(qt, "cont", NULL);
    json_object_put(qtest_event(qt, "RESUME"));
    qtest_qmp_ok(qt, "stop", NULL);
    json_object_put(qtest_event(qt, "STOP"));
    g_autoptr(json_object) after = qtest_qmp(qt, "query-status", NULL);
    g_assert_cmpstr(qtest_get_str(after, "status"), ==, "paused");
    qtest_quit(qt);
}

static void test_commands(void)
{
    QTest *qt = qtest_start("-m 16");
    g_autoptr(json_object) version = qtest_qmp(qt, "query-version", NULL);

    g_assert_cmpint(qtest_get_int(version, "qemu.major"), ==, 7);
    g_assert_cmpint(qtest_get_int(version, "qemu.minor"), ==, 2);
    g_assert_true(g_str_has_prefix(qtest_get_str(version, "package"), "dimmable-"));
    g_autofree char *status = qtest_hmp(qt, "info status");
    g_assert_cmpstr(status, ==, "VM status: running\n");
    qtest_quit(qt);
}

typedef struct ErrorCase {
    const char *command, *arguments, *class, *word;
} ErrorCase;

static void test_errors(void)
{
    static const ErrorCase cases[] = {
        { "nonsense", NULL, "CommandNotFound", "nonsense" },
        { "query-status", "{'extra': 1}", "GenericError", "extra" },
        { "qom-get", "{'path': '/nope', 'property': 'x'}", "DeviceNotFound", "/nope" },
        { "qom-get", "{'path': '/machine', 'property': 'volts'}", "GenericError", "volts" },
        { "qom-get", "{'path': '/machine'}", "GenericError", "property" },
        { "device_add", "{'driver': 'nope'}", "GenericError", "nope" },
        { "device_del", "{'id': 'nope'}", "DeviceNotFound", "nope" },
        { "object-del", "{'id': 'nope'}", "GenericError", "nope" },
        { "object-add", "{'qom-type': 'memory-backend-ram', 'id': 'm'}", "GenericError", "size" },
    };
    QTest *qt = qtest_start("-m 16");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const ErrorCase *c = &cases[i];
        g_autoptr(json_object) args = c->arguments ? qtest_json(c->arguments) : NULL;
        g_autoptr(json_object) error =
            qtest_qmp_error(qt, c->command, args ? "%p" : NULL, json_object_get(args));
        g_assert_cmpstr(qtest_get_str(error, "class"), ==, c->class);
        g_assert_nonnull(strstr(qtest_get_str(error, "desc"), c->word));
    }
    qtest_quit(qt);
}

/* An id of any type comes back, with the error too. */
static void test_ids(void)
{
    static const char *const ids[] = { "1", "'one'", "[1, {'a': null}]", "1.5", "true" };
    QTest *qt = qtest_start("-m 16");

    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autoptr(json_object) good = qtest_qmp_raw(
            qt, qtest_json("{'execute': 'query-status', 'id': %p}", qtest_json(ids[i])));
        g_assert_nonnull(qtest_get(good, "return"));
        g_autoptr(json_object) bad =
            qtest_qmp_raw(qt, qtest_json("{'execute': 'nonsense', 'id': %p}", qtest_json(ids[i])));
        g_assert_nonnull(qtest_get(bad, "error"));
    }
    qtest_quit(qt);
}

static void test_objects(void)
{
    QTest *qt = qtest_start("-m 16");
    const int64_t size = 16 << 20;

    qtest_qmp_ok(qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': 'm0', 'size': %" PRId64 "}", size);
    g_autoptr(json_object) found =
        qtest_qmp(qt, "qom-get", "{'path': '/objects/m0', 'property': 'size'}");
    g_assert_cmpint(json_object_get_int64(found), ==, size);
    g_autoptr(json_object) twice = qtest_qmp_error(
        qt, "object-add", "{'qom-type': 'memory-backend-ram', 'id': 'm0', 'size': %" PRId64 "}",
        size);
    g_assert_nonnull(strstr(qtest_get_str(twice, "desc"), "m0"));
    qtest_qmp_ok(qt, "object-del", "{'id': 'm0'}");
    g_autoptr(json_object) gone =
        qtest_qmp_error(qt, "qom-get", "{'path': '/objects/m0', 'property': 'size'}");
    g_assert_cmpstr(qtest_get_str(gone, "class"), ==, "DeviceNotFound");
    qtest_quit(qt);
}

/* Events have a time that does not go back, and are there before the answer that follows them. */
static void test_events(void)
{
    QTest *qt = qtest_start("-m 16");
    int64_t last = 0;

    for (unsigned i = 0; i < 3; i++) {
        qtest_qmp_ok(qt, "stop", NULL);
        g_assert_cmpuint(qtest_event_count(qt, "STOP"), ==, 1);
        g_autoptr(json_object) event = qtest_event(qt, "STOP");
        int64_t now = qtest_get_int(event, "timestamp.seconds") * 1000000 +
                      qtest_get_int(event, "timestamp.microseconds");
        g_assert_cmpint(now, >=, last);
        last = now;
        qtest_qmp_ok(qt, "cont", NULL);
    }
    g_assert_cmpuint(qtest_event_count(qt, "RESUME"), ==, 3);
    g_assert_null(qtest_event_match(qt, "STOP", NULL, NULL, 0));
    qtest_quit(qt);
}

static void test_command_line(void)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(qtest_run_program(&output, "-m 16 -nonsense"), ==, 1);
    g_assert_nonnull(strstr(output, "-nonsense"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/run-state", test_run_state);
    g_test_add_func("/qmp/commands", test_commands);
    g_test_add_func("/qmp/errors", test_errors);
    g_test_add_func("/qmp/ids", test_ids);
    g_test_add_func("/qmp/objects", test_objects);
    g_test_add_func("/qmp/events", test_events);
    g_test_add_func("/qmp/command-line", test_command_line);
    return g_test_run();
}
