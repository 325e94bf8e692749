/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints and single steps of a debugger outside of the guest, by KVM_SET_GUEST_DEBUG
 * (Documentation/virt/kvm/api.rst, 4.87).
 *
 * A software breakpoint is an INT3 in guest memory, which is there only while the machine runs: who
 * looks at a machine that stands (the debugger, a dump, a saved machine, a mapped file) sees the
 * guest's own byte. One in ROM, a hardware breakpoint and a watchpoint are debug registers, which
 * the guest's own then do not work beside.
 */
#include <inttypes.h>
#include <string.h>

#include "accel/debug.h"
#include "accel/kvm/kvm-internal.h"
#include "memory/address-space.h"
#include "target/i386/page-walk.h"
#include "util/error.h"

#define INT3      0xccu
#define REGISTERS 4u

/* An INT3. */
typedef struct Patch {
    uint64_t addr; /* linear */
    hwaddr pa;
    uint8_t own; /* the guest's byte, while the INT3 is in memory */
    bool in;     /* it is */
} Patch;

/* A debug register. */
typedef struct DebugRegister {
    bool used;
    AccelBreakpoint of; /* of a watchpoint several may be */
    uint64_t addr;      /* linear */
    unsigned len;       /* 1, 2, 4 or 8 */
} DebugRegister;

/* Machine lock. */
static GArray *patches; /* of Patch */
static DebugRegister registers[REGISTERS];

/* ---- INT3 ---- */

/* A byte of RAM or ROM. */
static bool has_byte(hwaddr pa, bool *readonly, uint8_t *byte)
{
    const FlatRange *r = flat_view_find(address_space_view(&address_space_memory), pa);

    if (!r || !r->host) {
        return false;
    }
    *byte = r->host[pa - r->addr];
    *readonly = r->readonly;
    return true;
}

static bool read_entry(uint64_t pa, void *buf, unsigned size, void *opaque)
{
    const void *host = address_space_host(&address_space_memory, pa, size);

    if (host) {
        memcpy(buf, host, size);
    }
    return host != NULL;
}

static bool translate(const X86Cpu *cpu, uint64_t addr, hwaddr *pa)
{
    X86Mapping mapping;

    *pa = addr;
    if (x86_paging_enabled(cpu)) {
        if (!x86_page_find(cpu, addr, read_entry, NULL, &mapping)) {
            return false;
        }
        *pa = mapping.pa + (addr - mapping.va);
    }
    return true;
}

static Patch *nth_patch(unsigned i)
{
    return &g_array_index(patches, Patch, i);
}

static Patch *find_patch(uint64_t addr)
{
    for (unsigned i = 0; patches && i < patches->len; i++) {
        if (nth_patch(i)->addr == addr) {
            return nth_patch(i);
        }
    }
    return NULL;
}

static void patch(hwaddr pa, uint8_t byte)
{
    address_space_write(&address_space_memory, pa, &byte, 1);
}

/* The machine is about to run. */
void kvm_debug_resume(void)
{
    bool readonly;

    for (unsigned i = 0; patches && i < patches->len; i++) {
        Patch *p = nth_patch(i);

        p->in = has_byte(p->pa, &readonly, &p->own) && !readonly;
        if (p->in) {
            patch(p->pa, INT3);
        }
    }
}

/* It stands. Backwards, since two may be at one physical address; what the guest wrote meanwhile
 * stays. */
void kvm_debug_stopped(void)
{
    bool readonly;
    uint8_t byte;

    for (unsigned i = patches ? patches->len : 0; i-- > 0;) {
        Patch *p = nth_patch(i);

        if (p->in && has_byte(p->pa, &readonly, &byte) && byte == INT3) {
            patch(p->pa, p->own);
        }
        p->in = false;
    }
}

/* ---- debug registers ---- */

/* The largest piece of [addr, addr + len) at its begin that a debug register can watch. */
static unsigned piece(uint64_t addr, uint64_t len)
{
    unsigned size = 8;

    while (size > len || addr & (size - 1)) {
        size /= 2;
    }
    return size;
}

static unsigned free_registers(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < REGISTERS; i++) {
        count += !registers[i].used;
    }
    return count;
}

