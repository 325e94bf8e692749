/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields: the test's I/O ports 0x100-0x1ff and memory 0x1000-0x10ff hold what is written, at first their address's low byte. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    OperationRegion (PORT, SystemIO, 0x100, 0x20)
    Field (PORT, ByteAcc, NoLock, Preserve)
    {
        BYT0, 8, BIT0, 1, , 2, BITS, 3, Offset (4), WRDB, 16, Offset (6), TWLV, 12, Offset (8), BIGF, 96
    }
    Field (PORT, DWordAcc, NoLock, WriteAsZeros) { Offset (0x14), DWZ0, 8, DWZ1, 8 }
    Field (PORT, WordAcc, NoLock, WriteAsOnes) { Offset (0x18), WON0, 4 }
    OperationRegion (MEMR, SystemMemory, 0x1000, 0x20)
    Field (MEMR, QWordAcc, NoLock, Preserve) { MQ00, 64, MQ08, 32, MQ0C, 32 }
    Field (MEMR, AnyAcc, NoLock, Preserve) { Offset (0x10), MA10, 8 }
    Method (T000) { Return (BYT0) }
    Name (E000, 0)
    Method (T001) { BYT0 = 0x123 Return (BYT0) }
    Name (E001, 0x23)
    Method (T002) { BYT0 = 0 BITS = 5 BIT0 = 1 Return (BIT0 * 16 + BITS) }
    Name (E002, 0x15)
    Method (T003) { Return (WRDB) }
    Name (E003, 0x0504)
    Method (T004) { TWLV = 0xABC Return (TWLV) }
    Name (E004, 0xABC)
    Method (T005) { Return (BIGF) }
    Name (E005, Buffer () { 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19 })
    Method (T006) { DWZ0 = 7 Return (DWZ1) }
    Name (E006, 0)
    Method (T007) { Return (MQ00) }
    Name (E007, 0x0706050403020100)
    Method (T008) { MQ0C = 0x11223344 Return (MQ08) }
    Name (E008, 0x0B0A0908)
    Method (T009) { MA10 = 0x77 Return (MA10) }
    Name (E009, 0x77)
    Method (T010) { BIGF = 1 Return (BIGF) }
    Name (E010, Buffer () { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 })
    Method (T011) { WON0 = 0 Return (WON0) }
    Name (E011, 0)

    Name (LENG, 6)
    OperationRegion (TINY, SystemIO, 0x100, LENG)
    Field (TINY, DWordAcc, NoLock, Preserve) { Offset (4), OVER, 16 }
    Method (F000) { Return (OVER) }
    Name (M000, "an access of 4 bytes at 0x4 of a region of 0x6 bytes")
    OperationRegion (PCIR, PCI_Config, 0, 0x100)
    Field (PCIR, DWordAcc, NoLock, Preserve) { VNDR, 16 }
    Method (F001) { Return (VNDR) }
    Name (M001, "address space 2")
    Method (PUT, 1) { BYT0 = Arg0 }
    Method (F002) { PUT (Package () { 1 }) }
    Name (M002, "cannot be stored to a field")
}
