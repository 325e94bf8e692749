/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands of a CXL memory device's mailbox (Compute Express Link 3.0, section 8.2.9). Machine
 * lock.
 */
#ifndef HW_CXL_CXL_COMMANDS_H
#define HW_CXL_CXL_COMMANDS_H

#include "hw/cxl/cxl-type3.h"

/* Return codes (section 8.2.8.4.5.1). */
typedef enum CxlReturn {
    CXL_SUCCESS = 0x00,
    CXL_INVALID_INPUT = 0x02,
    CXL_UNSUPPORTED = 0x03,
    CXL_INTERNAL_ERROR = 0x04,
    CXL_INVALID_HANDLE = 0x0e,
    CXL_INVALID_ADDRESS = 0x0f,
    CXL_POISON_LIMIT = 0x10,
    CXL_INVALID_LENGTH = 0x16,
} CxlReturn;

/* Carry out @opcode with @length bytes of @in, at most MAILBOX_PAYLOAD_SIZE; what it returns goes
 * to
 * @out, which has room for as much, and is *@out_length bytes: 0 unless it succeeds. */
CxlReturn cxl_command(CxlType3 *s, uint16_t opcode, const uint8_t *in, size_t length, uint8_t *out,
                      size_t *out_length);

#endif
