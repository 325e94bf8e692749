/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection, and the machine's stops. */
#include "monitor/gdb/gdb.h"

#include <string.h>

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "monitor/gdb/session.h"
#include "util/error.h"
#include "util/main-loop.h"

#define CHARDEV_ID      "gdb"
#define CHARDEV_NEXT_ID "gdb[*]" /* while the one before is there still */
#define READ_SIZE       4096

static GdbSession *session; /* NULL: there is no server */
static bool stop_scheduled; /* machine lock */

/* ---- sending ---- */

void gdb_send(GdbSession *g, const GString *data)
{
    g_string_truncate(g->last, 0);
    gdb_packet_append(g->last, data);
    char_write(&g->fe, g->last->str, g->last->len);
}

static void send_stop(GdbSession *g)
{
    g_autoptr(GString) reply = g_string_new(NULL);

    g->resumed = false;
    gdb_append_stop(g, reply);
    gdb_send(g, reply);
}

/* ---- the machine stops ---- */

void gdb_stop_machine(GdbSession *g)
{
    if (runstate_is_running()) {
        runstate_stop(RUN_STATE_PAUSED);
        g->stopped_it = true;
    }
}

/* What reaches the main loop of a stop, whoever asked for it. */
static void after_stop(void *opaque)
{
    GdbSession *g = session;

    stop_scheduled = false;
    if (runstate_is_running() || !g) {
        return;
    }
    gdb_resume_ended();
    if (g->open && g->resumed) {
        send_stop(g);
    }
}

static void on_stop(RunState state)
{
    if (session && !stop_scheduled) {
        stop_scheduled = true;
        main_loop_schedule(after_stop, NULL);
    }
}

/* A CPU has come to a breakpoint, and stands. */
static void stop_for_debugger(void *opaque)
{
    if (session && session->open) {
        session->stopped_it = session->stopped_it || runstate_is_running();
        runstate_stop(RUN_STATE_DEBUG);
    } else if (runstate_is_running()) {
        runstate_resume_vcpus(); /* the client went away */
    }
}

/* In the CPU's thread. Of several that come at once the first is told of; what others accessed is
 * told of when they are to go on, and they come to instructions again. */
static void on_debug(X86Cpu *cpu, const AccelStop *stop)
{
    GdbSession *g = session;

    if (!g || !g->open) {
        return;
    }
    if (g->stop.reason == ACCEL_STOP_NONE) {
        g->stop = *stop;
        g->cpu = cpu->index;
    } else if (stop->reason == ACCEL_STOP_WATCHPOINT) {
        GdbMissed missed = { .cpu = cpu->index, .stop = *stop };

        g_array_append_val(g->missed, missed);
    }
    vcpu_stop_self();
    main_loop_schedule(stop_for_debugger, NULL);
}

/* ---- receiving ---- */

static void take_packet(GdbSession *g)
{
    g_autoptr(GString) reply = g_string_new(NULL);

    if (gdb_command(g, g->reader.data, reply)) {
        gdb_send(g, reply);
    }
    g->no_ack = g->no_ack || g->no_ack_next;
}

static void acknowledge(GdbSession *g, const char *sign)
{
    if (!g->no_ack) {
        char_write(&g->fe, sign, 1);
    }
}

static void interrupt(GdbSession *g)
{
    if (g->resumed) {
        gdb_stop_machine(g);
    }
}

static void take_byte(GdbSession *g, uint8_t byte)
{
    switch (gdb_reader_take(&g->reader, byte)) {
    case GDB_INPUT_PACKET:
        acknowledge(g, "+");
        take_packet(g);
        break;
    case GDB_INPUT_BAD:
        acknowledge(g, "-");
        break;
    case GDB_INPUT_NAK:
        if (!g->no_ack) {
            char_write(&g->fe, g->last->str, g->last->len);
        }
        break;
    case GDB_INPUT_BREAK:
        interrupt(g);
        break;
    case GDB_INPUT_NONE:
    case GDB_INPUT_ACK:
        break;
    }
}

static int can_receive(void *opaque)
{
    return READ_SIZE;
}

static void receive(void *opaque, const uint8_t *buf, int len)
{
    GdbSession *g = opaque;

    for (int i = 0; i < len && g->open; i++) {
        take_byte(g, buf[i]);
    }
}

/* ---- clients ---- */

static void forget_client(GdbSession *g)
{
    bool stopped_it = g->stopped_it;

    gdb_release(g);
    g->open = false;
    g->reader.state = GDB_READ_IDLE;
    g_string_truncate(g->last, 0);
    g->no_ack = g->no_ack_next = g->multiprocess = g->physical = false;
    memset(g->tells_break, 0, sizeof(g->tells_break));
    g->step = GDB_STEP_DEFAULT;
    g->cpu = 0;
    g->resume_cpu = -1;
    g->stop.reason = ACCEL_STOP_NONE;
    RunState state = runstate_get();
    if (stopped_it && (state == RUN_STATE_PAUSED || state == RUN_STATE_DEBUG)) {
        runstate_start(); /* as it was before it came */
    }
}

