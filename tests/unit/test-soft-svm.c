/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD's secure virtual machine on the software CPU (APM vol. 2 chapter 15): a host in 64-bit mode
 * runs a guest by VMRUN and halts when it comes back. Each intercept, on and off; events injected
 * and interrupted; interrupts, real and virtual; nested paging and its faults; VMCBs that are
 * refused.
 */
#include <string.h>

#include "accel/soft/engine.h"
#include "accel/soft/tlb.h"
#include "target/i386/svm.h"
#include "tests/unit/soft-guest.h"

enum {
    VMCB = 0x200000,
    GUEST = 0x300000, /* code of the guest */
    GUEST_STACK = 0x310000,
    GUEST_IDT = 0x320000,
    HANDLER = 0x330000, /* of every vector of the guest: VMMCALL */
    IOPM = 0x340000,    /* 12 KiB */
    MSRPM = 0x350000,   /* 8 KiB */
    NPT = 0x400000,     /* PML4, PDPT, PD of 2 MiB pages */
    BEFORE = 0x11,      /* of registers that must come back */
};

static SvmVmcb *vmcb(void)
{
    return (SvmVmcb *)(h->ram + VMCB);
}

static void set_intercept(unsigned code, bool on)
{
    uint32_t bit = 1u << code % 32;

    vmcb()->intercepts[code / 32] = (vmcb()->intercepts[code / 32] & ~bit) | (on ? bit : 0);
}

static SvmSegment segment(const X86Segment *seg)
{
    return (SvmSegment){ seg->selector,
                         (uint16_t)((seg->flags >> 8 & 0xff) | (seg->flags >> 12 & 0xf00)),
                         seg->limit, seg->base };
}

/* Each vector goes to HANDLER, by a gate that ring 3 may use. */
static void make_idt(void)
{
    static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9 };

    for (unsigned i = 0; i < 256; i++) {
        put32(GUEST_IDT + 16 * i, 0x08 << 16 | (HANDLER & 0xffff));
        put32(GUEST_IDT + 16 * i + 4,
              (HANDLER & 0xffff0000) | SEG_P | SEG_DPL_MASK | SYS_INT << SEG_TYPE_SHIFT);
        put64(GUEST_IDT + 16 * i + 8, 0);
    }
    memcpy(h->ram + HANDLER, vmmcall, sizeof(vmmcall));
}

/* The guest's RAM is where it is, but for 0xe00000, which is at 0xc00000. */
static void make_npt(void)
{
    const uint64_t table = PTE_P | PTE_RW | PTE_US;

    memset(h->ram + NPT, 0, 0x3000);
    put64(NPT, (NPT + 0x1000) | table);
    put64(NPT + 0x1000, (NPT + 0x2000) | table);
    for (uint64_t i = 0; i < 8; i++) {
        put64(NPT + 0x2000 + 8 * i, (i == 7 ? 6 : i) << 21 | table | PTE_PS);
    }
}

/* A host that is about to run a guest in the same mode. VMRUN and VMMCALL are intercepted. */
static void setup(void)
{
    X86Cpu *cpu = h->cpu;

    harness_reset(h, HARNESS_LONG64);
    h->deliver = true;
    cpu->efer |= EFER_SVME;
    memset(h->ram + VMCB, 0, 4096);
    memset(h->ram + IOPM, 0, 0x3000);
    memset(h->ram + MSRPM, 0, 0x2000);
    make_idt();
    make_npt();
    SvmVmcb *v = vmcb();
    v->asid = 1;
    v->iopm = IOPM;
    v->msrpm = MSRPM;
    v->nested_cr3 = NPT;
    v->es = segment(&cpu->segs[X86_SEG_ES]);
    v->cs = segment(&cpu->segs[X86_SEG_CS]);
    v->ss = segment(&cpu->segs[X86_SEG_SS]);
    v->ds = segment(&cpu->segs[X86_SEG_DS]);
    v->fs = v->gs = v->ds;
    v->tr = segment(&cpu->tr);
    v->gdtr = (SvmSegment){ .base = cpu->gdt.base, .limit = cpu->gdt.limit };
    v->idtr = (SvmSegment){ .base = GUEST_IDT, .limit = 0xfff };
    v->efer = cpu->efer;
    v->cr0 = cpu->cr0;
    v->cr3 = cpu->cr3;
    v->cr4 = cpu->cr4;
    v->dr6 = DR6_FIXED_ONE;
    v->dr7 = DR7_FIXED_ONE;
    v->rflags = RFLAGS_ONE;
    v->rip = GUEST;
    v->rsp = GUEST_STACK;
    v->pat = cpu->msr.pat;
    set_intercept(SVM_EXIT_VMRUN, true);
    set_intercept(SVM_EXIT_VMMCALL, true);
    cpu->regs[X86_RAX] = VMCB;
    cpu->regs[X86_RBX] = HARNESS_DATA;
    cpu->regs[X86_RCX] = 0;
    cpu->regs[X86_RBP] = BEFORE;
}

static unsigned put_hex(uint64_t at, const char *hex)
{
    unsigned len = (unsigned)strlen(hex) / 2;

    for (unsigned i = 0; i < len; i++) {
        h->ram[at + i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    }
    return len;
}

#define VMMCALL "0f01d9"

/* VMRUN by the host with the guest at its RIP as it is; the exit code. The host must be as it was.
 */
static uint64_t vmrun(void)
{
    g_assert_cmpint(run("0f01d8"), ==, -1);
    g_assert_true(h->cpu->halted);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 4);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, HARNESS_STACK);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, VMCB);
    g_assert_cmphex(h->cpu->cr3, ==, HARNESS_PT);
    g_assert_cmphex(h->cpu->idt.base, ==, HARNESS_IDT);
    g_assert_cmphex(h->cpu->dr[7], ==, DR7_FIXED_ONE);
    g_assert_false(h->cpu->svm.guest);
    g_assert_true(h->cpu->svm.gif_clear);
    return vmcb()->exit_code;
}

/* The same, with a guest that runs @hex, and VMMCALL. */
static uint64_t guest(const char *hex)
{
    put_hex(GUEST + put_hex(GUEST, hex), VMMCALL);
    return vmrun();
}

/* ---- switches ---- */

static void test_switch(void)
{
    setup();
    vmcb()->rax = 0x1234;
    /* mov %rax,%rbp; mov $7,%eax; lea 8(%rsp),%rsp; std */
    g_assert_cmphex(guest("4889c5b807000000488d642408fd"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x1234);
    g_assert_cmphex(vmcb()->rax, ==, 7);
    g_assert_cmphex(vmcb()->rsp, ==, GUEST_STACK + 8);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 14);
    g_assert_cmphex(vmcb()->next_rip, ==, GUEST + 17);
    g_assert_cmphex(vmcb()->rflags & (RFLAGS_DF | RFLAGS_ONE), ==, RFLAGS_DF | RFLAGS_ONE);
    g_assert_cmphex(h->cpu->rflags & RFLAGS_DF, ==, 0);
    g_assert_cmphex(vmcb()->cpl, ==, 0);
    g_assert_cmphex(vmcb()->cs.attributes, ==, 0xa9b);
    g_assert_cmphex(vmcb()->exit_int_info, ==, 0);
}

