/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands (section 4.6): slots, and the contexts of devices and endpoints. */
#include <string.h>

#include "hw/usb/xhci.h"

enum { CONTROL_ENDPOINT = 1, LAST_ENDPOINT = XHCI_ENDPOINTS - 1 };
/* Of a slot's context, by word; of an endpoint's. */
enum { SLOT_ROUTE = 0xfffff, SLOT_ENTRIES = 0x1fu << 27, SLOT_HUB = 1 << 26 };
enum {
    SLOT_PORT_SHIFT = 16,
    SLOT_STATE_SHIFT = 27,
    EP_STATE = 7,
};
enum { EP_STREAMS = 0x1f << 10 };
enum { WORD_DONE = 5, OWN_WORDS = 3 }; /* of an endpoint's context; the controller's own (6.2.3) */

/* ---- contexts ---- */

static bool read_words(const Xhci *s, uint64_t at, uint32_t words[XHCI_CONTEXT_WORDS])
{
    if (!dma_read_ram(&s->parent.dma, at, words, XHCI_CONTEXT_BYTES)) {
        return false;
    }
    for (unsigned i = 0; i < XHCI_CONTEXT_WORDS; i++) {
        words[i] = GUINT32_FROM_LE(words[i]);
    }
    return true;
}

bool xhci_read_context(Xhci *s, unsigned slot, unsigned n, uint32_t words[XHCI_CONTEXT_WORDS])
{
    return s->contexts[slot] && read_words(s, s->contexts[slot] + n * XHCI_CONTEXT_BYTES, words);
}

bool xhci_write_context(Xhci *s, unsigned slot, unsigned n,
                        const uint32_t words[XHCI_CONTEXT_WORDS])
{
    uint32_t bytes[XHCI_CONTEXT_WORDS];

    for (unsigned i = 0; i < XHCI_CONTEXT_WORDS; i++) {
        bytes[i] = GUINT32_TO_LE(words[i]);
    }
    return s->contexts[slot] &&
           dma_write_ram(&s->parent.dma, s->contexts[slot] + n * XHCI_CONTEXT_BYTES, bytes,
                         sizeof(bytes));
}

static UsbDevice *device_of(const Xhci *s, const uint32_t slot[XHCI_CONTEXT_WORDS])
{
    return xhci_device_at(s, slot[1] >> SLOT_PORT_SHIFT & 0xff, slot[0] & SLOT_ROUTE);
}

UsbDevice *xhci_slot_device(Xhci *s, unsigned slot)
{
    uint32_t words[XHCI_CONTEXT_WORDS];

    return xhci_read_context(s, slot, 0, words) ? device_of(s, words) : NULL;
}

static unsigned slot_state(const uint32_t words[XHCI_CONTEXT_WORDS])
{
    return words[3] >> SLOT_STATE_SHIFT;
}

static void set_slot_state(uint32_t words[XHCI_CONTEXT_WORDS], unsigned state, unsigned address)
{
    words[3] = (uint32_t)state << SLOT_STATE_SHIFT | address;
}

static void disable_endpoint(Xhci *s, unsigned slot, unsigned n)
{
    const uint32_t none[XHCI_CONTEXT_WORDS] = { 0 };

    s->active[slot] &= ~(1u << n);
    xhci_write_context(s, slot, n, none);
}

/* ---- slots ---- */

static XhciCode enable_slot(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    unsigned most = MIN(s->config & 0xff, XHCI_SLOTS);

    for (unsigned n = 1; n <= most; n++) {
        if (!(s->slots >> (n - 1) & 1)) {
            s->slots |= 1ull << (n - 1);
            s->contexts[n] = 0;
            s->active[n] = 0;
            *slot = n;
            return XHCI_SUCCESS;
        }
    }
    return XHCI_NO_SLOTS;
}

