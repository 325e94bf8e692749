/* SPDX-License-Identifier: GPL-2.0-or-later */
/* intel-iommu with tables of our own, beneath it a virtio-rng whose driver accepts
 * VIRTIO_F_ACCESS_PLATFORM. */
#include "hw/iommu/vtd-regs.h"
#include "tests/qtest/virtio.h"

#define DEVFN  0x20u /* slot 4 */
#define DOMAIN 7u
/* Tables, and what they map: the driver's rings as they are, in a page of 2 MiB, and three pages
 * far above. */
#define ROOT     0x100000u
#define CONTEXTS 0x101000u
#define LEVEL3   0x102000u
#define LEVEL2   0x103000u
#define LEVEL1   0x104000u
#define LOW2     0x105000u
#define QUEUE    0x106000u
#define STATUS   0x107000u
#define FIRST    0x500000u
#define SECOND   0x700000u
#define OTHER    0x900000u
#define IOVA     0x40000000u

typedef struct Unit {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    unsigned tail;
} Unit;

static uint32_t get(const Unit *u, unsigned reg)
{
    return qtest_readl(u->qt, VTD_BASE + reg);
}

static void set(const Unit *u, unsigned reg, uint32_t value)
{
    qtest_writel(u->qt, VTD_BASE + reg, value);
}

static void set64(const Unit *u, unsigned reg, uint64_t value)
{
    qtest_writeq(u->qt, VTD_BASE + reg, value);
}

/* ---- tables ---- */

static void write_tables(const Unit *u)
{
    QTest *qt = u->qt;

    qtest_memset(qt, ROOT, 0, 0x8000);
    qtest_writeq(qt, ROOT, CONTEXTS | VTD_PRESENT);
    qtest_writeq(qt, CONTEXTS + 16 * DEVFN, LEVEL3 | VTD_PRESENT);
    qtest_writeq(qt, CONTEXTS + 16 * DEVFN + 8, DOMAIN << 8 | 1);
    qtest_writeq(qt, LEVEL3, LOW2 | VTD_READ | VTD_WRITE);
    qtest_writeq(qt, LOW2 + 8, 0x200000 | VTD_LARGE | VTD_READ | VTD_WRITE);
    qtest_writeq(qt, LEVEL3 + 8, LEVEL2 | VTD_READ | VTD_WRITE);
    qtest_writeq(qt, LEVEL2, LEVEL1 | VTD_READ | VTD_WRITE);
    qtest_writeq(qt, LEVEL1, FIRST | VTD_READ | VTD_WRITE);
    qtest_writeq(qt, LEVEL1 + 8, SECOND | VTD_READ | VTD_WRITE);
    qtest_writeq(qt, LEVEL1 + 16, SECOND | VTD_READ);
}

static void enable(Unit *u)
{
    set64(u, VTD_RTADDR, ROOT);
    set(u, VTD_GCMD, VTD_ROOT_TABLE);
    g_assert_cmphex(get(u, VTD_GSTS), ==, VTD_ROOT_TABLE);
    set64(u, VTD_IQA, QUEUE);
    set(u, VTD_GCMD, VTD_QUEUE);
    set(u, VTD_GCMD, VTD_QUEUE | VTD_TRANSLATION);
    g_assert_cmphex(get(u, VTD_GSTS), ==, VTD_TRANSLATION | VTD_QUEUE | VTD_ROOT_TABLE);
}

static void open_machine(Unit *u, const char *options)
{
    *u = (Unit){ .qt =
                     qtest_start("-M q35 -m 64 -device intel-iommu%s -device virtio-rng-pci,addr=4,"
                                 "disable-legacy=on,iommu_platform=on",
                                 options) };
    write_tables(u);
}

static void start_device(Unit *u)
{
    qvirtio_open_one(&u->v, &u->q, u->qt, DEVFN, QVIRTIO_ACCESS_PLATFORM);
}

/* ---- the queue ---- */

static void put(Unit *u, uint64_t low, uint64_t high)
{
    qtest_writeq(u->qt, QUEUE + u->tail, low);
    qtest_writeq(u->qt, QUEUE + u->tail + 8, high);
    u->tail = (u->tail + VTD_DESC_SIZE) % 0x1000;
    set(u, VTD_IQT, u->tail);
}

static void put_and_wait(Unit *u, uint64_t low, uint64_t high)
{
    qtest_writel(u->qt, STATUS, 0);
    put(u, low, high);
    put(u, VTD_DESC_WAIT | VTD_WAIT_STATUS | 0x1234ull << 32, STATUS);
    g_assert_cmphex(qtest_readl(u->qt, STATUS), ==, 0x1234);
    g_assert_cmphex(get(u, VTD_IQH), ==, u->tail);
}

/* ---- tests ---- */

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

