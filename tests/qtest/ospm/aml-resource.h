/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resource templates, what _CRS gives (ACPI 6.4, 6.4).
 */
#ifndef TESTS_QTEST_OSPM_AML_RESOURCE_H
#define TESTS_QTEST_OSPM_AML_RESOURCE_H

#include "tests/qtest/ospm/aml-object.h"

typedef enum AmlResourceKind {
    AML_RESOURCE_IRQ, /* first: the mask of interrupts */
    AML_RESOURCE_MEMORY,
    AML_RESOURCE_IO,
    AML_RESOURCE_BUS,
} AmlResourceKind;

typedef struct AmlResource {
    AmlResourceKind kind;
    uint64_t first, length;
    bool writable; /* memory */
} AmlResource;

/* The descriptors of @template (a Buffer): GArray of AmlResource, g_array_unref(). NULL and an
 * error if it is no template: an unknown descriptor, a length that does not fit, an address range
 * whose end, start and length contradict each other, no end tag at the very end, or a bad checksum.
 */
GArray *aml_resources_parse(const AmlObject *template, GError **errp);

#endif
