/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "util/error.h"
#include "util/made-files.h"
#include "util/trace.h"

uint32_t log_mask;

#define TRACE_PREFIX "trace:"

static GMutex file_lock;
static FILE *file; /* NULL: stderr */

static const struct {
    uint32_t item;
    const char *name, *help;
} log_items[] = {
    { LOG_IN_ASM, "in_asm", "guest code as it is decoded" },
    { LOG_OP, "op", "micro-operations of blocks as they are decoded" },
    { LOG_OUT_ASM, "out_asm", "host code of blocks as they are translated" },
    { LOG_INT, "int", "interrupts and exceptions" },
    { LOG_EXEC, "exec", "each block as it is entered" },
    { LOG_CPU, "cpu", "CPU registers at each block" },
    { LOG_CPU_RESET, "cpu_reset", "CPU registers at a reset" },
    { LOG_GUEST_ERROR, "guest_errors", "the guest did what hardware forbids" },
    { LOG_UNIMP, "unimp", "the guest used what is not there" },
    { LOG_MEM_HOTPLUG, "memory_hotplug", "the memory hot-plug registers and every transaction" },
    { LOG_IOPORT, "ioport", "accesses to ports where nothing is" },
};

void log_items_help(FILE *out)
{
    fprintf(out, "Log items (comma separated):\n");
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        fprintf(out, "%-15s %s\n", log_items[i].name, log_items[i].help);
    }
    fprintf(out, "%-15s %s\n", TRACE_PREFIX "PATTERN", "trace events; -trace help lists them");
    fprintf(out, "%-15s %s\n%-15s %s\n", "all", "all of these", "none", "nothing");
}

static bool find_item(const char *name, uint32_t *mask)
{
    if (strcmp(name, "all") == 0 || strcmp(name, "none") == 0) {
        *mask = *name == 'a' ? UINT32_MAX : 0;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(log_items); i++) {
        if (strcmp(name, log_items[i].name) == 0) {
            *mask = log_items[i].item;
            return true;
        }
    }
    return false;
}

/* The part of @name behind "trace:"; NULL: it is an item. */
static const char *trace_pattern(const char *name)
{
    return g_str_has_prefix(name, TRACE_PREFIX) ? name + strlen(TRACE_PREFIX) : NULL;
}

static bool check_name(const char *name, uint32_t *mask, GError **errp)
{
    uint32_t item = 0;

    if (trace_pattern(name)) {
        return trace_check(trace_pattern(name), errp);
    }
    if (!find_item(name, &item)) {
        error_set(errp, "There is no log item '%s'; the item 'help' lists those there are", name);
        return false;
    }
    *mask |= item;
    return true;
}

bool log_set_items(const char *items, GError **errp)
{
    g_auto(GStrv) names = g_strsplit(items, ",", -1);
    uint32_t mask = 0;

    for (char **name = names; *name; name++) {
        if (!check_name(*name, &mask, errp)) {
            return false;
        }
    }
    for (char **name = names; *name; name++) {
        if (trace_pattern(*name)) {
            trace_set(trace_pattern(*name), true, NULL);
        }
    }
    log_mask = mask;
    return true;
}

bool log_set_file(const char *path, GError **errp)
{
    int fd = made_files_open(path, O_WRONLY | O_TRUNC | O_CLOEXEC, 0666, MADE_TEXT);
    FILE *new_file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!new_file) {
        error_set_errno(errp, errno, "Cannot open the log file '%s' for writing", path);
        return false;
    }
    setlinebuf(new_file);
    g_mutex_lock(&file_lock);
    if (file) {
        fclose(file);
    }
    file = new_file;
    g_mutex_unlock(&file_lock);
    return true;
}

void log_printf(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_mutex_lock(&file_lock);
    vfprintf(file ? file : stderr, fmt, ap);
    g_mutex_unlock(&file_lock);
    va_end(ap);
}
