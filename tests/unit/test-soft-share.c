/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What translated code keeps of an access for the next ones: checks that several share
 * (accel/soft/translate/share.h), and pages (near.h). Each program ends as the interpreter ends it.
 */
#include <string.h>

#include "accel/soft/tlb.h"
#include "tests/unit/translate-case.h"
#include "util/machine-lock.h"

/* A fault among moves that share a check: at its instruction, after those before it. The case says
 * where RDI points, what faults, and at which of the moves. */
GUEST_CODE(unaligned, 64,
           "movaps %xmm0, (%rdi)\n\tmovaps %xmm1, 16(%rdi)\n\tmovaps %xmm2, 32(%rdi)");
GUEST_CODE(run, 64, "movups %xmm0, (%rdi)\n\tmovups %xmm1, 16(%rdi)\n\tmovups %xmm2, 32(%rdi)");

static void fault_in_run(SoftTranslate mode, bool unaligned)
{
    uint64_t end = HARNESS_RAM_SIZE, rdi = unaligned ? HARNESS_DATA + 8 : end - 24;

    set_soft_options((SoftOptions){ mode, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    /* The page behind the RAM is not mapped. */
    *(uint64_t *)(h->ram + HARNESS_PT + 0x2000 + (end >> 21) * 8) = 0;
    if (unaligned) {
        GUEST_LOAD(h, unaligned);
    } else {
        GUEST_LOAD(h, run);
    }
    memset(h->cpu->fxsave + FX_XMM, 0x5a, 48);
    h->cpu->regs[X86_RDI] = rdi;
    g_assert_cmpint(harness_run(h, TURNS), ==, unaligned ? EXC_GP : EXC_PF);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + (unaligned ? 0 : 3));
    g_assert_cmphex(h->ram[rdi], ==, unaligned ? 0 : 0x5a);
    g_assert_cmphex(h->ram[rdi + 16], ==, 0);
    if (!unaligned) {
        g_assert_cmphex(h->s->fault.cr2, ==, end);
    }
}

static void test_fault_in_run(void)
{
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        fault_in_run(mode, false);
        fault_in_run(mode, true);
    }
}

/* Accesses that share checks, at every place across two pages: a base that is moved, given a new
 * value, and pushed by; reads and writes of all widths; flags that live across them. RDI is where,
 * and RSP is not far. */
GUEST_CODE(shared, 64,
           "mov $0x100f00, %edi\n\t"
           "mov $400, %ecx\n"
           "1: lea 0x240(%rdi), %rsp\n\t"
           "sub $0x200, %rsp\n\t"
           "push %rcx\n\t"
           "push %r14\n\t"
           "push $-5\n\t"
           "push %rbx\n\t"
           "sub $24, %rsp\n\t"
           "mov %rdi, 8(%rsp)\n\t"
           "mov 40(%rsp), %r15\n\t"
           "add $24, %rsp\n\t"
           "pop %rbx\n\t"
           "pop %rax\n\t"
           "pop %r14\n\t"
           "pop %rdx\n\t"
           "add %rax, %rbx\n\t"
           "cmp $0, %rax\n\t"
           "movl $7, (%rdi)\n\t"
           "mov -3(%rdi), %r11\n\t"
           "mov %r11, 13(%rdi)\n\t"
           "adc %rbx, 16(%rdi)\n\t"
           "incb 24(%rdi)\n\t"
           "sbb %r8, %r8\n\t"
           "notw 26(%rdi)\n\t"
           "rolq $5, 32(%rdi)\n\t"
           "cmovc 32(%rdi), %rbx\n\t"
           "setnz 40(%rdi)\n\t"
           "imul 16(%rdi), %r9\n\t"
           "movzwl 17(%rdi), %r10d\n\t"
           "movsbq 23(%rdi), %r11\n\t"
           "mov %r11, -8(%rdi)\n\t"
           "lea 16(%rdi), %rdi\n\t"
           "add %r10, -16(%rdi)\n\t"
           "xor %r9d, 90(%rdi)\n\t"
           "mov %rdi, %rsi\n\t"
           "lea 0x1000(%rsi,%rcx), %rdi\n\t" /* another page */
           "mov %r8, 8(%rdi)\n\t"
           "mov (%rdi), %r12\n\t"
           "add 8(%rdi), %r12\n\t"
           "mov 1(%rsi,%rcx), %r13b\n\t"
           "sub %r12, 120(%rdi)\n\t"
           "xor %edx, %edx\n\t"
           "div %ecx\n\t" /* C is called */
           "add %rdx, 112(%rdi)\n\t"
           "add %rax, (%rdi)\n\t"
           "lea -15(%rsi), %rdi\n\t"
           "dec %ecx\n\t"
           "jnz 1b\n\t"
           "nop");

