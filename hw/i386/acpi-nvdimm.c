/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NVDIMMs in ACPI (6.4, 9.20): the table NFIT, and in the DSDT the root device with a device for
 * each slot. Their methods use the mailbox (hw/acpi/nvdimm-mailbox.h), under the mutex NLCK. Labels
 * can be had in two ways: by _LSI, _LSR and _LSW (6.5.10), and by _DSM as Intel's "NVDIMM DSM
 * Interface" has it, without which Linux does not use the first ones.
 */
#include "hw/i386/acpi-build.h"

#include "hw/acpi/nfit.h"
#include "hw/acpi/nvdimm-mailbox.h"
#include "hw/acpi/pm.h"

#define NOTIFY_FIT_CHANGED 0x80
#define INTEL_DSM_UUID     "4309ac30-0d11-11e4-9191-0800200c9a66"

/* Functions of that _DSM, and the masks that tell of them. */
enum {
    DSM_WHICH = 0,
    DSM_HEALTH = 1,
    DSM_LABEL_SIZE = 4,
    DSM_GET_LABELS = 5,
    DSM_SET_LABELS = 6,
};
enum {
    DSM_MASK_NONE = 1 << DSM_WHICH | 1 << DSM_HEALTH, /* no labels */
    DSM_MASK_LABELS =
        DSM_MASK_NONE | 1 << DSM_LABEL_SIZE | 1 << DSM_GET_LABELS | 1 << DSM_SET_LABELS,
};

static const AmlField mailbox_fields[] = {
    { "HNDL", NVDIMM_REG_HANDLE * 8, 32 },
    { "OFFS", NVDIMM_REG_OFFSET * 8, 32 },
    { "LENG", NVDIMM_REG_LENGTH * 8, 32 },
    { "CMND", NVDIMM_REG_COMMAND * 8, 32 },
    { "DATA", NVDIMM_REG_DATA * 8, NVDIMM_DATA_SIZE * 8 },
    {},
};

AcpiBlob *acpi_build_nfit(AcpiTables *tables, const X86Machine *x86)
{
    g_autoptr(GByteArray) structures =
        x86->nvdimms ? nfit_structures(&x86->parent, x86->nvdimms->capabilities) : NULL;
    AcpiBlob *nfit;

    if (!structures || !structures->len) {
        return NULL; /* what comes later is told by _FIT */
    }
    nfit = acpi_table_begin(tables, "NFIT", NULL, 1);
    acpi_u32(nfit, 0); /* reserved */
    acpi_bytes(nfit, structures->data, structures->len);
    acpi_table_end(tables, nfit);
    return nfit;
}

/* ---- terms ---- */

/* The first four bytes of an integer, as a buffer. */
static Aml *word(Aml *value)
{
    return aml_mid(aml_to_buffer(value), aml_int(0), aml_int(4));
}

static Aml *element(Aml *package, unsigned n)
{
    return aml_deref_of(aml_index(package, aml_int(n)));
}

static Aml *set_element(Aml *value, Aml *package, unsigned n)
{
    return aml_store(value, aml_index(package, aml_int(n)));
}

/* Local0 is the status that a method for labels returns: 0, or 1, a failure. */
static Aml *simple_status(void)
{
    return aml_if(aml_not(aml_equal(aml_local(0), aml_int(0))),
                  aml_store(aml_int(1), aml_local(0)));
}

/* Local0 = the status of a command for a device. */
static Aml *run(NvdimmCommand command, Aml *handle, Aml *offset, Aml *length)
{
    Aml *list = aml_list();

    aml_add(list, aml_store(handle, aml_name_ref("HNDL")));
    aml_add(list, aml_store(offset, aml_name_ref("OFFS")));
    aml_add(list, aml_store(length, aml_name_ref("LENG")));
    aml_add(list, aml_store(aml_int(command), aml_name_ref("CMND")));
    aml_add(list, aml_store(aml_name_ref("CMND"), aml_local(0)));
    return list;
}

/* ---- methods for all devices; the first argument is the handle ---- */

