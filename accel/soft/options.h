/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users say of the software CPU (-accel soft,...). Set before CPUs are made, then constant. */
#ifndef ACCEL_SOFT_OPTIONS_H
#define ACCEL_SOFT_OPTIONS_H

#include <glib.h>
#include <stdbool.h>

typedef enum SoftTranslateMode {
    SOFT_TRANSLATE_OFF,
    SOFT_TRANSLATE_ON,  /* 64-bit blocks that are hot */
    SOFT_TRANSLATE_ALL, /* every block when it is first run */
} SoftTranslateMode;

typedef struct SoftOptions {
    SoftTranslateMode translate;
    unsigned tb_size; /* MiB of translated code for each vCPU */
    bool one_insn;    /* blocks of one instruction */
    bool perf_map;    /* write /tmp/perf-PID.map */
} SoftOptions;
extern SoftOptions soft_options;

/* translate=off|on|all, tb-size=MiB, one-insn-per-tb=on|off, perf-map=on|off */
bool soft_set_translate(const char *value, GError **errp);
bool soft_set_tb_size(const char *value, GError **errp);
bool soft_set_one_insn(const char *value, GError **errp);
bool soft_set_perf_map(const char *value, GError **errp);

#endif
