/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emits and runs instructions by thunks (native.h, native-thunk.c).
 *
 * An instruction here changes nothing before everything that can fault has been done: its memory
 * operand is read, or proved writable, first.
 */
#include "accel/soft/native.h"

#include "accel/soft/access.h"
#include "accel/soft/isa.h"
#include "accel/soft/mmu.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"
#include "target/i386/fpu-pins.h"

#define NATIVE_MEM_MAX 128

/* x87 instructions that are not ordinary: they do not wait for pending exceptions, or have their
 * own idea of the pointers. */
static const struct {
    ZydisMnemonic mnemonic;
    bool waits;
    NativePointers pointers;
} x87_special[] = {
    { ZYDIS_MNEMONIC_FNINIT, false, NATIVE_POINTERS_CLEAR },
    { ZYDIS_MNEMONIC_FNCLEX, false, NATIVE_POINTERS_KEEP },
    { ZYDIS_MNEMONIC_FNSTCW, false, NATIVE_POINTERS_KEEP },
    { ZYDIS_MNEMONIC_FNSTSW, false, NATIVE_POINTERS_KEEP },
    { ZYDIS_MNEMONIC_FNSTENV, false, NATIVE_POINTERS_STORE },
    { ZYDIS_MNEMONIC_FNSAVE, false, NATIVE_POINTERS_STORE_CLEAR },
    { ZYDIS_MNEMONIC_FENI8087_NOP, false, NATIVE_POINTERS_KEEP },
    { ZYDIS_MNEMONIC_FDISI8087_NOP, false, NATIVE_POINTERS_KEEP },
    { ZYDIS_MNEMONIC_FSETPM287_NOP, false, NATIVE_POINTERS_KEEP },
    { ZYDIS_MNEMONIC_FLDCW, true, NATIVE_POINTERS_KEEP },
    { ZYDIS_MNEMONIC_FLDENV, true, NATIVE_POINTERS_LOAD },
    { ZYDIS_MNEMONIC_FRSTOR, true, NATIVE_POINTERS_LOAD },
};

/* Beginnings of the names of SSE instructions that neither obey nor change MXCSR. */
static const char *const mxcsr_free[] = {
    "p",   "mov",    "and",     "or",    "xor",   "unpck",     "shuf", "blend", "aes",
    "sha", "insert", "extract", "lddqu", "crc32", "broadcast", "test", "gf2p8",
};

/* Instructions with a 16-byte memory operand that may be unaligned (SHA's: on AMD's processors). */
static const ZydisMnemonic unaligned[] = {
    ZYDIS_MNEMONIC_MOVUPS,     ZYDIS_MNEMONIC_MOVUPD,     ZYDIS_MNEMONIC_MOVDQU,
    ZYDIS_MNEMONIC_LDDQU,      ZYDIS_MNEMONIC_PCMPESTRI,  ZYDIS_MNEMONIC_PCMPESTRM,
    ZYDIS_MNEMONIC_PCMPISTRI,  ZYDIS_MNEMONIC_PCMPISTRM,  ZYDIS_MNEMONIC_SHA1MSG1,
    ZYDIS_MNEMONIC_SHA1MSG2,   ZYDIS_MNEMONIC_SHA1NEXTE,  ZYDIS_MNEMONIC_SHA1RNDS4,
    ZYDIS_MNEMONIC_SHA256MSG1, ZYDIS_MNEMONIC_SHA256MSG2, ZYDIS_MNEMONIC_SHA256RNDS2,
};

/* Instructions of AVX with a memory operand that must be aligned: to its size. */
static const ZydisMnemonic avx_aligned[] = {
    ZYDIS_MNEMONIC_VMOVNTPS,
    ZYDIS_MNEMONIC_VMOVNTPD,
    ZYDIS_MNEMONIC_VMOVNTDQ,
    ZYDIS_MNEMONIC_VMOVNTDQA,
};

/* VEX with vector registers: BMI's have general ones only. */
static bool is_avx(const ZydisDecodedInstruction *raw)
{
    return raw->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
           raw->meta.isa_ext != ZYDIS_ISA_EXT_BMI1 && raw->meta.isa_ext != ZYDIS_ISA_EXT_BMI2;
}

