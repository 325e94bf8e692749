/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/emit.h"

#include "accel/soft/access.h"
#include "accel/soft/translate/near.h"
#include "accel/soft/translate/remake.h"
#include "accel/soft/translate/share.h"

enum { PAGE_SHIFT = 12, TLB_ENTRY_SHIFT = 6 };

/* ---- registers ---- */

_Static_assert(offsetof(SoftCpu, cpu.regs) == 0, "guest registers are near CPU_REG");
_Static_assert(SOFT_PAGE == 1 << PAGE_SHIFT, "PAGE_SHIFT");
_Static_assert(sizeof(SoftTlbEntry) == 1 << TLB_ENTRY_SHIFT, "the page's number becomes an offset");

unsigned guest_host_reg(unsigned reg)
{
    static const uint8_t host[16] = {
        [X86_RAX] = HOST_R10, [X86_RCX] = HOST_RCX, [X86_RDX] = HOST_RDX, [X86_RBX] = HOST_RBX,
        [X86_RSP] = HOST_R14, [X86_RBP] = HOST_R15, [X86_RSI] = HOST_RSI, [X86_RDI] = HOST_RDI,
        [8] = HOST_NO_REG,    [9] = HOST_NO_REG,    [10] = HOST_NO_REG,   [11] = HOST_NO_REG,
        [12] = HOST_R12,      [13] = HOST_R13,      [14] = HOST_R9,       [15] = HOST_R8,
    };
    return reg < G_N_ELEMENTS(host) ? host[reg] : HOST_NO_REG;
}

HostRm guest_rm(unsigned reg)
{
    unsigned host = guest_host_reg(reg);
    return host != HOST_NO_REG ? host_reg(host) : host_mem(CPU_REG, 8 * (int)reg);
}

unsigned guest_read(Translator *t, unsigned reg, unsigned scratch)
{
    unsigned host = guest_host_reg(reg);
    if (host != HOST_NO_REG) {
        return host;
    }
    host_load(&t->c, 8, scratch, guest_rm(reg));
    return scratch;
}

unsigned guest_change(Translator *t, unsigned reg, unsigned scratch)
{
    return guest_read(t, reg, scratch);
}

void guest_write(Translator *t, unsigned reg, unsigned host)
{
    if (guest_host_reg(reg) == HOST_NO_REG) {
        host_store(&t->c, 8, guest_rm(reg), host);
    } else if (guest_host_reg(reg) != host) {
        host_mov_reg(&t->c, guest_host_reg(reg), host);
    }
}

bool guest_reg(uint8_t operand, unsigned size, unsigned *reg)
{
    *reg = size == 1 ? operand / 8u : operand;
    return size != 1 || operand % 8 == 0;
}

bool guest_high(uint8_t operand, unsigned size, unsigned *reg)
{
    *reg = operand / 8u;
    return size == 1 && operand % 8 == 1;
}

void guest_read_high(Translator *t, unsigned reg)
{
    host_load(&t->c, 8, SCRATCH_A, guest_rm(reg));
    HOST_BYTES(&t->c, 0x0f, 0xb6, 0xc4); /* movzx eax, ah */
}

/* ---- flags ---- */

static const HostRm cc_rm = {
    .memory = true, .base = CPU_REG, .index = HOST_NO_REG, .disp = CPU_OFF(cc.ax)
};

/* With 0 for SoftFlags.remake. */
void flags_save(Translator *t)
{
    host_mov_imm(&t->c, SCRATCH_A, 0);
    HOST_BYTES(&t->c, 0x9f, 0x0f, 0x90, 0xc0); /* lahf; seto al */
    host_store(&t->c, 8, cc_rm, SCRATCH_A);
}

void flags_spill(Translator *t)
{
    bool unsaved = t->flags == FLAGS_HOST || t->flags == FLAGS_REMAKE;

    if (!t->live_before) {
        t->flags = FLAGS_MEMORY;
    } else if (unsaved && remake_possible(t)) {
        t->flags = FLAGS_REMAKE;
    } else {
        flags_to_memory(t);
    }
}

