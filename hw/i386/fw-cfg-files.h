/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PC puts into fw_cfg, and the part of the CMOS RAM that only firmware reads. docs/fw-cfg.md
 * lists it.
 *
 * What depends on plugged DIMMs (ACPI and SMBIOS tables, the memory map) is made when firmware
 * first asks for the directory or for one of these files after a reset, all of it at once; the ACPI
 * files once more when it selects the script of the table loader. So the parts always fit together,
 * and a DIMM that was plugged before a reset is in them after it. Machine lock.
 */
#ifndef HW_I386_FW_CFG_FILES_H
#define HW_I386_FW_CFG_FILES_H

#include "hw/i386/x86.h"
#include "hw/rtc/mc146818.h"

typedef struct FwCfgFiles FwCfgFiles;

/* Make x86->fw_cfg, with everything in it; chips and CPUs are there. Errors: what -boot asks for is
 * not possible on a PC, a splash file that cannot be read or is no picture, a kernel that firmware
 * cannot start. */
bool x86_init_fw_cfg(X86Machine *x86, Mc146818 *rtc, GError **errp);
/* At each reset of the machine: the next firmware gets new tables, and the boot order of that
 * boot. */
void x86_reset_fw_cfg(X86Machine *x86);
/* The number of CPUs that are there, for firmware: whenever it has changed. */
void x86_fw_cfg_count_cpus(X86Machine *x86);
/* For MachineOps: the property "boot" gets @drives as its order, and no order for one boot only;
 * firmware sees it at once. Errors: drives that a PC does not have. */
bool x86_machine_set_boot_order(Machine *machine, const char *drives, GError **errp);

#endif
