/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the targets of I/O memory management units share: 16 pages of RAM with their tables, a
 * function that does anything, and pins of the I/O APIC. No access takes long.
 */
#ifndef TESTS_FUZZ_IOMMU_H
#define TESTS_FUZZ_IOMMU_H

#include "hw/intc/ioapic.h"
#include "tests/fuzz/driver.h"

#define IOMMU_PAGE  0x1000u
#define IOMMU_DEVFN (DRIVER_FIRST << 3) /* of the function */

/* -device @unit, and the function below it. Of a FuzzBoard's populate. */
void iommu_populate(const char *unit);
/* A store to memory. */
void iommu_put(hwaddr at, uint64_t value, unsigned size);
/* Page @n of the 16; those above are the same again. */
uint64_t iommu_page(unsigned n);
/* Where the function reads and writes: what Linux's tables map, or anything. */
uint64_t iommu_take_address(FuzzInput *in);
/* Memory by the function, read, written or mapped; what is reached is RAM. */
FuzzStep iommu_step_dma;
/* A message of the function, in the 1 MiB of addresses from 0xfee00000 on or anywhere. */
FuzzStep iommu_step_message;
/* A pin of @ioapic gets an entry, and rises or falls. */
void iommu_pin(Ioapic *ioapic, FuzzInput *in);

#endif
