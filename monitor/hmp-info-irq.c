/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `info irq`, `info pic`, `info lapic`: interrupt controllers.
 */
#include <inttypes.h>

#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "hw/intc/apic.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "monitor/hmp.h"
#include "util/parse.h"

static void print_counts(Hmp *hmp, const char *name, const uint64_t *counts, unsigned lines)
{
    hmp_printf(hmp, "IRQ statistics for %s:\n", name);
    for (unsigned i = 0; i < lines; i++) {
        if (counts[i]) {
            hmp_printf(hmp, "%2u: %" PRIu64 "\n", i, counts[i]);
        }
    }
}

void hmp_info_irq(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) ioapics = object_list_type(TYPE_IOAPIC);
    g_autoptr(GPtrArray) pics = object_list_type(TYPE_I8259);

    for (guint i = 0; i < ioapics->len; i++) {
        print_counts(hmp, TYPE_IOAPIC, ioapic_counts(IOAPIC(ioapics->pdata[i])), IOAPIC_PINS);
    }
    for (guint i = 0; i < pics->len; i++) {
        print_counts(hmp, TYPE_I8259, i8259_counts(I8259_DEVICE(pics->pdata[i])), 16);
    }
}

void hmp_info_pic(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) ioapics = object_list_type(TYPE_IOAPIC);
    g_autoptr(GPtrArray) pics = object_list_type(TYPE_I8259);

    for (guint i = 0; i < ioapics->len; i++) {
        ioapic_describe(IOAPIC(ioapics->pdata[i]), hmp->out);
    }
    for (guint i = 0; i < pics->len; i++) {
        i8259_describe(I8259_DEVICE(pics->pdata[i]), hmp->out);
    }
}

void hmp_info_lapic(Hmp *hmp, char **argv)
{
    const Machine *machine = machine_current();
    uint64_t id;

    if (!argv[0]) {
        X86Cpu *cpu = hmp_cpu(hmp);

        if (cpu) {
            apic_describe(cpu->apic, hmp->out);
        }
        return;
    }
    if (!parse_uint(argv[0], UINT32_MAX, &id)) {
        hmp_printf(hmp, "Error: APIC-ID: '%s' is not a number\n", argv[0]);
        return;
    }
    const X86Cpu *cpu;
    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        if (cpu->apic_id == id) {
            apic_describe(cpu->apic, hmp->out);
            return;
        }
    }
    hmp_printf(hmp, "Error: APIC-ID: there is no local APIC with the number %s\n", argv[0]);
}
