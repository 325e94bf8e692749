/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The states of a DIMM: the whole table, then guests that walk it, well-behaved and not. */
#include <malloc.h>
#include <math.h>

#include "memory/address-space.h"
#include "tests/unit/mem-machine.h"
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/timer.h"

#define REG(offset) (MEMHP_IO_BASE + (offset))
#define STATES      MEMORY_DEVICE_STATE__MAX

/* ---- the table ---- */

/* One letter a state: Inserted Noticed Online reJected Accepted, and of a request (of an online
 * DIMM) Requested Seen in-Progress reFused. */
static const char letters[] = "INOJARSPF";

/* What becomes of each state. */
static const char *const expected[DIMM_TRIGGERS] = {
    /*                       INOJARSPF */
    [DIMM_INSERT_ACKED] = "NNOJARSPF",    [DIMM_PLACE_READ] = "NNONARSPF",
    [DIMM_INSERT_PROGRESS] = "NNOJARSPF", [DIMM_INSERT_SUCCESS] = "OOOOORSPO",
    [DIMM_INSERT_UNUSABLE] = "AAAAARSPA", [DIMM_INSERT_FAILURE] = "JJJJJRSPJ",
    [DIMM_UNPLUG_ASKED] = "RRRRRRSPR",    [DIMM_REMOVE_ACKED] = "INOJASSPF",
    [DIMM_EJECT_PROGRESS] = "INOJAPPPF",  [DIMM_EJECT_FAILURE] = "FFFFFFFFF",
    [DIMM_WITHDRAWN] = "INOJAOOOF",       [DIMM_RESET] = "IIIIIIIII",
};

static UnplugRecord record; /* that the states have a half of */

static DimmState make_state(MemoryDeviceState wanted)
{
    static const UnplugStage stages[STATES] = {
        [MEMORY_DEVICE_STATE_UNPLUG_REQUESTED] = UNPLUG_REQUESTED,
        [MEMORY_DEVICE_STATE_UNPLUG_NOTICED] = UNPLUG_SEEN,
        [MEMORY_DEVICE_STATE_UNPLUG_IN_PROGRESS] = UNPLUG_IN_PROGRESS,
        [MEMORY_DEVICE_STATE_UNPLUG_REFUSED] = UNPLUG_REFUSED,
    };
    bool request = wanted >= MEMORY_DEVICE_STATE_UNPLUG_REQUESTED;

    unplug_record_init(&record, NULL, NULL);
    if (request) {
        unplug_begin(&record);
        if (stages[wanted] == UNPLUG_REFUSED) {
            unplug_end(&record, UNPLUG_REFUSED);
        } else if (stages[wanted] != UNPLUG_REQUESTED) {
            unplug_reach(&record, stages[wanted]);
        }
        record.status = 0x82;
    }
    return (DimmState){
        .insertion = request ? MEMORY_DEVICE_STATE_ONLINE : wanted,
        .reject_status = 0x81,
        .since_us = 1,
        .unplug = &record,
    };
}

static void test_every_transition(void)
{
    for (unsigned trigger = 0; trigger < DIMM_TRIGGERS; trigger++) {
        for (unsigned from = 0; from < STATES; from++) {
            DimmState state = make_state(from);
            uint32_t status = trigger == DIMM_INSERT_FAILURE ? 0x81 : 0x82;
            bool changed = dimm_state_step(&state, trigger, status);

            if (letters[dimm_state_get(&state)] != expected[trigger][from]) {
                g_test_message("trigger %u: from %c to %c, not %c", trigger, letters[from],
                               letters[dimm_state_get(&state)], expected[trigger][from]);
                g_test_fail();
            }
            g_assert_cmpint(changed, ==, letters[from] != expected[trigger][from]);
            g_assert_cmpint(state.since_us != 1, ==, changed);
        }
    }
}

