/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD's secure virtual machine on the software CPU (APM vol. 2 chapter 15): world switches, each
 * intercept of an instruction on and off, MSRs, and VMCBs that are refused.
 */
#include "tests/unit/soft-svm-guest.h"

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
    harness_kick(h, true);
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
    harness_kick(h, false);
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
    test_pause_filter();
    test_io();
    h->moved = false;
}

/* Bases that are not canonical become so (section 15.5.1). */
static void test_canonical(void)
{
    const uint64_t wrong = 0x1234800000000000, right = 0xffff800000000000;

    setup();
    vmcb()->es.base = wrong;
    vmcb()->idtr.base = wrong;
    vmcb()->gdtr.base = wrong;
    g_assert_cmphex(guest("90"), ==, SVM_EXIT_VMMCALL);
    g_assert_cmphex(vmcb()->es.base, ==, right);
    g_assert_cmphex(vmcb()->idtr.base, ==, right);
    g_assert_cmphex(vmcb()->gdtr.base, ==, right);

    setup();
    vmcb()->fs.base = wrong;
    vmcb()->tr.base = wrong;
    g_assert_cmpint(run("0f01da"), ==, -1); /* VMLOAD */
    g_assert_cmphex(h->cpu->segs[X86_SEG_FS].base, ==, right);
    g_assert_cmphex(h->cpu->tr.base, ==, right);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-svm/switch", test_switch);
    g_test_add_func("/soft-svm/state", test_state);
    g_test_add_func("/soft-svm/load-save", test_load_save);
    g_test_add_func("/soft-svm/canonical", test_canonical);
    g_test_add_func("/soft-svm/intercepts", test_intercepts);
    g_test_add_func("/soft-svm/hlt-xsetbv", test_hlt_xsetbv);
    g_test_add_func("/soft-svm/privilege", test_privilege);
    g_test_add_func("/soft-svm/cr0-selective", test_cr0_selective);
    g_test_add_func("/soft-svm/msr", test_msr);
    g_test_add_func("/soft-svm/io", test_io);
    g_test_add_func("/soft-svm/pause-filter", test_pause_filter);
    g_test_add_func("/soft-svm/tsc", test_tsc);
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
