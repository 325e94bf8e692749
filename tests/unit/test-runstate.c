/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Run state: requests, their order, and the events they send. */
#include <glib.h>
#include <string.h>

#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "qapi/event.h"
#include "util/clock.h"
#include "util/main-loop.h"

static GString *events;
static unsigned resets, powerdowns, wakes;
static bool resumes = true;

static void on_event(const char *name, struct json_object *event)
{
    struct json_object *data, *reason;

    g_string_append_printf(events, "%s%s", events->len ? " " : "", name);
    if (json_object_object_get_ex(event, "data", &data) &&
        json_object_object_get_ex(data, "reason", &reason)) {
        g_string_append_printf(events, ":%s", json_object_get_string(reason));
    }
}

static void assert_events(const char *expected)
{
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpstr(events->str, ==, expected);
    g_string_truncate(events, 0);
}

static void on_reset(Machine *machine)
{
    resets++;
}

static void on_powerdown(Machine *machine)
{
    powerdowns++;
}

static bool on_wake(Machine *machine)
{
    wakes++;
    return resumes;
}

static bool test_init(Machine *machine, GError **errp)
{
    machine->powerdown = on_powerdown;
    return true;
}

static const MachineOps test_machine_ops = { .name = "test",
                                             .description = "for this test",
                                             .init = test_init,
                                             .reset = on_reset,
                                             .wake = on_wake };
static const ObjectType test_machine = { .name = "test-machine",
                                         .parent = TYPE_MACHINE,
                                         .ops = &test_machine_ops };
OBJECT_TYPE_REGISTER(test_machine)

static void test_stop_cont(void)
{
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_PRELAUNCH);
    runstate_stop(RUN_STATE_PAUSED); /* does not run: nothing to stop */
    assert_events("");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_PRELAUNCH);
    runstate_start();
    runstate_start();
    assert_events("RESUME");
    int64_t before = clock_ns();
    g_usleep(1000);
    g_assert_cmpint(clock_ns(), >, before);
    runstate_stop(RUN_STATE_PAUSED);
    runstate_stop(RUN_STATE_PAUSED);
    assert_events("STOP");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_PAUSED);
    before = clock_ns();
    g_usleep(1000);
    g_assert_cmpint(clock_ns(), ==, before);
}

static void test_reset(void)
{
    runstate_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET); /* one reset does for both */
    g_assert_cmpuint(resets, ==, 0);
    assert_events("RESET:guest-reset");
    g_assert_cmpuint(resets, ==, 1);
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_PRELAUNCH);
    runstate_start();
    runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
    assert_events("RESUME RESET:guest-reset");
    g_assert_true(runstate_is_running());
}

static void test_sleep(void)
{
    runstate_request_wakeup(); /* nothing to wake */
    assert_events("");
    runstate_request_suspend();
    g_assert_true(runstate_is_asleep());
    assert_events("SUSPEND");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_SUSPENDED);
    g_assert_true(runstate_is_running()); /* the clock, and devices */
    runstate_request_suspend();
    runstate_stop(RUN_STATE_PAUSED);
    runstate_request_wakeup(); /* waits */
    assert_events("STOP");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_PAUSED);
    g_assert_cmpuint(wakes, ==, 0);
    runstate_start();
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_SUSPENDED);
    assert_events("RESUME WAKEUP");
    g_assert_cmpuint(wakes, ==, 1);
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_RUNNING);
    runstate_request_suspend();
    runstate_request_wakeup(); /* by what was there already */
    assert_events("SUSPEND WAKEUP");
    runstate_request_suspend();
    runstate_finish_reset();
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_SUSPENDED);
    runstate_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    runstate_request_wakeup(); /* comes to nothing */
    assert_events("SUSPEND RESET:host-qmp-system-reset");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_RUNNING);
    resumes = false;
    runstate_request_suspend();
    runstate_request_wakeup();
    assert_events("SUSPEND WAKEUP RESET:guest-reset");
    g_assert_cmpuint(wakes, ==, 3);
    g_assert_false(runstate_is_asleep());
}

static void test_powerdown(void)
{
    runstate_request_powerdown();
    assert_events("POWERDOWN");
    g_assert_cmpuint(powerdowns, ==, 1);
}

static void test_no_shutdown(void)
{
    runstate_start();
    g_string_truncate(events, 0);
    runstate_set_no_shutdown(true);
    runstate_set_no_reboot(true);
    runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
    assert_events("SHUTDOWN:guest-reset STOP");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_SHUTDOWN);
    runstate_set_no_reboot(false);
    runstate_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    assert_events("RESET:host-qmp-system-reset");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_PRELAUNCH);
    runstate_start();
    runstate_internal_error();
    assert_events("RESUME STOP");
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_INTERNAL_ERROR);
}

static void test_shutdown(void)
{
    runstate_set_no_shutdown(true);
    runstate_request_shutdown(SHUTDOWN_CAUSE_HOST_SIGNAL);
    runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN); /* does not outdo a signal */
    main_loop_run();
    assert_events("SHUTDOWN:host-signal");
    g_assert_cmpint(runstate_exit_status(), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    events = g_string_new(NULL);
    g_assert_true(machine_init(machine_new(machine_type_find("test", NULL), NULL), NULL));
    qapi_event_set_emitter(on_event);
    g_test_add_func("/runstate/stop-cont", test_stop_cont);
    g_test_add_func("/runstate/reset", test_reset);
    g_test_add_func("/runstate/sleep", test_sleep);
    g_test_add_func("/runstate/powerdown", test_powerdown);
    g_test_add_func("/runstate/no-shutdown", test_no_shutdown);
    g_test_add_func("/runstate/shutdown", test_shutdown);
    int status = g_test_run();
    g_string_free(events, TRUE);
    return status;
}
