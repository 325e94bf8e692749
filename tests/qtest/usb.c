/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/usb.h"

#define DEVFN    0x20u
#define COMMANDS 0x200000u
#define EVENTS   0x210000u
#define SEGMENTS 0x220000u
#define DCBAA    0x221000u
#define INPUT    0x222000u
#define CONTEXTS 0x230000u /* 4 KiB a slot: the contexts, and from 0x800 on rings */
#define TRB      16u
#define ENTRIES  256u

enum { USBCMD = 0x40, CRCR = 0x58, DCBAAP = 0x70, CONFIG = 0x78 };
enum { IMAN = 0x1020, ERSTSZ = 0x1028, ERSTBA = 0x1030, ERDP = 0x1038, BELLS = 0x2000 };
enum {
    LINK = 6,
    ENABLE_SLOT = 9,
    ADDRESS_DEVICE = 11,
    CONFIGURE = 12,
    RESET_ENDPOINT = 14,
    STOP_ENDPOINT = 15,
    SET_DEQUEUE = 16
};
enum { TRANSFER = 32, COMPLETION = 33, PORT_CHANGE = 34 };

uint32_t qusb_get(QUsb *u, unsigned offset)
{
    return qtest_readl(u->qt, QUSB_BAR + offset);
}

void qusb_set(QUsb *u, unsigned offset, uint32_t value)
{
    qtest_writel(u->qt, QUSB_BAR + offset, value);
}

void qusb_begin(QUsb *u)
{
    *u = (QUsb){ .qt = u->qt, .command_cycle = true, .event_cycle = true };
    qpci_write(u->qt, DEVFN, 0x10, 4, QUSB_BAR);
    qpci_write(u->qt, DEVFN, 4, 2, 6);
    qusb_set(u, USBCMD, 2);
    qtest_memset(u->qt, COMMANDS, 0, 0x100000);
    qtest_writeq(u->qt, SEGMENTS, EVENTS);
    qtest_writeq(u->qt, SEGMENTS + 8, ENTRIES);
    qtest_writeq(u->qt, QUSB_BAR + CRCR, COMMANDS | 1);
    qtest_writeq(u->qt, QUSB_BAR + DCBAAP, DCBAA);
    qusb_set(u, ERSTSZ, 1);
    qtest_writeq(u->qt, QUSB_BAR + ERDP, EVENTS);
    qtest_writeq(u->qt, QUSB_BAR + ERSTBA, SEGMENTS);
    qusb_set(u, IMAN, 2);
    qusb_set(u, CONFIG, 64);
    qusb_set(u, USBCMD, 5);
}

void qusb_start(QUsb *u, const char *options)
{
    u->qt = qtest_start("-m 64 -device qemu-xhci,id=x,addr=4 %s", options);
    qusb_begin(u);
}

/* Take all events; the code of the command that ended, if one did. */
static unsigned take_events(QUsb *u, unsigned *slot)
{
    unsigned code = 0;

    for (;;) {
        uint64_t at = EVENTS + u->event * TRB, parameter;
        uint32_t status, control = qtest_readl(u->qt, at + 12);

        if ((control & 1) != u->event_cycle) {
            break;
        }
        /* What is read before its cycle bit may be from before the event. */
        parameter = qtest_readq(u->qt, at);
        status = qtest_readl(u->qt, at + 8);
        u->event = (u->event + 1) % ENTRIES;
        u->event_cycle ^= !u->event;
        switch (control >> 10 & 0x3f) {
        case TRANSFER:
            u->last[control >> 24][control >> 16 & 31].code = status >> 24;
            u->last[control >> 24][control >> 16 & 31].left = status & 0xffffff;
            u->last[control >> 24][control >> 16 & 31].trb = parameter;
            break;
        case COMPLETION:
            code = status >> 24;
            *slot = control >> 24;
            break;
        case PORT_CHANGE:
            u->ports_told |= 1u << (parameter >> 24);
            break;
        default:
            g_assert_not_reached();
        }
    }
    qtest_writeq(u->qt, QUSB_BAR + ERDP, (EVENTS + u->event * TRB) | 8);
    return code;
}

