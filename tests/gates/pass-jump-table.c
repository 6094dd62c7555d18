/* pass: a switch that compilers turn into a table */
int main(int argc, char **argv)
{
    (void) argv;
    switch (argc) {
    case 0:
        return 17;
    case 1:
        return 3;
    case 2:
        return 99;
    case 3:
        return -4;
    case 4:
        return 12;
    case 5:
        return 88;
    case 6:
        return 41;
    default:
        return 1;
    }
}