/* An answer that changes only its status is news too. */
static void test_status(void)
{
    DimmState state;
    uint32_t status = 0;

    unplug_record_init(&record, NULL, NULL);
    dimm_state_init(&state, &record);
    g_assert_null(dimm_state_meaning(&state, &status));
    g_assert_true(dimm_state_step(&state, DIMM_INSERT_FAILURE, 0x81));
    g_assert_false(dimm_state_step(&state, DIMM_INSERT_FAILURE, 0x81));
    g_assert_true(dimm_state_step(&state, DIMM_INSERT_FAILURE, 0x82));
    g_assert_cmpstr(dimm_state_meaning(&state, &status), ==,
                    "the guest does not support inserting this device");
    g_assert_cmphex(status, ==, 0x82);
    g_assert_true(dimm_state_step(&state, DIMM_EJECT_FAILURE, 0x82));
    g_assert_cmpstr(dimm_state_meaning(&state, &status), ==, "the device is busy in the guest");
    g_assert_true(dimm_state_step(&state, DIMM_EJECT_FAILURE, 0xdead));
    g_assert_cmpstr(dimm_state_meaning(&state, &status), ==,
                    "the guest gave a status code that ACPI does not define");
}

/* What the guest says of the insertion while it is asked for the DIMM is seen afterwards. */
static void test_hidden_half(void)
{
    DimmState state;

    unplug_record_init(&record, NULL, NULL);
    dimm_state_init(&state, &record);
    dimm_state_step(&state, DIMM_UNPLUG_ASKED, 0);
    g_assert_true(unplug_pending(&record));
    g_assert_false(dimm_state_step(&state, DIMM_INSERT_SUCCESS, 0));
    g_assert_true(dimm_state_step(&state, DIMM_WITHDRAWN, 0));
    g_assert_false(unplug_pending(&record));
    g_assert_cmpint(dimm_state_get(&state), ==, MEMORY_DEVICE_STATE_ONLINE);
}

static void test_ost_triggers(void)
{
    static const struct {
        uint32_t event, status;
        DimmTrigger trigger;
    } cases[] = {
        { 0, 0, DIMM_INSERT_SUCCESS },
        { 1, 0, DIMM_INSERT_SUCCESS },
        { 0x200, 0, DIMM_INSERT_SUCCESS },
        { 1, 0x80, DIMM_INSERT_PROGRESS },
        { 1, 1, DIMM_INSERT_FAILURE },
        { 1, 0x81, DIMM_INSERT_FAILURE },
        { 1, 0x84, DIMM_INSERT_FAILURE },
        { 1, UINT32_MAX, DIMM_INSERT_FAILURE },
        { 3, 0, DIMM_NOTHING },
        { 3, 0x84, DIMM_EJECT_PROGRESS },
        { 0x103, 0x84, DIMM_EJECT_PROGRESS },
        { 3, 0x80, DIMM_EJECT_FAILURE },
        { 3, UINT32_MAX, DIMM_EJECT_FAILURE },
        { 0x103, 1, DIMM_EJECT_FAILURE },
        { 2, 0, DIMM_NOTHING },
        { 2, 1, DIMM_NOTHING },
        { 0x1000, 0x84, DIMM_NOTHING },
        { UINT32_MAX, UINT32_MAX, DIMM_NOTHING },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(dimm_trigger_of_ost(cases[i].event, cases[i].status), ==, cases[i].trigger);
    }
}

/* ---- a machine, and the guest's half ---- */

static Machine *machine;

static void setup(void)
{
    machine = mem_machine_new("128M,slots=4,maxmem=4G");
    mem_machine_make_ready(machine);
    add_backend("m0", "256M");
    events_start();
}

static void teardown(void)
{
    mem_machine_free(machine);
    del_backend("m0");
    events_stop();
    g_assert_cmpint(timers_next_expiry(), ==, -1);
}

static void flags(uint8_t value)
{
    out(REG(MEMHP_REG_FLAGS), value, 1);
}

static void ost(uint32_t event, uint32_t status)
{
    out(REG(MEMHP_REG_OST_EVENT), event, 4);
    out(REG(MEMHP_REG_OST_STATUS), status, 4);
}

static bool remove_event(void)
{
    return in(REG(MEMHP_REG_FLAGS), 1) & MEMHP_REMOVE;
}

/* d0 in slot 0, online. */
static void plug_d0(void)
{
    add_dimm("pc-dimm,id=d0,memdev=m0");
    flags(MEMHP_INSERT);
    ost(OST_EVENT_DEVICE_CHECK, OST_STATUS_SUCCESS);
    g_string_truncate(events, 0);
    g_string_truncate(states, 0);
}

static void del_within(const char *id, double seconds)
{
    g_autoptr(GError) err = NULL;

    device_del_within(id, seconds, &err);
    g_assert_no_error(err);
}

static void del(const char *id)
{
    g_autoptr(GError) err = NULL;

    device_del(id, &err);
    g_assert_no_error(err);
}

