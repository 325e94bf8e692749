/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What leave.c has for the translator's loop; emitters use emit.h. */
#ifndef ACCEL_SOFT_TRANSLATE_LEAVE_H
#define ACCEL_SOFT_TRANSLATE_LEAVE_H

#include "accel/soft/translate/emit.h"

/* Call the functions of @count micro-operations from @first on. Flags are in memory before and
 * after. */
void emit_call_uops(Translator *t, const Thunks *thunks, unsigned first, unsigned count);
/* May the target of exit @which be entered without a look at its valid_gen? It begins on the page
 * where the block @b lies. */
bool exit_same_page(const SoftBlock *b, unsigned which);
/* Everything that lies behind the block. */
void emit_tail(Translator *t, const Thunks *thunks);

#endif
