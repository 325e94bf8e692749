/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers and descriptors of Intel's 8254x: "PCI/PCI-X Family of Gigabit Ethernet Controllers
 * Software Developer's Manual" (317453), chapters 3, 5 and 13. What only the 82574L has is of its
 * datasheet (317694), chapters 7 and 10.
 */
#ifndef HW_NET_E1000_REGS_H
#define HW_NET_E1000_REGS_H

/* Offsets in memory. */
enum {
    E1000_CTRL = 0x0000,
    E1000_CTRL_DUP = 0x0004, /* the same again */
    E1000_STATUS = 0x0008,
    E1000_EECD = 0x0010,
    E1000_EERD = 0x0014,
    E1000_CTRL_EXT = 0x0018,
    E1000_MDIC = 0x0020,
    E1000_FCAL = 0x0028,
    E1000_FCAH = 0x002c,
    E1000_FCT = 0x0030,
    E1000_VET = 0x0038,
    E1000_ICR = 0x00c0,
    E1000_ITR = 0x00c4,
    E1000_ICS = 0x00c8,
    E1000_IMS = 0x00d0,
    E1000_IMC = 0x00d8,
    E1000_EIAC = 0x00dc, /* 82574L, as are the next three */
    E1000_IAM = 0x00e0,
    E1000_IVAR = 0x00e4,
    E1000_EITR = 0x00e8, /* of each vector */
    E1000_RCTL = 0x0100,
    E1000_FCTTV = 0x0170,
    E1000_TXCW = 0x0178,
    E1000_TCTL = 0x0400,
    E1000_TIPG = 0x0410,
    E1000_AIT = 0x0458,
    E1000_LEDCTL = 0x0e00,
    E1000_EXTCNF_CTRL = 0x0f00,
    E1000_EXTCNF_SIZE = 0x0f08,
    E1000_PBA = 0x1000,
    E1000_PBS = 0x1008,
    E1000_EEMNGCTL = 0x1010,
    E1000_PBA_ECC = 0x1100,
    E1000_FCRTL = 0x2160,
    E1000_FCRTH = 0x2168,
    E1000_PSRCTL = 0x2170,
    E1000_RDFH = 0x2410, /* to RDFPC, one each 8 bytes: the FIFO inside */
    E1000_RDBAL = 0x2800,
    E1000_RDBAH = 0x2804,
    E1000_RDLEN = 0x2808,
    E1000_RDH = 0x2810,
    E1000_RDT = 0x2818,
    E1000_RDTR = 0x2820,
    E1000_RXDCTL = 0x2828,
    E1000_RADV = 0x282c,
    E1000_TDFH = 0x3410, /* to TDFPC */
    E1000_TDBAL = 0x3800,
    E1000_TDBAH = 0x3804,
    E1000_TDLEN = 0x3808,
    E1000_TDH = 0x3810,
    E1000_TDT = 0x3818,
    E1000_TIDV = 0x3820,
    E1000_TXDCTL = 0x3828,
    E1000_TADV = 0x382c,
    E1000_TARC = 0x3840,
    E1000_RXCSUM = 0x5000,
    E1000_RFCTL = 0x5008,
    E1000_MTA = 0x5200,
    E1000_RA = 0x5400, /* RAL and RAH of each address */
    E1000_VFTA = 0x5600,
    E1000_WUC = 0x5800,
    E1000_WUFC = 0x5808,
    E1000_WUS = 0x5810,
    E1000_MRQC = 0x5818,
    E1000_MANC = 0x5820,
    E1000_IPAV = 0x5838,
    E1000_IP4AT = 0x5840, /* four, each 8 bytes */
    E1000_IP6AT = 0x5880,
    E1000_WUPM = 0x5a00,
    E1000_GCR = 0x5b00,
    E1000_FACTPS = 0x5b30,
    E1000_SWSM = 0x5b50,
    E1000_FWSM = 0x5b54,
    E1000_GCR2 = 0x5b64,
    E1000_RETA = 0x5c00,
    E1000_FFLT = 0x5f00, /* four, each 8 bytes */
    E1000_RSSRK = 0x5c80,
    E1000_SYSTIML = 0xb600,
    E1000_SYSTIMH = 0xb604,
    E1000_TIMINCA = 0xb608,
    E1000_END = 0xb60c, /* nothing is there, or behind it */
    /* From a ring's registers to those of the second one (82574L). */
    E1000_RING_STRIDE = 0x100,
};

/* What wakes a machine: kept, as there is nothing to wake. Rows of a table of E1000Register. */
#define E1000_WAKE_UP_REGISTERS                                               \
    { E1000_IPAV, 1, 0, UINT32_MAX }, { E1000_IP4AT, 4, 8, UINT32_MAX },      \
        { E1000_IP6AT, 4, 0, UINT32_MAX }, { E1000_WUPM, 32, 0, UINT32_MAX }, \
    {                                                                         \
        E1000_FFLT, 4, 8, 0x7ff                                               \
    }

