/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/tpm-control.h"
#include "backends/tpm-host.h"
#include "chardev/char.h"
#include "chardev/chardev.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/loop.h"

/* What the emulator must be able to do. */
enum {
    CAP_INIT = 1 << 0,
    CAP_GET_ESTABLISHED = 1 << 2,
    CAP_SET_LOCALITY = 1 << 3,
    CAP_CANCEL = 1 << 5,
    CAP_RESET_ESTABLISHED = 1 << 7,
    CAP_GET_STATE = 1 << 8,
    CAP_SET_STATE = 1 << 9,
    CAP_STOP = 1 << 10,
    CAP_SET_DATA_FD = 1 << 12,
    CAP_SET_BUFFER_SIZE = 1 << 13,
    CAP_NEEDED = CAP_INIT | CAP_SET_LOCALITY | CAP_CANCEL | CAP_SET_DATA_FD | CAP_STOP,
};

enum { ANY_LOCALITY = 0xff };

struct TpmBackend {
    TpmType type;
    char *id;
    char *path, *cancel_path; /* of a TPM of the host; cancel_path: NULL: it has none */
    TpmHost *host;            /* NULL: it is not open */
    size_t room;              /* bytes of an answer that the device takes */
    char *chardev_id;         /* of an emulator */
    Chardev *chardev;         /* borrowed */
    CharFrontend control;
    uint64_t caps;
    bool is_2;
    TpmAnswered *answered; /* NULL: no device has it */
    void *opaque;
    int data; /* our end of the channel for commands; -1: there is none */
    GSource *source;
    bool busy;        /* an answer is to come */
    bool cancelling;  /* and one to TPM_CONTROL_CANCEL, after it: nothing is asked until then */
    bool established; /* as it was asked for last, */
    bool asked;       /* since it was started */
    uint8_t locality; /* of the last command */
    uint8_t answer[TPM_BUFFER_SIZE];
    size_t have; /* bytes of the answer */
};

static GPtrArray *backends; /* of TpmBackend *; for good */

TpmBackend *tpm_backend_find(const char *id)
{
    for (unsigned i = 0; backends && i < backends->len; i++) {
        TpmBackend *tpm = backends->pdata[i];

        if (strcmp(tpm->id, id) == 0) {
            return tpm;
        }
    }
    return NULL;
}

static bool is_of_host(const TpmBackend *tpm)
{
    return tpm->type == TPM_TYPE_PASSTHROUGH;
}

TpmTypeOptions *tpm_backend_options(const TpmBackend *tpm)
{
    TpmTypeOptions *options = g_new0(TpmTypeOptions, 1);

    options->type = tpm->type;
    if (is_of_host(tpm)) {
        options->u.passthrough = g_new0(TPMPassthroughOptionsWrapper, 1);
        options->u.passthrough->data = g_new0(TPMPassthroughOptions, 1);
        options->u.passthrough->data->path = g_strdup(tpm->path);
        options->u.passthrough->data->cancel_path = g_strdup(tpm->cancel_path);
    } else {
        options->u.emulator = g_new0(TPMEmulatorOptionsWrapper, 1);
        options->u.emulator->data = g_new0(TPMEmulatorOptions, 1);
        options->u.emulator->data->chardev = g_strdup(tpm->chardev_id);
    }
    return options;
}

/* The chardev of an emulator, or NULL with an error. */
static Chardev *find_chardev(const TpmdevOptions *options, GError **errp)
{
    Chardev *chardev = options->chardev ? chardev_find(options->chardev) : NULL;

    if (!chardev) {
        error_set(errp,
                  "chardev '%s' not found; a TPM emulator needs one: -chardev "
                  "socket,id=ID,path=PATH",
                  options->chardev ? options->chardev : "");
        return NULL;
    }
    if (!char_can_be_raw(chardev)) {
        error_set(errp,
                  "chardev '%s' is no plain socket: make it with -chardev socket,id=%s,path=PATH",
                  options->chardev, options->chardev);
        return NULL;
    }
    return chardev;
}

