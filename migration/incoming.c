/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/incoming.h"

#include <string.h>

#include "block/activate.h"
#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "hw/net/announce.h"
#include "migration/migration.h"
#include "migration/postcopy-dest.h"
#include "migration/reader.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

static struct {
    bool autostart;
    char *uri; /* NULL: nothing was started */
    Channel channel;
    GThread *thread;
    Stream *stream; /* the thread's, but for stream_cancel(); NULL: it waits for the other end */
    bool ends;      /* the program does */

    /* the thread's, until it has ended */
    Stream *asking; /* the one that it has read, and whose other end waits for an answer; or NULL */
    ReadMachine machine;
    GError *err;
} coming;

void incoming_set_autostart(bool on)
{
    coming.autostart = on;
}

/* ---- the end: main thread ---- */

/* A machine that is not whole must not run, and nothing else can become of this program. */
static void give_up(void)
{
    migration_set_status(MIGRATION_STATUS_FAILED);
    error_report("-incoming %s: %s", coming.uri, coming.err->message);
    runstate_set_exit_status(1);
    main_loop_quit();
}

/* Without them it stands, and `cont` tries again. */
static bool take_images(void)
{
    g_autoptr(GError) err = NULL;

    if (!block_activate(&err)) {
        error_report("-incoming %s: the machine came, and cannot run: %s", coming.uri,
                     err->message);
    }
    return !err;
}

/* The memory that came later is there, too. */
static void postcopy_over(void)
{
    migration_set_status(MIGRATION_STATUS_COMPLETED);
}

static void incoming_ended(void *opaque)
{
    g_thread_join(coming.thread);
    coming.thread = NULL;
    channel_close(&coming.channel, coming.err ? NULL : &coming.err);
    bool there = !coming.err && read_machine_load(&coming.machine, &coming.err) &&
                 (!coming.asking || stream_put_answer(coming.asking, &coming.err));
    g_clear_pointer(&coming.asking, stream_free);
    const bool postcopy = coming.machine.postcopy;
    if (!there) {
        if (postcopy) {
            postcopy_dest_refuse(coming.err->message);
        }
        give_up();
        return;
    }
    const RunRecord run = coming.machine.run;
    read_machine_clear(&coming.machine);
    runstate_set(RUN_STATE_PAUSED);
    bool starts = coming.autostart && run.running;
    if (starts || !migration_late_block_activate) {
        starts &= take_images();
    }
    if (postcopy) {
        postcopy_dest_runs(postcopy_over);
    } else {
        migration_set_status(MIGRATION_STATUS_COMPLETED);
    }
    if (starts) {
        runstate_start();
    }
    announce_arrival();
    if (run.shutdown != SHUTDOWN_CAUSE_NONE) {
        runstate_request_shutdown(run.shutdown);
    }
}

void incoming_finish(void)
{
    postcopy_dest_finish();
    if (!coming.thread) {
        return;
    }
    coming.ends = true;
    channel_stop(&coming.channel);
    if (coming.stream) {
        stream_cancel(coming.stream);
    }
    machine_unlock();
    g_thread_join(coming.thread);
    machine_lock();
    coming.thread = NULL;
    g_clear_pointer(&coming.asking, stream_free);
    channel_close(&coming.channel, NULL);
    read_machine_clear(&coming.machine);
    g_clear_error(&coming.err);
}

/* ---- the thread ---- */

static void read_all(void)
{
    bool answers = stream_fd_answers(coming.channel.fd);
    Stream *stream = stream_new(channel_take_fd(&coming.channel));

    machine_lock();
    coming.stream = stream;
    if (coming.ends) {
        stream_cancel(stream);
    } else {
        migration_set_status(MIGRATION_STATUS_ACTIVE);
    }
    machine_unlock();
    coming.machine.may_postcopy = answers;
    bool read = read_machine(&coming.machine, stream, &coming.err);
    const bool postcopy = read && coming.machine.postcopy;
    machine_lock();
    coming.stream = NULL;
    machine_unlock();
    if (postcopy && postcopy_dest_begin(stream, &coming.err)) {
        read_machine_give(&coming.machine, &coming.err);
    } else if (!postcopy && read && coming.machine.asks && answers) {
        coming.asking = stream;
    } else {
        stream_free(stream);
    }
}

static gpointer incoming_thread(gpointer opaque)
{
    if (coming.channel.fd >= 0 || channel_accept(&coming.channel, &coming.err)) {
        read_all();
    }
    if (coming.err) {
        channel_stop(&coming.channel);
    }
    channel_wait(&coming.channel);
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
    postcopy_dest_set_place(uri);
    migration_set_status(MIGRATION_STATUS_SETUP);
    coming.thread = g_thread_try_new("incoming", incoming_thread, NULL, errp);
    if (!coming.thread) {
        channel_close(&coming.channel, NULL);
        g_clear_pointer(&coming.uri, g_free);
        migration_set_status(MIGRATION_STATUS_NONE);
        return false;
    }
    return true;
}

bool incoming_begun(void)
{
    return runstate_get() == RUN_STATE_INMIGRATE && coming.uri;
}

bool incoming_prepare(const char *uri, bool autostart, GError **errp)
{
    coming.autostart = autostart;
    runstate_set(RUN_STATE_INMIGRATE);
    return strcmp(uri, "defer") == 0 || incoming_start(uri, NULL, errp);
}
