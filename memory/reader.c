/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock-free readers of the memory map: the epochs that reader.h describes.
 */
#include "memory/reader.h"

#include <glib.h>
#include <sched.h>

/* Yields before the writer sleeps between looks. Sections are short once readers were kicked. */
#define SPINS_BEFORE_SLEEP 64
#define SLEEP_US           20

static GMutex list_lock;
static MemoryReader *readers;
static _Atomic uint64_t global_epoch = 1;

void memory_reader_register(MemoryReader *reader)
{
    atomic_store(&reader->epoch, 0);
    g_mutex_lock(&list_lock);
    reader->next = readers;
    readers = reader;
    g_mutex_unlock(&list_lock);
}

void memory_reader_unregister(MemoryReader *reader)
{
    MemoryReader **link;

    g_mutex_lock(&list_lock);
    for (link = &readers; *link; link = &(*link)->next) {
        if (*link == reader) {
            *link = reader->next;
            break;
        }
    }
    g_mutex_unlock(&list_lock);
    reader->next = NULL;
}

void memory_read_enter(MemoryReader *reader)
{
    uint64_t epoch = atomic_load_explicit(&global_epoch, memory_order_seq_cst);

    atomic_store_explicit(&reader->epoch, epoch, memory_order_seq_cst);
    /* Orders the store before the read of the view, which is an acquire load only. */
    atomic_thread_fence(memory_order_seq_cst);
}

void memory_read_leave(MemoryReader *reader)
{
    atomic_store_explicit(&reader->epoch, 0, memory_order_release);
}

/* ---- readers that come and go with their thread ---- */

static void own_reader_free(gpointer data)
{
    memory_reader_unregister(data);
    g_free(data);
}

static GPrivate own_reader = G_PRIVATE_INIT(own_reader_free);

void memory_read_begin(void)
{
    MemoryReader *reader = g_private_get(&own_reader);

    if (!reader) {
        reader = g_new0(MemoryReader, 1);
        memory_reader_register(reader);
        g_private_set(&own_reader, reader);
    }
    memory_read_enter(reader);
}

void memory_read_end(void)
{
    memory_read_leave(g_private_get(&own_reader));
}

/* ---- writers ---- */

/* Is @reader still in a section that was open when @epoch began? */
static bool reader_lags(MemoryReader *reader, uint64_t epoch)
{
    uint64_t seen = atomic_load_explicit(&reader->epoch, memory_order_seq_cst);

    return seen != 0 && seen < epoch;
}

void memory_synchronize(void)
{
    uint64_t epoch = atomic_fetch_add(&global_epoch, 1) + 1;

    atomic_thread_fence(memory_order_seq_cst);
    g_mutex_lock(&list_lock);
    for (MemoryReader *r = readers; r; r = r->next) {
        /* All are kicked before any is waited for, so that they leave at the same time. */
        if (reader_lags(r, epoch) && r->kick) {
            r->kick(r->opaque);
        }
    }
    for (MemoryReader *r = readers; r; r = r->next) {
        for (unsigned spins = 0; reader_lags(r, epoch); spins++) {
            if (spins < SPINS_BEFORE_SLEEP) {
                sched_yield();
                continue;
            }
            /* It may have taken the first kick just before it entered its section. */
            if (r->kick) {
                r->kick(r->opaque);
            }
            g_usleep(SLEEP_US);
        }
    }
    g_mutex_unlock(&list_lock);
}
