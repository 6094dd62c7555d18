/* refuse: has mutable data: mine in .tdata */
_Thread_local int mine = 1;
int main(void)
{
    return mine++;
}
