/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The KVM engine without a guest: slots, routes, CPUID. Skipped where there is no usable /dev/kvm.
 */
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "accel/choose.h"
#include "accel/kvm/kvm-internal.h"
#include "accel/kvm/kvm.h"
#include "accel/notify.h"
#include "accel/vcpu.h"
#include "memory/address-space.h"
#include "memory/dirty.h"
#include "qom/object.h"
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/timer.h"
#include "util/units.h"

static char *reason; /* why the engine is not there, or NULL */

static bool skipped(void)
{
    if (reason) {
        g_test_skip(reason);
    }
    return reason != NULL;
}

static MemoryRegion *add_ram(hwaddr addr, uint64_t size, bool readonly)
{
    MemoryRegion *mr = g_new0(MemoryRegion, 1);
    RamBlock *block = ram_block_new("ram", size, -1, false, true, 0, NULL);

    memory_region_init_ram(mr, "ram", block);
    ram_block_unref(block);
    mr->readonly = readonly;
    memory_region_add(memory_system(), addr, mr);
    return mr;
}

static void drop_ram(MemoryRegion *mr)
{
    memory_region_remove(mr);
    memory_region_destroy(mr);
    g_free(mr);
}

/* One slot for each range of RAM, and none is lost when they come and go. */
static void test_slots(void)
{
    g_autoptr(GError) err = NULL;

    if (skipped()) {
        return;
    }
    g_assert_cmpuint(kvm_memslots_used(), ==, 0);
    MemoryRegion *low = add_ram(0, MIB, false);
    g_assert_cmpuint(kvm_memslots_used(), ==, 1);
    for (unsigned i = 0; i < 1000; i++) {
        MemoryRegion *dimm = add_ram(4096 * MIB, 2 * MIB, false);
        g_assert_cmpuint(kvm_memslots_used(), ==, 2);
        drop_ram(dimm);
        g_assert_cmpuint(kvm_memslots_used(), ==, 1);
    }
    MemoryRegion *rom = add_ram(2 * MIB, MIB, true);
    g_assert_cmpuint(kvm_memslots_used(), ==, 2);
    kvm_vm.max_memslots = 3;
    g_assert_true(kvm_memory_room(1, &err));
    g_assert_false(kvm_memory_room(2, &err));
    g_assert_true(g_pattern_match_simple("*no memory slot left: 2 of 3 are in use*", err->message));
    drop_ram(rom);
    drop_ram(low);
    g_assert_cmpuint(kvm_memslots_used(), ==, 0);
}

/* KVM takes notes in slots that are there, and that come meanwhile; ROM is in none. What nobody
 * wrote is not dirty, also in a slot that goes; what the program itself wrote is. */
static void test_dirty_log(void)
{
    uint64_t page = 0, count;

    if (skipped()) {
        return;
    }
    MemoryRegion *low = add_ram(0, MIB, false), *rom = add_ram(2 * MIB, MIB, true);
    MemoryRegion *piece = g_new0(MemoryRegion, 1);
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    g_ptr_array_add(blocks, low->ram);
    DirtyTracker *tracker = dirty_tracker_new(blocks);
    g_assert_true(dirty_tracker_next(tracker, 0, &page, UINT64_MAX, &count));
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 0);
    memory_region_init_alias(piece, "piece", low, 0x80000, 0x10000);
    memory_region_add(memory_system(), 4 * MIB, piece);
    g_assert_cmpuint(kvm_memslots_used(), ==, 3);
    address_space_store(&address_space_memory, 4 * MIB + 0x1000, 1, 4);
    memory_region_remove(piece);
    g_assert_cmpuint(dirty_tracker_sync(tracker), ==, 1);
    page = 0;
    g_assert_true(dirty_tracker_next(tracker, 0, &page, UINT64_MAX, &count));
    g_assert_cmpuint(page, ==, 0x81);
    dirty_tracker_free(tracker);
    memory_region_destroy(piece);
    g_free(piece);
    drop_ram(rom);
    drop_ram(low);
    g_assert_cmpuint(kvm_memslots_used(), ==, 0);
}

