/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/incoming.h"

#include <string.h>

#include "block/activate.h"
#include "hw/core/failover.h"
#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "hw/net/announce.h"
#include "migration/arrivals.h"
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
    TlsSetup *tls;     /* NULL: none */
    unsigned channels; /* of multifd; 0: none */
    GThread *thread;
    MultifdReceive *multifd; /* as stream */
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

/* TLS goes on for an answer, and ends by itself. */
static void close_channel(void)
{
    g_clear_pointer(&coming.channel.tls, tls_relay_unref);
    channel_close(&coming.channel, coming.err ? NULL : &coming.err);
    g_clear_pointer(&coming.tls, tls_setup_unref);
}

/* The memory that came later is there, too. */
static void postcopy_over(void)
{
    failover_return();
    migration_set_status(MIGRATION_STATUS_COMPLETED);
}

static void incoming_ended(void *opaque)
{
    g_thread_join(coming.thread);
    coming.thread = NULL;
    close_channel();
    bool there = !coming.err && read_machine_load(&coming.machine, &coming.err) &&
                 (!coming.asking || stream_put_answer(coming.asking, &coming.err));
    g_clear_pointer(&coming.asking, stream_free);
    const bool postcopy = coming.machine.postcopy;
    if (!there) {
        if (postcopy) {
            postcopy_dest_refuse(NULL, coming.err->message);
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
        failover_hold(); /* a card of the host's would have the main thread wait for all memory */
        postcopy_dest_runs(postcopy_over);
    } else {
        postcopy_dest_forget();
        migration_set_status(MIGRATION_STATUS_COMPLETED);
    }
    if (starts) {
        runstate_start();
    }
    const AnnounceParameters announce = migration_announce_parameters();
    announce_arrival(&announce);
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
    if (coming.multifd) {
        multifd_receive_cancel(coming.multifd);
    }
    machine_unlock();
    g_thread_join(coming.thread);
    machine_lock();
    coming.thread = NULL;
    g_clear_pointer(&coming.asking, stream_free);
    channel_close(&coming.channel, NULL);
    g_clear_pointer(&coming.tls, tls_setup_unref);
    read_machine_clear(&coming.machine);
    g_clear_error(&coming.err);
}

/* ---- the thread ---- */

/* All of the machine, from the stream and, with multifd, its other connections. */
static bool read_stream(Stream *stream, bool answers, Arrivals *arrivals, GError **errp)
{
    MultifdReceive *multifd = NULL;

    if (coming.channels) {
        multifd = multifd_receive_new(arrivals, coming.channels, stream, errp);
        if (!multifd) {
            return false;
        }
    }
    machine_lock();
    coming.stream = stream;
    coming.multifd = coming.machine.multifd = multifd;
    if (coming.ends) {
        stream_cancel(stream);
    } else {
        migration_set_status(MIGRATION_STATUS_ACTIVE);
    }
    machine_unlock();
    coming.machine.may_postcopy = answers;
    bool read = read_machine(&coming.machine, stream, errp);
    if (multifd) {
        read = multifd_receive_finish(multifd, read, errp);
    }
    machine_lock();
    coming.stream = NULL;
    coming.multifd = coming.machine.multifd = NULL;
    machine_unlock();
    multifd_receive_free(multifd);
    return read;
}

static void read_all(Arrivals *arrivals)
{
    bool answers = stream_fd_answers(coming.channel.fd);
    Stream *stream = stream_new(channel_take_fd(&coming.channel));
    bool read = read_stream(stream, answers, arrivals, &coming.err);

    if (!read) {
        channel_explain(&coming.channel, &coming.err);
    }
    const bool postcopy = read && coming.machine.postcopy;
    if (postcopy && postcopy_dest_begin(stream, &coming.err)) {
        read_machine_give(&coming.machine, &coming.err);
    } else if (!postcopy && read && coming.machine.asks && answers) {
        coming.asking = stream;
    } else {
        if (coming.err) {
            postcopy_dest_refuse(stream, coming.err->message);
        }
        stream_free(stream);
    }
}

/* Wait for all connections there are to be. */
static bool connect_in(Arrivals *arrivals, GError **errp)
{
    if (coming.channel.fd >= 0) {
        return !coming.tls || channel_secure(&coming.channel, coming.tls, errp);
    }
    if (!coming.tls && !coming.channels) {
        return channel_accept(&coming.channel, errp);
    }
    if (!arrivals_wait(arrivals, &coming.channel, coming.tls, coming.channels, errp)) {
        return false;
    }
    machine_lock();
    arrivals_take(arrivals, 0, &coming.channel);
    machine_unlock();
    return true;
}

static gpointer incoming_thread(gpointer opaque)
{
    g_autofree Arrivals *arrivals = arrivals_new();

    if (connect_in(arrivals, &coming.err)) {
        read_all(arrivals);
    }
    arrivals_clear(arrivals);
    if (coming.err) {
        channel_stop(&coming.channel);
    }
    if (!coming.channel.tls) {
        channel_wait(&coming.channel);
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

static bool set_up_tls(const char *uri, GError **errp)
{
    const MigrationParams *p = &migration_params;
    const TlsSetupOptions options = { p->tls_creds, true, p->tls_authz, NULL };

    if (p->tls_authz && !p->tls_creds) {
        error_set(errp, "tls-authz=%s needs tls-creds: without TLS nobody has a name",
                  p->tls_authz);
        return false;
    }
    if (p->tls_creds && !channel_is_socket(uri) && !g_str_has_prefix(uri, "fd:")) {
        error_set(errp,
                  "tls-creds=%s: there is no TLS over '%s': use tcp:, unix: or a socket as fd:",
                  p->tls_creds, uri);
        return false;
    }
    coming.tls = p->tls_creds ? tls_setup_new(&options, errp) : NULL;
    return coming.tls || !p->tls_creds;
}

/* A descriptor has to be a socket for TLS. */
static bool check_fd(const char *uri, GError **errp)
{
    if (!coming.tls || coming.channel.fd < 0 || stream_fd_answers(coming.channel.fd)) {
        return true;
    }
    error_set(errp, "tls-creds=%s: '%s' is no socket", migration_params.tls_creds, uri);
    channel_close(&coming.channel, NULL);
    return false;
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
    if (!channel_check_multifd(uri, errp) || !set_up_tls(uri, errp)) {
        return false;
    }
    if (!channel_open_in(&coming.channel, uri, take_fd ? take_fd : no_named_fds, errp) ||
        !check_fd(uri, errp)) {
        g_clear_pointer(&coming.tls, tls_setup_unref);
        return false;
    }
    coming.channels = migration_multifd ? migration_params.multifd_channels : 0;
    coming.uri = g_strdup(uri);
    postcopy_dest_set_place(uri, coming.tls);
    migration_set_status(MIGRATION_STATUS_SETUP);
    coming.thread = g_thread_try_new("incoming", incoming_thread, NULL, errp);
    if (!coming.thread) {
        channel_close(&coming.channel, NULL);
        g_clear_pointer(&coming.tls, tls_setup_unref);
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
