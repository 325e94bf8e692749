/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that run on the host's own processor (DESIGN decision 8).
 *
 * For an unprivileged instruction without a handler of its own (x87, MMX, SSE, AES, BMI, POPCNT,
 * ...) a thunk is generated: it loads the registers that the instruction uses, runs the very same
 * instruction, and stores what it changed. Explicit register operands are renamed to fixed host
 * registers ("slots"), and a memory operand goes through a buffer, so that there is one thunk for
 * an instruction whatever registers and addresses the guest names, and a guest cannot make the
 * number of thunks grow without bound.
 */
#ifndef ACCEL_SOFT_NATIVE_H
#define ACCEL_SOFT_NATIVE_H

#include "accel/soft/decode.h"
#include "accel/soft/soft.h"

#define NATIVE_SLOTS 4
#define NATIVE_INSN  15 /* bytes, at most */

typedef enum NativeSlot {
    NATIVE_SLOT_NONE,
    NATIVE_SLOT_XMM,
    NATIVE_SLOT_YMM, /* of VEX instructions, whatever their length: XMM ones clear the upper half */
    NATIVE_SLOT_GPR,
    NATIVE_SLOT_GPR_HIGH8, /* AH, CH, DH or BH: the register number is that of RAX ... RBX */
} NativeSlot;

/* What becomes of the x87 instruction and data pointers. The host's own are never shown. */
typedef enum NativePointers {
    NATIVE_POINTERS_KEEP,        /* control instructions, MMX, SSE */
    NATIVE_POINTERS_UPDATE,      /* all other x87 instructions */
    NATIVE_POINTERS_CLEAR,       /* FNINIT */
    NATIVE_POINTERS_STORE,       /* FNSTENV */
    NATIVE_POINTERS_STORE_CLEAR, /* FNSAVE */
    NATIVE_POINTERS_LOAD,        /* FLDENV, FRSTOR */
} NativePointers;

/* What a thunk is given; it addresses the members by their offsets. */
typedef struct NativeFrame {
    void *slot[NATIVE_SLOTS]; /* of each explicit register: its place in X86Cpu */
    void *high[NATIVE_SLOTS]; /* of each YMM register: the place of its upper half */
    void *mem;                /* buffer for the memory operand */
    uint8_t *fx;              /* X86Cpu.fxsave */
    void *ymm0_high;          /* X86Cpu.ymm_high */
    uint64_t *regs;           /* X86Cpu.regs, for implicit RAX, RCX, RDX */
    uint64_t flags;           /* arithmetic flags, in and out */
    uint32_t mxcsr;           /* in, and out */
    uint32_t host_mxcsr;      /* restored at the end */
    uint32_t fault;           /* out: NATIVE_NO_FAULT, or the host's exception vector */
} NativeFrame;

#define NATIVE_NO_FAULT UINT32_MAX

/* One thunk, shared by all vCPUs, never freed. Constant once published. */
typedef struct NativeThunk {
    void (*code)(NativeFrame *frame); /* called by native_call() only */
    uint8_t slots[NATIVE_SLOTS];      /* NativeSlot */
    uint8_t mem_size;                 /* bytes; 0: no memory operand */
    bool mem_read, mem_written;
    bool mem_aligned;       /* the operand must be aligned to its size, else #GP */
    bool whole_fpu;         /* uses x87 or MMX registers: all of the FPU state is loaded */
    bool mmx;               /* of these, the MMX ones: CR0.EM makes them undefined */
    bool sse;               /* needs CR4.OSFXSR and CR0.EM = 0 */
    bool avx;               /* VEX, with vector registers: needs CR4.OSXSAVE and XCR0 */
    bool mxcsr;             /* obeys and changes MXCSR */
    bool waits;             /* x87: a pending exception is reported first */
    uint8_t pointers;       /* NativePointers */
    uint16_t fop;           /* x87 opcode, 11 bits */
    uint32_t flags_written; /* RFLAGS bits */
    /* For the translator, which emits the instruction itself with the guest's registers. */
    bool plain;                          /* it uses slots and the memory operand only */
    uint8_t slots_written;               /* bit n: slot n */
    uint8_t insn_len, insn[NATIVE_INSN]; /* with the slots' registers; memory is [r9] */
} NativeThunk;

/* What native_emit() found out about an instruction. */
typedef struct NativeRequest {
    NativeThunk thunk;               /* without code */
    ZydisEncoderRequest encoding;    /* with renamed operands */
    uint8_t slot_regs[NATIVE_SLOTS]; /* the guest's register in each slot */
    bool
        slot_written[NATIVE_SLOTS]; /* others are not stored: an implicit operand may be the same */
    uint8_t fixed_gprs;             /* bit n: register n (RAX, RCX, RDX) is used in place */
    bool fixed_xmm0;                /* implicit XMM0 */
    bool flags_read;
} NativeRequest;

