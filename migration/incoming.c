/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/incoming.h"

#include <string.h>

#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "migration/devices.h"
#include "migration/migration.h"
#include "migration/ram.h"
#include "migration/run-record.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/main-loop.h"

static struct {
    bool autostart;
    char *uri; /* NULL: nothing was started */
    Channel channel;
    GThread *thread;

    /* the thread's, until it has ended */
    SavedStates *states;
    RunRecord run;
    bool has_config, has_run;
    GError *err;
} coming;

void incoming_set_autostart(bool on)
{
    coming.autostart = on;
}

/* ---- the end: main thread ---- */

static bool load(GError **errp)
{
    clock_set_ns(coming.run.clock_ns);
    return saved_states_load(coming.states, errp);
}

/* A machine that is not whole must not run, and nothing else can become of this program. */
static void give_up(void)
{
    migration_set_status(MIGRATION_STATUS_FAILED);
    error_report("-incoming %s: %s", coming.uri, coming.err->message);
    runstate_set_exit_status(1);
    main_loop_quit();
}

static void incoming_ended(void *opaque)
{
    g_thread_join(coming.thread);
    coming.thread = NULL;
    channel_close(&coming.channel, coming.err ? NULL : &coming.err);
    if (coming.err || !load(&coming.err)) {
        give_up();
        return;
    }
    g_clear_pointer(&coming.states, saved_states_free);
    runstate_set(RUN_STATE_PAUSED);
    migration_set_status(MIGRATION_STATUS_COMPLETED);
    if (coming.autostart && coming.run.running) {
        vm_start();
    }
}

/* ---- the thread ---- */

static bool read_config(const Record *record, GError **errp)
{
    g_autofree char *text = g_strndup((const char *)record->data, record->size);
    struct json_object *config = json_tokener_parse(text);
    bool ok;

    machine_lock();
    ok = migration_config_check(config, errp);
    machine_unlock();
    json_object_put(config);
    coming.has_config = true;
    return ok;
}

static bool read_run(const Record *record, GError **errp)
{
    coming.has_run = true;
    return run_record_read(&coming.run, record, errp);
}

/* One record; *@end: it was the last one. The configuration must come first: nothing else means
 * anything to a machine that is another one. */
static bool take_record(const Record *record, const GPtrArray *blocks, bool *end, GError **errp)
{
    if (!coming.has_config && record->kind != RECORD_CONFIG) {
        error_set(errp, "the stream does not begin with a configuration");
        return false;
    }
    switch (record->kind) {
    case RECORD_CONFIG:
        return read_config(record, errp);
    case RECORD_RAM:
        return ram_load(blocks, record, errp);
    case RECORD_DEVICE:
        saved_states_add(coming.states, record);
        return true;
    case RECORD_RUN:
        return read_run(record, errp);
    case RECORD_END:
        *end = true;
        if (!coming.has_run) {
            error_set(errp, "the clock of the machine is missing");
        }
        return coming.has_run;
    default:
        error_set(errp, "a record of kind %u is not known here", record->kind);
        return false;
    }
}

static bool read_machine(Stream *stream, GError **errp)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list();
    bool end = false;
    Record record;

    if (!stream_get_header(stream, errp)) {
        return false;
    }
    while (!end) {
        if (!stream_get_record(stream, &record, errp)) {
            return false;
        }
        if (!take_record(&record, blocks, &end, errp)) {
            return false;
        }
    }
    return true;
}

static gpointer incoming_thread(gpointer opaque)
{
    g_autoptr(Stream) stream = NULL;

    if (coming.channel.fd >= 0 || channel_accept(&coming.channel, &coming.err)) {
        stream = stream_new(channel_take_fd(&coming.channel));
        machine_lock();
        migration_set_status(MIGRATION_STATUS_ACTIVE);
        machine_unlock();
        read_machine(stream, &coming.err);
    }
    main_loop_schedule(incoming_ended, NULL);
    return NULL;
}

/* ---- the beginning ---- */

static int no_named_fds(const char *name, GError **errp)
{
    error_set(errp, "fd:%s: on the command line it must be the number of a descriptor", name);
    return -1;
}

bool incoming_start(const char *uri, ChannelTakeFd *take_fd, GError **errp)
{
    if (runstate_get() != RUN_STATE_INMIGRATE) {
        error_set(errp,
                  "this machine does not wait for a migration: start it with -incoming defer");
        return false;
    }
    if (coming.uri) {
        error_set(errp, "this machine waits for its migration at '%s' already", coming.uri);
        return false;
    }
    if (!channel_open_in(&coming.channel, uri, take_fd ? take_fd : no_named_fds, errp)) {
        return false;
    }
    coming.uri = g_strdup(uri);
    coming.states = saved_states_new();
    migration_set_status(MIGRATION_STATUS_SETUP);
    coming.thread = g_thread_new("incoming", incoming_thread, NULL);
    return true;
}

bool incoming_prepare(const char *uri, bool autostart, GError **errp)
{
    if (!migration_possible(errp)) {
        return false;
    }
    coming.autostart = autostart;
    runstate_set(RUN_STATE_INMIGRATE);
    return strcmp(uri, "defer") == 0 || incoming_start(uri, NULL, errp);
}
