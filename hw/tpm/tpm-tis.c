/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TPM with the FIFO interface (TCG PC Client TPM interface specification 1.3, TIS; platform TPM
 * profile 1.05, 6.5.2): five localities, each with a page of registers, of which one at a time has
 * the TPM, and gives it commands byte by byte.
 */
#include <string.h>

#include "hw/core/irq-lines.h"
#include "hw/intc/isa-irq.h"
#include "hw/tpm/tpm.h"
#include "util/bytes.h"
#include "util/error.h"

enum { LOCALITIES = 5, NO_LOCALITY = 0xff, PAGE = 0x1000 };

/* Registers, by offset in a locality's page. */
enum {
    ACCESS = 0x00,
    INT_ENABLE = 0x08,
    INT_VECTOR = 0x0c,
    INT_STATUS = 0x10,
    INTF_CAPABILITY = 0x14,
    STS = 0x18,
    DATA_FIFO = 0x24,
    INTERFACE_ID = 0x30,
    XDATA_FIFO = 0x80,
    XDATA_FIFO_END = 0xc0,
    DID_VID = 0xf00,
    RID = 0xf04,
};

enum {
    ACCESS_VALID = 1 << 7,
    ACCESS_ACTIVE = 1 << 5,
    ACCESS_SEIZED = 1 << 4, /* it was taken from this one */
    ACCESS_SEIZE = 1 << 3,
    ACCESS_PENDING = 1 << 2, /* another one would like to have it */
    ACCESS_REQUEST = 1 << 1,
    ACCESS_ESTABLISHED_N = 1 << 0,

    INT_GLOBAL = 1u << 31,
    INT_READY = 1 << 7,
    INT_LOW_LEVEL = 1 << 3, /* in bits 3 and 4 */
    INT_POLARITY = 3 << 3,
    INT_LOCALITY = 1 << 2,
    INT_VALID = 1 << 1,
    INT_DATA = 1 << 0,
    INTS = INT_READY | INT_LOCALITY | INT_VALID | INT_DATA,

    /* Version for TPM 2.0 or 1.3, accesses of 64 bytes at most, low level, all interrupts. */
    CAPABILITY_2 = 3 << 28 | 3 << 9 | 1 << 4 | INTS,
    CAPABILITY_1 = 2 << 28 | 3 << 9 | 1 << 4 | INTS,
    /* A FIFO, five localities, TIS. */
    INTERFACE_ID_VALUE = 1 << 8 | 1 << 13,

    STS_FAMILY_2 = 1 << 26,
    STS_RESET_ESTABLISHED = 1 << 25,
    STS_CANCEL = 1 << 24,
    STS_BURST_SHIFT = 8,
    STS_VALID = 1 << 7,
    STS_READY = 1 << 6,
    STS_GO = 1 << 5,
    STS_DATA = 1 << 4,
    STS_EXPECT = 1 << 3,
    STS_RETRY = 1 << 1,
};

typedef enum TisState {
    TIS_IDLE,
    TIS_READY,     /* for a command */
    TIS_RECEPTION, /* of a command */
    TIS_EXECUTION,
    TIS_COMPLETION, /* the answer is there */
    TIS_STATES,
} TisState;

typedef struct TpmTis {
    Tpm parent;
    /* configuration */
    uint32_t irq_number;
    /* wiring */
    Irq irq;
    MemoryRegion region;
    /* state */
    uint8_t active;            /* locality that has it, or NO_LOCALITY */
    uint8_t state;             /* TisState, of that one */
    bool aborted;              /* the answer that is to come is for nobody */
    uint8_t requested, seized; /* localities, by bit */
    uint32_t enable[LOCALITIES], status[LOCALITIES];
    uint32_t length, at; /* of what is in the buffer, and how much is written or read */
    uint8_t buffer[TPM_BUFFER_SIZE];
} TpmTis;
OBJECT_CAST_DEFINE(TpmTis, TPM_TIS, TYPE_TPM_TIS)

/* ---- interrupts ---- */

static void tis_update(TpmTis *s)
{
    bool on = false;

    for (unsigned i = 0; i < LOCALITIES; i++) {
        on |= s->enable[i] & INT_GLOBAL && s->enable[i] & s->status[i] & INTS;
    }
    irq_set(&s->irq, on);
}

