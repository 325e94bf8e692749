/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's half of a hot-plug and of an unplug, by the registers themselves
 * (docs/memory-hotplug-registers.md): no AML. Runs until a DIMM comes into the last slot and goes.
 *
 * With the option "touch", a DIMM's first and last page are written and read, and read again when
 * it is gone; that needs paging, since DIMMs lie above 4 GiB.
 */
#include "high-memory.h"
#include "runtime.h"

#define SCI_VECTOR 0x59
#define SCI_PIN    (0x10 + 2 * 9)
#define BLOCK      0xa00
#define NO_SLOT    0xffffffffu
#define PAGE       0x1000u

enum {
    FLAG_ENABLED = 1,
    FLAG_INSERT = 2,
    FLAG_REMOVE = 4,
    FLAG_EJECT = 8,

    OST_INSERT = 1,
    OST_EJECT_REQUEST = 3,
    OST_SUCCESS = 0,
    OST_IN_PROGRESS = 0x84,
};

static bool touch;
static bool quiet; /* says nothing of each DIMM: for many of them */
static volatile unsigned scis;
static uint16_t gpe_status, gpe_enable;

static void on_sci(Frame *frame)
{
    (void)frame;
    scis++;
    /* Level-triggered, and the status holds until the events are taken, which is done later: not
     * again before that. */
    out8(gpe_enable, 0);
    apic_write(APIC_EOI, 0);
}

static void enable_sci(void)
{
    gpe_status = option("q35") ? 0x620 : 0xafe0;
    gpe_enable = option("q35") ? 0x628 : 0xafe2;
    pic_init(); /* all masked: interrupt 9 goes there as well */
    apic_enable();
    handlers[SCI_VECTOR] = on_sci;
    ioapic_write(SCI_PIN + 1, apic_read(APIC_ID));
    ioapic_write(SCI_PIN, 0x8000 | SCI_VECTOR); /* level, active high */
    out8(gpe_status, 0xff);
    out8(gpe_enable, 1 << 3);
}

static uint64_t read64(uint16_t port)
{
    return in32(port) | (uint64_t)in32(port + 4) << 32;
}

static void ost(uint32_t event, uint32_t status)
{
    out32(BLOCK + 4, event);
    out32(BLOCK + 8, status);
}

static void say(bool ok, const char *what)
{
    if (!ok || !quiet) {
        check(ok, what);
    }
}

static bool all_ones(uint64_t address)
{
    return *(volatile uint32_t *)high_map(address) == 0xffffffff;
}

static void inserted(uint32_t slot)
{
    uint64_t base = read64(BLOCK), size = read64(BLOCK + 8);

    if (!quiet) {
        print("slot %u: %u MiB at %x MiB, node %u\n", slot, (unsigned)(size >> 20),
              (unsigned)(base >> 20), in32(BLOCK + 0x10));
    }
    say(in8(BLOCK + 0x14) & FLAG_ENABLED, "the DIMM is enabled");
    out8(BLOCK + 0x14, FLAG_INSERT);
    say(!(in8(BLOCK + 0x14) & FLAG_INSERT), "the insert event is cleared");
    if (touch) {
        uint64_t last = base + size - PAGE;

        *(volatile uint32_t *)high_map(base) = 0x11111111;
        *(volatile uint32_t *)high_map(last) = 0x22222222;
        say(*(volatile uint32_t *)high_map(base) == 0x11111111, "its first page");
        say(*(volatile uint32_t *)high_map(last) == 0x22222222, "its last page");
    }
    ost(OST_INSERT, OST_SUCCESS);
}

static void removed(uint32_t slot)
{
    uint64_t base = read64(BLOCK), size = read64(BLOCK + 8);

    if (!quiet) {
        print("slot %u: asked to go\n", slot);
    }
    out8(BLOCK + 0x14, FLAG_REMOVE);
    ost(OST_EJECT_REQUEST, OST_IN_PROGRESS);
    out8(BLOCK + 0x14, FLAG_EJECT);
    say(in8(BLOCK + 0x14) == 0, "the slot is empty");
    say(read64(BLOCK + 8) == 0, "its size is 0");
    if (touch) {
        say(all_ones(base), "its first page is gone");
        say(all_ones(base + size - PAGE), "its last page is gone");
    }
    ost(OST_EJECT_REQUEST, OST_SUCCESS);
}

void guest_main(void)
{
    uint32_t slots = in16(BLOCK + 0x1c), slot;
    bool ended = false;

    touch = option("touch");
    quiet = option("quiet");
    if (touch) {
        paging_enable();
    }
    print("%u slots\n", slots);
    check_equal(in32(BLOCK + 0x18), NO_SLOT, "no event yet");
    enable_sci();
    print("ready\n");
    while (!ended) {
        unsigned before = scis;

        while (scis == before) {
            irq_wait();
        }
        while ((slot = in32(BLOCK + 0x18)) != NO_SLOT) {
            uint8_t flags;

            out32(BLOCK, slot);
            flags = in8(BLOCK + 0x14);
            if (flags & FLAG_INSERT) {
                inserted(slot);
            } else {
                removed(slot);
                ended |= slot == slots - 1;
            }
        }
        out8(gpe_status, 1 << 3);
        out8(gpe_enable, 1 << 3); /* an event that came meanwhile interrupts at once */
    }
}
