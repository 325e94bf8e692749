/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ipmi/bmc-sim.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "hw/intc/apic.h"
#include "util/clock.h"
#include "util/error.h"

/* ---- answers ---- */

void sim_put_bytes(SimCall *call, const void *data, unsigned size)
{
    if (size <= IPMI_MESSAGE_MAX - IPMI_CODE - 1 - call->out_len) {
        memcpy(call->out + call->out_len, data, size);
        call->out_len += size;
    }
}

void sim_put(SimCall *call, uint64_t value, unsigned size)
{
    value = GUINT64_TO_LE(value);
    sim_put_bytes(call, &value, size);
}

void sim_update_attention(IpmiSim *s)
{
    ipmi_set_attention(&s->parent, s->flags != 0);
}

/* ---- application ---- */

enum {
    SELF_TEST_PASSED = 0x55,
    SUPPORTS = 0x8f, /* chassis, FRU, SEL, SDR repository, sensors */
    NO_MESSAGE = 0x80,
};

static uint8_t get_device_id(IpmiSim *s, SimCall *call)
{
    sim_put(call, s->device_id, 1);
    sim_put(call, (s->device_rev & 0xf) | 0x80, 1); /* has sensors of its own */
    sim_put(call, s->fwrev1 & 0x7f, 1);
    sim_put(call, s->fwrev2, 1);
    sim_put(call, s->ipmi_version, 1);
    sim_put(call, SUPPORTS, 1);
    sim_put(call, s->mfg_id, 3);
    sim_put(call, s->product_id, 2);
    return IPMI_OK;
}

static uint8_t self_test(IpmiSim *s, SimCall *call)
{
    sim_put(call, SELF_TEST_PASSED, 2);
    return IPMI_OK;
}

static uint8_t set_acpi_state(IpmiSim *s, SimCall *call)
{
    for (unsigned i = 0; i < 2; i++) {
        if (call->data[i] & 0x80 && (call->data[i] & 0x7f) != 0x7f) { /* 0x7f: no change */
            s->acpi_state[i] = call->data[i] & 0x7f;
        }
    }
    return IPMI_OK;
}

static uint8_t get_acpi_state(IpmiSim *s, SimCall *call)
{
    sim_put_bytes(call, s->acpi_state, 2);
    return IPMI_OK;
}

static uint8_t get_guid(IpmiSim *s, SimCall *call)
{
    static const uint8_t none[16];

    if (memcmp(s->guid, none, sizeof(none)) == 0) {
        return IPMI_INVALID_COMMAND;
    }
    sim_put_bytes(call, s->guid, sizeof(s->guid));
    return IPMI_OK;
}

static uint8_t set_enables(IpmiSim *s, SimCall *call)
{
    s->enables = call->data[0];
    s->parent.interrupts = s->enables & (SIM_ENABLE_MESSAGES | SIM_ENABLE_EVENT_INTERRUPT);
    return IPMI_OK;
}

static uint8_t get_enables(IpmiSim *s, SimCall *call)
{
    sim_put(call, s->enables, 1);
    return IPMI_OK;
}

static uint8_t clear_flags(IpmiSim *s, SimCall *call)
{
    s->flags &= ~call->data[0];
    sim_update_attention(s);
    return IPMI_OK;
}

static uint8_t get_flags(IpmiSim *s, SimCall *call)
{
    sim_put(call, s->flags, 1);
    return IPMI_OK;
}

/* There is no bus from which messages could come. */
static uint8_t get_message(IpmiSim *s, SimCall *call)
{
    return NO_MESSAGE;
}

static uint8_t read_event(IpmiSim *s, SimCall *call)
{
    if (!(s->flags & SIM_FLAG_EVENT_BUFFER)) {
        return NO_MESSAGE;
    }
    sim_put_bytes(call, s->event, sizeof(s->event));
    s->flags &= ~SIM_FLAG_EVENT_BUFFER;
    sim_update_attention(s);
    return IPMI_OK;
}

/* For BT (section 22.10): one request at a time, of all that the buffers take. */
static uint8_t bt_capabilities(IpmiSim *s, SimCall *call)
{
    enum { RESPONSE_SECONDS = 5, RETRIES = 0 };

    sim_put(call, 1, 1);
    sim_put(call, IPMI_MESSAGE_MAX, 1);
    sim_put(call, IPMI_MESSAGE_MAX, 1);
    sim_put(call, RESPONSE_SECONDS, 1);
    sim_put(call, RETRIES, 1);
    return IPMI_OK;
}

