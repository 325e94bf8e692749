/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP commands for those who look into a machine: sums, addresses of the host, what watchdogs do.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hw/i386/debug.h"
#include "hw/pci/pci.h"
#include "memory/address-space.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- memory ---- */

#define CHUNK   65536
#define SUM_MAX (UINT64_C(2) << 30) /* the machine waits meanwhile */

/* The sum of sum(1) of BSD: 16 bits, turned to the right by one before each byte is added. */
static uint16_t add_bytes(uint16_t sum, const uint8_t *bytes, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++) {
        sum = (uint16_t)((sum >> 1 | sum << 15) + bytes[i]);
    }
    return sum;
}

void hmp_sum(Hmp *hmp, char **argv)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);
    uint64_t addr, size;
    uint16_t sum = 0;

    if (!hmp_eval(hmp, "ADDRESS", argv[0], &addr) || !hmp_eval(hmp, "SIZE", argv[1], &size)) {
        return;
    }
    if (size > SUM_MAX) {
        hmp_printf(hmp, "Error: SIZE: at most %" PRIu64 " bytes are summed up\n", SUM_MAX);
        return;
    }
    while (size) {
        uint64_t len = MIN(size, CHUNK), got = x86_debug_read_physical(addr, buf, len);

        sum = add_bytes(sum, buf, got);
        if (got < len) {
            hmp_printf(hmp, "Error: there is no RAM at 0x%" PRIx64 "\n", addr + got);
            return;
        }
        addr += len;
        size -= len;
    }
    hmp_printf(hmp, "%05u\n", sum);
}

/* The host's physical address of @host, which is mapped; false: an error. */
static bool host_physical(const uint8_t *host, uint64_t *pa, GError **errp)
{
    const uint64_t present = 1ull << 63, frame = (1ull << 55) - 1; /* pagemap, of Linux */
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), entry = 0;
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    ssize_t got =
        fd < 0 ? -1
               : pread(fd, &entry, sizeof(entry), (off_t)((uintptr_t)host / page * sizeof(entry)));

    if (fd >= 0) {
        close(fd);
    }
    if (got != sizeof(entry)) {
        error_set(errp, "the host does not tell: /proc/self/pagemap cannot be read");
    } else if (!(entry & present)) {
        error_set(errp, "the page is not in the host's memory now");
    } else if (!(entry & frame)) {
        error_set(errp, "the host does not tell: that needs CAP_SYS_ADMIN");
    } else {
        *pa = (entry & frame) * page + (uintptr_t)host % page;
        return true;
    }
    return false;
}

void hmp_gpa2hpa(Hmp *hmp, char **argv)
{
    const FlatRange *range;
    GError *err = NULL;
    uint64_t gpa, hpa;

    if (!hmp_eval(hmp, "ADDRESS", argv[0], &gpa)) {
        return;
    }
    range = flat_view_find(address_space_view(&address_space_memory), gpa);
    if (!range) {
        hmp_printf(hmp, "No memory is mapped at address 0x%" PRIx64 "\n", gpa);
    } else if (!range->host) {
        hmp_printf(hmp, "Memory at address 0x%" PRIx64 " is not RAM: %s\n", gpa, range->mr->name);
    } else if (host_physical(range->host + (gpa - range->addr), &hpa, &err)) {
        hmp_printf(hmp, "Host physical address for 0x%" PRIx64 " (%s) is 0x%" PRIx64 "\n", gpa,
                   range->mr->name, hpa);
    }
    hmp_error(hmp, err);
}

/* ---- CPUs ---- */

/* argv: -b CPU BANK STATUS MCGSTATUS ADDRESS MISC */
void hmp_mce(Hmp *hmp, char **argv)
{
    static const char *const names[] = { NULL,        "CPU",     "BANK", "STATUS",
                                         "MCGSTATUS", "ADDRESS", "MISC" };
    uint64_t values[G_N_ELEMENTS(names)];

    for (unsigned i = 1; i < G_N_ELEMENTS(names); i++) {
        if (!hmp_eval(hmp, names[i], argv[i], &values[i])) {
            return;
        }
    }
    hmp_printf(hmp,
               "Error: BANK: there is no bank %" PRIu64 ": CPUs here have none that could report "
               "machine checks (MCG_CAP is 0)\n",
               values[2]);
}

void hmp_singlestep(Hmp *hmp, char **argv)
{
    bool on = !argv[0] || !strcmp(argv[0], "on");

    if (!on && strcmp(argv[0], "off")) {
        hmp_printf(hmp, "Error: SWITCH: '%s' is neither on nor off\n", argv[0]);
    } else if (on) {
        hmp_printf(hmp, "Error: the engine does not stop after each instruction; GDB lets it "
                        "(gdbserver, then stepi), and `log exec` tells of blocks\n");
    } /* off is how it is */
}

/* ---- devices ---- */

/* argv: -a -c DEVICE ERROR TLP */
void hmp_pcie_aer_inject_error(Hmp *hmp, char **argv)
{
    g_autofree char *path = g_strconcat("/machine/peripheral/", argv[2], NULL);
    Object *found = object_resolve(argv[2][0] == '/' ? argv[2] : path, NULL);

    if (!found || !object_is_a(found, TYPE_PCI_DEVICE)) {
        hmp_printf(hmp,
                   "Error: DEVICE: there is no PCI device '%s'; info pci lists those there are\n",
                   argv[2]);
    } else {
        hmp_printf(hmp,
                   "Error: DEVICE: '%s' cannot report errors: PCI Express devices here have no "
                   "Advanced Error Reporting\n",
                   argv[2]);
    }
}

/* ---- the machine ---- */

void hmp_watchdog_action(Hmp *hmp, char **argv)
{
    for (unsigned i = 0; WatchdogAction_lookup[i]; i++) {
        if (!strcmp(argv[0], WatchdogAction_lookup[i])) {
            qmp_watchdog_set_action((WatchdogAction)i, NULL);
            return;
        }
    }
    hmp_printf(hmp, "Error: ACTION: '%s' is nothing that a watchdog can do; there are", argv[0]);
    for (unsigned i = 0; WatchdogAction_lookup[i]; i++) {
        hmp_printf(hmp, "%s %s", i ? "," : "", WatchdogAction_lookup[i]);
    }
    hmp_printf(hmp, "\n");
}

void hmp_exit_preconfig(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_x_exit_preconfig(&err);
    hmp_error(hmp, err);
}