/* SSE to SSE4, but for FISTTP, which came with SSE3 and is an x87 instruction. */
static bool is_sse(const ZydisDecodedInstruction *raw)
{
    static const ZydisISAExt sse[] = { ZYDIS_ISA_EXT_SSE, ZYDIS_ISA_EXT_SSE2, ZYDIS_ISA_EXT_SSE3,
                                       ZYDIS_ISA_EXT_SSSE3, ZYDIS_ISA_EXT_SSE4 };
    for (unsigned i = 0; i < G_N_ELEMENTS(sse); i++) {
        if (sse[i] == raw->meta.isa_ext) {
            return raw->mnemonic != ZYDIS_MNEMONIC_FISTTP;
        }
    }
    return false;
}

static bool obeys_mxcsr(const ZydisDecodedInstruction *raw)
{
    if (!is_sse(raw) && !is_avx(raw)) {
        return false;
    }
    const char *name = ZydisMnemonicGetString(raw->mnemonic) + is_avx(raw); /* without the V */
    for (unsigned i = 0; i < G_N_ELEMENTS(mxcsr_free); i++) {
        if (g_str_has_prefix(name, mxcsr_free[i])) {
            return false;
        }
    }
    return true;
}

static bool may_be_unaligned(ZydisMnemonic mnemonic)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(unaligned); i++) {
        if (unaligned[i] == mnemonic) {
            return true;
        }
    }
    return false;
}

static bool must_be_aligned(const ZydisDecodedInstruction *raw, unsigned size)
{
    for (unsigned i = 0; is_avx(raw) && i < G_N_ELEMENTS(avx_aligned); i++) {
        if (avx_aligned[i] == raw->mnemonic) {
            return true;
        }
    }
    return !is_avx(raw) && size == 16 && !may_be_unaligned(raw->mnemonic);
}

/* ---- what an instruction needs ---- */

/* The slot that holds guest register @reg as @kind, or a new one; -1: all are taken. */
static int slot_for(NativeRequest *r, NativeSlot kind, uint8_t reg, const ZydisDecodedOperand *op)
{
    for (int i = 0; i < NATIVE_SLOTS; i++) {
        bool empty = r->thunk.slots[i] == NATIVE_SLOT_NONE;
        if (empty || (r->thunk.slots[i] == kind && r->slot_regs[i] == reg)) {
            r->thunk.slots[i] = kind;
            r->slot_regs[i] = reg;
            r->slot_written[i] |= (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
            return i;
        }
    }
    return -1;
}

static bool is_explicit(const ZydisDecodedOperand *op)
{
    return op->encoding != ZYDIS_OPERAND_ENCODING_NONE;
}

#define GPR_SLOTS 3

static const struct {
    ZydisRegisterClass class;
    ZydisRegister slot_regs[GPR_SLOTS]; /* the registers of native-thunk.c's slots */
} gpr_classes[] = {
    { ZYDIS_REGCLASS_GPR8, { ZYDIS_REGISTER_R10B, ZYDIS_REGISTER_R11B, ZYDIS_REGISTER_SIL } },
    { ZYDIS_REGCLASS_GPR16, { ZYDIS_REGISTER_R10W, ZYDIS_REGISTER_R11W, ZYDIS_REGISTER_SI } },
    { ZYDIS_REGCLASS_GPR32, { ZYDIS_REGISTER_R10D, ZYDIS_REGISTER_R11D, ZYDIS_REGISTER_ESI } },
    { ZYDIS_REGCLASS_GPR64, { ZYDIS_REGISTER_R10, ZYDIS_REGISTER_R11, ZYDIS_REGISTER_RSI } },
};

static bool request_gpr(NativeRequest *r, const ZydisDecodedOperand *op, ZydisRegister *renamed)
{
    ZydisRegister reg = op->reg.value;
    if (!is_explicit(op)) {
        uint8_t number = soft_reg(reg);
        r->fixed_gprs |= 1 << number;
        return number < 3;
    }
    bool high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
    bool byte = ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_GPR8;
    uint8_t number = high ? reg - ZYDIS_REGISTER_AH : byte ? soft_reg8(reg) / 8 : soft_reg(reg);
    if (high && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
        return false;
    }
    int slot = slot_for(r, high ? NATIVE_SLOT_GPR_HIGH8 : NATIVE_SLOT_GPR, number, op);
    if (slot < 0 || slot >= GPR_SLOTS) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(gpr_classes); i++) {
        if (gpr_classes[i].class == ZydisRegisterGetClass(reg)) {
            *renamed = gpr_classes[i].slot_regs[slot];
        }
    }
    return true;
}

