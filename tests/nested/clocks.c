/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's clocks at one time each second: "clocks SAMPLES". A line a sample: for each clock its
 * count, and how many nanoseconds may have passed between that and the line's TSC.
 * It needs root, and iomem=relaxed on the kernel's command line for the HPET. Linked statically,
 * for an initramfs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define HPET_ADDR    0xfed00000
#define HPET_COUNTER 0xf0
#define PM_TIMER     0x608

static volatile uint32_t *hpet;

static uint64_t read_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t read_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC_RAW);
}

static uint64_t read_hpet(void)
{
    return hpet[HPET_COUNTER / 4];
}

static uint64_t read_pm_timer(void)
{
    return inl(PM_TIMER) & 0xffffff;
}

static const struct {
    const char *name;
    uint64_t (*read)(void);
} clocks[] = {
    { "monotonic", read_monotonic },
    { "hpet", read_hpet },
    { "pm", read_pm_timer },
};

/* The read around which the least time passed: who is interrupted by the host tries again. */
static void sample(const char *name, uint64_t (*read)(void))
{
    uint64_t best = UINT64_MAX, tsc = 0, count = 0;

    for (int i = 0; i < 50; i++) {
        uint64_t before = __rdtsc(), value = read(), after = __rdtsc();

        if (after - before < best) {
            best = after - before;
            tsc = before + best / 2;
            count = value;
        }
    }
    printf(" %s=%" PRIu64 "@%" PRIu64 "+%" PRIu64, name, count, tsc, best);
}

int main(int argc, char **argv)
{
    int memory = open("/dev/mem", O_RDWR | O_SYNC);
    void *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, memory, HPET_ADDR);

    if (memory < 0 || page == MAP_FAILED || iopl(3)) {
        perror("/dev/mem, iopl");
        return 1;
    }
    hpet = page;
    for (int n = argc > 1 ? atoi(argv[1]) : 1; n > 0; n--) {
        for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
            sample(clocks[i].name, clocks[i].read);
        }
        printf("\n");
        fflush(stdout);
        if (n > 1) {
            sleep(1);
        }
    }
    return 0;
}
