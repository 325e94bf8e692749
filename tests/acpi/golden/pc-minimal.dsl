// pc-minimal: -m 128M -smp 1 -M pc
// Made by 'make golden' with iasl 20200925.

// ---- apic ----

[000h 0000   4]                    Signature : "APIC"    [Multiple APIC Description Table (MADT)]
[004h 0004   4]                 Table Length : 0000005A
[008h 0008   1]                     Revision : 05
[009h 0009   1]                     Checksum : 75
[00Ah 0010   6]                       Oem ID : "DIMMBL"
[010h 0016   8]                 Oem Table ID : "DIMMABLE"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "DIMM"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   4]           Local Apic Address : FEE00000
[028h 0040   4]        Flags (decoded below) : 00000001
                         PC-AT Compatibility : 1

[02Ch 0044   1]                Subtable Type : 00 [Processor Local APIC]
[02Dh 0045   1]                       Length : 08
[02Eh 0046   1]                 Processor ID : 00
[02Fh 0047   1]                Local Apic ID : 00
[030h 0048   4]        Flags (decoded below) : 00000001
                           Processor Enabled : 1
                      Runtime Online Capable : 0

[034h 0052   1]                Subtable Type : 01 [I/O APIC]
[035h 0053   1]                       Length : 0C
[036h 0054   1]                  I/O Apic ID : 00
[037h 0055   1]                     Reserved : 00
[038h 0056   4]                      Address : FEC00000
[03Ch 0060   4]                    Interrupt : 00000000

[040h 0064   1]                Subtable Type : 02 [Interrupt Source Override]
[041h 0065   1]                       Length : 0A
[042h 0066   1]                          Bus : 00
[043h 0067   1]                       Source : 00
[044h 0068   4]                    Interrupt : 00000002
[048h 0072   2]        Flags (decoded below) : 0000
                                    Polarity : 0
                                Trigger Mode : 0

[04Ah 0074   1]                Subtable Type : 02 [Interrupt Source Override]
[04Bh 0075   1]                       Length : 0A
[04Ch 0076   1]                          Bus : 00
[04Dh 0077   1]                       Source : 09
[04Eh 0078   4]                    Interrupt : 00000009
[052h 0082   2]        Flags (decoded below) : 000D
                                    Polarity : 1
                                Trigger Mode : 3

[054h 0084   1]                Subtable Type : 04 [Local APIC NMI]
[055h 0085   1]                       Length : 06
[056h 0086   1]                 Processor ID : FF
[057h 0087   2]        Flags (decoded below) : 0000
                                    Polarity : 0
                                Trigger Mode : 0
[059h 0089   1]         Interrupt Input LINT : 01

// ---- dsdt ----

