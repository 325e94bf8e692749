/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SMBus host controllers of Intel's south bridges: registers by which the guest lets a transfer
 * of SMBus 2.0 take place. That of the ICH9 (data sheet 316972, chapter 20.2) can do all that the
 * older one of the PIIX4 (data sheet 290562, chapter 11.2) does. Transfers take no time: they are
 * over when the register is written that starts them, but for those of blocks byte by byte, which
 * wait for the guest after each. There is no other master: the slave function answers nothing.
 * Machine lock.
 */
#ifndef HW_I2C_SMBUS_HOST_H
#define HW_I2C_SMBUS_HOST_H

#include "hw/core/irq.h"
#include "hw/i2c/i2c.h"

enum { SMBUS_BLOCK_MAX = 32, SMBUS_HOST_REGISTERS = 0x18 };

/* What a controller has. */
typedef struct SmbusHostModel {
    unsigned size;      /* bytes of registers that the region has */
    uint8_t registers;  /* those from here on are not there */
    uint8_t status;     /* bits of the status that there are */
    uint8_t protocols;  /* a bit for each */
    bool always_buffer; /* blocks are in a buffer, without asking */
} SmbusHostModel;

extern const SmbusHostModel smbus_host_ich9, smbus_host_piix4;

typedef struct SmbusHost {
    /* state */
    I2cBus *bus;                        /* owned by the device that has this */
    uint8_t regs[SMBUS_HOST_REGISTERS]; /* those that do nothing by themselves */
    uint8_t buffer[SMBUS_BLOCK_MAX];
    uint8_t index; /* in the buffer */
    uint8_t crc;   /* of the transfer */
    uint8_t phase; /* SmbusPhase */
    uint16_t left; /* bytes of a block that go byte by byte, with the one that is under way */
    /* wiring */
    const SmbusHostModel *model;
    Irq irq;
    MemoryRegion region; /* the registers, which the owner shows */
    /* derived: what the configuration registers of the owner say */
    bool spd_locked; /* nothing is written to addresses 0x50 to 0x57 */
    bool i2c_mode;   /* blocks are written without their count */
} SmbusHost;

extern const StateTable smbus_host_state;

/* @host belongs to @owner; it has a bus, which then stays, and a region. An error if there can be
 * no bus. */
bool smbus_host_realize(SmbusHost *host, const SmbusHostModel *model, Object *owner, GError **errp);
/* The region goes, which nothing shows any more. */
void smbus_host_unrealize(SmbusHost *host);
/* To the state after power-up; the line is lowered. */
void smbus_host_reset(SmbusHost *host);

#endif
