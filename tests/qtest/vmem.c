/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/vmem.h"

enum { REQUEST_BYTES = 24, RESPONSE_BYTES = 10 };

void qvmem_open(QVmem *m, QTest *qt, unsigned devfn, uint64_t features)
{
    m->qt = qt;
    qvirtio_open_one(&m->v, &m->q, qt, devfn, features);
    m->request = qvirtio_alloc(&m->v, REQUEST_BYTES);
    m->response = qvirtio_alloc(&m->v, RESPONSE_BYTES);
}

void qvmem_moved(QVmem *m, QTest *qt)
{
    m->qt = m->v.qt = qt;
}

uint16_t qvmem_ask(QVmem *m, uint16_t type, uint64_t addr, uint16_t blocks)
{
    qtest_memset(m->qt, m->request, 0, REQUEST_BYTES);
    qtest_memset(m->qt, m->response, 0xee, RESPONSE_BYTES);
    qtest_writew(m->qt, m->request, type);
    qtest_writeq(m->qt, m->request + 8, addr);
    qtest_writew(m->qt, m->request + 16, blocks);
    g_assert_cmpuint(qvirtq_ask(&m->q, m->request, REQUEST_BYTES, m->response, RESPONSE_BYTES), ==,
                     RESPONSE_BYTES);
    return qtest_readw(m->qt, m->response);
}

uint16_t qvmem_state(QVmem *m)
{
    return qtest_readw(m->qt, m->response + 8);
}

uint64_t qvmem_config(QVmem *m, unsigned offset)
{
    return qvirtio_config(&m->v, offset, 4) | (uint64_t)qvirtio_config(&m->v, offset + 4, 4) << 32;
}
