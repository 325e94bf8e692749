/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that commands write guest memory to.
 */
#ifndef MONITOR_OUTPUT_FILE_H
#define MONITOR_OUTPUT_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct OutputFile {
    int fd;
    char *path; /* if the file was made here: removed after a failure */
} OutputFile;

/* Open @path (or /dev/fdset/N) for writing, empty; a new file is for its owner only. @places:
 * it is to have places (output_file_write_at()), as a regular file has, or /dev/null. Waits for
 * nobody: a FIFO that no one reads is an error. */
bool output_file_open(OutputFile *file, const char *path, bool places, GError **errp);
/* All @len bytes at @offset. @buf may be guest memory: what cannot be read is an error too. */
bool output_file_write_at(const OutputFile *file, const void *buf, uint64_t len, uint64_t offset,
                          GError **errp);
/* Close; @ok false: also remove what was made. */
void output_file_close(OutputFile *file, bool ok);

#endif
