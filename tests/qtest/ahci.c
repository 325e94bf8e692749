/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ahci.h"

#include <string.h>

enum { REGISTERS_BAR = 0x24, PORT_0 = 0x100, PORT_SIZE = 0x80 };
enum { HEADER = 32, FIS_WORDS = 5, PACKET = 0x40, PIECES = 0x80, PIECE = 16 };

uint32_t ahci_read(AhciHost *h, unsigned offset)
{
    return qtest_readl(h->qt, AHCI + offset);
}

void ahci_write(AhciHost *h, unsigned offset, uint32_t value)
{
    qtest_writel(h->qt, AHCI + offset, value);
}

uint32_t ahci_port_read(AhciHost *h, unsigned offset)
{
    return ahci_read(h, PORT_0 + PORT_SIZE * h->port + offset);
}

void ahci_port_write(AhciHost *h, unsigned offset, uint32_t value)
{
    ahci_write(h, PORT_0 + PORT_SIZE * h->port + offset, value);
}

void ahci_start_port(AhciHost *h)
{
    ahci_port_write(h, P_CLB, AHCI_LIST(h->port));
    ahci_port_write(h, P_FB, AHCI_FRAMES(h->port));
    ahci_port_write(h, P_CMD, CMD_FIS);
    ahci_port_write(h, P_SERR, UINT32_MAX);
    ahci_port_write(h, P_IS, UINT32_MAX);
    ahci_port_write(h, P_IE, UINT32_MAX);
    ahci_port_write(h, P_CMD, CMD_FIS | CMD_START);
}

void ahci_recover(AhciHost *h)
{
    ahci_port_write(h, P_CMD, CMD_FIS);
    ahci_port_write(h, P_SERR, UINT32_MAX);
    ahci_port_write(h, P_IS, UINT32_MAX);
    ahci_port_write(h, P_CMD, CMD_FIS | CMD_START);
}

void ahci_enable(AhciHost *h)
{
    qpci_write(h->qt, AHCI_FUNCTION, REGISTERS_BAR, 4, AHCI);
    qpci_write(h->qt, AHCI_FUNCTION, 4, 2, 7);
    ahci_write(h, A_GHC, 1u << 31 | 2);
    ahci_start_port(h);
}

void ahci_set_piece(AhciHost *h, unsigned slot, unsigned n, uint64_t addr, uint32_t bytes)
{
    uint64_t at = AHCI_TABLE(h->port, slot) + PIECES + PIECE * n;

    qtest_writeq(h->qt, at, addr);
    qtest_writeq(h->qt, at + 8, (uint64_t)(bytes - 1) << 32);
}

void ahci_set_command(AhciHost *h, unsigned slot, const AhciCommand *c, unsigned pieces)
{
    uint64_t table = AHCI_TABLE(h->port, slot), header = AHCI_LIST(h->port) + slot * HEADER;
    uint8_t fis[20] = { 0x27, 0x80, c->code, (uint8_t)c->feature };

    for (unsigned i = 0; i < 6; i++) {
        fis[i < 3 ? 4 + i : 5 + i] = (uint8_t)(c->lba >> 8 * i);
    }
    fis[7] = c->device ? c->device : 0x40;
    fis[11] = (uint8_t)(c->feature >> 8);
    fis[12] = (uint8_t)c->count;
    fis[13] = (uint8_t)(c->count >> 8);
    qtest_memwrite(h->qt, table, fis, sizeof(fis));
    if (c->packet) {
        qtest_memwrite(h->qt, table + PACKET, c->packet, 12);
    }
    qtest_writel(h->qt, header, pieces << 16 | c->flags | FIS_WORDS);
    qtest_writel(h->qt, header + 4, 0);
    qtest_writeq(h->qt, header + 8, table);
}

void ahci_prepare(AhciHost *h, unsigned slot, const AhciCommand *c)
{
    uint32_t piece = c->piece ? c->piece : c->bytes;
    unsigned n = 0;

    for (uint32_t at = 0; at < c->bytes; at += piece, n++) {
        ahci_set_piece(h, slot, n, AHCI_BUFFER + at, MIN(piece, c->bytes - at));
    }
    g_assert_cmpuint(n, <=, AHCI_PRDS);
    ahci_set_command(h, slot, c, n);
}

void ahci_issue(AhciHost *h, uint32_t slots)
{
    ahci_port_write(h, P_CI, slots);
}

uint32_t ahci_wait(AhciHost *h)
{
    gint64 end = g_get_monotonic_time() + (gint64)QTEST_TIMEOUT_MS * 1000;
    uint32_t is;

    while ((ahci_port_read(h, P_TFD) & 0x81) != 1 &&
           (ahci_port_read(h, P_CI) || ahci_port_read(h, P_SACT))) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    is = ahci_port_read(h, P_IS);
    ahci_port_write(h, P_IS, is);
    g_assert_cmphex(ahci_port_read(h, P_IS), ==, 0);
    ahci_write(h, A_IS, 1u << h->port);
    return is;
}

uint32_t ahci_run(AhciHost *h, const AhciCommand *c)
{
    ahci_prepare(h, 0, c);
    ahci_issue(h, 1);
    return ahci_wait(h);
}

uint32_t ahci_moved(AhciHost *h, unsigned slot)
{
    return qtest_readl(h->qt, AHCI_LIST(h->port) + slot * HEADER + 4);
}
