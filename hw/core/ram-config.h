/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of a machine that says how much memory it has and may have (-m), and what its boot
 * memory is made of (hw/core/machine-ram.h).
 */
#ifndef HW_CORE_RAM_CONFIG_H
#define HW_CORE_RAM_CONFIG_H

#include "memory/memory.h"

#define MAX_RAM_SLOTS 256

typedef struct RamConfig {
    uint64_t size, max_size; /* bytes; max_size == size: no DIMMs */
    uint64_t slots;          /* for DIMMs */
    bool size_given;         /* by the user */
    bool max_given;          /* maxmem, by the user */
    char *backend;           /* id of the backend that all boot RAM is, or NULL */
    char *path;              /* -mem-path: file that it is, or NULL */
    bool dump;               /* it is part of core dumps */
    bool merge;              /* the host may merge equal pages of it */

    /* made by machine_init() */
    MemoryRegion region; /* boot RAM, if it is several backends */
    GPtrArray *backends; /* of HostMemoryBackend *, in order; NULL: none yet */
} RamConfig;

#endif
