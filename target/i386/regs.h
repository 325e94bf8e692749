/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers of the x86-64 architecture: bits of control registers, flags, descriptors, MSRs and
 * exception vectors. Names follow the manuals (Intel SDM vol. 3, AMD APM vol. 2).
 */
#ifndef TARGET_I386_REGS_H
#define TARGET_I386_REGS_H

#include <stdint.h>

/* General registers by encoding. */
enum {
    X86_RAX,
    X86_RCX,
    X86_RDX,
    X86_RBX,
    X86_RSP,
    X86_RBP,
    X86_RSI,
    X86_RDI,
    X86_R8,
    X86_R9,
    X86_R10,
    X86_R11,
    X86_R12,
    X86_R13,
    X86_R14,
    X86_R15,
};

/* Segment registers by encoding. */
enum {
    X86_SEG_ES,
    X86_SEG_CS,
    X86_SEG_SS,
    X86_SEG_DS,
    X86_SEG_FS,
    X86_SEG_GS,
};

/* Hidden part of a segment register: the descriptor's high dword in place (SDM vol. 3 section
 * 3.4.5). Bits 16-19 of that dword (limit 19:16) are kept as zero. */
#define SEG_TYPE_SHIFT 8
#define SEG_TYPE_MASK  (0xfu << SEG_TYPE_SHIFT)
#define SEG_A          (1u << 8)  /* accessed */
#define SEG_W          (1u << 9)  /* data: writable */
#define SEG_R          (1u << 9)  /* code: readable */
#define SEG_E          (1u << 10) /* data: expand down */
#define SEG_C          (1u << 10) /* code: conforming */
#define SEG_CODE       (1u << 11)
#define SEG_S          (1u << 12) /* code or data; 0: system */
#define SEG_DPL_SHIFT  13
#define SEG_DPL_MASK   (3u << SEG_DPL_SHIFT)
#define SEG_P          (1u << 15)
#define SEG_AVL        (1u << 20)
#define SEG_L          (1u << 21) /* 64-bit code */
#define SEG_DB         (1u << 22) /* 32-bit */
#define SEG_G          (1u << 23) /* limit in pages */
#define SEG_FLAGS_MASK 0x00f0ff00u

/* Types of system descriptors. */
enum {
    SYS_TSS16 = 1,
    SYS_LDT = 2,
    SYS_TSS16_BUSY = 3,
    SYS_CALL16 = 4,
    SYS_TASK_GATE = 5,
    SYS_INT16 = 6,
    SYS_TRAP16 = 7,
    SYS_TSS = 9,
    SYS_TSS_BUSY = 11,
    SYS_CALL = 12,
    SYS_INT = 14,
    SYS_TRAP = 15,
};

#define RFLAGS_CF   (1u << 0)
#define RFLAGS_ONE  (1u << 1) /* always 1 */
#define RFLAGS_PF   (1u << 2)
#define RFLAGS_AF   (1u << 4)
#define RFLAGS_ZF   (1u << 6)
#define RFLAGS_SF   (1u << 7)
#define RFLAGS_TF   (1u << 8)
#define RFLAGS_IF   (1u << 9)
#define RFLAGS_DF   (1u << 10)
#define RFLAGS_OF   (1u << 11)
#define RFLAGS_IOPL (3u << 12)
#define RFLAGS_NT   (1u << 14)
#define RFLAGS_RF   (1u << 16)
#define RFLAGS_VM   (1u << 17)
#define RFLAGS_AC   (1u << 18)
#define RFLAGS_VIF  (1u << 19)
#define RFLAGS_VIP  (1u << 20)
#define RFLAGS_ID   (1u << 21)

#define RFLAGS_IOPL_SHIFT 12
/* What arithmetic changes. */
#define RFLAGS_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)
/* What can be 1 at all, but for bit 1. */
#define RFLAGS_VALID 0x003f7fd5u

#define CR0_PE (1u << 0)
#define CR0_MP (1u << 1)
#define CR0_EM (1u << 2)
#define CR0_TS (1u << 3)
#define CR0_ET (1u << 4)
#define CR0_NE (1u << 5)
#define CR0_WP (1u << 16)
#define CR0_AM (1u << 18)
#define CR0_NW (1u << 29)
#define CR0_CD (1u << 30)
#define CR0_PG (1u << 31)

#define CR4_VME        (1u << 0)
#define CR4_PVI        (1u << 1)
#define CR4_TSD        (1u << 2)
#define CR4_DE         (1u << 3)
#define CR4_PSE        (1u << 4)
#define CR4_PAE        (1u << 5)
#define CR4_MCE        (1u << 6)
#define CR4_PGE        (1u << 7)
#define CR4_PCE        (1u << 8)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP       (1u << 11)
#define CR4_LA57       (1u << 12)
#define CR4_FSGSBASE   (1u << 16)
#define CR4_PCIDE      (1u << 17)
#define CR4_OSXSAVE    (1u << 18)
#define XCR0_X87       (1u << 0)
#define XCR0_SSE       (1u << 1)
#define XCR0_AVX       (1u << 2)
#define XCR0_PKRU      (1u << 9)
#define CR4_SMEP       (1u << 20)
#define CR4_SMAP       (1u << 21)
#define CR4_PKE        (1u << 22)

#define EFER_SCE   (1u << 0)
#define EFER_LME   (1u << 8)
#define EFER_LMA   (1u << 10)
#define EFER_NX    (1u << 11)
#define EFER_SVME  (1u << 12)
#define EFER_FFXSR (1u << 14)

