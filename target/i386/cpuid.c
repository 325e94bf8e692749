/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What CPUID answers: the leaves, and the topology that they tell. */
#include "target/i386/cpuid.h"

#include <cpuid.h>
#include <string.h>

#include "target/i386/hyperv.h"
#include "target/i386/svm.h"

/* ---- topology ---- */

static unsigned bits_for(unsigned count)
{
    return count > 1 ? 32 - (unsigned)__builtin_clz(count - 1) : 0;
}

unsigned x86_topology_core_shift(const X86CpuModel *model)
{
    return bits_for(model->threads_per_core);
}

unsigned x86_topology_die_shift(const X86CpuModel *model)
{
    return x86_topology_core_shift(model) + bits_for(model->cores_per_die);
}

unsigned x86_topology_socket_shift(const X86CpuModel *model)
{
    return x86_topology_die_shift(model) + bits_for(model->dies_per_socket);
}

uint32_t x86_topology_apic_id(const X86CpuModel *model, uint32_t socket, uint32_t die,
                              uint32_t core, uint32_t thread)
{
    return socket << x86_topology_socket_shift(model) | die << x86_topology_die_shift(model) |
           core << x86_topology_core_shift(model) | thread;
}

static unsigned logical_per_socket(const X86CpuModel *m)
{
    return MAX(m->threads_per_core, 1u) * MAX(m->cores_per_die, 1u) * MAX(m->dies_per_socket, 1u);
}

/* ---- leaves ---- */

typedef void LeafFn(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *out);

static void set_vendor(const X86CpuModel *m, X86CpuidRegs *r)
{
    const char *vendor = *m->vendor ? m->vendor : X86_CPU_VENDOR;

    memcpy(&r->ebx, vendor, 4);
    memcpy(&r->edx, vendor + 4, 4);
    memcpy(&r->ecx, vendor + 8, 4);
}

/* Family, model and stepping as leaf 1 packs them (SDM vol. 2, CPUID, figure 3-6). */
static uint32_t signature(const X86CpuModel *m)
{
    unsigned family = MIN(m->family, 15), extended = m->family - family;

    return extended << 20 | (m->model >> 4u) << 16 | family << 8 | (m->model & 15u) << 4 |
           m->stepping;
}

static void leaf_0(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    r->eax = x86_cpu_last_leaf(&cpu->model, X86_RANGE_BASIC);
    set_vendor(&cpu->model, r);
}

static void leaf_1(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    const X86CpuModel *m = &cpu->model;
    unsigned logical = logical_per_socket(m);

    r->eax = signature(m);
    r->ebx = (cpu->apic_id & 0xff) << 24 | MIN(logical, 255) << 16 | 8 << 8; /* 64-byte lines */
    r->ecx = m->features[X86_FEAT_1_ECX];
    r->ecx |= cpu->cr4 & CR4_OSXSAVE ? CPUID_1_ECX_OSXSAVE : 0;
    r->edx = m->features[X86_FEAT_1_EDX] | (logical > 1 ? 1u << 28 : 0);
}

/* Caches: a plausible set; nothing in the software CPU depends on it. */
static const struct {
    uint8_t level, type; /* type 1 data, 2 code, 3 unified */
    uint16_t ways;
    uint32_t sets;
} caches[] = {
    { 1, 1, 8, 64 },     /* 32 KiB */
    { 1, 2, 8, 64 },     /* 32 KiB */
    { 2, 3, 8, 1024 },   /* 512 KiB */
    { 3, 3, 16, 16384 }, /* 16 MiB */
};

/* Who shares a cache of @level, and how many cores there are, as leaf 4's EAX tells it. */
static uint32_t cache_sharing(const X86CpuModel *m, unsigned level)
{
    unsigned core_shift = x86_topology_core_shift(m), die_shift = x86_topology_die_shift(m);
    unsigned sharing = level >= 3 ? 1u << die_shift : 1u << core_shift;
    unsigned cores = 1u << (x86_topology_socket_shift(m) - core_shift);

    return (MIN(sharing, 4096) - 1) << 14 | (MIN(cores, 64) - 1) << 26;
}

static void host_leaf(uint32_t leaf, uint32_t subleaf, X86CpuidRegs *r)
{
    __cpuid_count(leaf, subleaf, r->eax, r->ebx, r->ecx, r->edx);
}

