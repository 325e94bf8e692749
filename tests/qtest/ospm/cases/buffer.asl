/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Buffers and their fields. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Method (T000) { Return (Buffer (4) { 1, 2 }) }
    Name (E000, Buffer () { 1, 2, 0, 0 })
    Method (T001) { Return (Concatenate (Buffer () { 1 }, Buffer () { 2, 3 })) }
    Name (E001, Buffer () { 1, 2, 3 })
    Method (T002) { Return (Concatenate (1, 2)) }
    Name (E002, Buffer () { 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0 })
    Method (T003) { Return (ToInteger (Buffer () { 0x34, 0x12 })) }
    Name (E003, 0x1234)
    Method (T004) { Return (ToBuffer ("AB")) }
    Name (E004, Buffer () { 0x41, 0x42, 0 })
    Method (T005) { Local0 = Buffer (4) { } Local0 [2] = 0x1AB Return (Local0) }
    Name (E005, Buffer () { 0, 0, 0xAB, 0 })
    Method (T006) { Local0 = Buffer (7) { } Return (SizeOf (Local0)) }
    Name (E006, 7)
    Method (T007, 0, Serialized)
    {
        Name (BUF, Buffer (16) { })
        CreateDWordField (BUF, 4, DWRD)
        CreateQWordField (BUF, 8, QWRD)
        CreateWordField (BUF, 2, WRD)
        CreateByteField (BUF, 1, BYT)
        CreateBitField (BUF, 3, BITF)
        BYT = 0x11
        WRD = 0x3322
        DWRD = 0x77665544
        QWRD = 0xFFEEDDCCBBAA9988
        BITF = 1
        Return (BUF)
    }
    Name (E007, Buffer () { 8, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF })
    Method (T008, 0, Serialized)
    {
        Name (BUF, Buffer () { 0xFF, 0xFF, 0xFF })
        CreateField (BUF, 4, 12, FLD)
        FLD = 0
        Return (BUF)
    }
    Name (E008, Buffer () { 0x0F, 0, 0xFF })
    Method (T009, 0, Serialized)
    {
        Name (BUF, Buffer () { 0x34, 0x12 })
        CreateWordField (BUF, 0, WRD)
        Return (WRD)
    }
    Name (E009, 0x1234)
    Method (T010, 0, Serialized)
    {
        Name (BUF, Buffer () { 1, 2, 3 })
        Local0 = BUF
        Local0 [0] = 9
        Return (BUF)
    }
    Name (E010, Buffer () { 1, 2, 3 })
    Method (T011, 0, Serialized)
    {
        Name (BUF, Buffer () { 1, 2, 3, 4 })
        BUF = Buffer () { 9, 8 }
        Return (BUF)
    }
    Name (E011, Buffer () { 9, 8, 0, 0 })
    Method (T012) { Return (ConcatenateResTemplate (ResourceTemplate () { IRQNoFlags () { 1 } }, ResourceTemplate () { IRQNoFlags () { 2 } })) }
    Name (E012, Buffer () { 0x22, 2, 0, 0x22, 4, 0, 0x79, 0 })
    Method (T013) { Return (Mid (Buffer () { 1, 2, 3, 4 }, 1, 2)) }
    Name (E013, Buffer () { 2, 3 })

    Method (F000, 0, Serialized) { Name (BUF, Buffer (3) { }) CreateDWordField (BUF, 0, DWRD) }
    Name (M000, "does not lie in its Buffer of 3 bytes")
    Method (F001) { Local0 = Buffer (2) { } Local0 [2] = 1 }
    Name (M001, "Index 2 of Buffer with 2 elements")
    Method (F002, 0, Serialized) { Local0 = 5 CreateByteField (Local0, 0, BYT) }
    Name (M002, "CreateField needs a Buffer, not Integer")
    Method (F003) { Return (Buffer (0x200000) { }) }
    Name (M003, "at most")
}
