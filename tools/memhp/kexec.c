/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's program that loads another kernel: kexec now|crash KERNEL INITRD COMMAND-LINE. "now"
 * starts it, and "crash" leaves it where a panic starts it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    bool crash = argc == 5 && strcmp(argv[1], "crash") == 0;
    int kernel, initrd;

    if (argc != 5) {
        fprintf(stderr, "usage: kexec now|crash KERNEL INITRD COMMAND-LINE\n");
        return 2;
    }
    kernel = open(argv[2], O_RDONLY);
    initrd = open(argv[3], O_RDONLY);
    if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[4]) + 1, argv[4],
                crash ? (unsigned long)KEXEC_FILE_ON_CRASH : 0ul) != 0) {
        perror("kexec_file_load");
        return 1;
    }
    if (!crash) {
        reboot(LINUX_REBOOT_CMD_KEXEC);
        perror("reboot");
        return 1;
    }
    return 0;
}
