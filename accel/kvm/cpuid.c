/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID: what KVM supports, cut to what the model has. Topology and the leaves of named models come
 * from x86_cpuid(); what only the host can know (caches of "host", XSAVE areas) from KVM's list.
 */
#include <asm/kvm_para.h>
#include <cpuid.h>
#include <errno.h>
#include <string.h>

#include "accel/kvm/kvm-internal.h"
#include "target/i386/cpu-features.h"
#include "util/error.h"

#define SIGNATURE   "KVMKVMKVM\0\0\0"
#define MAX_ENTRIES 256

static struct kvm_cpuid2 *supported;

/* What is not offered: nested virtualisation, performance counters, SGX, AMX, processor trace, CET
 * and what KVM itself sets (OSXSAVE, OSPKE). */
static const uint32_t hidden[X86_FEAT_WORDS] = {
    [X86_FEAT_1_EDX] = 1u << 28,
    [X86_FEAT_1_ECX] = 1u << 3 | 1u << 5 | 1u << 15 | 1u << 27,
    [X86_FEAT_7_EBX] = 1u << 2 | 1u << 25,
    [X86_FEAT_7_ECX] = 1u << 4 | 1u << 7 | 1u << 30,
    [X86_FEAT_7_EDX] = 1u << 18 | 1u << 20 | 1u << 22 | 1u << 24 | 1u << 25,
    [X86_FEAT_EXT1_ECX] = 1u << 1 | 1u << 2 | 1u << 22 | 1u << 23 | 1u << 24 | 1u << 28,
    [X86_FEAT_7_1_EAX] = 1u << 21,
    [X86_FEAT_D_1_EAX] = 1u << 4,
    [X86_FEAT_SVM_EDX] = UINT32_MAX,
};

static const struct kvm_cpuid_entry2 *find(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < supported->nent; i++) {
        const struct kvm_cpuid_entry2 *e = &supported->entries[i];

        if (e->function == leaf &&
            (e->index == subleaf || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX))) {
            return e;
        }
    }
    return NULL;
}

static uint32_t entry_reg(const struct kvm_cpuid_entry2 *e, unsigned reg)
{
    const uint32_t regs[4] = { e->eax, e->ebx, e->ecx, e->edx };

    return regs[reg];
}

/* ---- what can be offered ---- */

static bool read_supported(GError **errp)
{
    int ret;

    supported = g_malloc0(sizeof(*supported) + MAX_ENTRIES * sizeof(supported->entries[0]));
    supported->nent = MAX_ENTRIES;
    ret = kvm_ioctl(kvm_vm.dev_fd, KVM_GET_SUPPORTED_CPUID, supported);
    if (ret < 0) {
        error_set_errno(errp, -ret, "KVM does not say which CPUID it supports");
    }
    return ret >= 0;
}

/* Features that depend on who has the local APIC. */
static void add_apic_features(X86CpuHost *host)
{
    uint32_t *ecx = &host->features[X86_FEAT_1_ECX], *pv = &host->features[X86_FEAT_KVM_EAX];
    uint32_t in_kernel = CPUID_1_ECX_X2APIC | CPUID_1_ECX_DEADLINE;

    if (kvm_vm.irqchip == KVM_IRQCHIP_OFF) {
        *ecx &= ~in_kernel;
        *pv &= ~(1u << KVM_FEATURE_PV_EOI | 1u << KVM_FEATURE_PV_UNHALT |
                 1u << KVM_FEATURE_PV_SEND_IPI | 1u << KVM_FEATURE_PV_SCHED_YIELD |
                 1u << KVM_FEATURE_ASYNC_PF | 1u << KVM_FEATURE_ASYNC_PF_VMEXIT |
                 1u << KVM_FEATURE_ASYNC_PF_INT);
    } else {
        *ecx |= CPUID_1_ECX_X2APIC;
        *ecx |= kvm_check(KVM_CAP_TSC_DEADLINE_TIMER) ? CPUID_1_ECX_DEADLINE : 0;
    }
    /* Our I/O APIC and MSIs have 8 bits of destination. */
    *pv &= ~(1u << KVM_FEATURE_MSI_EXT_DEST_ID);
}

