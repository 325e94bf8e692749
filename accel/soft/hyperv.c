/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/hyperv.h"

#include <string.h>
#include <time.h>

#include "accel/soft/access.h"
#include "accel/soft/mmu.h"
#include "accel/soft/segment.h"
#include "memory/dma.h"
#include "target/i386/hyperv.h"
#include "util/clock.h"

/* Nanoseconds to units of 100 ns, as guests make them of the reference TSC page:
 * (TSC * scale) >> 64. */
#define TSC_SCALE (UINT64_MAX / 100)

static uint64_t to_units(uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * TSC_SCALE >> 64);
}

/* ---- pages ---- */

/* What a guest's page is to hold at its start. False: where it is to be is no RAM. */
static bool fill_page(uint64_t msr_value, const void *bytes, size_t size)
{
    const DmaSpace space = { .as = &address_space_memory };

    return dma_write_ram(&space, msr_value & SOFT_PAGE_MASK, bytes, size);
}

/* An instruction for the vendor's processors, and RET: the same bytes for every width of code. */
static bool write_hypercall(SoftCpu *s, uint64_t value)
{
    static const uint8_t vmcall[] = { 0x0f, 0x01, 0xc1, 0xc3 },
                         vmmcall[] = { 0x0f, 0x01, 0xd9, 0xc3 };
    X86HvPartition *hv = s->cpu.hv;

    if (!hv->guest_os_id || hv->hypercall & HV_HYPERCALL_LOCKED) {
        return true; /* without effect */
    }
    if (value & HV_PAGE_ENABLE &&
        !fill_page(value, x86_cpu_model_is_amd(&s->cpu.model) ? vmmcall : vmcall, sizeof(vmcall))) {
        return false;
    }
    hv->hypercall = value & (SOFT_PAGE_MASK | HV_PAGE_ENABLE | HV_HYPERCALL_LOCKED);
    return true;
}

static bool write_guest_os_id(SoftCpu *s, uint64_t value)
{
    s->cpu.hv->guest_os_id = value;
    if (!value) { /* no guest that knows what the page is for */
        s->cpu.hv->hypercall &= ~(uint64_t)HV_PAGE_ENABLE;
    }
    return true;
}

/* TLFS section 12.7: HV_REFERENCE_TSC_PAGE. Of this CPU's TSC, to which the others are equal unless
 * a guest has set them apart. The TSC has no sign: it is before the clock or after it. */
static bool write_reference_tsc(SoftCpu *s, uint64_t value)
{
    uint64_t now = (uint64_t)clock_ns(), tsc = now + (uint64_t)s->cpu.msr.tsc_offset;
    const struct {
        uint32_t sequence, reserved;
        uint64_t scale, offset;
    } page = { .sequence = 1,
               .scale = TSC_SCALE,
               .offset = tsc < now ? to_units(now - tsc) : -to_units(tsc - now) };

    if (value & HV_PAGE_ENABLE && !fill_page(value, &page, sizeof(page))) {
        return false;
    }
    s->cpu.hv->reference_tsc = value & (SOFT_PAGE_MASK | HV_PAGE_ENABLE);
    return true;
}

/* A page of sequence 0 tells guests to take TIME_REF_COUNT. Where it lies may have gone. */
void soft_hv_tsc_changed(SoftCpu *s)
{
    const uint32_t sequence = 0;

    if (!x86_hv_has(&s->cpu, X86_HV_TIME)) {
        return;
    }
    soft_machine_enter(s);
    if (s->cpu.hv->reference_tsc & HV_PAGE_ENABLE) {
        fill_page(s->cpu.hv->reference_tsc, &sequence, sizeof(sequence));
    }
    soft_machine_leave(s);
}

static X86HvVp *vp_of(SoftCpu *s)
{
    return &s->cpu.hv->vps[s->cpu.index];
}

/* An EOI is always needed: the bit that says so stays 0. */
static bool write_assist_page(SoftCpu *s, uint64_t value)
{
    const uint32_t apic_assist = 0;

    if (value & HV_PAGE_ENABLE && !fill_page(value, &apic_assist, sizeof(apic_assist))) {
        return false;
    }
    vp_of(s)->assist_page = value & (SOFT_PAGE_MASK | HV_PAGE_ENABLE);
    return true;
}

