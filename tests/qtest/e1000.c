/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/e1000.h"

#include <string.h>
#include <unistd.h>

const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
const uint8_t other_mac[6] = { 0x52, 0x54, 0, 0xaa, 0xbb, 0xcc };

uint32_t net_get(const Net *n, unsigned offset)
{
    return qtest_readl(n->qt, BAR + offset);
}

void net_set(const Net *n, unsigned offset, uint32_t value)
{
    qtest_writel(n->qt, BAR + offset, value);
}

bool net_interrupted(const Net *n)
{
    return qpci_read(n->qt, DEVFN, 6, 2) & 8;
}

uint64_t net_page(unsigned i)
{
    return BUFFERS + i * PAGE;
}

void net_enable(Net *n)
{
    bool express = qpci_read(n->qt, DEVFN, 2, 2) == 0x10d3;

    qpci_write(n->qt, DEVFN, 0x10, 4, BAR);
    qpci_write(n->qt, DEVFN, 0x14, 4, express ? FLASH : IO);
    qpci_write(n->qt, DEVFN, 0x18, 4, express ? IO : 0);
    qpci_write(n->qt, DEVFN, 0x1c, 4, express ? VECTORS : 0);
    qpci_write(n->qt, DEVFN, 4, 2, 7);
}

void net_set_up(Net *n)
{
    net_set(n, TDBAL, TX_RING);
    net_set(n, TDLEN, RING * 16);
    net_set(n, TCTL, 2);
    net_set(n, RDBAL, RX_RING);
    net_set(n, RDLEN, RING * 16);
    net_set(n, RCTL, RECEIVE);
    n->tx = n->rx = 0;
}

void net_start(Net *n, const char *model, const char *more)
{
    g_autofree char *path = wire_path();

    *n = (Net){ .qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s"
                                  " -device %s,id=net0,netdev=n0,addr=4 %s",
                                  path, model, more) };
    n->fd = wire_connect(n->qt, path);
    unlink(path);
    net_enable(n);
    net_set_up(n);
}

void net_stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

void net_add_tx(Net *n, uint64_t addr, uint32_t lower, uint32_t upper)
{
    uint64_t at = TX_RING + n->tx * 16;

    qtest_writeq(n->qt, at, addr);
    qtest_writel(n->qt, at + 8, lower);
    qtest_writel(n->qt, at + 12, upper);
    n->tx = (n->tx + 1) % RING;
}

void net_send(Net *n, const uint8_t *packet, uint32_t size, uint32_t flags)
{
    qtest_memwrite(n->qt, net_page(0), packet, size);
    net_add_tx(n, net_page(0), size | EOP | RS | flags, 0);
    net_set(n, TDT, n->tx);
}

void net_give_buffers(Net *n, unsigned count)
{
    for (; count; count--, n->rx = (n->rx + 1) % RING) {
        qtest_writeq(n->qt, RX_RING + n->rx * 16, net_page(8 + n->rx));
        qtest_writeq(n->qt, RX_RING + n->rx * 16 + 8, 0);
    }
    net_set(n, RDT, n->rx);
}

uint8_t net_wait_status(Net *n, uint64_t at)
{
    uint8_t status = 0;

    for (gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL; !(status & 1);) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        status = qtest_readb(n->qt, at);
    }
    return status;
}

uint8_t net_wait_rx(Net *n, unsigned i)
{
    return net_wait_status(n, RX_RING + i * 16 + 12);
}

void net_expect_received(Net *n, unsigned i, const uint8_t *packet, size_t size)
{
    g_autofree uint8_t *got = g_malloc(size);

    g_assert_cmphex(net_wait_rx(n, i) & 3, ==, 3);
    g_assert_cmpuint(qtest_readw(n->qt, RX_RING + i * 16 + 8), ==, size);
    qtest_memread(n->qt, net_page(8 + i), got, size);
    g_assert_cmpmem(got, size, packet, size);
}

uint32_t net_phy(const Net *n, unsigned reg)
{
    net_set(n, MDIC, 2u << 26 | 1 << 21 | reg << 16);
    return net_get(n, MDIC);
}
