/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/misc/vmport.h"

#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "memory/memory.h"
#include "target/i386/cpuid.h"
#include "target/i386/regs.h"

#define PORT  0x5658
#define PORTS 4           /* so that one can be accessed with 32 bits: nothing is at the others */
#define MAGIC 0x564d5868u /* VMXh */
#define NONE  UINT32_MAX  /* what is not known */

enum {
    GET_VERSION = 10,
    GET_UUID = 19,
    GET_RAM_SIZE = 20,
    GET_HZ = 45,
    GET_VCPU_INFO = 68,
};
#define RAM_SIZE_KNOWN   0x1177 /* in EBX, beside the size */
#define LEGACY_X2APIC    (1u << 3)
#define CPUID_ECX_X2APIC (1u << 21)

typedef struct Vmport {
    Device parent;
    /* configuration */
    bool sets_eax;        /* all of EAX is set, also by accesses of fewer bytes */
    bool signals_unknown; /* a command that is not known says so, and leaves EAX not as it was */
    bool reports_type;
    bool more_commands; /* those of version 2: UUID, rates, vCPU */
    uint32_t version;
    uint8_t type;
    /* wiring */
    MemoryRegion port;
    struct {
        VmportCommand *fn;
        void *opaque;
    } commands[VMPORT_COMMANDS];
} Vmport;
OBJECT_CAST_DEFINE(Vmport, VMPORT, TYPE_VMPORT)

static Vmport *the_vmport; /* or NULL */

void vmport_set_command(unsigned command, VmportCommand *fn, void *opaque)
{
    the_vmport->commands[command].fn = fn;
    the_vmport->commands[command].opaque = opaque;
}

/* ---- commands of its own ---- */

static uint32_t get_version(void *opaque, X86Cpu *cpu)
{
    const Vmport *s = opaque;

    cpu->regs[X86_RBX] = MAGIC;
    if (s->reports_type) {
        cpu->regs[X86_RCX] = s->type;
    }
    return s->version;
}

/* The size modulo 4 GiB. */
static uint32_t get_ram_size(void *opaque, X86Cpu *cpu)
{
    cpu->regs[X86_RBX] = RAM_SIZE_KNOWN;
    return (uint32_t)machine_current()->ram.size;
}

static uint32_t word_of_uuid(unsigned n)
{
    const uint8_t *p = machine_current()->uuid + n * 4;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t get_uuid(void *opaque, X86Cpu *cpu)
{
    cpu->regs[X86_RBX] = word_of_uuid(1);
    cpu->regs[X86_RCX] = word_of_uuid(2);
    cpu->regs[X86_RDX] = word_of_uuid(3);
    return word_of_uuid(0);
}

/* Not told, so that the guest measures: no engine promises how fast TSC and bus are. */
static uint32_t get_hz(void *opaque, X86Cpu *cpu)
{
    cpu->regs[X86_RBX] = NONE;
    return (uint32_t)cpu->regs[X86_RAX];
}

/* x2APIC can be used without an IOMMU that remaps interrupts. */
static uint32_t get_vcpu_info(void *opaque, X86Cpu *cpu)
{
    X86CpuidRegs leaf;

    x86_cpuid(cpu, 1, 0, &leaf);
    return leaf.ecx & CPUID_ECX_X2APIC ? LEGACY_X2APIC : 0;
}

static const struct {
    unsigned command;
    VmportCommand *fn;
    bool more; /* of version 2 */
} own_commands[] = {
    { GET_VERSION, get_version, false },    { GET_UUID, get_uuid, true },
    { GET_RAM_SIZE, get_ram_size, false },  { GET_HZ, get_hz, true },
    { GET_VCPU_INFO, get_vcpu_info, true },
};

/* ---- the port ---- */

static uint32_t carry_out(const Vmport *s, X86Cpu *cpu)
{
    uint32_t eax = (uint32_t)cpu->regs[X86_RAX];
    unsigned command = (uint16_t)cpu->regs[X86_RCX];

    if (eax == MAGIC && command < VMPORT_COMMANDS && s->commands[command].fn) {
        return s->commands[command].fn(s->commands[command].opaque, cpu);
    }
    return s->signals_unknown ? NONE : eax;
}

static uint64_t vmport_read(void *opaque, hwaddr addr, unsigned size)
{
    const Vmport *s = opaque;
    X86Cpu *cpu = addr ? NULL : vcpu_self_registers();
    uint32_t result;

    if (!cpu) {
        return NONE; /* who reads has no registers */
    }
    result = carry_out(s, cpu);
    if (s->sets_eax) {
        cpu->regs[X86_RAX] = result;
    }
    vcpu_self_set_registers();
    return result;
}

/* It is the access that counts, not what is written: the answers are the same. */
static void vmport_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Vmport *s = opaque;
    X86Cpu *cpu = addr ? NULL : vcpu_self_registers();

    if (cpu) {
        uint32_t result = carry_out(s, cpu);

        cpu->regs[X86_RAX] = result;
        vcpu_self_set_registers();
    }
}

static const MemoryRegionOps vmport_ops = { vmport_read, vmport_write, 1, 4 };

/* ---- life ---- */

static bool vmport_realize(Device *dev, GError **errp)
{
    Vmport *s = VMPORT(dev);

    the_vmport = s;
    for (unsigned i = 0; i < G_N_ELEMENTS(own_commands); i++) {
        if (s->more_commands || !own_commands[i].more) {
            vmport_set_command(own_commands[i].command, own_commands[i].fn, s);
        }
    }
    memory_region_init_io(&s->port, &vmport_ops, s, "vmport", PORTS);
    memory_region_add(memory_io(), PORT, &s->port);
    return true;
}

static void vmport_unrealize(Device *dev)
{
    Vmport *s = VMPORT(dev);

    memory_region_remove(&s->port);
    memory_region_destroy(&s->port);
    the_vmport = NULL;
}

#define SWITCH(name_, member, text)                                             \
    {                                                                           \
        .name = (name_), .kind = PROP_BOOL, .offset = offsetof(Vmport, member), \
        .has_default = true, .default_int = true, .description = (text)         \
    }
static const Property vmport_properties[] = {
    SWITCH("x-read-set-eax", sets_eax, "set all of EAX, whatever the size of the access"),
    SWITCH("x-signal-unsupported-cmd", signals_unknown, "answer -1 to what is not known"),
    SWITCH("x-report-vmx-type", reports_type, "tell vmware-vmx-type with the version"),
    SWITCH("x-cmds-v2", more_commands, "know UUID, rates and vCPU, too"),
    { .name = "vmware-vmx-version",
      .kind = PROP_UINT32,
      .offset = offsetof(Vmport, version),
      .has_default = true,
      .default_int = 6,
      .description = "version of VMware's hardware that it tells" },
    { .name = "vmware-vmx-type",
      .kind = PROP_UINT8,
      .offset = offsetof(Vmport, type),
      .has_default = true,
      .default_int = 2,
      .description = "product of VMware's that it tells (2: the server)" },
    { 0 },
};

static const DeviceClass vmport_class = { .category = "misc",
                                          .realize = vmport_realize,
                                          .unrealize = vmport_unrealize };

static const ObjectType vmport_type = {
    .name = TYPE_VMPORT,
    .parent = TYPE_DEVICE,
    .description = "VMware's port",
    .instance_size = sizeof(Vmport),
    .properties = vmport_properties,
    .ops = &vmport_class,
};
OBJECT_TYPE_REGISTER(vmport_type)

Device *vmport_create(void)
{
    Device *dev = device_new_onboard(TYPE_VMPORT);

    device_realize(dev, NULL);
    return dev;
}
