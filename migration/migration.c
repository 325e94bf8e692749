/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/migration.h"

#include <stdatomic.h>
#include <string.h>

#include "block/activate.h"
#include "hw/core/failover.h"
#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "hw/core/save-check.h"
#include "hw/memtarget/memory-target.h"
#include "hw/virtio/vhost-ask.h"
#include "migration/background.h"
#include "migration/bitmaps.h"
#include "migration/config.h"
#include "migration/dbus-vmstate.h"
#include "migration/going.h"
#include "migration/limits.h"
#include "migration/postcopy-check.h"
#include "migration/postcopy-dest.h"
#include "migration/setup.h"
#include "migration/wait-unplug.h"
#include "qapi/qapi-events.h"
#include "ui/spice.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/task.h"
#include "util/trace.h"

MigrationStatus going_status = MIGRATION_STATUS_NONE;

Going going;

void migration_set_status(MigrationStatus to)
{
    if (going_status != to) {
        going_status = to;
        trace(TRACE_MIGRATE_STATE, "%s", MigrationStatus_str(to));
        if (migration_events) {
            qapi_event_send_migration(to);
        }
    }
}

bool migration_active(void)
{
    return going.thread != NULL || postcopy_dest_active();
}

static void set_limit(uint64_t bytes)
{
    stream_set_limit(going.stream, bytes);
    if (going.multifd) {
        multifd_send_set_limit(going.multifd, bytes);
    }
}

void migration_params_changed(void)
{
    if (going.stream && (!going.frozen || going.postcopy)) {
        set_limit(going.wants_postcopy ? migration_params.max_postcopy_bandwidth
                                       : migration_params.max_bandwidth);
    }
}

/* ---- the end ---- */

/* The other end may have taken the images, and failed to say so. */
static void let_run_again(void)
{
    g_autoptr(GError) err = NULL;

    if (!block_activate(&err)) {
        error_report("the migration failed, and the machine cannot go on here: %s", err->message);
        runstate_set(RUN_STATE_POSTMIGRATE);
    } else if (going.resume) {
        runstate_start();
    } else if (runstate_get() == RUN_STATE_FINISH_MIGRATE) {
        runstate_set(going.before);
    }
}

bool migration_take_images(GError **errp)
{
    return runstate_get() != RUN_STATE_POSTMIGRATE || block_activate(errp);
}

bool migration_check_memory(GError **errp)
{
    const bool given_back = going.gone && going.releases;

    if (given_back) {
        error_set(errp, "the machine is at the other end, and its memory was given back here "
                        "(capability release-ram): it cannot go on here");
    }
    return !given_back;
}

/* The thread was joined. */
static void put_away(void)
{
    going.thread = NULL;
    /* What it says that the other end has said is no matter when that has answered. */
    channel_close(&going.channel, going.err || (going.written && going.answer) ? NULL : &going.err);
    g_clear_pointer(&going.tls, tls_setup_unref);
    g_clear_pointer(&going.states, saved_states_free);
    g_clear_pointer(&going.config, json_object_put);
    g_clear_pointer(&going.limits, json_object_put);
    g_clear_pointer(&going.bitmaps, g_ptr_array_unref);
    g_clear_pointer(&going.helpers, g_ptr_array_unref);
    if (going.source) {
        going.requests = postcopy_source_requests(going.source);
        going.runs_since = postcopy_source_runs_since(going.source);
        g_clear_pointer(&going.source, postcopy_source_free);
    }
    if (going.ram.xbzrle) {
        going.xbzrle = xbzrle_stats(going.ram.xbzrle);
    }
    ram_source_clear(&going.ram);
    precopy_end(&going.precopy);
}

/* Main thread. */
static void migration_ended(void *opaque)
{
    g_thread_join(going.thread);
    put_away();
    going.ended = clock_host_ns();
    failover_return();
    if (going.frozen) {
        runstate_release(!going.err);
    }
    if (!going.err && going.background) {
        migration_set_status(MIGRATION_STATUS_COMPLETED);
        spice_migrate_end(false);
        return;
    }
    if (!going.err) {
        runstate_set(RUN_STATE_POSTMIGRATE);
        migration_set_status(MIGRATION_STATUS_COMPLETED);
        spice_migrate_end(true);
        return;
    }
    let_run_again();
    spice_migrate_end(false);
    migration_set_status(going.cancelled ? MIGRATION_STATUS_CANCELLED : MIGRATION_STATUS_FAILED);
}

/* ---- the thread ---- */

/* Agree on what there is, and begin to note what the guest changes: who sees the migration active,
 * knows that it is so. */
