/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine of the fuzz targets, made once and put back after each input. */
#include <signal.h>

#include "accel/accel.h"
#include "hw/core/runstate.h"
#include "memory/memory.h"
#include "tests/fuzz/fuzz.h"
#include "util/main-loop.h"

#define MEMORY         "1M,slots=4,maxmem=8G"
#define CPUS           "2"
#define MOST_LOOPS     10000
#define MOST_SURVIVORS 8 /* chardevs that the targets themselves make */

static Object *own_chardevs[MOST_SURVIVORS];
static RunstateActions actions;

static Machine *make_machine(GError **errp)
{
    const ObjectType *type;
    Machine *machine;

    if (!accel_choose("qtest", errp) || !(type = machine_type_find("pc", errp)) ||
        !(machine = machine_new(type, errp))) {
        return NULL;
    }
    machine->serial[0] = fuzz_client_chardev(fuzz_client_new("serial"));
    if (!machine_parse_memory(machine, MEMORY, errp) || !machine_parse_smp(machine, CPUS, errp) ||
        !machine_init(machine, errp)) {
        return NULL;
    }
    machine->ready = true;
    machine_reset(machine);
    return machine;
}

Machine *fuzz_machine(void)
{
    static Machine *machine;
    g_autoptr(GError) err = NULL;

    if (!machine) {
        signal(SIGPIPE, SIG_IGN);
        main_loop_init();
        memory_init();
        machine = make_machine(&err);
        if (!machine) {
            g_error("%s", err->message);
        }
    }
    return machine;
}

void fuzz_settle(void)
{
    for (int i = 0; main_loop_iterate(false); i++) {
        if (i == MOST_LOOPS) {
            g_error("the main loop does not come to rest");
        }
    }
}

/* ---- before and after ---- */

static bool is_own_chardev(const Object *obj)
{
    for (int i = 0; i < MOST_SURVIVORS; i++) {
        if (own_chardevs[i] == obj) {
            return true;
        }
    }
    return false;
}

void fuzz_input_begin(void)
{
    const GPtrArray *chardevs = object_container("/chardevs")->children;

    for (unsigned i = 0; i < MOST_SURVIVORS; i++) {
        own_chardevs[i] = i < chardevs->len ? chardevs->pdata[i] : NULL;
    }
    actions = *runstate_actions();
    fuzz_wall(true);
}

static void unplug_all(const char *path)
{
    const Object *home = object_container(path);

    while (home->children && home->children->len) {
        device_unplug(home->children->pdata[home->children->len - 1]);
    }
}

static void remove_all(const char *path, bool (*stays)(const Object *obj))
{
    const Object *home = object_container(path);

    for (unsigned i = home->children ? home->children->len : 0; i-- > 0;) {
        Object *obj = home->children->pdata[i];

        if (!stays || !stays(obj)) {
            object_unparent(obj);
        }
    }
}

void fuzz_input_end(void)
{
    fuzz_settle();
    vm_stop(RUN_STATE_PAUSED);
    unplug_all("/machine/peripheral");
    unplug_all("/machine/peripheral-anon");
    remove_all("/objects", NULL);
    remove_all("/chardevs", is_own_chardev);
    *runstate_actions() = actions;
    system_reset_request(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    fuzz_settle();
    fuzz_wall(false);
}
