/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/ospm.h"

#include <string.h>

#include "tests/qtest/ospm/aml-resource.h"

#define MEMORY_DEVICE_HID 0x800cd041u /* "PNP0C80" as an EISA ID */
#define PROCESSOR_HID     "ACPI0007"

enum {
    STA_PRESENT = 1 << 0,
    STA_ENABLED = 1 << 1,
    STA_WORKING = 1 << 3,
    STA_USABLE = STA_PRESENT | STA_ENABLED | STA_WORKING,
    SCI_EN = 1 << 0,
    MAX_ROUNDS = 1000, /* of events that follow each other */
};

typedef struct Notification {
    char *path;
    uint64_t value;
} Notification;

static void notification_free(void *opaque)
{
    Notification *notification = opaque;

    g_free(notification->path);
    g_free(notification);
}

/* ---- the world of the interpreter ---- */

static uint64_t port_read(Ospm *ospm, uint64_t port, unsigned size)
{
    uint64_t value = 0;

    if (ospm->manners.bytes) {
        for (unsigned i = 0; i < size; i++) {
            value |= (uint64_t)qtest_inb(ospm->qt, (uint16_t)(port + i)) << (i * 8);
        }
        return value;
    }
    return size == 1   ? qtest_inb(ospm->qt, (uint16_t)port)
           : size == 2 ? qtest_inw(ospm->qt, (uint16_t)port)
                       : qtest_inl(ospm->qt, (uint16_t)port);
}

/* In pieces, the highest byte goes first: what a write sets off, its lowest byte does. */
static void port_write(Ospm *ospm, uint64_t port, unsigned size, uint64_t value)
{
    if (ospm->manners.bytes) {
        for (unsigned i = size; i > 0; i--) {
            qtest_outb(ospm->qt, (uint16_t)(port + i - 1), (uint8_t)(value >> ((i - 1) * 8)));
        }
    } else if (size == 1) {
        qtest_outb(ospm->qt, (uint16_t)port, (uint8_t)value);
    } else if (size == 2) {
        qtest_outw(ospm->qt, (uint16_t)port, (uint16_t)value);
    } else {
        qtest_outl(ospm->qt, (uint16_t)port, (uint32_t)value);
    }
}

static uint64_t host_read(void *opaque, unsigned space, uint64_t addr, unsigned size)
{
    Ospm *ospm = opaque;
    uint64_t value = 0;

    if (space == AML_SPACE_IO) {
        return port_read(ospm, addr, size);
    }
    qtest_memread(ospm->qt, addr, &value, size);
    return GUINT64_FROM_LE(value);
}

static void host_write(void *opaque, unsigned space, uint64_t addr, unsigned size, uint64_t value)
{
    Ospm *ospm = opaque;

    if (space == AML_SPACE_IO) {
        port_write(ospm, addr, size, value);
        return;
    }
    value = GUINT64_TO_LE(value);
    qtest_memwrite(ospm->qt, addr, &value, size);
}

static void host_notify(void *opaque, const char *path, uint64_t value)
{
    Ospm *ospm = opaque;
    Notification *notification = g_new(Notification, 1);

    *notification = (Notification){ g_strdup(path), value };
    g_queue_push_tail(ospm->notifications, notification);
}

static void read_memory(void *opaque, uint64_t addr, void *buf, size_t size)
{
    qtest_memread(opaque, addr, buf, size);
}

/* ---- evaluations ---- */

static void check(GError *err)
{
    if (err) {
        g_error("OSPM: %s", err->message);
    }
}

/* Of device @n of @kind: ospm->slots or ospm->cpus. */
static char *method_path(const GPtrArray *kind, unsigned n, const char *method)
{
    g_assert_cmpuint(n, <, kind->len);
    return g_strdup_printf("%s.%s", (const char *)kind->pdata[n], method);
}

static uint64_t slot_integer(Ospm *ospm, const GPtrArray *kind, unsigned n, const char *method)
{
    g_autofree char *path = method_path(kind, n, method);
    uint64_t value = 0;
    GError *err = NULL;

    aml_eval_integer(ospm->aml, path, NULL, 0, &value, &err);
    check(err);
    return value;
}

