/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/cmdline.h"

#include <string.h>

#include "util/error.h"

static const Option *find_option(const char *typed)
{
    const char *name = typed + (g_str_has_prefix(typed, "--") ? 2 : 1);

    for (const Option *o = options; o->name || o->help; o++) {
        if (o->name && strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}

GArray *cmdline_parse(int argc, char *const argv[], GError **errp)
{
    g_autoptr(GArray) uses = g_array_new(FALSE, FALSE, sizeof(OptionUse));

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            error_set(errp,
                      "'%s' is not an option, and there is nothing else to give (no disks yet); "
                      "-help lists the options",
                      argv[i]);
            return NULL;
        }
        OptionUse use = { .option = find_option(argv[i]) };
        if (!use.option) {
            error_set(errp, "unknown option '%s'; -help lists the options", argv[i]);
            return NULL;
        }
        if (use.option->arg) {
            if (i + 1 == argc) {
                error_set(errp, "-%s needs an argument: %s", use.option->name, use.option->arg);
                return NULL;
            }
            use.arg = argv[++i];
        }
        g_array_append_val(uses, use);
    }
    return g_steal_pointer(&uses);
}

char *option_use_text(const OptionUse *use)
{
    return use->arg ? g_strdup_printf("-%s %s", use->option->name, use->arg)
                    : g_strdup_printf("-%s", use->option->name);
}

bool option_use_wants_text(const OptionUse *use, char **text, GError **errp)
{
    if (!use->option->text) {
        return false;
    }
    if (!use->arg) {
        *text = use->option->text("", errp);
        return true;
    }
    const char *comma = strrchr(use->arg, ',');
    const char *last = comma ? comma + 1 : use->arg;
    if (strcmp(last, "help") != 0 && strcmp(last, "?") != 0) {
        return false;
    }
    g_autofree char *what = g_strndup(use->arg, comma ? comma - use->arg : 0);
    *text = use->option->text(what, errp);
    return true;
}

char *cmdline_help(void)
{
    GString *text = g_string_new("usage: dimmable [options]\n");

    for (const Option *o = options; o->name || o->help; o++) {
        if (!o->name) {
            g_string_append_printf(text, "\n%s:\n", o->help);
            continue;
        }
        g_autofree char *left =
            o->arg ? g_strdup_printf("-%s %s", o->name, o->arg) : g_strdup_printf("-%s", o->name);
        if (strlen(left) <= 24) {
            g_string_append_printf(text, "  %-24s %s\n", left, o->help);
        } else {
            g_string_append_printf(text, "  %s\n  %-24s %s\n", left, "", o->help);
        }
    }
    return g_string_free(text, FALSE);
}
