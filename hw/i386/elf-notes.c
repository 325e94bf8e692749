/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/elf-notes.h"

#include <elf.h>
#include <string.h>
#include <sys/procfs.h>
#include <sys/user.h>

#include "target/i386/cpuid.h"

/* The second note. All members have their natural alignment. */
typedef struct CpuStateSegment {
    uint32_t selector, limit, flags, padding;
    uint64_t base;
} CpuStateSegment;

typedef struct CpuState {
    uint32_t version, size;
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8_r15[8];
    uint64_t rip, rflags;
    CpuStateSegment cs, ds, es, fs, gs, ss, ldt, tr, gdt, idt;
    uint64_t cr[5];
    uint64_t kernel_gs_base;
} CpuState;
G_STATIC_ASSERT(sizeof(CpuState) == 440);

static void append_padded(GByteArray *out, const void *data, size_t len)
{
    static const uint8_t zeros[3];

    g_byte_array_append(out, data, (guint)len);
    g_byte_array_append(out, zeros, (guint)(-len & 3));
}

static void append_note(GByteArray *out, const char *name, uint32_t type, const void *desc,
                        size_t len)
{
    Elf64_Nhdr header = { .n_namesz = (uint32_t)strlen(name) + 1,
                          .n_descsz = (uint32_t)len,
                          .n_type = type };

    append_padded(out, &header, sizeof(header));
    append_padded(out, name, header.n_namesz);
    append_padded(out, desc, len);
}

static void append_prstatus(GByteArray *out, const X86Cpu *cpu)
{
    const X86Segment *segs = cpu->segs;
    struct user_regs_struct regs = {
        .r15 = cpu->regs[X86_R15],
        .r14 = cpu->regs[X86_R14],
        .r13 = cpu->regs[X86_R13],
        .r12 = cpu->regs[X86_R12],
        .rbp = cpu->regs[X86_RBP],
        .rbx = cpu->regs[X86_RBX],
        .r11 = cpu->regs[X86_R11],
        .r10 = cpu->regs[X86_R10],
        .r9 = cpu->regs[X86_R9],
        .r8 = cpu->regs[X86_R8],
        .rax = cpu->regs[X86_RAX],
        .rcx = cpu->regs[X86_RCX],
        .rdx = cpu->regs[X86_RDX],
        .rsi = cpu->regs[X86_RSI],
        .rdi = cpu->regs[X86_RDI],
        .orig_rax = UINT64_MAX, /* in no system call */
        .rip = cpu->rip,
        .cs = segs[X86_SEG_CS].selector,
        .eflags = cpu->rflags,
        .rsp = cpu->regs[X86_RSP],
        .ss = segs[X86_SEG_SS].selector,
        .fs_base = segs[X86_SEG_FS].base,
        .gs_base = segs[X86_SEG_GS].base,
        .ds = segs[X86_SEG_DS].selector,
        .es = segs[X86_SEG_ES].selector,
        .fs = segs[X86_SEG_FS].selector,
        .gs = segs[X86_SEG_GS].selector,
    };
    struct elf_prstatus status;

    memset(&status, 0, sizeof(status));
    status.pr_pid = (pid_t)cpu->index + 1;
    memcpy(&status.pr_reg, &regs, sizeof(regs));
    status.pr_fpvalid = 1; /* a note has them */
    append_note(out, "CORE", NT_PRSTATUS, &status, sizeof(status));
}

static CpuStateSegment state_segment(const X86Segment *seg)
{
    return (CpuStateSegment){
        .selector = seg->selector, .limit = seg->limit, .flags = seg->flags, .base = seg->base
    };
}

static CpuStateSegment state_table(const X86DescriptorTable *table)
{
    return (CpuStateSegment){ .limit = table->limit, .base = table->base };
}

static void append_state(GByteArray *out, const X86Cpu *cpu)
{
    CpuState state = {
        .version = 1,
        .size = sizeof(state),
        .rax = cpu->regs[X86_RAX],
        .rbx = cpu->regs[X86_RBX],
        .rcx = cpu->regs[X86_RCX],
        .rdx = cpu->regs[X86_RDX],
        .rsi = cpu->regs[X86_RSI],
        .rdi = cpu->regs[X86_RDI],
        .rsp = cpu->regs[X86_RSP],
        .rbp = cpu->regs[X86_RBP],
        .rip = cpu->rip,
        .rflags = cpu->rflags,
        .cs = state_segment(&cpu->segs[X86_SEG_CS]),
        .ds = state_segment(&cpu->segs[X86_SEG_DS]),
        .es = state_segment(&cpu->segs[X86_SEG_ES]),
        .fs = state_segment(&cpu->segs[X86_SEG_FS]),
        .gs = state_segment(&cpu->segs[X86_SEG_GS]),
        .ss = state_segment(&cpu->segs[X86_SEG_SS]),
        .ldt = state_segment(&cpu->ldt),
        .tr = state_segment(&cpu->tr),
        .gdt = state_table(&cpu->gdt),
        .idt = state_table(&cpu->idt),
        .cr = { cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4 },
        .kernel_gs_base = cpu->msr.kernel_gs_base,
    };

    memcpy(state.r8_r15, &cpu->regs[X86_R8], sizeof(state.r8_r15));
    append_note(out, "QEMU", 0, &state, sizeof(state));
}

/* What XSAVE stores in its standard form (SDM vol. 1 section 13.4), as far as debuggers look: the
 * legacy area, the header and, if the CPU model has them, the upper halves of YMM registers. In the
 * legacy area's bytes that are software's Linux says which components there are. */
typedef struct XsaveImage {
    uint8_t legacy[464];
    uint64_t components, software[5];
    uint64_t in_use, header[7];
    uint8_t ymm_high[16][16];
} XsaveImage;
G_STATIC_ASSERT(sizeof(XsaveImage) == 832);

static void append_vectors(GByteArray *out, const X86Cpu *cpu)
{
    XsaveImage image = { .components =
                             x86_xsave_components(&cpu->model) & (XCR0_X87 | XCR0_SSE | XCR0_AVX) };

    append_note(out, "CORE", NT_PRFPREG, cpu->fxsave, sizeof(cpu->fxsave));
    if (image.components) {
        bool avx = image.components & XCR0_AVX;

        image.in_use = image.components;
        memcpy(image.legacy, cpu->fxsave, sizeof(image.legacy));
        memcpy(image.ymm_high, cpu->ymm_high, sizeof(image.ymm_high));
        append_note(out, "LINUX", NT_X86_XSTATE, &image,
                    avx ? sizeof(image) : offsetof(XsaveImage, ymm_high));
    }
}

void x86_elf_notes_append(GByteArray *out, const X86Cpu *cpu)
{
    append_prstatus(out, cpu);
    append_state(out, cpu);
    append_vectors(out, cpu);
}
