/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small programs that show what an engine is good at: `programs NAME` runs one. They are run in the
 * guest and on the host (programs.py), so they depend on nothing but the C library.
 */
#include <inttypes.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t integer(void)
{
    uint64_t x = 88172645463325252, sum = 0;
    for (unsigned i = 0; i < 120000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        sum += x % 3 == 0 ? x * 5 : x >> 3;
    }
    return sum;
}

static uint64_t sieve(void)
{
    static uint8_t composite[4 << 20];
    uint64_t count = 0;
    for (unsigned round = 0; round < 14; round++) {
        memset(composite, 0, sizeof(composite));
        for (unsigned i = 2; i < sizeof(composite); i++) {
            if (!composite[i]) {
                count++;
                for (uint64_t k = (uint64_t)i * i; k < sizeof(composite); k += i) {
                    composite[k] = 1;
                }
            }
        }
    }
    return count;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t sort(void)
{
    static uint32_t values[500000];
    uint64_t sum = 0;
    uint32_t x = 12345;
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            values[i] = x = x * 1664525 + 1013904223;
        }
        qsort(values, sizeof(values) / sizeof(values[0]), sizeof(values[0]), compare);
        sum += values[1000];
    }
    return sum;
}

static uint64_t floating(void)
{
    static double a[128][128], b[128][128], c[128][128];
    double sum = 0;
    for (unsigned i = 0; i < 128; i++) {
        for (unsigned j = 0; j < 128; j++) {
            a[i][j] = i + j * 0.5;
            b[i][j] = i * 0.25 - j;
        }
    }
    for (unsigned round = 0; round < 120; round++) {
        for (unsigned i = 0; i < 128; i++) {
            for (unsigned j = 0; j < 128; j++) {
                double dot = 0;
                for (unsigned k = 0; k < 128; k++) {
                    dot += a[i][k] * b[k][j];
                }
                c[i][j] = dot / (1.0 + i);
            }
        }
        sum += c[round][round];
    }
    return (uint64_t)(int64_t)sum;
}

static uint64_t memory(void)
{
    static uint8_t from[1 << 20], to[1 << 20];
    uint64_t sum = 0;
    for (unsigned i = 0; i < 3500; i++) {
        memset(from, (int)i, sizeof(from));
        memcpy(to, from, sizeof(to));
        sum += to[i];
    }
    return sum;
}

static uint64_t calls(void)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < 1500000; i++) {
        sum += (uint64_t)syscall(SYS_getppid);
    }
    return sum;
}

static uint64_t faults(void)
{
    uint64_t sum = 0;
    for (unsigned round = 0; round < 10; round++) {
        size_t size = 32 << 20;
        uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t at = 0; at < size; at += 4096) {
            p[at] = 1;
            sum += p[at + 8];
        }
        munmap(p, size);
    }
    return sum;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        uint64_t (*run)(void);
    } programs[] = {
        { "integer", integer }, { "sieve", sieve }, { "sort", sort },     { "float", floating },
        { "memory", memory },   { "calls", calls }, { "faults", faults },
    };
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (argc == 2 && strcmp(argv[1], programs[i].name) == 0) {
            printf("%" PRIu64 "\n", programs[i].run());
            return 0;
        }
    }
    fprintf(stderr, "usage: programs integer|sieve|sort|float|memory|calls|faults\n");
    return 1;
}
