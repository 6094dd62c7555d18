/* refuse: signal, which is on neither */
#include <signal.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return signal(SIGTERM, SIG_IGN) == SIG_ERR;
}
