/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control channel of a TPM emulator (swtpm): numbered commands on a unix socket beside the
 * channel on which the TPM gets its own commands. All numbers are big endian; each answer begins
 * with a result, 0 if all went well. It is swtpm's published interface (swtpm/tpm_ioctl.h of
 * Debian's swtpm-dev). Machine lock; a command waits for its answer, TPM_CONTROL_MS at most.
 */
#ifndef BACKENDS_TPM_CONTROL_H
#define BACKENDS_TPM_CONTROL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define TPM_CONTROL_MS 10000

typedef enum TpmControl {
    TPM_CONTROL_GET_CAPABILITY = 1,
    TPM_CONTROL_INIT = 2,
    TPM_CONTROL_GET_ESTABLISHED = 4,
    TPM_CONTROL_SET_LOCALITY = 5,
    TPM_CONTROL_CANCEL = 9,
    TPM_CONTROL_RESET_ESTABLISHED = 11,
    TPM_CONTROL_GET_STATE = 12,
    TPM_CONTROL_SET_STATE = 13,
    TPM_CONTROL_STOP = 14,
    TPM_CONTROL_SET_DATA_FD = 16,
    TPM_CONTROL_SET_BUFFER_SIZE = 17,
} TpmControl;

/* The pieces of a TPM's state. */
typedef enum TpmBlob {
    TPM_BLOB_PERMANENT = 1,
    TPM_BLOB_VOLATILE = 2,
    TPM_BLOB_SAVESTATE = 3,
} TpmBlob;

/* Send @command with @request, and get the @reply_len bytes that follow the result into @reply.
 * Errors: nobody answers in time, or the result is none of success. */
bool tpm_control(int fd, TpmControl command, const void *request, size_t request_len, void *reply,
                 size_t reply_len, GError **errp);
/* The same for those that have one number, or nothing, and are answered by a result alone. */
bool tpm_control_u32(int fd, TpmControl command, uint32_t value, GError **errp);
bool tpm_control_u8(int fd, TpmControl command, uint8_t value, GError **errp);
bool tpm_control_plain(int fd, TpmControl command, GError **errp);
/* The two halves of that, for a command whose answer comes later. */
bool tpm_control_ask(int fd, TpmControl command, GError **errp);
bool tpm_control_result(int fd, TpmControl command, GError **errp);
/* The end of the data channel that the emulator is to use; still the caller's. */
bool tpm_control_give_fd(int fd, int data_fd, GError **errp);

/* A piece of the state, with the flags that go with it; NULL: an error. */
GBytes *tpm_control_get_state(int fd, TpmBlob blob, uint32_t *flags, GError **errp);
bool tpm_control_set_state(int fd, TpmBlob blob, uint32_t flags, GBytes *state, GError **errp);

#endif