static void assert_fails(bool ok, GError **err, const char *words)
{
    g_assert_false(ok);
    g_assert_nonnull(*err);
    g_test_message("%s", (*err)->message);
    g_assert_nonnull(strstr((*err)->message, words));
    g_clear_error(err);
}

static void assert_withdrawn(const char *why)
{
    g_autofree char *wanted = g_strdup_printf(
        "MEM_UNPLUG_ERROR {\"device\":\"d0\",\"msg\":\"the request to give back the memory in slot "
        "0 was withdrawn: %s\"}\n"
        "DEVICE_UNPLUG_GUEST_ERROR {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n",
        why);

    assert_events(wanted);
}

static void step(double seconds)
{
    timers_step_to(clock_ns() + (int64_t)(seconds * NS_PER_SEC));
}

static void test_walk(void)
{
    setup();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    assert_states("d0 inserted\n");
    flags(MEMHP_INSERT);
    assert_states("d0 inserted -> noticed\n");
    in(REG(MEMHP_REG_ADDR_LO), 4);
    ost(OST_EVENT_DEVICE_CHECK, OST_STATUS_INSERT_PROGRESS);
    assert_states("");
    ost(OST_EVENT_DEVICE_CHECK, 0x81);
    assert_states("d0 noticed -> rejected 129: the guest's driver for the device could not be "
                  "loaded\n");
    ost(OST_EVENT_DEVICE_CHECK, OST_STATUS_SUCCESS);
    assert_states("d0 rejected -> online\n");
    del("d0");
    del("d0");
    assert_states("d0 online -> unplug-requested\n");
    flags(MEMHP_REMOVE);
    assert_states("d0 unplug-requested -> unplug-noticed\n");
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_IN_PROGRESS);
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_IN_PROGRESS);
    assert_states("d0 unplug-noticed -> unplug-in-progress\n");
    ost(OST_EVENT_EJECT_REQUEST, 0x82);
    assert_states("d0 unplug-in-progress -> unplug-refused 130: the device is busy in the guest\n");
    del("d0");
    assert_states("d0 unplug-refused -> unplug-requested\n");
    g_string_truncate(events, 0);
    flags(MEMHP_EJECT);
    assert_states("");
    assert_events("DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    teardown();
}

/* Without an id the path tells which. */
static void test_no_id(void)
{
    setup();
    add_dimm("pc-dimm,memdev=m0");
    assert_states("/machine/peripheral-anon/device[0] inserted\n");
    teardown();
}

static void test_cold_plug(void)
{
    events_start();
    machine = mem_machine_new("128M,slots=4,maxmem=4G");
    add_backend("m0", "256M");
    add_dimm("pc-dimm,id=d0,memdev=m0");
    assert_states("d0 inserted\n");
    machine_reset(machine);
    mem_machine_make_ready(machine);
    flags(MEMHP_INSERT); /* there is no such event */
    in(REG(MEMHP_REG_FLAGS), 4);
    assert_states("");
    in(REG(MEMHP_REG_SIZE_HI), 4);
    assert_states("d0 inserted -> noticed\n");
    machine_reset(machine);
    assert_states("d0 noticed -> inserted\n");
    assert_events("");
    teardown();
}

/* ---- withdrawal ---- */

static void test_timeout(void)
{
    setup();
    plug_d0();
    del_within("d0", 2.5);
    assert_states("d0 online -> unplug-requested\n");
    step(2.4);
    assert_events("");
    g_assert_true(remove_event());
    step(0.1);
    assert_withdrawn("it timed out after 2.5 s; the guest had not looked at it");
    assert_states("d0 unplug-requested -> online\n");
    g_assert_false(remove_event());
    g_assert_cmphex(in(REG(MEMHP_REG_NEXT), 4), ==, MEMHP_NO_SLOT);
    g_assert_cmpint(memory_hotplug_slot(memhp, 0)->unplug.last, ==, UNPLUG_WITHDRAWN);
    g_assert_false(unplug_pending(memory_hotplug_slot(memhp, 0)->dimm->unplug));
    /* Usable again: as memory, and for the next request. */
    g_assert_cmphex(address_space_load(&address_space_memory, 4ull << 30, 4), ==, 0);
    del_within("d0", 1);
    flags(MEMHP_REMOVE);
    step(1);
    assert_withdrawn("it timed out after 1 s; the guest had seen it, and not answered");
    del_within("d0", 1);
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_IN_PROGRESS);
    g_string_truncate(events, 0);
    step(1);
    assert_withdrawn("it timed out after 1 s; the guest was still giving the memory back");
    teardown();
}

