/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a virtio-iommu and its driver say to each other (Virtio 1.2, section 5.13); little endian.
 * Shared with tests.
 */
#ifndef HW_VIRTIO_VIRTIO_IOMMU_REGS_H
#define HW_VIRTIO_VIRTIO_IOMMU_REGS_H

#include <stdint.h>

/* Features. */
enum {
    VIRTIO_IOMMU_F_INPUT_RANGE = 0,
    VIRTIO_IOMMU_F_DOMAIN_RANGE = 1,
    VIRTIO_IOMMU_F_MAP_UNMAP = 2,
    VIRTIO_IOMMU_F_PROBE = 4,
    VIRTIO_IOMMU_F_BYPASS_CONFIG = 6,
};

typedef struct VirtioIommuConfig {
    uint64_t page_size_mask, input_start, input_end;
    uint32_t domain_start, domain_end, probe_size;
    uint8_t bypass, reserved[3];
} VirtioIommuConfig;
#define VIRTIO_IOMMU_BYPASS_AT 36u

/* Types of requests, and how much of each the device reads. */
enum {
    VIRTIO_IOMMU_ATTACH = 1,
    VIRTIO_IOMMU_DETACH = 2,
    VIRTIO_IOMMU_MAP = 3,
    VIRTIO_IOMMU_UNMAP = 4,
    VIRTIO_IOMMU_PROBE = 5,
};

typedef struct VirtioIommuAttach {
    uint32_t type, domain, endpoint, flags, reserved;
} VirtioIommuAttach;

typedef struct __attribute__((packed)) VirtioIommuMap {
    uint32_t type, domain;
    uint64_t start, end, to;
    uint32_t flags;
} VirtioIommuMap;

typedef struct __attribute__((packed)) VirtioIommuUnmap {
    uint32_t type, domain;
    uint64_t start, end;
    uint32_t reserved;
} VirtioIommuUnmap;

typedef struct VirtioIommuProbe {
    uint32_t type, endpoint;
    uint8_t reserved[64];
} VirtioIommuProbe;

#define VIRTIO_IOMMU_ATTACH_BYPASS 1u
#define VIRTIO_IOMMU_MAP_READ      1u
#define VIRTIO_IOMMU_MAP_WRITE     2u

/* What it says of an endpoint: addresses that are messages (interrupts). */
typedef struct VirtioIommuReserved {
    uint16_t type, length;
    uint8_t subtype, reserved[3];
    uint64_t start, end;
} VirtioIommuReserved;
enum { VIRTIO_IOMMU_PROBE_RESERVED = 1, VIRTIO_IOMMU_RESERVED_MSI = 1 };
#define VIRTIO_IOMMU_PROBE_SIZE 512u
#define VIRTIO_IOMMU_MSI_FIRST  0xfee00000u
#define VIRTIO_IOMMU_MSI_LAST   0xfeefffffu

/* The end of each request: 4 bytes, of which the first one is the status. */
enum {
    VIRTIO_IOMMU_OK = 0,
    VIRTIO_IOMMU_UNSUPPORTED = 2,
    VIRTIO_IOMMU_INVALID = 4,
    VIRTIO_IOMMU_RANGE = 5,
    VIRTIO_IOMMU_NO_ENTRY = 6,
    VIRTIO_IOMMU_NO_MEMORY = 8,
};

/* In the event queue. */
typedef struct VirtioIommuFault {
    uint8_t reason, reserved[3];
    uint32_t flags, endpoint, reserved2;
    uint64_t address;
} VirtioIommuFault;
enum { VIRTIO_IOMMU_FAULT_DOMAIN = 1, VIRTIO_IOMMU_FAULT_MAPPING = 2 };
#define VIRTIO_IOMMU_FAULT_READ    1u
#define VIRTIO_IOMMU_FAULT_WRITE   2u
#define VIRTIO_IOMMU_FAULT_ADDRESS 0x100u

#endif