static void tis_interrupt(TpmTis *s, uint32_t bits)
{
    if (s->active != NO_LOCALITY) {
        s->status[s->active] |= bits;
        tis_update(s);
    }
}

/* ---- who has it ---- */

/* What was going on is not for who has it from now on. */
static void tis_give_to(TpmTis *s, uint8_t locality)
{
    if (s->state == TIS_EXECUTION) {
        s->aborted = true;
        tpm_backend_cancel(s->parent.backend);
    }
    s->state = TIS_IDLE;
    s->length = s->at = 0;
    s->active = locality;
    if (locality != NO_LOCALITY) {
        s->requested &= ~(1 << locality);
        tis_interrupt(s, INT_LOCALITY);
    }
}

/* The highest of those who want it. */
static uint8_t tis_next(const TpmTis *s)
{
    return s->requested ? (uint8_t)(g_bit_nth_msf(s->requested, -1)) : NO_LOCALITY;
}

static void tis_write_access(TpmTis *s, unsigned locality, uint32_t value)
{
    const uint8_t bit = (uint8_t)(1 << locality);

    if (value & ACCESS_SEIZED) {
        s->seized &= ~bit;
    }
    if (value & ACCESS_ACTIVE) {
        s->requested &= ~bit;
        if (s->active == locality) {
            tis_give_to(s, tis_next(s));
        }
    }
    if (value & ACCESS_SEIZE && s->active != locality &&
        (s->active == NO_LOCALITY || locality > s->active)) {
        if (s->active != NO_LOCALITY) {
            s->seized |= (uint8_t)(1 << s->active);
        }
        tis_give_to(s, (uint8_t)locality);
    }
    if (value & ACCESS_REQUEST && s->active != locality) {
        s->requested |= bit;
        if (s->active == NO_LOCALITY) {
            tis_give_to(s, (uint8_t)locality);
        }
    }
}

static uint32_t tis_access(const TpmTis *s, unsigned locality)
{
    const uint8_t bit = (uint8_t)(1 << locality);

    return ACCESS_VALID | (s->active == locality ? ACCESS_ACTIVE : 0) |
           (s->seized & bit ? ACCESS_SEIZED : 0) | (s->requested & ~bit ? ACCESS_PENDING : 0) |
           (s->requested & bit ? ACCESS_REQUEST : 0) |
           (tpm_backend_established(s->parent.backend) ? 0 : ACCESS_ESTABLISHED_N);
}

/* ---- commands ---- */

static bool tis_expects_more(const TpmTis *s)
{
    return s->at < TPM_SIZE_AT + 4 || s->at < s->length;
}

static void tis_put(TpmTis *s, uint8_t byte)
{
    if (s->state == TIS_READY) {
        s->state = TIS_RECEPTION;
        s->length = s->at = 0;
    }
    if (s->state != TIS_RECEPTION || !tis_expects_more(s)) {
        return;
    }
    s->buffer[s->at++] = byte;
    if (s->at == TPM_SIZE_AT + 4) {
        /* A length that makes no sense is refused when the command is to be carried out. */
        s->length =
            CLAMP(bytes_get_be32(s->buffer + TPM_SIZE_AT), TPM_HEADER_SIZE, TPM_BUFFER_SIZE);
    }
    if (!tis_expects_more(s)) {
        tis_interrupt(s, INT_VALID);
    }
}

static uint8_t tis_get(TpmTis *s)
{
    if (s->state != TIS_COMPLETION || s->at == s->length) {
        return 0xff;
    }
    return s->buffer[s->at++];
}

static void tis_ready(TpmTis *s)
{
    if (s->state == TIS_EXECUTION) {
        s->aborted = true;
        tpm_backend_cancel(s->parent.backend);
        s->state = TIS_IDLE;
    } else if (!tpm_backend_busy(s->parent.backend)) {
        s->state = TIS_READY;
        tis_interrupt(s, INT_READY);
    }
    s->length = s->at = 0;
}

