/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/virtio.h"

const QVirtioWay qvirtio_ways[4] = {
    { "pc-modern", "pc", true },
    { "pc-legacy", "pc", false },
    { "q35-modern", "q35", true },
    { "q35-legacy", "q35", false },
};

#define MEMORY_BARS 0xe0000000u
#define IO_BARS     0xc000u
#define SLOT_SPACE  0x100000u

/* Registers of the legacy interface. */
enum {
    LEGACY_OFFERED = 0,
    LEGACY_FEATURES = 4,
    LEGACY_PAGE = 8,
    LEGACY_SIZE = 12,
    LEGACY_SELECT = 14,
    LEGACY_NOTIFY = 16,
    LEGACY_STATUS = 18,
    LEGACY_ISR = 19,
    LEGACY_QUEUE_VECTOR = 22,
};

enum { COMMON = 1, NOTIFY, ISR, DEVICE };

/* ---- accesses ---- */

uint32_t qpci_read(QTest *qt, unsigned devfn, unsigned offset, unsigned size)
{
    qtest_outl(qt, 0xcf8, 0x80000000u | devfn << 8 | (offset & ~3u));
    return size == 1   ? qtest_inb(qt, 0xcfc + (offset & 3))
           : size == 2 ? qtest_inw(qt, 0xcfc + (offset & 3))
                       : qtest_inl(qt, 0xcfc);
}

void qpci_write(QTest *qt, unsigned devfn, unsigned offset, unsigned size, uint32_t value)
{
    qtest_outl(qt, 0xcf8, 0x80000000u | devfn << 8 | (offset & ~3u));
    if (size == 1) {
        qtest_outb(qt, 0xcfc + (offset & 3), value);
    } else if (size == 2) {
        qtest_outw(qt, 0xcfc + (offset & 3), value);
    } else {
        qtest_outl(qt, 0xcfc, value);
    }
}

static uint32_t load(QTest *qt, uint64_t addr, unsigned size)
{
    return size == 1   ? qtest_readb(qt, addr)
           : size == 2 ? qtest_readw(qt, addr)
                       : qtest_readl(qt, addr);
}

static void store(QTest *qt, uint64_t addr, unsigned size, uint32_t value)
{
    if (size == 1) {
        qtest_writeb(qt, addr, value);
    } else if (size == 2) {
        qtest_writew(qt, addr, value);
    } else {
        qtest_writel(qt, addr, value);
    }
}

static uint32_t in(QTest *qt, uint16_t port, unsigned size)
{
    return size == 1 ? qtest_inb(qt, port) : size == 2 ? qtest_inw(qt, port) : qtest_inl(qt, port);
}

static void out(QTest *qt, uint16_t port, unsigned size, uint32_t value)
{
    if (size == 1) {
        qtest_outb(qt, port, value);
    } else if (size == 2) {
        qtest_outw(qt, port, value);
    } else {
        qtest_outl(qt, port, value);
    }
}

uint32_t qvirtio_common(QVirtio *v, unsigned offset, unsigned size)
{
    return load(v->qt, v->structures[COMMON] + offset, size);
}

void qvirtio_set_common(QVirtio *v, unsigned offset, unsigned size, uint32_t value)
{
    store(v->qt, v->structures[COMMON] + offset, size, value);
}

/* ---- the device ---- */

static uint64_t bar_address(unsigned devfn, unsigned bar)
{
    return MEMORY_BARS + (uint64_t)(devfn >> 3) * SLOT_SPACE + bar * 0x10000;
}

static void find_structures(QVirtio *v)
{
    unsigned cap = qpci_read(v->qt, v->devfn, 0x34, 1);

    for (; cap; cap = qpci_read(v->qt, v->devfn, cap + 1, 1)) {
        if (qpci_read(v->qt, v->devfn, cap, 1) == 9) {
            unsigned kind = qpci_read(v->qt, v->devfn, cap + 3, 1);
            unsigned bar = qpci_read(v->qt, v->devfn, cap + 4, 1);

            g_assert_cmpuint(kind, <, G_N_ELEMENTS(v->structures));
            v->kinds[kind] = cap;
            v->structures[kind] =
                bar_address(v->devfn, bar) + qpci_read(v->qt, v->devfn, cap + 8, 4);
            if (kind == NOTIFY) {
                v->notify_multiplier = qpci_read(v->qt, v->devfn, cap + 16, 4);
            }
        }
    }
}

void qvirtio_open(QVirtio *v, QTest *qt, unsigned devfn, bool modern)
{
    *v = (QVirtio){ .qt = qt, .devfn = devfn, .modern = modern, .next = QVIRTIO_RAM };
    v->io = IO_BARS + 0x100 * (devfn >> 3);
    g_assert_cmphex(qpci_read(qt, devfn, 0, 2), ==, 0x1af4);
    if (qpci_read(qt, devfn, 0x10, 4) & 1) {
        qpci_write(qt, devfn, 0x10, 4, v->io);
    }
    for (unsigned bar = 1; bar < 5; bar += 3) {
        qpci_write(qt, devfn, 0x10 + 4 * bar, 4, (uint32_t)bar_address(devfn, bar));
    }
    qpci_write(qt, devfn, 4, 2, 7);
    find_structures(v);
    if (modern) {
        g_assert_true(v->kinds[COMMON] && v->kinds[NOTIFY] && v->kinds[ISR] && v->kinds[DEVICE]);
    }
}