uint64_t ospm_sta(Ospm *ospm, unsigned n)
{
    return slot_integer(ospm, ospm->slots, n, "_STA");
}

uint64_t ospm_pxm(Ospm *ospm, unsigned n)
{
    return slot_integer(ospm, ospm->slots, n, "_PXM");
}

uint64_t ospm_cpu_sta(Ospm *ospm, unsigned n)
{
    return slot_integer(ospm, ospm->cpus, n, "_STA");
}

uint64_t ospm_cpu_pxm(Ospm *ospm, unsigned n)
{
    return slot_integer(ospm, ospm->cpus, n, "_PXM");
}

uint32_t ospm_cpu_apic_id(Ospm *ospm, unsigned n)
{
    g_autofree char *path = method_path(ospm->cpus, n, "_MAT");
    GError *err = NULL;
    g_autoptr(AmlObject) entry = aml_eval_call(ospm->aml, path, NULL, 0, &err);
    const uint8_t *data;

    check(err);
    g_assert_cmpint(entry->type, ==, AML_BUFFER);
    data = entry->bytes.data;
    g_assert_cmpuint(data[1], ==, entry->bytes.len);
    if (data[0] == 0) { /* local APIC: _UID, ID, flags */
        g_assert_cmpuint(data[2], ==, n);
        g_assert_cmphex(data[4], ==, 1);
        return data[3];
    }
    g_assert_cmpuint(data[0], ==, 9); /* local x2APIC: ID, flags, _UID */
    g_assert_cmpuint(data[12] | data[13] << 8, ==, n);
    g_assert_cmphex(data[8], ==, 1);
    return data[4] | (uint32_t)data[5] << 8;
}

OspmDimm ospm_crs(Ospm *ospm, unsigned n)
{
    g_autofree char *path = method_path(ospm->slots, n, "_CRS");
    GError *err = NULL;
    g_autoptr(AmlObject) template = aml_eval_call(ospm->aml, path, NULL, 0, &err);
    g_autoptr(GArray) resources = NULL;
    const AmlResource *memory;

    check(err);
    resources = aml_resources_parse(template, &err);
    check(err);
    g_assert_cmpuint(resources->len, ==, 1);
    memory = &g_array_index(resources, AmlResource, 0);
    g_assert_cmpint(memory->kind, ==, AML_RESOURCE_MEMORY);
    g_assert_true(memory->writable);
    return (OspmDimm){ memory->first, memory->length, (uint32_t)ospm_pxm(ospm, n) };
}

static void report(Ospm *ospm, const GPtrArray *kind, unsigned n, uint32_t event, uint32_t status)
{
    g_autofree char *path = method_path(kind, n, "_OST");
    g_autoptr(AmlObject) source = aml_integer(event);
    g_autoptr(AmlObject) code = aml_integer(status);
    g_autoptr(AmlObject) details = aml_buffer_new(NULL, 0);
    AmlObject *args[] = { source, code, details };
    GError *err = NULL;

    aml_object_unref(aml_eval_call(ospm->aml, path, args, 3, &err));
    check(err);
}

void ospm_ost(Ospm *ospm, unsigned n, uint32_t event, uint32_t status)
{
    report(ospm, ospm->slots, n, event, status);
}

void ospm_cpu_ost(Ospm *ospm, unsigned n, uint32_t event, uint32_t status)
{
    report(ospm, ospm->cpus, n, event, status);
}

static void eject(Ospm *ospm, const GPtrArray *kind, unsigned n)
{
    g_autofree char *path = method_path(kind, n, "_EJ0");
    const uint64_t one = 1;
    GError *err = NULL;

    if (kind == ospm->slots) {
        ospm->dimms[n] = (OspmDimm){ 0 };
    } else {
        ospm->cpu_used[n] = false;
    }
    aml_eval_void(ospm->aml, path, &one, 1, &err);
    check(err);
}