/* The host's caches; the cores that share them are the machine's. False: the host does not tell of
 * them in this place, as AMD's do not. */
static bool host_leaf_4(const X86CpuModel *m, uint32_t subleaf, X86CpuidRegs *r)
{
    enum { TYPE = 0x1f, LEVEL = 7 << 5, ITS_OWN = 0x3ff };

    host_leaf(0, 0, r);
    if (r->eax < 4) {
        *r = (X86CpuidRegs){ 0 };
        return false;
    }
    host_leaf(4, 0, r);
    bool told = r->eax & TYPE;

    host_leaf(4, subleaf, r);
    if (!told || !(r->eax & TYPE)) {
        *r = (X86CpuidRegs){ 0 };
    } else {
        r->eax = (r->eax & ITS_OWN) | cache_sharing(m, (r->eax & LEVEL) >> 5);
    }
    return told;
}

static void leaf_4(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    const X86CpuModel *m = &cpu->model;

    if (m->host_cache_info && host_leaf_4(m, subleaf, r)) {
        return;
    }
    if (subleaf >= G_N_ELEMENTS(caches) || (caches[subleaf].level == 3 && m->no_l3_cache)) {
        return;
    }
    r->eax = caches[subleaf].type | (unsigned)caches[subleaf].level << 5 | 1u << 8 |
             cache_sharing(m, caches[subleaf].level);
    r->ebx = 63 | (caches[subleaf].ways - 1u) << 22;
    r->ecx = caches[subleaf].sets - 1;
}

static void leaf_6(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    r->eax = cpu->model.features[X86_FEAT_6_EAX];
}

static void leaf_7(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    const uint32_t *features = cpu->model.features;

    if (subleaf == 0) {
        r->eax = features[X86_FEAT_7_1_EAX] ? 1 : 0;
        r->ebx = features[X86_FEAT_7_EBX];
        r->ecx = features[X86_FEAT_7_ECX] | (cpu->cr4 & CR4_PKE ? CPUID_7_ECX_OSPKE : 0);
        r->edx = features[X86_FEAT_7_EDX];
    } else if (subleaf == 1) {
        r->eax = features[X86_FEAT_7_1_EAX];
    }
}

static void leaf_b(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    const X86CpuModel *m = &cpu->model;

    r->ecx = subleaf & 0xff;
    r->edx = cpu->apic_id;
    if (subleaf == 0) {
        r->eax = x86_topology_core_shift(m);
        r->ebx = MAX(m->threads_per_core, 1u);
        r->ecx |= 1 << 8;
    } else if (subleaf == 1) {
        r->eax = x86_topology_socket_shift(m);
        r->ebx = logical_per_socket(m);
        r->ecx |= 2 << 8;
    }
}

/* The same, with dies (V2 Extended Topology). */
static void leaf_1f(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    enum { OF_THREADS = 1, OF_CORES = 2, OF_DIES = 5 };
    const X86CpuModel *m = &cpu->model;
    const unsigned threads = MAX(m->threads_per_core, 1u);
    const struct {
        uint8_t type, shift;
        unsigned logical;
    } domains[] = {
        { OF_THREADS, x86_topology_core_shift(m), threads },
        { OF_CORES, x86_topology_die_shift(m), threads * MAX(m->cores_per_die, 1u) },
        { OF_DIES, x86_topology_socket_shift(m), logical_per_socket(m) },
    };

    r->ecx = subleaf & 0xff;
    r->edx = cpu->apic_id;
    if (subleaf < G_N_ELEMENTS(domains)) {
        r->eax = domains[subleaf].shift;
        r->ebx = domains[subleaf].logical;
        r->ecx |= (uint32_t)domains[subleaf].type << 8;
    }
}

/* ---- XSAVE (SDM vol. 1 section 13.4): the software CPU's components ---- */

enum { XSAVE_HEADER_END = 576 };

uint64_t x86_xsave_components(const X86CpuModel *m)
{
    if (!x86_cpu_model_has(m, X86_FEAT_1_ECX, CPUID_1_ECX_XSAVE)) {
        return 0;
    }
    return XCR0_X87 | XCR0_SSE |
           (x86_cpu_model_has(m, X86_FEAT_1_ECX, CPUID_1_ECX_AVX) ? XCR0_AVX : 0) |
           (x86_cpu_model_has(m, X86_FEAT_7_ECX, CPUID_7_ECX_PKU) ? XCR0_PKRU : 0);
}