static bool request_xmm(NativeRequest *r, const ZydisDecodedOperand *op, ZydisRegister *renamed)
{
    r->thunk.sse = true;
    if (!is_explicit(op)) {
        r->fixed_xmm0 = true;
        return op->reg.value == ZYDIS_REGISTER_XMM0;
    }
    if (r->thunk.whole_fpu) {
        return true; /* all XMM registers are in place */
    }
    int slot = slot_for(r, NATIVE_SLOT_XMM, op->reg.value - ZYDIS_REGISTER_XMM0, op);
    *renamed = ZYDIS_REGISTER_XMM1 + slot;
    return slot >= 0;
}

/* An XMM or YMM register of a VEX instruction. */
static bool request_ymm(NativeRequest *r, const ZydisDecodedOperand *op, ZydisRegister *renamed)
{
    ZydisRegister first = ZydisRegisterGetClass(op->reg.value) == ZYDIS_REGCLASS_YMM
                              ? ZYDIS_REGISTER_YMM0
                              : ZYDIS_REGISTER_XMM0;
    if (!is_explicit(op)) {
        r->fixed_xmm0 = true;
        return op->reg.value == first;
    }
    int slot = slot_for(r, NATIVE_SLOT_YMM, (uint8_t)(op->reg.value - first), op);
    *renamed = first + 1 + slot;
    return slot >= 0;
}

/* RFLAGS bits that the instruction writes. Zydis 4.0 does not know that these clear the others. */
static uint32_t flags_written(const ZydisDecodedInstruction *raw)
{
    if (raw->mnemonic == ZYDIS_MNEMONIC_VPTEST || raw->mnemonic == ZYDIS_MNEMONIC_VTESTPS ||
        raw->mnemonic == ZYDIS_MNEMONIC_VTESTPD) {
        return RFLAGS_ARITH;
    }
    return (raw->cpu_flags->modified | raw->cpu_flags->set_0 | raw->cpu_flags->set_1 |
            raw->cpu_flags->undefined) &
           RFLAGS_ARITH;
}

static bool request_register(NativeRequest *r, const ZydisDecodedInstruction *raw,
                             const ZydisDecodedOperand *op, ZydisRegister *renamed)
{
    switch (ZydisRegisterGetClass(op->reg.value)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64:
        return request_gpr(r, op, renamed);
    case ZYDIS_REGCLASS_XMM:
        return r->thunk.avx ? request_ymm(r, op, renamed) : request_xmm(r, op, renamed);
    case ZYDIS_REGCLASS_YMM:
        return request_ymm(r, op, renamed);
    case ZYDIS_REGCLASS_MMX:
    case ZYDIS_REGCLASS_X87:
        return r->thunk.whole_fpu;
    case ZYDIS_REGCLASS_FLAGS:
        r->flags_read = raw->cpu_flags->tested != 0;
        r->thunk.flags_written = flags_written(raw);
        return true;
    default: /* x87 status and control words, MXCSR: part of the state that is loaded */
        return op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
    }
}

static bool request_memory(NativeRequest *r, const ZydisDecodedInstruction *raw,
                           const ZydisDecodedOperand *op)
{
    if (!is_explicit(op) || op->size > NATIVE_MEM_MAX * 8) {
        return false;
    }
    r->thunk.mem_size = op->size / 8;
    r->thunk.mem_read = op->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    r->thunk.mem_written = op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
    r->thunk.mem_aligned = must_be_aligned(raw, r->thunk.mem_size);
    return true;
}