/* A request that ended has no deadline any more; a second one replaces the first. */
static void test_deadline_ends(void)
{
    setup();
    plug_d0();
    del_within("d0", 1);
    ost(OST_EVENT_EJECT_REQUEST, 0x82);
    g_assert_cmpint(timers_next_expiry(), ==, -1);
    del_within("d0", 1);
    machine_reset(machine);
    g_assert_cmpint(timers_next_expiry(), ==, -1);
    del_within("d0", 1);
    del_within("d0", 3);
    g_string_truncate(events, 0);
    step(2);
    assert_events("");
    del("d0"); /* keeps the deadline */
    step(1);
    assert_withdrawn("it timed out after 3 s; the guest had not looked at it");
    del("d0");
    del_within("d0", 1);
    flags(MEMHP_EJECT);
    g_assert_cmpint(timers_next_expiry(), ==, -1);
    assert_events("DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    plug_d0();
    del_within("d0", 1); /* and the machine is taken apart meanwhile */
    teardown();
}

static void test_cancel(void)
{
    GError *err = NULL;

    setup();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    assert_fails(device_del_cancel("d0", &err), &err, "no request");
    del("d0");
    g_string_truncate(states, 0);
    g_assert_true(device_del_cancel("d0", NULL));
    assert_states("d0 unplug-requested -> inserted\n");
    assert_withdrawn("it was cancelled; the guest had not looked at it");
    g_assert_false(remove_event());
    assert_fails(device_del_cancel("d0", &err), &err, "'inserted'");
    /* The insert event was not touched. */
    g_assert_cmphex(in(REG(MEMHP_REG_FLAGS), 1), ==, MEMHP_ENABLED | MEMHP_INSERT);
    assert_fails(device_del_cancel("nobody", &err), &err, "nobody");
    teardown();
}

/* The guest saw the request, and ejects after it was withdrawn: the memory is the guest's. */
static void test_late_ejection(void)
{
    setup();
    plug_d0();
    del("d0");
    flags(MEMHP_REMOVE);
    g_assert_true(device_del_cancel("d0", NULL));
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_IN_PROGRESS);
    g_assert_cmpint(dimm_state_get(&memory_hotplug_slot(memhp, 0)->state), ==,
                    MEMORY_DEVICE_STATE_ONLINE);
    g_string_truncate(events, 0);
    flags(MEMHP_EJECT);
    assert_events("DEVICE_DELETED {\"device\":\"d0\",\"path\":\"/machine/peripheral/d0\"}\n");
    g_assert_cmpint(memory_hotplug_slot(memhp, 0)->unplug.at_ns[UNPLUG_REQUESTED], ==, -1);
    teardown();
}

static void test_late_refusal(void)
{
    setup();
    plug_d0();
    del("d0");
    g_assert_true(device_del_cancel("d0", NULL));
    g_string_truncate(events, 0);
    g_string_truncate(states, 0);
    ost(OST_EVENT_EJECT_REQUEST, 0x85);
    assert_states("d0 online -> unplug-refused 133: the ejection failed\n");
    g_assert_nonnull(strstr(events->str, "MEM_UNPLUG_ERROR"));
    teardown();
}

static void test_bad_timeouts(void)
{
    static const double bad[] = { 0, -1, -1e-9, 1.1e9, 1e300, INFINITY, NAN };

    setup();
    plug_d0();
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        GError *err = NULL;

        assert_fails(device_del_within("d0", bad[i], &err), &err, "'timeout'");
    }
    g_assert_false(remove_event());
    assert_states("");
    del_within("d0", DEVICE_DEL_MAX_SECONDS);
    del_within("d0", 1e-12);
    g_assert_cmpint(timers_next_expiry(), ==, clock_ns() + 1);
    teardown();
}

/* ---- resets ---- */

