/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/accel.h"
#include "hw/intc/apic.h"
#include "target/i386/hyperv.h"
#include "tests/unit/chip-test.h"
#include "util/clock.h"
#include "util/state.h"

#define CPUS 3

enum {
    ID = 0x20,
    TPR = 0x80,
    PPR = 0xa0,
    EOI = 0xb0,
    LDR = 0xd0,
    DFR = 0xe0,
    SVR = 0xf0,
    ISR = 0x100,
    IRR = 0x200,
    ESR = 0x280,
    ICR = 0x300,
    ICR_HIGH = 0x310,
    LVT_TIMER = 0x320,
    LINT0 = 0x350,
    LINT1 = 0x360,
    LVT_ERROR = 0x370,
    INITIAL = 0x380,
    CURRENT = 0x390,
    DIVIDE = 0x3e0,
};

#define MASKED       0x10000u
#define TSC_DEADLINE 0x6e0

static X86Cpu cpus[CPUS];
static I8259 *pic;

static uint32_t get(unsigned n, unsigned reg)
{
    uint32_t value;

    current_cpu = &cpus[n];
    value = readl(APIC_BASE + reg);
    current_cpu = NULL;
    return value;
}

static void set(unsigned n, unsigned reg, uint32_t value)
{
    current_cpu = &cpus[n];
    writel(APIC_BASE + reg, value);
    current_cpu = NULL;
}

static int ack(unsigned n)
{
    return cpus[n].apic_ops->acknowledge(cpus[n].apic);
}

static bool pending(unsigned n, uint32_t bits)
{
    return cpus[n].interrupts & bits;
}

static bool wrmsr(unsigned n, uint32_t msr, uint64_t value)
{
    return cpus[n].apic_ops->msr_write(cpus[n].apic, msr, value);
}

static bool set_base(unsigned n, uint64_t value)
{
    return cpus[n].apic_ops->base_set(cpus[n].apic, value);
}

static void reset_all(void)
{
    devices_reset();
    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i].interrupts = 0;
        cpus[i].msr.tsc_offset = 0;
        set(i, SVR, 0x1ff);
    }
}

static void test_registers(void)
{
    reset_all();
    g_assert_cmphex(get(1, ID), ==, 0x01000000);
    g_assert_cmphex(get(1, 0x30), ==, 0x00050014);
    g_assert_cmphex(get(0, LINT0), ==, 0x700);
    g_assert_cmphex(get(1, LINT0), ==, MASKED);
    set(0, LVT_TIMER, 0xffffffff);
    g_assert_cmphex(get(0, LVT_TIMER), ==, 0x700ff);
    set(0, SVR, 0xff); /* software-disabled: all LVT entries masked */
    g_assert_cmphex(get(0, LINT0), ==, 0x700 | MASKED);
    g_assert_cmphex(readl(APIC_BASE + ID), ==, 0xffffffff); /* nobody's */
    g_assert_cmphex(cpus[0].apic_ops->base_get(cpus[0].apic), ==, 0xfee00900);
    g_assert_cmphex(cpus[1].apic_ops->base_get(cpus[1].apic), ==, 0xfee00800);
}

static void test_priority(void)
{
    reset_all();
    apic_deliver_msi(0xfee01000, 0x51); /* physical, CPU 1 */
    apic_deliver_msi(0xfee01000, 0x62);
    g_assert_true(pending(1, CPU_INT_HARD));
    g_assert_cmphex(ack(1), ==, 0x62);
    g_assert_cmphex(get(1, PPR), ==, 0x60);
    g_assert_false(pending(1, CPU_INT_HARD));
    g_assert_cmpint(ack(1), ==, -1);
    g_assert_cmphex(get(1, ISR + 0x30), ==, 4);
    set(1, EOI, 0);
    cpus[1].apic_ops->tpr_set(cpus[1].apic, 5);
    g_assert_false(pending(1, CPU_INT_HARD));
    g_assert_cmpint(cpus[1].apic_ops->tpr_get(cpus[1].apic), ==, 5);
    set(1, TPR, 0x40);
    g_assert_true(pending(1, CPU_INT_HARD));
    g_assert_cmphex(get(1, IRR + 0x20), ==, 1u << 17);
    g_assert_cmphex(ack(1), ==, 0x51);
    set(1, EOI, 0);
    set(1, EOI, 0); /* one too many */
}

