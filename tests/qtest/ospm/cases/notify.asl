/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notify. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Device (DEVX) { Method (TELL) { Notify (DEVX, 3) } }
    Method (NTFY, 1) { Notify (Arg0, 1) }
    Method (T000) { NTFY (DEVX) Return (1) }
    Name (E000, 1)
    Method (T001) { \DEVX.TELL () Return (1) }
    Name (E001, 1)
    Name (NUMB, 1)
    Method (F000) { NTFY (NUMB) }
    Name (M000, "Notify needs a Device, Processor or ThermalZone, not Integer")
}
