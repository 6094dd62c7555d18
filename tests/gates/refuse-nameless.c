/* refuse: has mutable data without a name in .data */
__asm__(".data\n.long 1, 2, 3\n.text\n");
int main(void)
{
    return 0;
}