/* CR2, CR3, CR8's shadow, ring 3, and code of 16 bits. */
static void test_state(void)
{
    setup();
    vmcb()->cr2 = 0x5000;
    vmcb()->int_ctl = SVM_V_INTR_MASKING | 5;
    /* mov %cr2,%rbp; mov %cr8,%rax; add %rax,%rbp; mov $9,%eax; mov %rax,%cr8 */
    g_assert_cmphex(guest("0f20d5440f20c04801c5b809000000440f22c0"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x5005);
    g_assert_cmphex(vmcb()->int_ctl, ==, (SVM_V_INTR_MASKING | 9));

    setup();
    vmcb()->cpl = 3;
    vmcb()->cs.selector = 0x43;
    vmcb()->ss.selector = 0x3b;
    vmcb()->cs.attributes |= 0x60;
    g_assert_cmphex(guest("90"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(vmcb()->cpl, ==, 3);

    setup(); /* real mode; CS:IP is 3000:0 */
    vmcb()->cr0 = CR0_ET;
    vmcb()->efer = EFER_SVME;
    vmcb()->cs =
        (SvmSegment){ .selector = 0x3000, .base = GUEST, .limit = 0xffff, .attributes = 0x9b };
    vmcb()->rip = 0;
    g_assert_cmphex(guest("b83412"), ==, SVM_EXIT_VMMCALL); /* mov $0x1234,%ax */
    g_assert_cmphex(vmcb()->rax, ==, 0x1234);
    g_assert_cmphex(vmcb()->rip, ==, 3);
    g_assert_cmphex(vmcb()->cr0, ==, CR0_ET);
}

static void test_load_save(void)
{
    X86Cpu *cpu = h->cpu;

    setup();
    cpu->segs[X86_SEG_FS].base = 0x1111;
    cpu->msr.kernel_gs_base = 0x2222;
    cpu->msr.star = 0x3333;
    cpu->msr.sysenter_eip = 0x4444;
    g_assert_cmpint(run("0f01db"), ==, -1); /* VMSAVE */
    g_assert_cmphex(vmcb()->fs.base, ==, 0x1111);
    g_assert_cmphex(vmcb()->kernel_gs_base, ==, 0x2222);
    g_assert_cmphex(vmcb()->star, ==, 0x3333);
    g_assert_cmphex(vmcb()->sysenter_eip, ==, 0x4444);
    g_assert_cmphex(vmcb()->tr.selector, ==, 0x48);
    vmcb()->gs.base = 0x5555;
    vmcb()->lstar = 0x6666;
    vmcb()->ldtr = (SvmSegment){ .selector = 0x60, .attributes = 0x82, .limit = 7, .base = 0x7777 };
    cpu->rip = HARNESS_CODE;
    g_assert_cmpint(run("0f01da"), ==, -1); /* VMLOAD */
    g_assert_cmphex(cpu->segs[X86_SEG_GS].base, ==, 0x5555);
    g_assert_cmphex(cpu->msr.lstar, ==, 0x6666);
    g_assert_cmphex(cpu->ldt.base, ==, 0x7777);
    g_assert_cmphex(cpu->ldt.flags, ==, SEG_P | SYS_LDT << SEG_TYPE_SHIFT);
}

/* ---- intercepts of instructions ---- */

typedef struct Intercept {
    unsigned code;
    const char *hex;
    const char *before; /* run before it, or NULL */
    uint64_t info1;
    int off; /* the exit code without the intercept; 0: VMMCALL's */
} Intercept;

static const Intercept intercepts[] = {
    { SVM_EXIT_READ_CR0, "0f20c0", NULL, 0, 0 },
    { SVM_EXIT_READ_CR0, "0f01e0", NULL, 0, 0 }, /* SMSW */
    { SVM_EXIT_READ_CR0 + 2, "0f20d0", NULL, 0, 0 },
    { SVM_EXIT_READ_CR0 + 3, "0f20d8", NULL, 0, 0 },
    { SVM_EXIT_READ_CR0 + 4, "0f20e0", NULL, 0, 0 },
    { SVM_EXIT_READ_CR0 + 8, "440f20c0", NULL, 0, 0 },
    { SVM_EXIT_WRITE_CR0, "0f22c0", "0f20c0", 0, 0 },
    { SVM_EXIT_WRITE_CR0, "0f06", NULL, 0, 0 },                       /* CLTS */
    { SVM_EXIT_WRITE_CR0, "0f01f0", "0f01e0", 0, 0 },                 /* LMSW */
    { SVM_EXIT_CR0_SEL_WRITE, "0f22c0", "0f20c0480d00000400", 0, 0 }, /* AM */
    { SVM_EXIT_CR0_SEL_WRITE, "0f01f0", "0f01e0400c04", 0, 0 },       /* LMSW, EM */
    { SVM_EXIT_WRITE_CR0 + 2, "0f22d0", NULL, 0, 0 },
    { SVM_EXIT_WRITE_CR0 + 3, "0f22d8", "0f20d8", 0, 0 },
    { SVM_EXIT_WRITE_CR0 + 4, "0f22e0", "0f20e0", 0, 0 },
    { SVM_EXIT_WRITE_CR0 + 8, "440f22c0", NULL, 0, 0 },
    { SVM_EXIT_READ_DR0, "0f21c0", NULL, 0, 0 },
    { SVM_EXIT_READ_DR0 + 7, "0f21f8", NULL, 0, 0 },
    { SVM_EXIT_WRITE_DR0 + 3, "0f23d8", NULL, 0, 0 },
    { SVM_EXIT_WRITE_DR0 + 6, "0f23f0", NULL, 0, 0 },
    { SVM_EXIT_IDTR_READ, "0f010b", NULL, 0, 0 },
    { SVM_EXIT_GDTR_READ, "0f0103", NULL, 0, 0 },
    { SVM_EXIT_LDTR_READ, "0f00c0", NULL, 0, 0 },
    { SVM_EXIT_TR_READ, "0f00c8", NULL, 0, 0 },
    { SVM_EXIT_IDTR_WRITE, "0f011b", "0f010b", 0, 0 },
    { SVM_EXIT_GDTR_WRITE, "0f0113", "0f0103", 0, 0 },
    { SVM_EXIT_LDTR_WRITE, "0f00d0", "31c0", 0, 0 },
    { SVM_EXIT_TR_WRITE, "0f00d8", "b848000000", 0, 0 },
    { SVM_EXIT_RDTSC, "0f31", NULL, 0, 0 },
    { SVM_EXIT_RDTSCP, "0f01f9", NULL, 0, 0 },
    { SVM_EXIT_RDPMC, "0f33", NULL, 0, 0 },
    { SVM_EXIT_PUSHF, "9c", NULL, 0, 0 },
    { SVM_EXIT_POPF, "9d", "9c", 0, 0 },
    { SVM_EXIT_CPUID, "0fa2", "31c0", 0, 0 },
    /* push SS, RSP, RFLAGS, CS, a RIP that is behind IRETQ */
    { SVM_EXIT_IRET, "48cf", "6a10682000310068020000006a08488d050300000050", 0, 0 },
    { SVM_EXIT_SWINT, "cd50", NULL, 0, 0 },
    { SVM_EXIT_EXCEPTION + EXC_BP, "cc", NULL, 0, 0 },
    { SVM_EXIT_ICEBP, "f1", NULL, 0, 0 },
    { SVM_EXIT_EXCEPTION + EXC_DB, "f1", NULL, 0, 0 },
    { SVM_EXIT_INVD, "0f08", NULL, 0, 0 },
    { SVM_EXIT_WBINVD, "0f09", NULL, 0, 0 },
    { SVM_EXIT_PAUSE, "f390", NULL, 0, 0 },
    { SVM_EXIT_INVLPG, "0f013b", NULL, 0, 0 },
    { SVM_EXIT_INVLPGA, "0f01df", NULL, 0, 0 },
    { SVM_EXIT_INVPCID, "660f388203", "b802000000", 0, 0 },
    { SVM_EXIT_VMLOAD, "0f01da", "b800002000", 0, 0 },
    { SVM_EXIT_VMSAVE, "0f01db", "b800002000", 0, 0 },
    { SVM_EXIT_STGI, "0f01dc", NULL, 0, 0 },
    { SVM_EXIT_CLGI, "0f01dd", NULL, 0, 0 },
    /* What faults, with and without its intercept; the handler is there without. */
    { SVM_EXIT_EXCEPTION + EXC_UD, "0f0b", NULL, 0, 0 },
    { SVM_EXIT_EXCEPTION + EXC_DE, "31c9f7f1", "31d2", 0, 0 },
    { SVM_EXIT_EXCEPTION + EXC_GP, "8ed8", "b8f0000000", 0xf0, 0 },
    { SVM_EXIT_EXCEPTION + EXC_PF, "8a0500000040", NULL, 0, 0 },
};

static void test_intercepts(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(intercepts); i++) {
        const Intercept *t = &intercepts[i];

        for (unsigned on = 0; on < 2; on++) {
            setup();
            set_intercept(t->code, on);
            unsigned skip = t->before ? put_hex(GUEST, t->before) : 0;
            unsigned len = put_hex(GUEST + skip, t->hex);
            put_hex(GUEST + skip + len, VMMCALL);
            g_test_message("%s", t->hex);
            uint64_t code = vmrun();
            g_assert_cmphex(code, ==, on ? t->code : SVM_EXIT_VMMCALL);
            bool exception = t->code >= 0x40 && t->code < 0x60 &&
                             t->code != SVM_EXIT_EXCEPTION + EXC_BP &&
                             t->code != SVM_EXIT_EXCEPTION + EXC_DB;
            if (on && !exception) {
                g_assert_cmphex(vmcb()->rip, ==, GUEST + skip);
                g_assert_cmphex(vmcb()->next_rip, ==, GUEST + skip + len);
            }
            if (on) {
                g_assert_cmphex(vmcb()->exit_info1, ==, t->info1);
            }
        }
    }
}

/* HLT without its intercept would wait; XSETBV needs CR4.OSXSAVE. */
static void test_hlt_xsetbv(void)
{
    setup();
    set_intercept(SVM_EXIT_HLT, true);
    g_assert_cmphex(guest("f4"), ==, SVM_EXIT_HLT);

    for (unsigned on = 0; on < 2; on++) {
        setup();
        set_intercept(SVM_EXIT_XSETBV, on);
        vmcb()->cr4 |= CR4_OSXSAVE;
        vmcb()->rax = 1;
        h->cpu->regs[X86_RDX] = 0;
        g_assert_cmphex(guest("0f01d1"), ==, on ? SVM_EXIT_XSETBV : SVM_EXIT_VMMCALL);
    }
    setup(); /* it faults before its intercept is looked at */
    set_intercept(SVM_EXIT_XSETBV, true);
    set_intercept(SVM_EXIT_EXCEPTION + EXC_UD, true);
    g_assert_cmphex(guest("0f01d1"), ==, SVM_EXIT_EXCEPTION + EXC_UD);
}

/* In ring 3 privilege comes first. */
static void test_privilege(void)
{
    static const struct {
        unsigned code;
        const char *hex;
    } cases[] = {
        { SVM_EXIT_READ_CR0, "0f20c0" }, { SVM_EXIT_WRITE_CR0, "0f22c0" },
        { SVM_EXIT_WRITE_CR0, "0f06" },  { SVM_EXIT_INVLPG, "0f013b" },
        { SVM_EXIT_MSR, "0f32" },        { SVM_EXIT_LDTR_WRITE, "0f00d0" },
        { SVM_EXIT_STGI, "0f01dc" },     { SVM_EXIT_IOIO, "e460" },
        { SVM_EXIT_RDPMC, "0f33" },      { SVM_EXIT_READ_DR0, "0f21c0" },
        { SVM_EXIT_VMRUN, "0f01d8" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        setup();
        put16(HARNESS_TSS + 102, 0xffff); /* no I/O permission bitmap */
        memset(h->ram + IOPM, 0xff, 0x3000);
        memset(h->ram + MSRPM, 0xff, 0x2000);
        set_intercept(cases[i].code, true);
        set_intercept(SVM_EXIT_EXCEPTION + EXC_GP, true);
        vmcb()->cpl = 3;
        vmcb()->cs.selector = 0x43;
        vmcb()->cs.attributes |= 0x60;
        g_assert_cmphex(guest(cases[i].hex), ==, SVM_EXIT_EXCEPTION + EXC_GP);
    }
}

/* CR0's selective intercept leaves TS and MP alone. */
static void test_cr0_selective(void)
{
    setup();
    set_intercept(SVM_EXIT_CR0_SEL_WRITE, true);
    /* mov %cr0,%rax; xor $10,%al; mov %rax,%cr0; clts */
    g_assert_cmphex(guest("0f20c0340a0f22c00f06"), ==, SVM_EXIT_VMMCALL);
}

static void test_msr(void)
{
    static const struct {
        uint32_t msr;
        unsigned byte, bit;
    } cases[] = {
        { 0x10, 0x4, 0 },
        { 0x1ffe, 0x7ff, 4 },
        { MSR_LSTAR, 0x800 + 0x20, 4 },
        { 0xc0010117, 0x1000 + 0x45, 6 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned write = 0; write < 2; write++) {
            for (unsigned on = 0; on < 2; on++) {
                setup();
                set_intercept(SVM_EXIT_MSR, true);
                set_intercept(SVM_EXIT_EXCEPTION + EXC_GP, true); /* of those that are not there */
                h->ram[MSRPM + cases[i].byte] =
                    (uint8_t)(1 << (cases[i].bit + (on ? write : !write)));
                h->cpu->regs[X86_RCX] = cases[i].msr;
                h->cpu->regs[X86_RDX] = 0;
                uint64_t code = guest(write ? "0f30" : "0f32");
                g_assert_cmpint(code == SVM_EXIT_MSR, ==, on);
                if (on) {
                    g_assert_cmphex(vmcb()->exit_info1, ==, write);
                    g_assert_cmphex(vmcb()->next_rip, ==, GUEST + 2);
                }
            }
        }
    }
    setup(); /* in no map */
    set_intercept(SVM_EXIT_MSR, true);
    h->cpu->regs[X86_RCX] = 0x40000000;
    g_assert_cmphex(guest("0f32"), ==, SVM_EXIT_MSR);
}

static void test_io(void)
{
    static const struct {
        const char *hex;
        uint16_t port, byte, bit;
        uint64_t info1;
    } cases[] = {
        { "e471", 0x71, 0xe, 1, 0x710011 },          /* in $0x71,%al */
        { "66e570", 0x70, 0xe, 1, 0x700021 },        /* in $0x70,%ax: its second byte */
        { "ed", 0xfffe, 0x2000, 1, 0xfffe0041ull },  /* in (%dx),%eax, over the end */
        { "ee", 0x3f8, 0x7f, 0, 0x3f80010 },         /* out %al,(%dx) */
        { "6c", 0x3f8, 0x7f, 0, 0x3f80215 },         /* insb; ES is segment 0 */
        { "f36f", 0x3f8, 0x7f, 0, 0x3f80e4c },       /* rep outsl; DS is 3 */
        { "67646f", 0x3f8, 0x7f, 0, 0x3f81144 | 4 }, /* outsl %fs:(%esi) */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned on = 0; on < 2; on++) {
            setup();
            set_intercept(SVM_EXIT_IOIO, true);
            h->ram[IOPM + cases[i].byte] = on ? (uint8_t)(1 << cases[i].bit) : 0;
            h->cpu->regs[X86_RDX] = cases[i].port;
            h->cpu->regs[X86_RSI] = h->cpu->regs[X86_RDI] = HARNESS_DATA;
            h->cpu->regs[X86_RCX] = 1;
            uint64_t code = guest(cases[i].hex);
            g_assert_cmphex(code, ==, on ? SVM_EXIT_IOIO : SVM_EXIT_VMMCALL);
            if (on) {
                g_assert_cmphex(vmcb()->exit_info1, ==, cases[i].info1);
                g_assert_cmphex(vmcb()->exit_info2, ==, GUEST + strlen(cases[i].hex) / 2);
            }
        }
    }
}

static void test_pause_filter(void)
{
    setup();
    set_intercept(SVM_EXIT_PAUSE, true);
    vmcb()->pause_count = 2;
    /* inc %ebp around each PAUSE */
    g_assert_cmphex(guest("31edf390ffc5f390ffc5f390ffc5"), ==, SVM_EXIT_PAUSE);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 2);
}

static void test_tsc(void)
{
    setup();
    vmcb()->tsc_offset = 1ull << 60;
    g_assert_cmphex(guest("0f314889d5"), ==, SVM_EXIT_VMMCALL); /* rdtsc; mov %rdx,%rbp */
    g_assert_cmphex(h->cpu->regs[X86_RBP] >> 28, ==, 1);
    h->cpu->rip = HARNESS_CODE;
    run("0f314889d5");
    g_assert_cmphex(h->cpu->regs[X86_RBP] >> 28, ==, 0);
}

/* ---- faults and events ---- */

static void test_page_fault(void)
{
    setup();
    set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
    h->cpu->cr2 = BEFORE;
    vmcb()->cr2 = 0x77;
    g_assert_cmphex(guest("c60425000000400a"), ==, SVM_EXIT_EXCEPTION + EXC_PF);
    g_assert_cmphex(vmcb()->exit_info1, ==, PF_W);
    g_assert_cmphex(vmcb()->exit_info2, ==, 0x40000000);
    g_assert_cmphex(vmcb()->cr2, ==, 0x77); /* not yet */
    g_assert_cmphex(vmcb()->rip, ==, GUEST);
}

typedef struct Injected {
    uint64_t event;
    bool error;   /* on the stack */
    uint64_t rip; /* pushed */
} Injected;

static void test_inject(void)
{
    enum { NEXT = GUEST + 0x100 };
    static const Injected cases[] = {
        { SVM_EVENT_VALID | SVM_EVENT_INTR << 8 | 0x55, false, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_NMI << 8 | 2, false, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_UD, false, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_HAS_ERROR | SVM_EVENT_EXCEPTION << 8 | EXC_GP |
              0x1234ull << 32,
          true, GUEST },
        { SVM_EVENT_VALID | SVM_EVENT_SOFTWARE << 8 | 0x80, false, NEXT },
        { SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_BP, false, NEXT },
        { SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_DB, false, GUEST },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned broken = 0; broken < 2; broken++) {
            setup();
            vmcb()->event_inj = cases[i].event;
            vmcb()->next_rip = NEXT;
            vmcb()->intercepts[2] = UINT32_MAX; /* the event itself is not intercepted */
            vmcb()->rflags |= RFLAGS_IF;
            vmcb()->idtr.limit = broken ? 0 : 0xfff;
            uint64_t code = guest("");
            if (broken) {
                g_assert_cmphex(code, ==, SVM_EXIT_EXCEPTION + EXC_GP);
                g_assert_cmphex(vmcb()->exit_int_info, ==, cases[i].event);
                g_assert_cmphex(vmcb()->rip, ==, GUEST);
                continue;
            }
            g_assert_cmphex(code, ==, SVM_EXIT_VMMCALL);
            g_assert_cmphex(vmcb()->exit_int_info, ==, 0);
            g_assert_cmphex(vmcb()->event_inj & SVM_EVENT_VALID, ==, 0);
            g_assert_cmphex(vmcb()->rip, ==, HANDLER);
            uint64_t sp = vmcb()->rsp;
            g_assert_cmphex(sp, ==, GUEST_STACK - (cases[i].error ? 48 : 40));
            if (cases[i].error) {
                g_assert_cmphex(get64(sp), ==, 0x1234);
                sp += 8;
            }
            g_assert_cmphex(get64(sp), ==, cases[i].rip);
        }
    }
}