/* A watched block comes, stays while all are logged, and goes; each change is one that KVM takes.
 */
static void test_dirty_watch(void)
{
    if (skipped()) {
        return;
    }
    MemoryRegion *low = add_ram(0, MIB, false), *screen = add_ram(2 * MIB, MIB, false);
    g_autoptr(GPtrArray) blocks = g_ptr_array_new();
    g_ptr_array_add(blocks, low->ram);
    DirtyTracker *watch = dirty_tracker_new_watch(screen->ram);
    g_assert_cmpuint(dirty_tracker_sync(watch), ==, 0);
    DirtyTracker *all = dirty_tracker_new(blocks);
    address_space_store(&address_space_memory, 2 * MIB, 1, 4);
    g_assert_cmpuint(dirty_tracker_sync(watch), ==, 1);
    g_assert_cmpuint(dirty_tracker_sync(all), ==, 0);
    dirty_tracker_free(all);
    g_assert_cmpuint(dirty_tracker_sync(watch), ==, 0);
    dirty_tracker_free(watch);
    drop_ram(screen);
    drop_ram(low);
}

/* A region that lies over another cuts it in two. */
static void test_overlap(void)
{
    if (skipped()) {
        return;
    }
    kvm_vm.max_memslots = 100;
    MemoryRegion *low = add_ram(0, 4 * MIB, false);
    MemoryRegion hole;
    memory_region_init_io(&hole, NULL, NULL, "hole", MIB);
    memory_region_add_overlap(memory_system(), MIB, &hole, 1);
    g_assert_cmpuint(kvm_memslots_used(), ==, 2);
    memory_region_remove(&hole);
    g_assert_cmpuint(kvm_memslots_used(), ==, 1);
    memory_region_destroy(&hole);
    drop_ram(low);
}

static void test_routes(void)
{
    g_autoptr(GError) err = NULL;
    int fd = eventfd(0, EFD_CLOEXEC);
    const uint64_t match = 7;

    if (skipped()) {
        close(fd);
        return;
    }
    int a = kvm_msi_route_add(0xfee00000, 0x41, &err);
    int b = kvm_msi_route_add(0xfee01000, 0x42, &err);
    g_assert_no_error(err);
    g_assert_cmpint(a, >=, 24);
    g_assert_cmpint(b, ==, a + 1);
    g_assert_true(kvm_msi_route_update(b, 0xfee01000, 0x43, &err));
    g_assert_true(kvm_irqfd(fd, b, true, &err));
    g_assert_false(kvm_irqfd(fd, b, true, &err)); /* it has one */
    g_assert_nonnull(err);
    g_clear_error(&err);
    g_assert_true(kvm_irqfd(fd, b, false, &err));
    kvm_msi_route_remove(a);
    g_assert_cmpint(kvm_msi_route_add(0xfee00000, 0x44, &err), ==, a);
    g_assert_true(kvm_ioeventfd(fd, 0x1234, 2, true, &match, true, &err));
    g_assert_false(kvm_ioeventfd(fd, 0x1234, 2, true, &match, true, &err));
    g_clear_error(&err);
    g_assert_true(kvm_ioeventfd(fd, 0x1234, 2, true, &match, false, &err));
    kvm_msi_route_remove(a);
    kvm_msi_route_remove(b);
    close(fd);
}

static MemoryRegionOps no_ops;

/* Is there an ioeventfd of these? It cannot be asked, but one there is cannot be added. */
static bool has_ioeventfd(int fd, hwaddr addr, unsigned size, bool port)
{
    bool added = kvm_ioeventfd(fd, addr, size, port, NULL, true, NULL);

    if (added) {
        kvm_ioeventfd(fd, addr, size, port, NULL, false, NULL);
    }
    return !added;
}

