/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jumps that are patched to go from one translated block straight into another. */
#ifndef ACCEL_SOFT_TRANSLATE_LINK_H
#define ACCEL_SOFT_TRANSLATE_LINK_H

#include "accel/soft/translate/translate.h"

/* What the check of a link that is not there looks at. */
extern const uint32_t link_never_valid;

/* Exit @which of @from, which is running and translated, goes to @to from now on, if it can. */
void link_exit(SoftCpu *s, SoftBlock *from, unsigned which, SoftBlock *to);
/* Nothing goes to @b, and @b goes nowhere. */
void link_remove(SoftCpu *s, SoftBlock *b);

#endif
