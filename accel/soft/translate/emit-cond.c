/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SETcc and CMOVcc. */
#include "accel/soft/translate/emit.h"

bool host_emit_set(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned dst = 0;
    HostRm rm;

    if (m->form == SOFT_M ? !memory_possible(t) : !guest_reg(op->dst, 1, &dst)) {
        return false;
    }
    if (m->form == SOFT_M) {
        rm = memory_operand(t, 1, true);
        memory_scratch(t, &rm); /* A is needed for flags */
    } else {
        rm = guest_rm(dst);
    }
    flags_load(t);
    host_insn(&t->c, 1, 0x0f90 | m->cc, 0, rm);
    return true;
}

/* The source is always read, and a false condition still clears the upper half of a 32-bit
 * destination: as the host's does. */
bool host_emit_cmov(Translator *t, const Uop *op, const SoftMeaning *m)
{
    HostRm rm;

    if (m->form == SOFT_RM && !memory_possible(t)) {
        return false;
    }
    if (m->form == SOFT_RM) {
        rm = memory_operand(t, m->size, false);
        host_load(&t->c, m->size, SCRATCH_B, rm);
        rm = host_reg(SCRATCH_B);
    } else {
        rm = guest_rm(op->src);
    }
    flags_load(t);
    unsigned dst = guest_change(t, op->dst, SCRATCH_A);
    host_insn(&t->c, m->size, 0x0f40 | m->cc, dst, rm);
    guest_write(t, op->dst, dst);
    return true;
}