void flags_to_memory(Translator *t)
{
    if (t->flags == FLAGS_REMAKE) {
        remake_emit(t, &t->source);
    }
    if (t->flags == FLAGS_HOST || t->flags == FLAGS_REMAKE) {
        flags_save(t);
    }
    t->flags = FLAGS_MEMORY;
}

/* MOVZX eax, word [cc]; ADD al, 0x7f; SAHF: 1 + 0x7f overflows. */
void flags_reload(Translator *t)
{
    host_insn(&t->c, 4, 0x0fb7, SCRATCH_A, cc_rm);
    HOST_BYTES(&t->c, 0x04, 0x7f, 0x9e);
}

void flags_load(Translator *t)
{
    if (t->flags == FLAGS_REMAKE) {
        remake_emit(t, &t->source);
        t->flags = FLAGS_HOST;
    } else if (t->flags == FLAGS_MEMORY) {
        flags_reload(t);
        t->flags = FLAGS_BOTH;
    }
}

void flags_load_keep(Translator *t, unsigned spare)
{
    if (t->flags == FLAGS_MEMORY || t->flags == FLAGS_REMAKE) {
        host_mov_reg(&t->c, spare, SCRATCH_A);
        flags_load(t);
        host_mov_reg(&t->c, SCRATCH_A, spare);
    }
}

void flags_written(Translator *t)
{
    t->flags = t->live_after ? FLAGS_HOST : FLAGS_MEMORY;
    t->source = (FlagSource){ 0 };
}

/* ---- addresses ---- */

bool memory_possible(const Translator *t)
{
    return t->op->index < 16 || t->op->index == REG_ZERO;
}

/* base + (index << scale) + disp + @more of the micro-operation as a host operand; registers that
 * are not in the host's are loaded: base to @base_scratch, index to @index_scratch. */
static HostRm guest_address(Translator *t, unsigned base_scratch, unsigned index_scratch,
                            int32_t more)
{
    const Uop *op = t->op;
    HostRm rm = host_mem(HOST_NO_REG, (int64_t)op->disp + more);
    if (op->base != REG_ZERO) {
        rm.base = (uint8_t)guest_read(t, op->base, base_scratch);
    }
    if (op->index != REG_ZERO) {
        rm.index = (uint8_t)guest_read(t, op->index, index_scratch);
        rm.scale = op->scale;
    }
    return rm;
}

/* The linear address is known now; true with it in *addr. */
static bool constant_address(const Translator *t, uint64_t *addr)
{
    const Uop *op = t->op;
    if (op->index != REG_ZERO || op->seg != SOFT_SEG_NONE ||
        (op->base != REG_PC && op->base != REG_ZERO)) {
        return false;
    }
    *addr = (op->base == REG_PC ? t->b->rip : 0) + (uint64_t)(int64_t)op->disp;
    return true;
}

static bool overflows(int32_t disp, int32_t more)
{
    int32_t sum;
    return __builtin_add_overflow(disp, more, &sum);
}

void linear_address(Translator *t)
{
    const Uop *op = t->op;
    uint64_t addr;
    if (constant_address(t, &addr)) {
        host_mov_imm(&t->c, SCRATCH_A, addr);
        return;
    }
    if (op->base == REG_PC) { /* which has no index, but a segment */
        host_mov_imm(&t->c, SCRATCH_A, t->b->rip + (uint64_t)(int64_t)op->disp);
    } else {
        host_lea(&t->c, 8, SCRATCH_A, guest_address(t, SCRATCH_A, SCRATCH_B, 0));
    }
    if (op->seg != SOFT_SEG_NONE) {
        host_alu_load(&t->c, 8, ALU_ADD, SCRATCH_A,
                      host_mem(CPU_REG, CPU_OFF(seg_base) + 8 * op->seg));
    }
}

