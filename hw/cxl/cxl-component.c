/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-component.h"

#include <inttypes.h>
#include <string.h>

#include "hw/cxl/cxl-host.h"
#include "util/error.h"

/* ---- interleaving (section 8.2.4.19.7) ---- */

static const uint8_t ways_by_code[] = { 1, 2, 4, 8, 16, 0, 0, 0, 3, 6, 12 };

unsigned cxl_interleave_ways(unsigned code)
{
    return code < G_N_ELEMENTS(ways_by_code) ? ways_by_code[code] : 0;
}

unsigned cxl_interleave_code(unsigned ways)
{
    for (unsigned code = 0; code < G_N_ELEMENTS(ways_by_code); code++) {
        if (ways && ways_by_code[code] == ways) {
            return code;
        }
    }
    return UINT_MAX;
}

unsigned cxl_interleave_target(unsigned ways, uint64_t granularity, hwaddr addr)
{
    /* Where the specification takes bits of the address, and a remainder by 3 of those above, this
     * is the same. */
    return (unsigned)(addr / granularity % ways);
}

/* ---- registers ---- */

static uint32_t reg(const CxlComponent *c, unsigned offset)
{
    return c->regs[offset / 4];
}

static uint64_t reg64(const CxlComponent *c, unsigned offset)
{
    return reg(c, offset) | (uint64_t)reg(c, offset + 4) << 32;
}

static unsigned decoder_at(unsigned n, unsigned offset)
{
    return AT_DECODERS + DECODER_FIRST + n * DECODER_BYTES + offset;
}

/* Registers that keep what is written, or are cleared by ones. */
typedef struct ComponentRegister {
    uint16_t offset;
    uint32_t initial, wmask, w1cmask;
} ComponentRegister;

static const ComponentRegister plain[] = {
    { AT_RAS + 0x00, 0, 0, 0x0001cfff },          /* uncorrectable errors: status */
    { AT_RAS + 0x04, 0x0001cfff, 0x0001cfff, 0 }, /* mask */
    { AT_RAS + 0x08, 0x0001cfff, 0x0001cfff, 0 }, /* severity */
    { AT_RAS + 0x0c, 0, 0, 0x0000007f },          /* correctable errors: status */
    { AT_RAS + 0x10, 0x0000007f, 0x0000007f, 0 }, /* mask */
    { AT_RAS + 0x14, 0, 0, 0 },                   /* control: one header is kept */
    { AT_DECODERS + DECODER_GLOBAL, 0, DECODER_GLOBAL_POISON | DECODER_GLOBAL_ENABLE, 0 },
};

/* What can be written of a decoder. */
static uint32_t decoder_mask(unsigned offset)
{
    static const uint32_t masks[DECODER_BYTES / 4] = {
        [DECODER_BASE / 4] = 0xf0000000,
        [DECODER_BASE / 4 + 1] = 0xffffffff,
        [DECODER_SIZE / 4] = 0xf0000000,
        [DECODER_SIZE / 4 + 1] = 0xffffffff,
        [DECODER_CONTROL / 4] = DECODER_GRANULARITY | DECODER_WAYS << DECODER_WAYS_SHIFT |
                                DECODER_LOCK | DECODER_COMMIT | DECODER_TYPE_3,
        [DECODER_TARGETS / 4] = 0xffffffff,
        [DECODER_TARGETS / 4 + 1] = 0xffffffff,
    };

    return masks[offset / 4];
}

/* ---- decoders ---- */

static bool is_committed(const CxlComponent *c, unsigned n)
{
    return reg(c, decoder_at(n, DECODER_CONTROL)) & DECODER_COMMITTED;
}

static uint64_t size_of(const CxlComponent *c, unsigned n)
{
    return reg64(c, decoder_at(n, DECODER_SIZE));
}

static unsigned ways_of(const CxlComponent *c, unsigned n)
{
    return cxl_interleave_ways(reg(c, decoder_at(n, DECODER_CONTROL)) >> DECODER_WAYS_SHIFT &
                               DECODER_WAYS);
}

/* Where in a device decoder @n begins, and is there room for all of it? */
static bool find_dpa(const CxlComponent *c, unsigned n, uint64_t *dpa)
{
    uint64_t at = 0;

    for (unsigned i = 0; i <= n; i++) {
        uint64_t skip =
            reg64(c, decoder_at(i, DECODER_TARGETS)) & ~(uint64_t)(CXL_DECODER_UNIT - 1);
        uint64_t size = ways_of(c, i) ? size_of(c, i) / ways_of(c, i) : 0;

        if (skip > c->capacity - at || size > c->capacity - at - skip) {
            return false;
        }
        *dpa = at + skip;
        at += skip + size;
    }
    return true;
}

static uint64_t base_of(const CxlComponent *c, unsigned n)
{
    return reg64(c, decoder_at(n, DECODER_BASE));
}