DefinitionBlock ("", "DSDT", 2, "DIMMBL", "DIMMABLE", 0x00000001)
{
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03") /* PCI Bus */)  // _HID: Hardware ID
            Name (_UID, Zero)  // _UID: Unique ID
            Name (_BBN, Zero)  // _BBN: BIOS Bus Number
            Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
                    0x0000,             // Granularity
                    0x0000,             // Range Minimum
                    0x00FF,             // Range Maximum
                    0x0000,             // Translation Offset
                    0x0100,             // Length
                    ,, )
                IO (Decode16,
                    0x0CF8,             // Range Minimum
                    0x0CF8,             // Range Maximum
                    0x01,               // Alignment
                    0x08,               // Length
                    )
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0x0000,             // Granularity
                    0x0000,             // Range Minimum
                    0x0CF7,             // Range Maximum
                    0x0000,             // Translation Offset
                    0x0CF8,             // Length
                    ,, , TypeStatic, DenseTranslation)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
                    0x0000,             // Granularity
                    0x0D00,             // Range Minimum
                    0xFFFF,             // Range Maximum
                    0x0000,             // Translation Offset
                    0xF300,             // Length
                    ,, , TypeStatic, DenseTranslation)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                    0x00000000,         // Granularity
                    0x000A0000,         // Range Minimum
                    0x000BFFFF,         // Range Maximum
                    0x00000000,         // Translation Offset
                    0x00020000,         // Length
                    ,, , AddressRangeMemory, TypeStatic)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0x00000000,         // Granularity
                    0x08000000,         // Range Minimum
                    0xFEBFFFFF,         // Range Maximum
                    0x00000000,         // Translation Offset
                    0xF6C00000,         // Length
                    ,, , AddressRangeMemory, TypeStatic)
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0x0000000000000000, // Granularity
                    0x0000000100000000, // Range Minimum
                    0x000000017FFFFFFF, // Range Maximum
                    0x0000000000000000, // Translation Offset
                    0x0000000080000000, // Length
                    ,, , AddressRangeMemory, TypeStatic)
            })
            Name (_PRT, Package (0x80)  // _PRT: PCI Routing Table
            {
                Package (0x04)
                {
                    0xFFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0xFFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0xFFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0xFFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0001FFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0001FFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0001FFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0001FFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0002FFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0002FFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0002FFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0002FFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0003FFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0003FFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0003FFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0003FFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0004FFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0004FFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0004FFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0004FFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0005FFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0005FFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0005FFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0005FFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0006FFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0006FFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0006FFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0006FFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0007FFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0007FFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0007FFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0007FFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0008FFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0008FFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0008FFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0008FFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0009FFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0009FFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0009FFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0009FFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000AFFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000AFFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000AFFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000AFFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000BFFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000BFFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000BFFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000BFFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000CFFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000CFFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000CFFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000CFFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000DFFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000DFFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000DFFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000DFFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000EFFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000EFFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000EFFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000EFFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000FFFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000FFFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000FFFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x000FFFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0010FFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0010FFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0010FFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0010FFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0011FFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0011FFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0011FFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0011FFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0012FFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0012FFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0012FFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0012FFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0013FFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0013FFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0013FFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0013FFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0014FFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0014FFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0014FFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0014FFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0015FFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0015FFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0015FFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0015FFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0016FFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0016FFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0016FFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0016FFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0017FFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0017FFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0017FFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0017FFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0018FFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0018FFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0018FFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0018FFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0019FFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0019FFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0019FFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x0019FFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001AFFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001AFFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001AFFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001AFFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001BFFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001BFFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001BFFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001BFFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001CFFFF, 
                    Zero, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001CFFFF, 
                    One, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001CFFFF, 
                    0x02, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001CFFFF, 
                    0x03, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001DFFFF, 
                    Zero, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001DFFFF, 
                    One, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001DFFFF, 
                    0x02, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001DFFFF, 
                    0x03, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001EFFFF, 
                    Zero, 
                    LNKB, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001EFFFF, 
                    One, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001EFFFF, 
                    0x02, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001EFFFF, 
                    0x03, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001FFFFF, 
                    Zero, 
                    LNKC, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001FFFFF, 
                    One, 
                    LNKD, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001FFFFF, 
                    0x02, 
                    LNKA, 
                    Zero
                }, 

                Package (0x04)
                {
                    0x001FFFFF, 
                    0x03, 
                    LNKB, 
                    Zero
                }
            })
            Device (ISA)
            {
                Name (_ADR, 0x00010000)  // _ADR: Address
                Device (RTC)
                {
                    Name (_HID, EisaId ("PNP0B00") /* AT Real-Time Clock */)  // _HID: Hardware ID
                    Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
                    {
                        IO (Decode16,
                            0x0070,             // Range Minimum
                            0x0070,             // Range Maximum
                            0x01,               // Alignment
                            0x02,               // Length
                            )
                        IRQNoFlags ()
                            {8}
                    })
                }

                Device (KBD)
                {
                    Name (_HID, EisaId ("PNP0303") /* IBM Enhanced Keyboard (101/102-key, PS/2 Mouse) */)  // _HID: Hardware ID
                    Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
                    {
                        IO (Decode16,
                            0x0060,             // Range Minimum
                            0x0060,             // Range Maximum
                            0x01,               // Alignment
                            0x01,               // Length
                            )
                        IO (Decode16,
                            0x0064,             // Range Minimum
                            0x0064,             // Range Maximum
                            0x01,               // Alignment
                            0x01,               // Length
                            )
                        IRQNoFlags ()
                            {1}
                    })
                }

                Device (MOU)
                {
                    Name (_HID, EisaId ("PNP0F13") /* PS/2 Mouse */)  // _HID: Hardware ID
                    Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
                    {
                        IRQNoFlags ()
                            {12}
                    })
                }

                Device (FDC0)
                {
                    Name (_HID, EisaId ("PNP0700"))  // _HID: Hardware ID
                    Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
                    {
                        IO (Decode16,
                            0x03F2,             // Range Minimum
                            0x03F2,             // Range Maximum
                            0x01,               // Alignment
                            0x04,               // Length
                            )
                        IO (Decode16,
                            0x03F7,             // Range Minimum
                            0x03F7,             // Range Maximum
                            0x01,               // Alignment
                            0x01,               // Length
                            )
                        IRQNoFlags ()
                            {6}
                        DMA (Compatibility, NotBusMaster, Transfer8, )
                            {2}
                    })
                    Name (_FDE, Buffer (0x14)  // _FDE: Floppy Disk Enumerate
                    {
                        /* 0000 */  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // ........
                        /* 0008 */  0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,  // ........
                        /* 0010 */  0x02, 0x00, 0x00, 0x00                           // ....
                    })
                }

                OperationRegion (PIRQ, PCI_Config, 0x60, 0x04)
                Field (PIRQ, ByteAcc, NoLock, Preserve)
                {
                    PRQA,   8, 
                    PRQB,   8, 
                    PRQC,   8, 
                    PRQD,   8
                }
            }

            Method (PNAM, 4, Serialized)
            {
                Local0 = Buffer (One)
                    {
                         0x00                                             // .
                    }
                If ((Arg1 != ToUUID ("e5c937d0-3553-4d7a-9117-ea4d19c3434d") /* Device Labeling Interface */))
                {
                    Return (Local0)
                }

                If ((Arg2 < 0x02))
                {
                    Return (Local0)
                }

                If ((Arg0 == Zero))
                {
                    Return (Local0)
                }

                If ((Arg3 == Zero))
                {
                    Return (Buffer (One)
                    {
                         0x81                                             // .
                    })
                }

                If ((Arg3 == 0x07))
                {
                    Local1 = Package (0x02)
                        {
                            Zero, 
                            ""
                        }
                    Local1 [Zero] = Arg0
                    Return (Local1)
                }

                Return (Local0)
            }

            OperationRegion (PHPR, SystemIO, 0xAE00, 0x24)
            Field (PHPR, DWordAcc, NoLock, WriteAsZeros)
            {
                PCIU,   32, 
                PCID,   32, 
                B0EJ,   32, 
                Offset (0x10), 
                BNUM,   32, 
                AIDX,   32, 
                OSLT,   32, 
                OEVT,   32, 
                OSTS,   32
            }

            Mutex (BLCK, 0x00)
            Method (PCEJ, 2, NotSerialized)
            {
                Acquire (BLCK, 0xFFFF)
                BNUM = Arg0
                B0EJ = Arg1
                Release (BLCK)
            }

            Method (POST, 4, NotSerialized)
            {
                Acquire (BLCK, 0xFFFF)
                BNUM = Arg0
                OSLT = Arg1
                OEVT = Arg2
                OSTS = Arg3
                Release (BLCK)
            }

            Method (PIDX, 2, NotSerialized)
            {
                Acquire (BLCK, 0xFFFF)
                BNUM = Arg0
                AIDX = Arg1
                Local0 = AIDX /* \_SB_.PCI0.AIDX */
                Release (BLCK)
                Return (Local0)
            }

            Name (BSEL, Zero)
            Device (S10)
            {
                Name (_SUN, 0x02)  // _SUN: Slot User Number
                Name (_ADR, 0x00020000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x04)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x04, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x04), Arg0, Arg1, Arg2))
                }
            }

            Device (S18)
            {
                Name (_SUN, 0x03)  // _SUN: Slot User Number
                Name (_ADR, 0x00030000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x08)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x08, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x08), Arg0, Arg1, Arg2))
                }
            }

            Device (S20)
            {
                Name (_SUN, 0x04)  // _SUN: Slot User Number
                Name (_ADR, 0x00040000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x10)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x10, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x10), Arg0, Arg1, Arg2))
                }
            }

            Device (S28)
            {
                Name (_SUN, 0x05)  // _SUN: Slot User Number
                Name (_ADR, 0x00050000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x20)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x20, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x20), Arg0, Arg1, Arg2))
                }
            }

            Device (S30)
            {
                Name (_SUN, 0x06)  // _SUN: Slot User Number
                Name (_ADR, 0x00060000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x40)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x40, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x40), Arg0, Arg1, Arg2))
                }
            }

            Device (S38)
            {
                Name (_SUN, 0x07)  // _SUN: Slot User Number
                Name (_ADR, 0x00070000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x80)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x80, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x80), Arg0, Arg1, Arg2))
                }
            }

            Device (S40)
            {
                Name (_SUN, 0x08)  // _SUN: Slot User Number
                Name (_ADR, 0x00080000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x0100)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x0100, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x0100), Arg0, Arg1, Arg2))
                }
            }

            Device (S48)
            {
                Name (_SUN, 0x09)  // _SUN: Slot User Number
                Name (_ADR, 0x00090000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x0200)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x0200, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x0200), Arg0, Arg1, Arg2))
                }
            }

            Device (S50)
            {
                Name (_SUN, 0x0A)  // _SUN: Slot User Number
                Name (_ADR, 0x000A0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x0400)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x0400, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x0400), Arg0, Arg1, Arg2))
                }
            }

            Device (S58)
            {
                Name (_SUN, 0x0B)  // _SUN: Slot User Number
                Name (_ADR, 0x000B0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x0800)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x0800, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x0800), Arg0, Arg1, Arg2))
                }
            }

            Device (S60)
            {
                Name (_SUN, 0x0C)  // _SUN: Slot User Number
                Name (_ADR, 0x000C0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x1000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x1000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x1000), Arg0, Arg1, Arg2))
                }
            }

            Device (S68)
            {
                Name (_SUN, 0x0D)  // _SUN: Slot User Number
                Name (_ADR, 0x000D0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x2000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x2000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x2000), Arg0, Arg1, Arg2))
                }
            }

            Device (S70)
            {
                Name (_SUN, 0x0E)  // _SUN: Slot User Number
                Name (_ADR, 0x000E0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x4000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x4000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x4000), Arg0, Arg1, Arg2))
                }
            }

            Device (S78)
            {
                Name (_SUN, 0x0F)  // _SUN: Slot User Number
                Name (_ADR, 0x000F0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x8000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x8000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x8000), Arg0, Arg1, Arg2))
                }
            }

            Device (S80)
            {
                Name (_SUN, 0x10)  // _SUN: Slot User Number
                Name (_ADR, 0x00100000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00010000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00010000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00010000), Arg0, Arg1, Arg2))
                }
            }

            Device (S88)
            {
                Name (_SUN, 0x11)  // _SUN: Slot User Number
                Name (_ADR, 0x00110000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00020000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00020000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00020000), Arg0, Arg1, Arg2))
                }
            }

            Device (S90)
            {
                Name (_SUN, 0x12)  // _SUN: Slot User Number
                Name (_ADR, 0x00120000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00040000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00040000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00040000), Arg0, Arg1, Arg2))
                }
            }

            Device (S98)
            {
                Name (_SUN, 0x13)  // _SUN: Slot User Number
                Name (_ADR, 0x00130000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00080000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00080000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00080000), Arg0, Arg1, Arg2))
                }
            }

            Device (SA0)
            {
                Name (_SUN, 0x14)  // _SUN: Slot User Number
                Name (_ADR, 0x00140000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00100000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00100000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00100000), Arg0, Arg1, Arg2))
                }
            }

            Device (SA8)
            {
                Name (_SUN, 0x15)  // _SUN: Slot User Number
                Name (_ADR, 0x00150000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00200000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00200000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00200000), Arg0, Arg1, Arg2))
                }
            }

            Device (SB0)
            {
                Name (_SUN, 0x16)  // _SUN: Slot User Number
                Name (_ADR, 0x00160000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00400000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00400000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00400000), Arg0, Arg1, Arg2))
                }
            }

            Device (SB8)
            {
                Name (_SUN, 0x17)  // _SUN: Slot User Number
                Name (_ADR, 0x00170000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x00800000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x00800000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x00800000), Arg0, Arg1, Arg2))
                }
            }

            Device (SC0)
            {
                Name (_SUN, 0x18)  // _SUN: Slot User Number
                Name (_ADR, 0x00180000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x01000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x01000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x01000000), Arg0, Arg1, Arg2))
                }
            }

            Device (SC8)
            {
                Name (_SUN, 0x19)  // _SUN: Slot User Number
                Name (_ADR, 0x00190000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x02000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x02000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x02000000), Arg0, Arg1, Arg2))
                }
            }

            Device (SD0)
            {
                Name (_SUN, 0x1A)  // _SUN: Slot User Number
                Name (_ADR, 0x001A0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x04000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x04000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x04000000), Arg0, Arg1, Arg2))
                }
            }

            Device (SD8)
            {
                Name (_SUN, 0x1B)  // _SUN: Slot User Number
                Name (_ADR, 0x001B0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x08000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x08000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x08000000), Arg0, Arg1, Arg2))
                }
            }

            Device (SE0)
            {
                Name (_SUN, 0x1C)  // _SUN: Slot User Number
                Name (_ADR, 0x001C0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x10000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x10000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x10000000), Arg0, Arg1, Arg2))
                }
            }

            Device (SE8)
            {
                Name (_SUN, 0x1D)  // _SUN: Slot User Number
                Name (_ADR, 0x001D0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x20000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x20000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x20000000), Arg0, Arg1, Arg2))
                }
            }

            Device (SF0)
            {
                Name (_SUN, 0x1E)  // _SUN: Slot User Number
                Name (_ADR, 0x001E0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x40000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x40000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x40000000), Arg0, Arg1, Arg2))
                }
            }

            Device (SF8)
            {
                Name (_SUN, 0x1F)  // _SUN: Slot User Number
                Name (_ADR, 0x001F0000)  // _ADR: Address
                Method (_EJ0, 1, NotSerialized)  // _EJx: Eject Device, x=0-9
                {
                    PCEJ (Zero, 0x80000000)
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    POST (Zero, 0x80000000, Arg0, Arg1)
                }

                Method (_DSM, 4, Serialized)  // _DSM: Device-Specific Method
                {
                    Return (PNAM (PIDX (Zero, 0x80000000), Arg0, Arg1, Arg2))
                }
            }

            Method (PCNT, 0, NotSerialized)
            {
                Acquire (BLCK, 0xFFFF)
                BNUM = Zero
                Local0 = PCIU /* \_SB_.PCI0.PCIU */
                Local1 = PCID /* \_SB_.PCI0.PCID */
                Release (BLCK)
                If ((Local0 & 0x04))
                {
                    Notify (S10, One) // Device Check
                }

                If ((Local1 & 0x04))
                {
                    Notify (S10, 0x03) // Eject Request
                }

                If ((Local0 & 0x08))
                {
                    Notify (S18, One) // Device Check
                }

                If ((Local1 & 0x08))
                {
                    Notify (S18, 0x03) // Eject Request
                }

                If ((Local0 & 0x10))
                {
                    Notify (S20, One) // Device Check
                }

                If ((Local1 & 0x10))
                {
                    Notify (S20, 0x03) // Eject Request
                }

                If ((Local0 & 0x20))
                {
                    Notify (S28, One) // Device Check
                }

                If ((Local1 & 0x20))
                {
                    Notify (S28, 0x03) // Eject Request
                }

                If ((Local0 & 0x40))
                {
                    Notify (S30, One) // Device Check
                }

                If ((Local1 & 0x40))
                {
                    Notify (S30, 0x03) // Eject Request
                }

                If ((Local0 & 0x80))
                {
                    Notify (S38, One) // Device Check
                }

                If ((Local1 & 0x80))
                {
                    Notify (S38, 0x03) // Eject Request
                }

                If ((Local0 & 0x0100))
                {
                    Notify (S40, One) // Device Check
                }

                If ((Local1 & 0x0100))
                {
                    Notify (S40, 0x03) // Eject Request
                }

                If ((Local0 & 0x0200))
                {
                    Notify (S48, One) // Device Check
                }

                If ((Local1 & 0x0200))
                {
                    Notify (S48, 0x03) // Eject Request
                }

                If ((Local0 & 0x0400))
                {
                    Notify (S50, One) // Device Check
                }

                If ((Local1 & 0x0400))
                {
                    Notify (S50, 0x03) // Eject Request
                }

                If ((Local0 & 0x0800))
                {
                    Notify (S58, One) // Device Check
                }

                If ((Local1 & 0x0800))
                {
                    Notify (S58, 0x03) // Eject Request
                }

                If ((Local0 & 0x1000))
                {
                    Notify (S60, One) // Device Check
                }

                If ((Local1 & 0x1000))
                {
                    Notify (S60, 0x03) // Eject Request
                }

                If ((Local0 & 0x2000))
                {
                    Notify (S68, One) // Device Check
                }

                If ((Local1 & 0x2000))
                {
                    Notify (S68, 0x03) // Eject Request
                }

                If ((Local0 & 0x4000))
                {
                    Notify (S70, One) // Device Check
                }

                If ((Local1 & 0x4000))
                {
                    Notify (S70, 0x03) // Eject Request
                }

                If ((Local0 & 0x8000))
                {
                    Notify (S78, One) // Device Check
                }

                If ((Local1 & 0x8000))
                {
                    Notify (S78, 0x03) // Eject Request
                }

                If ((Local0 & 0x00010000))
                {
                    Notify (S80, One) // Device Check
                }

                If ((Local1 & 0x00010000))
                {
                    Notify (S80, 0x03) // Eject Request
                }

                If ((Local0 & 0x00020000))
                {
                    Notify (S88, One) // Device Check
                }

                If ((Local1 & 0x00020000))
                {
                    Notify (S88, 0x03) // Eject Request
                }

                If ((Local0 & 0x00040000))
                {
                    Notify (S90, One) // Device Check
                }

                If ((Local1 & 0x00040000))
                {
                    Notify (S90, 0x03) // Eject Request
                }

                If ((Local0 & 0x00080000))
                {
                    Notify (S98, One) // Device Check
                }

                If ((Local1 & 0x00080000))
                {
                    Notify (S98, 0x03) // Eject Request
                }

                If ((Local0 & 0x00100000))
                {
                    Notify (SA0, One) // Device Check
                }

                If ((Local1 & 0x00100000))
                {
                    Notify (SA0, 0x03) // Eject Request
                }

                If ((Local0 & 0x00200000))
                {
                    Notify (SA8, One) // Device Check
                }

                If ((Local1 & 0x00200000))
                {
                    Notify (SA8, 0x03) // Eject Request
                }

                If ((Local0 & 0x00400000))
                {
                    Notify (SB0, One) // Device Check
                }

                If ((Local1 & 0x00400000))
                {
                    Notify (SB0, 0x03) // Eject Request
                }

                If ((Local0 & 0x00800000))
                {
                    Notify (SB8, One) // Device Check
                }

                If ((Local1 & 0x00800000))
                {
                    Notify (SB8, 0x03) // Eject Request
                }

                If ((Local0 & 0x01000000))
                {
                    Notify (SC0, One) // Device Check
                }

                If ((Local1 & 0x01000000))
                {
                    Notify (SC0, 0x03) // Eject Request
                }

                If ((Local0 & 0x02000000))
                {
                    Notify (SC8, One) // Device Check
                }

                If ((Local1 & 0x02000000))
                {
                    Notify (SC8, 0x03) // Eject Request
                }

                If ((Local0 & 0x04000000))
                {
                    Notify (SD0, One) // Device Check
                }

                If ((Local1 & 0x04000000))
                {
                    Notify (SD0, 0x03) // Eject Request
                }

                If ((Local0 & 0x08000000))
                {
                    Notify (SD8, One) // Device Check
                }

                If ((Local1 & 0x08000000))
                {
                    Notify (SD8, 0x03) // Eject Request
                }

                If ((Local0 & 0x10000000))
                {
                    Notify (SE0, One) // Device Check
                }

                If ((Local1 & 0x10000000))
                {
                    Notify (SE0, 0x03) // Eject Request
                }

                If ((Local0 & 0x20000000))
                {
                    Notify (SE8, One) // Device Check
                }

                If ((Local1 & 0x20000000))
                {
                    Notify (SE8, 0x03) // Eject Request
                }

                If ((Local0 & 0x40000000))
                {
                    Notify (SF0, One) // Device Check
                }

                If ((Local1 & 0x40000000))
                {
                    Notify (SF0, 0x03) // Eject Request
                }

                If ((Local0 & 0x80000000))
                {
                    Notify (SF8, One) // Device Check
                }

                If ((Local1 & 0x80000000))
                {
                    Notify (SF8, 0x03) // Eject Request
                }
            }
        }

        Device (MBRD)
        {
            Name (_HID, EisaId ("PNP0C02") /* PNP Motherboard Resources */)  // _HID: Hardware ID
            Name (_UID, Zero)  // _UID: Unique ID
            Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
            {
                IO (Decode16,
                    0x0600,             // Range Minimum
                    0x0600,             // Range Maximum
                    0x01,               // Alignment
                    0x40,               // Length
                    )
                IO (Decode16,
                    0xAFE0,             // Range Minimum
                    0xAFE0,             // Range Maximum
                    0x01,               // Alignment
                    0x04,               // Length
                    )
                IO (Decode16,
                    0x00B2,             // Range Minimum
                    0x00B2,             // Range Maximum
                    0x01,               // Alignment
                    0x02,               // Length
                    )
                IO (Decode16,
                    0x0092,             // Range Minimum
                    0x0092,             // Range Maximum
                    0x01,               // Alignment
                    0x01,               // Length
                    )
                IO (Decode16,
                    0xAE00,             // Range Minimum
                    0xAE00,             // Range Maximum
                    0x01,               // Alignment
                    0x24,               // Length
                    )
            })
        }

        Device (HPET)
        {
            Name (_HID, EisaId ("PNP0103") /* HPET System Timer */)  // _HID: Hardware ID
            Name (_UID, Zero)  // _UID: Unique ID
            Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
            {
                Memory32Fixed (ReadOnly,
                    0xFED00000,         // Address Base
                    0x00000400,         // Address Length
                    )
            })
        }

        Device (FWCF)
        {
            Name (_HID, "QEMU0002")  // _HID: Hardware ID
            Name (_STA, 0x0B)  // _STA: Status
            Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
            {
                IO (Decode16,
                    0x0510,             // Range Minimum
                    0x0510,             // Range Maximum
                    0x01,               // Alignment
                    0x0C,               // Length
                    )
            })
        }

        Device (PWRB)
        {
            Name (_HID, EisaId ("PNP0C0C") /* Power Button Device */)  // _HID: Hardware ID
        }
    }

    Scope (\_SB.PCI0)
    {
        Device (PRES)
        {
            Name (_HID, EisaId ("PNP0A06") /* Generic Container Device */)  // _HID: Hardware ID
            Name (_UID, "CPU slots")  // _UID: Unique ID
            Name (_CRS, ResourceTemplate ()  // _CRS: Current Resource Settings
            {
                IO (Decode16,
                    0xAF00,             // Range Minimum
                    0xAF00,             // Range Maximum
                    0x01,               // Alignment
                    0x0C,               // Length
                    )
            })
            OperationRegion (REGS, SystemIO, 0xAF00, 0x0C)
            Field (REGS, ByteAcc, NoLock, WriteAsZeros)
            {
                Offset (0x04), 
                CPEN,   1, 
                CINS,   1, 
                CRMV,   1, 
                CEJ0,   1, 
                Offset (0x05), 
                CCMD,   8
            }

            Field (REGS, DWordAcc, NoLock, Preserve)
            {
                CSEL,   32, 
                Offset (0x08), 
                CDAT,   32
            }

            Mutex (CPLK, 0x00)
            Method (_INI, 0, NotSerialized)  // _INI: Initialize
            {
                CSEL = Zero
            }
        }
    }

    Scope (\_SB)
    {
        Device (CPUS)
        {
            Name (_HID, "ACPI0010" /* Processor Container Device */)  // _HID: Hardware ID
            Name (_CID, EisaId ("PNP0A05") /* Generic Container Device */)  // _CID: Compatible ID
            Method (CSTA, 1, NotSerialized)
            {
                Acquire (\_SB.PCI0.PRES.CPLK, 0xFFFF)
                \_SB.PCI0.PRES.CSEL = Arg0
                Local0 = Zero
                If ((\_SB.PCI0.PRES.CPEN == One))
                {
                    Local0 = 0x0F
                }

                Release (\_SB.PCI0.PRES.CPLK)
                Return (Local0)
            }

            Method (CEJ0, 1, NotSerialized)
            {
                Acquire (\_SB.PCI0.PRES.CPLK, 0xFFFF)
                \_SB.PCI0.PRES.CSEL = Arg0
                \_SB.PCI0.PRES.CEJ0 = One
                Release (\_SB.PCI0.PRES.CPLK)
            }

            Method (COST, 3, NotSerialized)
            {
                Acquire (\_SB.PCI0.PRES.CPLK, 0xFFFF)
                \_SB.PCI0.PRES.CSEL = Arg0
                \_SB.PCI0.PRES.CCMD = One
                \_SB.PCI0.PRES.CDAT = Arg1
                \_SB.PCI0.PRES.CCMD = 0x02
                \_SB.PCI0.PRES.CDAT = Arg2
                Release (\_SB.PCI0.PRES.CPLK)
            }

            Method (CTFY, 2, NotSerialized)
            {
                If ((Arg0 == Zero))
                {
                    Notify (C000, Arg1)
                }
            }

            Method (CSCN, 0, NotSerialized)
            {
                Acquire (\_SB.PCI0.PRES.CPLK, 0xFFFF)
                While (One)
                {
                    \_SB.PCI0.PRES.CSEL = Zero
                    \_SB.PCI0.PRES.CCMD = Zero
                    Local0 = \_SB.PCI0.PRES.CDAT
                    If ((\_SB.PCI0.PRES.CINS == One))
                    {
                        \_SB.PCI0.PRES.CINS = One
                        CTFY (Local0, One)
                    }
                    ElseIf ((\_SB.PCI0.PRES.CRMV == One))
                    {
                        \_SB.PCI0.PRES.CRMV = One
                        CTFY (Local0, 0x03)
                    }
                    Else
                    {
                        Break
                    }
                }

                Release (\_SB.PCI0.PRES.CPLK)
            }

            Device (C000)
            {
                Name (_HID, "ACPI0007" /* Processor Device */)  // _HID: Hardware ID
                Name (_UID, Zero)  // _UID: Unique ID
                Name (_PXM, Zero)  // _PXM: Device Proximity
                Name (_MAT, Buffer (0x08)  // _MAT: Multiple APIC Table Entry
                {
                     0x00, 0x08, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00   // ........
                })
                Method (_STA, 0, NotSerialized)  // _STA: Status
                {
                    Return (CSTA (Zero))
                }

                Method (_OST, 3, NotSerialized)  // _OST: OSPM Status Indication
                {
                    COST (Zero, Arg0, Arg1)
                }
            }
        }
    }

    Scope (\_GPE)
    {
        Method (_E02, 0, NotSerialized)  // _Exx: Edge-Triggered GPE, xx=0x00-0xFF
        {
            \_SB.CPUS.CSCN ()
        }
    }

    Scope (\_GPE)
    {
        Method (_E01, 0, NotSerialized)  // _Exx: Edge-Triggered GPE, xx=0x00-0xFF
        {
            \_SB.PCI0.PCNT ()
        }
    }

    Scope (\_SB)
    {
        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F") /* PCI Interrupt Link Device */)  // _HID: Hardware ID
            Name (_UID, Zero)  // _UID: Unique ID
            Name (_PRS, ResourceTemplate ()  // _PRS: Possible Resource Settings
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, )
                {
                    0x00000005,
                    0x0000000A,
                    0x0000000B,
                }
            })
            Method (_STA, 0, NotSerialized)  // _STA: Status
            {
                If ((\_SB.PCI0.ISA.PRQA < 0x80))
                {
                    Return (0x0B)
                }

                Return (0x09)
            }

            Method (_DIS, 0, NotSerialized)  // _DIS: Disable Device
            {
                \_SB.PCI0.ISA.PRQA = 0x80
            }

            Name (CURR, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, _Y00)
                {
                    0x00000000,
                }
            })
            CreateDWordField (CURR, \_SB.LNKA._Y00._INT, CIRQ)  // _INT: Interrupts
            Method (_CRS, 0, Serialized)  // _CRS: Current Resource Settings
            {
                CIRQ = Zero
                If ((\_SB.PCI0.ISA.PRQA < 0x80))
                {
                    CIRQ = \_SB.PCI0.ISA.PRQA
                }

                Return (CURR) /* \_SB_.LNKA.CURR */
            }

            Method (_SRS, 1, Serialized)  // _SRS: Set Resource Settings
            {
                CreateDWordField (Arg0, 0x05, SIRQ)
                \_SB.PCI0.ISA.PRQA = SIRQ /* \_SB_.LNKA._SRS.SIRQ */
            }
        }

        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F") /* PCI Interrupt Link Device */)  // _HID: Hardware ID
            Name (_UID, One)  // _UID: Unique ID
            Name (_PRS, ResourceTemplate ()  // _PRS: Possible Resource Settings
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, )
                {
                    0x00000005,
                    0x0000000A,
                    0x0000000B,
                }
            })
            Method (_STA, 0, NotSerialized)  // _STA: Status
            {
                If ((\_SB.PCI0.ISA.PRQB < 0x80))
                {
                    Return (0x0B)
                }

                Return (0x09)
            }

            Method (_DIS, 0, NotSerialized)  // _DIS: Disable Device
            {
                \_SB.PCI0.ISA.PRQB = 0x80
            }

            Name (CURR, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, _Y01)
                {
                    0x00000000,
                }
            })
            CreateDWordField (CURR, \_SB.LNKB._Y01._INT, CIRQ)  // _INT: Interrupts
            Method (_CRS, 0, Serialized)  // _CRS: Current Resource Settings
            {
                CIRQ = Zero
                If ((\_SB.PCI0.ISA.PRQB < 0x80))
                {
                    CIRQ = \_SB.PCI0.ISA.PRQB
                }

                Return (CURR) /* \_SB_.LNKB.CURR */
            }

            Method (_SRS, 1, Serialized)  // _SRS: Set Resource Settings
            {
                CreateDWordField (Arg0, 0x05, SIRQ)
                \_SB.PCI0.ISA.PRQB = SIRQ /* \_SB_.LNKB._SRS.SIRQ */
            }
        }

        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F") /* PCI Interrupt Link Device */)  // _HID: Hardware ID
            Name (_UID, 0x02)  // _UID: Unique ID
            Name (_PRS, ResourceTemplate ()  // _PRS: Possible Resource Settings
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, )
                {
                    0x00000005,
                    0x0000000A,
                    0x0000000B,
                }
            })
            Method (_STA, 0, NotSerialized)  // _STA: Status
            {
                If ((\_SB.PCI0.ISA.PRQC < 0x80))
                {
                    Return (0x0B)
                }

                Return (0x09)
            }

            Method (_DIS, 0, NotSerialized)  // _DIS: Disable Device
            {
                \_SB.PCI0.ISA.PRQC = 0x80
            }

            Name (CURR, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, _Y02)
                {
                    0x00000000,
                }
            })
            CreateDWordField (CURR, \_SB.LNKC._Y02._INT, CIRQ)  // _INT: Interrupts
            Method (_CRS, 0, Serialized)  // _CRS: Current Resource Settings
            {
                CIRQ = Zero
                If ((\_SB.PCI0.ISA.PRQC < 0x80))
                {
                    CIRQ = \_SB.PCI0.ISA.PRQC
                }

                Return (CURR) /* \_SB_.LNKC.CURR */
            }

            Method (_SRS, 1, Serialized)  // _SRS: Set Resource Settings
            {
                CreateDWordField (Arg0, 0x05, SIRQ)
                \_SB.PCI0.ISA.PRQC = SIRQ /* \_SB_.LNKC._SRS.SIRQ */
            }
        }

        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F") /* PCI Interrupt Link Device */)  // _HID: Hardware ID
            Name (_UID, 0x03)  // _UID: Unique ID
            Name (_PRS, ResourceTemplate ()  // _PRS: Possible Resource Settings
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, )
                {
                    0x00000005,
                    0x0000000A,
                    0x0000000B,
                }
            })
            Method (_STA, 0, NotSerialized)  // _STA: Status
            {
                If ((\_SB.PCI0.ISA.PRQD < 0x80))
                {
                    Return (0x0B)
                }

                Return (0x09)
            }

            Method (_DIS, 0, NotSerialized)  // _DIS: Disable Device
            {
                \_SB.PCI0.ISA.PRQD = 0x80
            }

            Name (CURR, ResourceTemplate ()
            {
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared, ,, _Y03)
                {
                    0x00000000,
                }
            })
            CreateDWordField (CURR, \_SB.LNKD._Y03._INT, CIRQ)  // _INT: Interrupts
            Method (_CRS, 0, Serialized)  // _CRS: Current Resource Settings
            {
                CIRQ = Zero
                If ((\_SB.PCI0.ISA.PRQD < 0x80))
                {
                    CIRQ = \_SB.PCI0.ISA.PRQD
                }

                Return (CURR) /* \_SB_.LNKD.CURR */
            }

            Method (_SRS, 1, Serialized)  // _SRS: Set Resource Settings
            {
                CreateDWordField (Arg0, 0x05, SIRQ)
                \_SB.PCI0.ISA.PRQD = SIRQ /* \_SB_.LNKD._SRS.SIRQ */
            }
        }
    }

    Name (\_S3, Package (0x04)  // _S3_: S3 System State
    {
        One, 
        One, 
        Zero, 
        Zero
    })
    Name (\_S4, Package (0x04)  // _S4_: S4 System State
    {
        0x02, 
        0x02, 
        Zero, 
        Zero
    })
    Name (\_S5, Package (0x04)  // _S5_: S5 System State
    {
        Zero, 
        Zero, 
        Zero, 
        Zero
    })
}