/* Where the host's kernel has the file that cancels; NULL: there is none for this one. */
static char *find_cancel_path(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *found = g_strdup_printf("/sys/class/tpm/%s/device/cancel", name);

    return access(found, W_OK) == 0 ? g_steal_pointer(&found) : NULL;
}

static bool check_options(const TpmdevOptions *options, GError **errp)
{
    if (tpm_backend_find(options->id)) {
        error_set(errp, "there is another -tpmdev with id=%s", options->id);
        return false;
    }
    if (options->type == TPM_TYPE_PASSTHROUGH && options->chardev) {
        error_set(errp,
                  "chardev=%s is for -tpmdev emulator; passthrough has path=", options->chardev);
        return false;
    }
    if (options->type == TPM_TYPE_EMULATOR && (options->path || options->cancel_path)) {
        error_set(errp,
                  "path= and cancel-path= are for -tpmdev passthrough; emulator has chardev=");
        return false;
    }
    return true;
}

TpmBackend *tpm_backend_add(const TpmdevOptions *options, GError **errp)
{
    Chardev *chardev = NULL;
    TpmBackend *tpm;

    if (!check_options(options, errp) ||
        (options->type == TPM_TYPE_EMULATOR && !(chardev = find_chardev(options, errp)))) {
        return NULL;
    }
    tpm = g_new0(TpmBackend, 1);
    tpm->type = options->type;
    tpm->id = g_strdup(options->id);
    tpm->chardev_id = g_strdup(options->chardev);
    tpm->chardev = chardev;
    if (is_of_host(tpm)) {
        tpm->path = g_strdup(options->path ? options->path : "/dev/tpm0");
        tpm->cancel_path =
            options->cancel_path ? g_strdup(options->cancel_path) : find_cancel_path(tpm->path);
    }
    tpm->data = -1;
    tpm->room = TPM_BUFFER_SIZE;
    if (!backends) {
        backends = g_ptr_array_new();
    }
    g_ptr_array_add(backends, tpm);
    return tpm;
}

/* ---- the channel for commands ---- */

static void forget_source(TpmBackend *tpm)
{
    if (tpm->source) {
        g_source_destroy(tpm->source);
        g_clear_pointer(&tpm->source, g_source_unref);
    }
}

static void close_data(TpmBackend *tpm)
{
    forget_source(tpm);
    if (tpm->data >= 0) {
        close(tpm->data);
        tpm->data = -1;
    }
    g_clear_pointer(&tpm->host, tpm_host_close);
    tpm->have = 0;
}

enum { TAG_1 = 0xc4, RC_FAIL_1 = 0x9, RC_BAD_SIZE_1 = 0x19 };         /* of a TPM 1.2 */
enum { TAG_2 = 0x8001, RC_FAILURE_2 = 0x101, RC_BAD_SIZE_2 = 0x142 }; /* of a TPM 2.0 */

static void answer_error(TpmBackend *tpm, uint32_t code)
{
    uint8_t answer[TPM_HEADER_SIZE];

    bytes_put_be(answer, tpm->is_2 ? TAG_2 : TAG_1, 2);
    bytes_put_be(answer + TPM_SIZE_AT, sizeof(answer), 4);
    bytes_put_be(answer + TPM_SIZE_AT + 4, code, 4);
    tpm->answered(tpm->opaque, answer, sizeof(answer));
}

/* It does not work. */
static void answer_failure(TpmBackend *tpm)
{
    answer_error(tpm, tpm->is_2 ? RC_FAILURE_2 : RC_FAIL_1);
}

static void lose(TpmBackend *tpm)
{
    close_data(tpm);
    tpm->cancelling = false;
    if (tpm->busy) {
        tpm->busy = false;
        answer_failure(tpm);
    }
}

/* Read what there is of the answer. False: it is no answer, or nobody is there. A TPM of
 * the host gives all of it at once. */
