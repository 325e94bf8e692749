/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The translator's own state, one for each vCPU. */
#ifndef ACCEL_SOFT_TRANSLATE_TRANSLATOR_H
#define ACCEL_SOFT_TRANSLATE_TRANSLATOR_H

#include "accel/soft/translate/code-cache.h"
#include "accel/soft/translate/statistics.h"
#include "accel/soft/translate/thunks.h"

typedef struct SoftTranslator {
    CodeCache cache;
    size_t thunks_size; /* of the cache's beginning, which stays */
    Thunks thunks;
    SoftTranslation *newest; /* list of all */
    bool full;
    TranslateStatistics statistics;
} SoftTranslator;

/* Make host code of @b; false: there is no room. (block.c) */
bool translate_block(SoftTranslator *tr, SoftBlock *b);

#endif
