/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ipmi/ipmi-ports.h"

#include <string.h>

void ipmi_ports_set_pending(IpmiPorts *s, bool pending)
{
    s->pending = pending;
    irq_set(&s->irq, pending);
}

static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    IpmiPorts *s = opaque;

    return addr < s->ops->ports ? s->ops->read(s, (unsigned)addr) : 0xff;
}

static void ports_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    IpmiPorts *s = opaque;

    if (addr < s->ops->ports) {
        s->ops->write(s, (unsigned)addr, (uint8_t)value);
    }
}

static const MemoryRegionOps region_ops = { ports_read, ports_write, 1, 1 };

bool ipmi_ports_init(IpmiPorts *s, unsigned size, GError **errp)
{
    if (!ipmi_attach(s->bmc, &s->ops->controller, s, errp)) {
        return false;
    }
    memory_region_init_io(&s->region, &region_ops, s, "ipmi", size);
    return true;
}

void ipmi_ports_destroy(IpmiPorts *s)
{
    memory_region_destroy(&s->region);
    ipmi_detach(s->bmc);
}

void ipmi_ports_reset(IpmiPorts *s)
{
    s->control = s->data = s->error = s->abort = s->sequence = 0;
    s->ending = false;
    s->in_len = s->out_len = s->out_pos = 0;
    memset(s->in, 0, sizeof(s->in));
    memset(s->out, 0, sizeof(s->out));
    ipmi_ports_set_pending(s, false);
}

static const StateField ports_fields[] = {
    STATE_UINT(IpmiPorts, control),
    STATE_UINT(IpmiPorts, data),
    STATE_UINT(IpmiPorts, error),
    STATE_BOOL(IpmiPorts, ending),
    STATE_UINT(IpmiPorts, abort),
    STATE_BOOL(IpmiPorts, pending),
    STATE_UINT_MAX(IpmiPorts, in_len, IPMI_MESSAGE_MAX + 1),
    STATE_UINT_MAX(IpmiPorts, out_len, IPMI_MESSAGE_MAX + 1),
    STATE_UINT_MAX(IpmiPorts, out_pos, IPMI_MESSAGE_MAX + 1),
    STATE_UINTS(IpmiPorts, in),
    STATE_UINTS(IpmiPorts, out),
    STATE_UINT(IpmiPorts, sequence),
    {},
};
const StateTable ipmi_ports_state = { .name = "ipmi-ports", .version = 1, .fields = ports_fields };
