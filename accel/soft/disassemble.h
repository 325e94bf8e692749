/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code as text, for logs and statistics. Any thread. */
#ifndef ACCEL_SOFT_DISASSEMBLE_H
#define ACCEL_SOFT_DISASSEMBLE_H

#include <glib.h>
#include <stdint.h>

/* The first instruction of @code (@len bytes, at @rip) in AT&T syntax, to the end of @out; gives
 * its length. What is no instruction is a ".byte". @bits: 16, 32 or 64; @len is not 0. */
unsigned soft_disassemble_one(GString *out, unsigned bits, uint64_t rip, const uint8_t *code,
                              size_t len);
/* All of @code, a line each with address and bytes. */
void soft_disassemble(GString *out, unsigned bits, uint64_t rip, const uint8_t *code, size_t len);
/* Of code with this mode_key. */
unsigned soft_key_bits(uint32_t key);

#endif
