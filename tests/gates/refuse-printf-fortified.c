/* refuse: stderr, which is on neither */
#include <stdio.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return fprintf(stderr, "%s", argv[0]);
}
