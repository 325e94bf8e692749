/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ciphers for guests: "cryptodev-backend-builtin" has AES of this program (Nettle: FIPS 197, NIST
 * SP 800-38A and 38E). Machine lock for objects; cryptodev_run() needs none.
 */
#ifndef BACKENDS_CRYPTODEV_H
#define BACKENDS_CRYPTODEV_H

#include "qom/object.h"

#define TYPE_CRYPTODEV         "cryptodev-backend"
#define TYPE_CRYPTODEV_BUILTIN "cryptodev-backend-builtin"

/* By the numbers that virtio has for them (Virtio 1.2, section 5.9.7.2.1). */
typedef enum CryptodevCipher {
    CRYPTODEV_AES_ECB = 2,
    CRYPTODEV_AES_CBC = 3,
    CRYPTODEV_AES_CTR = 4,
    CRYPTODEV_AES_XTS = 13,
    CRYPTODEV_CIPHERS,
} CryptodevCipher;

#define CRYPTODEV_BLOCK   16u
#define CRYPTODEV_KEY_MAX 64u /* XTS has two keys */
#define CRYPTODEV_QUEUES  64u

typedef struct Cryptodev {
    Object parent;
    uint32_t queues; /* property: 1 to CRYPTODEV_QUEUES */
    Object *user;    /* the device that has it, borrowed; NULL: none */
} Cryptodev;
OBJECT_CAST_DEFINE(Cryptodev, CRYPTODEV, TYPE_CRYPTODEV)

/* A bit for each CryptodevCipher that there is. */
uint32_t cryptodev_ciphers(void);
/* Is there the cipher, and has its key so many bytes? */
bool cryptodev_check_key(unsigned cipher, unsigned key_len);
/* Bytes of the initial vector. */
unsigned cryptodev_iv_len(CryptodevCipher cipher);

/* Encrypt, or decrypt, @len bytes of @data in place. False: there is no such number of bytes. The
 * key was checked, @iv has cryptodev_iv_len() bytes. */
bool cryptodev_run(CryptodevCipher cipher, bool encrypt, const uint8_t *key, unsigned key_len,
                   const uint8_t *iv, uint8_t *data, size_t len);

#endif
