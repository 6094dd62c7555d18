/* refuse: refers to stderr, */
#include <stdio.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return fputs("x", stderr);
}