static void test_ipi(void)
{
    reset_all();
    set(0, ICR, 3u << 18 | 0x70); /* all but self */
    g_assert_false(pending(0, CPU_INT_HARD));
    g_assert_cmphex(ack(1), ==, 0x70);
    g_assert_cmphex(ack(2), ==, 0x70);
    set(0, ICR, 2u << 18 | 0x81); /* all */
    g_assert_cmphex(ack(0), ==, 0x81);
    g_assert_cmphex(ack(1), ==, 0x81);
    set(0, ICR, 1u << 18 | 0x92); /* self */
    g_assert_cmphex(ack(0), ==, 0x92);
    set(0, ICR_HIGH, 2u << 24);
    set(0, ICR, 0x400); /* NMI to 2 */
    g_assert_true(pending(2, CPU_INT_NMI));
    g_assert_false(pending(1, CPU_INT_NMI));
    set(0, ICR_HIGH, 1u << 24);
    set(0, ICR, 0xc500); /* INIT, asserted */
    g_assert_true(pending(1, CPU_INT_INIT));
    cpus[1].interrupts = 0;
    set(0, ICR, 0x8500); /* INIT, de-asserted */
    g_assert_false(pending(1, CPU_INT_INIT));
    set(0, ICR, 0x69a);
    g_assert_true(pending(1, CPU_INT_SIPI));
    g_assert_cmphex(cpus[1].sipi_vector, ==, 0x9a);
    cpus[1].apic_ops->init(cpus[1].apic);
    g_assert_cmphex(get(1, SVR), ==, 0xff);
}

static void test_logical(void)
{
    reset_all();
    for (unsigned i = 0; i < CPUS; i++) {
        set(i, LDR, 1u << (24 + i));
    }
    set(0, ICR_HIGH, 6u << 24);
    set(0, ICR, 0x800 | 0x44);
    g_assert_false(pending(0, CPU_INT_HARD));
    g_assert_cmphex(ack(1), ==, 0x44);
    g_assert_cmphex(ack(2), ==, 0x44);
    for (unsigned i = 0; i < CPUS; i++) {
        set(i, DFR, 0x0fffffff); /* clusters */
        set(i, LDR, (1u << 28) | 1u << (24 + i));
    }
    set(0, ICR_HIGH, 0x11u << 24);
    set(0, ICR, 0x800 | 0x55);
    g_assert_cmphex(ack(0), ==, 0x55);
    set(0, ICR_HIGH, 0x21u << 24); /* no such cluster */
    set(0, ICR, 0x800 | 0x66);
    g_assert_cmpint(ack(0), ==, -1);
}

static void test_x2apic(void)
{
    uint64_t value;

    reset_all();
    g_assert_false(wrmsr(1, 0x80b, 0));      /* not in x2APIC mode */
    g_assert_false(set_base(1, 0xfee00400)); /* invalid combination */
    g_assert_false(set_base(1, 1ull << 60)); /* reserved */
    g_assert_true(set_base(1, 0xfee00c00));
    g_assert_false(set_base(1, 0xfee00800));     /* back to xAPIC: not directly */
    g_assert_cmphex(get(1, ID), ==, 0xffffffff); /* no memory any more */
    g_assert_true(cpus[1].apic_ops->msr_read(cpus[1].apic, 0x80d, &value));
    g_assert_cmphex(value, ==, 2);
    g_assert_true(wrmsr(1, 0x80f, 0x1ff));
    g_assert_false(wrmsr(1, 0x80b, 1)); /* EOI takes 0 only */
    g_assert_false(wrmsr(1, 0x80d, 1)); /* read-only */
    g_assert_false(wrmsr(1, 0x831, 1)); /* does not exist */
    g_assert_false(wrmsr(1, 0x83f, 0x100));
    g_assert_false(cpus[1].apic_ops->msr_read(cpus[1].apic, 0x83f, &value));
    g_assert_true(wrmsr(1, 0x83f, 0x77));
    g_assert_cmphex(ack(1), ==, 0x77);
    g_assert_true(wrmsr(1, 0x80b, 0));
    g_assert_true(wrmsr(1, 0x830, 2ull << 32 | 0x88));
    g_assert_cmphex(ack(2), ==, 0x88);
    g_assert_true(wrmsr(1, 0x830, 2ull << 32 | 0x800 | 0x89)); /* logical: cluster 0, CPU 1 */
    g_assert_cmphex(ack(1), ==, 0x89);
    g_assert_true(set_base(1, 0xfee00000));
    g_assert_true(set_base(1, 0xfee00800));
}