/* NLSI(handle): {status, bytes of labels, bytes of a transfer}. */
static Aml *info_method(void)
{
    return aml_method(
        "NLSI", 1, AML_NOT_SERIALIZED, aml_acquire("NLCK"),
        run(NVDIMM_CMD_INFO, aml_arg(0), aml_int(0), aml_int(0)),
        aml_store(aml_name_ref("OFFS"), aml_local(1)),
        aml_store(aml_name_ref("LENG"), aml_local(2)), aml_release("NLCK"), simple_status(),
        aml_store(aml_package(aml_int(0), aml_int(0), aml_int(0)), aml_local(3)),
        set_element(aml_local(0), aml_local(3), 0), set_element(aml_local(1), aml_local(3), 1),
        set_element(aml_local(2), aml_local(3), 2), aml_return(aml_local(3)));
}

/* NLSR(handle, offset, length): {status, data}. A failure leaves LENG 0. */
static Aml *read_method(void)
{
    return aml_method(
        "NLSR", 3, AML_NOT_SERIALIZED, aml_acquire("NLCK"),
        run(NVDIMM_CMD_READ, aml_arg(0), aml_arg(1), aml_arg(2)),
        aml_store(aml_mid(aml_name_ref("DATA"), aml_int(0), aml_name_ref("LENG")), aml_local(1)),
        aml_release("NLCK"), simple_status(),
        aml_store(aml_package(aml_int(0), aml_int(0)), aml_local(3)),
        set_element(aml_local(0), aml_local(3), 0), set_element(aml_local(1), aml_local(3), 1),
        aml_return(aml_local(3)));
}

/* NLSW(handle, offset, length, data): status. */
static Aml *write_method(void)
{
    return aml_method("NLSW", 4, AML_NOT_SERIALIZED, aml_acquire("NLCK"),
                      aml_store(aml_arg(3), aml_name_ref("DATA")),
                      run(NVDIMM_CMD_WRITE, aml_arg(0), aml_arg(1), aml_arg(2)),
                      aml_release("NLCK"), simple_status(), aml_return(aml_local(0)));
}

/* NHLT(handle): the status and the health, as _DSM gives them. */
static Aml *health_method(void)
{
    return aml_method(
        "NHLT", 1, AML_NOT_SERIALIZED, aml_acquire("NLCK"),
        run(NVDIMM_CMD_HEALTH, aml_arg(0), aml_int(0), aml_int(0)),
        aml_store(aml_mid(aml_name_ref("DATA"), aml_int(0), aml_name_ref("LENG")), aml_local(1)),
        aml_release("NLCK"), aml_return(aml_concatenate(word(aml_local(0)), aml_local(1))));
}

static Aml *bytes1(uint8_t value)
{
    return aml_buffer(&value, 1);
}

/* What a _DSM gets is a package with one buffer: offset, length, and for a write the data. */
static Aml *dsm_transfer(void)
{
    return aml_if(
        aml_less(aml_int(DSM_LABEL_SIZE), aml_arg(2)),
        aml_store(element(aml_arg(3), 0), aml_local(1)),
        aml_create_dword_field(aml_local(1), 0, "DOFF"),
        aml_create_dword_field(aml_local(1), 4, "DLEN"),
        aml_if(
            aml_equal(aml_arg(2), aml_int(DSM_GET_LABELS)),
            aml_store(aml_call("NLSR", aml_arg(0), aml_name_ref("DOFF"), aml_name_ref("DLEN")),
                      aml_local(2)),
            aml_return(aml_concatenate(word(element(aml_local(2), 0)), element(aml_local(2), 1)))),
        aml_if(aml_equal(aml_arg(2), aml_int(DSM_SET_LABELS)),
               aml_store(aml_mid(aml_local(1), aml_int(8), aml_name_ref("DLEN")), aml_local(2)),
               aml_return(word(aml_call("NLSW", aml_arg(0), aml_name_ref("DOFF"),
                                        aml_name_ref("DLEN"), aml_local(2))))));
}

/* NDSM(handle, UUID, function, arguments). */
static Aml *dsm_method(void)
{
    static const uint8_t not_supported[4] = { 1 };

    return aml_method(
        "NDSM", 4, AML_SERIALIZED,
        aml_if(aml_not(aml_equal(aml_arg(1), aml_uuid(INTEL_DSM_UUID))), aml_return(bytes1(0))),
        aml_if(aml_equal(aml_arg(2), aml_int(DSM_HEALTH)),
               aml_return(aml_call("NHLT", aml_arg(0)))),
        aml_store(aml_call("NLSI", aml_arg(0)), aml_local(0)),
        aml_if(aml_equal(aml_arg(2), aml_int(DSM_WHICH)),
               aml_if(aml_equal(element(aml_local(0), 1), aml_int(0)),
                      aml_return(bytes1(DSM_MASK_NONE))),
               aml_return(bytes1(DSM_MASK_LABELS))),
        aml_if(aml_equal(aml_arg(2), aml_int(DSM_LABEL_SIZE)),
               aml_return(aml_concatenate(
                   aml_concatenate(word(element(aml_local(0), 0)), word(element(aml_local(0), 1))),
                   word(element(aml_local(0), 2))))),
        dsm_transfer(), aml_return(aml_buffer(not_supported, sizeof(not_supported))));
}

