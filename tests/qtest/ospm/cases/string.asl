/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings, and what converts to and from them. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Method (T000) { Return (Concatenate ("AB", "CD")) }
    Name (E000, "ABCD")
    Method (T001) { Local0 = "ABC" Return (SizeOf (Local0)) }
    Name (E001, 3)
    Method (T002) { Return (ToDecimalString (1234)) }
    Name (E002, "1234")
    Method (T003) { Return (ToHexString (0x1234)) }
    Name (E003, "0000000000001234")
    Method (T004) { Return (ToInteger ("1234")) }
    Name (E004, 1234)
    Method (T005) { Return (ToInteger ("0x1234")) }
    Name (E005, 0x1234)
    Method (T006) { Return (Add ("1234", 0)) }
    Name (E006, 0x1234)
    Method (T007) { Return (Concatenate ("A", 0x12)) }
    Name (E007, "A0000000000000012")
    Method (T008) { Return (Mid ("ABCDEF", 2, 3)) }
    Name (E008, "CDE")
    Method (T009) { Return (Mid ("ABC", 5, 3)) }
    Name (E009, "")
    Method (T010) { Return (ToString (Buffer () { 0x41, 0x42, 0, 0x43 })) }
    Name (E010, "AB")
    Method (T011) { Return (ToString (Buffer () { 0x41, 0x42, 0x43 }, 2)) }
    Name (E011, "AB")
    Method (T012) { Return (ToHexString (Buffer () { 1, 0xAB })) }
    Name (E012, "0x01,0xAB")
    Method (T013) { Return (ToDecimalString (Buffer () { 1, 200 })) }
    Name (E013, "1,200")
    Method (T014) { Return (DerefOf (Index ("ABC", 1))) }
    Name (E014, 0x42)
    Method (T015) { Local0 = "ABC" Local0 [1] = 0x78 Return (Local0) }
    Name (E015, "AxC")
    Method (T016) { Return (Concatenate ("A", Buffer () { 1, 2 })) }
    Name (E016, "A0x01 0x02")

    Method (F000) { Return (Concatenate ("A", Package () { 1 })) }
    Name (M000, "cannot be concatenated")
    Method (F001) { Local0 = "ABC" Return (DerefOf (Local0 [3])) }
    Name (M001, "Index 3 of String with 3 elements")
}
