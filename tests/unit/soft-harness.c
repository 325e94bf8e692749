/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/soft-harness.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "accel/soft/block.h"
#include "accel/soft/breakpoint.h"
#include "accel/soft/engine.h"
#include "accel/soft/exclusive.h"
#include "accel/soft/interrupt.h"
#include "accel/soft/mmu.h"
#include "accel/soft/options.h"
#include "accel/soft/tlb.h"
#include "memory/memory.h"
#include "util/lazy-memory.h"
#include "util/machine-lock.h"

/* Descriptors: flags of the high dword in bits 8-23 and limit 0xfffff. */
static uint64_t descriptor(uint32_t flags)
{
    return (uint64_t)(flags | 0xf0000) << 32 | 0xffff;
}

static void put64(SoftHarness *h, uint64_t addr, uint64_t value)
{
    memcpy(h->ram + addr, &value, sizeof(value));
}

static const struct {
    unsigned selector;
    uint32_t flags;
} gdt[] = {
    { 0x08, SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_L | SEG_G },
    { 0x10, SEG_P | SEG_S | SEG_W | SEG_A | SEG_DB | SEG_G },
    { 0x18, SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_DB | SEG_G },
    { 0x20, SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A },
    { 0x28, SEG_P | SEG_S | SEG_W | SEG_A },
    { 0x30, SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_DB | SEG_G | SEG_DPL_MASK },
    { 0x38, SEG_P | SEG_S | SEG_W | SEG_A | SEG_DB | SEG_G | SEG_DPL_MASK },
    { 0x40, SEG_P | SEG_S | SEG_CODE | SEG_R | SEG_A | SEG_L | SEG_G | SEG_DPL_MASK },
};

static void build_tables(SoftHarness *h)
{
    for (size_t i = 0; i < G_N_ELEMENTS(gdt); i++) {
        put64(h, HARNESS_GDT + gdt[i].selector, descriptor(gdt[i].flags));
    }
    /* TSS: 64-bit form; the 32-bit one is its first half. */
    put64(h, HARNESS_GDT + 0x48,
          (uint64_t)(SEG_P | SYS_TSS << SEG_TYPE_SHIFT) << 32 |
              (uint64_t)(HARNESS_TSS & 0xffff) << 16 | 0xfff);
    put64(h, HARNESS_GDT + 0x50, 0);

    const uint64_t table = PTE_P | PTE_RW | PTE_US;
    put64(h, HARNESS_PT, (HARNESS_PT + 0x1000) | table);
    put64(h, HARNESS_PT + 0x1000, (HARNESS_PT + 0x2000) | table);
    for (uint64_t i = 0; i < HARNESS_RAM_SIZE >> 21; i++) {
        put64(h, HARNESS_PT + 0x2000 + 8 * i, i << 21 | table | PTE_PS);
    }
}

static void make_cpu(SoftHarness *h)
{
    GError *err = NULL;
    const char *translate = g_getenv("SOFT_TRANSLATE");
    int mode = qapi_enum_parse(SoftTranslate_lookup, translate ? translate : "off");
    g_assert_cmpint(mode, >=, 0);
    soft_options.translate = mode;
    h->s = lazy_memory_new(sizeof(SoftCpu));
    h->cpu = &h->s->cpu;
    x86_cpu_model_parse(&h->cpu->model, "max", &err);
    g_assert_no_error(err);
    x86_cpu_reset(h->cpu);
    soft_engine_init(h->s, &err);
    g_assert_no_error(err);
}

SoftHarness *harness_new(void)
{
    SoftHarness *h = g_new0(SoftHarness, 1);
    GError *err = NULL;

    static bool memory_made;
    if (!memory_made) {
        memory_init();
        memory_made = true;
    }
    machine_lock();
    h->block = ram_block_new("harness", HARNESS_RAM_SIZE, -1, false, false, 0, &err);
    g_assert_no_error(err);
    h->ram = h->block->host;
    memory_region_init_ram(&h->ram_region, "harness", h->block);
    memory_region_add(memory_system(), 0, &h->ram_region);
    machine_unlock();
    make_cpu(h);
    return h;
}

SoftHarness *harness_new_cpu(const SoftHarness *owner)
{
    SoftHarness *h = g_new0(SoftHarness, 1);

    h->borrowed = true;
    h->ram = owner->ram;
    make_cpu(h);
    return h;
}

