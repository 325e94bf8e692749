/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/i386/hyperv.h"

#include "target/i386/cpu.h"

bool x86_hv_is_asked(const X86CpuModel *model)
{
    return (model->features[X86_FEAT_HV] || model->hv_spinlocks) &&
           x86_cpu_model_has(model, X86_FEAT_1_ECX, CPUID_1_ECX_HYPERVISOR);
}

bool x86_hv_is_on(const X86Cpu *cpu)
{
    return cpu->hv && x86_hv_is_asked(&cpu->model);
}

bool x86_hv_has(const X86Cpu *cpu, uint32_t bit)
{
    return x86_hv_is_on(cpu) && x86_cpu_model_has(&cpu->model, X86_FEAT_HV, bit);
}

/* What an enlightenment sets in leaves 0x40000003 and 0x40000004. */
static const struct {
    uint32_t bit;
    uint32_t privileges; /* EAX of 3 */
    uint32_t misc;       /* EDX of 3 */
    uint32_t hints;      /* EAX of 4 */
} told[] = {
    { X86_HV_RELAXED, 0, 0, 1u << 5 },
    { X86_HV_VAPIC, 1u << 4, 0, 1u << 3 },
    { X86_HV_VPINDEX, 1u << 6, 0, 0 },
    { X86_HV_RUNTIME, 1u << 0, 0, 0 },
    { X86_HV_TIME, 1u << 1 | 1u << 9, 0, 0 },
    { X86_HV_RESET, 1u << 7, 0, 0 },
    { X86_HV_FREQUENCIES, 1u << 11, 1u << 8, 0 },
    { X86_HV_CRASH, 0, 1u << 10, 0 },
};
#define PRIVILEGE_HYPERCALL (1u << 5) /* GUEST_OS_ID and HYPERCALL: always */

static void leaf_vendor(const X86Cpu *cpu, X86CpuidRegs *r)
{
    const char *vendor = cpu->model.hv_vendor[0] ? cpu->model.hv_vendor : X86_HV_VENDOR;
    char text[12] = { 0 };

    memcpy(text, vendor, MIN(strlen(vendor), sizeof(text)));
    r->eax = 0x40000006;
    memcpy(&r->ebx, text, 4);
    memcpy(&r->ecx, text + 4, 4);
    memcpy(&r->edx, text + 8, 4);
}

static void leaf_interface(const X86Cpu *cpu, X86CpuidRegs *r)
{
    memcpy(&r->eax, "Hv#1", 4);
}

/* The version of a hypervisor that has what is told here: build, major and minor number. */
static void leaf_version(const X86Cpu *cpu, X86CpuidRegs *r)
{
    r->eax = 14393;
    r->ebx = 10u << 16;
}

static void leaf_features(const X86Cpu *cpu, X86CpuidRegs *r)
{
    r->eax = PRIVILEGE_HYPERCALL;
    for (size_t i = 0; i < G_N_ELEMENTS(told); i++) {
        if (x86_hv_has(cpu, told[i].bit)) {
            r->eax |= told[i].privileges;
            r->edx |= told[i].misc;
        }
    }
}

static void leaf_hints(const X86Cpu *cpu, X86CpuidRegs *r)
{
    for (size_t i = 0; i < G_N_ELEMENTS(told); i++) {
        r->eax |= x86_hv_has(cpu, told[i].bit) ? told[i].hints : 0;
    }
    r->ebx = cpu->model.hv_spinlocks ? cpu->model.hv_spinlocks : X86_HV_SPINLOCKS_NEVER;
}

static void leaf_limits(const X86Cpu *cpu, X86CpuidRegs *r)
{
    r->eax = r->ebx = cpu->hv->vp_count; /* virtual processors, logical ones */
}

void x86_hv_cpuid(const X86Cpu *cpu, uint32_t leaf, X86CpuidRegs *r)
{
    static void (*const leaves[])(const X86Cpu *cpu, X86CpuidRegs *r) = {
        leaf_vendor, leaf_interface, leaf_version, leaf_features, leaf_hints, leaf_limits,
    };
    uint32_t i = leaf - 0x40000000;

    if (x86_hv_is_on(cpu) && i < G_N_ELEMENTS(leaves)) {
        leaves[i](cpu, r);
    }
}
