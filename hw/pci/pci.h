/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI functions and buses: configuration space, base address registers, INTx.
 *
 * A function is a Device type with parent "pci-device", whose `init` fills its configuration space
 * and the masks of what the guest may write, and whose ops are a PciFunctionClass (or none). Its
 * BARs are memory regions, which appear in the regions of its bus where and while the guest says
 * so. Bridges are hw/pci/pci-bridge.h, capabilities hw/pci/pci-cap.h, the way from the CPU to the
 * root bus hw/pci/pci-host.h. Machine lock for everything.
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include <stdint.h>

#include "hw/core/bus.h"
#include "hw/core/device.h"
#include "hw/pci/pci-regs.h"
#include "memory/dma.h"
#include "memory/memory.h"

#define TYPE_PCI_DEVICE "pci-device"
#define TYPE_PCI_BUS    "PCI"  /* conventional */
#define TYPE_PCIE_BUS   "PCIE" /* PCI Express; a subtype of TYPE_PCI_BUS */
#define TYPE_CXL_BUS    "CXL"  /* Compute Express Link; a subtype of TYPE_PCIE_BUS */

#define PCI_DEVFN(d, f)    (((d) << 3) | (f))
#define PCI_DEVFN_MAX      256
#define PCI_ACPI_INDEX_MAX 16383u
#define PCI_SLOT(devfn)    ((devfn) >> 3)
#define PCI_FUNC(devfn)    ((devfn)&7)
#define PCI_BARS           6
#define PCI_ROM            PCI_BARS /* number of the expansion ROM among what has an address */
#define PCI_REGIONS        (PCI_BARS + 1) /* with that */
#define PCI_PIRQS          8              /* interrupt lines that a host has at most */

typedef struct PciBus PciBus;
typedef struct PciSlot PciSlot; /* hw/pci/pci-hotplug.h */
struct PciHotplugOps;
OBJECT_CAST_DEFINE(PciBus, PCI_BUS, TYPE_PCI_BUS)

/* A base address register; region NULL: none. A 64-bit one takes two, and the second is empty. */
typedef struct PciBar {
    MemoryRegion *region; /* borrowed; its size is the BAR's */
    uint8_t flags;        /* PCI_BAR_* */
} PciBar;

typedef struct PciDevice {
    Device parent;
    /* configuration */
    int32_t addr;        /* property "addr": devfn, or -1: the first free slot */
    bool multifunction;  /* property; sets the bit in the header */
    char *rom_file;      /* property "romfile"; NULL or "": no expansion ROM */
    uint32_t rom_bar;    /* property "rombar"; 0: no expansion ROM */
    uint32_t rom_size;   /* property "romsize": bytes, or PROP_UNSET: what the file needs */
    uint32_t acpi_index; /* property "acpi-index"; 0: ACPI has no name for it */
    /* wiring */
    uint8_t devfn;  /* its place on the bus, once it is on one */
    DmaSpace dma;   /* how it gets at memory */
    DmaIommu iommu; /* of that; hw/pci/pci-iommu.h */
    /* state */
    /* Configuration space. Beyond 256 bytes only PCI Express functions have one. */
    uint8_t config[PCIE_CONFIG_SIZE];
    bool irq_raised;            /* what pci_set_irq() said last */
    bool irq_sent;              /* and what of that is on the bus */
    struct PciMsixVector *msix; /* msix_vectors of them (hw/pci/pci-msix.h) */
    /* wiring: what kind of function it is */
    uint8_t initial[PCIE_CONFIG_SIZE]; /* after a reset; taken from config when realized */
    uint8_t wmask[PCIE_CONFIG_SIZE];   /* 1: the guest may write the bit */
    uint8_t w1cmask[PCIE_CONFIG_SIZE]; /* 1: the guest clears the bit by writing 1 */
    PciBar bars[PCI_REGIONS];
    uint8_t own_caps;  /* cap_end before realize added capabilities */
    uint8_t own_bars;  /* a bit for each BAR that was there before realize added some */
    uint8_t cap_end;   /* where the next capability goes; pci_add_capability() */
    uint16_t ext_end;  /* where the next extended one goes, 0: the first; pci_add_extended() */
    uint16_t ext_last; /* the last one */
    uint8_t msi_cap;   /* offset of the MSI capability, 0: none */
    uint8_t msi_vectors;
    uint8_t express_cap; /* offset of the PCI Express capability, 0: none */
    uint8_t msix_cap;    /* of the MSI-X capability */
    unsigned msix_vectors;
    MemoryRegion msix_bar;
    RamBlock *rom; /* of hw/pci/pci-rom.h; NULL: none */
    MemoryRegion rom_region;
} PciDevice;
OBJECT_CAST_DEFINE(PciDevice, PCI_DEVICE, TYPE_PCI_DEVICE)