void ospm_eject(Ospm *ospm, unsigned n)
{
    eject(ospm, ospm->slots, n);
}

void ospm_cpu_eject(Ospm *ospm, unsigned n)
{
    eject(ospm, ospm->cpus, n);
}

/* ---- notifications ---- */

/* Use what is there, or not any more. */
static bool use(Ospm *ospm, const GPtrArray *kind, unsigned n, bool on)
{
    on = on && (slot_integer(ospm, kind, n, "_STA") & STA_USABLE) == STA_USABLE;
    if (kind == ospm->slots) {
        ospm->dimms[n] = on ? ospm_crs(ospm, n) : (OspmDimm){ 0 };
    } else {
        ospm->cpu_used[n] = on;
        if (on) {
            ospm_cpu_apic_id(ospm, n);
        }
    }
    return on;
}

static void device_check(Ospm *ospm, const GPtrArray *kind, unsigned n)
{
    const OspmManners *manners = &ospm->manners;

    if (!use(ospm, kind, n, true)) {
        return;
    }
    if (manners->eject_on_insertion) {
        eject(ospm, kind, n);
    } else if (manners->insert_status != OSPM_SUCCESS) {
        use(ospm, kind, n, false);
    }
    report(ospm, kind, n, OSPM_DEVICE_CHECK, manners->insert_status);
}

static void eject_request(Ospm *ospm, const GPtrArray *kind, unsigned n)
{
    const OspmManners *manners = &ospm->manners;

    if (manners->eject_status != OSPM_SUCCESS) {
        report(ospm, kind, n, OSPM_EJECT_REQUEST, manners->eject_status);
        return;
    }
    if (!manners->no_progress) {
        report(ospm, kind, n, OSPM_EJECT_REQUEST, OSPM_IN_PROGRESS);
    }
    eject(ospm, kind, n);
    if (manners->eject_twice) {
        eject(ospm, kind, n);
    }
    report(ospm, kind, n, OSPM_EJECT_REQUEST,
           slot_integer(ospm, kind, n, "_STA") & STA_ENABLED ? OSPM_EJECT_FAILED : OSPM_SUCCESS);
}

static void handle(Ospm *ospm, const Notification *notification)
{
    GPtrArray *kinds[] = { ospm->slots, ospm->cpus };
    unsigned n;

    for (unsigned i = 0; !ospm->manners.silent && i < G_N_ELEMENTS(kinds); i++) {
        if (!g_ptr_array_find_with_equal_func(kinds[i], notification->path, g_str_equal, &n)) {
            continue;
        }
        if (notification->value == OSPM_DEVICE_CHECK) {
            device_check(ospm, kinds[i], n);
        } else if (notification->value == OSPM_EJECT_REQUEST) {
            eject_request(ospm, kinds[i], n);
        }
    }
}

static void handle_all(Ospm *ospm)
{
    Notification *notification;

    while ((notification = g_queue_pop_head(ospm->notifications))) {
        ospm->notified++;
        handle(ospm, notification);
        notification_free(notification);
    }
}

/* ---- events ---- */

static unsigned gpe_bytes(const Ospm *ospm)
{
    return ospm->tables->gpe0_len / 2;
}

/* The handler of an event; the letter says how it is triggered. NULL: there is none. */
static char *gpe_handler(Ospm *ospm, unsigned gpe, char letter)
{
    char *path = g_strdup_printf("\\_GPE._%c%02X", letter, gpe);

    if (!aml_node_find_text(aml_eval_root(ospm->aml), path)) {
        g_clear_pointer(&path, g_free);
    }
    return path;
}

static void gpe_clear(Ospm *ospm, unsigned gpe)
{
    qtest_outb(ospm->qt, (uint16_t)(ospm->tables->gpe0 + gpe / 8), (uint8_t)(1u << (gpe % 8)));
    ospm->cleared++;
}

static void run_handler(Ospm *ospm, const char *path)
{
    GError *err = NULL;

    aml_eval_void(ospm->aml, path, NULL, 0, &err);
    check(err);
    handle_all(ospm);
}

