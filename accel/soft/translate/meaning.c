/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/meaning.h"

#include <string.h>

static GHashTable *meanings; /* UopFn -> SoftMeaning; constant after soft_meanings_init() */

void soft_meaning_add(UopFn *fn, SoftMeaning meaning)
{
    if (!fn) {
        return;
    }
    const SoftMeaning *known = soft_meaning_of(fn);
    if (known) { /* a function that stands in several places of a table */
        g_assert(memcmp(known, &meaning, sizeof(meaning)) == 0);
        return;
    }
    g_hash_table_insert(meanings, (gpointer)(uintptr_t)fn, g_memdup2(&meaning, sizeof(meaning)));
}

const SoftMeaning *soft_meaning_of(UopFn *fn)
{
    return g_hash_table_lookup(meanings, (gpointer)(uintptr_t)fn);
}

void soft_meanings_init(void)
{
    static void (*const families[])(void) = {
        soft_meanings_alu,    soft_meanings_compare, soft_meanings_mov, soft_meanings_shift,
        soft_meanings_muldiv, soft_meanings_cond,    soft_meanings_bit, soft_meanings_branch,
        soft_meanings_stack,  soft_meanings_decode,  soft_meanings_xmm, soft_meanings_native,
        soft_meanings_atomic, soft_meanings_system,
    };
    static gsize once;

    if (!g_once_init_enter(&once)) {
        return;
    }
    meanings = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    for (unsigned i = 0; i < G_N_ELEMENTS(families); i++) {
        families[i]();
    }
    g_once_init_leave(&once, 1);
}