static void take_register(const AccelBreakpoint *b, uint64_t addr, unsigned len)
{
    unsigned i = 0;

    while (registers[i].used) {
        i++;
    }
    registers[i] = (DebugRegister){ .used = true, .of = *b, .addr = addr, .len = len };
}

static bool take_registers(const AccelBreakpoint *b, GError **errp)
{
    unsigned needed = 0, free = free_registers();

    for (uint64_t done = 0; done < b->len && needed <= free; needed++) {
        done += piece(b->addr + done, b->len - done);
    }
    if (needed > free) {
        error_set(errp,
                  "there is no room in the %u debug registers, of which %u are free: each holds a "
                  "breakpoint or an aligned 1, 2, 4 or 8 bytes that are watched",
                  REGISTERS, free);
        return false;
    }
    for (uint64_t done = 0; done < b->len;) {
        unsigned len = piece(b->addr + done, b->len - done);

        take_register(b, b->addr + done, len);
        done += len;
    }
    return true;
}

static bool same(const AccelBreakpoint *a, const AccelBreakpoint *b)
{
    return a->kind == b->kind && a->addr == b->addr && a->len == b->len;
}

static uint64_t dr7(void)
{
    static const uint8_t conditions[ACCEL_BREAK_KINDS] = {
        [ACCEL_BREAK_SOFT] = DR7_RW_CODE,
        [ACCEL_BREAK_HARD] = DR7_RW_CODE,
        [ACCEL_WATCH_WRITE] = DR7_RW_WRITE,
        [ACCEL_WATCH_ACCESS] = DR7_RW_ACCESS,
    };
    static const uint8_t lengths[] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
    uint64_t value = DR7_FIXED_ONE;

    for (unsigned i = 0; i < REGISTERS; i++) {
        const DebugRegister *r = &registers[i];

        if (r->used) {
            uint64_t how = conditions[r->of.kind] | (unsigned)lengths[r->len] << 2;

            value |= DR7_ENABLE(i) | how << DR7_CONDITION_SHIFT(i);
        }
    }
    return value;
}

/* ---- AccelDebugOps ---- */

static bool insert(const AccelBreakpoint *b, X86Cpu *cpu, GError **errp)
{
    Patch p = { .addr = b->addr };
    bool readonly;

    if (!kvm_check(KVM_CAP_SET_GUEST_DEBUG)) {
        error_set(errp, "this host's KVM has no breakpoints (KVM_CAP_SET_GUEST_DEBUG)");
        return false;
    }
    if (b->kind != ACCEL_BREAK_SOFT) {
        return take_registers(b, errp);
    }
    if (!translate(cpu, p.addr, &p.pa) || !has_byte(p.pa, &readonly, &p.own)) {
        error_set(errp, "there is no memory at 0x%" PRIx64 " for a breakpoint", p.addr);
        return false;
    }
    if (readonly) {
        return take_registers(b, errp);
    }
    if (!patches) {
        patches = g_array_new(FALSE, FALSE, sizeof(Patch));
    }
    g_array_append_val(patches, p);
    return true;
}

static void remove_breakpoint(const AccelBreakpoint *b)
{
    const Patch *p = b->kind == ACCEL_BREAK_SOFT ? find_patch(b->addr) : NULL;

    if (p) {
        g_array_remove_index(patches, (unsigned)(p - nth_patch(0)));
    }
    for (unsigned i = 0; i < REGISTERS; i++) {
        registers[i].used = registers[i].used && !same(&registers[i].of, b);
    }
}

/* Processors have no watchpoint that only reads come to; a debugger makes one of one for both. */
const AccelDebugOps kvm_debug_ops = {
    .kinds = 1 << ACCEL_BREAK_SOFT | 1 << ACCEL_BREAK_HARD | 1 << ACCEL_WATCH_WRITE |
             1 << ACCEL_WATCH_ACCESS,
    .insert = insert,
    .remove = remove_breakpoint,
};

/* ---- vCPUs ---- */

static struct kvm_guest_debug wanted(const KvmCpu *k)
{
    struct kvm_guest_debug debug = { 0 };
    const int flags = kvm_check(KVM_CAP_SET_GUEST_DEBUG2); /* 0 before Linux 5.15 */

