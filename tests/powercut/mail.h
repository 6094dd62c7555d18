/* SPDX-License-Identifier: ISC */
/*
 * The messages of the load test: their content follows from their number, so that what is found can
 * be judged byte for byte.  Users are bob and alice; a message goes to one of them or to both.
 */
#ifndef TESTS_POWERCUT_MAIL_H
#define TESTS_POWERCUT_MAIL_H

#include <stdbool.h>
#include <stddef.h>

#define MAIL_DOMAIN "mail.example"
#define MAIL_USERS 2
extern const char *const mail_users[MAIL_USERS];

bool mail_is_for(unsigned number, unsigned user);

/* The message as a client sends it, lines ended by `end` ("\n" or "\r\n"); to be freed.  With a To
 * field for each recipient. */
char *mail_text(unsigned number, const char *end, size_t *size);

/* Which message a delivered file is; 0 if it is none of those, or not whole and exact. */
unsigned mail_read(const char *bytes, size_t size);

#endif
