/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-iommu by a driver of our own, and beneath it a virtio-rng whose driver accepts
 * VIRTIO_F_ACCESS_PLATFORM. */
#include <string.h>

#include "hw/virtio/virtio-iommu-regs.h"
#include "tests/qtest/virtio.h"

#define IOMMU_DEVFN 0x20u
#define RNG_DEVFN   0x28u
#define DOMAIN      9u
#define RNG_RAM     0x280000u /* its driver's rings */
#define TARGET      0x500000u
#define IOVA        0x40000000u

typedef struct Machine {
    QTest *qt;
    QVirtio iommu, rng;
    QVirtQueue requests, events, bytes;
    uint64_t out, in;
} Machine;

static uint8_t request(Machine *m, const void *data, uint32_t size, uint32_t answer)
{
    qtest_memwrite(m->qt, m->out, data, size);
    g_assert_cmpuint(qvirtq_ask(&m->requests, m->out, size, m->in, answer + 4), ==, answer + 4);
    return qtest_readb(m->qt, m->in + answer);
}

static uint8_t attach(Machine *m, uint32_t type, uint32_t domain, uint32_t endpoint, uint32_t flags)
{
    const VirtioIommuAttach r = { type, domain, endpoint, flags, 0 };

    return request(m, &r, sizeof(r), 0);
}

static uint8_t map(Machine *m, uint64_t start, uint64_t size, uint64_t to, uint32_t flags)
{
    const VirtioIommuMap r = { VIRTIO_IOMMU_MAP, DOMAIN, start, start + size - 1, to, flags };

    return request(m, &r, sizeof(r), 0);
}

static uint8_t unmap(Machine *m, uint64_t start, uint64_t size)
{
    const VirtioIommuUnmap r = { VIRTIO_IOMMU_UNMAP, DOMAIN, start, start + size - 1, 0 };

    return request(m, &r, sizeof(r), 0);
}

static void open_machine(Machine *m, const char *board, const char *options)
{
    *m = (Machine){ .qt = qtest_start("-M %s -m 64 -device virtio-rng-pci,addr=5,disable-legacy=on,"
                                      "iommu_platform=on -device virtio-iommu-pci,addr=4%s",
                                      board, options) };
    qvirtio_open(&m->iommu, m->qt, IOMMU_DEVFN, true);
    qvirtio_start(&m->iommu, QVIRTIO_VERSION_1 | 0x57);
    qvirtio_queue(&m->iommu, &m->requests, 0);
    qvirtio_queue(&m->iommu, &m->events, 1);
    qvirtio_driver_ok(&m->iommu);
    m->out = qvirtio_alloc(&m->iommu, 4096);
    m->in = qvirtio_alloc(&m->iommu, 4096);
}

static void start_rng(Machine *m)
{
    qvirtio_open(&m->rng, m->qt, RNG_DEVFN, true);
    m->rng.next = RNG_RAM;
    qvirtio_start(&m->rng, QVIRTIO_VERSION_1 | QVIRTIO_ACCESS_PLATFORM);
    qvirtio_queue(&m->rng, &m->bytes, 0);
    qvirtio_driver_ok(&m->rng);
}

static void ask(Machine *m, uint64_t iova, uint32_t size)
{
    uint16_t head = qvirtq_add(&m->bytes, iova, size, true);

    qvirtq_kick(&m->bytes);
    g_assert_cmpuint(qvirtq_wait(&m->bytes, head), ==, size);
}

static bool has_bytes(const Machine *m, uint64_t addr)
{
    return qtest_readq(m->qt, addr) || qtest_readq(m->qt, addr + 8);
}

/* ---- tests ---- */

static void test_configuration(void)
{
    Machine m;

    open_machine(&m, "q35", "");
    g_assert_cmphex(qvirtio_offered(&m.iommu) & 0xffffff, ==, 0x57);
    g_assert_cmphex(qvirtio_config(&m.iommu, 0, 4), ==, 0xfffff000);
    g_assert_cmphex(qvirtio_config(&m.iommu, 16, 4), ==, UINT32_MAX);
    g_assert_cmphex(qvirtio_config(&m.iommu, 28, 4), ==, UINT32_MAX);
    g_assert_cmphex(qvirtio_config(&m.iommu, 32, 4), ==, VIRTIO_IOMMU_PROBE_SIZE);
    g_assert_cmphex(qvirtio_config(&m.iommu, VIRTIO_IOMMU_BYPASS_AT, 1), ==, 1);
    qtest_quit(m.qt);
}