/* ---- what is told, and what the guest wants done ---- */

static bool read_vp_index(SoftCpu *s, uint64_t *value)
{
    *value = s->cpu.index;
    return true;
}

static bool read_runtime(SoftCpu *s, uint64_t *value)
{
    struct timespec ran = { 0 };
    X86HvVp *vp = vp_of(s);

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ran);
    uint64_t now = (uint64_t)ran.tv_sec * 10000000 + (uint64_t)ran.tv_nsec / 100;
    if (vp->runtime_stale) {
        vp->runtime_base = vp->runtime - now;
        vp->runtime_stale = false;
    }
    *value = vp->runtime = vp->runtime_base + now;
    return true;
}

static bool read_ref_count(SoftCpu *s, uint64_t *value)
{
    *value = to_units((uint64_t)clock_ns());
    return true;
}

static bool read_tsc_hz(SoftCpu *s, uint64_t *value)
{
    *value = X86_SOFT_TSC_HZ;
    return true;
}

static bool read_apic_hz(SoftCpu *s, uint64_t *value)
{
    *value = X86_HV_APIC_FREQUENCY_HZ;
    return true;
}

static bool read_zero(SoftCpu *s, uint64_t *value)
{
    *value = 0;
    return true;
}

static bool write_reset(SoftCpu *s, uint64_t value)
{
    if (value & HV_RESET_NOW) {
        s->cpu.hv->reset();
    }
    return true;
}

static bool read_crash_ctl(SoftCpu *s, uint64_t *value)
{
    *value = HV_CRASH_NOTIFY; /* that can be done; messages in memory are not looked at */
    return true;
}

static bool write_crash_ctl(SoftCpu *s, uint64_t value)
{
    if (value & HV_CRASH_NOTIFY) {
        s->cpu.hv->crashed(s->cpu.hv->crash);
    }
    return true;
}

/* ---- the table ---- */

typedef struct HvMsr {
    uint32_t first, last;
    uint32_t needs; /* X86_HV_*; 0: any will do */
    size_t offset;  /* of a range of 64-bit values in X86HvPartition; where there is no function */
    bool of_vp;     /* in X86HvVp */
    bool apic;      /* the local APIC's */
    bool (*read)(SoftCpu *s, uint64_t *value);
    bool (*write)(SoftCpu *s, uint64_t value); /* NULL: #GP, unless it has a place */
} HvMsr;

#define OF_PARTITION(field) .offset = offsetof(X86HvPartition, field)

static const HvMsr msrs[] = {
    { HV_MSR_GUEST_OS_ID, HV_MSR_GUEST_OS_ID, 0, OF_PARTITION(guest_os_id),
      .write = write_guest_os_id },
    { HV_MSR_HYPERCALL, HV_MSR_HYPERCALL, 0, OF_PARTITION(hypercall), .write = write_hypercall },
    { HV_MSR_VP_INDEX, HV_MSR_VP_INDEX, X86_HV_VPINDEX, .read = read_vp_index },
    { HV_MSR_RESET, HV_MSR_RESET, X86_HV_RESET, .read = read_zero, .write = write_reset },
    { HV_MSR_VP_RUNTIME, HV_MSR_VP_RUNTIME, X86_HV_RUNTIME, .read = read_runtime },
    { HV_MSR_TIME_REF_COUNT, HV_MSR_TIME_REF_COUNT, X86_HV_TIME, .read = read_ref_count },
    { HV_MSR_REFERENCE_TSC, HV_MSR_REFERENCE_TSC, X86_HV_TIME, OF_PARTITION(reference_tsc),
      .write = write_reference_tsc },
    { HV_MSR_TSC_FREQUENCY, HV_MSR_TSC_FREQUENCY, X86_HV_FREQUENCIES, .read = read_tsc_hz },
    { HV_MSR_APIC_FREQUENCY, HV_MSR_APIC_FREQUENCY, X86_HV_FREQUENCIES, .read = read_apic_hz },
    { HV_MSR_EOI, HV_MSR_TPR, X86_HV_VAPIC, .apic = true },
    /* Linux sets one up whatever CPUID tells. */
    { HV_MSR_VP_ASSIST_PAGE, HV_MSR_VP_ASSIST_PAGE, 0, .offset = offsetof(X86HvVp, assist_page),
      .of_vp = true, .write = write_assist_page },
    { HV_MSR_CRASH_P0, HV_MSR_CRASH_P4, X86_HV_CRASH, OF_PARTITION(crash) },
    { HV_MSR_CRASH_CTL, HV_MSR_CRASH_CTL, X86_HV_CRASH, .read = read_crash_ctl,
      .write = write_crash_ctl },
};

