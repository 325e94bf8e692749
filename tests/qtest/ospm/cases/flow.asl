/* SPDX-License-Identifier: GPL-2.0-or-later */
/* If, Else, While. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Method (T000) { If (One) { Return (1) } Return (2) }
    Name (E000, 1)
    Method (T001) { If (Zero) { Return (1) } Else { Return (2) } }
    Name (E001, 2)
    Method (T002, 0) { Local0 = 5 If (Local0 == 4) { Return (1) } ElseIf (Local0 == 5) { Return (2) } Else { Return (3) } }
    Name (E002, 2)
    Method (T003) { Local0 = 0 While (Local0 < 10) { Local0++ } Return (Local0) }
    Name (E003, 10)
    Method (T004) { Local0 = 0 While (One) { Local0++ If (Local0 == 7) { Break } } Return (Local0) }
    Name (E004, 7)
    Method (T005)
    {
        Local0 = 0
        Local1 = 0
        While (Local0 < 10) { Local0++ If (Local0 & 1) { Continue } Local1 += Local0 }
        Return (Local1)
    }
    Name (E005, 30)
    Method (T006)
    {
        Local1 = 0
        Local0 = 0
        While (Local0 < 3)
        {
            Local2 = 0
            While (One) { Local2++ Local1++ If (Local2 == 4) { Break } }
            Local0++
        }
        Return (Local1)
    }
    Name (E006, 12)
    Method (T007) { While (One) { While (One) { Return (9) } } Return (1) }
    Name (E007, 9)
    Method (T008) { If (One) { Noop } Else { Return (1) } Return (3) }
    Name (E008, 3)
    Method (T009) { Switch (ToInteger (3)) { Case (1) { Return (1) } Case (3) { Return (33) } Default { Return (0) } } }
    Name (E009, 33)

    Method (F000) { While (One) { Noop } }
    Name (M000, "no end after")
    Method (F001) { Fatal (1, 0x1234, 5) }
    Name (M001, "code 0x1234, argument 0x5")
}
