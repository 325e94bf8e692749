/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports and memory-mapped registers: every size, every alignment, and string instructions. */
#include "runtime.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define UNASSIGNED  0x5670
#define HOLE        0xfd000000u /* in the PCI window, where no function has a BAR */
#define CMOS_INDEX  0x70
#define CMOS_DATA   0x71

static uint32_t bytes_at(uint16_t port, unsigned count)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < count; i++) {
        value |= (uint32_t)in8(port + i) << (8 * i);
    }
    return value;
}

static void port_sizes(void)
{
    uint32_t whole;

    out32(PCI_ADDRESS, 0x80000000);
    check_equal(in32(PCI_ADDRESS), 0x80000000, "dword register keeps its value");
    whole = in32(PCI_DATA);
    check_equal(whole & 0xffff, 0x8086, "host bridge: vendor");
    check_equal(bytes_at(PCI_DATA, 4), whole, "a dword is its four bytes");
    check_equal(in16(PCI_DATA) | (uint32_t)in16(PCI_DATA + 2) << 16, whole,
                "a dword is its two words");
    check_equal(in16(PCI_DATA + 1), whole >> 8 & 0xffff, "a word at an odd port");

    /* The bytes of a write, too: the interrupt line register takes any value. */
    out32(PCI_ADDRESS, 0x8000003c);
    out32(PCI_DATA, 0);
    out8(PCI_DATA, 0x5a);
    check_equal(in8(PCI_DATA) == 0x5a || in8(PCI_DATA) == 0, true,
                "a byte is written or read-only");

    check_equal(in8(UNASSIGNED), 0xff, "no device: byte");
    check_equal(in16(UNASSIGNED), 0xffff, "no device: word");
    check_equal(in32(UNASSIGNED), 0xffffffff, "no device: dword");
    out8(UNASSIGNED, 1);
    out16(UNASSIGNED, 1);
    out32(UNASSIGNED, 1);
    check_equal(in32(UNASSIGNED + 1), 0xffffffff, "no device: an unaligned dword");
    check_equal(in16(0xffff) >> 8, 0xff, "the last port, and the one behind it");
}

static void mmio_sizes(void)
{
    uint32_t version = ioapic_read(1);

    check_equal(version >> 16 & 0xff, 23, "I/O APIC: 24 pins");
    MMIO8(IOAPIC) = 1;
    check_equal(MMIO32(IOAPIC + 0x10), version, "I/O APIC: index written as a byte");
    ioapic_write(0x10 + 2 * 5, 0x10000 | 0x77);
    check_equal(ioapic_read(0x10 + 2 * 5), 0x10077, "I/O APIC: a pin keeps what is written");
    check_equal(MMIO32(HOLE), 0xffffffff, "nothing there: dword");
    check_equal(MMIO16(HOLE + 2), 0xffff, "nothing there: word");
    check_equal(MMIO8(HOLE + 5), 0xff, "nothing there: byte");
    check_equal(MMIO32(HOLE + 0xffe), 0xffffffff, "nothing there: across a page");
    MMIO32(HOLE) = 0;
    MMIO16(HOLE + 1) = 0;
    MMIO8(HOLE) = 0;
    check_equal(MMIO32(HOLE), 0xffffffff, "nothing there: writes are dropped");
    /* Read, change and write in one instruction; a register as the other operand. */
    ioapic_write(0x10 + 2 * 6, 0x10000);
    __asm__ volatile("orl $0x33, %0" : "+m"(MMIO32(IOAPIC + 0x10)));
    check_equal(ioapic_read(0x10 + 2 * 6), 0x10033, "or with a register in memory");
    __asm__ volatile("addl %1, %0" : "+m"(MMIO32(IOAPIC + 0x10)) : "r"(0x11));
    check_equal(ioapic_read(0x10 + 2 * 6), 0x10044, "add to a register in memory");
    uint32_t value = 0x10055;
    __asm__ volatile("xchgl %0, %1" : "+r"(value), "+m"(MMIO32(IOAPIC + 0x10)));
    check_equal(value, 0x10044, "exchange with a register in memory: old");
    check_equal(ioapic_read(0x10 + 2 * 6), 0x10055, "exchange with a register in memory: new");
}

static void string_ports(void)
{
    static const char text[] = "written with one instruction\n";
    const char *from = text;
    uint32_t left = sizeof text - 1;
    uint8_t seconds[4] = { 0, 0, 0, 0 };
    uint32_t dwords[3] = { 1, 2, 3 };
    void *to;

    __asm__ volatile("rep outsb" : "+S"(from), "+c"(left) : "d"(DEBUG_PORT) : "memory");
    check_equal(left, 0, "rep outsb: count");
    check_equal(from == text + sizeof text - 1, true, "rep outsb: address");

    out8(CMOS_INDEX, 0x0d); /* register D: valid RAM, always 0x80 */
    to = seconds;
    left = 3;
    __asm__ volatile("rep insb" : "+D"(to), "+c"(left) : "d"(CMOS_DATA) : "memory");
    check(seconds[0] == 0x80 && seconds[1] == 0x80 && seconds[2] == 0x80 && seconds[3] == 0,
          "rep insb: bytes");

    out32(PCI_ADDRESS, 0x80000000);
    to = &dwords[2];
    left = 2;
    __asm__ volatile("std; rep insl; cld" : "+D"(to), "+c"(left) : "d"(PCI_DATA) : "memory");
    check(dwords[0] == 1 && dwords[1] == in32(PCI_DATA) && dwords[2] == dwords[1],
          "rep insl: downwards");
    check(to == &dwords[0], "rep insl: address");

    to = dwords;
    left = 0;
    __asm__ volatile("rep insw" : "+D"(to), "+c"(left) : "d"(UNASSIGNED) : "memory");
    check(dwords[0] == 1 && to == dwords, "rep insw: a count of none");
    __asm__ volatile("insw" : "+D"(to) : "d"(UNASSIGNED) : "memory");
    check_equal(dwords[0], 0xffff, "insw");
}

static void string_mmio(void)
{
    uint32_t found[4] = { 0, 0, 0, 0 };
    const void *from = (const void *)HOLE;
    void *to = found;
    uint32_t left = 3;

    __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(left) : : "memory");
    check(found[0] == 0xffffffff && found[2] == 0xffffffff && found[3] == 0,
          "rep movsl from where nothing is");
    to = (void *)HOLE;
    left = 5;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(left) : "a"(0) : "memory");
    check(left == 0 && to == (void *)(HOLE + 5), "rep stosb to where nothing is");
}

void guest_main(void)
{
    port_sizes();
    mmio_sizes();
    string_ports();
    string_mmio();
}
