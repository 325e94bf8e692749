/* SPDX-License-Identifier: GPL-2.0-or-later */
/* amd-iommu with tables of our own, beneath it a virtio-rng whose driver accepts
 * VIRTIO_F_ACCESS_PLATFORM. */
#include "hw/iommu/amdvi-regs.h"
#include "tests/qtest/virtio.h"

#define DEVFN    0x20u /* slot 4 */
#define FUNCTION 0x08u /* of the unit: the first slot that is free */
#define DOMAIN   7u
/* Tables, and what they map: the driver's rings as they are, in a page of 2 MiB, and pages far
 * above. */
#define DEVICES  0x100000u
#define LEVEL3   0x102000u
#define LEVEL2   0x103000u
#define LEVEL1   0x104000u
#define LOW2     0x105000u
#define COMMANDS 0x106000u
#define STORED   0x107000u
#define EVENTS   0x108000u
#define IRTES    0x10a000u
#define FIRST    0x500000u
#define SECOND   0x700000u
#define KEPT     (FIRST + 0x3000) /* by a page whose place in the cache the rings leave alone */
#define IOVA     0x40000000u
#define ALL_OK   (AMDVI_READ_OK | AMDVI_WRITE_OK)
#define ON       (AMDVI_ENABLED | AMDVI_COMMANDS | AMDVI_EVENT_LOG)

typedef struct Unit {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    unsigned tail;
} Unit;

static uint64_t get(const Unit *u, unsigned reg)
{
    return qtest_readq(u->qt, AMDVI_BASE + reg);
}

static void set(const Unit *u, unsigned reg, uint64_t value)
{
    qtest_writeq(u->qt, AMDVI_BASE + reg, value);
}

static uint64_t table(uint64_t addr, unsigned level)
{
    return addr | AMDVI_PRESENT | ALL_OK | (uint64_t)level << AMDVI_PTE_NEXT;
}

static uint64_t page(uint64_t addr)
{
    return table(addr, 0);
}

static uint64_t entry_of(unsigned source)
{
    return DEVICES + source * AMDVI_DTE_SIZE;
}

static void write_tables(const Unit *u)
{
    QTest *qt = u->qt;

    qtest_memset(qt, DEVICES, 0, 0x10000);
    qtest_writeq(qt, entry_of(DEVFN), table(LEVEL3, 3) | AMDVI_DTE_TRANSL);
    qtest_writeq(qt, entry_of(DEVFN) + 8, DOMAIN);
    qtest_writeq(qt, LEVEL3, table(LOW2, 2));
    qtest_writeq(qt, LOW2 + 8, page(0x200000));
    qtest_writeq(qt, LEVEL3 + 8, table(LEVEL2, 2));
    qtest_writeq(qt, LEVEL2, table(LEVEL1, 1));
    qtest_writeq(qt, LEVEL1, page(FIRST));
    qtest_writeq(qt, LEVEL1 + 8, page(SECOND));
    qtest_writeq(qt, LEVEL1 + 16, page(SECOND) & ~AMDVI_WRITE_OK);
    /* 16 KiB: the first address bit that is 0 is the second. */
    qtest_writeq(qt, LEVEL1 + 32,
                 page(FIRST + 0x1000) | (uint64_t)AMDVI_PTE_SIZED << AMDVI_PTE_NEXT);
    qtest_writeq(qt, LEVEL1 + 56,
                 page(FIRST + 0x1000) | (uint64_t)AMDVI_PTE_SIZED << AMDVI_PTE_NEXT);
}

static void enable(const Unit *u)
{
    set(u, AMDVI_DEVICE_TABLE, DEVICES | 1); /* of 8 KiB: bus 0 */
    set(u, AMDVI_COMMAND_BASE, COMMANDS | 8ull << AMDVI_LENGTH_SHIFT);
    set(u, AMDVI_EVENT_BASE, EVENTS | 8ull << AMDVI_LENGTH_SHIFT);
    set(u, AMDVI_CONTROL, ON);
    g_assert_cmphex(get(u, AMDVI_STATUS), ==, AMDVI_EVENTS_RUN | AMDVI_COMMANDS_RUN);
}

static void open_machine(Unit *u, const char *more)
{
    *u = (Unit){ .qt = qtest_start("-M q35 -m 64 -device amd-iommu,intremap=on -device "
                                   "virtio-rng-pci,addr=4,disable-legacy=on,iommu_platform=on %s",
                                   more) };
}

