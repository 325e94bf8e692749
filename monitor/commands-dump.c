/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump-guest-memory and what belongs to it (qapi/dump.json). While a dump is written the machine
 * stands; with `detach` a thread writes it.
 */
#include "monitor/commands-dump.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hw/core/runstate.h"
#include "hw/i386/guest-dump.h"
#include "migration/migration.h"
#include "monitor/monitor-internal.h"
#include "monitor/output-file.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/task.h"

G_STATIC_ASSERT(DUMP_GUEST_MEMORY_FORMAT_WIN_DMP == 4); /* those before it are there */

/* The dump that is being written. */
static struct {
    GuestDump *dump; /* NULL: none */
    OutputFile file;
    GThread *thread; /* NULL: the main thread writes */
    bool resume;     /* the machine ran before */
    GError *err;     /* the writer's */
} active;

static DumpQueryResult last; /* the last one that ended; status none: no one did */

bool dump_active(void)
{
    return active.dump != NULL;
}

/* ---- the end ---- */

static void resume_machine(void)
{
    runstate_hold_resets(false);
    if (active.resume && runstate_get() == RUN_STATE_SAVE_VM) {
        runstate_start();
    }
}

/* Main thread; the writer is through. */
static void dump_ended(void)
{
    const char *message = active.err ? active.err->message : NULL;

    last = (DumpQueryResult){ .status = message ? DUMP_STATUS_FAILED : DUMP_STATUS_COMPLETED,
                              .completed = (int64_t)guest_dump_completed(active.dump),
                              .total = (int64_t)guest_dump_total(active.dump) };
    output_file_close(&active.file, !message);
    guest_dump_free(active.dump);
    active.dump = NULL;
    qapi_event_send_dump_completed(&last, message);
    resume_machine();
}

static void thread_ended(void *opaque)
{
    g_thread_join(g_steal_pointer(&active.thread));
    dump_ended();
    g_clear_error(&active.err);
}

static gpointer dump_thread(gpointer opaque)
{
    guest_dump_write(active.dump, active.file.fd, &active.err);
    main_loop_schedule(thread_ended, NULL);
    return NULL;
}

/* ---- the beginning ---- */

static bool open_protocol(const char *protocol, GError **errp)
{
    const char *name = strchr(protocol, ':');

    if (g_str_has_prefix(protocol, "file:")) {
        return output_file_open(&active.file, name + 1, false, errp);
    }
    if (g_str_has_prefix(protocol, "fd:")) {
        active.file = (OutputFile){ .fd = qmp_session_take_named_fd(name + 1, errp) };
        return active.file.fd >= 0;
    }
    error_set(errp,
              "'protocol' must be file:PATH, or fd:NAME with the name of a descriptor that getfd "
              "passed, not '%s'",
              protocol);
    return false;
}

static bool check_format(DumpGuestMemoryFormat format, bool paging, bool filter, GError **errp)
{
    if (format == DUMP_GUEST_MEMORY_FORMAT_WIN_DMP) {
        error_set(errp,
                  "format win-dmp is made of what a driver in a Windows guest tells, which this "
                  "program does not take; use elf");
        return false;
    }
    if (format != DUMP_GUEST_MEMORY_FORMAT_ELF && (paging || filter)) {
        error_set(errp,
                  "format %s has all of the memory, by guest-physical addresses: 'begin', 'length' "
                  "and paging: true are for format elf",
                  DumpGuestMemoryFormat_str(format));
        return false;
    }
    return true;
}

static bool parse_filter(bool has_begin, int64_t begin, bool has_length, int64_t length,
                         GuestDumpOptions *options, GError **errp)
{
    bool paging = options->paging;

    if (!has_begin && !has_length) {
        return true;
    }
    if (paging) {
        error_set(errp, "'begin' and 'length' are guest-physical: they need paging: false");
        return false;
    }
    if (!has_begin || !has_length) {
        error_set(errp, "'begin' and 'length' go together: '%s' is missing",
                  has_begin ? "length" : "begin");
        return false;
    }
    if (begin < 0 || length <= 0) {
        error_set(errp,
                  "'begin' must be an address from 0 on and 'length' a number of bytes from 1 on, "
                  "not %" PRId64 " and %" PRId64,
                  begin, length);
        return false;
    }
    options->filter = true;
    options->begin = (uint64_t)begin;
    options->length = (uint64_t)length;
    return true;
}

static bool write_detached(GError **errp)
{
    active.thread = g_thread_try_new("dump", dump_thread, NULL, errp);
    if (active.thread) {
        return true;
    }
    output_file_close(&active.file, false);
    guest_dump_free(active.dump);
    active.dump = NULL;
    resume_machine();
    return false;
}

static void write_dump(void *opaque)
{
    bool *ok = opaque;

    *ok = guest_dump_write(active.dump, active.file.fd, &active.err);
}

static bool write_now(GError **errp)
{
    bool ok;

    task_wait(write_dump, &ok);
    dump_ended();
    if (!ok) {
        g_propagate_error(errp, g_steal_pointer(&active.err));
    }
    return ok;
}

bool qmp_dump_guest_memory(bool paging, const char *protocol, bool has_detach, bool detach,
                           bool has_begin, int64_t begin, bool has_length, int64_t length,
                           bool has_format, DumpGuestMemoryFormat format, GError **errp)
{
    GuestDumpOptions options = { .format = has_format ? format : DUMP_GUEST_MEMORY_FORMAT_ELF,
                                 .paging = paging };

    if (dump_active()) {
        error_set(errp, "a dump is being written already; wait for DUMP_COMPLETED (query-dump "
                        "tells how far it is)");
        return false;
    }
    if (migration_active()) {
        error_set(errp, "the machine is being migrated; wait for its end, or use migrate_cancel");
        return false;
    }
    if (!check_format(options.format, paging, has_begin || has_length, errp) ||
        !parse_filter(has_begin, begin, has_length, length, &options, errp) ||
        !guest_dump_check(&options, errp) || /* the file is not touched for nothing */
        !open_protocol(protocol, errp)) {
        return false;
    }
    active.resume = runstate_is_running();
    runstate_hold_resets(true);
    runstate_stop(RUN_STATE_SAVE_VM);
    active.dump = guest_dump_new(machine_current(), &options, errp);
    if (!active.dump) {
        output_file_close(&active.file, false);
        resume_machine();
        return false;
    }
    return has_detach && detach ? write_detached(errp) : write_now(errp);
}

/* ---- queries ---- */

DumpQueryResult *qmp_query_dump(GError **errp)
{
    DumpQueryResult *result = g_new0(DumpQueryResult, 1);

    *result = last;
    if (dump_active()) {
        result->status = DUMP_STATUS_ACTIVE;
        result->completed = (int64_t)guest_dump_completed(active.dump);
        result->total = (int64_t)guest_dump_total(active.dump);
    }
    return result;
}

DumpGuestMemoryCapability *qmp_query_dump_guest_memory_capability(GError **errp)
{
    DumpGuestMemoryCapability *capability = g_new0(DumpGuestMemoryCapability, 1);

    capability->formats = qapi_list_new(&DumpGuestMemoryFormat_type);
    for (DumpGuestMemoryFormat i = 0; i < DUMP_GUEST_MEMORY_FORMAT_WIN_DMP; i++) {
        g_array_append_val(capability->formats, i);
    }
    return capability;
}
