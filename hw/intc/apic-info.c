/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC's state in words, for monitors.
 */
#include <inttypes.h>

#include "hw/intc/apic-internal.h"
#include "util/timer.h"

static const char *const mode_names[8] = {
    [APIC_FIXED] = "Fixed",  [APIC_LOWEST_PRIORITY] = "LowPri",
    [APIC_SMI] = "SMI",      [3] = "?",
    [APIC_NMI] = "NMI",      [APIC_INIT] = "INIT",
    [APIC_STARTUP] = "SIPI", [APIC_EXTINT] = "ExtINT",
};

static const char *const lvt_names[LVT_COUNT] = {
    [LVT_TIMER] = "LVTT", [LVT_THERMAL] = "LVTTHMR", [LVT_PERF] = "LVTPC",
    [LVT_LINT0] = "LVT0", [LVT_LINT1] = "LVT1",      [LVT_ERROR] = "LVTERR",
};

static void describe_lvt(const Apic *apic, ApicLvt which, GString *out)
{
    static const char *const timer_modes[4] = { "one-shot", "periodic", "tsc-deadline", "?" };
    uint32_t lvt = apic->lvt[which];

    g_string_append_printf(out, "%-8s 0x%08x active-%s %-5s %-6s %-12s %s (vec %u)\n",
                           lvt_names[which], lvt, lvt & 1u << 13 ? "lo" : "hi",
                           lvt & LVT_LEVEL ? "level" : "edge", lvt & LVT_MASKED ? "masked" : "",
                           which == LVT_TIMER ? timer_modes[lvt >> LVT_TIMER_MODE_SHIFT & 3] : "",
                           which == LVT_TIMER || which == LVT_ERROR
                               ? mode_names[APIC_FIXED]
                               : mode_names[lvt >> LVT_MODE_SHIFT & 7],
                           lvt & 0xff);
}

static void describe_vectors(const char *name, const uint32_t bits[8], const uint32_t levels[8],
                             GString *out)
{
    bool any = false;

    g_string_append_printf(out, "%-8s", name);
    for (unsigned v = 0; v < 256; v++) {
        if (bits[v / 32] >> (v % 32) & 1) {
            bool level = levels[v / 32] >> (v % 32) & 1;

            g_string_append_printf(out, " %u%s", v, level ? " (level)" : "");
            any = true;
        }
    }
    g_string_append(out, any ? "\n" : " (none)\n");
}

static void describe_icr(const Apic *apic, GString *out)
{
    static const char *const shorthands[4] = { "no-shorthand", "self", "all", "all-but-self" };
    uint32_t low = (uint32_t)apic->icr, high = (uint32_t)(apic->icr >> 32);
    uint32_t dest = apic_is_x2(apic) ? high : high >> 24;

    g_string_append_printf(out, "ICR      0x%08x %s %s %s %s %s (vec %u)\n", low,
                           low & 1u << 11 ? "logical" : "physical",
                           low & 1u << 15 ? "level" : "edge",
                           low & 1u << 14 ? "assert" : "de-assert", shorthands[low >> 18 & 3],
                           mode_names[low >> 8 & 7], low & 0xff);
    g_string_append_printf(out, "ICR2     0x%08x destination %u\n", high, dest);
}

void apic_describe(const Apic *apic, GString *out)
{
    unsigned divide = 1u << (((apic->divide & 3) + (apic->divide >> 1 & 4) + 1) & 7);

    g_string_append_printf(out, "local APIC of CPU %u: id %u, %s\n", apic->cpu->index,
                           apic->cpu->apic_id,
                           !apic_enabled(apic) ? "off"
                           : apic_is_x2(apic)  ? "x2APIC mode"
                                               : "xAPIC mode");
    for (ApicLvt which = 0; which < LVT_COUNT; which++) {
        describe_lvt(apic, which, out);
    }
    g_string_append_printf(
        out, "Timer    DCR=0x%x (divide by %u) initial_count = %u current_count = %u\n",
        apic->divide, divide, apic->initial_count, apic_timer_count(apic));
    if (apic_timer_deadline(apic)) {
        g_string_append_printf(out, "         tsc-deadline = %" PRIu64 "\n",
                               apic_timer_deadline(apic));
    }
    g_string_append_printf(out, "SPIV     0x%08x APIC %s, spurious vec %u\n", apic->svr,
                           apic->svr & SVR_ENABLE ? "enabled" : "disabled", apic->svr & 0xff);
    describe_icr(apic, out);
    g_string_append_printf(out, "ESR      0x%08x\n", apic->esr);
    describe_vectors("ISR", apic->isr, apic->tmr, out);
    describe_vectors("IRR", apic->irr, apic->tmr, out);
    g_string_append_printf(out, "TPR 0x%02x PPR 0x%02x LDR 0x%08x DFR 0x%08x\n", apic->tpr,
                           apic_ppr(apic), apic->ldr, apic->dfr);
}
