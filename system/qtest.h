/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qtest protocol: a test drives the machine's devices over a character device, line by line.
 *
 *   inb|inw|inl ADDR                  -> OK 0xVALUE
 *   outb|outw|outl ADDR VALUE         -> OK
 *   readb|readw|readl|readq ADDR      -> OK 0xVALUE
 *   writeb|writew|writel|writeq ADDR VALUE
 *   read ADDR SIZE                    -> OK 0xBYTES...
 *   write ADDR SIZE 0xBYTES...
 *   b64read ADDR SIZE                 -> OK BASE64
 *   b64write ADDR SIZE BASE64
 *   memset ADDR SIZE BYTE
 *   clock_step [NS]                   -> OK CLOCK  (without NS: to the next timer)
 *   clock_set NS                      -> OK CLOCK
 *   endianness                        -> OK little
 *
 * Numbers are as in C. What is wrong is answered by "FAIL message". ADDR is a port or a
 * guest-physical address. The clock commands need -accel qtest.
 */
#ifndef SYSTEM_QTEST_H
#define SYSTEM_QTEST_H

#include "chardev/char.h"

/* Serve @chr; @log_path may be NULL. */
bool qtest_server_start(Chardev *chr, const char *log_path, GError **errp);

/* One line, without its newline, to the reply, also without; g_free. (For tests.) */
char *qtest_command(const char *line);

#endif