static bool begin(GError **errp)
{
    machine_lock();
    going.running = clock_host_ns();
    going.config = migration_config();
    if (migration_validate_uuid) {
        migration_config_add_uuid(going.config);
    }
    going.precopy.expected_downtime_ms = -1;
    bool ok = ram_source_init(&going.ram, migration_ignore_shared, errp);
    going.ram.multifd = going.multifd;
    if (ok && migration_xbzrle) {
        going.ram.xbzrle = xbzrle_new(migration_params.xbzrle_cache_size, errp);
        ok = going.ram.xbzrle;
    }
    if (ok && migration_postcopy_ram) {
        going.source = postcopy_source_new(&going.ram, going.releases);
        going.ram.stop = going.wants_postcopy;
    }
    if (ok && !going.cancelled) {
        migration_set_status(MIGRATION_STATUS_ACTIVE);
    }
    machine_unlock();
    if (ok) {
        vhost_ask_in_thread(); /* what is written from now on, they mark */
    }
    return ok;
}

/* What the other end was told that there is, is still what there is: the guest may have ejected a
 * DIMM. Backends that nothing uses may come and go. */
static bool check_unchanged(GError **errp)
{
    struct json_object *now = migration_config(), *before = NULL, *after = NULL;

    json_object_object_get_ex(going.config, "devices", &before);
    json_object_object_get_ex(now, "devices", &after);
    bool same = json_object_equal(before, after);
    json_object_put(now);
    if (!same) {
        error_set(errp, "the guest has ejected a device while the machine was migrated: start the "
                        "other end without it, and migrate again");
    }
    return same;
}

/* Take everything that only the machine can be asked for, which stands. The rest goes as fast as it
 * can. In a task, which may wait for back-ends, or the main thread. */
static void take_all(void)
{
    if (!going.cancelled && check_unchanged(&going.err) && save_check(&going.err) &&
        saved_bitmaps_check(&going.err) && block_inactivate(&going.err)) {
        going.run = (RunRecord){ .clock_ns = clock_ns(),
                                 .running = going.resume,
                                 .asleep = runstate_is_asleep(),
                                 .shutdown = going.run.shutdown };
        going.states = saved_states_take();
        going.limits = saved_limits_take();
        going.bitmaps = saved_bitmaps_take();
        going.helpers = saved_helpers_take();
        dirty_tracker_sync(going.ram.tracker);
        going.precopy_bytes = stream_bytes(going.stream);
        going.ram.stop = false;
        going.postcopy = going.wants_postcopy;
        if (going.postcopy) {
            migration_set_status(MIGRATION_STATUS_POSTCOPY_ACTIVE);
        }
        set_limit(going.postcopy ? migration_params.max_postcopy_bandwidth : 0);
    }
}

static void frozen(void *opaque)
{
    if (!going.waits) {
        going.frozen = true;
        g_cond_signal(&going.frozen_cond);
    }
}

/* A task: stop the machine. */
static void freeze(void *opaque)
{
    if (!going.cancelled) {
        runstate_finish_reset();
        going.before = runstate_get();
        going.resume = runstate_is_running();
        going.stopped = clock_host_ns();
        runstate_stop(RUN_STATE_FINISH_MIGRATE);
        runstate_finish_reset(); /* what vCPUs asked for on their way */
        runstate_set(RUN_STATE_FINISH_MIGRATE);
        going.run.shutdown = runstate_hold();
        going.waits = migration_pause_before_switchover && !going.cancelled;
    }
    if (going.waits) {
        migration_set_status(MIGRATION_STATUS_PRE_SWITCHOVER);
    } else {
        take_all();
    }
}

static void begin_freezing(void *opaque)
{
    task_run(freeze, frozen, NULL);
}

static bool wait_frozen(void)
{
    main_loop_schedule(begin_freezing, NULL);
    machine_lock();
    while (!going.frozen && !going.ends) {
        machine_cond_wait(&going.frozen_cond);
    }
    bool ok = going.frozen && !going.cancelled && !going.err;
    machine_unlock();
    return ok;
}

/* All but RAM. */
static bool write_rest(Stream *stream, GError **errp)
{
    return saved_states_write(going.states, stream, errp) &&
           saved_limits_write(going.limits, stream, errp) &&
           saved_bitmaps_write(going.bitmaps, stream, errp) &&
           saved_helpers_write(going.helpers, stream, errp) &&
           run_record_write(&going.run, stream, errp);
}

