/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FPU state instructions that are plain copies, so that the image the guest sees never holds what
 * the host keeps there:
 *   FXSAVE FXSAVE64 FXRSTOR FXRSTOR64 LDMXCSR STMXCSR FWAIT MASKMOVDQU MASKMOVQ
 */
#include "accel/soft/access.h"
#include "accel/soft/mmu.h"
#include "accel/soft/native.h"
#include "accel/soft/uop.h"

#define FXSAVE_USED 416 /* bytes 416-511 are the guest's own or reserved: not written */

/* In the 32-bit format the pointers are 32 bits, followed by zero selectors. */
static void narrow_pointers(uint8_t *image)
{
    memset(image + FX_FIP + 4, 0, 4);
    memset(image + FX_FDP + 4, 0, 4);
}

static const Uop *fxsave(SoftCpu *s, const Uop *op)
{
    native_check_mmx(s, op);
    uint64_t addr = soft_addr(s, op);
    if (addr & 15) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint8_t image[FXSAVE_USED];
    memcpy(image, s->cpu.fxsave, sizeof(image));
    uint32_t mask = MXCSR_VALID;
    memcpy(image + FX_MXCSR_MASK, &mask, 4);
    if (!op->aux) {
        narrow_pointers(image);
    }
    soft_write(s, op, addr, image, sizeof(image));
    return op + 1;
}

static const Uop *fxrstor(SoftCpu *s, const Uop *op)
{
    native_check_mmx(s, op);
    uint64_t addr = soft_addr(s, op);
    if (addr & 15) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint8_t image[FXSAVE_USED];
    soft_read(s, op, addr, image, sizeof(image));
    uint32_t mxcsr;
    memcpy(&mxcsr, image + FX_MXCSR, 4);
    if (mxcsr & ~MXCSR_VALID) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (!op->aux) {
        narrow_pointers(image);
    }
    memcpy(s->cpu.fxsave, image, sizeof(image));
    native_fpu_summarize(&s->cpu);
    native_pending_done(s);
    return op + 1;
}

void native_load_mxcsr(SoftCpu *s, const Uop *op)
{
    uint32_t mxcsr = soft_load32(s, op, soft_addr(s, op));

    if (mxcsr & ~MXCSR_VALID) {
        soft_raise(s, op, EXC_GP, 0);
    }
    memcpy(s->cpu.fxsave + FX_MXCSR, &mxcsr, 4);
}

void native_store_mxcsr(SoftCpu *s, const Uop *op)
{
    uint32_t mxcsr;

    memcpy(&mxcsr, s->cpu.fxsave + FX_MXCSR, 4);
    soft_store32(s, op, soft_addr(s, op), mxcsr);
}

static const Uop *ldmxcsr(SoftCpu *s, const Uop *op)
{
    native_check_sse(s, op);
    native_load_mxcsr(s, op);
    return op + 1;
}

static const Uop *stmxcsr(SoftCpu *s, const Uop *op)
{
    native_check_sse(s, op);
    native_store_mxcsr(s, op);
    return op + 1;
}

static const Uop *fwait(SoftCpu *s, const Uop *op)
{
    if ((s->cpu.cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) {
        soft_raise(s, op, EXC_NM, -1);
    }
    native_pending(s, op);
    return op + 1;
}

void native_masked_store(SoftCpu *s, const Uop *op, const uint8_t *data, const uint8_t *mask,
                         unsigned element)
{
    uint64_t addr = soft_addr(s, op);

    soft_check_alignment(s, op, addr, op->size, s->mmu_mode);
    for (unsigned i = 0; i < op->size; i += element) {
        if (mask[i + element - 1] & 0x80) {
            soft_probe_write(s, op, addr + i, element);
        }
    }
    for (unsigned i = 0; i < op->size; i += element) {
        if (mask[i + element - 1] & 0x80) {
            soft_write(s, op, addr + i, data + i, element);
        }
    }
}

static const Uop *maskmovdqu(SoftCpu *s, const Uop *op)
{
    native_check_sse(s, op);
    native_masked_store(s, op, native_xmm(s, op->dst), native_xmm(s, op->src), 1);
    return op + 1;
}

/* Every MMX instruction makes the register stack begin at register 0 and all registers valid. The
 * image has the registers by their place in the stack, so that they turn. */
static void mmx_begin(SoftCpu *s)
{
    uint8_t *fx = s->cpu.fxsave, stack[8][16];
    unsigned top = fx[FX_FSW + 1] >> 3 & 7;
    memcpy(stack, fx + FX_ST, sizeof(stack));
    for (unsigned reg = 0; reg < 8; reg++) {
        memcpy(fx + FX_ST + 16 * reg, stack[(reg - top) & 7], 16);
    }
    fx[FX_FSW + 1] &= 0xc7;
    fx[FX_FTW] = 0xff;
}

static const Uop *maskmovq(SoftCpu *s, const Uop *op)
{
    native_check_mmx(s, op);
    native_pending(s, op);
    /* Of the registers as they will be, since a fault must leave the stack as it is. */
    unsigned top = s->cpu.fxsave[FX_FSW + 1] >> 3 & 7;
    uint8_t data[8], mask[8];
    memcpy(data, s->cpu.fxsave + FX_ST + 16 * ((op->dst - top) & 7), 8);
    memcpy(mask, s->cpu.fxsave + FX_ST + 16 * ((op->src - top) & 7), 8);
    native_masked_store(s, op, data, mask, 1);
    mmx_begin(s);
    return op + 1;
}

enum { FPU_FXSAVE, FPU_FXRSTOR, FPU_LDMXCSR, FPU_STMXCSR, FPU_WIDE = 0x100 };

static bool emit_memory(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { fxsave, fxrstor, ldmxcsr, stmxcsr };
    Uop *u = soft_emit_mem(d, in, fns[d->arg & 0xff], &in->ops[0]);
    u->aux = d->arg >= FPU_WIDE;
    return true;
}

static bool emit_fwait(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit(d, in, fwait);
    return true;
}

static bool emit_masked(SoftDecoder *d, const SoftInsn *in)
{
    bool mmx = in->raw.mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
    ZydisRegister first = mmx ? ZYDIS_REGISTER_MM0 : ZYDIS_REGISTER_XMM0;
    for (unsigned i = 0; i < in->raw.operand_count; i++) {
        if (in->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            Uop *u = soft_emit_mem(d, in, mmx ? maskmovq : maskmovdqu, &in->ops[i]);
            u->dst = in->ops[0].reg.value - first;
            u->src = in->ops[1].reg.value - first;
            u->size = mmx ? 8 : 16;
            return true;
        }
    }
    return false;
}

const SoftFamilyEntry soft_family_fpu[] = {
    { ZYDIS_MNEMONIC_FXSAVE, emit_memory, FPU_FXSAVE },
    { ZYDIS_MNEMONIC_FXSAVE64, emit_memory, FPU_FXSAVE | FPU_WIDE },
    { ZYDIS_MNEMONIC_FXRSTOR, emit_memory, FPU_FXRSTOR },
    { ZYDIS_MNEMONIC_FXRSTOR64, emit_memory, FPU_FXRSTOR | FPU_WIDE },
    { ZYDIS_MNEMONIC_LDMXCSR, emit_memory, FPU_LDMXCSR },
    { ZYDIS_MNEMONIC_STMXCSR, emit_memory, FPU_STMXCSR },
    { ZYDIS_MNEMONIC_FWAIT, emit_fwait, 0 },
    { ZYDIS_MNEMONIC_MASKMOVDQU, emit_masked, 0 },
    { ZYDIS_MNEMONIC_MASKMOVQ, emit_masked, 0 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