static void start(Unit *u)
{
    open_machine(u, "");
    write_tables(u);
    enable(u);
    qvirtio_open_one(&u->v, &u->q, u->qt, DEVFN, QVIRTIO_ACCESS_PLATFORM);
}

static void put(Unit *u, uint64_t low, uint64_t high)
{
    qtest_writeq(u->qt, COMMANDS + u->tail, low);
    qtest_writeq(u->qt, COMMANDS + u->tail + 8, high);
    u->tail = (u->tail + AMDVI_RING_ENTRY) % 0x1000;
    set(u, AMDVI_COMMAND_TAIL, u->tail);
}

static uint64_t command(unsigned code)
{
    return (uint64_t)code << AMDVI_CODE_SHIFT;
}

static void put_and_wait(Unit *u, uint64_t low, uint64_t high)
{
    qtest_writeq(u->qt, STORED, 0);
    put(u, low, high);
    put(u, command(AMDVI_CMD_WAIT) | AMDVI_WAIT_STORES | STORED, 0x123456789abcdefull);
    g_assert_cmphex(qtest_readq(u->qt, STORED), ==, 0x123456789abcdefull);
    g_assert_cmphex(get(u, AMDVI_COMMAND_HEAD), ==, u->tail);
}

static bool has_bytes(const Unit *u, uint64_t addr)
{
    return qtest_readq(u->qt, addr) || qtest_readq(u->qt, addr + 8);
}

static void ask(Unit *u, uint64_t iova, uint32_t size)
{
    uint16_t head = qvirtq_add(&u->q, iova, size, true);

    qvirtq_kick(&u->q);
    g_assert_cmpuint(qvirtq_wait(&u->q, head), ==, size);
}

/* The event at @n of the log, of @code and of the function @source. */
static uint64_t expect_event(const Unit *u, unsigned n, unsigned code, unsigned source,
                             uint64_t addr)
{
    uint64_t low = qtest_readq(u->qt, EVENTS + n * AMDVI_RING_ENTRY);

    g_assert_cmphex(get(u, AMDVI_EVENT_TAIL), >=, (n + 1) * AMDVI_RING_ENTRY);
    g_assert_cmphex(low >> AMDVI_CODE_SHIFT, ==, code);
    g_assert_cmphex(low & 0xffff, ==, source);
    g_assert_cmphex(qtest_readq(u->qt, EVENTS + n * AMDVI_RING_ENTRY + 8), ==, addr);
    return low;
}

/* ---- tests ---- */

static void test_registers(void)
{
    Unit u;

    open_machine(&u, "");
    g_assert_cmphex(qpci_read(u.qt, FUNCTION, 0, 2), ==, 0x1022);
    g_assert_cmphex(qpci_read(u.qt, FUNCTION, 0x0a, 2), ==, 0x0806);
    g_assert_cmphex(qpci_read(u.qt, FUNCTION, 0x40, 1), ==, 0x0f);
    g_assert_cmphex(qpci_read(u.qt, FUNCTION, 0x44, 4), ==, AMDVI_BASE | 1);
    g_assert_cmphex(get(&u, AMDVI_FEATURES), ==, 0x8c1);
    set(&u, AMDVI_FEATURES, UINT64_MAX);
    g_assert_cmphex(get(&u, AMDVI_FEATURES), ==, 0x8c1);
    set(&u, AMDVI_DEVICE_TABLE, UINT64_MAX);
    g_assert_cmphex(get(&u, AMDVI_DEVICE_TABLE), ==, 0xffffffffff1ffull);
    qtest_writel(u.qt, AMDVI_BASE + AMDVI_DEVICE_TABLE + 4, 0);
    g_assert_cmphex(get(&u, AMDVI_DEVICE_TABLE), ==, 0xfffff1ff);
    g_assert_cmphex(qtest_readl(u.qt, AMDVI_BASE + AMDVI_DEVICE_TABLE), ==, 0xfffff1ff);
    set(&u, AMDVI_STATUS, UINT64_MAX);
    g_assert_cmphex(get(&u, AMDVI_STATUS), ==, 0);
    set(&u, 0x3ff8, 1);
    g_assert_cmphex(get(&u, 0x3ff8), ==, 0);
    set(&u, AMDVI_COMMAND_TAIL, 0x10);
    set(&u, AMDVI_CONTROL, AMDVI_COMMANDS); /* the unit itself is off */
    g_assert_cmphex(get(&u, AMDVI_STATUS), ==, 0);
    qtest_qmp_ok(u.qt, "system_reset", "{}");
    json_object_put(qtest_event(u.qt, "RESET"));
    g_assert_cmphex(get(&u, AMDVI_DEVICE_TABLE), ==, 0);
    qtest_quit(u.qt);
}

