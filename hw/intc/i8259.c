/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/intc/i8259.h"

#include <string.h>

#include "accel/accel.h"
#include "hw/core/irq-lines.h"

enum {
    CASCADE = 2,  /* the master's input that the slave drives */
    SPURIOUS = 7, /* the level whose vector an INTA without a request gives */
    NONE = 8,     /* no level */
};

enum {
    ICW1_IC4 = 0x01,
    ICW1_SINGLE = 0x02,
    ICW1_LEVEL = 0x08,
    ICW1 = 0x10,
    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,
    OCW3 = 0x08,
    OCW3_READ_ISR = 0x01,
    OCW3_READ = 0x02,
    OCW3_POLL = 0x04,
    OCW3_SMM = 0x20,
    OCW3_SMM_ENABLE = 0x40,
};

/* What the next write to the data port is. */
typedef enum InitState {
    INIT_DONE, /* OCW1 */
    INIT_ICW2,
    INIT_ICW3,
    INIT_ICW4,
} InitState;

/* One 8259A. A bit of irr is a latched edge, or the level itself of a level-triggered input. */
typedef struct Pic {
    /* configuration */
    bool master;
    uint8_t elcr_mask; /* bits that elcr can have */
    /* state */
    uint8_t lines; /* levels of the inputs */
    uint8_t irr, isr, imr;
    uint8_t elcr;   /* 1: level-triggered */
    uint8_t base;   /* vector of level 0 */
    uint8_t lowest; /* level of highest priority (after rotation) */
    InitState init_state;
    bool icw4_wanted, single, level_mode;
    bool auto_eoi, rotate_on_auto_eoi, special_nested, special_mask;
    bool read_isr, poll;
} Pic;

struct I8259 {
    Device parent;
    Pic pics[2];         /* master, slave */
    uint64_t counts[16]; /* rising edges */
    bool output;
    /* wiring */
    Irq in[16];
    Irq intr;
    void (*taken)(void *opaque); /* i8259_on_timer_taken() */
    void *taken_opaque;
    MemoryRegion ports[2], elcr;
};

/* The bit of highest priority in @mask, as its distance from the top; NONE if there is none. */
static unsigned pic_priority(const Pic *pic, uint8_t mask)
{
    for (unsigned i = 0; i < 8; i++) {
        if (mask >> ((pic->lowest + i) & 7) & 1) {
            return i;
        }
    }
    return NONE;
}

static unsigned pic_level(const Pic *pic, unsigned priority)
{
    return (pic->lowest + priority) & 7;
}

/* The level that INT asks for, or NONE. */
static unsigned pic_request(const Pic *pic)
{
    unsigned wanted = pic_priority(pic, pic->irr & ~pic->imr);
    uint8_t in_service = pic->isr;

    if (wanted == NONE) {
        return NONE;
    }
    if (pic->special_mask) {
        in_service &= ~pic->imr;
    }
    if (pic->special_nested && pic->master) {
        in_service &= ~(1 << CASCADE);
    }
    return wanted < pic_priority(pic, in_service) ? pic_level(pic, wanted) : NONE;
}

static uint8_t pic_level_inputs(const Pic *pic)
{
    uint8_t inputs = pic->level_mode ? 0xff : pic->elcr;

    /* The slave's INT is taken as a level: it drops and rises again at each INTA, so one request
     * after another is seen. */
    return pic->master ? inputs | 1 << CASCADE : inputs;
}

static void pic_set_line(Pic *pic, unsigned n, bool level)
{
    uint8_t bit = 1 << n;

    if (pic_level_inputs(pic) & bit) {
        pic->irr = level ? pic->irr | bit : pic->irr & ~bit;
    } else if (level && !(pic->lines & bit)) {
        pic->irr |= bit;
    }
    pic->lines = level ? pic->lines | bit : pic->lines & ~bit;
}

static void i8259_update(I8259 *s)
{
    bool output;

    pic_set_line(&s->pics[0], CASCADE, pic_request(&s->pics[1]) != NONE);
    output = pic_request(&s->pics[0]) != NONE;
    if (output != s->output) {
        s->output = output;
        irq_set(&s->intr, output);
    }
}

/* INTA for one chip: the level taken, or NONE. */
static unsigned pic_acknowledge(Pic *pic)
{
    unsigned level = pic_request(pic);

    if (level == NONE) {
        return NONE;
    }
    if (!pic->auto_eoi) {
        pic->isr |= 1 << level;
    } else if (pic->rotate_on_auto_eoi) {
        pic->lowest = (level + 1) & 7;
    }
    if (!(pic_level_inputs(pic) >> level & 1)) {
        pic->irr &= ~(1 << level);
    }
    return level;
}

