/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages that eventfds send: by an engine that can, by one that cannot, and by none. */
#include "accel/notify.h"
#include "util/machine-lock.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "accel/accel.h"
#include "memory/memory.h"
#include "util/main-loop.h"

#define MSI_AT 0xfee00000u

/* ---- where messages go ---- */

static GString *sent; /* "ADDR=DATA " each */

static void record_message(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    g_assert_true(machine_lock_held());
    g_string_append_printf(sent, "%x=%x ", (unsigned)(MSI_AT + addr), (unsigned)value);
}

static const MemoryRegionOps msi_ops = { .write = record_message };

static void assert_sent(const char *expected)
{
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpstr(sent->str, ==, expected);
    g_string_truncate(sent, 0);
}

static void signal_fd(int fd)
{
    const uint64_t one = 1;

    g_assert_cmpint(write(fd, &one, sizeof(one)), ==, sizeof(one));
}

/* ---- an engine ---- */

static GString *calls;
static int next_route; /* -1: it has no more */
static bool takes_irqfd, takes_change;

static int fake_route_add(uint64_t addr, uint32_t data, GError **errp)
{
    g_string_append_printf(calls, "add %x=%x ", (unsigned)addr, data);
    return next_route;
}

static bool fake_route_change(int route, uint64_t addr, uint32_t data, GError **errp)
{
    g_string_append_printf(calls, "change %d %x=%x ", route, (unsigned)addr, data);
    return takes_change;
}

static void fake_route_del(int route)
{
    g_string_append_printf(calls, "del %d ", route);
}

static bool fake_irqfd(int fd, int route, bool on, GError **errp)
{
    g_string_append_printf(calls, "irqfd %d %s ", route, on ? "on" : "off");
    return takes_irqfd;
}

static const AccelNotify fake_notify = { fake_route_add, fake_route_change, fake_route_del,
                                         fake_irqfd };
static const AccelOps fake = { .name = "fake", .notify = &fake_notify };
static const AccelOps plain = { .name = "plain" };

static void assert_calls(const char *expected)
{
    g_assert_cmpstr(calls->str, ==, expected);
    g_string_truncate(calls, 0);
}

/* ---- the tests ---- */

static void by_main_loop(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), other = eventfd(0, EFD_CLOEXEC);
    AccelMsiRoute *route = accel_msi_route_new(MSI_AT + 0x1000, 0x41);
    AccelMsiRoute *second = accel_msi_route_new(MSI_AT, 0x77);

    signal_fd(fd); /* before somebody listens: it is kept */
    accel_irqfd_add(route, fd);
    accel_irqfd_add(second, other);
    g_assert_false(accel_irqfd_is_fast(route));
    assert_sent("fee01000=41 ");
    signal_fd(fd);
    signal_fd(fd); /* one interrupt, as an edge that comes again before it was taken */
    assert_sent("fee01000=41 ");
    accel_msi_route_change(route, MSI_AT + 0x2000, 0x42);
    signal_fd(fd);
    assert_sent("fee02000=42 ");
    signal_fd(other);
    assert_sent("fee00000=77 ");
    accel_irqfd_del(route);
    accel_irqfd_del(route);
    signal_fd(fd);
    assert_sent("");
    accel_irqfd_add(route, fd);
    assert_sent("fee02000=42 ");
    accel_msi_route_free(route);
    accel_msi_route_free(second);
    accel_msi_route_free(NULL);
    signal_fd(fd);
    assert_sent("");
    close(fd);
    close(other);
}

static void test_no_engine(void)
{
    accel_set(NULL);
    by_main_loop();
}

static void test_plain_engine(void)
{
    accel_set(&plain);
    by_main_loop();
}

static void test_engine(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    AccelMsiRoute *route = accel_msi_route_new(MSI_AT, 0x41);

    accel_set(&fake);
    next_route = 5;
    takes_irqfd = takes_change = true;
    accel_msi_route_change(route, MSI_AT, 0x42);
    assert_calls("");
    accel_irqfd_add(route, fd);
    g_assert_true(accel_irqfd_is_fast(route));
    assert_calls("add fee00000=42 irqfd 5 on ");
    signal_fd(fd);
    assert_sent(""); /* the engine's affair */
    accel_msi_route_change(route, MSI_AT, 0x43);
    assert_calls("change 5 fee00000=43 ");
    accel_msi_route_change(route, MSI_AT, 0x43);
    assert_calls(""); /* it is so already */
    accel_irqfd_del(route);
    assert_calls("irqfd 5 off del 5 ");
    accel_irqfd_add(route, fd);
    assert_calls("add fee00000=43 irqfd 5 on ");
    /* It refuses a change: what was signalled meanwhile is sent. */
    takes_change = false;
    accel_msi_route_change(route, MSI_AT, 0x44);
    assert_calls("change 5 fee00000=44 irqfd 5 off del 5 ");
    g_assert_false(accel_irqfd_is_fast(route));
    assert_sent("fee00000=44 ");
    accel_msi_route_free(route);
    assert_calls("");
    close(fd);
}

/* No route is left, or no irqfd. */
static void test_engine_refuses(void)
{
    accel_set(&fake);
    next_route = -1;
    by_main_loop();
    g_assert_true(g_str_has_prefix(calls->str, "add fee01000=41 add fee00000=77 "));
    g_assert_null(strstr(calls->str, "irqfd"));
    g_string_truncate(calls, 0);
    next_route = 3;
    takes_irqfd = false;
    by_main_loop();
    g_assert_true(g_str_has_prefix(calls->str, "add fee01000=41 irqfd 3 on del 3 "));
}

int main(int argc, char **argv)
{
    MemoryRegion msi;

    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    memory_region_init_io(&msi, &msi_ops, NULL, "msi", 1 << 20);
    memory_region_add(memory_system(), MSI_AT, &msi);
    sent = g_string_new(NULL);
    calls = g_string_new(NULL);
    g_test_add_func("/notify/no-engine", test_no_engine);
    g_test_add_func("/notify/plain-engine", test_plain_engine);
    g_test_add_func("/notify/engine", test_engine);
    g_test_add_func("/notify/engine-refuses", test_engine_refuses);
    int status = g_test_run();
    memory_region_remove(&msi);
    memory_region_destroy(&msi);
    return status;
}
