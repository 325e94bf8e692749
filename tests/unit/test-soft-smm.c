/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode: the save state map by itself, and SMI and RSM in the software CPU, with
 * memory at 0x30000 that only the handler sees.
 */
#include "accel/accel.h"
#include "accel/soft/engine.h"
#include "target/i386/svm.h"
#include "tests/unit/smram.h"
#include "tests/unit/soft-guest.h"
#include "util/error.h"

enum { HANDLER = SMRAM + X86_SMM_ENTRY };

static unsigned shutdowns;

static void on_shutdown(X86Cpu *cpu)
{
    shutdowns++;
}

/* A place in the map of SMBASE 0x30000. */
static uint8_t *in_map(unsigned offset)
{
    return smram->host + offset;
}

static uint64_t map64(unsigned offset)
{
    uint64_t value;

    memcpy(&value, in_map(offset), sizeof(value));
    return value;
}

static void reset(HarnessMode mode)
{
    harness_reset(h, mode);
    memset(smram->host, 0, smram->size);
    shutdowns = 0;
}

#define HANDLER_IS(name) \
    memcpy(smram->host + X86_SMM_ENTRY, code_##name, (size_t)(code_##name##_end - code_##name))

static void smi(void)
{
    x86_cpu_smi(h->cpu);
}

/* ---- the map ---- */

static void fill(X86Cpu *cpu, const char *model)
{
    GError *err = NULL;

    memset(cpu, 0, sizeof(*cpu));
    x86_cpu_model_parse(&cpu->model, model, &err);
    g_assert_no_error(err);
    x86_cpu_reset(cpu);
    for (unsigned i = 0; i < 16; i++) {
        cpu->regs[i] = 0x1111111111111111ull * (i + 1);
    }
    cpu->rip = 0xffffffff81000123;
    cpu->rflags = RFLAGS_ONE | RFLAGS_IF | RFLAGS_ZF;
    cpu->cr0 = CR0_PG | CR0_PE | CR0_ET | CR0_WP;
    cpu->cr3 = 0x1234000;
    cpu->cr4 = CR4_PAE | CR4_PGE;
    cpu->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NX;
    cpu->smbase = 0xa0000;
    cpu->gdt = (X86DescriptorTable){ 0xffffffff82000000, 0x7f };
    cpu->idt = (X86DescriptorTable){ 0xffffffff83000000, 0xfff };
    cpu->segs[X86_SEG_FS] = (X86Segment){ 0x2b, SEG_P | SEG_S | SEG_W | SEG_A | SEG_G | SEG_DB,
                                          0xfffff123, 0x7f0011223344 };
}

/* Each number where the manual has it; and what comes back is what went in. */
static void test_long_map(void)
{
    static X86Cpu cpu;
    uint8_t map[X86_SMM_MAP_SIZE], again[X86_SMM_MAP_SIZE];
    const struct {
        unsigned at, size;
        uint64_t value;
    } places[] = {
        { 0xfff8, 8, 0x1111111111111111 },
        { 0xfff0, 8, 0x2222222222222222 },
        { 0xff80, 8, 0x1111111111111111ull * 16 },
        { 0xff78, 8, 0xffffffff81000123 },
        { 0xff70, 8, RFLAGS_ONE | RFLAGS_IF | RFLAGS_ZF },
        { 0xff58, 8, CR0_PG | CR0_PE | CR0_ET | CR0_WP },
        { 0xff50, 8, 0x1234000 },
        { 0xff48, 8, CR4_PAE | CR4_PGE },
        { 0xff00, 4, 0xa0000 },
        { 0xfefc, 4, 0x20064 },
        { 0xfed0, 8, EFER_LME | EFER_LMA | EFER_SCE | EFER_NX },
        { 0xfec9, 1, 1 },
        { 0xfe88, 8, 0xffffffff83000000 },
        { 0xfe84, 2, 0xfff },
        { 0xfe64, 2, 0x7f },
        { 0xfe40, 2, 0x2b },
        { 0xfe42, 2, 0xc093 },
        { 0xfe44, 4, 0xfffff123 },
        { 0xfe48, 8, 0x7f0011223344 },
    };

    fill(&cpu, "max");
    cpu.halted = true;
    x86_smm_save(&cpu, map);
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        uint64_t value = 0;

        memcpy(&value, map + places[i].at - X86_SMM_MAP_AT, places[i].size);
        g_assert_cmphex(value, ==, places[i].value);
    }
    x86_smm_enter(&cpu);
    g_assert_true(cpu.smm && cpu.nmi_blocked && !cpu.halted);
    g_assert_cmphex(cpu.cr0, ==, CR0_ET | CR0_WP);
    g_assert_cmphex(cpu.efer | cpu.cr4, ==, 0);
    g_assert_cmphex(cpu.segs[X86_SEG_CS].base + cpu.rip, ==, 0xa8000);
    g_assert_true(x86_smm_load(&cpu, map, UINT64_MAX, UINT64_MAX));
    x86_smm_save(&cpu, again);
    g_assert_cmpmem(again, sizeof(again), map, sizeof(map));
    g_assert_false(cpu.smm || cpu.nmi_blocked);
}