void harness_free(SoftHarness *h)
{
    soft_engine_destroy(h->s);
    lazy_memory_free(h->s, sizeof(SoftCpu));
    if (!h->borrowed) {
        machine_lock();
        memory_region_remove(&h->ram_region);
        memory_region_destroy(&h->ram_region);
        ram_block_unref(h->block);
        machine_unlock();
    }
    g_free(h);
}

void harness_flush(SoftHarness *h)
{
    soft_tlb_flush(h->s, false);
    soft_cache_drop(h->s);
}

static void flat(X86Segment *seg, unsigned selector, uint32_t flags)
{
    *seg = (X86Segment){ .selector = (uint16_t)selector, .flags = flags, .limit = UINT32_MAX };
}

static uint32_t gdt_flags(unsigned selector)
{
    for (size_t i = 0; i < G_N_ELEMENTS(gdt); i++) {
        if (gdt[i].selector == (selector & 0xfff8)) {
            return gdt[i].flags;
        }
    }
    g_assert_not_reached();
}

static void enter_protected(SoftHarness *h, unsigned code, unsigned data)
{
    X86Cpu *cpu = h->cpu;

    build_tables(h);
    cpu->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_WP;
    cpu->gdt = (X86DescriptorTable){ HARNESS_GDT, 0x57 };
    cpu->idt = (X86DescriptorTable){ HARNESS_IDT, 0xfff };
    cpu->tr = (X86Segment){ .selector = 0x48,
                            .base = HARNESS_TSS,
                            .limit = 0xfff,
                            .flags = SEG_P | SYS_TSS_BUSY << SEG_TYPE_SHIFT };
    for (unsigned i = 0; i < 6; i++) {
        flat(&cpu->segs[i], data, gdt_flags(data));
    }
    flat(&cpu->segs[X86_SEG_CS], code, gdt_flags(code));
    cpu->regs[X86_RSP] = HARNESS_STACK;
    cpu->rip = HARNESS_CODE;
}

static void enter_long(SoftHarness *h, unsigned code, unsigned data)
{
    X86Cpu *cpu = h->cpu;

    enter_protected(h, code, data);
    cpu->cr3 = HARNESS_PT;
    cpu->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cpu->efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NX;
    cpu->cr0 |= CR0_PG;
}

void harness_reset(SoftHarness *h, HarnessMode mode)
{
    X86Cpu *cpu = h->cpu;

    memset(h->ram, 0, 1 << 20);
    x86_cpu_reset(cpu);
    switch (mode) {
    case HARNESS_REAL:
        cpu->cr0 = CR0_ET;
        soft_set_rflags(h->s, cpu->rflags);
        x86_cpu_sipi(cpu, 0);
        cpu->rip = HARNESS_REAL_CODE;
        cpu->regs[X86_RSP] = HARNESS_REAL_STACK;
        cpu->idt.limit = 0x3ff;
        break;
    case HARNESS_FLAT32:
        enter_protected(h, 0x18, 0x10);
        break;
    case HARNESS_LONG64:
        enter_long(h, 0x08, 0x10);
        break;
    case HARNESS_USER64:
        enter_long(h, 0x43, 0x3b);
        break;
    case HARNESS_USER32:
        enter_long(h, 0x33, 0x3b);
        break;
    }
    h->vector = -1;
    h->error_code = -1;
    h->s->delivering = -1;
    soft_set_rflags(h->s, cpu->rflags);
    atomic_store(&cpu->exit_request, false);
    harness_flush(h);
    soft_breakpoints_update(h->s);
    soft_update_mode(h->s);
}

void harness_load(SoftHarness *h, const void *code, size_t len)
{
    uint8_t *to = h->ram + (h->cpu->cr0 & CR0_PE ? HARNESS_CODE : HARNESS_REAL_CODE);
    const uint8_t hlt = 0xf4;

    memcpy(to, code, len);
    memcpy(to + len, &hlt, 1);
    harness_flush(h);
}

/* HLT in user mode: the byte at rip after its #GP. */
static bool user_halt(SoftHarness *h)
{
    return h->s->fault.vector == EXC_GP && soft_cpl(h->s) == 3 && h->cpu->rip < HARNESS_RAM_SIZE &&
           h->ram[h->cpu->rip] == 0xf4;
}

