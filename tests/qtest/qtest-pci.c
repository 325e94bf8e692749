/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PCI as a user and a guest of both machines see it. */
#include <string.h>

#include "tests/qtest/libqtest.h"

#define ECAM 0xb0000000u

/* As libvirt says it. */
#define ROOT_PORTS                                                                        \
    " -device '{\"driver\":\"pcie-root-port\",\"port\":8,\"chassis\":1,\"id\":\"pci.1\"," \
    "\"bus\":\"pcie.0\",\"multifunction\":true,\"addr\":\"0x1\"}'"                        \
    " -device '{\"driver\":\"pcie-root-port\",\"port\":9,\"chassis\":2,\"id\":\"pci.2\"," \
    "\"bus\":\"pcie.0\",\"addr\":\"0x1.0x1\"}'"

static uint32_t config_read(QTest *qt, unsigned devfn, unsigned reg)
{
    qtest_outl(qt, 0xcf8, 0x80000000u | devfn << 8 | reg);
    return qtest_inl(qt, 0xcfc);
}

static uint64_t ecam(unsigned bus, unsigned devfn, unsigned reg)
{
    return ECAM + ((uint64_t)bus << 20) + (devfn << 12) + reg;
}

static void test_root_ports(void)
{
    QTest *qt = qtest_start("-M q35 -m 64" ROOT_PORTS);
    g_autoptr(json_object) pci = NULL, again = NULL;
    g_autofree char *text = NULL, *tree = NULL;

    g_assert_cmphex(config_read(qt, 0x08, 0), ==, 0x000c1b36);
    g_assert_cmphex(config_read(qt, 0x08, 0x0c) >> 16, ==, 0x81);
    g_assert_cmphex(config_read(qt, 0x09, 0x0c) >> 16, ==, 0x01);
    g_assert_cmphex(qtest_readl(qt, ecam(0, 0x09, 0)), ==, 0x000c1b36);
    g_assert_cmphex(qtest_readq(qt, ecam(0, 0x09, 0)) >> 48, ==, 0x0010); /* capabilities */
    g_assert_cmphex(qtest_readl(qt, ecam(0, 0x08, 0x100)), ==, 0);        /* no extended ones */
    g_assert_cmphex(qtest_readl(qt, ecam(0, 0x10, 0)), ==, 0xffffffff);

    qtest_writel(qt, ecam(0, 0x08, 0x18), 0x00030100);
    qtest_writel(qt, ecam(0, 0x08, 0x20), 0xe010e000);
    qtest_writew(qt, ecam(0, 0x08, 0x04), 7);
    pci = qtest_qmp(qt, "query-pci", NULL);
    g_assert_cmpstr(qtest_get_str(pci, "0.devices.1.qdev_id"), ==, "pci.1");
    qtest_assert_json(qtest_get(pci, "0.devices.1.pci_bridge"),
                      "{'bus': {'number': 0, 'secondary': 1, 'subordinate': 3,"
                      " 'io_range': {'base': 61440, 'limit': 4095},"
                      " 'memory_range': {'base': %u, 'limit': %u},"
                      " 'prefetchable_range': {'base': %u, 'limit': %u}}, 'devices': []}",
                      0xe0000000u, 0xe01fffffu, 0xfff00000u, 0xfffffu);
    qtest_assert_json(qtest_get(pci, "0.devices.1.class_info"),
                      "{'desc': 'PCI bridge', 'class': 1540}");
    text = qtest_hmp(qt, "info pci");
    g_assert_nonnull(strstr(text, "      secondary bus 1.\n      subordinate bus 3.\n"));
    g_assert_nonnull(strstr(text, "memory range [0xe0000000, 0xe01fffff]\n"));
    tree = qtest_hmp(qt, "info qtree");
    g_assert_nonnull(strstr(tree, "\n  bus: pcie.0\n    type PCIE\n    dev: mch, id \"\"\n"));
    g_assert_nonnull(strstr(tree, "\n      bus: pci.2\n        type PCIE\n"));
    qtest_qmp_ok(qt, "system_reset", NULL);
    json_object_put(qtest_event(qt, "RESET"));
    again = qtest_qmp(qt, "query-pci", NULL);
    g_assert_cmpint(qtest_get_int(again, "0.devices.1.pci_bridge.bus.secondary"), ==, 0);
    qtest_quit(qt);
}