/* To every state of SDM vol. 3 figure 11-27 from every other; bits 10 and 11: EXTD and EN. */
static void test_base_transitions(void)
{
    static const struct {
        uint64_t from, to;
        bool ok;
    } cases[] = {
        { 0x000, 0x000, true },  { 0x000, 0x800, true },  { 0x000, 0x400, false },
        { 0x000, 0xc00, false }, { 0x800, 0x000, true },  { 0x800, 0x800, true },
        { 0x800, 0x400, false }, { 0x800, 0xc00, true },  { 0xc00, 0x000, true },
        { 0xc00, 0x800, false }, { 0xc00, 0x400, false }, { 0xc00, 0xc00, true },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        reset_all();
        if (cases[i].from != 0x800) {
            g_assert_true(set_base(1, 0xfee00000 | cases[i].from));
        }
        g_assert_cmpint(set_base(1, 0xfee00000 | cases[i].to), ==, cases[i].ok);
        uint64_t now = cases[i].ok ? cases[i].to : cases[i].from;
        g_assert_cmphex(cpus[1].apic_ops->base_get(cpus[1].apic), ==, 0xfee00000 | now);
    }
}

/* Bits that a CPU may not have: EXTD, and those of addresses. */
static void test_base_reserved(void)
{
    X86CpuModel *model = &cpus[1].model;
    uint32_t *ecx = &model->features[X86_FEAT_1_ECX];

    reset_all();
    g_assert_true(set_base(1, 0xfee00800 | 1ull << (model->phys_bits - 1)));
    g_assert_false(set_base(1, 0xfee00800 | 1ull << model->phys_bits));
    g_assert_false(set_base(1, 0xfee00800 | 1ull << 63));
    g_assert_false(set_base(1, 0xfee00800 | 1 << 9));
    g_assert_false(set_base(1, 0xfee00800 | 1));
    *ecx &= ~CPUID_1_ECX_X2APIC;
    g_assert_false(set_base(1, 0xfee00c00));
    g_assert_false(set_base(1, 0xfee00400));
    g_assert_true(set_base(1, 0xfee00800));
    *ecx |= CPUID_1_ECX_X2APIC;
    g_assert_true(set_base(1, 0xfee00c00));
}

/* An INIT forgets what was sent before it and waits, and nothing of what is sent after it. */
static void test_init(void)
{
    const uint32_t waits = CPU_INT_NMI | CPU_INT_SIPI;

    reset_all();
    set(0, ICR_HIGH, 1u << 24);
    set(0, ICR, 0x608); /* SIPI */
    set(0, ICR, 0x400); /* NMI */
    g_assert_cmphex(atomic_load(&cpus[1].interrupts), ==, waits);
    set(0, ICR, 0x500); /* INIT */
    g_assert_cmphex(atomic_load(&cpus[1].interrupts), ==, CPU_INT_INIT);
    set(0, ICR, 0x609);
    set(0, ICR, 0x400);
    g_assert_cmphex(atomic_load(&cpus[1].interrupts), ==, CPU_INT_INIT | waits);
    x86_cpu_init_reset(&cpus[1]);
    g_assert_cmphex(atomic_load(&cpus[1].interrupts), ==, waits);
    g_assert_cmphex(atomic_load(&cpus[1].sipi_vector), ==, 9);
}

