/* SPDX-License-Identifier: GPL-2.0-or-later */
/* References. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Name (NUMB, 7)
    Device (DEVX) { Name (_ADR, 0) }
    Method (SETA, 1) { Arg0 = 99 }
    Method (SETC, 1) { CopyObject (98, Arg0) }
    Method (T000) { Local0 = RefOf (NUMB) Return (DerefOf (Local0)) }
    Name (E000, 7)
    Method (T001) { Local1 = 1 SETA (RefOf (Local1)) Return (Local1) }
    Name (E001, 99)
    Method (T002) { Local1 = 1 SETA (Local1) Return (Local1) }
    Name (E002, 1)
    Method (T003) { Local0 = Package () { 1, 2 } SETA (Local0 [1]) Return (Local0) }
    Name (E003, Package () { 1, 99 })
    Method (T004) { Return (CondRefOf (NUMB)) }
    Name (E004, 0xFFFFFFFFFFFFFFFF)
    Method (T005) { Return (CondRefOf (\NONE)) }
    Name (E005, 0)
    External (\NONE)
    Method (T006) { If (CondRefOf (NUMB, Local0)) { Return (DerefOf (Local0)) } Return (0) }
    Name (E006, 7)
    Method (T007) { Local0 = "NUMB" Return (DerefOf (Local0)) }
    Name (E007, 7)
    Method (T008) { Return (ObjectType (DEVX)) }
    Name (E008, 6)
    Method (T009) { Return (ObjectType (SETA)) }
    Name (E009, 8)
    Method (T010) { Return (ObjectType (Local0)) }
    Name (E010, 0)
    Method (T011) { Return (ObjectType (Debug)) }
    Name (E011, 16)
    Method (T012) { Local0 = Buffer () { 1 } Return (ObjectType (Local0 [0])) }
    Name (E012, 14)
    Method (FILL, 1) { Arg0 [1] = 0x55 }
    Method (T013) { Local0 = Buffer () { 1, 2, 3 } FILL (Local0) Return (Local0) }
    Name (E013, Buffer () { 1, 0x55, 3 })

    Method (F000) { Local0 = 5 Return (DerefOf (Local0)) }
    Name (M000, "DerefOf needs a Reference or String, not Integer")
    Method (F001) { Local0 = "NONE" Return (DerefOf (Local0)) }
    Name (M001, "there is no 'NONE'")
    Method (F002) { Return (SizeOf (NUMB)) }
    Name (M002, "SizeOf needs")
    Method (F003) { Return (\NONE) }
    Name (M003, "there is no '\\NONE'")
    Method (F004) { If (Zero) { Local3 = 1 } Return (Local3) }
    Name (M004, "Local3 is read, but has no value")
}
