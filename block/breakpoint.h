/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints of a node of driver "blkdebug": the next request that meets an event waits, in its
 * thread, until somebody lets it go on. Any thread.
 */
#ifndef BLOCK_BREAKPOINT_H
#define BLOCK_BREAKPOINT_H

#include "qapi/qapi-types.h"

typedef struct Breakpoints Breakpoints;

Breakpoints *breakpoints_new(void);
/* No request is there any more. */
void breakpoints_free(Breakpoints *b);

/* The next request that meets @event waits as @tag. */
void breakpoints_add(Breakpoints *b, BlkdebugEvent event, const char *tag);
/* There are none called @tag from now on, and what waits as that goes on. False: there were none.
 */
bool breakpoints_remove(Breakpoints *b, const char *tag);
/* What waits as @tag goes on. False: nothing does. */
bool breakpoints_resume(Breakpoints *b, const char *tag);

/* A request meets @event: wait if there is a breakpoint, and the caller has not the machine lock.
 */
void breakpoints_meet(Breakpoints *b, BlkdebugEvent event);

/* Between the two nothing waits, of no node: what is under way is waited for. Nested. */
void breakpoints_ignore_begin(void);
void breakpoints_ignore_end(void);

#endif
