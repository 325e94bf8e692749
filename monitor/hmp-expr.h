/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions of HMP: numbers (12, 0x1f, 017, 'A'), registers ($rip), parentheses, unary + - ~, and
 * binary operators; in order of strength * / %, then & | ^, then + -, as users of such monitors are
 * used to. Arithmetic is unsigned, modulo 2^64.
 */
#ifndef MONITOR_HMP_EXPR_H
#define MONITOR_HMP_EXPR_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The value of register @name (without "$"); false sets @errp. */
typedef bool HmpRegisterFn(void *opaque, const char *name, uint64_t *value, GError **errp);

/* Evaluate the whole of @text. Errors name the part that is wrong. */
bool hmp_expr(const char *text, HmpRegisterFn *get_register, void *opaque, uint64_t *value,
              GError **errp);

#endif