/* Statistics, which a read sets to 0; the two halves of 64 bits follow each other. */
enum {
    E1000_STATS = 0x4000,
    E1000_MPC = 0x4010,
    E1000_PRC64 = 0x405c, /* and the five larger sizes */
    E1000_GPRC = 0x4074,
    E1000_BPRC = 0x4078,
    E1000_MPRC = 0x407c,
    E1000_GPTC = 0x4080,
    E1000_GORCL = 0x4088,
    E1000_GOTCL = 0x4090,
    E1000_RNBC = 0x40a0,
    E1000_RUC = 0x40a4,
    E1000_ROC = 0x40ac,
    E1000_TORL = 0x40c0,
    E1000_TOTL = 0x40c8,
    E1000_TPR = 0x40d0,
    E1000_TPT = 0x40d4,
    E1000_PTC64 = 0x40d8, /* and the five larger sizes */
    E1000_MPTC = 0x40f0,
    E1000_BPTC = 0x40f4,
    E1000_TSCTC = 0x40f8,
    E1000_STATS_END = 0x4128,
};

enum {
    E1000_CTRL_FD = 1 << 0,
    E1000_CTRL_MASTER_DISABLE = 1 << 2, /* 82574L */
    E1000_CTRL_SLU = 1 << 6,
    E1000_CTRL_SPEED_1000 = 2 << 8,
    E1000_CTRL_RST = 1 << 26,
    E1000_CTRL_VME = 1 << 30,
    E1000_STATUS_FD = 1 << 0,
    E1000_STATUS_LU = 1 << 1,
    E1000_STATUS_TXOFF = 1 << 4, /* the other end of the cable takes nothing now */
    E1000_STATUS_SPEED_1000 = 2 << 6,
    E1000_STATUS_ASDV_1000 = 2 << 8,
    E1000_STATUS_MASTER = 1 << 19,  /* 82574L: it may get at memory */
    E1000_CTRL_EXT_EIAME = 1 << 24, /* 82574L */
    E1000_CTRL_EXT_IAME = 1 << 27,
};
#define E1000_CTRL_PHY_RST (1u << 31)

enum {
    E1000_EECD_SK = 1 << 0,
    E1000_EECD_CS = 1 << 1,
    E1000_EECD_DI = 1 << 2,
    E1000_EECD_DO = 1 << 3,
    E1000_EECD_REQ = 1 << 6,
    E1000_EECD_GNT = 1 << 7,
    E1000_EECD_PRES = 1 << 8,
    E1000_EECD_LOADED = 1 << 9, /* 82574L: what the card takes from it by itself */
    E1000_EERD_START = 1 << 0,
    E1000_MDIC_WRITE = 1 << 26,
    E1000_MDIC_READ = 2 << 26,
    E1000_MDIC_OP = 3 << 26,
    E1000_MDIC_READY = 1 << 28,
    E1000_MDIC_INTERRUPT = 1 << 29,
    E1000_MDIC_ERROR = 1 << 30,
    E1000_MDIC_PHY = 1, /* its address */
};

/* Causes of interrupts. */
enum {
    E1000_ICR_TXDW = 1 << 0,
    E1000_ICR_TXQE = 1 << 1,
    E1000_ICR_LSC = 1 << 2,
    E1000_ICR_RXDMT0 = 1 << 4,
    E1000_ICR_RXO = 1 << 6,
    E1000_ICR_RXT0 = 1 << 7,
    E1000_ICR_MDAC = 1 << 9,
    E1000_ICR_BASIC = 0x1ffff, /* what all cards have */
    /* 82574L: what a message of its own can be sent for (section 10.2.4.1). */
    E1000_ICR_RXQ0 = 1 << 20, /* and RXQ1 */
    E1000_ICR_TXQ0 = 1 << 22, /* and TXQ1 */
    E1000_ICR_OTHER = 1 << 24,
    E1000_ICR_QUEUES = 31 << 20,
};
#define E1000_ICR_ASSERTED (1u << 31)

