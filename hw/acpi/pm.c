/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power management block: PM1 event and control, PM timer, SMI command port.
 */
#include "hw/acpi/pm.h"

#include "hw/core/irq-lines.h"
#include "hw/core/runstate.h"
#include "qapi/qapi-events.h"
#include "memory/smm.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "util/timer.h"

/* Events of PM1 that can ask for an SCI. */
#define PM1_EVENTS (ACPI_PM1_TMR | ACPI_PM1_GBL | ACPI_PM1_PWRBTN | ACPI_PM1_RTC)
/* Of these, those that wake the guest: what makes the others has no power in S3. */
#define PM1_WAKE_EVENTS (ACPI_PM1_PWRBTN | ACPI_PM1_RTC)
/* What a write to PM1 control leaves as it is (SCI_EN belongs to the SMI command port), and what
 * reads as 0 (SLP_EN). */
#define PM1_CNT_KEEP      ACPI_PM1_SCI_EN
#define PM1_CNT_WRITEONLY ACPI_PM1_SLP_EN

/* TMR_STS is set whenever the top bit of the 32-bit timer changes. */
#define TMR_HALF_PERIOD (1ull << 31)

/* ---- the PM timer ---- */

static uint64_t ns_to_ticks(int64_t ns)
{
    return (uint64_t)((unsigned __int128)(uint64_t)ns * ACPI_PM_TMR_HZ / NS_PER_SEC);
}

/* The first nanosecond at which the timer has counted to @ticks. */
static int64_t ticks_to_ns(uint64_t ticks)
{
    unsigned __int128 scaled = (unsigned __int128)ticks * NS_PER_SEC + (ACPI_PM_TMR_HZ - 1);

    return (int64_t)(scaled / ACPI_PM_TMR_HZ);
}

static int64_t next_toggle(int64_t now)
{
    return ticks_to_ns((ns_to_ticks(now) / TMR_HALF_PERIOD + 1) * TMR_HALF_PERIOD);
}

/* ---- the SCI ---- */

static void pm_update(void *opaque)
{
    AcpiPm *pm = opaque;
    int64_t now = clock_ns();

    if (now >= pm->tmr_toggle_ns) {
        pm->pm1_sts |= ACPI_PM1_TMR;
        pm->tmr_toggle_ns = next_toggle(now);
    }
    if (pm->pm1_en & ACPI_PM1_TMR) {
        timer_mod(pm->tmr_timer, pm->tmr_toggle_ns);
    } else {
        timer_del(pm->tmr_timer);
    }
    irq_set(&pm->sci, (pm->pm1_sts & pm->pm1_en & PM1_EVENTS) || acpi_gpe_asks(&pm->gpe));
    if (pm->pm1_sts & pm->pm1_en & PM1_WAKE_EVENTS) {
        runstate_request_wakeup();
    }
}

void acpi_pm_set_gpe(AcpiPm *pm, unsigned n, bool pending)
{
    acpi_gpe_set(&pm->gpe, n, pending);
}

void acpi_pm_power_button(AcpiPm *pm)
{
    pm->pm1_sts |= ACPI_PM1_PWRBTN;
    pm_update(pm);
}

void acpi_pm_rtc_alarm(AcpiPm *pm)
{
    pm->pm1_sts |= ACPI_PM1_RTC;
    pm_update(pm);
}

void acpi_pm_set_sci_enabled(AcpiPm *pm, bool on)
{
    if (on) {
        pm->pm1_cnt |= ACPI_PM1_SCI_EN;
    } else {
        pm->pm1_cnt &= (uint16_t)~ACPI_PM1_SCI_EN;
    }
}

/* ---- sleep states ---- */

bool acpi_pm_check_sleep(Object *obj, const Property *prop, struct json_object *value,
                         GError **errp)
{
    bool is_switch = g_str_has_prefix(prop->name, "disable");
    int64_t least = is_switch ? 0 : ACPI_SLP_TYP_S3 + 1;
    int64_t most = is_switch ? 1 : ACPI_PM1_SLP_TYP_MASK >> ACPI_PM1_SLP_TYP_SHIFT;

    if (json_object_get_int64(value) >= least && json_object_get_int64(value) <= most) {
        return true;
    }
    error_set(errp, "%s must be %d to %d", prop->name, (int)least, (int)most);
    return false;
}

