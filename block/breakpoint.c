/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/breakpoint.h"

#include <string.h>

#include "util/machine-lock.h"

typedef struct Breakpoint {
    BlkdebugEvent event;
    char *tag;
    bool met; /* a request waits at it; that one frees it when it goes on */
    bool over;
} Breakpoint;

struct Breakpoints {
    GPtrArray *list; /* of Breakpoint; under the mutex */
};

/* Of all nodes: they are there for tests. */
static GMutex mutex;
static GCond changed;
static unsigned ignored; /* under the mutex */

static void breakpoint_free(void *opaque)
{
    Breakpoint *p = opaque;

    g_free(p->tag);
    g_free(p);
}

Breakpoints *breakpoints_new(void)
{
    Breakpoints *b = g_new0(Breakpoints, 1);

    b->list = g_ptr_array_new_with_free_func(breakpoint_free);
    return b;
}

void breakpoints_free(Breakpoints *b)
{
    g_ptr_array_unref(b->list);
    g_free(b);
}

void breakpoints_add(Breakpoints *b, BlkdebugEvent event, const char *tag)
{
    Breakpoint *p = g_new0(Breakpoint, 1);

    p->event = event;
    p->tag = g_strdup(tag);
    g_mutex_lock(&mutex);
    g_ptr_array_add(b->list, p);
    g_mutex_unlock(&mutex);
}

/* What waits as @tag goes on; @all: and what nothing waits at is gone. */
static bool end(Breakpoints *b, const char *tag, bool all)
{
    bool any = false;

    g_mutex_lock(&mutex);
    for (unsigned i = b->list->len; i-- > 0;) {
        Breakpoint *p = b->list->pdata[i];

        if (strcmp(p->tag, tag) != 0 || p->over || !(all || p->met)) {
            continue;
        }
        any = true;
        if (p->met) {
            p->over = true;
        } else {
            g_ptr_array_remove_index(b->list, i);
        }
    }
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
    return any;
}

bool breakpoints_remove(Breakpoints *b, const char *tag)
{
    return end(b, tag, true);
}

bool breakpoints_resume(Breakpoints *b, const char *tag)
{
    return end(b, tag, false);
}

void breakpoints_meet(Breakpoints *b, BlkdebugEvent event)
{
    Breakpoint *at = NULL;

    if (machine_lock_held()) {
        return;
    }
    g_mutex_lock(&mutex);
    for (unsigned i = 0; i < b->list->len && !at && !ignored; i++) {
        Breakpoint *p = b->list->pdata[i];

        at = p->event == event && !p->met ? p : NULL;
    }
    if (at) {
        at->met = true;
        while (!at->over && !ignored) {
            g_cond_wait(&changed, &mutex);
        }
        g_ptr_array_remove(b->list, at);
    }
    g_mutex_unlock(&mutex);
}

void breakpoints_ignore_begin(void)
{
    g_mutex_lock(&mutex);
    ignored++;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
}

void breakpoints_ignore_end(void)
{
    g_mutex_lock(&mutex);
    ignored--;
    g_mutex_unlock(&mutex);
}
