/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small machine, without processors that run, and the stream that it is saved to. For unit tests
 * of migration/; include once, from the test program.
 */
#ifndef TESTS_SAVED_MACHINE_H
#define TESTS_SAVED_MACHINE_H

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel/choose.h"
#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "memory/memory.h"
#include "migration/migration.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

#define PAGE 4096
#define FILL 0x5a

static int file; /* a memfd: the stream */
static GByteArray *stream;

static inline void make_machine(const char *type)
{
    GError *err = NULL;
    Machine *machine;

    main_loop_init();
    memory_init();
    accel_choose("qtest", &err);
    g_assert_no_error(err);
    machine = machine_new(machine_type_find(type, &err), &err);
    g_assert_no_error(err);
    machine->firmware = g_strdup("off");
    g_assert_true(machine_parse_memory(machine, "1M", &err) && machine_init(machine, &err));
    machine->ready = true;
    machine_reset(machine);
}

/* A page that is not zero, between those that are. */
static inline void fill_memory(void)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list();
    RamBlock *block = blocks->pdata[0];

    memset(block->host + PAGE, FILL, PAGE);
}

/* The file from its beginning on. */
static inline int open_stream(void)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", file);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static inline int take_fd(const char *name, GError **errp)
{
    return open_stream();
}

/* To `file` and `stream`; it stands afterwards. */
static inline void save_machine(void)
{
    GError *err = NULL;
    off_t size;

    if (stream) {
        g_byte_array_unref(stream);
        close(file);
    }
    file = memfd_create("stream", MFD_CLOEXEC);
    migration_start("fd:stream", take_fd, &err);
    g_assert_no_error(err);
    while (migration_active()) {
        main_loop_iterate(true);
    }
    g_assert_cmpint(runstate_get(), ==, RUN_STATE_POSTMIGRATE);
    size = lseek(file, 0, SEEK_END);
    stream = g_byte_array_sized_new((guint)size);
    g_byte_array_set_size(stream, (guint)size);
    g_assert_cmpint(pread(file, stream->data, stream->len, 0), ==, size);
}

static inline void prepare(const char *type)
{
    make_machine(type);
    fill_memory();
    save_machine();
}

typedef struct State {
    char name[256];
    GByteArray *data;
} State;

static inline void state_free(void *opaque)
{
    State *state = opaque;

    g_byte_array_unref(state->data);
    g_free(state);
}

/* The records of states, in order. */
static inline GPtrArray *read_states(void)
{
    GPtrArray *states = g_ptr_array_new_with_free_func(state_free);
    g_autoptr(Stream) in = stream_new(open_stream());
    Record record = { 0 };

    g_assert_true(stream_get_header(in, NULL));
    while (record.kind != RECORD_END) {
        g_assert_true(stream_get_record(in, &record, NULL));
        if (record.kind == RECORD_DEVICE) {
            State *state = g_new(State, 1);

            memcpy(state->name, record.name, sizeof(state->name));
            state->data = g_byte_array_append(g_byte_array_new(), record.data, (guint)record.size);
            g_ptr_array_add(states, state);
        }
    }
    return states;
}

#endif
