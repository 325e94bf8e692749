/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI namespace (ACPI 6.4, 5.3): a tree of names of 4 characters.
 */
#ifndef TESTS_QTEST_OSPM_AML_NAMESPACE_H
#define TESTS_QTEST_OSPM_AML_NAMESPACE_H

#include "tests/qtest/ospm/aml-object.h"
#include "tests/qtest/ospm/aml-parse.h"

struct AmlNode {
    char name[5];
    AmlNode *parent;     /* NULL: the root */
    GPtrArray *children; /* AmlNode *, owned, in the order of their declaration; NULL: none */
    AmlCell *cell;       /* what it stands for; an alias shares that of another */
};

/* A root with the scopes and objects that every system has (section 5.3.1). */
AmlNode *aml_namespace_new(void);
void aml_namespace_free(AmlNode *root);

AmlNode *aml_node_child(const AmlNode *node, const char name[4]);
/* Find @name from @scope; a name that is one bare segment is looked for in the scopes around it
 * too. NULL: there is none. */
AmlNode *aml_node_find(AmlNode *scope, const AmlName *name);
/* The same for a name that is text; borrows. */
AmlNode *aml_node_find_text(AmlNode *scope, const char *path);
/* Add @name below @scope with @value, which is taken over. NULL and an error if the scope that it
 * should be in is not there, or if it exists. */
AmlNode *aml_node_add(AmlNode *scope, const AmlName *name, AmlObject *value, GError **errp);
/* Take it and all below out of the tree, and forget their values. The caller keeps the node until
 * nothing refers to it, then aml_namespace_free(). */
void aml_node_remove(AmlNode *node);

/* "\\_SB_.MHPC.M000". g_free(). */
char *aml_node_path(const AmlNode *node);

#endif
