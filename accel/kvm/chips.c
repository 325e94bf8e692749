/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8259s and the I/O APIC of kernel_irqchip=on: their inputs, and their registers as our own
 * ones have them. Numbers of interrupts are as in irq.c.
 */
#include "accel/kvm/kvm-internal.h"

#define CASCADE (1u << 2) /* of a master's inputs, the slave's output */

/* Redirection entries (82093AA data sheet section 3.2.4). */
#define RTE_REMOTE_IRR (1ull << 14)
#define RTE_LEVEL      (1ull << 15)

static const unsigned pic_chips[] = { KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE };

static struct kvm_irqchip at_power_up[3];

/* ---- inputs ---- */

static void set_line(unsigned gsi, int level)
{
    struct kvm_irq_level line = { .irq = gsi, .level = level != 0 };

    kvm_ioctl(kvm_vm.vm_fd, KVM_IRQ_LINE, &line);
}

static void set_pic_pin(unsigned n, int level)
{
    set_line(KVM_GSI_PIC + n, level);
}

static void set_ioapic_pin(unsigned n, int level)
{
    set_line(n, level);
}

/* ---- registers ---- */

static struct kvm_irqchip get_chip(unsigned id)
{
    struct kvm_irqchip chip = { .chip_id = id };

    kvm_ioctl(kvm_vm.vm_fd, KVM_GET_IRQCHIP, &chip);
    return chip;
}

static void get_pic(unsigned n, AccelPic *pic)
{
    struct kvm_irqchip chip = get_chip(pic_chips[n]);
    const struct kvm_pic_state *s = &chip.chip.pic;

    *pic = (AccelPic){
        .irr = s->irr,
        .isr = s->isr,
        .imr = s->imr,
        .elcr = s->elcr,
        .base = s->irq_base & 0xf8,
        .lowest = s->priority_add & 7,
        .init_state = s->init_state & 3,
        .lines = s->last_irr,
        .icw4_wanted = s->init4,
        .auto_eoi = s->auto_eoi,
        .rotate_on_auto_eoi = s->rotate_on_auto_eoi,
        .special_nested = s->special_fully_nested_mode,
        .special_mask = s->special_mask,
        .read_isr = s->read_reg_select,
        .poll = s->poll,
    };
}

/* The kernel raises the cascade by itself, and takes it as an edge: it must have been low. */
static void set_pic(unsigned n, const AccelPic *pic)
{
    struct kvm_irqchip chip = get_chip(pic_chips[n]);
    uint8_t mask = chip.chip.pic.elcr_mask, own = n == 0 ? CASCADE : 0;

    chip.chip.pic = (struct kvm_pic_state){
        .last_irr = pic->lines & ~own,
        .irr = pic->irr & ~own,
        .imr = pic->imr,
        .isr = pic->isr,
        .priority_add = pic->lowest,
        .irq_base = pic->base,
        .read_reg_select = pic->read_isr,
        .poll = pic->poll,
        .special_mask = pic->special_mask,
        .init_state = pic->init_state,
        .auto_eoi = pic->auto_eoi,
        .rotate_on_auto_eoi = pic->rotate_on_auto_eoi,
        .special_fully_nested_mode = pic->special_nested,
        .init4 = pic->icw4_wanted,
        .elcr = pic->elcr & mask,
        .elcr_mask = mask,
    };
    kvm_ioctl(kvm_vm.vm_fd, KVM_SET_IRQCHIP, &chip);
}

static void get_ioapic(AccelIoapic *ioapic)
{
    struct kvm_irqchip chip = get_chip(KVM_IRQCHIP_IOAPIC);
    const struct kvm_ioapic_state *s = &chip.chip.ioapic;

    ioapic->select = (uint8_t)s->ioregsel;
    ioapic->id = s->id & 0xf;
    for (unsigned pin = 0; pin < ACCEL_IOAPIC_PINS; pin++) {
        ioapic->rte[pin] = s->redirtbl[pin].bits;
    }
}

/* What the kernel finds in `irr` it sends at once, before the local APICs are loaded: only pins
 * whose interrupt is in service may be there, which it sends again after the EOI. */
static void set_ioapic(const AccelIoapic *ioapic)
{
    struct kvm_irqchip chip = get_chip(KVM_IRQCHIP_IOAPIC);
    struct kvm_ioapic_state *s = &chip.chip.ioapic;

    s->ioregsel = ioapic->select;
    s->id = ioapic->id;
    s->irr = 0;
    for (unsigned pin = 0; pin < ACCEL_IOAPIC_PINS; pin++) {
        uint64_t rte = ioapic->rte[pin];
        bool in_service = rte & RTE_LEVEL && rte & RTE_REMOTE_IRR;

        s->redirtbl[pin].bits = rte;
        s->irr |= in_service ? ioapic->lines & 1u << pin : 0;
    }
    kvm_ioctl(kvm_vm.vm_fd, KVM_SET_IRQCHIP, &chip);
}

/* ---- power-up ---- */

void kvm_chips_init(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(at_power_up); i++) {
        at_power_up[i] = get_chip(i);
    }
}

static void reset_chips(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(at_power_up); i++) {
        kvm_ioctl(kvm_vm.vm_fd, KVM_SET_IRQCHIP, &at_power_up[i]);
    }
}

static const AccelChips chips = {
    .set_pic_pin = set_pic_pin,
    .set_ioapic_pin = set_ioapic_pin,
    .get_pic = get_pic,
    .set_pic = set_pic,
    .get_ioapic = get_ioapic,
    .set_ioapic = set_ioapic,
};

const AccelApicOps kvm_apic_full = {
    .chips = &chips,
    .send_msi = kvm_send_msi,
    .reset = reset_chips,
};
