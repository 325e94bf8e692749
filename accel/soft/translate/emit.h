/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What emitters are made of: where guest registers and flags are, checked memory operands, ways out
 * of a block.
 *
 * Host registers while translated code runs (between its instructions):
 *   RBP      SoftCpu                  RSP  host stack, 16-byte aligned
 *   RAX, R11 scratch (SCRATCH_A, _B)
 *   the rest guest registers (guest_host_reg()); R8 to R11 of the guest are in SoftCpu,
 *            since compilers use them least
 */
#ifndef ACCEL_SOFT_TRANSLATE_EMIT_H
#define ACCEL_SOFT_TRANSLATE_EMIT_H

#include "accel/soft/decode.h"
#include "accel/soft/translate/assembler.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/translate/thunks.h"
#include "accel/soft/translate/translate.h"

enum {
    SCRATCH_A = HOST_RAX, /* LAHF and SETO leave flags here */
    SCRATCH_B = HOST_R11,
    CPU_REG = HOST_RBP,
    SLOW_JUMPS = 3,     /* of one micro-operation */
    LEAVE_JUMPS = 72,   /* of a block */
    SECOND_TRIES = 256, /* of a block; further checks have none */
    FAR_CHECKS = 256,   /* of a block; further ones look in the TLB at once */
    SHARE_RUNS = 16,    /* of a block */
    XMM_RUNS = 32,      /* of a block */
    SHARE_GROUPS = SOFT_SHARED,
};

/* Offset from CPU_REG. */
#define CPU_OFF(member) ((int32_t)offsetof(SoftCpu, member))

typedef enum FlagPlace {
    FLAGS_MEMORY, /* SoftCpu.cc, or dead; the host's are anything */
    FLAGS_HOST,   /* the host's flags */
    FLAGS_BOTH,
    FLAGS_REMAKE, /* nowhere: they can be made again (Translator.source) */
} FlagPlace;

/* How flags can be made again (remake.h). No padding that is not 0. */
typedef struct FlagSource {
    int64_t imm;    /* if !has_src */
    uint16_t regs;  /* guest registers that it is made of, a bit each */
    uint16_t index; /* of the micro-operation that wrote them */
    uint8_t how;    /* FLAGS_OF_* */
    uint8_t size, reg, src;
    uint64_t has_src;
} FlagSource;

enum {
    FLAGS_UNKNOWN,
    FLAGS_OF_CMP,    /* of reg with src or imm */
    FLAGS_OF_TEST,   /* the same */
    FLAGS_OF_ADD,    /* reg is the sum of what it was and src or imm */
    FLAGS_OF_SUB,    /* the same */
    FLAGS_OF_NEG,    /* reg is the result */
    FLAGS_OF_RESULT, /* AND OR XOR */
};

/* The way of a micro-operation that cannot be done in line: its function is called, or if it ends
 * the block, the interpreter goes on with it. */
typedef struct SlowPath {
    uint8_t *jumps[SLOW_JUMPS];
    unsigned count;
    unsigned index;      /* of the micro-operation */
    unsigned uops;       /* it, and those that follow it */
    const uint8_t *back; /* executable address of what follows */
    unsigned copy;       /* or 0, or it goes on there in the copy of its run (share.h) */
    bool restore_flags;  /* to the host's afterwards */
    FlagSource source;   /* if it has one, flags are made and saved first */
    /* XMM registers to be stored before and loaded after; is the guest's MXCSR in force after? */
    uint16_t xmm_store, xmm_reload;
    bool mxcsr;
} SlowPath;

/* A jump that leaves the block for C. */
typedef struct LeaveJump {
    uint8_t *jump;
    Leave how;
    unsigned number;
    uint16_t xmm_store;
    FlagSource source; /* as in SlowPath */
} LeaveJump;

/* A check that fails looks in the TLB's second place before it goes the slow way. */
typedef struct SecondTry {
    uint8_t *jump;       /* of the check */
    const uint8_t *back; /* executable address of what follows it */
    uint8_t **slow;      /* where the slow way keeps the jump that leads there */
    bool write;
    bool known; /* the address; then: */
    unsigned slot;
} SecondTry;