/* A fault on the way of an exception that the guest itself had. */
static void test_int_info(void)
{
    setup();
    vmcb()->idtr.base = 0x40000000;
    set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
    g_assert_cmphex(guest("0f0b"), ==, SVM_EXIT_EXCEPTION + EXC_PF);
    g_assert_cmphex(vmcb()->exit_int_info, ==,
                    (SVM_EVENT_VALID | SVM_EVENT_EXCEPTION << 8 | EXC_UD));
    g_assert_cmphex(vmcb()->exit_info2, ==, 0x40000000 + 16 * EXC_UD);

    setup(); /* INT n */
    vmcb()->idtr.base = 0x40000000;
    set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
    g_assert_cmphex(guest("cd33"), ==, SVM_EXIT_EXCEPTION + EXC_PF);
    g_assert_cmphex(vmcb()->exit_int_info, ==, (SVM_EVENT_VALID | SVM_EVENT_SOFTWARE << 8 | 0x33));
    g_assert_cmphex(vmcb()->rip, ==, GUEST);
}

static void test_double_fault_and_shutdown(void)
{
    setup();
    vmcb()->idtr.limit = 0;
    set_intercept(SVM_EXIT_EXCEPTION + EXC_DF, true);
    g_assert_cmphex(guest("31c9f7f1"), ==, SVM_EXIT_EXCEPTION + EXC_DF);

    setup();
    vmcb()->idtr.limit = 0;
    set_intercept(SVM_EXIT_SHUTDOWN, true);
    g_assert_cmphex(guest("0f0b"), ==, SVM_EXIT_SHUTDOWN);
}