static void test_translation(void)
{
    Unit u;

    start(&u);
    ask(&u, IOVA, 16);
    g_assert_true(has_bytes(&u, FIRST));
    ask(&u, IOVA + 0x1000 - 16, 32); /* over the end of a page */
    g_assert_true(has_bytes(&u, FIRST + 0xff0));
    g_assert_true(has_bytes(&u, SECOND));
    ask(&u, IOVA + 0x7100, 16); /* the last of a page of 16 KiB */
    g_assert_true(has_bytes(&u, FIRST + 0x3100));
    /* What was found is kept until the guest says otherwise. */
    qtest_writeq(u.qt, LEVEL1 + 56, page(SECOND));
    qtest_memset(u.qt, KEPT, 0, 16);
    ask(&u, IOVA + 0x7000, 16);
    g_assert_true(has_bytes(&u, KEPT));
    put_and_wait(&u, command(AMDVI_CMD_PAGES) | (uint64_t)(DOMAIN + 1) << 32, IOVA + 0x7000);
    qtest_memset(u.qt, SECOND, 0, 16);
    ask(&u, IOVA + 0x7000, 16);
    g_assert_false(has_bytes(&u, SECOND));
    put_and_wait(&u, command(AMDVI_CMD_PAGES) | (uint64_t)DOMAIN << 32, IOVA + 0x7000);
    ask(&u, IOVA + 0x7000, 16);
    g_assert_true(has_bytes(&u, SECOND));
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t flushes[3][2] = { { command(AMDVI_CMD_PAGES) | (uint64_t)DOMAIN << 32,
                                           0x7ffffffffffff001 },
                                         { command(AMDVI_CMD_DEVICE) | DEVFN, 0 },
                                         { command(AMDVI_CMD_ALL), 0 } };
        uint32_t to = i % 2 ? SECOND : FIRST;

        qtest_writeq(u.qt, LEVEL1 + 56, page(to));
        put_and_wait(&u, flushes[i][0], flushes[i][1]);
        qtest_memset(u.qt, to, 0, 16);
        ask(&u, IOVA + 0x7000, 16);
        g_assert_true(has_bytes(&u, to));
    }
    /* Nothing is said of the function, and then that it passes. */
    qtest_writeq(u.qt, entry_of(DEVFN), 0);
    put_and_wait(&u, command(AMDVI_CMD_DEVICE) | DEVFN, 0);
    ask(&u, 0x600000, 16);
    g_assert_true(has_bytes(&u, 0x600000));
    qtest_writeq(u.qt, entry_of(DEVFN), table(0, 0) | AMDVI_DTE_TRANSL);
    put_and_wait(&u, command(AMDVI_CMD_DEVICE) | DEVFN, 0);
    ask(&u, 0x601000, 16);
    g_assert_true(has_bytes(&u, 0x601000));
    g_assert_cmphex(get(&u, AMDVI_EVENT_TAIL), ==, 0);
    qtest_quit(u.qt);
}

/* A request that finds no memory is never answered; each is one event. */
static void refused(Unit *u, uint64_t iova)
{
    qvirtq_add(&u->q, iova, 16, true);
    qvirtq_kick(&u->q);
}

static void test_faults(void)
{
    uint64_t low;
    Unit u;

    start(&u);
    refused(&u, IOVA + 0x2000); /* read-only */
    low = expect_event(&u, 0, AMDVI_PAGE_FAULT, DEVFN, IOVA + 0x2000);
    g_assert_cmphex(low >> 32 & 0xffff, ==, DOMAIN);
    g_assert_cmphex(low & (0x1full << 52), ==,
                    AMDVI_EVENT_PRESENT | AMDVI_EVENT_WRITE | AMDVI_EVENT_PERMISSION);
    g_assert_cmphex(get(&u, AMDVI_STATUS) & AMDVI_EVENT_HAPPENED, ==, AMDVI_EVENT_HAPPENED);
    set(&u, AMDVI_STATUS, AMDVI_EVENT_HAPPENED);
    g_assert_cmphex(get(&u, AMDVI_STATUS), ==, AMDVI_EVENTS_RUN | AMDVI_COMMANDS_RUN);
    qtest_quit(u.qt);
}