/* The registers of a function. A type with more state has a table of its own, in which its
 * PciDevice comes first, and PCI_DEVICE_CLASS_CORE. */
extern const StateTable pci_device_state;

/* What types of functions define. Write `.device = { PCI_DEVICE_CLASS_BASE, .category = "bridge"
 * }`.
 */
typedef struct PciFunctionClass {
    DeviceClass device;
    bool express;   /* has an Express capability, and needs an Express bus */
    bool root_only; /* must be directly on the root bus */
    bool own_dma;   /* gets at memory by itself: no IOMMU of the machine can be above it */
    /* Its expansion ROM where `romfile` does not say otherwise, and where the file is found. May be
     * NULL. */
    const char *rom;
    /* After the function got its place on its bus; leaves nothing behind on failure. It may add
     * capabilities and BARs. May be NULL. */
    bool (*realize)(PciDevice *dev, GError **errp);
    /* Undoes realize; capabilities and BARs that it added are out of use already, and go by
     * themselves, but for the regions. May be NULL. */
    void (*unrealize)(PciDevice *dev);
    /* After the configuration space was reset. May be NULL. */
    void (*reset)(PciDevice *dev);
    /* The same after a sleep in S3, for those with `.wake = pci_device_wake`. */
    void (*wake)(PciDevice *dev);
    /* After its registers were loaded; NULL: as after a reset. */
    void (*loaded)(PciDevice *dev);
    /* Before the guest reads [offset, offset + size). May be NULL. */
    void (*config_reading)(PciDevice *dev, unsigned offset, unsigned size);
    /* After the guest wrote [offset, offset + size) of the configuration space, masks applied. May
     * be NULL. */
    void (*config_written)(PciDevice *dev, unsigned offset, unsigned size);
} PciFunctionClass;

/* What DeviceClass of every type of function begin with. */
#define PCI_DEVICE_CLASS_CORE                                                              \
    .bus = TYPE_PCI_BUS, .realize = pci_device_realize, .unrealize = pci_device_unrealize, \
    .reset = pci_device_reset
#define PCI_DEVICE_CLASS_BASE PCI_DEVICE_CLASS_CORE, .state = &pci_device_state
bool pci_device_realize(Device *dev, GError **errp);
void pci_device_unrealize(Device *dev);
void pci_device_reset(Device *dev);
/* For the DeviceClass of those who do not want to be reset when the guest is woken. */
void pci_device_wake(Device *dev);

/* ---- for a type's init ---- */

/* One line of a table of initial register values: @size is 1, 2 or 4 bytes, little endian. */
typedef struct PciRegister {
    uint16_t offset;
    uint8_t size;
    uint32_t value;
    uint32_t wmask;
    uint32_t w1cmask;
} PciRegister;

/* Apply @count lines. */
void pci_set_registers(PciDevice *dev, const PciRegister *regs, unsigned count);

/* For init or realize. @region, whose size is a power of two (I/O: 4 to 256 bytes, memory: from 16
 * bytes), becomes BAR
 * @n with PCI_BAR_* @flags. It lives as long as @dev. Type 1 headers have BARs 0 and 1 only. */
void pci_add_bar(PciDevice *dev, unsigned n, uint8_t flags, MemoryRegion *region);

/* ---- registers, as devices see them; little endian ---- */

/* Of the configuration space, past all masks: the guest is told nothing. */
uint16_t pci_get_word(const PciDevice *dev, unsigned offset);
uint32_t pci_get_long(const PciDevice *dev, unsigned offset);
void pci_set_word(PciDevice *dev, unsigned offset, uint16_t value);
void pci_set_long(PciDevice *dev, unsigned offset, uint32_t value);

/* What firmware calls @dev, of a @kind such as "scsi": its way from the root bus, as Open Firmware
 * has it ("/pci@i0cf8/scsi@4"). g_free. */
char *pci_firmware_path(const PciDevice *dev, const char *kind);

/* Whether [offset, offset + size) touches [first, first + len). */
static inline bool pci_touches(unsigned offset, unsigned size, unsigned first, unsigned len)
{
    return offset < first + len && first < offset + size;
}

/* Where BAR @n, or PCI_ROM, is now; false if the guest has not enabled it. */
bool pci_bar_address(const PciDevice *dev, unsigned n, uint64_t *addr);

/* Do its accesses to memory, and messages, get there? Its bus-master bit says so; those of bridges
 * above it do not count, as SeaBIOS boots from disks behind them without setting them. */
bool pci_can_dma(const PciDevice *dev);

