/* SPDX-License-Identifier: ISC */
/* What cannot be had for real. */
#ifndef SIM_REALITY_CANNOT_H
#define SIM_REALITY_CANNOT_H

#include "sim/scenario/model.h"

/* Why, in words that are good until the next call; NULL: the scenario can be run. */
const char *cannot_really(const struct scenario *scenario);

/* The same, of what can be run where namespaces are allowed only.  `has_v6_sockets`: whether there
 * are any. */
const char *cannot_without_namespaces(const struct scenario *scenario, bool has_v6_sockets);

#endif