/* Events of regions are ioeventfds, wherever the regions are. */
static void test_events(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    MemoryEvent first = { .offset = 4, .size = 2, .fd = fd }, second = { .offset = 8, .fd = fd };
    MemoryRegion mr;

    if (skipped() || !kvm_check(KVM_CAP_IOEVENTFD)) {
        if (!reason) {
            g_test_skip("this KVM has no ioeventfds");
        }
        close(fd);
        return;
    }
    memory_region_init_io(&mr, &no_ops, NULL, "doorbell", 16);
    memory_region_add_event(&mr, &first);
    memory_region_add(memory_system(), 512 * MIB, &mr);
    g_assert_true(has_ioeventfd(fd, 512 * MIB + 4, 2, false));
    memory_region_add_event(&mr, &second);
    g_assert_true(has_ioeventfd(fd, 512 * MIB + 8, 0, false));
    memory_region_set_address(&mr, 513 * MIB);
    g_assert_false(has_ioeventfd(fd, 512 * MIB + 4, 2, false));
    g_assert_true(has_ioeventfd(fd, 513 * MIB + 4, 2, false));
    memory_region_del_event(&mr, &first);
    g_assert_false(has_ioeventfd(fd, 513 * MIB + 4, 2, false));
    memory_region_remove(&mr);
    g_assert_false(has_ioeventfd(fd, 513 * MIB + 8, 0, false));
    memory_region_add(memory_io(), 0x5000, &mr);
    g_assert_true(has_ioeventfd(fd, 0x5008, 0, true));
    memory_region_remove(&mr);
    memory_region_destroy(&mr);
    close(fd);
}

/* An eventfd's message is KVM's affair, as long as it has routes; and all are given back. */
static void test_irqfds(void)
{
    g_autoptr(GPtrArray) routes = NULL;
    g_autoptr(GArray) fds = NULL;
    unsigned fast[2] = { 0, 0 };

    if (skipped()) {
        return;
    }
    for (unsigned round = 0; round < 2; round++) {
        routes = g_ptr_array_new_with_free_func((GDestroyNotify)accel_msi_route_free);
        fds = g_array_new(FALSE, FALSE, sizeof(int));
        for (unsigned i = 0; i < 100; i++) {
            AccelMsiRoute *route = accel_msi_route_new(0xfee00000, 0x40 + i);
            int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

            accel_irqfd_add(route, fd);
            accel_msi_route_change(route, 0xfee01000, 0x40 + i);
            fast[round] += accel_irqfd_is_fast(route);
            g_ptr_array_add(routes, route);
            g_array_append_val(fds, fd);
        }
        g_clear_pointer(&routes, g_ptr_array_unref);
        for (unsigned i = 0; i < fds->len; i++) {
            close(g_array_index(fds, int, i));
        }
        g_clear_pointer(&fds, g_array_unref);
    }
    g_assert_cmpuint(fast[0], ==, 100);
    g_assert_cmpuint(fast[1], ==, 100);
}

static void test_cpuid(void)
{
    g_autoptr(GError) err = NULL;
    X86CpuModel host, max, bare;

    if (skipped()) {
        return;
    }
    g_assert_true(x86_cpu_model_parse(&host, "host", &err));
    g_assert_true(x86_cpu_model_parse(&max, "max", &err));
    g_assert_cmpmem(host.features, sizeof(host.features), max.features, sizeof(max.features));
    g_assert_cmpuint(host.features[X86_FEAT_1_ECX] & CPUID_1_ECX_HYPERVISOR, !=, 0);
    /* Nested virtualisation is never offered. */
    g_assert_cmpuint(host.features[X86_FEAT_1_ECX] & 1u << 5, ==, 0);
    g_assert_cmpuint(host.features[X86_FEAT_EXT1_ECX] & 1u << 2, ==, 0);
    g_assert_true(x86_cpu_model_parse(&bare, "host,-kvm,-xsave", &err));
    g_assert_cmpuint(bare.features[X86_FEAT_KVM_EAX], ==, 0);
    g_assert_cmpuint(bare.features[X86_FEAT_1_ECX] & CPUID_1_ECX_XSAVE, ==, 0);
    g_assert_false(x86_cpu_model_parse(&bare, "host,+vmx,enforce", &err));
    g_assert_true(
        g_pattern_match_simple("*kvm engine cannot offer on this host: vmx;*", err->message));
}

