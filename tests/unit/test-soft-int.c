/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The integer instructions of the software CPU, its blocks, and code that changes itself. Comparing
 * every instruction with the host's is test-cpu-vs-host's task; here are expected values, written
 * down.
 */
#include <stdlib.h>
#include <string.h>

#include "accel/soft/block.h"
#include "accel/soft/code-pages.h"
#include "tests/unit/soft-harness.h"

static SoftHarness *h;

/* ---- instruction sequences ----
 * Registers and flags before and after, in hexadecimal; what is not named is not looked at.
 * Registers that are not given start at 0. An outcome of "#XX" is that fault. */

typedef struct Case {
    HarnessMode mode;
    const char *name;
    const char *code;
    const char *in, *out;
} Case;

static const Case cases[] = {
    { HARNESS_LONG64, "addl %ebx, %eax", "01d8", "rax=ffffffffffffffff rbx=1",
      "rax=0 cf=1 zf=1 af=1 of=0 sf=0 pf=1" },
    { HARNESS_LONG64, "addb %bl, %ah", "00dc", "rax=7f01 rbx=1", "rax=8001 of=1 sf=1 cf=0" },
    { HARNESS_LONG64, "addq $-1, %r9", "4983c1ff", "r9=0", "r9=ffffffffffffffff cf=0 sf=1" },
    { HARNESS_LONG64, "stc; adcq %rcx, %rax", "f94811c8", "rax=ffffffffffffffff rcx=0",
      "rax=0 cf=1 zf=1" },
    { HARNESS_LONG64, "stc; sbbl %eax, %eax", "f919c0", "rax=123456789abcdef0",
      "rax=ffffffff cf=1" },
    { HARNESS_LONG64, "subw $1, %ax", "6683e801", "rax=11110000", "rax=1111ffff cf=1 sf=1" },
    { HARNESS_LONG64, "xorl %edi, %edi", "31ff", "rdi=ffffffffffffffff", "rdi=0 zf=1 cf=0" },
    { HARNESS_LONG64, "stc; incl %eax", "f9ffc0", "rax=ffffffff", "rax=0 cf=1 zf=1" },
    { HARNESS_LONG64, "negb %sil", "40f6de", "rsi=80", "rsi=80 of=1 cf=1" },
    { HARNESS_LONG64, "notw (%rbx); movzwl (%rbx), %eax", "66f7130fb703", "rbx=100000",
      "rax=ffff" },
    { HARNESS_LONG64, "movl $5, 0x100000; addl $7, 0x100000; subl 0x100000, %eax",
      "c70425000010000500000083042500001000072b042500001000", "rax=d", "rax=1 cf=0" },
    { HARNESS_LONG64, "movq $-1, (%rbx,%rcx,8); orb $0, 7(%rbx,%rcx,8); movq (%rbx,%rcx,8), %rdx",
      "48c704cbffffffff804ccb0700488b14cb", "rbx=100000 rcx=3", "rdx=ffffffffffffffff sf=1" },
    { HARNESS_LONG64, "addl $1, %eax; subl $1, %ebx; movl $3, %ecx", "83c00183eb01b903000000",
      "rax=1 rbx=1", "rax=2 rbx=0 rcx=3 zf=1" },
    { HARNESS_LONG64, "cmpl $2, %eax; movl %eax, (%rbx); sete %cl", "83f80289030f94c1",
      "rax=2 rbx=100000 rcx=0", "rcx=1" },
    { HARNESS_LONG64, "subl $2, %eax; setnz %cl; cmovz %rdx, %rbx", "83e8020f95c1480f44da",
      "rax=2 rdx=9", "rcx=0 rbx=9" },
    { HARNESS_LONG64, "cmpl %eax, %ebx; cmovbl %ecx, %edx", "39c30f42d1",
      "rax=1 rbx=2 rcx=5 rdx=ffffffffffffffff", "rdx=ffffffff" },
    { HARNESS_LONG64, "movabsq $0x1122334455667788, %rax; movb %ah, %dl; movb %al, %bh",
      "48b8887766554433221188e288c7", "rdx=0 rbx=0", "rdx=77 rbx=8800" },
    { HARNESS_LONG64, "movsbq %al, %rax", "480fbec0", "rax=80", "rax=ffffffffffffff80" },
    { HARNESS_LONG64, "movslq %eax, %rdx; movzbl %ah, %ecx", "4863d00fb6cc", "rax=80007f01",
      "rdx=ffffffff80007f01 rcx=7f" },
    { HARNESS_LONG64, "movswl (%rbx), %eax", "0fbf03", "rbx=100000", "rax=0" },
    { HARNESS_LONG64, "leaq 8(%rax,%rcx,4), %rdx; leal (%rax,%rcx), %ebx; leaw 1(%rax), %si",
      "488d5488088d1c08668d7001", "rax=ffffffff rcx=2 rsi=a5a5a5a5",
      "rdx=10000000f rbx=1 rsi=a5a50000" },
    { HARNESS_LONG64, "leaq 1f(%rip), %rax; nop; 1:", "488d050100000090", "", "rax=10008" },
    { HARNESS_LONG64, "movl %ds:(%eax), %ecx; addr32 leaq -1(%eax), %rdx", "678b0867488d50ff",
      "rax=ff00000000100000", "rcx=0 rdx=fffff" },
    { HARNESS_LONG64, "bswapl %eax; bswapq %rbx", "0fc8480fcb", "rax=11223344 rbx=0102030405060708",
      "rax=44332211 rbx=0807060504030201" },
    { HARNESS_LONG64, "xchgb %ah, %al; xchgq %rbx, %rcx", "86e04887d9", "rax=1122 rbx=1 rcx=2",
      "rax=2211 rbx=2 rcx=1" },
    { HARNESS_LONG64, "cbw; cwde; cdqe; cqo", "66989848984899", "rax=80",
      "rax=ffffffffffffff80 rdx=ffffffffffffffff" },
    { HARNESS_LONG64, "movbel %eax, (%rbx); movl (%rbx), %ecx", "0f38f1038b0b",
      "rax=01020304 rbx=100000", "rcx=04030201" },
    { HARNESS_LONG64, "movb $7, 0x100005; xlatb", "c604250500100007d7", "rax=5 rbx=100000",
      "rax=7" },
    { HARNESS_LONG64, "movabsq %rax, 0x100008; movabsb 0x100009, %al",
      "48a30800100000000000a00900100000000000", "rax=1122334455667788", "rax=1122334455667777" },
    { HARNESS_LONG64, "shll $4, %eax", "c1e004", "rax=f0000001", "rax=10 cf=1" },
    { HARNESS_LONG64, "stc; shlq %cl, %rax", "f948d3e0", "rax=1 rcx=40", "rax=1 cf=1" },
    { HARNESS_LONG64, "sarw $15, %ax", "66c1f80f", "rax=8000", "rax=ffff sf=1" },
    { HARNESS_LONG64, "stc; rclb $1, %al; rcrq $1, %rbx", "f9d0d048d1db", "rax=80 rbx=0",
      "rax=1 rbx=8000000000000000" },
    { HARNESS_LONG64, "roll $8, %eax", "c1c008", "rax=12345678", "rax=34567812" },
    { HARNESS_LONG64, "shldq $8, %rbx, %rax; shrdl %cl, %ebx, %edx", "480fa4d8080fadda",
      "rax=1 rbx=ff00000000000001 rcx=4 rdx=10", "rax=1ff rdx=10000001" },
    { HARNESS_LONG64, "shrl %cl, (%rbx); movl (%rbx), %eax", "d32b8b03", "rbx=100000 rcx=1",
      "rax=0 zf=1" },
    { HARNESS_LONG64, "mulq %rbx", "48f7e3", "rax=ffffffffffffffff rbx=2",
      "rax=fffffffffffffffe rdx=1 cf=1 of=1" },
    { HARNESS_LONG64, "imulb %bl", "f6eb", "rax=fe rbx=3", "rax=fffa cf=0" },
    { HARNESS_LONG64, "imull $-3, %ebx, %eax", "6bc3fd", "rbx=5", "rax=fffffff1 cf=0" },
    { HARNESS_LONG64, "divl %ebx", "f7f3", "rax=7 rdx=0 rbx=2", "rax=3 rdx=1" },
    { HARNESS_LONG64, "divq %rbx", "48f7f3", "rax=0 rdx=2 rbx=2", "#DE" },
    { HARNESS_LONG64, "divb %bl", "f6f3", "rax=7 rbx=0", "#DE" },
    { HARNESS_LONG64, "idivq %rbx", "48f7fb", "rax=fffffffffffffff9 rdx=ffffffffffffffff rbx=2",
      "rax=fffffffffffffffd rdx=ffffffffffffffff" },
    { HARNESS_LONG64, "idivl %ebx", "f7fb", "rax=80000000 rdx=ffffffff rbx=ffffffff", "#DE" },
    { HARNESS_LONG64, "idivq %rbx", "48f7fb",
      "rax=8000000000000000 rdx=ffffffffffffffff rbx=ffffffffffffffff", "#DE" },
    { HARNESS_LONG64, "idivb %bl", "f6fb", "rax=fff9 rbx=2", "rax=fffd" },
    { HARNESS_LONG64, "btsl $31, %eax; btcq $0, %rbx; btrw %cx, %dx", "0fbae81f480fbafb00660fb3ca",
      "rax=0 rbx=1 rcx=11 rdx=ffff", "rax=80000000 rbx=0 rdx=fffd cf=1" },
    { HARNESS_LONG64, "btsq %rax, (%rbx); movb -1(%rbx), %cl", "480fab038a4bff",
      "rax=ffffffffffffffff rbx=100100 rcx=0", "rcx=80 cf=0" },
    { HARNESS_LONG64, "lock btsl $3, (%rbx); lock btcl %eax, (%rbx); movl (%rbx), %ecx",
      "f00fba2b03f00fbb038b0b", "rax=3 rbx=100000", "rcx=0 cf=1" },
    { HARNESS_LONG64, "bsfl %eax, %ecx; bsrq %rbx, %rdx", "0fbcc8480fbdd3",
      "rax=8 rbx=8000000000000000", "rcx=3 rdx=3f zf=0" },
    { HARNESS_LONG64, "bsfl %eax, %ecx", "0fbcc8", "rax=0 rcx=5", "rcx=5 zf=1" },
    { HARNESS_LONG64,
      "lock addl $5, (%rbx); movl $3, %eax; lock xaddl %eax, (%rbx); movl (%rbx), %ecx",
      "f0830305b803000000f00fc1038b0b", "rbx=100000", "rax=5 rcx=8" },
    { HARNESS_LONG64, "lock incb (%rbx); lock negb (%rbx); lock notb (%rbx); movb (%rbx), %al",
      "f0fe03f0f61bf0f6138a03", "rbx=100000 rax=0", "rax=0" },
    { HARNESS_LONG64, "stc; lock adcq %rax, (%rbx); movq (%rbx), %rcx", "f9f0481103488b0b",
      "rax=1 rbx=100000", "rcx=2" },
    { HARNESS_LONG64, "movl %eax, (%rbx); xchgl %ecx, (%rbx); movl (%rbx), %edx", "8903870b8b13",
      "rax=7 rcx=ffffffff00000009 rbx=100000", "rcx=7 rdx=9" },
    { HARNESS_LONG64, "lock cmpxchgl %ecx, (%rbx); movl (%rbx), %edx", "f00fb10b8b13",
      "rax=0 rcx=5 rbx=100000", "rax=0 rdx=5 zf=1" },
    { HARNESS_LONG64, "cmpxchgq %rcx, (%rbx)", "480fb10b", "rax=1 rcx=5 rbx=100000", "rax=0 zf=0" },
    { HARNESS_LONG64, "cmpxchgb %cl, %bl", "0fb0cb", "rax=3 rbx=3 rcx=9", "rbx=9 zf=1" },
    { HARNESS_LONG64, "lock cmpxchg8b (%rdi); movq (%rdi), %rsi", "f00fc70f488b37",
      "rax=0 rdx=0 rbx=1 rcx=2 rdi=100000", "rsi=200000001 zf=1" },
    { HARNESS_LONG64, "lock cmpxchg16b (%rdi); movq 8(%rdi), %rsi", "f0480fc70f488b7708",
      "rax=0 rdx=0 rbx=1 rcx=2 rdi=100000", "rsi=2 zf=1" },
    { HARNESS_LONG64, "lock cmpxchg16b (%rdi)", "f0480fc70f", "rdi=100008", "#GP" },
    { HARNESS_LONG64, "lock addl $1, (%rbx); movl (%rbx), %eax", "f08303018b03", "rbx=100ffe",
      "rax=1" },
    { HARNESS_LONG64, "pushq %rax; popq %rbx; pushw $-2; popw %cx; pushq $-1; popq %rdx",
      "505b666afe66596aff5a", "rax=1122334455667788 rcx=0",
      "rbx=1122334455667788 rcx=fffe rdx=ffffffffffffffff rsp=80000" },
    { HARNESS_LONG64, "pushq %rsp; popq %rax; pushq $5; popq (%rsp); movq (%rsp), %rbx",
      "54586a058f0424488b1c24", "", "rax=80000 rbx=5 rsp=80000" },
    { HARNESS_LONG64, "movq $7, %rax; pushq %rax; popq %rsp", "48c7c007000000505c", "", "rsp=7" },
    { HARNESS_LONG64, "enter $16, $0; movq %rsp, %rax; leave", "c81000004889e0c9", "rbp=1234",
      "rax=7ffe8 rbp=1234 rsp=80000" },
    { HARNESS_LONG64, "enter $0, $2; movq (%rsp), %rax", "c8000002488b0424", "rbp=90000",
      "rax=7fff8 rbp=7fff8 rsp=7ffe8" },
    { HARNESS_LONG64, "stc; std; pushfq; cld; clc; popfq; pushfq; popq %rax", "f9fd9cfcf89d9c58",
      "", "rax=403 cf=1" },
    { HARNESS_LONG64, "stc; lahf; movb $0, %cl; addb $1, %cl; sahf; setc %dl",
      "f99fb10080c1019e0f92c2", "rax=0 rdx=0 rcx=0", "rax=300 rdx=1" },
    { HARNESS_LONG64, "pushq %rax", "50", "rsp=8000000000000000", "#SS" },
    { HARNESS_LONG64, "movq (%rax), %rbx", "488b18", "rax=8000000000000000", "#GP" },
    { HARNESS_LONG64, "call 1f; jmp 2f; 1: movl $3, %eax; ret; 2:", "e802000000eb06b803000000c3",
      "", "rax=3 rsp=80000" },
    { HARNESS_LONG64, "movl $10, %ecx; xorl %eax, %eax; 1: addl %ecx, %eax; decl %ecx; jnz 1b",
      "b90a00000031c001c8ffc975fa", "", "rax=37 rcx=0" },
    { HARNESS_LONG64, "movl $10, %ecx; xorl %eax, %eax; 1: addl $2, %eax; loop 1b",
      "b90a00000031c083c002e2fb", "", "rax=14 rcx=0" },
    { HARNESS_LONG64, "1: incl %eax; cmpl $100, %eax; jl 1b", "ffc083f8647cf9", "rax=fffffff0",
      "rax=64" },
    { HARNESS_LONG64, "testq %rax, %rax; js 1f; movl $1, %ebx; 1:", "4885c07805bb01000000",
      "rax=8000000000000000 rbx=0", "rbx=0 sf=1" },
    { HARNESS_LONG64, "cmpb $1, (%rbx); jne 1f; movl $1, %ecx; 1: sete %dl",
      "803b017505b9010000000f94c2", "rbx=100000 rcx=0 rdx=5", "rcx=0 rdx=0" },
    { HARNESS_LONG64,
      "jrcxz 1f; movl $1, %eax; 1: leaq 2f(%rip), %rdx; jmp *%rdx; movl $2, %eax; 2:",
      "e305b801000000488d1507000000ffe2b802000000", "rax=0 rcx=0", "rax=0" },
    { HARNESS_LONG64,
      "leaq 1f(%rip), %rax; movq %rax, 0x100000; call *0x100000; jmp 2f; 1: popq %rbx; "
      "2:",
      "488d05110000004889042500001000ff142500001000eb015b", "", "rsp=80000" },
    { HARNESS_LONG64, "jmp *%rax", "ffe0", "rax=1000000000000000", "#GP" },
    { HARNESS_LONG64, "movq %rax, (%rsp); ret", "48890424c3", "rax=1000000000000000 rsp=80000",
      "#GP" },
    { HARNESS_LONG64,
      "movl $0x5000, %ecx; movb $0xaa, %al; movl $0x100003, %edi; rep stosb; "
      "movb 0x105002, %bl; movb 0x105003, %bh",
      "b900500000b0aabf03001000f3aa8a1c25025010008a3c2503501000", "rbx=0",
      "rcx=0 rdi=105003 rbx=aa" },
    { HARNESS_LONG64,
      "movb $1, 0x100000; movl $0x100000, %esi; movl $0x100001, %edi; "
      "movl $0x2fff, %ecx; rep movsb; movb 0x102fff, %al",
      "c604250000100001be00001000bf01001000b9ff2f0000f3a48a0425ff2f1000", "rax=0",
      "rax=1 rcx=0 rsi=102fff rdi=103000" },
    { HARNESS_LONG64,
      "movq $0x1234, 0x100008; movl $0x100008, %esi; movl $0x100108, %edi; "
      "movl $2, %ecx; std; rep movsq; cld; movq 0x100108, %rax",
      "48c704250800100034120000be08001000bf08011000b902000000fdf348a5fc488b04250801"
      "1000",
      "", "rax=1234 rcx=0 rsi=ffff8" },
    { HARNESS_LONG64,
      "movb $5, 0x100010; movl $0x100000, %edi; movl $100, %ecx; movb $5, %al; "
      "repne scasb",
      "c604251000100005bf00001000b964000000b005f2ae", "", "rdi=100011 rcx=53 zf=1" },
    { HARNESS_LONG64,
      "movl $0x100000, %esi; movl $0x100100, %edi; movw $1, 0x100104; movl $10, %ecx; "
      "repe cmpsw",
      "be00001000bf0001100066c70425040110000100b90a00000066f3a7", "", "rcx=7 rsi=100006 zf=0" },
    { HARNESS_LONG64, "movw $0x1234, 0x100000; movl $0x100000, %esi; lodsw",
      "66c70425000010003412be0000100066ad", "rax=0", "rax=1234 rsi=100002" },
    { HARNESS_LONG64, "rep movsb; repe cmpsb", "f3a4f3a6", "rcx=0 rsi=1 rdi=2",
      "rcx=0 rsi=1 rdi=2" },
    { HARNESS_LONG64, "ud2", "0f0b", "", "#UD" },
    { HARNESS_LONG64, ".byte 0xf0, 0x01, 0xd8", "f001d8", "", "#UD" },
    { HARNESS_LONG64, ".byte 0x06", "06", "", "#UD" },
    { HARNESS_LONG64,
      ""
      ".byte 0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x66,0x90",
      "66666666666666666666666666666690", "", "#GP" },
    { HARNESS_LONG64, "nopl (%rax); endbr64; pause; prefetcht0 (%rax); mfence; lfence; sfence",
      "0f1f00f30f1efaf3900f18080faef00faee80faef8", "rax=8000000000000000",
      "rax=8000000000000000" },
    { HARNESS_FLAT32, "pushal; movl $0, %eax; popal", "60b80000000061", "rax=1 rbx=2 rsi=3",
      "rax=1 rbx=2 rsi=3 rsp=80000" },
    { HARNESS_FLAT32, "subl $1, %eax; daa", "83e80127", "rax=9a", "rax=99" },
    { HARNESS_FLAT32, "aaa", "37", "rax=a", "rax=100 cf=1" },
    { HARNESS_FLAT32, "aam", "d40a", "rax=39", "rax=507" },
    { HARNESS_FLAT32, "aad", "d50a", "rax=507", "rax=39" },
    { HARNESS_FLAT32, "aam $0", "d400", "rax=39", "#DE" },
    { HARNESS_FLAT32, "das", "2f", "rax=ff", "rax=99 cf=1" },
    { HARNESS_FLAT32, "call 1f; jmp 2f; 1: movl (%esp), %eax; ret; 2:", "e802000000eb048b0424c3",
      "", "rax=10005 rsp=80000" },
    { HARNESS_FLAT32, "bound %eax, (%ebx)", "6203", "rax=1 rbx=100000", "#BR" },
    { HARNESS_FLAT32, "movw %cs:(%ebx), %ax; addr16 movb (%bx,%si), %cl", "2e668b03678a08",
      "rbx=100000 rsi=ffff000a rcx=ff", "rax=0 rcx=0" },
    { HARNESS_FLAT32, "movl %eax, %cs:(%ebx)", "2e8903", "rbx=100000", "#GP" },
    { HARNESS_FLAT32, "btsl %eax, (%ebx); movl 4(%ebx), %ecx", "0fab038b4b04", "rax=21 rbx=100000",
      "rcx=2" },
    { HARNESS_REAL, "movw $0x1234, %ax; pushw %ax; popw %bx; movw %bx, 0x500; movw 0x500, %cx",
      "b83412505b891e00058b0e0005", "rax=ffff0000", "rax=ffff1234 rbx=1234 rcx=1234 rsp=7000" },
    { HARNESS_REAL, "movl $0x12345678, (%bx,%si); movb 2(%bx,%si), %al", "66c700785634128a4002",
      "rbx=ffff0400 rsi=100 rax=0", "rax=34" },
    { HARNESS_REAL, "movb (%eax), %cl", "678a08", "rax=10000", "#GP" },
    { HARNESS_REAL, "movl $0x10, %ecx; movw $0x500, %di; movb $7, %al; rep stosb; movb 0x50f, %bl",
      "66b910000000bf0005b007f3aa8a1e0f05", "rbx=0", "rcx=0 rdi=510 rbx=7" },
    { HARNESS_REAL, "call 1f; jmp 2f; 1: ret; 2: pushal; popal; pushfw; popw %ax",
      "e80200eb01c3666066619c58", "", "rsp=7000 rax=2" },
    { HARNESS_REAL, "movw 0xffff, %ax", "a1ffff", "", "#GP" },
    { HARNESS_REAL, "1: decw %cx; jnz 1b; loop 3f; 3:", "4975fde200", "rcx=5", "rcx=ffff" },
    { HARNESS_USER64, "movl $1, %eax; pushq %rax; popq %rbx", "b801000000505b", "", "rbx=1" },
};