unsigned x86_xsave_place(unsigned component, unsigned *offset)
{
    static const struct {
        uint16_t offset, size;
    } places[] = { [2] = { XSAVE_HEADER_END, 256 }, [9] = { XSAVE_HEADER_END + 256, 8 } };

    if (component >= G_N_ELEMENTS(places)) {
        return 0;
    }
    *offset = places[component].offset;
    return places[component].size;
}

static unsigned xsave_end(uint64_t components)
{
    unsigned end = XSAVE_HEADER_END, offset, size;

    for (unsigned i = 2; i < 64; i++) {
        size = components >> i & 1 ? x86_xsave_place(i, &offset) : 0;
        end = size ? MAX(end, offset + size) : end;
    }
    return end;
}

/* In the compact form. */
static unsigned xsave_compact_end(uint64_t components)
{
    unsigned end = XSAVE_HEADER_END, offset;

    for (unsigned i = 2; i < 64; i++) {
        end += components >> i & 1 ? x86_xsave_place(i, &offset) : 0;
    }
    return end;
}

static void leaf_d(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    uint64_t components = x86_xsave_components(&cpu->model);
    unsigned offset = 0;

    if (subleaf == 0 && components) {
        r->eax = (uint32_t)components;
        r->ebx = xsave_end(cpu->xcr0);
        r->ecx = xsave_end(components);
    } else if (subleaf == 1 && components) {
        r->eax = cpu->model.features[X86_FEAT_D_1_EAX];
        r->ebx = r->eax & (CPUID_D_1_EAX_XSAVEC | CPUID_D_1_EAX_XSAVES)
                     ? xsave_compact_end(cpu->xcr0)
                     : 0;
    } else if (subleaf > 1 && subleaf < 64 && components >> subleaf & 1) {
        r->eax = x86_xsave_place(subleaf, &offset);
        r->ebx = offset;
    }
}

/* ---- the other ranges ---- */

/* Where these leaves are: after Hyper-V's, if there are such. */
static uint32_t own_base(const X86Cpu *cpu)
{
    return x86_hv_is_on(cpu) ? 0x40000100 : 0x40000000;
}

static void leaf_hypervisor(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    r->eax = own_base(cpu) + 0x10;
    memcpy(&r->ebx, "Dimm", 4);
    memcpy(&r->ecx, "able", 4);
    memcpy(&r->edx, "VM\0\0", 4);
}

/* Timing in kHz, in the place where several hypervisors agree to have it: TSC, APIC bus. */
static void leaf_hv_timing(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    r->eax = 1000000;
    r->ebx = 1000000;
}

static void leaf_ext0(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    r->eax = x86_cpu_last_leaf(&cpu->model, X86_RANGE_EXTENDED);
    set_vendor(&cpu->model, r);
}

static void leaf_ext1(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    const X86CpuModel *m = &cpu->model;

    r->eax = signature(m);
    r->ecx = m->features[X86_FEAT_EXT1_ECX];
    r->edx = m->features[X86_FEAT_EXT1_EDX];
    if (x86_cpu_model_is_amd(m)) {
        r->ecx |= logical_per_socket(m) > 1 ? 2u : 0;
        /* Those of leaf 1 that have the same place, once more. */
        r->edx |= m->features[X86_FEAT_1_EDX] & 0x0183f3ffu;
    }
}

static void leaf_brand(const X86Cpu *cpu, uint32_t part, X86CpuidRegs *r)
{
    memcpy(r, cpu->model.brand + 16 * part, 16);
}
static void leaf_ext2(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    leaf_brand(cpu, 0, r);
}
static void leaf_ext3(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    leaf_brand(cpu, 1, r);
}
static void leaf_ext4(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    leaf_brand(cpu, 2, r);
}

