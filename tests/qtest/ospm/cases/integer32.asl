/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of revision 1 has integers of 32 bits. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 1, "DIMMBL", "TESTCASE", 1)
{
    Method (T000) { Return (Add (0xFFFFFFFF, 2)) }
    Name (E000, 1)
    Method (T001) { Return (Ones) }
    Name (E001, 0xFFFFFFFF)
    Method (T002) { Return (LNot (Zero)) }
    Name (E002, 0xFFFFFFFF)
    Method (T003) { Return (ToBuffer (0x01020304)) }
    Name (E003, Buffer () { 4, 3, 2, 1 })
    Method (T004) { Return (ShiftLeft (1, 32)) }
    Name (E004, 0)
}