/* The thunk for @request: found, or generated. NULL if it cannot be encoded. Any vCPU thread. */
const NativeThunk *native_thunk_get(const NativeRequest *request);

/*
 * Run @thunk. An exception of the host within it ends it, and is in frame->fault: nothing has been
 * stored then, and frame->mxcsr is the MXCSR that it left. No guest can make a thunk fault but for
 * SSE exceptions that it unmasked; should one do so all the same, it harms itself only
 * (native-fault.c).
 */
void native_call(const NativeThunk *thunk, NativeFrame *frame);
/* Thunks lie in [start, start + size) from now on. Any thread; @start stays mapped for ever. */
void native_fault_add_range(const void *start, size_t size);

/* FSW's summary bits, ES and B, follow from its flags and FCW's masks (SDM vol. 1 section 8.1.3.3),
 * whatever an image said. To be called after FCW or FSW were written. */
void native_fpu_summarize(X86Cpu *cpu);
/* Make an FPU image from outside one that the processor can have: no reserved bit in MXCSR, ES and
 * B right. */
void native_fpu_sanitize(X86Cpu *cpu);

/*
 * The decoder's fallback: emit for @in if it is unprivileged and runs on the host. False: it is not
 * (the caller emits #UD).
 */
bool native_emit(SoftDecoder *d, const SoftInsn *in);

/* Decoder tables: state instructions that are plain copies (insn-fpu.c), and the moves between XMM
 * registers and memory that compiled code is full of (insn-xmm.c). */
extern const SoftFamilyEntry soft_family_fpu[];
extern const SoftFamilyEntry soft_family_xmm[];
/* AVX's moves, and what cannot run through a buffer (insn-avx.c); XSAVE's family (insn-xsave.c). */
extern const SoftFamilyEntry soft_family_avx[];
extern const SoftFamilyEntry soft_family_xsave[];

/* The place of an XMM register. */
static inline uint8_t *native_xmm(SoftCpu *s, unsigned reg)
{
    return s->cpu.fxsave + 160 + 16 * reg;
}

static inline uint8_t *native_ymm_high(SoftCpu *s, unsigned reg)
{
    return s->cpu.ymm_high[reg];
}

/* #UD unless AVX is enabled in CR4 and XCR0, #NM as CR0.TS asks for. */
void native_check_avx(SoftCpu *s, const Uop *op);
/* #NM or #UD as CR0.TS/EM and CR4.OSFXSR ask for. */
void native_check_sse(SoftCpu *s, const Uop *op);
void native_check_mmx(SoftCpu *s, const Uop *op); /* MMX, FXSAVE, FXRSTOR */
/* An x87 instruction that waits: a pending exception is #MF, or, if CR0.NE is clear, the board's
 * business (target/i386/fpu-pins.h). True: there is one, and it is to be ignored. */
bool native_pending(SoftCpu *s, const Uop *op);
/* After what may have cleared pending exceptions; it must not fault any more. */
void native_pending_done(SoftCpu *s);
/* What LDMXCSR and STMXCSR, in either encoding, do when it was checked that they may (insn-fpu.c).
 */
void native_load_mxcsr(SoftCpu *s, const Uop *op);
void native_store_mxcsr(SoftCpu *s, const Uop *op);
/* Store those elements of @data, each of @element bytes, whose part of @mask has its top bit set to
 * @op's operand of op->size bytes; nothing else is touched. What can fault does before a byte is
 * stored (insn-fpu.c). */
void native_masked_store(SoftCpu *s, const Uop *op, const uint8_t *data, const uint8_t *mask,
                         unsigned element);

/* Offsets in the FXSAVE image (SDM vol. 1 table 10-2). */
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4,
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FDP = 16,
    FX_MXCSR = 24,
    FX_MXCSR_MASK = 28,
    FX_ST = 32,
    FX_XMM = 160,
};

#define FSW_EXCEPTIONS   0x3fu /* FCW's masks have the same places */
#define FSW_ES           0x80u
#define FSW_B            0x8000u
#define MXCSR_EXCEPTIONS 0x3fu
#define MXCSR_MASKS      0x1f80u
#define MXCSR_VALID      0xffffu
#define HOST_MXCSR       0x1f80u /* what C code runs with */
#define HOST_FCW         0x37fu

#endif
