/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator: blocks that are hot become host code (docs/software-cpu.md, "Translator"). One
 * for each vCPU, used by its thread only. A translated block is entered like any other: its first
 * micro-operation's function is then the way into host code.
 */
#ifndef ACCEL_SOFT_TRANSLATE_TRANSLATE_H
#define ACCEL_SOFT_TRANSLATE_TRANSLATE_H

#include "accel/soft/block.h"
#include "util/error.h"

/* What becomes of the flags from a point of the block on, until they are written over. */
typedef struct FlagWants {
    uint16_t changed; /* registers that change before the last time that they are wanted */
    bool read;        /* translated code reads them, or hands them on */
} FlagWants;

/* One way out of a translated block, which may be patched to go straight into another. Addresses
 * are those of the executable mapping. */
typedef struct SoftExit {
    SoftBlock *to;         /* patched to go there; NULL: it leaves */
    struct SoftExit *next; /* in the list of @to's `incoming` */
    const uint8_t *jump;   /* displacement of the jump in the block */
    const uint8_t *thunk;  /* where that goes while it is not patched to go straight on */
    const uint8_t *onward; /* displacement of the thunk's own jump; NULL: it has none */
    const uint8_t *leave;  /* where that goes while there is no link */
    const uint8_t *gen;    /* the thunk's pointer to the target's valid_gen; NULL: same page */
    const uint8_t *check;  /* in the thunk, behind what saves flags */
    bool unsaved;          /* the guest's flags are not in memory: the thunk saves them */
    bool remake;           /* ... but can be made again (remake.h), from: */
    uint16_t remake_regs;
} SoftExit;

/* What is known of a translated block. */
typedef struct SoftTranslation {
    SoftExit exits[2]; /* as SoftBlock.next */
    SoftExit *incoming;
    const uint8_t *inner; /* executable: behind the look at exit_request; NULL: there is no such
                           * entry */
    struct SoftTranslation *older; /* list of all */
    bool flags_live; /* the block reads flags, or may fault before it writes them all */
    FlagWants flag_wants;
} SoftTranslation;

bool soft_translate_init(SoftCpu *s, GError **errp);
void soft_translate_destroy(SoftCpu *s);
/* A block was decoded. */
void soft_translate_block_new(SoftCpu *s, SoftBlock *b);
/* A block is dead: nothing goes there any more. It may be running. */
void soft_translate_block_dead(SoftCpu *s, SoftBlock *b);
/* All blocks are being forgotten; none is running. */
void soft_translate_drop(SoftCpu *s);
/* There is no room: all blocks are to be forgotten as soon as none is running. */
bool soft_translate_full(const SoftCpu *s);

#endif
