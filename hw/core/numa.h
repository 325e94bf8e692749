/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NUMA nodes of the machine: -numa, and what is made of it.
 */
#ifndef HW_CORE_NUMA_H
#define HW_CORE_NUMA_H

#include "hw/core/machine.h"

/* "node[,nodeid=N][,mem=SIZE][,cpus=A-B]" or "dist,src=N,dst=N,val=10..255", before machine_init().
 * A node without nodeid takes the first free number. `cpus` may be given once a node. */
bool numa_parse(Machine *machine, const char *text, GError **errp);

/* Fill in what was not given and check the whole: one node 0 if there is none; RAM shared out
 * evenly in whole 8 MiB among the nodes if no `mem` was given, else the sum must be the RAM size;
 * a CPU without a node gets node (its socket modulo the number of nodes); distances 10 to itself,
 * 20 to others, dst-src as src-dst. Called by machine_init(). */
bool numa_complete(Machine *machine, GError **errp);

/* The node numbers there are run from 0 to num_nodes - 1 without a hole (checked above). */
static inline bool numa_node_exists(const Machine *machine, uint64_t node)
{
    return node < machine->num_nodes && machine->nodes[node].present;
}

#endif