/* @pic's request of @level is in service. */
static void i8259_taken(I8259 *s, const Pic *pic, unsigned level)
{
    i8259_update(s);
    if (s->taken && pic->master && level == 0) {
        s->taken(s->taken_opaque);
    }
}

void i8259_on_timer_taken(I8259 *s, void (*fn)(void *opaque), void *opaque)
{
    s->taken = fn;
    s->taken_opaque = opaque;
}

bool i8259_hears_timer(const I8259 *s)
{
    return !(s->pics[0].imr & 1);
}

int i8259_acknowledge(I8259 *s)
{
    Pic *pic = &s->pics[0];
    unsigned level = pic_acknowledge(pic);

    if (level == CASCADE) {
        pic = &s->pics[1];
        level = pic_acknowledge(pic);
    }
    i8259_taken(s, pic, level);
    return pic->base + (level == NONE ? SPURIOUS : level);
}

/* ---- those of the engine, if it has some: then ours have only the levels of the inputs ---- */

#define SIZE(type, member) sizeof(((type *)0)->member)
/* Of the same size, or this is no constant. */
#define SHARED(member)                                                                \
    {                                                                                 \
        offsetof(Pic, member), offsetof(AccelPic, member),                            \
            SIZE(Pic, member) / (SIZE(Pic, member) == SIZE(AccelPic, member) ? 1 : 0) \
    }

/* The registers that both have. */
static const struct Shared {
    size_t ours, engines, size;
} shared[] = {
    SHARED(irr),
    SHARED(isr),
    SHARED(imr),
    SHARED(elcr),
    SHARED(base),
    SHARED(lowest),
    SHARED(init_state),
    SHARED(icw4_wanted),
    SHARED(auto_eoi),
    SHARED(rotate_on_auto_eoi),
    SHARED(special_nested),
    SHARED(special_mask),
    SHARED(read_isr),
    SHARED(poll),
};

static void pic_fetch(Pic *pic, unsigned n)
{
    AccelPic regs;

    accel_chips()->get_pic(n, &regs);
    for (size_t i = 0; i < G_N_ELEMENTS(shared); i++) {
        memcpy((char *)pic + shared[i].ours, (const char *)&regs + shared[i].engines,
               shared[i].size);
    }
}

static void pic_store(const Pic *pic, unsigned n)
{
    AccelPic regs = { .lines = pic->lines };

    for (size_t i = 0; i < G_N_ELEMENTS(shared); i++) {
        memcpy((char *)&regs + shared[i].engines, (const char *)pic + shared[i].ours,
               shared[i].size);
    }
    accel_chips()->set_pic(n, &regs);
}

/* Our registers become the engine's. */
static void i8259_fetch(I8259 *s)
{
    for (unsigned n = 0; accel_chips() && n < 2; n++) {
        pic_fetch(&s->pics[n], n);
    }
    if (accel_chips()) {
        pic_set_line(&s->pics[0], CASCADE, pic_request(&s->pics[1]) != NONE);
        s->output = pic_request(&s->pics[0]) != NONE;
    }
}

static void i8259_set_irq(void *opaque, int n, int level)
{
    I8259 *s = opaque;
    Pic *pic = &s->pics[n >> 3];

    s->counts[n] += level && !(pic->lines >> (n & 7) & 1);
    if (accel_chips()) {
        pic->lines = level ? pic->lines | 1 << (n & 7) : pic->lines & ~(1 << (n & 7));
        accel_chips()->set_pic_pin(n, level);
        return;
    }
    pic_set_line(pic, n & 7, level != 0);
    i8259_update(s);
}

Irq i8259_irq(I8259 *s, unsigned n)
{
    return n < 16 ? irq_through(&s->in[n]) : (Irq){ 0 };
}

bool i8259_output(const I8259 *s)
{
    return s->output;
}

/* ---- registers ---- */

static void pic_clear(Pic *pic)
{
    uint8_t lines = pic->lines;

    *pic = (Pic){ .master = pic->master, .elcr = pic->elcr, .elcr_mask = pic->elcr_mask };
    pic->lines = lines;
}

static void pic_write_icw1(Pic *pic, uint8_t value)
{
    pic_clear(pic);
    pic->init_state = INIT_ICW2;
    pic->icw4_wanted = value & ICW1_IC4;
    pic->single = value & ICW1_SINGLE;
    pic->level_mode = value & ICW1_LEVEL;
    pic->irr = pic->lines & pic_level_inputs(pic);
}