/* Its class in words ("PCI bridge"), or NULL. */
const char *pci_class_name(const PciDevice *dev);

/* Make and realize an on-board function of @type at @devfn of @bus, where nothing is yet. */
PciDevice *pci_create(PciBus *bus, uint8_t devfn, const char *type);

/* ---- buses ---- */

/* How a host takes INTx: @map says to which of its lines (below PCI_PIRQS) @pin (0: INTA#) of @slot
 * on the root bus goes, @set gets the OR of what is on the line. */
typedef struct PciInterrupts {
    unsigned (*map)(void *opaque, uint8_t slot, unsigned pin);
    void (*set)(void *opaque, unsigned line, int level);
    void *opaque;
} PciInterrupts;

struct PciBus {
    Bus parent;
    unsigned raised[PCI_PIRQS]; /* root buses: how many functions raise the line */
    PciSlot *slots;             /* slot_count; NULL: nothing comes or goes while the machine runs */
    /* wiring */
    unsigned slot_count;
    PciDevice *bridge;                 /* whose secondary side this is; NULL: a root bus */
    PciDevice *expander;               /* a root bus that hw/pci/pxb.h gives; NULL: none of these */
    uint8_t number;                    /* of a root bus */
    PciDevice *devices[PCI_DEVFN_MAX]; /* by devfn; borrowed */
    MemoryRegion memory;               /* 2^64 bytes: what lies on the bus, at bus addresses */
    MemoryRegion io;                   /* 64 KiB */
    const struct PciHotplugOps *hotplug; /* of the slots, with its opaque */
    void *hotplug_opaque;
    /* the machine's root bus only */
    GPtrArray *extra_roots; /* of PciBus *, those that expanders give, by number; borrowed */
    const struct PciHotplugOps *below; /* the same for buses behind bridges; NULL: theirs to say */
    void *below_opaque;
    PciInterrupts interrupts;
    const struct PciIommu *iommu; /* hw/pci/pci-iommu.h; borrowed; NULL: none */
    bool bypass_iommu;            /* the functions are not below it, if there is one */
    /* An MSI on its way to the CPUs. pci_host_create() sets apic_deliver_msi(). */
    void (*deliver_msi)(uint64_t addr, uint32_t data);
};

/* What of a bus a snapshot keeps, for the state of who owns it. */
extern const StateTable pci_bus_state;

/* Make a bus of type @type (TYPE_PCI_BUS, TYPE_PCIE_BUS) as the child @name of @owner, behind
 * @bridge (NULL: a root bus). Borrowed; it lives as long as @owner. An error if the name is taken
 * by another bus. */
PciBus *pci_bus_create(const char *type, const char *name, Object *owner, PciDevice *bridge,
                       GError **errp);
/* By name; NULL: the root bus. NULL with an error that lists those there are. Borrowed. */
PciBus *pci_bus_find(const char *name, GError **errp);
/* The bus at the top of the one that @bus is in: of the machine, whatever expanders give. */
PciBus *pci_bus_root(const PciBus *bus);
/* The root bus of the machine, or NULL. */
PciBus *pci_root_bus(void);
/* The bus that @dev is on, or NULL. */
static inline PciBus *pci_bus_of(const PciDevice *dev)
{
    return PCI_BUS(dev->parent.bus);
}
bool pci_bus_is_express(const PciBus *bus);
/* Is it the root bus of a CXL host bridge, or behind one? */
bool pci_bus_is_below_cxl(const PciBus *bus);
/* As the guest numbered it; of a root bus, as it is. */
uint8_t pci_bus_number(const PciBus *bus);
void pci_bus_set_interrupts(PciBus *root, const PciInterrupts *interrupts);
/* The bus behind @dev, or NULL if it is no bridge. */
PciBus *pci_secondary_bus(const PciDevice *dev);

/* ---- INTx ---- */

/* Raise or lower the function's interrupt pin (PCI_INTERRUPT_PIN; none: nothing happens). */
void pci_set_irq(PciDevice *dev, int level);

/* ---- configuration accesses from the host ---- */

/* One access of 1, 2 or 4 bytes at @offset (below PCIE_CONFIG_SIZE) of @devfn on the bus with the
 * number @number, which is reached from @root, or one of its extra roots, through bridges. Where no
 * function is, and beyond a function's configuration space, reads give all ones and writes are
 * dropped. */
uint32_t pci_config_read(PciBus *root, uint8_t number, uint8_t devfn, unsigned offset,
                         unsigned size);
void pci_config_write(PciBus *root, uint8_t number, uint8_t devfn, unsigned offset, uint32_t value,
                      unsigned size);

#endif