static void test_single_step(void)
{
    setup();
    set_intercept(SVM_EXIT_EXCEPTION + EXC_DB, true);
    vmcb()->rflags |= RFLAGS_TF;
    g_assert_cmphex(guest("9090"), ==, SVM_EXIT_EXCEPTION + EXC_DB);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
    g_assert_cmphex(vmcb()->dr6 & DR6_BS, ==, DR6_BS);
}

static void test_task_switch(void)
{
    setup(); /* 32-bit code; a task gate */
    vmcb()->efer = EFER_SVME;
    vmcb()->cr0 = CR0_PE | CR0_ET;
    vmcb()->cr4 = 0;
    vmcb()->cs.attributes = 0xc9b;
    vmcb()->cs.selector = 0x18;
    set_intercept(SVM_EXIT_TASK_SWITCH, true);
    put32(GUEST_IDT + 8 * 0x20, 0x48 << 16);
    put32(GUEST_IDT + 8 * 0x20 + 4, SEG_P | SYS_TASK_GATE << SEG_TYPE_SHIFT);
    g_assert_cmphex(guest("cd20"), ==, SVM_EXIT_TASK_SWITCH);
    g_assert_cmphex(vmcb()->exit_info1, ==, 0x48);
    g_assert_cmphex(vmcb()->exit_info2, ==, 0);

    setup();
    vmcb()->efer = EFER_SVME;
    vmcb()->cr0 = CR0_PE | CR0_ET;
    vmcb()->cr4 = 0;
    vmcb()->cs.attributes = 0xc9b;
    set_intercept(SVM_EXIT_TASK_SWITCH, true);
    g_assert_cmphex(guest("ea000000004800"), ==, SVM_EXIT_TASK_SWITCH); /* ljmp */
    g_assert_cmphex(vmcb()->exit_info2, ==, 1ull << 38);
}