static const HvMsr *find(const SoftCpu *s, uint32_t msr)
{
    for (size_t i = 0; i < G_N_ELEMENTS(msrs); i++) {
        const HvMsr *m = &msrs[i];

        if (msr >= m->first && msr <= m->last) {
            bool has = m->needs ? x86_hv_has(&s->cpu, m->needs) : x86_hv_is_on(&s->cpu);
            return has && (!m->apic || s->cpu.apic_ops) ? m : NULL;
        }
    }
    return NULL;
}

static uint64_t *place(SoftCpu *s, const HvMsr *m, uint32_t msr)
{
    char *base = m->of_vp ? (char *)vp_of(s) : (char *)s->cpu.hv;

    return (uint64_t *)(base + m->offset) + (msr - m->first);
}

bool soft_hv_read(SoftCpu *s, uint32_t msr, uint64_t *value)
{
    const HvMsr *m = find(s, msr);
    bool ok = true;

    if (!m || m->read) { /* the functions need no lock */
        return m && m->read(s, value);
    }
    soft_machine_enter(s);
    if (m->apic) {
        ok = s->cpu.apic_ops->msr_read(s->cpu.apic, msr, value);
    } else {
        *value = *place(s, m, msr);
    }
    soft_machine_leave(s);
    return ok;
}

bool soft_hv_write(SoftCpu *s, uint32_t msr, uint64_t value)
{
    const HvMsr *m = find(s, msr);
    bool ok = true;

    if (!m || (m->read && !m->write)) {
        return false;
    }
    soft_machine_enter(s);
    if (m->apic) {
        ok = s->cpu.apic_ops->msr_write(s->cpu.apic, msr, value);
    } else if (m->write) {
        ok = m->write(s, value);
    } else {
        *place(s, m, msr) = value;
    }
    soft_machine_leave(s);
    return ok;
}

/* ---- hypercalls (TLFS chapter 3) ---- */

/* Bits of the input value that must be 0. */
#define CALL_RESERVED UINT64_C(0xf000f000f8000000)

static uint64_t call(uint64_t input)
{
    if (input & CALL_RESERVED) {
        return HV_STATUS_INVALID_HYPERCALL_INPUT;
    }
    if ((uint16_t)input != HV_CALL_NOTIFY_LONG_SPIN_WAIT) {
        return HV_STATUS_INVALID_HYPERCALL_CODE;
    }
    /* a simple call, which is not repeated */
    return input >> 32 ? HV_STATUS_INVALID_HYPERCALL_INPUT : HV_STATUS_SUCCESS;
}

bool soft_hv_call(SoftCpu *s, bool is_vmmcall)
{
    uint64_t *regs = s->cpu.regs;
    bool enabled;

    if (!x86_hv_is_on(&s->cpu) || is_vmmcall != x86_cpu_model_is_amd(&s->cpu.model) ||
        !soft_protected(s) || soft_cpl(s) != 0) {
        return false;
    }
    soft_machine_enter(s);
    enabled = s->cpu.hv->hypercall & HV_PAGE_ENABLE;
    soft_machine_leave(s);
    if (!enabled) {
        return false;
    }
    if (s->mode_key & SOFT_KEY_CODE64) {
        regs[X86_RAX] = call(regs[X86_RCX]);
    } else { /* EDX:EAX, both ways */
        regs[X86_RAX] = call(regs[X86_RDX] << 32 | (uint32_t)regs[X86_RAX]);
        regs[X86_RDX] = 0;
    }
    return true;
}
