/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports and memory to the outside: isa-parallel, pci-serial-2x and -4x, ivshmem-plain. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"
#include "util/units.h"

#define PCI_DEVFN   (5 << 3)
#define PCIHP_EJECT 0xae08

static void assert_printed(QTest *qt, const char *id, const char *text)
{
    g_autoptr(json_object) got = qtest_qmp(qt, "ringbuf-read", "{'device': %s, 'size': 1000}", id);

    g_assert_cmpstr(json_object_get_string(got), ==, text);
}

/* ---- isa-parallel ---- */

#define LPT     0x378
#define LPT_IRQ 7
enum { STROBE = 1, INIT_N = 4, SELECT = 8, IRQ_ENABLE = 0x10, INPUT = 0x20 };
enum { ACK_N = 0x40, BUSY_N = 0x80, IDLE = 0xd9 };

static void print_byte(QTest *qt, uint8_t byte, uint8_t control)
{
    qtest_outb(qt, LPT, byte);
    qtest_outb(qt, LPT + 2, control | STROBE);
    g_assert_cmphex(qtest_inb(qt, LPT + 1) & BUSY_N, ==, 0);
    qtest_outb(qt, LPT + 2, control);
}

static void test_parallel_print(void)
{
    QTest *qt = qtest_start("-m 16 -chardev ringbuf,id=c0 -device isa-parallel,chardev=c0");

    g_assert_cmphex(qtest_inb(qt, LPT), ==, 0xff);
    g_assert_cmphex(qtest_inb(qt, LPT + 1), ==, IDLE);
    g_assert_cmphex(qtest_inb(qt, LPT + 2), ==, 0xcc);
    g_assert_cmphex(qtest_inb(qt, LPT + 3), ==, 0xff);
    print_byte(qt, 'h', SELECT | INIT_N);
    g_assert_cmphex(qtest_inb(qt, LPT + 1), ==, IDLE & ~ACK_N); /* seen once */
    g_assert_cmphex(qtest_inb(qt, LPT + 1), ==, IDLE);
    print_byte(qt, 'i', SELECT | INIT_N);
    qtest_outb(qt, LPT + 2, INIT_N | STROBE); /* the printer is not selected */
    qtest_outb(qt, LPT + 2, INIT_N);
    assert_printed(qt, "c0", "hi");
    qtest_outb(qt, LPT, 0x41);
    g_assert_cmphex(qtest_inb(qt, LPT), ==, 0x41);
    qtest_outb(qt, LPT + 2, SELECT | INIT_N | INPUT); /* the lines are not the guest's any more */
    g_assert_cmphex(qtest_inb(qt, LPT), ==, 0xff);
    qtest_quit(qt);
}

/* Its interrupt comes when a byte has been taken, and goes with the reading of the status. */
static void test_parallel_interrupt(void)
{
    const char *args = "-m 16 -chardev ringbuf,id=c0 -device isa-parallel,id=lp,chardev=c0";
    QTest *qt = qtest_start("%s", args);

    qtest_irq_intercept_in(qt, "ioapic");
    print_byte(qt, 'a', SELECT | INIT_N);
    g_assert_false(qtest_get_irq(qt, LPT_IRQ));
    print_byte(qt, 'b', SELECT | INIT_N | IRQ_ENABLE);
    g_assert_true(qtest_get_irq(qt, LPT_IRQ));
    qtest_inb(qt, LPT + 1);
    g_assert_false(qtest_get_irq(qt, LPT_IRQ));
    print_byte(qt, 'c', SELECT | INIT_N | IRQ_ENABLE);
    qtest_outb(qt, LPT + 2, SELECT | INIT_N); /* it is not wanted any more */
    g_assert_false(qtest_get_irq(qt, LPT_IRQ));
    print_byte(qt, 'd', SELECT | INIT_N | IRQ_ENABLE);
    g_autofree char *file = qtest_temp_path(qt, "state");
    qtest_save(qt, file);
    QTest *to = qtest_start("%s -incoming file:%s", args, file);
    qtest_wait_running(to);
    qtest_quit(qt);
    g_assert_cmphex(qtest_inb(to, LPT), ==, 'd');
    g_assert_cmphex(qtest_inb(to, LPT + 2), ==, 0xc0 | SELECT | INIT_N | IRQ_ENABLE);
    g_assert_cmphex(qtest_inb(to, LPT + 1), ==, IDLE & ~ACK_N);
    qtest_quit(to);
}

