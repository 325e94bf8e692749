/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What devices of the host reach of the memory, with a container of our own making: ioctl() is
 * ours. */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hw/vfio/vfio-dma.h"
#include "memory/dma.h"
#include "tests/unit/mem-machine.h"
#include "util/main-loop.h"
#include "util/units.h"

#define CONTAINER 12345 /* no descriptor of this program's */
#define BASE      0x100000000ull

static GString *said; /* "map ADDR+SIZE ", "unmap ADDR+SIZE ", in MiB from BASE on */
static int fails;     /* errno of maps; 0: they do not fail */
static unsigned maps; /* that go well before they fail */

static int map(const struct vfio_iommu_type1_dma_map *map)
{
    g_assert_cmphex(map->flags, ==, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
    g_assert_cmphex(map->vaddr, !=, 0);
    if (fails && !maps) {
        errno = fails;
        return -1;
    }
    maps -= fails ? 1 : 0;
    g_string_append_printf(said, "map %" PRIu64 "+%" PRIu64 " ", (uint64_t)(map->iova - BASE) / MIB,
                           (uint64_t)map->size / MIB);
    return 0;
}

static int unmap(const struct vfio_iommu_type1_dma_unmap *unmap)
{
    g_string_append_printf(said, "unmap %" PRIu64 "+%" PRIu64 " ",
                           (uint64_t)(unmap->iova - BASE) / MIB, (uint64_t)unmap->size / MIB);
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    const void *argument = va_arg(args, void *);
    va_end(args);
    if (fd != CONTAINER) {
        return (int)syscall(SYS_ioctl, fd, request, argument);
    }
    g_assert_true(request == VFIO_IOMMU_MAP_DMA || request == VFIO_IOMMU_UNMAP_DMA);
    return request == VFIO_IOMMU_MAP_DMA ? map(argument) : unmap(argument);
}

static void assert_said(const char *expected)
{
    g_assert_cmpstr(said->str, ==, expected);
    g_string_truncate(said, 0);
}

static Machine *machine_with_dimm(void)
{
    Machine *machine = mem_machine_new("128M,slots=4,maxmem=4G");

    said = g_string_new(NULL);
    mem_machine_make_ready(machine);
    add_backend("m0", "128M");
    add_backend("m1", "256M");
    add_dimm("pc-dimm,id=d0,memdev=m0");
    return machine;
}

static void machine_end(Machine *machine)
{
    mem_machine_free(machine);
    del_backend("m0");
    del_backend("m1");
    g_string_free(said, TRUE);
}

static void test_dimms(void)
{
    Machine *machine = machine_with_dimm();
    g_autoptr(GError) err = NULL;
    VfioDma dma;

    g_assert_true(vfio_dma_begin(&dma, CONTAINER, &err));
    assert_said("map 0+128 ");
    PcDimm *dimm = add_dimm("pc-dimm,id=d1,memdev=m1");
    assert_said("map 128+256 unmap 128+256 map 128+256 "); /* it is tried before */
    device_unplug(DEVICE(dimm));
    assert_said("unmap 128+256 ");
    vfio_dma_end(&dma);
    assert_said("unmap 0+128 ");
    machine_end(machine);
}

static void test_refused(void)
{
    Machine *machine = machine_with_dimm();
    g_autoptr(GError) err = NULL, first = NULL;
    VfioDma dma;

    fails = ENOMEM;
    maps = 0;
    g_assert_false(vfio_dma_begin(&dma, CONTAINER, &first));
    g_assert_nonnull(strstr(first->message, "ulimit -l"));
    fails = 0;
    g_assert_true(vfio_dma_begin(&dma, CONTAINER, &err));
    assert_said("map 0+128 ");
    fails = ENOSPC;
    g_assert_null(try_add_dimm("pc-dimm,id=d1,memdev=m1", &err));
    g_assert_nonnull(strstr(err->message, "dma_entry_limit"));
    g_assert_nonnull(strstr(err->message, "pc-dimm 'd1'"));
    assert_said("");
    g_assert_cmpuint(memory_devices(machine)->len, ==, 1);
    fails = 0;
    vfio_dma_end(&dma);
    assert_said("unmap 0+128 ");
    machine_end(machine);
}

/* As virtio-mem has it. */
static void test_parts(void)
{
    Machine *machine = machine_with_dimm();
    RamBlock *block = memory_device_at(memory_devices(machine), 0)->backend->ram;
    g_autoptr(GError) err = NULL;
    VfioDma dma;

    ram_parts_begin(block, 2 * MIB);
    ram_parts_set(block, 8 * MIB, 2 * MIB, true);
    g_assert_true(vfio_dma_begin(&dma, CONTAINER, &err));
    assert_said("map 8+2 ");
    g_assert_true(ram_parts_may_come(block, 0, 4 * MIB, &err));
    assert_said("map 0+2 map 2+2 ");
    ram_parts_set(block, 0, 4 * MIB, true);
    assert_said("");
    fails = ENOMEM;
    maps = 1;
    g_assert_false(ram_parts_may_come(block, 16 * MIB, 4 * MIB, &err));
    assert_said("map 16+2 unmap 16+2 ");
    fails = 0;
    ram_parts_set(block, 2 * MIB, 8 * MIB, false);
    assert_said("unmap 2+2 unmap 8+2 ");
    vfio_dma_end(&dma);
    assert_said("unmap 0+2 ");
    ram_parts_end(block);
    machine_end(machine);
}

/* What the balloon has would not come back as the pages that the device knows. */
static void test_balloon(void)
{
    Machine *machine = machine_with_dimm();
    const DmaSpace space = { .as = &address_space_memory };
    VfioDma dma;
    DmaHold hold;
    uint8_t *page;

    g_assert_true(vfio_dma_begin(&dma, CONTAINER, NULL));
    g_assert_true(dma_map(&space, BASE, 4 * KIB, true, "test", &hold));
    page = hold.host;
    *page = 7;
    g_assert_true(dma_discard(&hold));
    g_assert_cmpuint(*page, ==, 7);
    vfio_dma_end(&dma);
    g_assert_true(dma_discard(&hold));
    g_assert_cmpuint(*page, ==, 0);
    dma_unmap(&hold, 0);
    machine_end(machine);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/vfio-dma/dimms", test_dimms);
    g_test_add_func("/vfio-dma/refused", test_refused);
    g_test_add_func("/vfio-dma/parts", test_parts);
    g_test_add_func("/vfio-dma/balloon", test_balloon);
    return g_test_run();
}
