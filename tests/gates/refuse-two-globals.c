/* refuse: die is defined in */
/* with: part-die.c */
void die(void);
void die(void)
{
}
int main(void)
{
    die();
    return 0;
}
