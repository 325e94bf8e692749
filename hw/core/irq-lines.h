/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The interrupt lines of devices by name and number, so that qtest can drive and hear them.
 *
 * A device keeps each of its lines as an Irq in its instance and describes them in a table:
 *
 *     static const IrqLines ioapic_lines[] = {
 *         { .type = TYPE_IOAPIC, .offset = offsetof(Ioapic, in), .count = IOAPIC_PINS }, {}
 *     };
 *     IRQ_LINES_REGISTER(ioapic_lines)
 *
 * An output line says where the device sends its changes. An input line says what the device does
 * with a change; others must be given irq_through(&line), not a copy of it. Machine lock for
 * everything.
 */
#ifndef HW_CORE_IRQ_LINES_H
#define HW_CORE_IRQ_LINES_H

#include <stdbool.h>

#include "hw/core/device.h"
#include "hw/core/irq.h"

typedef struct IrqLines {
    const char *type; /* of the device; NULL ends a table */
    const char *name; /* of this group of lines; NULL for a device's main one */
    bool out;
    size_t offset; /* of the first Irq in the instance */
    unsigned count;
} IrqLines;

/* Registers at start-up, before main(). @table must stay. */
void irq_lines_register(const IrqLines *table);
#define IRQ_LINES_REGISTER(table)                                   \
    static void __attribute__((constructor)) table##_register(void) \
    {                                                               \
        irq_lines_register(table);                                  \
    }

/* A line that goes, at each change, where *@line says then. */
Irq irq_through(Irq *line);

/* The device at QOM path @path, or the only one of the type @path, for example "ioapic"; NULL if
 * there is none. Borrowed. */
Device *irq_lines_device(const char *path);

/* The lines of @dev and how many; NULL if it has no such group. Borrowed. */
Irq *irq_lines_find(Device *dev, bool out, const char *name, unsigned *count);

/* Lower all output lines of @dev, which is going. */
void irq_lines_lower(Device *dev);

/* From now on each change of these lines is also told to @spy, with @opaque and the number of the
 * line, after it has had its effect. For ever: the device must be one that stays. False if @dev has
 * no such group. Lines that are not connected begin to be heard too. */
bool irq_lines_spy(Device *dev, bool out, const char *name,
                   void (*spy)(void *opaque, int n, int level), void *opaque);

#endif
