/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/cmdline.h"

#include <string.h>

#include "qapi/help.h"
#include "util/error.h"

/* A key whose value can be help, whatever is before it. */
#define MODEL_KEY "model="

const Option *cmdline_option(const char *name)
{
    for (const Option *o = options; o->name || o->help; o++) {
        if (o->name && strcmp(o->name, name) == 0) {
            return o;
        }
    }
    return NULL;
}

static void option_use_clear(gpointer data)
{
    OptionUse *use = data;

    g_free(use->arg);
    g_free(use->where);
}

static GArray *uses_new(void)
{
    GArray *uses = g_array_new(FALSE, FALSE, sizeof(OptionUse));

    g_array_set_clear_func(uses, option_use_clear);
    return uses;
}

GArray *cmdline_parse(int argc, char *const argv[], GError **errp)
{
    g_autoptr(GArray) uses = uses_new();

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] && argv[i][0] != '-') { /* as they know it: a disk */
            OptionUse disk = { .option = cmdline_option("hda"), .arg = g_strdup(argv[i]) };

            g_array_append_val(uses, disk);
            continue;
        }
        if (argv[i][0] == '\0' || argv[i][1] == '\0') {
            error_set(errp,
                      "'%s' is neither an option nor the name of a disk's file; -help lists the "
                      "options",
                      argv[i]);
            return NULL;
        }
        const char *name = argv[i] + (argv[i][1] == '-' ? 2 : 1);
        OptionUse use = { .option = cmdline_option(name) };
        if (!use.option && cmdline_refused(name)) {
            error_set(errp, "-%s: %s", name, cmdline_refused(name));
            return NULL;
        }
        if (!use.option) {
            error_set(errp, "unknown option '%s'; -help lists the options", argv[i]);
            return NULL;
        }
        if (use.option->arg) {
            if (i + 1 == argc) {
                error_set(errp, "-%s needs an argument: %s", use.option->name, use.option->arg);
                return NULL;
            }
            use.arg = g_strdup(argv[++i]);
        }
        g_array_append_val(uses, use);
    }
    return g_steal_pointer(&uses);
}

bool cmdline_expand(GArray *uses, GError **errp)
{
    g_autoptr(GArray) before = uses_new();
    bool ok = true;

    for (unsigned i = 0; ok && i < uses->len; i++) {
        OptionUse *use = &g_array_index(uses, OptionUse, i);

        if (use->option->expand) {
            ok = use->option->expand(before, use->arg, errp);
            if (!ok) {
                g_prefix_error(errp, "-%s %s: ", use->option->name, use->arg);
            }
        } else {
            g_array_append_val(before, *use);
            *use = (OptionUse){ .option = use->option }; /* its texts have moved */
        }
    }
    if (ok) {
        g_array_set_size(uses, 0);
        g_array_append_vals(uses, before->data, before->len);
        /* Moved as well: no texts are left to be freed in @before. */
        memset(before->data, 0, before->len * sizeof(OptionUse));
    }
    return ok;
}

bool cmdline_use_run(const OptionUse *use, Startup *startup, GError **errp)
{
    const Option *option = use->option;

    if (!option->apply) {
        return !option->handle || option->handle(startup, use->arg, errp);
    }
    void *parsed = qapi_from_option(option->type, use->arg, option->implied_key, errp);
    bool ok = parsed && option->apply(startup, parsed, errp);

    qapi_free(option->type, parsed);
    return ok;
}

char *cmdline_use_text(const OptionUse *use)
{
    if (use->where) {
        return g_strdup(use->where);
    }
    return use->arg ? g_strdup_printf("-%s %s", use->option->name, use->arg)
                    : g_strdup_printf("-%s", use->option->name);
}

/* What the schema says of the argument: the kinds there are, or the parameters; g_free. */
static char *schema_text(const Option *option)
{
    const QapiType *type = option->type;
    GString *text = g_string_new(NULL);
    const QapiMember *kind = type->members;

    while (kind->name && kind->type->kind != QAPI_KIND_ENUM) {
        kind++;
    }
    if (!type->variants || !kind->name) {
        g_string_append_printf(text, "-%s options:\n", option->name);
        qapi_help_members(type, 0, NULL, text);
        return g_string_free(text, FALSE);
    }
    g_string_append_printf(text, "Kinds of -%s:\n", option->name);
    for (unsigned i = 0; kind->type->lookup[i]; i++) {
        g_string_append_printf(text, "%s\n", kind->type->lookup[i]);
    }
    return g_string_free(text, FALSE);
}

static bool is_help(const char *word)
{
    return strcmp(word, "help") == 0 || strcmp(word, "?") == 0;
}

bool cmdline_use_wants_text(const OptionUse *use, char **text, GError **errp)
{
    if (use->option->lists && is_help(use->arg)) {
        *text = schema_text(use->option);
        return true;
    }
    if (!use->option->text) {
        return false;
    }
    if (!use->arg) {
        *text = use->option->text("", errp);
        return true;
    }
    const char *comma = strrchr(use->arg, ',');
    const char *last = comma ? comma + 1 : use->arg;
    if (g_str_has_prefix(last, MODEL_KEY)) {
        last += strlen(MODEL_KEY);
    }
    if (!is_help(last)) {
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
