/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory targets with a guest that takes DIMMs and gives them back, refuses them, or does not
 * answer: the OSPM. */
#include <inttypes.h>
#include <string.h>

#include "hw/acpi/memory-hotplug.h"
#include "tests/qtest/ospm/ospm.h"
#include "util/units.h"

#define CHANGE "MEMORY_TARGET_CHANGE"
#define NS     INT64_C(1000000000)
#define ANSWER 60 /* seconds that a guest has, if nothing else is said */

typedef struct Fixture {
    QTest *qt;
    Ospm *ospm;
} Fixture;

typedef struct Config {
    const char *machine, *name;
    void (*run)(Fixture *f);
    const char *memory; /* -m */
    bool late;          /* the guest boots when the test says so */
} Config;

/* ---- helpers ---- */

static void set_target(Fixture *f, uint64_t mib)
{
    qtest_qmp_ok(f->qt, "set-memory-target", "{'size': %" PRIu64 "}", mib * MIB);
}

static json_object *change(Fixture *f)
{
    return qtest_event(f->qt, CHANGE);
}

/* The next step that begins: "add target0". It ends the test if the run ends before. */
static void assert_step(Fixture *f, const char *action, const char *device)
{
    for (;;) {
        g_autoptr(json_object) event = change(f);

        g_assert_cmpstr(qtest_get_str(event, "data.status"), ==, "running");
        if (qtest_get(event, "data.action")) {
            g_assert_cmpstr(qtest_get_str(event, "data.action"), ==, action);
            g_assert_cmpstr(qtest_get_str(event, "data.device"), ==, device);
            return;
        }
    }
}

/* The guest does what it does until the run ends, which is so; what it was asked for is in @steps,
 * "+target0 -target0 ..." */
static json_object *play(Fixture *f, const char *status, GString *steps)
{
    for (;;) {
        g_autoptr(json_object) event = change(f);

        if (strcmp(qtest_get_str(event, "data.status"), "running") != 0) {
            g_assert_cmpstr(qtest_get_str(event, "data.status"), ==, status);
            return g_steal_pointer(&event);
        }
        if (qtest_get(event, "data.action")) {
            const bool add = !strcmp(qtest_get_str(event, "data.action"), "add");

            g_string_append_printf(steps, "%s%c%s", steps->len ? " " : "", add ? '+' : '-',
                                   qtest_get_str(event, "data.device"));
            ospm_run(f->ospm);
        }
    }
}

static void assert_end(Fixture *f, const char *status, uint64_t mib, const char *steps)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    g_autoptr(json_object) event = play(f, status, seen);

    g_assert_cmpstr(seen->str, ==, steps);
    g_assert_cmpint(qtest_get_int(event, "data.actual"), ==, mib * MIB);
}

static void assert_reason(Fixture *f, const char *words)
{
    g_autoptr(json_object) info = qtest_qmp(f->qt, "query-memory-target", NULL);

    g_assert_nonnull(strstr(qtest_get_str(info, "reason"), words));
}

static unsigned count(Fixture *f, const char *command)
{
    g_autoptr(json_object) list = qtest_qmp(f->qt, command, NULL);

    return (unsigned)json_object_array_length(list);
}

/* There are so many DIMMs, each with a backend, and no other but that of the boot memory. */
static void assert_dimms(Fixture *f, unsigned dimms)
{
    g_assert_cmpuint(count(f, "query-memory-devices"), ==, dimms);
    g_assert_cmpuint(count(f, "query-memdev"), ==, dimms + 1);
}

static void assert_actual(Fixture *f, uint64_t mib)
{
    g_autoptr(json_object) info = qtest_qmp(f->qt, "query-memory-target", NULL);

    g_assert_cmpint(qtest_get_int(info, "actual"), ==, mib * MIB);
}

static void assert_state(Fixture *f, const char *state)
{
    g_autoptr(json_object) list = qtest_qmp(f->qt, "query-memory-devices", NULL);

    g_assert_cmpstr(qtest_get_str(list, "0.data.state"), ==, state);
}

/* The guest takes an event. */
static void take_event(Fixture *f, unsigned slot, uint8_t event_bit)
{
    qtest_outl(f->qt, MEMHP_IO_BASE + MEMHP_REG_SELECT, slot);
    qtest_outb(f->qt, MEMHP_IO_BASE + MEMHP_REG_FLAGS, event_bit);
}