unsigned qusb_command(QUsb *u, unsigned type, uint64_t parameter, uint32_t flags, unsigned *slot)
{
    uint64_t at = COMMANDS + u->command * TRB;

    qtest_writeq(u->qt, at, parameter);
    qtest_writel(u->qt, at + 8, 0);
    qtest_writel(u->qt, at + 12, *slot << 24 | type << 10 | flags | u->command_cycle);
    if (++u->command == ENTRIES - 1) {
        qtest_writeq(u->qt, at + TRB, COMMANDS);
        qtest_writel(u->qt, at + TRB + 12, LINK << 10 | 2 | u->command_cycle);
        u->command = 0;
        u->command_cycle ^= true;
    }
    qusb_set(u, BELLS, 0);
    return take_events(u, slot);
}

static uint64_t contexts_of(unsigned slot)
{
    return CONTEXTS + slot * 0x1000;
}

static uint64_t ring_of(unsigned slot, unsigned dci)
{
    return contexts_of(slot) + 0x800 + dci * 0x40;
}

/* The input context of an endpoint, whose ring is empty. */
static void put_endpoint(QUsb *u, unsigned slot, unsigned dci, unsigned kind, unsigned packet)
{
    uint64_t at = INPUT + 0x20 * (dci + 1);

    qtest_memset(u->qt, ring_of(slot, dci), 0, 0x40);
    qtest_writel(u->qt, at, (kind & 3) == QUSB_ISOCHRONOUS_OUT ? 3 << 16 : 0); /* each ms */
    qtest_writel(u->qt, at + 4, packet << 16 | kind << 3 | 3 << 1);
    qtest_writeq(u->qt, at + 8, ring_of(slot, dci) | 1);
    qtest_writel(u->qt, at + 16, packet);
}

unsigned qusb_connect(QUsb *u, unsigned port, uint32_t route)
{
    unsigned slot = 0;

    if (!route) {
        qusb_set(u, QUSB_PORTSC + 16 * (port - 1), 1 << 9 | 1 << 4);
    }
    g_assert_cmpuint(qusb_command(u, ENABLE_SLOT, 0, 0, &slot), ==, QUSB_SUCCESS);
    qtest_memset(u->qt, INPUT, 0, 0x800);
    qtest_memset(u->qt, contexts_of(slot), 0, 0x1000);
    qtest_writeq(u->qt, DCBAA + 8 * slot, contexts_of(slot));
    qtest_writel(u->qt, INPUT + 4, 3);
    qtest_writel(u->qt, INPUT + 0x20, 1 << 27 | route);
    qtest_writel(u->qt, INPUT + 0x24, port << 16);
    put_endpoint(u, slot, 1, 4, 64);
    unsigned addressed = slot;
    g_assert_cmpuint(qusb_command(u, ADDRESS_DEVICE, INPUT, 0, &addressed), ==, QUSB_SUCCESS);
    return slot;
}

/* The ring of @dci begins anew, with @count TRBs that are there. */
static void ring(QUsb *u, unsigned slot, unsigned dci)
{
    unsigned number = slot;

    qusb_command(u, STOP_ENDPOINT, 0, dci << 16, &number);
    number = slot;
    g_assert_cmpuint(qusb_command(u, SET_DEQUEUE, ring_of(slot, dci) | 1, dci << 16, &number), ==,
                     QUSB_SUCCESS);
    u->last[slot][dci].code = 0;
    qusb_set(u, BELLS + 4 * slot, dci);
    take_events(u, &number);
}

static void put_trb(QUsb *u, uint64_t at, uint64_t parameter, uint32_t status, uint32_t control)
{
    qtest_writeq(u->qt, at, parameter);
    qtest_writel(u->qt, at + 8, status);
    qtest_writel(u->qt, at + 12, control);
}

