/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/i386/cpu.h"

#include <glib.h>
#include <string.h>

#include "target/i386/smm.h"

void x86_cpu_interrupt(X86Cpu *cpu, uint32_t bits)
{
    atomic_fetch_or_explicit(&cpu->interrupts, bits, memory_order_release);
    x86_cpu_kick(cpu);
}

void x86_cpu_clear_interrupt(X86Cpu *cpu, uint32_t bits)
{
    atomic_fetch_and_explicit(&cpu->interrupts, ~bits, memory_order_release);
}

void x86_cpu_signal_init(X86Cpu *cpu)
{
    x86_cpu_clear_interrupt(cpu, CPU_INT_NMI | CPU_INT_SIPI);
    x86_cpu_interrupt(cpu, CPU_INT_INIT);
}

void x86_cpu_smi(X86Cpu *cpu)
{
    if (cpu->has_smm) {
        x86_cpu_interrupt(cpu, CPU_INT_SMI);
    }
}

/* ---- reset ---- */

static void set_segment(X86Segment *seg, uint16_t selector, uint64_t base, uint32_t flags)
{
    *seg = (X86Segment){ .selector = selector, .base = base, .limit = 0xffff, .flags = flags };
}

/* What reset and INIT have in common. */
static void reset_core(X86Cpu *cpu)
{
    memset(cpu->regs, 0, sizeof(cpu->regs));
    X86CpuidRegs id;
    x86_cpuid(cpu, 1, 0, &id);
    cpu->regs[X86_RDX] = id.eax;
    cpu->rip = 0xfff0;
    cpu->rflags = RFLAGS_ONE;

    const uint32_t data = SEG_P | SEG_S | SEG_W | SEG_A;
    for (unsigned i = 0; i < 6; i++) {
        set_segment(&cpu->segs[i], 0, 0, data);
    }
    set_segment(&cpu->segs[X86_SEG_CS], 0xf000, 0xffff0000, data | SEG_CODE);
    set_segment(&cpu->ldt, 0, 0, SEG_P | SYS_LDT << SEG_TYPE_SHIFT);
    set_segment(&cpu->tr, 0, 0, SEG_P | SYS_TSS_BUSY << SEG_TYPE_SHIFT);
    cpu->gdt = cpu->idt = (X86DescriptorTable){ .limit = 0xffff };

    cpu->cr0 = (cpu->cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    cpu->cr2 = cpu->cr3 = cpu->cr4 = 0;
    cpu->efer = 0;
    memset(cpu->dr, 0, sizeof(cpu->dr));
    cpu->dr[6] = DR6_FIXED_ONE;
    cpu->dr[7] = DR7_FIXED_ONE;

    cpu->halted = false;
    cpu->frozen = false;
    cpu->interrupt_shadow = false;
    cpu->debug_shadow = false;
    cpu->debug_hits = 0;
    cpu->nmi_blocked = false;
    cpu->smm = cpu->smm_nmi_blocked = false;
    memset(&cpu->event, 0, sizeof(cpu->event));
    /* A guest is left without an exit; VM_CR and VM_HSAVE_PA stay at INIT. */
    cpu->svm = (X86Svm){ .vm_cr = cpu->svm.vm_cr, .hsave_pa = cpu->svm.hsave_pa };
    x86_cpu_clear_interrupt(cpu, CPU_INT_VIRTUAL);
    cpu->wait_for_sipi = cpu->index != 0;
}

void x86_cpu_reset(X86Cpu *cpu)
{
    cpu->cr0 = CR0_CD | CR0_NW;
    reset_core(cpu);
    cpu->smbase = X86_SMBASE_RESET;
    cpu->xcr0 = 1;

    cpu->ferr = false;
    memset(cpu->fxsave, 0, sizeof(cpu->fxsave));
    memset(cpu->ymm_high, 0, sizeof(cpu->ymm_high));
    cpu->pkru = 0;
    const uint16_t fcw = 0x37f; /* as FNINIT leaves it: what firmware hands over */
    const uint32_t mxcsr = 0x1f80, mxcsr_mask = 0xffff;
    memcpy(cpu->fxsave, &fcw, sizeof(fcw));
    memcpy(cpu->fxsave + 24, &mxcsr, sizeof(mxcsr));
    memcpy(cpu->fxsave + 28, &mxcsr_mask, sizeof(mxcsr_mask));

    memset(&cpu->msr, 0, sizeof(cpu->msr));
    cpu->svm.vm_cr = cpu->svm.hsave_pa = 0;
    cpu->msr.pat = 0x0007040600070406ull;
    cpu->msr.misc_enable = 1; /* fast strings */
    atomic_store(&cpu->interrupts, 0);
    cpu->resets++;
}

void x86_cpu_init_reset(X86Cpu *cpu)
{
    reset_core(cpu);
    x86_cpu_clear_interrupt(cpu, CPU_INT_INIT);
}

void x86_cpu_sipi(X86Cpu *cpu, uint8_t vector)
{
    set_segment(&cpu->segs[X86_SEG_CS], (uint16_t)(vector << 8), (uint64_t)vector << 12,
                SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A);
    cpu->rip = 0;
    cpu->halted = false;
    cpu->wait_for_sipi = false;
}

/* ---- dump ---- */

static const char *const reg_names[16] = { "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                           "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15" };
/* Order in which people expect them. */
static const uint8_t dump_order[16] = { 0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15 };

static void dump_segment(GString *out, const char *name, const X86Segment *seg)
{
    g_string_append_printf(out, "%-3s=%04x %016" G_GINT64_MODIFIER "x %08x %08x DPL=%u%s%s%s\n",
                           name, seg->selector, seg->base, seg->limit, seg->flags,
                           (seg->flags & SEG_DPL_MASK) >> SEG_DPL_SHIFT,
                           seg->flags & SEG_P ? "" : " not present",
                           seg->flags & SEG_S ? (seg->flags & SEG_CODE ? " code" : " data") : "",
                           seg->flags & SEG_L ? " 64" : "");
}

static void dump_flags(GString *out, uint64_t rflags)
{
    static const struct {
        uint32_t bit;
        char letter;
    } letters[] = {
        { RFLAGS_OF, 'O' }, { RFLAGS_DF, 'D' }, { RFLAGS_IF, 'I' },
        { RFLAGS_TF, 'T' }, { RFLAGS_SF, 'S' }, { RFLAGS_ZF, 'Z' },
        { RFLAGS_AF, 'A' }, { RFLAGS_PF, 'P' }, { RFLAGS_CF, 'C' },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(letters); i++) {
        g_string_append_c(out, rflags & letters[i].bit ? letters[i].letter : '-');
    }
}

/* Only where it is in use. */
static void dump_svm(GString *out, const X86Cpu *cpu)
{
    const X86Svm *svm = &cpu->svm;

    if (cpu->efer & EFER_SVME || svm->guest) {
        g_string_append_printf(out, "SVM GIF=%d guest=%d", !svm->gif_clear, svm->guest);
        if (svm->guest) {
            g_string_append_printf(out,
                                   " VMCB=%016" G_GINT64_MODIFIER "x NP=%d"
                                   " nCR3=%016" G_GINT64_MODIFIER "x V_INTR=%016" G_GINT64_MODIFIER
                                   "x",
                                   svm->vmcb, svm->nested_paging, svm->nested_cr3, svm->int_ctl);
        }
        g_string_append_c(out, '\n');
    }
}

char *x86_cpu_dump(const X86Cpu *cpu)
{
    static const char *const seg_names[6] = { "ES", "CS", "SS", "DS", "FS", "GS" };
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i < 16; i++) {
        unsigned reg = dump_order[i];
        g_string_append_printf(out, "%s=%016" G_GINT64_MODIFIER "x%c", reg_names[reg],
                               cpu->regs[reg], i % 4 == 3 ? '\n' : ' ');
    }
    g_string_append_printf(out, "RIP=%016" G_GINT64_MODIFIER "x RFL=%08x [", cpu->rip,
                           (unsigned)cpu->rflags);
    dump_flags(out, cpu->rflags);
    g_string_append_printf(out, "] CPL=%u A20=1 SMM=%d HLT=%d\n",
                           (cpu->segs[X86_SEG_SS].flags & SEG_DPL_MASK) >> SEG_DPL_SHIFT, cpu->smm,
                           cpu->halted);
    for (unsigned i = 0; i < 6; i++) {
        dump_segment(out, seg_names[i], &cpu->segs[i]);
    }
    dump_segment(out, "LDT", &cpu->ldt);
    dump_segment(out, "TR", &cpu->tr);
    g_string_append_printf(out,
                           "GDT=     %016" G_GINT64_MODIFIER "x %08x\n"
                           "IDT=     %016" G_GINT64_MODIFIER "x %08x\n",
                           cpu->gdt.base, cpu->gdt.limit, cpu->idt.base, cpu->idt.limit);
    g_string_append_printf(
        out, "CR0=%08x CR2=%016" G_GINT64_MODIFIER "x CR3=%016" G_GINT64_MODIFIER "x CR4=%08x\n",
        (unsigned)cpu->cr0, cpu->cr2, cpu->cr3, (unsigned)cpu->cr4);
    g_string_append_printf(out,
                           "DR0=%016" G_GINT64_MODIFIER "x DR1=%016" G_GINT64_MODIFIER
                           "x DR2=%016" G_GINT64_MODIFIER "x DR3=%016" G_GINT64_MODIFIER "x\n"
                           "DR6=%016" G_GINT64_MODIFIER "x DR7=%016" G_GINT64_MODIFIER "x\n",
                           cpu->dr[0], cpu->dr[1], cpu->dr[2], cpu->dr[3], cpu->dr[6], cpu->dr[7]);
    g_string_append_printf(out, "EFER=%016" G_GINT64_MODIFIER "x\n", cpu->efer);
    dump_svm(out, cpu);

    uint32_t mxcsr;
    uint16_t fcw, fsw;
    memcpy(&fcw, cpu->fxsave, sizeof(fcw));
    memcpy(&fsw, cpu->fxsave + 2, sizeof(fsw));
    memcpy(&mxcsr, cpu->fxsave + 24, sizeof(mxcsr));
    g_string_append_printf(out, "FCW=%04x FSW=%04x MXCSR=%08x\n", fcw, fsw, mxcsr);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t lane[2];
        memcpy(lane, cpu->fxsave + 160 + 16 * i, sizeof(lane));
        g_string_append_printf(out,
                               "XMM%02u=%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x%c", i,
                               lane[1], lane[0], i % 2 ? '\n' : ' ');
    }
    for (unsigned i = 0; cpu->xcr0 & XCR0_AVX && i < 16; i++) {
        uint64_t lane[2];
        memcpy(lane, cpu->ymm_high[i], sizeof(lane));
        g_string_append_printf(
            out, "YMM%02u[255:128]=%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x%c", i,
            lane[1], lane[0], i % 2 ? '\n' : ' ');
    }
    return g_string_free(out, FALSE);
}
