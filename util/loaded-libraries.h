/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the leak checker of sanitizers: libraries that are not unloaded. */
#ifndef UTIL_LOADED_LIBRARIES_H
#define UTIL_LOADED_LIBRARIES_H

/* All libraries that are loaded now stay until the program ends, where AddressSanitizer is: what a
 * plug-in of a library keeps would be lost with it, and be called a leak of which nobody can say
 * where it was allocated. Nothing otherwise. Any thread. */
void loaded_libraries_keep(void);

#endif