/* Four pages of data from HARNESS_DATA on, none of which lies beside the next one: what is found
 * out of one is wrong for the other. */
enum { SCATTERED = 4, SCATTER_PT = 0x300000 };
/* All memory is there, too. Code there has addresses that no displacement has room for. */
#define HIGH (UINT64_C(1) << 39)

static void scatter(SoftHarness *h)
{
    uint64_t *pt = (uint64_t *)(h->ram + SCATTER_PT), first = HARNESS_DATA / 4096;

    for (uint64_t i = 0; i < 512; i++) {
        pt[i] = i * 4096 | 7;
    }
    for (uint64_t i = 0; i < SCATTERED; i++) {
        pt[first + i] = (first + (SCATTERED - 1 - i) * 2) * 4096 | 7;
    }
    *(uint64_t *)(h->ram + HARNESS_PT + 0x2000) = SCATTER_PT | 7;
    memcpy(h->ram + HARNESS_PT + 8, h->ram + HARNESS_PT, 8);
    harness_flush(h);
}

/* Run guest code from @code to @end over them; @high: above HIGH. */
static void run_scattered(SoftTranslate mode, bool pressed, const uint8_t *code, const uint8_t *end,
                          bool high, Outcome *o)
{
    set_soft_options((SoftOptions){ mode, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    for (unsigned i = 0; i < 2 * SCATTERED * 4096; i++) {
        h->ram[HARNESS_DATA + i] = (uint8_t)(i * 7 + i / 256);
    }
    scatter(h);
    h->cpu->segs[X86_SEG_FS].base = HARNESS_DATA + 0xfd0;
    h->cpu->segs[X86_SEG_GS].base = HARNESS_DATA + 0x1fc0;
    soft_update_mode(h->s);
    harness_load(h, code, (size_t)(end - code));
    h->cpu->rip += high ? HIGH : 0;
    Press p = {};
    if (pressed) {
        press_begin(&p, h);
    }
    g_assert_cmpint(harness_run(h, TURNS), ==, -1);
    press_end(&p);
    keep_outcome(h, o);
    g_autofree char *sum =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, h->ram + HARNESS_DATA, 2 * SCATTERED * 4096);
    memset(o->data, 0, DATA_BYTES);
    memcpy(o->data, sum, strlen(sum));
}

static void compare_scattered(const uint8_t *code, const uint8_t *end, bool high)
{
    Outcome expected, found;

    run_scattered(SOFT_TRANSLATE_OFF, false, code, end, high, &expected);
    g_assert_cmphex(expected.regs[X86_RCX], ==, 0);
    for (SoftTranslate mode = SOFT_TRANSLATE_ON; mode <= SOFT_TRANSLATE_ALL; mode++) {
        run_scattered(mode, false, code, end, high, &found);
        assert_same_outcome(&expected, &found);
        run_scattered(mode, true, code, end, high, &found);
        assert_same_outcome(&expected, &found);
    }
}

static void test_shared_checks(void)
{
    compare_scattered(code_shared, code_shared_end, false);
}

/* Addresses of all kinds: of registers that the host has and has not, with segments, constant ones;
 * read and written, with a constant and with a register that the host has not. */
GUEST_CODE(addresses, 64,
           "mov $0x100f40, %r14d\n\t"
           "mov $0x100f80, %ebx\n\t"
           "mov $300, %ecx\n"
           "1: mov %ecx, %r15d\n\t"
           "and $15, %r15d\n\t"
           "mov %ecx, %r11d\n\t"
           "and $63, %r11d\n\t"
           "mov (%r14), %rax\n\t"
           "add %eax, 5(%r14,%r15,4)\n\t"
           "mov %r11, 9(%rbx,%r15,2)\n\t"
           "addb $3, (%r15,%rbx)\n\t"
           "addl $7, (%rbx,%rcx,8)\n\t"
           "add %r15w, (%rbx,%rcx)\n\t"
           "mov %rax, %fs:(%r11)\n\t"
           "add %fs:8(%r11,%r15,2), %rdx\n\t"
           "adc %fs:0x28, %r10\n\t"
           "movq $5, %gs:0x38\n\t"
           "xor %r10, %gs:3(%r15)\n\t"
           "mov %rdx, %gs:0x20(%rcx)\n\t"
           "incl %gs:-0x10000(%rip)\n\t"
           "mov %r11d, %gs:-0x10040(%rip)\n\t"
           "lock xadd %r10d, 17(%r14,%r15,2)\n\t"
           "test %r11, (%r14)\n\t"
           "setnz 1(%r14)\n\t"
           "shlq $3, 24(%r14,%r15,8)\n\t"
           "shlq %cl, %fs:64(%r11)\n\t"
           "imul 3(%r14,%r15,8), %r12\n\t"
           "movzwl -1(%r15,%r14), %r10d\n\t"
           "movsbq (%rbx,%r15,8), %r11\n\t"
           "btsl $5, 40(%r14)\n\t"
           "movups (%r14,%r15,4), %xmm0\n\t"
           "movss %xmm0, %gs:0x3d(%r15)\n\t"
           "paddd %xmm0, %xmm1\n\t"
           "movups %xmm1, %fs:0x80\n\t"
           "add %r11, %r12\n\t"
           "inc %r14\n\t"
           "dec %ecx\n\t"
           "jnz 1b");

/* Moves of whole XMM registers at each place across pages, aligned and not, some of which need
 * registers that were not loaded yet; flags live across them; a loop of one block, and one that is
 * not. */
GUEST_CODE(moves, 64,
           "mov $0x100f00, %edi\n\t"
           "mov $0x101e83, %esi\n\t"
           "mov $320, %ecx\n"
           "1: add $-7, %rdi\n\t"
           "movups (%rsi), %xmm1\n\t"
           "movups 16(%rsi), %xmm2\n\t"
           "movups 48(%rsi), %xmm3\n\t"
           "movups 32(%rsi), %xmm4\n\t"
           "adc $7, %rdi\n\t"
           "mov %rdi, %rbx\n\t"
           "and $-16, %rbx\n\t"
           "stc\n\t"
           "movaps %xmm1, (%rbx)\n\t"
           "movaps %xmm2, 16(%rbx)\n\t"
           "movups %xmm5, 40(%rbx)\n\t"
           "movaps %xmm6, 64(%rbx)\n\t"
           "sbb %rdx, %r8\n\t"
           "paddb %xmm3, %xmm5\n\t"
           "pxor %xmm4, %xmm6\n\t"
           "inc %rsi\n\t"
           "dec %ecx\n\t"
           "jnz 1b\n\t"
           "mov $0x100040, %edi\n\t"
           "mov $0x101009, %esi\n\t"
           "mov $100, %ecx\n"
           "2: movups (%rsi), %xmm1\n\t"
           "movups 16(%rsi), %xmm2\n\t"
           "movups 32(%rsi), %xmm3\n\t"
           "add $48, %rsi\n\t"
           "movaps %xmm1, (%rdi)\n\t"
           "movaps %xmm2, 16(%rdi)\n\t"
           "movaps %xmm3, 32(%rdi)\n\t"
           "add $48, %rdi\n\t"
           "dec %ecx\n\t"
           "jnz 2b\n\t"
           "lahf");

static void test_moves(void)
{
    compare_scattered(code_moves, code_moves_end, false);
}

static void test_addresses(void)
{
    compare_scattered(code_addresses, code_addresses_end, false);
    compare_scattered(code_addresses, code_addresses_end, true);
}

/* A fault of one that shares a check: at its instruction, after those before it, with the flags
 * that they left. A write where only reads are allowed is one. */
GUEST_CODE(group, 64,
           "mov %rax, (%rdi)\n\t"
           "mov %rax, 8(%rdi)\n\t"
           "sub %rcx, %rax\n\t"
           "mov 32(%rdi), %rdx\n\t"
           "mov %rax, 24(%rdi)\n\t"
           "mov %rax, 40(%rdi)");

static void fault_in_group(SoftTranslate mode, bool readonly)
{
    uint64_t end = HARNESS_RAM_SIZE, rdi = readonly ? HARNESS_DATA : end - 32;

    set_soft_options((SoftOptions){ mode, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    *(uint64_t *)(h->ram + HARNESS_PT + 0x2000 + (end >> 21) * 8) = 0;
    if (readonly) {
        h->cpu->cr0 |= CR0_WP;
        *(uint64_t *)(h->ram + HARNESS_PT + 0x2000 + (rdi >> 21) * 8) &= ~2ull;
        harness_flush(h);
    }
    GUEST_LOAD(h, group);
    h->cpu->regs[X86_RDI] = rdi;
    h->cpu->regs[X86_RAX] = 0x1234;
    h->cpu->regs[X86_RCX] = 0x1235;
    g_assert_cmpint(harness_run(h, TURNS), ==, EXC_PF);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + (readonly ? 0 : 10));
    g_assert_cmphex(h->s->fault.cr2, ==, readonly ? rdi : end);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, readonly ? 0x1234 : UINT64_MAX);
    g_assert_cmphex(h->ram[rdi + 8], ==, readonly ? 0 : 0x34);
    g_assert_cmphex(h->ram[rdi + 24], ==, 0);
    g_assert_cmphex(soft_get_rflags(h->s) & (RFLAGS_CF | RFLAGS_SF), ==,
                    readonly ? 0 : RFLAGS_CF | RFLAGS_SF);
}

static void test_fault_in_group(void)
{
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        fault_in_group(mode, false);
        fault_in_group(mode, true);
    }
}

