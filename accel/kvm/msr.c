/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model-specific registers: all that KVM can save. Some have a place in X86Cpu; the others (of
 * kvmclock, PV EOI, steal time, machine checks, speculation control, ...) are kept as they are.
 *
 * The TSC runs on between reading and writing, so it is written only if somebody set it.
 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "accel/kvm/kvm-internal.h"
#include "util/clock.h"
#include "util/error.h"

#define MSR_HYPERV_FIRST 0x40000000u
#define MSR_HYPERV_LAST  0x400001ffu

static struct kvm_msr_list *list;

/* Those with a place in X86Cpu; the deadline of the local APIC's timer has one in that. */
static const struct {
    uint32_t first, last; /* 8 bytes each, one after another */
    size_t offset;
} places[] = {
    { MSR_STAR, MSR_STAR, offsetof(X86Cpu, msr.star) },
    { MSR_LSTAR, MSR_LSTAR, offsetof(X86Cpu, msr.lstar) },
    { MSR_CSTAR, MSR_CSTAR, offsetof(X86Cpu, msr.cstar) },
    { MSR_FMASK, MSR_FMASK, offsetof(X86Cpu, msr.fmask) },
    { MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, offsetof(X86Cpu, msr.kernel_gs_base) },
    { MSR_SYSENTER_CS, MSR_SYSENTER_CS, offsetof(X86Cpu, msr.sysenter_cs) },
    { MSR_SYSENTER_ESP, MSR_SYSENTER_ESP, offsetof(X86Cpu, msr.sysenter_esp) },
    { MSR_SYSENTER_EIP, MSR_SYSENTER_EIP, offsetof(X86Cpu, msr.sysenter_eip) },
    { MSR_PAT, MSR_PAT, offsetof(X86Cpu, msr.pat) },
    { MSR_TSC_AUX, MSR_TSC_AUX, offsetof(X86Cpu, msr.tsc_aux) },
    { MSR_TSC_ADJUST, MSR_TSC_ADJUST, offsetof(X86Cpu, msr.tsc_adjust) },
    { MSR_MISC_ENABLE, MSR_MISC_ENABLE, offsetof(X86Cpu, msr.misc_enable) },
    { MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, offsetof(X86Cpu, msr.mtrr_def_type) },
    { MSR_MTRR_FIX64K_00000, MSR_MTRR_FIX64K_00000, offsetof(X86Cpu, msr.mtrr_fixed[0]) },
    { MSR_MTRR_FIX16K_80000, MSR_MTRR_FIX16K_A0000, offsetof(X86Cpu, msr.mtrr_fixed[1]) },
    { MSR_MTRR_FIX4K_C0000, MSR_MTRR_FIX4K_F8000, offsetof(X86Cpu, msr.mtrr_fixed[3]) },
    { MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSMASK7, offsetof(X86Cpu, msr.mtrr_var[0]) },
};

static uint64_t *place_of(KvmCpu *k, uint32_t msr)
{
    if (msr == MSR_TSC_DEADLINE && kvm_vm.irqchip != KVM_IRQCHIP_OFF && k->cpu.apic_ops) {
        return k->cpu.apic_ops->deadline(k->cpu.apic);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (msr >= places[i].first && msr <= places[i].last) {
            return (uint64_t *)((char *)&k->cpu + places[i].offset) + (msr - places[i].first);
        }
    }
    return NULL;
}

/* ---- the list ---- */

bool kvm_msr_init(GError **errp)
{
    struct kvm_msr_list probe = { 0 };
    int ret = kvm_ioctl(kvm_vm.dev_fd, KVM_GET_MSR_INDEX_LIST, &probe);

    if (ret == -E2BIG) {
        list = g_malloc0(sizeof(*list) + probe.nmsrs * sizeof(list->indices[0]));
        list->nmsrs = probe.nmsrs;
        ret = kvm_ioctl(kvm_vm.dev_fd, KVM_GET_MSR_INDEX_LIST, list);
    }
    if (ret < 0) {
        error_set_errno(errp, -ret, "KVM does not say which MSRs it has");
    }
    return ret >= 0;
}