bool acpi_pm_offers_s3(const AcpiPm *pm)
{
    return pm && pm->sleep && !pm->sleep->disable_s3;
}

bool acpi_pm_offers_s4(const AcpiPm *pm)
{
    return pm && pm->sleep && !pm->sleep->disable_s4;
}

/* ---- registers ---- */

static void sleep_request(const AcpiPm *pm, unsigned type)
{
    if (type == ACPI_SLP_TYP_S5) {
        runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else if (type == ACPI_SLP_TYP_S3 && acpi_pm_offers_s3(pm)) {
        runstate_request_suspend();
    } else if (acpi_pm_offers_s4(pm) && type == pm->sleep->s4_val) {
        qapi_event_send_suspend_disk();
        runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    } else if (log_enabled(LOG_UNIMP)) {
        log_printf("acpi: sleep type %u: there is no such sleep state\n", type);
    }
}

static void pm1_cnt_write(AcpiPm *pm, uint16_t value)
{
    pm->pm1_cnt =
        (uint16_t)((pm->pm1_cnt & PM1_CNT_KEEP) | (value & ~(PM1_CNT_KEEP | PM1_CNT_WRITEONLY)));
    if (value & ACPI_PM1_SLP_EN) {
        sleep_request(pm, (value & ACPI_PM1_SLP_TYP_MASK) >> ACPI_PM1_SLP_TYP_SHIFT);
    }
}

/* Offsets from ACPI_PM_BASE, each 2 bytes. */
enum {
    PM_STS = 0x0,
    PM_EN = 0x2,
    PM_CNT = 0x4,
    PM_TMR = 0x8, /* and 0xa */
};

static uint64_t pm_read_half(AcpiPm *pm, hwaddr half)
{
    switch (half) {
    case PM_STS:
        pm_update(pm); /* the timer may have come round */
        return pm->pm1_sts;
    case PM_EN:
        return pm->pm1_en;
    case PM_CNT:
        return pm->pm1_cnt;
    default:
        return 0;
    }
}

static uint64_t pm_read(void *opaque, hwaddr addr, unsigned size)
{
    AcpiPm *pm = opaque;
    hwaddr word = addr & ~(hwaddr)3;
    uint64_t value;

    if (word == PM_TMR) {
        value = (uint32_t)ns_to_ticks(clock_ns());
    } else {
        value = pm_read_half(pm, word) | pm_read_half(pm, word + 2) << 16;
    }
    return value >> ((addr - word) * 8);
}

/* Write those bits of a 2-byte register that are set in @mask. */
static void pm_write_half(AcpiPm *pm, hwaddr half, uint16_t value, uint16_t mask)
{
    switch (half) {
    case PM_STS:
        pm->pm1_sts &= (uint16_t) ~(value & mask);
        break;
    case PM_EN:
        pm->pm1_en = (uint16_t)((pm->pm1_en & ~mask) | (value & mask));
        break;
    case PM_CNT:
        pm1_cnt_write(pm, (uint16_t)((pm->pm1_cnt & ~mask) | (value & mask)));
        break;
    default:
        break;
    }
}

static void pm_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiPm *pm = opaque;
    hwaddr word = addr & ~(hwaddr)3;
    unsigned shift = (unsigned)(addr - word) * 8;
    uint32_t mask = (uint32_t)(((1ull << (size * 8)) - 1) << shift);
    uint32_t bits = (uint32_t)(value << shift) & mask;

    for (unsigned i = 0; i < 2; i++) {
        uint16_t half_mask = (uint16_t)(mask >> (i * 16));

        if (half_mask) {
            pm_write_half(pm, word + i * 2, (uint16_t)(bits >> (i * 16)), half_mask);
        }
    }
    pm_update(pm);
}

static const MemoryRegionOps pm_ops = {
    .read = pm_read,
    .write = pm_write,
    .max_access = 4,
};

/* ---- the ICH9's SMI registers ---- */

