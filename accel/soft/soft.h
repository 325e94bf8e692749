/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software CPU: structures shared by its files.
 *
 * Guest code is decoded with Zydis into micro-operations (Uop), kept in blocks, and run by calling
 * each micro-operation's function (docs/software-cpu.md). Everything here belongs to one vCPU and
 * is touched by its thread only, unless it says otherwise.
 */
#ifndef ACCEL_SOFT_SOFT_H
#define ACCEL_SOFT_SOFT_H

#include <Zydis/Zydis.h>
#include <setjmp.h>

#include "accel/debug.h"
#include "memory/memory.h"
#include "memory/reader.h"
#include "target/i386/cpu.h"

typedef struct SoftCpu SoftCpu;
typedef struct Uop Uop;
typedef struct SoftBlock SoftBlock;

/* Indices into X86Cpu.regs beyond R15. */
enum {
    REG_ZERO = 16, /* always 0: "no base", "no index" */
    REG_EA = 17,   /* effective address made by a preceding micro-operation (segmented modes) */
    REG_T0 = 18,
    REG_T1 = 19,
    REG_SINK = 20, /* written, never read */
    REG_PC = 21,   /* RIP of the running block's start; an instruction's is that + Uop.pc_off */
};

/* Runs one micro-operation and returns the one to run next (usually op + 1), or NULL to leave the
 * block with cpu.rip set. Must do everything that can fault before it changes state. */
typedef const Uop *UopFn(SoftCpu *s, const Uop *op);

struct Uop {
    UopFn *fn;
    uint8_t dst, src;    /* indices into regs (8-bit registers AH-BH: family's business) */
    uint8_t base, index; /* memory operand: regs[base] + (regs[index] << scale) + disp ... */
    uint8_t scale;
    uint8_t seg;     /* ... + seg_base[seg]; SOFT_SEG_NONE where the base is known to be 0 */
    uint8_t size;    /* operand size in bytes */
    uint8_t aux;     /* family's own: condition, shift count, ... */
    uint16_t pc_off; /* of this instruction from the block's start */
    uint8_t len;     /* of the whole instruction, bytes */
    uint8_t flags;   /* UOP_* */
    int32_t disp;
    uint64_t imm; /* immediate, absolute target, or a pointer */
};

#define SOFT_JUMP_BITS 14

/* Targets of translated indirect branches (translate/targets.h), by the low bits of their RIPs. An
 * empty entry's RIP is another entry's. */
#define SOFT_TARGETS 4096u
typedef struct SoftTargets {
    uint64_t rips[SOFT_TARGETS];
    const uint8_t *hosts[SOFT_TARGETS];
    bool used;
} SoftTargets;

#define SOFT_SHARED 64u

#define SOFT_SEG_NONE 6 /* seg_base[6] is always 0 */

/* ---- translation look-aside buffer ---- */

#define SOFT_TLB_BITS 10
#define SOFT_TLB_SIZE (1u << SOFT_TLB_BITS)
#define SOFT_PAGE     4096u

/* Which rules an access goes by. One TLB each. */
typedef enum SoftMmuMode {
    SOFT_MMU_USER,         /* CPL 3 */
    SOFT_MMU_KERNEL,       /* CPL 0-2 with SMAP off or EFLAGS.AC set, and implicit accesses... */
    SOFT_MMU_KERNEL_SMAP,  /* CPL 0-2, user pages are out of reach */
    SOFT_MMU_USER_ALIGNED, /* CPL 3, and what is not aligned is #AC: all accesses go the slow way */
    SOFT_MMU_MODES,
} SoftMmuMode;

static inline bool soft_mmu_user(SoftMmuMode mode)
{
    return mode == SOFT_MMU_USER || mode == SOFT_MMU_USER_ALIGNED;
}

typedef enum SoftAccess { SOFT_READ, SOFT_WRITE, SOFT_FETCH } SoftAccess;

/* The tag is the page's linear address, with SOFT_TLB_SLOW set if the fast path must not be used
 * (MMIO; when writing: a page with decoded code, or that is not marked dirty yet) and -1 if the
 * entry is empty. */
#define SOFT_TLB_SLOW 1ull
typedef struct SoftTlbEntry {
    uint64_t read_tag, write_tag, fetch_tag;
    uintptr_t addend; /* host address = linear address + addend (RAM only) */
    uint64_t phys;    /* guest-physical address of the page; SOFT_TLB_* in the low bits (tlb.h) */
} __attribute__((aligned(64))) SoftTlbEntry; /* a line of the cache */

