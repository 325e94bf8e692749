/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/turns.h"

#include "accel/soft/options.h"

#define TURN_US 2000 /* a vCPU that waits for what another one does loses no more than this */

static GMutex mutex;    /* for all that follows; nothing else is locked in it */
static GCond changed;   /* that, or somebody who waits was kicked */
static GSList *waiting; /* of SoftCpu * */
static SoftCpu *running;
static uint64_t turns; /* that have ended */

static bool my_turn(const SoftCpu *s)
{
    for (const GSList *w = waiting; w; w = w->next) {
        if (((SoftCpu *)w->data)->turn_ended < s->turn_ended) {
            return false;
        }
    }
    return !running;
}

bool soft_turn_begin(SoftCpu *s)
{
    if (!soft_options.single) {
        return true;
    }
    g_mutex_lock(&mutex);
    waiting = g_slist_prepend(waiting, s);
    while (!my_turn(s) && !atomic_load(&s->cpu.exit_request)) {
        bool woken = g_cond_wait_until(&changed, &mutex, g_get_monotonic_time() + TURN_US);

        if (!woken && running) {
            atomic_store(&running->cpu.exit_request, true);
        }
    }
    bool mine = my_turn(s);
    waiting = g_slist_remove(waiting, s);
    if (mine) {
        running = s;
    } else {
        g_cond_broadcast(&changed); /* another one may be next now */
    }
    g_mutex_unlock(&mutex);
    return mine;
}

void soft_turn_end(SoftCpu *s)
{
    if (!soft_options.single) {
        return;
    }
    g_mutex_lock(&mutex);
    g_assert(running == s);
    running = NULL;
    s->turn_ended = ++turns;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
}

void soft_turn_kick(X86Cpu *cpu)
{
    if (soft_options.single) {
        g_mutex_lock(&mutex);
        g_cond_broadcast(&changed);
        g_mutex_unlock(&mutex);
    }
}
