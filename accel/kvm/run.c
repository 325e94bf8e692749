/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vCPU: making it, running it, getting it out of KVM_RUN.
 *
 * A kick sets exit_request, then kvm_run.immediate_exit, then sends a signal. The thread clears
 * immediate_exit before it looks at exit_request, so a kick is seen either there, or by KVM_RUN, or
 * it interrupts KVM_RUN.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel/kvm/kvm-internal.h"
#include "accel/vcpu.h"
#include "util/error.h"
#include "util/machine-lock.h"

#define KICK_SIGNAL SIGUSR1

static void on_kick(int sig)
{
    /* Its work is that KVM_RUN ends. */
}

void kvm_signal_init(void)
{
    struct sigaction action = { .sa_handler = on_kick }; /* no SA_RESTART */

    sigemptyset(&action.sa_mask);
    sigaction(KICK_SIGNAL, &action, NULL);
}

void kvm_cpu_kick(X86Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    if (!atomic_load(&k->started)) {
        return;
    }
    atomic_store((_Atomic uint8_t *)&k->run->immediate_exit, 1);
    if (!pthread_equal(k->thread, pthread_self())) {
        pthread_kill(k->thread, KICK_SIGNAL);
    }
}

/* ---- making it ---- */

/* KVM never forgets a vCPU, nor makes a second one with its number: those that were unplugged wait
 * for the next CPU with their APIC ID. Machine lock. */
typedef struct ParkedCpu {
    uint32_t apic_id;
    int fd;
    struct kvm_msrs *power_up; /* owned; NULL: it was not complete, and never ran */
} ParkedCpu;

static GArray *parked; /* of ParkedCpu; NULL: none ever */

static void park(KvmCpu *k)
{
    const ParkedCpu cpu = { k->cpu.apic_id, k->fd, g_steal_pointer(&k->power_up) };

    if (!parked) {
        parked = g_array_new(FALSE, FALSE, sizeof(ParkedCpu));
    }
    g_array_append_val(parked, cpu);
}

/* The one that waits with this APIC ID, and does so no more; fd is -1: there is none. */
static ParkedCpu unpark(uint32_t apic_id)
{
    for (unsigned i = 0; parked && i < parked->len; i++) {
        const ParkedCpu cpu = g_array_index(parked, ParkedCpu, i);

        if (cpu.apic_id == apic_id) {
            g_array_remove_index_fast(parked, i);
            return cpu;
        }
    }
    return (ParkedCpu){ apic_id, -1, NULL };
}

/* *@power_up: what its MSRs were at power-up, if it was another CPU before, of the same machine,
 * and so of the same model; or NULL. */
static bool create(KvmCpu *k, struct kvm_msrs **power_up, GError **errp)
{
    const ParkedCpu old = unpark(k->cpu.apic_id);
    int fd = old.fd;

    *power_up = old.power_up;
    if (fd < 0) {
        fd = kvm_ioctl(kvm_vm.vm_fd, KVM_CREATE_VCPU, GUINT_TO_POINTER(k->cpu.apic_id));
    }
    if (fd < 0) {
        error_set_errno(errp, -fd, "KVM cannot make CPU %u (it can make %d)", k->cpu.index,
                        kvm_check(KVM_CAP_MAX_VCPUS));
        return false;
    }
    k->fd = fd;
    k->run = mmap(NULL, kvm_vm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd, 0);
    if (k->run == MAP_FAILED) {
        error_set_errno(errp, errno, "CPU %u: cannot map KVM's run structure", k->cpu.index);
        k->run = NULL;
        return false;
    }
    return true;
}

static bool set_tsc_frequency(KvmCpu *k, GError **errp)
{
    uint64_t want = k->cpu.model.tsc_hz / 1000;
    int have = kvm_ioctl(k->fd, KVM_GET_TSC_KHZ, NULL);

    if (!want || have < 0) {
        return true;
    }
    if (kvm_vm.has_tsc_control) {
        int ret = kvm_ioctl(k->fd, KVM_SET_TSC_KHZ, GSIZE_TO_POINTER(want));

        if (ret < 0) {
            error_set_errno(errp, -ret, "-cpu tsc-frequency: KVM refuses %" PRIu64 " kHz", want);
        }
        return ret >= 0;
    }
    /* As exact as NTP, 250 ppm: the host's own is near enough. */
    uint64_t off = want > (uint64_t)have ? want - (uint64_t)have : (uint64_t)have - want;
    if (off > (uint64_t)have / 4000) {
        error_set(errp,
                  "-cpu tsc-frequency: this host cannot scale its TSC; leave the option out, "
                  "or give %d000, which it has",
                  have);
        return false;
    }
    return true;
}

static bool set_cpuid(KvmCpu *k, GError **errp)
{
    g_autofree struct kvm_cpuid2 *cpuid = kvm_cpuid_build(&k->cpu);
    int ret = kvm_ioctl(k->fd, KVM_SET_CPUID2, cpuid);

    if (ret < 0) {
        error_set_errno(errp, -ret, "KVM refuses the CPUID of model '%s' for CPU %u",
                        k->cpu.model.name, k->cpu.index);
        return false;
    }
    kvm_msr_set_capabilities(k);
    return true;
}

void kvm_cpu_destroy(X86Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    atomic_store(&k->started, false);
    if (cpu->index == 0) {
        kvm_coalesce_set_ring(NULL);
    }
    if (k->run) {
        munmap(k->run, kvm_vm.run_size);
        k->run = NULL;
    }
    if (k->fd > 0) {
        park(k);
        k->fd = 0;
    }
    kvm_msr_cpu_destroy(k);
    g_clear_pointer(&k->xsave, g_free);
    g_clear_pointer(&k->saved.xsave, g_bytes_unref);
    g_clear_pointer(&k->saved.events, g_bytes_unref);
    g_clear_pointer(&k->saved.msrs, g_bytes_unref);
}