void address_load(Translator *t, unsigned reg, unsigned size)
{
    uint64_t addr;
    if (constant_address(t, &addr)) {
        host_mov_imm(&t->c, reg, size == 4 ? (uint32_t)addr : addr);
    } else {
        host_lea(&t->c, size, reg, guest_address(t, SCRATCH_A, SCRATCH_B, 0));
    }
}

/* ---- the check (access.h) ---- */

/* The TLB that the block's accesses go by: its key says so. */
static int32_t tlb_offset(const Translator *t)
{
    SoftMmuMode mode = t->b->key >> SOFT_KEY_MMU_SHIFT;
    return CPU_OFF(tlbs) + (int32_t)(mode * SOFT_TLB_SIZE * sizeof(SoftTlbEntry));
}

static int32_t tag_offset(bool write)
{
    return write ? offsetof(SoftTlbEntry, write_tag) : offsetof(SoftTlbEntry, read_tag);
}

/* SCRATCH_B: address to offset in the TLB, so that [CPU_REG + SCRATCH_B + tlb] is the entry. */
static void tlb_index(Translator *t)
{
    host_shift_imm(&t->c, 8, 5, host_reg(SCRATCH_B), PAGE_SHIFT - TLB_ENTRY_SHIFT);
    host_alu_imm(&t->c, 4, ALU_AND, host_reg(SCRATCH_B), (SOFT_TLB_SIZE - 1) << TLB_ENTRY_SHIFT);
}

static HostRm second_member(const Translator *t, const SecondTry *try, int32_t member)
{
    SoftMmuMode mode = t->b->key >> SOFT_KEY_MMU_SHIFT;
    int32_t entries = CPU_OFF(second) + (int32_t)(mode * sizeof(SoftTlbSecond));

    if (try->known) {
        return host_mem(CPU_REG, entries + (int32_t)(try->slot * sizeof(SoftTlbEntry)) + member);
    }
    return host_mem_index(CPU_REG, SCRATCH_B, 0, entries + member);
}

/* SCRATCH_A has the tag, and SCRATCH_B the index, if the address is not known. */
static void emit_second_try(Translator *t, const SecondTry *try)
{
    HostCode *c = &t->c;

    host_bind(c, try->jump);
    if (!try->known) {
        host_alu_imm(c, 4, ALU_AND, host_reg(SCRATCH_B), (SOFT_TLB_SECOND - 1) << TLB_ENTRY_SHIFT);
    }
    host_alu_load(c, 8, ALU_CMP, SCRATCH_A, second_member(t, try, tag_offset(try->write)));
    *try->slow = host_jcc(c, HOST_CC_NE);
    host_load(c, 8, SCRATCH_B, second_member(t, try, offsetof(SoftTlbEntry, addend)));
    host_jmp_to(c, try->back);
}

void emit_second_tries(Translator *t)
{
    for (unsigned i = 0; i < t->second_count; i++) {
        emit_second_try(t, &t->seconds[i]);
    }
}

/* SCRATCH_A: the tag, @entry: the entry. @failed keeps the jump of a check that fails. Leaves the
 * addend in SCRATCH_B. @known: where the entry is is a constant, for page number @page. */
static void compare_tag(Translator *t, HostRm entry, bool write, bool known, uint64_t page,
                        JumpFn *failed)
{
    HostRm tag = entry, addend = entry;

    tag.disp += tag_offset(write);
    addend.disp += (int32_t)offsetof(SoftTlbEntry, addend);
    host_alu_load(&t->c, 8, ALU_CMP, SCRATCH_A, tag);
    uint8_t *jump = host_jcc(&t->c, HOST_CC_NE), **slow = failed(t, jump);
    host_load(&t->c, 8, SCRATCH_B, addend);
    if (t->second_count < SECOND_TRIES) {
        t->seconds[t->second_count++] = (SecondTry){
            .jump = jump,
            .back = t->c.exec,
            .slow = slow,
            .write = write,
            .known = known,
            .slot = (unsigned)(page % SOFT_TLB_SECOND),
        };
    }
}

