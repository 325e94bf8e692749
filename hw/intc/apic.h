/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs (SDM vol. 3 chapter 11): one for each CPU, xAPIC and x2APIC, and the messages that
 * reach them: IPIs, I/O APIC, MSIs, and the 8259's INT on LINT0. Machine lock for everything, but
 * for what X86ApicOps says of tpr_get.
 *
 * An engine may have the local APICs itself (accel/accel.h, AccelApicOps): then messages go to it,
 * and what is here holds their registers while the CPU stands (apic-engine.c).
 *
 * The timer's bus clock is 1 GHz: one count at divisor 1 is a nanosecond.
 * The registers stay at APIC_BASE whatever address IA32_APIC_BASE is given, as no guest in use
 * moves them; the MSR reads back as written.
 */
#ifndef HW_INTC_APIC_H
#define HW_INTC_APIC_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/intc/i8259.h"
#include "memory/memory.h"
#include "target/i386/cpu.h"

#define TYPE_APIC "apic"

#define APIC_BASE 0xfee00000u
#define APIC_SIZE 0x100000u /* registers in the first page, MSI addresses in all of it */

/* In the address of a message that comes from an IOMMU: bits 31:8 of the destination are bits
 * 63:40, and it is one of x2APIC mode, where 255 is no broadcast. Engines do not know the latter.
 */
#define APIC_MSI_X2APIC (1ull << 32)

typedef struct Apic Apic;
OBJECT_CAST_DEFINE(Apic, APIC, TYPE_APIC)

/* Delivery modes, as in ICR, LVT, redirection entries and MSI data. */
enum {
    APIC_FIXED = 0,
    APIC_LOWEST_PRIORITY = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6,
    APIC_EXTINT = 7,
};

/* An interrupt message on its way to local APICs. */
typedef struct ApicMessage {
    uint32_t dest;
    bool x2apic; /* sent by an APIC in x2APIC mode: 0xffffffff is broadcast, else 0xff */
    bool logical;
    bool level; /* level-triggered: its EOI is told to the I/O APIC */
    uint8_t mode;
    uint8_t vector;
} ApicMessage;

/* The local APIC of @cpu, reset; sets cpu->apic and cpu->apic_ops. cpu->index and cpu->apic_id are
 * set already. CPU 0 starts with LINT0 as the virtual wire from the 8259 (there is no firmware to
 * set it). Belongs to the device tree. */
Apic *apic_create(X86Cpu *cpu, Object *owner);
/* Map registers and MSI addresses into @memory at APIC_BASE, once a machine. */
void apic_map(MemoryRegion *memory);

/* Deliver to all APICs that @msg is for; false: none took it. */
bool apic_deliver(const ApicMessage *msg);
/* An MSI: a write of @data to @addr (SDM vol. 3 section 11.11). */
void apic_deliver_msi(uint64_t addr, uint32_t data);

/* The MSI that is the same as @msg. */
void apic_message_to_msi(const ApicMessage *msg, uint64_t *addr, uint32_t *data);

/* The 8259 whose vectors an ExtINT takes. */
void apic_connect_pic(I8259 *pic);
/* The 8259's INT, for i8259_create(): to LINT0 of every APIC, and past disabled APICs of CPU 0. */
Irq apic_pic_irq(void);
/* The CPU or its APIC was loaded from a saved machine. An engine that has local APICs itself may
 * have saved it: then the timer is not armed, and the CPU was not told of what waits here. To be
 * called when either is loaded; the second time it has both. */
void apic_resume(Apic *apic);
/* An NMI on LINT1 of every APIC; past those that are off. */
void apic_nmi(void);
/* Append the registers in words, many lines. */
void apic_describe(const Apic *apic, GString *out);
/* Who is told of level-triggered EOIs; ioapic_create() sets it. NULL: nobody. */
void apic_set_eoi_handler(void (*fn)(void *opaque, uint8_t vector), void *opaque);
/* And who of each fixed interrupt that a CPU takes; an engine's own local APICs do not tell. */
void apic_set_taken_handler(void (*fn)(void *opaque, uint8_t vector), void *opaque);

#endif