static unsigned find_msix(QVirtio *v)
{
    unsigned cap = qpci_read(v->qt, v->devfn, 0x34, 1);

    while (cap && qpci_read(v->qt, v->devfn, cap, 1) != 0x11) {
        cap = qpci_read(v->qt, v->devfn, cap + 1, 1);
    }
    g_assert_cmpuint(cap, !=, 0);
    return cap;
}

void qvirtio_mask(QVirtio *v, unsigned vector, bool masked)
{
    qtest_writel(v->qt, v->msix + 16 * vector + 12, masked);
}

void qvirtio_use_msix(QVirtio *v)
{
    unsigned cap = find_msix(v), count = (qpci_read(v->qt, v->devfn, cap + 2, 2) & 0x7ff) + 1;

    v->msix = bar_address(v->devfn, 1);
    qpci_write(v->qt, v->devfn, cap + 2, 2, 0x8000);
    for (unsigned i = 0; i < count; i++) {
        qtest_writel(v->qt, v->msix + 16 * i, 0xfee00000);
        qtest_writel(v->qt, v->msix + 16 * i + 8, 0x40 + i);
        qvirtio_mask(v, i, false);
    }
}

bool qvirtio_is_pending(QVirtio *v, unsigned vector)
{
    uint32_t offset = qpci_read(v->qt, v->devfn, find_msix(v) + 8, 4) & ~7u;

    return qtest_readl(v->qt, v->msix + offset + vector / 32 * 4) >> vector % 32 & 1;
}

uint8_t qvirtio_status(QVirtio *v)
{
    return v->modern ? qvirtio_common(v, QVIRTIO_STATUS, 1) : in(v->qt, v->io + LEGACY_STATUS, 1);
}

void qvirtio_set_status(QVirtio *v, uint8_t status)
{
    if (v->modern) {
        qvirtio_set_common(v, QVIRTIO_STATUS, 1, status);
    } else {
        out(v->qt, v->io + LEGACY_STATUS, 1, status);
    }
}

uint8_t qvirtio_isr(QVirtio *v)
{
    return v->modern ? load(v->qt, v->structures[ISR], 1) : in(v->qt, v->io + LEGACY_ISR, 1);
}

uint64_t qvirtio_offered(QVirtio *v)
{
    uint64_t offered = 0;

    if (!v->modern) {
        return in(v->qt, v->io + LEGACY_OFFERED, 4);
    }
    for (unsigned i = 0; i < 2; i++) {
        qvirtio_set_common(v, 0, 4, i);
        offered |= (uint64_t)qvirtio_common(v, 4, 4) << (32 * i);
    }
    return offered;
}

void qvirtio_start(QVirtio *v, uint64_t features)
{
    qvirtio_set_status(v, 0);
    g_assert_cmphex(qvirtio_status(v), ==, 0);
    qvirtio_set_status(v, 1);
    qvirtio_set_status(v, 3);
    if (!v->modern) {
        out(v->qt, v->io + LEGACY_FEATURES, 4, (uint32_t)features);
        return;
    }
    features |= QVIRTIO_VERSION_1;
    for (unsigned i = 0; i < 2; i++) {
        qvirtio_set_common(v, QVIRTIO_DRIVER_FEATURE_SELECT, 4, i);
        qvirtio_set_common(v, QVIRTIO_DRIVER_FEATURE, 4, (uint32_t)(features >> (32 * i)));
    }
    qvirtio_set_status(v, 3 | QVIRTIO_FEATURES_OK);
    g_assert_cmphex(qvirtio_status(v), ==, 3 | QVIRTIO_FEATURES_OK);
}

void qvirtio_driver_ok(QVirtio *v)
{
    qvirtio_set_status(v, qvirtio_status(v) | QVIRTIO_DRIVER_OK);
}

void qvirtio_open_one(QVirtio *v, QVirtQueue *q, QTest *qt, unsigned devfn, uint64_t features)
{
    qvirtio_open(v, qt, devfn, true);
    qvirtio_start(v, QVIRTIO_VERSION_1 | (qvirtio_offered(v) & features));
    qvirtio_queue(v, q, 0);
    qvirtio_driver_ok(v);
}

uint32_t qvirtio_config(QVirtio *v, unsigned offset, unsigned size)
{
    return v->modern ? load(v->qt, v->structures[DEVICE] + offset, size)
                     : in(v->qt, v->io + (v->msix ? 24 : 20) + offset, size);
}

void qvirtio_set_config(QVirtio *v, unsigned offset, unsigned size, uint32_t value)
{
    if (v->modern) {
        store(v->qt, v->structures[DEVICE] + offset, size, value);
    } else {
        out(v->qt, v->io + (v->msix ? 24 : 20) + offset, size, value);
    }
}

/* ---- queues ---- */