/* Is there what decoder @n says: such a range, so many ways, such a granularity? */
static bool is_possible(const CxlComponent *c, unsigned n)
{
    uint32_t control = reg(c, decoder_at(n, DECODER_CONTROL));
    uint64_t unit = CXL_DECODER_UNIT, end;
    unsigned ways = ways_of(c, n);

    return ways && base_of(c, n) % unit == 0 && size_of(c, n) % unit == 0 &&
           (control & DECODER_GRANULARITY) < CXL_GRANULARITY_CODES &&
           (c->role == CXL_DEVICE || ways <= CXL_DECODER_TARGETS) && size_of(c, n) % ways == 0 &&
           !__builtin_add_overflow(base_of(c, n), size_of(c, n), &end);
}

/* Is its range behind those of the committed ones before it? */
static bool is_behind(const CxlComponent *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (is_committed(c, i) && base_of(c, n) < base_of(c, i) + size_of(c, i)) {
            return false;
        }
    }
    return true;
}

/* Are all before it committed, and none behind it? Else ranges, or what of a device they are, could
 * overlap. */
static bool is_next(const CxlComponent *c, unsigned n)
{
    for (unsigned i = 0; i < CXL_DECODERS; i++) {
        if (i != n && is_committed(c, i) != (i < n)) {
            return false;
        }
    }
    return true;
}

static bool can_commit(const CxlComponent *c, unsigned n, uint64_t *dpa)
{
    return is_possible(c, n) && is_next(c, n) && is_behind(c, n) &&
           (c->role != CXL_DEVICE || find_dpa(c, n, dpa));
}

static void write_control(CxlComponent *c, unsigned n, uint32_t value)
{
    uint32_t *control = &c->regs[decoder_at(n, DECODER_CONTROL) / 4];
    uint32_t mask = decoder_mask(DECODER_CONTROL);

    if (*control & DECODER_COMMITTED) {
        if (!(*control & DECODER_LOCK) && !(value & DECODER_COMMIT)) {
            *control = value & mask;
            cxl_host_update();
        }
        return;
    }
    *control = value & mask;
    if (!(value & DECODER_COMMIT)) {
        return;
    }
    if (can_commit(c, n, &c->dpa[n])) {
        *control |= DECODER_COMMITTED;
        cxl_host_update();
    } else {
        *control |= DECODER_ERROR;
    }
}

static void write_decoder(CxlComponent *c, unsigned n, unsigned offset, uint32_t value)
{
    uint32_t mask = decoder_mask(offset);

    if (offset == DECODER_CONTROL) {
        write_control(c, n, value);
    } else if (!is_committed(c, n)) {
        c->regs[decoder_at(n, offset) / 4] = value & mask;
    }
}

bool cxl_component_decoder(const CxlComponent *c, unsigned n, CxlDecoder *decoder)
{
    uint32_t control = reg(c, decoder_at(n, DECODER_CONTROL));
    uint64_t targets = reg64(c, decoder_at(n, DECODER_TARGETS));

    if (!c->decoders || !is_committed(c, n) || !size_of(c, n) || !ways_of(c, n)) {
        return false;
    }
    *decoder = (CxlDecoder){
        .base = base_of(c, n),
        .size = size_of(c, n),
        .ways = ways_of(c, n),
        .granularity = (uint64_t)CXL_GRANULARITY_LEAST << (control & DECODER_GRANULARITY),
        .dpa = c->dpa[n],
    };
    for (unsigned i = 0; i < CXL_DECODER_TARGETS; i++) {
        decoder->targets[i] = targets >> (8 * i);
    }
    return true;
}

bool cxl_component_decoder_at(const CxlComponent *c, hwaddr addr, CxlDecoder *decoder)
{
    for (unsigned n = 0; n < CXL_DECODERS; n++) {
        if (cxl_component_decoder(c, n, decoder) && addr >= decoder->base &&
            addr - decoder->base < decoder->size) {
            return true;
        }
    }
    return false;
}

bool cxl_component_is_enabled(const CxlComponent *c)
{
    return reg(c, AT_DECODERS + DECODER_GLOBAL) & DECODER_GLOBAL_ENABLE;
}

/* ---- accesses ---- */

static bool in_decoders(const CxlComponent *c, unsigned offset)
{
    return c->decoders && offset >= decoder_at(0, 0) && offset < decoder_at(CXL_DECODERS, 0);
}

static uint64_t component_read(void *opaque, hwaddr addr, unsigned size)
{
    const CxlComponent *c = opaque;

    return addr >= CXL_CACHE_MEM && addr < CXL_CACHE_MEM + CXL_CACHE_MEM_SIZE
               ? reg(c, addr - CXL_CACHE_MEM)
               : 0;
}

