/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine of the fuzz targets, made once and put back after each input. */
#include <signal.h>

#include "accel/choose.h"
#include "hw/core/runstate.h"
#include "memory/memory.h"
#include "tests/fuzz/fuzz.h"
#include "util/main-loop.h"

#define MEMORY     "1M,slots=4,maxmem=8G"
#define MOST_LOOPS 10000

static GHashTable *survivors; /* what was there when the input began, of the paths below */
static RunstateActions actions;

static Machine *make_machine(const FuzzBoard *board, GError **errp)
{
    const ObjectType *type;
    Machine *machine;

    if (!accel_choose("qtest", errp) || !(type = machine_type_find(board->type, errp)) ||
        !(machine = machine_new(type, errp))) {
        return NULL;
    }
    machine->serial[0] = fuzz_client_chardev(fuzz_client_new("serial"));
    if (board->prepare) {
        board->prepare(machine);
    }
    if (!machine_parse_memory(machine, MEMORY, errp) ||
        !machine_parse_smp(machine, board->cpu_count, errp) || !machine_init(machine, errp)) {
        return NULL;
    }
    if (board->populate) {
        board->populate(machine);
    }
    machine->ready = true;
    machine_reset(machine);
    return machine;
}

Machine *fuzz_board(const FuzzBoard *board)
{
    static Machine *machine;
    g_autoptr(GError) err = NULL;

    if (!machine) {
        signal(SIGPIPE, SIG_IGN);
        main_loop_init();
        memory_init();
        machine = make_machine(board, &err);
        if (!machine) {
            g_error("%s", err->message);
        }
    }
    return machine;
}

Machine *fuzz_machine(void)
{
    static const FuzzBoard board = { .type = "pc", .cpu_count = "2" };

    return fuzz_board(&board);
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

static const char *const device_paths[] = { "/machine/peripheral", "/machine/peripheral-anon" };
static const char *const object_paths[] = { "/objects", "/chardevs" };

static void remember_all(const char *path)
{
    const GPtrArray *children = object_container(path)->children;

    for (unsigned i = 0; children && i < children->len; i++) {
        g_hash_table_add(survivors, children->pdata[i]);
    }
}

void fuzz_input_begin(void)
{
    survivors = g_hash_table_new(NULL, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(device_paths); i++) {
        remember_all(device_paths[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(object_paths); i++) {
        remember_all(object_paths[i]);
    }
    actions = *runstate_actions();
    fuzz_wall(true);
}

static void unplug(Object *obj)
{
    device_unplug(DEVICE(obj));
}

/* The newest that the input made, or NULL. */
static Object *newest(const char *path)
{
    const GPtrArray *children = object_container(path)->children;

    for (unsigned i = children ? children->len : 0; i-- > 0;) {
        if (!g_hash_table_contains(survivors, children->pdata[i])) {
            return children->pdata[i];
        }
    }
    return NULL;
}

static void remove_all(const char *path, void (*take_away)(Object *obj))
{
    Object *obj;

    while ((obj = newest(path))) {
        take_away(obj);
    }
}

void fuzz_input_end(void)
{
    fuzz_settle();
    runstate_stop(RUN_STATE_PAUSED);
    for (size_t i = 0; i < G_N_ELEMENTS(device_paths); i++) {
        remove_all(device_paths[i], unplug);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(object_paths); i++) {
        remove_all(object_paths[i], object_unparent);
    }
    g_clear_pointer(&survivors, g_hash_table_destroy);
    *runstate_actions() = actions;
    runstate_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    fuzz_settle();
    fuzz_wall(false);
}
