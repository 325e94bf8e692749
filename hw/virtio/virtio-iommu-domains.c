/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-iommu-domains.h"

#include <string.h>

#include "hw/virtio/virtio-iommu-regs.h"

/* Is also what is looked for: two that overlap compare as equal. */
typedef struct Mapping {
    uint64_t start, end, to;
    uint32_t flags;
} Mapping;

typedef struct Domain {
    uint32_t id;
    bool bypass;
    unsigned endpoints;
    GTree *mappings; /* Mapping * to itself; owned */
} Domain;

struct ViommuDomains {
    GHashTable *domains;   /* id to Domain *; owned */
    GHashTable *endpoints; /* source ID to Domain *; borrowed */
    unsigned mappings;
};

static gint compare(gconstpointer a, gconstpointer b, gpointer opaque)
{
    const Mapping *one = a, *other = b;

    return one->end < other->start ? -1 : one->start > other->end;
}

static void free_domain(gpointer data)
{
    Domain *domain = data;

    g_tree_unref(domain->mappings);
    g_free(domain);
}

ViommuDomains *viommu_domains_new(void)
{
    ViommuDomains *d = g_new0(ViommuDomains, 1);

    d->domains = g_hash_table_new_full(NULL, NULL, NULL, free_domain);
    d->endpoints = g_hash_table_new(NULL, NULL);
    return d;
}

void viommu_domains_free(ViommuDomains *d)
{
    g_hash_table_unref(d->endpoints);
    g_hash_table_unref(d->domains);
    g_free(d);
}

static Domain *find_domain(const ViommuDomains *d, uint32_t id)
{
    return g_hash_table_lookup(d->domains, GUINT_TO_POINTER(id));
}

static Domain *domain_of(const ViommuDomains *d, uint16_t endpoint)
{
    return g_hash_table_lookup(d->endpoints, GUINT_TO_POINTER(endpoint));
}

static const Mapping *find_mapping(const Domain *domain, uint64_t start, uint64_t end)
{
    const Mapping wanted = { .start = start, .end = end };

    return g_tree_lookup(domain->mappings, &wanted);
}

/* ---- endpoints ---- */

static void leave(ViommuDomains *d, uint16_t endpoint)
{
    Domain *domain = domain_of(d, endpoint);

    if (domain) {
        g_hash_table_remove(d->endpoints, GUINT_TO_POINTER(endpoint));
        if (!--domain->endpoints) {
            d->mappings -= (unsigned)g_tree_nnodes(domain->mappings);
            g_hash_table_remove(d->domains, GUINT_TO_POINTER(domain->id));
        }
    }
}

uint8_t viommu_attach(ViommuDomains *d, uint32_t id, uint16_t endpoint, bool bypass)
{
    Domain *domain = find_domain(d, id);

    if (domain && domain->bypass != bypass) {
        return VIRTIO_IOMMU_INVALID;
    }
    if (domain && domain == domain_of(d, endpoint)) {
        return VIRTIO_IOMMU_OK;
    }
    leave(d, endpoint);
    if (!domain) {
        domain = g_new(Domain, 1);
        *domain = (Domain){ .id = id,
                            .bypass = bypass,
                            .mappings = g_tree_new_full(compare, NULL, g_free, NULL) };
        g_hash_table_insert(d->domains, GUINT_TO_POINTER(id), domain);
    }
    domain->endpoints++;
    g_hash_table_insert(d->endpoints, GUINT_TO_POINTER(endpoint), domain);
    return VIRTIO_IOMMU_OK;
}

uint8_t viommu_detach(ViommuDomains *d, uint32_t id, uint16_t endpoint)
{
    const Domain *domain = domain_of(d, endpoint);

    if (!domain || domain->id != id) {
        return VIRTIO_IOMMU_INVALID;
    }
    leave(d, endpoint);
    return VIRTIO_IOMMU_OK;
}

/* ---- mappings ---- */

uint8_t viommu_map(ViommuDomains *d, uint32_t id, uint64_t start, uint64_t end, uint64_t to,
                   uint32_t flags)
{
    Domain *domain = find_domain(d, id);
    Mapping *mapping;

    if (!domain) {
        return VIRTIO_IOMMU_NO_ENTRY;
    }
    if (flags & ~(VIRTIO_IOMMU_MAP_READ | VIRTIO_IOMMU_MAP_WRITE) || domain->bypass ||
        start > end || to + (end - start) < to) {
        return VIRTIO_IOMMU_INVALID;
    }
    if ((start | to | (end + 1)) % VIOMMU_PAGE) {
        return VIRTIO_IOMMU_RANGE;
    }
    if (find_mapping(domain, start, end)) {
        return VIRTIO_IOMMU_INVALID;
    }
    if (d->mappings == VIOMMU_MAX_MAPPINGS) {
        return VIRTIO_IOMMU_NO_MEMORY;
    }
    mapping = g_new(Mapping, 1);
    *mapping = (Mapping){ start, end, to, flags };
    g_tree_insert(domain->mappings, mapping, mapping);
    d->mappings++;
    return VIRTIO_IOMMU_OK;
}