static const char *const reg_names[] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10",
    "r11", "r12", "r13", "r14", "r15", "cf",  "pf",  "af",  "zf", "sf", "of",
};
static const uint32_t flag_bits[] = { RFLAGS_CF, RFLAGS_PF, RFLAGS_AF,
                                      RFLAGS_ZF, RFLAGS_SF, RFLAGS_OF };
static const struct {
    const char *name;
    int vector;
} faults[] = { { "#DE", EXC_DE }, { "#BR", EXC_BR }, { "#UD", EXC_UD },
               { "#SS", EXC_SS }, { "#GP", EXC_GP }, { "#PF", EXC_PF } };

static unsigned reg_by_name(const char *name)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(reg_names); i++) {
        if (strcmp(name, reg_names[i]) == 0) {
            return i;
        }
    }
    g_assert_not_reached();
}

static uint64_t get_value(unsigned reg)
{
    return reg < 16 ? h->cpu->regs[reg] : (soft_get_rflags(h->s) & flag_bits[reg - 16]) != 0;
}

/* Calls @fn for each "name=hex" of @text. */
static void for_each_value(const char *text,
                           void (*fn)(const Case *c, unsigned reg, uint64_t value), const Case *c)
{
    g_auto(GStrv) words = g_strsplit(text, " ", -1);
    for (unsigned i = 0; words[i] && *words[i]; i++) {
        char *equals = strchr(words[i], '=');
        g_assert_nonnull(equals);
        *equals = 0;
        fn(c, reg_by_name(words[i]), strtoull(equals + 1, NULL, 16));
    }
}