enum { SMI_EN = 0, SMI_STS = 4 };

static uint64_t smi_read(void *opaque, hwaddr addr, unsigned size)
{
    const AcpiPm *pm = opaque;

    return addr == SMI_EN ? pm->smi_en : pm->smi_events;
}

static void smi_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiPm *pm = opaque;

    if (addr == SMI_EN) {
        uint32_t kept = pm->smi_locked ? pm->smi_locked(pm->chip_opaque) : 0;

        pm->smi_en = (pm->smi_en & kept) | ((uint32_t)value & ~kept);
    } else {
        pm->smi_events &= ~(uint32_t)value;
    }
}

static const MemoryRegionOps smi_ops = {
    .read = smi_read,
    .write = smi_write,
    .min_access = 4,
    .max_access = 4,
};

/* ---- the SMI command port ---- */

static uint64_t smi_cmd_read(void *opaque, hwaddr addr, unsigned size)
{
    const AcpiPm *pm = opaque;

    return addr == 0 ? pm->smi_cmd : pm->smi_sts;
}

static void smi_cmd_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AcpiPm *pm = opaque;

    if (addr != 0) {
        pm->smi_sts = (uint8_t)value;
        return;
    }
    pm->smi_cmd = (uint8_t)value;
    if (pm->smi_cmd == ACPI_ENABLE_CMD || pm->smi_cmd == ACPI_DISABLE_CMD) {
        acpi_pm_set_sci_enabled(pm, pm->smi_cmd == ACPI_ENABLE_CMD);
    }
    if (pm->commanded) {
        pm->commanded(pm->chip_opaque);
    }
}

static const MemoryRegionOps smi_cmd_ops = {
    .read = smi_cmd_read,
    .write = smi_cmd_write,
    .max_access = 1,
};

/* ---- the device ---- */

const AcpiPmModel acpi_pm_piix4 = {
    .size = ACPI_PM_SIZE,
    .pm1_size = ACPI_PM_SIZE,
    .gpe0_port = ACPI_GPE0_PORT_PC,
    .gpe0_len = ACPI_GPE0_LEN_PC,
};

/* ICH9 data sheet, section 13.8.3. */
const AcpiPmModel acpi_pm_ich9 = {
    .size = ACPI_PM_SIZE_ICH9,
    .pm1_size = ACPI_GPE0_PORT_Q35 - ACPI_PM_BASE,
    .gpe0_port = ACPI_GPE0_PORT_Q35,
    .gpe0_len = ACPI_GPE0_LEN_Q35,
    .gpe0_inside = true,
    .smi_inside = true,
};

static void reset_smi(AcpiPm *pm)
{
    pm->smi_en = pm->smm ? 0 : ACPI_SMI_APMC_EN;
    pm->smi_events = 0;
    pm->smi_cmd = pm->smi_sts = 0;
}

static void pm_reset(Device *dev)
{
    AcpiPm *pm = ACPI_PM(dev);

    pm->pm1_sts = 0;
    pm->pm1_en = 0;
    pm->pm1_cnt = 0;
    reset_smi(pm);
    pm->tmr_toggle_ns = next_toggle(clock_ns());
    acpi_gpe_reset(&pm->gpe); /* works out the SCI */
}

/* Enables are kept, as what wakes the guest is; and SCI_EN, for it resumes in ACPI mode (section
 * 16.3). */
static void pm_wake(Device *dev)
{
    AcpiPm *pm = ACPI_PM(dev);

    pm->pm1_sts |= ACPI_PM1_WAK;
    reset_smi(pm);
    pm_update(pm);
}

static bool pm_realize(Device *dev, GError **errp)
{
    AcpiPm *pm = ACPI_PM(dev);

    memory_region_init_container(&pm->block, "acpi", pm->model->size);
    memory_region_init_io(&pm->region, &pm_ops, pm, "acpi-pm", pm->model->pm1_size);
    memory_region_init_io(&pm->smi_region, &smi_ops, pm, "acpi-smi", 8);
    memory_region_init_io(&pm->smi_cmd_region, &smi_cmd_ops, pm, "acpi-smi-cmd", 2);
    acpi_gpe_init(&pm->gpe, pm->model->gpe0_len, pm_update, pm);
    pm->tmr_timer = timer_new(pm_update, pm);
    pm->tmr_toggle_ns = next_toggle(clock_ns());
    runstate_add_start(pm_update, pm); /* it may sleep, and what wakes it be there */
    return true;
}

