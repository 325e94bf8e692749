/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOVS CMPS STOS LODS SCAS with and without REP. Registers are updated after each element (or run
 * of elements within a page), so that a fault or an interrupt finds them right and the instruction
 * goes on where it was.
 */

#include "accel/soft/alu-ops.h"
#include "accel/soft/decode.h"
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

/* ---- runs within a page, forwards: the host's own string instruction ---- */

static inline uint64_t room(uint64_t addr, uint64_t bytes)
{
    return MIN(bytes, SOFT_PAGE - addr % SOFT_PAGE);
}

static void host_movs(void *to, const void *from, uint64_t elements, unsigned size)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(elements) : : "memory");
        break;
    case 2:
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(elements) : : "memory");
        break;
    case 4:
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(elements) : : "memory");
        break;
    default:
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(elements) : : "memory");
        break;
    }
}

static void host_stos(void *to, uint64_t value, uint64_t elements, unsigned size)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(elements) : "a"(value) : "memory");
        break;
    case 2:
        __asm__ volatile("rep stosw" : "+D"(to), "+c"(elements) : "a"(value) : "memory");
        break;
    case 4:
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(elements) : "a"(value) : "memory");
        break;
    default:
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(elements) : "a"(value) : "memory");
        break;
    }
}

/* How many elements were done at once; 0: do one by the slow way. */
static uint64_t movs_run(SoftCpu *s, const Uop *op, uint64_t count)
{
    uint64_t from = element_address(s, op, X86_RSI, false);
    uint64_t to = element_address(s, op, X86_RDI, true);
    uint64_t bytes = room(to, room(from, count > SOFT_PAGE ? SOFT_PAGE : count * op->size));
    uint64_t elements = bytes / op->size;

    if (elements == 0) {
        return 0;
    }
    bytes = elements * op->size;
    const void *source = soft_read_host(s, from, (unsigned)bytes);
    void *target = soft_write_host(s, to, (unsigned)bytes);
    if (!source || !target) {
        return 0;
    }
    host_movs(target, source, elements, op->size);
    move_index(s, op, X86_RSI, (int64_t)bytes);
    move_index(s, op, X86_RDI, (int64_t)bytes);
    return elements;
}

static uint64_t stos_run(SoftCpu *s, const Uop *op, uint64_t count)
{
    uint64_t to = element_address(s, op, X86_RDI, true);
    uint64_t bytes = room(to, count > SOFT_PAGE ? SOFT_PAGE : count * op->size);
    uint64_t elements = bytes / op->size;

    if (elements == 0) {
        return 0;
    }
    bytes = elements * op->size;
    void *target = soft_write_host(s, to, (unsigned)bytes);
    if (!target) {
        return 0;
    }
    host_stos(target, s->cpu.regs[X86_RAX], elements, op->size);
    move_index(s, op, X86_RDI, (int64_t)bytes);
    return elements;
}

/* ---- repeating ---- */

static inline bool must_leave(SoftCpu *s)
{
    return atomic_load_explicit(&s->cpu.exit_request, memory_order_relaxed);
}

static const Uop *leave_in_the_middle(SoftCpu *s, const Uop *op)
{
    s->cpu.rip = soft_op_rip(s, op);
    return NULL;
}

#define DEFINE_SINGLE(name)                           \
    static const Uop *name(SoftCpu *s, const Uop *op) \
    {                                                 \
        name##_one(s, op);                            \
        return soft_next(s, op);                      \
    }

/* REP MOVS, STOS, LODS. @run does many at once. */
#define DEFINE_REP(name, run)                                                                 \
    static const Uop *rep_##name(SoftCpu *s, const Uop *op)                                   \
    {                                                                                         \
        bool runs =                                                                           \
            (s->mode_key & SOFT_KEY_CODE64) && op->aux == 64 && !(s->cpu.rflags & RFLAGS_DF); \
        uint64_t count;                                                                       \
        while ((count = get_index(s, op, X86_RCX)) != 0) {                                    \
            uint64_t done = runs ? run(s, op, count) : 0;                                     \
            if (done == 0) {                                                                  \
                name##_one(s, op);                                                            \
                done = 1;                                                                     \
            }                                                                                 \
            move_index(s, op, X86_RCX, -(int64_t)done);                                       \
            if (must_leave(s) && count != done) {                                             \
                return leave_in_the_middle(s, op);                                            \
            }                                                                                 \
        }                                                                                     \
        return soft_next(s, op);                                                              \
    }

/* REPE and REPNE CMPS, SCAS: also ended by ZF. */
#define DEFINE_REP_COMPARE(name)                                   \
    static const Uop *rep_##name(SoftCpu *s, const Uop *op)        \
    {                                                              \
        uint64_t stop = op->imm == REP ? 0 : AX_ZF;                \
        while (get_index(s, op, X86_RCX) != 0) {                   \
            name##_one(s, op);                                     \
            move_index(s, op, X86_RCX, -1);                        \
            if ((s->cc.ax & AX_ZF) == stop) {                      \
                break;                                             \
            }                                                      \
            if (must_leave(s) && get_index(s, op, X86_RCX) != 0) { \
                return leave_in_the_middle(s, op);                 \
            }                                                      \
        }                                                          \
        return soft_next(s, op);                                   \
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
