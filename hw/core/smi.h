/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMIs of a chipset: lines to processors that have system management mode (target/i386/cpu.h); of
 * others nothing happens. Machine lock.
 */
#ifndef HW_CORE_SMI_H
#define HW_CORE_SMI_H

/* For every processor. */
void smi_raise_all(void);
/* For the one whose thread this is, which is accessing the chipset; in another thread for the
 * first. */
void smi_raise_current(void);
/* For the first. */
void smi_raise_first(void);

#endif
