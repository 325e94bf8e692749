/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks that several accesses of a block share (share.c). */
#ifndef ACCEL_SOFT_TRANSLATE_SHARE_H
#define ACCEL_SOFT_TRANSLATE_SHARE_H

#include "accel/soft/translate/emit.h"

/* At the block's begin: find groups and runs. @function_of: what the interpreter would call. */
void share_plan(Translator *t, UopFn *(*function_of)(const SoftBlock *b, unsigned index));
/* Before micro-operation @index is emitted: a run may begin or end there. */
void share_at(Translator *t, unsigned index);
/* C was called within a run, which comes back: what the checks before found holds no more. */
void share_c_called(Translator *t);
/* Where the copy goes on with @index, for a slow path; 0: not in the copy. */
unsigned share_copy_of(const Translator *t, unsigned index);

/* What a checked access does about its check. */
typedef struct ShareCheck {
    enum {
        SHARE_NONE, /* its own */
        SHARE_DONE, /* none: SCRATCH_B is what to add */
        SHARE_OPEN, /* that of the group, here; share_opened() follows. If it fails: share_jump() */
    } what;
    int32_t disp;
    unsigned size;
    bool write;
} ShareCheck;

/* The access of @size bytes at [host register @base + @disp] of the micro-operation that is being
 * emitted, which flags_spill() has been called for and nothing else emitted yet. */
ShareCheck share_check(Translator *t, unsigned base, int32_t disp, unsigned size, bool write);
void share_opened(Translator *t);
uint8_t **share_jump(Translator *t, uint8_t *at);

/* What the translator knows now; and back. */
ShareState share_state(const Translator *t);
void share_restore(Translator *t, const ShareState *s);
/* Behind the block. @emit emits a micro-operation and gives the next one's index. */
typedef unsigned ShareEmitFn(Translator *t, unsigned index);
void share_emit_copies(Translator *t, ShareEmitFn *emit);
/* When all jumps of failed checks have been emitted. */
void share_bind(Translator *t);

#endif