static void tis_write_sts(TpmTis *s, unsigned locality, uint32_t value)
{
    if (value & STS_CANCEL && s->state == TIS_EXECUTION && tpm_backend_is_2(s->parent.backend)) {
        tpm_backend_cancel(s->parent.backend);
    }
    if (value & STS_RESET_ESTABLISHED && locality >= 3) {
        tpm_backend_reset_established(s->parent.backend, locality);
    }
    if (value & STS_READY) {
        tis_ready(s);
    } else if (value & STS_GO && s->state == TIS_RECEPTION && !tis_expects_more(s)) {
        s->state = TIS_EXECUTION;
        tpm_backend_execute(s->parent.backend, locality, s->buffer, TPM_BUFFER_SIZE);
    } else if (value & STS_RETRY && s->state == TIS_COMPLETION) {
        s->at = 0;
    }
}

static uint32_t tis_sts(const TpmTis *s)
{
    uint32_t burst = TPM_BUFFER_SIZE - s->at, bits = 0;

    switch ((TisState)s->state) {
    case TIS_READY:
        bits = STS_READY;
        break;
    case TIS_RECEPTION:
        bits = STS_VALID | (tis_expects_more(s) ? STS_EXPECT : 0);
        break;
    case TIS_EXECUTION:
        burst = 0;
        break;
    case TIS_COMPLETION:
        bits = STS_VALID;
        if (s->at < s->length) {
            burst = s->length - s->at;
            bits |= STS_DATA;
        }
        break;
    default:
        break;
    }
    return (tpm_backend_is_2(s->parent.backend) ? STS_FAMILY_2 : 0) | burst << STS_BURST_SHIFT |
           bits;
}

static void tis_answered(void *opaque, const uint8_t *answer, size_t len)
{
    TpmTis *s = opaque;

    if (s->aborted) {
        s->aborted = false;
    } else if (s->state == TIS_EXECUTION) {
        memcpy(s->buffer, answer, len);
        s->length = (uint32_t)len;
        s->at = 0;
        s->state = TIS_COMPLETION;
        tis_interrupt(s, INT_DATA | INT_VALID);
    }
}

/* ---- registers ---- */

static bool is_fifo(hwaddr reg)
{
    return reg == DATA_FIFO || (reg >= XDATA_FIFO && reg < XDATA_FIFO_END);
}

static uint32_t tis_register(const TpmTis *s, unsigned locality, hwaddr reg)
{
    switch (reg) {
    case ACCESS:
        return tis_access(s, locality);
    case INT_ENABLE:
        return s->enable[locality];
    case INT_VECTOR:
        return s->irq_number;
    case INT_STATUS:
        return s->status[locality];
    case INTF_CAPABILITY:
        return tpm_backend_is_2(s->parent.backend) ? CAPABILITY_2 : CAPABILITY_1;
    case STS:
        return s->active == locality ? tis_sts(s) : UINT32_MAX;
    case INTERFACE_ID:
        return INTERFACE_ID_VALUE;
    case DID_VID:
        return TPM_DEVICE << 16 | TPM_VENDOR;
    case RID:
        return TPM_REVISION;
    }
    return UINT32_MAX;
}

static uint64_t tis_read(void *opaque, hwaddr addr, unsigned size)
{
    TpmTis *s = opaque;
    const unsigned locality = (unsigned)(addr / PAGE);
    const hwaddr reg = addr % PAGE & ~3u;
    uint32_t value = 0;

    if (!is_fifo(reg) || s->active != locality) {
        return tis_register(s, locality, reg) >> addr % 4 * 8;
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint32_t)tis_get(s) << 8 * i;
    }
    return value;
}

static void tis_write_enable(TpmTis *s, unsigned locality, uint32_t value)
{
    s->enable[locality] = value & (INT_GLOBAL | INT_POLARITY | INTS);
    tis_update(s);
}

static void tis_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    TpmTis *s = opaque;
    const unsigned locality = (unsigned)(addr / PAGE);
    const hwaddr reg = addr % PAGE & ~3u;
    const uint32_t shifted = (uint32_t)(value << addr % 4 * 8);

    if (reg == ACCESS) {
        tis_write_access(s, locality, shifted);
    } else if (s->active != locality) {
        return;
    } else if (is_fifo(reg)) {
        for (unsigned i = 0; i < size; i++) {
            tis_put(s, (uint8_t)(value >> 8 * i));
        }
    } else if (reg == INT_ENABLE && addr % 4 == 0) {
        tis_write_enable(s, locality, shifted);
    } else if (reg == INT_STATUS) {
        s->status[locality] &= ~shifted;
        tis_update(s);
    } else if (reg == STS) {
        tis_write_sts(s, locality, shifted);
    }
}

