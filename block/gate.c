/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/gate.h"

#include <glib.h>
#include <stdbool.h>

static GMutex mutex;
static GCond changed;
static unsigned inside; /* under the mutex, and so the next */
static bool closed;

void block_gate_enter(void)
{
    g_mutex_lock(&mutex);
    while (closed) {
        g_cond_wait(&changed, &mutex);
    }
    inside++;
    g_mutex_unlock(&mutex);
}

void block_gate_join(void)
{
    g_mutex_lock(&mutex);
    inside++;
    g_mutex_unlock(&mutex);
}

void block_gate_leave(void)
{
    g_mutex_lock(&mutex);
    inside--;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
}

void block_gate_close(void)
{
    g_mutex_lock(&mutex);
    closed = true;
    while (inside) {
        g_cond_wait(&changed, &mutex);
    }
    g_mutex_unlock(&mutex);
}

void block_gate_open(void)
{
    g_mutex_lock(&mutex);
    closed = false;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
}