/* What Linux does with an event that comes before it has looked at its devices: it reports that it
 * knows of no such device. */
static void answer_early(Fixture *f, uint8_t event_bit, uint32_t event)
{
    take_event(f, 0, event_bit);
    qtest_outl(f->qt, MEMHP_IO_BASE + MEMHP_REG_OST_EVENT, event);
    qtest_outl(f->qt, MEMHP_IO_BASE + MEMHP_REG_OST_STATUS, OSPM_FAILURE);
}

static void user_plugs(Fixture *f, const char *id, uint64_t mib)
{
    g_autofree char *memdev = g_strdup_printf("%s-mem", id);

    qtest_qmp_ok(f->qt, "object-add",
                 "{'qom-type': 'memory-backend-ram', 'id': %s, 'size': %" PRIu64 "}", memdev,
                 mib * MIB);
    qtest_qmp_ok(f->qt, "device_add", "{'driver': 'pc-dimm', 'id': %s, 'memdev': %s}", id, memdev);
    ospm_run(f->ospm);
}

/* ---- a good guest ---- */

static void up_and_down(Fixture *f)
{
    g_autoptr(json_object) none = qtest_qmp(f->qt, "query-memory-target", NULL);

    qtest_assert_json(none, "{'status': 'none', 'actual': %" PRIu64 "}", 1024 * MIB);
    set_target(f, 7168);
    assert_end(f, "reached", 7168, "+target0 +target1 +target2 +target3");
    assert_dimms(f, 4);
    set_target(f, 5020); /* the last 100 are less than a block */
    assert_end(f, "reached", 5120, "-target3 -target2");
}

/* ---- a guest with little boot memory ---- */

static void assert_size(Fixture *f, unsigned slot, uint64_t mib)
{
    g_assert_cmpuint(ospm_dimm(f->ospm, slot)->size, ==, mib * MIB);
}

/* The boot memory can manage 2 GiB, and nothing is known of DIMMs: it gets no more, also not later.
 */
static void small_boot(Fixture *f)
{
    set_target(f, 6144);
    assert_end(f, "unreached", 2304, "+target0 +target1");
    assert_reason(f, "kernel has too little");
    assert_size(f, 0, 512); /* first a small one */
    assert_size(f, 1, 1536);
    set_target(f, 6144);
    assert_end(f, "unreached", 2304, "");
    set_target(f, 1792); /* what one gives back, another can have */
    assert_end(f, "reached", 1792, "-target0");
    set_target(f, 2304);
    assert_end(f, "reached", 2304, "+target0");
}

/* The target is more than boot memory can manage. The second DIMM is managed with memory of the
 * first one: so much of that is written to. */
static void pay(Fixture *f, uint64_t mib)
{
    uint64_t base;

    set_target(f, 6144);
    assert_step(f, "add", "target0");
    take_event(f, 0, MEMHP_INSERT);
    base = ospm_crs(f->ospm, 0).base;
    ospm_ost(f->ospm, 0, OSPM_DEVICE_CHECK, OSPM_SUCCESS);
    assert_step(f, "add", "target1");
    take_event(f, 1, MEMHP_INSERT);
    g_assert_cmpuint(ospm_crs(f->ospm, 1).size, ==, 1536 * MIB);
    qtest_memset(f->qt, base, 1, mib * MIB);
    ospm_ost(f->ospm, 1, OSPM_DEVICE_CHECK, OSPM_SUCCESS);
}

/* It can use the first DIMM, as the host sees: that pays for more. */
static void kernel_pays(Fixture *f)
{
    pay(f, 1536 / 64);
    assert_end(f, "reached", 6144, "+target2 +target3 +target4");
    set_target(f, 7168); /* it is still known */
    assert_end(f, "reached", 7168, "+target5");
}

/* What is written is more, or less, than the step costs: that is something else. */
static void other_writes(Fixture *f)
{
    pay(f, 100);
    assert_end(f, "unreached", 2304, "");
}

static void few_writes(Fixture *f)
{
    pay(f, 10);
    assert_end(f, "unreached", 2304, "");
}

/* A guest that boots anew may be set up in another way. */
static void kernel_paid_before(Fixture *f)
{
    g_autoptr(GString) steps = g_string_new(NULL);

    pay(f, 1536 / 64);
    assert_step(f, "add", "target2");
    qtest_qmp_ok(f->qt, "system_reset", NULL);
    json_object_put(play(f, "reset", steps));
    ospm_reboot(f->ospm);
    set_target(f, 12288);
    json_object_put(play(f, "unreached", steps));
    g_assert_cmpstr(steps->str, ==, "");
}

