/* A board whose clocks run and whose pins are set before the first instruction. */
#include "port.h"

void atoll_clock_start(void)
{
}