/* ---- ports 0xcf8 and 0xcfc ---- */

static uint32_t in(QTest *qt, unsigned size, uint16_t port)
{
    return size == 1 ? qtest_inb(qt, port) : size == 2 ? qtest_inw(qt, port) : qtest_inl(qt, port);
}

static void out(QTest *qt, unsigned size, uint16_t port, uint32_t value)
{
    if (size == 1) {
        qtest_outb(qt, port, value);
    } else if (size == 2) {
        qtest_outw(qt, port, value);
    } else {
        qtest_outl(qt, port, value);
    }
}

/* Reads of the IDs, at each offset in the address and in the port, whose lowest two bits add up to
 * the register number bit by bit. */
static void check_config_reads(QTest *qt, uint32_t ids, uint8_t command)
{
    uint64_t bytes = ids | (uint64_t)command << 32;

    for (unsigned size = 1; size <= 4; size *= 2) {
        for (unsigned low = 0; low < 4; low++) {
            for (unsigned port = 0; port < 4; port += size) {
                unsigned reg = low | port;

                if (reg + size > 5) {
                    continue;
                }
                qtest_outl(qt, 0xcf8, 0x80000000u | low);
                g_assert_cmphex(in(qt, size, 0xcfc + port), ==,
                                (uint32_t)(bytes >> (8 * reg)) & (UINT32_MAX >> (32 - 8 * size)));
            }
        }
    }
}

/* Writes of PIRQ routes, registers 0x60 to 0x63 of the ISA bridge. */
static void check_config_writes(QTest *qt, uint8_t isa)
{
    uint32_t base = 0x80000060u | isa << 8;

    for (unsigned size = 1; size <= 2; size *= 2) {
        for (unsigned low = 0; low < 4; low++) {
            for (unsigned port = 0; port < 4; port += size) {
                unsigned reg = low | port;
                uint32_t mask = size == 1 ? 0xff : 0xffff;

                if (reg + size > 4) {
                    continue;
                }
                qtest_outl(qt, 0xcf8, base);
                qtest_outl(qt, 0xcfc, 0x80808080);
                qtest_outl(qt, 0xcf8, base | low);
                out(qt, size, 0xcfc + port, 0x0a0b);
                qtest_outl(qt, 0xcf8, base);
                g_assert_cmphex(qtest_inl(qt, 0xcfc), ==,
                                (0x80808080u & ~(mask << (8 * reg))) | (0x0a0bu & mask)
                                                                           << (8 * reg));
            }
        }
    }
}

/* What is written comes back; less than the whole is not taken. */
static void check_config_address(QTest *qt)
{
    static const uint32_t addresses[] = { 0, 0xffffffff, 0x80000002, 0x7f000001 };

    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
        qtest_outl(qt, 0xcf8, addresses[i]);
        g_assert_cmphex(qtest_inl(qt, 0xcf8), ==, addresses[i]);
        qtest_outw(qt, 0xcf8, 0x1234);
        qtest_outb(qt, 0xcfa, 0x12);
        g_assert_cmphex(qtest_inl(qt, 0xcf8), ==, addresses[i]);
        g_assert_cmphex(qtest_inb(qt, 0xcf8), ==, addresses[i] & 0xff);
        g_assert_cmphex(qtest_inw(qt, 0xcfa), ==, addresses[i] & 0xffff);
    }
    qtest_outl(qt, 0xcf8, 0);
    g_assert_cmphex(qtest_inl(qt, 0xcfc), ==, 0xffffffff);
    qtest_outl(qt, 0xcfc, 0);
}