static void down_to_nothing(Fixture *f)
{
    set_target(f, 2048);
    assert_end(f, "reached", 2048, "+target0 +target1");
    set_target(f, 256);
    assert_end(f, "reached", 256, "-target1 -target0");
    assert_dimms(f, 0);
    set_target(f, 512); /* their names are free again */
    assert_end(f, "reached", 512, "+target0");
}

static void users_dimms(Fixture *f)
{
    user_plugs(f, "d0", 512);
    user_plugs(f, "d1", 1024);
    set_target(f, 256 + 1024);
    assert_end(f, "reached", 256 + 1024, "-d0");
    g_assert_cmpuint(count(f, "query-memory-devices"), ==, 1);
    g_assert_cmpuint(count(f, "query-memdev"), ==, 3); /* whose the backend is, he deletes it */
}

/* ---- a smaller one for a larger one ---- */

static void exchanges(Fixture *f)
{
    user_plugs(f, "d0", 4096);
    set_target(f, 1024 + 3072);
    assert_end(f, "reached", 1024 + 3072, "+target0 -d0");
    g_assert_cmphex(ospm_dimm(f->ospm, 1)->size, ==, 3 * GIB);
    g_assert_null(ospm_dimm(f->ospm, 0));
}

/* The large one stays: then the small one is not left there. */
static void exchange_refused(Fixture *f)
{
    user_plugs(f, "d0", 4096);
    set_target(f, 1024 + 3072);
    assert_step(f, "add", "target0");
    ospm_ost(f->ospm, 1, OSPM_DEVICE_CHECK, OSPM_SUCCESS);
    assert_step(f, "remove", "d0");
    ospm_ost(f->ospm, 0, OSPM_EJECT_REQUEST, OSPM_BUSY);
    assert_end(f, "unreached", 1024 + 4096, "-target0");
    assert_reason(f, "does not give 'd0' back");
    g_assert_cmpuint(count(f, "query-memory-devices"), ==, 1);
}

static void exchange_rejected(Fixture *f)
{
    user_plugs(f, "d0", 4096);
    f->ospm->manners.insert_status = OSPM_LOAD_FAILED;
    set_target(f, 1024 + 3072);
    assert_end(f, "unreached", 1024 + 4096, "+target0 -target0");
    assert_reason(f, "larger than what is too much");
}

static void exchange_cancelled(Fixture *f)
{
    user_plugs(f, "d0", 4096);
    set_target(f, 1024 + 3072);
    assert_step(f, "add", "target0");
    ospm_ost(f->ospm, 1, OSPM_DEVICE_CHECK, OSPM_SUCCESS);
    assert_step(f, "remove", "d0");
    qtest_qmp_ok(f->qt, "cancel-memory-target", NULL);
    assert_end(f, "cancelled", 1024 + 4096 + 3072, "");
    ospm_run(f->ospm);
    json_object_put(qtest_event(f->qt, "DEVICE_DELETED"));
    g_assert_nonnull(ospm_dimm(f->ospm, 0));
    g_assert_null(ospm_dimm(f->ospm, 1));
}

/* What came in an exchange that a reset ended is like any other DIMM: a later run leaves it. */
static void exchange_reset(Fixture *f)
{
    user_plugs(f, "d0", 4096);
    set_target(f, 1024 + 3072);
    assert_step(f, "add", "target0");
    ospm_ost(f->ospm, 1, OSPM_DEVICE_CHECK, OSPM_SUCCESS);
    assert_step(f, "remove", "d0");
    qtest_qmp_ok(f->qt, "system_reset", NULL);
    assert_end(f, "reset", 1024 + 4096 + 3072, "");
    ospm_reboot(f->ospm);
    set_target(f, 1024);
    assert_step(f, "remove", "target0");
    qtest_qmp_ok(f->qt, "cancel-memory-target", NULL);
    assert_end(f, "cancelled", 1024 + 4096 + 3072, "");
    ospm_run(f->ospm);
    g_assert_cmpuint(count(f, "query-memory-devices"), ==, 2);
    g_assert_nonnull(ospm_dimm(f->ospm, 1));
}

