/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/devices.h"

#include <string.h>

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "hw/core/failover.h"
#include "hw/core/machine.h"
#include "hw/core/save-leave.h"
#include "hw/i386/cpu.h"
#include "util/error.h"

typedef struct SavedState {
    char *path; /* of the object */
    GBytes *data;
} SavedState;

struct SavedStates {
    GPtrArray *list; /* of SavedState *, owned */
};

static void saved_state_free(void *opaque)
{
    SavedState *state = opaque;

    g_free(state->path);
    g_bytes_unref(state->data);
    g_free(state);
}

SavedStates *saved_states_new(void)
{
    SavedStates *states = g_new(SavedStates, 1);

    states->list = g_ptr_array_new_with_free_func(saved_state_free);
    return states;
}

void saved_states_free(SavedStates *states)
{
    if (states) {
        g_ptr_array_unref(states->list);
        g_free(states);
    }
}

/* Takes @path and @data. */
static void add(SavedStates *states, char *path, GBytes *data)
{
    SavedState *state = g_new(SavedState, 1);

    *state = (SavedState){ path, data };
    g_ptr_array_add(states->list, state);
}

void saved_states_add(SavedStates *states, const Record *record)
{
    add(states, g_strdup(record->name), g_bytes_new(record->data, record->size));
}

/* ---- what engines have of a CPU ---- */

/* Between the CPU's path and the name of the engine whose state it is: no path has this. */
#define ENGINE_MARK '#'

/* The table of the engine that runs, and the CPU, if @dev is one of which it has something. */
static const StateTable *engine_state(Device *dev, X86Cpu **cpu)
{
    if (!accel_current()->cpu_state || !object_is_a(OBJECT(dev), TYPE_X86_CPU)) {
        return NULL;
    }
    *cpu = X86_CPU_DEVICE(dev)->cpu;
    return accel_current()->cpu_state;
}

static char *engine_path(Device *dev)
{
    g_autofree char *path = object_path(OBJECT(dev));

    return g_strdup_printf("%s%c%s", path, ENGINE_MARK, accel_current()->name);
}

/* ---- saving ---- */

/* Takes @path. */
static void save(SavedStates *states, const StateTable *table, void *obj, char *path)
{
    GByteArray *out = g_byte_array_new();

    state_save(table, obj, out);
    add(states, path, g_byte_array_free_to_bytes(out));
}

static bool save_device(Device *dev, void *opaque)
{
    const StateTable *table = device_class(dev)->state;

    if (table) {
        save(opaque, table, dev, object_path(OBJECT(dev)));
    }
    X86Cpu *cpu;
    table = engine_state(dev, &cpu);
    if (table) {
        save(opaque, table, cpu, engine_path(dev));
    }
    return true;
}

static bool check_device(Device *dev, void *errp)
{
    if (!device_class(dev)->check_migrate || failover_is_primary(dev) ||
        device_class(dev)->check_migrate(dev, errp)) {
        return true;
    }
    const Object *parent = dev->parent.parent;
    g_autofree char *what = device_describe(
        parent && object_is_a(parent, TYPE_DEVICE) ? DEVICE((Object *)(uintptr_t)parent) : dev);
    g_prefix_error((GError **)errp, "%s: ", what);
    return false;
}

bool saved_states_check(GError **errp)
{
    return devices_foreach(check_device, errp);
}

static bool list_device(Device *dev, void *reasons)
{
    g_autoptr(GError) err = NULL;

    if (!check_device(dev, &err)) {
        g_ptr_array_add(reasons, g_strdup(err->message));
    }
    return true;
}

void saved_states_check_list(GPtrArray *reasons)
{
    devices_foreach(list_device, reasons);
}

static void do_nothing(X86Cpu *cpu, void *opaque)
{
}

/* Before and after its work, a processor's state is read and written. */
static void read_again(X86Cpu *cpu, void *opaque)
{
    vcpu_run_on(cpu, do_nothing, NULL);
}