/* The first connection. Connecting may take long. */
static bool connect_first(bool *answers, GError **errp)
{
    Channel channel;

    if (going.channel.fd < 0 && !channel_open_out(&channel, going.uri, NULL, errp)) {
        return false;
    }
    *answers = stream_fd_answers(going.channel.fd < 0 ? channel.fd : going.channel.fd);
    machine_lock();
    if (going.channel.fd < 0) {
        going.channel = channel;
    }
    bool cancelled = going.cancelled;
    machine_unlock();
    if (cancelled) {
        error_set(errp, "it was cancelled");
    }
    return !cancelled && (!going.tls || channel_secure(&going.channel, going.tls, errp));
}

static bool connect_out(GError **errp)
{
    bool answers;

    if (!connect_first(&answers, errp)) {
        return false;
    }
    int fd = going.channel.fd;
    machine_lock();
    going.stream = stream_new(channel_take_fd(&going.channel));
    if (going.multifd_config.channels) {
        going.multifd = multifd_send_new(&going.multifd_config, going.stream);
    }
    going.paused = false;
    migration_params_changed();
    if (going.cancelled || going.ends) {
        stream_cancel(going.stream);
    }
    machine_unlock();
    if (going.multifd && !multifd_send_connect(going.multifd, fd, errp)) {
        return false;
    }
    machine_lock();
    going.connecting = false;
    machine_unlock();
    if (going.answer && !answers) {
        error_set(errp,
                  "capability return-path: nobody can answer over '%s': migrate over a socket, or "
                  "switch it off",
                  going.uri);
        return false;
    }
    if (migration_postcopy_ram && !answers) {
        error_set(errp,
                  "capability postcopy-ram: nobody can ask for memory over '%s': migrate over a "
                  "socket, or switch it off",
                  going.uri);
        return false;
    }
    return true;
}

/* The connection is lost, because of @err. False: the program ends. */
static bool wait_resume(GError *err)
{
    machine_lock();
    if (going.stream) {
        going.earlier += stream_bytes(going.stream);
        g_clear_pointer(&going.stream, stream_free);
    }
    g_free(going.paused_why);
    going.paused_why = g_strdup(err->message);
    going.paused = true;
    going.resumes = going.connecting = false;
    migration_set_status(MIGRATION_STATUS_POSTCOPY_PAUSED);
    while (!going.resumes && !going.ends) {
        machine_cond_wait(&going.frozen_cond);
    }
    bool ends = going.ends;
    machine_unlock();
    return !ends;
}

static void tell(MigrationStatus to)
{
    machine_lock();
    migration_set_status(to);
    machine_unlock();
}

/* Both ends agree on what is missing. */
static bool resume(GError **errp)
{
    if (!connect_out(errp)) {
        return false;
    }
    tell(MIGRATION_STATUS_POSTCOPY_RECOVER);
    if (!postcopy_source_resume(going.source, going.stream, errp)) {
        return false;
    }
    tell(MIGRATION_STATUS_POSTCOPY_ACTIVE);
    return true;
}

/* Until all memory is at the other end, over so many connections as it takes. From its first record
 * on that is no page nobody knows whether the machine runs there. */
static bool write_postcopy(GError **errp)
{
    PostcopyResult result;
    GError *err = NULL;

    machine_lock();
    const bool goes = going.gone = !going.cancelled;
    machine_unlock();
    if (!goes) {
        return false;
    }
    result = postcopy_source_run(going.source, going.stream, true, &err);
    while (result == POSTCOPY_LOST) {
        const bool goes_on = wait_resume(err);
        g_clear_error(&err);
        if (!goes_on) {
            error_set(errp, "the program ends");
            return false;
        }
        result = resume(&err) ? postcopy_source_run(going.source, going.stream, false, &err)
                              : POSTCOPY_LOST;
    }
    if (result == POSTCOPY_REFUSED) {
        g_propagate_error(errp, err);
        machine_lock();
        going.gone = going.postcopy = false;
        machine_unlock();
    }
    return result == POSTCOPY_DONE;
}

/* Wait for the connections of multifd; false with an error instead of *@errp, if they know better.
 * When the other end has @answered, nothing is wrong any more: the machine is there. */
static bool end_multifd(bool written, bool answered, GError **errp)
{
    GError *why = NULL;

    if (!written) {
        multifd_send_cancel(going.multifd);
    }
    going.multifd_bytes = multifd_send_bytes(going.multifd);
    bool ok = multifd_send_join(going.multifd, &why);
    if (ok || answered) {
        g_clear_error(&why);
        ok = true;
    } else {
        g_clear_error(errp);
        g_propagate_error(errp, why);
    }
    machine_lock();
    g_clear_pointer(&going.multifd, multifd_send_free);
    going.multifd_config.channels = 0; /* a connection that takes the place of this one is alone */
    going.ram.multifd = NULL;
    machine_unlock();
    return ok;
}

