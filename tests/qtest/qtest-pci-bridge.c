/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kinds of PCI bridges, as a user and a guest see them. */
#include <string.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"

#define SLOT(n)     ((n) << 3)
#define BRIDGE      SLOT(3) /* the bridge of a test */
#define ECAM        0xb0000000u
#define CAP_VENDOR  0x09
#define CAP_EXPRESS 0x10

static uint32_t cfg(QTest *qt, unsigned offset, unsigned size)
{
    return qpci_read(qt, BRIDGE, offset, size);
}

/* Where the bridge has its capability @id; 0: nowhere. */
static unsigned capability(QTest *qt, unsigned id)
{
    unsigned cap = cfg(qt, 0x34, 1);

    while (cap && cfg(qt, cap, 1) != id) {
        cap = cfg(qt, cap + 1, 1);
    }
    return cap;
}

/* ---- what each is ---- */

typedef struct Kind {
    const char *device;
    uint32_t ids, class;
    int express; /* device/port type; -1: none */
    bool slot;
    uint8_t pin;
} Kind;

static const Kind kinds[] = {
    { "pcie-root-port", 0x000c1b36, 0x06040000, 4, true, 1 },
    { "ioh3420", 0x34208086, 0x06040002, 4, true, 1 },
    { "x3130-upstream", 0x8232104c, 0x06040002, 5, false, 0 },
    { "pcie-pci-bridge", 0x000e1b36, 0x06040000, 7, false, 1 },
    { "i82801b11-bridge", 0x244e8086, 0x06040192, -1, false, 0 },
};

static void test_kind(gconstpointer data)
{
    const Kind *kind = data;
    QTest *qt = qtest_start("-M q35 -m 64 -device %s,id=b,addr=3", kind->device);
    unsigned express = capability(qt, CAP_EXPRESS);

    g_assert_cmphex(cfg(qt, 0, 4), ==, kind->ids);
    g_assert_cmphex(cfg(qt, 8, 4), ==, kind->class);
    g_assert_cmphex(cfg(qt, 0x0e, 1), ==, 1);
    g_assert_cmpuint(cfg(qt, 0x3d, 1), ==, kind->pin);
    g_assert_cmpint(express != 0, ==, kind->express >= 0);
    if (express) {
        uint32_t flags = cfg(qt, express + 2, 2);

        g_assert_cmpint(flags >> 4 & 0xf, ==, kind->express);
        g_assert_cmpint(flags >> 8 & 1, ==, kind->slot);
    }
    qtest_quit(qt);
}

/* A function behind three bridges, the ports of a switch among them: its configuration space. */
static void test_switch(void)
{
    QTest *qt = qtest_start("-M q35 -m 64 -device pcie-root-port,id=rp,addr=3"
                            " -device x3130-upstream,id=up,bus=rp,port=5"
                            " -device xio3130-downstream,id=d0,bus=up,chassis=1,slot=6,port=1"
                            " -device xio3130-downstream,id=d9,bus=up,chassis=1,slot=7,addr=9"
                            " -device virtio-rng-pci,bus=d9");

    qpci_write(qt, BRIDGE, 0x18, 4, 0x040100);
    g_assert_cmphex(qtest_readl(qt, ECAM + (1 << 20)), ==, 0x8232104c);
    qtest_writel(qt, ECAM + (1 << 20) + 0x18, 0x040201);
    g_assert_cmphex(qtest_readl(qt, ECAM + (2 << 20)), ==, 0x8233104c);
    g_assert_cmphex(qtest_readl(qt, ECAM + (2 << 20) + (SLOT(9) << 12)), ==, 0x8233104c);
    g_assert_cmphex(qtest_readl(qt, ECAM + (2 << 20) + (SLOT(1) << 12)), ==, 0xffffffff);
    qtest_writel(qt, ECAM + (2 << 20) + (SLOT(9) << 12) + 0x18, 0x030302);
    g_assert_cmphex(qtest_readl(qt, ECAM + (3 << 20)), ==, 0x10441af4);
    qtest_quit(qt);
}

/* ---- what firmware is to keep free ---- */

static uint64_t quad(QTest *qt, unsigned offset)
{
    return cfg(qt, offset, 4) | (uint64_t)cfg(qt, offset + 4, 4) << 32;
}

