/* refuse: refers to strerror, */
#include <string.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return strerror(argc)[0];
}