/* ---- interrupts ---- */

static int acknowledged;
static int acknowledge(void *apic)
{
    acknowledged++;
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_HARD);
    return 0x77;
}
static uint64_t base_get(void *apic)
{
    return 0;
}
static const X86ApicOps apic_ops = { .acknowledge = acknowledge, .base_get = base_get };

static void test_interrupts(void)
{
    static const struct {
        uint64_t host_if, guest_if;
        bool masking, intercepted, taken;
    } cases[] = {
        { 0, RFLAGS_IF, false, true, true },  { 0, 0, false, true, false },
        { RFLAGS_IF, 0, true, true, true },   { 0, RFLAGS_IF, true, true, false },
        { 0, RFLAGS_IF, false, false, true }, { RFLAGS_IF, 0, true, false, true },
        { RFLAGS_IF, 0, false, true, false },
    };

    h->cpu->apic_ops = &apic_ops;
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        setup();
        acknowledged = 0;
        h->cpu->rflags |= cases[i].host_if;
        h->cpu->svm.gif_clear = true; /* VMRUN sets GIF */
        vmcb()->rflags |= cases[i].guest_if;
        vmcb()->int_ctl = cases[i].masking ? SVM_V_INTR_MASKING : 0;
        set_intercept(SVM_EXIT_INTR, cases[i].intercepted);
        atomic_store(&h->cpu->interrupts, CPU_INT_HARD);
        uint64_t code = guest("90");
        if (!cases[i].taken) {
            g_assert_cmphex(code, ==, SVM_EXIT_VMMCALL);
            g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
        } else if (cases[i].intercepted) {
            g_assert_cmphex(code, ==, SVM_EXIT_INTR);
            g_assert_cmphex(vmcb()->rip, ==, GUEST);
        } else {
            g_assert_cmphex(vmcb()->rip, ==, HANDLER);
        }
        g_assert_cmpint(acknowledged, ==, cases[i].taken && !cases[i].intercepted);
        atomic_store(&h->cpu->interrupts, 0);
    }
    h->cpu->apic_ops = NULL;
}

/* An NMI and an INIT wait for STGI, and leave a guest if that is wanted. */
static void test_nmi_init(void)
{
    static const uint32_t bits[] = { CPU_INT_NMI, CPU_INT_INIT };
    static const unsigned codes[] = { SVM_EXIT_NMI, SVM_EXIT_INIT };

    for (unsigned i = 0; i < 2; i++) {
        setup();
        h->cpu->svm.gif_clear = true;
        set_intercept(codes[i], true);
        atomic_store(&h->cpu->interrupts, bits[i]);
        g_assert_cmphex(guest("90"), ==, codes[i]);
        g_assert_cmphex(vmcb()->rip, ==, GUEST);
        g_assert_cmphex(atomic_load(&h->cpu->interrupts), ==, bits[i]); /* still there */
        g_assert_false(x86_cpu_init_sipi(h->cpu) || x86_takes_nmi(h->cpu));
        atomic_store(&h->cpu->interrupts, 0);
    }
}

/* STGI lets in what waited; the host's handler for all is its HLT. */
static void test_gif(void)
{
    h->cpu->apic_ops = &apic_ops;
    setup();
    h->cpu->idt = (X86DescriptorTable){ GUEST_IDT, 0xfff };
    h->ram[HANDLER] = 0xf4;
    h->cpu->rflags |= RFLAGS_IF;
    atomic_store(&h->cpu->interrupts, CPU_INT_HARD);
    h->cpu->svm.gif_clear = true;
    acknowledged = 0;
    g_assert_cmpint(run("90900f01dc90"), ==, -1); /* nop; nop; stgi; nop */
    g_assert_cmpint(acknowledged, ==, 1);
    g_assert_cmphex(h->cpu->rip, ==, HANDLER + 1);
    g_assert_cmphex(get64(h->cpu->regs[X86_RSP]), ==, HARNESS_CODE + 5);
    h->cpu->apic_ops = NULL;
}

