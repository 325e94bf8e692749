/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ide/ata-geometry.h"

#include "block/driver.h"
#include "block/node.h"
#include "util/task.h"

enum {
    /* What a BIOS takes as it is. */
    BIOS_CYLS = 1024,
    BIOS_HEADS = 16,
    BIOS_SECS = 63,
    /* The largest disk that can be described has so many cylinders (ATA8-ACS, annex B). */
    MAX_CYLS = 16383,
    /* Doubling heads does not go beyond what it can tell: 1024 cylinders of 128. */
    LARGE_TRACKS = 1024 * 128,

    TABLE = 446,
    PARTITIONS = 4,
    PARTITION = 16,
    END_HEAD = 5,
    END_SECTOR = 6, /* upper bits are of the cylinder */
    SECTORS = 12,
    SIGNATURE = 510,
};

const char *const ata_translations[] = { "none", "lba", "large", "rechs", "auto", NULL };

typedef struct BootSector {
    BlockNode *node;
    uint8_t bytes[ATA_SECTOR];
    bool read;
} BootSector;

static void read_sector(void *opaque)
{
    BootSector *boot = opaque;
    struct iovec iov = { boot->bytes, sizeof(boot->bytes) };

    boot->read = block_node_read(boot->node, 0, &iov, 1) == 0;
}

typedef struct Geometry {
    uint32_t cyls, heads, secs;
} Geometry;

/* A partition that was made for a geometry ends with a cylinder. */
static bool ask_partitions(AtaDevice *dev, Geometry *found)
{
    BootSector boot = { .node = dev->conf.backend->edge.node };

    /* It is no request of the guest's: neither are limits there for it, nor errors. */
    while ((boot.node->driver->filter || boot.node->driver->injects) && boot.node->file.node) {
        boot.node = boot.node->file.node;
    }
    task_wait(read_sector, &boot);
    if (!boot.read || boot.bytes[SIGNATURE] != 0x55 || boot.bytes[SIGNATURE + 1] != 0xaa) {
        return false;
    }
    for (unsigned i = 0; i < PARTITIONS; i++) {
        const uint8_t *p = boot.bytes + TABLE + i * PARTITION;
        uint32_t heads = p[END_HEAD] + 1u, secs = p[END_SECTOR] & 0x3f;
        uint64_t cyls = secs ? dev->sectors / (heads * secs) : 0;

        if ((p[SECTORS] | p[SECTORS + 1] | p[SECTORS + 2] | p[SECTORS + 3]) && heads > 1 &&
            cyls >= 1 && cyls <= MAX_CYLS) {
            *found = (Geometry){ (uint32_t)cyls, heads, secs };
            return true;
        }
    }
    return false;
}

static int translation(const AtaDevice *dev)
{
    bool small =
        dev->own_cyls <= BIOS_CYLS && dev->own_heads <= BIOS_HEADS && dev->own_secs <= BIOS_SECS;

    return small ? ATA_TRANS_NONE : ATA_TRANS_LBA;
}

/* The usual geometry of a disk as large is what properties say then, whatever the partitions are:
 * they are compared when a machine moves. */
static void set_usual(AtaDevice *dev)
{
    dev->heads = BIOS_HEADS;
    dev->secs = BIOS_SECS;
    dev->cyls = (uint32_t)CLAMP(dev->sectors / (BIOS_HEADS * BIOS_SECS), 2, MAX_CYLS);
}

void ata_geometry_complete(AtaDevice *dev)
{
    Geometry found = { 0 };
    bool asked = !dev->cyls && ask_partitions(dev, &found);
    bool fits = asked && found.heads <= BIOS_HEADS;
    int guess;

    if (!dev->cyls) {
        set_usual(dev);
    }
    dev->own_cyls = fits ? found.cyls : dev->cyls;
    dev->own_heads = fits ? found.heads : dev->heads;
    dev->own_secs = fits ? found.secs : dev->secs;
    if (!asked) {
        guess = translation(dev);
    } else if (fits) {
        guess = ATA_TRANS_NONE;
    } else {
        guess = dev->own_cyls * dev->own_heads <= LARGE_TRACKS ? ATA_TRANS_LARGE : ATA_TRANS_LBA;
    }
    dev->bios_trans = (uint8_t)(dev->chs_trans == ATA_TRANS_AUTO ? guess : dev->chs_trans);
}