static void exchange_forbidden(Fixture *f)
{
    user_plugs(f, "d0", 4096);
    qtest_qmp_ok(f->qt, "set-memory-target", "{'size': %" PRIu64 ", 'policy': {'dimms': false}}",
                 (1024 + 3072) * MIB);
    assert_end(f, "unreached", 1024 + 4096, "");
    assert_reason(f, "larger than what is too much");
}

static void backends(Fixture *f)
{
    g_autoptr(json_object) list = NULL;

    qtest_qmp_ok(f->qt, "set-memory-target",
                 "{'size': %" PRIu64 ", 'policy': {'dimm-size': %" PRIu64 ", 'backend': "
                 "{'qom-type': 'memory-backend-memfd', 'merge': false}}}",
                 1024 * MIB, 384 * MIB);
    assert_end(f, "reached", 1024, "+target0 +target1");
    list = qtest_qmp(f->qt, "query-memdev", NULL);
    for (unsigned i = 0; i < 3; i++) {
        json_object *memdev = json_object_array_get_idx(list, i);
        const bool ours = g_str_has_prefix(qtest_get_str(memdev, "id"), "target");

        g_assert_true(qtest_get_bool(memdev, "merge") == !ours);
        g_assert_true(qtest_get_bool(memdev, "share") == ours);
    }
}

/* ---- one that says no ---- */

static void rejects(Fixture *f)
{
    f->ospm->manners.insert_status = OSPM_LOAD_FAILED;
    set_target(f, 768);
    assert_end(f, "unreached", 256, "+target0 -target0 +target0 -target0 +target0 -target0");
    assert_reason(f, "does not take 'target0' of 128 MiB");
    assert_dimms(f, 0);
    f->ospm->manners.insert_status = OSPM_SUCCESS;
    set_target(f, 768);
    assert_end(f, "reached", 768, "+target0");
}

/* It takes none of more than 256 MiB. The answers of this and of others that change are written one
 * by one: between two that ospm_run() gives there may be a step. */
static void rejects_large(Fixture *f)
{
    set_target(f, 768);
    assert_step(f, "add", "target0");
    take_event(f, 0, MEMHP_INSERT);
    ospm_crs(f->ospm, 0);
    ospm_ost(f->ospm, 0, OSPM_DEVICE_CHECK, OSPM_LOAD_FAILED);
    assert_end(f, "reached", 768, "-target0 +target0 +target1");
    assert_dimms(f, 2);
}

static void refuses(Fixture *f)
{
    g_autoptr(json_object) info = NULL;

    set_target(f, 2048);
    assert_end(f, "reached", 2048, "+target0 +target1");
    f->ospm->manners.eject_status = OSPM_BUSY;
    set_target(f, 256);
    assert_end(f, "unreached", 2048, "-target1 -target0");
    assert_reason(f, "does not give 'target0' back: ");
    info = qtest_qmp(f->qt, "query-memory-target", NULL);
    g_assert_cmpstr(qtest_get_str(info, "refused.0"), ==, "/machine/peripheral/target1");
    g_assert_cmpstr(qtest_get_str(info, "refused.1"), ==, "/machine/peripheral/target0");
    assert_dimms(f, 2);
}

/* One is refused, and another of the same size goes in its place; next time it is asked for last.
 */
static void refuses_one(Fixture *f)
{
    for (unsigned i = 0; i < 3; i++) {
        g_autofree char *id = g_strdup_printf("d%u", i);

        user_plugs(f, id, 256);
    }
    set_target(f, 768);
    assert_step(f, "remove", "d2");
    ospm_ost(f->ospm, 2, OSPM_EJECT_REQUEST, OSPM_BUSY);
    assert_end(f, "reached", 768, "-d1");
    set_target(f, 512);
    assert_end(f, "reached", 512, "-d0");
}

/* ---- one that boots meanwhile ---- */

/* What it says before it has looked at its devices is no answer; then it finds the DIMM. */
static void boots_late(Fixture *f)
{
    set_target(f, 768);
    assert_step(f, "add", "target0");
    assert_actual(f, 256);
    answer_early(f, MEMHP_INSERT, OSPM_DEVICE_CHECK);
    assert_state(f, "rejected");
    assert_actual(f, 256);
    f->ospm = ospm_boot(f->qt);
    assert_end(f, "reached", 768, "");
    assert_dimms(f, 1);
    set_target(f, 256);
    assert_end(f, "reached", 256, "-target0");
}