/* Entries that another page has taken the place of. Each goes to its place here first, where
 * translated code looks next: so two pages that share an entry cost little. A page is in one place
 * only. */
#define SOFT_TLB_SECOND 256u
typedef struct SoftTlbSecond {
    SoftTlbEntry entry[SOFT_TLB_SECOND];
    uint64_t used[SOFT_TLB_SECOND / 64]; /* which there may be */
} SoftTlbSecond;

/* What had to go from there, for the slow path to find: then more pages do not cost a walk each
 * time. */
#define SOFT_TLB_VICTIMS 8u
typedef struct SoftTlbVictims {
    uint64_t page[SOFT_TLB_VICTIMS]; /* linear; -1: none */
    SoftTlbEntry entry[SOFT_TLB_VICTIMS];
    unsigned next; /* to be replaced */
} SoftTlbVictims;

/* On which pages translated code last was (translate/near.c), for reads and for writes: the tag as
 * in SoftTlbEntry, or -1, and the addend. The entry may have gone from the TLB meanwhile, but not
 * been flushed: a flush forgets all (tlb.c). */
enum { SOFT_NEAR_PLACES = 128 };
typedef struct SoftNear {
    uint64_t tags[2 * SOFT_NEAR_PLACES];
    uintptr_t addends[2 * SOFT_NEAR_PLACES];
    bool used; /* there is one that is not -1 */
} SoftNear;

/* Which entries of a TLB there may be, a bit each: all, and those that are not global. */
typedef struct SoftTlbLists {
    uint64_t used[SOFT_TLB_SIZE / 64], local[SOFT_TLB_SIZE / 64];
    uint64_t large_regions; /* as in SoftCodeClass, of entries */
} SoftTlbLists;

/* Where walks of page tables in long mode may begin: the page directories of some GiB of linear
 * addresses, as a processor's paging-structure caches keep them (SDM vol. 3 section 4.10.3). Any
 * flush forgets them all. */
#define SOFT_WALK_STARTS 16u
typedef struct SoftWalkStart {
    uint64_t gib;    /* linear address / 1 GiB; UINT64_MAX: none */
    hwaddr table;    /* of the directory */
    uint8_t *host;   /* where it lies, in one piece and to be written */
    uint64_t rights; /* as the levels above allow: PTE_RW, PTE_US, PTE_NX */
} SoftWalkStart;

/* By which pages blocks were found since `gen` began: a flush that concerns none of them leaves
 * them valid. One for kernel code and one for user code. */
#define SOFT_CODE_SET 14
typedef struct SoftCodeClass {
    uint32_t gen;                              /* never 0; never the same in two */
    bool local;                                /* by one that is not global */
    uint64_t pages[(1 << SOFT_CODE_SET) / 64]; /* set of hashes of pages */
    uint64_t large_regions; /* set of GiB modulo 64 where there are large pages */
} SoftCodeClass;

/* ---- arithmetic flags (flags.h) ---- */
typedef struct SoftFlags {
    uint16_t ax; /* CF PF AF ZF SF OF as LAHF and SETO AL leave them; cpu.rflags has the others */
    uint16_t zero;
    uint32_t remake; /* not 0: where translated code makes them (translate/remake.h), and ax is
                      * stale. Never so in C */
} __attribute__((aligned(8))) SoftFlags;

/* Registers that TLB entries depend on. A change comes with a flush. No padding that is not 0. */
typedef struct SoftRules {
    uint64_t cr0, cr3, cr4, efer; /* only bits that count */
    uint64_t pkru;
    uint64_t nested_cr3; /* and bit 0; 0: no nested paging */
    uint64_t svm_guest, smm;
} SoftRules;

/* ---- breakpoints (breakpoint.h) ---- */
typedef struct SoftBreakpoints {
    GArray *armed;    /* of breakpoint.c's own */
    bool data, port;  /* kinds that there are among them */
    bool key;         /* those that need SOFT_KEY_BREAK: instruction, and for reads */
    GArray *made_for; /* of addresses: blocks with SOFT_KEY_BREAK are cut there */
    bool pass;        /* the one at pass_rip is not to be hit */
    bool pass_rf;     /* by RF, which comes back if the instruction is not begun */
    uint64_t pass_rip;
    AccelStop stop; /* what the debugger is to be told */
} SoftBreakpoints;

