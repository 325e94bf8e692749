/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the bare-metal guests have instead of a C library. A guest defines guest_main(); what it
 * prints goes to port 0xe9 and must be the same with every engine, so it says what was found and
 * never how long it took.
 */
#ifndef BARE_RUNTIME_H
#define BARE_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#define DEBUG_PORT 0xe9
#define EXIT_PORT  0xf4

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t in16(uint16_t port)
{
    uint16_t value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

#define MMIO8(addr)  (*(volatile uint8_t *)(addr))
#define MMIO16(addr) (*(volatile uint16_t *)(addr))
#define MMIO32(addr) (*(volatile uint32_t *)(addr))

static inline void irq_enable(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void irq_disable(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* Wait for an interrupt; interrupts are off before and after. */
static inline void irq_wait(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Let interrupts that are there come; off before and after. A KVM that emulates looks for them only
 * when it is entered, as after an access to a port, and not in a window of one instruction. */
static inline void irq_window(void)
{
    irq_enable();
    for (unsigned i = 0; i < 100; i++) {
        __asm__ volatile("pause");
    }
    (void)in8(0x61);
    __asm__ volatile("pause; pause");
    irq_disable();
}

typedef struct Frame {
    uint32_t edi, esi, ebp, esp, ebx, edx, ecx, eax; /* pusha */
    uint32_t vector, error, eip, cs, eflags;
} Frame;

/* By vector; without one the guest reports the vector and fails. */
typedef void Handler(Frame *frame);
extern Handler *handlers[256];

/* %d, %u, %x (with 0x), %s. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line "ok WHAT" or "FAILED WHAT"; a failure makes finish() report it. */
void check(bool ok, const char *what);
/* As check(found == wanted), and shows both if they differ. */
void check_equal(uint32_t found, uint32_t wanted, const char *what);
/* Ends the program: status 1 (the 0 of isa-debug-exit), or 3 after a failure. */
void finish(void) __attribute__((noreturn));

/* Whether the word is on the command line. */
bool option(const char *word);

/* Number of the boots since the machine started, 1 for the first; memory keeps it over a reset. */
unsigned boot_count(void);

/* Nanoseconds by the ACPI PM timer since some time ago; wraps after 20 minutes. */
uint64_t pm_ns(void);
/* Waits, with interrupts as they are. */
void wait_ms(unsigned ms);

void guest_main(void);

/* ---- 8259s at vectors 0x20 and 0x28, all masked ---- */

#define PIC_VECTOR(irq) (0x20 + (irq))
void pic_init(void);
void pic_unmask(unsigned irq);
void pic_mask_all(void);
void pic_eoi(unsigned irq);

/* ---- local APIC and I/O APIC ---- */

#define APIC   0xfee00000u
#define IOAPIC 0xfec00000u

enum {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SVR = 0xf0,
    APIC_ISR = 0x100,
    APIC_IRR = 0x200,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
};

static inline uint32_t apic_read(unsigned reg)
{
    return MMIO32(APIC + reg);
}

static inline void apic_write(unsigned reg, uint32_t value)
{
    MMIO32(APIC + reg) = value;
}

void apic_enable(void); /* spurious vector 0xff */
uint32_t ioapic_read(unsigned reg);
void ioapic_write(unsigned reg, uint32_t value);

/* ---- the 8254 ---- */

#define PIT_HZ 1193182
void pit_periodic(unsigned hz); /* counter 0, mode 2 */

#endif
