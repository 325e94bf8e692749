/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for translated code: mapped twice, so that nothing is ever writable and
 * executable at one address. One for each vCPU, touched by its thread only. Of a fixed size, and
 * emptied as a whole.
 */
#ifndef ACCEL_SOFT_TRANSLATE_CODE_CACHE_H
#define ACCEL_SOFT_TRANSLATE_CODE_CACHE_H

#include <stddef.h>

#include "accel/soft/translate/assembler.h"
#include "util/error.h"

typedef struct CodeCache {
    uint8_t *write;      /* mapped readable and writable */
    const uint8_t *exec; /* the same pages, readable and executable */
    size_t size;         /* bytes */
    size_t used;
} CodeCache;

/* @size is a multiple of the host's page size. The pages take no memory before they are used. */
bool code_cache_init(CodeCache *cache, size_t size, GError **errp);
void code_cache_destroy(CodeCache *cache);
/* Forget what lies beyond the first @keep bytes and give its pages back to the host. */
void code_cache_empty(CodeCache *cache, size_t keep);
/* Begin to write at the end of what is used, if there are @room bytes left. */
bool code_cache_begin(CodeCache *cache, size_t room, HostCode *code);
/* What was written since then is kept. */
void code_cache_commit(CodeCache *cache, const HostCode *code);

/* Where a byte of the executable mapping can be written. */
static inline uint8_t *code_cache_writable(const CodeCache *cache, const uint8_t *exec)
{
    return cache->write + (exec - cache->exec);
}

#endif
