/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMRUN VMLOAD VMSAVE VMMCALL STGI CLGI INVLPGA (APM vol. 3). SKINIT is not offered, and #UD. And
 * VMCALL, which is Intel's VMMCALL (SDM vol. 3 chapter 31): for Hyper-V's interface.
 */
#include "accel/soft/decode.h"
#include "accel/soft/hyperv.h"
#include "accel/soft/segment.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"

/* A handler of SMIs has none, also where EFER is not among what it finds cleared (the map of
 * processors without long mode). */
static void need_svm(SoftCpu *s, const Uop *op)
{
    if (!(s->cpu.efer & EFER_SVME) || s->cpu.smm || !soft_protected(s)) {
        soft_raise(s, op, EXC_UD, -1);
    }
    if (soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

static void intercept(SoftCpu *s, const Uop *op, unsigned code)
{
    if (x86_svm_intercepts(&s->cpu, code)) {
        soft_svm_raise(s, op, code, 0, 0);
    }
}

/* Of the VMCB, in rAX; its alignment and range are checked before the intercept. */
static hwaddr vmcb_address(SoftCpu *s, const Uop *op, unsigned code)
{
    need_svm(s, op);
    hwaddr addr = soft_get(s, X86_RAX, op->size);
    if (addr % SOFT_PAGE || addr >> s->cpu.model.phys_bits) {
        soft_raise(s, op, EXC_GP, 0);
    }
    intercept(s, op, code);
    return addr;
}

static uint64_t next_rip(const SoftCpu *s, const Uop *op)
{
    uint64_t next = soft_op_rip(s, op) + op->len;

    return s->mode_key & SOFT_KEY_CODE64 ? next : (uint32_t)next;
}

static const Uop *run_vmrun(SoftCpu *s, const Uop *op)
{
    hwaddr addr = vmcb_address(s, op, SVM_EXIT_VMRUN);

    if (!soft_svm_enter(s, addr, next_rip(s, op))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return NULL;
}

static const Uop *run_vmload(SoftCpu *s, const Uop *op)
{
    if (!soft_svm_load(s, vmcb_address(s, op, SVM_EXIT_VMLOAD))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return op + 1;
}

static const Uop *run_vmsave(SoftCpu *s, const Uop *op)
{
    if (!soft_svm_save(s, vmcb_address(s, op, SVM_EXIT_VMSAVE))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return op + 1;
}

/* Without a host that wants it, and without Hyper-V's interface, it is no instruction. */
static const Uop *run_vmmcall(SoftCpu *s, const Uop *op)
{
    intercept(s, op, SVM_EXIT_VMMCALL);
    if (s->cpu.svm.guest || !soft_hv_call(s, true)) {
        soft_raise(s, op, EXC_UD, -1);
    }
    return op + 1;
}

static const Uop *run_vmcall(SoftCpu *s, const Uop *op)
{
    if (s->cpu.svm.guest || !soft_hv_call(s, false)) {
        soft_raise(s, op, EXC_UD, -1);
    }
    return op + 1;
}

static const Uop *run_stgi(SoftCpu *s, const Uop *op)
{
    need_svm(s, op);
    intercept(s, op, SVM_EXIT_STGI);
    s->cpu.svm.gif_clear = false;
    return op + 1;
}

static const Uop *run_clgi(SoftCpu *s, const Uop *op)
{
    need_svm(s, op);
    intercept(s, op, SVM_EXIT_CLGI);
    s->cpu.svm.gif_clear = true;
    return op + 1;
}

/* Of whatever ASID: entries of others than the present one are gone anyway. */
static const Uop *run_invlpga(SoftCpu *s, const Uop *op)
{
    need_svm(s, op);
    intercept(s, op, SVM_EXIT_INVLPGA);
    uint64_t addr = soft_get(s, X86_RAX, op->size);
    if (soft_canonical(addr)) {
        soft_tlb_flush_page(s, addr);
    }
    return op + 1;
}

static bool emit(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { run_vmrun, run_vmload, run_vmsave,  run_vmmcall,
                                  run_stgi,  run_clgi,   run_invlpga, run_vmcall };
    Uop *u = soft_emit(d, in, fns[d->arg]);

    u->size = (uint8_t)(in->raw.address_width / 8);
    soft_end_block(d, in);
    return true;
}

const SoftFamilyEntry soft_family_svm[] = {
    { ZYDIS_MNEMONIC_VMRUN, emit, 0 },   { ZYDIS_MNEMONIC_VMLOAD, emit, 1 },
    { ZYDIS_MNEMONIC_VMSAVE, emit, 2 },  { ZYDIS_MNEMONIC_VMMCALL, emit, 3 },
    { ZYDIS_MNEMONIC_STGI, emit, 4 },    { ZYDIS_MNEMONIC_CLGI, emit, 5 },
    { ZYDIS_MNEMONIC_INVLPGA, emit, 6 }, { ZYDIS_MNEMONIC_VMCALL, emit, 7 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