static XhciCode disable_slot(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    uint32_t words[XHCI_CONTEXT_WORDS];

    if (xhci_read_context(s, *slot, 0, words)) {
        set_slot_state(words, XHCI_SLOT_ENABLED, 0);
        xhci_write_context(s, *slot, 0, words);
    }
    s->slots &= ~(1ull << (*slot - 1));
    s->contexts[*slot] = 0;
    s->active[*slot] = 0;
    return XHCI_SUCCESS;
}

/* The device is told its address, which is the number of its slot. */
static bool give_address(UsbDevice *dev, unsigned address)
{
    uint8_t setup[USB_SETUP_BYTES] = { 0, 5, (uint8_t)address };
    unsigned size = sizeof(setup), none = 0;

    return usb_device_packet(dev, USB_SETUP, 0, setup, &size) == USB_OK &&
           usb_device_packet(dev, USB_IN, 0, setup, &none) == USB_OK;
}

static bool find_contexts(Xhci *s, unsigned slot)
{
    uint64_t at;

    if (!dma_read_ram(&s->parent.dma, s->dcbaap + slot * sizeof(at), &at, sizeof(at))) {
        return false;
    }
    s->contexts[slot] = GUINT64_FROM_LE(at) & ~(uint64_t)0x3f;
    return s->contexts[slot];
}

static XhciCode address_device(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    uint64_t input = command->parameter & ~(uint64_t)0xf;
    bool blocked = command->control & XHCI_TRB_FLAG9; /* the device is not told yet */
    uint32_t flags[XHCI_CONTEXT_WORDS], words[XHCI_CONTEXT_WORDS], endpoint[XHCI_CONTEXT_WORDS];
    uint32_t before[XHCI_CONTEXT_WORDS];

    if (!read_words(s, input, flags) || !read_words(s, input + XHCI_CONTEXT_BYTES, words) ||
        !read_words(s, input + 2 * XHCI_CONTEXT_BYTES, endpoint) || (flags[1] & 3) != 3 ||
        !find_contexts(s, *slot) || !xhci_read_context(s, *slot, 0, before)) {
        return XHCI_PARAMETER_ERROR;
    }
    if (slot_state(before) > (blocked ? XHCI_SLOT_ENABLED : XHCI_SLOT_DEFAULT)) {
        return XHCI_CONTEXT_STATE_ERROR;
    }
    UsbDevice *dev = device_of(s, words);
    if (!dev || (!blocked && !give_address(dev, *slot))) {
        return XHCI_TRANSACTION_ERROR;
    }
    set_slot_state(words, blocked ? XHCI_SLOT_DEFAULT : XHCI_SLOT_ADDRESSED, blocked ? 0 : *slot);
    endpoint[0] = (endpoint[0] & ~(uint32_t)EP_STATE) | XHCI_EP_RUNNING;
    endpoint[1] = (endpoint[1] & ~(7u << XHCI_EP_KIND_SHIFT)) | XHCI_CONTROL_ENDPOINT
                                                                    << XHCI_EP_KIND_SHIFT;
    endpoint[WORD_DONE] = 0;
    s->active[*slot] = 0;
    return xhci_write_context(s, *slot, 0, words) &&
                   xhci_write_context(s, *slot, CONTROL_ENDPOINT, endpoint)
               ? XHCI_SUCCESS
               : XHCI_PARAMETER_ERROR;
}

static XhciCode reset_device(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    uint32_t words[XHCI_CONTEXT_WORDS];

    if (!xhci_read_context(s, *slot, 0, words) || slot_state(words) < XHCI_SLOT_ADDRESSED) {
        return XHCI_CONTEXT_STATE_ERROR;
    }
    for (unsigned n = CONTROL_ENDPOINT + 1; n <= LAST_ENDPOINT; n++) {
        disable_endpoint(s, *slot, n);
    }
    s->active[*slot] = 0;
    words[0] = (words[0] & ~(uint32_t)SLOT_ENTRIES) | 1u << 27;
    set_slot_state(words, XHCI_SLOT_DEFAULT, 0);
    xhci_write_context(s, *slot, 0, words);
    return XHCI_SUCCESS;
}

