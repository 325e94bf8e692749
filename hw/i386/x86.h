/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every PC has in common: RAM below and above 4 GiB, processors, interrupt controllers, the
 * ISA chips, ACPI and the boot of a kernel. A board is one file (pc.c, q35.c): a machine type with
 * parent TYPE_X86_MACHINE and an X86MachineOps that says, as data, in what it differs. Machine lock
 * for everything.
 */
#ifndef HW_I386_X86_H
#define HW_I386_X86_H

#include "block/node.h"
#include "hw/acpi/nvdimm-mailbox.h"
#include "hw/acpi/pm.h"
#include "hw/core/irq-or.h"
#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/linux-boot.h"
#include "hw/i386/smbios.h"
#include "hw/intc/i8259.h"
#include "hw/intc/ioapic.h"
#include "hw/intc/isa-irq.h"
#include "hw/pci/acpi-pci-hotplug.h"
#include "hw/pci/pci-host.h"
#include "hw/timer/hpet.h"
#include "hw/timer/i8254.h"

#define TYPE_X86_MACHINE "x86-machine"

/* The last byte of the window below 4 GiB that PCI memory may use; above it are the I/O APIC, the
 * local APICs and the ROM. */
#define PCI_HOLE_LAST 0xfebfffffu

/* The sources of an interrupt line; each has an input of its own. */
typedef enum X86IrqSource {
    X86_IRQ_ISA,
    X86_IRQ_SCI,
    X86_IRQ_HPET,
    X86_IRQ_PCI,
    X86_IRQ_TEST, /* pc-testdev */
    X86_IRQ_SMBUS,
} X86IrqSource;

/* auto is on */
typedef enum X86Acpi { X86_ACPI_AUTO, X86_ACPI_ON, X86_ACPI_OFF } X86Acpi;
typedef enum X86Vmport { X86_VMPORT_AUTO, X86_VMPORT_ON, X86_VMPORT_OFF } X86Vmport;
/* auto is on where the engine has it */
typedef enum X86Smm { X86_SMM_AUTO, X86_SMM_ON, X86_SMM_OFF } X86Smm;

typedef struct X86Machine {
    Machine parent;
    /* configuration */
    bool hpet_enabled;         /* property "hpet" */
    int acpi;                  /* property "acpi": OnOffAuto */
    int vmport;                /* property "vmport", likewise; auto is on */
    int smm;                   /* property "smm": OnOffAuto; it is memory_smram() that tells */
    bool nvdimm;               /* property "nvdimm": there may be NVDIMMs */
    char *nvdimm_persistence;  /* property "nvdimm-persistence": "cpu", "mem-ctrl", or NULL */
    uint64_t max_ram_below_4g; /* property; bytes, the board's own if none was given */
    bool fd_bootchk;           /* property */
    char *pcspk_audiodev;      /* property; NULL: nobody hears the speaker */
    bool sata;                 /* property: q35's disk controller */
    bool smbus;                /* property: memory modules tell of themselves on it */
    int smbios_entry;          /* property "smbios-entry-point-type": SmbiosEntry */
    uint64_t max_fw_size;      /* property; bytes of firmware, files and flash together */
    bool bypass_iommu;         /* property: PCI functions are not below an IOMMU */
    uint64_t bus_locks;        /* property, 0 */
    bool amd_hole;             /* property "x-amd-hole": AMD's HyperTransport range is left free */
    bool cxl_enabled;          /* property "cxl" of q35 */
    GPtrArray *cxl_windows;    /* property "cxl-fmw": of CXLFixedMemoryWindowOptions; NULL: none */
    /* wiring */
    X86CpuModel cpu_model;       /* of every CPU, with the topology */
    uint64_t below_4g, above_4g; /* boot RAM, bytes: from 0, and from high_base */
    hwaddr high_base;            /* FOUR_GIB, or AMD_HIGH_BASE */
    bool ht_reserved;            /* addresses from AMD_HT_START are reserved */
    uint64_t pci_hole64;         /* bytes for PCI memory above everything else */
    MemoryRegion ram_below, ram_above;
    /* configuration */
    char *pflash[MAX_FLASH];          /* properties "pflash0", "pflash1": block nodes, or NULL */
    BlockEdge flash_edges[MAX_FLASH]; /* wiring: to them */
    /* wiring */
    bool firmware;  /* there is some: it loads the kernel and gets the tables */
    bool set_up;    /* derived: without it the machine has given its own functions addresses */
    RamBlock *rom;  /* of rom_region */
    char *rom_name; /* of the file in it; NULL: none */
    MemoryRegion rom_region; /* up to 4 GiB, unless there is flash */
    MemoryRegion *rom_top;   /* what ends at 4 GiB: rom_region or flash */
    MemoryRegion rom_low;    /* the end of it, below 1 MiB */
    PciHost *host;
    I8259 *pic;
    Ioapic *ioapic;
    /* state */
    IrqOr gsi[IOAPIC_PINS]; /* 0-15 are the ISA interrupts: to the 8259s as well */
    IrqOr pic_lines[ISA_IRQS];
    /* wiring */
    Hpet *hpet; /* NULL: none */
    I8254 *pit;
    AcpiPm *pm;
    NvdimmMailbox *nvdimms;      /* NULL: there can be no NVDIMMs */
    AcpiPciHotplug *pci_hotplug; /* NULL: PCI devices do not come and go by ACPI */
    struct CxlHost *cxl;         /* NULL: there is no CXL */
    LinuxBoot *boot;             /* NULL without -kernel */
    SmbiosConfig *smbios;
    FwCfg *fw_cfg;
    struct FwCfgFiles *fw_cfg_files; /* fw-cfg-files.h */
} X86Machine;
OBJECT_CAST_DEFINE(X86Machine, X86_MACHINE, TYPE_X86_MACHINE)

