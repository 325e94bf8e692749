/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the function of a micro-operation means, for the translator: each family that has emitters
 * says so of its functions (soft_meanings_*()). A function without a meaning is called.
 */
#ifndef ACCEL_SOFT_TRANSLATE_MEANING_H
#define ACCEL_SOFT_TRANSLATE_MEANING_H

#include "accel/soft/soft.h"

typedef enum SoftMeans {
    SOFT_MEANS_NOTHING,  /* no operation */
    SOFT_MEANS_ALU,      /* op: 0-7 as ALU_*; with a condition: and Jcc */
    SOFT_MEANS_TEST,     /* the same */
    SOFT_MEANS_UNARY,    /* op: SOFT_INC ... SOFT_NOT; form R or M */
    SOFT_MEANS_MOV,      /* size */
    SOFT_MEANS_WIDEN,    /* op: 1 if with sign; from, size; form RR or RM */
    SOFT_MEANS_LEA,      /* size */
    SOFT_MEANS_BSWAP,    /* size 4 or 8 */
    SOFT_MEANS_XCHG,     /* of registers; the size is Uop.size */
    SOFT_MEANS_CONVERT,  /* op: 0 AL, AX, EAX to twice the size, 1 RAX's sign to RDX; size: result's
                          */
    SOFT_MEANS_SHIFT,    /* op: as in the opcode's /digit; form RI (Uop.aux), RR (by CL), MI, MR */
    SOFT_MEANS_IMUL,     /* form RR, RM, RI (src and imm), MI */
    SOFT_MEANS_MULTIPLY, /* RAX * source to RDX:RAX; op: 1 with sign; size 4 or 8 */
    SOFT_MEANS_SET,      /* cc; form R or M */
    SOFT_MEANS_CMOV,     /* cc; size; form RR or RM */
    SOFT_MEANS_SCAN,     /* op: 0 BSF, 1 BSR; form by Uop.aux */
    SOFT_MEANS_BIT,      /* op: 0-3 BT BTS BTR BTC; form R or M; bit: imm or src by Uop.aux */
    SOFT_MEANS_JCC,      /* cc */
    SOFT_MEANS_JMP,      /* direct */
    SOFT_MEANS_GO_ON,    /* to the next instruction's block */
    SOFT_MEANS_JMP_TO,   /* form R or M, 8 bytes */
    SOFT_MEANS_CALL,     /* direct, 64-bit */
    SOFT_MEANS_CALL_TO,  /* form R or M; Uop.size 8 */
    SOFT_MEANS_RET,      /* 64-bit */
    SOFT_MEANS_PUSH,     /* form R, I or M; Uop.size 8 */
    SOFT_MEANS_POP,      /* form R; 64-bit */
    SOFT_MEANS_LEAVE,    /* Uop.size 8 */
    SOFT_MEANS_XMM,      /* 16 bytes moved; form RR, RM, MR; Uop.aux: memory must be aligned */
    SOFT_MEANS_NATIVE,   /* Uop.imm: its NativeThunk */
    SOFT_MEANS_LOCKED,   /* op: 0-6 as ALU_*, on memory; the source is imm if Uop.aux, else src */
    SOFT_MEANS_SWAP,     /* XCHG of memory and src */
    SOFT_MEANS_XADD,     /* of memory and src; LOCKed */
    SOFT_MEANS_CMPXCHG,  /* the same */
    SOFT_MEANS_CLI,
    SOFT_MEANS_STI,
    SOFT_MEANS_SWAPGS,
    SOFT_MEANS_PUSHF, /* Uop.size 8 */
    SOFT_MEANS_COUNT,
} SoftMeans;

enum { SOFT_INC, SOFT_DEC, SOFT_NEG, SOFT_NOT };

/* Operands: destination first; registers are Uop.dst and Uop.src, memory is the Uop's operand. */
typedef enum SoftForm {
    SOFT_RR,
    SOFT_RI,
    SOFT_RM,
    SOFT_MR,
    SOFT_MI,
    SOFT_R,
    SOFT_I,
    SOFT_M,
} SoftForm;

#define SOFT_NO_CONDITION 0xff

typedef struct SoftMeaning {
    uint8_t kind; /* SoftMeans */
    uint8_t op;
    uint8_t size; /* of the operation, bytes */
    uint8_t from; /* of the source, where it is smaller */
    uint8_t form; /* SoftForm */
    uint8_t cc;   /* condition code, or SOFT_NO_CONDITION */
} SoftMeaning;

/* For the families: @fn means @meaning. NULL is ignored. */
void soft_meaning_add(UopFn *fn, SoftMeaning meaning);
/* NULL: none. Any thread, after soft_meanings_init(). */
const SoftMeaning *soft_meaning_of(UopFn *fn);
/* Ask the families, once. Any thread. */
void soft_meanings_init(void);

/* In the families' files. */
void soft_meanings_alu(void);
void soft_meanings_compare(void);
void soft_meanings_mov(void);
void soft_meanings_shift(void);
void soft_meanings_muldiv(void);
void soft_meanings_cond(void);
void soft_meanings_bit(void);
void soft_meanings_branch(void);
void soft_meanings_stack(void);
void soft_meanings_decode(void);
void soft_meanings_xmm(void);
void soft_meanings_native(void);
void soft_meanings_atomic(void);
void soft_meanings_system(void);

#endif