/* Flags that live across a check that several accesses share, and that fails: the copy which goes
 * on takes them as they were. */
GUEST_CODE(flags, 64,
           "cmp %rbx, %rax\n\t"
           "mov %r8, (%rdi)\n\t"
           "mov 8(%rdi), %r9\n\t"
           "mov %r9, 16(%rdi)\n\t"
           "mov 24(%rdi), %r12\n\t"
           "pushfq\n\t"
           "pop %rcx\n\t"
           "nop");

static uint64_t flags_after(SoftTranslate mode, uint64_t a, uint64_t b, uint64_t rdi)
{
    const uint64_t flags = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;

    set_soft_options((SoftOptions){ mode, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    scatter(h);
    GUEST_LOAD(h, flags);
    h->cpu->regs[X86_RAX] = a;
    h->cpu->regs[X86_RBX] = b;
    h->cpu->regs[X86_RDI] = rdi;
    g_assert_cmpint(harness_run(h, TURNS), ==, -1);
    return h->cpu->regs[X86_RCX] & flags;
}

static void test_flags_into_copy(void)
{
    static const uint64_t operands[][2] = {
        { 0, 0 },
        { 0, 1 },
        { 1, 0 },
        { INT64_MIN, 1 },
        { INT64_MAX, UINT64_MAX },
        { UINT64_MAX, 1 },
        { 1, UINT64_MAX },
        { 16, 1 },
        { 3, 1 },
        { INT64_MIN, INT64_MAX },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(operands); i++) {
        const uint64_t a = operands[i][0], b = operands[i][1];
        uint64_t expected = flags_after(SOFT_TRANSLATE_OFF, a, b, HARNESS_DATA);

        /* Within a page; across two of them at each access; the second one without an entry. */
        for (uint64_t below = 0; below <= 32; below += 4) {
            uint64_t rdi = HARNESS_DATA + 4096 - below;
            g_assert_cmphex(flags_after(SOFT_TRANSLATE_ALL, a, b, rdi), ==, expected);
        }
    }
}

/* A device that puts another page where a check was made: what comes after the access to it, in
 * the same block, sees that page. */
enum { DEVICE = 0x2000000, DEVICE_AT = 0x1ff000 };
static SoftHarness *device_harness;
static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}
static void device_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    uint64_t *pt = (uint64_t *)(device_harness->ram + SCATTER_PT);

    pt[HARNESS_DATA / 4096] = value | 7;
    soft_tlb_request_drop(device_harness->s, 0,
                          UINT64_MAX); /* as a change of the memory map does */
}
static const MemoryRegionOps device_ops = { device_read, device_write, 1, 8 };