/* One table after the other that makes no sense, and what is told of it. */
static const struct {
    uint64_t at, value, iova;
    unsigned code;
} senseless[] = {
    { LEVEL1 + 24, 0, IOVA + 0x3000, AMDVI_PAGE_FAULT },
    { LEVEL1, AMDVI_PRESENT | ALL_OK | 1ull << AMDVI_PTE_NEXT, IOVA, AMDVI_PAGE_FAULT },
    { LEVEL2, 0x000ffffffffff000ull | AMDVI_PRESENT | ALL_OK | 1ull << AMDVI_PTE_NEXT, IOVA,
      AMDVI_NO_PAGE_TABLE },
    { LEVEL2, AMDVI_PRESENT | ALL_OK | 2ull << AMDVI_PTE_NEXT, IOVA, AMDVI_PAGE_FAULT },
    { LEVEL2, 0x000ffffffffff000ull | AMDVI_PRESENT | ALL_OK | 7ull << AMDVI_PTE_NEXT, IOVA,
      AMDVI_PAGE_FAULT },
    { LEVEL2, 0x1000 | AMDVI_PRESENT | ALL_OK, IOVA, AMDVI_PAGE_FAULT },
    { LEVEL3, 0, 1ull << 40, AMDVI_PAGE_FAULT },
    { DEVICES + DEVFN * AMDVI_DTE_SIZE,
      LEVEL3 | AMDVI_DTE_VALID | AMDVI_DTE_TRANSL | ALL_OK | 7u << 9, IOVA, AMDVI_BAD_DEVICE },
    { DEVICES + DEVFN * AMDVI_DTE_SIZE, AMDVI_DTE_VALID, IOVA, AMDVI_PAGE_FAULT },
    { DEVICES + DEVFN * AMDVI_DTE_SIZE, AMDVI_DTE_VALID | AMDVI_DTE_TRANSL, IOVA,
      AMDVI_PAGE_FAULT },
};

static void test_senseless(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(senseless); i++) {
        Unit u;

        start(&u);
        qtest_writeq(u.qt, senseless[i].at, senseless[i].value);
        put_and_wait(&u, command(AMDVI_CMD_ALL), 0);
        refused(&u, senseless[i].iova);
        g_assert_cmphex(qtest_readq(u.qt, EVENTS) >> AMDVI_CODE_SHIFT, ==, senseless[i].code);
        g_assert_false(has_bytes(&u, FIRST));
        qtest_quit(u.qt);
    }
}

/* Rings: a command that there is not, one that is nowhere, a log that is full. */
static void test_rings(void)
{
    Unit u;

    start(&u);
    put(&u, command(15), 0);
    g_assert_cmphex(get(&u, AMDVI_COMMAND_HEAD), ==, 0);
    g_assert_cmphex(get(&u, AMDVI_STATUS) & AMDVI_COMMANDS_RUN, ==, 0);
    expect_event(&u, 0, AMDVI_BAD_COMMAND, 0, COMMANDS);
    u.tail = 0;
    set(&u, AMDVI_COMMAND_BASE, COMMANDS | 8ull << AMDVI_LENGTH_SHIFT);
    set(&u, AMDVI_CONTROL, ON & ~AMDVI_COMMANDS);
    set(&u, AMDVI_CONTROL, ON);
    put_and_wait(&u, command(AMDVI_CMD_PREFETCH), 0);
    put(&u, command(AMDVI_CMD_WAIT) | AMDVI_WAIT_STORES | 0x000ffffffffffff8ull, 1);
    expect_event(&u, 1, AMDVI_BAD_COMMAND, 0, COMMANDS + 2 * AMDVI_RING_ENTRY);
    for (unsigned i = 0; i < 300; i++) { /* more than it has room for */
        set(&u, AMDVI_COMMAND_TAIL, 0x7fff0);
        set(&u, AMDVI_CONTROL, ON & ~AMDVI_COMMANDS);
        set(&u, AMDVI_CONTROL, ON);
    }
    g_assert_cmphex(get(&u, AMDVI_STATUS) & 0x19, ==, AMDVI_EVENT_OVERFLOW);
    g_assert_cmphex(get(&u, AMDVI_EVENT_TAIL), ==, 0xff0);
    set(&u, AMDVI_COMMAND_BASE, 0xfffffff000 | 15ull << AMDVI_LENGTH_SHIFT);
    set(&u, AMDVI_EVENT_BASE, 0xfffffff000 | 15ull << AMDVI_LENGTH_SHIFT);
    set(&u, AMDVI_DEVICE_TABLE, 0xfffffff000 | 0x1ff);
    set(&u, AMDVI_CONTROL, 0);
    set(&u, AMDVI_CONTROL, UINT64_MAX);
    set(&u, AMDVI_COMMAND_TAIL, 0x10);
    refused(&u, IOVA);
    g_assert_cmphex(get(&u, AMDVI_EVENT_TAIL), !=, 0);
    qtest_quit(u.qt);
}

