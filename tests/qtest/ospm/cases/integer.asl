/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integers. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Method (T000) { Return (Add (0xFFFFFFFFFFFFFFFF, 2)) }
    Name (E000, 1)
    Method (T001) { Return (Subtract (1, 2)) }
    Name (E001, 0xFFFFFFFFFFFFFFFF)
    Method (T002) { Return (Multiply (0x100000001, 0x100000001)) }
    Name (E002, 0x0000000200000001)
    Method (T003) { Divide (17, 5, Local0, Local1) Return (Local0 * 16 + Local1) }
    Name (E003, 0x23)
    Method (T004) { Return (Mod (17, 5)) }
    Name (E004, 2)
    Method (T005) { Return (ShiftLeft (1, 63)) }
    Name (E005, 0x8000000000000000)
    Method (T006) { Return (ShiftRight (0x8000000000000000, 60)) }
    Name (E006, 8)
    Method (T007) { Return (NAnd (0xF0, 0xFF)) }
    Name (E007, 0xFFFFFFFFFFFFFF0F)
    Method (T008) { Return (NOr (0xF0, 0x0F)) }
    Name (E008, 0xFFFFFFFFFFFFFF00)
    Method (T009) { Return (XOr (0xFF, 0x0F)) }
    Name (E009, 0xF0)
    Method (T010) { Return (Not (0)) }
    Name (E010, 0xFFFFFFFFFFFFFFFF)
    Method (T011) { Return (FindSetLeftBit (0x80)) }
    Name (E011, 8)
    Method (T012) { Return (FindSetRightBit (0x80)) }
    Name (E012, 8)
    Method (T013) { Return (FindSetLeftBit (0)) }
    Name (E013, 0)
    Method (T014) { Return (FromBCD (0x1234)) }
    Name (E014, 1234)
    Method (T015) { Return (ToBCD (1234)) }
    Name (E015, 0x1234)
    Method (T016) { Local0 = 5 Local0++ Return (Local0) }
    Name (E016, 6)
    Method (T017) { Local0 = 0 Local0-- Return (Local0) }
    Name (E017, 0xFFFFFFFFFFFFFFFF)
    Method (T018) { Return (Ones) }
    Name (E018, 0xFFFFFFFFFFFFFFFF)
    Method (T019) { Local1 = Add (Add (1, 2, Local0), Local0) Return (Local1) }
    Name (E019, 6)
    Method (T020) { Return (And (0xF0F0, 0xFF00) | 1) }
    Name (E020, 0xF001)

    Method (F000) { Return (Divide (1, Zero)) }
    Name (M000, "division by 0")
    Method (F001) { Return (Mod (1, Zero)) }
    Name (M001, "division by 0")
    Method (F002) { Return (FromBCD (0xA)) }
    Name (M002, "not BCD")
    Method (PLUS, 1) { Return (Arg0 + 1) }
    Method (F003) { Return (PLUS (Package () { 1 })) }
    Name (M003, "an Integer is needed, not Package")
}