static void test_virtual(void)
{
    static const struct {
        uint64_t ctl, rflags;
        bool taken;
    } cases[] = {
        { SVM_V_IRQ | 5ull << 16 | 4, RFLAGS_IF, true },
        { SVM_V_IRQ | 5ull << 16 | 5, RFLAGS_IF, false },
        { SVM_V_IRQ | SVM_V_IGN_TPR | 5, RFLAGS_IF, true },
        { SVM_V_IRQ | 5ull << 16 | 4, 0, false },
        { 5ull << 16, RFLAGS_IF, false },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned intercepted = 0; intercepted < 2; intercepted++) {
            setup();
            vmcb()->int_ctl = cases[i].ctl | 0x66ull << SVM_V_VECTOR_SHIFT;
            vmcb()->rflags |= cases[i].rflags;
            set_intercept(SVM_EXIT_VINTR, intercepted);
            uint64_t code = guest("90");
            bool taken = cases[i].taken;
            g_assert_cmphex(code, ==, taken && intercepted ? SVM_EXIT_VINTR : SVM_EXIT_VMMCALL);
            g_assert_cmphex(vmcb()->rip, ==, !taken ? GUEST + 1 : intercepted ? GUEST : HANDLER);
            /* It is gone when it was delivered. */
            bool pending = cases[i].ctl & SVM_V_IRQ && !(taken && !intercepted);
            g_assert_cmpint(!!(vmcb()->int_ctl & SVM_V_IRQ), ==, pending);
            g_assert_cmphex(atomic_load(&h->cpu->interrupts), ==, 0);
        }
    }
    setup(); /* taken behind the instruction after STI */
    vmcb()->int_ctl = SVM_V_IRQ | SVM_V_IGN_TPR | 0x66ull << SVM_V_VECTOR_SHIFT;
    set_intercept(SVM_EXIT_VINTR, true);
    g_assert_cmphex(guest("fb9090"), ==, SVM_EXIT_VINTR);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 2);
    setup(); /* and so with a shadow that the host gives */
    vmcb()->int_ctl = SVM_V_IRQ | SVM_V_IGN_TPR;
    vmcb()->rflags |= RFLAGS_IF;
    vmcb()->shadow = 1;
    set_intercept(SVM_EXIT_VINTR, true);
    g_assert_cmphex(guest("9090"), ==, SVM_EXIT_VINTR);
    g_assert_cmphex(vmcb()->rip, ==, GUEST + 1);
    g_assert_cmphex(vmcb()->shadow, ==, 0);
}

/* ---- nested paging ---- */

static void setup_nested(void)
{
    setup();
    vmcb()->nested_ctl = 1;
}

static void test_nested(void)
{
    setup_nested();
    put64(0xc00010, 0x1122334455667788);
    put64(0xe00010, 0);
    /* mov 0xe00010,%rbp; movl $5,0xe00018 */
    g_assert_cmphex(guest("488b2c251000e000c704251800e00005000000"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x1122334455667788);
    g_assert_cmphex(get32(0xc00018), ==, 5);
    g_assert_cmphex(get32(0xe00018), ==, 0);
    g_assert_cmphex(get64(NPT + 0x2000 + 8 * 7) & (PTE_A | PTE_D), ==, PTE_A | PTE_D);
    g_assert_cmphex(get64(NPT + 0x2000 + 8 * 5) & (PTE_A | PTE_D), ==, 0);

    setup_nested(); /* a guest without paging of its own, in code of 32 bits */
    vmcb()->efer = EFER_SVME;
    vmcb()->cr0 = CR0_PE | CR0_ET;
    vmcb()->cs.attributes = 0xc9b;
    g_assert_cmphex(guest("8b2d1000e000"), ==, SVM_EXIT_VMMCALL); /* mov 0xe00010,%ebp */
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x55667788);
}

/* PAT is the guest's while it runs. */
static void test_nested_pat(void)
{
    setup_nested();
    uint64_t before = h->cpu->msr.pat;
    vmcb()->pat = 0x0606060606060606;
    h->cpu->regs[X86_RCX] = MSR_PAT;
    h->cpu->regs[X86_RDX] = 0;
    g_assert_cmphex(guest("0f3289c50f30"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 0x06060606);
    g_assert_cmphex(h->cpu->msr.pat, ==, before);
}

static void test_nested_faults(void)
{
    static const struct {
        const char *hex;
        uint64_t entry; /* of the nested directory for 0xe00000 */
        uint64_t info1;
        uint64_t address;
    } cases[] = {
        { "8a042510 00e000", 0, PF_U | SVM_NPF_FINAL, 0xe00010 },
        { "88042510 00e000", 0, PF_U | PF_W | SVM_NPF_FINAL, 0xe00010 },
        { "88042510 00e000", 0xc00000 | PTE_P | PTE_US | PTE_PS, PF_P | PF_U | PF_W | SVM_NPF_FINAL,
          0xe00010 },
        { "8a042510 00e000", 0xc00000 | PTE_P | PTE_RW | PTE_PS, PF_P | PF_U | SVM_NPF_FINAL,
          0xe00010 },
        { "8a042510 00e000", 0xc00000 | PTE_P | PTE_RW | PTE_US | PTE_PS | 0x2000,
          PF_P | PF_U | PF_RSVD | SVM_NPF_FINAL, 0xe00010 },
        /* mov $0xe00000,%eax; jmp *%rax */
        { "b80000e000ffe0", 0xc00000 | PTE_P | PTE_RW | PTE_US | PTE_PS | PTE_NX,
          PF_P | PF_U | PF_I | SVM_NPF_FINAL, 0xe00000 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) parts = g_strsplit(cases[i].hex, " ", -1);
        g_autofree char *hex = g_strjoinv("", parts);

        setup_nested();
        set_intercept(SVM_EXIT_EXCEPTION + EXC_PF, true);
        put64(NPT + 0x2000 + 8 * 7, cases[i].entry);
        g_assert_cmphex(guest(hex), ==, SVM_EXIT_NPF);
        g_assert_cmphex(vmcb()->exit_info1, ==, cases[i].info1);
        g_assert_cmphex(vmcb()->exit_info2, ==, cases[i].address);
    }
    setup_nested(); /* the guest's own tables: always a write */
    vmcb()->cr3 = 0xe00000;
    g_assert_cmphex((put64(NPT + 0x2000 + 8 * 7, 0), guest("90")), ==, SVM_EXIT_NPF);
    g_assert_cmphex(vmcb()->exit_info1, ==, (PF_U | PF_W | SVM_NPF_WALK));
    g_assert_cmphex(vmcb()->exit_info2, ==, 0xe00000);
    g_assert_cmphex(vmcb()->rip, ==, GUEST);

    setup_nested(); /* in the middle of an injection */
    put64(NPT + 0x2000 + 8 * 7, 0);
    vmcb()->idtr.base = 0xe00000;
    vmcb()->event_inj = SVM_EVENT_VALID | 0x40;
    g_assert_cmphex(guest("90"), ==, SVM_EXIT_NPF);
    g_assert_cmphex(vmcb()->exit_int_info, ==, SVM_EVENT_VALID | 0x40);
    g_assert_cmphex(vmcb()->exit_info2, ==, 0xe00400);
}

/* Tables of the guest that lie elsewhere than they seem to: all of 0xe00000's are at 0xc00000. */
static void test_nested_tables(void)
{
    setup_nested();
    memcpy(h->ram + 0xc00000, h->ram + HARNESS_PT, 0x3000);
    memset(h->ram + 0xe00000, 0, 0x3000);
    put64(0xc00000, 0xe01000 | PTE_P | PTE_RW | PTE_US);
    put64(0xc01000, 0xe02000 | PTE_P | PTE_RW | PTE_US);
    vmcb()->cr3 = 0xe00000;
    /* Many pages, so that walks begin at the directory too. */
    g_assert_cmphex(guest("31ed8a042500001000032c2500001000032c2500005000032c2500007000"), ==,
                    SVM_EXIT_VMMCALL);
    g_assert_cmphex(get64(0xc02000 + 8 * 4) & PTE_A, ==, 0); /* that page was not touched */
    g_assert_cmphex(get64(0xc02000 + 8 * 3) & PTE_A, ==, PTE_A);
    g_assert_cmphex(get64(0xe02000 + 8 * 3), ==, 0);
}

/* An INIT that is not intercepted leaves a guest in real mode, whose nested page tables had other
 * memory where the CPU goes on. */
static void test_nested_init(void)
{
    setup_nested();
    vmcb()->cr0 = CR0_ET;
    vmcb()->cr3 = vmcb()->cr4 = 0; /* as INIT leaves them */
    h->s->resets = h->cpu->resets; /* that reset has been followed */
    vmcb()->efer = EFER_SVME;
    vmcb()->cs = (SvmSegment){ .limit = 0xffff, .attributes = 0x9b };
    vmcb()->rip = HARNESS_REAL_CODE;
    put64(NPT + 0x2000, 0xc00000 | PTE_P | PTE_RW | PTE_US | PTE_PS);
    h->cpu->regs[X86_RBP] = BEFORE;
    put_hex(0xc00000 + HARNESS_REAL_CODE, "bd0100f4"); /* mov $1,%bp; hlt */
    run("0f01d8");
    g_assert_true(h->cpu->halted && h->cpu->svm.guest);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 1);
    x86_cpu_init_reset(h->cpu);
    g_assert_false(h->cpu->svm.guest);
    x86_cpu_sipi(h->cpu, 0);
    h->cpu->cr0 = CR0_ET;
    h->cpu->rip = HARNESS_REAL_CODE;
    put_hex(HARNESS_REAL_CODE, "bd0200f4");
    accel_soft.put_state(h->cpu);
    h->s->flags_out = false;
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RBP], ==, 2);
}

