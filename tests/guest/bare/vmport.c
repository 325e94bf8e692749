/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VMware's port: what it answers in which registers, and its mouse, which nobody moves. */
#include "runtime.h"

#define PORT  0x5658
#define MAGIC 0x564d5868u
#define NONE  0xffffffffu
#define KEPT  0x33333333u

enum { VERSION = 10, UUID = 19, RAM_SIZE = 20, DATA = 39, STATUS = 40, COMMAND = 41, HZ = 45 };

typedef struct Registers {
    uint32_t a, b, c, d, si, di;
} Registers;

static Registers call(uint32_t a, uint32_t b, uint32_t c)
{
    Registers r = { a, b, c, 0x70000 | PORT, 0x11111111, 0x22222222 };

    __asm__ volatile("inl %%dx, %%eax"
                     : "+a"(r.a), "+b"(r.b), "+c"(r.c), "+d"(r.d), "+S"(r.si), "+D"(r.di)
                     :
                     : "memory");
    return r;
}

static void commands(void)
{
    Registers r = call(MAGIC, KEPT, 0x10000 | VERSION);

    check(r.a == 6 && r.b == MAGIC && r.c == 2 && r.d == (0x70000 | PORT), "the version");
    check(r.si == 0x11111111 && r.di == 0x22222222, "it leaves what it does not answer in");
    r = call(MAGIC, KEPT, UUID);
    check(r.a == 0x33221100 && r.b == 0x77665544 && r.c == 0xbbaa9988 && r.d == 0xffeeddcc,
          "the UUID");
    r = call(MAGIC, KEPT, RAM_SIZE);
    check(r.a == 64u << 20 && r.b == 0x1177, "how much memory there is");
    r = call(MAGIC, KEPT, HZ);
    check(r.a == MAGIC && r.b == NONE, "rates are not known");
    for (unsigned i = 0; i < 3; i++) {
        static const uint16_t unknown[] = { 0, 79, 0xffff };

        r = call(MAGIC, KEPT, unknown[i]);
        check(r.a == NONE && r.b == KEPT && r.c == unknown[i], "a command that there is not");
    }
    r = call(MAGIC + 1, KEPT, VERSION);
    check(r.a == NONE && r.b == KEPT, "another number than VMware's");
}

static void other_accesses(void)
{
    uint32_t a = MAGIC, b = KEPT, c = VERSION;

    __asm__ volatile("outl %%eax, %%dx" : "+a"(a), "+b"(b), "+c"(c) : "d"(PORT) : "memory");
    check(a == 6 && b == MAGIC && c == 2, "a write");
    a = MAGIC;
    c = VERSION;
    __asm__ volatile("inb %%dx, %%al" : "+a"(a), "+c"(c) : "d"(PORT) : "ebx", "memory");
    check_equal(a, 6, "a byte sets all of EAX");
    a = MAGIC;
    c = VERSION;
    __asm__ volatile("inb %%dx, %%al" : "+a"(a), "+c"(c) : "d"(PORT + 1) : "memory");
    check_equal(a, MAGIC | 0xff, "nothing is beside it");
}

static uint32_t status(void)
{
    return call(MAGIC, 0, STATUS).a;
}

static void tell(uint32_t what)
{
    check_equal(call(MAGIC, what, COMMAND).a, MAGIC, "a command to the mouse");
}

static void mouse(void)
{
    check_equal(status(), 0xffff0000, "the mouse is off");
    tell(0x45414552);
    check_equal(status(), 1, "its version waits");
    check_equal(call(MAGIC, 1, DATA).a, 0x3442554a, "and is right");
    tell(0x53424152);
    tell(0x4c455252);
    check_equal(status(), 0, "nobody moves it");
    check_equal(call(MAGIC, 5, DATA).a, MAGIC, "there is nothing to take");
    check_equal(status(), 0xffff0000, "which is an error");
    tell(0x45414552);
    check_equal(call(MAGIC, 0, DATA).a, MAGIC, "nor can nothing be taken");
    check_equal(call(MAGIC, 7, DATA).a, MAGIC, "nor too much");
    check_equal(status(), 0xffff0001, "that is one, too");
    for (unsigned i = 0; i < 2000; i++) {
        call(MAGIC, 0x45414552, COMMAND);
    }
    check_equal(status(), 1024, "it is full");
    for (unsigned i = 0; i < 170; i++) {
        Registers r = call(MAGIC, 6, DATA);

        if (r.a != 0x3442554a || r.di != r.a) {
            check(false, "six words at once");
        }
    }
    check_equal(status(), 4, "four are left");
    tell(0xf5);
    check_equal(status(), 0xffff0004, "it is off again");
}

void guest_main(void)
{
    commands();
    other_accesses();
    mouse();
    finish();
}
