/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The KVM engine without a guest: slots, routes, CPUID. Skipped where there is no usable /dev/kvm.
 */
#include <glib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "accel/kvm/kvm-internal.h"
#include "accel/kvm/kvm.h"
#include "accel/vcpu.h"
#include "util/main-loop.h"

#define MIB (1ull << 20)

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
    memory_region_add(system_memory(), addr, mr);
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
    memory_region_add_overlap(system_memory(), MIB, &hole, 1);
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
    g_assert_false(x86_cpu_model_parse(&bare, "host,+vmx", &err));
    g_assert_true(
        g_pattern_match_simple("*kvm engine does not implement feature 'vmx'*", err->message));
}

static void test_exit_names(void)
{
    g_assert_cmpstr(kvm_exit_name(KVM_EXIT_IO), ==, "KVM_EXIT_IO");
    g_assert_cmpstr(kvm_exit_name(KVM_EXIT_INTERNAL_ERROR), ==, "KVM_EXIT_INTERNAL_ERROR");
    g_assert_null(kvm_exit_name(4000));
}

/* A vCPU's registers survive the way to KVM and back; and a second time nothing is written. */
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
    g_test_add_func("/kvm/overlap", test_overlap);
    g_test_add_func("/kvm/routes", test_routes);
    g_test_add_func("/kvm/cpuid", test_cpuid);
    g_test_add_func("/kvm/exit-names", test_exit_names);
    g_test_add_func("/kvm/state", test_state);
    return g_test_run();
}
