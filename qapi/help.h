/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people are told of a type in the schema.
 */
#ifndef QAPI_HELP_H
#define QAPI_HELP_H

#include "qapi/visit.h"

/* Append a line for each member of @type, a struct or a union, of which it is that with the value
 * @tag: "  name=VALUES  what it is". @but: a member that is left out; NULL: none. */
void qapi_help_members(const QapiType *type, int tag, const char *but, GString *text);

#endif
