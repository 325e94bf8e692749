/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places for CPUs of a PC: who gets which, and what is done when one comes or goes. Machine
 * lock.
 */
#ifndef HW_I386_CPU_PLUG_H
#define HW_I386_CPU_PLUG_H

#include "hw/i386/x86.h"

/* Arrange the places for CPUs, which are of @model, and make those that are there from the start,
 * under /machine/unattached, realized; their threads are stopped. */
bool x86_init_cpus(X86Machine *x86, X86CpuModel *model, GError **errp);

/* HotplugHandler for TYPE_X86_CPU. */
bool x86_cpu_pre_plug(Machine *machine, Device *dev, GError **errp);
void x86_cpu_plugged(Machine *machine, Device *dev);
bool x86_cpu_unplug_requested(Machine *machine, Device *dev, GError **errp);
void x86_cpu_unplugged(Machine *machine, Device *dev);

#endif