static bool uses_x87_or_mmx(const SoftInsn *in)
{
    for (unsigned i = 0; i < in->raw.operand_count; i++) {
        const ZydisDecodedOperand *op = &in->ops[i];
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(op->reg.value) == ZYDIS_REGCLASS_MMX) {
            return true;
        }
    }
    return in->raw.meta.isa_ext == ZYDIS_ISA_EXT_X87 || in->raw.meta.isa_ext == ZYDIS_ISA_EXT_MMX ||
           in->raw.mnemonic == ZYDIS_MNEMONIC_FISTTP;
}

static void request_x87(NativeRequest *r, const SoftInsn *in)
{
    r->thunk.waits = true;
    if (in->raw.meta.isa_ext != ZYDIS_ISA_EXT_X87 && in->raw.mnemonic != ZYDIS_MNEMONIC_FISTTP) {
        r->thunk.mmx = true;
        return;
    }
    r->thunk.pointers = NATIVE_POINTERS_UPDATE;
    for (unsigned i = 0; i < G_N_ELEMENTS(x87_special); i++) {
        if (x87_special[i].mnemonic == in->raw.mnemonic) {
            r->thunk.waits = x87_special[i].waits;
            r->thunk.pointers = x87_special[i].pointers;
        }
    }
    /* The escape opcode D8-DF and the ModR/M byte (SDM vol. 1 section 8.1.9). */
    r->thunk.fop = (in->raw.opcode & 7) << 8 | in->raw.raw.modrm.reg << 3 | in->raw.raw.modrm.rm |
                   in->raw.raw.modrm.mod << 6;
}

static bool request_make(NativeRequest *r, const SoftInsn *in)
{
    memset(r, 0, sizeof(*r));
    if (!ZYAN_SUCCESS(ZydisEncoderDecodedInstructionToEncoderRequest(
            &in->raw, in->ops, in->raw.operand_count_visible, &r->encoding))) {
        return false;
    }
    r->encoding.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
    r->encoding.address_size_hint = ZYDIS_ADDRESS_SIZE_HINT_NONE;
    r->encoding.prefixes &= ~(uint64_t)ZYDIS_ATTRIB_HAS_SEGMENT;
    r->thunk.avx = is_avx(&in->raw);
    r->thunk.whole_fpu = uses_x87_or_mmx(in);
    if (r->thunk.whole_fpu) {
        request_x87(r, in);
    }
    for (unsigned i = 0; i < in->raw.operand_count; i++) {
        const ZydisDecodedOperand *op = &in->ops[i];
        bool visible = i < in->raw.operand_count_visible;
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            ZydisRegister renamed = op->reg.value;
            if (!request_register(r, &in->raw, op, &renamed)) {
                return false;
            }
            if (visible) {
                r->encoding.operands[i].reg.value = renamed;
            }
        } else if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
            if (!visible || !request_memory(r, &in->raw, op)) {
                return false;
            }
            ZydisEncoderOperand *mem = &r->encoding.operands[i];
            mem->mem.base = ZYDIS_REGISTER_R9;
            mem->mem.index = ZYDIS_REGISTER_NONE;
            mem->mem.scale = 0;
            mem->mem.displacement = 0;
        }
    }
    r->thunk.mxcsr = obeys_mxcsr(&in->raw);
    r->thunk.sse |= r->thunk.mxcsr && !r->thunk.avx;
    return true;
}

/* ---- running ---- */

void native_check_sse(SoftCpu *s, const Uop *op)
{
    if ((s->cpu.cr0 & CR0_EM) || !(s->cpu.cr4 & CR4_OSFXSR)) {
        soft_raise(s, op, EXC_UD, -1);
    }
    if (s->cpu.cr0 & CR0_TS) {
        soft_raise(s, op, EXC_NM, -1);
    }
}

