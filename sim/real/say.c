/* SPDX-License-Identifier: ISC */
#include "sim/real/say.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int say_failure(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("nixie mta: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return status;
}

static const char *advice(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return "; run this as its owner, or as root";
    case ENOSPC:
    case EDQUOT:
        return "; free some space and run the same command again";
    case EROFS:
        return "; choose a directory on a file system that can be written";
    case ENOENT:
        return "; check the path";
    case EMFILE:
    case ENFILE:
        return "; raise the limit of open files (ulimit -n)";
    default:
        return "";
    }
}

int say_errno(const char *what, const char *path, int error)
{
    int status = error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG || error == EEXIST
                     ? MTA_WRONG
                     : MTA_LACKING;
    return say_failure(status, "cannot %s %s: %s%s", what, path, strerror(error), advice(error));
}
