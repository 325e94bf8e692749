/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts on their way to local APICs in the kernel: messages, routes, irqfds; and ioeventfds,
 * the way back.
 *
 * Numbers of interrupts (GSIs): the I/O APIC's pins, the 8259s' inputs, then routes for MSIs. With
 * kernel_irqchip=split the pins are MSI routes: from those the kernel knows for which vectors our
 * I/O APIC wants to hear of the EOI.
 */
#include <errno.h>
#include <string.h>

#include "accel/kvm/kvm-internal.h"
#include "util/error.h"

enum {
    IOAPIC_PINS = ACCEL_IOAPIC_PINS,
    PIC_PINS = 16,
    GSI_MSI = KVM_GSI_PIC + PIC_PINS,
    GSI_MAX = 1024,
};

static struct kvm_irq_routing_entry routes[GSI_MAX]; /* by GSI; type 0: there is none */

static int commit_routes(void)
{
    g_autofree struct kvm_irq_routing *table =
        g_malloc0(sizeof(*table) + sizeof(routes) + PIC_PINS * sizeof(routes[0]));

    for (unsigned gsi = 0; gsi < GSI_MAX; gsi++) {
        if (routes[gsi].type) {
            table->entries[table->nr++] = routes[gsi];
        }
    }
    return kvm_ioctl(kvm_vm.vm_fd, KVM_SET_GSI_ROUTING, table);
}

static void set_msi_route(unsigned gsi, uint64_t addr, uint32_t data)
{
    routes[gsi] = (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi = { .address_lo = (uint32_t)addr,
                   .address_hi = (uint32_t)(addr >> 32),
                   .data = data },
    };
}

/* ---- for devices ---- */

int kvm_msi_route_add(uint64_t addr, uint32_t data, GError **errp)
{
    int limit = MIN(kvm_check(KVM_CAP_IRQ_ROUTING), (int)GSI_MAX);
    int gsi = GSI_MSI, ret;

    while (gsi < limit && routes[gsi].type) {
        gsi++;
    }
    if (gsi >= limit || kvm_vm.irqchip == KVM_IRQCHIP_OFF) {
        error_set(errp, "KVM has no interrupt route for one more MSI%s",
                  kvm_vm.irqchip == KVM_IRQCHIP_OFF ? " with kernel_irqchip=off" : "");
        return -1;
    }
    set_msi_route(gsi, addr, data);
    ret = commit_routes();
    if (ret < 0) {
        routes[gsi].type = 0;
        error_set_errno(errp, -ret, "KVM refuses an interrupt route");
        return -1;
    }
    return gsi;
}

bool kvm_msi_route_update(int gsi, uint64_t addr, uint32_t data, GError **errp)
{
    int ret;

    set_msi_route(gsi, addr, data);
    ret = commit_routes();
    if (ret < 0) {
        error_set_errno(errp, -ret, "KVM refuses an interrupt route");
    }
    return ret >= 0;
}

void kvm_msi_route_remove(int gsi)
{
    routes[gsi].type = 0;
    commit_routes();
}

bool kvm_irqfd(int fd, int gsi, bool on, GError **errp)
{
    struct kvm_irqfd irqfd = {
        .fd = fd,
        .gsi = gsi,
        .flags = on ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
    };
    int ret = kvm_ioctl(kvm_vm.vm_fd, KVM_IRQFD, &irqfd);

    if (ret < 0) {
        error_set_errno(errp, -ret, "KVM refuses an irqfd");
    }
    return ret >= 0;
}