static void test_registers(void)
{
    static const struct {
        const char *options;
        uint64_t cap, ecap;
    } units[] = {
        /* As in the reference, but for EIM, which that has with KVM only. */
        { "", 0xd2008c22260206, 0xf00f5a },
        { ",intremap=off,pt=off", 0xd2008c22260206, 0xf00f02 },
        { ",eim=off,snoop-control=on,device-iotlb=on", 0xd2008c22260206, 0xf00fce },
        { ",aw-bits=48,caching-mode=on,dma-drain=off", 0x12008c222f0686, 0xf00f5a },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(units); i++) {
        Unit u;

        open_machine(&u, units[i].options);
        g_assert_cmphex(get(&u, VTD_VER), ==, VTD_VERSION);
        g_assert_cmphex(qtest_readq(u.qt, VTD_BASE + VTD_CAP), ==, units[i].cap);
        g_assert_cmphex(qtest_readq(u.qt, VTD_BASE + VTD_ECAP), ==, units[i].ecap);
        g_assert_cmphex(get(&u, VTD_FECTL), ==, VTD_EVENT_MASKED);
        set(&u, VTD_CAP, 0); /* read-only */
        g_assert_cmphex(get(&u, VTD_CAP), ==, (uint32_t)units[i].cap);
        qtest_quit(u.qt);
    }
}

static void test_translation(void)
{
    Unit u;

    open_machine(&u, "");
    enable(&u);
    start_device(&u);
    ask(&u, IOVA + 0xff0, 0x20); /* over both pages, which do not lie together */
    g_assert_true(has_bytes(&u, FIRST + 0xff0));
    g_assert_true(has_bytes(&u, SECOND));
    g_assert_false(has_bytes(&u, FIRST + 0x1000));
    g_assert_cmphex(get(&u, VTD_FSTS), ==, 0);
    qtest_quit(u.qt);
}

/* Without a driver that knows of it, and with translation off, addresses are physical. */
static void test_past(void)
{
    Unit u;

    open_machine(&u, "");
    start_device(&u);
    ask(&u, OTHER, 16);
    g_assert_true(has_bytes(&u, OTHER));
    enable(&u);
    qvirtio_open_one(&u.v, &u.q, u.qt, DEVFN, 0);
    ask(&u, OTHER + 16, 16);
    g_assert_true(has_bytes(&u, OTHER + 16));
    g_assert_cmphex(get(&u, VTD_FSTS), ==, 0);
    qtest_quit(u.qt);
}

/* A byte at the end of all addresses is no memory, with translation off and where all may pass. */
static void test_last_byte(void)
{
    Unit u;

    for (unsigned pass = 0; pass < 2; pass++) {
        open_machine(&u, "");
        start_device(&u);
        if (pass) {
            qtest_writeq(u.qt, CONTEXTS + 16 * DEVFN, VTD_TYPE_PASS_THROUGH << 2 | VTD_PRESENT);
            enable(&u);
        }
        qvirtq_add(&u.q, UINT64_MAX, 1, true);
        qvirtq_kick(&u.q);
        g_assert_cmphex(qvirtio_status(&u.v) & QVIRTIO_NEEDS_RESET, ==, QVIRTIO_NEEDS_RESET);
        g_assert_cmphex(get(&u, VTD_FSTS), ==, 0);
        qtest_quit(u.qt);
    }
}

/* Functions that are not below it. */
static void test_bypass(void)
{
    Unit u = { .qt = qtest_start(
                   "-M q35,default-bus-bypass-iommu=on -m 64 -device intel-iommu -device "
                   "virtio-rng-pci,addr=4,disable-legacy=on,iommu_platform=on") };

    enable(&u); /* with empty tables */
    start_device(&u);
    ask(&u, OTHER, 16);
    g_assert_true(has_bytes(&u, OTHER));
    g_assert_cmphex(get(&u, VTD_FSTS), ==, 0);
    qtest_quit(u.qt);
}

static void test_invalidation(void)
{
    Unit u;

    open_machine(&u, "");
    enable(&u);
    start_device(&u);
    ask(&u, IOVA, 16);
    qtest_writeq(u.qt, LEVEL1, OTHER | VTD_READ | VTD_WRITE);
    put_and_wait(&u, VTD_DESC_IOTLB | VTD_SELECTIVE << 4 | DOMAIN << 16, IOVA);
    ask(&u, IOVA, 16);
    g_assert_true(has_bytes(&u, OTHER));
    /* By registers; the granularity that was done is told. */
    qtest_writeq(u.qt, LEVEL1, FIRST | VTD_READ | VTD_WRITE);
    set64(&u, VTD_IOTLB, (uint64_t)(VTD_IOTLB_INVALIDATE | 2u << 28 | DOMAIN) << 32);
    g_assert_cmphex(get(&u, VTD_IOTLB + 4), ==, 2u << 28 | 2u << 25 | DOMAIN);
    set64(&u, VTD_CCMD, (uint64_t)(VTD_CCMD_INVALIDATE | 1u << 29) << 32);
    g_assert_cmphex(get(&u, VTD_CCMD + 4), ==, 1u << 29 | 1u << 27);
    ask(&u, IOVA + 0x20, 16);
    g_assert_true(has_bytes(&u, FIRST + 0x20));
    qtest_quit(u.qt);
}

