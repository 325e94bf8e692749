/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ne2k_isa: an NE2000 on the ISA bus. */
#include <inttypes.h>

#include "hw/char/isa-ports.h"
#include "hw/core/irq-lines.h"
#include "hw/intc/isa-irq.h"
#include "hw/net/ne2k.h"
#include "util/error.h"

#define TYPE_NE2K_ISA "ne2k_isa"

typedef struct Ne2kIsa {
    Device parent;
    /* state */
    Ne2k chip;
    /* configuration */
    uint32_t iobase, irq_number;
    /* wiring */
    Irq irq;
} Ne2kIsa;
OBJECT_CAST_DEFINE(Ne2kIsa, NE2K_ISA, TYPE_NE2K_ISA)

static void set_irq(Ne2k *chip, int level)
{
    Ne2kIsa *s = (void *)((char *)chip - offsetof(Ne2kIsa, chip));

    irq_set(&s->irq, level);
}

static bool realize(Device *dev, GError **errp)
{
    Ne2kIsa *s = NE2K_ISA(dev);

    if (s->iobase > 0x10000 - NE2K_PORTS) {
        error_set(errp, "'iobase' 0x%" PRIx32 " is no port for %d registers; it is 0 to 0x%x",
                  s->iobase, NE2K_PORTS, 0x10000 - NE2K_PORTS);
        return false;
    }
    if (s->irq_number >= ISA_IRQS) {
        error_set(errp, "'irq' %" PRIu32 " does not exist; it is 0 to %d", s->irq_number,
                  ISA_IRQS - 1);
        return false;
    }
    if (!isa_ports_free("iobase", s->iobase, NE2K_PORTS, errp) ||
        !ne2k_realize(&s->chip, dev, TYPE_NE2K_ISA, set_irq, NE2K_PORTS, errp)) {
        return false;
    }
    s->irq = isa_irq(s->irq_number);
    device_map(dev, memory_io(), s->iobase, &s->chip.ports, 0);
    return true;
}

static void unrealize(Device *dev)
{
    ne2k_unrealize(&NE2K_ISA(dev)->chip, dev);
}

static void reset(Device *dev)
{
    ne2k_reset(&NE2K_ISA(dev)->chip);
}

static const StateField ne2k_isa_fields[] = { STATE_STRUCT(Ne2kIsa, chip, &ne2k_state), {} };
static const StateTable ne2k_isa_state = { .name = TYPE_NE2K_ISA,
                                           .version = 1,
                                           .fields = ne2k_isa_fields };

static const DeviceClass ne2k_isa_class = {
    .category = "network",
    .flags = DEVICE_USER_CREATABLE,
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .state = &ne2k_isa_state,
};

static const Property ne2k_isa_properties[] = {
    NIC_CARD_PROPERTIES(Ne2kIsa, chip.card),
    { .name = "iobase",
      .kind = PROP_UINT32,
      .offset = offsetof(Ne2kIsa, iobase),
      .has_default = true,
      .default_int = 0x300,
      .description = "first of its 32 ports" },
    { .name = "irq",
      .kind = PROP_UINT32,
      .offset = offsetof(Ne2kIsa, irq_number),
      .has_default = true,
      .default_int = 9,
      .description = "ISA interrupt line, 0 to 15" },
    { 0 },
};

static const ObjectType ne2k_isa_type = {
    .name = TYPE_NE2K_ISA,
    .parent = TYPE_DEVICE,
    .description = "NE2000 on the ISA bus",
    .instance_size = sizeof(Ne2kIsa),
    .properties = ne2k_isa_properties,
    .ops = &ne2k_isa_class,
};
OBJECT_TYPE_REGISTER(ne2k_isa_type)

static const IrqLines ne2k_isa_lines[] = {
    { .type = TYPE_NE2K_ISA, .out = true, .offset = offsetof(Ne2kIsa, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(ne2k_isa_lines)
