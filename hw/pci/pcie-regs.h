/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of the PCI Express capability (PCI Express Base 3.0, section 7.8), as offsets from its
 * start.
 */
#ifndef HW_PCI_PCIE_REGS_H
#define HW_PCI_PCIE_REGS_H

enum {
    EXP_FLAGS = 0x02,
    EXP_DEVICE_CAP = 0x04,
    EXP_DEVICE_CONTROL = 0x08,
    EXP_DEVICE_STATUS = 0x0a,
    EXP_LINK_CAP = 0x0c,
    EXP_LINK_CONTROL = 0x10,
    EXP_LINK_STATUS = 0x12,
    EXP_SLOT_CAP = 0x14,
    EXP_SLOT_CONTROL = 0x18,
    EXP_SLOT_STATUS = 0x1a,
    EXP_ROOT_CONTROL = 0x1c,
    EXP_DEVICE_CONTROL_2 = 0x28,
    EXP_LINK_CAP_2 = 0x2c,
    EXP_LINK_CONTROL_2 = 0x30,
    EXP_SIZE = 0x3c,
};

enum {
    EXP_FLAGS_VERSION = 2,
    EXP_FLAGS_TYPE_SHIFT = 4,
    EXP_FLAGS_TYPE = 0xf,
    EXP_FLAGS_SLOT = 1 << 8,
    EXP_DEVICE_CAP_ROLE_BASED = 1 << 15,
    EXP_DEVICE_CAP_RESET = 1 << 28,
    EXP_DEVICE_CONTROL_RESET = 1 << 15, /* written: reset the function; reads as 0 */
    EXP_LINK_2_5_GT = 1,
    EXP_LINK_X1 = 1 << 4,
    EXP_LINK_CAP_ACTIVE_REPORTING = 1 << 20,
    EXP_LINK_CAP_ASPM_COMPLIANCE = 1 << 22,
    EXP_LINK_CAP_PORT_SHIFT = 24,
    EXP_LINK_STATUS_SLOT_CLOCK = 1 << 12,
    EXP_LINK_STATUS_ACTIVE = 1 << 13,
};

/* Slot capabilities. */
enum {
    SLOT_CAP_BUTTON = 1 << 0,
    SLOT_CAP_POWER = 1 << 1,
    SLOT_CAP_ATTENTION_LED = 1 << 3,
    SLOT_CAP_POWER_LED = 1 << 4,
    SLOT_CAP_HOTPLUG = 1 << 6,
    SLOT_CAP_NO_COMMAND_EVENT = 1 << 18,
    SLOT_CAP_NUMBER_SHIFT = 19,
};

/* Slot control. Its event enables have the places of the events, but for LINK. */
enum {
    SLOT_CTL_INTERRUPT = 1 << 5,
    SLOT_CTL_ATTENTION_LED = 3 << 6,
    SLOT_CTL_POWER_LED = 3 << 8,
    SLOT_CTL_POWER_LED_ON = 1 << 8,
    SLOT_CTL_POWER_LED_BLINK = 2 << 8,
    SLOT_CTL_POWER_LED_OFF = 3 << 8,
    SLOT_CTL_POWER_OFF = 1 << 10,
    SLOT_CTL_LINK = 1 << 12,
};

/* Slot status. */
enum {
    SLOT_STS_BUTTON = 1 << 0,
    SLOT_STS_PRESENCE = 1 << 3,
    SLOT_STS_COMMAND = 1 << 4,
    SLOT_STS_PRESENT = 1 << 6, /* a state; the others are events */
    SLOT_STS_LINK = 1 << 8,
};

/* Extended capabilities: a header of 4 bytes, and of Address Translation Services what follows. */
enum {
    PCIE_EXT_CAP_ATS = 0x0f,
    PCIE_EXT_CAP_VERSION_SHIFT = 16,
    ATS_CAP = 4,
    ATS_CONTROL = 6,
    ATS_SIZE = 8,
    ATS_CAP_PAGE_ALIGNED = 1 << 5,
    ATS_CONTROL_STU = 0x1f, /* smallest translation unit */
    ATS_CONTROL_ENABLE = 1 << 15,
};

#endif
