/* A shell around the MQTT client: a TCP socket, a clock, commands on standard
 * input, events on standard output, a line each.
 *
 *     mqtt_host PORT CLIENT KEEP_ALIVE_S [clean]
 *
 *     publish QOS RETAIN TOPIC TEXT | subscribe QOS FILTER | acknowledge PACKET
 * | drop | stop
 *
 * Answers `taken PACKET` to the first two (negative: the error). Messages are
 * acknowledged at once unless the client was started with the word `slow`. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mqtt.h"

enum { LINE = 4096 };

static struct host {
    atoll_mqtt mqtt;
    uint16_t port;
    int stream;
    bool slow, over;
} host = {.stream = -1};

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void close_stream(void)
{
    if (host.stream >= 0) {
        close(host.stream);
        host.stream = -1;
    }
    atoll_mqtt_closed(&host.mqtt, clock_ms());
    printf("closed\n");
}

static void open_stream(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(host.port)};
    int yes = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    host.stream = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(host.stream, (struct sockaddr *)&to, sizeof to) != 0) {
        close_stream();
        return;
    }
    setsockopt(host.stream, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    atoll_mqtt_opened(&host.mqtt, clock_ms());
}

static void show_message(const atoll_mqtt_event *event)
{
    printf("message %u %d %.*s ", event->packet, event->retained, (int)event->topic_size,
           (const char *)event->topic);
    for (size_t at = 0; at < event->payload_size; at++) {
        printf("%02x", event->payload[at]);
    }
    printf("\n");
    if (event->packet != 0 && !host.slow) {
        atoll_mqtt_acknowledge(&host.mqtt, event->packet);
    }
}

static void handle(const atoll_mqtt_event *event)
{
    switch (event->kind) {
    case ATOLL_MQTT_OPEN:
        open_stream();
        break;
    case ATOLL_MQTT_CLOSE:
        close_stream();
        break;
    case ATOLL_MQTT_CONNECTED:
        printf("connected %d\n", event->session);
        break;
    case ATOLL_MQTT_MESSAGE:
        show_message(event);
        break;
    case ATOLL_MQTT_PUBLISHED:
        printf("published %u\n", event->packet);
        break;
    case ATOLL_MQTT_SUBSCRIBED:
        printf("subscribed %u %u\n", event->packet, event->code);
        break;
    default:
        break;
    }
}

static void obey(char *line)
{
    char *word = strtok(line, " \n");
    char *words[4] = {NULL};
    for (int at = 0; at < 4 && word != NULL; at++) {
        words[at] = strtok(NULL, at == 3 ? "\n" : " \n");
    }
    if (word == NULL) {
        return;
    }
    if (strcmp(word, "publish") == 0 && words[2] != NULL) {
        const char *text = words[3] != NULL ? words[3] : "";
        atoll_mqtt_text topic = {words[2], (uint16_t)strlen(words[2])};
        printf("taken %d\n", atoll_mqtt_publish(&host.mqtt, topic, text, strlen(text),
                                                (uint8_t)atoi(words[0]), atoi(words[1]) != 0));
    } else if (strcmp(word, "subscribe") == 0 && words[1] != NULL) {
        atoll_mqtt_text filter = {words[1], (uint16_t)strlen(words[1])};
        printf("taken %d\n", atoll_mqtt_subscribe(&host.mqtt, filter, (uint8_t)atoi(words[0])));
    } else if (strcmp(word, "acknowledge") == 0 && words[0] != NULL) {
        atoll_mqtt_acknowledge(&host.mqtt, (uint16_t)atoi(words[0]));
    } else if (strcmp(word, "drop") == 0) {
        close_stream();
    } else if (strcmp(word, "stop") == 0) {
        atoll_mqtt_stop(&host.mqtt);
    }
}

static void read_commands(void)
{
    static char input[LINE];
    static size_t used;
    ssize_t got = read(STDIN_FILENO, input + used, sizeof input - used);
    char *end;
    if (got <= 0) {
        host.over = true;
        return;
    }
    used += (size_t)got;
    while ((end = memchr(input, '\n', used)) != NULL) {
        size_t size = (size_t)(end - input) + 1;
        char line[LINE + 1];
        memcpy(line, input, size);
        line[size] = 0;
        used -= size;
        memmove(input, end + 1, used);
        obey(line);
    }
}

static void read_stream(void)
{
    uint8_t data[700];
    ssize_t got = read(host.stream, data, sizeof data);
    size_t at = 0;
    if (got <= 0) {
        close_stream();
        return;
    }
    while (at < (size_t)got) {
        const uint8_t *output;
        atoll_mqtt_event event;
        size_t size;
        at += atoll_mqtt_receive(&host.mqtt, data + at, (size_t)got - at, clock_ms(), &event);
        handle(&event);
        while (host.stream >= 0 && (size = atoll_mqtt_output(&host.mqtt, &output)) > 0) {
            ssize_t sent = send(host.stream, output, size, MSG_NOSIGNAL);
            atoll_mqtt_sent(&host.mqtt, sent > 0 ? (size_t)sent : 0, clock_ms());
            if (sent < 0) {
                break;
            }
        }
    }
}

static void write_stream(void)
{
    const uint8_t *data;
    size_t size = atoll_mqtt_output(&host.mqtt, &data);
    if (size > 0 && host.stream >= 0) {
        ssize_t sent = send(host.stream, data, size, MSG_NOSIGNAL);
        if (sent < 0) {
            close_stream();
        } else {
            atoll_mqtt_sent(&host.mqtt, (size_t)sent, clock_ms());
        }
    }
}

static int wait_ms(void)
{
    const uint8_t *data;
    uint64_t now = clock_ms(), wakeup = atoll_mqtt_wakeup(&host.mqtt);
    if (host.stream >= 0 && atoll_mqtt_output(&host.mqtt, &data) > 0) {
        return 0;
    }
    return wakeup <= now ? 0 : wakeup - now < 1000 ? (int)(wakeup - now) : 1000;
}

int main(int argc, char **argv)
{
    static uint8_t receive[512], store[1024];
    atoll_mqtt_config config = {.will_topic = {"will", 4},
                                .will = {"gone", 4},
                                .will_qos = 1,
                                .receive = receive,
                                .receive_size = sizeof receive,
                                .store = store,
                                .store_size = sizeof store,
                                .seed = 1};
    if (argc < 4) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    host.port = (uint16_t)atoi(argv[1]);
    config.client = (atoll_mqtt_text){argv[2], (uint16_t)strlen(argv[2])};
    config.keep_alive_s = (uint16_t)atoi(argv[3]);
    for (int at = 4; at < argc; at++) {
        config.clean = config.clean || strcmp(argv[at], "clean") == 0;
        host.slow = host.slow || strcmp(argv[at], "slow") == 0;
    }
    atoll_mqtt_start(&host.mqtt, &config, clock_ms());
    while (!host.over) {
        atoll_mqtt_event event;
        struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = host.stream, .events = POLLIN}};
        poll(fds, host.stream >= 0 ? 2 : 1, wait_ms());
        if (fds[0].revents != 0) {
            read_commands();
        }
        if (host.stream >= 0 && fds[1].fd == host.stream && fds[1].revents != 0) {
            read_stream();
        }
        write_stream();
        atoll_mqtt_tick(&host.mqtt, clock_ms(), &event);
        handle(&event);
    }
    fprintf(stderr, "malformed %u oversized %u timeouts %u refused %u\n", host.mqtt.malformed,
            host.mqtt.oversized, host.mqtt.timeouts, host.mqtt.refused);
    return 0;
}
