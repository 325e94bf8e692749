/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/reader.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "memory/address-space.h"
#include "migration/bitmaps.h"
#include "migration/config.h"
#include "migration/dbus-vmstate.h"
#include "migration/limits.h"
#include "migration/postcopy-dest.h"
#include "migration/ram.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

static bool read_config(ReadMachine *machine, const Record *record, GError **errp)
{
    g_autofree char *text = g_strndup((const char *)record->data, record->size);
    struct json_object *config = json_tokener_parse(text);
    bool ok;

    machine_lock();
    ok = migration_config_check(config, errp);
    machine_unlock();
    json_object_put(config);
    machine->has_config = true;
    return ok;
}

/* The configuration must come first: nothing else means anything to a machine that is another one.
 */
static bool begins_well(const ReadMachine *machine, const Record *record, GError **errp)
{
    if (!machine->has_config && record->kind != RECORD_CONFIG) {
        error_set(errp, "the stream does not begin with a configuration");
        return false;
    }
    return true;
}

/* Add what it contains to *@list. */
static void keep(GPtrArray **list, const Record *record)
{
    if (!*list) {
        *list = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    }
    g_ptr_array_add(*list, g_bytes_new(record->data, record->size));
}

/* One record; *@end: it was the last one. */
static bool take_record(ReadMachine *machine, const Record *record, const GPtrArray *blocks,
                        bool *end, GError **errp)
{
    if (!begins_well(machine, record, errp)) {
        return false;
    }
    switch (record->kind) {
    case RECORD_CONFIG:
        return read_config(machine, record, errp);
    case RECORD_RAM:
        return ram_load(blocks, record, errp);
    case RECORD_DEVICE:
        saved_states_add(machine->states, record);
        return true;
    case RECORD_RUN:
        machine->has_run = true;
        return run_record_read(&machine->run, record, errp);
    case RECORD_SYNC:
        if (machine->multifd) {
            return multifd_receive_sync(machine->multifd, record, errp);
        }
        error_set(errp, "the stream is of multifd, which only a migration has");
        return false;
    case RECORD_LIMITS:
        json_object_put(machine->limits);
        machine->limits = saved_limits_read(record, errp);
        return machine->limits;
    case RECORD_BITMAP:
        keep(&machine->bitmaps, record);
        return true;
    case RECORD_HELPER:
        keep(&machine->helpers, record);
        return true;
    case RECORD_END:
        *end = true;
        machine->asks = strcmp(record->name, STREAM_ASKS) == 0;
        machine->postcopy = strcmp(record->name, STREAM_POSTCOPY) == 0;
        if (!machine->has_run) {
            error_set(errp, "the clock of the machine is missing");
        }
        return machine->has_run;
    default:
        error_set(errp, "a record of kind %u is not known here", record->kind);
        return false;
    }
}

/* They are asked while others may use the machine. */
bool read_machine_give(const ReadMachine *machine, GError **errp)
{
    machine_lock();
    GPtrArray *objects = saved_helpers_take();
    machine_unlock();
    bool ok = saved_helpers_load(objects, machine->helpers, errp);
    machine_lock();
    g_ptr_array_unref(objects);
    machine_unlock();
    return ok;
}

static bool is_postcopy(const Record *record)
{
    return record->kind == RECORD_ADVICE || record->kind == RECORD_LACKS;
}

static bool take_postcopy(Stream *stream, const Record *record, GError **errp)
{
    return record->kind == RECORD_ADVICE ? postcopy_dest_advise(stream, record, errp)
                                         : postcopy_dest_lacks(record, errp);
}

bool read_machine(ReadMachine *machine, Stream *stream, GError **errp)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list_used();
    bool end = false;
    Record record;

    machine->states = saved_states_new();
    if (!stream_get_header(stream, errp)) {
        return false;
    }
    while (!end) {
        if (!stream_get_record(stream, &record, errp)) {
            return false;
        }
        if (machine->may_postcopy && machine->has_config && is_postcopy(&record)) {
            if (!take_postcopy(stream, &record, errp)) {
                return false;
            }
        } else if (!take_record(machine, &record, blocks, &end, errp)) {
            return false;
        }
    }
    if (machine->postcopy && !machine->may_postcopy) {
        error_set(errp, "the memory of the machine is missing");
        return false;
    }
    return machine->postcopy || read_machine_give(machine, errp);
}

bool read_machine_check(Stream *stream, GError **errp)
{
    ReadMachine machine = { 0 };
    Record record = { 0 };
    bool ok = stream_get_header(stream, errp);

    while (ok && record.kind != RECORD_END) {
        ok = stream_get_record(stream, &record, errp) && begins_well(&machine, &record, errp) &&
             (record.kind != RECORD_CONFIG || read_config(&machine, &record, errp));
    }
    return ok;
}

bool read_machine_load(const ReadMachine *machine, GError **errp)
{
    address_space_rewritten(&address_space_memory);
    clock_set_ns(machine->run.clock_ns);
    runstate_set_asleep(machine->run.asleep);
    return saved_states_load(machine->states, errp) && saved_limits_load(machine->limits, errp) &&
           saved_bitmaps_load(machine->bitmaps, errp);
}

void read_machine_clear(ReadMachine *machine)
{
    saved_states_free(machine->states);
    json_object_put(machine->limits);
    g_clear_pointer(&machine->bitmaps, g_ptr_array_unref);
    g_clear_pointer(&machine->helpers, g_ptr_array_unref);
    *machine = (ReadMachine){ 0 };
}