/* One channel, the system interface. */
static uint8_t channel_info(IpmiSim *s, SimCall *call)
{
    enum { CURRENT = 0xe, SYSTEM = 0xf, MEDIUM_SYSTEM = 0xc, PROTOCOL_KCS = 5 };
    static const uint8_t vendor[] = { 0xf2, 0x1b, 0x00 }; /* of IPMI itself */
    unsigned channel = call->data[0] & 0xf;

    if (channel != CURRENT && channel != SYSTEM) {
        return IPMI_BAD_FIELD;
    }
    sim_put(call, SYSTEM, 1);
    sim_put(call, MEDIUM_SYSTEM, 1);
    sim_put(call, PROTOCOL_KCS, 1);
    sim_put(call, 0, 1); /* no sessions */
    sim_put_bytes(call, vendor, sizeof(vendor));
    sim_put(call, 0xffff, 2); /* interrupts: not said here */
    return IPMI_OK;
}

/* The guest's own state stays: it is this controller that begins anew. */
static void start_anew(IpmiSim *s)
{
    s->enables = SIM_ENABLE_SEL;
    s->flags = 0;
    s->parent.interrupts = false;
    sim_watchdog_reset(s);
    sim_update_attention(s);
}

static uint8_t cold_reset(IpmiSim *s, SimCall *call)
{
    start_anew(s);
    return IPMI_OK;
}

const SimCommand sim_app_commands[] = {
    { 0x01, 0, get_device_id },
    { 0x02, 0, cold_reset },
    { 0x03, 0, cold_reset },
    { 0x04, 0, self_test },
    { 0x06, 2, set_acpi_state },
    { 0x07, 0, get_acpi_state },
    { 0x08, 0, get_guid },
    { 0x2e, 1, set_enables },
    { 0x2f, 0, get_enables },
    { 0x30, 1, clear_flags },
    { 0x31, 0, get_flags },
    { 0x33, 0, get_message },
    { 0x35, 0, read_event },
    { 0x36, 0, bt_capabilities },
    { 0x37, 0, get_guid },
    { 0x42, 1, channel_info },
    {},
};

/* ---- chassis ---- */

static uint8_t chassis_capabilities(IpmiSim *s, SimCall *call)
{
    static const uint8_t capabilities[] = { 0, 0x20, 0x20, 0x20, 0x20 };

    sim_put_bytes(call, capabilities, sizeof(capabilities));
    return IPMI_OK;
}

static uint8_t chassis_status(IpmiSim *s, SimCall *call)
{
    sim_put(call, 0x01, 1); /* power is on */
    sim_put(call, 0, 2);    /* why it went off last, and others */
    return IPMI_OK;
}

static uint8_t chassis_control(IpmiSim *s, SimCall *call)
{
    enum { DOWN, UP, CYCLE, HARD_RESET, DIAGNOSTIC, SOFT_SHUTDOWN };

    switch (call->data[0] & 0xf) {
    case DOWN:
        runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        break;
    case UP:
        break;
    case CYCLE:
    case HARD_RESET:
        runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
        break;
    case DIAGNOSTIC:
        apic_nmi();
        break;
    case SOFT_SHUTDOWN:
        runstate_request_powerdown();
        break;
    default:
        return IPMI_BAD_FIELD;
    }
    return IPMI_OK;
}

static const SimCommand chassis_commands[] = {
    { 0x00, 0, chassis_capabilities },
    { 0x01, 0, chassis_status },
    { 0x02, 1, chassis_control },
    {},
};

/* ---- sensors and events ---- */

static uint8_t set_receiver(IpmiSim *s, SimCall *call)
{
    memcpy(s->receiver, call->data, 2);
    return IPMI_OK;
}

static uint8_t get_receiver(IpmiSim *s, SimCall *call)
{
    sim_put_bytes(call, s->receiver, 2);
    return IPMI_OK;
}

/* From system software (section 29.3): its generator's number comes first. */
static uint8_t platform_event(IpmiSim *s, SimCall *call)
{
    enum { SYSTEM_EVENT = 2, TYPE = 2, GENERATOR = 7, MESSAGE = 9, BYTES = 7 };
    uint8_t event[SIM_SEL_RECORD] = { 0 };
    uint16_t id;

    event[TYPE] = SYSTEM_EVENT;
    event[GENERATOR] = call->data[0];
    memcpy(event + MESSAGE, call->data + 1, BYTES);
    return sim_add_event(s, event, &id) ? IPMI_OK : IPMI_NO_SPACE;
}

/* The watchdog is the one sensor that there is. */
static uint8_t sensor_reading(IpmiSim *s, SimCall *call)
{
    if (call->data[0] != 0) {
        return IPMI_NOT_PRESENT;
    }
    sim_put(call, 0, 1);
    sim_put(call, 0xc0, 1); /* it scans, and sends events */
    sim_put(call, s->watchdog.expired ? 0x01 : 0, 1);
    sim_put(call, 0, 1);
    return IPMI_OK;
}

