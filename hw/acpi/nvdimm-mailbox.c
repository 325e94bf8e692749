/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/nvdimm-mailbox.h"

#include <string.h>

#include "hw/acpi/nfit.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/nvdimm.h"

static void set_pending(NvdimmMailbox *box, bool pending)
{
    box->pending = pending;
    box->notify(box->notify_opaque, pending);
}

/* Who has to take the memory of a new one has it: the guest is told. */
static void announce(void *opaque)
{
    set_pending(opaque, true);
}

void nvdimm_mailbox_plugged(NvdimmMailbox *box, const Device *dev)
{
    box->fit_changed = true;
    if (dev->hotplugged) {
        memory_device_forget_settled(announce, box); /* of one before: it is told of both at once */
        memory_device_when_settled(announce, box);
    }
}

/* ---- commands ---- */

static NvdimmStatus do_info(NvdimmMailbox *box, Nvdimm *nv)
{
    box->offset = (uint32_t)nv->label_size;
    box->length = NVDIMM_DATA_SIZE;
    return NVDIMM_STATUS_OK;
}

static NvdimmStatus do_read(NvdimmMailbox *box, Nvdimm *nv)
{
    bool ok = box->length <= NVDIMM_DATA_SIZE &&
              nvdimm_read_labels(nv, box->offset, box->data, box->length);

    return ok ? NVDIMM_STATUS_OK : NVDIMM_STATUS_BAD_INPUT;
}

static NvdimmStatus do_write(NvdimmMailbox *box, Nvdimm *nv)
{
    bool ok = box->length <= NVDIMM_DATA_SIZE &&
              nvdimm_write_labels(nv, box->offset, box->data, box->length);

    return ok ? NVDIMM_STATUS_OK : NVDIMM_STATUS_BAD_INPUT;
}

/* What "Get SMART and Health Info" gives after the status: only the health is told. */
static NvdimmStatus do_health(NvdimmMailbox *box, Nvdimm *nv)
{
    enum { FLAGS = 0, HEALTH = 8, SIZE = 128 };
    enum { HEALTH_VALID = 1 << 0, HEALTH_FATAL = 1 << 2 };

    box->length = SIZE;
    memset(box->data, 0, SIZE);
    box->data[FLAGS] = HEALTH_VALID;
    box->data[HEALTH] = nv->unarmed ? HEALTH_FATAL : 0; /* what is written is going to be lost */
    return NVDIMM_STATUS_OK;
}

/* The table may change between two parts of it: then the guest has to begin again. */
static NvdimmStatus do_fit(NvdimmMailbox *box)
{
    g_autoptr(GByteArray) fit = nfit_structures(box->machine, box->capabilities);
    uint32_t left;

    if (box->offset == 0) {
        box->fit_changed = false;
    }
    if (box->fit_changed) {
        return NVDIMM_STATUS_FIT_CHANGED;
    }
    if (box->offset > fit->len) {
        return NVDIMM_STATUS_BAD_INPUT;
    }
    left = fit->len - box->offset;
    box->length = MIN(left, NVDIMM_DATA_SIZE);
    if (box->length) {
        memcpy(box->data, fit->data + box->offset, box->length);
    }
    return NVDIMM_STATUS_OK;
}

static NvdimmStatus do_command(NvdimmMailbox *box, uint32_t command)
{
    static NvdimmStatus (*const of_device[])(NvdimmMailbox * box, Nvdimm * nv) = {
        [NVDIMM_CMD_INFO] = do_info,
        [NVDIMM_CMD_READ] = do_read,
        [NVDIMM_CMD_WRITE] = do_write,
        [NVDIMM_CMD_HEALTH] = do_health,
    };
    Nvdimm *nv;

    if (command == NVDIMM_CMD_FIT) {
        return do_fit(box);
    }
    if (command == NVDIMM_CMD_TAKE) {
        set_pending(box, false);
        return NVDIMM_STATUS_OK;
    }
    if (command >= G_N_ELEMENTS(of_device) || !of_device[command]) {
        return NVDIMM_STATUS_UNKNOWN_COMMAND;
    }
    nv = box->handle ? nvdimm_in_slot(box->machine, box->handle - nfit_handle(0)) : NULL;
    return nv ? of_device[command](box, nv) : NVDIMM_STATUS_NO_DEVICE;
}

/* ---- registers ---- */

