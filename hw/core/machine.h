/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machines. A machine type is an ObjectType "<name>-machine" with parent "machine" and a
 * MachineOps. There is one machine, /machine; everything the command line says of it is one of its
 * properties.
 */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include "chardev/char.h"
#include "hw/core/boot.h"
#include "hw/core/cpu-slots.h"
#include "hw/core/device.h"
#include "hw/core/hotplug.h"
#include "hw/core/numa.h"
#include "hw/core/ram-config.h"
#include "hw/core/smp.h"
#include "memory/memory.h"
#include "qom/fixed.h"

#define MAX_SERIAL   4
#define MAX_PARALLEL 3
#define MAX_FLASH    2

/* The window for memory devices (hw/mem/memory-device.h). size 0: none. */
typedef struct DeviceMemory {
    hwaddr base;
    uint64_t size;
    MemoryRegion region; /* container at base, in system memory while size > 0 */
    GArray *devices;     /* of MemoryDevice, what is plugged, sorted by address; NULL: none yet */
} DeviceMemory;

typedef struct MachineDefault {
    const char *type, *prop, *text; /* as -global takes them */
} MachineDefault;

/* What the machines of a version do otherwise than the newest. Guests that were installed in an old
 * one find what they know. */
typedef struct MachineVersion {
    const char *number;             /* "6.1" */
    const char *only;               /* of this board, "pc-q35"; NULL: of all */
    bool smp_prefers_sockets;       /* -smp N is N sockets, and not N cores of one */
    bool numa_mem;                  /* managers give the RAM of NUMA nodes by mem= */
    const MachineDefault *defaults; /* of this version and of older ones, ends with a NULL type;
                                       NULL: as the next newer */
} MachineVersion;

typedef struct MachineOps {
    const char *name;  /* "pc-i440fx-7.2" */
    const char *alias; /* "pc", or NULL */
    const char *description;
    /* All versions, the newest first, and the one that this machine is. NULL: it has none. */
    const MachineVersion *versions, *version;
    bool is_default;
    unsigned max_cpus;            /* 0: has no CPUs */
    const char *default_cpu_type; /* "qemu64" */
    const char *default_nic;      /* type of network card; NULL: it can have none */
    const char *ram_id;           /* of the boot RAM that we make: "pc.ram" */
    uint64_t default_ram_size;
    /* Make everything; the configuration below is final and checked. */
    bool (*init)(Machine *machine, GError **errp);
    /* After all devices that are there at the start: do they fit together? NULL: yes. */
    bool (*complete)(const Machine *machine, GError **errp);
    /* After devices were reset: load what a reset loads again (kernel, tables, CPU state). */
    void (*reset)(Machine *machine);
    /* After devices were woken from S3: let the first CPU go where the guest resumes. False: it
     * has left nothing to resume at. NULL: there is no such sleep. */
    bool (*wake)(Machine *machine);
    /* Is the guest offered S3? NULL: no. */
    bool (*can_suspend)(const Machine *machine);
    /* Write the tables that tell guests of the machine into files in @dir; after init and cold
     * plug. NULL: it has none. */
    bool (*dump_tables)(Machine *machine, const char *dir, GError **errp);
    /* From now on boot from these drives ("cdn"), also where -boot said otherwise. NULL: none. */
    bool (*set_boot_order)(Machine *machine, const char *drives, GError **errp);
    unsigned ide_buses, ide_units; /* of the board, from ide.0 on, and places of each; 0: none */
    bool floppy_drives;            /* it may have some: there is ISA DMA */
    bool parallel_port;            /* it has one, unless it is told otherwise */
    const StateTable *state;       /* what of the machine itself a snapshot keeps; may be NULL */
    const HotplugHandler *hotplug; /* ends with a NULL device_type; may be NULL */
} MachineOps;

struct Machine {
    Object parent;
    RamConfig ram;
    SmpTopology smp;             /* complete */
    SMPConfiguration *smp_given; /* by the user */
    CpuSlots cpu_slots;          /* as smp has it; the first smp.cpus get CPUs by init */
    char *cpu_model;             /* -cpu text, NULL: the default */
    char *kernel, *initrd, *append;
    BootConfig boot;
    bool usb; /* the board has a USB controller */
    FixedSwitches fixed;
    bool graphics;     /* given by the user; there is no display either way */
    char *firmware;    /* file, "on" or "off"; NULL: see hw/i386/firmware.h */
    char *dump_tables; /* directory for MachineOps.dump_tables, and it does not run; or NULL */
    char *accel;
    NumaConfig numa;
    char *guest_name;                /* -name, or NULL */
    uint8_t uuid[16];                /* -uuid, else zeros */
    Chardev *serial[MAX_SERIAL];     /* COM1 to COM4, set before init; NULL: not connected */
    Chardev *parallel[MAX_PARALLEL]; /* LPT1 to LPT3, likewise */
    Device *flash[MAX_FLASH];        /* cfi.pflash01, set before init; NULL: none */
    bool resumes; /* what runs in it has begun elsewhere: it knows what is there at the start */
    bool ready;   /* initialised and cold-plugged: a device that comes now is hot-plugged */

    /* made by init */
    DeviceMemory device_memory;
    /* Press the power button (system_powerdown); NULL: none. */
    void (*powerdown)(Machine *machine);
    GPtrArray *slot_keepers; /* of Device, borrowed: see machine_add_slot_keeper() */
};

#define TYPE_MACHINE "machine"
OBJECT_CAST_DEFINE(Machine, MACHINE, TYPE_MACHINE)

Machine *machine_current(void); /* NULL before it is made */
static inline const MachineOps *machine_ops(const Machine *machine)
{
    return object_ops(&machine->parent);
}
/* The machine type for "pc", "pc-i440fx-7.2", ...; an error lists those there are. */
const ObjectType *machine_type_find(const char *name, GError **errp);
const ObjectType *machine_type_default(void);

/* The text of -m, -smp and -boot, key=value or JSON: the properties "memory", "smp" and "boot" of
 * /machine, with every check that needs no machine yet. */
bool machine_parse_memory(Machine *machine, const char *text, GError **errp);
bool machine_parse_smp(Machine *machine, const char *text, GError **errp);
bool machine_parse_boot(Machine *machine, const char *text, GError **errp);

/* Make /machine of type @type (not initialised), borrowed. */
Machine *machine_new(const ObjectType *type, GError **errp);
/* Final checks (defaults for what was not given, NUMA), then MachineOps.init. */
bool machine_init(Machine *machine, GError **errp);
/* All devices that are there at the start were made: MachineOps.complete; from now on devices are
 * hot-plugged. */
bool machine_complete(Machine *machine, GError **errp);
/* Reset every device, then MachineOps.reset. vCPUs paused. */
void machine_reset(Machine *machine);
/* The same at the end of S3: memory is kept, and the guest resumes. vCPUs paused. */
bool machine_wake(Machine *machine);
bool machine_can_suspend(const Machine *machine);
/* A device keeps the slots for hot-plug of those that sit on no bus, one kind of them: their
 * HotplugHandler finds it by its type. @keeper is borrowed, and removes itself before it goes. */
void machine_add_slot_keeper(Machine *machine, Device *keeper);
void machine_remove_slot_keeper(Machine *machine, Device *keeper);
/* The keeper of type @type, the first that came; NULL: none. */
Device *machine_slot_keeper(const Machine *machine, const char *type);
/* Text for `-machine help`; g_free. */
char *machine_help(void);

#endif
