/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/virtio-names.h"

#include "hw/virtio/vhost-user-proto.h"

typedef struct BitName {
    unsigned bit;
    const char *name;
} BitName;

/* ---- features of a kind: the lowest 24 bits, and those from 50 on (section 2.2) ---- */

static const BitName net_bits[] = {
    { 0, "VIRTIO_NET_F_CSUM" },
    { 1, "VIRTIO_NET_F_GUEST_CSUM" },
    { 2, "VIRTIO_NET_F_CTRL_GUEST_OFFLOADS" },
    { 3, "VIRTIO_NET_F_MTU" },
    { 5, "VIRTIO_NET_F_MAC" },
    { 6, "VIRTIO_NET_F_GSO" },
    { 7, "VIRTIO_NET_F_GUEST_TSO4" },
    { 8, "VIRTIO_NET_F_GUEST_TSO6" },
    { 9, "VIRTIO_NET_F_GUEST_ECN" },
    { 10, "VIRTIO_NET_F_GUEST_UFO" },
    { 11, "VIRTIO_NET_F_HOST_TSO4" },
    { 12, "VIRTIO_NET_F_HOST_TSO6" },
    { 13, "VIRTIO_NET_F_HOST_ECN" },
    { 14, "VIRTIO_NET_F_HOST_UFO" },
    { 15, "VIRTIO_NET_F_MRG_RXBUF" },
    { 16, "VIRTIO_NET_F_STATUS" },
    { 17, "VIRTIO_NET_F_CTRL_VQ" },
    { 18, "VIRTIO_NET_F_CTRL_RX" },
    { 19, "VIRTIO_NET_F_CTRL_VLAN" },
    { 20, "VIRTIO_NET_F_CTRL_RX_EXTRA" },
    { 21, "VIRTIO_NET_F_GUEST_ANNOUNCE" },
    { 22, "VIRTIO_NET_F_MQ" },
    { 23, "VIRTIO_NET_F_CTRL_MAC_ADDR" },
    { 57, "VIRTIO_NET_F_HASH_REPORT" },
    { 59, "VIRTIO_NET_F_GUEST_HDRLEN" },
    { 60, "VIRTIO_NET_F_RSS" },
    { 61, "VIRTIO_NET_F_RSC_EXT" },
    { 62, "VIRTIO_NET_F_STANDBY" },
    { 63, "VIRTIO_NET_F_SPEED_DUPLEX" },
    { 0, NULL },
};

static const BitName blk_bits[] = {
    { 1, "VIRTIO_BLK_F_SIZE_MAX" },
    { 2, "VIRTIO_BLK_F_SEG_MAX" },
    { 4, "VIRTIO_BLK_F_GEOMETRY" },
    { 5, "VIRTIO_BLK_F_RO" },
    { 6, "VIRTIO_BLK_F_BLK_SIZE" },
    { 9, "VIRTIO_BLK_F_FLUSH" },
    { 10, "VIRTIO_BLK_F_TOPOLOGY" },
    { 11, "VIRTIO_BLK_F_CONFIG_WCE" },
    { 12, "VIRTIO_BLK_F_MQ" },
    { 13, "VIRTIO_BLK_F_DISCARD" },
    { 14, "VIRTIO_BLK_F_WRITE_ZEROES" },
    { 16, "VIRTIO_BLK_F_SECURE_ERASE" },
    { 0, NULL },
};

static const BitName console_bits[] = {
    { 0, "VIRTIO_CONSOLE_F_SIZE" },
    { 1, "VIRTIO_CONSOLE_F_MULTIPORT" },
    { 2, "VIRTIO_CONSOLE_F_EMERG_WRITE" },
    { 0, NULL },
};

static const BitName balloon_bits[] = {
    { 0, "VIRTIO_BALLOON_F_MUST_TELL_HOST" },
    { 1, "VIRTIO_BALLOON_F_STATS_VQ" },
    { 2, "VIRTIO_BALLOON_F_DEFLATE_ON_OOM" },
    { 3, "VIRTIO_BALLOON_F_FREE_PAGE_HINT" },
    { 4, "VIRTIO_BALLOON_F_PAGE_POISON" },
    { 5, "VIRTIO_BALLOON_F_REPORTING" },
    { 0, NULL },
};

