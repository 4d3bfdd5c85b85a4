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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mqtt.h"
#include "shell.h"

static struct host {
    atoll_mqtt mqtt;
    uint16_t port;
    int stream;
    bool slow, over;
} host = {.stream = -1};

static void close_stream(void)
{
    if (host.stream >= 0) {
        close(host.stream);
        host.stream = -1;
    }
    atoll_mqtt_closed(&host.mqtt, shell_clock_ms());
    printf("closed\n");
}

static void open_stream(void)
{
    host.stream = shell_connect(host.port);
    if (host.stream < 0) {
        close_stream();
    } else {
        atoll_mqtt_opened(&host.mqtt, shell_clock_ms());
    }
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

static void write_stream(void);

static void read_stream(void)
{
    uint8_t data[700];
    ssize_t got = read(host.stream, data, sizeof data);
    size_t at = 0;
    if (got <= 0) {
        close_stream();
        return;
    }
    while (at < (size_t)got && host.stream >= 0) {
        atoll_mqtt_event event;
        at += atoll_mqtt_receive(&host.mqtt, data + at, (size_t)got - at, shell_clock_ms(), &event);
        handle(&event);
        write_stream();
    }
}

static void write_stream(void)
{
    const uint8_t *data;
    size_t size;
    while (host.stream >= 0 && (size = atoll_mqtt_output(&host.mqtt, &data)) > 0) {
        long sent = shell_send(host.stream, data, size);
        if (sent < 0) {
            close_stream();
        } else {
            atoll_mqtt_sent(&host.mqtt, (size_t)sent, shell_clock_ms());
        }
    }
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
    atoll_mqtt_start(&host.mqtt, &config, shell_clock_ms());
    while (!host.over) {
        atoll_mqtt_event event;
        bool input, arrived;
        shell_wait(host.stream, atoll_mqtt_wakeup(&host.mqtt), &input, &arrived);
        if (input) {
            host.over = !shell_read_lines(obey);
        }
        if (arrived && host.stream >= 0) {
            read_stream();
        }
        write_stream();
        atoll_mqtt_tick(&host.mqtt, shell_clock_ms(), &event);
        handle(&event);
        write_stream();
    }
    fprintf(stderr, "malformed %u oversized %u timeouts %u refused %u\n", host.mqtt.malformed,
            host.mqtt.oversized, host.mqtt.timeouts, host.mqtt.refused);
    return 0;
}