/* A check that looks where the base's last page is kept (near.h) goes on here if it is another. */
typedef struct FarCheck {
    uint8_t *jump;       /* of the check */
    const uint8_t *back; /* executable address of what follows it */
    uint8_t **slow;      /* where the slow way keeps the jump that leads there */
    const Uop *op;       /* whose operand it is, if base is HOST_NO_REG */
    int32_t disp;
    uint8_t base, size;
    uint16_t place;
    bool linear; /* the address is in SoftCpu.address */
} FarCheck;

/* ---- checks that accesses share (share.c) ---- */

/* Accesses by one base register. Addresses are relative to its value when the run began, or when it
 * was last given a new one. */
typedef struct ShareGroup {
    int32_t low, high; /* of all bytes: from low to high - 1 */
    bool write;        /* one of them at least is written */
    uint8_t base;      /* the host register */
    uint16_t first, last, members;
    bool open; /* the check has been emitted */
} ShareGroup;

typedef struct ShareUse {
    uint8_t group; /* number + 1; 0: none */
    int32_t moved; /* how far the base has moved by then */
} ShareUse;

/* What the translator knows at a point of the block. No padding that is not 0. */
typedef struct ShareState {
    FlagSource source;
    uint64_t flags;
    uint16_t xmm_loaded, xmm_dirty;
    uint16_t sse_checked, mxcsr_live;
} ShareState;

/* Moves of whole XMM registers with one check (emit-xmm.c). Where it fails, they are done one by
 * one, behind the block. */
typedef struct XmmRun {
    uint8_t *jumps[2]; /* of what fails */
    unsigned jump_count, first, count;
    ShareState before, after; /* the moves */
    const uint8_t *entry, *back;
} XmmRun;

typedef struct ShareRun {
    unsigned first, end; /* micro-operations */
    ShareState before, after;
    const uint8_t *back; /* executable address of @end */
} ShareRun;

/* A shared check's jump if it fails: into the copy, to the check of micro-operation @index. */
typedef struct ShareFail {
    uint8_t *jump;
    unsigned index;
} ShareFail;

typedef struct Share {
    ShareGroup groups[SHARE_GROUPS];
    unsigned group_count;
    ShareRun runs[SHARE_RUNS];
    unsigned run_count, run; /* the one that is being emitted, or the next one */
    bool in_run, in_copy;
    bool broken; /* C was called in it */
    ShareFail fails[SHARE_GROUPS];
    unsigned fail_count;
    /* In the copies: executable addresses of micro-operations, and of their checks. */
    const uint8_t *copy_at[SOFT_BLOCK_MAX_UOPS + 1], *check_at[SOFT_BLOCK_MAX_UOPS + 1];
    ShareUse uses[SOFT_BLOCK_MAX_UOPS + 1];
} Share;

typedef struct Translator {
    HostCode c;
    SoftBlock *b;
    SoftTranslation *x;
    /* The micro-operation that is being emitted. */
    const Uop *op;
    UopFn *fn; /* of the interpreter */
    unsigned index;
    bool live_before, live_after; /* flags */
    FlagPlace flags;
    FlagSource source;
    uint8_t *offer; /* where the block tells the address of what makes its flags; NULL: nowhere */
    FlagSource offered;
    SlowPath *slow; /* its own, or NULL */
    unsigned uops;  /* that were emitted with it, itself included */
    /* Which XMM registers are in the host's; which of them are newer than SoftCpu's. */
    uint16_t xmm_loaded, xmm_dirty;
    bool sse_checked; /* CR0 and CR4 allow SSE */
    bool mxcsr_live;  /* the guest's MXCSR is in force */
    bool ended;       /* it left the block on all ways */
    /* A block that branches to itself keeps its XMM registers in the host's (emit_loop_begin()). */
    bool called;          /* C was called, where nothing stays in registers */
    uint16_t xmm_changed; /* XMM registers that the block changes */
    struct {
        const uint8_t *head; /* NULL: it is not done so */
        uint16_t xmm, changed;
        bool sse, mxcsr;
    } loop;
    SlowPath paths[2 * SOFT_BLOCK_MAX_UOPS + 1];
    unsigned path_count;
    LeaveJump leaves[LEAVE_JUMPS];
    unsigned leave_count;
    SecondTry seconds[SECOND_TRIES];
    unsigned second_count;
    FarCheck far[FAR_CHECKS];
    unsigned far_count;
    uint8_t *exit_jump[2];                /* to exits' thunks; NULL: none */
    FlagSource exit_source[2];            /* of flags, as in SlowPath */
    bool live[SOFT_BLOCK_MAX_UOPS + 1];   /* flags, before each; behind the last: true */
    FlagWants wants[SOFT_BLOCK_MAX_UOPS]; /* the flags that are there before each */
    const Thunks *thunks;
    Share share;
    XmmRun xmm_runs[XMM_RUNS];
    unsigned xmm_run_count;
    bool one_by_one; /* such moves are being emitted */
} Translator;

