/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Breakpoints with KVM: what is in guest memory and in debug registers, and what is made of
 * KVM_EXIT_DEBUG. The vCPU is KVM's; what it would say of an INT3 or a watchpoint, which a KVM that
 * emulates does not, is written into its run structure. Skipped where there is no usable /dev/kvm.
 */
#include <errno.h>
#include <glib.h>

#include "accel/choose.h"
#include "accel/debug.h"
#include "accel/kvm/kvm-internal.h"
#include "accel/kvm/kvm.h"
#include "accel/vcpu.h"
#include "memory/address-space.h"
#include "util/main-loop.h"
#include "util/units.h"

#define RAM_SIZE MIB
#define ROM      (2 * MIB)
#define INT3     0xcc

static char *reason; /* why the engine is not there, or NULL */
static X86Cpu *cpu;  /* one for all tests: KVM forgets none */
static AccelStop told;

typedef struct Fixture {
    MemoryRegion ram, rom;
    X86Cpu *cpu;
} Fixture;

static void on_stop(X86Cpu *which, const AccelStop *stop)
{
    told = *stop;
}

static void add(MemoryRegion *mr, hwaddr addr, bool readonly)
{
    RamBlock *block = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);

    memory_region_init_ram(mr, "ram", block);
    ram_block_unref(block);
    mr->readonly = readonly;
    memory_region_add(memory_system(), addr, mr);
}

static void drop(MemoryRegion *mr)
{
    memory_region_remove(mr);
    memory_region_destroy(mr);
}

static void set_up(Fixture *f, gconstpointer unused)
{
    if (reason) {
        g_test_skip(reason);
        return;
    }
    add(&f->ram, 0, false);
    add(&f->rom, ROM, true);
    f->cpu = cpu;
    kvm_cpu(cpu)->fresh = true; /* everything is written */
    x86_cpu_reset(cpu);
    kvm_put_state(f->cpu);
    accel_set_debug_handler(on_stop);
    told = (AccelStop){ .reason = ACCEL_STOP_NONE };
}

static void tear_down(Fixture *f, gconstpointer unused)
{
    if (reason) {
        return;
    }
    accel_breakpoints_clear();
    accel_set_debug_handler(NULL);
    drop(&f->rom);
    drop(&f->ram);
}

static uint8_t byte_at(hwaddr addr)
{
    uint8_t byte;

    g_assert_cmpint(address_space_read(&address_space_memory, addr, &byte, 1), ==, MEMTX_OK);
    return byte;
}

static void set_byte(hwaddr addr, uint8_t byte)
{
    address_space_write(&address_space_memory, addr, &byte, 1);
}

static void insert(Fixture *f, AccelBreakKind kind, uint64_t addr, uint64_t len)
{
    g_autoptr(GError) err = NULL;

    g_assert_true(accel_breakpoint_insert(kind, addr, len, f->cpu, &err));
}

static bool refused(Fixture *f, AccelBreakKind kind, uint64_t addr, uint64_t len, const char *text)
{
    g_autoptr(GError) err = NULL;

    return !accel_breakpoint_insert(kind, addr, len, f->cpu, &err) &&
           g_pattern_match_simple(text, err->message);
}

/* What KVM says of exception @vector at linear address @pc. */
static AccelStop after(Fixture *f, uint32_t vector, uint64_t pc, uint64_t dr6)
{
    KvmCpu *k = kvm_cpu(f->cpu);

    told = (AccelStop){ .reason = ACCEL_STOP_NONE };
    k->run->debug.arch = (struct kvm_debug_exit_arch){
        .exception = vector, .pc = pc, .dr6 = DR6_FIXED_ONE | dr6, .dr7 = DR7_FIXED_ONE
    };
    kvm_debug_exit(k);
    return told;
}

/* Does KVM have an exception to deliver? Of INT3 it tells only so. It has one after that. */
static bool busy(void)
{
    struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_DB };

    return kvm_ioctl(kvm_cpu(cpu)->fd, KVM_SET_GUEST_DEBUG, &debug) == -EBUSY;
}

/* The exception that KVM is about to deliver, or -1: an INT3 is not told of. */
static int exception_waits(Fixture *f)
{
    struct kvm_vcpu_events events;

    g_assert_cmpint(kvm_ioctl(kvm_cpu(f->cpu)->fd, KVM_GET_VCPU_EVENTS, &events), >=, 0);
    return events.exception.injected || events.exception.pending ? events.exception.nr : -1;
}

