/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts from anywhere: a message (MSI) that is sent each time an eventfd is signalled, by any
 * thread or process. The engine does it where it can (AccelNotify), else the main loop. The other
 * way, from a guest's write to an eventfd, is memory_region_add_event(). Machine lock.
 */
#ifndef ACCEL_NOTIFY_H
#define ACCEL_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Where a message goes: to which address, and what (SDM vol. 3 section 11.11). */
typedef struct AccelMsiRoute AccelMsiRoute;

AccelMsiRoute *accel_msi_route_new(uint64_t addr, uint32_t data);
/* How messages are sent where the engine does not: NULL, as at first, by a store to their address.
 * The low 32 bits of that are an address; what is above is between those who send and who take. */
void accel_set_msi_sender(void (*send)(uint64_t addr, uint32_t data));
void accel_msi_route_change(AccelMsiRoute *route, uint64_t addr, uint32_t data);
/* With its eventfd, if it has one. NULL is fine. */
void accel_msi_route_free(AccelMsiRoute *route);

/* From now on signals of the eventfd @fd, borrowed, send the message, at once if there was one. A
 * route has one eventfd at most. */
void accel_irqfd_add(AccelMsiRoute *route, int fd);
/* From now on they do not; what was signalled and not sent stays in the eventfd. Harmless without
 * one. */
void accel_irqfd_del(AccelMsiRoute *route);
/* What was signalled by now has been sent when this returns, unless the engine does it, which waits
 * for nobody. */
void accel_irqfd_flush(const AccelMsiRoute *route);
/* Does the engine do it? */
bool accel_irqfd_is_fast(const AccelMsiRoute *route);

#endif