typedef struct X86MachineOps {
    MachineOps machine;
    /* RAM below 4 GiB is all of it, or, with low_ram_split_at bytes or more, low_ram_max bytes; and
     * in any case no more than max-ram-below-4g, whose default is low_ram_limit. low_ram_split_at
     * 0: that is max-ram-below-4g, too. */
    uint64_t low_ram_max, low_ram_split_at, low_ram_limit;
    const AcpiPmModel *pm;
    /* PCI, as the DSDT describes it. There are pci_pirqs lines, routed to the 8259s by registers of
     * the ISA bridge (hw/pci/pirq.h); pci_gsi is PIRQA#'s pin of the I/O APIC, or 0 if there, too,
     * a line comes to where it is routed. */
    uint8_t isa_bridge; /* devfn */
    uint8_t pci_pirqs;
    uint8_t pci_gsi;
    unsigned (*pci_pirq)(uint8_t slot, unsigned pin);
    uint16_t pci_hotplug_port; /* of hw/pci/acpi-pci-hotplug.h */
    bool fdc;                  /* the board has a floppy controller, also without drives */
    uint16_t cpu_hotplug_port; /* of hw/acpi/cpu-hotplug.h */
    const char *host_type;     /* of the host bridge */
    /* Host bridge, which becomes x86->host, and south bridge; after interrupt controllers and
     * x86->pm, before the ISA chips. */
    void (*create_chipset)(X86Machine *x86);
    /* After each reset, for a boot without firmware: leave the chipset as firmware would. */
    void (*set_up_chipset)(X86Machine *x86);
    /* PCI Express: where the guest has put memory-mapped configuration, 1 MiB each for @buses;
     * false: nowhere. NULL: conventional PCI. */
    bool (*ecam)(const X86Machine *x86, hwaddr *base, unsigned *buses);
    /* The chipset's files for firmware, once fw_cfg is there. NULL: none. */
    void (*add_files)(X86Machine *x86);
    /* Firmware that needs system management mode finds what it needs. */
    bool has_tseg;
    /* What firmware and the chipset have agreed on about SMIs: SMI_* of hw/i386/smi.h. NULL:
     * nothing. */
    uint64_t (*smi_features)(const X86Machine *x86);
} X86MachineOps;

static inline const X86MachineOps *x86_machine_ops(const Machine *machine)
{
    return (const X86MachineOps *)machine_ops(machine);
}

/* For MachineOps of a board. */
bool x86_machine_init(Machine *machine, GError **errp);
bool x86_machine_complete(const Machine *machine, GError **errp);
void x86_machine_reset(Machine *machine);
bool x86_machine_wake(Machine *machine);
bool x86_machine_can_suspend(const Machine *machine);
bool x86_machine_dump_tables(Machine *machine, const char *dir, GError **errp);
extern const HotplugHandler x86_hotplug[];
extern const StateTable x86_machine_state;

/* The input of interrupt @gsi (0 to 23) for @source. Interrupts 0-15 go to the 8259s and to the I/O
 * APIC, the others to the I/O APIC only. */
Irq x86_gsi(X86Machine *x86, unsigned gsi, X86IrqSource source);
/* For create_chipset: PCI devices come and go by ACPI as @config says, if there is ACPI. */
void x86_init_pci_hotplug(X86Machine *x86, const AcpiPciHotplugConfig *config);
/* For PCI interrupts that a south bridge routes to the 8259s only: input @irq, 0-15. */
Irq x86_pic_pci_irq(X86Machine *x86, unsigned irq);

/* ---- x86-boot.c; used by x86_machine_init() ---- */

/* Open the kernel, if there is one, and choose its place; nothing is written. */
bool x86_init_boot(X86Machine *x86, GError **errp);
/* With firmware and a kernel: give it to the firmware, by @fw. An error if what is there cannot
 * start it. */
bool x86_offer_kernel(X86Machine *x86, FwCfg *fw, GError **errp);

/* ---- x86-memory.c; used by x86_machine_init() ---- */

/* On an AMD system the addresses from AMD_HT_START up to 1 TiB are HyperTransport's (BIOS and
 * Kernel Developer's Guide, "HyperTransport address map"): a device's DMA cannot reach memory
 * there. */
#define AMD_HT_START  UINT64_C(0xfd00000000)
#define AMD_HIGH_BASE UINT64_C(0x10000000000)

/* Of @size bytes of RAM those that are below 4 GiB; the others are above. */
uint64_t x86_ram_below_4g(const X86Machine *x86, uint64_t size);
/* Say where RAM, the window for devices and PCI memory above 4 GiB lie. With an AMD CPU what would
 * reach AMD_HT_START begins at AMD_HIGH_BASE instead. All must be within the CPU's physical
 * addresses; an error names the largest value that is possible. */
bool x86_lay_out(X86Machine *x86, const X86CpuModel *model, GError **errp);
/* Put boot RAM and the window for memory devices into the memory map, and what CXL has there. */
bool x86_init_ram(X86Machine *x86, GError **errp);
/* Where RAM, the window for memory devices and CXL have ended. */
hwaddr x86_memory_end(const X86Machine *x86);

#endif
