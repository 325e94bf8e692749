/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request to the management controller by /dev/ipmi0: ipmi FUNCTION COMMAND [DATA...], in
 * hexadecimal. Prints the answer, its completion code first. */
#include <fcntl.h>
#include <linux/ipmi.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#define SECONDS 20

int main(int argc, char **argv)
{
    unsigned char data[256];
    struct ipmi_system_interface_addr address = { IPMI_SYSTEM_INTERFACE_ADDR_TYPE, IPMI_BMC_CHANNEL,
                                                  0 };
    struct ipmi_req request = { .addr = (unsigned char *)&address,
                                .addr_len = sizeof(address),
                                .msgid = 1 };
    struct ipmi_recv answer = { .addr = (unsigned char *)&address, .addr_len = sizeof(address) };
    int fd = open("/dev/ipmi0", O_RDWR);
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    if (fd < 0 || argc < 3) {
        perror("/dev/ipmi0");
        return 1;
    }
    request.msg.netfn = (unsigned char)strtoul(argv[1], NULL, 16);
    request.msg.cmd = (unsigned char)strtoul(argv[2], NULL, 16);
    request.msg.data = data;
    for (int i = 3; i < argc && i < 250; i++) {
        data[request.msg.data_len++] = (unsigned char)strtoul(argv[i], NULL, 16);
    }
    if (ioctl(fd, IPMICTL_SEND_COMMAND, &request) || poll(&wait, 1, SECONDS * 1000) != 1) {
        perror("request");
        return 1;
    }
    answer.msg.data = data;
    answer.msg.data_len = sizeof(data);
    if (ioctl(fd, IPMICTL_RECEIVE_MSG_TRUNC, &answer)) {
        perror("answer");
        return 1;
    }
    for (int i = 0; i < answer.msg.data_len; i++) {
        printf("%02x ", data[i]);
    }
    printf("\n");
    return 0;
}