// ---- facp ----

[000h 0000   4]                    Signature : "FACP"    [Fixed ACPI Description Table (FADT)]
[004h 0004   4]                 Table Length : 00000114
[008h 0008   1]                     Revision : 06
[009h 0009   1]                     Checksum : 2A
[00Ah 0010   6]                       Oem ID : "DIMMBL"
[010h 0016   8]                 Oem Table ID : "DIMMABLE"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "DIMM"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   4]                 FACS Address : 07FC0000
[028h 0040   4]                 DSDT Address : 07FC1000
[02Ch 0044   1]                        Model : 00
[02Dh 0045   1]                   PM Profile : 00 [Unspecified]
[02Eh 0046   2]                SCI Interrupt : 0009
[030h 0048   4]             SMI Command Port : 000000B2
[034h 0052   1]            ACPI Enable Value : F1
[035h 0053   1]           ACPI Disable Value : F0
[036h 0054   1]               S4BIOS Command : 00
[037h 0055   1]              P-State Control : 00
[038h 0056   4]     PM1A Event Block Address : 00000600
[03Ch 0060   4]     PM1B Event Block Address : 00000000
[040h 0064   4]   PM1A Control Block Address : 00000604
[044h 0068   4]   PM1B Control Block Address : 00000000
[048h 0072   4]    PM2 Control Block Address : 00000000
[04Ch 0076   4]       PM Timer Block Address : 00000608
[050h 0080   4]           GPE0 Block Address : 0000AFE0
[054h 0084   4]           GPE1 Block Address : 00000000
[058h 0088   1]       PM1 Event Block Length : 04
[059h 0089   1]     PM1 Control Block Length : 02
[05Ah 0090   1]     PM2 Control Block Length : 00
[05Bh 0091   1]        PM Timer Block Length : 04
[05Ch 0092   1]            GPE0 Block Length : 04
[05Dh 0093   1]            GPE1 Block Length : 00
[05Eh 0094   1]             GPE1 Base Offset : 00
[05Fh 0095   1]                 _CST Support : 00
[060h 0096   2]                   C2 Latency : 0FFF
[062h 0098   2]                   C3 Latency : 0FFF
[064h 0100   2]               CPU Cache Size : 0000
[066h 0102   2]           Cache Flush Stride : 0000
[068h 0104   1]            Duty Cycle Offset : 00
[069h 0105   1]             Duty Cycle Width : 00
[06Ah 0106   1]          RTC Day Alarm Index : 00
[06Bh 0107   1]        RTC Month Alarm Index : 00
[06Ch 0108   1]            RTC Century Index : 32
[06Dh 0109   2]   Boot Flags (decoded below) : 0007
               Legacy Devices Supported (V2) : 1
            8042 Present on ports 60/64 (V2) : 1
                        VGA Not Present (V4) : 1
                      MSI Not Supported (V4) : 0
                PCIe ASPM Not Supported (V4) : 0
                   CMOS RTC Not Present (V5) : 0