struct SoftCpu {
    X86Cpu cpu; /* first */
    SoftFlags cc;
    uint64_t seg_base[7];           /* copies of cpu.segs[].base, and 0 */
    SoftTlbEntry *tlb, *tlb_second; /* of the current mode */
    uint32_t tlb_gen;               /* the current mode's SoftCodeClass.gen: blocks check it */
    uint32_t mode_key;              /* what decoded code depends on: SOFT_KEY_* below */
    SoftMmuMode mmu_mode;
    const SoftBlock *block; /* being run */
    sigjmp_buf *unwind;     /* soft_raise() jumps here */
    SoftTlbEntry tlbs[SOFT_MMU_MODES][SOFT_TLB_SIZE];
    SoftTlbSecond second[SOFT_MMU_MODES];
    SoftTlbVictims victims[SOFT_MMU_MODES];
    SoftTlbLists tlb_lists[SOFT_MMU_MODES];
    bool tlb_made[SOFT_MMU_MODES]; /* else tlbs[] and second[] are zeros, and its lists empty */
    SoftWalkStart walk_starts[SOFT_WALK_STARTS]; /* by their GiB */
    SoftCodeClass code[2];                       /* kernel, user */
    uint32_t newest_gen;
    uint32_t
        code_limits[16]; /* by soft_code_kind(): what the blocks that are valid were made for */
    SoftBlock *jump[1u << SOFT_JUMP_BITS]; /* recent targets of indirect jumps; never NULL */
    SoftTargets targets[SOFT_MMU_MODES];
    uint64_t address, target; /* translated code's own: of an operand, of a branch */
    SoftNear near[SOFT_MMU_MODES];
    uint64_t shared[SOFT_SHARED]; /* ... what shared checks have found (translate/share.c) */
    uint32_t host_mxcsr;          /* what C code has */
    bool mxcsr_live;              /* translated code runs with the guest\'s MXCSR */
    /* Any thread: drop TLB entries before the next block (soft_tlb_request_drop()). */
    _Atomic bool drop_request;
    hwaddr drop_first, drop_last; /* tlb.c's mutex */
    SoftRules tlb_rules;          /* that entries were made by */
    unsigned resets;              /* X86Cpu.resets when registers were last put */
    bool flags_out;               /* cpu.rflags is complete: it is what counts, and not cc */
    /* The fault that soft_raise() raised; the engine's loop delivers it (engine.c). */
    struct {
        int vector;
        int64_t error_code; /* -1: none */
        uint64_t cr2;       /* of #PF */
    } fault;
    int delivering; /* vector of the event being delivered through the IDT, or -1 (exception.c) */
    /* SVM (svm.h). A #VMEXIT that is raised, or that a nested walk brings; code 0: none. */
    struct {
        uint64_t code, info1, info2, next_rip;
    } svm_exit;
    uint64_t svm_event;      /* the event that is delivered, as EXITINTINFO tells; 0: none */
    uint64_t svm_shadow_rip; /* where the last interrupt shadow was that the engine ended */
    bool svm_injecting;      /* it is the host that has the event delivered */
    /* A single-step trap follows the instruction that is running (SDM vol. 3 section 17.3.1.4).
     * TF as it was before the instruction decides; MOV and POP to SS and INT suppress the trap, and
     * after SYSCALL and SYSRET it is the new TF that counts. */
    bool trap;
    SoftBreakpoints breakpoints;
    bool exclusive;                 /* between soft_exclusive_begin() and soft_exclusive_end() */
    MemoryReader *reader;           /* its section is open while guest code runs; NULL in tests */
    struct SoftCache *cache;        /* decoded blocks (block.h) */
    struct SoftCodeCpu *code_pages; /* code-pages.c's own */
    struct SoftTranslator *translator; /* NULL: everything is interpreted */
    uint64_t turn_ended;               /* when, in turns of all; turns.c's own */
    void *native;                      /* thunks for x87/SSE (native.h) */
    /* Statistics. */
    uint64_t blocks_run, blocks_decoded, insns_decoded, tlb_fills, tlb_flushes, tlb_page_flushes;
};

static inline SoftCpu *soft_cpu(X86Cpu *cpu)
{
    return (SoftCpu *)cpu;
}