uint8_t *tlb_look(Translator *t, bool write, bool second)
{
    SecondTry try = { .write = write };
    HostRm entry = host_mem_index(CPU_REG, SCRATCH_B, 0, tlb_offset(t)), tag, addend;

    if (second) {
        host_alu_imm(&t->c, 4, ALU_AND, host_reg(SCRATCH_B),
                     (SOFT_TLB_SECOND - 1) << TLB_ENTRY_SHIFT);
        entry = second_member(t, &try, 0);
    } else {
        tlb_index(t);
        host_alu_imm(&t->c, 8, ALU_AND, host_reg(SCRATCH_A), -(int64_t)SOFT_PAGE);
    }
    tag = addend = entry;
    tag.disp += tag_offset(write);
    addend.disp += (int32_t)offsetof(SoftTlbEntry, addend);
    host_alu_load(&t->c, 8, ALU_CMP, SCRATCH_A, tag);
    uint8_t *missed = host_jcc(&t->c, HOST_CC_NE);
    host_load(&t->c, 8, SCRATCH_B, addend);
    return missed;
}

/* SCRATCH_A: the last byte's address; SCRATCH_B: tlb_index(). Leaves the addend in SCRATCH_B. */
static void check_tag(Translator *t, bool write, JumpFn *failed)
{
    host_alu_imm(&t->c, 8, ALU_AND, host_reg(SCRATCH_A), -(int64_t)SOFT_PAGE);
    compare_tag(t, host_mem_index(CPU_REG, SCRATCH_B, 0, tlb_offset(t)), write, false, 0, failed);
}

/* An address that is known: entry and tag are constants. */
static HostRm constant_operand(Translator *t, uint64_t addr, unsigned size, bool write)
{
    uint64_t page = addr / SOFT_PAGE, tag = (addr + size - 1) & SOFT_PAGE_MASK;
    int32_t entry = tlb_offset(t) + (int32_t)(page % SOFT_TLB_SIZE * sizeof(SoftTlbEntry));

    host_mov_imm(&t->c, SCRATCH_A, tag);
    compare_tag(t, host_mem(CPU_REG, entry), write, true, page, slow_jump);
    return host_mem_index(SCRATCH_B, SCRATCH_A, 0, (int64_t)(addr - tag));
}

/* Of a host register with a displacement. */
static void check_simple(Translator *t, unsigned base, int32_t disp, unsigned size, bool write,
                         JumpFn *failed)
{
    if (disp == 0) {
        host_mov_reg(&t->c, SCRATCH_B, base);
    } else {
        host_lea(&t->c, 8, SCRATCH_B, host_mem(base, disp));
    }
    if (size > 1) {
        host_lea(&t->c, 8, SCRATCH_A, host_mem(base, disp + (int32_t)size - 1));
    } else {
        host_mov_reg(&t->c, SCRATCH_A, SCRATCH_B);
    }
    tlb_index(t);
    check_tag(t, write, failed);
}

/* One guest register that is in the host's, and a displacement. */
static HostRm simple_operand(Translator *t, unsigned guest_base, int32_t disp, unsigned size,
                             bool write)
{
    unsigned base = guest_host_reg(guest_base);
    ShareCheck shared = share_check(t, base, disp, size, write);

    if (shared.what == SHARE_OPEN) {
        check_simple(t, base, shared.disp, shared.size, shared.write, share_jump);
        share_opened(t);
    } else if (shared.what == SHARE_NONE && !near_check(t, base, guest_base, disp, size, write)) {
        check_simple(t, base, disp, size, write, slow_jump);
    }
    return host_mem_index(base, SCRATCH_B, 0, disp);
}

