/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine as a whole: opening /dev/kvm, making the virtual machine, what this host's KVM can.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "accel/kvm/kvm-internal.h"
#include "accel/kvm/kvm.h"
#include "accel/vcpu.h"
#include "target/i386/cpuid.h"
#include "util/error.h"

#define KVM_DEVICE "/dev/kvm"

/* Where a capability says nothing (Linux before 3.14). */
#define FALLBACK_MEMSLOTS 32

/* ---- is it there? ---- */

/* A descriptor, or -1. */
static int open_device(GError **errp)
{
    int fd = open(KVM_DEVICE, O_RDWR | O_CLOEXEC), err = errno;

    if (fd >= 0) {
        return fd;
    }
    if (err == ENOENT) {
        error_set(errp, "there is no " KVM_DEVICE " on this host: load the module kvm_intel or "
                        "kvm_amd, or use -accel soft");
    } else if (err == EACCES || err == EPERM) {
        error_set(errp, "no permission to open " KVM_DEVICE ": this user must be in the group that "
                        "owns it (usually kvm); or use -accel soft");
    } else {
        error_set_errno(errp, err, "cannot open " KVM_DEVICE ", and -accel soft needs none");
    }
    return -1;
}

static bool kvm_available(GError **errp)
{
    int fd = open_device(errp);
    int version;

    if (fd < 0) {
        return false;
    }
    version = kvm_ioctl(fd, KVM_GET_API_VERSION, NULL);
    close(fd);
    if (version != KVM_API_VERSION) {
        error_set(errp,
                  KVM_DEVICE " has interface version %d, not %d: it is no KVM; use -accel soft",
                  version, KVM_API_VERSION);
        return false;
    }
    return true;
}

