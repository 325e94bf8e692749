/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The qtest protocol: a test drives the machine's devices over a character device, line by line.
 *
 *   inb|inw|inl PORT                  -> OK 0xVALUE
 *   outb|outw|outl PORT VALUE         -> OK
 *   readb|readw|readl|readq ADDR      -> OK 0xVALUE
 *   writeb|writew|writel|writeq ADDR VALUE
 *   read ADDR SIZE                    -> OK 0xBYTES...
 *   write ADDR SIZE 0xBYTES...
 *   b64read ADDR SIZE                 -> OK BASE64
 *   b64write ADDR SIZE BASE64
 *   memset ADDR SIZE BYTE
 *   clock_step [NS]                   -> OK CLOCK  (without NS: to the next timer)
 *   clock_set NS                      -> OK CLOCK  (stays where it is if NS is past)
 *   irq_intercept_in DEVICE           changes of its input lines are told by "IRQ raise N" and
 *   irq_intercept_out DEVICE          "IRQ lower N", which come before the answer of a command
 *   set_irq_in DEVICE NAME N LEVEL    NAME is unnamed-gpio-in for a device's main lines
 *   endianness                        -> OK little
 *   module_load PREFIX NAME           -> FAIL
 *
 * Numbers are as in C. ADDR is a guest-physical address, DEVICE a QOM path or a type that is there
 * once. The answer is "OK", "FAIL message" if a command cannot be done, or "ERR message" if the
 * line is not as it should be. The clock commands need -accel qtest. docs/qtest.md says more.
 */
#ifndef SYSTEM_QTEST_H
#define SYSTEM_QTEST_H

#include "chardev/char.h"

/* Serve @chr. @log_path gets every line with its time and direction; NULL or "none": no log. */
bool qtest_server_start(Chardev *chr, const char *log_path, GError **errp);

/* One line, without its newline, to the reply, also without; g_free. Machine lock. (For tests;
 * the server need not have been started.) */
char *qtest_command(const char *line);

#endif
