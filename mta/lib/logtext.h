/* SPDX-License-Identifier: ISC */
/* Text of others (addresses, reports) made fit for one field of a log line. */
#ifndef MTA_LIB_LOGTEXT_H
#define MTA_LIB_LOGTEXT_H

#include <stddef.h>

#include "mta/lib/buf.h"

/* Appends `size` bytes: a newline becomes '/', everything else that is not printable ASCII, the
 * blank and '%' become '_'.  As buf_add. */
int logtext_add(struct buf *to, const char *text, size_t size);

#endif
