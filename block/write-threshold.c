/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thresholds of nodes: whoever has to make a disk longer in time is told (BLOCK_WRITE_THRESHOLD).
 */
#include "block/node.h"
#include "qapi/qapi-events.h"
#include "util/main-loop.h"

typedef struct Exceeded {
    char *node;
    uint64_t amount, threshold;
} Exceeded;

static void tell(void *opaque)
{
    Exceeded *e = opaque;

    qapi_event_send_block_write_threshold(e->node, e->amount, e->threshold);
    g_free(e->node);
    g_free(e);
}

void block_node_set_write_threshold(BlockNode *node, uint64_t threshold)
{
    __atomic_store_n(&node->write_threshold, threshold, __ATOMIC_RELAXED);
}

void block_node_check_threshold(BlockNode *node, uint64_t end)
{
    uint64_t threshold = __atomic_load_n(&node->write_threshold, __ATOMIC_RELAXED);
    Exceeded *e;

    if (!threshold || end <= threshold ||
        !__atomic_compare_exchange_n(&node->write_threshold, &threshold, 0, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED)) {
        return;
    }
    e = g_new(Exceeded, 1);
    *e = (Exceeded){ g_strdup(node->name), end - threshold, threshold };
    main_loop_schedule(tell, e);
}
