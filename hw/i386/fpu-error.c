/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/fpu-error.h"

#include "hw/core/irq-lines.h"
#include "hw/i386/cpu.h"
#include "target/i386/fpu-pins.h"

typedef struct FpuError {
    Device parent;
    bool raised; /* the interrupt line, until port 0xf0 is written */
    bool ignne;  /* while FERR# is active */
    /* wiring */
    MemoryRegion port;
    Machine *machine;
    Irq irq;
} FpuError;
OBJECT_CAST_DEFINE(FpuError, FPU_ERROR, TYPE_FPU_ERROR)

/* The pins of all processors are one line. @from: of those from this number on; the first that has
 * it active, whose number *@from is then, or NULL. */
static X86Cpu *ferr_active(const FpuError *s, unsigned *from)
{
    X86Cpu *cpu;

    while ((cpu = x86_cpu_next(s->machine, from)) && !cpu->ferr) {
        (*from)++;
    }
    return cpu;
}

static void set_ignne(FpuError *s, bool level)
{
    s->ignne = level;
    x86_set_ignne(level);
}

static void set_raised(FpuError *s, bool level)
{
    s->raised = level;
    irq_set(&s->irq, level);
}

static void ferr_changed(void *opaque, X86Cpu *cpu)
{
    FpuError *s = opaque;

    if (cpu->ferr) {
        set_raised(s, true);
    } else if (!ferr_active(s, &(unsigned){ 0 })) {
        set_ignne(s, false);
    }
}

static uint64_t fpu_error_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0xff; /* the port is for writing */
}

static void fpu_error_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    FpuError *s = opaque;
    X86Cpu *cpu;

    set_raised(s, false);
    set_ignne(s, ferr_active(s, &(unsigned){ 0 }));
    for (unsigned i = 0; (cpu = ferr_active(s, &i)); i++) {
        x86_cpu_kick(cpu); /* it may be another one than that which writes */
    }
}

static const MemoryRegionOps fpu_error_ops = { fpu_error_read, fpu_error_write, 1, 1 };

static void fpu_error_reset(Device *dev)
{
    FpuError *s = FPU_ERROR(dev);

    set_raised(s, false);
    set_ignne(s, false);
}

static bool fpu_error_realize(Device *dev, GError **errp)
{
    x86_ferr_connect(ferr_changed, dev);
    return true;
}

static void fpu_error_unrealize(Device *dev)
{
    x86_ferr_connect(NULL, NULL);
    x86_set_ignne(false);
}

static const StateField fpu_error_fields[] = {
    STATE_BOOL(FpuError, raised),
    STATE_BOOL(FpuError, ignne),
    {},
};

static bool fpu_error_loaded(void *obj, GError **errp)
{
    FpuError *s = obj;

    x86_set_ignne(s->ignne);
    return true;
}

static const StateTable fpu_error_state = {
    .name = "fpu-error", .version = 1, .fields = fpu_error_fields, .post_load = fpu_error_loaded
};

static const DeviceClass fpu_error_device_ops = {
    .category = "misc",
    .realize = fpu_error_realize,
    .unrealize = fpu_error_unrealize,
    .reset = fpu_error_reset,
    .state = &fpu_error_state,
};

static const ObjectType fpu_error_type = {
    .name = TYPE_FPU_ERROR,
    .parent = TYPE_DEVICE,
    .description = "x87 errors by interrupt 13 (0xf0)",
    .instance_size = sizeof(FpuError),
    .ops = &fpu_error_device_ops,
};
OBJECT_TYPE_REGISTER(fpu_error_type)

static const IrqLines fpu_error_lines[] = {
    { .type = TYPE_FPU_ERROR, .out = true, .offset = offsetof(FpuError, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(fpu_error_lines)

void fpu_error_create(Machine *machine, MemoryRegion *io, Irq irq)
{
    FpuError *s = FPU_ERROR(device_new_onboard(TYPE_FPU_ERROR));

    s->machine = machine;
    s->irq = irq;
    memory_region_init_io(&s->port, &fpu_error_ops, s, "fpu-error", 1);
    device_map(&s->parent, io, 0xf0, &s->port, 0);
    device_realize(&s->parent, NULL);
}