[06Fh 0111   1]                     Reserved : 00
[070h 0112   4]        Flags (decoded below) : 00000525
      WBINVD instruction is operational (V1) : 1
              WBINVD flushes all caches (V1) : 0
                    All CPUs support C1 (V1) : 1
                  C2 works on MP system (V1) : 0
            Control Method Power Button (V1) : 0
            Control Method Sleep Button (V1) : 1
        RTC wake not in fixed reg space (V1) : 0
            RTC can wake system from S4 (V1) : 0
                        32-bit PM Timer (V1) : 1
                      Docking Supported (V1) : 0
               Reset Register Supported (V2) : 1
                            Sealed Case (V3) : 0
                    Headless - No Video (V3) : 0
        Use native instr after SLP_TYPx (V3) : 0
              PCIEXP_WAK Bits Supported (V4) : 0
                     Use Platform Timer (V4) : 0
               RTC_STS valid on S4 wake (V4) : 0
                Remote Power-on capable (V4) : 0
                 Use APIC Cluster Model (V4) : 0
     Use APIC Physical Destination Mode (V4) : 0
                       Hardware Reduced (V5) : 0
                      Low Power S0 Idle (V5) : 0

[074h 0116  12]               Reset Register : [Generic Address Structure]
[074h 0116   1]                     Space ID : 01 [SystemIO]
[075h 0117   1]                    Bit Width : 08
[076h 0118   1]                   Bit Offset : 00
[077h 0119   1]         Encoded Access Width : 01 [Byte Access:8]
[078h 0120   8]                      Address : 0000000000000CF9

