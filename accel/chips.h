/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interrupt controllers beside the local APICs, if an engine has them itself: their inputs, and
 * their registers, which are those of our own (hw/intc), so that a machine that was saved with the
 * one goes on with the other. Machine lock.
 */
#ifndef ACCEL_CHIPS_H
#define ACCEL_CHIPS_H

#include <stdbool.h>
#include <stdint.h>

#define ACCEL_IOAPIC_PINS 24

/* One 8259A (Intel's data sheet has the names). */
typedef struct AccelPic {
    uint8_t lines; /* levels of the inputs */
    uint8_t irr, isr, imr;
    uint8_t elcr;        /* 1: level-triggered */
    uint8_t base;        /* vector of level 0 */
    uint8_t lowest;      /* level of highest priority (after rotation) */
    uint32_t init_state; /* 1 to 3: ICW2 to ICW4 comes next */
    bool icw4_wanted, auto_eoi, rotate_on_auto_eoi, special_nested, special_mask, read_isr, poll;
} AccelPic;

typedef struct AccelIoapic {
    uint8_t select, id;
    uint32_t lines; /* levels of the pins */
    uint64_t rte[ACCEL_IOAPIC_PINS];
} AccelIoapic;

typedef struct AccelChips {
    void (*set_pic_pin)(unsigned n, int level); /* 0 to 15 */
    void (*set_ioapic_pin)(unsigned n, int level);
    /* The 8259 @n: 0: master, 1: slave. What the master has of its slave is nobody's to write. */
    void (*get_pic)(unsigned n, AccelPic *pic);
    void (*set_pic)(unsigned n, const AccelPic *pic); /* the machine stands */
    void (*get_ioapic)(AccelIoapic *ioapic);          /* but `lines` */
    /* The machine stands. Nothing is sent by it. */
    void (*set_ioapic)(const AccelIoapic *ioapic);
} AccelChips;

#endif
