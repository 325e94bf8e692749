/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fast path of guest memory accesses. One comparison tells that the page is in the TLB, that
 * the access is allowed, that it is plain RAM and that it does not cross into the next page: the
 * last byte's page must equal the tag in the entry that belongs to the first byte's page.
 */
#ifndef ACCEL_SOFT_ACCESS_H
#define ACCEL_SOFT_ACCESS_H

#include <string.h>

#include "accel/soft/soft.h"

#if defined(__has_feature)
#define SOFT_HAS_FEATURE(x) __has_feature(x)
#else
#define SOFT_HAS_FEATURE(x) 0
#endif
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !SOFT_HAS_FEATURE(address_sanitizer) && !SOFT_HAS_FEATURE(thread_sanitizer) &&              \
    !SOFT_HAS_FEATURE(undefined_behavior_sanitizer)
#define SOFT_THREADED 1
#else
#define SOFT_THREADED 0
#endif

#define SOFT_PAGE_MASK (~(uint64_t)(SOFT_PAGE - 1))

static inline SoftTlbEntry *soft_tlb_entry(SoftTlbEntry *tlb, uint64_t addr)
{
    return &tlb[(addr / SOFT_PAGE) % SOFT_TLB_SIZE];
}

/* Where it is looked for next. */
static inline SoftTlbEntry *soft_tlb_second(SoftTlbEntry *second, uint64_t addr)
{
    return &second[(addr / SOFT_PAGE) % SOFT_TLB_SECOND];
}

/* Host address if a read of @size bytes at @addr can go there directly, else NULL. */
static inline void *soft_read_host(SoftCpu *s, uint64_t addr, unsigned size)
{
    const SoftTlbEntry *e = soft_tlb_entry(s->tlb, addr);
    if (__builtin_expect(((addr + size - 1) & SOFT_PAGE_MASK) == e->read_tag, 1)) {
        return (void *)(addr + e->addend);
    }
    e = soft_tlb_second(s->tlb_second, addr);
    if (((addr + size - 1) & SOFT_PAGE_MASK) == e->read_tag) {
        return (void *)(addr + e->addend);
    }
    return NULL;
}

static inline void *soft_write_host(SoftCpu *s, uint64_t addr, unsigned size)
{
    const SoftTlbEntry *e = soft_tlb_entry(s->tlb, addr);
    if (__builtin_expect(((addr + size - 1) & SOFT_PAGE_MASK) == e->write_tag, 1)) {
        return (void *)(addr + e->addend);
    }
    e = soft_tlb_second(s->tlb_second, addr);
    if (((addr + size - 1) & SOFT_PAGE_MASK) == e->write_tag) {
        return (void *)(addr + e->addend);
    }
    return NULL;
}

/*
 * The calls of the slow path. They are seldom made, but an ordinary call would cost each function
 * of a micro-operation a stack frame and the saving of registers, also where it is not made. So
 * they go by thunks that keep all general registers (slow-thunks.S); the red zone is stepped over.
 */
#if SOFT_THREADED
#define SOFT_SLOW_CALL(name) "lea -128(%%rsp), %%rsp\n\tcall " name "\n\tlea 128(%%rsp), %%rsp"
#define SOFT_SLOW_CLOBBERS                                                                  \
    "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
        "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

static inline uint64_t soft_load_miss(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    uint64_t value;
    __asm__ volatile(SOFT_SLOW_CALL("soft_load_thunk")
                     : "=a"(value)
                     : "D"(s), "S"(op), "d"(addr), "c"(size)
                     : SOFT_SLOW_CLOBBERS);
    return value;
}

static inline void soft_store_miss(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t value,
                                   unsigned size)
{
    register unsigned r8 __asm__("r8") = size;
    __asm__ volatile(SOFT_SLOW_CALL("soft_store_thunk")
                     :
                     : "D"(s), "S"(op), "d"(addr), "c"(value), "r"(r8)
                     : SOFT_SLOW_CLOBBERS);
}
#else
#define soft_load_miss  soft_load_slow
#define soft_store_miss soft_store_slow
#endif

/* soft_load8..64(s, op, addr) and soft_store8..64(s, op, addr, value): @addr is linear. They fault
 * at @op's instruction. Plain loads and stores of the host: x86 ordering is the guest's. */
#define SOFT_DEFINE_ACCESS(bits)                                                           \
    static inline uint##bits##_t soft_load##bits(SoftCpu *s, const Uop *op, uint64_t addr) \
    {                                                                                      \
        const void *host = soft_read_host(s, addr, (bits) / 8);                            \
        if (__builtin_expect(host != NULL, 1)) {                                           \
            uint##bits##_t value;                                                          \
            memcpy(&value, host, sizeof(value));                                           \
            return value;                                                                  \
        }                                                                                  \
        return (uint##bits##_t)soft_load_miss(s, op, addr, (bits) / 8);                    \
    }                                                                                      \
    static inline void soft_store##bits(SoftCpu *s, const Uop *op, uint64_t addr,          \
                                        uint##bits##_t value)                              \
    {                                                                                      \
        void *host = soft_write_host(s, addr, (bits) / 8);                                 \
        if (__builtin_expect(host != NULL, 1)) {                                           \
            memcpy(host, &value, sizeof(value));                                           \
        } else {                                                                           \
            soft_store_miss(s, op, addr, value, (bits) / 8);                               \
        }                                                                                  \
    }

SOFT_DEFINE_ACCESS(8)
SOFT_DEFINE_ACCESS(16)
SOFT_DEFINE_ACCESS(32)
SOFT_DEFINE_ACCESS(64)
#undef SOFT_DEFINE_ACCESS

/* The same with the size at run time: 1, 2, 4 or 8. */
static inline uint64_t soft_load(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    switch (size) {
    case 1:
        return soft_load8(s, op, addr);
    case 2:
        return soft_load16(s, op, addr);
    case 4:
        return soft_load32(s, op, addr);
    default:
        return soft_load64(s, op, addr);
    }
}

static inline void soft_store(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t value,
                              unsigned size)
{
    switch (size) {
    case 1:
        soft_store8(s, op, addr, (uint8_t)value);
        break;
    case 2:
        soft_store16(s, op, addr, (uint16_t)value);
        break;
    case 4:
        soft_store32(s, op, addr, (uint32_t)value);
        break;
    default:
        soft_store64(s, op, addr, value);
        break;
    }
}

#endif
