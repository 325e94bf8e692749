/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers of a function's configuration space: PCI Local Bus 3.0 chapter 6, PCI-to-PCI Bridge 1.2
 * chapter 3, PCI Express Base 3.0 chapter 7.
 */
#ifndef HW_PCI_PCI_REGS_H
#define HW_PCI_PCI_REGS_H

#define PCI_CONFIG_SIZE  256  /* conventional */
#define PCIE_CONFIG_SIZE 4096 /* PCI Express */

/* Offsets in every header. */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION_ID = 0x08,
    PCI_CLASS_PROG = 0x09,
    PCI_CLASS_DEVICE = 0x0a,
    PCI_CACHE_LINE_SIZE = 0x0c,
    PCI_LATENCY_TIMER = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BASE_ADDRESS_0 = 0x10,
    PCI_CAPABILITY_LIST = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

/* Type 0 headers only. */
enum {
    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_ROM_ADDRESS = 0x30,
};

/* What chips of the board have there; by it, SeaBIOS knows the machine. */
enum {
    PCI_SUBSYSTEM_VENDOR_BOARD = 0x1af4,
    PCI_SUBSYSTEM_BOARD = 0x1100,
};

/* Type 1 headers (bridges) only. */
enum {
    PCI_PRIMARY_BUS = 0x18,
    PCI_SECONDARY_BUS = 0x19,
    PCI_SUBORDINATE_BUS = 0x1a,
    PCI_IO_BASE = 0x1c,
    PCI_IO_LIMIT = 0x1d,
    PCI_SECONDARY_STATUS = 0x1e,
    PCI_MEMORY_BASE = 0x20,
    PCI_MEMORY_LIMIT = 0x22,
    PCI_PREF_BASE = 0x24,
    PCI_PREF_LIMIT = 0x26,
    PCI_PREF_BASE_UPPER = 0x28,
    PCI_PREF_LIMIT_UPPER = 0x2c,
    PCI_ROM_ADDRESS_BRIDGE = 0x38,
    PCI_BRIDGE_CONTROL = 0x3e,
};

enum {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_PARITY = 1 << 6,
    PCI_COMMAND_SERR = 1 << 8,
    PCI_COMMAND_INTX_DISABLE = 1 << 10,
};

enum {
    PCI_STATUS_INTERRUPT = 1 << 3,
    PCI_STATUS_CAP_LIST = 1 << 4,
    PCI_STATUS_ERRORS = 0xf900, /* written 1 to clear */
};

enum {
    PCI_HEADER_BRIDGE = 0x01,
    PCI_HEADER_LAYOUT = 0x7f,
    PCI_HEADER_MULTIFUNCTION = 0x80,
};

#define PCI_BRIDGE_CTL_BUS_RESET 0x40
#define PCI_BRIDGE_SUBTRACTIVE   0x01 /* PCI_CLASS_PROG */

/* Low bits of a base address register. */
enum {
    PCI_BAR_IO = 1 << 0,
    PCI_BAR_MEM64 = 1 << 2,
    PCI_BAR_PREFETCH = 1 << 3,
    PCI_ROM_ADDRESS_ENABLE = 1 << 0,
};

/* Capability IDs. */
enum {
    PCI_CAP_ID_SLOT_ID = 0x04,
    PCI_CAP_ID_MSI = 0x05,
    PCI_CAP_ID_VENDOR = 0x09,
    PCI_CAP_ID_SSVID = 0x0d,
    PCI_CAP_ID_EXPRESS = 0x10,
    PCI_CAP_ID_MSIX = 0x11,
    PCI_CAP_ID_SATA = 0x12,
};

#endif