void memory_check(Translator *t, unsigned base, int32_t disp, unsigned size, bool write,
                  JumpFn *failed)
{
    flags_spill(t);
    check_simple(t, guest_host_reg(base), disp, size, write, failed);
}

/* SCRATCH_B is the addend: add @reg, a guest register, or what is at @reg. */
static void add_to_addend(Translator *t, HostRm reg)
{
    if (reg.memory) {
        host_alu_load(&t->c, 8, ALU_ADD, SCRATCH_B, reg);
    } else {
        host_lea(&t->c, 8, SCRATCH_B, host_mem_index(reg.base, SCRATCH_B, 0, 0));
    }
}

/* With the addend in SCRATCH_B: the operand of any micro-operation. What its address is made of is
 * taken once more from where it is. */
static HostRm general_operand(Translator *t)
{
    const Uop *op = t->op;
    int64_t disp = op->disp;

    if (op->seg != SOFT_SEG_NONE) {
        add_to_addend(t, host_mem(CPU_REG, CPU_OFF(seg_base) + 8 * op->seg));
    }
    if (op->base == REG_PC) { /* which has no index */
        disp += (int64_t)t->b->rip;
    } else if (op->base != REG_ZERO) {
        add_to_addend(t, guest_rm(op->base));
    }
    if (op->index != REG_ZERO) {
        return host_mem_index(SCRATCH_B, guest_read(t, op->index, SCRATCH_A), op->scale, disp);
    }
    if (disp == (int32_t)disp) {
        return host_mem(SCRATCH_B, disp);
    }
    host_mov_imm(&t->c, SCRATCH_A, (uint64_t)disp);
    return host_mem_index(SCRATCH_A, SCRATCH_B, 0, 0);
}

HostRm memory_operand(Translator *t, unsigned size, bool write)
{
    const Uop *op = t->op;
    uint64_t addr;

    flags_spill(t);
    if (constant_address(t, &addr)) {
        return constant_operand(t, addr, size, write);
    }
    unsigned base = guest_host_reg(op->base);
    if (base != HOST_NO_REG && op->index == REG_ZERO && op->seg == SOFT_SEG_NONE &&
        !overflows(op->disp, (int32_t)size)) {
        return simple_operand(t, op->base, op->disp, size, write);
    }
    if (near_check(t, HOST_NO_REG, 0, 0, size, write)) {
        return general_operand(t);
    }
    linear_address(t);
    host_mov_reg(&t->c, SCRATCH_B, SCRATCH_A);
    if (size > 1) {
        host_lea(&t->c, 8, SCRATCH_A, host_mem(SCRATCH_A, (int32_t)size - 1));
    }
    tlb_index(t);
    check_tag(t, write, slow_jump);
    return general_operand(t);
}

HostRm memory_at_linear(Translator *t, unsigned size, bool write)
{
    host_store(&t->c, 8, host_mem(CPU_REG, CPU_OFF(address)), SCRATCH_A);
    if (!near_check_linear(t, size, write)) {
        host_mov_reg(&t->c, SCRATCH_B, SCRATCH_A);
        host_lea(&t->c, 8, SCRATCH_A, host_mem(SCRATCH_A, (int32_t)size - 1));
        tlb_index(t);
        check_tag(t, write, slow_jump);
    }
    host_load(&t->c, 8, SCRATCH_A, host_mem(CPU_REG, CPU_OFF(address)));
    return host_mem_index(SCRATCH_A, SCRATCH_B, 0, 0);
}

HostRm memory_at(Translator *t, unsigned base, int32_t disp, unsigned size, bool write)
{
    flags_spill(t);
    return simple_operand(t, base, disp, size, write);
}

unsigned memory_scratch(Translator *t, HostRm *rm)
{
    if (rm->base != SCRATCH_A && rm->index != SCRATCH_A) {
        return SCRATCH_A;
    }
    host_lea(&t->c, 8, SCRATCH_B, *rm);
    *rm = host_mem(SCRATCH_B, 0);
    return SCRATCH_A;
}
