/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mutexes, events, time. Txxx must give Exxx; Fxxx must fail with a message that has Mxxx in it. */
DefinitionBlock ("", "DSDT", 2, "DIMMBL", "TESTCASE", 1)
{
    Mutex (MTX0, 0)
    Mutex (MTX3, 3)
    Event (EVT0)
    Method (T000) { Local0 = Acquire (MTX0, 0xFFFF) Release (MTX0) Return (Local0) }
    Name (E000, 0)
    Method (T001) { Acquire (MTX0, 0xFFFF) Acquire (MTX0, 0xFFFF) Release (MTX0) Release (MTX0) Return (1) }
    Name (E001, 1)
    Method (T002) { Acquire (MTX0, 0xFFFF) Acquire (MTX3, 0xFFFF) Release (MTX3) Release (MTX0) Return (1) }
    Name (E002, 1)
    Method (T003) { Signal (EVT0) Return (Wait (EVT0, 10)) }
    Name (E003, 0)
    Method (T004) { Return (Wait (EVT0, 10)) }
    Name (E004, 0xFFFFFFFFFFFFFFFF)
    Method (T005) { Local0 = Timer Sleep (2) Stall (10) Return (Timer - Local0) }
    Name (E005, 20100)
    Method (T006) { Signal (EVT0) Reset (EVT0) Return (Wait (EVT0, 0)) }
    Name (E006, 0xFFFFFFFFFFFFFFFF)
    Method (SER2, 0, Serialized, 2) { Acquire (MTX3, 0xFFFF) Release (MTX3) Return (1) }
    Method (T007) { Return (SER2 ()) }
    Name (E007, 1)

    Method (F000) { Acquire (MTX0, 0xFFFF) }
    Name (M000, "still held")
    Method (F001) { Release (MTX0) }
    Name (M001, "released that is not held")
    Method (F002) { Acquire (MTX3, 0xFFFF) Acquire (MTX0, 0xFFFF) }
    Name (M002, "SyncLevel 0 is acquired at level 3")
    Method (F003) { Wait (EVT0, 0xFFFF) }
    Name (M003, "nobody will signal")
    Method (F004) { Acquire (MTX3, 0xFFFF) SER2 () }
    Name (M004, "SyncLevel 2 is called at level 3")
}
