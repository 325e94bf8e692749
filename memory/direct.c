/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/direct.h"

static GHashTable *places; /* by region; NULL: there are none */

void memory_region_set_direct(MemoryRegion *mr, uint8_t *host)
{
    if (!places) {
        places = g_hash_table_new(NULL, NULL);
    }
    if (host) {
        g_hash_table_insert(places, mr, host);
    } else {
        g_hash_table_remove(places, mr);
    }
    if (!g_hash_table_size(places)) {
        g_clear_pointer(&places, g_hash_table_unref);
    }
}

uint8_t *memory_region_direct(const MemoryRegion *mr)
{
    return places ? g_hash_table_lookup(places, mr) : NULL;
}