/* ---- endpoints ---- */

/* There are no streams. */
static bool check_endpoint(const uint32_t words[XHCI_CONTEXT_WORDS])
{
    unsigned kind = words[1] >> XHCI_EP_KIND_SHIFT & 7,
             interval = words[0] >> XHCI_EP_INTERVAL_SHIFT & 0xff;

    return kind && kind != XHCI_CONTROL_ENDPOINT && !(words[0] & EP_STREAMS) &&
           interval <= XHCI_INTERVAL_MAX;
}

/* Everything is checked first. @carry_out: and then done. */
static XhciCode add_endpoints(Xhci *s, uint64_t input, uint32_t add, unsigned slot, bool carry_out)
{
    uint32_t words[XHCI_CONTEXT_WORDS];

    for (unsigned n = CONTROL_ENDPOINT + 1; n <= LAST_ENDPOINT; n++) {
        if (!(add >> n & 1)) {
            continue;
        }
        if (!read_words(s, input + (n + 1) * XHCI_CONTEXT_BYTES, words) || !check_endpoint(words)) {
            return XHCI_PARAMETER_ERROR;
        }
        if (carry_out) {
            words[0] = (words[0] & ~(uint32_t)EP_STATE) | XHCI_EP_RUNNING;
            memset(words + WORD_DONE, 0, OWN_WORDS * sizeof(*words));
            s->active[slot] &= ~(1u << n);
            xhci_write_context(s, slot, n, words);
        }
    }
    return XHCI_SUCCESS;
}

static XhciCode configure_endpoint(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    uint64_t input = command->parameter & ~(uint64_t)0xf;
    bool all = command->control & XHCI_TRB_FLAG9; /* they are taken away */
    uint32_t words[XHCI_CONTEXT_WORDS], flags[XHCI_CONTEXT_WORDS] = { UINT32_MAX };
    uint32_t given[XHCI_CONTEXT_WORDS] = { 0 };
    XhciCode code;

    if (!xhci_read_context(s, *slot, 0, words) || slot_state(words) < XHCI_SLOT_ADDRESSED) {
        return XHCI_CONTEXT_STATE_ERROR;
    }
    if (!all &&
        (!read_words(s, input, flags) || !read_words(s, input + XHCI_CONTEXT_BYTES, given))) {
        return XHCI_PARAMETER_ERROR;
    }
    code = add_endpoints(s, input, flags[1], *slot, false);
    if (code != XHCI_SUCCESS) {
        return code;
    }
    for (unsigned n = CONTROL_ENDPOINT + 1; n <= LAST_ENDPOINT; n++) {
        if (flags[0] >> n & 1) {
            disable_endpoint(s, *slot, n);
        }
    }
    add_endpoints(s, input, flags[1], *slot, true);
    if (flags[1] & 1) {
        words[0] = (words[0] & ~(uint32_t)(SLOT_ENTRIES | SLOT_HUB)) |
                   (given[0] & (SLOT_ENTRIES | SLOT_HUB));
    }
    set_slot_state(words, all ? XHCI_SLOT_ADDRESSED : XHCI_SLOT_CONFIGURED, *slot);
    xhci_write_context(s, *slot, 0, words);
    return XHCI_SUCCESS;
}

static XhciCode evaluate_context(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    uint64_t input = command->parameter & ~(uint64_t)0xf;
    uint32_t flags[XHCI_CONTEXT_WORDS], given[XHCI_CONTEXT_WORDS], words[XHCI_CONTEXT_WORDS];

    if (!read_words(s, input, flags) || !read_words(s, input + 2 * XHCI_CONTEXT_BYTES, given)) {
        return XHCI_PARAMETER_ERROR;
    }
    if (!xhci_read_context(s, *slot, CONTROL_ENDPOINT, words)) {
        return XHCI_CONTEXT_STATE_ERROR;
    }
    if (flags[1] & 2) {
        words[1] = (words[1] & 0xffff) | (given[1] & 0xffff0000); /* the size of its packets */
        xhci_write_context(s, *slot, CONTROL_ENDPOINT, words);
    }
    return XHCI_SUCCESS;
}

