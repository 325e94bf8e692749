/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's own string instructions, for runs of elements whose places in memory are known. They
 * do one element after the other in the given direction, as the guest's do, so that runs that
 * overlap come out the same. Pointers are to the element that comes first; @down: to lower
 * addresses.
 */
#ifndef ACCEL_SOFT_HOST_STRING_H
#define ACCEL_SOFT_HOST_STRING_H

#include <stdbool.h>
#include <stdint.h>

#include "accel/soft/flags.h"

/* @up or @down_ first, then the instruction with its operands; DF is 0 in C code. */
#define HOST_STRING(insn, ...)                                      \
    do {                                                            \
        if (down) {                                                 \
            __asm__ volatile("std\n\t" insn "\n\tcld" __VA_ARGS__); \
        } else {                                                    \
            __asm__ volatile(insn __VA_ARGS__);                     \
        }                                                           \
    } while (0)

#define DEFINE_HOST_STRING(bits, suffix)                                                        \
    static inline void host_movs##bits(void *to, const void *from, uint64_t count, bool down)   \
    {                                                                                           \
        HOST_STRING("rep movs" suffix, : "+D"(to), "+S"(from), "+c"(count) : : "memory", "cc"); \
    }                                                                                           \
    static inline void host_stos##bits(void *to, uint64_t value, uint64_t count, bool down)     \
    {                                                                                           \
        HOST_STRING("rep stos" suffix, : "+D"(to), "+c"(count) : "a"(value) : "memory", "cc");  \
    }                                                                                           \
    /* REPE or (@unequal) REPNE CMPS; how many were compared, at least 1. */                    \
    static inline uint64_t host_cmps##bits(const void *a, const void *b, uint64_t count,        \
                                           bool unequal, bool down, uint16_t *ax)               \
    {                                                                                           \
        uint64_t left = count;                                                                  \
        uint16_t f;                                                                             \
        if (unequal) {                                                                          \
            HOST_STRING("repne cmps" suffix SOFT_ASM_SAVE,                                      \
                        : "+S"(a), "+D"(b), "+c"(left), "=a"(f)                                 \
                        :                                                                       \
                        : "memory", "cc");                                                      \
        } else {                                                                                \
            HOST_STRING("repe cmps" suffix SOFT_ASM_SAVE,                                       \
                        : "+S"(a), "+D"(b), "+c"(left), "=a"(f)                                 \
                        :                                                                       \
                        : "memory", "cc");                                                      \
        }                                                                                       \
        *ax = f;                                                                                \
        return count - left;                                                                    \
    }                                                                                           \
    /* The same for SCAS with @value. */                                                        \
    static inline uint64_t host_scas##bits(uint64_t value, const void *b, uint64_t count,       \
                                           bool unequal, bool down, uint16_t *ax)               \
    {                                                                                           \
        uint64_t left = count;                                                                  \
        if (unequal) {                                                                          \
            HOST_STRING("repne scas" suffix SOFT_ASM_SAVE,                                      \
                        : "+a"(value), "+D"(b), "+c"(left)                                      \
                        :                                                                       \
                        : "memory", "cc");                                                      \
        } else {                                                                                \
            HOST_STRING("repe scas" suffix SOFT_ASM_SAVE,                                       \
                        : "+a"(value), "+D"(b), "+c"(left)                                      \
                        :                                                                       \
                        : "memory", "cc");                                                      \
        }                                                                                       \
        *ax = (uint16_t)value;                                                                  \
        return count - left;                                                                    \
    }

DEFINE_HOST_STRING(8, "b")
DEFINE_HOST_STRING(16, "w")
DEFINE_HOST_STRING(32, "l")
DEFINE_HOST_STRING(64, "q")

#undef DEFINE_HOST_STRING
#undef HOST_STRING

#endif
