/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client asks for: one function a packet. Memory, registers, breakpoints, threads. */
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/runstate.h"
#include "hw/i386/debug.h"
#include "monitor/gdb/registers.h"
#include "monitor/gdb/session.h"
#include "qapi/qapi-commands.h"

#define ERROR_ARGUMENT "E22"
#define ERROR_FAULT    "E14"
#define OK             "OK"

/* @args: behind the letter; @left: bytes of it. False: no answer is sent. */
typedef bool Handler(GdbSession *g, const char *args, gsize left, GString *reply);

static bool answer(GString *reply, const char *text)
{
    g_string_assign(reply, text);
    return true;
}

/* ---- registers ---- */

/* Run in the CPU's thread, or while it stands. */
typedef struct RegisterRequest {
    unsigned n; /* the first */
    bool all, write;
    GString *text;    /* read */
    GByteArray *data; /* to write */
    bool ok;
} RegisterRequest;

static void read_registers(X86Cpu *cpu, RegisterRequest *r)
{
    unsigned last = r->all ? gdb_registers_count(&cpu->model) - 1 : r->n;

    for (unsigned n = r->n; n <= last; n++) {
        r->ok = gdb_register_get(cpu, n, r->text);
    }
}

/* All together are what the client had read before, with some changes: what cannot be changed stays
 * as it is. */
static void write_registers(X86Cpu *cpu, RegisterRequest *r)
{
    unsigned last = r->all ? gdb_registers_count(&cpu->model) - 1 : r->n, at = 0;

    for (unsigned n = r->n; n <= last; n++) {
        g_autoptr(GString) old = g_string_new(NULL);
        unsigned done = gdb_register_set(cpu, n, r->data->data + at, r->data->len - at);

        r->ok = done > 0;
        if (!done && r->all && gdb_register_get(cpu, n, old)) {
            done = (unsigned)old->len / 2;
        }
        at = MIN(at + done, r->data->len);
    }
    r->ok = r->ok || r->all;
}

static void do_registers(X86Cpu *cpu, void *opaque)
{
    RegisterRequest *r = opaque;

    if (r->write) {
        write_registers(cpu, r);
    } else {
        read_registers(cpu, r);
    }
}

static bool ask_registers(GdbSession *g, RegisterRequest *r, GString *reply)
{
    vcpu_run_on(gdb_current_cpu(g), do_registers, r);
    if (r->write || !r->ok) {
        return answer(reply, r->ok ? OK : ERROR_ARGUMENT);
    }
    return true;
}

static bool on_read_all(GdbSession *g, const char *args, gsize left, GString *reply)
{
    RegisterRequest r = { .all = true, .text = reply };

    return ask_registers(g, &r, reply);
}

static bool on_write_all(GdbSession *g, const char *args, gsize left, GString *reply)
{
    g_autoptr(GByteArray) data = gdb_parse_bytes(args);
    RegisterRequest r = { .all = true, .write = true, .data = data };

    return data ? ask_registers(g, &r, reply) : answer(reply, ERROR_ARGUMENT);
}

static bool on_read_one(GdbSession *g, const char *args, gsize left, GString *reply)
{
    RegisterRequest r = { .text = reply };
    uint64_t n;

    if (!gdb_parse_hex(&args, &n) || *args || n > UINT32_MAX) {
        return answer(reply, ERROR_ARGUMENT);
    }
    r.n = (unsigned)n;
    return ask_registers(g, &r, reply);
}

static bool on_write_one(GdbSession *g, const char *args, gsize left, GString *reply)
{
    g_autoptr(GByteArray) data = NULL;
    RegisterRequest r = { .write = true };
    uint64_t n;

    if (!gdb_parse_hex(&args, &n) || !gdb_parse_char(&args, '=') || n > UINT32_MAX ||
        !(data = gdb_parse_bytes(args))) {
        return answer(reply, ERROR_ARGUMENT);
    }
    r.n = (unsigned)n;
    r.data = data;
    return ask_registers(g, &r, reply);
}

