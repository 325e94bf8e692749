/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The -d/-D log: a mask of items, one table of names (log_items in log.c).
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    LOG_IN_ASM = 1 << 0,      /* "in_asm": guest code as it is decoded */
    LOG_INT = 1 << 1,         /* "int": interrupts and exceptions */
    LOG_EXEC = 1 << 2,        /* "exec": each block as it is entered */
    LOG_CPU_RESET = 1 << 3,   /* "cpu_reset" */
    LOG_GUEST_ERROR = 1 << 4, /* "guest_errors": the guest did what hardware forbids */
    LOG_UNIMP = 1 << 5,       /* "unimp": the guest used what is not there */
    LOG_CPU = 1 << 6,         /* "cpu": registers at each block */
    LOG_MEM_HOTPLUG = 1 << 7, /* "memory_hotplug": the register block and every transaction */
    LOG_OUT_ASM = 1 << 9,     /* "out_asm": host code of blocks as they are translated */
    LOG_OP = 1 << 10,         /* "op": micro-operations of blocks as they are decoded */
    LOG_IOPORT = 1 << 8,      /* "ioport": accesses to ports where nothing is */
};

extern uint32_t log_mask;

static inline bool log_enabled(uint32_t item)
{
    return G_UNLIKELY(log_mask & item);
}

/* Parse "-d" text ("item,item", "all", "help" handled by the caller through log_items_help()). */
bool log_set_items(const char *items, GError **errp);
bool log_set_file(const char *path, GError **errp);
void log_items_help(FILE *out);

/* printf to the log (stderr by default). Any thread. Callers test log_enabled() first. */
void log_printf(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

#endif
