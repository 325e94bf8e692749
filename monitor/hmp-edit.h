/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typing of lines with GNU readline: editing, history, completion. Readline is one for the whole
 * process, so one session can have it at a time; the others do with less (hmp-session.c).
 *
 * It sees no terminal: bytes come from and go to functions, as a monitor may be on any character
 * device. Main thread, machine lock.
 */
#ifndef MONITOR_HMP_EDIT_H
#define MONITOR_HMP_EDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The session that has it. */
typedef struct HmpEditUser {
    void (*write)(void *opaque, const char *buf, size_t len); /* to the terminal; "\n" is bare */
    /* A line was entered. False: it has not ended yet, and hmp_edit_go_on() will tell. */
    bool (*line)(void *opaque, const char *line);
    void *opaque;
} HmpEditUser;

/* Take it for @user (borrowed until hmp_edit_end()) and show @prompt, a literal. @terminal: the
 * name of the terminal's type. False: someone else has it. */
bool hmp_edit_begin(const HmpEditUser *user, const char *terminal, const char *prompt);
/* The size of the terminal, in characters. */
void hmp_edit_set_size(int rows, int columns);
/* Bytes from the terminal. May call the user's functions; hmp_edit_end() may be called from them.
 * Returns how many were taken: all, unless a line that was entered has not ended. */
int hmp_edit_input(const uint8_t *buf, int len);
/* The line has ended: show the prompt. */
void hmp_edit_go_on(void);
/* Show prompt and line again, after something else was written. */
void hmp_edit_show(void);
/* Call @fn for each line of the history, the oldest first. */
void hmp_edit_history(void (*fn)(void *opaque, const char *line), void *opaque);
/* Give it back; what was typed and not entered is lost. */
void hmp_edit_end(void);

#endif