/* Family, model and stepping from leaf 1 (SDM vol. 2, CPUID, figure 3-6). */
static void set_signature(X86CpuHost *host, uint32_t eax)
{
    unsigned family = eax >> 8 & 15;

    host->family = family == 15 ? family + (eax >> 20 & 0xff) : family;
    host->model = (eax >> 4 & 15) | (family == 15 || family == 6 ? eax >> 12 & 0xf0 : 0);
    host->stepping = eax & 15;
}

static void read_host(X86CpuHost *host)
{
    unsigned eax, ebx, ecx, edx;

    __cpuid(0, eax, ebx, ecx, edx);
    memcpy(host->vendor, &ebx, 4);
    memcpy(host->vendor + 4, &edx, 4);
    memcpy(host->vendor + 8, &ecx, 4);
    __cpuid(1, eax, ebx, ecx, edx);
    set_signature(host, eax);
    for (unsigned i = 0; i < 3; i++) {
        if (__get_cpuid(0x80000002 + i, &eax, &ebx, &ecx, &edx)) {
            const uint32_t part[4] = { eax, ebx, ecx, edx };
            memcpy(host->brand + 16 * i, part, sizeof(part));
        }
    }
    host->brand[sizeof(host->brand) - 1] = 0;
}

/* MONITOR and MWAIT, which KVM offers to nobody by itself: they are of use where it does not catch
 * them. */
static uint32_t idle_features(void)
{
    unsigned eax, ebx, ecx, edx;

    return kvm_vm.idle_in_guest & KVM_X86_DISABLE_EXITS_MWAIT &&
                   __get_cpuid(1, &eax, &ebx, &ecx, &edx)
               ? ecx & CPUID_1_ECX_MONITOR
               : 0;
}

bool kvm_cpuid_init(GError **errp)
{
    X86CpuHost host = { 0 };

    if (!read_supported(errp)) {
        return false;
    }
    read_host(&host);
    for (unsigned w = 0; w < X86_FEAT_WORDS; w++) {
        X86FeaturePlace place = x86_feature_place((X86FeatureWord)w);
        const struct kvm_cpuid_entry2 *e = place.leaf ? find(place.leaf, place.subleaf) : NULL;

        host.features[w] = e ? entry_reg(e, place.reg) & ~hidden[w] : 0;
    }
    host.features[X86_FEAT_1_ECX] |= CPUID_1_ECX_HYPERVISOR | idle_features();
    host.features[X86_FEAT_6_EAX] = CPUID_6_EAX_ARAT;
    host.features[X86_FEAT_ARCH_CAP] = (uint32_t)kvm_msr_feature(MSR_ARCH_CAPABILITIES);
    /* AMD repeats features of leaf 1 here; x86_cpuid() does that from the model's. */
    host.features[X86_FEAT_EXT1_EDX] &= ~0x0183f3ffu;
    add_apic_features(&host);
    x86_cpu_set_host(&host);
    return true;
}

void kvm_cpuid_cleanup(void)
{
    g_clear_pointer(&supported, g_free);
    x86_cpu_set_host(NULL);
}

/* ---- the leaves of a CPU ---- */

static void add(struct kvm_cpuid2 *out, uint32_t leaf, uint32_t subleaf, uint32_t flags,
                X86CpuidRegs regs)
{
    if (out->nent < MAX_ENTRIES) {
        out->entries[out->nent++] = (struct kvm_cpuid_entry2){
            .function = leaf,
            .index = subleaf,
            .flags = flags,
            .eax = regs.eax,
            .ebx = regs.ebx,
            .ecx = regs.ecx,
            .edx = regs.edx,
        };
    }
}

/* As x86_cpuid() has it. */
static void add_ours(struct kvm_cpuid2 *out, const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf,
                     uint32_t flags)
{
    X86CpuidRegs regs;

    x86_cpuid(cpu, leaf, subleaf, &regs);
    add(out, leaf, subleaf, flags, regs);
}

/* State components that the model's features use (SDM vol. 1 section 13.1). */
static uint64_t xsave_components(const X86CpuModel *m)
{
    uint64_t mask = 3;

    mask |= x86_cpu_model_has(m, X86_FEAT_1_ECX, CPUID_1_ECX_AVX) ? 1u << 2 : 0;
    mask |= x86_cpu_model_has(m, X86_FEAT_7_EBX, 1u << 14) ? 3u << 3 : 0;
    mask |= x86_cpu_model_has(m, X86_FEAT_7_EBX, CPUID_7_EBX_AVX512F) ? 7u << 5 : 0;
    mask |= x86_cpu_model_has(m, X86_FEAT_7_ECX, CPUID_7_ECX_PKU) ? 1u << 9 : 0;
    return mask;
}