static void test_error(void)
{
    reset_all();
    set(0, LVT_ERROR, 0xfe);
    set(0, ICR, 1u << 18 | 0x05); /* illegal vector */
    g_assert_cmphex(get(0, ESR), ==, 0);
    set(0, ESR, 0);
    g_assert_cmphex(get(0, ESR), ==, 0x20);
    g_assert_cmphex(ack(0), ==, 0xfe);
    apic_deliver_msi(0xfee00000, 3);
    set(0, ESR, 0);
    g_assert_cmphex(get(0, ESR), ==, 0x40);
    set(0, LVT_ERROR, 1); /* an error in delivering the error */
    apic_deliver_msi(0xfee00000, 3);
    set(0, ESR, 0);
    set(0, ESR, 0);
    g_assert_cmphex(get(0, ESR), ==, 0);
}

static void test_timer(void)
{
    reset_all();
    set(0, DIVIDE, 3); /* by 16 */
    set(0, LVT_TIMER, 0x40);
    set(0, INITIAL, 1000);
    step(8000);
    g_assert_cmpint(get(0, CURRENT), ==, 500);
    g_assert_false(pending(0, CPU_INT_HARD));
    step(8000);
    g_assert_cmpint(get(0, CURRENT), ==, 0);
    g_assert_cmphex(ack(0), ==, 0x40);
    set(0, EOI, 0);
    set(0, LVT_TIMER, 0x40); /* expired: does not come again */
    step(NS_PER_SEC);
    g_assert_false(pending(0, CPU_INT_HARD));

    set(0, DIVIDE, 0xb); /* by 1 */
    set(0, LVT_TIMER, 0x20040);
    set(0, INITIAL, 1000000);
    for (unsigned i = 0; i < 3; i++) {
        step(999999);
        g_assert_false(pending(0, CPU_INT_HARD));
        step(1);
        g_assert_cmphex(ack(0), ==, 0x40);
        set(0, EOI, 0);
    }
    set(0, INITIAL, 0);
    step(NS_PER_SEC);
    g_assert_false(pending(0, CPU_INT_HARD));
    set(0, INITIAL, 1); /* as fast as can be: must not hang us */
    step(NS_PER_MS);
    set(0, INITIAL, 0);
}

static void test_deadline(void)
{
    uint64_t value;

    reset_all();
    cpus[0].msr.tsc_offset = 5000 - clock_ns();
    wrmsr(0, TSC_DEADLINE, 9000);
    cpus[0].apic_ops->msr_read(cpus[0].apic, TSC_DEADLINE, &value);
    g_assert_cmpuint(value, ==, 0); /* not in this mode: dropped */
    set(0, LVT_TIMER, 0x40041);
    wrmsr(0, TSC_DEADLINE, 9000);
    step(3999);
    g_assert_false(pending(0, CPU_INT_HARD));
    step(1);
    g_assert_cmphex(ack(0), ==, 0x41);
    set(0, EOI, 0);
    cpus[0].apic_ops->msr_read(cpus[0].apic, TSC_DEADLINE, &value);
    g_assert_cmpuint(value, ==, 0);
    wrmsr(0, TSC_DEADLINE, 1); /* past: at once */
    g_assert_cmphex(ack(0), ==, 0x41);
    set(0, EOI, 0);
    wrmsr(0, TSC_DEADLINE, UINT64_MAX);
    step(NS_PER_SEC);
    wrmsr(0, TSC_DEADLINE, 0);
    step(NS_PER_SEC);
    g_assert_false(pending(0, CPU_INT_HARD));
}

static const AccelApicOps *engine_apics(void)
{
    static const AccelApicOps apics;

    return &apics;
}

/* Of a machine that goes on with an engine that has local APICs: the timer is that one's. */
static void test_deadline_of_engine(void)
{
    static const AccelOps engine = { .name = "with APICs", .apics = engine_apics };
    g_autoptr(GByteArray) saved = g_byte_array_new();
    g_autoptr(GString) text = g_string_new("");
    const StateTable *table = device_class(DEVICE(cpus[0].apic))->state;
    g_autoptr(GError) err = NULL;

    reset_all();
    cpus[0].msr.tsc_offset = 5000 - clock_ns();
    set(0, LVT_TIMER, 0x40041);
    wrmsr(0, TSC_DEADLINE, 9000);
    state_save(table, cpus[0].apic, saved);
    accel_set(&engine);
    state_load(table, cpus[0].apic, saved->data, saved->len, &err);
    g_assert_no_error(err);
    step(NS_PER_SEC);
    apic_describe(cpus[0].apic, text);
    g_assert_nonnull(strstr(text->str, "tsc-deadline = 9000"));
    accel_set(NULL);
    reset_all();
}

