/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a watchdog that fires does: -action watchdog= and set-action say it, the event WATCHDOG
 * tells of it. The devices are `i6300esb`, a PCI function, and `ib700`, two ports.
 */
#ifndef HW_WATCHDOG_WATCHDOG_H
#define HW_WATCHDOG_WATCHDOG_H

/* The guest has not been heard of in time. Main thread, machine lock. */
void watchdog_fired(void);

#endif