static void set_value(const Case *c, unsigned reg, uint64_t value)
{
    h->cpu->regs[reg] = value;
}

static void check_value(const Case *c, unsigned reg, uint64_t value)
{
    if (get_value(reg) != value) {
        g_test_message("%s: %s is %" G_GINT64_MODIFIER "x, not %" G_GINT64_MODIFIER "x", c->name,
                       reg_names[reg], get_value(reg), value);
        g_test_fail();
    }
}

static size_t parse_hex(const char *text, uint8_t *bytes)
{
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(g_ascii_xdigit_value(text[2 * i]) << 4 |
                             g_ascii_xdigit_value(text[2 * i + 1]));
    }
    return len;
}

static void load_hex(const char *text)
{
    uint8_t bytes[256];
    harness_load(h, bytes, parse_hex(text, bytes));
}

static int expected_vector(const Case *c)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(faults); i++) {
        if (strcmp(c->out, faults[i].name) == 0) {
            return faults[i].vector;
        }
    }
    return -1;
}

static void run_case(const Case *c)
{
    memset(h->ram + HARNESS_DATA, 0, 0x10000);
    harness_reset(h, c->mode);
    for (unsigned i = 0; i < 16; i++) {
        if (i != X86_RSP) {
            h->cpu->regs[i] = 0;
        }
    }
    load_hex(c->code);
    for_each_value(c->in, set_value, c);
    uint64_t start = h->cpu->rip;
    int vector = harness_run(h, 1000), expected = expected_vector(c);
    if (vector != expected) {
        g_test_message("%s: ended with %d at rip+%" G_GINT64_MODIFIER "x, not %d", c->name, vector,
                       h->cpu->rip - start, expected);
        g_test_fail();
    } else if (expected < 0) {
        for_each_value(c->out, check_value, c);
    }
}