/* The I/O APIC's pin for the serial port, by an entry of either size; and none. */
static void test_interrupts(void)
{
    enum { PIN = 4, LENGTH = 8, IOAPIC_SELECT = 0xfec00000u, IOAPIC_DATA = 0xfec00010u };
    const uint64_t dte = AMDVI_DTE_INTERRUPTS | IRTES | LENGTH << AMDVI_DTE_LENGTH |
                         (uint64_t)AMDVI_INT_REMAPPED << AMDVI_DTE_CONTROL;
    Unit u;

    start(&u);
    qtest_writeq(u.qt, entry_of(AMDVI_IOAPIC_ID) + 16, dte);
    qtest_writel(u.qt, IOAPIC_SELECT, 0x10 + 2 * PIN);
    qtest_writel(u.qt, IOAPIC_DATA, PIN); /* an index, fixed */
    qtest_set_irq_in(u.qt, "ioapic", NULL, PIN, 1);
    /* Nothing is there: a fault, of an interrupt. */
    uint64_t low = expect_event(&u, 0, AMDVI_PAGE_FAULT, AMDVI_IOAPIC_ID, AMDVI_MSI_FIRST);
    g_assert_cmphex(low & AMDVI_EVENT_IS_INTERRUPT, ==, AMDVI_EVENT_IS_INTERRUPT);
    qtest_set_irq_in(u.qt, "ioapic", NULL, PIN, 0);
    for (unsigned wide = 0; wide < 2; wide++) {
        set(&u, AMDVI_CONTROL, ON | (wide ? AMDVI_WIDE_INTERRUPTS : 0));
        qtest_memset(u.qt, IRTES, 0, 0x1000);
        if (wide) {
            qtest_writeq(u.qt, IRTES + 16 * PIN + 8, 0x51);
            qtest_writeq(u.qt, IRTES + 16 * PIN, 1);
        } else {
            qtest_writel(u.qt, IRTES + 4 * PIN, 0x510001);
        }
        put_and_wait(&u, command(AMDVI_CMD_INTERRUPTS) | AMDVI_IOAPIC_ID, 0);
        qtest_set_irq_in(u.qt, "ioapic", NULL, PIN, 1);
        qtest_set_irq_in(u.qt, "ioapic", NULL, PIN, 0);
        g_assert_cmphex(get(&u, AMDVI_EVENT_TAIL), ==, AMDVI_RING_ENTRY); /* none more */
    }
    qtest_quit(u.qt);
}

static void test_moved(void)
{
    Unit u, to;

    start(&u);
    ask(&u, IOVA, 16);
    g_autofree char *file = qtest_temp_path(u.qt, "state");
    g_autofree char *more = g_strdup_printf("-incoming file:%s", file);
    qtest_save(u.qt, file);
    open_machine(&to, more);
    qtest_wait_running(to.qt);
    qtest_quit(u.qt);
    u.qt = u.v.qt = to.qt;
    g_assert_cmphex(get(&u, AMDVI_CONTROL), ==, ON);
    g_assert_cmphex(get(&u, AMDVI_STATUS), ==, AMDVI_EVENTS_RUN | AMDVI_COMMANDS_RUN);
    qtest_writeq(u.qt, LEVEL1, page(SECOND));
    ask(&u, IOVA, 16);
    g_assert_true(has_bytes(&u, SECOND));
    qtest_quit(u.qt);
}

static const QTestRefused wrong[] = {
    { "-M pc -device amd-iommu", "q35 only" },
    { "-M q35 -device amd-iommu -device intel-iommu", "has an IOMMU already" },
    { "-M q35 -device amd-iommu -device amd-iommu", "has an IOMMU already" },
    { "-M q35 -device AMDVI-PCI", "AMDVI-PCI" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/amdvi/registers", test_registers);
    g_test_add_func("/amdvi/translation", test_translation);
    g_test_add_func("/amdvi/faults", test_faults);
    g_test_add_func("/amdvi/senseless", test_senseless);
    g_test_add_func("/amdvi/rings", test_rings);
    g_test_add_func("/amdvi/interrupts", test_interrupts);
    g_test_add_func("/amdvi/moved", test_moved);
    qtest_add_refused("/amdvi/refused", wrong, G_N_ELEMENTS(wrong));
    return g_test_run();
}
