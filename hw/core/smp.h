/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a machine's CPUs are arranged.
 */
#ifndef HW_CORE_SMP_H
#define HW_CORE_SMP_H

#include <stdint.h>

#define MAX_CPUS 288 /* of any machine; MachineOps.max_cpus */

/* sockets * dies * cores * threads is maxcpus, of which cpus are there at the start. */
typedef struct SmpTopology {
    uint32_t cpus, maxcpus, sockets, dies, cores, threads;
} SmpTopology;

#endif
