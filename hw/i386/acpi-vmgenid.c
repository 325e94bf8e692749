/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the VM generation ID is, and how its change is told: an SSDT, since the address of what a
 * firmware has placed is a field that the firmware fills in.
 */
#include "hw/i386/acpi-build.h"

#include "hw/acpi/pm.h"
#include "hw/i386/vmgenid.h"

/* Name (VGIA, a DWord), to be followed by its 4 bytes (ACPI 6.4 section 20.2): aml_int() would make
 * them fewer. */
static void name_of_page(AcpiBlob *ssdt)
{
    enum { NAME_OP = 0x08, DWORD_PREFIX = 0x0c };

    acpi_u8(ssdt, NAME_OP);
    acpi_text(ssdt, "VGIA", 4, '_');
    acpi_u8(ssdt, DWORD_PREFIX);
}

/* Linux looks for _CID, as Microsoft's specification has it; ADDR gives the address in two halves.
 */
static Aml *vmgenid_device(unsigned offset)
{
    return aml_device(
        "VGEN", aml_name("_HID", aml_string("QEMUVGID")),
        aml_name("_CID", aml_string("VM_Gen_Counter")),
        aml_name("_DDN", aml_string("VM_Gen_Counter")),
        aml_method("_STA", 0, AML_NOT_SERIALIZED,
                   aml_if(aml_equal(aml_name_ref("VGIA"), aml_int(0)), aml_return(aml_int(0))),
                   aml_return(aml_int(0xf))),
        aml_method("ADDR", 0, AML_NOT_SERIALIZED,
                   aml_store(aml_package(aml_int(0), aml_int(0)), aml_local(0)),
                   aml_store(aml_plus(aml_name_ref("VGIA"), aml_int(offset)),
                             aml_index(aml_local(0), aml_int(0))),
                   aml_return(aml_local(0))));
}

AcpiBlob *acpi_build_vmgenid(AcpiTables *tables, const X86Machine *x86)
{
    enum { NOTIFY_CHANGED = 0x80 };
    g_autofree char *event = g_strdup_printf("_E%02X", ACPI_GPE_VMGENID);
    g_autoptr(GByteArray) code = NULL;
    AcpiBlob *ssdt;
    Aml *root;

    if (!vmgenid_present()) {
        return NULL;
    }
    root = aml_list();
    ssdt = acpi_table_begin(tables, "SSDT", NULL, 2);
    name_of_page(ssdt);
    if (x86->firmware) {
        AcpiBlob *page = acpi_blob_new(tables, "vmgenid", VMGENID_SIZE, ACPI_ZONE_RECLAIM);

        page->file = VMGENID_FILE;
        acpi_pointer(tables, ssdt, page, 4);
        acpi_tell_pointer(tables, VMGENID_ADDR_FILE, page, VMGENID_OFFSET);
    } else {
        acpi_u32(ssdt, VMGENID_ADDR);
    }
    aml_add(root, aml_scope("\\_SB", vmgenid_device(x86->firmware ? VMGENID_OFFSET : 0)));
    aml_add(root,
            aml_scope("\\_GPE", aml_method(event, 0, AML_NOT_SERIALIZED,
                                           aml_notify("\\_SB.VGEN", aml_int(NOTIFY_CHANGED)))));
    code = aml_finish(root);
    acpi_bytes(ssdt, code->data, code->len);
    acpi_table_end(tables, ssdt);
    return ssdt;
}