/* What is not wholly in the range stays, and then all does (section 5.13.6.6). */
uint8_t viommu_unmap(ViommuDomains *d, uint32_t id, uint64_t start, uint64_t end)
{
    Domain *domain = find_domain(d, id);
    const Mapping *mapping;

    if (!domain) {
        return VIRTIO_IOMMU_NO_ENTRY;
    }
    if (domain->bypass || start > end) {
        return VIRTIO_IOMMU_INVALID;
    }
    mapping = find_mapping(domain, start, start);
    if (mapping && mapping->start < start) {
        return VIRTIO_IOMMU_RANGE;
    }
    mapping = find_mapping(domain, end, end);
    if (mapping && mapping->end > end) {
        return VIRTIO_IOMMU_RANGE;
    }
    while ((mapping = find_mapping(domain, start, end))) {
        g_tree_remove(domain->mappings, mapping);
        d->mappings--;
    }
    return VIRTIO_IOMMU_OK;
}

ViommuFound viommu_find(const ViommuDomains *d, uint16_t endpoint, uint64_t addr, bool write,
                        uint64_t *to, uint64_t *size)
{
    const Domain *domain = domain_of(d, endpoint);
    const Mapping *mapping;

    if (!domain || domain->bypass) {
        return domain ? VIOMMU_PASSES : VIOMMU_NO_DOMAIN;
    }
    mapping = find_mapping(domain, addr, addr);
    if (!mapping || !(mapping->flags & (write ? VIRTIO_IOMMU_MAP_WRITE : VIRTIO_IOMMU_MAP_READ))) {
        return VIOMMU_NO_MAPPING;
    }
    *to = mapping->to + (addr - mapping->start);
    *size = MIN(mapping->end - addr, UINT64_MAX - 1) + 1;
    return VIOMMU_MAPPED;
}

/* ---- as bytes: for each domain four words, its endpoints, four words for each mapping ---- */

static void put(GByteArray *bytes, uint64_t word)
{
    word = GUINT64_TO_LE(word);
    g_byte_array_append(bytes, (const uint8_t *)&word, sizeof(word));
}

static gboolean put_mapping(gpointer key, gpointer value, gpointer opaque)
{
    const Mapping *mapping = value;

    put(opaque, mapping->start);
    put(opaque, mapping->end);
    put(opaque, mapping->to);
    put(opaque, mapping->flags);
    return FALSE;
}

static gint by_id(gconstpointer a, gconstpointer b)
{
    return GPOINTER_TO_UINT(a) < GPOINTER_TO_UINT(b) ? -1
                                                     : GPOINTER_TO_UINT(a) > GPOINTER_TO_UINT(b);
}

GBytes *viommu_save(const ViommuDomains *d)
{
    GByteArray *bytes = g_byte_array_new();
    GList *ids = g_list_sort(g_hash_table_get_keys(d->domains), by_id);

    for (const GList *id = ids; id; id = id->next) {
        const Domain *domain = find_domain(d, GPOINTER_TO_UINT(id->data));

        put(bytes, domain->id);
        put(bytes, domain->bypass);
        put(bytes, domain->endpoints);
        put(bytes, (uint64_t)g_tree_nnodes(domain->mappings));
        for (unsigned endpoint = 0; endpoint <= UINT16_MAX; endpoint++) {
            if (domain_of(d, (uint16_t)endpoint) == domain) {
                put(bytes, endpoint);
            }
        }
        g_tree_foreach(domain->mappings, put_mapping, bytes);
    }
    g_list_free(ids);
    return g_byte_array_free_to_bytes(bytes);
}

typedef struct Reader {
    const uint8_t *data;
    size_t left;
    bool bad;
} Reader;

static uint64_t take(Reader *r)
{
    uint64_t word = 0;

    if (r->left < sizeof(word)) {
        r->bad = true;
        return 0;
    }
    memcpy(&word, r->data, sizeof(word));
    r->data += sizeof(word);
    r->left -= sizeof(word);
    return GUINT64_FROM_LE(word);
}

static void load_domain(ViommuDomains *d, Reader *r)
{
    uint64_t id = take(r), bypass = take(r), endpoints = take(r), mappings = take(r);

    r->bad |= id > UINT32_MAX || bypass > 1 || !endpoints || find_domain(d, (uint32_t)id);
    for (uint64_t i = 0; i < endpoints && !r->bad; i++) {
        uint64_t endpoint = take(r);

        r->bad |= endpoint > UINT16_MAX || domain_of(d, (uint16_t)endpoint) ||
                  viommu_attach(d, (uint32_t)id, (uint16_t)endpoint, bypass);
    }
    for (uint64_t i = 0; i < mappings && !r->bad; i++) {
        uint64_t start = take(r), end = take(r), to = take(r), flags = take(r);

        r->bad |=
            flags > UINT32_MAX || viommu_map(d, (uint32_t)id, start, end, to, (uint32_t)flags);
    }
}

bool viommu_load(ViommuDomains *d, GBytes *bytes)
{
    Reader r = { 0 };

    r.data = g_bytes_get_data(bytes, &r.left);
    while (r.left && !r.bad) {
        load_domain(d, &r);
    }
    return !r.bad;
}