static uint32_t *register_at(NvdimmMailbox *box, hwaddr addr)
{
    switch (addr) {
    case NVDIMM_REG_HANDLE:
        return &box->handle;
    case NVDIMM_REG_OFFSET:
        return &box->offset;
    case NVDIMM_REG_LENGTH:
        return &box->length;
    case NVDIMM_REG_COMMAND:
        return &box->status;
    default:
        return NULL;
    }
}

/* The rest of the page reads as 0. */
static uint64_t mailbox_read(void *opaque, hwaddr addr, unsigned size)
{
    NvdimmMailbox *box = opaque;
    const uint32_t *reg = register_at(box, addr);
    hwaddr at = addr - NVDIMM_REG_DATA;
    uint32_t value = 0;

    if (reg) {
        return *reg;
    }
    if (at <= NVDIMM_DATA_SIZE - sizeof(uint32_t)) {
        memcpy(&value, box->data + at, sizeof(value));
    }
    return value;
}

static void mailbox_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    NvdimmMailbox *box = opaque;
    uint32_t *reg = register_at(box, addr), word = (uint32_t)value;
    hwaddr at = addr - NVDIMM_REG_DATA;

    if (addr == NVDIMM_REG_COMMAND) {
        box->status = do_command(box, word);
        if (box->status != NVDIMM_STATUS_OK) {
            box->length = 0; /* of what is in DATA */
        }
    } else if (reg) {
        *reg = word;
    } else if (at <= NVDIMM_DATA_SIZE - sizeof(uint32_t)) {
        memcpy(box->data + at, &word, sizeof(word));
    }
}

static const MemoryRegionOps mailbox_ops = {
    .read = mailbox_read, .write = mailbox_write, .min_access = 4, .max_access = 4
};

/* ---- the device ---- */

static void mailbox_reset(Device *dev)
{
    NvdimmMailbox *box = NVDIMM_MAILBOX(dev);

    box->handle = box->offset = box->length = box->status = 0;
    memset(box->data, 0, sizeof(box->data));
    box->fit_changed = false;
    set_pending(box, false); /* what boots now finds it in NFIT */
}

static bool mailbox_realize(Device *dev, GError **errp)
{
    NvdimmMailbox *box = NVDIMM_MAILBOX(dev);

    memory_region_init_io(&box->region, &mailbox_ops, box, TYPE_NVDIMM_MAILBOX,
                          NVDIMM_MAILBOX_SIZE);
    return true;
}

static void mailbox_unrealize(Device *dev)
{
    memory_device_forget_settled(announce, NVDIMM_MAILBOX(dev));
    memory_region_destroy(&NVDIMM_MAILBOX(dev)->region);
}

NvdimmMailbox *nvdimm_mailbox_create(Machine *machine, MemoryRegion *memory, uint32_t capabilities,
                                     void (*notify)(void *opaque, bool pending), void *opaque)
{
    NvdimmMailbox *box = NVDIMM_MAILBOX(device_new_onboard(TYPE_NVDIMM_MAILBOX));

    box->machine = machine;
    box->capabilities = capabilities;
    box->notify = notify;
    box->notify_opaque = opaque;
    device_realize(&box->parent, NULL); /* cannot fail */
    device_map(&box->parent, memory, NVDIMM_MAILBOX_ADDR, &box->region, 0);
    return box;
}

static const StateField mailbox_fields[] = {
    STATE_UINT(NvdimmMailbox, handle),  STATE_UINT(NvdimmMailbox, offset),
    STATE_UINT(NvdimmMailbox, length),  STATE_UINT(NvdimmMailbox, status),
    STATE_UINTS(NvdimmMailbox, data),   STATE_BOOL(NvdimmMailbox, fit_changed),
    STATE_BOOL(NvdimmMailbox, pending), {},
};
static const StateTable mailbox_state = { .name = TYPE_NVDIMM_MAILBOX,
                                          .version = 1,
                                          .fields = mailbox_fields };

static const DeviceClass mailbox_device_ops = {
    .category = "misc",
    .realize = mailbox_realize,
    .unrealize = mailbox_unrealize,
    .reset = mailbox_reset,
    .wake = device_keep,
    .state = &mailbox_state,
};

static const ObjectType mailbox_type = {
    .name = TYPE_NVDIMM_MAILBOX,
    .parent = TYPE_DEVICE,
    .description = "registers of the NVDIMM root device",
    .instance_size = sizeof(NvdimmMailbox),
    .ops = &mailbox_device_ops,
};
OBJECT_TYPE_REGISTER(mailbox_type)