static const BitName scsi_bits[] = {
    { 0, "VIRTIO_SCSI_F_INOUT" },
    { 1, "VIRTIO_SCSI_F_HOTPLUG" },
    { 2, "VIRTIO_SCSI_F_CHANGE" },
    { 3, "VIRTIO_SCSI_F_T10_PI" },
    { 0, NULL },
};

static const BitName p9_bits[] = {
    { 0, "VIRTIO_9P_F_MOUNT_TAG" },
    { 0, NULL },
};

static const BitName gpu_bits[] = {
    { 0, "VIRTIO_GPU_F_VIRGL" },         { 1, "VIRTIO_GPU_F_EDID" },
    { 2, "VIRTIO_GPU_F_RESOURCE_UUID" }, { 3, "VIRTIO_GPU_F_RESOURCE_BLOB" },
    { 4, "VIRTIO_GPU_F_CONTEXT_INIT" },  { 0, NULL },
};

static const BitName vsock_bits[] = {
    { 0, "VIRTIO_VSOCK_F_STREAM" },
    { 1, "VIRTIO_VSOCK_F_SEQPACKET" },
    { 0, NULL },
};

static const BitName crypto_bits[] = {
    { 0, "VIRTIO_CRYPTO_F_REVISION_1" },          { 1, "VIRTIO_CRYPTO_F_CIPHER_STATELESS_MODE" },
    { 2, "VIRTIO_CRYPTO_F_HASH_STATELESS_MODE" }, { 3, "VIRTIO_CRYPTO_F_MAC_STATELESS_MODE" },
    { 4, "VIRTIO_CRYPTO_F_AEAD_STATELESS_MODE" }, { 0, NULL },
};

static const BitName iommu_bits[] = {
    { 0, "VIRTIO_IOMMU_F_INPUT_RANGE" },   { 1, "VIRTIO_IOMMU_F_DOMAIN_RANGE" },
    { 2, "VIRTIO_IOMMU_F_MAP_UNMAP" },     { 3, "VIRTIO_IOMMU_F_BYPASS" },
    { 4, "VIRTIO_IOMMU_F_PROBE" },         { 5, "VIRTIO_IOMMU_F_MMIO" },
    { 6, "VIRTIO_IOMMU_F_BYPASS_CONFIG" }, { 0, NULL },
};

static const BitName mem_bits[] = {
    { 0, "VIRTIO_MEM_F_ACPI_PXM" },
    { 1, "VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE" },
    { 0, NULL },
};

static const BitName fs_bits[] = {
    { 0, "VIRTIO_FS_F_NOTIFICATION" },
    { 0, NULL },
};

static const BitName i2c_bits[] = {
    { 0, "VIRTIO_I2C_F_ZERO_LENGTH_REQUEST" },
    { 0, NULL },
};

static const BitName gpio_bits[] = {
    { 0, "VIRTIO_GPIO_F_IRQ" },
    { 0, NULL },
};

static const struct {
    uint16_t id;
    const char *name;
    const BitName *bits;
} kinds[] = {
    { VIRTIO_ID_NET, "virtio-net", net_bits },
    { VIRTIO_ID_BLOCK, "virtio-blk", blk_bits },
    { VIRTIO_ID_CONSOLE, "virtio-serial", console_bits },
    { VIRTIO_ID_RNG, "virtio-rng", NULL },
    { VIRTIO_ID_BALLOON, "virtio-balloon", balloon_bits },
    { VIRTIO_ID_SCSI, "virtio-scsi", scsi_bits },
    { VIRTIO_ID_9P, "virtio-9p", p9_bits },
    { VIRTIO_ID_GPU, "virtio-gpu", gpu_bits },
    { VIRTIO_ID_INPUT, "virtio-input", NULL },
    { VIRTIO_ID_VSOCK, "vhost-vsock", vsock_bits },
    { VIRTIO_ID_CRYPTO, "virtio-crypto", crypto_bits },
    { VIRTIO_ID_IOMMU, "virtio-iommu", iommu_bits },
    { VIRTIO_ID_MEM, "virtio-mem", mem_bits },
    { VIRTIO_ID_FS, "vhost-user-fs", fs_bits },
    { VIRTIO_ID_PMEM, "virtio-pmem", NULL },
    { VIRTIO_ID_I2C, "virtio-i2c", i2c_bits },
    { VIRTIO_ID_GPIO, "virtio-gpio", gpio_bits },
};

