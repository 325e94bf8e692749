/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stores and what they convert. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Method (T000, 0, Serialized) { Name (N000, 1) N000 = "12" Return (N000) }
    Name (E000, 0x12)
    Method (T001, 0, Serialized) { Name (N000, "A") N000 = 0x12 Return (N000) }
    Name (E001, "0000000000000012")
    Method (T002, 0, Serialized) { Name (N000, Buffer (2) { }) N000 = 0x123456 Return (N000) }
    Name (E002, Buffer () { 0x56, 0x34 })
    Method (T003, 0, Serialized) { Name (N000, 1) CopyObject ("12", N000) Return (N000) }
    Name (E003, "12")
    Method (T004) { Local0 = 1 Local0 = "12" Return (Local0) }
    Name (E004, "12")
    Method (T005, 0, Serialized) { Name (N000, Package () { 1 }) N000 = Package () { 2, 3 } Return (N000) }
    Name (E005, Package () { 2, 3 })
    Method (T006) { Return (Store (5, Local0)) }
    Name (E006, 5)
    Name (GLOB, 3)
    Method (T007) { \GLOB = 4 Return (GLOB) }
    Name (E007, 4)
    Method (T008) { Debug = "seen" Return (1) }
    Name (E008, 1)

    Method (PUT, 1, Serialized) { Name (N000, 1) N000 = Arg0 }
    Method (F000) { PUT (Package () { 2 }) }
    Name (M000, "Package cannot be stored to a name that is Integer")
}