/* The machine stands, and what is left of its memory follows it, over the first connection. */
static bool write_for_postcopy(Stream *stream, GError **errp)
{
    if (going.multifd &&
        (!multifd_send_end(going.multifd, errp) || !end_multifd(true, false, errp))) {
        return false;
    }
    return postcopy_source_begin(going.source, stream, errp) && write_rest(stream, errp) &&
           write_postcopy(errp);
}

static bool write_machine(Stream *stream, GError **errp)
{
    if (!begin(errp) || !stream_put_header(stream, errp)) {
        return false;
    }
    if (going.background) {
        return background_write(&going.ram, stream, errp);
    }
    if (!migration_config_write(going.config, stream, errp) ||
        (going.source && !postcopy_source_advise(going.source, stream, errp)) ||
        !precopy_run(&going.precopy, &going.ram, stream, errp) || !wait_frozen()) {
        return false;
    }
    if (going.postcopy) {
        return write_for_postcopy(stream, errp);
    }
    return ram_source_write(&going.ram, stream, errp) &&
           (!going.multifd || multifd_send_end(going.multifd, errp)) && write_rest(stream, errp) &&
           stream_put_end(stream, going.answer, errp) &&
           (!going.answer || stream_get_answer(stream, errp));
}

static gpointer migration_thread(gpointer opaque)
{
    GError *err = NULL;

    bool written = connect_out(&err) &&
                   wait_unplug(&going.frozen_cond, &going.cancelled, &going.ends, &err) &&
                   write_machine(going.stream, &err);
    if (going.multifd) {
        written = end_multifd(written, written && going.answer, &err) && written;
    }
    machine_lock();
    if (!written && !going.cancelled) {
        channel_explain(&going.channel, &err);
    }
    going.written = written;
    going.connecting = false;
    if (err && !going.err) {
        going.err = g_steal_pointer(&err);
    }
    if (!going.written && !going.err) {
        error_set(&going.err, "it was cancelled");
    }
    if (going.stream) {
        going.bytes = going.earlier + stream_bytes(going.stream);
        g_clear_pointer(&going.stream, stream_free);
    }
    if (going.err) {
        channel_stop(&going.channel);
    }
    machine_unlock();
    g_clear_error(&err);
    channel_wait(&going.channel);
    main_loop_schedule(migration_ended, NULL);
    return NULL;
}

/* ---- for users ---- */

static bool check_start(GError **errp)
{
    if (going.thread) {
        error_set(errp, "a migration to '%s' is under way: wait for it, or use migrate_cancel",
                  going.uri);
        return false;
    }
    if (!migration_check_memory(errp)) {
        return false;
    }
    if (postcopy_dest_active()) {
        error_set(errp, "this machine has just come, and its memory is still on its way");
        return false;
    }
    if (runstate_get() == RUN_STATE_INMIGRATE) {
        error_set(errp, "this machine is itself waiting for a migration (-incoming)");
        return false;
    }
    if (runstate_get() == RUN_STATE_POSTMIGRATE) {
        error_set(errp, "this machine was migrated already: `cont` first, if it is to go on here");
        return false;
    }
    return memory_target_check_idle(errp) && saved_states_check(errp) &&
           saved_bitmaps_check(errp) &&
           (!(migration_postcopy_ram || migration_background) || postcopy_check_devices(errp));
}