/* End of interrupt and rotation: bit 0 is EOI, bit 1 means "this level", bit 2 is rotate. */
static void pic_write_ocw2(Pic *pic, uint8_t value)
{
    enum { EOI = 1, SPECIFIC = 2, ROTATE = 4 };
    unsigned cmd = value >> 5, level = value & 7;

    if (!(cmd & EOI)) {
        if (cmd == (ROTATE | SPECIFIC)) {
            pic->lowest = (level + 1) & 7;
        } else if (!(cmd & SPECIFIC)) {
            pic->rotate_on_auto_eoi = cmd & ROTATE;
        }
        return;
    }
    if (!(cmd & SPECIFIC)) {
        uint8_t in_service = pic->special_mask ? pic->isr & ~pic->imr : pic->isr;
        unsigned priority = pic_priority(pic, in_service);

        if (priority == NONE) {
            return;
        }
        level = pic_level(pic, priority);
    }
    pic->isr &= ~(1 << level);
    if (cmd & ROTATE) {
        pic->lowest = (level + 1) & 7;
    }
}

static void pic_write_ocw3(Pic *pic, uint8_t value)
{
    if (value & OCW3_POLL) {
        pic->poll = true;
    } else if (value & OCW3_READ) {
        pic->read_isr = value & OCW3_READ_ISR;
    }
    if (value & OCW3_SMM_ENABLE) {
        pic->special_mask = value & OCW3_SMM;
    }
}

static void pic_write_data(Pic *pic, uint8_t value)
{
    InitState after_icw3 = pic->icw4_wanted ? INIT_ICW4 : INIT_DONE;

    switch (pic->init_state) {
    case INIT_DONE:
        pic->imr = value;
        break;
    case INIT_ICW2:
        pic->base = value & 0xf8;
        pic->init_state = pic->single ? after_icw3 : INIT_ICW3;
        break;
    case INIT_ICW3: /* the cascade is wired */
        pic->init_state = after_icw3;
        break;
    case INIT_ICW4:
        pic->auto_eoi = value & ICW4_AEOI;
        pic->special_nested = value & ICW4_SFNM;
        pic->init_state = INIT_DONE;
        break;
    }
}

static void pic_write(I8259 *s, Pic *pic, hwaddr addr, uint8_t value)
{
    if (addr == 1) {
        pic_write_data(pic, value);
    } else if (value & ICW1) {
        pic_write_icw1(pic, value);
    } else if (value & OCW3) {
        pic_write_ocw3(pic, value);
    } else {
        pic_write_ocw2(pic, value);
    }
    i8259_update(s);
}

static uint8_t pic_read(I8259 *s, Pic *pic, hwaddr addr)
{
    if (pic->poll) {
        unsigned level = pic_acknowledge(pic);

        pic->poll = false;
        i8259_taken(s, pic, level);
        return level == NONE ? 0 : 0x80 | level;
    }
    if (addr == 1) {
        return pic->imr;
    }
    return pic->read_isr ? pic->isr : pic->irr;
}

static uint64_t i8259_master_read(void *opaque, hwaddr addr, unsigned size)
{
    I8259 *s = opaque;

    return pic_read(s, &s->pics[0], addr);
}

static void i8259_master_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8259 *s = opaque;

    pic_write(s, &s->pics[0], addr, value);
}

static uint64_t i8259_slave_read(void *opaque, hwaddr addr, unsigned size)
{
    I8259 *s = opaque;

    return pic_read(s, &s->pics[1], addr);
}

static void i8259_slave_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8259 *s = opaque;

    pic_write(s, &s->pics[1], addr, value);
}

static uint64_t i8259_elcr_read(void *opaque, hwaddr addr, unsigned size)
{
    I8259 *s = opaque;

    return s->pics[addr & 1].elcr;
}

static void i8259_elcr_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8259 *s = opaque;
    Pic *pic = &s->pics[addr & 1];
    uint8_t old = pic->elcr;

    pic->elcr = value & pic->elcr_mask;
    /* An input that became level-triggered requests by its level from now on. */
    pic->irr = (pic->irr & ~(pic->elcr & ~old)) | (pic->lines & pic->elcr);
    i8259_update(s);
}

static const MemoryRegionOps i8259_master_ops = { i8259_master_read, i8259_master_write, 1, 1 };
static const MemoryRegionOps i8259_slave_ops = { i8259_slave_read, i8259_slave_write, 1, 1 };
static const MemoryRegionOps i8259_elcr_ops = { i8259_elcr_read, i8259_elcr_write, 1, 1 };

/* ---- for monitors ---- */

void i8259_describe(I8259 *s, GString *out)
{
    i8259_fetch(s);
    for (unsigned i = 0; i < 2; i++) {
        const Pic *pic = &s->pics[i];

        g_string_append_printf(out,
                               "pic%u: irr=%02x imr=%02x isr=%02x lines=%02x hprio=%u "
                               "irq_base=%02x rr_sel=%d elcr=%02x fnm=%d\n",
                               i, pic->irr, pic->imr, pic->isr, pic->lines, pic->lowest, pic->base,
                               pic->read_isr, pic->elcr, pic->special_nested);
    }
}

