/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The four ways to reset the machine; memory keeps the count of the boots. */
#include "runtime.h"

static void triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) none = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

void guest_main(void)
{
    print("boot %u\n", boot_count());
    switch (boot_count()) {
    case 1:
        out8(0xcf9, 0x02);
        out8(0xcf9, 0x06); /* reset control register */
        break;
    case 2:
        out8(0x64, 0xfe); /* keyboard controller: pulse the reset line */
        break;
    case 3:
        out8(0x92, 0x01); /* port 92: fast reset */
        break;
    case 4:
        triple_fault();
        break;
    default:
        check_equal(boot_count(), 5, "four resets");
        return;
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
