/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What format an image has, by its first bytes, where nobody says it. */
#ifndef BLOCK_GUESS_H
#define BLOCK_GUESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define BLOCK_GUESS_BYTES 128 /* that are looked at */

/* The format of an image that begins so: "qcow2", or one that there is no driver of, such as
 * "vmdk"; NULL: it could be anything. Any thread. */
const char *block_guess_from(const uint8_t bytes[BLOCK_GUESS_BYTES]);
/* The driver of the file @name: "qcow2"; NULL: it could be anything, or @name is NULL or cannot be
 * read. False, and an error: it has a format that there is no driver of. */
bool block_guess_format(const char *name, const char **driver, GError **errp);

#endif