uint64_t qvirtio_alloc(QVirtio *v, unsigned size)
{
    uint64_t at = v->next;

    v->next += (size + 4095) & ~4095u;
    qtest_memset(v->qt, at, 0, size);
    return at;
}

static void set_up_modern(QVirtQueue *q)
{
    QVirtio *v = q->v;
    const uint64_t places[] = { q->desc, q->driver, q->device };

    qvirtio_set_common(v, 0x1a, 2, v->msix ? q->number + 1 : 0xffff);
    for (unsigned i = 0; i < 3; i++) {
        qvirtio_set_common(v, 0x20 + 8 * i, 4, (uint32_t)places[i]);
        qvirtio_set_common(v, 0x24 + 8 * i, 4, (uint32_t)(places[i] >> 32));
    }
    q->notify = v->structures[NOTIFY] + (uint64_t)qvirtio_common(v, 0x1e, 2) * v->notify_multiplier;
    qvirtio_set_common(v, QVIRTIO_QUEUE_ENABLE, 2, 1);
    g_assert_cmpuint(qvirtio_common(v, QVIRTIO_QUEUE_ENABLE, 2), ==, 1);
}

void qvirtio_queue(QVirtio *v, QVirtQueue *q, unsigned number)
{
    *q = (QVirtQueue){ .v = v, .number = number };
    if (v->modern) {
        qvirtio_set_common(v, QVIRTIO_QUEUE_SELECT, 2, number);
        q->size = qvirtio_common(v, QVIRTIO_QUEUE_SIZE, 2);
    } else {
        out(v->qt, v->io + LEGACY_SELECT, 2, number);
        q->size = in(v->qt, v->io + LEGACY_SIZE, 2);
    }
    g_assert_cmpuint(q->size, >, 0);
    q->desc = qvirtio_alloc(v, 16 * q->size + 6 + 2 * q->size + 4096 + 6 + 8 * q->size);
    q->driver = q->desc + 16 * q->size;
    q->device = (q->driver + 6 + 2 * q->size + 4095) & ~UINT64_C(4095);
    if (v->modern) {
        set_up_modern(q);
    } else {
        if (v->msix) {
            out(v->qt, v->io + LEGACY_QUEUE_VECTOR, 2, number + 1);
        }
        out(v->qt, v->io + LEGACY_PAGE, 4, (uint32_t)(q->desc / 4096));
    }
}

static void write_desc(QVirtQueue *q, unsigned n, uint64_t addr, uint32_t len, uint16_t flags)
{
    uint64_t at = q->desc + 16 * n;

    qtest_writeq(q->v->qt, at, addr);
    qtest_writel(q->v->qt, at + 8, len);
    qtest_writew(q->v->qt, at + 12, flags);
    qtest_writew(q->v->qt, at + 14, (n + 1) % q->size);
}

static uint16_t make_available(QVirtQueue *q, unsigned count)
{
    uint16_t head = q->next_desc;

    qtest_writew(q->v->qt, q->driver + 4 + 2 * (q->avail % q->size), head);
    qtest_writew(q->v->qt, q->driver + 2, ++q->avail);
    q->next_desc = (head + count) % q->size;
    return head;
}

uint16_t qvirtq_add(QVirtQueue *q, uint64_t addr, uint32_t len, bool write)
{
    write_desc(q, q->next_desc, addr, len, write ? 2 : 0);
    return make_available(q, 1);
}

uint16_t qvirtq_add_pair(QVirtQueue *q, uint64_t out_addr, uint32_t out_len, uint64_t in_addr,
                         uint32_t in_len)
{
    write_desc(q, q->next_desc, out_addr, out_len, 1);
    write_desc(q, (q->next_desc + 1) % q->size, in_addr, in_len, 2);
    return make_available(q, 2);
}

void qvirtq_kick(QVirtQueue *q)
{
    if (q->v->modern) {
        store(q->v->qt, q->notify, 2, q->number);
    } else {
        out(q->v->qt, q->v->io + LEGACY_NOTIFY, 2, q->number);
    }
}

bool qvirtq_has_used(QVirtQueue *q)
{
    return qtest_readw(q->v->qt, q->device + 2) != q->used;
}

uint32_t qvirtq_wait(QVirtQueue *q, uint16_t head)
{
    uint64_t at = q->device + 4 + 8 * (q->used % q->size);
    uint32_t len = qvirtq_wait_any(q);

    g_assert_cmpuint(qtest_readl(q->v->qt, at), ==, head);
    return len;
}

uint32_t qvirtq_ask(QVirtQueue *q, uint64_t out, uint32_t out_len, uint64_t in, uint32_t in_len)
{
    uint16_t head = qvirtq_add_pair(q, out, out_len, in, in_len);

    qvirtq_kick(q);
    return qvirtq_wait(q, head);
}

uint32_t qvirtq_wait_any(QVirtQueue *q)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000ll;
    uint64_t at = q->device + 4 + 8 * (q->used % q->size);

    while (!qvirtq_has_used(q)) {
        if (g_get_monotonic_time() > end) {
            g_error("queue %u: nothing comes back", q->number);
        }
    }
    q->used++;
    return qtest_readl(q->v->qt, at + 4);
}