static void test_exit_names(void)
{
    g_assert_cmpstr(kvm_exit_name(KVM_EXIT_IO), ==, "KVM_EXIT_IO");
    g_assert_cmpstr(kvm_exit_name(KVM_EXIT_INTERNAL_ERROR), ==, "KVM_EXIT_INTERNAL_ERROR");
    g_assert_null(kvm_exit_name(4000));
}

/* A vCPU's registers survive the way to KVM and back; and a second time nothing is written. */
/* The upper halves of YMM registers are X86Cpu's, too. */
static void test_ymm(void)
{
    g_autoptr(GError) err = NULL;

    if (skipped()) {
        return;
    }
    X86Cpu *cpu = vcpu_alloc();
    g_assert_true(x86_cpu_model_parse(&cpu->model, "host", &err));
    if (!x86_cpu_model_has(&cpu->model, X86_FEAT_1_ECX, CPUID_1_ECX_AVX)) {
        g_test_skip("this KVM has no AVX");
        vcpu_free(cpu);
        return;
    }
    g_assert_true(kvm_cpu_init(cpu, &err));
    x86_cpu_reset(cpu);
    cpu->xcr0 = 7;
    memset(cpu->ymm_high, 0xa5, sizeof(cpu->ymm_high));
    kvm_put_state(cpu);
    X86Cpu was = *cpu;
    memset(cpu->ymm_high, 0, sizeof(cpu->ymm_high));
    kvm_get_state(cpu);
    g_assert_cmpmem(cpu->ymm_high, sizeof(cpu->ymm_high), was.ymm_high, sizeof(was.ymm_high));
    cpu->ymm_high[15][15] = 1; /* alone, it is noticed */
    kvm_put_state(cpu);
    cpu->ymm_high[15][15] = 0;
    kvm_get_state(cpu);
    g_assert_cmphex(cpu->ymm_high[15][15], ==, 1);
    x86_cpu_reset(cpu);
    kvm_put_state(cpu);
    kvm_get_state(cpu);
    g_assert_cmphex(cpu->ymm_high[0][0], ==, 0);
    kvm_cpu_destroy(cpu);
    vcpu_free(cpu);
}

static void test_state(void)
{
    g_autoptr(GError) err = NULL;

    if (skipped()) {
        return;
    }
    X86Cpu *cpu = vcpu_alloc();
    g_assert_true(x86_cpu_model_parse(&cpu->model, "host", &err));
    g_assert_true(kvm_cpu_init(cpu, &err));
    x86_cpu_reset(cpu);
    for (unsigned i = 0; i < 16; i++) {
        cpu->regs[i] = 0x1111111111111111ull * i;
        cpu->fxsave[160 + 16 * i] = (uint8_t)(i + 1);
    }
    cpu->segs[X86_SEG_FS].base = 0x12345000;
    cpu->msr.star = 0x0023001000000000ull;
    cpu->dr[0] = 0x4000;
    kvm_put_state(cpu);
    X86Cpu was = *cpu;
    memset(cpu->regs, 0, sizeof(cpu->regs));
    memset(cpu->segs, 0, sizeof(cpu->segs));
    memset(cpu->fxsave + 160, 0, 256);
    cpu->msr.star = cpu->dr[0] = 0;
    kvm_get_state(cpu);
    g_assert_cmpmem(cpu->regs, 16 * 8, was.regs, 16 * 8);
    g_assert_cmpmem(cpu->fxsave + 160, 256, was.fxsave + 160, 256);
    g_assert_cmphex(cpu->segs[X86_SEG_FS].base, ==, 0x12345000);
    g_assert_cmphex(cpu->segs[X86_SEG_CS].base, ==, 0xffff0000);
    g_assert_cmphex(cpu->rip, ==, 0xfff0);
    g_assert_cmphex(cpu->msr.star, ==, was.msr.star);
    g_assert_cmphex(cpu->dr[0], ==, 0x4000);
    cpu->regs[X86_RBX] = 77;
    kvm_put_state(cpu);
    cpu->regs[X86_RBX] = 0;
    kvm_get_state(cpu);
    g_assert_cmpuint(cpu->regs[X86_RBX], ==, 77);
    /* After a reset all of it is as at power-up. */
    x86_cpu_reset(cpu);
    kvm_put_state(cpu);
    kvm_get_state(cpu);
    g_assert_cmpuint(cpu->regs[X86_RBX], ==, 0);
    g_assert_cmphex(cpu->msr.star, ==, 0);
    kvm_cpu_destroy(cpu);
    vcpu_free(cpu);
}

