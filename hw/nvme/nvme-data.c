/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/nvme/nvme.h"

bool nvme_read(const Nvme *n, hwaddr addr, void *buf, uint64_t size)
{
    return dma_read_ram(&n->parent.dma, addr, buf, size);
}

bool nvme_write(const Nvme *n, hwaddr addr, const void *buf, uint64_t size)
{
    return dma_write_ram(&n->parent.dma, addr, buf, size);
}

/* ---- the pieces of a PRP list ---- */

/* What is done with each piece. */
typedef struct Walk {
    const Nvme *nvme;
    bool (*piece)(struct Walk *walk, hwaddr addr, uint64_t size);
    uint8_t *buf; /* copying: the next byte */
    NvmeMapping *map;
    bool to_guest;
    /* pieces that follow each other are one */
    hwaddr addr;
    uint64_t size;
} Walk;

static bool flush_piece(Walk *walk)
{
    bool ok = !walk->size || walk->piece(walk, walk->addr, walk->size);

    walk->size = 0;
    return ok;
}

static bool add_piece(Walk *walk, hwaddr addr, uint64_t size)
{
    if (walk->size && walk->addr + walk->size == addr) {
        walk->size += size;
        return true;
    }
    if (!flush_piece(walk)) {
        return false;
    }
    walk->addr = addr;
    walk->size = size;
    return true;
}

/* The entries at @list, of pages of @page bytes, are where the next @size bytes are. The last entry
 * of a page of entries leads to the next one, if more follow. */
static NvmeStatus walk_list(Walk *walk, hwaddr list, uint64_t page, uint64_t size)
{
    if (list & 7) {
        return NVME_BAD_PRP_OFFSET;
    }
    while (size) {
        uint64_t entries = (page - list % page) / 8, prp;

        for (uint64_t i = 0; i < entries && size; i++) {
            if (!nvme_read(walk->nvme, list + 8 * i, &prp, sizeof(prp))) {
                return NVME_DATA_ERROR;
            }
            if (i == entries - 1 && size > page) {
                if (prp & (page - 1)) {
                    return NVME_BAD_PRP_OFFSET;
                }
                list = prp;
                break;
            }
            if (prp & (page - 1)) {
                return NVME_BAD_PRP_OFFSET;
            }
            if (!add_piece(walk, prp, MIN(page, size))) {
                return NVME_DATA_ERROR;
            }
            size -= MIN(page, size);
        }
    }
    return NVME_OK;
}

static NvmeStatus walk_data(Nvme *n, Walk *walk, const NvmeCommand *cmd, uint64_t size)
{
    uint64_t page = nvme_page(n), first = MIN(size, page - cmd->prp[0] % page);
    NvmeStatus status = NVME_OK;

    if (cmd->flags & NVME_FLAGS_SGL) {
        return NVME_BAD_FIELD;
    }
    if (cmd->prp[0] & 3) {
        return NVME_BAD_PRP_OFFSET;
    }
    if (!add_piece(walk, cmd->prp[0], first)) {
        return NVME_DATA_ERROR;
    }
    size -= first;
    if (size > page) {
        status = walk_list(walk, cmd->prp[1], page, size);
    } else if (size && cmd->prp[1] & (page - 1)) {
        status = NVME_BAD_PRP_OFFSET;
    } else if (size && !add_piece(walk, cmd->prp[1], size)) {
        status = NVME_DATA_ERROR;
    }
    return status != NVME_OK || flush_piece(walk) ? status : NVME_DATA_ERROR;
}

/* ---- mapping ---- */

static bool map_piece(Walk *walk, hwaddr addr, uint64_t size)
{
    while (size) {
        DmaHold hold;

        if (!dma_map(&walk->nvme->parent.dma, addr, size, walk->to_guest, TYPE_NVME, &hold)) {
            return false;
        }
        const struct iovec iov = { hold.host, hold.size };

        g_array_append_val(walk->map->holds, hold);
        g_array_append_val(walk->map->iov, iov);
        addr += hold.size;
        size -= hold.size;
    }
    return true;
}

NvmeStatus nvme_map(Nvme *n, const NvmeCommand *cmd, uint64_t size, bool to_guest, NvmeMapping *map)
{
    Walk walk = { .nvme = n, .piece = map_piece, .map = map, .to_guest = to_guest };
    NvmeStatus status;

    map->holds = g_array_new(FALSE, FALSE, sizeof(DmaHold));
    map->iov = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    status = walk_data(n, &walk, cmd, size);
    if (status != NVME_OK) {
        nvme_unmap(map, false);
    }
    return status;
}

void nvme_unmap(NvmeMapping *map, bool written)
{
    for (guint i = 0; map->holds && i < map->holds->len; i++) {
        DmaHold *hold = &g_array_index(map->holds, DmaHold, i);

        dma_unmap(hold, written ? hold->size : 0);
    }
    g_clear_pointer(&map->holds, g_array_unref);
    g_clear_pointer(&map->iov, g_array_unref);
}

/* ---- copying ---- */

static bool copy_piece(Walk *walk, hwaddr addr, uint64_t size)
{
    bool ok = walk->to_guest ? nvme_write(walk->nvme, addr, walk->buf, size)
                             : nvme_read(walk->nvme, addr, walk->buf, size);

    walk->buf += size;
    return ok;
}

NvmeStatus nvme_copy(Nvme *n, const NvmeCommand *cmd, void *buf, uint64_t size, bool to_guest)
{
    Walk walk = { .nvme = n, .piece = copy_piece, .buf = buf, .to_guest = to_guest };

    return walk_data(n, &walk, cmd, size);
}
