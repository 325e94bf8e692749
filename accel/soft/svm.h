/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AMD's secure virtual machine on the software CPU (APM vol. 2 chapter 15): what the other files
 * call while a guest runs, all of it by the vCPU's own thread in its read section.
 *
 * Code of a guest has blocks of its own (SOFT_KEY_SVM): in front of each instruction that can be
 * intercepted stands a micro-operation that asks. So nothing is asked where no guest runs. Every
 * world switch drops the TLB.
 */
#ifndef ACCEL_SOFT_SVM_H
#define ACCEL_SOFT_SVM_H

#include "accel/soft/interrupt.h"
#include "accel/soft/soft.h"
#include "accel/soft/task.h"
#include "memory/address-space.h"
#include "target/i386/svm.h"

/* In place of a vector, for soft_raise(): a #VMEXIT by SoftCpu.svm_exit. */
#define SOFT_VMEXIT (-2)

/* ---- leaving (svm.c) ---- */

/* From a micro-operation: a #VMEXIT at @op's instruction (NULL: at cpu.rip), of which nothing has
 * happened. */
_Noreturn void soft_svm_raise(SoftCpu *s, const Uop *op, uint64_t code, uint64_t info1,
                              uint64_t info2);
/* Between instructions: cpu.rip is the host's then. */
void soft_svm_exit(SoftCpu *s, uint64_t code, uint64_t info1, uint64_t info2);
/* s->fault is a #VMEXIT, or intercepted: then the host runs. */
bool soft_svm_fault(SoftCpu *s);
/* Exception @vector is about to be delivered: the same. @error_code -1: none. */
bool soft_svm_exception(SoftCpu *s, unsigned vector, int64_t error_code);
/* An event as EXITINTINFO tells of it. */
uint64_t soft_svm_describe(unsigned vector, SoftEvent event, int64_t error_code);
/* Before the next instruction: deliver what VMRUN was told to inject, or leave for INIT. True: the
 * engine's turn is over. */
bool soft_svm_turn(SoftCpu *s);
/* One of the interrupts @pending is taken: leave, or deliver a virtual one. False: it is the
 * guest's to be delivered as usual. */
bool soft_svm_take_interrupt(SoftCpu *s, uint32_t pending);

/* ---- entering (svm-switch.c) ---- */

/* The page of RAM at @addr, which the guest may write, in host memory; or NULL. */
void *soft_svm_page(const SoftCpu *s, hwaddr addr);
/* It was written. */
void soft_svm_page_written(const SoftCpu *s, hwaddr addr);
/* VMRUN: the guest of the VMCB at @addr runs, or it was refused and the host goes on, behind VMRUN,
 * at @next. False: the VMCB is in no RAM. */
bool soft_svm_enter(SoftCpu *s, hwaddr addr, uint64_t next);
/* Save the guest's state to its VMCB, if that is still there, and load the host's. */
void soft_svm_leave(SoftCpu *s, uint64_t code, uint64_t info1, uint64_t info2, uint64_t next_rip,
                    bool shadow);
/* FS, GS, TR, LDTR and the MSRs of system calls. False: @addr is no RAM, or (VMLOAD) holds what
 * cannot be. */
bool soft_svm_load(SoftCpu *s, hwaddr addr);
bool soft_svm_save(SoftCpu *s, hwaddr addr);

/* ---- intercepts (svm-intercept.c) ---- */

/* Emit what asks before @in, if it can be intercepted by its mnemonic. */
void soft_svm_emit_check(SoftDecoder *d, const SoftInsn *in);
/* A guest's IN, OUT, INS, OUTS, whose rights are checked; @info: SVM_IO_* without port and size. */
void soft_svm_check_io(SoftCpu *s, const Uop *op, unsigned port, uint32_t info);
void soft_svm_check_msr(SoftCpu *s, const Uop *op, bool write);
void soft_svm_check_task(SoftCpu *s, const Uop *op, const SoftTaskSwitch *to);

/* ---- nested paging (svm-npt.c) ---- */

/* Where the guest-physical page of @addr is, by the nested page tables (section 15.25), setting
 * their accessed and dirty bits. @walk: it is accessed by the walk of the guest's page tables.
 * False: SoftCpu.svm_exit tells of the #VMEXIT, for soft_svm_raise_nested(). */
bool soft_svm_nested_walk(SoftCpu *s, uint64_t addr, SoftAccess access, bool walk, hwaddr *phys,
                          bool *write, bool *fetch);
static inline bool soft_svm_nested(const SoftCpu *s)
{
    return s->cpu.svm.nested_paging;
}
/* Did the last walk fail by the nested page tables? Then raise the #VMEXIT. */
_Noreturn void soft_svm_raise_nested(SoftCpu *s, const Uop *op);
static inline bool soft_svm_nested_fault(const SoftCpu *s)
{
    return s->cpu.svm.nested_paging && s->svm_exit.code == SVM_EXIT_NPF;
}

extern const SoftFamilyEntry soft_family_svm[]; /* svm-insn.c */

#endif