static const QTestRefused refused[] = {
    { "-device isa-parallel", "a parallel port needs one" },
    { "-device isa-parallel,chardev=nix", "'nix' not found" },
    { "-chardev null,id=a -device isa-parallel,chardev=a,index=3", "'index' is 0 to 2" },
    { "-chardev null,id=a -chardev null,id=b -device isa-parallel,chardev=a "
      "-device isa-parallel,chardev=b,index=0",
      "already" },
    { "-chardev null,id=a -device isa-parallel,chardev=a,irq=16", "0 to 15" },
    { "-chardev null,id=a -device isa-parallel,chardev=a,iobase=0xffff", "no port" },
    { "-chardev null,id=a -device isa-parallel,chardev=a,iobase=0x60", "belongs to" },
    { "-chardev null,id=a -device pci-serial-2x,chardev1=a,chardev2=a", "'a'" },
    { "-device ivshmem-plain", "'memdev' is missing" },
    { "-object memory-backend-ram,id=m,size=12K -device ivshmem-plain,memdev=m", "a power of 2" },
    { "-object memory-backend-ram,id=m,size=16K -device ivshmem-plain,memdev=m "
      "-device ivshmem-plain,memdev=m",
      "already used" },
};

/* ---- pci-serial-2x, pci-serial-4x ---- */

#define SERIAL_PORT 0xc100
enum { THR, IER, IIR };
enum { IER_THRE = 2, IIR_THRE = 2, IIR_NONE = 1, STATUS_INTX = 8 };

static bool pin(QTest *qt)
{
    return qpci_read(qt, PCI_DEVFN, 6, 2) & STATUS_INTX;
}

/* Each port writes to its own end, and the pin is high while one of them wants it. */
static void test_serials(const void *opaque)
{
    unsigned count = GPOINTER_TO_UINT(opaque);
    g_autoptr(GString) args = g_string_new("-m 16");

    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(args, " -chardev ringbuf,id=c%u", i);
    }
    g_string_append_printf(args, " -device pci-serial-%ux,addr=5", count);
    for (unsigned i = 0; i < count; i++) {
        g_string_append_printf(args, ",chardev%u=c%u", i + 1, i);
    }
    QTest *qt = qtest_start("%s", args->str);

    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 0, 4), ==, 0x00011b36 + (count / 2 + 1) * 0x10000);
    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 8, 4), ==, 0x07000201);
    qpci_write(qt, PCI_DEVFN, 0x10, 4, ~0u);
    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 0x10, 4), ==, ~(count * 8 - 1) | 1);
    qpci_write(qt, PCI_DEVFN, 0x10, 4, SERIAL_PORT);
    qpci_write(qt, PCI_DEVFN, 4, 2, 1);
    for (unsigned i = 0; i < count; i++) {
        const char text[] = { (char)('a' + i), 0 };
        g_autofree char *id = g_strdup_printf("c%u", i);

        qtest_outb(qt, SERIAL_PORT + 8 * i + THR, text[0]);
        assert_printed(qt, id, text);
        qtest_outb(qt, SERIAL_PORT + 8 * i + IER, IER_THRE);
    }
    g_autofree char *file = qtest_temp_path(qt, "state");
    qtest_save(qt, file);
    QTest *to = qtest_start("%s -incoming file:%s", args->str, file);
    qtest_wait_running(to);
    qtest_quit(qt);
    for (unsigned i = 0; i < count; i++) {
        g_assert_true(pin(to));
        g_assert_cmphex(qtest_inb(to, SERIAL_PORT + 8 * i + IIR), ==, IIR_THRE);
        g_assert_cmphex(qtest_inb(to, SERIAL_PORT + 8 * i + IIR), ==, IIR_NONE);
    }
    g_assert_false(pin(to));
    qtest_quit(to);
}

