/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "runtime.h"

#include <stdarg.h>

#define PM_TIMER_PORT 0x608
#define PM_TIMER_HZ   3579545u

/* Not in any part of the program, so that loading it again leaves it alone. */
#define BOOT_MAGIC ((volatile uint32_t *)0x70000)

Handler *handlers[256];
static unsigned failures;
static const char *command_line = "";

extern const uint8_t vectors[256][16];

void *memcpy(void *to, const void *from, unsigned len);
void *memset(void *to, int byte, unsigned len);
void runtime_main(const uint32_t *start_info);
void runtime_interrupt(Frame *frame);

void *memcpy(void *to, const void *from, unsigned len)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    while (len--) {
        *t++ = *f++;
    }
    return to;
}

void *memset(void *to, int byte, unsigned len)
{
    uint8_t *t = to;

    while (len--) {
        *t++ = (uint8_t)byte;
    }
    return to;
}

/* ---- output ---- */

static void put_text(const char *text)
{
    while (*text) {
        out8(DEBUG_PORT, (uint8_t)*text++);
    }
}

static void put_number(uint32_t value, unsigned base)
{
    char digits[12];
    unsigned at = sizeof digits;

    digits[--at] = 0;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    put_text(digits + at);
}

void print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (; *format; format++) {
        if (*format != '%') {
            out8(DEBUG_PORT, (uint8_t)*format);
            continue;
        }
        format++;
        if (*format == 's') {
            put_text(va_arg(args, const char *));
        } else if (*format == 'x') {
            put_text("0x");
            put_number(va_arg(args, uint32_t), 16);
        } else {
            put_number(va_arg(args, uint32_t), 10);
        }
    }
    va_end(args);
}

void check(bool ok, const char *what)
{
    print("%s %s\n", ok ? "ok" : "FAILED", what);
    failures += !ok;
}

void check_equal(uint32_t found, uint32_t wanted, const char *what)
{
    check(found == wanted, what);
    if (found != wanted) {
        print("  found %x, wanted %x\n", found, wanted);
    }
}

void finish(void)
{
    print("end, %u failures\n", failures);
    out8(EXIT_PORT, failures != 0);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* ---- start ---- */

bool option(const char *word)
{
    const char *at = command_line;

    while (*at) {
        const char *w = word;

        while (*w && *at == *w) {
            w++;
            at++;
        }
        if (!*w && (*at == ' ' || !*at)) {
            return true;
        }
        while (*at && *at++ != ' ') {
        }
    }
    return false;
}

unsigned boot_count(void)
{
    return BOOT_MAGIC[1];
}

static void count_boot(void)
{
    if (BOOT_MAGIC[0] != 0x424f4f54) {
        BOOT_MAGIC[0] = 0x424f4f54;
        BOOT_MAGIC[1] = 0;
    }
    BOOT_MAGIC[1]++;
}

static void idt_load(void)
{
    static uint64_t idt[256];
    static struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) idtr = { sizeof idt - 1, 0 };

    for (unsigned i = 0; i < 256; i++) {
        uint32_t entry = (uint32_t)vectors[i];

        /* An interrupt gate, present, for code segment 8 (SDM volume 3, figure 6-2). */
        idt[i] = (entry & 0xffff) | 8u << 16 | (uint64_t)(entry & 0xffff0000) << 32 |
                 UINT64_C(0x8e00) << 32;
    }
    idtr.base = (uint32_t)idt;
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

void runtime_main(const uint32_t *start_info)
{
    /* hvm_start_info: its command line is at 24. */
    if (start_info[0] == 0x336ec578 && start_info[6]) {
        command_line = (const char *)start_info[6];
    }
    count_boot();
    idt_load();
    guest_main();
    finish();
}

void runtime_interrupt(Frame *frame)
{
    Handler *handler = handlers[frame->vector & 0xff];

    if (!handler) {
        print("unexpected vector %x, error %x, at %x\n", frame->vector, frame->error, frame->eip);
        failures++;
        finish();
    }
    handler(frame);
}

/* ---- time ---- */

uint64_t pm_ns(void)
{
    static uint32_t last;
    static uint64_t ticks;
    uint32_t now = in32(PM_TIMER_PORT);

    ticks += now - last;
    last = now;
    /* 1e9 / 3579545 = 279.365 ns; in two steps, so that there is no 64-bit division */
    return ticks * 279 + ticks / 1024 * 374;
}

void wait_ms(unsigned ms)
{
    uint64_t end = pm_ns() + ms * UINT64_C(1000000);

    while (pm_ns() < end) {
        __asm__ volatile("pause");
    }
}

/* ---- chips ---- */

void pic_init(void)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } writes[] = {
        { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 4 }, { 0x21, 1 }, /* master: vectors from 0x20 */
        { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 2 }, { 0xa1, 1 }, /* slave: from 0x28 */
    };

    for (unsigned i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        out8(writes[i].port, writes[i].value);
    }
    pic_mask_all();
}

void pic_mask_all(void)
{
    out8(0x21, 0xff);
    out8(0xa1, 0xff);
}

void pic_unmask(unsigned irq)
{
    if (irq >= 8) {
        out8(0xa1, in8(0xa1) & ~(1 << (irq - 8)));
        irq = 2; /* the cascade */
    }
    out8(0x21, in8(0x21) & ~(1 << irq));
}

void pic_eoi(unsigned irq)
{
    if (irq >= 8) {
        out8(0xa0, 0x20);
    }
    out8(0x20, 0x20);
}

void apic_enable(void)
{
    apic_write(APIC_SVR, 0x1ff);
}

uint32_t ioapic_read(unsigned reg)
{
    MMIO32(IOAPIC) = reg;
    return MMIO32(IOAPIC + 0x10);
}

void ioapic_write(unsigned reg, uint32_t value)
{
    MMIO32(IOAPIC) = reg;
    MMIO32(IOAPIC + 0x10) = value;
}

void pit_periodic(unsigned hz)
{
    unsigned count = PIT_HZ / hz;

    out8(0x43, 0x34);
    out8(0x40, (uint8_t)count);
    out8(0x40, (uint8_t)(count >> 8));
}
