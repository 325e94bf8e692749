/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/help.h"

#include <string.h>

/* What may stand behind "name="; g_free. */
static char *values(const QapiType *type)
{
    switch (type->kind) {
    case QAPI_KIND_BOOL:
        return g_strdup("on|off");
    case QAPI_KIND_ENUM:
        return g_strjoinv("|", (char **)(uintptr_t)type->lookup);
    case QAPI_KIND_INT:
        return g_strdup(type->suffixes ? "SIZE" : "NUMBER");
    default:
        return g_strdup("TEXT");
    }
}

void qapi_help_members(const QapiType *type, int tag, const char *but, GString *text)
{
    for (const QapiMember *m = type->members; m->name; m++) {
        g_autofree char *what = values(m->type), *left = g_strconcat(m->name, "=", what, NULL);

        if (g_strcmp0(m->name, but) != 0) {
            g_string_append_printf(text, "  %-28s %s\n", left, m->doc);
        }
    }
    if (type->variants && type->variants[tag]) {
        qapi_help_members(type->variants[tag], 0, but, text);
    }
}
