/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS CMPS STOS LODS SCAS with and without REP. Registers are updated after each element (or run
 * of elements within a page), so that a fault or an interrupt finds them right and the instruction
 * goes on where it was.
 */

#include "accel/soft/alu-ops.h"
#include "accel/soft/decode.h"
#include "accel/soft/host-string.h"
#include "accel/soft/uop.h"

enum { REP_NONE, REP, REP_NOT_EQUAL }; /* Uop.imm; REP of CMPS and SCAS is REPE */

/* A counter or index register of the instruction's address size (op->aux: 16, 32, 64). */
static inline uint64_t get_index(SoftCpu *s, const Uop *op, unsigned reg)
{
    return soft_get(s, reg, op->aux / 8);
}

static inline void move_index(SoftCpu *s, const Uop *op, unsigned reg, int64_t by)
{
    soft_set(s, reg, get_index(s, op, reg) + (uint64_t)by, op->aux / 8);
}

/* Linear address of the element at DS:rSI (or another segment), or at ES:rDI. */
static inline uint64_t element_address(SoftCpu *s, const Uop *op, unsigned reg, bool write)
{
    uint64_t offset = get_index(s, op, reg);
    unsigned seg = reg == X86_RDI ? X86_SEG_ES : op->seg;

    if (SOFT_LIKELY(s->mode_key & SOFT_KEY_CODE64)) {
        return offset + s->seg_base[reg == X86_RDI ? SOFT_SEG_NONE : op->seg];
    }
    return soft_segment_address(s, op, seg, (uint32_t)offset, op->size, write);
}

static inline int64_t step(SoftCpu *s, const Uop *op)
{
    return s->cpu.rflags & RFLAGS_DF ? -(int64_t)op->size : op->size;
}

/* ---- one element ---- */

static inline void movs_one(SoftCpu *s, const Uop *op)
{
    uint64_t value = soft_load(s, op, element_address(s, op, X86_RSI, false), op->size);
    soft_store(s, op, element_address(s, op, X86_RDI, true), value, op->size);
    move_index(s, op, X86_RSI, step(s, op));
    move_index(s, op, X86_RDI, step(s, op));
}

static inline void stos_one(SoftCpu *s, const Uop *op)
{
    soft_store(s, op, element_address(s, op, X86_RDI, true), s->cpu.regs[X86_RAX], op->size);
    move_index(s, op, X86_RDI, step(s, op));
}

static inline void lods_one(SoftCpu *s, const Uop *op)
{
    uint64_t value = soft_load(s, op, element_address(s, op, X86_RSI, false), op->size);
    soft_set(s, X86_RAX, value, op->size);
    move_index(s, op, X86_RSI, step(s, op));
}

static inline void compare(SoftCpu *s, const Uop *op, uint64_t a, uint64_t b)
{
    switch (op->size) {
    case 1:
        soft_sub8((uint8_t)a, (uint8_t)b, &s->cc.ax);
        break;
    case 2:
        soft_sub16((uint16_t)a, (uint16_t)b, &s->cc.ax);
        break;
    case 4:
        soft_sub32((uint32_t)a, (uint32_t)b, &s->cc.ax);
        break;
    default:
        soft_sub64(a, b, &s->cc.ax);
        break;
    }
}

static inline void cmps_one(SoftCpu *s, const Uop *op)
{
    uint64_t a = soft_load(s, op, element_address(s, op, X86_RSI, false), op->size);
    uint64_t b = soft_load(s, op, element_address(s, op, X86_RDI, false), op->size);
    compare(s, op, a, b);
    move_index(s, op, X86_RSI, step(s, op));
    move_index(s, op, X86_RDI, step(s, op));
}

static inline void scas_one(SoftCpu *s, const Uop *op)
{
    uint64_t b = soft_load(s, op, element_address(s, op, X86_RDI, false), op->size);
    compare(s, op, s->cpu.regs[X86_RAX], b);
    move_index(s, op, X86_RDI, step(s, op));
}

/* ---- runs within a page: the host's own string instruction ---- */

/* Elements from rSI or rDI on, in the direction of DF, that lie on the page of the first one and
 * need no check but its: @addr is its linear address, and element_address() found it good. */