static void test_cases(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        run_case(&cases[i]);
    }
}

/* ---- faults leave everything as it was ---- */

static void test_precise_fault(void)
{
    harness_reset(h, HARNESS_LONG64);
    h->cpu->regs[X86_RAX] = 5;
    h->cpu->regs[X86_RBX] = 0x40000000; /* not mapped */
    load_hex("83e805"   /* sub $5, %eax: its flags are overwritten, but for the fault */
             "0103"     /* add %eax, (%rbx) */
             "83c001"); /* add $1, %eax */
    g_assert_cmpint(harness_run(h, 10), ==, EXC_PF);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 3);
    g_assert_cmphex(h->s->fault.cr2, ==, 0x40000000);
    g_assert_cmpint(h->error_code, ==, PF_W);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 0);
    g_assert_cmphex(soft_get_rflags(h->s) & RFLAGS_ZF, ==, RFLAGS_ZF);
}

static void test_push_fault(void)
{
    harness_reset(h, HARNESS_LONG64);
    h->cpu->regs[X86_RSP] = 0x40000008;
    load_hex("50");
    g_assert_cmpint(harness_run(h, 10), ==, EXC_PF);
    g_assert_cmphex(h->cpu->regs[X86_RSP], ==, 0x40000008);
}

/* REP MOVSB into a page that is not there: all before it is done, and registers say so. */
static void test_string_fault(void)
{
    harness_reset(h, HARNESS_LONG64);
    h->cpu->regs[X86_RSI] = HARNESS_DATA;
    h->cpu->regs[X86_RDI] = HARNESS_RAM_SIZE - 0x1800;
    h->cpu->regs[X86_RCX] = 0x3000;
    memset(h->ram + HARNESS_DATA, 0x5a, 0x3000);
    load_hex("f3a4");
    g_assert_cmpint(harness_run(h, 10), ==, EXC_PF);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE);
    g_assert_cmphex(h->cpu->regs[X86_RCX], ==, 0x1800);
    g_assert_cmphex(h->cpu->regs[X86_RDI], ==, HARNESS_RAM_SIZE);
    g_assert_cmphex(h->cpu->regs[X86_RSI], ==, HARNESS_DATA + 0x1800);
    g_assert_cmphex(h->ram[HARNESS_RAM_SIZE - 1], ==, 0x5a);
}