/* To another machine, whose memory is the same. */
static void move(SoftHarness *h)
{
    g_autoptr(GByteArray) saved = g_byte_array_new();
    GError *err = NULL;

    accel_soft.get_state(h->cpu);
    state_save(&x86_cpu_state, h->cpu, saved);
    x86_cpu_reset(h->cpu);
    accel_soft.put_state(h->cpu);
    state_load(&x86_cpu_state, h->cpu, saved->data, saved->len, &err);
    g_assert_no_error(err);
    accel_soft.put_state(h->cpu);
    h->s->flags_out = false;
}

int harness_run(SoftHarness *h, unsigned max_turns)
{
    SoftCpu *s = h->s;
    sigjmp_buf unwind;
    volatile unsigned turns = 0;

    s->unwind = &unwind;
    h->cpu->halted = false;
    h->vector = -1;
    soft_tlb_drop_requested(s);
    if (sigsetjmp(unwind, 0) != 0) {
        h->vector = s->fault.vector;
        h->error_code = s->fault.error_code;
        if (user_halt(h)) {
            h->vector = -1;
            return h->vector;
        }
        if (!h->deliver || !soft_engine_fault(s)) {
            return h->vector;
        }
    }
    while (turns < max_turns) {
        turns++;
        if (h->moved) {
            move(h);
        }
        atomic_store(&h->cpu->exit_request, false);
        if (!soft_engine_turn(s)) {
            h->vector = -1;
            return h->vector;
        }
    }
    h->vector = -2;
    return h->vector;
}

static gpointer kick(gpointer opaque)
{
    SoftHarness *h = opaque;

    while (atomic_load(&h->kicks)) {
        atomic_store(&h->cpu->exit_request, true);
        g_usleep(1000);
    }
    return NULL;
}

void harness_kick(SoftHarness *h, bool on)
{
    atomic_store(&h->kicks, on);
    if (on) {
        h->kicker = g_thread_new("kick", kick, h);
    } else {
        g_thread_join(h->kicker);
    }
}

int harness_run_hex(SoftHarness *h, const char *hex)
{
    uint8_t bytes[64];
    size_t len = strlen(hex) / 2;

    g_assert_cmpuint(len, <=, sizeof(bytes));
    for (size_t i = 0; i < len; i++) {
        bytes[i] =
            (uint8_t)(g_ascii_xdigit_value(hex[2 * i]) << 4 | g_ascii_xdigit_value(hex[2 * i + 1]));
    }
    harness_load(h, bytes, len);
    return harness_run(h, 100);
}

/* ---- two CPUs ---- */

static void leave_section(void *opaque)
{
    atomic_store(&((X86Cpu *)opaque)->exit_request, true);
}

static atomic_uint ready; /* CPUs that are about to run */

/* As the engine runs a vCPU, until it halts. */
static gpointer run_cpu(gpointer opaque)
{
    SoftHarness *g = opaque;
    MemoryReader reader = { .kick = leave_section, .opaque = g->cpu };
    sigjmp_buf unwind;
    volatile bool runs = true;

    memory_reader_register(&reader);
    g->s->reader = &reader;
    g->s->unwind = &unwind;
    if (sigsetjmp(unwind, 0) != 0) {
        g_error("vector %d at %" PRIx64, g->s->fault.vector, g->cpu->rip);
    }
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < 2) { /* both at once */
        g_thread_yield();
    }
    while (runs) {
        atomic_store(&g->cpu->exit_request, false);
        soft_section_enter(g->s);
        soft_catch_up(g->s);
        while (runs && !atomic_load(&g->cpu->exit_request)) {
            runs = soft_engine_turn(g->s);
        }
        memory_read_leave(&reader);
    }
    g->s->reader = NULL;
    memory_reader_unregister(&reader);
    return NULL;
}

void harness_run_together(SoftHarness *const both[2])
{
    GThread *threads[2];

    atomic_store(&ready, 0);
    for (unsigned i = 0; i < 2; i++) {
        threads[i] = g_thread_new("cpu", run_cpu, both[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        g_thread_join(threads[i]);
    }
}

void harness_place(SoftHarness *h, uint64_t at, const uint8_t *code, const uint8_t *end)
{
    size_t len = (size_t)(end - code);

    memcpy(h->ram + at, code, len);
    h->ram[at + len] = 0xf4; /* HLT */
    h->cpu->rip = at;
}