static void add_xsave(struct kvm_cpuid2 *out, const X86CpuModel *m)
{
    const struct kvm_cpuid_entry2 *e = find(0xd, 0);
    uint32_t end = 576; /* the legacy area and the header */
    uint64_t mask;

    if (!e || !x86_cpu_model_has(m, X86_FEAT_1_ECX, CPUID_1_ECX_XSAVE)) {
        return;
    }
    mask = xsave_components(m) & e->eax;
    for (unsigned i = 2; i < 32; i++) {
        const struct kvm_cpuid_entry2 *c = mask >> i & 1 ? find(0xd, i) : NULL;

        if (c) {
            end = MAX(end, c->eax + c->ebx);
            add(out, 0xd, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
                (X86CpuidRegs){ c->eax, c->ebx, c->ecx, c->edx });
        }
    }
    add(out, 0xd, 0, KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        (X86CpuidRegs){ (uint32_t)mask, end, end, 0 });
    add(out, 0xd, 1, KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
        (X86CpuidRegs){ m->features[X86_FEAT_D_1_EAX], 0, 0, 0 });
}

/* KVM's own interface (Documentation/virt/kvm/x86/cpuid.rst). */
static void add_hypervisor(struct kvm_cpuid2 *out, const X86Cpu *cpu)
{
    const X86CpuModel *m = &cpu->model;
    int khz = kvm_ioctl(kvm_cpu((X86Cpu *)cpu)->fd, KVM_GET_TSC_KHZ, NULL);
    X86CpuidRegs head = { .eax = 0x40000010 };

    if (!x86_cpu_model_has(m, X86_FEAT_1_ECX, CPUID_1_ECX_HYPERVISOR)) {
        return;
    }
    if (!m->features[X86_FEAT_KVM_EAX]) {
        add_ours(out, cpu, 0x40000000, 0, 0); /* a hypervisor, but not KVM */
    } else {
        memcpy(&head.ebx, SIGNATURE, 4);
        memcpy(&head.ecx, &SIGNATURE[4], 4);
        memcpy(&head.edx, &SIGNATURE[8], 4);
        add(out, KVM_CPUID_SIGNATURE, 0, 0, head);
        add(out, KVM_CPUID_FEATURES, 0, 0, (X86CpuidRegs){ .eax = m->features[X86_FEAT_KVM_EAX] });
    }
    /* Frequencies in kHz: of the TSC, and of the local APIC's bus, 1 ns a tick. */
    if (khz > 0) {
        add(out, 0x40000010, 0, 0, (X86CpuidRegs){ .eax = (uint32_t)khz, .ebx = 1000000 });
    }
}

struct kvm_cpuid2 *kvm_cpuid_build(const X86Cpu *cpu)
{
    static const uint32_t simple[] = { 0x0,        0x1,        0x6,        0x80000000,
                                       0x80000001, 0x80000002, 0x80000003, 0x80000004,
                                       0x80000005, 0x80000006, 0x80000007, 0x80000008 };
    const X86CpuModel *m = &cpu->model;
    struct kvm_cpuid2 *out = g_malloc0(sizeof(*out) + MAX_ENTRIES * sizeof(out->entries[0]));

    for (size_t i = 0; i < G_N_ELEMENTS(simple); i++) {
        add_ours(out, cpu, simple[i], 0, 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        add_ours(out, cpu, 4, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }
    for (unsigned i = 0; i < 3; i++) {
        add_ours(out, cpu, 0xb, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }
    for (unsigned i = 0; i < 4; i++) {
        add_ours(out, cpu, 0x1f, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }
    for (unsigned i = 0; i < 2; i++) {
        add_ours(out, cpu, 7, i, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
    }
    if (x86_cpu_model_has(m, X86_FEAT_1_ECX, CPUID_1_ECX_MONITOR)) {
        X86CpuidRegs mwait = { 0 }; /* its lines and states */

        __get_cpuid(5, &mwait.eax, &mwait.ebx, &mwait.ecx, &mwait.edx);
        add(out, 5, 0, 0, mwait);
    }
    if (x86_cpu_last_leaf(m, X86_RANGE_CENTAUR)) {
        add_ours(out, cpu, 0xc0000000, 0, 0);
    }
    add_xsave(out, m);
    add_hypervisor(out, cpu);
    return out;
}