/* Nested tables that point to themselves, or nowhere: whatever comes, it ends. */
static void test_nested_hostile(void)
{
    bool beyond = 0x12345678000 >> h->cpu->model.phys_bits;
    static const uint64_t roots[] = { NPT, 0xfffff000, 0xfee00000, 0x12345678000 & ~0xfffull };

    for (unsigned i = 0; i < G_N_ELEMENTS(roots); i++) {
        setup_nested();
        for (unsigned e = 0; e < 512; e++) {
            put64(NPT + 8 * e, NPT | PTE_P | PTE_RW | PTE_US);
        }
        vmcb()->nested_cr3 = roots[i];
        put_hex(GUEST, VMMCALL);
        run("0f01d8");
        if (i > 0) { /* else all of the guest's memory is that one page, and code of it runs */
            g_assert_false(h->cpu->svm.guest);
            g_assert_cmphex(vmcb()->exit_code, ==,
                            i == 3 && beyond ? SVM_EXIT_INVALID : SVM_EXIT_NPF);
        }
    }
}

/* ---- what is refused ---- */

#define FIELD(member) offsetof(SvmVmcb, member), sizeof(((SvmVmcb *)0)->member)

static void test_invalid(void)
{
    static const struct {
        size_t offset, size;
        uint64_t value;
    } cases[] = {
        { FIELD(intercepts[4]), 0 },
        { FIELD(asid), 0 },
        { FIELD(efer), EFER_LME | EFER_LMA },
        { FIELD(efer), EFER_SVME | 1 << 20 },
        { FIELD(cr0), CR0_PE | CR0_PG | CR0_NW },
        { FIELD(cr0), CR0_PE | CR0_PG | 1ull << 32 },
        { FIELD(cr0), CR0_PG },
        { FIELD(cr4), 0 },
        { FIELD(cr4), CR4_PAE | 1ull << 40 },
        { FIELD(cr3), 1ull << 60 },
        { FIELD(cs.attributes), 0xe9b },
        { FIELD(dr6), 1ull << 32 },
        { FIELD(dr7), 1ull << 32 },
        { FIELD(iopm), 0xffffffffffff0000 },
        { FIELD(msrpm), 0xffffffffffff0000 },
        { FIELD(event_inj), SVM_EVENT_VALID | 1 << 8 },
        { FIELD(event_inj), SVM_EVENT_VALID | 7 << 8 },
        { FIELD(event_inj), SVM_EVENT_VALID | 3 << 8 | 2 },
        { FIELD(event_inj), SVM_EVENT_VALID | 3 << 8 | 32 },
        { FIELD(nested_cr3), 1ull << 60 },
        { FIELD(pat), 2 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        setup_nested();
        memcpy(h->ram + VMCB + cases[i].offset, &cases[i].value, cases[i].size);
        g_test_message("%zx", cases[i].offset);
        g_assert_cmphex(guest("90"), ==, SVM_EXIT_INVALID);
        g_assert_cmphex(vmcb()->rip, ==, GUEST);
    }
}

/* Every field with random contents, many times: the host goes on, or the guest is still running. */
static void test_random(void)
{
    for (unsigned i = 0; i < 3000; i++) {
        setup();
        vmcb()->nested_ctl = (uint64_t)g_test_rand_int_range(0, 2);
        for (unsigned n = (unsigned)g_test_rand_int_range(1, 6); n--;) {
            unsigned at = (unsigned)g_test_rand_int_range(0, 0x680 / 4) * 4;
            uint32_t value = (uint32_t)g_test_rand_int();
            value = g_test_rand_int_range(0, 2) ? get32(VMCB + at) ^ 1u << value % 32 : value;
            put32(VMCB + at, value);
        }
        set_intercept(SVM_EXIT_SHUTDOWN, true);
        set_intercept(SVM_EXIT_VMRUN, true);
        put_hex(GUEST, "0f20c00f22c09c9df4" VMMCALL);
        run("0f01d8");
        atomic_store(&h->cpu->interrupts, 0);
    }
}

static void test_refused(void)
{
    static const uint64_t addresses[] = { VMCB + 8, 1ull << 60, 0xfee00000, 64ull << 20,
                                          0xffffffff000 };
    static const char *const hex[] = { "0f01d8", "0f01da", "0f01db" };

    for (unsigned n = 0; n < G_N_ELEMENTS(hex); n++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(addresses); i++) {
            setup();
            h->deliver = false;
            h->cpu->regs[X86_RAX] = addresses[i];
            g_assert_cmpint(run(hex[n]), ==, EXC_GP);
            g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
            g_assert_false(h->cpu->svm.guest);
        }
    }
    static const char *const all[] = { "0f01d8", "0f01da", "0f01db", "0f01dc", "0f01dd", "0f01df" };
    for (unsigned n = 0; n < G_N_ELEMENTS(all); n++) {
        setup(); /* without EFER.SVME */
        h->deliver = false;
        h->cpu->efer &= ~(uint64_t)EFER_SVME;
        g_assert_cmpint(run(all[n]), ==, EXC_UD);
        harness_reset(h, HARNESS_REAL);
        h->deliver = false;
        h->cpu->efer |= EFER_SVME;
        g_assert_cmpint(run(all[n]), ==, EXC_UD);
        harness_reset(h, HARNESS_USER64);
        h->deliver = false;
        h->cpu->efer |= EFER_SVME;
        g_assert_cmpint(run(all[n]), ==, EXC_GP);
    }
    setup();
    h->deliver = false;
    g_assert_cmpint(run("0f01d9"), ==, EXC_UD); /* VMMCALL without a host */
    setup();
    h->deliver = false;
    g_assert_cmpint(run("0f01de"), ==, EXC_UD); /* SKINIT */
}

