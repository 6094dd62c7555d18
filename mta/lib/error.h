/* SPDX-License-Identifier: ISC */
/* Error numbers in words, and what they mean for mail.  Nothing here fails or touches errno. */
#ifndef MTA_LIB_ERROR_H
#define MTA_LIB_ERROR_H

#include <stdbool.h>

/* Words for an errno value, lower case: "file does not exist".  Constant. */
const char *error_text(int error);

/* True if the same call may well succeed later without anybody mending anything: resources, the
 * disk, the network, races.  False for what stays wrong until somebody acts. */
bool error_is_temporary(int error);

#endif
