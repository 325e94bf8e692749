/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/op-log.h"

#include <inttypes.h>

#include "accel/soft/translate/meaning.h"
#include "util/log.h"

static const char *meaning(const Uop *u)
{
    static const char *const names[] = {
        [SOFT_MEANS_NOTHING] = "nothing",   [SOFT_MEANS_ALU] = "alu",
        [SOFT_MEANS_TEST] = "test",         [SOFT_MEANS_UNARY] = "unary",
        [SOFT_MEANS_MOV] = "mov",           [SOFT_MEANS_WIDEN] = "widen",
        [SOFT_MEANS_LEA] = "lea",           [SOFT_MEANS_BSWAP] = "bswap",
        [SOFT_MEANS_XCHG] = "xchg",         [SOFT_MEANS_CONVERT] = "convert",
        [SOFT_MEANS_SHIFT] = "shift",       [SOFT_MEANS_IMUL] = "imul",
        [SOFT_MEANS_MULTIPLY] = "multiply", [SOFT_MEANS_SET] = "set",
        [SOFT_MEANS_CMOV] = "cmov",         [SOFT_MEANS_SCAN] = "scan",
        [SOFT_MEANS_BIT] = "bit",           [SOFT_MEANS_JCC] = "jcc",
        [SOFT_MEANS_JMP] = "jmp",           [SOFT_MEANS_GO_ON] = "go-on",
        [SOFT_MEANS_JMP_TO] = "jmp-to",     [SOFT_MEANS_CALL] = "call",
        [SOFT_MEANS_CALL_TO] = "call-to",   [SOFT_MEANS_RET] = "ret",
        [SOFT_MEANS_PUSH] = "push",         [SOFT_MEANS_POP] = "pop",
        [SOFT_MEANS_LEAVE] = "leave",       [SOFT_MEANS_XMM] = "xmm",
        [SOFT_MEANS_NATIVE] = "native",     [SOFT_MEANS_LOCKED] = "locked",
        [SOFT_MEANS_SWAP] = "swap",         [SOFT_MEANS_XADD] = "xadd",
        [SOFT_MEANS_CMPXCHG] = "cmpxchg",   [SOFT_MEANS_CLI] = "cli",
        [SOFT_MEANS_STI] = "sti",           [SOFT_MEANS_SWAPGS] = "swapgs",
        [SOFT_MEANS_PUSHF] = "pushf",
    };
    const SoftMeaning *m = soft_meaning_of(u->fn);

    return m && m->kind < G_N_ELEMENTS(names) && names[m->kind] ? names[m->kind] : "called";
}

static const char *flags(const SoftDecoder *d, unsigned i)
{
    static const char *const effects[] = {
        [SOFT_FX_READ] = "used",
        [SOFT_FX_NONE] = "kept",
        [SOFT_FX_WRITE] = "set",
    };
    bool dropped = d->effect[i] == SOFT_FX_WRITE && d->without_flags[i] == d->uops[i].fn;

    return dropped ? "dropped" : effects[d->effect[i]];
}

/* regs[base] + (regs[index] << scale) + disp, if there is anything of it. */
static void append_operand(GString *out, const Uop *u)
{
    if (u->base == REG_ZERO && u->index == REG_ZERO && !u->disp && u->seg == SOFT_SEG_NONE) {
        return;
    }
    g_string_append_printf(out, " [r%u", u->base);
    if (u->index != REG_ZERO) {
        g_string_append_printf(out, " + r%u * %u", u->index, 1u << u->scale);
    }
    g_string_append_printf(out, " %c %#" PRIx64, u->disp < 0 ? '-' : '+',
                           (uint64_t)ABS((int64_t)u->disp));
    if (u->seg != SOFT_SEG_NONE) {
        g_string_append_printf(out, " seg %u", u->seg);
    }
    g_string_append_c(out, ']');
}

void soft_log_ops(const SoftDecoder *d)
{
    g_autoptr(GString) out = g_string_new(NULL);

    soft_meanings_init();
    for (unsigned i = 0; i < d->count; i++) {
        const Uop *u = &d->uops[i];

        g_string_append_printf(
            out, "0x%08" PRIx64 ":  %-8s flags %-7s dst %u src %u size %u aux %#x",
            d->rip + u->pc_off, meaning(u), flags(d, i), u->dst, u->src, u->size, u->aux);
        g_string_append_printf(out, " imm %#" PRIx64, u->imm);
        append_operand(out, u);
        g_string_append_c(out, '\n');
    }
    log_printf("OP: 0x%08" PRIx64 "\n%s\n", d->rip, out->str);
}