[080h 0128   1]         Value to cause reset : 0F
[081h 0129   2]    ARM Flags (decoded below) : 0000
                              PSCI Compliant : 0
                       Must use HVC for PSCI : 0

[083h 0131   1]          FADT Minor Revision : 04
[084h 0132   8]                 FACS Address : 0000000000000000
[08Ch 0140   8]                 DSDT Address : 0000000007FC1000
[094h 0148  12]             PM1A Event Block : [Generic Address Structure]
[094h 0148   1]                     Space ID : 01 [SystemIO]
[095h 0149   1]                    Bit Width : 20
[096h 0150   1]                   Bit Offset : 00
[097h 0151   1]         Encoded Access Width : 03 [DWord Access:32]
[098h 0152   8]                      Address : 0000000000000600

[0A0h 0160  12]             PM1B Event Block : [Generic Address Structure]
[0A0h 0160   1]                     Space ID : 00 [SystemMemory]
[0A1h 0161   1]                    Bit Width : 00
[0A2h 0162   1]                   Bit Offset : 00
[0A3h 0163   1]         Encoded Access Width : 00 [Undefined/Legacy]
[0A4h 0164   8]                      Address : 0000000000000000

[0ACh 0172  12]           PM1A Control Block : [Generic Address Structure]
[0ACh 0172   1]                     Space ID : 01 [SystemIO]
[0ADh 0173   1]                    Bit Width : 10
[0AEh 0174   1]                   Bit Offset : 00
[0AFh 0175   1]         Encoded Access Width : 02 [Word Access:16]
[0B0h 0176   8]                      Address : 0000000000000604