/* Page-table entries (SDM vol. 3 section 4.5). */
#define PTE_P   (1ull << 0)
#define PTE_RW  (1ull << 1)
#define PTE_US  (1ull << 2)
#define PTE_A   (1ull << 5)
#define PTE_D   (1ull << 6)
#define PTE_PS  (1ull << 7)
#define PTE_G   (1ull << 8)
#define PTE_PAT (1ull << 12) /* in large pages */
#define PTE_NX  (1ull << 63)

/* Error code of #PF. */
#define PF_P    (1u << 0) /* protection; else not present */
#define PF_W    (1u << 1)
#define PF_U    (1u << 2)
#define PF_RSVD (1u << 3)
#define PF_I    (1u << 4)
#define PF_PK   (1u << 5)

/* DR6 and DR7 (SDM vol. 3 sections 17.2.3 and 17.2.4). */
#define DR6_FIXED_ONE 0xffff0ff0u
#define DR6_BD        (1u << 13)
#define DR6_BS        (1u << 14)
#define DR6_BT        (1u << 15)
#define DR7_FIXED_ONE 0x400u
#define DR7_LOCAL     0x155u /* L0 to L3, LE */
#define DR7_GD        (1u << 13)
/* Of breakpoint @n: L and G; R/W in bits 1:0 and LEN in bits 3:2 from the shift on. */
#define DR7_ENABLE(n)          (3u << 2 * (n))
#define DR7_CONDITION_SHIFT(n) (16 + 4 * (n))
enum { DR7_RW_CODE, DR7_RW_WRITE, DR7_RW_PORT, DR7_RW_ACCESS };

/* Exception vectors. */
enum {
    EXC_DE = 0,
    EXC_DB = 1,
    EXC_NMI = 2,
    EXC_BP = 3,
    EXC_OF = 4,
    EXC_BR = 5,
    EXC_UD = 6,
    EXC_NM = 7,
    EXC_DF = 8,
    EXC_TS = 10,
    EXC_NP = 11,
    EXC_SS = 12,
    EXC_GP = 13,
    EXC_PF = 14,
    EXC_MF = 16,
    EXC_AC = 17,
    EXC_MC = 18,
    EXC_XM = 19,
};

/* Model-specific registers. */
enum {
    MSR_TSC = 0x10,
    MSR_PLATFORM_ID = 0x17,
    MSR_APIC_BASE = 0x1b,
    MSR_FEATURE_CONTROL = 0x3a,
    MSR_TSC_ADJUST = 0x3b,
    MSR_SPEC_CTRL = 0x48,
    MSR_PRED_CMD = 0x49,
    MSR_UCODE_WRITE = 0x79,
    MSR_UCODE_REV = 0x8b,
    MSR_MTRRCAP = 0xfe,
    MSR_ARCH_CAPABILITIES = 0x10a,
    MSR_XSS = 0xda0,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176,
    MSR_MCG_CAP = 0x179,
    MSR_MCG_STATUS = 0x17a,
    MSR_MCG_CTL = 0x17b,
    MSR_PERF_STATUS = 0x198,
    MSR_MISC_ENABLE = 0x1a0,
    MSR_DEBUGCTL = 0x1d9,
    MSR_MTRR_PHYSBASE0 = 0x200, /* base, mask, base, mask ... */
    MSR_MTRR_PHYSMASK7 = 0x20f,
    MSR_MTRR_FIX64K_00000 = 0x250,
    MSR_MTRR_FIX16K_80000 = 0x258,
    MSR_MTRR_FIX16K_A0000 = 0x259,
    MSR_MTRR_FIX4K_C0000 = 0x268, /* ... 0x26f */
    MSR_MTRR_FIX4K_F8000 = 0x26f,
    MSR_PAT = 0x277,
    MSR_MTRR_DEF_TYPE = 0x2ff,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC_FIRST = 0x800,
    MSR_X2APIC_LAST = 0x8ff,
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_CSTAR = 0xc0000083,
    MSR_FMASK = 0xc0000084,
    MSR_FS_BASE = 0xc0000100,
    MSR_GS_BASE = 0xc0000101,
    MSR_KERNEL_GS_BASE = 0xc0000102,
    MSR_TSC_AUX = 0xc0000103,
    MSR_K7_EVNTSEL0 = 0xc0010000,
    MSR_K7_EVNTSEL3 = 0xc0010003,
    MSR_K7_PERFCTR0 = 0xc0010004,
    MSR_K7_PERFCTR3 = 0xc0010007,
    MSR_K8_SYSCFG = 0xc0010010,
    MSR_K7_HWCR = 0xc0010015,
    MSR_K8_TSEG_ADDR = 0xc0010112,
    MSR_K8_TSEG_MASK = 0xc0010113,
    MSR_K8_INT_PENDING = 0xc0010055,
    MSR_K8_TOP_MEM1 = 0xc001001a,
    MSR_K8_TOP_MEM2 = 0xc001001d,
    MSR_AMD64_PATCH_LEVEL = 0xc001008b,
    MSR_AMD64_NB_CFG = 0xc001001f,
    MSR_VM_CR = 0xc0010114,
    MSR_VM_HSAVE_PA = 0xc0010117,
    MSR_AMD64_LS_CFG = 0xc0011020,
    MSR_AMD64_DC_CFG = 0xc0011022,
    MSR_AMD64_DE_CFG = 0xc0011029,
    MSR_AMD64_BU_CFG = 0xc0011023,
    MSR_AMD64_BU_CFG2 = 0xc001102a,
};

/* IA32_APIC_BASE. */
#define APIC_BASE_BSP    (1u << 8)
#define APIC_BASE_X2APIC (1u << 10)
#define APIC_BASE_ENABLE (1u << 11)

#endif
