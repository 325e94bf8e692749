/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's program that loads another kernel: kexec now|crash|load KERNEL INITRD COMMAND-LINE.
 * "now" starts it, and "crash" leaves it where a panic starts it: both by kexec_file_load. "load"
 * starts it by kexec_load, for which this program says what lies where, and what memory there is:
 * what /sys/firmware/memmap has.
 */
#define _GNU_SOURCE
#include <asm/bootparam.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096ul
/* Where things go: a guest has at least 256 MiB at boot. */
#define PARAMS_AT  0x200000ul
#define WORDS_AT   0x201000ul
#define START_AT   0x202000ul
#define KERNEL_AT  0x1000000ul
#define INITRD_AT  0x8000000ul
#define ENTRY_64   0x200ul /* of a kernel's part that is loaded */
#define HEADER_AT  0x1f1
#define HEADER_END 0x201 /* the byte that says how far beyond 0x202 the header goes */

typedef struct File {
    const unsigned char *data;
    size_t size;
} File;

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void start(void)
{
    reboot(LINUX_REBOOT_CMD_KEXEC);
    must(false, "reboot");
}

static File map_file(const char *name)
{
    int fd = open(name, O_RDONLY);
    struct stat about;
    void *data;

    must(fd >= 0 && fstat(fd, &about) == 0, name);
    data = mmap(NULL, about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    must(data != MAP_FAILED, name);
    return (File){ data, about.st_size };
}

/* ---- what memory there is ---- */

static bool read_field(unsigned entry, const char *field, char *text, size_t size)
{
    char path[64];
    FILE *file;
    bool good;

    snprintf(path, sizeof path, "/sys/firmware/memmap/%u/%s", entry, field);
    file = fopen(path, "r");
    if (!file) {
        return false;
    }
    good = fgets(text, size, file) != NULL;
    fclose(file);
    return good;
}

static uint32_t type_of(const char *name)
{
    static const struct {
        const char *name;
        uint32_t type;
    } types[] = { { "System RAM\n", 1 },
                  { "ACPI Tables\n", 3 },
                  { "ACPI Non-volatile Storage\n", 4 } };

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].name, name) == 0) {
            return types[i].type;
        }
    }
    return 2; /* reserved */
}

static void add_memory(struct boot_params *params)
{
    char start[32], end[32], type[64];

    for (unsigned n = 0;
         n < E820_MAX_ENTRIES_ZEROPAGE && read_field(n, "start", start, sizeof start) &&
         read_field(n, "end", end, sizeof end) && read_field(n, "type", type, sizeof type);
         n++) {
        struct boot_e820_entry *entry = &params->e820_table[n];

        entry->addr = strtoull(start, NULL, 0);
        entry->size = strtoull(end, NULL, 0) + 1 - entry->addr;
        entry->type = type_of(type);
        params->e820_entries = n + 1;
    }
    must(params->e820_entries > 0, "/sys/firmware/memmap");
}

/* ---- kexec_load ---- */

static struct kexec_segment segment(const void *data, size_t size, unsigned long at)
{
    return (struct kexec_segment){ data, size, (void *)at, (size + PAGE - 1) & -PAGE };
}

/* What runs first: mov $params, %rsi; mov $entry, %rax; jmp *%rax. */
static size_t make_start(unsigned char *code)
{
    uint64_t params = PARAMS_AT, entry = KERNEL_AT + ENTRY_64;

    memcpy(code, "\x48\xbe", 2);
    memcpy(code + 2, &params, 8);
    memcpy(code + 10, "\x48\xb8", 2);
    memcpy(code + 12, &entry, 8);
    memcpy(code + 20, "\xff\xe0", 2);
    return 22;
}

static void load(const char *kernel_name, const char *initrd_name, const char *words)
{
    File kernel = map_file(kernel_name), initrd = map_file(initrd_name);
    struct boot_params params = {};
    unsigned char code[32];
    size_t setup = (kernel.data[HEADER_AT] ? kernel.data[HEADER_AT] + 1ul : 5) * 512;
    size_t header = 0x202ul + kernel.data[HEADER_END] - HEADER_AT;
    struct kexec_segment segments[5];

    if (header >
        sizeof params.hdr) { /* it is newer than this program, which uses none of the rest */
        header = sizeof params.hdr;
    }
    memcpy(&params.hdr, kernel.data + HEADER_AT, header);
    if (!(params.hdr.xloadflags & XLF_KERNEL_64)) {
        fprintf(stderr, "kexec_load: the kernel has no 64-bit entry\n");
        exit(1);
    }
    params.hdr.type_of_loader = 0xff;
    params.hdr.ramdisk_image = INITRD_AT;
    params.hdr.ramdisk_size = initrd.size;
    params.hdr.cmd_line_ptr = WORDS_AT;
    add_memory(&params);
    segments[0] = segment(&params, sizeof params, PARAMS_AT);
    segments[1] = segment(words, strlen(words) + 1, WORDS_AT);
    segments[2] = segment(code, make_start(code), START_AT);
    segments[3] = segment(kernel.data + setup, kernel.size - setup, KERNEL_AT);
    segments[4] = segment(initrd.data, initrd.size, INITRD_AT);
    must(syscall(SYS_kexec_load, START_AT, 5ul, segments, (unsigned long)KEXEC_ARCH_DEFAULT) == 0,
         "kexec_load");
}

static void load_files(const char *kernel, const char *initrd, const char *words, bool crash)
{
    must(syscall(SYS_kexec_file_load, open(kernel, O_RDONLY), open(initrd, O_RDONLY),
                 strlen(words) + 1, words, crash ? (unsigned long)KEXEC_FILE_ON_CRASH : 0ul) == 0,
         "kexec_file_load");
}

int main(int argc, char **argv)
{
    bool crash = argc == 5 && strcmp(argv[1], "crash") == 0;

    if (argc != 5) {
        fprintf(stderr, "usage: kexec now|crash|load KERNEL INITRD COMMAND-LINE\n");
        return 2;
    }
    if (strcmp(argv[1], "load") == 0) {
        load(argv[2], argv[3], argv[4]);
    } else {
        load_files(argv[2], argv[3], argv[4], crash);
    }
    if (!crash) {
        start();
    }
    return 0;
}