/* Bits of mode_key. */
enum {
    SOFT_KEY_CODE64 = 1 << 0,
    SOFT_KEY_CODE32 = 1 << 1, /* neither: 16-bit code */
    SOFT_KEY_STACK32 = 1 << 2,
    SOFT_KEY_PE = 1 << 3,
    SOFT_KEY_VM86 = 1 << 4,
    SOFT_KEY_CPL3 = 1 << 5,
    SOFT_KEY_LMA = 1 << 6,
    /* Blocks of one instruction (of REP: one iteration), not linked, after which soft_execute()
     * returns: EFLAGS.TF is set, or there is an interrupt shadow that must end in time. */
    SOFT_KEY_TF = 1 << 7,
    SOFT_KEY_BREAK = 1 << 8, /* blocks are cut at breakpoints, and instructions not fused */
    SOFT_KEY_SVM = 1 << 9,   /* of a guest of SVM: what can be intercepted asks (svm.h) */
    SOFT_KEY_SMM = 1 << 10,  /* other memory is at its physical addresses */
    SOFT_KEY_MMU_SHIFT = 11, /* above it: mmu_mode, so that translated code knows its TLB */
};

/* Kinds of code outside 64-bit mode that have no blocks in common, by mode_key: index of
 * SoftCpu.code_limits. */
static inline unsigned soft_code_kind(uint32_t mode_key)
{
    return (mode_key & SOFT_KEY_CODE32 ? 8 : 0) |
           (mode_key & (SOFT_KEY_PE | SOFT_KEY_VM86 | SOFT_KEY_CPL3)) / SOFT_KEY_PE;
}

/* ---- running (engine.c calls, block.c implements) ----
 * Run blocks from cpu.rip on, until one ends with something for the engine: an instruction that may
 * change what is deliverable, cpu.exit_request, or SOFT_KEY_TF. The engine has opened the read
 * section and set `unwind`; a fault jumps there, and the engine delivers it. */
void soft_execute(SoftCpu *s);
/* Decoded blocks of one CPU; after soft_tlb_init(). */
bool soft_blocks_init(SoftCpu *s, GError **errp);
void soft_blocks_destroy(SoftCpu *s);

/* ---- faults (raise.c) ---- */

/* rip of @op's instruction, where @op is in the block being run. */
uint64_t soft_op_rip(const SoftCpu *s, const Uop *op);

/* In place of a vector: no exception, but the CPU stands before the instruction until an interrupt
 * comes (native_pending()). */
#define SOFT_FREEZE (-1)

/* Raise a fault at @op's instruction: rip is set to its start and nothing of it has happened.
 * @op NULL: cpu.rip is right already. Error code -1: none. Does not return. */
_Noreturn void soft_raise(SoftCpu *s, const Uop *op, int vector, int64_t error_code);
/* #PF with CR2. */
_Noreturn void soft_raise_page_fault(SoftCpu *s, const Uop *op, uint64_t addr, uint32_t error_code);

/* ---- memory (mmu.c, access.h) ----
 * access.h has the inline fast paths soft_load8..64/soft_store8..64(s, op, linear_addr[, value]);
 * an address is linear (segment base added), and checked for being canonical in the slow path. */

/* Slow paths: walk, MMIO, page crossings, code pages, faults. */
uint64_t soft_load_slow(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size);
void soft_store_slow(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t value, unsigned size);
/* Make [addr, addr+len) accessible, or fault; then copy. For 10, 16, 32, 512-byte operands. */
void soft_read(SoftCpu *s, const Uop *op, uint64_t addr, void *buf, unsigned len);
void soft_write(SoftCpu *s, const Uop *op, uint64_t addr, const void *buf, unsigned len);
/* Host address of [addr, addr + len), within one page and not empty, for a run of elements of a
 * string instruction: faults as an access of @access (not SOFT_FETCH) does; NULL: not RAM, ROM
 * that is written to, or a page with a data breakpoint. Decoded code there is dropped if it is
 * written. Two of them stay valid side by side while nothing else is accessed. */
void *soft_run_host_slow(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len, SoftAccess access);
/* Fault now if a read or write of @len bytes (at most a page) would fault. */
void soft_probe_read(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len);
void soft_probe_write(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len);
/* Host pointer for an atomic read-modify-write, or NULL (a device, ROM, or across two pages that
 * are not side by side in the host's memory: the caller then uses soft_load and soft_store between
 * soft_locked_begin() and soft_locked_end()). Faults as a write. Decoded code there is dropped. */
