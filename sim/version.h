/* SPDX-License-Identifier: ISC */
/* The version of all of Nixie: here and nowhere else.  CHANGELOG.md says what is new in it. */
#ifndef SIM_VERSION_H
#define SIM_VERSION_H

#define NIXIE_VERSION "0.1.0"

#endif