SavedStates *saved_states_take(void)
{
    SavedStates *states = saved_states_new();
    Machine *machine = machine_current();

    if (save_leave()) { /* interrupts are in the engine's processors now, which stood already */
        vcpu_foreach(read_again, NULL);
    }
    if (machine_ops(machine)->state) {
        save(states, machine_ops(machine)->state, machine, object_path(OBJECT(machine)));
    }
    devices_foreach(save_device, states);
    return states;
}

bool saved_states_write(const SavedStates *states, Stream *stream, GError **errp)
{
    for (unsigned i = 0; i < states->list->len; i++) {
        const SavedState *state = states->list->pdata[i];
        size_t size;
        const void *data = g_bytes_get_data(state->data, &size);
        if (!stream_put_record(stream, RECORD_DEVICE, state->path, data, size, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- loading ---- */

typedef struct Loading {
    GHashTable *left; /* path -> SavedState, those that were not used yet */
    GError **errp;
} Loading;

static bool load_from(Loading *loading, const StateTable *table, void *obj, const char *path)
{
    const SavedState *state = g_hash_table_lookup(loading->left, path);
    size_t size;
    const void *data = g_bytes_get_data(state->data, &size);

    g_hash_table_remove(loading->left, path);
    if (!state_load(table, obj, data, size, loading->errp)) {
        g_prefix_error(loading->errp, "device '%s': ", path);
        return false;
    }
    return true;
}

static bool load(Loading *loading, const StateTable *table, Object *obj)
{
    g_autofree char *path = object_path(obj);
    bool missing = !g_hash_table_contains(loading->left, path);

    if (missing && table->added) { /* it is in its state after a reset, if that can be */
        if (table->post_load && !table->post_load(obj, loading->errp)) {
            g_prefix_error(loading->errp, "device '%s': ", path);
            return false;
        }
        return true;
    }
    if (missing) {
        error_set(loading->errp,
                  "the state of '%s' is missing: the machine that was saved has no such device",
                  path);
        return false;
    }
    return load_from(loading, table, obj, path);
}

/* What the engine has of a CPU may be missing: another one has saved it. */
static bool load_engine(Loading *loading, Device *dev)
{
    X86Cpu *cpu;
    const StateTable *table = engine_state(dev, &cpu);
    g_autofree char *path = table ? engine_path(dev) : NULL;

    return !table || !g_hash_table_contains(loading->left, path) ||
           load_from(loading, table, cpu, path);
}

static bool load_device(Device *dev, void *opaque)
{
    const StateTable *table = device_class(dev)->state;

    return (!table || load(opaque, table, OBJECT(dev))) && load_engine(opaque, dev);
}

/* An error if anything is left that is not another engine's. */
static bool check_left(const Loading *loading)
{
    GHashTableIter iter;
    gpointer path;

    g_hash_table_iter_init(&iter, loading->left);
    while (g_hash_table_iter_next(&iter, &path, NULL)) {
        if (!strchr(path, ENGINE_MARK)) {
            error_set(loading->errp, "there is a state of '%s', and no such device here",
                      (const char *)path);
            return false;
        }
    }
    return true;
}

/* By path; false: one is there twice. */
static bool index_states(const SavedStates *states, GHashTable *index, GError **errp)
{
    for (unsigned i = 0; i < states->list->len; i++) {
        SavedState *state = states->list->pdata[i];
        if (!g_hash_table_insert(index, state->path, state)) {
            error_set(errp, "the state of '%s' is there twice", state->path);
            return false;
        }
    }
    return true;
}

bool saved_states_load(const SavedStates *states, GError **errp)
{
    g_autoptr(GHashTable) left = g_hash_table_new(g_str_hash, g_str_equal);
    Loading loading = { left, errp };
    Machine *machine = machine_current();

    /* The machine comes last: it has what devices sent to each other, while some of them may send
     * it again when they are loaded. */
    if (!index_states(states, left, errp) || !devices_foreach(load_device, &loading) ||
        (machine_ops(machine)->state &&
         !load(&loading, machine_ops(machine)->state, OBJECT(machine)))) {
        return false;
    }
    return check_left(&loading);
}