/* It is told of nothing, and finds the DIMM. */
static void boots_unasked(Fixture *f)
{
    set_target(f, 768);
    assert_step(f, "add", "target0");
    f->ospm = ospm_boot(f->qt);
    assert_end(f, "reached", 768, "");
    ospm_run(f->ospm);
    assert_actual(f, 768);
}

/* It is given up, and asked for the DIMM as early; what it finds then counts all the same. */
static void boots_too_late(Fixture *f)
{
    set_target(f, 768);
    assert_step(f, "add", "target0");
    answer_early(f, MEMHP_INSERT, OSPM_DEVICE_CHECK);
    qtest_clock_step(f->qt, ANSWER * NS);
    assert_step(f, "remove", "target0");
    answer_early(f, MEMHP_REMOVE, OSPM_EJECT_REQUEST);
    assert_end(f, "unreached", 256, "");
    f->ospm = ospm_boot(f->qt);
    assert_actual(f, 768);
    set_target(f, 768);
    assert_end(f, "reached", 768, "");
    assert_dimms(f, 1);
}

/* It has looked, and what it says then is an answer, also if it looks again. */
static void looks_again(Fixture *f)
{
    user_plugs(f, "d0", 256);
    assert_actual(f, 512);
    ospm_ost(f->ospm, 0, OSPM_DEVICE_CHECK, OSPM_LOAD_FAILED);
    assert_actual(f, 256);
    ospm_crs(f->ospm, 0);
    assert_state(f, "noticed");
    assert_actual(f, 256);
}

/* ---- one that does not answer ---- */

static void never_takes(Fixture *f)
{
    f->ospm->manners.silent = true;
    set_target(f, 512);
    assert_step(f, "add", "target0");
    ospm_run(f->ospm);
    qtest_clock_step(f->qt, ANSWER * NS);
    assert_step(f, "remove", "target0"); /* no smaller one is tried */
    ospm_run(f->ospm);
    qtest_clock_step(f->qt, ANSWER * NS);
    assert_end(f, "unreached", 256, "");
    assert_reason(f, "did not report that it uses 'target0' in 60 s");
    assert_dimms(f, 1);
    assert_state(f, "unplug-noticed"); /* it is still asked for */
    ospm_eject(f->ospm, 0);            /* and here it goes */
    set_target(f, 256);
    assert_end(f, "reached", 256, "");
    assert_dimms(f, 0);
}

/* It does not even look, until it has been given up for long: it gives the DIMM back then. */
static void never_looks(Fixture *f)
{
    f->ospm->manners.deaf = true;
    set_target(f, 512);
    assert_step(f, "add", "target0");
    assert_actual(f, 256);
    qtest_clock_step(f->qt, ANSWER * NS);
    assert_step(f, "remove", "target0");
    qtest_clock_step(f->qt, ANSWER * NS);
    assert_end(f, "unreached", 256, "");
    qtest_clock_step(f->qt, 100 * ANSWER * NS);
    assert_state(f, "unplug-requested");
    f->ospm->manners.deaf = false;
    ospm_run(f->ospm);
    json_object_put(qtest_event(f->qt, "DEVICE_DELETED"));
    set_target(f, 256);
    assert_end(f, "reached", 256, "");
    assert_dimms(f, 0);
}

static void never_gives(Fixture *f)
{
    set_target(f, 512);
    assert_end(f, "reached", 512, "+target0");
    f->ospm->manners.silent = true;
    qtest_qmp_ok(f->qt, "set-memory-target",
                 "{'size': %" PRIu64 ", 'policy': {'answer-timeout': 5}}", 256 * MIB);
    assert_step(f, "remove", "target0");
    ospm_run(f->ospm);
    qtest_clock_step(f->qt, 5 * NS);
    assert_end(f, "unreached", 512, "");
    assert_reason(f, "the request for 'target0' was withdrawn");
}

/* The time is over while a DIMM was plugged that the guest does not take: it goes when the guest
 * wakes up, with its backend. */
static void out_of_time(Fixture *f)
{
    f->ospm->manners.deaf = true;
    qtest_qmp_ok(f->qt, "set-memory-target", "{'size': %" PRIu64 ", 'timeout': 2.5}", 512 * MIB);
    assert_step(f, "add", "target0");
    qtest_clock_step(f->qt, 5 * NS / 2 - 1);
    g_assert_cmpuint(qtest_event_count(f->qt, CHANGE), ==, 0);
    qtest_clock_step(f->qt, 1);
    assert_end(f, "timed-out", 256, "");
    f->ospm->manners.deaf = false;
    ospm_run(f->ospm);
    json_object_put(qtest_event(f->qt, "DEVICE_DELETED"));
    set_target(f, 256);
    assert_end(f, "reached", 256, "");
    assert_dimms(f, 0);
}

