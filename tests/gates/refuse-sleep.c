/* refuse: refers to sleep, */
#include <unistd.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return (int) sleep(1);
}
