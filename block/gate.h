/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gate for threads that make requests of nodes by themselves, and not as a device does
 * (block/backend.h): they enter it for each, and a change of the graph waits until all are out, and
 * lets none in meanwhile. Within it they do not take the machine lock.
 */
#ifndef BLOCK_GATE_H
#define BLOCK_GATE_H

/* Any thread but the main one. */
void block_gate_enter(void);
/* For another thread that does a part of what the caller does, who is inside or has a request that
 * is waited for. */
void block_gate_join(void);
void block_gate_leave(void);
/* For block_hold_all() and block_resume_all(). */
void block_gate_close(void);
void block_gate_open(void);

#endif