void native_check_avx(SoftCpu *s, const Uop *op)
{
    const uint64_t both = XCR0_SSE | XCR0_AVX;

    if (!(s->cpu.cr4 & CR4_OSXSAVE) || (s->cpu.xcr0 & both) != both) {
        soft_raise(s, op, EXC_UD, -1);
    }
    if (s->cpu.cr0 & CR0_TS) {
        soft_raise(s, op, EXC_NM, -1);
    }
}

void native_check_mmx(SoftCpu *s, const Uop *op)
{
    if (s->cpu.cr0 & CR0_EM) {
        soft_raise(s, op, EXC_UD, -1);
    }
    if (s->cpu.cr0 & CR0_TS) {
        soft_raise(s, op, EXC_NM, -1);
    }
}

static void check_x87(SoftCpu *s, const Uop *op)
{
    if (s->cpu.cr0 & (CR0_EM | CR0_TS)) {
        soft_raise(s, op, EXC_NM, -1);
    }
}

bool native_pending(SoftCpu *s, const Uop *op)
{
    if (SOFT_LIKELY(!(s->cpu.fxsave[FX_FSW] & FSW_ES))) {
        return false;
    }
    if (s->cpu.cr0 & CR0_NE) {
        soft_raise(s, op, EXC_MF, -1);
    }
    if (!x86_ignne()) {
        soft_raise(s, op, SOFT_FREEZE, -1);
    }
    return true;
}

void native_pending_done(SoftCpu *s)
{
    if (G_UNLIKELY(s->cpu.ferr) && !(s->cpu.fxsave[FX_FSW] & FSW_ES)) {
        soft_machine_enter(s);
        x86_set_ferr(&s->cpu, false);
        soft_machine_leave(s);
    }
}

/* True: there is an x87 exception, and it is to be ignored. */
static bool check_enabled(SoftCpu *s, const Uop *op, const NativeThunk *thunk)
{
    if (thunk->avx) {
        native_check_avx(s, op);
    }
    if (thunk->sse) {
        native_check_sse(s, op);
    }
    if (thunk->whole_fpu) {
        if (thunk->mmx) {
            native_check_mmx(s, op);
        } else {
            check_x87(s, op);
        }
        return thunk->waits && native_pending(s, op);
    }
    return false;
}

static uint32_t fx_get32(const SoftCpu *s, unsigned offset)
{
    uint32_t value;
    memcpy(&value, s->cpu.fxsave + offset, 4);
    return value;
}

static void fx_set32(SoftCpu *s, unsigned offset, uint32_t value)
{
    memcpy(s->cpu.fxsave + offset, &value, 4);
}

/* FOP, FIP and FDP: bytes 6-23 of the image. */
typedef struct FpuPointers {
    uint8_t bytes[18];
} FpuPointers;

/* Offsets of FIP, FCS with FOP, FDP in the FSTENV image: 32-bit and 16-bit formats (SDM vol. 1
 * figures 8-9 and 8-11). The real-mode formats differ in bits that nothing reads. */
static unsigned env_width(unsigned mem_size)
{
    return mem_size == 28 || mem_size == 108 ? 4 : 2;
}

static void env_store(const SoftCpu *s, uint8_t *env, unsigned width)
{
    memset(env + 3 * width, 0, 4 * width);
    memcpy(env + 3 * width, s->cpu.fxsave + FX_FIP, width);
    memcpy(env + 5 * width, s->cpu.fxsave + FX_FDP, width);
    if (width == 4) {
        memcpy(env + 18, s->cpu.fxsave + FX_FOP, 2);
    }
}

static void env_load(SoftCpu *s, const uint8_t *env, unsigned width)
{
    memset(s->cpu.fxsave + FX_FOP, 0, sizeof(FpuPointers));
    memcpy(s->cpu.fxsave + FX_FIP, env + 3 * width, width);
    memcpy(s->cpu.fxsave + FX_FDP, env + 5 * width, width);
    if (width == 4) {
        uint16_t fop = (env[18] | env[19] << 8) & 0x7ff;
        memcpy(s->cpu.fxsave + FX_FOP, &fop, 2);
    }
}

