/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What format an image has, by its first bytes, where nobody says it. */
#ifndef BLOCK_GUESS_H
#define BLOCK_GUESS_H

#include <stdbool.h>
#include <stdint.h>

#define BLOCK_GUESS_BYTES 4 /* that are looked at */

/* The driver of an image that begins so: "qcow2"; NULL: it could be anything. Any thread. */
const char *block_guess_from(const uint8_t bytes[BLOCK_GUESS_BYTES]);
/* The same for the file @name; NULL, too, if it is NULL or cannot be read. */
const char *block_guess_format(const char *name);

#endif