static void take_out(MemoryRegion *mr)
{
    if (mr->container) {
        memory_region_remove(mr);
    }
}

static void pm_unrealize(Device *dev)
{
    AcpiPm *pm = ACPI_PM(dev);
    MemoryRegion *regions[] = { &pm->smi_cmd_region, &pm->smi_region, &pm->region, &pm->block };

    runstate_remove_start(pm_update, pm);
    take_out(&pm->gpe.region);
    acpi_gpe_destroy(&pm->gpe);
    for (unsigned i = 0; i < G_N_ELEMENTS(regions); i++) {
        take_out(regions[i]);
        memory_region_destroy(regions[i]);
    }
    g_clear_pointer(&pm->tmr_timer, timer_free);
}

void acpi_pm_map(AcpiPm *pm, bool enabled, uint16_t base)
{
    memory_transaction_begin();
    take_out(&pm->block);
    if (enabled) {
        memory_region_add_overlap(pm->io, base, &pm->block, 0);
    }
    memory_transaction_commit();
}

AcpiPm *acpi_pm_create(MemoryRegion *io, Irq sci, const AcpiPmModel *model)
{
    AcpiPm *pm = ACPI_PM(device_new_onboard(TYPE_ACPI_PM));

    pm->model = model;
    pm->io = io;
    pm->sci = sci;
    pm->smm = memory_smram() != NULL;
    device_realize(&pm->parent, NULL); /* cannot fail */
    device_map(&pm->parent, &pm->block, 0, &pm->region, 0);
    device_map(&pm->parent, io, ACPI_SMI_CMD_PORT, &pm->smi_cmd_region, 0);
    if (model->smi_inside) {
        device_map(&pm->parent, &pm->block, ACPI_SMI_PORT_Q35 - ACPI_PM_BASE, &pm->smi_region, 0);
    }
    if (model->gpe0_inside) {
        device_map(&pm->parent, &pm->block, model->gpe0_port - ACPI_PM_BASE, &pm->gpe.region, 0);
    } else {
        device_map(&pm->parent, io, model->gpe0_port, &pm->gpe.region, 0);
        device_map(&pm->parent, io, ACPI_PM_BASE, &pm->block, 0);
    }
    return pm;
}

static const StateField pm_fields[] = {
    STATE_STRUCT(AcpiPm, gpe, &acpi_gpe_state),
    STATE_UINT(AcpiPm, pm1_sts),
    STATE_UINT(AcpiPm, pm1_en),
    STATE_UINT(AcpiPm, pm1_cnt),
    STATE_UINT(AcpiPm, smi_en),
    STATE_UINT(AcpiPm, smi_cmd),
    STATE_UINT(AcpiPm, smi_sts),
    STATE_INT(AcpiPm, tmr_toggle_ns),
    STATE_TIMER(AcpiPm, tmr_timer),
    STATE_UINT_MAX_SINCE(AcpiPm, smi_events, 0, 2),
    {},
};

static const StateTable pm_state = {
    .name = "acpi-pm", .version = 2, .oldest = 1, .fields = pm_fields
};

static const DeviceClass pm_device_ops = {
    .category = "misc",
    .realize = pm_realize,
    .unrealize = pm_unrealize,
    .reset = pm_reset,
    .wake = pm_wake,
    .state = &pm_state,
};

static const ObjectType pm_type = {
    .name = TYPE_ACPI_PM,
    .parent = TYPE_DEVICE,
    .description = "ACPI power management and general-purpose events",
    .instance_size = sizeof(AcpiPm),
    .ops = &pm_device_ops,
};
OBJECT_TYPE_REGISTER(pm_type)

static const IrqLines pm_lines[] = {
    { .type = TYPE_ACPI_PM, .out = true, .offset = offsetof(AcpiPm, sci), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(pm_lines)
