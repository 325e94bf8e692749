/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -daemonize and -pidfile.
 */
#ifndef SYSTEM_DAEMONIZE_H
#define SYSTEM_DAEMONIZE_H

#include <glib.h>
#include <stdbool.h>

/* Fork; before any thread is made. The child returns, its errors still go to the parent's stderr.
 * The parent waits and exits: 0 once the child called daemonize_done(), 1 if the child ended
 * before. */
bool daemonize_begin(GError **errp);
/* Child: let go of the terminal and the working directory, and release the parent. */
void daemonize_done(void);

/* Write our process id to @path, which stays locked as long as we live; an error if another process
 * has it locked. */
bool daemonize_pidfile_create(const char *path, GError **errp);
void daemonize_pidfile_remove(void); /* nothing if there is none */

#endif
