/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic with the host's own instructions: each function returns the result and, where it is
 * given
 * @ax, updates the flags there (flags.h). One per operation and width: soft_add8 ... soft_xor64.
 */
#ifndef ACCEL_SOFT_ALU_OPS_H
#define ACCEL_SOFT_ALU_OPS_H

#include "accel/soft/flags.h"

#define SOFT_INLINE static inline __attribute__((always_inline))

/* All flags are written, none is read. */
#define DEFINE_BINARY(name, insn, bits)                                                            \
    SOFT_INLINE uint##bits##_t soft_##name##bits(uint##bits##_t a, uint##bits##_t b, uint16_t *ax) \
    {                                                                                              \
        uint16_t f;                                                                                \
        __asm__(insn " %[b], %[a]" SOFT_ASM_SAVE : [a] "+r"(a), "=a"(f) : [b] "r"(b) : "cc");      \
        *ax = f;                                                                                   \
        return a;                                                                                  \
    }
/* CF is read, all are written. */
#define DEFINE_CARRY(name, insn, bits)                                                             \
    SOFT_INLINE uint##bits##_t soft_##name##bits(uint##bits##_t a, uint##bits##_t b, uint16_t *ax) \
    {                                                                                              \
        uint16_t f = *ax;                                                                          \
        __asm__(SOFT_ASM_CARRY insn " %[b], %[a]" SOFT_ASM_SAVE                                    \
                : [a] "+r"(a), "+a"(f)                                                             \
                : [b] "r"(b)                                                                       \
                : "cc");                                                                           \
        *ax = f;                                                                                   \
        return a;                                                                                  \
    }
/* CF is kept. */
#define DEFINE_UNARY_KEEP(name, insn, bits)                                                 \
    SOFT_INLINE uint##bits##_t soft_##name##bits(uint##bits##_t a, uint16_t *ax)            \
    {                                                                                       \
        uint16_t f = *ax;                                                                   \
        __asm__(SOFT_ASM_CARRY insn " %[a]" SOFT_ASM_SAVE : [a] "+r"(a), "+a"(f) : : "cc"); \
        *ax = f;                                                                            \
        return a;                                                                           \
    }
#define DEFINE_UNARY(name, insn, bits)                                           \
    SOFT_INLINE uint##bits##_t soft_##name##bits(uint##bits##_t a, uint16_t *ax) \
    {                                                                            \
        uint16_t f;                                                              \
        __asm__(insn " %[a]" SOFT_ASM_SAVE : [a] "+r"(a), "=a"(f) : : "cc");     \
        *ax = f;                                                                 \
        return a;                                                                \
    }

#define DEFINE_ALL(bits)                \
    DEFINE_BINARY(add, "add", bits)     \
    DEFINE_BINARY(or, "or", bits)       \
    DEFINE_CARRY(adc, "adc", bits)      \
    DEFINE_CARRY(sbb, "sbb", bits)      \
    DEFINE_BINARY(and, "and", bits)     \
    DEFINE_BINARY(sub, "sub", bits)     \
    DEFINE_BINARY(xor, "xor", bits)     \
    DEFINE_UNARY_KEEP(inc, "inc", bits) \
    DEFINE_UNARY_KEEP(dec, "dec", bits) \
    DEFINE_UNARY(neg, "neg", bits)

DEFINE_ALL(8)
DEFINE_ALL(16)
DEFINE_ALL(32)
DEFINE_ALL(64)

#undef DEFINE_ALL
#undef DEFINE_BINARY
#undef DEFINE_CARRY
#undef DEFINE_UNARY_KEEP
#undef DEFINE_UNARY

#endif
