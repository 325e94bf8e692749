/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why KVM_RUN came back, and what is done then: a table.
 */
#include <inttypes.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "accel/kvm/kvm-internal.h"
#include "accel/memory-failure.h"
#include "accel/vcpu.h"
#include "memory/address-space.h"
#include "util/error.h"
#include "util/machine-lock.h"

#ifndef KVM_EXIT_MEMORY_FAULT
#define KVM_EXIT_MEMORY_FAULT 39
#endif

/* ---- accesses ---- */

static void access_space(AddressSpace *as, hwaddr addr, uint8_t *data, unsigned len, bool write)
{
    uint64_t value = 0;

    if (len > 8 || (len & (len - 1))) {
        /* The kernel cuts at page boundaries: of what it splits, a piece can have any length. */
        if (write) {
            address_space_write(as, addr, data, len);
        } else {
            address_space_read(as, addr, data, len);
        }
    } else if (write) {
        memcpy(&value, data, len);
        address_space_store(as, addr, value, len);
    } else {
        value = address_space_load(as, addr, len);
        memcpy(data, &value, len);
    }
}

static void exit_io(KvmCpu *k)
{
    struct kvm_run *run = k->run;
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    bool write = run->io.direction == KVM_EXIT_IO_OUT;

    for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
        access_space(&address_space_io, run->io.port, data, run->io.size, write);
    }
    k->must_finish = true;
}

static void exit_mmio(KvmCpu *k)
{
    struct kvm_run *run = k->run;

    access_space(&address_space_memory, run->mmio.phys_addr, run->mmio.data,
                 MIN(run->mmio.len, sizeof(run->mmio.data)), run->mmio.is_write);
    k->must_finish = true;
}

/* ---- states ---- */

static void exit_nothing(KvmCpu *k)
{
}

/* Only without the kernel's local APICs. */
static void exit_halt(KvmCpu *k)
{
    k->cpu.halted = true;
    k->cpu.rflags = k->run->if_flag ? RFLAGS_ONE | RFLAGS_IF : RFLAGS_ONE;
    atomic_store(&k->cpu.exit_request, true);
}

static void exit_shutdown(KvmCpu *k)
{
    accel_shutdown(&k->cpu);
}

static void exit_ioapic_eoi(KvmCpu *k)
{
    if (k->cpu.apic_ops && k->cpu.apic_ops->eoi) {
        k->cpu.apic_ops->eoi(k->cpu.apic, k->run->eoi.vector);
    }
}

/* ---- what stops the machine ---- */

static void stop_with(KvmCpu *k, const char *text)
{
    kvm_get_state(&k->cpu);
    g_autofree char *dump = x86_cpu_dump(&k->cpu);

    error_report("CPU %u: %s; the machine is stopped. Its registers:", k->cpu.index, text);
    fputs(dump, stderr);
    accel_internal_error(&k->cpu);
}

static void exit_fail_entry(KvmCpu *k)
{
    g_autofree char *text = g_strdup_printf(
        "KVM_EXIT_FAIL_ENTRY: the processor refuses to enter the guest (hardware reason 0x%" PRIx64
        ")",
        (uint64_t)k->run->fail_entry.hardware_entry_failure_reason);

    stop_with(k, text);
}

static void append_instruction(GString *text, const struct kvm_run *run)
{
    const uint8_t *bytes = run->emulation_failure.insn_bytes;
    unsigned size = run->emulation_failure.insn_size;

    if (run->emulation_failure.ndata < 3 ||
        !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) {
        return;
    }
    g_string_append(text, ", instruction");
    for (unsigned i = 0; i < MIN(size, sizeof(run->emulation_failure.insn_bytes)); i++) {
        g_string_append_printf(text, " %02x", bytes[i]);
    }
}

