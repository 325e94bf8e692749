/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is behind a TPM of the guest (-tpmdev): a TPM emulator, another program (swtpm), or a TPM of
 * the host, a file of its kernel's. The guest's commands go to it as they are, and what it answers
 * goes to the guest. Made before devices are, and not removed after that. Machine lock for
 * everything; answers come from the main loop.
 */
#ifndef BACKENDS_TPM_H
#define BACKENDS_TPM_H

#include "qapi/qapi-types.h"
#include "util/state.h"

enum {
    TPM_BUFFER_SIZE = 4096, /* bytes of the longest command and of the longest answer */
    TPM_HEADER_SIZE = 10,   /* of both: a tag, the size of all (at TPM_SIZE_AT), a code */
    TPM_SIZE_AT = 2,
    TPM_LOG_SIZE = 64 * 1024, /* of the event log that firmware keeps */
};

typedef struct TpmBackend TpmBackend;

/* The command that was given is done: @len bytes, TPM_HEADER_SIZE at least. */
typedef void TpmAnswered(void *opaque, const uint8_t *answer, size_t len);

/* One of -tpmdev. NULL with an error: the id is taken, there is no such chardev. */
TpmBackend *tpm_backend_add(const TpmdevOptions *options, GError **errp);
/* By its id; NULL: there is none. */
TpmBackend *tpm_backend_find(const char *id);
/* What it was made of, for users. The caller's. */
TpmTypeOptions *tpm_backend_options(const TpmBackend *tpm);
/* Can it be saved, and go elsewhere? */
bool tpm_backend_can_go(const TpmBackend *tpm);

/* Take it for a device, whose @answered gets all answers: waits for the emulator and asks for its
 * version. Errors: another device has it, it is no emulator, or cannot do what is needed. */
bool tpm_backend_attach(TpmBackend *tpm, TpmAnswered *answered, void *opaque, GError **errp);
void tpm_backend_detach(TpmBackend *tpm);
/* Is it a TPM 2.0, not a 1.2? Of one that is attached. */
bool tpm_backend_is_2(const TpmBackend *tpm);

/* Power on, with buffers of @size bytes, TPM_BUFFER_SIZE at most; what it worked on is forgotten.
 * If that fails, commands are answered by errors until the next time. */
void tpm_backend_start(TpmBackend *tpm, uint32_t size);
/* Give it @command, which says itself how long it is and is copied, from a buffer of @room bytes,
 * TPM_HEADER_SIZE at least, in @locality (0 to 4). It is not busy. An answer that says that the TPM
 * has failed, or that the length makes no sense, may come before this returns. */
void tpm_backend_execute(TpmBackend *tpm, unsigned locality, const uint8_t *command, size_t room);
bool tpm_backend_busy(const TpmBackend *tpm);
/* Ask it to end what it works on soon; the answer comes in any case. */
void tpm_backend_cancel(TpmBackend *tpm);
/* Was a dynamic root of trust established? And forget that, which localities 3 and 4 may. */
bool tpm_backend_established(TpmBackend *tpm);
void tpm_backend_reset_established(TpmBackend *tpm, unsigned locality);

/* ---- saved and migrated with its device ---- */

/* What a device keeps of its backend. The blobs are its own. */
typedef struct TpmState {
    GBytes *permanent, *vol, *savestate;
    uint32_t permanent_flags, vol_flags, savestate_flags;
} TpmState;
extern const StateTable tpm_backend_state;

/* Get the state of @tpm, after what it works on; where it gives none, @state has NULLs. */
void tpm_backend_save(TpmBackend *tpm, TpmState *state);
/* Start it with @state, which is emptied. */
bool tpm_backend_load(TpmBackend *tpm, uint32_t size, TpmState *state, GError **errp);
void tpm_backend_state_clear(TpmState *state);

#endif