static bool read_some(TpmBackend *tpm)
{
    size_t want = is_of_host(tpm) ? sizeof(tpm->answer) : TPM_HEADER_SIZE;
    ssize_t n;

    if (!is_of_host(tpm) && tpm->have >= TPM_HEADER_SIZE) {
        want = bytes_get_be32(tpm->answer + TPM_SIZE_AT);
    }
    n = read(tpm->data, tpm->answer + tpm->have, want - tpm->have);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    tpm->have += (size_t)n;
    if (n && tpm->have >= TPM_HEADER_SIZE) {
        want = bytes_get_be32(tpm->answer + TPM_SIZE_AT);
        return want >= MAX(tpm->have, TPM_HEADER_SIZE) && want <= sizeof(tpm->answer);
    }
    return n > 0;
}

static bool answer_complete(const TpmBackend *tpm)
{
    return tpm->have >= TPM_HEADER_SIZE && tpm->have == bytes_get_be32(tpm->answer + TPM_SIZE_AT);
}

/* The command is over, and what cancelled it. */
static void ended(TpmBackend *tpm)
{
    g_autoptr(GError) error = NULL;

    tpm->have = 0;
    tpm->busy = false;
    if (tpm->cancelling) {
        tpm->cancelling = false;
        if (!tpm_control_result(char_fd(&tpm->control), TPM_CONTROL_CANCEL, &error)) {
            error_warn("a command of the guest's TPM was not cancelled: %s", error->message);
        }
    }
}

/* The answer, which is complete, to the device. */
static void pass_on(TpmBackend *tpm)
{
    const size_t len = tpm->have;

    ended(tpm);
    if (len > tpm->room) {
        error_warn("the TPM '%s' answers more than fits: %zu bytes, of %zu", tpm->id, len,
                   tpm->room);
        answer_failure(tpm);
        return;
    }
    tpm->answered(tpm->opaque, tpm->answer, len);
}

static gboolean data_ready(gint fd, GIOCondition condition, gpointer opaque)
{
    TpmBackend *tpm = opaque;

    if (!tpm->busy || !read_some(tpm)) {
        error_warn("the TPM '%s' %s; the guest's TPM fails until the machine is reset", tpm->id,
                   tpm->busy ? "has gone, or makes no sense" : "says what nobody asked");
        lose(tpm);
        return G_SOURCE_REMOVE;
    }
    if (answer_complete(tpm)) {
        pass_on(tpm);
    }
    return G_SOURCE_CONTINUE;
}

/* Wait for the answer, which goes to nobody. */
static bool wait_for_answer(TpmBackend *tpm, GError **errp)
{
    const gint64 deadline = g_get_monotonic_time() + TPM_CONTROL_MS * (gint64)1000;

    while (!answer_complete(tpm)) {
        const gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        struct pollfd p = { .fd = tpm->data, .events = POLLIN };

        if (left <= 0 || (poll(&p, 1, (int)left + 1) > 0 && !read_some(tpm))) {
            error_set(errp, "the TPM '%s' %s", tpm->id,
                      left <= 0 ? "does not answer" : "has gone, or makes no sense");
            return false;
        }
    }
    return true;
}