void kvm_msr_cleanup(void)
{
    g_clear_pointer(&list, g_free);
}

static struct kvm_msrs *new_msrs(unsigned count)
{
    return g_malloc0(sizeof(struct kvm_msrs) + count * sizeof(struct kvm_msr_entry));
}

/* Read or write one; false: refused. */
static bool transfer(const KvmCpu *k, unsigned long request, struct kvm_msr_entry *entry)
{
    g_autofree struct kvm_msrs *one = new_msrs(1);
    bool ok;

    one->nmsrs = 1;
    one->entries[0] = *entry;
    ok = kvm_ioctl(k->fd, request, one) == 1;
    entry->data = one->entries[0].data;
    return ok;
}

uint64_t kvm_msr_feature(uint32_t index)
{
    g_autofree struct kvm_msrs *one = new_msrs(1);

    one->nmsrs = 1;
    one->entries[0].index = index;
    return kvm_ioctl(kvm_vm.dev_fd, KVM_GET_MSRS, one) == 1 ? one->entries[0].data : 0;
}

void kvm_msr_set_capabilities(KvmCpu *k)
{
    const uint32_t *features = k->cpu.model.features;
    struct kvm_msr_entry entry = { .index = MSR_ARCH_CAPABILITIES,
                                   .data = features[X86_FEAT_ARCH_CAP] };

    if (features[X86_FEAT_7_EDX] & CPUID_7_EDX_ARCH_CAPABILITIES) {
        transfer(k, KVM_SET_MSRS, &entry); /* a KVM that refuses has its own value in force */
    }
}

/* The TSC is exchanged by itself, the APIC base with the segments. KVM lists Hyper-V's registers
 * also where its CPUID is not offered (it never is), and makes its interrupt controller and timers
 * when one of them is read. */
static bool is_other(uint32_t index)
{
    return index == MSR_TSC || index == MSR_APIC_BASE ||
           (index >= MSR_HYPERV_FIRST && index <= MSR_HYPERV_LAST);
}

/* MTRRs are in no list of older kernels, but can be used. */
static void try_entry(KvmCpu *k, uint32_t index)
{
    struct kvm_msr_entry entry = { .index = index };

    if (is_other(index) || !transfer(k, KVM_GET_MSRS, &entry) ||
        !transfer(k, KVM_SET_MSRS, &entry)) {
        return;
    }
    for (unsigned i = 0; i < k->msrs->nmsrs; i++) {
        if (k->msrs->entries[i].index == index) {
            return;
        }
    }
    k->msrs->entries[k->msrs->nmsrs++] = entry;
}