/* A guest's own VMRUN comes to the host. */
static void test_nested_vmrun(void)
{
    setup();
    vmcb()->rax = VMCB;
    g_assert_cmphex(guest("0f01d8"), ==, SVM_EXIT_VMRUN);
    setup(); /* the address is checked first */
    vmcb()->rax = 1;
    set_intercept(SVM_EXIT_EXCEPTION + EXC_GP, true);
    g_assert_cmphex(guest("0f01d8"), ==, SVM_EXIT_EXCEPTION + EXC_GP);
}

/* ---- MSRs ---- */

static int wrmsr(uint32_t msr, uint64_t value)
{
    h->deliver = false;
    h->cpu->rip = HARNESS_CODE;
    h->cpu->regs[X86_RCX] = msr;
    h->cpu->regs[X86_RAX] = (uint32_t)value;
    h->cpu->regs[X86_RDX] = value >> 32;
    return run("0f30");
}

static void test_msrs(void)
{
    setup();
    g_assert_cmpint(wrmsr(MSR_VM_HSAVE_PA, 0x5000), ==, -1);
    g_assert_cmphex(h->cpu->svm.hsave_pa, ==, 0x5000);
    g_assert_cmpint(wrmsr(MSR_VM_HSAVE_PA, 0x5001), ==, EXC_GP);
    g_assert_cmpint(wrmsr(MSR_VM_HSAVE_PA, 1ull << 60), ==, EXC_GP);
    g_assert_cmpint(wrmsr(MSR_VM_CR, VM_CR_SVMDIS), ==, EXC_GP); /* SVM is in use */
    g_assert_cmpint(wrmsr(MSR_VM_CR, 1 << 5), ==, EXC_GP);
    g_assert_cmpint(wrmsr(MSR_EFER, h->cpu->efer & ~(uint64_t)EFER_SVME), ==, -1);
    g_assert_cmpint(wrmsr(MSR_VM_CR, VM_CR_SVMDIS | VM_CR_LOCK), ==, -1);
    g_assert_cmpint(wrmsr(MSR_EFER, h->cpu->efer | EFER_SVME), ==, EXC_GP);
    g_assert_cmpint(wrmsr(MSR_VM_CR, 0), ==, -1); /* locked */
    g_assert_cmphex(h->cpu->svm.vm_cr, ==, VM_CR_SVMDIS | VM_CR_LOCK);
    x86_cpu_init_reset(h->cpu);
    g_assert_cmphex(h->cpu->svm.hsave_pa, ==, 0x5000);
    x86_cpu_reset(h->cpu);
    g_assert_cmphex(h->cpu->svm.vm_cr, ==, 0);
}

/* A guest that is saved and loaded after each of the engine's turns. */
static void test_moved(void)
{
    h->moved = true;
    test_switch();
    test_state();
    test_inject();
    test_virtual();
    test_nested();
    test_nested_pat();
    test_nested_faults();
    test_pause_filter();
    h->moved = false;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-svm/switch", test_switch);
    g_test_add_func("/soft-svm/state", test_state);
    g_test_add_func("/soft-svm/load-save", test_load_save);
    g_test_add_func("/soft-svm/intercepts", test_intercepts);
    g_test_add_func("/soft-svm/hlt-xsetbv", test_hlt_xsetbv);
    g_test_add_func("/soft-svm/privilege", test_privilege);
    g_test_add_func("/soft-svm/cr0-selective", test_cr0_selective);
    g_test_add_func("/soft-svm/msr", test_msr);
    g_test_add_func("/soft-svm/io", test_io);
    g_test_add_func("/soft-svm/pause-filter", test_pause_filter);
    g_test_add_func("/soft-svm/tsc", test_tsc);
    g_test_add_func("/soft-svm/page-fault", test_page_fault);
    g_test_add_func("/soft-svm/inject", test_inject);
    g_test_add_func("/soft-svm/int-info", test_int_info);
    g_test_add_func("/soft-svm/double-fault-and-shutdown", test_double_fault_and_shutdown);
    g_test_add_func("/soft-svm/single-step", test_single_step);
    g_test_add_func("/soft-svm/task-switch", test_task_switch);
    g_test_add_func("/soft-svm/interrupts", test_interrupts);
    g_test_add_func("/soft-svm/nmi-init", test_nmi_init);
    g_test_add_func("/soft-svm/gif", test_gif);
    g_test_add_func("/soft-svm/virtual", test_virtual);
    g_test_add_func("/soft-svm/nested", test_nested);
    g_test_add_func("/soft-svm/nested-pat", test_nested_pat);
    g_test_add_func("/soft-svm/nested-faults", test_nested_faults);
    g_test_add_func("/soft-svm/nested-tables", test_nested_tables);
    g_test_add_func("/soft-svm/nested-init", test_nested_init);
    g_test_add_func("/soft-svm/nested-hostile", test_nested_hostile);
    g_test_add_func("/soft-svm/nested-vmrun", test_nested_vmrun);
    g_test_add_func("/soft-svm/invalid", test_invalid);
    g_test_add_func("/soft-svm/random", test_random);
    g_test_add_func("/soft-svm/refused", test_refused);
    g_test_add_func("/soft-svm/msrs", test_msrs);
    g_test_add_func("/soft-svm/moved", test_moved);
    int result = g_test_run();
    harness_free(h);
    return result;
}
