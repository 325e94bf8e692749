/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random steps: the whole machine, and the whole guest. */
#include <glib/gstdio.h>

#include "tests/qtest/ospm/random.h"

/* ---- the machine ---- */

void random_time(RandomTest *t, int64_t ns)
{
    const int64_t now = qtest_clock_step(t->qt, ns);

    model_time(&t->model, now);
    model_time(&t->cpus, now);
}

static bool step_time(RandomTest *t)
{
    random_time(t, RANDOM_SECOND / 2 * (1 + random_pick(t, 4)));
    return true;
}

void random_reset(RandomTest *t)
{
    qtest_qmp_ok(t->qt, "system_reset", NULL);
    json_object_put(qtest_event(t->qt, "RESET"));
    model_reset(&t->model);
    model_reset(&t->cpus);
    ospm_reboot(t->ospm);
    random_booted(t, false);
}

static bool step_reset(RandomTest *t)
{
    random_reset(t);
    return true;
}

/* Saved, and loaded by another program. */
static bool step_move(RandomTest *t)
{
    g_autofree char *file = g_build_filename(t->folder, "state", NULL);

    if (t->stays) {
        return false;
    }
    qtest_save(t->qt, file);
    qtest_quit(t->qt);
    random_start(t, file);
    t->ospm->qt = t->qt;
    g_unlink(file);
    random_moved(t);
    return true;
}

/* All but what is in NVDIMMs is lost, of which some are taken out. */
static bool step_power_off(RandomTest *t)
{
    if (t->stays) {
        return false;
    }
    qtest_quit(t->qt);
    ospm_free(t->ospm);
    for (unsigned i = 0; i < RANDOM_NVDIMMS; i++) {
        if (t->nvdimms[i].serial && random_chance(t, 50)) {
            g_autofree char *file = g_strdup_printf("%s/f%u", t->folder, t->nvdimms[i].serial);

            g_assert_cmpint(g_unlink(file), ==, 0);
            t->nvdimms[i].serial = 0;
        }
    }
    random_power_on(t);
    return true;
}

/* ---- the guest ---- */

void random_guest(RandomTest *t, const OspmManners *manners)
{
    t->ospm->manners = *manners;
    ospm_run(t->ospm);
    model_run(&t->model, manners);
    model_run(&t->cpus, manners);
}

static bool run_with(RandomTest *t, OspmManners manners)
{
    random_guest(t, &manners);
    return true;
}

static bool step_good_guest(RandomTest *t)
{
    return run_with(
        t, (OspmManners){ .no_progress = random_chance(t, 20), .bytes = random_chance(t, 10) });
}

static bool step_refusing_guest(RandomTest *t)
{
    return run_with(t, (OspmManners){ .eject_status = random_status(t) });
}

static bool step_rejecting_guest(RandomTest *t)
{
    return run_with(t, (OspmManners){ .insert_status = random_status(t) });
}

static bool step_silent_guest(RandomTest *t)
{
    return run_with(t, (OspmManners){ .silent = true });
}

static bool step_bad_guest(RandomTest *t)
{
    return run_with(t, (OspmManners){ .eject_twice = random_chance(t, 50),
                                      .eject_on_insertion = random_chance(t, 50),
                                      .bytes = random_chance(t, 50) });
}

static const RandomStep machine_steps[] = {
    { "time", 6, step_time },
    { "reset", 2, step_reset },
    { "move", 1, step_move },
    { "power off", 1, step_power_off },
    { "good guest", 20, step_good_guest },
    { "refusing guest", 6, step_refusing_guest },
    { "rejecting guest", 4, step_rejecting_guest },
    { "silent guest", 4, step_silent_guest },
    { "bad guest", 4, step_bad_guest },
    {},
};

const RandomPart random_machine = { .steps = machine_steps };
