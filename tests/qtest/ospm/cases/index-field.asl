/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Index and bank fields: the test's port 0x1f0 selects what 0x1f1 shows. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    OperationRegion (PORT, SystemIO, 0x1F0, 4)
    Field (PORT, ByteAcc, NoLock, Preserve) { INDX, 8, DATA, 8, BANK, 8, BNKD, 8 }
    IndexField (INDX, DATA, ByteAcc, NoLock, Preserve) { Offset (3), IDX3, 8, IDX4, 16, IBIT, 1 }
    BankField (PORT, BANK, 1, ByteAcc, NoLock, Preserve) { Offset (3), BNK1, 8 }
    BankField (PORT, BANK, 2, ByteAcc, NoLock, Preserve) { Offset (3), BNK2, 8 }
    Method (T000) { IDX3 = 0x33 IDX4 = 0x5544 Return (IDX3) }
    Name (E000, 0x33)
    Method (T001) { IDX3 = 0x33 IDX4 = 0x5544 Return (IDX4) }
    Name (E001, 0x5544)
    Method (T002) { IDX3 = 1 INDX = 3 Return (DATA) }
    Name (E002, 1)
    Method (T003) { IBIT = 1 Return (IBIT) }
    Name (E003, 1)
    Method (T004) { BNK1 = 1 Local0 = BANK BNK2 = 2 Return (Local0 * 16 + BANK) }
    Name (E004, 0x12)
}
