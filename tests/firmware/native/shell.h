/* What the shells of the tests share: a clock, a TCP stream to loopback, lines from standard input. */
#ifndef ATOLL_TEST_SHELL_H
#define ATOLL_TEST_SHELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t shell_clock_ms(void);

/* A stream to this port: its descriptor, or -1. */
int shell_connect(uint16_t port);

/* Give each line that has come to `obey`; false: standard input has ended. */
bool shell_read_lines(void (*obey)(char *line));

/* Wait until there is input, the stream has something, or `wakeup_ms`; the poll's answer for both. */
void shell_wait(int stream, uint64_t wakeup_ms, bool *input, bool *arrived);

/* Send some of it: how much, or -1. */
long shell_send(int stream, const uint8_t *data, size_t size);

#endif
