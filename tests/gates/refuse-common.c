/* refuse: has mutable data: shared in COMMON */
/* flags: -fcommon */
int shared;
int main(void)
{
    return shared;
}