static uint32_t control(Fixture *f)
{
    kvm_put_state(f->cpu);
    return kvm_cpu(f->cpu)->guest_debug.control;
}

/* An INT3 is in memory only while the machine runs, and what the guest writes there stays. */
static void test_int3(Fixture *f, gconstpointer unused)
{
    AccelStop stop;

    if (reason) {
        return;
    }
    set_byte(0x1000, 0x90);
    set_byte(0x1001, 0x91);
    insert(f, ACCEL_BREAK_SOFT, 0x1000, 1);
    insert(f, ACCEL_BREAK_SOFT, 0x1001, 1);
    g_assert_cmphex(byte_at(0x1000), ==, 0x90);
    g_assert_cmphex(control(f), ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
    kvm_debug_resume();
    g_assert_cmphex(byte_at(0x1000), ==, INT3);
    g_assert_cmphex(byte_at(0x1001), ==, INT3);
    stop = after(f, EXC_BP, 0x1000, 0);
    g_assert_cmpint(stop.reason, ==, ACCEL_STOP_BREAKPOINT);
    g_assert_cmpint(stop.kind, ==, ACCEL_BREAK_SOFT);
    g_assert_cmpint(exception_waits(f), ==, -1);
    set_byte(0x1001, 0x55);
    kvm_debug_stopped();
    g_assert_cmphex(byte_at(0x1000), ==, 0x90);
    g_assert_cmphex(byte_at(0x1001), ==, 0x55);
    g_assert_true(accel_breakpoint_remove(ACCEL_BREAK_SOFT, 0x1000, 1));
    kvm_debug_resume();
    g_assert_cmphex(byte_at(0x1000), ==, 0x90);
    g_assert_cmphex(byte_at(0x1001), ==, INT3);
    kvm_debug_stopped();
    g_assert_true(accel_breakpoint_remove(ACCEL_BREAK_SOFT, 0x1001, 1));
    g_assert_cmphex(control(f), ==, 0);
    g_assert_true(refused(f, ACCEL_BREAK_SOFT, 0xfee00000, 1, "*no memory at 0xfee00000*"));
}

/* Two linear addresses of one byte: the guest's own comes back. */
static void test_int3_twice(Fixture *f, gconstpointer unused)
{
    const uint64_t tables[][2] = {
        { 0x2000, 0x3007 }, { 0x3000, 0x4007 }, { 0x4000, 0x87 }, { 0x4008, 0x87 }
    };

    if (reason) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
        address_space_store(&address_space_memory, tables[i][0], tables[i][1], 8);
    }
    f->cpu->cr3 = 0x2000;
    f->cpu->cr4 |= CR4_PAE;
    f->cpu->efer |= EFER_LME | EFER_LMA;
    f->cpu->cr0 |= CR0_PG | CR0_PE;
    set_byte(0x1000, 0x90);
    insert(f, ACCEL_BREAK_SOFT, 0x1000, 1);
    insert(f, ACCEL_BREAK_SOFT, 0x201000, 1);
    g_assert_true(refused(f, ACCEL_BREAK_SOFT, 0x401000, 1, "*no memory at 0x401000*"));
    kvm_debug_resume();
    g_assert_cmphex(byte_at(0x1000), ==, INT3);
    g_assert_cmpint(after(f, EXC_BP, 0x201000, 0).reason, ==, ACCEL_STOP_BREAKPOINT);
    kvm_debug_stopped();
    g_assert_cmphex(byte_at(0x1000), ==, 0x90);
}

/* Exceptions that are none of the debugger's go to the guest. */
static void test_own(Fixture *f, gconstpointer unused)
{
    struct kvm_debugregs regs;

    if (reason) {
        return;
    }
    insert(f, ACCEL_BREAK_SOFT, 0x1000, 1);
    insert(f, ACCEL_BREAK_HARD, 0x1004, 1);
    kvm_put_state(f->cpu);
    g_assert_cmpint(after(f, EXC_BP, 0x1008, 0).reason, ==, ACCEL_STOP_NONE);
    g_assert_true(busy());
    g_assert_cmpint(exception_waits(f), ==, -1);
    kvm_cpu(f->cpu)->fresh = true; /* everything is written, and nothing waits any more */
    kvm_put_state(f->cpu);
    g_assert_false(busy());
    kvm_cpu(f->cpu)->fresh = true;
    kvm_put_state(f->cpu);
    g_assert_cmpint(exception_waits(f), ==, -1);
    g_assert_cmpint(after(f, EXC_DB, 0x1008, DR6_BS).reason, ==, ACCEL_STOP_NONE);
    g_assert_cmpint(exception_waits(f), ==, EXC_DB);
    g_assert_cmpint(kvm_ioctl(kvm_cpu(f->cpu)->fd, KVM_GET_DEBUGREGS, &regs), >=, 0);
    g_assert_cmphex(regs.dr6 & DR6_BS, ==, DR6_BS);
}

