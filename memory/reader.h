/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock-free readers of the memory map (DESIGN decision 5).
 *
 * A thread that looks at a FlatView, or uses a host pointer got from one, without the machine lock
 * does so inside a read section. A writer publishes a new view and calls memory_synchronize(),
 * which returns when every section that was open at the call has been left. Inside a section a
 * thread must not block, above all not on the machine lock.
 *
 * Epochs: the writer increments a global epoch (seq_cst); a reader stores the epoch it saw on entry
 * (seq_cst store, then reads the view: so the writer either sees the reader's epoch, or the reader
 * sees the new view) and 0 on exit (release).
 */
#ifndef MEMORY_READER_H
#define MEMORY_READER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MemoryReader {
    _Atomic uint64_t epoch; /* 0: outside; else the global epoch at entry */
    /* Asks the thread to leave its section soon; called by writers while they wait. May be NULL. */
    void (*kick)(void *opaque);
    void *opaque;
    struct MemoryReader *next; /* list lock, in reader.c */
} MemoryReader;

/* Threads join before their first section and leave when they end. */
void memory_reader_register(MemoryReader *reader);
void memory_reader_unregister(MemoryReader *reader);

void memory_read_enter(MemoryReader *reader); /* not nested */
void memory_read_leave(MemoryReader *reader);
static inline bool memory_read_active(MemoryReader *reader)
{
    return atomic_load_explicit(&reader->epoch, memory_order_relaxed) != 0;
}

/* The same for a thread that registered no reader, such as an iothread's: it gets one of its own at
 * the first call, which goes with the thread. Not nested either. */
void memory_read_begin(void);
void memory_read_end(void);

/* Wait for every open section but the caller's own (which must be closed). Machine lock held. */
void memory_synchronize(void);

#endif