/* An edge is cleared before its handler runs, so that one that comes meanwhile is not lost; a level
 * after, since before that it would rise again (ACPI 6.4, 5.6.4). */
static void gpe_dispatch(Ospm *ospm, unsigned gpe)
{
    g_autofree char *edge = gpe_handler(ospm, gpe, 'E');
    g_autofree char *level = gpe_handler(ospm, gpe, 'L');

    if (edge) {
        gpe_clear(ospm, gpe);
        run_handler(ospm, edge);
    }
    if (level) {
        run_handler(ospm, level);
        gpe_clear(ospm, gpe);
    }
}

/* Bits that are set and enabled in byte @i. */
static uint8_t gpe_pending(Ospm *ospm, unsigned i)
{
    uint16_t port = (uint16_t)(ospm->tables->gpe0 + i);

    return qtest_inb(ospm->qt, port) & qtest_inb(ospm->qt, (uint16_t)(port + gpe_bytes(ospm)));
}

static uint16_t pm1_pending(Ospm *ospm)
{
    uint16_t port = ospm->tables->pm1_evt;

    return qtest_inw(ospm->qt, port) &
           qtest_inw(ospm->qt, (uint16_t)(port + ospm->tables->pm1_evt_len / 2));
}

/* One look at all events; were there any? */
static bool run_once(Ospm *ospm)
{
    uint16_t fixed = pm1_pending(ospm);
    bool any = fixed != 0;

    if (fixed) { /* nothing to do about a fixed event but to clear it */
        qtest_outw(ospm->qt, ospm->tables->pm1_evt, fixed);
        ospm->cleared++;
    }
    for (unsigned i = 0; i < gpe_bytes(ospm); i++) {
        uint8_t pending = gpe_pending(ospm, i);

        any |= pending != 0;
        for (unsigned bit = 0; bit < 8; bit++) {
            if (pending >> bit & 1) {
                gpe_dispatch(ospm, i * 8 + bit);
            }
        }
    }
    return any;
}

bool ospm_sci(Ospm *ospm)
{
    bool any = pm1_pending(ospm) != 0;

    for (unsigned i = 0; i < gpe_bytes(ospm); i++) {
        any |= gpe_pending(ospm, i) != 0;
    }
    return any;
}

unsigned ospm_run(Ospm *ospm)
{
    unsigned before = ospm->notified;

    if (ospm->manners.deaf) {
        return 0;
    }
    for (unsigned i = 0; run_once(ospm); i++) {
        if (i == MAX_ROUNDS) {
            g_error("OSPM: an event is asserted again and again: it cannot be cleared");
        }
    }
    return ospm->notified - before;
}

/* ---- boot ---- */

/* Enable ACPI, clear old events, and enable those with a handler (ACPI 6.4, 4.8.2.5, 4.8.4.1). */
static void enable_events(Ospm *ospm)
{
    const OspmTables *tables = ospm->tables;

    if (tables->smi_cmd && !(qtest_inw(ospm->qt, tables->pm1_cnt) & SCI_EN)) {
        qtest_outb(ospm->qt, tables->smi_cmd, tables->acpi_enable);
        g_assert_cmphex(qtest_inw(ospm->qt, tables->pm1_cnt) & SCI_EN, ==, SCI_EN);
    }
    for (unsigned i = 0; i < gpe_bytes(ospm); i++) {
        uint8_t handled = 0;

        for (unsigned bit = 0; bit < 8; bit++) {
            g_autofree char *edge = gpe_handler(ospm, i * 8 + bit, 'E');
            g_autofree char *level = gpe_handler(ospm, i * 8 + bit, 'L');

            handled |= (uint8_t)((edge || level) << bit);
        }
        qtest_outb(ospm->qt, (uint16_t)(tables->gpe0 + i), 0xff);
        qtest_outb(ospm->qt, (uint16_t)(tables->gpe0 + gpe_bytes(ospm) + i), handled);
    }
}

static bool is_memory(const AmlObject *id)
{
    return id && id->type == AML_INTEGER && id->integer == MEMORY_DEVICE_HID;
}

