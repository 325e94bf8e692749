/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TPM with a command response buffer (TCG PC Client platform TPM profile 1.05, 6.5.3): the guest
 * writes a command into memory and says so, and finds the answer in the same place. Locality 0.
 */
#include <string.h>

#include "hw/tpm/tpm.h"
#include "util/error.h"

/* Registers, by offset. */
enum {
    LOC_STATE = 0x00,
    LOC_CTRL = 0x08,
    LOC_STS = 0x0c,
    INTF_ID = 0x30,
    INTF_ID_VENDOR = 0x34,
    CTRL_REQ = 0x40,
    CTRL_STS = 0x44,
    CTRL_CANCEL = 0x48,
    CTRL_START = 0x4c,
    CMD_SIZE = 0x58,
    CMD_LADDR = 0x5c,
    RSP_SIZE = 0x64,
    RSP_ADDR = 0x68,
    BUFFER = 0x80,
};
enum { BUFFER_SIZE = TPM_CRB_SIZE - BUFFER };

enum {
    LOC_STATE_ESTABLISHED_N = 1 << 0, /* as in TPM_ACCESS: 0 says that it was */
    LOC_STATE_ASSIGNED = 1 << 1,
    LOC_STATE_VALID = 1 << 7,

    LOC_CTRL_REQUEST = 1 << 0,
    LOC_CTRL_RELINQUISH = 1 << 1,

    LOC_STS_GRANTED = 1 << 0,

    CTRL_REQ_READY = 1 << 0,
    CTRL_REQ_IDLE = 1 << 1,

    CTRL_STS_ERROR = 1 << 0,
    CTRL_STS_IDLE = 1 << 1,

    /* A CRB that is chosen, version 1, accesses of 64 bytes at most, one locality. */
    INTF_ID_VALUE = 1 | 1 << 4 | 3 << 11 | 1 << 14 | 1 << 17,
};

typedef struct TpmCrb {
    Tpm parent;
    /* state */
    bool assigned, idle, started, cancelled, failed;
    uint8_t buffer[BUFFER_SIZE];
    /* wiring */
    MemoryRegion region;
} TpmCrb;
OBJECT_CAST_DEFINE(TpmCrb, TPM_CRB, TYPE_TPM_CRB)

static uint32_t loc_state(const TpmCrb *s)
{
    return LOC_STATE_VALID | (s->assigned ? LOC_STATE_ASSIGNED : 0) |
           (tpm_backend_established(s->parent.backend) ? 0 : LOC_STATE_ESTABLISHED_N);
}

static uint32_t crb_register(const TpmCrb *s, hwaddr reg)
{
    switch (reg) {
    case LOC_STATE:
        return loc_state(s);
    case LOC_STS:
        return s->assigned ? LOC_STS_GRANTED : 0;
    case INTF_ID:
        return INTF_ID_VALUE;
    case INTF_ID_VENDOR:
        return TPM_VENDOR;
    case CTRL_STS:
        return (s->failed ? CTRL_STS_ERROR : 0) | (s->idle ? CTRL_STS_IDLE : 0);
    case CTRL_CANCEL:
        return s->cancelled;
    case CTRL_START:
        return s->started;
    case CMD_SIZE:
    case RSP_SIZE:
        return BUFFER_SIZE;
    case CMD_LADDR:
    case RSP_ADDR:
        return TPM_BASE + BUFFER;
    }
    return 0;
}

static uint64_t crb_read(void *opaque, hwaddr addr, unsigned size)
{
    const TpmCrb *s = opaque;
    uint32_t value = 0;

    if (addr >= BUFFER) {
        memcpy(&value, s->buffer + addr - BUFFER, MIN(size, TPM_CRB_SIZE - addr));
        return value;
    }
    return crb_register(s, addr & ~3u) >> addr % 4 * 8;
}

static void crb_start(TpmCrb *s)
{
    s->started = true;
    s->failed = false;
    tpm_backend_execute(s->parent.backend, 0, s->buffer, BUFFER_SIZE);
}