static bool kvm_preferred(void)
{
    int fd;

    if (!x86_host_has_virtualisation()) {
        return false;
    }
    fd = open_device(NULL);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/* ---- the virtual machine ---- */

static bool need_capabilities(GError **errp)
{
    static const struct {
        int capability;
        const char *name;
    } needed[] = {
        { KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
        { KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
        { KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
        { KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
        { KVM_CAP_USER_NMI, "KVM_CAP_USER_NMI" },
        { KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "KVM_CAP_DESTROY_MEMORY_REGION_WORKS" },
        { KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
        { KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS" },
        { KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
        { KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(needed); i++) {
        if (!kvm_check(needed[i].capability)) {
            error_set(errp,
                      "this host's KVM does not have %s: a newer kernel is needed (4.13 has "
                      "it); or use -accel soft",
                      needed[i].name);
            return false;
        }
    }
    return true;
}

static bool create_vm(GError **errp)
{
    int fd;

    do {
        fd = ioctl(kvm_vm.dev_fd, KVM_CREATE_VM, 0);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        error_set_errno(errp, errno, "KVM cannot make a virtual machine");
        return false;
    }
    kvm_vm.vm_fd = fd;
    return true;
}

static bool read_capabilities(GError **errp)
{
    unsigned slots = kvm_check(KVM_CAP_NR_MEMSLOTS);
    int run_size = kvm_ioctl(kvm_vm.dev_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);

    kvm_vm.max_memslots = slots ? slots : FALLBACK_MEMSLOTS;
    if (accel_options.memslots) {
        kvm_vm.max_memslots = MIN(kvm_vm.max_memslots, accel_options.memslots);
    }
    kvm_vm.coalesced_page = kvm_check(KVM_CAP_COALESCED_MMIO);
    kvm_vm.coalesced_pio = kvm_vm.coalesced_page ? kvm_check(KVM_CAP_COALESCED_PIO) : 0;
    kvm_vm.has_readonly = kvm_check(KVM_CAP_READONLY_MEM);
    kvm_vm.has_tsc_control = kvm_check(KVM_CAP_TSC_CONTROL);
    kvm_vm.has_smm = kvm_check(KVM_CAP_X86_SMM);
    kvm_vm.xsave_size = kvm_check(KVM_CAP_XSAVE2);
    kvm_vm.xsave_size = MAX(kvm_vm.xsave_size, sizeof(struct kvm_xsave));
    if (run_size < (int)sizeof(struct kvm_run)) {
        error_set(errp, "KVM does not say how large a CPU's run structure is (it says %d)",
                  run_size);
        return false;
    }
    kvm_vm.run_size = run_size;
    return true;
}

/* -overcommit cpu-pm=on: what a CPU does while it is idle does not leave the guest, as far as this
 * host's KVM can do without it. Before vCPUs are made. */
static void leave_idle_states(void)
{
    const int known = KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT |
                      KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE;
    int exits = kvm_check(KVM_CAP_X86_DISABLE_EXITS) & known;

    if (!exits || !kvm_enable(KVM_CAP_X86_DISABLE_EXITS, (uint64_t)exits)) {
        error_warn("-overcommit cpu-pm=on: this host's KVM keeps the idle states to itself "
                   "(KVM_CAP_X86_DISABLE_EXITS); the guest runs without them");
        return;
    }
    kvm_vm.idle_in_guest = (unsigned)exits;
}

/* Before vCPUs and interrupt controllers are made. */
static bool set_addresses(GError **errp)
{
    uint64_t identity = KVM_IDENTITY_ADDR;
    int ret = 0;

    if (kvm_check(KVM_CAP_SET_IDENTITY_MAP_ADDR)) {
        ret = kvm_ioctl(kvm_vm.vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity);
    }
    if (ret >= 0) {
        ret = kvm_ioctl(kvm_vm.vm_fd, KVM_SET_TSS_ADDR, GSIZE_TO_POINTER(KVM_TSS_ADDR));
    }
    if (ret < 0) {
        error_set_errno(errp, -ret, "KVM refuses the place of its TSS, 0x%x", KVM_TSS_ADDR);
        return false;
    }
    return true;
}

static void close_vm(void)
{
    kvm_irq_cleanup();
    kvm_coalesce_cleanup();
    kvm_events_cleanup();
    kvm_memory_cleanup();
    kvm_msr_cleanup();
    kvm_cpuid_cleanup();
    if (kvm_vm.vm_fd >= 0) {
        close(kvm_vm.vm_fd);
    }
    if (kvm_vm.dev_fd >= 0) {
        close(kvm_vm.dev_fd);
    }
    kvm_vm = (KvmVm){ .dev_fd = -1, .vm_fd = -1 };
}

/* What may fail; close_vm() undoes it. */
static bool make_vm(GError **errp)
{
    kvm_vm.dev_fd = open_device(errp);
    if (kvm_vm.dev_fd < 0 || !create_vm(errp) || !need_capabilities(errp)) {
        return false;
    }
    if (!read_capabilities(errp)) {
        return false;
    }
    if (accel_options.cpu_pm) {
        leave_idle_states();
    }
    return set_addresses(errp) && kvm_irq_init(errp) && kvm_cpuid_init(errp) && kvm_msr_init(errp);
}

static bool kvm_init(GError **errp)
{
    if (!make_vm(errp)) {
        close_vm();
        return false;
    }
    if (!x86_host_has_virtualisation()) {
        error_warn("this host's CPU has neither vmx nor svm: its " KVM_DEVICE
                   " may not run ordinary guests; -accel soft does");
    }
    kvm_signal_init();
    kvm_memory_init();
    kvm_coalesce_init();
    kvm_events_init();
    return true;
}

/* ---- kvmclock ---- */

static uint64_t clock_at_stop; /* 0: it was not stopped yet */

/* The guest's clock stands while the machine does. */
static void kvm_stopped(void)
{
    struct kvm_clock_data data = { 0 };

    kvm_debug_stopped();
    vcpu_foreach(kvm_msr_stop_tsc, NULL);
    if (kvm_ioctl(kvm_vm.vm_fd, KVM_GET_CLOCK, &data) >= 0) {
        clock_at_stop = data.clock;
    }
}

uint64_t kvm_clock_get(void)
{
    return clock_at_stop;
}

void kvm_clock_set(uint64_t ns)
{
    clock_at_stop = ns;
}

/* Its soft-lockup watchdog is told that time was taken from it. */
static void tell_paused(X86Cpu *cpu, void *opaque)
{
    ioctl(kvm_cpu(cpu)->fd, KVM_KVMCLOCK_CTRL, 0); /* fails where no kvmclock is used */
}

static void kvm_resume(void)
{
    struct kvm_clock_data data = { .clock = clock_at_stop };

    kvm_debug_resume();
    kvm_msr_resume_tsc();
    if (clock_at_stop) {
        kvm_ioctl(kvm_vm.vm_fd, KVM_SET_CLOCK, &data);
        vcpu_foreach(tell_paused, NULL);
    }
}

/* ---- the engine ---- */

static const AccelApicOps *kvm_apics(void)
{
    static const AccelApicOps *const ops[] = {
        [KVM_IRQCHIP_OFF] = NULL,
        [KVM_IRQCHIP_SPLIT] = &kvm_apic_split,
        [KVM_IRQCHIP_FULL] = &kvm_apic_full,
    };

    return ops[kvm_vm.irqchip];
}

const AccelOps accel_kvm = {
    .name = "kvm",
    .description = "KVM: hardware virtualisation, through /dev/kvm",
    .type = KVM_ACCEL_TYPE,
    .has_vcpu_threads = true,
    .syncs_tsc = true,
    .default_cpu_model = "host",
    .cpu_size = sizeof(KvmCpu),
    .available = kvm_available,
    .preferred = kvm_preferred,
    .init = kvm_init,
    .memory_room = kvm_memory_room,
    .apics = kvm_apics,
    .notify = &kvm_notify,
    .stopped = kvm_stopped,
    .resume = kvm_resume,
    .cpu_init = kvm_cpu_init,
    .cpu_destroy = kvm_cpu_destroy,
    .run = kvm_cpu_run,
    .runnable = kvm_cpu_runnable,
    .kick = kvm_cpu_kick,
    .cpu_state = &kvm_cpu_state,
    .get_state = kvm_get_state,
    .put_state = kvm_put_state,
    .get_registers = kvm_get_registers,
    .put_registers = kvm_put_registers,
    .debug = &kvm_debug_ops,
};