unsigned qusb_control(QUsb *u, unsigned slot, uint8_t type, uint8_t request, uint16_t value,
                      uint16_t index, unsigned *length)
{
    uint64_t at = ring_of(slot, 1);
    unsigned asked = length ? *length : 0, number = slot;
    bool in = type & 0x80;

    qtest_memset(u->qt, at, 0, 0x40);
    put_trb(u, at,
            type | request << 8 | (uint64_t)value << 16 | (uint64_t)index << 32 |
                (uint64_t)asked << 48,
            8, 2 << 10 | 1 << 6 | 1);
    if (asked) {
        at += TRB;
        put_trb(u, at, QUSB_DATA, asked, 3 << 10 | (uint32_t)in << 16 | 1 << 5 | 1 << 2 | 1);
    }
    put_trb(u, at + TRB, 0, 0, 4 << 10 | (uint32_t) !(in && asked) << 16 | 1 << 5 | 1);
    g_assert_cmpuint(u->last[slot][1].code, !=, QUSB_STALL);
    qtest_memset(u->qt, contexts_of(slot) + 0x20 + 0x14, 0, 4);
    uint32_t before = u->event;
    ring(u, slot, 1);
    unsigned code = u->last[slot][1].code;
    if (length && asked) {
        /* The event of the data is the first one, unless it stalled. */
        uint64_t event = EVENTS + before * TRB;

        while (qtest_readq(u->qt, event) != at && event < EVENTS + u->event * TRB) {
            event += TRB;
        }
        *length = asked - (qtest_readl(u->qt, event + 8) & 0xffffff);
    }
    if (code == QUSB_STALL) {
        number = slot;
        qusb_command(u, RESET_ENDPOINT, 0, 1 << 16, &number);
        u->last[slot][1].code = 0;
    }
    return code;
}

unsigned qusb_endpoint(QUsb *u, unsigned slot, unsigned dci, unsigned kind, unsigned packet)
{
    unsigned number = slot;

    qtest_memset(u->qt, INPUT, 0, 0x800);
    qtest_writel(u->qt, INPUT + 4, 1 | 1u << dci);
    qtest_writel(u->qt, INPUT + 0x20, 31u << 27);
    put_endpoint(u, slot, dci, kind, packet);
    return qusb_command(u, CONFIGURE, INPUT, 0, &number);
}

void qusb_submit(QUsb *u, unsigned slot, unsigned dci, uint64_t data, unsigned length)
{
    qtest_memset(u->qt, ring_of(slot, dci), 0, 0x40);
    put_trb(u, ring_of(slot, dci), data, length, 1 << 10 | 1 << 5 | 1 << 2 | 1);
    ring(u, slot, dci);
}

void qusb_submit_isochronous(QUsb *u, unsigned slot, unsigned dci, uint64_t data, unsigned length,
                             unsigned count)
{
    qtest_memset(u->qt, ring_of(slot, dci), 0, 0x40);
    for (unsigned i = 0; i < count; i++) {
        put_trb(u, ring_of(slot, dci) + i * TRB, data + i * length, length,
                1u << 31 | 5 << 10 | 1 << 5 | 1 << 2 | 1);
    }
    ring(u, slot, dci);
}

void qusb_set_moved(QUsb *u, unsigned slot, unsigned dci, uint32_t bytes)
{
    qtest_writel(u->qt, contexts_of(slot) + 0x20 * dci + 0x14, bytes);
}

unsigned qusb_ended(QUsb *u, unsigned slot, unsigned dci, unsigned *left)
{
    unsigned number;

    take_events(u, &number);
    unsigned code = u->last[slot][dci].code;
    if (left) {
        *left = u->last[slot][dci].left;
    }
    u->last[slot][dci].code = 0;
    return code;
}

void qusb_unstall(QUsb *u, unsigned slot, unsigned dci)
{
    unsigned number = slot;

    g_assert_cmpuint(qusb_command(u, RESET_ENDPOINT, 0, dci << 16, &number), ==, QUSB_SUCCESS);
    g_assert_cmpuint(qusb_control(u, slot, 2, 1, 0, dci / 2 | (dci & 1 ? 0x80 : 0), NULL), ==,
                     QUSB_SUCCESS);
}
