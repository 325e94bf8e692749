/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers and structures of Intel's VT-d (Architecture Specification 3.3: chapters 6, 9 and 11),
 * as far as hw/iommu has them. Shared with tests.
 */
#ifndef HW_IOMMU_VTD_REGS_H
#define HW_IOMMU_VTD_REGS_H

#define VTD_BASE 0xfed90000u
#define VTD_SIZE 0x1000u

/* Registers (section 11.4). Those of 64 bits have a second word behind. */
enum {
    VTD_VER = 0x00,
    VTD_CAP = 0x08,
    VTD_ECAP = 0x10,
    VTD_GCMD = 0x18,
    VTD_GSTS = 0x1c,
    VTD_RTADDR = 0x20,
    VTD_CCMD = 0x28,
    VTD_FSTS = 0x34,
    VTD_FECTL = 0x38,
    VTD_FEDATA = 0x3c,
    VTD_FEADDR = 0x40,
    VTD_FEUADDR = 0x44,
    VTD_IQH = 0x80,
    VTD_IQT = 0x88,
    VTD_IQA = 0x90,
    VTD_ICS = 0x9c,
    VTD_IECTL = 0xa0,
    VTD_IEDATA = 0xa4,
    VTD_IEADDR = 0xa8,
    VTD_IEUADDR = 0xac,
    VTD_IRTA = 0xb8,
    VTD_IVA = 0xf0,
    VTD_IOTLB = 0xf8,
    VTD_FRCD = 0x220, /* one record of 128 bits */
    VTD_REGISTERS = 0x230,
};

#define VTD_VERSION 0x10u

/* Capabilities (11.4.2), without SAGAW and MGAW: 65536 domains, pages of 2 MiB and 1 GiB, one fault
 * record, invalidation by page with a mask of up to 18 bits. */
#define VTD_CAP_FIXED \
    (6ull | (uint64_t)(VTD_FRCD / 16) << 24 | 3ull << 34 | 1ull << 39 | 18ull << 48)
#define VTD_CAP_CACHING_MODE (1ull << 7)
#define VTD_CAP_39_BITS      (1ull << 9)
#define VTD_CAP_48_BITS      (1ull << 10)
#define VTD_CAP_MGAW_SHIFT   16
#define VTD_CAP_DRAIN        (3ull << 54)

/* Extended capabilities (11.4.3): queued invalidation, and where IVA is. */
#define VTD_ECAP_FIXED        (1ull << 1 | (uint64_t)(VTD_IVA / 16) << 8 | 0xfull << 20)
#define VTD_ECAP_DEVICE_IOTLB (1ull << 2)
#define VTD_ECAP_REMAPPING    (1ull << 3)
#define VTD_ECAP_EIM          (1ull << 4)
#define VTD_ECAP_PASS_THROUGH (1ull << 6)
#define VTD_ECAP_SNOOP        (1ull << 7)

/* GCMD, and the same bits of GSTS. */
enum {
    VTD_TRANSLATION = 1u << 31,
    VTD_ROOT_TABLE = 1u << 30,
    VTD_WRITE_BUFFERS = 1u << 27,
    VTD_QUEUE = 1u << 26,
    VTD_REMAPPING = 1u << 25,
    VTD_REMAP_TABLE = 1u << 24,
    VTD_COMPATIBLE = 1u << 23, /* interrupts of the old format pass */
};

/* FSTS, ICS, and the control registers of both events. */
enum {
    VTD_FSTS_OVERFLOW = 1 << 0,
    VTD_FSTS_PENDING = 1 << 1,
    VTD_FSTS_QUEUE_ERROR = 1 << 4,
    VTD_FSTS_COMPLETION_ERROR = 1 << 5,
    VTD_FSTS_TIMEOUT_ERROR = 1 << 6,
    VTD_FSTS_CLEARED = 0x71,
    VTD_ICS_COMPLETE = 1 << 0,
    VTD_EVENT_MASKED = 1u << 31,
    VTD_EVENT_PENDING = 1u << 30,
};

