/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pirq.h"

/* Of 0-15, those that are no timer, keyboard, cascade, clock or coprocessor. */
#define ROUTABLE 0xdef8u

static uint8_t route_of(const PciDevice *dev, unsigned n)
{
    return dev->config[(n < 4 ? PIRQ_A : PIRQ_E) + n % 4];
}

void pirq_update(PirqRouter *router, const PciDevice *dev)
{
    uint16_t wanted = 0, changed;

    for (unsigned n = 0; n < PCI_PIRQS; n++) {
        uint8_t route = route_of(dev, n);

        if (router->levels >> n & 1 && !(route & PIRQ_OFF)) {
            wanted |= 1u << (route & 0xf) & ROUTABLE;
        }
    }
    changed = wanted ^ router->irq_levels;
    router->irq_levels = wanted;
    for (unsigned irq = 0; irq < ISA_IRQS; irq++) {
        if (changed >> irq & 1) {
            irq_set(&router->irqs[irq], wanted >> irq & 1);
        }
    }
}

void pirq_set(PirqRouter *router, const PciDevice *dev, unsigned n, int level)
{
    router->levels = (router->levels & ~(1u << n)) | (level ? 1u << n : 0);
    pirq_update(router, dev);
}

static const StateField fields[] = {
    STATE_UINT(PirqRouter, levels),
    STATE_UINT(PirqRouter, irq_levels),
    {},
};
const StateTable pirq_router_state = { .name = "pirq-router", .version = 1, .fields = fields };