static void crb_write_register(TpmCrb *s, hwaddr reg, uint32_t value)
{
    switch (reg) {
    case LOC_CTRL:
        if (value & LOC_CTRL_REQUEST) {
            s->assigned = true;
        } else if (value & LOC_CTRL_RELINQUISH) {
            s->assigned = false;
        }
        break;
    case CTRL_REQ:
        if (value & CTRL_REQ_READY) {
            s->idle = false;
        } else if (value & CTRL_REQ_IDLE && !s->started) {
            s->idle = true;
        }
        break;
    case CTRL_CANCEL:
        s->cancelled = value & 1;
        if (s->cancelled && s->started) {
            tpm_backend_cancel(s->parent.backend);
        }
        break;
    case CTRL_START:
        if (value & 1 && s->assigned && !s->started) {
            crb_start(s);
        }
        break;
    }
}

static void crb_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    TpmCrb *s = opaque;

    if (addr < BUFFER) {
        if (addr % 4 == 0) {
            crb_write_register(s, addr, (uint32_t)value);
        }
    } else if (!s->started) {
        memcpy(s->buffer + addr - BUFFER, &value, MIN(size, TPM_CRB_SIZE - addr));
    }
}

static const MemoryRegionOps crb_ops = { crb_read, crb_write, 1, 4 };

static void crb_answered(void *opaque, const uint8_t *answer, size_t len)
{
    TpmCrb *s = opaque;

    s->failed = len > BUFFER_SIZE;
    if (!s->failed) {
        memcpy(s->buffer, answer, len);
    }
    s->started = false;
}

static void crb_reset(Device *dev)
{
    TpmCrb *s = TPM_CRB(dev);

    s->assigned = s->started = s->cancelled = s->failed = false;
    s->idle = true;
    memset(s->buffer, 0, sizeof(s->buffer));
    tpm_backend_start(s->parent.backend, BUFFER_SIZE);
}

static bool crb_realize(Device *dev, GError **errp)
{
    TpmCrb *s = TPM_CRB(dev);

    if (!tpm_realize(TPM(dev), crb_answered, errp)) {
        return false;
    }
    memory_region_init_io(&s->region, &crb_ops, s, TYPE_TPM_CRB, TPM_CRB_SIZE);
    device_map(dev, memory_system(), TPM_BASE, &s->region, 0);
    return true;
}

static void crb_unrealize(Device *dev)
{
    memory_region_destroy(&TPM_CRB(dev)->region);
    tpm_unrealize(TPM(dev));
}

static void crb_pre_save(void *obj)
{
    TpmCrb *s = obj;

    tpm_backend_save(s->parent.backend, &s->parent.saved);
}

static bool crb_post_load(void *obj, GError **errp)
{
    TpmCrb *s = obj;

    if (s->started) {
        error_set(errp, "the TPM's command was not over when it was saved");
        return false;
    }
    return tpm_backend_load(s->parent.backend, BUFFER_SIZE, &s->parent.saved, errp);
}

static const StateField crb_fields[] = {
    STATE_STRUCT(TpmCrb, parent.saved, &tpm_backend_state),
    STATE_BOOL(TpmCrb, assigned),
    STATE_BOOL(TpmCrb, idle),
    STATE_BOOL(TpmCrb, started),
    STATE_BOOL(TpmCrb, cancelled),
    STATE_BOOL(TpmCrb, failed),
    STATE_UINTS(TpmCrb, buffer),
    {},
};
static const StateTable crb_state = { .name = TYPE_TPM_CRB,
                                      .version = 1,
                                      .fields = crb_fields,
                                      .pre_save = crb_pre_save,
                                      .post_load = crb_post_load };

static const DeviceClass crb_device_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = crb_realize,
    .unrealize = crb_unrealize,
    .reset = crb_reset,
    .state = &crb_state,
};

static const ObjectType crb_type = {
    .name = TYPE_TPM_CRB,
    .parent = TYPE_TPM,
    .description = "TPM 2.0 with a command response buffer",
    .instance_size = sizeof(TpmCrb),
    .ops = &crb_device_ops,
};
OBJECT_TYPE_REGISTER(crb_type)
