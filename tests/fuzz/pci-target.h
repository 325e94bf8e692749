/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions for a PCI bus of a fuzz target, to have one BAR of each kind, interrupts and bridges:
 *   fuzz-pci     I/O, memory and 64-bit memory BARs, MSI and MSI-X with four vectors. What is
 * written to the I/O BAR raises (bit 0) or lowers INTA#; to the memory BARs, sends a message.
 *   fuzz-pcie    the same with a PCI Express capability
 *   fuzz-bridge  a conventional PCI-to-PCI bridge
 */
#ifndef TESTS_FUZZ_PCI_TARGET_H
#define TESTS_FUZZ_PCI_TARGET_H

#define TYPE_FUZZ_PCI    "fuzz-pci"
#define TYPE_FUZZ_PCIE   "fuzz-pcie"
#define TYPE_FUZZ_BRIDGE "fuzz-bridge"

#endif