/* ---- registers ---- */

/* The host register of a guest register, or HOST_NO_REG. Any index into regs. */
unsigned guest_host_reg(unsigned reg);
/* Where guest register @reg is. For byte registers: that of the register it is the low part of. */
HostRm guest_rm(unsigned reg);
/* A host register that holds guest register @reg (all 64 bits): its own, or @scratch, loaded. */
unsigned guest_read(Translator *t, unsigned reg, unsigned scratch);
/* To change a guest register: its own host register, or @scratch, loaded with its value; afterwards
 * guest_write() puts all 64 bits back. A 32-bit operation on the host register is right. */
unsigned guest_change(Translator *t, unsigned reg, unsigned scratch);
void guest_write(Translator *t, unsigned reg, unsigned host);
/* From Uop.dst or src: the register's number for operations of @size bytes; false: it is AH, CH,
 * DH or BH. */
bool guest_reg(uint8_t operand, unsigned size, unsigned *reg);
/* Those: the register whose second byte it is; and that byte, with zeros above it, to SCRATCH_A. No
 * flags. */
bool guest_high(uint8_t operand, unsigned size, unsigned *reg);
void guest_read_high(Translator *t, unsigned reg);

/* ---- flags ---- */

/* The host's flags to SoftCpu; SCRATCH_A is destroyed. */
void flags_save(Translator *t);
/* Before code that destroys the host's flags (SCRATCH_A is free): they are saved, or can be made
 * again by whoever leaves this path. */
void flags_spill(Translator *t);
/* The same, and whatever follows finds them in SoftCpu. */
void flags_to_memory(Translator *t);
/* Before code that reads the guest's flags, or changes some of them: have them in the host's. Must
 * not be followed by a memory check. SCRATCH_A is free. */
void flags_load(Translator *t);
/* The same, whatever is there now. */
void flags_reload(Translator *t);
/* The same where SCRATCH_A is in use and @spare is not. */
void flags_load_keep(Translator *t, unsigned spare);
/* After an instruction that left the guest's new flags in the host's. */
void flags_written(Translator *t);

/* ---- memory ---- */

/* Emit the check of the operand of @op, @size bytes, and give the operand for the host's
 * instruction. What cannot be done in line goes the slow way. The scratch registers that the result
 * does not name are free; flags were spilled. */
HostRm memory_operand(Translator *t, unsigned size, bool write);
/* The same at [guest register @base + @disp]. */
HostRm memory_at(Translator *t, unsigned base, int32_t disp, unsigned size, bool write);
/* The same @size bytes at the linear address in SCRATCH_A. Gives [SCRATCH_A + SCRATCH_B]. */
HostRm memory_at_linear(Translator *t, unsigned size, bool write);
/* The address of the operand of @op with its segment, to SCRATCH_A; SCRATCH_B is destroyed. */
void linear_address(Translator *t);
/* The check of all bytes from @disp to @disp + @size - 1 at [guest register @base], which is in a
 * host register: SCRATCH_B then is what to add to them for the host's. @failed keeps the jump of a
 * check that fails, and gives where it is kept. */
