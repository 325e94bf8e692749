/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The power management block of a PC's south bridge: PM1 event and control registers, PM timer,
 * general-purpose events and the SMI command port (ACPI 6.4, 4.8). What differs between the PIIX4
 * and the ICH9 is an AcpiPmModel. The constants and the model are what the FADT and DSDT are built
 * from. Machine lock for everything.
 */
#ifndef HW_ACPI_PM_H
#define HW_ACPI_PM_H

#include "hw/acpi/gpe.h"
#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "memory/memory.h"
#include "qom/fixed.h"
#include "util/timer.h"

#define TYPE_ACPI_PM "acpi-pm"

/* I/O ports. FADT: SCI_INT, SMI_CMD, ACPI_ENABLE, ACPI_DISABLE, PM1a_EVT_BLK, ... */
#define ACPI_SCI_IRQ       9 /* level, active high */
#define ACPI_SMI_CMD_PORT  0xb2
#define ACPI_SMI_STS_PORT  0xb3
#define ACPI_ENABLE_CMD    0xf1
#define ACPI_DISABLE_CMD   0xf0
#define ACPI_PM_BASE       0x600 /* PIIX4: always; ICH9: where firmware puts it */
#define ACPI_PM_SIZE       0x40  /* PIIX4 */
#define ACPI_PM_SIZE_ICH9  0x80
#define ACPI_PM1_EVT_PORT  (ACPI_PM_BASE + 0x0) /* STS, EN: 2 bytes each */
#define ACPI_PM1_EVT_LEN   4
#define ACPI_PM1_CNT_PORT  (ACPI_PM_BASE + 0x4)
#define ACPI_PM1_CNT_LEN   2
#define ACPI_PM_TMR_PORT   (ACPI_PM_BASE + 0x8)
#define ACPI_PM_TMR_LEN    4
#define ACPI_PM_TMR_HZ     3579545 /* 32 bits wide: FADT flag TMR_VAL_EXT */
#define ACPI_GPE0_PORT_PC  0xafe0
#define ACPI_GPE0_LEN_PC   4
#define ACPI_GPE0_PORT_Q35 (ACPI_PM_BASE + 0x20)
#define ACPI_GPE0_LEN_Q35  16
#define ACPI_SMI_PORT_Q35  (ACPI_PM_BASE + 0x30) /* SMI_EN, SMI_STS: 4 bytes each */
/* SMI_EN: SMIs are on; a write to the SMI command port gives one, of which SMI_STS tells by the
 * same bit. Without system management mode APMC_EN is set after a reset, which tells firmware that
 * there is nothing to set up. */
#define ACPI_SMI_GBL_EN  (1u << 0)
#define ACPI_SMI_APMC_EN (1u << 5)
#define ACPI_SMI_TCO_EN  (1u << 13) /* the same of the TCO watchdog */

/* PM1 status and enable */
#define ACPI_PM1_TMR    (1u << 0)
#define ACPI_PM1_BM     (1u << 4)
#define ACPI_PM1_GBL    (1u << 5)
#define ACPI_PM1_PWRBTN (1u << 8)
#define ACPI_PM1_RTC    (1u << 10)
#define ACPI_PM1_WAK    (1u << 15)
/* PM1 control */
#define ACPI_PM1_SCI_EN        (1u << 0)
#define ACPI_PM1_BM_RLD        (1u << 1)
#define ACPI_PM1_SLP_TYP_SHIFT 10
#define ACPI_PM1_SLP_TYP_MASK  (7u << ACPI_PM1_SLP_TYP_SHIFT)
#define ACPI_PM1_SLP_EN        (1u << 13)

/* SLP_TYP of the sleep states, as the DSDT's packages have it; S4: AcpiPmSleep.s4_val. */
#define ACPI_SLP_TYP_S5 0
#define ACPI_SLP_TYP_S3 1

/* General-purpose events */
#define ACPI_GPE_PCI_HOTPLUG    1
#define ACPI_GPE_CPU_HOTPLUG    2
#define ACPI_GPE_MEMORY_HOTPLUG 3
#define ACPI_GPE_NVDIMM         4
#define ACPI_GPE_VMGENID        5

/* In what blocks differ. */
typedef struct AcpiPmModel {
    unsigned size;      /* bytes of the block's ports */
    unsigned pm1_size;  /* of these, PM1 and the timer, from the first on */
    uint16_t gpe0_port; /* with the block at ACPI_PM_BASE */
    uint8_t gpe0_len;
    bool gpe0_inside; /* the events are in the block, and move with it */
    bool smi_inside;  /* it has SMI_EN and SMI_STS */
} AcpiPmModel;