enum {
    E1000_RCTL_EN = 1 << 1,
    E1000_RCTL_SBP = 1 << 2,
    E1000_RCTL_UPE = 1 << 3,
    E1000_RCTL_MPE = 1 << 4,
    E1000_RCTL_LPE = 1 << 5,
    E1000_RCTL_LBM_MAC = 1 << 6,
    E1000_RCTL_RDMTS_SHIFT = 8,
    E1000_RCTL_DTYP = 3 << 10, /* 82574L: */
    E1000_RCTL_DTYP_SPLIT = 1 << 10,
    E1000_RCTL_MO_SHIFT = 12,
    E1000_RCTL_BAM = 1 << 15,
    E1000_RCTL_BSIZE_SHIFT = 16,
    E1000_RCTL_VFE = 1 << 18,
    E1000_RCTL_BSEX = 1 << 25,
    E1000_RCTL_SECRC = 1 << 26,
    E1000_TCTL_EN = 1 << 1,
    E1000_TCTL_PSP = 1 << 3,
    E1000_RFCTL_EXTENDED = 1 << 15,
    E1000_RFCTL_NO_EXTENSIONS = 3 << 16, /* headers behind that of IPv6 are not looked at */
    E1000_RXCSUM_IP = 1 << 8,
    E1000_RXCSUM_TRANSPORT = 1 << 9,
    E1000_RXCSUM_PCSD = 1 << 13, /* 82574L: a hash instead of a sum */
    E1000_MRQC_ENABLE = 3,
    E1000_MRQC_RSS = 1,
    /* What is hashed, and so. */
    E1000_MRQC_TCP4 = 1 << 16,
    E1000_MRQC_IPV4 = 1 << 17,
    E1000_MRQC_TCP6 = 1 << 18,
    E1000_MRQC_IPV6_EX = 1 << 19,
    E1000_MRQC_IPV6 = 1 << 20,
};
#define E1000_RAH_AV (1u << 31)

/* Transmit descriptors: the second half. A context descriptor is one with DEXT and type 0. */
enum {
    E1000_TXD_EOP = 1 << 24,
    E1000_TXD_IC = 1 << 26,  /* legacy */
    E1000_TXD_TSE = 1 << 26, /* extended */
    E1000_TXD_RS = 1 << 27,
    E1000_TXD_RPS = 1 << 28,
    E1000_TXD_DEXT = 1 << 29,
    E1000_TXD_VLE = 1 << 30,
    E1000_TXD_TYPE = 15 << 20, /* extended: 0 is a context, 1 is data */
    E1000_TXC_TCP = 1 << 24,
    E1000_TXC_IPV4 = 1 << 25,
    E1000_TXD_DD = 1 << 0, /* status */
    E1000_TXD_IXSM = 1 << 8,
    E1000_TXD_TXSM = 1 << 9,
};

enum {
    E1000_RXD_DD = 1 << 0,
    E1000_RXD_EOP = 1 << 1,
    E1000_RXD_IXSM = 1 << 2,
    E1000_RXD_VP = 1 << 3,
    E1000_RXD_UDPCS = 1 << 4,
    E1000_RXD_TCPCS = 1 << 5, /* of UDP, too */
    E1000_RXD_IPCS = 1 << 6,
    E1000_RXD_PIF = 1 << 7,
    E1000_RXD_IPIDV = 1 << 9, /* of extended descriptors, as are the others below */
    E1000_RXD_TYPE_SHIFT = 16,
    E1000_RXD_ERRORS_SHIFT = 24,
    /* Errors. */
    E1000_RXD_TCPE = 1 << 5,
    E1000_RXD_IPE = 1 << 6,
};

#define E1000_RXD_SPH 0x8000 /* of split descriptors: headers are in the first buffer alone */

/* What was hashed (section 7.1.11.1 of the 82574L's). */
enum {
    E1000_RSS_NONE = 0,
    E1000_RSS_TCP4 = 1,
    E1000_RSS_IPV4 = 2,
    E1000_RSS_TCP6 = 3,
    E1000_RSS_IPV6_EX = 4,
    E1000_RSS_IPV6 = 5,
};

#define E1000_DESCRIPTOR_SIZE       16
#define E1000_SPLIT_DESCRIPTOR_SIZE 32

/* Registers of the PHY: IEEE 802.3 clause 22, and Marvell's 88E1011. */
enum {
    E1000_PHY_CTRL = 0,
    E1000_PHY_STATUS = 1,
    E1000_PHY_ID1 = 2,
    E1000_PHY_ID2 = 3,
    E1000_PHY_ADVERTISE = 4,
    E1000_PHY_PARTNER = 5,
    E1000_PHY_1000T_CTRL = 9,
    E1000_PHY_1000T_STATUS = 10,
    E1000_PHY_SPEC_CTRL = 16,
    E1000_PHY_SPEC_STATUS = 17,
    E1000_PHY_EXT_CTRL = 20,
    E1000_PHY_PAGE = 22,
    E1000_PHY_COUNT = 32,
    E1000_PHY_CTRL_RESTART = 1 << 9,
    E1000_PHY_CTRL_LOOPBACK = 1 << 14,
    E1000_PHY_CTRL_RESET = 1 << 15,
    E1000_PHY_STATUS_LINK = 1 << 2,
    E1000_PHY_STATUS_DONE = 1 << 5, /* auto-negotiation */
    E1000_PHY_SPEC_LINK = 3 << 10,  /* up, and its speed is known */
};

#endif