GUEST_CODE(remap, 64,
           "orq $0, (%rdi)\n\t" /* what is needed is in the TLB */
           "jmp 1f\n"
           "1: mov (%rdi), %r8\n\t"
           "mov 8(%rdi), %r9\n\t"
           "mov %rax, (%rsi)\n\t"
           "mov 16(%rdi), %rbx\n\t"
           "mov 24(%rdi), %rdx\n\t"
           "mov %rdx, 32(%rdi)\n\t"
           "nop");

static void remap(SoftTranslate mode)
{
    const uint64_t page = HARNESS_DATA + 16 * 4096;
    uint64_t *old, *new;

    set_soft_options((SoftOptions){ mode, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    scatter(h);
    GUEST_LOAD(h, remap);
    device_harness = h;
    old = (uint64_t *)(h->ram + (((uint64_t *)(h->ram + SCATTER_PT))[HARNESS_DATA / 4096] & ~7ull));
    new = (uint64_t *)(h->ram + page);
    for (unsigned i = 0; i < 8; i++) {
        old[i] = 0x1111;
        new[i] = 0x2222;
    }
    h->cpu->regs[X86_RDI] = HARNESS_DATA;
    h->cpu->regs[X86_RSI] = DEVICE_AT;
    ((uint64_t *)(h->ram + SCATTER_PT))[DEVICE_AT / 4096] = DEVICE | 7;
    h->cpu->regs[X86_RAX] = page;
    g_assert_cmpint(harness_run(h, TURNS), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_R9], ==, 0x1111);
    g_assert_cmphex(h->cpu->regs[X86_RBX], ==, 0x2222);
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 0x2222);
    g_assert_cmphex(old[4], ==, 0x1111);
}