extern const AcpiPmModel acpi_pm_piix4, acpi_pm_ich9;

/* Properties of the chip that has the block: "disable_s3" and "disable_s4", 1: there is no such
 * sleep state (no \_S3 or \_S4 in the DSDT, and the register does nothing); "s4_val": SLP_TYP of
 * S4. */
typedef struct AcpiPmSleep {
    uint8_t disable_s3, disable_s4, s4_val;
} AcpiPmSleep;

bool acpi_pm_check_sleep(Object *obj, const Property *prop, struct json_object *value,
                         GError **errp);
/* The three, for an AcpiPmSleep at @at in the instance. */
#define ACPI_PM_SLEEP_PROPERTY(field, value, text, at)                      \
    {                                                                       \
        .name = #field, .kind = PROP_UINT8, .description = text,            \
        .offset = (at) + offsetof(AcpiPmSleep, field), .has_default = true, \
        .default_int = (value), .check = acpi_pm_check_sleep                \
    }
#define ACPI_PM_SLEEP_PROPERTIES(at)                                                               \
    ACPI_PM_SLEEP_PROPERTY(disable_s3, 0, "1: the guest cannot sleep in memory (ACPI S3)", at),    \
        ACPI_PM_SLEEP_PROPERTY(disable_s4, 0, "1: the guest cannot save itself to disk (S4)", at), \
        ACPI_PM_SLEEP_PROPERTY(s4_val, 2, "number by which the guest asks for S4, 2 to 7", at)

/* Why switches of the chip are what they are (qom/fixed.h). */
#define ACPI_PM_MEMORY_HOTPLUG "slots of -m say whether DIMMs can come and go"

typedef struct AcpiPm {
    Device parent;
    /* wiring */
    const AcpiPmModel *model;
    const AcpiPmSleep *sleep; /* set by the chip; NULL: there is only S5 */
    bool smm;                 /* the machine has system management mode */
    /* The chip is told of a write to the SMI command port, to raise SMIs; NULL: it does not. */
    void (*commanded)(void *opaque);
    /* The bits of SMI_EN that stay as they are; NULL: none. */
    uint32_t (*smi_locked)(void *opaque);
    void *chip_opaque; /* of both */
    Irq sci;
    MemoryRegion *io;
    MemoryRegion block; /* of model->size; the regions that follow are in it, but for smi_cmd */
    MemoryRegion region, smi_region, smi_cmd_region;
    /* state */
    AcpiGpe gpe;
    uint16_t pm1_sts, pm1_en, pm1_cnt;
    uint32_t smi_en;
    uint32_t smi_events; /* SMI_STS */
    uint8_t smi_cmd, smi_sts;
    int64_t tmr_toggle_ns; /* when the PM timer's top bit changes next: sets TMR_STS */
    Timer *tmr_timer;      /* for that, while TMR_EN is set */
} AcpiPm;
OBJECT_CAST_DEFINE(AcpiPm, ACPI_PM, TYPE_ACPI_PM)

/* Make, realize and map the block into @io (memory_io()); @sci is the line of ACPI_SCI_IRQ. A PIIX4
 * is at ACPI_PM_BASE at once, an ICH9 nowhere. Owned by /machine/unattached. */
AcpiPm *acpi_pm_create(MemoryRegion *io, Irq sci, const AcpiPmModel *model);

/* Show the block at @base of the ports, or nowhere if not @enabled. */
void acpi_pm_map(AcpiPm *pm, bool enabled, uint16_t base);

/* General-purpose event @n (ACPI_GPE_*): acpi_gpe_set(). */
void acpi_pm_set_gpe(AcpiPm *pm, unsigned n, bool pending);

/* Press the power button: sets PWRBTN_STS (MachineOps/Machine.powerdown call this). It, and the
 * alarm, wake a guest that sleeps and has them enabled. */
void acpi_pm_power_button(AcpiPm *pm);

/* The RTC's alarm: RTC_STS. */
void acpi_pm_rtc_alarm(AcpiPm *pm);
/* Is there S3, and S4? @pm NULL: no. */
bool acpi_pm_offers_s3(const AcpiPm *pm);
bool acpi_pm_offers_s4(const AcpiPm *pm);

/* SCI_EN: the guest is in ACPI mode. A kernel that is booted without firmware finds it set. */
void acpi_pm_set_sci_enabled(AcpiPm *pm, bool on);

#endif
