/* Lines for people on the serial port of a board with Ethernet. What does not fit is dropped. */
#ifndef ATOLL_CONSOLE_H
#define ATOLL_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

void atoll_console_say(const char *text);
void atoll_console_number(uint32_t number);
void atoll_console_address(const uint8_t address[4]);

/* Give the port what it takes. True: there is more. */
bool atoll_console_serve(void);

#endif