static uint8_t sensor_type(IpmiSim *s, SimCall *call)
{
    if (call->data[0] != 0) {
        return IPMI_NOT_PRESENT;
    }
    sim_put(call, 0x23, 1); /* watchdog 2 */
    sim_put(call, 0x6f, 1); /* of its own kind */
    return IPMI_OK;
}

static const SimCommand sensor_commands[] = {
    { 0x00, 2, set_receiver },   { 0x01, 0, get_receiver }, { 0x02, 8, platform_event },
    { 0x2d, 1, sensor_reading }, { 0x2f, 1, sensor_type },  {},
};

/* ---- requests ---- */

#define LISTS 3

static const struct {
    uint8_t function;
    const SimCommand *lists[LISTS];
} functions[] = {
    { 0x00, { chassis_commands } },
    { 0x04, { sensor_commands } },
    { 0x06, { sim_app_commands, sim_watchdog_commands } },
    { 0x0a, { sim_sel_commands, sim_sdr_commands } },
};

static const SimCommand *find_command(uint8_t function, uint8_t number)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(functions); i++) {
        for (unsigned n = 0; functions[i].function == function && n < LISTS; n++) {
            for (const SimCommand *c = functions[i].lists[n]; c && c->run; c++) {
                if (c->command == number) {
                    return c;
                }
            }
        }
    }
    return NULL;
}

static void sim_request(IpmiBmc *bmc, const uint8_t *message, unsigned len)
{
    IpmiSim *s = IPMI_SIM(bmc);
    uint8_t answer[IPMI_MESSAGE_MAX];
    SimCall call = { message + IPMI_DATA, len - IPMI_DATA, answer + IPMI_CODE + 1, 0 };
    unsigned unit = message[IPMI_NETFN] & 3;
    const SimCommand *command =
        unit ? NULL : find_command(message[IPMI_NETFN] >> 2, message[IPMI_COMMAND]);

    answer[IPMI_NETFN] = message[IPMI_NETFN] | 1 << 2;
    answer[IPMI_COMMAND] = message[IPMI_COMMAND];
    answer[IPMI_CODE] = !command                    ? IPMI_INVALID_COMMAND
                        : call.len < command->least ? IPMI_LENGTH
                                                    : command->run(s, &call);
    if (answer[IPMI_CODE] != IPMI_OK) {
        call.out_len = 0;
    }
    ipmi_answer(bmc, answer, IPMI_CODE + 1 + call.out_len);
}

/* ---- the device ---- */