/* An instruction whose second page is not there faults at that page's address. */
static void test_fetch_fault(void)
{
    static const uint8_t mov[] = { 0xb8, 1, 2 };

    harness_reset(h, HARNESS_LONG64);
    load_hex("");
    memcpy(h->ram + HARNESS_RAM_SIZE - 3, mov, sizeof(mov));
    h->cpu->rip = HARNESS_RAM_SIZE - 3;
    g_assert_cmpint(harness_run(h, 10), ==, EXC_PF);
    g_assert_cmphex(h->cpu->rip, ==, HARNESS_RAM_SIZE - 3);
    g_assert_cmphex(h->s->fault.cr2, ==, HARNESS_RAM_SIZE);
}

/* ---- blocks ---- */

/* 300 instructions in a row, over more than one page, one of them across the boundary. */
static void test_long_code(void)
{
    uint8_t code[300 * 5];

    harness_reset(h, HARNESS_LONG64);
    for (unsigned i = 0; i < 300; i++) {
        memcpy(code + 5 * i, "\x05\x01\x00\x00\x00", 5); /* add $1, %eax */
    }
    h->cpu->regs[X86_RAX] = 0;
    harness_load(h, code, sizeof(code));
    memcpy(h->ram + 0x20000 - 702, code, sizeof(code));
    h->ram[0x20000 - 702 + sizeof(code)] = 0xf4;
    h->cpu->rip = 0x20000 - 702;
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 300);
    g_assert_true(soft_code_page_has(0x1f000));
    g_assert_true(soft_code_page_has(0x20000));
}

