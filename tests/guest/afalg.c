/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cipher of the kernel by AF_ALG: afalg DRIVER. A block of NIST SP 800-38A (F.2.1, CBC-AES128) is
 * encrypted, and 64 KiB are encrypted and decrypted again. */
#include <linux/if_alg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 16, LONG = 65536 };

static const unsigned char key[BLOCK] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                          0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c };
static const unsigned char plain[BLOCK] = { 0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96,
                                            0xe9, 0x3d, 0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a };

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void run(int op, unsigned encrypt, const unsigned char *from, unsigned char *to, size_t size)
{
    char control[CMSG_SPACE(sizeof(unsigned)) + CMSG_SPACE(sizeof(struct af_alg_iv) + BLOCK)] = {
        0
    };
    struct iovec io = { (void *)from, size };
    struct msghdr message = {
        .msg_control = control, .msg_controllen = sizeof(control), .msg_iov = &io, .msg_iovlen = 1
    };
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    struct af_alg_iv *iv;
    size_t done = 0;

    part->cmsg_level = SOL_ALG;
    part->cmsg_type = ALG_SET_OP;
    part->cmsg_len = CMSG_LEN(sizeof(unsigned));
    memcpy(CMSG_DATA(part), &encrypt, sizeof(encrypt));
    part = CMSG_NXTHDR(&message, part);
    part->cmsg_level = SOL_ALG;
    part->cmsg_type = ALG_SET_IV;
    part->cmsg_len = CMSG_LEN(sizeof(*iv) + BLOCK);
    iv = (void *)CMSG_DATA(part);
    iv->ivlen = BLOCK;
    for (unsigned i = 0; i < BLOCK; i++) {
        iv->iv[i] = (unsigned char)i;
    }
    if (sendmsg(op, &message, 0) != (ssize_t)size) {
        fail("sendmsg");
    }
    while (done < size) {
        ssize_t got = read(op, to + done, size - done);

        if (got <= 0) {
            fail("read");
        }
        done += (size_t)got;
    }
}

int main(int argc, char **argv)
{
    static unsigned char from[LONG], there[LONG], back[LONG];
    struct sockaddr_alg address = { .salg_family = AF_ALG, .salg_type = "skcipher" };
    int fd = socket(AF_ALG, SOCK_SEQPACKET, 0), op;

    snprintf((char *)address.salg_name, sizeof(address.salg_name), "%s",
             argc > 1 ? argv[1] : "cbc(aes)");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
        setsockopt(fd, SOL_ALG, ALG_SET_KEY, key, BLOCK)) {
        fail((char *)address.salg_name);
    }
    op = accept(fd, NULL, 0);
    run(op, ALG_OP_ENCRYPT, plain, there, BLOCK);
    for (unsigned i = 0; i < BLOCK; i++) {
        printf("%02x", there[i]);
    }
    for (unsigned i = 0; i < LONG; i++) {
        from[i] = (unsigned char)(i * i >> 3);
    }
    run(op, ALG_OP_ENCRYPT, from, there, LONG);
    run(op, ALG_OP_DECRYPT, there, back, LONG);
    printf(" %s\n", memcmp(from, back, LONG) || !memcmp(from, there, LONG) ? "differ" : "same");
    return 0;
}