static void check_reserve(const char *device)
{
    QTest *qt = qtest_start("-M q35 -m 64 -device %s,id=b,addr=3,bus-reserve=3,io-reserve=4k,"
                            "mem-reserve=2M,pref64-reserve=8G",
                            device);
    unsigned cap = capability(qt, CAP_VENDOR);

    g_assert_cmpuint(cap, !=, 0);
    g_assert_cmphex(cfg(qt, cap + 2, 2), ==, 0x0120); /* type 1, 32 bytes */
    g_assert_cmpuint(cfg(qt, cap + 4, 4), ==, 3);
    g_assert_cmphex(quad(qt, cap + 8), ==, 4096);
    g_assert_cmphex(cfg(qt, cap + 16, 4), ==, 2 << 20);
    g_assert_cmphex(cfg(qt, cap + 20, 4), ==, UINT32_MAX); /* not said */
    g_assert_cmphex(quad(qt, cap + 24), ==, UINT64_C(8) << 30);
    qtest_quit(qt);
}

static void test_reserve(void)
{
    QTest *qt = qtest_start("-M q35 -m 64 -device pcie-root-port,id=b,addr=3");

    g_assert_cmpuint(capability(qt, CAP_VENDOR), ==, 0);
    qtest_quit(qt);
    check_reserve("pcie-root-port");
    check_reserve("pci-bridge,chassis_nr=1");
}

/* ---- subtractive decoding ---- */

#define BAR         0xc0100000u /* of the function behind, outside of all windows */
#define BAR_ON_ROOT 0xc0200000u
#define MSIX_BAR    1

/* What nothing on the root bus answers to gets behind an i82801b11-bridge while it decodes. */
static void test_subtractive(void)
{
    QTest *qt = qtest_start("-M q35 -m 64 -device i82801b11-bridge,id=b,addr=3"
                            " -device virtio-rng-pci,bus=b,addr=1"
                            " -device virtio-rng-pci,id=r1,addr=4");
    uint64_t behind = ECAM + (1 << 20) + (SLOT(1) << 12);

    qpci_write(qt, BRIDGE, 0x18, 4, 0x010100);
    qtest_writel(qt, behind + 0x10 + 4 * MSIX_BAR, BAR);
    qtest_writew(qt, behind + 4, 2);
    g_assert_cmphex(qtest_readl(qt, BAR + 12), ==, 0xffffffff);
    qpci_write(qt, BRIDGE, 4, 2, 2);
    g_assert_cmphex(qtest_readl(qt, BAR + 12), ==, 1); /* vector 0 is masked */
    /* A function of the root bus at the same place comes first. */
    qtest_writel(qt, behind + 0x10 + 4 * MSIX_BAR, BAR_ON_ROOT);
    qpci_write(qt, SLOT(4), 0x10 + 4 * MSIX_BAR, 4, BAR_ON_ROOT);
    qpci_write(qt, SLOT(4), 4, 2, 2);
    qtest_writel(qt, BAR_ON_ROOT, 0x12345678);
    g_assert_cmphex(qtest_readl(qt, BAR_ON_ROOT), ==, 0x12345678);
    qpci_write(qt, SLOT(4), 4, 2, 0);
    g_assert_cmphex(qtest_readl(qt, BAR_ON_ROOT), ==, 0);
    qtest_quit(qt);
}

/* ---- expanders ---- */

/* A function of a bus with that number, with its memory decoded at @bar1 and its pin raised. */
static void check_behind(QTest *qt, unsigned bus, unsigned devfn)
{
    uint64_t function = ECAM + ((uint64_t)bus << 20) + (devfn << 12);

    g_assert_cmphex(qtest_readl(qt, function), ==, 0x10441af4);
    qtest_writel(qt, function + 0x10 + 4 * MSIX_BAR, BAR);
    qtest_writew(qt, function + 4, 2);
    g_assert_cmphex(qtest_readl(qt, BAR + 12), ==, 1); /* vector 0 is masked */
}

/* Two more root buses; each number belongs to the one below it, whatever a bridge of bus 0 says. */
static void test_pxb_pcie(void)
{
    QTest *qt = qtest_start("-M q35 -m 64 -device pcie-root-port,id=b,addr=3"
                            " -device pxb-pcie,id=x1,bus_nr=80 -device pxb-pcie,id=x0,bus_nr=64"
                            " -device pcie-root-port,id=rp,bus=x1,addr=2,chassis=1"
                            " -device virtio-rng-pci,bus=rp");
    uint64_t port = ECAM + (80 << 20) + (SLOT(2) << 12);
    g_autoptr(json_object) pci = NULL;
    g_autofree char *tree = NULL;

    g_assert_cmphex(qpci_read(qt, SLOT(1), 0, 4), ==, 0x000b1b36);
    qpci_write(qt, BRIDGE, 0x18, 4, 0xff0100);
    g_assert_cmphex(qtest_readl(qt, port), ==, 0x000c1b36);
    g_assert_cmphex(qtest_readl(qt, ECAM + (64 << 20)), ==, UINT32_MAX);
    qtest_writel(qt, port + 0x18, 0x515150);
    qtest_writel(qt, port + 0x20, (BAR >> 16 & 0xfff0) | (BAR & 0xfff00000));
    qtest_writew(qt, port + 4, 2);
    check_behind(qt, 81, 0);
    pci = qtest_qmp(qt, "query-pci", NULL);
    g_assert_cmpint(json_object_array_length(pci), ==, 3);
    g_assert_cmpint(qtest_get_int(pci, "1.bus"), ==, 64);
    g_assert_cmpint(qtest_get_int(pci, "2.bus"), ==, 80);
    g_assert_cmpstr(qtest_get_str(pci, "2.devices.0.qdev_id"), ==, "rp");
    tree = qtest_hmp(qt, "info qtree");
    g_assert_nonnull(strstr(tree, "bus: x1\n"));
    qtest_quit(qt);
}

