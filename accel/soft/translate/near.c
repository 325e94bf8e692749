/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/near.h"

static HostRm near_member(const Translator *t, size_t member)
{
    SoftMmuMode mode = t->b->key >> SOFT_KEY_MMU_SHIFT;
    return host_mem(CPU_REG, CPU_OFF(near) + (int64_t)(mode * sizeof(SoftNear) + member));
}

static HostRm tag_of(const Translator *t, unsigned place)
{
    return near_member(t, offsetof(SoftNear, tags) + 8 * place);
}

static HostRm addend_of(const Translator *t, unsigned place)
{
    return near_member(t, offsetof(SoftNear, addends) + 8 * place);
}

/* Stacks and what a segment is for have a place each. Other registers are used for one thing here
 * and for another there: loops go from structure to structure by one register. So theirs are by the
 * block as well. */
enum { NEAR_SEGMENT, NEAR_RSP, NEAR_RBP, NEAR_HASHED };

static unsigned place_of(uint64_t rip, unsigned reg)
{
    uint32_t hash = (uint32_t)((rip << 4 ^ reg) * 0x9e3779b97f4a7c15ull >> 32);

    return reg == X86_RSP   ? NEAR_RSP
           : reg == X86_RBP ? NEAR_RBP
                            : NEAR_HASHED + hash % (SOFT_NEAR_PLACES - NEAR_HASHED);
}

/* Where the operand's page is kept; false: nowhere. */
static bool find_place(const Translator *t, bool known_base, unsigned guest_base, unsigned *place)
{
    const Uop *op = t->op;
    unsigned reg = known_base ? guest_base : op->base < 16 ? op->base : op->index;

    *place = !known_base && op->seg != SOFT_SEG_NONE ? NEAR_SEGMENT : place_of(t->b->rip, reg);
    return *place == NEAR_SEGMENT || reg < 16;
}

/* SCRATCH_A: the address of the first byte. @f: the rest. */
static void check(Translator *t, FarCheck f, bool write)
{
    HostCode *c = &t->c;

    f.place = (uint16_t)(2 * f.place + write);
    host_alu_imm(c, 8, ALU_AND, host_reg(SCRATCH_A), -(int64_t)SOFT_PAGE | (f.size - 1));
    host_alu_load(c, 8, ALU_CMP, SCRATCH_A, tag_of(t, f.place));
    f.jump = host_jcc(c, HOST_CC_NE);
    f.slow = slow_jump(t, f.jump);
    host_load(c, 8, SCRATCH_B, addend_of(t, f.place));
    f.back = c->exec;
    t->far[t->far_count++] = f;
}

bool near_check(Translator *t, unsigned base, unsigned guest_base, int32_t disp, unsigned size,
                bool write)
{
    unsigned place;

    if (t->far_count == FAR_CHECKS || size > 8 || (size & (size - 1)) ||
        !find_place(t, base != HOST_NO_REG, guest_base, &place)) {
        return false;
    }
    if (base == HOST_NO_REG) {
        linear_address(t);
    } else if (disp != 0) {
        host_lea(&t->c, 8, SCRATCH_A, host_mem(base, disp));
    } else {
        host_mov_reg(&t->c, SCRATCH_A, base);
    }
    check(t,
          (FarCheck){ .op = t->op,
                      .base = (uint8_t)base,
                      .disp = disp,
                      .size = (uint8_t)size,
                      .place = (uint16_t)place },
          write);
    return true;
}

bool near_check_linear(Translator *t, unsigned size, bool write)
{
    unsigned place;

    if (t->far_count == FAR_CHECKS || !find_place(t, false, 0, &place)) {
        return false;
    }
    check(t, (FarCheck){ .linear = true, .size = (uint8_t)size, .place = (uint16_t)place }, write);
    return true;
}

/* SCRATCH_B: the address of the first byte, SCRATCH_A: that of the last one. */
static void far_address(Translator *t, const FarCheck *f)
{
    HostCode *c = &t->c;
    int32_t more = f->size - 1;

    if (f->base != HOST_NO_REG && !f->linear) {
        host_lea(c, 8, SCRATCH_B, host_mem(f->base, f->disp));
        host_lea(c, 8, SCRATCH_A, host_mem(f->base, f->disp + more));
        return;
    }
    t->op = f->op;
    if (f->linear) {
        host_load(c, 8, SCRATCH_A, host_mem(CPU_REG, CPU_OFF(address)));
    } else {
        linear_address(t);
    }
    host_mov_reg(c, SCRATCH_B, SCRATCH_A);
    host_lea(c, 8, SCRATCH_A, host_mem(SCRATCH_A, more));
}

/* The check of the TLB, and what it found is kept. */
static void emit_far(Translator *t, const FarCheck *f)
{
    HostCode *c = &t->c;
    bool write = f->place & 1;

    host_bind(c, f->jump);
    far_address(t, f);
    uint8_t *missed = tlb_look(t, write, false);
    const uint8_t *found = c->exec;
    host_store(c, 8, tag_of(t, f->place), SCRATCH_A);
    host_store(c, 8, addend_of(t, f->place), SCRATCH_B);
    host_store_imm(c, 1, near_member(t, offsetof(SoftNear, used)), 1);
    host_jmp_to(c, f->back);
    host_bind(c, missed);
    *f->slow = tlb_look(t, write, true);
    host_jmp_to(c, found);
}

void near_emit_tail(Translator *t)
{
    for (unsigned i = 0; i < t->far_count; i++) {
        emit_far(t, &t->far[i]);
    }
}
