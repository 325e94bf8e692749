/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The XSAVE family (SDM vol. 1 chapter 13): XGETBV XSETBV XSAVE XSAVEOPT XSAVEC XSAVES XRSTOR
 * XRSTORS. Components are x87, SSE, AVX and PKRU; none is a supervisor's, so IA32_XSS is always 0.
 *
 * A component is in use if it is not in its initial state; that is found out by looking.
 */
#include "accel/soft/access.h"
#include "accel/soft/native.h"
#include "accel/soft/uop.h"

enum {
    HEADER = 512, /* XSTATE_BV, XCOMP_BV, 48 bytes that are 0 */
    HEADER_SIZE = 64,
    AVX_SIZE = 256,
    PKRU_SIZE = 8,
    X87_BEFORE_MXCSR = 24, /* bytes of FCW to FDP */
    X87_REGISTERS = 128,
    MXCSR_INITIAL = 0x1f80,
};
#define COMPACT (UINT64_C(1) << 63)

/* Bits of Uop.aux. */
enum { AS_OPT = 1, AS_COMPACT = 2, ONLY_RING0 = 4, IS_WIDE = 8, IN_64 = 16 };

static bool all_zero(const void *bytes, size_t len)
{
    const uint8_t *b = bytes;

    for (size_t i = 0; i < len; i++) {
        if (b[i]) {
            return false;
        }
    }
    return true;
}

static uint32_t mxcsr_of(const uint8_t *image)
{
    uint32_t mxcsr;

    memcpy(&mxcsr, image + FX_MXCSR, 4);
    return mxcsr;
}

static uint64_t in_use(const X86Cpu *cpu)
{
    const uint8_t *fx = cpu->fxsave;
    const uint16_t fcw = HOST_FCW;
    bool x87 = memcmp(fx + FX_FCW, &fcw, sizeof(fcw)) ||
               !all_zero(fx + FX_FSW, X87_BEFORE_MXCSR - FX_FSW) ||
               !all_zero(fx + FX_ST, X87_REGISTERS);

    return (x87 ? XCR0_X87 : 0) | (all_zero(fx + FX_XMM, 16 * 16) ? 0 : XCR0_SSE) |
           (all_zero(cpu->ymm_high, sizeof(cpu->ymm_high)) ? 0 : XCR0_AVX) |
           (cpu->pkru ? XCR0_PKRU : 0);
}

/* Where PKRU's component lies in an area that has the components @which in compact form (or, in the
 * standard form, in any). AVX's is always the first behind the header. */
static unsigned pkru_offset(uint64_t which, bool compact)
{
    return HEADER + HEADER_SIZE + (compact && !(which & XCR0_AVX) ? 0 : AVX_SIZE);
}

/* How much of an area is written if @which are asked for. */
static unsigned area_size(uint64_t which, bool compact)
{
    return which & XCR0_PKRU  ? pkru_offset(which, compact) + PKRU_SIZE
           : which & XCR0_AVX ? HEADER + HEADER_SIZE + AVX_SIZE
                              : HEADER + HEADER_SIZE;
}

/* ---- XCR0 ---- */

static void need_xsave(SoftCpu *s, const Uop *op)
{
    if (!(s->cpu.cr4 & CR4_OSXSAVE)) {
        soft_raise(s, op, EXC_UD, -1);
    }
}