/* ---- memory ---- */

static bool parse_range(const char **p, uint64_t *addr, uint64_t *len)
{
    return gdb_parse_hex(p, addr) && gdb_parse_char(p, ',') && gdb_parse_hex(p, len);
}

static bool on_read_memory(GdbSession *g, const char *args, gsize left, GString *reply)
{
    uint64_t addr, len;

    if (!parse_range(&args, &addr, &len) || *args) {
        return answer(reply, ERROR_ARGUMENT);
    }
    len = MIN(len, GDB_PACKET_SIZE / 2);
    g_autofree uint8_t *buf = g_malloc(len + 1);
    uint64_t got = g->physical ? x86_debug_read_physical(addr, buf, len)
                               : x86_debug_read(gdb_current_cpu(g), addr, buf, len);
    if (len && !got) {
        return answer(reply, ERROR_FAULT);
    }
    gdb_append_hex(reply, buf, got);
    return true;
}

static bool write_memory(GdbSession *g, uint64_t addr, const void *data, uint64_t len,
                         GString *reply)
{
    bool ok = g->physical ? x86_debug_write_physical(addr, data, len)
                          : x86_debug_write(gdb_current_cpu(g), addr, data, len);

    return answer(reply, ok ? OK : ERROR_FAULT);
}

static bool on_write_memory(GdbSession *g, const char *args, gsize left, GString *reply)
{
    g_autoptr(GByteArray) data = NULL;
    uint64_t addr, len;

    if (!parse_range(&args, &addr, &len) || !gdb_parse_char(&args, ':') ||
        !(data = gdb_parse_bytes(args)) || data->len != len) {
        return answer(reply, ERROR_ARGUMENT);
    }
    return write_memory(g, addr, data->data, len, reply);
}

static bool on_write_binary(GdbSession *g, const char *args, gsize left, GString *reply)
{
    const char *p = args;
    uint64_t addr, len;

    if (!parse_range(&p, &addr, &len) || !gdb_parse_char(&p, ':') ||
        left - (gsize)(p - args) != len) {
        return answer(reply, ERROR_ARGUMENT);
    }
    return write_memory(g, addr, p, len, reply);
}

/* ---- breakpoints ---- */

static bool breakpoint(GdbSession *g, const char *args, bool insert, GString *reply)
{
    uint64_t kind, addr, len;
    bool running = runstate_is_running(), ok;

    if (!gdb_parse_hex(&args, &kind) || !gdb_parse_char(&args, ',') ||
        !parse_range(&args, &addr, &len) || *args) {
        return answer(reply, ERROR_ARGUMENT);
    }
    if (kind >= ACCEL_BREAK_KINDS || !accel_breakpoint_kind_known((AccelBreakKind)kind)) {
        return true; /* not known */
    }
    len = kind <= ACCEL_BREAK_HARD ? 1 : len;
    if (!len || addr + (len - 1) < addr) {
        return answer(reply, ERROR_ARGUMENT);
    }
    if (running) {
        vcpu_pause_all();
    }
    ok = insert ? accel_breakpoint_insert((AccelBreakKind)kind, addr, len, gdb_current_cpu(g), NULL)
                : accel_breakpoint_remove((AccelBreakKind)kind, addr, len);
    if (running) {
        runstate_resume_vcpus();
    }
    return answer(reply, ok ? OK : ERROR_ARGUMENT);
}

static bool on_insert(GdbSession *g, const char *args, gsize left, GString *reply)
{
    return breakpoint(g, args, true, reply);
}

static bool on_remove(GdbSession *g, const char *args, gsize left, GString *reply)
{
    return breakpoint(g, args, false, reply);
}

/* ---- threads and running ---- */

