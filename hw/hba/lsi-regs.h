/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of the LSI 53C895A, by the names of its technical manual; those of the 53C810 are the
 * first of them. */
#ifndef HW_HBA_LSI_REGS_H
#define HW_HBA_LSI_REGS_H

enum {
    LSI_SCNTL0 = 0x00,
    LSI_SCNTL1 = 0x01,
    LSI_SCNTL2 = 0x02,
    LSI_SCNTL3 = 0x03,
    LSI_SCID = 0x04,
    LSI_SXFER = 0x05,
    LSI_SDID = 0x06,
    LSI_GPREG = 0x07,
    LSI_SFBR = 0x08,
    LSI_SSID = 0x0a,
    LSI_SBCL = 0x0b,
    LSI_DSTAT = 0x0c,
    LSI_SSTAT0 = 0x0d,
    LSI_SSTAT1 = 0x0e,
    LSI_SSTAT2 = 0x0f,
    LSI_DSA = 0x10,
    LSI_ISTAT0 = 0x14,
    LSI_ISTAT1 = 0x15,
    LSI_CTEST0 = 0x18,
    LSI_CTEST1 = 0x19,
    LSI_CTEST2 = 0x1a,
    LSI_CTEST3 = 0x1b,
    LSI_TEMP = 0x1c,
    LSI_DFIFO = 0x20,
    LSI_CTEST5 = 0x22,
    LSI_DBC = 0x24,
    LSI_DCMD = 0x27,
    LSI_DNAD = 0x28,
    LSI_DSP = 0x2c,
    LSI_DSPS = 0x30,
    LSI_SCRATCHA = 0x34,
    LSI_DMODE = 0x38,
    LSI_DIEN = 0x39,
    LSI_DCNTL = 0x3b,
    LSI_SIEN0 = 0x40,
    LSI_SIEN1 = 0x41,
    LSI_SIST0 = 0x42,
    LSI_SIST1 = 0x43,
    LSI_MACNTL = 0x46,
    LSI_GPCNTL = 0x47,
    LSI_STIME0 = 0x48,
    LSI_STIME1 = 0x49,
    LSI_RESPID0 = 0x4a,
    LSI_STEST4 = 0x52,
    LSI_CCNTL0 = 0x56,
    LSI_CCNTL1 = 0x57,
    LSI_SCRATCHC = 0x60,
    LSI_MMRS = 0xa0, /* the upper halves of addresses: of reads of memory moves, and so on */
    LSI_MMWS = 0xa4,
    LSI_SFS = 0xa8,
    LSI_DRS = 0xac,
    LSI_SBMS = 0xb0,
    LSI_DBMS = 0xb4,
    LSI_PMJAD1 = 0xc0,
    LSI_PMJAD2 = 0xc4,
    LSI_RBC = 0xc8,
    LSI_UA = 0xcc,
    LSI_ESA = 0xd0,
    LSI_IA = 0xd4,
    LSI_SBC = 0xd8,
    LSI_CSBC = 0xdc,
    LSI_REGISTERS = 0x100,
};

enum {
    LSI_SCNTL1_CON = 0x10, /* connected */
    LSI_SCNTL1_RST = 0x08, /* of the bus */
    LSI_SCNTL2_SDU = 0x80, /* it must not be disconnected */
    LSI_ISTAT_ABRT = 0x80,
    LSI_ISTAT_SRST = 0x40,
    LSI_ISTAT_SIGP = 0x20,
    LSI_ISTAT_SEM = 0x10,
    LSI_ISTAT_CON = 0x08,
    LSI_ISTAT_INTF = 0x04,
    LSI_ISTAT_SIP = 0x02,
    LSI_ISTAT_DIP = 0x01,
    LSI_DSTAT_DFE = 0x80, /* the FIFO is empty: always */
    LSI_DSTAT_BF = 0x20,
    LSI_DSTAT_ABRT = 0x10,
    LSI_DSTAT_SSI = 0x08,
    LSI_DSTAT_SIR = 0x04,
    LSI_DSTAT_IID = 0x01,
    LSI_SSTAT0_RST = 0x02,
    LSI_SSTAT2_LDSC = 0x02,
    LSI_SIST0_MA = 0x80,
    LSI_SIST0_UDC = 0x04,
    LSI_SIST0_RST = 0x02,
    LSI_SIST1_STO = 0x04,
    LSI_SIST1_GEN = 0x02,
    LSI_CTEST2_SIGP = 0x40,
    LSI_DMODE_MAN = 0x01,
    LSI_DCNTL_SSM = 0x10,
    LSI_DCNTL_STD = 0x04,
    LSI_DCNTL_IRQD = 0x02,
    LSI_CCNTL0_ENPMJ = 0x80,
    LSI_CCNTL0_PMJCTL = 0x40,
    LSI_CCNTL1_XTIMOD = 0x04,
    LSI_CCNTL1_EXTIBMV = 0x02,
    LSI_CCNTL1_EXDBMV = 0x01,
};

/* Phases, as SSTAT1 has them. */
enum {
    LSI_DATA_OUT = 0,
    LSI_DATA_IN = 1,
    LSI_COMMAND = 2,
    LSI_STATUS = 3,
    LSI_MESSAGE_OUT = 6,
    LSI_MESSAGE_IN = 7,
    LSI_NO_PHASE = 8, /* the bus is free */
    LSI_WAIT_PHASE,   /* the target has not said yet */
};

#endif
