/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pam.h"

#include "memory/address-space.h"

#define SMALL_SEGMENT 0x4000u /* 12 of them, and the last is the BIOS area */
#define LARGE_SEGMENT 0x10000u

enum {
    PAM_READ_ENABLE = 1 << 0,
    PAM_WRITE_ENABLE = 1 << 1,
};

static hwaddr segment_offset(unsigned segment)
{
    return (hwaddr)segment * SMALL_SEGMENT; /* the large one is the last */
}

static uint64_t segment_size(unsigned segment)
{
    return segment == PAM_SEGMENTS - 1 ? LARGE_SEGMENT : SMALL_SEGMENT;
}

/* Segment 12 is in the high half of register 0; the others follow from register 1, low half first.
 */
static unsigned segment_bits(const uint8_t *regs, unsigned segment)
{
    unsigned half = (segment + 2) % 14;

    if (segment == PAM_SEGMENTS - 1) {
        return regs[0] >> 4 & (PAM_READ_ENABLE | PAM_WRITE_ENABLE);
    }
    return regs[half / 2] >> (half % 2 * 4) & (PAM_READ_ENABLE | PAM_WRITE_ENABLE);
}

/* ---- what the views are made of ---- */

static void ram_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Pam *pam = opaque;

    address_space_store(&pam->ram, PAM_BASE + addr, value, size);
}

static const MemoryRegionOps ram_write_ops = { .write = ram_write };
static const MemoryRegionOps nothing_ops = { 0 }; /* reads give all ones */

/* @ram may be made of several pieces, so writes to it go through an address space of its own. */
static void init_views(Pam *pam, MemoryRegion *ram, MemoryRegion *behind)
{
    MemoryRegion *view = pam->views;

    address_space_init(&pam->ram, ram, "PAM");
    memory_region_init_alias(&pam->behind, "pam-behind", behind, PAM_BASE, PAM_SIZE);
    memory_region_init_io(&pam->nothing, &nothing_ops, pam, "pam-nothing", PAM_SIZE);
    memory_region_init_io(&pam->writer, &ram_write_ops, pam, "pam-writer", PAM_SIZE);

    memory_region_init_container(&view[PAM_BEHIND], "pam-behind", PAM_SIZE);
    memory_region_add(&view[PAM_BEHIND], 0, &pam->behind);
    memory_region_add_overlap(&view[PAM_BEHIND], 0, &pam->nothing, -1);

    memory_region_init_alias(&view[PAM_READ], "pam-read", ram, PAM_BASE, PAM_SIZE);
    view[PAM_READ].readonly = true;

    memory_region_init_alias(&view[PAM_WRITE], "pam-write", &view[PAM_BEHIND], 0, PAM_SIZE);
    memory_region_set_writer(&view[PAM_WRITE], &pam->writer);
}

/* ---- the segments ---- */

void pam_init(Pam *pam, MemoryRegion *ram, MemoryRegion *behind)
{
    memory_transaction_begin();
    init_views(pam, ram, behind);
    memory_region_init_container(&pam->area, "pam", PAM_SIZE);
    for (unsigned i = 0; i < PAM_SEGMENTS; i++) {
        for (unsigned mode = 0; mode < PAM_MODES; mode++) {
            MemoryRegion *segment = &pam->segments[i][mode];

            memory_region_init_alias(segment, pam->views[mode].name, &pam->views[mode],
                                     segment_offset(i), segment_size(i));
            memory_region_set_enabled(segment, mode == PAM_BEHIND);
            memory_region_add_overlap(&pam->area, segment_offset(i), segment, 0);
        }
    }
    memory_transaction_commit();
}

void pam_update(Pam *pam, const uint8_t *regs)
{
    static const int modes[] = {
        [0] = PAM_BEHIND,
        [PAM_READ_ENABLE] = PAM_READ,
        [PAM_WRITE_ENABLE] = PAM_WRITE,
        [PAM_READ_ENABLE | PAM_WRITE_ENABLE] = -1, /* boot RAM itself */
    };

    memory_transaction_begin();
    for (unsigned i = 0; i < PAM_SEGMENTS; i++) {
        int now = modes[segment_bits(regs, i)];

        for (int mode = 0; mode < PAM_MODES; mode++) {
            memory_region_set_enabled(&pam->segments[i][mode], mode == now);
        }
    }
    memory_transaction_commit();
}

void pam_show_ram(Pam *pam, uint8_t *regs)
{
    regs[0] = PAM0_WMASK;
    for (unsigned i = 1; i < PAM_REGISTERS; i++) {
        regs[i] = PAM_WMASK;
    }
    pam_update(pam, regs);
}