/* An endpoint that a command names, in one of @states (bits), is stopped then. */
static XhciCode stop(Xhci *s, const XhciTrb *command, unsigned slot, unsigned states,
                     uint32_t words[XHCI_CONTEXT_WORDS])
{
    unsigned n = command->control >> 16 & 0x1f;

    if (!n) {
        return XHCI_TRB_ERROR;
    }
    if (!xhci_read_context(s, slot, n, words) || !(states >> (words[0] & EP_STATE) & 1)) {
        return XHCI_CONTEXT_STATE_ERROR;
    }
    words[0] = (words[0] & ~(uint32_t)EP_STATE) | XHCI_EP_STOPPED;
    s->active[slot] &= ~(1u << n);
    return xhci_write_context(s, slot, n, words) ? XHCI_SUCCESS : XHCI_PARAMETER_ERROR;
}

static XhciCode reset_endpoint(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    uint32_t words[XHCI_CONTEXT_WORDS];

    return stop(s, command, *slot, 1 << XHCI_EP_HALTED, words);
}

static XhciCode stop_endpoint(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    uint32_t words[XHCI_CONTEXT_WORDS];
    XhciCode code = stop(s, command, *slot, 1 << XHCI_EP_RUNNING, words);

    if (code == XHCI_SUCCESS && words[WORD_DONE]) {
        xhci_tell_stopped(s, *slot, command->control >> 16 & 0x1f, words);
    }
    return code;
}

static XhciCode set_dequeue(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    unsigned n = command->control >> 16 & 0x1f;
    uint32_t words[XHCI_CONTEXT_WORDS];
    XhciCode code = stop(s, command, *slot, 1 << XHCI_EP_STOPPED | 1 << XHCI_EP_ERROR, words);

    if (code == XHCI_SUCCESS) {
        words[2] = (uint32_t)command->parameter & ~0xeu;
        words[3] = (uint32_t)(command->parameter >> 32);
        words[WORD_DONE] = 0;
        xhci_write_context(s, *slot, n, words);
    }
    return code;
}

/* ---- all of them ---- */

static XhciCode no_op(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    return XHCI_SUCCESS;
}

static const struct {
    XhciCode (*fn)(Xhci *s, const XhciTrb *command, unsigned *slot);
    bool any_slot; /* what it says of one does not count */
} commands[] = {
    [XHCI_ENABLE_SLOT] = { enable_slot, true },
    [XHCI_DISABLE_SLOT] = { disable_slot },
    [XHCI_ADDRESS_DEVICE] = { address_device },
    [XHCI_CONFIGURE_ENDPOINT] = { configure_endpoint },
    [XHCI_EVALUATE_CONTEXT] = { evaluate_context },
    [XHCI_RESET_ENDPOINT] = { reset_endpoint },
    [XHCI_STOP_ENDPOINT] = { stop_endpoint },
    [XHCI_SET_DEQUEUE] = { set_dequeue },
    [XHCI_RESET_DEVICE] = { reset_device },
    [XHCI_NO_OP_COMMAND] = { no_op, true },
};

XhciCode xhci_carry_out(Xhci *s, const XhciTrb *command, unsigned *slot)
{
    unsigned type = xhci_trb_type(command);

    if (type >= G_N_ELEMENTS(commands) || !commands[type].fn) {
        return XHCI_TRB_ERROR;
    }
    if (!commands[type].any_slot &&
        (*slot < 1 || *slot > XHCI_SLOTS || !(s->slots >> (*slot - 1) & 1))) {
        return XHCI_SLOT_NOT_ENABLED;
    }
    return commands[type].fn(s, command, slot);
}