typedef uint8_t **JumpFn(Translator *t, uint8_t *at);
void memory_check(Translator *t, unsigned base, int32_t disp, unsigned size, bool write,
                  JumpFn *failed);
/* SCRATCH_B: the address of the first byte, SCRATCH_A: that of the last one. Is the page in the
 * TLB? SCRATCH_A is the tag then, and SCRATCH_B what to add. Gives the jump if not; after that
 * @second looks in the second place. */
uint8_t *tlb_look(Translator *t, bool write, bool second);
/* Is the address one that memory_operand() can make? */
bool memory_possible(const Translator *t);
/* A scratch register that @rm does not name; @rm may be changed to need only one (LEA). */
unsigned memory_scratch(Translator *t, HostRm *rm);
/* Behind the block: what looks in second places. */
void emit_second_tries(Translator *t);
/* The address without segment, for LEA: into host register @reg. */
void address_load(Translator *t, unsigned reg, unsigned size);

/* ---- XMM registers (emit-xmm.c): they are what they are on the host, but lie in SoftCpu between
 * blocks and when C is called ---- */

/* Those in the list of 16 bits: to SoftCpu, from it. No flags. */
void xmm_store(Translator *t, uint16_t list);
void xmm_load(Translator *t, uint16_t list);
/* All that SoftCpu does not have yet go there. No flags. */
void xmm_spill(Translator *t);
/* The guest's MXCSR, which masks all exceptions, comes into force. */
void mxcsr_enter(Translator *t);

/* ---- leaving ---- */

/* The jump whose displacement is at @at goes the slow way. Gives where that is kept until then. */
uint8_t **slow_jump(Translator *t, uint8_t *at);
/* ... leaves by @how, which gets @number. */
uint8_t **leave_jump(Translator *t, uint8_t *at, Leave how, unsigned number);
/* The displacement at @at becomes that of direct exit @which. */
void exit_by(Translator *t, unsigned which, uint8_t *at);
/* Before an indirect branch does anything: the way to the RIP in SCRATCH_A, which stays, must be
 * known; else the interpreter does it all. Flags are in memory. */
void target_check(Translator *t);
/* To the block of the RIP in SCRATCH_A, or where SCRATCH_B is as target_check() left it. The block
 * ends. */
void exit_indirect(Translator *t, bool slot_known);

/* ---- emitters: false, with nothing emitted: not this one ---- */

typedef bool HostEmitFn(Translator *t, const Uop *op, const SoftMeaning *m);

HostEmitFn host_emit_nothing, host_emit_alu, host_emit_test, host_emit_unary, host_emit_mov,
    host_emit_widen, host_emit_lea, host_emit_bswap, host_emit_xchg, host_emit_convert,
    host_emit_shift, host_emit_imul, host_emit_multiply, host_emit_set, host_emit_cmov,
    host_emit_scan, host_emit_bit, host_emit_jcc, host_emit_jmp, host_emit_go_on, host_emit_jmp_to,
    host_emit_call, host_emit_call_to, host_emit_ret, host_emit_push, host_emit_pop,
    host_emit_leave, host_emit_xmm, host_emit_native, host_emit_locked, host_emit_swap,
    host_emit_xadd, host_emit_cmpxchg, host_emit_cli, host_emit_sti, host_emit_swapgs,
    host_emit_pushf;

/* ---- loops of one block (loop.c) ---- */

/* The block was emitted, and is better emitted again with t->loop as it is now. */
bool emit_loop_wanted(Translator *t);
/* At the block's begin, if t->loop wants it: what is checked and loaded once. */
void emit_loop_begin(Translator *t);
/* Instead of leaving by exit 1: to the begin by Jcc, or on by exit 0. Flags are in the host's. */
void emit_loop_branch(Translator *t, unsigned cc);

/* After a comparison with a condition: Jcc. Flags are in the host's. */
void emit_branch(Translator *t, unsigned cc);

#endif
