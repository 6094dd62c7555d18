/* refuse: refers to getopt, */
#include <unistd.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return getopt(argc, argv, "x");
}