bool kvm_cpu_init(X86Cpu *cpu, GError **errp)
{
    KvmCpu *k = kvm_cpu(cpu);
    struct kvm_msrs *power_up;
    bool made = create(k, &power_up, errp);

    /* KVM does not take CPUID from a vCPU that has run: it has it already. */
    if (made && !power_up) {
        made = set_tsc_frequency(k, errp) && set_cpuid(k, errp);
    }
    if (!made) {
        g_free(power_up);
        kvm_cpu_destroy(cpu);
        return false;
    }
    kvm_msr_cpu_init(k);
    if (power_up) {
        g_free(k->power_up);
        k->power_up = power_up;
    }
    k->xsave = g_malloc0(kvm_vm.xsave_size);
    kvm_coalesce_set_ring(k->run);
    k->fresh = true;
    k->thread = pthread_self();
    atomic_store(&k->started, true);
    return true;
}

/* ---- running it ---- */

bool kvm_cpu_runnable(X86Cpu *cpu)
{
    uint32_t pending = atomic_load(&cpu->interrupts);

    if (kvm_vm.irqchip != KVM_IRQCHIP_OFF) {
        return true; /* the kernel halts, and waits for SIPI */
    }
    if (cpu->wait_for_sipi) {
        return false;
    }
    if (cpu->halted &&
        (((pending & CPU_INT_HARD) && (cpu->rflags & RFLAGS_IF)) || (pending & CPU_INT_NMI))) {
        cpu->halted = false;
    }
    return !cpu->halted;
}

/* An interrupt that is ours to deliver: of our own local APIC, or of the 8259s past the kernel's.
 */
static void deliver_interrupt(KvmCpu *k)
{
    X86Cpu *cpu = &k->cpu;
    int vector;

    if (!k->run->ready_for_interrupt_injection) {
        k->run->request_interrupt_window = 1;
        return;
    }
    machine_lock();
    vector = cpu->apic_ops ? cpu->apic_ops->acknowledge(cpu->apic) : -1;
    machine_unlock();
    if (vector >= 0) {
        struct kvm_interrupt interrupt = { .irq = (uint32_t)vector };

        kvm_ioctl(k->fd, KVM_INTERRUPT, &interrupt);
    }
    /* One at a time: more of them when the guest can take the next. */
    k->run->request_interrupt_window = (atomic_load(&cpu->interrupts) & CPU_INT_HARD) != 0;
}

static void before_run(KvmCpu *k)
{
    X86Cpu *cpu = &k->cpu;
    uint32_t pending = atomic_load(&cpu->interrupts);

    if (pending & CPU_INT_NMI) {
        x86_cpu_clear_interrupt(cpu, CPU_INT_NMI);
        kvm_ioctl(k->fd, KVM_NMI, NULL);
    }
    if (kvm_vm.irqchip == KVM_IRQCHIP_FULL) {
        return;
    }
    if (pending & CPU_INT_HARD) {
        deliver_interrupt(k);
    } else {
        k->run->request_interrupt_window = 0;
    }
}

/* What the guest did to the registers of our own local APIC that are not in its page. */
static void after_run(KvmCpu *k)
{
    const X86ApicOps *ops = k->cpu.apic_ops;
    void *apic = k->cpu.apic;

    if (kvm_vm.irqchip != KVM_IRQCHIP_OFF || !ops) {
        return;
    }
    if (k->run->cr8 != ops->tpr_get(apic) || k->run->apic_base != k->sregs.apic_base) {
        machine_lock();
        ops->tpr_set(apic, (uint8_t)k->run->cr8);
        if (k->run->apic_base != k->sregs.apic_base) {
            ops->base_set(apic, k->run->apic_base);
            k->sregs.apic_base = k->run->apic_base;
        }
        machine_unlock();
    }
}

/* KVM_RUN once; @finish: only so far that the last access is complete. */
static void run_once(KvmCpu *k, bool finish)
{
    int ret, err;

    if (!finish) {
        before_run(k);
    }
    if (kvm_vm.irqchip == KVM_IRQCHIP_OFF && k->cpu.apic_ops) {
        k->run->cr8 = k->cpu.apic_ops->tpr_get(k->cpu.apic);
    }
    kvm_enter_guest(k);
    /* A hold or a kick that came before this is seen; see above for one that comes after. */
    if (finish) {
        atomic_store((_Atomic uint8_t *)&k->run->immediate_exit, 1);
    }
    k->must_finish = false;
    ret = ioctl(k->fd, KVM_RUN, 0);
    err = errno;
    kvm_leave_guest(k);
    after_run(k);
    if (ret >= 0) {
        kvm_handle_exit(k);
    } else if (err != EINTR && err != EAGAIN) {
        kvm_handle_error(k, err);
    }
}

void kvm_cpu_run(X86Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    for (;;) {
        atomic_store((_Atomic uint8_t *)&k->run->immediate_exit, 0);
        if (atomic_load(&cpu->exit_request) ||
            (atomic_load(&cpu->interrupts) & (CPU_INT_INIT | CPU_INT_SIPI))) {
            break;
        }
        run_once(k, false);
    }
    /* An access is complete, and the registers are right, only when KVM_RUN was entered again. */
    while (k->must_finish) {
        run_once(k, true);
    }
    atomic_store(&cpu->exit_request, false);
}
