/* SPDX-License-Identifier: ISC */
#include <stdio.h>

int main(void)
{
    puts("usage: nixie COMMAND");
    return 2;
}