static void test_translation(gconstpointer board)
{
    Machine m;

    open_machine(&m, board, "");
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, RNG_DEVFN, 0), ==, 0);
    g_assert_cmpuint(map(&m, 0x200000, 0x100000, 0x200000, 3), ==, 0);
    g_assert_cmpuint(map(&m, IOVA, 0x1000, TARGET, 2), ==, 0);
    g_assert_cmpuint(map(&m, IOVA + 0x1000, 0x1000, TARGET + 0x100000, 3), ==, 0);
    start_rng(&m);
    ask(&m, IOVA + 0xff0, 0x20);
    g_assert_true(has_bytes(&m, TARGET + 0xff0));
    g_assert_true(has_bytes(&m, TARGET + 0x100000));
    g_assert_false(has_bytes(&m, TARGET + 0x1000));
    /* A domain that lets pass. */
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN + 1, RNG_DEVFN, 1), ==, 0);
    ask(&m, 0x900000, 16);
    g_assert_true(has_bytes(&m, 0x900000));
    qtest_quit(m.qt);
}

/* A device that comes while the machine runs is below it, too. */
static void test_comes_later(void)
{
    Machine m;

    open_machine(&m, "pc", "");
    qvirtio_set_config(&m.iommu, VIRTIO_IOMMU_BYPASS_AT, 1, 0);
    qtest_qmp_ok(m.qt, "device_add",
                 "{'driver': 'virtio-rng-pci', 'id': 'r', 'addr': '7', 'disable-legacy': 'on', "
                 "'iommu_platform': true}");
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, 7 << 3, 0), ==, 0);
    g_assert_cmpuint(map(&m, 0x200000, 0x100000, 0x200000, 3), ==, 0);
    g_assert_cmpuint(map(&m, IOVA, 0x1000, TARGET, 2), ==, 0);
    qvirtio_open(&m.rng, m.qt, 7 << 3, true);
    m.rng.next = RNG_RAM;
    qvirtio_start(&m.rng, QVIRTIO_VERSION_1 | QVIRTIO_ACCESS_PLATFORM);
    qvirtio_queue(&m.rng, &m.bytes, 0);
    qvirtio_driver_ok(&m.rng);
    ask(&m, IOVA, 16);
    g_assert_true(has_bytes(&m, TARGET));
    qtest_quit(m.qt);
}

/* A device that is in no domain passes, or not. */
static void test_bypass(void)
{
    Machine m;

    open_machine(&m, "q35", "");
    start_rng(&m);
    ask(&m, TARGET, 16);
    g_assert_true(has_bytes(&m, TARGET));
    qvirtio_set_config(&m.iommu, VIRTIO_IOMMU_BYPASS_AT, 1, 0);
    qvirtq_add(&m.bytes, TARGET, 16, true);
    qvirtq_kick(&m.bytes);
    g_assert_cmphex(qvirtio_status(&m.rng) & QVIRTIO_NEEDS_RESET, ==, QVIRTIO_NEEDS_RESET);
    /* It stays so when the driver resets the device, but not when the machine is reset. */
    qvirtio_set_status(&m.iommu, 0);
    g_assert_cmphex(qvirtio_config(&m.iommu, VIRTIO_IOMMU_BYPASS_AT, 1), ==, 0);
    qtest_qmp_ok(m.qt, "system_reset", NULL);
    qvirtio_open(&m.iommu, m.qt, IOMMU_DEVFN, true);
    g_assert_cmphex(qvirtio_config(&m.iommu, VIRTIO_IOMMU_BYPASS_AT, 1), ==, 1);
    qtest_quit(m.qt);

    open_machine(&m, "q35", ",boot-bypass=off");
    g_assert_cmphex(qvirtio_config(&m.iommu, VIRTIO_IOMMU_BYPASS_AT, 1), ==, 0);
    qtest_quit(m.qt);
}