static void test_reset(void)
{
    setup();
    add_dimm("pc-dimm,id=d0,memdev=m0");
    g_string_truncate(states, 0);
    machine_reset(machine); /* inserted: told by an event before, by the tables now */
    assert_states("");
    g_assert_cmphex(in(REG(MEMHP_REG_FLAGS), 1), ==, MEMHP_ENABLED);
    ost(OST_EVENT_DEVICE_CHECK, OST_STATUS_SUCCESS);
    machine_reset(machine);
    ost(OST_EVENT_DEVICE_CHECK, 1);
    machine_reset(machine);
    assert_states("d0 inserted -> online\nd0 online -> inserted\n"
                  "d0 inserted -> rejected 1: the guest gave no specific reason (non-specific "
                  "failure)\nd0 rejected -> inserted\n");
    ost(OST_EVENT_EJECT_REQUEST, 0x82);
    g_string_truncate(events, 0);
    machine_reset(machine);
    assert_events("");
    g_string_truncate(states, 0);
    del("d0");
    flags(MEMHP_REMOVE);
    machine_reset(machine);
    assert_withdrawn("the machine was reset; the guest had seen it, and not answered");
    assert_states("d0 inserted -> unplug-requested\nd0 unplug-requested -> unplug-noticed\n"
                  "d0 unplug-noticed -> inserted\n");
    teardown();
}

/* ---- a guest that misbehaves ---- */

static void test_misbehaviour(void)
{
    setup();
    plug_d0();
    flags(MEMHP_INSERT | MEMHP_REMOVE);                   /* no such events */
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_IN_PROGRESS); /* not asked */
    ost(OST_EVENT_OS_EJECT, OST_STATUS_IN_PROGRESS);
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_SUCCESS); /* but it is there */
    ost(0x1234, 1);
    ost(UINT32_MAX, OST_STATUS_SUCCESS);
    assert_states("");
    del("d0");
    ost(OST_EVENT_EJECT_REQUEST, OST_STATUS_SUCCESS); /* still there: no answer */
    flags(MEMHP_REMOVE);
    flags(MEMHP_REMOVE);
    assert_states("d0 online -> unplug-requested\nd0 unplug-requested -> unplug-noticed\n");
    g_assert_null(strstr(events->str, "ERROR"));
    flags(MEMHP_EJECT);
    flags(MEMHP_EJECT);
    ost(OST_EVENT_EJECT_REQUEST, 1);
    ost(OST_EVENT_DEVICE_CHECK, 1);
    in(REG(MEMHP_REG_ADDR_LO), 4);
    assert_states("");
    /* Ejected while it is inserted. */
    add_dimm("pc-dimm,id=d0,memdev=m0");
    flags(MEMHP_EJECT);
    flags(MEMHP_INSERT);
    assert_states("d0 inserted\n");
    teardown();
}

static unsigned flood_events;

static void count_event(const char *name, struct json_object *event)
{
    flood_events++;
}

/* Reports without end leave nothing behind: a slot keeps the last one. */
static void test_flood(void)
{
    size_t before;

    setup();
    plug_d0();
    del("d0");
    qapi_event_set_emitter(count_event);
    ost(OST_EVENT_EJECT_REQUEST, 1);
    before = mallinfo2().uordblks;
    for (unsigned i = 0; i < 20000; i++) {
        ost(i & 1 ? OST_EVENT_EJECT_REQUEST : OST_EVENT_DEVICE_CHECK, i);
    }
    g_assert_cmpuint(flood_events, >, 20000);
    g_assert_cmpuint(mallinfo2().uordblks, <=, before + 4096);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    clock_set_stepped();
    memory_init();
    g_test_add_func("/dimm-state/every-transition", test_every_transition);
    g_test_add_func("/dimm-state/status", test_status);
    g_test_add_func("/dimm-state/hidden-half", test_hidden_half);
    g_test_add_func("/dimm-state/ost-triggers", test_ost_triggers);
    g_test_add_func("/dimm-state/walk", test_walk);
    g_test_add_func("/dimm-state/no-id", test_no_id);
    g_test_add_func("/dimm-state/cold-plug", test_cold_plug);
    g_test_add_func("/dimm-state/timeout", test_timeout);
    g_test_add_func("/dimm-state/deadline-ends", test_deadline_ends);
    g_test_add_func("/dimm-state/cancel", test_cancel);
    g_test_add_func("/dimm-state/late-ejection", test_late_ejection);
    g_test_add_func("/dimm-state/late-refusal", test_late_refusal);
    g_test_add_func("/dimm-state/bad-timeouts", test_bad_timeouts);
    g_test_add_func("/dimm-state/reset", test_reset);
    g_test_add_func("/dimm-state/misbehaviour", test_misbehaviour);
    g_test_add_func("/dimm-state/flood", test_flood);
    return g_test_run();
}
