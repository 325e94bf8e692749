/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What emitters of SSE instructions share. */
#ifndef ACCEL_SOFT_TRANSLATE_EMIT_SSE_H
#define ACCEL_SOFT_TRANSLATE_EMIT_SSE_H

#include "accel/soft/translate/emit.h"
#include "accel/soft/translate/share.h"

/* An XMM register will be read, or changed in part: have it in the host's. */
void xmm_read(Translator *t, unsigned reg);
/* It was written. */
void xmm_written(Translator *t, unsigned reg);
/* Test what native_check_sse() does, once in a block; the interpreter raises the fault. False, with
 * nothing emitted: there is no room for more of them. */
bool sse_allowed(Translator *t);
/* Have the guest's MXCSR in force; if it unmasks exceptions, the interpreter goes on. Once in a
 * block, after sse_allowed(). */
void mxcsr_need(Translator *t);
/* Behind the block: moves of whole registers where their common check fails. @emit: as for
 * share_emit_copies(). */
void xmm_emit_runs(Translator *t, ShareEmitFn *emit);
/* When all jumps of failed checks have been emitted. */
void xmm_bind_runs(Translator *t);
/* memory_operand(); @aligned: #GP, by the slow way, if it is not at a multiple of 16. */
HostRm sse_operand(Translator *t, unsigned size, bool write, bool aligned);

#endif