/* AMD's description of the same caches (APM vol. 3, appendix E). */
static void leaf_ext5(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    if (cpu->model.host_cache_info) {
        host_leaf(0x80000005, 0, r);
        return;
    }
    r->eax = r->ebx = 0xff20ff20;                        /* TLBs: fully associative, 32 entries */
    r->ecx = r->edx = 32u << 24 | 8 << 16 | 1 << 8 | 64; /* KiB, ways, lines a tag, line */
}

static void leaf_ext6(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    if (cpu->model.host_cache_info) {
        host_leaf(0x80000006, 0, r);
        return;
    }
    r->ebx = 512u << 16 | 4u << 28 | 512 | 4 << 12; /* TLBs of 4 KiB pages: 512 entries, 4 ways */
    r->ecx = 512u << 16 | 6 << 12 | 1 << 8 | 64;
    if (!cpu->model.no_l3_cache) {
        r->edx = 32u << 18 | 8 << 12 | 1 << 8 | 64; /* 16 MiB in units of 512 KiB */
    }
}

static void leaf_ext7(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    r->edx = cpu->model.features[X86_FEAT_EXT7_EDX] |
             (cpu->model.steady_tsc ? CPUID_EXT7_EDX_INVTSC : 0);
}

static void leaf_ext8(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    const X86CpuModel *m = &cpu->model;

    r->eax = m->phys_bits | 48u << 8;
    r->ebx = m->features[X86_FEAT_EXT8_EBX];
    r->ecx = MIN(logical_per_socket(m) - 1, 255) | x86_topology_socket_shift(m) << 12;
}

static void leaf_svm(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    if (x86_cpu_model_has(&cpu->model, X86_FEAT_EXT1_ECX, CPUID_EXT1_ECX_SVM)) {
        r->eax = 1; /* revision */
        r->ebx = SVM_ASIDS;
        r->edx = cpu->model.features[X86_FEAT_SVM_EDX];
    }
}

static void leaf_centaur(const X86Cpu *cpu, uint32_t subleaf, X86CpuidRegs *r)
{
    r->eax = x86_cpu_last_leaf(&cpu->model, X86_RANGE_CENTAUR);
}

static const struct {
    uint32_t leaf;
    LeafFn *fn;
} leaves[] = {
    { 0x0, leaf_0 },
    { 0x1, leaf_1 },
    { 0x4, leaf_4 },
    { 0x6, leaf_6 },
    { 0x7, leaf_7 },
    { 0xb, leaf_b },
    { 0xd, leaf_d },
    { 0x1f, leaf_1f },
    { 0x40000000, leaf_hypervisor },
    { 0x40000010, leaf_hv_timing },
    { 0x80000000, leaf_ext0 },
    { 0x80000001, leaf_ext1 },
    { 0x80000002, leaf_ext2 },
    { 0x80000003, leaf_ext3 },
    { 0x80000004, leaf_ext4 },
    { 0x80000005, leaf_ext5 },
    { 0x80000006, leaf_ext6 },
    { 0x80000007, leaf_ext7 },
    { 0x80000008, leaf_ext8 },
    { 0x8000000a, leaf_svm },
    { 0xc0000000, leaf_centaur },
};

/* Is the leaf beyond the last one of its range? */
static bool beyond(const X86CpuModel *m, uint32_t leaf)
{
    if (leaf >= 0x40000000 && leaf < 0x80000000) {
        return false;
    }
    return leaf > x86_cpu_last_leaf(m, leaf >= 0xc0000000   ? X86_RANGE_CENTAUR
                                       : leaf >= 0x80000000 ? X86_RANGE_EXTENDED
                                                            : X86_RANGE_BASIC);
}

void x86_cpuid(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, X86CpuidRegs *out)
{
    bool hypervisor = cpu->model.features[X86_FEAT_1_ECX] & CPUID_1_ECX_HYPERVISOR;

    memset(out, 0, sizeof(*out));
    if ((!hypervisor && leaf >> 28 == 4) || beyond(&cpu->model, leaf)) {
        return;
    }
    if (leaf >> 28 == 4 && x86_hv_is_on(cpu)) {
        if (leaf < own_base(cpu)) {
            x86_hv_cpuid(cpu, leaf, out);
            return;
        }
        leaf -= own_base(cpu) - 0x40000000;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(leaves); i++) {
        if (leaves[i].leaf == leaf) {
            leaves[i].fn(cpu, subleaf, out);
            return;
        }
    }
}
