#include "shell.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 4096, WAIT_MAX_MS = 1000 };

uint64_t shell_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

int shell_connect(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    int stream = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(stream, (struct sockaddr *)&to, sizeof to) != 0) {
        close(stream);
        return -1;
    }
    setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return stream;
}

bool shell_read_lines(void (*obey)(char *line))
{
    static char input[LINE];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, input + used, sizeof input - used);
    char *end;
    if (got <= 0) {
        return false;
    }
    used += (size_t)got;
    while ((end = memchr(input, '\n', used)) != NULL) {
        size_t size = (size_t)(end - input) + 1;
        char line[LINE + 1];
        memcpy(line, input, size);
        line[size - 1] = 0;
        used -= size;
        memmove(input, end + 1, used);
        obey(line);
    }
    return true;
}

void shell_wait(int stream, uint64_t wakeup_ms, bool *input, bool *arrived)
{
    uint64_t now = shell_clock_ms();
    int wait = wakeup_ms <= now                ? 0
               : wakeup_ms - now < WAIT_MAX_MS ? (int)(wakeup_ms - now)
                                               : WAIT_MAX_MS;
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = stream, .events = POLLIN}};
    poll(fds, 2, wait); /* a negative descriptor is passed over */
    *input = fds[0].revents != 0;
    *arrived = stream >= 0 && fds[1].revents != 0;
}

long shell_send(int stream, const uint8_t *data, size_t size)
{
    return (long)send(stream, data, size, MSG_NOSIGNAL);
}
