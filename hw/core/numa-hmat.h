/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the speed of memory: latency and bandwidth from node to node, and caches at the
 * side of memory (-numa hmat-lb, -numa hmat-cache). The HMAT is made of it (ACPI 6.4 section
 * 5.2.27). Machine lock for everything.
 */
#ifndef HW_CORE_NUMA_HMAT_H
#define HW_CORE_NUMA_HMAT_H

#include "hw/core/numa.h"

#define HMAT_CACHE_LEVELS 3
#define HMAT_MOST_ENTRY   0xfffe /* 0xffff says: unreachable */

/* One figure. */
typedef struct HmatLb {
    uint8_t initiator, target; /* nodes */
    HmatLBMemoryHierarchy hierarchy;
    HmatLBDataType data_type;
    uint64_t value; /* latency: ns; bandwidth: MiB/s; 0: not known */
} HmatLb;

/* One level of cache at the side of a node's memory. */
typedef struct HmatCache {
    uint8_t node, level; /* level: 1 to HMAT_CACHE_LEVELS */
    uint64_t size;       /* bytes, > 0 */
    HmatCacheAssociativity associativity;
    HmatCacheWritePolicy policy;
    uint16_t line; /* bytes */
} HmatCache;

/* @options as numa_set() takes them, of type hmat-lb resp. hmat-cache. What concerns more than one
 * of them is checked by numa_hmat_complete(). Nothing is added on failure. */
bool numa_hmat_set_lb(NumaConfig *numa, const NumaOptions *options, GError **errp);
bool numa_hmat_set_cache(NumaConfig *numa, const NumaOptions *options, GError **errp);

/* Check the whole, when nodes and CPUs are known: anything of HMAT only with hmat=on; initiators
 * have CPUs, and a node with CPUs is its own; nothing is given twice; values fit into the table;
 * levels of cache without a gap, each larger than the one before, and only where both latency and
 * bandwidth of the memory are known. For numa_complete(). */
bool numa_hmat_complete(const NumaConfig *numa, GError **errp);

/* Has @node CPUs? After numa_complete(). */
bool numa_node_has_cpus(const NumaConfig *numa, unsigned node);

/* In what unit (ns or MiB/s) the figures of this kind fit into the 16-bit entries of the table: 1,
 * or else the largest number that divides them all; 0: there are no figures. At most
 * HMAT_MOST_ENTRY units each, after numa_complete(). */
uint64_t numa_hmat_unit(const NumaConfig *numa, HmatLBMemoryHierarchy hierarchy,
                        HmatLBDataType data_type);

static inline bool numa_hmat_is_latency(HmatLBDataType data_type)
{
    return data_type <= HMAT_LB_DATA_TYPE_WRITE_LATENCY;
}

#endif