/* A processor without long mode has the other one, which has no EFER. */
static void test_legacy_map(void)
{
    static X86Cpu cpu;
    uint8_t map[X86_SMM_MAP_SIZE];
    uint32_t value;

    fill(&cpu, "coreduo");
    cpu.efer = EFER_NX;
    cpu.rip = 0xc0100000;
    x86_smm_save(&cpu, map);
    memcpy(&value, map + 0xfefc - X86_SMM_MAP_AT, sizeof(value));
    g_assert_cmphex(value, ==, 0x20000);
    memcpy(&value, map + 0xfff0 - X86_SMM_MAP_AT, sizeof(value));
    g_assert_cmphex(value, ==, 0xc0100000);
    memcpy(&value, map + 0xfef8 - X86_SMM_MAP_AT, sizeof(value));
    g_assert_cmphex(value, ==, 0xa0000);
    x86_smm_enter(&cpu);
    g_assert_true(x86_smm_load(&cpu, map, UINT64_MAX, EFER_NX));
    g_assert_cmphex(cpu.efer, ==, EFER_NX);
    g_assert_cmphex(cpu.regs[X86_RBX], ==, 0x44444444);
    g_assert_cmphex(cpu.segs[X86_SEG_FS].limit, ==, 0xfffff123);
    g_assert_cmphex(cpu.segs[X86_SEG_FS].flags, ==, SEG_P | SEG_S | SEG_W | SEG_A | SEG_G | SEG_DB);
}

/* ---- in and out ---- */

GUEST_CODE(count, 64, "mov $5, %ebx; mov $7, %ecx; add %ebx, %ecx");
/* Adds to the saved RBX, and notes something in memory that others have, too. */
GUEST_CODE(add_rsm, 16,
           "movl $0xcafe, %cs:0x9000; addl $0x100, %cs:0xfff8; movl $0xbeef, 0xa000; rsm");

/* The guest finds nothing changed but what the handler has changed; what the handler wrote to
 * SMRAM is not in the memory at the same addresses. */
static void test_round(void)
{
    reset(HARNESS_LONG64);
    HANDLER_IS(add_rsm);
    GUEST_LOAD(h, count);
    h->cpu->regs[X86_RAX] = 3;
    const X86Segment cs = h->cpu->segs[X86_SEG_CS];
    const uint64_t cr0 = h->cpu->cr0, cr4 = h->cpu->cr4, efer = h->cpu->efer;
    smi();
    g_assert_cmpint(harness_run(h, 1000), ==, -1);
    g_assert_false(h->cpu->smm || h->cpu->nmi_blocked);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x103);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 12);
    g_assert_cmphex(h->cpu->cr0, ==, cr0);
    g_assert_cmphex(h->cpu->cr4, ==, cr4);
    g_assert_cmphex(h->cpu->efer, ==, efer);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].selector, ==, cs.selector);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].flags, ==, cs.flags);
    g_assert_cmphex(h->cpu->segs[X86_SEG_CS].limit, ==, cs.limit);
    g_assert_cmphex(map64(0xff78), ==, HARNESS_CODE);
    g_assert_cmphex((uint32_t)map64(0x9000), ==, 0xcafe);
    g_assert_cmphex(get32(SMRAM + 0x9000), ==, 0);
    g_assert_cmphex(get32(0xa000), ==, 0xbeef);
}