static void exit_internal_error(KvmCpu *k)
{
    static const char *const names[] = {
        [KVM_INTERNAL_ERROR_EMULATION] = "KVM cannot emulate an instruction",
        [KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions came at once",
        [KVM_INTERNAL_ERROR_DELIVERY_EV] = "an exit came while an event was delivered",
        [KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "the processor gave an unknown exit reason",
    };
    const struct kvm_run *run = k->run;
    unsigned sub = run->internal.suberror;
    const char *name = sub < G_N_ELEMENTS(names) ? names[sub] : NULL;
    g_autoptr(GString) text = g_string_new("KVM_EXIT_INTERNAL_ERROR: ");

    g_string_append_printf(text, "%s (%u)", name ? name : "of a kind that is not known", sub);
    if (sub == KVM_INTERNAL_ERROR_EMULATION) {
        append_instruction(text, run);
    } else {
        for (unsigned i = 0; i < MIN(run->internal.ndata, G_N_ELEMENTS(run->internal.data)); i++) {
            g_string_append_printf(text, " data[%u]=0x%" PRIx64, i,
                                   (uint64_t)run->internal.data[i]);
        }
    }
    stop_with(k, text->str);
}

/* ---- the table ---- */

#define EXIT(name, function) [KVM_EXIT_##name] = { "KVM_EXIT_" #name, function }

static const struct {
    const char *name;
    void (*handle)(KvmCpu *k); /* machine lock held; NULL: the machine stops */
} exits[] = {
    EXIT(UNKNOWN, NULL),
    EXIT(EXCEPTION, NULL),
    EXIT(IO, exit_io),
    EXIT(HYPERCALL, NULL),
    EXIT(DEBUG, kvm_debug_exit),
    EXIT(HLT, exit_halt),
    EXIT(MMIO, exit_mmio),
    EXIT(IRQ_WINDOW_OPEN, exit_nothing),
    EXIT(SHUTDOWN, exit_shutdown),
    EXIT(FAIL_ENTRY, exit_fail_entry),
    EXIT(INTR, exit_nothing),
    EXIT(SET_TPR, exit_nothing),
    EXIT(TPR_ACCESS, exit_nothing),
    EXIT(NMI, NULL),
    EXIT(INTERNAL_ERROR, exit_internal_error),
    EXIT(WATCHDOG, NULL),
    EXIT(SYSTEM_EVENT, NULL),
    EXIT(IOAPIC_EOI, exit_ioapic_eoi),
    EXIT(HYPERV, NULL),
    EXIT(X86_RDMSR, NULL),
    EXIT(X86_WRMSR, NULL),
    EXIT(DIRTY_RING_FULL, NULL),
    EXIT(X86_BUS_LOCK, NULL),
    EXIT(XEN, NULL),
    EXIT(MEMORY_FAULT, NULL),
};

const char *kvm_exit_name(uint32_t reason)
{
    return reason < G_N_ELEMENTS(exits) ? exits[reason].name : NULL;
}

void kvm_handle_exit(KvmCpu *k)
{
    uint32_t reason = k->run->exit_reason;
    bool known = kvm_exit_name(reason) && exits[reason].handle;

    machine_lock();
    kvm_coalesce_flush();
    if (known) {
        exits[reason].handle(k);
    } else {
        const char *name = kvm_exit_name(reason);
        g_autofree char *text = g_strdup_printf("KVM exit reason %u (%s) is not handled", reason,
                                                name ? name : "unknown");
        stop_with(k, text);
    }
    machine_unlock();
}

/* ---- KVM_RUN failed ---- */

/* KVM could not get a page of guest memory. */
static char *describe_fault(const KvmCpu *k)
{
#ifdef KVM_CAP_MEMORY_FAULT_INFO
    if (k->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
        return g_strdup_printf("KVM cannot reach guest memory at 0x%" PRIx64
                               ": has its backing file "
                               "become shorter, or does the host lack memory?",
                               (uint64_t)k->run->memory_fault.gpa);
    }
#endif
    return g_strdup("KVM cannot reach a page of guest memory: has a backing file become shorter, "
                    "or does the host lack memory?");
}

void kvm_handle_error(KvmCpu *k, int err)
{
    g_autofree char *text = NULL;

    machine_lock();
    if (err == EFAULT || err == EHWPOISON) {
        text = describe_fault(k);
        memory_failure_send();
    } else {
        text = g_strdup_printf("KVM_RUN failed: %s", g_strerror(err));
    }
    stop_with(k, text);
    machine_unlock();
}