bool migration_start(const char *uri, ChannelTakeFd *take_fd, GError **errp)
{
    Channel channel = { .fd = -1, .listener = -1 };
    MultifdConfig multifd;
    g_autoptr(GError) err = NULL;

    if (!check_start(errp) || !save_check(errp)) {
        return false;
    }
    TlsSetup *tls = migration_set_up_tls(uri, &err);
    if (err || !migration_set_up_multifd(&multifd, tls, uri, &err) ||
        (!channel_is_socket(uri) && !channel_open_out(&channel, uri, take_fd, &err))) {
        tls_setup_unref(tls);
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    if (tls && channel.fd >= 0 && !stream_fd_answers(channel.fd)) {
        error_set(errp, "tls-creds=%s: '%s' is no socket", migration_params.tls_creds, uri);
        tls_setup_unref(tls);
        channel_close(&channel, NULL);
        return false;
    }
    g_free(going.uri);
    g_free(going.paused_why);
    g_clear_error(&going.err);
    memset(&going, 0, sizeof(going));
    going.uri = g_strdup(uri);
    going.channel = channel;
    going.tls = tls;
    going.multifd_config = multifd;
    going.multifd_config.uri = going.uri;
    going.connecting = channel_is_socket(uri);
    going.answer = migration_return_path;
    going.background = migration_background;
    going.releases = migration_release;
    going.started = clock_host_ns();
    g_cond_init(&going.frozen_cond);
    migration_set_status(MIGRATION_STATUS_SETUP);
    spice_migrate_begin();
    going.thread = g_thread_try_new("migration", migration_thread, NULL, &going.err);
    if (!going.thread) {
        channel_close(&going.channel, NULL);
        g_clear_pointer(&going.tls, tls_setup_unref);
        spice_migrate_end(false);
        migration_set_status(MIGRATION_STATUS_FAILED);
        g_propagate_error(errp, g_error_copy(going.err));
        return false;
    }
    return true;
}

bool migration_resume(const char *uri, ChannelTakeFd *take_fd, GError **errp)
{
    Channel channel = { .fd = -1, .listener = -1 };

    if (!going.thread || !going.paused || going.resumes) {
        error_set(errp,
                  "there is no migration in postcopy-paused here, where the machine came from");
        return false;
    }
    if (!channel_may_resume(uri, errp)) {
        return false;
    }
    if (!channel_is_socket(uri) && !channel_open_out(&channel, uri, take_fd, errp)) {
        return false;
    }
    channel_stop(&going.channel);
    channel_close(&going.channel, NULL);
    g_free(going.uri);
    going.uri = g_strdup(uri);
    going.channel = channel;
    going.connecting = channel_is_socket(uri);
    going.resumes = true;
    g_cond_signal(&going.frozen_cond);
    return true;
}

bool migration_start_postcopy(GError **errp)
{
    if (!going.thread) {
        bool too_late = going_status == MIGRATION_STATUS_COMPLETED; /* all of it is there */

        if (!too_late) {
            error_set(errp, "there is no migration: begin one first (migrate)");
        }
        return too_late;
    }
    if (!migration_postcopy_ram || (going.running && !going.source)) {
        error_set(errp,
                  "capability postcopy-ram is off: switch it on at both ends, before migrate");
        return false;
    }
    going.wants_postcopy = true;
    migration_params_changed(); /* what was begun is not to hold it up */
    if (!going.frozen) {
        atomic_store_explicit(&going.ram.stop, true, memory_order_relaxed);
    }
    return true;
}

bool migration_pause(GError **errp)
{
    if (going.thread && going.gone && going.stream) {
        stream_cancel(going.stream);
        return true;
    }
    return postcopy_dest_pause(errp);
}

bool migration_continue(MigrationStatus state, GError **errp)
{
    if (state != MIGRATION_STATUS_PRE_SWITCHOVER || !going.waits) {
        error_set(errp,
                  "no migration waits in state '%s'; one waits in '%s', with the capability "
                  "pause-before-switchover",
                  MigrationStatus_str(state), MigrationStatus_str(MIGRATION_STATUS_PRE_SWITCHOVER));
        return false;
    }
    going.waits = false;
    migration_set_status(MIGRATION_STATUS_DEVICE);
    take_all();
    frozen(NULL);
    return true;
}

static void cancel(void)
{
    if (going.thread && !going.cancelled && !going.written) {
        going.cancelled = true;
        migration_set_status(MIGRATION_STATUS_CANCELLING);
        channel_stop(&going.channel);
        g_cond_signal(&going.frozen_cond);
        if (going.stream) {
            stream_cancel(going.stream);
        }
        if (going.multifd) {
            multifd_send_cancel(going.multifd);
        }
        if (going.waits) {
            going.waits = false;
            take_all();
            frozen(NULL);
        }
    }
}

bool migration_cancel(GError **errp)
{
    if (going.thread && going.gone) {
        error_set(errp, "the machine is at the other end already, and only its memory here: it "
                        "cannot be cancelled any more");
        return false;
    }
    cancel();
    return true;
}

void migration_finish(void)
{
    if (!going.gone) {
        cancel();
    } else if (going.stream) {
        stream_cancel(going.stream);
    }
    /* A thread that connects never gets the machine lock again, and so it does no harm. */
    if (!going.thread || going.connecting) {
        return;
    }
    going.ends = true;
    background_end();
    g_cond_signal(&going.frozen_cond);
    vhost_ask_end();
    channel_stop(&going.channel);
    machine_unlock();
    g_thread_join(going.thread);
    machine_lock();
    put_away();
}
