/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that are made on the way to something that may fail: a start of the program, a new chardev.
 * When it fails, they are removed again. Main thread, machine lock where there is one.
 */
#ifndef UTIL_MADE_FILES_H
#define UTIL_MADE_FILES_H

#include <stdbool.h>
#include <sys/types.h>

typedef enum MadeFile {
    MADE_DATA, /* goes in any case; a folder too, when it is empty again */
    MADE_TEXT, /* stays if something was written to it: it may say what failed */
    MADE_SIZE, /* was there before, empty, and is empty again */
} MadeFile;

/* From here on, files are noted, until the end() that belongs to it (they nest). */
unsigned made_files_begin(void);
/* What begun with @mark is over. If not @ok, what was noted since is undone: a file is removed, or
 * emptied, if its name is still that of the same file. */
void made_files_end(unsigned mark, bool ok);

/* @path, just made (or extended); nothing happens outside of begin() and end(). */
void made_files_note(const char *path, MadeFile kind);

/* fdset_open_path() for writing, where the file is made with @mode if it is missing, and noted
 * then. @flags without O_CREAT. Nobody waits for who reads a FIFO: neither here, nor when it is
 * written to, which may fail with EAGAIN; with O_NONBLOCK in @flags one that nobody reads is ENXIO.
 * -1 with errno. */
int made_files_open(const char *path, int flags, mode_t mode, MadeFile kind);

#endif