static bool on_choose_thread(GdbSession *g, const char *args, gsize left, GString *reply)
{
    char what = *args;
    int index;

    if (what != 'c' && what != 'g') {
        return answer(reply, ERROR_ARGUMENT);
    }
    args++;
    if (!gdb_parse_thread(&args, &index) || *args) {
        return answer(reply, ERROR_ARGUMENT);
    }
    if (what == 'c') {
        g->resume_cpu = index >= 0 ? index : -1;
    } else if (index >= 0) {
        g->cpu = (unsigned)index;
    }
    return answer(reply, OK);
}

static bool on_alive(GdbSession *g, const char *args, gsize left, GString *reply)
{
    int index;
    bool ok = gdb_parse_thread(&args, &index) && !*args;

    return answer(reply, ok ? OK : ERROR_ARGUMENT);
}

static bool on_why(GdbSession *g, const char *args, gsize left, GString *reply)
{
    gdb_append_stop(g, reply);
    return true;
}

#define DEFINE_RESUME(name, letter)                                                 \
    static bool name(GdbSession *g, const char *args, gsize left, GString *reply)   \
    {                                                                               \
        return gdb_resume(g, letter, args) ? false : answer(reply, ERROR_ARGUMENT); \
    }
DEFINE_RESUME(on_continue, 'c')
DEFINE_RESUME(on_continue_signal, 'C')
DEFINE_RESUME(on_step, 's')
DEFINE_RESUME(on_step_signal, 'S')

/* A machine that is being moved, or has gone, goes on by no detaching: it may run elsewhere. */
static bool on_detach(GdbSession *g, const char *args, gsize left, GString *reply)
{
    const RunState state = runstate_get();

    gdb_release(g);
    if (state != RUN_STATE_INMIGRATE && state != RUN_STATE_POSTMIGRATE) {
        (void)qmp_cont(NULL);
    }
    return answer(reply, OK);
}

static bool on_kill(GdbSession *g, const char *args, gsize left, GString *reply)
{
    gdb_release(g);
    runstate_request_shutdown(SHUTDOWN_CAUSE_HOST_SIGNAL);
    return false;
}

static bool on_restart(GdbSession *g, const char *args, gsize left, GString *reply)
{
    runstate_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    return false;
}

static bool on_extended(GdbSession *g, const char *args, gsize left, GString *reply)
{
    return answer(reply, OK);
}

static bool on_v(GdbSession *g, const char *args, gsize left, GString *reply)
{
    if (strcmp(args, "Cont?") == 0) {
        return answer(reply, "vCont;c;C;s;S");
    }
    if (g_str_has_prefix(args, "Cont;")) {
        return gdb_resume_vcont(g, args + strlen("Cont")) ? false : answer(reply, ERROR_ARGUMENT);
    }
    if (g_str_has_prefix(args, "Kill;")) {
        on_kill(g, args, left, reply);
        return answer(reply, OK);
    }
    return true;
}

static bool on_query(GdbSession *g, const char *args, gsize left, GString *reply)
{
    gdb_query(g, args - 1, reply);
    return true;
}

static Handler *const handlers[128] = {
    ['!'] = on_extended,
    ['?'] = on_why,
    ['C'] = on_continue_signal,
    ['D'] = on_detach,
    ['G'] = on_write_all,
    ['H'] = on_choose_thread,
    ['M'] = on_write_memory,
    ['P'] = on_write_one,
    ['Q'] = on_query,
    ['R'] = on_restart,
    ['S'] = on_step_signal,
    ['T'] = on_alive,
    ['X'] = on_write_binary,
    ['Z'] = on_insert,
    ['c'] = on_continue,
    ['g'] = on_read_all,
    ['k'] = on_kill,
    ['m'] = on_read_memory,
    ['p'] = on_read_one,
    ['q'] = on_query,
    ['s'] = on_step,
    ['v'] = on_v,
    ['z'] = on_remove,
};

bool gdb_command(GdbSession *g, const GString *packet, GString *reply)
{
    unsigned char letter = (unsigned char)packet->str[0];
    Handler *handler = letter < G_N_ELEMENTS(handlers) ? handlers[letter] : NULL;

    return !handler || handler(g, packet->str + 1, packet->len - 1, reply);
}