/* What is on a pxb is behind the bridge that is the only function of the root bus. */
static void test_pxb(void)
{
    QTest *qt = qtest_start("-M pc -m 64 -device pxb,id=x0,bus_nr=80,addr=3"
                            " -device virtio-rng-pci,bus=x0,addr=4");

    g_assert_cmphex(cfg(qt, 0, 4), ==, 0x00091b36);
    qtest_outl(qt, 0xcf8, 0x80500000u);
    g_assert_cmphex(qtest_inl(qt, 0xcfc), ==, 0x00011b36);
    qtest_outl(qt, 0xcf8, 0x80500018u);
    qtest_outl(qt, 0xcfc, 0x515150);
    qtest_outl(qt, 0xcf8, 0x80512000u);
    g_assert_cmphex(qtest_inl(qt, 0xcfc), ==, 0x10051af4);
    qtest_quit(qt);
}

/* ---- refusals ---- */

static const QTestRefused refused[] = {
    { "-M q35 -device xio3130-downstream", "must be on the bus of an 'x3130-upstream'" },
    { "-M q35 -device pcie-root-port,id=r -device xio3130-downstream,bus=r,chassis=1",
      "must be on the bus of an 'x3130-upstream'" },
    { "-M q35 -device pci-bridge,id=r -device x3130-upstream,bus=r", "a PCI Express bus" },
    { "-M pc -device ioh3420", "a PCI Express bus" },
    { "-M pc -device pcie-pci-bridge", "a PCI Express bus" },
    { "-M q35 -device ioh3420,id=a -device pcie-root-port", "a chassis or slot number" },
    { "-M q35 -device pcie-root-port,id=r -device x3130-upstream,id=u,bus=r"
      " -device xio3130-downstream,bus=u",
      "a chassis or slot number" },
    { "-M q35 -device pcie-root-port,bus-reserve=256", "from 0 to 255" },
    { "-M q35 -device pcie-root-port,io-reserve=65537", "from 0 to 65536" },
    { "-M q35 -device pci-bridge,mem-reserve=4G", "from 0 to 4294967295" },
    { "-M q35 -device pcie-root-port,pref32-reserve=1M,pref64-reserve=1M", "give one of them" },
    { "-M q35 -device ioh3420,bus-reserve=1", "bus-reserve" },
    { "-M q35 -device pcie-slot-port", "pcie-slot-port" },
    { "-M q35 -device pxb-pcie", "from 1 to 255" },
    { "-M q35 -device pxb-pcie,bus_nr=8,id=x -device pxb-pcie,bus_nr=8", "number of bus 'x'" },
    { "-M q35 -device pxb-pcie,bus_nr=8,id=x -device pxb-pcie,bus_nr=9,bus=x", "bridges only" },
    { "-M q35 -device pxb-pcie,bus_nr=8,id=x -device virtio-rng-pci,bus=x", "bridges only" },
    { "-M q35 -device pcie-root-port,id=r -device pxb-pcie,bus_nr=8,bus=r", "behind a bridge" },
    { "-M q35 -device pxb-pcie,bus_nr=8,numa_node=3", "no such node" },
    { "-M q35 -device pxb,bus_nr=8", "use a 'pxb-pcie'" },
    { "-M pc -device pxb-pcie,bus_nr=8", "use a 'pxb'" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *path = g_strdup_printf("/pci-bridge/kind/%s", kinds[i].device);
        g_test_add_data_func(path, &kinds[i], test_kind);
    }
    g_test_add_func("/pci-bridge/switch", test_switch);
    g_test_add_func("/pci-bridge/reserve", test_reserve);
    g_test_add_func("/pci-bridge/subtractive", test_subtractive);
    g_test_add_func("/pci-bridge/pxb-pcie", test_pxb_pcie);
    g_test_add_func("/pci-bridge/pxb", test_pxb);
    qtest_add_refused("/pci-bridge/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