static uint64_t run_length(SoftCpu *s, const Uop *op, unsigned reg, uint64_t addr)
{
    unsigned seg = reg == X86_RDI ? X86_SEG_ES : op->seg;
    uint64_t offset = get_index(s, op, reg), in_page = addr % SOFT_PAGE, room;

    if (in_page + op->size > SOFT_PAGE) {
        return 0;
    }
    if (s->cpu.rflags & RFLAGS_DF) {
        room = MIN(in_page, offset) + op->size;
    } else {
        uint64_t last = op->aux == 64 ? UINT64_MAX : (1ull << op->aux) - 1;
        if (!(s->mode_key & SOFT_KEY_CODE64)) {
            last = MIN(last, (uint64_t)s->cpu.segs[seg].limit);
        }
        room = MIN(SOFT_PAGE - in_page - 1, last - offset) + 1;
    }
    if (!(s->mode_key & SOFT_KEY_CODE64) && !(s->cpu.segs[seg].flags & SEG_CODE) &&
        (s->cpu.segs[seg].flags & SEG_E)) {
        return 0; /* whose limit is a lower one */
    }
    return room / op->size;
}

/* Host address of the first of @elements, the one that is accessed first; NULL: no RAM. */
static inline uint8_t *run_host(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t elements,
                                SoftAccess access)
{
    unsigned len = (unsigned)elements * op->size, before = 0;

    if (s->cpu.rflags & RFLAGS_DF) {
        before = len - op->size;
    }
    uint64_t low = addr - before;
    uint8_t *host =
        access == SOFT_READ ? soft_read_host(s, low, len) : soft_write_host(s, low, len);
    if (SOFT_UNLIKELY(!host)) {
        soft_run_host_slow(s, op, addr, op->size,
                           access); /* the first one's is the one that faults */
        host = soft_run_host_slow(s, op, low, len, access);
    }
    return host ? host + before : NULL;
}

static inline bool goes_down(const SoftCpu *s)
{
    return s->cpu.rflags & RFLAGS_DF;
}

/* As many elements at once as have their places on the pages of the first ones; returns how many.
 * 0: do one by the slow way. */
static uint64_t movs_run(SoftCpu *s, const Uop *op, uint64_t count)
{
    uint64_t from = element_address(s, op, X86_RSI, false);
    uint64_t to = element_address(s, op, X86_RDI, true);
    uint64_t n = MIN(count, MIN(run_length(s, op, X86_RSI, from), run_length(s, op, X86_RDI, to)));
    const void *source = n ? run_host(s, op, from, n, SOFT_READ) : NULL;
    void *target = source ? run_host(s, op, to, n, SOFT_WRITE) : NULL;

    if (!target) {
        return 0;
    }
    switch (op->size) {
    case 1:
        host_movs8(target, source, n, goes_down(s));
        break;
    case 2:
        host_movs16(target, source, n, goes_down(s));
        break;
    case 4:
        host_movs32(target, source, n, goes_down(s));
        break;
    default:
        host_movs64(target, source, n, goes_down(s));
        break;
    }
    move_index(s, op, X86_RSI, (int64_t)n * step(s, op));
    move_index(s, op, X86_RDI, (int64_t)n * step(s, op));
    return n;
}

static uint64_t stos_run(SoftCpu *s, const Uop *op, uint64_t count)
{
    uint64_t to = element_address(s, op, X86_RDI, true), value = s->cpu.regs[X86_RAX];
    uint64_t n = MIN(count, run_length(s, op, X86_RDI, to));
    void *target = n ? run_host(s, op, to, n, SOFT_WRITE) : NULL;

    if (!target) {
        return 0;
    }
    switch (op->size) {
    case 1:
        host_stos8(target, value, n, goes_down(s));
        break;
    case 2:
        host_stos16(target, value, n, goes_down(s));
        break;
    case 4:
        host_stos32(target, value, n, goes_down(s));
        break;
    default:
        host_stos64(target, value, n, goes_down(s));
        break;
    }
    move_index(s, op, X86_RDI, (int64_t)n * step(s, op));
    return n;
}

