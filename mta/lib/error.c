/* SPDX-License-Identifier: ISC */
#include "mta/lib/error.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    int error;
    bool temporary;
    const char *text;
} errors[] = {
    {0, false, "no error"},
    {EPERM, false, "not permitted"},
    {ENOENT, false, "file does not exist"},
    {ESRCH, false, "no such process"},
    {EINTR, true, "interrupted"},
    {EIO, true, "input or output error"},
    {ENXIO, true, "device not configured"},
    {E2BIG, false, "argument list too long"},
    {ENOEXEC, false, "not a program"},
    {EBADF, false, "descriptor not open"},
    {ECHILD, false, "no child process"},
    {EAGAIN, true, "temporarily unavailable"},
    {ENOMEM, true, "out of memory"},
    {EACCES, false, "access denied"},
    {EFAULT, false, "bad address in memory"},
    {EBUSY, true, "busy"},
    {EEXIST, false, "file exists"},
    {EXDEV, false, "on another file system"},
    {ENODEV, false, "no such device"},
    {ENOTDIR, false, "not a directory"},
    {EISDIR, false, "is a directory"},
    {EINVAL, false, "invalid argument"},
    {ENFILE, true, "too many files open in the system"},
    {EMFILE, true, "too many files open"},
    {ETXTBSY, true, "program is being written"},
    {EFBIG, false, "file too large"},
    {ENOSPC, true, "no space left on the disk"},
    {ESPIPE, false, "cannot seek"},
    {EROFS, true, "read-only file system"},
    {EMLINK, false, "too many links"},
    {EPIPE, true, "broken pipe"},
    {ERANGE, false, "number out of range"},
    {EDEADLK, true, "deadlock avoided"},
    {ENAMETOOLONG, false, "name too long"},
    {ENOLCK, true, "no locks available"},
    {ENOSYS, false, "not supported by this system"},
    {ENOTEMPTY, false, "directory not empty"},
    {ELOOP, false, "too many symbolic links"},
    {EBADMSG, false, "damaged data"},
    {EOVERFLOW, false, "value too large"},
    {ENOTSOCK, false, "not a socket"},
    {EMSGSIZE, false, "too long"},
    {EOPNOTSUPP, false, "operation not supported"},
    {EADDRINUSE, true, "address in use"},
    {EADDRNOTAVAIL, true, "address not available"},
    {ENETDOWN, true, "network down"},
    {ENETUNREACH, true, "network unreachable"},
    {ECONNABORTED, true, "connection aborted"},
    {ECONNRESET, true, "connection reset"},
    {ENOBUFS, true, "no buffer space"},
    {ENOTCONN, true, "not connected"},
    {ETIMEDOUT, true, "timed out"},
    {ECONNREFUSED, true, "connection refused"},
    {EHOSTUNREACH, true, "host unreachable"},
    {ESTALE, true, "stale file handle"},
    {EDQUOT, true, "disk quota exceeded"},
};

const char *error_text(int error)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].error == error)
            return errors[i].text;
    return "unknown error";
}

bool error_is_temporary(int error)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].error == error)
            return errors[i].temporary;
    return false;
}
