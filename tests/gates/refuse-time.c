/* refuse: refers to time, */
#include <time.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return (int) time(0);
}