/* ---- code that changes ---- */

/* The next instruction of the same block is written to. */
static void test_smc_same_block(void)
{
    harness_reset(h, HARNESS_LONG64);
    load_hex("c6050500000007" /* movb $7, 5(%rip): the immediate of the next but one */
             "90"
             "89c3"           /* mov %eax, %ebx */
             "90b805000000"); /* nop; mov $5, %eax */
    g_assert_cmpint(harness_run(h, 20), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX] & 0xff, ==, 7);
}

/* A loop changes the increment of its own body. */
static void test_smc_loop(void)
{
    harness_reset(h, HARNESS_LONG64);
    h->cpu->regs[X86_RAX] = 0;
    h->cpu->regs[X86_RCX] = 10;
    h->cpu->regs[X86_RBX] = HARNESS_CODE;
    load_hex("83c001" /* add $1, %eax */
             "804302"
             "01"     /* addb $1, 2(%rbx) */
             "ffc9"   /* dec %ecx */
             "75f5"); /* jnz back */
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RAX], ==, 55);
}

/* Writes to data beside code do not disturb the code; a write to the last code of a page makes the
 * page plain memory again. */
static void test_smc_page_is_freed(void)
{
    harness_reset(h, HARNESS_LONG64);
    load_hex("c605f91f0000c3" /* movb $0xc3, 0x12000 */
             "bb00200100"     /* mov $0x12000, %ebx */
             "ffd3"           /* call *%rbx */
             "c60390"         /* movb $0x90, (%rbx) */
             "c6430890");     /* movb $0x90, 8(%rbx) */
    g_assert_cmpint(harness_run(h, 100), ==, -1);
    g_assert_false(soft_code_page_has(0x12000));
    g_assert_true(soft_code_page_has(HARNESS_CODE));
}

