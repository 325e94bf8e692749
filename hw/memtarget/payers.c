/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which memory devices hold what the guest's kernel manages other memory with. A kernel pays for
 * memory that comes, 1/64 of it, at once and out of memory of its own; that is boot memory, and
 * devices only if it has put them to its own use (Linux: not those in zone Movable). It does not
 * say which. But the host sees where memory that nobody had touched is written to while a step is
 * made: if a device becomes fuller by just what the step costs, then that device has paid. What of
 * it is still untouched can pay for more.
 */
#include "hw/core/machine.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/nvdimm.h"
#include "hw/memtarget/internal.h"
#include "hw/virtio/virtio-mem.h"
#include "memory/ram-resident.h"
#include "util/units.h"

#define GROWS_MOST 8 /* of free memory, a payer is trusted with so many times what it has paid */

typedef struct Payer {
    const Device *device; /* only compared */
    uint64_t resident;    /* when the step began */
    uint64_t paid;        /* the largest step that it has paid for; 0: none */
} Payer;

static GArray *payers; /* of Payer: all memory devices of the last note; NULL: none yet */

static bool can_pay(const MemoryDevice *md)
{
    const Object *obj = OBJECT(md->dev);

    return md->backend && !object_is_a(obj, TYPE_NVDIMM) &&
           (object_is_a(obj, TYPE_PC_DIMM) || object_is_a(obj, TYPE_VIRTIO_MEM));
}

static uint64_t resident(const MemoryDevice *md)
{
    return ram_block_resident(md->backend->ram, md->size);
}

static Payer *find(const Device *device)
{
    for (unsigned i = 0; payers && i < payers->len; i++) {
        if (g_array_index(payers, Payer, i).device == device) {
            return &g_array_index(payers, Payer, i);
        }
    }
    return NULL;
}

void target_payers_note(void)
{
    const GArray *all = memory_devices(machine_current());
    GArray *list = g_array_new(FALSE, FALSE, sizeof(Payer));

    for (unsigned i = 0; i < all->len; i++) {
        const MemoryDevice *md = memory_device_at(all, i);
        const Payer *before = find(md->dev);
        const Payer payer = { md->dev, can_pay(md) ? resident(md) : 0, before ? before->paid : 0 };

        g_array_append_val(list, payer);
    }
    target_payers_forget();
    payers = list;
}

bool target_payers_judge(uint64_t size)
{
    const GArray *all = memory_devices(machine_current());
    const uint64_t cost = size / PLAN_COST_SHARE;
    bool paid = false;

    for (unsigned i = 0; i < all->len; i++) {
        const MemoryDevice *md = memory_device_at(all, i);
        Payer *payer = find(md->dev);
        const uint64_t now = payer && can_pay(md) ? resident(md) : 0;
        const uint64_t more = payer ? now - MIN(payer->resident, now) : 0;

        /* Guests that do something else, too, make it much more. */
        if (more >= cost - cost / 8 && more <= cost + cost / 2 + 2 * MIB) {
            payer->paid = MAX(payer->paid, cost);
            paid = true;
        }
    }
    return paid;
}

uint64_t target_payers_free(void)
{
    const GArray *all = memory_devices(machine_current());
    uint64_t sum = 0;

    for (unsigned i = 0; i < all->len; i++) {
        const MemoryDevice *md = memory_device_at(all, i);
        const Payer *payer = find(md->dev);

        if (payer && payer->paid) {
            const uint64_t has = md->ops->plugged_size ? md->ops->plugged_size(md->dev) : md->size;

            sum += MIN(has - MIN(has, resident(md)), payer->paid * GROWS_MOST);
        }
    }
    return sum;
}

void target_payers_sweep(void)
{
    const GArray *all = memory_devices(machine_current());

    for (unsigned i = payers ? payers->len : 0; i-- > 0;) {
        const Device *device = g_array_index(payers, Payer, i).device;
        bool there = false;

        for (unsigned n = 0; n < all->len && !there; n++) {
            there = memory_device_at(all, n)->dev == device;
        }
        if (!there) {
            g_array_remove_index(payers, i);
        }
    }
}

void target_payers_forget(void)
{
    g_clear_pointer(&payers, g_array_unref);
}