static void component_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    CxlComponent *c = opaque;
    unsigned offset = addr - CXL_CACHE_MEM;
    bool enabled = cxl_component_is_enabled(c);

    if (addr < CXL_CACHE_MEM || offset >= CXL_CACHE_MEM_SIZE) {
        return;
    }
    if (in_decoders(c, offset)) {
        write_decoder(c, (offset - decoder_at(0, 0)) / DECODER_BYTES,
                      (offset - decoder_at(0, 0)) % DECODER_BYTES, value);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (plain[i].offset == offset && (c->decoders || offset < AT_DECODERS)) {
            uint32_t old = c->regs[offset / 4];

            c->regs[offset / 4] =
                (old & ~plain[i].wmask & ~(plain[i].w1cmask & value)) | (value & plain[i].wmask);
        }
    }
    if (cxl_component_is_enabled(c) != enabled) {
        cxl_host_update();
    }
}

static const MemoryRegionOps component_ops = { component_read, component_write, 4, 4 };

/* ---- reset ---- */

/* Capabilities (section 8.2.4.1 and what follows): ID, version, place; and who has them. */
static const struct {
    uint8_t id, version;
    uint16_t at;
    bool root_port; /* nobody else */
} capabilities[] = {
    { COMPONENT_RAS, 2, AT_RAS, false },
    { COMPONENT_LINK, 2, AT_LINK, false },
    { COMPONENT_DECODERS, 1, AT_DECODERS, false },
    { COMPONENT_SECURITY, 1, AT_SECURITY, true },
    { COMPONENT_SNOOP_FILTER, 1, AT_SNOOP_FILTER, true },
};

static void reset_capabilities(CxlComponent *c)
{
    unsigned count = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        if ((capabilities[i].root_port && c->role != CXL_ROOT_PORT) ||
            (capabilities[i].id == COMPONENT_DECODERS && !c->decoders)) {
            continue;
        }
        c->regs[++count] = (uint32_t)capabilities[i].id | (uint32_t)capabilities[i].version << 16 |
                           (uint32_t)capabilities[i].at << 20;
    }
    c->regs[0] = 1 | 1 << 16 | 1 << 20 | count << 24; /* ID, versions */
}

static void reset_decoders(CxlComponent *c)
{
    bool device = c->role == CXL_DEVICE;

    c->regs[(AT_DECODERS + DECODER_CAP) / 4] =
        CXL_DECODERS / 2 | (device ? 0 : CXL_DECODER_TARGETS << DECODER_CAP_TARGETS_SHIFT) |
        DECODER_CAP_INTERLEAVE_11_8 | DECODER_CAP_INTERLEAVE_14_12 | DECODER_CAP_3_6_12_WAYS |
        (device ? DECODER_CAP_16_WAYS : 0);
    for (unsigned n = 0; n < CXL_DECODERS; n++) {
        c->regs[decoder_at(n, DECODER_CONTROL) / 4] = DECODER_TYPE_3;
    }
}

void cxl_component_reset(CxlComponent *c)
{
    memset(c->regs, 0, sizeof(c->regs));
    memset(c->dpa, 0, sizeof(c->dpa));
    reset_capabilities(c);
    for (unsigned i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (c->decoders || plain[i].offset < AT_DECODERS) {
            c->regs[plain[i].offset / 4] = plain[i].initial;
        }
    }
    if (c->decoders) {
        reset_decoders(c);
    }
    cxl_host_update();
}

void cxl_component_init(CxlComponent *c, CxlRole role, const char *name)
{
    c->role = role;
    c->decoders = role == CXL_HOST_BRIDGE || role == CXL_UPSTREAM_PORT || role == CXL_DEVICE;
    memory_region_init_io(&c->region, &component_ops, c, name, CXL_COMPONENT_SIZE);
}

void cxl_component_destroy(CxlComponent *c)
{
    memory_region_destroy(&c->region);
}

/* ---- state ---- */

/* Could decoder @n, which is committed, have become so by what is written to registers? */
static bool is_loaded_right(const CxlComponent *c, unsigned n)
{
    const uint64_t least = CXL_DECODER_UNIT / 16; /* a unit, of 16 ways */
    uint64_t dpa = c->dpa[n];

    return is_possible(c, n) && is_behind(c, n) &&
           (c->role != CXL_DEVICE || (dpa % least == 0 && dpa <= c->capacity &&
                                      size_of(c, n) / ways_of(c, n) <= c->capacity - dpa));
}

static bool component_loaded(void *obj, GError **errp)
{
    const CxlComponent *c = obj;

    for (unsigned n = 0; c->decoders && n < CXL_DECODERS; n++) {
        if (is_committed(c, n) && !is_loaded_right(c, n)) {
            error_set(errp,
                      "HDM decoder %u is committed, which cannot be with its base 0x%" PRIx64
                      ", size 0x%" PRIx64 " and control 0x%" PRIx32,
                      n, base_of(c, n), size_of(c, n), reg(c, decoder_at(n, DECODER_CONTROL)));
            return false;
        }
    }
    return true;
}

static const StateField component_fields[] = {
    STATE_UINTS(CxlComponent, regs),
    STATE_UINTS(CxlComponent, dpa),
    {},
};
const StateTable cxl_component_state = {
    .name = "cxl-component", .version = 1, .fields = component_fields, .post_load = component_loaded
};