static const MemoryRegionOps tis_ops = { tis_read, tis_write, 1, 4 };

/* ---- the device ---- */

static void tis_reset(Device *dev)
{
    TpmTis *s = TPM_TIS(dev);

    s->active = NO_LOCALITY;
    s->state = TIS_IDLE;
    s->aborted = false;
    s->requested = s->seized = 0;
    for (unsigned i = 0; i < LOCALITIES; i++) {
        s->enable[i] = INT_LOW_LEVEL;
        s->status[i] = 0;
    }
    s->length = s->at = 0;
    memset(s->buffer, 0, sizeof(s->buffer));
    tis_update(s);
    tpm_backend_start(s->parent.backend, TPM_BUFFER_SIZE);
}

static bool tis_realize(Device *dev, GError **errp)
{
    TpmTis *s = TPM_TIS(dev);

    if (s->irq_number >= ISA_IRQS) {
        error_set(errp, "'irq' %u does not exist; it is 0 to %d", s->irq_number, ISA_IRQS - 1);
        return false;
    }
    if (!tpm_realize(TPM(dev), tis_answered, errp)) {
        return false;
    }
    s->irq = isa_irq(s->irq_number);
    memory_region_init_io(&s->region, &tis_ops, s, TYPE_TPM_TIS, TPM_TIS_SIZE);
    device_map(dev, memory_system(), TPM_BASE, &s->region, 0);
    return true;
}

static void tis_unrealize(Device *dev)
{
    memory_region_destroy(&TPM_TIS(dev)->region);
    tpm_unrealize(TPM(dev));
}

static const Property tis_properties[] = {
    { .name = "irq",
      .kind = PROP_UINT32,
      .offset = offsetof(TpmTis, irq_number),
      .has_default = true,
      .default_int = 5,
      .description = "ISA interrupt line, 0 to 15" },
    { 0 },
};

static void tis_pre_save(void *obj)
{
    TpmTis *s = obj;

    tpm_backend_save(s->parent.backend, &s->parent.saved);
}

static bool tis_post_load(void *obj, GError **errp)
{
    TpmTis *s = obj;

    if ((s->active >= LOCALITIES && s->active != NO_LOCALITY) || s->state == TIS_EXECUTION ||
        s->aborted || s->length > TPM_BUFFER_SIZE || s->at > TPM_BUFFER_SIZE ||
        (s->state == TIS_COMPLETION && s->at > s->length) ||
        (s->requested | s->seized) >> LOCALITIES) {
        error_set(errp, "a TPM cannot be in this state");
        return false;
    }
    return tpm_backend_load(s->parent.backend, TPM_BUFFER_SIZE, &s->parent.saved, errp);
}

static const StateField tis_fields[] = {
    STATE_STRUCT(TpmTis, parent.saved, &tpm_backend_state),
    STATE_UINT(TpmTis, active),
    STATE_UINT_MAX(TpmTis, state, TIS_STATES - 1),
    STATE_BOOL(TpmTis, aborted),
    STATE_UINT(TpmTis, requested),
    STATE_UINT(TpmTis, seized),
    STATE_UINTS(TpmTis, enable),
    STATE_UINTS(TpmTis, status),
    STATE_UINT(TpmTis, length),
    STATE_UINT(TpmTis, at),
    STATE_UINTS(TpmTis, buffer),
    {},
};
static const StateTable tis_state = { .name = TYPE_TPM_TIS,
                                      .version = 1,
                                      .fields = tis_fields,
                                      .pre_save = tis_pre_save,
                                      .post_load = tis_post_load };

static const DeviceClass tis_device_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = tis_realize,
    .unrealize = tis_unrealize,
    .reset = tis_reset,
    .state = &tis_state,
};

static const ObjectType tis_type = {
    .name = TYPE_TPM_TIS,
    .parent = TYPE_TPM,
    .description = "TPM with the FIFO interface (TIS)",
    .instance_size = sizeof(TpmTis),
    .properties = tis_properties,
    .ops = &tis_device_ops,
};
OBJECT_TYPE_REGISTER(tis_type)

static const IrqLines tis_lines[] = {
    { .type = TYPE_TPM_TIS, .out = true, .offset = offsetof(TpmTis, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(tis_lines)