/* The same, saved and loaded after each turn, in the handler too. */
static void test_moved(void)
{
    h->moved = true;
    test_round();
    h->moved = false;
}

GUEST_CODE(outside, 16, "inc %bx; hlt; inc %bx; hlt");
GUEST_CODE(inside, 16, "incl %cs:0xfff0; rsm"); /* the saved RCX */

/* Other code at the same addresses, in the same mode but for this one: neither runs the other's. */
static void test_same_place(void)
{
    reset(HARNESS_REAL);
    HANDLER_IS(inside);
    memcpy(h->ram + HANDLER, code_outside, (size_t)(code_outside_end - code_outside));
    h->cpu->segs[X86_SEG_CS] =
        (X86Segment){ SMRAM >> 4, SEG_P | SEG_S | SEG_W | SEG_A | SEG_G, UINT32_MAX, SMRAM };
    h->cpu->rip = X86_SMM_ENTRY;
    soft_update_mode(h->s);
    for (unsigned round = 1; round <= 3; round++) {
        g_assert_cmpint(harness_run(h, 100), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RBX], ==, round);
        g_assert_cmphex(h->cpu->rip, ==, X86_SMM_ENTRY + 2);
        h->cpu->rip = X86_SMM_ENTRY;
        smi();
    }
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 2);
}

GUEST_CODE(move_base, 16, "movl $0x40000, %cs:0xff00; rsm");

static void test_smbase(void)
{
    reset(HARNESS_FLAT32);
    HANDLER_IS(move_base);
    memcpy(smram->host + 0x10000 + X86_SMM_ENTRY, code_inside,
           (size_t)(code_inside_end - code_inside));
    smi();
    g_assert_cmpint(harness_run_hex(h, "90"), ==, -1);
    g_assert_cmphex(h->cpu->smbase, ==, 0x40000);
    smi();
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(harness_run_hex(h, "90"), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 1);
    x86_cpu_reset(h->cpu);
    g_assert_cmphex(h->cpu->smbase, ==, SMRAM);
}

/* ---- what is blocked ---- */

GUEST_CODE(wait_rsm, 16, "addl $1, %cs:0xfff8; nop; rsm");

static void test_blocked(void)
{
    reset(HARNESS_LONG64);
    HANDLER_IS(wait_rsm);
    GUEST_LOAD(h, count);
    smi();
    g_assert_true(soft_engine_turn(h->s));
    g_assert_true(h->cpu->smm);
    smi(); /* waits for the end of the first */
    x86_cpu_interrupt(h->cpu, CPU_INT_INIT);
    g_assert_false(x86_cpu_smi_waits(h->cpu));
    g_assert_cmphex(x86_cpu_init_sipi(h->cpu), ==, 0);
    g_assert_true(h->cpu->nmi_blocked);
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_INIT);
    g_assert_cmpint(harness_run(h, 1000), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 2);
    g_assert_false(h->cpu->nmi_blocked);
    x86_cpu_interrupt(h->cpu, CPU_INT_INIT);
    g_assert_cmphex(x86_cpu_init_sipi(h->cpu), ==, CPU_INT_INIT);
    x86_cpu_clear_interrupt(h->cpu, CPU_INT_INIT);
    h->cpu->nmi_blocked = true; /* the handler of an NMI was interrupted, and is still one */
    smi();
    g_assert_true(soft_engine_turn(h->s));
    g_assert_true(h->cpu->nmi_blocked);
    h->cpu->halted = false;
    g_assert_cmpint(harness_run(h, 1000), ==, -1);
    g_assert_true(h->cpu->nmi_blocked);
}

/* Without memory for it an SMI is none. */
static void test_none(void)
{
    reset(HARNESS_FLAT32);
    h->cpu->has_smm = false;
    smi();
    g_assert_cmphex(atomic_load(&h->cpu->interrupts), ==, 0);
    h->cpu->has_smm = true;
}

/* ---- HLT ---- */

GUEST_CODE(halt, 64, "hlt; mov $9, %edx");
GUEST_CODE(go_on, 16, "movb $0, %cs:0xfec9; rsm");