[0B8h 0184  12]           PM1B Control Block : [Generic Address Structure]
[0B8h 0184   1]                     Space ID : 00 [SystemMemory]
[0B9h 0185   1]                    Bit Width : 00
[0BAh 0186   1]                   Bit Offset : 00
[0BBh 0187   1]         Encoded Access Width : 00 [Undefined/Legacy]
[0BCh 0188   8]                      Address : 0000000000000000

[0C4h 0196  12]            PM2 Control Block : [Generic Address Structure]
[0C4h 0196   1]                     Space ID : 00 [SystemMemory]
[0C5h 0197   1]                    Bit Width : 00
[0C6h 0198   1]                   Bit Offset : 00
[0C7h 0199   1]         Encoded Access Width : 00 [Undefined/Legacy]
[0C8h 0200   8]                      Address : 0000000000000000

[0D0h 0208  12]               PM Timer Block : [Generic Address Structure]
[0D0h 0208   1]                     Space ID : 01 [SystemIO]
[0D1h 0209   1]                    Bit Width : 20
[0D2h 0210   1]                   Bit Offset : 00
[0D3h 0211   1]         Encoded Access Width : 03 [DWord Access:32]
[0D4h 0212   8]                      Address : 0000000000000608

[0DCh 0220  12]                   GPE0 Block : [Generic Address Structure]
[0DCh 0220   1]                     Space ID : 01 [SystemIO]
[0DDh 0221   1]                    Bit Width : 20
[0DEh 0222   1]                   Bit Offset : 00
[0DFh 0223   1]         Encoded Access Width : 03 [DWord Access:32]
[0E0h 0224   8]                      Address : 000000000000AFE0

