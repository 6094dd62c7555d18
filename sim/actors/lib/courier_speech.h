/* SPDX-License-Identifier: ISC */
/* What courier.c (bytes) and courier_speech.c (what is said, and what replies mean) share. */
#ifndef SIM_ACTORS_LIB_COURIER_SPEECH_H
#define SIM_ACTORS_LIB_COURIER_SPEECH_H

#include "sim/actors/lib/courier.h"

/* The connection is gone, or of no use: `why`, and at which step. */
void courier_lose(struct courier *courier, const char *why);
/* How long what is awaited now may take. */
void courier_set_deadline(struct courier *courier, int64_t now_ms);
/* Says `verb`, then `argument` and `end` (may be ""). */
void courier_say(struct courier *courier, const char *verb, const char *argument, const char *end);
/* A whole reply is in `reply` and `code`: what follows from it. */
void courier_on_reply(struct courier *courier, int64_t now_ms);

#endif