static void test_remap_in_block(void)
{
    MemoryRegion region;

    machine_lock();
    memory_region_init_io(&region, &device_ops, NULL, "device", 4096);
    memory_region_add(memory_system(), DEVICE, &region);
    machine_unlock();
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        remap(mode);
    }
    machine_lock();
    memory_region_remove(&region);
    memory_region_destroy(&region);
    machine_unlock();
}

/* ---- bit strings ---- */

/* By numbers of 16 bits in RAX, 32 in RDX and 64 in RBX, upper parts of which do not count: near
 * and far, before the operand and behind it, on the next page and across two. */
GUEST_CODE(bit_strings, 64,
           "bts %ax, 8(%rdi)\n\t"
           "adc %r8, %r8\n\t"
           "bt %edx, 4(%rdi)\n\t"
           "adc %r8, %r8\n\t"
           "btc %ax, 2049(%rdi,%rcx)\n\t"
           "adc %r8, %r8\n\t"
           "btr %rbx, -3(%rdi)\n\t"
           "adc %r8, %r8\n\t"
           "btc %edx, (%rdi,%rcx,4)\n\t"
           "adc %r8, %r8\n\t"
           "bts %rbx, %fs:16(%rdi)\n\t"
           "adc %r8, %r8\n\t"
           "add %r8, %rsi\n\t"
           "bt %ax, (%rdi)\n\t"
           "adc $0, %rsi");