static void test_config_ports(void)
{
    static const struct {
        const char *args;
        uint32_t ids;
        uint8_t isa;
    } machines[] = { { "-M pc -m 64", 0x12378086, 0x08 }, { "-M q35 -m 64", 0x29c08086, 0xf8 } };

    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        QTest *qt = qtest_start("%s", machines[i].args);

        check_config_reads(qt, machines[i].ids, config_read(qt, 0, 4));
        check_config_writes(qt, machines[i].isa);
        check_config_address(qt);
        qtest_quit(qt);
    }
}

static const QTestRefused refused[] = {
    { "-M pc -device pcie-root-port", "needs a PCI Express bus" },
    { "-M q35 -device pcie-root-port,bus=pci.7", "there is no PCI bus 'pci.7'; those there are" },
    { "-M q35 -device pcie-root-port,addr=1f.0", "is taken by" },
    { "-M q35 -device pcie-root-port,addr=1f.8", "from 0 to 7" },
    { "-M q35 -device pcie-root-port,addr=20", "from 0 to 1f" },
    { "-M q35 -device pcie-root-port,id=a -device pcie-root-port", "a chassis or slot number" },
    { "-M q35 -device pcie-root-port,addr=3 -device pcie-root-port,addr=3.1,chassis=1",
      "multifunction=on" },
    { "-M q35 -device pcie-root-port,id=a -device pcie-root-port,bus=a,chassis=1",
      "must be on the root bus" },
    { "-M q35 -device pcie-root-port,slot=8192", "from 0 to 8191" },
    { "-M q35 -device pcie-root-port,id=pcie.0", "a bus with the name 'pcie.0' already" },
    { "-M q35 -device mch", "only the machine itself has" },
    { "-M none -device pcie-root-port", "no PCI bus" },
};

static void test_hot_plug(void)
{
    QTest *qt = qtest_start("-M q35" ROOT_PORTS);
    g_autoptr(json_object) add = NULL, del = NULL;

    add = qtest_qmp_error(qt, "device_add", "{'driver': 'pcie-root-port', 'chassis': 3}");
    g_assert_nonnull(strstr(qtest_get_str(add, "desc"), "while the machine runs"));
    del = qtest_qmp_error(qt, "device_del", "{'id': 'pci.1'}");
    g_assert_nonnull(strstr(qtest_get_str(del, "desc"), "while the machine runs"));
    qtest_quit(qt);
}

/* Each machine's PAM registers: function 0, and the first of them. */
static void test_pam(gconstpointer data)
{
    const char *machine = data;
    unsigned pam = strcmp(machine, "pc") == 0 ? 0x59 : 0x90;
    QTest *qt = qtest_start("-M %s -m 16", machine);

    qtest_writel(qt, 0xd0000, 0x12345678); /* RAM: there is no firmware */
    g_assert_cmphex(qtest_readl(qt, 0xd0000), ==, 0x12345678);
    qtest_outl(qt, 0xcf8, 0x80000000u | ((pam + 3) & ~3u)); /* 0xd0000-0xd7fff */
    qtest_outb(qt, 0xcfc + ((pam + 3) & 3), 0x11);
    qtest_writel(qt, 0xd0000, 0);
    g_assert_cmphex(qtest_readl(qt, 0xd0000), ==, 0x12345678); /* reads only */
    qtest_outb(qt, 0xcfc + ((pam + 3) & 3), 0x22);
    qtest_writel(qt, 0xd4000, 0x55667788);
    g_assert_cmphex(qtest_readl(qt, 0xd4000), ==, 0xffffffff); /* writes only */
    qtest_outb(qt, 0xcfc + ((pam + 3) & 3), 0xff);
    g_assert_cmphex(qtest_inb(qt, 0xcfc + ((pam + 3) & 3)), ==, 0x33);
    g_assert_cmphex(qtest_readl(qt, 0xd4000), ==, 0x55667788);
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci/root-ports", test_root_ports);
    qtest_add_refused("/pci/refused", refused, G_N_ELEMENTS(refused));
    g_test_add_func("/pci/config-ports", test_config_ports);
    g_test_add_func("/pci/hot-plug", test_hot_plug);
    g_test_add_data_func("/pci/pam/pc", "pc", test_pam);
    g_test_add_data_func("/pci/pam/q35", "q35", test_pam);
    return g_test_run();
}