void kvm_msr_cpu_init(KvmCpu *k)
{
    unsigned max = list->nmsrs;

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        max += places[i].last - places[i].first + 1;
    }
    k->msrs = new_msrs(max);
    for (unsigned i = 0; i < list->nmsrs; i++) {
        try_entry(k, list->indices[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        for (uint32_t msr = places[i].first; msr <= places[i].last; msr++) {
            try_entry(k, msr);
        }
    }
    k->power_up = new_msrs(k->msrs->nmsrs);
    k->power_up->nmsrs = k->msrs->nmsrs;
    memcpy(k->power_up->entries, k->msrs->entries, k->msrs->nmsrs * sizeof(k->msrs->entries[0]));
}

void kvm_msr_cpu_destroy(KvmCpu *k)
{
    g_clear_pointer(&k->msrs, g_free);
    g_clear_pointer(&k->power_up, g_free);
}

/* ---- transfers ---- */

/* While the machine stands, TSCs do for it, though KVM's run on: read one after the other, those of
 * CPUs that had the same time would differ. */
static struct {
    bool stands;
    bool has_base;
    uint64_t base; /* where the host's then was, as guests see it without an offset, */
    int64_t at;    /* and the clock, which may go on for a moment */
} standing;

/* It was @value when the clock was @at. */
static void tsc_is(KvmCpu *k, uint64_t value, int64_t at)
{
    k->tsc_offset = (int64_t)(value - (uint64_t)at);
    k->cpu.msr.tsc_offset = k->tsc_offset;
}

static void get_tsc(KvmCpu *k)
{
    struct kvm_msr_entry tsc = { .index = MSR_TSC };

    if (!standing.stands && transfer(k, KVM_GET_MSRS, &tsc)) {
        tsc_is(k, tsc.data, clock_ns());
    }
}

void kvm_msr_stop_tsc(X86Cpu *cpu, void *opaque)
{
    KvmCpu *k = kvm_cpu(cpu);
    uint64_t offset;
    struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
                                    .attr = KVM_VCPU_TSC_OFFSET,
                                    .addr = (uintptr_t)&offset };
    struct kvm_msr_entry tsc = { .index = MSR_TSC };

    standing.stands = true;
    if (k->fresh || k->resets != cpu->resets || kvm_ioctl(k->fd, KVM_GET_DEVICE_ATTR, &attr) < 0) {
        return; /* X86Cpu has it; an older kernel does not tell */
    }
    if (!standing.has_base && transfer(k, KVM_GET_MSRS, &tsc)) {
        standing.base = tsc.data - offset;
        standing.at = clock_ns();
        standing.has_base = true;
    }
    if (standing.has_base) {
        tsc_is(k, standing.base + offset, standing.at);
    }
}

void kvm_msr_resume_tsc(void)
{
    standing.stands = standing.has_base = false;
}

/* At power-up it is 0, which KVM takes to mean that it is to be as those of the other CPUs are,
 * however late this one is written. */
static void put_tsc(KvmCpu *k, bool reset)
{
    bool power_up = reset && !k->cpu.msr.tsc_offset;
    struct kvm_msr_entry tsc = {
        .index = MSR_TSC,
        .data = power_up ? 0 : (uint64_t)clock_ns() + (uint64_t)k->cpu.msr.tsc_offset,
    };

    transfer(k, KVM_SET_MSRS, &tsc);
    k->tsc_offset = k->cpu.msr.tsc_offset;
}

void kvm_msr_get(KvmCpu *k)
{
    kvm_ioctl(k->fd, KVM_GET_MSRS, k->msrs);
    for (unsigned i = 0; i < k->msrs->nmsrs; i++) {
        uint64_t *place = place_of(k, k->msrs->entries[i].index);

        if (place) {
            *place = k->msrs->entries[i].data;
        }
    }
    get_tsc(k);
}

void kvm_msr_put(KvmCpu *k, bool all, bool reset)
{
    g_autofree struct kvm_msrs *out = new_msrs(k->msrs->nmsrs);
    int done;

    /* First: a write of the TSC changes TSC_ADJUST. */
    if (all || k->cpu.msr.tsc_offset != k->tsc_offset) {
        put_tsc(k, reset);
    }
    for (unsigned i = 0; i < k->msrs->nmsrs; i++) {
        struct kvm_msr_entry *entry = &k->msrs->entries[i];
        const uint64_t *place = place_of(k, entry->index);
        uint64_t value = place ? *place : reset ? k->power_up->entries[i].data : entry->data;

        if (entry->index == MSR_TSC_DEADLINE && k->loaded) {
            value = entry->data; /* machines that were saved earlier have it only here */
        }

        if (all || value != entry->data) {
            entry->data = value;
            out->entries[out->nmsrs++] = *entry;
        }
    }
    /* KVM stops at the first that it does not take: go on behind that. */
    while (out->nmsrs && (done = kvm_ioctl(k->fd, KVM_SET_MSRS, out)) >= 0 &&
           (unsigned)done < out->nmsrs) {
        out->nmsrs -= (unsigned)done + 1;
        memmove(out->entries, &out->entries[done + 1], out->nmsrs * sizeof(out->entries[0]));
    }
}
