/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The TPM: TPM2 or TCPA (TCG ACPI specification 1.4), and its device. */
#include "hw/i386/acpi-build.h"

#include "hw/tpm/tpm.h"

/* Room for what firmware measures: how much there is, and where. Without firmware nobody writes it.
 */
static void log_area(AcpiTables *tables, AcpiBlob *table, const X86Machine *x86)
{
    AcpiBlob *log;

    if (!x86->firmware) {
        acpi_u32(table, 0);
        acpi_u64(table, 0);
        return;
    }
    log = acpi_blob_new(tables, "tpm-log", 1, ACPI_ZONE_RECLAIM);
    log->file = TPM_LOG_FILE;
    acpi_u32(table, TPM_LOG_SIZE);
    acpi_pointer(tables, table, log, 8);
}

static AcpiBlob *build_tpm2(AcpiTables *tables, const X86Machine *x86, bool crb)
{
    enum { CLIENT = 0, CONTROL_AREA = 0x40, START_FIFO = 6, START_CRB = 7, PARAMETERS = 12 };
    AcpiBlob *tpm2 = acpi_table_begin(tables, "TPM2", NULL, 4);

    acpi_u16(tpm2, CLIENT);
    acpi_u16(tpm2, 0); /* reserved */
    acpi_u64(tpm2, crb ? TPM_BASE + CONTROL_AREA : 0);
    acpi_u32(tpm2, crb ? START_CRB : START_FIFO);
    acpi_zeros(tpm2, PARAMETERS);
    log_area(tables, tpm2, x86);
    acpi_table_end(tables, tpm2);
    return tpm2;
}

static AcpiBlob *build_tcpa(AcpiTables *tables, const X86Machine *x86)
{
    AcpiBlob *tcpa = acpi_table_begin(tables, "TCPA", NULL, 2);

    acpi_u16(tcpa, 0); /* a client */
    log_area(tables, tcpa, x86);
    acpi_table_end(tables, tcpa);
    return tcpa;
}

AcpiBlob *acpi_build_tpm(AcpiTables *tables, const X86Machine *x86)
{
    const Tpm *tpm = tpm_find();

    if (!tpm) {
        return NULL;
    }
    return tpm_backend_is_2(tpm->backend) ? build_tpm2(tables, x86, tpm_is_crb(tpm))
                                          : build_tcpa(tables, x86);
}

/* Its interrupt is left out: a guest would take one that other devices may have, and can do
 * without. */
Aml *acpi_tpm_device(void)
{
    const Tpm *tpm = tpm_find();
    uint32_t size;

    if (!tpm) {
        return NULL;
    }
    size = tpm_is_crb(tpm) ? TPM_CRB_SIZE : TPM_TIS_SIZE;
    return aml_device("TPM",
                      tpm_backend_is_2(tpm->backend) ? aml_name("_HID", aml_string("MSFT0101"))
                                                     : aml_name("_HID", aml_eisaid("PNP0C31")),
                      aml_name("_UID", aml_int(1)), aml_name("_STA", aml_int(0xf)),
                      aml_name("_CRS", aml_resources(aml_memory32_fixed(true, TPM_BASE, size))));
}
