/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flags that are not saved but made again when somebody wants them: from the registers that they
 * were computed of, as long as those are as they were (remake.c).
 */
#ifndef ACCEL_SOFT_TRANSLATE_REMAKE_H
#define ACCEL_SOFT_TRANSLATE_REMAKE_H

#include "accel/soft/translate/emit.h"

/* t->wants, by t->live. @function_of: what the interpreter would call. */
void remake_plan(Translator *t, UopFn *(*function_of)(const SoftBlock *b, unsigned index));

/* The micro-operation being emitted, which flags_written() was called for, is @op: its flags can be
 * made again from its operands, or from its result. */
void remake_by(Translator *t, const Uop *op, const SoftMeaning *m);
/* It was emitted: what its registers' new values make unknown. */
void remake_follow(Translator *t);
/* May the flags that are in the host's be given up, and be made again where they are wanted? */
bool remake_possible(const Translator *t);
/* Have the flags of @source in the host's; SCRATCH_A is destroyed. */
void remake_emit(Translator *t, const FlagSource *source);

/* At the block's end, before its jumps: if the flags can be made again, tell SoftCpu where the code
 * is that does so (SoftFlags.remake). The host's flags stay. */
void remake_offer(Translator *t);
/* The same for a comparison with a branch that is about to be emitted: a store between the two
 * would keep the host from running them as one. */
void remake_offer_before(Translator *t, const Uop *op, const SoftMeaning *m);
/* Behind the block: that code. */
void remake_emit_tail(Translator *t);
/* May a block be entered when the flags can be made of @regs, but are not saved? */
bool remake_suits(const FlagWants *wants, uint16_t regs);

#endif