static bool write_command(TpmBackend *tpm, const uint8_t *command, size_t len)
{
    tpm->have = 0;
    /* The channel is empty and has room for more than the longest one. */
    return tpm->data >= 0 &&
           send(tpm->data, command, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

/* ---- the emulator ---- */

/* What it answers to a command of a TPM 2.0 (TPM2_GetCapability without what belongs to it) begins
 * with the tag of its version. It works on none as long as it is not started. */
static bool ask_version(TpmBackend *tpm, GError **errp)
{
    static const uint8_t command[TPM_HEADER_SIZE] = { 0x80, 0x01, 0, 0, 0, 10, 0, 0, 0x01, 0x7a };

    if (!write_command(tpm, command, sizeof(command))) {
        error_set(errp, "the TPM '%s' takes no command", tpm->id);
        return false;
    }
    if (!wait_for_answer(tpm, errp)) {
        return false;
    }
    tpm->is_2 = bytes_get_be16(tpm->answer) == TAG_2;
    tpm->have = 0;
    return true;
}

static void watch(TpmBackend *tpm)
{
    tpm->source = g_unix_fd_source_new(tpm->data, G_IO_IN);
    g_source_set_callback(tpm->source, G_SOURCE_FUNC(data_ready), tpm, NULL);
    loop_attach(loop_main(), tpm->source);
}

static bool give_channel(TpmBackend *tpm, GError **errp)
{
    int pair[2];
    bool ok;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
        error_set_errno(errp, errno, "cannot make a channel for the TPM's commands");
        return false;
    }
    ok = tpm_control_give_fd(char_fd(&tpm->control), pair[1], errp);
    close(pair[1]);
    if (!ok) {
        close(pair[0]);
        return false;
    }
    tpm->data = pair[0];
    return true;
}

static bool connect_emulator(TpmBackend *tpm, GError **errp)
{
    uint64_t caps;

    if (!give_channel(tpm, errp)) {
        return false;
    }
    if (!tpm_control(char_fd(&tpm->control), TPM_CONTROL_GET_CAPABILITY, NULL, 0, &caps,
                     sizeof(caps), errp) ||
        !ask_version(tpm, errp)) {
        close_data(tpm);
        return false;
    }
    tpm->caps = GUINT64_FROM_BE(caps);
    if ((tpm->caps & CAP_NEEDED) != CAP_NEEDED) {
        error_set(errp, "TPM emulator '%s' cannot do what is needed: its abilities are 0x%" PRIx64,
                  tpm->id, tpm->caps);
        close_data(tpm);
        return false;
    }
    watch(tpm);
    return true;
}

/* ---- a TPM of the host ---- */

static bool connect_host(TpmBackend *tpm, GError **errp)
{
    tpm->host = tpm_host_open(tpm->path, tpm->cancel_path, &tpm->data, errp);
    if (!tpm->host) {
        return false;
    }
    if (!ask_version(tpm, errp)) {
        close_data(tpm);
        return false;
    }
    watch(tpm);
    return true;
}

static bool connect_tpm(TpmBackend *tpm, GError **errp)
{
    return is_of_host(tpm) ? connect_host(tpm, errp) : connect_emulator(tpm, errp);
}

static void control_event(void *opaque, CharEvent event)
{
    if (event == CHAR_EVENT_CLOSED) {
        lose(opaque);
    }
}

static bool attach_emulator(TpmBackend *tpm, GError **errp)
{
    tpm->control = (CharFrontend){ .event = control_event, .opaque = tpm, .raw = true };
    if (!char_attach(tpm->chardev, &tpm->control, errp)) {
        return false;
    }
    if (!char_wait_connected(&tpm->control, errp)) {
        char_detach(&tpm->control);
        return false;
    }
    return true;
}

bool tpm_backend_attach(TpmBackend *tpm, TpmAnswered *answered, void *opaque, GError **errp)
{
    if (tpm->answered) {
        error_set(errp, "-tpmdev id=%s is another device's", tpm->id);
        return false;
    }
    if (!is_of_host(tpm) && !attach_emulator(tpm, errp)) {
        return false;
    }
    tpm->answered = answered;
    tpm->opaque = opaque;
    if (!connect_tpm(tpm, errp)) {
        tpm_backend_detach(tpm);
        return false;
    }
    return true;
}

void tpm_backend_detach(TpmBackend *tpm)
{
    close_data(tpm);
    if (!is_of_host(tpm)) {
        char_detach(&tpm->control);
    }
    tpm->busy = false;
    tpm->answered = NULL;
}

bool tpm_backend_can_go(const TpmBackend *tpm)
{
    return !is_of_host(tpm);
}

bool tpm_backend_is_2(const TpmBackend *tpm)
{
    return tpm->is_2;
}

/* ---- power ---- */

/* Buffers can be made only while it does not run. */
static bool set_buffer_size(TpmBackend *tpm, uint32_t size, GError **errp)
{
    uint32_t request = GUINT32_TO_BE(size), reply[3]; /* the size, and what is possible */

    if (!(tpm->caps & CAP_SET_BUFFER_SIZE)) {
        return true;
    }
    if (!tpm_control(char_fd(&tpm->control), TPM_CONTROL_SET_BUFFER_SIZE, &request, sizeof(request),
                     reply, sizeof(reply), errp)) {
        return false;
    }
    if (GUINT32_FROM_BE(reply[0]) > size) {
        error_set(errp, "TPM emulator '%s' has buffers of %u bytes at least; %u are needed",
                  tpm->id, GUINT32_FROM_BE(reply[0]), size);
        return false;
    }
    return true;
}

/* What it works on is to end; nobody waits for the answer. */
static bool end_command(TpmBackend *tpm, GError **errp)
{
    if (!tpm->busy) {
        return true;
    }
    tpm_backend_cancel(tpm);
    if (!wait_for_answer(tpm, errp)) {
        return false;
    }
    ended(tpm);
    return true;
}

static bool stop(TpmBackend *tpm, uint32_t size, GError **errp)
{
    if (tpm->data < 0 && !connect_tpm(tpm, errp)) {
        return false;
    }
    tpm->locality = ANY_LOCALITY;
    tpm->room = size;
    return end_command(tpm, errp) &&
           (is_of_host(tpm) || (tpm_control_plain(char_fd(&tpm->control), TPM_CONTROL_STOP, errp) &&
                                set_buffer_size(tpm, size, errp)));
}

static bool start(TpmBackend *tpm, GError **errp)
{
    tpm->asked = tpm->established = false;
    return is_of_host(tpm) || tpm_control_u32(char_fd(&tpm->control), TPM_CONTROL_INIT, 0, errp);
}

void tpm_backend_start(TpmBackend *tpm, uint32_t size)
{
    g_autoptr(GError) error = NULL;

    if (!stop(tpm, size, &error) || !start(tpm, &error)) {
        error_warn("the guest's TPM does not work: %s", error->message);
        tpm->busy = tpm->cancelling = false;
        close_data(tpm);
    }
}

/* ---- commands ---- */

static bool set_locality(TpmBackend *tpm, unsigned locality)
{
    if (!is_of_host(tpm) && tpm->locality != locality) {
        if (!tpm_control_u8(char_fd(&tpm->control), TPM_CONTROL_SET_LOCALITY, (uint8_t)locality,
                            NULL)) {
            return false;
        }
        tpm->locality = (uint8_t)locality;
    }
    return true;
}

void tpm_backend_execute(TpmBackend *tpm, unsigned locality, const uint8_t *command, size_t room)
{
    const size_t len = bytes_get_be32(command + TPM_SIZE_AT);

    if (len < TPM_HEADER_SIZE || len > room) { /* the emulator would wait for what does not come */
        answer_error(tpm, tpm->is_2 ? RC_BAD_SIZE_2 : RC_BAD_SIZE_1);
        return;
    }
    if (tpm->data < 0 || !set_locality(tpm, locality) || !write_command(tpm, command, len)) {
        answer_failure(tpm);
        return;
    }
    tpm->busy = true;
}

bool tpm_backend_busy(const TpmBackend *tpm)
{
    return tpm->busy;
}

/* An emulator that does one thing after another answers only when the command is over. */
void tpm_backend_cancel(TpmBackend *tpm)
{
    g_autoptr(GError) error = NULL;

    if (is_of_host(tpm)) {
        if (tpm->busy) {
            tpm_host_cancel(tpm->host);
        }
    } else if (tpm->busy && !tpm->cancelling) {
        tpm->cancelling = tpm_control_ask(char_fd(&tpm->control), TPM_CONTROL_CANCEL, &error);
        if (!tpm->cancelling) {
            error_warn("a command of the guest's TPM is not cancelled: %s", error->message);
        }
    }
}

/* Commands do not change it. While one is carried out the emulator is not to be waited for. */
bool tpm_backend_established(TpmBackend *tpm)
{
    uint8_t reply[4] = { 0 }; /* the bit, and what fills the structure up */

    if (!tpm->asked && !tpm->busy && tpm->data >= 0 && tpm->caps & CAP_GET_ESTABLISHED) {
        tpm->asked = true;
        tpm_control(char_fd(&tpm->control), TPM_CONTROL_GET_ESTABLISHED, NULL, 0, reply,
                    sizeof(reply), NULL);
        tpm->established = reply[0];
    }
    return tpm->established;
}

void tpm_backend_reset_established(TpmBackend *tpm, unsigned locality)
{
    if (tpm->caps & CAP_RESET_ESTABLISHED && !tpm->busy && tpm->data >= 0) {
        tpm_control_u8(char_fd(&tpm->control), TPM_CONTROL_RESET_ESTABLISHED, (uint8_t)locality,
                       NULL);
        tpm->asked = false;
    }
}

/* ---- state ---- */

static const StateField tpm_state_fields[] = {
    STATE_BLOB(TpmState, permanent),
    STATE_BLOB(TpmState, vol),
    STATE_BLOB(TpmState, savestate),
    STATE_UINT(TpmState, permanent_flags),
    STATE_UINT(TpmState, vol_flags),
    STATE_UINT(TpmState, savestate_flags),
    {},
};
const StateTable tpm_backend_state = { .name = "tpm-backend",
                                       .version = 1,
                                       .fields = tpm_state_fields };

static const struct {
    TpmBlob blob;
    size_t bytes, flags; /* in a TpmState */
} pieces[] = {
    { TPM_BLOB_PERMANENT, offsetof(TpmState, permanent), offsetof(TpmState, permanent_flags) },
    { TPM_BLOB_VOLATILE, offsetof(TpmState, vol), offsetof(TpmState, vol_flags) },
    { TPM_BLOB_SAVESTATE, offsetof(TpmState, savestate), offsetof(TpmState, savestate_flags) },
};

static GBytes **piece_bytes(TpmState *state, size_t i)
{
    return (GBytes **)((char *)state + pieces[i].bytes);
}

static uint32_t *piece_flags(TpmState *state, size_t i)
{
    return (uint32_t *)((char *)state + pieces[i].flags);
}

void tpm_backend_state_clear(TpmState *state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(pieces); i++) {
        g_clear_pointer(piece_bytes(state, i), g_bytes_unref);
    }
}