static void event(void *opaque, CharEvent what)
{
    GdbSession *g = opaque;

    switch (what) {
    case CHAR_EVENT_OPENED:
        forget_client(g);
        if (gdb_cpu_count()) {
            g->open = true;
            gdb_stop_machine(g);
        }
        break;
    case CHAR_EVENT_CLOSED:
        forget_client(g);
        break;
    case CHAR_EVENT_BREAK:
        interrupt(g);
        break;
    case CHAR_EVENT_MUX_IN:
    case CHAR_EVENT_MUX_OUT:
        break;
    }
}

/* ---- the server ---- */

static void free_session(GdbSession *g)
{
    g_string_free(g->reader.data, TRUE);
    g_string_free(g->last, TRUE);
    g_array_unref(g->missed);
    g_free(g->device);
    g_free(g);
}

static void end_server(void)
{
    GdbSession *g = session;

    if (!g) {
        return;
    }
    accel_set_debug_handler(NULL);
    runstate_set_stop_handler(NULL);
    forget_client(g);
    char_detach(&g->fe);
    if (g->own_chr) {
        chardev_remove(g->chr, NULL);
    }
    session = NULL;
    free_session(g);
}

/* Sockets listen, and nobody is waited for, unless the user says otherwise. */
static char *complete_device(const char *device)
{
    bool tcp = g_str_has_prefix(device, "tcp:");

    if (!tcp && !g_str_has_prefix(device, "unix:")) {
        return g_strdup(device);
    }
    size_t address = strcspn(device, ",");
    return g_strdup_printf("%.*s,server=on,wait=off%s%s", (int)address, device,
                           tcp ? ",nodelay=on" : "", device + address);
}

static bool attach(GdbSession *g, const char *device, GError **errp)
{
    g_autofree char *text = complete_device(device);

    g->own_chr = !g_str_has_prefix(device, "chardev:");
    g->chr = chardev_new_from_short(session ? CHARDEV_NEXT_ID : CHARDEV_ID, text, false, errp);
    if (!g->chr) {
        return false;
    }
    if (!char_attach(g->chr, &g->fe, errp)) {
        if (g->own_chr) {
            chardev_remove(g->chr, NULL);
        }
        return false;
    }
    return true;
}

/* Without what follows a comma, which are options. */
static bool same_address(const char *a, const char *b)
{
    size_t len = strcspn(a, ",");

    return len == strcspn(b, ",") && strncmp(a, b, len) == 0;
}

/* The server before is gone. */
static void take_name(GdbSession *g)
{
    Object *obj = OBJECT(g->chr), *parent = obj->parent;

    if (g->own_chr && strcmp(obj->name, CHARDEV_ID) != 0) {
        object_ref(obj);
        object_unparent(obj);
        object_add_child(parent, CHARDEV_ID, obj, NULL); /* it is free */
        object_unref(obj);
    }
}

bool gdb_server_start(const char *device, GError **errp)
{
    const Machine *machine = machine_current();

    if (session && session->running_command) {
        error_set(errp, "the debugger cannot end the server that it is connected to; use a monitor "
                        "of its own");
        return false;
    }
    const bool none = strcmp(device, "none") == 0;

    if (!none && machine && !machine_ops(machine)->max_cpus) {
        error_set(errp, "machine '%s' has no CPU that could be debugged",
                  machine_ops(machine)->name);
        return false;
    }
    if (none || (session && same_address(session->device, device))) {
        end_server();
    }
    if (none) {
        return true;
    }
    GdbSession *g = g_new0(GdbSession, 1);
    g->device = g_strdup(device);
    g->reader.data = g_string_new(NULL);
    g->last = g_string_new(NULL);
    g->missed = g_array_new(FALSE, FALSE, sizeof(GdbMissed));
    g->step = GDB_STEP_DEFAULT;
    g->resume_cpu = -1;
    g->fe = (CharFrontend){ .can_receive = can_receive,
                            .receive = receive,
                            .event = event,
                            .opaque = g,
                            .keep_output = true };
    if (!attach(g, device, errp)) {
        free_session(g);
        return false;
    }
    end_server();
    take_name(g);
    session = g;
    accel_set_debug_handler(on_debug);
    runstate_set_stop_handler(on_stop);
    return true;
}

void gdb_server_cleanup(void)
{
    if (session && session->open) {
        g_autoptr(GString) gone = g_string_new("W00");

        gdb_send(session, gone);
        session->stopped_it = false;
    }
    end_server();
}