bool kvm_ioeventfd(int fd, hwaddr addr, unsigned size, bool port, const uint64_t *match, bool on,
                   GError **errp)
{
    struct kvm_ioeventfd event = {
        .fd = fd,
        .addr = addr,
        .len = size,
        .datamatch = match ? *match : 0,
        .flags = (port ? KVM_IOEVENTFD_FLAG_PIO : 0) | (match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
                 (on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
    };
    int ret = kvm_ioctl(kvm_vm.vm_fd, KVM_IOEVENTFD, &event);

    if (ret < 0) {
        error_set_errno(errp, -ret, "KVM refuses an ioeventfd at 0x%" G_GINT64_MODIFIER "x", addr);
    }
    return ret >= 0;
}

const AccelNotify kvm_notify = {
    .msi_route_add = kvm_msi_route_add,
    .msi_route_change = kvm_msi_route_update,
    .msi_route_del = kvm_msi_route_remove,
    .irqfd = kvm_irqfd,
};

/* ---- for our interrupt controllers ---- */

bool kvm_send_msi(uint64_t addr, uint32_t data)
{
    struct kvm_msi msi = {
        .address_lo = (uint32_t)addr,
        .address_hi = (uint32_t)(addr >> 32),
        .data = data,
    };

    return kvm_ioctl(kvm_vm.vm_fd, KVM_SIGNAL_MSI, &msi) > 0;
}

static void set_route(unsigned pin, uint64_t addr, uint32_t data)
{
    const struct kvm_irq_routing_entry *old = &routes[pin];

    if (old->type != KVM_IRQ_ROUTING_MSI || old->u.msi.address_lo != (uint32_t)addr ||
        old->u.msi.address_hi != addr >> 32 || old->u.msi.data != data) {
        set_msi_route(pin, addr, data);
        commit_routes();
    }
}

static void reset_routes(void)
{
    memset(routes, 0, IOAPIC_PINS * sizeof(routes[0]));
    commit_routes();
}

const AccelApicOps kvm_apic_split = {
    .send_msi = kvm_send_msi,
    .set_route = set_route,
    .reset = reset_routes,
};

/* ---- kernel_irqchip=on ---- */

static void route_chips(void)
{
    for (unsigned gsi = 0; gsi < GSI_MSI; gsi++) {
        unsigned pic_pin = gsi - KVM_GSI_PIC;
        bool pic = gsi >= KVM_GSI_PIC;

        routes[gsi] = (struct kvm_irq_routing_entry){
            .gsi = gsi,
            .type = KVM_IRQ_ROUTING_IRQCHIP,
            .u.irqchip = { .irqchip = !pic          ? KVM_IRQCHIP_IOAPIC
                                      : pic_pin < 8 ? KVM_IRQCHIP_PIC_MASTER
                                                    : KVM_IRQCHIP_PIC_SLAVE,
                           .pin = !pic ? gsi : pic_pin % 8 },
        };
    }
    commit_routes();
}

/* ---- starting ---- */

static bool init_split(GError **errp)
{
    if (!kvm_check(KVM_CAP_SPLIT_IRQCHIP) || !kvm_check(KVM_CAP_SIGNAL_MSI) ||
        !kvm_enable(KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS)) {
        error_set(errp, "this host's KVM has no split interrupt controllers (Linux 4.5 has them); "
                        "use kernel_irqchip=off");
        return false;
    }
    return true;
}

static bool init_full(GError **errp)
{
    int ret = kvm_check(KVM_CAP_IRQCHIP) && kvm_check(KVM_CAP_IRQ_ROUTING)
                  ? kvm_ioctl(kvm_vm.vm_fd, KVM_CREATE_IRQCHIP, NULL)
                  : -ENOTTY;

    if (ret < 0) {
        error_set_errno(errp, -ret,
                        "this host's KVM has no interrupt controllers of its own; use "
                        "kernel_irqchip=split or off");
        return false;
    }
    kvm_chips_init();
    route_chips();
    return true;
}

bool kvm_irq_init(GError **errp)
{
    static const struct {
        KvmIrqchip irqchip;
        bool (*init)(GError **errp);
    } kinds[] = {
        [ON_OFF_SPLIT_ON] = { KVM_IRQCHIP_FULL, init_full },
        [ON_OFF_SPLIT_SPLIT] = { KVM_IRQCHIP_SPLIT, init_split },
        [ON_OFF_SPLIT_OFF] = { KVM_IRQCHIP_OFF, NULL },
    };
    OnOffSplit where =
        accel_options.has_kernel_irqchip ? accel_options.kernel_irqchip : ON_OFF_SPLIT_SPLIT;

    if (kinds[where].init && !kinds[where].init(errp)) {
        g_prefix_error(errp, "kernel_irqchip=%s: ", OnOffSplit_str(where));
        return false;
    }
    kvm_vm.irqchip = kinds[where].irqchip;
    if (kvm_vm.irqchip != KVM_IRQCHIP_OFF && kvm_check(KVM_CAP_X2APIC_API)) {
        /* 32-bit APIC IDs in kvm_lapic_state and in routes; 0xff is no broadcast in x2APIC mode. */
        kvm_enable(KVM_CAP_X2APIC_API,
                   KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK);
    }
    return true;
}

void kvm_irq_cleanup(void)
{
    memset(routes, 0, sizeof(routes));
}