typedef struct Bad {
    const char *name;
    uint64_t at, value; /* of the tables */
    uint64_t iova;
    VtdFault fault;
} Bad;

static const Bad bad[] = {
    { "no-root", ROOT, 0, IOVA, VTD_NO_ROOT },
    { "root-reserved", ROOT, CONTEXTS | 3, IOVA, VTD_RESERVED_ROOT },
    { "contexts-nowhere", ROOT, 0xffffffff000ull | VTD_PRESENT, IOVA, VTD_BAD_CONTEXT_TABLE },
    { "no-context", CONTEXTS + 16 * DEVFN, 0, IOVA, VTD_NO_CONTEXT },
    { "type", CONTEXTS + 16 * DEVFN, LEVEL3 | 0xd, IOVA, VTD_BAD_CONTEXT },
    { "width", CONTEXTS + 16 * DEVFN + 8, DOMAIN << 8 | 2, IOVA, VTD_BAD_CONTEXT },
    { "context-reserved", CONTEXTS + 16 * DEVFN + 8, DOMAIN << 8 | 0x81, IOVA,
      VTD_RESERVED_CONTEXT },
    { "beyond", ROOT, CONTEXTS | VTD_PRESENT, 1ull << 39, VTD_BEYOND_WIDTH },
    { "not-mapped", LEVEL1, 0, IOVA, VTD_NO_WRITE },
    { "read-only", LEVEL1, FIRST | VTD_READ, IOVA, VTD_NO_WRITE },
    { "table-nowhere", LEVEL2, 0x7ffffff000ull | 3, IOVA, VTD_BAD_TABLE },
    { "entry-reserved", LEVEL1, 1ull << 40 | 3, IOVA, VTD_RESERVED_ENTRY },
    { "large-misaligned", LEVEL2, FIRST | 0x1083, IOVA, VTD_RESERVED_ENTRY },
};

static void test_fault(gconstpointer data)
{
    const Bad *b = data;
    Unit u;

    open_machine(&u, "");
    start_device(&u);
    qtest_writeq(u.qt, b->at, b->value);
    enable(&u);
    qvirtq_add(&u.q, b->iova, 16, true);
    qvirtq_kick(&u.q);
    g_assert_cmphex(qvirtio_status(&u.v) & QVIRTIO_NEEDS_RESET, ==, QVIRTIO_NEEDS_RESET);
    g_assert_cmphex(get(&u, VTD_FSTS) & 0xf, ==, VTD_FSTS_PENDING | (get(&u, VTD_FSTS) & 1));
    g_assert_cmphex(get(&u, VTD_FRCD + 8), ==, DEVFN);
    g_assert_cmphex(get(&u, VTD_FRCD + 12) & 0xff, ==, b->fault);
    g_assert_cmphex(get(&u, VTD_FRCD + 12) & VTD_FRCD_FAULT, ==, VTD_FRCD_FAULT);
    g_assert_cmphex(get(&u, VTD_FECTL), ==, VTD_EVENT_MASKED | VTD_EVENT_PENDING);
    /* It is taken away, and what waited with it. */
    set(&u, VTD_FRCD + 12, VTD_FRCD_FAULT);
    set(&u, VTD_FSTS, 1);
    g_assert_cmphex(get(&u, VTD_FSTS), ==, 0);
    g_assert_cmphex(get(&u, VTD_FECTL), ==, VTD_EVENT_MASKED);
    qtest_quit(u.qt);
}