static void test_pic(void)
{
    Irq irq = i8259_irq(pic, 3);

    reset_all();
    outb(0x20, 0x11);
    outb(0x21, 0x30);
    outb(0x21, 4);
    outb(0x21, 1);
    outb(0x21, 0);
    set(0, LINT0, 0x700);
    set(0, TPR, 0xf0); /* does not hold an ExtINT back */
    irq_pulse(&irq);
    g_assert_true(pending(0, CPU_INT_HARD));
    g_assert_false(pending(1, CPU_INT_HARD));
    g_assert_cmphex(ack(0), ==, 0x33);
    g_assert_false(pending(0, CPU_INT_HARD));
    outb(0x20, 0x20);
    set(0, LINT0, MASKED);
    irq_pulse(&irq);
    g_assert_false(pending(0, CPU_INT_HARD));
    set(0, LINT0, 0x700);
    g_assert_cmphex(ack(0), ==, 0x33);
    outb(0x20, 0x20);
    g_assert_true(set_base(0, 0xfee00100)); /* APIC off: INTR goes to CPU 0 */
    irq_pulse(&irq);
    g_assert_cmphex(ack(0), ==, 0x33);
    outb(0x20, 0x20);
    apic_nmi(); /* LINT1 is NMI */
    g_assert_true(pending(0, CPU_INT_NMI));
    g_assert_false(pending(1, CPU_INT_NMI));
    x86_cpu_clear_interrupt(&cpus[0], CPU_INT_NMI);
    g_assert_true(set_base(0, 0xfee00900));
    set(0, SVR, 0x1ff);
    set(0, LINT1, 0x400);
    apic_nmi();
    g_assert_true(pending(0, CPU_INT_NMI));
}

static void test_msi_write(void)
{
    reset_all();
    writel(0xfee02000, 0x4a); /* a device's write: CPU 2 */
    g_assert_cmphex(ack(2), ==, 0x4a);
    writel(0xfee00000, 0x4b);
    g_assert_cmphex(ack(0), ==, 0x4b);
}

static void test_any_write(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);

    reset_all();
    for (unsigned i = 0; i < 50000; i++) {
        unsigned n = g_rand_int(rand) % CPUS;

        set(n, g_rand_int(rand) % 0x400 & ~0xfu, g_rand_int(rand));
        get(n, g_rand_int(rand) & 0xfff);
        wrmsr(n, g_rand_int(rand) % 8 ? 0x800 + g_rand_int(rand) % 0x50 : TSC_DEADLINE,
              (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand));
        if (g_rand_int(rand) % 16 == 0) {
            set_base(n, 0xfee00000 | (g_rand_int(rand) & 0xd00));
        }
        if (pending(n, CPU_INT_HARD)) {
            ack(n);
        }
        step(g_rand_int(rand) % 1000);
    }
    reset_all();
}