/* A byte at the end of all addresses, which passes, is no memory. */
static void test_last_byte(void)
{
    Machine m;

    open_machine(&m, "q35", "");
    start_rng(&m);
    qvirtq_add(&m.bytes, UINT64_MAX, 1, true);
    qvirtq_kick(&m.bytes);
    g_assert_cmphex(qvirtio_status(&m.rng) & QVIRTIO_NEEDS_RESET, ==, QVIRTIO_NEEDS_RESET);
    qtest_quit(m.qt);
}

static void test_fault(void)
{
    VirtioIommuFault fault;
    Machine m;
    uint16_t head;

    open_machine(&m, "q35", "");
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, RNG_DEVFN, 0), ==, 0);
    g_assert_cmpuint(map(&m, 0x200000, 0x100000, 0x200000, 3), ==, 0);
    g_assert_cmpuint(map(&m, IOVA, 0x1000, TARGET, VIRTIO_IOMMU_MAP_READ), ==, 0);
    head = qvirtq_add(&m.events, m.in, 64, true);
    start_rng(&m);
    qvirtq_add(&m.bytes, IOVA + 8, 16, true);
    qvirtq_kick(&m.bytes);
    g_assert_cmphex(qvirtio_status(&m.rng) & QVIRTIO_NEEDS_RESET, ==, QVIRTIO_NEEDS_RESET);
    g_assert_cmpuint(qvirtq_wait(&m.events, head), ==, sizeof(fault));
    qtest_memread(m.qt, m.in, &fault, sizeof(fault));
    g_assert_cmpuint(fault.reason, ==, VIRTIO_IOMMU_FAULT_MAPPING);
    g_assert_cmphex(fault.flags, ==, VIRTIO_IOMMU_FAULT_ADDRESS | VIRTIO_IOMMU_FAULT_WRITE);
    g_assert_cmphex(fault.endpoint, ==, RNG_DEVFN);
    g_assert_cmphex(fault.address, ==, IOVA + 8);
    qtest_quit(m.qt);
}