/* What makes no sense in the queue stops it, until the guest has seen it. */
static void test_queue_error(void)
{
    Unit u;

    open_machine(&u, "");
    enable(&u);
    put(&u, 0xf, 0);
    g_assert_cmphex(get(&u, VTD_FSTS), ==, VTD_FSTS_QUEUE_ERROR);
    g_assert_cmphex(get(&u, VTD_IQH), ==, 0);
    qtest_writeq(u.qt, QUEUE, VTD_DESC_CONTEXT | VTD_GLOBAL << 4);
    set(&u, VTD_FSTS, VTD_FSTS_QUEUE_ERROR);
    g_assert_cmphex(get(&u, VTD_IQH), ==, VTD_DESC_SIZE);
    put_and_wait(&u, VTD_DESC_INTERRUPTS, 0);
    put(&u, VTD_DESC_WAIT | VTD_WAIT_INTERRUPT, 0);
    g_assert_cmphex(get(&u, VTD_ICS), ==, 1);
    g_assert_cmphex(get(&u, VTD_IECTL), ==, VTD_EVENT_MASKED | VTD_EVENT_PENDING);
    set(&u, VTD_ICS, 1);
    g_assert_cmphex(get(&u, VTD_IECTL), ==, VTD_EVENT_MASKED);
    /* A tail, and a queue, that are nowhere. */
    set(&u, VTD_IQT, 0x7fff0);
    g_assert_cmphex(get(&u, VTD_FSTS), ==, VTD_FSTS_QUEUE_ERROR);
    set64(&u, VTD_IQA, 0xfffffff000ull | 7);
    set(&u, VTD_FSTS, VTD_FSTS_QUEUE_ERROR);
    g_assert_cmphex(get(&u, VTD_FSTS), ==, VTD_FSTS_QUEUE_ERROR);
    qtest_quit(u.qt);
}

/* Each message that the table does not let pass is a fault of the function. */
static void test_remapping(void)
{
    static const struct {
        uint32_t addr;
        uint64_t low, high;
        uint32_t fault;
    } entries[] = {
        { 0xfee00000, 0, 0, VTD_IRTE_COMPATIBLE },
        { 0xfee00010, 0, 0, VTD_IRTE_ABSENT },
        { 0xfee00010 | 255 << 5, 1 | 0x30 << 16, DEVFN | 1 << 18, VTD_IRTE_INDEX },
        { 0xfee00010 | 1 << 5, 1 | 0x30 << 16, (DEVFN + 1) | 1 << 18, VTD_IRTE_SOURCE },
        { 0xfee00010 | 1 << 5, 1 | 0x1000, DEVFN | 1 << 18, VTD_IRTE_RESERVED },
        { 0xfee00010 | 1 << 5, 1 | 0x30 << 16, DEVFN | 1 << 18, VTD_OK },
    };
    Unit u;

    open_machine(&u, "");
    set64(&u, VTD_IRTA, STATUS);
    set(&u, VTD_GCMD, VTD_REMAP_TABLE);
    set(&u, VTD_GCMD, VTD_REMAPPING);
    g_assert_cmphex(get(&u, VTD_GSTS), ==, VTD_REMAP_TABLE | VTD_REMAPPING);
    qvirtio_open(&u.v, u.qt, DEVFN, true);
    qvirtio_use_msix(&u.v);
    qvirtio_start(&u.v, QVIRTIO_VERSION_1);
    qvirtio_queue(&u.v, &u.q, 0);
    qvirtio_driver_ok(&u.v);
    for (unsigned i = 0; i < G_N_ELEMENTS(entries); i++) {
        qtest_writeq(u.qt, STATUS + 16, entries[i].low);
        qtest_writeq(u.qt, STATUS + 24, entries[i].high);
        qtest_writel(u.qt, u.v.msix + 16, entries[i].addr);
        ask(&u, OTHER, 16);
        g_assert_cmphex(get(&u, VTD_FSTS) >> 1 & 1, ==, entries[i].fault != VTD_OK);
        set(&u, VTD_FRCD + 12, VTD_FRCD_FAULT);
        if (entries[i].fault) {
            g_assert_cmphex(get(&u, VTD_FRCD + 12) & 0xff, ==, entries[i].fault);
            g_assert_cmphex(get(&u, VTD_FRCD + 8), ==, DEVFN);
        }
        g_assert_cmphex(get(&u, VTD_FSTS), ==, 0);
    }
    qtest_quit(u.qt);
}

static const QTestRefused refused[] = {
    { "-M pc -device intel-iommu", "part of the machine q35 only" },
    { "-M q35 -device intel-iommu -device intel-iommu", "has an IOMMU already" },
    { "-M q35 -device intel-iommu,aw-bits=40", "must be 39 or 48" },
    { "-M q35 -device intel-iommu,intremap=off,eim=on", "needs intremap=on" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iommu/registers", test_registers);
    g_test_add_func("/iommu/translation", test_translation);
    g_test_add_func("/iommu/past", test_past);
    g_test_add_func("/iommu/last-byte", test_last_byte);
    g_test_add_func("/iommu/bypass", test_bypass);
    g_test_add_func("/iommu/invalidation", test_invalidation);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/iommu/fault/%s", bad[i].name);

        g_test_add_data_func(path, &bad[i], test_fault);
    }
    g_test_add_func("/iommu/queue-error", test_queue_error);
    g_test_add_func("/iommu/remapping", test_remapping);
    qtest_add_refused("/iommu/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