/* After an x87 instruction: the image's pointers are the host's; put the guest's there. */
static void fix_pointers(SoftCpu *s, const Uop *op, const NativeThunk *thunk,
                         const FpuPointers *old, uint64_t addr, uint8_t *mem)
{
    memcpy(s->cpu.fxsave + FX_FOP, old, sizeof(*old));
    switch ((NativePointers)thunk->pointers) {
    case NATIVE_POINTERS_KEEP:
        return;
    case NATIVE_POINTERS_UPDATE: {
        uint64_t rip = soft_op_rip(s, op);
        memcpy(s->cpu.fxsave + FX_FOP, &thunk->fop, 2);
        memcpy(s->cpu.fxsave + FX_FIP, &rip, 8);
        if (thunk->mem_size) {
            memcpy(s->cpu.fxsave + FX_FDP, &addr, 8);
        }
        return;
    }
    case NATIVE_POINTERS_LOAD:
        env_load(s, mem, env_width(thunk->mem_size));
        return;
    case NATIVE_POINTERS_STORE:
    case NATIVE_POINTERS_STORE_CLEAR:
        env_store(s, mem, env_width(thunk->mem_size));
        if (thunk->pointers == NATIVE_POINTERS_STORE) {
            return;
        }
        G_GNUC_FALLTHROUGH;
    case NATIVE_POINTERS_CLEAR:
        memset(s->cpu.fxsave + FX_FOP, 0, sizeof(*old));
        return;
    }
}

/* What the guest sees of an exception that the host had in a thunk. Those that no guest can cause
 * are taken for an instruction that this processor cannot run. */
static _Noreturn void raise_host_fault(SoftCpu *s, const Uop *op, const NativeFrame *frame)
{
    switch (frame->fault) {
    case EXC_XM:
        fx_set32(s, FX_MXCSR, frame->mxcsr & MXCSR_VALID);
        soft_raise(s, op, s->cpu.cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD, -1);
    case EXC_MF:
        soft_raise(s, op, EXC_MF, -1);
    case EXC_GP:
        soft_raise(s, op, EXC_GP, 0);
    default:
        soft_raise(s, op, EXC_UD, -1);
    }
}

static uint16_t fx_get_fsw(const SoftCpu *s)
{
    uint16_t fsw;

    memcpy(&fsw, s->cpu.fxsave + FX_FSW, sizeof(fsw));
    return fsw;
}

static void fx_set_fsw(SoftCpu *s, uint16_t fsw)
{
    memcpy(s->cpu.fxsave + FX_FSW, &fsw, sizeof(fsw));
}

/* The host would not ignore them: it is not shown exceptions that the guest ignores. */
static void run_ignoring(SoftCpu *s, const NativeThunk *thunk, NativeFrame *frame)
{
    uint16_t fsw = fx_get_fsw(s), flags = fsw & FSW_EXCEPTIONS;

    fx_set_fsw(s, fsw & (uint16_t) ~(FSW_EXCEPTIONS | FSW_ES | FSW_B));
    native_call(thunk, frame);
    if (frame->fault != NATIVE_NO_FAULT || thunk->pointers != NATIVE_POINTERS_LOAD) {
        fx_set_fsw(s, fx_get_fsw(s) | flags);
        native_fpu_summarize(&s->cpu);
    }
}

static void run_thunk(SoftCpu *s, const Uop *op, const NativeThunk *thunk, NativeFrame *frame,
                      bool ignoring)
{
    uint32_t mxcsr = fx_get32(s, FX_MXCSR);

    frame->host_mxcsr = HOST_MXCSR;
    /* The guest may have unmasked SSE exceptions: the host finds out whether one is raised. */
    frame->mxcsr = thunk->mxcsr ? mxcsr : mxcsr | MXCSR_MASKS;
    if (G_UNLIKELY(ignoring)) {
        run_ignoring(s, thunk, frame);
    } else {
        native_call(thunk, frame);
    }
    if (G_UNLIKELY(frame->fault != NATIVE_NO_FAULT)) {
        raise_host_fault(s, op, frame);
    }
    if (thunk->mxcsr || thunk->whole_fpu) {
        fx_set32(s, FX_MXCSR, mxcsr | (frame->mxcsr & MXCSR_EXCEPTIONS));
    }
    if (thunk->whole_fpu) {
        native_fpu_summarize(&s->cpu);
    }
}