[0E8h 0232  12]                   GPE1 Block : [Generic Address Structure]
[0E8h 0232   1]                     Space ID : 00 [SystemMemory]
[0E9h 0233   1]                    Bit Width : 00
[0EAh 0234   1]                   Bit Offset : 00
[0EBh 0235   1]         Encoded Access Width : 00 [Undefined/Legacy]
[0ECh 0236   8]                      Address : 0000000000000000


[0F4h 0244  12]       Sleep Control Register : [Generic Address Structure]
[0F4h 0244   1]                     Space ID : 00 [SystemMemory]
[0F5h 0245   1]                    Bit Width : 00
[0F6h 0246   1]                   Bit Offset : 00
[0F7h 0247   1]         Encoded Access Width : 00 [Undefined/Legacy]
[0F8h 0248   8]                      Address : 0000000000000000

[100h 0256  12]        Sleep Status Register : [Generic Address Structure]
[100h 0256   1]                     Space ID : 00 [SystemMemory]
[101h 0257   1]                    Bit Width : 00
[102h 0258   1]                   Bit Offset : 00
[103h 0259   1]         Encoded Access Width : 00 [Undefined/Legacy]
[104h 0260   8]                      Address : 0000000000000000

[10Ch 0268   8]                Hypervisor ID : 454C42414D4D4944