const uint64_t *i8259_counts(const I8259 *s)
{
    return s->counts;
}

/* ---- the device ---- */

static void i8259_reset(Device *dev)
{
    I8259 *s = I8259_DEVICE(dev);

    for (unsigned i = 0; i < 2; i++) {
        pic_clear(&s->pics[i]);
        s->pics[i].elcr = 0;
    }
    i8259_update(s);
}

static void i8259_init(Object *obj)
{
    I8259 *s = I8259_DEVICE(obj);

    /* The timer, the keyboard, the cascade, the RTC and the FPU are always edge-triggered. */
    s->pics[0] = (Pic){ .master = true, .elcr_mask = 0xf8 };
    s->pics[1] = (Pic){ .elcr_mask = 0xde };
    for (int n = 0; n < 16; n++) {
        s->in[n] = (Irq){ n == CASCADE ? NULL : i8259_set_irq, s, n };
    }
}

static const StateField pic_fields[] = {
    STATE_UINT(Pic, lines),
    STATE_UINT(Pic, irr),
    STATE_UINT(Pic, isr),
    STATE_UINT(Pic, imr),
    STATE_UINT(Pic, elcr),
    STATE_UINT(Pic, base),
    STATE_UINT_MAX(Pic, lowest, 7),
    STATE_UINT_MAX(Pic, init_state, INIT_ICW4),
    STATE_BOOL(Pic, icw4_wanted),
    STATE_BOOL(Pic, single),
    STATE_BOOL(Pic, level_mode),
    STATE_BOOL(Pic, auto_eoi),
    STATE_BOOL(Pic, rotate_on_auto_eoi),
    STATE_BOOL(Pic, special_nested),
    STATE_BOOL(Pic, special_mask),
    STATE_BOOL(Pic, read_isr),
    STATE_BOOL(Pic, poll),
    {},
};
static const StateTable pic_state = { .name = "i8259-chip", .version = 1, .fields = pic_fields };

static const StateField i8259_fields[] = {
    STATE_STRUCTS(I8259, pics, &pic_state),
    STATE_UINTS(I8259, counts),
    STATE_BOOL(I8259, output),
    {},
};

static void i8259_pre_save(void *obj)
{
    i8259_fetch(obj);
}

/* What is behind the output has not seen it: it would wait for the next edge, which may never come.
 */
static bool i8259_loaded(void *obj, GError **errp)
{
    I8259 *s = obj;

    if (!accel_chips()) {
        irq_set(&s->intr, s->output);
    }
    /* The slave first: the master is told of it when it is there. */
    for (unsigned n = 2; accel_chips() && n-- > 0;) {
        pic_store(&s->pics[n], n);
    }
    return true;
}

static const StateTable i8259_state = {
    .name = "i8259",
    .version = 1,
    .fields = i8259_fields,
    .pre_save = i8259_pre_save,
    .post_load = i8259_loaded,
};

static const DeviceClass i8259_device_ops = {
    .category = "misc",
    .reset = i8259_reset,
    .state = &i8259_state,
};

static const ObjectType i8259_type = {
    .name = TYPE_I8259,
    .parent = TYPE_DEVICE,
    .description = "Pair of 8259A interrupt controllers",
    .instance_size = sizeof(I8259),
    .ops = &i8259_device_ops,
    .init = i8259_init,
};
OBJECT_TYPE_REGISTER(i8259_type)

static const IrqLines i8259_lines[] = {
    { .type = TYPE_I8259, .offset = offsetof(I8259, in), .count = 16 },
    { .type = TYPE_I8259, .out = true, .offset = offsetof(I8259, intr), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(i8259_lines)

I8259 *i8259_create(MemoryRegion *io, Irq intr)
{
    I8259 *s = I8259_DEVICE(device_new_onboard(TYPE_I8259));

    s->intr = intr;
    memory_region_init_io(&s->ports[0], &i8259_master_ops, s, "pic", 2);
    memory_region_init_io(&s->ports[1], &i8259_slave_ops, s, "pic", 2);
    memory_region_init_io(&s->elcr, &i8259_elcr_ops, s, "elcr", 2);
    device_map(&s->parent, io, 0x20, &s->ports[0], 0);
    device_map(&s->parent, io, 0xa0, &s->ports[1], 0);
    device_map(&s->parent, io, 0x4d0, &s->elcr, 0);
    device_realize(&s->parent, NULL);
    return s;
}
