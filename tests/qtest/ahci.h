/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of AHCI controllers for tests on libqtest: the one of q35, whose registers are put at
 * AHCI. Each port that is started has its list, frames and tables, a slot's own each; buffers are
 * the tests'.
 */
#ifndef TESTS_QTEST_AHCI_H
#define TESTS_QTEST_AHCI_H

#include "tests/qtest/disk.h"

#define AHCI_FUNCTION (31u << 3 | 2)
#define AHCI          0xe0000000u
#define AHCI_BUFFER   0x800000u

/* Registers: of all, of a port. */
enum { A_CAP = 0x00, A_GHC = 0x04, A_IS = 0x08, A_PI = 0x0c, A_VS = 0x10 };
enum {
    P_CLB = 0x00,
    P_FB = 0x08,
    P_IS = 0x10,
    P_IE = 0x14,
    P_CMD = 0x18,
    P_TFD = 0x20,
    P_SIG = 0x24,
    P_SSTS = 0x28,
    P_SCTL = 0x2c,
    P_SERR = 0x30,
    P_SACT = 0x34,
    P_CI = 0x38,
};
enum { IS_D2H = 1, IS_PIO = 2, IS_SDB = 8, IS_OVERFLOW = 1 << 24, IS_BUS = 1 << 29 };
enum { IS_CONNECT = 1 << 6, IS_INTERFACE = 1 << 27, IS_TASK_FILE = 1 << 30 };
enum { CMD_START = 1, CMD_FIS = 1 << 4 };
enum { F_ATAPI = 1 << 5, F_WRITE = 1 << 6 }; /* of a command */

/* Where a port's things are. */
#define AHCI_LIST(port)        (0x400000u + 0x100000u * (port))
#define AHCI_FRAMES(port)      (AHCI_LIST(port) + 0x400u)
#define AHCI_TABLE(port, slot) (AHCI_LIST(port) + 0x8000u + 0x800u * (slot))
#define AHCI_PRDS              120u /* of a table at most */

typedef struct AhciHost {
    QTest *qt;
    unsigned port;
    char *path; /* of an image */
} AhciHost;

/* What a command is. */
typedef struct AhciCommand {
    uint8_t code;
    uint64_t lba;
    uint16_t count, feature;
    uint8_t device;        /* 0: LBA */
    uint32_t flags;        /* F_ */
    const uint8_t *packet; /* 12 bytes, or NULL */
    uint32_t bytes, piece; /* at AHCI_BUFFER, in pieces of that many, or in one (0) */
} AhciCommand;

uint32_t ahci_read(AhciHost *h, unsigned offset);
void ahci_write(AhciHost *h, unsigned offset, uint32_t value);
uint32_t ahci_port_read(AhciHost *h, unsigned offset);
void ahci_port_write(AhciHost *h, unsigned offset, uint32_t value);

/* Switch the function on, and start the port, which has a device. */
void ahci_enable(AhciHost *h);
void ahci_start_port(AhciHost *h);
/* Stop it, and start it anew. */
void ahci_recover(AhciHost *h);
/* Entry @n of the table of @slot. */
void ahci_set_piece(AhciHost *h, unsigned slot, unsigned n, uint64_t addr, uint32_t bytes);
/* Write the command of @slot, whose table has @pieces entries; it is not issued. */
void ahci_set_command(AhciHost *h, unsigned slot, const AhciCommand *c, unsigned pieces);
/* The same with its pieces. */
void ahci_prepare(AhciHost *h, unsigned slot, const AhciCommand *c);
void ahci_issue(AhciHost *h, uint32_t slots);
/* Until the port is at no command: its PxIS, which is cleared. */
uint32_t ahci_wait(AhciHost *h);
/* All of that in slot 0. */
uint32_t ahci_run(AhciHost *h, const AhciCommand *c);
/* Bytes that the last command moved, by its header. */
uint32_t ahci_moved(AhciHost *h, unsigned slot);

#endif
