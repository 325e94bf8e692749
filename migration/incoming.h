/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine comes: -incoming. It is made as it was at the other end, reset, and then filled from
 * the stream; it runs only when all of the stream was read and everything fits. Machine lock, main
 * thread.
 */
#ifndef MIGRATION_INCOMING_H
#define MIGRATION_INCOMING_H

#include "migration/channel.h"

/* The machine is made and reset: wait, in run state "inmigrate". @uri "defer": for
 * incoming_start(). @autostart: go on when it is there, if it ran. */
bool incoming_prepare(const char *uri, bool autostart, GError **errp);
/* migrate-incoming. */
bool incoming_start(const char *uri, ChannelTakeFd *take_fd, GError **errp);
/* Does the machine wait for one whose stream may be read from now on? With "defer" it does not
 * until incoming_start(). */
bool incoming_begun(void);
/* The program ends, the main loop has ended: nothing comes any more. */
void incoming_finish(void);
/* `cont` and `stop` meanwhile: whether it is to go on when it is there. */
void incoming_set_autostart(bool on);

#endif
