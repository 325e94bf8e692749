/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/translate-case.h"

#include <string.h>

void keep_outcome(const SoftHarness *h, Outcome *o)
{
    memset(o, 0, sizeof(*o));
    memcpy(o->regs, h->cpu->regs, sizeof(o->regs));
    o->rflags = soft_get_rflags(h->s);
    memcpy(o->fx, h->cpu->fxsave, sizeof(o->fx));
    memcpy(o->data, h->ram + HARNESS_DATA, DATA_BYTES);
}

void assert_same_outcome(const Outcome *a, const Outcome *b)
{
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmphex(a->regs[i], ==, b->regs[i]);
    }
    g_assert_cmphex(a->rflags, ==, b->rflags);
    g_assert_cmpmem(a->fx, sizeof(a->fx), b->fx, sizeof(b->fx));
    g_assert_cmpmem(a->data, DATA_BYTES, b->data, DATA_BYTES);
}

void set_soft_options(SoftOptions options)
{
    static const char *const modes[] = { "off", "on", "all" };
    soft_options = options;
    g_setenv("SOFT_TRANSLATE", modes[options.translate], true);
}

/* In a thread of its own. */
static gpointer press(gpointer data)
{
    Press *p = data;

    while (!atomic_load(&p->stop)) {
        atomic_store(&p->cpu->exit_request, true);
        g_usleep(1);
    }
    return NULL;
}

void press_begin(Press *p, SoftHarness *h)
{
    p->cpu = h->cpu;
    p->thread = g_thread_new("press", press, p);
}

void press_end(Press *p)
{
    if (p->thread) {
        atomic_store(&p->stop, true);
        g_thread_join(p->thread);
    }
}
