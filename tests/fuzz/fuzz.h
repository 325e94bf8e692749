/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share: a machine that is as it was before each input, clients that live in
 * the same process, and a wall around the process. docs/fuzzing.md says how to run them.
 *
 * A target is one file with LLVMFuzzerTestOneInput(). libFuzzer calls it when the targets are built
 * by clang with -Dfuzz=true; else replay.c does, for the files of the corpus.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "chardev/char.h"
#include "hw/core/machine.h"

/* Bytes that are no part of UTF-8, for what a client does beside sending. */
#define FUZZ_PAUSE     0xf8 /* the main loop runs before the next byte comes */
#define FUZZ_RECONNECT 0xf9 /* it vanishes, and another one comes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the machine ---- */

typedef struct FuzzBoard {
    const char *type;      /* of machine: "pc" */
    const char *cpu_count; /* -smp */
    /* Before and after the board is initialised: what -drive and -device make. May be NULL. */
    void (*prepare)(Machine *machine);
    void (*populate)(Machine *machine);
} FuzzBoard;

/* A machine with the engine qtest, 1 MiB of RAM (no room for ACPI tables, so that resets are fast),
 * a serial port, four slots and a window for 8 GiB. The first call makes it, and there is one in a
 * program. Borrowed. */
Machine *fuzz_board(const FuzzBoard *board);
/* A "pc" with two CPUs. */
Machine *fuzz_machine(void);

/* Around each input. At its end devices, objects and chardevs that it made are gone, and the
 * machine is reset and paused. What is allocated and lost in between is a leak. */
void fuzz_input_begin(void);
void fuzz_input_end(void);

/* Let the main loop do all it has to do. Aborts if it never comes to rest. */
void fuzz_settle(void);

/* ---- clients ---- */

typedef struct FuzzClient FuzzClient;

/* Chardev @id, and whoever is at its other end. Lives as long as the program. */
FuzzClient *fuzz_client_new(const char *id);
Chardev *fuzz_client_chardev(FuzzClient *client);

/* A new session. */
void fuzz_client_reconnect(FuzzClient *client);

/* Send @data, with FUZZ_PAUSE and FUZZ_RECONNECT as said above. */
void fuzz_client_send(FuzzClient *client, const uint8_t *data, size_t size);

/* What came since the last call, at most a mebibyte of it. Borrowed until more comes. */
const GString *fuzz_client_output(FuzzClient *client);

/* ---- the wall (wall.c) ---- */

/*
 * Between fuzz_input_begin() and fuzz_input_end() the house's own calls of open(), bind() and
 * others that reach outside the process fail with EACCES, large memory is not preallocated, and the
 * clock takes small steps: the linker's --wrap sends them here. @up: the wall stands.
 *
 * What libFuzzer itself writes when an input fails must be below the directory that is in
 * $FUZZ_FINDINGS.
 */
void fuzz_wall(bool up);

#endif