// ---- facs ----

[000h 0000   4]                    Signature : "FACS"
[004h 0004   4]                       Length : 00000040
[008h 0008   4]           Hardware Signature : 00000000
[00Ch 0012   4]    32 Firmware Waking Vector : 00000000
[010h 0016   4]                  Global Lock : 00000000
[014h 0020   4]        Flags (decoded below) : 00000000
                      S4BIOS Support Present : 0
                  64-bit Wake Supported (V2) : 0
[018h 0024   8]    64 Firmware Waking Vector : 0000000000000000
[020h 0032   1]                      Version : 02
[021h 0033   3]                     Reserved : 000000
[024h 0036   4]    OspmFlags (decoded below) : 00000000
               64-bit Wake Env Required (V2) : 0

// ---- hpet ----

[000h 0000   4]                    Signature : "HPET"    [High Precision Event Timer table]
[004h 0004   4]                 Table Length : 00000038
[008h 0008   1]                     Revision : 01
[009h 0009   1]                     Checksum : C6
[00Ah 0010   6]                       Oem ID : "DIMMBL"
[010h 0016   8]                 Oem Table ID : "DIMMABLE"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "DIMM"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   4]            Hardware Block ID : 8086A201

[028h 0040  12]         Timer Block Register : [Generic Address Structure]
[028h 0040   1]                     Space ID : 00 [SystemMemory]
[029h 0041   1]                    Bit Width : 40
[02Ah 0042   1]                   Bit Offset : 00
[02Bh 0043   1]         Encoded Access Width : 00 [Undefined/Legacy]
[02Ch 0044   8]                      Address : 00000000FED00000

[034h 0052   1]              Sequence Number : 00
[035h 0053   2]          Minimum Clock Ticks : 0000
[037h 0055   1]        Flags (decoded below) : 00
                             4K Page Protect : 0
                            64K Page Protect : 0

// ---- srat ----

[000h 0000   4]                    Signature : "SRAT"    [System Resource Affinity Table]
[004h 0004   4]                 Table Length : 00000090
[008h 0008   1]                     Revision : 03
[009h 0009   1]                     Checksum : A3
[00Ah 0010   6]                       Oem ID : "DIMMBL"
[010h 0016   8]                 Oem Table ID : "DIMMABLE"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "DIMM"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   4]               Table Revision : 00000001
[028h 0040   8]                     Reserved : 0000000000000000

[030h 0048   1]                Subtable Type : 00 [Processor Local APIC/SAPIC Affinity]
[031h 0049   1]                       Length : 10

[032h 0050   1]      Proximity Domain Low(8) : 00
[033h 0051   1]                      Apic ID : 00
[034h 0052   4]        Flags (decoded below) : 00000001
                                     Enabled : 1
[038h 0056   1]              Local Sapic EID : 00
[039h 0057   3]    Proximity Domain High(24) : 000000
[03Ch 0060   4]                 Clock Domain : 00000000

[040h 0064   1]                Subtable Type : 01 [Memory Affinity]
[041h 0065   1]                       Length : 28

[042h 0066   4]             Proximity Domain : 00000000
[046h 0070   2]                    Reserved1 : 0000
[048h 0072   8]                 Base Address : 0000000000000000
[050h 0080   8]               Address Length : 00000000000A0000
[058h 0088   4]                    Reserved2 : 00000000
[05Ch 0092   4]        Flags (decoded below) : 00000001
                                     Enabled : 1
                               Hot Pluggable : 0
                                Non-Volatile : 0
[060h 0096   8]                    Reserved3 : 0000000000000000

[068h 0104   1]                Subtable Type : 01 [Memory Affinity]
[069h 0105   1]                       Length : 28

[06Ah 0106   4]             Proximity Domain : 00000000
[06Eh 0110   2]                    Reserved1 : 0000
[070h 0112   8]                 Base Address : 0000000000100000
[078h 0120   8]               Address Length : 0000000007F00000
[080h 0128   4]                    Reserved2 : 00000000
[084h 0132   4]        Flags (decoded below) : 00000001
                                     Enabled : 1
                               Hot Pluggable : 0
                                Non-Volatile : 0
[088h 0136   8]                    Reserved3 : 0000000000000000

// ---- waet ----

[000h 0000   4]                    Signature : "WAET"    [Windows ACPI Emulated Devices Table]
[004h 0004   4]                 Table Length : 00000028
[008h 0008   1]                     Revision : 01
[009h 0009   1]                     Checksum : 8B
[00Ah 0010   6]                       Oem ID : "DIMMBL"
[010h 0016   8]                 Oem Table ID : "DIMMABLE"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "DIMM"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   4]        Flags (decoded below) : 00000002
                        RTC needs no INT ack : 0
                     PM timer, one read only : 1

// ---- xsdt ----

[000h 0000   4]                    Signature : "XSDT"    [Extended System Description Table]
[004h 0004   4]                 Table Length : 0000004C
[008h 0008   1]                     Revision : 01
[009h 0009   1]                     Checksum : 8F
[00Ah 0010   6]                       Oem ID : "DIMMBL"
[010h 0016   8]                 Oem Table ID : "DIMMABLE"
[018h 0024   4]                 Oem Revision : 00000001
[01Ch 0028   4]              Asl Compiler ID : "DIMM"
[020h 0032   4]        Asl Compiler Revision : 00000001

[024h 0036   8]       ACPI Table Address   0 : 0000000007FC3080
[02Ch 0044   8]       ACPI Table Address   1 : 0000000007FC31C0
[034h 0052   8]       ACPI Table Address   2 : 0000000007FC3240
[03Ch 0060   8]       ACPI Table Address   3 : 0000000007FC3300
[044h 0068   8]       ACPI Table Address   4 : 0000000007FC3340