static void test_halted(void)
{
    reset(HARNESS_LONG64);
    HANDLER_IS(inside);
    GUEST_LOAD(h, halt);
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_true(h->cpu->halted);
    smi();
    g_assert_true(soft_engine_turn(h->s));
    g_assert_cmphex(*in_map(0xfec9), ==, 1);
    g_assert_cmpint(harness_run(h, 10), ==, -1); /* it halts again */
    g_assert_true(h->cpu->halted);
    g_assert_cmphex(h->cpu->regs[X86_RDX], !=, 9);
    HANDLER_IS(go_on);
    harness_flush(h);
    smi();
    g_assert_true(soft_engine_turn(h->s));
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 9);
}

/* ---- what is refused ---- */

static void test_outside(void)
{
    for (HarnessMode mode = HARNESS_REAL; mode <= HARNESS_USER32; mode++) {
        reset(mode);
        g_assert_cmpint(harness_run_hex(h, "0faa"), ==, EXC_UD);
    }
}

GUEST_CODE(plain_rsm, 16, "rsm");

static void test_impossible(void)
{
    static const struct {
        unsigned at;
        uint64_t value;
    } states[] = {
        { 0xff58, CR0_PG | CR0_ET },            /* paging without protection */
        { 0xff58, CR0_NW | CR0_ET },            /* NW without CD */
        { 0xff58, (uint64_t)1 << 40 | CR0_ET }, /* a bit that there is not */
        { 0xff48, UINT64_C(1) << 31 },          /* the same in CR4 */
        { 0xfed0, UINT64_C(1) << 31 },          /* and in EFER */
        { 0xfed0, EFER_LMA | EFER_SCE },        /* long mode that is not enabled */
        { 0xff48, CR4_PGE },                    /* long mode without PAE */
        { 0xff70, RFLAGS_ONE | RFLAGS_VM },     /* virtual-8086 mode in long mode */
        { 0xff50, UINT64_C(1) << 60 },          /* page tables beyond all memory */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        reset(HARNESS_LONG64);
        HANDLER_IS(plain_rsm);
        GUEST_LOAD(h, count);
        smi();
        g_assert_true(soft_engine_turn(h->s));
        memcpy(in_map(states[i].at), &states[i].value, sizeof(states[i].value));
        g_assert_cmpint(harness_run(h, 10), ==, -1);
        g_assert_cmpuint(shutdowns, ==, 1);
        g_assert_true(h->cpu->halted && h->cpu->smm);
        g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 0);
    }
}

/* Whatever is in the map, the program stands it: one instruction at most follows. */
static void test_random(void)
{
    for (unsigned round = 0; round < 300; round++) {
        reset(HARNESS_LONG64);
        HANDLER_IS(plain_rsm);
        smi();
        g_assert_true(soft_engine_turn(h->s));
        unsigned changes = 1 + (unsigned)g_test_rand_int_range(0, 8);
        for (unsigned i = 0; i < changes; i++) {
            *in_map(X86_SMM_MAP_AT + (unsigned)g_test_rand_int_range(0, X86_SMM_MAP_SIZE)) =
                (uint8_t)g_test_rand_int();
        }
        harness_run(h, 1);
        if (!h->cpu->halted) {
            h->cpu->debug_step = CPU_STEP;
            harness_run(h, 1);
            h->cpu->debug_step = 0;
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    accel_set(&accel_soft);
    accel_set_shutdown_handler(on_shutdown);
    h = harness_new();
    h->cpu->has_smm = true;
    smram_make();
    g_test_add_func("/soft/smm/map/long", test_long_map);
    g_test_add_func("/soft/smm/map/legacy", test_legacy_map);
    g_test_add_func("/soft/smm/round", test_round);
    g_test_add_func("/soft/smm/moved", test_moved);
    g_test_add_func("/soft/smm/same-place", test_same_place);
    g_test_add_func("/soft/smm/smbase", test_smbase);
    g_test_add_func("/soft/smm/blocked", test_blocked);
    g_test_add_func("/soft/smm/none", test_none);
    g_test_add_func("/soft/smm/halted", test_halted);
    g_test_add_func("/soft/smm/outside", test_outside);
    g_test_add_func("/soft/smm/impossible", test_impossible);
    g_test_add_func("/soft/smm/random", test_random);
    int ret = g_test_run();
    smram_remove();
    harness_free(h);
    return ret;
}
