/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client of the server, for the files of monitor/gdb/ only. Main thread, machine lock. */
#ifndef MONITOR_GDB_SESSION_H
#define MONITOR_GDB_SESSION_H

#include "accel/debug.h"
#include "chardev/char.h"
#include "monitor/gdb/packet.h"

/* Bits of "qqemu.sstep". The machine's clock stands between steps in any case. */
enum {
    GDB_STEP_ENABLE = 1,
    GDB_STEP_NO_IRQ = 2,
    GDB_STEP_NO_TIMER = 4,
    GDB_STEP_DEFAULT = 7,
};

/* An access that a watchpoint saw has happened, and is not come to again. */
typedef struct GdbMissed {
    unsigned cpu;
    AccelStop stop;
} GdbMissed;

typedef struct GdbSession {
    CharFrontend fe;
    char *device; /* as the user said it */
    Chardev *chr;
    bool own_chr; /* made for this server */
    bool open;    /* a client is there */
    GdbReader reader;
    GString *last;            /* sent, and not acknowledged: to be sent again */
    bool no_ack, no_ack_next; /* from the next packet on */
    bool multiprocess;        /* threads are called pPROCESS.THREAD */
    bool tells_break[2];      /* stops have swbreak and hwbreak, by AccelBreakKind */
    bool physical;            /* addresses of memory are */
    unsigned step;            /* GDB_STEP_*: how steps are made */
    unsigned cpu;             /* index: whose registers and memory are asked for */
    int resume_cpu;           /* index that `c` and `s` are for; -1: all */
    bool resumed;             /* the client waits to be told of a stop */
    bool stopped_it;          /* the machine stands because of the client */
    bool running_command;     /* of the monitor */
    GArray *missed;           /* of GdbMissed: stops that came beside the one that was told of */
    AccelStop stop;           /* why the machine stands, if it is in the state "debug" */
} GdbSession;

/* ---- server.c ---- */

/* Send @data as a packet. */
void gdb_send(GdbSession *g, const GString *data);
/* Stop the machine for the client, in state "paused". */
void gdb_stop_machine(GdbSession *g);

/* ---- threads.c: thread N is CPU N - 1 ---- */

enum { GDB_ALL_THREADS = -1, GDB_ANY_THREAD = -2 };

/* The CPU @index, NULL: there is none. Any @index below gdb_cpu_count() may have one; the first
 * has, if that is not 0. */
X86Cpu *gdb_cpu(int index);
unsigned gdb_cpu_count(void);
/* The one that the debugger has chosen; the first if that was unplugged. */
X86Cpu *gdb_current_cpu(const GdbSession *g);
/* A thread-id: *@index of its CPU, or GDB_ALL_THREADS, GDB_ANY_THREAD. False: it is none, or there
 * is no such CPU. */
bool gdb_parse_thread(const char **p, int *index);
void gdb_append_thread(const GdbSession *g, GString *out, unsigned index);

/* ---- resume.c ---- */

/* Packets c, C, s, S, vCont. False: @args is wrong. There is no answer but a stop. */
bool gdb_resume(GdbSession *g, char packet, const char *args);
bool gdb_resume_vcont(GdbSession *g, const char *actions);
/* Let all go on, with nothing of the client's left. */
void gdb_release(GdbSession *g);
/* The machine stands: nothing steps and nothing is held any more. */
void gdb_resume_ended(void);
/* Why it stands, as the client is told. */
void gdb_append_stop(const GdbSession *g, GString *out);

/* ---- commands.c ---- */

/* Carry out a packet; the answer, empty for what is not known. False: there is none. */
bool gdb_command(GdbSession *g, const GString *packet, GString *reply);

/* ---- query.c ---- */

/* Packets that begin with q or Q. */
void gdb_query(GdbSession *g, const char *packet, GString *reply);

#endif
