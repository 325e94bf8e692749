/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CPU is, as properties of its object: each feature by all of its names, family, model and
 * the like. They are read only: -cpu says them, and -global of the model's type.
 *
 * There is no "unavailable-features" and no "feature-words": where libvirt finds them, it takes
 * what a CPU has over into the domain, and then refuses to save one whose TSC is invariant
 * (invtsc), as the software CPU's is, and whose frequency the domain does not give.
 */
#ifndef HW_I386_CPU_PROPERTIES_H
#define HW_I386_CPU_PROPERTIES_H

#include "qom/object.h"

/* A table of @own, which ends with a NULL name, and of these; it lives as long as the program. */
const Property *x86_cpu_properties_with_features(const Property *own);

#endif