/* What is watched, in pieces; breakpoints in ROM; and no more than there is room for. */
static void test_registers(Fixture *f, gconstpointer unused)
{
    const struct kvm_guest_debug *debug = NULL;
    AccelStop stop;

    if (reason) {
        return;
    }
    debug = &kvm_cpu(f->cpu)->guest_debug;
    insert(f, ACCEL_WATCH_WRITE, 0x2003, 5); /* 1 and 4 bytes */
    insert(f, ACCEL_BREAK_SOFT, ROM + 16, 1);
    g_assert_true(refused(f, ACCEL_WATCH_ACCESS, 0x3004, 8, "*no room*1 are free*"));
    insert(f, ACCEL_WATCH_ACCESS, 0x3008, 8);
    g_assert_true(refused(f, ACCEL_BREAK_HARD, 0x4000, 1, "*no room*0 are free*"));
    g_assert_cmphex(control(f), ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
    g_assert_cmphex(debug->arch.debugreg[0], ==, 0x2003);
    g_assert_cmphex(debug->arch.debugreg[1], ==, 0x2004);
    g_assert_cmphex(debug->arch.debugreg[2], ==, ROM + 16);
    g_assert_cmphex(debug->arch.debugreg[3], ==, 0x3008);
    g_assert_cmphex(debug->arch.debugreg[7], ==, 0xb0d104ff);
    stop = after(f, EXC_DB, 0x1000, 2);
    g_assert_cmpint(stop.reason, ==, ACCEL_STOP_WATCHPOINT);
    g_assert_cmpint(stop.kind, ==, ACCEL_WATCH_WRITE);
    g_assert_cmphex(stop.addr, ==, 0x2003);
    stop = after(f, EXC_DB, ROM + 16, 4);
    g_assert_cmpint(stop.reason, ==, ACCEL_STOP_BREAKPOINT);
    g_assert_cmpint(stop.kind, ==, ACCEL_BREAK_SOFT);
    g_assert_true(accel_breakpoint_remove(ACCEL_WATCH_WRITE, 0x2003, 5));
    insert(f, ACCEL_WATCH_WRITE, 0x4006, 4); /* 2 and 2 bytes */
    g_assert_false(accel_breakpoint_kind_known(ACCEL_WATCH_READ));
    accel_breakpoints_clear();
    g_assert_cmphex(control(f), ==, 0);
}

static void test_step(Fixture *f, gconstpointer unused)
{
    if (reason) {
        return;
    }
    insert(f, ACCEL_WATCH_WRITE, 0x2000, 1);
    f->cpu->debug_step = CPU_STEP;
    g_assert_cmphex(control(f), ==,
                    KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP);
    g_assert_cmpint(after(f, EXC_DB, 0x1000, DR6_BS).reason, ==, ACCEL_STOP_STEP);
    g_assert_cmpint(after(f, EXC_DB, 0x1000, DR6_BS | 1).reason, ==, ACCEL_STOP_WATCHPOINT);
    f->cpu->debug_step = 0;
    g_assert_cmphex(control(f), ==, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;

    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    if (!accel_choose("kvm", &err)) {
        reason = err->message;
    } else {
        cpu = vcpu_alloc();
        g_assert_true(x86_cpu_model_parse(&cpu->model, "host", &err));
        g_assert_true(kvm_cpu_init(cpu, &err));
    }
#define ADD(name, function) \
    g_test_add("/kvm-debug/" name, Fixture, NULL, set_up, function, tear_down)
    ADD("int3", test_int3);
    ADD("int3-twice", test_int3_twice);
    ADD("own", test_own);
    ADD("registers", test_registers);
    ADD("step", test_step);
#undef ADD
    int status = g_test_run();
    if (cpu) {
        kvm_cpu_destroy(cpu);
        vcpu_free(cpu);
    }
    return status;
}