static const Uop *native_run(SoftCpu *s, const Uop *op)
{
    const NativeThunk *thunk = (const NativeThunk *)(uintptr_t)op->imm;
    /* Who has four registers has no memory operand. */
    const uint8_t regs[NATIVE_SLOTS] = { op->dst, op->src, op->aux,
                                         thunk->mem_size ? 0 : op->base };
    uint8_t mem[NATIVE_MEM_MAX] __attribute__((aligned(64)));
    NativeFrame frame = {
        .mem = mem, .fx = s->cpu.fxsave, .regs = s->cpu.regs, .ymm0_high = s->cpu.ymm_high
    };
    uint64_t addr = 0;

    bool ignoring = check_enabled(s, op, thunk);
    if (thunk->mem_size) {
        addr = soft_addr(s, op);
        if (thunk->mem_aligned && (addr & (thunk->mem_size - 1u))) {
            soft_raise(s, op, EXC_GP, 0);
        }
        if (thunk->mem_read) {
            soft_read(s, op, addr, mem, thunk->mem_size);
        }
        if (thunk->mem_written) {
            soft_probe_write(s, op, addr, thunk->mem_size);
            if (thunk->whole_fpu && !thunk->mem_read) { /* an x87 exception may prevent the store */
                soft_read(s, op, addr, mem, thunk->mem_size);
            }
        }
    }
    for (unsigned i = 0; i < NATIVE_SLOTS; i++) {
        bool vector = thunk->slots[i] == NATIVE_SLOT_XMM || thunk->slots[i] == NATIVE_SLOT_YMM;
        frame.slot[i] = vector ? (void *)native_xmm(s, regs[i]) : (void *)&s->cpu.regs[regs[i]];
        if (thunk->slots[i] == NATIVE_SLOT_YMM) {
            frame.high[i] = native_ymm_high(s, regs[i]);
        }
    }
    uint64_t old_flags = soft_flags_from_ax(s->cc.ax);
    frame.flags = old_flags | RFLAGS_ONE;

    FpuPointers pointers;
    memcpy(&pointers, s->cpu.fxsave + FX_FOP, sizeof(pointers));
    run_thunk(s, op, thunk, &frame, ignoring);
    if (thunk->whole_fpu) {
        fix_pointers(s, op, thunk, &pointers, addr, mem);
    }
    if (thunk->flags_written) {
        s->cc.ax = soft_flags_to_ax((old_flags & ~(uint64_t)thunk->flags_written) |
                                    (frame.flags & thunk->flags_written));
    }
    if (thunk->mem_written) {
        soft_write(s, op, addr, mem, thunk->mem_size);
    }
    native_pending_done(s);
    return op + 1;
}

bool native_emit(SoftDecoder *d, const SoftInsn *in)
{
    NativeRequest request;
    if (!soft_isa_native(&in->raw) || !request_make(&request, in)) {
        return false;
    }
    const NativeThunk *thunk = native_thunk_get(&request);
    if (!thunk) {
        return false;
    }
    const ZydisDecodedOperand *mem = NULL;
    for (unsigned i = 0; i < in->raw.operand_count_visible; i++) {
        if (in->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            mem = &in->ops[i];
        }
    }
    Uop *u = mem ? soft_emit_mem(d, in, native_run, mem) : soft_emit(d, in, native_run);
    u->dst = request.slot_regs[0];
    u->src = request.slot_regs[1];
    u->aux = request.slot_regs[2];
    if (!mem) {
        u->base = request.slot_regs[3];
    }
    u->imm = (uintptr_t)thunk;
    return true;
}

void soft_meanings_native(void)
{
    soft_meaning_add(native_run, (SoftMeaning){ .kind = SOFT_MEANS_NATIVE });
}