/* As little of a local APIC as the state of one needs. */
static uint64_t base_get(void *opaque)
{
    return 0xfee00800;
}

static uint8_t tpr_get(void *opaque)
{
    return 0;
}

static void page_get(void *opaque, uint32_t page[256])
{
    page[0x20 / 4] = ((X86Cpu *)opaque)->apic_id << 24;
}

static void page_set(void *opaque, uint64_t base, const uint32_t page[256])
{
}

static uint64_t *deadline(void *opaque)
{
    static uint64_t none;

    return &none;
}

static X86Cpu *new_cpu(unsigned index)
{
    static const X86ApicOps apic = {
        .base_get = base_get,
        .tpr_get = tpr_get,
        .page_get = page_get,
        .page_set = page_set,
        .deadline = deadline,
    };
    g_autoptr(GError) err = NULL;
    X86Cpu *cpu = vcpu_alloc();

    cpu->index = cpu->apic_id = index;
    cpu->apic_ops = &apic;
    cpu->apic = cpu;
    g_assert_true(x86_cpu_model_parse(&cpu->model, "host", &err));
    g_assert_true(kvm_cpu_init(cpu, &err));
    x86_cpu_reset(cpu);
    return cpu;
}

static void free_cpu(X86Cpu *cpu)
{
    kvm_cpu_destroy(cpu);
    vcpu_free(cpu);
}

/* A SIPI that waits: registers and run state that are read are both those after it. */
static void test_pending_sipi(void)
{
    if (skipped()) {
        return;
    }
    X86Cpu *cpu = new_cpu(1);
    cpu->wait_for_sipi = true;
    kvm_put_state(cpu);
    g_assert_true(kvm_apic_split.send_msi(0xfee01000, 0x4612)); /* vector 0x12 */
    kvm_get_state(cpu);
    g_assert_false(cpu->wait_for_sipi);
    g_assert_cmphex(cpu->segs[X86_SEG_CS].base, ==, 0x12000);
    g_assert_cmphex(cpu->rip, ==, 0);
    free_cpu(cpu);
}

/* An exception that waits is not lost when a register is written; a reset ends it. */
static void test_pending_exception(void)
{
    struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_PAYLOAD };

    if (skipped()) {
        return;
    }
    if (!kvm_enable(KVM_CAP_EXCEPTION_PAYLOAD, 1)) {
        g_test_skip("this KVM shows pending exceptions as injected ones");
        return;
    }
    X86Cpu *cpu = new_cpu(2);
    int fd = kvm_cpu(cpu)->fd;
    cpu->wait_for_sipi = false;
    kvm_put_state(cpu);
    events.exception.pending = 1;
    events.exception.nr = 6;
    g_assert_cmpint(kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, &events), ==, 0);
    kvm_get_state(cpu);
    cpu->regs[X86_RBX] = 77;
    kvm_put_state(cpu);
    g_assert_cmpint(kvm_ioctl(fd, KVM_GET_VCPU_EVENTS, &events), ==, 0);
    g_assert_cmpuint(events.exception.pending, ==, 1);
    g_assert_cmpuint(events.exception.nr, ==, 6);
    x86_cpu_reset(cpu);
    kvm_put_state(cpu);
    g_assert_cmpint(kvm_ioctl(fd, KVM_GET_VCPU_EVENTS, &events), ==, 0);
    g_assert_cmpuint(events.exception.pending, ==, 0);
    g_assert_true(kvm_enable(KVM_CAP_EXCEPTION_PAYLOAD, 0));
    free_cpu(cpu);
}

