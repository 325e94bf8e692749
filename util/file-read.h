/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that the user names, and that are read as a whole: firmware, kernels, secrets, lists. What
 * else a path may name, never ends (/dev/zero), or says nothing for ever (a FIFO): it is refused
 * before it is read. Only while the program starts, when nobody else waits, a pipe is read to its
 * end, as of a shell's <(...). Nothing here waits for somebody to open a FIFO. Any thread.
 */
#ifndef UTIL_FILE_READ_H
#define UTIL_FILE_READ_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* What users call small, such as a secret or a list. */
#define FILE_READ_SMALL (16u << 20)

/* What is read at most: it is in memory as a whole. */
#define FILE_READ_MOST (3u << 30)

/* As g_file_get_contents(), of at most @most bytes, which is FILE_READ_MOST or less. Errors name
 * the file. */
bool file_read(const char *path, uint64_t most, char **contents, gsize *size, GError **errp);
/* Mapped instead, so that it takes no memory; a regular file always. */
GMappedFile *file_map(const char *path, uint64_t most, GError **errp);
/* The program has started: no pipes any more. Once. */
void file_read_started(void);

#endif
