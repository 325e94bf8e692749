/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest's driver of PCI functions does, for fuzz targets: functions in slots from 16 on of
 * the root bus, by number @n from 0 on. Those of virtio have their BARs and, in RAM, up to four
 * split or packed rings of 16 KiB.
 */
#ifndef TESTS_FUZZ_DRIVER_H
#define TESTS_FUZZ_DRIVER_H

#include "memory/address-space.h"
#include "tests/fuzz/guest.h"

#define DRIVER_FIRST     16 /* slot */
#define DRIVER_QUEUES    4
#define DRIVER_IO        0xc000u
#define DRIVER_PAGE      0x1000u
#define DRIVER_RINGS     0x10000u
#define DRIVER_QUEUE_GAP 0x4000u

/* Add the device of `-device TEXT`, the node of `-blockdev TEXT`, the netdev of `-netdev TEXT`,
 * which must be possible. */
void driver_add(const char *text);
void driver_add_node(const char *text);
void driver_add_netdev(const char *text);
void driver_config_write(unsigned n, unsigned offset, uint32_t value, unsigned size);
/* A write to the configuration of one of the first @functions (at most 8). */
void driver_take_config(FuzzInput *in, unsigned functions);
/* Save @dev, load that with a damage, and, if it is refused, after a reset without. */
void driver_take_load(FuzzInput *in, Device *dev);
/* At @at in RAM, a packet as hosts send it, to another card, to all or to many as @how says; TCP,
 * UDP or anything in it. */
void driver_take_packet(FuzzInput *in, hwaddr at, unsigned how);
/* A store, which must not take long: a second of the processor, sanitizers included. */
void driver_access(AddressSpace *as, hwaddr at, uint64_t value, unsigned size);

/* Its BARs: I/O ports at DRIVER_IO + 0x100 * @n, the modern one at driver_bar(); and COMMAND. */
void driver_map(unsigned n);
uint64_t driver_bar(unsigned n);
/* To the modern BAR. */
void driver_store(unsigned n, unsigned offset, uint32_t value, unsigned size);
/* Where in RAM the ring of queue @q is: descriptors, a page on the driver's part, then the
 * device's. */
uint32_t driver_ring(unsigned n, unsigned q);
/* From a reset up to DRIVER_OK: these features, as far as they are offered, and rings of @size
 * entries. */
void driver_start(unsigned n, uint64_t features, unsigned size);
void driver_notify(unsigned n, unsigned q);
/* One input, a list of @steps, on a "pc" with one CPU, to which the first call adds what @populate
 * does. */
void driver_run_input(void (*populate)(Machine *machine), FuzzStep *const steps[FUZZ_STEPS],
                      const uint8_t *data, size_t size);

#endif
