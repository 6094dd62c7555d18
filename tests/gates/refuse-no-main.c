/* refuse: there is no main */
int start(void);
int start(void)
{
    return 0;
}
