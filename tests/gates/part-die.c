/* A second `die`, for refuse-two-globals. */
void die(void);
void die(void)
{
}