static bool parse_guid(IpmiSim *s, GError **errp)
{
    static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    g_autofree char *chosen = NULL;
    const char *text = s->guid_text;

    memset(s->guid, 0, sizeof(s->guid));
    if (!text || !*text) {
        return true;
    }
    if (strcmp(text, "auto") == 0) {
        text = chosen = g_uuid_string_random();
    }
    if (!g_uuid_string_is_valid(text)) {
        error_set(errp,
                  "'guid' is '%s': it is \"auto\", or a UUID such as "
                  "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87",
                  text);
        return false;
    }
    for (unsigned i = 0; i < 16; i++, text += 2) {
        text += *text == '-';
        s->guid[order[i]] =
            (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
    }
    return true;
}

static bool sim_realize(Device *dev, GError **errp)
{
    IpmiSim *s = IPMI_SIM(dev);

    if (s->mfg_id >= 1u << 24) {
        error_set(errp, "'mfg_id' is %u: it has 20 bits, and room for 24", s->mfg_id);
        return false;
    }
    if (!parse_guid(s, errp) || !sim_sdr_load(s, errp)) {
        return false;
    }
    if (!sim_fru_load(s, errp)) {
        g_clear_pointer(&s->sdr, g_byte_array_unref);
        return false;
    }
    s->sel_count = s->sel_reservation = s->sdr_reservation = 0;
    s->sel_next_id = 1;
    s->sel_erased = 0;
    s->sel_time = g_get_real_time() / G_USEC_PER_SEC - clock_ns() / NS_PER_SEC;
    sim_watchdog_init(s);
    return true;
}

static void sim_unrealize(Device *dev)
{
    IpmiSim *s = IPMI_SIM(dev);

    sim_watchdog_destroy(s);
    g_clear_pointer(&s->sdr, g_byte_array_unref);
    g_clear_pointer(&s->fru, g_free);
}

/* The log and the inventory outlast it. */
static void sim_reset(Device *dev)
{
    IpmiSim *s = IPMI_SIM(dev);

    memset(s->acpi_state, 0, sizeof(s->acpi_state));
    s->receiver[0] = s->parent.address;
    s->receiver[1] = 0;
    start_anew(s);
}

static void fru_save(void *obj)
{
    IpmiSim *s = obj;

    g_clear_pointer(&s->fru_saved, g_bytes_unref);
    s->fru_saved = g_bytes_new(s->fru, s->fru_size);
}

static bool sim_loaded(void *obj, GError **errp)
{
    IpmiSim *s = obj;
    gsize size = 0;
    const void *data = s->fru_saved ? g_bytes_get_data(s->fru_saved, &size) : NULL;

    if (size != s->fru_size) {
        error_set(errp, "the inventory of ipmi-bmc-sim has %zu bytes; here it has %u", (size_t)size,
                  s->fru_size);
        return false;
    }
    if (size) {
        memcpy(s->fru, data, size);
    }
    g_clear_pointer(&s->fru_saved, g_bytes_unref);
    return true;
}

static void sim_finalize(Object *obj)
{
    g_clear_pointer(&IPMI_SIM(obj)->fru_saved, g_bytes_unref);
}

static const StateTable sel_row_state = {
    .name = "sel-record",
    .version = 1,
    .fields = (const StateField[]){ { .name = "bytes",
                                      .kind = STATE_KIND_UINT,
                                      .width = 1,
                                      .offset = 0,
                                      .count = SIM_SEL_RECORD },
                                    {} },
};

static const StateField sim_fields[] = {
    STATE_STRUCT(IpmiSim, parent, &ipmi_bmc_state),
    STATE_UINT(IpmiSim, enables),
    STATE_UINT(IpmiSim, flags),
    STATE_UINTS(IpmiSim, acpi_state),
    STATE_UINTS(IpmiSim, receiver),
    STATE_UINTS(IpmiSim, event),
    STATE_STRUCTS(IpmiSim, sel, &sel_row_state),
    STATE_UINT_MAX(IpmiSim, sel_count, SIM_SEL_MAX),
    STATE_UINT(IpmiSim, sel_reservation),
    STATE_UINT(IpmiSim, sdr_reservation),
    STATE_UINT(IpmiSim, sel_next_id),
    STATE_UINT(IpmiSim, sel_erased),
    STATE_INT(IpmiSim, sel_time),
    STATE_BLOB(IpmiSim, fru_saved),
    STATE_STRUCT(IpmiSim, watchdog, &sim_watchdog_state),
    {},
};
static const StateTable sim_state = { .name = TYPE_IPMI_BMC_SIM,
                                      .version = 1,
                                      .fields = sim_fields,
                                      .pre_save = fru_save,
                                      .post_load = sim_loaded };

static const IpmiBmcClass sim_class = {
    .device = { .category = "misc",
                .flags = DEVICE_USER_CREATABLE,
                .realize = sim_realize,
                .unrealize = sim_unrealize,
                .reset = sim_reset,
                .state = &sim_state },
    .request = sim_request,
};

#define SIM_NUMBER(prop, number_kind, member, initial, text)                    \
    {                                                                           \
        .name = prop, .kind = number_kind, .offset = offsetof(IpmiSim, member), \
        .has_default = true, .default_int = (initial), .description = (text),   \
    }

static const Property sim_properties[] = {
    IPMI_BMC_PROPERTIES,
    SIM_NUMBER("device_id", PROP_UINT8, device_id, 0x20, "what it says it is"),
    SIM_NUMBER("device_rev", PROP_UINT8, device_rev, 0, "its revision, 0 to 15"),
    SIM_NUMBER("fwrev1", PROP_UINT8, fwrev1, 0, "its firmware's major revision, 0 to 127"),
    SIM_NUMBER("fwrev2", PROP_UINT8, fwrev2, 0, "its firmware's minor revision, as BCD"),
    SIM_NUMBER("ipmi_version", PROP_UINT8, ipmi_version, 2, "IPMI's version, as BCD: 2 is 2.0"),
    SIM_NUMBER("mfg_id", PROP_UINT32, mfg_id, 0, "its maker's IANA number"),
    SIM_NUMBER("product_id", PROP_UINT16, product_id, 0, "its maker's number of it"),
    SIM_NUMBER("fruareasize", PROP_UINT16, fru_size, 1024, "bytes of the inventory (FRU)"),
    { .name = "frudatafile",
      .kind = PROP_STRING,
      .offset = offsetof(IpmiSim, fru_file),
      .description = "file with what the inventory begins with" },
    { .name = "sdrfile",
      .kind = PROP_STRING,
      .offset = offsetof(IpmiSim, sdr_file),
      .description = "file with sensor records, instead of the watchdog's" },
    { .name = "guid",
      .kind = PROP_STRING,
      .offset = offsetof(IpmiSim, guid_text),
      .description = "its UUID, or \"auto\" for one at random; none if not set" },
    { 0 },
};

static const ObjectType sim_type = {
    .name = TYPE_IPMI_BMC_SIM,
    .parent = TYPE_IPMI_BMC,
    .description = "A management controller inside of this program",
    .instance_size = sizeof(IpmiSim),
    .properties = sim_properties,
    .ops = &sim_class,
    .finalize = sim_finalize,
};
OBJECT_TYPE_REGISTER(sim_type)
