/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/scsi.h"

#include <string.h>

void scsi_set_lun(Host *h, unsigned target, unsigned lun)
{
    const uint8_t place[8] = { 1, (uint8_t)target, (uint8_t)(0x40 | lun >> 8), (uint8_t)lun };

    memcpy(h->lun, place, sizeof(place));
}

void scsi_drive(Host *h, uint64_t features)
{
    h->v.qt = h->qt;
    qvirtio_open(&h->v, h->qt, DEVFN, h->v.modern);
    qvirtio_start(&h->v, features & (qvirtio_offered(&h->v) | QVIRTIO_VERSION_1));
    qvirtio_queue(&h->v, &h->control, CONTROL);
    qvirtio_queue(&h->v, &h->events, EVENTS);
    qvirtio_queue(&h->v, &h->requests, REQUESTS);
    qvirtio_driver_ok(&h->v);
    h->out = qvirtio_alloc(&h->v, 64 * SECTOR);
    h->in = qvirtio_alloc(&h->v, 64 * SECTOR);
    h->event = qvirtio_alloc(&h->v, EVENT * EVENT_BUFFERS);
    scsi_set_lun(h, 0, 0);
}

uint16_t scsi_add(Host *h, const uint8_t *cdb, size_t size, uint32_t out, uint32_t in)
{
    uint8_t head[REQUEST] = { 0 };

    memcpy(head, h->lun, 8);
    h->id++;
    memcpy(head + 8, &h->id, 8);
    memcpy(head + 19, cdb, size);
    qtest_memwrite(h->qt, h->out, head, sizeof(head));
    qtest_memset(h->qt, h->in, 0xee, ANSWER);
    return qvirtq_add_pair(&h->requests, h->out, REQUEST + out, h->in, ANSWER + in);
}

void scsi_read_answer(Host *h)
{
    h->residual = qtest_readl(h->qt, h->in + 4);
    h->status = qtest_readb(h->qt, h->in + 10);
    h->response = qtest_readb(h->qt, h->in + 11);
    h->key = qtest_readl(h->qt, h->in) ? qtest_readb(h->qt, h->in + 12 + 2) : 0;
    h->asc = qtest_readl(h->qt, h->in) ? qtest_readb(h->qt, h->in + 12 + 12) : 0;
}

uint32_t scsi_command(Host *h, const uint8_t *cdb, size_t size, uint32_t out, uint32_t in)
{
    uint16_t head = scsi_add(h, cdb, size, out, in);
    uint32_t len;

    qvirtq_kick(&h->requests);
    len = qvirtq_wait(&h->requests, head);
    scsi_read_answer(h);
    return len - ANSWER;
}
void scsi_assert_good(Host *h)
{
    g_assert_cmpuint(h->response, ==, S_OK);
    g_assert_cmpuint(h->asc, ==, 0);
    g_assert_cmpuint(h->status, ==, GOOD);
}

void scsi_assert_sense(Host *h, uint8_t key, uint8_t asc)
{
    g_assert_cmpuint(h->response, ==, S_OK);
    g_assert_cmpuint(h->status, ==, CHECK);
    g_assert_cmphex(h->key, ==, key);
    g_assert_cmphex(h->asc, ==, asc);
}

void scsi_take_attention(Host *h)
{
    COMMAND(h, 0, 0, 0);
    scsi_assert_sense(h, 6, 0x29);
    COMMAND(h, 0, 0, 0);
    scsi_assert_good(h);
}
