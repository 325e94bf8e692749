/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of the two interfaces, wherever they are: KCS (section 9) with data and
 * command/status, BT (section 11) with control, buffer and interrupt mask. Each is part of a
 * device, which has its ports in an I/O region, and an interrupt line. Machine lock.
 */
#ifndef HW_IPMI_IPMI_PORTS_H
#define HW_IPMI_IPMI_PORTS_H

#include "hw/core/irq.h"
#include "hw/ipmi/ipmi.h"

typedef struct IpmiPorts IpmiPorts;

typedef struct IpmiPortsOps {
    IpmiKind kind;
    unsigned ports;
    uint16_t isa_port; /* where they are, if nobody says otherwise */
    uint8_t (*read)(IpmiPorts *s, unsigned port);
    void (*write)(IpmiPorts *s, unsigned port, uint8_t value);
    IpmiInterfaceOps controller;
} IpmiPortsOps;

extern const IpmiPortsOps ipmi_kcs_ops, ipmi_bt_ops;

struct IpmiPorts {
    /* wiring */
    Object *bmc; /* property: link<ipmi-bmc> */
    const IpmiPortsOps *ops;
    MemoryRegion region;
    Irq irq;
    /* state */
    uint8_t control; /* KCS: status; BT: control */
    uint8_t data;    /* KCS: what the guest reads next; BT: interrupt mask */
    uint8_t error;   /* KCS */
    bool ending;     /* KCS: the next byte is the last */
    uint8_t abort;   /* KCS: steps of an abort that were done */
    bool pending;    /* the interrupt */
    uint16_t in_len, out_len, out_pos;
    uint8_t in[IPMI_MESSAGE_MAX + 1], out[IPMI_MESSAGE_MAX + 1];
    uint8_t sequence; /* BT: of the request */
};

extern const StateTable ipmi_ports_state;

/* @ops is set, and the line. The region has @size bytes, of which @ops says how many are ports. */
bool ipmi_ports_init(IpmiPorts *s, unsigned size, GError **errp);
void ipmi_ports_destroy(IpmiPorts *s);
void ipmi_ports_reset(IpmiPorts *s);
void ipmi_ports_set_pending(IpmiPorts *s, bool pending);

#define IPMI_PORTS_PROPERTY(type, member)                                                       \
    {                                                                                           \
        .name = "bmc", .kind = PROP_LINK, .offset = offsetof(type, member.bmc),                 \
        .link_type = TYPE_IPMI_BMC, .description = "id of the management controller behind it", \
    }

#endif
