/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Eventfds that another program has as well. It may make them wait (O_NONBLOCK is one for all), so
 * that neither read() nor write() is safe.
 */
#ifndef UTIL_SHARED_EVENT_H
#define UTIL_SHARED_EVENT_H

#include <stdbool.h>

/* Was @fd signalled? It is not any more. Never waits. Any thread. */
bool shared_event_take(int fd);
/* Signal @fd; one whose counter is full is as it should be. Any thread. */
void shared_event_signal(int fd);

#endif
