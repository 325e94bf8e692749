/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/devices.h"

#include <string.h>

#include "hw/core/machine.h"
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

/* ---- saving ---- */

static void save(SavedStates *states, const StateTable *table, Object *obj)
{
    GByteArray *out = g_byte_array_new();

    state_save(table, obj, out);
    add(states, object_path(obj), g_byte_array_free_to_bytes(out));
}

static bool save_device(Device *dev, void *opaque)
{
    const StateTable *table = device_class(dev)->state;

    if (table) {
        save(opaque, table, OBJECT(dev));
    }
    return true;
}

SavedStates *saved_states_take(void)
{
    SavedStates *states = saved_states_new();
    Machine *machine = current_machine();

    if (machine_ops(machine)->state) {
        save(states, machine_ops(machine)->state, OBJECT(machine));
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

static bool load(Loading *loading, const StateTable *table, Object *obj)
{
    g_autofree char *path = object_path(obj);
    const SavedState *state = g_hash_table_lookup(loading->left, path);

    if (!state) {
        error_set(loading->errp,
                  "the state of '%s' is missing: the machine that was saved has no such device",
                  path);
        return false;
    }
    g_hash_table_remove(loading->left, path);
    size_t size;
    const void *data = g_bytes_get_data(state->data, &size);
    if (!state_load(table, obj, data, size, loading->errp)) {
        g_prefix_error(loading->errp, "device '%s': ", path);
        return false;
    }
    return true;
}

static bool load_device(Device *dev, void *opaque)
{
    const StateTable *table = device_class(dev)->state;

    return !table || load(opaque, table, OBJECT(dev));
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
    Machine *machine = current_machine();
    GHashTableIter iter;
    gpointer path;

    /* The machine comes last: it has what devices sent to each other, while some of them may send
     * it again when they are loaded. */
    if (!index_states(states, left, errp) || !devices_foreach(load_device, &loading) ||
        (machine_ops(machine)->state &&
         !load(&loading, machine_ops(machine)->state, OBJECT(machine)))) {
        return false;
    }
    g_hash_table_iter_init(&iter, left);
    if (g_hash_table_iter_next(&iter, &path, NULL)) {
        error_set(errp, "there is a state of '%s', and no such device here", (const char *)path);
        return false;
    }
    return true;
}