/* The part of an instruction that lies on the second page is changed from outside. */
static void test_second_page_invalidated(void)
{
    static const uint8_t mov[] = { 0xb8, 1, 0, 0, 0, 0xf4 };
    const uint64_t at = 0x20000 - 2;

    harness_reset(h, HARNESS_LONG64);
    load_hex("");
    memcpy(h->ram + at, mov, sizeof(mov));
    for (unsigned value = 1; value < 3; value++) {
        h->cpu->rip = at;
        h->ram[at + 3] = (uint8_t)value;
        soft_code_written(at + 3, 1);
        g_assert_cmpint(harness_run(h, 10), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 1 | value << 16);
    }
}

/* A range over many pages, as when a DIMM is taken away. */
static void test_range_invalidated(void)
{
    harness_reset(h, HARNESS_LONG64);
    load_hex("b801000000");
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    h->ram[HARNESS_CODE + 1] = 2;
    soft_code_written(0, HARNESS_RAM_SIZE);
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 2);
}

/* ---- speed: printed, not judged ---- */

static void test_speed(void)
{
    const uint64_t rounds = g_test_perf() ? 100000000 : 1000000;
    harness_reset(h, HARNESS_LONG64);
    h->cpu->regs[X86_RCX] = rounds;
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    load_hex("48034308"   /* add 8(%rbx), %rax */
             "488903"     /* mov %rax, (%rbx) */
             "4889c2"     /* mov %rax, %rdx */
             "48c1ea03"   /* shr $3, %rdx */
             "0fb613"     /* movzbl (%rbx), %edx */
             "e804000000" /* call 1f */
             "eb07"       /* jmp 2f */
             "9090"
             "4883c201c3" /* 1: add $1, %rdx; ret */
             "9090"
             "4883e901" /* 2: sub $1, %rcx */
             "75da");   /* jnz back */
    gint64 start = g_get_monotonic_time();
    g_assert_cmpint(harness_run(h, 1000), ==, -1);
    double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
    g_test_message("%.0f million instructions a second", (double)rounds * 11 / seconds / 1e6);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-int/cases", test_cases);
    g_test_add_func("/soft-int/fault/precise", test_precise_fault);
    g_test_add_func("/soft-int/fault/push", test_push_fault);
    g_test_add_func("/soft-int/fault/string", test_string_fault);
    g_test_add_func("/soft-int/fault/fetch", test_fetch_fault);
    g_test_add_func("/soft-int/blocks/long", test_long_code);
    g_test_add_func("/soft-int/smc/same-block", test_smc_same_block);
    g_test_add_func("/soft-int/smc/loop", test_smc_loop);
    g_test_add_func("/soft-int/smc/page-is-freed", test_smc_page_is_freed);
    g_test_add_func("/soft-int/smc/second-page", test_second_page_invalidated);
    g_test_add_func("/soft-int/smc/range", test_range_invalidated);
    g_test_add_func("/soft-int/speed", test_speed);
    int status = g_test_run();
    harness_free(h);
    return status;
}