static void bit_strings(SoftTranslate mode, const uint8_t *expected, uint8_t *found)
{
    static const uint64_t numbers[] = { 0,   5,      15,     16,     20,      31,
                                        32,  47,     63,     64,     100,     127,
                                        128, 999,    32767,  0x7000, -1ull,   -16ull,
                                        -17, -31ull, -64ull, -65ull, -999ull, -30000ull };

    set_soft_options((SoftOptions){ mode, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    scatter(h);
    GUEST_LOAD(h, bit_strings);
    for (unsigned i = 0; i < 2 << 20; i++) {
        h->ram[HARNESS_DATA + i] = (uint8_t)(i * 167 >> 3);
    }
    h->cpu->regs[X86_RSI] = 0;
    h->cpu->regs[8] = 0;
    h->s->seg_base[X86_SEG_FS] = h->cpu->segs[X86_SEG_FS].base = 24;
    for (unsigned i = 0; i < 100 * G_N_ELEMENTS(numbers); i++) {
        uint64_t number = numbers[i % G_N_ELEMENTS(numbers)];
        h->cpu->rip = HARNESS_CODE;
        h->cpu->regs[X86_RAX] = (number & 0xffff) | 0x123456780000 * (i % 3);
        h->cpu->regs[X86_RDX] = (number & 0xffffffff) | 0x1234567800000000 * (i % 2);
        h->cpu->regs[X86_RBX] = number;
        h->cpu->regs[X86_RCX] = i % 5;
        h->cpu->regs[X86_RDI] = HARNESS_DATA + 0x10000 + i * 41;
        g_assert_cmpint(harness_run(h, TURNS), ==, -1);
    }
    memcpy(found, h->ram + HARNESS_DATA, 2 << 20);
    memcpy(found + (2 << 20), h->cpu->regs, 16 * 8);
    if (expected) {
        g_assert_cmphex(h->cpu->regs[X86_RSI], ==,
                        *(uint64_t *)(expected + (2 << 20) + 8 * X86_RSI));
        g_assert_true(memcmp(expected, found, (2 << 20) + 16 * 8) == 0);
    }
}

static void test_bit_strings(void)
{
    g_autofree uint8_t *expected = g_malloc((2 << 20) + 128), *found = g_malloc((2 << 20) + 128);

    bit_strings(SOFT_TRANSLATE_OFF, NULL, expected);
    bit_strings(SOFT_TRANSLATE_ON, expected, found);
    bit_strings(SOFT_TRANSLATE_ALL, expected, found);
}

/* ---- pages ---- */

/* What a check by a base register keeps of a page holds no longer than the mapping, though the TLB
 * has lost the page before it is flushed: 20 pages that share its place were used in between. */
#define LOSE                \
    "mov $20, %ecx\n\t"     \
    "mov %rdi, %rdx\n"      \
    "1: add %rbx, %rdx\n\t" \
    "mov (%rdx), %rsi\n\t"  \
    "dec %ecx\n\t"          \
    "jnz 1b\n\t"
GUEST_CODE(lost_page, 64,
           "mov (%rdi), %rax\n\t"
           "mov (%rdi), %rax\n\t" LOSE "mov %r8, (%r9)\n\t"
           "invlpg (%rdi)\n\t"
           "mov (%rdi), %r12");
GUEST_CODE(lost_tlb, 64,
           "mov %rbp, (%rdi)\n\t"
           "mov 8(%rdi,%r13), %rax\n\t" LOSE "mov %r8, (%r9)\n\t"
           "mov %cr3, %rdx\n\t"
           "mov %rdx, %cr3\n\t"
           "mov %rbp, (%rdi)\n\t"
           "mov 8(%rdi,%r13), %r12");

static void test_lost_page(void)
{
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        for (unsigned all = 0; all < 2; all++) {
            uint64_t old = HARNESS_DATA, new = HARNESS_DATA + 0x5000;

            set_soft_options((SoftOptions){ mode, 1, false });
            g_autoptr(SoftHarness) h = harness_new();
            harness_reset(h, HARNESS_LONG64);
            scatter(h);
            for (uint64_t i = 1; i <= 20; i++) {
                memcpy(h->ram + HARNESS_PT + 8 * i, h->ram + HARNESS_PT, 8);
            }
            uint64_t *pte = (uint64_t *)(h->ram + SCATTER_PT) + 0x50;
            *pte = old | 7;
            memset(h->ram + old, 0x11, 16);
            memset(h->ram + new, 0x22, 16);
            harness_flush(h);
            if (all) {
                GUEST_LOAD(h, lost_tlb);
            } else {
                GUEST_LOAD(h, lost_page);
            }
            h->cpu->regs[X86_RDI] = 0x50000;
            h->cpu->regs[X86_RBX] = 1ull << 39;
            h->cpu->regs[X86_RBP] = 0x3333;
            h->cpu->regs[8] = new | 7;
            h->cpu->regs[9] = (uint64_t)((uint8_t *)pte - h->ram);
            g_assert_cmpint(harness_run(h, TURNS), ==, -1);
            g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0x1111111111111111);
            g_assert_cmphex(h->cpu->regs[12], ==, 0x2222222222222222);
            g_assert_cmphex(h->ram[old], ==, all ? 0x33 : 0x11);
            g_assert_cmphex(h->ram[new], ==, all ? 0x33 : 0x22);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-share/fault-in-run", test_fault_in_run);
    g_test_add_func("/soft-share/shared-checks", test_shared_checks);
    g_test_add_func("/soft-share/addresses", test_addresses);
    g_test_add_func("/soft-share/moves", test_moves);
    g_test_add_func("/soft-share/fault-in-group", test_fault_in_group);
    g_test_add_func("/soft-share/bit-strings", test_bit_strings);
    g_test_add_func("/soft-share/lost-page", test_lost_page);
    g_test_add_func("/soft-share/flags-into-copy", test_flags_into_copy);
    g_test_add_func("/soft-share/remap-in-block", test_remap_in_block);
    return g_test_run();
}