/* ---- of all kinds ---- */

static const BitName transport_bits[] = {
    { 24, "VIRTIO_F_NOTIFY_ON_EMPTY" },
    { 27, "VIRTIO_F_ANY_LAYOUT" },
    { 28, "VIRTIO_RING_F_INDIRECT_DESC" },
    { 29, "VIRTIO_RING_F_EVENT_IDX" },
    { 30, "VHOST_USER_F_PROTOCOL_FEATURES" },
    { 32, "VIRTIO_F_VERSION_1" },
    { 33, "VIRTIO_F_ACCESS_PLATFORM" },
    { 34, "VIRTIO_F_RING_PACKED" },
    { 35, "VIRTIO_F_IN_ORDER" },
    { 36, "VIRTIO_F_ORDER_PLATFORM" },
    { 37, "VIRTIO_F_SR_IOV" },
    { 38, "VIRTIO_F_NOTIFICATION_DATA" },
    { 39, "VIRTIO_F_NOTIF_CONFIG_DATA" },
    { 40, "VIRTIO_F_RING_RESET" },
    { 0, NULL },
};

static const BitName status_bits[] = {
    { 0, "VIRTIO_CONFIG_S_ACKNOWLEDGE" },
    { 1, "VIRTIO_CONFIG_S_DRIVER" },
    { 2, "VIRTIO_CONFIG_S_DRIVER_OK" },
    { 3, "VIRTIO_CONFIG_S_FEATURES_OK" },
    { 6, "VIRTIO_CONFIG_S_NEEDS_RESET" },
    { 7, "VIRTIO_CONFIG_S_FAILED" },
    { 0, NULL },
};

static const BitName protocol_bits[] = {
    { VHOST_USER_PROTOCOL_F_MQ, "VHOST_USER_PROTOCOL_F_MQ" },
    { VHOST_USER_PROTOCOL_F_LOG_SHMFD, "VHOST_USER_PROTOCOL_F_LOG_SHMFD" },
    { VHOST_USER_PROTOCOL_F_RARP, "VHOST_USER_PROTOCOL_F_RARP" },
    { VHOST_USER_PROTOCOL_F_REPLY_ACK, "VHOST_USER_PROTOCOL_F_REPLY_ACK" },
    { VHOST_USER_PROTOCOL_F_NET_MTU, "VHOST_USER_PROTOCOL_F_NET_MTU" },
    { VHOST_USER_PROTOCOL_F_BACKEND_REQ, "VHOST_USER_PROTOCOL_F_BACKEND_REQ" },
    { VHOST_USER_PROTOCOL_F_CONFIG, "VHOST_USER_PROTOCOL_F_CONFIG" },
    { VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD, "VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD" },
    { VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS, "VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS" },
    { 0, NULL },
};

static GPtrArray *take_names(const BitName *names, uint64_t *bits)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);

    for (unsigned bit = 64; bit-- > 0;) {
        for (const BitName *name = names; name && name->name && *bits >> bit & 1; name++) {
            if (name->bit == bit) {
                g_ptr_array_add(list, g_strdup(name->name));
                *bits &= ~(1ull << bit);
            }
        }
    }
    return list;
}

const char *virtio_name_of_id(unsigned id)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].id == id) {
            return kinds[i].name;
        }
    }
    return NULL;
}

GPtrArray *virtio_names_of_transport(uint64_t *bits)
{
    return take_names(transport_bits, bits);
}

GPtrArray *virtio_names_of_features(unsigned id, uint64_t *bits)
{
    const BitName *names = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        names = kinds[i].id == id ? kinds[i].bits : names;
    }
    return take_names(names, bits);
}

GPtrArray *virtio_names_of_status(uint8_t *status)
{
    uint64_t bits = *status;
    GPtrArray *list = take_names(status_bits, &bits);

    *status = (uint8_t)bits;
    return list;
}

GPtrArray *virtio_names_of_protocol(uint64_t *bits)
{
    return take_names(protocol_bits, bits);
}
