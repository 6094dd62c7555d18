/* SPDX-License-Identifier: ISC */
/* What `nixie mta` tells people.  Every error is one sentence, and says what to do about it. */
#ifndef SIM_REAL_SAY_H
#define SIM_REAL_SAY_H

enum {
    MTA_OK = 0,
    MTA_NO = 1,      /* the answer is no */
    MTA_WRONG = 2,   /* the command is wrong */
    MTA_LACKING = 3, /* this machine lacks something: a right, space, a user, a program */
};

/* Prints "nixie mta: ..." on standard error and returns `status`. */
__attribute__((format(printf, 2, 3))) int say_failure(int status, const char *format, ...);

/* Prints "cannot WHAT PATH: REASON" for `error`, an errno, with what to do about it.  Returns
 * MTA_LACKING, or MTA_WRONG where the path is to blame. */
int say_errno(const char *what, const char *path, int error);

#endif