/* The second words of CCMD, IOTLB and FRCD. */
enum {
    VTD_CCMD_INVALIDATE = 1u << 31,
    VTD_CCMD_DONE_SHIFT = 27,
    VTD_IOTLB_INVALIDATE = 1u << 31,
    VTD_IOTLB_DONE_SHIFT = 25,
    VTD_GRANULARITY_SHIFT_CCMD = 29,
    VTD_GRANULARITY_SHIFT_IOTLB = 28,
    VTD_FRCD_FAULT = 1u << 31,
    VTD_FRCD_READ = 1u << 30,
};

/* Granularities: of everything, a domain, a device or a page. */
enum { VTD_GLOBAL = 1, VTD_DOMAIN = 2, VTD_SELECTIVE = 3 };

#define VTD_RTADDR_TABLE 0xfffffffffffff000ull
#define VTD_IRTA_TABLE   0xfffffffffffff000ull
#define VTD_IRTA_EIM     (1u << 11)
#define VTD_IRTA_SIZE    0xfu
#define VTD_IQA_TABLE    0xfffffffffffff000ull
#define VTD_IQA_SIZE     7u

/* Descriptors of the invalidation queue (section 6.5.2): 16 bytes each, the type in bits 3:0. */
enum {
    VTD_DESC_CONTEXT = 1,
    VTD_DESC_IOTLB = 2,
    VTD_DESC_DEVICE_IOTLB = 3,
    VTD_DESC_INTERRUPTS = 4,
    VTD_DESC_WAIT = 5,
    VTD_DESC_SIZE = 16,
    VTD_WAIT_INTERRUPT = 1 << 4,
    VTD_WAIT_STATUS = 1 << 5,
};

/* Tables (chapter 9). */
#define VTD_PRESENT          1u
#define VTD_ROOT_RESERVED    0xffeull
#define VTD_CONTEXT_QUIET    2u /* its faults are not noted */
#define VTD_CONTEXT_RESERVED 0xff0ull
#define VTD_CONTEXT_HIGH     0xffffffffff000080ull /* reserved bits of the second word */
#define VTD_TABLE            0x000ffffffffff000ull
#define VTD_READ             1u
#define VTD_WRITE            2u
#define VTD_LARGE            (1u << 7)
enum { VTD_TYPE_UNTRANSLATED, VTD_TYPE_ALL, VTD_TYPE_PASS_THROUGH };

/* Interrupt remapping (section 5.1): the new format of messages, and of the I/O APIC's entries. */
#define VTD_MSI_FIRST     0xfee00000u
#define VTD_MSI_LAST      0xfeefffffu
#define VTD_MSI_REMAPPED  (1u << 4)
#define VTD_MSI_SUBHANDLE (1u << 3)
#define VTD_RTE_REMAPPED  (1ull << 48)
#define VTD_IOAPIC_SOURCE 0xff00 /* bus 255, device 0: as the DMAR table says */
#define VTD_IRTE_QUIET    2u

/* Fault reasons (section 7.1.3). */
typedef enum VtdFault {
    VTD_OK = 0,
    VTD_NO_ROOT = 1,
    VTD_NO_CONTEXT = 2,
    VTD_BAD_CONTEXT = 3,
    VTD_BEYOND_WIDTH = 4,
    VTD_NO_WRITE = 5,
    VTD_NO_READ = 6,
    VTD_BAD_TABLE = 7,
    VTD_BAD_ROOT_TABLE = 8,
    VTD_BAD_CONTEXT_TABLE = 9,
    VTD_RESERVED_ROOT = 0xa,
    VTD_RESERVED_CONTEXT = 0xb,
    VTD_RESERVED_ENTRY = 0xc,
    VTD_IRTE_INDEX = 0x21,
    VTD_IRTE_ABSENT = 0x22,
    VTD_IRTE_TABLE = 0x23,
    VTD_IRTE_RESERVED = 0x24,
    VTD_IRTE_COMPATIBLE = 0x25,
    VTD_IRTE_SOURCE = 0x26,
} VtdFault;

#endif