/* Up to the element that ends the instruction, too. */
static uint64_t cmps_run(SoftCpu *s, const Uop *op, uint64_t count)
{
    uint64_t from = element_address(s, op, X86_RSI, false);
    uint64_t to = element_address(s, op, X86_RDI, false);
    uint64_t n = MIN(count, MIN(run_length(s, op, X86_RSI, from), run_length(s, op, X86_RDI, to)));
    const void *a = n ? run_host(s, op, from, n, SOFT_READ) : NULL;
    const void *b = a ? run_host(s, op, to, n, SOFT_READ) : NULL;
    bool unequal = op->imm == REP_NOT_EQUAL, down = goes_down(s);

    if (!b) {
        return 0;
    }
    switch (op->size) {
    case 1:
        n = host_cmps8(a, b, n, unequal, down, &s->cc.ax);
        break;
    case 2:
        n = host_cmps16(a, b, n, unequal, down, &s->cc.ax);
        break;
    case 4:
        n = host_cmps32(a, b, n, unequal, down, &s->cc.ax);
        break;
    default:
        n = host_cmps64(a, b, n, unequal, down, &s->cc.ax);
        break;
    }
    move_index(s, op, X86_RSI, (int64_t)n * step(s, op));
    move_index(s, op, X86_RDI, (int64_t)n * step(s, op));
    return n;
}

static uint64_t scas_run(SoftCpu *s, const Uop *op, uint64_t count)
{
    uint64_t to = element_address(s, op, X86_RDI, false), value = s->cpu.regs[X86_RAX];
    uint64_t n = MIN(count, run_length(s, op, X86_RDI, to));
    const void *b = n ? run_host(s, op, to, n, SOFT_READ) : NULL;
    bool unequal = op->imm == REP_NOT_EQUAL, down = goes_down(s);

    if (!b) {
        return 0;
    }
    switch (op->size) {
    case 1:
        n = host_scas8(value, b, n, unequal, down, &s->cc.ax);
        break;
    case 2:
        n = host_scas16(value, b, n, unequal, down, &s->cc.ax);
        break;
    case 4:
        n = host_scas32(value, b, n, unequal, down, &s->cc.ax);
        break;
    default:
        n = host_scas64(value, b, n, unequal, down, &s->cc.ax);
        break;
    }
    move_index(s, op, X86_RDI, (int64_t)n * step(s, op));
    return n;
}

/* ---- repeating ---- */

/* Each iteration is a step of its own (EFLAGS.TF). */
static inline bool steps(const SoftCpu *s)
{
    return s->mode_key & SOFT_KEY_TF;
}

static inline bool must_leave(SoftCpu *s)
{
    return atomic_load_explicit(&s->cpu.exit_request, memory_order_relaxed) ||
           (s->mode_key & SOFT_KEY_TF); /* each iteration is a step */
}

static const Uop *leave_in_the_middle(SoftCpu *s, const Uop *op)
{
    s->cpu.rip = soft_op_rip(s, op);
    s->cpu.rflags |= RFLAGS_RF; /* its breakpoint was passed */
    return NULL;
}

#define DEFINE_SINGLE(name)                           \
    static const Uop *name(SoftCpu *s, const Uop *op) \
    {                                                 \
        name##_one(s, op);                            \
        return soft_next(s, op);                      \
    }

/* REP MOVS, STOS, LODS. @run does many at once. */
#define DEFINE_REP(name, run)                                 \
    static const Uop *rep_##name(SoftCpu *s, const Uop *op)   \
    {                                                         \
        uint64_t count;                                       \
        while ((count = get_index(s, op, X86_RCX)) != 0) {    \
            uint64_t done = steps(s) ? 0 : run(s, op, count); \
            if (done == 0) {                                  \
                name##_one(s, op);                            \
                done = 1;                                     \
            }                                                 \
            move_index(s, op, X86_RCX, -(int64_t)done);       \
            if (must_leave(s) && count != done) {             \
                return leave_in_the_middle(s, op);            \
            }                                                 \
        }                                                     \
        return soft_next(s, op);                              \
    }