void *soft_rmw_host(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size);
/* Nobody else may come between what is loaded and what is stored (exclusive.h). A fault ends it. */
void soft_locked_begin(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size);
void soft_locked_end(SoftCpu *s);
/* System accesses: descriptor tables, TSS, page tables: as supervisor, whatever the CPL. */
uint64_t soft_load_system(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size);
void soft_store_system(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t value, unsigned size);
/* Translate for fetch: guest-physical address of @addr; faults. */
uint64_t soft_fetch_phys(SoftCpu *s, uint64_t addr);

/* Once, before anything else. */
void soft_tlb_init(SoftCpu *s);
void soft_tlb_flush(SoftCpu *s, bool keep_global); /* own thread */
void soft_tlb_flush_page(SoftCpu *s, uint64_t addr);
/* The rights of entries are by PKRU: they go if it changes. */
void soft_set_pkru(SoftCpu *s, uint32_t pkru);
/* After any change to CR0, CR4, EFER, CS, SS, CPL, EFLAGS.AC/VM: recompute mode_key, mmu_mode, tlb,
 * seg_base. Cheap. Code that calls it must end the block. */
void soft_update_mode(SoftCpu *s);

static inline unsigned soft_cpl(const SoftCpu *s)
{
    return (s->cpu.segs[X86_SEG_SS].flags & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
}

/* POPF's rules (system.c): @size 2, 4 or 8; IOPL and IF by privilege; VM86 with IOPL < 3 as vme.h
 * says. The block must end after it. */
void soft_popf(SoftCpu *s, const Uop *op, uint64_t value, unsigned size);
/* What PUSHF stores; VM86 with IOPL < 3 as vme.h says. */
uint64_t soft_pushf(SoftCpu *s, const Uop *op, unsigned size);

/* Complete RFLAGS, and back (flags.c). */
uint64_t soft_get_rflags(SoftCpu *s);
void soft_set_rflags(SoftCpu *s, uint64_t rflags);

/* ---- decoding (decode.c) ----
 * Each instruction family is one file with a table of mnemonics and emit functions; decode.c merges
 * the tables into one array indexed by mnemonic. */

typedef struct SoftInsn {
    ZydisDecodedInstruction raw;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t bytes[15]; /* the encoding, raw.length of them */
    uint64_t rip;      /* of this instruction (linear minus CS base, i.e. as RIP is) */
    uint64_t next_rip;
} SoftInsn;

typedef struct SoftDecoder SoftDecoder; /* decode.h: block under construction, mode, ... */

/* Append micro-operations for @in; false: these operands are not supported (#UD is emitted). */
typedef bool SoftEmitFn(SoftDecoder *d, const SoftInsn *in);
typedef struct SoftFamilyEntry {
    ZydisMnemonic mnemonic; /* ZYDIS_MNEMONIC_INVALID ends the table */
    SoftEmitFn *emit;
    uint32_t arg; /* the emit function finds it in d->arg: condition, operation, ... */
} SoftFamilyEntry;

/* The system half's tables, for decode.c to merge. */
extern const SoftFamilyEntry soft_family_system[];  /* system.c: control registers, CPUID, ... */
extern const SoftFamilyEntry soft_family_segment[]; /* segment.c: MOV/POP/PUSH Sreg, LDS, LAR ... */
extern const SoftFamilyEntry soft_family_transfer[]; /* transfer.c: far JMP CALL RET, IRET, INT */
extern const SoftFamilyEntry soft_family_syscall[];  /* syscall.c: SYSCALL, SYSENTER ... */
extern const SoftFamilyEntry soft_family_control[]; /* control.c: MOV CRn and DRn, CLTS, LMSW ... */
extern const SoftFamilyEntry soft_family_io[];      /* io.c: IN OUT INS OUTS */

/* Append a zeroed Uop with fn, pc_off and len set. */
Uop *soft_emit(SoftDecoder *d, const SoftInsn *in, UopFn *fn);
/* Fill base/index/scale/disp/seg from a memory operand. In 16- and 32-bit modes, and with 32-bit
 * addresses, this first emits the micro-operation that computes the checked linear address into
 * REG_EA, and refers to that: call it before soft_emit() of the operation itself, giving a Uop
 * template, then copy. See decode.h: soft_emit_mem(). */

/* End the block after this instruction (it changes control flow, mode or mappings). The function of
 * the last Uop sets cpu.rip and returns NULL, or soft_end_block() emits a jump to next_rip. */
void soft_end_block(SoftDecoder *d, const SoftInsn *in);

#endif
