/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packages. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Name (NUMB, 42)
    Method (T000) { Return (Package () { 1, "A", Buffer () { 2 }, Package () { 3 } }) }
    Name (E000, Package () { 1, "A", Buffer () { 2 }, Package () { 3 } })
    Method (T001) { Local0 = Package (9) { 1 } Return (SizeOf (Local0)) }
    Name (E001, 9)
    Method (T002) { Return (DerefOf (Index (Package () { 5, 6, 7 }, 1))) }
    Name (E002, 6)
    Method (T003) { Local0 = Package () { 1, 2 } Local0 [0] = "X" Return (Local0) }
    Name (E003, Package () { "X", 2 })
    Method (T004) { Local0 = Package () { Package () { 1, 2 } } Return (DerefOf (DerefOf (Local0 [0]) [1])) }
    Name (E004, 2)
    Method (T005) { Local0 = Package () { 1 } Local1 = Local0 Local1 [0] = 2 Return (Local0) }
    Name (E005, Package () { 1 })
    Method (T006) { Local0 = 3 Local1 = Package (Local0) { 1, 2 } Return (SizeOf (Local1)) }
    Name (E006, 3)
    Method (T007) { Return (Match (Package () { 1, 5, 9 }, MGT, 4, MTR, 0, 0)) }
    Name (E007, 1)
    Method (T008) { Return (Match (Package () { 1, 5, 9 }, MEQ, 4, MTR, 0, 0)) }
    Name (E008, 0xFFFFFFFFFFFFFFFF)
    Method (T009) { Local0 = Package () { NUMB } Return (DerefOf (Local0 [0])) }
    Name (E009, 42)
    Method (T010) { Local0 = Package () { 1, 2, 3 } Local1 = Local0 [2] Return (DerefOf (Local1)) }
    Name (E010, 3)
    Method (T011) { Local0 = Package () { 1 } Return (ObjectType (Local0 [0])) }
    Name (E011, 1)

    Method (F000) { Local0 = Package () { 1 } Return (DerefOf (Local0 [1])) }
    Name (M000, "Index 1 of Package with 1 elements")
    Method (F001) { Local0 = Package (2) { 1 } Return (DerefOf (Local0 [1])) }
    Name (M001, "has no value")
    Method (F002) { Local0 = 0x10000 Return (Package (Local0) { }) }
    Name (M002, "at most")
}
