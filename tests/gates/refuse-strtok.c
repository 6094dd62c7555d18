/* refuse: refers to strtok, */
#include <string.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return strtok(argv[0], "x") != 0;
}
