/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CPU is, as properties of its object: each feature by all of its names, family, model and
 * the like. -cpu says them, -global of the model's type, and -device of a CPU that comes later:
 * that one alone has them then.
 */
#ifndef HW_I386_CPU_PROPERTIES_H
#define HW_I386_CPU_PROPERTIES_H

#include "qom/object.h"
#include "target/i386/cpuid.h"

/* A table of @own, which ends with a NULL name, and of these; it lives as long as the program. */
const Property *x86_cpu_properties_with_features(const Property *own);

/* What CPUs of model @info have beside these; NULL: nothing. */
const Property *x86_cpu_properties_of(const X86CpuModelInfo *info);

#endif