/* Its interface can be told to be another; unplugged, it lets go of what it had. */
static void test_serials_plug(void)
{
    QTest *qt = qtest_start("-m 16 -chardev ringbuf,id=c0 -chardev ringbuf,id=c1");

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(qt, "device_add",
                     "{'driver': 'pci-serial-2x', 'id': 's0', 'chardev1': 'c0', 'chardev2': 'c1', "
                     "'addr': '5', 'prog_if': 1}");
        g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 8, 4), ==, 0x07000101);
        json_object_put(qtest_qmp_error(
            qt, "device_add", "{'driver': 'pci-serial-4x', 'id': 's1', 'chardev4': 'c1'}"));
        qpci_write(qt, PCI_DEVFN, 0x10, 4, SERIAL_PORT);
        qpci_write(qt, PCI_DEVFN, 4, 2, 1);
        qtest_outb(qt, SERIAL_PORT + 8 + IER, IER_THRE);
        qtest_qmp_ok(qt, "device_del", "{'id': 's0'}");
        qtest_outl(qt, PCIHP_EJECT, 1u << 5);
        json_object_put(qtest_event(qt, "DEVICE_DELETED"));
    }
    qtest_quit(qt);
}

/* ---- ivshmem-plain ---- */

#define SHM_REGISTERS 0xe8000000u
#define SHM_MEMORY    0xe9000000u

static void shm_place(QTest *qt)
{
    qpci_write(qt, PCI_DEVFN, 0x10, 4, SHM_REGISTERS);
    qpci_write(qt, PCI_DEVFN, 0x18, 4, SHM_MEMORY);
    qpci_write(qt, PCI_DEVFN, 0x1c, 4, 0);
    qpci_write(qt, PCI_DEVFN, 4, 2, 2);
}

/* What one side writes the other reads: the guest, and who else has the file. */
static void test_shm(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp(NULL, &path, NULL);

    g_assert_cmpint(ftruncate(fd, MIB), ==, 0);
    uint8_t *host = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(host != MAP_FAILED);
    QTest *qt = qtest_start("-m 16 -object memory-backend-file,id=m,size=1M,share=on,mem-path=%s "
                            "-device ivshmem-plain,id=shm,memdev=m,addr=5",
                            path);

    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 0, 4), ==, 0x11101af4);
    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 8, 4), ==, 0x05000001);
    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 0x3d, 1), ==, 0);
    qpci_write(qt, PCI_DEVFN, 0x18, 4, ~0u);
    g_assert_cmphex(qpci_read(qt, PCI_DEVFN, 0x18, 4), ==, 0xfff0000c);
    shm_place(qt);
    memcpy(host + 0x1234, "to the guest", 13);
    char text[32];
    qtest_memread(qt, SHM_MEMORY + 0x1234, text, 13);
    g_assert_cmpstr(text, ==, "to the guest");
    qtest_memwrite(qt, SHM_MEMORY + MIB - 8, "back", 5);
    g_assert_cmpstr((char *)host + MIB - 8, ==, "back");
    /* Nothing that its registers are told has an effect. */
    for (unsigned i = 0; i < 256; i += 4) {
        qtest_writel(qt, SHM_REGISTERS + i, ~0u);
        qtest_readl(qt, SHM_REGISTERS + i);
    }
    g_assert_cmphex(qtest_readl(qt, SHM_REGISTERS + 8), ==, 0); /* IVPosition */
    json_object_put(qtest_qmp_error(qt, "object-del", "{'id': 'm'}"));
    qtest_quit(qt);
    munmap(host, MIB);
    close(fd);
    unlink(path);
}

