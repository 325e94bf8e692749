/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Comparisons and logic. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Method (T000) { Return (LAnd (1, 2)) }
    Name (E000, 0xFFFFFFFFFFFFFFFF)
    Method (T001) { Return (LOr (0, 0)) }
    Name (E001, 0)
    Method (T002) { Return (LNot (3)) }
    Name (E002, 0)
    Method (T003) { Return (LNotEqual (3, 4)) }
    Name (E003, 0xFFFFFFFFFFFFFFFF)
    Method (T004) { Return (LLessEqual (4, 4)) }
    Name (E004, 0xFFFFFFFFFFFFFFFF)
    Method (T005) { Return (LGreaterEqual (3, 4)) }
    Name (E005, 0)
    Method (T006) { Return (LLess ("ABC", "ABD")) }
    Name (E006, 0xFFFFFFFFFFFFFFFF)
    Method (T007) { Return (LEqual ("ABC", "ABC")) }
    Name (E007, 0xFFFFFFFFFFFFFFFF)
    Method (T008) { Return (LGreater ("ABCD", "ABC")) }
    Name (E008, 0xFFFFFFFFFFFFFFFF)
    Method (T009) { Return (LEqual (Buffer () { 1, 2 }, Buffer () { 1, 3 })) }
    Name (E009, 0)
    Method (T010) { Return (LEqual (0x1F, "1F")) }
    Name (E010, 0xFFFFFFFFFFFFFFFF)
    Method (T011) { Return (LLess (1, 0xFFFFFFFFFFFFFFFF)) }
    Name (E011, 0xFFFFFFFFFFFFFFFF)

    Method (SAME, 2) { Return (Arg0 == Arg1) }
    Method (F000) { Return (SAME (1, Package () { 1 })) }
    Name (M000, "cannot be compared")
}
