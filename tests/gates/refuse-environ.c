/* refuse: environ, which is on neither */
#include <unistd.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return environ[0] != 0;
}