static const Uop *xgetbv(SoftCpu *s, const Uop *op)
{
    uint64_t *regs = s->cpu.regs, value = s->cpu.xcr0;
    uint32_t number = (uint32_t)regs[X86_RCX];

    need_xsave(s, op);
    if (number > 1 || (number == 1 && !x86_cpu_model_has(&s->cpu.model, X86_FEAT_D_1_EAX,
                                                         CPUID_D_1_EAX_XGETBV1))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (number == 1) {
        value &= in_use(&s->cpu) | (mxcsr_of(s->cpu.fxsave) != MXCSR_INITIAL ? XCR0_SSE : 0);
    }
    regs[X86_RAX] = (uint32_t)value;
    regs[X86_RDX] = value >> 32;
    return op + 1;
}

static const Uop *xsetbv(SoftCpu *s, const Uop *op)
{
    const uint64_t *regs = s->cpu.regs;
    uint64_t value = (uint32_t)regs[X86_RAX] | regs[X86_RDX] << 32;

    need_xsave(s, op);
    if (soft_cpl(s) != 0 || (uint32_t)regs[X86_RCX] != 0 || !(value & XCR0_X87) ||
        (value & ~x86_xsave_components(&s->cpu.model)) ||
        ((value & XCR0_AVX) && !(value & XCR0_SSE))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    s->cpu.xcr0 = value;
    return op + 1;
}

/* ---- areas ---- */

static uint64_t area_begin(SoftCpu *s, const Uop *op, uint64_t *wanted)
{
    const uint64_t *regs = s->cpu.regs;

    need_xsave(s, op);
    if ((op->aux & ONLY_RING0) && soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (s->cpu.cr0 & CR0_TS) {
        soft_raise(s, op, EXC_NM, -1);
    }
    uint64_t addr = soft_addr(s, op);
    if (addr & 63) {
        soft_raise(s, op, EXC_GP, 0);
    }
    *wanted = s->cpu.xcr0 & ((uint32_t)regs[X86_RAX] | regs[X86_RDX] << 32);
    return addr;
}

/* 16 registers in 64-bit mode, 8 in others. */
static unsigned vector_bytes(const Uop *op)
{
    return op->aux & IN_64 ? 256 : 128;
}

static void write_x87(SoftCpu *s, const Uop *op, uint64_t addr)
{
    uint8_t image[X87_BEFORE_MXCSR];

    memcpy(image, s->cpu.fxsave, sizeof(image));
    if (!(op->aux & IS_WIDE)) { /* 32-bit pointers, and selectors of 0 */
        memset(image + FX_FIP + 4, 0, 4);
        memset(image + FX_FDP + 4, 0, 4);
    }
    soft_write(s, op, addr, image, sizeof(image));
    soft_write(s, op, addr + FX_ST, s->cpu.fxsave + FX_ST, X87_REGISTERS);
}

static void write_mxcsr(SoftCpu *s, const Uop *op, uint64_t addr)
{
    uint32_t words[2] = { mxcsr_of(s->cpu.fxsave), MXCSR_VALID };

    soft_write(s, op, addr + FX_MXCSR, words, sizeof(words));
}

/* @pkru: where its component lies */
static void write_components(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t which,
                             unsigned pkru)
{
    if (which & XCR0_X87) {
        write_x87(s, op, addr);
    }
    if (which & XCR0_SSE) {
        soft_write(s, op, addr + FX_XMM, s->cpu.fxsave + FX_XMM, vector_bytes(op));
    }
    if (which & XCR0_AVX) {
        soft_write(s, op, addr + HEADER + HEADER_SIZE, s->cpu.ymm_high, vector_bytes(op));
    }
    if (which & XCR0_PKRU) {
        soft_store64(s, op, addr + pkru, s->cpu.pkru);
    }
}

static const Uop *xsave(SoftCpu *s, const Uop *op)
{
    uint64_t wanted, addr = area_begin(s, op, &wanted), used = in_use(&s->cpu), header;

    soft_probe_write(s, op, addr, area_size(wanted, false));
    header = soft_load64(s, op, addr + HEADER);
    header = (header & ~wanted) | (wanted & used);
    write_components(s, op, addr, op->aux & AS_OPT ? wanted & used : wanted,
                     pkru_offset(wanted, false));
    if (wanted & (XCR0_SSE | XCR0_AVX)) {
        write_mxcsr(s, op, addr);
    }
    soft_store64(s, op, addr + HEADER, header);
    return op + 1;
}

static const Uop *xsave_compact(SoftCpu *s, const Uop *op)
{
    uint64_t wanted, addr = area_begin(s, op, &wanted), used = in_use(&s->cpu) & wanted;
    uint64_t header[2] = { 0, wanted | COMPACT };

    if ((wanted & XCR0_SSE) && mxcsr_of(s->cpu.fxsave) != MXCSR_INITIAL) {
        used |= XCR0_SSE;
    }
    header[0] = used;
    soft_probe_write(s, op, addr, area_size(wanted, true));
    write_components(s, op, addr, used, pkru_offset(wanted, true));
    if (used & XCR0_SSE) {
        write_mxcsr(s, op, addr);
    }
    soft_write(s, op, addr + HEADER, header, sizeof(header));
    return op + 1;
}

/* ---- XRSTOR ---- */

typedef struct Area {
    uint8_t legacy[HEADER];
    struct {
        uint64_t used, compact, zero[6];
    } header;
    uint8_t extended[AVX_SIZE + PKRU_SIZE]; /* components, where the form has them */
} Area;

/* Is the header one that can be loaded? (SDM vol. 1 section 13.8) */
static bool header_fits(const SoftCpu *s, const Uop *op, const Area *a)
{
    uint64_t used = a->header.used, compact = a->header.compact;
    bool knows_compact = x86_cpu_model_has(&s->cpu.model, X86_FEAT_D_1_EAX,
                                           CPUID_D_1_EAX_XSAVEC | CPUID_D_1_EAX_XSAVES);

    if (!(compact & COMPACT)) {
        return !(op->aux & AS_COMPACT) && compact == 0 && all_zero(a->header.zero, 8) &&
               !(used & ~s->cpu.xcr0);
    }
    return knows_compact && !(compact & ~COMPACT & ~s->cpu.xcr0) && !(used & ~compact) &&
           all_zero(a->header.zero, sizeof(a->header.zero));
}

static void load_x87(SoftCpu *s, const Uop *op, const Area *a, bool used)
{
    uint8_t *fx = s->cpu.fxsave;
    const uint16_t fcw = HOST_FCW;

    if (used) {
        memcpy(fx, a->legacy, X87_BEFORE_MXCSR);
        memcpy(fx + FX_ST, a->legacy + FX_ST, X87_REGISTERS);
        if (!(op->aux & IS_WIDE)) {
            memset(fx + FX_FIP + 4, 0, 4);
            memset(fx + FX_FDP + 4, 0, 4);
        }
    } else {
        memset(fx, 0, X87_BEFORE_MXCSR);
        memset(fx + FX_ST, 0, X87_REGISTERS);
        memcpy(fx + FX_FCW, &fcw, sizeof(fcw));
    }
    native_fpu_summarize(&s->cpu);
}

static void load_bytes(void *to, const void *from, unsigned len, bool used)
{
    if (used) {
        memcpy(to, from, len);
    } else {
        memset(to, 0, len);
    }
}

/* Read what of @which lies behind the header; the header is not read again, for it may change. */
static void load_extended(SoftCpu *s, const Uop *op, uint64_t addr, Area *a, uint64_t which,
                          unsigned pkru_at)
{
    unsigned size = which & XCR0_PKRU ? pkru_at + PKRU_SIZE : which & XCR0_AVX ? AVX_SIZE : 0;
    if (size) {
        soft_read(s, op, addr + HEADER + HEADER_SIZE, a->extended, size);
    }
}

static const Uop *xrstor(SoftCpu *s, const Uop *op)
{
    Area a;
    uint64_t wanted, addr = area_begin(s, op, &wanted);
    uint32_t mxcsr = MXCSR_INITIAL;

    soft_read(s, op, addr, &a, HEADER + HEADER_SIZE);
    if (!header_fits(s, op, &a)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint64_t used = a.header.used;
    bool compact = a.header.compact & COMPACT;
    unsigned pkru_at = pkru_offset(a.header.compact, compact) - HEADER - HEADER_SIZE;
    load_extended(s, op, addr, &a, wanted & used, pkru_at);
    bool with_mxcsr = wanted & (compact ? XCR0_SSE : XCR0_SSE | XCR0_AVX);
    if (with_mxcsr && (!compact || (used & XCR0_SSE))) {
        mxcsr = mxcsr_of(a.legacy);
        if (mxcsr & ~MXCSR_VALID) {
            soft_raise(s, op, EXC_GP, 0);
        }
    }
    if (wanted & XCR0_X87) {
        load_x87(s, op, &a, used & XCR0_X87);
    }
    if (with_mxcsr) {
        memcpy(s->cpu.fxsave + FX_MXCSR, &mxcsr, 4);
    }
    if (wanted & XCR0_SSE) {
        load_bytes(s->cpu.fxsave + FX_XMM, a.legacy + FX_XMM, vector_bytes(op), used & XCR0_SSE);
    }
    if (wanted & XCR0_AVX) {
        load_bytes(s->cpu.ymm_high, a.extended, vector_bytes(op), used & XCR0_AVX);
    }
    if (wanted & XCR0_PKRU) {
        uint32_t pkru = 0;
        load_bytes(&pkru, a.extended + pkru_at, sizeof(pkru), used & XCR0_PKRU);
        soft_set_pkru(s, pkru);
    }
    native_pending_done(s);
    return op + 1;
}

/* ---- the table ---- */

enum { XGETBV, XSETBV, XSAVE, XSAVE_COMPACT, XRSTOR };

static bool emit_xcr(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit(d, in, d->arg == XGETBV ? xgetbv : xsetbv);
    return true;
}

/* d->arg: which, and bits of aux << 8 */
static bool emit_area(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = {
        [XSAVE] = xsave, [XSAVE_COMPACT] = xsave_compact, [XRSTOR] = xrstor
    };
    Uop *u = soft_emit_mem(d, in, fns[d->arg & 0xff], &in->ops[0]);

    u->aux = (uint8_t)(d->arg >> 8 | (d->mode == 64 ? IN_64 : 0));
    return true;
}

#define BOTH(name, arg)                                            \
    { ZYDIS_MNEMONIC_##name, emit_area, (arg) },                   \
    {                                                              \
        ZYDIS_MNEMONIC_##name##64, emit_area, (arg) | IS_WIDE << 8 \
    }

const SoftFamilyEntry soft_family_xsave[] = {
    { ZYDIS_MNEMONIC_XGETBV, emit_xcr, XGETBV },
    { ZYDIS_MNEMONIC_XSETBV, emit_xcr, XSETBV },
    BOTH(XSAVE, XSAVE),
    BOTH(XSAVEOPT, XSAVE | AS_OPT << 8),
    BOTH(XSAVEC, XSAVE_COMPACT),
    BOTH(XSAVES, XSAVE_COMPACT | ONLY_RING0 << 8),
    BOTH(XRSTOR, XRSTOR),
    BOTH(XRSTORS, XRSTOR | (ONLY_RING0 | AS_COMPACT) << 8),
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
