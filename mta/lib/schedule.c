/* SPDX-License-Identifier: ISC */
#include "mta/lib/schedule.h"

#include "mta/lib/num.h"

int64_t schedule_next(int64_t birth, int64_t now, unsigned skip)
{
    if (birth > now && (uint64_t) birth - (uint64_t) now > 1)
        birth = now;
    uint64_t age = birth > now ? 0 : (uint64_t) now - (uint64_t) birth;
    uint64_t root = num_square_root(age) + skip;
    return birth + (int64_t) (root * root);
}

int64_t schedule_largest_step(int64_t lifetime, unsigned skip)
{
    uint64_t root = num_square_root(lifetime > 0 ? (uint64_t) lifetime : 0);
    return (int64_t) (2 * skip * root + (uint64_t) skip * skip);
}
