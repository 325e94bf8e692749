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

/* Where the operand's page is kept; false: nowhere. */
static bool find_place(const Uop *op, bool known_base, unsigned guest_base, unsigned *place)
{
    if (known_base) {
        *place = guest_base;
    } else if (op->seg != SOFT_SEG_NONE) {
        *place = SOFT_NEAR_SEGMENT;
    } else {
        *place = op->base < 16 ? op->base : op->index;
    }
    return *place < SOFT_NEAR_PLACES;
}

bool near_check(Translator *t, unsigned base, unsigned guest_base, int32_t disp, unsigned size,
                bool write)
{
    HostCode *c = &t->c;
    unsigned place;

    if (t->far_count == FAR_CHECKS || size > 8 || (size & (size - 1)) ||
        !find_place(t->op, base != HOST_NO_REG, guest_base, &place)) {
        return false;
    }
    place = 2 * place + write;
    if (base == HOST_NO_REG) {
        linear_address(t);
    } else if (disp != 0) {
        host_lea(c, 8, SCRATCH_A, host_mem(base, disp));
    } else {
        host_mov_reg(c, SCRATCH_A, base);
    }
    host_alu_imm(c, 8, ALU_AND, host_reg(SCRATCH_A), -(int64_t)SOFT_PAGE | (size - 1));
    host_alu_load(c, 8, ALU_CMP, SCRATCH_A, tag_of(t, place));
    uint8_t *jump = host_jcc(c, HOST_CC_NE), **slow = slow_jump(t, jump);
    host_load(c, 8, SCRATCH_B, addend_of(t, place));
    t->far[t->far_count++] = (FarCheck){
        .jump = jump,
        .back = c->exec,
        .slow = slow,
        .op = t->op,
        .base = (uint8_t)base,
        .disp = disp,
        .size = (uint8_t)size,
        .place = (uint8_t)place,
    };
    return true;
}

/* The check of the TLB, and what it found is kept. */
static void emit_far(Translator *t, const FarCheck *f)
{
    HostCode *c = &t->c;
    bool write = f->place & 1;
    int32_t more = f->size - 1;

    host_bind(c, f->jump);
    t->op = f->op;
    if (f->base == HOST_NO_REG) {
        linear_address(t);
        host_mov_reg(c, SCRATCH_B, SCRATCH_A);
        host_lea(c, 8, SCRATCH_A, host_mem(SCRATCH_A, more));
    } else {
        host_lea(c, 8, SCRATCH_B, host_mem(f->base, f->disp));
        host_lea(c, 8, SCRATCH_A, host_mem(f->base, f->disp + more));
    }
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
