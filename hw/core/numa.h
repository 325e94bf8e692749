/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NUMA nodes of the machine: -numa, and what is made of it.
 */
#ifndef HW_CORE_NUMA_H
#define HW_CORE_NUMA_H

#include "hw/core/cpu-slots.h"
#include "qapi/qapi-types.h"

#define MAX_NODES 128

/* A NUMA node. There is one, node 0 with all CPUs and RAM, unless the user says otherwise. */
typedef struct NumaNode {
    bool present;
    uint64_t mem;                /* boot RAM, bytes */
    bool mem_given;              /* by the user; numa_complete() shares out the rest */
    char *memdev;                /* id of the backend that its boot RAM is, or NULL */
    bool initiator_given;        /* the node whose CPUs are nearest, by the user */
    uint8_t initiator;           /* that node, if it is given */
    uint8_t distance[MAX_NODES]; /* SLIT row; complete after numa_complete() */
} NumaNode;

/* CPUs that -numa cpu puts into a node: those with these ids; -1: any. */
typedef struct NumaCpu {
    int64_t node, socket, die, core, thread;
} NumaCpu;

/* The part of a machine that says where its CPUs and its memory are. Zeros, then numa_init(). */
typedef struct NumaConfig {
    NumaNode nodes[MAX_NODES];
    unsigned num_nodes;
    int16_t cpu_node[MAX_CPUS]; /* by CPU index; -1: none yet; all maxcpus have one after
                                   numa_complete() */
    bool distances_given;
    GArray *cpus;        /* of NumaCpu: -numa cpu; NULL: none */
    bool hmat;           /* -machine hmat=on: there is an HMAT */
    GArray *hmat_lbs;    /* of HmatLb (hw/core/numa-hmat.h): -numa hmat-lb; NULL: none */
    GArray *hmat_caches; /* of HmatCache: -numa hmat-cache; NULL: none */
} NumaConfig;

void numa_init(NumaConfig *numa);

/* Before machine_init(), in any order, as here or in JSON:
 *   node[,nodeid=N][,mem=SIZE|,memdev=ID][,cpus=A-B[,cpus=C]][,initiator=N]
 *   dist,src=N,dst=N,val=10..255
 *   cpu,node-id=N[,socket-id=N][,die-id=N][,core-id=N][,thread-id=N]
 *   hmat-lb,... and hmat-cache,... (hw/core/numa-hmat.h)
 * A node without nodeid takes the first free number. What is wrong in itself is refused here, and
 * then nothing is changed; what does not go together, by numa_complete(). */
bool numa_parse(NumaConfig *numa, const char *text, GError **errp);

/* The same as the schema has it, where sizes are bytes (in text, a bare number is MiB in `mem`).
 * For set-numa-node. */
bool numa_set(NumaConfig *numa, const NumaOptions *options, GError **errp);

/* Fill in what was not given and check the whole, for the CPUs of @slots: one node 0 if there is
 * none; RAM shared out evenly in whole 8 MiB among the nodes if no `mem` or `memdev` was given,
 * else the sum must be the RAM size (@ram_size, bytes); a CPU without a node gets node 0 if others
 * were given one, else node (its socket modulo the number of nodes); distances, if there are any,
 * for each pair of nodes, dst-src as src-dst unless a pair differs; without any, 10 to itself and
 * 20 to others; HMAT. For machine_init(). */
bool numa_complete(NumaConfig *numa, const CpuSlots *slots, uint64_t ram_size, GError **errp);

/* Free what the above made; for the machine's end. */
void numa_drop(NumaConfig *numa);

/* The node numbers there are run from 0 to num_nodes - 1 without a hole (checked above). */
static inline bool numa_node_exists(const NumaConfig *numa, uint64_t node)
{
    return node < numa->num_nodes && numa->nodes[node].present;
}

#endif
