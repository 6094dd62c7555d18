/* SPDX-License-Identifier: ISC */
#include "mta/lib/environment.h"

#include <string.h>

const char *environment_get(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (char *const *entry = environment; *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}