/* What an IOMMU makes of messages: IDs of 32 bits, of which 255 is no broadcast. */
/* Hyper-V's names for registers, in both modes. */
static void test_hyperv(void)
{
    uint64_t value;

    reset_all();
    g_assert_true(wrmsr(0, HV_MSR_ICR, UINT64_C(0x01ffffff00000071)));
    g_assert_true(cpus[0].apic_ops->msr_read(cpus[0].apic, HV_MSR_ICR, &value));
    g_assert_cmphex(value, ==, UINT64_C(0x0100000000000071)); /* as MMIO has it */
    g_assert_cmphex(ack(1), ==, 0x71);
    g_assert_cmphex(get(1, ISR + 0x30), ==, 1u << 17);
    g_assert_false(wrmsr(1, HV_MSR_EOI, UINT64_C(1) << 32));
    g_assert_cmphex(get(1, ISR + 0x30), ==, 1u << 17);
    g_assert_true(wrmsr(1, HV_MSR_EOI, UINT32_MAX)); /* any value, as MMIO */
    g_assert_cmphex(get(1, ISR + 0x30), ==, 0);
    g_assert_false(cpus[1].apic_ops->msr_read(cpus[1].apic, HV_MSR_EOI, &value));
    g_assert_true(wrmsr(1, HV_MSR_TPR, 0x80));
    g_assert_cmphex(get(1, TPR), ==, 0x80);
    g_assert_false(wrmsr(1, HV_MSR_TPR, 0x100));
    g_assert_false(wrmsr(0, HV_MSR_ICR, 1u << 13 | 0x71)); /* reserved */
    g_assert_false(wrmsr(0, HV_MSR_TPR + 1, 0));           /* none of the local APIC's */
    g_assert_true(set_base(0, 0xfee00d00));                /* x2APIC */
    g_assert_true(wrmsr(0, HV_MSR_ICR, UINT64_C(1) << 32 | 0x72));
    g_assert_cmphex(ack(1), ==, -1); /* its priority is less than TPR's */
    g_assert_true(wrmsr(1, HV_MSR_TPR, 0));
    g_assert_cmphex(ack(1), ==, 0x72);
    g_assert_true(set_base(0, 0xfee00100)); /* off */
    g_assert_false(wrmsr(0, HV_MSR_TPR, 0));
    g_assert_false(cpus[0].apic_ops->msr_read(cpus[0].apic, HV_MSR_TPR, &value));
}

static void test_remapped(void)
{
    ApicMessage msg = { .dest = 0x1ff, .x2apic = true, .vector = 0x51 };
    uint64_t addr;
    uint32_t data;

    reset_all();
    cpus[2].apic_id = 0x1ff;
    apic_message_to_msi(&msg, &addr, &data);
    g_assert_cmphex(addr, ==, 0x101feeff000);
    apic_deliver_msi(addr, data);
    g_assert_true(pending(2, CPU_INT_HARD));
    g_assert_cmphex(ack(2), ==, 0x51);
    g_assert_false(pending(0, CPU_INT_HARD) || pending(1, CPU_INT_HARD));
    msg.dest = 0xff; /* nobody */
    apic_message_to_msi(&msg, &addr, &data);
    apic_deliver_msi(addr, data);
    g_assert_false(pending(0, CPU_INT_HARD) || pending(1, CPU_INT_HARD));
    msg.x2apic = false; /* all */
    apic_message_to_msi(&msg, &addr, &data);
    g_assert_cmphex(addr, ==, 0xfeeff000);
    apic_deliver_msi(addr, data);
    g_assert_true(pending(0, CPU_INT_HARD) && pending(1, CPU_INT_HARD));
    cpus[2].apic_id = 2;
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    for (unsigned i = 0; i < CPUS; i++) {
        cpus[i].index = cpus[i].apic_id = i;
        g_assert_true(x86_cpu_model_parse(&cpus[i].model, "max", NULL));
        g_autofree char *owner = g_strdup_printf("/machine/cpu%u", i);

        apic_create(&cpus[i], object_container(owner));
    }
    apic_map(memory_system());
    pic = i8259_create(memory_io(), apic_pic_irq());
    apic_connect_pic(pic);
    g_test_add_func("/apic/registers", test_registers);
    g_test_add_func("/apic/priority", test_priority);
    g_test_add_func("/apic/ipi", test_ipi);
    g_test_add_func("/apic/logical", test_logical);
    g_test_add_func("/apic/x2apic", test_x2apic);
    g_test_add_func("/apic/hyperv", test_hyperv);
    g_test_add_func("/apic/remapped", test_remapped);
    g_test_add_func("/apic/base-transitions", test_base_transitions);
    g_test_add_func("/apic/base-reserved", test_base_reserved);
    g_test_add_func("/apic/init", test_init);
    g_test_add_func("/apic/error", test_error);
    g_test_add_func("/apic/timer", test_timer);
    g_test_add_func("/apic/deadline", test_deadline);
    g_test_add_func("/apic/deadline-of-engine", test_deadline_of_engine);
    g_test_add_func("/apic/pic", test_pic);
    g_test_add_func("/apic/msi-write", test_msi_write);
    g_test_add_func("/apic/any-write", test_any_write);
    return g_test_run();
}
