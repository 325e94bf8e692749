/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the command line to a machine that runs: what the options ask for, and the order in which it
 * is made.
 */
#ifndef SYSTEM_STARTUP_H
#define SYSTEM_STARTUP_H

#include <json-c/json.h>

#include "chardev/char.h"
#include "hw/core/machine.h"
#include "system/cmdline.h"
#include "system/sandbox.h"

/* A monitor to make when the machine is there. */
typedef struct MonitorRequest {
    Chardev *chr;
    bool qmp; /* else HMP */
    bool pretty;
} MonitorRequest;

typedef enum Display { DISPLAY_DEFAULT, DISPLAY_NOGRAPHIC, DISPLAY_NONE } Display;

/* A -drive if=ide, in its place. */
typedef struct IdeDrive {
    char *name;
    bool cd;
} IdeDrive;

/* -rtc */
typedef enum RtcBase { RTC_BASE_UTC, RTC_BASE_LOCALTIME, RTC_BASE_DATE } RtcBase;

typedef struct RtcOption {
    RtcBase base;
    int64_t seconds; /* since 1970 UTC; RTC_BASE_DATE */
} RtcOption;

struct Startup {
    GArray *uses;        /* of OptionUse */
    bool complete;       /* the machine was launched */
    unsigned made_files; /* until then: made_files_begin() */

    /* START_CONFIG */
    struct json_object *machine_props; /* of -machine, merged; "type" is the machine's name */
    char *accel;
    Display display;
    const char *display_vnc; /* -display vnc=, or NULL */
    bool full_screen;        /* -full-screen */
    bool no_defaults;
    bool vga_given;       /* -vga */
    const char *vga;      /* its type; NULL: none */
    bool stopped;         /* -S */
    bool snapshot;        /* -snapshot */
    const char *incoming; /* -incoming, or NULL */
    const char *loadvm;   /* -loadvm, or NULL */
    bool preconfig;       /* make the machine when a QMP client says so */
    bool daemonize;
    const char *pidfile;
    char *guest_name;
    uint8_t uuid[16];
    bool msg_timestamp, msg_guest_name;
    bool mem_lock;
    Sandbox sandbox;
    RtcOption rtc;

    /* START_MACHINE */
    Machine *machine;
    GPtrArray *virtio_drives; /* ids of -drive if=virtio; NULL: none */
    GPtrArray *sound_cards;   /* START_CONFIG: of -audio, options-audio.c; NULL: none */
    char *floppies[2];        /* ids of -drive if=floppy, by unit; NULL: none */
    GPtrArray *ide_drives;    /* of IdeDrive *, by place, with NULL where none is; or NULL */

    /* START_CHARDEV */
    unsigned num_serials;   /* -serial none counts */
    unsigned num_parallels; /* -parallel none does not */
    bool parallel_given;    /* by -parallel, also none: there is no default one */
    bool monitor_given;     /* by -monitor, -mon or -qmp: there is no default one */
    GArray *monitors;       /* of MonitorRequest */
    unsigned num_monitor_chardevs;
    Chardev *qtest;
    const char *qtest_log;
};

/* Parse and print what was asked to be printed. Returns true to go on; false to end with
 * *@exit_status (after a message, if not 0). */
bool startup_parse(Startup *startup, int argc, char *const argv[], int *exit_status);
/* Make everything. Takes the machine lock. *@run: enter the main loop (false after dump-acpi). */
bool startup_make(Startup *startup, bool *run, GError **errp);
/* Tidy up at the end, or after a failure: terminal, socket files, pid file, memory that is to be
 * discarded; and of a start that failed (not @ok), all files that it made. No CPU runs. */
void startup_cleanup(Startup *startup, bool ok);

/* For -serial, -parallel, -monitor, -qmp and defaults (startup-chardev.c). @text as in -serial. */
bool startup_add_serial(Startup *startup, const char *text, GError **errp);
bool startup_add_parallel(Startup *startup, const char *text, GError **errp);
bool startup_add_monitor(Startup *startup, const char *text, bool qmp, bool pretty, GError **errp);
/* -mon (MonitorOptions): makes the monitor, so the machine must be there. */
bool startup_add_mon(Startup *startup, const void *parsed, GError **errp);
/* Does the user say by -device or -global what there is of @types (ends with NULL)? */
bool startup_names_device(const Startup *startup, const char *const *types);
/* What there is where the user asked for nothing. */
bool startup_default_chardevs(Startup *startup, GError **errp);

#endif