/* It comes while the guest runs; when it has gone, so can the memory. */
static void test_shm_plug(void)
{
    QTest *qt = qtest_start("-m 16");

    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(qt, "object-add",
                     "{'qom-type': 'memory-backend-memfd', 'id': 'm', 'size': 65536}");
        qtest_qmp_ok(qt, "device_add",
                     "{'driver': 'ivshmem-plain', 'id': 'shm', 'memdev': 'm', 'addr': '5'}");
        shm_place(qt);
        qtest_writel(qt, SHM_MEMORY, 0x12345678);
        g_assert_cmphex(qtest_readl(qt, SHM_MEMORY), ==, 0x12345678);
        qtest_qmp_ok(qt, "device_del", "{'id': 'shm'}");
        qtest_outl(qt, PCIHP_EJECT, 1u << 5);
        json_object_put(qtest_event(qt, "DEVICE_DELETED"));
        g_assert_cmphex(qtest_readl(qt, SHM_MEMORY), !=, 0x12345678);
        qtest_qmp_ok(qt, "object-del", "{'id': 'm'}");
    }
    qtest_quit(qt);
}

/* How many reasons there are against a migration; the first has @word. */
static unsigned blocked(QTest *qt, const char *word)
{
    g_autoptr(json_object) info = qtest_qmp(qt, "query-migrate", "{}");
    struct json_object *reasons;

    if (!json_object_object_get_ex(info, "blocked-reasons", &reasons)) {
        return 0;
    }
    struct json_object *first = json_object_array_get_idx(reasons, 0);
    g_assert_nonnull(strstr(json_object_get_string(first), word));
    return (unsigned)json_object_array_length(reasons);
}

/* The memory of others cannot be saved; one's own goes along. */
static void test_shm_save(void)
{
    const char *args = "-m 16 -object memory-backend-memfd,id=m,size=64K "
                       "-device ivshmem-plain,id=shm,memdev=m,addr=5,master=";
    QTest *qt = qtest_start("%soff", args);
    g_autoptr(json_object) err = qtest_qmp_error(qt, "migrate", "{'uri': 'exec:cat > /dev/null'}");

    g_assert_nonnull(strstr(qtest_get_str(err, "desc"), "master=on"));
    g_assert_cmpuint(blocked(qt, "master=on"), ==, 1);
    qtest_qmp_ok(qt, "device_del", "{'id': 'shm'}");
    qtest_outl(qt, PCIHP_EJECT, 1u << 5);
    json_object_put(qtest_event(qt, "DEVICE_DELETED"));
    g_assert_cmpuint(blocked(qt, ""), ==, 0);
    qtest_qmp_ok(qt, "migrate", "{'uri': 'exec:cat > /dev/null'}");
    qtest_quit(qt);

    qt = qtest_start("%son", args);
    shm_place(qt);
    qtest_writel(qt, SHM_MEMORY + 0x8000, 0x600df00d);
    g_autofree char *file = qtest_temp_path(qt, "state");
    qtest_save(qt, file);
    QTest *to = qtest_start("%son -incoming file:%s", args, file);
    qtest_wait_running(to);
    qtest_quit(qt);
    g_assert_cmphex(qtest_readl(to, SHM_MEMORY + 0x8000), ==, 0x600df00d);
    qtest_quit(to);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parallel/print", test_parallel_print);
    g_test_add_func("/parallel/interrupt", test_parallel_interrupt);
    g_test_add_data_func("/serial/2x", GUINT_TO_POINTER(2), test_serials);
    g_test_add_data_func("/serial/4x", GUINT_TO_POINTER(4), test_serials);
    g_test_add_func("/serial/plug", test_serials_plug);
    g_test_add_func("/shm/shared", test_shm);
    g_test_add_func("/shm/plug", test_shm_plug);
    g_test_add_func("/shm/save", test_shm_save);
    qtest_add_refused("/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