/* ---- others have a say ---- */

static void cancelled(Fixture *f)
{
    g_autoptr(json_object) error = qtest_qmp_error(f->qt, "cancel-memory-target", NULL);

    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "no memory target"));
    set_target(f, 2048);
    assert_end(f, "reached", 2048, "+target0 +target1");
    set_target(f, 256);
    assert_step(f, "remove", "target1");
    qtest_qmp_ok(f->qt, "cancel-memory-target", NULL);
    assert_end(f, "cancelled", 2048, "");
    ospm_run(f->ospm); /* there is nothing that it could see */
    assert_dimms(f, 2);
    g_assert_nonnull(ospm_dimm(f->ospm, 1));
}

static void changed(Fixture *f)
{
    set_target(f, 2048);
    assert_step(f, "add", "target0");
    set_target(f, 256); /* the DIMM that is there is waited for, then it goes */
    assert_end(f, "reached", 256, "+target0 -target0");
    assert_dimms(f, 0);
    set_target(f, 1024);
    assert_end(f, "reached", 1024, "+target0");
    set_target(f, 256);
    assert_step(f, "remove", "target0");
    set_target(f, 1024); /* that is not wanted any more */
    assert_end(f, "reached", 1024, "");
    ospm_run(f->ospm);
    assert_dimms(f, 1);
}

static void reset(Fixture *f)
{
    set_target(f, 512);
    assert_step(f, "add", "target0");
    qtest_qmp_ok(f->qt, "system_reset", NULL);
    assert_end(f, "reset", 512, "");
    ospm_reboot(f->ospm);
    set_target(f, 256);
    assert_end(f, "reached", 256, "-target0");
    assert_dimms(f, 0);
}

static void gone_early(Fixture *f)
{
    set_target(f, 512);
    assert_step(f, "add", "target0");
    f->ospm->manners.eject_on_insertion = true; /* before it has said that it uses it */
    ospm_run(f->ospm);
    assert_end(f, "unreached", 256, "");
    assert_reason(f, "'target0' was taken out");
    assert_dimms(f, 0);
}

static void stays_here(Fixture *f)
{
    g_autofree char *path = qtest_temp_path(f->qt, "state");
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    g_autoptr(json_object) error = NULL;

    f->ospm->manners.deaf = true;
    set_target(f, 512);
    assert_step(f, "add", "target0");
    error = qtest_qmp_error(f->qt, "migrate", "{'uri': %s}", uri);
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "cancel-memory-target"));
    qtest_qmp_ok(f->qt, "cancel-memory-target", NULL);
    qtest_save(f->qt, path);
}

static void no_slots(Fixture *f)
{
    set_target(f, 512);
    assert_end(f, "unreached", 256, "");
    assert_reason(f, "slots=");
}

static void no_acpi(Fixture *f)
{
    g_autoptr(json_object) info = NULL;

    set_target(f, 512);
    assert_end(f, "unreached", 256, "");
    info = qtest_qmp(f->qt, "query-memory-target", NULL);
    g_assert_true(g_str_has_prefix(qtest_get_str(info, "reason"), "the machine has no ACPI"));
}