    if (k->cpu.debug_step) {
        debug.control |= KVM_GUESTDBG_SINGLESTEP;
        if (k->cpu.debug_step & CPU_STEP_NO_IRQ) {
            debug.control |= flags & KVM_GUESTDBG_BLOCKIRQ;
        }
    }
    if (patches && patches->len) {
        debug.control |= KVM_GUESTDBG_USE_SW_BP;
    }
    if (free_registers() < REGISTERS) {
        debug.control |= KVM_GUESTDBG_USE_HW_BP;
        for (unsigned i = 0; i < REGISTERS; i++) {
            debug.arch.debugreg[i] = registers[i].used ? registers[i].addr : 0;
        }
        debug.arch.debugreg[7] = dr7();
    }
    debug.control |= debug.control ? KVM_GUESTDBG_ENABLE : 0;
    return debug;
}

static void set(KvmCpu *k, const struct kvm_guest_debug *debug)
{
    int ret;

    k->guest_debug = *debug;
    ret = kvm_ioctl(k->fd, KVM_SET_GUEST_DEBUG, &k->guest_debug);
    if (ret < 0) {
        error_report("CPU %u: KVM refuses breakpoints or a step: %s", k->cpu.index,
                     g_strerror(-ret));
    }
}

/* After the registers: of a step KVM keeps where it begins. */
void kvm_debug_put(KvmCpu *k)
{
    struct kvm_guest_debug debug = wanted(k);

    if (debug.control & KVM_GUESTDBG_SINGLESTEP ||
        memcmp(&debug, &k->guest_debug, sizeof(debug)) != 0) {
        set(k, &debug);
    }
}

/* The exception was the guest's own. */
static void inject(KvmCpu *k, uint32_t how)
{
    struct kvm_guest_debug debug = k->guest_debug;

    debug.control |= KVM_GUESTDBG_ENABLE | how;
    set(k, &debug);
    k->guest_debug.control &= ~how;
}

static void inject_debug_exception(KvmCpu *k, uint64_t dr6)
{
    struct kvm_debugregs regs;

    if (kvm_ioctl(k->fd, KVM_GET_DEBUGREGS, &regs) >= 0) {
        regs.dr6 |= dr6 & (DR6_BS | DR6_BT | DR6_BD);
        kvm_ioctl(k->fd, KVM_SET_DEBUGREGS, &regs);
    }
    inject(k, KVM_GUESTDBG_INJECT_DB);
}

/* The first debug register that DR6 tells of; NULL: none of those used. */
static const DebugRegister *hit(uint64_t dr6)
{
    for (unsigned i = 0; i < REGISTERS; i++) {
        if (registers[i].used && dr6 >> i & 1) {
            return &registers[i];
        }
    }
    return NULL;
}

/* A debug register's, or a step; else it is none of the debugger's. */
static AccelStop stop_of(const KvmCpu *k, uint64_t dr6)
{
    const DebugRegister *r = hit(dr6);

    if (r && r->of.kind <= ACCEL_BREAK_HARD) {
        return (AccelStop){ .reason = ACCEL_STOP_BREAKPOINT, .kind = r->of.kind };
    }
    if (r) {
        return (
            AccelStop){ .reason = ACCEL_STOP_WATCHPOINT, .kind = r->of.kind, .addr = r->of.addr };
    }
    return (AccelStop){ .reason =
                            dr6 & DR6_BS && k->cpu.debug_step ? ACCEL_STOP_STEP : ACCEL_STOP_NONE };
}

void kvm_debug_exit(KvmCpu *k)
{
    const struct kvm_debug_exit_arch *arch = &k->run->debug.arch;
    AccelStop stop = { .reason = ACCEL_STOP_NONE };

    if (arch->exception == EXC_BP) {
        if (find_patch(arch->pc)) {
            stop = (AccelStop){ .reason = ACCEL_STOP_BREAKPOINT, .kind = ACCEL_BREAK_SOFT };
        }
    } else {
        stop = stop_of(k, arch->dr6);
    }
    if (stop.reason != ACCEL_STOP_NONE) {
        accel_debug_stop(&k->cpu, &stop);
    } else if (arch->exception == EXC_BP) {
        inject(k, KVM_GUESTDBG_INJECT_BP);
    } else {
        inject_debug_exception(k, arch->dr6);
    }
}
