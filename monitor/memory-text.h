/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory devices in words, for HMP. Machine lock.
 */
#ifndef MONITOR_MEMORY_TEXT_H
#define MONITOR_MEMORY_TEXT_H

#include "qapi/qapi-types.h"

/* The state of @info and its warnings, as lines of `info memory-devices`: two spaces, a word, a
 * colon. "" if nothing is known. g_free. */
char *memory_state_text(const PCDIMMDeviceInfo *info);

#endif
