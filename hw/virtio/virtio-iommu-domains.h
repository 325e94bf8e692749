/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The domains of a virtio-iommu: which endpoints are in each, and what is mapped there. A domain is
 * there while an endpoint is in it. The caller's lock.
 */
#ifndef HW_VIRTIO_VIRTIO_IOMMU_DOMAINS_H
#define HW_VIRTIO_VIRTIO_IOMMU_DOMAINS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* So many mappings are taken; a guest has to give some back then. */
#define VIOMMU_MAX_MAPPINGS (1u << 18)
#define VIOMMU_PAGE         4096u

typedef struct ViommuDomains ViommuDomains;

ViommuDomains *viommu_domains_new(void);
void viommu_domains_free(ViommuDomains *d);

/* What requests ask for; the result is a status. */
uint8_t viommu_attach(ViommuDomains *d, uint32_t domain, uint16_t endpoint, bool bypass);
uint8_t viommu_detach(ViommuDomains *d, uint32_t domain, uint16_t endpoint);
/* From @start to @end, which are in, at @to; @flags: VIRTIO_IOMMU_MAP_. */
uint8_t viommu_map(ViommuDomains *d, uint32_t domain, uint64_t start, uint64_t end, uint64_t to,
                   uint32_t flags);
uint8_t viommu_unmap(ViommuDomains *d, uint32_t domain, uint64_t start, uint64_t end);

typedef enum ViommuFound {
    VIOMMU_MAPPED,
    VIOMMU_PASSES, /* its domain does not translate */
    VIOMMU_NO_DOMAIN,
    VIOMMU_NO_MAPPING, /* or one that may not be accessed so */
} ViommuFound;

/* Where @addr is, and how many bytes lie together from there on. */
ViommuFound viommu_find(const ViommuDomains *d, uint16_t endpoint, uint64_t addr, bool write,
                        uint64_t *to, uint64_t *size);

/* All of it as bytes; and from them, into domains that are empty. False: they make no sense. */
GBytes *viommu_save(const ViommuDomains *d);
bool viommu_load(ViommuDomains *d, GBytes *bytes);

#endif