/* A reset ends system management mode. */
static void test_smm(void)
{
    struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_SMM, .smi = { .smm = 1 } };

    if (skipped()) {
        return;
    }
    X86Cpu *cpu = new_cpu(3);
    int fd = kvm_cpu(cpu)->fd;
    kvm_put_state(cpu);
    if (!kvm_vm.has_smm || kvm_ioctl(fd, KVM_SET_VCPU_EVENTS, &events) < 0) {
        g_test_skip("this KVM has no system management mode");
    } else {
        kvm_get_state(cpu);
        x86_cpu_reset(cpu);
        kvm_put_state(cpu);
        g_assert_cmpint(kvm_ioctl(fd, KVM_GET_VCPU_EVENTS, &events), ==, 0);
        g_assert_cmpuint(events.smi.smm, ==, 0);
    }
    free_cpu(cpu);
}

/* KVM cannot make a CPU twice; the second one finds nothing of the first, with which it shares it.
 */
static void test_unplugged(void)
{
    if (skipped()) {
        return;
    }
    for (unsigned round = 0; round < 3; round++) {
        X86Cpu *cpu = new_cpu(7);

        kvm_put_state(cpu);
        kvm_get_state(cpu);
        g_assert_cmphex(cpu->regs[X86_RBX], ==, 0);
        g_assert_cmphex(cpu->msr.star, ==, 0);
        g_assert_cmphex(cpu->cr3, ==, 0);
        g_assert_cmphex(cpu->dr[0], ==, 0);
        g_assert_true(cpu->wait_for_sipi);
        cpu->regs[X86_RBX] = 77;
        cpu->msr.star = 0x0023001000000000ull;
        cpu->cr3 = 0x5000;
        cpu->dr[0] = 0x4000;
        cpu->wait_for_sipi = false;
        kvm_put_state(cpu);
        kvm_get_state(cpu);
        g_assert_cmphex(cpu->msr.star, ==, 0x0023001000000000ull);
        free_cpu(cpu);
    }
}

static uint64_t tsc_of(X86Cpu *cpu)
{
    kvm_get_state(cpu);
    return (uint64_t)cpu->msr.tsc_offset + (uint64_t)clock_ns();
}

/* At power-up all CPUs have the same TSC, however late one of them is written. */
static void test_tsc(void)
{
    if (skipped()) {
        return;
    }
    X86Cpu *early = new_cpu(5), *late = new_cpu(6);

    clock_set_stepped();
    kvm_put_state(early);
    timers_step_to(INT64_C(1000) * 1000000000);
    kvm_put_state(late);
    uint64_t before = tsc_of(early), middle = tsc_of(late), after = tsc_of(early);
    g_assert_cmpuint(before, <=, middle);
    g_assert_cmpuint(middle, <=, after);
    free_cpu(early);
    free_cpu(late);
}

/* While the machine stands, the TSCs of CPUs that belong together are the same, however often and
 * whenever they are asked for. */
