/* SPDX-License-Identifier: ISC */
/* Files that are written whole or not at all, whatever the disk does. */
#ifndef SIM_REPORT_WHOLE_FILE_H
#define SIM_REPORT_WHOLE_FILE_H

#include <stddef.h>

/* Makes or replaces the file `path`: by another beside it (PATH.new.PID) that takes its name when
 * all `size` bytes are in it, and its mode if there was one.  A symbolic link is followed.  What is
 * no file, as /dev/stdout, and a file in a folder where none may be made is written to as it is.
 * Blocks on the disk.  Returns 0, or -1 with errno: then what was there is as it was (but for the
 * latter two), and nothing new is. */
int whole_file_write(const char *path, const char *bytes, size_t size);

#endif
