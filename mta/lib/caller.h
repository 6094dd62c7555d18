/* SPDX-License-Identifier: ISC */
/* Who hands a message to nixie-queue, as far as the caller says it itself.  The queue believes it
 * only in single-user mode; else it knows the user. */
#ifndef MTA_LIB_CALLER_H
#define MTA_LIB_CALLER_H

/* The letter stands in the greeting on run/queue ("Q1\n") and behind the option --tell=. */
enum caller {
    CALLER_USER = '1',
    CALLER_NETWORK = 'n',
    CALLER_ALIAS = 'a',
    CALLER_BOUNCE = 'b',
};

#endif
