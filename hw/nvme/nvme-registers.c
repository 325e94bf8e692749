/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, and how a controller begins and ends (sections 3.1 and 7.6). */
#include <string.h>

#include "hw/core/dword-registers.h"
#include "hw/nvme/nvme.h"
#include "util/units.h"

#define TIMEOUT 15u /* units of 500 ms that it takes at most to be ready, or not */

enum { CMB_ALL = 0x1f, CMB_UNIT_MIB = 2 << 8, CMB_SIZE_SHIFT = 12 };

uint64_t nvme_registers_size(const Nvme *n)
{
    uint64_t used = NVME_DOORBELLS + 8 * (n->max_pairs + 1), size = 0x2000;

    while (size < used) {
        size *= 2;
    }
    return size;
}

void nvme_fatal(Nvme *n)
{
    n->csts |= NVME_CSTS_CFS;
}

/* ---- beginning and end ---- */

void nvme_reset_controller(Nvme *n, bool all)
{
    nvme_io_cancel(n);
    memset(n->sqs, 0, sizeof(n->sqs));
    memset(n->cqs, 0, sizeof(n->cqs));
    n->csts = 0;
    n->intm = 0;
    n->next_sq = 0;
    n->asked_count = 0;
    n->events = n->told = 0;
    memset(n->changed, 0, sizeof(n->changed));
    nvme_reset_features(n);
    if (all) {
        n->cc = n->aqa = 0;
        n->asq = n->acq = n->cmbmsc = 0;
        n->timestamp_set = false;
        n->timestamp = 0;
        n->timestamp_ns = 0;
        for (unsigned i = 0; i < NVME_NAMESPACES; i++) { /* of a subsystem: when that is reset */
            if (n->ns[i] && n->ns[i]->zones && !n->ns[i]->subsys) {
                nvme_zones_power_off(n->ns[i]->zones);
            }
        }
        n->reads = n->writes = n->read_units = n->write_units = 0;
    }
    nvme_update_interrupt(n);
}

/* The admin queues are where AQA, ASQ and ACQ say. */
static void enable(Nvme *n)
{
    uint32_t sq_size = (n->aqa & 0xfff) + 1, cq_size = (n->aqa >> 16 & 0xfff) + 1;
    uint64_t page = nvme_page(n);

    if ((n->cc & NVME_CC_MPS) >> NVME_CC_MPS_SHIFT > NVME_CAP_MPSMAX || n->cc & NVME_CC_AMS ||
        (n->cc & NVME_CC_CSS && (n->cc & NVME_CC_CSS) != NVME_CC_CSS_SETS) || sq_size < 2 ||
        cq_size < 2 || n->asq % page || n->acq % page) {
        nvme_fatal(n);
        return;
    }
    n->sqs[0] = (NvmeSq){ .base = n->asq, .size = sq_size };
    n->cqs[0] = (NvmeCq){ .base = n->acq, .size = cq_size, .interrupts = true, .phase = true };
    n->csts |= NVME_CSTS_RDY;
}

void nvme_shutdown_done(Nvme *n)
{
    n->csts = (n->csts & ~(uint32_t)NVME_CSTS_SHST) | NVME_CSTS_SHST_DONE;
}

static void cc_written(Nvme *n, uint32_t value)
{
    uint32_t before = n->cc;

    n->cc = value;
    if (before & NVME_CC_EN && !(value & NVME_CC_EN)) {
        nvme_reset_controller(n, false);
    } else if (!(before & NVME_CC_EN) && value & NVME_CC_EN) {
        enable(n);
    }
    if (value & NVME_CC_SHN && !(before & NVME_CC_SHN)) {
        n->csts = (n->csts & ~(uint32_t)NVME_CSTS_SHST) | NVME_CSTS_SHST_BUSY;
        nvme_io_shutdown(n);
    } else if (!(value & NVME_CC_SHN)) {
        n->csts &= ~(uint32_t)NVME_CSTS_SHST;
    }
}

/* ---- accesses ---- */

static uint32_t read_register(void *opaque, unsigned offset)
{
    const Nvme *n = opaque;
    const uint64_t cap = NVME_CAP_MQES | NVME_CAP_CQR | (uint64_t)TIMEOUT << NVME_CAP_TO_SHIFT |
                         NVME_CAP_CSS_NVM | NVME_CAP_CSS_SETS |
                         (uint64_t)NVME_CAP_MPSMAX << NVME_CAP_MPS_SHIFT |
                         (n->cmb ? NVME_CAP_CMBS : 0);
    bool cmb = n->cmb && n->cmbmsc & NVME_CMBMSC_CRE;
    const struct {
        unsigned offset;
        uint32_t value;
    } registers[] = {
        { NVME_CAP, (uint32_t)cap },
        { NVME_CAP + 4, (uint32_t)(cap >> 32) },
        { NVME_VS, NVME_VERSION },
        { NVME_INTMS, n->intm },
        { NVME_INTMC, n->intm },
        { NVME_CC, n->cc },
        { NVME_CSTS, n->csts },
        { NVME_AQA, n->aqa },
        { NVME_ASQ, (uint32_t)n->asq },
        { NVME_ASQ + 4, (uint32_t)(n->asq >> 32) },
        { NVME_ACQ, (uint32_t)n->acq },
        { NVME_ACQ + 4, (uint32_t)(n->acq >> 32) },
        { NVME_CMBLOC, cmb ? NVME_CMB_BAR : 0 },
        { NVME_CMBSZ, cmb ? n->cmb_mib << CMB_SIZE_SHIFT | CMB_UNIT_MIB | CMB_ALL : 0 },
        { NVME_CMBMSC, n->cmb ? (uint32_t)n->cmbmsc : 0 },
        { NVME_CMBMSC + 4, n->cmb ? (uint32_t)(n->cmbmsc >> 32) : 0 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        if (registers[i].offset == offset) {
            return registers[i].value;
        }
    }
    return 0;
}

static void set_half(uint64_t *value, unsigned offset, uint32_t half)
{
    unsigned shift = offset & 4 ? 32 : 0;

    *value = (*value & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)half << shift;
}

static void write_register(void *opaque, unsigned offset, uint32_t value)
{
    Nvme *n = opaque;

    switch (offset) {
    case NVME_INTMS:
        n->intm |= value;
        nvme_update_interrupt(n);
        break;
    case NVME_INTMC:
        n->intm &= ~value;
        nvme_update_interrupt(n);
        break;
    case NVME_CC:
        cc_written(n, value);
        break;
    case NVME_AQA:
        n->aqa = value;
        break;
    case NVME_ASQ:
    case NVME_ASQ + 4:
        set_half(&n->asq, offset, value);
        break;
    case NVME_ACQ:
    case NVME_ACQ + 4:
        set_half(&n->acq, offset, value);
        break;
    case NVME_CMBMSC:
    case NVME_CMBMSC + 4:
        set_half(&n->cmbmsc, offset, value);
        break;
    default:
        if (offset >= NVME_DOORBELLS) {
            nvme_doorbell(n, (offset - NVME_DOORBELLS) / 4, value);
        }
    }
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    return dword_registers_read(read_register, opaque, addr, size);
}

static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    dword_registers_write(write_register, opaque, addr, value, size);
}

const MemoryRegionOps nvme_register_ops = { registers_read, registers_write, 1, 8 };
