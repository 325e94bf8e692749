/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers and tables of AMD's IOMMU (AMD I/O Virtualization Technology Specification, 48882). */
#ifndef HW_IOMMU_AMDVI_REGS_H
#define HW_IOMMU_AMDVI_REGS_H

#include <stdint.h>

#define AMDVI_BASE      0xfed80000u
#define AMDVI_SIZE      0x4000u
#define AMDVI_IOAPIC_ID 0x00a0 /* the function that the I/O APIC is taken for: 00:14.0 */
#define AMDVI_MSI_FIRST 0xfee00000u
#define AMDVI_MSI_LAST  0xfeefffffu

/* Offsets of registers of 64 bits (section 3.4). */
enum {
    AMDVI_DEVICE_TABLE = 0x00,
    AMDVI_COMMAND_BASE = 0x08,
    AMDVI_EVENT_BASE = 0x10,
    AMDVI_CONTROL = 0x18,
    AMDVI_EXCLUSION_BASE = 0x20,
    AMDVI_EXCLUSION_LIMIT = 0x28,
    AMDVI_FEATURES = 0x30,
    AMDVI_COMMAND_HEAD = 0x2000,
    AMDVI_COMMAND_TAIL = 0x2008,
    AMDVI_EVENT_HEAD = 0x2010,
    AMDVI_EVENT_TAIL = 0x2018,
    AMDVI_STATUS = 0x2020,
};

/* AMDVI_CONTROL. */
enum {
    AMDVI_ENABLED = 1 << 0,
    AMDVI_EVENT_LOG = 1 << 2,
    AMDVI_EVENT_INTERRUPT = 1 << 3,
    AMDVI_WAIT_INTERRUPT = 1 << 4,
    AMDVI_COMMANDS = 1 << 12,
    AMDVI_WIDE_INTERRUPTS = 1 << 17, /* entries of 128 bits */
};

/* AMDVI_STATUS. */
enum {
    AMDVI_EVENT_OVERFLOW = 1 << 0,
    AMDVI_EVENT_HAPPENED = 1 << 1,
    AMDVI_WAIT_HAPPENED = 1 << 2,
    AMDVI_EVENTS_RUN = 1 << 3,
    AMDVI_COMMANDS_RUN = 1 << 4,
    AMDVI_STATUS_CLEARED = 7, /* by writing 1 */
};

/* AMDVI_FEATURES: prefetch, invalidate-all, interrupts of 128 bits, page tables of six levels. */
#define AMDVI_FEATURES_VALUE (1u << 0 | 1u << 6 | 1u << 7 | 2u << 10)

#define AMDVI_ADDRESS      0x000ffffffffff000ull /* in registers, tables and entries */
#define AMDVI_LENGTH_SHIFT 56                    /* of a ring: log2 of its entries, 8 at least */
#define AMDVI_LENGTH_MIN   8
#define AMDVI_RING_ENTRY   16
#define AMDVI_RING_OFFSET  0x7fff0u /* what heads and tails have */

/* Entries of the device table, four words of 64 bits (section 2.2.2.1). */
#define AMDVI_DTE_SIZE   32
#define AMDVI_DTE_VALID  (1ull << 0)
#define AMDVI_DTE_TRANSL (1ull << 1) /* what is said of translation is valid */
#define AMDVI_DTE_LEVELS 9
#define AMDVI_READ_OK    (1ull << 61) /* here, and in page tables */
#define AMDVI_WRITE_OK   (1ull << 62)
/* The second: domain, and who is told of faults. */
#define AMDVI_DTE_QUIET_ONCE (1ull << 33)
#define AMDVI_DTE_QUIET      (1ull << 34)
/* The third. */
#define AMDVI_DTE_INTERRUPTS (1ull << 0) /* what is said of interrupts is valid */
#define AMDVI_DTE_LENGTH     1           /* log2 of the entries of their table */
#define AMDVI_DTE_IGNORE     (1ull << 5) /* faults of interrupts are not told */
#define AMDVI_DTE_TABLE      0x000fffffffffffc0ull
#define AMDVI_DTE_INIT       (1ull << 56)
#define AMDVI_DTE_EXTINT     (1ull << 57)
#define AMDVI_DTE_NMI        (1ull << 58)
#define AMDVI_DTE_CONTROL    60 /* of fixed ones: AMDVI_INT_ */
enum { AMDVI_INT_ABORTED = 0, AMDVI_INT_FORWARDED = 1, AMDVI_INT_REMAPPED = 2 };

/* Entries of page tables. */
#define AMDVI_PRESENT   (1ull << 0)
#define AMDVI_PTE_NEXT  9 /* level of what it leads to; 0 and 7: a page */
#define AMDVI_PTE_SIZED 7

/* Commands (section 2.4), by bits 63:60 of the first word. */
enum {
    AMDVI_CMD_WAIT = 1,
    AMDVI_CMD_DEVICE = 2,
    AMDVI_CMD_PAGES = 3,
    AMDVI_CMD_IOTLB = 4,
    AMDVI_CMD_INTERRUPTS = 5,
    AMDVI_CMD_PREFETCH = 6,
    AMDVI_CMD_ALL = 8,
};
#define AMDVI_CODE_SHIFT  60 /* of commands and events */
#define AMDVI_WAIT_STORES (1ull << 0)
#define AMDVI_WAIT_TELLS  (1ull << 1)
#define AMDVI_WAIT_PLACE  0x000ffffffffffff8ull

/* Events (section 2.5), by the same bits. */
typedef enum AmdviFault {
    AMDVI_OK = 0,
    AMDVI_BAD_DEVICE = 1, /* the entry of the device table makes no sense */
    AMDVI_PAGE_FAULT = 2,
    AMDVI_NO_DEVICE_TABLE = 3, /* it is not in memory */
    AMDVI_NO_PAGE_TABLE = 4,
    AMDVI_BAD_COMMAND = 5,
    AMDVI_NO_COMMAND = 6,
} AmdviFault;
#define AMDVI_EVENT_IS_INTERRUPT (1ull << 51)
#define AMDVI_EVENT_PRESENT      (1ull << 52)
#define AMDVI_EVENT_WRITE        (1ull << 53)
#define AMDVI_EVENT_PERMISSION   (1ull << 54)
#define AMDVI_EVENT_RESERVED     (1ull << 55)
#define AMDVI_EVENT_TRANSLATION  (1ull << 56)

#endif
