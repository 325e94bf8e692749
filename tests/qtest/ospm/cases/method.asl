/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Methods and their names. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Method (ADD3, 3) { Return (Arg0 + Arg1 + Arg2) }
    Method (FACT, 1) { If (Arg0 < 2) { Return (1) } Return (Arg0 * FACT (Arg0 - 1)) }
    Method (NONE, 1) { If (Arg0) { Return (1) } }
    Method (T000) { Return (ADD3 (1, 2, ADD3 (3, 4, 5))) }
    Name (E000, 15)
    Method (T001) { Return (FACT (10)) }
    Name (E001, 3628800)
    Method (TEMP, 0, Serialized) { Name (XXXX, 5) XXXX++ Return (XXXX) }
    Method (T002) { TEMP () Return (TEMP ()) }
    Name (E002, 6)
    Method (T003) { Return (TEMP () + TEMP ()) }
    Name (E003, 12)
    Method (F003) { TEMP () Local0 = "\\TEMP.XXXX" Return (DerefOf (Local0)) }
    Name (M003, "there is no")
    Device (DEVA)
    {
        Name (VALU, 1)
        Device (DEVB)
        {
            Name (VALU, 2)
            Method (GETV) { Return (Package () { VALU, ^VALU, ^^VALU, \VALU, \DEVA.VALU }) }
            Method (GETU) { Return (UPPR) }
        }
    }
    Name (VALU, 3)
    Name (UPPR, 4)
    Scope (DEVA.DEVB) { Name (MORE, 8) }
    Method (T004) { Local0 = \DEVA.DEVB.GETV () Return (DerefOf (Local0 [0]) + DerefOf (Local0 [1]) * 10 + DerefOf (Local0 [2]) * 100 + DerefOf (Local0 [3]) * 1000) }
    Name (E004, 3122)
    Method (T005) { Return (\DEVA.DEVB.GETU ()) }
    Name (E005, 4)
    Method (T006) { Return (\DEVA.DEVB.MORE) }
    Name (E006, 8)
    Alias (UPPR, ALIA)
    Method (T007) { ALIA = 44 Local0 = UPPR UPPR = 4 Return (Local0) }
    Name (E007, 44)
    Method (T008) { Return (\_OSI ("Windows 2015")) }
    Name (E008, 0xFFFFFFFFFFFFFFFF)
    Method (T009) { Return (\_OSI ("Module Device")) }
    Name (E009, 0)
    Method (T010) { Return (ObjectType (PROC) * 10000 + ObjectType (PWRR) * 100 + ObjectType (TZON)) }
    Name (E010, 0x1D919)
    Processor (PROC, 1, 0, 0) { }
    PowerResource (PWRR, 0, 0) { }
    ThermalZone (TZON) { }

    Method (DEEP, 1) { Return (DEEP (Arg0)) }
    Method (F000) { Return (DEEP (1)) }
    Name (M000, "terms within terms")
    Method (F001) { Local0 = NONE (0) Return (Local0) }
    Name (M001, "an operand has no value")
}
