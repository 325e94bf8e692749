/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NUMA nodes of the machine: -numa, and what is made of it.
 */
#ifndef HW_CORE_NUMA_H
#define HW_CORE_NUMA_H

#include "hw/core/machine.h"
#include "qapi/qapi-types.h"

/* CPUs that -numa cpu puts into a node: those with these ids; -1: any. */
typedef struct NumaCpu {
    int64_t node, socket, die, core, thread;
} NumaCpu;

/* Before machine_init(), in any order, as here or in JSON:
 *   node[,nodeid=N][,mem=SIZE|,memdev=ID][,cpus=A-B[,cpus=C]][,initiator=N]
 *   dist,src=N,dst=N,val=10..255
 *   cpu,node-id=N[,socket-id=N][,die-id=N][,core-id=N][,thread-id=N]
 *   hmat-lb,... and hmat-cache,... (hw/core/numa-hmat.h)
 * A node without nodeid takes the first free number. What is wrong in itself is refused here, and
 * then nothing is changed; what does not go together, by numa_complete(). */
bool numa_parse(Machine *machine, const char *text, GError **errp);

/* The same as the schema has it, where sizes are bytes (in text, a bare number is MiB in `mem`).
 * For set-numa-node. */
bool numa_set(Machine *machine, const NumaOptions *options, GError **errp);

/* Fill in what was not given and check the whole: one node 0 if there is none; RAM shared out
 * evenly in whole 8 MiB among the nodes if no `mem` or `memdev` was given, else the sum must be the
 * RAM size; a CPU without a node gets node 0 if others were given one, else node (its socket modulo
 * the number of nodes); distances, if there are any, for each pair of nodes, dst-src as src-dst
 * unless a pair differs; without any, 10 to itself and 20 to others; HMAT. For machine_init(). */
bool numa_complete(Machine *machine, GError **errp);

/* Free what the above made; for the machine's end. */
void numa_drop(Machine *machine);

/* The node numbers there are run from 0 to num_nodes - 1 without a hole (checked above). */
static inline bool numa_node_exists(const Machine *machine, uint64_t node)
{
    return node < machine->num_nodes && machine->nodes[node].present;
}

#endif
