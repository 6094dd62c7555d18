/* SPDX-License-Identifier: ISC */
/* Base64 without line breaks (RFC 4648 4), as SMTP's AUTH has it (RFC 4954 4). */
#ifndef SIM_ACTORS_LIB_BASE64_H
#define SIM_ACTORS_LIB_BASE64_H

#include <stddef.h>

#include "mta/lib/buf.h"

/* Adds `size` bytes to `buf`, encoded.  0, or -1 as buf_add. */
int base64_add(struct buf *buf, const char *bytes, size_t size);

/* Adds what `size` bytes of text stand for to `buf`.  0, or -1 with EINVAL (bytes that are none of
 * the alphabet, wrong padding, bits left over), or as buf_add. */
int base64_read(struct buf *buf, const char *text, size_t size);

#endif