static bool is_processor(const AmlObject *id)
{
    return id && id->type == AML_STRING && id->bytes.len == strlen(PROCESSOR_HID) &&
           memcmp(id->bytes.data, PROCESSOR_HID, id->bytes.len) == 0;
}

/* Evaluate _INI of each device at and below @node, and enter memory devices and processors in their
 * lists. */
static void find_devices(Ospm *ospm, AmlNode *node)
{
    const AmlNode *hid = aml_node_child(node, "_HID");
    const AmlObject *id = hid ? hid->cell->value : NULL;
    GPtrArray *kind = is_memory(id) ? ospm->slots : is_processor(id) ? ospm->cpus : NULL;
    g_autofree char *path = aml_node_path(node);
    GError *err = NULL;

    if (aml_node_child(node, "_INI")) {
        g_autofree char *method = g_strdup_printf("%s._INI", path);

        aml_eval_void(ospm->aml, method, NULL, 0, &err);
        check(err);
    }
    if (kind) {
        g_autofree char *uid = g_strdup_printf("%s._UID", path);
        uint64_t n = 0;

        aml_eval_integer(ospm->aml, uid, NULL, 0, &n, &err);
        check(err);
        g_assert_cmpuint(n, ==, kind->len);
        g_ptr_array_add(kind, g_steal_pointer(&path));
    }
    for (unsigned i = 0; node->children && i < node->children->len; i++) {
        find_devices(ospm, node->children->pdata[i]);
    }
}

static void boot(Ospm *ospm)
{
    const AmlHost host = { host_read, host_write, host_notify, ospm };
    GError *err = NULL;

    ospm->tables = ospm_tables_find(read_memory, ospm->qt, &err);
    check(err);
    ospm->aml = aml_eval_new(&host, ospm->tables->dsdt->data, ospm->tables->dsdt->len, &err);
    check(err);
    ospm->slots = g_ptr_array_new_with_free_func(g_free);
    ospm->cpus = g_ptr_array_new_with_free_func(g_free);
    ospm->notifications = g_queue_new();
    find_devices(ospm, aml_eval_root(ospm->aml));
    ospm->dimms = g_new0(OspmDimm, ospm->slots->len);
    ospm->cpu_used = g_new0(bool, ospm->cpus->len);
    for (unsigned n = 0; n < ospm->slots->len; n++) {
        use(ospm, ospm->slots, n, true);
    }
    for (unsigned n = 0; n < ospm->cpus->len; n++) {
        use(ospm, ospm->cpus, n, true);
    }
    enable_events(ospm);
}

static void shut_down(Ospm *ospm)
{
    g_queue_free_full(ospm->notifications, notification_free);
    g_ptr_array_unref(ospm->slots);
    g_ptr_array_unref(ospm->cpus);
    g_free(ospm->dimms);
    g_free(ospm->cpu_used);
    aml_eval_free(ospm->aml);
    ospm_tables_free(ospm->tables);
}

Ospm *ospm_boot(QTest *qt)
{
    Ospm *ospm = g_new0(Ospm, 1);

    ospm->qt = qt;
    boot(ospm);
    return ospm;
}

void ospm_reboot(Ospm *ospm)
{
    shut_down(ospm);
    boot(ospm);
    ospm->notified = ospm->cleared = 0;
}

void ospm_free(Ospm *ospm)
{
    if (ospm) {
        shut_down(ospm);
        g_free(ospm);
    }
}

unsigned ospm_slots(const Ospm *ospm)
{
    return ospm->slots->len;
}

const OspmDimm *ospm_dimm(const Ospm *ospm, unsigned n)
{
    return n < ospm->slots->len && ospm->dimms[n].size ? &ospm->dimms[n] : NULL;
}

unsigned ospm_cpus(const Ospm *ospm)
{
    return ospm->cpus->len;
}

bool ospm_cpu_used(const Ospm *ospm, unsigned n)
{
    return n < ospm->cpus->len && ospm->cpu_used[n];
}
