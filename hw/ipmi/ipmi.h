/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPMI: a management controller (BMC), and the interface by which the guest's system software talks
 * to it (IPMI 2.0, section numbers are of that specification). The controller is a device of its
 * own, `ipmi-bmc-sim` or `ipmi-bmc-extern`; the interface, which has a link to it, is KCS or BT, at
 * ISA ports or a PCI function. Machine lock for everything.
 */
#ifndef HW_IPMI_IPMI_H
#define HW_IPMI_IPMI_H

#include "hw/core/device.h"

#define TYPE_IPMI_BMC "ipmi-bmc"

/* Bytes of a request or an answer: BT's length byte, which does not count itself, is the least of
 * the limits. */
#define IPMI_MESSAGE_MAX 255u

/* A message: [0] network function << 2 | unit, [1] command, then data, in answers the completion
 * code first. */
enum { IPMI_NETFN = 0, IPMI_COMMAND = 1, IPMI_DATA = 2, IPMI_CODE = 2 };

/* Completion codes (section 5.2). */
enum {
    IPMI_OK = 0x00,
    IPMI_INVALID_COMMAND = 0xc1,
    IPMI_TIMEOUT = 0xc3,
    IPMI_NO_SPACE = 0xc4,
    IPMI_RESERVATION = 0xc5,
    IPMI_LENGTH = 0xc7,
    IPMI_LENGTH_LIMIT = 0xc8,
    IPMI_RANGE = 0xc9,
    IPMI_NOT_PRESENT = 0xcb,
    IPMI_BAD_FIELD = 0xcc,
    IPMI_UNSPECIFIED = 0xff,
};

typedef struct IpmiBmc IpmiBmc;
OBJECT_CAST_DEFINE(IpmiBmc, IPMI_BMC, TYPE_IPMI_BMC)

/* What the interface is told. */
typedef struct IpmiInterfaceOps {
    /* The answer to the request, of IPMI_CODE + 1 to IPMI_MESSAGE_MAX bytes. */
    void (*answer)(void *opaque, const uint8_t *message, unsigned len);
    /* The controller wants to be asked (SMS_ATN), or no more. */
    void (*attention)(void *opaque, bool on);
} IpmiInterfaceOps;

struct IpmiBmc {
    Device parent;
    /* configuration */
    uint8_t address; /* property "slave_addr": on the bus that there is not */
    /* wiring */
    const IpmiInterfaceOps *ops; /* NULL: nobody is there */
    void *opaque;
    /* state */
    bool interrupts; /* the interface may interrupt */
    bool attention;
};

extern const StateTable ipmi_bmc_state;

typedef struct IpmiBmcClass {
    DeviceClass device;
    /* One at a time. The answer may come before it returns. */
    void (*request)(IpmiBmc *bmc, const uint8_t *message, unsigned len);
} IpmiBmcClass;

/* The property of controllers. */
#define IPMI_BMC_PROPERTIES                                                                     \
    {                                                                                           \
        .name = "slave_addr", .kind = PROP_UINT8, .offset = offsetof(IpmiBmc, address),         \
        .has_default = true, .default_int = 0x20, .description = "its address on the IPMB bus", \
    }

/* ---- for interfaces ---- */

/* The interface of @bmc, a link that may be NULL, is @ops from now on. */
bool ipmi_attach(Object *bmc, const IpmiInterfaceOps *ops, void *opaque, GError **errp);
void ipmi_detach(Object *bmc);
/* Of 2 to IPMI_MESSAGE_MAX bytes. */
void ipmi_request(Object *bmc, const uint8_t *message, unsigned len);

/* ---- for controllers ---- */

void ipmi_answer(IpmiBmc *bmc, const uint8_t *message, unsigned len);
void ipmi_set_attention(IpmiBmc *bmc, bool on);

/* ---- for the tables ---- */

/* The kinds, as SMBIOS and ACPI number them. */
typedef enum IpmiKind { IPMI_KCS = 1, IPMI_BT = 3 } IpmiKind;

typedef struct IpmiIsa {
    IpmiKind kind;
    uint16_t port;
    unsigned ports;
    unsigned irq; /* 0: none */
    uint8_t address;
} IpmiIsa;

/* The interface at ISA ports; false: there is none. */
bool ipmi_isa_find(IpmiIsa *found);

#endif