static void test_requests(void)
{
    const VirtioIommuProbe probe = { .type = VIRTIO_IOMMU_PROBE, .endpoint = RNG_DEVFN };
    const VirtioIommuProbe nobody = { .type = VIRTIO_IOMMU_PROBE, .endpoint = 0x30 };
    const uint32_t unknown = 0x77;
    VirtioIommuReserved found;
    Machine m;

    open_machine(&m, "q35", "");
    g_assert_cmpuint(map(&m, IOVA, 0x1000, TARGET, 3), ==, VIRTIO_IOMMU_NO_ENTRY);
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, 0x30, 0), ==, VIRTIO_IOMMU_NO_ENTRY);
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, 0x10000, 0), ==,
                     VIRTIO_IOMMU_NO_ENTRY);
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, RNG_DEVFN, 2), ==,
                     VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_DETACH, DOMAIN, RNG_DEVFN, 0), ==,
                     VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, RNG_DEVFN, 0), ==, 0);
    g_assert_cmpuint(map(&m, IOVA + 1, 0x1000, TARGET, 3), ==, VIRTIO_IOMMU_RANGE);
    g_assert_cmpuint(map(&m, IOVA, 0x1000, TARGET, 8), ==, VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(map(&m, IOVA, 0, TARGET, 3), ==, VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(map(&m, 0, 0xfffffffffffff000, 0x2000, 3), ==, VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(map(&m, IOVA, 0x4000, TARGET, 3), ==, 0);
    g_assert_cmpuint(map(&m, IOVA + 0x3000, 0x2000, TARGET, 3), ==, VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(unmap(&m, IOVA, 0x2000), ==, VIRTIO_IOMMU_RANGE);
    g_assert_cmpuint(unmap(&m, IOVA + 0x1000, 0x10000), ==, VIRTIO_IOMMU_RANGE);
    g_assert_cmpuint(unmap(&m, IOVA - 0x1000, 0x10000), ==, 0);
    g_assert_cmpuint(map(&m, IOVA + 0x3000, 0x2000, TARGET, 3), ==, 0);
    g_assert_cmpuint(request(&m, &unknown, sizeof(unknown), 0), ==, VIRTIO_IOMMU_UNSUPPORTED);
    g_assert_cmpuint(request(&m, &probe, 3, VIRTIO_IOMMU_PROBE_SIZE), ==, VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(request(&m, &probe, sizeof(probe), 0), ==, VIRTIO_IOMMU_INVALID);
    g_assert_cmpuint(request(&m, &nobody, sizeof(nobody), VIRTIO_IOMMU_PROBE_SIZE), ==,
                     VIRTIO_IOMMU_NO_ENTRY);
    g_assert_cmpuint(request(&m, &probe, sizeof(probe), VIRTIO_IOMMU_PROBE_SIZE), ==, 0);
    qtest_memread(m.qt, m.in, &found, sizeof(found));
    g_assert_cmpuint(found.type, ==, VIRTIO_IOMMU_PROBE_RESERVED);
    g_assert_cmpuint(found.subtype, ==, VIRTIO_IOMMU_RESERVED_MSI);
    g_assert_cmphex(found.start, ==, 0xfee00000);
    g_assert_cmphex(found.end, ==, 0xfeefffff);
    g_assert_cmpuint(qtest_readw(m.qt, m.in + sizeof(found)), ==, 0);
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_DETACH, DOMAIN, RNG_DEVFN, 0), ==, 0);
    g_assert_cmpuint(unmap(&m, IOVA, 0x2000), ==, VIRTIO_IOMMU_NO_ENTRY); /* it went with it */
    qtest_quit(m.qt);
}

/* The mappings go along with a saved machine. */
static void test_saved(void)
{
    Machine m;
    g_autofree char *path = NULL;
    QTest *first;

    open_machine(&m, "q35", "");
    g_assert_cmpuint(attach(&m, VIRTIO_IOMMU_ATTACH, DOMAIN, RNG_DEVFN, 0), ==, 0);
    g_assert_cmpuint(map(&m, 0x200000, 0x100000, 0x200000, 3), ==, 0);
    g_assert_cmpuint(map(&m, IOVA, 0x1000, TARGET, 2), ==, 0);
    start_rng(&m);
    path = qtest_temp_path(m.qt, "state");
    qtest_save(m.qt, path);
    first = m.qt;
    m.qt = qtest_start("-M q35 -m 64 -device virtio-rng-pci,addr=5,disable-legacy=on,"
                       "iommu_platform=on -device virtio-iommu-pci,addr=4 -incoming file:%s",
                       path);
    qtest_wait_loaded(m.qt);
    qtest_qmp_ok(m.qt, "cont", NULL);
    m.iommu.qt = m.rng.qt = m.qt;
    ask(&m, IOVA, 16);
    g_assert_true(has_bytes(&m, TARGET));
    g_assert_cmpuint(unmap(&m, IOVA, 0x1000), ==, 0);
    g_assert_cmpuint(map(&m, IOVA, 0x1000, TARGET, 2), ==, 0);
    qtest_quit(m.qt);
    qtest_quit(first);
}

static const QTestRefused refused[] = {
    { "-M q35 -device intel-iommu -device virtio-iommu-pci", "has an IOMMU already" },
    { "-M q35 -device pcie-root-port,id=rp -device virtio-iommu-pci,bus=rp",
      "must be on 'pcie.0'" },
    { "-M pc -device virtio-iommu-pci -device virtio-iommu-pci", "has an IOMMU already" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-iommu/configuration", test_configuration);
    g_test_add_data_func("/virtio-iommu/translation/q35", "q35", test_translation);
    g_test_add_data_func("/virtio-iommu/translation/pc", "pc", test_translation);
    g_test_add_func("/virtio-iommu/bypass", test_bypass);
    g_test_add_func("/virtio-iommu/last-byte", test_last_byte);
    g_test_add_func("/virtio-iommu/comes-later", test_comes_later);
    g_test_add_func("/virtio-iommu/fault", test_fault);
    g_test_add_func("/virtio-iommu/requests", test_requests);
    g_test_add_func("/virtio-iommu/saved", test_saved);
    qtest_add_refused("/virtio-iommu/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
