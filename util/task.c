/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/task.h"

#include <glib.h>

#include "util/machine-lock.h"
#include "util/main-loop.h"

typedef struct Task {
    void (*fn)(void *opaque);
    void (*then)(void *opaque);
    void *opaque;
    GThread *thread;
    /* Whose turn it is, and whether the task was through; under the mutex. */
    GMutex mutex;
    GCond changed;
    bool its_turn, ended;
} Task;

static __thread Task *current; /* in a task's thread */
static unsigned pending;       /* under the machine lock */

static void set_turn(Task *task, bool its_turn)
{
    g_mutex_lock(&task->mutex);
    task->its_turn = its_turn;
    g_cond_signal(&task->changed);
    g_mutex_unlock(&task->mutex);
}

static void wait_for_turn(Task *task, bool its_turn)
{
    g_mutex_lock(&task->mutex);
    while (task->its_turn != its_turn) {
        g_cond_wait(&task->changed, &task->mutex);
    }
    g_mutex_unlock(&task->mutex);
}

/* ---- the main thread ---- */

static void end(Task *task)
{
    g_thread_join(task->thread);
    pending--;
    main_loop_release();
    task->then(task->opaque);
    g_mutex_clear(&task->mutex);
    g_cond_clear(&task->changed);
    g_free(task);
}

/* Let the task run until it ends or waits; then true if it has ended, and is gone. */
static bool give_turn(Task *task)
{
    bool ended;

    machine_unlock();
    set_turn(task, true);
    wait_for_turn(task, false);
    machine_lock();
    ended = task->ended;
    if (ended) {
        end(task);
    }
    return ended;
}

static void go_on(void *opaque)
{
    give_turn(opaque);
}

/* ---- the task ---- */

static gpointer task_thread(gpointer opaque)
{
    Task *task = current = opaque;

    wait_for_turn(task, true);
    machine_lock_for_main();
    task->fn(task->opaque);
    task->ended = true;
    machine_unlock();
    set_turn(task, false);
    return NULL;
}

void task_wait(void (*work)(void *opaque), void *opaque)
{
    Task *task = current;

    if (!task) {
        work(opaque);
        return;
    }
    machine_unlock();
    set_turn(task, false);
    work(opaque);
    main_loop_schedule(go_on, task);
    wait_for_turn(task, true);
    machine_lock_for_main();
}

bool task_is_current(void)
{
    return current != NULL;
}

bool task_run(void (*fn)(void *opaque), void (*then)(void *opaque), void *opaque)
{
    Task *task = g_new0(Task, 1);

    *task = (Task){ .fn = fn, .then = then, .opaque = opaque };
    g_mutex_init(&task->mutex);
    g_cond_init(&task->changed);
    task->thread = g_thread_try_new("task", task_thread, task, NULL);
    if (!task->thread) { /* then everything else has to wait */
        g_mutex_clear(&task->mutex);
        g_cond_clear(&task->changed);
        g_free(task);
        fn(opaque);
        then(opaque);
        return true;
    }
    pending++;
    main_loop_hold();
    return give_turn(task);
}

bool task_pending(void)
{
    return pending;
}
