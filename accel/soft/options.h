/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users say of the software CPU (-accel soft,...). Set before CPUs are made, then constant. */
#ifndef ACCEL_SOFT_OPTIONS_H
#define ACCEL_SOFT_OPTIONS_H

#include <glib.h>
#include <stdbool.h>

#include "qapi/qapi-types.h"

typedef struct SoftOptions {
    SoftTranslate translate; /* on: 64-bit blocks that are hot; all: each when it is first run */
    unsigned tb_size;        /* MiB of translated code for each vCPU */
    bool one_insn;           /* blocks of one instruction */
    bool perf_map;           /* write /tmp/perf-PID.map */
    bool single;             /* one CPU at a time runs guest code (turns.h) */
} SoftOptions;
extern SoftOptions soft_options;

/* Take what is given; nothing of it after an error. */
bool soft_set_options(const SoftEngineOptions *given, GError **errp);

#endif
