/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other end of a card's cable: a client of `-netdev stream,id=n0,server=on,addr.type=unix`. */
#ifndef TESTS_QTEST_WIRE_H
#define TESTS_QTEST_WIRE_H

#include "tests/qtest/libqtest.h"

/* Of a socket that nobody has yet; g_free. */
char *wire_path(void);
/* Connect: the machine has seen the client when this returns. */
int wire_connect(QTest *qt, const char *path);
void wire_send(int fd, const uint8_t *packet, uint32_t size);
/* @len bytes, all of them. */
void wire_read(int fd, void *buf, size_t len);
/* The next packet that comes out of the machine is this one. */
void wire_expect(int fd, const uint8_t *packet, uint32_t size);
/* A packet to the address @to, of a type for experiments. */
void wire_fill(uint8_t *packet, size_t size, const uint8_t *to);

#endif
