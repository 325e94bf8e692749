/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decryption for secrets: AES-256 in CBC mode (FIPS 197, NIST SP 800-38A section 6.2) with the
 * padding of PKCS #7 (RFC 5652 section 6.3).
 */
#ifndef CRYPTO_CIPHER_H
#define CRYPTO_CIPHER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CIPHER_KEY_SIZE 32 /* bytes */
#define CIPHER_BLOCK    16 /* bytes; the initial vector has as many */

/* Decrypt *@size bytes at @data in place, of which *@size remain without the padding. Errors:
 * *@size is 0 or no multiple of a block; the padding is wrong, as it is after a wrong key, of which
 * @data is wiped. Any thread. */
bool cipher_decrypt(const uint8_t *key, const uint8_t *iv, uint8_t *data, size_t *size,
                    GError **errp);

#endif