/* Its answer belongs to the state: the device has it before that is saved. */
static bool finish_command(TpmBackend *tpm, GError **errp)
{
    if (tpm->busy) {
        if (!wait_for_answer(tpm, errp)) {
            return false;
        }
        pass_on(tpm);
    }
    return true;
}

void tpm_backend_save(TpmBackend *tpm, TpmState *state)
{
    g_autoptr(GError) error = NULL;
    bool ok = finish_command(tpm, &error);

    tpm_backend_state_clear(state);
    for (size_t i = 0; ok && i < G_N_ELEMENTS(pieces); i++) {
        *piece_bytes(state, i) = tpm_control_get_state(char_fd(&tpm->control), pieces[i].blob,
                                                       piece_flags(state, i), &error);
        ok = *piece_bytes(state, i);
    }
    if (!ok) {
        error_warn("what the guest's TPM has is not saved: %s", error->message);
        tpm_backend_state_clear(state);
    }
}

bool tpm_backend_load(TpmBackend *tpm, uint32_t size, TpmState *state, GError **errp)
{
    bool ok = stop(tpm, size, errp);

    for (size_t i = 0; ok && i < G_N_ELEMENTS(pieces); i++) {
        if (!*piece_bytes(state, i)) {
            error_set(errp, "the TPM's state was not saved: its emulator gave none");
            ok = false;
        } else {
            ok = tpm_control_set_state(char_fd(&tpm->control), pieces[i].blob,
                                       *piece_flags(state, i), *piece_bytes(state, i), errp);
        }
    }
    tpm_backend_state_clear(state);
    return ok && start(tpm, errp);
}
