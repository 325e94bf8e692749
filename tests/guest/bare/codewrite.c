/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes for ever where another processor has run code and sleeps for good: its own stores with
 * "store", fw_cfg's DMA with "dma". The program must not grow (test_bare.py). */
#include "ap.h"

#define FW_CFG_DMA_HIGH 0x514
#define FW_CFG_DMA_LOW  0x518

static uint8_t stack[AP_STACK_SIZE] __attribute__((aligned(16)));
static uint8_t code[0x20000] __attribute__((aligned(4096)));
static volatile uint32_t ap_up;

void ap_main(void)
{
    ap_up = 1;
    ((void (*)(void))code)();
}

static uint32_t big_endian(uint32_t value)
{
    return __builtin_bswap32(value);
}

/* Zeroes to all of the pages, from a key that has nothing. */
static void dma(void)
{
    static struct {
        uint32_t control, length, high, low;
    } __attribute__((aligned(16))) request;

    request.control = big_endian(2); /* read */
    request.length = big_endian(sizeof code);
    request.high = 0;
    request.low = big_endian((uint32_t)code);
    __asm__ volatile("" : : : "memory");
    out32(FW_CFG_DMA_HIGH, 0);
    out32(FW_CFG_DMA_LOW, big_endian((uint32_t)&request));
}

static void store(void)
{
    for (unsigned i = 0; i < 100000; i++) {
        ((volatile uint8_t *)code)[16 + i % 8] = (uint8_t)i;
    }
}

void guest_main(void)
{
    static const uint8_t halt_for_good[] = { 0xfa, 0xf4, 0xeb, 0xfc }; /* cli; hlt; jmp to hlt */

    for (unsigned i = 0; i < sizeof halt_for_good; i++) {
        ((volatile uint8_t *)code)[i] = halt_for_good[i];
    }
    apic_enable();
    ap_start_processor(1, stack);
    while (!ap_up) {
        __asm__ volatile("pause");
    }
    wait_ms(20);
    print("writing\n");
    for (;;) {
        if (option("dma")) {
            dma();
        } else {
            store();
        }
    }
}