/* REPE and REPNE CMPS, SCAS: also ended by ZF. */
#define DEFINE_REP_COMPARE(name)                                     \
    static const Uop *rep_##name(SoftCpu *s, const Uop *op)          \
    {                                                                \
        uint64_t stop = op->imm == REP ? 0 : AX_ZF, count;           \
        while ((count = get_index(s, op, X86_RCX)) != 0) {           \
            uint64_t done = steps(s) ? 0 : name##_run(s, op, count); \
            if (done == 0) {                                         \
                name##_one(s, op);                                   \
                done = 1;                                            \
            }                                                        \
            move_index(s, op, X86_RCX, -(int64_t)done);              \
            if ((s->cc.ax & AX_ZF) == stop) {                        \
                break;                                               \
            }                                                        \
            if (must_leave(s) && count != done) {                    \
                return leave_in_the_middle(s, op);                   \
            }                                                        \
        }                                                            \
        return soft_next(s, op);                                     \
    }

static inline uint64_t no_run(SoftCpu *s, const Uop *op, uint64_t count)
{
    return 0;
}

DEFINE_SINGLE(movs)
DEFINE_SINGLE(stos)
DEFINE_SINGLE(lods)
DEFINE_SINGLE(cmps)
DEFINE_SINGLE(scas)
DEFINE_REP(movs, movs_run)
DEFINE_REP(stos, stos_run)
DEFINE_REP(lods, no_run)
DEFINE_REP_COMPARE(cmps)
DEFINE_REP_COMPARE(scas)

/* ---- emitting ---- */

typedef struct StringOp {
    UopFn *single, *repeated;
} StringOp;

enum { OP_MOVS, OP_STOS, OP_LODS, OP_CMPS, OP_SCAS };

static const StringOp string_ops[] = {
    { movs, rep_movs }, { stos, rep_stos }, { lods, rep_lods },
    { cmps, rep_cmps }, { scas, rep_scas },
};

#define ARG(op, size) ((op) << 4 | (size))

/* Segment of the source: an override, or DS. */
static uint8_t source_segment(const SoftDecoder *d, const SoftInsn *in)
{
    ZydisRegister segment = ZYDIS_REGISTER_DS;
    for (unsigned i = 0; i < in->raw.operand_count; i++) {
        const ZydisDecodedOperand *o = &in->ops[i];
        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && ZydisRegisterGetId(o->mem.base) == X86_RSI) {
            segment = o->mem.segment;
        }
    }
    uint8_t seg = soft_seg(segment);
    return d->mode == 64 && seg < X86_SEG_FS ? SOFT_SEG_NONE : seg;
}

static bool emit_string(SoftDecoder *d, const SoftInsn *in)
{
    const StringOp *string = &string_ops[d->arg >> 4];
    ZydisInstructionAttributes repeats =
        ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;

    if (in->raw.meta.category != ZYDIS_CATEGORY_STRINGOP) {
        return false; /* MOVSD and CMPSD of SSE2 */
    }
    bool repeated = in->raw.attributes & repeats;
    Uop *u = soft_emit(d, in, repeated ? string->repeated : string->single);
    u->size = d->arg & 15;
    u->aux = in->raw.address_width;
    u->seg = source_segment(d, in);
    u->imm = in->raw.attributes & ZYDIS_ATTRIB_HAS_REPNE ? REP_NOT_EQUAL
             : repeated                                  ? REP
                                                         : REP_NONE;
    return true;
}

#define SIZES(name, op)                                        \
    { ZYDIS_MNEMONIC_##name##B, emit_string, ARG(op, 1) },     \
        { ZYDIS_MNEMONIC_##name##W, emit_string, ARG(op, 2) }, \
        { ZYDIS_MNEMONIC_##name##D, emit_string, ARG(op, 4) }, \
    {                                                          \
        ZYDIS_MNEMONIC_##name##Q, emit_string, ARG(op, 8)      \
    }

const SoftFamilyEntry soft_family_string[] = {
    SIZES(MOVS, OP_MOVS), SIZES(STOS, OP_STOS), SIZES(LODS, OP_LODS),
    SIZES(CMPS, OP_CMPS), SIZES(SCAS, OP_SCAS), { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