static void test_tsc_stands(void)
{
    if (skipped()) {
        return;
    }
    X86Cpu *cpus[] = { new_cpu(7), new_cpu(8) };
    uint64_t before, offset;
    struct kvm_device_attr attr = { .group = KVM_VCPU_TSC_CTRL,
                                    .attr = KVM_VCPU_TSC_OFFSET,
                                    .addr = (uintptr_t)&offset };

    kvm_put_state(cpus[0]);
    kvm_put_state(cpus[1]);
    before = tsc_of(cpus[0]);
    if (kvm_ioctl(kvm_cpu(cpus[0])->fd, KVM_GET_DEVICE_ATTR, &attr) < 0) {
        g_test_skip("this KVM does not tell how TSCs belong together");
    } else {
        kvm_msr_stop_tsc(cpus[0], NULL);
        kvm_msr_stop_tsc(cpus[1], NULL);
        g_assert_cmpuint(tsc_of(cpus[0]), ==, tsc_of(cpus[1]));
        g_assert_cmpuint(tsc_of(cpus[0]), >=, before);
        before = tsc_of(cpus[0]);
        g_assert_cmpuint(tsc_of(cpus[0]), ==, before);
        cpus[1]->msr.tsc_offset = 1000; /* as it is loaded */
        kvm_put_state(cpus[1]);
        kvm_get_state(cpus[1]);
        g_assert_cmpint(cpus[1]->msr.tsc_offset, ==, 1000);
        kvm_msr_resume_tsc();
        g_assert_cmpuint(tsc_of(cpus[0]), >, before);
    }
    free_cpu(cpus[0]);
    free_cpu(cpus[1]);
}

/* Registers of Hyper-V, which is never offered, are left alone; no register is there twice. */
static void test_msr_list(void)
{
    if (skipped()) {
        return;
    }
    X86Cpu *cpu = new_cpu(4);
    const struct kvm_msrs *msrs = kvm_cpu(cpu)->msrs;
    g_assert_cmpuint(msrs->nmsrs, >, 20);
    for (unsigned i = 0; i < msrs->nmsrs; i++) {
        uint32_t index = msrs->entries[i].index;

        g_assert_true(index < 0x40000000 || index >= 0x40000200);
        for (unsigned j = 0; j < i; j++) {
            g_assert_cmphex(msrs->entries[j].index, !=, index);
        }
    }
    free_cpu(cpu);
}

static int64_t property(Object *obj, const char *name)
{
    struct json_object *value = object_property_get(obj, name, NULL);
    int64_t number = json_object_get_int64(value);

    json_object_put(value);
    return number;
}

static void test_properties(void)
{
    if (skipped()) {
        return;
    }
    Object *accel = object_resolve("/accel", NULL);
    g_assert_nonnull(accel);
    kvm_vm.max_memslots = 100;
    g_assert_cmpint(property(accel, "memory-slots"), ==, 100);
    g_assert_cmpint(property(accel, "memory-slots-used"), ==, 0);
    MemoryRegion *low = add_ram(0, MIB, false);
    g_assert_cmpint(property(accel, "memory-slots-used"), ==, 1);
    drop_ram(low);
    g_assert_cmpint(property(accel, "memory-slots-used"), ==, 0);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;

    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    if (!accel_choose("kvm", &err)) {
        reason = err->message;
        accel_set(&accel_kvm);
    }
    g_test_add_func("/kvm/slots", test_slots);
    g_test_add_func("/kvm/dirty-log", test_dirty_log);
    g_test_add_func("/kvm/dirty-watch", test_dirty_watch);
    g_test_add_func("/kvm/overlap", test_overlap);
    g_test_add_func("/kvm/routes", test_routes);
    g_test_add_func("/kvm/events", test_events);
    g_test_add_func("/kvm/irqfds", test_irqfds);
    g_test_add_func("/kvm/cpuid", test_cpuid);
    g_test_add_func("/kvm/exit-names", test_exit_names);
    g_test_add_func("/kvm/state", test_state);
    g_test_add_func("/kvm/ymm", test_ymm);
    g_test_add_func("/kvm/pending-sipi", test_pending_sipi);
    g_test_add_func("/kvm/pending-exception", test_pending_exception);
    g_test_add_func("/kvm/smm", test_smm);
    g_test_add_func("/kvm/unplugged", test_unplugged);
    g_test_add_func("/kvm/msr-list", test_msr_list);
    g_test_add_func("/kvm/properties", test_properties);
    g_test_add_func("/kvm/tsc", test_tsc); /* last: the clock stands after it */
    g_test_add_func("/kvm/tsc-stands", test_tsc_stands);
    return g_test_run();
}