/* _FIT(): the table is read in parts, and from the beginning again if it changed meanwhile. */
static Aml *fit_method(void)
{
    return aml_method(
        "_FIT", 0, AML_SERIALIZED, aml_store(aml_buffer(NULL, 0), aml_local(2)),
        aml_store(aml_int(0), aml_local(3)),
        aml_while(aml_int(1), aml_acquire("NLCK"),
                  run(NVDIMM_CMD_FIT, aml_int(0), aml_local(3), aml_int(0)),
                  aml_store(aml_name_ref("LENG"), aml_local(1)),
                  aml_store(aml_mid(aml_name_ref("DATA"), aml_int(0), aml_local(1)), aml_local(4)),
                  aml_release("NLCK"),
                  aml_if(aml_equal(aml_local(0), aml_int(NVDIMM_STATUS_FIT_CHANGED)),
                         aml_store(aml_buffer(NULL, 0), aml_local(2)),
                         aml_store(aml_int(0), aml_local(3))),
                  aml_else(aml_if(aml_equal(aml_local(1), aml_int(0)), aml_break()),
                           aml_store(aml_concatenate(aml_local(2), aml_local(4)), aml_local(2)),
                           aml_store(aml_plus(aml_local(3), aml_local(1)), aml_local(3)))),
        aml_return(aml_local(2)));
}

/* ---- devices ---- */

static Aml *nvdimm_device(unsigned slot)
{
    g_autofree char *name = g_strdup_printf("NV%02X", slot);
    uint32_t handle = nfit_handle(slot);

    return aml_device(
        name, aml_name("_ADR", aml_int(handle)),
        aml_method("_LSI", 0, AML_NOT_SERIALIZED, aml_return(aml_call("NLSI", aml_int(handle)))),
        aml_method("_LSR", 2, AML_NOT_SERIALIZED,
                   aml_return(aml_call("NLSR", aml_int(handle), aml_arg(0), aml_arg(1)))),
        aml_method(
            "_LSW", 3, AML_NOT_SERIALIZED,
            aml_return(aml_call("NLSW", aml_int(handle), aml_arg(0), aml_arg(1), aml_arg(2)))),
        aml_method(
            "_DSM", 4, AML_NOT_SERIALIZED,
            aml_return(aml_call("NDSM", aml_int(handle), aml_arg(0), aml_arg(2), aml_arg(3)))));
}

void acpi_build_nvdimms(Aml *dsdt, unsigned slots)
{
    g_autofree char *event = g_strdup_printf("_E%02X", ACPI_GPE_NVDIMM);
    Aml *root = aml_device(
        "NVDR", aml_name("_HID", aml_string("ACPI0012")),
        aml_operation_region("MBOX", AML_REGION_MEMORY, NVDIMM_MAILBOX_ADDR, NVDIMM_MAILBOX_SIZE),
        aml_field("MBOX", AML_DWORD_ACC, AML_PRESERVE, mailbox_fields), aml_mutex("NLCK"),
        aml_method("NTAK", 0, AML_NOT_SERIALIZED, aml_acquire("NLCK"),
                   aml_store(aml_int(NVDIMM_CMD_TAKE), aml_name_ref("CMND")), aml_release("NLCK")));

    aml_add(root, info_method());
    aml_add(root, read_method());
    aml_add(root, write_method());
    aml_add(root, health_method());
    aml_add(root, dsm_method());
    aml_add(root, fit_method());
    for (unsigned i = 0; i < slots; i++) {
        aml_add(root, nvdimm_device(i));
    }
    aml_add(dsdt, aml_scope("\\_SB", root));
    aml_add(dsdt, aml_scope("\\_GPE",
                            aml_method(event, 0, AML_NOT_SERIALIZED, aml_call("\\_SB.NVDR.NTAK"),
                                       aml_notify("\\_SB.NVDR", aml_int(NOTIFY_FIT_CHANGED)))));
}
