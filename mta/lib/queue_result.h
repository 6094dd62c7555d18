/* SPDX-License-Identifier: ISC */
/* The exit codes of nixie-queue, which are qmail-queue's, and what they mean to a caller. */
#ifndef MTA_LIB_QUEUE_RESULT_H
#define MTA_LIB_QUEUE_RESULT_H

#include <stdbool.h>

enum queue_result {
    QUEUE_OK = 0,
    QUEUE_ADDRESS_LONG = 11,
    QUEUE_REFUSED = 31,
    QUEUE_MEMORY = 51,
    QUEUE_TIMEOUT = 52,
    QUEUE_WRITE = 53, /* write error or disk full */
    QUEUE_READ = 54,
    QUEUE_CONFIG = 55,
    QUEUE_NETWORK = 56,
    QUEUE_HOME = 61,
    QUEUE_DIRECTORY = 62,
    QUEUE_PID = 63,
    QUEUE_MESS = 64,
    QUEUE_INTD = 65,
    QUEUE_TODO = 66,
    QUEUE_REFUSED_NOW = 71,
    QUEUE_CONNECT_TIMEOUT = 72,
    QUEUE_CONNECT_REFUSED = 73,
    QUEUE_COMMUNICATION = 74,
    QUEUE_BUG = 81,
    QUEUE_TEXT = 82, /* the text came on descriptor 6 */
    QUEUE_ENVELOPE = 91,
    QUEUE_EXEC = 120,
    QUEUE_CRASHED = 256, /* no exit code: killed, or the connection broke before the answer */
};

/* What a client is told: `D` (permanent) or `Z` (temporary) and a line; "" for QUEUE_OK. */
const char *queue_result_text(int result);

/* True for a failure that trying again cannot mend. */
bool queue_result_is_permanent(int result);

#endif