static void errors(Fixture *f)
{
    static const struct {
        const char *arguments, *words;
    } cases[] = {
        { "{'size': 0}", "maxmem" },
        { "{'size': 1099511627776}", "maxmem" },
        { "{'size': 1073741824, 'timeout': 0}", "'timeout'" },
        { "{'size': 1073741824, 'timeout': 1e10}", "'timeout'" },
        { "{'size': 1073741824, 'policy': {'answer-timeout': -1}}", "'answer-timeout'" },
        { "{'size': 1073741824, 'policy': {'node': 3}}", "'node'" },
        { "{'size': 1073741824, 'policy': {'dimm-size': 1048576}}", "128 MiB" },
        { "{'size': 1073741824, 'policy': {'backend': 5}}", "'backend'" },
        { "{'size': 1073741824, 'policy': {'backend': {'size': 1}}}", "'size'" },
        { "{'size': 1073741824, 'policy': {'backend': {'id': 'a'}}}", "'id'" },
        { "{'size': 1073741824, 'policy': {'backend': {'qom-type': 'memory-backend-file'}}}",
          "memory-backend-memfd" },
        { "{'size': 1073741824, 'policy': {'backend': {'qom-type': 7}}}", "string, and not 7" },
        { "{'size': 1073741824, 'policy': {'backend': {'qom-type': null}}}",
          "string, and not null" },
        { "{'size': 1073741824, 'policy': {'backend': {'qom-type': 'memory-backend-memfd', "
          "'hugetlb': true, 'hugetlbsize': 3}}}",
          "power of 2" },
        { "{'size': 1073741824, 'policy': {'backend': {'qom-type': 'memory-backend-memfd', "
          "'hugetlb': true, 'hugetlbsize': 402653184}}}",
          "power of 2" },
        { "{'size': 1073741824, 'policy': {'backend': {'qom-type': 'memory-backend-memfd', "
          "'hugetlb': true, 'hugetlbsize': 17179869184}}}",
          "huge pages" },
        { "{'size': 1073741824, 'policy': {'backend': {'policy': 'bind'}}}", "host-nodes" },
        { "{'size': 1073741824, 'policy': {'backend': {'policy': 'bind', 'host-nodes': [120]}}}",
          " host" },
        { "{'size': 1073741824, 'policy': {'backend': {'prealloc': true, 'reserve': false}}}",
          "contradict" },
        { "{'size': 1073741824, 'policy': {'backend': {'colour': 1}}}", "colour" },
        { "{'size': 1073741824, 'policy': {'backend': {'share': 'x'}}}", "share" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_object) error =
            qtest_qmp_error(f->qt, "set-memory-target", cases[i].arguments);

        if (!strstr(qtest_get_str(error, "desc"), cases[i].words)) {
            g_error("%s: %s", cases[i].arguments, qtest_get_str(error, "desc"));
        }
    }
    g_assert_cmpuint(qtest_event_count(f->qt, CHANGE), ==, 0);
    assert_dimms(f, 0);
}

/* ---- */

static void run(gconstpointer data)
{
    const Config *config = data;
    Fixture f = { .qt = qtest_start("-machine %s -m %s", config->machine, config->memory) };

    f.ospm = config->late ? NULL : ospm_boot(f.qt);
    config->run(&f);
    ospm_free(f.ospm);
    qtest_quit(f.qt);
}

static const Config configs[] = {
#define BOTH_WITH(fn, ...)          \
    { "pc", #fn, fn, __VA_ARGS__ }, \
    {                               \
        "q35", #fn, fn, __VA_ARGS__ \
    }
#define MEMORY    "256M,slots=8,maxmem=16G"
#define LARGE(fn) BOTH_WITH(fn, "1G,slots=8,maxmem=16G", false)
#define BOTH(fn)  BOTH_WITH(fn, MEMORY, false)
#define LATE(fn)  BOTH_WITH(fn, MEMORY, true)
    LARGE(up_and_down),
    BOTH(small_boot),
    BOTH(kernel_pays),
    BOTH(kernel_paid_before),
    BOTH(other_writes),
    BOTH(few_writes),
    BOTH(down_to_nothing),
    BOTH(users_dimms),
    BOTH(backends),
    BOTH(rejects),
    BOTH(rejects_large),
    BOTH(refuses),
    BOTH(refuses_one),
    BOTH(never_takes),
    BOTH(never_gives),
    BOTH(out_of_time),
    BOTH(cancelled),
    BOTH(changed),
    BOTH(reset),
    BOTH(gone_early),
    BOTH(stays_here),
    BOTH(errors),
    LARGE(exchanges),
    LARGE(exchange_refused),
    LARGE(exchange_rejected),
    LARGE(exchange_cancelled),
    LARGE(exchange_reset),
    LARGE(exchange_forbidden),
    BOTH_WITH(no_acpi, "256M,slots=8,maxmem=16G -machine acpi=off", true),
    LATE(boots_late),
    LATE(boots_unasked),
    LATE(boots_too_late),
    BOTH(looks_again),
    BOTH(never_looks),
    BOTH_WITH(no_slots, "256M,maxmem=16G", false),
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(configs); i++) {
        g_autofree char *path =
            g_strdup_printf("/target/%s/%s", configs[i].machine, configs[i].name);

        g_test_add_data_func(path, &configs[i], run);
    }
    return g_test_run();
}
